//! `hanmaru generate`: synthetic hospitals.

use crate::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `hanmaru generate`.
#[derive(clap::Args)]
pub struct Generate {
    /// Hospitals to make, each a bag of its own.
    #[arg(long, default_value_t = 3)]
    hospitals: usize,
    /// Patients of each hospital.
    #[arg(long, default_value_t = 1000)]
    patients: usize,
    /// The same seed makes the same hospitals.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The folder to fill.
    out: PathBuf,
}

impl Generate {
    /// Makes the bags with a progress bar.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let options = synth::Options::new(self.hospitals, self.patients, self.seed, self.out);
        let summary = generate(&options)?;
        for hospital in &summary.hospitals {
            println!(
                "{}  {}  {}: {} patients, {} resources, {} documents",
                hospital.folder.display(),
                hospital.code,
                hospital.name,
                hospital.patients,
                hospital.resources,
                hospital.documents
            );
        }
        println!("All of it is synthetic. {} people can sign in at the stand-in agency.", summary.people);
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes bags and shows how far it is.
pub fn generate(options: &synth::Options) -> Result<synth::Summary, synth::Error> {
    let bar = bar("generating", (options.hospitals * options.patients) as u64);
    let summary = synth::generate(options, &|progress| {
        let done = (progress.hospital - 1) * progress.patients_total + progress.patients;
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    summary
}

/// A progress bar for so many of something.
pub fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} [{bar:32}] {pos}/{len} {elapsed}")
        .expect("the template is fixed")
        .progress_chars("=> ");
    ProgressBar::new(total).with_style(style).with_message(what)
}
