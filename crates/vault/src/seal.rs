//! One frame: one version of one thing, encrypted under a key of its own. Not where frames are kept.
//!
//! # Frame, format 1
//!
//! Integers are big-endian.
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 2 | `HF` |
//! | 2 | 1 | format: `01` |
//! | 3 | 1 | kind: `01` resource, `02` document, `03` access entry, `04` event, `05` table rows |
//! | 4 | 16 | id of the group key |
//! | 20 | 60 | frame key wrapped under the group key: nonce 12, ciphertext 32, tag 16 (AES-256-GCM) |
//! | 80 | n + 42 | ciphertext under the frame key (AES-256-GCM, nonce of 12 zero bytes: the key has this one message) |
//! | n + 122 | 16 | tag |
//!
//! The plaintext is the body (n bytes) and then the head, 42 bytes: owner kind 1 (`02` patient, `03` institution), owner's
//! id 16, object's id 16, version 4, chunk 4, last chunk 1 (`00` or `01`).
//!
//! Additional data: bytes 0 to 20 for the wrapped frame key, bytes 0 to 80 for the body. So kind, group key and frame key
//! cannot be exchanged, and who, what, which version and which chunk are authentic when the frame opens. They stand inside,
//! so that a site learns neither owner nor object: it sees a kind, a random key id and a size.

use crate::aead::{Cipher, TAG_BYTES, WRAPPED_BYTES};
use crate::keys::{GroupKey, GroupName, KeyError, KeyId, KeyName, Keyring, owner_tag, read_owner};
use base::wire::Reader;
use base::{Id16, Random};
use policy::{Action, Owner, Permit, Scope};
use zeroize::Zeroizing;

/// Size of a chunk of a large object in bytes; the last one may be shorter.
pub const CHUNK_BYTES: usize = 4 << 20;
/// Largest body of one frame in bytes. A resource is one frame; larger things come in chunks.
pub const PLAINTEXT_BYTES_MAX: usize = 16 << 20;
/// What a frame is longer than its body, in bytes.
pub const FRAME_OVERHEAD_BYTES: usize = BODY_AT + HEAD_BYTES + TAG_BYTES;

const FORMAT: [u8; 3] = *b"HF\x01";
const KEY_AT: usize = 20;
const BODY_AT: usize = KEY_AT + WRAPPED_BYTES;
const HEAD_BYTES: usize = 1 + 16 + 16 + 4 + 4 + 1;

/// What sort of thing a frame holds. It stands in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FrameKind {
    /// A resource version.
    Resource,
    /// A chunk of a document or image.
    Document,
    /// An entry of the access log.
    Access,
    /// The content of a log leaf that is not a resource: a receipt, an issued document.
    Event,
    /// Rows of a lasting table.
    Table,
}

impl FrameKind {
    const fn code(self) -> u8 {
        match self {
            Self::Resource => 1,
            Self::Document => 2,
            Self::Access => 3,
            Self::Event => 4,
            Self::Table => 5,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Resource),
            2 => Some(Self::Document),
            3 => Some(Self::Access),
            4 => Some(Self::Event),
            5 => Some(Self::Table),
            _ => None,
        }
    }
}

/// What a frame is. It is authentic once the frame has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameHead {
    /// What sort of thing.
    pub kind: FrameKind,
    /// The resource's or object's id.
    pub object: Id16,
    /// Which version of it, from 1.
    pub version: u32,
    /// Which chunk, from 0.
    pub chunk: u32,
    /// Whether it is the last chunk.
    pub last: bool,
    /// Whose it is; in an access entry, the data subject.
    pub owner: Owner,
}

/// What a frame shows without any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameOutside {
    /// What sort of thing it holds.
    pub kind: FrameKind,
    /// The group key it is sealed under.
    pub key: KeyId,
    /// How long its body is, in bytes.
    pub body_bytes: usize,
}

impl FrameOutside {
    /// Reads the outside of a frame; says nothing about its being authentic.
    pub fn read(frame: &[u8]) -> Result<Self, SealError> {
        let refuse = |reason| SealError::NotAFrame { reason };
        if frame.len() < FRAME_OVERHEAD_BYTES {
            return Err(refuse("too short"));
        }
        let body_bytes = frame.len() - FRAME_OVERHEAD_BYTES;
        if body_bytes > PLAINTEXT_BYTES_MAX {
            return Err(refuse("too long"));
        }
        if frame[..3] != FORMAT {
            return Err(refuse("another format"));
        }
        let kind = FrameKind::from_code(frame[3]).ok_or(refuse("an unknown kind"))?;
        let mut key = [0; 16];
        key.copy_from_slice(&frame[4..KEY_AT]);
        Ok(Self { kind, key: KeyId(Id16(key)), body_bytes })
    }
}

