//! A person's records as a timeline of visits, and what a selection means. What the records say in full is not shown here.

use crate::deposit::document_paths;
use crate::issue::names::Names;
use crate::tables::Came;
use crate::{Archive, ArchiveError, tables};
use base::{Id16, Timestamp};
use fhir::Value;
use fhir::reference::Target;
use policy::{InstitutionCode, Owner, Permit};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Choice, Head, Ids, PAGE_MAX, Part, Query, READ_MAX, ResourceKey, StoreError, Version};

/// Most records of one person that are listed. A long life has some thousands.
const HEADS_MAX: usize = 50_000;
/// Visits of a page where the query does not say.
const VISITS: usize = 50;
/// Most visits of a page.
const VISITS_MAX: usize = 200;
/// How documents relate to each other (R4 value set `document-relationship-type`).
const RELATIONS: [&str; 4] = ["replaces", "appends", "transforms", "signs"];
/// What identifies a person or a visit, and is no entry of its own.
const FRAME: [&str; 2] = ["Patient", "Encounter"];

/// Which part of a timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimelineQuery {
    /// Only visits and records at or after this.
    pub from: Option<Timestamp>,
    /// Only visits and records before this.
    pub before: Option<Timestamp>,
    /// Only of this institution.
    pub institution: Option<InstitutionCode>,
    /// Visits to leave out at the beginning: [`Timeline::next`] of the page before.
    pub skip: usize,
    /// Visits of a page; 0 for 50, at most 200.
    pub limit: usize,
}

/// Some visits, newest first, and what belongs to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// The visits of the page.
    pub visits: Vec<Visit>,
    /// Records outside of any visit: on the first page only.
    pub loose: Vec<Entry>,
    /// Visits in all.
    pub total: usize,
    /// [`TimelineQuery::skip`] of the next page; `None` where this is the last.
    pub next: Option<usize>,
}

/// A visit: an Encounter and what happened in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The Encounter.
    pub key: ResourceKey,
    /// The institution.
    pub institution: InstitutionCode,
    /// When it began.
    pub date: Option<Timestamp>,
    /// The last day as the record writes it, empty where unknown.
    pub end: String,
    /// Code of the class: `AMB`, `IMP`, `EMER`, …; empty where unknown.
    pub class: String,
    /// The department in words, empty where unknown.
    pub department: String,
    /// Who treated, with commas between several; empty where unknown.
    pub doctor: String,
    /// Why the person came, in the record's words, empty where unknown.
    pub reason: String,
    /// What was diagnosed.
    pub diagnoses: Vec<Diagnosis>,
    /// Everything else by kind.
    pub counts: Counted,
    /// Documents.
    pub documents: Vec<Entry>,
    /// Whether something in it was amended.
    pub is_amended: bool,
}

/// A diagnosis in words and code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// In words.
    pub text: String,
    /// The code, empty where there is none.
    pub code: String,
    /// The code system.
    pub system: String,
    /// Its version, empty where the record does not say.
    pub version: String,
}

/// How many records of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Tests and measurements.
    pub tests: usize,
    /// Drugs prescribed or given.
    pub drugs: usize,
    /// Procedures and operations.
    pub procedures: usize,
    /// Reports.
    pub reports: usize,
    /// Documents.
    pub documents: usize,
    /// All others.
    pub others: usize,
    /// All of them by FHIR type.
    pub by_type: BTreeMap<String, usize>,
}

/// A record that is listed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub key: ResourceKey,
    /// The institution.
    pub institution: InstitutionCode,
    /// Its date.
    pub date: Option<Timestamp>,
    /// For a document its kind (a slug), empty where unknown.
    pub document_kind: String,
    /// In words, empty where the record has none that fit a list.
    pub title: String,
    /// The object that holds a document's bytes, for [`store::Store::object`].
    pub object: Option<Id16>,
    /// Its version: more than 1 where it was amended.
    pub version: u32,
    /// For a document, the others on the page that it replaces, appends to or transforms, or that do so to it.
    pub relations: Vec<Relation>,
}

/// How one document relates to another (R4 `DocumentReference.relatesTo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `replaces`, `appends`, `transforms` or `signs`.
    pub code: String,
    /// Whether it is the other that does so to this one.
    pub is_passive: bool,
    /// The other document.
    pub other: Id16,
    /// Its date.
    pub date: Option<Timestamp>,
    /// Its title, as in [`Entry::title`].
    pub title: String,
}

