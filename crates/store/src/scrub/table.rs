//! How far a scrub is, what the last ones found, and restore drills, in the database.

use base::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::ScrubReport;
use crate::core::Core;
use crate::error::{AtStep, StoreError};

/// Longest result of a drill that is kept, in characters.
const RESULT_CHARS_MAX: usize = 2_000;

/// Where a scrub goes on.
pub(super) struct Cursor {
    pub(super) begun_us: i64,
    pub(super) part: i64,
    pub(super) place: i64,
    pub(super) report: ScrubReport,
}

impl Cursor {
    pub(super) const fn begin(begun_us: i64, report: ScrubReport) -> Self {
        Self { begun_us, part: 0, place: 0, report }
    }
}

/// What the last scrub of one site found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastScrub {
    /// The site.
    pub site: String,
    /// When it ended.
    pub ended: Timestamp,
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Objects that were missing or damaged.
    pub found: u64,
    /// Of these, put right.
    pub repaired: u64,
    /// Objects that nothing asks for.
    pub unknown: u64,
    /// Objects of which no site had a sound copy.
    pub lost: u64,
    /// What the site said when it could not be read or written.
    pub fault: Option<String>,
}

/// How what a restore drill made compares with what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrillOutcome {
    /// Something is not as it should be.
    Unequal,
    /// Every table is equal.
    Equal,
    /// Every leaf is explained and what could be compared is equal; some tables were written to meanwhile, or sites were silent.
    Partly,
}

impl DrillOutcome {
    const fn number(self) -> i64 {
        match self {
            Self::Unequal => 0,
            Self::Equal => 1,
            Self::Partly => 2,
        }
    }

    const fn of(number: i64) -> Self {
        match number {
            1 => Self::Equal,
            2 => Self::Partly,
            _ => Self::Unequal,
        }
    }
}

/// A restore drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// When it began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// The site from which the installation was made again.
    pub site: String,
    /// How it came out.
    pub outcome: DrillOutcome,
    /// Versions of resources compared.
    pub resources: u64,
    /// Objects compared.
    pub objects: u64,
    /// Rows of lasting tables compared.
    pub rows: u64,
    /// The result in a sentence, in English.
    pub result: String,
}

pub(super) fn cursor(core: &Core) -> Result<Option<Cursor>, StoreError> {
    let step = "reading how far a scrub is";
    core.readers.snapshot(step, |connection| {
        let mut statement =
            connection.prepare_cached("SELECT begun_us, part, place, report FROM scrub_cursor").at(step)?;
        let found: Option<(i64, i64, i64, String)> = statement
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()
            .at(step)?;
        // What cannot be read begins anew.
        Ok(found.and_then(|(begun_us, part, place, report)| {
            Some(Cursor { begun_us, part, place, report: serde_json::from_str(&report).ok()? })
        }))
    })
}

pub(super) fn keep_cursor(core: &Core, cursor: &Cursor) -> Result<(), StoreError> {
    let step = "keeping how far a scrub is";
    let report = serde_json::to_string(&cursor.report).unwrap_or_default();
    let (begun_us, part, place) = (cursor.begun_us, cursor.part, cursor.place);
    core.writer.run(1, move |transaction| {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO scrub_cursor VALUES (1, ?, ?, ?, ?)")
            .at(step)?
            .execute(params![begun_us, part, place, report])
            .at(step)
            .map(|_| ())
    })
}

pub(super) fn end(core: &Core, begun_us: i64, ended_us: i64, report: &ScrubReport) -> Result<(), StoreError> {
    let step = "keeping what a scrub found";
    let report = report.clone();
    core.writer.run(report.sites.len() + 1, move |transaction| {
        for (site, found) in &report.sites {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO site_scrub VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![
                    site,
                    begun_us,
                    ended_us,
                    found.objects as i64,
                    found.bytes as i64,
                    found.missing as i64,
                    found.damaged as i64,
                    found.repaired as i64,
                    found.unknown as i64,
                    report.lost_count as i64,
                    found.fault
                ])
                .at(step)?;
        }
        transaction.execute("DELETE FROM scrub_cursor", []).at(step).map(|_| ())
    })
}

pub(super) fn last(core: &Core) -> Result<Vec<LastScrub>, StoreError> {
    let step = "reading what scrubs found";
    core.readers.snapshot(step, |connection| {
        let sql = "SELECT site, ended_us, objects, bytes, missing + damaged, repaired, unknown, lost, fault \
                   FROM site_scrub ORDER BY site";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let rows = statement
            .query_map([], |row| {
                let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(LastScrub {
                    site: row.get(0)?,
                    ended: time(row.get(1)?),
                    objects: count(2)?,
                    bytes: count(3)?,
                    found: count(4)?,
                    repaired: count(5)?,
                    unknown: count(6)?,
                    lost: count(7)?,
                    fault: row.get(8)?,
                })
            })
            .at(step)?;
        rows.collect::<Result<_, _>>().at(step)
    })
}

pub(super) fn drills(core: &Core, count: u32) -> Result<Vec<Drill>, StoreError> {
    let step = "reading restore drills";
    core.readers.snapshot(step, |connection| {
        let sql = "SELECT begun_us, ended_us, site, equal, resources, objects, rows, result \
                   FROM restore_drill ORDER BY begun_us DESC LIMIT ?";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let rows = statement
            .query_map([count], |row| {
                let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(Drill {
                    begun: time(row.get(0)?),
                    ended: time(row.get(1)?),
                    site: row.get(2)?,
                    outcome: DrillOutcome::of(row.get(3)?),
                    resources: number(4)?,
                    objects: number(5)?,
                    rows: number(6)?,
                    result: row.get(7)?,
                })
            })
            .at(step)?;
        rows.collect::<Result<_, _>>().at(step)
    })
}

pub(super) fn note_drill(core: &Core, drill: Drill) -> Result<(), StoreError> {
    let step = "keeping a restore drill";
    core.writer.run(1, move |transaction| {
        let result: String = drill.result.chars().take(RESULT_CHARS_MAX).collect();
        transaction
            .prepare_cached("INSERT OR REPLACE INTO restore_drill VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .at(step)?
            .execute(params![
                drill.begun.as_microsecond(),
                drill.site,
                drill.ended.as_microsecond(),
                drill.outcome.number(),
                drill.resources as i64,
                drill.objects as i64,
                drill.rows as i64,
                result
            ])
            .at(step)
            .map(|_| ())
    })
}

fn time(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH)
}
