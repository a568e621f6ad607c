//! Whom staff mean: the number on the chart and the id in a record system, and that whoever names nobody is seen.

use base::Id16;
use policy::{Action, InstitutionCode, Owner, Purpose, Role, Target};
use store::{IndexRow, KnownPatient, NamedPatient, StoreError};

use crate::staff::*;
use crate::support::*;

/// A Patient with numbers, as an institution has them.
fn chart(ward: &Ward, code: &InstitutionCode, id: &str, numbers: &[&str]) -> Owner {
    let owner = Owner::patient(code, id);
    let row = |number: &&str| IndexRow::Token {
        param: "identifier",
        system: "urn:chart".to_owned(),
        code: (*number).to_owned(),
    };
    let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}","numbers":"{}"}}"#, numbers.join(" "));
    ward.write_indexed(owner, code, ("Patient", id), (&bytes, numbers.iter().map(row).collect()), None);
    owner
}

/// Looks for a number at an institution, as a doctor does.
fn find(ward: &Ward, code: &InstitutionCode, number: &str) -> Result<KnownPatient, StoreError> {
    let named = NamedPatient::new(code.clone(), number);
    let (purpose, target) = (Purpose::Care { ground: Id16([0x44; 16]) }, Target::Patient(named.by_id()));
    let permit = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, target, purpose).expect("a doctor may ask");
    ward.store.subject_of(&permit, &named)
}

/// How often it is in the log that a number named nobody.
fn missed(ward: &Ward, code: &InstitutionCode, number: &str) -> i64 {
    // Entries of this process come into the table once somebody reads any.
    let own = ward.own(Action::ReadAccessLog);
    ward.store.access_log(&own, &store::AccessPage::default()).expect("the log");
    let subject = Owner::patient(code, number).id();
    count(&ward.house, &format!("SELECT count(*) FROM access_entry WHERE subject = x'{subject}'"))
}

#[test]
fn a_patient_is_found_by_the_number_on_the_chart_and_by_the_id() {
    let ward = Ward::new();
    let (here, there) = (institution(), other_institution());
    chart(&ward, &here, "p1", &["10000001"]);
    let unlinked = chart(&ward, &here, "p2", &["10000002", "보험-7"]);
    chart(&ward, &there, "p3", &["10000009"]);
    let known = KnownPatient { patient: ward.here.id(), person: Some(ward.person) };
    assert_eq!(find(&ward, &here, "10000001").expect("on the chart"), known);
    assert_eq!(find(&ward, &here, "p1").expect("by id"), known);
    assert_eq!(known.subject(), ward.person);
    for number in ["10000002", "보험-7", "p2"] {
        let found = find(&ward, &here, number).expect("a patient");
        assert_eq!((found.subject(), found.person), (unlinked.id(), None), "{number}");
    }
    for (code, number) in [(&here, "10000009"), (&there, "10000001"), (&here, "1000000"), (&here, "")] {
        let found = find(&ward, code, number);
        assert!(matches!(found, Err(StoreError::Missing { .. })), "{number}");
        assert_eq!(missed(&ward, code, number), 1, "{number}");
    }
    assert_eq!(missed(&ward, &here, "10000001"), 0, "an honest number is no miss");
    // The newest record of a patient says what their number is.
    chart(&ward, &here, "p2", &["20000002"]);
    assert!(find(&ward, &here, "10000002").is_err());
    assert_eq!(find(&ward, &here, "20000002").expect("the new one").subject(), unlinked.id());
}

#[test]
fn a_number_of_two_patients_names_neither() {
    let ward = Ward::new();
    let here = institution();
    let (one, two) = (chart(&ward, &here, "a", &["7", "70"]), chart(&ward, &here, "b", &["7", "71"]));
    assert!(matches!(find(&ward, &here, "7"), Err(StoreError::Missing { .. })), "on two charts");
    assert_eq!(find(&ward, &here, "70").expect("one's own").patient, one.id());
    // One's id is on another's chart.
    chart(&ward, &here, "71", &["72"]);
    assert!(matches!(find(&ward, &here, "71"), Err(StoreError::Missing { .. })));
    assert_eq!(find(&ward, &here, "b").expect("by id").patient, two.id());
    // Their id and the number on their chart may be the same.
    let same = chart(&ward, &here, "80", &["80"]);
    assert_eq!(find(&ward, &here, "80").expect("one patient").patient, same.id());
    // Numbers of other things are nobody's.
    let number = IndexRow::Token { param: "identifier", system: String::new(), code: "90".to_owned() };
    let bytes = r#"{"resourceType":"Encounter","id":"e1"}"#;
    ward.write_indexed(one, &here, ("Encounter", "e1"), (bytes, vec![number]), None);
    assert!(find(&ward, &here, "90").is_err());
}
