//! Bad input: each gets a clear answer, and nothing is lost.

use crate::{CODE, fault, faults, good, only_fault, quiet, refusal, world, write};
use archive::DepositError;
use base::limits::Limits;
use policy::Action;
use serde_json::json;
use store::Query;
use testkit::{BagBuilder, World, one_page_pdf, person};

/// Heads that a person sees.
fn heads(world: &World, name: &str) -> usize {
    let permit = world.own_permit(&person(name), Action::ReadTimeline);
    world.store().search(&permit, &Query::default()).expect("searched").heads.len()
}

#[test]
fn what_breaks_trust_in_the_bag_refuses_it_whole() {
    let spoilt = |spoil: &dyn Fn(&testkit::Bag)| {
        let world = world();
        let bag = write(&world, &good());
        spoil(&bag);
        let text = refusal(&world, &bag);
        assert!(
            world.archive().deposits(&policy::InstitutionCode::new(CODE).expect("a code")).expect("read").is_empty()
        );
        text
    };
    assert!(spoilt(&|bag| bag.remove("bagit.txt")).contains("bagit.txt is missing"));
    assert!(spoilt(&|bag| bag.remove("data/documents/d1.pdf")).contains("listed in the manifest and missing"));
    assert!(spoilt(&|bag| bag.put("data/extra.bin", b"x")).contains("not listed in the manifest"));
    assert!(spoilt(&|bag| bag.list("data/../../outside", b"x")).contains("must stay below data/"));
    assert!(spoilt(&|bag| bag.list("/etc/passwd", b"x")).contains("must stay below data/"));
    assert!(spoilt(&|bag| bag.put("bag-info.txt", b"Institution-Name: \xff")).contains("not UTF-8"));
    let link = |bag: &testkit::Bag| {
        bag.remove("data/documents/d1.pdf");
        std::os::unix::fs::symlink("/etc/passwd", bag.root.join("data/documents/d1.pdf")).expect("a link");
    };
    assert!(spoilt(&link).contains("symbolic link"));
}

#[test]
fn an_empty_bag_and_a_bag_of_nobody_are_refused() {
    let world = world();
    assert!(refusal(&world, &write(&world, &BagBuilder::new(CODE))).contains("no payload"));
    let nameless = good().info("Institution-Code", None).write(&world.path("nameless"));
    assert!(refusal(&world, &nameless).contains("Institution-Code is missing"));
    let oxum = good().info("Payload-Oxum", Some("1.1")).write(&world.path("oxum"));
    assert!(refusal(&world, &oxum).contains("truncated"));
}

