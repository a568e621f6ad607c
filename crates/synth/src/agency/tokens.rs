//! What clients call: metadata, keys, tokens, user info, and CIs in bulk. Shows no page.

use super::state::{Access, Grant, Used};
use super::{Agency, Inner, jwt};
use crate::people::Person;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Form;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `GET /.well-known/openid-configuration` (OpenID Connect Discovery 1.0).
pub(super) async fn metadata(State(agency): State<Agency>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", agency.0.issuer);
    Json(json!({
        "issuer": agency.0.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "scopes_supported": ["openid", "profile", "ci"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "birthdate", "gender", "ci", "auth_time", "amr"],
        "ui_locales_supported": ["ko", "en"],
        "authorization_response_iss_parameter_supported": true,
        "hanmaru_stand_in": true,
    }))
}

/// `GET /jwks`.
pub(super) async fn keys(State(agency): State<Agency>) -> Json<Value> {
    Json(json!({"keys": [agency.0.key.public()]}))
}

#[derive(Deserialize)]
pub(super) struct TokenForm {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
}

/// `POST /token` (RFC 6749, section 4.1.3).
pub(super) async fn token(
    State(agency): State<Agency>,
    headers: HeaderMap,
    form: Result<Form<TokenForm>, FormRejection>,
) -> Response {
    if let Some(refusal) = agency.0.refuse_client(&headers) {
        return refusal;
    }
    let Ok(Form(form)) = form else { return fault(StatusCode::BAD_REQUEST, "invalid_request") };
    if form.grant_type != "authorization_code" {
        return fault(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    match agency.0.exchange(&form) {
        Some(tokens) => Json(tokens).into_response(),
        None => fault(StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}

/// `GET` or `POST /userinfo` (OpenID Connect Core 1.0, section 5.3).
pub(super) async fn user_info(State(agency): State<Agency>, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let now_s = agency.0.now_s();
    let mut state = agency.0.state();
    state.sweep(now_s, &agency.0.config.limits);
    let access = bearer.and_then(|token| state.tokens.get(&base::sha256(token.as_bytes())));
    match access.filter(|access| access.ends_s > now_s) {
        Some(access) => Json(Value::Object(agency.0.claims(&access.person, &access.scope))).into_response(),
        None => {
            let mut refusal = fault(StatusCode::UNAUTHORIZED, "invalid_token");
            refusal
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
            refusal
        }
    }
}

#[derive(Deserialize)]
pub(super) struct BulkRequest {
    rrn: Vec<String>,
}

/// `POST /bulk/ci`: national numbers (or other identifiers of people from elsewhere) to CIs, in the same order.
pub(super) async fn bulk(
    State(agency): State<Agency>,
    headers: HeaderMap,
    request: Result<Json<BulkRequest>, JsonRejection>,
) -> Response {
    if let Some(refusal) = agency.0.refuse_client(&headers) {
        return refusal;
    }
    let Json(BulkRequest { rrn: numbers }) = match request {
        Ok(request) => request,
        Err(rejection) => return fault(rejection.status(), "invalid_request"),
    };
    if numbers.len() > agency.0.config.limits.bulk_numbers {
        return fault(StatusCode::PAYLOAD_TOO_LARGE, "too_many_numbers");
    }
    let now_s = agency.0.now_s();
    let mut register = agency.0.register();
    let found: Vec<Option<String>> =
        numbers.iter().map(|number| register.find(number, now_s).map(|person| person.ci.clone())).collect();
    Json(json!({"ci": found})).into_response()
}

impl Inner {
    /// The tokens for a code, once. Whatever is wrong burns the code; a second use revokes what the first gave.
    fn exchange(&self, form: &TokenForm) -> Option<Value> {
        let now_s = self.now_s();
        let limits = &self.config.limits;
        let mut state = self.state();
        state.sweep(now_s, limits);
        let grant = state.grants.get_mut(&base::sha256(form.code.as_bytes()))?;
        if let Some(used) = &grant.used {
            if let Used::Exchanged { token } = used {
                let token = *token;
                state.tokens.remove(&token);
                tracing::warn!("an authorisation code came a second time; its tokens are revoked");
            }
            return None;
        }
        let challenge = URL_SAFE_NO_PAD.encode(base::sha256(form.code_verifier.as_bytes()));
        let holds = grant.ends_s > now_s
            && form.redirect_uri == grant.asked.redirect_uri
            && verify_slices_are_equal(challenge.as_bytes(), grant.asked.challenge.as_bytes()).is_ok();
        if !holds {
            grant.used = Some(Used::Refused);
            return None;
        }
        let token = URL_SAFE_NO_PAD.encode(self.config.random.bytes32());
        let hash = base::sha256(token.as_bytes());
        grant.used = Some(Used::Exchanged { token: hash });
        let id_token = self.key.token(&self.id_claims(grant, &token, now_s));
        let access =
            Access { person: grant.person.clone(), scope: grant.asked.scope.clone(), ends_s: now_s + limits.token_s };
        let scope = access.scope.join(" ");
        state.tokens.insert(hash, access);
        Some(json!({
            "access_token": token, "token_type": "Bearer", "expires_in": limits.token_s,
            "id_token": id_token, "scope": scope,
        }))
    }

    fn id_claims(&self, grant: &Grant, access_token: &str, now_s: i64) -> Value {
        let mut claims = self.claims(&grant.person, &grant.asked.scope);
        let more = [
            ("iss", json!(self.issuer)),
            ("aud", json!(self.config.client_id)),
            ("iat", json!(now_s)),
            ("exp", json!(now_s + self.config.limits.token_s)),
            ("auth_time", json!(grant.signed_in_s)),
            ("nonce", json!(grant.asked.nonce)),
            ("amr", json!(["sms"])),
            ("at_hash", json!(jwt::access_token_hash(access_token))),
        ];
        claims.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(claims)
    }

    /// Who somebody is, as far as the scope goes. The subject differs from client to client.
    fn claims(&self, person: &Person, scope: &[String]) -> Map<String, Value> {
        let pairwise = base::hmac_sha256(person.ci.as_bytes(), format!("subject:{}", self.config.client_id).as_bytes());
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(URL_SAFE_NO_PAD.encode(pairwise)));
        if scope.iter().any(|part| part == "profile") {
            claims.insert("name".to_owned(), json!(person.name));
            claims.insert("birthdate".to_owned(), json!(person.birth_date.to_string()));
            claims.insert("gender".to_owned(), json!(person.sex.code()));
        }
        if scope.iter().any(|part| part == "ci") {
            claims.insert("ci".to_owned(), json!(person.ci));
        }
        claims
    }

    /// The refusal for a client that did not show its secret (RFC 6749, section 2.3.1).
    fn refuse_client(&self, headers: &HeaderMap) -> Option<Response> {
        let now_s = self.now_s();
        let mut state = self.state();
        if !state.clients_may_try(now_s, &self.config.limits) {
            return Some(fault(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"));
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| basic(value.to_str().ok()?));
        let right = shown.is_some_and(|(id, secret)| {
            let same_id = verify_slices_are_equal(id.as_bytes(), self.config.client_id.as_bytes()).is_ok();
            let same =
                verify_slices_are_equal(secret.as_bytes(), self.config.client_secret.expose().as_bytes()).is_ok();
            same_id && same
        });
        if right {
            return None;
        }
        state.client_failed(now_s);
        let mut refusal = fault(StatusCode::UNAUTHORIZED, "invalid_client");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"clients\""));
        Some(refusal)
    }
}

fn fault(status: StatusCode, error: &'static str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

/// Id and secret of an HTTP Basic header; both were form-encoded before they were joined.
fn basic(value: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                out.extend(base::unhex(std::str::from_utf8(&pair).ok()?)?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn basic_headers_are_decoded() {
        let header = format!("Basic {}", STANDARD.encode("client%3A1:a+b%25"));
        assert_eq!(basic(&header), Some(("client:1".to_owned(), "a b%".to_owned())));
        for broken in ["Bearer x", "Basic !", &format!("Basic {}", STANDARD.encode("a:%4")), "Basic"] {
            assert_eq!(basic(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_is_decoded(id in "[^:]*", secret: String) {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let header = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(&id), encode(&secret))));
            prop_assert_eq!(basic(&header), Some((id, secret)));
        }

        #[test]
        fn any_header_is_read_or_refused(bytes: Vec<u8>, text: String) {
            let _ = basic(&format!("Basic {}", STANDARD.encode(bytes)));
            let _ = basic(&text);
        }
    }
}
