//! What a deposit has counted so far, kept in its row so that a run that was killed is not forgotten.

use super::receipt::Draft;
use crate::error::ArchiveError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of a deposit. Written in the transaction of what they count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Whether the first reading came to its end.
    pub(super) surveyed: bool,
    /// Files with patients.
    pub(super) patient_files: Vec<String>,
    /// Different patients of the bag.
    pub(super) patients: u64,
    /// Lines taken, by resource type. Amendments count each.
    pub(super) resources: BTreeMap<String, u64>,
    /// Warnings of the validation of what was taken.
    pub(super) warnings: u64,
    /// Leaves of the log `records` when the deposit began.
    pub(super) records_before: u64,
    /// Whether lines about nobody are to be tried again: the deposit was finished and taken up again.
    #[serde(default)]
    pub(super) retrying: bool,
    /// Files whose patients a deposit that was taken up again links: those it had not taken before. `None`: all.
    #[serde(default)]
    pub(super) deciding_files: Option<Vec<String>>,
    /// What became of the links.
    pub(super) links: Links,
    /// The receipt whose leaf was accepted last.
    #[serde(default)]
    pub(super) draft: Option<Box<Draft>>,
}

/// Patients by what the identity agency said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Linked to a person, who can sign in and see them.
    pub linked: u64,
    /// Not known to the agency.
    pub unknown: u64,
    /// Without a number to ask with.
    pub without_number: u64,
    /// Not linked because several patients of the bag are one person to the agency: a human must decide.
    pub doubled: u64,
    /// Linked by an older line or an earlier deposit, and no longer: what this bag says of them leads to nobody, or not to one.
    #[serde(default)]
    pub unlinked: u64,
}

impl Tally {
    pub(super) fn read(json: &str) -> Result<Self, ArchiveError> {
        serde_json::from_str(json)
            .map_err(|error| ArchiveError::Damaged { what: "a deposit", reason: error.to_string() })
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("counts and texts are always JSON")
    }

    pub(super) fn add(&mut self, kind: &str, count: u64) {
        match self.resources.get_mut(kind) {
            Some(sum) => *sum += count,
            None => drop(self.resources.insert(kind.to_owned(), count)),
        }
    }

    pub(super) fn taken(&self) -> u64 {
        self.resources.values().sum()
    }
}
