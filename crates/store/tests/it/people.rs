//! People, the patients that are they, and rights: the facts that the door decides on.

use base::{Id16, Redacted};
use policy::{Action, Door, InstitutionCode, Owner, Role, Target};
use store::{AskError, PersonLink, Right, StoreError};

use crate::support::*;

#[test]
fn a_ci_always_gives_the_same_person_and_never_stands_in_clear() {
    let house = House::new();
    let store = house.open();
    let ci = Redacted::new("CI-of-a-person-0123456789".to_owned());
    let hash = store.ci_hash(&ci);
    assert_eq!(store.person_of_ci(&hash).expect("asked"), None);
    let person = store.person_for_ci(&hash).expect("made");
    assert_eq!(store.person_for_ci(&hash).expect("found"), person);
    let many = store.people_for_ci(&[hash, [9; 32], [9; 32]]).expect("made");
    assert_eq!(many[0], person);
    assert!(many[1] == many[2] && many[1] != person);
    drop(store);
    let store = house.open();
    assert_eq!(store.ci_hash(&ci), hash, "the key outlives the process");
    assert_eq!(store.person_of_ci(&hash).expect("asked"), Some(person));
    let database = std::fs::read(house.folder().join("hanmaru.db")).expect("read");
    assert!(!database.windows(12).any(|window| window == b"CI-of-a-pers"));
}

#[test]
fn a_room_has_a_secret_of_its_own_that_outlives_the_process() {
    let house = House::new();
    let store = house.open();
    let secret = store.secret("identity").expect("made");
    assert_eq!(store.secret("identity").expect("known"), secret);
    assert_ne!(store.secret("other").expect("made"), secret);
    for faulty in ["", "Identity", "a room", "../x", &"x".repeat(60)] {
        assert!(matches!(store.secret(faulty), Err(StoreError::Key(_))), "{faulty}");
    }
    let beside = house.open();
    assert_eq!(beside.secret("identity").expect("known"), secret, "the same in another process");
    drop((store, beside));
    assert_eq!(house.open().secret("identity").expect("known"), secret);
}

#[test]
fn linked_patients_are_the_persons_own_until_unlinked() {
    let house = House::new();
    let store = house.open();
    let door = Door::standard().expect("the door");
    let owner = patient("p1");
    write_one(&store, owner, "Condition", "c1", "x");
    let person = store.person_for_ci(&[1; 32]).expect("made");
    let ask = || store.ask(&door, request(Role::Patient, person, Action::ReadRecord, Target::Person(person)));
    let permit = ask().expect("one may look for one's records");
    assert!(store.read(&permit, &[key(&store, owner, "Condition", "c1")]).expect("an answer").is_empty());

    let link = depositor(&store, Action::LinkPerson);
    store.link_patient(&link, person, owner.id(), &institution()).expect("linked");
    store.link_patient(&link, person, owner.id(), &institution()).expect("again is fine");
    let permit = ask().expect("a permit");
    assert_eq!(store.read(&permit, &[key(&store, owner, "Condition", "c1")]).expect("an answer").len(), 1);
    let facts = store.facts(person).expect("facts");
    assert_eq!((facts.person, facts.patients.len()), (Some(person), 1));

    // Moving the patient to another person ends the first one's permit.
    let other = store.person_for_ci(&[2; 32]).expect("made");
    store.link_patient(&link, other, owner.id(), &institution()).expect("moved");
    assert!(matches!(
        store.read(&permit, &[key(&store, owner, "Condition", "c1")]),
        Err(StoreError::StaleEpoch { .. })
    ));
    assert!(store.facts(person).expect("facts").patients.is_empty());
    let link = depositor(&store, Action::LinkPerson);
    store.unlink_patient(&link, owner.id(), &institution()).expect("unlinked");
    assert!(store.facts(other).expect("facts").patients.is_empty());
}

#[test]
fn an_institution_cannot_take_another_ones_patient() {
    let house = House::new();
    let store = house.open();
    let link = depositor(&store, Action::LinkPerson);
    let owner = patient("p1");
    let (person, thief) = (store.person_for_ci(&[1; 32]).expect("made"), store.person_for_ci(&[2; 32]).expect("made"));
    store.link_patient(&link, person, owner.id(), &institution()).expect("linked");

    let elsewhere = InstitutionCode::new("22200002").expect("a code");
    let facts = policy::Facts { epoch: 1, deposits_for: Some(elsewhere.clone()), ..policy::Facts::default() };
    let asked = request(Role::Depositor, Id16([0xe; 16]), Action::LinkPerson, Target::Institution(elsewhere.clone()));
    let permit = permit(&asked, &facts);
    let taken = store.link_patient(&permit, thief, owner.id(), &elsewhere);
    assert!(matches!(taken, Err(StoreError::Scope { .. })), "{taken:?}");
    let taken = store.link_patient(&permit, thief, owner.id(), &institution());
    assert!(matches!(taken, Err(StoreError::Scope { .. })), "{taken:?}");
    store.unlink_patient(&permit, owner.id(), &elsewhere).expect("nothing of that institution's is there");
    assert_eq!(store.facts(person).expect("facts").patients.len(), 1);
    let many = vec![PersonLink { person, patient: owner.id(), institution: institution() }; store::LINKS_MAX + 1];
    assert!(matches!(store.link_patients(&link, many), Err(StoreError::Limit { .. })));
}

#[test]
fn rights_are_facts_at_once() {
    let house = House::new();
    let store = house.open();
    let door = Door::standard().expect("the door");
    let account = Id16([5; 16]);
    let ask =
        || store.ask(&door, request(Role::Depositor, account, Action::Deposit, Target::Institution(institution())));
    assert!(matches!(ask(), Err(AskError::Denied(_))));
    store.grant(account, &Right::Depositor(institution())).expect("granted");
    let permit = ask().expect("a depositor deposits");
    assert!(permit.reaches(Owner::institution(&institution()), &institution()));
    store.revoke(account, &Right::Depositor(institution())).expect("revoked");
    assert!(matches!(ask(), Err(AskError::Denied(_))));
    assert!(matches!(store.write(&permit, vec![], vec![], None), Err(StoreError::StaleEpoch { .. })));
    store.grant(account, &Right::Operator).expect("granted");
    assert!(store.facts(account).expect("facts").operator);
    let status =
        store.ask(&door, request(Role::Operator, account, Action::ReadStatus, Target::Installation)).expect("a permit");
    assert_eq!(store.status(&status).expect("status").sites.len(), 3);
    store.ask_job(&door, "repair", Action::Repair).expect("jobs repair");
    assert!(matches!(store.ask_job(&door, "nosy", Action::ReadRecord), Err(AskError::Denied(_))));
}
