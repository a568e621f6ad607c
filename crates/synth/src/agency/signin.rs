//! The pages people see: who they are, then the code from the text message. Numbers travel in form bodies only.

use super::pages::{self, Fault, Words};
use super::state::{Asked, Grant, Message, SignIn};
use super::{Agency, Inner};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::collections::HashMap;

/// Longest value of a request's parameter that is carried along.
const PARAMETER_BYTES_MAX: usize = 1024;
/// Base64 of a SHA-256 without padding (RFC 7636, section 4.2).
const CHALLENGE_CHARS: usize = 43;

/// `GET /`: what this is.
pub(super) async fn about() -> Html<String> {
    Html(pages::about())
}

/// `GET /authorize` (OpenID Connect Core 1.0, section 3.1.2.1).
pub(super) async fn authorize(
    State(agency): State<Agency>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Response {
    let Ok(Query(query)) = query else {
        return page(StatusCode::BAD_REQUEST, pages::fault(Words::of(false), Fault::Request));
    };
    let asked = match agency.0.asked(&query) {
        Ok(asked) => asked,
        Err(Refusal::Here) => return page(StatusCode::BAD_REQUEST, pages::fault(Words::of(false), Fault::Request)),
        Err(Refusal::ToClient { redirect_uri, state, error }) => {
            return agency.0.answer(&redirect_uri, &[("error", error), ("state", &state)]);
        }
    };
    let words = Words::of(asked.english);
    let (id, browser) = (agency.0.token(), agency.0.token());
    let now_s = agency.0.now_s();
    let limits = agency.0.config.limits;
    let mut state = agency.0.state();
    state.sweep(now_s, &limits);
    if state.sign_ins.len() >= limits.sign_ins {
        return page(StatusCode::SERVICE_UNAVAILABLE, pages::fault(words, Fault::Busy));
    }
    let other = other_language(&query, asked.english);
    let ends_s = now_s + limits.sign_in_s;
    let sign_in = SignIn { asked, browser: browser.clone(), ends_s, tries_left: limits.tries, message: None };
    state.sign_ins.insert(id.clone(), sign_in);
    drop(state);
    let mut response = page(StatusCode::OK, pages::identify(words, &id, None, Some(&other)));
    let cookie =
        format!("{}={browser}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}", cookie_name(&id), limits.sign_in_s);
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Deserialize)]
pub(super) struct IdentifyForm {
    request: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    rrn_front: String,
    #[serde(default)]
    rrn_back: String,
}

/// `POST /identify`: name and national number; sends the text message.
pub(super) async fn identify(
    State(agency): State<Agency>,
    headers: HeaderMap,
    form: Result<Form<IdentifyForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return lost() };
    let now_s = agency.0.now_s();
    let number = format!("{}{}", form.rrn_front.trim(), form.rrn_back.trim());
    let well_formed = number.len() == 13 && number.bytes().all(|byte| byte.is_ascii_digit());
    let found = if well_formed { agency.0.register().find(&number, now_s) } else { None };
    let person = found.filter(|person| same_name(&person.name, &form.name));
    let mut state = agency.0.state();
    state.sweep(now_s, &agency.0.config.limits);
    let Some(sign_in) = under_way(&mut state.sign_ins, &headers, &form.request) else { return lost() };
    let words = Words::of(sign_in.asked.english);
    let Some(person) = person else {
        sign_in.tries_left = sign_in.tries_left.saturating_sub(1);
        if sign_in.tries_left == 0 {
            state.sign_ins.remove(&form.request);
            return page(StatusCode::FORBIDDEN, pages::fault(words, Fault::TooMany));
        }
        return page(
            StatusCode::UNPROCESSABLE_ENTITY,
            pages::identify(words, &form.request, Some(Fault::Unknown), None),
        );
    };
    if !state.may_send(&person.rrn, now_s, &agency.0.config.limits) {
        return page(StatusCode::TOO_MANY_REQUESTS, pages::fault(words, Fault::TooManyMessages));
    }
    let message = agency.0.message(person, now_s);
    let shown = pages::confirm(words, &form.request, &message, None);
    if let Some(sign_in) = state.sign_ins.get_mut(&form.request) {
        sign_in.message = Some(message);
        sign_in.tries_left = agency.0.config.limits.tries;
    }
    page(StatusCode::OK, shown)
}

