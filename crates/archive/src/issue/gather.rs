//! Records into the order of a chart: institution by institution, visit by visit, kind by kind, every edition of what was
//! amended, then documents, then what could not be drawn. Pure; no text of ours is made here, only keys of it.

use crate::issue::budget::Budget;
use crate::issue::content::{
    Block, Column, Detail, Document, DrawnFile, Fact, Identity, IssueContent, Mark, Masthead, Part, Row, Section,
    Sheet, Summary, Text, Undrawn, Visit,
};
use crate::issue::details::{details, label, whole};
use crate::issue::rows::{KINDS, Lookup, Shape, shape, target_of};
use crate::issue::seen::Seen;
use crate::issue::sheets::{self, Drawable};
use crate::issue::source::{FileFault, Record, Source, SourceInstitution, Version};
use crate::issue::values::{
    address, all_words, code, date, day, first_date, first_name, join, name, period, strip_tags, words,
};
use crate::members::{attachments, is_secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fhir::json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The kind of record that is nothing but a document.
const DOCUMENT: &str = "DocumentReference";
/// Roles in which a visit's doctor need not be named again.
const ROLES: [&str; 7] = ["recorder", "asserter", "requester", "performer", "author", "assessor", "enterer"];
/// Code system of document kinds.
const DOCUMENT_KIND: &str = "/CodeSystem/document-kind";
/// Resources that are shown through what refers to them, by name.
const CONTEXT: &[&str] =
    &["Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "HealthcareService"];
/// How one document can relate to another (R4 value set `document-relationship-type`): the code, the words beside the one that
/// says so, and those beside the other.
const RELATIONS: [(&str, &str, &str); 4] = [
    ("replaces", "fact.replaces", "fact.replaced-by"),
    ("appends", "fact.appends", "fact.appended-by"),
    ("transforms", "fact.transforms", "fact.transformed-by"),
    ("signs", "fact.signs", "fact.signed-by"),
];

impl IssueContent {
    /// Gathers everything in `source` under the cover `head`, and looks at its files in this process.
    #[must_use]
    pub fn gather(head: Masthead, source: &Source) -> Self {
        Self::gather_with(head, source, &sheets::look)
    }

    /// The same with another way of looking at files.
    pub(super) fn gather_with(head: Masthead, source: &Source, look: &Look) -> Self {
        let mut content = Self { head, ..Self::default() };
        let mut counts = Counts::default();
        let mut budget = Budget::default();
        for institution in &source.institutions {
            let gathering = Gathering::new(institution, look, &mut budget);
            let part = gathering.part(&mut content, &mut counts);
            content.institutions.push(part);
        }
        content.summary = counts.summary();
        content
    }
}

/// Tells what a file can be drawn as, or why it cannot.
pub(super) type Look<'l> = dyn Fn(&Arc<[u8]>) -> Result<Drawable, Text> + 'l;

/// Counts for the cover.
#[derive(Default)]
struct Counts {
    by_kind: BTreeMap<(bool, usize, String), Summary>,
}

impl Counts {
    fn add(&mut self, document: bool, order: usize, kind: &Text, date: &str) {
        let key = (document, order, format!("{kind:?}"));
        let (from, until) = (String::new(), String::new());
        let line = self.by_kind.entry(key);
        let line = line.or_insert_with(|| Summary { kind: kind.clone(), count: 0, from, until, document });
        line.count += 1;
        let day = date.get(..10).unwrap_or(date);
        if !day.is_empty() && (line.from.is_empty() || day < line.from.as_str()) {
            line.from = day.to_owned();
        }
        if day > line.until.as_str() {
            line.until = day.to_owned();
        }
    }

    fn summary(self) -> Vec<Summary> {
        self.by_kind.into_values().collect()
    }
}

/// Records of one kind that are being collected for one visit.
type Collected<'r> = BTreeMap<usize, Vec<(String, &'r Record<'r>, Vec<Shape>)>>;

/// The work on one institution.
struct Gathering<'r, 'w> {
    institution: &'r SourceInstitution<'r>,
    look: &'w Look<'w>,
    /// Of the whole issue.
    budget: &'w mut Budget,
    lookup: Lookup<'r>,
    /// Visit by Encounter id.
    visits: HashMap<&'r str, usize>,
}

impl<'r, 'w> Gathering<'r, 'w> {
    fn new(institution: &'r SourceInstitution<'r>, look: &'w Look<'w>, budget: &'w mut Budget) -> Self {
        let mut lookup = Lookup::default();
        for record in &institution.records {
            if let Some(current) = record.versions.last() {
                lookup.insert(&record.kind, &record.id, &current.value);
            }
        }
        lookup.name_with(&institution.names);
        Self { institution, look, budget, lookup, visits: HashMap::new() }
    }

    fn part(mut self, content: &mut IssueContent, counts: &mut Counts) -> Part {
        let institution = self.institution;
        let mut part =
            Part { name: institution.name.clone(), romanised: institution.romanised.clone(), ..Part::default() };
        part.facts = institution_facts(institution);
        part.provenance = provenance(institution);
        content.undrawn.extend(institution.unreadable.iter().map(|(kind, id)| undrawn(kind, id, "reason.unreadable")));
        for record in institution.records.iter().filter(|record| record.kind == "Patient") {
            if institution.is_heading(record) {
                part.identities.extend(record.versions.last().map(|version| named(&version.value)));
                continue;
            }
            part.identities.extend(
                editions(record).map(|(mark, version)| identity(mark, &version.value, &self.lookup, &institution.name)),
            );
        }
        let mut encounters: Vec<&Record> = institution.records.iter().filter(|r| r.kind == "Encounter").collect();
        encounters.sort_by_key(|record| (start_of(record).to_owned(), record.id.clone()));
        for record in encounters {
            if !institution.is_heading(record) {
                counts.add(false, 0, &Text::word("section.visits"), start_of(record));
            }
            self.visits.insert(&record.id, part.visits.len());
            part.visits.push(self.visit(record));
        }
        let mut per_visit: Vec<Collected> = (0..part.visits.len()).map(|_| Collected::new()).collect();
        let mut loose = Collected::new();
        let mut documents: Vec<(String, &Record)> = Vec::new();
        for record in &institution.records {
            match record.kind.as_str() {
                "Patient" | "Encounter" | DOCUMENT => {}
                kind if CONTEXT.contains(&kind) => {}
                "Binary" => content.undrawn.push(undrawn(&record.kind, &record.id, "reason.binary")),
                _ => self.collect(record, &mut per_visit, &mut loose, counts),
            }
            let has_files = || record.versions.iter().any(|version| !attachments(&version.value).is_empty());
            if record.kind == DOCUMENT || !institution.is_heading(record) && has_files() {
                documents.push((document_date(record), record));
            }
        }
        for (visit, collected) in part.visits.iter_mut().zip(per_visit) {
            visit.sections = sections(collected, &visit.facts);
        }
        part.loose = sections(loose, &[]);
        documents.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (date, record) in &documents {
            for (mark, version) in editions(record) {
                if record.kind != DOCUMENT && attachments(&version.value).is_empty() {
                    continue;
                }
                let document = self.document(mark, date, record, version, content);
                counts.add(true, 0, &document.kind, &document.date);
                // Of several editions the last one, which is the current one.
                if record.kind == DOCUMENT {
                    places.insert(&record.id, content.documents.len());
                }
                content.documents.push(document);
            }
        }
        for (_, record) in documents.iter().filter(|(_, record)| record.kind == DOCUMENT) {
            relate(record, &places, content);
        }
        part
    }

    fn collect(
        &self,
        record: &'r Record<'r>,
        per_visit: &mut [Collected<'r>],
        loose: &mut Collected<'r>,
        counts: &mut Counts,
    ) {
        let shapes: Vec<Shape> =
            record.versions.iter().map(|version| shape(&record.kind, &version.value, &self.lookup)).collect();
        let Some(current) = shapes.last() else { return };
        let order = KINDS.iter().position(|kind| kind.key == current.kind).unwrap_or(KINDS.len() - 1);
        counts.add(false, order + 1, &Text::word(current.kind), &current.date);
        let visit = record.versions.last().and_then(|version| self.visit_of(&version.value));
        let place = visit.and_then(|visit| per_visit.get_mut(visit)).unwrap_or(loose);
        place.entry(order).or_default().push((current.date.clone(), record, shapes));
    }

    /// The visit that a resource says it belongs to.
    fn visit_of(&self, resource: &Value) -> Option<usize> {
        let context = resource.get("context");
        let direct = resource.each("encounter").chain(context);
        let nested = context.into_iter().flat_map(|context| context.each("encounter"));
        let items = resource.each("item").flat_map(|item| item.each("encounter"));
        direct.chain(nested).chain(items).find_map(|reference| {
            let (kind, id) = target_of(reference.str("reference")?);
            kind.is_none_or(|kind| kind == "Encounter").then(|| self.visits.get(id).copied())?
        })
    }

    fn visit(&self, record: &Record) -> Visit {
        let mut editions: Vec<(Option<Mark>, &Version)> = editions(record).collect();
        let current = editions.pop().map(|(_, version)| &version.value);
        let heading = self.institution.is_heading(record);
        if heading {
            editions.clear();
        }
        let earlier = editions.into_iter().map(|(mark, version)| {
            let (facts, details) = self.visit_facts(&version.value, true);
            Block { mark, title: visit_class(&version.value), facts, text: Vec::new(), details }
        });
        let earlier = earlier.collect();
        let Some(resource) = current else {
            return Visit {
                start: String::new(),
                end: String::new(),
                class: Text::default(),
                title: String::new(),
                facts: Vec::new(),
                details: Vec::new(),
                earlier,
                sections: Vec::new(),
                heading,
            };
        };
        let bound =
            |member: &str| resource.get("period").and_then(|p| p.str(member)).map(str::to_owned).unwrap_or_default();
        let (start, end) = (bound("start"), bound("end"));
        let (first, last) = (date(&start), date(&end));
        let (facts, details) =
            if heading { (self.heading_facts(resource), Vec::new()) } else { self.visit_facts(resource, false) };
        let last = match last.strip_prefix(day(&start)) {
            Some(time) if !heading && first != last => time.trim_start().to_owned(),
            Some(_) => String::new(),
            None => last,
        };
        Visit {
            start: first,
            end: last,
            class: visit_class(resource),
            title: if heading { String::new() } else { all_words(resource, "type") },
            facts,
            details,
            earlier,
            sections: Vec::new(),
            heading,
        }
    }

    /// Where and with whom a visit was, for one that was not chosen itself.
    fn heading_facts(&self, resource: &Value) -> Vec<Fact> {
        let mut facts = Vec::new();
        push(&mut facts, "fact.department", all_words(resource, "serviceType"));
        push(&mut facts, "fact.doctor", self.lookup.names(resource, "participant", Some("individual")));
        push(&mut facts, "fact.provider", self.provider(resource));
        facts
    }

    /// What stands at the head of a visit, and everything else about it.
    fn visit_facts(&self, resource: &Value, is_earlier: bool) -> (Vec<Fact>, Vec<Detail>) {
        let (mut facts, seen) = (Vec::new(), Seen::default());
        seen.members(resource, &["period"]);
        if let Some(class) = resource.get("class") {
            match visit_class(resource) {
                Text::Word { .. } => seen.leaves(class),
                _ => drop(seen.words(class)),
            }
        }
        if is_earlier {
            push(&mut facts, "fact.period", resource.get("period").map(period).unwrap_or_default());
            push(&mut facts, "fact.type", all_words(resource, "type"));
        }
        seen.all_words(resource, "type");
        push(&mut facts, "fact.department", seen.all_words(resource, "serviceType"));
        push(&mut facts, "fact.doctor", self.names(&seen, resource, "participant", Some("individual")));
        push(&mut facts, "fact.reason", seen.all_words(resource, "reasonCode"));
        push(&mut facts, "fact.place", self.names(&seen, resource, "location", Some("location")));
        push(&mut facts, "fact.provider", self.provider(resource));
        self.names(&seen, resource, "serviceProvider", None);
        let insurance = resource.each("extension").filter(|extension| {
            extension.str("url").is_some_and(|url| url.to_ascii_lowercase().contains("insurancetype"))
        });
        let insurance = insurance.map(|e| {
            e.get("valueCodeableConcept").map(|kind| (seen.words(kind), seen.code(kind)).0).unwrap_or_default()
        });
        push(&mut facts, "fact.insurance", join(insurance, ", "));
        push(&mut facts, "fact.diagnoses", self.diagnoses(&seen, resource));
        if let Some(how) = resource.get("hospitalization").and_then(|stay| stay.get("dischargeDisposition")) {
            let words = seen.words(how);
            let of_code = Text::coded("discharge", &code(how));
            let value = match Text::coded("discharge", &words) {
                Text::Plain(_) if matches!(of_code, Text::Word { .. }) => {
                    seen.code(how);
                    of_code
                }
                value => value,
            };
            if !value.is_empty() {
                facts.push(Fact { label: "fact.discharge", value });
            }
        }
        match seen.status(resource, "status") {
            "" | "finished" => {}
            other => facts.push(Fact { label: "fact.status", value: Text::coded("status", other) }),
        }
        (facts, details(resource, &self.lookup, &seen))
    }

    /// Which diagnoses a visit led to, in their order where that was written. One that stands in its section anyway is not
    /// named again.
    fn diagnoses(&self, seen: &Seen, resource: &Value) -> String {
        let is_plain = |diagnosis: &Value| {
            diagnosis.get("use").is_none() && diagnosis.get("condition").is_none_or(|it| it.get("display").is_none())
        };
        let mut named = Vec::new();
        let all = resource.each("diagnosis");
        let is_single = all.len() == 1 && all.clone().all(is_plain);
        for diagnosis in all {
            let name = diagnosis.get("condition").map(|condition| self.name(seen, resource, condition));
            let rank = diagnosis.get("rank").and_then(Value::primitive_text);
            if name.as_ref().is_none_or(String::is_empty) && !is_single {
                continue;
            }
            seen.members(diagnosis, &["rank"]);
            let rank = rank.map(|rank| format!("({rank})")).unwrap_or_default();
            let used = diagnosis.get("use").map(|used| seen.words(used)).unwrap_or_default();
            named.push(join([name.unwrap_or_default(), used, rank], " "));
        }
        if is_single { String::new() } else { join(named, ", ") }
    }

    /// Names of everything that a member refers to, with marks on those that a page then shows.
    fn names(&self, seen: &Seen, resource: &Value, member: &str, step: Option<&str>) -> String {
        let items = resource.each(member).filter_map(|item| step.map_or(Some(item), |step| item.get(step)));
        join(items.map(|reference| self.name(seen, resource, reference)), ", ")
    }

    fn name(&self, seen: &Seen, resource: &Value, reference: &Value) -> String {
        let name = self.lookup.named_in(resource, reference, seen);
        if !name.is_empty() {
            seen.members(reference, &["display", "reference"]);
        }
        name
    }

    /// The provider where it is another than the institution itself.
    fn provider(&self, resource: &Value) -> String {
        let named = self.lookup.names(resource, "serviceProvider", None);
        if named == self.institution.name { String::new() } else { named }
    }

    /// A document: one that was deposited as such, or what is attached to another record.
    fn document(
        &mut self,
        mark: Option<Mark>,
        date: &str,
        record: &Record,
        version: &Version,
        content: &mut IssueContent,
    ) -> Document {
        let (resource, seen) = (&version.value, Seen::default());
        let is_own = record.kind == DOCUMENT;
        let mut document = Document {
            number: content.documents.len() + 1,
            mark,
            kind: if is_own { document_kind(resource) } else { Text::coded("type", &record.kind) },
            date: date.to_owned(),
            ..Document::default()
        };
        push(&mut document.facts, "fact.institution", self.institution.name.clone());
        if is_own {
            document.title = seen.str(resource, "description").unwrap_or_default().to_owned();
            let author = self.names(&seen, resource, "author", None);
            push(&mut document.facts, "fact.author", author);
            match seen.status(resource, "status") {
                "" | "current" => {}
                other => document.facts.push(Fact { label: "fact.status", value: Text::coded("status", other) }),
            }
            document.details = self.document_details(resource, &document, &seen);
        } else {
            let names = ["title", "code", "type"].iter().map(|member| all_words(resource, member));
            document.title = names.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        }
        let files = attachments(resource);
        for file in &files {
            self.attach(file, &mut document, (record, version), content);
        }
        if files.is_empty() {
            fault(&mut document, content, record.id.clone(), Text::word("reason.no-file"));
        }
        document
    }

    /// What the head of a document has no place for.
    fn document_details(&self, resource: &Value, document: &Document, seen: &Seen) -> Vec<Detail> {
        for concept in resource.get("type").into_iter().chain(resource.each("category")) {
            let ours = concept.each("coding").filter(|coding| coding.str("system").is_some_and(is_document_kind));
            ours.for_each(|coding| seen.add(coding));
            if document.kind == Text::from(words(concept)) {
                seen.words(concept);
            }
        }
        let files = resource.each("content").filter_map(|content| content.get("attachment"));
        for moment in files.filter_map(|file| file.get("creation")).chain(resource.get("date")) {
            if moment.as_str().is_some_and(|text| document.date == date(text)) {
                seen.add(moment);
            }
        }
        for relation in resource.each("relatesTo") {
            if RELATIONS.iter().any(|(known, ..)| relation.str("code") == Some(known)) {
                seen.members(relation, &["code"]);
                relation.get("target").inspect(|target| seen.members(target, &["reference"]));
            }
        }
        if let Some(custodian) = resource.get("custodian")
            && self.lookup.named_in(resource, custodian, seen) == self.institution.name
        {
            seen.add(custodian);
        }
        // A file that is called like the kind of document says nothing by it.
        let kind = resource.get("type").map(words).unwrap_or_default();
        let titles = attachments(resource).into_iter().filter(|file| file.str("title") == Some(&kind));
        titles.for_each(|file| seen.members(file, &["title"]));
        details(resource, &self.lookup, seen)
    }

    /// Adds the sheets of one attachment, or the reason why there are none.
    fn attach(
        &mut self,
        attachment: &Value,
        document: &mut Document,
        (record, version): (&Record, &Version),
        content: &mut IssueContent,
    ) {
        let url = attachment.str("url").unwrap_or_default();
        let title = attachment.str("title").map(str::to_owned);
        let name = title.unwrap_or_else(|| if url.is_empty() { record.id.clone() } else { last_of(url).to_owned() });
        let bytes = match attachment.str("data") {
            Some(data) => STANDARD.decode(data).map(Into::into).map_err(|_| "reason.damaged"),
            None => match version.files.iter().find(|file| file.url == url) {
                Some(file) => file.bytes.clone().map_err(|fault| match fault {
                    FileFault::NotDeposited => "reason.not-deposited",
                    FileFault::Unreachable => "reason.unreachable",
                    FileFault::TooLarge => "reason.too-large",
                    FileFault::NotShared => "reason.not-shared",
                }),
                None if url.is_empty() => Err("reason.no-file"),
                None => Err("reason.not-deposited"),
            },
        };
        let bytes: Arc<[u8]> = match bytes {
            Ok(bytes) => bytes,
            Err(reason) => return fault(document, content, name, Text::word(reason)),
        };
        let kind = attachment.str("contentType").unwrap_or_default();
        if kind.starts_with("text/")
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            document.texts.push(if kind.starts_with("text/html") { strip_tags(text) } else { text.to_owned() });
            return;
        }
        match (self.look)(&bytes) {
            Ok(drawable) if !self.budget.take(&drawable) => fault(document, content, name, Text::word("reason.budget")),
            Ok(drawable) => {
                let file = content.files.len();
                let index = content.documents.len();
                content.files.push(DrawnFile { document: index, name, bytes, pdf2: drawable.pdf2 });
                document.sheets.extend((1..=drawable.pages).map(|page| Sheet { file, format: drawable.format, page }));
            }
            Err(reason) => fault(document, content, name, reason),
        }
    }
}

/// Says beside a document, and beside the one it relates to, how they do. One that is not in this issue is named as such.
fn relate(record: &Record, places: &HashMap<&str, usize>, content: &mut IssueContent) {
    let (Some(own), Some(current)) = (places.get(record.id.as_str()).copied(), record.versions.last()) else { return };
    for relation in current.value.each("relatesTo") {
        let code = relation.str("code").unwrap_or_default();
        let Some((_, forth, back)) = RELATIONS.iter().find(|(known, ..)| *known == code) else { continue };
        let target = relation.get("target").and_then(|target| target.str("reference")).map(target_of);
        let other = target.filter(|(kind, _)| kind.is_none_or(|kind| kind == "DocumentReference"));
        let other = other.and_then(|(_, id)| places.get(id).copied()).filter(|other| *other != own);
        let value = other.map_or_else(|| Text::word("value.not-here"), |other| number_of(&content.documents[other]));
        content.documents[own].facts.push(Fact { label: forth, value });
        if let Some(other) = other {
            let value = number_of(&content.documents[own]);
            content.documents[other].facts.push(Fact { label: back, value });
        }
    }
}

/// A document as others name it: its number here, its kind and its day.
fn number_of(document: &Document) -> Text {
    let join = vec![format!("#{}", document.number).into(), document.kind.clone(), document.date.clone().into()];
    Text::Join { join: join.into_iter().filter(|text: &Text| !text.is_empty()).collect() }
}

fn fault(document: &mut Document, content: &mut IssueContent, name: String, reason: Text) {
    document.faults.push(reason.clone());
    content.undrawn.push(Undrawn { kind: document.kind.clone(), name, date: document.date.clone(), reason });
}

fn push(facts: &mut Vec<Fact>, label: &'static str, value: String) {
    let fact = Fact { label, value: value.into() };
    if !fact.value.is_empty() && !facts.contains(&fact) {
        facts.push(fact);
    }
}

fn last_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn undrawn(kind: &str, id: &str, reason: &str) -> Undrawn {
    Undrawn { kind: Text::coded("type", kind), name: id.to_owned(), date: String::new(), reason: Text::word(reason) }
}

/// The editions of a record with their marks; a record that was never amended has none.
fn editions<'x, 'v>(record: &'x Record<'v>) -> impl Iterator<Item = (Option<Mark>, &'x Version<'v>)> {
    let of = u32::try_from(record.versions.len()).unwrap_or(u32::MAX);
    record.versions.iter().enumerate().map(move |(place, version)| {
        let edition = u32::try_from(place + 1).unwrap_or(u32::MAX);
        let written = version.value.get("meta").and_then(|meta| meta.str("lastUpdated")).map(date).unwrap_or_default();
        let mark = (of > 1).then_some(Mark { before: edition < of, edition, of, date: written });
        (mark, version)
    })
}

fn start_of<'x>(record: &'x Record) -> &'x str {
    let current = record.versions.last().and_then(|version| version.value.get("period"));
    current.and_then(|period| period.str("start")).unwrap_or_default()
}

