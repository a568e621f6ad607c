//! The authenticator app of a person who is signed in: one that is set up, another in its place, and its end. Staff have none.

use crate::cookies;
use crate::error::{PageError, form_page, page};
use crate::fields::PersonForm;
use crate::frame::{Faults, Frame};
use crate::pages::passkey::fault_of;
use crate::pages::second_step::Picture;
use crate::texts::Locale;
use crate::visitor::Person;
use askama::Template;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::{Redacted, Timestamp};
use identity::{IdentityError, SESSION_COOKIE, TotpEnrolment};
use std::sync::Arc;

/// The page of the app, and the one where one is set up.
const APP: &str = "/account/app";
const NEW: &str = "/account/app/new";

#[derive(Template)]
#[template(path = "app.html")]
pub(crate) struct AppPage {
    frame: Frame,
    csrf: String,
    said: Option<String>,
    fault: Option<String>,
    /// When it was set up, where there is one.
    since: Option<String>,
    /// Whether it can go: a passkey is left.
    may_remove: bool,
}

impl AppPage {
    fn new(frame: Frame, csrf: String, since: Option<Timestamp>, may_remove: bool) -> Self {
        let t = frame.t;
        let since = since.map(|since| t.t1("app-since", "date", t.moment(since)));
        Self { frame, csrf, said: None, fault: None, since, may_remove }
    }

    pub fn samples(locale: Locale) -> [(&'static str, Self); 3] {
        let frame = || Frame::sample(locale, "app-title", "account", APP, true);
        let sample = |since, may_remove| Self::new(frame(), "sample-token".to_owned(), since, may_remove);
        let since = Timestamp::from_second(1_795_330_000).ok();
        let fault = Some(locale.texts().t("passkey-fault-last"));
        let said = Some(locale.texts().t("app-removed"));
        [
            ("app", sample(since, true)),
            ("app-alone", Self { fault, ..sample(since, false) }),
            ("app-none", Self { said, ..sample(None, true) }),
        ]
    }
}

#[derive(Template)]
#[template(path = "app_new.html")]
pub(crate) struct NewAppPage {
    frame: Frame,
    csrf: String,
    lead: String,
    picture: Picture,
    faults: Faults,
}

impl NewAppPage {
    fn new(
        mut frame: Frame,
        csrf: String,
        replaces: bool,
        enrolment: &TotpEnrolment,
        faults: Faults,
    ) -> Result<Self, PageError> {
        if !faults.is_empty() {
            frame = frame.faulty();
        }
        let lead = frame.t.t(if replaces { "app-replace-lead" } else { "app-new-lead" });
        Ok(Self { csrf, lead, picture: Picture::of(enrolment)?, faults, frame })
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "enrol-title", "account", NEW, true);
        let faults = Faults::one("code", frame.t.t("second-wrong"));
        let enrolment = TotpEnrolment {
            secret_text: Redacted::new("JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".to_owned()),
            uri: Redacted::new("otpauth://totp/sample:sample?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()),
        };
        Self::new(frame, "sample-token".to_owned(), true, &enrolment, faults).expect("it can be drawn")
    }
}

/// `GET /account/app`
pub(crate) async fn show(person: Person) -> Result<Response, PageError> {
    let said = person.visitor.portal.places().with(person.session.id, |place| place.said.take());
    shown(&person, said, None).await
}

async fn shown(person: &Person, said: Option<&str>, fault: Option<String>) -> Result<Response, PageError> {
    let session = Arc::clone(&person.session);
    let reading = person.visitor.portal.blocking(move |portal| {
        let identity = portal.identity();
        Ok((identity.totp_since(&session)?, identity.passkeys(&session)?.iter().any(|passkey| !passkey.suspect)))
    });
    let (since, may_remove) = reading.await?;
    let frame = person.visitor.frame("app-title", "account");
    let said = said.map(|key| frame.t.t(key));
    page(&AppPage { said, fault, ..AppPage::new(frame, person.csrf(), since, may_remove) })
}

/// `GET /account/app/new`
pub(crate) async fn begin(person: Person) -> Result<Response, PageError> {
    beginning(&person, Faults::default()).await
}

/// What the session sets up: the same until it is confirmed, so that what was scanned stays good.
async fn beginning(person: &Person, faults: Faults) -> Result<Response, PageError> {
    let session = Arc::clone(&person.session);
    let asking = person.visitor.portal.blocking(move |portal| Ok(portal.identity().totp_enrol(&session)));
    let enrolment = match asking.await? {
        Err(IdentityError::TotpEnrolled) => return Ok(person.visitor.prove_first(NEW)),
        enrolment => enrolment?,
    };
    let frame = person.visitor.frame("enrol-title", "account");
    let (replaces, is_faulty) = (person.session.second_factor.has_totp(), !faults.is_empty());
    form_page(&NewAppPage::new(frame, person.csrf(), replaces, &enrolment, faults)?, is_faulty)
}

/// `POST /account/app/new`
pub(crate) async fn set_up(form: PersonForm) -> Result<Response, PageError> {
    let PersonForm { person, fields } = form;
    let (session, code) = (Arc::clone(&person.session), Redacted::new(fields.text("code").to_owned()));
    let confirming =
        person.visitor.portal.blocking(move |portal| Ok(portal.identity().totp_confirm(&session, code.expose())));
    match confirming.await? {
        Ok(token) => {
            let said = if person.session.second_factor.has_totp() { "app-replaced" } else { "app-connected" };
            person.visitor.portal.places().with(person.session.id, |place| place.said = Some(said));
            let cookie = cookies::until_closed(SESSION_COOKIE, token.cookie_value());
            Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(APP)).into_response())
        }
        Err(IdentityError::TotpEnrolled) => Ok(person.visitor.prove_first(NEW)),
        Err(IdentityError::TotpWrong { .. }) => {
            let faults = Faults::one("code", person.visitor.t().t("second-wrong"));
            beginning(&person, faults).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/app/remove`: one that is gone already is gone.
pub(crate) async fn remove(form: PersonForm) -> Result<Response, PageError> {
    let PersonForm { person, .. } = form;
    let session = Arc::clone(&person.session);
    let removing = person.visitor.portal.blocking(move |portal| Ok(portal.identity().totp_remove(&session)));
    match removing.await? {
        Ok(_) => shown(&person, Some("app-removed"), None).await,
        Err(IdentityError::SecondFactorNeeded) => Ok(person.visitor.prove_first(APP)),
        Err(error) => {
            let fault = fault_of(person.visitor.t(), error)?;
            shown(&person, None, Some(fault)).await
        }
    }
}
