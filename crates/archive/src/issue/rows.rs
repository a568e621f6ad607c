//! One resource as one line of a table or one block of text, kind by kind. A kind that has no form of its own is shown
//! field by field, so that nothing chosen is left out in silence.

use crate::issue::content::{Column, Fact, Text};
use crate::issue::names::{Named, Names};
use crate::issue::values::{
    all_words, choice, code, date, dosage, duration, first_date, first_name, join, money, notes, quantity, range,
    status, strip_tags, system, words,
};
use fhir::json::Value;
use std::collections::HashMap;

/// Fields of an unknown kind that are shown; the rest is counted.
const FIELDS_MAX: usize = 40;
/// Characters of one field of an unknown kind.
const FIELD_CHARS_MAX: usize = 2_000;
/// Items of a bill that are shown on its line; the rest is counted.
const ITEMS_MAX: usize = 40;

/// Where records of one kind stand: heading, columns (none for blocks). The order here is the order on paper.
pub(super) struct Kind {
    /// Key of the heading.
    pub(super) key: &'static str,
    /// Columns of its table.
    pub(super) columns: &'static [Column],
}

/// Every kind, in the order on paper.
pub(super) const KINDS: [Kind; 11] = [
    Kind { key: "section.conditions", columns: CONDITION },
    Kind { key: "section.allergies", columns: ALLERGY },
    Kind { key: "section.vitals", columns: TEST },
    Kind { key: "section.tests", columns: TEST },
    Kind { key: "section.reports", columns: &[] },
    Kind { key: "section.procedures", columns: PROCEDURE },
    Kind { key: "section.medications", columns: MEDICATION },
    Kind { key: "section.immunizations", columns: IMMUNIZATION },
    Kind { key: "section.notes", columns: &[] },
    Kind { key: "section.billing", columns: BILL },
    Kind { key: "section.other", columns: OTHER },
];

const fn fixed(label: &'static str, mm: u32) -> Column {
    Column { label, mm, fr: 0 }
}
const fn share(label: &'static str, fr: u32) -> Column {
    Column { label, mm: 0, fr }
}
const CONDITION: &[Column] = &[
    fixed("column.code", 22),
    share("column.diagnosis", 1),
    fixed("column.system", 25),
    fixed("column.status", 19),
    fixed("column.date", 32),
];
const ALLERGY: &[Column] = &[
    share("column.substance", 3),
    fixed("column.kind", 22),
    share("column.reaction", 2),
    fixed("column.status", 19),
    fixed("column.date", 32),
];
const TEST: &[Column] = &[
    share("column.test", 5),
    share("column.result", 4),
    share("column.reference-range", 4),
    fixed("column.flag", 14),
    fixed("column.date", 32),
];
const PROCEDURE: &[Column] = &[
    fixed("column.code", 22),
    share("column.procedure", 3),
    share("column.performer", 1),
    fixed("column.status", 19),
    fixed("column.date", 32),
];
const MEDICATION: &[Column] = &[
    share("column.drug", 5),
    share("column.dosage", 4),
    fixed("column.amount", 24),
    fixed("column.status", 19),
    fixed("column.date", 32),
];
const IMMUNIZATION: &[Column] =
    &[share("column.vaccine", 3), share("column.dose", 1), fixed("column.status", 19), fixed("column.date", 32)];
const BILL: &[Column] =
    &[fixed("column.kind", 26), share("column.items", 5), share("column.money", 3), fixed("column.date", 32)];
const OTHER: &[Column] = &[fixed("column.kind", 30), share("column.content", 1), fixed("column.date", 32)];

/// A resource in the form its kind has on paper.
pub(super) struct Shape {
    /// Key of one of [`KINDS`].
    pub(super) kind: &'static str,
    /// Lines of cells, for tables.
    pub(super) lines: Vec<Vec<Text>>,
    /// Remarks, for tables.
    pub(super) notes: Vec<Text>,
    /// Title, facts and paragraphs, for blocks.
    pub(super) block: Option<(Text, Vec<Fact>, Vec<Text>)>,
    /// Its day, for sorting and for the cover.
    pub(super) date: String,
}

