//! Scrubbing: everything at the sites is read back and judged by what stands above it, and what is missing or damaged is
//! repaired from a sound copy. Not the comparison of names and sizes, which sites do among themselves.
//!
//! | part | judged by |
//! |---|---|
//! | packs, segments among them | the name, which is the SHA-256, and the structure of each frame within |
//! | tiles, bundles | the parent's hash, up to the end of the log as the database holds it under its signed root |
//! | checkpoints | signature and root |
//! | everything else | nothing: it is named and left |
//!
//! What must be there is told by the database: its table of packs, and the sizes of the logs. A thing of which no site has a
//! sound copy is lost; it is named with what depends on it.

mod logs;
mod packs;
mod rest;
mod right;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use policy::{Action, Permit};
use serde::{Deserialize, Serialize};
use vault::{Bytes, SiteError};

use crate::Store;
use crate::core::{Core, check_action};
use crate::error::StoreError;
use crate::journal::try_lock;
use crate::types::Log;

pub use right::{Copies, RightLog, checkpoint_is_right, pack_is_right};
pub use table::{Drill, DrillOutcome, LastScrub};

/// Most things named in a report, of each kind.
const NAMED_MAX: usize = 1_000;
/// After so many objects the cursor is written.
const CURSOR_OBJECTS: u64 = 500;
/// Held in the store's folder of locks while one scrubs.
const SCRUB_LOCK: &str = "scrub.lock";

/// How a scrub is done.
#[derive(Debug, Clone, Default)]
pub struct ScrubConfig {
    /// The sites to look at; all of them where empty. The others are still read where a sound copy is looked for.
    pub sites: Vec<String>,
    /// Most bytes read a second; as fast as it goes where `None`.
    pub bytes_per_s: Option<u64>,
}

/// What a scrub found at one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteScrub {
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Objects that should have been there and were not.
    pub missing: u64,
    /// Objects that were not what they should be.
    pub damaged: u64,
    /// Of both, those that were put right.
    pub repaired: u64,
    /// Objects that nothing asks for; they are left.
    pub unknown: u64,
    /// What the site said when it could not be read or written, the last time.
    pub fault: Option<String>,
}

/// What a scrub found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubReport {
    /// At each site.
    pub sites: BTreeMap<String, SiteScrub>,
    /// Paths of which no site that answers has a sound copy, with what depends on them.
    pub lost: Vec<(String, String)>,
    /// How many there are of them, named or not.
    pub lost_count: u64,
    /// Objects that nothing asks for: site and path.
    pub unknown: Vec<(String, String)>,
    /// Whether it came to its end. Otherwise the next one goes on from here.
    pub ended: bool,
}

impl ScrubReport {
    /// Whether everything that must be there is there and right by now.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let well = |site: &SiteScrub| site.fault.is_none() && site.missing + site.damaged == site.repaired;
        self.ended && self.lost_count == 0 && self.sites.values().all(well)
    }
}

/// One scrub on its way.
struct Scrub<'a> {
    core: &'a Core,
    permit: &'a Permit,
    /// The sites looked at, then the others.
    targets: Vec<String>,
    others: Vec<String>,
    bytes_per_s: Option<u64>,
    stop: &'a AtomicBool,
    report: ScrubReport,
    begun_us: i64,
    since_cursor: u64,
}

/// The parts of a scrub, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Packs,
    Records,
    Access,
    Rest,
}

impl Part {
    const ALL: [Self; 4] = [Self::Packs, Self::Records, Self::Access, Self::Rest];
}

/// Goes on, or was told to stop.
#[derive(PartialEq, Eq)]
enum Went {
    Through,
    Stopped,
}

impl Store {
    /// Reads everything at the sites back and repairs it. Goes on where an earlier one over the same sites was broken off, and
    /// ends early once `stop` is set. One at a time: `None` where another process scrubs.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Site`] for a site that is not configured, [`StoreError::Database`],
    /// [`StoreError::File`]. What is wrong at a site is no error but stands in the report.
    pub fn scrub(
        &self,
        permit: &Permit,
        config: &ScrubConfig,
        stop: &AtomicBool,
    ) -> Result<Option<ScrubReport>, StoreError> {
        check_action(permit, "scrub", &[Action::Repair])?;
        let core = self.core();
        let names = core.sites.names();
        if let Some(name) = config.sites.iter().find(|name| !names.contains(name)) {
            return Err(SiteError::Config { reason: format!("there is no site {name}") }.into());
        }
        let Some(_lock) = try_lock(&core.folder.join("locks").join(SCRUB_LOCK))? else { return Ok(None) };
        let is_target = |name: &String| config.sites.is_empty() || config.sites.contains(name);
        let (targets, others): (Vec<String>, Vec<String>) = names.into_iter().partition(is_target);
        let cursor = table::cursor(core)?.filter(|cursor| cursor.report.sites.keys().eq(&targets));
        let cursor = cursor.unwrap_or_else(|| {
            let sites = targets.iter().map(|name| (name.clone(), SiteScrub::default())).collect();
            table::Cursor::begin(core.clock.now_us(), ScrubReport { sites, ..ScrubReport::default() })
        });
        let mut scrub = Scrub {
            core,
            permit,
            targets,
            others,
            bytes_per_s: config.bytes_per_s,
            stop,
            report: cursor.report,
            begun_us: cursor.begun_us,
            since_cursor: 0,
        };
        let went = scrub.run(cursor.part, cursor.place)?;
        scrub.report.ended = went == Went::Through;
        if scrub.report.ended {
            table::end(core, scrub.begun_us, core.clock.now_us(), &scrub.report)?;
        }
        Ok(Some(scrub.report))
    }

