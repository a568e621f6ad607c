//! `hanmaru institutions`: takes in a directory of institutions.

use crate::Failure;
use crate::hall::{Hall, configured};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru institutions`.
#[derive(clap::Args)]
pub struct Institutions {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The directory: one JSON object a line, with `code`, `name`, `kind`, `region`, `address`, `closed_on`, `holding`.
    file: PathBuf,
}

impl Institutions {
    /// Takes the directory in; exit status 1 where a line was refused.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::open(&configured(&self.config)?)?;
        let file =
            std::fs::File::open(&self.file).map_err(|error| format!("cannot read {}: {error}", self.file.display()))?;
        let report = hall.archive.import_institutions(&mut BufReader::new(file))?;
        println!("{} institutions taken, {} lines refused", report.taken, report.refused);
        for (line, why) in &report.faults {
            println!("  line {line}: {why}");
        }
        Ok(if report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
