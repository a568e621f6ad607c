//! AES-256-GCM (NIST SP 800-38D) in the two shapes the vault needs: wrapping a key, and a message under a key of its own.
//!
//! Not a general cipher interface: nonces are chosen here, so that no caller can repeat one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base::Random;
use zeroize::Zeroizing;

/// Bytes of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
/// Bytes of a wrapped key: nonce 12, ciphertext 32, tag 16.
pub(crate) const WRAPPED_BYTES: usize = NONCE_BYTES + 32 + TAG_BYTES;

/// The bytes were not made with this key, or not for this place, or were changed.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct NotAuthentic;

/// A key ready for use. The library clears it when dropped.
pub(crate) struct Cipher(LessSafeKey);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256");
        Self(LessSafeKey::new(unbound))
    }

    /// Wraps a key. The nonce is random: one key wraps far fewer than the 2^32 keys that SP 800-38D section 8.3 allows.
    pub(crate) fn wrap(&self, key: &[u8; 32], aad: &[u8], random: &dyn Random) -> [u8; WRAPPED_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let mut out = [0; WRAPPED_BYTES];
        out[..NONCE_BYTES].copy_from_slice(&nonce);
        let (body, tag_place) = out[NONCE_BYTES..].split_at_mut(32);
        body.copy_from_slice(key);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
            .expect("32 bytes are within the length GCM takes");
        tag_place.copy_from_slice(tag.as_ref());
        out
    }

    /// Unwraps what [`Cipher::wrap`] made with the same additional data.
    pub(crate) fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Zeroizing<[u8; 32]>, NotAuthentic> {
        if wrapped.len() != WRAPPED_BYTES {
            return Err(NotAuthentic);
        }
        let (nonce, sealed) = wrapped.split_at(NONCE_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotAuthentic)?;
        let mut buffer = Zeroizing::new([0; 32 + TAG_BYTES]);
        buffer.copy_from_slice(sealed);
        let opened = self.0.open_in_place(nonce, Aad::from(aad), buffer.as_mut_slice()).map_err(|_| NotAuthentic)?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(opened);
        Ok(key)
    }

    /// Encrypts the only message this key will ever have, in place, and gives the tag. The nonce is zero,
    /// which is safe because the key is random and used once.
    pub(crate) fn seal_only_message(&self, aad: &[u8], message: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; NONCE_BYTES]), Aad::from(aad), message)
            .expect("messages are limited far below the 64 GiB that GCM takes");
        let mut out = [0; TAG_BYTES];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts in place what [`Cipher::seal_only_message`] made: ciphertext and tag, and cuts the tag off.
    pub(crate) fn open_only_message(&self, aad: &[u8], message: &mut Vec<u8>) -> Result<(), NotAuthentic> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_BYTES]);
        let length = self.0.open_in_place(nonce, Aad::from(aad), message).map_err(|_| NotAuthentic)?.len();
        message.truncate(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{SeededRandom, hex, unhex};

    #[test]
    fn a_wrapped_key_opens_only_where_it_belongs() {
        let random = SeededRandom::new(1);
        let (outer, other) = (Cipher::new(&random.bytes32()), Cipher::new(&random.bytes32()));
        let key = random.bytes32();
        let wrapped = outer.wrap(&key, b"place", &random);
        assert_eq!(*outer.unwrap(&wrapped, b"place").expect("same key and place"), key);
        assert_eq!(outer.unwrap(&wrapped, b"elsewhere").map(|_| ()), Err(NotAuthentic));
        assert_eq!(other.unwrap(&wrapped, b"place").map(|_| ()), Err(NotAuthentic));
        assert_eq!(outer.unwrap(&wrapped[1..], b"place").map(|_| ()), Err(NotAuthentic));
    }

    #[test]
    fn it_is_the_published_cipher() {
        // Test case 14 of McGrew and Viega, "The Galois/Counter Mode of Operation": key, nonce and message are zero.
        let cipher = Cipher::new(&[0; 32]);
        let mut message = [0; 16];
        let tag = cipher.seal_only_message(b"", &mut message);
        assert_eq!(unhex("cea7403d4d606b6e074ec5d3baf39d18"), Some(message.to_vec()));
        assert_eq!(hex(&tag), "d0d1c8a799996bf0265b98b5d48ab919");
    }
}
