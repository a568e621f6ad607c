//! The bytes of a key store's files: writing records, and finding those that are whole. No folders, no locks.
//!
//! # Key file `NNNN.keys`, format 1
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `HMRKEYS1` |
//! | … | records, back to back |
//!
//! | record | bytes | meaning |
//! |---|---|---|
//! | mark | 4 | `KREC` |
//! | length | 4 | length of the payload, big-endian, at most 8,192 |
//! | check | 16 | first half of SHA-256 over length and payload |
//! | payload | … | a wrapped key ([`super`]) |
//!
//! Each process appends to a file it holds a lock on, and never to one whose end is torn or that has reached 64 MiB:
//! then it begins the next number. A reader that meets a damaged record passes it over, says so, and looks for the next
//! mark whose check fits. A key may stand in a store twice.
//!
//! # File of destroyed keys `NNNN.gone`, format 2
//!
//! `HMRGONE2`, how many records follow in four bytes, and records of the same form whose payload is an entry of the list of
//! destroyed keys (`gone.rs` beside this one). Format 1 is `HMRGONE1` without their number. Each is written once, by whoever holds a lock on the file `gone.lock`, and never appended to. A loss of power may leave
//! the newest without its end, which nobody was told of: it is taken away before the next is written. Anything else that is no
//! record is damage, and a list that has any is not read until the other stores have made up for it.

use std::cmp::Ordering;
use std::ops::Range;

/// The first bytes of a file.
pub(super) const FILE_MAGIC: &[u8; 8] = b"HMRKEYS1";
/// The first bytes of a file of destroyed keys; behind them stands how many records follow.
const GONE_MAGIC: &[u8; 8] = b"HMRGONE2";
/// The same of format 1, which does not say how many follow.
const GONE_MAGIC_1: &[u8; 8] = b"HMRGONE1";
const GONE_HEAD_BYTES: usize = 8 + 4;
const RECORD_MARK: &[u8; 4] = b"KREC";
pub(super) const RECORD_HEAD_BYTES: usize = 4 + 4 + 16;
/// Longest payload of a record in bytes.
const PAYLOAD_BYTES_MAX: usize = 8192;
/// What a disk writes at once, in bytes, or less.
const SECTOR_BYTES: usize = 512;

/// Appends a record.
pub(super) fn write_record(out: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a wrapped key is at most a few kilobytes");
    out.extend_from_slice(RECORD_MARK);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&record_check(payload));
    out.extend_from_slice(payload);
}

fn record_check(payload: &[u8]) -> [u8; 16] {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(&(payload.len() as u32).to_be_bytes());
    digest.update(payload);
    let mut out = [0; 16];
    out.copy_from_slice(&digest.finish().as_ref()[..16]);
    out
}

/// The bytes of a file of destroyed keys with these payloads.
pub(super) fn gone_file<'a>(payloads: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let count = u32::try_from(payloads.len()).expect("an erasure has fewer keys");
    let mut out = [&GONE_MAGIC[..], &count.to_be_bytes()].concat();
    payloads.for_each(|payload| write_record(&mut out, payload));
    out
}

/// What stands somewhere in a file.
pub(super) enum Found<'a> {
    /// A whole record's payload.
    Record(&'a [u8]),
    /// Bytes that are no record.
    Damaged(Range<usize>),
}

/// Walks a file's bytes; damaged stretches are passed over to the next record that is whole.
pub(super) fn scan<'a>(bytes: &'a [u8], magic: &[u8], see: &mut dyn FnMut(Found<'a>)) {
    let mut at = if bytes.starts_with(magic) { magic.len() } else { 0 };
    let mut damaged_from = (at == 0 && !bytes.is_empty()).then_some(0);
    while at < bytes.len() {
        let Some(payload) = record_at(&bytes[at..]) else {
            damaged_from.get_or_insert(at);
            at += 1 + find(&bytes[at + 1..], RECORD_MARK);
            continue;
        };
        if let Some(from) = damaged_from.take() {
            see(Found::Damaged(from..at));
        }
        see(Found::Record(payload));
        at += RECORD_HEAD_BYTES + payload.len();
    }
    if let Some(from) = damaged_from {
        see(Found::Damaged(from..bytes.len()));
    }
}

/// As [`scan`], of a file of destroyed keys of either format.
pub(super) fn scan_gone<'a>(bytes: &'a [u8], see: &mut dyn FnMut(Found<'a>)) {
    scan(bytes, gone_head(bytes).0, see);
}

/// What a file of destroyed keys begins with, and how many records it says that follow.
fn gone_head(bytes: &[u8]) -> (&[u8], Option<usize>) {
    if bytes.starts_with(GONE_MAGIC_1) {
        return (GONE_MAGIC_1, None);
    }
    match bytes.split_at_checked(GONE_HEAD_BYTES) {
        Some((head, _)) if head.starts_with(GONE_MAGIC) => {
            let count = u32::from_be_bytes(head[8..].try_into().expect("four bytes"));
            (head, Some(count as usize))
        }
        _ => (GONE_MAGIC, Some(0)),
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).position(|window| window == mark).unwrap_or(bytes.len())
}

fn record_at(bytes: &[u8]) -> Option<&[u8]> {
    let head = bytes.get(..RECORD_HEAD_BYTES).filter(|head| head.starts_with(RECORD_MARK))?;
    let length = u32::from_be_bytes(head[4..8].try_into().ok()?) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let payload = bytes.get(RECORD_HEAD_BYTES..RECORD_HEAD_BYTES + length)?;
    (head[8..24] == record_check(payload)).then_some(payload)
}

