//! One case: what was found, the accesses behind it, and what a security officer does with it.

use crate::error::{PageError, form_page};
use crate::fields::{Fields, StaffForm};
use crate::frame::{Choice, Fault, Faults, Frame};
use crate::pages::access::source;
use crate::pages::records::{item_key, item_words};
use crate::pages::watch::{Line, officer, permit, seeing};
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Role};
use std::collections::BTreeMap;
use store::{AccessActor, AccessEntry, AccessResult};
use watch::{Case, CaseFile, Done, Found, Outcome, Params, Rule, Severity, WatchError};

/// Digits of an id that people are shown in place of a name.
const SHORT: usize = 8;

#[derive(Template)]
#[template(path = "watch_case.html")]
pub(crate) struct WatchCasePage {
    frame: Frame,
    csrf: String,
    address: String,
    line: Line,
    found: Vec<Told>,
    entries: Vec<Entry>,
    done: Vec<Step>,
    duties: Vec<Duty>,
    outcomes: Vec<Choice>,
    is_closed: bool,
    /// Whether who looks may do something about it.
    handles: bool,
    can_ask: bool,
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
}

/// A finding in words.
pub(crate) struct Told {
    pub text: String,
    pub when: String,
    pub edition: String,
}

/// An access in words. Whose record it was is a number: who watches over access need not know their name.
struct Entry {
    who: String,
    when: String,
    what: String,
    why: String,
    whose: String,
    from: String,
    result: String,
    granted: bool,
}

/// What somebody did with the case, in words.
pub(crate) struct Step {
    pub kind: String,
    pub by: String,
    pub text: String,
}

/// Something that follows from how the case ended.
struct Duty {
    slug: String,
    text: String,
    until: Option<String>,
    source: String,
    is_done: bool,
}

impl Told {
    pub fn new(t: &Texts, found: &Found) -> Self {
        let values: BTreeMap<&str, String> = found
            .values
            .iter()
            .map(|(name, value)| {
                let shown = match name.as_str() {
                    "role" => word(t, "role", value),
                    "action" => word(t, "action", value),
                    "kind" => t.t(item_key(value)),
                    _ => value.clone(),
                };
                (name.as_str(), shown)
            })
            .collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text = if t.has(&found.message) { t.tn(&found.message, &values) } else { found.message.clone() };
        Self {
            text,
            when: t.moment(found.time),
            edition: t.t1("watch-case-edition", "edition", found.edition.as_str()),
        }
    }
}

impl Entry {
    fn new(t: &Texts, entry: &AccessEntry) -> Self {
        let name = entry.actor.name.expose();
        let role = word(t, "role", &entry.actor.role);
        let who = if name.is_empty() { role } else { t.tn("access-by", &[("name", name), ("role", &role)]) };
        let seen = entry.what.iter().map(|(kind, count)| {
            let what = item_words(t, kind, entry.institution.as_ref());
            t.tn("visit-items", &[("what", &what), ("count", &count.to_string())])
        });
        let what = std::iter::once(word(t, "action", &entry.action)).chain(seen).collect::<Vec<_>>().join(", ");
        let result = match &entry.result {
            AccessResult::Granted => t.t("access-granted"),
            AccessResult::Denied { reason } => t.t1("access-denied-because", "reason", word(t, "denial", reason)),
        };
        Self {
            who,
            when: t.moment(entry.time),
            what,
            why: why(t, entry),
            whose: t.t1("watch-entry-subject", "number", short(entry.subject)),
            from: source(t, entry.actor.source.expose()),
            result,
            granted: entry.result == AccessResult::Granted,
        }
    }
}

/// The purpose, and the ground that it points to by its number.
fn why(t: &Texts, entry: &AccessEntry) -> String {
    let purpose = word(t, "purpose", &entry.purpose);
    match entry.ground {
        Some(ground) => format!("{purpose} ({})", t.t1("access-ground", "number", short(ground))),
        None => purpose,
    }
}

impl Step {
    pub fn new(t: &Texts, done: &Done, me: Id16, asked: Option<Id16>) -> Self {
        let who = if done.account == me {
            t.t("watch-who-me")
        } else if Some(done.account) == asked {
            t.t("watch-who-asked")
        } else {
            t.t1("watch-who-officer", "number", short(done.account))
        };
        let text = match done.kind.as_str() {
            "duty" => word(t, "watch-duty", done.text.expose()),
            _ => done.text.expose().clone(),
        };
        let time = t.moment(done.at);
        let by = t.tn("watch-step-by", &[("time", &time), ("who", &who)]);
        Self { kind: t.t(&format!("watch-step-{}", done.kind)), by, text }
    }
}

