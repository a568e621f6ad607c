//! One's consents: who may see which of one's records, for what and until when. Given, changed and withdrawn here; what was
//! withdrawn is refused to whoever asks next.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, PersonForm};
use crate::frame::{Fault, Faults, Frame};
use crate::pages::records::{names, own};
use crate::pages::representatives::last_day;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use crate::words::day_of_form;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use base::{Id16, Timestamp};
use policy::{Action, DataKind, InstitutionCode, Permit, Sensitive};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::{ConsentEntry, ConsentPurpose, ConsentTerms, StoreError, Ticket};

/// Longest wait until what was said is at the sites.
const SEALING: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "consents.html")]
pub(crate) struct ConsentsPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    done: Option<String>,
    consents: Vec<Told>,
    form: ConsentForm,
}

/// One consent in words.
struct Told {
    id: String,
    title: String,
    state: String,
    is_active: bool,
    lines: Vec<Said>,
}

/// A word for what is said, and what is said.
struct Said {
    what: String,
    text: String,
}

/// What is filled in.
struct ConsentForm {
    /// The consent that is changed; none where one is given.
    id: Option<String>,
    grantee: String,
    until: String,
    purposes: Vec<Tick>,
    kinds: Vec<Tick>,
    sensitive: Vec<Tick>,
    institutions: Vec<Tick>,
    /// Whether the records of every institution are shown.
    every: bool,
}

/// Something that can be ticked.
struct Tick {
    value: String,
    label: String,
    ticked: bool,
}

/// Names of institutions by code.
type Names = BTreeMap<String, String>;

impl ConsentsPage {
    fn new(frame: Frame, csrf: String, entries: &[ConsentEntry], all: &Names, own: &Names, now: Timestamp) -> Self {
        let t = frame.t;
        let consents = entries.iter().map(|entry| Told::new(t, entry, all, now)).collect();
        let form = ConsentForm::new(t, own, None, &Fields::default());
        Self { frame, csrf, faults: Faults::default(), done: None, consents, form }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "consents-title", "consents", "/consents", true);
        let all = Names::from([("31100001".to_owned(), "한빛의원".to_owned())]);
        let now = Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let terms = sample_terms(now);
        let withdrawn = ConsentTerms { sensitive: BTreeSet::new(), ..terms.clone() };
        let entry = |terms, is_active| ConsentEntry {
            id: Id16::derived(&["sample"]),
            terms: Ok(terms),
            is_active,
            recorded: now,
            version: 1,
        };
        let mut second = entry(withdrawn, false);
        second.id = Id16::derived(&["sample", "withdrawn"]);
        Self::new(frame, "sample-token".to_owned(), &[entry(terms, true), second], &all, &all, now)
    }

    pub fn sample_change(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "consents-title", "consents", "/consents", true).faulty();
        let own = Names::from([("31100001".to_owned(), "한빛의원".to_owned())]);
        let now = Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let t = frame.t;
        let form = ConsentForm::new(t, &own, Some(Id16::derived(&["sample"])), &as_fields(&sample_terms(now)));
        let faults = Faults::one("until", t.t("consents-until-fault"));
        let empty = Self::new(frame, "sample-token".to_owned(), &[], &own, &own, now);
        Self { faults, form, ..empty }
    }
}

fn sample_terms(now: Timestamp) -> ConsentTerms {
    let code = InstitutionCode::new("31100001");
    let until = Timestamp::from_second(now.as_second() + 30 * 86_400).unwrap_or(now);
    ConsentTerms {
        person: Id16::default(),
        grantees: code.clone().into_iter().collect(),
        purposes: [ConsentPurpose::Care].into(),
        institutions: code.into_iter().collect(),
        kinds: [DataKind::Diagnoses, DataKind::Medications].into(),
        sensitive: [Sensitive::MentalHealth].into(),
        from: now,
        until,
    }
}