/// How a file of destroyed keys is found, which is written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// As many whole records as it says, and nothing else.
    Whole,
    /// Whole records, and perhaps the beginning of another, as a loss of power leaves what it cuts short.
    Torn,
    /// Something that was whole is not any more.
    Damaged,
}

/// Judges a file of destroyed keys, whose payloads all have this length.
pub(super) fn shape(bytes: &[u8], payload_bytes: usize) -> Shape {
    if bytes.len() < GONE_HEAD_BYTES && (GONE_MAGIC.starts_with(bytes) || bytes.starts_with(GONE_MAGIC)) {
        return Shape::Torn;
    }
    let ((magic, count), mut records, mut damaged) = (gone_head(bytes), 0, Vec::new());
    scan(bytes, magic, &mut |found| match found {
        Found::Record(_) => records += 1,
        Found::Damaged(range) => damaged.push(range),
    });
    match (&damaged[..], count.unwrap_or(records).cmp(&records)) {
        ([], Ordering::Equal) => Shape::Whole,
        ([], Ordering::Greater) => Shape::Torn,
        ([range], _) if range.end == bytes.len() && is_cut_short(bytes, range.start, magic, payload_bytes) => {
            Shape::Torn
        }
        _ => Shape::Damaged,
    }
}

/// Whether what stands from here on is less than a record, and the beginning of one. Zeros up to the end are sectors that were
/// never written; a record that is there in its full length and does not fit its check is damaged.
fn is_cut_short(bytes: &[u8], from: usize, magic: &[u8], payload_bytes: usize) -> bool {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let rest = &bytes[from..used.next_multiple_of(SECTOR_BYTES).clamp(from, bytes.len())];
    if from == 0 {
        return magic.starts_with(rest);
    }
    let length = rest.get(4..8).map(|length| u32::from_be_bytes(length.try_into().expect("four bytes")) as usize);
    RECORD_MARK.starts_with(&rest[..rest.len().min(RECORD_MARK.len())])
        && length.is_none_or(|length| length == payload_bytes)
        && rest.len() < RECORD_HEAD_BYTES + payload_bytes
}

/// Whether there is nothing in a file of keys but whole records.
pub(super) fn is_clean(bytes: &[u8]) -> bool {
    let mut clean = bytes.starts_with(FILE_MAGIC);
    scan(bytes, FILE_MAGIC, &mut |found| clean &= matches!(found, Found::Record(_)));
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = FILE_MAGIC.to_vec();
        payloads.iter().for_each(|payload| write_record(&mut out, payload));
        out
    }

    fn found(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Range<usize>>) {
        let (mut records, mut damaged) = (Vec::new(), Vec::new());
        scan(bytes, FILE_MAGIC, &mut |found| match found {
            Found::Record(payload) => records.push(payload.to_vec()),
            Found::Damaged(range) => damaged.push(range),
        });
        (records, damaged)
    }

    proptest! {
        #[test]
        fn records_are_found_again(payloads: Vec<Vec<u8>>) {
            let bytes = file(&payloads);
            prop_assert!(is_clean(&bytes));
            prop_assert_eq!(found(&bytes), (payloads, Vec::new()));
        }

        #[test]
        fn damage_costs_one_record_and_is_told(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..8),
            at: prop::sample::Index,
        ) {
            let mut bytes = file(&payloads);
            let at = FILE_MAGIC.len() + at.index(bytes.len() - FILE_MAGIC.len());
            bytes[at] ^= 0x10;
            prop_assert!(!is_clean(&bytes));
            let (records, damaged) = found(&bytes);
            prop_assert_eq!(records.len(), payloads.len() - 1);
            prop_assert!(damaged.iter().any(|range| range.contains(&at)));
        }

        #[test]
        fn an_end_that_was_cut_short_is_told_from_damage(
            payloads in proptest::collection::vec(proptest::collection::vec(1_u8.., 58), 1..20),
            at: prop::sample::Index,
            zeros in 0..2_usize,
        ) {
            let whole = gone_file(payloads.iter().map(Vec::as_slice));
            prop_assert_eq!(shape(&whole, 58), Shape::Whole);
            let cut = at.index(whole.len());
            // Whatever sectors were not written are zeros, or not there.
            let kept = if zeros == 0 { cut } else { cut / SECTOR_BYTES * SECTOR_BYTES };
            let mut torn = whole[..kept].to_vec();
            torn.resize(kept.max(zeros * whole.len()), 0);
            prop_assert_eq!(shape(&torn, 58), Shape::Torn);
            // Between two records as well.
            let records = at.index(payloads.len());
            prop_assert_eq!(shape(&whole[..GONE_HEAD_BYTES + records * (RECORD_HEAD_BYTES + 58)], 58), Shape::Torn);
            let mut damaged = whole.clone();
            let at = GONE_HEAD_BYTES + at.index(whole.len() - GONE_HEAD_BYTES);
            damaged[at] ^= 0x10;
            prop_assert_eq!(shape(&damaged, 58), Shape::Damaged);
            let more = [&whole[..], &whole[GONE_HEAD_BYTES..]].concat();
            prop_assert_eq!(shape(&more, 58), Shape::Damaged);
            let first = [&GONE_MAGIC_1[..], &whole[GONE_HEAD_BYTES..]].concat();
            prop_assert_eq!(shape(&first, 58), Shape::Whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = shape(&bytes, 58);
            let (_, damaged) = found(&bytes);
            prop_assert!(bytes.is_empty() || !damaged.is_empty());
            let marked = [FILE_MAGIC.as_slice(), RECORD_MARK, &bytes].concat();
            found(&marked);
        }
    }
}
