//! What somebody is told about their account: sign-ins from new devices, passkeys that came or went.

use crate::error::{PageError, page};
use crate::frame::Frame;
use crate::pages::account::masked;
use crate::pages::passkey::family_words;
use crate::texts::{Locale, Texts};
use crate::visitor::Member;
use askama::Template;
use axum::response::Response;
use base::{Redacted, Timestamp};
use identity::{Notice, NoticeKind};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "notices.html")]
pub(crate) struct NoticesPage {
    frame: Frame,
    notices: Vec<Line>,
}

struct Line {
    title: String,
    at: String,
    from: Option<String>,
    own: bool,
}

impl NoticesPage {
    fn new(frame: Frame, notices: &[Notice]) -> Self {
        let notices = notices.iter().map(|notice| Line::new(frame.t, notice)).collect();
        Self { frame, notices }
    }

    pub fn sample(locale: Locale) -> Self {
        let one = |(kind, _): &(NoticeKind, &str)| Notice {
            kind: kind.name().to_owned(),
            at: Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH),
            family: "samsung/android".to_owned(),
            source: Redacted::new("198.51.100.7".to_owned()),
            own: *kind == NoticeKind::PasskeyAdded,
        };
        let notices: Vec<Notice> = NoticeKind::ALL.iter().map(one).collect();
        Self::new(Frame::sample(locale, "notices-title", "account", "/account/notices", true), &notices)
    }

    pub fn sample_none(locale: Locale) -> Self {
        Self::new(Frame::sample(locale, "notices-title", "account", "/account/notices", true), &[])
    }
}

impl Line {
    fn new(t: &Texts, notice: &Notice) -> Self {
        let key = format!("notice-{}", notice.kind);
        let from = (!notice.family.is_empty()).then(|| {
            let device = family_words(t, &notice.family);
            t.t2("notice-from", ("device", device), ("source", masked(notice.source.expose())))
        });
        Self {
            title: if t.has(&key) { t.t(&key) } else { notice.kind.clone() },
            at: t.moment(notice.at),
            from,
            own: notice.own,
        }
    }
}

/// `GET /account/notices`: from here on they count as read.
pub(crate) async fn show(member: Member) -> Result<Response, PageError> {
    let session = Arc::clone(&member.session);
    let notices = member.visitor.portal.blocking(move |portal| Ok(portal.identity().notices(&session)?)).await?;
    let mut frame = member.visitor.frame("notices-title", "account");
    if let Some(bar) = &mut frame.signed_in {
        bar.notices = 0;
    }
    page(&NoticesPage::new(frame, &notices))
}
