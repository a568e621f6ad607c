//! The vault: keys, sealed frames, packs of frames, and the sites that hold them.
//!
//! Everything here is synchronous: callers inside an asynchronous program use a blocking thread.
//!
//! - [`sites`]: the same bytes in several folders, durable in a quorum when a call returns, the rest mended behind.
//! - [`keys`]: root → shard → patient or institution → group → frame, kept wrapped in key stores beside the data.
//! - [`mod@seal`]: one frame is one version of one thing, encrypted under a key of its own.
//! - [`pack`]: many frames in one file that describes itself.
//!
//! Architecture invariants: nothing here knows FHIR, SQL or people's names. Sites see ciphertext, random key ids and
//! sizes. A pack is readable with the key stores and the root key alone. No body is opened without a
//! [`policy::Permit`] that reaches its owner.
//!
//! Without a permit nothing here answers. This compiles:
//!
//! ```
//! fn keep(sites: &vault::Sites, permit: &policy::Permit) -> Result<vault::Placement, vault::SiteError> {
//!     sites.put_all(permit, &[("pack/00/x".to_owned(), vault::Bytes::from_static(b"x"))])
//! }
//! ```
//!
//! and the same without the permit does not:
//!
//! ```compile_fail,E0061
//! fn keep(sites: &vault::Sites) -> Result<vault::Placement, vault::SiteError> {
//!     sites.put_all(&[("pack/00/x".to_owned(), vault::Bytes::from_static(b"x"))])
//! }
//! ```

mod aead;
mod cache;
mod folder;
pub mod keys;
mod lane;
pub mod pack;
pub mod seal;
pub mod sites;

pub use bytes::Bytes;
pub use folder::{Fault, SiteFault};
pub use keys::{
    Backup, Cause, ClassName, Compacted, Destroyed, FileKeyProvider, GroupKey, GroupName, KdfCost, KeyError, KeyId,
    KeyIndex, KeyName, KeyProvider, KeyStoreConfig, KeyStoreReport, KeyStoreStatus, KeyStores, Keyring, MemoryIndex,
    NewKeys, Parent, Passphrase, ProtectedKeyProvider, Restored, SHARDS, WrappedKey, open_root, parent_entry,
    root_entry,
};
pub use pack::{FrameAt, PACK_BYTES_MAX, Pack, PackBuilder, PackError, PackedFrame, matches_path, read_pack};
pub use seal::{
    CHUNK_BYTES, FrameHead, FrameKind, FrameOutside, OpenedFrame, PLAINTEXT_BYTES_MAX, SealError, open_frame,
    open_frame_as, seal,
};
pub use sites::{
    BucketConfig, BucketSite, Placement, RepairReport, SiteConfig, SiteCopy, SiteError, SitePlace, SiteStatus, Sites,
};
