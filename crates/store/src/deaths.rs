//! That somebody died, as their records say: what appointments end with, and what the watch asks about.

use std::collections::HashMap;

use base::{Id16, Timestamp};
use policy::{Owner, ProofRules};
use rusqlite::{Connection, OptionalExtension};

use crate::error::{AtStep, StoreError};
use crate::types::owner_bytes;
use crate::{grounds, named};

/// When a person died, or the person who a patient is, as the newest records of them say; where a record says only that they did,
/// when it came here.
pub(crate) fn died(connection: &Connection, subject: Id16) -> Result<Option<i64>, StoreError> {
    let step = "finding when somebody died";
    let sql = "SELECT coalesce((SELECT min(d.low_us) FROM idx_date d WHERE d.owner = r.owner AND d.type = r.type \
               AND d.param = 'death-date' AND d.id = r.id), r.recorded_us) \
               FROM resource_current r JOIN idx_token t ON t.owner = r.owner AND t.type = r.type \
               AND t.param = 'deceased' AND t.code = 'true' AND t.id = r.id WHERE r.owner = ? AND r.type = 'Patient'";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let subject = named::person_of(connection, subject)?.unwrap_or(subject);
    let mut died_us = None::<i64>;
    for own in grounds::patients_of(connection, subject, "")? {
        let owner = owner_bytes(Owner::Patient(own.patient));
        let found: Option<i64> = statement.query_row([owner], |row| row.get(0)).optional().at(step)?;
        died_us = died_us.into_iter().chain(found).min();
    }
    Ok(died_us)
}

/// Whether an appointment of this case is over since the person died, by the cases in force at `now`.
pub(crate) fn ends(
    connection: &Connection,
    proof_case: &str,
    person: Id16,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ended::at(now).ends(connection, proof_case, person)
}

/// The same for many appointments, which often are for few people: each of them is looked for once.
pub(crate) struct Ended {
    rules: &'static ProofRules,
    dead: HashMap<Id16, bool>,
}

impl Ended {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { rules: ProofRules::at(now), dead: HashMap::new() }
    }

    pub(crate) fn ends(&mut self, connection: &Connection, proof_case: &str, person: Id16) -> Result<bool, StoreError> {
        if self.rules.lasts_after_death(proof_case) {
            return Ok(false);
        }
        if let Some(is_dead) = self.dead.get(&person) {
            return Ok(*is_dead);
        }
        let is_dead = died(connection, person)?.is_some();
        self.dead.insert(person, is_dead);
        Ok(is_dead)
    }
}