fn visit_class(resource: &Value) -> Text {
    let Some(class) = resource.get("class") else { return Text::default() };
    match Text::coded("class", class.str("code").unwrap_or_default()) {
        Text::Plain(_) => words(class).into(),
        word => word,
    }
}

fn institution_facts(institution: &SourceInstitution) -> Vec<Fact> {
    let mut facts = Vec::new();
    push(&mut facts, "fact.institution-code", institution.code.clone());
    if !institution.kind.is_empty() {
        facts.push(Fact { label: "fact.institution-kind", value: Text::coded("hira", &institution.kind) });
    }
    push(&mut facts, "fact.address", institution.address.clone());
    push(&mut facts, "fact.closed", institution.closed.clone());
    facts
}

/// Which deposits the records came with, and where in the log of records they stand.
fn provenance(institution: &SourceInstitution) -> Vec<Fact> {
    let mut facts = Vec::new();
    for deposit in &institution.deposits {
        push(&mut facts, "fact.received", deposit.received.clone());
        push(&mut facts, "fact.receipt", deposit.receipt.clone());
        push(&mut facts, "fact.depositor", deposit.depositor.clone());
    }
    let positions = institution.records.iter().flat_map(|r| r.versions.iter().filter_map(|version| version.position));
    let (first, last) = positions.fold((u64::MAX, None), |(first, last), p| (first.min(p), last.max(Some(p))));
    if let Some(last) = last {
        push(&mut facts, "fact.positions", format!("{first} – {last}"));
    }
    facts
}

