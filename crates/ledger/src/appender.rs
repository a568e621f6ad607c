//! Grows a log: from leaves to the exact files that a new checkpoint needs, without reading anything back.
//!
//! An appender holds the partial tile of each level (under 8 KiB each) and nothing else of the tree. It publishes
//! nothing: that is for [`Publication`](crate::Publication).
//!
//! After `append` the appender is ahead of what is published. Clone it before (it is small) and keep the old one until the
//! swap has succeeded; or drop it and resume from what is published.

use crate::commitment::{COMMITMENT_LEN, Commitment};
use crate::frontier::Frontier;
use crate::hash::{HASH_LEN, Hash, complete_root, leaf_hash};
use crate::tiles::{
    self, BundleSource, TILE_HEIGHT, TILE_WIDTH, TileId, TilePath, TileSource, check_size, hashes_at, read_tile,
};
use crate::{Error, TREE_SIZE_MAX};

/// Bytes of a full tile.
const TILE_LEN: usize = TILE_WIDTH as usize * HASH_LEN;
/// Bytes of a full bundle of commitments.
const BUNDLE_LEN: usize = TILE_WIDTH as usize * (2 + COMMITMENT_LEN);

/// The hash tiles of a growing log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appender {
    frontier: Frontier,
    /// Contents of the partial tile of each level, from level 0 up.
    partials: Vec<Vec<u8>>,
}

/// What an [`Appender`] gives for one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Leaves before the batch.
    pub old_size: u64,
    /// Root before the batch.
    pub old_root: Hash,
    /// Leaves after the batch.
    pub size: u64,
    /// Root after the batch.
    pub root: Hash,
    /// The tiles that are new or have become wider, and no others.
    pub tiles: Vec<(TileId, Vec<u8>)>,
}

/// The hash tiles and entry bundles of a growing log of [`Commitment`]s.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogAppender {
    hashes: Appender,
    /// The partial bundle at the end of the log.
    bundle: Vec<u8>,
}

/// What a [`LogAppender`] gives for one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// Leaves before the batch, which is the index of its first entry.
    pub old_size: u64,
    /// Root before the batch.
    pub old_root: Hash,
    /// Leaves after the batch.
    pub size: u64,
    /// Root after the batch.
    pub root: Hash,
    /// The tiles and bundles that are new or have become wider, and no others.
    pub files: Vec<(TilePath, Vec<u8>)>,
}

impl Appender {
    /// At the start of an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At the end of a log of `size` leaves, from the partial tiles that it has there. Compare [`Appender::root`] with the
    /// checkpoint before appending.
    ///
    /// # Errors
    /// [`Error::Source`] or [`Error::TileLength`] where a partial tile is missing or cut short.
    pub fn resume<S: TileSource + ?Sized>(size: u64, source: &S) -> Result<Self, Error> {
        check_size(size)?;
        let mut partials = Vec::new();
        for level in 0.. {
            let hashes = hashes_at(level, size);
            if hashes == 0 {
                break;
            }
            let tile = TileId::in_tree(level, hashes >> TILE_HEIGHT, size);
            partials.push(tile.map_or(Ok(Vec::new()), |id| read_tile(source, &id))?);
        }
        // The edge of the tree is the edges of the partial tiles, top level first.
        let mut edge = Vec::new();
        for partial in partials.iter().rev() {
            let mut rest = partial.as_slice();
            while !rest.is_empty() {
                let widest = 1 << (rest.len() / HASH_LEN).ilog2();
                let (subtree, after) = rest.split_at(widest * HASH_LEN);
                edge.push(complete_root(subtree));
                rest = after;
            }
        }
        Ok(Self { frontier: Frontier::from_parts(size, edge), partials })
    }

    /// Adds leaves, each given by its [`leaf_hash`].
    ///
    /// # Panics
    /// Where the log would grow beyond [`TREE_SIZE_MAX`](crate::TREE_SIZE_MAX) leaves, which no log does.
    pub fn append(&mut self, leaves: &[Hash]) -> Batch {
        let (old_size, old_root) = (self.size(), self.root());
        let mut tiles = Vec::new();
        for leaf in leaves {
            self.push(leaf, &mut tiles);
        }
        for (level, partial) in (0u8..).zip(&self.partials) {
            let hashes = hashes_at(level, self.size());
            if !partial.is_empty() && hashes != hashes_at(level, old_size) {
                let width = (partial.len() / HASH_LEN) as u16;
                tiles.push((TileId { level, index: hashes >> TILE_HEIGHT, width }, partial.clone()));
            }
        }
        Batch { old_size, old_root, size: self.size(), root: self.root(), tiles }
    }