#[derive(Deserialize)]
pub(super) struct RequestForm {
    request: String,
}

/// `POST /resend`: a new text message; the code before it holds no more.
pub(super) async fn resend(
    State(agency): State<Agency>,
    headers: HeaderMap,
    form: Result<Form<RequestForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return lost() };
    let now_s = agency.0.now_s();
    let mut state = agency.0.state();
    state.sweep(now_s, &agency.0.config.limits);
    let Some(sign_in) = under_way(&mut state.sign_ins, &headers, &form.request) else { return lost() };
    let words = Words::of(sign_in.asked.english);
    let Some(person) = sign_in.message.as_ref().map(|message| message.person.clone()) else { return lost() };
    if !state.may_send(&person.rrn, now_s, &agency.0.config.limits) {
        return page(StatusCode::TOO_MANY_REQUESTS, pages::fault(words, Fault::TooManyMessages));
    }
    let message = agency.0.message(person, now_s);
    let shown = pages::confirm(words, &form.request, &message, None);
    if let Some(sign_in) = state.sign_ins.get_mut(&form.request) {
        sign_in.message = Some(message);
    }
    page(StatusCode::OK, shown)
}

#[derive(Deserialize)]
pub(super) struct ConfirmForm {
    request: String,
    #[serde(default)]
    code: String,
}

/// `POST /confirm`: the code from the text message; leads back to the client with an authorisation code.
pub(super) async fn confirm(
    State(agency): State<Agency>,
    headers: HeaderMap,
    form: Result<Form<ConfirmForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return lost() };
    let now_s = agency.0.now_s();
    let limits = agency.0.config.limits;
    let mut state = agency.0.state();
    state.sweep(now_s, &limits);
    let Some(sign_in) = under_way(&mut state.sign_ins, &headers, &form.request) else { return lost() };
    let words = Words::of(sign_in.asked.english);
    let Some(message) = sign_in.message.clone() else { return lost() };
    let right = verify_slices_are_equal(form.code.trim().as_bytes(), message.code.as_bytes()).is_ok();
    if !right || message.ends_s <= now_s {
        sign_in.tries_left = sign_in.tries_left.saturating_sub(1);
        if sign_in.tries_left == 0 {
            state.sign_ins.remove(&form.request);
            return page(StatusCode::FORBIDDEN, pages::fault(words, Fault::TooMany));
        }
        let fault = if right { Fault::Late } else { Fault::WrongCode };
        return page(StatusCode::UNPROCESSABLE_ENTITY, pages::confirm(words, &form.request, &message, Some(fault)));
    }
    let Some(sign_in) = state.sign_ins.remove(&form.request) else { return lost() };
    let code = agency.0.token();
    let (redirect_uri, client_state) = (sign_in.asked.redirect_uri.clone(), sign_in.asked.state.clone());
    let grant = Grant {
        asked: sign_in.asked,
        person: message.person,
        signed_in_s: now_s,
        ends_s: now_s + limits.code_s,
        used: None,
    };
    state.grants.insert(base::sha256(code.as_bytes()), grant);
    drop(state);
    agency.0.answer(&redirect_uri, &[("code", &code), ("state", &client_state)])
}

/// `POST /cancel`: back to the client without an answer.
pub(super) async fn cancel(
    State(agency): State<Agency>,
    headers: HeaderMap,
    form: Result<Form<RequestForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return lost() };
    let mut state = agency.0.state();
    if under_way(&mut state.sign_ins, &headers, &form.request).is_none() {
        return lost();
    }
    let Some(sign_in) = state.sign_ins.remove(&form.request) else { return lost() };
    drop(state);
    agency.0.answer(&sign_in.asked.redirect_uri, &[("error", "access_denied"), ("state", &sign_in.asked.state)])
}

/// Why a client's request is not followed.
enum Refusal {
    /// The client is not known for sure: nothing is sent anywhere.
    Here,
    ToClient {
        redirect_uri: String,
        state: String,
        error: &'static str,
    },
}

