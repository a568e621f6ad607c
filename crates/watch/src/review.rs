//! The monthly review of the access log: counts, findings and how their cases ended, and who signed it off.

use crate::cases::TEXT_MAX;
use crate::error::WatchError;
use crate::params::Params;
use crate::rule::{Outcome, Rule};
use crate::tables::review as sql;
use crate::unknown::Unknown;
use crate::watch::Watch;
use base::{Id16, Redacted, Timestamp};
use identity::sealed;
use jiff::ToSpan as _;
use jiff::civil::Date;
use policy::{Action, Permit};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use store::StoreError;

const LABEL: &str = "watch-review";

/// The review of one month. Counts only; nothing about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The month: `2026-11`.
    pub month: String,
    /// Accesses.
    pub accesses: Vec<Accesses>,
    /// Findings.
    pub findings: Vec<Findings>,
    /// Exports for which nobody gave a reason.
    pub exports_without_reason: u64,
    /// What the watch is not told today, whatever the month: nobody signs that.
    pub unknown: Unknown,
    /// Whether the month is over.
    pub is_over: bool,
    /// Who signed it off, and when.
    pub signed: Option<Signed>,
}

/// Accesses in one role at one institution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accesses {
    /// The role.
    pub role: String,
    /// The institution's code; empty where none is known.
    pub institution: String,
    /// How many were granted.
    pub granted: u64,
    /// How many were denied.
    pub denied: u64,
    /// How many took records out.
    pub exports: u64,
}

/// Findings of one rule at one institution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Name of the rule.
    pub rule: String,
    /// The institution's code; empty where none is known.
    pub institution: String,
    /// How many.
    pub findings: u64,
    /// Cases that are open.
    pub open: u64,
    /// Cases by outcome: justified, mistake, breach.
    pub closed: [u64; 3],
}

/// A signature under a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who.
    pub account: Id16,
    /// When.
    pub at: Timestamp,
    /// What they noted.
    pub note: Redacted<String>,
    /// Whether the figures are those that were signed. Cases that were open may have been closed since.
    pub is_same: bool,
}

impl Watch {
    /// The review of a month. Takes a permit to handle cases; journalled.
    ///
    /// # Errors
    /// [`WatchError::Month`], [`WatchError::Store`].
    pub fn review(&self, permit: &Permit, month: &str) -> Result<Review, WatchError> {
        check(permit, &[Action::HandleCases, Action::ReadStatus])?;
        self.inner.store.note_use(permit, permit.actor().account, "review")?;
        Ok(Review { unknown: self.unknown(permit)?, ..self.figures(month)? })
    }

    /// Signs the review of a month that is over off, once. Takes a permit to handle cases; journalled.
    ///
    /// # Errors
    /// [`WatchError::Month`], [`WatchError::Text`], [`WatchError::Store`].
    pub fn sign_review(&self, permit: &Permit, month: &str, note: &str) -> Result<(), WatchError> {
        check(permit, &[Action::HandleCases])?;
        let review = self.figures(month)?;
        let fault = |reason| Err(WatchError::Month { month: month.to_owned(), reason });
        if !review.is_over {
            return fault("it is not over");
        }
        let found = note.chars().count();
        if found > TEXT_MAX {
            return Err(WatchError::Text { found, limit: TEXT_MAX });
        }
        let account = permit.actor().account;
        self.inner.store.note_use(permit, account, "review-signed")?;
        let note =
            sealed::seal(&self.inner.secret, LABEL, month.as_bytes(), note.trim().as_bytes(), &*self.inner.random);
        let (digest, signed_us) = (review.digest(), self.inner.clock.now().as_microsecond());
        let month_text = month.to_owned();
        let write = move |t: &rusqlite::Transaction<'_>| sql::sign(t, &month_text, account, signed_us, digest, &note);
        if self.tables().write("a review signed off", write)? { Ok(()) } else { fault("it was signed off before") }
    }