#[test]
fn lines_with_faults_are_held_back_and_the_rest_goes_in() {
    let world = world();
    let builder = good()
        .line("Observation", "{broken")
        .line("Observation", b"{\"resourceType\":\"Observation\",\"id\":\"\xff\"}")
        .line("Observation", r#"{"resourceType":"Obsevation","id":"o1"}"#)
        .line("Observation", r#"{"resourceType":"Observation","id":"o2"}"#)
        .resource(&json!({"resourceType": "Observation", "id": "o3", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/nobody"}}))
        .resource(&json!({"resourceType": "Observation", "id": "o4", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p1"}}));
    let receipt = world.deposit(&write(&world, &builder).root).expect("the rest goes in");
    let file = "data/fhir/Observation.ndjson";
    let expected = [
        fault(file, 1, "broken-line"),
        fault(file, 2, "broken-line"),
        fault(file, 3, "unknown-type"),
        fault(file, 4, "invalid"),
        fault(file, 5, "nobody"),
    ];
    assert_eq!(faults(&receipt), expected);
    assert!(receipt.receipt.held_back.listed.iter().all(|fault| fault.kept && !fault.reason.is_empty()));
    assert_eq!(receipt.receipt.taken.by_type["Observation"], 1);
    assert_eq!(heads(&world, "하나"), 5, "patient, visit, diagnosis, document and the good observation");
    assert!(receipt.receipt.korean().contains("읽을 수 없는 줄: 2"));
    assert!(receipt.receipt.english().contains("resources about nobody known: 1"));
}

#[test]
fn a_line_that_is_too_long_is_kept_without_being_held_in_memory() {
    let world = World::with_limits(Limits { resource_bytes: 2_000, ..Limits::default() });
    let bag = write(&world, &good().line("Basic", "x".repeat(3_000)).line("Basic", "y".repeat(300_000)));
    let receipt = world.deposit(&bag.root).expect("the rest goes in");
    let file = "data/fhir/Basic.ndjson";
    assert_eq!(faults(&receipt), [fault(file, 1, "line-too-long"), fault(file, 2, "line-too-long")]);
    assert!(receipt.receipt.held_back.listed.iter().all(|fault| fault.kept));
}

#[test]
fn resources_as_large_as_may_be_are_taken_in_any_order() {
    let world = World::with_limits(Limits { resource_bytes: store::RESOURCE_BYTES_MAX, ..Limits::default() });
    // White space between members is part of a resource as it came.
    let large = |id: &str, bytes: usize| {
        let text = format!(
            r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"x"}},"subject":{{"reference":"Patient/p1"}}"#
        );
        format!("{text}{}}}", " ".repeat(bytes - text.len() - 1))
    };
    let builder = good()
        .line("Basic", large("b1", 11 << 20))
        .line("Basic", large("b2", store::RESOURCE_BYTES_MAX))
        .line("Basic", large("b3", 11 << 20))
        .line("Basic", large("b4", 11 << 20))
        .line("Basic", large("b5", store::RESOURCE_BYTES_MAX + 1));
    let receipt = world.deposit(&write(&world, &builder).root).expect("they go in");
    assert_eq!(faults(&receipt), [fault("data/fhir/Basic.ndjson", 5, "line-too-long")]);
    assert_eq!(receipt.receipt.taken.by_type["Basic"], 4);
}

#[test]
fn a_file_with_a_wrong_checksum_is_refused_whole_and_taken_once_it_is_mended() {
    let world = world();
    let bag = write(&world, &good());
    let path = "data/fhir/Condition.ndjson";
    let right = std::fs::read(bag.root.join(path)).expect("it is there");
    let wrong = String::from_utf8(right.clone()).expect("text").replace("J00", "J01");
    bag.put(path, wrong.as_bytes());
    let first = world.deposit(&bag.root).expect("the rest goes in");
    assert_eq!(faults(&first), [fault(path, 0, "checksum")]);
    assert_eq!(first.receipt.taken.by_type.get("Condition"), None);
    assert!(world.deposit(&bag.root).expect("nothing has changed").again);

    bag.put(path, &right);
    let second = world.deposit(&bag.root).expect("mended");
    assert!(!second.again);
    assert_eq!(faults(&second), []);
    assert_eq!(second.receipt.taken.by_type["Condition"], 2);
    assert_eq!(second.receipt.taken.resources, first.receipt.taken.resources + 2);
    assert!(world.deposit(&bag.root).expect("finished").again);
}

#[test]
fn documents_that_are_not_what_they_claim_are_held_back() {
    let pdf = one_page_pdf("x");
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("application/pdf", b"plain text".to_vec(), "no PDF, PNG or JPEG"),
        ("image/png", pdf.clone(), "another media type"),
        ("application/pdf", pdf[..pdf.len() / 2].to_vec(), "cut off"),
        ("application/dicom", pdf.clone(), "claims a media type other"),
    ];
    for (content_type, bytes, why) in cases {
        let world = world();
        let bag = write(&world, &good().document("p1", "d2", "d2.bin", content_type, &bytes));
        let fault = only_fault(&world, &bag);
        assert_eq!((fault.file.as_str(), fault.fault.as_str()), ("data/documents/d2.bin", "not-as-claimed"));
        assert!(fault.reason.contains(why) && fault.kept, "{fault:?}");
    }
}

#[test]
fn documents_must_have_the_size_and_digest_that_their_resource_gives() {
    let pdf = one_page_pdf("x");
    for attachment in [json!({"size": 3}), json!({"hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="})] {
        let world = world();
        let mut attachment = attachment;
        attachment["url"] = json!("documents/d2.pdf");
        attachment["contentType"] = json!("application/pdf");
        let reference = json!({"resourceType": "DocumentReference", "id": "d2", "status": "current",
            "subject": {"reference": "Patient/p1"}, "content": [{"attachment": attachment}]});
        let bag = write(&world, &good().resource(&reference).file("data/documents/d2.pdf", pdf.clone()));
        assert_eq!(only_fault(&world, &bag).fault, "not-as-claimed");
    }
}

#[test]
fn a_document_beyond_the_limit_is_refused_by_its_size_alone() {
    let world = World::with_limits(Limits { document_bytes: 4 << 20, ..Limits::default() });
    let bag = write(&world, &good().document("p1", "d2", "huge.pdf", "application/pdf", b"x"));
    // Five gigabytes on paper, none on the disk: it must not be read to be refused.
    bag.cut("data/documents/huge.pdf", 5 << 30);
    let fault = only_fault(&world, &bag);
    assert_eq!((fault.fault.as_str(), fault.kept), ("too-large", false));
}

#[test]
fn large_documents_are_streamed() {
    let world = world();
    let mut large = one_page_pdf("x");
    let whole = large.clone();
    large.splice(9..9, vec![b'%'; 20 << 20]);
    large.insert(9 + (20 << 20), b'\n');
    let bag = write(&world, &good().document("p1", "d2", "large.pdf", "application/pdf", &large));
    let receipt = world.deposit(&bag.root).expect("taken");
    assert_eq!((faults(&receipt), receipt.receipt.taken.documents), (vec![], 2));
    assert!(whole.len() < 2_000);
}

#[test]
fn missing_unreferenced_and_unknown_files_are_named() {
    let world = world();
    let reference = json!({"resourceType": "DocumentReference", "id": "d2", "status": "current",
        "subject": {"reference": "Patient/p1"}, "content": [{"attachment": {"url": "documents/gone.pdf"}}]});
    let builder = good()
        .resource(&reference)
        .file("data/documents/alone.pdf", one_page_pdf("alone"))
        .file("data/readme.txt", b"hello".to_vec());
    let receipt = world.deposit(&write(&world, &builder).root).expect("the rest goes in");
    let expected = [
        fault("data/documents/alone.pdf", 0, "unreferenced"),
        fault("data/documents/gone.pdf", 0, "missing"),
        fault("data/readme.txt", 0, "unknown-file"),
    ];
    assert_eq!(faults(&receipt), expected);
    let kept: Vec<bool> = receipt.receipt.held_back.listed.iter().map(|fault| fault.kept).collect();
    assert_eq!(kept, [true, false, true]);
    assert_eq!(receipt.receipt.taken.by_type["DocumentReference"], 2, "the resource itself is taken");
}

#[test]
fn two_patients_who_are_one_person_are_taken_and_not_linked() {
    let world = world();
    world.agency.add_number(&person("두리").rrn, &person("하나").ci);
    let bag = write(&world, &good().patient("p3", &person("세찬")));
    world.agency.add(&person("세찬"));
    let receipt = world.deposit(&bag.root).expect("taken");
    let file = "data/fhir/Patient.ndjson";
    assert_eq!(faults(&receipt), [fault(file, 1, "doubled-person"), fault(file, 2, "doubled-person")]);
    let links = receipt.receipt.links;
    assert_eq!((links.doubled, links.linked, links.unknown), (2, 1, 0));
    assert_eq!(receipt.receipt.taken.patients, 3);
    assert_eq!(heads(&world, "하나"), 0);
    assert_eq!(heads(&world, "세찬"), 1);
}

#[test]
fn an_agency_that_is_away_leaves_a_deposit_that_goes_on() {
    struct Away;
    impl identity::CiLookup for Away {
        fn ci_of(
            &self,
            _: &[base::Redacted<String>],
        ) -> Result<Vec<Option<base::Redacted<String>>>, identity::CiLookupError> {
            Err(identity::CiLookupError::Unreachable { why: "no route".to_owned() })
        }
    }
    let world = world();
    let bag = write(&world, &good());
    let error = world.archive().deposit(&bag.root, &Away, &mut quiet).expect_err("nobody answers");
    assert!(matches!(error, DepositError::Lookup(_)), "{error}");
    let receipt = world.deposit(&bag.root).expect("it goes on");
    assert_eq!((receipt.receipt.taken.resources, receipt.receipt.links.linked), (7, 2));
}

#[test]
fn the_same_bag_twice_at_once_is_refused_the_second_time() {
    let world = world();
    let bag = write(&world, &good());
    let other = world.opened_again().expect("a second process");
    let mut inner = None;
    let first = world.archive().deposit(&bag.root, &world.agency, &mut |_| {
        inner.get_or_insert_with(|| other.deposit(&bag.root, &world.agency, &mut quiet).err());
    });
    assert!(first.is_ok());
    assert!(matches!(inner, Some(Some(DepositError::InUse))));
}

#[test]
fn identity_numbers_stand_nowhere_in_clear() {
    let world = world();
    let bag = write(&world, &good());
    world.deposit(&bag.root).expect("taken");
    let number = person("하나").rrn;
    let mut folders = ["data", "sites", "key_stores"].map(|name| world.path(name)).to_vec();
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            looked += bytes.len();
            let found = bytes.windows(number.len()).any(|window| window == number.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    assert!(looked > 100_000);
}

#[test]
fn names_and_numbers_in_file_names_stand_nowhere_in_clear() {
    let world = world();
    let (name, number) = ("김철수", "8808101000018");
    let builder = good()
        .document("p1", "d2", &format!("{name}_{number}.pdf"), "application/pdf", &one_page_pdf("x"))
        .document("p1", "d3", &format!("{name},880810-1000018.pdf"), "application/pdf", b"no PDF")
        .line(&format!("{name}-{number}"), "{broken")
        .file(&format!("data/documents/{name}{number}.tif"), b"alone".to_vec());
    let bag = write(&world, &builder);
    let receipt = world.deposit(&bag.root).expect("the rest goes in");
    let alone = format!("data/documents/{name}880810*******.tif");
    let expected = [
        fault(&format!("data/documents/{name},880810-*******.pdf"), 0, "not-as-claimed"),
        fault(&alone, 0, "unreferenced"),
        fault(&format!("data/fhir/{name}-880810*******.ndjson"), 1, "broken-line"),
    ];
    assert_eq!(faults(&receipt), expected);
    let digest = base::hex(&base::sha256(b"alone")[..8]);
    assert_eq!(receipt.receipt.held_back.listed[1].digest.as_deref(), Some(digest.as_str()));
    assert!(receipt.receipt.korean().contains(&format!("  {alone} [{digest}…]: ")));
    // It is found all the same, by the person and by the deposit that goes on.
    let owner = world.store().ids().patient(&policy::InstitutionCode::new(CODE).expect("a code"), "p1");
    let url = format!("documents/{name}_{number}.pdf");
    assert!(world.archive().document_object(owner, &url).expect("read").is_some());
    assert!(world.deposit(&bag.root).expect("finished").again);
    bag.put(&format!("data/documents/{name}_{number}.pdf"), b"changed");

    let receipts = world.path("data/archive/receipts");
    for entry in std::fs::read_dir(&receipts).expect("a folder") {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(entry.path()).expect("a receipt");
        assert!(!text.contains("1000018"), "{text}");
    }
    let mut looked = 0;
    for entry in std::fs::read_dir(world.path("data")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            looked += bytes.len();
            for secret in [name, number, "1000018", "data/documents", "data/fhir"] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} in {}", path.display());
            }
        }
    }
    assert!(looked > 100_000);
}

#[test]
fn the_newest_number_alone_decides_who_a_patient_is() {
    let (known, other) = (person("하나"), person("세찬"));
    let nobody = person("모르는이");
    let patient = |number: Option<&str>| {
        let mut patient = json!({"resourceType": "Patient", "id": "p1", "gender": "female"});
        if let Some(number) = number {
            patient["identifier"] = json!([{"system": "https://mois.go.kr/rrn", "value": number}]);
        }
        patient
    };
    // Within one bag: a later line has a number that the agency does not know, none, or one that is masked.
    for newest in [Some(nobody.rrn.as_str()), None, Some("900101-1******")] {
        let world = world();
        let bag = BagBuilder::new(CODE).resource(&patient(Some(&known.rrn))).resource(&patient(newest));
        let receipt = world.deposit(&write(&world, &bag).root).expect("taken");
        let links = receipt.receipt.links;
        assert_eq!((links.linked, links.unlinked), (0, 0), "{newest:?}");
        assert_eq!(heads(&world, "하나"), 0, "{newest:?}");
    }
    // The other way round the newest is known.
    let world = world();
    let bag = BagBuilder::new(CODE).resource(&patient(Some(&nobody.rrn))).resource(&patient(Some(&known.rrn)));
    assert_eq!(world.deposit(&write(&world, &bag).root).expect("taken").receipt.links.linked, 1);
    assert_eq!(heads(&world, "하나"), 1);
    // A later bag: unknown, then known as somebody else, then none.
    let later = |name: &str, number: Option<&str>| {
        let bag = BagBuilder::new(CODE).resource(&patient(number)).write(&world.path(name));
        world.deposit(&bag.root).expect("taken").receipt
    };
    world.agency.add(&other);
    let receipt = later("second", Some(&nobody.rrn));
    assert_eq!((receipt.links.unknown, receipt.links.unlinked), (1, 1));
    assert!(
        receipt.english().contains("earlier link was undone") && receipt.korean().contains("이전 연결을 끊은 환자: 1")
    );
    assert_eq!((heads(&world, "하나"), heads(&world, "세찬")), (0, 0));
    assert_eq!(later("third", Some(&other.rrn)).links.unlinked, 0);
    assert_eq!((heads(&world, "하나"), heads(&world, "세찬")), (0, 1));
    assert_eq!(later("fourth", None).links.unlinked, 1);
    assert_eq!((heads(&world, "하나"), heads(&world, "세찬")), (0, 0));
}

#[test]
fn patients_who_turn_out_to_be_one_person_are_unlinked() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    assert!(heads(&world, "하나") > 0);
    world.agency.add_number(&person("두리").rrn, &person("하나").ci);
    let bag = BagBuilder::new(CODE).patient("p1", &person("하나")).patient("p2", &person("두리"));
    let receipt = world.deposit(&bag.write(&world.path("second")).root).expect("taken");
    assert_eq!((receipt.receipt.links.doubled, receipt.receipt.links.unlinked), (2, 2));
    assert_eq!(heads(&world, "하나"), 0);
}

#[test]
fn a_patient_at_another_server_and_one_that_cannot_be_told_are_nobody_here() {
    let world = world();
    let observation = |id: &str, subject: serde_json::Value| json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "subject": subject});
    let builder = good()
        .resource(&observation("o1", json!({"reference": "https://other.example/fhir/Patient/p1"})))
        .resource(&observation("o2", json!({"reference": "/Patient/p1"})))
        .resource(&observation("o3", json!({"display": "하나"})))
        .resource(&observation("o4", json!({"reference": "Group/1"})));
    let receipt = world.deposit(&write(&world, &builder).root).expect("the rest goes in");
    let file = "data/fhir/Observation.ndjson";
    assert_eq!(faults(&receipt), [fault(file, 1, "nobody"), fault(file, 2, "nobody"), fault(file, 3, "nobody")]);
    let listed = &receipt.receipt.held_back.listed;
    assert!(listed[0].reason.contains("another server") && listed[1].reason.contains("Observation.subject"));
    assert_eq!(receipt.receipt.taken.by_type["Observation"], 1, "what is about a group is the institution's own");
}

