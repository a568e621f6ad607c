//! The table of contents: every address of the portal, who may come to it, and what answers there.

use crate::contents::{Contents, Guard, Route};
use crate::pages::erasures::ERASING;
use crate::pages::oversight::{REVIEWING, WATCHING};
use crate::pages::recovery::RECOVERING;
use crate::pages::staff_access::ASKING;
use crate::pages::{
    access, account, app, assets, audit_events, consents, erasure, erasures, granted, help, home, institutions, issue,
    language, marks, notices, oversight, passkey, people, proof, proofs, prove, questions, records, recovery,
    representatives, review, second_step, sign_in, staff, staff_access, status, verify, visit, watch, watch_case,
};
use crate::{Portal, public_log, rates, security, visitor};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use base::limits::Limits;
use policy::{Action, Role};
use std::time::Duration;

/// Longest wait for an ordinary page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a document that is made or checked, its upload included.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(180);
/// Of a file beyond the limit, so many times the limit are read and dropped: a browser shows no answer before it has sent
/// everything, and the person would not learn why.
const UPLOAD_READ_TIMES: usize = 4;
/// Who gives rights to staff and ends their accounts.
const RIGHTS: Guard = Guard::Role(&[Role::Administrator], Action::ManageRights);
/// Who decides about resetting somebody's second factors.
const RECOVERS: Guard = Guard::Role(RECOVERING, Action::DecideRecovery);

/// Who records the proofs of who may act for a person.
const PROOFS: Guard = Guard::Role(&[Role::Support], Action::RecordProof);

/// The portal's pages. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, so that the journal and the
/// throttle know where a request came from.
pub fn router(portal: Portal) -> Router {
    let limits = &portal.config().limits;
    let (pages, _) = contents(limits).into_parts();
    let pages = pages
        .layer(DefaultBodyLimit::max(limits.request_bytes))
        .layer(from_fn_with_state(portal.clone(), rates::limit))
        .layer(from_fn_with_state(portal.clone(), security::refuse_foreign))
        .layer(from_fn_with_state(portal.clone(), visitor::receive))
        .layer(from_fn_with_state(portal.clone(), security::headers));
    // In this order: the page of an address that there is not is the portal's.
    let (log_files, _) = log_files().into_parts();
    log_files.merge(pages).with_state(portal)
}

/// Every address with who may come to it, in the order of the table.
#[must_use]
pub fn routes() -> Vec<Route> {
    contents(&Limits::default()).and(log_files()).into_parts().1
}

/// What is for programs and not for browsers: it has headers and turns of its own, and knows no session.
fn log_files() -> Contents {
    let checkpoints = Contents::default().get("/log/{log}/checkpoint", Guard::Anyone, public_log::checkpoint);
    checkpoints.get("/log/{log}/tile/{*rest}", Guard::Anyone, public_log::tile)
}

fn contents(limits: &Limits) -> Contents {
    let pages = public_pages().and(sign_in_pages()).and(own_pages()).and(account_pages()).and(staff_pages());
    let pages = pages.and(watch_pages()).and(erasure_pages());
    pages.within(PAGE_TIMEOUT).and(document_pages(limits).within(DOCUMENT_TIMEOUT))
}

fn public_pages() -> Contents {
    Contents::default()
        .get("/", Guard::Anyone, home::show)
        .get("/institutions", Guard::Anyone, institutions::search)
        .get("/institutions/{code}", Guard::Anyone, institutions::show)
        .get("/verify/{number}", Guard::Anyone, verify::number)
        .get("/status", Guard::Anyone, status::show)
        .get("/help", Guard::Anyone, help::help)
        .get("/privacy", Guard::Anyone, help::privacy)
        .get("/language", Guard::Anyone, language::switch)
        .get("/assets/style.css", Guard::Anyone, assets::style)
        .get("/assets/mark.svg", Guard::Anyone, assets::mark)
        .get("/assets/passkey.js", Guard::Anyone, assets::passkey)
        .get("/assets/watch.js", Guard::Anyone, assets::watch)
}

