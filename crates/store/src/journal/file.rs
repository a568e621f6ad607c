//! The bytes of a journal file. Not when they are written, nor where they go.
//!
//! Header: the eight bytes `HMJRNL01`, then 16 random bytes that name the file. Then records, each: length of the payload
//! (4 bytes, big-endian), the first 16 bytes of SHA-256 over the digest before it and the payload, the payload. The digest
//! before the first record is that of the header, so a record cannot be taken out, moved or put into another file unseen.

use std::io::{self, Read};

use base::Id16;
use base::wire::{Malformed, Reader, Writer};
use ledger::{COMMITMENT_LEN, Commitment};

/// First bytes of a journal file.
pub(crate) const MAGIC: &[u8; 8] = b"HMJRNL01";
/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 24;
/// Largest payload of a record.
pub(crate) const RECORD_BYTES_MAX: usize = 128 << 10;
const DIGEST_BYTES: usize = 16;

/// One accepted access entry, as the journal and the table hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: Id16,
    pub(crate) subject: Id16,
    pub(crate) time_us: i64,
    pub(crate) commitment: Commitment,
    /// Salt and entry, encrypted.
    pub(crate) frame: Vec<u8>,
}

impl Record {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(&self.id.0).raw(&self.subject.0).i64(self.time_us).raw(&self.commitment).bytes(&self.frame);
        out.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let record = Self {
            id: Id16(reader.array()?),
            subject: Id16(reader.array()?),
            time_us: reader.i64()?,
            commitment: reader.array::<COMMITMENT_LEN>()?,
            frame: reader.bytes()?.to_vec(),
        };
        reader.end()?;
        Ok(record)
    }
}

/// The running digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain([u8; DIGEST_BYTES]);

/// The header of the file named `id`, and the digest after it.
pub(crate) fn header(id: Id16) -> ([u8; HEADER_BYTES], Chain) {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..].copy_from_slice(&id.0);
    (bytes, Chain(half(&base::sha256(&bytes))))
}

impl Chain {
    /// Writes a record behind `out`.
    pub(crate) fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        debug_assert!(payload.len() <= RECORD_BYTES_MAX, "entries are cut to far less");
        *self = self.next(payload);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.0);
        out.extend_from_slice(payload);
    }

    fn next(self, payload: &[u8]) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(&self.0);
        context.update(payload);
        Self(half(context.finish().as_ref()))
    }
}

fn half(digest: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut out = [0; DIGEST_BYTES];
    out.copy_from_slice(&digest[..DIGEST_BYTES]);
    out
}

/// Reads a file record by record; bounded memory.
pub(crate) struct Scan<R> {
    source: R,
    chain: Option<Chain>,
    /// Bytes up to the end of the last whole record.
    pub(crate) good_bytes: u64,
}

impl<R: Read> Scan<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self { source, chain: None, good_bytes: 0 }
    }

    /// The next whole record; `None` at the end, or where the file is torn or changed.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        let chain = match self.chain {
            Some(chain) => chain,
            None => {
                let mut bytes = [0; HEADER_BYTES];
                if !fill(&mut self.source, &mut bytes)? || bytes[..8] != MAGIC[..] {
                    return Ok(None);
                }
                let mut id = [0; 16];
                id.copy_from_slice(&bytes[8..]);
                self.good_bytes = HEADER_BYTES as u64;
                header(Id16(id)).1
            }
        };
        self.chain = Some(chain);
        let mut head = [0; 4 + DIGEST_BYTES];
        if !fill(&mut self.source, &mut head)? {
            return Ok(None);
        }
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > RECORD_BYTES_MAX {
            return Ok(None);
        }
        let mut payload = vec![0; length];
        if !fill(&mut self.source, &mut payload)? {
            return Ok(None);
        }
        let next = chain.next(&payload);
        if next.0 != head[4..] {
            return Ok(None);
        }
        let Ok(record) = Record::from_bytes(&payload) else { return Ok(None) };
        self.chain = Some(next);
        self.good_bytes += (head.len() + length) as u64;
        Ok(Some(record))
    }
}

/// `false` where the source ends before `out` is full.
fn fill(source: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(n: u8) -> Record {
        Record {
            id: Id16([n; 16]),
            subject: Id16([9; 16]),
            time_us: i64::from(n),
            commitment: [n; COMMITMENT_LEN],
            frame: vec![n; usize::from(n) * 3],
        }
    }

    fn file(count: u8) -> Vec<u8> {
        let (head, mut chain) = header(Id16([5; 16]));
        let mut bytes = head.to_vec();
        for n in 0..count {
            chain.push(&record(n).to_bytes(), &mut bytes);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, u64) {
        let mut scan = Scan::new(bytes);
        let mut records = Vec::new();
        while let Some(record) = scan.next().expect("memory does not fail") {
            records.push(record);
        }
        (records, scan.good_bytes)
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_gives_its_whole_records(count in 0u8..12, cut: prop::sample::Index) {
            let bytes = file(count);
            let cut = cut.index(bytes.len() + 1);
            let (records, good) = read(&bytes[..cut]);
            prop_assert!(good as usize <= cut);
            let expected: Vec<Record> = (0..records.len() as u8).map(record).collect();
            prop_assert_eq!(&records, &expected);
            prop_assert!(cut < bytes.len() || records.len() == usize::from(count));
            // Whatever is whole before the cut is found.
            prop_assert_eq!(file(records.len() as u8).len().min(cut), (good as usize).max(cut.min(HEADER_BYTES - 1)).min(file(records.len() as u8).len()));
        }

        #[test]
        fn a_changed_byte_ends_the_reading_there(count in 1u8..12, place: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = file(count);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let (records, good) = read(&bytes);
            prop_assert!(good as usize <= place.max(HEADER_BYTES));
            prop_assert!(records.len() < usize::from(count));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[&file(1), bytes.as_slice()].concat());
        }
    }
}