/// Finds what references point to, within one institution.
#[derive(Default)]
pub(super) struct Lookup<'a> {
    typed: HashMap<(&'a str, &'a str), &'a Value<'a>>,
    /// For references by `urn:uuid:`, which name no type.
    by_id: HashMap<&'a str, &'a Value<'a>>,
    /// What belongs to no patient, by its name alone.
    names: Option<&'a Names>,
}

impl<'a> Lookup<'a> {
    /// Adds a resource under its type and id.
    pub(super) fn insert(&mut self, kind: &'a str, id: &'a str, resource: &'a Value<'a>) {
        self.typed.insert((kind, id), resource);
        self.by_id.insert(id, resource);
    }

    /// Takes the names of what belongs to the institution itself.
    pub(super) fn name_with(&mut self, names: &'a Names) {
        self.names = Some(names);
    }

    /// The resource that a Reference points to.
    fn find(&self, reference: &Value) -> Option<&'a Value<'a>> {
        let target = reference.str("reference")?;
        let (kind, id) = target_of(target);
        match kind {
            Some(kind) => self.typed.get(&(kind, id)).copied(),
            None => self.by_id.get(id).copied(),
        }
    }

    /// The name of who or what a Reference in `resource` points to: its display, or the name of the resource.
    fn named(&self, resource: &Value, reference: &Value) -> String {
        if let Some(display) = reference.str("display") {
            return display.to_owned();
        }
        let found = contained(resource, reference).or_else(|| self.find(reference));
        let Some(target) = found else {
            return self.context(reference).map(|named| named.name.clone()).unwrap_or_default();
        };
        match target.str("resourceType").unwrap_or_default() {
            "Practitioner" | "Patient" | "RelatedPerson" => first_name(target),
            "PractitionerRole" => {
                let person = target.get("practitioner").map(|r| self.named(resource, r)).unwrap_or_default();
                join([person, all_words(target, "specialty")], ", ")
            }
            "Medication" | "Condition" | "Observation" | "Procedure" => {
                target.get("code").map(words).unwrap_or_default()
            }
            _ => target.str("name").map(str::to_owned).unwrap_or_default(),
        }
    }

    /// Names of everything that a member refers to, directly or below `step`.
    pub(super) fn names(&self, resource: &Value, member: &str, step: Option<&str>) -> String {
        let items = resource.each(member);
        let one = |item: &Value| match step {
            Some(step) => item.get(step).map(|reference| self.named(resource, reference)).unwrap_or_default(),
            None => self.named(resource, item),
        };
        join(items.map(one), ", ")
    }

    /// The drug that a Reference in `resource` points to, with its code: of the drug's own resource where there is one.
    fn drug(&self, resource: &Value, reference: &Value) -> String {
        let of = |name: String, code: String| join([name, bracketed(code)], " ");
        let concept = contained(resource, reference).or_else(|| self.find(reference)).and_then(|drug| drug.get("code"));
        match (concept, self.context(reference)) {
            (Some(concept), _) => of(words(concept), code(concept)),
            (None, Some(named)) if !named.name.is_empty() => of(named.name.clone(), named.code.clone()),
            _ => self.named(resource, reference),
        }
    }

    /// What a Reference points to that belongs to no patient.
    fn context(&self, reference: &Value) -> Option<&'a Named> {
        let (kind, id) = target_of(reference.str("reference")?);
        self.names?.get(kind?, id)
    }
}

/// What a Reference points to within its own resource.
fn contained<'x, 'v>(resource: &'x Value<'v>, reference: &Value) -> Option<&'x Value<'v>> {
    let name = reference.str("reference")?.strip_prefix('#')?;
    resource.each("contained").find(|inside| inside.str("id") == Some(name))
}

/// Type, where it is named, and id of a reference: `Patient/1`, `https://…/Patient/1/_history/2` or `urn:uuid:1`.
pub(super) fn target_of(reference: &str) -> (Option<&str>, &str) {
    let plain = reference.split_once("/_history/").map_or(reference, |(plain, _)| plain);
    match plain.rsplit_once('/') {
        Some((before, id)) => (before.rsplit('/').next(), id),
        None => (None, plain.rsplit(':').next().unwrap_or(plain)),
    }
}

