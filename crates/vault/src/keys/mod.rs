//! Keys, from the root to a group: their names, their wrapped form, and the traits behind which they are kept.
//! Not the sealing itself, which is in [`mod@crate::seal`].
//!
//! ```text
//! root (a KeyProvider: a file now, hardware later)
//!  ├─ shard 0 … 15                      by the first four bits of the owner's id
//!  │   └─ patient or institution        the owner
//!  │       ├─ group                     institution × retention class × expiry year
//!  │       └─ rows                      what tables say of the owner, so that it ends with the owner's key
//!  │           └─ frame                 one for each sealed frame, in the frame itself
//!  ├─ access year                       entries of the access log, so that shredding a record never blinds the log
//!  └─ secret label                      named random keys of the installation
//! ```
//!
//! # Wrapped key, format 1
//!
//! Integers are big-endian; `text` and `bytes` stand behind a length of four bytes.
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | format | 1 | `01` |
//! | id | 16 | random id of the key |
//! | parent | 1 + … | `00` then `text` id of the root key, or `01` then 16 bytes id of the parent key |
//! | name | `bytes` | the name, below |
//! | wrapped | `bytes` | under a key: nonce 12, ciphertext 32, tag 16 of AES-256-GCM; under a root: as its provider writes it |
//!
//! | name | bytes |
//! |---|---|
//! | shard | `01`, number 1 |
//! | patient | `02`, owner's id 16 |
//! | institution | `03`, owner's id 16 |
//! | group | `04`, owner kind 1 (`02` patient, `03` institution), owner's id 16, `text` institution code, `text` class, expiry year 2 |
//! | access | `05`, year 2 |
//! | secret | `06`, `text` label |
//! | rows | `07`, owner kind 1, owner's id 16 |
//!
//! Additional data of every wrapping: the text `hanmaru key 1`, one zero byte, then id, parent and name as above.
//! A wrapped key moved to another id, parent or name does not unwrap.

mod backup;
mod compact;
mod file;
mod gone;
mod keystore;
mod mend;
mod place;
mod ring;
mod root;
mod store;
mod stores;

pub use backup::{Backup, Restored};
pub use compact::Compacted;
pub use gone::{Cause, Destroyed, parent_entry, root_entry};
pub use keystore::{KdfCost, Passphrase, ProtectedKeyProvider, open_root};
pub use ring::{GroupKey, Keyring, NewKeys};
pub use root::FileKeyProvider;
pub use stores::{
    Appended, KEY_CLAIM, KEY_READ, KEY_WRITE, KeyStoreConfig, KeyStoreReport, KeyStoreStatus, KeyStores, MemoryIndex,
    Mended, Quarantined,
};

use crate::folder::SiteFault;
use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Random};
use policy::{InstitutionCode, Owner};
use std::fmt;
use zeroize::Zeroizing;

/// How many shard keys there are.
pub const SHARDS: u8 = 16;
/// Longest class slug or secret label in bytes.
pub const SLUG_BYTES_MAX: usize = 64;
/// Longest wrapped form of one key in bytes, whatever its provider.
pub const WRAPPED_KEY_BYTES_MAX: usize = 4096;

/// The id of a key: random, says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub Id16);

