//! Whether a patient who comes again is who the records here say: compared inside, so that no name leaves. Decides nothing.

use base::Id16;
use policy::{Action, InstitutionCode, Owner, Permit};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

use crate::Store;
use crate::core::{check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::index::{IndexRow, cut};
use crate::types::owner_bytes;

/// A patient as a Patient resource that came tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct PatientClaim {
    /// The patient.
    pub patient: Id16,
    /// Index rows of the resource; those of `name` and `birthdate` count.
    pub rows: Vec<IndexRow>,
}

/// How a claim compares with the current Patient here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Whether the names are others: neither list holds all of the other. Not where one of both has none.
    pub other_name: bool,
    /// Whether the birth date is another. Not where one of both has none.
    pub other_birth: bool,
    /// Keyed hash of the CI of the person whom the patient is linked to.
    pub person: Option<[u8; 32]>,
}

impl Store {
    /// Compares patients with those of the same id that an institution has here; `None` for one who is not here. Takes a permit
    /// to deposit.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::Database`].
    pub fn compare_patients(
        &self,
        permit: &Permit,
        institution: &InstitutionCode,
        claims: &[PatientClaim],
    ) -> Result<Vec<Option<Compared>>, StoreError> {
        check_action(permit, "compare_patients", &[Action::Deposit])?;
        check_count("patients in one question", claims.len(), crate::WRITE_MAX)?;
        if !claims.iter().all(|claim| permit.reaches(Owner::Patient(claim.patient), institution)) {
            return Err(StoreError::Scope { what: "the institution of the patient" });
        }
        self.core().readers.snapshot("comparing patients", |connection| {
            check_epoch(connection, permit.epoch())?;
            claims.iter().map(|claim| compare(connection, institution, claim)).collect()
        })
    }
}

fn compare(
    connection: &Connection,
    institution: &InstitutionCode,
    claim: &PatientClaim,
) -> Result<Option<Compared>, StoreError> {
    let step = "comparing a patient";
    let owner = owner_bytes(Owner::Patient(claim.patient));
    let sql = "SELECT 1 FROM resource_current WHERE owner = ? AND type = 'Patient' AND institution = ?";
    if !connection.prepare_cached(sql).at(step)?.exists(params![owner, institution.as_str()]).at(step)? {
        return Ok(None);
    }
    let sql = "SELECT value FROM idx_string WHERE owner = ? AND type = 'Patient' AND param = 'name'";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let names = statement.query_map([owner], |row| row.get(0)).at(step)?;
    let names: BTreeSet<String> = names.collect::<Result<_, _>>().at(step)?;
    let sql = "SELECT low_us, high_us FROM idx_date WHERE owner = ? AND type = 'Patient' AND param = 'birthdate'";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let births = statement.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?))).at(step)?;
    let births: BTreeSet<(i64, i64)> = births.collect::<Result<_, _>>().at(step)?;
    let sql = "SELECT ci_hmac FROM person JOIN person_patient ON person_patient.person = person.id WHERE patient = ?";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let person = statement.query_row([claim.patient.0], |row| row.get(0)).optional().at(step)?;
    let (mut claimed_names, mut claimed_births) = (BTreeSet::new(), BTreeSet::new());
    for row in &claim.rows {
        match row {
            IndexRow::String { param: "name", value } => drop(claimed_names.insert(cut(value).to_owned())),
            IndexRow::Date { param: "birthdate", low_us, high_us } => drop(claimed_births.insert((*low_us, *high_us))),
            _ => {}
        }
    }
    Ok(Some(Compared {
        other_name: is_other(&names, &claimed_names),
        other_birth: is_other(&births, &claimed_births),
        person,
    }))
}

/// Whether two lists say different things: one that says more of the same does not.
fn is_other<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> bool {
    !one.is_empty() && !other.is_empty() && !one.is_subset(other) && !other.is_subset(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_say_more_of_the_same_are_the_same() {
        let set = |words: &[&'static str]| words.iter().copied().collect::<BTreeSet<_>>();
        assert!(is_other(&set(&["김철수"]), &set(&["김영희"])));
        assert!(is_other(&set(&["김", "철수"]), &set(&["김", "영희"])));
        assert!(!is_other(&set(&["김철수"]), &set(&["김철수", "김", "철수"])));
        assert!(!is_other(&set(&[]), &set(&["김철수"])));
    }
}