/// Brings a resource into the form of its kind.
pub(super) fn shape(kind: &str, resource: &Value, lookup: &Lookup) -> Shape {
    match kind {
        "Condition" => condition(resource),
        "AllergyIntolerance" => allergy(resource),
        "Observation" => observation(resource),
        "DiagnosticReport" => report(resource, lookup),
        "Procedure" => procedure(resource, lookup),
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            medication(resource, lookup)
        }
        "Immunization" => immunization(resource),
        "ClinicalImpression" | "Composition" | "Communication" => note(kind, resource, lookup),
        "CarePlan" | "Goal" | "ServiceRequest" => plan(kind, resource, lookup),
        "Claim" | "ExplanationOfBenefit" | "Invoice" | "ChargeItem" => bill(kind, resource),
        _ => other(kind, resource),
    }
}

fn row(kind: &'static str, cells: Vec<Text>, notes: Vec<Text>, date: String) -> Shape {
    Shape { kind, lines: vec![cells], notes, block: None, date }
}

/// A status in words, or nothing where it says no more than that the record stands.
fn state(resource: &Value, member: &str) -> Text {
    match status(resource, member) {
        "" | "final" | "finished" | "confirmed" => Text::default(),
        other => Text::coded("status", other),
    }
}

fn concept(resource: &Value, member: &str) -> (String, String, String) {
    resource.get(member).map(|concept| (code(concept), words(concept), system(concept))).unwrap_or_default()
}

fn condition(resource: &Value) -> Shape {
    let (code, name, system) = concept(resource, "code");
    let site = join(["bodySite", "severity", "stage"].map(|member| all_words(resource, member)), ", ");
    let date = first_date(resource, &["recordedDate", "onsetDateTime", "onsetPeriod"]);
    let states = [state(resource, "clinicalStatus"), state(resource, "verificationStatus")];
    let status = Text::Join { join: states.into_iter().filter(|text| !text.is_empty()).collect() };
    let named = if site.is_empty() { name } else { format!("{name} ({site})") };
    let cells = vec![code.into(), named.into(), system.into(), status, date.clone().into()];
    let mut remarks = notes(resource);
    // That a diagnosis is a diagnosis needs no saying; that it is a complaint or a past illness does.
    let categories = resource.each("category").map(words).filter(|word| !word.contains("iagnosis") && word != "진단");
    let category = join(categories, ", ");
    if !category.is_empty() {
        remarks.insert(0, category.into());
    }
    row("section.conditions", cells, remarks, date)
}

fn allergy(resource: &Value) -> Shape {
    let date = first_date(resource, &["recordedDate", "onsetDateTime", "lastOccurrence"]);
    let reactions = join(resource.each("reaction").map(|reaction| all_words(reaction, "manifestation")), ", ");
    let categories = resource.each("category").filter_map(Value::as_str).map(|code| Text::coded("allergy", code));
    let mut kind: Vec<Text> = categories.collect();
    if let Some(criticality) = resource.str("criticality") {
        kind.push(Text::coded("criticality", criticality));
    }
    let cells = vec![
        concept(resource, "code").1.into(),
        Text::Join { join: kind },
        reactions.into(),
        state(resource, "clinicalStatus"),
        date.clone().into(),
    ];
    row("section.allergies", cells, notes(resource), date)
}

fn observation(resource: &Value) -> Shape {
    let date = first_date(resource, &["effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"]);
    let category = |wanted: &str| resource.each("category").any(|category| code(category) == wanted);
    let kind = if category("vital-signs") { "section.vitals" } else { "section.tests" };
    let mut lines = vec![test_line(resource, date.clone(), "")];
    lines.extend(resource.each("component").map(|component| test_line(component, String::new(), "· ")));
    let mut remarks = notes(resource);
    let state = state(resource, "status");
    if !state.is_empty() {
        remarks.insert(0, state);
    }
    let around = ["bodySite", "method"].map(|member| all_words(resource, member));
    let around = join(around, ", ");
    if !around.is_empty() {
        remarks.push(around.into());
    }
    Shape { kind, lines, notes: remarks, block: None, date }
}

