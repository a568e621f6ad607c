//! Objects: documents, scans and images, streamed in chunks into packs at the sites. Their rows are written by
//! [`Store::write`], once their bytes are durable at the sites.
//!
//! # Body of an object's first chunk, format 1
//!
//! `01`, salt (32 bytes), SHA-256 of the object (32), its size (8), `text` content type, then the first bytes. Further chunks
//! hold bytes alone.

use std::io::Read;
use std::sync::Arc;

use base::{Id16, wire};
use ledger::{Commitment, EntryKind};
use policy::{Action, InstitutionCode, Owner, Permit};
use rusqlite::{Connection, Transaction, params};
use vault::{CHUNK_BYTES, ClassName, FrameAt, FrameHead, FrameKind, GroupKey, GroupName, KeyId, PackBuilder};
use zeroize::Zeroizing;

use crate::Store;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::sequencer::KIND_OBJECT;
use crate::types::{Outcome, owner_bytes};

/// Size at which a pack of objects goes to the sites: small enough for memory, large enough that fsyncs do not count.
const PACK_BYTES: usize = 8 << 20;
/// Where the id of its key stands in a frame: behind mark, format and kind.
pub(crate) const FRAME_KEY: std::ops::Range<usize> = 4..20;
/// Objects whose keys are noted at once.
const NAMED_AT_ONCE: i64 = 10_000;
/// Longest content type in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// What is said of an object before its bytes come.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// Its id: derived from institution, path in the bag and SHA-256.
    pub id: Id16,
    /// Whose it is.
    pub owner: Owner,
    /// The institution that made it.
    pub institution: InstitutionCode,
    /// Its retention class.
    pub class: ClassName,
    /// The year in which its retention ends.
    pub expiry_year: u16,
    /// Its media type, such as `application/pdf`.
    pub content_type: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
}

/// An object whose bytes are durable at the sites and whose rows are to be written.
#[derive(Debug)]
pub struct PreparedObject {
    pub(crate) owner: Owner,
    pub(crate) institution: InstitutionCode,
    pub(crate) id: Id16,
    /// The key that it is sealed under.
    pub(crate) under: KeyId,
    content_type: String,
    size: u64,
    content: [u8; 16],
    commitment: Commitment,
    chunks: Vec<(Arc<str>, FrameAt)>,
}

impl PreparedObject {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> Id16 {
        self.id
    }
}

/// Streams objects into packs. Holds at most one pack and one chunk in memory. Objects that share a pack come back together.
pub struct ObjectWriter<'p> {
    store: Store,
    permit: &'p Permit,
    pack: PackBuilder,
    /// Objects of which some chunk is not at the sites yet. Only the last may be incomplete.
    waiting: Vec<Waiting>,
}

struct Waiting {
    object: PreparedObject,
    /// Chunks in the pack that is being filled.
    unplaced: Vec<FrameAt>,
    complete: bool,
}

impl Store {
    /// Begins to stream objects. Takes a permit to deposit.
    ///
    /// # Errors
    /// [`StoreError::Action`].
    pub fn object_writer<'p>(&self, permit: &'p Permit) -> Result<ObjectWriter<'p>, StoreError> {
        check_action(permit, "object_writer", &[Action::Deposit])?;
        Ok(ObjectWriter { store: self.clone(), permit, pack: PackBuilder::new(), waiting: Vec::new() })
    }

    /// Which of these objects are here already, so that their bytes need not be sent again.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::Database`].
    pub fn known_objects(
        &self,
        permit: &Permit,
        institution: &InstitutionCode,
        objects: &[(Owner, Id16)],
    ) -> Result<Vec<bool>, StoreError> {
        check_action(permit, "known_objects", &[Action::Deposit])?;
        check_count("objects in one question", objects.len(), crate::WRITE_MAX)?;
        if !objects.iter().all(|(owner, _)| permit.reaches(*owner, institution)) {
            return Err(StoreError::Scope { what: "the institution of the object" });
        }
        let step = "looking for objects";
        self.core().readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let sql = "SELECT 1 FROM object WHERE owner = ? AND id = ? AND institution = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let known = |(owner, id): &(Owner, Id16)| {
                statement.exists(params![owner_bytes(*owner), id.0, institution.as_str()]).at(step)
            };
            objects.iter().map(known).collect()
        })
    }
}

