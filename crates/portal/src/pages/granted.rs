//! A person's records as somebody else sees them: a representative on an appointment, or staff on a ground. What is shown is what
//! the ground reaches and shares; without one that is open there is nothing to see.

use crate::Portal;
use crate::error::{PageError, page};
use crate::frame::Frame;
use crate::texts::{Locale, Texts};
use crate::visitor::{Person, StaffMember};
use crate::words::day_of;
use archive::{Diagnosis, Timeline, TimelineQuery, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use base::Id16;
use policy::{Action, Actor, GroundKind, Purpose, Request, Role, Share, Target};
use std::collections::BTreeMap;

/// Visits that are shown at a time.
const VISITS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "granted.html")]
pub(crate) struct GrantedPage {
    frame: Frame,
    lead: String,
    /// Said where only a part is shared.
    part: Option<String>,
    visits: Vec<Line>,
    loose: Vec<String>,
    more: bool,
    back: &'static str,
}

/// A visit in words.
struct Line {
    when: String,
    place: String,
    diagnoses: String,
    counts: String,
}

impl GrantedPage {
    fn new(frame: Frame, purpose: &str, share: &Share, timeline: &Timeline, names: &BTreeMap<String, String>) -> Self {
        let t = frame.t;
        let back = if frame.is_staff() { "/staff/access" } else { "/representatives" };
        Self {
            lead: t.t1("granted-lead", "purpose", t.t(&format!("purpose-{purpose}"))),
            part: (*share != Share::Whole).then(|| t.t("granted-part")),
            visits: timeline.visits.iter().map(|visit| Line::new(t, visit, names)).collect(),
            loose: timeline.loose.iter().map(|entry| entry.title.clone()).filter(|title| !title.is_empty()).collect(),
            more: timeline.next.is_some(),
            back,
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "granted-title", "", "/acting/sample", true);
        let t = frame.t;
        let line = Line {
            when: t.day(jiff::civil::date(2024, 3, 31)),
            place: "한빛의원".to_owned(),
            diagnoses: "상세불명의 급성 상기도감염 (J06.9)".to_owned(),
            counts: t.t1("granted-records", "count", "3"),
        };
        let part = Some(t.t("granted-part"));
        let lead = t.t1("granted-lead", "purpose", t.t("purpose-representation"));
        Self {
            frame,
            lead,
            part,
            visits: vec![line],
            loose: vec!["알레르기".to_owned()],
            more: true,
            back: "/representatives",
        }
    }

    pub fn sample_empty(locale: Locale) -> Self {
        Self { part: None, visits: Vec::new(), loose: Vec::new(), more: false, ..Self::sample(locale) }
    }
}

impl Line {
    fn new(t: &Texts, visit: &Visit, names: &BTreeMap<String, String>) -> Self {
        let code = visit.institution.as_str();
        let told = |one: &Diagnosis| match (one.text.as_str(), one.code.as_str()) {
            (text, "") => text.to_owned(),
            ("", code) => code.to_owned(),
            (text, code) => format!("{text} ({code})"),
        };
        let count: usize = visit.counts.by_type.values().sum();
        Self {
            when: visit.date.map_or_else(|| t.t("granted-no-date"), |date| t.day(day_of(date))),
            place: names.get(code).cloned().unwrap_or_else(|| code.to_owned()),
            diagnoses: visit.diagnoses.iter().map(told).collect::<Vec<_>>().join(", "),
            counts: t.t1("granted-records", "count", count.to_string()),
        }
    }
}

/// What an account may point to with this id, as its own grounds and its rights say, those that ended included; the door decides
/// whether it may.
fn wish(portal: &Portal, actor: Actor, ground: Id16) -> Result<(Actor, Purpose, Id16), PageError> {
    let store = portal.archive().store();
    if let Some((role, kind, subject)) = store.own_ground(actor.account, ground)? {
        let name = kind.purposes().first().copied().unwrap_or_default();
        let purpose = Purpose::with_ground(name, ground).ok_or(PageError::Denied)?;
        return Ok((Actor { role, ..actor }, purpose, subject));
    }
    let facts = store.facts(actor.account)?;
    let (role, name) = if facts.holds.contains(&Role::Pharmacist) {
        (Role::Pharmacist, "dispensing")
    } else {
        // Whoever is no clinician is told so by the door.
        (Role::Clinician, "care")
    };
    debug_assert!(GroundKind::Consent.purposes().contains(&name));
    let purpose = Purpose::with_ground(name, ground).ok_or(PageError::Denied)?;
    // Of a consent the asker knows the id and not whose it is; where there is none, it is nobody's.
    let subject = store.subject_of_consent(ground)?.unwrap_or(ground);
    Ok((Actor { role, ..actor }, purpose, subject))
}

async fn granted(
    portal: &Portal,
    frame: Frame,
    wish: impl FnOnce(&Portal) -> Result<(Actor, Purpose, Id16), PageError> + Send + 'static,
) -> Result<Response, PageError> {
    let reading = portal.blocking(move |portal| {
        let (actor, purpose, subject) = wish(portal)?;
        let name = purpose.name();
        let request = Request { actor, action: Action::ReadTimeline, target: Target::Person(subject), purpose };
        let permit = portal.archive().ask(request)?;
        let query = TimelineQuery { limit: VISITS_MAX, ..TimelineQuery::default() };
        let timeline = portal.archive().timeline(&permit, &query)?;
        let mut names = BTreeMap::new();
        for visit in &timeline.visits {
            if !names.contains_key(visit.institution.as_str()) {
                let found = portal.archive().institution(&visit.institution)?;
                let name = found.map_or_else(|| visit.institution.to_string(), |one| one.name);
                names.insert(visit.institution.to_string(), name);
            }
        }
        Ok((name, permit.share().clone(), timeline, names))
    });
    let (name, share, timeline, names) = reading.await?;
    page(&GrantedPage::new(frame, name, &share, &timeline, &names))
}

/// `GET /acting/{ground}`
pub(crate) async fn acting(person: Person, Path(ground): Path<String>) -> Result<Response, PageError> {
    let ground: Id16 = ground.parse().map_err(|_| PageError::NotFound)?;
    let frame = person.visitor.frame("granted-title", "representatives");
    let actor = person.session.actor_as(Role::Representative, &person.visitor.source);
    granted(&person.visitor.portal, frame, move |portal| {
        let found = portal.archive().store().represented_by(actor.account)?.into_iter().find(|one| one.id == ground);
        // An appointment of others is asked for like one that is not there.
        let subject = found.map_or(ground, |one| one.person);
        Ok((actor, Purpose::Representation { ground }, subject))
    })
    .await
}

/// `GET /staff/records/{ground}`
pub(crate) async fn staff(staff: StaffMember, Path(ground): Path<String>) -> Result<Response, PageError> {
    let ground: Id16 = ground.parse().map_err(|_| PageError::NotFound)?;
    let frame = staff.visitor.frame("granted-title", "staff");
    let actor = staff.session.actor_as(Role::Clinician, &staff.visitor.source);
    granted(&staff.visitor.portal, frame, move |portal| wish(portal, actor, ground)).await
}