impl WatchCasePage {
    fn new(frame: Frame, csrf: String, me: Id16, file: &CaseFile, filled: Fields) -> Self {
        let t = frame.t;
        let duty = |due: &watch::Due| Duty {
            slug: due.duty.slug.clone(),
            text: t.t(&format!("watch-duty-{}", due.duty.slug)),
            until: due.until.map(|until| t.t1("watch-duty-until", "time", t.moment(until))),
            source: t.t1("watch-duty-source", "source", due.duty.source.as_str()),
            is_done: due.is_done,
        };
        let outcome = |one: &Outcome| {
            Choice::new(one.name(), &t.t(&format!("watch-outcome-{}", one.name())), filled.text("outcome"))
        };
        Self {
            handles: true,
            csrf,
            address: format!("/staff/watch/case/{}", file.case.incident),
            line: Line::new(t, &file.case),
            found: file.found.iter().map(|found| Told::new(t, found)).collect(),
            entries: file.entries.iter().map(|entry| Entry::new(t, entry)).collect(),
            done: file.done.iter().map(|done| Step::new(t, done, me, file.actor)).collect(),
            duties: file.due.iter().map(duty).collect(),
            outcomes: Outcome::ALL.iter().map(outcome).collect(),
            is_closed: file.case.state == "closed",
            can_ask: file.actor.is_some(),
            faults: Faults::default(),
            filled,
            frame,
        }
    }

    /// What was typed into the form that does this.
    fn typed(&self, doing: &str) -> &str {
        if self.filled.text("do") == doing { self.filled.text("text") } else { "" }
    }

    pub fn sample(locale: Locale) -> Self {
        let file = sample_file(None);
        Self::new(frame_of_sample(locale), "sample-token".to_owned(), Id16([9; 16]), &file, Fields::default())
    }

    pub fn sample_closed(locale: Locale) -> Self {
        let file = sample_file(Some(Outcome::Breach));
        Self::new(frame_of_sample(locale), "sample-token".to_owned(), Id16([9; 16]), &file, Fields::default())
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = frame_of_sample(locale).faulty();
        let text = frame.t.t("watch-fault-text");
        let filled = Fields::of(&[("do", "ask"), ("text", " ")]);
        let whole = Self::new(frame, "sample-token".to_owned(), Id16([9; 16]), &sample_file(None), filled);
        Self { faults: Faults::one("ask-text", text), ..whole }
    }
}

fn frame_of_sample(locale: Locale) -> Frame {
    let mut frame = Frame::sample(locale, "watch-title", "watch", "/staff/watch", true);
    frame.title = frame.t.t1("watch-case-title", "number", short(Id16([1; 16])));
    frame
}

fn sample_time(ago_s: i64) -> Timestamp {
    Timestamp::from_second(1_795_340_000 - ago_s).unwrap_or_default()
}

fn sample_entry(ago_s: i64, denied: Option<&str>) -> AccessEntry {
    AccessEntry {
        id: Id16::derived(&["sample", &ago_s.to_string()]),
        decision: Id16::default(),
        time: sample_time(ago_s),
        subject: Id16::derived(&["sample-subject", &ago_s.to_string()]),
        actor: AccessActor {
            account: Id16([7; 16]),
            role: "clinician".to_owned(),
            assurance: 2,
            name: Redacted::new("이서준".to_owned()),
            source: Redacted::new("198.51.100.7".to_owned()),
        },
        action: "read-record".to_owned(),
        purpose: "care".to_owned(),
        ground: Some(Id16([6; 16])),
        explanation: "clinician-visit".to_owned(),
        result: denied.map_or(AccessResult::Granted, |reason| AccessResult::Denied { reason: reason.to_owned() }),
        institution: None,
        what: vec![("Observation".to_owned(), 12), ("document".to_owned(), 1)],
    }
}

fn sample_done(outcome: Option<Outcome>) -> Vec<Done> {
    let done = |ago_s: i64, account: u8, kind: &str, text: &str| Done {
        at: sample_time(ago_s),
        account: Id16([account; 16]),
        kind: kind.to_owned(),
        text: Redacted::new(text.to_owned()),
    };
    let mut all = vec![
        done(50, 9, "assign", ""),
        done(40, 9, "ask", "16명의 기록을 1분 안에 보신 까닭을 알려 주세요."),
        done(30, 7, "answer", "예방접종 대상자를 확인했습니다."),
    ];
    all.extend(outcome.map(|_| done(10, 8, "close", "대상자가 아닌 사람이 대부분이었습니다.")));
    all
}

fn sample_found() -> Found {
    let values = [
        ("role", "clinician"),
        ("action", "read-record"),
        ("people", "16"),
        ("records", "210"),
        ("seconds", "60"),
        ("minutes", "1"),
    ];
    Found {
        time: sample_time(60),
        role: "clinician".to_owned(),
        institution: "31100001".to_owned(),
        message: "watch-finding-velocity".to_owned(),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        edition: "2026-11".to_owned(),
    }
}