impl KeyId {
    /// A new random id.
    #[must_use]
    pub fn random(random: &dyn Random) -> Self {
        Self(Id16::random(random))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A retention class as a short slug (`chart`, `prescription`, …): 1 to 64 of `a-z 0-9 -`.
/// What the classes are and how long they last is policy data, not the vault's business.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassName(String);

impl ClassName {
    /// Takes a slug; `None` where it has another form.
    #[must_use]
    pub fn new(slug: &str) -> Option<Self> {
        is_slug(slug).then(|| Self(slug.to_owned()))
    }

    /// The slug as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_slug(text: &str) -> bool {
    (1..=SLUG_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// What shares one key, and so one end: an owner's things of one institution, one class and one expiry year.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName {
    /// Whose.
    pub owner: Owner,
    /// The institution that made the records.
    pub institution: InstitutionCode,
    /// The retention class.
    pub class: ClassName,
    /// The year in which retention ends.
    pub expiry_year: u16,
}

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyName {
    /// One of the [`SHARDS`] shards.
    Shard(u8),
    /// A patient, or an institution for what belongs to no patient.
    Owner(Owner),
    /// A group within an owner.
    Group(GroupName),
    /// Access entries of one year.
    Access {
        /// The year.
        year: u16,
    },
    /// A key of the installation, by a label of `a-z 0-9 -`.
    Secret(String),
    /// Rows of lasting tables that are about an owner.
    Rows(Owner),
}

impl KeyName {
    /// The shard that an owner's key hangs under.
    #[must_use]
    pub fn shard_of(owner: Owner) -> Self {
        Self::Shard(owner.id().0[0] >> 4)
    }

    /// The name as bytes, as in the module's table: the form to index by.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Shard(number) => drop(out.u8(1).u8(*number)),
            Self::Owner(owner) => write_owner(&mut out, *owner),
            Self::Group(group) => {
                out.u8(4);
                write_owner(&mut out, group.owner);
                out.text(group.institution.as_str()).text(group.class.as_str()).u16(group.expiry_year);
            }
            Self::Access { year } => drop(out.u8(5).u16(*year)),
            Self::Secret(label) => drop(out.u8(6).text(label)),
            Self::Rows(owner) => {
                out.u8(7);
                write_owner(&mut out, *owner);
            }
        }
        out.finish()
    }

    /// Reads a name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let name = match reader.u8()? {
            1 => Self::Shard(fits(reader.u8()?, |number| *number < SHARDS, "a shard number")?),
            kind @ (2 | 3) => Self::Owner(read_owner(kind, &mut reader)?),
            4 => {
                let kind = reader.u8()?;
                let owner = read_owner(kind, &mut reader)?;
                let wrong = |expected| Malformed { offset: 18, expected };
                let institution = InstitutionCode::new(reader.text()?).ok_or(wrong("an institution code"))?;
                let class = ClassName::new(reader.text()?).ok_or(wrong("a retention class"))?;
                Self::Group(GroupName { owner, institution, class, expiry_year: reader.u16()? })
            }
            5 => Self::Access { year: reader.u16()? },
            6 => Self::Secret(fits(reader.text()?.to_owned(), |label| is_slug(label), "a label")?),
            7 => {
                let kind = reader.u8()?;
                Self::Rows(read_owner(kind, &mut reader)?)
            }
            _ => return Err(Malformed { offset: 0, expected: "a kind of key" }),
        };
        reader.end()?;
        Ok(name)
    }
}

fn fits<T>(value: T, check: impl Fn(&T) -> bool, expected: &'static str) -> Result<T, Malformed> {
    if check(&value) { Ok(value) } else { Err(Malformed { offset: 1, expected }) }
}

pub(crate) const fn owner_tag(owner: Owner) -> u8 {
    match owner {
        Owner::Patient(_) => 2,
        Owner::Institution(_) => 3,
    }
}

fn write_owner(out: &mut Writer, owner: Owner) {
    out.u8(owner_tag(owner)).raw(&owner.id().0);
}

pub(crate) fn read_owner(tag: u8, reader: &mut Reader<'_>) -> Result<Owner, Malformed> {
    let offset = reader.offset();
    let id = Id16(reader.array()?);
    match tag {
        2 => Ok(Owner::Patient(id)),
        3 => Ok(Owner::Institution(id)),
        _ => Err(Malformed { offset, expected: "behind a kind of owner" }),
    }
}

/// Under what a key is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// The root key with this id.
    Root(String),
    /// Another wrapped key.
    Key(KeyId),
}

