//! A log's tiles, bundles and checkpoints, from the top down: what the database signed says what the highest tiles are, each
//! tile says what those below it are, and the lowest say what the entries are.

use std::time::Duration;

use ledger::sound::{full_tile_root, narrower_bundle, tile_of_bundle};
use ledger::tiles::{self, CHECKPOINT_PATH, LEVEL_MAX, TILE_WIDTH, TileId, TilePath};
use ledger::{Hash, SignedCheckpoint, TileSource, root_from_tiles};
use vault::{Bytes, SiteError};

use super::{Scrub, Went};
use crate::core::Core;
use crate::error::StoreError;
use crate::sequencer::head::Snapshot;
use crate::types::Log;

/// How often, and after which time, it is looked whether a head has reached the sites that is about to.
const PUBLISH_LOOKS: u32 = 100;
const PUBLISH_LOOK: Duration = Duration::from_millis(50);

/// The right bytes of a log's files, as far as they are known.
pub(super) struct Right {
    pub(super) log: Log,
    snapshot: Snapshot,
    /// The tile of each level that was looked at last.
    tiles: Vec<Option<(u64, Bytes)>>,
    bundle: Option<(u64, Bytes)>,
}

impl Right {
    pub(super) fn of(core: &Core, log: Log) -> Result<Option<Self>, StoreError> {
        let Some(mut snapshot) = Snapshot::take(core, log)? else { return Ok(None) };
        for _ in 0..PUBLISH_LOOKS {
            if snapshot.is_published {
                break;
            }
            core.log(log).poke();
            std::thread::sleep(PUBLISH_LOOK);
            match Snapshot::take(core, log)? {
                Some(newer) => snapshot = newer,
                None => return Ok(None),
            }
        }
        let tiles = vec![None; usize::from(LEVEL_MAX) + 1];
        Ok(Some(Self { log, snapshot, tiles, bundle: None }))
    }

    pub(super) const fn size(&self) -> u64 {
        self.snapshot.head.checkpoint.size
    }

    /// How many tiles a level has, the partial one included.
    fn count(&self, level: u8) -> u64 {
        let hashes = self.size().checked_shr(u32::from(level) * 8).unwrap_or(0);
        hashes.div_ceil(u64::from(TILE_WIDTH))
    }

    fn levels(&self) -> u8 {
        (0..=LEVEL_MAX).take_while(|level| self.count(*level) > 0).count() as u8
    }
}

