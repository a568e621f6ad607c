//! One erasure: how far it is, who said yes, and what members of staff can do about it; and its certificate once it is done. Destroying
//! is the operator's to begin.

use crate::Portal;
use crate::certificate::{Worded, as_json, check};
use crate::error::{PageError, faulty_page, page};
use crate::fields::{Fresh, StaffForm};
use crate::frame::Frame;
use crate::pages::erasures::{ERASING, against, class_words, keep_longer, sample_outlook, takes, wait};
use crate::pages::oversight::{name_of, role_among};
use crate::pages::staff_access::{StaffNames, note_refused, staff_names, staff_permit};
use crate::pages::watch_case::short;
use crate::texts::{Locale, Texts};
use crate::visitor::StaffMember;
use askama::Template;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base::{Id16, Timestamp};
use policy::{Action, Actor, Permit, Purpose, Role, Target};
use store::{
    APPROVALS, Approval, Certificate, Log, Shred, ShredActor, ShredOutlook, ShredRole, ShredScope, ShredState,
    StoreError,
};

#[derive(Template)]
#[template(path = "staff_erasure.html")]
pub(crate) struct ErasurePage {
    frame: Frame,
    csrf: String,
    /// Why what was sent was not done.
    fault: Option<String>,
    done: Option<String>,
    id: String,
    line: Line,
    /// How far it is, in a sentence.
    told: String,
    facts: Vec<(String, String)>,
    takes: Vec<String>,
    against: Vec<String>,
    /// What the approval would begin; none where the one who looks cannot approve.
    approves: Option<String>,
    /// Why the one who looks cannot approve, while others can.
    hindered: Option<String>,
    withdraws: bool,
    /// The operator's command, once it can be run.
    command: Option<String>,
    is_done: bool,
}

/// An erasure in a list.
pub(crate) struct Line {
    pub id: String,
    pub scope: String,
    pub state: String,
    pub tone: &'static str,
    pub asked: String,
}

impl Line {
    pub fn new(t: &Texts, shred: &Shred, names: &StaffNames) -> Self {
        let is_begun = shred.state == ShredState::Running && shred.destroyed.is_none();
        let tone = match shred.state {
            ShredState::Requested | ShredState::Approved => "wait",
            // A hold can stop it yet.
            ShredState::Running if is_begun => "wait",
            ShredState::Running | ShredState::Destroyed | ShredState::Compacted | ShredState::Cleaned => "no",
            ShredState::Done => "",
            ShredState::Withdrawn => "calm",
        };
        Self {
            id: shred.id.to_string(),
            scope: scope_words(t, &shred.scope),
            state: t.t(&format!("erasure-state-{}", if is_begun { "begun" } else { shred.state.name() })),
            tone,
            asked: by_words(t, &shred.requester, shred.requested, names),
        }
    }
}

/// What is to go, without anybody's name.
pub(crate) fn scope_words(t: &Texts, scope: &ShredScope) -> String {
    match scope {
        ShredScope::Patient(id) => t.t1("erasure-scope-patient", "number", short(*id)),
        ShredScope::Group(group) => t.tn(
            "erasure-scope-group",
            &[
                ("number", &short(group.owner.id())),
                ("institution", group.institution.as_str()),
                ("class", &class_words(t, group.class.as_str())),
                ("year", &group.expiry_year.to_string()),
            ],
        ),
        ShredScope::Class { institution, class, expiry_year } => t.tn(
            "erasure-scope-class",
            &[
                ("institution", institution.as_str()),
                ("class", &class_words(t, class.as_str())),
                ("year", &expiry_year.to_string()),
            ],
        ),
    }
}

fn by_words(t: &Texts, by: &ShredActor, at: Timestamp, names: &StaffNames) -> String {
    let role = t.t(&format!("role-{}", by.role.name()));
    t.tn("erasure-by", &[("date", &t.moment(at)), ("name", &name_of(names, by.account)), ("role", &role)])
}

