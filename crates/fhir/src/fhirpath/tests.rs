//! Tests of the language itself; the official suite runs as an integration test.

use super::*;
use crate::json::{Limits, parse};
use proptest::prelude::*;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","birthDate":"1974-12-25",
    "_birthDate":{"extension":[{"url":"http://t","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
    "name":[{"use":"official","given":["Peter","James"],"_given":[null,{"id":"g2"}]},{"given":["Jim"]}],
    "managingOrganization":{"reference":"#o"},"generalPractitioner":[{"reference":"Practitioner/1"}],
    "contained":[{"resourceType":"Organization","id":"o","name":"N"}],"deceasedBoolean":false}"##;

fn evaluate(text: &str) -> String {
    let patient = parse(PATIENT.as_bytes(), &Limits::default()).expect("the test's JSON parses");
    let expression = match Expression::compile(text) {
        Ok(expression) => expression,
        Err(error) => return error.to_string(),
    };
    match expression.evaluate(&patient, &Context::default()) {
        Ok(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Err(error) => error.to_string(),
    }
}

#[test]
fn navigates() {
    let cases = [
        ("Patient.name.given", "Peter,James,Jim"),
        ("name.where(use = 'official').given.first()", "Peter"),
        ("birthDate.extension('http://t').value", "1974-12-25T14:35:45-05:00"),
        ("name.given[1].id", "g2"),
        ("deceased", "false"),
        ("deceased is boolean", "true"),
        ("managingOrganization.resolve().name", "N"),
        ("generalPractitioner.where(resolve() is Practitioner).exists()", "true"),
        ("generalPractitioner.where(resolve() is Patient).exists()", "false"),
        ("contained.name", "N"),
        ("Observation.value", ""),
        ("name.given | name.given", "Peter,James,Jim"),
        ("deceased.exists() and deceased != false", "false"),
        ("@T12:10.lowBoundary(9223372036854775807)", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(evaluate(text), expected, "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        ("1 +", "the expression ends too early at byte 3 of the expression"),
        ("name.foo()", "a function is not known at byte 9 of the expression"),
        ("first(1)", "a function has a wrong number of arguments at byte 8 of the expression"),
        ("'x", "a string does not end well at byte 0 of the expression"),
        ("name.single()", "one value is needed, there are several"),
    ];
    for (text, expected) in cases {
        assert_eq!(evaluate(text), expected, "{text}");
    }
}

#[test]
fn nesting_and_length_are_limited() {
    for text in
        ["(".repeat(5_000), "-".repeat(5_000), "a.".repeat(5_000) + "a", "1+".repeat(5_000) + "1", "a[".repeat(5_000)]
    {
        assert!(Expression::compile(&text).is_err());
    }
    assert!(Expression::compile(&" ".repeat(LENGTH_MAX + 1)).is_err());
    // What is just allowed is evaluated on the small stack of a test thread.
    assert_eq!(evaluate(&("name".to_owned() + &".first()".repeat(DEPTH_MAX - 2) + ".use")), "official");
    assert_eq!(evaluate(&("(".repeat(90) + "1" + &")".repeat(90))), "1");
    assert_eq!(evaluate(&("iif(true,".repeat(90) + "1" + &")".repeat(90))), "1");
    let flat = vec!["Patient.name"; 100].join(" | ");
    assert!(Expression::compile(&flat).is_ok());
}

#[test]
fn steps_are_limited() {
    let patient = parse(PATIENT.as_bytes(), &Limits::default()).expect("the test's JSON parses");
    let expression =
        Expression::compile("repeat($this | (1 | 2 | 3)).descendants()").expect("the expression is well formed");
    let context = Context { steps_max: 20, ..Context::default() };
    assert_eq!(expression.evaluate(&patient, &context).expect_err("twenty steps are few"), EvaluationError::TooLong);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = evaluate(&text);
    }

    #[test]
    fn no_expression_like_text_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
        let _ = evaluate(&words.concat());
    }
}

const WORDS: &[&str] = &[
    "Patient",
    "name",
    ".",
    ".",
    "given",
    "(",
    ")",
    "where",
    "exists()",
    "first()",
    " = ",
    " | ",
    "'a'",
    "1",
    "2.5",
    "@2015",
    "@T10",
    " and ",
    " is ",
    "Quantity",
    "[0]",
    "-",
    "+",
    " div ",
    "$this",
    "%sct",
    "{}",
    ",",
    "select",
    "iif",
    "4 days",
    " as ",
    "string",
    "toQuantity()",
    "lowBoundary()",
    "*",
    "repeat",
    "children()",
    "substring",
    "power",
    " in ",
    "9223372036854775807",
    "1e5",
    "`x`",
    "//",
    "/*",
];
