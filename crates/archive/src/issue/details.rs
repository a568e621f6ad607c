//! What a form has left of a record, member by member under the names of the elements, so that nothing chosen is left out in
//! silence. It follows the element tables of R4; where a record has what they do not know, every text in it is shown.
//!
//! What is no content of a record, and is not shown, is listed here and nowhere else:
//! - [`TECHNICAL`] and [`AT_THE_TOP`]: names of members that serve programs, or that the page shows around the record;
//! - members of type `uri`, `url`, `canonical`, `oid`, `id`, `uuid` (addresses of definitions), but for values given as such;
//! - systems and versions of codes, codes of [`OWN_SYSTEMS`] beside their words, what well-known codes are called in
//!   their own dictionary, codes of units, and what addresses, names and telephone numbers are used for;
//! - identifiers that do not say what they are, and secret ones ([`crate::members::is_secret`]);
//! - references without a name: what they lead to stands in the document itself, or is not the patient's;
//! - bytes of attachments, signatures and waveforms: attachments are drawn, of the others it is said that they are there;
//! - narratives, but for those that say of themselves that they hold more than the data (`additional`), and for records that
//!   have nothing else;
//! - [`DEFAULTS`]: values that say no more than that the record stands.

use crate::issue::content::{Detail, Text};
use crate::issue::rows::Lookup;
use crate::issue::seen::Seen;
use crate::issue::values::{self, date, join, known_system, period, range, strip_tags};
use fhir::json::Value;
use fhir::tables::{Kind, Primitive, TypeDef, tables};

/// Most members of one record that are shown; the rest is counted.
const DETAILS_MAX: usize = 500;
/// Characters of one member; a longer one ends with how many are missing.
const CHARS_MAX: usize = 100_000;
/// Members of any object that serve programs.
const TECHNICAL: [&str; 10] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "linkId",
    "userSelected",
    "fullUrl",
    "targetFormat",
    "sigFormat",
];
/// References of the record itself that say whose it is and at which visit: its place in the document says that.
const AT_THE_TOP: [&str; 5] = ["subject", "patient", "beneficiary", "encounter", "context"];
/// Values that say no more than that the record stands.
const DEFAULTS: [(&str, &str); 10] = [
    ("intent", "order"),
    ("intent", "plan"),
    ("docStatus", "final"),
    ("status", "final"),
    ("status", "finished"),
    ("verificationStatus", "confirmed"),
    ("doNotPerform", "false"),
    ("isSubpotent", "false"),
    ("deceasedBoolean", "false"),
    ("category", "outpatient"),
];
/// Steps of a path that add nothing to the one before them.
const SILENT: [&str; 14] = [
    "attachment",
    "manipulated",
    "value",
    "actor",
    "individual",
    "member",
    "party",
    "detail",
    "text",
    "itemCodeableConcept",
    "itemReference",
    "item",
    "concept",
    "resource",
];
/// The code systems of FHIR and KR Core themselves, and those of departments and insurances: beside words their codes say
/// nothing.
const OWN_SYSTEMS: [&str; 5] = [
    "http://terminology.hl7.org/",
    "http://hl7.org/fhir/",
    "http://www.hl7korea.or.kr/fhir/krcore/",
    "http://www.hl7korea.or.kr/CodeSystem/hira-medical-dep",
    "http://www.hl7korea.or.kr/CodeSystem/hira-insurance",
];

/// Everything of a record that has no mark, in the order of its members; all of it has one afterwards.
pub(super) fn details(resource: &Value, lookup: &Lookup, seen: &Seen) -> Vec<Detail> {
    let kind = type_of(resource);
    let mut walk = Walk { root: resource, lookup, seen, out: Vec::new(), left: 0 };
    walk.object(resource, kind, &[]);
    if walk.left > 0 {
        let value = walk.left.to_string().into();
        walk.out.push(Detail { label: Text::word("more"), value });
    }
    walk.out
}

fn type_of(resource: &Value) -> Option<&'static TypeDef> {
    let kind = tables().resource(resource.str("resourceType")?)?;
    Some(tables().get(kind))
}

/// An element in words of ours, or its own name in separate words.
pub(super) fn label(name: &str) -> Text {
    let key = format!("label.{name}");
    if super::words::known(&key) {
        return Text::Word { word: key };
    }
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() && !text.ends_with(|c: char| c.is_ascii_uppercase()) {
            text.push(' ');
        }
        text.push(letter);
    }
    text.into()
}

