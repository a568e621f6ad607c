//! Everything about a write that needs no database: hashing, sealing, committing, index rows. Done in callers' threads, so
//! that the writer thread only inserts.
//!
//! A version is prepared as version 1. Where it turns out to be an amendment, the writer seals it again as the version it is,
//! which is rare and costs some microseconds.
//!
//! # Body of a resource frame, format 1
//!
//! `01`, salt (32 bytes), `text` institution, `text` FHIR type, `text` id at the institution, then the resource as it came.

use std::sync::Arc;

use base::{Id16, Random, wire};
use ledger::{Commitment, EntryKind};
use policy::{Action, InstitutionCode, Owner, Permit, Purpose};
use vault::{FrameHead, FrameKind, GroupKey, GroupName, KeyId};
use zeroize::Zeroizing;

use crate::Store;
use crate::core::{check_action, check_count};
use crate::edition::Came;
use crate::error::StoreError;
use crate::index::IndexRow;
use crate::search::NO_DATE;
use crate::types::{NewVersion, ResourceKey, owner_bytes};

/// Most that [`base::limits::Limits::resource_bytes`] may be: with its names such a resource fits one frame.
pub const RESOURCE_BYTES_MAX: usize = 15 << 20;
/// Most index rows of one resource.
pub const INDEX_ROWS_MAX: usize = 2_000;
/// Longest FHIR type and longest id at an institution, in bytes (R4 ids have 64; others' ids are taken too).
pub const NAME_BYTES_MAX: usize = 512;
const _: () = assert!(RESOURCE_BYTES_MAX + 3 * NAME_BYTES_MAX < vault::PLAINTEXT_BYTES_MAX);

/// A resource version that is ready to be written.
pub struct Prepared {
    pub(crate) owner: Owner,
    pub(crate) institution: InstitutionCode,
    pub(crate) resource_type: String,
    pub(crate) id: Id16,
    pub(crate) content: [u8; 16],
    pub(crate) date_us: i64,
    pub(crate) encounter: Option<Id16>,
    pub(crate) index: Vec<IndexRow>,
    pub(crate) came: Came,
    sha256: [u8; 32],
    salt: [u8; 32],
    key: Arc<GroupKey>,
    body: Zeroizing<Vec<u8>>,
    first: SealedVersion,
}

