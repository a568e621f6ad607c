//! What an access of somebody else than the person points to: asked for, confirmed by another, open for a time, closed; and the
//! lookup of the one that a request names. No record is opened here.

use std::sync::Arc;

use base::{Id16, Redacted, Timestamp};
use policy::{
    Action, Ground, GroundKind, GroundTerms, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request, Role, Share,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::Store;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::bump_epoch;
use crate::ids::Ids;
use crate::journal::AccessEntry;
use crate::rights::{Right, rights};
use crate::types::{id16_from, institution_from, owner_bytes, time_from};
use crate::{consents, representatives, sealed};

/// Longest reason and longest note, in bytes.
pub const REASON_BYTES_MAX: usize = 2_000;
/// Most grounds, reviews or appointments in one answer.
pub const GROUNDS_MAX: usize = 500;
/// Grounds that one account has asked for and that nobody has confirmed yet.
pub const GROUNDS_WAITING_MAX: usize = 100;
/// Microseconds of an hour.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// A ground to be asked for.
#[derive(Debug, Clone)]
pub struct NewGround {
    /// Whom it is about: a person, or one patient.
    pub subject: Id16,
    /// Only what this institution has; `None` for all that the subject has.
    pub institution: Option<InstitutionCode>,
    /// How much of it.
    pub share: Share,
    /// Why.
    pub reason: Redacted<String>,
}

/// What a ground says to the account whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnGround {
    /// The role that it was asked for in.
    pub role: Role,
    /// What it is.
    pub kind: GroundKind,
    /// Whom it is about.
    pub subject: Id16,
    /// The institution whose records it reaches alone, where it is one.
    pub institution: Option<InstitutionCode>,
}

/// A ground as it stands in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundEntry {
    /// Which.
    pub id: Id16,
    /// Of what kind.
    pub kind: GroundKind,
    /// Whom it is about.
    pub subject: Id16,
    /// Who may look.
    pub account: Id16,
    /// In which role.
    pub role: Role,
    /// Only what this institution has.
    pub institution: Option<InstitutionCode>,
    /// How much of it.
    pub share: Share,
    /// Why.
    pub reason: Redacted<String>,
    /// When it was asked for.
    pub asked: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When somebody else confirmed it.
    pub confirmed: Option<Timestamp>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
}

/// Which part of a list of grounds.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroundPage {
    /// Most grounds; 0 for [`GROUNDS_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<GroundCursor>,
}

/// Where a page of a list of grounds ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroundCursor {
    is_confirmed: bool,
    asked_us: i64,
    id: Id16,
}

/// Some of a list of grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundList {
    /// In the order of the list.
    pub grounds: Vec<GroundEntry>,
    /// Where to go on; `None` where this is all.
    pub next: Option<GroundCursor>,
}

/// Whose grounds a list has, and in which order.
#[derive(Clone, Copy)]
enum Listed {
    /// Everybody's, those that wait to be confirmed first, and what was asked for first before what was asked for later: whatever
    /// comes after it, nothing is pushed back.
    All,
    /// One account's, what it asked for last first.
    Of(Id16),
}

impl Listed {
    /// Which of those that are open at `?1`, after where the page before ended, and how many at most.
    const fn sql(self) -> &'static str {
        match self {
            Self::All => {
                "(confirmed_us IS NOT NULL, asked_us, id) > (?2, ?3, ?4) \
                 ORDER BY confirmed_us IS NOT NULL, asked_us, id LIMIT ?5"
            }
            Self::Of(_) => "account = ?2 AND (asked_us, id) < (?3, ?4) ORDER BY asked_us DESC, id DESC LIMIT ?5",
        }
    }

    /// Where the first page begins.
    const fn beginning(self) -> GroundCursor {
        match self {
            Self::All => GroundCursor { is_confirmed: false, asked_us: i64::MIN, id: Id16([0; 16]) },
            Self::Of(_) => GroundCursor { is_confirmed: true, asked_us: i64::MAX, id: Id16([0xff; 16]) },
        }
    }
}

/// The kind of ground that a role asks for.
#[must_use]
pub const fn kind_asked_by(role: Role) -> Option<GroundKind> {
    match role {
        Role::Support => Some(GroundKind::Request),
        Role::Clinician => Some(GroundKind::Visit),
        Role::Pharmacist => Some(GroundKind::Order),
        Role::Steward => Some(GroundKind::Migration),
        _ => None,
    }
}

