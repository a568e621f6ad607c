//! Leaves whose frames were destroyed with their keys. An erasure notes the places of all that it takes, has that sealed, and only then
//! destroys keys. What comes in between is late: where the erasure was broken off, nothing says which leaves that are.
//!
//! They are not taken on trust. Each is about a frame that is at the site and does not open any more, or about a row in such a frame,
//! and that frame is of no leaf that was noted: where every frame is, nothing is late. And each was accepted after the erasure began,
//! which waits until everything from before is sealed: it stands no earlier than what says that it began.

use std::collections::{BTreeSet, HashMap};

use rusqlite::types::Value;
use rusqlite::{Connection, params};
use vault::{Cause, Destroyed};

use super::scan::Part;
use super::staging::{Late, Staging, UnderWay};
use crate::error::{AtStep, StoreError};
use crate::rows::{Change, Layout, read_change};
use crate::sequencer::KIND_ROWS;
use crate::shred::ShredState;

const STEP: &str = "explaining what was erased";

/// Leaves, or frames of them.
#[derive(Default)]
struct Count {
    rows: u64,
    others: u64,
}

/// Explains what erasures noted before they destroyed anything. `destroyed` are the keys that the key stores list.
pub(super) fn explain_erased(
    staging: &Staging,
    target: &Connection,
    destroyed: &[Destroyed],
) -> Result<UnderWay, StoreError> {
    let mut known = target.prepare("SELECT DISTINCT by FROM destroyed_key WHERE cause = 1").at(STEP)?;
    let known = known.query_map([], |row| row.get(0)).at(STEP)?;
    // The log knows of an erasure also where the key stores were set back to a time before.
    let mut shreds = known.collect::<Result<BTreeSet<[u8; 16]>, _>>().at(STEP)?;
    shreds.extend(destroyed.iter().filter(|key| key.cause == Cause::Shred).map(|key| key.by.0));
    let mut ended = target
        .prepare("SELECT 1 FROM shred WHERE id = ? AND state IN ('destroyed', 'compacted', 'cleaned', 'done')")
        .at(STEP)?;
    let mut under_way = UnderWay { shreds: BTreeSet::new(), behind: None, late: Late::AtMost(0) };
    for shred in shreds {
        if ended.exists([shred]).at(STEP)? {
            explain_noted(staging, target, &shred)?;
        } else {
            under_way.shreds.insert(shred);
        }
    }
    // Behind those that are over: what two noted has gone with a key of the first.
    let (mut noted, mut shut) = (Count::default(), Count::default());
    for shred in &under_way.shreds {
        let explained = explain_noted(staging, target, shred)?;
        noted.rows += explained.rows;
        noted.others += explained.others;
    }
    for key in keys(target, &under_way.shreds, destroyed)? {
        let frames = frames(staging, &key)?;
        shut.rows += frames.rows;
        shut.others += frames.others;
    }
    let begun = begun(staging)?;
    let places = under_way.shreds.iter().map(|shred| begun.get(shred).copied());
    // The first of them; none where the log does not tell of each when it began.
    let first = places.collect::<Option<Vec<i64>>>().and_then(|places| places.into_iter().min());
    under_way.late = late(&shut, &noted, first.is_some());
    if let Some(place) = first {
        under_way.behind = before(staging, place)?;
    }
    Ok(under_way)
}

/// A frame of rows may tell of any number of documents that were issued, each of which is a leaf without a frame. Not where the log
/// does not tell when it began: then it may be from before that, and so may be what is looked for.
fn late(shut: &Count, noted: &Count, is_begun: bool) -> Late {
    let (rows, others) = (shut.rows.saturating_sub(noted.rows), shut.others.saturating_sub(noted.others));
    if rows > 0 && is_begun { Late::AnyNumber } else { Late::AtMost(rows + others) }
}

/// How many leaves nothing but this erasure explains.
fn explain_noted(staging: &Staging, target: &Connection, shred: &[u8; 16]) -> Result<Count, StoreError> {
    let mut noted = target.prepare_cached("SELECT kind, position FROM shred_leaf WHERE shred = ?").at(STEP)?;
    let mut rows = noted.query([shred]).at(STEP)?;
    let mut count = Count::default();
    while let Some(row) = rows.next().at(STEP)? {
        let (kind, position): (i64, i64) = (row.get(0).at(STEP)?, row.get(1).at(STEP)?);
        if !staging.explain_at(position)? {
            continue;
        }
        match kind {
            // An earlier rebuild could not tell what it is.
            0 => {}
            KIND_ROWS => count.rows += 1,
            _ => count.others += 1,
        }
    }
    Ok(count)
}

