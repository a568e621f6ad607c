//! A generated hospital goes in; its people find their visits and documents; the receipt holds.

use crate::{CODE, generated, good, quiet, world, write};
use archive::{ArchiveError, Holding, Selection, Stage, TimelineQuery};
use ledger::VerifierKey;
use policy::{Action, InstitutionCode};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{AccessPage, Log};
use testkit::{BagBuilder, World, person};

fn keys(world: &World) -> Vec<VerifierKey> {
    vec![world.store().verifier_key(Log::Records)]
}

#[test]
fn a_generated_hospital_goes_in_whole() {
    let world = World::new();
    let bag = generated(&world, 12);
    let mut stages = Vec::new();
    let receipt = world.archive().deposit(&bag, &world.agency, &mut |progress| {
        if stages.last() != Some(&progress.stage) {
            stages.push(progress.stage);
        }
    });
    let receipt = receipt.expect("taken");
    let all = [Stage::Checking, Stage::Records, Stage::Documents, Stage::Linking, Stage::References, Stage::Sealing];
    assert_eq!(stages, all);
    let (declared, taken) = (&receipt.receipt.declared, &receipt.receipt.taken);
    assert_eq!(receipt.receipt.held_back.listed, []);
    assert_eq!(declared.patients, Some(taken.patients));
    assert_eq!(declared.resources, Some(taken.resources));
    assert_eq!(declared.documents, Some(taken.documents));
    assert_eq!((taken.new_resources, taken.known_resources), (Some(taken.resources), Some(0)));
    assert_eq!((taken.new_documents, taken.known_documents), (Some(taken.documents), Some(0)));
    let absent = receipt.receipt.absent.as_ref().expect("it was looked for");
    assert!(absent.by_type.is_empty(), "{absent:?}");
    assert_eq!(receipt.receipt.links.linked, 12);
    let code = InstitutionCode::new(&receipt.receipt.institution_code).expect("a code");
    let institution = world.archive().institution(&code).expect("read").expect("known");
    assert_eq!((institution.holding, institution.synthetic), (Holding::Deposited, true));
    assert_eq!(world.archive().deposits(&code).expect("read").len(), 1);

    let people = synth::people::read_people(&world.path("generated/people.json")).expect("people");
    let mut visits = 0;
    for person in &people {
        let permit = world.own_permit(person, Action::ReadTimeline);
        let timeline = world.archive().timeline(&permit, &TimelineQuery::default()).expect("a timeline");
        assert!(timeline.visits.iter().all(|visit| !visit.diagnoses.is_empty() && visit.date.is_some()));
        assert!(timeline.visits.is_sorted_by(|a, b| a.date >= b.date));
        let documents = timeline.visits.iter().flat_map(|visit| &visit.documents);
        for document in documents {
            assert!(!document.document_kind.is_empty() && !document.title.is_empty());
            let object = document.object.expect("its object is here");
            let permit = world.own_permit(person, Action::ReadDocument);
            assert!(!world.store().object(&permit, object).expect("its bytes").bytes.is_empty());
        }
        visits += timeline.total;
    }
    assert_eq!(visits as u64, taken.by_type["Encounter"]);
}

#[test]
fn a_receipt_holds_offline_and_any_change_shows() {
    let world = world();
    let receipt = world.deposit(&write(&world, &good()).root).expect("taken");
    let checkpoint = receipt.verify(&keys(&world)).expect("the proof holds");
    assert!(checkpoint.size > receipt.leaf);
    assert!(receipt.receipt.ledger.size_after > receipt.receipt.ledger.size_before);
    let id = receipt.receipt.number.parse().expect("an id");
    assert_eq!(world.archive().receipt(id).expect("read").as_ref(), Some(&receipt));
    let file = world.path(&format!("data/archive/receipts/{}.json", receipt.receipt.number));
    let read: archive::SignedReceipt =
        serde_json::from_slice(&std::fs::read(file).expect("written")).expect("a receipt");
    assert!(read.verify(&keys(&world)).is_ok());

    let mut changed = receipt.clone();
    changed.receipt.taken.resources += 1;
    assert!(changed.verify(&keys(&world)).is_err());
    let mut changed = receipt.clone();
    changed.salt.replace_range(0..1, if changed.salt.starts_with('0') { "1" } else { "0" });
    assert!(changed.verify(&keys(&world)).is_err());
    assert!(receipt.verify(&[world.store().verifier_key(Log::Access)]).is_err());
}

