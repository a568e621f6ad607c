//! Append-only Merkle logs that anyone can check: tiles, checkpoints, signed notes and proofs.
//!
//! It follows the C2SP specifications `tlog-tiles`, `tlog-checkpoint`, `signed-note`, `tlog-proof`, `tlog-cosignature`,
//! `tlog-witness` and `tlog-policy` byte for byte, on the Merkle tree of RFC 6962 with SHA-256. What our logs hold are salted commitments ([`commit`]): a log proves that
//! something was recorded, and reveals nothing about it.
//!
//! Architecture invariant: nothing here does I/O, reads a clock or draws randomness. Bytes come in, bytes go out. Where
//! tiles lie and how a checkpoint is swapped is behind [`TileSource`], [`BundleSource`] and [`CheckpointLock`].
//!
//! Witnesses stand beside a log: what one of them may cosign is in [`witness`], what it has seen in [`heads`], and which of
//! them must have is in [`TrustPolicy`].
//!
//! The way of a batch: [`LogAppender::append`] gives tiles, bundles and a root; [`Publication::next`] signs the checkpoint
//! over them; [`CheckpointLock::swap`] decides who may publish; the files go out; then proofs can be made from the tiles.

mod appender;
mod audit;
mod checkpoint;
mod commitment;
mod cosignature;
mod der;
mod error;
mod frontier;
mod hash;
pub mod heads;
mod keys;
mod memory;
mod merkle;
pub mod note;
pub mod proof;
mod publish;
pub mod qr;
pub mod sound;
pub mod tiles;
pub mod timestamp;
mod trust;
pub mod witness;

pub use appender::{Appender, Batch, LogAppender, LogBatch};
pub use audit::{EARLIER_ROOT, audit, audit_file, audit_since};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use commitment::{COMMITMENT_LEN, COMMITMENT_VERSION, Commitment, EntryKind, commit, opens};
pub use cosignature::{CosignerKey, WitnessKey};
pub use error::Error;
pub use frontier::Frontier;
pub use hash::{EMPTY_ROOT, HASH_LEN, Hash, leaf_hash, node_hash};
pub use keys::{SignerKey, VerifierKey};
pub use memory::MemoryTiles;
pub use merkle::{consistency_proof, inclusion_proof, root_from_tiles, verify_consistency, verify_inclusion};
pub use note::{Note, NoteSignature, OpenedNote};
pub use proof::TlogProof;
pub use publish::{CheckpointLock, Conflict, Publication};
pub use qr::QrProof;
pub use tiles::{BundleSource, TileId, TilePath, TileSource};
pub use timestamp::{StampAuthority, StampRequest, TimeStamp};
pub use trust::{Cosignature, POLICY_LEN_MAX, PolicyLog, PolicyWitness, TrustPolicy, WitnessedCheckpoint};

/// Most leaves that a tree may hold: what fits a signed 64-bit integer, as in other implementations of these logs.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;
