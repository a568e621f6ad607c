//! The second factor once more, before something grave, and on from there to what was asked for.

use crate::Portal;
use crate::cookies;
use crate::error::{PageError, form_page, page};
use crate::fields::{Asked, HeldForm, MemberForm};
use crate::frame::{Faults, Frame};
use crate::pages::passkey::{Ask, answered, asked, asking, fault_of};
use crate::pages::staff_access::{NUMBER_BYTES_MAX, StaffNames, staff_names};
use crate::pages::watch_case::short;
use crate::texts::{Locale, Texts};
use crate::visitor::Member;
use crate::words::is_path_here;
use askama::Template;
use axum::extract::Query;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::{Id16, Redacted};
use identity::{Holder, IdentityError, PasskeyAsk, PasskeyFault, SESSION_COOKIE, SecondFactor, Session};
use policy::{InstitutionCode, Role};
use serde::Deserialize;
use std::sync::Arc;
use store::GroundPage;

/// Where to go on where nothing was asked for.
const ACCOUNT: &str = "/account";

#[derive(Template)]
#[template(path = "prove.html")]
pub(crate) struct ProvePage {
    frame: Frame,
    csrf: String,
    to: String,
    /// Whether a code can be given.
    code: bool,
    ask: Option<Ask>,
    faults: Faults,
}

impl ProvePage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "prove-title", "account", "/account/prove", true).with_passkeys().faulty();
        let faults = Faults::one("code", frame.t.t("second-wrong"));
        let ask = Some(Ask::sample(false, None));
        Self { frame, csrf: "sample-token".to_owned(), to: ACCOUNT.to_owned(), code: true, ask, faults }
    }
}

#[derive(Template)]
#[template(path = "prove_onward.html")]
pub(crate) struct OnwardPage {
    frame: Frame,
    csrf: String,
    /// What is done when they go on: another window of theirs may have sent something since.
    act: String,
    /// Whom it is about, as far as the form names them.
    whom: Vec<String>,
    held: HeldForm,
}

impl OnwardPage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "onward-title", "account", "/account/prove", true);
        let held =
            HeldForm { action: "/records/issue".to_owned(), fields: vec![("what".to_owned(), "all".to_owned())] };
        Self { act: act_of(frame.t, &held.action), whom: Vec::new(), frame, csrf: "sample-token".to_owned(), held }
    }

    pub fn sample_whom(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "onward-title", "account", "/account/prove", true);
        let account = Id16::derived(&["colleague"]).to_string();
        let fields = [("account", &*account), ("role", "clinician"), ("institution", "31100001")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let held = HeldForm { action: "/staff/people/give".to_owned(), fields };
        let whom = whom(frame.t, &held, &|_| Some("한지우".to_owned()), &|_| None);
        Self { act: act_of(frame.t, &held.action), whom, frame, csrf: "sample-token".to_owned(), held }
    }
}

/// What a form does that is sent to a path, in words.
fn act_of(t: &Texts, path: &str) -> String {
    let is_id = |part: &str| part.parse::<Id16>().is_ok();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && !is_id(part)).collect();
    let key = format!("onward-{}", parts.join("-"));
    t.t(if t.has(&key) { &key } else { "onward-other" })
}

/// Whom a form of staff is about: the colleague, the role, the number of the patient or of the erasure, as the page shows it that the
/// form stands on. Nothing else that it says is told. `about` tells whom a ground of theirs is about.
fn whom(
    t: &Texts,
    held: &HeldForm,
    name_of: &dyn Fn(Id16) -> Option<String>,
    about: &dyn Fn(Id16) -> Option<Id16>,
) -> Vec<String> {
    let field = |name: &str| held.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim());
    let at = |what: String| match InstitutionCode::new(field("institution")) {
        Some(code) => format!("{what} ({code})"),
        None => what,
    };
    let mut whom = Vec::new();
    if let Ok(account) = field("account").parse::<Id16>() {
        whom.push(t.t1("whom-account", "name", name_of(account).unwrap_or_else(|| short(account))));
    }
    if let Some(role) = Role::from_name(field("role")) {
        whom.push(t.t1("whom-role", "role", at(t.t(&format!("role-{}", role.name())))));
    }
    let number = field("number");
    if !number.is_empty() && number.len() <= NUMBER_BYTES_MAX {
        whom.push(t.t1("whom-number", "number", at(number.to_owned())));
    }
    if let Ok(subject) = field("subject").parse::<Id16>() {
        whom.push(t.t1("watch-entry-subject", "number", short(subject)));
    }
    let named = held.action.split('/').find_map(|part| part.parse::<Id16>().ok());
    match named {
        Some(erasure) if held.action.starts_with("/staff/erasures/") => {
            whom.push(t.t1("whom-erasure", "number", erasure.to_string()));
        }
        named => {
            let subject = named.or_else(|| field("ground").parse().ok()).and_then(about);
            whom.extend(subject.map(|subject| t.t1("watch-entry-subject", "number", short(subject))));
        }
    }
    whom
}