#[test]
fn the_same_bag_again_is_the_same_receipt() {
    let world = world();
    let bag = write(&world, &good());
    let first = world.deposit(&bag.root).expect("taken");
    let size = world.store().checkpoint(Log::Records).expect("read").expect("there").checkpoint.size;
    let again = world.deposit(&bag.root).expect("known");
    assert!(again.again && !first.again);
    assert_eq!(again.receipt, first.receipt);
    let after = world.store().checkpoint(Log::Records).expect("read").expect("there").checkpoint.size;
    assert_eq!(size, after);
}

#[test]
fn a_second_bag_with_the_same_records_doubles_nothing() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    let permit = world.own_permit(&person("하나"), Action::ReadTimeline);
    let before = world.archive().select(&permit, &Selection::Whole).expect("listed");
    let more = good().visit("p1", "e9", "2023-01-02").write(&world.path("second"));
    let receipt = world.deposit(&more.root).expect("taken");
    let taken = &receipt.receipt.taken;
    assert_eq!((taken.resources, taken.new_resources, taken.known_resources), (9, Some(2), Some(7)));
    assert_eq!((taken.documents, taken.new_documents, taken.known_documents), (1, Some(0), Some(1)));
    assert!(receipt.receipt.english().contains("taken 9 (new 2, already here 7), held back 0"));
    assert!(receipt.receipt.korean().contains("인수 9 (새 자료 2, 이미 보관 중 7), 보류 0"));
    let permit = world.own_permit(&person("하나"), Action::ReadTimeline);
    let after = world.archive().select(&permit, &Selection::Whole).expect("listed");
    assert_eq!(after.len(), before.len() + 2);
    let timeline = world.archive().timeline(&permit, &TimelineQuery::default()).expect("a timeline");
    assert!(timeline.visits.iter().all(|visit| !visit.is_amended));
    assert_eq!(timeline.visits.iter().chain([]).filter_map(|visit| visit.documents.first()).count(), 0);
    assert!(timeline.loose.iter().any(|entry| entry.object.is_some()), "the document belongs to no visit");
}

#[test]
fn what_was_declared_is_new_or_known_or_held_back() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    // Seven resources and a document that are here, an amendment, a line twice, two lines that are broken, a new document, one
    // that is missing and one that is no PDF.
    let amended = r#"{"resourceType":"Patient","id":"p2","gender":"male","active":true}"#;
    let builder = good()
        .line("Patient", amended)
        .line("Patient", amended)
        .line("Patient", "{")
        .line("Basic", "[]")
        .document("p1", "d2", "d2.pdf", "application/pdf", &testkit::one_page_pdf("other"))
        .document("p2", "d3", "d3.pdf", "application/pdf", b"plain text")
        .resource(&serde_json::json!({"resourceType": "DocumentReference", "id": "d4", "status": "current",
            "subject": {"reference": "Patient/p1"}, "content": [{"attachment": {"url": "documents/gone.pdf"}}]}))
        .info("Declared-Patients", Some("2"))
        .info("Declared-Resources", Some("14"))
        .info("Declared-Documents", Some("4"));
    let receipt = world.deposit(&builder.write(&world.path("second")).root).expect("the rest goes in").receipt;
    let (taken, held) = (&receipt.taken, &receipt.held_back);
    assert_eq!((taken.new_resources, taken.known_resources, held.resources), (Some(4), Some(8), Some(2)));
    assert_eq!((taken.new_documents, taken.known_documents, held.documents), (Some(1), Some(1), Some(2)));
    assert_eq!((taken.resources, taken.documents), (12, 2));
    let text = receipt.english();
    assert!(!text.contains("not what was declared"), "{text}");
    assert!(text.contains("Records: declared 14, taken 12 (new 4, already here 8), held back 2\n"), "{text}");
}