/// A patient who is named and no more.
fn named(resource: &Value) -> Identity {
    let mut facts = Vec::new();
    push(&mut facts, "fact.birth-date", resource.str("birthDate").unwrap_or_default().to_owned());
    Identity { mark: None, name: first_name(resource), facts, details: Vec::new() }
}

/// A patient: what identifies them, and everything else. Secret identifiers are never printed: they open too many doors and
/// are not part of a chart.
fn identity(mark: Option<Mark>, resource: &Value, lookup: &Lookup, institution: &str) -> Identity {
    let (mut facts, seen) = (Vec::new(), Seen::default());
    push(&mut facts, "fact.birth-date", seen.str(resource, "birthDate").unwrap_or_default().to_owned());
    if let Some(gender) = seen.str(resource, "gender") {
        facts.push(Fact { label: "fact.gender", value: Text::coded("gender", gender) });
    }
    for identifier in resource.each("identifier") {
        let value = identifier.str("value").unwrap_or_default();
        if !is_secret(identifier) && value.len() <= 40 {
            push(&mut facts, "fact.registration-number", value.to_owned());
        }
    }
    let phones = resource.each("telecom").filter(|t| t.str("system") == Some("phone"));
    let phones = phones.filter_map(|phone| seen.str(phone, "value").map(str::to_owned));
    push(&mut facts, "fact.phone", join(phones, ", "));
    push(&mut facts, "fact.address", join(resource.each("address").map(|it| whole(it, address(it))), "; "));
    let died = seen.str(resource, "deceasedDateTime").map(date).unwrap_or_default();
    push(&mut facts, "fact.died", died);
    let main = first_name(resource);
    let others = resource.each("name").map(|it| whole(it, name(it))).filter(|other| *other != main);
    push(&mut facts, "fact.other-names", join(others, ", "));
    seen.members(resource, &["identifier"]);
    resource.each("name").chain(resource.each("address")).for_each(|shown| seen.leaves(shown));
    if let Some(keeper) = resource.get("managingOrganization").filter(|it| it.str("display") == Some(institution)) {
        seen.add(keeper);
    }
    Identity { mark, name: main, facts, details: details(resource, lookup, &seen) }
}

