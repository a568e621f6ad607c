//! The second factor: setting up an authenticator on the first visit, its code on later ones.

use crate::attempts::{self, Asker, Wish};
use crate::cookies;
use crate::error::{PageError, faulty_page, page};
use crate::fields::SessionForm;
use crate::frame::{Faults, Frame};
use crate::pages::sign_in::HOME;
use crate::texts::Locale;
use crate::visitor::Visitor;
use archive::issue::Square;
use askama::Template;
use axum::http::{Method, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use base::Redacted;
use identity::{IdentityError, SESSION_COOKIE, SecondFactor, Session, TotpEnrolment};
use policy::Assurance;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "second_step.html")]
pub(crate) struct SecondStepPage {
    frame: Frame,
    lead: String,
    csrf: String,
    /// Set on the first visit.
    enrolment: Option<Picture>,
    /// What to do instead with a passkey.
    passkey: Option<String>,
    /// Whether the letters are asked for that were shown when a reset was asked for.
    word: bool,
    faults: Faults,
}

/// What is scanned or typed into an authenticator.
pub(crate) struct Picture {
    pub square: Square,
    /// The secret for typing.
    pub secret: String,
    /// Opens an authenticator on the phone that shows the page, which cannot scan its own screen.
    pub uri: String,
}

impl SecondStepPage {
    fn new(
        mut frame: Frame,
        session: &Session,
        enrolment: Option<&TotpEnrolment>,
        faults: Faults,
    ) -> Result<Self, PageError> {
        let t = frame.t;
        let word = session.second_factor == SecondFactor::Reset;
        let (title, lead) = match enrolment {
            Some(_) if word => ("enrol-title", "enrol-again-lead"),
            Some(_) => ("enrol-title", "enrol-lead"),
            None => ("second-title", "second-lead"),
        };
        frame.title = t.t(title);
        if !faults.is_empty() {
            frame = frame.faulty();
        }
        let lead = t.t1(lead, "name", session.name.expose().as_str());
        let enrolment = enrolment.map(Picture::of).transpose()?;
        let passkey = match session.second_factor {
            SecondFactor::Missing | SecondFactor::Reset => Some("enrol-passkey"),
            SecondFactor::Either => Some("second-passkey"),
            SecondFactor::Totp | SecondFactor::Passkey | SecondFactor::Suspect => None,
        };
        let passkey = passkey.map(|key| t.t(key));
        Ok(Self { passkey, word, frame, lead, csrf: session.csrf.expose().clone(), enrolment, faults })
    }

    pub fn sample(locale: Locale) -> Self {
        let mut frame = Frame::sample(locale, "second-title", "sign-in", "/sign-in/second-step", false);
        let faults = Faults::one("code", frame.t.t("second-wrong"));
        let lead = frame.t.t1("second-lead", "name", "김하늘");
        frame = frame.faulty();
        Self { frame, lead, csrf: "sample-token".to_owned(), enrolment: None, passkey: None, word: false, faults }
    }

    pub fn sample_enrol(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "enrol-title", "sign-in", "/sign-in/second-step", false);
        let lead = frame.t.t1("enrol-lead", "name", "김하늘");
        let enrolment = TotpEnrolment {
            secret_text: Redacted::new("JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".to_owned()),
            uri: Redacted::new("otpauth://totp/sample:sample?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()),
        };
        let enrolment = Picture::of(&enrolment).ok();
        let passkey = Some(frame.t.t("enrol-passkey"));
        let faults = Faults::default();
        Self { frame, lead, csrf: "sample-token".to_owned(), enrolment, passkey, word: false, faults }
    }

    pub fn sample_again(locale: Locale) -> Self {
        let shown = Self::sample_enrol(locale);
        let lead = shown.frame.t.t1("enrol-again-lead", "name", "김하늘");
        let faults = Faults::one("word", shown.frame.t.t("passkey-fault-word"));
        Self { frame: shown.frame.faulty(), lead, word: true, faults, ..shown }
    }
}