#[test]
fn documents_are_found_by_their_encoded_names() {
    let world = world();
    let pdf = one_page_pdf("x");
    let reference = |id: &str, url: &str| {
        json!({"resourceType": "DocumentReference", "id": id, "status": "current", "subject": {"reference": "Patient/p1"},
            "content": [{"attachment": {"url": url}}]})
    };
    let builder = good()
        .resource(&reference("d2", "documents/sp%20ace.pdf"))
        .resource(&reference("d3", "documents/%ED%95%9C%EA%B8%80.pdf"))
        .resource(&reference("d4", "documents/50%25.pdf"))
        .file("data/documents/sp ace.pdf", pdf.clone())
        .file("data/documents/한글.pdf", pdf.clone());
    let bag = write(&world, &builder);
    // `%` itself stands encoded in a manifest.
    bag.put("data/documents/50%.pdf", &pdf);
    bag.list("data/documents/50%25.pdf", &pdf);
    let receipt = world.deposit(&bag.root).expect("taken");
    assert_eq!((faults(&receipt), receipt.receipt.taken.documents), (vec![], 4));
    let owner = world.store().ids().patient(&policy::InstitutionCode::new(CODE).expect("a code"), "p1");
    for url in ["documents/sp%20ace.pdf", "documents/%ED%95%9C%EA%B8%80.pdf", "documents/50%25.pdf", "documents/d1.pdf"]
    {
        assert!(world.archive().document_object(owner, url).expect("read").is_some(), "{url}");
    }
}