struct Walk<'w, 'v> {
    root: &'w Value<'v>,
    lookup: &'w Lookup<'w>,
    seen: &'w Seen,
    out: Vec<Detail>,
    left: usize,
}

impl Walk<'_, '_> {
    fn object(&mut self, value: &Value, kind: Option<&'static TypeDef>, path: &[Text]) {
        for (name, member) in value.members() {
            if let Some(plain) = name.strip_prefix('_') {
                let path = below(path, label(plain));
                member.items().for_each(|item| self.extensions(item, &path));
                continue;
            }
            if matches!(&**name, "extension" | "modifierExtension") {
                member.items().for_each(|extension| self.extension(extension, path));
                continue;
            }
            let key = kind.and_then(|kind| kind.key(name));
            let element = key.zip(kind).map_or(&**name, |(key, kind)| kind.elements[usize::from(key.element)].name);
            // Two of the names stand for something else in some elements.
            let is_content = match &**name {
                "language" => member.primitive_text().is_none(),
                "resourceType" => key.is_some(),
                _ => false,
            };
            let is_technical = TECHNICAL.contains(&&**name) && !is_content;
            if self.seen.has(member) || is_technical || path.is_empty() && is_around(name, member) {
                continue;
            }
            let inner = key.map(|key| tables().get(key.type_id));
            let is_number = inner.is_some_and(|inner| {
                matches!(inner.primitive(), Some(Primitive::PositiveInt | Primitive::Integer | Primitive::UnsignedInt))
            });
            if is_number && element.ends_with("equence") {
                continue;
            }
            let step = label(element);
            let is_silent = !path.is_empty() && (SILENT.contains(&element) || path.last() == Some(&step));
            let path = if is_silent { path.to_vec() } else { below(path, step) };
            self.member(member, (element, inner), &path);
        }
    }

