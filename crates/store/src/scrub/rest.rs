//! What else stands at the sites: narrower tiles from when the log was shorter, which are judged as well, and what nothing asks
//! for, which is named and left.

use ledger::tiles::{CHECKPOINT_PATH, TileId, TilePath};
use rusqlite::OptionalExtension;
use vault::SiteError;

use super::logs::Right;
use super::right::pack_is_right;
use super::{NAMED_MAX, Scrub, Went};
use crate::error::{AtStep, StoreError};
use crate::types::Log;

impl Scrub<'_> {
    pub(super) fn rest(&mut self) -> Result<Went, StoreError> {
        let mut logs = Vec::new();
        for log in Log::ALL {
            logs.extend(Right::of(self.core, log)?);
        }
        for site in self.targets.clone() {
            if self.rest_of(&site, &mut logs)? == Went::Stopped {
                return Ok(Went::Stopped);
            }
        }
        Ok(Went::Through)
    }

    fn rest_of(&mut self, site: &str, logs: &mut [Right]) -> Result<Went, StoreError> {
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            if self.stop.load(std::sync::atomic::Ordering::SeqCst) {
                return Ok(Went::Stopped);
            }
            let listing = match self.core.sites.list_at(self.permit, site, &folder) {
                Ok(listing) => listing,
                Err(error) => {
                    self.at(site).fault = Some(error.to_string());
                    return Ok(Went::Through);
                }
            };
            folders.extend(listing.folders);
            for (path, _) in listing.objects {
                self.one_of_rest(site, &path, logs)?;
            }
        }
        Ok(Went::Through)
    }

    fn one_of_rest(&mut self, site: &str, path: &str, logs: &mut [Right]) -> Result<(), StoreError> {
        if path.starts_with("pack/") {
            if !self.is_named(path)? {
                let fault = match self.core.sites.get_at(self.permit, site, path) {
                    Ok(bytes) if pack_is_right(path, &bytes) => "",
                    Ok(_) => " (damaged)",
                    Err(_) => " (not readable)",
                };
                self.unknown(site, &format!("{path}{fault}"));
            }
            return Ok(());
        }
        let of_log = logs.iter_mut().find_map(|right| {
            let rest = path.strip_prefix(&right.log.path(""))?;
            Some((right, rest.to_owned()))
        });
        let Some((right, below)) = of_log else {
            self.unknown(site, path);
            return Ok(());
        };
        if below == CHECKPOINT_PATH {
            return Ok(());
        }
        let Ok(tile) = ledger::tiles::parse_path(&below) else {
            self.unknown(site, path);
            return Ok(());
        };
        let (level, index, width) = match tile {
            TilePath::Hashes(id) => (id.level, id.index, id.width),
            TilePath::Entries { index, width } => (0, index, width),
        };
        match right.as_wide(level, index) {
            // Looked at already, as what must be there.
            Some(now) if now.width == width => {}
            Some(now) if now.width > width => match self.right_file(right, tile) {
                Some(known) => self.narrower(site, path, &known),
                None => self.unknown(site, path),
            },
            // Wider than the log was when this began: it has grown since.
            _ => {}
        }
        Ok(())
    }

    fn narrower(&mut self, site: &str, path: &str, known: &[u8]) {
        match self.core.sites.get_at(self.permit, site, path) {
            Ok(bytes) => {
                self.read(site, bytes.len());
                if bytes == known {
                    return;
                }
                self.at(site).damaged += 1;
                self.put_right(site, path, &vault::Bytes::copy_from_slice(known));
            }
            // Nobody needs it any more.
            Err(SiteError::NotFound { .. }) => {}
            Err(error) => self.at(site).fault = Some(error.to_string()),
        }
    }

    fn unknown(&mut self, site: &str, path: &str) {
        self.at(site).unknown += 1;
        if self.report.unknown.len() < NAMED_MAX {
            self.report.unknown.push((site.to_owned(), path.to_owned()));
        }
    }

    fn is_named(&self, path: &str) -> Result<bool, StoreError> {
        let step = "looking for a pack";
        self.core.readers.snapshot(step, |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM pack WHERE path = ?").at(step)?;
            let found: Option<i64> = statement.query_row([path], |row| row.get(0)).optional().at(step)?;
            Ok(found.is_some())
        })
    }
}

impl Right {
    /// The tile as wide as the log has it.
    fn as_wide(&self, level: u8, index: u64) -> Option<TileId> {
        TileId::in_tree(level, index, self.size())
    }
}