/// The leaf that says of an erasure that it began, for the last time.
fn begun(staging: &Staging) -> Result<HashMap<[u8; 16], i64>, StoreError> {
    let sql = "SELECT layout.keys, layout.columns, change.bytes, change.position FROM change \
               JOIN layout ON layout.no = change.layout WHERE layout.name = 'shred' ORDER BY change.no";
    let mut statement = staging.db.prepare(sql).at(STEP)?;
    let mut rows = statement.query([]).at(STEP)?;
    let mut places = HashMap::new();
    while let Some(row) = rows.next().at(STEP)? {
        let columns: String = row.get(1).at(STEP)?;
        let columns: Vec<String> = columns.split(',').map(str::to_owned).collect();
        let layout = Layout { table: "shred".to_owned(), keys: row.get::<_, u16>(0).at(STEP)?.into(), columns };
        let (bytes, position): (Vec<u8>, i64) = (row.get(2).at(STEP)?, row.get(3).at(STEP)?);
        let Change::Put(values) = read_change(&bytes, &layout)? else { continue };
        let value = |name| layout.columns.iter().position(|column| column == name).and_then(|at| values.get(at));
        let (Some(Value::Blob(id)), Some(Value::Text(state))) = (value("id"), value("state")) else { continue };
        let Ok(id) = <[u8; 16]>::try_from(id.as_slice()) else { continue };
        // One that a hold stopped begins anew.
        if state == ShredState::Running.name() {
            places.entry(id).or_insert(position);
        } else {
            places.remove(&id);
        }
    }
    Ok(places)
}

/// The newest leaf of a round before that of a leaf of rows, by what leaves of rows tell: those of one round are in one pack.
fn before(staging: &Staging, position: i64) -> Result<Option<i64>, StoreError> {
    let sql =
        "SELECT max(position) FROM rows WHERE position < ?1 AND pack <> (SELECT pack FROM rows WHERE position = ?1)";
    staging.db.query_row(sql, [position], |row| row.get(0)).at(STEP)
}

/// The keys that these erasures destroyed, as the key stores list them or the log says.
fn keys(
    target: &Connection,
    shreds: &BTreeSet<[u8; 16]>,
    destroyed: &[Destroyed],
) -> Result<BTreeSet<[u8; 16]>, StoreError> {
    let listed = destroyed.iter().filter(|key| key.cause == Cause::Shred && shreds.contains(&key.by.0));
    let mut keys: BTreeSet<[u8; 16]> = listed.map(|key| key.id.0.0).collect();
    let mut known = target.prepare("SELECT id FROM destroyed_key WHERE cause = 1 AND by = ?").at(STEP)?;
    for shred in shreds {
        let known = known.query_map([shred], |row| row.get(0)).at(STEP)?;
        keys.extend(known.collect::<Result<Vec<[u8; 16]>, _>>().at(STEP)?);
    }
    Ok(keys)
}

/// Frames under a key, no more of them than leaves. A document ends once: with a chunk that is not full, or with a full one, where it
/// has several. A round that was interrupted left its frames twice.
fn frames(staging: &Staging, key: &[u8; 16]) -> Result<Count, StoreError> {
    let sql = "SELECT count(DISTINCT tag) FROM shut WHERE key = ? AND part = ?";
    let mut statement = staging.db.prepare_cached(sql).at(STEP)?;
    let mut count = |part: Part| -> Result<u64, StoreError> {
        let count: i64 = statement.query_row(params![key, part as i64], |row| row.get(0)).at(STEP)?;
        Ok(count.unsigned_abs())
    };
    let others = count(Part::End)? + count(Part::Begin)?.min(count(Part::Full)?);
    Ok(Count { rows: count(Part::Rows)?, others })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_late_where_every_frame_is_of_a_leaf_that_was_noted() {
        let of = |rows, others| Count { rows, others };
        assert_eq!(late(&of(2, 5), &of(2, 5), true), Late::AtMost(0));
        assert_eq!(late(&of(2, 7), &of(2, 5), true), Late::AtMost(2));
        assert_eq!(late(&of(3, 5), &of(2, 5), true), Late::AnyNumber);
        assert_eq!(late(&of(3, 7), &of(2, 5), false), Late::AtMost(3));
        // Frames of what was noted are missing themselves.
        assert_eq!(late(&of(1, 1), &of(2, 5), true), Late::AtMost(0));
    }
}
