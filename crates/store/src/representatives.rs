//! Who may act for a person: named by the person, or recorded by support staff with the proofs that they saw; looked up when a
//! representative asks; ended by the person or by staff.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Clock, Id16, KOREA, Redacted, Timestamp};
use jiff::civil::Date;
use policy::{Action, GroundKind, InstitutionCode, Owner, Permit, ProofCase, ProofRules, Share};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::core::{check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::bump_epoch;
use crate::grounds::{GROUNDS_MAX, Opened, nowhere, patients_of};
use crate::types::{id16_from, institution_from, owner_bytes, time_from};
use crate::{Store, deaths};

/// Microseconds of a day.
const DAY_US: i64 = 24 * crate::grounds::HOUR_US;
/// Appointments of one person that are open at a time.
pub const REPRESENTATIVES_MAX: usize = 50;

/// Somebody who is to act for a person.
#[derive(Debug, Clone)]
pub struct NewRepresentative {
    /// For whom.
    pub person: Id16,
    /// Who: the person's account.
    pub agent: Id16,
    /// The case of [`ProofRules`] that it is.
    pub proof_case: String,
    /// The person's date of birth, where known: some cases are for people of an age, and end with it.
    pub birth_date: Option<Redacted<Date>>,
    /// Proofs that were seen, by name.
    pub seen: BTreeSet<String>,
    /// Only what this institution has; `None` for all.
    pub institution: Option<InstitutionCode>,
    /// How much of it.
    pub share: Share,
    /// From when, not before now; `None` for now. Nothing is open before.
    pub from: Option<Timestamp>,
    /// Until when, at most [`ProofRules::days_max`] from now and no longer than the person is of the case's age.
    pub until: Timestamp,
}

/// Somebody who may act for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representative {
    /// The appointment: the ground that the representative's requests name.
    pub id: Id16,
    /// For whom.
    pub person: Id16,
    /// Who.
    pub agent: Id16,
    /// The case of [`ProofRules`] that it is.
    pub proof_case: String,
    /// Only what this institution has.
    pub institution: Option<InstitutionCode>,
    /// How much of it.
    pub share: Share,
    /// Who wrote it down: the person, or staff.
    pub recorded_by: Id16,
    /// Proofs that were seen for it, by name.
    pub seen: BTreeSet<String>,
    /// From when: before that it is recorded, and nothing is open.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When it was ended before that.
    pub ended: Option<Timestamp>,
    /// Whether it is over since the records say that the person died.
    pub after_death: bool,
}

impl Store {
    /// Writes down who may act for a person. Takes a permit for [`Action::Appoint`] of the person, for cases that rest on the
    /// person's own word, or one for [`Action::RecordProof`] about the person, for the others: where its request is about one
    /// institution, the appointment is as well.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`]; [`StoreError::Missing`]
    /// where the proofs are not enough (ask [`ProofRules::check`] what lacks), the agent is nobody, or the beginning or
    /// the end is not within the time that appointments last; [`StoreError::AfterDeath`]; [`StoreError::Database`].
    pub fn appoint(&self, permit: &Permit, new: NewRepresentative) -> Result<Id16, StoreError> {
        check_action(permit, "appoint", &[Action::Appoint, Action::RecordProof])?;
        if !permit.reaches(Owner::Patient(new.person), &nowhere()) {
            return Err(StoreError::Scope { what: "the person who is represented" });
        }
        self.noted(permit, new.person, "appointment-recorded", || self.write_appointment(permit, &new))
    }

