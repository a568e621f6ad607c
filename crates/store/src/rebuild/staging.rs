//! What was found at the site and is not in a table yet: a database of its own, so that memory stays bounded.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use ledger::Commitment;
use rusqlite::{Connection, OptionalExtension, params};

use super::scan::Scanned;
use crate::error::{AtStep, StoreError};
use crate::types::Log;

/// Leaves named in the text of an error.
const NAMED_MAX: usize = 5;

/// Erasures that were not at their end, and what may have come when they had noted what they take: see [`super::late`].
pub(super) struct UnderWay {
    pub(super) shreds: BTreeSet<[u8; 16]>,
    /// Leaves of that stand behind this place, where there is one before.
    pub(super) behind: Option<i64>,
    /// How many of them there may be.
    pub(super) late: Late,
}

/// How many leaves may be of what erasures under way had destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    AtMost(u64),
    AnyNumber,
}

impl Late {
    fn allows(self, count: u64) -> bool {
        match self {
            Self::AtMost(most) => count <= most,
            Self::AnyNumber => true,
        }
    }
}

pub(super) struct Staging {
    pub(super) db: Connection,
}

impl Staging {
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let step = "staging what a site holds";
        let db = Connection::open(path).at(step)?;
        db.execute_batch(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; \
             CREATE TABLE leaf (log INTEGER, position INTEGER, entry BLOB, explained INTEGER, PRIMARY KEY (log, position)) WITHOUT ROWID; \
             CREATE TABLE pack (no INTEGER PRIMARY KEY, path TEXT); \
             CREATE TABLE frame (tag BLOB UNIQUE, position INTEGER, pack INTEGER, bytes BLOB); \
             CREATE TABLE shut (tag BLOB, key BLOB, pack INTEGER, start INTEGER, part INTEGER); \
             CREATE TABLE access (position INTEGER PRIMARY KEY, pack INTEGER, subject BLOB, time_us INTEGER, id BLOB, bytes BLOB); \
             CREATE TABLE layout (no INTEGER PRIMARY KEY, name TEXT, keys INTEGER, columns TEXT, UNIQUE (name, keys, columns)); \
             CREATE TABLE rows (position INTEGER PRIMARY KEY, pack INTEGER, key BLOB); \
             CREATE TABLE change (no INTEGER PRIMARY KEY, layout INTEGER, bytes BLOB, position INTEGER); \
             CREATE TABLE chunk (pack INTEGER, start INTEGER, length INTEGER, owner BLOB, object BLOB, chunk INTEGER, last INTEGER, \
             position INTEGER, sha256 BLOB, whole INTEGER, PRIMARY KEY (pack, start)) WITHOUT ROWID; \
             BEGIN;",
        )
        .at(step)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(Self { db })
    }

    /// Writes what is inserted so far, and makes an index for what follows.
    pub(super) fn index(&self, sql: &str) -> Result<(), StoreError> {
        self.db.execute_batch(&format!("COMMIT; {sql}; BEGIN;")).at("staging what a site holds")
    }

    /// Runs one statement.
    pub(super) fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        let step = "staging what a site holds";
        self.db.prepare_cached(sql).at(step)?.execute(values).at(step).map(|_| ())
    }

    /// The place of a leaf in its log, which is explained now; `None` where the log has no such leaf.
    pub(super) fn explain(&self, log: Log, entry: &Commitment) -> Result<Option<i64>, StoreError> {
        let step = "looking for a leaf";
        let place = log.place() as i64;
        let position: Option<i64> = self
            .db
            .prepare_cached("SELECT position FROM leaf WHERE log = ? AND entry = ?")
            .at(step)?
            .query_row(params![place, entry], |row| row.get(0))
            .optional()
            .at(step)?;
        if let Some(position) = position {
            self.run("UPDATE leaf SET explained = 1 WHERE log = ? AND position = ?", params![place, position])?;
        }
        Ok(position)
    }

    fn count(&self, sql: &str, values: impl rusqlite::Params) -> Result<i64, StoreError> {
        self.db.query_row(sql, values, |row| row.get(0)).at("counting what is not explained")
    }

    pub(super) fn pack(&self, no: i64) -> Result<String, StoreError> {
        let step = "naming a pack";
        let mut statement = self.db.prepare_cached("SELECT path FROM pack WHERE no = ?").at(step)?;
        statement.query_row([no], |row| row.get(0)).at(step)
    }

    /// The packs that were read.
    pub(super) fn packs(&self) -> Result<HashSet<String>, StoreError> {
        let step = "naming the packs";
        let mut statement = self.db.prepare("SELECT path FROM pack").at(step)?;
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).at(step)
    }

    /// Explains a leaf of the log `records` by its place; whether nothing else had.
    pub(super) fn explain_at(&self, position: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE leaf SET explained = 1 WHERE log = ? AND position = ? AND explained = 0";
        let mut statement = self.db.prepare_cached(sql).at("explaining what was erased")?;
        let changed =
            statement.execute(params![Log::Records.place() as i64, position]).at("explaining what was erased")?;
        Ok(changed > 0)
    }

    /// Gives the places of what came after an erasure under way had noted what it takes: nobody can tell any more what they are
    /// about.
    ///
    /// # Errors
    /// [`StoreError::Rebuild`] where something was logged and is not there, but for what may be of an erasure under way.
    pub(super) fn all_explained(&self, scanned: &Scanned, under_way: &UnderWay) -> Result<Vec<i64>, StoreError> {
        let step = "counting what is not explained";
        let mut statement = self
            .db
            .prepare(
                "SELECT log, position, count(*) OVER () FROM leaf WHERE explained = 0 ORDER BY log, position LIMIT ?",
            )
            .at(step)?;
        let rows = statement
            .query_map([NAMED_MAX as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect::<Result<Vec<(u8, i64, i64)>, _>>)
            .at(step)?;
        let Some((_, _, count)) = rows.first().copied() else { return Ok(Vec::new()) };
        let records = Log::Records.place() as i64;
        let others = self.count("SELECT count(*) FROM leaf WHERE explained = 0 AND log <> ?", [records])?;
        // What is damaged may be anybody's.
        let is_whole = scanned.damaged == 0 && scanned.tampered == 0;
        let is_late = Some(rows[0].1) > under_way.behind && under_way.late.allows(count.unsigned_abs());
        if others == 0 && is_whole && is_late {
            tracing::warn!(leaves = count, "an erasure was under way: these leaves are of what it had destroyed");
            let mut late = self.db.prepare("SELECT position FROM leaf WHERE explained = 0").at(step)?;
            let late = late.query_map([], |row| row.get(0)).at(step)?;
            return late.collect::<Result<_, _>>().at(step);
        }
        let names: Vec<String> = rows
            .iter()
            .map(|(log, position, _)| format!("{}/{position}", Log::ALL[usize::from(*log)].name()))
            .collect();
        Err(StoreError::Rebuild {
            reason: format!(
                "{count} leaves of the logs have nothing at this site that they are about (the first: {}); {} packs are damaged \
                 and {} frames do not open there: repair the site, or rebuild from another",
                names.join(", "),
                scanned.damaged,
                scanned.shut + scanned.tampered,
            ),
        })
    }
}
