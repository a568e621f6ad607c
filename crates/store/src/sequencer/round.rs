//! One round: take the oldest rows of the outbox, put their frames into a segment at the sites, append their leaves, swap the
//! checkpoint in the database, and then publish tiles and checkpoint to the sites.
//!
//! The swap, the deletion of the outbox rows, the positions of the leaves and the tiles still to be published are one
//! transaction. Before it nothing public has changed; after it everything public can be made again from the database. So
//! each leaf is in the log once, wherever a crash comes.
//!
//! Durable writes of a round, one after another: segment (none where no body is new), swap, tiles, checkpoint. Each is at all
//! sites at once. Witnesses are asked between tiles and checkpoint ([`cosign`]).

use std::sync::{Arc, Mutex};

use ledger::tiles::{TILE_WIDTH, TilePath};
use ledger::{CheckpointLock, Commitment, Conflict, Publication};
use policy::Permit;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::{Bytes, KeyId, Pack, PackBuilder};

use super::cosign;
use super::head::End;
use super::rows::{CHANGE_MOST_MORE, Changes};
use super::{KIND_ACCESS, KIND_ROWS, KIND_VERSION, ROUND_BYTES, ROUND_BYTES_MAX, ROUND_ROWS_MAX, lock, outbox};
use crate::core::Core;
use crate::error::{AtStep, OnFile, StoreError};
use crate::objects::pack_no;
use crate::seams;
use crate::types::Log;

/// Does one round. `false` where nothing waits.
pub(crate) fn round(core: &Core, log: Log, permit: &Permit, end: &mut End) -> Result<bool, StoreError> {
    let rows_max = core.config.round_rows;
    let taken = core.readers.snapshot("taking from the outbox", |connection| take(connection, log, rows_max))?;
    let Some(mut taken) = taken else {
        core.log(log).set_waiting(0);
        return Ok(false);
    };
    let mut rows_keys = Vec::new();
    if !taken.changes.is_empty() {
        for (entry, key) in taken.changes.seal(core, &mut taken.pack)? {
            taken.entries.push(entry);
            rows_keys.push(key);
        }
    }
    let pack = (!taken.pack.is_empty()).then(|| taken.pack.finish()).transpose()?;
    if let Some(Pack { path, bytes, .. }) = &pack {
        core.sites.put_all(permit, &[(path.clone(), bytes.clone())])?;
    }
    let mut appender = end.appender.clone();
    let batch = appender.append(&taken.entries);
    let first_position = batch.old_size;
    let state = core.log(log);
    let publication = Publication::next(end.head.as_ref(), &state.origin, batch, &state.signer)?;
    let files: Arc<[(TilePath, Vec<u8>)]> = publication.files.clone().into();
    let (first_no, last_no) = (taken.rows[0].no, taken.rows[taken.rows.len() - 1].no);
    let swap = Swap {
        log,
        rows: taken.rows,
        rows_keys,
        first_no,
        last_no,
        first_position,
        size: publication.to.checkpoint.size,
        swapped_us: core.clock.now_us(),
        pack: pack.map(|pack| pack.path),
        files: Arc::clone(&files),
    };
    core.config.seams.at(seams::before_swap(log)).on("sealed", &core.folder)?;
    let database = DatabaseLock { core, swap: Mutex::new(Some(swap)), failure: Mutex::new(None) };
    if let Err(conflict) = publication.claim(&database) {
        let failure = lock(&database.failure).take();
        return Err(failure.unwrap_or_else(|| StoreError::Commit { reason: conflict.to_string() }));
    }
    core.config.seams.at(seams::after_swap(log)).on("sealed", &core.folder)?;
    *end = End { appender, head: Some(publication.to), last_no: last_no.unsigned_abs() };
    let head = end.head.as_ref().expect("it was set in the line before");
    for (path, bytes) in files.iter() {
        core.tiles.put(log, *path, bytes);
    }
    let named = files.iter().map(|(path, bytes)| (log.path(&path.to_string()), Bytes::copy_from_slice(bytes)));
    let named = named.collect::<Vec<_>>();
    core.sites.put_all(permit, &named)?;
    core.config.seams.at(seams::before_publish(log)).on("sealed", &core.folder)?;
    // Not before: what a witness has seen must be there again when this database is lost.
    let asking = cosign::ask(core, log, permit, head);
    cosign::publish(asking, end.last_no)?;
    metrics::counter!("hanmaru_store_sealed", "log" => log.name()).increment(taken.entries.len() as u64);
    Ok(true)
}

/// A row of an outbox.
struct Row {
    no: i64,
    kind: i64,
    row: i64,
    /// Whether a frame of it is in the segment of this round.
    packed: bool,
}

struct Taken {
    rows: Vec<Row>,
    /// The leaves of all rows but changes, in their order.
    entries: Vec<Commitment>,
    pack: PackBuilder,
    changes: Changes,
}

