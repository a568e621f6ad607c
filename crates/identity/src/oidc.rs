//! The client of the identity agency: discovery, the address to send people to, and the person behind a code.
//!
//! OpenID Connect Core 1.0, code flow with PKCE S256 (RFC 7636), state and nonce. Metadata and keys are cached and refreshed here.
//! Nothing is stored and no account is known here.

use crate::claims::{Person, RawClaims};
use crate::config::{IdentityConfig, origin, permitted};
use crate::http::{ANSWER_BYTES_MAX, Http, HttpFault};
use crate::pending::Pending;
use crate::{IdentityError, StatementFault};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AdditionalProviderMetadata, AuthorizationCode, ClaimsVerificationError, Client,
    ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken,
    IdTokenClaims, IdTokenFields, IdTokenVerifier, IssuerUrl, LanguageTag, LocalizedClaim, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
    UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Metadata and keys are asked for again after this long.
const FRESH_US: i64 = 3600 * 1_000_000;
/// When the agency's metadata cannot be had, the last is used for this long: its keys change rarely.
const STALE_US: i64 = 24 * FRESH_US;
/// Metadata is asked for at most this often, whatever tokens come in and however it fails.
const REFRESH_GAP_US: i64 = 10 * 1_000_000;
/// How far the agency's clock may be off ours.
const SKEW_S: i64 = 60;
/// An ID token is good for no longer than this after it was issued, whatever its `exp` says.
const STATEMENT_AGE_MAX_S: i64 = 10 * 60;
/// The person must have proven themselves to the agency within this time: an open session there is not enough.
pub(crate) const AUTH_AGE_MAX_S: i64 = 10 * 60;
/// Longest code taken from the address bar.
const CODE_BYTES_MAX: usize = 2048;

/// Signature algorithms taken: public keys only, so that our own client secret never signs a statement.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The CI, which Korean agencies add to the standard claims.
#[derive(Clone, Deserialize, Serialize)]
struct KoreanClaims {
    ci: Option<String>,
}

impl std::fmt::Debug for KoreanClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl AdditionalClaims for KoreanClaims {}

/// What a stand-in agency says about itself in its metadata.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
struct StandIn {
    #[serde(default)]
    hanmaru_stand_in: bool,
}

impl AdditionalProviderMetadata for StandIn {}

type Metadata = ProviderMetadata<
    StandIn,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
type Fields = IdTokenFields<
    KoreanClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Statement = IdToken<KoreanClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type StatementClaims = IdTokenClaims<KoreanClaims, CoreGenderClaim>;
type TokenFault = RequestTokenError<HttpFault, StandardErrorResponse<CoreErrorResponseType>>;
type AgencyClient = Client<
    KoreanClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The agency as this installation knows it.
#[derive(Debug)]
pub(crate) struct Agency {
    http: Arc<Http>,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect_url: RedirectUrl,
    demo: bool,
    known: Mutex<Known>,
    refreshing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<Arc<Metadata>>,
    fetched_us: i64,
    tried_us: Option<i64>,
    fault: Option<String>,
}

impl Agency {
    /// The agency of a configuration. Asks it nothing yet, so that a program starts while its agency is away.
    pub fn new(config: &IdentityConfig, http: Arc<Http>) -> Result<Self, IdentityError> {
        config.check()?;
        let not_url = |what| move |_| IdentityError::Config { what, why: "is not a URL".to_owned() };
        Ok(Self {
            http,
            issuer: IssuerUrl::new(config.issuer.clone()).map_err(not_url("issuer"))?,
            client_id: ClientId::new(config.client_id.clone()),
            client_secret: ClientSecret::new(config.client_secret.expose().clone()),
            redirect_url: RedirectUrl::new(config.redirect_url.clone()).map_err(not_url("redirect_url"))?,
            demo: config.demo,
            known: Mutex::default(),
            refreshing: Mutex::default(),
        })
    }

