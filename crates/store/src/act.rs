//! Acts on accounts that no permit is for, journalled for the one whose account it is. Nothing is read or written here.

use base::{Clock, Id16};
use policy::{Action, Actor};

use crate::Store;
use crate::error::StoreError;
use crate::journal::{AccessEntry, AccessResult};

/// Names of acts that are no action at the door. Whoever judges the access log has to know every name there is.
pub const ACTS: [&str; 4] = ["approve-recovery", "refuse-recovery", "reset-factors", "turn-away"];

/// Something that was done to an account, for the access log of the one whose account it is.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who did it.
    pub actor: Actor,
    /// Whose account it is.
    pub subject: Id16,
    /// The name of what was done: one of [`ACTS`], or of an action at the door.
    pub action: &'static str,
    /// The name of what for.
    pub purpose: &'static str,
    /// By which rule.
    pub explanation: String,
    /// The name of the reason where it was tried in vain.
    pub refused: Option<String>,
    /// Of what kind and how many, where it is about several.
    pub count: Option<(&'static str, u32)>,
}

impl Store {
    /// Journals an act that no permit is for, such as approving that somebody's second factors are reset. After `Ok` it is durable.
    ///
    /// # Errors
    /// [`StoreError::JournalUnavailable`], [`StoreError::Seal`].
    pub fn journal_act(&self, act: Act) -> Result<(), StoreError> {
        debug_assert!(
            ACTS.contains(&act.action) || Action::from_name(act.action).is_some(),
            "{} is missing among the names of acts",
            act.action
        );
        let core = self.core();
        let id = Id16::random(&*core.random);
        let result = act.refused.map_or(AccessResult::Granted, |reason| AccessResult::Denied { reason });
        core.record(&[AccessEntry {
            id,
            decision: id,
            time: core.clock.now(),
            subject: act.subject,
            actor: (&act.actor).into(),
            action: act.action.to_owned(),
            purpose: act.purpose.to_owned(),
            ground: None,
            explanation: act.explanation,
            result,
            institution: None,
            what: act.count.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        }])
    }
}
