//! Passkeys of somebody who is signed in: as the second factor, and the list where they come and go. Staff sign in in `staff`.

use crate::cookies;
use crate::error::{PageError, form_page, page, passkey_key};
use crate::fields::{MemberForm, SessionForm};
use crate::frame::Frame;
use crate::korean::has_korean;
use crate::pages::second_step::note_attempt;
use crate::pages::sign_in::HOME;
use crate::security::AsksForPasskey;
use crate::texts::{Locale, Texts};
use crate::visitor::{Member, Visitor};
use askama::Template;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::{Redacted, Timestamp};
use identity::{
    Holder, IdentityError, PASSKEY_COOKIE, PASSKEY_S, PASSKEYS_MAX, PasskeyAsk, PasskeyFault, PasskeyInfo,
    SESSION_COOKIE, SecondFactor, Session,
};
use policy::Assurance;
use std::sync::Arc;

/// The form of a page that asks for a passkey.
pub(crate) struct Ask {
    /// Where the answer is sent.
    pub action: String,
    /// The token of the session, where there is one.
    pub csrf: Option<String>,
    /// What the browser is asked for, as JSON.
    pub options: String,
    /// Whether a passkey is made rather than used.
    pub creates: bool,
    /// What the passkey is called unless its person says otherwise.
    pub name: String,
    /// The key of what is said about the word that a passkey takes after a recovery, where it takes one.
    pub word: Option<&'static str>,
    /// What was wrong with the last answer.
    pub fault: Option<String>,
}

impl Ask {
    /// Whether the name has Korean letters.
    pub fn name_is_korean(&self) -> bool {
        has_korean(&self.name)
    }

    pub fn sample(creates: bool, fault: Option<String>) -> Self {
        Self {
            action: "/sign-in/passkey".to_owned(),
            csrf: Some("sample-token".to_owned()),
            options: r#"{"challenge":"c2FtcGxl"}"#.to_owned(),
            creates,
            name: "Chrome".to_owned(),
            word: creates.then_some("recover-word-hint"),
            fault,
        }
    }
}

/// A page that asks for a passkey: its cookie says what was asked, and it may run the script that asks.
pub(crate) fn asking(template: &impl Template, cookie: &str, is_faulty: bool) -> Result<Response, PageError> {
    let mut response = form_page(template, is_faulty)?;
    response.headers_mut().append(header::SET_COOKIE, cookies::for_seconds(PASSKEY_COOKIE, cookie, PASSKEY_S));
    response.extensions_mut().insert(AsksForPasskey);
    Ok(response)
}

/// What was asked of a browser; nothing where it kept nothing.
pub(crate) fn asked(headers: &HeaderMap) -> String {
    cookies::read(headers, PASSKEY_COOKIE).unwrap_or_default().to_owned()
}

/// Throws away what was asked: it was answered.
pub(crate) fn answered() -> HeaderValue {
    cookies::removed(PASSKEY_COOKIE)
}

/// The sentence about an answer that the page can ask for again; other errors have pages of their own.
pub(crate) fn fault_of(t: &Texts, error: IdentityError) -> Result<String, PageError> {
    let key = match error {
        IdentityError::Passkey { fault } => passkey_key(fault),
        IdentityError::SignInForged | IdentityError::SignInExpired | IdentityError::SignInUsed => "passkey-fault-over",
        IdentityError::NotStaff => "passkey-fault-unknown",
        IdentityError::RecoveryWord => "passkey-fault-word",
        other => return Err(other.into()),
    };
    Ok(t.t(key))
}

/// What a kind of browser is called: “Chrome, Windows”.
pub(crate) fn family_words(t: &Texts, family: &str) -> String {
    let (browser, system) = family.split_once('/').unwrap_or(("other", "other"));
    let word = |kind: &str, name: &str| {
        let key = format!("{kind}-{name}");
        if t.has(&key) { t.t(&key) } else { t.t(&format!("{kind}-other")) }
    };
    t.t2("device-kind", ("browser", word("browser", browser)), ("system", word("system", system)))
}

