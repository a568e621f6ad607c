//! The archive's own tables: institutions, deposits, documents by name, and what was held back. All SQL of this crate stands
//! here; clinical content is not reached from here.

use crate::error::ArchiveError;
use crate::institutions::{Holding, Institution};
use crate::issue::{DocumentNumber, IssuedDocument};
use base::{Id16, Timestamp};
use jiff::civil::Date;
use policy::{InstitutionCode, Owner};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
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
    pub(crate) class: String,
    pub(crate) expiry_year: u16,
    pub(crate) content_type: String,
    pub(crate) size: Option<u64>,
    pub(crate) sha1: Option<[u8; 20]>,
}

/// How a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentState {
    Taken(Id16),
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

/// Rows of a deposit that are written together with what they are about.
#[derive(Debug, Default)]
pub(crate) struct Marks {
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
        let id = self.deposit.0;
        tx.prepare_cached("UPDATE deposit SET progress = ? WHERE id = ?")?.execute(params![self.progress, id])?;
        for (path, bytes, lines) in &self.files {
            tx.prepare_cached("INSERT OR REPLACE INTO deposit_file (deposit, path, bytes, lines) VALUES (?, ?, ?, ?)")?
                .execute(params![id, path, bytes, *lines as i64])?;
        }
        for (path, line) in &self.retried {
            let sql = "DELETE FROM held_back WHERE deposit = ? AND path = ? AND line = ? AND fault = 'nobody'";
            tx.prepare_cached(sql)?.execute(params![id, path, *line as i64])?;
        }
        for row in &self.documents {
            // An earlier run may not have known that anything points to it.
            let sql = "DELETE FROM held_back WHERE deposit = ? AND path = ? AND line = 0 AND fault = 'unreferenced'";
            tx.prepare_cached(sql)?.execute(params![id, row.path])?;
            let sql = "INSERT OR IGNORE INTO document \
                       (owner, path, deposit, class, expiry_year, content_type, size, sha1, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)";
            tx.prepare_cached(sql)?.execute(params![
                owner_bytes(row.owner),
                row.path,
                id,
                row.class,
                row.expiry_year,
                row.content_type,
                row.size.map(|size| size as i64),
                row.sha1,
            ])?;
        }
        for (owner, path, state) in &self.states {
            let (state, object) = match state {
                DocumentState::Taken(object) => (1, Some(object.0)),
                DocumentState::HeldBack => (2, None),
                DocumentState::Missing => (3, None),
            };
            tx.prepare_cached(
                "UPDATE document SET state = ?, object = ? WHERE owner = ? AND path = ? AND deposit = ?",
            )?
            .execute(params![state, object, owner_bytes(*owner), path, id])?;
        }
        for row in &self.held {
            let sql = "INSERT OR REPLACE INTO held_back (deposit, path, line, fault, reason, object) VALUES (?, ?, ?, ?, ?, ?)";
            let object = row.object.map(|object| object.0);
            tx.prepare_cached(sql)?.execute(params![id, row.path, row.line as i64, row.fault, row.reason, object])?;
        }
        Ok(())
    }
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
    id: Id16,
    institution: &InstitutionCode,
    manifest: [u8; 32],
    depositor: &str,
    now: Timestamp,
    progress: String,
) -> Result<DepositRow, ArchiveError> {
    let (code, depositor) = (institution.as_str().to_owned(), depositor.to_owned());
    let row = store.tables().write("deposit", move |tx| {
        tx.execute(
            "INSERT OR IGNORE INTO deposit (id, institution, manifest, depositor, started_us, progress) VALUES (?, ?, ?, ?, ?, ?)",
            params![id.0, code, manifest, depositor, now.as_microsecond(), progress],
        )?;
        deposit_row(tx, id)
    })?;
    row.ok_or(damaged("a deposit", "its row is gone")).and_then(read_deposit)
}

/// A deposit, where there is one.
pub(crate) fn deposit(store: &Store, id: Id16) -> Result<Option<DepositRow>, ArchiveError> {
    store.tables().read("deposit", |connection| deposit_row(connection, id))?.map(read_deposit).transpose()
}

type RawDeposit = (i64, bool, String, Option<String>);

fn deposit_row(connection: &Connection, id: Id16) -> rusqlite::Result<Option<RawDeposit>> {
    connection
        .prepare_cached("SELECT started_us, finished_us IS NOT NULL, progress, receipt FROM deposit WHERE id = ?")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()
}

fn read_deposit((started, finished, progress, receipt): RawDeposit) -> Result<DepositRow, ArchiveError> {
    Ok(DepositRow { started: time(started)?, finished, progress, receipt })
}

/// Rows of a deposit that come with no resource or object.
pub(crate) fn mark(store: &Store, marks: Marks) -> Result<(), ArchiveError> {
    Ok(store.tables().write("deposit", move |tx| marks.apply(tx))?)
}

