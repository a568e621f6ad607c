//! One's account: where one is signed in, and ending that elsewhere.

use crate::error::{PageError, page};
use crate::fields::PersonForm;
use crate::frame::Frame;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use askama::Template;
use axum::response::Response;
use base::{Redacted, Timestamp};
use identity::SessionInfo;
use policy::Assurance;

#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage {
    frame: Frame,
    name: String,
    csrf: String,
    /// Said after other sessions were ended.
    ended: bool,
    sessions: Vec<Line>,
    others: bool,
}

/// One session.
struct Line {
    current: bool,
    since: String,
    last: String,
    from: String,
}

impl AccountPage {
    fn new(frame: Frame, name: &str, csrf: String, sessions: &[SessionInfo], ended: bool) -> Self {
        let t = frame.t;
        let name = t.t1("account-name", "name", name);
        let others = sessions.iter().any(|session| !session.current);
        Self { frame, name, csrf, ended, sessions: sessions.iter().map(|one| Line::new(t, one)).collect(), others }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "account-title", "account", "/account", true);
        Self::new(frame, "김하늘", "sample-token".to_owned(), &[sample_session(true), sample_session(false)], false)
    }

    pub fn sample_ended(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "account-title", "account", "/account", true);
        Self::new(frame, "김하늘", "sample-token".to_owned(), &[sample_session(true)], true)
    }
}

impl Line {
    fn new(t: &'static Texts, session: &SessionInfo) -> Self {
        Self {
            current: session.current,
            since: t.t1("account-since", "date", t.moment(session.began)),
            last: t.t1("account-last", "date", t.moment(session.seen)),
            from: t.t1("account-from", "source", session.source.expose().as_str()),
        }
    }
}

fn sample_session(current: bool) -> SessionInfo {
    let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    SessionInfo {
        id: base::Id16::default(),
        began: moment(1_795_330_000),
        seen: moment(1_795_340_000),
        source: Redacted::new(if current { "203.0.113.24" } else { "198.51.100.7" }.to_owned()),
        assurance: Assurance::Two,
        current,
    }
}

/// `GET /account`
pub(crate) async fn show(person: Person) -> Result<Response, PageError> {
    shown(person, false).await
}

/// `POST /account/end-others`
pub(crate) async fn end_others(form: PersonForm) -> Result<Response, PageError> {
    let session = form.person.session.clone();
    form.person.visitor.portal.blocking(move |portal| Ok(portal.identity().revoke_others(&session)?)).await?;
    shown(form.person, true).await
}

async fn shown(person: Person, ended: bool) -> Result<Response, PageError> {
    let session = person.session.clone();
    let sessions = person.visitor.portal.blocking(move |portal| Ok(portal.identity().sessions(&session)?)).await?;
    let frame = person.visitor.frame("account-title", "account");
    page(&AccountPage::new(frame, person.session.name.expose(), person.csrf(), &sessions, ended))
}
