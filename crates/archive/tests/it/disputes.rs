//! Bags that carry another institution's code, or another person's id: nobody comes to see what is somebody else's.

use crate::{CODE, fault, faults, good, quiet, world, write};
use archive::{DepositError, DepositOptions};
use policy::{Action, InstitutionCode};
use serde_json::{Value, json};
use store::Query;
use testkit::{BagBuilder, NATIONAL_NUMBERS, World, person};

/// Heads that a person sees.
fn heads(world: &World, name: &str) -> usize {
    let permit = world.own_permit(&person(name), Action::ReadTimeline);
    world.store().search(&permit, &Query::default()).expect("searched").heads.len()
}

fn institution_name(world: &World) -> String {
    let code = InstitutionCode::new(CODE).expect("a code");
    world.archive().institution(&code).expect("read").expect("it is here").name
}

#[test]
fn a_code_of_another_institution_refuses_the_bag() {
    let world = world();
    let first = write(&world, &good());
    world.deposit(&first.root).expect("taken");
    let before = heads(&world, "하나");
    let other = |label: &str, value: &str, folder: &str| {
        let bag = BagBuilder::new(CODE).info(label, Some(value)).patient("p1", &person("두리"));
        bag.visit("p1", "e8", "2023-01-02").write(&world.path(folder))
    };
    for (label, value, said) in [("Institution-Name", "다른의원", "다른의원"), ("Institution-Kind", "51", "치과의원")]
    {
        let bag = other(label, value, label);
        match world.deposit(&bag.root) {
            Err(error @ DepositError::OtherInstitution { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains("시험의원") && text.contains(said) && text.contains("--rename-institution"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((institution_name(&world).as_str(), heads(&world, "하나")), ("시험의원", before));
    // White space and the form of letters tell nothing; nor is a finished bag asked again.
    let same = good().info("Institution-Name", Some("시험 의원")).visit("p1", "e7", "2023-01-02");
    world.deposit(&same.write(&world.path("same")).root).expect("the same institution");
    let renamed = good().info("Institution-Name", Some("새이름의원")).visit("p1", "e9", "2023-01-02");
    let bag = renamed.write(&world.path("renamed"));
    let options = DepositOptions { rename_institution: true };
    world.archive().deposit_with(&bag.root, &world.agency, options, &mut quiet).expect("the operator said so");
    assert_eq!(institution_name(&world), "새이름의원");
    assert!(world.deposit(&first.root).expect("finished under its older name").again);
    assert_eq!(institution_name(&world), "새이름의원");
}

#[test]
fn a_kind_that_is_none_refuses_the_bag() {
    let world = world();
    let text = crate::refusal(&world, &write(&world, &good().info("Institution-Kind", Some("병원"))));
    assert!(text.contains("Institution-Kind must be a code of HIRA's kinds"), "{text}");
}

fn patient(who: &str, name: &str, birth: &str) -> Value {
    json!({"resourceType": "Patient", "id": "p1", "birthDate": birth, "name": [{"text": name}],
        "identifier": [{"system": NATIONAL_NUMBERS, "value": person(who).rrn}]})
}

/// Deposits a patient with a visit after the good bag, in which the id is 하나's.
fn later(world: &World, patient: &Value) -> archive::SignedReceipt {
    let bag = BagBuilder::new(CODE).resource(patient).visit("p1", "e8", "2023-01-02");
    world.deposit(&bag.write(&world.path("later")).root).expect("taken")
}

#[test]
fn an_id_that_is_somebody_elses_holds_back_what_is_about_them() {
    let world = world();
    world.agency.add(&person("세찬"));
    world.deposit(&write(&world, &good()).root).expect("taken");
    let before = heads(&world, "하나");
    let receipt = later(&world, &patient("세찬", "세찬", "1990-01-02"));
    let lines = [("Condition", 1), ("Encounter", 1), ("Patient", 1)];
    let expected = lines.map(|(kind, line)| fault(&format!("data/fhir/{kind}.ndjson"), line, "disputed-patient"));
    assert_eq!(faults(&receipt), expected);
    assert!(receipt.receipt.held_back.listed.iter().all(|one| one.kept && one.reason.contains("a human")));
    assert!(receipt.receipt.korean().contains("같은 환자번호가 이미 다른 사람의 것"));
    assert_eq!((heads(&world, "하나"), heads(&world, "세찬")), (before, 0));
    assert!(world.deposit(&world.path("later")).expect("nothing has changed").again);
}

#[test]
fn somebody_unknown_to_the_agency_takes_over_no_chart() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    let before = heads(&world, "하나");
    let receipt = later(&world, &patient("모르는이", "모르는이", "1950-01-02"));
    assert_eq!(faults(&receipt).len(), 3);
    assert_eq!(heads(&world, "하나"), before);
}

#[test]
fn corrections_go_on() {
    let known = person("하나");
    let birth = known.birth_date.to_string();
    // The number alone is corrected; the same person took another name; a birth date was mistyped.
    for (who, name, birth) in
        [("세찬", "하나", birth.as_str()), ("하나", "새이름", "1950-01-02"), ("하나", "하나", "1950-01-02")]
    {
        let world = world();
        world.agency.add(&person("세찬"));
        world.deposit(&write(&world, &good()).root).expect("taken");
        let receipt = later(&world, &patient(who, name, birth));
        assert_eq!(faults(&receipt), [], "{who} {name} {birth}");
        assert!(heads(&world, who) > 2, "{who} {name} {birth}");
    }
}

#[test]
fn who_was_erased_does_not_come_back_and_nothing_of_them_is_kept() {
    let world = world();
    world.deposit(&write(&world, &good()).root).expect("taken");
    assert!(heads(&world, "하나") > 0);
    let store = world.store();
    let door = policy::Door::standard().expect("the door");
    let permit = store.ask_job(&door, "eraser", policy::Action::Repair).expect("permitted");
    let by = |number: u8, role: store::ShredRole| {
        let account = base::Id16([number; 16]);
        store.grant(account, &store::Right::of(role.name(), None).expect("a role of staff")).expect("granted");
        store::ShredActor { account, role }
    };
    let rules = store::ShredRules { wait_hours: 0, backup_days: 30 };
    let code = policy::InstitutionCode::new(CODE).expect("a code");
    let scope = store::ShredScope::Patient(store.ids().patient(&code, "p1").id());
    let steward = store::ShredRole::DataSteward;
    let id = store.shred_request(&permit, by(1, steward), &scope, "asked for", "PIPA article 36(1)").expect("asked");
    for number in [2, 3] {
        store.shred_approve(&permit, id, by(number, steward), &rules).expect("approved");
    }
    while store.shred_step(&permit, id).expect("a step") != store::ShredState::Done {}
    assert_eq!(heads(&world, "하나"), 0);
    let receipt = later(&world, &patient("하나", "하나", "1950-01-02"));
    let lines = [("Condition", 1), ("Encounter", 1), ("Patient", 1)];
    let expected = lines.map(|(kind, line)| fault(&format!("data/fhir/{kind}.ndjson"), line, "erased-patient"));
    assert_eq!(faults(&receipt), expected);
    assert!(receipt.receipt.held_back.listed.iter().all(|one| !one.kept));
    assert_eq!(heads(&world, "하나"), 0);
}