fn test_line(resource: &Value, date: String, before: &str) -> Vec<Text> {
    let mut result = choice(resource, "value");
    if result.is_empty()
        && let Some(reason) = resource.get("dataAbsentReason")
    {
        result = Text::Join { join: vec![Text::word("value.absent"), words(reason).into()] };
    }
    let ranges = resource.each("referenceRange").map(|reference| match reference.str("text") {
        Some(text) => text.to_owned(),
        None => range(reference),
    });
    let flags = resource.each("interpretation").map(|flag| Text::coded("flag", &code(flag)));
    let name = format!("{before}{}", concept(resource, "code").1);
    vec![name.into(), result, join(ranges, "; ").into(), Text::Join { join: flags.collect() }, date.into()]
}

fn procedure(resource: &Value, lookup: &Lookup) -> Shape {
    let (code, name, _) = concept(resource, "code");
    let date = first_date(resource, &["performedDateTime", "performedPeriod", "performedString"]);
    let site = all_words(resource, "bodySite");
    let named = if site.is_empty() { name } else { format!("{name} ({site})") };
    let performer = lookup.names(resource, "performer", Some("actor"));
    let status = match state(resource, "status") {
        Text::Word { word } if word == "status.completed" => Text::default(),
        other => other,
    };
    let cells = vec![code.into(), named.into(), performer.into(), status, date.clone().into()];
    let mut remarks: Vec<Text> = ["reasonCode", "outcome", "complication", "followUp"]
        .map(|member| all_words(resource, member))
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(Text::from)
        .collect();
    remarks.extend(notes(resource));
    row("section.procedures", cells, remarks, date)
}

fn medication(resource: &Value, lookup: &Lookup) -> Shape {
    let date = first_date(
        resource,
        &["authoredOn", "effectiveDateTime", "effectivePeriod", "whenHandedOver", "whenPrepared", "dateAsserted"],
    );
    let named = match resource.get("medicationCodeableConcept") {
        Some(concept) => join([words(concept), bracketed(code(concept))], " "),
        None => resource.get("medicationReference").map(|drug| lookup.drug(resource, drug)).unwrap_or_default(),
    };
    let dosages = resource.each("dosageInstruction").chain(resource.each("dosage")).map(dosage);
    let dispense = resource.get("dispenseRequest").unwrap_or(resource);
    let days = ["expectedSupplyDuration", "daysSupply"].iter().find_map(|member| dispense.get(member)).map(duration);
    let mut amount: Vec<Text> = dispense.get("quantity").map(|found| quantity(found).into()).into_iter().collect();
    if let Some(days) = days {
        if !amount.is_empty() {
            amount.push("/".into());
        }
        amount.push(days);
    }
    let status = match state(resource, "status") {
        Text::Word { word } if word == "status.completed" || word == "status.active" => Text::default(),
        other => other,
    };
    let cells = vec![
        named.into(),
        Text::Join { join: dosages.filter(|text| !text.is_empty()).collect() },
        Text::Join { join: amount },
        status,
        date.clone().into(),
    ];
    row("section.medications", cells, notes(resource), date)
}

fn bracketed(code: String) -> String {
    if code.is_empty() { code } else { format!("[{code}]") }
}

fn immunization(resource: &Value) -> Shape {
    let date = first_date(resource, &["occurrenceDateTime", "occurrenceString", "recorded"]);
    let dose = join(
        [
            resource.str("lotNumber").unwrap_or_default().to_owned(),
            resource.get("doseQuantity").map(quantity).unwrap_or_default(),
        ],
        ", ",
    );
    let status = match state(resource, "status") {
        Text::Word { word } if word == "status.completed" => Text::default(),
        other => other,
    };
    let cells = vec![concept(resource, "vaccineCode").1.into(), dose.into(), status, date.clone().into()];
    row("section.immunizations", cells, notes(resource), date)
}

