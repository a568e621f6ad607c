//! Who looked at a person's records, as plain data. The words for roles, actions and reasons are the portal's.

use crate::{Archive, ArchiveError};
use base::{Id16, Redacted, Timestamp};
use policy::{InstitutionCode, Permit};
use store::{AccessCursor, AccessPage, AccessResult};

/// One look, or an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accessed {
    /// When.
    pub time: Timestamp,
    /// The answer of the door that it was done under: entries of one look have the same.
    pub decision: Id16,
    /// Who, by name.
    pub who: Redacted<String>,
    /// In which role ([`policy::Role::name`]).
    pub role: String,
    /// With how many factors they had signed in: 0 to 2.
    pub factors: u8,
    /// Where from.
    pub source: Redacted<String>,
    /// Whether it was done in the person's own account.
    pub is_self: bool,
    /// What was done ([`policy::Action::name`]).
    pub action: String,
    /// Why ([`policy::Purpose::name`]).
    pub purpose: String,
    /// The ground that it points to; the one that was claimed where it was denied.
    pub ground: Option<Id16>,
    /// The rules that said so.
    pub explanation: String,
    /// Why it was denied ([`policy::DenialReason::name`]); `None` where it was granted.
    pub denied: Option<String>,
    /// The institution whose records it was about.
    pub institution: Option<InstitutionCode>,
    /// What was seen: kinds (FHIR types, `document`) and how many of each.
    pub what: Vec<(String, u32)>,
    /// Index of its leaf in the log `access`, once it is under a checkpoint.
    pub leaf: Option<u64>,
}

/// A page of looks, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accesses {
    /// The entries.
    pub entries: Vec<Accessed>,
    /// Where to go on; `None` where this is all.
    pub next: Option<AccessCursor>,
}

impl Archive {
    /// Who looked at what the permit reaches, denials included. Takes a permit to read the access log; reading it is itself
    /// recorded.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn accesses(&self, permit: &Permit, page: &AccessPage) -> Result<Accesses, ArchiveError> {
        let log = self.store().access_log(permit, page)?;
        let own = permit.actor().account;
        let entries = log.entries.into_iter().map(|logged| {
            let entry = logged.entry;
            Accessed {
                time: entry.time,
                decision: entry.decision,
                is_self: entry.actor.account == own,
                who: entry.actor.name,
                role: entry.actor.role,
                factors: entry.actor.assurance,
                source: entry.actor.source,
                action: entry.action,
                purpose: entry.purpose,
                ground: entry.ground,
                explanation: entry.explanation,
                denied: match entry.result {
                    AccessResult::Granted => None,
                    AccessResult::Denied { reason } => Some(reason),
                },
                institution: entry.institution,
                what: entry.what,
                leaf: logged.leaf,
            }
        });
        Ok(Accesses { entries: entries.collect(), next: log.next })
    }
}