    fn figures(&self, month: &str) -> Result<Review, WatchError> {
        let (from, before) =
            span(month).ok_or(WatchError::Month { month: month.to_owned(), reason: "write it as 2026-11" })?;
        let read = |connection: &rusqlite::Connection| {
            Ok((
                sql::counts(connection, month)?,
                sql::found(connection, from.as_microsecond(), before.as_microsecond())?,
                sql::review(connection, month)?,
            ))
        };
        let (counts, found, signed) = self.tables().read("the review of a month", read)?;
        let exports = &Params::at(from).exports;
        let mut review = Review {
            month: month.to_owned(),
            accesses: accesses(counts, |action| exports.contains(action)),
            exports_without_reason: found
                .iter()
                .filter(|row| row.rule == Rule::ExportWithoutReason.name())
                .map(|row| row.findings)
                .sum(),
            findings: findings(found),
            unknown: Unknown::default(),
            is_over: self.inner.clock.now() >= before,
            signed: None,
        };
        let digest = review.digest();
        review.signed = signed.map(|row| {
            let note = sealed::open(&self.inner.secret, LABEL, month.as_bytes(), &row.note);
            let note = note.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| "�".to_owned());
            let is_same = row.digest == digest;
            Signed { account: row.account, at: row.signed, note: Redacted::new(note), is_same }
        });
        Ok(review)
    }
}

impl Review {
    /// What a signature is about: every figure.
    fn digest(&self) -> [u8; 32] {
        let mut text = format!("review {}\n", self.month);
        for one in &self.accesses {
            let _ = writeln!(text, "{} {} {} {} {}", one.role, one.institution, one.granted, one.denied, one.exports);
        }
        for one in &self.findings {
            let _ = writeln!(text, "{} {} {} {} {:?}", one.rule, one.institution, one.findings, one.open, one.closed);
        }
        base::sha256(text.as_bytes())
    }
}

fn accesses(rows: Vec<sql::CountRow>, is_export: impl Fn(&str) -> bool) -> Vec<Accesses> {
    let mut sums: BTreeMap<(String, String), Accesses> = BTreeMap::new();
    for row in rows {
        let key = (row.role.clone(), row.institution.clone());
        let sum = sums.entry(key).or_insert_with(|| Accesses {
            role: row.role.clone(),
            institution: row.institution.clone(),
            granted: 0,
            denied: 0,
            exports: 0,
        });
        if row.denied {
            sum.denied += row.accesses;
        } else {
            sum.granted += row.accesses;
            sum.exports += if is_export(&row.action) { row.accesses } else { 0 };
        }
    }
    sums.into_values().collect()
}

fn findings(rows: Vec<sql::FoundRow>) -> Vec<Findings> {
    let mut sums: BTreeMap<(String, String), Findings> = BTreeMap::new();
    for row in rows {
        let key = (row.rule.clone(), row.institution.clone());
        let sum = sums.entry(key).or_insert_with(|| Findings {
            rule: row.rule.clone(),
            institution: row.institution.clone(),
            findings: 0,
            open: 0,
            closed: [0; 3],
        });
        sum.findings += row.findings;
        let outcome = row.outcome.as_deref().and_then(Outcome::from_name).filter(|_| row.closed);
        match outcome {
            Some(outcome) => sum.closed[outcome as usize] += row.cases,
            None => sum.open += row.cases,
        }
    }
    sums.into_values().collect()
}

/// The first moment of a month in Korea, and of the next.
fn span(month: &str) -> Option<(Timestamp, Timestamp)> {
    let first: Date = format!("{month}-01").parse().ok().filter(|_| month.len() == 7)?;
    let next = first.checked_add(1.month()).ok()?;
    Some((base::midnight(first)?, base::midnight(next)?))
}

fn check(permit: &Permit, actions: &'static [Action]) -> Result<(), WatchError> {
    if actions.contains(&permit.action()) {
        return Ok(());
    }
    let needed = actions.first().map_or("nothing", |action| action.name());
    Err(StoreError::Action { call: "review", needed, found: permit.action().name() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_at_midnight_in_korea() {
        let (from, before) = span("2026-12").expect("a month");
        assert_eq!(
            (from.to_string(), before.to_string()),
            ("2026-11-30T15:00:00Z".to_owned(), "2026-12-31T15:00:00Z".to_owned())
        );
        for wrong in ["2026-13", "2026", "", "2026-1", "2026-11-1", "x"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
