//! What a member of staff is asked about records they looked at, and their answers.

use crate::Portal;
use crate::error::{PageError, form_page};
use crate::fields::StaffForm;
use crate::frame::{Fault, Faults, Frame};
use crate::pages::watch::permit;
use crate::pages::watch_case::{Step, Told};
use crate::texts::Locale;
use crate::visitor::StaffMember;
use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Actor, Role};
use watch::{Done, Found, Question, WatchError};

#[derive(Template)]
#[template(path = "questions.html")]
pub(crate) struct QuestionsPage {
    frame: Frame,
    csrf: String,
    questions: Vec<Asked>,
    faults: Faults,
}

/// One question in words.
struct Asked {
    incident: String,
    found: Vec<Told>,
    done: Vec<Step>,
    is_waiting: bool,
    /// The answer that was sent, where it is to be mended.
    typed: String,
}

impl QuestionsPage {
    fn new(frame: Frame, csrf: String, me: Id16, questions: &[Question], typed: Option<&(Id16, String)>) -> Self {
        let t = frame.t;
        let asked = |question: &Question| Asked {
            incident: question.incident.to_string(),
            found: question.found.iter().map(|found| Told::new(t, found)).collect(),
            done: question.done.iter().map(|done| Step::new(t, done, me, None)).collect(),
            is_waiting: question.is_waiting,
            typed: typed.filter(|(id, _)| *id == question.incident).map(|(_, text)| text.clone()).unwrap_or_default(),
        };
        Self { csrf, questions: questions.iter().map(asked).collect(), faults: Faults::default(), frame }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "questions-title", "questions", "/staff/questions", true);
        let time = Timestamp::from_second(1_795_340_000).unwrap_or_default();
        let done = |kind: &str, account: u8, text: &str| Done {
            at: time,
            account: Id16([account; 16]),
            kind: kind.to_owned(),
            text: Redacted::new(text.to_owned()),
        };
        let values = [("role", "clinician"), ("action", "read-record"), ("time", "22:10")];
        let found = Found {
            time,
            role: "clinician".to_owned(),
            institution: "31100001".to_owned(),
            message: "watch-finding-off-hours".to_owned(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            edition: "2026-11".to_owned(),
        };
        let ask = done("ask", 9, "밤에 기록을 보신 까닭을 알려 주세요.");
        let answer = done("answer", 7, "응급실에서 연락을 받았습니다.");
        let question = |number: u8, waits: bool, done: Vec<Done>| Question {
            incident: Id16([number; 16]),
            found: vec![found.clone()],
            done,
            is_waiting: waits,
        };
        let questions = [question(1, true, vec![ask.clone()]), question(2, false, vec![ask, answer])];
        Self::new(frame, "sample-token".to_owned(), Id16([7; 16]), &questions, None)
    }

    pub fn sample_none(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "questions-title", "questions", "/staff/questions", true);
        Self::new(frame, "sample-token".to_owned(), Id16([7; 16]), &[], None)
    }
}

/// The member of staff in a role that they hold and that is asked questions. The door says whether they may.
fn asked(portal: &Portal, staff: &StaffMember) -> Result<Actor, PageError> {
    let facts = portal.archive().store().facts(staff.session.account)?;
    let held = facts.holds.iter().next().copied();
    let other = if facts.operator { Role::Operator } else { Role::Depositor };
    Ok(staff.session.actor_as(held.unwrap_or(other), &staff.visitor.source))
}

/// `GET /staff/questions`
pub(crate) async fn show(staff: StaffMember) -> Result<Response, PageError> {
    shown(staff, None, None).await
}

async fn shown(staff: StaffMember, fault: Option<Fault>, typed: Option<(Id16, String)>) -> Result<Response, PageError> {
    let portal = staff.visitor.portal.clone();
    let (csrf, me) = (staff.csrf(), staff.session.account);
    let mut frame = staff.visitor.frame("questions-title", "questions");
    let questions = portal.blocking(move |portal| {
        let permit = permit(portal, asked(portal, &staff)?, Action::AnswerQuestion)?;
        Ok(portal.watch()?.questions(&permit)?)
    });
    let questions = questions.await?;
    let is_faulty = fault.is_some();
    if is_faulty {
        frame = frame.faulty();
    }
    let whole = QuestionsPage::new(frame, csrf, me, &questions, typed.as_ref());
    form_page(&QuestionsPage { faults: Faults(fault.into_iter().collect()), ..whole }, is_faulty)
}

/// `POST /staff/questions/{id}`
pub(crate) async fn answer(Path(id): Path<String>, form: StaffForm) -> Result<Response, PageError> {
    let incident: Id16 = id.parse().map_err(|_| PageError::NotFound)?;
    let StaffForm { staff, fields } = form;
    let (text, typed) = (fields.text("text").to_owned(), fields.text("text").to_owned());
    let portal = staff.visitor.portal.clone();
    let (staff, answered) = portal
        .blocking(move |portal| {
            let permit = permit(portal, asked(portal, &staff)?, Action::AnswerQuestion)?;
            Ok((staff, portal.watch()?.answer(&permit, incident, &text)))
        })
        .await?;
    let key = match answered {
        Ok(()) => return Ok(Redirect::to("/staff/questions").into_response()),
        Err(WatchError::Text { .. }) => "watch-fault-text",
        Err(WatchError::NoCase) => "watch-fault-gone",
        Err(error) => return Err(error.into()),
    };
    let text = staff.visitor.t().t(key);
    shown(staff, Some(Fault { field: "questions", text }), Some((incident, typed))).await
}
