//! Wrapped keys in the database: the index of the keyring. Useless without the root key, and rebuilt from the key stores.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::{KeyError, KeyId, KeyIndex, KeyName, WrappedKey};

use crate::connection::Readers;
use crate::error::{AtStep, StoreError};

/// The table `wrapped_key` as the keyring sees it.
pub(crate) struct TableIndex {
    pub(crate) readers: Arc<Readers>,
}

impl KeyIndex for TableIndex {
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError> {
        // Two processes may have made a key of one name at once: both are kept, and the first inserted is the one used.
        self.find("SELECT bytes FROM wrapped_key WHERE name = ? ORDER BY rowid LIMIT 1", &name.to_bytes())
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

/// Inserts keys that are durable in the key stores already.
pub(crate) fn insert(transaction: &Transaction<'_>, keys: &[WrappedKey]) -> Result<(), StoreError> {
    let step = "inserting wrapped keys";
    let mut statement =
        transaction.prepare_cached("INSERT OR IGNORE INTO wrapped_key (id, name, bytes) VALUES (?, ?, ?)").at(step)?;
    for key in keys {
        statement.execute(params![key.id.0.0, key.name.to_bytes(), key.to_bytes()]).at(step)?;
    }
    Ok(())
}
