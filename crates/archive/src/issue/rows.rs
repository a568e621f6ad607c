//! One resource as one line of a table or one block of text, kind by kind. What a form has no place for is shown member by
//! member below it, and so is all of a kind that has no form, so that nothing chosen is left out in silence.

use crate::issue::content::{Column, Detail, Fact, Text};
use crate::issue::details::{details, label};
use crate::issue::names::{Named, Names};
use crate::issue::seen::Seen;
use crate::issue::values::{all_words, code, duration, first_name, join, range, strip_tags, words};
use fhir::json::Value;
use std::collections::HashMap;

/// Items of a bill that are shown on its line; the rest stands below.
const ITEMS_MAX: usize = 40;
/// Levels of questions within questions that are set in.
const LEVELS_MAX: usize = 6;

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
    /// What the form has no place for.
    pub(super) details: Vec<Detail>,
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

    /// The same for a page that keeps marks: a person or a place within the record is then shown by its name.
    pub(super) fn named_in(&self, resource: &Value, reference: &Value, seen: &Seen) -> String {
        let name = self.named(resource, reference);
        if let Some(inside) = contained(resource, reference).filter(|_| !name.is_empty()) {
            match inside.str("resourceType").unwrap_or_default() {
                "Practitioner" | "PractitionerRole" | "Organization" | "Location" | "Patient" => seen.add(inside),
                _ => seen.all_words(inside, "code").truncate(0),
            }
        }
        name
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

/// A record that is being brought into form: what it says, what it refers to, and what of it is on the page by now.
struct Page<'p, 'v> {
    resource: &'p Value<'v>,
    lookup: &'p Lookup<'p>,
    seen: &'p Seen,
}

/// Brings a resource into the form of its kind.
pub(super) fn shape(kind: &str, resource: &Value, lookup: &Lookup) -> Shape {
    let seen = Seen::default();
    let page = Page { resource, lookup, seen: &seen };
    let mut shape = match kind {
        "Condition" => page.condition(),
        "AllergyIntolerance" => page.allergy(),
        "Observation" => page.observation(),
        "DiagnosticReport" => page.report(),
        "Procedure" => page.procedure(),
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            page.medication()
        }
        "Immunization" => page.immunization(),
        "ClinicalImpression" | "Composition" | "Communication" => page.note(kind),
        "CarePlan" | "Goal" | "ServiceRequest" => page.plan(kind),
        "Claim" | "ExplanationOfBenefit" | "Invoice" | "ChargeItem" => page.bill(kind),
        "QuestionnaireResponse" => page.answers(kind),
        _ => page.other(kind),
    };
    shape.details.extend(details(resource, lookup, &seen));
    if kind_has_no_form(&shape) {
        let lines = std::mem::take(&mut shape.details);
        let narrative = resource.get("text").and_then(|text| text.str("div")).map(strip_tags);
        shape.lines[0][1] = match narrative.filter(|_| lines.is_empty()) {
            Some(narrative) => narrative.into(),
            None => Text::Lines { lines },
        };
    }
    shape
}

/// Whether the details are all there is to a record: they are then its content.
fn kind_has_no_form(shape: &Shape) -> bool {
    shape.kind == "section.other" && shape.lines.first().is_some_and(|cells| cells[1].is_empty())
}

fn row(kind: &'static str, cells: Vec<Text>, notes: Vec<Text>, date: String) -> Shape {
    Shape { kind, lines: vec![cells], notes, block: None, details: Vec::new(), date }
}

/// Texts behind each other, without those that are empty.
fn row_of(texts: impl IntoIterator<Item = Text>) -> Text {
    let flat = texts.into_iter().flat_map(|text| match text {
        Text::Join { join } => join,
        single => vec![single],
    });
    Text::Join { join: flat.filter(|text| !text.is_empty()).collect() }
}

fn bracketed(code: String) -> String {
    if code.is_empty() { code } else { format!("[{code}]") }
}

fn push(facts: &mut Vec<Fact>, label: &'static str, value: Text) {
    if !value.is_empty() {
        facts.push(Fact { label, value });
    }
}

impl Page<'_, '_> {
    /// A status in words, or nothing where it says no more than that the record stands.
    fn state(&self, member: &str) -> Text {
        match self.seen.status(self.resource, member) {
            "" | "final" | "finished" | "confirmed" => Text::default(),
            other => Text::coded("status", other),
        }
    }

