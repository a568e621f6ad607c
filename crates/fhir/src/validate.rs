//! Structural validation against the R4 element table: names, cardinality, JSON kinds, formats of primitives, choices, codes of
//! required bindings, extensions, contained resources. No profiles, no invariants, no terminology beyond short required lists.
//!
//! Reasons never repeat values, because values are health data.

mod primitive;

use crate::json::Value;
use crate::path::Path;
use crate::tables::{Element, Key, Kind, Tables, TypeDef, TypeId, tables};
use std::borrow::Cow;
use std::fmt;

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Not valid R4.
    Error,
    /// Valid, but probably not meant.
    Warning,
}

/// One fault of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad.
    pub severity: Severity,
    /// Where: `Patient.contact[0].name`.
    pub path: String,
    /// What is wrong and what would be right; never a value.
    pub reason: Cow<'static, str>,
}

/// `Patient.gender: must be one of female, male, other, unknown`.
impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path, self.reason)
    }
}

/// All faults of a resource, up to the limit; beyond it validation stops.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In document order.
    pub faults: Vec<Fault>,
    /// Whether there are more than the limit.
    pub has_more: bool,
}

impl Report {
    /// Most faults that are listed.
    pub const FAULTS_MAX: usize = 100;

    /// Whether nothing is an error; warnings are allowed.
    pub fn is_valid(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The faults that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.severity == Severity::Error)
    }
}

/// Deepest nesting that is followed; parsed JSON is never deeper by default.
pub const DEPTH_MAX: usize = crate::json::Limits::DEPTH_MAX;

/// Validates a resource, with all that it contains and, for a Bundle, all its entries.
pub fn validate(resource: &Value<'_>) -> Report {
    let tables = tables();
    let find = |name| tables.find(name).expect("the table has Element and Extension");
    let mut checker =
        Checker { tables, element: find("Element"), extension: find("Extension"), report: Report::default(), depth: 0 };
    checker.root(resource);
    checker.report
}

struct Checker {
    tables: &'static Tables,
    element: TypeId,
    extension: TypeId,
    report: Report,
    depth: usize,
}

impl Checker {
    fn fault(&mut self, severity: Severity, path: &Path<'_>, reason: impl Into<Cow<'static, str>>) {
        if self.report.faults.len() < Report::FAULTS_MAX {
            self.report.faults.push(Fault { severity, path: path.to_string(), reason: reason.into() });
        } else {
            self.report.has_more = true;
        }
    }

    #[cold]
    fn error(&mut self, path: &Path<'_>, reason: impl Into<Cow<'static, str>>) {
        self.fault(Severity::Error, path, reason);
    }

    fn root(&mut self, value: &Value<'_>) {
        let name = value.str("resourceType").unwrap_or("Resource");
        self.resource(value, &Path::root(shown(name)), false);
    }

    fn resource(&mut self, value: &Value<'_>, path: &Path<'_>, is_contained: bool) {
        let Value::Object(members) = value else {
            return self.error(path, "must be a resource, that is a JSON object");
        };
        let Some(kind) = value.get("resourceType") else {
            return self.error(path, "must name its resourceType");
        };
        let Some(type_id) = kind.as_str().and_then(|name| self.tables.resource(name)) else {
            return self.error(&path.member("resourceType"), "is not a resource type of FHIR R4");
        };
        if is_contained {
            if value.get("contained").is_some() {
                self.error(&path.member("contained"), "a contained resource must not contain another");
            }
            if value.get("id").is_none() {
                self.fault(Severity::Warning, path, "a contained resource without id cannot be referred to");
            }
        }
        self.object(members, type_id, path);
    }

