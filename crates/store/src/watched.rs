//! The access log as the watch reads it: in the order in which entries came, whoever they are about; and what is missing in it.
//! Not for people: those read [`Store::access_log`].

use std::collections::{BTreeMap, BTreeSet};

use base::{Clock, Id16, Redacted, Timestamp};
use jiff::SignedDuration;
use policy::{InstitutionCode, Owner, Permit, Scope};
use rusqlite::{Connection, OptionalExtension, params};
use vault::{KeyError, SealError};

use crate::Store;
use crate::access::{Row, open};
use crate::core::{Core, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::grounds::GROUNDS_MAX;
use crate::index::HOUSEHOLD;
use crate::journal::{AccessEntry, AccessResult, drain};
use crate::sequencer::KIND_ACCESS;
use crate::types::{id16_from, owner_bytes, time_from};
use crate::{deaths, grounds, keys, named, rights, sealed};

/// Most entries that are watched in one call.
pub const WATCHED_MAX: usize = 2_000;
/// Most leaves that are looked through for holes in one call.
pub const LEAVES_MAX: usize = 50_000;
/// The name of the reason where what was permitted came to nothing.
const UNDONE: &str = "undone";

/// An entry by its number: numbers grow in the order in which entries came, and none is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The number.
    pub number: u64,
    /// The entry; `None` where it is not what was sealed, and never will be.
    pub entry: Option<AccessEntry>,
}

/// Names an entry so that it is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessKey {
    /// Whose data.
    pub subject: Id16,
    /// When.
    pub time: Timestamp,
    /// The entry.
    pub id: Id16,
}

/// Glass that was broken and whose review is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverdueGlass {
    /// The ground that it made.
    pub ground: Id16,
    /// Who broke it.
    pub account: Id16,
    /// Whose records it opened.
    pub subject: Id16,
    /// When.
    pub broken: Timestamp,
    /// When the review was due.
    pub due: Timestamp,
}

/// The reason that somebody gave for a ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedReason {
    /// The reason.
    pub text: Redacted<String>,
    /// About how many people they gave the very same, shortly before and with this one; 1 where they asked about too few for it to matter.
    pub people: u64,
}

/// Up to where the log was looked through for holes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of the last entry whose leaf was found.
    pub number: u64,
    /// Leaves up to there.
    pub leaves: u64,
}

/// A hole in the log of accesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hole {
    /// These entries have leaves, and are gone from the table.
    Entries {
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
    },
    /// These entries came before others that are in the log, and have no leaf.
    NoLeaf {
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
    },
    /// These leaves are no entry's.
    Leaves {
        /// The first index.
        from: u64,
        /// The last index.
        to: u64,
    },
}

