//! How soon an access is seen: by the data subject where another process did it, and by whoever watches over access.

use super::How;
use super::bars::{Bars, Goal};
use super::place::{Installation, Place};
use crate::Failure;
use crate::alerts::Alerts;
use crate::hall::Hall;
use crate::watching::Watching;
use base::Id16;
use policy::{Action, Actor, Assurance, Permit, Purpose, Request, Role, Target};
use std::time::{Duration, Instant};
use store::AccessPage;
use watch::{Flag, Watch};

/// Accesses of each measurement.
const TIMES: usize = 20;
/// How long one may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the live page adds at most: it looks each 300 ms, and its browser asks again after 200 ms.
const LIVE_S: f64 = 0.5;

/// Measures both.
pub fn run(place: &Place, _how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let installation = place.installation("watch")?;
    seen_by_subject(&installation, bars)?;
    alerted(&installation, bars)
}

/// From an access, here a refused attempt, in one process to its line in the data subject's list in another.
fn seen_by_subject(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let (here, there) = (installation.open()?, installation.open()?);
    let mut slowest_s = 0.0_f64;
    for number in 0..TIMES {
        let subject = a_person(&here, &format!("subject {number}"))?;
        let own = own_log(&here, subject)?;
        attempt(&there, &format!("stranger {number}"), subject)?;
        let begun = Instant::now();
        while here.store().access_log(&own, &AccessPage::default())?.entries.iter().all(|one| is_own(one, subject)) {
            give_up(begun)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        slowest_s = slowest_s.max(begun.elapsed().as_secs_f64());
    }
    let peer = format!("the slowest of {TIMES} refused attempts in another process, journals moved each 500 ms");
    bars.bar(&peer, "access_seen_by_subject", slowest_s, "s", Goal::AtMost(2.0));
    Ok(())
}

fn is_own(logged: &store::LoggedAccess, subject: Id16) -> bool {
    logged.entry.actor.account == subject
}

/// From an attempt at a decoy to its case, as the live page of security officers follows cases.
fn alerted(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let hall = installation.open()?;
    let watch = Watch::new(hall.store().clone(), hall.archive.shared_door())?;
    let _watching = Watching::start(&watch, &Alerts::default())?;
    let mut slowest_s = 0.0_f64;
    for number in 0..TIMES {
        let decoy = a_person(&hall, &format!("decoy {number}"))?;
        watch.mark(decoy, Flag::Decoy)?;
        let before = watch.newest_change()?;
        let begun = Instant::now();
        attempt(&hall, &format!("thief {number}"), decoy)?;
        while watch.newest_change()? == before {
            give_up(begun)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        slowest_s = slowest_s.max(begun.elapsed().as_secs_f64());
    }
    let peer = format!("the slowest of {TIMES} attempts at decoys, and {LIVE_S} s of the live page");
    bars.bar(&peer, "access_to_alert", slowest_s + LIVE_S, "s", Goal::AtMost(5.0));
    Ok(())
}

fn give_up(begun: Instant) -> Result<(), Failure> {
    if begun.elapsed() < PATIENCE { Ok(()) } else { Err("what was done was not seen within half a minute".into()) }
}

fn a_person(hall: &Hall, name: &str) -> Result<Id16, Failure> {
    Ok(hall.store().person_for_ci(&hall.store().ci_hash(&name.to_owned().into()))?)
}

fn actor(account: Id16, name: &str) -> Actor {
    Actor {
        account,
        role: Role::Patient,
        assurance: Assurance::Two,
        name: name.to_owned().into(),
        source: "local".to_owned().into(),
    }
}

fn own_log(hall: &Hall, subject: Id16) -> Result<Permit, Failure> {
    let actor = actor(subject, "subject");
    let target = Target::Person(subject);
    let request = Request { actor, action: Action::ReadAccessLog, target, purpose: Purpose::OwnRecords };
    Ok(hall.archive.ask(request)?)
}

/// Somebody asks for another's records, and is denied.
fn attempt(hall: &Hall, name: &str, target: Id16) -> Result<(), Failure> {
    let actor = actor(a_person(hall, name)?, name);
    let target = Target::Person(target);
    let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
    match hall.archive.ask(request) {
        Err(archive::ArchiveError::Denied(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("somebody may read another's records".into()),
    }
}
