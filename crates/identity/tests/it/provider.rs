//! An identity agency inside the test: strict about what a client must send, and as wrong as a test wants in what it answers.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base::{Clock as _, ManualClock, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::url::Url;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

pub const CLIENT_ID: &str = "hanmaru";
pub const CLIENT_SECRET: &str = "s e:cret";
pub const REDIRECT_URL: &str = "http://localhost:1/sign-in/back";

/// A person as the agency knows them.
#[derive(Debug, Clone)]
pub struct Citizen {
    pub name: &'static str,
    pub birth_date: &'static str,
    pub gender: &'static str,
    pub rrn: &'static str,
}

pub const KIM: Citizen = Citizen { name: "김철수", birth_date: "1970-02-28", gender: "male", rrn: "700228-1000001" };
pub const LEE: Citizen =
    Citizen { name: "이영희", birth_date: "1985-11-03", gender: "female", rrn: "851103-2000002" };

impl Citizen {
    pub fn ci(&self) -> String {
        format!("{}==", "c".repeat(46) + &base::hex(&sha256(self.rrn.as_bytes()))[..40])
    }
}

/// What the agency does wrong, if anything.
#[derive(Default)]
pub struct Faults {
    /// Changes the claims of an ID token before it is signed.
    pub claims: Option<fn(&mut Value)>,
    /// Changes the header of an ID token before it is signed.
    pub header: Option<fn(&mut Value)>,
    /// Changes the finished ID token.
    pub token: Option<fn(String) -> String>,
    /// Every endpoint answers this status.
    pub status: Option<u16>,
    /// Where the metadata say that the keys are.
    pub keys_at: Option<&'static str>,
    /// Only the token endpoint answers this status, with a redirect elsewhere.
    pub token_status: Option<u16>,
    /// Name, birth date and CI come from the userinfo endpoint only, for this subject.
    pub userinfo_subject: Option<&'static str>,
    /// The bulk answer.
    pub bulk: Option<Value>,
}

struct Grant {
    citizen: Citizen,
    nonce: String,
    challenge: String,
}

pub struct Agency {
    pub url: String,
    clock: Arc<ManualClock>,
    inner: Mutex<Inner>,
}

struct Inner {
    key: EcdsaKeyPair,
    kid: String,
    grants: HashMap<String, Grant>,
    access: HashMap<String, Citizen>,
    faults: Faults,
    requests: HashMap<&'static str, usize>,
}

impl Agency {
    /// Starts an agency whose time is `clock`.
    pub fn start(clock: Arc<ManualClock>) -> Arc<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.set_nonblocking(true).expect("a fresh socket");
        let agency = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().expect("bound")),
            clock,
            inner: Mutex::new(Inner {
                key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
                kid: "k1".to_owned(),
                grants: HashMap::new(),
                access: HashMap::new(),
                faults: Faults::default(),
                requests: HashMap::new(),
            }),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/bulk/ci", post(bulk))
            .with_state(Arc::clone(&agency));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, router).await.expect("serves until the test ends");
            });
        });
        agency
    }

    pub fn wrong(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    pub fn right(&self) {
        self.lock().faults = Faults::default();
    }

    /// Signs with a new key from now on; under a new name, or the old one.
    pub fn rotate_key(&self, kid: &str) {
        let mut inner = self.lock();
        inner.key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        inner.kid = kid.to_owned();
    }

    pub fn requests(&self, endpoint: &str) -> usize {
        self.lock().requests.get(endpoint).copied().unwrap_or(0)
    }

    /// A citizen proves themselves at the address a client sent them to: gives code and state.
    pub fn prove(&self, address: &str, citizen: &Citizen) -> (String, String) {
        let url = Url::parse(address).expect("an address");
        assert!(address.starts_with(&format!("{}/authorize?", self.url)), "{address}");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URL),
            ("code_challenge_method", "S256"),
            ("max_age", "600"),
        ] {
            assert_eq!(query[name], value);
        }
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43);
        let mut inner = self.lock();
        let code = format!("code-{}", inner.grants.len() + inner.access.len());
        let grant = Grant {
            citizen: citizen.clone(),
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
        };
        inner.grants.insert(code.clone(), grant);
        (code, query["state"].clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no handler panics while it holds this")
    }

    fn count(&self, endpoint: &'static str) -> Option<Response> {
        let mut inner = self.lock();
        *inner.requests.entry(endpoint).or_default() += 1;
        let status = inner.faults.status?;
        Some((StatusCode::from_u16(status).expect("a status"), "{}").into_response())
    }

    fn id_token(&self, grant: &Grant, access_token: &str) -> String {
        let inner = self.lock();
        let now_s = self.clock.now().as_second();
        let at_hash = URL_SAFE_NO_PAD.encode(&sha256(access_token.as_bytes())[..16]);
        let mut claims = json!({
            "iss": self.url, "aud": CLIENT_ID, "sub": "sub-of-somebody", "exp": now_s + 300, "iat": now_s,
            "auth_time": now_s - 5, "nonce": grant.nonce, "at_hash": at_hash,
        });
        if inner.faults.userinfo_subject.is_none() {
            claims["name"] = json!(grant.citizen.name);
            claims["birthdate"] = json!(grant.citizen.birth_date);
            claims["gender"] = json!(grant.citizen.gender);
            claims["ci"] = json!(grant.citizen.ci());
        }
        let mut header = json!({ "alg": "ES256", "typ": "JWT", "kid": inner.kid });
        if let Some(change) = inner.faults.claims {
            change(&mut claims);
        }
        if let Some(change) = inner.faults.header {
            change(&mut header);
        }
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = match header["alg"].as_str() {
            Some("none") => Vec::new(),
            Some("HS256") => base::hmac_sha256(CLIENT_SECRET.as_bytes(), signed.as_bytes()).to_vec(),
            _ => inner.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs").as_ref().to_vec(),
        };
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        match inner.faults.token {
            Some(change) => change(token),
            None => token,
        }
    }
}

