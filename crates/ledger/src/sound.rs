//! Whether one file of a stored log is right, told by what stands above it: a tile by its parent's hash, a bundle by its tile.
//! So each copy at each site is judged alone, and one changed bit is found wherever it is.

use crate::hash::{HASH_LEN, Hash, leaf_hash, node_hash};
use crate::tiles::{TILE_WIDTH, decode_bundle};

/// The root over the hashes of a full tile: what its parent holds in its place. `None` where the bytes are no full tile.
#[must_use]
pub fn full_tile_root(bytes: &[u8]) -> Option<Hash> {
    if bytes.len() != usize::from(TILE_WIDTH) * HASH_LEN {
        return None;
    }
    let mut hashes: Vec<Hash> =
        (0..usize::from(TILE_WIDTH)).map(|place| Hash::at(bytes, place)).collect::<Option<_>>()?;
    while hashes.len() > 1 {
        hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    hashes.first().copied()
}

/// The hash tile of level 0 that an entry bundle of `width` entries gives. `None` where the bytes are no such bundle.
#[must_use]
pub fn tile_of_bundle(bytes: &[u8], width: u16) -> Option<Vec<u8>> {
    let entries = decode_bundle(bytes, width).ok()?;
    let mut tile = Vec::with_capacity(entries.len() * HASH_LEN);
    entries.iter().for_each(|entry| tile.extend_from_slice(&leaf_hash(entry).0));
    Some(tile)
}

/// The bytes of the first `width` entries of a sound bundle: what a narrower version of it holds. `None` where it holds fewer.
#[must_use]
pub fn narrower_bundle(bytes: &[u8], width: u16) -> Option<&[u8]> {
    let (_, left) = crate::tiles::first_entries(bytes, width).ok()?;
    bytes.get(..bytes.len() - left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BundleSource, EntryKind, LogAppender, MemoryTiles, TileId, TileSource, commit};

    #[test]
    fn every_bit_of_a_tile_and_of_its_bundle_counts() {
        let entries: Vec<_> = (0..300_u64).map(|i| commit(&[3; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
        let mut stored = MemoryTiles::new();
        stored.absorb(&LogAppender::new().append(&entries));
        let tile = stored.hash_tile(&TileId { level: 0, index: 0, width: 256 }).expect("stored");
        let parent = stored.hash_tile(&TileId { level: 1, index: 0, width: 1 }).expect("stored");
        let bundle = stored.entry_bundle(0, 256).expect("stored");
        assert_eq!(full_tile_root(&tile), Hash::at(&parent, 0));
        assert_eq!(tile_of_bundle(&bundle, 256).as_ref(), Some(&tile));
        assert_eq!(full_tile_root(&tile[32..]), None);
        for bit in (0..tile.len() * 8).step_by(7) {
            let mut other = tile.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(full_tile_root(&other), Hash::at(&parent, 0), "bit {bit}");
        }
        for bit in (0..bundle.len() * 8).step_by(7) {
            let mut other = bundle.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(tile_of_bundle(&other, 256).as_ref(), Some(&tile), "bit {bit}");
        }
        assert_eq!(narrower_bundle(&bundle, 9), Some(&bundle[..9 * 35]));
        assert_eq!(narrower_bundle(&bundle[..9 * 35], 10), None);
    }
}