/// How far it is, in a sentence.
fn told(t: &Texts, shred: &Shred, outlook: &ShredOutlook, now: Timestamp) -> String {
    let is_waiting = shred.not_before.is_some_and(|at| at > now);
    match shred.state {
        ShredState::Requested | ShredState::Approved if !shred.request_stands => t.t("erasure-left"),
        ShredState::Requested => {
            let missing = APPROVALS.saturating_sub(shred.approvals.len());
            t.t1("erasure-told-requested", "count", missing)
        }
        ShredState::Approved if is_waiting => {
            let at = shred.not_before.unwrap_or(now);
            t.t1("erasure-told-waiting", "date", t.moment(at))
        }
        ShredState::Approved if outlook.held > 0 => t.t("erasure-told-held"),
        ShredState::Approved => t.t("erasure-told-due"),
        ShredState::Running if shred.destroyed.is_none() => {
            t.t(if outlook.held > 0 { "erasure-told-stopped" } else { "erasure-told-begun" })
        }
        state => t.t(&format!("erasure-told-{}", state.name())),
    }
}

/// Why an account cannot approve; the store has the last word.
fn hindrance(shred: &Shred, account: Id16, is_theirs: bool) -> Option<&'static str> {
    if shred.state != ShredState::Requested {
        Some("erasure-late")
    } else if !shred.request_stands {
        Some("erasure-left")
    } else if shred.requester.account == account {
        Some("erasure-own")
    } else if shred.approvals.iter().any(|one| one.by.account == account) {
        Some("erasure-twice")
    } else if is_theirs {
        Some("erasure-theirs")
    } else {
        None
    }
}

/// What is known of an erasure, and by whom it is looked at.
struct Seen {
    shred: Shred,
    outlook: ShredOutlook,
    names: StaffNames,
    now: Timestamp,
    own: Id16,
    /// Whether it erases the records of the one who looks.
    is_theirs: bool,
    wait_hours: u32,
}

impl ErasurePage {
    fn new(frame: Frame, csrf: String, seen: &Seen) -> Self {
        let (t, Seen { shred, outlook, names, now, .. }) = (frame.t, seen);
        let mut facts = vec![
            (t.t("shred-number"), shred.id.to_string()),
            (t.t("shred-requested"), by_words(t, &shred.requester, shred.requested, names)),
            (t.t("shred-reason"), shred.reason.expose().clone()),
            (t.t("shred-basis"), shred.basis.expose().clone()),
        ];
        facts.extend(shred.approvals.iter().map(|one| (t.t("shred-approved"), by_words(t, &one.by, one.at, names))));
        facts.extend(shred.lapsed.iter().map(|one| (t.t("erasure-lapsed"), by_words(t, &one.by, one.at, names))));
        if shred.state == ShredState::Approved {
            facts.extend(shred.not_before.map(|at| (t.t("erasure-not-before"), t.moment(at))));
        }
        facts.extend(shred.destroyed.map(|at| (t.t("shred-destroyed"), t.moment(at))));
        let waits = matches!(shred.state, ShredState::Requested | ShredState::Approved);
        let is_open = waits || (shred.state == ShredState::Running && shred.destroyed.is_none());
        let hindered = hindrance(shred, seen.own, seen.is_theirs);
        let is_due =
            shred.state == ShredState::Approved && shred.request_stands && shred.not_before.is_none_or(|at| at <= *now);
        let goes_on = !waits && !matches!(shred.state, ShredState::Done | ShredState::Withdrawn);
        // While something is held the command does nothing.
        let runs = (is_due || goes_on) && outlook.held == 0;
        let mut line = Line::new(t, shred, names);
        if shred.state == ShredState::Running && outlook.held > 0 {
            line.state = t.t("erasure-state-held");
        }
        Self {
            csrf,
            fault: None,
            done: None,
            id: shred.id.to_string(),
            line,
            told: told(t, shred, outlook, *now),
            facts,
            takes: if is_open { takes(t, outlook) } else { Vec::new() },
            against: if is_open { against(t, outlook) } else { Vec::new() },
            approves: hindered.is_none().then(|| wait(t, "erasure-approve-wait", seen.wait_hours)),
            // What is told already is not said twice.
            hindered: hindered.filter(|key| !matches!(*key, "erasure-late" | "erasure-left")).map(|key| t.t(key)),
            withdraws: waits && !seen.is_theirs,
            command: runs.then(|| format!("hanmaru shred run {}", shred.id)),
            is_done: shred.state == ShredState::Done,
            frame,
        }
    }