impl Told {
    fn new(t: &'static Texts, entry: &ConsentEntry, names: &Names, now: Timestamp) -> Self {
        let Ok(terms) = &entry.terms else {
            let state = if entry.is_active { "consents-on" } else { "consents-off" };
            let (title, state) = (t.t("consents-unreadable"), t.t(state));
            return Self { id: entry.id.to_string(), title, state, is_active: entry.is_active, lines: Vec::new() };
        };
        let is_over = terms.until <= now;
        let state = match (entry.is_active, is_over) {
            (true, false) => "consents-on",
            (true, true) => "consents-over",
            (false, _) => "consents-off",
        };
        let named = |codes: &BTreeSet<InstitutionCode>| {
            let name = |code: &InstitutionCode| names.get(code.as_str()).cloned().unwrap_or_else(|| code.to_string());
            codes.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let words = |kind: &str, names: Vec<&str>| {
            names.into_iter().map(|name| t.t(&format!("{kind}-{name}"))).collect::<Vec<_>>().join(", ")
        };
        let said = |what: &str, text: String| Said { what: t.t(what), text };
        let mut lines = vec![
            said("consents-purpose", words("consent-purpose", terms.purposes.iter().map(|one| one.name()).collect())),
            said("consents-kinds", words("kind", terms.kinds.iter().map(|kind| kind.name()).collect())),
        ];
        if !terms.sensitive.is_empty() {
            let sensitive = terms.sensitive.iter().map(|kind| kind.name()).collect();
            lines.push(said("consents-sensitive", words("sensitive", sensitive)));
        }
        let whose =
            if terms.institutions.is_empty() { t.t("consents-all-institutions") } else { named(&terms.institutions) };
        lines.push(said("consents-institutions", whose));
        // To the end of that day, as it was chosen.
        lines.push(said("consents-until", t.weekday(last_day(terms.until))));
        Self {
            id: entry.id.to_string(),
            title: t.t1("consents-to", "name", named(&terms.grantees)),
            state: t.t(state),
            is_active: entry.is_active && !is_over,
            lines,
        }
    }
}

impl ConsentForm {
    fn new(t: &Texts, own: &Names, id: Option<Id16>, filled: &Fields) -> Self {
        let tick = |field: &str, value: &str, label: String| {
            let ticked = filled.all(field).any(|one| one == value);
            Tick { value: value.to_owned(), label, ticked }
        };
        let named = |kind: &str, field: &str, name: &str| tick(field, name, t.t(&format!("{kind}-{name}")));
        Self {
            id: id.map(|id| id.to_string()),
            grantee: filled.text("grantee").to_owned(),
            until: filled.text("until").to_owned(),
            purposes: ConsentPurpose::ALL.map(|one| named("consent-purpose", "purpose", one.name())).into(),
            kinds: DataKind::ALL.map(|one| named("kind", "kind", one.name())).into(),
            sensitive: Sensitive::ALL.map(|one| named("sensitive", "sensitive", one.name())).into(),
            institutions: own.iter().map(|(code, name)| tick("institution", code, name.clone())).collect(),
            every: !filled.text("every-institution").is_empty(),
        }
    }
}

/// What the form of a consent is filled in with.
fn as_fields(terms: &ConsentTerms) -> Fields {
    let grantees = terms.grantees.iter().map(InstitutionCode::as_str).collect::<Vec<_>>().join(" ");
    let until = last_day(terms.until).to_string();
    let mut fields = vec![("grantee", &*grantees), ("until", &*until)];
    fields.extend(terms.purposes.iter().map(|one| ("purpose", one.name())));
    fields.extend(terms.kinds.iter().map(|one| ("kind", one.name())));
    fields.extend(terms.sensitive.iter().map(|one| ("sensitive", one.name())));
    fields.extend(terms.institutions.iter().map(|one| ("institution", one.as_str())));
    if terms.institutions.is_empty() {
        fields.push(("every-institution", "yes"));
    }
    Fields::of(&fields)
}

/// What a form says, or what is to be mended in it.
fn read(
    t: &Texts,
    fields: &Fields,
    person: Id16,
    now: Timestamp,
    is_known: impl Fn(&InstitutionCode) -> bool,
) -> Result<ConsentTerms, Faults> {
    let mut faults = Faults::default();
    let mut fault = |field: &'static str, key: &str| faults.0.push(Fault { field, text: t.t(key) });
    let codes: Vec<Option<InstitutionCode>> =
        fields.text("grantee").split([' ', ',']).filter(|code| !code.is_empty()).map(InstitutionCode::new).collect();
    let grantees: BTreeSet<InstitutionCode> = codes.iter().flatten().filter(|code| is_known(code)).cloned().collect();
    if grantees.is_empty() || grantees.len() != codes.len() {
        fault("grantee", "consents-grantee-fault");
    }
    let purposes: BTreeSet<_> = fields.all("purpose").filter_map(ConsentPurpose::from_name).collect();
    if purposes.is_empty() {
        fault("purposes", "consents-purpose-fault");
    }
    let kinds: BTreeSet<_> = fields.all("kind").filter_map(DataKind::from_name).collect();
    if kinds.is_empty() {
        fault("kinds", "consents-kinds-fault");
    }
    let institutions: BTreeSet<_> = fields.all("institution").filter_map(InstitutionCode::new).collect();
    if institutions.is_empty() && fields.text("every-institution").is_empty() {
        fault("institutions", "consents-institutions-fault");
    }
    let all = !fields.text("every-institution").is_empty();
    let longest = now.as_second() + 365 * 86_400;
    let until = day_of_form(fields.text("until")).ok().flatten().and_then(|day| day.tomorrow().ok());
    let until = until.and_then(base::midnight);
    let until = until.filter(|until| *until > now && until.as_second() <= longest);
    if until.is_none() {
        fault("until", "consents-until-fault");
    }
    match until {
        Some(until) if faults.is_empty() => Ok(ConsentTerms {
            person,
            grantees,
            purposes,
            institutions: if all { BTreeSet::new() } else { institutions },
            kinds,
            sensitive: fields.all("sensitive").filter_map(Sensitive::from_name).collect(),
            from: now,
            until,
        }),
        _ => Err(faults),
    }
}

/// What is said besides the list.
#[derive(Default)]
struct Besides {
    faults: Faults,
    done: Option<&'static str>,
    changes: Option<Id16>,
    /// What was filled in and is to be mended.
    filled: Option<Fields>,
}

async fn shown(person: &Person, besides: Besides) -> Result<Response, PageError> {
    let (actor, id) = (person.actor(), person.session.person);
    let reading = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(own(actor, id, Action::ManageConsent))?;
        let entries = portal.archive().store().consents(&permit, id)?;
        let own = names(portal, id)?;
        let mut all = own.clone();
        let codes = entries.iter().filter_map(|entry| entry.terms.as_ref().ok());
        for code in codes.flat_map(|terms| terms.grantees.iter().chain(&terms.institutions)) {
            if !all.contains_key(code.as_str()) {
                let name = portal.archive().institution(code)?.map_or_else(|| code.to_string(), |one| one.name);
                all.insert(code.to_string(), name);
            }
        }
        Ok((entries, own, all, portal.archive().clock().now()))
    });
    let (entries, own, all, now) = reading.await?;
    let mut frame = person.visitor.frame("consents-title", "consents");
    let t = frame.t;
    let is_faulty = !besides.faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let mut shown = ConsentsPage::new(frame, person.csrf(), &entries, &all, &own, now);
    let mut filled = besides.filled;
    if let Some(id) = besides.changes {
        let entry = entries.iter().find(|entry| entry.id == id && entry.is_active).ok_or(PageError::Denied)?;
        let terms = entry.terms.as_ref().map_err(|_| PageError::Denied)?;
        filled = filled.or_else(|| Some(as_fields(terms)));
    }
    if let Some(filled) = filled {
        shown.form = ConsentForm::new(t, &own, besides.changes, &filled);
    }
    form_page(&ConsentsPage { faults: besides.faults, done: besides.done.map(|key| t.t(key)), ..shown }, is_faulty)
}

