//! That nothing is left out: a record of every type of R4, with a word of its own in every place where a text may stand, is
//! gathered, and every word must be among what is set. What is no content by the list in `details` has no word here.

use super::content::{Masthead, Section, Text};
use super::*;
use fhir::json::{Limits, Value, parse};
use fhir::tables::{Kind, Primitive, TypeDef, tables};

/// Levels of elements within elements; deeper ones repeat the same types.
const LEVELS_MAX: usize = 7;
/// Types that are not records of a patient: they are shown by name through what refers to them, or not at all. Definitions of
/// structures and substances have more members than one record shows.
const NOT_SHOWN: [&str; 10] = [
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Medication",
    "HealthcareService",
    "Binary",
    "Parameters",
    "StructureDefinition",
    "SubstanceSpecification",
];

/// Makes records, with a new word for each text.
#[derive(Default)]
struct Maker {
    words: Vec<(String, String)>,
}

impl Maker {
    fn word(&mut self, path: &str) -> Value<'static> {
        let word = format!("Zq{}x", self.words.len());
        self.words.push((word.clone(), path.to_owned()));
        Value::from(word)
    }

    fn object(&mut self, kind: &'static TypeDef, path: &str, level: usize) -> Value<'static> {
        let mut members: Vec<(String, Value<'static>)> = Vec::new();
        for element in &kind.elements {
            for key in kind.keys_of_element(element.name) {
                let inner = tables().get(key.type_id);
                if is_technical(kind, &key.name, inner, level) {
                    continue;
                }
                let path = format!("{path}.{}", key.name);
                if let Some(value) = self.value(inner, &path, level) {
                    let value = if element.is_list { Value::Array(vec![value]) } else { value };
                    members.push((key.name.to_string(), value));
                }
            }
        }
        Value::object(members)
    }

    fn value(&mut self, kind: &'static TypeDef, path: &str, level: usize) -> Option<Value<'static>> {
        if let Some(primitive) = kind.primitive() {
            return matches!(primitive, Primitive::String | Primitive::Markdown | Primitive::Code)
                .then(|| self.word(path));
        }
        if level == LEVELS_MAX || kind.name == "Narrative" || kind.kind == Kind::AbstractResource {
            return None;
        }
        let mut value = self.object(kind, path, level + 1);
        if kind.name == "Identifier" {
            value.set("type", Value::object([("text", self.word(&format!("{path}.type.text")))]));
        }
        Some(value).filter(|value| !value.members().is_empty())
    }
}

/// The list in `details`, once more.
fn is_technical(kind: &TypeDef, name: &str, inner: &TypeDef, level: usize) -> bool {
    const ANYWHERE: [&str; 11] = [
        "id",
        "meta",
        "implicitRules",
        "language",
        "linkId",
        "userSelected",
        "extension",
        "modifierExtension",
        "contained",
        "targetFormat",
        "sigFormat",
    ];
    let around = ["subject", "patient", "beneficiary", "encounter", "context", "identifier", "text"];
    ANYWHERE.contains(&name) && (name != "language" || inner.primitive().is_some())
        || level == 0 && around.contains(&name) && inner.kind != Kind::Backbone
        || match kind.name {
            "Quantity" | "SimpleQuantity" | "Age" | "Count" | "Distance" | "Duration" => {
                matches!(name, "code" | "system")
            }
            "Coding" => matches!(name, "system" | "version"),
            "HumanName" | "Address" => matches!(name, "use" | "type"),
            "ContactPoint" => matches!(name, "use" | "system"),
            "Identifier" => name == "use" || name == "type" || name == "assigner",
            "Reference" => name == "type" || name == "reference",
            "Attachment" => name != "title",
            "SampledData" => true,
            "DocumentReference.content" => false,
            _ => false,
        }
}

fn gathered(kind: &str, resource: Value<'static>) -> IssueContent {
    let versions = vec![Version { number: 1, value: resource, position: None, files: Vec::new() }];
    let record = Record { kind: kind.to_owned(), id: "r".to_owned(), versions };
    let institution = SourceInstitution { records: vec![record], ..SourceInstitution::default() };
    IssueContent::gather(Masthead::default(), &Source { institutions: vec![institution] })
}

#[test]
fn every_text_of_every_type_is_among_what_is_set() {
    let (mut types, mut words, mut lost) = (0, 0, Vec::new());
    for (_, kind) in tables().all().filter(|(_, kind)| kind.kind == Kind::Resource && !NOT_SHOWN.contains(&kind.name)) {
        let mut maker = Maker::default();
        let mut resource = maker.object(kind, kind.name, 0);
        resource.set("resourceType", kind.name);
        let content = serde_json::to_string(&gathered(kind.name, resource)).expect("content is plain data");
        lost.extend(
            maker.words.iter().filter(|(word, _)| !content.contains(word.as_str())).map(|(_, path)| path.clone()),
        );
        types += 1;
        words += maker.words.len();
    }
    assert!(types > 120 && words > 10_000, "{types} types with {words} words: the way of making them is wrong");
    assert!(
        lost.is_empty(),
        "{} of {words} texts are left out, such as {:#?}",
        lost.len(),
        &lost[..lost.len().min(60)]
    );
}

fn json(text: &str) -> Value<'static> {
    parse(text.as_bytes(), &Limits::default()).expect("test JSON is valid").into_owned()
}

fn said(text: &str) -> String {
    let resource = json(text);
    let kind = resource.str("resourceType").expect("a resource has a type").to_owned();
    serde_json::to_string(&gathered(&kind, resource)).expect("content is plain data")
}

#[test]
fn extensions_are_content_wherever_they_stand() {
    let text = said(
        r#"{"resourceType":"Condition","id":"r","extension":[{"url":"urn:x/a","valueString":"at-the-top"},
            {"url":"urn:x/b","extension":[{"url":"inner","valueCodeableConcept":{"text":"within"}}]}],
            "_onsetDateTime":{"extension":[{"url":"urn:x/why","valueString":"of-a-primitive"}]},"onsetDateTime":"2019",
            "code":{"text":"a","extension":[{"url":"urn:x/c","valueBoolean":true}],
            "coding":[{"code":"c","_display":{"extension":[{"url":"urn:x/d","valueString":"of-a-display"}]}}]}}"#,
    );
    for word in ["at-the-top", "within", "of-a-primitive", "of-a-display", "boolean.true", "inner", "why"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[test]
fn what_says_nothing_more_is_not_repeated() {
    let content = gathered(
        "Condition",
        json(
            r#"{"resourceType":"Condition","id":"r","meta":{"versionId":"1"},"clinicalStatus":{"coding":[{"code":"active","display":"Active"}],"text":"Active"},
                "verificationStatus":{"coding":[{"code":"confirmed"}]},"category":[{"coding":[{"code":"진단","display":"진단"}]}],
                "code":{"coding":[{"system":"http://www.hl7korea.or.kr/CodeSystem/kostat-kcd-8","code":"J00","display":"감기"}],"text":"감기"},
                "subject":{"reference":"Patient/p"},"onsetDateTime":"2015-03-07","recordedDate":"2015-03-07T16:54:00+09:00"}"#,
        ),
    );
    let Section::Table { rows, details, .. } = &content.institutions[0].loose[0] else {
        panic!("diagnoses are a table")
    };
    assert_eq!((rows[0].details.len(), details.len()), (0, 0), "{rows:?}");
}

