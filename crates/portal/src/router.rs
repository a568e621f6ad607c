//! The table of contents: every address of the portal and what answers there.

use crate::pages::{
    access, account, assets, audit_events, help, home, institutions, issue, language, notices, passkey, people, prove,
    questions, records, review, second_step, sign_in, staff, status, verify, visit, watch, watch_case,
};
use crate::{Portal, security, visitor};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::time::Duration;
use tower_http::timeout::TimeoutLayer;

/// Longest wait for an ordinary page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a document that is made or checked, its upload included.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(180);
/// Of a file beyond the limit, so many times the limit are read and dropped: a browser shows no answer before it has sent
/// everything, and the person would not learn why.
const UPLOAD_READ_TIMES: usize = 4;

/// The portal's pages. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so that the journal and the
/// throttle know where a request came from.
pub fn router(portal: Portal) -> Router {
    let pages = Router::new()
        .route("/", get(home::show))
        .route("/institutions", get(institutions::search))
        .route("/institutions/{code}", get(institutions::show))
        .route("/sign-in", get(sign_in::show))
        .route("/sign-in/start", get(sign_in::start))
        .route("/sign-in/return", get(sign_in::finish))
        .route("/sign-in/second-step", get(second_step::show).post(second_step::check))
        .route("/sign-out", post(sign_in::leave))
        .route("/records", get(records::show).post(records::filter))
        .route("/records/visit/{id}", get(visit::show))
        .route("/access", get(access::show))
        .route("/access/audit-events.ndjson", get(audit_events::download))
        .route("/verify/{number}", get(verify::number))
        .route("/account", get(account::show))
        .route("/account/end-others", post(account::end_others))
        .route("/status", get(status::show))
        .route("/help", get(help::help))
        .route("/privacy", get(help::privacy))
        .route("/language", get(language::switch))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/mark.svg", get(assets::mark))
        .route("/assets/passkey.js", get(assets::passkey))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE_TIMEOUT));
    let pages = pages.merge(identity_pages()).merge(watch_pages());
    let upload_bytes = portal.config().limits.verify_bytes.saturating_mul(UPLOAD_READ_TIMES);
    let documents = Router::new()
        .route("/records/issue", get(issue::back).post(issue::issue))
        .route("/verify", get(verify::show).post(verify::upload).layer(DefaultBodyLimit::max(upload_bytes)))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DOCUMENT_TIMEOUT));
    pages
        .merge(documents)
        .layer(DefaultBodyLimit::max(portal.config().limits.request_bytes))
        .layer(from_fn_with_state(portal.clone(), security::refuse_foreign))
        .layer(from_fn_with_state(portal.clone(), visitor::receive))
        .layer(from_fn_with_state(portal.clone(), security::headers))
        .with_state(portal)
}

/// Passkeys, and staff.
fn identity_pages() -> Router<Portal> {
    Router::new()
        .route("/sign-in/passkey", get(passkey::show).post(passkey::check))
        .route("/account/sessions", get(account::show))
        .route("/account/end", post(account::end))
        .route("/account/notices", get(notices::show))
        .route("/account/prove", get(prove::show).post(prove::check))
        .route("/account/passkeys", get(passkey::list))
        .route("/account/passkeys/add", get(passkey::add).post(passkey::added))
        .route("/account/passkeys/remove", post(passkey::remove))
        .route("/staff", get(staff::home))
        .route("/staff/sign-in", get(staff::show).post(staff::sign_in))
        .route("/staff/enrol/{token}", get(staff::enrol).post(staff::enrolled))
        .route("/staff/people", get(people::list))
        .route("/staff/people/invite", post(people::invite))
        .route("/staff/people/invite-again", post(people::invite_again))
        .route("/staff/people/off-board", post(people::off_board))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE_TIMEOUT))
}

/// What the watch over accesses found, and questions about it.
fn watch_pages() -> Router<Portal> {
    Router::new()
        .route("/staff/watch", get(watch::list))
        .route("/staff/watch/live", get(watch::live))
        .route("/staff/watch/events", get(watch::events))
        .route("/staff/watch/case/{id}", get(watch_case::show).post(watch_case::act))
        .route("/staff/watch/review", get(review::newest))
        .route("/staff/watch/review/{month}", get(review::show).post(review::sign))
        .route("/staff/questions", get(questions::show))
        .route("/staff/questions/{id}", post(questions::answer))
        .route("/assets/watch.js", get(assets::watch))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE_TIMEOUT))
}
