//! Getting records as a PDF: everything, what the filter leaves, or what was chosen. The file is made while one waits. The person
//! gets their own, and whoever acts for them or handles their request what their ground reaches.

use crate::Portal;
use crate::error::{PageError, faulty_page};
use crate::fields::{Fields, Fresh, PersonForm, StaffForm};
use crate::frame::Faults;
use crate::pages::granted::granted_page;
use crate::pages::records::{Around, Which, query_of, records_page, span};
use crate::places::Filter;
use crate::standing::{Asker, Basis};
use crate::texts::Locale;
use crate::visitor::Person;
use crate::words::escaped;
use archive::Selection;
use archive::issue::{IssueError, IssuedPdf, Issuer, TypesetError};
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use base::Timestamp;
use policy::{Action, Request};
use std::collections::BTreeSet;
use std::sync::Arc;

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
pub(crate) async fn issue(Fresh(PersonForm { person, fields }): Fresh<PersonForm>) -> Result<Response, PageError> {
    issued(Asker::own(person), &fields).await
}

/// `POST /acting/{ground}`
pub(crate) async fn acting(
    Path(ground): Path<String>,
    Fresh(PersonForm { person, fields }): Fresh<PersonForm>,
) -> Result<Response, PageError> {
    issued(Asker::acting(person, &ground)?, &fields).await
}

/// `POST /staff/records/{ground}`
pub(crate) async fn staff(
    Path(ground): Path<String>,
    Fresh(StaffForm { staff, fields }): Fresh<StaffForm>,
) -> Result<Response, PageError> {
    issued(Asker::staff(staff, &ground)?, &fields).await
}

async fn issued(asker: Asker, fields: &Fields) -> Result<Response, PageError> {
    let wish = wish(fields, asker.basis)?;
    let locale = Locale::from_tag(fields.text("pdf_language")).unwrap_or(asker.visitor.locale);
    if wish == Wish::Chosen(BTreeSet::new()) {
        return nothing_chosen(&asker).await;
    }
    let turn = asker.visitor.portal.turn_to_issue(asker.session.account).await?;
    let filter = asker.visitor.portal.places().of(asker.session.id).filter;
    let work = asker.clone();
    let making = asker.visitor.portal.blocking(move |portal| {
        // Held by the work and not by the request: who hangs up does not hand on a turn that is still being used.
        let _turn = turn;
        let standing = work.standing(portal)?;
        if let Wish::Chosen(chosen) = &wish {
            // Where one of them is somebody else's, all are refused.
            standing.refuse_others(portal, Action::Issue, chosen)?;
        }
        let selection = selection(portal, standing.request(Action::ReadTimeline), wish, &filter)?;
        let permit = portal.archive().ask(standing.request(Action::Issue))?;
        let issuer = Issuer { name: locale.texts().t("brand"), origin: portal.config().public_url.clone() };
        let language = match locale {
            Locale::Korean => archive::issue::Locale::Ko,
            Locale::English => archive::issue::Locale::En,
        };
        portal.archive().issue(&permit, &selection, language, &issuer).map_err(failed)
    });
    match making.await {
        Ok(pdf) => Ok(download(pdf, locale)),
        Err(PageError::Nothing) => nothing_chosen(&asker).await,
        Err(error) => Err(error),
    }
}

fn wish(fields: &Fields, basis: Basis) -> Result<Wish, PageError> {
    match fields.text("what") {
        "all" => Ok(Wish::All),
        // Of others' records there is no filter.
        "period" if basis == Basis::Own => Ok(Wish::Filtered),
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

async fn nothing_chosen(asker: &Asker) -> Result<Response, PageError> {
    let faults = Faults::one("visits", asker.visitor.t().t("records-nothing-chosen"));
    if asker.basis != Basis::Own {
        return faulty_page(&granted_page(asker, 1, faults).await?);
    }
    let person = Person { visitor: asker.visitor.clone(), session: Arc::clone(&asker.session) };
    let filter = asker.visitor.portal.places().of(asker.session.id).filter;
    faulty_page(&records_page(&person, Around { faults, ..Around::page(1, filter) }).await?)
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
        let read = |fields: &[(&str, &str)]| wish(&Fields::of(fields), Basis::Own);
        assert_eq!(read(&[("what", "all")]), Ok(Wish::All));
        assert_eq!(read(&[("what", "period")]), Ok(Wish::Filtered));
        let another = wish(&Fields::of(&[("what", "period")]), Basis::Staff(which.id));
        assert_eq!(another, Err(PageError::Bad), "the filter is of one's own records");
        let twice = [("what", "chosen"), ("visit", &*text), ("visit", &*text)];
        assert_eq!(read(&twice), Ok(Wish::Chosen([which].into())));
        assert_eq!(read(&[("what", "chosen"), ("visit", "../x")]), Err(PageError::Bad));
        assert_eq!(read(&[]), Err(PageError::Bad));
    }
}
