//! Bundles of another system become a bag that goes in like any other.

use archive::{BundleOptions, Converted, ForeignPatient, TimelineQuery, from_bundles};
use base64::Engine as _;
use policy::{Action, InstitutionCode};
use serde_json::json;
use std::path::Path;
use synth::people::{Foreign, Person, person_for_foreign};
use testkit::{World, one_page_pdf};

fn person(patient: &ForeignPatient) -> Person {
    let birth_date = patient.birth_date.parse().expect("a day");
    person_for_foreign(Foreign {
        name: &patient.name,
        birth_date,
        gender: &patient.gender,
        source_id: &patient.source_id,
    })
}

fn convert(from: &Path, to: &Path) -> Converted {
    let options = BundleOptions {
        code: InstitutionCode::new("foreign-1").expect("a code"),
        name: "다른나라병원".to_owned(),
        romanised: "Foreign Hospital".to_owned(),
        kind: "21".to_owned(),
        address: "서울특별시 중구".to_owned(),
        closed_on: "2020-01-01".parse().expect("a day"),
        depositor: "누군가".to_owned(),
        national_number: &|patient| Some(person(patient).rrn),
    };
    from_bundles(from, to, &options).expect("converted")
}

#[test]
fn references_and_documents_are_brought_into_form() {
    let world = World::new();
    let from = world.path("bundles");
    std::fs::create_dir_all(&from).expect("a folder");
    let pdf = base64::engine::general_purpose::STANDARD.encode(one_page_pdf("hello"));
    let url = |id: &str| format!("urn:uuid:00000000-0000-0000-0000-0000000000{id}");
    let entry = |id: &str, resource: serde_json::Value| json!({"fullUrl": url(id), "resource": resource, "request": {"method": "POST", "url": "x"}});
    let patient = json!({"resourceType": "Patient", "id": "one", "birthDate": "1970-01-02", "gender": "female",
        "identifier": [{"system": "urn:x", "value": "1"}], "name": [{"given": ["Ada"], "family": "Byron"}]});
    let document = json!({"resourceType": "DocumentReference", "status": "current", "subject": {"reference": url("01")},
        "content": [{"attachment": {"contentType": "application/pdf", "data": pdf}}, {"attachment": {"contentType": "text/plain", "data": "aGk="}}]});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry("01", patient), entry("02", document)]});
    std::fs::write(from.join("a.json"), bundle.to_string()).expect("written");
    std::fs::write(from.join("b.json"), bundle.to_string()).expect("written");
    let to = world.path("bag");
    let converted = convert(&from, &to);
    assert_eq!((converted.resources, converted.documents, converted.patients.len()), (2, 1, 1));
    assert_eq!(converted.patients[0].name, "Ada Byron");
    let line = std::fs::read_to_string(to.join("data/fhir/DocumentReference.ndjson")).expect("a file");
    assert!(line.contains("\"Patient/one\"") && line.contains("documents/") && line.contains("aGk="), "{line}");

    world.agency.add(&person(&converted.patients[0]));
    let receipt = world.deposit(&to).expect("taken");
    assert_eq!(receipt.receipt.held_back.listed, []);
    assert_eq!((receipt.receipt.links.linked, receipt.receipt.taken.documents), (1, 1));
    let again = world.path("again");
    convert(&from, &again);
    let manifest = |bag: &Path| std::fs::read(bag.join("manifest-sha256.txt")).expect("a manifest");
    assert_eq!(manifest(&to), manifest(&again), "equal input gives equal bags");
}

#[test]
fn patients_of_another_system_find_their_visits() {
    let Some(data) = std::env::var_os("HANMARU_CONFORMANCE") else {
        println!("SKIPPED: HANMARU_CONFORMANCE is not set, so no bundles of another system are at hand");
        return;
    };
    let from = Path::new(&data).join("synthea");
    if !from.is_dir() {
        println!("SKIPPED: {} is not there", from.display());
        return;
    }
    let world = World::new();
    let to = world.path("bag");
    let converted = convert(&from, &to);
    assert_eq!(converted.patients.len(), 15);
    for patient in &converted.patients {
        world.agency.add(&person(patient));
    }
    let receipt = world.deposit(&to).expect("taken");
    let receipt = receipt.receipt;
    assert_eq!(receipt.held_back.by_fault, Default::default(), "{:?}", receipt.held_back.listed.first());
    assert_eq!((receipt.taken.resources, receipt.links.linked), (converted.resources, 15));
    for patient in &converted.patients {
        let permit = world.own_permit(&person(patient), Action::ReadTimeline);
        let timeline = world.archive().timeline(&permit, &TimelineQuery::default()).expect("a timeline");
        assert!(timeline.total > 0);
    }
}
