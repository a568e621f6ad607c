//! What can go wrong at the boundary of this crate, each naming what does not match.
//!
//! No variant carries the content of an entry: entries are commitments, and texts here may be logged.

use crate::Hash;

/// A refusal, or a failure of the source of tiles.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that names no tile and no entry bundle.
    #[error("not a tile path: {reason}")]
    TilePath {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Bytes of an entry bundle that do not hold what they should.
    #[error("entry bundle is malformed: {reason}")]
    Bundle {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An entry longer than the two-byte length of a bundle can say.
    #[error("an entry of {found} bytes is longer than the {limit} bytes that a bundle can hold")]
    EntryTooLong {
        /// Bytes found.
        found: usize,
        /// Most bytes permitted.
        limit: usize,
    },
    /// The source could not give a tile or a bundle.
    #[error("{path} cannot be read")]
    Source {
        /// Path of the tile below the prefix of the log.
        path: String,
        /// Why, in the words of the source.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tile or bundle is shorter than its width requires.
    #[error("{path} holds {found} bytes and should hold {expected}: fetch it again from another site")]
    TileLength {
        /// Path of the tile below the prefix of the log.
        path: String,
        /// Bytes that the width requires.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The entry bundle and the tile of leaf hashes tell different things.
    #[error("entry {index} does not hash to its place in the tile of leaf hashes")]
    EntryHash {
        /// Index of the entry in the log.
        index: u64,
    },
    /// A stored tile is not the one that the entries give.
    #[error("{path} does not match the entries of the log: take it from another site")]
    TileContent {
        /// Path of the tile below the prefix of the log.
        path: String,
    },
    /// A tree cannot be so large.
    #[error("a tree of {size} leaves is beyond the limit of {limit}")]
    TreeSize {
        /// Leaves asked for.
        size: u64,
        /// Most leaves permitted.
        limit: u64,
    },
    /// An entry that is not in the tree.
    #[error("entry {index} is not in a tree of {size} leaves")]
    IndexBeyondSize {
        /// Index asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// A log can only grow.
    #[error("a log of {old} leaves cannot become one of {new} leaves")]
    SizeOrder {
        /// Leaves before.
        old: u64,
        /// Leaves after.
        new: u64,
    },
    /// A proof has a length that no proof for this place has.
    #[error("{proof} proof holds {found} hashes, which does not fit the sizes it is for")]
    ProofLength {
        /// `inclusion` or `consistency`.
        proof: &'static str,
        /// Hashes in the proof.
        found: usize,
    },
    /// A computed root is not the one it should be.
    #[error("{what}: computed root {computed} does not match {expected}")]
    RootMismatch {
        /// Which root of which thing.
        what: &'static str,
        /// The root that was computed.
        computed: Hash,
        /// The root that was given.
        expected: Hash,
    },
    /// Serialised right edge of a tree that is not one.
    #[error("frontier is malformed: {reason}")]
    Frontier {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that is not a signed note.
    #[error("signed note is malformed: {reason}")]
    Note {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that is not a key.
    #[error("{what} key is malformed: {reason}")]
    Key {
        /// `verifier` or `signer`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two trusted keys share a name and an id, so that a signature names neither.
    #[error("two trusted keys are named {name}+{id:08x}: give one of them another name")]
    KeyAmbiguous {
        /// Name of both keys.
        name: String,
        /// Id of both keys.
        id: u32,
    },
    /// A trusted key is named, and its signature does not fit the text.
    #[error("signature by {name}+{id:08x} does not match the text")]
    Signature {
        /// Name of the key.
        name: String,
        /// Id of the key.
        id: u32,
    },
    /// A note without any signature by a trusted key.
    #[error("none of {found} signatures is by a trusted key")]
    Untrusted {
        /// Signatures on the note.
        found: usize,
    },
    /// A note whose text is not a checkpoint.
    #[error("checkpoint is malformed: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A checkpoint signed by trusted keys, none of which is the log's own.
    #[error("checkpoint of {origin} carries no valid signature by a trusted key of that name")]
    OriginUnsigned {
        /// Origin line of the checkpoint.
        origin: String,
    },
    /// The key that should sign bears another name than the log.
    #[error("key {key} cannot sign a checkpoint of {origin}: its name must be the origin")]
    SignerName {
        /// Name of the key.
        key: String,
        /// Origin of the log.
        origin: String,
    },
    /// A text that is not a proof file.
    #[error("tlog-proof is malformed: {reason}")]
    Proof {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A batch that does not start where the published log ends.
    #[error("batch starts at {batch_size} leaves, the published checkpoint ends at {published_size} with another head")]
    BatchStart {
        /// Leaves before the batch.
        batch_size: u64,
        /// Leaves under the published checkpoint.
        published_size: u64,
    },
    /// A text that is not a trust policy.
    #[error("trust policy, line {line}: {reason}")]
    TrustPolicy {
        /// The line, counted from 1; the line after the last where something is missing.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A checkpoint without the cosignatures that the policy asks for.
    #[error("checkpoint of {origin} is cosigned by {found} known witnesses, which is no quorum")]
    NoQuorum {
        /// Origin line of the checkpoint.
        origin: String,
        /// Known witnesses that have cosigned.
        found: usize,
    },
    /// A time-stamp that is not one over what it should be.
    #[error("time-stamp: {reason}")]
    TimeStamp {
        /// What does not match.
        reason: &'static str,
    },
    /// A text that is not the proof of a square on paper, or whose parts do not fit.
    #[error("proof in the square: {reason}")]
    QrProof {
        /// What does not match.
        reason: &'static str,
    },
    /// Bytes that are not a request to a witness, or not its answer.
    #[error("witness {what} is malformed: {reason}")]
    Witness {
        /// `request` or `answer`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}