    fn sample_of(locale: Locale, state: ShredState) -> Self {
        let frame = Frame::sample(locale, "erasure-title", "staff", "/staff/erasures", true);
        let names = ["steward", "officer"].map(|name| (Id16::derived(&[name]), "박도윤".to_owned()));
        let seen = Seen {
            shred: sample_shred(state),
            outlook: sample_outlook(),
            names: names.into(),
            now: Timestamp::from_second(1_795_500_000).unwrap_or(Timestamp::UNIX_EPOCH),
            own: Id16::default(),
            is_theirs: false,
            wait_hours: 168,
        };
        Self::new(frame, "sample-token".to_owned(), &seen)
    }

    pub fn samples(locale: Locale) -> Vec<(&'static str, Self)> {
        let faulty = Self::sample_of(locale, ShredState::Requested);
        let fault = Some(faulty.frame.t.t("erasure-own"));
        vec![
            ("requested", Self { fault, ..faulty }),
            ("approved", Self::sample_of(locale, ShredState::Approved)),
            ("running", Self::sample_of(locale, ShredState::Running)),
            ("destroyed", Self::sample_of(locale, ShredState::Destroyed)),
            ("done", Self::sample_of(locale, ShredState::Done)),
            ("withdrawn", Self::sample_of(locale, ShredState::Withdrawn)),
        ]
    }
}

pub(crate) fn sample_shred(state: ShredState) -> Shred {
    let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    let by = |name: &str, role| ShredActor { account: Id16::derived(&[name]), role };
    let approval = |name: &str, role| Approval { by: by(name, role), at: moment(1_795_340_000) };
    let is_asked = state == ShredState::Requested;
    let approvals = [approval("officer", ShredRole::SecurityOfficer), approval("other", ShredRole::Administrator)];
    Shred {
        id: Id16::derived(&["erasure", state.name()]),
        state,
        scope: ShredScope::Patient(Id16::derived(&["patient"])),
        requester: by("steward", ShredRole::DataSteward),
        reason: "정보주체가 삭제를 요구함".to_owned().into(),
        basis: "개인정보 보호법 제36조제1항".to_owned().into(),
        requested: moment(1_795_330_000),
        approvals: approvals.into_iter().take(if is_asked { 1 } else { 2 }).collect(),
        lapsed: Vec::new(),
        request_stands: true,
        not_before: (!is_asked).then(|| moment(1_795_944_800)),
        destroyed: (state > ShredState::Running && state != ShredState::Withdrawn).then(|| moment(1_795_950_000)),
    }
}

#[derive(Template)]
#[template(path = "staff_certificate.html")]
pub(crate) struct CertificatePage {
    frame: Frame,
    id: String,
    worded: Worded,
}

impl CertificatePage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "shred-title", "staff", "/staff/erasures", true);
        let t = frame.t;
        let shred = sample_shred(ShredState::Done);
        let worded = Worded {
            facts: vec![
                (t.t("shred-number"), shred.id.to_string()),
                (t.t("shred-basis"), shred.basis.expose().clone()),
            ],
            notes: vec![t.t("shred-backups-more")],
            kept: vec![t.t("shred-kept-access_entry")],
            proof: vec![t.t("shred-check")],
        };
        Self { frame, id: shred.id.to_string(), worded }
    }
}

/// Asks the door whether somebody may handle erasures of this; gives the permit, and as whom they do.
pub(crate) fn handling(portal: &Portal, actor: &Actor, target: Target) -> Result<(Permit, ShredActor), PageError> {
    let role = role_among(portal, actor.account, ERASING)?;
    let permit = staff_permit(portal, actor, role, Action::HandleErasures, target, Purpose::Operation)?;
    let role = ShredRole::from_name(role.name()).ok_or(PageError::StaffDenied)?;
    Ok((permit, ShredActor { account: actor.account, role }))
}

/// As [`handling`], of an erasure that was asked for. Whoever may not is told the same where there is none.
fn handling_of(portal: &Portal, actor: &Actor, id: &str) -> Result<(Id16, Permit, ShredActor), PageError> {
    let id = id.parse::<Id16>().ok();
    let target = id.map(|id| portal.archive().store().shred_target(id)).transpose()?.flatten();
    let (permit, by) = handling(portal, actor, target.clone().unwrap_or(Target::Installation))?;
    let found = target.and(id).ok_or(PageError::NotFound)?;
    Ok((found, permit, by))
}

