//! My records: the timeline of visits. One visit has a page of its own; what records say in full stands in the document.

use crate::Portal;
use crate::error::{PageError, faulty_page, page};
use crate::fields::{Asked, PersonForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::access::Numbered;
use crate::places::Filter;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use crate::words::{day_of, day_of_form};
use archive::{Counted, Diagnosis, Entry, Relation, Timeline, TimelineQuery, Visit};
use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Timestamp};
use jiff::civil::Date;
use policy::{Action, Actor, InstitutionCode, Permit, Purpose, Request, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Visits on one page.
pub(crate) const VISITS: usize = 50;
/// Pages that are counted.
pub(crate) const PAGES_MAX: usize = 10_000;
/// Most records outside of visits that are listed; all of them are in the document of everything.
const LOOSE_MAX: usize = 200;

#[derive(Template)]
#[template(path = "records.html")]
pub(crate) struct RecordsPage {
    frame: Frame,
    lead: String,
    /// Said where nothing at all was found.
    none: Option<String>,
    csrf: String,
    faults: Faults,
    languages: Vec<Choice>,
    filter: FilterForm,
    years: Vec<Year>,
    /// Said where records outside of visits are left out.
    left_out: Option<String>,
    /// Addresses of the pages before and after.
    later: Option<String>,
    earlier: Option<String>,
}

/// The filter as its form shows it.
struct FilterForm {
    from: String,
    to: String,
    institutions: Vec<Choice>,
    open: bool,
    /// Whether it leaves something out, so that what it leaves in can be got at once.
    active: bool,
}

/// A visit or another record as pages and their addresses name it. The patient stands in it so that the door can be asked about
/// that patient: where it is somebody else, they find the attempt among those who looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Which {
    pub patient: Id16,
    pub id: Id16,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.patient, self.id)
    }
}

impl Which {
    /// Reads what [`fmt::Display`] writes; `None` where it is something else.
    pub fn of(text: &str) -> Option<Self> {
        let (patient, id) = text.split_once('-')?;
        Some(Self { patient: patient.parse().ok()?, id: id.parse().ok()? })
    }
}

/// Visits under one heading.
pub(crate) struct Year {
    pub label: String,
    pub visits: Vec<Card>,
}

/// One visit, or one record outside of any.
pub(crate) struct Card {
    pub id: String,
    year: String,
    pub chosen: bool,
    pub date: String,
    pub kind: String,
    pub institution: String,
    pub department: String,
    pub diagnoses: Vec<String>,
    pub items: Vec<String>,
    pub amended: bool,
    /// Whether it has a page of its own.
    pub opens: bool,
}

/// Everything that the timeline's page is made of.
pub(crate) struct Listed {
    pub timeline: Timeline,
    /// Names of the person's institutions by code.
    pub names: BTreeMap<String, String>,
}

/// What a page of the timeline says besides its visits.
pub(crate) struct Around {
    pub number: usize,
    pub filter: Filter,
    pub chosen: BTreeSet<Id16>,
    pub faults: Faults,
    /// What was typed where it is no day.
    pub typed: Option<(String, String)>,
}

impl RecordsPage {
    fn new(frame: Frame, name: &str, csrf: String, listed: &Listed, around: Around) -> Self {
        let t = frame.t;
        let Around { number, filter, chosen, faults, typed } = around;
        let timeline = &listed.timeline;
        let nothing = timeline.visits.is_empty() && timeline.loose.is_empty() && number == 1 && !filter.is_active();
        let count = t.tn(
            "records-count",
            &[("institutions", &listed.names.len().to_string()), ("visits", &timeline.total.to_string())],
        );
        let lead = format!("{} {count}", t.t1("records-for", "name", name));
        Self {
            lead: if nothing { t.t1("records-for", "name", name) } else { lead },
            none: nothing.then(|| t.t1("records-none-text", "name", name)),
            csrf,
            languages: languages(t),
            filter: FilterForm::new(t, &filter, &listed.names, typed),
            faults,
            years: years(t, listed, &chosen),
            left_out: left_out(t, timeline),
            later: (number > 1).then(|| format!("/records?page={}", number - 1)),
            earlier: timeline.next.map(|_| format!("/records?page={}", number + 1)),
            frame,
        }
    }

