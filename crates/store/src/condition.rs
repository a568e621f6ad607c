//! How the installation is doing, for everybody who tells: the command line, readiness checks, the portal's page. Counts, states
//! and times; nothing about a person. Whoever shows it brings the words.

use base::{Clock as _, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use vault::{KeyStoreStatus, SiteStatus};

use crate::Store;
use crate::error::{AtStep, StoreError};
use crate::jobs::Jobs;
use crate::scrub::{Drill, DrillOutcome, LastScrub};
use crate::sequencer::outbox;
use crate::stamps::Stamp;
use crate::types::Log;
use crate::witnessing::Witnessed;

/// Seconds that an entry may wait to be sealed before somebody should look.
pub const WAITING_S_MAX: i64 = 60;
/// Days after which a scrub is too long ago.
pub const SCRUB_DAYS_MAX: i64 = 31;
/// Days after which a restore drill is too long ago.
pub const DRILL_DAYS_MAX: i64 = 100;

/// Intervals after which a time-stamp that should be there is missed: an authority may fail once.
const STAMP_INTERVALS_MAX: i64 = 2;

/// How good a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// In order.
    Well,
    /// It works, and somebody should look.
    Look,
    /// It does not work.
    Broken,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCondition {
    /// Which.
    pub log: Log,
    /// Entries under the newest published checkpoint.
    pub sealed: u64,
    /// Entries that are accepted and wait.
    pub waiting: u64,
    /// Seconds that the oldest of them has waited; `None` where none waits.
    pub oldest_s: Option<i64>,
    /// Why sealing does not get on, where it does not.
    pub fault: Option<String>,
    /// How far it is witnessed; `None` where nobody witnesses it.
    pub witnessed: Option<Witnessed>,
    /// Its newest time-stamp.
    pub stamped: Option<Stamped>,
    /// Whether it should have a newer one by now.
    pub stamp_overdue: bool,
    /// Seconds that the oldest entry has waited that nobody watched over yet; `None` where none waits, and for the log of records.
    pub unwatched_s: Option<i64>,
}

/// The newest time-stamp over a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// Entries that it is over.
    pub size: u64,
    /// When, as the authority says.
    pub at: Timestamp,
    /// What the configuration calls the authority.
    pub authority: String,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteCondition {
    /// As far as this process knows.
    pub status: SiteStatus,
    /// What the last scrub found; `None` where there was none.
    pub scrub: Option<LastScrub>,
}

/// How the installation is doing.
#[derive(Debug, Clone)]
pub struct Condition {
    /// When it was looked.
    pub at: Timestamp,
    /// Both logs.
    pub logs: Vec<LogCondition>,
    /// Whether an outside authority is configured that time-stamps them.
    pub has_authority: bool,
    /// Every site.
    pub sites: Vec<SiteCondition>,
    /// How many sites must have what is acknowledged.
    pub sites_wanted: usize,
    /// Every key store.
    pub key_stores: Vec<KeyStoreStatus>,
    /// How many key stores must have a new key.
    pub key_stores_wanted: usize,
    /// Why the data folder cannot be written, where it cannot.
    pub disk_fault: Option<String>,
    /// The last restore drill.
    pub drill: Option<Drill>,
    /// How messages to people outside, such as alerts, get on.
    pub jobs: Jobs,
}

impl LogCondition {
    /// A log that is empty, and of which nothing is to be told.
    #[must_use]
    pub const fn empty(log: Log) -> Self {
        Self {
            log,
            sealed: 0,
            waiting: 0,
            oldest_s: None,
            fault: None,
            witnessed: None,
            stamped: None,
            stamp_overdue: false,
            unwatched_s: None,
        }
    }

    /// How good.
    #[must_use]
    pub fn grade(&self) -> Grade {
        if self.fault.is_some() {
            Grade::Broken
        } else if self.is_behind() || !self.is_witnessed() || self.stamp_overdue || self.is_unwatched() {
            Grade::Look
        } else {
            Grade::Well
        }
    }

    /// Whether something has waited too long.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.oldest_s.is_some_and(|oldest_s| oldest_s > WAITING_S_MAX)
    }

    /// Whether an entry has waited too long until rules look at it.
    #[must_use]
    pub fn is_unwatched(&self) -> bool {
        self.unwatched_s.is_some_and(|oldest_s| oldest_s > WAITING_S_MAX)
    }

    /// Whether no witness is missed. A head is published a moment before it is noted as witnessed: only a fault is one.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        self.witnessed.as_ref().is_none_or(|witnessed| witnessed.fault.is_none() || witnessed.size >= self.sealed)
    }
}

