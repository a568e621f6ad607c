//! One visit: what it holds, and getting it as a PDF.

use crate::Portal;
use crate::error::{PageError, page};
use crate::frame::{Choice, Frame};
use crate::pages::records::{Card, VISITS, Which, as_patient, entry_title, languages, names, sample_listed};
use crate::texts::Locale;
use crate::visitor::Person;
use crate::words::day_of;
use archive::{TimelineQuery, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use base::Id16;
use jiff::civil::Date;
use policy::{Action, Permit};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Template)]
#[template(path = "visit.html")]
pub(crate) struct VisitPage {
    frame: Frame,
    csrf: String,
    languages: Vec<Choice>,
    visit: Card,
    /// The last day, where it is another than the first.
    until: Option<String>,
    reason: String,
    documents: Vec<String>,
}

impl VisitPage {
    fn new(mut frame: Frame, csrf: String, visit: &Visit, names: &BTreeMap<String, String>) -> Self {
        let t = frame.t;
        let card = Card::of_visit(t, visit, names, &BTreeSet::new());
        frame.title = t.tn("records-visit-at", &[("institution", &card.institution)]);
        let until: Option<Date> = visit.end.get(..10).and_then(|day| day.parse().ok());
        let until = until.filter(|until| visit.date.map(day_of) != Some(*until)).map(|day| t.day(day));
        let documents = visit.documents.iter().map(|entry| entry_title(t, entry)).collect();
        Self { csrf, languages: languages(t), visit: card, until, reason: visit.reason.clone(), documents, frame }
    }

    pub fn sample(locale: Locale) -> Self {
        let listed = sample_listed();
        let frame = Frame::sample(locale, "visit-title", "records", "/records/visit/0", true);
        Self::new(frame, "sample-token".to_owned(), &listed.timeline.visits[1], &listed.names)
    }
}

/// `GET /records/visit/{patient}-{id}`
pub(crate) async fn show(person: Person, Path(which): Path<String>) -> Result<Response, PageError> {
    let which = Which::of(&which).ok_or(PageError::NotFound)?;
    let request = as_patient(person.actor(), which.patient, Action::ReadRecord);
    let reading = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(request)?;
        let visit = one_visit(portal, &permit, which.id)?;
        Ok((visit, names(portal, permit.actor().account)?))
    });
    let (visit, names) = reading.await?;
    let frame = person.visitor.frame("visit-title", "records");
    page(&VisitPage::new(frame, person.csrf(), &visit, &names))
}

/// One visit within the permit. One that is not there is refused like another person's.
fn one_visit(portal: &Portal, permit: &Permit, id: Id16) -> Result<Visit, PageError> {
    let query = store::Query { ids: vec![id], types: vec!["Encounter".to_owned()], ..store::Query::default() };
    let found = portal.archive().store().search(permit, &query)?;
    let Some(head) = found.heads.into_iter().next() else {
        // Whose it is finds the attempt among those who looked, whatever the address said.
        portal.archive().refuse_beyond(permit, &[id])?;
        return Err(PageError::Denied);
    };
    let before = head.date.and_then(|date| date.checked_add(jiff::SignedDuration::from_micros(1)).ok());
    let mut query =
        TimelineQuery { from: head.date, before, institution: Some(head.institution), skip: 0, limit: VISITS };
    loop {
        let timeline = portal.archive().timeline(permit, &query)?;
        if let Some(visit) = timeline.visits.into_iter().find(|visit| visit.key.id == id) {
            return Ok(visit);
        }
        query.skip = timeline.next.ok_or(PageError::Denied)?;
    }
}