/// When a record was made that has a file attached to it.
const ATTACHED_DATES: &[&str] = &[
    "effectiveDateTime",
    "effectivePeriod",
    "createdDateTime",
    "createdPeriod",
    "issued",
    "authored",
    "sent",
    "dateTime",
    "created",
];

fn document_date(record: &Record) -> String {
    let Some(current) = record.versions.last().map(|version| &version.value) else { return String::new() };
    let context = current.get("context").and_then(|c| c.get("period")).and_then(|p| p.str("start"));
    let made = attachments(current).into_iter().find_map(|file| file.str("creation"));
    match made.or_else(|| current.str("date")).or(context) {
        Some(made) => date(made),
        None => first_date(current, ATTACHED_DATES),
    }
}

fn document_kind(resource: &Value) -> Text {
    let concepts = || resource.get("type").into_iter().chain(resource.each("category"));
    let coded = concepts()
        .flat_map(|concept| concept.each("coding"))
        .find(|coding| coding.str("system").is_some_and(is_document_kind));
    if let Some(code) = coded.and_then(|coding| coding.str("code")) {
        return Text::coded("kind", code);
    }
    let named = concepts().map(words).find(|text| !text.is_empty());
    named.map_or_else(|| Text::coded("type", DOCUMENT), Text::from)
}