/// The oldest rows and their frames, as many as fit a round. A round ends where a task ends: what is sealed is what the database
/// held at some moment, so that from the sites alone it can be made again. Entries of accesses stand each for themselves.
fn take(connection: &Connection, log: Log, rows_max: usize) -> Result<Option<Taken>, StoreError> {
    let step = "taking from the outbox";
    let columns = if log == Log::Records { "owner, task" } else { "NULL, NULL" };
    let sql = format!("SELECT no, kind, row, entry, {columns} FROM {} ORDER BY no", outbox(log));
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let mut rows = statement.query([]).at(step)?;
    let (mut pack, mut changes) = (PackBuilder::new(), Changes::default());
    let (mut taken, mut entries, mut task) = (Vec::new(), Vec::new(), None);
    while let Some(row) = rows.next().at(step)? {
        let bytes = pack.len() + changes.bytes();
        let of: Option<i64> = row.get(5).at(step)?;
        let goes_on = of.is_some() && of == std::mem::replace(&mut task, of);
        let is_full = taken.len() >= rows_max || bytes >= ROUND_BYTES;
        if (is_full && !goes_on) || taken.len() >= ROUND_ROWS_MAX {
            break;
        }
        let (no, kind, of): (i64, i64, i64) = (row.get(0).at(step)?, row.get(1).at(step)?, row.get(2).at(step)?);
        let entry: &[u8] = row.get_ref(3).at(step)?.as_blob().unwrap_or_default();
        let frame = frame_of(connection, kind, of)?;
        // What no segment could hold comes in the next one.
        let more = frame.as_ref().map_or(entry.len() + CHANGE_MOST_MORE, Vec::len);
        if !taken.is_empty() && bytes + more > ROUND_BYTES_MAX {
            break;
        }
        taken.push(Row { no, kind, row: of, packed: frame.is_some() });
        if let Some(frame) = frame {
            pack.push(&frame)?;
        }
        if kind == KIND_ROWS {
            let owner: Option<Vec<u8>> = row.get(4).at(step)?;
            changes.push(connection, no, of, owner.as_deref(), entry.to_vec())?;
        } else {
            entries.push(row.get(3).at(step)?);
        }
    }
    Ok((!taken.is_empty()).then_some(Taken { rows: taken, entries, pack, changes }))
}

/// The frame of a version or an access entry, for the segment; other leaves have none.
fn frame_of(connection: &Connection, kind: i64, row: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let step = "reading a frame for the segment";
    let sql = match kind {
        KIND_VERSION => "SELECT frame FROM resource_version WHERE row = ?",
        KIND_ACCESS => "SELECT frame FROM access_entry WHERE row = ?",
        _ => return Ok(None),
    };
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let found = statement.query_row([row], |row| row.get(0)).optional().at(step)?;
    found.map(Some).ok_or_else(|| StoreError::Damaged {
        what: "the outbox",
        reason: "it names a row that is not there".to_owned(),
    })
}

/// All that changes with a checkpoint.
struct Swap {
    log: Log,
    rows: Vec<Row>,
    /// Keys of the frames of changes, in the order of their leaves.
    rows_keys: Vec<KeyId>,
    first_no: i64,
    last_no: i64,
    first_position: u64,
    size: u64,
    swapped_us: i64,
    pack: Option<String>,
    files: Arc<[(TilePath, Vec<u8>)]>,
}

/// The head of a log in the database, as the lock that the ledger asks for.
struct DatabaseLock<'a> {
    core: &'a Core,
    swap: Mutex<Option<Swap>>,
    /// What kept the transaction from being committed.
    failure: Mutex<Option<StoreError>>,
}

impl CheckpointLock for DatabaseLock<'_> {
    fn swap(&self, _log: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), Conflict> {
        let Some(swap) = lock(&self.swap).take() else {
            return Err(Conflict::Unknown("the swap was tried already".into()));
        };
        let (expected, new) = (expected.map(<[u8]>::to_vec), new.to_vec());
        let result = self.core.writer.run(swap.rows.len(), move |transaction| {
            let current: Option<Vec<u8>> = transaction
                .query_row("SELECT note FROM log_head WHERE log = ?", [swap.log.name()], |row| row.get(0))
                .at("reading the head of a log")?;
            if current != expected {
                return Ok(Some(current));
            }
            write(transaction, &swap, &new)?;
            Ok(None)
        });
        match result {
            Ok(None) => Ok(()),
            Ok(Some(current)) => Err(Conflict::Moved { current }),
            Err(error) => {
                let text = error.to_string();
                *lock(&self.failure) = Some(error);
                Err(Conflict::Unknown(text.into()))
            }
        }
    }
}