#[derive(Template)]
#[template(path = "passkey_step.html")]
pub(crate) struct PasskeyStepPage {
    pub frame: Frame,
    pub heading: String,
    pub lead: String,
    pub ask: Ask,
    /// Another way: its address and its words.
    pub other: Option<(&'static str, String)>,
    /// The token of the form that stops the sign-in, where one is under way.
    pub stop: Option<String>,
}

impl PasskeyStepPage {
    pub fn samples(locale: Locale) -> Vec<(&'static str, Self)> {
        let t = locale.texts();
        let step = |title: &str, nav, creates, fault, signed_in| {
            let frame = Frame::sample(locale, title, nav, "/sign-in/passkey", signed_in).with_passkeys();
            let lead = t.t1(if creates { "passkey-enrol-lead" } else { "passkey-use-lead" }, "name", "김하늘");
            let heading = t.t(title);
            Self { frame, heading, lead, ask: Ask::sample(creates, fault), other: None, stop: None }
        };
        let fault = || Some(t.t(passkey_key(PasskeyFault::Copied)));
        vec![
            (
                "enrol",
                Self {
                    stop: Some("sample-token".to_owned()),
                    ..step("passkey-enrol-title", "sign-in", true, None, false)
                },
            ),
            (
                "use",
                Self {
                    other: Some(("/sign-in/second-step", t.t("passkey-other-code"))),
                    ..step("passkey-use-title", "sign-in", false, fault(), false)
                },
            ),
            (
                "staff-sign-in",
                Self { lead: t.t("staff-sign-in-lead"), ..step("staff-sign-in-title", "", false, None, false) },
            ),
            (
                "staff-enrol",
                Self {
                    lead: t.t1("staff-enrol-lead", "name", "박도윤"),
                    ..step("staff-enrol-title", "", true, None, false)
                },
            ),
        ]
    }
}

/// `GET /sign-in/passkey`: the second factor of a person with one factor.
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    let session = visitor.session()?;
    if session.assurance >= Assurance::Two {
        return Ok(Redirect::to(HOME).into_response());
    }
    step(&visitor, &session, None).await
}

async fn step(visitor: &Visitor, session: &Arc<Session>, fault: Option<String>) -> Result<Response, PageError> {
    let factor = session.second_factor;
    // From there on to what can be given, or to what is left where nothing can.
    let elsewhere = || Ok(Redirect::to("/sign-in/second-step").into_response());
    if matches!(factor, SecondFactor::Totp | SecondFactor::Suspect) {
        return elsewhere();
    }
    let creates = factor.is_to_enrol();
    let asking_session = Arc::clone(session);
    let asks = visitor.portal.blocking(move |portal| {
        let identity = portal.identity();
        Ok(if creates { identity.passkey_enrol(&asking_session)? } else { identity.passkey_prove(&asking_session)? })
    });
    let PasskeyAsk { options, cookie } = match asks.await {
        // The last good one has just become suspect.
        Err(PageError::Passkey(PasskeyFault::Unknown)) => return elsewhere(),
        asks => asks?,
    };
    let t = visitor.t();
    let word = (factor == SecondFactor::Reset).then_some("recover-word-hint");
    let (title, lead) = match (creates, word) {
        (true, Some(_)) => ("passkey-enrol-title", "enrol-again-lead"),
        (true, None) => ("passkey-enrol-title", "passkey-enrol-lead"),
        (false, _) => ("passkey-use-title", "passkey-use-lead"),
    };
    let csrf = session.csrf.expose().clone();
    let other = match factor {
        SecondFactor::Missing | SecondFactor::Reset => Some(("/sign-in/second-step", t.t("passkey-other-app"))),
        SecondFactor::Either => Some(("/sign-in/second-step", t.t("passkey-other-code"))),
        SecondFactor::Totp | SecondFactor::Passkey | SecondFactor::Suspect => None,
    };
    let faulty = fault.is_some();
    let mut frame = visitor.frame(title, "sign-in").with_passkeys();
    let heading = frame.title.clone();
    if faulty {
        frame = frame.faulty();
    }
    let ask = Ask {
        action: "/sign-in/passkey".to_owned(),
        csrf: Some(csrf.clone()),
        options,
        creates,
        name: visitor.family_words(),
        word,
        fault,
    };
    let lead = t.t1(lead, "name", session.name.expose().as_str());
    asking(&PasskeyStepPage { frame, heading, lead, ask, other, stop: Some(csrf) }, cookie.expose(), faulty)
}

