//! Getting records as a PDF: everything, what the filter leaves, or what was chosen. The file is made while one waits.

use crate::Portal;
use crate::error::{PageError, faulty_page};
use crate::fields::{Fields, Fresh, PersonForm};
use crate::frame::Faults;
use crate::pages::records::{Around, Which, own, query_of, records_page, refuse_others, span};
use crate::places::Filter;
use crate::texts::Locale;
use crate::visitor::Person;
use crate::words::escaped;
use archive::Selection;
use archive::issue::{IssueError, IssuedPdf, Issuer, TypesetError};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use base::Timestamp;
use policy::{Action, Request};
use std::collections::BTreeSet;

/// Most visits that can be chosen one by one.
const CHOSEN_MAX: usize = 1_000;
/// Visits that are looked up at a time when a filter is taken as the choice.
const BATCH: usize = 200;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    All,
    /// What the filter leaves.
    Filtered,
    Chosen(BTreeSet<Which>),
}

/// `GET /records/issue`: a page loaded again after something was got.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/records")
}

/// `POST /records/issue`
pub(crate) async fn issue(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let wish = wish(&fields)?;
    let locale = Locale::from_tag(fields.text("pdf_language")).unwrap_or(person.visitor.locale);
    if wish == Wish::Chosen(BTreeSet::new()) {
        return nothing_chosen(&person).await;
    }
    let turn = person.visitor.portal.turn_to_issue(person.session.person).await?;
    let filter = person.visitor.portal.places().of(person.session.id).filter;
    let listing = own(person.actor(), person.session.person, Action::ReadTimeline);
    let (actor, own_person) = (person.actor(), person.session.person);
    let request = own(person.actor(), person.session.person, Action::Issue);
    let making = person.visitor.portal.blocking(move |portal| {
        // Held by the work and not by the request: who hangs up does not hand on a turn that is still being used.
        let _turn = turn;
        if let Wish::Chosen(chosen) = &wish {
            // Where one of them is somebody else's, all are refused.
            refuse_others(portal, &actor, own_person, Action::Issue, chosen)?;
        }
        let selection = selection(portal, listing, wish, &filter)?;
        let permit = portal.archive().ask(request)?;
        let issuer = Issuer { name: locale.texts().t("brand"), origin: portal.config().public_url.clone() };
        let language = match locale {
            Locale::Korean => archive::issue::Locale::Ko,
            Locale::English => archive::issue::Locale::En,
        };
        portal.archive().issue(&permit, &selection, language, &issuer).map_err(failed)
    });
    match making.await {
        Ok(pdf) => Ok(download(pdf, locale)),
        Err(PageError::Nothing) => nothing_chosen(&person).await,
        Err(error) => Err(error),
    }
}

fn wish(fields: &Fields) -> Result<Wish, PageError> {
    match fields.text("what") {
        "all" => Ok(Wish::All),
        "period" => Ok(Wish::Filtered),
        "chosen" => {
            let chosen: Option<BTreeSet<Which>> = fields.all("visit").map(Which::of).collect();
            let chosen = chosen.ok_or(PageError::Bad)?;
            if chosen.len() > CHOSEN_MAX { Err(PageError::TooMuch) } else { Ok(Wish::Chosen(chosen)) }
        }
        _ => Err(PageError::Bad),
    }
}

fn selection(portal: &Portal, listing: Request, wish: Wish, filter: &Filter) -> Result<Selection, PageError> {
    Ok(match wish {
        Wish::All => Selection::Whole,
        Wish::Chosen(chosen) => Selection::Records(chosen.into_iter().map(|which| which.id).collect()),
        Wish::Filtered if !filter.is_active() => Selection::Whole,
        Wish::Filtered if filter.institution.is_none() => {
            let (from, before) = span(filter);
            Selection::Period { from: from.unwrap_or(Timestamp::MIN), before: before.unwrap_or(Timestamp::MAX) }
        }
        Wish::Filtered => {
            let permit = portal.archive().ask(listing)?;
            let mut query = query_of(filter, 0, BATCH);
            let mut ids = Vec::new();
            loop {
                let timeline = portal.archive().timeline(&permit, &query)?;
                ids.extend(timeline.visits.iter().map(|visit| visit.key.id));
                ids.extend(timeline.loose.iter().map(|entry| entry.key.id));
                let Some(next) = timeline.next else { break };
                query.skip = next;
            }
            Selection::Records(ids)
        }
    })
}

fn failed(error: IssueError) -> PageError {
    match error {
        IssueError::Nothing => PageError::Nothing,
        IssueError::Archive(error) => error.into(),
        IssueError::Typeset(TypesetError::TooMuch { .. }) => PageError::TooMuch,
        other => {
            tracing::error!(error = %other, "a document cannot be issued");
            PageError::Busy
        }
    }
}

async fn nothing_chosen(person: &Person) -> Result<Response, PageError> {
    let filter = person.visitor.portal.places().of(person.session.id).filter;
    let faults = Faults::one("visits", person.visitor.t().t("records-nothing-chosen"));
    faulty_page(&records_page(person, Around { faults, ..Around::page(1, filter) }).await?)
}

/// The file, to be saved under a name that tells its number and nothing about the person.
fn download(pdf: IssuedPdf, locale: Locale) -> Response {
    let number = pdf.number.to_string();
    let name = locale.texts().t1("issue-file-name", "number", number.as_str());
    let disposition = format!("attachment; filename=\"hanmaru-{number}.pdf\"; filename*=UTF-8''{}.pdf", escaped(&name));
    ([(header::CONTENT_TYPE, "application/pdf".to_owned()), (header::CONTENT_DISPOSITION, disposition)], pdf.bytes)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Id16;

    #[test]
    fn too_long_a_document_has_its_page() {
        let too_long = TypesetError::TooMuch { what: "pages", found: 6_000, limit: 5_000 };
        assert_eq!(failed(too_long.into()), PageError::TooMuch);
        assert_eq!(failed(IssueError::Nothing), PageError::Nothing);
    }

    #[test]
    fn wishes_are_read_from_the_form() {
        let which = Which { patient: Id16::derived(&["p"]), id: Id16::derived(&["a"]) };
        let text = which.to_string();
        assert_eq!(wish(&Fields::of(&[("what", "all")])), Ok(Wish::All));
        assert_eq!(wish(&Fields::of(&[("what", "period")])), Ok(Wish::Filtered));
        let twice = Fields::of(&[("what", "chosen"), ("visit", &text), ("visit", &text)]);
        assert_eq!(wish(&twice), Ok(Wish::Chosen([which].into())));
        assert_eq!(wish(&Fields::of(&[("what", "chosen"), ("visit", "../x")])), Err(PageError::Bad));
        assert_eq!(wish(&Fields::of(&[])), Err(PageError::Bad));
    }
}
