//! Small secrets at rest, in the tables of rooms: AES-256-GCM under a key derived for each sealing. Not for records, which `vault`
//! seals.
//!
//! Form: 32 random bytes, then ciphertext, then a 16-byte tag. The key is HMAC-SHA-256(secret, label ‖ random) and used once,
//! so the nonce is zero (NIST SP 800-38D asks for a nonce that is unique under its key).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base::{Random, hmac_sha256};

const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// Seals `plain` under `secret`. It opens again with the same secret, label and binding only.
#[must_use]
pub fn seal(secret: &[u8; 32], label: &str, binding: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
    let salt = random.bytes32();
    let mut body = plain.to_vec();
    key(secret, label, &salt)
        .seal_in_place_append_tag(nonce(), Aad::from(binding), &mut body)
        .expect("AES-GCM takes anything shorter than 64 GiB");
    let mut sealed = Vec::with_capacity(SALT_BYTES + body.len());
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(&body);
    sealed
}

/// Opens what [`seal`] made; `None` when anything of it differs.
#[must_use]
pub fn open(secret: &[u8; 32], label: &str, binding: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    if sealed.len() < SALT_BYTES + TAG_BYTES {
        return None;
    }
    let (salt, body) = sealed.split_at(SALT_BYTES);
    let mut body = body.to_vec();
    let length = key(secret, label, salt).open_in_place(nonce(), Aad::from(binding), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn key(secret: &[u8; 32], label: &str, salt: &[u8]) -> LessSafeKey {
    let derived = hmac_sha256(secret, &[label.as_bytes(), &[0], salt].concat());
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).expect("an HMAC-SHA-256 is 32 bytes, as this key must be"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Free text of people, such as reasons and notes of staff, in the store's own tables.
pub(crate) mod text {
    use base::{Random, Redacted};

    use crate::error::StoreError;

    const LABEL: &str = "store-text";

    /// Seals a text that belongs to `binding`.
    pub(crate) fn seal(secret: &[u8; 32], binding: &[u8], text: &str, random: &dyn Random) -> Vec<u8> {
        super::seal(secret, LABEL, binding, text.as_bytes(), random)
    }

    /// Opens what [`seal`] made.
    pub(crate) fn open(secret: &[u8; 32], binding: &[u8], sealed: &[u8]) -> Result<Redacted<String>, StoreError> {
        let plain = super::open(secret, LABEL, binding, sealed).and_then(|plain| String::from_utf8(plain).ok());
        let damaged = StoreError::Damaged { what: "a sealed text", reason: "it does not open".to_owned() };
        plain.map(Redacted::new).ok_or(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opens_with_everything_the_same_and_with_nothing_else(plain: Vec<u8>, at: usize, bit in 0..8_u32) {
            let random = SeededRandom::new(7);
            let sealed = seal(&[1; 32], "a", b"b", &plain, &random);
            prop_assert_eq!(open(&[1; 32], "a", b"b", &sealed), Some(plain));
            prop_assert_eq!(open(&[2; 32], "a", b"b", &sealed), None);
            prop_assert_eq!(open(&[1; 32], "x", b"b", &sealed), None);
            prop_assert_eq!(open(&[1; 32], "a", b"x", &sealed), None);
            let mut changed = sealed.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            prop_assert_eq!(open(&[1; 32], "a", b"b", &changed), None);
            prop_assert_eq!(open(&[1; 32], "a", b"b", &sealed[..at]), None);
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let random = SeededRandom::new(7);
        assert_ne!(seal(&[1; 32], "a", b"b", b"text", &random), seal(&[1; 32], "a", b"b", b"text", &random));
    }

    #[test]
    fn a_text_opens_where_it_belongs_and_nowhere_else() {
        let random = SeededRandom::new(1);
        let sealed = text::seal(&[1; 32], b"here", "사유", &random);
        assert_eq!(text::open(&[1; 32], b"here", &sealed).expect("it opens").expose(), "사유");
        assert!(text::open(&[2; 32], b"here", &sealed).is_err() && text::open(&[1; 32], b"there", &sealed).is_err());
    }
}