impl Scrub<'_> {
    /// `place` counts the full files done so far, from the highest level down, bundles last.
    pub(super) fn log(&mut self, log: Log, part: i64, place: i64) -> Result<Went, StoreError> {
        let Some(mut right) = Right::of(self.core, log)? else { return Ok(Went::Through) };
        let mut done = 0;
        for level in (0..right.levels()).rev() {
            for index in 0..right.count(level) {
                done += 1;
                if done <= place {
                    continue;
                }
                self.tile(&mut right, level, index)?;
                if self.rests(part, done)? {
                    return Ok(Went::Stopped);
                }
            }
        }
        for index in 0..right.count(0) {
            done += 1;
            if done <= place {
                continue;
            }
            self.bundle(&mut right, index)?;
            if self.rests(part, done)? {
                return Ok(Went::Stopped);
            }
        }
        self.checkpoints(&right)?;
        Ok(Went::Through)
    }

    fn tile(&mut self, right: &mut Right, level: u8, index: u64) -> Result<(), StoreError> {
        let Some(id) = TileId::in_tree(level, index, right.size()) else { return Ok(()) };
        let path = right.log.path(&tiles::path(&id));
        let known = self.right_tile(right, level, index);
        if !id.is_full() && !right.snapshot.is_published {
            return Ok(());
        }
        match known {
            Some(known) => drop(self.see(&path, &|bytes| *bytes == *known, Some(&known))),
            None if self.answered() => {
                self.see(&path, &|_| false, None);
                self.lost(&path, proofs_of(level, &id));
            }
            None => drop(self.see(&path, &|_| false, None)),
        }
        Ok(())
    }

    fn bundle(&mut self, right: &mut Right, index: u64) -> Result<(), StoreError> {
        let Some(id) = TileId::in_tree(0, index, right.size()) else { return Ok(()) };
        let path = right.log.path(&tiles::entries_path(index, id.width));
        let known = self.right_bundle(right, index);
        if !id.is_full() && !right.snapshot.is_published {
            return Ok(());
        }
        match known {
            Some(known) => drop(self.see(&path, &|bytes| *bytes == *known, Some(&known))),
            None => {
                self.see(&path, &|_| false, None);
                if self.answered() {
                    self.lost(&path, format!("{} entries: whoever rebuilds or audits the log", id.width));
                }
            }
        }
        Ok(())
    }

    /// The right bytes of a tile as wide as the log has it: from the database where it is the last of its level, otherwise the
    /// copy whose root stands in the tile above, or made of the bundle below.
    pub(super) fn right_tile(&mut self, right: &mut Right, level: u8, index: u64) -> Option<Bytes> {
        if let Some((_, known)) = right.tiles[usize::from(level)].as_ref().filter(|(place, _)| *place == index) {
            return Some(known.clone());
        }
        let id = TileId::in_tree(level, index, right.size())?;
        let found = if id.is_full() {
            let width = u64::from(TILE_WIDTH);
            let parent = self.right_tile(right, level + 1, index / width)?;
            let root = Hash::at(&parent, (index % width) as usize)?;
            let path = right.log.path(&tiles::path(&id));
            let sound = |bytes: &[u8]| full_tile_root(bytes) == Some(root);
            self.copy(&path, &sound).or_else(|| self.tile_from_bundle(right, &id).filter(|bytes| sound(bytes)))
        } else {
            right.snapshot.edge.hash_tile(&id).ok().map(Bytes::from)
        }?;
        right.tiles[usize::from(level)] = Some((index, found.clone()));
        Some(found)
    }

    pub(super) fn right_bundle(&mut self, right: &mut Right, index: u64) -> Option<Bytes> {
        if let Some((_, known)) = right.bundle.as_ref().filter(|(place, _)| *place == index) {
            return Some(known.clone());
        }
        let id = TileId::in_tree(0, index, right.size())?;
        let tile = self.right_tile(right, 0, index)?;
        let sound = |bytes: &[u8]| tile_of_bundle(bytes, id.width).is_some_and(|found| found == tile);
        let found = if id.is_full() {
            self.copy(&right.log.path(&tiles::entries_path(index, id.width)), &sound)
        } else {
            let kept = ledger::BundleSource::entry_bundle(&right.snapshot.edge, index, id.width).ok();
            kept.map(Bytes::from).filter(|bytes| sound(bytes))
        }?;
        right.bundle = Some((index, found.clone()));
        Some(found)
    }

    fn tile_from_bundle(&self, right: &Right, id: &TileId) -> Option<Bytes> {
        if id.level > 0 {
            return None;
        }
        let path = right.log.path(&tiles::entries_path(id.index, id.width));
        let bundle = self.copy(&path, &|bytes| tile_of_bundle(bytes, id.width).is_some())?;
        tile_of_bundle(&bundle, id.width).map(Bytes::from)
    }

    /// A sound copy, from whichever site has one.
    fn copy(&self, path: &str, sound: &dyn Fn(&[u8]) -> bool) -> Option<Bytes> {
        let sites = self.targets.iter().chain(&self.others);
        sites
            .into_iter()
            .find_map(|site| self.core.sites.get_at(self.permit, site, path).ok().filter(|bytes| sound(bytes)))
    }

    /// What a file of the log at a site should hold; `None` where the log never had such a file.
    pub(super) fn right_file(&mut self, right: &mut Right, path: TilePath) -> Option<Bytes> {
        match path {
            TilePath::Hashes(id) => {
                let whole = self.right_tile(right, id.level, id.index)?;
                (whole.len() >= id.byte_len()).then(|| whole.slice(..id.byte_len()))
            }
            TilePath::Entries { index, width } => {
                let whole = self.right_bundle(right, index)?;
                narrower_bundle(&whole, width).map(Bytes::copy_from_slice)
            }
        }
    }

    /// Each site's checkpoint must be a head that the log had. One that is not is replaced by the newest.
    fn checkpoints(&mut self, right: &Right) -> Result<(), StoreError> {
        let path = right.log.path(CHECKPOINT_PATH);
        let keys = [self.core.log(right.log).signer.verifier().clone()];
        let source = crate::sequencer::tiles::SiteTiles { core: self.core, log: right.log, permit: self.permit };
        let sound = |bytes: &[u8]| {
            SignedCheckpoint::open(bytes, &keys).is_ok_and(|found| {
                let (size, root) = (found.checkpoint.size, found.checkpoint.root);
                let snapshot = &right.snapshot;
                let published = snapshot.published.as_ref().filter(|head| head.checkpoint.size == size);
                match published {
                    // Cosignatures are not ours to check, so every bit of them must be as it was published.
                    Some(published) => bytes == published.note || bytes == snapshot.head.note,
                    // A newer one than the snapshot was published meanwhile: its own signature is all there is to go by.
                    None if size > right.size() => true,
                    None => root_from_tiles(size, &source).map_or(true, |computed| computed == root),
                }
            })
        };
        for site in self.targets.clone() {
            let damaged = match self.core.sites.get_at(self.permit, &site, &path) {
                Ok(bytes) => {
                    self.read(&site, bytes.len());
                    !sound(&bytes)
                }
                Err(SiteError::NotFound { .. }) if right.snapshot.is_published => {
                    self.at(&site).missing += 1;
                    self.replace(right, &site, &path);
                    continue;
                }
                Err(SiteError::NotFound { .. }) => continue,
                Err(error) => {
                    self.at(&site).fault = Some(error.to_string());
                    continue;
                }
            };
            if damaged {
                self.at(&site).damaged += 1;
                self.replace(right, &site, &path);
            }
        }
        Ok(())
    }

    fn replace(&mut self, right: &Right, site: &str, path: &str) {
        let newest = match Snapshot::take(self.core, right.log) {
            Ok(Some(newest)) => newest.published.unwrap_or(newest.head),
            _ => right.snapshot.head.clone(),
        };
        match self.core.sites.mend_at(self.permit, site, path, Bytes::from(newest.note)) {
            Ok(()) => self.at(site).repaired += 1,
            Err(error) => self.at(site).fault = Some(error.to_string()),
        }
    }
}

fn proofs_of(level: u8, id: &TileId) -> String {
    let leaves = u64::from(id.width) << (u32::from(level.min(6)) * 8);
    format!("proofs of {leaves} entries, which are still in their bundles")
}
