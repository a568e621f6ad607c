//! Statements on the keys of cookies and forms. No rule is decided here.

use rusqlite::{Connection, Transaction, params};

/// One key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub id: [u8; 8],
    pub sealed: Vec<u8>,
    pub made_us: i64,
}

/// Every key, newest first.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<KeyRow>> {
    connection
        .prepare_cached("SELECT key_id, sealed, made_us FROM identity_key ORDER BY made_us DESC, key_id")?
        .query_map([], |row| Ok(KeyRow { id: row.get(0)?, sealed: row.get(1)?, made_us: row.get(2)? }))?
        .collect()
}

/// Adds a key.
pub(crate) fn add(transaction: &Transaction<'_>, key: &KeyRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO identity_key (key_id, sealed, made_us) VALUES (?1, ?2, ?3)")?
        .execute(params![key.id, key.sealed, key.made_us])?;
    Ok(())
}

/// Removes keys made up to `old_us`, and those from a time that has not come; what they held is overwritten.
pub(crate) fn purge(transaction: &Transaction<'_>, old_us: i64, now_us: i64) -> rusqlite::Result<usize> {
    transaction.pragma_update(None, "secure_delete", true)?;
    let removed = transaction
        .prepare_cached("DELETE FROM identity_key WHERE made_us <= ?1 OR made_us > ?2")?
        .execute(params![old_us, now_us]);
    transaction.pragma_update(None, "secure_delete", false)?;
    removed
}
