//! Keeps rooms off the store's own tables: what a room does in [`crate::Tables`] or beside a write cannot read the record,
//! the index, keys or rights, nor change them. Not a defence against a hostile room, which has the file; it keeps an
//! oversight from becoming a way around the door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::error::{AtStep, StoreError};

/// Tables that only the store touches; those of the index begin with `idx_`.
const OWN: [&str; 44] = [
    "policy_epoch",
    "resource_version",
    "resource_current",
    "resource_again",
    "pack",
    "object",
    "object_chunk",
    "commitment",
    "outbox_records",
    "outbox_access",
    "leaf",
    "access_entry",
    "wrapped_key",
    "log_head",
    "log_edge",
    "pending_tile",
    "job",
    "person",
    "person_patient",
    "account_right",
    "right_asked",
    "right_ended",
    "access_ground",
    "broken_glass",
    "access_notice",
    "representative",
    "representative_proof",
    "consent_rule",
    "clock_floor",
    "scrub_cursor",
    "site_scrub",
    "restore_drill",
    "row_layout",
    "rows_leaf",
    "destroyed_key",
    "rotation",
    "retiring_key",
    "rewrap_due",
    "key_change",
    "shred",
    "shred_approval",
    "shred_leaf",
    "erased_owner",
    "legal_hold",
];

/// Says when a room is at work on a connection.
#[derive(Clone, Default)]
pub(crate) struct Guard(Arc<AtomicBool>);

impl Guard {
    /// A guard for a connection. Statements that are compiled while a room is at work are looked at.
    pub(crate) fn install(connection: &mut Connection) -> Result<Self, StoreError> {
        let guard = Self::default();
        let room = Arc::clone(&guard.0);
        connection
            .authorizer(Some(move |context: AuthContext<'_>| {
                if room.load(Ordering::Relaxed) && is_own(&context) {
                    Authorization::Deny
                } else {
                    Authorization::Allow
                }
            }))
            .at("guarding a connection")?;
        Ok(guard)
    }

    /// Runs what a room wants done, on the connection's own thread.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Reset<'a>(&'a AtomicBool);
        impl Drop for Reset<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        self.0.store(true, Ordering::Relaxed);
        let _reset = Reset(&self.0);
        work()
    }
}

fn is_own(context: &AuthContext<'_>) -> bool {
    // What a room changes in a lasting table comes into the outbox by itself.
    if context.accessor.is_some_and(|trigger| trigger.starts_with(crate::lasting::TRIGGER)) {
        return false;
    }
    let own = |table: &str| table.starts_with("idx_") || OWN.contains(&table);
    match context.action {
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. } => own(table_name),
        AuthAction::Attach { .. } => true,
        _ => false,
    }
}
