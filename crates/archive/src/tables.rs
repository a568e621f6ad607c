//! The archive's own tables: institutions, deposits, documents by name, and what was held back. All SQL of this crate stands
//! here; clinical content is not reached from here. What tells names of files is sealed on its way in ([`Names`]).

use crate::error::ArchiveError;
use crate::institutions::{Holding, Institution};
use crate::issue::{DocumentNumber, IssuedDocument};
use crate::names::{Kind, Name, Names};
use base::{Id16, Timestamp};
use jiff::civil::Date;
use policy::{InstitutionCode, Owner};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;
use std::sync::Arc;
use store::Store;

/// A finished deposit, for the provenance of what it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposited {
    /// Its id, which is the number of its receipt.
    pub id: Id16,
    /// When it began.
    pub received: Timestamp,
    /// Who handed the records over.
    pub depositor: String,
}

/// A deposit as the table has it.
pub(crate) struct DepositRow {
    pub(crate) started: Timestamp,
    pub(crate) finished: bool,
    pub(crate) progress: String,
    pub(crate) receipt: Option<String>,
}

/// A document that a resource points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentRow {
    pub(crate) owner: Owner,
    /// Path below the bag, `data/` first.
    pub(crate) path: String,
    /// Where the file stands in the bag's list; behind all where it is not in the bag.
    pub(crate) place: i64,
    pub(crate) class: String,
    pub(crate) expiry_year: u16,
    pub(crate) content_type: String,
    pub(crate) size: Option<u64>,
    pub(crate) sha1: Option<[u8; 20]>,
    /// Where the resource stands that points to it: place of its file times 2^40, and line.
    pub(crate) source: Option<i64>,
}

/// How a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentState {
    Taken(Id16),
    /// Taken, and an earlier deposit had brought the same bytes.
    Already(Id16),
    HeldBack,
    Missing,
}

/// Something that was not taken as what it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldRow {
    pub(crate) path: String,
    /// From 1; 0 for a whole file.
    pub(crate) line: u64,
    pub(crate) fault: &'static str,
    pub(crate) reason: String,
    /// The object that keeps its bytes.
    pub(crate) object: Option<Id16>,
}

/// What was held back, as a receipt lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldListed {
    pub(crate) path: String,
    pub(crate) line: u64,
    pub(crate) fault: String,
    pub(crate) reason: String,
    /// Whether its bytes are kept.
    pub(crate) kept: bool,
}

/// How many resources and documents of a deposit became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DocumentCounts {
    /// Documents taken that were new for somebody.
    pub(crate) new: u64,
    /// Documents taken that were here already, for everybody.
    pub(crate) already: u64,
    /// Documents of which nothing was taken.
    pub(crate) held_back: u64,
    /// Lines that were not taken.
    pub(crate) lines_held_back: u64,
}

/// Rows of a deposit that are written together with what they are about.
#[derive(Debug)]
pub(crate) struct Marks {
    pub(crate) names: Arc<Names>,
    pub(crate) deposit: Id16,
    pub(crate) progress: String,
    /// Path, bytes and lines done of NDJSON files.
    pub(crate) files: Vec<(String, i64, u64)>,
    pub(crate) documents: Vec<DocumentRow>,
    pub(crate) states: Vec<(Owner, String, DocumentState)>,
    /// Path and line of what is no longer held back as being about nobody; what it is held back for now is among `held`.
    pub(crate) retried: Vec<(String, u64)>,
    pub(crate) held: Vec<HeldRow>,
}

impl Marks {
    /// Writes the rows.
    pub(crate) fn apply(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let (names, id) = (&self.names, self.deposit.0);
        let progress = sealed_progress(names, self.deposit, &self.progress);
        tx.prepare_cached("UPDATE deposit SET progress = ? WHERE id = ?")?.execute(params![progress, id])?;
        for (path, bytes, lines) in &self.files {
            tx.prepare_cached("INSERT OR REPLACE INTO deposit_file (deposit, name, bytes, lines) VALUES (?, ?, ?, ?)")?
                .execute(params![id, names.name(path).0, bytes, *lines as i64])?;
        }
        for (path, line) in &self.retried {
            let sql = "DELETE FROM held_back WHERE deposit = ? AND name = ? AND line = ? AND fault = 'nobody'";
            tx.prepare_cached(sql)?.execute(params![id, names.name(path).0, *line as i64])?;
        }
        for row in &self.documents {
            let name = names.name(&row.path);
            // An earlier run may not have known that anything points to it.
            let sql = "DELETE FROM held_back WHERE deposit = ? AND name = ? AND line = 0 AND fault = 'unreferenced'";
            tx.prepare_cached(sql)?.execute(params![id, name.0])?;
            let sql = "INSERT OR IGNORE INTO document (owner, name, deposit, path, place, class, expiry_year, content_type, \
                       size, sha1, source, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
            tx.prepare_cached(sql)?.execute(params![
                owner_bytes(row.owner),
                name.0,
                id,
                names.seal(Kind::Path, self.deposit, name, &row.path),
                row.place,
                row.class,
                row.expiry_year,
                row.content_type,
                row.size.map(|size| size as i64),
                row.sha1,
                row.source,
            ])?;
        }
        for (owner, path, state) in &self.states {
            let (state, object) = match state {
                DocumentState::Taken(object) => (1, Some(object.0)),
                DocumentState::HeldBack => (2, None),
                DocumentState::Missing => (3, None),
                DocumentState::Already(object) => (4, Some(object.0)),
            };
            let sql = "UPDATE document SET state = ?, object = ? WHERE owner = ? AND name = ? AND deposit = ?";
            let name = names.name(path).0;
            tx.prepare_cached(sql)?.execute(params![state, object, owner_bytes(*owner), name, id])?;
        }
        self.held.iter().try_for_each(|row| self.hold(tx, row))
    }