fn report(resource: &Value, lookup: &Lookup) -> Shape {
    let date = first_date(resource, &["effectiveDateTime", "effectivePeriod", "issued"]);
    let mut facts = Vec::new();
    push(&mut facts, "fact.date", date.clone().into());
    push(&mut facts, "fact.performer", lookup.names(resource, "performer", None).into());
    push(&mut facts, "fact.interpreter", lookup.names(resource, "resultsInterpreter", None).into());
    push(&mut facts, "fact.status", state(resource, "status"));
    let mut text: Vec<Text> = Vec::new();
    if let Some(conclusion) = resource.str("conclusion") {
        text.push(conclusion.into());
    }
    let coded = all_words(resource, "conclusionCode");
    if !coded.is_empty() {
        text.push(coded.into());
    }
    push(&mut facts, "fact.results", lookup.names(resource, "result", None).into());
    text.extend(notes(resource));
    let block = Some((concept(resource, "code").1.into(), facts, text));
    Shape { kind: "section.reports", lines: Vec::new(), notes: Vec::new(), block, date }
}

fn note(kind: &str, resource: &Value, lookup: &Lookup) -> Shape {
    let date = first_date(resource, &["date", "effectiveDateTime", "sent"]);
    let mut facts = Vec::new();
    push(&mut facts, "fact.date", date.clone().into());
    push(&mut facts, "fact.author", lookup.names(resource, "author", None).into());
    push(&mut facts, "fact.author", lookup.names(resource, "assessor", None).into());
    let mut text: Vec<Text> =
        ["description", "summary"].iter().filter_map(|member| resource.str(member)).map(Text::from).collect();
    for section in resource.each("section") {
        let body = section.get("text").and_then(|text| text.str("div")).map(strip_tags).unwrap_or_default();
        text.push(join([section.str("title").unwrap_or_default().to_owned(), body], "\n").into());
    }
    for payload in resource.each("payload") {
        text.push(choice(payload, "content"));
    }
    for finding in resource.each("finding") {
        text.push(finding.get("itemCodeableConcept").map(words).unwrap_or_default().into());
    }
    text.extend(notes(resource));
    text.retain(|paragraph| !paragraph.is_empty());
    let named = resource.str("title").map(str::to_owned).unwrap_or_else(|| {
        ["code", "type"].iter().find_map(|member| resource.get(member)).map(words).unwrap_or_default()
    });
    let title = if named.is_empty() { Text::coded("type", kind) } else { named.into() };
    if text.is_empty() && resource.get("text").is_some() {
        text.extend(resource.get("text").and_then(|text| text.str("div")).map(|div| Text::from(strip_tags(div))));
    }
    Shape { kind: "section.notes", lines: Vec::new(), notes: Vec::new(), block: Some((title, facts, text)), date }
}

fn push(facts: &mut Vec<Fact>, label: &'static str, value: Text) {
    if !value.is_empty() {
        facts.push(Fact { label, value });
    }
}

fn bill(kind: &str, resource: &Value) -> Shape {
    let date = first_date(resource, &["billablePeriod", "created", "date", "occurrenceDateTime"]);
    let item = |item: &Value| {
        let name =
            ["productOrService", "chargeItemCodeableConcept", "code"].iter().find_map(|m| item.get(m)).map(words);
        join([name.unwrap_or_default(), item.get("net").map(money).unwrap_or_default()], " ")
    };
    let count = resource.each("item").chain(resource.each("lineItem")).count();
    let items = resource.each("item").chain(resource.each("lineItem")).take(ITEMS_MAX).map(item);
    let mut content = vec![Text::from(join(items, "; "))];
    if count > ITEMS_MAX {
        content.push(Text::Join { join: vec![Text::word("more"), (count - ITEMS_MAX).to_string().into()] });
    }
    if let Some(code) = resource.get("code") {
        content.push(words(code).into());
    }
    let totals = resource.each("total").map(|total| money(total.get("amount").unwrap_or(total)));
    let mut total = join(totals, ", ");
    if total.is_empty() {
        let found = ["totalNet", "totalGross", "priceOverride"].iter().find_map(|member| resource.get(member));
        total = found.map(money).unwrap_or_default();
    }
    if let Some(paid) = resource.get("payment").and_then(|payment| payment.get("amount")) {
        total = join([total, money(paid)], " / ");
    }
    let cells = vec![Text::coded("type", kind), Text::Join { join: content }, total.into(), date.clone().into()];
    row("section.billing", cells, notes(resource), date)
}