/// What a person chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything.
    Whole,
    /// Everything dated from the first moment on and before the second, and all that belongs to visits of that time.
    Period {
        /// The first moment.
        from: Timestamp,
        /// The end, not included.
        before: Timestamp,
    },
    /// These records; a visit brings all that belongs to it. A document brings those that it replaces or is replaced by, and
    /// whatever belongs to a visit brings that visit as its heading.
    Records(Vec<Id16>),
}

impl Archive {
    /// The timeline of what the permit reaches. Takes a permit to read the timeline.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::TooMuch`].
    pub fn timeline(&self, permit: &Permit, query: &TimelineQuery) -> Result<Timeline, ArchiveError> {
        let heads = self.heads(permit)?;
        let of_institution =
            |head: &&Head| query.institution.as_ref().is_none_or(|institution| head.institution == *institution);
        let in_time = |date: Option<Timestamp>| {
            query.from.is_none_or(|from| date.is_some_and(|date| date >= from))
                && query.before.is_none_or(|before| date.is_some_and(|date| date < before))
        };
        let heads: Vec<&Head> = heads.iter().filter(of_institution).collect();
        let encounters: Vec<&Head> =
            heads.iter().copied().filter(|head| is_encounter(head) && in_time(head.date)).collect();
        let limit = if query.limit == 0 { VISITS } else { query.limit.min(VISITS_MAX) };
        let page: Vec<&Head> = encounters.iter().copied().skip(query.skip).take(limit).collect();
        let all: HashSet<Id16> = heads.iter().filter(|head| is_encounter(head)).map(|head| head.key.id).collect();
        let mut members: HashMap<Id16, Vec<&Head>> = page.iter().map(|head| (head.key.id, Vec::new())).collect();
        let mut loose = Vec::new();
        for head in heads.iter().copied().filter(|head| !FRAME.contains(&head.key.resource_type.as_str())) {
            match head.encounter.filter(|encounter| all.contains(encounter)) {
                Some(encounter) => members.entry(encounter).and_modify(|list| list.push(head)).or_default(),
                None if query.skip == 0 && in_time(head.date) => {
                    loose.push(head);
                    continue;
                }
                None => continue,
            };
        }
        let wanted = |head: &&Head| matches!(head.key.resource_type.as_str(), "Condition" | "DocumentReference");
        let in_page = page.iter().filter_map(|head| members.get(&head.key.id)).flatten().copied();
        let keys = page.iter().copied().chain(in_page.filter(wanted)).chain(loose.iter().copied().filter(wanted));
        let bodies = self.bodies(permit, keys.map(|head| head.key.clone()).collect())?;
        let names = self.names_of_visits(permit, &page, &bodies)?;
        let unnamed = Names::default();
        let visit = |head: &&Head| {
            let list = members.get(&head.key.id).map_or(&[][..], Vec::as_slice);
            self.visit(permit, head, list, &bodies, names.get(&head.institution).unwrap_or(&unnamed))
        };
        let next = query.skip + page.len();
        let mut timeline = Timeline {
            visits: page.iter().map(visit).collect::<Result<_, _>>()?,
            loose: loose
                .into_iter()
                .map(|head| self.entry(permit, head, bodies.get(&head.key)))
                .collect::<Result<_, _>>()?,
            total: encounters.len(),
            next: (next < encounters.len()).then_some(next),
        };
        relate(self.store().ids(), &mut timeline, &bodies);
        Ok(timeline)
    }

