//! Recovery: a person who lost the second factor asks for it to be reset, and two members of staff approve.

use crate::Portal;
use crate::error::{PageError, form_page, page};
use crate::fields::{Fields, Fresh, SessionForm, StaffForm};
use crate::frame::{Faults, Frame};
use crate::pages::people::{Link, managing_account};
use crate::pages::proofs::instead;
use crate::pages::staff_access::staff_permit;
use crate::texts::{Locale, Texts};
use crate::visitor::{StaffMember, Visitor};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use identity::{
    Holder, Identity, IdentityError, Recovered, Recovery, RecoveryAsked, RecoveryWord, SecondFactor, Session,
    StaffState,
};
use policy::{Action, Actor, Assurance, Permit, Purpose, Role, Target};
use std::sync::Arc;
use store::Act;

/// Roles that decide about resetting somebody's second factors.
pub(crate) const RECOVERING: &[Role] = &[Role::Support, Role::Administrator, Role::Operator];

#[derive(Template)]
#[template(path = "recover.html")]
pub(crate) struct RecoverPage {
    frame: Frame,
    csrf: String,
    lead: String,
    /// Whether there is a way back: something that can be given after all.
    back: bool,
    asked: Option<Asked>,
    fault: Option<String>,
}

/// What was asked for, shown once.
struct Asked {
    code: String,
    from: String,
    until: String,
    /// What is needed besides to set up what comes next.
    word: String,
}

impl Asked {
    fn new(t: &Texts, asked: &RecoveryAsked) -> Self {
        Self {
            code: asked.code.expose().clone(),
            from: t.t1("recover-from", "date", t.moment(asked.from)),
            until: t.t1("recover-until", "date", t.moment(asked.until)),
            word: asked.word.expose().clone(),
        }
    }

    fn sample(t: &Texts) -> Self {
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let [code, word] = ["7K3M-92QX-ABCD", "K3M9-2QXA"].map(|text| Redacted::new(text.to_owned()));
        Self::new(t, &RecoveryAsked { code, from: moment(1_795_340_600), until: moment(1_795_426_400), word })
    }
}

impl RecoverPage {
    fn new(frame: Frame, session: &Session) -> Self {
        let lead = match session.second_factor {
            SecondFactor::Suspect => "recover-suspect-lead",
            SecondFactor::Reset => "recover-again-lead",
            _ => "recover-lead",
        };
        let lead = frame.t.t1(lead, "name", session.name.expose().as_str());
        let back = session.second_factor != SecondFactor::Suspect;
        Self { frame, csrf: session.csrf.expose().clone(), lead, back, asked: None, fault: None }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "recover-title", "sign-in", "/sign-in/recover", false);
        let lead = frame.t.t1("recover-lead", "name", "김하늘");
        Self { frame, csrf: "sample-token".to_owned(), lead, back: true, asked: None, fault: None }
    }

    pub fn sample_suspect(locale: Locale) -> Self {
        let shown = Self::sample(locale);
        let lead = shown.frame.t.t1("recover-suspect-lead", "name", "김하늘");
        Self { lead, back: false, ..shown }
    }

    pub fn sample_asked(locale: Locale) -> Self {
        let asked = Some(Asked::sample(locale.texts()));
        Self { asked, ..Self::sample(locale) }
    }
}

/// Whether somebody has something to reset, and no way to do without: with two factors they have one, unless it became suspect
/// since.
fn may_ask(session: &Session) -> bool {
    let is_half = session.assurance < Assurance::Two;
    match session.second_factor {
        SecondFactor::Missing => false,
        SecondFactor::Suspect => session.holder == Holder::Person,
        _ => is_half,
    }
}

/// `GET /sign-in/recover`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    let session = visitor.session()?;
    if !may_ask(&session) {
        return Ok(Redirect::to("/sign-in/second-step").into_response());
    }
    page(&RecoverPage::new(visitor.frame("recover-title", "sign-in"), &session))
}