impl SiteCondition {
    /// How good, by the time that it was looked. That everything there can be read is known of no site that was never scrubbed.
    #[must_use]
    pub fn grade(&self, at: Timestamp) -> Grade {
        let is_well = |one: &LastScrub| {
            one.lost == 0 && one.found <= one.repaired && one.fault.is_none() && days(one.ended, at) <= SCRUB_DAYS_MAX
        };
        if !self.status.reachable {
            Grade::Broken
        } else if self.status.pending > 0 || !self.scrub.as_ref().is_some_and(is_well) {
            Grade::Look
        } else {
            Grade::Well
        }
    }
}

impl Drill {
    /// How good, by the time that it was looked.
    #[must_use]
    pub fn grade(&self, at: Timestamp) -> Grade {
        let is_old = days(self.ended, at) > DRILL_DAYS_MAX;
        if is_old || self.outcome == DrillOutcome::Unequal { Grade::Look } else { Grade::Well }
    }
}

/// Whole days between two times.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / 86_400
}

impl Condition {
    /// How many sites can be used.
    #[must_use]
    pub fn sites_left(&self) -> usize {
        self.sites.iter().filter(|site| site.status.reachable).count()
    }

    /// How many key stores can be used.
    #[must_use]
    pub fn key_stores_left(&self) -> usize {
        self.key_stores.iter().filter(|store| store.reachable).count()
    }

    /// Whether anything new is taken in.
    #[must_use]
    pub fn takes_in(&self) -> bool {
        self.disk_fault.is_none()
            && self.sites_left() >= self.sites_wanted
            && self.key_stores_left() >= self.key_stores_wanted
    }

    /// How good the last restore drill is. That it can be made again is known of no installation that never tried.
    #[must_use]
    pub fn drill_grade(&self) -> Grade {
        self.drill.as_ref().map_or(Grade::Look, |drill| drill.grade(self.at))
    }

    /// How good all of it is: what one of three makes up for is no reason to close.
    #[must_use]
    pub fn grade(&self) -> Grade {
        if !self.takes_in() || self.logs.iter().any(|log| log.grade() == Grade::Broken) {
            return Grade::Broken;
        }
        let look = self.logs.iter().any(|log| log.grade() != Grade::Well)
            || self.sites.iter().any(|site| site.grade(self.at) != Grade::Well)
            || self.key_stores.iter().any(|store| !store.reachable || store.behind)
            || self.drill_grade() != Grade::Well
            || !self.jobs.get_on();
        if look { Grade::Look } else { Grade::Well }
    }
}

impl Store {
    /// How the installation is doing, as far as this process knows. Writes and removes a small file, as [`Store::probe`] does.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn condition(&self) -> Result<Condition, StoreError> {
        let core = self.core();
        let health = self.health();
        let at = core.clock.now();
        let mut scrubs = self.last_scrubs()?;
        let mut logs = Vec::new();
        for log in Log::ALL {
            let oldest_us =
                core.readers.snapshot("reading what waits longest", |connection| oldest(connection, log))?;
            let unwatched_us = match log {
                Log::Records => None,
                Log::Access => core.readers.snapshot("reading what is not watched", unwatched)?,
            };
            let waited_s = |us: i64| (at.as_microsecond() - us).max(0) / 1_000_000;
            let place = log.place();
            let sealed = health.published[place];
            let stamped = self.newest_stamp(log)?.map(Stamped::try_from).transpose()?;
            logs.push(LogCondition {
                log,
                sealed,
                waiting: health.waiting[place],
                oldest_s: oldest_us.map(waited_s),
                unwatched_s: unwatched_us.map(waited_s),
                fault: health.faults[place].clone(),
                witnessed: health.witnessed[place].clone(),
                stamp_overdue: is_overdue(sealed, stamped.as_ref(), at, core.config.stamp_interval_s),
                stamped,
            });
        }
        let sites = health.sites.into_iter().map(|status| {
            let place = scrubs.iter().position(|one| one.site == status.name);
            SiteCondition { scrub: place.map(|place| scrubs.swap_remove(place)), status }
        });
        Ok(Condition {
            at,
            logs,
            has_authority: core.config.stamp_interval_s.is_some(),
            sites: sites.collect(),
            sites_wanted: core.sites.quorum(),
            key_stores: core.key_stores.status(),
            key_stores_wanted: core.key_stores.quorum(),
            disk_fault: self.probe().err().map(|error| error.to_string()),
            drill: self.drills(1)?.pop(),
            jobs: self.jobs()?,
        })
    }
}