/// `POST /sign-in/passkey`
pub(crate) async fn check(form: SessionForm) -> Result<Response, PageError> {
    let SessionForm { visitor, session, headers, fields } = form;
    if session.assurance >= Assurance::Two {
        return Ok(Redirect::to(HOME).into_response());
    }
    let (cookie, answer) = (asked(&headers), Redacted::new(fields.text("answer").to_owned()));
    let (name, source, asking_session) = (fields.text("name").to_owned(), visitor.source.clone(), Arc::clone(&session));
    let word = Redacted::new(fields.text("word").to_owned());
    let creates = session.second_factor.is_to_enrol();
    let outcome = visitor.portal.blocking(move |portal| {
        let identity = portal.identity();
        Ok(if creates {
            let regained = (word.expose().as_str(), source.as_str());
            identity.passkey_enrolled_with(&asking_session, &cookie, answer.expose(), &name, regained)
        } else {
            identity.passkey_proved(&asking_session, &cookie, answer.expose(), &source)
        })
    });
    match outcome.await? {
        Ok(token) => {
            let onward = visitor.portal.places().leave(session.id).return_to;
            let session = cookies::until_closed(SESSION_COOKIE, token.cookie_value());
            let set = AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, answered())]);
            Ok((set, Redirect::to(onward.as_deref().unwrap_or(HOME))).into_response())
        }
        Err(error) => {
            if !creates || matches!(error, IdentityError::RecoveryWord) {
                note_attempt(&visitor, &session, &error).await;
            }
            let fault = fault_of(visitor.t(), error)?;
            step(&visitor, &session, Some(fault)).await
        }
    }
}

#[derive(Template)]
#[template(path = "passkeys.html")]
pub(crate) struct PasskeysPage {
    frame: Frame,
    csrf: String,
    said: Option<String>,
    fault: Option<String>,
    passkeys: Vec<Line>,
    may_add: bool,
    /// Whether they are a member of staff's, which are bound to one device.
    staff: bool,
}

struct Line {
    id: String,
    name: String,
    made: String,
    used: String,
    kind: String,
    suspect: bool,
}

impl PasskeysPage {
    fn new(frame: Frame, csrf: String, passkeys: &[PasskeyInfo], staff: bool) -> Self {
        let t = frame.t;
        let lines = passkeys.iter().map(|passkey| Line::new(t, passkey)).collect();
        let may_add = passkeys.len() < PASSKEYS_MAX;
        Self { frame, csrf, said: None, fault: None, passkeys: lines, may_add, staff }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "passkeys-title", "account", "/account/passkeys", true);
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let one = |name: &str, copyable, suspect| PasskeyInfo {
            id: base::hex(name.as_bytes()),
            name: Redacted::new(name.to_owned()),
            made: moment(1_795_330_000),
            used: moment(1_795_340_000),
            copyable,
            suspect,
        };
        let passkeys = [one("내 휴대전화", true, false), one("열쇠고리", false, true)];
        let said = Some(frame.t.t("passkeys-removed"));
        Self { said, ..Self::new(frame, "sample-token".to_owned(), &passkeys, false) }
    }

    pub fn sample_empty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "passkeys-title", "account", "/account/passkeys", true);
        Self::new(frame, "sample-token".to_owned(), &[], false)
    }
}

impl Line {
    fn new(t: &Texts, passkey: &PasskeyInfo) -> Self {
        let name = passkey.name.expose().clone();
        Self {
            id: passkey.id.clone(),
            name: if name.is_empty() { t.t("passkeys-unnamed") } else { name },
            made: t.t1("passkeys-made", "date", t.moment(passkey.made)),
            used: t.t1("passkeys-used", "date", t.moment(passkey.used)),
            kind: t.t(if passkey.copyable { "passkeys-copyable" } else { "passkeys-bound" }),
            suspect: passkey.suspect,
        }
    }
}

/// `GET /account/passkeys`
pub(crate) async fn list(member: Member) -> Result<Response, PageError> {
    listed(&member, None, None).await
}