    fn hold(&self, tx: &Transaction<'_>, row: &HeldRow) -> rusqlite::Result<()> {
        let (names, id) = (&self.names, self.deposit);
        let name = names.name(&row.path);
        let sql = "INSERT OR REPLACE INTO held_back (deposit, name, line, fault, path, is_document, reason, object) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        tx.prepare_cached(sql)?.execute(params![
            id.0,
            name.0,
            row.line as i64,
            row.fault,
            names.seal(Kind::Path, id, name, &row.path),
            is_document(&row.path, row.line as i64),
            names.seal(Kind::Reason, id, name, &row.reason),
            row.object.map(|object| object.0),
        ])?;
        Ok(())
    }
}

fn is_document(path: &str, line: i64) -> bool {
    line == 0 && path.starts_with("data/documents/")
}

/// What is about the deposit as a whole is bound to no file.
fn sealed_progress(names: &Names, deposit: Id16, progress: &str) -> Vec<u8> {
    names.seal(Kind::Progress, deposit, Name::default(), progress)
}

const INSTITUTION: &str = "SELECT code, name, romanised, kind, region, address, closed_on, suspended_from, suspended_to, \
                           holding, synthetic FROM institution";

/// The institutions with these codes, in this order; unknown codes are left out.
pub(crate) fn institutions(store: &Store, codes: &[&str]) -> Result<Vec<Institution>, ArchiveError> {
    let rows = store.tables().read("institutions", |connection| {
        let mut statement = connection.prepare_cached(&format!("{INSTITUTION} WHERE code = ?"))?;
        codes.iter().filter_map(|code| statement.query_row([code], institution).optional().transpose()).collect()
    })?;
    whole(rows)
}

/// Every institution, and the change up to which they are.
pub(crate) fn all_institutions(store: &Store) -> Result<(i64, Vec<Institution>), ArchiveError> {
    let (at, rows) = store.tables().read("institutions", |connection| {
        let rows = connection.prepare_cached(INSTITUTION)?.query_map([], institution)?.collect::<Result<_, _>>()?;
        Ok((changes(connection)?, rows))
    })?;
    Ok((at, whole(rows)?))
}

/// Institutions that were written after a change, at most `limit`, and the change up to which they are.
pub(crate) fn institutions_since(
    store: &Store,
    change: i64,
    limit: usize,
) -> Result<(i64, Vec<Institution>), ArchiveError> {
    let (at, rows) = store.tables().read("institutions", |connection| {
        let mut statement = connection.prepare_cached(&format!("{INSTITUTION} WHERE change > ? LIMIT ?"))?;
        let rows = statement.query_map(params![change, limit as i64], institution)?.collect::<Result<_, _>>()?;
        Ok((changes(connection)?, rows))
    })?;
    Ok((at, whole(rows)?))
}

type InstitutionRow = Result<Institution, &'static str>;

fn whole(rows: Vec<InstitutionRow>) -> Result<Vec<Institution>, ArchiveError> {
    let damaged = |reason: &str| ArchiveError::Damaged { what: "an institution", reason: reason.to_owned() };
    rows.into_iter().map(|row| row.map_err(damaged)).collect()
}

fn institution(row: &Row<'_>) -> rusqlite::Result<InstitutionRow> {
    let day = |at: usize| -> rusqlite::Result<Result<Option<Date>, &'static str>> {
        let text: Option<String> = row.get(at)?;
        Ok(text.map(|text| text.parse().map_err(|_| "a day is not a date")).transpose())
    };
    let (closed_on, suspended_from, suspended_to) = (day(6)?, day(7)?, day(8)?);
    let holding = Holding::from_slug(row.get_ref(9)?.as_str()?).ok_or("its holding is unknown");
    let (code, name, romanised, kind) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let (region, address, synthetic) = (row.get(4)?, row.get(5)?, row.get(10)?);
    Ok((|| {
        Ok(Institution {
            code,
            name,
            romanised,
            kind,
            region,
            address,
            closed_on: closed_on?,
            suspended_from: suspended_from?,
            suspended_to: suspended_to?,
            holding: holding?,
            synthetic,
        })
    })())
}

