//! Cosignatures of witnesses (C2SP `tlog-cosignature`, Ed25519): a time, and a signature over that time and a checkpoint.
//!
//! A cosignature says that its witness has seen the log grow to this head without a change of what was there before. It never
//! stands in for the signature of the log itself, so its keys are types of their own and [`VerifierKey`] is not one of them.
//!
//! [`VerifierKey`]: crate::VerifierKey

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::keys::{COSIGNATURE_TYPE, SIGNER_PREFIX, check_name, encode_typed, key_id, key_pair, parse_parts, refuse};
use crate::note::NoteSignature;

/// Bytes of a cosignature: the time in eight, and Ed25519.
pub const COSIGNATURE_LEN: usize = 8 + 64;

/// A key that checks cosignatures: `<name>+<id in hexadecimal>+<base64 of 04 and the public key>`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WitnessKey {
    name: String,
    id: u32,
    public: [u8; 32],
}

/// A key that cosigns: `PRIVATE+KEY+<name>+<id in hexadecimal>+<base64 of 04 and the seed>`.
pub struct CosignerKey {
    witness: WitnessKey,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl WitnessKey {
    /// A key from its name and its 32-byte public key (RFC 8032).
    ///
    /// # Errors
    /// [`Error::Key`] for a name that a note cannot carry.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, Error> {
        check_name(name, "witness")?;
        Ok(Self { name: name.to_owned(), id: key_id(name, COSIGNATURE_TYPE, &public), public })
    }

    /// Reads what [`WitnessKey::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Key`] for any other text, for another type, and for an id that is not that of the key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, id, public) = parse_parts(text, "witness", COSIGNATURE_TYPE)?;
        let key = Self::new(name, *public)?;
        if key.id != id { Err(refuse("witness", "its id does not match its name and key")) } else { Ok(key) }
    }

    /// The key as text, to be listed in a policy.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id, encode_typed(COSIGNATURE_TYPE, &self.public).as_str())
    }

    /// Name of the witness.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Short id of the key. Not a secure hash.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The public key (RFC 8032).
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether a signature line names this key.
    #[must_use]
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        signature.id == self.id && signature.name == self.name
    }

    /// The time, in seconds since 1970, at which this key cosigned the text of a checkpoint; `None` where it did not.
    #[must_use]
    pub fn cosigned_at(&self, checkpoint: &[u8], signature: &[u8]) -> Option<u64> {
        let (time, signed) = signature.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        if signature.len() != COSIGNATURE_LEN || i64::try_from(time).is_err() {
            return None;
        }
        UnparsedPublicKey::new(&ED25519, self.public).verify(&message(time, checkpoint), signed).ok().map(|()| time)
    }
}

impl CosignerKey {
    /// A new key from a source of randomness.
    ///
    /// # Errors
    /// [`Error::Key`] for a name that a note cannot carry.
    pub fn generate(name: &str, random: &dyn base::Random) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(&mut *seed);
        Self::from_seed(name, &seed)
    }

    /// The key of a secret seed of 32 random bytes (RFC 8032).
    ///
    /// # Errors
    /// [`Error::Key`] for a name that a note cannot carry.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        let (pair, public) = key_pair(seed)?;
        Ok(Self { witness: WitnessKey::new(name, public)?, seed: Zeroizing::new(*seed), pair })
    }

    /// Reads what [`CosignerKey::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Key`] for any other text, for another type, and for an id that is not that of the key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rest = text.strip_prefix(SIGNER_PREFIX).ok_or(refuse("signer", "it does not begin with PRIVATE+KEY+"))?;
        let (name, id, seed) = parse_parts(rest, "signer", COSIGNATURE_TYPE)?;
        let key = Self::from_seed(name, &seed)?;
        if key.witness.id != id { Err(refuse("signer", "its id does not match its name and key")) } else { Ok(key) }
    }

    /// The secret key as text. It leaves memory when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let typed = encode_typed(COSIGNATURE_TYPE, &self.seed);
        Zeroizing::new(format!("{SIGNER_PREFIX}{}+{:08x}+{}", self.witness.name, self.witness.id, typed.as_str()))
    }

    /// The key that checks what this one cosigns.
    #[must_use]
    pub const fn witness(&self) -> &WitnessKey {
        &self.witness
    }

    /// Cosigns the text of a checkpoint at `time`, in seconds since 1970. Whether it may be cosigned is decided elsewhere.
    #[must_use]
    pub fn cosign(&self, checkpoint: &[u8], time: u64) -> NoteSignature {
        let signature = self.pair.sign(&message(time, checkpoint));
        let signature = [&time.to_be_bytes()[..], signature.as_ref()].concat();
        NoteSignature { name: self.witness.name.clone(), id: self.witness.id, signature }
    }
}