impl TryFrom<Stamp> for Stamped {
    type Error = StoreError;

    fn try_from(stamp: Stamp) -> Result<Self, StoreError> {
        let at = Timestamp::from_second(stamp.time_s);
        let at = at.map_err(|error| StoreError::Damaged { what: "a time-stamp", reason: error.to_string() })?;
        Ok(Self { size: stamp.size, at, authority: stamp.authority })
    }
}

/// Whether a log should have a newer time-stamp: it has grown since the last one, and that is two intervals old.
fn is_overdue(sealed: u64, stamped: Option<&Stamped>, now: Timestamp, interval_s: Option<i64>) -> bool {
    let Some(interval_s) = interval_s.filter(|_| sealed > 0) else { return false };
    stamped.is_none_or(|stamped| {
        let age_s = now.as_second().saturating_sub(stamped.at.as_second());
        stamped.size < sealed && age_s > STAMP_INTERVALS_MAX.saturating_mul(interval_s)
    })
}

/// When what waits longest was accepted, or claimed for the log by a program that did not live to publish it.
fn oldest(connection: &Connection, log: Log) -> Result<Option<i64>, StoreError> {
    let step = "reading what waits longest";
    let sql = format!(
        "SELECT min(since_us) FROM (SELECT * FROM (SELECT since_us FROM {} ORDER BY no LIMIT 1) \
         UNION ALL SELECT swapped_us FROM log_head WHERE log = ? AND size > published_size)",
        outbox(log)
    );
    connection.prepare_cached(&sql).at(step)?.query_row([log.name()], |row| row.get(0)).at(step)
}

