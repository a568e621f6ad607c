//! A FHIR resource: its parsed JSON together with the bytes it came in, which are what is stored and signed. Not validated here.

use crate::json::{self, JsonError, Limits, Value};
use crate::path::Path;
use std::borrow::Cow;

/// A resource and its original bytes.
#[derive(Clone)]
pub struct Resource<'a> {
    bytes: Cow<'a, [u8]>,
    json: Value<'a>,
}

/// Why bytes are not a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Not acceptable JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but not an object.
    #[error("a resource must be a JSON object")]
    NotAnObject,
    /// An object without a text at `resourceType`.
    #[error("a resource must name its resourceType")]
    NoType,
}

/// A reference found in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundReference<'a> {
    /// The text: `Patient/1`, `urn:uuid:…`, `#contained`.
    pub reference: &'a str,
    /// `Observation.subject`.
    pub path: String,
}

impl<'a> Resource<'a> {
    /// Parses a resource. Whether the type exists in R4 is a question for `validate`.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, ResourceError> {
        let json = json::parse(bytes, limits)?;
        if !json.is_object() {
            return Err(ResourceError::NotAnObject);
        }
        json.str("resourceType").ok_or(ResourceError::NoType)?;
        Ok(Self { bytes: Cow::Borrowed(bytes), json })
    }

    /// The bytes it was parsed from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The parsed JSON.
    pub fn json(&self) -> &Value<'a> {
        &self.json
    }

    /// `Patient`.
    pub fn kind(&self) -> &str {
        self.json.str("resourceType").unwrap_or_default()
    }

    /// The logical id.
    pub fn id(&self) -> Option<&str> {
        self.json.str("id")
    }

    /// The meta element.
    pub fn meta(&self) -> Option<&Value<'a>> {
        self.json.get("meta")
    }

    /// Every reference, those of contained resources and of bundle entries included, in document order.
    pub fn references(&self) -> impl Iterator<Item = FoundReference<'_>> {
        let mut found = Vec::new();
        visit_references(&self.json, &mut |reference, path| {
            found.push(FoundReference { reference, path: path.to_string() });
        });
        found.into_iter()
    }

    /// The attachments of a DocumentReference (`content.attachment`); empty for other types.
    pub fn attachments(&self) -> impl Iterator<Item = &Value<'a>> {
        let is_document = self.kind() == "DocumentReference";
        let contents = if is_document { self.json.each("content") } else { [].iter() };
        contents.filter_map(|content| content.get("attachment"))
    }

    /// The addresses of these attachments.
    pub fn attachment_urls(&self) -> impl Iterator<Item = &str> {
        self.attachments().filter_map(|attachment| attachment.str("url"))
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Resource<'static> {
        Resource { bytes: Cow::Owned(self.bytes.into_owned()), json: self.json.into_owned() }
    }
}

/// Type and id only: a resource holds health data.
impl std::fmt::Debug for Resource<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Resource({}, {} bytes)", self.kind(), self.bytes.len())
    }
}

/// Calls `visit` with the text and place of every `reference` of a Reference element, without allocating.
pub fn visit_references<'v>(resource: &'v Value<'_>, visit: &mut dyn FnMut(&'v str, &Path<'_>)) {
    let root = Path::root(resource.str("resourceType").unwrap_or("Resource"));
    walk(resource, &root, visit);
}

/// A text at `reference` belongs to a Reference, except in DetectedIssue itself, in Expression (which always has a language) and in
/// `Immunization.education`, where it is an address.
fn is_reference(object: &Value<'_>, path: &Path<'_>) -> bool {
    object.get("resourceType").is_none() && object.get("language").is_none() && path.name() != "education"
}

fn walk<'v>(value: &'v Value<'_>, path: &Path<'_>, visit: &mut dyn FnMut(&'v str, &Path<'_>)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" && is_reference(value, path) => visit(text, path),
                    Value::Object(_) | Value::Array(_) => walk(member, &path.member(name), visit),
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if matches!(item, Value::Object(_) | Value::Array(_)) {
                    walk(item, &path.item(index), visit);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Key, tables};

    #[test]
    fn finds_references_and_attachments() {
        let text = br##"{"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/1"},
            "contained":[{"resourceType":"Observation","subject":{"reference":"urn:uuid:2"}}],
            "author":[{"reference":"#a"},{"display":"x"}],"content":[{"attachment":{"url":"data/1.pdf"}}]}"##;
        let resource = Resource::parse(text, &Limits::default()).expect("the resource parses").into_owned();
        let found: Vec<String> = resource.references().map(|r| format!("{} {}", r.path, r.reference)).collect();
        let expected = [
            "DocumentReference.subject Patient/1",
            "DocumentReference.contained[0].subject urn:uuid:2",
            "DocumentReference.author[0] #a",
        ];
        assert_eq!(found, expected);
        assert_eq!(resource.attachment_urls().collect::<Vec<_>>(), ["data/1.pdf"]);
        assert_eq!(
            (resource.kind(), resource.id(), resource.bytes()),
            ("DocumentReference", Some("d"), text.as_slice())
        );
        assert!(!format!("{resource:?}").contains("Patient"));
    }

    #[test]
    fn refuses_what_is_no_resource() {
        let parse = |text: &'static str| Resource::parse(text.as_bytes(), &Limits::default()).map(|_| ());
        assert_eq!(parse("[]"), Err(ResourceError::NotAnObject));
        assert_eq!(parse("{\"resourceType\":1}"), Err(ResourceError::NoType));
        assert!(matches!(parse("{"), Err(ResourceError::Json(_))));
    }

    /// The walk relies on this property of R4.
    #[test]
    fn few_others_have_a_text_named_reference() {
        let tables = tables();
        let has_text = |key: &Key| tables.get(key.type_id).primitive().is_some();
        let mut names: Vec<&str> = tables
            .all()
            .filter(|(_, def)| def.key("reference").is_some_and(has_text))
            .map(|(_, def)| def.name)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["DetectedIssue", "Expression", "Immunization.education", "Reference"]);
    }
}
