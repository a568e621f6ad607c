//! The places of an open store where a test may hold a thread up or make the step fail ([`base::Seam`]). Nothing is behind
//! them in the program.
//!
//! The disk under the database is another seam: [`crate::StoreConfig::vfs`].

use crate::types::Log;

/// The writer's thread, before it begins a transaction: others may overtake it.
pub const BEGIN: &str = "store/begin";
/// The writer's thread, before it commits. An error undoes the transaction.
pub const COMMIT: &str = "store/commit";
/// The writer's thread, after the commit and before anybody is told. An error reaches those who wait although it is
/// written, as when the process ends here.
pub const COMMITTED: &str = "store/committed";
/// The journal's thread, before it writes.
pub const JOURNAL_WRITE: &str = "store/journal/write";
/// The journal's thread, after it wrote and before it syncs.
pub const JOURNAL_SYNC: &str = "store/journal/sync";
/// Whoever moves access entries into the database, before the first of a file that was set aside is there.
pub const JOURNAL_MOVE: &str = "store/journal/move";
/// The same, when all of a file are in the database and the file is still there.
pub const JOURNAL_MOVED: &str = "store/journal/moved";

/// An erasure, before it is certain that its keys are destroyed.
pub const DESTROY: &str = "store/shred/destroy";
/// An erasure, when the key stores list its keys and the database has everything still.
pub const LISTED: &str = "store/shred/listed";

/// A time-stamp that is at the sites, before the database has its row.
pub const STAMP_PLACED: &str = "store/stamp/placed";

/// Before the sequencer of a log swaps the checkpoint in the database; its segment is at the sites.
#[must_use]
pub const fn before_swap(log: Log) -> &'static str {
    match log {
        Log::Records => "store/records/before-swap",
        Log::Access => "store/access/before-swap",
    }
}

/// After the swap, and before a tile of it is at the sites.
#[must_use]
pub const fn after_swap(log: Log) -> &'static str {
    match log {
        Log::Records => "store/records/after-swap",
        Log::Access => "store/access/after-swap",
    }
}

/// After the tiles are at the sites, and before the checkpoint is.
#[must_use]
pub const fn before_publish(log: Log) -> &'static str {
    match log {
        Log::Records => "store/records/before-publish",
        Log::Access => "store/access/before-publish",
    }
}

/// After the checkpoint is at the sites, and before anybody is told or the database notes it.
#[must_use]
pub const fn published(log: Log) -> &'static str {
    match log {
        Log::Records => "store/records/published",
        Log::Access => "store/access/published",
    }
}
