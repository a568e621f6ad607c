//! SQL of the monthly review.

use super::moment;
use base::{Id16, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Accesses of one kind in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountRow {
    pub role: String,
    pub institution: String,
    pub action: String,
    pub denied: bool,
    pub accesses: u64,
}

/// Findings of one rule at one institution in a month, and how their cases ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundRow {
    pub rule: String,
    pub institution: String,
    pub outcome: Option<String>,
    pub closed: bool,
    pub findings: u64,
    pub cases: u64,
}

/// A review that was signed off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReviewRow {
    pub account: Id16,
    pub signed: Timestamp,
    pub digest: [u8; 32],
    pub note: Vec<u8>,
}

/// The accesses of a month.
pub(crate) fn counts(connection: &Connection, month: &str) -> rusqlite::Result<Vec<CountRow>> {
    let sql = "SELECT role, institution, action, denied, accesses FROM watch_count WHERE month = ?
               ORDER BY role, institution, action, denied";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([month], |row| {
        Ok(CountRow {
            role: row.get(0)?,
            institution: row.get(1)?,
            action: row.get(2)?,
            denied: row.get(3)?,
            accesses: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    })?;
    rows.collect()
}

/// The findings of a time.
pub(crate) fn found(connection: &Connection, from_us: i64, before_us: i64) -> rusqlite::Result<Vec<FoundRow>> {
    let sql = "SELECT f.rule, f.institution, c.outcome, c.state = 'closed', count(*), count(DISTINCT f.incident)
               FROM watch_finding f JOIN watch_case c ON c.incident = f.incident
               WHERE f.time_us >= ? AND f.time_us < ?
               GROUP BY f.rule, f.institution, c.outcome, c.state = 'closed' ORDER BY 1, 2, 3, 4";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![from_us, before_us], |row| {
        Ok(FoundRow {
            rule: row.get(0)?,
            institution: row.get(1)?,
            outcome: row.get(2)?,
            closed: row.get(3)?,
            findings: row.get::<_, i64>(4)?.unsigned_abs(),
            cases: row.get::<_, i64>(5)?.unsigned_abs(),
        })
    })?;
    rows.collect()
}

/// Who signed a month off.
pub(crate) fn review(connection: &Connection, month: &str) -> rusqlite::Result<Option<ReviewRow>> {
    let sql = "SELECT account, signed_us, digest, note FROM watch_review WHERE month = ?";
    connection
        .prepare_cached(sql)?
        .query_row([month], |row| {
            Ok(ReviewRow {
                account: Id16(row.get(0)?),
                signed: moment(row.get(1)?, 1)?,
                digest: row.get(2)?,
                note: row.get(3)?,
            })
        })
        .optional()
}

/// Signs a month off, once; `false` where it was already.
pub(crate) fn sign(
    transaction: &Transaction<'_>,
    month: &str,
    account: Id16,
    signed_us: i64,
    digest: [u8; 32],
    note: &[u8],
) -> rusqlite::Result<bool> {
    let sql = "INSERT OR IGNORE INTO watch_review (month, account, signed_us, digest, note) VALUES (?, ?, ?, ?, ?)";
    Ok(transaction.prepare_cached(sql)?.execute(params![month, account.0, signed_us, digest, note])? == 1)
}
