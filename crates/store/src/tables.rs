//! How rooms reach their operational tables: named transactions. Not for clinical facts, which are resources.

use policy::{Action, Permit};
use rusqlite::{Connection, Transaction};

use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, StoreError};

/// Transactions on the operational tables of the rooms (accounts, sessions, institutions, applications).
///
/// SQL stands in a room's `tables.rs` and nowhere else. These calls need no permit, because nothing clinical is within their
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
        self.write_by(None, name, write)
    }

    /// As [`Tables::write`], by whoever has a permit for an action: nothing is written where rights were narrowed since it was made,
    /// also while this waited for its turn. Nothing is journalled here.
    ///
    /// # Errors
    /// As [`Tables::write`], [`StoreError::Action`], [`StoreError::StaleEpoch`].
    pub fn write_by<T: Send + 'static>(
        &self,
        by: Option<(&Permit, Action)>,
        name: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        metrics::counter!("hanmaru_store_tables", "name" => name, "kind" => "write").increment(1);
        if let Some((permit, action)) = by {
            check_action(permit, name, &[action])?;
        }
        let (guard, epoch) = (self.store.core().room.clone(), by.map(|(permit, _)| permit.epoch()));
        self.store.core().writer.run(1, move |transaction| {
            if let Some(epoch) = epoch {
                check_epoch(transaction, epoch)?;
            }
            guard.within(|| write(transaction)).at(name)
        })
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