/// Takes a deposit up again that was finished; files that it refused and that are mended are read anew.
pub(crate) fn reopen_deposit(
    store: &Store,
    id: Id16,
    mended: Vec<String>,
    progress: String,
) -> Result<(), ArchiveError> {
    store.tables().write("deposit", move |tx| {
        tx.execute("UPDATE deposit SET finished_us = NULL, progress = ? WHERE id = ?", params![progress, id.0])?;
        for path in mended {
            tx.execute("DELETE FROM deposit_file WHERE deposit = ? AND path = ?", params![id.0, path])?;
            tx.execute("DELETE FROM held_back WHERE deposit = ? AND path = ?", params![id.0, path])?;
            tx.execute("UPDATE document SET state = 0 WHERE deposit = ? AND path = ?", params![id.0, path])?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Ends a deposit with its receipt, and says that the institution's records are here.
pub(crate) fn finish_deposit(
    store: &Store,
    id: Id16,
    institution: &InstitutionCode,
    receipt: String,
    now: Timestamp,
) -> Result<(), ArchiveError> {
    let code = institution.as_str().to_owned();
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

/// How far the NDJSON files of a deposit are taken in: path, bytes (-1: refused whole), lines.
pub(crate) fn file_marks(store: &Store, id: Id16) -> Result<Vec<(String, i64, u64)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let mut statement =
            connection.prepare_cached("SELECT path, bytes, lines FROM deposit_file WHERE deposit = ?")?;
        let mark = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs()));
        statement.query_map([id.0], mark)?.collect()
    })?)
}

/// The next documents that wait, in the order of their paths, after `after`.
pub(crate) fn waiting_documents(
    store: &Store,
    id: Id16,
    after: &(String, Option<Owner>),
    limit: usize,
) -> Result<Vec<DocumentRow>, ArchiveError> {
    let after_owner = after.1.map_or_else(Vec::new, |owner| owner_bytes(owner).to_vec());
    let rows: Vec<(Vec<u8>, DocumentRow)> = store.tables().read("deposit", |connection| {
        let sql = "SELECT owner, path, class, expiry_year, content_type, size, sha1 FROM document \
                   WHERE deposit = ? AND (path, owner) > (?, ?) AND state = 0 ORDER BY path, owner LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![id.0, after.0, after_owner, limit as i64], |row| {
            let document = DocumentRow {
                owner: Owner::Institution(Id16::default()),
                path: row.get(1)?,
                class: row.get(2)?,
                expiry_year: row.get(3)?,
                content_type: row.get(4)?,
                size: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
                sha1: row.get(6)?,
            };
            Ok((row.get(0)?, document))
        })?;
        rows.collect()
    })?;
    rows.into_iter().map(|(owner, row)| Ok(DocumentRow { owner: owner_from(&owner)?, ..row })).collect()
}

/// Which of these files of a deposit nobody points to and nothing was said of yet.
pub(crate) fn unmentioned(store: &Store, id: Id16, paths: &[&str]) -> Result<Vec<bool>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let mut pointed = connection.prepare_cached("SELECT 1 FROM document WHERE deposit = ? AND path = ?")?;
        let mut held = connection.prepare_cached("SELECT 1 FROM held_back WHERE deposit = ? AND path = ?")?;
        let mentioned = |path: &&str| Ok(!pointed.exists(params![id.0, path])? && !held.exists(params![id.0, path])?);
        paths.iter().map(mentioned).collect()
    })?)
}

/// Documents by state: taken, held back, missing.
pub(crate) fn document_counts(store: &Store, id: Id16) -> Result<[u64; 3], ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let mut counts = [0; 3];
        let sql = "SELECT state, count(DISTINCT path) FROM document WHERE deposit = ? GROUP BY state";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([id.0])?;
        while let Some(row) = rows.next()? {
            if let Some(count) = counts.get_mut((row.get::<_, i64>(0)? - 1) as usize) {
                *count = row.get::<_, i64>(1)?.unsigned_abs();
            }
        }
        Ok(counts)
    })?)
}

/// What was held back in a deposit, in order, at most `limit`: path, line, fault, reason, whether its bytes are kept.
pub(crate) fn held_back(
    store: &Store,
    id: Id16,
    limit: usize,
) -> Result<Vec<(String, u64, String, String, bool)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT path, line, fault, reason, object IS NOT NULL FROM held_back WHERE deposit = ? \
                   ORDER BY path, line, fault LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let row = |row: &Row<'_>| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?, row.get(3)?, row.get(4)?))
        };
        statement.query_map(params![id.0, limit as i64], row)?.collect()
    })?)
}

/// The next lines that were held back as being about nobody, in order, after `after`: path and line.
pub(crate) fn nobody_lines(
    store: &Store,
    id: Id16,
    after: &(String, u64),
    limit: usize,
) -> Result<Vec<(String, u64)>, ArchiveError> {
    Ok(store.tables().read("deposit", |connection| {
        let sql = "SELECT path, line FROM held_back WHERE deposit = ? AND (path, line) > (?, ?) AND fault = 'nobody' \
                   ORDER BY path, line LIMIT ?";
        let mut statement = connection.prepare_cached(sql)?;
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
        statement.query_map(params![id.0, after.0, after.1 as i64, limit as i64], row)?.collect()
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

/// The object of the document that an owner's resources call `path`, from the newest deposit that has it.
pub(crate) fn document_object(store: &Store, owner: Owner, path: &str) -> Result<Option<Id16>, ArchiveError> {
    let object: Option<[u8; 16]> = store.tables().read("documents", |connection| {
        let sql = "SELECT object FROM document JOIN deposit ON deposit.id = document.deposit \
                   WHERE owner = ? AND path = ? AND object IS NOT NULL ORDER BY started_us DESC LIMIT 1";
        connection.prepare_cached(sql)?.query_row(params![owner_bytes(owner), path], |row| row.get(0)).optional()
    })?;
    Ok(object.map(Id16))
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
