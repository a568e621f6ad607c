//! Makes the lasting tables again from the changes of their rows, in their order, and the tables that tell where leaves stand.

use std::collections::{HashMap, HashSet};

use ledger::Commitment;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

use super::shut;
use super::staging::Staging;
use crate::error::{AtStep, StoreError};
use crate::lasting::{self, Columns, LASTING, Lasting};
use crate::objects::pack_no;
use crate::rows::{Change, Layout, read_change};
use crate::sequencer::note_rows_leaf;
use crate::sequencer::{KIND_ACCESS, KIND_OBJECT, KIND_ROWS, KIND_VERSION};
use crate::types::Log;

/// Changes in one transaction.
const BATCH: usize = 20_000;

/// What was made.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) changes: u64,
    pub(super) versions: u64,
    pub(super) accesses: u64,
}

/// How changes of one layout go into their table.
struct Way {
    layout: Layout,
    table: &'static Lasting,
    put: String,
    delete: String,
    /// Places of the columns that more than their value depends on.
    instead: Option<usize>,
    places: HashMap<String, usize>,
}

pub(super) fn tables(target: &mut Connection, staging: &mut Staging, newest: u64) -> Result<Applied, StoreError> {
    let step = "making tables again";
    let ways = ways(target, staging)?;
    let mut applied = Applied::default();
    // Links between tables hold at the end, as they held in the transactions that the changes come from.
    target.pragma_update(None, "foreign_keys", false).at(step)?;
    let mut frameless = HashSet::new();
    let mut after = -1;
    loop {
        let batch = batch(staging, after)?;
        let Some((last, ..)) = batch.last() else { break };
        after = *last;
        let transaction = target.transaction().at(step)?;
        for (_, layout, bytes) in &batch {
            let way = &ways[layout];
            one(&transaction, staging, way, read_change(bytes, &way.layout)?, &mut frameless)?;
        }
        transaction.commit().at(step)?;
        applied.changes += batch.len() as u64;
    }
    if !frameless.is_empty() {
        return Err(misplaced("a version whose frame is in no pack that can be read"));
    }
    leaves_of_rows(target, staging)?;
    accesses(target, staging, &mut applied)?;
    let transaction = target.transaction().at(step)?;
    lasting::note_layouts(&transaction)?;
    // The order of changes goes on behind the last that is known.
    let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox_records', ?)";
    transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox_records'", []).at(step)?;
    transaction.execute(sql, [newest as i64]).at(step)?;
    transaction.commit().at(step)?;
    let versions: i64 = target.query_row("SELECT count(*) FROM resource_version", [], |row| row.get(0)).at(step)?;
    applied.versions = versions.unsigned_abs();
    Ok(applied)
}

fn batch(staging: &Staging, after: i64) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    let step = "reading changes";
    let sql = format!("SELECT no, layout, bytes FROM change WHERE no > ? ORDER BY no LIMIT {BATCH}");
    let mut statement = staging.db.prepare_cached(&sql).at(step)?;
    let rows = statement.query_map([after], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).at(step)?;
    rows.collect::<Result<_, _>>().at(step)
}

fn ways(target: &Connection, staging: &Staging) -> Result<HashMap<i64, Way>, StoreError> {
    let step = "reading layouts";
    let mut statement = staging.db.prepare("SELECT no, name, keys, columns FROM layout").at(step)?;
    let rows = statement
        .query_map([], |row| {
            let columns: String = row.get(3)?;
            let columns = columns.split(',').map(str::to_owned).collect();
            Ok((row.get(0)?, Layout { table: row.get(1)?, keys: row.get::<_, u16>(2)?.into(), columns }))
        })
        .at(step)?;
    let mut ways = HashMap::new();
    for row in rows {
        let (no, layout): (i64, Layout) = row.at(step)?;
        ways.insert(no, way(target, layout)?);
    }
    Ok(ways)
}

