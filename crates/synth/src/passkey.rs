//! A passkey in software: what a browser with an authenticator would answer (Web Authentication Level 3, section 6), for tests.
//! Its keys are in memory in clear, so it is no way to sign in to anything real.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

/// User present, and user verified.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
/// May be backed up; and attested credential data follow.
const BACKUP_ELIGIBLE: u8 = 0x08;
const ATTESTED: u8 = 0x40;

/// An authenticator at a browser, with the passkeys made on it.
#[derive(Clone)]
pub struct SoftKey {
    /// Scheme, host and port of the page the browser shows.
    origin: String,
    /// Whether what is made on it may be copied to other devices.
    copyable: bool,
    /// Whether it checks who holds it.
    verifies: bool,
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Vec<u8>,
    account: Vec<u8>,
    site: String,
    pair: Arc<EcdsaKeyPair>,
    counter: u32,
}

impl SoftKey {
    /// An authenticator that is bound to its device and checks who holds it, at a page of this origin.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), copyable: false, verifies: true, keys: Vec::new() }
    }

    /// The same, whose passkeys may be copied to other devices.
    #[must_use]
    pub fn copyable(self) -> Self {
        Self { copyable: true, ..self }
    }

    /// The same, which does not check who holds it.
    #[must_use]
    pub fn unverified(self) -> Self {
        Self { verifies: false, ..self }
    }

    /// The same, at a page of another origin.
    #[must_use]
    pub fn at(self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self }
    }

    /// Makes a passkey as the options of a page ask: the answer as the page sends it.
    ///
    /// # Panics
    /// Where the options are no options.
    #[must_use]
    pub fn create(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("the system has randomness");
        let id = base::sha256(pair.public_key().as_ref())[..16].to_vec();
        let key = Key {
            account: bytes(&options["user"]["id"]),
            site: options["rp"]["id"].as_str().expect("a site").to_owned(),
            id: id.clone(),
            pair: Arc::new(pair),
            counter: 1,
        };
        let mut data = self.data(&key, ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(id.len()).expect("16 bytes").to_be_bytes());
        data.extend(&id);
        data.extend(cose(key.pair.public_key().as_ref()));
        let client = self.client("webauthn.create", &options);
        self.keys.push(key);
        let id = URL_SAFE_NO_PAD.encode(&id);
        json!({
            "id": id, "rawId": id, "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&client),
                "attestationObject": URL_SAFE_NO_PAD.encode(attestation(&data)),
            },
        })
        .to_string()
    }

    /// Answers with a passkey that the options name, or with the newest where they name none.
    ///
    /// # Panics
    /// Where the options are no options, or there is no such passkey here.
    #[must_use]
    pub fn get(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        let named: Vec<Vec<u8>> =
            options["allowCredentials"].as_array().into_iter().flatten().map(|one| bytes(&one["id"])).collect();
        let at = self.keys.iter().rposition(|key| named.is_empty() || named.contains(&key.id)).expect("a passkey");
        self.keys[at].counter += 1;
        let key = self.keys[at].clone();
        let client = self.client("webauthn.get", &options);
        let data = self.data(&key, 0);
        let signed = [data.as_slice(), &base::sha256(&client)].concat();
        let signature = key.pair.sign(&SystemRandom::new(), &signed).expect("the key signs");
        let id = URL_SAFE_NO_PAD.encode(&key.id);
        json!({
            "id": id, "rawId": id, "type": "public-key",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&client),
                "authenticatorData": URL_SAFE_NO_PAD.encode(&data),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
                "userHandle": URL_SAFE_NO_PAD.encode(&key.account),
            },
        })
        .to_string()
    }

    fn data(&self, key: &Key, more: u8) -> Vec<u8> {
        let mut flags = PRESENT | more;
        if self.verifies {
            flags |= VERIFIED;
        }
        if self.copyable {
            flags |= BACKUP_ELIGIBLE;
        }
        let mut data = base::sha256(key.site.as_bytes()).to_vec();
        data.push(flags);
        data.extend(key.counter.to_be_bytes());
        data
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().expect("a text")).expect("base64url")
}

/// The public key as a COSE map: EC2, ES256, P-256, x, y (RFC 9053 sections 2.1 and 7.1.1).
fn cose(point: &[u8]) -> Vec<u8> {
    let (x, y) = point[1..].split_at(32);
    [&[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20], x, &[0x22, 0x58, 0x20], y].concat()
}

/// An attestation object that attests nothing (section 8.7).
fn attestation(data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).expect("it is short");
    [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".as_slice(), &[length], data].concat()
}
