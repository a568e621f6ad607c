//! Reads every pack of a site, opens every frame, and stages what a leaf of a log is about.

use base::wire::Reader;
use ledger::{Commitment, EntryKind};
use policy::Permit;
use rusqlite::params;
use vault::{CHUNK_BYTES, FrameKind, FrameOutside, KeyError, Keyring, OpenedFrame, SealError, SiteError, Sites};

use super::staging::Staging;
use crate::error::StoreError;
use crate::journal::AccessEntry;
use crate::objects::{FRAME_KEY, object_content};
use crate::prepare::{read_body, version_content};
use crate::rows::read_rows;
use crate::sequencer::rows::rows_content;
use crate::types::{Log, ResourceKey, owner_bytes};

/// Bytes of an authentication tag, by which a row names its frame.
const TAG_BYTES: usize = 16;

/// What a site's packs held.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) packs: u64,
    pub(super) bytes: u64,
    /// Packs that cannot be read whole.
    pub(super) damaged: u64,
    /// Frames that do not open although their key is there.
    pub(super) tampered: u64,
    /// Frames whose key is gone.
    pub(super) shut: u64,
    /// Frames that no leaf is about.
    pub(super) stray: u64,
    /// The newest number of a change.
    pub(super) newest_change: u64,
}

struct Scan<'a> {
    staging: &'a Staging,
    scanned: Scanned,
    pack: i64,
}

