//! `hanmaru init`: makes what a configuration names, once.

use crate::Failure;
use crate::hall::{Hall, configured};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru init`.
#[derive(clap::Args)]
pub struct Init {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Init {
    /// Makes folders and root key, and opens the store once so that its first keys exist.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        Hall::make(&config)?;
        let hall = Hall::create(&config)?;
        println!("Ready. Copy {} to a safe place now: without it no record can be opened.", config.keys.root.display());
        println!("Public keys of the logs, to be pinned by whoever verifies:");
        for key in hall.store().verifier_keys() {
            println!("  {key}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
