//! The list of destroyed keys: its entries, and which records of a key store are dead because of it. No files.
//!
//! An entry outlives the key, in every key store: whoever has it opens nothing with it, and no store that was away, no backup
//! and no older copy can bring the key back, because what the list names is neither read, nor copied, nor kept.
//!
//! # Entry, format 1
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | format | 1 | `01` |
//! | cause | 1 | `01` shredded: what hung under it is to be gone; `02` retired: its keys hang under another by now |
//! | id | 16 | the key; for a root, the first half of SHA-256 over `root` and its id ([`root_entry`]) |
//! | by | 16 | the shred or the rotation that did it |
//! | at | 8 | when, in microseconds since 1970 UTC |
//! | check | 16 | first half of HMAC-SHA-256 under the secret `destroyed-keys` over `hanmaru destroyed 1`, one zero byte and all of the above |
//!
//! The check keeps whoever can write to one key store from destroying keys through it.

use super::{KeyId, Parent, WrappedKey};
use base::Id16;
use base::wire::{Malformed, Reader, Writer};
use std::collections::HashMap;

/// Why a key is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was shredded: what was sealed under it, and what hung under it, is to be gone.
    Shred,
    /// It was rotated away: what hung under it hangs under another key.
    Retired,
}

impl Cause {
    /// Its number in entries and tables.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Shred => 1,
            Self::Retired => 2,
        }
    }

    /// The cause of a number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Shred),
            2 => Some(Self::Retired),
            _ => None,
        }
    }
}

/// One destroyed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destroyed {
    /// The key, or [`root_entry`] of a root.
    pub id: KeyId,
    /// Why.
    pub cause: Cause,
    /// The shred or the rotation.
    pub by: Id16,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    check: [u8; 16],
}

impl Destroyed {
    /// Bytes of an entry.
    pub(super) const BYTES: usize = 1 + 1 + 16 + 16 + 8 + 16;

    /// An entry, checked under the installation's secret `destroyed-keys`.
    #[must_use]
    pub fn new(secret: &[u8; 32], id: KeyId, cause: Cause, by: Id16, at_us: i64) -> Self {
        let mut entry = Self { id, cause, by, at_us, check: [0; 16] };
        entry.check = entry.expected(secret);
        entry
    }

    /// Whether it was made with this secret.
    #[must_use]
    pub fn is_authentic(&self, secret: &[u8; 32]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.check, &self.expected(secret)).is_ok()
    }

    /// The entry as bytes, as in the module's table.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.body();
        out.raw(&self.check);
        out.finish()
    }

    /// Reads an entry. Never panics, whatever the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 1 {
            return Err(Malformed { offset: 0, expected: "format 1 of a destroyed key" });
        }
        let cause = Cause::from_code(reader.u8()?).ok_or(Malformed { offset: 1, expected: "a cause" })?;
        let (id, by) = (KeyId(Id16(reader.array()?)), Id16(reader.array()?));
        let (at_us, check) = (i64::from_be_bytes(reader.array()?), reader.array()?);
        reader.end()?;
        Ok(Self { id, cause, by, at_us, check })
    }

    fn body(&self) -> Writer {
        let mut out = Writer::new();
        out.u8(1).u8(self.cause.code()).raw(&self.id.0.0).raw(&self.by.0).i64(self.at_us);
        out
    }

    fn expected(&self, secret: &[u8; 32]) -> [u8; 16] {
        let mac = base::hmac_sha256(secret, &[b"hanmaru destroyed 1\0", self.body().as_slice()].concat());
        *mac.first_chunk().expect("32 bytes have a first 16")
    }
}

/// Under what id a root key stands in the list.
#[must_use]
pub fn root_entry(root: &str) -> KeyId {
    KeyId(Id16::derived(&["root", root]))
}

/// Under what id the parent of a key would stand in the list.
#[must_use]
pub fn parent_entry(key: &WrappedKey) -> KeyId {
    match &key.parent {
        Parent::Root(root) => root_entry(root),
        Parent::Key(id) => *id,
    }
}

/// The list, as far as some stores know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone(pub(super) HashMap<KeyId, Destroyed>);

impl Gone {
    /// Whether a wrapped key's bytes are dead: the key or its parent is on the list. What is no wrapped key is not.
    pub(super) fn is_dead(&self, payload: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let id = |from: usize| {
            let bytes: [u8; 16] = payload.get(from..from + 16)?.try_into().ok()?;
            Some(KeyId(Id16(bytes)))
        };
        let has = |id: Option<KeyId>| id.is_some_and(|id| self.0.contains_key(&id));
        let parent = match payload.get(17) {
            Some(0) => Reader::new(payload.get(18..).unwrap_or_default()).text().ok().map(root_entry),
            Some(1) => id(18),
            _ => None,
        };
        has(id(1)) || has(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyName;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_go_both_ways_and_every_changed_bit_is_noticed(id: [u8; 16], by: [u8; 16], at_us: i64, retired: bool, bit in 0..464_usize) {
            let cause = if retired { Cause::Retired } else { Cause::Shred };
            let entry = Destroyed::new(&[7; 32], KeyId(Id16(id)), cause, Id16(by), at_us);
            let mut bytes = entry.to_bytes();
            prop_assert_eq!(Destroyed::from_bytes(&bytes), Ok(entry));
            prop_assert!(entry.is_authentic(&[7; 32]) && !entry.is_authentic(&[8; 32]));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!Destroyed::from_bytes(&bytes).is_ok_and(|entry| entry.is_authentic(&[7; 32])));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Destroyed::from_bytes(&bytes);
            let some = Destroyed::new(&[7; 32], KeyId(Id16([1; 16])), Cause::Shred, Id16([2; 16]), 3);
            Gone(HashMap::from([(some.id, some)])).is_dead(&bytes);
        }
    }

    #[test]
    fn a_key_is_dead_by_itself_and_by_its_parent() {
        let key =
            |parent| WrappedKey { id: KeyId(Id16([1; 16])), parent, name: KeyName::Shard(1), wrapped: vec![0; 60] };
        let under_key = key(Parent::Key(KeyId(Id16([2; 16]))));
        let under_root = key(Parent::Root("file:a".to_owned()));
        let gone = |id| Gone(HashMap::from([(id, Destroyed::new(&[7; 32], id, Cause::Shred, Id16([3; 16]), 0))]));
        for key in [&under_key, &under_root] {
            assert!(gone(key.id).is_dead(&key.to_bytes()));
            assert!(gone(parent_entry(key)).is_dead(&key.to_bytes()));
            assert!(!gone(KeyId(Id16([4; 16]))).is_dead(&key.to_bytes()));
            assert!(!Gone::default().is_dead(&key.to_bytes()));
        }
    }
}