/// Whether the records are those of a member of staff, where it was said which person that is.
pub(crate) fn is_theirs(portal: &Portal, account: Id16, target: &Target) -> Result<bool, PageError> {
    match target {
        Target::Person(subject) => Ok(portal.watch()?.is_own(account, *subject)?),
        _ => Ok(false),
    }
}

/// Journals that a member of staff tried in vain to have a hand in the erasure of somebody's records, such as their own.
pub(crate) fn note_refused_of(portal: &Portal, permit: &Permit, target: &Target) -> Result<(), PageError> {
    match *target {
        Target::Person(subject) => note_refused(portal, permit, subject, "erasure"),
        _ => Ok(()),
    }
}

/// Whether it was done, or the rules of erasure refuse it.
fn done_or_refused(outcome: Result<(), StoreError>) -> Result<bool, PageError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(StoreError::Shred { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn actor_of(staff: &StaffMember) -> Actor {
    staff.session.actor_as(Role::Administrator, &staff.visitor.source)
}

fn seen(portal: &Portal, permit: &Permit, id: Id16) -> Result<Seen, PageError> {
    let (shred, mut outlook) = portal.archive().store().shred(permit, id)?;
    let now = portal.archive().clock().now();
    keep_longer(&mut outlook, &shred.scope, now);
    let (own, target) = (permit.actor().account, portal.archive().store().shred_target_of(&shred.scope)?);
    Ok(Seen {
        shred,
        outlook,
        names: staff_names(portal)?,
        now,
        own,
        is_theirs: is_theirs(portal, own, &target)?,
        wait_hours: portal.config().shred.wait_hours,
    })
}

/// `GET /staff/erasures/{id}`
pub(crate) async fn show(staff: StaffMember, Path(id): Path<String>) -> Result<Response, PageError> {
    let actor = actor_of(&staff);
    let looking = staff.visitor.portal.blocking(move |portal| {
        let (id, permit, _) = handling_of(portal, &actor, &id)?;
        seen(portal, &permit, id)
    });
    let seen = looking.await?;
    page(&ErasurePage::new(staff.visitor.frame("erasure-title", "staff"), staff.csrf(), &seen))
}

/// Does something about an erasure that is not of one's own records, and shows what came of it; where the rules refuse it, why.
async fn act(
    form: Fresh<StaffForm>,
    id: String,
    done: &'static str,
    work: impl FnOnce(&Portal, &Permit, Id16, ShredActor) -> Result<(), StoreError> + Send + 'static,
    why_not: fn(&Seen) -> &'static str,
) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, .. }) = form;
    let actor = actor_of(&staff);
    let doing = staff.visitor.portal.blocking(move |portal| {
        let (id, permit, by) = handling_of(portal, &actor, &id)?;
        let target = portal.archive().store().shred_target(id)?.unwrap_or(Target::Installation);
        let done = if is_theirs(portal, by.account, &target)? {
            note_refused_of(portal, &permit, &target)?;
            false
        } else {
            done_or_refused(work(portal, &permit, id, by))?
        };
        let seen = seen(portal, &permit, id)?;
        Ok(((!done).then(|| why_not(&seen)), seen))
    });
    let (fault, seen) = doing.await?;
    let frame = staff.visitor.frame("erasure-title", "staff");
    let t = frame.t;
    match fault {
        None => page(&ErasurePage { done: Some(t.t(done)), ..ErasurePage::new(frame, staff.csrf(), &seen) }),
        Some(key) => {
            let shown = ErasurePage::new(frame.faulty(), staff.csrf(), &seen);
            faulty_page(&ErasurePage { fault: Some(t.t(key)), ..shown })
        }
    }
}

/// `POST /staff/erasures/{id}/approve`
pub(crate) async fn approve(Path(id): Path<String>, form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let approving = |portal: &Portal, permit: &Permit, id, by: ShredActor| {
        portal.archive().store().shred_approve(permit, id, by, &portal.config().shred).map(drop)
    };
    let why_not = |seen: &Seen| hindrance(&seen.shred, seen.own, seen.is_theirs).unwrap_or("erasure-late");
    act(form, id, "erasure-approved", approving, why_not).await
}

