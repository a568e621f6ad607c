//! The agency over loopback: the whole sign-in as a browser and a client do it, and everything that must fail.

use base::{ManualClock, Redacted, SeededRandom, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;
use synth::agency::{AgencyConfig, AgencyError, AgencyLimits, serve};
use synth::people::{Foreign, Person, person_for_foreign, write_people};

const BACK: &str = "http://127.0.0.1:1/sign-in/back";
const SECRET: &str = "a secret: with +%";
const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";

struct Running {
    issuer: String,
    client: Client,
    clock: Arc<ManualClock>,
    people: Vec<Person>,
    _folder: tempfile::TempDir,
}

fn person(name: &str, source_id: &str) -> Person {
    let birth_date = jiff::civil::date(1980, 1, 2);
    person_for_foreign(Foreign { name, birth_date, gender: "female", source_id })
}

fn config(people: std::path::PathBuf, clock: Arc<ManualClock>, limits: AgencyLimits) -> AgencyConfig {
    AgencyConfig {
        issuer: None,
        client_id: "hanmaru".into(),
        client_secret: Redacted::new(SECRET.into()),
        redirect_urls: vec![BACK.into()],
        people: vec![people],
        limits,
        clock,
        random: Arc::new(SeededRandom::new(7)),
    }
}

async fn start(limits: AgencyLimits) -> Running {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("people.json");
    let people = vec![person("김합성", "a|1"), person("이가상", "a|2")];
    write_people(&file, people.clone()).expect("written");
    // 2026-11-22: near enough to the machine's clock for the client library, which reads that one.
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_795_300_000).expect("a time")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    let config = config(file, clock.clone(), limits);
    tokio::spawn(async move { serve(config, listener, std::future::pending()).await });
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    Running { issuer, client, clock, people, _folder: folder }
}

/// A browser in the middle of a sign-in.
struct Tab {
    request: String,
    cookie: String,
}

impl Running {
    fn query(&self) -> HashMap<&'static str, String> {
        let challenge = URL_SAFE_NO_PAD.encode(base::sha256(VERIFIER.as_bytes()));
        HashMap::from([
            ("response_type", "code".to_owned()),
            ("client_id", "hanmaru".to_owned()),
            ("redirect_uri", BACK.to_owned()),
            ("scope", "openid profile ci".to_owned()),
            ("state", "the state".to_owned()),
            ("nonce", "the-nonce".to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ])
    }

    async fn authorize(&self, query: &HashMap<&'static str, String>) -> Response {
        let mut address = reqwest::Url::parse(&format!("{}/authorize", self.issuer)).expect("an address");
        address.query_pairs_mut().extend_pairs(query);
        self.client.get(address).send().await.expect("an answer")
    }