impl Store {
    /// The next entries after a number, oldest first, whoever they are about. Takes a permit whose scope is accesses. Where one
    /// cannot be read for now, those before it are given and none behind it: whoever goes on behind it never sees it.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond [`WATCHED_MAX`],
    /// [`StoreError::Database`], [`StoreError::Seal`] where the key of the first is not to be had ([`StoreError::missing_key`]).
    pub fn watched(&self, permit: &Permit, after: u64, limit: usize) -> Result<Vec<Watched>, StoreError> {
        check_scope(permit)?;
        check_count("entries in one call", limit, WATCHED_MAX)?;
        let core = self.core();
        let rows = core.readers.snapshot("watching the access log", |connection| {
            check_epoch(connection, permit.epoch())?;
            numbered(connection, after, limit)
        })?;
        let mut watched = Vec::with_capacity(rows.len());
        for (number, row) in rows {
            match opened(core, permit, row) {
                Ok(entry) => watched.push(Watched { number, entry }),
                Err(error) if watched.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(watched)
    }

    /// The number of the last entry before a time, as far as the newest entries tell; 0 where there is none. For a watch that
    /// starts anew and reads the last minutes once more.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn watched_before(&self, permit: &Permit, time: Timestamp, most: u64) -> Result<u64, StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("finding where to watch from", |connection| {
            let step = "finding where to watch from";
            let sql = "SELECT max(row) FROM access_entry WHERE row <= ?1 AND row > ?1 - ?3 AND time_us < ?2";
            let newest: i64 = connection
                .prepare_cached("SELECT coalesce(max(row), 0) FROM access_entry")
                .at(step)?
                .query_row([], |row| row.get(0))
                .at(step)?;
            let span = i64::try_from(most).unwrap_or(i64::MAX);
            let found: Option<i64> = connection
                .prepare_cached(sql)
                .at(step)?
                .query_row(params![newest, time.as_microsecond(), span], |row| row.get(0))
                .at(step)?;
            Ok(found.unwrap_or_else(|| newest.saturating_sub(span).max(0)).unsigned_abs())
        })
    }

    /// Some entries by name, in the order asked for; those that are not there are left out. To see them is an access of its
    /// own, journalled under each person whose data they were about, before this returns.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond [`WATCHED_MAX`],
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`], [`StoreError::Seal`].
    pub fn accesses_of(&self, permit: &Permit, keys: &[AccessKey]) -> Result<Vec<AccessEntry>, StoreError> {
        check_scope(permit)?;
        check_count("entries in one call", keys.len(), WATCHED_MAX)?;
        let core = self.core();
        drain::own(core)?;
        let rows = core.readers.snapshot("reading entries of a case", |connection| {
            check_epoch(connection, permit.epoch())?;
            let found: Result<Vec<_>, StoreError> = keys.iter().map(|key| named(connection, key)).collect();
            Ok(found?.into_iter().flatten().collect::<Vec<_>>())
        })?;
        let entries: Result<Vec<AccessEntry>, StoreError> =
            rows.into_iter().map(|row| Ok(open(core, permit, row)?.entry)).collect();
        let entries = entries?;
        let mut subjects: Vec<Id16> = entries.iter().map(|entry| entry.subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let counted = |subject: Id16| {
            let count = entries.iter().filter(|entry| entry.subject == subject).count();
            let what = vec![("access-entry".to_owned(), u32::try_from(count).unwrap_or(u32::MAX))];
            AccessEntry { what, ..core.entry(permit, subject) }
        };
        core.record(&subjects.into_iter().map(counted).collect::<Vec<_>>())?;
        Ok(entries)
    }

    /// Journals that a permit was used on something that is no record: a case, a question, a review. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::JournalUnavailable`], [`StoreError::Seal`].
    pub fn note_use(&self, permit: &Permit, subject: Id16, kind: &str) -> Result<(), StoreError> {
        let core = self.core();
        core.record(&[AccessEntry { what: vec![(kind.to_owned(), 1)], ..core.entry(permit, subject) }])
    }

    /// Does something that is noted first as [`Store::note_use`] does, since nothing may be done that is not in the log. Where it
    /// fails, a second entry says so, as denied: the first alone would tell of what never was.
    ///
    /// # Errors
    /// Those of [`Store::note_use`], before anything is done; those of `act`.
    pub fn noted<T, E: From<StoreError>>(
        &self,
        permit: &Permit,
        subject: Id16,
        kind: &str,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let what = vec![(kind.to_owned(), 1)];
        self.noted_as(AccessEntry { what, ..self.core().entry(permit, subject) }, act)
    }

    /// The same for an entry that is more than the use of a permit. One that says itself that it is in vain has no second.
    pub(crate) fn noted_as<T, E: From<StoreError>>(
        &self,
        entry: AccessEntry,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.noted_all(vec![entry], act)
    }

    /// The same where one act is about several things, each with an entry of its own.
    pub(crate) fn noted_all<T, E: From<StoreError>>(
        &self,
        entries: Vec<AccessEntry>,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let core = self.core();
        core.record(&entries)?;
        let done = act();
        if done.is_err() {
            let time = core.clock.now();
            let granted = entries.into_iter().filter(|entry| entry.result == AccessResult::Granted);
            let undone: Vec<AccessEntry> = granted
                .map(|entry| {
                    let result = AccessResult::Denied { reason: UNDONE.to_owned() };
                    AccessEntry { id: Id16::random(&*core.random), time, result, ..entry }
                })
                .collect();
            core.record(&undone)?;
        }
        done
    }

    /// Looks through leaves and entries for holes, from where it was looked through before. Takes a permit whose scope is
    /// accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn access_holes(&self, permit: &Permit, from: Checked) -> Result<(Vec<Hole>, Checked), StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("looking for holes in the access log", |connection| holes(connection, from))
    }

    /// The person who a patient is, where that is known. Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn person_of_patient(&self, permit: &Permit, patient: Id16) -> Result<Option<Id16>, StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("finding who a patient is", |connection| named::person_of(connection, patient))
    }

    /// The institutions at which an account holds a role. Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn institutions_of_account(
        &self,
        permit: &Permit,
        account: Id16,
    ) -> Result<BTreeSet<InstitutionCode>, StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("finding where somebody works", |connection| {
            let step = "finding where somebody works";
            let sql = "SELECT DISTINCT institution FROM account_right WHERE account = ? AND institution <> ''";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let codes = statement.query_map([account.0], |row| row.get::<_, String>(0)).at(step)?;
            let codes: Vec<String> = codes.collect::<Result<_, _>>().at(step)?;
            Ok(codes.iter().filter_map(|code| InstitutionCode::new(code)).collect())
        })
    }

    /// Every account that holds a right, with the institutions at which it does. Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn accounts_with_rights(
        &self,
        permit: &Permit,
    ) -> Result<BTreeMap<Id16, BTreeSet<InstitutionCode>>, StoreError> {
        check_scope(permit)?;
        let step = "finding who holds rights";
        self.core().readers.snapshot(step, |connection| {
            let mut statement = connection.prepare_cached("SELECT account, institution FROM account_right").at(step)?;
            let mut rows = statement.query([]).at(step)?;
            let mut accounts = BTreeMap::<Id16, BTreeSet<InstitutionCode>>::new();
            while let Some(row) = rows.next().at(step)? {
                let places = accounts.entry(Id16(row.get(0).at(step)?)).or_default();
                places.extend(InstitutionCode::new(&row.get::<_, String>(1).at(step)?));
            }
            Ok(accounts)
        })
    }

    /// When whose record it is died, as the newest records of them say; where a record says only that they did, when it came here.
    /// Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn died(&self, permit: &Permit, subject: Id16) -> Result<Option<Timestamp>, StoreError> {
        check_scope(permit)?;
        let died_us = self
            .core()
            .readers
            .snapshot("finding when somebody died", |connection| deaths::died(connection, subject))?;
        died_us.map(time_from).transpose()
    }

    /// Whether records of two people give the same home. Homes stand in the index as keyed hashes ([`HOUSEHOLD`]). Takes a permit
    /// whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn live_together(&self, permit: &Permit, one: Id16, other: Id16) -> Result<bool, StoreError> {
        check_scope(permit)?;
        self.core().readers.snapshot("finding who lives together", |connection| {
            let own = homes(connection, one)?;
            Ok(!own.is_empty() && homes(connection, other)?.iter().any(|home| own.contains(home)))
        })
    }

    /// When who made an entry had lost what they came with: the role, where they hold it nowhere any more, or the ground that the
    /// entry points to, where it was taken back; the earlier of both. Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn lost_before(&self, permit: &Permit, entry: &AccessEntry) -> Result<Option<Timestamp>, StoreError> {
        check_scope(permit)?;
        let account = entry.actor.account;
        let lost_us = self.core().readers.snapshot("finding what somebody lost", |connection| {
            let role_us = rights::ended(connection, account, &entry.actor.role)?;
            let ground_us = match entry.ground {
                Some(ground) => grounds::taken(connection, self.ids(), account, ground)?,
                None => None,
            };
            Ok(role_us.into_iter().chain(ground_us).min())
        })?;
        lost_us.map(time_from).transpose()
    }

    /// The reason that an account gave for a ground, and about how many people it gave the same in so many days before; `None` where
    /// the ground is none that it asked for: what a person consented to, or whom they appointed, is their own word. It matters from
    /// `least` people on: who asked about fewer has no other reason opened, which would cost at each look. Takes a permit whose scope
    /// is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Database`].
    pub fn stated_reason(
        &self,
        permit: &Permit,
        account: Id16,
        ground: Id16,
        (days, least): (i64, u64),
    ) -> Result<Option<StatedReason>, StoreError> {
        check_scope(permit)?;
        let core = self.core();
        let step = "reading the reason of a ground";
        let span_us = SignedDuration::from_hours(24 * days).as_micros() as i64;
        core.readers.snapshot(step, |connection| {
            let sql = "SELECT g.id, g.subject, g.reason FROM access_ground g JOIN access_ground own \
                       ON own.id = ?2 AND own.account = ?1 WHERE g.account = ?1 AND g.asked_us <= own.asked_us \
                       AND g.asked_us > own.asked_us - ?3 ORDER BY g.id <> ?2, g.asked_us DESC LIMIT ?4";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut rows = statement.query(params![account.0, ground.0, span_us, GROUNDS_MAX as i64]).at(step)?;
            let mut asked: Vec<(Id16, Id16, Vec<u8>)> = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                let bytes = |at: usize| Ok::<_, StoreError>(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
                asked.push((id16_from(bytes(0)?)?, id16_from(bytes(1)?)?, bytes(2)?.to_vec()));
            }
            // What does not open says nothing, and holds nothing up. The ground itself comes first.
            let open = |id: &Id16, sealed: &[u8]| sealed::text::open(&core.text_key, &id.0, sealed).ok();
            let own = asked.first().filter(|(id, ..)| *id == ground).and_then(|(id, _, sealed)| open(id, sealed));
            let Some(text) = own else { return Ok(None) };
            let about: BTreeSet<&Id16> = asked.iter().map(|(_, subject, _)| subject).collect();
            if (about.len() as u64) < least {
                return Ok(Some(StatedReason { text, people: 1 }));
            }
            let same = alike(text.expose());
            let is_same = |id: &Id16, sealed: &[u8]| open(id, sealed).is_some_and(|one| alike(one.expose()) == same);
            let people: BTreeSet<&Id16> =
                asked.iter().filter(|(id, _, sealed)| is_same(id, sealed)).map(|(_, subject, _)| subject).collect();
            let people = people.len() as u64;
            Ok(Some(StatedReason { text, people }))
        })
    }

    /// Broken glass whose review was due before a time and has not been, the longest due first, from behind one that was given before.
    /// Takes a permit whose scope is accesses.
    ///
    /// # Errors
    /// [`StoreError::Scope`], [`StoreError::Limit`] beyond [`WATCHED_MAX`], [`StoreError::Database`].
    pub fn overdue_glass(
        &self,
        permit: &Permit,
        now: Timestamp,
        after: Option<&OverdueGlass>,
        limit: usize,
    ) -> Result<Vec<OverdueGlass>, StoreError> {
        check_scope(permit)?;
        check_count("broken glass in one call", limit, WATCHED_MAX)?;
        self.core().readers.snapshot("finding reviews that are due", |connection| {
            let step = "finding reviews that are due";
            let sql = "SELECT ground, account, subject, broken_us, due_us FROM broken_glass \
                       WHERE reviewed_us IS NULL AND due_us <= ?1 AND (due_us, ground) > (?2, ?3) \
                       ORDER BY due_us, ground LIMIT ?4";
            let (due_us, ground) = after.map_or((i64::MIN, [0; 16]), |one| (one.due.as_microsecond(), one.ground.0));
            let values = params![now.as_microsecond(), due_us, ground, limit as i64];
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let rows = statement.query_map(values, |row| {
                Ok(OverdueGlass {
                    ground: Id16(row.get(0)?),
                    account: Id16(row.get(1)?),
                    subject: Id16(row.get(2)?),
                    broken: Timestamp::from_microsecond(row.get(3)?).unwrap_or_default(),
                    due: Timestamp::from_microsecond(row.get(4)?).unwrap_or_default(),
                })
            });
            rows.at(step)?.collect::<rusqlite::Result<_>>().at(step)
        })
    }

    /// Journal files whose chain broke off: what was left of them is kept beside. Names of files; nothing about a person.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn torn_journals(&self) -> Result<Vec<String>, StoreError> {
        let mut torn = drain::names(&self.core().journal.folder)?;
        torn.retain(|name| name.ends_with(".torn"));
        torn.sort_unstable();
        Ok(torn)
    }
}

