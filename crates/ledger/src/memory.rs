//! Tiles and bundles held in memory: for what has been fetched to be checked, for benches and for tests.
//!
//! Not a site: nothing here is durable.

use std::collections::BTreeMap;

use crate::LogBatch;
use crate::tiles::{BundleSource, TILE_WIDTH, TileId, TilePath, TileSource, path};

/// The files of a log by what they are.
#[derive(Debug, Clone, Default)]
pub struct MemoryTiles {
    hashes: BTreeMap<(u8, u64), Vec<u8>>,
    entries: BTreeMap<u64, Vec<u8>>,
}

impl MemoryTiles {
    /// Without any file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds a file. A wider version of a tile replaces a narrower one, never the other way round.
    pub fn insert(&mut self, path: TilePath, bytes: Vec<u8>) {
        let held = match path {
            TilePath::Hashes(id) => self.hashes.entry((id.level, id.index)).or_default(),
            TilePath::Entries { index, .. } => self.entries.entry(index).or_default(),
        };
        if bytes.len() >= held.len() {
            *held = bytes;
        }
    }

    /// Holds the files of a batch.
    pub fn absorb(&mut self, batch: &LogBatch) {
        for (path, bytes) in &batch.files {
            self.insert(*path, bytes.clone());
        }
    }
}

impl TileSource for MemoryTiles {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.hashes.get(&(id.level, id.index)).cloned().ok_or_else(|| format!("{} is not held", path(id)))
    }
}

impl BundleSource for MemoryTiles {
    type Error = String;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, String> {
        debug_assert!(width <= TILE_WIDTH, "a bundle holds at most 256 entries");
        self.entries.get(&index).cloned().ok_or_else(|| format!("entry bundle {index} is not held"))
    }
}