/// A key as it is stored: useless without its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its id.
    pub id: KeyId,
    /// Under what it is wrapped.
    pub parent: Parent,
    /// What it is for.
    pub name: KeyName,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// The key as bytes, as in the module's table.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        write_place(&mut out, self.id, &self.parent, &self.name);
        out.bytes(&self.wrapped);
        out.finish()
    }

    /// Reads a wrapped key. Never panics, whatever the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 1 {
            return Err(Malformed { offset: 0, expected: "format 1 of a wrapped key" });
        }
        let id = KeyId(Id16(reader.array()?));
        let parent = match reader.u8()? {
            0 => Parent::Root(reader.text()?.to_owned()),
            1 => Parent::Key(KeyId(Id16(reader.array()?))),
            _ => return Err(Malformed { offset: 17, expected: "a kind of parent" }),
        };
        let name = KeyName::from_bytes(reader.bytes()?)?;
        let offset = reader.offset();
        let wrapped = reader.bytes()?.to_vec();
        if wrapped.len() > WRAPPED_KEY_BYTES_MAX {
            return Err(Malformed { offset, expected: "short enough for a wrapped key" });
        }
        reader.end()?;
        Ok(Self { id, parent, name, wrapped })
    }
}

fn write_place(out: &mut Writer, id: KeyId, parent: &Parent, name: &KeyName) {
    out.raw(&id.0.0);
    match parent {
        Parent::Root(root) => out.u8(0).text(root),
        Parent::Key(key) => out.u8(1).raw(&key.0.0),
    };
    out.bytes(&name.to_bytes());
}

/// Additional data of a wrapping: where the key belongs.
pub(crate) fn wrapping_aad(id: KeyId, parent: &Parent, name: &KeyName) -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(b"hanmaru key 1\0");
    write_place(&mut out, id, parent, name);
    out.finish()
}

/// Holds root keys and never lets them out: a file, later a hardware module. While a root is rotated it holds two.
pub trait KeyProvider: Send + Sync {
    /// The id of the root under which new keys are wrapped: every key wrapped directly under it carries it.
    fn id(&self) -> String;

    /// Whether it holds the root with this id.
    fn holds(&self, root: &str) -> bool;

    /// Wraps a key under a root that it holds, bound to `aad`. Keeps nothing; the caller makes the answer durable.
    /// At most [`WRAPPED_KEY_BYTES_MAX`] bytes.
    fn wrap(&self, root: &str, key: &[u8; 32], aad: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Unwraps what [`KeyProvider::wrap`] gave for the same root and `aad`. [`KeyError::NotAuthentic`] for anything else.
    fn unwrap(&self, root: &str, wrapped: &[u8], aad: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError>;

    /// Looks again at what it was made from: another program may have added a root, or taken one away. What is open stays open
    /// where that fails.
    fn refresh(&self) -> Result<(), KeyError>;
}

/// Finds wrapped keys: the store's table, or [`MemoryIndex`] for tools. It only reads, and what it answers may be stale
/// by one transaction; what was committed before the call began must be found.
pub trait KeyIndex: Send + Sync {
    /// The key with this name. Two processes may have made keys of one name at the same moment: then always the same
    /// one of them, the first inserted. While a key is rotated away, the one that takes its place.
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError>;

    /// The key with this id. Ids are unique, and every key ever inserted is found by its id until it is destroyed.
    fn by_id(&self, id: KeyId) -> Result<Option<WrappedKey>, KeyError>;
}

/// What went wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The root key file cannot be used.
    #[error("root key file {path}: {reason}; {advice}")]
    RootFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The passphrase does not open the root keys.
    #[error(
        "root key file {path}: the passphrase is wrong; the file is whole, so look where the passphrase comes from"
    )]
    WrongPassphrase {
        /// The file.
        path: String,
    },
    /// The passphrase was changed and a root added since the program started, which it therefore cannot open.
    #[error(
        "root key file {path}: it went under another passphrase since this program started, and a root came into it that this \
         program cannot open ({reason}): put the new passphrase where it looks for it, {place}, or restart this program with the new one"
    )]
    PassphraseChanged {
        /// The file.
        path: String,
        /// Where the passphrase comes from.
        place: String,
        /// Why it does not open.
        reason: String,
    },
    /// There is no passphrase to be had.
    #[error("the passphrase of the root keys cannot be read from {place}: {reason}")]
    NoPassphrase {
        /// Where it should be.
        place: String,
        /// Why it is not.
        reason: String,
    },
    /// Keys of this installation hang under another root key.
    #[error(
        "these keys belong to root key {needed}, but root key {given} was given; use the key file made with this installation"
    )]
    OtherRoot {
        /// The root the keys need.
        needed: String,
        /// The root that was given.
        given: String,
    },
    /// A wrapped key does not unwrap.
    #[error(
        "key {id} does not unwrap under its parent: it was changed, or the root key file is another one; restore it from another key store"
    )]
    NotAuthentic {
        /// The key, or `root` from a provider that does not know ids.
        id: String,
    },
    /// Nobody has this key.
    #[error("key {id} is unknown: it was destroyed, or the key index misses it; rebuild the index from the key stores")]
    Unknown {
        /// The key, or what it is for.
        id: String,
    },
    /// The permit is for something else.
    #[error("the permit for {action} does not reach this key's owner")]
    Refused {
        /// What the permit is for.
        action: &'static str,
    },
    /// The name is not one of a key.
    #[error("{name:?} is not a label of a secret: 1 to 64 of a-z, 0-9 and -")]
    BadLabel {
        /// What was given.
        name: String,
    },
    /// Fewer key stores than needed took a key. It stays pending; nothing that uses it may be acknowledged.
    #[error("{reached} of {wanted} needed key stores took the new keys: {}", list(faults))]
    TooFew {
        /// How many must.
        wanted: usize,
        /// How many did.
        reached: usize,
        /// What the others said.
        faults: Vec<SiteFault>,
    },
    /// The key stores are configured wrongly.
    #[error("key stores: {reason}")]
    Config {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The index could not answer.
    #[error("the key index does not answer: {reason}")]
    Index {
        /// What it said.
        reason: String,
    },
}