/// `POST /staff/erasures/{id}/withdraw`
pub(crate) async fn withdraw(Path(id): Path<String>, form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let withdrawing = |portal: &Portal, permit: &Permit, id, _| portal.archive().store().shred_withdraw(permit, id);
    let why_not = |seen: &Seen| if seen.is_theirs { "erasure-theirs" } else { "erasure-too-late" };
    act(form, id, "erasure-withdrawn", withdrawing, why_not).await
}

/// The certificate of an erasure, which is given to nobody unless it holds; nothing is there before it is done.
async fn certificate(staff: &StaffMember, id: String) -> Result<Certificate, PageError> {
    let actor = actor_of(staff);
    let reading = staff.visitor.portal.blocking(move |portal| {
        let (id, permit, _) = handling_of(portal, &actor, &id)?;
        let store = portal.archive().store();
        let certificate = match store.shred_certificate(&permit, id, &portal.config().shred) {
            Err(StoreError::Shred { .. }) => return Err(PageError::NotFound),
            other => other?,
        };
        check(&as_json(&certificate), &[store.verifier_key(Log::Records)]).map_err(|error| {
            tracing::error!(error, erasure = %id, "a certificate does not hold and is not given");
            PageError::Busy
        })?;
        Ok(certificate)
    });
    reading.await
}

/// `GET /staff/erasures/{id}/certificate`
pub(crate) async fn certified(staff: StaffMember, Path(id): Path<String>) -> Result<Response, PageError> {
    let certificate = certificate(&staff, id).await?;
    let frame = staff.visitor.frame("shred-title", "staff");
    let worded = Worded::new(&certificate, frame.t);
    page(&CertificatePage { id: certificate.shred.id.to_string(), worded, frame })
}

/// `GET /staff/erasures/{id}/certificate.json`: the file that anybody can check.
pub(crate) async fn file(staff: StaffMember, Path(id): Path<String>) -> Result<Response, PageError> {
    let certificate = certificate(&staff, id).await?;
    let name = format!("attachment; filename=\"{}.json\"", certificate.shred.id);
    let body = format!("{:#}\n", as_json(&certificate));
    Ok(([(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)], body)
        .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_approves_their_own_or_twice_or_late() {
        let asked = sample_shred(ShredState::Requested);
        let another = Id16::derived(&["another"]);
        assert_eq!(hindrance(&asked, asked.requester.account, false), Some("erasure-own"));
        assert_eq!(hindrance(&asked, asked.approvals[0].by.account, false), Some("erasure-twice"));
        assert_eq!(hindrance(&asked, another, true), Some("erasure-theirs"));
        let left = Shred { request_stands: false, ..asked.clone() };
        assert_eq!(hindrance(&left, another, false), Some("erasure-left"));
        assert_eq!(hindrance(&asked, another, false), None);
        assert_eq!(hindrance(&sample_shred(ShredState::Approved), another, false), Some("erasure-late"));
    }

    #[test]
    fn every_state_is_told_and_a_hold_while_it_keeps_something() {
        let t = Locale::Korean.texts();
        let moment = |seconds: i64| Timestamp::from_second(seconds).expect("a moment");
        let (early, late) = (moment(1_795_500_000), moment(1_796_000_000));
        let held = sample_outlook();
        let free = ShredOutlook { held: 0, ..held.clone() };
        let say = |state, outlook: &ShredOutlook, now| told(t, &sample_shred(state), outlook, now);
        assert!(say(ShredState::Requested, &held, early).contains('1'), "one more approval");
        assert_eq!(say(ShredState::Approved, &held, late), t.t("erasure-told-held"));
        assert_eq!(say(ShredState::Running, &held, late), t.t("erasure-told-stopped"));
        assert_eq!(say(ShredState::Running, &free, late), t.t("erasure-told-begun"));
        assert_eq!(say(ShredState::Approved, &free, late), t.t("erasure-told-due"));
        assert!(say(ShredState::Approved, &held, early) != t.t("erasure-told-held"), "it waits anyway");
        for state in [ShredState::Destroyed, ShredState::Compacted, ShredState::Cleaned, ShredState::Done] {
            assert!(!say(state, &held, late).contains('⟦'));
        }
    }
}
