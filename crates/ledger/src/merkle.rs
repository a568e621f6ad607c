//! Inclusion and consistency proofs: made from tiles (RFC 6962, sections 2.1.1 and 2.1.2), checked without them (RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2).
//!
//! Making a proof trusts the tiles; checking trusts nothing but the roots. Hashes go from the leaf up.

use crate::Error;
use crate::hash::{EMPTY_ROOT, HASH_LEN, Hash, complete_root, node_hash};
use crate::tiles::{TILE_HEIGHT, TileId, TileSource, check_size, read_tile};

/// Hashes that show that the leaf at `index` is in the tree of `size` leaves. Reads at most two tiles a level.
///
/// # Errors
/// [`Error::IndexBeyondSize`] where there is no such leaf, [`Error::Source`] or [`Error::TileLength`] where a tile cannot be
/// read.
pub fn inclusion_proof<S: TileSource + ?Sized>(index: u64, size: u64, source: &S) -> Result<Vec<Hash>, Error> {
    check_size(size)?;
    if index >= size {
        return Err(Error::IndexBeyondSize { index, size });
    }
    let mut tree = Tree::new(size, source);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    // From the root down, keeping the side that the walk does not enter.
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(tree.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Hashes that show that the tree of `new` leaves begins with the tree of `old` leaves. Empty where the sizes are equal, and
/// where `old` is 0: every tree begins with the empty one.
///
/// # Errors
/// [`Error::SizeOrder`] where the log would shrink, [`Error::Source`] or [`Error::TileLength`] where a tile cannot be read.
pub fn consistency_proof<S: TileSource + ?Sized>(old: u64, new: u64, source: &S) -> Result<Vec<Hash>, Error> {
    check_size(new)?;
    if old > new {
        return Err(Error::SizeOrder { old, new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let mut tree = Tree::new(new, source);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(tree.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    // The walk stops at a subtree that ends where the old tree ends. If it is the whole old tree, the checker has its root.
    if start > 0 {
        proof.push(tree.range(start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Root of the tree of `size` leaves, from its tiles.
///
/// # Errors
/// [`Error::Source`] or [`Error::TileLength`] where a tile cannot be read.
pub fn root_from_tiles<S: TileSource + ?Sized>(size: u64, source: &S) -> Result<Hash, Error> {
    check_size(size)?;
    if size == 0 { Ok(EMPTY_ROOT) } else { Tree::new(size, source).range(0, size) }
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves under `root`.
///
/// # Errors
/// [`Error::IndexBeyondSize`], [`Error::ProofLength`] or [`Error::RootMismatch`]: the first that does not match.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> Result<(), Error> {
    if index >= size {
        return Err(Error::IndexBeyondSize { index, size });
    }
    let computed = root_of_path(leaf, index, size, proof);
    let computed = computed.ok_or(Error::ProofLength { proof: "inclusion", found: proof.len() })?;
    same("root of the inclusion proof", computed, root)
}

/// The root that a path from a leaf leads to; `None` where the path has another length than that of this place.
pub(crate) fn root_of_path(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut place, mut last, mut computed) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            computed = node_hash(sibling, &computed);
            climb_to_right_child(&mut place, &mut last);
        } else {
            computed = node_hash(&computed, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(computed)
}

/// Checks that the tree of `new` leaves under `new_root` begins with the tree of `old` leaves under `old_root`.
///
/// # Errors
/// [`Error::SizeOrder`], [`Error::ProofLength`] or [`Error::RootMismatch`]: the first that does not match.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> Result<(), Error> {
    if old > new {
        return Err(Error::SizeOrder { old, new });
    }
    let wrong_length = || Error::ProofLength { proof: "consistency", found: proof.len() };
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(wrong_length());
        }
        let (expected, what) = if old == new {
            (new_root, "roots of two checkpoints of one size")
        } else {
            (&EMPTY_ROOT, "root of the empty tree")
        };
        return same(what, *old_root, expected);
    }
    let (mut place, mut last) = (old - 1, new - 1);
    // The subtrees that both trees share at the lowest levels cancel out.
    let shared = place.trailing_ones();
    place >>= shared;
    last >>= shared;
    // The walk starts from a complete subtree: the old root itself where the old size is a power of two.
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(wrong_length()),
    };
    let (mut old_computed, mut new_computed) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(wrong_length());
        }
        if place & 1 == 1 || place == last {
            old_computed = node_hash(sibling, &old_computed);
            new_computed = node_hash(sibling, &new_computed);
            climb_to_right_child(&mut place, &mut last);
        } else {
            new_computed = node_hash(&new_computed, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length());
    }
    same("old root of the consistency proof", old_computed, old_root)?;
    same("new root of the consistency proof", new_computed, new_root)
}

/// A node without a right sibling is its own parent's hash for some levels: skip them.
fn climb_to_right_child(place: &mut u64, last: &mut u64) {
    while *place & 1 == 0 && *place != 0 {
        *place >>= 1;
        *last >>= 1;
    }
}

fn same(what: &'static str, computed: Hash, expected: &Hash) -> Result<(), Error> {
    if computed == *expected { Ok(()) } else { Err(Error::RootMismatch { what, computed, expected: *expected }) }
}

/// The largest power of two below `length`, which must be at least 2 (RFC 6962, section 2.1).
const fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// A tree of a certain size, read through its tiles, each at most once.
struct Tree<'a, S: ?Sized> {
    size: u64,
    source: &'a S,
    /// A proof touches two tiles a level at most, so a list is searched faster than a map.
    read: Vec<(TileId, Vec<u8>)>,
}

impl<'a, S: TileSource + ?Sized> Tree<'a, S> {
    const fn new(size: u64, source: &'a S) -> Self {
        Self { size, source, read: Vec::new() }
    }

    /// Root over the leaves from `start` to `end`, a range that the recursion of RFC 6962 comes upon.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, Error> {
        let mut subtrees = Vec::new();
        let mut at = start;
        while at < end {
            let height = (end - at).ilog2();
            subtrees.push(self.subtree(height, at >> height)?);
            at += 1 << height;
        }
        let smallest_first = subtrees.into_iter().rev();
        Ok(smallest_first.reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT))
    }

    /// Root of the `index`-th complete subtree of `2^height` leaves.
    fn subtree(&mut self, height: u32, index: u64) -> Result<Hash, Error> {
        let (level, above) = ((height / TILE_HEIGHT) as u8, height % TILE_HEIGHT);
        let first = index << above;
        let tile = self.tile(level, first >> TILE_HEIGHT)?;
        let start = (first % (1 << TILE_HEIGHT)) as usize * HASH_LEN;
        let end = start + (HASH_LEN << above);
        Ok(complete_root(tile.get(start..end).expect("a complete subtree lies within the width of its tile")))
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[u8], Error> {
        let id = TileId::in_tree(level, index, self.size).expect("ranges end within the tree");
        let known = self.read.iter().position(|(read, _)| *read == id);
        let position = match known {
            Some(position) => position,
            None => {
                self.read.push((id, read_tile(self.source, &id)?));
                self.read.len() - 1
            }
        };
        Ok(&self.read[position].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Appender, Frontier, MemoryTiles, TilePath, leaf_hash};

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    fn tree(size: u64) -> (MemoryTiles, Vec<Hash>) {
        let mut frontier = Frontier::new();
        let mut roots = vec![frontier.root()];
        let mut appender = Appender::new();
        let mut stored = MemoryTiles::new();
        for index in 0..size {
            frontier.append(leaf(index));
            roots.push(frontier.root());
        }
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        for (id, bytes) in appender.append(&leaves).tiles {
            stored.insert(TilePath::Hashes(id), bytes);
        }
        (stored, roots)
    }

    #[test]
    fn every_proof_of_small_trees_verifies_and_no_other_does() {
        let (stored, roots) = tree(40);
        for size in 1..=40 {
            let root = &roots[size as usize];
            assert_eq!(root_from_tiles(size, &stored).expect("tiles"), *root);
            for index in 0..size {
                let proof = inclusion_proof(index, size, &stored).expect("tiles");
                verify_inclusion(&leaf(index), index, size, root, &proof).expect("own proof");
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        verify_inclusion(&leaf(index), other, size, root, &proof).is_err(),
                        "{index} {other} {size}"
                    );
                }
                let longer = [&proof[..], &[leaf(99)]].concat();
                let checked = verify_inclusion(&leaf(index), index, size, root, &longer);
                assert!(matches!(checked, Err(Error::ProofLength { proof: "inclusion", .. })));
            }
            for old in 0..=size {
                let proof = consistency_proof(old, size, &stored).expect("tiles");
                let old_root = &roots[old as usize];
                verify_consistency(old, old_root, size, root, &proof).expect("own proof");
                assert!(verify_consistency(old, &leaf(99), size, root, &proof).is_err());
                if old > 0 {
                    assert!(verify_consistency(old, old_root, size, &leaf(99), &proof).is_err());
                }
                let longer = [&proof[..], &[leaf(99)]].concat();
                assert!(verify_consistency(old, old_root, size, root, &longer).is_err());
                for position in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[position].0[7] ^= 1;
                    assert!(verify_consistency(old, old_root, size, root, &changed).is_err());
                    let mut shorter = proof.clone();
                    shorter.remove(position);
                    assert!(verify_consistency(old, old_root, size, root, &shorter).is_err());
                }
            }
        }
    }

    #[test]
    fn what_is_not_in_the_tree_has_no_proof() {
        let (stored, roots) = tree(3);
        assert!(matches!(inclusion_proof(3, 3, &stored), Err(Error::IndexBeyondSize { index: 3, size: 3 })));
        assert!(matches!(inclusion_proof(0, 0, &stored), Err(Error::IndexBeyondSize { .. })));
        assert!(matches!(inclusion_proof(0, u64::MAX, &stored), Err(Error::TreeSize { .. })));
        assert!(matches!(inclusion_proof(0, 400, &stored), Err(Error::TileLength { .. } | Error::Source { .. })));
        assert!(matches!(consistency_proof(3, 2, &stored), Err(Error::SizeOrder { .. })));
        assert!(matches!(verify_consistency(3, &roots[3], 2, &roots[2], &[]), Err(Error::SizeOrder { .. })));
        assert!(matches!(verify_inclusion(&leaf(0), 0, 0, &EMPTY_ROOT, &[]), Err(Error::IndexBeyondSize { .. })));
        let error = verify_inclusion(&leaf(0), 0, 1, &roots[2], &[]).expect_err("another root");
        assert!(error.to_string().contains("root of the inclusion proof"), "{error}");
    }

    #[test]
    fn huge_sizes_do_not_panic() {
        let proof = vec![leaf(1); 70];
        for (old, new) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (u64::MAX, u64::MAX), (1 << 63, u64::MAX)] {
            assert!(verify_inclusion(&leaf(0), old - 1, new, &leaf(2), &proof).is_err());
            assert!(verify_consistency(old, &leaf(3), new, &leaf(2), &proof).is_err());
        }
    }
}
