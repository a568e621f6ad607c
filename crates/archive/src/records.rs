//! A person's records as a timeline of visits, and what a selection means. What the records say in full is not shown here.

use crate::deposit::document_paths;
use crate::{Archive, ArchiveError, tables};
use base::{Id16, Timestamp};
use fhir::Value;
use policy::{InstitutionCode, Owner, Permit};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Head, PAGE_MAX, Query, READ_MAX, ResourceKey, Version};

/// Most records of one person that are listed. A long life has some thousands.
const HEADS_MAX: usize = 50_000;
/// Visits of a page where the query does not say.
const VISITS: usize = 50;
/// Most visits of a page.
const VISITS_MAX: usize = 200;
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
    /// These records; a visit brings all that belongs to it.
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
        let visit = |head: &&Head| {
            let list = members.get(&head.key.id).map_or(&[][..], Vec::as_slice);
            self.visit(head, list, &bodies)
        };
        let next = query.skip + page.len();
        Ok(Timeline {
            visits: page.iter().map(visit).collect::<Result<_, _>>()?,
            loose: loose.into_iter().map(|head| self.entry(head, bodies.get(&head.key))).collect::<Result<_, _>>()?,
            total: encounters.len(),
            next: (next < encounters.len()).then_some(next),
        })
    }

    /// The records that a selection means, within the permit, newest first. The Patient of each institution with something
    /// chosen is among them. What does not exist, or is not the person's, is left out; whose it is finds the attempt in
    /// their access log.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::TooMuch`].
    pub fn select(&self, permit: &Permit, selection: &Selection) -> Result<Vec<ResourceKey>, ArchiveError> {
        let heads = self.heads(permit)?;
        if let Selection::Records(ids) = selection {
            let own: HashSet<Id16> = heads.iter().map(|head| head.key.id).collect();
            let others: Vec<Id16> = ids.iter().copied().filter(|id| !own.contains(id)).collect();
            self.refuse_beyond(permit, &others)?;
        }
        let chosen: HashSet<Id16> = match selection {
            Selection::Whole => heads.iter().map(|head| head.key.id).collect(),
            Selection::Period { from, before } => heads
                .iter()
                .filter(|head| head.date.is_some_and(|date| date >= *from && date < *before))
                .map(|head| head.key.id)
                .collect(),
            Selection::Records(ids) => ids.iter().copied().collect(),
        };
        let is_chosen = |head: &&Head| {
            let by_visit = head.encounter.is_some_and(|encounter| chosen.contains(&encounter));
            chosen.contains(&head.key.id) || by_visit
        };
        let owners: HashSet<Owner> = heads.iter().filter(is_chosen).map(|head| head.key.owner).collect();
        let is_patient = |head: &&Head| head.key.resource_type == "Patient" && owners.contains(&head.key.owner);
        Ok(heads.iter().filter(|head| is_chosen(head) || is_patient(head)).map(|head| head.key.clone()).collect())
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

    /// The object that holds the document which an owner's resources call `url`; `None` where it was not taken.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn document_object(&self, owner: Owner, url: &str) -> Result<Option<Id16>, ArchiveError> {
        for path in document_paths(url) {
            if let Some(object) = tables::document_object(self.store(), owner, &path)? {
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
        head: &Head,
        members: &[&Head],
        bodies: &HashMap<ResourceKey, Version>,
    ) -> Result<Visit, ArchiveError> {
        let mut visit = Visit {
            key: head.key.clone(),
            institution: head.institution.clone(),
            date: head.date,
            end: String::new(),
            class: String::new(),
            department: String::new(),
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
            visit.reason = value.each("reasonCode").next().map(words).unwrap_or_default();
        }
        for member in members {
            visit.is_amended |= member.version > 1;
            visit.counts.add(&member.key.resource_type);
            let body = bodies.get(&member.key);
            match member.key.resource_type.as_str() {
                "Condition" => visit.diagnoses.extend(body.and_then(parsed).map(|value| diagnosis(&value))),
                "DocumentReference" => visit.documents.push(self.entry(member, body)?),
                _ => {}
            }
        }
        Ok(visit)
    }

    fn entry(&self, head: &Head, body: Option<&Version>) -> Result<Entry, ArchiveError> {
        let mut entry = Entry {
            key: head.key.clone(),
            institution: head.institution.clone(),
            date: head.date,
            document_kind: String::new(),
            title: String::new(),
            object: None,
            version: head.version,
        };
        let Some(value) = body.and_then(parsed) else { return Ok(entry) };
        if head.key.resource_type == "DocumentReference" {
            entry.document_kind = crate::deposit::document_kind(&value).unwrap_or_default().to_owned();
            let attachment = value.each("content").find_map(|content| content.get("attachment"));
            let title = attachment.and_then(|attachment| attachment.str("title")).map(str::to_owned);
            entry.title = title.unwrap_or_else(|| value.get("type").map(words).unwrap_or_default());
            if let Some(url) = attachment.and_then(|attachment| attachment.str("url")) {
                entry.object = self.document_object(head.key.owner, url)?;
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

fn is_encounter(head: &Head) -> bool {
    head.key.resource_type == "Encounter"
}

fn parsed(version: &Version) -> Option<Value<'_>> {
    fhir::json::parse(version.bytes.expose(), &fhir::Limits::default()).ok()
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
