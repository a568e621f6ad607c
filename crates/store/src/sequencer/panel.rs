//! The witnesses of one log, each with a thread that brings it one request at a time, and what is known of them.
//!
//! It judges single answers. Whether there are enough, and what is done where there are not, stands in
//! [`cosign`](super::cosign).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::witness::{AddCheckpoint, parse_answer, parse_size};
use ledger::{NoteSignature, PolicyWitness, TrustPolicy};

use super::lock;
use crate::error::{OnFile, StoreError};
use crate::types::Log;
use crate::witnessing::{WitnessReply, WitnessTransport, Witnessing};

/// After a round without a quorum none is waited for during this time, so that silent witnesses do not slow sealing.
const QUIET: Duration = Duration::from_secs(1);

/// The witnesses of one log.
pub(crate) struct Panel {
    pub(crate) policy: TrustPolicy,
    pub(crate) round_patience: Duration,
    lanes: Vec<Lane>,
    quiet_until: Mutex<Option<Instant>>,
}

struct Lane {
    known: Arc<Known>,
    asks: Sender<Ask>,
}

/// What is known of a witness for this log.
struct Known {
    place: usize,
    witness: PolicyWitness,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// A request is under way, of this round or of one that did not wait for it.
    busy: bool,
    /// Size that it was last heard to hold.
    size: Option<u64>,
    /// Whether it has cosigned a head of this process: from then on the two have one history.
    agreed: bool,
    fault: Option<String>,
}

/// One request for one witness.
struct Ask {
    old: u64,
    size: u64,
    /// The text of the checkpoint, which is what is cosigned.
    text: Arc<Vec<u8>>,
    body: Vec<u8>,
    heard: Sender<Heard>,
}

/// What came of a request.
pub(crate) struct Heard {
    /// The place of the witness in the policy.
    pub(crate) place: usize,
    /// The size that the request started from.
    pub(crate) old: u64,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// It cosigned; the signature is checked.
    Cosigned(NoteSignature),
    /// It holds another size than the request started from, or another root at the same size.
    Holds(u64),
    /// The proof does not continue what it holds.
    Inconsistent,
    /// There is no answer, or one that says nothing.
    Fault(String),
}

impl Panel {
    /// A panel with a thread for each witness that has an address.
    pub(crate) fn start(log: Log, with: &Witnessing) -> Result<Self, StoreError> {
        let mut lanes = Vec::new();
        for (place, witness) in with.policy.witnesses().iter().enumerate().filter(|(_, one)| one.url.is_some()) {
            let known = Arc::new(Known { place, witness: witness.clone(), state: Mutex::default() });
            let (asks, receiver) = channel();
            let (of_thread, transport) = (Arc::clone(&known), Arc::clone(&with.transport));
            std::thread::Builder::new()
                .name(format!("witness-{}-{place}", log.name()))
                .spawn(move || of_thread.serve(&receiver, &*transport))
                .on("asked by a thread", std::path::Path::new(&witness.name))?;
            lanes.push(Lane { known, asks });
        }
        let Witnessing { policy, round_patience, .. } = with.clone();
        Ok(Self { policy, round_patience, lanes, quiet_until: Mutex::default() })
    }

    /// Whether a quorum was missed just now.
    pub(crate) fn is_quiet(&self) -> bool {
        lock(&self.quiet_until).is_some_and(|until| Instant::now() < until)
    }

    /// Notes whether a quorum was reached.
    pub(crate) fn note_quorum(&self, reached: bool) {
        *lock(&self.quiet_until) = (!reached).then(|| Instant::now() + QUIET);
    }

    /// The witnesses that can be asked now, with the size that each was last heard to hold.
    pub(crate) fn idle(&self) -> Vec<(usize, Option<u64>)> {
        let state = |lane: &Lane| (lane.known.place, lock(&lane.known.state).clone());
        self.lanes
            .iter()
            .map(state)
            .filter(|(_, state)| !state.busy)
            .map(|(place, state)| (place, state.size))
            .collect()
    }