    /// A member: several objects are numbered, so that it is clear what belongs together.
    fn member(&mut self, member: &Value, element: (&str, Option<&'static TypeDef>), path: &[Text]) {
        let items = member.items();
        let is_group = element.1.is_none_or(|kind| kind.kind == Kind::Backbone || kind.name == "Dosage");
        let numbered = items.len() > 1 && is_group && items.clone().all(Value::is_object);
        for (place, item) in items.enumerate() {
            if self.seen.has(item) {
                continue;
            }
            if numbered {
                self.one(item, element, &below(path, (place + 1).to_string().into()));
            } else {
                self.one(item, element, path);
            }
        }
    }

    fn one(&mut self, value: &Value, (element, kind): (&str, Option<&'static TypeDef>), path: &[Text]) {
        let is_default = |text: &str| DEFAULTS.iter().any(|(name, known)| *name == element && *known == text);
        let name = kind.map_or("", |kind| kind.name);
        if let Some(text) = value.primitive_text() {
            let primitive = kind.and_then(TypeDef::primitive);
            if !is_default(text) {
                self.push(path, primitive_words(text, element, primitive, value));
            }
            return self.seen.add(value);
        }
        match name {
            "Resource" => {
                let inner = type_of(value);
                let named = inner.map_or_else(Text::default, |inner| Text::coded("type", inner.name));
                self.object(value, inner, &below(path, named));
            }
            "CodeableConcept" | "Coding" => {
                let default = value.each("coding").any(|coding| coding.str("code").is_some_and(is_default));
                if default && value.each("coding").len() == 1 && value.get("text").is_none() {
                    self.seen.leaves(value);
                }
                let text = self.concept(value);
                self.push(path, text);
                self.extensions_within(value, path);
            }
            "Reference" => self.reference(value, path),
            "Identifier" => self.identifier(value, path),
            "Annotation" => self.annotation(value, kind, path),
            "Narrative" => {
                if value.str("status") == Some("additional") {
                    self.push(path, value.str("div").map(strip_tags).unwrap_or_default().into());
                }
            }
            "Attachment" => {
                let creation = value.get("creation").filter(|creation| !self.seen.has(creation));
                let creation = creation.and_then(Value::as_str).map(date).unwrap_or_default();
                let title = value.get("title").filter(|title| !self.seen.has(title)).and_then(Value::as_str);
                self.push(path, join([title.unwrap_or_default().to_owned(), creation], ", ").into());
                self.extensions_within(value, path);
            }
            "SampledData" => self.push(path, Text::word("value.sampled")),
            "" if crate::members::is_secret(value) => {}
            _ => match formatted(name, value) {
                Some(text) if self.is_fresh(value) => {
                    self.seen.leaves(value);
                    self.push(path, text);
                    self.extensions_within(value, path);
                }
                Some(_) => self.extensions_within(value, path),
                None => self.object(value, kind, path),
            },
        }
    }

    /// What is not shown yet of a concept: its words, and its codes with their systems.
    fn concept(&mut self, value: &Value) -> Text {
        let fresh = |member: Option<&Value>| {
            let found = member.filter(|member| !self.seen.has(member))?;
            self.seen.add(found);
            found.as_str().map(str::to_owned)
        };
        let text = fresh(value.get("text")).unwrap_or_default();
        let mut words: Vec<Text> = vec![text.clone().into()];
        let codings = value.each("coding").len();
        let all = value.each("coding").chain((codings == 0).then_some(value));
        let mut said = text;
        let has_words =
            [value.get("text")].into_iter().chain(value.each("coding").map(|coding| coding.get("display"))).flatten();
        let has_words = has_words.into_iter().any(|words| words.as_str().is_some());
        for coding in all.filter(|coding| !self.seen.has(coding)) {
            let own = coding.str("system").is_some_and(|system| OWN_SYSTEMS.iter().any(|own| system.starts_with(own)));
            let display = fresh(coding.get("display")).filter(|display| *display != said).unwrap_or_default();
            let code = fresh(coding.get("code")).unwrap_or_default();
            let translated = Text::coded("code", &code);
            if own && matches!(translated, Text::Word { .. }) && said.is_empty() {
                words.push(translated);
                continue;
            }
            if !display.is_empty() {
                said.clone_from(&display);
                words.push(display.clone().into());
            }
            let code = if own && has_words || code == said { String::new() } else { code };
            if !code.is_empty() {
                let known = coding.str("system").and_then(known_system).unwrap_or_default().to_owned();
                let small = format!("[{}]", join([known, code], " "));
                words.push(Text::Small { small });
            }
        }
        words.retain(|text| !text.is_empty());
        Text::Join { join: words }
    }

    fn reference(&mut self, value: &Value, path: &[Text]) {
        let display = value.get("display").filter(|display| !self.seen.has(display));
        let is_shown = value.get("reference").is_some_and(|reference| self.seen.has(reference));
        if !is_shown && (display.is_some() || value.get("display").is_none()) {
            self.push(path, self.lookup.named_in(self.root, value, self.seen).into());
        }
        display.inspect(|display| self.seen.add(display));
        if let Some(identifier) = value.get("identifier") {
            self.identifier(identifier, path);
        }
        self.extensions_within(value, path);
    }

    fn identifier(&mut self, value: &Value, path: &[Text]) {
        let named = value.get("type").map(|kind| self.seen.words(kind)).unwrap_or_default();
        if named.is_empty() || crate::members::is_secret(value) {
            return;
        }
        let text = value.str("value").unwrap_or_default().to_owned();
        let by = value.get("assigner").and_then(|by| by.str("display")).map(|by| format!("({by})")).unwrap_or_default();
        self.push(path, join([named, text, by], " ").into());
        self.extensions_within(value, path);
    }

    fn annotation(&mut self, value: &Value, kind: Option<&'static TypeDef>, path: &[Text]) {
        if let Some(text) = value.get("text").filter(|text| !self.seen.has(text)) {
            self.push(path, text.as_str().unwrap_or_default().into());
            self.seen.add(text);
        }
        self.object(value, kind, path);
    }

    /// Extensions of an element whose other members are shown.
    fn extensions_within(&mut self, value: &Value, path: &[Text]) {
        self.extensions(value, path);
        for (name, member) in value.members() {
            match name.strip_prefix('_') {
                Some(plain) => {
                    member.items().for_each(|item| self.extensions(item, &below(path, label(plain))));
                }
                None if &**name == "coding" => member.items().for_each(|item| self.extensions_within(item, path)),
                None => {}
            }
        }
    }

    fn extensions(&mut self, value: &Value, path: &[Text]) {
        value.each("extension").for_each(|extension| self.extension(extension, path));
    }

    /// An extension by the last part of its address.
    fn extension(&mut self, extension: &Value, path: &[Text]) {
        if self.seen.has(extension) {
            return;
        }
        let url = extension.str("url").unwrap_or_default();
        let name = url.rsplit(['/', '#', ':']).find(|part| !part.is_empty()).unwrap_or("extension");
        let path = below(path, label(name));
        self.extensions(extension, &path);
        if let Some((name, value)) = values::chosen(extension, "value").filter(|(_, value)| !self.seen.has(value)) {
            let kind = tables().find("Extension").map(|id| tables().get(id)).and_then(|kind| kind.key(name));
            self.one(value, ("value", kind.map(|key| tables().get(key.type_id))), &path);
        }
    }

    /// Whether any primitive below has no mark.
    fn is_fresh(&self, value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().any(|(name, member)| {
                !matches!(&**name, "extension" | "system" | "use" | "id")
                    && !name.starts_with('_')
                    && self.is_fresh(member)
            }),
            Value::Array(items) => items.iter().any(|item| self.is_fresh(item)),
            Value::Null => false,
            leaf => !self.seen.has(leaf),
        }
    }

    /// Another member, or another value of the last one.
    fn push(&mut self, path: &[Text], value: Text) {
        if value.is_empty() {
            return;
        }
        let label = match path {
            [one] => one.clone(),
            path => Text::Join { join: path.to_vec() },
        };
        let value = shortened(value);
        if let Some(last) = self.out.last_mut().filter(|last| last.label == label) {
            // Side by side and not within each other: a record may have thousands of values under one label.
            let mut join = match std::mem::take(&mut last.value) {
                Text::Join { join } => join,
                one => vec![one],
            };
            join.extend([",".into(), value]);
            last.value = Text::Join { join };
        } else if self.out.len() < DETAILS_MAX {
            self.out.push(Detail { label, value });
        } else {
            self.left += 1;
        }
    }
}

fn below(path: &[Text], step: Text) -> Vec<Text> {
    path.iter().cloned().chain([step]).collect()
}

fn is_around(name: &str, member: &Value) -> bool {
    AT_THE_TOP.contains(&name) && (member.get("reference").is_some() || name != "context")
}

fn primitive_words(text: &str, element: &str, primitive: Option<Primitive>, value: &Value) -> Text {
    match primitive {
        Some(Primitive::Boolean) => Text::coded("boolean", text),
        Some(Primitive::Code) => match Text::coded("code", text) {
            Text::Plain(_) => Text::coded("status", text),
            word => word,
        },
        Some(Primitive::Date | Primitive::DateTime | Primitive::Instant) => date(text).into(),
        Some(Primitive::Base64Binary) if element == "data" || element == "hash" => Text::default(),
        Some(Primitive::Base64Binary) => Text::word("value.binary"),
        Some(
            Primitive::Uri | Primitive::Url | Primitive::Canonical | Primitive::Oid | Primitive::Id | Primitive::Uuid,
        ) if !matches!(element, "value" | "answer") => Text::default(),
        Some(Primitive::Xhtml) => strip_tags(text).into(),
        Some(_) => text.into(),
        None if value.as_bool().is_some() => Text::coded("boolean", text),
        None => text.into(),
    }
}

/// Datatypes that are shown as one text.
fn formatted(name: &str, value: &Value) -> Option<Text> {
    Some(match name {
        "Quantity" | "SimpleQuantity" | "Age" | "Count" | "Distance" | "MoneyQuantity" => {
            values::quantity(value).into()
        }
        "Duration" => values::duration(value),
        "Money" => values::money(value).into(),
        "Period" => period(value).into(),
        "Range" => range(value).into(),
        "Ratio" => {
            let part = |member: &str| value.get(member).map(values::quantity).unwrap_or_default();
            join([part("numerator"), part("denominator")], " : ").into()
        }
        "HumanName" => whole(value, values::name(value)).into(),
        "Address" => whole(value, values::address(value)).into(),
        "ContactPoint" => value.str("value").unwrap_or_default().into(),
        _ => return None,
    })
}

/// A name or an address with the parts of it that its text does not have.
pub(super) fn whole(value: &Value, text: String) -> String {
    let parts = value.members().iter().filter(|(name, _)| {
        !matches!(&**name, "text" | "use" | "type" | "id" | "period" | "extension") && !name.starts_with('_')
    });
    let parts = parts.flat_map(|(_, member)| member.items()).filter_map(Value::as_str);
    let more = join(parts.filter(|part| !text.contains(part)).map(str::to_owned), " ");
    let when = value.get("period").map(period).unwrap_or_default();
    [more, when]
        .into_iter()
        .filter(|text| !text.is_empty())
        .fold(text, |text, more| if text.is_empty() { more } else { format!("{text} ({more})") })
}

fn shortened(value: Text) -> Text {
    match value {
        Text::Plain(text) if text.len() > CHARS_MAX => {
            let kept: String = text.chars().take(CHARS_MAX).collect();
            let missing = text.chars().count().saturating_sub(CHARS_MAX);
            if missing == 0 { text.into() } else { format!("{kept} … (+{missing})").into() }
        }
        other => other,
    }
}
