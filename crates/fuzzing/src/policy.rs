//! Targets for names and tables of policy, as forms, addresses and databases bring them.

use policy::{Action, Coded, DataKind, InstitutionCode, ProofRules, RecordKinds, Role, Sensitive, Share};
use std::collections::BTreeSet;
use watch::Params;

pub fn word_seeds() -> Vec<Vec<u8>> {
    let part = Share::Part {
        kinds: DataKind::ALL.into_iter().collect(),
        sensitive: [Sensitive::Infection].into_iter().collect(),
    };
    let texts = [
        "whole",
        "31100001",
        "clinician",
        "read-record",
        "F32.1",
        "urn:oid:1.2.410.100110.10.1|B20",
        "parent-online own-id",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([part.to_text().into_bytes()]).collect()
}

/// Codes, names and the text of a share: whatever is taken is written as it was read.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(code) = InstitutionCode::new(text) {
        assert!(code.as_str() == text && text.is_ascii() && text.len() <= 64);
    }
    assert!(Role::from_name(text).is_none_or(|role| role.name() == text));
    assert!(Action::from_name(text).is_none_or(|action| action.name() == text));
    if let Some(share) = Share::from_text(text) {
        assert_eq!(Share::from_text(&share.to_text()), Some(share), "a share means what its text says");
    }
    let (system, code) = text.split_once('|').unwrap_or(("", text));
    let coded = Coded { system, code, text };
    for edition in RecordKinds::editions().all() {
        let found = edition.sensitive_of("Condition", [coded].into_iter());
        assert!(found.len() <= Sensitive::ALL.len());
    }
    let seen: BTreeSet<String> = text.split(' ').map(str::to_owned).collect();
    let age = text.len() as i64 - 3;
    for edition in ProofRules::editions().all() {
        let _ = edition.check(text.split(' ').next().unwrap_or_default(), Some(age), &seen);
    }
}

pub fn table_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../policies/watch.toml").to_vec()]
}

/// The thresholds of the watch: what is taken gives windows of some length.
pub fn tables(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(editions) = Params::parse(text) else { return };
    for params in editions.all() {
        assert!(params.longest_window_s() > 0, "a window has a length");
    }
}
