//! Why a deposit did not come to its end. No text here carries anything about a person.

use super::bag::BagError;
use crate::error::ArchiveError;
use crate::names::masked;
use std::path::PathBuf;
use store::{AskError, StoreError};

/// Why a deposit did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepositError {
    /// The bag as a whole is refused. Nothing was written.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// The institution's code stands here for another institution. Nothing was written.
    #[error(
        "institution {code} stands here as {here}, and the bag says {came}: mend Institution-Code in bag-info.txt; if it is the \
         same institution under another name or of another kind, deposit with --rename-institution"
    )]
    OtherInstitution {
        /// The code of both.
        code: String,
        /// Name and kind as they stand here.
        here: String,
        /// Name and kind as the bag says.
        came: String,
    },
    /// The same bag is being deposited at this moment.
    #[error("this bag is being deposited by another process: wait for it, or end it and deposit again")]
    InUse,
    /// A file of our own failed.
    #[error("{path} cannot be {done}: {source}; check that the disk has room and the folder may be written")]
    File {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A payload file changed or failed after it was checked.
    #[error("{} in the bag: {source}; leave the bag alone while it is read, and deposit again", masked(.path))]
    Payload {
        /// Which, below the bag.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The identity agency did not answer.
    #[error("records are taken, patients are not linked yet: {0}")]
    Lookup(#[from] identity::CiLookupError),
    /// The identity agency did not answer before anything was taken.
    #[error(
        "patients of this bag stand here under other names or birth dates, and who they are is not known: {0}; nothing of \
         them was taken"
    )]
    LookupFirst(#[source] identity::CiLookupError),
    /// Rights changed again and again.
    #[error("rights of this institution keep changing while it deposits: deposit again later, nothing is lost")]
    RightsChange,
    /// A thread of the deposit ended early.
    #[error("a thread of the deposit ended early: deposit again, nothing is lost")]
    Interrupted,
    /// The archive refused or failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl From<StoreError> for DepositError {
    fn from(error: StoreError) -> Self {
        Self::Archive(error.into())
    }
}

impl From<AskError> for DepositError {
    fn from(error: AskError) -> Self {
        Self::Archive(error.into())
    }
}
