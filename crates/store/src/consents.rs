//! Consents of people: Consent resources among the person's own records, and the rules made of them for the door. Giving, changing
//! and withdrawing one writes a version and its rules in one transaction, and ends every permit that was made before.

use std::collections::BTreeSet;

use base::{Clock, Id16, Timestamp};
use policy::{Action, GroundKind, GroundTerms, InstitutionCode, Owner, Permit, Purpose, Request, Role, Share};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::ClassName;

use crate::Store;
use crate::access::Seen;
use crate::consent_form::{ConsentFault, ConsentTerms};
use crate::core::{check_action, check_count, check_epoch};
use crate::edition::Edition;
use crate::error::{AtStep, StoreError};
use crate::facts::bump_epoch;
use crate::grounds::{HOUR_US, Opened, nowhere, places_of};
use crate::ids::Ids;
use crate::index::IndexRow;
use crate::read::{frames, open as open_version};
use crate::types::{NewVersion, ResourceKey, Ticket, id16_from, institution_from, owner_bytes, owner_from, time_from};
use crate::write::ticket;

/// Consents of one person that hold at a time, and those that are shown.
pub const CONSENTS_MAX: usize = 500;
/// Years that a consent is kept after it was written, as the longest class of records is.
const YEARS_KEPT: i16 = 10;
const KIND: &str = "Consent";

/// The institution that consents belong to: the commons itself.
#[must_use]
pub fn commons() -> InstitutionCode {
    InstitutionCode::new("hanmaru").expect("seven letters are a code")
}

/// A consent of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentEntry {
    /// Which.
    pub id: Id16,
    /// What it says; a fault where it cannot be read, and then it shares nothing.
    pub terms: Result<ConsentTerms, ConsentFault>,
    /// Whether it was not withdrawn, and so holds for as long as it says; one that cannot be read may hold still.
    pub is_active: bool,
    /// When this version was written.
    pub recorded: Timestamp,
    /// How often it was written: 1 unless it was changed or withdrawn.
    pub version: u32,
}

/// A consent that somebody may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentOffer {
    /// The consent: the ground that a request names.
    pub consent: Id16,
    /// For what ([`policy::Purpose::name`]).
    pub purpose: String,
    /// Until when.
    pub until: Timestamp,
}

impl Store {
    /// Gives a consent. Takes a permit for [`Action::ManageConsent`] of the person. Accepted when it returns; wait for the
    /// ticket to have it sealed.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`]; [`StoreError::Missing`]
    /// where the terms name nobody, nothing or no time that a consent can have; and those of [`Store::write`].
    pub fn give_consent(&self, permit: &Permit, terms: &ConsentTerms) -> Result<(Id16, Ticket), StoreError> {
        let id = Id16::random(&*self.core().random);
        let ticket = self.write_consent(permit, id, terms, true)?;
        Ok((id, ticket))
    }

    /// Puts other terms in the place of a consent's.
    ///
    /// # Errors
    /// As [`Store::give_consent`]; [`StoreError::Missing`] where there is no such consent.
    pub fn change_consent(&self, permit: &Permit, id: Id16, terms: &ConsentTerms) -> Result<Ticket, StoreError> {
        self.consent(permit, terms.person, id)?;
        self.write_consent(permit, id, terms, true)
    }

    /// Withdraws a consent: from the moment this returns, every request that rests on it is refused. Where nothing new is taken in,
    /// as while two sites are away, its rules go all the same, which the door goes by; the resource then says what it said.
    ///
    /// # Errors
    /// As [`Store::change_consent`].
    pub fn withdraw_consent(&self, permit: &Permit, person: Id16, id: Id16) -> Result<Ticket, StoreError> {
        let written = match self.consent(permit, person, id)?.terms {
            Ok(terms) => Some(self.write_consent(permit, id, &terms, false)),
            // Its rules were made when it could be read, and hold until they go: nothing else is written of what nobody can read.
            Err(_) => None,
        };
        match written {
            Some(Ok(ticket)) => Ok(ticket),
            Some(Err(error @ (StoreError::StaleEpoch { .. } | StoreError::Missing { .. }))) => Err(error),
            Some(Err(_)) | None => self.withdraw_rules(permit, person, id),
        }
    }

    /// Takes the rules of a consent away and writes nothing else.
    fn withdraw_rules(&self, permit: &Permit, person: Id16, id: Id16) -> Result<Ticket, StoreError> {
        let epoch = permit.epoch();
        self.core().writer.run(1, move |transaction| {
            check_epoch(transaction, epoch)?;
            replace_rules(transaction, person, id, None)?;
            bump_epoch(transaction)?;
            ticket(transaction).map(|(ticket, _)| ticket)
        })
    }

