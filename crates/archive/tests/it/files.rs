//! What resources point to: names that hospitals use again, files of more than one person, and files as Windows writes them.

use crate::{CODE, fault, faults, good, world, write};
use archive::{Selection, TimelineQuery};
use policy::{Action, InstitutionCode, Permit};
use serde_json::{Value, json};
use store::Version;
use testkit::{BagBuilder, World, one_page_pdf, person};

fn institution() -> InstitutionCode {
    InstitutionCode::new(CODE).expect("a code")
}

fn permit(world: &World, name: &str) -> Permit {
    world.own_permit(&person(name), Action::Issue)
}

/// All editions of a document of the first patient.
fn editions(world: &World, permit: &Permit, id: &str) -> Vec<Version> {
    let ids = world.store().ids();
    let key = ids.key(ids.patient(&institution(), "p1"), &institution(), "DocumentReference", id);
    world.store().history(permit, &key).expect("read")
}

/// What the file is that a version means by an address.
fn file(world: &World, permit: &Permit, version: &Version, url: &str) -> Option<Vec<u8>> {
    let object = world.archive().document_of(permit, version, url).expect("found or not")?;
    let mut bytes = Vec::new();
    world.store().objects(permit, &[object]).expect("permitted").read_to(object, &mut bytes).expect("it is there");
    Some(bytes)
}

fn document(id: &str, name: &str, edition: u32) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "id": id,
        "meta": {"versionId": edition.to_string(), "lastUpdated": format!("202{edition}-01-01T00:00:00Z")},
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": format!("documents/{name}")}}]
    })
}

fn bag(id: &str, edition: u32, text: &str) -> BagBuilder {
    BagBuilder::new(CODE)
        .patient("p1", &person("하나"))
        .resource(&document(id, "0001.pdf", edition))
        .file("data/documents/0001.pdf", one_page_pdf(text))
}

#[test]
fn a_name_that_is_used_again_leaves_the_older_document_its_file() {
    let world = world();
    world.deposit(&write(&world, &bag("d1", 1, "first")).root).expect("taken");
    world.deposit(&bag("d2", 1, "second").write(&world.path("second")).root).expect("taken");
    let permit = permit(&world, "하나");
    for (id, text) in [("d1", "first"), ("d2", "second")] {
        let found = file(&world, &permit, &editions(&world, &permit, id)[0], "documents/0001.pdf");
        assert!(found == Some(one_page_pdf(text)), "{id}");
    }
    let timeline = world.own_permit(&person("하나"), Action::ReadTimeline);
    let timeline = world.archive().timeline(&timeline, &TimelineQuery::default()).expect("a timeline");
    let objects: std::collections::BTreeSet<_> = timeline.loose.iter().map(|entry| entry.object).collect();
    assert_eq!(objects.len(), 2, "{objects:?}");
    if let Some(text) = text_of_issue(&world, &permit) {
        assert!(text.contains("first") && text.contains("second"), "{text}");
    }
}

/// Issues everything, all of it drawn, and reads the pages; `None`, said aloud, where nothing here can read them.
fn text_of_issue(world: &World, permit: &Permit) -> Option<String> {
    let issuer = archive::issue::Issuer { name: "한마루".to_owned(), origin: "https://records.example".to_owned() };
    let issued = world.archive().issue(permit, &Selection::Whole, archive::issue::Locale::Ko, &issuer);
    let issued = issued.expect("issued");
    assert_eq!(issued.undrawn, 0);
    let path = world.path("issued.pdf");
    std::fs::write(&path, &issued.bytes).expect("the folder is writable");
    match std::process::Command::new("pdftotext").arg(&path).arg("-").output() {
        Ok(text) => Some(String::from_utf8_lossy(&text.stdout).into_owned()),
        Err(_) => {
            println!("SKIPPED: pdftotext is not installed, so the text on the pages was not read");
            None
        }
    }
}

