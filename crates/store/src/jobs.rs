//! Jobs: work that outlives the process that asked for it. One worker at a time has a job, for as long as its lease lasts.

use base::{Clock, Id16};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::Store;
use crate::core::check_count;
use crate::error::{AtStep, StoreError};

/// Largest payload of a job in bytes.
pub const JOB_BYTES_MAX: usize = 64 << 10;
/// After so many failed attempts a job is left alone: where one is made each ten minutes, after three days.
pub const JOB_ATTEMPTS_MAX: u32 = 440;

/// Days for which a job that was given up is told of.
const FAILED_DAYS: i64 = 7;

/// How jobs get on, all of them: counts alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Jobs {
    /// Those that are not done yet.
    pub waiting: u64,
    /// Of these, those that have failed before and are tried again.
    pub again: u64,
    /// Those that were given up within the last seven days.
    pub failed: u64,
}

impl Jobs {
    /// Whether none fails.
    #[must_use]
    pub const fn get_on(&self) -> bool {
        self.again == 0 && self.failed == 0
    }
}

/// A job that a worker has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: Id16,
    /// What is to be done, in the form of whoever asked; ids only, nothing about a person.
    pub payload: Vec<u8>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl Store {
    /// Asks for a job. The same id again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Limit`], [`StoreError::Database`], [`StoreError::Commit`].
    pub fn add_job(&self, id: Id16, kind: &str, payload: Vec<u8>) -> Result<(), StoreError> {
        check_count("bytes of a job", payload.len(), JOB_BYTES_MAX)?;
        let kind = kind.to_owned();
        self.core().writer.run(1, move |transaction| add(transaction, id, &kind, &payload))
    }

    /// Takes a job of a kind for `lease_s` seconds: one that waits, or one whose worker has not come back; new ones before those
    /// that failed. `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn take_job(&self, kind: &str, lease_s: u32) -> Result<Option<Job>, StoreError> {
        let (kind, now_us) = (kind.to_owned(), self.core().clock.now().as_microsecond());
        self.core().writer.run(1, move |transaction| {
            let step = "taking a job";
            let sql = "SELECT id, payload, attempts FROM job WHERE kind = ?1 AND \
                       ((state = 'waiting' AND not_before_us <= ?2) OR (state = 'running' AND lease_until_us < ?2)) \
                       ORDER BY not_before_us LIMIT 1";
            let found: Option<([u8; 16], Vec<u8>, u32)> = transaction
                .prepare_cached(sql)
                .at(step)?
                .query_row(params![kind, now_us], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
                .at(step)?;
            let Some((id, payload, attempts)) = found else { return Ok(None) };
            let until_us = now_us.saturating_add(i64::from(lease_s) * 1_000_000);
            transaction
                .prepare_cached(
                    "UPDATE job SET state = 'running', lease_until_us = ?, attempts = attempts + 1 WHERE id = ?",
                )
                .at(step)?
                .execute(params![until_us, id])
                .at(step)?;
            Ok(Some(Job { id: Id16(id), payload, attempt: attempts + 1 }))
        })
    }

    /// A job is done.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn finish_job(&self, id: Id16) -> Result<(), StoreError> {
        self.core().writer.run(1, move |transaction| {
            transaction.execute("UPDATE job SET state = 'done' WHERE id = ?", [id.0]).at("finishing a job").map(|_| ())
        })
    }

    /// A job failed: it is tried again after `again_s` seconds, up to [`JOB_ATTEMPTS_MAX`] times.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn fail_job(&self, id: Id16, fault: String, again_s: u32) -> Result<(), StoreError> {
        let not_before_us = self.core().clock.now().as_microsecond().saturating_add(i64::from(again_s) * 1_000_000);
        self.core().writer.run(1, move |transaction| {
            let sql = "UPDATE job SET state = CASE WHEN attempts >= ?1 THEN 'failed' ELSE 'waiting' END, not_before_us = ?2, \
                       fault = ?3 WHERE id = ?4";
            transaction.execute(sql, params![JOB_ATTEMPTS_MAX, not_before_us, fault, id.0]).at("failing a job").map(|_| ())
        })
    }

    /// Gives up whatever is not done of a kind that no worker sees to any more.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn give_up_jobs(&self, kind: &str, fault: String) -> Result<(), StoreError> {
        let (kind, now_us) = (kind.to_owned(), self.core().clock.now().as_microsecond());
        self.core().writer.run(1, move |transaction| {
            let sql = "UPDATE job SET state = 'failed', not_before_us = ?1, fault = ?2 \
                       WHERE state IN ('waiting', 'running') AND kind = ?3";
            transaction.execute(sql, params![now_us, fault, kind]).at("giving up jobs").map(|_| ())
        })
    }

    /// Lets other jobs take the place of what is not done of a kind: id, kind and payload of each that `others` makes of a
    /// payload. One whose id is there already changes nothing. Where `others` makes none, a job stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn replace_jobs(
        &self,
        kind: &str,
        others: impl Fn(&[u8]) -> Vec<(Id16, String, Vec<u8>)> + Send + 'static,
    ) -> Result<(), StoreError> {
        let kind = kind.to_owned();
        self.core().writer.run(1, move |transaction| {
            let step = "replacing jobs";
            let sql = "SELECT id, payload FROM job WHERE state IN ('waiting', 'running') AND kind = ?";
            let mut statement = transaction.prepare_cached(sql).at(step)?;
            let old = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?))).at(step)?;
            let old: Vec<([u8; 16], Vec<u8>)> = old.collect::<Result<_, _>>().at(step)?;
            for (id, payload) in old {
                let others = others(&payload);
                if !others.is_empty() {
                    transaction.execute("DELETE FROM job WHERE id = ?", [id]).at(step)?;
                }
                for (id, kind, payload) in others {
                    add(transaction, id, &kind, &payload)?;
                }
            }
            Ok(())
        })
    }

    /// How jobs get on, all of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn jobs(&self) -> Result<Jobs, StoreError> {
        let sum = |sum: Jobs, (_, jobs): (String, Jobs)| Jobs {
            waiting: sum.waiting + jobs.waiting,
            again: sum.again + jobs.again,
            failed: sum.failed + jobs.failed,
        };
        Ok(self.jobs_by_kind()?.into_iter().fold(Jobs::default(), sum))
    }

    /// How the jobs of each kind get on; kinds of which none waits and none was given up lately are left out.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn jobs_by_kind(&self) -> Result<Vec<(String, Jobs)>, StoreError> {
        let core = self.core();
        let since_us = core.clock.now().as_microsecond().saturating_sub(FAILED_DAYS * 86_400 * 1_000_000);
        let step = "counting jobs";
        core.readers.snapshot(step, |connection| {
            // Of a job that a worker has now, this may be the first attempt. One that was given up was to be tried again a moment
            // after it failed.
            let sql = "SELECT kind, count(*) FILTER (WHERE state <> 'failed'), \
                       count(*) FILTER (WHERE state = 'waiting' AND attempts > 0), count(*) FILTER (WHERE state = 'failed') \
                       FROM job WHERE state IN ('waiting', 'running') OR (state = 'failed' AND not_before_us > ?) \
                       GROUP BY kind ORDER BY kind";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let count = |row: &Row<'_>, at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            let row = |row: &Row<'_>| {
                let jobs = Jobs { waiting: count(row, 1)?, again: count(row, 2)?, failed: count(row, 3)? };
                Ok((row.get(0)?, jobs))
            };
            let rows = statement.query_map([since_us], row).at(step)?;
            rows.collect::<rusqlite::Result<_>>().at(step)
        })
    }
}

fn add(transaction: &Transaction<'_>, id: Id16, kind: &str, payload: &[u8]) -> Result<(), StoreError> {
    let step = "adding a job";
    let sql = "INSERT OR IGNORE INTO job VALUES (?, ?, 'waiting', ?, 0, 0, 0, NULL)";
    transaction.prepare_cached(sql).at(step)?.execute(params![id.0, kind, payload]).at(step).map(|_| ())
}