    /// The consents of a person: those that hold first, then the newest of those withdrawn, [`CONSENTS_MAX`] at most. Takes a permit for [`Action::ManageConsent`] of the
    /// person; the entry in the access journal is durable before this returns.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`], [`StoreError::Seal`].
    pub fn consents(&self, permit: &Permit, person: Id16) -> Result<Vec<ConsentEntry>, StoreError> {
        self.read_consents(permit, person, None)
    }

    /// All consents, or one of them alone: that it can be withdrawn must not hang on how many others there are.
    fn read_consents(
        &self,
        permit: &Permit,
        person: Id16,
        only: Option<Id16>,
    ) -> Result<Vec<ConsentEntry>, StoreError> {
        check_consent_permit(permit, "consents", person)?;
        let (core, step, owner) = (self.core(), "reading consents", Owner::Patient(person));
        let only = only.map(|id| core.ids.resource(&commons(), KIND, &id.to_string()).0);
        let (sealed, holding) = core.readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let holding = holding(connection, person, i64::MIN)?;
            let sql = "SELECT id FROM resource_current WHERE owner = ?1 AND type = ?2 AND institution = ?3 \
                       AND (?4 IS NULL OR id = ?4) ORDER BY recorded_us DESC, id";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut rows = statement.query(params![owner_bytes(owner), KIND, commons().as_str(), only]).at(step)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                found.push(id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?);
            }
            let held: BTreeSet<Id16> =
                holding.iter().map(|consent| core.ids.resource(&commons(), KIND, &consent.to_string())).collect();
            found.sort_by_key(|id| !held.contains(id));
            let (mut sealed, mut bytes) = (Vec::new(), 0);
            for id in found.into_iter().take(CONSENTS_MAX) {
                let key = ResourceKey { owner, resource_type: KIND.to_owned(), id };
                frames(connection, &key, 1, &mut sealed, &mut bytes)?;
            }
            Ok((sealed, holding))
        })?;
        let mut entries = Vec::with_capacity(sealed.len());
        let mut seen = Seen::default();
        for one in sealed {
            let version = open_version(core, permit, one)?;
            seen.add(owner, &version.institution, KIND);
            let read = ConsentTerms::read(version.bytes.expose(), person);
            let id = version.source_id.expose().parse().map_err(|_| StoreError::Damaged {
                what: "a consent",
                reason: "its id is not one of ours".to_owned(),
            })?;
            let (recorded, version) = (version.recorded, version.version);
            let is_active = holding.contains(&id);
            entries.push(ConsentEntry { id, terms: read.map(|(_, terms)| terms), is_active, recorded, version });
        }
        core.record_seen(permit, seen)?;
        Ok(entries)
    }

    /// Consents of a subject that whoever asks may use now, as their institution is named in them. Takes a permit for
    /// [`Action::AskGround`] about the subject, who finds it in their access log.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`],
    /// [`StoreError::Database`].
    pub fn consent_offers(&self, permit: &Permit, subject: Id16) -> Result<Vec<ConsentOffer>, StoreError> {
        check_action(permit, "consent_offers", &[Action::AskGround])?;
        if !permit.reaches(Owner::Patient(subject), &nowhere()) {
            return Err(StoreError::Scope { what: "the person whose consents they are" });
        }
        self.note_use(permit, subject, "consent")?;
        let (now_us, step) = (self.core().clock.now_us(), "looking for consents");
        let actor = permit.actor();
        self.core().readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let places = places_of(connection, actor.account, actor.role)?;
            let purpose = purpose_of(actor.role);
            let sql = "SELECT DISTINCT consent, grantee, until_us FROM consent_rule \
                       WHERE person = ? AND purpose = ? AND from_us <= ?3 AND until_us > ?3";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut rows = statement.query(params![subject.0, purpose, now_us]).at(step)?;
            let mut offers: Vec<ConsentOffer> = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                let consent = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
                let grantee: String = row.get(1).at(step)?;
                let is_mine = places.iter().any(|place| place.as_str() == grantee);
                if is_mine && offers.iter().all(|offer| offer.consent != consent) {
                    let until = time_from(row.get(2).at(step)?)?;
                    offers.push(ConsentOffer { consent, purpose: purpose.to_owned(), until });
                }
            }
            Ok(offers)
        })
    }

    /// Whose consent it is, or was until they withdrew it, so that the door can be asked about them and they see who asked; nothing
    /// else is told, and nobody is shown it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn subject_of_consent(&self, consent: Id16) -> Result<Option<Id16>, StoreError> {
        let step = "looking whose a consent is";
        self.core().readers.snapshot(step, |connection| {
            let sql = "SELECT person FROM consent_rule WHERE consent = ? LIMIT 1";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let person: Option<[u8; 16]> = statement.query_row([consent.0], |row| row.get(0)).optional().at(step)?;
            match person {
                Some(person) => Ok(Some(Id16(person))),
                None => Ok(withdrawn(connection, self.ids(), consent)?.map(|(person, _)| person)),
            }
        })
    }

    /// The role in which an account can point to a consent: that of its purpose, held where the consent names; `None` where it names
    /// no place of theirs. Whether it holds still is the door's to say.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn role_on_consent(&self, account: Id16, consent: Id16) -> Result<Option<Role>, StoreError> {
        let step = "looking for whom a consent is";
        self.core().readers.snapshot(step, |connection| {
            let sql = "SELECT 1 FROM consent_rule WHERE consent = ? AND purpose = ? AND grantee = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            for role in [Role::Clinician, Role::Pharmacist] {
                for place in places_of(connection, account, role)? {
                    if statement.exists(params![consent.0, purpose_of(role), place.as_str()]).at(step)? {
                        return Ok(Some(role));
                    }
                }
            }
            Ok(None)
        })
    }

    fn consent(&self, permit: &Permit, person: Id16, id: Id16) -> Result<ConsentEntry, StoreError> {
        let mut found = self.read_consents(permit, person, Some(id))?.into_iter();
        found.find(|entry| entry.id == id).ok_or(StoreError::Missing { what: "consent" })
    }

    fn write_consent(
        &self,
        permit: &Permit,
        id: Id16,
        terms: &ConsentTerms,
        is_active: bool,
    ) -> Result<Ticket, StoreError> {
        check_consent_permit(permit, "write_consent", terms.person)?;
        let (core, person) = (self.core(), terms.person);
        let now = core.clock.now();
        let longest = GroundTerms::at(now).of(GroundKind::Consent).map_or(0, |term| term.hours * HOUR_US);
        let lasts_us = terms.until.as_microsecond() - terms.from.as_microsecond().max(now.as_microsecond());
        let bytes = terms.to_bytes(id, now, is_active);
        // What is written is what is read: terms that the strict reader does not give back are refused here.
        let is_good = ConsentTerms::read(&bytes, person).as_ref() == Ok(&(is_active, terms.clone()));
        if !is_good || (is_active && !(1..=longest).contains(&lasts_us)) {
            return Err(StoreError::Missing { what: "recipient, kind or time that a consent can have" });
        }
        let (institution, source_id) = (commons(), id.to_string());
        let class = ClassName::new("chart").ok_or(StoreError::Missing { what: "class of consents" })?;
        let year = now.to_zoned(jiff::tz::TimeZone::UTC).year().saturating_add(YEARS_KEPT);
        let status = if is_active { "active" } else { "inactive" };
        let version = self.prepare_within(
            permit,
            NewVersion {
                owner: Owner::Patient(person),
                institution: &institution,
                resource_type: KIND,
                source_id: &source_id,
                class: &class,
                expiry_year: u16::try_from(year).unwrap_or(u16::MAX),
                bytes: &bytes,
                date: Some(now),
                encounter: None,
                index: vec![IndexRow::Token { param: "status", system: String::new(), code: status.to_owned() }],
                // What comes later is what holds: the epoch keeps two changes at once apart.
                edition: Edition::default(),
            },
        )?;
        let rules = is_active.then(|| terms.clone());
        let written = self.commit(permit, vec![version], vec![], move |transaction, _| {
            replace_rules(transaction, person, id, rules.as_ref())?;
            let open = holding(transaction, person, now.as_microsecond())?;
            check_count("consents of one person", open.len(), CONSENTS_MAX)?;
            bump_epoch(transaction)
        })?;
        Ok(written.ticket)
    }
}