    async fn open(&self) -> Tab {
        let response = self.authorize(&self.query()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        let page = response.text().await.expect("a page");
        Tab { request: between(&page, "name=\"request\" value=\"", "\""), cookie }
    }

    async fn form(&self, tab: &Tab, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut form = vec![("request", tab.request.as_str())];
        form.extend_from_slice(fields);
        let request = self.client.post(format!("{}{path}", self.issuer)).header("cookie", &tab.cookie);
        request.form(&form).send().await.expect("an answer")
    }

    async fn identify(&self, tab: &Tab, person: &Person) -> Response {
        let (front, back) = person.rrn.split_at(6);
        self.form(tab, "/identify", &[("name", &person.name), ("rrn_front", front), ("rrn_back", back)]).await
    }

    /// Everything up to the authorisation code.
    async fn code(&self, person: &Person) -> String {
        let tab = self.open().await;
        let page = self.identify(&tab, person).await.text().await.expect("a page");
        let sms = sms_code(&page);
        let response = self.form(&tab, "/confirm", &[("code", &sms)]).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let back = location(&response);
        let parameters: HashMap<_, _> = back.query_pairs().into_owned().collect();
        assert_eq!((parameters["state"].as_str(), parameters["iss"].as_str()), ("the state", self.issuer.as_str()));
        parameters["code"].clone()
    }

    async fn token(&self, code: &str, verifier: &str, secret: &str) -> (StatusCode, Value) {
        let form =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", verifier)];
        let encoded: String = secret
            .bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect();
        let request = self.client.post(format!("{}/token", self.issuer)).basic_auth("hanmaru", Some(encoded));
        let response = request.form(&form).send().await.expect("an answer");
        (response.status(), response.json().await.expect("JSON"))
    }

    async fn user_info(&self, token: &str) -> (StatusCode, Value) {
        let request = self.client.get(format!("{}/userinfo", self.issuer)).bearer_auth(token);
        let response = request.send().await.expect("an answer");
        (response.status(), response.json().await.expect("JSON"))
    }
}

fn location(response: &Response) -> reqwest::Url {
    response.headers()["location"].to_str().expect("text").parse().expect("an address")
}

fn between(text: &str, before: &str, after: &str) -> String {
    let start = text.find(before).unwrap_or_else(|| panic!("{before} in {text}")) + before.len();
    text[start..].split(after).next().expect("a part").to_owned()
}

fn sms_code(page: &str) -> String {
    let code = between(page, "id=\"sms-code\">", "<");
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
    code
}

/// A code of six digits that is not this one.
fn other_code(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn a_person_signs_in_and_the_client_library_accepts_the_token() {
    let agency = start(AgencyLimits::default()).await;
    let code = agency.code(&agency.people[0]).await;
    let (status, tokens) = agency.token(&code, VERIFIER, SECRET).await;
    assert_eq!(status, StatusCode::OK);
    let metadata = agency.client.get(format!("{}/.well-known/openid-configuration", agency.issuer));
    let metadata: Value = metadata.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&metadata["issuer"], &metadata["hanmaru_stand_in"]), (&json!(agency.issuer), &json!(true)));
    let keys = agency.client.get(metadata["jwks_uri"].as_str().expect("an address")).send().await.expect("an answer");
    let keys: CoreJsonWebKeySet = keys.json().await.expect("a key set");
    let issuer = IssuerUrl::new(agency.issuer.clone()).expect("an address");
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new("hanmaru".into()), issuer, keys)
        .set_allowed_algs([openidconnect::core::CoreJwsSigningAlgorithm::EcdsaP256Sha256])
        .set_time_fn(|| {
            std::time::SystemTime::UNIX_EPOCH
                .checked_add(std::time::Duration::from_secs(1_795_300_001))
                .expect("a time")
                .into()
        });
    let token = CoreIdToken::from_str(tokens["id_token"].as_str().expect("a token")).expect("a JWT");
    let claims = token.claims(&verifier, &Nonce::new("the-nonce".into())).expect("the signature and claims hold");
    assert_eq!(claims.birthdate().map(|date| date.to_string()).as_deref(), Some("1980-01-02"));
    assert!(token.claims(&verifier, &Nonce::new("another".into())).is_err(), "the nonce is bound");
    let raw: Value = {
        let text = tokens["id_token"].as_str().expect("a token").to_owned();
        let middle = text.split('.').nth(1).expect("claims").to_owned();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).expect("base64")).expect("JSON")
    };
    assert_eq!(raw["ci"], agency.people[0].ci);
    assert_eq!((&raw["name"], &raw["gender"], &raw["amr"]), (&json!("김합성"), &json!("female"), &json!(["sms"])));
    assert_eq!(raw["auth_time"], 1_795_300_000);
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(raw["at_hash"], URL_SAFE_NO_PAD.encode(&base::sha256(access.as_bytes())[..16]));
    let (status, info) = agency.user_info(tokens["access_token"].as_str().expect("a token")).await;
    assert_eq!((status, &info["sub"], &info["ci"]), (StatusCode::OK, &raw["sub"], &raw["ci"]));
    assert_ne!(raw["sub"], raw["ci"], "the subject tells nothing");
}