/// Counts changes of the table of institutions.
pub(crate) fn institution_changes(store: &Store) -> Result<i64, ArchiveError> {
    Ok(store.tables().read("institutions", changes)?)
}

fn changes(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT changes FROM institution_change")?.query_row([], |row| row.get(0))
}

/// The change that this transaction is; what it writes carries it, so that it is to be counted first.
fn count_change(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    let sql = "UPDATE institution_change SET changes = changes + 1 RETURNING changes";
    tx.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Writes institutions of a directory. One with records here keeps its holding.
pub(crate) fn put_institutions(store: &Store, rows: Vec<Institution>, now: Timestamp) -> Result<(), ArchiveError> {
    put(store, rows, now, "CASE WHEN holding IN ('deposited', 'migrating') THEN holding ELSE excluded.holding END")
}

/// Writes an institution as its own bag describes it.
pub(crate) fn put_depositing(store: &Store, row: Institution, now: Timestamp) -> Result<(), ArchiveError> {
    // An institution that hands over a second bag has records to be had all the while.
    put(store, vec![row], now, "CASE WHEN holding = 'deposited' THEN holding ELSE excluded.holding END")
}

fn put(store: &Store, rows: Vec<Institution>, now: Timestamp, holding: &str) -> Result<(), ArchiveError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO institution (code, name, romanised, kind, region, address, closed_on, suspended_from, suspended_to, \
         holding, synthetic, changed_us, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (code) DO UPDATE SET \
         name = excluded.name, romanised = excluded.romanised, kind = excluded.kind, region = excluded.region, \
         address = excluded.address, closed_on = excluded.closed_on, suspended_from = excluded.suspended_from, \
         suspended_to = excluded.suspended_to, holding = {holding}, synthetic = excluded.synthetic, \
         changed_us = excluded.changed_us, change = excluded.change"
    );
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    store.tables().write("institutions", move |tx| {
        let change = count_change(tx)?;
        let mut statement = tx.prepare_cached(&sql)?;
        for row in rows {
            statement.execute(params![
                row.code,
                row.name,
                row.romanised,
                row.kind,
                row.region,
                row.address,
                day(row.closed_on),
                day(row.suspended_from),
                day(row.suspended_to),
                row.holding.slug(),
                row.synthetic,
                now.as_microsecond(),
                change,
            ])?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Begins a deposit, or finds it as it was left.
pub(crate) fn begin_deposit(
    store: &Store,
    names: &Names,
    id: Id16,
    bag: (&InstitutionCode, [u8; 32], &str),
    now: Timestamp,
    progress: &str,
) -> Result<DepositRow, ArchiveError> {
    let (institution, manifest, depositor) = bag;
    let (code, depositor) = (institution.as_str().to_owned(), depositor.to_owned());
    let progress = sealed_progress(names, id, progress);
    let row = store.tables().write("deposit", move |tx| {
        tx.execute(
            "INSERT OR IGNORE INTO deposit (id, institution, manifest, depositor, started_us, progress) VALUES (?, ?, ?, ?, ?, ?)",
            params![id.0, code, manifest, depositor, now.as_microsecond(), progress],
        )?;
        deposit_row(tx, id)
    })?;
    row.ok_or(damaged("a deposit", "its row is gone")).and_then(|row| read_deposit(names, id, row))
}

/// A deposit, where there is one.
pub(crate) fn deposit(store: &Store, names: &Names, id: Id16) -> Result<Option<DepositRow>, ArchiveError> {
    let row = store.tables().read("deposit", |connection| deposit_row(connection, id))?;
    row.map(|row| read_deposit(names, id, row)).transpose()
}

type RawDeposit = (i64, bool, Vec<u8>, Option<Vec<u8>>);

fn deposit_row(connection: &Connection, id: Id16) -> rusqlite::Result<Option<RawDeposit>> {
    connection
        .prepare_cached("SELECT started_us, finished_us IS NOT NULL, progress, receipt FROM deposit WHERE id = ?")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()
}

fn read_deposit(names: &Names, id: Id16, row: RawDeposit) -> Result<DepositRow, ArchiveError> {
    let (started, finished, progress, receipt) = row;
    let open = |kind, sealed: &[u8]| names.open(kind, id, Name::default(), sealed);
    let receipt = receipt.map(|receipt| open(Kind::Receipt, &receipt)).transpose()?;
    Ok(DepositRow { started: time(started)?, finished, progress: open(Kind::Progress, &progress)?, receipt })
}

/// Rows of a deposit that come with no resource or object.
pub(crate) fn mark(store: &Store, marks: Marks) -> Result<(), ArchiveError> {
    Ok(store.tables().write("deposit", move |tx| marks.apply(tx))?)
}

/// Takes a deposit up again that was finished; files that it refused and that are mended are read anew.
pub(crate) fn reopen_deposit(
    store: &Store,
    names: &Names,
    id: Id16,
    mended: &[String],
    progress: &str,
) -> Result<(), ArchiveError> {
    let progress = sealed_progress(names, id, progress);
    let mended: Vec<Name> = mended.iter().map(|path| names.name(path)).collect();
    store.tables().write("deposit", move |tx| {
        tx.execute("UPDATE deposit SET finished_us = NULL, progress = ? WHERE id = ?", params![progress, id.0])?;
        for name in mended {
            tx.execute("DELETE FROM deposit_file WHERE deposit = ? AND name = ?", params![id.0, name.0])?;
            tx.execute("DELETE FROM held_back WHERE deposit = ? AND name = ?", params![id.0, name.0])?;
            tx.execute("UPDATE document SET state = 0 WHERE deposit = ? AND name = ?", params![id.0, name.0])?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Ends a deposit with its receipt, and says that the institution's records are here.
pub(crate) fn finish_deposit(
    store: &Store,
    names: &Names,
    id: Id16,
    institution: &InstitutionCode,
    receipt: &str,
    now: Timestamp,
) -> Result<(), ArchiveError> {
    let code = institution.as_str().to_owned();
    let receipt = names.seal(Kind::Receipt, id, Name::default(), receipt);
    store.tables().write("deposit", move |tx| {
        let now_us = now.as_microsecond();
        tx.execute("UPDATE deposit SET receipt = ?, finished_us = ? WHERE id = ?", params![receipt, now_us, id.0])?;
        let change = count_change(tx)?;
        tx.execute(
            "UPDATE institution SET holding = 'deposited', changed_us = ?, change = ? WHERE code = ?",
            params![now_us, change, code],
        )?;
        Ok(())
    })?;
    Ok(())
}
/// Finished deposits of an institution, oldest first.
pub(crate) fn deposits(store: &Store, institution: &InstitutionCode) -> Result<Vec<Deposited>, ArchiveError> {
    let rows: Vec<([u8; 16], i64, String)> = store.tables().read("deposit", |connection| {
        let sql = "SELECT id, started_us, depositor FROM deposit WHERE institution = ? AND finished_us IS NOT NULL ORDER BY started_us";
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map([institution.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    })?;
    let deposited = |(id, us, depositor)| Ok(Deposited { id: Id16(id), received: time(us)?, depositor });
    rows.into_iter().map(deposited).collect()
}

/// How far the NDJSON files of a deposit are taken in: bytes (-1: refused whole) and lines.
pub(crate) fn file_marks(store: &Store, id: Id16) -> Result<HashMap<Name, (i64, u64)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let mut statement =
            connection.prepare_cached("SELECT name, bytes, lines FROM deposit_file WHERE deposit = ?")?;
        let mark = |row: &Row<'_>| Ok((Name(row.get(0)?), (row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs())));
        statement.query_map([id.0], mark)?.collect()
    })?)
}

/// Where a list of waiting documents goes on: behind a place, a name and an owner.
pub(crate) type WaitingAfter = (i64, Name, Vec<u8>);

/// The next documents that wait, in the order of the bag, after `after`, and where the list goes on.
pub(crate) fn waiting_documents(
    store: &Store,
    names: &Names,
    id: Id16,
    after: &WaitingAfter,
    limit: usize,
) -> Result<(Vec<DocumentRow>, WaitingAfter), ArchiveError> {
    let rows: Vec<(Vec<u8>, Name, Vec<u8>, DocumentRow)> = store.tables().read("deposit", |connection| {
        let sql = "SELECT owner, name, path, place, class, expiry_year, content_type, size, sha1, source FROM document \
                   WHERE deposit = ? AND (place, name, owner) > (?, ?, ?) AND state = 0 ORDER BY place, name, owner LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![id.0, after.0, after.1.0, after.2, limit as i64], |row| {
            let document = DocumentRow {
                owner: Owner::Institution(Id16::default()),
                path: String::new(),
                place: row.get(3)?,
                class: row.get(4)?,
                expiry_year: row.get(5)?,
                content_type: row.get(6)?,
                size: row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs),
                sha1: row.get(8)?,
                source: row.get(9)?,
            };
            Ok((row.get(0)?, Name(row.get(1)?), row.get(2)?, document))
        })?;
        rows.collect()
    })?;
    let next = rows.last().map_or_else(|| after.clone(), |(owner, name, _, row)| (row.place, *name, owner.clone()));
    let whole = |(owner, name, path, row): (Vec<u8>, Name, Vec<u8>, DocumentRow)| {
        let path = names.open(Kind::Path, id, name, &path)?;
        Ok(DocumentRow { owner: owner_from(&owner)?, path, ..row })
    };
    Ok((rows.into_iter().map(whole).collect::<Result<_, ArchiveError>>()?, next))
}

/// Where resources of different patients point to one file of a deposit, at most `limit`, the first of each patient; empty where
/// those of one patient alone do. Of an older program's rows the places are unknown.
pub(crate) fn shared_by(
    store: &Store,
    names: &Names,
    id: Id16,
    path: &str,
    limit: usize,
) -> Result<Vec<Option<i64>>, ArchiveError> {
    let sources: Vec<Option<i64>> = store.tables().read("deposit", |connection| {
        let sql = "SELECT source FROM document WHERE deposit = ? AND name = ? AND substr(owner, 1, 1) = x'02' ORDER BY source LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map(params![id.0, names.name(path).0, limit as i64], |row| row.get(0))?.collect()
    })?;
    Ok(if sources.len() > 1 { sources } else { Vec::new() })
}

/// Whether an institution has deposits besides this one.
pub(crate) fn has_other_deposits(store: &Store, institution: &InstitutionCode, id: Id16) -> Result<bool, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT 1 FROM deposit WHERE institution = ? AND id <> ?";
        connection.prepare_cached(sql)?.exists(params![institution.as_str(), id.0])
    })?)
}

