//! The text of a FHIR reference and what it points to (R4 section 2.3.0). Nothing is fetched or resolved here.

/// What a reference text points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// `Patient/1` or `Patient/1/_history/2`: a resource beside this one.
    Relative {
        /// Resource type.
        kind: &'a str,
        /// Logical id.
        id: &'a str,
        /// Version, when the reference names one.
        version: Option<&'a str>,
    },
    /// `https://host/fhir/Patient/1`: type and id are given when the address ends so.
    Absolute {
        /// The whole text.
        url: &'a str,
        /// Resource type and logical id at its end.
        resource: Option<(&'a str, &'a str)>,
    },
    /// `urn:uuid:…` or `urn:oid:…`: another entry of the same bundle.
    Urn(&'a str),
    /// `#name`: a resource contained in this one (empty for this one itself).
    Contained(&'a str),
    /// `Patient?identifier=…`: to be found by a search.
    Conditional {
        /// Resource type.
        kind: &'a str,
        /// The search after the question mark.
        query: &'a str,
    },
    /// Something else, which is not a valid reference.
    Other(&'a str),
}

impl<'a> Target<'a> {
    /// Reads a reference text.
    pub fn parse(text: &'a str) -> Self {
        if let Some(name) = text.strip_prefix('#') {
            return Target::Contained(name);
        }
        if text.starts_with("urn:") {
            return Target::Urn(text);
        }
        if let Some((kind, query)) = text.split_once('?')
            && is_type_name(kind)
        {
            return Target::Conditional { kind, query };
        }
        if text.contains("://") {
            let base = text.split_once("/_history/").map_or(text, |(base, _)| base);
            let mut parts = base.rsplit('/');
            let resource = match (parts.next(), parts.next()) {
                (Some(id), Some(kind)) if is_type_name(kind) && is_id(id) => Some((kind, id)),
                _ => None,
            };
            return Target::Absolute { url: text, resource };
        }
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(id), None, ..) if is_type_name(kind) && is_id(id) => {
                Target::Relative { kind, id, version: None }
            }
            (Some(kind), Some(id), Some("_history"), Some(version), None) if is_type_name(kind) && is_id(id) => {
                Target::Relative { kind, id, version: Some(version) }
            }
            _ => Target::Other(text),
        }
    }

    /// The resource type, when the text tells it.
    pub fn kind(&self) -> Option<&'a str> {
        match self {
            Target::Relative { kind, .. } | Target::Conditional { kind, .. } => Some(kind),
            Target::Absolute { resource: Some((kind, _)), .. } => Some(kind),
            _ => None,
        }
    }
}

/// Gives the text of every reference in the JSON of a resource, in order, without parsing it: a member `reference` that is a text.
/// Inside a JSON text quotes stand escaped, so nothing that a text says is taken for a member. JSON that is cut off gives what is
/// whole of it.
pub fn each_text(json: &str, give: &mut dyn FnMut(&str)) {
    const MEMBER: &str = "\"reference\"";
    let mut rest = json;
    while let Some(at) = rest.find(MEMBER) {
        rest = &rest[at + MEMBER.len()..];
        let value = rest.trim_start_matches(WHITE).strip_prefix(':').map(|value| value.trim_start_matches(WHITE));
        let Some(text) = value.and_then(|value| value.strip_prefix('"')) else { continue };
        let Some(end) = end_of_text(text) else { return };
        match &text[..end] {
            plain if !plain.contains('\\') => give(plain),
            // Some writers escape each slash.
            escaped => give(&escaped.replace("\\/", "/")),
        }
        rest = &text[end + 1..];
    }
}

/// White space of JSON (RFC 8259 section 2).
const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Where a JSON text ends that has begun: at the first quote that is not escaped.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Whether a text is a valid resource id: 1 to 64 of `A-Z a-z 0-9 - .`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn is_type_name(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_uppercase) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(json: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_text(json, &mut |text| found.push(text.to_owned()));
        found
    }

    #[test]
    fn texts_are_found_without_parsing() {
        let json = r#"{"subject":{"reference":"Patient/1"},"note":"\"reference\":\"Patient/2\"","a":{"reference" :
            "Encounter\/3","display":"\\"},"b":{"reference":{"reference":"Device/4"}},"reference":null}"#;
        assert_eq!(texts(json), ["Patient/1", "Encounter/3", "Device/4"]);
        assert_eq!(texts(r#"{"reference":"Patient/1"#), [] as [&str; 0], "cut off");
    }

    proptest! {
        #[test]
        fn texts_are_those_that_parsing_finds(names in prop::collection::vec("[a-z\"\\\\/:]{0,6}", 0..6)) {
            let parts: Vec<_> = names.iter().map(|name| serde_json::json!({"reference": name, (name.clone()): name})).collect();
            let unescaped: Vec<&String> = names.iter().filter(|name| !name.contains(['"', '\\'])).collect();
            let found = texts(&serde_json::Value::from(parts).to_string());
            prop_assert!(unescaped.iter().all(|name| found.contains(name)), "{found:?}");
            prop_assert_eq!(found.len(), names.len());
        }

        #[test]
        fn no_text_makes_it_panic(json in ".{0,80}") {
            texts(&format!("\"reference\":\"{json}"));
        }
    }

    #[test]
    fn reads_every_form() {
        use Target::*;
        let relative = |version| Relative { kind: "Patient", id: "a-1", version };
        let absolute = |url, resource| Absolute { url, resource };
        let cases = [
            ("Patient/a-1", relative(None)),
            ("Patient/a-1/_history/2", relative(Some("2"))),
            ("https://h/fhir/Patient/a-1", absolute("https://h/fhir/Patient/a-1", Some(("Patient", "a-1")))),
            ("https://h/x", absolute("https://h/x", None)),
            ("urn:uuid:0", Urn("urn:uuid:0")),
            ("#p", Contained("p")),
            ("Patient?identifier=s|v", Conditional { kind: "Patient", query: "identifier=s|v" }),
            ("patient/a", Other("patient/a")),
            ("Patient/a b", Other("Patient/a b")),
            ("", Other("")),
        ];
        for (text, expected) in cases {
            assert_eq!(Target::parse(text), expected, "{text}");
        }
    }
}
