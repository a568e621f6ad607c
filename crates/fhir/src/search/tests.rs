//! Tests of indexing over whole resources.

use super::parameters::of_type;
use super::*;
use crate::fhirpath::Expression;
use crate::json::{Limits, parse};
use crate::tables::Tables;
use proptest::prelude::*;

fn lines(text: &str, codes: &[&str]) -> Vec<String> {
    let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
    let entries = index_all(&value, &Selection::of(codes), &Options::default());
    entries.iter().map(|entry| format!("{} {:?}", entry.code, entry.value)).collect()
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"l","code":"8480-6"}]},
    "subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2020-01-01",
    "valueQuantity":{"value":120.0,"unit":"mmHg","system":"u","code":"mm[Hg]"},"performer":[{"reference":"Patient/p1"}],
    "component":[{"code":{"coding":[{"code":"c"}]},"valueString":"x"}]}"#;

#[test]
fn every_expression_of_r4_compiles() {
    let mut count = 0;
    for row in Tables::search_rows() {
        for text in
            std::iter::once(row.expression).chain(row.components.split(';').filter_map(|c| Some(c.split_once(' ')?.1)))
        {
            if !text.is_empty() {
                assert!(Expression::compile(text).is_ok(), "{} {text}", row.code);
                count += 1;
            }
        }
    }
    assert!(count > 1_400, "{count}");
}

/// Every parameter leads to elements that it can take, except: whole resources within a Bundle, a geographical position, and two
/// composites that combine an element with one of its parent.
#[test]
fn every_parameter_has_a_source() {
    let mut without = Vec::new();
    let mut evaluated = Vec::new();
    for (id, def) in tables().all() {
        for parameter in &of_type(id).parameters {
            match &parameter.source {
                Source::Routes(routes) if routes.is_empty() => without.push(format!("{} {}", def.name, parameter.code)),
                Source::Composite(groups)
                    if groups.iter().all(|(_, parts)| parts.iter().any(|p| p.routes.is_empty())) =>
                {
                    without.push(format!("{} {}", def.name, parameter.code));
                }
                Source::Evaluated(_) => evaluated.push(format!("{} {}", def.name, parameter.code)),
                _ => {}
            }
        }
    }
    assert_eq!(evaluated, ["Patient deceased"]);
    let expected = [
        "Bundle composition",
        "Bundle message",
        "Location near",
        "MolecularSequence chromosome-variant-coordinate",
        "MolecularSequence referenceseqid-variant-coordinate",
    ];
    assert_eq!(without, expected);
}

#[test]
fn indexes_selected_parameters_only() {
    let found = lines(OBSERVATION, &["_id", "patient", "date", "value-quantity", "encounter"]);
    let expected = [
        "_id Token { system: None, code: \"o1\", text: None }",
        "date Date(Interval { low_us: 1577804400000000, high_us: 1577890799999999 })",
        "encounter Reference(Relative { kind: \"Encounter\", id: \"e1\", version: None })",
        "patient Reference(Relative { kind: \"Patient\", id: \"p1\", version: None })",
        "value-quantity Quantity { value: \"120.0\", number: 120.0, system: Some(\"u\"), code: Some(\"mm[Hg]\") }",
    ];
    assert_eq!(found, expected);
}

#[test]
fn indexes_composites_and_evaluated_parameters() {
    let found = lines(OBSERVATION, &["code-value-quantity", "component-code-value-quantity"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("code-value-quantity Composite([Component { code: \"code\", values: [Token"));
    let alive = lines(r#"{"resourceType":"Patient","deceasedBoolean":false}"#, &["deceased"]);
    assert_eq!(alive, ["deceased Token { system: None, code: \"false\", text: None }"]);
    let dead = lines(r#"{"resourceType":"Patient","deceasedDateTime":"2020"}"#, &["deceased"]);
    assert_eq!(dead, ["deceased Token { system: None, code: \"true\", text: None }"]);
}

#[test]
fn filters_by_what_a_reference_points_to() {
    let text = r#"{"resourceType":"Encounter","participant":[{"individual":{"reference":"Practitioner/a"}},
        {"individual":{"reference":"PractitionerRole/b"}},{"individual":{"reference":"urn:uuid:c","type":"Practitioner"}}]}"#;
    assert_eq!(lines(text, &["practitioner"]).len(), 2);
    assert_eq!(lines(text, &["participant"]).len(), 3);
}

#[test]
fn finds_patient_encounter_and_date() {
    let parsed = |text: &str| parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses").into_owned();
    let observation = parsed(OBSERVATION);
    let patient = Target::Relative { kind: "Patient", id: "p1", version: None };
    assert_eq!(patient_of(&observation), [patient]);
    assert_eq!(encounter_of(&observation), Some(Target::Relative { kind: "Encounter", id: "e1", version: None }));
    assert_eq!(clinical_date(&observation, &Options::default()).map(|i| i.low_us), Some(1_577_804_400_000_000));
    assert_eq!(patient_of(&parsed(r#"{"resourceType":"Patient","id":"p1"}"#)), [patient]);
    let bundled = parsed(r#"{"resourceType":"Condition","subject":{"reference":"urn:uuid:1"},"recordedDate":"2020"}"#);
    assert_eq!(patient_of(&bundled), [Target::Urn("urn:uuid:1")]);
    assert!(clinical_date(&bundled, &Options::default()).is_some());
    assert!(patient_of(&parsed(r#"{"resourceType":"Organization","id":"o"}"#)).is_empty());
    assert!(patient_of(&parsed(r#"{"resourceType":"Unknown"}"#)).is_empty());
}

/// Values of wrong kinds at the names that FHIR uses.
fn any_resource() -> impl Strategy<Value = Value<'static>> {
    let names = prop::sample::select(NAMES);
    let texts = prop::sample::select(TEXTS);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(Value::object),
        ]
    });
    let kinds =
        prop::sample::select(&["Patient", "Observation", "Bundle", "DocumentReference", "Encounter", "Timing"][..]);
    (kinds, prop::collection::btree_map(prop::sample::select(NAMES), inner, 0..12)).prop_map(|(kind, mut members)| {
        members.insert("resourceType", Value::from(kind));
        Value::object(members)
    })
}

const NAMES: &[&str] = &[
    "resourceType",
    "id",
    "name",
    "given",
    "_given",
    "family",
    "birthDate",
    "_birthDate",
    "subject",
    "reference",
    "identifier",
    "system",
    "value",
    "valueQuantity",
    "valueString",
    "effectivePeriod",
    "effectiveTiming",
    "start",
    "end",
    "event",
    "component",
    "code",
    "coding",
    "entry",
    "resource",
    "contained",
    "extension",
    "url",
    "content",
    "attachment",
    "text",
    "period",
    "repeat",
    "boundsPeriod",
];
const TEXTS: &[&str] = &[
    "Patient",
    "2020",
    "2020-02-30",
    "9999-12-31T23:59:60+14:00",
    "Patient/1",
    "urn:uuid:1",
    "#a",
    "",
    "1e99",
    "https://a/b",
];

proptest! {
    #[test]
    fn no_resource_panics(resource in any_resource()) {
        let _ = index_all(&resource, &Selection::all(), &Options::default());
        let _ = (patient_of(&resource), encounter_of(&resource), clinical_date(&resource, &Options::default()));
        let _ = crate::OperationOutcome::of_report(&crate::validate(&resource)).into_value().to_string();
        crate::visit_references(&resource, &mut |_, path| { let _ = path.to_string(); });
    }
}