/// A frame that opened: authentic, and within the permit.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedFrame {
    /// What it is.
    pub head: FrameHead,
    /// Its body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for OpenedFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedFrame").field("head", &self.head).finish_non_exhaustive()
    }
}

/// What went wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The body is too large for one frame.
    #[error("a body of {bytes} bytes does not fit a frame; cut it into chunks of {CHUNK_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The key is not for this: another owner's, or of another kind.
    #[error("the key is not one for this kind of frame and this owner; ask the keyring for the group of the owner")]
    WrongKey,
    /// The bytes are no frame.
    #[error("the bytes are not a frame: {reason}; read them from another site")]
    NotAFrame {
        /// Why not.
        reason: &'static str,
    },
    /// Something in the frame was changed.
    #[error("the frame was changed or belongs elsewhere; read it from another site")]
    Tampered,
    /// The frame is authentic and is another one than was asked for.
    #[error("the frame is of another object, version, chunk or owner than its place says; run a repair")]
    Misplaced,
    /// The permit does not reach what the frame holds.
    #[error("the permit for {action} does not reach this record")]
    Refused {
        /// What the permit is for.
        action: &'static str,
    },
    /// The frame's key is not to be had.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Seals one body: a fresh frame key, wrapped under `key`. Gives the frame's bytes, [`FRAME_OVERHEAD_BYTES`] longer
/// than the body. Nothing is written; and before it is acknowledged, `key` must be durable ([`Keyring::persist_new`]).
pub fn seal(key: &GroupKey, head: &FrameHead, body: &[u8], random: &dyn Random) -> Result<Vec<u8>, SealError> {
    if body.len() > PLAINTEXT_BYTES_MAX {
        return Err(SealError::TooLarge { bytes: body.len() });
    }
    if !key_fits(key.name(), head) {
        return Err(SealError::WrongKey);
    }
    let mut frame = Vec::with_capacity(body.len() + FRAME_OVERHEAD_BYTES);
    frame.extend_from_slice(&FORMAT);
    frame.push(head.kind.code());
    frame.extend_from_slice(&key.id().0.0);
    let frame_key = Zeroizing::new(random.bytes32());
    let wrapped = key.cipher().wrap(&frame_key, &frame, random);
    frame.extend_from_slice(&wrapped);
    frame.extend_from_slice(body);
    write_head(&mut frame, head);
    let (outside, inside) = frame.split_at_mut(BODY_AT);
    let tag = Cipher::new(&frame_key).seal_only_message(outside, inside);
    frame.extend_from_slice(&tag);
    Ok(frame)
}

/// Opens a frame if the permit reaches it: a permit to read or issue whose scope has the group's owner and institution, or
/// that reaches resources of the institution itself along with those ([`Permit::reaches_context_of`]), for access entries a
/// permit to read the access log whose scope has the data subject, or one whose scope is accesses, or for an institution's own
/// events a permit to read its receipts. A permit to deposit, seal or repair opens nothing; the permit of
/// the job that rebuilds an installation opens everything.
///
/// Opening takes a permit. This compiles:
///
/// ```
/// fn open(permit: &policy::Permit, ring: &vault::Keyring, frame: &[u8]) -> bool {
///     vault::open_frame(permit, ring, frame).is_ok()
/// }
/// ```
///
/// and this does not:
///
/// ```compile_fail,E0061
/// fn open(ring: &vault::Keyring, frame: &[u8]) -> bool {
///     vault::open_frame(ring, frame).is_ok()
/// }
/// ```
pub fn open_frame(permit: &Permit, ring: &Keyring, frame: &[u8]) -> Result<OpenedFrame, SealError> {
    let outside = FrameOutside::read(frame)?;
    let key = ring.by_id(outside.key)?;
    // Before anything is decrypted: the group's name says whose it is. An access entry's subject is inside.
    if !may_open(permit, outside.kind, key.name()) {
        return Err(SealError::Refused { action: permit.action().name() });
    }
    let frame_key = key.cipher().unwrap(&frame[KEY_AT..BODY_AT], &frame[..KEY_AT]).map_err(|_| SealError::Tampered)?;
    let mut body = frame[BODY_AT..].to_vec();
    Cipher::new(&frame_key).open_only_message(&frame[..BODY_AT], &mut body).map_err(|_| SealError::Tampered)?;
    let head_at = body.len() - HEAD_BYTES;
    let head = read_head(outside.kind, &body[head_at..]).ok_or(SealError::Tampered)?;
    if !key_fits(key.name(), &head) {
        return Err(SealError::Tampered);
    }
    let subject_counts = matches!(key.name(), KeyName::Access { .. }) && permit.action() != Action::Rebuild;
    if subject_counts && !has_subject(permit, head.owner) {
        return Err(SealError::Refused { action: permit.action().name() });
    }
    body.truncate(head_at);
    Ok(OpenedFrame { head, body })
}

