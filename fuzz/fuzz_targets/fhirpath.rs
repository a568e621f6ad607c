//! A FHIRPath expression: compiled, and evaluated over a resource within a budget.

#![no_main]

use fhir::fhirpath::{Context, Expression};
use libfuzzer_sys::fuzz_target;

const PATIENT: &[u8] = r#"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1980-02-29","multipleBirthInteger":2,
    "name":[{"use":"official","text":"김하나","given":["하나"],"family":"김"},{"given":["a","b"]}],
    "contact":[{"telecom":[{"system":"phone","value":"02"}]}],"managingOrganization":{"reference":"Organization/1"},
    "extension":[{"url":"https://x","valueQuantity":{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}]}"#
    .as_bytes();

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::compile(text) else { return };
    let patient = fhir::json::parse(PATIENT, &fhir::Limits::default()).expect("it is written above");
    for is_strict in [false, true] {
        let context = Context { is_strict, steps_max: 20_000, ..Context::default() };
        let _ = expression.evaluate(&patient, &context).map(|items| items.len());
    }
});