/// The consents of a person that have rules, which is what the door goes by, and end after a time.
fn holding(connection: &Connection, person: Id16, after_us: i64) -> Result<BTreeSet<Id16>, StoreError> {
    let step = "reading the rules of consents";
    let mut statement = connection
        .prepare_cached("SELECT DISTINCT consent FROM consent_rule WHERE person = ? AND until_us > ?")
        .at(step)?;
    let mut rows = statement.query(params![person.0, after_us]).at(step)?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next().at(step)? {
        found.insert(id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?);
    }
    Ok(found)
}

fn check_consent_permit(permit: &Permit, call: &'static str, person: Id16) -> Result<(), StoreError> {
    check_action(permit, call, &[Action::ManageConsent])?;
    if permit.reaches(Owner::Patient(person), &commons()) {
        Ok(())
    } else {
        Err(StoreError::Scope { what: "the person whose consents they are" })
    }
}

/// Puts the rules of a consent in the place of those that it had; none where it is withdrawn.
fn replace_rules(
    transaction: &Transaction<'_>,
    person: Id16,
    consent: Id16,
    terms: Option<&ConsentTerms>,
) -> Result<(), StoreError> {
    let step = "writing the rules of a consent";
    let sql = "DELETE FROM consent_rule WHERE person = ? AND consent = ?";
    transaction.execute(sql, params![person.0, consent.0]).at(step)?;
    let Some(terms) = terms else { return Ok(()) };
    let institutions: Vec<&str> = if terms.institutions.is_empty() {
        vec![""]
    } else {
        terms.institutions.iter().map(InstitutionCode::as_str).collect()
    };
    let (share, mut rule) = (terms.share().to_text(), 0_i64);
    let sql = "INSERT INTO consent_rule VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (from_us, until_us) = (terms.from.as_microsecond(), terms.until.as_microsecond());
    for grantee in &terms.grantees {
        for purpose in &terms.purposes {
            for institution in &institutions {
                let values = params![
                    person.0,
                    consent.0,
                    rule,
                    grantee.as_str(),
                    purpose.name(),
                    institution,
                    share,
                    from_us,
                    until_us
                ];
                transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
                rule += 1;
            }
        }
    }
    Ok(())
}

