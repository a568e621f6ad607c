//! Statements on passkeys. No rule is decided here.

use base::Id16;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// One passkey as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasskeyRow {
    pub account: Id16,
    /// The keyed hash of the credential's id.
    pub passkey: [u8; 32],
    pub name: Vec<u8>,
    pub credential: Vec<u8>,
    pub suspect: bool,
    pub made_us: i64,
    pub used_us: i64,
}

const COLUMNS: &str = "account, passkey, name, credential, suspect, made_us, used_us";

fn row(row: &Row<'_>) -> rusqlite::Result<PasskeyRow> {
    Ok(PasskeyRow {
        account: Id16(row.get(0)?),
        passkey: row.get(1)?,
        name: row.get(2)?,
        credential: row.get(3)?,
        suspect: row.get(4)?,
        made_us: row.get(5)?,
        used_us: row.get(6)?,
    })
}

/// Adds a passkey; `false` where somebody has it already.
pub(crate) fn add(transaction: &Transaction<'_>, passkey: &PasskeyRow) -> rusqlite::Result<bool> {
    let added = transaction
        .prepare_cached(&format!(
            "INSERT INTO passkey ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            passkey.account.0,
            passkey.passkey,
            passkey.name,
            passkey.credential,
            passkey.suspect,
            passkey.made_us,
            passkey.used_us,
        ])?;
    Ok(added == 1)
}

/// The passkeys of an account, oldest first.
pub(crate) fn of(connection: &Connection, account: Id16) -> rusqlite::Result<Vec<PasskeyRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM passkey WHERE account = ?1 ORDER BY made_us, passkey"))?
        .query_map([account.0], row)?
        .collect()
}

/// The passkey of a credential, whoever's it is.
pub(crate) fn find(connection: &Connection, passkey: &[u8; 32]) -> rusqlite::Result<Option<PasskeyRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM passkey WHERE passkey = ?1"))?
        .query_row([passkey], row)
        .optional()
}

/// Notes that a passkey was used, with what changed of its credential.
pub(crate) fn used(
    transaction: &Transaction<'_>,
    passkey: &PasskeyRow,
    credential: &[u8],
    now_us: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE passkey SET credential = ?3, used_us = ?4 WHERE account = ?1 AND passkey = ?2")?
        .execute(params![passkey.account.0, passkey.passkey, credential, now_us])?;
    Ok(())
}

/// Makes a passkey suspect.
pub(crate) fn suspect(transaction: &Transaction<'_>, passkey: &PasskeyRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE passkey SET suspect = 1 WHERE account = ?1 AND passkey = ?2")?
        .execute(params![passkey.account.0, passkey.passkey])?;
    Ok(())
}

/// Removes a passkey of an account; `false` where it has none of this hash.
pub(crate) fn remove(transaction: &Transaction<'_>, account: Id16, passkey: &[u8; 32]) -> rusqlite::Result<bool> {
    let removed = transaction
        .prepare_cached("DELETE FROM passkey WHERE account = ?1 AND passkey = ?2")?
        .execute(params![account.0, passkey])?;
    Ok(removed == 1)
}

/// Removes every passkey of an account, and says how many.
pub(crate) fn remove_all(transaction: &Transaction<'_>, account: Id16) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM passkey WHERE account = ?1")?.execute([account.0])
}