impl Store {
    /// Asks for a ground, which opens once somebody else has confirmed it. Takes a permit for [`Action::AskGround`] about the
    /// subject, who finds it in their access log; the ground has the id that the permit's purpose names.
    /// A visit is asked for by who holds the role at an institution, and reaches what that institution has; an order ends with any
    /// right of its role ([`Store::revoke`]).
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`]; [`StoreError::Limit`], also where
    /// [`GROUNDS_WAITING_MAX`] of its own wait; [`StoreError::Missing`] where no reason is given,
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn ask_ground(&self, permit: &Permit, new: NewGround) -> Result<Id16, StoreError> {
        check_action(permit, "ask_ground", &[Action::AskGround])?;
        let role = permit.actor().role;
        let kind = kind_asked_by(role).ok_or(StoreError::Scope { what: "a ground that this role asks for" })?;
        let (subject, now_us) = (new.subject, self.core().clock.now_us());
        let insert = Insert { kind, role, new, now_us, confirmed: false };
        let write = || self.insert_ground(permit, insert, |_, _| Ok(()));
        // Of whom the permit does not reach nothing is asked: it is refused, and is nothing for their log.
        if permit.reaches(Owner::Patient(subject), &nowhere()) {
            self.noted(permit, subject, "ground", write)
        } else {
            write()
        }
    }

    /// Writes a ground, and what belongs to it, in one transaction.
    pub(crate) fn insert_ground(
        &self,
        permit: &Permit,
        insert: Insert,
        more: impl FnOnce(&rusqlite::Transaction<'_>, Id16) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Id16, StoreError> {
        let Insert { kind, role, new, now_us, confirmed } = insert;
        if !permit.reaches(Owner::Patient(new.subject), &nowhere()) {
            return Err(StoreError::Scope { what: "the person whom the ground is about" });
        }
        let id = permit.purpose().ground().ok_or(StoreError::Missing { what: "id of the ground" })?;
        let reason = checked_text(&new.reason)?;
        let core = self.core();
        let reason = sealed::text::seal(&core.text_key, &id.0, reason, &*core.random);
        let term =
            GroundTerms::at(time_from(now_us)?).of(kind).ok_or(StoreError::Missing { what: "term of this kind" })?;
        let (account, epoch, until_us) = (permit.actor().account, permit.epoch(), now_us + term.hours * HOUR_US);
        core.writer.run(2, move |transaction| {
            let step = "writing a ground";
            check_epoch(transaction, epoch)?;
            let institution = reach(transaction, account, role, kind, new.institution)?;
            if !confirmed {
                check_waiting(transaction, account, now_us)?;
            }
            let confirmation = confirmed.then_some((account.0, now_us));
            let sql = "INSERT INTO access_ground \
                       (subject, id, kind, account, role, institution, share, reason, asked_us, until_us, confirmed_by, confirmed_us) \
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let values = params![
                new.subject.0,
                id.0,
                kind.name(),
                account.0,
                role.name(),
                institution,
                new.share.to_text(),
                reason,
                now_us,
                until_us,
                confirmation.map(|(by, _)| by),
                confirmation.map(|(_, at)| at)
            ];
            transaction.execute(sql, values).at(step)?;
            more(transaction, id)?;
            Ok(id)
        })
    }

    /// Confirms a ground that somebody else asked for: it opens now, for as long as its kind says. Takes a permit for
    /// [`Action::ConfirmGround`]. Journalled under whom it is about, before it is done, and where it came to nothing.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`]; [`StoreError::Missing`] where there is none that waits, it waited beyond
    /// its time, or it is the asker's own; [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn confirm_ground(&self, permit: &Permit, id: Id16) -> Result<(), StoreError> {
        check_action(permit, "confirm_ground", &[Action::ConfirmGround])?;
        let (by, epoch, now_us) = (permit.actor().account, permit.epoch(), self.core().clock.now_us());
        let confirm = move |transaction: &rusqlite::Transaction<'_>| {
            let step = "confirming a ground";
            check_epoch(transaction, epoch)?;
            let sql = "SELECT kind FROM access_ground \
                       WHERE id = ? AND account <> ? AND confirmed_us IS NULL AND closed_us IS NULL AND until_us > ?";
            let kind: Option<String> =
                transaction.query_row(sql, params![id.0, by.0, now_us], |row| row.get(0)).optional().at(step)?;
            let terms = GroundTerms::at(time_from(now_us)?);
            let term = kind.and_then(|kind| terms.of(GroundKind::from_name(&kind)?));
            let term = term.ok_or(StoreError::Missing { what: "ground that waits for another to confirm it" })?;
            let sql = "UPDATE access_ground SET confirmed_by = ?, confirmed_us = ?, until_us = ? WHERE id = ?";
            let values = params![by.0, now_us, now_us + term.hours * HOUR_US, id.0];
            transaction.execute(sql, values).at(step).map(|_| ())
        };
        self.noted_as(self.ground_entry(permit, id)?, || self.core().writer.run(1, confirm))
    }

    /// Whom a ground is about; `None` where there is none. For whoever confirms or reviews it, who must not do so about themselves.
    /// Takes a permit for [`Action::ConfirmGround`] or [`Action::ReviewGlass`].
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Database`].
    pub fn subject_of_ground(&self, permit: &Permit, id: Id16) -> Result<Option<Id16>, StoreError> {
        check_action(permit, "subject_of_ground", &[Action::ConfirmGround, Action::ReviewGlass])?;
        self.about(id)
    }

    fn about(&self, id: Id16) -> Result<Option<Id16>, StoreError> {
        let step = "looking for a ground";
        let subject: Option<[u8; 16]> = self.core().readers.snapshot(step, |connection| {
            let mut statement = connection.prepare_cached("SELECT subject FROM access_ground WHERE id = ?").at(step)?;
            statement.query_row([id.0], |row| row.get(0)).optional().at(step)
        })?;
        Ok(subject.map(Id16))
    }

    /// Closes a ground: permits that were made on it are refused from now on, which are none where it was never confirmed. Takes a
    /// permit for [`Action::ConfirmGround`], or one for [`Action::AskGround`] of whose ground it is. Journalled under whom it is about,
    /// before it is done, and where it came to nothing.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Missing`] where there is none that is open,
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn close_ground(&self, permit: &Permit, id: Id16) -> Result<(), StoreError> {
        check_action(permit, "close_ground", &[Action::ConfirmGround, Action::AskGround])?;
        let own_only = permit.action() == Action::AskGround;
        let (by, epoch, clock) = (permit.actor().account, permit.epoch(), Arc::clone(&self.core().clock));
        let close = move |transaction: &rusqlite::Transaction<'_>| {
            check_epoch(transaction, epoch)?;
            // Whoever reads while this waits for its turn still may.
            let now_us = clock.now_us();
            let sql = "UPDATE access_ground SET closed_by = ?, closed_us = ? \
                       WHERE id = ? AND closed_us IS NULL AND (account = ?1 OR NOT ?) RETURNING confirmed_us IS NOT NULL";
            let values = params![by.0, now_us, id.0, own_only];
            let closed = transaction.query_row(sql, values, |row| row.get::<_, bool>(0)).optional();
            match closed.at("closing a ground")? {
                None => Err(StoreError::Missing { what: "open ground" }),
                Some(true) => bump_epoch(transaction),
                // Who asks for one after the other and closes each must not end everybody's permits with it.
                Some(false) => Ok(()),
            }
        };
        self.noted_as(self.ground_entry(permit, id)?, || self.core().writer.run(1, close))
    }

    /// Grounds that wait to be confirmed, and after them those that are open, each in the order in which they were asked for. Takes a
    /// permit for [`Action::ConfirmGround`] or [`Action::Oversee`]; that they were looked at is journalled.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`], [`StoreError::JournalUnavailable`],
    /// [`StoreError::Database`].
    pub fn grounds(&self, permit: &Permit, page: &GroundPage) -> Result<GroundList, StoreError> {
        check_action(permit, "grounds", &[Action::ConfirmGround, Action::Oversee])?;
        let found = self.find_grounds(Some(permit), Listed::All, page)?;
        let core = self.core();
        let mut entry = core.entry(permit, permit.actor().account);
        entry.what = vec![("ground".to_owned(), found.grounds.len() as u32)];
        core.record(&[entry])?;
        Ok(found)
    }

    /// The grounds of an account that are open or wait to be confirmed, newest first: for the account's own pages.
    ///
    /// # Errors
    /// [`StoreError::Limit`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn own_grounds(&self, account: Id16, page: &GroundPage) -> Result<GroundList, StoreError> {
        self.find_grounds(None, Listed::Of(account), page)
    }

    /// The ground of this kind about somebody that is open for an account in a role; of several the one that was asked for last.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn own_ground_about(
        &self,
        account: Id16,
        (role, kind): (Role, GroundKind),
        subject: Id16,
    ) -> Result<Option<Id16>, StoreError> {
        let (step, now_us) = ("looking for a ground about somebody", self.core().clock.now_us());
        self.core().readers.snapshot(step, |connection| {
            let sql = "SELECT id FROM access_ground WHERE subject = ? AND account = ? AND role = ? AND kind = ? \
                       AND closed_us IS NULL AND confirmed_us IS NOT NULL AND until_us > ? ORDER BY asked_us DESC, id LIMIT 1";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let values = params![subject.0, account.0, role.name(), kind.name(), now_us];
            let id: Option<[u8; 16]> = statement.query_row(values, |row| row.get(0)).optional().at(step)?;
            Ok(id.map(Id16))
        })
    }

    /// A ground where it is the account's, whatever became of it: so that what is asked for on one that ended is asked about whom it
    /// is about, and they see the attempt.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn own_ground(&self, account: Id16, id: Id16) -> Result<Option<OwnGround>, StoreError> {
        let step = "looking for a ground";
        self.core().readers.snapshot(step, |connection| {
            let sql = "SELECT role, kind, subject, institution FROM access_ground WHERE id = ? AND account = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut rows = statement.query(params![id.0, account.0]).at(step)?;
            let Some(row) = rows.next().at(step)? else { return Ok(None) };
            let text = |place| row.get::<_, String>(place).at(step);
            let read = Role::from_name(&text(0)?).zip(GroundKind::from_name(&text(1)?));
            let (subject, institution) = (Id16(row.get(2).at(step)?), InstitutionCode::new(&text(3)?));
            Ok(read.map(|(role, kind)| OwnGround { role, kind, subject, institution }))
        })
    }

    /// What is journalled where a permit is used on a ground: under whom it is about, or where there is none such, as tried in vain
    /// under who tries.
    pub(crate) fn ground_entry(&self, permit: &Permit, id: Id16) -> Result<AccessEntry, StoreError> {
        let core = self.core();
        let entry = match self.about(id)? {
            Some(subject) => core.entry(permit, subject),
            None => core.beyond_entry(permit, permit.actor().account),
        };
        Ok(AccessEntry { ground: Some(id), what: vec![("ground".to_owned(), 1)], ..entry })
    }

    /// Those of a list that are open or wait to be confirmed.
    fn find_grounds(
        &self,
        permit: Option<&Permit>,
        listed: Listed,
        &GroundPage { limit, after }: &GroundPage,
    ) -> Result<GroundList, StoreError> {
        check_count("grounds on a page", limit, GROUNDS_MAX)?;
        let (core, step) = (self.core(), "reading grounds");
        let sql = format!(
            "SELECT id, kind, subject, account, role, institution, share, reason, asked_us, until_us, confirmed_us, closed_us \
             FROM access_ground WHERE closed_us IS NULL AND until_us > ?1 AND {}",
            listed.sql()
        );
        let limit = if limit == 0 { GROUNDS_MAX } else { limit };
        let GroundCursor { is_confirmed, asked_us, id } = after.unwrap_or(listed.beginning());
        // One more than is shown says whether there are more.
        let (now_us, most) = (core.clock.now_us(), limit as i64 + 1);
        core.readers.snapshot(step, |connection| {
            if let Some(permit) = permit {
                check_epoch(connection, permit.epoch())?;
            }
            let mut statement = connection.prepare_cached(&sql).at(step)?;
            let found = match listed {
                Listed::All => statement.query(params![now_us, is_confirmed, asked_us, id.0, most]),
                Listed::Of(account) => statement.query(params![now_us, account.0, asked_us, id.0, most]),
            };
            let mut rows = found.at(step)?;
            let mut grounds = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                grounds.push(entry_from(core, row)?);
            }
            let more = grounds.len() > limit;
            grounds.truncate(limit);
            let next = grounds.last().filter(|_| more).map(|last| GroundCursor {
                is_confirmed: last.confirmed.is_some(),
                asked_us: last.asked.as_microsecond(),
                id: last.id,
            });
            Ok(GroundList { grounds, next })
        })
    }
}

