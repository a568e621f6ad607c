//! A line of NDJSON from a bag: parsed, written and parsed again, validated, indexed, and searched for references.

#![no_main]

use fhir::search::{Options, Selection, clinical_date, encounter_of, index_all, patient_of};
use fhir::{Limits, Value};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes_max: 1 << 16, depth_max: 64, values_max: 10_000 };

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = fhir::json::parse(bytes, &LIMITS) else { return };
    let mut text = String::new();
    value.write_to(&mut text);
    let limits = Limits { bytes_max: 1 << 20, ..LIMITS };
    let again = fhir::json::parse(text.as_bytes(), &limits).expect("what was written can be read");
    assert!(again == value, "what was written is what was read");
    let report = fhir::validate(&value);
    if value.is_object() {
        let _ = (patient_of(&value), encounter_of(&value), clinical_date(&value, &Options::default()));
        let _ = index_all(&value, &Selection::all(), &Options::default());
    }
    if report.is_valid() {
        references(&text, &value);
    }
});

/// What is found without parsing is at least what parsing finds.
fn references(text: &str, value: &Value<'_>) {
    let mut found = Vec::new();
    fhir::reference::each_text(text, &mut |reference| found.push(reference.to_owned()));
    fhir::visit_references(value, &mut |reference, _| {
        let is_plain = !reference.contains(|letter: char| letter == '"' || letter == '\\' || letter.is_control());
        assert!(!is_plain || found.iter().any(|one| one == reference), "a reference is missed");
    });
}
