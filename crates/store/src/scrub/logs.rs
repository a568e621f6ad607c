//! A log's tiles, bundles and checkpoints, from the top down: what the database signed says what the highest tiles are, each
//! tile says what those below it are, and the lowest say what the entries are.

use std::time::Duration;

use ledger::tiles::{self, CHECKPOINT_PATH, LEVEL_MAX, TILE_WIDTH, TileId, TilePath};
use ledger::{SignedCheckpoint, VerifierKey};
use vault::{Bytes, SiteError};

use super::right::{RightLog, checkpoint_is_right};
use super::{Scrub, Went};
use crate::core::Core;
use crate::error::StoreError;
use crate::sequencer::head::{self, Edge, Snapshot};
use crate::types::Log;

/// How often, and after which time, it is looked whether a head has reached the sites that is about to.
const PUBLISH_LOOKS: u32 = 100;
const PUBLISH_LOOK: Duration = Duration::from_millis(50);

/// A log as the database has it, and the right bytes of its files.
pub(super) struct Right {
    pub(super) log: Log,
    snapshot: Snapshot,
    files: RightLog<Edge>,
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
        let files = RightLog::new(snapshot.head.checkpoint.size, snapshot.edge.clone());
        Ok(Some(Self { log, snapshot, files }))
    }

    pub(super) const fn size(&self) -> u64 {
        self.files.size()
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
        head::accept_ours(self.core, log, self.permit)?;
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
        let known = self.right_file(right, TilePath::Hashes(id));
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
        let known = self.right_file(right, TilePath::Entries { index, width: id.width });
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

    /// A sound copy, from whichever site has one.
    fn copy(&self, path: &str, sound: &dyn Fn(&[u8]) -> bool) -> Option<Bytes> {
        let sites = self.targets.iter().chain(&self.others);
        sites
            .into_iter()
            .find_map(|site| self.core.sites.get_at(self.permit, site, path).ok().filter(|bytes| sound(bytes)))
    }

    /// What a file of the log at a site should hold; `None` where the log never had such a file.
    pub(super) fn right_file(&self, right: &mut Right, path: TilePath) -> Option<Bytes> {
        let log = right.log;
        right.files.file(path, &|path, sound| self.copy(&log.path(&path.to_string()), sound))
    }

    /// Each site's checkpoint must be a head that the log had. One that is not is replaced by the newest.
    fn checkpoints(&mut self, right: &Right) -> Result<(), StoreError> {
        let path = right.log.path(CHECKPOINT_PATH);
        let key = self.core.log(right.log).signer.verifier().clone();
        let Snapshot { head, published, .. } = &right.snapshot;
        // A site's own tiles would lead to whatever head it holds.
        let root_at = |size| head::root_at(self.core, right.log, self.permit, size).ok().flatten();
        let is_ours = |found: &SignedCheckpoint| {
            let heads = published.iter().chain([head]);
            heads.into_iter().any(|head| head.checkpoint == found.checkpoint)
        };
        // Of how many leaves, where it is a head of another history, or of another log.
        let contradicting = |bytes: &[u8]| match SignedCheckpoint::open(bytes, std::slice::from_ref(&key)) {
            Ok(found) => (!is_ours(&found)).then_some(found.checkpoint.size),
            Err(ledger::Error::Untrusted { .. }) => {
                head::stated(bytes).filter(|found| found.origin != head.checkpoint.origin).map(|found| found.size)
            }
            Err(_) => None,
        };
        let sound = |bytes: &[u8]| checkpoint_is_right(bytes, &key, head, published.as_ref(), &root_at);
        for site in self.targets.clone() {
            let other = match self.core.sites.get_at(self.permit, &site, &path) {
                Ok(bytes) => {
                    self.read(&site, bytes.len());
                    if sound(&bytes) && !self.is_ahead(right, &bytes, &key)? {
                        continue;
                    }
                    contradicting(&bytes)
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
            self.at(&site).damaged += 1;
            if let Some(size) = other {
                // The one proof that somebody else signed: people decide what becomes of it.
                let fault = format!("its checkpoint is of another history, with {size} leaves, and was left as it is");
                self.at(&site).fault = Some(fault);
            } else {
                self.replace(right, &site, &path);
            }
        }
        Ok(())
    }

    /// Whether a checkpoint is of more than the database has, which has every head before a site does.
    fn is_ahead(&self, right: &Right, bytes: &[u8], key: &VerifierKey) -> Result<bool, StoreError> {
        let Ok(found) = SignedCheckpoint::open(bytes, std::slice::from_ref(key)) else { return Ok(false) };
        if found.checkpoint.size <= right.size() {
            return Ok(false);
        }
        let newest = Snapshot::take(self.core, right.log)?;
        Ok(newest.is_none_or(|newest| found.checkpoint.size > newest.head.checkpoint.size))
    }

    fn replace(&mut self, right: &Right, site: &str, path: &str) {
        let newest = match Snapshot::take(self.core, right.log) {
            Ok(Some(newest)) => newest.published.unwrap_or(newest.head),
            _ => right.snapshot.head.clone(),
        };
        self.put_right(site, path, &Bytes::from(newest.note));
    }
}

fn proofs_of(level: u8, id: &TileId) -> String {
    let leaves = u64::from(id.width) << (u32::from(level.min(6)) * 8);
    format!("proofs of {leaves} entries, which are still in their bundles")
}