async fn listed(member: &Member, said: Option<&str>, fault: Option<String>) -> Result<Response, PageError> {
    let session = Arc::clone(&member.session);
    let passkeys = member.visitor.portal.blocking(move |portal| Ok(portal.identity().passkeys(&session)?)).await?;
    let frame = member.visitor.frame("passkeys-title", "account");
    let said = said.map(|key| frame.t.t(key));
    let staff = member.session.holder == Holder::Staff;
    let shown = PasskeysPage { said, fault, ..PasskeysPage::new(frame, member.csrf(), &passkeys, staff) };
    page(&shown)
}

/// `GET /account/passkeys/add`
pub(crate) async fn add(member: Member) -> Result<Response, PageError> {
    adding(&member, None).await
}

async fn adding(member: &Member, fault: Option<String>) -> Result<Response, PageError> {
    let Member { visitor, session } = member;
    let asking_session = Arc::clone(session);
    let asks = visitor.portal.blocking(move |portal| Ok(portal.identity().passkey_enrol(&asking_session)?));
    let PasskeyAsk { options, cookie } = match asks.await {
        Err(PageError::SecondStepFirst) => return Ok(visitor.prove_first("/account/passkeys/add")),
        asks => asks?,
    };
    let faulty = fault.is_some();
    let mut frame = visitor.frame("passkeys-add-title", "account").with_passkeys();
    let heading = frame.title.clone();
    if faulty {
        frame = frame.faulty();
    }
    let staff = session.holder == Holder::Staff;
    let lead = frame.t.t(if staff { "passkeys-add-lead-staff" } else { "passkeys-add-lead" });
    let ask = Ask {
        action: "/account/passkeys/add".to_owned(),
        csrf: Some(member.csrf()),
        options,
        creates: true,
        name: visitor.family_words(),
        word: None,
        fault,
    };
    let other = Some(("/account/passkeys", frame.t.t("passkeys-back")));
    asking(&PasskeyStepPage { frame, heading, lead, ask, other, stop: None }, cookie.expose(), faulty)
}

/// `POST /account/passkeys/add`
pub(crate) async fn added(form: MemberForm) -> Result<Response, PageError> {
    let MemberForm { member, headers, fields } = form;
    let (cookie, answer) = (asked(&headers), Redacted::new(fields.text("answer").to_owned()));
    let (name, session) = (fields.text("name").to_owned(), Arc::clone(&member.session));
    let outcome = member
        .visitor
        .portal
        .blocking(move |portal| Ok(portal.identity().passkey_enrolled(&session, &cookie, answer.expose(), &name)));
    match outcome.await? {
        Ok(token) => {
            let session = cookies::until_closed(SESSION_COOKIE, token.cookie_value());
            let set = AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, answered())]);
            Ok((set, Redirect::to("/account/passkeys")).into_response())
        }
        Err(IdentityError::SecondFactorNeeded) => Ok(member.visitor.prove_first("/account/passkeys/add")),
        Err(error) => adding(&member, Some(fault_of(member.visitor.t(), error)?)).await,
    }
}

/// `POST /account/passkeys/remove`
pub(crate) async fn remove(form: MemberForm) -> Result<Response, PageError> {
    let MemberForm { member, fields, .. } = form;
    let (id, session) = (fields.text("passkey").to_owned(), Arc::clone(&member.session));
    let outcome = member.visitor.portal.blocking(move |portal| Ok(portal.identity().remove_passkey(&session, &id)));
    match outcome.await? {
        Ok(_) => listed(&member, Some("passkeys-removed"), None).await,
        Err(IdentityError::SecondFactorNeeded) => Ok(member.visitor.prove_first("/account/passkeys")),
        Err(error) => {
            let fault = fault_of(member.visitor.t(), error)?;
            listed(&member, None, Some(fault)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::family;

    #[test]
    fn every_kind_of_browser_has_its_words() {
        let agents = [
            "Whale/ Windows",
            "SamsungBrowser/ Android",
            "KAKAOTALK iPhone",
            "Edg iPad",
            "OPR/ Mac OS X",
            "FxiOS/ Linux",
            "Chrome/",
            "Safari/",
            "",
        ];
        for locale in Locale::ALL {
            for agent in agents {
                let words = family_words(locale.texts(), &family(agent));
                assert!(!words.contains('⟦') && !words.is_empty(), "{agent}: {words}");
            }
        }
        assert_eq!(family_words(Locale::English.texts(), ""), family_words(Locale::English.texts(), "odd/odd"));
    }
}
