//! `hanmaru status`: how the installation is doing, in plain words. It changes nothing unless asked to repair.

use crate::Failure;
use crate::condition::{clock_fault, unwitnessed};
use crate::hall::{Hall, configured};
use policy::Action;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vault::{Fault, KeyStoreReport, RepairReport, SiteStatus};

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
        for (place, log) in ["records", "access"].into_iter().enumerate() {
            println!("log {log}: {} entries sealed, {} waiting", health.published[place], health.waiting[place]);
            if let Some(fault) = &health.faults[place] {
                println!("  cannot seal: {fault}");
                well = false;
            }
            if let Some(witnessed) = &health.witnessed[place] {
                println!("  {} of them witnessed by a quorum", witnessed.size);
                if let Some(fault) = unwitnessed(log, health.published[place], Some(witnessed)) {
                    println!("  {fault}");
                    well = false;
                }
            }
        }
        for site in &health.sites {
            well &= say_site(site);
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
        well &= say_clock(hall.clock_behind_s()?);
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

fn say_site(site: &SiteStatus) -> bool {
    let state = if site.reachable { "reachable" } else { away(site.last_fault.as_ref()) };
    println!("site {}: {state}, {} objects to be copied", site.name, site.pending);
    if let Some(fault) = &site.last_fault {
        println!("  last fault: {fault}");
    }
    site.reachable && site.pending == 0
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
    let newest = store.newest.map_or_else(|| "never".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let missing = match store.missing {
        0 => "misses none".to_owned(),
        missing => format!("MISSES {missing} that others hold"),
    };
    println!("key store {}: reachable, {} keys, {missing}, last written {newest}", store.name, store.keys);
    if store.missing > 0 {
        println!("  it catches up while `hanmaru serve` runs; `hanmaru keys mend` does it now");
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