/// Plans, goals and requests: what is to be done, each activity on a line of its own.
fn plan(kind: &str, resource: &Value, lookup: &Lookup) -> Shape {
    let date =
        first_date(resource, &["period", "startDate", "authoredOn", "occurrenceDateTime", "created", "statusDate"]);
    let mut lines: Vec<String> = vec![resource.str("title").unwrap_or_default().to_owned()];
    lines.extend(["category", "code", "description", "reasonCode"].map(|member| all_words(resource, member)));
    lines.push(lookup.names(resource, "addresses", None));
    lines.push(lookup.names(resource, "requester", None));
    for activity in resource.each("activity").filter_map(|activity| activity.get("detail")) {
        let named = activity.get("code").map(words).unwrap_or_default();
        lines.push(join([named, activity.str("description").unwrap_or_default().to_owned()], ": "));
    }
    for target in resource.each("target") {
        lines.push(join([all_words(target, "measure"), target.str("dueDate").unwrap_or_default().to_owned()], ", "));
    }
    let status = ["status", "lifecycleStatus"].map(|member| state(resource, member));
    let mut content = vec![Text::from(join(lines, "\n"))];
    content.extend(status.into_iter().filter(|text| !text.is_empty()).flat_map(|text| ["·".into(), text]));
    row(
        "section.other",
        vec![Text::coded("type", kind), Text::Join { join: content }, date.clone().into()],
        notes(resource),
        date,
    )
}

/// Members that are not content, or that the page shows elsewhere.
const NOT_CONTENT: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "identifier",
    "subject",
    "patient",
    "encounter",
    "context",
    "beneficiary",
    "reference",
    "system",
    "contained",
    "sequence",
    "uid",
    "url",
    "version",
];

fn other(kind: &str, resource: &Value) -> Shape {
    const DATES: &[&str] = &[
        "period",
        "started",
        "date",
        "recordedDate",
        "authoredOn",
        "created",
        "issued",
        "occurrenceDateTime",
        "performedDateTime",
        "effectiveDateTime",
        "startDate",
        "dateTime",
        "sent",
        "recorded",
    ];
    let date = first_date(resource, DATES);
    let mut fields: Vec<(String, String)> = Vec::new();
    flatten(resource, "", &mut fields);
    let left = fields.len().saturating_sub(FIELDS_MAX);
    fields.truncate(FIELDS_MAX);
    let mut content: Vec<Text> = vec![join(fields.iter().map(|(path, text)| format!("{path}: {text}")), "\n").into()];
    if left > 0 {
        content.push(Text::Join { join: vec!["\n".into(), Text::word("more"), left.to_string().into()] });
    }
    let cells = vec![Text::coded("type", kind), Text::Join { join: content }, date.clone().into()];
    row("section.other", cells, Vec::new(), date)
}

/// Fields below `value` as path and text; a CodeableConcept or Quantity is one field.
fn flatten(value: &Value, path: &str, out: &mut Vec<(String, String)>) {
    if ["coding", "display", "text"].iter().any(|member| value.get(member).is_some_and(|found| !found.is_object())) {
        return field(path, words(value), out);
    }
    if value.get("value").is_some_and(|v| v.primitive_text().is_some()) && value.get("system").is_none() {
        let text = if value.get("currency").is_some() { money(value) } else { quantity(value) };
        return field(path, text, out);
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if NOT_CONTENT.contains(&&**name) || (path.is_empty() && matches!(&**name, "extension" | "text")) {
                    continue;
                }
                let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                flatten(member, &path, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flatten(item, path, out)),
        Value::Null => {}
        _ => field(path, value.primitive_text().map(date_or_text).unwrap_or_default(), out),
    }
}

fn field(path: &str, text: String, out: &mut Vec<(String, String)>) {
    if text.is_empty() {
        return;
    }
    let short: String = text.chars().take(FIELD_CHARS_MAX).collect();
    let cut = short.len() < text.len();
    out.push((path.to_owned(), if cut { short + " …" } else { short }));
}

fn date_or_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let dated = bytes.len() >= 19 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T';
    if dated { date(text) } else { text.to_owned() }
}
