//! Broken glass: a person's records opened in an emergency by whoever needs them, told to a second person at once, and reviewed.

use std::sync::Arc;

use base::{Clock, Id16, Redacted, Timestamp};
use policy::{Action, GroundKind, GroundTerms, Permit, Role, Share};
use rusqlite::{Transaction, params};

use crate::Store;
use crate::core::{check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::bump_epoch;
use crate::grounds::{GROUNDS_MAX, HOUR_US, Insert, NewGround, checked_text};
use crate::rights::Right;
use crate::sealed;
use crate::types::{id16_from, time_from};

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There was an emergency.
    Justified,
    /// There was none.
    NotJustified,
}

impl Verdict {
    /// Its name in tables and forms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Justified => "justified",
            Self::NotJustified => "not-justified",
        }
    }

    /// The verdict of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Justified, Self::NotJustified].into_iter().find(|verdict| verdict.name() == name)
    }
}

/// A broken glass and its review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenGlass {
    /// The ground that it opened.
    pub ground: Id16,
    /// Whose records.
    pub subject: Id16,
    /// Who broke it.
    pub account: Id16,
    /// Who was told at once.
    pub second: Id16,
    /// Why.
    pub reason: Redacted<String>,
    /// When.
    pub broken: Timestamp,
    /// When the review is due.
    pub due: Timestamp,
    /// Who reviewed it, when, and how it ended.
    pub review: Option<(Id16, Timestamp, Verdict)>,
}

impl BrokenGlass {
    /// Whether a review is due and was not made by then.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.review.is_none() && now > self.due
    }
}

/// Something that an account is told of a broken glass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlassNotice {
    /// The ground that was opened.
    pub ground: Id16,
    /// When it was told.
    pub told: Timestamp,
}

