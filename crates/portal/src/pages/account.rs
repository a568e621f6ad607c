//! One's account: where one is signed in, and ending that elsewhere.

use crate::error::{PageError, page};
use crate::fields::MemberForm;
use crate::frame::Frame;
use crate::pages::passkey::family_words;
use crate::texts::{Locale, Texts};
use crate::visitor::Member;
use askama::Template;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use identity::SessionInfo;
use policy::Assurance;
use std::net::IpAddr;

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
    id: String,
    device: String,
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
            id: session.id.to_string(),
            device: family_words(t, &session.family),
            current: session.current,
            since: t.t1("account-since", "date", t.moment(session.began)),
            last: t.t1("account-last", "date", t.moment(session.seen)),
            from: t.t1("account-from", "source", masked(session.source.expose())),
        }
    }
}

/// An address without its end: enough to tell a place from another, and no more than that.
pub(crate) fn masked(source: &str) -> String {
    match source.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            format!("{first}.{second}.*.*")
        }
        Ok(IpAddr::V6(address)) => {
            let [first, second, third, ..] = address.segments();
            format!("{first:x}:{second:x}:{third:x}:*")
        }
        Err(_) => "?".to_owned(),
    }
}

fn sample_session(current: bool) -> SessionInfo {
    let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    SessionInfo {
        id: Id16::derived(&[if current { "one" } else { "other" }]),
        family: if current { "chrome/windows" } else { "samsung/android" }.to_owned(),
        began: moment(1_795_330_000),
        seen: moment(1_795_340_000),
        source: Redacted::new(if current { "203.0.113.24" } else { "198.51.100.7" }.to_owned()),
        assurance: Assurance::Two,
        current,
    }
}

/// `GET /account`, and the same under `/account/sessions`.
pub(crate) async fn show(member: Member) -> Result<Response, PageError> {
    shown(member, false).await
}

/// `POST /account/end-others`
pub(crate) async fn end_others(form: MemberForm) -> Result<Response, PageError> {
    let session = form.member.session.clone();
    form.member.visitor.portal.blocking(move |portal| Ok(portal.identity().revoke_others(&session)?)).await?;
    shown(form.member, true).await
}

/// `POST /account/end`: one session. One that is over already is over.
pub(crate) async fn end(form: MemberForm) -> Result<Response, PageError> {
    let id: Id16 = form.fields.text("session").parse().map_err(|_| PageError::Bad)?;
    let session = form.member.session.clone();
    form.member.visitor.portal.blocking(move |portal| Ok(portal.identity().revoke(&session, id)?)).await?;
    shown(form.member, true).await
}

async fn shown(member: Member, ended: bool) -> Result<Response, PageError> {
    let session = member.session.clone();
    let sessions = member.visitor.portal.blocking(move |portal| Ok(portal.identity().sessions(&session)?)).await?;
    let frame = member.visitor.frame("account-title", "account");
    page(&AccountPage::new(frame, member.session.name.expose(), member.csrf(), &sessions, ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_end() {
        assert_eq!(masked("203.0.113.24"), "203.0.*.*");
        assert_eq!(masked("2001:db8:1:2::5"), "2001:db8:1:*");
        assert_eq!(masked("unknown"), "?");
    }
}
