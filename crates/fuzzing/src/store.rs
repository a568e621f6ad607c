//! Targets for what comes back from sites and disks when a store is opened or made again, and for consents.

use base::{Id16, Timestamp};
use fhir::Limits;
use policy::{DataKind, InstitutionCode, Sensitive};
use std::collections::BTreeSet;
use store::{AccessEntry, AccessResult, ConsentPurpose, ConsentTerms, Ids, IndexRow, Indexing, outside};

const ME: Id16 = Id16([7; 16]);

fn code() -> InstitutionCode {
    InstitutionCode::new("31100001").expect("eight digits")
}

pub fn entry_seeds() -> Vec<Vec<u8>> {
    let denied = AccessResult::Denied { reason: "no-ground".to_owned() };
    let granted = outside::access_entry();
    let denied = AccessEntry { ground: Some(Id16([9; 16])), result: denied, institution: None, ..granted.clone() };
    [granted, denied].iter().map(AccessEntry::to_bytes).collect()
}

/// An access entry is written as it was read, but for texts and counts that are cut to their limits.
pub fn entry(bytes: &[u8]) {
    let Ok(entry) = AccessEntry::from_bytes(bytes) else { return };
    let again = entry.to_bytes();
    assert!(again.len() <= bytes.len() + 16, "nothing is added but a sum of what was left out");
    let read = AccessEntry::from_bytes(&again).expect("own bytes");
    assert_eq!(read.to_bytes(), again, "cutting is done once");
    assert!(again.len() < bytes.len() || again == bytes, "an entry that is not cut has one spelling");
}

pub fn journal_seeds() -> Vec<Vec<u8>> {
    vec![outside::journal_of(&[]), outside::journal_of(&[b"frame", b"", &[5; 300]])]
}

/// A journal file: its good beginning is written as it was read.
pub fn journal(bytes: &[u8]) {
    if let Some(good) = outside::journal(bytes) {
        assert!(bytes.starts_with(&good), "records are read as they stand");
    }
}

pub fn body_seeds() -> Vec<Vec<u8>> {
    let mut rows = base::wire::Writer::new();
    rows.u16(1).text("grounds").u16(1).u16(2).text("id").text("note");
    let mut change = base::wire::Writer::new();
    change.u8(1).u8(1).raw(&7i64.to_be_bytes()).u8(3).text("한글");
    rows.u32(1).u64(5).u16(0).bytes(change.as_slice());
    let mut resource = base::wire::Writer::new();
    resource.u8(1).raw(&[1; 32]).text("31100001").text("Condition").text("c").raw(b"{}");
    let mut document = base::wire::Writer::new();
    document.u8(1).raw(&[1; 72]).text("application/pdf").raw(b"%PDF-");
    let mut class = base::wire::Writer::new();
    class.u8(3).text("31100001").text("chart").u16(2035);
    let patient = [&[1][..], &[7; 16]].concat();
    vec![rows.finish(), resource.finish(), document.finish(), class.finish(), patient]
}

/// Bodies of frames: table rows, resources, documents, and the scope of an erasure.
pub fn bodies(bytes: &[u8]) {
    assert!(outside::rows(bytes).is_none_or(|again| again == bytes), "rows have one spelling");
    assert!(outside::shred_scope(bytes).is_none_or(|again| again == bytes), "a scope has one spelling");
    assert!(outside::resource_bytes(bytes).is_none_or(|length| length < bytes.len()));
    assert!(outside::document_bytes(bytes).is_none_or(|length| length < bytes.len()));
}

pub fn consent_seeds() -> Vec<Vec<u8>> {
    let terms = |institutions: &[&str], sensitive: &[Sensitive]| ConsentTerms {
        person: ME,
        grantees: [code()].into_iter().collect(),
        purposes: ConsentPurpose::ALL.into_iter().collect(),
        institutions: institutions.iter().filter_map(|code| InstitutionCode::new(code)).collect(),
        kinds: DataKind::ALL.into_iter().collect(),
        sensitive: sensitive.iter().copied().collect::<BTreeSet<_>>(),
        from: Timestamp::from_second(1_700_000_000).expect("a time"),
        until: Timestamp::from_second(1_800_000_000).expect("a time"),
    };
    let write = |terms: ConsentTerms, active| terms.to_bytes(Id16([1; 16]), Timestamp::UNIX_EPOCH, active);
    vec![write(terms(&[], &[]), true), write(terms(&["11100001", "A-1"], &Sensitive::ALL), false)]
}

/// A consent that is read says the same when it is written again, and no less than what it says is shared.
pub fn consent(bytes: &[u8]) {
    let Ok((is_active, terms)) = ConsentTerms::read(bytes, ME) else { return };
    assert!(terms.from < terms.until && !terms.grantees.is_empty() && !terms.kinds.is_empty());
    assert_eq!(terms.person, ME, "a consent is its person's");
    let again = terms.to_bytes(Id16([1; 16]), Timestamp::UNIX_EPOCH, is_active);
    assert_eq!(ConsentTerms::read(&again, ME), Ok((is_active, terms)), "it says what it said");
}

pub fn index_seeds() -> Vec<Vec<u8>> {
    crate::fhir::json_seeds()
}

/// Index rows of a resource are bounded, and no identity number is among them.
pub fn index(bytes: &[u8]) {
    let limits = Limits { bytes_max: 1 << 16, depth_max: 64, values_max: 10_000 };
    let Ok(value) = fhir::json::parse(bytes, &limits) else { return };
    if !value.is_object() {
        return;
    }
    let (selection, options) = (fhir::search::Selection::all(), fhir::search::Options::default());
    let (hidden_systems, ids) = (vec!["https://mois.go.kr/rrn".to_owned()], &Ids::under(&[1; 32]));
    let indexing = Indexing { selection, options, hidden_systems, ids };
    for row in store::index_rows(&value, &code(), &indexing) {
        if let IndexRow::Date { low_us, high_us, .. } = row {
            assert!(low_us <= high_us, "a day has a direction");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that nothing would take would test the first check alone.
    #[test]
    fn seeds_are_whole() {
        assert!(entry_seeds().iter().all(|bytes| AccessEntry::from_bytes(bytes).is_ok()));
        assert!(consent_seeds().iter().all(|bytes| ConsentTerms::read(bytes, ME).is_ok()));
        assert!(journal_seeds().iter().all(|bytes| outside::journal(bytes).as_ref() == Some(bytes)));
        let bodies = body_seeds();
        assert_eq!(outside::rows(&bodies[0]).as_ref(), Some(&bodies[0]));
        assert!(outside::resource_bytes(&bodies[1]) == Some(2) && outside::document_bytes(&bodies[2]) == Some(5));
        assert!(bodies[3..].iter().all(|bytes| outside::shred_scope(bytes).as_ref() == Some(bytes)));
    }
}
