//! What was found at the site and is not in a table yet: a database of its own, so that memory stays bounded.

use std::collections::BTreeSet;
use std::path::Path;

use ledger::Commitment;
use rusqlite::{Connection, OptionalExtension, params};
use vault::{Cause, Destroyed};

use super::scan::Scanned;
use crate::error::{AtStep, StoreError};
use crate::types::Log;

/// Leaves named in the text of an error.
const NAMED_MAX: usize = 5;

/// Erasures that were not at their end.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) shreds: BTreeSet<[u8; 16]>,
    /// How many frames they have shut: as many leaves may have come after they had noted them.
    pub(super) shut: u64,
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
             CREATE TABLE shut (tag BLOB, key BLOB, pack INTEGER, start INTEGER); \
             CREATE TABLE access (position INTEGER PRIMARY KEY, pack INTEGER, subject BLOB, time_us INTEGER, id BLOB, bytes BLOB); \
             CREATE TABLE layout (no INTEGER PRIMARY KEY, name TEXT, keys INTEGER, columns TEXT, UNIQUE (name, keys, columns)); \
             CREATE TABLE rows (position INTEGER PRIMARY KEY, pack INTEGER, key BLOB); \
             CREATE TABLE change (no INTEGER PRIMARY KEY, layout INTEGER, bytes BLOB); \
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

    /// Explains the leaves whose frames were destroyed with their keys: those that an erasure noted before it destroyed anything.
    /// `destroyed` are the keys that the key stores list. Gives the erasures that were not at their end.
    pub(super) fn explain_erased(&self, target: &Connection, destroyed: &[Destroyed]) -> Result<UnderWay, StoreError> {
        let step = "explaining what was erased";
        let mut noted = target.prepare("SELECT position FROM shred_leaf WHERE shred = ?").at(step)?;
        let mut ended = target
            .prepare("SELECT 1 FROM shred WHERE id = ? AND state IN ('destroyed', 'compacted', 'cleaned', 'done')")
            .at(step)?;
        let mut known = target.prepare("SELECT DISTINCT by FROM destroyed_key WHERE cause = 1").at(step)?;
        let known = known.query_map([], |row| row.get(0)).at(step)?;
        // The log knows of an erasure also where the key stores were set back to a time before.
        let mut shreds = known.collect::<Result<BTreeSet<[u8; 16]>, _>>().at(step)?;
        shreds.extend(destroyed.iter().filter(|key| key.cause == Cause::Shred).map(|key| key.by.0));
        let mut under_way = UnderWay::default();
        for shred in shreds {
            let places = noted.query_map([shred], |row| row.get(0)).at(step)?;
            for position in places.collect::<Result<Vec<i64>, _>>().at(step)? {
                let sql = "UPDATE leaf SET explained = 1 WHERE log = ? AND position = ?";
                self.run(sql, params![Log::Records.place() as i64, position])?;
            }
            if !ended.exists([shred]).at(step)? {
                under_way.shreds.insert(shred);
            }
        }
        let mut shut = self.db.prepare("SELECT count(*) FROM shut WHERE key = ?").at(step)?;
        for key in destroyed.iter().filter(|key| under_way.shreds.contains(&key.by.0)) {
            under_way.shut += shut.query_row([key.id.0.0], |row| row.get::<_, i64>(0)).at(step)?.unsigned_abs();
        }
        Ok(under_way)
    }

    /// Gives the places of what came after an erasure under way had noted what it takes: nobody can tell any more what they are
    /// about.
    ///
    /// # Errors
    /// [`StoreError::Rebuild`] where something was logged and is not there, but for as many records as an erasure under way has
    /// shut.
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
        if others == 0 && count.unsigned_abs() <= under_way.shut {
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