/// When the first entry was made that the watch has not come to.
fn unwatched(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let step = "reading what is not watched";
    let sql = "SELECT time_us FROM access_entry WHERE row > (SELECT number FROM watch_position) ORDER BY row LIMIT 1";
    connection.prepare_cached(sql).at(step)?.query_row([], |row| row.get(0)).optional().at(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition() -> Condition {
        let at = Timestamp::from_second(1_800_000_000).expect("a time");
        let site = |name: &str| SiteCondition {
            status: SiteStatus { name: name.to_owned(), reachable: true, pending: 0, last_fault: None },
            scrub: Some(scrub(1, 0, 0, 0)),
        };
        let log = |log| LogCondition { sealed: 5, ..LogCondition::empty(log) };
        let key_store =
            |name: &str| KeyStoreStatus { name: name.to_owned(), reachable: true, behind: false, last_fault: None };
        Condition {
            at,
            logs: Log::ALL.map(log).to_vec(),
            has_authority: false,
            sites: ["a", "b", "c"].map(site).to_vec(),
            sites_wanted: 2,
            key_stores: ["a", "b", "c"].map(key_store).to_vec(),
            key_stores_wanted: 2,
            disk_fault: None,
            drill: Some(drill(1, DrillOutcome::Equal)),
            jobs: Jobs::default(),
        }
    }

    fn scrub(days_ago: i64, found: u64, repaired: u64, lost: u64) -> LastScrub {
        LastScrub {
            site: "a".to_owned(),
            ended: Timestamp::from_second(1_800_000_000 - days_ago * 86_400).expect("a time"),
            objects: 9,
            bytes: 9,
            found,
            repaired,
            unknown: 0,
            lost,
            fault: None,
        }
    }

    fn drill(days_ago: i64, outcome: DrillOutcome) -> Drill {
        Drill {
            begun: Timestamp::UNIX_EPOCH,
            ended: Timestamp::from_second(1_800_000_000 - days_ago * 86_400).expect("a time"),
            site: "a".to_owned(),
            outcome,
            resources: 1,
            objects: 1,
            rows: 1,
            result: String::new(),
        }
    }

    #[test]
    fn a_time_stamp_may_be_two_intervals_old() {
        let time = |second| Timestamp::from_second(second).expect("a time");
        let stamped = Stamped { size: 5, at: time(1_000), authority: "a".to_owned() };
        let overdue = |sealed, stamped, now_s, interval| is_overdue(sealed, stamped, time(now_s), interval);
        assert!(!overdue(9, None, 0, None), "none is configured");
        assert!(!overdue(0, None, 0, Some(3_600)), "there is nothing to stamp");
        assert!(overdue(9, None, 0, Some(3_600)), "nothing is under one");
        assert!(!overdue(9, Some(&stamped), 8_200, Some(3_600)));
        assert!(overdue(9, Some(&stamped), 8_201, Some(3_600)));
        assert!(!overdue(5, Some(&stamped), 1 << 30, Some(3_600)), "it is over everything");
        let mut now = condition();
        now.logs[0].stamp_overdue = true;
        assert_eq!(now.grade(), Grade::Look);
    }

    #[test]
    fn a_message_that_fails_is_looked_at_and_one_that_waits_its_turn_is_not() {
        let mut now = condition();
        now.jobs.waiting = 3;
        assert_eq!(now.grade(), Grade::Well);
        now.jobs.again = 1;
        assert_eq!(now.grade(), Grade::Look);
        now.jobs = Jobs { failed: 1, ..Jobs::default() };
        assert_eq!(now.grade(), Grade::Look);
    }

    #[test]
    fn one_lost_is_to_be_looked_at_and_two_are_broken() {
        let mut now = condition();
        assert_eq!((now.grade(), now.takes_in()), (Grade::Well, true));
        now.sites[1].status.reachable = false;
        assert_eq!((now.grade(), now.takes_in()), (Grade::Look, true));
        now.sites[2].status.reachable = false;
        assert_eq!((now.grade(), now.takes_in()), (Grade::Broken, false));
        let mut now = condition();
        now.key_stores[0].reachable = false;
        assert_eq!(now.grade(), Grade::Look);
        now.key_stores[1].reachable = false;
        assert_eq!(now.grade(), Grade::Broken);
    }

    #[test]
    fn what_waits_too_long_or_was_read_back_too_long_ago_is_looked_at() {
        let mut now = condition();
        now.logs[0].oldest_s = Some(WAITING_S_MAX);
        assert_eq!(now.grade(), Grade::Well);
        now.logs[0].oldest_s = Some(WAITING_S_MAX + 1);
        assert_eq!(now.grade(), Grade::Look);
        now.logs[0].oldest_s = None;
        now.logs[1].unwatched_s = Some(WAITING_S_MAX);
        assert_eq!(now.grade(), Grade::Well);
        now.logs[1].unwatched_s = Some(WAITING_S_MAX + 1);
        assert_eq!(now.grade(), Grade::Look, "the watch stands still");
        now.logs[0].fault = Some("1 of 2 sites".to_owned());
        assert_eq!(now.grade(), Grade::Broken);
        let mut now = condition();
        for (scrub, grade) in [
            (scrub(1, 0, 0, 0), Grade::Well),
            (scrub(1, 3, 3, 0), Grade::Well),
            (scrub(1, 3, 2, 0), Grade::Look),
            (scrub(1, 3, 3, 1), Grade::Look),
            (scrub(SCRUB_DAYS_MAX + 1, 0, 0, 0), Grade::Look),
        ] {
            now.sites[0].scrub = Some(scrub);
            assert_eq!(now.grade(), grade);
        }
        now.sites[0].scrub = Some(LastScrub { fault: Some("away".to_owned()), ..scrub(1, 0, 0, 0) });
        assert_eq!(now.grade(), Grade::Look, "what could not be read was not read back");
        now.sites[0].scrub = None;
        assert_eq!(now.grade(), Grade::Look, "nobody ever tried");
    }

    #[test]
    fn a_restore_drill_that_failed_or_is_old_or_was_never_made_is_looked_at() {
        let mut now = condition();
        for (drill, grade) in [
            (Some(drill(1, DrillOutcome::Equal)), Grade::Well),
            (Some(drill(1, DrillOutcome::Partly)), Grade::Well),
            (Some(drill(1, DrillOutcome::Unequal)), Grade::Look),
            (Some(drill(DRILL_DAYS_MAX + 1, DrillOutcome::Equal)), Grade::Look),
            (None, Grade::Look),
        ] {
            now.drill = drill;
            assert_eq!((now.grade(), now.drill_grade()), (grade, grade));
        }
    }
}
