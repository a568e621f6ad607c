//! Facts for the door, people and their patients, rights, and asking. No clinical bodies are read here.

use base::{Clock, Id16, Redacted};
use policy::{
    Action, Actor, Assurance, Decision, Denial, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose,
    Request, Role, Scope, Target,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::Store;
use crate::core::{self, Core, check_action};
use crate::error::{AskError, AtStep, StoreError};
use crate::grounds;
use crate::journal::{AccessEntry, AccessResult};
use crate::rights::{Right, rights};
use crate::types::{id16_from, institution_from};

/// Most links written in one call.
pub const LINKS_MAX: usize = 10_000;

/// A patient of an institution that is a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonLink {
    /// The person, from [`Store::person_for_ci`].
    pub person: Id16,
    /// The patient's id here ([`crate::Ids::patient`]).
    pub patient: Id16,
    /// The institution whose patient it is.
    pub institution: InstitutionCode,
}

impl Store {
    /// What is known about an account, from one state of the database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn facts(&self, account: Id16) -> Result<Facts, StoreError> {
        self.core().readers.snapshot("reading facts", |connection| facts(connection, account))
    }

    /// Asks the door. A denial is durable in the access journal before it is returned.
    ///
    /// # Errors
    /// [`AskError::Denied`] with the denial, or [`AskError::Store`] where the facts cannot be read or the denial cannot be
    /// recorded.
    pub fn ask(&self, door: &Door, request: Request) -> Result<Permit, AskError> {
        if request.action == Action::Rebuild {
            // The one permit that opens everything is for tables that are not there.
            let explanation = "a rebuild runs where no store is open".to_owned();
            return Err(StoreError::JobDenied { job: "rebuild".to_owned(), explanation }.into());
        }
        let now_us = self.core().clock.now_us();
        let facts =
            self.core().readers.snapshot("reading facts", |connection| facts_for(connection, &request, now_us))?;
        match door.decide(&request, &facts, &*self.core().random) {
            Decision::Permit(permit) => Ok(permit),
            Decision::Denial(denial) => {
                self.core().record(&[denial_entry(self.core(), &denial)])?;
                Err(AskError::Denied(Box::new(denial)))
            }
        }
    }

    /// Asks the door for a job of the program itself, on the installation as a whole.
    ///
    /// # Errors
    /// As [`Store::ask`].
    pub fn ask_job(&self, door: &Door, job: &str, action: Action) -> Result<Permit, AskError> {
        self.ask(door, job_request(job, action))
    }

    /// The keyed hash of a CI (연계정보), under which people are known here.
    #[must_use]
    pub fn ci_hash(&self, ci: &Redacted<String>) -> [u8; 32] {
        base::hmac_sha256(&self.core().ci_key[..], ci.expose().as_bytes())
    }

    /// The person with this CI, if known.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn person_of_ci(&self, ci_hash: &[u8; 32]) -> Result<Option<Id16>, StoreError> {
        self.core().readers.snapshot("finding a person", |connection| person_of_ci(connection, ci_hash))
    }

    /// The person with this CI; made where unknown. The same CI always gives the same person.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn person_for_ci(&self, ci_hash: &[u8; 32]) -> Result<Id16, StoreError> {
        if let Some(person) = self.person_of_ci(ci_hash)? {
            return Ok(person);
        }
        Ok(self.people_for_ci(std::slice::from_ref(ci_hash))?[0])
    }

    /// As [`Store::person_for_ci`] for many at once, in their order.
    ///
    /// # Errors
    /// [`StoreError::Limit`] beyond [`LINKS_MAX`]; else as [`Store::person_for_ci`].
    pub fn people_for_ci(&self, ci_hashes: &[[u8; 32]]) -> Result<Vec<Id16>, StoreError> {
        core::check_count("people in one call", ci_hashes.len(), LINKS_MAX)?;
        let new: Vec<_> = ci_hashes.iter().map(|hash| (*hash, Id16::random(&*self.core().random))).collect();
        self.core().writer.run(new.len(), move |transaction| {
            let step = "making people";
            let people = new.iter().map(|(hash, id)| {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO person (id, ci_hmac) VALUES (?, ?)")
                    .at(step)?
                    .execute(params![id.0, hash])
                    .at(step)?;
                person_of_ci(transaction, hash)?.ok_or(StoreError::Missing { what: "person" })
            });
            people.collect()
        })
    }

    /// Says that patients are people. A patient is one person at most: linking it to another moves it, and ends permits that
    /// were made before. Takes a permit for [`Action::LinkPerson`] that reaches the institution.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::Database`].
    pub fn link_patients(&self, permit: &Permit, links: Vec<PersonLink>) -> Result<(), StoreError> {
        check_action(permit, "link_patients", &[Action::LinkPerson])?;
        core::check_count("links in one call", links.len(), LINKS_MAX)?;
        for link in &links {
            if !permit.reaches(Owner::Patient(link.patient), &link.institution) {
                return Err(StoreError::Scope { what: "the institution of the patient" });
            }
        }
        let epoch = permit.epoch();
        self.core().writer.run(links.len(), move |transaction| {
            core::check_epoch(transaction, epoch)?;
            let mut moved = false;
            for link in &links {
                moved |= link_patient(transaction, link)?;
            }
            if moved { bump_epoch(transaction) } else { Ok(()) }
        })
    }

    /// One link; see [`Store::link_patients`].
    ///
    /// # Errors
    /// As [`Store::link_patients`].
    pub fn link_patient(
        &self,
        permit: &Permit,
        person: Id16,
        patient: Id16,
        institution: &InstitutionCode,
    ) -> Result<(), StoreError> {
        self.link_patients(permit, vec![PersonLink { person, patient, institution: institution.clone() }])
    }

    /// Undoes a link. Permits that were made before end.
    ///
    /// # Errors
    /// As [`Store::link_patients`].
    pub fn unlink_patient(
        &self,
        permit: &Permit,
        patient: Id16,
        institution: &InstitutionCode,
    ) -> Result<(), StoreError> {
        self.unlink_patients(permit, &[patient], institution).map(drop)
    }

    /// As [`Store::unlink_patient`] for many at once; gives how many were linked. Where none was, permits stay valid.
    ///
    /// # Errors
    /// As [`Store::link_patients`].
    pub fn unlink_patients(
        &self,
        permit: &Permit,
        patients: &[Id16],
        institution: &InstitutionCode,
    ) -> Result<u64, StoreError> {
        check_action(permit, "unlink_patients", &[Action::LinkPerson])?;
        core::check_count("links in one call", patients.len(), LINKS_MAX)?;
        if !patients.iter().all(|patient| permit.reaches(Owner::Patient(*patient), institution)) {
            return Err(StoreError::Scope { what: "the institution of the patient" });
        }
        let (epoch, code, patients) = (permit.epoch(), institution.as_str().to_owned(), patients.to_vec());
        self.core().writer.run(patients.len(), move |transaction| {
            let step = "unlinking patients";
            core::check_epoch(transaction, epoch)?;
            let mut removal = transaction
                .prepare_cached("DELETE FROM person_patient WHERE patient = ? AND institution = ?")
                .at(step)?;
            let mut removed = 0;
            for patient in &patients {
                removed += removal.execute(params![patient.0, code]).at(step)? as u64;
            }
            if removed > 0 {
                bump_epoch(transaction)?;
            }
            Ok(removed)
        })
    }
}