fn is_document_kind(system: &str) -> bool {
    system.ends_with(DOCUMENT_KIND)
}

/// Collected records as sections, each in the order of its dates. What the head of their visit says of its doctor is not said
/// again beside each.
fn sections(collected: Collected, head: &[Fact]) -> Vec<Section> {
    let doctor = head.iter().find(|fact| fact.label == "fact.doctor").map(|fact| &fact.value);
    let roles = ROLES.map(label);
    let is_said = |detail: &Detail| Some(&detail.value) == doctor && roles.contains(&detail.label);
    let mut sections = Vec::with_capacity(collected.len());
    for (order, mut records) in collected {
        records.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
        let kind = &KINDS[order];
        let (mut rows, mut blocks) = (Vec::new(), Vec::new());
        for (_, record, shapes) in records {
            for ((mark, _), Shape { lines, notes, block, mut details, .. }) in editions(record).zip(shapes) {
                details.retain(|detail| !is_said(detail));
                match block {
                    Some((title, facts, text)) => blocks.push(Block { mark, title, facts, text, details }),
                    None => rows.push(Row { mark, lines, notes, details }),
                }
            }
        }
        // An amendment can turn a value into a kind of its own; both forms are then shown.
        if !rows.is_empty() {
            let columns = if kind.columns.is_empty() { KINDS[KINDS.len() - 1].columns } else { kind.columns };
            sections.push(table(kind.key, columns, rows));
        }
        if !blocks.is_empty() {
            sections.push(Section::Blocks { kind: kind.key, blocks });
        }
    }
    sections
}