/// Which of these files of a deposit nobody points to and nothing was said of yet.
pub(crate) fn unmentioned(store: &Store, names: &Names, id: Id16, paths: &[&str]) -> Result<Vec<bool>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let mut pointed = connection.prepare_cached("SELECT 1 FROM document WHERE deposit = ? AND name = ?")?;
        let mut held = connection.prepare_cached("SELECT 1 FROM held_back WHERE deposit = ? AND name = ?")?;
        let mentioned = |path: &&str| {
            let name = names.name(path).0;
            Ok(!pointed.exists(params![id.0, name])? && !held.exists(params![id.0, name])?)
        };
        paths.iter().map(mentioned).collect()
    })?)
}

/// What became of the documents, and how many lines were held back. A document of which one patient's copy was taken and another's
/// was not counts as taken.
pub(crate) fn document_counts(store: &Store, id: Id16) -> Result<DocumentCounts, ArchiveError> {
    let [new, already, held_back, lines_held_back] = store.tables().read("deposit", |connection| {
        let sql = "WITH file AS (SELECT max(state = 1) AS new, max(state = 4) AS already FROM document WHERE deposit = ?1 GROUP BY name) \
                   SELECT (SELECT count(*) FROM file WHERE new), (SELECT count(*) FROM file WHERE already AND NOT new), \
                   (SELECT count(DISTINCT name) FROM held_back WHERE deposit = ?1 AND is_document AND NOT EXISTS \
                   (SELECT 1 FROM document WHERE deposit = ?1 AND document.name = held_back.name AND state IN (1, 4))), \
                   (SELECT count(*) FROM held_back WHERE deposit = ?1 AND line > 0 AND fault <> 'doubled-person')";
        let counts = |row: &Row<'_>| -> rusqlite::Result<[i64; 4]> {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        };
        connection.prepare_cached(sql)?.query_row([id.0], counts)
    })?;
    let count = i64::unsigned_abs;
    Ok(DocumentCounts {
        new: count(new),
        already: count(already),
        held_back: count(held_back),
        lines_held_back: count(lines_held_back),
    })
}