    /// What the last scrub that came to its end found at each site.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn last_scrubs(&self) -> Result<Vec<LastScrub>, StoreError> {
        table::last(self.core())
    }

    /// The restore drills, newest first, at most `count`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn drills(&self, count: u32) -> Result<Vec<Drill>, StoreError> {
        table::drills(self.core(), count)
    }

    /// Keeps the record of a restore drill.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn note_drill(&self, drill: Drill) -> Result<(), StoreError> {
        table::note_drill(self.core(), drill)
    }
}

impl Scrub<'_> {
    fn run(&mut self, part: i64, place: i64) -> Result<Went, StoreError> {
        let first = usize::try_from(part).unwrap_or(0).min(Part::ALL.len() - 1);
        for (number, part) in Part::ALL.into_iter().enumerate().skip(first) {
            let place = if number == first { place } else { 0 };
            let went = match part {
                Part::Packs => self.packs(number as i64, place)?,
                Part::Records => self.log(Log::Records, number as i64, place)?,
                Part::Access => self.log(Log::Access, number as i64, place)?,
                Part::Rest => self.rest()?,
            };
            if went == Went::Stopped {
                return Ok(went);
            }
            if number + 1 < Part::ALL.len() {
                self.keep_cursor(number as i64 + 1, 0)?;
            }
        }
        Ok(Went::Through)
    }

    /// Reads one object at every site looked at, judges it, and repairs it where it is to be there. Gives whether a sound copy
    /// was found anywhere.
    fn see(&mut self, path: &str, sound: &dyn Fn(&[u8]) -> bool, known: Option<&[u8]>) -> Option<Bytes> {
        let mut right = known.map(Bytes::copy_from_slice);
        let mut wrong: Vec<(String, bool)> = Vec::new();
        for site in self.targets.clone() {
            match self.core.sites.get_at(self.permit, &site, path) {
                Ok(bytes) => {
                    self.read(&site, bytes.len());
                    if sound(&bytes) {
                        right.get_or_insert(bytes);
                    } else {
                        wrong.push((site, true));
                    }
                }
                Err(SiteError::NotFound { .. }) => wrong.push((site, false)),
                Err(error) => self.at(&site).fault = Some(error.to_string()),
            }
        }
        for (site, damaged) in &wrong {
            let here = self.at(site);
            if *damaged {
                here.damaged += 1;
            } else {
                here.missing += 1;
            }
        }
        if wrong.is_empty() {
            return right;
        }
        if right.is_none() {
            right = self
                .others
                .iter()
                .find_map(|site| self.core.sites.get_at(self.permit, site, path).ok().filter(|bytes| sound(bytes)));
        }
        if let Some(right) = &right {
            for (site, _) in &wrong {
                self.put_right(site, path, right);
                tracing::warn!(site, path, "an object was missing or damaged at a site");
            }
        }
        right
    }

    /// Puts a sound copy in the place of a site's own. One below a head of another history is left as it is: the site says so.
    fn put_right(&mut self, site: &str, path: &str, right: &Bytes) {
        match self.core.sites.mend_at(self.permit, site, path, right.clone()) {
            Ok(()) => self.at(site).repaired += 1,
            Err(error) => drop(self.at(site).fault.get_or_insert_with(|| error.to_string())),
        }
    }

    fn at(&mut self, site: &str) -> &mut SiteScrub {
        self.report.sites.entry(site.to_owned()).or_default()
    }

    fn read(&mut self, site: &str, bytes: usize) {
        let here = self.at(site);
        here.objects += 1;
        here.bytes += bytes as u64;
        self.since_cursor += 1;
        if let Some(rate) = self.bytes_per_s.filter(|rate| *rate > 0) {
            let pause_us = (bytes as u64).saturating_mul(1_000_000) / rate;
            std::thread::sleep(Duration::from_micros(pause_us));
        }
    }

    fn lost(&mut self, path: &str, depends: String) {
        tracing::error!(path, depends, "no site has a sound copy of an object");
        self.report.lost_count += 1;
        if self.report.lost.len() < NAMED_MAX {
            self.report.lost.push((path.to_owned(), depends));
        }
    }

    /// Whether to stop here; writes the cursor now and then, and then in any case.
    fn rests(&mut self, part: i64, place: i64) -> Result<bool, StoreError> {
        let stop = self.stop.load(Ordering::SeqCst) || self.core.closing.load(Ordering::SeqCst);
        if stop || self.since_cursor >= CURSOR_OBJECTS {
            self.keep_cursor(part, place)?;
        }
        Ok(stop)
    }

    fn keep_cursor(&mut self, part: i64, place: i64) -> Result<(), StoreError> {
        self.since_cursor = 0;
        let cursor = table::Cursor { begun_us: self.begun_us, part, place, report: self.report.clone() };
        table::keep_cursor(self.core, &cursor)
    }
}