fn list(faults: &[SiteFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> impl Strategy<Value = KeyName> {
        let owner = (any::<bool>(), any::<[u8; 16]>())
            .prop_map(|(patient, id)| if patient { Owner::Patient(Id16(id)) } else { Owner::Institution(Id16(id)) });
        prop_oneof![
            (0..SHARDS).prop_map(KeyName::Shard),
            owner.clone().prop_map(KeyName::Owner),
            (owner, "[A-Za-z0-9.-]{1,64}", "[a-z0-9-]{1,64}", any::<u16>()).prop_map(|(owner, code, class, year)| {
                KeyName::Group(GroupName {
                    owner,
                    institution: InstitutionCode::new(&code).expect("the pattern is the rule"),
                    class: ClassName::new(&class).expect("the pattern is the rule"),
                    expiry_year: year,
                })
            }),
            any::<u16>().prop_map(|year| KeyName::Access { year }),
            "[a-z0-9-]{1,64}".prop_map(KeyName::Secret),
            (any::<bool>(), any::<[u8; 16]>()).prop_map(|(patient, id)| KeyName::Rows(if patient {
                Owner::Patient(Id16(id))
            } else {
                Owner::Institution(Id16(id))
            })),
        ]
    }

    proptest! {
        #[test]
        fn wrapped_keys_go_both_ways(name in names(), id: [u8; 16], root in proptest::option::of("[a-z:]{0,20}"), wrapped: Vec<u8>) {
            let parent = root.map_or(Parent::Key(KeyId(Id16([7; 16]))), Parent::Root);
            let key = WrappedKey { id: KeyId(Id16(id)), parent, name, wrapped };
            prop_assert_eq!(WrappedKey::from_bytes(&key.to_bytes()), Ok(key.clone()));
            prop_assert_eq!(KeyName::from_bytes(&key.name.to_bytes()), Ok(key.name));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, kind in 0u8..8) {
            let _ = WrappedKey::from_bytes(&bytes);
            let _ = KeyName::from_bytes(&[&[kind], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn names_have_limits() {
        assert!(ClassName::new("").is_none() && ClassName::new("Chart").is_none());
        assert!(ClassName::new(&"a".repeat(65)).is_none() && ClassName::new(&"a".repeat(64)).is_some());
        assert!(KeyName::from_bytes(&[1, SHARDS]).is_err() && KeyName::from_bytes(&[1, 0, 0]).is_err());
    }
}
