//! What a deposit has counted so far, kept in its row so that a run that was killed is not forgotten.

use super::receipt::Draft;
use crate::error::ArchiveError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Outcome;

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
    /// Those of them that were not here before. `None`: the deposit was begun by a program that did not count them.
    #[serde(default)]
    pub(super) new: Option<BTreeMap<String, u64>>,
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

    /// Counts what was taken, by the types and what became of each.
    pub(super) fn count(&mut self, kinds: &[&'static str], outcomes: &[Outcome]) {
        for (kind, outcome) in kinds.iter().zip(outcomes) {
            add(&mut self.resources, kind);
            if let (Some(new), Outcome::New { .. }) = (&mut self.new, outcome) {
                add(new, kind);
            }
        }
    }

    pub(super) fn taken(&self) -> u64 {
        self.resources.values().sum()
    }
}

fn add(counts: &mut BTreeMap<String, u64>, kind: &str) {
    match counts.get_mut(kind) {
        Some(count) => *count += 1,
        None => drop(counts.insert(kind.to_owned(), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_what_was_here_come_to_what_was_taken() {
        let outcomes = [Outcome::New { version: 1 }, Outcome::Already { version: 1 }, Outcome::New { version: 2 }];
        let mut tally = Tally { new: Some(BTreeMap::new()), ..Tally::default() };
        tally.count(&["Patient", "Encounter", "Encounter"], &outcomes);
        assert_eq!((tally.taken(), tally.resources["Encounter"]), (3, 2));
        assert_eq!(tally.new.as_ref().map(|new| (new["Patient"], new["Encounter"])), Some((1, 1)));
        let mut older = Tally::default();
        older.count(&["Patient"], &outcomes);
        assert_eq!((older.taken(), older.new), (1, None), "what was not counted from the beginning is not told");
    }
}