    fn write_appointment(&self, permit: &Permit, new: &NewRepresentative) -> Result<Id16, StoreError> {
        let now = self.core().clock.now();
        let rules = ProofRules::at(now);
        let birth_date = new.birth_date.as_ref().map(|date| *date.expose());
        let enough = rules.check(&new.proof_case, birth_date.and_then(|birth| full_years(birth, now)), &new.seen);
        let case = enough.map_err(|_| StoreError::Missing { what: "proof of who may act for a person" })?;
        if case.by_person != (permit.action() == Action::Appoint) {
            return Err(StoreError::Scope { what: "a case that is proved in this way" });
        }
        let core = self.core();
        let (id, by, epoch, now_us) =
            (Id16::random(&*core.random), permit.actor().account, permit.epoch(), now.as_microsecond());
        let missing = || StoreError::Missing { what: "agent, beginning and end that an appointment can have" };
        let span_us = span_us(new, now, latest_end(case, birth_date, now)).filter(|_| new.agent != new.person);
        let (from_us, until_us) = span_us.ok_or_else(missing)?;
        let (new, ground) = (new.clone(), permit.purpose().ground());
        core.writer.run(new.seen.len() + 1, move |transaction| {
            let step = "writing an appointment";
            check_epoch(transaction, epoch)?;
            check_place(transaction, ground, new.institution.as_ref())?;
            check_life(transaction, &new, now)?;
            let is_person = transaction
                .prepare_cached("SELECT 1 FROM person WHERE id = ?")
                .at(step)?
                .exists([new.agent.0])
                .at(step)?;
            if !is_person {
                return Err(missing());
            }
            let sql = "SELECT count(*) FROM representative WHERE person = ? AND ended_us IS NULL AND until_us > ?";
            let open: i64 = transaction.query_row(sql, params![new.person.0, now_us], |row| row.get(0)).at(step)?;
            check_count("representatives of one person", open.unsigned_abs() as usize + 1, REPRESENTATIVES_MAX)?;
            let sql = "INSERT INTO representative \
                       (person, id, agent, proof_case, edition, institution, share, recorded_by, from_us, until_us) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let values = params![
                new.person.0,
                id.0,
                new.agent.0,
                new.proof_case,
                rules.edition(),
                new.institution.map(|code| code.to_string()).unwrap_or_default(),
                new.share.to_text(),
                by.0,
                from_us,
                until_us
            ];
            transaction.execute(sql, values).at(step)?;
            let sql = "INSERT INTO representative_proof (person, representative, proof, seen_by, seen_us) VALUES (?, ?, ?, ?, ?)";
            for proof in &new.seen {
                transaction.execute(sql, params![new.person.0, id.0, proof, by.0, now_us]).at(step)?;
            }
            Ok(id)
        })
    }

    /// Ends an appointment: permits that were made on it are refused from now on. Takes a permit as [`Store::appoint`] does,
    /// about the person.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Missing`] where there is none that
    /// is open, [`StoreError::Database`].
    pub fn end_representative(&self, permit: &Permit, person: Id16, id: Id16) -> Result<(), StoreError> {
        check_action(permit, "end_representative", &[Action::Appoint, Action::RecordProof])?;
        if !permit.reaches(Owner::Patient(person), &nowhere()) {
            return Err(StoreError::Scope { what: "the person who is represented" });
        }
        let (by, epoch, clock) = (permit.actor().account, permit.epoch(), Arc::clone(&self.core().clock));
        let end = move |transaction: &Transaction<'_>| {
            check_epoch(transaction, epoch)?;
            let now_us = clock.now_us();
            let sql = format!(
                "UPDATE representative SET ended_by = ?2, ended_us = ?3 WHERE {OF_PERSON} AND id = ?4 AND ended_us IS NULL"
            );
            let changed =
                transaction.execute(&sql, params![person.0, by.0, now_us, id.0]).at("ending an appointment")?;
            if changed == 0 {
                return Err(StoreError::Missing { what: "appointment that is open" });
            }
            bump_epoch(transaction)
        };
        self.noted(permit, person, "appointment-ended", || self.core().writer.run(1, end))
    }

    /// Who may act or might have acted for a person, those that are open first. Takes a permit as [`Store::appoint`] does.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Database`].
    pub fn representatives(&self, permit: &Permit, person: Id16) -> Result<Vec<Representative>, StoreError> {
        check_action(permit, "representatives", &[Action::Appoint, Action::RecordProof])?;
        if !permit.reaches(Owner::Patient(person), &nowhere()) {
            return Err(StoreError::Scope { what: "the person who is represented" });
        }
        if permit.actor().account != person {
            self.note_use(permit, person, "appointment")?;
        }
        self.core().readers.snapshot("reading appointments", |connection| {
            check_epoch(connection, permit.epoch())?;
            listed(connection, OF_PERSON, [person.0], self.core().clock.now())
        })
    }

    /// When a person was born, as their records say: some cases are for people of an age. Nothing where no record says the whole
    /// date, or two say different ones. Takes a permit for [`Action::RecordProof`] about the person.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Database`].
    pub fn recorded_birth_date(&self, permit: &Permit, person: Id16) -> Result<Option<Redacted<Date>>, StoreError> {
        check_action(permit, "recorded_birth_date", &[Action::RecordProof])?;
        if !permit.reaches(Owner::Patient(person), &nowhere()) {
            return Err(StoreError::Scope { what: "the person who is represented" });
        }
        self.note_use(permit, person, "Patient")?;
        let step = "reading a date of birth";
        let found = self.core().readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let sql = "SELECT low_us FROM idx_date WHERE owner = ?1 AND type = 'Patient' AND param = 'birthdate' \
                       AND high_us - low_us = ?2";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut dates = BTreeSet::new();
            for own in patients_of(connection, person, "")? {
                let owner = owner_bytes(Owner::Patient(own.patient));
                let rows = statement.query_map(params![owner, DAY_US - 1], |row| row.get(0)).at(step)?;
                for low_us in rows {
                    dates.insert(time_from(low_us.at(step)?)?.to_zoned(KOREA).date());
                }
            }
            Ok(dates)
        })?;
        Ok(found.first().filter(|_| found.len() == 1).map(|date| Redacted::new(*date)))
    }

    /// Whether the records say that a person died: only cases that are made for it let somebody act from then on. Takes a permit for
    /// [`Action::RecordProof`] about the person. Appointments tell the same, so that it is journalled with them
    /// ([`Store::representatives`]).
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Database`].
    pub fn is_recorded_dead(&self, permit: &Permit, person: Id16) -> Result<bool, StoreError> {
        check_action(permit, "is_recorded_dead", &[Action::RecordProof])?;
        if !permit.reaches(Owner::Patient(person), &nowhere()) {
            return Err(StoreError::Scope { what: "the person who is represented" });
        }
        self.core().readers.snapshot("finding whether somebody died", |connection| {
            check_epoch(connection, permit.epoch())?;
            Ok(deaths::died(connection, person)?.is_some())
        })
    }

    /// For whom an account may act or might have acted, those that are open first: for the account's own pages.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn represented_by(&self, account: Id16) -> Result<Vec<Representative>, StoreError> {
        let now = self.core().clock.now();
        let read = |connection: &Connection| listed(connection, "agent = ?1", [account.0], now);
        self.core().readers.snapshot("reading appointments", read)
    }

    /// One appointment of an account, open or ended; nothing where it is another's or none. However many others there are.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn representation(&self, account: Id16, id: Id16) -> Result<Option<Representative>, StoreError> {
        let found = self.core().readers.snapshot("reading an appointment", |connection| {
            listed(connection, "agent = ?1 AND id = ?2", [account.0, id.0], self.core().clock.now())
        })?;
        Ok(found.into_iter().next())
    }
}

/// Staff who handle a request about one institution let somebody act there and nowhere else.
fn check_place(
    connection: &Connection,
    request: Option<Id16>,
    place: Option<&InstitutionCode>,
) -> Result<(), StoreError> {
    let Some(request) = request else { return Ok(()) };
    let step = "looking what a request is about";
    let mut statement = connection.prepare_cached("SELECT institution FROM access_ground WHERE id = ?").at(step)?;
    let about: Option<String> = statement.query_row([request.0], |row| row.get(0)).optional().at(step)?;
    match about.as_deref() {
        Some("") | None => Ok(()),
        Some(code) if place.is_some_and(|place| place.as_str() == code) => Ok(()),
        Some(_) => Err(StoreError::Scope { what: "the institution that the request is about" }),
    }
}

/// Nobody begins to act for somebody who died but in a case that is made for it.
fn check_life(connection: &Connection, new: &NewRepresentative, now: Timestamp) -> Result<(), StoreError> {
    if !deaths::ends(connection, &new.proof_case, new.person, now)? {
        return Ok(());
    }
    let lasting = ProofRules::at(now).cases().iter().filter(|case| case.after_death).map(|case| case.slug.as_str());
    Err(StoreError::AfterDeath { found: new.proof_case.clone(), lasting: lasting.collect::<Vec<_>>().join(" or ") })
}

/// From when until when an appointment holds, in microseconds; `None` where it would begin before it is recorded, end before it
/// begins, or last too long.
fn span_us(new: &NewRepresentative, now: Timestamp, latest: Timestamp) -> Option<(i64, i64)> {
    let from = new.from.unwrap_or(now);
    (now <= from && from < new.until && new.until <= latest)
        .then(|| (from.as_microsecond(), new.until.as_microsecond()))
}

/// The last moment at which an appointment of this case can end, for a person who was born then: it lasts no longer than
/// [`ProofRules::days_max`], and no longer than the person is of the case's age.
#[must_use]
pub fn latest_end(case: &ProofCase, birth: Option<Date>, now: Timestamp) -> Timestamp {
    let longest_us = now.as_microsecond() + ProofRules::at(now).days_max() * DAY_US;
    let longest = Timestamp::from_microsecond(longest_us).unwrap_or(now);
    outgrown(case, birth).map_or(longest, |birthday| birthday.min(longest))
}

/// The age of somebody in full years, by the day in Korea; `None` before they are born.
#[must_use]
pub fn full_years(birth: Date, now: Timestamp) -> Option<i64> {
    let today = now.to_zoned(KOREA).date();
    let had_birthday = (today.month(), today.day()) >= (birth.month(), birth.day());
    let years = i64::from(today.year()) - i64::from(birth.year()) - i64::from(!had_birthday);
    (birth <= today).then_some(years)
}

/// When somebody becomes too old for a case: the beginning of that birthday in Korea.
fn outgrown(case: &ProofCase, birth: Option<Date>) -> Option<Timestamp> {
    let birthday = birth?.checked_add(jiff::Span::new().try_years(case.age_below?).ok()?).ok()?;
    base::midnight(birthday)
}

/// Of a person `?1`, those among them that were recorded for a patient before it was known whose they are.
const OF_PERSON: &str = "(person = ?1 OR person IN (SELECT patient FROM person_patient WHERE person = ?1))";

/// Those that are open first, so that no number of others pushes them out: what has not been ended, by when it ends, and then what
/// has been, by when.
fn listed(
    connection: &Connection,
    condition: &str,
    named: impl rusqlite::Params,
    now: Timestamp,
) -> Result<Vec<Representative>, StoreError> {
    let step = "reading appointments";
    let sql = format!(
        "SELECT id, person, agent, proof_case, institution, share, recorded_by, from_us, until_us, ended_us, \
         (SELECT group_concat(proof, ' ') FROM representative_proof p WHERE p.person = r.person AND p.representative = r.id) \
         FROM representative r WHERE {condition} \
         ORDER BY ended_us IS NOT NULL, coalesce(ended_us, until_us) DESC, id LIMIT {GROUNDS_MAX}"
    );
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let mut rows = statement.query(named).at(step)?;
    let (mut found, mut ended) = (Vec::new(), deaths::Ended::at(now));
    while let Some(row) = rows.next().at(step)? {
        let id = |at: usize| id16_from(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
        let (code, share): (String, String) = (row.get(4).at(step)?, row.get(5).at(step)?);
        let seen: Option<String> = row.get(10).at(step)?;
        let (person, proof_case): (Id16, String) = (id(1)?, row.get(3).at(step)?);
        let unknown = || StoreError::Damaged { what: "an appointment", reason: "its share is unknown".to_owned() };
        found.push(Representative {
            id: id(0)?,
            agent: id(2)?,
            after_death: ended.ends(connection, &proof_case, person)?,
            person,
            proof_case,
            institution: if code.is_empty() { None } else { Some(institution_from(&code)?) },
            share: Share::from_text(&share).ok_or_else(unknown)?,
            recorded_by: id(6)?,
            seen: seen.unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect(),
            from: time_from(row.get(7).at(step)?)?,
            until: time_from(row.get(8).at(step)?)?,
            ended: row.get::<_, Option<i64>>(9).at(step)?.map(time_from).transpose()?,
        });
    }
    Ok(found)
}

/// The appointment of this id, where it is this account's and open: most end with the person.
pub(crate) fn open(
    connection: &Connection,
    account: Id16,
    id: Id16,
    now_us: i64,
) -> Result<Option<Opened>, StoreError> {
    let step = "looking for an appointment";
    let sql = "SELECT person, institution, share, proof_case FROM representative WHERE id = ? AND agent = ? \
               AND ended_us IS NULL AND from_us <= ?3 AND until_us > ?3";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let row: Option<([u8; 16], String, String, String)> = statement
        .query_row(params![id.0, account.0, now_us], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()
        .at(step)?;
    let Some((person, institution, share, proof_case)) = row else { return Ok(None) };
    if deaths::ends(connection, &proof_case, Id16(person), time_from(now_us)?)? {
        return Ok(None);
    }
    Ok(Share::from_text(&share).map(|share| Opened {
        kind: GroundKind::Appointment,
        subject: Id16(person),
        institutions: Some(institution).filter(|code| !code.is_empty()).into_iter().collect(),
        share,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_birthday_begins_at_midnight_in_korea() {
        let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let birth = date(2012, 11, 26);
        assert_eq!(full_years(birth, at("2026-11-25T14:59:59Z")), Some(13));
        assert_eq!(full_years(birth, at("2026-11-25T15:00:00Z")), Some(14));
        assert_eq!(full_years(birth, at("2010-01-01T00:00:00Z")), None, "not born yet");
        let rules = ProofRules::at(at("2026-11-26T00:00:00Z"));
        let child = rules.cases().iter().find(|case| case.age_below == Some(14)).expect("a case");
        assert_eq!(outgrown(child, Some(birth)), Some(at("2026-11-25T15:00:00Z")));
        assert_eq!(outgrown(child, None), None);
        assert_eq!(outgrown(child, Some(date(2012, 2, 29))), Some(at("2026-02-27T15:00:00Z")), "earlier, not later");
    }
}