#[test]
fn references_that_lead_nowhere_are_told_and_nothing_is_held_back_for_them() {
    use serde_json::json;
    let world = world();
    let observation = |id: &str, subject: &str, encounter: &str, performer: &str| {
        json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}, "encounter": {"reference": encounter},
            "performer": [{"reference": performer}]})
    };
    let mine = "Patient/p1";
    let builder = good()
        .resource(&observation("o1", mine, "Encounter/e1", "Practitioner/gone"))
        .resource(&observation("o2", mine, "Encounter/gone", "Practitioner/gone"))
        .resource(&observation("o3", "Patient/nobody", "Encounter/other", "Practitioner/other"))
        .resource(&observation("o4", mine, "Encounter/e1/_history/1", "https://elsewhere/fhir/Practitioner/x"))
        .resource(&json!({"resourceType": "Basic", "id": "b1", "code": {"text": "Encounter/e7 \"reference\":\"Encounter/e8\""},
            "contained": [{"resourceType": "Device", "id": "in"}], "subject": {"reference": "Group/later"},
            "extension": [{"url": "https://x", "valueReference": {"reference": "#in"}}]}));
    let receipt = world.deposit(&write(&world, &builder).root).expect("taken").receipt;
    let absent = receipt.absent.as_ref().expect("it was looked for");
    let counts: Vec<(&str, u64)> = absent.by_type.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(counts, [("Encounter", 1), ("Group", 1), ("Practitioner", 1)]);
    let listed: Vec<(&str, u64, &str)> =
        absent.listed.iter().map(|one| (one.file.as_str(), one.line, one.resource_type.as_str())).collect();
    let (basic, file) = ("data/fhir/Basic.ndjson", "data/fhir/Observation.ndjson");
    assert_eq!(listed, [(basic, 1, "Group"), (file, 1, "Practitioner"), (file, 2, "Encounter")]);
    assert_eq!((absent.unlisted, absent.has_more), (0, false));
    assert_eq!(receipt.held_back.by_fault.keys().collect::<Vec<_>>(), ["nobody"]);
    assert!(receipt.english().contains("neither in the bag nor here: 3\n"), "{}", receipt.english());
    assert!(receipt.korean().contains("data/fhir/Observation.ndjson:2: Encounter\n"));

    // What another bag brings is here for the next one.
    let later = BagBuilder::new(CODE).patient("p1", &person("하나")).visit("p1", "gone", "2021-01-01");
    let later = later.resource(&observation("o9", mine, "Encounter/gone", "Practitioner/gone"));
    let receipt = world.deposit(&later.write(&world.path("later")).root).expect("taken").receipt;
    let absent = receipt.absent.expect("it was looked for");
    assert_eq!(absent.by_type.into_iter().collect::<Vec<_>>(), [("Practitioner".to_owned(), 1)]);
}

#[test]
fn amendments_follow_their_originals() {
    let world = World::new();
    let bag = generated(&world, 2);
    world.deposit(&bag).expect("taken");
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("generated/truth.json")).expect("truth")).expect("JSON");
    let amended: HashSet<&str> = truth["hospitals"][0]["patients"]
        .as_array()
        .expect("patients")
        .iter()
        .flat_map(|patient| patient["amended"].as_array().expect("a list"))
        .filter_map(|name| name.as_str())
        .filter(|name| !name.starts_with("DocumentReference"))
        .collect();
    assert!(!amended.is_empty());
    let people = synth::people::read_people(&world.path("generated/people.json")).expect("people");
    let mut found = HashMap::new();
    for person in &people {
        let permit = world.own_permit(person, Action::ReadRecord);
        for key in world.archive().select(&permit, &Selection::Whole).expect("listed") {
            let versions = world.store().history(&permit, &key).expect("read");
            if versions.len() > 1 {
                let ids: Vec<String> = versions
                    .iter()
                    .map(|version| {
                        let json: serde_json::Value = serde_json::from_slice(version.bytes.expose()).expect("JSON");
                        json["meta"]["versionId"].as_str().unwrap_or_default().to_owned()
                    })
                    .collect();
                let name = format!("{}/{}", key.resource_type, versions[0].source_id.expose());
                found.insert(name, ids);
            }
        }
    }
    assert_eq!(found.keys().map(String::as_str).collect::<HashSet<_>>(), amended);
    assert!(found.values().all(|versions| *versions == ["1", "2"]), "{found:?}");
}

