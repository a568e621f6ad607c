//! What the watch found, for security officers: the list, and following it live. One case is in `watch_case`.

use crate::Portal;
use crate::error::{PageError, page};
use crate::fields::Asked;
use crate::frame::{Choice, Frame};
use crate::pages::staff_access::staff_permit;
use crate::security::FollowsAlong;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base::{Id16, Timestamp};
use policy::{Action, Actor, InstitutionCode, Permit, Purpose, Role, Target};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use watch::{Case, CaseQuery, Rule, Severity, Unknown, WatchError, Which};

/// How often the answer to a live page looks for what is new.
const LIVE_PAUSE: Duration = Duration::from_millis(300);
/// Looks after which it ends without anything to tell.
const LIVE_LOOKS: u32 = 50;
/// After which a browser asks again.
const RETRY_MS: u32 = 200;
/// The event that a browser saw last.
const LAST_EVENT: &str = "last-event-id";

#[derive(Template)]
#[template(path = "watch.html")]
pub(crate) struct WatchPage {
    frame: Frame,
    which: Vec<Choice>,
    rules: Vec<Choice>,
    severities: Vec<Choice>,
    days: Vec<Choice>,
    cases: Vec<Line>,
    unknown: Option<String>,
}

#[derive(Template)]
#[template(path = "watch_live.html")]
pub(crate) struct WatchLivePage {
    frame: Frame,
}

/// A case in a list.
pub(crate) struct Line {
    pub incident: String,
    pub rule: String,
    pub severity: String,
    pub tone: &'static str,
    pub state: String,
    pub opened: String,
    pub findings: String,
}

impl Line {
    pub fn new(t: &Texts, case: &Case) -> Self {
        let state = match (case.state.as_str(), case.assignee, case.outcome) {
            ("closed", _, Some(outcome)) => t.t(&format!("watch-outcome-{}", outcome.name())),
            ("open", Some(_), _) => t.t("watch-state-assigned"),
            (state, _, _) => t.t(&format!("watch-state-{state}")),
        };
        Self {
            incident: case.incident.to_string(),
            rule: t.t(&format!("watch-rule-{}", case.rule)),
            severity: t.t(&format!("watch-severity-{}", case.severity.name())),
            tone: tone(case.severity),
            state,
            opened: t.t1("watch-opened", "time", t.moment(case.opened)),
            findings: t.t1("watch-findings", "count", case.findings),
        }
    }
}

pub(crate) const fn tone(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "calm",
        Severity::Medium => "wait",
        Severity::High | Severity::Critical => "no",
    }
}

/// What stands behind the question mark of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    which: String,
    rule: String,
    severity: String,
    days: String,
}

impl Chosen {
    fn query(&self) -> CaseQuery {
        CaseQuery {
            which: match self.which.as_str() {
                "mine" => Which::Mine,
                "closed" => Which::Closed,
                _ => Which::Open,
            },
            rule: Rule::from_name(&self.rule),
            severity: Severity::from_name(&self.severity),
            days: self.days.parse().ok().filter(|days| (1..=3_650).contains(days)),
        }
    }
}

