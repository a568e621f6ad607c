//! Watchfulness: rules over the access log as it grows, the cases that come of them, and the monthly review.
//!
//! [`Rules`] is a machine without I/O: an entry, the facts about it and what is remembered go in, findings with their
//! explanation come out. [`Watch`] is the handle and [`Reader`] what a thread steps: it takes new entries in order, puts them to
//! the rules, and writes findings, cases and how far it came in one transaction.
//!
//! ```text
//! Watch::new(store, Arc<Door>) -> Watch
//!
//! watching   reader() -> Reader     Reader::step() -> Step{ entries, findings, more }
//!            mark(subject, Flag)    works_at(account, person, institution)    forget_staff(account)    is_own(account, subject)
//!            set_hours(institution, weekday, Hours)
//! marks      marks(&Permit) -> Marks    mark_patient(&Permit, &NamedPatient, Flag, reason)    unmark_as(&Permit, subject, Flag, reason)
//! cases      cases(&Permit, &CaseQuery) -> Vec<Case>             case(&Permit, id) -> CaseFile
//!            assign  ask  remark  close  fulfil                  changes(&Permit, after) -> (newest, Vec<Case>)
//!            questions(&Permit) -> Vec<Question>                 answer(&Permit, id, text)
//!            unknown(&Permit) -> Unknown                        person_known_as(institution, number)
//! alerts     untold() -> Vec<NewCase>   told(id)                 delivered(destination, fault)   deliveries()
//! review     review(&Permit, month) -> Review                    sign_review(&Permit, month, note)
//! FHIR       audit_event(&LoggedAccess, program) -> AuditEvent
//! ```
//!
//! Architecture invariants: rules do no I/O and keep a bounded memory; a finding is there once, whatever is read twice; no
//! name and nothing clinical stands in findings, cases or alerts; whoever opens a case is journalled like anybody who looks;
//! nobody handles a case about themselves; SQL stands in `tables` only.

mod audit_event;
mod cases;
mod error;
mod facts;
mod finding;
mod marks;
mod params;
mod review;
mod rule;
mod rules;
mod source;
mod tables;
mod unknown;
mod watch;
mod window;

pub use audit_event::audit_event;
pub use cases::{
    CASES_MAX, Case, CaseFile, CaseQuery, Delivery, Done, Due, ENTRIES_MAX, Found, Question, TEXT_MAX, Which,
};
pub use error::WatchError;
pub use facts::{Device, Facts, Gap, Hours, Overdue, Reason, Shifts, Source};
pub use finding::{Finding, Message};
pub use marks::{MARKS_MAX, Mark, Marks};
pub use params::{Duty, Params};
pub use review::{Accesses, Findings, Review, Signed};
pub use rule::{Outcome, Rule, Severity};
pub use rules::{Rules, reason_of};
pub use unknown::Unknown;
pub use watch::{Flag, NewCase, Reader, Step, Watch};
