//! FHIR datatypes as the text that stands in a document. Figures, units and names stay as they were written; nothing is
//! converted, rounded or translated.

use crate::issue::content::Text;
use fhir::json::Value;

/// Labels of code systems by a part of their address. The first that fits wins.
const SYSTEMS: &[(&str, &str)] = &[
    ("kostat-kcd-9", "KCD-9"),
    ("kostat-kcd-8", "KCD-8"),
    ("kostat-kcd-7", "KCD-7"),
    ("kcd", "KCD"),
    ("hira-edi", "EDI"),
    ("kpis-kdcode", "KD"),
    ("snomed.info/sct", "SNOMED CT"),
    ("loinc.org", "LOINC"),
    ("rxnorm", "RxNorm"),
    ("sid/cvx", "CVX"),
    ("sid/icd-10-cm", "ICD-10-CM"),
    ("sid/icd-10", "ICD-10"),
    ("sid/icd-9", "ICD-9"),
];
/// Systems that Korean readers look for first when a concept has several codings.
const NATIONAL: &[&str] = &["KCD", "EDI", "KD"];

/// A FHIR date or time as `2019-03-05` or `2019-03-05 14:30`, in the time of day that was written.
pub(super) fn date(text: &str) -> String {
    match text.split_once('T') {
        Some((day, time)) if time.len() >= 5 && time.is_char_boundary(5) => format!("{day} {}", &time[..5]),
        _ => text.to_owned(),
    }
}

/// The day alone.
pub(super) fn day(text: &str) -> &str {
    text.split_once('T').map_or(text, |(day, _)| day)
}

/// The first of these members that is there, as a date; of a period its start.
pub(super) fn first_date(resource: &Value, members: &[&str]) -> String {
    for member in members {
        let Some(value) = resource.get(member) else { continue };
        let text = value.as_str().or_else(|| value.str("start")).or_else(|| value.str("end"));
        if let Some(text) = text {
            return date(text);
        }
    }
    String::new()
}

/// A CodeableConcept, Coding, Reference or plain text in words: text, else a display, else a code.
pub(super) fn words(value: &Value) -> String {
    if let Some(text) = value.primitive_text() {
        return text.to_owned();
    }
    if let Some(text) = value.str("text").filter(|text| !text.trim().is_empty()) {
        return text.to_owned();
    }
    let display = value.each("coding").find_map(|coding| coding.str("display"));
    display
        .or_else(|| value.str("display"))
        .or_else(|| best_coding(value).and_then(|coding| coding.str("code")))
        .or_else(|| value.str("code"))
        .unwrap_or_default()
        .to_owned()
}

/// The words of every item of a member, separated by commas.
pub(super) fn all_words(resource: &Value, member: &str) -> String {
    join(resource.each(member).map(words), ", ")
}

/// The coding to show: a national one where there is one, else the first.
pub(super) fn best_coding<'a, 'v>(concept: &'a Value<'v>) -> Option<&'a Value<'v>> {
    let national = |coding: &&Value| {
        coding.str("system").and_then(known_system).is_some_and(|label| NATIONAL.iter().any(|n| label.starts_with(n)))
    };
    concept.each("coding").find(national).or_else(|| concept.each("coding").next())
}

/// The code to show, or nothing.
pub(super) fn code(concept: &Value) -> String {
    best_coding(concept).and_then(|coding| coding.str("code")).unwrap_or_default().to_owned()
}

/// The code of a status concept: its first coding's code.
pub(super) fn status<'a>(resource: &'a Value, member: &str) -> &'a str {
    let Some(value) = resource.get(member) else { return "" };
    value.as_str().or_else(|| value.each("coding").find_map(|coding| coding.str("code"))).unwrap_or_default()
}

/// Code system and version of the coding shown: `KCD-8`, `KCD-9 2026`, `SNOMED CT`.
pub(super) fn system(concept: &Value) -> String {
    let Some(coding) = best_coding(concept) else { return String::new() };
    let label = coding.str("system").map_or("", |system| {
        known_system(system).unwrap_or_else(|| system.rsplit(['/', ':']).next().unwrap_or(system))
    });
    // `KCD-8` says its version already.
    let version = coding.str("version").filter(|version| !label.ends_with(&format!("-{version}"))).unwrap_or_default();
    join([label.to_owned(), version.to_owned()], " ")
}

