//! What a deposit and an issue must read alike in a resource: which members are attachments, and which identifiers are secret.
//! Both sides ask here, so that nothing is taken that is never handed out, and nothing is printed that is kept hidden.

use fhir::json::Value;

/// Identifier systems of numbers that stand in no index in clear: resident registration, and what stands for it when records of
/// another system are tried out.
pub const NATIONAL_SYSTEMS: [&str; 2] = ["https://mois.go.kr/rrn", "urn:hanmaru:demo-national-number"];
/// Types of such numbers (HL7 v2 table 0203): national numbers, passport, driver's licence, social security.
const SECRET_TYPES: [&str; 6] = ["NNKOR", "NI", "NN", "PPN", "DL", "SS"];
/// What addresses of other systems of such numbers have in them.
const SECRET_SYSTEMS: [&str; 3] = ["rrn", "us-ssn", "passport"];
/// Members that hold an Attachment where R4 has them (definitions of the resources): in all other places of these names stand
/// texts or objects without an address and without data. Besides these every choice of types ends with `Attachment`.
const ATTACHMENTS: [&str; 8] =
    ["attachment", "content", "document", "form", "image", "photo", "presentedForm", "sequenceAttachment"];

/// Whether an identifier is a number that opens too many doors to be searched for in clear or printed.
pub(crate) fn is_secret(identifier: &Value<'_>) -> bool {
    let system = identifier.str("system").unwrap_or_default();
    let has_code = |kind: &Value<'_>| {
        kind.each("coding").any(|coding| coding.str("code").is_some_and(|code| SECRET_TYPES.contains(&code)))
    };
    NATIONAL_SYSTEMS.contains(&system)
        || SECRET_SYSTEMS.iter().any(|part| system.contains(part))
        || identifier.get("type").is_some_and(has_code)
}

/// Every Attachment of a resource that has an address or data, wherever it stands, in the order of its members.
pub(crate) fn attachments<'x, 'v>(resource: &'x Value<'v>) -> Vec<&'x Value<'v>> {
    let mut found = Vec::new();
    collect(resource, &mut found);
    found
}

fn collect<'x, 'v>(value: &'x Value<'v>, found: &mut Vec<&'x Value<'v>>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Object(_) | Value::Array(_) if is_attachment_name(name) => {
                        for item in member.items() {
                            if item.str("url").is_some() || item.str("data").is_some() {
                                found.push(item);
                            } else {
                                collect(item, found);
                            }
                        }
                    }
                    Value::Object(_) | Value::Array(_) => collect(member, found),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

fn is_attachment_name(name: &str) -> bool {
    ATTACHMENTS.contains(&name) || name.ends_with("Attachment")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::{Limits, parse};
    use fhir::tables::tables;

    fn urls(text: &str) -> Vec<String> {
        let value = parse(text.as_bytes(), &Limits::default()).expect("test JSON is valid");
        attachments(&value).into_iter().filter_map(|found| found.str("url").map(str::to_owned)).collect()
    }

    #[test]
    fn attachments_are_found_wherever_they_stand() {
        assert_eq!(
            urls(r#"{"content":[{"attachment":{"url":"a"}},{"attachment":{"url":"b"},"format":{"code":"x"}}]}"#),
            ["a", "b"]
        );
        assert_eq!(urls(r#"{"presentedForm":[{"url":"a"}],"media":[{"link":{"display":"x"}}]}"#), ["a"]);
        assert_eq!(urls(r#"{"content":{"url":"a"},"photo":[{"url":"p"}]}"#), ["a", "p"]);
        assert_eq!(
            urls(
                r#"{"item":[{"answer":[{"valueAttachment":{"url":"a"},"item":[{"answer":[{"valueAttachment":{"url":"b"}}]}]}]}]}"#
            ),
            ["a", "b"]
        );
        assert_eq!(
            urls(
                r#"{"contained":[{"resourceType":"Media","content":{"url":"a"}}],"extension":[{"url":"u","valueString":"x"}]}"#
            ),
            ["a"]
        );
        assert_eq!(
            urls(r#"{"extension":[{"url":"u","valueAttachment":{"url":"a"}}],"payload":[{"contentString":"x"}]}"#),
            ["a"]
        );
    }

    #[test]
    fn every_attachment_of_the_element_tables_is_known_by_its_name() {
        let attachment = tables().find("Attachment").expect("R4 has it");
        let mut seen = 0;
        for (_, kind) in tables().all() {
            for element in kind.elements.iter().filter(|element| element.types.contains(&attachment)) {
                let name =
                    if element.is_choice { format!("{}Attachment", element.name) } else { element.name.to_owned() };
                assert!(is_attachment_name(&name), "{}.{name}", kind.name);
                seen += 1;
            }
        }
        assert!(seen > 30, "only {seen} elements were found: the way of looking is wrong");
    }

    #[test]
    fn secret_numbers_are_known_by_system_or_type() {
        let is = |text: &str| is_secret(&parse(text.as_bytes(), &Limits::default()).expect("test JSON is valid"));
        for kind in SECRET_TYPES {
            assert!(is(&format!(r#"{{"type":{{"coding":[{{"code":"{kind}"}}]}},"value":"1"}}"#)), "{kind}");
        }
        assert!(is(r#"{"system":"https://mois.go.kr/rrn","value":"1"}"#));
        assert!(is(r#"{"system":"http://hl7.org/fhir/sid/us-ssn","value":"1"}"#));
        assert!(!is(r#"{"system":"urn:chart","type":{"coding":[{"code":"MR"}]},"value":"1"}"#));
    }
}