    /// Checks an object as the type: every member, then what is missing.
    fn object(&mut self, members: &[(Cow<'_, str>, Value<'_>)], type_id: TypeId, path: &Path<'_>) {
        if members.is_empty() {
            return self.error(path, "must not be an empty object");
        }
        if self.depth >= DEPTH_MAX {
            return self.error(path, "is nested too deep");
        }
        self.depth += 1;
        let def = self.tables.get(type_id);
        let is_resource = def.kind == Kind::Resource;
        let mut seen: u128 = 0;
        for (name, value) in members {
            if self.report.has_more {
                break;
            }
            let (plain, is_sibling) = match name.strip_prefix('_') {
                Some(plain) => (plain, true),
                None => (name.as_ref(), false),
            };
            let Some(key) = def.key(plain) else {
                if !(is_resource && name == "resourceType") {
                    self.unknown(def, name, path);
                }
                continue;
            };
            let element = &def.elements[usize::from(key.element)];
            let bit = 1 << key.element;
            if element.is_choice && seen & bit != 0 && has_other_choice(def, key, members) {
                self.error(&path.member(shown(name)), format!("only one type of {}[x] may be given", element.name));
            }
            seen |= bit;
            let place = path.member(shown(name));
            if is_sibling {
                self.sibling(value, element, key, &place);
            } else {
                self.member(value, element, key, members, &place);
            }
        }
        if def.required & !seen != 0 {
            self.missing(def, seen, path);
        }
        if type_id == self.extension {
            self.extension(members, path);
        }
        self.depth -= 1;
    }

    #[cold]
    fn unknown(&mut self, def: &TypeDef, name: &str, path: &Path<'_>) {
        let choice = def.elements.iter().find(|e| e.is_choice && name.starts_with(e.name));
        let reason = match choice {
            Some(element) => format!("is not an element of {}: {}[x] does not have that type", def.name, element.name),
            None => format!("is not an element of {}", def.name),
        };
        self.error(&path.member(shown(name)), reason);
    }

    #[cold]
    fn missing(&mut self, def: &TypeDef, seen: u128, path: &Path<'_>) {
        for (number, element) in def.elements.iter().enumerate() {
            if def.required & !seen & (1 << number) != 0 {
                let choice = if element.is_choice { "[x]" } else { "" };
                self.error(path, format!("{}{choice} is required", element.name));
            }
        }
    }

    fn extension(&mut self, members: &[(Cow<'_, str>, Value<'_>)], path: &Path<'_>) {
        let has_value = members.iter().any(|(name, _)| name.trim_start_matches('_').starts_with("value"));
        let has_nested = members.iter().any(|(name, _)| name == "extension");
        if has_value == has_nested {
            self.error(path, "an extension must have either a value or extensions, not both and not neither");
        }
    }

    /// A member without underscore: a list or a single value.
    fn member(
        &mut self,
        value: &Value<'_>,
        element: &Element,
        key: &Key,
        all: &[(Cow<'_, str>, Value<'_>)],
        path: &Path<'_>,
    ) {
        match (value, element.is_list) {
            (Value::Array(items), true) => {
                if items.is_empty() {
                    self.error(path, "must not be an empty array");
                }
                for (index, item) in items.iter().enumerate() {
                    if self.report.has_more {
                        break;
                    }
                    if *item == Value::Null && self.is_filled_by_sibling(path.name(), index, all) {
                        continue;
                    }
                    self.single(item, element, key, &path.item(index));
                }
            }
            (Value::Array(_), false) => self.error(path, "must not be an array: it occurs once at most"),
            (_, true) => self.error(path, "must be an array"),
            (_, false) => self.single(value, element, key, path),
        }
    }

    /// Whether `_name[index]` has what `name[index]`, a null, has not.
    fn is_filled_by_sibling(&self, name: &str, index: usize, all: &[(Cow<'_, str>, Value<'_>)]) -> bool {
        let sibling = all.iter().find(|(other, _)| other.strip_prefix('_') == Some(name));
        sibling.is_some_and(
            |(_, value)| matches!(value, Value::Array(items) if items.get(index).is_some_and(Value::is_object)),
        )
    }