#[test]
fn files_of_reports_pictures_and_answers_are_taken_and_issued_too() {
    let world = world();
    let file = |name: &str| json!({"contentType": "application/pdf", "url": format!("documents/{name}.pdf")});
    let subject = json!({"reference": "Patient/p1"});
    let bag = BagBuilder::new(CODE)
        .patient("p1", &person("하나"))
        .resource(&json!({
            "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "흉부"}, "subject": subject,
            "presentedForm": [file("report")]
        }))
        .resource(&json!({
            "resourceType": "Media", "id": "m", "status": "completed", "subject": subject, "content": file("picture")
        }))
        .resource(&json!({
            "resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", "subject": subject,
            "item": [{"linkId": "1", "answer": [{"valueAttachment": file("answer")}]}]
        }))
        .file("data/documents/report.pdf", one_page_pdf("offthereport"))
        .file("data/documents/picture.pdf", one_page_pdf("offthepicture"))
        .file("data/documents/answer.pdf", one_page_pdf("offtheanswer"));
    world.deposit(&write(&world, &bag).root).expect("taken");
    if let Some(text) = text_of_issue(&world, &permit(&world, "하나")) {
        for word in ["offthereport", "offthepicture", "offtheanswer"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }
}

#[test]
fn an_amendment_that_keeps_the_name_leaves_the_original_its_file() {
    let world = world();
    world.deposit(&write(&world, &bag("d1", 1, "original")).root).expect("taken");
    world.clock.advance(60);
    world.deposit(&bag("d1", 2, "amended").write(&world.path("second")).root).expect("taken");
    // An amendment of the words alone, whose file is not in the bag again.
    let words = BagBuilder::new(CODE).patient("p1", &person("하나")).resource(&document("d1", "0001.pdf", 3));
    world.clock.advance(60);
    world.deposit(&words.write(&world.path("third")).root).expect("taken");
    let permit = permit(&world, "하나");
    let editions = editions(&world, &permit, "d1");
    let texts = ["original", "amended", "amended"];
    assert_eq!(editions.len(), texts.len());
    for (version, text) in editions.iter().zip(texts) {
        let found = file(&world, &permit, version, "documents/0001.pdf");
        assert!(found == Some(one_page_pdf(text)), "edition {} is {text}", version.version);
    }
}

#[test]
fn an_amended_file_that_was_held_back_is_not_shown_as_the_older_one() {
    let world = world();
    world.deposit(&write(&world, &bag("d1", 1, "original")).root).expect("taken");
    world.clock.advance(60);
    let broken = BagBuilder::new(CODE)
        .patient("p1", &person("하나"))
        .resource(&document("d1", "0001.pdf", 2))
        .file("data/documents/0001.pdf", b"no such thing as it claims".to_vec());
    world.deposit(&broken.write(&world.path("second")).root).expect("the rest is taken");
    let permit = permit(&world, "하나");
    let editions = editions(&world, &permit, "d1");
    assert_eq!(editions.len(), 2);
    for version in editions {
        let wanted = (version.version == 1).then(|| one_page_pdf("original"));
        assert!(file(&world, &permit, &version, "documents/0001.pdf") == wanted, "edition {}", version.version);
    }
}

#[test]
fn a_file_that_was_missing_comes_with_the_same_resource_again() {
    let world = world();
    let without = BagBuilder::new(CODE).patient("p1", &person("하나")).resource(&document("d1", "0001.pdf", 1));
    world.deposit(&write(&world, &without).root).expect("taken");
    world.clock.advance(60);
    world.deposit(&bag("d2", 1, "of another").write(&world.path("second")).root).expect("taken");
    let first = |world: &World| {
        let permit = permit(world, "하나");
        file(world, &permit, &editions(world, &permit, "d1")[0], "documents/0001.pdf")
    };
    assert!(first(&world).is_none(), "what came later for another document is not its file");
    world.clock.advance(60);
    world.deposit(&bag("d1", 1, "late").write(&world.path("third")).root).expect("taken");
    assert!(first(&world) == Some(one_page_pdf("late")));
}

#[test]
fn what_windows_writes_before_a_file_is_none_of_the_first_resource() {
    let world = world();
    let patient = json!({"resourceType": "Patient", "id": "p1", "name": [{"text": "하나"}],
        "identifier": [{"system": testkit::NATIONAL_NUMBERS, "value": person("하나").rrn}]});
    let test = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}});
    let mut bag = BagBuilder::new(CODE);
    for (name, resource) in [("Patient", &patient), ("Observation", &test)] {
        let line = ["\u{feff}", &resource.to_string(), "\r\n"].concat();
        bag = bag.file(&format!("data/fhir/{name}.ndjson"), line);
    }
    world.deposit(&write(&world, &bag).root).expect("taken");
    let permit = permit(&world, "하나");
    let keys = world.archive().select(&permit, &Selection::Whole).expect("listed");
    let versions = world.store().histories(&permit, &keys).expect("read");
    assert_eq!(versions.len(), 2);
    for version in &versions {
        assert!(version.bytes.expose().starts_with(b"{\""), "{}", version.key.resource_type);
    }
}