/// Only tables and columns that this program has: names in frames are ours, and are still never taken on trust.
fn way(target: &Connection, layout: Layout) -> Result<Way, StoreError> {
    let unknown = |what: String| StoreError::Rebuild {
        reason: format!("{what} is unknown to this program: rebuild with the version that wrote it, then upgrade"),
    };
    let table = LASTING.iter().find(|one| one.table == layout.table);
    let table = table.ok_or_else(|| unknown(format!("the table {:?}", layout.table)))?;
    let known = Columns::read(target, table.table)?;
    if let Some(column) = layout.columns.iter().find(|column| !known.all().any(|known| known == *column)) {
        return Err(unknown(format!("the column {column:?} of the table {}", table.table)));
    }
    if known.keys != layout.columns[..layout.keys] {
        return Err(unknown(format!("the key of the table {}", table.table)));
    }
    let marks = vec!["?"; layout.columns.len()].join(", ");
    let put = format!("INSERT OR REPLACE INTO {} ({}) VALUES ({marks})", table.table, layout.columns.join(", "));
    let keys: Vec<String> = known.keys.iter().map(|key| format!("{key} IS ?")).collect();
    let delete = format!("DELETE FROM {} WHERE {}", table.table, keys.join(" AND "));
    let places: HashMap<String, usize> = layout.columns.iter().cloned().zip(0..).collect();
    let instead = table.instead.and_then(|(column, _)| places.get(column).copied());
    Ok(Way { layout, table, put, delete, instead, places })
}

/// Makes one change. `frameless` are the rows of versions whose frame is nowhere: an erasure may have dropped a version that
/// waited for its segment, and then a later change takes its row away again.
fn one(
    target: &Transaction<'_>,
    staging: &Staging,
    way: &Way,
    change: Change,
    frameless: &mut HashSet<i64>,
) -> Result<(), StoreError> {
    let step = "making a row again";
    let row_of = |values: &[Value]| match values.first() {
        Some(Value::Integer(row)) => *row,
        _ => i64::MIN,
    };
    let mut values = match change {
        Change::Put(values) => values,
        Change::Delete(keys) => {
            match way.table.table {
                "resource_version" => {
                    frameless.remove(&row_of(&keys));
                }
                // A document that came again has its leaf under the row that it has now.
                "object" => {
                    let sql = "DELETE FROM leaf WHERE kind = ? AND row = ?";
                    target.prepare_cached(sql).at(step)?.execute(params![KIND_OBJECT, row_of(&keys)]).at(step)?;
                }
                _ => {}
            }
            return target.prepare_cached(&way.delete).at(step)?.execute(params_from_iter(keys)).at(step).map(|_| ());
        }
    };
    let leaf = match way.table.table {
        "resource_version" => match frame(target, staging, &mut values[way.instead.expect("its frame")])? {
            Found::Here(leaf) => {
                frameless.remove(&row_of(&values));
                Some(leaf)
            }
            // Its key was destroyed, and the row went with it, or will: see `shut.rs`.
            Found::Shut => {
                frameless.remove(&row_of(&values));
                None
            }
            Found::Nowhere => {
                frameless.insert(row_of(&values));
                return Ok(());
            }
        },
        "object_chunk" => {
            let place = &mut values[way.instead.expect("its pack")];
            let Value::Text(path) = &*place else { return Err(misplaced("a chunk without a pack")) };
            *place = Value::Integer(pack_no(target, path)?);
            None
        }
        "object" => object(staging, &values, way)?,
        "commitment" => commitment(staging, &values, way)?,
        _ => None,
    };
    target.prepare_cached(&way.put).at(step)?.execute(params_from_iter(&values)).at(step)?;
    if let Some(Leaf { kind, position, pack }) = leaf {
        let row = &values[way.places["row"]];
        let sql = "INSERT OR REPLACE INTO leaf (kind, row, position, pack) VALUES (?, ?, ?, ?)";
        target.prepare_cached(sql).at(step)?.execute(params![kind, row, position, pack]).at(step)?;
    }
    Ok(())
}

struct Leaf {
    kind: i64,
    position: i64,
    pack: Option<i64>,
}

enum Found {
    Here(Leaf),
    Shut,
    Nowhere,
}

