//! Readers of bytes that come back from sites and disks and that no public function reaches by themselves, for fuzz targets.
//! Not a part of the interface: nothing else calls them. Each gives what was read written again, `None` where it was refused.

use base::{Id16, Timestamp};
use policy::InstitutionCode;
use std::io::Cursor;

use crate::journal::file::{HEADER_BYTES, Record, Scan, header};
use crate::{AccessActor, AccessEntry, AccessResult};

/// The good beginning of a journal file.
#[must_use]
pub fn journal(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut scan = Scan::new(Cursor::new(bytes));
    let id = Id16(bytes.get(8..HEADER_BYTES)?.try_into().ok()?);
    let (head, mut chain) = header(id);
    let mut again = head.to_vec();
    while let Some(record) = scan.next().ok()? {
        chain.push(&record.to_bytes(), &mut again);
    }
    (scan.good_bytes > 0).then_some(again)
}

/// A journal file of records with these frames.
#[must_use]
pub fn journal_of(frames: &[&[u8]]) -> Vec<u8> {
    let (head, mut chain) = header(Id16([3; 16]));
    let mut bytes = head.to_vec();
    for frame in frames {
        let (id, subject) = (Id16([1; 16]), Id16([2; 16]));
        let record = Record { id, subject, time_us: 7, commitment: [4; ledger::COMMITMENT_LEN], frame: frame.to_vec() };
        chain.push(&record.to_bytes(), &mut bytes);
    }
    bytes
}

/// An access entry with something in each of its parts but the ground.
#[must_use]
pub fn access_entry() -> AccessEntry {
    AccessEntry {
        id: Id16([1; 16]),
        decision: Id16([2; 16]),
        time: Timestamp::from_microsecond(1_700_000_000_000_001).expect("a year that there is"),
        subject: Id16([3; 16]),
        actor: AccessActor {
            account: Id16([4; 16]),
            role: "patient".to_owned(),
            assurance: 2,
            name: "홍길동".to_owned().into(),
            source: "127.0.0.1".to_owned().into(),
        },
        action: "read-record".to_owned(),
        purpose: "own-records".to_owned(),
        ground: None,
        explanation: "patient-own".to_owned(),
        result: AccessResult::Granted,
        institution: InstitutionCode::new("31100001"),
        what: vec![("Condition".to_owned(), 3), ("…".to_owned(), u32::MAX)],
    }
}

/// The body of a frame of table rows, and every change in it.
#[must_use]
pub fn rows(bytes: &[u8]) -> Option<Vec<u8>> {
    let (layouts, changes) = crate::rows::read_rows(bytes).ok()?;
    for change in &changes {
        let _ = crate::rows::read_change(change.bytes, &layouts[change.layout]);
    }
    Some(crate::rows::write_rows(&layouts.iter().collect::<Vec<_>>(), &changes))
}

/// How long the resource in a body is, in bytes.
#[must_use]
pub fn resource_bytes(body: &[u8]) -> Option<usize> {
    crate::prepare::read_body(body).ok().map(|open| open.bytes.len())
}

/// How long the document in the body of its first chunk is, in bytes.
#[must_use]
pub fn document_bytes(body: &[u8]) -> Option<usize> {
    crate::object_read::after_header(body).ok().map(<[u8]>::len)
}

/// The scope of an erasure.
#[must_use]
pub fn shred_scope(bytes: &[u8]) -> Option<Vec<u8>> {
    crate::ShredScope::from_bytes(bytes).ok().map(|scope| scope.to_bytes())
}
