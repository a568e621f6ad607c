//! 128-bit ids. They carry no time, no order and no meaning, so that they may stand in clear.

use crate::{Random, hex, unhex};
use std::fmt;
use std::str::FromStr;

/// A 128-bit id, written as 32 lower-case hexadecimal digits (a valid FHIR id, R4 datatypes "id").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id16(pub [u8; 16]);

impl Id16 {
    /// A new random id.
    #[must_use]
    pub fn random(random: &dyn Random) -> Self {
        Self(random.bytes16())
    }

    /// The id that a name always has: the first half of SHA-256 over the length-prefixed parts.
    /// The same parts give the same id, which makes repeated writes recognisable. Whoever can guess the parts can tell whose id it
    /// is: what a person could be known by belongs into [`Id16::keyed`].
    #[must_use]
    pub fn derived(parts: &[&str]) -> Self {
        Self::first_half(&crate::sha256(&joined(parts)))
    }

    /// As [`Id16::derived`] under a secret: the first half of HMAC-SHA-256 over the same bytes. Without the secret nobody can tell
    /// which parts an id stands for, however few there are to guess from. The first part says what the id is of.
    #[must_use]
    pub fn keyed(secret: &[u8; 32], parts: &[&str]) -> Self {
        Self::first_half(&crate::hmac_sha256(secret, &joined(parts)))
    }

    fn first_half(digest: &[u8; 32]) -> Self {
        Self(*digest.first_chunk().expect("32 bytes have a first 16"))
    }
}

/// The parts back to back, each behind its length, so that no two lists of parts are the same bytes.
fn joined(parts: &[&str]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        let length = u32::try_from(part.len()).expect("parts of an id are short");
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(part.as_bytes());
    }
    joined
}

impl fmt::Display for Id16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Id16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an id is 32 hexadecimal digits")]
pub struct NotAnId;

impl FromStr for Id16 {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes = unhex(text).ok_or(NotAnId)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAnId)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_run_together() {
        assert_ne!(Id16::derived(&["ab", "c"]), Id16::derived(&["a", "bc"]));
        assert_eq!(Id16::derived(&["ab", "c"]), Id16::derived(&["ab", "c"]));
    }

    #[test]
    fn a_keyed_id_is_nobodys_without_the_secret() {
        let (parts, one, other) = (&["ab", "c"][..], [1; 32], [2; 32]);
        assert_eq!(Id16::keyed(&one, parts), Id16::keyed(&one, parts));
        assert_ne!(Id16::keyed(&one, parts), Id16::keyed(&other, parts));
        assert_ne!(Id16::keyed(&one, parts), Id16::keyed(&one, &["a", "bc"]));
        assert_ne!(Id16::keyed(&one, parts), Id16::derived(parts));
        // HMAC-SHA-256 over 00000002 6162 00000001 63, by another implementation.
        assert_eq!(Id16::keyed(&one, parts).to_string(), "d4a0cfaaf4ce23a8a3e726f0fde71113");
    }

    #[test]
    fn text_form_goes_both_ways() {
        let id = Id16::derived(&["x"]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("xyz".parse::<Id16>(), Err(NotAnId));
        assert_eq!("00".parse::<Id16>(), Err(NotAnId));
    }
}
