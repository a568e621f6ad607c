//! Moves journal files into the table `access_entry` and the outbox of the log `access`, and only then removes them.
//!
//! A crash between the two moves them again: entries have an id, and one that is there already is left alone. What is torn
//! off the end of a file, which nobody was told is accepted, is kept beside it as `.torn` and reported.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rusqlite::{Transaction, params};

use super::file::{Record, Scan};
use super::{lock_path, set_leftover_aside, try_lock};
use crate::core::Core;
use crate::error::{AtStep, OnFile, StoreError};
use crate::seams;
use crate::sequencer::KIND_ACCESS;

/// Records moved in one transaction.
const BATCH: usize = 500;
/// Largest torn end that is kept; more is not left by a crash, and the file is kept whole instead.
const TORN_BYTES_MAX: u64 = 16 << 20;

/// Moves this process's entries into the database.
pub(crate) fn own(core: &Core) -> Result<(), StoreError> {
    let _turn = core.drain_turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    core.drains.fetch_add(1, Ordering::Relaxed);
    core.journal.set_aside()?;
    files(core, core.journal.slot)
}

/// Moves the entries of processes that have died.
pub(crate) fn orphans(core: &Core) -> Result<(), StoreError> {
    let folder = &core.journal.folder;
    for slot in slots(folder)? {
        if slot == core.journal.slot {
            continue;
        }
        if let Some(_lock) = try_lock(&lock_path(folder, slot))? {
            set_leftover_aside(folder, slot, &*core.random)?;
            files(core, slot)?;
        }
    }
    Ok(())
}

/// Slots of which any file is left.
fn slots(folder: &Path) -> Result<Vec<u32>, StoreError> {
    let mut slots: Vec<u32> = names(folder)?
        .iter()
        .filter(|name| name.ends_with(".jrn"))
        .filter_map(|name| name.get(..3)?.parse().ok())
        .collect();
    slots.sort_unstable();
    slots.dedup();
    Ok(slots)
}

/// Names of the files in the folder of journals.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = std::fs::read_dir(folder).on("listed", folder)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn files(core: &Core, slot: u32) -> Result<(), StoreError> {
    let folder = &core.journal.folder;
    let prefix = format!("{slot:03}-");
    for name in names(folder)? {
        if name.starts_with(&prefix) && name.ends_with(".jrn") {
            drain(core, &folder.join(name))?;
        }
    }
    Ok(())
}

fn drain(core: &Core, path: &Path) -> Result<(), StoreError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened.on("opened", path)?,
    };
    let bytes = file.metadata().on("read", path)?.len();
    let mut scan = Scan::new(BufReader::new(&file));
    core.config.seams.at(seams::JOURNAL_MOVE).on("moved", path)?;
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(record) = scan.next().on("read", path)?
        {
            batch.push(record);
        }
        if batch.is_empty() {
            break;
        }
        core.writer.run(batch.len(), move |transaction| insert(transaction, &batch))?;
    }
    let good = scan.good_bytes;
    if good < bytes {
        keep_torn(&mut file, path, good, bytes)?;
    }
    core.config.seams.at(seams::JOURNAL_MOVED).on("moved", path)?;
    std::fs::remove_file(path).on("removed", path)
}

/// Inserts entries that are not there yet, each with its row in the outbox.
fn insert(transaction: &Transaction<'_>, records: &[Record]) -> Result<(), StoreError> {
    let step = "taking in access entries";
    for record in records {
        let inserted = transaction
            .prepare_cached("INSERT OR IGNORE INTO access_entry (subject, time_us, id, frame) VALUES (?, ?, ?, ?)")
            .at(step)?
            .execute(params![record.subject.0, record.time_us, record.id.0, record.frame])
            .at(step)?;
        if inserted == 1 {
            let row = transaction.last_insert_rowid();
            transaction
                .prepare_cached("INSERT INTO outbox_access (kind, row, entry, since_us) VALUES (?, ?, ?, ?)")
                .at(step)?
                .execute(params![KIND_ACCESS, row, record.commitment, record.time_us])
                .at(step)?;
        }
    }
    Ok(())
}

fn keep_torn(file: &mut File, path: &Path, good: u64, bytes: u64) -> Result<(), StoreError> {
    let torn = PathBuf::from(format!("{}.torn", path.display()));
    tracing::warn!(path = %torn.display(), bytes = bytes - good, "a journal file has a torn end, which is kept");
    metrics::counter!("hanmaru_store_journal_torn").increment(1);
    let mut out = File::create(&torn).on("made", &torn)?;
    let from = if bytes - good > TORN_BYTES_MAX { 0 } else { good };
    file.seek(SeekFrom::Start(from)).on("read", path)?;
    std::io::copy(file, &mut out).on("copied", path)?;
    out.flush().and_then(|()| out.sync_all()).on("written", &torn)
}
