//! `hanmaru bench rewrap`: every patient's key comes under a new shard key, in an installation of a million patients.

use super::bars::{Bars, Goal};
use super::place::{Place, deposit_permit, size_of};
use super::{Failure, How};
use policy::{Action, InstitutionCode};
use std::time::Instant;
use store::{Rotate, RotationProgress};
use vault::{ClassName, GroupName};

/// Patients whose keys are rewrapped, each with one group.
const PATIENTS: u64 = 1_000_000;
/// Patients whose keys are made at once.
const BATCH: usize = 20_000;
/// Patients that the figure is computed for: what a country's closed hospitals have.
const NATIONAL: f64 = 12_000_000.0;

/// Makes the keys, rewraps them, and computes how long a country's would take.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let installation = place.installation("rewrap")?;
    let hall = installation.open()?;
    let institution = InstitutionCode::new("99900000").expect("eight digits are a code");
    let permit = deposit_permit(&hall, &institution)?;
    let class = ClassName::new("chart").expect("a slug");
    let patients = how.times(PATIENTS);
    let begun = Instant::now();
    for from in (0..patients).step_by(BATCH) {
        let group = |number: u64| GroupName {
            owner: hall.store().ids().patient(&institution, &format!("p{number}")),
            institution: institution.clone(),
            class: class.clone(),
            expiry_year: 2036,
        };
        let groups: Vec<GroupName> = (from..from + BATCH as u64).map(group).collect();
        hall.store().reserve_keys(&permit, &groups)?;
    }
    bars.note(&format!(
        "{patients} patients with a key and a group key each made in {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
    let stores = installation.root.join("key_stores/a");
    let before = size_of(&stores)?.0;
    let repair = hall.store().ask_job(&hall.door, "repair", Action::Repair)?;
    let begun = Instant::now();
    let (mut retired, mut during) = (None, before);
    let mut say = |progress: &RotationProgress| {
        if progress.retired && retired.is_none() {
            retired = Some(begun.elapsed());
            during = size_of(&stores).map_or(before, |(bytes, _)| bytes);
        }
    };
    let done = hall.store().rotate(&repair, Rotate::Shards, &mut say)?;
    let took = retired.ok_or("the rotation did not end")?;
    let whole = begun.elapsed();
    if done.keys < patients || !done.is_done() {
        return Err(format!("{} keys were rewrapped, and the old forms are gone: {}", done.keys, done.is_done()).into());
    }
    let rate = done.keys as f64 / took.as_secs_f64();
    let peer = format!(
        "{} keys of patients rewrapped in {:.1} s: unwrapped and wrapped again, durable in two of three key stores ({} MiB to each) \
         and in the index, until the old parents open nothing; the old forms were out of all three key stores {:.1} s later",
        done.keys,
        took.as_secs_f64(),
        (during - before) >> 20,
        (whole - took).as_secs_f64()
    );
    // The bar is computed from a million; from fewer it is another figure.
    let name = if how.short { "rewrap_12_million_of_few" } else { "rewrap_12_million" };
    bars.bar(&peer, name, NATIONAL / rate / 60.0, "min", Goal::AtMost(10.0));
    Ok(())
}