/// What a code system is called on paper, where it is well known.
pub(super) fn known_system(system: &str) -> Option<&'static str> {
    SYSTEMS.iter().find(|(part, _)| system.contains(part)).map(|(_, label)| *label)
}

/// A Quantity, as `<= 5.5 mg/dL`.
pub(super) fn quantity(value: &Value) -> String {
    let figure = value.get("value").and_then(Value::primitive_text).unwrap_or_default();
    let unit = value.str("unit").or_else(|| value.str("code")).map_or("", printed);
    join([value.str("comparator").unwrap_or_default().to_owned(), figure.to_owned(), unit.to_owned()], " ")
}

/// How a unit is printed whose UCUM code was written; other units as they are.
fn printed(unit: &str) -> &str {
    match unit {
        "mm[Hg]" => "mmHg",
        "Cel" => "°C",
        "[degF]" => "°F",
        other => other,
    }
}

/// A Duration, with the unit in words where it is one of UCUM's for time.
pub(super) fn duration(value: &Value) -> Text {
    let figure = value.get("value").and_then(Value::primitive_text).unwrap_or_default();
    let code = value.str("code").or_else(|| value.str("unit")).unwrap_or_default();
    match Text::coded("unit", code) {
        Text::Word { word } => Text::Join { join: vec![figure.into(), Text::Word { word }] },
        _ => quantity(value).into(),
    }
}

/// A Range, as `3.5 – 5.1 mmol/L`.
pub(super) fn range(value: &Value) -> String {
    let bound = |member: &str| value.get(member).and_then(|b| b.get("value")).and_then(Value::primitive_text);
    let plain = |b: &&str| value.get(b).is_none_or(|b| b.get("comparator").is_none());
    let units = ["low", "high"].map(|b| value.get(b).and_then(|b| b.str("unit").or_else(|| b.str("code"))));
    if !["low", "high"].iter().all(plain) || units[0].is_some() && units[1].is_some() && units[0] != units[1] {
        let bound = |b: &str| value.get(b).map(quantity).unwrap_or_default();
        return format!("{} – {}", bound("low"), bound("high"));
    }
    let unit = ["high", "low"].iter().find_map(|b| value.get(b)?.str("unit")).map_or("", printed);
    match (bound("low"), bound("high")) {
        (Some(low), Some(high)) => join([format!("{low} – {high}"), unit.to_owned()], " "),
        (Some(low), None) => join([format!(">= {low}"), unit.to_owned()], " "),
        (None, Some(high)) => join([format!("<= {high}"), unit.to_owned()], " "),
        (None, None) => String::new(),
    }
}

/// A period, as `2019-03-05 – 2019-03-08`.
pub(super) fn period(value: &Value) -> String {
    let (start, end) = (value.str("start").map(date), value.str("end").map(date));
    match (start, end) {
        (Some(start), Some(end)) if start == end => start,
        (start, None) => start.unwrap_or_default(),
        (start, end) => format!("{} – {}", start.unwrap_or_default(), end.unwrap_or_default()),
    }
}

/// The member of an element with a choice of types, with its name.
pub(super) fn chosen<'x, 'v>(resource: &'x Value<'v>, stem: &str) -> Option<(&'x str, &'x Value<'v>)> {
    let members = resource.members().iter().map(|(name, value)| (&**name, value));
    members.into_iter().find(|(name, _)| {
        name.strip_prefix(stem).is_some_and(|kind| kind.starts_with(|first: char| first.is_ascii_uppercase()))
    })
}

/// The value of an element with a choice of types, such as `value[x]`.
pub(super) fn choice(resource: &Value, stem: &str) -> Text {
    let Some((name, value)) = chosen(resource, stem) else { return Text::default() };
    match &name[stem.len()..] {
        "Quantity" | "Age" | "Duration" | "SimpleQuantity" => quantity(value).into(),
        "Boolean" => Text::coded("boolean", value.primitive_text().unwrap_or_default()),
        "Range" => range(value).into(),
        "Period" => period(value).into(),
        "DateTime" | "Date" | "Instant" => value.as_str().map(date).unwrap_or_default().into(),
        "Ratio" => {
            let part = |member: &str| value.get(member).map(quantity).unwrap_or_default();
            format!("{} : {}", part("numerator"), part("denominator")).into()
        }
        "SampledData" => Text::word("value.sampled"),
        "Attachment" => value.str("title").unwrap_or_default().into(),
        "Money" => money(value).into(),
        _ => words(value).into(),
    }
}

