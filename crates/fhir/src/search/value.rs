//! FHIR elements turned into index values (R4 section 3.1.1.4 and the table of datatypes there). Knows types, not parameters.

use super::ParameterKind;
use crate::date::{DateTime, Interval};
use crate::json::Value;
use crate::reference::Target;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How values are read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Zone of dates without one, in minutes east of UTC.
    pub zone_minutes: i16,
}

/// Korea, UTC+9 the year round.
impl Default for Options {
    fn default() -> Self {
        Self { zone_minutes: 540 }
    }
}

/// A value as an index wants it.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexValue<'v> {
    /// A code, identifier, flag or contact point.
    Token {
        /// Code system or identifier system.
        system: Option<&'v str>,
        /// The code or value; empty when only a text is there.
        code: &'v str,
        /// Display or text.
        text: Option<&'v str>,
    },
    /// A text.
    String {
        /// Normalised for search, see `normalise`.
        normalised: String,
        /// As written.
        exact: &'v str,
    },
    /// A point or span of time.
    Date(Interval),
    /// A reference.
    Reference(Target<'v>),
    /// A measured amount.
    Quantity {
        /// Decimal text as written.
        value: &'v str,
        /// Nearest binary number.
        number: f64,
        /// Unit system.
        system: Option<&'v str>,
        /// Unit code, or the unit as people read it.
        code: Option<&'v str>,
    },
    /// A number.
    Number {
        /// Decimal text as written.
        value: &'v str,
        /// Nearest binary number.
        number: f64,
    },
    /// An address or canonical.
    Uri(&'v str),
    /// One instance of a composite: the values of its components.
    Composite(Vec<Component<'v>>),
}

/// One component of a composite.
#[derive(Clone, Debug, PartialEq)]
pub struct Component<'v> {
    /// Code of the parameter that defines it.
    pub code: &'static str,
    /// Its values, at least one.
    pub values: Vec<IndexValue<'v>>,
}

/// The form in which texts are searched (R4 section 3.1.1.4.8): Unicode NFC, lower case, without accents, runs of white space made one
/// space, none at the ends.
pub fn normalise(text: &str) -> String {
    if text.chars().all(has_no_accent) {
        return fold(text.chars(), text.len());
    }
    let plain: String = text.nfd().filter(|c| !is_accent(*c)).nfc().collect();
    fold(plain.chars(), plain.len())
}

/// The same with accents kept, as FHIRPath's `~` compares.
pub(crate) fn fold_case(text: &str) -> String {
    fold(text.nfc(), text.len())
}

fn fold(letters: impl Iterator<Item = char>, length: usize) -> String {
    let mut out = String::with_capacity(length);
    let mut gap = false;
    for c in letters {
        if c.is_whitespace() {
            gap = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        if c.is_ascii() { out.push(c.to_ascii_lowercase()) } else { out.extend(c.to_lowercase()) }
    }
    out
}

/// ASCII, composed Hangul and Chinese characters need no decomposition, and nearly all texts have nothing else.
fn has_no_accent(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{4e00}'..='\u{9fff}')
}

/// Marks that modify a letter, except the Japanese voicing marks, which make another letter.
fn is_accent(c: char) -> bool {
    is_combining_mark(c) && !matches!(c, '\u{3099}' | '\u{309a}')
}

/// Whether a parameter of that kind can take values from elements of the FHIR type.
pub(super) fn takes(kind: ParameterKind, type_name: &str) -> bool {
    use ParameterKind::*;
    match kind {
        Token => matches!(
            type_name,
            "Coding"
                | "CodeableConcept"
                | "Identifier"
                | "ContactPoint"
                | "code"
                | "boolean"
                | "string"
                | "id"
                | "uri"
                | "oid"
                | "canonical"
                | "url"
                | "uuid"
                | "integer"
        ),
        String => matches!(
            type_name,
            "string" | "markdown" | "HumanName" | "Address" | "code" | "id" | "CodeableConcept" | "uri"
        ),
        Date => matches!(type_name, "date" | "dateTime" | "instant" | "Period" | "Timing"),
        Reference => matches!(type_name, "Reference" | "canonical" | "uri" | "url"),
        Quantity => matches!(
            type_name,
            "Quantity" | "Age" | "Duration" | "Distance" | "Count" | "Money" | "Range" | "SampledData"
        ),
        Number => matches!(type_name, "integer" | "decimal" | "positiveInt" | "unsignedInt" | "Range" | "Quantity"),
        Uri => matches!(type_name, "uri" | "url" | "canonical" | "oid" | "uuid"),
        Composite | Special => false,
    }
}

/// Gives the index values of an element of the FHIR type.
pub(super) fn extract<'v>(
    kind: ParameterKind,
    type_name: &str,
    value: &'v Value<'_>,
    options: &Options,
    out: &mut dyn FnMut(IndexValue<'v>),
) {
    match kind {
        ParameterKind::Token => token(type_name, value, out),
        ParameterKind::String => string(type_name, value, out),
        ParameterKind::Date => date(value, options).into_iter().for_each(|interval| out(IndexValue::Date(interval))),
        ParameterKind::Reference => reference(type_name, value, out),
        ParameterKind::Quantity => quantity(type_name, value, out),
        ParameterKind::Number => number(value, out),
        ParameterKind::Uri => value.as_str().into_iter().for_each(|text| out(IndexValue::Uri(text))),
        ParameterKind::Composite | ParameterKind::Special => {}
    }
}

fn token<'v>(type_name: &str, value: &'v Value<'_>, out: &mut dyn FnMut(IndexValue<'v>)) {
    let mut put = |system, code, text| out(IndexValue::Token { system, code, text });
    match type_name {
        "Coding" => coding(value, &mut put),
        "CodeableConcept" => {
            for item in value.each("coding") {
                coding(item, &mut put);
            }
            if let Some(text) = value.str("text") {
                put(None, "", Some(text));
            }
        }
        "Identifier" => {
            if let Some(code) = value.str("value") {
                put(value.str("system"), code, value.get("type").and_then(|t| t.str("text")));
            }
        }
        "ContactPoint" => {
            if let Some(code) = value.str("value") {
                put(value.str("system"), code, None);
            }
        }
        _ => {
            if let Some(code) = value.primitive_text() {
                put(None, code, None);
            }
        }
    }
}