/// The permit of a job of the store's own, for sealed bytes.
pub(crate) fn own_job_permit(core: &Core, job: &str, action: Action) -> Result<Permit, StoreError> {
    let facts = core.readers.snapshot("reading the epoch", |connection| {
        Ok(Facts { epoch: core::epoch(connection)?, ..Facts::default() })
    })?;
    match core.door.decide(&job_request(job, action), &facts, &*core.random) {
        Decision::Permit(permit) if *permit.scope() == Scope::Sealed => Ok(permit),
        Decision::Permit(permit) => Err(StoreError::JobDenied {
            job: job.to_owned(),
            explanation: format!("{} with another scope", permit.explanation()),
        }),
        Decision::Denial(denial) => Err(StoreError::JobDenied { job: job.to_owned(), explanation: denial.explanation }),
    }
}

pub(crate) fn job_request(job: &str, action: Action) -> Request {
    let actor = Actor {
        account: Id16::derived(&["job", job]),
        role: Role::Job,
        assurance: Assurance::None,
        name: Redacted::new(job.to_owned()),
        source: Redacted::new("local".to_owned()),
    };
    Request { actor, action, target: Target::Installation, purpose: Purpose::Operation }
}

pub(crate) fn denial_entry(core: &Core, denial: &Denial) -> AccessEntry {
    let subject = match &denial.target {
        Target::Person(id) | Target::Patient(id) => *id,
        Target::Institution(code) => Owner::institution(code).id(),
        Target::Installation => denial.actor.account,
    };
    let result = AccessResult::Denied { reason: denial.reason.name().to_owned() };
    AccessEntry {
        id: denial.id,
        decision: denial.id,
        time: core.clock.now(),
        subject,
        actor: (&denial.actor).into(),
        action: denial.action.name().to_owned(),
        purpose: denial.purpose.name().to_owned(),
        ground: denial.purpose.ground(),
        explanation: denial.explanation.clone(),
        result,
        institution: None,
        what: Vec::new(),
    }
}