/// The purpose for which a role uses consents.
const fn purpose_of(role: Role) -> &'static str {
    match role {
        Role::Pharmacist => "dispensing",
        _ => "care",
    }
}

/// Whose a consent was that has no rules any more, and since when (microseconds since 1970).
pub(crate) fn withdrawn(connection: &Connection, ids: &Ids, consent: Id16) -> Result<Option<(Id16, i64)>, StoreError> {
    let step = "looking for a consent that was withdrawn";
    let id = ids.resource(&commons(), KIND, &consent.to_string());
    let sql = "SELECT owner, recorded_us FROM resource_current WHERE id = ? AND type = ? \
               AND NOT EXISTS (SELECT 1 FROM consent_rule WHERE consent = ?)";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let row: Option<(Vec<u8>, i64)> = statement
        .query_row(params![id.0, KIND, consent.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .at(step)?;
    row.map(|(owner, withdrawn_us)| Ok((owner_from(&owner)?.id(), withdrawn_us))).transpose()
}

/// The consent that a request names, where it is one that whoever asks may use now for what they say.
pub(crate) fn open(
    connection: &Connection,
    request: &Request,
    id: Id16,
    now_us: i64,
) -> Result<Option<Opened>, StoreError> {
    let purpose = match (&request.purpose, request.actor.role) {
        (Purpose::Care { .. }, Role::Clinician) | (Purpose::Dispensing { .. }, Role::Pharmacist) => {
            request.purpose.name()
        }
        _ => return Ok(None),
    };
    let step = "looking for a consent";
    let places = places_of(connection, request.actor.account, request.actor.role)?;
    let sql = "SELECT person, grantee, institution, share FROM consent_rule \
               WHERE consent = ? AND purpose = ? AND from_us <= ?3 AND until_us > ?3 ORDER BY rule";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query(params![id.0, purpose, now_us]).at(step)?;
    let mut found: Option<(Id16, String)> = None;
    let mut institutions: BTreeSet<String> = BTreeSet::new();
    while let Some(row) = rows.next().at(step)? {
        let person = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
        let (grantee, institution, share): (String, String, String) =
            (row.get(1).at(step)?, row.get(2).at(step)?, row.get(3).at(step)?);
        if !places.iter().any(|place| place.as_str() == grantee) {
            continue;
        }
        if !institution.is_empty() {
            institution_from(&institution)?;
        }
        let rule = (person, share);
        // A consent has one share; a rule that says another widens nothing.
        if *found.get_or_insert_with(|| rule.clone()) == rule {
            institutions.insert(institution);
        }
    }
    let Some((subject, share)) = found else { return Ok(None) };
    let institutions = if institutions.contains("") { Vec::new() } else { institutions.into_iter().collect() };
    let read = Share::from_text(&share).filter(|share| *share != Share::Whole);
    Ok(read.map(|share| Opened { kind: GroundKind::Consent, subject, institutions, share }))
}
