//! Marks that people set: records of somebody in the public eye, and decoys. Who sets or takes one says why, and both are kept. That
//! somebody died comes from their records and is not marked here.

use crate::cases;
use crate::error::WatchError;
use crate::tables::{self, MarkRow};
use crate::watch::{Flag, Watch};
use base::{Id16, Redacted, Timestamp};
use identity::sealed;
use policy::{Action, Permit};
use store::{Act, NamedPatient, StoreError};

/// Most marks in one list.
pub const MARKS_MAX: usize = 500;
/// Under which reasons are sealed.
const LABEL: &str = "watch-mark";

/// A mark that was set or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Whom it is about: a person, or a patient whom nobody is linked to.
    pub subject: Id16,
    /// `vip` or `decoy`.
    pub flag: String,
    /// When.
    pub at: Timestamp,
    /// By whom; nobody is known of where it was set at the command line.
    pub account: Option<Id16>,
    /// Whether it was set; else it was taken away.
    pub is_set: bool,
    /// Why.
    pub reason: Redacted<String>,
}

/// Marks as they stand, and what was done before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Those that stand, newest first.
    pub standing: Vec<Mark>,
    /// Those that were taken away, newest first.
    pub taken: Vec<Mark>,
}

impl Watch {
    /// Marks that people set. Takes a permit for [`Action::MarkRecords`]; journalled under who asks.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn marks(&self, permit: &Permit) -> Result<Marks, WatchError> {
        cases::check(permit, &[Action::MarkRecords])?;
        self.inner.store.note_use(permit, permit.actor().account, "mark")?;
        let rows = self.tables().read("marks", |connection| tables::marks(connection, MARKS_MAX))?;
        let (standing, taken) = rows.into_iter().map(|row| self.mark_of(row)).partition(|mark| mark.is_set);
        Ok(Marks { standing, taken })
    }

    /// Marks whose records a patient's of an institution are, wherever else they are a patient. Takes a permit for
    /// [`Action::MarkRecords`]; journalled under them before it is done, and where there is no such patient as tried in vain.
    ///
    /// # Errors
    /// [`WatchError::NoCase`] where there is no such patient, [`WatchError::Text`] for the reason, [`WatchError::OwnRecords`],
    /// [`WatchError::Store`].
    pub fn mark_patient(
        &self,
        permit: &Permit,
        patient: &NamedPatient,
        flag: Flag,
        reason: &str,
    ) -> Result<(), WatchError> {
        cases::check(permit, &[Action::MarkRecords])?;
        // Nobody is looked for before all else is right: who finds somebody sets a mark, and that is journalled.
        let reason = cases::checked(reason)?;
        let subject = match self.inner.store.subject_of_patient(permit, patient) {
            Ok(known) => known.subject(),
            Err(StoreError::Missing { .. }) => return Err(WatchError::NoCase),
            Err(error) => return Err(error.into()),
        };
        self.set_mark(permit, subject, flag, true, reason)
    }

    /// Takes a mark away. Takes a permit for [`Action::MarkRecords`]; journalled under whose mark it is.
    ///
    /// # Errors
    /// As [`Watch::mark_patient`], where there is no such mark.
    pub fn unmark_as(&self, permit: &Permit, subject: Id16, flag: Flag, reason: &str) -> Result<(), WatchError> {
        cases::check(permit, &[Action::MarkRecords])?;
        self.set_mark(permit, subject, flag, false, cases::checked(reason)?)
    }

    /// Refuses, and journals so, where the records are those of who marks, as far as it was said which person that is.
    fn refuse_own(&self, permit: &Permit, subject: Id16) -> Result<(), WatchError> {
        if !self.is_own(permit.actor().account, subject)? {
            return Ok(());
        }
        let (actor, explanation) = (permit.actor().clone(), permit.explanation().to_owned());
        let (action, purpose) = (permit.action().name(), permit.purpose().name());
        let refused = Some("own".to_owned());
        self.inner.store.journal_act(Act { actor, subject, action, purpose, explanation, refused, count: None })?;
        Err(WatchError::OwnRecords)
    }

    fn set_mark(
        &self,
        permit: &Permit,
        subject: Id16,
        flag: Flag,
        is_set: bool,
        reason: String,
    ) -> Result<(), WatchError> {
        self.refuse_own(permit, subject)?;
        let name = flag.name();
        self.inner.store.note_use(permit, subject, if is_set { "mark" } else { "mark-taken" })?;
        let (account, at_us) = (permit.actor().account, self.inner.clock.now().as_microsecond());
        let inner = std::sync::Arc::clone(&self.inner);
        let write = move |t: &rusqlite::Transaction<'_>| {
            if is_set {
                tables::set_flag(t, subject, name, at_us)?;
            } else if !tables::clear_flag(t, subject, name)? {
                return Ok(None);
            }
            let seal = |number: u32| {
                sealed::seal(&inner.secret, LABEL, &binding(subject, name, number), reason.as_bytes(), &*inner.random)
            };
            tables::add_mark(t, (subject, name), (account, at_us, is_set), seal).map(Some)
        };
        self.tables().write("a mark", write)?.ok_or(WatchError::NoCase)
    }

    fn mark_of(&self, row: MarkRow) -> Mark {
        let binding = binding(row.subject, &row.flag, row.number);
        let opened = || String::from_utf8(sealed::open(&self.inner.secret, LABEL, &binding, &row.reason)?).ok();
        let reason = match row.account {
            Some(_) => opened().unwrap_or_else(|| "�".to_owned()),
            None => String::new(),
        };
        Mark {
            subject: row.subject,
            flag: row.flag,
            at: cases::time(row.at_us),
            account: row.account,
            is_set: row.is_set,
            reason: Redacted::new(reason),
        }
    }
}

/// Binds a sealed reason to its place.
fn binding(subject: Id16, flag: &str, number: u32) -> Vec<u8> {
    [subject.0.as_slice(), flag.as_bytes(), &number.to_be_bytes()].concat()
}