pub(super) fn packs(
    sites: &Sites,
    permit: &Permit,
    keyring: &Keyring,
    staging: &mut Staging,
) -> Result<Scanned, StoreError> {
    let mut scan = Scan { staging, scanned: Scanned::default(), pack: 0 };
    for path in sites.list(permit, "pack")? {
        let bytes = match sites.get(permit, &path, &|bytes| vault::matches_path(&path, bytes)) {
            Ok(bytes) => bytes,
            Err(SiteError::NotFound { .. } | SiteError::Unreadable { .. }) => {
                scan.scanned.damaged += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        scan.pack += 1;
        scan.scanned.packs += 1;
        scan.scanned.bytes += bytes.len() as u64;
        scan.staging.run("INSERT INTO pack (no, path) VALUES (?, ?)", params![scan.pack, path])?;
        for frame in vault::read_pack(&bytes)? {
            let start = frame.range.start;
            let sealed = &bytes[frame.range];
            match vault::open_frame(permit, keyring, sealed) {
                Ok(opened) => scan.frame(&opened, sealed, start)?,
                Err(SealError::Key(KeyError::Unknown { .. })) => {
                    scan.scanned.shut += 1;
                    let sql = "INSERT INTO shut (tag, key, pack, start, part) VALUES (?, ?, ?, ?, ?)";
                    let values = params![tag(sealed), key(sealed), scan.pack, start as i64, part(sealed)?];
                    scan.staging.run(sql, values)?;
                }
                Err(SealError::Key(error)) => return Err(error.into()),
                Err(_) => scan.scanned.tampered += 1,
            }
        }
    }
    let scanned = scan.scanned;
    staging.index(
        "CREATE INDEX shut_by_tag ON shut (tag); \
         CREATE INDEX shut_by_key ON shut (key); \
         CREATE INDEX shut_by_place ON shut (pack, start); \
         CREATE INDEX pack_by_path ON pack (path); \
         CREATE INDEX chunk_by_object ON chunk (owner, object, chunk)",
    )?;
    Ok(scanned)
}

/// What a frame that does not open can be of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything or the end: a version, or a document's last chunk.
    End = 0,
    /// The first chunk of a document that goes on: beside its bytes it has what they are.
    Begin = 1,
    /// A full chunk of a document: the last one only by chance.
    Full = 2,
    /// Changes of rows.
    Rows = 3,
    /// Nothing.
    None = 4,
}

fn part(frame: &[u8]) -> Result<i64, StoreError> {
    let outside = FrameOutside::read(frame)?;
    let part = match outside.kind {
        FrameKind::Document if outside.body_bytes > CHUNK_BYTES => Part::Begin,
        FrameKind::Document if outside.body_bytes == CHUNK_BYTES => Part::Full,
        FrameKind::Document | FrameKind::Resource => Part::End,
        FrameKind::Table => Part::Rows,
        FrameKind::Access | FrameKind::Event => Part::None,
    };
    Ok(part as i64)
}

fn tag(frame: &[u8]) -> &[u8] {
    &frame[frame.len() - TAG_BYTES..]
}

/// The id of the key that a frame is sealed under.
fn key(frame: &[u8]) -> &[u8] {
    &frame[FRAME_KEY]
}

impl Scan<'_> {
    fn frame(&mut self, opened: &OpenedFrame, sealed: &[u8], start: usize) -> Result<(), StoreError> {
        match opened.head.kind {
            FrameKind::Resource => self.version(opened, sealed),
            FrameKind::Document => self.chunk(opened, sealed, start),
            FrameKind::Access => self.access(opened, sealed),
            FrameKind::Table => self.rows(opened, key(sealed)),
            FrameKind::Event => {
                self.scanned.stray += 1;
                Ok(())
            }
        }
    }

    /// The place of the leaf that a frame is about; counts a frame of no leaf.
    fn place(&mut self, log: Log, entry: &Commitment) -> Result<Option<i64>, StoreError> {
        let position = self.staging.explain(log, entry)?;
        self.scanned.stray += u64::from(position.is_none());
        Ok(position)
    }

    fn version(&mut self, opened: &OpenedFrame, sealed: &[u8]) -> Result<(), StoreError> {
        let head = &opened.head;
        let body = read_body(&opened.body)?;
        let key = ResourceKey { owner: head.owner, resource_type: body.resource_type.to_owned(), id: head.object };
        let content = version_content(&key, head.version, &base::sha256(body.bytes));
        let entry = ledger::commit(&body.salt, EntryKind::Resource, &content);
        let Some(position) = self.place(Log::Records, &entry)? else { return Ok(()) };
        // A round that was interrupted left its frames in a pack of its own, and the next one packed them again.
        let sql = "INSERT OR IGNORE INTO frame (tag, position, pack, bytes) VALUES (?, ?, ?, ?)";
        self.staging.run(sql, params![tag(sealed), position, self.pack, sealed])
    }

    fn access(&mut self, opened: &OpenedFrame, sealed: &[u8]) -> Result<(), StoreError> {
        let mut reader = salted(&opened.body, "an access entry")?;
        let salt = reader.array()?;
        let content = &opened.body[reader.offset()..];
        let Some(position) = self.place(Log::Access, &ledger::commit(&salt, EntryKind::Access, content))? else {
            return Ok(());
        };
        let time_us = AccessEntry::from_bytes(content)?.time.as_microsecond();
        let (subject, id) = (opened.head.owner.id().0, opened.head.object.0);
        let sql =
            "INSERT OR IGNORE INTO access (position, pack, subject, time_us, id, bytes) VALUES (?, ?, ?, ?, ?, ?)";
        self.staging.run(sql, params![position, self.pack, subject, time_us, id, sealed])
    }

    fn rows(&mut self, opened: &OpenedFrame, key: &[u8]) -> Result<(), StoreError> {
        let mut reader = salted(&opened.body, "rows")?;
        let salt = reader.array()?;
        let rows = &opened.body[reader.offset()..];
        let entry = ledger::commit(&salt, EntryKind::Rows, &rows_content(opened.head.owner, rows));
        let Some(position) = self.place(Log::Records, &entry)? else { return Ok(()) };
        let values = params![position, self.pack, key];
        self.staging.run("INSERT INTO rows (position, pack, key) VALUES (?, ?, ?)", values)?;
        let (layouts, changes) = read_rows(rows)?;
        let mut numbers = Vec::with_capacity(layouts.len());
        for layout in &layouts {
            let values = params![layout.table, layout.keys as i64, layout.columns.join(",")];
            self.staging.run("INSERT OR IGNORE INTO layout (name, keys, columns) VALUES (?, ?, ?)", values)?;
            let sql = "SELECT no FROM layout WHERE name = ? AND keys = ? AND columns = ?";
            let found =
                self.staging.db.prepare_cached(sql).and_then(|mut found| found.query_row(values, |row| row.get(0)));
            numbers.push(crate::error::AtStep::at(found, "staging a layout")?);
        }
        for change in changes {
            let layout: i64 = numbers[change.layout];
            let sql = "INSERT INTO change (no, layout, bytes, position) VALUES (?, ?, ?, ?)";
            self.staging.run(sql, params![change.no as i64, layout, change.bytes, position])?;
            self.scanned.newest_change = self.scanned.newest_change.max(change.no);
        }
        Ok(())
    }

    /// A document's first chunk tells its leaf. One that is the only one is proved here, the others when all are known.
    fn chunk(&mut self, opened: &OpenedFrame, sealed: &[u8], start: usize) -> Result<(), StoreError> {
        let head = &opened.head;
        let (mut position, mut sha256, mut whole) = (None, None, None);
        if head.chunk == 0 {
            let mut reader = salted(&opened.body, "a document")?;
            let salt = reader.array()?;
            let (digest, size): ([u8; 32], u64) = (reader.array()?, reader.u64()?);
            reader.text()?;
            let content = object_content(head.owner, head.object, &digest, size);
            position = self.place(Log::Records, &ledger::commit(&salt, EntryKind::Object, &content))?;
            sha256 = Some(digest);
            let bytes = &opened.body[reader.offset()..];
            whole = head.last.then(|| bytes.len() as u64 == size && base::sha256(bytes) == digest);
        }
        let sql = "INSERT INTO chunk (pack, start, length, owner, object, chunk, last, position, sha256, whole) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = params![
            self.pack,
            start as i64,
            sealed.len() as i64,
            owner_bytes(head.owner),
            head.object.0,
            head.chunk,
            head.last,
            position,
            sha256,
            whole
        ];
        self.staging.run(sql, values)
    }
}

/// A reader of a body behind its format, which is 1.
fn salted<'a>(body: &'a [u8], what: &'static str) -> Result<Reader<'a>, StoreError> {
    let mut reader = Reader::new(body);
    if reader.u8()? == 1 {
        return Ok(reader);
    }
    Err(StoreError::Damaged { what, reason: "its format is unknown".to_owned() })
}