    fn sample_of(locale: Locale, listed: &Listed, around: Around) -> Self {
        let mut frame = Frame::sample(locale, "records-title", "records", "/records", true);
        if !around.faults.is_empty() {
            frame = frame.faulty();
        }
        Self::new(frame, "김하늘", "sample-token".to_owned(), listed, around)
    }

    pub fn sample(locale: Locale) -> Self {
        Self::sample_of(locale, &sample_listed(), Around::page(1, Filter::default()))
    }

    pub fn sample_filtered(locale: Locale) -> Self {
        let from = Some(jiff::civil::date(2023, 1, 1));
        let filter = Filter { from, to: None, institution: Some("31100001".to_owned()) };
        let faults = Faults::one("visits", locale.texts().t("records-nothing-chosen"));
        Self::sample_of(locale, &sample_listed(), Around { faults, ..Around::page(2, filter) })
    }

    pub fn sample_none(locale: Locale) -> Self {
        let timeline = Timeline { visits: Vec::new(), loose: Vec::new(), total: 0, next: None };
        let listed = Listed { timeline, names: BTreeMap::new() };
        Self::sample_of(locale, &listed, Around::page(1, Filter::default()))
    }
}

impl Around {
    pub fn page(number: usize, filter: Filter) -> Self {
        Self { number, filter, chosen: BTreeSet::new(), faults: Faults::default(), typed: None }
    }
}

impl FilterForm {
    fn new(t: &Texts, filter: &Filter, names: &BTreeMap<String, String>, typed: Option<(String, String)>) -> Self {
        let faulty = typed.is_some();
        let text = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let (from, to) = typed.unwrap_or_else(|| (text(filter.from), text(filter.to)));
        let current = filter.institution.as_deref().unwrap_or_default();
        let any = Choice::new("", &t.t("institutions-any"), current);
        let choices = names.iter().map(|(code, name)| Choice::new(code, name, current));
        let active = filter.is_active();
        let institutions = std::iter::once(any).chain(choices).collect();
        Self { from, to, institutions, open: active || faulty, active }
    }
}

impl Card {
    pub fn of_visit(t: &Texts, visit: &Visit, names: &BTreeMap<String, String>, chosen: &BTreeSet<Id16>) -> Self {
        let diagnoses = visit.diagnoses.iter().filter(|one| !one.text.is_empty() || !one.code.is_empty());
        Self {
            id: Which { patient: visit.key.owner.id(), id: visit.key.id }.to_string(),
            year: year(t, visit.date),
            chosen: chosen.contains(&visit.key.id),
            date: date(t, visit.date),
            kind: t.t(class_key(&visit.class)),
            institution: institution_name(names, &visit.institution),
            department: visit.department.clone(),
            diagnoses: diagnoses.map(diagnosis).collect(),
            items: items(t, &visit.counts),
            amended: visit.is_amended,
            opens: true,
        }
    }

    fn of_entry(t: &Texts, entry: &Entry, names: &BTreeMap<String, String>, chosen: &BTreeSet<Id16>) -> Self {
        let (kind, title) = (t.t(item_key(&entry.key.resource_type)), entry_title(t, entry));
        Self {
            id: Which { patient: entry.key.owner.id(), id: entry.key.id }.to_string(),
            year: String::new(),
            chosen: chosen.contains(&entry.key.id),
            date: date(t, entry.date),
            // What has no title of its own is called by its kind, once.
            diagnoses: Some(title).filter(|title| *title != kind).into_iter().collect(),
            kind,
            institution: institution_name(names, &entry.institution),
            department: String::new(),
            items: Vec::new(),
            amended: entry.version > 1,
            opens: false,
        }
    }
}

/// What is said where records outside of visits are left out.
pub(crate) fn left_out(t: &Texts, timeline: &Timeline) -> Option<String> {
    let left_out = timeline.loose.len().saturating_sub(LOOSE_MAX);
    (left_out > 0).then(|| t.t1("records-loose-more", "count", left_out))
}