/// A HumanName, in which nothing hides: what was deposited stays as it is, and nobody is shown one name for another.
pub(super) fn name(value: &Value) -> String {
    base::hidden::seen(&whole_name(value)).into_owned()
}

fn whole_name(value: &Value) -> String {
    if let Some(text) = value.str("text") {
        return text.to_owned();
    }
    let part = |member: &str| join(value.each(member).filter_map(Value::as_str).map(str::to_owned), " ");
    let (family, given) = (value.str("family").unwrap_or_default().to_owned(), part("given"));
    // Korean names are written family first and without a space.
    if family.chars().chain(given.chars()).any(|c| ('가'..='힣').contains(&c)) {
        return family + &given;
    }
    join([part("prefix"), given, family, part("suffix")], " ")
}

/// The first name of a person, or nothing.
pub(super) fn first_name(resource: &Value) -> String {
    let official = resource.each("name").find(|name| name.str("use") == Some("official"));
    official.or_else(|| resource.each("name").next()).map(name).unwrap_or_default()
}

/// An Address on one line.
pub(super) fn address(value: &Value) -> String {
    if let Some(text) = value.str("text") {
        return text.to_owned();
    }
    let lines = value.each("line").filter_map(Value::as_str).map(str::to_owned);
    let rest = ["city", "district", "state", "postalCode", "country"]
        .iter()
        .filter_map(|member| value.str(member))
        .map(str::to_owned);
    join(lines.chain(rest), ", ")
}

/// A Money, as `₩12,300` is written in records: figure and currency.
pub(super) fn money(value: &Value) -> String {
    let figure = value.get("value").and_then(Value::primitive_text).unwrap_or_default();
    join([thousands(figure), value.str("currency").unwrap_or_default().to_owned()], " ")
}

/// `1234567.5` as `1,234,567.5`; other texts as they are.
fn thousands(figure: &str) -> String {
    let (whole, rest) = figure.split_at(figure.find('.').unwrap_or(figure.len()));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return figure.to_owned();
    }
    let mut text = String::from(if whole.starts_with('-') { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// A Dosage in words: its text, or dose, times and duration as they are coded.
pub(super) fn dosage(value: &Value) -> Text {
    if let Some(text) = value.str("text") {
        return text.into();
    }
    let mut parts = Vec::new();
    let dose = value.each("doseAndRate").next();
    if let Some(dose) = dose.and_then(|d| d.get("doseQuantity")) {
        parts.push(quantity(dose).into());
    }
    if let Some(repeat) = value.get("timing").and_then(|timing| timing.get("repeat")) {
        let figure = |member: &str| repeat.get(member).and_then(Value::primitive_text).unwrap_or("1").to_owned();
        if repeat.get("frequency").is_some() {
            let unit = Text::coded("unit", repeat.str("periodUnit").unwrap_or("d"));
            parts.push(Text::Join {
                join: vec![format!("{} ×", figure("frequency")).into(), "/".into(), figure("period").into(), unit],
            });
        }
    }
    if let Some(timing) = value.get("timing").and_then(|timing| timing.get("code")) {
        parts.push(words(timing).into());
    }
    if value.get("asNeededBoolean").and_then(Value::as_bool) == Some(true) {
        parts.push(Text::word("dosage.as-needed"));
    }
    if let Some(route) = value.get("route") {
        parts.push(words(route).into());
    }
    Text::Join { join: parts }
}

/// The texts of annotations (`note`) and of a narrative-like member.
pub(super) fn notes(resource: &Value) -> Vec<Text> {
    resource.each("note").filter_map(|note| note.str("text").or_else(|| note.as_str())).map(Text::from).collect()
}

/// XHTML narrative as plain text: tags away, block ends as line ends, the five entities resolved. Never parsed as a document.
pub(super) fn strip_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            rest = "";
            break;
        };
        let tag = rest[open + 1..open + close].trim_start_matches('/').to_ascii_lowercase();
        if ["br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4"].iter().any(|block| {
            tag.strip_prefix(block).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        }) {
            text.push('\n');
        } else if tag.starts_with("td") || tag.starts_with("th") {
            text.push(' ');
        }
        rest = &rest[open + close + 1..];
    }
    text.push_str(rest);
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    let lines = text.replace("&nbsp;", " ").replace("&amp;", "&");
    join(lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")), "\n")
}