    /// Sends a request. The answer comes through `heard`.
    pub(crate) fn send(
        &self,
        place: usize,
        request: &AddCheckpoint,
        size: u64,
        text: &Arc<Vec<u8>>,
        heard: &Sender<Heard>,
    ) {
        let Some(lane) = self.lane(place) else { return };
        lock(&lane.known.state).busy = true;
        let (body, old) = (request.to_bytes(), request.old);
        let ask = Ask { old, size, text: Arc::clone(text), body, heard: heard.clone() };
        if lane.asks.send(ask).is_err() {
            let what = What::Fault("its thread has ended: restart this program".to_owned());
            let _ = heard.send(Heard { place, old, what });
        }
    }

    /// Whether a witness has cosigned a head of this process.
    pub(crate) fn has_agreed(&self, place: usize) -> bool {
        self.lane(place).is_some_and(|lane| lock(&lane.known.state).agreed)
    }

    /// Notes what is wrong with a witness.
    pub(crate) fn set_fault(&self, place: usize, fault: String) {
        if let Some(lane) = self.lane(place) {
            lock(&lane.known.state).fault = Some(fault);
        }
    }

    /// What is wrong with the witnesses, a sentence each.
    pub(crate) fn faults(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for witness in self.policy.witnesses().iter().filter(|witness| witness.url.is_none()) {
            said.push(format!("witness {} has no address in the policy", witness.name));
        }
        for lane in &self.lanes {
            let state = lock(&lane.known.state).clone();
            let name = &lane.known.witness.name;
            match state.fault {
                Some(fault) => said.push(format!("witness {name}: {fault}")),
                None if state.busy => said.push(format!("witness {name} has not answered yet")),
                None => {}
            }
        }
        said.join("; ")
    }

    /// A witness's name in the policy.
    pub(crate) fn name(&self, place: usize) -> &str {
        self.policy.witnesses().get(place).map_or("", |witness| &witness.name)
    }

    fn lane(&self, place: usize) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.known.place == place)
    }
}

impl Known {
    /// Brings requests to the witness until the panel is dropped.
    fn serve(&self, asks: &Receiver<Ask>, transport: &dyn WitnessTransport) {
        while let Ok(ask) = asks.recv() {
            let reply = transport.add_checkpoint(&self.witness, ask.body.clone());
            let what = self.judge(&ask, reply);
            let mut state = lock(&self.state);
            state.busy = false;
            match &what {
                What::Cosigned(_) => *state = State { size: Some(ask.size), agreed: true, ..State::default() },
                What::Holds(size) => state.size = Some(*size),
                What::Inconsistent => {}
                What::Fault(fault) => state.fault = Some(fault.clone()),
            }
            drop(state);
            // Nobody waits any more where a quorum was reached without it.
            let _ = ask.heard.send(Heard { place: self.place, old: ask.old, what });
        }
    }

    fn judge(&self, ask: &Ask, reply: Result<WitnessReply, String>) -> What {
        let reply = match reply {
            Ok(reply) => reply,
            Err(reason) => return What::Fault(reason),
        };
        match reply.status {
            200 => {
                let key = &self.witness.key;
                let ours = |line: &NoteSignature| {
                    key.is_named_by(line) && key.cosigned_at(&ask.text, &line.signature).is_some()
                };
                let found = parse_answer(&reply.body).map(|lines| lines.into_iter().find(ours));
                match found {
                    Ok(Some(signature)) => What::Cosigned(signature),
                    _ => What::Fault("it answered without a cosignature by its key in the policy".to_owned()),
                }
            }
            409 => match parse_size(&reply.body) {
                Ok(size) => What::Holds(size),
                Err(_) => What::Fault("it told of a conflict without its size".to_owned()),
            },
            422 => What::Inconsistent,
            403 => What::Fault("it does not accept the key of this log: have it listed there".to_owned()),
            404 => What::Fault("it does not know this log, or is not at this address: have it listed there".to_owned()),
            status => What::Fault(format!("it answered with status {status}")),
        }
    }
}