#[test]
fn patients_that_come_with_a_mended_file_bring_their_records_and_documents() {
    let world = world();
    let bag = write(&world, &good());
    // Neither patients nor references can be read at first.
    let spoilt = ["data/fhir/Patient.ndjson", "data/fhir/DocumentReference.ndjson"];
    let right = spoilt.map(|path| std::fs::read(bag.root.join(path)).expect("it is there"));
    spoilt.iter().for_each(|path| bag.put(path, b"{}\n"));
    let first = world.deposit(&bag.root).expect("the rest is looked at").receipt;
    assert_eq!(first.taken.resources, 0);
    assert_eq!(first.held_back.by_fault["nobody"], 4);
    assert_eq!(first.held_back.by_fault["unreferenced"], 1);
    assert!(world.deposit(&bag.root).expect("nothing has changed").again);

    bag.put(spoilt[0], &right[0]);
    let second = world.deposit(&bag.root).expect("patients are known").receipt;
    assert_eq!(second.taken.resources, 6);
    assert_eq!(second.held_back.by_fault.keys().collect::<Vec<_>>(), ["checksum", "unreferenced"]);
    assert_eq!(heads(&world, "하나"), 3);

    bag.put(spoilt[1], &right[1]);
    let third = world.deposit(&bag.root).expect("mended").receipt;
    assert_eq!((third.taken.resources, third.taken.documents), (7, 1));
    assert!(third.held_back.listed.is_empty(), "{:?}", third.held_back);
    assert!(world.deposit(&bag.root).expect("finished").again);
}

