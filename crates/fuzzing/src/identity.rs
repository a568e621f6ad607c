//! Targets for what an identity agency, a browser and a passkey answer.

use crate::agency::{Place, kim, right};
use crate::house::{self, House, SOURCE};
use base::Redacted;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{CiLookup as _, Client, Session};
use serde_json::{Value, json};

/// Two hours: longer than an answer of the agency is kept.
const LATER_S: i64 = 2 * 3600;
/// The base point of P-256: the public key of a secret that everybody knows.
const POINT: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const HEAD: &str = "@client";

pub fn agency_seeds() -> Vec<Vec<u8>> {
    let seeds = Place::ALL.into_iter().enumerate();
    let mut seeds: Vec<Vec<u8>> =
        seeds.map(|(at, place)| [&[at as u8][..], &right(place, Some(&kim()))].concat()).collect();
    seeds.push([&[2][..], br#"{"error":"invalid_grant","error_description":"\ud55c"}"#].concat());
    seeds.push([&[1][..], br#"{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"k1","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#].concat());
    seeds
}

/// An answer of the agency: one byte for its place, then the answer. Whoever is signed in has a name and a CI of their own, and
/// nobody is sent anywhere that the configuration forbids.
pub fn agency(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let place = Place::ALL[usize::from(*which) % Place::ALL.len()];
    house::with(|house| {
        house.world.clock.advance(LATER_S);
        house.agency.answer_with(Some((place, bytes.to_vec())));
        if place == Place::Bulk {
            let numbers = [Redacted::new(kim().rrn), Redacted::new("0001013000000".to_owned())];
            let found = house.identity.ci_lookup().ci_of(&numbers);
            assert!(found.is_err() || found.is_ok_and(|found| found.len() == numbers.len()), "one answer a number");
        } else {
            // Each from an address of its own: who fails often waits.
            let hour = house.now_s() / LATER_S;
            let source = format!("10.{}.{}.{}", hour >> 16 & 255, hour >> 8 & 255, hour & 255);
            if let Ok(signed_in) = house.sign_in(&source) {
                let name = signed_in.session.name.expose();
                assert!((1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control));
                assert!(!name.contains(base::hidden::is_hidden));
            }
        }
        house.agency.answer_with(None);
    });
}

/// Authenticator data of a new passkey at `localhost`, and the same as an attestation that attests nothing.
fn attested() -> (Vec<u8>, Vec<u8>) {
    let point = base::unhex(POINT).expect("hexadecimal digits");
    let mut data = base::sha256(b"localhost").to_vec();
    data.extend([0x45, 0, 0, 0, 1]);
    data.extend([0; 16]);
    data.extend([0, 16]);
    data.extend([0xab; 16]);
    data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
    data.extend(&point[..32]);
    data.extend([0x22, 0x58, 0x20]);
    data.extend(&point[32..]);
    let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
    object.push(u8::try_from(data.len()).expect("shorter than 256 bytes"));
    object.extend(&data);
    (data, object)
}

fn new_passkey(object: &[u8]) -> String {
    let id = URL_SAFE_NO_PAD.encode([0xab; 16]);
    let response = json!({ "clientDataJSON": HEAD, "attestationObject": URL_SAFE_NO_PAD.encode(object) });
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string()
}

fn proof(data: &[u8]) -> String {
    let id = URL_SAFE_NO_PAD.encode([0xab; 16]);
    let signature = URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 1, 2, 1, 1]);
    let data = URL_SAFE_NO_PAD.encode(data);
    let response =
        json!({ "clientDataJSON": HEAD, "authenticatorData": data, "signature": signature, "userHandle": null });
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string()
}

pub fn passkey_seeds() -> Vec<Vec<u8>> {
    let (data, object) = attested();
    let seed = |mode: u8, bytes: &[u8]| [&[mode][..], bytes].concat();
    vec![
        seed(0, new_passkey(&object).as_bytes()),
        seed(1, &object),
        seed(2, proof(&data[..37]).as_bytes()),
        seed(3, &data[..37]),
        seed(0, &[&b"{"[..], br#""id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"@client","attestationObject":"oA","transports":["usb"]},"extensions":{"credProps":{"rk":true}}}"#].concat()),
    ]
}

/// The answer of a passkey: one byte that says which, then the whole answer, or the bytes of the authenticator in a right one.
/// A new one belongs to this site; none proves anything, since nobody signs here.
pub fn passkey(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    house::with(|house| {
        let (session, _) = house.member();
        if mode % 4 < 2 {
            let Ok(ask) = house.identity.passkey_enrol(&session) else { return };
            let answer = if mode % 4 == 0 { text.into_owned() } else { new_passkey(bytes) };
            let answer = with_client(house, &answer, "webauthn.create", &ask.options);
            if house.identity.passkey_enrolled(&session, ask.cookie.expose(), &answer, &text_of(bytes)).is_ok() {
                let object = if mode % 4 == 0 { object_of(&answer) } else { bytes.to_vec() };
                let site = base::sha256(b"localhost");
                assert!(object.windows(32).any(|window| window == site), "a passkey of another site");
                drop_passkeys(house);
            }
            return;
        }
        enrol_genuine(house, &session);
        let (session, _) = house.member();
        let ask = house.identity.passkey_prove(&session).expect("there is a passkey");
        let answer = if mode % 4 == 2 { text.into_owned() } else { proof(bytes) };
        let answer = with_client(house, &answer, "webauthn.get", &ask.options);
        let proved = house.identity.passkey_proved(&session, ask.cookie.expose(), &answer, SOURCE);
        assert!(proved.is_err(), "nobody has signed that");
    });
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

fn object_of(answer: &str) -> Vec<u8> {
    let answer: Value = serde_json::from_str(answer).expect("it was taken");
    let object = answer["response"]["attestationObject"].as_str().unwrap_or_default();
    URL_SAFE_NO_PAD.decode(object.trim_end_matches('=')).unwrap_or_default()
}

fn with_client(house: &House, answer: &str, kind: &str, options: &str) -> String {
    let options: Value = serde_json::from_str(options).expect("options are JSON");
    let origin = format!("http://{}", house.host);
    let client = json!({ "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false });
    answer.replace(HEAD, &URL_SAFE_NO_PAD.encode(client.to_string()))
}

fn enrol_genuine(house: &mut House, session: &Session) {
    if house.identity.passkeys(session).expect("the store can be read").is_empty() {
        let ask = house.identity.passkey_enrol(session).expect("there is room");
        let answer = with_client(house, &new_passkey(&attested().1), "webauthn.create", &ask.options);
        let token = house.identity.passkey_enrolled(session, ask.cookie.expose(), &answer, "one");
        house.go_on_as(token.expect("it is as a browser answers").cookie_value());
    }
}

fn drop_passkeys(house: &mut House) {
    // The session went on under another token, and the code is asked for again.
    let (session, _) = house.member();
    for passkey in house.identity.passkeys(&session).expect("the store can be read") {
        let _ = house.identity.remove_passkey(&session, &passkey.id);
    }
}

pub fn token_seeds() -> Vec<Vec<u8>> {
    let texts = [
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAA BBBB CCCC DDDD",
        "123 456",
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0 Safari/537.36 Edg/120",
        "2001:db8::1%eth0",
        "::ffff:192.0.2.1",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Tokens, cookies and codes as a browser sends them. Nothing that was not given out is anybody's.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(identity::family(text).len() <= 64, "a browser is told in a word or two");
    house::with(|house| {
        let (session, _) = house.member();
        let identity = &house.identity;
        assert!(identity.session(text).is_err(), "a session that nobody began");
        assert!(identity.csrf_ok(&session, text).is_err(), "a token that nobody gave out");
        assert!(identity.recovery(text).is_err(), "a request that nobody made");
        let begun = identity.begin("ko", text).expect("the agency answers rightly");
        let client =
            Client { source: text.to_owned(), device: Some(Redacted::new(text.to_owned())), agent: text.to_owned() };
        assert!(identity.finish(text, text, text, client.clone()).is_err(), "a sign-in that nobody began");
        assert!(identity.finish(begun.cookie.expose(), text, text, client).is_err(), "a state that nobody gave out");
        assert!(identity.passkey_proved(&session, text, text, text).is_err(), "a question that nobody asked");
    });
}