    /// A status of something that is usually done.
    fn state_but(&self, usual: &[&str]) -> Text {
        match self.state("status") {
            Text::Word { word } if usual.iter().any(|usual| word.strip_prefix("status.") == Some(usual)) => {
                Text::default()
            }
            other => other,
        }
    }

    /// The words of a member.
    fn words(&self, member: &str) -> String {
        self.resource.get(member).map(|concept| self.seen.words(concept)).unwrap_or_default()
    }

    /// The words of a member with the code behind them.
    fn coded_words(&self, resource: &Value, member: &str) -> Text {
        resource.get(member).map(|concept| self.seen.coded_words(concept)).unwrap_or_default()
    }

    /// Names of everything that a member refers to, directly or below `step`.
    fn names(&self, member: &str, step: Option<&str>) -> String {
        let items = self.resource.each(member).filter_map(|item| step.map_or(Some(item), |step| item.get(step)));
        join(items.map(|reference| self.name(reference)), ", ")
    }

    fn name(&self, reference: &Value) -> String {
        let name = self.lookup.named_in(self.resource, reference, self.seen);
        if !name.is_empty() {
            self.seen.members(reference, &["display", "reference"]);
        }
        name
    }

    fn condition(&self) -> Shape {
        let concept = self.resource.get("code");
        let of =
            |read: fn(&Seen, &Value) -> String| concept.map(|concept| read(self.seen, concept)).unwrap_or_default();
        let (code, name, system) = (of(Seen::code), of(Seen::words), of(Seen::system));
        let site = join(["bodySite", "severity"].map(|member| self.seen.all_words(self.resource, member)), ", ");
        let date = self.seen.first_date(self.resource, &["recordedDate", "onsetDateTime", "onsetPeriod"]);
        let status = row_of([self.state("clinicalStatus"), self.state("verificationStatus")]);
        let named = if site.is_empty() { name } else { format!("{name} ({site})") };
        let cells = vec![code.into(), named.into(), system.into(), status, date.clone().into()];
        let mut remarks = self.seen.notes(self.resource);
        // That a diagnosis is a diagnosis needs no saying; that it is a complaint or a past illness does.
        let is_plain = |word: &String| word.contains("iagnosis") || word == "진단";
        let (plain, others): (Vec<&Value>, Vec<&Value>) =
            self.resource.each("category").partition(|category| is_plain(&words(category)));
        plain.into_iter().for_each(|category| self.seen.leaves(category));
        let category = join(others.into_iter().map(|category| self.seen.words(category)), ", ");
        if !category.is_empty() {
            remarks.insert(0, category.into());
        }
        row("section.conditions", cells, remarks, date)
    }

    fn allergy(&self) -> Shape {
        let date = self.seen.first_date(self.resource, &["recordedDate", "onsetDateTime", "lastOccurrence"]);
        let reaction = |reaction: &Value| self.seen.all_words(reaction, "manifestation");
        let reactions = join(self.resource.each("reaction").map(reaction), ", ");
        let categories = self.resource.each("category").filter(|category| category.as_str().is_some());
        let categories = categories.map(|category| Text::coded("allergy", &self.seen.words(category)));
        let criticality = self.seen.str(self.resource, "criticality").map(|code| Text::coded("criticality", code));
        let cells = vec![
            self.coded_words(self.resource, "code"),
            row_of(categories.chain(criticality)),
            reactions.into(),
            row_of([self.state("clinicalStatus"), self.state("verificationStatus")]),
            date.clone().into(),
        ];
        row("section.allergies", cells, self.seen.notes(self.resource), date)
    }

    fn observation(&self) -> Shape {
        const DATES: &[&str] = &["effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"];
        let resource = self.resource;
        let category = |wanted: &str| resource.each("category").find(|category| code(category) == wanted);
        let kind = if category("vital-signs").is_some() { "section.vitals" } else { "section.tests" };
        // The heading says these.
        let headed = ["vital-signs", "laboratory"].into_iter().filter_map(category);
        headed.for_each(|category| self.seen.leaves(category));
        let date = self.seen.first_date(resource, DATES);
        let mut lines = vec![self.test_line(resource, self.seen.first_span(resource, DATES), "")];
        lines.extend(resource.each("component").map(|component| self.test_line(component, Text::default(), "·")));
        let mut remarks = self.seen.notes(resource);
        let state = self.state("status");
        if !state.is_empty() {
            remarks.insert(0, state);
        }
        let around = join(["bodySite", "method"].map(|member| self.seen.all_words(resource, member)), ", ");
        if !around.is_empty() {
            remarks.push(around.into());
        }
        Shape { kind, lines, notes: remarks, block: None, details: Vec::new(), date }
    }

