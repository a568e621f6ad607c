//! Made-up Korean hospitals, people and records with known truth ([`generate()`]), and the stand-in identity agency
//! ([`agency`]). Everything made here says that it is synthetic. It reads and touches no real record, and nothing of it is
//! needed to run an archive.
//!
//! A run writes, under its output folder:
//!
//! | path | what |
//! |---|---|
//! | `hospital-NN/` | a BagIt 1.0 bag: `data/fhir/<Type>.ndjson`, `data/documents/**` (PDF, PNG, JPEG) |
//! | `people.json` | the people, for the stand-in agency |
//! | `truth.json` | what is in the bags and who is who, for tests |
//!
//! The same options give the same bytes, on however many threads.

pub mod agency;
mod bag;
mod catalogue;
mod chart;
mod directory;
mod docs;
mod generate;
mod institutions;
mod json;
mod names;
pub mod passkey;
mod patient;
pub mod people;
mod places;
mod rng;
mod roster;

pub use directory::directory;
use std::path::PathBuf;

/// What to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of hospitals, 1 to 99. The first three are a hospital, a clinic and a suspended Korean-medicine clinic.
    pub hospitals: usize,
    /// Patients of each hospital.
    pub patients: usize,
    /// Everything made follows from it.
    pub seed: u64,
    /// The folder to fill; it must not hold an earlier run.
    pub out: PathBuf,
    /// The year of the first visits.
    pub start_year: i16,
    /// Documents of a patient, on average about this many.
    pub documents_per_patient: usize,
    /// Threads to work on; the output does not depend on it.
    pub threads: usize,
}

impl Options {
    /// Three hospitals' worth of defaults: visits since 2015 and about ten documents a patient.
    #[must_use]
    pub fn new(hospitals: usize, patients: usize, seed: u64, out: PathBuf) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { hospitals, patients, seed, out, start_year: 2015, documents_per_patient: 10, threads }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The hospital being made, from 1.
    pub hospital: usize,
    /// How many there will be.
    pub hospitals: usize,
    /// Its patients made so far.
    pub patients: usize,
    /// How many it will have.
    pub patients_total: usize,
}

/// What a run made.
#[derive(Debug, Clone)]
pub struct Summary {
    /// People in the identity file.
    pub people: u64,
    /// Each bag.
    pub hospitals: Vec<HospitalSummary>,
}

/// What one bag holds, as its `bag-info.txt` declares it.
#[derive(Debug, Clone)]
pub struct HospitalSummary {
    /// The bag's folder.
    pub folder: PathBuf,
    /// Institution code.
    pub code: String,
    /// Institution name.
    pub name: String,
    /// Patients.
    pub patients: u64,
    /// Lines of `data/fhir`: every version of a resource counts.
    pub resources: u64,
    /// Files of `data/documents`.
    pub documents: u64,
}

/// Why a run or an identity file failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options make no sense.
    #[error("the options cannot be followed: {what}")]
    Options {
        /// What is wrong and what would be right.
        what: &'static str,
    },
    /// An earlier run stands in the way.
    #[error("{path} exists already; give an empty folder or remove the earlier run")]
    NotEmpty {
        /// What was found.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}; check that the disk has room and the folder may be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An identity file is not one.
    #[error("{path} is not an identity file: line {line} is not a person; write it anew with `hanmaru generate`")]
    People {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Makes hospitals, patients, records and documents.
///
/// # Errors
/// [`Error::Options`] and [`Error::NotEmpty`] before anything is written; [`Error::Write`] when the disk fails.
pub fn generate(options: &Options, progress: &dyn Fn(Progress)) -> Result<Summary, Error> {
    generate::generate(options, progress)
}
