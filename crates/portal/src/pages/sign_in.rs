//! Sign-in at the identity agency: there, back, and out again. The second factor is in `second_step`.

use crate::cookies;
use crate::error::{PageError, SignInFault, page};
use crate::fields::{Asked, SessionForm};
use crate::frame::Frame;
use crate::texts::Locale;
use crate::visitor::Visitor;
use crate::words::{escaped, is_path_here};
use askama::Template;
use axum::extract::Query;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::Redacted;
use identity::{DEVICE_COOKIE, DEVICE_S, SESSION_COOKIE, SIGN_IN_COOKIE, SIGN_IN_S};
use serde::Deserialize;

/// Where to go after sign-in, unless something else was asked for.
pub(crate) const HOME: &str = "/records";

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage {
    frame: Frame,
    /// Address that begins the sign-in.
    start: String,
}

impl SignInPage {
    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "sign-in-title", "sign-in", "/sign-in", false);
        Self { frame, start: "/sign-in/start".to_owned() }
    }
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Onward {
    to: String,
}

impl Onward {
    fn path(&self) -> Option<&str> {
        Some(self.to.as_str()).filter(|path| is_path_here(path) && !path.starts_with("/sign-"))
    }
}

/// What the agency sends back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    code: String,
    state: String,
    error: String,
}

/// `GET /sign-in?to=`
pub(crate) async fn show(visitor: Visitor, onward: Asked<Onward>) -> Result<Response, PageError> {
    let Query(onward) = onward.unwrap_or_default();
    let to = onward.path();
    if visitor.person().is_ok() {
        return Ok(Redirect::to(to.unwrap_or(HOME)).into_response());
    }
    let start = to.map_or_else(|| "/sign-in/start".to_owned(), |to| format!("/sign-in/start?to={}", escaped(to)));
    page(&SignInPage { frame: visitor.frame("sign-in-title", "sign-in"), start })
}

/// `GET /sign-in/start?to=`
pub(crate) async fn start(visitor: Visitor, onward: Asked<Onward>) -> Result<Response, PageError> {
    let Query(onward) = onward.unwrap_or_default();
    let to = onward.path().unwrap_or(HOME).to_owned();
    let locale = visitor.locale.tag();
    let begin = visitor.portal.blocking(move |portal| Ok(portal.identity().begin(locale, &to)?)).await?;
    let cookie = cookies::for_seconds(SIGN_IN_COOKIE, begin.cookie.expose(), SIGN_IN_S);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(begin.redirect_url.expose())).into_response())
}

/// `GET /sign-in/return?code=&state=`: the agency sends people here. Where it goes on, nothing of this stands in the address.
pub(crate) async fn finish(visitor: Visitor, request: axum::http::HeaderMap, answer: Asked<Answer>) -> Response {
    let Query(answer) = answer.unwrap_or_default();
    let done = AppendHeaders([(header::SET_COOKIE, cookies::removed(SIGN_IN_COOKIE))]);
    match finished(&visitor, &request, answer).await {
        Ok((token, device)) => {
            let session = AppendHeaders([(header::SET_COOKIE, cookies::until_closed(SESSION_COOKIE, &token))]);
            let device = device.map(|device| cookies::for_seconds(DEVICE_COOKIE, device.expose(), DEVICE_S));
            let device = device.map(|cookie| AppendHeaders([(header::SET_COOKIE, cookie)]));
            (done, session, device, Redirect::to("/sign-in/second-step")).into_response()
        }
        Err(error) => (done, error).into_response(),
    }
}

/// The session's token, and what the device is to be known by where it is not yet.
async fn finished(
    visitor: &Visitor,
    headers: &axum::http::HeaderMap,
    answer: Answer,
) -> Result<(String, Option<Redacted<String>>), PageError> {
    if !answer.error.is_empty() {
        return Err(PageError::SignIn(SignInFault::Cancelled));
    }
    let cookie = cookies::read(headers, SIGN_IN_COOKIE).ok_or(PageError::SignIn(SignInFault::Forged))?.to_owned();
    let (client, former) = (visitor.client(), visitor.token().map(ToOwned::to_owned));
    let signed_in = visitor.portal.blocking(move |portal| {
        let signed_in = portal.identity().finish(&cookie, &answer.code, &answer.state, client)?;
        // The browser's former session would be out of reach from here on.
        if let Some(former) = former {
            portal.identity().sign_out(&former)?;
        }
        Ok(signed_in)
    });
    let signed_in = signed_in.await?;
    let return_to = Some(signed_in.return_to).filter(|path| is_path_here(path));
    visitor.portal.places().with(signed_in.session.id, |place| place.return_to = return_to);
    Ok((signed_in.token.cookie_value().to_owned(), signed_in.device))
}

/// `POST /sign-out`
pub(crate) async fn leave(form: SessionForm) -> Result<Response, PageError> {
    let token = form.visitor.token().unwrap_or_default().to_owned();
    form.visitor.portal.places().leave(form.session.id);
    form.visitor.portal.blocking(move |portal| Ok(portal.identity().sign_out(&token)?)).await?;
    let gone = AppendHeaders([(header::SET_COOKIE, cookies::removed(SESSION_COOKIE))]);
    Ok((gone, Redirect::to("/")).into_response())
}
