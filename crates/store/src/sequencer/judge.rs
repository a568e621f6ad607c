//! Judges one file of a log at a site by what the database signed: for the vault's mender, which copies nothing that does not hold.
//! Not a scrub, which goes through whole logs.

use std::sync::{Arc, Weak};

use ledger::sound::{full_tile_root, tile_of_bundle};
use ledger::tiles::{self, TILE_WIDTH, TileId, TilePath, TileSource};
use ledger::{Checkpoint, Hash, Note};
use rusqlite::{OptionalExtension, params};
use vault::Bytes;
use vault::sites::{Judge, Read};

use super::head::{self, Edge};
use crate::connection::Readers;
use crate::error::AtStep;
use crate::types::Log;

/// Knows the logs of an open store, for as long as it is open.
pub(crate) struct LogJudge {
    readers: Weak<Readers>,
}

/// One log at one moment.
struct Judging<'a> {
    log: Log,
    size: u64,
    edge: Edge,
    /// Files under the head that may not be at any site yet, by their paths there.
    pending: Vec<(String, Bytes)>,
    read: Read<'a>,
}

impl LogJudge {
    pub(crate) fn new(readers: &Arc<Readers>) -> Arc<Self> {
        Arc::new(Self { readers: Arc::downgrade(readers) })
    }
}

impl Judge for LogJudge {
    fn is_right(&self, path: &str, bytes: &[u8], read: Read<'_>) -> Option<bool> {
        let below = |log: Log| path.strip_prefix(&log.path("")).map(|below| (log, below));
        let (log, below) = Log::ALL.into_iter().find_map(below)?;
        let readers = self.readers.upgrade()?;
        if let Some(stamp) = below.strip_prefix("stamp/") {
            return token(&readers, log, stamp).map(|token| token == bytes);
        }
        let tile = tiles::parse_path(below).ok()?;
        let stored = readers.snapshot("reading the end of a log", |connection| head::read(connection, log)).ok()?;
        Judging::of(log, stored, read)?.holds(tile, bytes)
    }
}

/// The tiles of a log that lead to the head in the database, from whichever site has them.
pub(super) struct SoundTiles<'a>(Judging<'a>);

impl<'a> SoundTiles<'a> {
    /// Those of a log as it was read; `None` for an empty one.
    pub(super) fn of(log: Log, stored: head::Stored, read: Read<'a>) -> Option<Self> {
        Judging::of(log, stored, read).map(Self)
    }
}

impl TileSource for SoundTiles<'_> {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        let tile = self.0.right_tile(id.level, id.index);
        let found = tile.and_then(|tile| Some(tile.get(..id.byte_len())?.to_vec()));
        found.ok_or_else(|| format!("no site has a sound {}", tiles::path(id)))
    }
}

/// A time-stamp as the database has it, by its name at a site.
fn token(readers: &Readers, log: Log, name: &str) -> Option<Vec<u8>> {
    let (size, authority) = name.strip_suffix(".tst")?.split_once('-')?;
    let size: i64 = size.parse().ok()?;
    let step = "reading a time-stamp";
    let found = readers.snapshot(step, |connection| {
        let sql = "SELECT token FROM log_stamp WHERE log = ? AND size = ? AND authority = ?";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        statement.query_row(params![log.name(), size, authority], |row| row.get(0)).optional().at(step)
    });
    found.ok().flatten()
}

impl<'a> Judging<'a> {
    fn of(log: Log, stored: head::Stored, read: Read<'a>) -> Option<Self> {
        let size = Checkpoint::parse(Note::parse(&stored.note?).ok()?.text()).ok()?.size;
        Some(Self { log, size, edge: stored.edge, pending: stored.pending, read })
    }

    /// Whether a file holds; `None` where what stands above it cannot be read.
    fn holds(&self, path: TilePath, bytes: &[u8]) -> Option<bool> {
        let (level, index, tile) = match path {
            TilePath::Hashes(id) => (id.level, id.index, (bytes.len() == id.byte_len()).then(|| bytes.to_vec())),
            TilePath::Entries { index, width } => (0, index, tile_of_bundle(bytes, width)),
        };
        let (Some(tile), Some(id)) = (tile, TileId::in_tree(level, index, self.size)) else { return Some(false) };
        if id.is_full() && tile.len() == id.byte_len() {
            return Some(full_tile_root(&tile) == Some(self.root_of(level, index)?));
        }
        Some(self.right_tile(level, index)?.starts_with(&tile))
    }

    /// What stands for a full tile in the one above it.
    fn root_of(&self, level: u8, index: u64) -> Option<Hash> {
        let width = u64::from(TILE_WIDTH);
        Hash::at(&self.right_tile(level + 1, index / width)?, (index % width) as usize)
    }

    /// The right bytes of a tile as wide as the log has it: the last of its level stands in the database.
    fn right_tile(&self, level: u8, index: u64) -> Option<Vec<u8>> {
        let id = TileId::in_tree(level, index, self.size)?;
        if !id.is_full() {
            return self.edge.hash_tile(&id).ok();
        }
        let root = self.root_of(level, index)?;
        let is_right = |bytes: &[u8]| full_tile_root(bytes) == Some(root);
        let path = self.log.path(&tiles::path(&id));
        let pending = self.pending.iter().find(|(pending, bytes)| *pending == path && is_right(bytes));
        let found = pending.map(|(_, bytes)| bytes.clone()).or_else(|| (self.read)(&path, &is_right));
        found.map(|bytes| bytes.to_vec())
    }
}
