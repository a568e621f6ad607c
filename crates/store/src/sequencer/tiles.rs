//! Tiles for making proofs: a small cache before the sites. What comes from a site is checked by the proof made of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use ledger::SignedCheckpoint;
use ledger::tiles::{TileId, TilePath, TileSource};
use policy::Permit;
use vault::SiteError;

use super::lock;
use crate::core::Core;
use crate::types::Log;

/// Tiles kept: at most 8 KiB each, so 8 MiB.
const TILES_MAX: usize = 1_024;

/// The tiles used or written last, and the published heads.
#[derive(Default)]
pub(crate) struct TileCache {
    held: Mutex<Held>,
    published: Mutex<[Option<SignedCheckpoint>; 2]>,
    witnessed: Mutex<[Option<SignedCheckpoint>; 2]>,
}

type Place = (Log, u8, u64);

#[derive(Default)]
struct Held {
    /// The widest version of each tile seen.
    tiles: HashMap<Place, Vec<u8>>,
    order: VecDeque<Place>,
}

impl TileCache {
    /// Holds a hash tile. Bundles are not needed for proofs.
    pub(crate) fn put(&self, log: Log, path: TilePath, bytes: &[u8]) {
        let TilePath::Hashes(id) = path else { return };
        let place = (log, id.level, id.index);
        let mut held = lock(&self.held);
        let Held { tiles, order } = &mut *held;
        match tiles.get_mut(&place) {
            Some(known) if known.len() >= bytes.len() => {}
            Some(known) => *known = bytes.to_vec(),
            None => {
                tiles.insert(place, bytes.to_vec());
                order.push_back(place);
                if order.len() > TILES_MAX
                    && let Some(oldest) = order.pop_front()
                {
                    tiles.remove(&oldest);
                }
            }
        }
    }

    fn get(&self, log: Log, id: &TileId) -> Option<Vec<u8>> {
        let held = lock(&self.held);
        let bytes = held.tiles.get(&(log, id.level, id.index))?;
        bytes.get(..id.byte_len()).map(<[u8]>::to_vec)
    }

    /// Forgets everything: a proof made of it was wrong.
    pub(crate) fn clear(&self) {
        *lock(&self.held) = Held::default();
    }

    pub(crate) fn set_published(&self, log: Log, head: SignedCheckpoint) {
        keep_newer(&mut lock(&self.published)[log.place()], head);
    }

    pub(crate) fn set_witnessed(&self, log: Log, head: SignedCheckpoint) {
        keep_newer(&mut lock(&self.witnessed)[log.place()], head);
    }

    pub(crate) fn witnessed(&self, log: Log) -> Option<SignedCheckpoint> {
        lock(&self.witnessed)[log.place()].clone()
    }

    pub(crate) fn published(&self, log: Log) -> Option<SignedCheckpoint> {
        lock(&self.published)[log.place()].clone()
    }
}

fn keep_newer(known: &mut Option<SignedCheckpoint>, head: SignedCheckpoint) {
    if known.as_ref().is_none_or(|known| known.checkpoint.size <= head.checkpoint.size) {
        *known = Some(head);
    }
}

/// The tiles of a log at the sites, through the cache.
pub(crate) struct SiteTiles<'a> {
    pub(crate) core: &'a Core,
    pub(crate) log: Log,
    pub(crate) permit: &'a Permit,
}

impl TileSource for SiteTiles<'_> {
    type Error = SiteError;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, SiteError> {
        if let Some(bytes) = self.core.tiles.get(self.log, id) {
            return Ok(bytes);
        }
        let path = TilePath::Hashes(*id);
        let whole = |bytes: &[u8]| bytes.len() == id.byte_len();
        let bytes = self.core.sites.get(self.permit, &self.log.path(&path.to_string()), &whole)?;
        self.core.tiles.put(self.log, path, &bytes);
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(index: u64, width: u16) -> (TileId, Vec<u8>) {
        let id = TileId { level: 0, index, width };
        (id, vec![index as u8; id.byte_len()])
    }

    #[test]
    fn a_wider_tile_stands_in_and_a_narrower_one_does_not_replace_it() {
        let cache = TileCache::default();
        let ((narrow, few), (wide, many)) = (tile(3, 2), tile(3, 9));
        cache.put(Log::Records, TilePath::Hashes(narrow), &few);
        assert_eq!(cache.get(Log::Records, &wide), None);
        cache.put(Log::Records, TilePath::Hashes(wide), &many);
        cache.put(Log::Records, TilePath::Hashes(narrow), &few);
        assert_eq!(cache.get(Log::Records, &wide), Some(many));
        assert_eq!(cache.get(Log::Records, &narrow), Some(few));
        assert_eq!(cache.get(Log::Access, &narrow), None);
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = TileCache::default();
        for index in 0..TILES_MAX as u64 + 10 {
            let (id, bytes) = tile(index, 1);
            cache.put(Log::Access, TilePath::Hashes(id), &bytes);
        }
        assert_eq!(lock(&cache.held).tiles.len(), TILES_MAX);
        assert_eq!(cache.get(Log::Access, &tile(0, 1).0), None);
    }
}
