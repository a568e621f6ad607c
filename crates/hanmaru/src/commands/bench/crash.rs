//! `hanmaru bench crash`: deposits killed with SIGKILL at random moments, continued, repeated, and then audited: is anything
//! lost, is anything there twice, are the logs consistent? A kill counts only where the deposit had accepted something since
//! the kill before it: other kills find a state that was tried already.

use super::audit::{Expected, Found, audit};
use super::bars::{Bars, Goal};
use super::place::{Installation, Place};
use super::{Failure, How};
use base::{Random, SeededRandom};
use std::cmp::Ordering;
use std::path::Path;
use std::time::{Duration, Instant};
use synth::Options;

/// Patients of the bag that is deposited again and again.
const PATIENTS: usize = 200;
/// Documents of a patient.
const DOCUMENTS_PER_PATIENT: usize = 4;
/// Kills before one deposit is left to end: later kills of the same deposit hit what is left of it.
const KILLS_PER_DEPOSIT: u32 = 12;
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
        "an undisturbed deposit of {} resources and {} documents takes {:.2} s, {:.2} s of processor time ({:.2} s where \
         everything is there already), and leaves {} leaves",
        expected.lines(),
        expected.documents(),
        whole.took.as_secs_f64(),
        whole.work.as_secs_f64(),
        whole.idle.as_secs_f64(),
        whole.leaves
    ));
    let random = SeededRandom::new(0x4b49_4c4c);
    let mut total = Total::default();
    // At most as many deposits, so that it ends where hardly any kill counts.
    while total.kills < how.points && total.deposits < how.points {
        installation.reset()?;
        one_deposit(&installation, bag, &expected, &whole, how.points, &random, &mut total)?;
    }
    for fault in total.found.faults.iter().take(10) {
        bars.note(fault);
    }
    let peer = format!(
        "{} deposits, each killed at up to {KILLS_PER_DEPOSIT} random moments of {:.2} s of processor time and of what was left, \
         then left to end, and deposited again; kills by tenths of what had been accepted, and after all of it: {:?}; {} more \
         kills found nothing new",
        total.deposits,
        whole.work.as_secs_f64(),
        total.by_tenths,
        total.stale
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
    /// Processor time of the same deposit once more.
    idle: Duration,
    leaves: u64,
}

#[derive(Default)]
struct Total {
    kills: u32,
    stale: u32,
    deposits: u32,
    /// How far the deposit was at the kills: tenths of its leaves, then all of them.
    by_tenths: [u32; 11],
    found: Found,
}

/// How long a deposit takes and how many leaves it makes when nobody kills it.
fn undisturbed(installation: &Installation, bag: &Path, expected: &Expected) -> Result<Whole, Failure> {
    let deposit = || -> Result<(Duration, Duration), Failure> {
        let begun = Instant::now();
        let ended = installation.start_deposit(bag)?.wait()?;
        if ended.code == Some(0) {
            return Ok((begun.elapsed(), ended.work));
        }
        Err(format!("the deposit ended with {:?}: {}", ended.code, installation.deposit_log()).into())
    };
    let (took, work) = deposit()?;
    let (_, idle) = deposit()?;
    let found = audit(installation, expected, None, &[])?;
    if found.lost + found.doubled + found.log_faults > 0 {
        return Err(format!("an undisturbed deposit is not whole: {}", found.faults.join("; ")).into());
    }
    Ok(Whole { took, work, idle, leaves: found.things })
}

fn one_deposit(
    installation: &Installation,
    bag: &Path,
    expected: &Expected,
    whole: &Whole,
    points: u32,
    random: &SeededRandom,
    total: &mut Total,
) -> Result<(), Failure> {
    let mut checkpoints = Vec::new();
    let mut accepted = 0;
    // Work after which a kill would find nothing new: to open everything, and to read again what is there already.
    let mut nothing_new = Duration::ZERO;
    for _ in 0..KILLS_PER_DEPOSIT {
        if total.kills >= points {
            break;
        }
        let left = whole.work.mul_f64(1.0 - accepted as f64 / whole.leaves.max(1) as f64).max(whole.idle);
        let (work, later) = (nothing_new + left.mul_f64(fraction(random)), LATER.mul_f64(fraction(random)));
        if !installation.start_deposit(bag)?.kill_after(work, later)? {
            break;
        }
        let path = installation.site(WATCHED).join("log/records/checkpoint");
        checkpoints.extend(std::fs::read(path).ok());
        let now = installation.accepted()?;
        match now.cmp(&accepted) {
            Ordering::Greater => {
                total.kills += 1;
                let tenth = usize::try_from(now * 10 / whole.leaves.max(1)).map_or(10, |tenth| tenth.min(10));
                total.by_tenths[tenth] += 1;
                nothing_new = Duration::ZERO;
            }
            Ordering::Equal => {
                total.stale += 1;
                nothing_new = work;
            }
            Ordering::Less => {
                total.found.lost += accepted - now;
                total.found.faults.push(format!("{} leaves that were accepted are gone", accepted - now));
            }
        }
        accepted = now;
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
