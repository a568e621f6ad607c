//! Statements on members of staff and their invitations. No rule is decided here.

use base::Id16;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// One member of staff as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaffRow {
    pub account: Id16,
    pub name: Vec<u8>,
    /// `invited`, `active` or `left`.
    pub state: String,
    pub made_us: i64,
    pub changed_us: i64,
    /// Who was shown the link by which they came; nobody where the command line made it.
    pub shown_to: Option<Id16>,
}

const COLUMNS: &str = "account, name, state, made_us, changed_us, shown_to";

fn row(row: &Row<'_>) -> rusqlite::Result<StaffRow> {
    Ok(StaffRow {
        account: Id16(row.get(0)?),
        name: row.get(1)?,
        state: row.get(2)?,
        made_us: row.get(3)?,
        changed_us: row.get(4)?,
        shown_to: row.get::<_, Option<[u8; 16]>>(5)?.map(Id16),
    })
}

/// Adds a member of staff who was invited.
pub(crate) fn add(transaction: &Transaction<'_>, account: Id16, name: &[u8], now_us: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO staff (account, name, state, made_us, changed_us) VALUES (?1, ?2, 'invited', ?3, ?3)",
        )?
        .execute(params![account.0, name, now_us])?;
    Ok(())
}

/// A member of staff.
pub(crate) fn get(connection: &Connection, account: Id16) -> rusqlite::Result<Option<StaffRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM staff WHERE account = ?1"))?
        .query_row([account.0], row)
        .optional()
}

/// Every member of staff, newest first; `limit` at most.
pub(crate) fn all(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<StaffRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM staff ORDER BY made_us DESC, account LIMIT ?1"))?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], row)?
        .collect()
}

/// Sets the state of a member of staff who has not left: whoever left comes back under a new account.
pub(crate) fn set_state(
    transaction: &Transaction<'_>,
    account: Id16,
    state: &str,
    now_us: i64,
) -> rusqlite::Result<bool> {
    let changed = transaction
        .prepare_cached("UPDATE staff SET state = ?2, changed_us = ?3 WHERE account = ?1 AND state <> 'left'")?
        .execute(params![account.0, state, now_us])?;
    Ok(changed == 1)
}

/// Adds an invitation, in place of any other of the account. `shown_to` is who is shown its link; nobody at the command line.
pub(crate) fn invite(
    transaction: &Transaction<'_>,
    account: Id16,
    token_hash: &[u8; 32],
    ends_us: i64,
    shown_to: Option<Id16>,
) -> rusqlite::Result<()> {
    uninvite(transaction, account)?;
    transaction
        .prepare_cached(
            "INSERT INTO staff_invitation (account, token_hash, ends_us, shown_to) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![account.0, token_hash, ends_us, shown_to.map(|shown| shown.0)])?;
    Ok(())
}

/// Uses the invitation of an account up: it is at work from now on, and came by the link that was shown to whoever that was.
pub(crate) fn come(transaction: &Transaction<'_>, account: Id16, now_us: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE staff SET shown_to = (SELECT shown_to FROM staff_invitation WHERE account = ?1) WHERE account = ?1",
        )?
        .execute([account.0])?;
    uninvite(transaction, account)?;
    set_state(transaction, account, "active", now_us).map(drop)
}

/// The account an invitation is for, where it has not ended.
pub(crate) fn invited(connection: &Connection, token_hash: &[u8; 32], now_us: i64) -> rusqlite::Result<Option<Id16>> {
    connection
        .prepare_cached("SELECT account FROM staff_invitation WHERE token_hash = ?1 AND ends_us > ?2")?
        .query_row(params![token_hash, now_us], |row| Ok(Id16(row.get(0)?)))
        .optional()
}

/// Ends the invitations of an account, and says how many.
pub(crate) fn uninvite(transaction: &Transaction<'_>, account: Id16) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM staff_invitation WHERE account = ?1")?.execute([account.0])
}

/// Ends the invitations whose links somebody was shown, and says how many.
pub(crate) fn uninvite_shown(transaction: &Transaction<'_>, shown_to: Id16) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM staff_invitation WHERE shown_to = ?1")?.execute([shown_to.0])
}

/// Throws away invitations that have ended.
pub(crate) fn purge_invitations(transaction: &Transaction<'_>, now_us: i64) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM staff_invitation WHERE ends_us <= ?1")?.execute([now_us])
}
