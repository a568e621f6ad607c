//! What the store asks of whoever brings its checkpoints to witnesses. The store decides what is asked, when, and what an
//! answer means; nothing here opens a connection.

use std::sync::Arc;
use std::time::Duration;

use ledger::{PolicyWitness, TrustPolicy};

/// How long a round waits for a quorum where nothing else is said. A witness on another continent answers within it.
const ROUND_PATIENCE: Duration = Duration::from_millis(400);

/// Carries a request to a witness and brings its answer back.
pub trait WitnessTransport: Send + Sync {
    /// Posts a request to `add-checkpoint` of a witness (C2SP `tlog-witness`) and waits for the answer, at most as long as one
    /// witness may take. Called from several threads at once, for one witness and log from one of them.
    ///
    /// # Errors
    /// Why there is no answer, in words for an operator.
    fn add_checkpoint(&self, witness: &PolicyWitness, body: Vec<u8>) -> Result<WitnessReply, String>;
}

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// The status code.
    pub status: u16,
    /// The body, cut at [`ledger::witness::ANSWER_LEN_MAX`].
    pub body: Vec<u8>,
}

/// The witnesses of both logs, and the rule by which they count.
#[derive(Clone)]
pub struct Witnessing {
    /// Who they are and how many make a quorum. Those without an address are never asked.
    pub policy: TrustPolicy,
    /// How they are reached.
    pub transport: Arc<dyn WitnessTransport>,
    /// How long a round waits for a quorum before it publishes without one.
    pub round_patience: Duration,
}

impl Witnessing {
    /// Witnesses with the usual patience.
    #[must_use]
    pub fn new(policy: TrustPolicy, transport: Arc<dyn WitnessTransport>) -> Self {
        Self { policy, transport, round_patience: ROUND_PATIENCE }
    }
}

impl std::fmt::Debug for Witnessing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witnessing").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// How far a log is witnessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Leaves under the newest checkpoint that a quorum has cosigned.
    pub size: u64,
    /// Why the newest checkpoint has no quorum, where it has none: a sentence for each witness that did not cosign.
    pub fault: Option<String>,
}
