//! Whom staff mean: the number on the chart and the id in a record system, and that whoever names nobody is seen.

use base::Id16;
use policy::{Action, InstitutionCode, Owner, Purpose, Role, Target};
use store::{CHART_NUMBER, IndexRow, KnownPatient, NamedPatient, StoreError};

use crate::staff::*;
use crate::support::*;

/// A number of a Patient in the index.
fn row(param: &'static str, number: &str) -> IndexRow {
    IndexRow::Token { param, system: "urn:chart".to_owned(), code: number.to_owned() }
}

/// A Patient with numbers on the chart, as an institution has them.
fn chart(ward: &Ward, code: &InstitutionCode, id: &str, numbers: &[&str]) -> Owner {
    let owner = ward.store.ids().patient(code, id);
    let row = |number: &&str| row(CHART_NUMBER, number);
    let bytes = format!(r#"{{"resourceType":"Patient","id":"{id}","numbers":"{}"}}"#, numbers.join(" "));
    ward.write_indexed(owner, code, ("Patient", id), (&bytes, numbers.iter().map(row).collect()), None);
    owner
}

/// Looks for a number at an institution, as a doctor does.
fn find(ward: &Ward, code: &InstitutionCode, number: &str) -> Result<KnownPatient, StoreError> {
    let named = NamedPatient::new(code.clone(), number);
    let (purpose, target) =
        (Purpose::Care { ground: Id16([0x44; 16]) }, Target::Patient(named.by_id(ward.store.ids())));
    let permit = ward.ask(Role::Clinician, DOCTOR, Action::AskGround, target, purpose).expect("a doctor may ask");
    ward.store.subject_of(&permit, &named)
}

/// How often it is in the log that a number named nobody.
fn missed(ward: &Ward, code: &InstitutionCode, number: &str) -> i64 {
    // Entries of this process come into the table once somebody reads any.
    let own = ward.own(Action::ReadAccessLog);
    ward.store.access_log(&own, &store::AccessPage::default()).expect("the log");
    let subject = ward.store.ids().patient(code, number).id();
    count(&ward.house, &format!("SELECT count(*) FROM access_entry WHERE subject = x'{subject}'"))
}

#[test]
fn a_patient_is_found_by_the_number_on_the_chart_and_by_the_id() {
    let ward = Ward::new();
    let (here, there) = (institution(), other_institution());
    chart(&ward, &here, "p1", &["10000001"]);
    let unlinked = chart(&ward, &here, "p2", &["10000002", "보험-7"]);
    chart(&ward, &there, "p3", &["10000009"]);
    let known = KnownPatient { patient: ward.here.id(), person: Some(ward.person), is_one_of_several: false };
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
    let bytes = r#"{"resourceType":"Encounter","id":"e1"}"#;
    ward.write_indexed(one, &here, ("Encounter", "e1"), (bytes, vec![row(CHART_NUMBER, "90")]), None);
    assert!(find(&ward, &here, "90").is_err());
}

#[test]
fn numbers_that_are_not_on_the_chart_name_nobody() {
    let ward = Ward::new();
    let here = institution();
    let owner = ward.store.ids().patient(&here, "a");
    let bytes = r#"{"resourceType":"Patient","id":"a"}"#;
    let numbers = vec![row(CHART_NUMBER, "1"), row("identifier", "1"), row("identifier", "2")];
    ward.write_indexed(owner, &here, ("Patient", "a"), (bytes, numbers), None);
    assert_eq!(find(&ward, &here, "1").expect("on the chart").patient, owner.id());
    assert!(find(&ward, &here, "2").is_err(), "an insurer's, another hospital's, or one that was given up");
    // Another has that number of the first on their own chart, and is whom it names.
    let other = chart(&ward, &here, "b", &["2"]);
    assert_eq!(find(&ward, &here, "2").expect("on the chart").patient, other.id());
}

#[test]
fn several_records_of_one_person_name_that_person() {
    let ward = Ward::new();
    let here = institution();
    // Two charts that were made one, and the id of a third.
    let (one, two) = (chart(&ward, &here, "a", &["7"]), chart(&ward, &here, "b", &["7", "c"]));
    let three = chart(&ward, &here, "c", &["8"]);
    assert!(find(&ward, &here, "7").is_err(), "nothing says that they are one person");
    for patient in [one, two, three] {
        ward.link(patient, &here);
    }
    for number in ["7", "c", "8"] {
        assert_eq!(find(&ward, &here, number).expect("one person").subject(), ward.person, "{number}");
    }
    assert_eq!(find(&ward, &here, "c").expect("one person").patient, three.id(), "the id comes first");
    let is_one_of_several = |number: &str| find(&ward, &here, number).expect("one person").is_one_of_several;
    assert!(is_one_of_several("7"), "which of the two it does not say");
    for number in ["a", "b", "c", "8"] {
        assert!(!is_one_of_several(number), "{number}: an id, or on one chart alone");
    }
    chart(&ward, &here, "d", &["7"]);
    assert!(find(&ward, &here, "7").is_err(), "and somebody else");
}

#[test]
fn what_an_institution_has_as_its_own_is_nobodys_chart() {
    let ward = Ward::new();
    let here = institution();
    let bytes = r#"{"resourceType":"Patient","id":"stray"}"#;
    let numbers = vec![row(CHART_NUMBER, "7")];
    ward.write_indexed(Owner::institution(&here), &here, ("Patient", "stray"), (bytes, numbers), None);
    assert!(find(&ward, &here, "7").is_err());
    let owner = chart(&ward, &here, "a", &["7"]);
    assert_eq!(find(&ward, &here, "7").expect("a patient").patient, owner.id());
}