impl Store {
    /// Breaks the glass: the subject's records are open to the asker at once, for as long as the terms say. A second person,
    /// a security officer who is not the asker, and every security officer are told in the same transaction, and a review is
    /// due. The subject finds it in their access log before it opens, and whatever comes of it. Takes a permit for
    /// [`Action::BreakGlass`]; the ground has the id that its purpose names.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`];
    /// [`StoreError::Missing`] where no reason is given, or the second person is not one; [`StoreError::JournalUnavailable`],
    /// [`StoreError::Database`].
    pub fn break_glass(
        &self,
        permit: &Permit,
        subject: Id16,
        reason: Redacted<String>,
        second: Id16,
    ) -> Result<Id16, StoreError> {
        check_action(permit, "break_glass", &[Action::BreakGlass])?;
        let core = self.core();
        let account = permit.actor().account;
        let now = core.clock.now();
        let term = GroundTerms::at(now).of(GroundKind::BreakGlass).and_then(|term| term.review_hours);
        let review_hours = term.ok_or(StoreError::Missing { what: "term of a review" })?;
        let now_us = now.as_microsecond();
        let due_us = now_us + review_hours * HOUR_US;
        let new = NewGround { subject, institution: None, share: Share::Whole, reason };
        let insert = Insert { kind: GroundKind::BreakGlass, role: permit.actor().role, new, now_us, confirmed: true };
        let more = move |transaction: &Transaction<'_>, ground: Id16| {
            let step = "writing a broken glass";
            let sql = "INSERT INTO broken_glass (subject, ground, account, second, broken_us, due_us) \
                       VALUES (?, ?, ?, ?, ?, ?)";
            let values = params![subject.0, ground.0, account.0, second.0, now_us, due_us];
            transaction.execute(sql, values).at(step)?;
            let sql = "INSERT OR IGNORE INTO access_notice (account, ground, told_us) \
                       SELECT account, ?, ? FROM account_right WHERE role = ? UNION SELECT ?, ?1, ?2";
            let values = params![ground.0, now_us, Role::SecurityOfficer.name(), second.0];
            transaction.execute(sql, values).at(step).map(|_| ())
        };
        // Whoever is told has to be somebody who sees to it: reviews are for security officers.
        let sees_to_it = |right: &Right| right.role() == Role::SecurityOfficer;
        let write = || {
            if second == account || !self.rights(second)?.iter().any(sees_to_it) {
                return Err(StoreError::Missing { what: "second person" });
            }
            self.insert_ground(permit, insert, more)
        };
        let written = self.noted_as(core.entry(permit, subject), write)?;
        metrics::counter!("hanmaru_store_broken_glass").increment(1);
        Ok(written)
    }

    /// Broken glass, that whose review is due first at the front, reviewed ones at the end. Takes a permit for
    /// [`Action::Oversee`]; that it was looked at is journalled.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn broken_glass(&self, permit: &Permit) -> Result<Vec<BrokenGlass>, StoreError> {
        check_action(permit, "broken_glass", &[Action::Oversee])?;
        let (core, step) = (self.core(), "reading broken glass");
        let found = core.readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let sql = format!(
                "SELECT b.ground, b.subject, b.account, b.second, g.reason, b.broken_us, b.due_us, b.reviewer, b.reviewed_us, \
                 b.outcome FROM broken_glass b JOIN access_ground g ON g.subject = b.subject AND g.id = b.ground \
                 ORDER BY b.reviewed_us IS NOT NULL, b.due_us, b.ground LIMIT {GROUNDS_MAX}"
            );
            let mut statement = connection.prepare_cached(&sql).at(step)?;
            let mut rows = statement.query([]).at(step)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                let id = |at: usize| id16_from(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
                let review: (Option<[u8; 16]>, Option<i64>, Option<String>) =
                    (row.get(7).at(step)?, row.get(8).at(step)?, row.get(9).at(step)?);
                let review = match review {
                    (Some(reviewer), Some(at_us), Some(outcome)) => {
                        let unknown =
                            || StoreError::Damaged { what: "a review", reason: "its outcome is unknown".to_owned() };
                        let verdict = Verdict::from_name(&outcome).ok_or_else(unknown)?;
                        Some((Id16(reviewer), time_from(at_us)?, verdict))
                    }
                    _ => None,
                };
                let sealed_reason = row.get_ref(4).at(step)?.as_blob().unwrap_or_default();
                found.push(BrokenGlass {
                    ground: id(0)?,
                    subject: id(1)?,
                    account: id(2)?,
                    second: id(3)?,
                    reason: sealed::text::open(&core.text_key, &id(0)?.0, sealed_reason)?,
                    broken: time_from(row.get(5).at(step)?)?,
                    due: time_from(row.get(6).at(step)?)?,
                    review,
                });
            }
            Ok(found)
        })?;
        let mut entry = core.entry(permit, permit.actor().account);
        entry.what = vec![("broken-glass".to_owned(), found.len() as u32)];
        core.record(&[entry])?;
        Ok(found)
    }

    /// How many reviews of broken glass are overdue now: a number for watching, and nothing about anybody.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn reviews_overdue(&self) -> Result<u64, StoreError> {
        let (core, step) = (self.core(), "counting overdue reviews");
        let now_us = core.clock.now().as_microsecond();
        core.readers.snapshot(step, |connection| {
            let sql = "SELECT count(*) FROM broken_glass WHERE reviewed_us IS NULL AND due_us < ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let count: i64 = statement.query_row([now_us], |row| row.get(0)).at(step)?;
            Ok(count.unsigned_abs())
        })
    }

    /// Closes the review of a broken glass, which also closes what it opened. Takes a permit for [`Action::ReviewGlass`] of
    /// somebody who did not break it. Journalled under whose records it opened, before it is done, and where it came to nothing.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`]; [`StoreError::Missing`] where there is no such
    /// review to close, or no note; [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn review_glass(
        &self,
        permit: &Permit,
        ground: Id16,
        verdict: Verdict,
        note: &Redacted<String>,
    ) -> Result<(), StoreError> {
        check_action(permit, "review_glass", &[Action::ReviewGlass])?;
        let core = self.core();
        let note = sealed::text::seal(&core.text_key, &ground.0, checked_text(note)?, &*core.random);
        let (by, epoch, clock) = (permit.actor().account, permit.epoch(), Arc::clone(&core.clock));
        let close = move |transaction: &Transaction<'_>| {
            let step = "closing a review";
            check_epoch(transaction, epoch)?;
            let now_us = clock.now_us();
            let sql = "UPDATE broken_glass SET reviewer = ?, reviewed_us = ?, outcome = ?, note = ? \
                       WHERE ground = ? AND reviewed_us IS NULL AND account <> ?1";
            let changed = transaction.execute(sql, params![by.0, now_us, verdict.name(), note, ground.0]).at(step)?;
            if changed == 0 {
                return Err(StoreError::Missing { what: "review of somebody else's broken glass" });
            }
            let sql = "UPDATE access_ground SET closed_by = ?, closed_us = ? WHERE id = ? AND closed_us IS NULL";
            transaction.execute(sql, params![by.0, now_us, ground.0]).at(step)?;
            bump_epoch(transaction)
        };
        self.noted_as(self.ground_entry(permit, ground)?, || core.writer.run(2, close))
    }

    /// What an account was told of broken glass and has not seen, newest first: for the account's own pages.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn glass_notices(&self, account: Id16) -> Result<Vec<GlassNotice>, StoreError> {
        let step = "reading notices";
        self.core().readers.snapshot(step, |connection| {
            let sql = format!(
                "SELECT ground, told_us FROM access_notice WHERE account = ? AND seen_us IS NULL \
                 ORDER BY told_us DESC LIMIT {GROUNDS_MAX}"
            );
            let mut statement = connection.prepare_cached(&sql).at(step)?;
            let mut rows = statement.query([account.0]).at(step)?;
            let mut notices = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                let ground = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
                notices.push(GlassNotice { ground, told: time_from(row.get(1).at(step)?)? });
            }
            Ok(notices)
        })
    }

    /// Notes that an account has seen what it was told of these broken glasses: of those alone that it was shown, whatever it was told
    /// of meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Limit`] beyond [`GROUNDS_MAX`]; [`StoreError::Database`], [`StoreError::Commit`].
    pub fn glass_notices_seen(&self, account: Id16, shown: &[Id16]) -> Result<(), StoreError> {
        check_count("notices in one call", shown.len(), GROUNDS_MAX)?;
        let (now_us, shown) = (self.core().clock.now_us(), shown.to_vec());
        self.core().writer.run(shown.len(), move |transaction| {
            let step = "noting notices as seen";
            let sql = "UPDATE access_notice SET seen_us = ? WHERE account = ? AND ground = ? AND seen_us IS NULL";
            let mut update = transaction.prepare_cached(sql).at(step)?;
            for ground in &shown {
                update.execute(params![now_us, account.0, ground.0]).at(step)?;
            }
            Ok(())
        })
    }
}
