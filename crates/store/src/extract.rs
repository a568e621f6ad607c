//! From a resource to its index rows: what FHIR's search parameters give, in the form of the tables. Pure.
//!
//! Identity numbers are never among the rows, whatever system they are under: what has the form of a 주민등록번호 is left out.

use fhir::Value;
use fhir::reference::Target;
use fhir::search::{Component, IndexValue, Options, Selection, index};
use policy::InstitutionCode;

use crate::ids::Ids;
use crate::index::IndexRow;

/// Which index rows are made.
#[derive(Debug)]
pub struct Indexing<'a> {
    /// The search parameters wanted.
    pub selection: Selection,
    /// How values are read.
    pub options: Options,
    /// Identifier systems whose values never go into the index.
    pub hidden_systems: Vec<String>,
    /// Makes ids of what is referred to.
    pub ids: &'a Ids,
}

/// Most combinations that one instance of a composite parameter gives.
const COMBINATIONS_MAX: usize = 64;

/// The index rows of a resource. References to resources of the same institution become ids here.
#[must_use]
pub fn index_rows(resource: &Value<'_>, institution: &InstitutionCode, indexing: &Indexing<'_>) -> Vec<IndexRow> {
    let mut rows = Vec::new();
    index(resource, &indexing.selection, &indexing.options, &mut |parameter, value| {
        push(&mut rows, parameter.code, value, institution, indexing);
    });
    rows
}

fn push(
    rows: &mut Vec<IndexRow>,
    param: &'static str,
    value: IndexValue<'_>,
    institution: &InstitutionCode,
    indexing: &Indexing<'_>,
) {
    match value {
        IndexValue::Token { system, code, .. } => {
            let hidden = system.is_some_and(|system| indexing.hidden_systems.iter().any(|hidden| hidden == system));
            if !code.is_empty() && !hidden && !is_identity_number(code) {
                let system = system.unwrap_or_default().to_owned();
                rows.push(IndexRow::Token { param, system, code: code.to_owned() });
            }
        }
        IndexValue::String { normalised, .. } => {
            if !normalised.is_empty() && !is_identity_number(&normalised) {
                rows.push(IndexRow::String { param, value: normalised });
            }
        }
        IndexValue::Date(interval) => {
            rows.push(IndexRow::Date { param, low_us: interval.low_us, high_us: interval.high_us });
        }
        IndexValue::Reference(target) => rows.extend(reference(param, &target, institution, indexing.ids)),
        IndexValue::Quantity { value, number, system, code } => {
            let (low, high) = range(value, number);
            let (system, code) = (system.unwrap_or_default().to_owned(), code.unwrap_or_default().to_owned());
            rows.push(IndexRow::Quantity { param, low, high, system, code });
        }
        IndexValue::Number { value, number } => {
            let (low, high) = range(value, number);
            rows.push(IndexRow::Number { param, low, high });
        }
        IndexValue::Uri(value) => rows.push(IndexRow::Uri { param, value: value.to_owned() }),
        IndexValue::Composite(components) => composite(rows, param, &components, institution, indexing.ids),
    }
}

fn reference(param: &'static str, target: &Target<'_>, institution: &InstitutionCode, ids: &Ids) -> Option<IndexRow> {
    let (target_type, target) = target_text(target, institution, ids)?;
    Some(IndexRow::Reference { param, target_type, target })
}

/// Type and text of what a reference points to; `None` for what is inside the resource itself.
fn target_text(target: &Target<'_>, institution: &InstitutionCode, ids: &Ids) -> Option<(String, String)> {
    Some(match target {
        Target::Relative { kind, id, .. } => ((*kind).to_owned(), ids.resource(institution, kind, id).to_string()),
        Target::Absolute { url, resource } => (resource.map_or("", |(kind, _)| kind).to_owned(), (*url).to_owned()),
        Target::Conditional { kind, query } => ((*kind).to_owned(), format!("{kind}?{query}")),
        Target::Urn(text) | Target::Other(text) => (String::new(), (*text).to_owned()),
        Target::Contained(_) => return None,
    })
}