fn coding<'v>(value: &'v Value<'_>, put: &mut dyn FnMut(Option<&'v str>, &'v str, Option<&'v str>)) {
    if let Some(code) = value.str("code") {
        put(value.str("system"), code, value.str("display"));
    }
}

fn string<'v>(type_name: &str, value: &'v Value<'_>, out: &mut dyn FnMut(IndexValue<'v>)) {
    let mut put = |exact: &'v str| out(IndexValue::String { normalised: normalise(exact), exact });
    let parts: &[&str] = match type_name {
        "HumanName" => &["text", "family", "given", "prefix", "suffix"],
        "Address" => &["text", "line", "city", "district", "state", "postalCode", "country"],
        "CodeableConcept" => {
            value.each("coding").filter_map(|c| c.str("display")).for_each(&mut put);
            &["text"]
        }
        _ => return value.as_str().into_iter().for_each(put),
    };
    for part in parts {
        value.each(part).filter_map(Value::as_str).for_each(&mut put);
    }
}

/// The span of a date, dateTime, instant, Period or Timing (from its first to its last event or bound).
pub(super) fn date(value: &Value<'_>, options: &Options) -> Option<Interval> {
    let of_text = |text: &str| Some(DateTime::parse(text)?.interval(options.zone_minutes));
    match value {
        Value::String(text) => of_text(text),
        Value::Object(_) => {
            let start = value.str("start").map(of_text);
            let end = value.str("end").map(of_text);
            if start.is_some() || end.is_some() {
                let low_us = start.map_or(Some(Interval::BEGIN_US), |s| s.map(|i| i.low_us))?;
                let high_us = end.map_or(Some(Interval::END_US), |e| e.map(|i| i.high_us))?;
                // An end before the start is a slip. The record is found by its start; a span without any moment in it would
                // hide it from every search for days.
                return start.flatten().filter(|_| high_us < low_us).or(Some(Interval { low_us, high_us }));
            }
            let bounds = value.at("repeat.boundsPeriod").and_then(|period| date(period, options));
            let events = value.each("event").filter_map(Value::as_str).filter_map(of_text);
            let join = |a: Interval, b: Interval| Interval {
                low_us: a.low_us.min(b.low_us),
                high_us: a.high_us.max(b.high_us),
            };
            events.chain(bounds).reduce(join)
        }
        _ => None,
    }
}

fn reference<'v>(type_name: &str, value: &'v Value<'_>, out: &mut dyn FnMut(IndexValue<'v>)) {
    let text = if type_name == "Reference" { value.str("reference") } else { value.as_str() };
    let Some(text) = text else { return };
    match Target::parse(text) {
        Target::Contained(_) => {}
        // A canonical need not look like the address of a resource.
        Target::Other(url) if type_name != "Reference" => {
            out(IndexValue::Reference(Target::Absolute { url, resource: None }))
        }
        target => out(IndexValue::Reference(target)),
    }
}

