//! The stand-in identity agency: an OpenID Connect provider for demonstrations and tests, run as a process of its own.
//!
//! It plays what a Korean identity agency does: a national number and a code sent to a mobile phone, answered with name,
//! birth date, sex and CI. The text message is shown on the page, which is why this proves nothing about anybody, says
//! so on every page and in its metadata (`hanmaru_stand_in`), and listens on loopback addresses only.
//!
//! OpenID Connect Core 1.0 with the code flow, PKCE S256 (RFC 7636), `iss` in answers (RFC 9207), ES256 tokens.
//! It keeps nothing on disk: restarting it ends what was under way.

mod jwt;
mod pages;
mod register;
mod signin;
mod state;
mod tokens;

use crate::Error;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use base::{Clock, Random, Redacted};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Bytes of a form or of a request for tokens.
const FORM_BYTES_MAX: usize = 16 << 10;
/// Bytes of a request for CIs: 1,000 numbers with room.
const BULK_BYTES_MAX: usize = 64 << 10;

/// How an agency is set up.
#[derive(Clone)]
pub struct AgencyConfig {
    /// Where it is reached, without a slash at the end; `None` for `http://` and the address it listens on.
    pub issuer: Option<String>,
    /// The one client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Redacted<String>,
    /// Where answers may be sent, compared letter by letter.
    pub redirect_urls: Vec<String>,
    /// Identity files. A file that is not there yet, or grows, is read when somebody unknown turns up.
    pub people: Vec<PathBuf>,
    /// Limits.
    pub limits: AgencyLimits,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where codes come from.
    pub random: Arc<dyn Random>,
}

/// Limits on what comes from outside.
#[derive(Debug, Clone, Copy)]
pub struct AgencyLimits {
    /// Seconds in which a sign-in must be done.
    pub sign_in_s: i64,
    /// Seconds for which a code sent by text message holds.
    pub sms_code_s: i64,
    /// Wrong codes, and wrong names or numbers, before a sign-in ends.
    pub tries: u32,
    /// Text messages to one number within ten minutes.
    pub messages: u32,
    /// Seconds for which an authorisation code holds.
    pub code_s: i64,
    /// Seconds for which tokens hold.
    pub token_s: i64,
    /// Sign-ins under way at once.
    pub sign_ins: usize,
    /// Numbers in one request for CIs.
    pub bulk_numbers: usize,
    /// Wrong client secrets within a minute before all are refused for the rest of it.
    pub client_failures: u32,
}

impl Default for AgencyLimits {
    fn default() -> Self {
        Self {
            sign_in_s: 600,
            sms_code_s: 180,
            tries: 5,
            messages: 10,
            code_s: 60,
            token_s: 300,
            sign_ins: 10_000,
            bulk_numbers: 1000,
            client_failures: 20,
        }
    }
}

/// Why an agency does not start or stops.
#[derive(Debug, thiserror::Error)]
pub enum AgencyError {
    /// Somebody tried to put it on a network.
    #[error("the stand-in agency listens on loopback addresses only, not on {address}; give 127.0.0.1 or ::1")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The configuration is incomplete.
    #[error("the stand-in agency cannot start: {what}")]
    Config {
        /// What is missing.
        what: &'static str,
    },
    /// An identity file is broken.
    #[error(transparent)]
    People(#[from] Error),
    /// The listener failed.
    #[error("the stand-in agency cannot serve: {0}")]
    Listen(#[from] std::io::Error),
}

/// A running agency: a cheap handle.
#[derive(Clone)]
pub struct Agency(Arc<Inner>);

struct Inner {
    config: AgencyConfig,
    issuer: String,
    key: jwt::Key,
    state: Mutex<state::State>,
    register: Mutex<register::Register>,
}

impl Agency {
    /// An agency reached at `address`.
    ///
    /// # Errors
    /// [`AgencyError::NotLoopback`], [`AgencyError::Config`], and [`AgencyError::People`] for a broken identity file.
    pub fn new(config: AgencyConfig, address: SocketAddr) -> Result<Self, AgencyError> {
        if !address.ip().is_loopback() {
            return Err(AgencyError::NotLoopback { address });
        }
        if config.client_id.is_empty() || config.client_secret.expose().is_empty() {
            return Err(AgencyError::Config { what: "the client needs an id and a secret" });
        }
        if config.redirect_urls.is_empty() {
            return Err(AgencyError::Config { what: "at least one address for answers must be given" });
        }
        let register = register::Register::open(&config.people)?;
        let issuer = config.issuer.clone().unwrap_or_else(|| format!("http://{address}"));
        let key = jwt::Key::generate();
        Ok(Self(Arc::new(Inner { state: Mutex::default(), register: Mutex::new(register), config, issuer, key })))
    }

    /// The issuer, as clients must be configured with it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// How many people can sign in.
    #[must_use]
    pub fn people(&self) -> usize {
        self.0.register().len()
    }

    /// Every address of the agency.
    pub fn router(&self) -> Router {
        let headers = self.0.headers();
        Router::new()
            .route("/", get(signin::about))
            .route("/health", get(|| async { "ok" }))
            .route("/.well-known/openid-configuration", get(tokens::metadata))
            .route("/jwks", get(tokens::keys))
            .route("/authorize", get(signin::authorize))
            .route("/identify", post(signin::identify))
            .route("/resend", post(signin::resend))
            .route("/confirm", post(signin::confirm))
            .route("/cancel", post(signin::cancel))
            .route("/token", post(tokens::token))
            .route("/userinfo", get(tokens::user_info).post(tokens::user_info))
            .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
            .route("/bulk/ci", post(tokens::bulk).layer(DefaultBodyLimit::max(BULK_BYTES_MAX)))
            .layer(from_fn(move |request: Request, next: Next| with_headers(headers.clone(), request, next)))
            .with_state(self.clone())
    }
}

/// Serves until `shutdown` is done, then lets requests under way finish.
///
/// # Errors
/// As [`Agency::new`], and [`AgencyError::Listen`] when the listener fails.
pub async fn serve(
    config: AgencyConfig,
    listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AgencyError> {
    let agency = Agency::new(config, listener.local_addr()?)?;
    tracing::info!(issuer = agency.issuer(), people = agency.people(), "stand-in identity agency started");
    axum::serve(listener, agency.router()).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

impl Inner {
    fn now_s(&self) -> i64 {
        self.config.clock.now().as_second()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, state::State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    fn register(&self) -> std::sync::MutexGuard<'_, register::Register> {
        self.register.lock().expect("no holder of this lock can panic")
    }

    /// Headers of every answer. Forms may lead to the clients' addresses, because browsers apply `form-action` to the
    /// redirect that follows a form.
    fn headers(&self) -> Arc<[(HeaderName, HeaderValue)]> {
        let targets: Vec<&str> = self.config.redirect_urls.iter().filter_map(|url| origin(url)).collect();
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {}",
            pages::style_hash(),
            targets.join(" ")
        );
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            (
                HeaderName::from_static("permissions-policy"),
                HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
            ),
            (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
        ]
        .into()
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    Some(&url[..end])
}

async fn with_headers(headers: Arc<[(HeaderName, HeaderValue)]>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in headers.iter() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_cut_from_addresses() {
        assert_eq!(origin("http://127.0.0.1:8080/sign-in/back?x=1"), Some("http://127.0.0.1:8080"));
        assert_eq!(origin("https://a.example"), Some("https://a.example"));
        assert_eq!(origin("nonsense"), None);
    }
}
