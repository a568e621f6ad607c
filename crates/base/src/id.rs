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
    /// The same parts give the same id, which makes repeated writes recognisable.
    #[must_use]
    pub fn derived(parts: &[&str]) -> Self {
        let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        for part in parts {
            let length = u32::try_from(part.len()).expect("parts of an id are short");
            joined.extend_from_slice(&length.to_be_bytes());
            joined.extend_from_slice(part.as_bytes());
        }
        let digest = crate::sha256(&joined);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
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
    fn text_form_goes_both_ways() {
        let id = Id16::derived(&["x"]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("xyz".parse::<Id16>(), Err(NotAnId));
        assert_eq!("00".parse::<Id16>(), Err(NotAnId));
    }
}
