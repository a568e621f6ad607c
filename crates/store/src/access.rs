//! What an answer shows of whom, written to the access journal before the answer leaves; and the access log as data subjects
//! read it.

use std::collections::BTreeMap;

use base::{Clock, Id16, wire};
use ledger::EntryKind;
use policy::{Action, InstitutionCode, Owner, Permit, Scope};
use rusqlite::{Connection, params};
use vault::{FrameHead, FrameKind};

use crate::Store;
use crate::core::{Core, check_action, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::journal::file::Record;
use crate::journal::{AccessEntry, AccessResult, drain};
use crate::search::counted;
use crate::sequencer::KIND_ACCESS;
use crate::types::id16_from;

/// Most entries on a page of the access log.
pub const ACCESS_PAGE_MAX: usize = 500;

/// Which part of the access log to read: newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessPage {
    /// Most entries; 0 for [`ACCESS_PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<AccessCursor>,
}

/// Where a page of the access log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessCursor {
    time_us: i64,
    id: Id16,
}

/// An access entry and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedAccess {
    /// The entry.
    pub entry: AccessEntry,
    /// The salt of its leaf, which commits to [`AccessEntry::to_bytes`] as [`EntryKind::Access`].
    pub salt: [u8; 32],
    /// Index of its leaf in the log `access`, once it is under a checkpoint.
    pub leaf: Option<u64>,
}

/// Some of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Newest first.
    pub entries: Vec<LoggedAccess>,
    /// Where to go on; `None` where this is all.
    pub next: Option<AccessCursor>,
}

/// What an answer shows, by data subject.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<Owner, (InstitutionCode, BTreeMap<String, u32>)>);

impl Seen {
    pub(crate) fn add(&mut self, owner: Owner, institution: &InstitutionCode, kind: &str) {
        let (_, what) = self.0.entry(owner).or_insert_with(|| (institution.clone(), BTreeMap::new()));
        match what.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(what.insert(kind.to_owned(), 1)),
        }
    }
}

impl Core {
    /// Journals an answer: one entry for each data subject, or one for the asker where the answer is empty. After `Ok` they
    /// are durable, and the answer may leave.
    pub(crate) fn record_seen(&self, permit: &Permit, seen: Seen) -> Result<(), StoreError> {
        let mut entries = self.entries(permit, seen);
        if entries.is_empty() {
            entries.push(self.entry(permit, permit.actor().account));
        }
        self.record(&entries)
    }

    /// The same for what records refer to, under the rules that said so.
    pub(crate) fn record_context(&self, permit: &Permit, seen: Seen) -> Result<(), StoreError> {
        let explained = |entry| AccessEntry { explanation: permit.context_explanation().to_owned(), ..entry };
        let entries: Vec<AccessEntry> = self.entries(permit, seen).into_iter().map(explained).collect();
        if entries.is_empty() { Ok(()) } else { self.record(&entries) }
    }

    /// Entries for a permit that was used on what it does not reach.
    pub(crate) fn denied(&self, permit: &Permit, seen: Seen) -> Vec<AccessEntry> {
        let denied = |entry: AccessEntry| AccessEntry {
            what: entry.what,
            institution: entry.institution,
            ..self.beyond_entry(permit, entry.subject)
        };
        self.entries(permit, seen).into_iter().map(denied).collect()
    }

    /// One entry for each data subject.
    fn entries(&self, permit: &Permit, seen: Seen) -> Vec<AccessEntry> {
        let entry = |(owner, (institution, what)): (Owner, _)| AccessEntry {
            institution: Some(institution),
            what: counted(what),
            ..self.entry(permit, owner.id())
        };
        seen.0.into_iter().map(entry).collect()
    }

    /// Journals that a permit was used on what it does not reach: its data subject is to see the attempt.
    pub(crate) fn record_beyond(&self, permit: &Permit, owner: Owner, kind: &str) -> Result<(), StoreError> {
        let mut entry = self.beyond_entry(permit, owner.id());
        entry.what = vec![(kind.to_owned(), 1)];
        self.record(&[entry])
    }

    /// An entry for `subject`: a permit was used on what is not its holder's.
    pub(crate) fn beyond_entry(&self, permit: &Permit, subject: Id16) -> AccessEntry {
        let reason = policy::DenialReason::NotYours.name().to_owned();
        AccessEntry { result: AccessResult::Denied { reason }, ..self.entry(permit, subject) }
    }

    /// An entry for `subject`: a permit was used, now, and on nothing yet.
    pub(crate) fn entry(&self, permit: &Permit, subject: Id16) -> AccessEntry {
        AccessEntry {
            id: Id16::random(&*self.random),
            decision: permit.id(),
            time: self.clock.now(),
            subject,
            actor: permit.actor().into(),
            action: permit.action().name().to_owned(),
            purpose: permit.purpose().name().to_owned(),
            ground: permit.purpose().ground(),
            explanation: permit.explanation().to_owned(),
            result: AccessResult::Granted,
            institution: None,
            what: Vec::new(),
        }
    }

