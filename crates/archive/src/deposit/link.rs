//! Links patients to people by what the identity agency answers, so that they find their records when they sign in.
//!
//! Two different patients of one bag who are one person to the agency are both left unlinked: either the hospital kept two
//! charts of one person, or one chart carries somebody else's number, and only a human can tell which. Their records are
//! taken all the same.
//!
//! The newest line of a patient alone decides. Where it corrects the number to one that the agency does not know, or takes it
//! away, the link that an older line or an earlier deposit made is undone: records are shown to nobody sooner than to somebody
//! whose they are not.

use super::fault::Fault;
use super::payload::{Lines, open};
use super::take::{national_number, parse};
use super::{Deposit, DepositError, Stage};
use crate::tables::{self, HeldRow, Marks};
use base::{Id16, Redacted};
use identity::{CiLookup, NUMBERS_PER_REQUEST_MAX};
use policy::Action;
use std::collections::HashMap;
use store::{LINKS_MAX, PersonLink};

/// A patient, by the place of the newest line that tells who it is.
struct Subject {
    /// Place of the file.
    file: usize,
    line: u64,
    person: Answer,
}

enum Answer {
    /// Hash of the CI.
    Known([u8; 32]),
    Unknown,
    NoNumber,
}

impl Deposit<'_> {
    /// Asks the agency for every patient of the bag, and links. Whom the newest number does not lead to a person, or not to one
    /// alone, is unlinked: an earlier line or deposit may have said otherwise, and was corrected.
    pub(super) fn link(&mut self, lookup: &dyn CiLookup, files: &[usize]) -> Result<(), DepositError> {
        self.stage(Stage::Linking, self.patients.len() as u64);
        let mut subjects: HashMap<Id16, Subject> = HashMap::with_capacity(self.patients.len());
        let mut asked = HashMap::new();
        for place in files {
            self.read_subjects(*place, lookup, &mut subjects, &mut asked)?;
        }
        self.ask(lookup, &mut subjects, &mut asked)?;
        let (doubled, mut unlinked) = self.take_doubled(&mut subjects);
        let links = &mut self.tally.links;
        let count = |wanted: fn(&Answer) -> bool| subjects.values().filter(|one| wanted(&one.person)).count() as u64;
        links.unknown = count(|person| matches!(person, Answer::Unknown));
        links.without_number = count(|person| matches!(person, Answer::NoNumber));
        links.linked = count(|person| matches!(person, Answer::Known(_)));
        links.doubled = doubled.len() as u64;
        let mut known: Vec<(Id16, [u8; 32])> = Vec::with_capacity(subjects.len());
        for (patient, one) in subjects.iter().filter(|(_, one)| self.decides(one)) {
            match one.person {
                Answer::Known(hash) => known.push((*patient, hash)),
                Answer::Unknown | Answer::NoNumber => unlinked.push(*patient),
            }
        }
        // Whoever may no longer see loses it before anybody gains anything.
        for part in unlinked.chunks(LINKS_MAX) {
            self.unlink_part(part)?;
        }
        for part in known.chunks(LINKS_MAX) {
            self.link_part(part)?;
        }
        let marks = Marks { held: doubled, ..self.marks() };
        Ok(tables::mark(self.archive.store(), marks)?)
    }

    /// Whether this deposit says who a patient is. One that was taken up again does so only for the files that are new to it:
    /// a deposit since then may have corrected what the others say.
    fn decides(&self, subject: &Subject) -> bool {
        let path = &self.bag.files[subject.file].path;
        self.tally.deciding_files.as_ref().is_none_or(|files| files.contains(path))
    }

    fn unlink_part(&mut self, part: &[Id16]) -> Result<(), DepositError> {
        let mut removed = 0;
        self.with_permit(Action::LinkPerson, |deposit, permit| {
            removed = deposit.archive.store().unlink_patients(permit, part, deposit.institution)?;
            Ok(())
        })?;
        self.tally.links.unlinked += removed;
        // A run that is ended from here on has counted them; one that is ended before leaves them to be counted by none.
        if removed > 0 { Ok(tables::mark(self.archive.store(), self.marks())?) } else { Ok(()) }
    }

    fn link_part(&mut self, part: &[(Id16, [u8; 32])]) -> Result<(), DepositError> {
        let store = self.archive.store();
        let hashes: Vec<[u8; 32]> = part.iter().map(|(_, hash)| *hash).collect();
        let people = store.people_for_ci(&hashes)?;
        let institution = self.institution;
        let link = |(person, (patient, _)): (Id16, &(Id16, [u8; 32]))| PersonLink {
            person,
            patient: *patient,
            institution: institution.clone(),
        };
        let links: Vec<PersonLink> = people.into_iter().zip(part).map(link).collect();
        self.with_permit(Action::LinkPerson, |deposit, permit| {
            Ok(deposit.archive.store().link_patients(permit, links.clone())?)
        })
    }

    /// Reads the patients of one file; asks whenever enough numbers are together.
    fn read_subjects(
        &mut self,
        place: usize,
        lookup: &dyn CiLookup,
        subjects: &mut HashMap<Id16, Subject>,
        asked: &mut HashMap<Id16, Redacted<String>>,
    ) -> Result<(), DepositError> {
        let file = &self.bag.files[place];
        let failed = |source| DepositError::Payload { path: file.path.clone(), source };
        let limits = self.fhir_limits();
        let mut lines = Lines::new(open(self.bag, file).map_err(failed)?, limits.bytes_max);
        let mut line = Vec::new();
        loop {
            line.clear();
            let Some(at) = lines.next(&mut line).map_err(failed)? else { return Ok(()) };
            let Ok((value, "Patient", _)) = parse(&line, &limits) else { continue };
            let Some(source_id) = value.str("id") else { continue };
            let patient = self.archive.store().ids().patient(self.institution, source_id).id();
            if !self.patients.is_in_bag(patient) || self.patients.is_disputed(patient) {
                continue;
            }
            let number = national_number(&value);
            let person = if number.is_some() { Answer::Unknown } else { Answer::NoNumber };
            subjects.insert(patient, Subject { file: place, line: at.number, person });
            // The newest line alone decides, even where it takes the number away.
            match number {
                Some(number) => drop(asked.insert(patient, number)),
                None => drop(asked.remove(&patient)),
            }
            if asked.len() >= NUMBERS_PER_REQUEST_MAX {
                self.ask(lookup, subjects, asked)?;
            }
        }
    }

    fn ask(
        &mut self,
        lookup: &dyn CiLookup,
        subjects: &mut HashMap<Id16, Subject>,
        asked: &mut HashMap<Id16, Redacted<String>>,
    ) -> Result<(), DepositError> {
        if asked.is_empty() {
            return Ok(());
        }
        let (patients, numbers): (Vec<Id16>, Vec<Redacted<String>>) = asked.drain().unzip();
        let count = patients.len() as u64;
        for (patient, ci) in patients.into_iter().zip(lookup.ci_of(&numbers)?) {
            if let (Some(subject), Some(ci)) = (subjects.get_mut(&patient), ci) {
                subject.person = Answer::Known(self.archive.store().ci_hash(&ci));
            }
        }
        self.step(count);
        Ok(())
    }

    /// Takes out patients who are one person, with a line for the receipt each.
    fn take_doubled(&self, subjects: &mut HashMap<Id16, Subject>) -> (Vec<HeldRow>, Vec<Id16>) {
        let mut by_person: HashMap<[u8; 32], Vec<Id16>> = HashMap::new();
        for (patient, subject) in subjects.iter() {
            if let Answer::Known(hash) = subject.person {
                by_person.entry(hash).or_default().push(*patient);
            }
        }
        let doubled = by_person.into_values().filter(|patients| patients.len() > 1);
        let (mut rows, mut all) = (Vec::new(), Vec::new());
        for patients in doubled {
            let taken: Vec<Subject> = patients.iter().filter_map(|patient| subjects.remove(patient)).collect();
            let place = |one: &Subject| format!("{} line {}", self.bag.files[one.file].path, one.line);
            let mut places: Vec<String> = taken.iter().map(place).collect();
            places.sort_unstable();
            let reason = format!("one person to the identity agency, not linked: {}", places.join(", "));
            rows.extend(taken.iter().map(|one| HeldRow {
                path: self.bag.files[one.file].path.clone(),
                line: one.line,
                fault: Fault::DoubledPerson.slug(),
                reason: reason.clone(),
                object: None,
            }));
            all.extend(patients);
        }
        (rows, all)
    }
}