#[test]
fn selections_and_pages() {
    let world = world();
    let builder = (1..=5).fold(good(), |bag, year| bag.visit("p1", &format!("y{year}"), &format!("201{year}-01-01")));
    world.deposit(&write(&world, &builder).root).expect("taken");
    let archive = world.archive();
    let permit = world.own_permit(&person("하나"), Action::ReadTimeline);
    let mut query = TimelineQuery { limit: 4, ..TimelineQuery::default() };
    let first = archive.timeline(&permit, &query).expect("a page");
    assert_eq!((first.visits.len(), first.total, first.next, first.loose.len()), (4, 6, Some(4), 1));
    query.skip = 4;
    let second = archive.timeline(&permit, &query).expect("a page");
    assert_eq!((second.visits.len(), second.next, second.loose.len()), (2, None, 0));
    let year = |text: &str| text.parse().expect("a time");
    let (from, before) = (year("2012-01-01T00:00:00+09:00"), year("2014-01-01T00:00:00+09:00"));
    let period = TimelineQuery { from: Some(from), before: Some(before), ..TimelineQuery::default() };
    assert_eq!(archive.timeline(&permit, &period).expect("a page").visits.len(), 2);

    let kinds = |selection: &Selection| -> BTreeMap<String, usize> {
        let keys = archive.select(&permit, selection).expect("chosen");
        keys.into_iter().fold(BTreeMap::new(), |mut kinds, key| {
            *kinds.entry(key.resource_type).or_default() += 1;
            kinds
        })
    };
    let expected = |pairs: &[(&str, usize)]| pairs.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
    let whole: BTreeMap<String, usize> =
        expected(&[("Condition", 6), ("DocumentReference", 1), ("Encounter", 6), ("Patient", 1)]);
    assert_eq!(kinds(&Selection::Whole), whole);
    let two: BTreeMap<String, usize> = expected(&[("Condition", 2), ("Encounter", 2), ("Patient", 1)]);
    assert_eq!(kinds(&Selection::Period { from, before }), two);
    let one: BTreeMap<String, usize> = expected(&[("Condition", 1), ("Encounter", 1), ("Patient", 1)]);
    assert_eq!(kinds(&Selection::Records(vec![first.visits[0].key.id])), one);
    let others = world.own_permit(&person("두리"), Action::ReadTimeline);
    assert_eq!(archive.select(&others, &Selection::Records(vec![first.visits[0].key.id])).expect("chosen"), []);
}

#[test]
fn asking_for_anothers_record_by_its_id_is_told_to_them_and_tells_the_asker_nothing() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    let (one, two) = (person("하나"), person("두리"));
    let reads = world.own_permit(&one, Action::ReadTimeline);
    let visit = world.archive().timeline(&reads, &TimelineQuery::default()).expect("a timeline").visits[0].key.id;
    let asks = world.own_permit(&two, Action::Issue);
    for id in [visit, base::Id16([9; 16])] {
        assert_eq!(world.archive().select(&asks, &Selection::Records(vec![id])).expect("an answer"), []);
    }
    let denied = |who: &synth::people::Person| {
        let permit = world.own_permit(who, Action::ReadAccessLog);
        let log = world.archive().accesses(&permit, &AccessPage::default()).expect("a log");
        log.entries.into_iter().filter(|entry| entry.denied.is_some()).collect::<Vec<_>>()
    };
    let told = denied(&one);
    assert_eq!(told.len(), 1, "{told:?}");
    let told = &told[0];
    assert_eq!((told.who.expose().as_str(), told.role.as_str(), told.is_self), ("두리", "patient", false));
    assert_eq!((told.action.as_str(), told.denied.as_deref()), ("issue", Some("not-yours")));
    assert_eq!(told.what, [("Encounter".to_owned(), 1)]);
    assert_eq!(told.institution, InstitutionCode::new(CODE));
    // What exists and what does not look the same to who asked.
    let own: Vec<_> =
        denied(&two).into_iter().map(|entry| (entry.is_self, entry.action, entry.institution, entry.what)).collect();
    assert_eq!(own.len(), 2);
    assert_eq!(own[0], own[1]);
    assert_eq!(own[0], (true, "issue".to_owned(), None, vec![]));
}

#[test]
fn looks_and_denials_are_told() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    let one = person("하나");
    let permit = world.own_permit(&one, Action::ReadTimeline);
    world.archive().timeline(&permit, &TimelineQuery::default()).expect("a timeline");
    let patient = match permit.scope() {
        policy::Scope::Patients(patients) => *patients.first().expect("linked"),
        other => panic!("{other:?}"),
    };
    let request = policy::Request {
        actor: world.visitor(&person("두리")),
        action: Action::ReadRecord,
        target: policy::Target::Patient(patient),
        purpose: policy::Purpose::OwnRecords,
    };
    assert!(matches!(world.archive().ask(request), Err(ArchiveError::Denied(_))));
    let permit = world.own_permit(&one, Action::ReadAccessLog);
    let accesses = world.archive().accesses(&permit, &AccessPage::default()).expect("a log");
    let denied = accesses.entries.iter().find(|entry| entry.denied.is_some()).expect("the attempt shows");
    assert_eq!(
        (denied.denied.as_deref(), denied.is_self, denied.who.expose().as_str()),
        (Some("not-yours"), false, "두리")
    );
    let own = accesses.entries.iter().find(|entry| entry.action == "read-timeline").expect("the look shows");
    assert!(own.is_self && own.what.iter().any(|(kind, count)| kind == "Encounter" && *count == 1), "{own:?}");
    quiet(archive::Progress { stage: Stage::Sealing, done: 0, total: 0, resources: 0, documents: 0, held_back: 0 });
}
