//! Free text in the store's own tables, sealed under a secret of the installation: reasons and notes of staff. Not for records,
//! which `vault` seals.
//!
//! Form: 32 random bytes, then ciphertext, then a 16-byte tag. Each key is derived from the random bytes and used once, so the
//! nonce is zero.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base::{Random, Redacted, hmac_sha256};

use crate::error::StoreError;

const SALT_BYTES: usize = 32;

/// Seals a text that belongs to `binding`.
pub(crate) fn seal(secret: &[u8; 32], binding: &[u8], text: &str, random: &dyn Random) -> Vec<u8> {
    let salt = random.bytes32();
    let mut body = text.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    key(secret, &salt)
        .seal_in_place_append_tag(nonce, Aad::from(binding), &mut body)
        .expect("AES-GCM takes anything shorter than 64 GiB");
    [&salt[..], &body].concat()
}

/// Opens what [`seal`] made.
pub(crate) fn open(secret: &[u8; 32], binding: &[u8], sealed: &[u8]) -> Result<Redacted<String>, StoreError> {
    let damaged = || StoreError::Damaged { what: "a sealed text", reason: "it does not open".to_owned() };
    let (salt, body) = sealed.split_at_checked(SALT_BYTES).ok_or_else(damaged)?;
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let plain = key(secret, salt).open_in_place(nonce, Aad::from(binding), &mut body).map_err(|_| damaged())?;
    String::from_utf8(plain.to_vec()).map(Redacted::new).map_err(|_| damaged())
}

fn key(secret: &[u8; 32], salt: &[u8]) -> LessSafeKey {
    let derived = hmac_sha256(secret, &[b"store-text\0", salt].concat());
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &derived).expect("an HMAC-SHA-256 is 32 bytes, as this key must be"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;

    #[test]
    fn a_text_opens_where_it_belongs_and_nowhere_else() {
        let random = SeededRandom::new(1);
        let sealed = seal(&[1; 32], b"here", "사유", &random);
        assert_eq!(open(&[1; 32], b"here", &sealed).expect("it opens").expose(), "사유");
        assert_ne!(sealed, seal(&[1; 32], b"here", "사유", &random), "the same text never looks the same");
        assert!(open(&[2; 32], b"here", &sealed).is_err() && open(&[1; 32], b"there", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&[1; 32], b"here", &changed).is_err() && open(&[1; 32], b"here", &sealed[..at]).is_err());
        }
    }
}