fn write(transaction: &Transaction<'_>, swap: &Swap, note: &[u8]) -> Result<(), StoreError> {
    let step = "swapping the checkpoint";
    let name = swap.log.name();
    transaction
        .prepare_cached("UPDATE log_head SET note = ?, size = ?, last_no = ?, swapped_us = ? WHERE log = ?")
        .at(step)?
        .execute(params![note, swap.size as i64, swap.last_no, swap.swapped_us, name])
        .at(step)?;
    let sql = format!("DELETE FROM {} WHERE no BETWEEN ? AND ?", outbox(swap.log));
    let deleted = transaction.prepare_cached(&sql).at(step)?.execute([swap.first_no, swap.last_no]).at(step)?;
    if deleted != swap.rows.len() {
        return Err(StoreError::Damaged {
            what: "the outbox",
            reason: "its rows changed while they were sealed".to_owned(),
        });
    }
    let pack = swap.pack.as_deref().map(|path| pack_no(transaction, path)).transpose()?;
    let sql = "INSERT INTO leaf (kind, row, position, pack) VALUES (?, ?, ?, ?)";
    let mut statement = transaction.prepare_cached(sql).at(step)?;
    let mut position = swap.first_position as i64;
    for row in swap.rows.iter().filter(|row| row.kind != KIND_ROWS) {
        statement.execute(params![row.kind, row.row, position, pack.filter(|_| row.packed)]).at(step)?;
        position += 1;
    }
    // The leaves of changes stand behind the others, under their own place.
    for (position, key) in (position..swap.size as i64).zip(&swap.rows_keys) {
        statement.execute(params![KIND_ROWS, position, position, pack]).at(step)?;
        note_rows_leaf(transaction, &key.0.0, position)?;
    }
    for (path, bytes) in swap.files.iter() {
        let text = path.to_string();
        transaction
            .prepare_cached("INSERT OR REPLACE INTO pending_tile (log, size, path, bytes) VALUES (?, ?, ?, ?)")
            .at(step)?
            .execute(params![name, swap.size as i64, text, bytes])
            .at(step)?;
        keep_edge(transaction, name, *path, &text, bytes)?;
    }
    Ok(())
}

/// Notes under which key the frame of a leaf of rows is sealed.
pub(crate) fn note_rows_leaf(transaction: &Transaction<'_>, key: &[u8], position: i64) -> Result<(), StoreError> {
    let step = "noting the key of a leaf";
    let sql = "INSERT INTO rows_leaf (key, position) VALUES (?, ?)";
    transaction.prepare_cached(sql).at(step)?.execute(params![key, position]).at(step).map(|_| ())
}

/// The edge holds the partial tile of each level and the partial bundle; a tile that became full leaves it. Files come full
/// ones first, so a new partial one is kept.
fn keep_edge(
    transaction: &Transaction<'_>,
    log: &str,
    path: TilePath,
    text: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let step = "keeping the end of the log";
    let (level, width) = match path {
        TilePath::Hashes(id) => (i64::from(id.level), id.width),
        TilePath::Entries { width, .. } => (-1, width),
    };
    if width == TILE_WIDTH {
        let sql = "DELETE FROM log_edge WHERE log = ? AND level = ?";
        return transaction.prepare_cached(sql).at(step)?.execute(params![log, level]).at(step).map(|_| ());
    }
    let sql = "INSERT OR REPLACE INTO log_edge (log, level, path, bytes) VALUES (?, ?, ?, ?)";
    transaction.prepare_cached(sql).at(step)?.execute(params![log, level, text, bytes]).at(step).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outbox with rows of these tasks, each with a change of so many bytes.
    fn outbox_of(tasks: &[Option<i64>], bytes: usize) -> Connection {
        let folder = tempfile::tempdir().expect("a folder");
        let (connection, _guard) =
            crate::connection::open_writer(&folder.path().join("hanmaru.db"), None).expect("opened");
        connection.execute("DELETE FROM outbox_records", []).expect("what the migrations wrote");
        let layout: i64 =
            connection.query_row("SELECT min(no) FROM row_layout", [], |row| row.get(0)).expect("a layout");
        for task in tasks {
            let sql = "INSERT INTO outbox_records (kind, row, entry, task) VALUES (?, ?, zeroblob(?), ?)";
            connection.execute(sql, params![KIND_ROWS, layout, bytes as i64, task]).expect("written");
        }
        connection
    }

    fn taken(tasks: &[Option<i64>], bytes: usize) -> usize {
        let connection = outbox_of(tasks, bytes);
        take(&connection, Log::Records, 3).expect("taken").map_or(0, |taken| taken.rows.len())
    }

    #[test]
    fn a_round_ends_where_a_task_ends() {
        let (one, two, three) = (Some(i64::MIN), Some(7), Some(8));
        assert_eq!(taken(&[], 10), 0);
        assert_eq!(taken(&[one, one, two, two, two, three], 10), 5);
        assert_eq!(taken(&[one, two, three, three], 10), 4, "the third row is of the fourth's task");
        assert_eq!(taken(&[one; 9], 10), 9);
        assert_eq!(taken(&[None; 9], 10), 3, "rows from before stand each for itself");
        assert_eq!(taken(&[one, two, one, two, one], 10), 3);
    }

    #[test]
    fn what_no_segment_could_hold_comes_in_the_next_round() {
        let most = 7 << 20;
        assert_eq!(taken(&[Some(1); 6], most), 4, "28 MiB and what stands around them");
        assert_eq!(taken(&[Some(1)], most), 1);
        let connection = outbox_of(&vec![Some(1); 120], 256 << 10);
        let taken = take(&connection, Log::Records, 3).expect("taken").expect("rows");
        assert!(taken.rows.len() < 120 && taken.changes.bytes() <= ROUND_BYTES_MAX, "{}", taken.rows.len());
    }
}