    /// Where to send somebody who wants to sign in. `locale` is a language tag for the agency's pages.
    pub fn address(&self, pending: &Pending, locale: &str, now_us: i64) -> Result<String, IdentityError> {
        let client = self.client(&*self.metadata(now_us)?);
        let verifier = PkceCodeVerifier::new(pending.verifier.clone());
        let (state, nonce) = (pending.state.clone(), pending.nonce.clone());
        let (url, ..) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scope(Scope::new("profile".to_owned()))
            .add_scope(Scope::new("ci".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .set_max_age(Duration::from_secs(AUTH_AGE_MAX_S.unsigned_abs()))
            .add_ui_locale(LanguageTag::new(locale.to_owned()))
            .url();
        Ok(url.into())
    }

    /// The person behind a code that came back for `pending`.
    pub fn person(&self, pending: &Pending, code: &str, now_us: i64) -> Result<Person, IdentityError> {
        if code.is_empty() || code.len() > CODE_BYTES_MAX {
            return Err(IdentityError::CodeRefused);
        }
        let metadata = self.metadata(now_us)?;
        let client = self.client(&metadata);
        let tokens: Tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| unusable("metadata", "it names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
            .request(&|request| self.http.call(request, ANSWER_BYTES_MAX))
            .map_err(token_fault)?;
        let statement = tokens.id_token().ok_or(unusable("token", "it holds no ID token"))?;
        let claims = match self.claims(statement, &metadata, pending, now_us) {
            Err(IdentityError::Statement { fault: StatementFault::Signature }) => {
                // The agency may have new keys: ask once more, then believe what it says.
                self.claims(statement, &*self.refreshed(now_us, metadata)?, pending, now_us)?
            }
            other => other?,
        };
        self.check_access_token(&tokens, statement, claims, now_us)?;
        let stated = raw(claims.name(), claims.birthdate(), claims.gender(), claims.additional_claims());
        if stated.complete() || client.user_info_url().is_none() {
            return stated.check();
        }
        stated.or(self.user_info(&client, &tokens, claims)?).check()
    }

    /// Whether the agency can be used: its metadata is at hand or can be had.
    pub fn ready(&self, now_us: i64) -> Result<(), IdentityError> {
        self.metadata(now_us).map(|_| ())
    }

    /// The metadata in use. Fetched when there is none or it is old.
    fn metadata(&self, now_us: i64) -> Result<Arc<Metadata>, IdentityError> {
        if let Some(fresh) = self.cached(now_us, FRESH_US) {
            return Ok(fresh);
        }
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fresh) = self.cached(now_us, FRESH_US) {
            return Ok(fresh);
        }
        match self.fetch(now_us) {
            Ok(metadata) => Ok(metadata),
            Err(error @ IdentityError::AgencyUnreachable { .. }) => self.cached(now_us, STALE_US).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Metadata newer than `old`, if the agency has been asked less recently than the gap allows; else `old`.
    fn refreshed(&self, now_us: i64, old: Arc<Metadata>) -> Result<Arc<Metadata>, IdentityError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.cached(now_us, FRESH_US) {
            Some(newer) if !Arc::ptr_eq(&newer, &old) => Ok(newer),
            _ if self.tried_lately(now_us).is_some() => Ok(old),
            _ => self.fetch(now_us),
        }
    }

    fn cached(&self, now_us: i64, age_max_us: i64) -> Option<Arc<Metadata>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let age_us = now_us.saturating_sub(known.fetched_us);
        known.metadata.clone().filter(|_| age_us < age_max_us)
    }

    /// What the latest try came to, when it was within the gap.
    fn tried_lately(&self, now_us: i64) -> Option<Option<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = known.tried_us.is_some_and(|tried_us| now_us.saturating_sub(tried_us) < REFRESH_GAP_US);
        lately.then(|| known.fault.clone())
    }

    fn fetch(&self, now_us: i64) -> Result<Arc<Metadata>, IdentityError> {
        if let Some(Some(why)) = self.tried_lately(now_us) {
            return Err(IdentityError::AgencyUnreachable { what: "metadata", why });
        }
        let fetched = Metadata::discover(&self.issuer, &|request| self.http.call(request, ANSWER_BYTES_MAX));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tried_us = Some(now_us);
        known.fault = None;
        match fetched {
            Ok(metadata) => {
                self.check_metadata(&metadata)?;
                let metadata = Arc::new(metadata);
                (known.metadata, known.fetched_us) = (Some(Arc::clone(&metadata)), now_us);
                Ok(metadata)
            }
            // Where its keys are said to be is looked at before anything is fetched there. A wrong address is no outage: metadata from
            // before is not used on instead.
            Err(openidconnect::DiscoveryError::Request(HttpFault::NotPermitted(url))) => {
                Err(IdentityError::InsecureAddress { url })
            }
            Err(openidconnect::DiscoveryError::Request(fault)) => {
                known.fault = Some(fault.to_string());
                Err(IdentityError::AgencyUnreachable { what: "metadata", why: fault.to_string() })
            }
            Err(openidconnect::DiscoveryError::Response(status, ..)) if status.is_server_error() => {
                let why = format!("status {}", status.as_u16());
                known.fault = Some(why.clone());
                Err(IdentityError::AgencyUnreachable { what: "metadata", why })
            }
            Err(other) => Err(unusable("metadata", &other.to_string())),
        }
    }

    fn check_metadata(&self, metadata: &Metadata) -> Result<(), IdentityError> {
        if metadata.additional_metadata().hanmaru_stand_in && !self.demo {
            return Err(IdentityError::StandInAgency { issuer: origin(self.issuer.url()) });
        }
        permitted(metadata.authorization_endpoint().url(), self.demo)?;
        permitted(metadata.jwks_uri().url(), self.demo)?;
        for url in [
            metadata.token_endpoint().map(|endpoint| endpoint.url()),
            metadata.userinfo_endpoint().map(|endpoint| endpoint.url()),
        ] {
            url.map_or(Ok(()), |url| permitted(url, self.demo))?;
        }
        Ok(())
    }

    fn client(&self, metadata: &Metadata) -> AgencyClient {
        AgencyClient::from_provider_metadata(metadata.clone(), self.client_id.clone(), Some(self.client_secret.clone()))
            .set_redirect_uri(self.redirect_url.clone())
    }

    /// The claims of a statement that holds (OpenID Connect Core 1.0, section 3.1.3.7).
    fn claims<'t>(
        &self,
        statement: &'t Statement,
        metadata: &Metadata,
        pending: &Pending,
        now_us: i64,
    ) -> Result<&'t StatementClaims, IdentityError> {
        let now_s = now_us.div_euclid(1_000_000);
        let time = system_time(now_us);
        let verifier =
            IdTokenVerifier::new_public_client(self.client_id.clone(), self.issuer.clone(), metadata.jwks().clone())
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(move || time.into())
                .set_issue_time_verifier_fn(move |issued| within(now_s - issued.timestamp(), STATEMENT_AGE_MAX_S))
                .set_auth_time_verifier_fn(move |signed_in| match signed_in {
                    Some(signed_in) => within(now_s - signed_in.timestamp(), AUTH_AGE_MAX_S + SKEW_S),
                    None => Err("missing".to_owned()),
                });
        let nonce = Nonce::new(pending.nonce.clone());
        let claims = statement.claims(&verifier, &nonce).map_err(|error| statement_fault(&error))?;
        // The library leaves `azp` to its callers.
        if claims.authorized_party().is_some_and(|party| *party != self.client_id) {
            return Err(IdentityError::Statement { fault: StatementFault::Audience });
        }
        Ok(claims)
    }

    fn check_access_token(
        &self,
        tokens: &Tokens,
        statement: &Statement,
        claims: &StatementClaims,
        now_us: i64,
    ) -> Result<(), IdentityError> {
        let Some(expected) = claims.access_token_hash() else { return Ok(()) };
        let metadata = self.metadata(now_us)?;
        let verifier =
            IdTokenVerifier::new_public_client(self.client_id.clone(), self.issuer.clone(), metadata.jwks().clone());
        let fault = IdentityError::Statement { fault: StatementFault::AccessToken };
        let hash = statement.signing_alg().ok().and_then(|algorithm| {
            let key = statement.signing_key(&verifier).ok()?;
            AccessTokenHash::from_token(tokens.access_token(), algorithm, key).ok()
        });
        if hash.as_ref() == Some(expected) { Ok(()) } else { Err(fault) }
    }

    /// What the userinfo endpoint adds. Its subject must be the statement's (OpenID Connect Core 1.0, section 5.3.2).
    fn user_info(
        &self,
        client: &AgencyClient,
        tokens: &Tokens,
        claims: &StatementClaims,
    ) -> Result<RawClaims, IdentityError> {
        let request = client
            .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
            .map_err(|_| unusable("metadata", "it names no userinfo endpoint"))?;
        let answer: Result<UserInfoClaims<KoreanClaims, CoreGenderClaim>, UserInfoError<HttpFault>> =
            request.request(&|request| self.http.call(request, ANSWER_BYTES_MAX));
        let info = match answer {
            Ok(info) => info,
            Err(UserInfoError::Request(fault)) => {
                return Err(IdentityError::AgencyUnreachable { what: "userinfo", why: fault.to_string() });
            }
            Err(UserInfoError::ClaimsVerification(error)) => return Err(statement_fault(&error)),
            Err(_) => return Err(unusable("userinfo", "it is not the promised JSON")),
        };
        Ok(raw(info.name(), info.birthdate(), info.gender(), info.additional_claims()))
    }
}

