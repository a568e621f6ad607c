//! The first reading of a bag's NDJSON: checksums, and which patients there are. Nothing is taken in here.
//!
//! It comes first because a file whose checksum is wrong is not taken at all, which is known only at its end, and because a
//! resource may stand before its patient.

use super::fault::Fault;
use super::payload::{Hashed, Lines, open};
use super::take::parse;
use super::{Deposit, DepositError};
use crate::names::Name;
use crate::tables::HeldRow;
use std::collections::HashMap;

/// A file to take in, from where an earlier run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// Its place in the bag's list.
    pub(super) file: usize,
    /// Bytes done.
    pub(super) bytes: u64,
    /// Lines done.
    pub(super) lines: u64,
    /// The lines to take of a file that is done but for them, in order; all of what is left where there are none here.
    pub(super) only: Vec<u64>,
}

/// What the first reading found.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) work: Vec<Work>,
    /// Files that hold patients.
    pub(super) patient_files: Vec<usize>,
    /// Files that are refused whole.
    pub(super) refused: Vec<HeldRow>,
}

/// How far a file is taken in: `None` for a file that was refused whole.
pub(super) type FileMarks = HashMap<Name, Option<(u64, u64)>>;

impl Deposit<'_> {
    /// Reads the NDJSON files that are not finished, and finished ones with patients.
    pub(super) fn survey(&mut self, marks: &FileMarks) -> Result<Survey, DepositError> {
        let mut survey = Survey::default();
        let bag = self.bag;
        for (place, file) in bag.files.iter().enumerate().filter(|(_, file)| is_ndjson(&file.path)) {
            let mark = marks.get(&self.names.name(&file.path));
            if matches!(mark, Some(None)) {
                continue;
            }
            let (bytes, lines) = mark.copied().flatten().unwrap_or((0, 0));
            let is_done = bytes >= file.size && mark.is_some();
            let known = self.tally.patient_files.contains(&file.path);
            if is_done && self.tally.surveyed && !known {
                self.step(file.size);
                continue;
            }
            match self.survey_file(place, is_done)? {
                Ok(has_patients) => {
                    if has_patients {
                        survey.patient_files.push(place);
                    }
                    if !is_done {
                        survey.work.push(Work { file: place, bytes, lines, only: Vec::new() });
                    }
                }
                Err(fault) => {
                    let reason = match fault {
                        Fault::Checksum => "the checksum is not that of the manifest: no line of the file was taken",
                        _ => "the file cannot be read, or was changed: no line of it was taken",
                    };
                    let path = file.path.clone();
                    survey.refused.push(HeldRow {
                        path,
                        line: 0,
                        fault: fault.slug(),
                        reason: reason.to_owned(),
                        object: None,
                    });
                }
            }
        }
        Ok(survey)
    }

    /// Whether a file holds patients, all of which are remembered; or why it is refused.
    fn survey_file(&mut self, place: usize, is_done: bool) -> Result<Result<bool, Fault>, DepositError> {
        let file = &self.bag.files[place];
        let Ok(opened) = open(self.bag, file) else { return Ok(Err(Fault::Unreadable)) };
        let limits = self.fhir_limits();
        let mut lines = Lines::new(Hashed::new(opened, &file.digest), limits.bytes_max);
        let mut line = Vec::new();
        let mut sources = Vec::new();
        let mut stepped = 0;
        loop {
            line.clear();
            let at = match lines.next(&mut line) {
                Ok(at) => at,
                Err(_) => return Ok(Err(Fault::Unreadable)),
            };
            if lines.offset - stepped >= STEP_BYTES || at.is_none() {
                self.step(lines.offset - stepped);
                stepped = lines.offset;
            }
            if at.is_none() {
                break;
            }
            if may_be_patient(&line)
                && let Ok((value, "Patient", _)) = parse(&line, &limits)
            {
                sources.extend(value.str("id").map(str::to_owned));
            }
        }
        // A finished file was checked before it was taken.
        if !is_done && !lines.into_inner().hasher.matches() {
            return Ok(Err(Fault::Checksum));
        }
        for source in &sources {
            self.patients.insert(self.archive.store().ids().patient(self.institution, source).id());
        }
        Ok(Ok(!sources.is_empty()))
    }
}

/// Bytes after which progress is told.
const STEP_BYTES: u64 = 4 << 20;

/// Whether a file holds resources.
pub(super) fn is_ndjson(path: &str) -> bool {
    path.starts_with("data/fhir/") && path.ends_with(".ndjson")
}

/// A quick look, so that few lines are parsed twice: references read `"Patient/…"`, a type reads `"Patient"`.
fn may_be_patient(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    text.contains("\"Patient\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_misses_no_patient() {
        assert!(may_be_patient(br#"{"resourceType" : "Patient","id":"1"}"#));
        assert!(!may_be_patient(br#"{"resourceType":"Observation","subject":{"reference":"Patient/1"}}"#));
    }

    #[test]
    fn only_ndjson_below_fhir_holds_resources() {
        assert!(is_ndjson("data/fhir/Patient.ndjson") && is_ndjson("data/fhir/2020/a.ndjson"));
        assert!(!is_ndjson("data/fhir/readme.txt") && !is_ndjson("data/documents/a.ndjson"));
    }
}
