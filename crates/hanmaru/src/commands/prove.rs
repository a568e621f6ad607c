//! `hanmaru prove`: writes the proof file of a leaf, with a time-stamp where there is one. A proof says nothing about what its leaf
//! commits to.

use crate::Failure;
use crate::commands::verify::time_text;
use crate::hall::{Hall, configured};
use archive::issue::DocumentNumber;
use ledger::SignedCheckpoint;
use std::path::PathBuf;
use std::process::ExitCode;
use store::Log;

/// Arguments of `hanmaru prove`.
#[derive(clap::Args)]
pub struct Prove {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Number of an issued document.
    #[arg(long, value_name = "NUMBER", required_unless_present = "leaf", conflicts_with = "leaf")]
    document: Option<String>,
    /// Index of a leaf of the log of records.
    #[arg(long, value_name = "INDEX")]
    leaf: Option<u64>,
    /// Where the proof file goes (C2SP tlog-proof).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Prove {
    /// Writes the file, and says what it shows.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let hall = Hall::look(&configured(&self.config)?)?;
        let index = match (&self.document, self.leaf) {
            (Some(number), _) => {
                let number: DocumentNumber = number.parse().map_err(|_| "that is not the number of a document")?;
                hall.archive.issued(&number)?.ok_or("no document of that number was issued here")?.position
            }
            (None, leaf) => leaf.expect("the arguments ask for one of the two"),
        };
        let stamped = hall.store().stamped_proof(Log::Records, index)?;
        let (proof, stamp) = match stamped {
            Some((proof, stamp)) => (proof, Some(stamp)),
            None => (hall.store().proof(Log::Records, index)?, None),
        };
        let key = hall.store().verifier_key(Log::Records);
        let head = SignedCheckpoint::open(&proof.checkpoint_note, &[key])?.checkpoint;
        std::fs::write(&self.out, proof.to_bytes())
            .map_err(|error| format!("cannot write {}: {error}", self.out.display()))?;
        println!("{}: leaf {index} of {} in {}", self.out.display(), head.size, head.origin);
        match stamp {
            Some(stamp) => {
                let at = u64::try_from(stamp.time_s).map_or_else(|_| "an unknown time".to_owned(), time_text);
                println!("  time-stamped by {} at {at}", stamp.authority);
            }
            None => println!("  no time-stamp is over it yet"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