/// An entry, or nothing where the row is not what was sealed: that stays so however often it is read. Anything else may be over the
/// next time.
fn opened(core: &Core, permit: &Permit, row: Row) -> Result<Option<AccessEntry>, StoreError> {
    match open(core, permit, row) {
        Ok(logged) => Ok(Some(logged.entry)),
        // The permit reaches every entry of the log: what it does not reach is none.
        Err(
            StoreError::Damaged { .. }
            | StoreError::Seal(
                SealError::NotAFrame { .. } | SealError::Tampered | SealError::Misplaced | SealError::Refused { .. },
            ),
        ) => Ok(None),
        Err(StoreError::Seal(SealError::Key(KeyError::Unknown { .. }))) if has_access_keys(core)? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether keys of access entries are here, so that a frame which names one that nobody has was changed. Which year's is not asked: the
/// time of a row may have been changed with its frame.
fn has_access_keys(core: &Core) -> Result<bool, StoreError> {
    core.readers.snapshot("looking for a key of access entries", keys::has_access_key)
}

/// A reason without what makes no difference to it.
fn alike(text: &str) -> String {
    text.chars().filter(|each| each.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

pub(crate) fn check_scope(permit: &Permit) -> Result<(), StoreError> {
    if *permit.scope() == Scope::Accesses { Ok(()) } else { Err(StoreError::Scope { what: "the accesses of others" }) }
}

/// The homes of a person, or of a patient whom nobody is linked to, as keyed hashes.
fn homes(connection: &Connection, subject: Id16) -> Result<BTreeSet<String>, StoreError> {
    let step = "finding who lives together";
    let sql = "SELECT code FROM idx_token WHERE owner = ? AND type = 'Patient' AND param = ?";
    let mut homes = BTreeSet::new();
    for own in grounds::patients_of(connection, subject, "")? {
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let owner = owner_bytes(Owner::Patient(own.patient));
        let rows = statement.query_map(params![owner, HOUSEHOLD], |row| row.get(0)).at(step)?;
        homes.extend(rows.collect::<rusqlite::Result<Vec<String>>>().at(step)?);
    }
    Ok(homes)
}

fn numbered(connection: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, Row)>, StoreError> {
    let step = "watching the access log";
    let sql = "SELECT row, subject, time_us, id, frame FROM access_entry WHERE row > ? ORDER BY row LIMIT ?";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query(params![after as i64, limit as i64]).at(step)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let number: i64 = row.get(0).at(step)?;
        // What is of another form belongs to no entry, which then does not open, and hides none that comes after it.
        let bytes = |at: usize| Ok::<_, StoreError>(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
        let named = |at: usize| Ok::<_, StoreError>(id16_from(bytes(at)?).unwrap_or(Id16([0; 16])));
        let (subject, id, frame) = (named(1)?, named(3)?, bytes(4)?.to_vec());
        let time_us = row.get_ref(2).at(step)?.as_i64().unwrap_or_default();
        out.push((number.unsigned_abs(), Row { subject, time_us, id, frame, leaf: None }));
    }
    Ok(out)
}

fn named(connection: &Connection, key: &AccessKey) -> Result<Option<Row>, StoreError> {
    let step = "reading entries of a case";
    let time_us = key.time.as_microsecond();
    let frame: Option<Vec<u8>> = connection
        .prepare_cached("SELECT frame FROM access_entry WHERE subject = ? AND time_us = ? AND id = ?")
        .at(step)?
        .query_row(params![key.subject.0, time_us, key.id.0], |row| row.get(0))
        .optional()
        .at(step)?;
    Ok(frame.map(|frame| Row { subject: key.subject, time_us, id: key.id, frame, leaf: None }))
}

/// Leaves stand in the order of entries, each with its entry, and none is left out: whatever is not so is a hole.
fn holes(connection: &Connection, from: Checked) -> Result<(Vec<Hole>, Checked), StoreError> {
    let step = "looking for holes in the access log";
    let sql = "SELECT leaf.row, position, access_entry.row IS NOT NULL FROM leaf LEFT JOIN access_entry \
               ON access_entry.row = leaf.row WHERE kind = ? AND leaf.row > ? ORDER BY leaf.row LIMIT ?";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query(params![KIND_ACCESS, from.number as i64, LEAVES_MAX as i64]).at(step)?;
    let (mut holes, mut gone, mut at) = (Vec::new(), None::<(u64, u64)>, from);
    while let Some(row) = rows.next().at(step)? {
        let number = row.get::<_, i64>(0).at(step)?.unsigned_abs();
        let position = row.get::<_, i64>(1).at(step)?.unsigned_abs();
        if number > at.number + 1 {
            holes.push(Hole::NoLeaf { from: at.number + 1, to: number - 1 });
        }
        if position > at.leaves {
            holes.push(Hole::Leaves { from: at.leaves, to: position - 1 });
        }
        gone = match (gone, row.get(2).at(step)?) {
            (None, true) => None,
            (None, false) => Some((number, number)),
            (Some((first, _)), false) => Some((first, number)),
            (Some((first, last)), true) => {
                holes.push(Hole::Entries { from: first, to: last });
                None
            }
        };
        at = Checked { number, leaves: position + 1 };
    }
    holes.extend(gone.map(|(from, to)| Hole::Entries { from, to }));
    Ok((holes, at))
}
