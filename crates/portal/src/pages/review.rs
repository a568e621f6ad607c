//! The monthly review of accesses: figures, and the signature of a security officer.

use crate::error::{PageError, form_page};
use crate::fields::{Fields, StaffForm};
use crate::frame::{Faults, Frame};
use crate::pages::watch::{officer, permit, sample_unknown, unknown_text};
use crate::pages::watch_case::{short, word};
use crate::texts::Locale;
use crate::visitor::StaffMember;
use crate::words::day_of;
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use policy::Action;
use watch::{Accesses, Findings, Outcome, Review, Rule, Signed, WatchError};

#[derive(Template)]
#[template(path = "review.html")]
pub(crate) struct ReviewPage {
    frame: Frame,
    csrf: String,
    heading: String,
    faults: Faults,
    /// What was sent, where it is to be mended.
    filled: Fields,
    month: String,
    earlier: Option<String>,
    accesses: Figures,
    findings: Figures,
    unreasoned: String,
    unknown: Option<String>,
    is_over: bool,
    signed: Option<String>,
    is_changed: bool,
    note: String,
}

/// A table of figures. On a narrow screen each stands under its own heading.
struct Figures {
    headings: Vec<String>,
    rows: Vec<Row>,
}

/// What a row is about, where, and its figures, as many as there are headings.
struct Row {
    name: String,
    institution: String,
    figures: Vec<u64>,
}