    fn single(&mut self, value: &Value<'_>, element: &Element, key: &Key, path: &Path<'_>) {
        let def = self.tables.get(key.type_id);
        match def.kind {
            Kind::Primitive(kind) => {
                if let Err(reason) = primitive::check(kind, value) {
                    return self.error(path, reason);
                }
                if let (Some(codes), Some(text)) = (element.codes, value.as_str())
                    && codes.binary_search(&text).is_err()
                {
                    self.error(path, primitive::wrong_code(codes));
                }
            }
            Kind::Resource | Kind::AbstractResource => self.resource(value, path, element.name == "contained"),
            Kind::Complex | Kind::Backbone => match value {
                Value::Object(members) => {
                    self.object(members, key.type_id, path);
                    if let Some(codes) = element.codes {
                        self.concept(value, codes, path);
                    }
                }
                Value::Null => self.error(path, "must not be null"),
                _ => self.error(path, format!("must be an object of type {}", def.name)),
            },
        }
    }

    /// A CodeableConcept of a required binding: one coding at least is of the value set, unless only extensions tell why there is none.
    fn concept(&mut self, value: &Value<'_>, codes: &'static [&'static str], path: &Path<'_>) {
        let mut given = value.each("coding").filter_map(|coding| coding.str("code"));
        let is_told = value.get("coding").is_some() || value.get("text").is_some();
        if is_told && !given.any(|code| codes.binary_search(&code).is_ok()) {
            self.error(
                path,
                format!("must have a coding that is {}", primitive::wrong_code(codes).trim_start_matches("must be ")),
            );
        }
    }

    /// A member with underscore: id and extensions of a primitive.
    fn sibling(&mut self, value: &Value<'_>, element: &Element, key: &Key, path: &Path<'_>) {
        if self.tables.get(key.type_id).primitive().is_none() {
            return self.error(path, "only primitives have a member with underscore");
        }
        match (value, element.is_list) {
            (Value::Array(items), true) => {
                if items.iter().all(|item| *item == Value::Null) {
                    self.error(path, "must have at least one item that is not null");
                }
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Value::Null => {}
                        Value::Object(members) => self.object(members, self.element, &path.item(index)),
                        _ => self.error(&path.item(index), "must be an object with id or extension"),
                    }
                }
            }
            (Value::Object(members), false) => self.object(members, self.element, path),
            (_, true) => self.error(path, "must be an array"),
            (_, false) => self.error(path, "must be an object with id or extension"),
        }
    }
}

/// Whether a member of another type of the same choice is there, with or without underscore.
fn has_other_choice(def: &TypeDef, key: &Key, members: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    let others = members.iter().filter_map(|(name, _)| def.key(name.strip_prefix('_').unwrap_or(name)));
    others.into_iter().any(|other| other.element == key.element && other.name != key.name)
}

