//! Who may act for oneself, and for whom one may act. Proofs of others than the person's own word are recorded by support staff,
//! in `proofs`; what they wrote down stands here, with what they saw, and the person ends it like any other.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::{Fields, Fresh, PersonForm};
use crate::frame::{Fault, Faults, Frame};
use crate::pages::access::word;
use crate::pages::oversight::name_of;
use crate::pages::records::own;
use crate::pages::staff_access::{StaffNames, staff_names};
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use crate::words::{NotADay, day_of, day_of_form};
use askama::Template;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use jiff::civil::Date;
use policy::{Action, DataKind, ProofRules, Role, Share};
use std::collections::{BTreeMap, BTreeSet};
use store::{NewRepresentative, Representative, StoreError, latest_end};

/// The case of a person's own word, and its proof, in `policies/representatives.toml`.
const OWN_WORD: (&str, &str) = ("appointed", "own-word");

#[derive(Template)]
#[template(path = "representatives.html")]
pub(crate) struct RepresentativesPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    done: Option<String>,
    /// The code that others name this person by.
    code: String,
    /// What was filled in and is to be mended: whom by, whether all is shown, from when and until when.
    named: String,
    whole: bool,
    begin: String,
    until: String,
    mine: Vec<Told>,
    others: Vec<Told>,
}

/// An appointment in words.
pub(crate) struct Told {
    pub id: String,
    pub title: String,
    pub state: String,
    /// Whether there is something to end: it goes on, or begins later.
    pub is_open: bool,
    /// Whether it has begun and goes on.
    pub acts: bool,
    /// Words for what is said, and what is said.
    pub lines: Vec<(String, String)>,
}

/// Names that appointments are told with: of institutions by code, and of staff.
#[derive(Default)]
pub(crate) struct Names {
    pub institutions: BTreeMap<String, String>,
    pub staff: StaffNames,
}

impl Names {
    /// Those that these appointments need.
    pub fn of(portal: &Portal, appointments: &[Representative]) -> Result<Self, PageError> {
        let mut names = Self::default();
        for code in appointments.iter().filter_map(|one| one.institution.as_ref()) {
            let name = portal.archive().institution(code)?.map_or_else(|| code.to_string(), |one| one.name);
            names.institutions.insert(code.to_string(), name);
        }
        if appointments.iter().any(|one| one.recorded_by != one.person) {
            names.staff = staff_names(portal)?;
        }
        Ok(names)
    }
}

impl RepresentativesPage {
    fn new(frame: Frame, csrf: String, own: Id16, known: &Known, filled: &Fields) -> Self {
        let t = frame.t;
        let [named, begin, until] = ["code", "begin", "until"].map(|field| filled.text(field).to_owned());
        let whole = share_named(filled) == Share::Whole;
        let mine = known.mine.iter().map(|one| Told::agent(t, one, &known.names, known.now)).collect();
        let others = known.others.iter().map(|one| Told::person(t, one, &known.names, known.now)).collect();
        let code = spaced(own);
        Self { frame, csrf, faults: Faults::default(), done: None, code, named, whole, begin, until, mine, others }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "representatives-title", "representatives", "/representatives", true);
        let (mine, names) = sample_appointments();
        let others = vec![mine[0].clone(), mine[3].clone(), mine[4].clone()];
        let known = Known { mine, others, names, now: sample_now() };
        Self::new(frame, "sample-token".to_owned(), Id16::derived(&["sample person"]), &known, &Fields::default())
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "representatives-title", "representatives", "/representatives", true);
        let faults = Faults::one("code", frame.t.t("representatives-code-fault"));
        let known = Known { mine: Vec::new(), others: Vec::new(), names: Names::default(), now: sample_now() };
        let empty = Self::new(frame.faulty(), "sample-token".to_owned(), Id16::default(), &known, &Fields::default());
        Self { faults, ..empty }
    }
}

/// What is known for the page.
struct Known {
    mine: Vec<Representative>,
    others: Vec<Representative>,
    names: Names,
    now: Timestamp,
}