/// Takes out of the rows what all of them say alike, to be said once.
fn in_common(rows: &mut [Row]) -> Vec<Detail> {
    let Some((first, others)) = rows.split_first().filter(|(_, others)| !others.is_empty()) else { return Vec::new() };
    let mut common = first.details.clone();
    common.retain(|detail| others.iter().all(|row| row.details.contains(detail)));
    for row in rows {
        row.details.retain(|detail| !common.contains(detail));
    }
    common
}

/// A table without the columns that are empty in every line: a chart has many, and they make it hard to read.
fn table(kind: &'static str, columns: &'static [Column], mut rows: Vec<Row>) -> Section {
    let mut used = vec![false; columns.len()];
    for line in rows.iter_mut().flat_map(|row| &mut row.lines) {
        line.resize(columns.len(), Text::default());
        used.iter_mut().zip(line).for_each(|(used, text)| *used |= !text.is_empty());
    }
    used[0] = true;
    for line in rows.iter_mut().flat_map(|row| &mut row.lines) {
        let mut keep = used.iter();
        line.retain(|_| keep.next() == Some(&true));
    }
    let columns = columns.iter().zip(&used).filter(|(_, used)| **used).map(|(column, _)| column).collect();
    let details = in_common(&mut rows);
    Section::Table { kind, columns, rows, details }
}
