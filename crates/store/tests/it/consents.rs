//! Consents: what they share and nothing else, on the very next request.

use std::collections::BTreeSet;

use base::Id16;
use policy::{Action, DataKind, DenialReason, Permit, Purpose, Role, Sensitive, Target};
use store::{ConsentPurpose, ConsentTerms, Query, StoreError};

use crate::staff::*;
use crate::support::*;

fn terms(ward: &Ward) -> ConsentTerms {
    ConsentTerms {
        person: ward.person,
        grantees: [institution()].into(),
        purposes: [ConsentPurpose::Care].into(),
        institutions: BTreeSet::new(),
        kinds: [DataKind::Diagnoses].into(),
        sensitive: BTreeSet::new(),
        from: "2026-11-22T00:00:00+09:00".parse().expect("a time"),
        until: "2027-01-01T00:00:00Z".parse().expect("a time"),
    }
}

fn care(consent: Id16) -> Purpose {
    Purpose::Care { ground: consent }
}

fn give(ward: &Ward, terms: &ConsentTerms) -> Id16 {
    let (id, ticket) = ward.store.give_consent(&ward.own(Action::ManageConsent), terms).expect("given");
    ward.store.wait_sealed(ticket, PATIENCE).expect("sealed");
    id
}

/// Ids of what a permit finds.
fn found(ward: &Ward, permit: &Permit) -> BTreeSet<Id16> {
    let page = ward.store.search(permit, &Query::default()).expect("an answer");
    page.heads.into_iter().map(|head| head.key.id).collect()
}

#[test]
fn a_consent_shares_what_it_names_with_whom_it_names() {
    let ward = Ward::new();
    ward.write(ward.here, "Observation", "o1", "혈당", None);
    let id = give(&ward, &terms(&ward));
    let permit = ward.doctor(care(id)).expect("the doctor's institution is named");
    assert_eq!(ward.read(&permit).expect("an answer"), ["c1", "c2"]);
    assert_eq!(found(&ward, &permit).len(), 2, "tests are not among the kinds");
    assert!(
        ward.store.read(&permit, &[key(&ward.store, ward.here, "Observation", "o1")]).expect("an answer").is_empty()
    );
    let document = ward.ask(Role::Clinician, DOCTOR, Action::ReadDocument, ward.about(), care(id)).expect("a permit");
    assert!(matches!(ward.store.objects(&document, &[Id16([1; 16])]), Err(StoreError::Scope { .. })));

    let dispensing = Purpose::Dispensing { ground: id };
    let pharmacist = ward.ask(Role::Pharmacist, PHARMACIST, Action::ReadRecord, ward.about(), dispensing);
    assert_eq!(pharmacist.expect_err("another institution and purpose"), DenialReason::Ground);
    let another = Target::Person(ward.store.person_for_ci(&[8; 32]).expect("a person"));
    let other = ward.ask(Role::Clinician, DOCTOR, Action::ReadRecord, another, care(id));
    assert_eq!(other.expect_err("another person"), DenialReason::Ground);

    let one_place = ConsentTerms { institutions: [other_institution()].into(), ..terms(&ward) };
    let permit = ward.doctor(care(give(&ward, &one_place))).expect("a permit");
    assert_eq!(ward.read(&permit).expect("an answer"), ["c2"], "only what that institution has");
    let asks = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, ward.about(), care(Id16([1; 16])));
    assert_eq!(ward.store.consent_offers(&asks.expect("a permit"), ward.person).expect("a list").len(), 2);
}