    fn test_line(&self, resource: &Value, date: Text, before: &str) -> Vec<Text> {
        let mut result = self.seen.choice(resource, "value");
        if result.is_empty()
            && let Some(reason) = resource.get("dataAbsentReason")
        {
            result = Text::Join { join: vec![Text::word("value.absent"), self.seen.words(reason).into()] };
        }
        let ranges = resource.each("referenceRange").map(|reference| match self.seen.str(reference, "text") {
            Some(text) => text.to_owned(),
            None => {
                ["low", "high"]
                    .iter()
                    .filter_map(|bound| reference.get(bound))
                    .for_each(|bound| self.seen.leaves(bound));
                range(reference)
            }
        });
        let ranges = join(ranges, "; ");
        let flag = |flag: &Value| match Text::coded("flag", &code(flag)) {
            Text::Plain(_) => self.seen.coded_words(flag),
            word => {
                // The word of ours stands for the coding; what was written beside it does not.
                flag.each("coding").for_each(|coding| self.seen.add(coding));
                word
            }
        };
        let flags = row_of(resource.each("interpretation").map(flag));
        let name = row_of([before.into(), self.coded_words(resource, "code")]);
        vec![name, result, ranges.into(), flags, date]
    }

    fn procedure(&self) -> Shape {
        const DATES: &[&str] = &["performedDateTime", "performedPeriod", "performedString"];
        let (code, name) = (self.resource.get("code").map(|concept| self.seen.code(concept)), self.words("code"));
        let (date, span) = (self.seen.first_date(self.resource, DATES), self.seen.first_span(self.resource, DATES));
        let site = self.seen.all_words(self.resource, "bodySite");
        let named = if site.is_empty() { name } else { format!("{name} ({site})") };
        let performer = self.names("performer", Some("actor"));
        let status = self.state_but(&["completed"]);
        let cells = vec![code.unwrap_or_default().into(), named.into(), performer.into(), status, span];
        row("section.procedures", cells, self.seen.notes(self.resource), date)
    }

    fn medication(&self) -> Shape {
        let resource = self.resource;
        let date = self.seen.first_date(
            resource,
            &["authoredOn", "effectiveDateTime", "effectivePeriod", "whenHandedOver", "whenPrepared", "dateAsserted"],
        );
        let named = match (resource.get("medicationCodeableConcept"), resource.get("medicationReference")) {
            (Some(concept), _) => self.seen.coded_words(concept),
            (None, Some(drug)) => {
                self.seen.members(drug, &["reference", "display"]);
                contained(resource, drug).and_then(|drug| drug.get("code")).inspect(|code| {
                    self.seen.coded_words(code);
                });
                self.lookup.drug(resource, drug).into()
            }
            _ => Text::default(),
        };
        let dosages = resource.each("dosageInstruction").chain(resource.each("dosage"));
        let dosages = row_of(dosages.map(|dosage| self.seen.dosage(dosage)));
        let dispense = resource.get("dispenseRequest").unwrap_or(resource);
        let days = ["expectedSupplyDuration", "daysSupply"].iter().find_map(|member| dispense.get(member));
        let days = days.inspect(|days| self.seen.leaves(days)).map(duration);
        let mut amount: Vec<Text> =
            dispense.get("quantity").map(|found| self.seen.quantity(found).into()).into_iter().collect();
        if let Some(days) = days {
            if !amount.is_empty() {
                amount.push("/".into());
            }
            amount.push(days);
        }
        let status = self.state_but(&["completed", "active"]);
        let cells = vec![named, dosages, Text::Join { join: amount }, status, date.clone().into()];
        row("section.medications", cells, self.seen.notes(resource), date)
    }

    fn immunization(&self) -> Shape {
        let date = self.seen.first_date(self.resource, &["occurrenceDateTime", "occurrenceString", "recorded"]);
        let lot = self.seen.str(self.resource, "lotNumber").unwrap_or_default().to_owned();
        let quantity = self.resource.get("doseQuantity").map(|dose| self.seen.quantity(dose)).unwrap_or_default();
        let cells = vec![
            self.coded_words(self.resource, "vaccineCode"),
            join([lot, quantity], ", ").into(),
            self.state_but(&["completed"]),
            date.clone().into(),
        ];
        row("section.immunizations", cells, self.seen.notes(self.resource), date)
    }

