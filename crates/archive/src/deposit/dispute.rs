//! Finds patients of a bag whose ids stand here for somebody else, before anything of them is taken.
//!
//! A patient is known by the institution's code and its own id. Where one of both is wrong, two people's records would become one
//! chart, and whoever of them signs in would see the other's. Two signs together tell it, because each alone is a usual correction:
//! the national number leads to another person than before while name or birth date are others too, or name and birth date are
//! both others and it does not lead to the same person.
//!
//! Everything about such a patient is held back for a human, and what stands here stays as it is, its link as well.

use super::found_by::indexing;
use super::payload::{Lines, open};
use super::take::{national_number, parse};
use super::{Deposit, DepositError, Stage};
use crate::tables;
use base::{Id16, Redacted};
use identity::{CiLookup, NUMBERS_PER_REQUEST_MAX};
use policy::{Action, Permit};
use std::collections::HashMap;
use store::{Compared, PatientClaim, index_rows};

/// Patients compared at once.
const COMPARED: usize = 1_000;

/// Patients with another name or birth date than here, by what the newest line of each says.
type Differing = HashMap<Id16, (Compared, Option<Redacted<String>>)>;

impl Deposit<'_> {
    /// Notes the patients whose ids stand here for somebody else. Nothing is asked where this is the institution's first bag.
    pub(super) fn dispute(&mut self, lookup: &dyn CiLookup, files: &[usize]) -> Result<(), DepositError> {
        if !tables::has_other_deposits(self.archive.store(), self.institution, self.id)? {
            return Ok(());
        }
        let mut differing = Differing::new();
        self.with_permit(Action::Deposit, |deposit, permit| {
            differing.clear();
            files.iter().try_for_each(|place| deposit.compare_file(permit, *place, &mut differing))
        })?;
        let (mut asked, mut numbers) = (Vec::new(), Vec::new());
        for (patient, (_, number)) in &mut differing {
            if let Some(number) = number.take() {
                asked.push(*patient);
                numbers.push(number);
            }
        }
        self.stage(Stage::Linking, numbers.len() as u64);
        let mut people: HashMap<Id16, [u8; 32]> = HashMap::new();
        for (patients, numbers) in asked.chunks(NUMBERS_PER_REQUEST_MAX).zip(numbers.chunks(NUMBERS_PER_REQUEST_MAX)) {
            let answers = lookup.ci_of(numbers).map_err(DepositError::LookupFirst)?;
            let known = patients.iter().zip(answers).filter_map(|(patient, ci)| Some((*patient, ci?)));
            people.extend(known.map(|(patient, ci)| (patient, self.archive.store().ci_hash(&ci))));
            self.step(patients.len() as u64);
        }
        let is_disputed =
            |(patient, (compared, _)): &(Id16, (Compared, _))| somebody_else(compared, people.get(patient));
        let disputed = differing.into_iter().filter(is_disputed).map(|(patient, _)| patient);
        self.patients.dispute(disputed);
        Ok(())
    }

    fn compare_file(&self, permit: &Permit, place: usize, differing: &mut Differing) -> Result<(), DepositError> {
        let file = &self.bag.files[place];
        let failed = |source| DepositError::Payload { path: file.path.clone(), source };
        let ids = self.archive.store().ids();
        let (limits, indexing) = (self.fhir_limits(), indexing(ids));
        let mut lines = Lines::new(open(self.bag, file).map_err(failed)?, limits.bytes_max);
        let mut line = Vec::new();
        let (mut claims, mut numbers) = (Vec::new(), Vec::new());
        while lines.next(&mut line).map_err(failed)?.is_some() {
            if let Ok((value, "Patient", _)) = parse(&line, &limits) {
                let patient = ids.patient(self.institution, value.str("id").unwrap_or_default()).id();
                claims.push(PatientClaim { patient, rows: index_rows(&value, self.institution, &indexing) });
                numbers.push(national_number(&value));
            }
            line.clear();
            if claims.len() >= COMPARED {
                self.compare(permit, std::mem::take(&mut claims), std::mem::take(&mut numbers), differing)?;
            }
        }
        self.compare(permit, claims, numbers, differing)
    }

    fn compare(
        &self,
        permit: &Permit,
        claims: Vec<PatientClaim>,
        numbers: Vec<Option<Redacted<String>>>,
        differing: &mut Differing,
    ) -> Result<(), DepositError> {
        let compared = self.archive.store().compare_patients(permit, self.institution, &claims)?;
        for ((claim, compared), number) in claims.iter().zip(compared).zip(numbers) {
            // The newest line alone says who a patient is, as in linking.
            match compared.filter(|compared| compared.other_name || compared.other_birth) {
                Some(compared) => drop(differing.insert(claim.patient, (compared, number))),
                None => drop(differing.remove(&claim.patient)),
            }
        }
        Ok(())
    }
}

/// Whether a patient of another name or birth date is somebody else, given whom the number leads to by now.
fn somebody_else(compared: &Compared, now: Option<&[u8; 32]>) -> bool {
    match (&compared.person, now) {
        (Some(before), Some(now)) => before != now,
        _ => compared.other_name && compared.other_birth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_signs_together_tell_another_person() {
        let (one, other) = ([1; 32], [2; 32]);
        let compared = |other_name, other_birth, person| Compared { other_name, other_birth, person };
        assert!(somebody_else(&compared(true, false, Some(one)), Some(&other)));
        assert!(!somebody_else(&compared(true, true, Some(one)), Some(&one)), "the same person took another name");
        assert!(somebody_else(&compared(true, true, Some(one)), None));
        assert!(somebody_else(&compared(true, true, None), Some(&one)));
        assert!(!somebody_else(&compared(true, false, Some(one)), None), "a number and a name that were corrected");
        assert!(!somebody_else(&compared(false, true, None), None));
    }
}
