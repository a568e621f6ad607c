//! What can go wrong with watching and with cases. No text here carries anything about a person.

use policy::Denial;
use store::{AskError, StoreError};

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The door denied it.
    #[error("the door denied it: {}", .0.explanation)]
    Denied(Box<Denial>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another watch works on the same log.
    #[error("another watch came further meanwhile: this one begins again where that one is")]
    Overtaken,
    /// There is no such case, or it is closed.
    #[error("there is no such case that is open: look at the list of cases again")]
    NoCase,
    /// Somebody wants to handle a case about themselves.
    #[error("nobody handles a case about what they did themselves: another security officer does")]
    OwnCase,
    /// Somebody wants to mark their own records, or to take a mark from them.
    #[error("nobody marks their own records: another security officer does")]
    OwnRecords,
    /// A text is empty or too long.
    #[error("the text has {found} characters: write between 1 and {limit}")]
    Text {
        /// How many it has.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The month is not one, or not over.
    #[error("{month} cannot be signed off: {reason}")]
    Month {
        /// The month.
        month: String,
        /// Why not.
        reason: &'static str,
    },
    /// Something kept cannot be read.
    #[error("{what} is damaged: restore it from a site")]
    Damaged {
        /// What.
        what: &'static str,
    },
}

impl WatchError {
    /// As [`StoreError::missing_key`].
    pub(crate) fn missing_key(&self) -> Option<&str> {
        match self {
            Self::Store(error) => error.missing_key(),
            _ => None,
        }
    }
}

impl From<AskError> for WatchError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Denied(denial) => Self::Denied(denial),
            AskError::Store(error) => Self::Store(error),
        }
    }
}