/// The non-empty parts with `between` between them.
pub(super) fn join(parts: impl IntoIterator<Item = String>, between: &str) -> String {
    let mut text = String::new();
    for part in parts {
        if part.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(&part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::{Limits, parse};

    fn json(text: &str) -> Value<'_> {
        parse(text.as_bytes(), &Limits::default()).expect("test JSON is valid")
    }

    #[test]
    fn dates_keep_the_time_of_day_that_was_written() {
        assert_eq!(date("2019-03-05T14:30:59+09:00"), "2019-03-05 14:30");
        assert_eq!(date("2019-03"), "2019-03");
        assert_eq!(date("2019-03-05T1"), "2019-03-05T1");
        assert_eq!(period(&json(r#"{"start":"2019-03-05","end":"2019-03-05"}"#)), "2019-03-05");
        assert_eq!(period(&json(r#"{"start":"2019-03-05","end":"2019-03-08"}"#)), "2019-03-05 – 2019-03-08");
    }

    #[test]
    fn national_codes_come_first_and_keep_their_version() {
        let concept = json(
            r#"{"coding":[{"system":"http://snomed.info/sct","code":"1","display":"x"},
                {"system":"http://www.hl7korea.or.kr/CodeSystem/kostat-kcd-8","version":"2021","code":"N20.1"}]}"#,
        );
        assert_eq!(code(&concept), "N20.1");
        assert_eq!(system(&concept), "KCD-8 2021");
        assert_eq!(words(&concept), "x");
        let same = json(
            r#"{"coding":[{"system":"http://www.hl7korea.or.kr/CodeSystem/kostat-kcd-8","version":"8","code":"I10"}]}"#,
        );
        assert_eq!(system(&same), "KCD-8");
    }

    #[test]
    fn figures_stay_as_written() {
        assert_eq!(quantity(&json(r#"{"value":5.50,"unit":"mg/dL","comparator":"<"}"#)), "< 5.50 mg/dL");
        assert_eq!(quantity(&json(r#"{"value":120,"unit":"mm[Hg]"}"#)), "120 mmHg");
        assert_eq!(range(&json(r#"{"low":{"value":3.50},"high":{"value":5.1,"unit":"mmol/L"}}"#)), "3.50 – 5.1 mmol/L");
        assert_eq!(money(&json(r#"{"value":1234567.5,"currency":"KRW"}"#)), "1,234,567.5 KRW");
        assert_eq!(thousands("-1234"), "-1,234");
        assert_eq!(thousands("1e5"), "1e5");
        assert_eq!(choice(&json(r#"{"valueBoolean":true}"#), "value"), Text::word("boolean.true"));
        assert_eq!(choice(&json(r#"{"valueset":1}"#), "value"), Text::default());
    }

    #[test]
    fn names_follow_their_language() {
        assert_eq!(name(&json(r#"{"family":"홍","given":["길동"]}"#)), "홍길동");
        assert_eq!(name(&json(r#"{"family":"Doe","given":["Jane","Q"],"prefix":["Dr."]}"#)), "Dr. Jane Q Doe");
        assert_eq!(name(&json("{\"text\":\"\u{202e}동길홍\"}")), "\u{fffd}동길홍", "it is not to be read as 홍길동");
    }

    #[test]
    fn narratives_lose_their_tags() {
        assert_eq!(strip_tags("<div>a<br/>b &amp;lt; c<ul><li>d</li></ul></div>"), "a\nb &lt; c\nd");
        assert_eq!(strip_tags("a <unclosed"), "a");
    }
}