fn sample_file(outcome: Option<Outcome>) -> CaseFile {
    let duties = outcome.map(|outcome| Params::at(sample_time(10)).duties_of(outcome)).into_iter().flatten();
    let due = duties.map(|duty| watch::Due {
        until: duty.within_hours.map(|_| sample_time(-259_200)),
        is_done: duty.slug == "end-rights",
        duty: duty.clone(),
    });
    CaseFile {
        case: Case {
            incident: Id16([1; 16]),
            rule: Rule::Velocity.name().to_owned(),
            severity: Severity::High,
            state: if outcome.is_some() { "closed" } else { "answered" }.to_owned(),
            assignee: Some(Id16([9; 16])),
            outcome,
            opened: sample_time(60),
            closed: outcome.map(|_| sample_time(10)),
            findings: 1,
            change: 1,
        },
        actor: Some(Id16([7; 16])),
        found: vec![sample_found()],
        entries: vec![sample_entry(60, None), sample_entry(63, Some("ground"))],
        done: sample_done(outcome),
        due: due.collect(),
    }
}

/// The word for a name in the log; names of ten years ago may have gone out of use.
pub(crate) fn word(t: &Texts, kind: &str, name: &str) -> String {
    let key = format!("{kind}-{name}");
    if t.has(&key) { t.t(&key) } else { name.to_owned() }
}

/// The beginning of an id, for people who compare two.
pub(crate) fn short(id: Id16) -> String {
    id.to_string()[..SHORT].to_owned()
}

/// `GET /staff/watch/case/{id}`
pub(crate) async fn show(staff: StaffMember, Path(id): Path<String>) -> Result<Response, PageError> {
    let incident = id.parse().map_err(|_| PageError::NotFound)?;
    shown(staff, incident, None, Fields::default()).await
}

async fn shown(
    staff: StaffMember,
    incident: Id16,
    fault: Option<Fault>,
    filled: Fields,
) -> Result<Response, PageError> {
    let actor = officer(&staff);
    let me = actor.account;
    let file = staff.visitor.portal.blocking(move |portal| {
        let permit = seeing(portal, actor)?;
        Ok((portal.watch()?.case(&permit, incident)?, permit.actor().role != Role::Auditor))
    });
    let (file, handles) = file.await?;
    let mut frame = staff.visitor.frame("watch-title", "watch");
    frame.title = frame.t.t1("watch-case-title", "number", short(incident));
    let is_faulty = fault.is_some();
    if is_faulty {
        frame = frame.faulty();
    }
    let whole = WatchCasePage::new(frame, staff.csrf(), me, &file, filled);
    form_page(&WatchCasePage { handles, faults: Faults(fault.into_iter().collect()), ..whole }, is_faulty)
}

/// `POST /staff/watch/case/{id}`: the field `do` says what.
pub(crate) async fn act(Path(id): Path<String>, form: StaffForm) -> Result<Response, PageError> {
    let incident: Id16 = id.parse().map_err(|_| PageError::NotFound)?;
    let StaffForm { staff, fields } = form;
    let what = fields.text("do").to_owned();
    let (text, outcome, slug) =
        (fields.text("text").to_owned(), Outcome::from_name(fields.text("outcome")), fields.text("duty").to_owned());
    if what == "close" && outcome.is_none() {
        let text = staff.visitor.t().t("watch-fault-outcome");
        return shown(staff, incident, Some(Fault { field: "outcome", text }), fields).await;
    }
    let (actor, doing) = (officer(&staff), what.clone());
    let done = staff.visitor.portal.blocking(move |portal| {
        let permit = permit(portal, actor, Action::HandleCases)?;
        let watch = portal.watch()?;
        Ok(match (doing.as_str(), outcome) {
            ("assign", _) => watch.assign(&permit, incident),
            ("ask", _) => watch.ask(&permit, incident, &text),
            ("note", _) => watch.remark(&permit, incident, &text),
            ("close", Some(outcome)) => watch.close(&permit, incident, outcome, &text),
            ("duty", _) => watch.fulfil(&permit, incident, &slug),
            _ => return Err(PageError::Bad),
        })
    });
    match done.await? {
        Ok(()) => Ok(Redirect::to(&format!("/staff/watch/case/{incident}")).into_response()),
        Err(WatchError::Text { .. }) => {
            let field = match what.as_str() {
                "ask" => "ask-text",
                "note" => "note-text",
                _ => "close-text",
            };
            let text = staff.visitor.t().t("watch-fault-text");
            shown(staff, incident, Some(Fault { field, text }), fields).await
        }
        Err(WatchError::NoCase) => {
            let text = staff.visitor.t().t("watch-fault-gone");
            shown(staff, incident, Some(Fault { field: "done", text }), fields).await
        }
        Err(error) => Err(error.into()),
    }
}
