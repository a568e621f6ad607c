//! What an entry of our logs is: a salted commitment of constant length.
//!
//! An entry says nothing by itself: no identifier, code, time, size or kind stands in it. Whoever holds the salt and the
//! content can show that this very content was logged; whoever has destroyed the salt has made the entry mute for ever.
//! This is not encryption: the content must be kept elsewhere.

use aws_lc_rs::hmac;

/// Version byte that every entry begins with.
pub const COMMITMENT_VERSION: u8 = 1;

/// Bytes of an entry: the version byte and an HMAC-SHA-256 (RFC 2104).
pub const COMMITMENT_LEN: usize = 33;

/// An entry of our logs: [`COMMITMENT_VERSION`], then HMAC-SHA-256 under a salt over domain, kind and content.
pub type Commitment = [u8; COMMITMENT_LEN];

/// Separates these HMACs from every other use of a salt.
const DOMAIN: &[u8] = b"hanmaru ledger commitment v1\0";

/// What an entry commits to. The kind goes into the HMAC, so that content of one kind never passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum EntryKind {
    /// A version of a FHIR resource.
    Resource = 1,
    /// A sealed object: a scan, an image, a PDF.
    Object = 2,
    /// An attempt to read, granted or denied.
    Access = 3,
    /// A document that was issued.
    Issued = 4,
    /// A receipt for a deposit.
    Receipt = 5,
    /// Changes of rows of lasting tables.
    Rows = 6,
    /// An erasure: whose keys were destroyed, who wanted it, and which entries say nothing any more.
    Shred = 7,
}

impl EntryKind {
    /// The byte that stands for this kind inside the HMAC. It never changes meaning.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Commits to `content` of `kind` under `salt`, which must be random, secret and used for this content only.
#[must_use]
pub fn commit(salt: &[u8; 32], kind: EntryKind, content: &[u8]) -> Commitment {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let mut context = hmac::Context::with_key(&key);
    context.update(DOMAIN);
    context.update(&[kind.code()]);
    context.update(content);
    let mut entry = [COMMITMENT_VERSION; COMMITMENT_LEN];
    entry[1..].copy_from_slice(context.sign().as_ref());
    entry
}

/// Whether `entry` is the commitment to `content` of `kind` under `salt`.
#[must_use]
pub fn opens(entry: &[u8], salt: &[u8; 32], kind: EntryKind, content: &[u8]) -> bool {
    entry == commit(salt, kind, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_hmac_over_domain_kind_and_content() {
        let salt = [9; 32];
        let entry = commit(&salt, EntryKind::Resource, b"content");
        assert_eq!(entry[0], 1);
        assert_eq!(entry[1..], base::hmac_sha256(&salt, b"hanmaru ledger commitment v1\0\x01content"));
    }

    #[test]
    fn salt_kind_and_content_all_matter() {
        let entry = commit(&[1; 32], EntryKind::Access, b"content");
        assert!(opens(&entry, &[1; 32], EntryKind::Access, b"content"));
        assert!(!opens(&entry, &[2; 32], EntryKind::Access, b"content"));
        assert!(!opens(&entry, &[1; 32], EntryKind::Issued, b"content"));
        assert!(!opens(&entry, &[1; 32], EntryKind::Access, b"contents"));
        assert!(!opens(&entry[..32], &[1; 32], EntryKind::Access, b"content"));
    }

    #[test]
    fn kinds_keep_their_codes() {
        use EntryKind::{Access, Issued, Object, Receipt, Resource, Shred};
        assert_eq!([Resource, Object, Access, Issued, Receipt, Shred].map(EntryKind::code), [1, 2, 3, 4, 5, 7]);
    }
}
