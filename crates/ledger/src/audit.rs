//! Reads a whole log again and compares: do the entries give the tiles, and the tiles the signed root?
//!
//! It shows that what is stored is one consistent log. It cannot show what the entries commit to: that needs their salts.

use crate::Error;
use crate::appender::Appender;
use crate::checkpoint::Checkpoint;
use crate::hash::{Hash, leaf_hash};
use crate::tiles::{
    BundleSource, TILE_HEIGHT, TileId, TileSource, check_size, first_entries, path, read_bundle, read_tile,
};

/// Checks every entry bundle and every hash tile that a log has under `checkpoint`. Holds one bundle at a time.
///
/// # Errors
/// [`Error::Source`], [`Error::TileLength`] or [`Error::Bundle`] where a file cannot be read, [`Error::TileContent`] where a
/// tile is not that of the entries, [`Error::RootMismatch`] where all tiles are and the root is not.
pub fn audit<S: TileSource + BundleSource + ?Sized>(checkpoint: &Checkpoint, source: &S) -> Result<(), Error> {
    let size = checkpoint.size;
    check_size(size)?;
    let mut log = Appender::new();
    while let Some(TileId { index, width, .. }) = TileId::in_tree(0, log.size() >> TILE_HEIGHT, size) {
        let bytes = read_bundle(source, index, width)?;
        let (entries, _) = first_entries(&bytes, width)?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        for (id, computed) in log.append(&leaves).tiles {
            // A tile that will still become wider is compared when it is as wide as this checkpoint has it.
            let final_width = TileId::in_tree(id.level, id.index, size) == Some(id);
            if final_width && read_tile(source, &id)? != computed {
                return Err(Error::TileContent { path: path(&id) });
            }
        }
        if log.size() == size {
            break;
        }
    }
    if log.root() == checkpoint.root {
        return Ok(());
    }
    Err(Error::RootMismatch { what: "root of all entries", computed: log.root(), expected: checkpoint.root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::{TilePath, new_tiles};
    use crate::{Commitment, EntryKind, LogAppender, MemoryTiles, commit};

    fn log(size: u64) -> (Checkpoint, MemoryTiles) {
        let entries: Vec<Commitment> =
            (0..size).map(|i| commit(&[3; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
        let batch = LogAppender::new().append(&entries);
        let mut stored = MemoryTiles::new();
        stored.absorb(&batch);
        (Checkpoint::new("log.example", size, batch.root), stored)
    }

    #[test]
    fn a_whole_log_passes_and_may_be_longer_than_its_checkpoint() {
        let (_, longest) = log(70_000);
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
            let (checkpoint, _) = log(size);
            audit(&checkpoint, &longest).expect("every tile is there");
        }
    }

    #[test]
    fn one_changed_bit_in_any_tile_is_found() {
        let (checkpoint, stored) = log(66_000);
        for id in new_tiles(0, 66_000).expect("grows").into_iter().filter(|id| id.level > 0 || id.index % 64 == 1) {
            let mut other = stored.clone();
            let mut bytes = stored.hash_tile(&id).expect("stored");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            other.insert(TilePath::Hashes(id), bytes);
            let error = audit(&checkpoint, &other).expect_err("changed");
            assert!(matches!(error, Error::TileContent { path: found } if found == path(&id)));
        }
    }

    #[test]
    fn a_changed_or_missing_entry_is_found() {
        let (checkpoint, stored) = log(600);
        let mut other = stored.clone();
        let mut bundle = stored.entry_bundle(2, 88).expect("stored");
        bundle[40] ^= 1;
        other.insert(TilePath::Entries { index: 2, width: 88 }, bundle);
        let error = audit(&checkpoint, &other).expect_err("changed");
        assert!(matches!(error, Error::TileContent { path } if path == "tile/0/002.p/88"));
        let (longer, _) = log(601);
        assert!(matches!(audit(&longer, &stored), Err(Error::Bundle { .. })));
        let (longer, _) = log(1000);
        assert!(matches!(audit(&longer, &stored), Err(Error::Bundle { .. } | Error::Source { .. })));
        let wrong = Checkpoint { root: leaf_hash(b"other"), ..checkpoint };
        assert!(matches!(audit(&wrong, &stored), Err(Error::RootMismatch { .. })));
    }
}