/// A ground that is to be written.
pub(crate) struct Insert {
    pub(crate) kind: GroundKind,
    pub(crate) role: Role,
    pub(crate) new: NewGround,
    pub(crate) now_us: i64,
    /// Whether it is open at once.
    pub(crate) confirmed: bool,
}

/// Refuses to ask for more than somebody can look at: whoever confirms is not to search for what is of weight among what one account
/// sent. What is asked for twice is not refused here: which numbers are one person is not for whoever asks to learn.
fn check_waiting(connection: &Connection, account: Id16, now_us: i64) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM access_ground \
               WHERE account = ? AND until_us > ? AND confirmed_us IS NULL AND closed_us IS NULL";
    let counted = connection.query_row(sql, params![account.0, now_us], |row| row.get(0));
    let waiting: i64 = counted.at("counting the grounds that wait")?;
    check_count("grounds of one account that wait", waiting.unsigned_abs() as usize + 1, GROUNDS_WAITING_MAX)
}

/// The institution whose records a new ground reaches: the asker's own for a visit, else what was asked for.
fn reach(
    connection: &Connection,
    account: Id16,
    role: Role,
    kind: GroundKind,
    asked: Option<InstitutionCode>,
) -> Result<String, StoreError> {
    if kind != GroundKind::Visit {
        return Ok(asked.map(|code| code.to_string()).unwrap_or_default());
    }
    let places: Vec<InstitutionCode> = places_of(connection, account, role)?;
    let place = match asked {
        Some(asked) => places.into_iter().find(|place| *place == asked),
        None => places.into_iter().next(),
    };
    place.map(|place| place.to_string()).ok_or(StoreError::Scope { what: "an institution where the role is held" })
}