impl WatchPage {
    fn new(frame: Frame, chosen: &Chosen, cases: &[Case], unknown: &Unknown) -> Self {
        let t = frame.t;
        let any = |current: &str| Choice::new("", &t.t("watch-any"), current);
        let choices = |kind: &str, names: &[&str], current: &str| -> Vec<Choice> {
            names.iter().map(|name| Choice::new(name, &t.t(&format!("watch-{kind}-{name}")), current)).collect()
        };
        let with_any = |mut list: Vec<Choice>, current: &str| {
            list.insert(0, any(current));
            list
        };
        let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        let severities: Vec<&str> = Severity::ALL.iter().rev().map(|severity| severity.name()).collect();
        Self {
            which: choices("which", &["open", "mine", "closed"], &chosen.which),
            rules: with_any(choices("rule", &rules, &chosen.rule), &chosen.rule),
            severities: with_any(choices("severity", &severities, &chosen.severity), &chosen.severity),
            days: with_any(choices("days", &["1", "3", "7"], &chosen.days), &chosen.days),
            cases: cases.iter().map(|case| Line::new(t, case)).collect(),
            unknown: unknown_text(t, unknown),
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "watch-title", "watch", "/staff/watch", true);
        let case = |number: u8, rule: Rule, severity, state: &str| Case {
            incident: Id16([number; 16]),
            rule: rule.name().to_owned(),
            severity,
            state: state.to_owned(),
            assignee: number.is_multiple_of(2).then(Id16::default),
            outcome: None,
            opened: Timestamp::from_second(1_795_340_000 - 3_600 * i64::from(number)).unwrap_or_default(),
            closed: None,
            findings: u32::from(number),
            change: number.into(),
        };
        let cases = [
            case(1, Rule::Decoy, Severity::Critical, "open"),
            case(2, Rule::Bulk, Severity::High, "open"),
            case(3, Rule::Colleague, Severity::Medium, "answered"),
            case(4, Rule::OffHours, Severity::Low, "asked"),
        ];
        Self::new(frame, &Chosen::default(), &cases, &sample_unknown())
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "watch-title", "watch", "/staff/watch", true);
        Self::new(frame, &Chosen { which: "mine".to_owned(), ..Chosen::default() }, &[], &Unknown::default())
    }
}

/// Which rules find nothing, since nobody told the watch what they need; `None` where they all work.
pub(crate) fn unknown_text(t: &Texts, unknown: &Unknown) -> Option<String> {
    let (accounts, institutions) = (unknown.accounts.len().to_string(), unknown.institutions.len().to_string());
    let text = || t.tn("watch-unknown", &[("accounts", &accounts), ("institutions", &institutions)]);
    (!unknown.is_empty()).then(text)
}

pub(crate) fn sample_unknown() -> Unknown {
    let accounts = (1..4).map(|number| Id16([number; 16])).collect();
    Unknown { accounts, institutions: InstitutionCode::new("31100001").into_iter().collect() }
}

impl WatchLivePage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "watch-live-title", "watch", "/staff/watch/live", true);
        Self { frame: frame.following() }
    }
}

/// A security officer at the door.
pub(crate) fn officer(staff: &StaffMember) -> Actor {
    staff.session.actor_as(Role::SecurityOfficer, &staff.visitor.source)
}

/// Whether somebody who holds these roles sees cases as an auditor, who has no hand in them: security officers see them as such.
pub(crate) fn audits(holds: &BTreeSet<Role>) -> bool {
    holds.contains(&Role::Auditor) && !holds.contains(&Role::SecurityOfficer)
}

/// A permit to see cases, in the role in which an account may.
pub(crate) fn seeing(portal: &Portal, officer: Actor) -> Result<Permit, PageError> {
    let is_auditor = audits(&portal.archive().store().facts(officer.account)?.holds);
    let actor = if is_auditor { Actor { role: Role::Auditor, ..officer } } else { officer };
    permit(portal, actor, Action::SeeCases)
}

/// A permit of staff for something about the watch.
pub(crate) fn permit(portal: &Portal, actor: Actor, action: Action) -> Result<Permit, PageError> {
    staff_permit(portal, &actor, actor.role, action, Target::Installation, Purpose::Oversight)
}

impl From<WatchError> for PageError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Denied(_) | WatchError::OwnCase | WatchError::OwnRecords => Self::StaffDenied,
            WatchError::NoCase => Self::NotFound,
            WatchError::Store(error) => error.into(),
            WatchError::Text { .. } | WatchError::Month { .. } => Self::Bad,
            WatchError::Overtaken | WatchError::Damaged { .. } => {
                tracing::error!(%error, "the watch failed");
                Self::Busy
            }
        }
    }
}

