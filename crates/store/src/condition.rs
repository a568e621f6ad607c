//! How the installation is doing, for everybody who tells: the command line, readiness checks, the portal's page. Counts, states
//! and times; nothing about a person. Whoever shows it brings the words.

use base::{Clock as _, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use vault::{KeyStoreStatus, SiteStatus};

use crate::Store;
use crate::error::{AtStep, StoreError};
use crate::scrub::{Drill, LastScrub};
use crate::sequencer::{KIND_ACCESS, KIND_OBJECT, KIND_ROWS, KIND_VERSION, outbox};
use crate::types::Log;
use crate::witnessing::Witnessed;

/// Seconds that an entry may wait to be sealed before somebody should look.
pub const WAITING_S_MAX: i64 = 60;
/// Days after which a scrub, or a restore drill, is too long ago.
pub const SCRUB_DAYS_MAX: i64 = 31;
/// Days after which a restore drill is too long ago.
pub const DRILL_DAYS_MAX: i64 = 100;

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
}

impl LogCondition {
    /// How good.
    #[must_use]
    pub fn grade(&self) -> Grade {
        if self.fault.is_some() {
            Grade::Broken
        } else if self.is_behind() || !self.is_witnessed() {
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

    /// Whether no witness is missed. A head is published a moment before it is noted as witnessed: only a fault is one.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        self.witnessed.as_ref().is_none_or(|witnessed| witnessed.fault.is_none() || witnessed.size >= self.sealed)
    }
}

impl SiteCondition {
    /// How good, by the time that it was looked.
    #[must_use]
    pub fn grade(&self, at: Timestamp) -> Grade {
        let scrubbed = |one: &LastScrub| at.as_second() - one.ended.as_second() <= SCRUB_DAYS_MAX * 86_400;
        if !self.status.reachable {
            Grade::Broken
        } else if self.status.pending > 0
            || self.scrub.as_ref().is_some_and(|one| one.lost > 0 || one.found > one.repaired || !scrubbed(one))
        {
            Grade::Look
        } else {
            Grade::Well
        }
    }
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

    /// How good all of it is: what one of three makes up for is no reason to close.
    #[must_use]
    pub fn grade(&self) -> Grade {
        if !self.takes_in() || self.logs.iter().any(|log| log.grade() == Grade::Broken) {
            return Grade::Broken;
        }
        let look = self.logs.iter().any(|log| log.grade() != Grade::Well)
            || self.sites.iter().any(|site| site.grade(self.at) != Grade::Well)
            || self.key_stores.iter().any(|store| !store.reachable || store.behind)
            || self.drill.as_ref().is_some_and(|drill| !drill.equal);
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
            let place = log.place();
            logs.push(LogCondition {
                log,
                sealed: health.published[place],
                waiting: health.waiting[place],
                oldest_s: oldest_us.map(|us| (at.as_microsecond() - us).max(0) / 1_000_000),
                fault: health.faults[place].clone(),
                witnessed: health.witnessed[place].clone(),
            });
        }
        let sites = health.sites.into_iter().map(|status| {
            let place = scrubs.iter().position(|one| one.site == status.name);
            SiteCondition { scrub: place.map(|place| scrubs.swap_remove(place)), status }
        });
        Ok(Condition {
            at,
            logs,
            sites: sites.collect(),
            sites_wanted: core.sites.quorum(),
            key_stores: core.key_stores.status(),
            key_stores_wanted: core.key_stores.quorum(),
            disk_fault: self.probe().err().map(|error| error.to_string()),
            drill: self.drills(1)?.pop(),
        })
    }
}

/// When what waits longest was accepted.
fn oldest(connection: &Connection, log: Log) -> Result<Option<i64>, StoreError> {
    let step = "reading what waits longest";
    // Changes of rows carry no time of their own; what they belong to stands beside them.
    let sql = format!("SELECT kind, row FROM {} WHERE kind <> {KIND_ROWS} ORDER BY no LIMIT 1", outbox(log));
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let first: Option<(i64, i64)> =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional().at(step)?;
    let Some((kind, row)) = first else { return Ok(None) };
    let sql = match kind {
        KIND_VERSION => "SELECT recorded_us FROM resource_version WHERE row = ?",
        KIND_OBJECT => "SELECT recorded_us FROM object WHERE row = ?",
        KIND_ACCESS => "SELECT time_us FROM access_entry WHERE row = ?",
        _ => "SELECT recorded_us FROM commitment WHERE row = ?",
    };
    connection.prepare_cached(sql).at(step)?.query_row([row], |row| row.get(0)).optional().at(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition() -> Condition {
        let at = Timestamp::from_second(1_800_000_000).expect("a time");
        let site = |name: &str| SiteCondition {
            status: SiteStatus { name: name.to_owned(), reachable: true, pending: 0, last_fault: None },
            scrub: None,
        };
        let log = |log| LogCondition { log, sealed: 5, waiting: 0, oldest_s: None, fault: None, witnessed: None };
        let key_store =
            |name: &str| KeyStoreStatus { name: name.to_owned(), reachable: true, behind: false, last_fault: None };
        Condition {
            at,
            logs: Log::ALL.map(log).to_vec(),
            sites: ["a", "b", "c"].map(site).to_vec(),
            sites_wanted: 2,
            key_stores: ["a", "b", "c"].map(key_store).to_vec(),
            key_stores_wanted: 2,
            disk_fault: None,
            drill: None,
        }
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
        now.logs[0].fault = Some("1 of 2 sites".to_owned());
        assert_eq!(now.grade(), Grade::Broken);
        let mut now = condition();
        let scrub = |days_ago: i64, found, repaired, lost| LastScrub {
            site: "a".to_owned(),
            ended: Timestamp::from_second(1_800_000_000 - days_ago * 86_400).expect("a time"),
            objects: 9,
            bytes: 9,
            found,
            repaired,
            unknown: 0,
            lost,
            fault: None,
        };
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
    }
}