pub(crate) fn sample_now() -> Timestamp {
    Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One by the person's own word, one that staff recorded, one that ended, one that is over since the person died, one that begins
/// later.
pub(crate) fn sample_appointments() -> (Vec<Representative>, Names) {
    let [person, staff] = ["sample person", "sample staff"].map(|name| Id16::derived(&[name]));
    let now = sample_now();
    let own = Representative {
        id: Id16::derived(&["sample", "own"]),
        person,
        agent: Id16::derived(&["own"]),
        proof_case: OWN_WORD.0.to_owned(),
        institution: None,
        share: without_sensitive(),
        recorded_by: person,
        seen: [OWN_WORD.1.to_owned()].into(),
        from: now,
        until: Timestamp::from_second(1_799_330_000).unwrap_or(now),
        ended: None,
        after_death: false,
    };
    let recorded = Representative {
        id: Id16::derived(&["sample", "recorded"]),
        agent: Id16::derived(&["recorded"]),
        proof_case: "sibling".to_owned(),
        institution: policy::InstitutionCode::new("31100001"),
        share: Share::Whole,
        recorded_by: staff,
        seen: ["family-proof", "no-nearer-family", "own-id", "patient-consent", "patient-id"].map(str::to_owned).into(),
        ..own.clone()
    };
    let ended = Representative { id: Id16::derived(&["sample", "ended"]), ended: Some(now), ..recorded.clone() };
    let died = Representative { id: Id16::derived(&["sample", "died"]), after_death: true, ..own.clone() };
    let begins = Timestamp::from_second(1_796_000_000).unwrap_or(now);
    let later = Representative { id: Id16::derived(&["sample", "later"]), from: begins, ..own.clone() };
    let names = Names {
        institutions: [("31100001".to_owned(), "한빛의원".to_owned())].into(),
        staff: [(staff, "한지우".to_owned())].into(),
    };
    (vec![own, recorded, ended, died, later], names)
}

impl Told {
    /// Who acts, as the person and support staff see it.
    pub fn agent(t: &Texts, one: &Representative, names: &Names, now: Timestamp) -> Self {
        let own = one.recorded_by == one.person;
        let by = if own {
            t.t("representatives-by-own")
        } else {
            let role = t.t(&format!("role-{}", Role::Support.name()));
            t.tn("access-by", &[("name", &name_of(&names.staff, one.recorded_by)), ("role", &role)])
        };
        let line = |key: &str, said: String| (t.t(key), said);
        let mut lines = vec![line("representatives-case", word(t, "proof-case", &one.proof_case))];
        lines.extend(reach(t, one, names, now));
        lines.push(line("representatives-by", by));
        if !own {
            let seen: Vec<String> = one.seen.iter().map(|proof| word(t, "proof", proof)).collect();
            lines.push(line("representatives-seen", seen.join("\n")));
        }
        Self { lines, ..Self::titled(t, one, one.agent, now) }
    }

    /// For whom somebody acts, as they see it themselves.
    fn person(t: &Texts, one: &Representative, names: &Names, now: Timestamp) -> Self {
        Self { lines: reach(t, one, names, now), ..Self::titled(t, one, one.person, now) }
    }

    fn titled(t: &Texts, one: &Representative, other: Id16, now: Timestamp) -> Self {
        let state = match one.ended {
            Some(_) => "representatives-ended",
            None if one.until <= now => "representatives-over",
            None if one.after_death => "representatives-died",
            None if one.from > now => "representatives-not-yet",
            None => "representatives-open",
        };
        let is_open = one.ended.is_none() && one.until > now && !one.after_death;
        Self {
            id: one.id.to_string(),
            title: t.t1("representatives-code-of", "code", spaced(other)),
            state: t.t(state),
            is_open,
            acts: is_open && one.from <= now,
            lines: Vec::new(),
        }
    }
}

/// How far an appointment reaches, and from when until when.
fn reach(t: &Texts, one: &Representative, names: &Names, now: Timestamp) -> Vec<(String, String)> {
    let from = if one.from > now { "representatives-begins" } else { "representatives-from" };
    let share = if one.share == Share::Whole { "representatives-whole" } else { "representatives-part" };
    let place = one.institution.as_ref().map_or_else(
        || t.t("representatives-all"),
        |code| names.institutions.get(code.as_str()).cloned().unwrap_or_else(|| code.to_string()),
    );
    let line = |key: &str, said: String| (t.t(key), said);
    let mut lines = vec![
        line("representatives-what", t.t(share)),
        line("representatives-place", place),
        line(from, t.moment(one.from)),
        line("representatives-last", t.weekday(last_day(one.until))),
    ];
    lines.extend(one.ended.map(|ended| line("representatives-ended-at", t.moment(ended))));
    if one.after_death && one.ended.is_none() {
        lines.push(line("representatives-why", t.t("representatives-died-why")));
    }
    lines
}

/// The last day of an appointment that ends at a moment.
pub(crate) fn last_day(until: Timestamp) -> Date {
    day_of(Timestamp::from_microsecond(until.as_microsecond() - 1).unwrap_or(until))
}

/// The id of an account in groups of four, as people read it out.
fn spaced(id: Id16) -> String {
    let text = id.to_string();
    let groups = text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(" ")
}

fn without_sensitive() -> Share {
    Share::Part { kinds: DataKind::ALL.into(), sensitive: BTreeSet::new() }
}

/// Who is to act, as a form names them by the code of their account; nobody acts for themselves.
pub(crate) fn agent_named(fields: &Fields, person: Id16) -> Option<Id16> {
    let code: String = fields.text("code").split_whitespace().collect();
    code.parse().ok().filter(|agent| *agent != person)
}

/// How much a form shares: less where it does not say.
pub(crate) fn share_named(fields: &Fields) -> Share {
    if fields.text("share") == "whole" { Share::Whole } else { without_sensitive() }
}

/// When it is to begin: with a day in Korea that comes, before the latest end; `None` for at once, which is what today means.
pub(crate) fn begin_named(fields: &Fields, now: Timestamp, latest: Timestamp) -> Result<Option<Timestamp>, NotADay> {
    let day = day_of_form(fields.text("begin"))?.filter(|day| *day != day_of(now));
    let Some(day) = day else { return Ok(None) };
    base::midnight(day).filter(|begin| now < *begin && *begin < latest).map(Some).ok_or(NotADay)
}

/// When it is to end: at the end of a day in Korea, where that is after it begins and not beyond the latest end.
pub(crate) fn end_named(fields: &Fields, begin: Timestamp, latest: Timestamp) -> Option<Timestamp> {
    let next = day_of_form(fields.text("until")).ok().flatten().and_then(|day| day.tomorrow().ok())?;
    let until = base::midnight(next)?;
    (begin < until && until <= latest).then_some(until)
}

/// What a form says, or what is to be mended in it.
fn read(
    t: &Texts,
    fields: &Fields,
    (person, birth_date): (Id16, Option<Redacted<Date>>),
    now: Timestamp,
) -> Result<NewRepresentative, Faults> {
    let mut faults = Faults::default();
    let mut fault = |field: &'static str, key: &str| faults.0.push(Fault { field, text: t.t(key) });
    let agent = agent_named(fields, person);
    if agent.is_none() {
        fault("code", "representatives-code-fault");
    }
    let case = ProofRules::at(now).case(OWN_WORD.0).expect("the case of a person's own word is one of the cases");
    let latest = latest_end(case, None, now);
    let from = begin_named(fields, now, latest);
    if from.is_err() {
        fault("begin", "representatives-begin-fault");
    }
    let until = end_named(fields, from.ok().flatten().unwrap_or(now), latest);
    if until.is_none() {
        fault("until", "representatives-until-fault");
    }
    let (Some(agent), Ok(from), Some(until)) = (agent, from, until) else { return Err(faults) };
    Ok(NewRepresentative {
        person,
        agent,
        proof_case: OWN_WORD.0.to_owned(),
        birth_date,
        seen: [OWN_WORD.1.to_owned()].into(),
        institution: None,
        share: share_named(fields),
        from,
        until,
    })
}

async fn shown(person: &Person, faults: Faults, filled: &Fields, done: Option<&str>) -> Result<Response, PageError> {
    let (actor, id) = (person.actor(), person.session.person);
    let reading = person.visitor.portal.blocking(move |portal| {
        let store = portal.archive().store();
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        let (mine, others) = (store.representatives(&permit, id)?, store.represented_by(id)?);
        let names = Names::of(portal, &[&mine[..], &others[..]].concat())?;
        Ok(Known { mine, others, names, now: portal.archive().clock().now() })
    });
    let known = reading.await?;
    let mut frame = person.visitor.frame("representatives-title", "representatives");
    let t = frame.t;
    let is_faulty = !faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let shown = RepresentativesPage::new(frame, person.csrf(), id, &known, filled);
    form_page(&RepresentativesPage { faults, done: done.map(|key| t.t(key)), ..shown }, is_faulty)
}

/// `GET /representatives`
pub(crate) async fn show(person: Person) -> Result<Response, PageError> {
    shown(&person, Faults::default(), &Fields::default(), None).await
}

/// `POST /representatives/appoint`
pub(crate) async fn appoint(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let (actor, id, t) = (person.actor(), person.session.person, person.visitor.t());
    let (birth_date, filled) = (person.session.birth_date.clone(), fields.clone());
    let appointing = person.visitor.portal.blocking(move |portal| {
        let new = match read(t, &fields, (id, birth_date), portal.archive().clock().now()) {
            Ok(new) => new,
            Err(faults) => return Ok(Err(faults)),
        };
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        match portal.archive().store().appoint(&permit, new) {
            Ok(_) => Ok(Ok(())),
            // The person's own word is no proof before they are of age for it.
            Err(StoreError::Missing { what }) if what.starts_with("proof") => {
                Ok(Err(Faults::one("code", t.t("representatives-age-fault"))))
            }
            Err(StoreError::Missing { .. }) => Ok(Err(Faults::one("code", t.t("representatives-code-fault")))),
            Err(StoreError::AfterDeath { .. }) => Ok(Err(Faults::one("code", t.t("representatives-died-fault")))),
            Err(error) => Err(error.into()),
        }
    });
    match appointing.await? {
        Ok(()) => shown(&person, Faults::default(), &Fields::default(), Some("representatives-appointed")).await,
        Err(faults) => shown(&person, faults, &filled, None).await,
    }
}

/// `POST /representatives/end`
pub(crate) async fn end(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let ended: Id16 = fields.text("id").parse().map_err(|_| PageError::Bad)?;
    let (actor, id) = (person.actor(), person.session.person);
    let ending = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        Ok(portal.archive().store().end_representative(&permit, id, ended)?)
    });
    ending.await?;
    shown(&person, Faults::default(), &Fields::default(), Some("representatives-ended-now")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_read_out() {
        let now = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let agent = Id16::derived(&["agent"]);
        let at = |code: &str, until: &str, share: &str| {
            let fields = Fields::of(&[("code", code), ("until", until), ("share", share)]);
            let read = read(Locale::Korean.texts(), &fields, (Id16([7; 16]), None), now);
            read.map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        let new = at(&spaced(agent), "2026-12-31", "whole").expect("good");
        assert_eq!((new.agent, new.share), (agent, Share::Whole));
        assert_ne!(
            at(&spaced(agent), "2026-12-31", "").expect("good").share,
            Share::Whole,
            "less where nothing is chosen"
        );
        assert_eq!(at(&spaced(Id16([7; 16])), "2026-12-31", "").expect_err("oneself"), ["code"]);
        assert_eq!(at("x", "2029-12-31", "").expect_err("neither"), ["code", "until"]);
    }

    #[test]
    fn it_begins_at_once_or_with_a_day_that_comes_and_ends_after_that() {
        let now: Timestamp = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let code = spaced(Id16::derived(&["agent"]));
        let at = |begin: &str, until: &str| {
            let fields = Fields::of(&[("code", &code), ("begin", begin), ("until", until)]);
            let read = read(Locale::Korean.texts(), &fields, (Id16([7; 16]), None), now);
            read.map(|new| new.from.map(|from| from.to_string()))
                .map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        assert_eq!((at("", "2026-12-31"), at("2026-11-22", "2026-12-31")), (Ok(None), Ok(None)));
        assert_eq!(at("2026-12-01", "2026-12-31"), Ok(Some("2026-11-30T15:00:00Z".to_owned())), "midnight in Korea");
        assert!(at("2026-12-31", "2026-12-31").is_ok(), "one day");
        assert_eq!(at("2026-12-31", "2026-12-30"), Err(vec!["until"]), "it would end before it begins");
        assert_eq!(at("2026-11-21", "2026-12-31"), Err(vec!["begin"]), "in the past");
        assert_eq!(at("2027-11-23", "2027-11-21"), Err(vec!["begin"]), "beyond a year");
        assert_eq!(at("soon", "2026-12-31"), Err(vec!["begin"]));
    }

    #[test]
    fn what_begins_later_is_told_as_not_yet_and_opens_nothing() {
        let t = Locale::Korean.texts();
        let (list, names) = sample_appointments();
        let told = Told::agent(t, &list[4], &names, sample_now());
        assert!(told.is_open && !told.acts, "it can be ended");
        assert_eq!(told.state, t.t("representatives-not-yet"));
        assert!(told.lines.iter().any(|(what, _)| *what == t.t("representatives-begins")));
        let begun = Told::agent(t, &list[4], &names, list[4].from);
        assert!(begun.acts && begun.state == t.t("representatives-open"));
    }
}
