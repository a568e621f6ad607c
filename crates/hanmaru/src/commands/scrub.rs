//! `hanmaru scrub`: everything at the sites is read back, judged, and repaired; and the same while the portal is served.

use crate::Failure;
use crate::commands::status::date;
use crate::config::Scrub as ScrubHours;
use crate::hall::{Hall, configured};
use policy::Action;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{ScrubConfig, ScrubReport};

/// Bytes of a megabyte, as rates are told.
const MEGABYTE: u64 = 1_000_000;
/// Seconds after which a site that had a fault is read back again: what only people can decide must not be read without an end.
const AGAIN_S: i64 = 3_600;
/// How often a serving process looks whether the next scrub is due.
const LOOK: Duration = Duration::from_secs(60);

/// Arguments of `hanmaru scrub`.
#[derive(clap::Args)]
pub struct Scrub {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The site to look at; may be given more than once. All of them without it.
    #[arg(long, value_name = "NAME")]
    site: Vec<String>,
    /// Most megabytes read a second; as fast as it goes without it.
    #[arg(long, value_name = "MB/s")]
    rate: Option<u64>,
}

impl Scrub {
    /// Reads, repairs and prints; exit status 1 where something is wrong that could not be put right.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let permit = hall.store().ask_job(&hall.door, "scrub", Action::Repair)?;
        let config = ScrubConfig { sites: self.site, bytes_per_s: self.rate.map(|rate| rate.saturating_mul(MEGABYTE)) };
        let stop = AtomicBool::new(false);
        let Some(report) = hall.store().scrub(&permit, &config, &stop)? else {
            return Err("another process is scrubbing: wait until it has ended, `hanmaru status` tells".into());
        };
        say(&report);
        Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn say(report: &ScrubReport) {
    for (name, site) in &report.sites {
        println!(
            "site {name}: {} objects read ({} bytes), {} missing, {} damaged, {} of these put right, {} unknown",
            site.objects, site.bytes, site.missing, site.damaged, site.repaired, site.unknown
        );
        if let Some(fault) = &site.fault {
            println!("  NOT read or written whole: {fault}");
        }
    }
    for (site, path) in &report.unknown {
        println!("  unknown at {site}, left as it is: {path}");
    }
    for (path, depends) in &report.lost {
        println!("LOST: {path}: no site has a sound copy; it held {depends}");
    }
    let more = report.lost_count - report.lost.len() as u64;
    if more > 0 {
        println!("LOST: {more} more");
    }
    if report.is_well() {
        println!("everything that must be at the sites is there and right");
    }
}

/// Scrubs again and again while the portal is served. Ends with `stop`.
pub fn keep_scrubbing(
    hall: Hall,
    hours: &ScrubHours,
    stop: Arc<AtomicBool>,
) -> Result<Option<JoinHandle<()>>, Failure> {
    if hours.every_hours == 0 {
        return Ok(None);
    }
    let every_s = i64::from(hours.every_hours) * 3_600;
    let config = ScrubConfig {
        sites: Vec::new(),
        bytes_per_s: Some(u64::from(hours.megabytes_per_second.max(1)).saturating_mul(MEGABYTE)),
    };
    let thread = std::thread::Builder::new().name("scrub".to_owned()).spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(LOOK);
            if !stop.load(Ordering::SeqCst) && is_due(&hall, every_s) {
                scrub_once(&hall, &config, &stop);
            }
        }
    })?;
    Ok(Some(thread))
}

/// The site that was scrubbed longest ago decides; one that never was at once, and one that had a fault and is there soon again.
fn is_due(hall: &Hall, every_s: i64) -> bool {
    let Ok(last) = hall.store().last_scrubs() else { return false };
    let (now, sites) = (hall.store().clock().now(), hall.store().health().sites);
    sites.iter().any(|site| match last.iter().find(|one| one.site == site.name) {
        None => true,
        Some(one) => {
            let is_soon = one.fault.is_some() && site.reachable;
            let wait_s = if is_soon { every_s.min(AGAIN_S) } else { every_s };
            now.as_second() - one.ended.as_second() >= wait_s
        }
    })
}

fn scrub_once(hall: &Hall, config: &ScrubConfig, stop: &AtomicBool) {
    let done = hall
        .store()
        .ask_job(&hall.door, "scrub", Action::Repair)
        .map_err(|error| error.to_string())
        .and_then(|permit| hall.store().scrub(&permit, config, stop).map_err(|error| error.to_string()));
    match done {
        Ok(Some(report)) if report.is_well() => tracing::info!("everything at the sites was read back and is right"),
        Ok(Some(report)) if report.ended => {
            let lost = report.lost_count;
            tracing::error!(lost, "not everything at the sites is right: run `hanmaru scrub` and see what it says");
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "the sites cannot be scrubbed"),
    }
}

/// When a site was last read back, for people.
pub fn last_line(last: Option<&store::LastScrub>) -> String {
    let Some(one) = last else { return "never read back whole; `hanmaru scrub` does it".to_owned() };
    match &one.fault {
        Some(fault) => format!("NOT read back whole, tried until {}: {fault}", date(one.ended)),
        None => {
            let found = match (one.found, one.lost) {
                (0, 0) => "nothing wrong".to_owned(),
                (found, 0) => format!("{found} missing or damaged, {} put right", one.repaired),
                (found, lost) => format!("{found} missing or damaged, {} put right, {lost} LOST", one.repaired),
            };
            format!("read back whole until {}: {} objects, {found}", date(one.ended), one.objects)
        }
    }
}
