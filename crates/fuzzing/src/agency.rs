//! An identity agency that answers as a target wants: with what is right, and with the target's bytes in one place.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synth::people::Person;

/// Longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Where an answer of the agency can be the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Discovery,
    Keys,
    Token,
    /// The claims of an ID token, which the agency signs.
    Claims,
    UserInfo,
    Bulk,
}

impl Place {
    pub const ALL: [Self; 6] = [Self::Discovery, Self::Keys, Self::Token, Self::Claims, Self::UserInfo, Self::Bulk];
}

/// What the agency answers with. Placeholders: `@url`, `@nonce`, `@now`, `@soon`, `@token`.
pub struct Agency {
    pub url: String,
    key: EcdsaKeyPair,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nonce: String,
    now_s: i64,
    other: Option<(Place, Vec<u8>)>,
}

impl Agency {
    /// Starts one. Its thread ends with the program.
    pub fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has randomness");
        let agency = Arc::new(Self { url, key, state: Mutex::default() });
        let serving = Arc::clone(&agency);
        std::thread::spawn(move || {
            // A connection that breaks is the client's doing, and the next one may not.
            listener.incoming().flatten().for_each(|connection| drop(serving.answer(connection)));
        });
        agency
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next answers are made for.
    pub fn set(&self, nonce: &str, now_s: i64) {
        let mut state = self.state();
        (state.nonce, state.now_s) = (nonce.to_owned(), now_s);
    }

    /// Answers with these bytes in one place; with what is right again, where there are none.
    pub fn answer_with(&self, other: Option<(Place, Vec<u8>)>) {
        self.state().other = other;
    }

    fn answer(&self, mut connection: TcpStream) -> std::io::Result<()> {
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = read_request(&mut connection)?;
        let path = request.split(' ').nth(1).unwrap_or_default();
        let place = match path {
            "/.well-known/openid-configuration" => Place::Discovery,
            "/keys" => Place::Keys,
            "/token" => Place::Token,
            "/userinfo" => Place::UserInfo,
            _ => Place::Bulk,
        };
        let body = self.body(place);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        connection.write_all(&[head.as_bytes(), &body].concat())
    }

    fn body(&self, place: Place) -> Vec<u8> {
        let state = self.state();
        let other = state.other.as_ref().filter(|(at, _)| *at == place).map(|(_, bytes)| bytes.clone());
        let claims = state.other.as_ref().filter(|(at, _)| *at == Place::Claims).map(|(_, bytes)| bytes.clone());
        let claims = claims.unwrap_or_else(|| match &state.other {
            // What the token does not say, the agency is asked for.
            Some((Place::UserInfo, _)) => right(Place::Claims, None),
            _ => right(Place::Claims, Some(&kim())),
        });
        let bytes = other.unwrap_or_else(|| match place {
            Place::Keys => self.keys(),
            _ => right(place, Some(&kim())),
        });
        let token = self.signed(&filled(&claims, &self.url, &state, ""));
        filled(&bytes, &self.url, &state, &token)
    }

    /// The answer that names the agency's key.
    fn keys(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1", "x": x, "y": y });
        json!({ "keys": [key] }).to_string().into_bytes()
    }

    fn signed(&self, claims: &[u8]) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" }).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("the key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// The person whom the agency states.
pub fn kim() -> Person {
    testkit::person("김하늘")
}

/// What is right to answer with, to be filled; of a person, where one is to be stated.
pub fn right(place: Place, person: Option<&Person>) -> Vec<u8> {
    let mut stated = json!({ "sub": "sub-of-somebody" });
    if let Some(person) = person {
        stated["name"] = json!(person.name);
        stated["birthdate"] = json!(person.birth_date.to_string());
        stated["gender"] = json!("female");
        stated["ci"] = json!(person.ci);
    }
    let text = match place {
        Place::Discovery => json!({
            "issuer": "@url", "authorization_endpoint": "@url/authorize", "token_endpoint": "@url/token",
            "jwks_uri": "@url/keys", "userinfo_endpoint": "@url/userinfo", "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["ES256"],
            "hanmaru_stand_in": true,
        })
        .to_string(),
        Place::Keys => {
            json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA" }] }).to_string()
        }
        Place::Token => json!({
            "access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": "@token",
        })
        .to_string(),
        Place::Claims => {
            let head = r#"{"iss":"@url","aud":"hanmaru","nonce":"@nonce","iat":@now,"auth_time":@now,"exp":@soon,"#;
            format!("{head}{}", &stated.to_string()[1..])
        }
        Place::UserInfo => stated.to_string(),
        Place::Bulk => json!({ "ci": [person.map(|person| &person.ci), null] }).to_string(),
    };
    text.into_bytes()
}

fn filled(bytes: &[u8], url: &str, state: &State, token: &str) -> Vec<u8> {
    let (now, soon) = (state.now_s.to_string(), (state.now_s + 300).to_string());
    let words = [("@url", url), ("@nonce", &state.nonce), ("@now", &now), ("@soon", &soon), ("@token", token)];
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match words.iter().find(|(word, _)| rest.starts_with(word.as_bytes())) {
            Some((word, value)) => {
                filled.extend_from_slice(value.as_bytes());
                rest = &rest[word.len()..];
            }
            None => {
                filled.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    filled
}

/// The request with its body, so that the connection is not cut while the client writes.
fn read_request(connection: &mut TcpStream) -> std::io::Result<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(text);
            }
        }
        let read = connection.read(&mut piece)?;
        if read == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return Ok(text);
        }
        bytes.extend_from_slice(&piece[..read]);
    }
}