#[test]
fn sensitive_kinds_are_shared_where_they_are_named() {
    let ward = Ward::new();
    ward.write(ward.here, "Encounter", "e1", "정신건강의학과", None);
    ward.write(ward.here, "Condition", "c3", "불면", Some("e1"));
    ward.write(ward.here, "Encounter", "e2", "내과", None);
    ward.write(ward.here, "Condition", "c4", "HIV 검사 양성", Some("e2"));
    let id = |kind: &str, source: &str| key(&ward.store, ward.here, kind, source).id;
    let general = ConsentTerms { kinds: DataKind::ALL.into(), ..terms(&ward) };
    let permit = ward.doctor(care(give(&ward, &general))).expect("a permit");
    let seen = found(&ward, &permit);
    assert!(seen.contains(&id("Condition", "c1")));
    for kept_back in [id("Encounter", "e1"), id("Condition", "c3"), id("Encounter", "e2"), id("Condition", "c4")] {
        assert!(!seen.contains(&kept_back), "with the encounter that it belongs to");
    }
    let keys = [key(&ward.store, ward.here, "Condition", "c3"), key(&ward.store, ward.here, "Encounter", "e1")];
    assert!(ward.store.histories(&permit, &keys).expect("an answer").is_empty());
    let choice = ward.store.chosen(&permit, store::Choice::All).expect("an answer");
    assert_eq!(choice.heads.len(), 2);

    let named = ConsentTerms { sensitive: [Sensitive::MentalHealth].into(), ..general };
    let permit = ward.doctor(care(give(&ward, &named))).expect("a permit");
    let seen = found(&ward, &permit);
    assert!(seen.contains(&id("Condition", "c3")) && seen.contains(&id("Encounter", "e1")));
    assert!(!seen.contains(&id("Condition", "c4")), "one sensitive kind is not another");

    // An amendment that no longer says it does not make it less sensitive.
    ward.write(ward.here, "Condition", "c4", "검사", None);
    let permit = ward.doctor(care(give(&ward, &named))).expect("a permit");
    assert!(!found(&ward, &permit).contains(&id("Condition", "c4")));
}

