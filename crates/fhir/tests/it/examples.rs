//! Real resources: all of them parse, keep their text, validate, and give index values.

use crate::{conformance, json_files};
use fhir::json::{Limits, parse};
use fhir::search::{Options, Selection, clinical_date, encounter_of, index_all, patient_of};
use fhir::{Target, Value, validate};
use std::collections::BTreeMap;

/// What some or all Synthea resources of a type do not tell.
const WITHOUT: [&str; 11] = [
    "AllergyIntolerance encounter",
    "Goal date",
    "Goal encounter",
    "Organization date",
    "Organization encounter",
    "Organization patient",
    "Patient date",
    "Patient encounter",
    "Practitioner date",
    "Practitioner encounter",
    "Practitioner patient",
];

/// Their known defects are against KR Core, not against the structure of R4.
#[test]
fn korean_examples_validate() {
    let Some(folder) = conformance("krcore-examples") else { return };
    let mut faults = Vec::new();
    for (name, bytes) in json_files(&folder) {
        match parse(&bytes, &Limits::default()) {
            Ok(value) => {
                let report = validate(&value);
                faults.extend(report.errors().map(|fault| (name.clone(), fault.to_string())));
            }
            Err(error) => faults.push((name, error.to_string())),
        }
    }
    assert_eq!(faults, Vec::new());
}

#[test]
fn synthea_resources_validate_and_index() {
    let Some(folder) = conformance("synthea") else { return };
    let (selection, options) = (Selection::all(), Options::default());
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    let mut without: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = 0;
    for (_, bytes) in json_files(&folder) {
        let bundle = parse(&bytes, &Limits::default()).expect("the bundle parses");
        for fault in validate(&bundle).errors() {
            *faults.entry(fault.to_string()).or_default() += 1;
        }
        for resource in bundle.each("entry").filter_map(|entry| entry.get("resource")) {
            count += 1;
            let kind = resource.str("resourceType").expect("every resource has a type").to_owned();
            let text = resource.to_string();
            assert_eq!(&parse(text.as_bytes(), &Limits::default()).expect("own output parses"), resource);
            assert!(!index_all(resource, &selection, &options).is_empty(), "{kind}");
            if !is_of_patient(resource) {
                *without.entry(format!("{kind} patient")).or_default() += 1;
            }
            if clinical_date(resource, &options).is_none() {
                *without.entry(format!("{kind} date")).or_default() += 1;
            }
            if encounter_of(resource).is_none() {
                *without.entry(format!("{kind} encounter")).or_default() += 1;
            }
        }
    }
    assert!(count > 2_000, "{count}");
    assert_eq!(faults, BTreeMap::new());
    let without: Vec<&str> = without.keys().map(String::as_str).collect();
    assert_eq!(without, WITHOUT);
}

fn is_of_patient(resource: &Value<'_>) -> bool {
    patient_of(resource)
        .iter()
        .any(|target| matches!(target, Target::Urn(_) | Target::Relative { kind: "Patient", .. }))
}
