//! Erasure: the keys of a person, a group or a whole class are destroyed, and with them everything that was sealed under them,
//! wherever copies of it lie. Two people approve; what is done is itself an entry of the log `records`.
//!
//! | step | what is durable when it is done |
//! |---|---|
//! | requested | who asks, for what, why, on which legal basis |
//! | approved | two other people have said yes, and the waiting period runs |
//! | running | begun; a hold takes it back to approved, until it has a time of destruction: then its keys are being destroyed |
//! | destroyed | the key stores list the keys as destroyed; rows, index and keys are out of the database; the leaf is accepted |
//! | compacted | no key store has a record of the keys any more |
//! | cleaned | no file of the database has anything that was sealed under them |
//! | done | the leaf is sealed; the certificate can be given |
//!
//! [`Store::shred_step`] does one step; killed anywhere, it is done again. From the moment the key stores list a key there is no
//! way back, and [`replay`] ends what an older database, or one that was killed, still has.

mod ask;
mod erase;
mod files;
mod outlook;
mod owned;
mod replay;
mod run;

pub(crate) use ask::lapse;
pub(crate) use erase::{Doing, Going, erase};
pub(crate) use owned::is_kept;
pub(crate) use replay::replay;

use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Redacted, Timestamp};
use policy::{InstitutionCode, Owner};
use vault::{ClassName, GroupName, KeyName};

use crate::error::StoreError;
use crate::sequencer::proof::LeafProof;

/// Longest text of a request in bytes.
pub const SHRED_TEXT_BYTES_MAX: usize = 4_096;
/// Holds that an outlook tells one by one.
pub const HOLDS_SHOWN: usize = 10;
/// How many must approve.
pub const APPROVALS: usize = 2;

/// What is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShredScope {
    /// Everything of a patient of one institution.
    Patient(Id16),
    /// What one group of an owner holds: an institution, a retention class, an expiry year.
    Group(GroupName),
    /// Every group of a retention class and expiry year of an institution, whosever they are: what retention has ended for.
    Class {
        /// The institution.
        institution: InstitutionCode,
        /// The retention class.
        class: ClassName,
        /// The year in which its retention ended.
        expiry_year: u16,
    },
}

impl ShredScope {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Patient(id) => out.u8(1).raw(&id.0),
            Self::Group(group) => out.u8(2).raw(&KeyName::Group(group.clone()).to_bytes()),
            Self::Class { institution, class, expiry_year } => {
                out.u8(3).text(institution.as_str()).text(class.as_str()).u16(*expiry_year)
            }
        };
        out.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let wrong = |expected| Malformed { offset: 0, expected };
        let scope = match reader.u8()? {
            1 => Self::Patient(Id16(reader.array()?)),
            2 => match KeyName::from_bytes(reader.raw(reader.left())?)? {
                KeyName::Group(group) => Self::Group(group),
                _ => return Err(wrong("a group")),
            },
            3 => Self::Class {
                institution: InstitutionCode::new(reader.text()?).ok_or(wrong("an institution code"))?,
                class: ClassName::new(reader.text()?).ok_or(wrong("a retention class"))?,
                expiry_year: reader.u16()?,
            },
            _ => return Err(wrong("a scope of an erasure")),
        };
        reader.end()?;
        Ok(scope)
    }

    /// Whether a key goes with it.
    fn takes(&self, name: &KeyName) -> bool {
        match (self, name) {
            (Self::Patient(id), KeyName::Owner(Owner::Patient(one))) => id == one,
            (Self::Patient(id), KeyName::Rows(owner)) => *owner == Owner::Patient(*id),
            (Self::Patient(id), KeyName::Group(group)) => group.owner == Owner::Patient(*id),
            (Self::Group(group), KeyName::Group(one)) => group == one,
            (Self::Class { institution, class, expiry_year }, KeyName::Group(one)) => {
                one.institution == *institution && one.class == *class && one.expiry_year == *expiry_year
            }
            _ => false,
        }
    }
}

/// As what somebody asks for an erasure or approves one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShredRole {
    /// Runs the installation for its operator.
    Administrator,
    /// Answers for what is kept and how long.
    DataSteward,
    /// Answers for who may do what.
    SecurityOfficer,
}

impl ShredRole {
    /// The role's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::DataSteward => "steward",
            Self::SecurityOfficer => "security-officer",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Administrator, Self::DataSteward, Self::SecurityOfficer].into_iter().find(|role| role.name() == name)
    }
}

/// Who asks or approves. The account must hold the role; that it is the one who asks is for the caller to have established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShredActor {
    /// The account.
    pub account: Id16,
    /// In which role.
    pub role: ShredRole,
}

/// What the operator has laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShredRules {
    /// Hours between the second approval and the earliest moment of execution.
    pub wait_hours: u32,
    /// Days that a backup of a key store may be kept: so long may somebody still hold a destroyed key.
    pub backup_days: u32,
}

/// What an erasure would take away if it were done now, and what stands against it. Numbers alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShredOutlook {
    /// Whose records it would be: how many patients.
    pub patients: u64,
    /// Keys that would be destroyed.
    pub keys: u64,
    /// Resources by their type, documents as `document`; only of a whole patient, since what hangs under a group is known to its
    /// frames alone.
    pub kinds: Vec<(String, u64)>,
    /// How many of the patients a legal hold keeps.
    pub held: u64,
    /// Those holds, [`HOLDS_SHOWN`] at most.
    pub holds: Vec<HeldBy>,
    /// The last year until whose end something of it must be kept, where that is not over.
    pub kept_until: Option<u16>,
    /// Whether another erasure of the same is under way.
    pub is_asked: bool,
}

