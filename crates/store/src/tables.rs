//! How rooms reach their operational tables: named transactions. Not for clinical facts, which are resources.

use rusqlite::{Connection, Transaction};

use crate::Store;
use crate::error::{AtStep, StoreError};

/// Transactions on the operational tables of the rooms (accounts, sessions, institutions, applications).
///
/// SQL stands in a room's `tables.rs` and nowhere else. These calls take no permit, because nothing clinical is within their
/// reach: statements on the store's own tables (record, index, keys, rights) are refused as not authorized.
#[derive(Debug, Clone)]
pub struct Tables {
    store: Store,
}

impl Store {
    /// The operational tables.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables { store: self.clone() }
    }
}

impl Tables {
    /// Runs `write` on the writer thread. It is durable when this returns `Ok`; an error of `write` undoes it.
    ///
    /// # Errors
    /// [`StoreError::Database`] with the error of `write`, [`StoreError::Commit`] where nothing could be written.
    pub fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        metrics::counter!("hanmaru_store_tables", "name" => name, "kind" => "write").increment(1);
        let guard = self.store.core().room.clone();
        self.store.core().writer.run(1, move |transaction| guard.within(|| write(transaction)).at(name))
    }

    /// Runs `read` on one state of the database. Never waits for a writer.
    ///
    /// # Errors
    /// [`StoreError::Database`] with the error of `read`.
    pub fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        metrics::counter!("hanmaru_store_tables", "name" => name, "kind" => "read").increment(1);
        self.store.core().readers.room_snapshot(name, read)
    }
}