    /// One visit within the permit, and nothing beside it in the access log. `None` where there is none: whose it is finds the
    /// attempt in their access log. Takes a permit to read a record.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::TooMuch`].
    pub fn one_visit(&self, permit: &Permit, id: Id16) -> Result<Option<Visit>, ArchiveError> {
        let query = Query { ids: vec![id], types: vec!["Encounter".to_owned()], ..Query::default() };
        if self.store().search(permit, &query)?.heads.is_empty() {
            self.refuse_beyond(permit, &[id])?;
            return Ok(None);
        }
        let heads = self.chosen_heads(permit, &Selection::Records(vec![id]))?;
        let Some((head, _)) = heads.iter().find(|(head, _)| head.key.id == id) else { return Ok(None) };
        let of = |wanted: Part| {
            let of_part = heads.iter().filter(move |(_, part)| *part == wanted).map(|(head, _)| head);
            of_part.filter(|head| !FRAME.contains(&head.key.resource_type.as_str())).collect::<Vec<&Head>>()
        };
        let (members, related) = (of(Part::Chosen), of(Part::Related));
        let in_words = |head: &&Head| matches!(head.key.resource_type.as_str(), "Condition" | "DocumentReference");
        let read = std::iter::once(head).chain(members.iter().chain(&related).copied().filter(in_words));
        let bodies = self.bodies(permit, read.map(|head| head.key.clone()).collect())?;
        let names = self.names_of_visits(permit, &[head], &bodies)?.remove(&head.institution).unwrap_or_default();
        let visit = self.visit(permit, head, &members, &bodies, &names)?;
        let loose = related.iter().map(|head| self.entry(permit, head, bodies.get(&head.key)));
        let mut page = Timeline { visits: vec![visit], loose: loose.collect::<Result<_, _>>()?, total: 1, next: None };
        relate(self.store().ids(), &mut page, &bodies);
        Ok(page.visits.pop())
    }

    /// Names of who treated in the visits of a page, where the visits do not say them.
    fn names_of_visits(
        &self,
        permit: &Permit,
        visits: &[&Head],
        bodies: &HashMap<ResourceKey, Version>,
    ) -> Result<BTreeMap<InstitutionCode, Names>, ArchiveError> {
        let bodies = visits.iter().filter_map(|head| bodies.get(&head.key));
        let visits: Vec<(&Version, Value<'_>)> = bodies.filter_map(|body| Some((body, parsed(body)?))).collect();
        self.context_names(permit, visits.iter().map(|(body, value)| (body.key.owner, &body.institution, value)))
    }

    /// The records that a selection means, within the permit, newest first: nothing else is in the answer, and nothing else
    /// in the access log. The Patient of each institution with something chosen is among them. What does not exist, or is not
    /// the person's, is left out; whose it is finds the attempt in their access log.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::TooMuch`].
    pub fn select(&self, permit: &Permit, selection: &Selection) -> Result<Vec<ResourceKey>, ArchiveError> {
        Ok(self.chosen_heads(permit, selection)?.into_iter().map(|(head, _)| head.key).collect())
    }

    /// The same as heads, each with why it is among them.
    pub(crate) fn chosen_heads(
        &self,
        permit: &Permit,
        selection: &Selection,
    ) -> Result<Vec<(Head, Part)>, ArchiveError> {
        let choice = match selection {
            Selection::Whole => Choice::All,
            Selection::Period { from, before } => Choice::Period { from: *from, before: *before },
            Selection::Records(ids) => Choice::Records(ids),
        };
        let chosen = match self.store().chosen(permit, choice) {
            Err(StoreError::Limit { .. }) => {
                return Err(ArchiveError::TooMuch { what: "the records", limit: HEADS_MAX });
            }
            other => other?,
        };
        self.refuse_beyond(permit, &chosen.missing)?;
        Ok(chosen.heads)
    }

    /// To be called with ids that were asked for and are not within the permit, before the answer: whose they are finds the
    /// attempt in their access log, and the asker learns nothing. See [`store::Store::refuse_beyond`].
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn refuse_beyond(&self, permit: &Permit, ids: &[Id16]) -> Result<(), ArchiveError> {
        for part in ids.chunks(READ_MAX) {
            self.store().refuse_beyond(self.door(), permit, part)?;
        }
        Ok(())
    }

    /// The object that holds the document which an owner's resources call `url` by now: the one that came last. `None` where it
    /// was not taken. What one resource means by it, [`Archive::document_of`] tells.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn document_object(&self, owner: Owner, url: &str) -> Result<Option<Id16>, ArchiveError> {
        self.document(owner, url, Came::By(Timestamp::MAX))
    }

