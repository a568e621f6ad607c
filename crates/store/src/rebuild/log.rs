//! A log at a site, read whole: its leaves into the staging database, and its end into the new one.

use std::cell::RefCell;

use ledger::tiles::{BundleSource, CHECKPOINT_PATH, TileId, TilePath, TileSource, decode_bundle, entries_path};
use ledger::{Checkpoint, Commitment, LogAppender, SignedCheckpoint, SignerKey};
use policy::Permit;
use rusqlite::{Connection, params};
use vault::{SiteError, Sites};

use super::staging::Staging;
use super::{Rebuild, sites, witnesses};
use crate::error::{AtStep, StoreError};
use crate::types::Log;

/// Leaves in a tile and in a bundle.
const WIDTH: u64 = ledger::tiles::TILE_WIDTH as u64;

/// Where a log ends.
pub(super) struct End {
    head: Option<SignedCheckpoint>,
    /// The head at the site, where leaves behind it were taken up.
    published: Option<SignedCheckpoint>,
    /// Files of the leaves that were taken up: they may be missing at sites.
    files: Vec<(TilePath, Vec<u8>)>,
    /// Partial tiles and the partial bundle at the end.
    edge: Vec<(TilePath, Vec<u8>)>,
    /// Sites that do not tell how much of it they have, with why.
    pub(super) silent: Vec<String>,
}

/// Reads a log and proves that its tiles and entries give its signed root. Leaves behind the newest checkpoint, written by a
/// round that was interrupted, are taken up: the swap that they belong to has been, and other leaves must not take their places.
pub(super) fn read(
    with: &Rebuild<'_>,
    permit: &Permit,
    log: Log,
    signer: &SignerKey,
    staging: &mut Staging,
) -> Result<End, StoreError> {
    let trusted = [signer.verifier().clone()];
    let published = checkpoint(&with.from, permit, log, &trusted)?;
    let size = published.as_ref().map_or(0, |head| head.checkpoint.size);
    let silent = sites::ask(with, permit, log, &trusted, published.as_ref())?;
    let source = Source { sites: &with.from, permit, log, staging, fault: RefCell::new(None) };
    if let Some(head) = &published {
        let audited = ledger::audit(&head.checkpoint, &source);
        if let Some(fault) = source.fault.borrow_mut().take() {
            return Err(fault);
        }
        audited?;
    }
    let tail = tail(with, permit, log, size)?;
    for (position, entry) in (size..).zip(&tail) {
        stage(staging, log, position, entry)?;
    }
    let source = Source { sites: &with.from, permit, log, staging, fault: RefCell::new(None) };
    let mut appender = match &published {
        Some(head) => LogAppender::resume(size, &head.checkpoint.root, &source)?,
        None => LogAppender::new(),
    };
    let batch = appender.append(&tail);
    let head = if tail.is_empty() {
        published.clone()
    } else {
        let origin = format!("{}/{}", with.origin, log.name());
        Some(Checkpoint::new(&origin, batch.size, batch.root).sign(signer)?)
    };
    // A drill makes no head, and the installation that it is beside goes on meanwhile.
    if let Some(witnessing) = with.witnessing.as_ref().filter(|_| !with.drill) {
        witnesses::ask(witnessing, log, signer, head.as_ref(), with.without.witnesses)?;
    }
    let edge = edge(batch.size, &batch.files, &source)?;
    let files = if tail.is_empty() { Vec::new() } else { batch.files };
    staging.index(if log == Log::Access { "CREATE UNIQUE INDEX leaf_by_entry ON leaf (log, entry)" } else { "" })?;
    Ok(End { head, published, files, edge, silent })
}

fn stage(staging: &Staging, log: Log, position: u64, entry: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO leaf (log, position, entry, explained) VALUES (?, ?, ?, 0)";
    staging.run(sql, params![log.place() as i64, position as i64, entry])
}