    /// Leaves in the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root of the log.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The right edge of the tree.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    fn push(&mut self, leaf: &Hash, full: &mut Vec<(TileId, Vec<u8>)>) {
        let new_size = self.frontier.size() + 1;
        let partials = &mut self.partials;
        self.frontier.append_with(*leaf, |height, hash| {
            // Only every eighth height has a level of tiles; those between are computed from it.
            if height % TILE_HEIGHT != 0 {
                return;
            }
            let level = (height / TILE_HEIGHT) as usize;
            if partials.len() == level {
                partials.push(Vec::with_capacity(TILE_LEN));
            }
            let partial = &mut partials[level];
            partial.extend_from_slice(&hash.0);
            if partial.len() == TILE_LEN {
                let level = level as u8;
                let index = (hashes_at(level, new_size) >> TILE_HEIGHT) - 1;
                let bytes = std::mem::replace(partial, Vec::with_capacity(TILE_LEN));
                full.push((TileId { level, index, width: TILE_WIDTH }, bytes));
            }
        });
    }
}

impl LogAppender {
    /// At the start of an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At the end of a log of `size` leaves under `root`, from the partial tiles and the partial bundle that it has there.
    ///
    /// # Errors
    /// [`Error::Source`] or [`Error::TileLength`] where one of them cannot be read, [`Error::RootMismatch`] where the tiles
    /// are not those of the root, [`Error::EntryHash`] or [`Error::Bundle`] where the bundle is not that of the tiles.
    pub fn resume<S: TileSource + BundleSource + ?Sized>(size: u64, root: &Hash, source: &S) -> Result<Self, Error> {
        let hashes = Appender::resume(size, source)?;
        if hashes.root() != *root {
            let what = "tiles at the end of the log";
            return Err(Error::RootMismatch { what, computed: hashes.root(), expected: *root });
        }
        let mut bundle = Vec::with_capacity(BUNDLE_LEN);
        if let Some(TileId { index, width, .. }) = TileId::in_tree(0, size >> TILE_HEIGHT, size) {
            let bytes = tiles::read_bundle(source, index, width)?;
            let (entries, _) = tiles::first_entries(&bytes, width)?;
            for (position, entry) in entries.iter().enumerate() {
                if Hash::at(&hashes.partials[0], position) != Some(leaf_hash(entry)) {
                    return Err(Error::EntryHash { index: index * u64::from(TILE_WIDTH) + position as u64 });
                }
                tiles::push_entry(&mut bundle, entry)?;
            }
        }
        Ok(Self { hashes, bundle })
    }

    /// Adds entries in their order; the first gets the index [`LogAppender::size`].
    ///
    /// # Panics
    /// Where the log would grow beyond [`TREE_SIZE_MAX`](crate::TREE_SIZE_MAX) leaves, which no log does.
    pub fn append(&mut self, entries: &[Commitment]) -> LogBatch {
        assert!(entries.len() as u64 <= TREE_SIZE_MAX - self.size(), "no log reaches 2^63 leaves");
        let old_size = self.size();
        let mut files = Vec::new();
        for (index, entry) in (old_size..).zip(entries) {
            tiles::push_entry(&mut self.bundle, entry).expect("a commitment is shorter than an entry may be");
            if (index + 1) % u64::from(TILE_WIDTH) == 0 {
                let bytes = std::mem::replace(&mut self.bundle, Vec::with_capacity(BUNDLE_LEN));
                files.push((TilePath::Entries { index: index >> TILE_HEIGHT, width: TILE_WIDTH }, bytes));
            }
        }
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let batch = self.hashes.append(&leaves);
        if !leaves.is_empty() && !self.bundle.is_empty() {
            let (index, width) = (batch.size >> TILE_HEIGHT, (batch.size % u64::from(TILE_WIDTH)) as u16);
            files.push((TilePath::Entries { index, width }, self.bundle.clone()));
        }
        files.extend(batch.tiles.into_iter().map(|(id, bytes)| (TilePath::Hashes(id), bytes)));
        LogBatch { old_size, old_root: batch.old_root, size: batch.size, root: batch.root, files }
    }