#[test]
fn what_refers_to_something_sensitive_is_sensitive_too() {
    let ward = Ward::new();
    let about = |kind: &str, id: &str, rest: &str| {
        let head = format!(r#"{{"resourceType":"{kind}","id":"{id}","subject":{{"reference":"Patient/p1"}}"#);
        ward.write_as(ward.here, &institution(), (kind, id), &format!("{head}{rest}}}"), None);
    };
    about("Patient", "p1", "");
    about("Condition", "secret", r#","code":{"coding":[{"code":"F32.9"}]}"#);
    about("MedicationRequest", "m1", r#","reasonReference":[{"reference":"Condition/secret"}]"#);
    about("MedicationRequest", "m2", r#","medicationCodeableConcept":{"text":"아세트아미노펜"}"#);
    about("DiagnosticReport", "r1", r#","code":{"text":"HIV 선별"},"result":[{"reference":"Observation/o1"}]"#);
    about("Observation", "o1", r#","valueString":"음성""#);
    about(
        "Composition",
        "sum",
        r#","section":[{"entry":[{"reference":"Condition/secret"},{"reference":"MedicationRequest/m2"}]}]"#,
    );
    let kinds = [DataKind::Medications, DataKind::Tests, DataKind::Documents].into();
    let consent = give(&ward, &ConsentTerms { kinds, ..terms(&ward) });
    let permit =
        ward.ask(Role::Clinician, DOCTOR, Action::ReadTimeline, ward.about(), care(consent)).expect("a permit");
    let m2 = ward.store.ids().resource(&institution(), "MedicationRequest", "m2");
    assert_eq!(found(&ward, &permit), [m2].into(), "the summary tells of what is secret, and the drug does not");
}

#[test]
fn a_consent_that_cannot_be_read_can_be_withdrawn_however_many_there_are() {
    let ward = Ward::new();
    let consent = give(&ward, &terms(&ward));
    for n in 0..3 {
        let until = format!("2027-01-0{}T00:00:00Z", n + 1).parse().expect("a time");
        give(&ward, &ConsentTerms { until, ..terms(&ward) });
    }
    // As a stricter reader would find it.
    let bytes = r#"{"resourceType":"Consent","status":"active"}"#;
    let owner = policy::Owner::Patient(ward.person);
    ward.write_as(owner, &store::commons(), ("Consent", &consent.to_string()), bytes, None);
    assert!(ward.doctor(care(consent)).is_ok(), "its rules hold still");
    ward.store.withdraw_consent(&ward.own(Action::ManageConsent), ward.person, consent).expect("withdrawn");
    let listed = ward.store.consents(&ward.own(Action::ManageConsent), ward.person).expect("a list");
    let active: Vec<bool> = listed.iter().map(|one| one.is_active).collect();
    assert_eq!(active, [true, true, true, false], "what holds comes first");
    assert!(listed[3].terms.is_err());
    assert_eq!(ward.doctor(care(consent)).expect_err("withdrawn"), DenialReason::Ground);
}

#[test]
fn what_is_changed_or_withdrawn_holds_on_the_next_request() {
    let ward = Ward::new();
    let id = give(&ward, &terms(&ward));
    let permit = ward.doctor(care(id)).expect("a permit");
    let narrower = ConsentTerms { kinds: [DataKind::Tests].into(), ..terms(&ward) };
    ward.store.change_consent(&ward.own(Action::ManageConsent), id, &narrower).expect("changed");
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })));
    let permit = ward.doctor(care(id)).expect("a permit");
    assert!(ward.read(&permit).expect("an answer").is_empty());

    ward.store.withdraw_consent(&ward.own(Action::ManageConsent), ward.person, id).expect("withdrawn");
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(ward.doctor(care(id)).expect_err("withdrawn"), DenialReason::Ground);
    let listed = ward.store.consents(&ward.own(Action::ManageConsent), ward.person).expect("a list");
    assert_eq!((listed.len(), listed[0].is_active, listed[0].version), (1, false, 3), "every version is kept");
    assert_eq!(listed[0].terms, Ok(narrower));

    let id = give(&ward, &terms(&ward));
    assert!(ward.doctor(care(id)).is_ok());
    ward.clock.advance(60 * 24 * 3600);
    assert_eq!(ward.doctor(care(id)).expect_err("over"), DenialReason::Ground);
}

#[test]
fn a_consent_is_withdrawn_though_nothing_new_is_taken_in() {
    let ward = Ward::new();
    let id = give(&ward, &terms(&ward));
    ward.house.hide_site("site-a");
    ward.house.hide_site("site-c");
    let begun = std::time::Instant::now();
    while ward.store.give_consent(&ward.own(Action::ManageConsent), &terms(&ward)).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "two sites that are away are not missed");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let permit = ward.doctor(care(id)).expect("a permit");
    assert!(ward.read(&permit).is_ok(), "reads go on");
    ward.store.withdraw_consent(&ward.own(Action::ManageConsent), ward.person, id).expect("withdrawn");
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(ward.doctor(care(id)).expect_err("withdrawn"), DenialReason::Ground);
    let listed = ward.store.consents(&ward.own(Action::ManageConsent), ward.person).expect("a list");
    assert!(listed.iter().any(|entry| entry.id == id && !entry.is_active));
    let stranger = Id16([9; 16]);
    let missing = ward.store.withdraw_consent(&ward.own(Action::ManageConsent), ward.person, stranger);
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
}

#[test]
fn a_consent_is_ones_own_and_has_an_end() {
    let ward = Ward::new();
    let permit = ward.own(Action::ManageConsent);
    let other = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let anothers = ConsentTerms { person: other, ..terms(&ward) };
    assert!(matches!(ward.store.give_consent(&permit, &anothers), Err(StoreError::Scope { .. })));
    assert!(matches!(ward.store.consents(&permit, other), Err(StoreError::Scope { .. })));
    for refused in [
        ConsentTerms { grantees: BTreeSet::new(), ..terms(&ward) },
        ConsentTerms { kinds: BTreeSet::new(), ..terms(&ward) },
        ConsentTerms { purposes: BTreeSet::new(), ..terms(&ward) },
        ConsentTerms { until: "2026-11-22T01:00:00+09:00".parse().expect("a time"), ..terms(&ward) },
        ConsentTerms { until: "2028-11-22T01:00:00+09:00".parse().expect("a time"), ..terms(&ward) },
    ] {
        assert!(matches!(ward.store.give_consent(&permit, &refused), Err(StoreError::Missing { .. })), "{refused:?}");
    }
    let missing = ward.store.withdraw_consent(&permit, ward.person, Id16([1; 16]));
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    let read = ward.own(Action::ReadRecord);
    assert!(matches!(ward.store.give_consent(&read, &terms(&ward)), Err(StoreError::Action { .. })));
    assert!(ward.read(&permit).is_err(), "a permit for consents opens no record");
}

#[test]
fn a_rule_that_cannot_be_read_shares_nothing() {
    let ward = Ward::new();
    let id = give(&ward, &terms(&ward));
    assert!(ward.doctor(care(id)).is_ok());
    for share in ["whole", "diagnoses everything;", "diagnoses", ""] {
        let outside = look(&ward.house);
        outside.execute("UPDATE consent_rule SET share = ?", [share]).expect("changed from outside");
        assert_eq!(ward.doctor(care(id)).expect_err("not a share"), DenialReason::Ground, "{share}");
    }
}