async fn metadata(State(agency): State<Arc<Agency>>) -> Response {
    if let Some(down) = agency.count("metadata") {
        return down;
    }
    let url = &agency.url;
    let keys_at = agency.lock().faults.keys_at.map_or_else(|| format!("{url}/keys"), ToOwned::to_owned);
    Json(json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": keys_at, "userinfo_endpoint": format!("{url}/userinfo"),
        "response_types_supported": ["code"], "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"], "hanmaru_stand_in": true,
    }))
    .into_response()
}

async fn keys(State(agency): State<Arc<Agency>>) -> Response {
    if let Some(down) = agency.count("keys") {
        return down;
    }
    let inner = agency.lock();
    let point = inner.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": inner.kid, "x": x, "y": y });
    Json(json!({ "keys": [key] })).into_response()
}

async fn token(
    State(agency): State<Arc<Agency>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if let Some(down) = agency.count("token") {
        return down;
    }
    if let Some(status) = agency.lock().faults.token_status {
        let elsewhere = [("location", format!("{}/keys", agency.url))];
        return (StatusCode::from_u16(status).expect("a status"), elsewhere).into_response();
    }
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    if !authorised(&headers) {
        return refuse("invalid_client");
    }
    let grant = form.get("code").and_then(|code| agency.lock().grants.remove(code));
    let Some(grant) = grant else { return refuse("invalid_grant") };
    let challenge = form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())));
    if challenge.as_ref() != Some(&grant.challenge)
        || form.get("redirect_uri").map(String::as_str) != Some(REDIRECT_URL)
        || form.get("grant_type").map(String::as_str) != Some("authorization_code")
    {
        return refuse("invalid_grant");
    }
    let access_token = format!("access-{}", grant.nonce);
    let id_token = agency.id_token(&grant, &access_token);
    agency.lock().access.insert(access_token.clone(), grant.citizen);
    Json(json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token }))
        .into_response()
}

async fn userinfo(State(agency): State<Arc<Agency>>, headers: HeaderMap) -> Response {
    if let Some(down) = agency.count("userinfo") {
        return down;
    }
    let inner = agency.lock();
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(citizen) = bearer.and_then(|token| inner.access.get(token)) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    Json(json!({
        "sub": inner.faults.userinfo_subject.unwrap_or("sub-of-somebody"), "name": citizen.name,
        "birthdate": citizen.birth_date, "gender": citizen.gender, "ci": citizen.ci(),
    }))
    .into_response()
}

async fn bulk(State(agency): State<Arc<Agency>>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    if let Some(down) = agency.count("bulk") {
        return down;
    }
    if !authorised(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(answer) = &agency.lock().faults.bulk {
        return Json(answer).into_response();
    }
    let numbers = asked["rrn"].as_array().expect("a list");
    let ci: Vec<Option<String>> =
        numbers.iter().map(|number| [KIM, LEE].iter().find(|citizen| number == citizen.rrn).map(Citizen::ci)).collect();
    Json(json!({ "ci": ci })).into_response()
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn authorised(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode("hanmaru:s+e%3Acret"));
    headers.get("authorization").is_some_and(|value| value == expected.as_str())
}
