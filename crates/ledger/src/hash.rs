//! Hashes of the Merkle tree (RFC 6962, section 2.1) with SHA-256.
//!
//! Not a general digest: a leaf and a node can never hash alike, because each begins with a byte of its own.

use std::fmt;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a hash.
pub const HASH_LEN: usize = 32;

/// Root of a tree without leaves: SHA-256 of nothing (RFC 6962, section 2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;
/// Leaves up to this length are hashed in one call over a buffer on the stack.
const SHORT_LEAF_LEN: usize = 127;

/// A hash of a leaf, of a node or of a whole tree. `Debug` gives hexadecimal, `Display` base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_LEN]);

/// Hash of a leaf: SHA-256 of a zero byte and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    if entry.len() <= SHORT_LEAF_LEN {
        let mut buffer = [LEAF_PREFIX; SHORT_LEAF_LEN + 1];
        buffer[1..=entry.len()].copy_from_slice(entry);
        return Hash::from_digest(&digest(&SHA256, &buffer[..=entry.len()]));
    }
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF_PREFIX]);
    context.update(entry);
    Hash::from_digest(&context.finish())
}

/// Hash of a node: SHA-256 of a one byte and both children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut buffer = [NODE_PREFIX; 1 + 2 * HASH_LEN];
    buffer[1..=HASH_LEN].copy_from_slice(&left.0);
    buffer[1 + HASH_LEN..].copy_from_slice(&right.0);
    Hash::from_digest(&digest(&SHA256, &buffer))
}

impl Hash {
    /// The hash in standard base64 with padding, as checkpoints and proofs write it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The hash that [`Hash::to_base64`] wrote; `None` for every other text.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        // The length is checked first so that a long text is never decoded.
        if text.len() != HASH_LEN.div_ceil(3) * 4 {
            return None;
        }
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The `position`-th hash of concatenated hashes; `None` past their end.
    #[must_use]
    pub fn at(hashes: &[u8], position: usize) -> Option<Self> {
        let start = position.checked_mul(HASH_LEN)?;
        let bytes = hashes.get(start..start.checked_add(HASH_LEN)?)?;
        Some(Self(bytes.try_into().ok()?))
    }

    fn from_digest(digest: &Digest) -> Self {
        let mut bytes = [0; HASH_LEN];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base::hex(&self.0))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl From<[u8; HASH_LEN]> for Hash {
    fn from(bytes: [u8; HASH_LEN]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Root of the complete subtree over concatenated hashes, whose count must be a power of two up to 256.
pub(crate) fn complete_root(hashes: &[u8]) -> Hash {
    let mut count = hashes.len() / HASH_LEN;
    assert!(count.is_power_of_two() && count <= 256, "a complete subtree within a tile has a power of two of leaves");
    let mut row = [EMPTY_ROOT; 256];
    for (place, bytes) in row.iter_mut().zip(hashes.chunks_exact(HASH_LEN)) {
        place.0.copy_from_slice(bytes);
    }
    while count > 1 {
        count /= 2;
        for i in 0..count {
            row[i] = node_hash(&row[2 * i], &row[2 * i + 1]);
        }
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT.0, base::sha256(b""));
        assert_eq!(EMPTY_ROOT.to_base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn leaves_and_nodes_are_prefixed() {
        assert_eq!(leaf_hash(b"").0, base::sha256(&[0]));
        for length in [1, 33, SHORT_LEAF_LEN - 1, SHORT_LEAF_LEN, SHORT_LEAF_LEN + 1, 5000] {
            let entry = vec![7; length];
            assert_eq!(leaf_hash(&entry).0, base::sha256(&[&[0][..], &entry].concat()), "{length} bytes");
        }
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        assert_eq!(node_hash(&a, &b).0, base::sha256(&[&[1][..], &a.0, &b.0].concat()));
    }

    #[test]
    fn base64_has_one_spelling() {
        let hash = leaf_hash(b"x");
        let text = hash.to_base64();
        assert_eq!(Hash::from_base64(&text), Some(hash));
        assert_eq!(Hash::from_base64(text.trim_end_matches('=')), None);
        assert_eq!(Hash::from_base64(&format!("{text}\n")), None);
        // The last character carries two bits that must be zero.
        let other = text.replace(&text[42..], &format!("{}=", char::from(text.as_bytes()[42] + 1)));
        assert_eq!(Hash::from_base64(&other), None);
        assert_eq!(Hash::from_base64("한마루"), None);
    }

    #[test]
    fn complete_root_is_pairwise() {
        let leaves: Vec<Hash> = (0..4u8).map(|i| leaf_hash(&[i])).collect();
        let bytes: Vec<u8> = leaves.iter().flat_map(|hash| hash.0).collect();
        let expected = node_hash(&node_hash(&leaves[0], &leaves[1]), &node_hash(&leaves[2], &leaves[3]));
        assert_eq!(complete_root(&bytes), expected);
        assert_eq!(complete_root(&bytes[..32]), leaves[0]);
        assert_eq!(Hash::at(&bytes, 3), Some(leaves[3]));
        assert_eq!(Hash::at(&bytes, 4), None);
        assert_eq!(Hash::at(&bytes, usize::MAX), None);
    }
}
