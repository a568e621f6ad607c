//! Trees, tiles and proofs against `tlog_tiles`.

use std::sync::LazyLock;

use ledger::tiles::{TILE_HEIGHT, TILE_WIDTH, TileId, new_tiles, path};
use ledger::{
    Appender, EMPTY_ROOT, Frontier, Hash, MemoryTiles, TilePath, consistency_proof, inclusion_proof, leaf_hash,
    root_from_tiles, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use tlog_tiles::{HashReader, Tile};

const LARGEST: u64 = 66_000;
const SIZES: [u64; 16] = [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, LARGEST];

/// The oracle's own storage of a tree: all complete subtrees, in its order.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

fn record(index: u64) -> [u8; 9] {
    let mut record = [b'r'; 9];
    record[1..].copy_from_slice(&index.to_be_bytes());
    record
}

static ORACLE: LazyLock<Stored> = LazyLock::new(|| {
    let mut stored = Stored(Vec::new());
    for index in 0..LARGEST {
        let new = tlog_tiles::stored_hashes(index, &record(index), &stored).expect("own storage");
        stored.0.extend(new);
    }
    stored
});

static OURS: LazyLock<MemoryTiles> = LazyLock::new(|| {
    let leaves: Vec<Hash> = (0..LARGEST).map(|index| leaf_hash(&record(index))).collect();
    let mut stored = MemoryTiles::new();
    for (id, bytes) in Appender::new().append(&leaves).tiles {
        stored.insert(TilePath::Hashes(id), bytes);
    }
    stored
});

fn oracle_root(size: u64) -> Hash {
    Hash(tlog_tiles::tree_hash(size, &*ORACLE).expect("within the storage").0)
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

/// The same path without the height that the oracle writes into it.
fn oracle_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

#[test]
fn roots_are_those_of_the_oracle() {
    assert_eq!(oracle_root(0), EMPTY_ROOT);
    let mut frontier = Frontier::new();
    for index in 0..LARGEST {
        if SIZES.contains(&index) || index % 997 == 0 {
            assert_eq!(frontier.root(), oracle_root(index), "{index} leaves");
            assert_eq!(root_from_tiles(index, &*OURS).expect("tiles"), oracle_root(index), "{index} leaves");
        }
        frontier.append(leaf_hash(&record(index)));
    }
    assert_eq!(frontier.root(), oracle_root(LARGEST));
}

#[test]
fn each_batch_writes_the_tiles_of_the_oracle() {
    let leaves: Vec<Hash> = (0..LARGEST).map(|index| leaf_hash(&record(index))).collect();
    let mut appender = Appender::new();
    for pair in SIZES.windows(2) {
        let batch = appender.append(&leaves[pair[0] as usize..pair[1] as usize]);
        assert_eq!((batch.old_size, batch.size, batch.root), (pair[0], pair[1], oracle_root(pair[1])));
        let mut written = batch.tiles;
        written.sort_by_key(|(id, _)| *id);
        let expected = Tile::new_tiles(8, pair[0], pair[1]);
        assert_eq!(written.len(), expected.len(), "{pair:?}");
        for ((id, bytes), tile) in written.iter().zip(&expected) {
            assert_eq!(path(id), oracle_path(tile));
            assert_eq!(*bytes, tile.read_data(&*ORACLE).expect("within the storage"), "{}", path(id));
        }
    }
}

fn check_inclusion(index: u64, size: u64) {
    let root = oracle_root(size);
    let leaf = leaf_hash(&record(index));
    let proof = inclusion_proof(index, size, &*OURS).expect("tiles");
    let expected = tlog_tiles::prove_record(size, index, &*ORACLE).expect("within the storage");
    assert_eq!(proof, ours(&expected), "{index} of {size}");
    verify_inclusion(&leaf, index, size, &root, &proof).expect("the same proof");
    let checked =
        tlog_tiles::check_record(&theirs(&proof), size, tlog_tiles::Hash(root.0), index, tlog_tiles::Hash(leaf.0));
    checked.expect("our proof convinces the oracle");
}

fn check_consistency(old: u64, new: u64) {
    let (old_root, new_root) = (oracle_root(old), oracle_root(new));
    let proof = consistency_proof(old, new, &*OURS).expect("tiles");
    verify_consistency(old, &old_root, new, &new_root, &proof).expect("own proof");
    if old == 0 {
        assert!(proof.is_empty(), "the oracle makes no proof from an empty tree");
        return;
    }
    let expected = tlog_tiles::prove_tree(new, old, &*ORACLE).expect("within the storage");
    assert_eq!(proof, ours(&expected), "{old} to {new}");
    let checked =
        tlog_tiles::check_tree(&theirs(&proof), new, tlog_tiles::Hash(new_root.0), old, tlog_tiles::Hash(old_root.0));
    checked.expect("our proof convinces the oracle");
}

#[test]
fn proofs_at_the_edges_are_those_of_the_oracle() {
    for size in SIZES {
        for index in SIZES.iter().flat_map(|at| [at.saturating_sub(1), *at]).filter(|index| *index < size) {
            check_inclusion(index, size);
        }
        for old in SIZES.into_iter().filter(|old| *old <= size) {
            check_consistency(old, size);
        }
    }
}

#[test]
fn paths_are_those_of_the_oracle() {
    for (level, index, width) in [(0, 0, 256), (0, 999, 1), (3, 1000, 255), (63, 1_234_067, 256), (1, u64::MAX, 7)] {
        let tile = Tile::new(8, level, index, u32::from(width), false);
        assert_eq!(path(&TileId { level, index, width }), oracle_path(&tile));
    }
}

proptest! {
    #[test]
    fn random_proofs_are_those_of_the_oracle(size in 1..=LARGEST, part in 0.0..1.0f64) {
        let place = (size as f64 * part) as u64;
        check_inclusion(place.min(size - 1), size);
        check_consistency(place, size);
    }

    #[test]
    fn a_proof_convinces_both_or_neither(size in 1..2000u64, part in 0.0..1.0f64, position: usize, bit in 0..256usize) {
        let index = ((size as f64 * part) as u64).min(size - 1);
        let (root, leaf) = (oracle_root(size), leaf_hash(&record(index)));
        let mut proof = inclusion_proof(index, size, &*OURS).expect("tiles");
        if !proof.is_empty() {
            let position = position % proof.len();
            proof[position].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_inclusion(&leaf, index, size, &root, &proof).is_err());
            let (root, leaf) = (tlog_tiles::Hash(root.0), tlog_tiles::Hash(leaf.0));
            prop_assert!(tlog_tiles::check_record(&theirs(&proof), size, root, index, leaf).is_err());
        }
    }

    #[test]
    fn new_tiles_are_those_of_the_oracle(old in 0..1u64 << 40, more in 0..100_000u64) {
        let ours: Vec<String> = new_tiles(old, old + more).expect("grows").iter().map(path).collect();
        let theirs: Vec<String> = Tile::new_tiles(8, old, old + more).iter().map(oracle_path).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn the_oracle_reads_the_paths(level in 0u8..=63, index: u64, width in 1u16..=TILE_WIDTH) {
        let text = path(&TileId { level, index, width }).replacen("tile/", &format!("tile/{TILE_HEIGHT}/"), 1);
        let tile = Tile::from_path(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!((tile.level(), tile.level_index(), tile.width()), (level, index, u32::from(width)));
    }
}