    fn report(&self) -> Shape {
        let resource = self.resource;
        let date = self.seen.first_date(resource, &["effectiveDateTime", "effectivePeriod", "issued"]);
        let mut facts = Vec::new();
        push(&mut facts, "fact.date", date.clone().into());
        push(&mut facts, "fact.performer", self.names("performer", None).into());
        push(&mut facts, "fact.interpreter", self.names("resultsInterpreter", None).into());
        push(&mut facts, "fact.status", self.state("status"));
        let mut text: Vec<Text> = Vec::new();
        if let Some(conclusion) = self.seen.str(resource, "conclusion") {
            text.push(conclusion.into());
        }
        text.extend(resource.each("conclusionCode").map(|concept| self.seen.coded_words(concept)));
        push(&mut facts, "fact.results", self.names("result", None).into());
        text.extend(self.seen.notes(resource));
        let block = Some((self.coded_words(resource, "code"), facts, text));
        Shape { kind: "section.reports", lines: Vec::new(), notes: Vec::new(), block, details: Vec::new(), date }
    }

    fn note(&self, kind: &str) -> Shape {
        let resource = self.resource;
        let date = self.seen.first_date(resource, &["date", "effectiveDateTime", "sent"]);
        let mut facts = Vec::new();
        push(&mut facts, "fact.date", date.clone().into());
        push(&mut facts, "fact.author", self.names("author", None).into());
        push(&mut facts, "fact.author", self.names("assessor", None).into());
        push(&mut facts, "fact.status", self.state_but(&["completed"]));
        let mut text: Vec<Text> = ["description", "summary"]
            .iter()
            .filter_map(|member| self.seen.str(resource, member))
            .map(Text::from)
            .collect();
        resource.each("section").for_each(|section| self.section(section, 0, &mut text));
        text.extend(resource.each("payload").map(|payload| self.seen.choice(payload, "content")));
        let findings = resource.each("finding").filter_map(|finding| finding.get("itemCodeableConcept"));
        text.extend(findings.map(|finding| self.seen.coded_words(finding)));
        text.extend(self.seen.notes(resource));
        text.retain(|paragraph| !paragraph.is_empty());
        let named = self.seen.str(resource, "title").map(Text::from);
        let of_kind =
            || ["code", "type"].iter().map(|member| self.coded_words(resource, member)).find(|t| !t.is_empty());
        let title = named.or_else(of_kind).unwrap_or_else(|| Text::coded("type", kind));
        if text.is_empty() && resource.get("text").is_some() {
            text.extend(resource.get("text").and_then(|text| text.str("div")).map(|div| Text::from(strip_tags(div))));
        }
        let block = Some((title, facts, text));
        Shape { kind: "section.notes", lines: Vec::new(), notes: Vec::new(), block, details: Vec::new(), date }
    }

    /// A section of a composition, and the sections within it, as paragraphs.
    fn section(&self, section: &Value, level: usize, text: &mut Vec<Text>) {
        let body = section.get("text").and_then(|text| self.seen.str(text, "div")).map(strip_tags).unwrap_or_default();
        section.get("text").inspect(|narrative| self.seen.add(narrative));
        let title = self.seen.str(section, "title").map(str::to_owned);
        let title = title.or_else(|| section.get("code").map(|code| self.seen.words(code))).unwrap_or_default();
        text.push(join([title, body], "\n").into());
        if level < LEVELS_MAX {
            section.each("section").for_each(|inner| self.section(inner, level + 1, text));
        }
    }

    fn bill(&self, kind: &str) -> Shape {
        let resource = self.resource;
        let date = self.seen.first_date(resource, &["billablePeriod", "created", "date", "occurrenceDateTime"]);
        let money = |value: &Value| self.seen.money(value);
        let item = |item: &Value| {
            let name = ["productOrService", "chargeItemCodeableConcept", "code"].iter().find_map(|m| item.get(m));
            let name = name.map(|name| self.seen.words(name)).unwrap_or_default();
            join([name, item.get("net").map(money).unwrap_or_default()], " ")
        };
        let items = resource.each("item").chain(resource.each("lineItem")).take(ITEMS_MAX).map(item);
        let mut content = vec![Text::from(join(items, "; "))];
        content.extend(resource.get("code").map(|code| self.seen.coded_words(code)));
        let totals = resource.each("total").map(|total| money(total.get("amount").unwrap_or(total)));
        let mut total = join(totals, ", ");
        if total.is_empty() {
            let found = ["totalNet", "totalGross", "priceOverride"].iter().find_map(|member| resource.get(member));
            total = found.map(money).unwrap_or_default();
        }
        if let Some(paid) = resource.get("payment").and_then(|payment| payment.get("amount")) {
            total = join([total, money(paid)], " / ");
        }
        let cells = vec![Text::coded("type", kind), row_of(content), total.into(), date.clone().into()];
        row("section.billing", cells, self.seen.notes(resource), date)
    }