impl Inner {
    fn asked(&self, query: &HashMap<String, String>) -> Result<Asked, Refusal> {
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let redirect_uri = get("redirect_uri").to_owned();
        let known = get("client_id") == self.config.client_id && self.config.redirect_urls.contains(&redirect_uri);
        if !known || query.values().any(|value| value.len() > PARAMETER_BYTES_MAX) {
            return Err(Refusal::Here);
        }
        let state = get("state").to_owned();
        let scope: Vec<String> = get("scope").split(' ').map(str::to_owned).collect();
        let error = if get("response_type") != "code" {
            "unsupported_response_type"
        } else if !scope.iter().any(|part| part == "openid") {
            "invalid_scope"
        } else if get("code_challenge_method") != "S256"
            || get("code_challenge").len() != CHALLENGE_CHARS
            || state.is_empty()
            || get("nonce").is_empty()
        {
            "invalid_request"
        } else if get("prompt") == "none" {
            "login_required"
        } else {
            return Ok(Asked {
                english: get("ui_locales").to_ascii_lowercase().starts_with("en"),
                nonce: get("nonce").to_owned(),
                challenge: get("code_challenge").to_owned(),
                redirect_uri,
                state,
                scope,
            });
        };
        Err(Refusal::ToClient { redirect_uri, state, error })
    }

    /// A redirect to the client with these parameters and the issuer (RFC 9207).
    fn answer(&self, redirect_uri: &str, parameters: &[(&str, &str)]) -> Response {
        let mut address = redirect_uri.to_owned();
        for (name, value) in parameters.iter().copied().chain([("iss", self.issuer.as_str())]) {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(name);
            address.push('=');
            percent_encode(value, &mut address);
        }
        Redirect::to(&address).into_response()
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.config.random.bytes32())
    }

    fn message(&self, person: std::sync::Arc<crate::people::Person>, now_s: i64) -> Message {
        let bytes = self.config.random.bytes16();
        let number = bytes[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // The bias of this remainder is below 2^-44.
        Message { person, code: format!("{:06}", number % 1_000_000), ends_s: now_s + self.config.limits.sms_code_s }
    }
}

/// The sign-in of this request, if this browser began it.
fn under_way<'s>(sign_ins: &'s mut HashMap<String, SignIn>, headers: &HeaderMap, id: &str) -> Option<&'s mut SignIn> {
    let sign_in = sign_ins.get_mut(id)?;
    let wanted = cookie_name(id);
    let shown = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)?;
    verify_slices_are_equal(shown.as_bytes(), sign_in.browser.as_bytes()).ok().map(|()| sign_in)
}

/// One cookie a sign-in, so that two tabs do not disturb each other.
fn cookie_name(id: &str) -> String {
    format!("agency-{}", base::hex(&base::sha256(id.as_bytes())[..6]))
}

fn same_name(known: &str, given: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(known) == plain(given)
}

/// The same request with pages in the other language.
fn other_language(query: &HashMap<String, String>, english: bool) -> String {
    let mut address = String::from("/authorize");
    let mut names: Vec<&String> = query.keys().filter(|name| *name != "ui_locales").collect();
    names.sort();
    for name in names {
        address.push(if address.contains('?') { '&' } else { '?' });
        percent_encode(name, &mut address);
        address.push('=');
        percent_encode(&query[name], &mut address);
    }
    address + if english { "&ui_locales=ko" } else { "&ui_locales=en" }
}

fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn page(status: StatusCode, html: String) -> Response {
    (status, Html(html)).into_response()
}

/// The answer to a form whose sign-in is not there: too old, finished, or begun in another browser.
fn lost() -> Response {
    page(StatusCode::BAD_REQUEST, pages::fault(Words::of(false), Fault::Lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_regard_to_spaces_and_case() {
        assert!(same_name("Kris249 Kuhic920", " kris249  KUHIC920 "));
        assert!(!same_name("김민준", "김민주"));
    }

    #[test]
    fn parameters_are_encoded() {
        let mut out = String::new();
        percent_encode("a b&한", &mut out);
        assert_eq!(out, "a%20b%26%ED%95%9C");
    }
}