#[test]
fn one_file_of_two_patients_is_handed_to_neither() {
    let world = world();
    let pointing = |id: &str, patient: &str, name: &str| {
        let mut document = document(id, name, 1);
        document["subject"]["reference"] = json!(format!("Patient/{patient}"));
        document
    };
    let bag = good()
        .resource(&pointing("d2", "p1", "scan.pdf"))
        .resource(&pointing("d3", "p2", "scan.pdf"))
        .resource(&pointing("d4", "p1", "own.pdf"))
        .resource(&pointing("d5", "p1", "own.pdf"))
        .file("data/documents/scan.pdf", one_page_pdf("of whom"))
        .file("data/documents/own.pdf", one_page_pdf("own"));
    let receipt = world.deposit(&write(&world, &bag).root).expect("taken");
    assert_eq!(faults(&receipt), [fault("data/documents/scan.pdf", 0, "shared-document")]);
    let listed = &receipt.receipt.held_back.listed[0];
    let lines = "data/fhir/DocumentReference.ndjson line 2, data/fhir/DocumentReference.ndjson line 3";
    assert!(listed.kept && listed.reason.contains(lines), "{listed:?}");
    for (name, patient) in [("하나", "p1"), ("두리", "p2")] {
        let owner = world.store().ids().patient(&institution(), patient);
        let found = world.archive().document_object(owner, "documents/scan.pdf").expect("read");
        assert_eq!(found, None, "{name}");
    }
    let owner = world.store().ids().patient(&institution(), "p1");
    assert!(world.archive().document_object(owner, "documents/own.pdf").expect("read").is_some());
    assert!(receipt.receipt.korean().contains("여러 환자의 자원이 함께 가리키는 문서: 1"));
}

#[test]
fn what_may_hold_a_patients_records_is_not_taken_as_the_institutions_own() {
    let world = world();
    let observation = json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}});
    let bag = good()
        .resource(
            &json!({"resourceType": "Bundle", "id": "b", "type": "collection", "entry": [{"resource": observation}]}),
        )
        .resource(
            &json!({"resourceType": "Parameters", "id": "q", "parameter": [{"name": "x", "resource": observation}]}),
        )
        .resource(&json!({"resourceType": "Binary", "id": "x", "contentType": "text/plain", "data": "eA=="}))
        .resource(&json!({"resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "subject": {"reference": "Patient/p1"}}))
        .resource(&json!({"resourceType": "Device", "id": "v", "patient": {"reference": "Patient/p1"}}))
        .resource(&json!({"resourceType": "Device", "id": "w"}))
        .resource(&json!({"resourceType": "Binary", "id": "y", "contentType": "text/plain", "data": "eA==",
            "securityContext": {"reference": "Patient/p1"}}));
    let receipt = world.deposit(&write(&world, &bag).root).expect("taken");
    let expected =
        ["Binary", "Bundle", "Parameters"].map(|kind| fault(&format!("data/fhir/{kind}.ndjson"), 1, "nobody"));
    assert_eq!(faults(&receipt), expected);
    assert!(receipt.receipt.held_back.listed[1].reason.contains("--from-bundles"));
    let permit = world.own_permit(&person("하나"), Action::ReadTimeline);
    let keys = world.archive().select(&permit, &Selection::Whole).expect("listed");
    let own: Vec<&str> = keys.iter().map(|key| key.resource_type.as_str()).collect();
    for kind in ["List", "Device", "Binary"] {
        assert_eq!(own.iter().filter(|one| **one == kind).count(), 1, "{kind}: {own:?}");
    }
}