fn checkpoint(
    sites: &Sites,
    permit: &Permit,
    log: Log,
    trusted: &[ledger::VerifierKey],
) -> Result<Option<SignedCheckpoint>, StoreError> {
    let open = |bytes: &[u8]| SignedCheckpoint::open(bytes, trusted);
    match sites.get(permit, &log.path(CHECKPOINT_PATH), &|bytes| open(bytes).is_ok()) {
        Ok(bytes) => Ok(Some(open(&bytes)?)),
        Err(SiteError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The leaves behind a size that stand in bundles at any site that answers.
fn tail(with: &Rebuild<'_>, permit: &Permit, log: Log, size: u64) -> Result<Vec<Commitment>, StoreError> {
    let mut tail = Vec::new();
    let (mut index, mut known) = (size / WIDTH, (size % WIDTH) as u16);
    loop {
        let widest =
            (known + 1..=WIDTH as u16).rev().find_map(|width| bundle(with, permit, log, index, width).transpose());
        let Some(entries) = widest.transpose()? else { return Ok(tail) };
        let width = entries.len() as u16;
        tail.extend_from_slice(&entries[usize::from(known)..]);
        if u64::from(width) < WIDTH {
            return Ok(tail);
        }
        (index, known) = (index + 1, 0);
    }
}

fn bundle(
    with: &Rebuild<'_>,
    permit: &Permit,
    log: Log,
    index: u64,
    width: u16,
) -> Result<Option<Vec<Commitment>>, StoreError> {
    let path = log.path(&entries_path(index, width));
    let whole = |bytes: &[u8]| decode_bundle(bytes, width).is_ok();
    let bytes = match with.all.get(permit, &path, &whole) {
        Ok(bytes) => bytes,
        // A bundle that cannot be read is no reason to stop: what it held shows as missing, or was never swapped.
        Err(SiteError::NotFound { .. } | SiteError::Unreadable { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let entries = decode_bundle(&bytes, width)?;
    let entries: Option<Vec<Commitment>> = entries.into_iter().map(|entry| entry.try_into().ok()).collect();
    Ok(entries)
}

fn edge<S: TileSource + BundleSource>(
    size: u64,
    files: &[(TilePath, Vec<u8>)],
    source: &S,
) -> Result<Vec<(TilePath, Vec<u8>)>, StoreError> {
    let mut edge = Vec::new();
    let mut add = |path: TilePath| -> Result<(), StoreError> {
        let bytes = match (files.iter().find(|(found, _)| *found == path), path) {
            (Some((_, bytes)), _) => bytes.clone(),
            (None, TilePath::Hashes(id)) => source.hash_tile(&id).map_err(unreadable)?,
            (None, TilePath::Entries { index, width }) => source.entry_bundle(index, width).map_err(unreadable)?,
        };
        edge.push((path, bytes));
        Ok(())
    };
    let (mut level, mut hashes) = (0, size);
    while hashes > 0 {
        let id = TileId { level, index: hashes / WIDTH, width: (hashes % WIDTH) as u16 };
        if id.width > 0 {
            add(TilePath::Hashes(id))?;
        }
        (level, hashes) = (level + 1, hashes / WIDTH);
    }
    if !size.is_multiple_of(WIDTH) {
        add(TilePath::Entries { index: size / WIDTH, width: (size % WIDTH) as u16 })?;
    }
    Ok(edge)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Rebuild { reason: format!("the end of a log cannot be read: {}", error.into()) }
}

/// A log at the site. Every bundle that the audit reads is staged.
struct Source<'a> {
    sites: &'a Sites,
    permit: &'a Permit,
    log: Log,
    staging: &'a Staging,
    fault: RefCell<Option<StoreError>>,
}

impl TileSource for Source<'_> {
    type Error = SiteError;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, SiteError> {
        let path = self.log.path(&TilePath::Hashes(*id).to_string());
        self.sites.get(self.permit, &path, &|bytes| bytes.len() == id.byte_len()).map(|bytes| bytes.to_vec())
    }
}

impl BundleSource for Source<'_> {
    type Error = SiteError;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, SiteError> {
        let path = self.log.path(&entries_path(index, width));
        let bytes = self.sites.get(self.permit, &path, &|bytes| decode_bundle(bytes, width).is_ok())?;
        let entries = decode_bundle(&bytes, width).unwrap_or_default();
        for (position, entry) in (index * WIDTH..).zip(entries) {
            // The appender reads the last bundle again.
            let known = "INSERT OR IGNORE INTO leaf (log, position, entry, explained) VALUES (?, ?, ?, 0)";
            let values = params![self.log.place() as i64, position as i64, entry];
            if let Err(fault) = self.staging.run(known, values) {
                self.fault.borrow_mut().get_or_insert(fault);
            }
        }
        Ok(bytes.to_vec())
    }
}

impl End {
    pub(super) fn size(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.checkpoint.size)
    }

    pub(super) fn root(&self) -> String {
        self.head.as_ref().map_or_else(String::new, |head| base::hex(&head.checkpoint.root.0))
    }

    pub(super) fn taken_up(&self) -> u64 {
        self.size() - self.published.as_ref().map_or(0, |head| head.checkpoint.size)
    }

    /// Writes the end into the new database, so that the log goes on behind it.
    pub(super) fn write(
        &self,
        target: &mut Connection,
        log: Log,
        newest_change: u64,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let step = "writing the end of a log";
        let Some(head) = &self.head else { return Ok(()) };
        let last_no = if log == Log::Records { newest_change as i64 } else { 0 };
        let published = self.published.as_ref();
        let published_size = published.map_or(0, |head| head.checkpoint.size as i64);
        let transaction = target.transaction().at(step)?;
        let sql = "UPDATE log_head SET note = ?, size = ?, last_no = ?, swapped_us = ?, published_note = ?, published_size = ?, \
                   published_no = ? WHERE log = ?";
        let values = params![
            head.note,
            head.checkpoint.size as i64,
            last_no,
            now_us,
            published.map(|head| &head.note),
            published_size,
            if self.files.is_empty() { last_no } else { 0 },
            log.name()
        ];
        transaction.execute(sql, values).at(step)?;
        for (path, bytes) in &self.edge {
            let level = match path {
                TilePath::Hashes(id) => i64::from(id.level),
                TilePath::Entries { .. } => -1,
            };
            let sql = "INSERT INTO log_edge (log, level, path, bytes) VALUES (?, ?, ?, ?)";
            transaction.execute(sql, params![log.name(), level, path.to_string(), bytes]).at(step)?;
        }
        for (path, bytes) in &self.files {
            let sql = "INSERT INTO pending_tile (log, size, path, bytes) VALUES (?, ?, ?, ?)";
            let values = params![log.name(), head.checkpoint.size as i64, path.to_string(), bytes];
            transaction.execute(sql, values).at(step)?;
        }
        transaction.commit().at(step)
    }
}
