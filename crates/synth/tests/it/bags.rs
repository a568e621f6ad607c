//! Bags: the same options give the same bytes, manifests hold, declarations are true, earlier runs are safe.

use crate::{files, run};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_same_options_give_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    run(&one, 4, 9, 1);
    run(&four, 4, 9, 4);
    let (one, four) = (files(&one), files(&four));
    assert!(one.len() > 300, "{} files", one.len());
    assert_eq!(one.iter().map(|file| &file.0).collect::<Vec<_>>(), four.iter().map(|file| &file.0).collect::<Vec<_>>());
    for (left, right) in one.iter().zip(&four) {
        assert!(left == right, "{} differs", left.0);
    }
}

#[test]
fn another_seed_gives_other_people_in_the_same_hospitals() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = run(&one, 1, 5, 1);
    let second = synth::generate(&synth::Options::new(1, 5, 43, two.clone()), &|_| {}).expect("a small run succeeds");
    assert_eq!(first.hospitals[0].name, second.hospitals[0].name);
    let people = |out: &std::path::Path| synth::people::read_people(&out.join("people.json")).expect("people");
    assert!(people(&one).iter().all(|person| people(&two).iter().all(|other| other.rrn != person.rrn)));
}

#[test]
fn manifests_and_declarations_hold() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 3, 12, 2);
    for hospital in &summary.hospitals {
        let all: BTreeMap<String, Vec<u8>> = files(&hospital.folder).into_iter().collect();
        let text = |name: &str| String::from_utf8(all[name].clone()).expect("UTF-8");
        assert_eq!(text("bagit.txt"), "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
        for (manifest, payload) in [("manifest-sha256.txt", true), ("tagmanifest-sha256.txt", false)] {
            let mut listed = BTreeSet::new();
            for line in text(manifest).lines() {
                let (hash, path) = line.split_once("  ").expect("hash, two spaces, path");
                assert_eq!(hash, base::hex(&base::sha256(&all[path])), "{path}");
                assert!(listed.insert(path.to_owned()), "{path} is listed once");
            }
            let expected: BTreeSet<String> = all
                .keys()
                .filter(|path| path.starts_with("data/") == payload && *path != "tagmanifest-sha256.txt")
                .cloned()
                .collect();
            assert_eq!(listed, expected, "{manifest}");
        }
        let info: BTreeMap<String, String> = text("bag-info.txt")
            .lines()
            .map(|line| line.split_once(": ").expect("label and value"))
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        let payload: Vec<&Vec<u8>> =
            all.iter().filter(|(path, _)| path.starts_with("data/")).map(|file| file.1).collect();
        let octets: usize = payload.iter().map(|bytes| bytes.len()).sum();
        assert_eq!(info["Payload-Oxum"], format!("{octets}.{}", payload.len()));
        let lines = |prefix: &str| {
            let of = |bytes: &Vec<u8>| bytes.iter().filter(|byte| **byte == b'\n').count();
            all.iter().filter(|(path, _)| path.starts_with(prefix)).map(|(_, bytes)| of(bytes)).sum::<usize>()
        };
        assert_eq!(info["Declared-Patients"], lines("data/fhir/Patient.ndjson").to_string());
        assert_eq!(info["Declared-Resources"], lines("data/fhir/").to_string());
        let documents = all.keys().filter(|path| path.starts_with("data/documents/")).count();
        assert_eq!(info["Declared-Documents"], documents.to_string());
        assert_eq!((info["Synthetic"].as_str(), info["Record-Format"].as_str()), ("yes", "FHIR R4 4.0.1"));
        assert!(info["Institution-Code"].starts_with("99") && info["Institution-Code"].len() == 8);
        let ended = info.contains_key("Closure-Date");
        assert_ne!(ended, info.contains_key("Suspension-Start"), "closed or suspended, not both");
    }
}

#[test]
fn an_earlier_run_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    run(folder.path(), 1, 1, 1);
    let again = synth::generate(&synth::Options::new(1, 1, 1, folder.path().to_owned()), &|_| {});
    assert!(matches!(again, Err(synth::Error::NotEmpty { .. })));
}

#[test]
fn senseless_options_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let out = folder.path().join("out");
    for (hospitals, patients) in [(0, 1), (100, 1), (1, 0), (2, 1_500_000)] {
        let refused = synth::generate(&synth::Options::new(hospitals, patients, 1, out.clone()), &|_| {});
        assert!(matches!(refused, Err(synth::Error::Options { .. })));
    }
    assert!(!out.exists());
}

#[test]
fn a_thousand_patients_make_a_bag_of_the_promised_size() {
    // The mean over 80 patients, with room for chance: the full bag takes too long for a test.
    let folder = tempfile::tempdir().expect("a folder for the test");
    let summary = run(folder.path(), 4, 80, 2);
    for hospital in &summary.hospitals {
        assert!(hospital.resources * 1000 / 80 >= 53_000, "{}: {} resources", hospital.code, hospital.resources);
        assert!(hospital.documents * 1000 / 80 >= 10_200, "{}: {} documents", hospital.code, hospital.documents);
    }
}
