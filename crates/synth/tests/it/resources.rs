//! Resources: valid R4, references that lead somewhere, documents as described, amendments, every kind, the truth.

use crate::run;
use base64::Engine as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const PATIENTS: usize = 24;

fn lines(bag: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(bag.join("data/fhir")).expect("the resources") {
        let path = entry.expect("an entry").path();
        let kind = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        all.extend(text.lines().map(|line| (kind.clone(), line.to_owned())));
    }
    all
}

fn parsed(bag: &Path) -> Vec<Value> {
    lines(bag).iter().map(|(_, line)| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_resource_is_valid_r4() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 4, PATIENTS, 2);
    for hospital in &summary.hospitals {
        for (kind, line) in lines(&hospital.folder) {
            let value = fhir::json::parse(line.as_bytes(), &fhir::Limits::default()).expect("strict JSON");
            let report = fhir::validate(&value);
            let faults: Vec<_> = report.errors().map(|fault| format!("{fault:?}")).collect();
            assert!(faults.is_empty(), "{kind}: {faults:?} in {line}");
            assert_eq!(value.str("resourceType"), Some(kind.as_str()));
            let id = value.str("id").expect("an id");
            assert!(id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
        }
    }
}

#[test]
fn references_lead_to_resources_of_the_bag() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 4, PATIENTS, 2);
    for hospital in &summary.hospitals {
        let all = parsed(&hospital.folder);
        let known: BTreeSet<String> = all
            .iter()
            .map(|value| {
                format!("{}/{}", value["resourceType"].as_str().expect("type"), value["id"].as_str().expect("id"))
            })
            .collect();
        fn visit(value: &Value, found: &mut dyn FnMut(&str)) {
            match value {
                Value::Object(fields) => {
                    for (name, field) in fields {
                        if let ("reference", Some(to)) = (name.as_str(), field.as_str()) {
                            found(to);
                        }
                        visit(field, found);
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
                _ => {}
            }
        }
        let mut count = 0;
        for value in &all {
            visit(value, &mut |to| {
                count += 1;
                assert!(known.contains(to), "{to} is nowhere, in {value}");
            });
        }
        assert!(count > all.len(), "{count} references");
    }
}

#[test]
fn documents_are_what_their_references_say_and_every_kind_is_there() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 2, PATIENTS, 2);
    let mut formats = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let bag = &summary.hospitals[0].folder;
    for value in parsed(bag).iter().filter(|value| value["resourceType"] == "DocumentReference") {
        let attachment = &value["content"][0]["attachment"];
        let path = attachment["url"].as_str().expect("an address");
        assert!(path.starts_with("documents/"));
        let bytes = std::fs::read(bag.join("data").join(path)).expect("the document");
        assert_eq!(attachment["size"], bytes.len());
        assert!((2_000..90_000).contains(&bytes.len()), "{path}: {} bytes", bytes.len());
        let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes);
        assert_eq!(attachment["hash"], base64::engine::general_purpose::STANDARD.encode(sha1));
        let kind = attachment["contentType"].as_str().expect("a type");
        match kind {
            "application/pdf" => assert!(bytes.starts_with(b"%PDF-1.7") && bytes.ends_with(b"%%EOF")),
            _ => assert!(image::load_from_memory(&bytes).expect("an image").width() >= 500),
        }
        formats.insert(kind.to_owned());
        let coding = &value["type"]["coding"][0];
        assert_eq!(coding["system"], "https://hanmaru.example/CodeSystem/document-kind");
        kinds.insert(coding["code"].as_str().expect("a code").to_owned());
    }
    assert_eq!(formats.len(), 3, "PDF, PNG and JPEG: {formats:?}");
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}

#[test]
fn amendments_keep_what_was_before() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 1, 1, 1);
    let all = parsed(&summary.hospitals[0].folder);
    for (kind, changed) in [("Condition", "verificationStatus"), ("Observation", "status")] {
        let newer = all.iter().position(|value| value["resourceType"] == kind && value["meta"]["versionId"] == "2");
        let newer = newer.unwrap_or_else(|| panic!("an amended {kind} of the first patient"));
        let older = &all[newer - 1];
        assert_eq!(older["id"], all[newer]["id"], "the older version comes first");
        assert_ne!(older[changed], all[newer][changed]);
        assert!(older["meta"]["lastUpdated"].as_str() < all[newer]["meta"]["lastUpdated"].as_str());
    }
    let documents: Vec<_> = all.iter().filter(|value| value["resourceType"] == "DocumentReference").collect();
    let newer = documents.iter().find(|value| value["relatesTo"].is_array()).expect("a replaced document");
    let target = newer["relatesTo"][0]["target"]["reference"].as_str().expect("a target");
    let older = documents.iter().find(|value| target.ends_with(value["id"].as_str().expect("id"))).expect("kept");
    assert_eq!((&older["status"], &newer["status"]), (&"superseded".into(), &"current".into()));
    assert_ne!(older["content"][0]["attachment"]["hash"], newer["content"][0]["attachment"]["hash"]);
}

#[test]
fn the_truth_agrees_with_the_bags_and_links_people() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 3, PATIENTS, 2);
    let truth = std::fs::read(folder.path().join("truth.json")).expect("the truth");
    let truth: Value = serde_json::from_slice(&truth).expect("JSON");
    let mut numbers = BTreeMap::new();
    for (hospital, told) in summary.hospitals.iter().zip(truth["hospitals"].as_array().expect("hospitals")) {
        assert_eq!(told["resources"], hospital.resources);
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for value in parsed(&hospital.folder) {
            let kind = value["resourceType"].as_str().expect("type").to_owned();
            let owner = ["subject", "patient"].iter().find_map(|field| value[field]["reference"].as_str());
            let owner = owner.map(|to| to.trim_start_matches("Patient/").to_owned());
            if let Some(patient) =
                owner.or_else(|| (kind == "Patient").then(|| value["id"].as_str().unwrap().to_owned()))
            {
                if kind == "Patient" {
                    numbers.insert(patient.clone(), value["identifier"][0]["value"].as_str().unwrap().to_owned());
                    assert_eq!(value["identifier"][0]["system"], "https://mois.go.kr/rrn");
                }
                *counts.entry((patient, kind)).or_default() += 1;
            }
        }
        for patient in told["patients"].as_array().expect("patients") {
            for (kind, count) in patient["resources"].as_object().expect("counts") {
                let key = (patient["patient"].as_str().expect("id").to_owned(), kind.clone());
                assert_eq!(counts.remove(&key), count.as_u64(), "{key:?}");
            }
        }
        assert!(counts.is_empty(), "untold: {counts:?}");
    }
    let people = synth::people::read_people(&folder.path().join("people.json")).expect("people");
    let told = truth["people"].as_array().expect("people");
    assert_eq!(people.len(), told.len());
    for (person, told) in people.iter().zip(told) {
        assert_eq!(told["ci"], person.ci);
        assert_eq!(person.ci, synth::people::ci_of(&person.rrn));
        for patient in told["patients"].as_array().expect("patients") {
            assert_eq!(numbers[patient.as_str().expect("id")], person.rrn);
        }
    }
    let several = told.iter().filter(|person| person["patients"].as_array().is_some_and(|all| all.len() > 1)).count();
    assert!(several >= 3, "{several} people are known at several hospitals");
}
