//! `hanmaru keys`: the public keys of the logs.

use crate::Failure;
use crate::hall::{Hall, configured};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru keys`.
#[derive(clap::Args)]
pub struct Keys {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Keys {
    /// Prints one verifier key a line (C2SP signed-note).
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::open(&configured(&self.config)?)?;
        for key in hall.store().verifier_keys() {
            println!("{key}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
