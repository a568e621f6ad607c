//! `hanmaru keys`: the public keys of the logs; and the stores of the secret ones, compared and mended.

use crate::Failure;
use crate::hall::{Hall, configured};
use clap::ValueEnum;
use policy::Action;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru keys`.
#[derive(clap::Args)]
pub struct Keys {
    /// Without it the public keys are printed.
    #[arg(value_enum)]
    what: Option<What>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What else can be done.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Compares the key stores whole, and writes to each what it misses.
    Mend,
}

impl Keys {
    /// Prints one verifier key a line (C2SP signed-note), or mends the key stores; exit status 1 where one could not be mended.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        match self.what {
            None => {
                for key in hall.store().verifier_keys() {
                    println!("{key}");
                }
                Ok(ExitCode::SUCCESS)
            }
            Some(What::Mend) => mend(&hall),
        }
    }
}

fn mend(hall: &Hall) -> Result<ExitCode, Failure> {
    let permit = hall.store().ask_job(&hall.door, "repair", Action::Repair)?;
    let mended = hall.key_stores.mend(&permit)?;
    println!("{} keys in all, {} written to stores that missed them", mended.keys, mended.copied);
    for one in &mended.quarantined {
        let what = if one.tail { "a torn end" } else { "damaged" };
        println!(
            "  key store {}: {} bytes {} to {} are {what}: passed over",
            one.store, one.file, one.bytes.start, one.bytes.end
        );
    }
    for fault in &mended.faults {
        println!("  key store {}: NOT mended: {}", fault.name, fault.fault);
    }
    Ok(if mended.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