    /// The object that holds the document which a version of a resource calls `url`; `None` where it was not taken.
    ///
    /// Hospitals use file names again from bag to bag. So it is the file that came with this version, else the newest of that name
    /// that was here by then, else one that a later deposit brought together with the same resource.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn document_of(&self, permit: &Permit, version: &Version, url: &str) -> Result<Option<Id16>, ArchiveError> {
        let owner = version.key.owner;
        let first = match version.deposit {
            Some(deposit) => [Some(Came::Only(deposit)), Some(Came::With(deposit))],
            None => [Some(Came::By(version.recorded)), None],
        };
        for came in first.into_iter().flatten() {
            if let Some(object) = self.document(owner, url, came)? {
                return Ok(Some(object));
            }
        }
        for again in self.store().brought_again(permit, &version.key)? {
            if let Some(object) = self.document(owner, url, Came::Only(again))? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    fn document(&self, owner: Owner, url: &str, came: Came) -> Result<Option<Id16>, ArchiveError> {
        for path in document_paths(url) {
            if let Some(object) = tables::document_object(self.store(), owner, self.names()?.name(&path), came)? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// Every head that the permit reaches, newest first.
    fn heads(&self, permit: &Permit) -> Result<Vec<Head>, ArchiveError> {
        let mut heads = Vec::new();
        let mut query = Query { limit: PAGE_MAX, ..Query::default() };
        loop {
            let page = self.store().search(permit, &query)?;
            heads.extend(page.heads);
            if heads.len() > HEADS_MAX {
                return Err(ArchiveError::TooMuch { what: "the records", limit: HEADS_MAX });
            }
            if page.next.is_none() {
                return Ok(heads);
            }
            query.after = page.next;
        }
    }

    fn bodies(&self, permit: &Permit, keys: Vec<ResourceKey>) -> Result<HashMap<ResourceKey, Version>, ArchiveError> {
        let mut bodies = HashMap::with_capacity(keys.len());
        for part in keys.chunks(READ_MAX) {
            bodies.extend(self.store().read(permit, part)?.into_iter().map(|version| (version.key.clone(), version)));
        }
        Ok(bodies)
    }

    fn visit(
        &self,
        permit: &Permit,
        head: &Head,
        members: &[&Head],
        bodies: &HashMap<ResourceKey, Version>,
        names: &Names,
    ) -> Result<Visit, ArchiveError> {
        let mut visit = Visit {
            key: head.key.clone(),
            institution: head.institution.clone(),
            date: head.date,
            end: String::new(),
            class: String::new(),
            department: String::new(),
            doctor: String::new(),
            reason: String::new(),
            diagnoses: Vec::new(),
            counts: Counted::default(),
            documents: Vec::new(),
            is_amended: head.version > 1,
        };
        if let Some(value) = bodies.get(&head.key).and_then(parsed) {
            visit.end = value.get("period").and_then(|period| period.str("end")).unwrap_or_default().to_owned();
            visit.class = value.get("class").and_then(|class| class.str("code")).unwrap_or_default().to_owned();
            visit.department = value.get("serviceType").map(words).unwrap_or_default();
            visit.doctor = names.of(&value, "participant", Some("individual"));
            visit.reason = value.each("reasonCode").next().map(words).unwrap_or_default();
        }
        for member in members {
            visit.is_amended |= member.version > 1;
            visit.counts.add(&member.key.resource_type);
            let body = bodies.get(&member.key);
            match member.key.resource_type.as_str() {
                "Condition" => visit.diagnoses.extend(body.and_then(parsed).map(|value| diagnosis(&value))),
                "DocumentReference" => visit.documents.push(self.entry(permit, member, body)?),
                _ => {}
            }
        }
        Ok(visit)
    }

    fn entry(&self, permit: &Permit, head: &Head, body: Option<&Version>) -> Result<Entry, ArchiveError> {
        let mut entry = Entry {
            key: head.key.clone(),
            institution: head.institution.clone(),
            date: head.date,
            document_kind: String::new(),
            title: String::new(),
            object: None,
            version: head.version,
            relations: Vec::new(),
        };
        let Some(value) = body.and_then(parsed) else { return Ok(entry) };
        if head.key.resource_type == "DocumentReference" {
            entry.document_kind = crate::deposit::document_kind(&value).unwrap_or_default().to_owned();
            let attachment = value.each("content").find_map(|content| content.get("attachment"));
            let title = attachment.and_then(|attachment| attachment.str("title")).map(str::to_owned);
            entry.title = title.unwrap_or_else(|| value.get("type").map(words).unwrap_or_default());
            if let (Some(url), Some(body)) = (attachment.and_then(|attachment| attachment.str("url")), body) {
                entry.object = self.document_of(permit, body, url)?;
            }
        } else {
            entry.title = value.get("code").map(words).unwrap_or_default();
        }
        Ok(entry)
    }
}

impl Counted {
    fn add(&mut self, kind: &str) {
        match kind {
            "Observation" => self.tests += 1,
            "MedicationRequest"
            | "MedicationAdministration"
            | "MedicationDispense"
            | "MedicationStatement"
            | "Immunization" => self.drugs += 1,
            "Procedure" => self.procedures += 1,
            "DiagnosticReport" | "ImagingStudy" => self.reports += 1,
            "DocumentReference" => self.documents += 1,
            "Condition" => {}
            _ => self.others += 1,
        }
        match self.by_type.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.by_type.insert(kind.to_owned(), 1)),
        }
    }
}

/// Says of each document on the page how it relates to others on the page, in both directions.
fn relate(ids: &Ids, timeline: &mut Timeline, bodies: &HashMap<ResourceKey, Version>) {
    let said: Vec<(Id16, String, Id16)> = bodies.values().flat_map(|version| relations(ids, version)).collect();
    if said.is_empty() {
        return;
    }
    let documents = |timeline: &Timeline| -> HashMap<Id16, (Option<Timestamp>, String)> {
        let entries = timeline.visits.iter().flat_map(|visit| &visit.documents).chain(&timeline.loose);
        entries.map(|entry| (entry.key.id, (entry.date, entry.title.clone()))).collect()
    };
    let known = documents(timeline);
    let to = |other: Id16, code: &str, is_passive| {
        let (date, title) = known.get(&other)?.clone();
        Some(Relation { code: code.to_owned(), is_passive, other, date, title })
    };
    let entries = timeline.visits.iter_mut().flat_map(|visit| &mut visit.documents).chain(&mut timeline.loose);
    for entry in entries {
        let id = entry.key.id;
        let active = said.iter().filter(|(from, ..)| *from == id).filter_map(|(_, code, of)| to(*of, code, false));
        let passive = said.iter().filter(|(.., of)| *of == id).filter_map(|(from, code, _)| to(*from, code, true));
        entry.relations = active.chain(passive).collect();
    }
}

/// What a document says of others: itself, how, and which.
fn relations(ids: &Ids, version: &Version) -> Vec<(Id16, String, Id16)> {
    let Some(value) = parsed(version).filter(|_| version.key.resource_type == "DocumentReference") else {
        return Vec::new();
    };
    let relation = |one: &Value<'_>| {
        let code = one.str("code").filter(|code| RELATIONS.contains(code))?;
        let Target::Relative { kind: "DocumentReference", id, .. } =
            Target::parse(one.get("target")?.str("reference")?)
        else {
            return None;
        };
        let other = ids.resource(&version.institution, "DocumentReference", id);
        (other != version.key.id).then(|| (version.key.id, code.to_owned(), other))
    };
    value.each("relatesTo").filter_map(relation).collect()
}

fn is_encounter(head: &Head) -> bool {
    head.key.resource_type == "Encounter"
}

/// What a stored version says; `None` where it is no FHIR JSON any more. Everything that reads versions reads them so.
pub(crate) fn parsed(version: &Version) -> Option<Value<'_>> {
    fhir::json::parse(unmarked(version.bytes.expose()), &fhir::Limits::default()).ok()
}

/// JSON without the byte order mark that some systems begin a file with. It is none of the resource that stands first.
pub(crate) fn unmarked(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// A CodeableConcept in words: its text, else a display, else a code.
fn words(concept: &Value<'_>) -> String {
    let display = || concept.each("coding").find_map(|coding| coding.str("display"));
    let code = || concept.each("coding").find_map(|coding| coding.str("code"));
    concept.str("text").or_else(display).or_else(code).unwrap_or_default().to_owned()
}

fn diagnosis(condition: &Value<'_>) -> Diagnosis {
    let Some(code) = condition.get("code") else { return Diagnosis::default() };
    let part =
        |name: &str| code.each("coding").next().and_then(|coding| coding.str(name)).unwrap_or_default().to_owned();
    Diagnosis { text: words(code), code: part("code"), system: part("system"), version: part("version") }
}
