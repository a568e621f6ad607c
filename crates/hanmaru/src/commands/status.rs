//! `hanmaru status`: how the installation is doing, in plain words. It changes nothing unless asked to repair.

use crate::Failure;
use crate::commands::scrub::last_line;
use crate::condition::{clock_fault, undelivered, unstamped, unwitnessed};
use crate::hall::{Hall, configured};
use policy::Action;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use store::{Condition, Drill, DrillOutcome, Grade, Jobs, LogCondition, SiteCondition};
use vault::{Fault, KeyStoreReport, RepairReport};

/// How long it waits for the sites to be compared.
const COMPARE_WAIT: Duration = Duration::from_secs(10);
/// A store that was read before another may seem to miss what was written in between: after this it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Arguments of `hanmaru status`.
#[derive(clap::Args)]
pub struct Status {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Compares all sites and copies what one of them lacks.
    #[arg(long)]
    repair: bool,
}

impl Status {
    /// Prints logs, sites, key stores and clock; exit status 1 where something needs a person.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let mut well = true;
        if self.repair {
            let permit = hall.store().ask_job(&hall.door, "repair", Action::Repair)?;
            well &= say_repair(&hall.sites.repair(&permit)?);
        }
        let compared = hall.sites.compared(COMPARE_WAIT);
        let health = hall.store().status(&hall.operate("status", Action::ReadStatus)?)?;
        let found = hall.store().condition()?;
        for log in &found.logs {
            well &= say_log(log, found.at);
        }
        say_unused(&found);
        for site in &found.sites {
            well &= say_site(site, found.at);
        }
        if !compared {
            println!("  the sites are still being compared: what one of them misses is not known yet");
        }
        well &= say_enough("site", health.sites.iter().filter(|site| site.reachable).count(), hall.sites.quorum());
        let stores = key_stores(&hall);
        for store in &stores {
            well &= say_key_store(store);
        }
        let read = stores.iter().filter(|store| store.fault.is_none()).count();
        well &= say_enough("key store", read, hall.key_stores.quorum());
        well &= say_jobs(found.jobs);
        well &= say_clock(hall.clock_behind_s()?);
        println!("{}", drill_line(found.drill.as_ref()));
        if let Some(fault) = &found.disk_fault {
            println!("nobody can read or write records: {fault}");
            well = false;
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn say_repair(report: &RepairReport) -> bool {
    println!(
        "repair: {} objects compared, {} copied, {} replaced, {} with copies that differ and none known to be right",
        report.compared,
        report.copied,
        report.replaced,
        report.undecided.len()
    );
    for path in &report.undecided {
        println!("  undecided: {path}");
    }
    for fault in &report.faults {
        println!("  site {}: {}", fault.name, fault.fault);
    }
    report.undecided.is_empty() && report.faults.is_empty()
}

fn say_log(log: &LogCondition, now: base::Timestamp) -> bool {
    let oldest = log.oldest_s.map_or_else(String::new, |oldest_s| format!(", the oldest for {oldest_s} s"));
    println!("log {}: {} entries sealed, {} waiting{oldest}", log.log.name(), log.sealed, log.waiting);
    if let Some(fault) = &log.fault {
        println!("  cannot seal: {fault}");
    }
    let name = log.log.name();
    let unwitnessed = unwitnessed(name, log.sealed, log.witnessed.as_ref());
    if let Some(witnessed) = &log.witnessed {
        println!("  {} of them witnessed by a quorum", witnessed.size);
    }
    if let Some(stamped) = &log.stamped {
        println!("  {} of them time-stamped by {} at {}", stamped.size, stamped.authority, date(stamped.at));
    }
    let unstamped = unstamped(log, now.as_second());
    for fault in unwitnessed.iter().chain(&unstamped) {
        println!("  {fault}");
    }
    log.fault.is_none() && unwitnessed.is_none() && unstamped.is_none()
}

/// What an installation does without is no fault of it, and whoever relies on it should know.
fn say_unused(found: &Condition) {
    if found.logs.iter().all(|log| log.witnessed.is_none()) {
        println!(
            "witnesses: none is configured (`[witnesses]`): nobody outside sees whether the logs have one history"
        );
    }
    if !found.has_authority {
        println!(
            "time-stamps: no authority is configured (`[time_stamp]`): nobody outside says since when entries are there"
        );
    }
}

fn say_jobs(jobs: Jobs) -> bool {
    println!("alerts: {} waiting to be sent", jobs.waiting);
    if let Some(fault) = undelivered(jobs) {
        println!("  {fault}");
    }
    jobs.get_on()
}

/// When an installation was last made again from a site, for people.
fn drill_line(drill: Option<&Drill>) -> String {
    match drill {
        None => "restore drill: none yet; `hanmaru rebuild --from SITE --drill` makes one".to_owned(),
        Some(drill) => {
            let result = match drill.outcome {
                DrillOutcome::Equal => "everything came out equal",
                DrillOutcome::Partly => "what was compared came out equal",
                DrillOutcome::Unequal => "NOT equal",
            };
            format!(
                "restore drill: {} from site {}, {} versions, {} documents, {} rows: {result}: {}",
                date(drill.ended),
                drill.site,
                drill.resources,
                drill.objects,
                drill.rows,
                drill.result
            )
        }
    }
}

/// A time as it is told here.
pub fn date(at: base::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn say_site(found: &SiteCondition, at: base::Timestamp) -> bool {
    let site = &found.status;
    let state = if site.reachable { "reachable" } else { away(site.last_fault.as_ref()) };
    println!("site {}: {state}, {} objects to be copied", site.name, site.pending);
    if let Some(fault) = &site.last_fault {
        println!("  last fault: {fault}");
    }
    println!("  {}", last_line(found.scrub.as_ref()));
    // The first scrub is still to come at every new installation, as its first drill is, and neither is a failure.
    let awaits_scrub = site.reachable && site.pending == 0 && found.scrub.is_none();
    awaits_scrub || found.grade(at) == Grade::Well
}

/// Whose fault it is decides what to look at first: the disk, or the mounts.
const fn away(fault: Option<&Fault>) -> &'static str {
    match fault {
        Some(Fault::Foreign(_)) => "NOT reachable: it is ANOTHER INSTALLATION'S",
        _ => "NOT reachable",
    }
}

fn key_stores(hall: &Hall) -> Vec<KeyStoreReport> {
    let found = hall.key_stores.compare();
    if found.iter().all(|store| store.fault.is_some() || store.missing == 0) {
        return found;
    }
    std::thread::sleep(LOOK_AGAIN);
    let again = hall.key_stores.compare();
    // What was missing before and is not now was on its way.
    let settled = |(store, before): (KeyStoreReport, &KeyStoreReport)| KeyStoreReport {
        missing: store.missing.min(before.missing),
        ..store
    };
    again.into_iter().zip(&found).map(settled).collect()
}

fn say_key_store(store: &KeyStoreReport) -> bool {
    if let Some(fault) = &store.fault {
        println!("key store {}: {}", store.name, away(Some(fault)));
        println!("  {fault}");
        return false;
    }
    let newest = store.newest.map_or_else(|| "never".to_owned(), date);
    let missing = match store.missing {
        0 => "misses none".to_owned(),
        missing => format!("MISSES {missing} that others hold"),
    };
    println!("key store {}: reachable, {} keys, {missing}, last written {newest}", store.name, store.keys);
    if store.missing > 0 {
        println!("  it catches up while `hanmaru serve` runs; `hanmaru keys mend` does it now");
    }
    if store.dead > 0 {
        println!(
            "  {} records of destroyed keys are still in its files; `hanmaru keys compact` removes them",
            store.dead
        );
    }
    if store.damaged > 0 {
        println!("  {} damaged stretches were passed over; `hanmaru keys mend` names them", store.damaged);
    }
    store.missing == 0
}

fn say_enough(kind: &str, left: usize, wanted: usize) -> bool {
    if left < wanted {
        println!("TOO FEW: {left} {kind}s can be used and {wanted} must be");
    }
    left >= wanted
}

fn say_clock(behind_s: u64) -> bool {
    let fault = clock_fault(behind_s);
    println!("clock: {}", fault.as_deref().unwrap_or("in order"));
    fault.is_none()
}
