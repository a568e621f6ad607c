//! What somebody is told about their account: sign-ins from new devices, passkeys that came or went.

use crate::error::{PageError, page};
use crate::fields::MemberForm;
use crate::frame::Frame;
use crate::pages::account::masked;
use crate::pages::passkey::family_words;
use crate::texts::{Locale, Texts};
use crate::visitor::Member;
use askama::Template;
use axum::response::Response;
use base::{Redacted, Timestamp};
use identity::{Holder, Notice, NoticeKind};
use std::sync::Arc;
use store::Act;

#[derive(Template)]
#[template(path = "notices.html")]
pub(crate) struct NoticesPage {
    frame: Frame,
    csrf: String,
    done: Option<String>,
    /// That somebody asked for the second factors to be reset, and it can still be stopped.
    recovery: Option<String>,
    notices: Vec<Line>,
    /// What to do about something that somebody does not know of, one step after another.
    wrong: Vec<String>,
}

struct Line {
    title: String,
    at: String,
    from: Option<String>,
    own: bool,
}

impl NoticesPage {
    fn new(frame: Frame, csrf: String, whose: Whose, recovery: Option<Timestamp>, notices: &[Notice]) -> Self {
        let t = frame.t;
        let wrong = whose.steps().map(|key| t.t(key)).collect();
        let notices = notices.iter().map(|notice| Line::new(t, notice)).collect();
        let recovery = recovery.map(|at| t.t1("notices-recovery-text", "date", t.moment(at)));
        Self { frame, csrf, done: None, recovery, notices, wrong }
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
        let frame = Frame::sample(locale, "notices-title", "account", "/account/notices", true);
        let asked = Timestamp::from_second(1_795_330_000).ok();
        Self::new(frame, "sample-token".to_owned(), Whose { holder: Holder::Person, has_app: true }, asked, &notices)
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "notices-title", "account", "/account/notices", true);
        let done = Some(frame.t.t("notices-recovery-stopped"));
        let whose = Whose { holder: Holder::Person, has_app: false };
        Self { done, ..Self::new(frame, "sample-token".to_owned(), whose, None, &[]) }
    }
}

/// Whose notices they are, and with what they can prove themselves.
#[derive(Clone, Copy)]
struct Whose {
    holder: Holder,
    has_app: bool,
}

impl Whose {
    /// What to do about something that somebody does not know of. Whoever has no app is not sent to connect one anew.
    fn steps(self) -> impl Iterator<Item = &'static str> {
        let is_staff = self.holder == Holder::Staff;
        let steps = [
            (true, "notices-wrong-devices"),
            (true, "notices-wrong-passkeys"),
            (self.has_app && !is_staff, "notices-wrong-app"),
            (is_staff, "notices-wrong-tell"),
        ];
        steps.into_iter().filter_map(|(is_theirs, key)| is_theirs.then_some(key))
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
    shown(&member, None).await
}

/// `POST /account/notices/object`: stops a reset of the second factors that one did not ask for.
pub(crate) async fn object(form: MemberForm) -> Result<Response, PageError> {
    let MemberForm { member, .. } = form;
    let (session, actor) = (Arc::clone(&member.session), member.session.actor(&member.visitor.source));
    let stopping = member.visitor.portal.blocking(move |portal| {
        let explanation = "whoever has both factors stops a reset that they did not ask for".to_owned();
        let (subject, action, purpose) = (session.account, "refuse-recovery", "own-records");
        let act = Act { actor, subject, action, purpose, explanation, refused: None, count: None };
        portal.archive().store().journal_act(act)?;
        Ok(portal.identity().recovery_object(&session)?)
    });
    let done = stopping.await?.then_some("notices-recovery-stopped");
    shown(&member, done).await
}

async fn shown(member: &Member, done: Option<&str>) -> Result<Response, PageError> {
    let session = Arc::clone(&member.session);
    let reading = member
        .visitor
        .portal
        .blocking(move |portal| Ok((portal.identity().notices(&session)?, portal.identity().recovery_of(&session)?)));
    let (notices, recovery) = reading.await?;
    let mut frame = member.visitor.frame("notices-title", "account");
    if let Some(bar) = &mut frame.signed_in {
        bar.notices = 0;
    }
    let done = done.map(|key| frame.t.t(key));
    let whose = Whose { holder: member.session.holder, has_app: member.session.second_factor.has_totp() };
    page(&NoticesPage { done, ..NoticesPage::new(frame, member.csrf(), whose, recovery, &notices) })
}
