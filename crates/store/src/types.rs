//! The words of the store's interface: keys of resources, heads, versions, outcomes, tickets.

use base::{Id16, Redacted, Timestamp};
use policy::{InstitutionCode, Owner};
use vault::ClassName;

use crate::edition::Edition;
use crate::error::StoreError;
use crate::index::IndexRow;

/// Bytes of an owner in tables.
pub(crate) const OWNER_BYTES: usize = 17;

/// Names one resource, in all its versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// Whose it is.
    pub owner: Owner,
    /// Its FHIR type.
    pub resource_type: String,
    /// Its id here: [`crate::Ids::resource`].
    pub id: Id16,
}

/// One resource to write.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// Whose it is.
    pub owner: Owner,
    /// The institution that made it.
    pub institution: &'a InstitutionCode,
    /// Its FHIR type.
    pub resource_type: &'a str,
    /// Its id at the institution.
    pub source_id: &'a str,
    /// Its retention class.
    pub class: &'a ClassName,
    /// The year in which its retention ends.
    pub expiry_year: u16,
    /// The resource as it came, byte for byte.
    pub bytes: &'a [u8],
    /// The day or moment to sort it by.
    pub date: Option<Timestamp>,
    /// The encounter it belongs to, by its id here.
    pub encounter: Option<Id16>,
    /// What it is to be found by: [`crate::index_rows`], or part of that.
    pub index: Vec<IndexRow>,
    /// Where it stands among the versions of its resource.
    pub edition: Edition,
}

/// What became of one resource or object that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new, as version 1, or an amendment, as a later one.
    New {
        /// The version.
        version: u32,
    },
    /// The same content was there before. Nothing was written.
    Already {
        /// The version that has this content.
        version: u32,
    },
}

/// Stands for all that was accepted up to a write; see [`crate::Store::wait_sealed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// Later than everything: who waits for it wakes the sequencer and comes away when patience ends.
    pub const NEWEST: Self = Self(u64::MAX);
}

/// What a write answers: everything in it is accepted, which survives loss of power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// One outcome for each resource, in their order.
    pub versions: Vec<Outcome>,
    /// One outcome for each object, in their order.
    pub objects: Vec<Outcome>,
    /// To wait until all of it is sealed.
    pub ticket: Ticket,
}

/// Everything up to a ticket is at two of three sites and under a published checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Leaves of the log `records` under that checkpoint.
    pub records_size: u64,
}

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Log {
    /// What was written: versions, objects, issued documents, receipts.
    Records,
    /// Who looked, or tried to.
    Access,
}

impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Records, Self::Access];

    /// Its name in tables, paths and origins.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Access => "access",
        }
    }

    /// Its place among the logs.
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Records => 0,
            Self::Access => 1,
        }
    }

    /// The path of one of its files at a site.
    pub(crate) fn path(self, below: &str) -> String {
        format!("log/{}/{below}", self.name())
    }
}

/// What stands in clear about the current version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which.
    pub key: ResourceKey,
    /// The institution that made it.
    pub institution: InstitutionCode,
    /// How many versions there are: 1 unless it was amended. The current one is the last of them, unless an older one came later.
    pub version: u32,
    /// The day or moment it is sorted by.
    pub date: Option<Timestamp>,
    /// The encounter it belongs to, by its id here.
    pub encounter: Option<Id16>,
    /// When this version was accepted.
    pub recorded: Timestamp,
}

/// One version of a resource, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Which resource.
    pub key: ResourceKey,
    /// The institution that made it.
    pub institution: InstitutionCode,
    /// Its id at the institution.
    pub source_id: Redacted<String>,
    /// Which version.
    pub version: u32,
    /// When it was accepted.
    pub recorded: Timestamp,
    /// The resource as it came, byte for byte.
    pub bytes: Redacted<Vec<u8>>,
    /// The salt of its leaf; [`crate::version_content`] gives what it commits to.
    pub salt: Redacted<[u8; 32]>,
    /// Index of its leaf in the log `records`, once it is under a checkpoint.
    pub leaf: Option<u64>,
    /// The deposit that brought it; unknown for versions that an older program wrote.
    pub deposit: Option<Id16>,
}

/// An owner as in tables: one byte for the kind, then the id.
pub(crate) fn owner_bytes(owner: Owner) -> [u8; OWNER_BYTES] {
    let mut bytes = [match owner {
        Owner::Patient(_) => 2,
        Owner::Institution(_) => 3,
    }; OWNER_BYTES];
    bytes[1..].copy_from_slice(&owner.id().0);
    bytes
}

pub(crate) fn owner_from(bytes: &[u8]) -> Result<Owner, StoreError> {
    match bytes.split_first() {
        Some((2, id)) => id16_from(id).map(Owner::Patient),
        Some((3, id)) => id16_from(id).map(Owner::Institution),
        _ => Err(damaged("an owner is of no known kind")),
    }
}

pub(crate) fn id16_from(bytes: &[u8]) -> Result<Id16, StoreError> {
    bytes.try_into().map(Id16).map_err(|_| damaged("an id is not 16 bytes"))
}

pub(crate) fn institution_from(code: &str) -> Result<InstitutionCode, StoreError> {
    InstitutionCode::new(code).ok_or_else(|| damaged("an institution code has another form"))
}

pub(crate) fn time_from(us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|_| damaged("a time is outside of the years -9999 to 9999"))
}

fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { what: "a row of the database", reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_of_different_kinds_differ() {
        let id = Id16([7; 16]);
        let (patient, institution) = (owner_bytes(Owner::Patient(id)), owner_bytes(Owner::Institution(id)));
        assert_eq!((patient[0], institution[0]), (2, 3));
        assert_eq!(patient[1..], institution[1..]);
        for owner in [Owner::Patient(id), Owner::Institution(id)] {
            assert_eq!(owner_from(&owner_bytes(owner)).expect("its own bytes"), owner);
        }
        assert!(owner_from(&[]).is_err() && owner_from(&[4; OWNER_BYTES]).is_err() && owner_from(&[2; 5]).is_err());
    }
}