/// `GET /consents`
pub(crate) async fn show(person: Person) -> Result<Response, PageError> {
    shown(&person, Besides::default()).await
}

/// `GET /consents/{id}`: the form with what a consent says.
pub(crate) async fn edit(person: Person, Path(id): Path<String>) -> Result<Response, PageError> {
    let id = id.parse().map_err(|_| PageError::NotFound)?;
    shown(&person, Besides { changes: Some(id), ..Besides::default() }).await
}

/// `POST /consents/give`
pub(crate) async fn give(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    written(form.0, None, |portal, permit, terms| {
        let (_, ticket) = portal.archive().store().give_consent(permit, terms)?;
        Ok(ticket)
    })
    .await
}

/// `POST /consents/change`
pub(crate) async fn change(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let id: Id16 = form.0.fields.text("id").parse().map_err(|_| PageError::Bad)?;
    written(form.0, Some(id), move |portal, permit, terms| {
        Ok(portal.archive().store().change_consent(permit, id, terms)?)
    })
    .await
}

/// `POST /consents/withdraw`
pub(crate) async fn withdraw(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let id: Id16 = fields.text("id").parse().map_err(|_| PageError::Bad)?;
    let (actor, owner) = (person.actor(), person.session.person);
    let withdrawing = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(own(actor, owner, Action::ManageConsent))?;
        let ticket = portal.archive().store().withdraw_consent(&permit, owner, id)?;
        sealed(portal, ticket, "consents-withdrawn")
    });
    let done = Some(withdrawing.await?);
    shown(&person, Besides { done, ..Besides::default() }).await
}