/// What was held back in a deposit, at most `limit`, in the order of the bag as far as it is all.
pub(crate) fn held_back(store: &Store, names: &Names, id: Id16, limit: usize) -> Result<Vec<HeldListed>, ArchiveError> {
    let sql = "SELECT name, path, line, fault, reason, object IS NOT NULL FROM held_back WHERE deposit = ? \
               ORDER BY name, line, fault LIMIT ?";
    held(store, names, id, sql, limit)
}

/// The files that were refused whole in a deposit, at most `limit`.
pub(crate) fn refused_files(
    store: &Store,
    names: &Names,
    id: Id16,
    limit: usize,
) -> Result<Vec<HeldListed>, ArchiveError> {
    let sql = "SELECT name, path, line, fault, reason, object IS NOT NULL FROM held_back WHERE deposit = ? AND line = 0 \
               AND fault IN ('checksum', 'unreadable', 'too-large') ORDER BY name, line, fault LIMIT ?";
    held(store, names, id, sql, limit)
}

fn held(store: &Store, names: &Names, id: Id16, sql: &str, limit: usize) -> Result<Vec<HeldListed>, ArchiveError> {
    type Raw = (Name, Vec<u8>, i64, String, Vec<u8>, bool);
    let rows: Vec<Raw> = store.tables().read("deposit", |connection| {
        let mut statement = connection.prepare_cached(sql)?;
        let row =
            |row: &Row<'_>| Ok((Name(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?));
        statement.query_map(params![id.0, limit as i64], row)?.collect()
    })?;
    let listed = |(name, path, line, fault, reason, kept): Raw| {
        let path = names.open(Kind::Path, id, name, &path)?;
        let reason = names.open(Kind::Reason, id, name, &reason)?;
        Ok(HeldListed { path, line: line.unsigned_abs(), fault, reason, kept })
    };
    let mut listed = rows.into_iter().map(listed).collect::<Result<Vec<_>, ArchiveError>>()?;
    listed.sort_by(|a, b| (&a.path, a.line, &a.fault).cmp(&(&b.path, b.line, &b.fault)));
    Ok(listed)
}

