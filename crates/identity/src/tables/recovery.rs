//! Statements on requests to reset second factors. No rule is decided here.

use base::Id16;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// One request as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveryRow {
    pub account: Id16,
    pub id: Id16,
    /// The keyed hash of what its person shows.
    pub code: [u8; 32],
    /// `open`, `done`, `refused` or `replaced`.
    pub state: String,
    pub made_us: i64,
    /// The colleague who asked for it; nobody where its person did.
    pub asked_by: Option<Id16>,
}

/// What a member of staff said to a request, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WordRow {
    pub account: Id16,
    pub recovery: Id16,
    pub staff: Id16,
    pub approves: bool,
    pub about: Vec<u8>,
    pub said_us: i64,
}

fn row(row: &Row<'_>) -> rusqlite::Result<RecoveryRow> {
    Ok(RecoveryRow {
        account: Id16(row.get(0)?),
        id: Id16(row.get(1)?),
        code: row.get(2)?,
        state: row.get(3)?,
        made_us: row.get(4)?,
        asked_by: row.get::<_, Option<[u8; 16]>>(5)?.map(Id16),
    })
}

/// Adds a request, in place of the open ones of the account that were made up to a moment.
pub(crate) fn open(transaction: &Transaction<'_>, request: &RecoveryRow, over_us: i64) -> rusqlite::Result<()> {
    end_all(transaction, request.account, "replaced", request.made_us, over_us)?;
    transaction
        .prepare_cached(
            "INSERT INTO recovery (account, recovery, code, state, made_us, asked_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            request.account.0,
            request.id.0,
            request.code,
            request.state,
            request.made_us,
            request.asked_by.map(|by| by.0)
        ])?;
    Ok(())
}

/// The request of a code.
pub(crate) fn find(connection: &Connection, code: &[u8; 32]) -> rusqlite::Result<Option<RecoveryRow>> {
    first(connection, "code = ?1", code)
}

/// The newest open request of an account.
pub(crate) fn open_of(connection: &Connection, account: Id16) -> rusqlite::Result<Option<RecoveryRow>> {
    first(connection, "account = ?1 AND state = 'open' ORDER BY made_us DESC", &account.0)
}

/// The newest request of an account that took effect.
pub(crate) fn done_of(connection: &Connection, account: Id16) -> rusqlite::Result<Option<RecoveryRow>> {
    first(connection, "account = ?1 AND state = 'done' ORDER BY ended_us DESC", &account.0)
}

/// The first request for which a condition on `?1` holds.
fn first(connection: &Connection, holds: &str, named: &dyn rusqlite::ToSql) -> rusqlite::Result<Option<RecoveryRow>> {
    let sql = format!("SELECT account, recovery, code, state, made_us, asked_by FROM recovery WHERE {holds} LIMIT 1");
    connection.prepare_cached(&sql)?.query_row([named], row).optional()
}

/// How many requests an account made after a moment.
pub(crate) fn count_since(connection: &Connection, account: Id16, after_us: i64) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM recovery WHERE account = ?1 AND made_us > ?2")?
        .query_row(params![account.0, after_us], |row| row.get(0))
}

/// Ends every open request of an account that was made up to a moment, and says how many there were.
pub(crate) fn end_all(
    transaction: &Transaction<'_>,
    account: Id16,
    state: &str,
    now_us: i64,
    until_us: i64,
) -> rusqlite::Result<usize> {
    let sql = "UPDATE recovery SET state = ?2, ended_us = ?3 WHERE account = ?1 AND state = 'open' AND made_us <= ?4";
    transaction.prepare_cached(sql)?.execute(params![account.0, state, now_us, until_us])
}

/// Ends every open request that a colleague made for another, and says how many there were.
pub(crate) fn end_asked(transaction: &Transaction<'_>, asked_by: Id16, now_us: i64) -> rusqlite::Result<usize> {
    let sql = "UPDATE recovery SET state = 'refused', ended_us = ?2 WHERE asked_by = ?1 AND state = 'open'";
    transaction.prepare_cached(sql)?.execute(params![asked_by.0, now_us])
}

/// Ends an open request; `false` where it had ended.
pub(crate) fn end(
    transaction: &Transaction<'_>,
    request: &RecoveryRow,
    state: &str,
    now_us: i64,
) -> rusqlite::Result<bool> {
    let ended = transaction
        .prepare_cached(
            "UPDATE recovery SET state = ?3, ended_us = ?4 WHERE account = ?1 AND recovery = ?2 AND state = 'open'",
        )?
        .execute(params![request.account.0, request.id.0, state, now_us])?;
    Ok(ended == 1)
}

/// Adds what a member of staff says, in place of what they said before.
pub(crate) fn say(transaction: &Transaction<'_>, word: &WordRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO recovery_word (account, recovery, staff, approves, about, said_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account, recovery, staff) DO UPDATE
             SET approves = excluded.approves, about = excluded.about, said_us = excluded.said_us",
        )?
        .execute(params![
            word.account.0,
            word.recovery.0,
            word.staff.0,
            word.approves,
            word.about,
            word.said_us
        ])?;
    Ok(())
}

/// What staff said to a request, oldest first.
pub(crate) fn words(connection: &Connection, request: &RecoveryRow) -> rusqlite::Result<Vec<WordRow>> {
    connection
        .prepare_cached(
            "SELECT staff, approves, about, said_us FROM recovery_word WHERE account = ?1 AND recovery = ?2
             ORDER BY said_us, staff",
        )?
        .query_map(params![request.account.0, request.id.0], |row| {
            Ok(WordRow {
                account: request.account,
                recovery: request.id,
                staff: Id16(row.get(0)?),
                approves: row.get(1)?,
                about: row.get(2)?,
                said_us: row.get(3)?,
            })
        })?
        .collect()
}

/// Takes back what a member of staff approved of requests that are still open, and says how many there were.
pub(crate) fn take_back(transaction: &Transaction<'_>, staff: Id16) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "DELETE FROM recovery_word WHERE staff = ?1 AND approves = 1 AND recovery IN
             (SELECT recovery FROM recovery WHERE state = 'open' AND recovery.account = recovery_word.account)",
        )?
        .execute([staff.0])
}
