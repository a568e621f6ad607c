//! Packs: those that the database names, each against its name and its structure.

use rusqlite::params;

use super::right::pack_is_right;
use super::{Scrub, Went};
use crate::error::{AtStep, StoreError};

/// Names read from the database at once.
const NAMES: i64 = 256;

impl Scrub<'_> {
    pub(super) fn packs(&mut self, part: i64, mut after: i64) -> Result<Went, StoreError> {
        loop {
            let names = self.names(after)?;
            if names.is_empty() {
                return Ok(Went::Through);
            }
            for (no, path) in names {
                if self.see(&path, &|bytes| pack_is_right(&path, bytes), None).is_none() && self.answered() {
                    let depends = self.depends(no)?;
                    self.lost(&path, depends);
                }
                after = no;
                if self.rests(part, after)? {
                    return Ok(Went::Stopped);
                }
            }
        }
    }

    /// Whether any of the sites looked at could be asked at all: who is away has lost nothing yet.
    pub(super) fn answered(&self) -> bool {
        self.core.sites.names().iter().all(|site| self.core.sites.check_at(site).is_ok())
    }

    fn names(&self, after: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let step = "reading the names of packs";
        self.core.readers.snapshot(step, |connection| {
            let sql = "SELECT no, path FROM pack WHERE no > ? ORDER BY no LIMIT ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let rows = statement.query_map(params![after, NAMES], |row| Ok((row.get(0)?, row.get(1)?))).at(step)?;
            rows.collect::<Result<_, _>>().at(step)
        })
    }

    /// What is only in this pack, or was.
    fn depends(&self, no: i64) -> Result<String, StoreError> {
        let step = "counting what depends on a pack";
        self.core.readers.snapshot(step, |connection| {
            let count = |sql: &str| -> Result<i64, StoreError> {
                connection.prepare_cached(sql).at(step)?.query_row([no], |row| row.get(0)).at(step)
            };
            let documents = count("SELECT count(DISTINCT object) FROM object_chunk WHERE pack = ?")?;
            let leaves = count("SELECT count(*) FROM leaf WHERE pack = ?")?;
            Ok(format!("{documents} documents; a second copy of {leaves} entries that the database still holds"))
        })
    }
}