/// The next lines that were held back as being about nobody, by file, after `after`: name of the file and line.
pub(crate) fn nobody_lines(
    store: &Store,
    id: Id16,
    after: &(Name, u64),
    limit: usize,
) -> Result<Vec<(Name, u64)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT name, line FROM held_back WHERE deposit = ? AND (name, line) > (?, ?) AND fault = 'nobody' \
                   ORDER BY name, line LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let row = |row: &Row<'_>| Ok((Name(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs()));
        statement.query_map(params![id.0, after.0.0, after.1 as i64, limit as i64], row)?.collect()
    })?)
}

/// The next lines of a file that were held back and not taken, after a line.
pub(crate) fn lines_held_back(
    store: &Store,
    id: Id16,
    name: Name,
    after: u64,
    limit: usize,
) -> Result<Vec<u64>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT DISTINCT line FROM held_back WHERE deposit = ? AND name = ? AND line > ? \
                   AND fault <> 'doubled-person' ORDER BY line LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let line = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.unsigned_abs());
        statement.query_map(params![id.0, name.0, after as i64, limit as i64], line)?.collect()
    })?)
}

/// How often each fault was found in a deposit.
pub(crate) fn fault_counts(store: &Store, id: Id16) -> Result<Vec<(String, u64)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT fault, count(*) FROM held_back WHERE deposit = ? GROUP BY fault ORDER BY fault";
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map([id.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
    })?)
}

/// Which deposit's file a resource means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The newest one that was here when this deposit was made; none where this deposit brought one of that name that was held
    /// back or is still to be taken, for then an older one would be shown in its place.
    With(Id16),
    /// The newest one that was here at a time: for resources of which the deposit is not known.
    By(Timestamp),
    /// The one of this deposit alone.
    Only(Id16),
}

/// The object of the document that an owner's resources call by a name.
pub(crate) fn document_object(
    store: &Store,
    owner: Owner,
    name: Name,
    came: Came,
) -> Result<Option<Id16>, ArchiveError> {
    let (with, by, only) = match came {
        Came::With(deposit) => (Some(deposit.0), None, None),
        Came::By(time) => (None, Some(time.as_microsecond()), None),
        Came::Only(deposit) => (None, None, Some(deposit.0)),
    };
    let object: Option<[u8; 16]> = store.tables().read("documents", |connection| {
        let sql = "SELECT object FROM document JOIN deposit ON deposit.id = document.deposit \
                   WHERE owner = ?1 AND name = ?2 AND object IS NOT NULL AND CASE WHEN ?5 IS NOT NULL THEN deposit.id = ?5 \
                   ELSE started_us <= coalesce((SELECT started_us FROM deposit WHERE id = ?3), ?4) END \
                   AND NOT EXISTS (SELECT 1 FROM document own WHERE own.owner = ?1 AND own.name = ?2 AND own.deposit = ?3 \
                   AND own.state IN (0, 2)) \
                   ORDER BY started_us DESC LIMIT 1";
        let values = params![owner_bytes(owner), name.0, with, by, only];
        connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    })?;
    Ok(object.map(Id16))
}

// What stood in clear before `V08__sealed_names.sql`.

/// Rows sealed in one transaction.
const CLEAR_ROWS: usize = 500;

/// Seals what an older program left in clear. Ended anywhere and begun again, it goes on.
pub(crate) fn seal_clear(store: &Store, names: &Arc<Names>) -> Result<(), ArchiveError> {
    let is_clear = |connection: &Connection| {
        let sql = "SELECT EXISTS (SELECT 1 FROM deposit_clear) OR EXISTS (SELECT 1 FROM deposit_file_clear) \
                   OR EXISTS (SELECT 1 FROM document_clear) OR EXISTS (SELECT 1 FROM held_back_clear)";
        connection.query_row(sql, [], |row| row.get::<_, bool>(0))
    };
    while store.tables().read("sealing", is_clear)? {
        let names = Arc::clone(names);
        store.tables().write("sealing", move |tx| {
            seal_deposits(tx, &names)?;
            seal_files(tx, &names)?;
            seal_documents(tx, &names)?;
            seal_held_back(tx, &names)
        })?;
    }
    Ok(())
}