impl ObjectWriter<'_> {
    /// Streams one object from `source`, and gives the objects that are durable at the sites by now: pass them to
    /// [`Store::write`].
    ///
    /// # Errors
    /// [`StoreError::ObjectMismatch`] where size or checksum are not those declared, and [`StoreError::ObjectSource`] where
    /// the source fails: the object is left out and the writer goes on. [`StoreError::Scope`], [`StoreError::Limit`],
    /// [`StoreError::Key`], [`StoreError::Site`].
    pub fn put(&mut self, head: &ObjectHead, source: &mut dyn Read) -> Result<Vec<PreparedObject>, StoreError> {
        if !self.permit.reaches(head.owner, &head.institution) {
            return Err(StoreError::Scope { what: "the institution of the object" });
        }
        let core = Arc::clone(self.store.core_arc());
        check_size(head.size, core.limits.document_bytes)?;
        check_count("bytes of a content type", head.content_type.len(), CONTENT_TYPE_BYTES_MAX)?;
        let name = GroupName {
            owner: head.owner,
            institution: head.institution.clone(),
            class: head.class.clone(),
            expiry_year: head.expiry_year,
        };
        let key = core.keyring.group(self.permit, &name)?;
        let salt = core.random.bytes32();
        let content = object_content(head.owner, head.id, &head.sha256, head.size);
        let object = PreparedObject {
            owner: head.owner,
            institution: head.institution.clone(),
            id: head.id,
            under: key.id(),
            content_type: head.content_type.clone(),
            size: head.size,
            content: core.content_hash(&head.sha256),
            commitment: ledger::commit(&salt, EntryKind::Object, &content),
            chunks: Vec::new(),
        };
        self.waiting.push(Waiting { object, unplaced: Vec::new(), complete: false });
        let streamed = self.stream(&core, head, &key, &salt, source);
        if streamed.is_err() {
            // Its chunks may be in a pack by now; nothing will ever point to them.
            self.waiting.retain(|one| one.complete);
        }
        streamed?;
        if let Some(last) = self.waiting.last_mut() {
            last.complete = true;
        }
        Ok(self.durable())
    }

    /// Sends the last pack, and gives the objects that are left.
    ///
    /// # Errors
    /// [`StoreError::Site`] where too few sites took it.
    pub fn finish(mut self) -> Result<Vec<PreparedObject>, StoreError> {
        self.flush()?;
        Ok(self.durable())
    }

    fn stream(
        &mut self,
        core: &Core,
        head: &ObjectHead,
        key: &GroupKey,
        salt: &[u8; 32],
        source: &mut dyn Read,
    ) -> Result<(), StoreError> {
        let mut body = wire::Writer::new();
        body.u8(1).raw(salt).raw(&head.sha256).u64(head.size).text(&head.content_type);
        let mut body = Zeroizing::new(body.finish());
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut left = head.size;
        for chunk in 0.. {
            let from = body.len();
            let wanted = left.min(CHUNK_BYTES as u64);
            (&mut *source).take(wanted).read_to_end(&mut body).map_err(StoreError::ObjectSource)?;
            let read = (body.len() - from) as u64;
            left -= read;
            digest.update(&body[from..]);
            if read < wanted {
                let reason = format!("it ends after {} of {} bytes", head.size - left, head.size);
                return Err(StoreError::ObjectMismatch { reason });
            }
            if left == 0 {
                check_end(source, digest.clone().finish().as_ref(), head)?;
            }
            let frame_head = chunk_head(head.owner, head.id, chunk, left == 0);
            let frame = vault::seal(key, &frame_head, &body, &*core.random)?;
            self.place(&frame)?;
            if left == 0 {
                break;
            }
            body.clear();
        }
        Ok(())
    }

    fn place(&mut self, frame: &[u8]) -> Result<(), StoreError> {
        if !self.pack.is_empty() && self.pack.len() + frame.len() > PACK_BYTES {
            self.flush()?;
        }
        let at = self.pack.push(frame)?;
        self.waiting.last_mut().expect("an object is put before its chunks").unplaced.push(at);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.pack.is_empty() {
            return Ok(());
        }
        let core = self.store.core();
        // What is at the sites must be readable after a crash: keys first.
        core.persist_keys()?;
        let pack = std::mem::take(&mut self.pack).finish()?;
        let path: Arc<str> = pack.path.as_str().into();
        core.sites.put_all(self.permit, &[(pack.path, pack.bytes)])?;
        for one in &mut self.waiting {
            one.object.chunks.extend(one.unplaced.drain(..).map(|at| (Arc::clone(&path), at)));
        }
        Ok(())
    }

    fn durable(&mut self) -> Vec<PreparedObject> {
        let is_durable = |one: &mut Waiting| one.complete && one.unplaced.is_empty();
        self.waiting.extract_if(.., is_durable).map(|one| one.object).collect()
    }
}

