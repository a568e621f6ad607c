//! `hanmaru bench crash`: deposits killed with SIGKILL at random moments, continued, repeated, and then audited: is anything
//! lost, is anything there twice, are the logs consistent?

use super::audit::{Expected, Found, audit};
use super::bars::{Bars, Goal};
use super::place::{Installation, Place};
use super::{Failure, How};
use base::{Random, SeededRandom};
use std::path::Path;
use std::time::{Duration, Instant};
use synth::Options;

/// Patients of the bag that is deposited again and again.
const PATIENTS: usize = 60;
/// Documents of a patient.
const DOCUMENTS_PER_PATIENT: usize = 4;
/// Kills before one deposit is left to end: later kills of the same deposit hit what is left of it.
const KILLS_PER_DEPOSIT: u32 = 8;
/// Most time between a step of processor time and the kill: waits for the disk are hit as well.
const LATER: Duration = Duration::from_millis(40);
/// Site of which the checkpoints are kept that stood there when the program was killed.
const WATCHED: usize = 0;

/// Kills deposits until `how.points` kills have hit.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let out = place.root().join("crash-bag");
    let mut options = Options::new(1, PATIENTS, 7, out.clone());
    options.documents_per_patient = DOCUMENTS_PER_PATIENT;
    let summary = synth::generate(&options, &|_| {})?;
    let bag = &summary.hospitals.first().ok_or("nothing was generated")?.folder;
    let expected = Expected::read(bag, &out.join("people.json"))?;
    let installation = place.installation("crash")?;
    let _agency = installation.start_agency(&out.join("people.json"))?;

    let whole = undisturbed(&installation, bag, &expected)?;
    bars.note(&format!(
        "an undisturbed deposit of {} resources and {} documents takes {:.2} s, {:.2} s of processor time, and leaves {} leaves",
        expected.lines(),
        expected.documents(),
        whole.took.as_secs_f64(),
        whole.work.as_secs_f64(),
        whole.leaves
    ));
    let random = SeededRandom::new(0x4b49_4c4c);
    let mut total = Total::default();
    while total.kills < how.points {
        installation.reset()?;
        let left = (how.points - total.kills).min(KILLS_PER_DEPOSIT);
        one_deposit(&installation, bag, &expected, &whole, left, &random, &mut total)?;
    }
    for fault in total.found.faults.iter().take(10) {
        bars.note(fault);
    }
    let peer = format!(
        "{} deposits, each killed at moments drawn evenly from {:.2} s of processor time and then from what was left, at \
         most {KILLS_PER_DEPOSIT} times, then left to end, and deposited again",
        total.deposits,
        whole.work.as_secs_f64()
    );
    let consistent = format!(
        "{} leaves each proved, {} checkpoints seen at kills each the beginning of the final log, tiles of all sites \
         recomputed, {} logs with a fault",
        total.found.leaves, total.found.checkpoints, total.found.log_faults
    );
    bars.bar(&peer, "kill_points", f64::from(total.kills), "kills", Goal::AtLeast(200.0));
    bars.bar(&peer, "kill_lost", total.found.lost as f64, "items", Goal::Exactly(0.0));
    bars.bar(&peer, "kill_doubled", total.found.doubled as f64, "items", Goal::Exactly(0.0));
    bars.bar(&consistent, "kill_log_faults", total.found.log_faults as f64, "faults", Goal::Exactly(0.0));
    Ok(())
}

struct Whole {
    took: Duration,
    work: Duration,
    leaves: u64,
}

#[derive(Default)]
struct Total {
    kills: u32,
    deposits: u32,
    found: Found,
}

/// How long a deposit takes and how many leaves it makes when nobody kills it.
fn undisturbed(installation: &Installation, bag: &Path, expected: &Expected) -> Result<Whole, Failure> {
    let begun = Instant::now();
    let ended = installation.start_deposit(bag)?.wait()?;
    let took = begun.elapsed();
    if ended.code != Some(0) {
        return Err(format!("the deposit ended with {:?}: {}", ended.code, installation.deposit_log()).into());
    }
    let found = audit(installation, expected, None, &[])?;
    if found.lost + found.doubled + found.log_faults > 0 {
        return Err(format!("an undisturbed deposit is not whole: {}", found.faults.join("; ")).into());
    }
    Ok(Whole { took, work: ended.work, leaves: found.leaves })
}

fn one_deposit(
    installation: &Installation,
    bag: &Path,
    expected: &Expected,
    whole: &Whole,
    kills: u32,
    random: &SeededRandom,
    total: &mut Total,
) -> Result<(), Failure> {
    let mut checkpoints = Vec::new();
    let mut left = whole.work;
    for _ in 0..kills {
        let (work, later) = (left.mul_f64(fraction(random)), LATER.mul_f64(fraction(random)));
        // What is done already is not done again, but starting is.
        left = left.saturating_sub(work).max(whole.work / 5);
        if !installation.start_deposit(bag)?.kill_after(work, later)? {
            break;
        }
        total.kills += 1;
        let path = installation.site(WATCHED).join("log/records/checkpoint");
        checkpoints.extend(std::fs::read(path).ok());
    }
    // Until its end, and then the same once more.
    for turn in ["continued", "repeated"] {
        let ended = installation.start_deposit(bag)?.wait()?;
        if ended.code != Some(0) {
            let log = installation.deposit_log();
            return Err(format!("the {turn} deposit ended with {:?}: {log}", ended.code).into());
        }
    }
    total.deposits += 1;
    total.found.add(audit(installation, expected, Some(whole.leaves), &checkpoints)?);
    Ok(())
}

/// From 0 to 1.
fn fraction(random: &SeededRandom) -> f64 {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}