fn sign_in_pages() -> Contents {
    Contents::default()
        .get("/sign-in", Guard::Anyone, sign_in::show)
        .get("/sign-in/start", Guard::Anyone, sign_in::start)
        .get("/sign-in/return", Guard::Anyone, sign_in::finish)
        .get("/sign-in/second-step", Guard::Session, second_step::show)
        .post("/sign-in/second-step", Guard::Session, second_step::check)
        .get("/sign-in/passkey", Guard::Session, passkey::show)
        .post("/sign-in/passkey", Guard::Session, passkey::check)
        .get("/sign-in/recover", Guard::Session, recovery::show)
        .post("/sign-in/recover", Guard::Session, recovery::ask)
        .post("/sign-out", Guard::Session, sign_in::leave)
        .get("/staff/sign-in", Guard::Anyone, staff::show)
        .post("/staff/sign-in", Guard::Anyone, staff::sign_in)
        .get("/staff/enrol/{token}", Guard::Anyone, staff::enrol)
        .post("/staff/enrol/{token}", Guard::Anyone, staff::enrolled)
}

fn own_pages() -> Contents {
    Contents::default()
        .get("/records", Guard::Own(Action::ReadTimeline), records::show)
        .post("/records", Guard::Own(Action::ReadTimeline), records::filter)
        .get("/records/visit/{id}", Guard::Own(Action::ReadRecord), visit::show)
        .get("/access", Guard::Own(Action::ReadAccessLog), access::show)
        .get("/access/audit-events.ndjson", Guard::Own(Action::ReadAccessLog), audit_events::download)
        .get("/consents", Guard::Own(Action::ManageConsent), consents::show)
        .get("/consents/{consent}", Guard::Own(Action::ManageConsent), consents::edit)
        .post("/consents/give", Guard::Own(Action::ManageConsent), consents::give)
        .post("/consents/change", Guard::Own(Action::ManageConsent), consents::change)
        .post("/consents/withdraw", Guard::Own(Action::ManageConsent), consents::withdraw)
        .get("/representatives", Guard::Own(Action::Appoint), representatives::show)
        .post("/representatives/appoint", Guard::Own(Action::Appoint), representatives::appoint)
        .post("/representatives/end", Guard::Own(Action::Appoint), representatives::end)
        .get("/acting/{ground}", Guard::Acting(Action::ReadTimeline), granted::acting)
        .get("/acting/{ground}/visit/{id}", Guard::Acting(Action::ReadRecord), visit::acting)
}

fn account_pages() -> Contents {
    Contents::default()
        .get("/account", Guard::Member, account::show)
        .get("/account/sessions", Guard::Member, account::show)
        .post("/account/end-others", Guard::Member, account::end_others)
        .post("/account/end", Guard::Member, account::end)
        .get("/account/notices", Guard::Member, notices::show)
        .post("/account/notices/object", Guard::Member, notices::object)
        .get("/account/prove", Guard::Member, prove::show)
        .post("/account/prove", Guard::Member, prove::check)
        .get("/account/passkeys", Guard::Member, passkey::list)
        .get("/account/passkeys/add", Guard::Member, passkey::add)
        .post("/account/passkeys/add", Guard::Member, passkey::added)
        .post("/account/passkeys/remove", Guard::Member, passkey::remove)
        .get("/account/app", Guard::Person, app::show)
        .get("/account/app/new", Guard::Person, app::begin)
        .post("/account/app/new", Guard::Person, app::set_up)
        .post("/account/app/remove", Guard::Person, app::remove)
}

