//! Patients as staff name them: by an institution, and the number there. That one is found is journalled with what is done about
//! them; that none is, here.

use base::{Id16, Redacted};
use policy::{Action, InstitutionCode, Owner, Permit};
use rusqlite::{Connection, OptionalExtension, params};

use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::grounds::{nowhere, patients_of};
use crate::ids::Ids;
use crate::index::CHART_NUMBER;
use crate::types::owner_from;
use crate::watched::check_scope;

/// A patient by an institution and a number there: the one on the chart, or the id in the institution's own record system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPatient {
    /// The institution.
    pub institution: InstitutionCode,
    /// The number.
    pub number: Redacted<String>,
}

impl NamedPatient {
    /// Names a patient.
    #[must_use]
    pub fn new(institution: InstitutionCode, number: &str) -> Self {
        Self { institution, number: Redacted::new(number.to_owned()) }
    }

    /// Who it is where the number is the id in the institution's record system. The door is asked about this one before anybody is
    /// looked for, and under it stands that nobody was found.
    #[must_use]
    pub fn by_id(&self, ids: &Ids) -> Id16 {
        ids.patient(&self.institution, self.number.expose()).id()
    }
}

/// Whom a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPatient {
    /// The patient.
    pub patient: Id16,
    /// The person who they are, where that is known.
    pub person: Option<Id16>,
    /// Whether the number stands on the charts of other records of the same person too, and is no record's own id: for what is about
    /// one record it does not say which.
    pub is_one_of_several: bool,
}

impl KnownPatient {
    /// The person, or the patient where nobody is linked to it.
    #[must_use]
    pub fn subject(&self) -> Id16 {
        self.person.unwrap_or(self.patient)
    }
}

impl Store {
    /// Whom staff name. Takes a permit for [`Action::AskGround`], [`Action::BreakGlass`] or [`Action::HandleErasures`] about
    /// [`NamedPatient::by_id`]. Where there is none, the attempt is journalled as denied: whoever tries numbers until one is
    /// somebody's is seen to do so. Whoever finds somebody does next what they asked for, which is journalled whatever comes of it;
    /// what else may be wrong is to be looked at before.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Missing`] where there is none, or
    /// more than one; [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn subject_of(&self, permit: &Permit, named: &NamedPatient) -> Result<KnownPatient, StoreError> {
        check_action(permit, "subject_of", &[Action::AskGround, Action::BreakGlass, Action::HandleErasures])?;
        if !permit.reaches(Owner::Patient(named.by_id(self.ids())), &nowhere()) {
            return Err(StoreError::Scope { what: "the patient" });
        }
        self.found_or_told(permit, named)
    }

    /// The same with a permit whose scope is accesses.
    ///
    /// # Errors
    /// As [`Store::subject_of`].
    pub fn subject_of_patient(&self, permit: &Permit, named: &NamedPatient) -> Result<KnownPatient, StoreError> {
        check_scope(permit)?;
        self.found_or_told(permit, named)
    }

    /// Whom an operator names at the command line. Takes a permit whose scope is accesses; nothing is journalled.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Database`].
    pub fn patient_named(&self, permit: &Permit, named: &NamedPatient) -> Result<Option<KnownPatient>, StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("looking for a patient", |connection| {
            check_epoch(connection, permit.epoch())?;
            find(connection, self.ids(), named)
        })
    }

    fn found_or_told(&self, permit: &Permit, named: &NamedPatient) -> Result<KnownPatient, StoreError> {
        let found = self.core().readers.snapshot("looking for a patient", |connection| {
            check_epoch(connection, permit.epoch())?;
            find(connection, self.ids(), named)
        })?;
        if found.is_none() {
            self.core().record_beyond(permit, Owner::Patient(named.by_id(self.ids())), "Patient")?;
        }
        found.ok_or(StoreError::Missing { what: "patient" })
    }
}

/// The one patient of the institution who has the number, whether as their id or on their chart. Several records may be of one person;
/// where two people have it, nobody is meant for sure, and none is found.
fn find(connection: &Connection, ids: &Ids, named: &NamedPatient) -> Result<Option<KnownPatient>, StoreError> {
    let by_id = named.by_id(ids);
    let mut found = None;
    if person_of(connection, by_id)?.is_some() || !patients_of(connection, by_id, "")?.is_empty() {
        found = Some(KnownPatient { patient: by_id, person: person_of(connection, by_id)?, is_one_of_several: false });
    }
    let step = "looking for a patient by their number";
    // The name of the parameter stands in the statement, or the index over these rows alone is not used.
    let sql = format!(
        "SELECT t.owner FROM idx_token t CROSS JOIN resource_current r \
         ON r.owner = t.owner AND r.type = 'Patient' AND r.id = t.id \
         WHERE t.type = 'Patient' AND t.param = '{CHART_NUMBER}' AND t.code = ? AND r.institution = ? ORDER BY t.owner"
    );
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let mut rows = statement.query(params![named.number.expose(), named.institution.as_str()]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let owner = owner_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
        // What an institution has as its own is nobody's chart.
        let Owner::Patient(patient) = owner else { continue };
        let other = KnownPatient { patient, person: person_of(connection, patient)?, is_one_of_several: false };
        match &mut found {
            None => found = Some(other),
            Some(found) if found.subject() == other.subject() => {
                found.is_one_of_several |= found.patient != patient && found.patient != by_id;
            }
            Some(_) => return Ok(None),
        }
    }
    Ok(found)
}

/// The person who a patient is, where that is known.
pub(crate) fn person_of(connection: &Connection, patient: Id16) -> Result<Option<Id16>, StoreError> {
    let step = "finding who a patient is";
    let mut statement = connection.prepare_cached("SELECT person FROM person_patient WHERE patient = ?").at(step)?;
    let person: Option<[u8; 16]> = statement.query_row([patient.0], |row| row.get(0)).optional().at(step)?;
    Ok(person.map(Id16))
}
