//! Wrapped keys in the database: the index of the keyring. Useless without the root key, and rebuilt from the key stores. Which
//! keys are gone, and which parents are on their way out, stands beside them.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::{KeyError, KeyId, KeyIndex, KeyName, Parent, WrappedKey, parent_entry};

use crate::connection::Readers;
use crate::error::{AtStep, StoreError};
use crate::types::owner_bytes;

/// The table `wrapped_key` as the keyring sees it.
pub(crate) struct TableIndex {
    pub(crate) readers: Arc<Readers>,
}

impl KeyIndex for TableIndex {
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError> {
        // Two processes may have made a key of one name at once: both are kept, and the first inserted is the one used. A shard
        // that is rotated away stands behind the one that takes its place.
        let sql =
            "SELECT bytes FROM wrapped_key WHERE name = ? ORDER BY id IN (SELECT id FROM retiring_key), rowid LIMIT 1";
        self.find(sql, &name.to_bytes())
    }

    fn by_id(&self, id: KeyId) -> Result<Option<WrappedKey>, KeyError> {
        self.find("SELECT bytes FROM wrapped_key WHERE id = ?", &id.0.0)
    }
}

impl TableIndex {
    fn find(&self, sql: &str, by: &[u8]) -> Result<Option<WrappedKey>, KeyError> {
        let failed = |reason: String| KeyError::Index { reason };
        let reader = self.readers.lend().map_err(|error| failed(error.to_string()))?;
        let bytes = one(&reader, sql, by).map_err(|error| failed(error.to_string()))?;
        bytes.map(|bytes| WrappedKey::from_bytes(&bytes)).transpose().map_err(|error| failed(error.to_string()))
    }
}

fn one(connection: &Connection, sql: &str, by: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.prepare_cached(sql)?.query_row([by], |row| row.get(0)).optional()
}

/// Whether a key of access entries, of whichever year, is in the index.
pub(crate) fn has_access_key(connection: &Connection) -> Result<bool, StoreError> {
    let step = "looking for a key of access entries";
    let [first, last] = [0, u16::MAX].map(|year| KeyName::Access { year }.to_bytes());
    let sql = "SELECT 1 FROM wrapped_key WHERE name BETWEEN ? AND ?";
    connection.prepare_cached(sql).at(step)?.exists([first, last]).at(step)
}

/// Inserts keys that are durable in the key stores already. Refuses what was destroyed meanwhile, and what hangs under a key
/// that was or that is not there; what hangs under one that is being rotated away is noted for the rotation.
pub(crate) fn insert(transaction: &Transaction<'_>, keys: &[WrappedKey]) -> Result<(), StoreError> {
    for key in keys {
        // Without its parent nobody could ever open it.
        if !has_parent(transaction, key)? {
            return Err(StoreError::KeyGone);
        }
        take_in(transaction, std::slice::from_ref(key))?;
    }
    Ok(())
}

/// As [`insert`], for keys that come in any order, as they stand in the key stores.
pub(crate) fn take_in(transaction: &Transaction<'_>, keys: &[WrappedKey]) -> Result<(), StoreError> {
    let step = "inserting wrapped keys";
    for key in keys {
        if is_gone(transaction, key)? {
            return Err(StoreError::KeyGone);
        }
        let inserted = transaction
            .prepare_cached("INSERT OR IGNORE INTO wrapped_key (id, name, bytes) VALUES (?, ?, ?)")
            .at(step)?
            .execute(params![key.id.0.0, key.name.to_bytes(), key.to_bytes()])
            .at(step)?;
        if inserted > 0 && has(transaction, "SELECT 1 FROM retiring_key WHERE id = ?", &parent_entry(key).0.0)? {
            let sql = "INSERT OR IGNORE INTO rewrap_due (id) VALUES (?)";
            transaction.prepare_cached(sql).at(step)?.execute([key.id.0.0]).at(step)?;
        }
    }
    Ok(())
}

/// Whether a key may not come into the index: it, its parent, or its owner is gone.
pub(crate) fn is_gone(connection: &Connection, key: &WrappedKey) -> Result<bool, StoreError> {
    let destroyed = "SELECT 1 FROM destroyed_key WHERE id = ?";
    let owner = match &key.name {
        KeyName::Owner(owner) | KeyName::Rows(owner) => Some(*owner),
        KeyName::Group(group) => Some(group.owner),
        KeyName::Shard(_) | KeyName::Access { .. } | KeyName::Secret(_) => None,
    };
    Ok(has(connection, destroyed, &key.id.0.0)?
        || has(connection, destroyed, &parent_entry(key).0.0)?
        || match owner {
            Some(owner) => has(connection, "SELECT 1 FROM erased_owner WHERE owner = ?", &owner_bytes(owner))?,
            None => false,
        })
}

/// Whether the index has what a key hangs under; a root is none of its keys.
pub(crate) fn has_parent(connection: &Connection, key: &WrappedKey) -> Result<bool, StoreError> {
    match &key.parent {
        Parent::Root(_) => Ok(true),
        Parent::Key(id) => has(connection, "SELECT 1 FROM wrapped_key WHERE id = ?", &id.0.0),
    }
}

/// Nothing may be written under a key that the index does not have: it was destroyed since it was sealed under, and nobody could
/// open it.
pub(crate) fn check_present(connection: &Connection, keys: &BTreeSet<KeyId>) -> Result<(), StoreError> {
    for key in keys {
        if !has(connection, "SELECT 1 FROM wrapped_key WHERE id = ?", &key.0.0)? {
            return Err(StoreError::KeyGone);
        }
    }
    Ok(())
}

fn has(connection: &Connection, sql: &str, id: &[u8]) -> Result<bool, StoreError> {
    let step = "looking for destroyed keys";
    connection.prepare_cached(sql).at(step)?.exists([id]).at(step)
}

/// Counts a change of keys, for every process to see.
pub(crate) fn count_change(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let step = "counting the change of keys";
    transaction.execute("UPDATE key_change SET changes = changes + 1", []).at(step).map(|_| ())
}

/// How often keys have changed.
pub(crate) fn changes(connection: &Connection) -> Result<i64, StoreError> {
    let step = "reading the change of keys";
    let mut statement = connection.prepare_cached("SELECT changes FROM key_change").at(step)?;
    statement.query_row([], |row| row.get(0)).at(step)
}