#[test]
fn patients_of_a_later_bag_bring_what_an_earlier_one_held_back() {
    let world = world();
    let observation = |id: &str, patient: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/{patient}")}})
    };
    let builder = good()
        .resource(&observation("o1", "p1"))
        .resource(&observation("o2", "p3"))
        .resource(&observation("o3", "nobody"))
        .resource(&observation("o4", "p3"));
    let bag = write(&world, &builder);
    let file = "data/fhir/Observation.ndjson";
    let first = world.deposit(&bag.root).expect("the rest goes in");
    assert_eq!(faults(&first), [2, 3, 4].map(|line| fault(file, line, "nobody")));

    // The later bag also corrects whose number the first patient has: the earlier bag must not undo that.
    world.agency.add(&person("세찬"));
    let later = BagBuilder::new(CODE).patient("p3", &person("세찬")).patient("p1", &person("모르는이"));
    world.deposit(&later.write(&world.path("later")).root).expect("taken");
    assert_eq!((heads(&world, "세찬"), heads(&world, "하나")), (1, 0));

    let again = world.deposit(&bag.root).expect("it knows more");
    assert!(!again.again);
    assert_eq!(faults(&again), [fault(file, 3, "nobody")]);
    assert_eq!(again.receipt.taken.by_type["Observation"], 3);
    assert_eq!(again.receipt.taken.resources, first.receipt.taken.resources + 2);
    assert_eq!((heads(&world, "세찬"), heads(&world, "하나")), (3, 0));
    assert!(world.deposit(&bag.root).expect("finished").again);
}
