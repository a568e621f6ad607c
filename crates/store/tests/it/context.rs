//! What an institution has of no patient is read along with its patients' records, and no other way.

use base::Id16;
use policy::{Action, InstitutionCode, OwnPatient, Owner, Permit, Role, Target};
use store::{AccessEntry, AccessPage, AccessResult, Choice, ContextRef, Part, Store, StoreError};

use crate::support::*;

const ME: Id16 = Id16([7; 16]);

fn other_institution() -> InstitutionCode {
    InstitutionCode::new("22200002").expect("a code")
}

fn reference(subject: Owner, kind: &str, source_id: &str) -> ContextRef {
    ContextRef { subject, institution: institution(), resource_type: kind.to_owned(), source_id: source_id.to_owned() }
}

/// Writes what belongs to an institution itself.
fn write_own(store: &Store, code: &InstitutionCode, kind: &str, source_id: &str) {
    let account = Id16([0xd; 16]);
    let epoch = store.facts(account).expect("facts").epoch;
    let facts = policy::Facts { epoch, deposits_for: Some(code.clone()), ..policy::Facts::default() };
    let request = request(Role::Depositor, account, Action::Deposit, Target::Institution(code.clone()));
    let permit = permit(&request, &facts);
    let bytes = format!(r#"{{"resourceType":"{kind}","id":"{source_id}"}}"#);
    let new = store::NewVersion {
        owner: Owner::institution(code),
        institution: code,
        resource_type: kind,
        source_id,
        class: &class(),
        expiry_year: 2035,
        bytes: bytes.as_bytes(),
        date: None,
        encounter: None,
        index: Vec::new(),
        edition: store::Edition::default(),
    };
    let prepared = store.prepare(&permit, new).expect("it can be prepared");
    store.write(&permit, vec![prepared], vec![], None).expect("it can be written");
}

fn log(store: &Store, account: Id16, owner: Owner) -> Vec<AccessEntry> {
    let permit = person(store, account, &[owner], Action::ReadAccessLog);
    let log = store.access_log(&permit, &AccessPage::default()).expect("the log");
    let entries = log.entries.into_iter().map(|logged| logged.entry);
    entries.filter(|entry| entry.action != "read-access-log").collect()
}

fn names(versions: &[store::Version]) -> Vec<String> {
    versions.iter().map(|version| version.source_id.expose().clone()).collect()
}

#[test]
fn what_records_refer_to_is_read_under_one_entry_of_their_patient() {
    let house = House::new();
    let store = house.open();
    let mine = patient("p1");
    for (kind, id) in [("Practitioner", "d1"), ("Practitioner", "d2"), ("Organization", "o"), ("Medication", "m")] {
        write_own(&store, &institution(), kind, id);
    }
    let refs = [("Practitioner", "d1"), ("Practitioner", "d2"), ("Organization", "o"), ("Location", "none")];
    let refs = refs.map(|(kind, id)| reference(mine, kind, id));
    for action in [Action::ReadTimeline, Action::ReadRecord, Action::Issue] {
        let permit = person(&store, ME, &[mine], action);
        let versions = store.context(&permit, &refs).expect("they are read");
        assert_eq!(names(&versions), ["d1", "d2", "o"]);
        assert!(versions.iter().all(|version| version.key.owner == Owner::institution(&institution())));
    }
    let entries = log(&store, ME, mine);
    assert_eq!(entries.len(), 3, "one a reading: {entries:?}");
    for entry in entries {
        assert_eq!((entry.subject, entry.result), (mine.id(), AccessResult::Granted));
        assert_eq!(entry.explanation, "patient-own-context");
        assert_eq!(entry.what, [("Organization".to_owned(), 1), ("Practitioner".to_owned(), 2)]);
    }
    let permit = person(&store, ME, &[mine], Action::Issue);
    assert!(store.context(&permit, &[]).expect("nothing").is_empty());
    assert!(store.context(&permit, &refs[3..]).expect("nothing").is_empty());
    assert_eq!(log(&store, ME, mine).len(), 3, "nothing was shown");
}

#[test]
fn another_institutions_own_is_refused_and_the_attempt_is_seen() {
    let house = House::new();
    let store = house.open();
    let mine = patient("p1");
    write_own(&store, &other_institution(), "Practitioner", "theirs");
    let permit = person(&store, ME, &[mine], Action::ReadRecord);
    let one = ContextRef { institution: other_institution(), ..reference(mine, "Practitioner", "theirs") };
    assert!(store.context(&permit, &[one]).expect("an answer").is_empty());

    let denied =
        |entry: &AccessEntry| matches!(&entry.result, AccessResult::Denied { reason } if reason == "not-yours");
    let by_asker = person(&store, ME, &[], Action::ReadAccessLog);
    let entries = store.access_log(&by_asker, &AccessPage::default()).expect("the log").entries;
    let found = entries.iter().find(|logged| denied(&logged.entry)).expect("the asker sees it");
    assert_eq!(found.entry.institution, Some(other_institution()));
    assert_eq!(found.entry.what, [("Practitioner".to_owned(), 1)]);
    // An institution has no log of its own to read yet; the entry stands under its id.
    let subject = base::hex(&Owner::institution(&other_institution()).id().0);
    let sql = format!("SELECT count(*) FROM access_entry WHERE hex(subject) = upper('{subject}')");
    assert_eq!(count(&house, &sql), 1);
}

#[test]
fn nothing_of_a_patient_is_had_through_it() {
    let house = House::new();
    let store = house.open();
    let (mine, other) = (patient("p1"), patient("p2"));
    write_one(&store, mine, "Observation", "o1", "x");
    write_one(&store, mine, "Device", "implant", "x");
    write_own(&store, &institution(), "Group", "list-of-patients");
    let permit = person(&store, ME, &[mine], Action::ReadRecord);
    for (kind, id) in [("Observation", "o1"), ("Patient", "p1"), ("Device", "implant"), ("Group", "list-of-patients")] {
        assert!(store.context(&permit, &[reference(mine, kind, id)]).expect("an answer").is_empty(), "{kind}");
    }
    write_own(&store, &institution(), "Practitioner", "d1");
    let as_another = store.context(&permit, &[reference(other, "Practitioner", "d1")]).expect("an answer");
    assert!(as_another.is_empty(), "the record that refers to it must be one's own");
    let you = Id16([8; 16]);
    let entries = log(&store, you, other);
    assert!(
        matches!(&entries[..], [entry] if entry.actor.account == ME && entry.result != AccessResult::Granted),
        "{entries:?}"
    );
}

#[test]
fn it_takes_a_permit_to_read() {
    let house = House::new();
    let store = house.open();
    let mine = patient("p1");
    let refs = [reference(mine, "Practitioner", "d1")];
    let refused = |permit: &Permit| matches!(store.context(permit, &refs), Err(StoreError::Action { .. }));
    assert!(refused(&depositor(&store, Action::Deposit)));
    assert!(refused(&person(&store, ME, &[mine], Action::ReadAccessLog)));
    assert!(refused(&person(&store, ME, &[mine], Action::ReadDocument)));
    let permit = person(&store, ME, &[mine], Action::ReadRecord);
    let many = vec![refs[0].clone(); store::READ_MAX + 1];
    assert!(matches!(store.context(&permit, &many), Err(StoreError::Limit { .. })));
}

/// Two patients of one person at two institutions: each record's context is its own institution's.
#[test]
fn each_institution_answers_for_its_own() {
    let house = House::new();
    let store = house.open();
    let (here, there) = (patient("p1"), store.ids().patient(&other_institution(), "p9"));
    write_own(&store, &institution(), "Practitioner", "d1");
    write_own(&store, &other_institution(), "Practitioner", "d9");
    let epoch = store.facts(ME).expect("facts").epoch;
    let patients = vec![
        OwnPatient { patient: here.id(), institution: institution() },
        OwnPatient { patient: there.id(), institution: other_institution() },
    ];
    let facts = policy::Facts { epoch, person: Some(ME), patients, ..policy::Facts::default() };
    let permit = permit(&request(Role::Patient, ME, Action::Issue, Target::Person(ME)), &facts);
    let of_there = ContextRef { institution: other_institution(), ..reference(there, "Practitioner", "d9") };
    let refs = [reference(here, "Practitioner", "d1"), reference(here, "Practitioner", "d9"), of_there];
    assert_eq!(names(&store.context(&permit, &refs).expect("they are read")), ["d1", "d9"]);
}

#[test]
fn a_choice_is_journalled_as_what_it_is() {
    let house = House::new();
    let store = house.open();
    let mine = patient("p1");
    let all = [("Patient", "p1", "x"), ("Observation", "o1", "x"), ("Observation", "o2", "x"), ("Condition", "c", "x")];
    write(&store, mine, &all);
    let permit = person(&store, ME, &[mine], Action::Issue);
    let (one, nobodys) = (key(&store, mine, "Observation", "o1").id, Id16([9; 16]));
    let chosen = store.chosen(&permit, Choice::Records(&[one, nobodys])).expect("an answer");
    let found: Vec<_> = chosen.heads.iter().map(|(head, part)| (head.key.clone(), *part)).collect();
    assert_eq!(
        found,
        [(key(&store, mine, "Observation", "o1"), Part::Chosen), (key(&store, mine, "Patient", "p1"), Part::Patient)],
        "newest first"
    );
    assert_eq!(chosen.missing, [nobodys]);
    let entries = log(&store, ME, mine);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].what, [("Observation".to_owned(), 1), ("Patient".to_owned(), 1)], "and not the whole chart");
    assert_eq!(store.chosen(&permit, Choice::All).expect("an answer").heads.len(), 4);
    assert_eq!(log(&store, ME, mine)[0].what.iter().map(|(_, count)| count).sum::<u32>(), 4);
    let permit = person(&store, ME, &[mine], Action::ReadAccessLog);
    assert!(matches!(store.chosen(&permit, Choice::All), Err(StoreError::Action { .. })));
    let permit = person(&store, ME, &[mine], Action::Issue);
    let many = vec![one; store::CHOICE_MAX + 1];
    assert!(matches!(store.chosen(&permit, Choice::Records(&many)), Err(StoreError::Limit { .. })));
}
