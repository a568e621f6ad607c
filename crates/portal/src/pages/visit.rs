//! One visit: what it holds, and getting it as a PDF. The same page for the person and for whoever may see it on a ground.

use crate::error::{PageError, page};
use crate::frame::{Choice, Frame};
use crate::pages::records::{Card, Which, entry_title, items, languages, names_of, sample_listed};
use crate::standing::{Asker, Basis};
use crate::texts::Locale;
use crate::visitor::{Person, StaffMember};
use crate::words::day_of;
use archive::{Counted, Visit};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use base::Id16;
use jiff::civil::Date;
use policy::{Action, Share};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Template)]
#[template(path = "visit.html")]
pub(crate) struct VisitPage {
    frame: Frame,
    csrf: String,
    /// The list that it stands in, and what leads there.
    list: String,
    back: String,
    /// Whether it is another's, who sees that it was opened.
    is_anothers: bool,
    /// Whether only a part is shared.
    is_part: bool,
    /// Where to ask for it as a PDF, where that can be asked.
    issue: Option<String>,
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

/// What is shown, and how.
struct Shown {
    visit: Visit,
    names: BTreeMap<String, String>,
    share: Share,
    issues: bool,
}

impl VisitPage {
    fn new(mut frame: Frame, csrf: String, basis: Basis, shown: &Shown) -> Self {
        let (t, visit) = (frame.t, &shown.visit);
        let card = Card::of_visit(t, visit, &shown.names, &BTreeSet::new());
        // Titles stand in the browser's history: where somebody was treated does not.
        frame.title = t.t1("visit-title", "date", card.date.as_str());
        let until: Option<Date> = visit.end.get(..10).and_then(|day| day.parse().ok());
        let until = until.filter(|until| visit.date.map(day_of) != Some(*until)).map(|day| t.day(day));
        let documents: Vec<String> = visit.documents.iter().map(|entry| entry_title(t, entry)).collect();
        let unnamed = visit.counts.documents.saturating_sub(documents.len());
        let items = items(t, &Counted { documents: unnamed, ..visit.counts.clone() });
        let is_anothers = basis != Basis::Own;
        Self {
            csrf,
            list: basis.list(),
            back: t.t(if is_anothers { "granted-back-list" } else { "visit-back" }),
            is_anothers,
            is_part: shown.share != Share::Whole,
            issue: shown.issues.then(|| basis.issue()),
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

    fn sample_of(locale: Locale, basis: Basis, share: Share, issues: bool) -> Self {
        let mut listed = sample_listed();
        let frame = Frame::sample(locale, "records-title", "records", &format!("{}/visit/0", basis.list()), true);
        let shown = Shown { visit: listed.timeline.visits.swap_remove(1), names: listed.names, share, issues };
        Self::new(frame, "sample-token".to_owned(), basis, &shown)
    }

    pub fn sample(locale: Locale) -> Self {
        Self::sample_of(locale, Basis::Own, Share::Whole, true)
    }

    pub fn sample_granted(locale: Locale) -> Self {
        Self::sample_of(locale, Basis::Acting(Id16::default()), Share::none(), false)
    }
}

async fn shown(asker: Asker, which: &str) -> Result<Response, PageError> {
    let which = Which::of(which).ok_or(PageError::NotFound)?;
    let (frame, csrf, basis) = (asker.frame("records-title"), asker.csrf(), asker.basis);
    let portal = asker.visitor.portal.clone();
    let reading = portal.blocking(move |portal| {
        let standing = asker.standing(portal)?;
        standing.refuse_others(portal, Action::ReadRecord, &BTreeSet::from([which]))?;
        let permit = portal.archive().ask(standing.request_of(which.patient, Action::ReadRecord))?;
        let visit = portal.archive().one_visit(&permit, which.id)?.ok_or(PageError::Denied)?;
        let names = names_of(portal, std::iter::once(&visit.institution))?;
        Ok(Shown { visit, names, share: permit.share().clone(), issues: standing.issues(portal) })
    });
    page(&VisitPage::new(frame, csrf, basis, &reading.await?))
}

/// `GET /records/visit/{patient}-{id}`
pub(crate) async fn show(person: Person, Path(which): Path<String>) -> Result<Response, PageError> {
    shown(Asker::own(person), &which).await
}

/// `GET /acting/{ground}/visit/{patient}-{id}`
pub(crate) async fn acting(
    person: Person,
    Path((ground, which)): Path<(String, String)>,
) -> Result<Response, PageError> {
    shown(Asker::acting(person, &ground)?, &which).await
}

/// `GET /staff/records/{ground}/visit/{patient}-{id}`
pub(crate) async fn staff(
    staff: StaffMember,
    Path((ground, which)): Path<(String, String)>,
) -> Result<Response, PageError> {
    shown(Asker::staff(staff, &ground)?, &which).await
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
