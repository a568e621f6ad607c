//! What can go wrong at the boundary of this crate, deposits aside. No text here carries anything about a person.

use policy::Denial;
use store::{AskError, StoreError};

/// A refusal or a failure of the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The door said no; it is in the access journal.
    #[error("denied: {}", .0.reason.name())]
    Denied(Box<Denial>),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of our own cannot be read back.
    #[error("{what} in the database cannot be read: {reason}; restore it, or rebuild from a site")]
    Damaged {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A source of lines or a file failed.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What was read.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// More was asked for than one answer may hold.
    #[error("{what} are more than {limit}: choose a shorter period")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl From<AskError> for ArchiveError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Denied(denial) => Self::Denied(denial),
            AskError::Store(error) => Self::Store(error),
        }
    }
}
