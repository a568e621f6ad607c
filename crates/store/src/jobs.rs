//! Jobs: work that outlives the process that asked for it. One worker at a time has a job, for as long as its lease lasts.

use base::{Clock, Id16};
use rusqlite::{OptionalExtension, params};

use crate::Store;
use crate::core::check_count;
use crate::error::{AtStep, StoreError};

/// Largest payload of a job in bytes.
pub const JOB_BYTES_MAX: usize = 64 << 10;
/// After so many failed attempts a job is left alone.
pub const JOB_ATTEMPTS_MAX: u32 = 8;

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
    pub fn add_job(&self, id: Id16, kind: &'static str, payload: Vec<u8>) -> Result<(), StoreError> {
        check_count("bytes of a job", payload.len(), JOB_BYTES_MAX)?;
        self.core().writer.run(1, move |transaction| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO job VALUES (?, ?, 'waiting', ?, 0, 0, 0, NULL)")
                .at("adding a job")?
                .execute(params![id.0, kind, payload])
                .at("adding a job")
                .map(|_| ())
        })
    }

    /// Takes a job of a kind for `lease_s` seconds: one that waits, or one whose worker has not come back. `None` where there
    /// is none.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn take_job(&self, kind: &'static str, lease_s: u32) -> Result<Option<Job>, StoreError> {
        let now_us = self.core().clock.now().as_microsecond();
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
}
