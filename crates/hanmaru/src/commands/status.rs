//! `hanmaru status`: how the installation is doing, in plain words.

use crate::Failure;
use crate::hall::{Hall, configured};
use policy::{Action, Purpose, Request, Role, Target};
use std::path::PathBuf;
use std::process::ExitCode;
use store::{Right, StoreConfig};

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
    /// Prints sites, logs and what waits; exit status 1 where something needs a person.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        let hall = Hall::open_with(&config, StoreConfig { sequencer: false, ..StoreConfig::default() })?;
        if self.repair {
            let permit = hall.store().ask_job(&hall.door, "repair", Action::Repair)?;
            println!("repair: {:?}", hall.sites.repair(&permit)?);
        }
        let actor = hall.local_actor(Role::Operator, "status");
        hall.store().grant(actor.account, &Right::Operator)?;
        let request =
            Request { actor, action: Action::ReadStatus, target: Target::Installation, purpose: Purpose::Operation };
        let permit = hall.archive.ask(request)?;
        let health = hall.store().status(&permit)?;
        for (place, log) in ["records", "access"].into_iter().enumerate() {
            println!("log {log}: {} entries sealed, {} waiting", health.published[place], health.waiting[place]);
            if let Some(fault) = &health.faults[place] {
                println!("  cannot seal: {fault}");
            }
        }
        let mut well = health.faults.iter().all(Option::is_none);
        for site in &health.sites {
            let state = if site.reachable { "reachable" } else { "NOT reachable" };
            println!("site {}: {state}, {} objects to be copied", site.name, site.pending);
            if let Some(fault) = &site.last_fault {
                println!("  last fault: {fault}");
            }
            well &= site.reachable && site.pending == 0;
        }
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