#[test]
fn each_part_of_a_record_keeps_together() {
    let content = gathered(
        "AllergyIntolerance",
        json(
            r#"{"resourceType":"AllergyIntolerance","id":"r","code":{"text":"땅콩"},
                "reaction":[{"manifestation":[{"text":"발진"}],"severity":"mild"},{"manifestation":[{"text":"쇼크"}],"severity":"severe"}]}"#,
        ),
    );
    let Section::Table { rows, .. } = &content.institutions[0].loose[0] else { panic!("allergies are a table") };
    let label = |number: &str| Text::Join {
        join: vec![Text::word("label.reaction"), number.into(), Text::word("label.severity")],
    };
    let details: Vec<_> = rows[0].details.iter().map(|detail| (detail.label.clone(), detail.value.clone())).collect();
    assert_eq!(details, [(label("1"), Text::word("code.mild")), (label("2"), Text::word("code.severe"))]);
}

#[test]
fn many_values_under_one_label_are_no_deeper_than_one() {
    let named = |count: usize| {
        let name = |number: usize| format!(r#"{{"display":"named-{number}-end"}}"#);
        let entries: Vec<String> = (0..count).map(name).collect();
        said(&format!(
            r#"{{"resourceType":"Composition","id":"r","section":[{{"title":"경과","entry":[{}]}}]}}"#,
            entries.join(",")
        ))
    };
    let depth = |text: &str| {
        let step = |(now, most): (i32, i32), letter| match letter {
            '[' | '{' => (now + 1, most.max(now + 1)),
            ']' | '}' => (now - 1, most),
            _ => (now, most),
        };
        text.chars().fold((0, 0), step).1
    };
    let (two, many) = (named(2), named(2_000));
    assert_eq!(depth(&two), depth(&many), "pages are set from it by a parser that goes 128 levels deep");
    assert!(many.contains("named-0-end") && many.contains("named-1999-end"));
}

#[test]
fn secret_numbers_are_printed_nowhere() {
    let number = "9001011234567";
    for kind in ["NI", "NN", "NNKOR", "SS", "PPN", "DL"] {
        let identifier = format!(r#"[{{"type":{{"coding":[{{"code":"{kind}"}}],"text":"등록"}},"value":"{number}"}}]"#);
        for resource in ["Patient", "RelatedPerson", "Condition"] {
            let text = format!(
                r#"{{"resourceType":"{resource}","id":"r","identifier":{identifier},"link":[{{"other":{{"identifier":{}}}}}]}}"#,
                &identifier[1..identifier.len() - 1]
            );
            assert!(!said(&text).contains(number), "{kind} of {resource}");
        }
    }
}

#[test]
fn files_of_other_records_are_documents_too() {
    let png = "iVBORw0KGgo=";
    for (kind, member) in [
        ("DiagnosticReport", format!(r#""presentedForm":[{{"title":"판독지","data":"{png}"}}]"#)),
        ("Media", format!(r#""content":{{"title":"판독지","data":"{png}"}}"#)),
        ("Consent", format!(r#""sourceAttachment":{{"title":"판독지","data":"{png}"}}"#)),
        (
            "QuestionnaireResponse",
            r#""item":[{"answer":[{"valueAttachment":{"title":"판독지","url":"gone.pdf"}}]}]"#.to_owned(),
        ),
        ("Patient", r#""photo":[{"title":"판독지","url":"gone.png"}]"#.to_owned()),
    ] {
        let content = gathered(kind, json(&format!(r#"{{"resourceType":"{kind}","id":"r",{member}}}"#)));
        assert_eq!(content.documents.len(), 1, "{kind}");
        assert_eq!(content.undrawn.len(), 1, "{kind}: the reason is named");
        assert_eq!(content.undrawn[0].name, "판독지");
    }
}
