//! Keys that sign and check notes: Ed25519 (RFC 8032), in the text forms that Go's checksum database introduced.
//!
//! Where keys are kept is not decided here; [`SignerKey::encode`] gives the secret in clear.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Error;
use crate::note::NoteSignature;

/// Signature type of Ed25519 over the text of the note (C2SP `signed-note`).
const ED25519_TYPE: KeyType = KeyType { byte: 0x01, refusal: "its type is not Ed25519 (0x01)" };
/// Signature type of Ed25519 with a time, over a checkpoint (C2SP `tlog-cosignature`).
pub(crate) const COSIGNATURE_TYPE: KeyType =
    KeyType { byte: 0x04, refusal: "its type is not that of an Ed25519 cosigner (0x04)" };
/// Longest name of a key, in bytes.
pub const KEY_NAME_LEN_MAX: usize = 255;
/// Longest text of a key that is read: a name, a prefix and 33 bytes in base64.
const KEY_TEXT_LEN_MAX: usize = KEY_NAME_LEN_MAX + 80;
pub(crate) const SIGNER_PREFIX: &str = "PRIVATE+KEY+";

/// What a key is for: the byte before it in texts, and how another byte is refused.
#[derive(Clone, Copy)]
pub(crate) struct KeyType {
    byte: u8,
    refusal: &'static str,
}

/// A key that checks signatures: `<name>+<id in hexadecimal>+<base64 of type and public key>`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    id: u32,
    public: [u8; 32],
}

/// A key that signs: `PRIVATE+KEY+<name>+<id in hexadecimal>+<base64 of type and seed>`.
pub struct SignerKey {
    verifier: VerifierKey,
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl VerifierKey {
    /// A key from its name and its 32-byte public key (RFC 8032).
    ///
    /// # Errors
    /// [`Error::Key`] for a name that a note cannot carry.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, Error> {
        check_name(name, "verifier")?;
        Ok(Self { name: name.to_owned(), id: key_id(name, ED25519_TYPE, &public), public })
    }

    /// Reads what [`VerifierKey::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Key`] for any other text, for a type that is not Ed25519, and for an id that is not that of the key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, id, public) = parse_parts(text, "verifier", ED25519_TYPE)?;
        let key = Self::new(name, *public)?;
        if key.id != id { Err(refuse("verifier", "its id does not match its name and key")) } else { Ok(key) }
    }

    /// The key as text, to be pinned and published.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id, encode_typed(ED25519_TYPE, &self.public).as_str())
    }

    /// Name of the key; of a log's key, the origin of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Short id of the key, from its name, type and public key. Not a secure hash.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The public key (RFC 8032).
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether `signature` is by this key over `text`.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text, signature).is_ok()
    }
}

impl SignerKey {
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
        check_name(name, "signer")?;
        let (pair, public) = key_pair(seed)?;
        Ok(Self { verifier: VerifierKey::new(name, public)?, seed: Zeroizing::new(*seed), pair })
    }

    /// Reads what [`SignerKey::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Key`] for any other text, for a type that is not Ed25519, and for an id that is not that of the key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rest = text.strip_prefix(SIGNER_PREFIX).ok_or(refuse("signer", "it does not begin with PRIVATE+KEY+"))?;
        let (name, id, seed) = parse_parts(rest, "signer", ED25519_TYPE)?;
        let key = Self::from_seed(name, &seed)?;
        if key.id() != id { Err(refuse("signer", "its id does not match its name and key")) } else { Ok(key) }
    }

    /// The secret key as text. It leaves memory when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let typed = encode_typed(ED25519_TYPE, &self.seed);
        Zeroizing::new(format!("{SIGNER_PREFIX}{}+{:08x}+{}", self.name(), self.id(), typed.as_str()))
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// Short id of the key.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.verifier.id
    }

    /// Signs a text, as one line of a note.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> NoteSignature {
        let signature = self.pair.sign(text).as_ref().to_vec();
        NoteSignature { name: self.name().to_owned(), id: self.id(), signature }
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({})", self.encode())
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}+{:08x}, secret)", self.name(), self.id())
    }
}

/// Whether a line of a note can name this key: not empty, no white space (Unicode) and no plus (C2SP `signed-note`).
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

/// Our own keys and those we trust are held to more than notes are: short names without control characters.
pub(crate) fn check_name(name: &str, what: &'static str) -> Result<(), Error> {
    if is_key_name(name) && name.len() <= KEY_NAME_LEN_MAX && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(refuse(what, "its name must be 1 to 255 bytes without spaces, control characters and plus"))
}

pub(crate) const fn refuse(what: &'static str, reason: &'static str) -> Error {
    Error::Key { what, reason }
}

/// The short id of a key: the first four bytes of SHA-256 over name, newline, type and public key.
pub(crate) fn key_id(name: &str, kind: KeyType, public: &[u8; 32]) -> u32 {
    let [a, b, c, d, ..] = base::sha256(&[name.as_bytes(), b"\n", &[kind.byte], public].concat());
    u32::from_be_bytes([a, b, c, d])
}

