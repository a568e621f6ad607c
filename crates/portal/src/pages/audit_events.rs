//! Who looked at one's records, as a file: FHIR AuditEvents, one a line. The same entries as the page of accesses.

use crate::Portal;
use crate::error::PageError;
use crate::fields::Asked;
use crate::pages::access::Numbered;
use crate::pages::records::own;
use crate::places;
use crate::visitor::Person;
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use policy::{Action, Request};
use serde_json::json;
use store::{ACCESS_PAGE_MAX, AccessCursor, AccessPage};
use watch::audit_event;

/// Where the files are.
const PATH: &str = "/access/audit-events.ndjson";
/// The form of lines of JSON that FHIR's bulk exports have.
const KIND: &str = "application/fhir+ndjson; charset=utf-8";

/// `GET /access/audit-events.ndjson?page=`: a whole log leaves, so whoever takes it gave the second factor just now. A log that does
/// not end within one file says in its last line where the next one is.
pub(crate) async fn download(person: Person, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let Query(numbered) = numbered.unwrap_or_default();
    if !person.session.is_fresh {
        return Ok(person.visitor.prove_first(&address(numbered.page)));
    }
    let places = person.visitor.portal.places();
    let after = places::beginning(&places.of(person.session.id).file_pages, numbered.page);
    // Where the next one begins is known in the session in which the one before was taken.
    let number = numbered.page.max(1);
    if number > 1 && after.is_none() {
        return Err(PageError::NotFound);
    }
    let _turn = person.visitor.portal.turn_to_issue(person.session.account).await?;
    let request = own(person.actor(), person.session.person, Action::ReadAccessLog);
    let (lines, next) = person.visitor.portal.blocking(move |portal| lines(portal, request, after, number)).await?;
    places.with(person.session.id, |place| places::remember(&mut place.file_pages, number, next));
    let name = if number > 1 { format!("audit-events-{number}.ndjson") } else { "audit-events.ndjson".to_owned() };
    let name = format!("attachment; filename=\"{name}\"");
    Ok(([(header::CONTENT_TYPE, KIND.to_owned()), (header::CONTENT_DISPOSITION, name)], lines).into_response())
}

fn address(number: usize) -> String {
    if number > 1 { format!("{PATH}?page={number}") } else { PATH.to_owned() }
}

/// A file's lines, and where the next file begins.
fn lines(
    portal: &Portal,
    request: Request,
    after: Option<AccessCursor>,
    number: usize,
) -> Result<(String, Option<AccessCursor>), PageError> {
    let permit = portal.archive().ask(request)?;
    let (program, most) = (portal.config().public_url.as_str(), portal.config().audit_events_max);
    let (mut lines, mut count) = (String::new(), 0);
    let mut page = AccessPage { limit: ACCESS_PAGE_MAX.min(most), after };
    loop {
        let log = portal.archive().store().access_log(&permit, &page)?;
        for logged in &log.entries {
            lines.push_str(&audit_event(logged, program).to_string());
            lines.push('\n');
        }
        count += log.entries.len();
        page.after = log.next;
        if page.after.is_none() {
            return Ok((lines, None));
        }
        if count >= most {
            let next = address(number + 1);
            let issue = json!({
                "severity": "warning",
                "code": "incomplete",
                "diagnostics": format!("there are accesses before these {count}: {program}{next} has them in this session"),
            });
            lines.push_str(&json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string());
            lines.push('\n');
            return Ok((lines, page.after));
        }
    }
}