/// Opens a frame that must be exactly the one named: the way to read what an index pointed to.
pub fn open_frame_as(
    permit: &Permit,
    ring: &Keyring,
    expected: &FrameHead,
    frame: &[u8],
) -> Result<Vec<u8>, SealError> {
    let opened = open_frame(permit, ring, frame)?;
    if opened.head == *expected { Ok(opened.body) } else { Err(SealError::Misplaced) }
}

fn key_fits(name: &KeyName, head: &FrameHead) -> bool {
    match name {
        KeyName::Group(group) => {
            !matches!(head.kind, FrameKind::Access | FrameKind::Table) && group.owner == head.owner
        }
        KeyName::Access { .. } => head.kind == FrameKind::Access,
        KeyName::Rows(owner) => head.kind == FrameKind::Table && *owner == head.owner,
        KeyName::Shard(_) | KeyName::Owner(_) | KeyName::Secret(_) => false,
    }
}

fn may_open(permit: &Permit, kind: FrameKind, name: &KeyName) -> bool {
    match (permit.action(), name) {
        // Everything, to prove it and to make tables again: the door gives this permit to the job that rebuilds alone.
        (Action::Rebuild, _) => true,
        (Action::ReadAccessLog, KeyName::Access { .. }) => kind == FrameKind::Access,
        (_, KeyName::Access { .. }) => kind == FrameKind::Access && *permit.scope() == Scope::Accesses,
        (Action::ReadTimeline | Action::ReadRecord | Action::ReadDocument | Action::Issue, KeyName::Group(group)) => {
            permit.reaches(group.owner, &group.institution) || is_context(permit, kind, group)
        }
        // A person's consents are the person's own, and the scope reaches nothing else.
        (Action::ManageConsent, KeyName::Group(group)) => {
            kind == FrameKind::Resource && permit.reaches(group.owner, &group.institution)
        }
        // A receipt is the institution's own; its scope reaches the patients too, whose records it must not open.
        (Action::ReadReceipt, KeyName::Group(group)) => {
            kind == FrameKind::Event
                && matches!(group.owner, Owner::Institution(_))
                && permit.reaches(group.owner, &group.institution)
        }
        _ => false,
    }
}

/// Whether it is a resource of the institution itself, which the permit reaches along with its patients' records. Which
/// types those may be is the store's to check: what a frame holds is known when it is open.
fn is_context(permit: &Permit, kind: FrameKind, group: &GroupName) -> bool {
    kind == FrameKind::Resource
        && group.owner == Owner::institution(&group.institution)
        && permit.reaches_context_of(&group.institution)
}

fn has_subject(permit: &Permit, subject: Owner) -> bool {
    match permit.scope() {
        Scope::Patients(patients) => patients.contains(&subject.id()),
        Scope::Accesses | Scope::Whole => true,
        Scope::Institution(_) | Scope::Sealed | Scope::Status => false,
    }
}

fn write_head(out: &mut Vec<u8>, head: &FrameHead) {
    out.push(owner_tag(head.owner));
    out.extend_from_slice(&head.owner.id().0);
    out.extend_from_slice(&head.object.0);
    out.extend_from_slice(&head.version.to_be_bytes());
    out.extend_from_slice(&head.chunk.to_be_bytes());
    out.push(u8::from(head.last));
}

fn read_head(kind: FrameKind, bytes: &[u8]) -> Option<FrameHead> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u8().ok()?;
    let owner = read_owner(tag, &mut reader).ok()?;
    let object = Id16(reader.array().ok()?);
    let (version, chunk) = (reader.u32().ok()?, reader.u32().ok()?);
    let last = match reader.u8().ok()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    reader.end().ok()?;
    Some(FrameHead { kind, object, version, chunk, last, owner })
}
