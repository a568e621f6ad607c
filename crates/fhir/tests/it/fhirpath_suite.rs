//! The official FHIRPath suite for R4 (FHIR/fhir-test-cases). Counts what passes by group, and holds the number reached.

use crate::{conformance, json_files};
use fhir::Value;
use fhir::date::DateTime;
use fhir::fhirpath::{Context, Expression, Item};
use fhir::json::{Limits, parse};
use std::collections::BTreeMap;

/// Tests that pass, of 935. Raise it when more do. Twenty have no input here; of the ten that fail, two need static analysis of types
/// (`testObservations`, `testDollar`), three an extension that the JSON form of the input lacks (`testInheritance`), and five expect
/// boundaries other than those that follow from the definition (`LowBoundary`, `HighBoundary`).
const PASSED_MIN: usize = 905;

/// One test of the suite.
#[derive(Default)]
struct Case {
    group: String,
    name: String,
    input: String,
    expression: String,
    invalid: String,
    is_predicate: bool,
    outputs: Vec<(String, String)>,
}

#[test]
fn official_suite() {
    let Some(folder) = conformance("fhirpath") else { return };
    let suite = std::fs::read_to_string(folder.join("tests-fhir-r4.xml")).expect("the suite is readable");
    let files: BTreeMap<String, Vec<u8>> = json_files(&folder).into_iter().collect();
    let mut inputs: BTreeMap<String, Value<'_>> = BTreeMap::new();
    for (name, bytes) in &files {
        let value = parse(bytes, &Limits::default()).expect("the input parses");
        inputs.insert(name.trim_end_matches(".json").to_owned(), value);
    }
    let nothing = Value::object([("resourceType", Value::from("Basic"))]);
    let mut groups: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in cases(&suite) {
        let counts = groups.entry(case.group.clone()).or_default();
        let input = case.input.trim_end_matches(".xml").trim_end_matches(".json");
        let Some(resource) = (if input.is_empty() { Some(&nothing) } else { inputs.get(input) }) else {
            counts.2 += 1;
            continue;
        };
        match run(&case, resource) {
            Ok(()) => counts.0 += 1,
            Err(found) => {
                counts.1 += 1;
                failures.push(format!("{}/{}: {} => {found}", case.group, case.name, case.expression));
            }
        }
    }
    let sum = |f: fn(&(usize, usize, usize)) -> usize| groups.values().map(f).sum::<usize>();
    for (group, (passed, failed, skipped)) in &groups {
        println!("{group}: {passed} passed, {failed} failed, {skipped} without input");
    }
    println!("failed:\n{}", failures.join("\n"));
    let passed = sum(|g| g.0);
    println!("fhirpath suite: {passed} passed, {} failed, {} without input", sum(|g| g.1), sum(|g| g.2));
    assert!(passed >= PASSED_MIN, "{passed} pass, at least {PASSED_MIN} did before");
}

fn run(case: &Case, resource: &Value<'_>) -> Result<(), String> {
    let context =
        Context { now: DateTime::parse("2026-11-22T09:00:00.000+09:00"), is_strict: true, ..Context::default() };
    let expression = match Expression::compile(&case.expression) {
        Ok(expression) => expression,
        Err(_) if !case.invalid.is_empty() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let items = match expression.evaluate(resource, &context) {
        Ok(items) => items,
        Err(_) if !case.invalid.is_empty() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let shown: Vec<String> = items.iter().map(|item| format!("{} {item}", item.type_name().1)).collect();
    if !case.invalid.is_empty() {
        return Err(format!("an error is expected, found {shown:?}"));
    }
    let is_right = if case.is_predicate {
        case.outputs.iter().all(|(_, text)| (text == "true") != items.is_empty())
    } else {
        items.len() == case.outputs.len()
            && items.iter().zip(&case.outputs).all(|(item, (kind, text))| is_same(item, kind, text))
    };
    if is_right { Ok(()) } else { Err(format!("{shown:?}")) }
}

fn is_same(item: &Item<'_>, kind: &str, text: &str) -> bool {
    let name = item.type_name().1;
    let is_kind = kind.is_empty() || name.eq_ignore_ascii_case(kind);
    let text = text.trim_start_matches('@');
    is_kind && item.to_string() == text.strip_prefix('T').filter(|_| name == "Time").unwrap_or(text)
        || matches!(item, Item::Decimal(_))
            && is_kind
            && item.to_string().trim_end_matches('0').trim_end_matches('.') == text
}

/// Reads the suite: it is regular enough for a small reader of tags and attributes.
fn cases(suite: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut group = String::new();
    let mut rest = suite;
    let mut current = Case::default();
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        if rest.starts_with("<!--") {
            rest = &rest[rest.find("-->").expect("comments end") + 3..];
            continue;
        }
        let end = tag_end(rest);
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let text = unescape(&rest[..rest.find('<').unwrap_or(0)]);
        let name = tag.split([' ', '\t', '\n', '/']).next().unwrap_or_default();
        match name {
            "group" => group = attribute(tag, "name"),
            "test" => {
                current = Case {
                    group: group.clone(),
                    name: attribute(tag, "name"),
                    input: attribute(tag, "inputfile"),
                    is_predicate: attribute(tag, "predicate") == "true",
                    ..Case::default()
                };
            }
            "expression" => {
                current.invalid = attribute(tag, "invalid");
                current.expression = text;
            }
            "output" => current.outputs.push((attribute(tag, "type"), text)),
            _ if tag == "/test" && !current.expression.is_empty() => cases.push(std::mem::take(&mut current)),
            _ => {}
        }
    }
    cases
}

/// The `>` that ends a tag, quotes respected.
fn tag_end(text: &str) -> usize {
    let mut in_quotes = false;
    let end = text.bytes().position(|byte| {
        in_quotes ^= byte == b'"';
        byte == b'>' && !in_quotes
    });
    end.expect("tags end")
}

fn attribute(tag: &str, name: &str) -> String {
    let start = tag.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3);
    start.map_or_else(String::new, |start| unescape(tag[start..].split('"').next().unwrap_or_default()))
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    plain.replace("&#39;", "'").replace("&amp;", "&")
}
