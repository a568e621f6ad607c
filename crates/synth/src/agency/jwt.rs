//! ES256 tokens (RFC 7515, RFC 7518 section 3.4) and the key that others check them with. Checks none itself.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A signing key that lives as long as the process.
pub(super) struct Key {
    pair: EcdsaKeyPair,
    id: String,
}

impl Key {
    /// A new key, from the operating system's random source.
    pub(super) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the operating system's random source answers once it is seeded");
        let id = base::hex(&base::sha256(pair.public_key().as_ref())[..8]);
        Self { pair, id }
    }

    /// The public key as a JSON Web Key (RFC 7517).
    pub(super) fn public(&self) -> Value {
        // An uncompressed point: one byte 4, then x and y of 32 bytes each (SEC 1, section 2.3.3).
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        })
    }

    /// A token with these claims.
    pub(super) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.id});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("signing with a whole key fails only without randomness");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// `at_hash`: the first half of the SHA-256 of an access token (OpenID Connect Core 1.0, section 3.1.3.6).
pub(super) fn access_token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&base::sha256(token.as_bytes())[..16])
}
