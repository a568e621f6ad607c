//! One visit: what it holds, and getting it as a PDF.

use crate::Portal;
use crate::error::{PageError, page};
use crate::frame::{Choice, Frame};
use crate::pages::records::{
    Card, VISITS, Which, as_patient, entry_title, items, languages, names, refuse_others, sample_listed,
};
use crate::texts::Locale;
use crate::visitor::Person;
use crate::words::day_of;
use archive::{Counted, TimelineQuery, Visit};
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
    doctor: String,
    reason: String,
    /// What it holds besides the documents that are named.
    items: Vec<String>,
    documents: Vec<String>,
}

impl VisitPage {
    fn new(mut frame: Frame, csrf: String, visit: &Visit, names: &BTreeMap<String, String>) -> Self {
        let t = frame.t;
        let card = Card::of_visit(t, visit, names, &BTreeSet::new());
        // Titles stand in the browser's history: where somebody was treated does not.
        frame.title = t.t1("visit-title", "date", card.date.as_str());
        let until: Option<Date> = visit.end.get(..10).and_then(|day| day.parse().ok());
        let until = until.filter(|until| visit.date.map(day_of) != Some(*until)).map(|day| t.day(day));
        let documents: Vec<String> = visit.documents.iter().map(|entry| entry_title(t, entry)).collect();
        let unnamed = visit.counts.documents.saturating_sub(documents.len());
        let items = items(t, &Counted { documents: unnamed, ..visit.counts.clone() });
        Self {
            csrf,
            languages: languages(t),
            visit: card,
            until,
            doctor: visit.doctor.clone(),
            reason: visit.reason.clone(),
            items,
            documents,
            frame,
        }
    }

    pub fn sample(locale: Locale) -> Self {
        let listed = sample_listed();
        let frame = Frame::sample(locale, "records-title", "records", "/records/visit/0", true);
        Self::new(frame, "sample-token".to_owned(), &listed.timeline.visits[1], &listed.names)
    }
}

/// `GET /records/visit/{patient}-{id}`
pub(crate) async fn show(person: Person, Path(which): Path<String>) -> Result<Response, PageError> {
    let which = Which::of(&which).ok_or(PageError::NotFound)?;
    let (actor, own_person) = (person.actor(), person.session.person);
    let reading = person.visitor.portal.blocking(move |portal| {
        refuse_others(portal, &actor, own_person, Action::ReadRecord, &BTreeSet::from([which]))?;
        let request = as_patient(actor, which.patient, Action::ReadRecord);
        let permit = portal.archive().ask(request)?;
        let visit = one_visit(portal, &permit, which.id)?;
        Ok((visit, names(portal, permit.actor().account)?))
    });
    let (visit, names) = reading.await?;
    let frame = person.visitor.frame("records-title", "records");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_says_when_and_not_where() {
        for (locale, title) in
            [(Locale::Korean, "<title>2023년 11월 2일 진료 ·"), (Locale::English, "<title>Visit on 2 November 2023 ·")]
        {
            let html = VisitPage::sample(locale).render().expect("the template renders");
            assert!(html.contains(title), "{html}");
            assert!(!html.split("</title>").next().unwrap_or_default().contains("한빛종합병원"));
        }
    }

    #[test]
    fn korean_words_are_marked_on_english_pages() {
        let html = VisitPage::sample(Locale::English).render().expect("the template renders");
        for marked in ["한빛종합병원", "노뼈 하단의 골절", "넘어져 손목을 다침", "정형외과"] {
            assert!(html.contains(&format!("<span lang=\"ko\">{marked}</span>")), "{marked} in {html}");
        }
        let html = VisitPage::sample(Locale::Korean).render().expect("the template renders");
        assert!(!html.contains("lang=\"ko\">한빛"));
    }
}