    /// Seals entries and waits until the journal has them durably.
    pub(crate) fn record(&self, entries: &[AccessEntry]) -> Result<(), StoreError> {
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let content = entry.to_bytes();
            let salt = self.random.bytes32();
            let mut body = wire::Writer::new();
            body.u8(1).raw(&salt).raw(&content);
            let head = access_head(entry.subject, entry.id);
            let year = entry.time.to_zoned(jiff::tz::TimeZone::UTC).year();
            let key = self.keyring.access(u16::try_from(year).unwrap_or(0))?;
            records.push(Record {
                id: entry.id,
                subject: entry.subject,
                time_us: entry.time.as_microsecond(),
                commitment: ledger::commit(&salt, EntryKind::Access, &content),
                frame: vault::seal(&key, &head, body.as_slice(), &*self.random)?,
            });
        }
        self.persist_keys()?;
        self.journal.append(&records)
    }
}

impl Store {
    /// Who looked at what is the permit's, newest first, denials included. Entries of this process are in it at once, those
    /// of others within a second. Reading it is an access of its own.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`],
    /// [`StoreError::Database`], [`StoreError::Seal`].
    pub fn access_log(&self, permit: &Permit, page: &AccessPage) -> Result<AccessLog, StoreError> {
        check_action(permit, "access_log", &[Action::ReadAccessLog])?;
        let Scope::Patients(subjects) = permit.scope() else {
            return Err(StoreError::Scope { what: "people" });
        };
        let core = self.core();
        drain::own(core)?;
        let limit = if page.limit == 0 { ACCESS_PAGE_MAX } else { page.limit.min(ACCESS_PAGE_MAX) };
        let mut rows = core.readers.snapshot("reading the access log", |connection| {
            check_epoch(connection, permit.epoch())?;
            let mut rows = Vec::new();
            for subject in subjects {
                sealed_entries(connection, *subject, page.after, limit + 1, &mut rows)?;
            }
            Ok(rows)
        })?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.time_us, row.id)));
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| AccessCursor { time_us: row.time_us, id: row.id });
        let entries: Result<Vec<_>, _> = rows.into_iter().map(|row| open(core, permit, row)).collect();
        let entries = entries?;
        let account = permit.actor().account;
        let own: Vec<Id16> =
            if subjects.contains(&account) { vec![account] } else { subjects.iter().copied().collect() };
        let looked: Vec<AccessEntry> = own
            .into_iter()
            .map(|subject| {
                let what = vec![("access-entry".to_owned(), entries.len() as u32)];
                AccessEntry { what, ..core.entry(permit, subject) }
            })
            .collect();
        core.record(&looked)?;
        Ok(AccessLog { entries, next })
    }
}

/// A sealed entry as the table has it.
pub(crate) struct Row {
    pub(crate) subject: Id16,
    pub(crate) time_us: i64,
    pub(crate) id: Id16,
    pub(crate) frame: Vec<u8>,
    pub(crate) leaf: Option<i64>,
}

fn sealed_entries(
    connection: &Connection,
    subject: Id16,
    after: Option<AccessCursor>,
    limit: usize,
    out: &mut Vec<Row>,
) -> Result<(), StoreError> {
    let step = "reading the access log";
    let after = after.unwrap_or(AccessCursor { time_us: i64::MAX, id: Id16([0xff; 16]) });
    let mut statement = connection
        .prepare_cached(
            "SELECT time_us, id, frame, position FROM access_entry LEFT JOIN leaf ON leaf.kind = ? AND leaf.row = access_entry.row \
             WHERE subject = ? AND (time_us, id) < (?, ?) ORDER BY time_us DESC, id DESC LIMIT ?",
        )
        .at(step)?;
    let mut rows =
        statement.query(params![KIND_ACCESS, subject.0, after.time_us, after.id.0, limit as i64]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        out.push(Row {
            subject,
            time_us: row.get(0).at(step)?,
            id: id16_from(row.get_ref(1).at(step)?.as_blob().unwrap_or_default())?,
            frame: row.get(2).at(step)?,
            leaf: row.get(3).at(step)?,
        });
    }
    Ok(())
}

pub(crate) fn open(core: &Core, permit: &Permit, row: Row) -> Result<LoggedAccess, StoreError> {
    let body = vault::open_frame_as(permit, &core.keyring, &access_head(row.subject, row.id), &row.frame)?;
    let mut reader = wire::Reader::new(&body);
    if reader.u8()? != 1 {
        return Err(StoreError::Damaged { what: "an access entry", reason: "its format is unknown".to_owned() });
    }
    let salt = reader.array()?;
    let entry = AccessEntry::from_bytes(&body[reader.offset()..])?;
    Ok(LoggedAccess { entry, salt, leaf: row.leaf.map(i64::unsigned_abs) })
}

const fn access_head(subject: Id16, id: Id16) -> FrameHead {
    FrameHead { kind: FrameKind::Access, object: id, version: 1, chunk: 0, last: true, owner: Owner::Patient(subject) }
}