/// A version as it is stored.
pub(crate) struct SealedVersion {
    pub(crate) frame: Vec<u8>,
    pub(crate) commitment: Commitment,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("resource_type", &self.resource_type).finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares a version: hashes, seals and indexes it. Takes a permit to deposit that reaches owner and institution.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::Limit`], [`StoreError::Key`], [`StoreError::Seal`].
    pub fn prepare(&self, permit: &Permit, new: NewVersion<'_>) -> Result<Prepared, StoreError> {
        check_action(permit, "prepare", &[Action::Deposit])?;
        self.prepare_within(permit, new)
    }

    /// As [`Store::prepare`] for any permit that reaches owner and institution.
    pub(crate) fn prepare_within(&self, permit: &Permit, new: NewVersion<'_>) -> Result<Prepared, StoreError> {
        if !permit.reaches(new.owner, new.institution) {
            return Err(StoreError::Scope { what: "the institution of the resource" });
        }
        let core = self.core();
        check_count("bytes of a resource", new.bytes.len(), core.limits.resource_bytes)?;
        check_count("index rows of a resource", new.index.len(), INDEX_ROWS_MAX)?;
        check_count("bytes of a resource's type", new.resource_type.len(), NAME_BYTES_MAX)?;
        check_count("bytes of a resource's id", new.source_id.len(), NAME_BYTES_MAX)?;
        let name = GroupName {
            owner: new.owner,
            institution: new.institution.clone(),
            class: new.class.clone(),
            expiry_year: new.expiry_year,
        };
        let key = core.keyring.group(permit, &name)?;
        let deposit = match permit.purpose() {
            Purpose::Custody { deposit } => Some(*deposit),
            _ => None,
        };
        let came = Came::new(deposit, &new.edition);
        let sha256 = base::sha256(new.bytes);
        let salt = core.random.bytes32();
        let id = core.ids.resource(new.institution, new.resource_type, new.source_id);
        let body = body(&salt, &new);
        let first = seal_version(new.owner, new.resource_type, id, 1, &sha256, &salt, &key, &body, &*core.random)?;
        Ok(Prepared {
            owner: new.owner,
            institution: name.institution,
            resource_type: new.resource_type.to_owned(),
            id,
            content: core.content_hash(&sha256),
            date_us: new.date.map_or(NO_DATE, |date| date.as_microsecond()),
            encounter: new.encounter,
            index: new.index,
            came,
            sha256,
            salt,
            key,
            body,
            first,
        })
    }
}

impl Prepared {
    /// Which resource it is.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        ResourceKey { owner: self.owner, resource_type: self.resource_type.clone(), id: self.id }
    }

    /// The key that it is sealed under.
    pub(crate) fn under(&self) -> KeyId {
        self.key.id()
    }

    /// Bytes that it has in a segment.
    pub(crate) const fn sealed_bytes(&self) -> usize {
        self.first.frame.len()
    }

    /// Bytes that it holds in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len() + self.first.frame.len() + self.index.len() * 96
    }

    /// The version as it is stored, sealed again where it is not the first.
    pub(crate) fn into_version(self, version: u32, random: &dyn Random) -> Result<SealedVersion, StoreError> {
        if version == 1 {
            return Ok(self.first);
        }
        let Self { owner, resource_type, id, sha256, salt, key, body, .. } = &self;
        seal_version(*owner, resource_type, *id, version, sha256, salt, key, body, random)
    }
}

/// What the leaf of a version commits to, as [`EntryKind::Resource`] under the salt that [`crate::Version`] carries: format
/// (1 byte), owner (kind 1 byte, id 16), `text` FHIR type, id (16), version (4), SHA-256 of the resource as it came (32).
#[must_use]
pub fn version_content(key: &ResourceKey, version: u32, sha256: &[u8; 32]) -> Vec<u8> {
    content(key.owner, &key.resource_type, key.id, version, sha256)
}

fn content(owner: Owner, resource_type: &str, id: Id16, version: u32, sha256: &[u8; 32]) -> Vec<u8> {
    let mut out = wire::Writer::new();
    out.u8(1).raw(&owner_bytes(owner)).text(resource_type).raw(&id.0).u32(version).raw(sha256);
    out.finish()
}

fn body(salt: &[u8; 32], new: &NewVersion<'_>) -> Zeroizing<Vec<u8>> {
    let mut out = wire::Writer::new();
    out.u8(1).raw(salt).text(new.institution.as_str()).text(new.resource_type).text(new.source_id).raw(new.bytes);
    Zeroizing::new(out.finish())
}

#[expect(
    clippy::too_many_arguments,
    reason = "they are the parts of one version, and a struct of references would only rename them"
)]
fn seal_version(
    owner: Owner,
    resource_type: &str,
    id: Id16,
    version: u32,
    sha256: &[u8; 32],
    salt: &[u8; 32],
    key: &GroupKey,
    body: &[u8],
    random: &dyn Random,
) -> Result<SealedVersion, StoreError> {
    let frame = vault::seal(key, &version_head(owner, id, version), body, random)?;
    let content = content(owner, resource_type, id, version, sha256);
    Ok(SealedVersion { frame, commitment: ledger::commit(salt, EntryKind::Resource, &content) })
}

/// The head of a version's frame.
pub(crate) const fn version_head(owner: Owner, id: Id16, version: u32) -> FrameHead {
    FrameHead { kind: FrameKind::Resource, object: id, version, chunk: 0, last: true, owner }
}

/// A body, taken apart.
pub(crate) struct OpenBody<'a> {
    pub(crate) salt: [u8; 32],
    pub(crate) institution: &'a str,
    pub(crate) resource_type: &'a str,
    pub(crate) source_id: &'a str,
    pub(crate) bytes: &'a [u8],
}

pub(crate) fn read_body(body: &[u8]) -> Result<OpenBody<'_>, StoreError> {
    let mut reader = wire::Reader::new(body);
    if reader.u8()? != 1 {
        return Err(StoreError::Damaged { what: "a resource body", reason: "its format is unknown".to_owned() });
    }
    let salt = reader.array()?;
    let institution = reader.text()?;
    let (resource_type, source_id) = (reader.text()?, reader.text()?);
    Ok(OpenBody { salt, institution, resource_type, source_id, bytes: &body[reader.offset()..] })
}