/// `POST /sign-in/recover`
pub(crate) async fn ask(form: SessionForm) -> Result<Response, PageError> {
    let SessionForm { visitor, session, .. } = form;
    if !may_ask(&session) {
        return Ok(Redirect::to("/sign-in/second-step").into_response());
    }
    let asking = Arc::clone(&session);
    let outcome = visitor.portal.blocking(move |portal| Ok(portal.identity().recovery_ask(&asking)));
    let shown = RecoverPage::new(visitor.frame("recover-title", "sign-in"), &session);
    match outcome.await? {
        Ok(asked) => {
            let asked = Some(Asked::new(shown.frame.t, &asked));
            page(&RecoverPage { asked, ..shown })
        }
        Err(IdentityError::Unusable { .. }) => {
            let fault = Some(shown.frame.t.t("recover-too-many"));
            let mut response = page(&RecoverPage { fault, ..shown })?;
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "staff_recovery.html")]
pub(crate) struct StaffRecoveryPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    done: Option<String>,
    code: String,
    request: Option<Shown>,
    link: Option<Link>,
    asked: Option<Asked>,
    filled: Fields,
}

/// A request as it is shown.
struct Shown {
    name: String,
    birth: Option<String>,
    /// What does in place of an identity card for a person who may be too young to have one.
    instead: Option<String>,
    staff: bool,
    made: String,
    from: String,
    until: String,
    approvals: Vec<String>,
}

impl Shown {
    fn new(t: &Texts, request: &Recovery, now: Timestamp) -> Self {
        let birth = request.birth_date.as_ref().map(|date| *date.expose());
        let approval = |word: &RecoveryWord| {
            t.tn(
                "recovery-approved-by",
                &[
                    ("name", word.name.expose()),
                    ("date", &t.moment(word.at)),
                    ("proof", word.proof.expose()),
                    ("reason", word.reason.expose()),
                ],
            )
        };
        Self {
            name: request.name.expose().clone(),
            birth: birth.map(|date| t.day(date)),
            instead: instead(t, "patient-id", birth, now).filter(|_| request.holder == Holder::Person),
            staff: request.holder == Holder::Staff,
            made: t.moment(request.made),
            from: t.t1("recover-from", "date", t.moment(request.from)),
            until: t.t1("recover-until", "date", t.moment(request.until)),
            approvals: request.approvals.iter().map(approval).collect(),
        }
    }
}

impl StaffRecoveryPage {
    fn new(frame: Frame, csrf: String) -> Self {
        let (faults, filled) = (Faults::default(), Fields::default());
        Self { frame, csrf, faults, done: None, code: String::new(), request: None, link: None, asked: None, filled }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "recovery-title", "staff", "/staff/recovery", true);
        Self::new(frame, "sample-token".to_owned())
    }

    pub fn sample_asked(locale: Locale) -> Self {
        let shown = Self::sample(locale);
        Self { asked: Some(Asked::sample(shown.frame.t)), ..shown }
    }

    pub fn sample_found(locale: Locale) -> Self {
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let word = RecoveryWord {
            staff: Id16::derived(&["staff"]),
            name: Redacted::new("박도윤".to_owned()),
            reason: Redacted::new("휴대전화를 잃어버림".to_owned()),
            proof: Redacted::new("주민등록증".to_owned()),
            at: moment(1_795_340_900),
        };
        let request = Recovery {
            account: Id16::derived(&["person"]),
            holder: Holder::Person,
            name: Redacted::new("김하늘".to_owned()),
            birth_date: Some(Redacted::new(jiff::civil::date(2011, 1, 2))),
            made: moment(1_795_340_000),
            from: moment(1_795_340_600),
            until: moment(1_795_426_400),
            approvals: vec![word],
        };
        let shown = Self::sample(locale);
        let faults = Faults::one("proof", shown.frame.t.t("recovery-proof-fault"));
        let request = Some(Shown::new(shown.frame.t, &request, moment(1_795_340_900)));
        Self { code: "7K3M-92QX-ABCD".to_owned(), request, faults, ..shown }
    }
}

/// What is said besides the request.
#[derive(Default)]
struct Said {
    code: String,
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
    done: Option<&'static str>,
    link: Option<Link>,
    asked: Option<RecoveryAsked>,
}

async fn shown(staff: &StaffMember, said: Said) -> Result<Response, PageError> {
    let mut frame = staff.visitor.frame("recovery-title", "staff");
    let t = frame.t;
    let Said { code, mut faults, filled, done, link, asked } = said;
    let mut request = None;
    if !code.is_empty() {
        let wanted = code.clone();
        let looking = move |portal: &Portal| Ok((portal.identity().recovery(&wanted), portal.archive().clock().now()));
        let (found, now) = staff.visitor.portal.blocking(looking).await?;
        match found {
            Ok(found) => request = Some(Shown::new(t, &found, now)),
            Err(IdentityError::RecoveryOver) => faults = Faults::one("code", t.t("recovery-over")),
            Err(error) => return Err(error.into()),
        }
    }
    let is_faulty = !faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let base = StaffRecoveryPage::new(frame, staff.csrf());
    let asked = asked.map(|asked| Asked::new(t, &asked));
    let done = done.map(|key| t.t(key));
    form_page(&StaffRecoveryPage { faults, done, code, request, link, asked, filled, ..base }, is_faulty)
}