/// Names from outside are shown, but not at any length.
fn shown(name: &str) -> &str {
    const SHOWN_MAX: usize = 64;
    if name.len() <= SHOWN_MAX { name } else { name.get(..SHOWN_MAX).unwrap_or("?") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn faults(text: &str) -> Vec<String> {
        let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        validate(&value).faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn accepts_a_good_patient() {
        let text = r#"{"resourceType":"Patient","id":"p1","active":true,"name":[{"text":"홍길동","given":["길동",null],
            "_given":[null,{"extension":[{"url":"http://x","valueString":"y"}]}]}],"birthDate":"1980-02","_birthDate":{"id":"b"},
            "gender":"male","deceasedBoolean":false,"multipleBirthInteger":2,"contained":[{"resourceType":"Organization","id":"o"}],
            "contact":[{"name":{"text":"x"}}]}"#;
        assert_eq!(faults(text), Vec::<String>::new());
    }

    #[test]
    fn names_the_path_of_each_fault() {
        let cases = [
            (r#""nme":[]"#, "Patient.nme: is not an element of Patient"),
            (r#""name":{}"#, "Patient.name: must be an array"),
            (r#""name":[]"#, "Patient.name: must not be an empty array"),
            (r#""name":[{}]"#, "Patient.name[0]: must not be an empty object"),
            (r#""name":["x"]"#, "Patient.name[0]: must be an object of type HumanName"),
            (r#""birthDate":["1980"]"#, "Patient.birthDate: must not be an array: it occurs once at most"),
            (r#""birthDate":"1980-02-30""#, "Patient.birthDate: must be a date: YYYY, YYYY-MM or YYYY-MM-DD"),
            (r#""active":"true""#, "Patient.active: must be true or false, without quotes"),
            (r#""gender":"m""#, "Patient.gender: must be one of female, male, other, unknown"),
            (r#""gender":null"#, "Patient.gender: must not be null"),
            (r#""id":"a b""#, "Patient.id: must be an id: 1 to 64 of A-Z a-z 0-9 - ."),
            (
                r#""deceasedBoolean":true,"deceasedDateTime":"2020""#,
                "Patient.deceasedDateTime: only one type of deceased[x] may be given",
            ),
            (
                r#""deceasedString":"x""#,
                "Patient.deceasedString: is not an element of Patient: deceased[x] does not have that type",
            ),
            (r#""link":[{"type":"seealso"}]"#, "Patient.link[0]: other is required"),
            (r#""extension":[{"valueString":"x"}]"#, "Patient.extension[0]: url is required"),
            (
                r#""extension":[{"url":"u"}]"#,
                "Patient.extension[0]: an extension must have either a value or extensions, not both and not neither",
            ),
            (
                r#""contained":[{"resourceType":"Nothing"}]"#,
                "Patient.contained[0].resourceType: is not a resource type of FHIR R4",
            ),
            (r#""_name":[{"id":"x"}]"#, "Patient._name: only primitives have a member with underscore"),
            (r#""_gender":{"value":"x"}"#, "Patient._gender.value: is not an element of Element"),
            (r#""name":[{"given":[null]}]"#, "Patient.name[0].given[0]: must not be null"),
            (r#""name":[{"given":[""]}]"#, "Patient.name[0].given[0]: must not be an empty string"),
            (r#""multipleBirthInteger":1.5"#, "Patient.multipleBirthInteger: must be a whole number within 32 bits"),
        ];
        for (members, expected) in cases {
            assert_eq!(faults(&format!("{{\"resourceType\":\"Patient\",{members}}}")), [expected], "{members}");
        }
    }

    #[test]
    fn concepts_of_a_required_binding_need_a_coding_of_it() {
        let condition = |status: &str| {
            faults(&format!(
                r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/1"}},"clinicalStatus":{status}}}"#
            ))
        };
        assert_eq!(condition(r#"{"coding":[{"code":"active"}]}"#), Vec::<String>::new());
        assert_eq!(condition(r#"{"extension":[{"url":"http://x","valueCode":"unknown"}]}"#), Vec::<String>::new());
        let expected = "Condition.clinicalStatus: must have a coding that is one of active, inactive, recurrence, relapse, \
            remission, resolved";
        assert_eq!(condition(r#"{"text":"active"}"#), [expected]);
        assert_eq!(condition(r#"{"coding":[{"code":"x"}]}"#), [expected]);
    }

    #[test]
    fn unknown_types_and_non_resources_are_faults() {
        assert_eq!(faults(r#"{"resourceType":"Patent"}"#), ["Patent.resourceType: is not a resource type of FHIR R4"]);
        assert_eq!(faults(r#"{"id":"x"}"#), ["Resource: must name its resourceType"]);
        assert_eq!(faults("[]"), ["Resource: must be a resource, that is a JSON object"]);
        assert_eq!(faults(r#"{"resourceType":"DomainResource","id":"x"}"#).len(), 1);
    }

    #[test]
    fn lists_at_most_the_limit() {
        let names: Vec<String> = (0..150).map(|n| format!("\"x{n}\":1")).collect();
        let text = format!("{{\"resourceType\":\"Patient\",{}}}", names.join(","));
        let value = parse(text.as_bytes(), &Limits::default()).expect("the test's JSON parses");
        let report = validate(&value);
        assert!(report.faults.len() == Report::FAULTS_MAX && report.has_more && !report.is_valid());
    }

    #[test]
    fn deep_nesting_ends() {
        let mut value = Value::object([("url", Value::from("u")), ("valueString", Value::from("x"))]);
        for _ in 0..200 {
            value = Value::object([("url", Value::from("u")), ("extension", Value::Array(vec![value]))]);
        }
        let patient =
            Value::object([("resourceType", Value::from("Patient")), ("extension", Value::Array(vec![value]))]);
        assert!(validate(&patient).faults.iter().any(|fault| fault.reason == "is nested too deep"));
    }
}