/// What is signed: a line that keeps it apart from every other signature, the time, and the checkpoint.
fn message(time: u64, checkpoint: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), checkpoint].concat()
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.encode())
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}+{:08x}, secret)", self.witness.name, self.witness.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SignerKey, VerifierKey};

    fn key(seed: u8) -> CosignerKey {
        CosignerKey::from_seed("witness.example/w1", &[seed; 32]).expect("good name")
    }

    #[test]
    fn a_cosignature_is_by_one_key_over_one_time_and_text() {
        let signature = key(1).cosign(b"log\n1\nroot\n", 1_679_315_147);
        assert_eq!(signature.signature.len(), COSIGNATURE_LEN);
        let witness = key(1).witness().clone();
        assert!(witness.is_named_by(&signature));
        assert_eq!(witness.cosigned_at(b"log\n1\nroot\n", &signature.signature), Some(1_679_315_147));
        assert_eq!(witness.cosigned_at(b"log\n2\nroot\n", &signature.signature), None);
        assert_eq!(key(2).witness().cosigned_at(b"log\n1\nroot\n", &signature.signature), None);
        for position in 0..COSIGNATURE_LEN {
            let mut changed = signature.signature.clone();
            changed[position] ^= 1;
            assert_eq!(witness.cosigned_at(b"log\n1\nroot\n", &changed), None, "byte {position}");
        }
        let longer = [&signature.signature[..], &[0]].concat();
        assert_eq!(witness.cosigned_at(b"log\n1\nroot\n", &longer), None);
        assert_eq!(witness.cosigned_at(b"log\n1\nroot\n", &signature.signature[..7]), None);
    }

    #[test]
    fn the_signed_message_is_that_of_the_specification() {
        let text = message(1_679_315_147, b"example.com/behind-the-sofa\n20852163\nCsUY=\n");
        let expected = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUY=\n";
        assert_eq!(String::from_utf8(text).expect("ASCII"), expected);
    }

    #[test]
    fn keys_of_witnesses_and_of_logs_are_not_exchanged() {
        let text = key(1).witness().encode();
        assert_eq!(&WitnessKey::parse(&text).expect("own text"), key(1).witness());
        assert_eq!(CosignerKey::parse(&key(1).encode()).expect("own text").witness(), key(1).witness());
        let log = SignerKey::from_seed("witness.example/w1", &[1; 32]).expect("good name");
        assert_ne!(log.id(), key(1).witness().id(), "the type is part of the id");
        assert!(VerifierKey::parse(&text).expect_err("a witness").to_string().contains("not Ed25519 (0x01)"));
        let refused = WitnessKey::parse(&log.verifier().encode()).expect_err("a log").to_string();
        assert!(refused.contains("cosigner (0x04)"), "{refused}");
        assert!(SignerKey::parse(&key(1).encode()).is_err() && CosignerKey::parse(&log.encode()).is_err());
        assert!(WitnessKey::new("a b", [1; 32]).is_err());
        assert!(!format!("{:?}", key(5)).contains("BQUF"), "the seed is not shown");
    }
}