/// What the leaf of an object commits to, as [`EntryKind::Object`]: format (1 byte), owner (kind 1 byte, id 16), id (16),
/// SHA-256 (32), size (8).
#[must_use]
pub fn object_content(owner: Owner, id: Id16, sha256: &[u8; 32], size: u64) -> Vec<u8> {
    let mut out = wire::Writer::new();
    out.u8(1).raw(&owner_bytes(owner)).raw(&id.0).raw(sha256).u64(size);
    out.finish()
}

/// Inserts the rows of an object, unless it is there.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    object: &PreparedObject,
    recorded_us: i64,
) -> Result<Outcome, StoreError> {
    let step = "writing an object";
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO object (owner, id, institution, content_type, size, content, chunks, recorded_us, key) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .at(step)?
        .execute(params![
            owner_bytes(object.owner),
            object.id.0,
            object.institution.as_str(),
            object.content_type,
            object.size as i64,
            object.content,
            object.chunks.len() as i64,
            recorded_us,
            object.under.0.0
        ])
        .at(step)?;
    if inserted == 0 {
        return Ok(Outcome::Already { version: 1 });
    }
    let row = transaction.last_insert_rowid();
    for (chunk, (path, at)) in object.chunks.iter().enumerate() {
        let pack = pack_no(transaction, path)?;
        transaction
            .prepare_cached("INSERT INTO object_chunk (object, chunk, pack, start, length) VALUES (?, ?, ?, ?, ?)")
            .at(step)?
            .execute(params![row, chunk as i64, pack, at.offset, at.length])
            .at(step)?;
    }
    crate::write::enqueue(transaction, KIND_OBJECT, row, &object.commitment)?;
    Ok(Outcome::New { version: 1 })
}

/// Notes of every object that an older program wrote under which key it is sealed: its first frame says so.
///
/// # Errors
/// [`StoreError::Site`] where no site gives the beginning of a frame.
pub(crate) fn name_keys(core: &Core, permit: &Permit) -> Result<(), StoreError> {
    let step = "looking under which keys objects are sealed";
    loop {
        let unnamed: Vec<(i64, String, u32)> = core.readers.snapshot(step, |connection| {
            let sql = "SELECT object.row, pack.path, object_chunk.start FROM object \
                       JOIN object_chunk ON object_chunk.object = object.row AND object_chunk.chunk = 0 \
                       JOIN pack ON pack.no = object_chunk.pack WHERE object.key IS NULL LIMIT ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let rows =
                statement.query_map([NAMED_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).at(step)?;
            rows.collect::<Result<_, _>>().at(step)
        })?;
        if unnamed.is_empty() {
            return Ok(());
        }
        let mut named: Vec<(i64, [u8; 16])> = Vec::with_capacity(unnamed.len());
        for (row, path, start) in unnamed {
            let range = u64::from(start)..u64::from(start) + FRAME_KEY.end as u64;
            let head = core.sites.get_range(permit, &path, range, &|head| head.starts_with(b"HF"))?;
            named.push((row, head[FRAME_KEY].try_into().expect("its length is that of an id")));
        }
        core.writer.run(named.len(), move |transaction| {
            let mut statement = transaction.prepare_cached("UPDATE object SET key = ? WHERE row = ?").at(step)?;
            named.iter().try_for_each(|(row, key)| statement.execute(params![key, row]).at(step).map(|_| ()))
        })?;
    }
}

/// The number of a pack in the database.
pub(crate) fn pack_no(connection: &Connection, path: &str) -> Result<i64, StoreError> {
    let step = "naming a pack";
    connection.prepare_cached("INSERT OR IGNORE INTO pack (path) VALUES (?)").at(step)?.execute([path]).at(step)?;
    let mut statement = connection.prepare_cached("SELECT no FROM pack WHERE path = ?").at(step)?;
    statement.query_row([path], |row| row.get(0)).at(step)
}

pub(crate) fn check_size(size: u64, limit: u64) -> Result<(), StoreError> {
    if size <= limit { Ok(()) } else { Err(StoreError::Limit { what: "bytes of a document", found: size, limit }) }
}

fn check_end(source: &mut dyn Read, sha256: &[u8], head: &ObjectHead) -> Result<(), StoreError> {
    let mut more = Vec::new();
    source.take(1).read_to_end(&mut more).map_err(StoreError::ObjectSource)?;
    let reason = if !more.is_empty() {
        format!("it goes on after {} bytes", head.size)
    } else if sha256 != head.sha256 {
        "its SHA-256 is another".to_owned()
    } else {
        return Ok(());
    };
    Err(StoreError::ObjectMismatch { reason })
}

/// The head of a chunk's frame.
pub(crate) const fn chunk_head(owner: Owner, object: Id16, chunk: u32, last: bool) -> FrameHead {
    FrameHead { kind: FrameKind::Document, object, version: 1, chunk, last, owner }
}