impl ReviewPage {
    fn new(frame: Frame, csrf: String, review: &Review) -> Self {
        let t = frame.t;
        let place = |code: &String| if code.is_empty() { "–".to_owned() } else { code.clone() };
        let accesses = |one: &Accesses| Row {
            name: word(t, "role", &one.role),
            institution: place(&one.institution),
            figures: vec![one.granted, one.denied, one.exports],
        };
        let findings = |one: &Findings| Row {
            name: word(t, "watch-rule", &one.rule),
            institution: place(&one.institution),
            figures: [one.findings, one.open].into_iter().chain(one.closed).collect(),
        };
        let outcomes = Outcome::ALL.iter().map(|one| t.t(&format!("watch-outcome-{}", one.name())));
        let signed = review.signed.as_ref();
        let told = |signed: &Signed| {
            t.tn("review-signed", &[("time", &t.moment(signed.at)), ("number", &short(signed.account))])
        };
        Self {
            csrf,
            heading: t.t1("review-title", "month", review.month.as_str()),
            faults: Faults::default(),
            filled: Fields::default(),
            earlier: earlier(&review.month).map(|month| format!("/staff/watch/review/{month}")),
            month: review.month.clone(),
            accesses: Figures {
                headings: ["review-granted", "review-denied", "review-exports"].map(|key| t.t(key)).to_vec(),
                rows: review.accesses.iter().map(accesses).collect(),
            },
            findings: Figures {
                headings: ["review-count", "review-open"].map(|key| t.t(key)).into_iter().chain(outcomes).collect(),
                rows: review.findings.iter().map(findings).collect(),
            },
            unreasoned: t.t1("review-unreasoned", "count", review.exports_without_reason.to_string()),
            unknown: unknown_text(t, &review.unknown),
            is_over: review.is_over,
            signed: signed.map(told),
            is_changed: signed.is_some_and(|signed| !signed.is_same),
            note: signed.map(|signed| signed.note.expose().clone()).unwrap_or_default(),
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        Self::new(frame_of(locale), "sample-token".to_owned(), &sample_review(None))
    }

    pub fn sample_signed(locale: Locale) -> Self {
        let at = Timestamp::from_second(1_796_000_000).unwrap_or_default();
        let note = Redacted::new("내보내기 1건의 까닭을 확인했습니다.".to_owned());
        let signed = Signed { account: Id16([9; 16]), at, note, is_same: false };
        Self::new(frame_of(locale), "sample-token".to_owned(), &sample_review(Some(signed)))
    }
}

fn frame_of(locale: Locale) -> Frame {
    let mut frame = Frame::sample(locale, "nav-review", "review", "/staff/watch/review/2026-11", true);
    frame.title = frame.t.t1("review-title", "month", "2026-11");
    frame
}

fn sample_review(signed: Option<Signed>) -> Review {
    let accesses = |role: &str, institution: &str, granted, denied, exports| Accesses {
        role: role.to_owned(),
        institution: institution.to_owned(),
        granted,
        denied,
        exports,
    };
    let findings = |rule: Rule, findings, open, closed| Findings {
        rule: rule.name().to_owned(),
        institution: "31100001".to_owned(),
        findings,
        open,
        closed,
    };
    Review {
        month: "2026-11".to_owned(),
        accesses: vec![accesses("patient", "", 1_204, 31, 210), accesses("depositor", "31100001", 88, 0, 0)],
        findings: vec![
            findings(Rule::OffHours, 12, 2, [9, 1, 0]),
            findings(Rule::ExportWithoutReason, 1, 0, [0, 1, 0]),
        ],
        exports_without_reason: 1,
        unknown: sample_unknown(),
        is_over: true,
        signed,
    }
}

/// The month before another.
fn earlier(month: &str) -> Option<String> {
    let first: Date = format!("{month}-01").parse().ok()?;
    let before = first.checked_sub(1.month()).ok()?;
    Some(before.strftime("%Y-%m").to_string())
}

/// `GET /staff/watch/review`: the month before this one.
pub(crate) async fn newest(staff: StaffMember) -> Result<Response, PageError> {
    let now = staff.visitor.portal.archive().clock().now();
    let this = day_of(now).strftime("%Y-%m").to_string();
    let month = earlier(&this).ok_or(PageError::NotFound)?;
    Ok(Redirect::to(&format!("/staff/watch/review/{month}")).into_response())
}

/// `GET /staff/watch/review/{month}`
pub(crate) async fn show(staff: StaffMember, Path(month): Path<String>) -> Result<Response, PageError> {
    shown(&staff, &month, Faults::default(), Fields::default()).await
}

async fn shown(staff: &StaffMember, month: &str, faults: Faults, filled: Fields) -> Result<Response, PageError> {
    let (actor, of) = (officer(staff), month.to_owned());
    let review = staff.visitor.portal.blocking(move |portal| {
        let permit = permit(portal, actor, Action::HandleCases)?;
        Ok(portal.watch()?.review(&permit, &of)?)
    });
    let review = review.await?;
    let mut frame = staff.visitor.frame("nav-review", "review");
    frame.title = frame.t.t1("review-title", "month", review.month.as_str());
    let is_faulty = !faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    form_page(&ReviewPage { faults, filled, ..ReviewPage::new(frame, staff.csrf(), &review) }, is_faulty)
}

/// `POST /staff/watch/review/{month}`
pub(crate) async fn sign(Path(month): Path<String>, form: StaffForm) -> Result<Response, PageError> {
    let StaffForm { staff, fields } = form;
    let (actor, note, of) = (officer(&staff), fields.text("note").to_owned(), month.clone());
    let signing = staff.visitor.portal.blocking(move |portal| {
        let permit = permit(portal, actor, Action::HandleCases)?;
        Ok(portal.watch()?.sign_review(&permit, &of, &note))
    });
    match signing.await? {
        Ok(()) => {}
        Err(WatchError::Text { .. }) => {
            let faults = Faults::one("note", staff.visitor.t().t("watch-fault-text"));
            return shown(&staff, &month, faults, fields).await;
        }
        Err(error) => return Err(error.into()),
    }
    // The month was read as one, so it may stand in an address.
    Ok(Redirect::to(&format!("/staff/watch/review/{month}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_before_january_is_of_the_year_before() {
        assert_eq!(earlier("2027-01").as_deref(), Some("2026-12"));
        assert_eq!(earlier("x"), None);
    }
}
