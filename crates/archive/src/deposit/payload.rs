//! Reading payload files: opened so that nothing but the file that was listed is read, hashed, and split into lines within
//! limits. What the lines mean is not known here.

use super::bag::{Bag, Digest, PayloadFile};
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Opens a payload file. A link, or a file that is not the one that was listed, is refused: the folder may have been changed
/// since the bag was opened.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::InvalidData`] where the file has changed.
pub(crate) fn open(bag: &Bag, file: &PayloadFile) -> io::Result<File> {
    let path = bag.root.join(&file.path);
    let listed = fs::symlink_metadata(&path)?;
    let opened = File::open(&path)?;
    let meta = opened.metadata()?;
    if listed.is_file() && is_same(&listed, &meta) && meta.len() == file.size {
        return Ok(opened);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the file was changed while the bag was read"))
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// Checks a digest of a manifest while a file is read.
pub(crate) struct Hasher {
    context: Context,
    expected: Vec<u8>,
}

impl Hasher {
    pub(crate) fn of(digest: &Digest) -> Self {
        match digest {
            Digest::Sha256(bytes) => Self { context: Context::new(&SHA256), expected: bytes.to_vec() },
            Digest::Sha512(bytes) => Self { context: Context::new(&SHA512), expected: bytes.to_vec() },
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The first 32 bytes of the digest of what was read: all of a SHA-256.
    pub(crate) fn digest32(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(&self.context.finish().as_ref()[..32]);
        digest
    }

    /// Whether what was read is what the manifest says.
    pub(crate) fn matches(self) -> bool {
        self.context.finish().as_ref() == self.expected
    }
}

/// A reader that hashes what passes.
pub(crate) struct Hashed {
    inner: File,
    pub(crate) hasher: Hasher,
}

impl Hashed {
    pub(crate) fn new(inner: File, digest: &Digest) -> Self {
        Self { inner, hasher: Hasher::of(digest) }
    }
}

impl Read for Hashed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.hasher.update(&out[..read]);
        Ok(read)
    }
}

/// Splits a file into lines, none of which takes more memory than the limit.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    /// Bytes read so far.
    pub(crate) offset: u64,
    /// Lines read so far.
    pub(crate) number: u64,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineAt {
    /// From 1.
    pub(crate) number: u64,
    /// Byte at which it begins.
    pub(crate) offset: u64,
    /// Its bytes, without its end.
    pub(crate) length: u64,
    /// Whether it is longer than the limit, and so was not given.
    pub(crate) is_long: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), limit, offset: 0, number: 0 }
    }

    /// Appends the next line that is not blank to `out`, without its end; `None` at the end of the file.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<Option<LineAt>> {
        loop {
            let from = out.len();
            let offset = self.offset;
            let most = self.limit as u64 + 2;
            let read = (&mut self.reader).take(most).read_until(b'\n', out)? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.offset += read;
            let ended = out.last() == Some(&b'\n');
            if !ended && read == most {
                out.truncate(from);
                let skipped = self.reader.skip_until(b'\n')? as u64;
                self.offset += skipped;
                return Ok(Some(LineAt { number: self.number, offset, length: read + skipped, is_long: true }));
            }
            while out.len() > from && matches!(out.last(), Some(b'\n' | b'\r')) {
                out.pop();
            }
            // Some systems write a byte order mark, and the first line below it.
            let content = out[from..].strip_prefix(if offset == 0 { BYTE_ORDER_MARK } else { b"" });
            if content.unwrap_or(&out[from..]).iter().all(u8::is_ascii_whitespace) {
                out.truncate(from);
                continue;
            }
            let length = (out.len() - from) as u64;
            if length > self.limit as u64 {
                out.truncate(from);
                return Ok(Some(LineAt { number: self.number, offset, length, is_long: true }));
            }
            return Ok(Some(LineAt { number: self.number, offset, length, is_long: false }));
        }
    }

    /// What is read from, once the last line was given: all of it has passed.
    pub(crate) fn into_inner(self) -> R {
        self.reader.into_inner()
    }
}

impl Lines<File> {
    /// Goes on where an earlier run ended.
    pub(crate) fn resume(mut file: File, limit: usize, offset: u64, number: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { offset, number, ..Self::new(file, limit) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], limit: usize) -> Vec<(u64, u64, Option<String>)> {
        let mut lines = Lines::new(bytes, limit);
        let mut found = Vec::new();
        let mut out = Vec::new();
        while let Some(at) = lines.next(&mut out).expect("memory can be read") {
            let text = String::from_utf8_lossy(&out).into_owned();
            found.push((at.number, at.offset, (!at.is_long).then_some(text)));
            out.clear();
        }
        assert_eq!(lines.offset, bytes.len() as u64);
        found
    }

    #[test]
    fn lines_are_numbered_and_limited() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(all(b"a\r\n\n  \nbb", 4), [(1, 0, text("a")), (4, 7, text("bb"))]);
        assert_eq!(all(b"123456789\nb\n", 4), [(1, 0, None), (2, 10, text("b"))]);
        assert_eq!(all(b"12345\nb\n", 4), [(1, 0, None), (2, 6, text("b"))]);
        assert_eq!(all(b"1234\n", 4), [(1, 0, text("1234"))]);
        assert_eq!(all(b"", 4), []);
        assert_eq!(all(b"\xef\xbb\xbf\r\nb\n", 4), [(2, 5, text("b"))]);
        assert_eq!(all(b"a\n\xef\xbb\xbf\n", 4), [(1, 0, text("a")), (2, 2, text("\u{feff}"))]);
    }

    proptest! {
        #[test]
        fn offsets_lead_back_to_the_lines(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r')], 0..60)) {
            for (_, offset, text) in all(&bytes, 8) {
                let text = text.unwrap_or_default();
                prop_assert!(bytes[offset as usize..].starts_with(text.as_bytes()));
            }
        }
    }
}
