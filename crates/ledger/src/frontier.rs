//! The right edge of a growing tree: all that is needed to append and to know the root.
//!
//! At most 63 hashes, whatever the size of the tree. It cannot make proofs: those need tiles.

use crate::hash::{EMPTY_ROOT, HASH_LEN, Hash, node_hash};
use crate::{Error, TREE_SIZE_MAX};

/// Roots of the complete subtrees that a tree consists of, largest (leftmost) first: one for each bit set in its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    edge: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one leaf, given by its [`leaf_hash`](crate::leaf_hash). One node hash on average.
    pub fn append(&mut self, leaf: Hash) {
        self.append_with(leaf, |_, _| ());
    }

    /// Root of the tree (RFC 6962, section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.edge.iter().rev();
        let Some(last) = smallest_first.next() else { return EMPTY_ROOT };
        smallest_first.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The size in eight bytes, big-endian, then the hashes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = base::wire::Writer::new();
        writer.u64(self.size);
        for hash in &self.edge {
            writer.raw(&hash.0);
        }
        writer.finish()
    }

    /// What [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Frontier`] where the bytes are of another length than their size requires.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = base::wire::Reader::new(bytes);
        let size = reader.u64().map_err(|_| Error::Frontier { reason: "it is shorter than its size field" })?;
        if size > TREE_SIZE_MAX {
            return Err(Error::TreeSize { size, limit: TREE_SIZE_MAX });
        }
        if reader.left() != size.count_ones() as usize * HASH_LEN {
            return Err(Error::Frontier { reason: "the number of hashes does not match the size" });
        }
        let edge = (0..size.count_ones()).map_while(|_| reader.array().ok().map(Hash)).collect();
        Ok(Self { size, edge })
    }

    /// An edge from its parts: `edge` must hold one root for each bit set in `size`, largest first.
    pub(crate) fn from_parts(size: u64, edge: Vec<Hash>) -> Self {
        assert_eq!(edge.len(), size.count_ones() as usize, "one hash for each bit of the size");
        Self { size, edge }
    }

    /// Appends, and reports each subtree that the leaf completes, as height and root: first the leaf itself at height 0.
    pub(crate) fn append_with(&mut self, leaf: Hash, mut completed: impl FnMut(u32, &Hash)) {
        assert!(self.size < TREE_SIZE_MAX, "no log reaches 2^63 leaves");
        let mut node = leaf;
        completed(0, &node);
        // Adding one to the size carries through its trailing ones: each carry joins two subtrees of equal height.
        for height in 1..=self.size.trailing_ones() {
            let left = self.edge.pop().expect("each bit set in the size has its hash on the edge");
            node = node_hash(&left, &node);
            completed(height, &node);
        }
        self.edge.push(node);
        self.size += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf_hash;

    fn grown(size: u64) -> Frontier {
        let mut frontier = Frontier::new();
        for i in 0..size {
            frontier.append(leaf_hash(&i.to_be_bytes()));
        }
        frontier
    }

    #[test]
    fn small_trees_have_the_shape_of_the_specification() {
        let l: Vec<Hash> = (0..5u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let ab = node_hash(&l[0], &l[1]);
        let abcd = node_hash(&ab, &node_hash(&l[2], &l[3]));
        assert_eq!(grown(0).root(), EMPTY_ROOT);
        assert_eq!(grown(1).root(), l[0]);
        assert_eq!(grown(2).root(), ab);
        assert_eq!(grown(3).root(), node_hash(&ab, &l[2]));
        assert_eq!(grown(4).root(), abcd);
        assert_eq!(grown(5).root(), node_hash(&abcd, &l[4]));
    }

    #[test]
    fn bytes_go_both_ways_and_other_lengths_are_refused() {
        for size in [0, 1, 2, 3, 255, 256, 1000] {
            let frontier = grown(size);
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(&bytes).expect("own bytes"), frontier);
            assert!(Frontier::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
            assert!(Frontier::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        }
        assert!(matches!(Frontier::from_bytes(&[0xff; 8 + 64 * 32]), Err(Error::TreeSize { .. })));
    }

    #[test]
    fn completed_subtrees_are_reported_bottom_up() {
        let mut frontier = grown(7);
        let mut heights = Vec::new();
        frontier.append_with(leaf_hash(b"eighth"), |height, _| heights.push(height));
        assert_eq!(heights, [0, 1, 2, 3]);
    }
}