#[tokio::test]
async fn a_replayed_code_is_refused_and_its_tokens_are_revoked() {
    let agency = start(AgencyLimits::default()).await;
    let code = agency.code(&agency.people[0]).await;
    let (_, tokens) = agency.token(&code, VERIFIER, SECRET).await;
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(agency.user_info(token).await.0, StatusCode::OK);
    assert_eq!(
        agency.token(&code, VERIFIER, SECRET).await,
        (StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"}))
    );
    assert_eq!(agency.user_info(token).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_verifier_burns_the_code() {
    let agency = start(AgencyLimits::default()).await;
    let code = agency.code(&agency.people[0]).await;
    assert_eq!(agency.token(&code, &VERIFIER.replace('0', "1"), SECRET).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(agency.token(&code, VERIFIER, SECRET).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn codes_and_tokens_end() {
    let agency = start(AgencyLimits::default()).await;
    let code = agency.code(&agency.people[0]).await;
    agency.clock.advance(61);
    assert_eq!(agency.token(&code, VERIFIER, SECRET).await.0, StatusCode::BAD_REQUEST, "a code holds for a minute");
    let code = agency.code(&agency.people[0]).await;
    let (_, tokens) = agency.token(&code, VERIFIER, SECRET).await;
    agency.clock.advance(301);
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(agency.user_info(token).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_text_codes_end_the_sign_in_and_old_ones_are_refused() {
    let agency = start(AgencyLimits { tries: 3, ..AgencyLimits::default() }).await;
    let tab = agency.open().await;
    let page = agency.identify(&tab, &agency.people[0]).await.text().await.expect("a page");
    let code = sms_code(&page);
    for expected in [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::FORBIDDEN] {
        assert_eq!(agency.form(&tab, "/confirm", &[("code", other_code(&code))]).await.status(), expected);
    }
    let late = agency.form(&tab, "/confirm", &[("code", &code)]).await;
    assert_eq!(late.status(), StatusCode::BAD_REQUEST, "the right code comes too late");

    let tab = agency.open().await;
    let page = agency.identify(&tab, &agency.people[0]).await.text().await.expect("a page");
    agency.clock.advance(181);
    let old = agency.form(&tab, "/confirm", &[("code", &sms_code(&page))]).await;
    assert_eq!(old.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = agency.form(&tab, "/resend", &[]).await.text().await.expect("a page");
    let fresh = agency.form(&tab, "/confirm", &[("code", &sms_code(&page))]).await;
    assert_eq!(fresh.status(), StatusCode::SEE_OTHER);
    let twice = agency.form(&tab, "/confirm", &[("code", &sms_code(&page))]).await;
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST, "a text code is good once");
}

#[tokio::test]
async fn unknown_people_and_wrong_names_look_alike_and_are_counted() {
    let agency = start(AgencyLimits { tries: 3, ..AgencyLimits::default() }).await;
    let tab = agency.open().await;
    let wrong_name = Person { name: "박아닌".into(), ..agency.people[0].clone() };
    let nobody = Person { rrn: "9001011999999".into(), ..agency.people[0].clone() };
    let mut pages = Vec::new();
    for person in [&wrong_name, &nobody] {
        let response = agency.identify(&tab, person).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = response.text().await.expect("a page");
        assert!(!page.contains(&person.rrn[6..]), "the number is not repeated");
        pages.push(page);
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(agency.identify(&tab, &wrong_name).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(agency.identify(&tab, &agency.people[0]).await.status(), StatusCode::BAD_REQUEST, "the sign-in is over");
}

#[tokio::test]
async fn text_messages_to_one_number_are_limited() {
    let agency = start(AgencyLimits { messages: 2, ..AgencyLimits::default() }).await;
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let tab = agency.open().await;
        assert_eq!(agency.identify(&tab, &agency.people[0]).await.status(), expected);
    }
    let tab = agency.open().await;
    assert_eq!(agency.identify(&tab, &agency.people[1]).await.status(), StatusCode::OK, "others are not locked out");
    agency.clock.advance(601);
    let tab = agency.open().await;
    assert_eq!(agency.identify(&tab, &agency.people[0]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn another_browser_cannot_finish_a_sign_in() {
    let agency = start(AgencyLimits::default()).await;
    let (mine, yours) = (agency.open().await, agency.open().await);
    let mixed = Tab { request: mine.request.clone(), cookie: yours.cookie };
    assert_eq!(agency.identify(&mixed, &agency.people[0]).await.status(), StatusCode::BAD_REQUEST);
    let none = Tab { request: mine.request, cookie: "a=b".into() };
    assert_eq!(agency.identify(&none, &agency.people[0]).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn requests_of_clients_are_checked() {
    let agency = start(AgencyLimits::default()).await;
    for (name, value) in [("client_id", "other"), ("redirect_uri", "http://evil.example/"), ("redirect_uri", "")] {
        let mut query = agency.query();
        query.insert(name, value.to_owned());
        let response = agency.authorize(&query).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}={value} is answered here, not redirected");
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "profile", "invalid_scope"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("nonce", "", "invalid_request"),
        ("prompt", "none", "login_required"),
    ] {
        let mut query = agency.query();
        query.insert(name, value.to_owned());
        let response = agency.authorize(&query).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let parameters: HashMap<_, _> = location(&response).query_pairs().into_owned().collect();
        assert_eq!((parameters["error"].as_str(), parameters["state"].as_str()), (error, "the state"));
    }
    let tab = agency.open().await;
    let cancelled = agency.form(&tab, "/cancel", &[]).await;
    assert!(location(&cancelled).query_pairs().any(|(name, value)| name == "error" && value == "access_denied"));
}

#[tokio::test]
async fn clients_with_a_wrong_secret_are_refused_and_slowed_down() {
    let agency = start(AgencyLimits { client_failures: 2, ..AgencyLimits::default() }).await;
    let code = agency.code(&agency.people[0]).await;
    assert_eq!(
        agency.token(&code, VERIFIER, "wrong").await,
        (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}))
    );
    assert_eq!(agency.token(&code, VERIFIER, "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(agency.token(&code, VERIFIER, SECRET).await.0, StatusCode::TOO_MANY_REQUESTS);
    agency.clock.advance(61);
    let code = agency.code(&agency.people[0]).await;
    assert_eq!(agency.token(&code, VERIFIER, SECRET).await.0, StatusCode::OK);
}

#[tokio::test]
async fn cis_are_given_in_bulk_to_the_client_only() {
    let agency = start(AgencyLimits { bulk_numbers: 3, ..AgencyLimits::default() }).await;
    let ask = |numbers: Value, secret: &'static str| {
        let request = agency.client.post(format!("{}/bulk/ci", agency.issuer)).basic_auth("hanmaru", Some(secret));
        async move { request.json(&json!({"rrn": numbers})).send().await.expect("an answer") }
    };
    const ENCODED: &str = "a+secret%3A+with+%2B%25";
    let numbers = json!([
        agency.people[1].rrn,
        "0000000000000",
        format!("{}-{}", &agency.people[0].rrn[..6], &agency.people[0].rrn[6..])
    ]);
    let answer: Value = ask(numbers, ENCODED).await.json().await.expect("JSON");
    assert_eq!(answer, json!({"ci": [agency.people[1].ci, null, agency.people[0].ci]}));
    assert_eq!(ask(json!(["1", "2", "3", "4"]), ENCODED).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(json!("no list"), ENCODED).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ask(json!(["9".repeat(70_000)]), ENCODED).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(json!([]), "wrong").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_has_security_headers_and_pages_speak_both_languages() {
    let agency = start(AgencyLimits::default()).await;
    for path in ["/", "/health", "/jwks", "/authorize", "/token", "/nowhere"] {
        let response = agency.client.get(format!("{}{path}", agency.issuer)).send().await.expect("an answer");
        let policy = response.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(policy.ends_with("form-action 'self' http://127.0.0.1:1"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    for (locale, lang, word) in
        [("en-US en", "en", "National number"), ("ko-KR", "ko", "주민등록번호"), ("fr", "ko", "주민등록번호")]
    {
        let mut query = agency.query();
        query.insert("ui_locales", locale.to_owned());
        let page = agency.authorize(&query).await.text().await.expect("a page");
        assert!(page.contains(&format!("<html lang=\"{lang}\">")) && page.contains(word), "{locale}");
        assert!(page.contains("실제 기관이 아닙니다 / stand-in for demonstration"));
    }
}

#[test]
fn it_is_not_put_on_a_network_and_not_started_half_configured() {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let whole = config("nowhere.json".into(), clock, AgencyLimits::default());
    let network = "0.0.0.0:80".parse().expect("an address");
    assert!(matches!(synth::agency::Agency::new(whole.clone(), network), Err(AgencyError::NotLoopback { .. })));
    let loopback = "[::1]:8080".parse().expect("an address");
    let without = AgencyConfig { client_secret: Redacted::new(String::new()), ..whole.clone() };
    assert!(matches!(synth::agency::Agency::new(without, loopback), Err(AgencyError::Config { .. })));
    assert_eq!(synth::agency::Agency::new(whole, loopback).expect("whole").issuer(), "http://[::1]:8080");
}