impl Picture {
    pub fn of(enrolment: &TotpEnrolment) -> Result<Self, PageError> {
        let uri = enrolment.uri.expose().clone();
        let square = Square::of(&uri).map_err(|error| {
            tracing::error!(%error, "a QR code cannot be drawn");
            PageError::Busy
        })?;
        Ok(Self { square, secret: enrolment.secret_text.expose().clone(), uri })
    }
}

/// `GET /sign-in/second-step`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    let session = visitor.session()?;
    if session.assurance >= Assurance::Two {
        return Ok(Redirect::to(HOME).into_response());
    }
    if let Some(other) = other_way(&session) {
        return Ok(Redirect::to(other).into_response());
    }
    let enrolment = enrolment(&visitor, &session).await?;
    let frame = visitor.frame("second-title", "sign-in");
    page(&SecondStepPage::new(frame, &session, enrolment.as_ref(), Faults::default())?)
}

/// Where somebody goes on to whom no code helps.
fn other_way(session: &Session) -> Option<&'static str> {
    match session.second_factor {
        SecondFactor::Passkey => Some("/sign-in/passkey"),
        SecondFactor::Suspect => Some("/sign-in/recover"),
        _ => None,
    }
}

/// What a person without a second factor sets up: the session's own until it is confirmed, so that what was scanned stays good.
async fn enrolment(visitor: &Visitor, session: &Arc<Session>) -> Result<Option<TotpEnrolment>, PageError> {
    if !session.second_factor.is_to_enrol() {
        return Ok(None);
    }
    let asking = Arc::clone(session);
    visitor.portal.blocking(move |portal| Ok(Some(portal.identity().totp_enrol(&asking)?))).await
}

/// `POST /sign-in/second-step`
pub(crate) async fn check(form: SessionForm) -> Result<Response, PageError> {
    let SessionForm { visitor, session, fields, .. } = form;
    let (asking, source) = (Arc::clone(&session), visitor.source.clone());
    let (code, word) = (Redacted::new(fields.text("code").to_owned()), Redacted::new(fields.text("word").to_owned()));
    let outcome = visitor.portal.blocking(move |portal| {
        Ok(if asking.second_factor.is_to_enrol() {
            portal.identity().totp_confirm_with(&asking, code.expose(), (word.expose(), &source))
        } else {
            portal.identity().totp_check(&asking, code.expose(), &source)
        })
    });
    let outcome = outcome.await?;
    if let Err(error) = &outcome
        && (!session.second_factor.is_to_enrol() || matches!(error, IdentityError::RecoveryWord))
    {
        note_attempt(&visitor, &session, error).await;
    }
    let (field, fault) = match outcome {
        Ok(token) => {
            let onward = visitor.portal.places().leave(session.id).return_to;
            let cookie = cookies::until_closed(SESSION_COOKIE, token.cookie_value());
            let to = Redirect::to(onward.as_deref().unwrap_or(HOME));
            return Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), to).into_response());
        }
        Err(IdentityError::TotpWrong { .. }) => ("code", "second-wrong"),
        Err(IdentityError::TotpReplayed) => ("code", "second-used"),
        Err(IdentityError::RecoveryWord) => ("word", "passkey-fault-word"),
        Err(error) => return Err(error.into()),
    };
    let enrolment = enrolment(&visitor, &session).await?;
    let faults = Faults::one(field, visitor.t().t(fault));
    let frame = visitor.frame("second-title", "sign-in");
    faulty_page(&SecondStepPage::new(frame, &session, enrolment.as_ref(), faults)?)
}

/// Journals that somebody with one factor did not get further. Whoever is setting up the second one guesses nothing.
pub(crate) async fn note_attempt(visitor: &Visitor, session: &Session, error: &IdentityError) {
    let asker = match error {
        IdentityError::TotpWrong { .. }
        | IdentityError::Passkey { .. }
        | IdentityError::RecoveryWord
        | IdentityError::SessionOver { .. } => Asker::Guessing(session),
        _ => Asker::Half(session),
    };
    let onward = visitor.portal.places().of(session.id).return_to;
    let wish = onward.and_then(|path| Wish::of(&Method::GET, &path)).unwrap_or_else(Wish::timeline);
    attempts::note(&visitor.portal, asker, &visitor.source, wish).await;
}
