//! Staff: signing in with a passkey and nothing else, setting the first one up by an invitation, and the page they begin at.

use crate::attempts;
use crate::cookies;
use crate::error::{PageError, page};
use crate::fields::StrangerForm;
use crate::frame::Frame;
use crate::pages::erasures::ERASING;
use crate::pages::oversight::{REVIEWING, WATCHING};
use crate::pages::passkey::{Ask, PasskeyStepPage, answered, asked, asking, fault_of};
use crate::pages::recovery::RECOVERING;
use crate::pages::staff_access::ASKING;
use crate::pages::watch::audits;
use crate::texts::{Locale, Texts};
use crate::visitor::{StaffMember, Visitor};
use askama::Template;
use axum::extract::Path;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use identity::{DEVICE_COOKIE, DEVICE_S, PasskeyAsk, SESSION_COOKIE, SignedIn};
use policy::Role;
use store::GlassNotice;

#[derive(Template)]
#[template(path = "staff_home.html")]
pub(crate) struct StaffHomePage {
    frame: Frame,
    csrf: String,
    /// What they were told of broken glass and have not seen.
    notices: Vec<Notice>,
    name: String,
    tasks: Vec<Task>,
}

/// Something a member of staff can go to.
pub(crate) struct Task {
    id: &'static str,
    href: &'static str,
    title: String,
    text: String,
}

impl Task {
    /// The task `id` at an address, with the texts `staff-ID` and `staff-ID-text`.
    pub fn new(t: &Texts, id: &'static str, href: &'static str) -> Self {
        Self { id, href, title: t.t(&format!("staff-{id}")), text: t.t(&format!("staff-{id}-text")) }
    }
}

impl StaffHomePage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "staff-title", "staff", "/staff", true);
        let t = frame.t;
        let tasks = [
            ("people", "/staff/people"),
            ("watch", "/staff/watch"),
            ("review", "/staff/watch/review"),
            ("questions", "/staff/questions"),
            ("account", "/account"),
        ];
        let tasks = tasks.into_iter().map(|(id, href)| Task::new(t, id, href)).collect();
        let at = Timestamp::from_second(1_795_331_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let notices = vec![told(t, &GlassNotice { ground: Id16::default(), told: at })];
        Self { csrf: "sample-token".to_owned(), notices, name: t.t1("staff-name", "name", "박도윤"), frame, tasks }
    }
}

/// What somebody is told of a broken glass, and of which: so that they have seen that one and no other.
pub(crate) struct Notice {
    pub ground: String,
    pub text: String,
}

/// What a notice of broken glass says.
pub(crate) fn told(t: &Texts, notice: &GlassNotice) -> Notice {
    Notice { ground: notice.ground.to_string(), text: t.t1("ground-notice", "date", t.moment(notice.told)) }
}

/// `GET /staff`
pub(crate) async fn home(staff: StaffMember) -> Result<Response, PageError> {
    let account = staff.session.account;
    let held = staff.visitor.portal.blocking(move |portal| {
        let store = portal.archive().store();
        Ok((store.facts(account)?, store.glass_notices(account)?))
    });
    let (facts, notices) = held.await?;
    let (recovers, holds) = (facts.operator || RECOVERING.iter().any(|role| facts.holds.contains(role)), facts.holds);
    let oversees = holds.contains(&Role::SecurityOfficer);
    let frame = staff.visitor.frame("staff-title", "staff");
    let t = frame.t;
    let mut tasks = Vec::new();
    let has_one_of = |roles: &[Role]| roles.iter().any(|role| holds.contains(role));
    if has_one_of(ASKING) {
        tasks.push(Task::new(t, "access", "/staff/access"));
    }
    if has_one_of(&[Role::Support]) {
        tasks.push(Task::new(t, "representatives", "/staff/representatives"));
    }
    if has_one_of(WATCHING) {
        tasks.push(Task::new(t, "grounds", "/staff/grounds"));
    }
    if has_one_of(REVIEWING) {
        tasks.push(Task::new(t, "reviews", "/staff/reviews"));
    }
    if has_one_of(&[Role::Administrator]) {
        tasks.push(Task::new(t, "people", "/staff/people"));
    }
    if has_one_of(ERASING) {
        tasks.push(Task::new(t, "erasures", "/staff/erasures"));
    }
    if recovers {
        tasks.push(Task::new(t, "recovery", "/staff/recovery"));
    }
    if oversees {
        tasks.push(Task::new(t, "watch", "/staff/watch"));
        tasks.push(Task::new(t, "review", "/staff/watch/review"));
        tasks.push(Task::new(t, "marks", "/staff/watch/marks"));
    }
    if audits(&holds) {
        tasks.push(Task::new(t, "watch", "/staff/watch"));
    }
    tasks.push(Task::new(t, "questions", "/staff/questions"));
    tasks.push(Task::new(t, "account", "/account"));
    let name = t.t1("staff-name", "name", staff.session.name.expose().as_str());
    let notices = notices.iter().map(|one| told(t, one)).collect();
    page(&StaffHomePage { csrf: staff.csrf(), notices, frame, name, tasks })
}