fn quantity<'v>(type_name: &str, value: &'v Value<'_>, out: &mut dyn FnMut(IndexValue<'v>)) {
    match type_name {
        "Range" => {
            for end in ["low", "high"] {
                value.get(end).into_iter().for_each(|part| quantity("Quantity", part, out));
            }
            return;
        }
        "SampledData" => return value.get("origin").into_iter().for_each(|part| quantity("Quantity", part, out)),
        _ => {}
    }
    let Some(Value::Number(text)) = value.get("value") else { return };
    let number = text.parse().unwrap_or(f64::NAN);
    let (system, code) = match value.str("currency") {
        Some(currency) => (Some("urn:iso:std:iso:4217"), Some(currency)),
        None => (value.str("system"), value.str("code").or_else(|| value.str("unit"))),
    };
    out(IndexValue::Quantity { value: text, number, system, code });
}

fn number<'v>(value: &'v Value<'_>, out: &mut dyn FnMut(IndexValue<'v>)) {
    match value {
        Value::Number(text) => out(IndexValue::Number { value: text, number: text.parse().unwrap_or(f64::NAN) }),
        Value::Object(_) => {
            for part in ["low", "high"].iter().filter_map(|end| value.get(end)).chain([value]) {
                part.get("value").into_iter().for_each(|v| number(v, out));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn values(kind: ParameterKind, type_name: &str, text: &str) -> String {
        let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        let mut out = Vec::new();
        extract(kind, type_name, &value, &Options::default(), &mut |value| out.push(format!("{value:?}")));
        out.join("\n")
    }

    #[test]
    fn texts_are_normalised() {
        assert_eq!(normalise("  Hong \t GIL-Dong "), "hong gil-dong");
        assert_eq!(normalise("\u{1112}\u{1169}\u{11bc}"), "홍");
        assert_eq!(normalise("ÉCOLE"), "ecole");
        assert_eq!(normalise("ガ"), "ガ");
        assert_eq!(fold_case("E\u{301}COLE "), "école");
    }

    #[test]
    fn spans_of_time() {
        let span = |text: &str| {
            let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
            date(&value, &Options::default()).map(|i| (i.low_us, i.high_us))
        };
        let day = 86_400_000_000;
        let nine = 9 * 3_600_000_000;
        assert_eq!(span("\"1970-01-02\""), Some((day - nine, 2 * day - nine - 1)));
        assert_eq!(span(r#"{"start":"1970-01-01","end":"1970-01-02"}"#), Some((-nine, 2 * day - nine - 1)));
        assert_eq!(span(r#"{"start":"1970-01-02","end":"1969"}"#), span("\"1970-01-02\""));
        assert_eq!(span(r#"{"start":"1970-01-01"}"#), Some((-nine, Interval::END_US)));
        assert_eq!(span(r#"{"event":["1970-01-03","1970-01-01"]}"#), Some((-nine, 3 * day - nine - 1)));
        assert_eq!(span("\"soon\""), None);
    }

    #[test]
    fn values_by_type() {
        use ParameterKind::*;
        let concept = r#"{"coding":[{"system":"s","code":"c","display":"d"},{"display":"only"}],"text":"t"}"#;
        assert_eq!(
            values(Token, "CodeableConcept", concept),
            "Token { system: Some(\"s\"), code: \"c\", text: Some(\"d\") }\nToken { system: None, code: \"\", text: Some(\"t\") }"
        );
        assert_eq!(values(Token, "boolean", "true"), "Token { system: None, code: \"true\", text: None }");
        assert_eq!(values(String, "HumanName", r#"{"family":"Hong","given":["Gil","Dong"]}"#).lines().count(), 3);
        assert_eq!(values(Reference, "Reference", r##"{"reference":"#x"}"##), "");
        assert!(values(Quantity, "Quantity", r#"{"value":1.50,"unit":"kg"}"#).contains("value: \"1.50\", number: 1.5"));
        assert!(values(Quantity, "Money", r#"{"value":1000,"currency":"KRW"}"#).contains("KRW"));
        assert_eq!(values(Number, "Range", r#"{"low":{"value":1},"high":{"value":2}}"#).lines().count(), 2);
        assert_eq!(values(Uri, "uri", "\"http://x\""), "Uri(\"http://x\")");
    }
}
