//! A pack: many frames in one file. It describes itself: with the key stores and the root key it is readable without any
//! database. It knows nothing of what the frames hold.
//!
//! # Pack, format 1
//!
//! Integers are big-endian. At most 32 MiB.
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `HMRPACK1` |
//! | … | frames ([`mod@crate::seal`]), back to back, nothing between them |
//! | 8 × n | for each frame its offset 4 (from the start of the pack) and length 4, in order |
//! | 4 | n, at least 1 |
//! | 32 | SHA-256 of everything before |
//! | 8 | `HMRPEND1` |
//!
//! Its path at a site is `pack/` and the first two and then all 64 lower-case hexadecimal digits of the SHA-256 of the
//! whole file, as `sha256sum` gives it, with `/` between.

use crate::seal::{FrameOutside, SealError};
use aws_lc_rs::digest::{Context, SHA256};
use base::hex;
use base::wire::Reader;
use bytes::Bytes;
use std::ops::Range;

/// Largest pack in bytes.
pub const PACK_BYTES_MAX: usize = 32 << 20;

const HEAD: &[u8; 8] = b"HMRPACK1";
const END: &[u8; 8] = b"HMRPEND1";
const FOOTER_BYTES: usize = 4 + 32 + 8;
const ENTRY_BYTES: usize = 8;

/// Where a frame is in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameAt {
    /// Bytes before it.
    pub offset: u32,
    /// Its bytes.
    pub length: u32,
}

impl FrameAt {
    /// As a range of bytes.
    #[must_use]
    pub fn range(self) -> Range<u64> {
        u64::from(self.offset)..u64::from(self.offset) + u64::from(self.length)
    }
}

/// What is wrong with a pack.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum PackError {
    /// The next frame does not fit any more.
    #[error("the pack is full; finish it and begin another")]
    Full,
    /// There is nothing to finish.
    #[error("the pack holds no frame; there is nothing to finish")]
    Empty,
    /// The bytes are no pack.
    #[error("the bytes are not a pack: {reason}; read it from another site")]
    NotAPack {
        /// Why not.
        reason: &'static str,
    },
}

/// Puts frames together. Holds the whole pack in memory.
pub struct PackBuilder {
    bytes: Vec<u8>,
    frames: Vec<FrameAt>,
    digest: Context,
}

impl Default for PackBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl PackBuilder {
    /// An empty pack.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty pack with room for about so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut builder = Self {
            bytes: Vec::with_capacity(bytes.min(PACK_BYTES_MAX)),
            frames: Vec::new(),
            digest: Context::new(&SHA256),
        };
        builder.append(HEAD);
        builder
    }

    /// Adds a frame as [`crate::seal::seal`] made it. [`PackError::Full`] leaves the pack as it was.
    pub fn push(&mut self, frame: &[u8]) -> Result<FrameAt, PackError> {
        let finished = self.bytes.len() + frame.len() + (self.frames.len() + 1) * ENTRY_BYTES + FOOTER_BYTES;
        if finished > PACK_BYTES_MAX {
            return Err(PackError::Full);
        }
        let offset = u32::try_from(self.bytes.len()).expect("a pack is at most 32 MiB");
        let length = u32::try_from(frame.len()).expect("a pack is at most 32 MiB");
        self.append(frame);
        let at = FrameAt { offset, length };
        self.frames.push(at);
        Ok(at)
    }

    /// Bytes so far, without the footer.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no frame is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Writes the footer. Nothing is durable: give path and bytes to [`crate::Sites::put_all`].
    pub fn finish(mut self) -> Result<Pack, PackError> {
        if self.frames.is_empty() {
            return Err(PackError::Empty);
        }
        let mut index = Vec::with_capacity(self.frames.len() * ENTRY_BYTES + 4);
        for frame in &self.frames {
            index.extend_from_slice(&frame.offset.to_be_bytes());
            index.extend_from_slice(&frame.length.to_be_bytes());
        }
        let count = u32::try_from(self.frames.len()).expect("a pack is at most 32 MiB");
        index.extend_from_slice(&count.to_be_bytes());
        self.append(&index);
        let inner = self.digest.clone().finish();
        self.append(inner.as_ref());
        self.append(END);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.digest.finish().as_ref());
        Ok(Pack { path: path_of(&sha256), sha256, bytes: self.bytes.into(), frames: self.frames })
    }

    /// Hashes while the bytes are still near the processor, and once only.
    fn append(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes.extend_from_slice(bytes);
    }
}

/// A finished pack.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its path at every site.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// The bytes.
    pub bytes: Bytes,
    /// Its frames in order.
    pub frames: Vec<FrameAt>,
}

/// The path of the pack with this SHA-256.
#[must_use]
pub fn path_of(sha256: &[u8; 32]) -> String {
    let digits = hex(sha256);
    format!("pack/{}/{digits}", &digits[..2])
}

/// Whether these bytes are the pack of this path: the check to give to [`crate::Sites::get`]. `false` for other paths.
#[must_use]
pub fn matches_path(path: &str, bytes: &[u8]) -> bool {
    path.starts_with("pack/") && path == path_of(&base::sha256(bytes))
}

/// A frame found in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFrame {
    /// What it shows without a key.
    pub outside: FrameOutside,
    /// Which bytes of the pack it is.
    pub range: Range<usize>,
}

/// Finds the frames of a pack by what stands in it. Checks its SHA-256, that frames and footer leave no byte over, and
/// each frame's outside. Never panics, whatever the bytes; needs no key.
pub fn read_pack(bytes: &[u8]) -> Result<Vec<PackedFrame>, PackError> {
    let refuse = |reason| PackError::NotAPack { reason };
    if bytes.len() > PACK_BYTES_MAX {
        return Err(refuse("too long"));
    }
    if bytes.len() < HEAD.len() + FOOTER_BYTES || !bytes.starts_with(HEAD) || !bytes.ends_with(END) {
        return Err(refuse("its first or last bytes are another format's, or it is cut short"));
    }
    let digest_at = bytes.len() - END.len() - 32;
    if base::sha256(&bytes[..digest_at])[..] != bytes[digest_at..digest_at + 32] {
        return Err(refuse("its SHA-256 does not match"));
    }
    let count_at = digest_at - 4;
    let count = Reader::new(&bytes[count_at..]).u32().map_err(|_| refuse("its footer is short"))? as usize;
    let index_at = count.checked_mul(ENTRY_BYTES).and_then(|index| count_at.checked_sub(index));
    let index_at = index_at.filter(|at| *at >= HEAD.len() && count > 0).ok_or(refuse("its count is wrong"))?;
    let mut frames = Vec::with_capacity(count);
    let mut reader = Reader::new(&bytes[index_at..count_at]);
    let mut end = HEAD.len();
    for _ in 0..count {
        let (offset, length) = (reader.u32(), reader.u32());
        let (Ok(offset), Ok(length)) = (offset, length) else { return Err(refuse("its footer is short")) };
        let range = offset as usize..offset as usize + length as usize;
        if range.start != end || range.end > index_at {
            return Err(refuse("its frames are not back to back"));
        }
        end = range.end;
        let outside = FrameOutside::read(&bytes[range.clone()]).map_err(|error| match error {
            SealError::NotAFrame { reason } => refuse(reason),
            _ => refuse("a frame is damaged"),
        })?;
        frames.push(PackedFrame { outside, range });
    }
    if end == index_at { Ok(frames) } else { Err(refuse("bytes stand between its frames and its footer")) }
}