/// Asks the door whether somebody may decide about resetting second factors: those of whoever's request a code names, or of nobody
/// yet. Its refusal stands in the log of whom it is about.
fn deciding(portal: &Portal, actor: &Actor, code: Option<&str>) -> Result<(Permit, Option<Id16>), PageError> {
    let facts = portal.archive().store().facts(actor.account)?;
    let is_held = |role: &&Role| facts.holds.contains(*role) || (**role == Role::Operator && facts.operator);
    let role = RECOVERING.iter().find(is_held).copied().unwrap_or(Role::Support);
    let subject = match code.map(|code| portal.identity().recovery(code)) {
        Some(Ok(found)) => Some(found.account),
        Some(Err(IdentityError::RecoveryOver)) | None => None,
        Some(Err(error)) => return Err(error.into()),
    };
    let target = subject.map_or(Target::Installation, Target::Person);
    let permit = staff_permit(portal, actor, role, Action::DecideRecovery, target, Purpose::Operation)?;
    Ok((permit, subject))
}

/// As [`deciding`]; what is about somebody stands in their log before it is shown or done.
async fn entitled(staff: &StaffMember, code: Option<String>) -> Result<Permit, PageError> {
    let actor = staff.session.actor_as(Role::Support, &staff.visitor.source);
    let asking = staff.visitor.portal.blocking(move |portal| {
        let (permit, subject) = deciding(portal, &actor, code.as_deref())?;
        if let Some(subject) = subject {
            portal.archive().store().note_use(&permit, subject, "recovery")?;
        }
        Ok(permit)
    });
    asking.await
}

/// `GET /staff/recovery`
pub(crate) async fn form(staff: StaffMember) -> Result<Response, PageError> {
    entitled(&staff, None).await?;
    shown(&staff, Said::default()).await
}

/// `POST /staff/recovery`: the request of a code.
pub(crate) async fn find(form: StaffForm) -> Result<Response, PageError> {
    let code = form.fields.text("code").trim().to_owned();
    entitled(&form.staff, Some(code.clone())).await?;
    if code.is_empty() {
        let faults = Faults::one("code", form.staff.visitor.t().t("recovery-over"));
        return shown(&form.staff, Said { faults, ..Said::default() }).await;
    }
    shown(&form.staff, Said { code, ..Said::default() }).await
}

/// `POST /staff/recovery/approve`
pub(crate) async fn approve(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    decide(&staff, &fields, true).await
}

/// `POST /staff/recovery/refuse`
pub(crate) async fn refuse(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    decide(&staff, &fields, false).await
}