fn facts(connection: &Connection, account: Id16) -> Result<Facts, StoreError> {
    facts_about(connection, account, None)
}

/// The facts about an account. Of several institutions that it deposits for they name the one that it is about, where it is one.
fn facts_about(connection: &Connection, account: Id16, about: Option<&InstitutionCode>) -> Result<Facts, StoreError> {
    let step = "reading facts";
    // An account of a person has the person's id.
    let person = connection
        .prepare_cached("SELECT 1 FROM person WHERE id = ?")
        .at(step)?
        .exists([account.0])
        .at(step)?
        .then_some(account);
    let mut patients = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT patient, institution FROM person_patient WHERE person = ?").at(step)?;
    let mut rows = statement.query([account.0]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let patient = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
        let institution = institution_from(row.get_ref(1).at(step)?.as_str().unwrap_or_default())?;
        patients.push(OwnPatient { patient, institution });
    }
    let mut facts = Facts { epoch: core::epoch(connection)?, person, patients, ..Facts::default() };
    for right in rights(connection, account)? {
        match right {
            Right::Depositor(institution) => {
                if facts.deposits_for.is_none() || about == Some(&institution) {
                    facts.deposits_for = Some(institution);
                }
            }
            Right::Operator => facts.operator = true,
            Right::Appointed { role, .. } => drop(facts.holds.insert(role)),
        }
    }
    Ok(facts)
}

/// The facts for one request: those of the account, and the ground that the request points to.
pub(crate) fn facts_for(connection: &Connection, request: &Request, now_us: i64) -> Result<Facts, StoreError> {
    let about = match &request.target {
        Target::Institution(code) => Some(code),
        _ => None,
    };
    let mut facts = facts_about(connection, request.actor.account, about)?;
    if let Some(id) = request.purpose.ground() {
        facts.ground = grounds::open_ground(connection, request, id, now_us)?;
    }
    Ok(facts)
}

fn person_of_ci(connection: &Connection, hash: &[u8; 32]) -> Result<Option<Id16>, StoreError> {
    let step = "finding a person";
    let mut statement = connection.prepare_cached("SELECT id FROM person WHERE ci_hmac = ?").at(step)?;
    let id: Option<[u8; 16]> = statement.query_row([hash], |row| row.get(0)).optional().at(step)?;
    Ok(id.map(Id16))
}

/// `true` where the patient was another person before. A patient that another institution has linked stays as it is.
fn link_patient(transaction: &Transaction<'_>, link: &PersonLink) -> Result<bool, StoreError> {
    let step = "linking a patient";
    let mut others =
        transaction.prepare_cached("SELECT 1 FROM person_patient WHERE patient = ? AND institution <> ?").at(step)?;
    if others.exists(params![link.patient.0, link.institution.as_str()]).at(step)? {
        return Err(StoreError::Scope { what: "a patient of another institution" });
    }
    let mut removal =
        transaction.prepare_cached("DELETE FROM person_patient WHERE patient = ? AND person <> ?").at(step)?;
    let moved = removal.execute(params![link.patient.0, link.person.0]).at(step)? > 0;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO person_patient (person, patient, institution) VALUES (?, ?, ?)")
        .at(step)?
        .execute(params![link.person.0, link.patient.0, link.institution.as_str()])
        .at(step)?;
    Ok(moved)
}

/// Ends every permit that was made before. To be called in the transaction that narrows anybody's rights.
pub(crate) fn bump_epoch(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute("UPDATE policy_epoch SET epoch = epoch + 1", []).at("counting the change of rights").map(|_| ())
}