/// The institutions at which an account holds a role.
pub(crate) fn places_of(
    connection: &Connection,
    account: Id16,
    role: Role,
) -> Result<Vec<InstitutionCode>, StoreError> {
    let places = rights(connection, account)?.into_iter().filter_map(|right| match right {
        Right::Appointed { role: held, institution } if held == role => institution,
        _ => None,
    });
    Ok(places.collect())
}

/// What a lookup of a ground finds.
pub(crate) struct Opened {
    pub(crate) kind: GroundKind,
    pub(crate) subject: Id16,
    /// Institutions whose records it reaches; empty for all.
    pub(crate) institutions: Vec<String>,
    pub(crate) share: Share,
}

/// The ground that a request names, where it is open at `now_us` and for whoever asks. Anything else, what cannot be read
/// included, is no ground.
pub(crate) fn open_ground(
    connection: &Connection,
    request: &Request,
    id: Id16,
    now_us: i64,
) -> Result<Option<Ground>, StoreError> {
    let account = request.actor.account;
    let opened = match request.purpose {
        Purpose::Representation { .. } => representatives::open(connection, account, id, now_us)?,
        _ => match staff_ground(connection, account, request.actor.role, id, now_us)? {
            Some(opened) => Some(opened),
            None => consents::open(connection, request, id, now_us)?,
        },
    };
    let Some(Opened { kind, subject, institutions, share }) = opened else { return Ok(None) };
    let mut patients = Vec::new();
    for institution in if institutions.is_empty() { vec![String::new()] } else { institutions } {
        patients.extend(patients_of(connection, subject, &institution)?);
    }
    Ok(Some(Ground { id, kind, subject, patients, share }))
}