/// All combinations of the first two components: R4 has no composite with more than two that servers index.
fn composite(
    rows: &mut Vec<IndexRow>,
    param: &'static str,
    components: &[Component<'_>],
    institution: &InstitutionCode,
    ids: &Ids,
) {
    let [first, second, ..] = components else { return };
    let pairs = first.values.iter().flat_map(|a| second.values.iter().map(move |b| (a, b)));
    for (a, b) in pairs.take(COMBINATIONS_MAX) {
        let (a, b) = (part(a, institution, ids), part(b, institution, ids));
        rows.push(IndexRow::Composite { param, first: a.text, second: b.text, low: b.low, high: b.high });
    }
}

struct Part {
    text: String,
    low: f64,
    high: f64,
}

/// One component: tokens as `system|code`, quantities as their unit and range, dates as their range in microseconds.
fn part(value: &IndexValue<'_>, institution: &InstitutionCode, ids: &Ids) -> Part {
    let text = |text: String| Part { text, low: 0.0, high: 0.0 };
    match value {
        IndexValue::Token { system, code, .. } => text(format!("{}|{code}", system.unwrap_or_default())),
        IndexValue::String { normalised, .. } => text(normalised.clone()),
        IndexValue::Uri(value) => text((*value).to_owned()),
        IndexValue::Reference(target) => {
            text(target_text(target, institution, ids).map_or(String::new(), |(_, target)| target))
        }
        IndexValue::Date(interval) => {
            Part { text: String::new(), low: interval.low_us as f64, high: interval.high_us as f64 }
        }
        IndexValue::Quantity { value, number, system, code } => {
            let (low, high) = range(value, *number);
            Part { text: format!("{}|{}", system.unwrap_or_default(), code.unwrap_or_default()), low, high }
        }
        IndexValue::Number { value, number } => {
            let (low, high) = range(value, *number);
            Part { text: String::new(), low, high }
        }
        IndexValue::Composite(_) => text(String::new()),
    }
}

/// The range that a decimal covers by its precision: `1.50` stands for 1.495 to 1.505 (R4 section 3.1.1.4.2).
fn range(text: &str, number: f64) -> (f64, f64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let half = 0.5 * 10_f64.powi(exponent.saturating_sub(decimals));
    if number.is_finite() && half.is_finite() { (number - half, number + half) } else { (number, number) }
}

/// Whether a text has the form of a 주민등록번호 or 외국인등록번호: six digits that are a date, perhaps a dash, seven more.
fn is_identity_number(text: &str) -> bool {
    let bytes = text.trim().as_bytes();
    let (birth, rest) = match bytes.len() {
        13 => bytes.split_at(6),
        14 if bytes[6] == b'-' => (&bytes[..6], &bytes[7..]),
        _ => return false,
    };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let pair = |at: usize| (birth[at] - b'0') * 10 + (birth[at + 1] - b'0');
    digits(birth) && digits(rest) && (1..=12).contains(&pair(2)) && (1..=31).contains(&pair(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::{Limits, parse};

    const SECRET: [u8; 32] = [5; 32];

    fn rows(text: &str) -> Vec<IndexRow> {
        let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        let institution = InstitutionCode::new("11100001").expect("a code");
        let indexing = Indexing {
            selection: Selection::all(),
            options: Options::default(),
            hidden_systems: vec!["urn:hidden".to_owned()],
            ids: &Ids::under(&SECRET),
        };
        index_rows(&value, &institution, &indexing)
    }

    #[test]
    fn an_observation_is_found_by_each_kind_of_value() {
        let rows = rows(
            r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},
               "subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2020-01-02",
               "valueQuantity":{"value":13.50,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}"#,
        );
        let has = |wanted: &dyn Fn(&IndexRow) -> bool| assert!(rows.iter().any(wanted), "{rows:?}");
        has(
            &|row| matches!(row, IndexRow::Token { param: "code", system, code } if system == "http://loinc.org" && code == "718-7"),
        );
        has(
            &|row| matches!(row, IndexRow::Date { param: "date", low_us, high_us } if high_us - low_us == 86_399_999_999),
        );
        let institution = InstitutionCode::new("11100001").expect("a code");
        let encounter = Ids::under(&SECRET).resource(&institution, "Encounter", "e1").to_string();
        has(&|row| matches!(row, IndexRow::Reference { param: "encounter", target, .. } if *target == encounter));
        has(&|row| {
            matches!(row, IndexRow::Quantity { param: "value-quantity", low, high, code, .. }
                if (low - 13.495).abs() < 1e-9 && (high - 13.505).abs() < 1e-9 && code == "g/dL")
        });
        has(&|row| {
            matches!(row, IndexRow::Composite { param: "code-value-quantity", first, low, .. }
                if first == "http://loinc.org|718-7" && *low > 13.0)
        });
    }

    #[test]
    fn identity_numbers_are_left_out() {
        let rows = rows(
            r#"{"resourceType":"Patient","identifier":[{"system":"urn:chart","value":"C-1"},{"system":"urn:hidden","value":"secret"},
               {"system":"urn:other","value":"900101-1234567"},{"value":"9001011234567"}],"name":[{"text":"홍길동"}]}"#,
        );
        let text = format!("{rows:?}");
        assert!(text.contains("C-1") && text.contains("홍길동"), "{text}");
        assert!(!text.contains("secret") && !text.contains("1234567"), "{text}");
    }

    #[test]
    fn what_looks_like_an_identity_number() {
        assert!(is_identity_number("900101-1234567") && is_identity_number("9912319999999"));
        for other in ["", "9013011234567", "900101-123456", "9001001234567", "900101 1234567", "90010112345678"] {
            assert!(!is_identity_number(other), "{other}");
        }
    }

    #[test]
    fn ranges_follow_the_precision() {
        assert_eq!(range("100", 100.0), (99.5, 100.5));
        let (low, high) = range("1.5e2", 150.0);
        assert!((low - 145.0).abs() < 1e-9 && (high - 155.0).abs() < 1e-9);
        assert_eq!(range("x", f64::INFINITY), (f64::INFINITY, f64::INFINITY));
    }
}
