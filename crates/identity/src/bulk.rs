//! The identity agency's bulk interface: resident registration numbers in, CIs out. Deposits use it to link patients to people.
//!
//! `POST {issuer}/bulk/ci`, client id and secret as HTTP Basic, `{"rrn": [text…]}` → `{"ci": [text or null…]}` in the same order.
//! Numbers travel in the body of an encrypted request only, and appear in no log, error or address.

use crate::IdentityError;
use crate::config::IdentityConfig;
use crate::http::{Http, HttpFault};
use base::Redacted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openidconnect::url::form_urlencoded::byte_serialize;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Most numbers in one request; longer lists are split.
pub const NUMBERS_PER_REQUEST_MAX: usize = 500;
/// Most bytes of one answer: 500 CIs of 88 bytes, and room.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Waits before trying again when the agency is away: asking twice changes nothing there.
const AGAIN_AFTER_MS: [u64; 2] = [200, 1000];

/// Finds the CI of people by their resident registration number.
pub trait CiLookup: Send + Sync {
    /// The CI of each number, in the same order; `None` where the agency knows nobody.
    fn ci_of(&self, numbers: &[Redacted<String>]) -> Result<Vec<Option<Redacted<String>>>, CiLookupError>;
}

/// The agency did not give CIs.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum CiLookupError {
    /// It does not answer; trying later may help.
    #[error("the identity agency does not answer the bulk request ({why}): deposit again later, nothing is lost")]
    Unreachable {
        /// What the network says.
        why: String,
    },
    /// It refuses us.
    #[error("the identity agency refuses the bulk request (status {status}): check client id, secret and contract")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Its answer is not what the interface promises.
    #[error("the identity agency's bulk answer cannot be used: {why}")]
    Answer {
        /// What is wrong.
        why: &'static str,
    },
}

/// [`CiLookup`] over HTTP.
#[derive(Debug, Clone)]
pub struct AgencyCiLookup {
    http: Arc<Http>,
    url: String,
    basic: Redacted<String>,
}

#[derive(Serialize)]
struct Ask<'a> {
    rrn: Vec<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    ci: Vec<Option<String>>,
}

impl AgencyCiLookup {
    /// A client of its own, for programs that deposit and have no [`crate::Identity`].
    pub fn new(config: &IdentityConfig) -> Result<Self, IdentityError> {
        config.check()?;
        Ok(Self::over(Arc::new(Http::start(config)?), config))
    }

    pub(crate) fn over(http: Arc<Http>, config: &IdentityConfig) -> Self {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let basic = format!("{}:{}", encode(&config.client_id), encode(config.client_secret.expose()));
        Self {
            http,
            url: format!("{}/bulk/ci", config.issuer.trim_end_matches('/')),
            basic: Redacted::new(STANDARD.encode(basic)),
        }
    }

    fn ask(&self, numbers: &[Redacted<String>]) -> Result<Vec<Option<Redacted<String>>>, CiLookupError> {
        let ask = Ask { rrn: numbers.iter().map(|number| number.expose().as_str()).collect() };
        let body = serde_json::to_vec(&ask).expect("a list of texts is always JSON");
        let mut waits_ms = AGAIN_AFTER_MS.iter();
        let answer = loop {
            let outcome = self.http.post_json(&self.url, self.basic.expose(), body.clone(), ANSWER_BYTES_MAX);
            let why = match outcome {
                Ok((200, answer)) => break answer,
                Ok((status @ (429 | 500..=599), _)) => format!("status {status}"),
                Ok((status, _)) => return Err(CiLookupError::Refused { status }),
                Err(HttpFault::TooLong(_)) => return Err(CiLookupError::Answer { why: "it is too long" }),
                Err(fault) => fault.to_string(),
            };
            match waits_ms.next() {
                Some(wait_ms) => std::thread::sleep(Duration::from_millis(*wait_ms)),
                None => return Err(CiLookupError::Unreachable { why }),
            }
        };
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| CiLookupError::Answer { why: "it is not the promised JSON" })?;
        if answer.ci.len() != numbers.len() {
            return Err(CiLookupError::Answer { why: "it has another number of entries than were asked for" });
        }
        if !answer.ci.iter().flatten().all(|ci| crate::claims::is_ci(ci)) {
            return Err(CiLookupError::Answer { why: "an entry is not a CI" });
        }
        Ok(answer.ci.into_iter().map(|ci| ci.map(Redacted::new)).collect())
    }
}

impl CiLookup for AgencyCiLookup {
    fn ci_of(&self, numbers: &[Redacted<String>]) -> Result<Vec<Option<Redacted<String>>>, CiLookupError> {
        let mut found = Vec::with_capacity(numbers.len());
        for part in numbers.chunks(NUMBERS_PER_REQUEST_MAX) {
            found.extend(self.ask(part)?);
        }
        Ok(found)
    }
}