/// `GET /staff/sign-in`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    if visitor.staff().is_ok() {
        return Ok(Redirect::to("/staff").into_response());
    }
    sign_in_page(&visitor, None).await
}

async fn sign_in_page(visitor: &Visitor, fault: Option<String>) -> Result<Response, PageError> {
    let asks = visitor.portal.blocking(|portal| Ok(portal.identity().staff_ask()?));
    let PasskeyAsk { options, cookie } = asks.await?;
    let faulty = fault.is_some();
    let mut frame = visitor.frame("staff-sign-in-title", "").with_passkeys();
    let heading = frame.title.clone();
    if faulty {
        frame = frame.faulty();
    }
    let lead = frame.t.t("staff-sign-in-lead");
    let action = "/staff/sign-in".to_owned();
    let ask = Ask { action, csrf: None, options, creates: false, name: String::new(), word: None, fault };
    asking(&PasskeyStepPage { frame, heading, lead, ask, other: None, stop: None }, cookie.expose(), faulty)
}

/// `POST /staff/sign-in`
pub(crate) async fn sign_in(form: StrangerForm) -> Result<Response, PageError> {
    let StrangerForm { visitor, headers, fields } = form;
    let (cookie, answer) = (asked(&headers), Redacted::new(fields.text("answer").to_owned()));
    let (client, named) = (visitor.client(), fields.text("answer").to_owned());
    let outcome =
        visitor.portal.blocking(move |portal| Ok(portal.identity().staff_sign_in(&cookie, answer.expose(), client)));
    match outcome.await? {
        Ok(signed_in) => arrive(&visitor, signed_in).await,
        Err(error) => {
            tracing::info!(%error, "a sign-in of staff was refused");
            if let Some(account) =
                visitor.portal.blocking(move |portal| Ok(portal.identity().staff_named(&named)?)).await?
            {
                attempts::note_refused(&visitor.portal, account, &visitor.source).await;
            }
            let fault = fault_of(visitor.t(), error)?;
            sign_in_page(&visitor, Some(fault)).await
        }
    }
}

/// The session that begins, and the end of the one the browser had before.
async fn arrive(visitor: &Visitor, signed_in: SignedIn) -> Result<Response, PageError> {
    if let Some(former) = visitor.token().map(ToOwned::to_owned) {
        visitor.portal.blocking(move |portal| Ok(portal.identity().sign_out(&former)?)).await?;
    }
    let session = cookies::until_closed(SESSION_COOKIE, signed_in.token.cookie_value());
    let set = AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, answered())]);
    let device = signed_in.device.map(|device| cookies::for_seconds(DEVICE_COOKIE, device.expose(), DEVICE_S));
    let device = device.map(|cookie| AppendHeaders([(header::SET_COOKIE, cookie)]));
    Ok((set, device, Redirect::to("/staff")).into_response())
}

/// `GET /staff/enrol/{token}`
pub(crate) async fn enrol(visitor: Visitor, Path(token): Path<String>) -> Result<Response, PageError> {
    enrol_page(&visitor, token, None).await
}

async fn enrol_page(visitor: &Visitor, token: String, fault: Option<String>) -> Result<Response, PageError> {
    let action = format!("/staff/enrol/{}", crate::words::escaped(&token));
    let asks = visitor.portal.blocking(move |portal| {
        let identity = portal.identity();
        Ok((identity.staff_enrol(&token)?, identity.staff_enrol_needs_word(&token)?))
    });
    let ((name, PasskeyAsk { options, cookie }), word) = asks.await?;
    let faulty = fault.is_some();
    let mut frame = visitor.frame("staff-enrol-title", "").with_passkeys();
    let heading = frame.title.clone();
    if faulty {
        frame = frame.faulty();
    }
    let lead = frame.t.t1("staff-enrol-lead", "name", name.expose().as_str());
    let word = word.then_some("passkey-word-hint");
    let ask = Ask { action, csrf: None, options, creates: true, name: visitor.family_words(), word, fault };
    asking(&PasskeyStepPage { frame, heading, lead, ask, other: None, stop: None }, cookie.expose(), faulty)
}

/// `POST /staff/enrol/{token}`
pub(crate) async fn enrolled(Path(token): Path<String>, form: StrangerForm) -> Result<Response, PageError> {
    let StrangerForm { visitor, headers, fields } = form;
    let (cookie, answer) = (asked(&headers), Redacted::new(fields.text("answer").to_owned()));
    let (client, name, link) = (visitor.client(), fields.text("name").to_owned(), token.clone());
    let word = Redacted::new(fields.text("word").to_owned());
    let outcome = visitor.portal.blocking(move |portal| {
        let with = (name.as_str(), word.expose().as_str());
        Ok(portal.identity().staff_enrolled_with(&link, &cookie, answer.expose(), with, client))
    });
    match outcome.await? {
        Ok(signed_in) => arrive(&visitor, signed_in).await,
        Err(error) => {
            tracing::info!(%error, "a passkey of staff was refused");
            let fault = fault_of(visitor.t(), error)?;
            enrol_page(&visitor, token, Some(fault)).await
        }
    }
}