/// The key pair of a secret seed, and its public half.
pub(crate) fn key_pair(seed: &[u8; 32]) -> Result<(Ed25519KeyPair, [u8; 32]), Error> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| refuse("signer", "its seed gives no key"))?;
    let mut public = [0; 32];
    public.copy_from_slice(pair.public_key().as_ref());
    Ok((pair, public))
}

/// Base64 of the type and 32 bytes of key.
pub(crate) fn encode_typed(kind: KeyType, key: &[u8; 32]) -> Zeroizing<String> {
    let mut typed = Zeroizing::new([kind.byte; 33]);
    typed[1..].copy_from_slice(key);
    Zeroizing::new(STANDARD.encode(*typed))
}

/// Name, id and the 32 bytes of key of `<name>+<id>+<base64>`.
pub(crate) fn parse_parts<'a>(
    text: &'a str,
    what: &'static str,
    kind: KeyType,
) -> Result<(&'a str, u32, Zeroizing<[u8; 32]>), Error> {
    if text.len() > KEY_TEXT_LEN_MAX {
        return Err(refuse(what, "it is too long"));
    }
    // The name holds no plus, the base64 may.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(refuse(what, "it is not a name, an id and a key with a plus between"));
    };
    // The specification writes them small, and there is one way to write a key.
    if id.len() != 8 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(refuse(what, "its id is not eight hexadecimal digits, a to f small"));
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| refuse(what, "its id is not eight hexadecimal digits"))?;
    let typed = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| refuse(what, "its last part is not base64"))?);
    match typed.split_first() {
        Some((byte, bytes)) if *byte == kind.byte => {
            let bytes = bytes.try_into().map_err(|_| refuse(what, "an Ed25519 key has 32 bytes"))?;
            Ok((name, id, Zeroizing::new(bytes)))
        }
        Some(_) => Err(refuse(what, kind.refusal)),
        None => Err(refuse(what, "its last part is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;

    #[test]
    fn keys_go_both_ways_as_text() {
        let signer = SignerKey::generate("log.example/records", &SeededRandom::new(1)).expect("good name");
        let text = signer.encode();
        assert!(text.starts_with("PRIVATE+KEY+log.example/records+"));
        assert_eq!(SignerKey::parse(&text).expect("own text").verifier(), signer.verifier());
        let verifier = VerifierKey::parse(&signer.verifier().encode()).expect("own text");
        assert_eq!(&verifier, signer.verifier());
        let signature = signer.sign(b"text\n");
        assert!(verifier.verifies(b"text\n", &signature.signature));
        assert!(!verifier.verifies(b"text", &signature.signature));
        assert!(!verifier.verifies(b"text\n", &signature.signature[..63]));
    }

    #[test]
    fn rfc_8032_test_1() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed: [u8; 32] = base::unhex(seed).and_then(|bytes| bytes.try_into().ok()).expect("32 bytes");
        let signer = SignerKey::from_seed("n", &seed).expect("good name");
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(base::hex(signer.verifier().public()), public);
        assert_eq!(base::hex(&signer.sign(b"").signature)[..16], *"e5564300c360ac72");
    }

    #[test]
    fn debug_keeps_the_secret() {
        let signer = SignerKey::from_seed("log", &[5; 32]).expect("good name");
        let debug = format!("{signer:?}");
        assert!(!debug.contains(&STANDARD.encode([5; 32])[..8]) && !debug.contains("0505") && !debug.contains("5, 5"));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let good = SignerKey::from_seed("log", &[5; 32]).expect("good name").verifier().encode();
        let id = good.split('+').nth(1).expect("three parts");
        assert!(id.bytes().any(|byte| byte.is_ascii_alphabetic()), "an id with letters");
        for (text, said) in [
            (String::new(), "plus between"),
            (good.replacen("log", "lag", 1), "does not match its name"),
            (good.replacen(id, "00000000", 1), "does not match its name"),
            (good.replacen(id, &format!("+{}", &id[1..]), 1), "eight hexadecimal"),
            (good.replacen(id, &format!("-{}", &id[1..]), 1), "eight hexadecimal"),
            (good.replacen(id, &id.to_ascii_uppercase(), 1), "a to f small"),
            (good.replacen("log", "l g", 1), "without spaces"),
            (good.replacen("log", "l\u{3000}g", 1), "without spaces"),
            (good.replacen("log", "", 1), "without spaces"),
            (format!("log+{id}+{}", STANDARD.encode([4; 33])), "not Ed25519"),
            (format!("log+{id}+{}", STANDARD.encode([1; 32])), "32 bytes"),
            (format!("log+{id}+"), "empty"),
            (format!("log+{id}+?"), "not base64"),
            ("n".repeat(400), "too long"),
        ] {
            let error = VerifierKey::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(SignerKey::parse(&good).is_err());
    }
}