async fn decide(staff: &StaffMember, fields: &Fields, approves: bool) -> Result<Response, PageError> {
    let code = fields.text("code").trim().to_owned();
    let permit = entitled(staff, Some(code.clone())).await?;
    let (reason, proof) = (fields.text("reason").to_owned(), fields.text("proof").to_owned());
    let (by, wanted) = (Arc::clone(&staff.session), code.clone());
    let outcome = staff.visitor.portal.blocking(move |portal| {
        let (identity, actor) = (portal.identity(), permit.actor());
        let found = match identity.recovery(&wanted) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let action = if approves { "approve-recovery" } else { "refuse-recovery" };
        // Nobody of the staff decides about what is their own as a person either.
        if portal.watch()?.is_own(actor.account, found.account)? {
            journal(portal, actor, found.account, action, Some("own"))?;
            return Ok(Err(IdentityError::RecoveryOwn));
        }
        // What is left out is no decision yet.
        if let Err(error) = Identity::recovery_texts(&reason, approves.then_some(&*proof)) {
            journal(portal, actor, found.account, action, Some("recovery"))?;
            return Ok(Err(error));
        }
        // It stands in the log before it is done; what came of it follows, since only the last approval resets.
        journal(portal, actor, found.account, action, None)?;
        let outcome = if approves {
            identity.recovery_approve(&permit, &by, &wanted, &reason, &proof).map(Some)
        } else {
            identity.recovery_refuse(&permit, &by, &wanted, &reason).map(|()| None)
        };
        match &outcome {
            Ok(Some(Recovered::Done(_))) => journal(portal, actor, found.account, "reset-factors", None)?,
            Ok(_) => {}
            Err(_) => journal(portal, actor, found.account, action, Some("recovery"))?,
        }
        Ok(outcome)
    });
    let t = staff.visitor.t();
    let (field, key) = match outcome.await? {
        Ok(None) => return shown(staff, Said { done: Some("recovery-refused"), ..Said::default() }).await,
        Ok(Some(Recovered::Waiting)) => {
            return shown(staff, Said { code, done: Some("recovery-waiting"), ..Said::default() }).await;
        }
        Ok(Some(Recovered::Done(invitation))) => {
            let url = &staff.visitor.portal.config().public_url;
            let link = invitation.map(|new| Link::new(t, url, new.token.expose(), new.ends));
            return shown(staff, Said { done: Some("recovery-done"), link, ..Said::default() }).await;
        }
        Err(IdentityError::RecoveryOver) => ("code", "recovery-over"),
        Err(IdentityError::RecoveryOwn) => ("code", if approves { "recovery-own" } else { "recovery-own-refused" }),
        Err(IdentityError::RecoveryTwice) => ("code", "recovery-twice"),
        Err(IdentityError::RecoveryEarly { .. }) => ("code", "recovery-early"),
        Err(IdentityError::Unusable { what: "the proof", .. }) => ("proof", "recovery-proof-fault"),
        Err(IdentityError::Unusable { .. }) => ("reason", "recovery-reason-fault"),
        Err(error) => return Err(error.into()),
    };
    let (faults, filled) = (Faults::one(field, t.t(key)), fields.clone());
    shown(staff, Said { code, faults, filled, ..Said::default() }).await
}

/// The person sees in the access log who decided about their account, and what was tried in vain.
fn journal(
    portal: &Portal,
    actor: &Actor,
    subject: Id16,
    action: &'static str,
    refused: Option<&str>,
) -> Result<(), PageError> {
    let explanation = "two members of staff reset the second factors of somebody who shows who they are".to_owned();
    let (actor, refused) = (actor.clone(), refused.map(str::to_owned));
    let act = Act { actor, subject, action, purpose: "operation", explanation, refused, count: None };
    Ok(portal.archive().store().journal_act(act)?)
}

/// `POST /staff/people/recover`: a request for a colleague who lost their passkey.
pub(crate) async fn ask_for(form: Fresh<StaffForm>) -> Result<Response, PageError> {
    let Fresh(StaffForm { staff, fields }) = form;
    let own = staff.session.account;
    let asking = managing_account(&staff, &fields, &[StaffState::Active], move |portal, permit, account| {
        // Whoever is here has their passkey, and would be handed the word that a colleague is to hand over.
        if account == own {
            return Err(PageError::StaffDenied);
        }
        let ask = || portal.identity().recovery_ask_for(permit, account);
        match portal.archive().store().noted(permit, account, "recovery", ask) {
            Ok(asked) => Ok(Some(asked)),
            Err(IdentityError::RecoveryOpen) => Ok(None),
            Err(IdentityError::NotStaff) => Err(PageError::Bad),
            Err(IdentityError::Unusable { .. }) => Err(PageError::Throttled { wait_s: 3_600 }),
            Err(other) => Err(other.into()),
        }
    });
    match asking.await? {
        Some(asked) => shown(&staff, Said { asked: Some(asked), ..Said::default() }).await,
        None => {
            let faults = Faults::one("code", staff.visitor.t().t("recovery-open"));
            shown(&staff, Said { faults, ..Said::default() }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_under_seventeen_shows_other_papers_and_a_member_of_staff_does_not() {
        let (t, now) = (Locale::Korean.texts(), "2026-11-22T12:00:00+09:00".parse().expect("a time"));
        let instead = |holder, birth: Option<&str>| {
            let birth_date = birth.map(|day| Redacted::new(day.parse().expect("a day")));
            let name = Redacted::new("김하늘".to_owned());
            let account = Id16::default();
            let request =
                Recovery { account, holder, name, birth_date, made: now, from: now, until: now, approvals: vec![] };
            Shown::new(t, &request, now).instead
        };
        let young = instead(Holder::Person, Some("2009-11-23")).expect("other papers");
        assert!(young.contains("만 17세 미만") && young.contains("학생증"), "{young}");
        assert_eq!(instead(Holder::Person, Some("2009-11-22")), None, "seventeen today");
        assert_eq!(instead(Holder::Staff, None), None);
    }
}
