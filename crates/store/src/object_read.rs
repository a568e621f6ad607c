//! Reading objects: chunk by chunk from the sites, each checked, and none before the access entry is durable.

use std::collections::HashMap;
use std::io::Write;

use base::{Id16, wire};
use policy::{Action, InstitutionCode, Owner, Permit, Scope, Share};
use rusqlite::{Connection, OptionalExtension, params};
use vault::{Bytes, FrameAt, FrameHead};
use zeroize::Zeroizing;

use crate::Store;
use crate::access::Seen;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::objects::{check_size, chunk_head};
use crate::types::{institution_from, owner_bytes};

/// An object, read.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectBytes {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for ObjectBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBytes").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl Store {
    /// An object within the permit, whole in memory; at most as large as [`base::limits::Limits::document_bytes`].
    ///
    /// # Errors
    /// As [`Store::object_to`].
    pub fn object(&self, permit: &Permit, id: Id16) -> Result<ObjectBytes, StoreError> {
        let mut bytes = Vec::new();
        let content_type = self.object_to(permit, id, &mut bytes)?;
        Ok(ObjectBytes { content_type, bytes })
    }

    /// Streams an object within the permit to `out` and gives its media type. The access entry is durable before the first
    /// byte is written.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is none within reach; [`StoreError::Action`], [`StoreError::StaleEpoch`],
    /// [`StoreError::JournalUnavailable`], [`StoreError::Site`], [`StoreError::Damaged`], [`StoreError::Database`].
    pub fn object_to(&self, permit: &Permit, id: Id16, out: &mut dyn Write) -> Result<String, StoreError> {
        self.objects(permit, &[id])?.read_to(id, out)
    }

    /// Finds objects within the permit, to be read one by one. One access entry for each data subject, which counts all of
    /// them, is durable before this returns.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond
    /// [`HISTORIES_MAX`](crate::HISTORIES_MAX) objects, [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn objects<'p>(&self, permit: &'p Permit, ids: &[Id16]) -> Result<Objects<'p>, StoreError> {
        check_action(permit, "objects", &[Action::ReadDocument, Action::Issue])?;
        check_count("objects in one read", ids.len(), crate::HISTORIES_MAX)?;
        let Scope::Patients(patients) = permit.scope() else {
            return Err(StoreError::Scope { what: "patients" });
        };
        // What is in a file is not known here, so it is no part of a part.
        if *permit.share() != Share::Whole {
            return Err(StoreError::Scope { what: "documents, where only a part of the records is shared" });
        }
        let core = self.core();
        let found = core.readers.snapshot("looking for objects", |connection| {
            check_epoch(connection, permit.epoch())?;
            let mut found = HashMap::with_capacity(ids.len());
            for id in ids {
                for patient in patients {
                    if let Some(one) = find(connection, Owner::Patient(*patient), *id)? {
                        found.insert(*id, one);
                        break;
                    }
                }
            }
            Ok(found)
        })?;
        let mut seen = Seen::default();
        for one in found.values() {
            seen.add(one.owner, &one.institution, "document");
        }
        core.record_seen(permit, seen)?;
        Ok(Objects { store: self.clone(), permit, found })
    }
}

/// Objects that a permit reaches and the journal has; see [`Store::objects`]. May be read from several threads.
pub struct Objects<'p> {
    store: Store,
    permit: &'p Permit,
    found: HashMap<Id16, Found>,
}

impl std::fmt::Debug for Objects<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("found", &self.found.len()).finish_non_exhaustive()
    }
}

impl Objects<'_> {
    /// Streams one of them to `out` and gives its media type.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it is not among them; [`StoreError::StaleEpoch`] where rights were narrowed meanwhile;
    /// [`StoreError::Limit`], [`StoreError::Site`], [`StoreError::Damaged`], [`StoreError::Database`].
    pub fn read_to(&self, id: Id16, out: &mut dyn Write) -> Result<String, StoreError> {
        let found = self.found.get(&id).ok_or(StoreError::Missing { what: "document" })?;
        let (core, permit) = (self.store.core(), self.permit);
        core.readers.snapshot("reading an object", |connection| check_epoch(connection, permit.epoch()))?;
        check_size(found.size, core.limits.document_bytes)?;
        let mut written = 0;
        let last = found.chunks.len().saturating_sub(1);
        for (chunk, (path, at)) in found.chunks.iter().enumerate() {
            let head = chunk_head(found.owner, id, chunk as u32, chunk == last);
            let body = read_chunk(core, permit, path, *at, &head)?;
            let bytes = if chunk == 0 { after_header(&body)? } else { &body[..] };
            written += bytes.len() as u64;
            out.write_all(bytes).map_err(StoreError::ObjectSource)?;
        }
        if written == found.size {
            return Ok(found.content_type.clone());
        }
        Err(StoreError::Damaged { what: "a document", reason: "its chunks do not add up to its size".to_owned() })
    }
}

struct Found {
    owner: Owner,
    institution: InstitutionCode,
    content_type: String,
    size: u64,
    chunks: Vec<(String, FrameAt)>,
}

fn find(connection: &Connection, owner: Owner, id: Id16) -> Result<Option<Found>, StoreError> {
    let step = "looking for an object";
    let mut statement = connection
        .prepare_cached("SELECT row, institution, content_type, size, chunks FROM object WHERE owner = ? AND id = ?")
        .at(step)?;
    let row: Option<(i64, String, String, i64, i64)> = statement
        .query_row(params![owner_bytes(owner), id.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()
        .at(step)?;
    let Some((row, institution, content_type, size, count)) = row else { return Ok(None) };
    let mut statement = connection
        .prepare_cached(
            "SELECT path, start, length FROM object_chunk JOIN pack ON pack.no = object_chunk.pack WHERE object = ? ORDER BY chunk",
        )
        .at(step)?;
    let chunks = statement
        .query_map([row], |row| Ok((row.get(0)?, FrameAt { offset: row.get(1)?, length: row.get(2)? })))
        .at(step)?
        .collect::<Result<Vec<_>, _>>()
        .at(step)?;
    if chunks.len() as i64 != count {
        return Err(StoreError::Damaged { what: "a document", reason: "a chunk is missing".to_owned() });
    }
    let institution = institution_from(&institution)?;
    Ok(Some(Found { owner, institution, content_type, size: size.unsigned_abs(), chunks }))
}

/// Reads one chunk from whichever site has it whole.
fn read_chunk(
    core: &Core,
    permit: &Permit,
    path: &str,
    at: FrameAt,
    head: &FrameHead,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let opened = std::cell::RefCell::new(None);
    let check = |frame: &[u8]| {
        *opened.borrow_mut() = Some(vault::open_frame_as(permit, &core.keyring, head, frame));
        matches!(*opened.borrow(), Some(Ok(_)))
    };
    let read: Result<Bytes, _> = core.sites.get_range(permit, path, at.range(), &check);
    match (read, opened.into_inner()) {
        (Ok(_), Some(Ok(body))) => Ok(Zeroizing::new(body)),
        (_, Some(Err(error))) => Err(error.into()),
        (Err(error), _) => Err(error.into()),
        (Ok(_), None) => Err(StoreError::Missing { what: "chunk" }),
    }
}

/// The bytes of a document in its first chunk's body.
pub(crate) fn after_header(body: &[u8]) -> Result<&[u8], StoreError> {
    let mut reader = wire::Reader::new(body);
    if reader.u8()? != 1 {
        return Err(StoreError::Damaged { what: "a document", reason: "its format is unknown".to_owned() });
    }
    reader.raw(32 + 32 + 8)?;
    reader.text()?;
    Ok(&body[reader.offset()..])
}