pub(crate) fn years(t: &Texts, listed: &Listed, chosen: &BTreeSet<Id16>) -> Vec<Year> {
    let mut years: Vec<Year> = Vec::new();
    for visit in &listed.timeline.visits {
        let card = Card::of_visit(t, visit, &listed.names, chosen);
        match years.last_mut().filter(|year| year.label == card.year) {
            Some(year) => year.visits.push(card),
            None => years.push(Year { label: card.year.clone(), visits: vec![card] }),
        }
    }
    let loose = listed.timeline.loose.iter().take(LOOSE_MAX);
    let loose: Vec<Card> = loose.map(|entry| Card::of_entry(t, entry, &listed.names, chosen)).collect();
    if !loose.is_empty() {
        years.push(Year { label: t.t("visit-without"), visits: loose });
    }
    years
}

fn year(t: &Texts, moment: Option<Timestamp>) -> String {
    moment.map_or_else(|| t.t("records-no-date"), |at| t.t1("records-year", "year", day_of(at).year().to_string()))
}

fn date(t: &Texts, moment: Option<Timestamp>) -> String {
    moment.map_or_else(|| t.t("records-no-date"), |at| t.day(day_of(at)))
}

fn institution_name(names: &BTreeMap<String, String>, code: &InstitutionCode) -> String {
    names.get(code.as_str()).cloned().unwrap_or_else(|| code.to_string())
}

fn diagnosis(diagnosis: &Diagnosis) -> String {
    match (diagnosis.text.as_str(), diagnosis.code.as_str()) {
        ("", code) => code.to_owned(),
        (text, "") => text.to_owned(),
        (text, code) => format!("{text} ({code})"),
    }
}

pub(crate) fn entry_title(t: &Texts, entry: &Entry) -> String {
    let key = format!("document-{}", entry.document_kind);
    let kind = if t.has(&key) { t.t(&key) } else { t.t(item_key(&entry.key.resource_type)) };
    let title = match entry.title.as_str() {
        "" => kind,
        title if title.contains(&kind) => title.to_owned(),
        title => format!("{kind}: {title}"),
    };
    let relations: Vec<String> = entry.relations.iter().filter_map(|relation| relation_in_words(t, relation)).collect();
    if relations.is_empty() { title } else { format!("{title} ({})", relations.join(", ")) }
}

/// How a document relates to another, and to which.
fn relation_in_words(t: &Texts, relation: &Relation) -> Option<String> {
    let key = match (relation.code.as_str(), relation.is_passive) {
        ("replaces", false) => "relation-replaces",
        ("replaces", true) => "relation-replaced-by",
        ("appends", false) => "relation-appends",
        ("appends", true) => "relation-appended-by",
        ("transforms", false) => "relation-transforms",
        ("transforms", true) => "relation-transformed-by",
        ("signs", false) => "relation-signs",
        ("signs", true) => "relation-signed-by",
        _ => return None,
    };
    let date = relation.date.map(|date| t.day(day_of(date))).unwrap_or_default();
    Some(t.tn(key, &[("date", &date), ("title", &relation.title)]).trim().to_owned())
}

pub(crate) fn items(t: &Texts, counts: &Counted) -> Vec<String> {
    let counted = [
        ("item-tests", counts.tests),
        ("item-medications", counts.drugs),
        ("item-procedures", counts.procedures),
        ("item-reports", counts.reports),
        ("item-documents", counts.documents),
        ("item-other", counts.others),
    ];
    let there = counted.into_iter().filter(|(_, count)| *count > 0);
    there.map(|(key, count)| t.tn("visit-items", &[("what", &t.t(key)), ("count", &count.to_string())])).collect()
}

