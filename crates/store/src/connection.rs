//! Connections to the database: how they are set up, the migrations, and the pool of readers.
//!
//! Readers see the last commit and wait for nobody (SQLite WAL). The only writing connection is the writer thread's.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{AtStep, StoreError};
use crate::guard::Guard;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long a writer waits for another process's transaction.
const BUSY_MS: u64 = 30_000;
/// Page cache of the writer in KiB.
const WRITER_CACHE_KIB: i64 = 48 << 10;
/// Page cache of each reader in KiB.
const READER_CACHE_KIB: i64 = 4 << 10;
/// The WAL is copied into the database when it has this many pages of 16 KiB: 24 MiB, a stall of a few fsyncs each few
/// seconds of full load. Pages written often in between are copied once.
const CHECKPOINT_PAGES: i64 = 1_536;
/// The WAL file is cut back to this size when it has been copied whole.
const WAL_BYTES_KEPT: i64 = 64 << 20;
/// Statements kept prepared on each connection.
const STATEMENTS_KEPT: usize = 96;

/// Opens the connection that writes, and brings the tables to this program's form. Callers serialise this among processes.
pub(crate) fn open_writer(path: &Path, vfs: Option<&str>) -> Result<(Connection, Guard), StoreError> {
    let mut connection = open_tables(path, vfs)?;
    crate::lasting::install(&mut connection)?;
    let guard = Guard::install(&mut connection)?;
    Ok((connection, guard))
}

/// As [`open_writer`], without what watches over the tables: for making them again.
pub(crate) fn open_tables(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let mut connection = open_on(path, OpenFlags::default(), vfs).at("opening")?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS)).at("opening")?;
    // The page size holds only where no page has been written yet.
    connection.pragma_update(None, "page_size", 16_384).at("setting the page size")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).at("setting WAL mode")?;
    if mode != "wal" {
        return Err(StoreError::Damaged {
            what: "the database",
            reason: format!("it refuses WAL mode and stays in {mode}"),
        });
    }
    connection.pragma_update(None, "synchronous", "FULL").at("setting durability")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB).at("setting the cache")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).at("setting the checkpoint")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT).at("setting the checkpoint")?;
    // What is deleted or replaced is overwritten, so that an erased record is not found in free space.
    connection.pragma_update(None, "secure_delete", true).at("setting how rows are deleted")?;
    connection.pragma_update(None, "temp_store", "MEMORY").at("setting temporary storage")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    embedded::migrations::runner()
        .run(&mut connection)
        .map_err(|error| StoreError::Migration { path: path.to_owned(), reason: error.to_string() })?;
    Ok(connection)
}

/// The file system under the database is the system's own unless another is named.
fn open_on(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    match vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
    }
}

fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Lent, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open_on(path, flags, vfs).at("opening a reader")?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS)).at("opening a reader")?;
    connection.pragma_update(None, "query_only", true).at("opening a reader")?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB).at("opening a reader")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let guard = Guard::install(&mut connection)?;
    Ok(Lent { connection, guard })
}

/// A bounded number of reading connections. Who finds none free waits for another reader, never for the writer.
pub(crate) struct Readers {
    path: PathBuf,
    vfs: Option<String>,
    free: Mutex<Free>,
    returned: Condvar,
}

struct Lent {
    connection: Connection,
    guard: Guard,
}

struct Free {
    connections: Vec<Lent>,
    /// How many more may be opened.
    unopened: usize,
}

/// A reading connection on loan.
pub(crate) struct Reader<'a> {
    readers: &'a Readers,
    lent: Option<Lent>,
}

impl Readers {
    pub(crate) fn new(path: &Path, vfs: Option<String>, count: usize) -> Self {
        let free = Free { connections: Vec::new(), unopened: count.max(1) };
        Self { path: path.to_owned(), vfs, free: Mutex::new(free), returned: Condvar::new() }
    }

    /// Lends a connection.
    pub(crate) fn lend(&self) -> Result<Reader<'_>, StoreError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = free.connections.pop() {
                return Ok(Reader { readers: self, lent: Some(connection) });
            }
            if free.unopened > 0 {
                free.unopened -= 1;
                drop(free);
                let opened = open_reader(&self.path, self.vfs.as_deref());
                if opened.is_err() {
                    self.free.lock().unwrap_or_else(PoisonError::into_inner).unopened += 1;
                    self.returned.notify_one();
                }
                return Ok(Reader { readers: self, lent: Some(opened?) });
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// As [`Readers::snapshot`] for a room, which is kept off the store's own tables.
    pub(crate) fn room_snapshot<T>(
        &self,
        step: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = self.lend()?;
        let transaction = reader.unchecked_transaction().at(step)?;
        let result = reader.for_room(read).at(step)?;
        transaction.commit().at(step)?;
        Ok(result)
    }

    /// Runs `read` within one read transaction: it sees one state of the database throughout.
    pub(crate) fn snapshot<T>(
        &self,
        step: &'static str,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let reader = self.lend()?;
        let transaction = reader.unchecked_transaction().at(step)?;
        let result = read(&transaction)?;
        transaction.commit().at(step)?;
        Ok(result)
    }
}

impl Reader<'_> {
    fn lent(&self) -> &Lent {
        self.lent.as_ref().expect("the connection is given back only when the loan ends")
    }

    /// Runs what a room wants to read.
    pub(crate) fn for_room<T>(&self, read: impl FnOnce(&Connection) -> T) -> T {
        let Lent { connection, guard } = self.lent();
        guard.within(|| read(connection))
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.lent().connection
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            let mut free = self.readers.free.lock().unwrap_or_else(PoisonError::into_inner);
            // A connection left inside a transaction by a panic is not lent again.
            if lent.connection.is_autocommit() {
                free.connections.push(lent)
            } else {
                free.unopened += 1
            }
            drop(free);
            self.readers.returned.notify_one();
        }
    }
}
