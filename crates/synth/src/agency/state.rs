//! What is under way: sign-ins, authorisation codes, access tokens, and counts of failures. In memory, bounded, expiring.

use super::AgencyLimits;
use crate::people::Person;
use std::collections::HashMap;
use std::sync::Arc;

/// Seconds over which text messages to one number are counted.
const MESSAGE_WINDOW_S: i64 = 600;
/// Seconds over which wrong client secrets are counted.
const CLIENT_WINDOW_S: i64 = 60;
/// Numbers whose messages are counted at once.
const COUNTED_MAX: usize = 100_000;

/// What a client asked for.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) challenge: String,
    pub(super) scope: Vec<String>,
    pub(super) english: bool,
}

/// A sign-in under way.
pub(super) struct SignIn {
    pub(super) asked: Asked,
    /// Must come back in a cookie, so that nobody finishes the sign-in that another began.
    pub(super) browser: String,
    pub(super) ends_s: i64,
    pub(super) tries_left: u32,
    pub(super) message: Option<Message>,
}

/// A text message that was sent.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) person: Arc<Person>,
    pub(super) code: String,
    pub(super) ends_s: i64,
}

/// What an authorisation code stands for.
pub(super) struct Grant {
    pub(super) asked: Asked,
    pub(super) person: Arc<Person>,
    pub(super) signed_in_s: i64,
    pub(super) ends_s: i64,
    /// The access token it was exchanged for: a second exchange revokes it (RFC 6749, section 4.1.2).
    pub(super) used: Option<Used>,
}

/// What became of a code.
pub(super) enum Used {
    Exchanged { token: [u8; 32] },
    Refused,
}

/// What an access token opens.
pub(super) struct Access {
    pub(super) person: Arc<Person>,
    pub(super) scope: Vec<String>,
    pub(super) ends_s: i64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) sign_ins: HashMap<String, SignIn>,
    /// By SHA-256 of the code.
    pub(super) grants: HashMap<[u8; 32], Grant>,
    /// By SHA-256 of the token.
    pub(super) tokens: HashMap<[u8; 32], Access>,
    messages: HashMap<[u8; 32], (i64, u32)>,
    client_failures: (i64, u32),
    swept_s: i64,
}

impl State {
    /// Drops what has ended. Codes are remembered as long as tokens hold, so that a second use is noticed.
    pub(super) fn sweep(&mut self, now_s: i64, limits: &AgencyLimits) {
        if now_s == self.swept_s {
            return;
        }
        self.swept_s = now_s;
        self.sign_ins.retain(|_, sign_in| sign_in.ends_s > now_s);
        self.grants.retain(|_, grant| grant.ends_s + limits.token_s > now_s);
        self.tokens.retain(|_, access| access.ends_s > now_s);
        if self.messages.len() > COUNTED_MAX / 2 {
            self.messages.retain(|_, (since_s, _)| *since_s + MESSAGE_WINDOW_S > now_s);
        }
    }

    /// Counts a text message to a number; false when it has had enough.
    pub(super) fn may_send(&mut self, number: &str, now_s: i64, limits: &AgencyLimits) -> bool {
        let key = base::sha256(number.as_bytes());
        if self.messages.len() >= COUNTED_MAX && !self.messages.contains_key(&key) {
            return false;
        }
        count(self.messages.entry(key).or_insert((now_s, 0)), now_s, MESSAGE_WINDOW_S) <= limits.messages
    }

    /// Whether clients may try their secret at all at the moment.
    pub(super) fn clients_may_try(&self, now_s: i64, limits: &AgencyLimits) -> bool {
        let (since_s, failures) = self.client_failures;
        since_s + CLIENT_WINDOW_S <= now_s || failures < limits.client_failures
    }

    /// Counts a wrong client secret.
    pub(super) fn client_failed(&mut self, now_s: i64) {
        count(&mut self.client_failures, now_s, CLIENT_WINDOW_S);
    }
}

fn count(entry: &mut (i64, u32), now_s: i64, window_s: i64) -> u32 {
    if entry.0 + window_s <= now_s {
        *entry = (now_s, 0);
    }
    entry.1 += 1;
    entry.1
}