/// As [`whom`], for whoever sends the form. Names of colleagues are for administrators, who see all of them.
fn whom_for(portal: &Portal, t: &Texts, session: &Session, held: &HeldForm) -> Result<Vec<String>, PageError> {
    if session.holder != Holder::Staff {
        return Ok(Vec::new());
    }
    let store = portal.archive().store();
    let holds = store.facts(session.account)?.holds;
    let names = if holds.contains(&Role::Administrator) { staff_names(portal)? } else { StaffNames::new() };
    let grounds = store.own_grounds(session.account, &GroundPage::default())?.grounds;
    let about = |ground| grounds.iter().find(|one| one.id == ground).map(|one| one.subject);
    Ok(whom(t, held, &|account| names.get(&account).cloned(), &about))
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Onward {
    to: String,
}

/// `GET /account/prove?to=`
pub(crate) async fn show(member: Member, onward: Asked<Onward>) -> Result<Response, PageError> {
    let Query(onward) = onward.unwrap_or_default();
    if !onward.to.is_empty() {
        // What waited before is not what is asked for now.
        member.visitor.portal.places().with(member.session.id, |place| place.held = None);
    }
    ask_for_it(&member, &onward.to, Faults::default(), None).await
}

async fn ask_for_it(
    member: &Member,
    to: &str,
    faults: Faults,
    passkey_fault: Option<String>,
) -> Result<Response, PageError> {
    let to = if is_path_here(to) { to } else { ACCOUNT }.to_owned();
    let session = Arc::clone(&member.session);
    let factor = session.second_factor;
    match (factor, session.holder) {
        (SecondFactor::Suspect, Holder::Person) => return Ok(Redirect::to("/sign-in/recover").into_response()),
        (SecondFactor::Suspect, Holder::Staff) => return Err(PageError::Passkey(PasskeyFault::Copied)),
        _ => {}
    }
    let asks = member.visitor.portal.blocking(move |portal| {
        Ok(if factor.has_passkey() { Some(portal.identity().passkey_prove(&session)?) } else { None })
    });
    let asks = match asks.await {
        // The last good one has just become suspect: on to what can be given, or to what is left where nothing can.
        Err(PageError::Passkey(PasskeyFault::Unknown)) => return Ok(member.visitor.prove_first(&to)),
        asks => asks?,
    };
    let is_faulty = !faults.is_empty() || passkey_fault.is_some();
    let mut frame = member.visitor.frame("prove-title", "account");
    if is_faulty {
        frame = frame.faulty();
    }
    let csrf = member.csrf();
    let shown = ProvePage { frame, csrf: csrf.clone(), to, code: factor.has_totp(), ask: None, faults };
    let Some(PasskeyAsk { options, cookie }) = asks else {
        return form_page(&shown, is_faulty);
    };
    let action = format!("/account/prove?to={}", crate::words::escaped(&shown.to));
    let ask = Ask {
        action,
        csrf: Some(csrf),
        options,
        creates: false,
        name: String::new(),
        word: None,
        fault: passkey_fault,
    };
    let frame = shown.frame.with_passkeys();
    asking(&ProvePage { frame, ask: Some(ask), ..shown }, cookie.expose(), is_faulty)
}

/// `POST /account/prove?to=`
pub(crate) async fn check(onward: Asked<Onward>, form: MemberForm) -> Result<Response, PageError> {
    let Query(onward) = onward.unwrap_or_default();
    let MemberForm { member, headers, fields } = form;
    let (session, source) = (Arc::clone(&member.session), member.visitor.source.clone());
    let code = Redacted::new(fields.text("code").to_owned());
    let (cookie, answer) = (asked(&headers), Redacted::new(fields.text("answer").to_owned()));
    let by_code = !code.expose().is_empty();
    let outcome = member.visitor.portal.blocking(move |portal| {
        let identity = portal.identity();
        Ok(if by_code {
            identity.totp_check(&session, code.expose(), &source)
        } else {
            identity.passkey_proved(&session, &cookie, answer.expose(), &source)
        })
    });
    let t = member.visitor.t();
    match outcome.await? {
        Ok(token) => proved(&member, token.cookie_value(), &onward.to).await,
        Err(error @ (IdentityError::TotpWrong { .. } | IdentityError::TotpReplayed)) => {
            let key = if matches!(error, IdentityError::TotpReplayed) { "second-used" } else { "second-wrong" };
            ask_for_it(&member, &onward.to, Faults::one("code", t.t(key)), None).await
        }
        Err(error) => {
            let fault = fault_of(t, error)?;
            ask_for_it(&member, &onward.to, Faults::default(), Some(fault)).await
        }
    }
}

/// On to what was asked for: a page, or what was sent and waited.
async fn proved(member: &Member, token: &str, to: &str) -> Result<Response, PageError> {
    let set = AppendHeaders([
        (header::SET_COOKIE, cookies::until_closed(SESSION_COOKIE, token)),
        (header::SET_COOKIE, answered()),
    ]);
    let held = member.visitor.portal.places().with(member.session.id, |place| place.held.take());
    let Some(held) = held else {
        let to = if is_path_here(to) { to } else { ACCOUNT };
        return Ok((set, Redirect::to(to)).into_response());
    };
    // The session goes on under another token, and forms carry that one's.
    let (token, t) = (token.to_owned(), member.visitor.t());
    let looking = member.visitor.portal.blocking(move |portal| {
        let session = portal.identity().session(&token)?;
        Ok((whom_for(portal, t, &session, &held)?, session, held))
    });
    let (whom, session, held) = looking.await?;
    let mut frame = member.visitor.frame("onward-title", "account");
    let csrf = session.csrf.expose().clone();
    if let Some(bar) = &mut frame.signed_in {
        bar.csrf.clone_from(&csrf);
    }
    let act = act_of(frame.t, &held.action);
    Ok((set, page(&OnwardPage { frame, csrf, act, whom, held })?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses that ask for the second factor once more say so in the authorisation matrix.
    const MATRIX: &str = include_str!("../../tests/it/matrix.txt");

    #[test]
    fn whatever_waits_for_the_second_factor_is_called_by_its_name() {
        let id = Id16([7; 16]).to_string();
        let waiting = MATRIX.lines().filter(|line| line.starts_with("POST ") && line.contains(" late=prove"));
        let paths = waiting.filter_map(|line| line.split(' ').nth(1)).filter(|path| !path.starts_with("/account/"));
        let mut seen = 0;
        for path in paths {
            let path = path.replace("{ground}", &id).replace("{id}", &id);
            for locale in Locale::ALL {
                let (t, act) = (locale.texts(), act_of(locale.texts(), &path));
                assert!(!act.is_empty() && act != t.t("onward-other"), "{path}: {act}");
            }
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
        let t = Locale::Korean.texts();
        assert_eq!(act_of(t, "/consents/withdraw"), "동의 거두기");
        assert_eq!(act_of(t, "/somewhere/else"), t.t("onward-other"));
    }

    #[test]
    fn whom_a_form_is_about_is_said_and_nothing_else_of_it() {
        let said_to = |action: &str, fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let held = HeldForm { action: action.to_owned(), fields };
            let name = |account| (account == Id16([7; 16])).then(|| "한지우".to_owned());
            whom(Locale::Korean.texts(), &held, &name, &|ground| (ground == Id16([7; 16])).then_some(Id16([9; 16])))
        };
        let said = |fields: &[(&str, &str)]| said_to("/staff", fields);
        let (known, unknown) = (Id16([7; 16]).to_string(), Id16([8; 16]).to_string());
        let role = [("account", &*known), ("role", "clinician"), ("institution", "31100001")];
        assert_eq!(said(&role), ["직원: 한지우", "맡은 일: 진료하는 의료인 (31100001)"]);
        assert_eq!(said(&[("account", &unknown), ("role", "king")]), ["직원: 08080808"]);
        let patient = [("institution", "31100001"), ("number", " p1 "), ("reason", "의식 없음"), ("code", "1234")];
        assert_eq!(said(&patient), ["환자 번호: p1 (31100001)"]);
        assert_eq!(said(&[("flag", "vip"), ("subject", &known), ("reason", "관심이 줄어듦")]), ["대상 07070707"]);
        assert_eq!(said(&[("number", &"1".repeat(65)), ("what", "all")]), Vec::<String>::new());
        assert_eq!(said_to(&format!("/staff/erasures/{known}/approve"), &[]), [format!("삭제 번호: {known}")]);
        assert_eq!(said_to(&format!("/staff/records/{known}"), &[("what", "all")]), ["대상 09090909"]);
        assert_eq!(said_to("/staff/representatives/record", &[("ground", &*known)]), ["대상 09090909"]);
        assert_eq!(said_to("/staff/representatives/record", &[("ground", &*unknown)]), Vec::<String>::new());
    }
}