/// `GET /staff/watch?which=&rule=&severity=&days=`
pub(crate) async fn list(staff: StaffMember, chosen: Asked<Chosen>) -> Result<Response, PageError> {
    let Query(chosen) = chosen.unwrap_or_default();
    let (actor, query) = (officer(&staff), chosen.query());
    let cases = staff.visitor.portal.blocking(move |portal| {
        let (permit, watch) = (seeing(portal, actor)?, portal.watch()?);
        Ok((watch.cases(&permit, &query)?, watch.unknown(&permit)?))
    });
    let (cases, unknown) = cases.await?;
    page(&WatchPage::new(staff.visitor.frame("watch-title", "watch"), &chosen, &cases, &unknown))
}

/// `GET /staff/watch/live`
pub(crate) async fn live(staff: StaffMember) -> Result<Response, PageError> {
    let actor = officer(&staff);
    staff.visitor.portal.blocking(move |portal| seeing(portal, actor).map(drop)).await?;
    let mut response = page(&WatchLivePage { frame: staff.visitor.frame("watch-live-title", "watch").following() })?;
    response.extensions_mut().insert(FollowsAlong);
    Ok(response)
}

/// `GET /staff/watch/events`: server-sent events, one for each case that is new or changed since the one the browser names. The
/// answer waits for something to tell and ends with it, and the browser asks again by itself. Each look asks for the session as well
/// as at the door: whose session was ended meanwhile is told nothing more.
pub(crate) async fn events(staff: StaffMember, headers: HeaderMap) -> Result<Response, PageError> {
    let _place = staff.visitor.portal.place_to_follow()?;
    let told = headers.get(LAST_EVENT).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    let t = staff.visitor.t();
    let mut told = told;
    for _ in 0..LIVE_LOOKS {
        let (actor, session, after) = (officer(&staff), Arc::clone(&staff.session), told);
        let found = staff.visitor.portal.blocking(move |portal| {
            portal.identity().session_still(&session)?;
            let permit = seeing(portal, actor)?;
            Ok(portal.watch()?.changes(&permit, after)?)
        });
        let (newest, cases) = found.await?;
        if told.is_none() || !cases.is_empty() {
            return Ok(told_of(t, newest, &cases));
        }
        told = Some(newest);
        tokio::time::sleep(LIVE_PAUSE).await;
    }
    Ok(told_of(t, told.unwrap_or_default(), &[]))
}

/// Events as text (HTML standard section 9.2). The last one carries where to go on.
fn told_of(t: &Texts, newest: i64, cases: &[Case]) -> Response {
    let mut text = format!("retry: {RETRY_MS}\n\n");
    for case in cases {
        let line = Line::new(t, case);
        let about = format!("{} · {} · {} · {}", line.severity, line.state, line.opened, line.findings);
        let data = serde_json::json!({ "incident": line.incident, "title": line.rule, "about": about });
        text.push_str(&format!("id: {}\nevent: case\ndata: {data}\n\n", case.change));
    }
    text.push_str(&format!("id: {newest}\nevent: at\ndata: {newest}\n\n"));
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_address_chooses_and_the_rest_counts_as_nothing() {
        let chosen = |which: &str, rule: &str, days: &str| {
            let text = |text: &str| text.to_owned();
            Chosen { which: text(which), rule: text(rule), severity: text("high"), days: text(days) }.query()
        };
        let query = chosen("closed", "decoy", "3");
        assert_eq!((query.which, query.rule, query.days), (Which::Closed, Some(Rule::Decoy), Some(3)));
        assert_eq!(query.severity, Some(Severity::High));
        let query = chosen("<script>", "x", "-1");
        assert_eq!((query.which, query.rule, query.days), (Which::Open, None, None));
    }

    #[tokio::test]
    async fn events_carry_where_to_go_on() {
        let response = told_of(Locale::English.texts(), 7, &[]);
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&bytes), "retry: 200\n\nid: 7\nevent: at\ndata: 7\n\n");
    }
}