fn raw(
    name: Option<&LocalizedClaim<openidconnect::EndUserName>>,
    birth_date: Option<&openidconnect::EndUserBirthday>,
    gender: Option<&CoreGenderClaim>,
    korean: &KoreanClaims,
) -> RawClaims {
    let korean_tag = LanguageTag::new("ko".to_owned());
    RawClaims {
        ci: korean.ci.clone(),
        name: name.and_then(|name| name.get(None).or_else(|| name.get(Some(&korean_tag)))).map(|name| name.to_string()),
        birth_date: birth_date.map(|date| date.to_string()),
        gender: gender.map(|gender| gender.to_string()),
    }
}

fn within(age_s: i64, age_max_s: i64) -> Result<(), String> {
    if (-SKEW_S..=age_max_s).contains(&age_s) { Ok(()) } else { Err("out of its time".to_owned()) }
}

fn system_time(us: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

fn unusable(what: &'static str, why: &str) -> IdentityError {
    IdentityError::AgencyAnswer { what, why: why.to_owned() }
}

fn token_fault(error: TokenFault) -> IdentityError {
    match error {
        RequestTokenError::ServerResponse(answer) => match answer.error() {
            CoreErrorResponseType::InvalidGrant => IdentityError::CodeRefused,
            CoreErrorResponseType::InvalidClient | CoreErrorResponseType::UnauthorizedClient => {
                unusable("token", "it does not know us: check client id and secret")
            }
            _ => unusable("token", "it refuses the request"),
        },
        RequestTokenError::Request(fault) => IdentityError::AgencyUnreachable { what: "token", why: fault.to_string() },
        RequestTokenError::Parse(..) => unusable("token", "it is not the promised JSON"),
        RequestTokenError::Other(_) => unusable("token", "it is empty or of another content type"),
    }
}

fn statement_fault(error: &ClaimsVerificationError) -> IdentityError {
    let fault = match error {
        ClaimsVerificationError::Expired(_) => StatementFault::Expired,
        ClaimsVerificationError::InvalidAudience(_) => StatementFault::Audience,
        ClaimsVerificationError::InvalidAuthTime(_) => StatementFault::AuthTime,
        ClaimsVerificationError::InvalidIssuer(_) => StatementFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => StatementFault::Nonce,
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoSignature)
        | ClaimsVerificationError::SignatureVerification(_) => StatementFault::Signature,
        _ => StatementFault::Form,
    };
    IdentityError::Statement { fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(demo: bool) -> Agency {
        let mut config =
            IdentityConfig::new("https://agency.example", "hanmaru", "secret", "https://hanmaru.example/back");
        config.demo = demo;
        let http = Arc::new(Http::start(&config).expect("a client"));
        Agency::new(&config, http).expect("a good configuration")
    }

    fn metadata(change: impl Fn(&mut serde_json::Value)) -> Metadata {
        let mut metadata = serde_json::json!({
            "issuer": "https://agency.example", "authorization_endpoint": "https://agency.example/authorize",
            "token_endpoint": "https://agency.example/token", "userinfo_endpoint": "https://agency.example/userinfo",
            "jwks_uri": "https://agency.example/keys", "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["ES256"],
        });
        change(&mut metadata);
        serde_json::from_value(metadata).expect("metadata")
    }

    #[test]
    fn an_agency_that_calls_itself_a_stand_in_needs_a_demo() {
        let stand_in = metadata(|metadata| metadata["hanmaru_stand_in"] = true.into());
        assert!(matches!(agency(false).check_metadata(&stand_in), Err(IdentityError::StandInAgency { .. })));
        assert!(agency(true).check_metadata(&stand_in).is_ok());
        assert!(agency(false).check_metadata(&metadata(|_| ())).is_ok());
    }

    #[test]
    fn no_endpoint_may_lead_to_this_machine_or_through_the_clear() {
        for endpoint in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
            let clear = metadata(|metadata| metadata[endpoint] = "http://agency.example/x".into());
            assert!(matches!(agency(false).check_metadata(&clear), Err(IdentityError::InsecureAddress { .. })));
            let inward = metadata(|metadata| metadata[endpoint] = "https://127.0.0.1/x".into());
            assert!(matches!(agency(false).check_metadata(&inward), Err(IdentityError::StandInAgency { .. })));
        }
    }
}