/// The words for a FHIR type, or for another kind of thing that the access log counts.
pub(crate) fn item_key(kind: &str) -> &'static str {
    match kind {
        "Patient" => "item-person",
        "Encounter" => "item-visits",
        "Condition" => "item-diagnoses",
        "Observation" => "item-tests",
        "MedicationRequest"
        | "MedicationAdministration"
        | "MedicationDispense"
        | "MedicationStatement"
        | "Immunization" => "item-medications",
        "Procedure" => "item-procedures",
        "DiagnosticReport" | "ImagingStudy" => "item-reports",
        "DocumentReference" | "document" => "item-documents",
        "access-entry" => "item-accesses",
        "attempt" => "item-attempts",
        "case" | "review" | "question" => "item-cases",
        kind if kind.starts_with("case-") => "item-cases",
        "appointment" => "item-appointment",
        "appointment-recorded" => "item-appointment-recorded",
        "appointment-ended" => "item-appointment-ended",
        "erasure" => "item-erasure",
        "erasure-asked" => "item-erasure-asked",
        "erasure-approved" => "item-erasure-approved",
        "erasure-withdrawn" => "item-erasure-withdrawn",
        "account-end" => "item-account-end",
        "Device" | "HealthcareService" | "Location" | "Organization" | "Practitioner" | "PractitionerRole" => {
            "item-context"
        }
        _ => "item-other",
    }
}

/// The words for a kind of what an entry of the access log is about. Of a right they say the role, and the institution where it is
/// held at one.
pub(crate) fn item_words(t: &Texts, kind: &str, at: Option<&InstitutionCode>) -> String {
    let done = ["right-asked", "right-given", "right-taken"].into_iter().find(|done| kind.starts_with(done));
    let Some(done) = done else { return t.t(item_key(kind)) };
    // One that was tried in vain may be about no role.
    let role = kind[done.len()..].trim_start_matches('-');
    let key = format!("role-{role}");
    let role = if t.has(&key) { t.t(&key) } else { t.t("item-right-none") };
    let role = match at {
        Some(at) => t.t2("people-role-at", ("role", role), ("institution", at.to_string())),
        None => role,
    };
    t.t1(&format!("item-{done}"), "role", role)
}

/// The words for a class of encounter (HL7 v3 ActEncounterCode).
fn class_key(class: &str) -> &'static str {
    match class {
        "IMP" | "ACUTE" | "NONAC" | "SS" | "OBSENC" | "inpatient" => "visit-inpatient",
        "EMER" | "emergency" => "visit-emergency",
        "AMB" | "ambulatory" | "outpatient" => "visit-outpatient",
        _ => "visit-other",
    }
}

pub(crate) fn languages(t: &Texts) -> Vec<Choice> {
    let current = t.locale.tag();
    Locale::ALL.map(|one| Choice::new(one.tag(), &t.t(&format!("records-language-{}", one.tag())), current)).to_vec()
}

/// The question at the door: a person about their own records.
pub(crate) fn own(actor: Actor, person: Id16, action: Action) -> Request {
    Request { actor, action, target: Target::Person(person), purpose: Purpose::OwnRecords }
}

/// What a person asks for of one patient, who they say they are.
pub(crate) fn as_patient(actor: Actor, patient: Id16, action: Action) -> Request {
    Request { actor, action, target: Target::Patient(patient), purpose: Purpose::OwnRecords }
}

/// The part of the timeline that a filter leaves.
pub(crate) fn query_of(filter: &Filter, skip: usize, limit: usize) -> TimelineQuery {
    let institution = filter.institution.as_deref().and_then(InstitutionCode::new);
    let (from, before) = span(filter);
    TimelineQuery { from, before, institution, skip, limit }
}

/// The moments between which a filter's days lie, in Korean time: from the first, and before the day after the last.
pub(crate) fn span(filter: &Filter) -> (Option<Timestamp>, Option<Timestamp>) {
    let before = filter.to.and_then(|day| day.tomorrow().ok()).and_then(base::midnight);
    (filter.from.and_then(base::midnight), before)
}

fn listed(portal: &Portal, permit: &Permit, query: &TimelineQuery) -> Result<Listed, PageError> {
    let timeline = portal.archive().timeline(permit, query)?;
    Ok(Listed { names: names(portal, permit.actor().account)?, timeline })
}

