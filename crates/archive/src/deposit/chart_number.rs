//! The number on a Patient's chart: by it staff name a patient, so that it must be nobody else's. A record has other numbers too, of
//! insurers and other hospitals and such as were given up, and any of these may be on the chart of somebody else.

use fhir::Value;
use policy::InstitutionCode;

/// What the system of identifier types ends with (HL7 v2 table 0203), and the type of a number on a chart.
const TYPES: &str = "v2-0203";
const MEDICAL_RECORD: &str = "MR";
/// Uses of an Identifier (R4 section 2.24.0.5) that stay with one patient.
const LASTING: [&str; 2] = ["usual", "official"];

/// The identifiers of a Patient that are the institution's own number on the chart, in use: of type MR, under one system, and by
/// nobody else as far as they say whose they are. None where that cannot be told.
pub(crate) fn chart_numbers<'x, 'v>(
    patient: &'x Value<'v>,
    institution: &InstitutionCode,
) -> Vec<(Option<&'x str>, &'x str)> {
    if patient.str("resourceType") != Some("Patient") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for one in patient.each("identifier").filter(|one| is_chart_number(one) && is_own(one, patient, institution)) {
        let Some(number) = one.str("value") else { continue };
        found.push((one.str("system"), number));
    }
    // Under several systems they are several institutions', and nothing says which is this one's.
    let is_one = found.iter().all(|(system, _)| *system == found[0].0);
    if is_one { found } else { Vec::new() }
}

fn is_chart_number(identifier: &Value<'_>) -> bool {
    let is_type = |coding: &Value<'_>| {
        coding.str("code") == Some(MEDICAL_RECORD) && coding.str("system").is_none_or(|system| system.ends_with(TYPES))
    };
    let is_in_use = identifier.str("use").is_none_or(|one| LASTING.contains(&one))
        && identifier.get("period").is_none_or(|period| period.get("end").is_none());
    is_in_use && identifier.get("type").is_some_and(|kind| kind.each("coding").any(is_type))
}

/// Whether an identifier is the institution's, where it says whose it is: by its code, or in the words of whose patient it is.
fn is_own(identifier: &Value<'_>, patient: &Value<'_>, institution: &InstitutionCode) -> bool {
    let Some(assigner) = identifier.get("assigner") else { return true };
    if let Some(code) = assigner.get("identifier").and_then(|one| one.str("value")) {
        return code == institution.as_str();
    }
    let Some(keeper) = patient.get("managingOrganization") else { return false };
    match assigner.str("reference") {
        Some(reference) => keeper.str("reference") == Some(reference),
        None => assigner.str("display").is_some() && assigner.str("display") == keeper.str("display"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::{Limits, parse};

    fn numbers(identifiers: &str) -> Vec<String> {
        let text = format!(
            r#"{{"resourceType":"Patient","identifier":[{identifiers}],
                "managingOrganization":{{"reference":"Organization/own","display":"바른의원"}}}}"#
        );
        let patient = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        let institution = InstitutionCode::new("11100001").expect("a code");
        chart_numbers(&patient, &institution).into_iter().map(|(_, number)| number.to_owned()).collect()
    }

    /// An identifier of type MR with further members.
    fn record(value: &str, more: &str) -> String {
        let kind = r#""type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}"#;
        format!(r#"{{{kind},"value":"{value}"{more}}}"#)
    }

    #[test]
    fn numbers_of_other_kinds_and_such_as_were_given_up_are_none() {
        let none = [
            r#"{"system":"urn:chart","value":"1"}"#.to_owned(),
            r#"{"type":{"text":"MR"},"value":"1"}"#.to_owned(),
            r#"{"type":{"coding":[{"system":"urn:other","code":"MR"}]},"value":"1"}"#.to_owned(),
            r#"{"type":{"coding":[{"code":"SB"}]},"value":"1"}"#.to_owned(),
            record("1", r#","use":"old""#),
            record("1", r#","use":"temp""#),
            record("1", r#","use":"secondary""#),
            record("1", r#","period":{"start":"2001","end":"2010-01-01"}"#),
        ];
        for one in none {
            assert!(numbers(&one).is_empty(), "{one}");
        }
        let some = [
            r#"{"type":{"coding":[{"code":"MR"}]},"value":"1"}"#.to_owned(),
            record("1", ""),
            record("1", r#","use":"official","system":"urn:chart""#),
            record("1", r#","use":"usual","period":{"start":"2001"}"#),
        ];
        for one in some {
            assert_eq!(numbers(&one), ["1"], "{one}");
        }
        let all = [record("1", r#","use":"old""#), record("2", ""), record("3", "")].join(",");
        assert_eq!(numbers(&all), ["2", "3"]);
    }

    #[test]
    fn numbers_of_another_institution_are_none() {
        for own in [
            r#","assigner":{"identifier":{"value":"11100001"}}"#,
            r#","assigner":{"reference":"Organization/own"}"#,
            r#","assigner":{"display":"바른의원"}"#,
        ] {
            assert_eq!(numbers(&record("1", own)), ["1"], "{own}");
        }
        for other in [
            r#","assigner":{"identifier":{"value":"11100002"},"display":"바른의원"}"#,
            r#","assigner":{"reference":"Organization/other"}"#,
            r#","assigner":{"display":"다른의원"}"#,
            r#","assigner":{"type":"Organization"}"#,
        ] {
            assert!(numbers(&record("1", other)).is_empty(), "{other}");
            assert_eq!(numbers(&[record("1", other), record("2", "")].join(",")), ["2"], "{other}");
        }
        let two = [record("1", r#","system":"urn:a""#), record("2", r#","system":"urn:b""#)].join(",");
        assert!(numbers(&two).is_empty(), "nothing says which is whose");
    }

    #[test]
    fn others_than_patients_have_no_chart() {
        let text = format!(r#"{{"resourceType":"Encounter","identifier":[{}]}}"#, record("1", ""));
        let encounter = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        assert!(chart_numbers(&encounter, &InstitutionCode::new("11100001").expect("a code")).is_empty());
    }
}