    /// Plans, goals and requests: what is to be done, each activity on a line of its own.
    fn plan(&self, kind: &str) -> Shape {
        let resource = self.resource;
        let date = self.seen.first_date(
            resource,
            &["period", "startDate", "authoredOn", "occurrenceDateTime", "created", "statusDate"],
        );
        let all = |member: &str| self.seen.all_words(resource, member);
        let mut lines: Vec<String> = vec![self.seen.str(resource, "title").unwrap_or_default().to_owned()];
        let coded = resource.get("code").map(|code| (self.seen.words(code), bracketed(self.seen.code(code))));
        let coded = coded.map(|(name, code)| join([name, code], " ")).unwrap_or_default();
        lines.extend([all("category"), coded, all("description"), all("reasonCode")]);
        lines.push(self.names("addresses", None));
        lines.push(self.names("requester", None));
        for activity in resource.each("activity").filter_map(|activity| activity.get("detail")) {
            let named = activity.get("code").map(|code| self.seen.words(code)).unwrap_or_default();
            lines.push(join([named, self.seen.str(activity, "description").unwrap_or_default().to_owned()], ": "));
        }
        for target in resource.each("target") {
            let due = self.seen.str(target, "dueDate").unwrap_or_default().to_owned();
            lines.push(join([self.seen.all_words(target, "measure"), due], ", "));
        }
        let status = ["status", "lifecycleStatus"].map(|member| self.state(member));
        let mut content = vec![Text::from(join(lines, "\n"))];
        content.extend(status.into_iter().filter(|text| !text.is_empty()).flat_map(|text| ["·".into(), text]));
        let cells = vec![Text::coded("type", kind), row_of(content), date.clone().into()];
        row("section.other", cells, self.seen.notes(resource), date)
    }

    /// Questions with their answers, those within others set in.
    fn answers(&self, kind: &str) -> Shape {
        let date = self.seen.first_date(self.resource, &["authored"]);
        let mut lines = Vec::new();
        let state = self.state_but(&["completed"]);
        if !state.is_empty() {
            lines.push(Detail { label: label("status"), value: state });
        }
        self.resource.each("item").for_each(|item| self.question(item, 0, &mut lines));
        let cells = vec![Text::coded("type", kind), Text::Lines { lines }, date.clone().into()];
        row("section.other", cells, Vec::new(), date)
    }

    fn question(&self, item: &Value, level: usize, lines: &mut Vec<Detail>) {
        let text = self.seen.str(item, "text").unwrap_or_default();
        let mut answers: Vec<Text> = Vec::new();
        let given = item.each("answer").map(|answer| self.seen.choice(answer, "value"));
        for answer in given.filter(|answer| !answer.is_empty()) {
            if !answers.is_empty() {
                answers.push(",".into());
            }
            answers.push(answer);
        }
        if !text.is_empty() || !answers.is_empty() {
            // Spaces of this width stay as they are.
            let label = format!("{}{text}", "\u{2003}".repeat(level)).into();
            lines.push(Detail { label, value: Text::Join { join: answers } });
        }
        if level < LEVELS_MAX {
            let within = item.each("answer").flat_map(|answer| answer.each("item")).chain(item.each("item"));
            within.for_each(|inner| self.question(inner, level + 1, lines));
        }
    }

    /// A kind without a form: its details are its content.
    fn other(&self, kind: &str) -> Shape {
        const DATES: &[&str] = &[
            "period",
            "started",
            "date",
            "createdDateTime",
            "createdPeriod",
            "authored",
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
        let date = self.seen.first_date(self.resource, DATES);
        let cells = vec![Text::coded("type", kind), Text::default(), date.clone().into()];
        row("section.other", cells, Vec::new(), date)
    }
}