fn seal_deposits(tx: &Transaction<'_>, names: &Names) -> rusqlite::Result<()> {
    let sql = format!("SELECT id, progress, receipt FROM deposit_clear LIMIT {CLEAR_ROWS}");
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows: Vec<([u8; 16], String, Option<String>)> =
        tx.prepare(&sql)?.query_map([], row)?.collect::<Result<_, _>>()?;
    for (id, progress, receipt) in rows {
        let receipt = receipt.map(|receipt| names.seal(Kind::Receipt, Id16(id), Name::default(), &receipt));
        let sql = "INSERT OR REPLACE INTO deposit SELECT id, institution, manifest, depositor, started_us, finished_us, ?2, ?3 \
                   FROM deposit_clear WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![id, sealed_progress(names, Id16(id), &progress), receipt])?;
        tx.prepare_cached("DELETE FROM deposit_clear WHERE id = ?")?.execute([id])?;
    }
    Ok(())
}

fn seal_files(tx: &Transaction<'_>, names: &Names) -> rusqlite::Result<()> {
    let sql = format!("SELECT deposit, path FROM deposit_file_clear LIMIT {CLEAR_ROWS}");
    let rows: Vec<([u8; 16], String)> =
        tx.prepare(&sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (deposit, path) in rows {
        let sql = "INSERT OR REPLACE INTO deposit_file SELECT deposit, ?3, bytes, lines FROM deposit_file_clear \
                   WHERE deposit = ?1 AND path = ?2";
        tx.prepare_cached(sql)?.execute(params![deposit, path, names.name(&path).0])?;
        let sql = "DELETE FROM deposit_file_clear WHERE deposit = ? AND path = ?";
        tx.prepare_cached(sql)?.execute(params![deposit, path])?;
    }
    Ok(())
}

fn seal_documents(tx: &Transaction<'_>, names: &Names) -> rusqlite::Result<()> {
    let sql = format!("SELECT owner, path, deposit FROM document_clear LIMIT {CLEAR_ROWS}");
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows: Vec<([u8; 17], String, [u8; 16])> = tx.prepare(&sql)?.query_map([], row)?.collect::<Result<_, _>>()?;
    for (owner, path, deposit) in rows {
        let name = names.name(&path);
        let sql = "INSERT OR REPLACE INTO document (owner, name, deposit, path, place, class, expiry_year, content_type, size, \
                   sha1, state, object) SELECT owner, ?4, deposit, ?5, 0, class, expiry_year, content_type, size, sha1, state, object FROM document_clear WHERE owner = ?1 AND path = ?2 AND deposit = ?3";
        let sealed = names.seal(Kind::Path, Id16(deposit), name, &path);
        tx.prepare_cached(sql)?.execute(params![owner, path, deposit, name.0, sealed])?;
        let sql = "DELETE FROM document_clear WHERE owner = ? AND path = ? AND deposit = ?";
        tx.prepare_cached(sql)?.execute(params![owner, path, deposit])?;
    }
    Ok(())
}

fn seal_held_back(tx: &Transaction<'_>, names: &Names) -> rusqlite::Result<()> {
    let sql = format!("SELECT deposit, path, line, fault, reason FROM held_back_clear LIMIT {CLEAR_ROWS}");
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let rows: Vec<([u8; 16], String, i64, String, String)> =
        tx.prepare(&sql)?.query_map([], row)?.collect::<Result<_, _>>()?;
    for (deposit, path, line, fault, reason) in rows {
        let (id, name) = (Id16(deposit), names.name(&path));
        let (sealed, reason) = (names.seal(Kind::Path, id, name, &path), names.seal(Kind::Reason, id, name, &reason));
        let sql = "INSERT OR REPLACE INTO held_back SELECT deposit, ?5, line, fault, ?6, ?7, ?8, object FROM held_back_clear \
                   WHERE deposit = ?1 AND path = ?2 AND line = ?3 AND fault = ?4";
        let is_document = is_document(&path, line);
        tx.prepare_cached(sql)?.execute(params![deposit, path, line, fault, name.0, sealed, is_document, reason])?;
        let sql = "DELETE FROM held_back_clear WHERE deposit = ? AND path = ? AND line = ? AND fault = ?";
        tx.prepare_cached(sql)?.execute(params![deposit, path, line, fault])?;
    }
    Ok(())
}

fn owner_bytes(owner: Owner) -> [u8; 17] {
    let mut bytes = [if matches!(owner, Owner::Patient(_)) { 2 } else { 3 }; 17];
    bytes[1..].copy_from_slice(&owner.id().0);
    bytes
}

fn owner_from(bytes: &[u8]) -> Result<Owner, ArchiveError> {
    let id = bytes.get(1..).and_then(|id| id.try_into().ok()).map(Id16);
    match (bytes.first(), id) {
        (Some(2), Some(id)) => Ok(Owner::Patient(id)),
        (Some(3), Some(id)) => Ok(Owner::Institution(id)),
        _ => Err(damaged("a document", "its owner has an unknown form")),
    }
}

fn time(us: i64) -> Result<Timestamp, ArchiveError> {
    Timestamp::from_microsecond(us).map_err(|_| damaged("a deposit", "a time is out of range"))
}

fn damaged(what: &'static str, reason: &str) -> ArchiveError {
    ArchiveError::Damaged { what, reason: reason.to_owned() }
}

// Documents that were issued (table `issued`).

/// Keeps what is known of an issued document. Durable when it returns.
pub(crate) fn put_issued(store: &Store, account: Id16, document: IssuedDocument) -> Result<(), ArchiveError> {
    Ok(store.tables().write("issued", move |tx| {
        let sql = "INSERT INTO issued (number, account, issued_us, pages, bytes, content, position) VALUES (?, ?, ?, ?, ?, ?, ?)";
        tx.prepare_cached(sql)?.execute(params![
            document.number.as_str(),
            account.0,
            document.issued.as_microsecond(),
            document.pages as i64,
            document.bytes as i64,
            document.content,
            document.position as i64,
        ])?;
        Ok(())
    })?)
}

/// What is known of the document of a number.
pub(crate) fn issued(store: &Store, number: &DocumentNumber) -> Result<Option<IssuedDocument>, ArchiveError> {
    let row = store.tables().read("issued", |connection| {
        let sql = "SELECT issued_us, pages, bytes, content, position FROM issued WHERE number = ?";
        let row = |row: &Row<'_>| -> rusqlite::Result<(i64, i64, i64, [u8; 32], i64)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        connection.prepare_cached(sql)?.query_row([number.as_str()], row).optional()
    })?;
    let Some((issued_us, pages, bytes, content, position)) = row else { return Ok(None) };
    Ok(Some(IssuedDocument {
        number: number.clone(),
        issued: time(issued_us)?,
        pages: pages.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
        content,
        position: position.unsigned_abs(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use testkit::World;

    #[test]
    fn what_stood_in_clear_is_sealed_and_found() {
        let world = World::new();
        let store = world.store();
        let (id, owner, path) = (Id16([5; 16]), Owner::Patient(Id16([6; 16])), "data/documents/김철수.pdf");
        let clear = move |tx: &Transaction<'_>| {
            tx.execute(
                "INSERT INTO deposit_clear VALUES (?, '31999901', x'00', 'somebody', 7, 8, 'progress', 'receipt')",
                [id.0],
            )?;
            // More than are sealed at once.
            for line in 0..1_100 {
                let values = params![id.0, path, line];
                tx.execute("INSERT INTO held_back_clear VALUES (?, ?, ?, 'broken-line', 'a reason', NULL)", values)?;
            }
            tx.execute("INSERT INTO deposit_file_clear VALUES (?, ?, 3, 4)", params![id.0, path])?;
            tx.execute(
                "INSERT INTO document_clear VALUES (?, ?, ?, 'chart', 2030, 'application/pdf', 3, NULL, 1, ?)",
                params![owner_bytes(owner), path, id.0, [9_u8; 16]],
            )
        };
        store.tables().write("test", clear).expect("an older program's rows");
        let secret = store.secret("archive").expect("a secret");
        let names = Arc::new(Names::new(secret, Arc::new(SeededRandom::new(1))));
        for _ in 0..2 {
            seal_clear(store, &names).expect("sealed");
            let row = deposit(store, &names, id).expect("read").expect("there");
            assert_eq!((row.progress.as_str(), row.receipt.as_deref()), ("progress", Some("receipt")));
            assert_eq!(file_marks(store, id).expect("read")[&names.name(path)], (3, 4));
            let of = |came| document_object(store, owner, names.name(path), came).expect("read");
            assert_eq!(of(Came::With(id)), Some(Id16([9; 16])));
            assert_eq!(of(Came::Only(Id16([4; 16]))), None);
            let held = held_back(store, &names, id, 2_000).expect("read");
            assert_eq!(held.len(), 1_100);
            assert!(held.iter().all(|one| one.path == path && one.reason == "a reason"));
            let counts = document_counts(store, id).expect("counted");
            assert_eq!((counts.new, counts.already, counts.lines_held_back), (1, 0, 1_099));
        }
        let left = |connection: &Connection| {
            let sql = "SELECT (SELECT count(*) FROM deposit_clear) + (SELECT count(*) FROM held_back_clear) \
                       + (SELECT count(*) FROM document_clear) + (SELECT count(*) FROM deposit_file_clear)";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(store.tables().read("test", left).expect("counted"), 0);
    }
}
