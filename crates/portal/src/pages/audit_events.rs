//! Who looked at one's records, as a file: FHIR AuditEvents, one a line. The same entries as the page of accesses.

use crate::Portal;
use crate::error::PageError;
use crate::pages::records::own;
use crate::visitor::Person;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use policy::{Action, Request};
use serde_json::json;
use store::{ACCESS_PAGE_MAX, AccessPage};
use watch::audit_event;

/// Most entries in one file; one that goes on says so in its last line.
const EVENTS_MAX: usize = 100_000;
/// The form of lines of JSON that FHIR's bulk exports have.
const KIND: &str = "application/fhir+ndjson; charset=utf-8";

/// `GET /access/audit-events.ndjson`: a whole log leaves, so whoever takes it gave the second factor just now.
pub(crate) async fn download(person: Person) -> Result<Response, PageError> {
    if !person.session.is_fresh {
        return Ok(person.visitor.prove_first("/access/audit-events.ndjson"));
    }
    let request = own(person.actor(), person.session.person, Action::ReadAccessLog);
    let lines = person.visitor.portal.blocking(move |portal| lines(portal, request)).await?;
    let name = "attachment; filename=\"audit-events.ndjson\"";
    Ok(([(header::CONTENT_TYPE, KIND), (header::CONTENT_DISPOSITION, name)], lines).into_response())
}

fn lines(portal: &Portal, request: Request) -> Result<String, PageError> {
    let permit = portal.archive().ask(request)?;
    let program = portal.config().public_url.as_str();
    let (mut lines, mut count) = (String::new(), 0);
    let mut page = AccessPage { limit: ACCESS_PAGE_MAX, after: None };
    loop {
        let log = portal.archive().store().access_log(&permit, &page)?;
        for logged in &log.entries {
            lines.push_str(&audit_event(logged, program).to_string());
            lines.push('\n');
        }
        count += log.entries.len();
        page.after = log.next;
        if page.after.is_none() {
            return Ok(lines);
        }
        if count >= EVENTS_MAX {
            let issue = json!({
                "severity": "warning",
                "code": "incomplete",
                "diagnostics": format!("the newest {count} accesses; there are older ones, which the page of accesses shows")
            });
            lines.push_str(&json!({"resourceType": "OperationOutcome", "issue": [issue]}).to_string());
            lines.push('\n');
            return Ok(lines);
        }
    }
}