/// A legal hold that keeps something from being erased; what its note says is not for whoever handles erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBy {
    /// Its number.
    pub hold: Id16,
    /// When it was placed.
    pub placed: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// How far an erasure is; see the module's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShredState {
    /// Waits for approvals.
    Requested,
    /// Waits for its time, or to be run.
    Approved,
    /// Begun.
    Running,
    /// There is no way back.
    Destroyed,
    /// Out of the key stores.
    Compacted,
    /// Out of the database's files.
    Cleaned,
    /// Sealed.
    Done,
    /// Given up before anything was destroyed.
    Withdrawn,
}

impl ShredState {
    const ALL: [Self; 8] = [
        Self::Requested,
        Self::Approved,
        Self::Running,
        Self::Destroyed,
        Self::Compacted,
        Self::Cleaned,
        Self::Done,
        Self::Withdrawn,
    ];

    /// The state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Destroyed => "destroyed",
            Self::Compacted => "compacted",
            Self::Cleaned => "cleaned",
            Self::Done => "done",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: ShredActor,
    /// When.
    pub at: Timestamp,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shred {
    /// Its id.
    pub id: Id16,
    /// How far it is.
    pub state: ShredState,
    /// What is to go.
    pub scope: ShredScope,
    /// Who asked.
    pub requester: ShredActor,
    /// Why, in their words.
    pub reason: Redacted<String>,
    /// The legal basis, cited.
    pub basis: Redacted<String>,
    /// When it was asked for.
    pub requested: Timestamp,
    /// Who approved, as far as it counts.
    pub approvals: Vec<Approval>,
    /// Who approved and ceased to hold the role before it was begun: these do not count.
    pub lapsed: Vec<Approval>,
    /// Whether who asked for it holds the role still, or did when it was begun: else it goes no further.
    pub request_stands: bool,
    /// The earliest moment of execution, once it is approved.
    pub not_before: Option<Timestamp>,
    /// When it became certain that its keys are destroyed.
    pub destroyed: Option<Timestamp>,
}

/// That something of an owner must not be erased for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: Id16,
    /// Whose.
    pub owner: Owner,
    /// Who ordered it and why.
    pub note: Redacted<String>,
    /// Since when.
    pub placed: Timestamp,
    /// Until when; `None` until it is ended.
    pub until: Option<Timestamp>,
    /// When it was ended.
    pub ended: Option<Timestamp>,
}

/// How a key store was found at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCleaned {
    /// The store.
    pub name: String,
    /// Records that were removed from it.
    pub removed: u64,
}

/// How a table was found at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCleaned {
    /// The table.
    pub name: String,
    /// Rows of the erased owners that are left; 0 in a certificate.
    pub left: u64,
}

/// Something that stays after an erasure, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What shows that an erasure was done: given only when nothing of it is left in index, text and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The erasure.
    pub shred: Shred,
    /// What the leaf commits to, as [`ledger::EntryKind::Shred`]: the module `run` tells its form.
    pub content: Vec<u8>,
    /// The leaf in the log `records` and its proof.
    pub leaf: LeafProof,
    /// Keys that were destroyed.
    pub keys: u64,
    /// Places in the log `records` whose entries say nothing any more: kind of entry, position.
    pub leaves: Vec<(i64, u64)>,
    /// Each key store.
    pub stores: Vec<StoreCleaned>,
    /// Each table.
    pub tables: Vec<TableCleaned>,
    /// Whether the database had to be written anew for it.
    pub rewritten: bool,
    /// When the last backup of a key store ends that may hold one of the keys.
    pub backups_end: Timestamp,
    /// What stays.
    pub kept: Vec<Kept>,
}

fn failed(id: Id16, reason: impl Into<String>) -> StoreError {
    StoreError::Shred { id: id.to_string(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_go_both_ways_and_take_their_keys() {
        let code = InstitutionCode::new("11100001").expect("a code");
        let class = ClassName::new("chart").expect("a slug");
        let owner = Owner::Patient(Id16([3; 16]));
        let group = GroupName { owner, institution: code.clone(), class: class.clone(), expiry_year: 2030 };
        let other = GroupName { expiry_year: 2031, ..group.clone() };
        let scopes = [
            ShredScope::Patient(owner.id()),
            ShredScope::Group(group.clone()),
            ShredScope::Class { institution: code, class, expiry_year: 2030 },
        ];
        for scope in &scopes {
            assert_eq!(ShredScope::from_bytes(&scope.to_bytes()), Ok(scope.clone()));
            assert!(scope.takes(&KeyName::Group(group.clone())));
            assert!(!scope.takes(&KeyName::Shard(1)) && !scope.takes(&KeyName::Access { year: 2030 }));
        }
        let takes = |name: &KeyName| scopes.iter().map(|scope| scope.takes(name)).collect::<Vec<_>>();
        assert_eq!(takes(&KeyName::Group(other)), [true, false, false]);
        assert_eq!(takes(&KeyName::Owner(owner)), [true, false, false]);
        assert_eq!(takes(&KeyName::Owner(Owner::Institution(owner.id()))), [false, false, false]);
        assert!(ShredScope::from_bytes(&[9]).is_err() && ShredScope::from_bytes(&[]).is_err());
        // A scope with something behind it may mean more than was read.
        let longer = [ShredScope::Patient(Id16([7; 16])).to_bytes(), vec![0]].concat();
        assert!(ShredScope::from_bytes(&longer).is_err());
        for state in ShredState::ALL {
            assert_eq!(ShredState::from_name(state.name()), Some(state));
        }
    }
}