    /// Leaves in the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.hashes.size()
    }

    /// Root of the log.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.hashes.root()
    }

    /// The right edge of the tree.
    #[must_use]
    pub const fn frontier(&self) -> &Frontier {
        self.hashes.frontier()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTiles;
    use crate::commitment::{EntryKind, commit};
    use crate::tiles::new_tiles;
    use proptest::prelude::*;

    fn entries(from: u64, count: u64) -> Vec<Commitment> {
        (from..from + count).map(|i| commit(&[3; 32], EntryKind::Resource, &i.to_be_bytes())).collect()
    }

    /// Appends batches of these sizes, resuming from the tiles before each where asked.
    fn grow(batches: &[u64], resume: bool) -> (LogAppender, MemoryTiles) {
        let (mut log, mut stored) = (LogAppender::new(), MemoryTiles::new());
        for count in batches {
            if resume {
                log = LogAppender::resume(log.size(), &log.root(), &stored).expect("what was stored can be resumed");
            }
            let batch = log.append(&entries(log.size(), *count));
            stored.absorb(&batch);
        }
        (log, stored)
    }

    #[test]
    fn a_batch_gives_exactly_the_new_tiles() {
        let (mut log, mut hashes) = (LogAppender::new(), Appender::new());
        for count in [1, 0, 1, 253, 1, 1, 255, 256, 300, 64_000, 1500] {
            let new = entries(log.size(), count);
            let batch = log.append(&new);
            let tiles = hashes.append(&new.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>()).tiles;
            let mut names: Vec<TileId> = tiles.iter().map(|(id, _)| *id).collect();
            names.sort_unstable();
            assert_eq!(names, new_tiles(batch.old_size, batch.size).expect("grows"));
            for (id, bytes) in &tiles {
                assert_eq!(bytes.len(), id.byte_len());
                assert!(batch.files.contains(&(TilePath::Hashes(*id), bytes.clone())));
            }
            let bundles: Vec<_> =
                batch.files.iter().filter(|(path, _)| matches!(path, TilePath::Entries { .. })).collect();
            assert_eq!(bundles.len(), names.iter().filter(|id| id.level == 0).count());
            for (path, bytes) in bundles {
                let TilePath::Entries { index, width } = *path else { continue };
                let stored = tiles::decode_bundle(bytes, width).expect("whole bundle");
                assert_eq!(stored, entries(index * 256, u64::from(width)));
            }
        }
    }

    #[test]
    fn batches_do_not_matter_and_resuming_does_not_either() {
        let (whole, whole_stored) = grow(&[66_000], false);
        let (split, split_stored) = grow(&[1, 254, 1, 1, 1000, 64_743], true);
        assert_eq!(whole, split);
        assert_eq!(whole.root(), split.root());
        for id in new_tiles(0, 66_000).expect("grows") {
            assert_eq!(whole_stored.hash_tile(&id).ok(), split_stored.hash_tile(&id).ok(), "{id}");
        }
    }

    #[test]
    fn a_full_tile_stands_in_for_a_partial_one() {
        let (_, stored) = grow(&[300], false);
        let (early, _) = grow(&[200], false);
        // Only the full tile and bundle of the first 256 entries exist: no checkpoint was at 200.
        assert_eq!(LogAppender::resume(200, &early.root(), &stored).expect("full tile is read"), early);
    }

    #[test]
    fn resuming_notices_what_does_not_match() {
        let (log, stored) = grow(&[300], false);
        let resume =
            |size, root: &Hash, stored: &MemoryTiles| LogAppender::resume(size, root, stored).expect_err("refused");
        assert!(matches!(resume(301, &log.root(), &stored), Error::TileLength { .. }));
        assert!(matches!(resume(600, &log.root(), &stored), Error::Source { .. }));
        assert!(matches!(resume(299, &log.root(), &stored), Error::RootMismatch { .. }));
        assert!(matches!(resume(u64::MAX, &log.root(), &stored), Error::TreeSize { .. }));
        let mut other = stored.clone();
        let mut bundle = other.entry_bundle(1, 44).expect("stored");
        bundle[2 * 35 + 10] ^= 1;
        other.insert(TilePath::Entries { index: 1, width: 44 }, bundle);
        assert!(matches!(resume(300, &log.root(), &other), Error::EntryHash { index: 258 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_batches_give_one_log(batches in proptest::collection::vec(0u64..600, 0..8), resume: bool) {
            let (log, _) = grow(&batches, resume);
            let mut frontier = Frontier::new();
            for entry in entries(0, batches.iter().sum()) {
                frontier.append(leaf_hash(&entry));
            }
            prop_assert_eq!(log.frontier(), &frontier);
        }
    }
}
