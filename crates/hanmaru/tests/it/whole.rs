//! Records go in, and every patient's PDF comes out and verifies, with the library and with `hanmaru verify`.

use crate::program::hanmaru;
use archive::issue::{IssuedPdf, Issuer, Locale};
use archive::{BundleOptions, ForeignPatient, Selection, from_bundles};
use ledger::SignerKey;
use policy::{Action, InstitutionCode, Scope};
use std::path::Path;
use std::process::Command;
use store::Log;
use synth::Options;
use synth::people::{Foreign, Person, person_for_foreign, read_people};
use testkit::World;

/// Issues everything of a person, and checks it against the log's key.
pub fn issued(world: &World, person: &Person, locale: Locale) -> IssuedPdf {
    let permit = world.own_permit(person, Action::Issue);
    let issuer = Issuer { name: "한마루 시험".to_owned(), origin: "https://test.example".to_owned() };
    let pdf = world.archive().issue(&permit, &Selection::Whole, locale, &issuer).expect("it is issued");
    let keys = [world.store().verifier_key(Log::Records)];
    let verified = archive::verify::verify(&pdf.bytes, &keys).expect("it verifies");
    assert_eq!(verified.number, pdf.number);
    pdf
}

fn linked(world: &World, person: &Person) -> usize {
    match world.own_permit(person, Action::Issue).scope() {
        Scope::Patients(patients) => patients.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_patient_of_a_generated_hospital_gets_a_pdf_that_verifies() {
    let world = World::new();
    let out = world.path("bags");
    let options = Options { documents_per_patient: 4, ..Options::new(2, 6, 11, out.clone()) };
    let summary = synth::generate(&options, &|_| {}).expect("made");
    let people = read_people(&out.join("people.json")).expect("people");
    people.iter().for_each(|person| world.agency.add(person));
    let mut patients = 0;
    for hospital in &summary.hospitals {
        let receipt = world.deposit(&hospital.folder).expect("taken").receipt;
        assert_eq!(receipt.held_back.listed, []);
        assert_eq!((receipt.taken.resources, receipt.taken.documents), (hospital.resources, hospital.documents));
        patients += receipt.links.linked;
    }
    assert_eq!(patients, 12);
    let mut seen = 0;
    for person in &people {
        let pdf = issued(&world, person, Locale::Ko);
        assert_eq!(pdf.undrawn, 0);
        seen += linked(&world, person);
    }
    assert_eq!(seen, 12, "every patient is somebody's");
}

#[test]
fn the_program_verifies_offline_and_names_what_was_changed() {
    let world = World::new();
    let person = testkit::person("하나");
    world.agency.add(&person);
    let bag = testkit::BagBuilder::new("31999901").patient("p1", &person).visit("p1", "e1", "2021-03-04");
    world.deposit(&bag.write(&world.path("bag")).root).expect("taken");
    let pdf = issued(&world, &person, Locale::En).bytes;
    let key = world.store().verifier_keys().swap_remove(0);
    std::fs::write(world.path("keys"), format!("{key}\n")).expect("written");
    let verify = |bytes: &[u8]| {
        let path = world.path("document.pdf");
        std::fs::write(&path, bytes).expect("written");
        hanmaru(
            Command::new(env!("CARGO_BIN_EXE_hanmaru")).arg("verify").arg("--keys").arg(world.path("keys")).arg(path),
        )
    };
    let said = verify(&pdf);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("as issued, unchanged") && said.out.contains("in test.example/hanmaru/records"),
        "{said:?}"
    );

    for place in [0, 20, pdf.len() / 3, pdf.len() / 2, pdf.len() - 2] {
        let mut changed = pdf.clone();
        changed[place] ^= 1;
        let said = verify(&changed);
        assert_eq!(said.code, Some(1), "byte {place}: {said:?}");
        assert!(said.out.contains("NOT as issued: "), "byte {place}: {said:?}");
    }
    let said = verify(&pdf[..pdf.len() - 100]);
    assert!(said.code == Some(1) && said.out.contains("cut short"), "{said:?}");
    let said = verify(&[&pdf[..], b"\n% more"].concat());
    assert!(said.code == Some(1) && said.out.contains("were added"), "{said:?}");

    let other = World::new().store().verifier_keys().swap_remove(0);
    if other != key {
        std::fs::write(world.path("keys"), format!("{other}\n")).expect("written");
        let said = verify(&pdf);
        assert!(said.code == Some(1) && said.out.contains("NOT as issued"), "another installation's key: {said:?}");
    }
}

#[test]
fn a_depositor_checks_a_receipt_offline() {
    let world = World::new();
    let person = testkit::person("하나");
    world.agency.add(&person);
    let bag = testkit::BagBuilder::new("31999901").patient("p1", &person).visit("p1", "e1", "2021-03-04");
    let receipt = world.deposit(&bag.write(&world.path("bag")).root).expect("taken").receipt;
    let file = world.path(&format!("data/archive/receipts/{}.json", receipt.number));
    let given = std::fs::read_to_string(&file).expect("it was written");
    let key = world.store().verifier_keys().swap_remove(0);
    let verify = |text: &str, key: &str, more: &[&str]| {
        std::fs::write(&file, text).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
        hanmaru(command.args(["verify", "--key", key]).arg(&file).args(more))
    };
    for right in [given.clone(), format!("{given}\r\n")] {
        let said = verify(&right, &key, &[]);
        assert_eq!(said.code, Some(0), "{said:?}");
        for words in ["a genuine receipt, unchanged", "in test.example/hanmaru/records", &receipt.english()] {
            assert!(said.out.contains(words), "{words}: {said:?}");
        }
    }
    let resources = format!("\"resources\": {}", receipt.taken.resources);
    assert!(given.contains(&resources));
    let changes = [
        (given.replacen(&resources, "\"resources\": 99", 1), "the receipt is not what the log committed to"),
        (given.replacen('{', "{\n  \"note\": \"all of it\",", 1), "something in it was added"),
        (given.replacen("  ", " ", 1), "arranged anew"),
        (given.replacen("\"leaf\": ", "\"leaf\": 1", 1), "leaf cannot be read"),
        (given[..given.len() / 2].to_owned(), "the file is damaged"),
    ];
    for (changed, why) in changes {
        let said = verify(&changed, &key, &[]);
        assert!(said.code == Some(1) && said.out.contains("NOT a genuine receipt: "), "{changed}: {said:?}");
        assert!(said.out.contains(why) && !said.out.contains("unchanged"), "{why}: {said:?}");
    }
    let other = SignerKey::from_seed("test.example/hanmaru/records", &[7; 32]).expect("a good name");
    let said = verify(&given, &other.verifier().encode(), &[]);
    assert!(said.code == Some(1) && said.out.contains("none of the pinned keys has signed it"), "{said:?}");
    let said = verify(&given, &key, &["--show-qr"]);
    assert!(said.code == Some(1) && said.err.contains("go with issued documents"), "{said:?}");
}

#[test]
fn patients_of_another_system_get_their_pdf() {
    let data = std::env::var_os("HANMARU_CONFORMANCE").map(|data| Path::new(&data).join("synthea"));
    let Some(bundles) = data.filter(|bundles| bundles.is_dir()) else {
        println!("SKIPPED: HANMARU_CONFORMANCE does not lead to the Synthea bundles");
        return;
    };
    let world = World::new();
    let person = |patient: &ForeignPatient| {
        person_for_foreign(Foreign {
            name: &patient.name,
            birth_date: patient.birth_date.parse().expect("a whole date"),
            gender: &patient.gender,
            source_id: &patient.source_id,
        })
    };
    let options = BundleOptions {
        code: InstitutionCode::new("FOREIGN-1").expect("a code"),
        name: "외국 시스템 기록".to_owned(),
        romanised: "Records of another system".to_owned(),
        kind: "11".to_owned(),
        address: "-".to_owned(),
        closed_on: "2024-12-31".parse().expect("a day"),
        depositor: "시험".to_owned(),
        national_number: &|patient| Some(person(patient).rrn),
    };
    let bag = world.path("bag");
    let converted = from_bundles(&bundles, &bag, &options).expect("converted");
    let people: Vec<Person> = converted.patients.iter().map(person).collect();
    assert_eq!(people.len(), 15);
    people.iter().for_each(|person| world.agency.add(person));
    let receipt = world.deposit(&bag).expect("taken").receipt;
    assert_eq!(receipt.held_back.listed, []);
    assert_eq!(receipt.links.linked, 15);
    for person in &people {
        let pdf = issued(&world, person, Locale::En);
        assert!(pdf.pages > 1, "a chart and its cover");
        // Their records refer to doctors and never repeat the name.
        if let Some(text) = text_of(&world, &pdf.bytes) {
            assert!(text.contains("Dr. "), "no doctor has a name:\n{text}");
        }
    }
}

/// The text on the pages, by Poppler; `None`, said aloud, where that is not installed.
fn text_of(world: &World, pdf: &[u8]) -> Option<String> {
    let path = world.path("issued.pdf");
    std::fs::write(&path, pdf).expect("written");
    let Ok(said) = Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output() else {
        println!("SKIPPED: pdftotext is not installed, so the text on the pages was not read");
        return None;
    };
    Some(String::from_utf8_lossy(&said.stdout).into_owned())
}