fn staff_pages() -> Contents {
    Contents::default()
        .get("/staff", Guard::Staff, staff::home)
        .get("/staff/access", Guard::Staff, staff_access::show)
        .post("/staff/access/ask", Guard::Role(ASKING, Action::AskGround), staff_access::ask)
        .post("/staff/access/break", Guard::Role(&[Role::Clinician], Action::BreakGlass), staff_access::break_glass)
        .post("/staff/access/close", Guard::Role(ASKING, Action::AskGround), staff_access::close)
        .post("/staff/access/seen", Guard::Staff, staff_access::seen)
        .get("/staff/records/{ground}", Guard::Role(ASKING, Action::ReadTimeline), granted::staff)
        .get("/staff/representatives", PROOFS, proofs::show)
        .post("/staff/representatives", PROOFS, proofs::find)
        .post("/staff/representatives/record", PROOFS, proofs::record)
        .post("/staff/representatives/end", PROOFS, proofs::end)
        .get("/staff/records/{ground}/visit/{id}", Guard::Role(ASKING, Action::ReadRecord), visit::staff)
        .get("/staff/grounds", Guard::Role(WATCHING, Action::Oversee), oversight::grounds)
        .post("/staff/grounds/confirm", Guard::Role(&[Role::Steward], Action::ConfirmGround), oversight::confirm)
        .post("/staff/grounds/close", Guard::Role(&[Role::Steward], Action::ConfirmGround), oversight::close)
        .get("/staff/reviews", Guard::Role(REVIEWING, Action::Oversee), oversight::reviews)
        .post("/staff/reviews/close", Guard::Role(&[Role::SecurityOfficer], Action::ReviewGlass), oversight::review)
        .get("/staff/people", RIGHTS, people::list)
        .post("/staff/people/invite", RIGHTS, people::invite)
        .post("/staff/people/invite-again", RIGHTS, people::invite_again)
        .post("/staff/people/confirm", RIGHTS, people::confirm)
        .post("/staff/people/give", RIGHTS, people::give)
        .post("/staff/people/take", RIGHTS, people::take)
        .post("/staff/people/off-board", RIGHTS, people::off_board)
        .post("/staff/people/recover", RIGHTS, recovery::ask_for)
        .get("/staff/recovery", RECOVERS, recovery::form)
        .post("/staff/recovery", RECOVERS, recovery::find)
        .post("/staff/recovery/approve", RECOVERS, recovery::approve)
        .post("/staff/recovery/refuse", RECOVERS, recovery::refuse)
}

/// What the watch over accesses found, and questions about it.
fn watch_pages() -> Contents {
    const CASES: Guard = Guard::Role(&[Role::SecurityOfficer], Action::HandleCases);
    const MARKS: Guard = Guard::Role(&[Role::SecurityOfficer], Action::MarkRecords);
    const SEES: Guard = Guard::Role(&[Role::SecurityOfficer, Role::Auditor], Action::SeeCases);
    Contents::default()
        .get("/staff/watch", SEES, watch::list)
        .get("/staff/watch/live", SEES, watch::live)
        .get("/staff/watch/events", SEES, watch::events)
        .get("/staff/watch/marks", MARKS, marks::show)
        .post("/staff/watch/marks/set", MARKS, marks::set)
        .post("/staff/watch/marks/take", MARKS, marks::take)
        .get("/staff/watch/case/{id}", SEES, watch_case::show)
        .post("/staff/watch/case/{id}", CASES, watch_case::act)
        .get("/staff/watch/review", CASES, review::newest)
        .get("/staff/watch/review/{month}", CASES, review::show)
        .post("/staff/watch/review/{month}", CASES, review::sign)
        .get("/staff/questions", Guard::Staff, questions::show)
        .post("/staff/questions/{id}", Guard::Staff, questions::answer)
}

/// Erasures by law, which two others approve.
fn erasure_pages() -> Contents {
    const ERASES: Guard = Guard::Role(ERASING, Action::HandleErasures);
    Contents::default()
        .get("/staff/erasures", ERASES, erasures::list)
        .post("/staff/erasures/look", ERASES, erasures::look)
        .post("/staff/erasures/ask", ERASES, erasures::ask)
        .get("/staff/erasures/{id}", ERASES, erasure::show)
        .post("/staff/erasures/{id}/approve", ERASES, erasure::approve)
        .post("/staff/erasures/{id}/withdraw", ERASES, erasure::withdraw)
        .get("/staff/erasures/{id}/certificate", ERASES, erasure::certified)
        .get("/staff/erasures/{id}/certificate.json", ERASES, erasure::file)
}

/// Documents that are made or checked, which takes longer.
fn document_pages(limits: &Limits) -> Contents {
    let upload_bytes = limits.verify_bytes.saturating_mul(UPLOAD_READ_TIMES);
    Contents::default()
        .get("/records/issue", Guard::Anyone, issue::back)
        .post("/records/issue", Guard::Own(Action::Issue), issue::issue)
        .post("/acting/{ground}", Guard::Acting(Action::Issue), issue::acting)
        .post("/staff/records/{ground}", Guard::Role(&[Role::Support], Action::Issue), issue::staff)
        .get("/verify", Guard::Anyone, verify::show)
        .upload("/verify", Guard::Anyone, verify::upload, upload_bytes)
        .get("/verify/proof", Guard::Anyone, proof::back)
        .post("/verify/proof", Guard::Anyone, proof::make)
}
