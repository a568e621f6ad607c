//! Takes out the rows of what an erasure had destroyed when it was broken off: the key stores list its keys, and nothing that is
//! sealed says yet that the rows went as well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::Id16;
use rusqlite::{Connection, OptionalExtension, params};
use vault::{Cause, Destroyed, KeyId};

use super::staging::{Staging, UnderWay};
use crate::error::{AtStep, StoreError};
use crate::lasting;
use crate::objects::FRAME_KEY;
use crate::shred::{Doing, Going, erase};
use crate::types::OWNER_BYTES;

const STEP: &str = "taking out what was destroyed";

/// Tells stubs from frames.
const IS_STUB: &str = "length(frame) = 20";

/// Stands for a frame that nobody opens: it tells its key in the same place, and is shorter than any frame.
pub(super) fn stub(key: &[u8]) -> Vec<u8> {
    [&[0; FRAME_KEY.start], key].concat()
}

/// Each of an owner's destroyed keys under which there is something.
type Found = BTreeMap<([u8; OWNER_BYTES], Id16), BTreeSet<KeyId>>;

/// Takes them out as the erasure would have, so that what stays hangs together, and notes the places of leaves that came when it
/// had noted those that it takes. The changes wait in the outbox, and are sealed when the store is opened.
pub(super) fn take_out(
    target: &mut Connection,
    staging: &Staging,
    destroyed: &[Destroyed],
    under_way: &UnderWay,
    late: &[i64],
) -> Result<(), StoreError> {
    let by = by_key(target, destroyed)?;
    name_objects(target, staging, &by)?;
    lasting::install(target)?;
    let transaction = target.transaction().at(STEP)?;
    for ((owner, shred), keys) in found(&transaction, &by)? {
        let at_us = keys.iter().map(|key| by[&key.0.0].1).max().unwrap_or_default();
        let going = Going { owner, whole: false, keys: keys.into_iter().collect() };
        erase(&transaction, &going, Doing { shred, at_us, drop_unsealed: true })?;
    }
    // Versions of resources that came again since.
    let sql = format!("DELETE FROM resource_version WHERE {IS_STUB}");
    transaction.execute(&sql, []).at(STEP)?;
    // Of what kind they are, and of which of several erasures, is known to nobody any more.
    for (shred, position) in under_way.shreds.iter().flat_map(|shred| late.iter().map(move |at| (shred, at))) {
        let sql = "INSERT OR IGNORE INTO shred_leaf (shred, kind, position) VALUES (?, 0, ?)";
        transaction.execute(sql, params![shred, position]).at(STEP)?;
    }
    transaction.commit().at(STEP)
}

/// By which erasure a key was destroyed and when: as the key stores list it, or the log says.
fn by_key(target: &Connection, destroyed: &[Destroyed]) -> Result<HashMap<[u8; 16], (Id16, i64)>, StoreError> {
    let listed = destroyed.iter().filter(|key| key.cause == Cause::Shred);
    let mut by: HashMap<_, _> = listed.map(|key| (key.id.0.0, (key.by, key.at_us))).collect();
    let mut statement = target.prepare("SELECT id, by, at_us FROM destroyed_key WHERE cause = 1").at(STEP)?;
    let mut rows = statement.query([]).at(STEP)?;
    while let Some(row) = rows.next().at(STEP)? {
        by.entry(row.get(0).at(STEP)?).or_insert((Id16(row.get(1).at(STEP)?), row.get(2).at(STEP)?));
    }
    Ok(by)
}

/// Rows of older programs do not say under which key an object is sealed; its first frame does.
fn name_objects(target: &Connection, staging: &Staging, by: &HashMap<[u8; 16], (Id16, i64)>) -> Result<(), StoreError> {
    let sql = "SELECT object.row, pack.path, object_chunk.start FROM object \
               JOIN object_chunk ON object_chunk.object = object.row AND object_chunk.chunk = 0 \
               JOIN pack ON pack.no = object_chunk.pack WHERE object.key IS NULL";
    let mut statement = target.prepare(sql).at(STEP)?;
    let mut rows = statement.query([]).at(STEP)?;
    let sql = "SELECT key FROM shut WHERE pack = (SELECT no FROM pack WHERE path = ?) AND start = ?";
    let mut shut = staging.db.prepare(sql).at(STEP)?;
    let mut named: Vec<(i64, [u8; 16])> = Vec::new();
    while let Some(row) = rows.next().at(STEP)? {
        let (path, start): (String, i64) = (row.get(1).at(STEP)?, row.get(2).at(STEP)?);
        let key: Option<[u8; 16]> = shut.query_row(params![path, start], |row| row.get(0)).optional().at(STEP)?;
        if let Some(key) = key.filter(|key| by.contains_key(key)) {
            named.push((row.get(0).at(STEP)?, key));
        }
    }
    for (row, key) in named {
        target.execute("UPDATE object SET key = ? WHERE row = ?", params![key, row]).at(STEP)?;
    }
    Ok(())
}

fn found(target: &Connection, by: &HashMap<[u8; 16], (Id16, i64)>) -> Result<Found, StoreError> {
    let mut found = Found::new();
    let versions = format!("SELECT DISTINCT owner, substr(frame, -16) FROM resource_version WHERE {IS_STUB}");
    for sql in [versions.as_str(), "SELECT DISTINCT owner, key FROM object WHERE key IS NOT NULL"] {
        let mut statement = target.prepare(sql).at(STEP)?;
        let mut rows = statement.query([]).at(STEP)?;
        while let Some(row) = rows.next().at(STEP)? {
            let (owner, key) = (row.get(0).at(STEP)?, row.get(1).at(STEP)?);
            if let Some((shred, _)) = by.get(&key) {
                found.entry((owner, *shred)).or_default().insert(KeyId(Id16(key)));
            }
        }
    }
    Ok(found)
}