fn staff_ground(
    connection: &Connection,
    account: Id16,
    role: Role,
    id: Id16,
    now_us: i64,
) -> Result<Option<Opened>, StoreError> {
    let step = "looking for a ground";
    // A visit is of an institution: it ends with the right there, whatever other rights are left.
    let sql = "SELECT kind, subject, institution, share FROM access_ground g WHERE id = ? AND account = ? AND role = ? \
               AND closed_us IS NULL AND confirmed_us <= ?4 AND until_us > ?4 AND (kind <> 'visit' OR EXISTS (\
               SELECT 1 FROM account_right r WHERE r.account = g.account AND r.role = g.role AND r.institution = g.institution))";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let row: Option<(String, [u8; 16], String, String)> = statement
        .query_row(params![id.0, account.0, role.name(), now_us], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .at(step)?;
    let Some((kind, subject, institution, share)) = row else { return Ok(None) };
    let read = GroundKind::from_name(&kind).zip(Share::from_text(&share));
    Ok(read.map(|(kind, share)| Opened {
        kind,
        subject: Id16(subject),
        institutions: Some(institution).filter(|code| !code.is_empty()).into_iter().collect(),
        share,
    }))
}

/// When a ground was taken from an account: closed by another, ended by the person, or withdrawn with the consent that it is. Time
/// that ran out takes nothing away, and who closes their own is done with it.
pub(crate) fn taken(connection: &Connection, ids: &Ids, account: Id16, id: Id16) -> Result<Option<i64>, StoreError> {
    let step = "looking for a ground that was taken away";
    let sql = "SELECT closed_us FROM access_ground WHERE id = ?1 AND account = ?2 AND closed_by <> ?2 \
               UNION ALL SELECT ended_us FROM representative WHERE id = ?1 AND agent = ?2 AND ended_by <> ?2";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let closed: Option<i64> = statement.query_row(params![id.0, account.0], |row| row.get(0)).optional().at(step)?;
    Ok(match closed {
        None => consents::withdrawn(connection, ids, id)?.map(|(_, withdrawn_us)| withdrawn_us),
        closed => closed,
    })
}

/// The patients that a subject is, at one institution or (where it is empty) at all.
pub(crate) fn patients_of(
    connection: &Connection,
    subject: Id16,
    institution: &str,
) -> Result<Vec<OwnPatient>, StoreError> {
    let step = "looking for the patients of a ground";
    let sql = "SELECT patient, institution FROM person_patient WHERE person = ?1 AND (?2 = '' OR institution = ?2) \
               UNION SELECT patient, institution FROM person_patient WHERE patient = ?1 AND (?2 = '' OR institution = ?2)";
    let mut patients = Vec::new();
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query(params![subject.0, institution]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let patient = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
        let institution = institution_from(row.get_ref(1).at(step)?.as_str().unwrap_or_default())?;
        patients.push(OwnPatient { patient, institution });
    }
    if patients.is_empty() {
        // A patient whom nobody is linked to.
        let sql = "SELECT institution FROM resource_current WHERE owner = ? AND type = 'Patient' AND (?2 = '' OR institution = ?2)";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let owner = owner_bytes(Owner::Patient(subject));
        let code: Option<String> =
            statement.query_row(params![owner, institution], |row| row.get(0)).optional().at(step)?;
        if let Some(code) = code {
            patients.push(OwnPatient { patient: subject, institution: institution_from(&code)? });
        }
    }
    Ok(patients)
}

fn entry_from(core: &Core, row: &Row<'_>) -> Result<GroundEntry, StoreError> {
    let step = "reading grounds";
    let id = |at: usize| id16_from(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
    let text = |at: usize| row.get_ref(at).at(step).map(|value| value.as_str().unwrap_or_default());
    let time = |at: usize| time_from(row.get(at).at(step)?);
    let optional = |at: usize| -> Result<Option<Timestamp>, StoreError> {
        row.get::<_, Option<i64>>(at).at(step)?.map(time_from).transpose()
    };
    let damaged = |what: &str| StoreError::Damaged { what: "a ground", reason: format!("its {what} is unknown") };
    let code = text(5)?;
    Ok(GroundEntry {
        id: id(0)?,
        kind: GroundKind::from_name(text(1)?).ok_or_else(|| damaged("kind"))?,
        subject: id(2)?,
        account: id(3)?,
        role: Role::from_name(text(4)?).ok_or_else(|| damaged("role"))?,
        institution: if code.is_empty() { None } else { Some(institution_from(code)?) },
        share: Share::from_text(text(6)?).ok_or_else(|| damaged("share"))?,
        reason: sealed::text::open(&core.text_key, &id(0)?.0, row.get_ref(7).at(step)?.as_blob().unwrap_or_default())?,
        asked: time(8)?,
        until: time(9)?,
        confirmed: optional(10)?,
        closed: optional(11)?,
    })
}

/// A reason or note that says something and is not too long.
pub(crate) fn checked_text(text: &Redacted<String>) -> Result<&str, StoreError> {
    let text = text.expose().trim();
    if text.is_empty() {
        return Err(StoreError::Missing { what: "reason" });
    }
    check_count("bytes of a reason", text.len(), REASON_BYTES_MAX)?;
    Ok(text)
}

/// A code for questions about a scope of patients, whose answer does not depend on an institution.
pub(crate) fn nowhere() -> InstitutionCode {
    InstitutionCode::new("0").expect("one digit is a code")
}