/// The names of the institutions that a person was a patient of.
pub(crate) fn names(portal: &Portal, account: Id16) -> Result<BTreeMap<String, String>, PageError> {
    let patients = portal.archive().store().facts(account)?.patients;
    names_of(portal, patients.iter().map(|own| &own.institution))
}

/// The names of institutions by code.
pub(crate) fn names_of<'c>(
    portal: &Portal,
    codes: impl Iterator<Item = &'c InstitutionCode>,
) -> Result<BTreeMap<String, String>, PageError> {
    let mut names = BTreeMap::new();
    for code in codes.collect::<BTreeSet<_>>() {
        let name = portal.archive().institution(code)?.map_or_else(|| code.to_string(), |one| one.name);
        names.insert(code.to_string(), name);
    }
    Ok(names)
}

/// `GET /records?page=`
pub(crate) async fn show(person: Person, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let number = numbered.map_or(1, |Query(numbered)| numbered.page.clamp(1, PAGES_MAX));
    let filter = person.visitor.portal.places().of(person.session.id).filter;
    page(&records_page(&person, Around::page(number, filter)).await?)
}

/// `POST /records`: what to show is kept with the session, so that no address tells it.
pub(crate) async fn filter(form: PersonForm) -> Result<Response, PageError> {
    let PersonForm { person, fields } = form;
    let clear = !fields.text("clear").is_empty();
    let typed = (fields.text("from").trim().to_owned(), fields.text("to").trim().to_owned());
    let institution = Some(fields.text("institution").to_owned()).filter(|code| InstitutionCode::new(code).is_some());
    let fault = |field| Fault { field, text: person.visitor.t().t("institutions-faulty-date") };
    let (from, to) = (day_of_form(&typed.0), day_of_form(&typed.1));
    let faults = [from.err().map(|_| fault("from")), to.err().map(|_| fault("to"))];
    let faults = Faults(faults.into_iter().flatten().filter(|_| !clear).collect());
    if !faults.is_empty() {
        let filter = person.visitor.portal.places().of(person.session.id).filter;
        let around = Around { faults, typed: Some(typed), ..Around::page(1, filter) };
        return faulty_page(&records_page(&person, around).await?);
    }
    let filter = Filter { from: from.unwrap_or(None), to: to.unwrap_or(None), institution };
    let filter = if clear { Filter::default() } else { filter };
    person.visitor.portal.places().with(person.session.id, |place| place.filter = filter);
    Ok(Redirect::to("/records").into_response())
}

/// The timeline's page.
pub(crate) async fn records_page(person: &Person, around: Around) -> Result<RecordsPage, PageError> {
    let request = own(person.actor(), person.session.person, Action::ReadTimeline);
    let query = query_of(&around.filter, (around.number - 1) * VISITS, VISITS);
    let reading = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(request)?;
        listed(portal, &permit, &query)
    });
    let listed = reading.await?;
    let mut frame = person.visitor.frame("records-title", "records");
    if !around.faults.is_empty() {
        frame = frame.faulty();
    }
    Ok(RecordsPage::new(frame, person.session.name.expose(), person.csrf(), &listed, around))
}