/// Puts the frame in the place of its tag; a stub where it is shut.
fn frame(target: &Transaction<'_>, staging: &Staging, place: &mut Value) -> Result<Found, StoreError> {
    let step = "looking for a frame";
    let Value::Blob(tag) = &*place else { return Err(misplaced("a version without a frame")) };
    let mut statement = staging.db.prepare_cached("SELECT bytes, position, pack FROM frame WHERE tag = ?").at(step)?;
    let found: Option<(Vec<u8>, i64, i64)> =
        statement.query_row([tag], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional().at(step)?;
    let Some((bytes, position, pack)) = found else {
        let mut statement = staging.db.prepare_cached("SELECT key FROM shut WHERE tag = ?").at(step)?;
        let key: Option<Vec<u8>> = statement.query_row([tag], |row| row.get(0)).optional().at(step)?;
        let Some(key) = key else { return Ok(Found::Nowhere) };
        *place = Value::Blob(shut::stub(&key));
        return Ok(Found::Shut);
    };
    *place = Value::Blob(bytes);
    let pack = Some(pack_no(target, &staging.pack(pack)?)?);
    Ok(Found::Here(Leaf { kind: KIND_VERSION, position, pack }))
}

fn object(staging: &Staging, values: &[Value], way: &Way) -> Result<Option<Leaf>, StoreError> {
    let step = "looking for a document";
    let sql =
        "SELECT position FROM chunk WHERE owner = ? AND object = ? AND chunk = 0 AND position IS NOT NULL LIMIT 1";
    let (owner, id) = (&values[way.places["owner"]], &values[way.places["id"]]);
    let mut statement = staging.db.prepare_cached(sql).at(step)?;
    let position = statement.query_row(params![owner, id], |row| row.get(0)).optional().at(step)?;
    Ok(position.map(|position| Leaf { kind: KIND_OBJECT, position, pack: None }))
}

fn commitment(staging: &Staging, values: &[Value], way: &Way) -> Result<Option<Leaf>, StoreError> {
    let Some(Value::Blob(entry)) = way.places.get("entry").map(|place| &values[*place]) else { return Ok(None) };
    let Ok(entry) = Commitment::try_from(entry.as_slice()) else { return Err(misplaced("a leaf of another length")) };
    let Some(position) = staging.explain(Log::Records, &entry)? else { return Ok(None) };
    let Value::Integer(kind) = values[way.places["kind"]] else { return Err(misplaced("a leaf of no kind")) };
    Ok(Some(Leaf { kind, position, pack: None }))
}

fn leaves_of_rows(target: &mut Connection, staging: &Staging) -> Result<(), StoreError> {
    let step = "placing leaves of rows";
    let transaction = target.transaction().at(step)?;
    let mut statement = staging.db.prepare("SELECT position, pack, key FROM rows ORDER BY position").at(step)?;
    let mut rows = statement.query([]).at(step)?;
    while let Some(found) = rows.next().at(step)? {
        let (position, pack): (i64, i64) = (found.get(0).at(step)?, found.get(1).at(step)?);
        let pack = pack_no(&transaction, &staging.pack(pack)?)?;
        let sql = "INSERT INTO leaf (kind, row, position, pack) VALUES (?, ?, ?, ?)";
        transaction.prepare_cached(sql).at(step)?.execute(params![KIND_ROWS, position, position, pack]).at(step)?;
        note_rows_leaf(&transaction, &found.get::<_, Vec<u8>>(2).at(step)?, position)?;
    }
    transaction.commit().at(step)
}

/// Entries stand in the table in the order of their log.
fn accesses(target: &mut Connection, staging: &Staging, applied: &mut Applied) -> Result<(), StoreError> {
    let step = "making access entries again";
    let transaction = target.transaction().at(step)?;
    let mut statement = staging
        .db
        .prepare("SELECT position, pack, subject, time_us, id, bytes FROM access ORDER BY position")
        .at(step)?;
    let mut rows = statement.query([]).at(step)?;
    while let Some(found) = rows.next().at(step)? {
        let (position, pack): (i64, i64) = (found.get(0).at(step)?, found.get(1).at(step)?);
        let (subject, time_us): (Vec<u8>, i64) = (found.get(2).at(step)?, found.get(3).at(step)?);
        let (id, frame): (Vec<u8>, Vec<u8>) = (found.get(4).at(step)?, found.get(5).at(step)?);
        let sql = "INSERT INTO access_entry (subject, row, time_us, id, frame) VALUES (?, ?, ?, ?, ?)";
        let row = position + 1;
        transaction.prepare_cached(sql).at(step)?.execute(params![subject, row, time_us, id, frame]).at(step)?;
        let pack = pack_no(&transaction, &staging.pack(pack)?)?;
        let sql = "INSERT INTO leaf (kind, row, position, pack) VALUES (?, ?, ?, ?)";
        transaction.prepare_cached(sql).at(step)?.execute(params![KIND_ACCESS, row, position, pack]).at(step)?;
        applied.accesses += 1;
    }
    transaction.commit().at(step)
}

fn misplaced(what: &str) -> StoreError {
    StoreError::Rebuild { reason: format!("the site's rows name {what}: repair the site, or rebuild from another") }
}