/// Writes what a form says, of a consent that it changes or of a new one.
async fn written(
    form: PersonForm,
    changes: Option<Id16>,
    write: impl FnOnce(&Portal, &Permit, &ConsentTerms) -> Result<Ticket, PageError> + Send + 'static,
) -> Result<Response, PageError> {
    let PersonForm { person, fields } = form;
    let (actor, owner, t) = (person.actor(), person.session.person, person.visitor.t());
    let filled = fields.clone();
    let writing = person.visitor.portal.blocking(move |portal| {
        let archive = portal.archive();
        let is_known = |code: &InstitutionCode| matches!(archive.institution(code), Ok(Some(_)));
        let terms = match read(t, &fields, owner, archive.clock().now(), is_known) {
            Ok(terms) => terms,
            Err(faults) => return Ok(Err(faults)),
        };
        let permit = archive.ask(own(actor, owner, Action::ManageConsent))?;
        let ticket = write(portal, &permit, &terms)?;
        sealed(portal, ticket, "consents-given").map(Ok)
    });
    match writing.await? {
        Ok(done) => shown(&person, Besides { done: Some(done), ..Besides::default() }).await,
        Err(faults) => shown(&person, Besides { faults, changes, filled: Some(filled), ..Besides::default() }).await,
    }
}

/// What is said once it holds: it does from the moment it was accepted, and is proved once it is sealed.
fn sealed(portal: &Portal, ticket: Ticket, done: &'static str) -> Result<&'static str, PageError> {
    match portal.archive().store().wait_sealed(ticket, SEALING) {
        Ok(_) => Ok(done),
        Err(StoreError::NotSealed { .. }) => Ok("consents-accepted"),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(fields: &[(&str, &str)]) -> Result<ConsentTerms, Vec<&'static str>> {
        let now = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let is_known = |code: &InstitutionCode| code.as_str() == "31100001";
        let read = read(Locale::Korean.texts(), &Fields::of(fields), Id16([7; 16]), now, is_known);
        read.map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect())
    }

    const GOOD: [(&str, &str); 5] = [
        ("grantee", "31100001"),
        ("purpose", "care"),
        ("kind", "diagnoses"),
        ("every-institution", "yes"),
        ("until", "2026-12-31"),
    ];

    #[test]
    fn a_form_says_what_is_ticked_and_no_more() {
        let terms = at(&GOOD).expect("good");
        assert_eq!((terms.kinds.len(), terms.sensitive.len(), terms.institutions.len()), (1, 0, 0));
        assert_eq!(terms.until.to_string(), "2026-12-31T15:00:00Z", "to the end of the day in Korea");
        let more = [&GOOD[..], &[("sensitive", "mental-health"), ("kind", "everything"), ("sensitive", "x")]].concat();
        let terms = at(&more).expect("good");
        assert_eq!((terms.kinds.len(), terms.sensitive.len()), (1, 1), "words that are not known share nothing");
    }

    #[test]
    fn what_is_left_out_is_asked_for() {
        for (left_out, field) in [
            ("grantee", "grantee"),
            ("purpose", "purposes"),
            ("kind", "kinds"),
            ("every-institution", "institutions"),
            ("until", "until"),
        ] {
            let fields: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != left_out).collect();
            assert_eq!(at(&fields), Err(vec![field]));
        }
        for (name, value) in [("grantee", "31100001 99999999"), ("until", "2026-11-21"), ("until", "2027-12-31")] {
            let fields: Vec<_> =
                GOOD.into_iter().map(|(one, old)| (one, if one == name { value } else { old })).collect();
            assert_eq!(at(&fields), Err(vec![name]), "{value}");
        }
    }
}
