//! The clock of the record: never earlier than what the database holds, and the way out after a machine's clock ran ahead and
//! was set right. What was recorded meanwhile keeps the times it was given.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Clock, Timestamp};
use policy::{Action, Permit};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, OnFile, StoreError};
use crate::journal::{self, AccessEntry, drain};
use crate::open::{DATABASE, OPEN_LOCK};

/// No other process has the store's folder open, and none can open it, as long as this lives.
#[derive(Debug)]
pub struct Alone {
    _opening: File,
}

impl Store {
    /// Seconds by which the machine's clock is behind the newest time of the record; 0 where it is not.
    #[must_use]
    pub fn clock_behind_s(&self) -> u64 {
        u64::try_from(self.core().clock.behind_us() / 1_000_000).unwrap_or(0)
    }

    /// Keeps other processes out. While it lives, [`Store::secret`] waits for ever: ask for secrets before.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has the folder open, [`StoreError::File`].
    pub fn alone(&self) -> Result<Alone, StoreError> {
        let core = self.core();
        let path = core.folder.join("locks").join(OPEN_LOCK);
        let opening = OpenOptions::new().create(true).truncate(false).write(true).open(&path).on("opened", &path)?;
        opening.lock().on("locked", &path)?;
        // Whoever has the store open has a slot of the journal, and takes it under the lock held here.
        if journal::is_shared(&core.journal)? {
            return Err(StoreError::InUse { path: core.folder.clone() });
        }
        Ok(Alone { _opening: opening })
    }

    /// Lets time go on from what the machine's clock says now, although later times were recorded: for a clock that ran ahead
    /// and was set right. It is written into the access journal first, and what was recorded keeps its times. Takes a permit
    /// for [`Action::ResetClock`].
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`], [`StoreError::Database`],
    /// [`StoreError::Commit`], [`StoreError::File`].
    pub fn reset_clock(&self, permit: &Permit, _alone: &Alone) -> Result<(), StoreError> {
        check_action(permit, "reset_clock", &[Action::ResetClock])?;
        let core = self.core();
        // What waits in the journal carries times of the clock that ran ahead: it comes before the new floor.
        drain::orphans(core)?;
        drain::own(core)?;
        let now = core.clock.machine();
        let ahead_s = u32::try_from(self.clock_behind_s()).unwrap_or(u32::MAX);
        // Under the account of whoever does it, since no data subject is concerned, and at the time that holds from now on.
        let what = vec![("second-ahead".to_owned(), ahead_s)];
        core.record(&[AccessEntry { time: now, what, ..core.entry(permit, permit.actor().account) }])?;
        drain::own(core)?;
        let (epoch, now_us) = (permit.epoch(), now.as_microsecond());
        core.writer.run(1, move |transaction| {
            check_epoch(transaction, epoch)?;
            set_floor(transaction, now_us)
        })?;
        core.clock.set_back(now);
        Ok(())
    }
}

/// A clock that never answers anything earlier than what the database holds, or than it answered before.
pub(crate) struct FloorClock {
    inner: Arc<dyn Clock>,
    newest_us: AtomicI64,
}

impl FloorClock {
    pub(crate) fn new(inner: Arc<dyn Clock>, floor: Option<Timestamp>) -> Self {
        Self { inner, newest_us: AtomicI64::new(floor.map_or(i64::MIN, Timestamp::as_microsecond)) }
    }

    pub(crate) fn now_us(&self) -> i64 {
        let us = self.inner.now().as_microsecond();
        self.newest_us.fetch_max(us, Ordering::SeqCst).max(us)
    }

    /// What the machine's clock says, whatever was recorded.
    fn machine(&self) -> Timestamp {
        self.inner.now()
    }

    fn behind_us(&self) -> i64 {
        self.newest_us.load(Ordering::SeqCst).saturating_sub(self.inner.now().as_microsecond()).max(0)
    }

    /// Only for [`Store::reset_clock`].
    fn set_back(&self, to: Timestamp) {
        self.newest_us.store(to.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for FloorClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now_us()).expect("it came from a timestamp")
    }
}

/// The newest time in the database of a store's folder; `None` where there is no database yet. For a clock that is needed
/// before the store is open: `SystemClock::not_before`.
///
/// # Errors
/// [`StoreError::Database`].
pub fn newest_time(folder: &Path) -> Result<Option<Timestamp>, StoreError> {
    let path = folder.join(DATABASE);
    if !path.exists() {
        return Ok(None);
    }
    newest(&Connection::open(&path).at("opening")?)
}

/// The newest time recorded since the floor was last set anew, or that floor.
pub(crate) fn newest(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let step = "reading the newest time";
    let has = |table: &str| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?";
        connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).map(|count| count > 0).at(step)
    };
    if !has("log_head")? {
        return Ok(None);
    }
    let mut floor: Option<[i64; 3]> = None;
    if has("clock_floor")? {
        let sql = "SELECT floor_us, version_row, access_row FROM clock_floor";
        floor = connection.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).optional().at(step)?;
    }
    let sql = "SELECT max(?1, (SELECT coalesce(max(swapped_us), 0) FROM log_head), \
               coalesce((SELECT recorded_us FROM resource_version WHERE row > ?2 ORDER BY row DESC LIMIT 1), 0), \
               coalesce((SELECT time_us FROM access_entry WHERE row > ?3 ORDER BY row DESC LIMIT 1), 0))";
    let us: i64 = connection.query_row(sql, floor.unwrap_or([0; 3]), |row| row.get(0)).at(step)?;
    if us == 0 { Ok(None) } else { crate::types::time_from(us).map(Some) }
}

/// Rows up to here hold no clock up any more; what waits for a time that is far off waits no longer.
fn set_floor(transaction: &Transaction<'_>, now_us: i64) -> Result<(), StoreError> {
    let step = "setting the clock's floor";
    for sql in [
        "INSERT INTO clock_floor (one, floor_us, version_row, access_row) VALUES (1, ?1, \
         (SELECT coalesce(max(row), 0) FROM resource_version), (SELECT coalesce(max(row), 0) FROM access_entry)) \
         ON CONFLICT (one) DO UPDATE SET floor_us = excluded.floor_us, version_row = excluded.version_row, \
         access_row = excluded.access_row",
        "UPDATE log_head SET swapped_us = ?1 WHERE swapped_us > ?1",
        "UPDATE job SET not_before_us = ?1 WHERE not_before_us > ?1",
        "UPDATE job SET lease_until_us = ?1 WHERE lease_until_us > ?1",
    ] {
        transaction.execute(sql, [now_us]).at(step)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::ManualClock;

    #[test]
    fn a_clock_that_jumps_back_is_not_followed() {
        let start = Timestamp::from_second(1_000).expect("a time");
        let manual = Arc::new(ManualClock::at(start));
        let clock =
            FloorClock::new(Arc::<ManualClock>::clone(&manual), Some(Timestamp::from_second(2_000).expect("a time")));
        assert_eq!((clock.now().as_second(), clock.behind_us()), (2_000, 1_000_000_000));
        manual.advance(1_500);
        assert_eq!((clock.now().as_second(), clock.behind_us()), (2_500, 0));
        manual.advance(-1_500);
        assert_eq!(clock.now().as_second(), 2_500);
        clock.set_back(clock.machine());
        assert_eq!((clock.now().as_second(), clock.behind_us()), (1_000, 0));
    }
}
