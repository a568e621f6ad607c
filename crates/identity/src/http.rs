//! Blocking HTTP to the identity agency over an asynchronous client that lives on a thread of its own.
//!
//! Callable from any thread but that one, `spawn_blocking` included. Follows no redirects, reads no more than it was told to,
//! and goes only to addresses that [`crate::config::permitted`] allows. Not a general client.

use crate::IdentityError;
use crate::config::{IdentityConfig, origin, permitted};
use openidconnect::http::Request;
use openidconnect::url::Url;
use openidconnect::{HttpRequest, HttpResponse};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Most bytes of an answer to sign-in requests: metadata, keys, tokens, claims.
pub(crate) const ANSWER_BYTES_MAX: usize = 512 << 10;

/// Why a request came to nothing. Never holds a body or a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpFault {
    /// The address is not one we talk to.
    #[error("{0} is not an address this installation may ask")]
    NotPermitted(String),
    /// The network.
    #[error("{0}")]
    Network(&'static str),
    /// The answer is longer than the limit.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The client. Dropping it ends its thread.
#[derive(Debug)]
pub(crate) struct Http {
    jobs: UnboundedSender<Job>,
    demo: bool,
    patience: Duration,
}

#[derive(Debug)]
struct Job {
    request: HttpRequest,
    answer_bytes_max: usize,
    reply: SyncSender<Result<HttpResponse, HttpFault>>,
}

impl Http {
    /// Starts the client's thread.
    pub fn start(config: &IdentityConfig) -> Result<Self, IdentityError> {
        let timeout = Duration::from_secs(u64::from(config.agency_timeout_s));
        let client = client(config, timeout)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| IdentityError::Config { what: "agency client", why: format!("cannot start: {error}") })?;
        let (jobs, received) = unbounded_channel();
        std::thread::Builder::new()
            .name("agency-http".to_owned())
            .spawn(move || runtime.block_on(serve(client, received)))
            .map_err(|error| IdentityError::Config { what: "agency client", why: format!("cannot start: {error}") })?;
        Ok(Self { jobs, demo: config.demo, patience: timeout + Duration::from_secs(5) })
    }

    /// Sends a request and waits for the whole answer.
    pub fn call(&self, request: HttpRequest, answer_bytes_max: usize) -> Result<HttpResponse, HttpFault> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| HttpFault::Network("the address is not a URL"))?;
        permitted(&url, self.demo).map_err(|_| HttpFault::NotPermitted(origin(&url)))?;
        let (reply, answer) = sync_channel(1);
        self.jobs
            .send(Job { request, answer_bytes_max, reply })
            .map_err(|_| HttpFault::Network("the client's thread has ended"))?;
        answer.recv_timeout(self.patience).map_err(|_| HttpFault::Network("no answer in time"))?
    }

    /// Sends JSON with the client's name and secret (RFC 6749 section 2.3.1) and gives back status and body.
    pub fn post_json(
        &self,
        url: &str,
        basic: &str,
        body: Vec<u8>,
        answer_bytes_max: usize,
    ) -> Result<(u16, Vec<u8>), HttpFault> {
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("authorization", format!("Basic {basic}"))
            .body(body)
            .map_err(|_| HttpFault::Network("the request cannot be formed"))?;
        let answer = self.call(request, answer_bytes_max)?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }
}

fn client(config: &IdentityConfig, timeout: Duration) -> Result<reqwest::Client, IdentityError> {
    let bad = |error: reqwest::Error| IdentityError::Config { what: "ca_pem", why: error.to_string() };
    let mut builder = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("hanmaru/", env!("CARGO_PKG_VERSION")));
    let certificates = match &config.ca_pem {
        Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(bad)?,
        None => Vec::new(),
    };
    if config.demo {
        // A demo talks to this machine only: no proxy, and no need for a machine that has certificates installed.
        builder = builder.no_proxy().tls_certs_only(certificates);
    } else {
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| IdentityError::Config { what: "agency client", why: error.to_string() })
}

async fn serve(client: reqwest::Client, mut jobs: UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let client = client.clone();
        tokio::spawn(async move {
            let answer = run(&client, job.request, job.answer_bytes_max).await;
            // Nobody waits any more when the caller lost patience.
            let _ = job.reply.send(answer);
        });
    }
}

async fn run(client: &reqwest::Client, request: HttpRequest, bytes_max: usize) -> Result<HttpResponse, HttpFault> {
    let request = reqwest::Request::try_from(request).map_err(|error| HttpFault::Network(kind(&error)))?;
    let mut answer = client.execute(request).await.map_err(|error| HttpFault::Network(kind(&error)))?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| HttpFault::Network(kind(&error)))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(HttpFault::TooLong(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(body);
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    Ok(response)
}

/// What went wrong, without the address, whose query may hold a code.
fn kind(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "no connection",
        error if error.is_builder() || error.is_request() => "the request cannot be sent",
        error if error.is_body() || error.is_decode() => "the answer breaks off",
        _ => "the exchange failed",
    }
}