pub(crate) fn sample_listed() -> Listed {
    let code = |text: &str| InstitutionCode::new(text).unwrap_or_else(|| unreachable!("samples have good codes"));
    let key = |kind: &str, name: &str| store::ResourceKey {
        owner: policy::Owner::Patient(Id16::derived(&["sample"])),
        resource_type: kind.to_owned(),
        id: Id16::derived(&["sample", kind, name]),
    };
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let diagnosis =
        |text: &str, code: &str| Diagnosis { text: text.to_owned(), code: code.to_owned(), ..Diagnosis::default() };
    let replaced = Relation {
        code: "replaces".to_owned(),
        is_passive: false,
        other: key("DocumentReference", "5").id,
        date: moment("2023-11-08T01:20:00Z"),
        title: "퇴원요약지".to_owned(),
    };
    let document = |kind: &str, name: &str| Entry {
        key: key("DocumentReference", name),
        institution: code("31100001"),
        date: moment("2024-03-12T01:20:00Z"),
        document_kind: kind.to_owned(),
        title: String::new(),
        object: None,
        version: 1,
        relations: if name == "2" { vec![replaced.clone()] } else { Vec::new() },
    };
    let visit = |name: &str, at: &str, institution: &str, class: &str| Visit {
        key: key("Encounter", name),
        institution: code(institution),
        date: moment(at),
        end: String::new(),
        class: class.to_owned(),
        department: "내과".to_owned(),
        doctor: "정다운".to_owned(),
        reason: String::new(),
        diagnoses: vec![diagnosis("급성 인두염", "J02.9")],
        counts: Counted { tests: 4, drugs: 3, ..Counted::default() },
        documents: Vec::new(),
        is_amended: false,
    };
    let visits = vec![
        visit("a", "2024-03-12T01:20:00Z", "31100001", "AMB"),
        Visit {
            end: "2023-11-09T10:00:00+09:00".to_owned(),
            department: "정형외과".to_owned(),
            reason: "넘어져 손목을 다침".to_owned(),
            diagnoses: vec![diagnosis("노뼈 하단의 골절", "S52.5"), diagnosis("본태성(원발성) 고혈압", "I10.9")],
            counts: Counted { tests: 26, drugs: 8, procedures: 2, reports: 3, documents: 4, ..Counted::default() },
            documents: vec![
                document("operation-record", "1"),
                document("discharge-summary", "2"),
                document("bill-receipt", "3"),
            ],
            is_amended: true,
            ..visit("b", "2023-11-02T00:10:00Z", "11100002", "IMP")
        },
        visit("c", "2023-05-20T02:00:00Z", "31100001", "AMB"),
        Visit { diagnoses: Vec::new(), ..visit("d", "2021-01-08T13:40:00Z", "11100002", "EMER") },
    ];
    let names = [("31100001", "가온내과의원"), ("11100002", "한빛종합병원")];
    let timeline = Timeline { total: 64, visits, loose: vec![document("medical-certificate", "4")], next: Some(50) };
    Listed { timeline, names: names.map(|(code, name)| (code.to_owned(), name.to_owned())).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_of_a_filter_are_korean_days() {
        let filter = Filter { from: Some(date(2024, 3, 1)), to: Some(date(2024, 3, 31)), institution: None };
        let (from, before) = span(&filter);
        assert_eq!(from.map(|at| at.to_string()).as_deref(), Some("2024-02-29T15:00:00Z"));
        assert_eq!(before.map(|at| at.to_string()).as_deref(), Some("2024-03-31T15:00:00Z"));
        assert_eq!(span(&Filter::default()), (None, None));
    }

    #[test]
    fn visits_stand_under_their_years() {
        let years = years(Locale::Korean.texts(), &sample_listed(), &BTreeSet::new());
        let labels: Vec<&str> = years.iter().map(|year| year.label.as_str()).collect();
        assert_eq!(labels, ["2024년", "2023년", "2021년", "진료와 따로 있는 기록"]);
        assert_eq!(years[1].visits.len(), 2);
    }

    #[test]
    fn what_addresses_name_is_read_back() {
        let which = Which { patient: Id16::derived(&["p"]), id: Id16::derived(&["a"]) };
        assert_eq!(Which::of(&which.to_string()), Some(which));
        for faulty in ["", "-", "../x", &which.id.to_string(), &format!("{which}-"), &format!("{which}0")] {
            assert_eq!(Which::of(faulty), None, "{faulty}");
        }
    }

    #[test]
    fn diagnoses_have_words_and_code() {
        let of = |text: &str, code: &str| {
            diagnosis(&Diagnosis { text: text.to_owned(), code: code.to_owned(), ..Diagnosis::default() })
        };
        assert_eq!(of("급성 인두염", "J02.9"), "급성 인두염 (J02.9)");
        assert_eq!((of("", "J02.9"), of("급성 인두염", "")), ("J02.9".to_owned(), "급성 인두염".to_owned()));
    }
}
