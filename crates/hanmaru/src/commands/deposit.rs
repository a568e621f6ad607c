//! `hanmaru deposit`: takes in a bag, or another system's bundles, with progress and a receipt.

use crate::Failure;
use crate::commands::generate::bar;
use crate::condition::clock_fault;
use crate::config::Config;
use crate::hall::{Hall, configured};
use archive::{BundleOptions, DepositOptions, ForeignPatient, Progress, SignedReceipt, Stage};
use policy::InstitutionCode;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use synth::people::{Foreign, Person, person_for_foreign, write_people};

/// Exit status of a deposit that is done and held something back, which the receipt names.
const HELD_BACK: u8 = 3;

/// Arguments of `hanmaru deposit`.
#[derive(clap::Args)]
pub struct Deposit {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The bag's folder (BagIt 1.0), or with `--from-bundles` the folder to write the bag to.
    path: PathBuf,
    /// A folder of FHIR transaction bundles of another system, to be made into a bag first. Demonstrations only: it also
    /// writes `people.json` beside the bag, so that those people can sign in at the stand-in agency.
    #[arg(long, value_name = "DIR")]
    from_bundles: Option<PathBuf>,
    /// The institution's code stands here under another name or as of another kind, and it is the same institution all the same.
    #[arg(long)]
    rename_institution: bool,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

impl Deposit {
    /// Deposits and prints the receipt; exit status 3 where some of it was held back.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        if let Some(bundles) = &self.from_bundles {
            let people = convert(&config, bundles, &self.path)?;
            println!("identity file for the stand-in agency: {}", people.display());
        }
        let hall = Hall::open(&config)?;
        if let Some(fault) = clock_fault(hall.clock_behind_s()?) {
            tracing::warn!("{fault}; a deposit is dated by what was recorded last");
        }
        let options = DepositOptions { rename_institution: self.rename_institution };
        let receipt = deposit_with(&hall, &config, &self.path, options, self.quiet)?;
        if receipt.again {
            println!("This bag was deposited before, and nothing of it is new. Its receipt:");
        }
        print!("{}", receipt.receipt.english());
        let whole = receipt.receipt.held_back.by_fault.is_empty();
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(HELD_BACK) })
    }
}

/// Deposits one bag with a progress bar.
pub fn deposit(hall: &Hall, config: &Config, bag: &Path, quiet: bool) -> Result<SignedReceipt, Failure> {
    deposit_with(hall, config, bag, DepositOptions::default(), quiet)
}

fn deposit_with(
    hall: &Hall,
    config: &Config,
    bag: &Path,
    options: DepositOptions,
    quiet: bool,
) -> Result<SignedReceipt, Failure> {
    let identity = hall.identity(config)?;
    let shown = if quiet { indicatif::ProgressBar::hidden() } else { bar("", 0) };
    let receipt = hall.archive.deposit_with(bag, &identity.ci_lookup(), options, &mut |progress: Progress| {
        shown.set_message(stage(progress.stage));
        shown.set_length(progress.total);
        shown.set_position(progress.done);
    });
    shown.finish_and_clear();
    Ok(receipt?)
}

/// Makes a bag and an identity file from another system's bundles.
pub fn convert(config: &Config, bundles: &Path, bag: &Path) -> Result<PathBuf, Failure> {
    if !config.demo {
        return Err("--from-bundles makes people for the stand-in agency, which only a demonstration has".into());
    }
    let options = BundleOptions {
        code: InstitutionCode::new("FOREIGN-1").expect("the code has the form of one"),
        name: "외국 시스템 기록 (합성)".to_owned(),
        romanised: "Records of another system (synthetic)".to_owned(),
        kind: "11".to_owned(),
        address: "-".to_owned(),
        closed_on: jiff::civil::date(2024, 12, 31),
        depositor: "demonstration".to_owned(),
        national_number: &|patient| person(patient).map(|person| person.rrn),
    };
    let converted = archive::from_bundles(bundles, bag, &options)?;
    let path = bag.with_extension("people.json");
    write_people(&path, converted.patients.iter().filter_map(person))?;
    Ok(path)
}

/// The person at the stand-in agency for a patient of another system; `None` without a whole date of birth.
fn person(patient: &ForeignPatient) -> Option<Person> {
    Some(person_for_foreign(Foreign {
        name: &patient.name,
        birth_date: patient.birth_date.parse().ok()?,
        gender: &patient.gender,
        source_id: &patient.source_id,
    }))
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Checking => "checking (bytes)",
        Stage::Records => "records (bytes)",
        Stage::Documents => "documents (files)",
        Stage::Linking => "linking (patients)",
        Stage::References => "references (bytes)",
        Stage::Sealing => "sealing",
    }
}
