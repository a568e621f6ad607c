//! A witness that keeps the real rules, and does not do so always: it fails, hangs, or forgets what it cosigned.

use super::life::{Life, lock};
use super::plan::WitnessMode;
use ledger::witness::{AddCheckpoint, Refusal, WitnessHead, answer};
use ledger::{CosignerKey, Hash, PolicyWitness, TrustPolicy, VerifierKey};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use store::{WitnessReply, WitnessTransport, Witnessing};

/// How long a round waits for it.
const ROUND_PATIENCE: Duration = Duration::from_millis(100);
/// How often a request that hangs looks whether its process has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The time that it cosigns with: nobody here asks for it.
const TIME_S: u64 = 1_795_000_000;

/// A witness, for every process that asks it.
pub struct FaultyWitness {
    key: CosignerKey,
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    mode: WitnessMode,
    logs: Vec<VerifierKey>,
    heads: BTreeMap<String, WitnessHead>,
    cosigned: Vec<(String, u64, Hash)>,
}

impl Default for FaultyWitness {
    fn default() -> Self {
        let key = CosignerKey::from_seed("witness.faults.example", &[5; 32]).expect("a good name");
        Self { key, now: Mutex::default(), changed: Condvar::new() }
    }
}

impl FaultyWitness {
    /// The logs that it is to know.
    pub fn know(&self, logs: Vec<VerifierKey>) {
        lock(&self.now).logs = logs;
    }

    /// Changes what it does from now on. Requests that hang go on.
    pub fn set(&self, mode: WitnessMode) {
        lock(&self.now).mode = mode;
        self.changed.notify_all();
    }

    /// What it is like.
    #[must_use]
    pub fn mode(&self) -> WitnessMode {
        lock(&self.now).mode
    }

    /// Every head that it ever cosigned: origin, size and root. What it forgets, somebody else has seen.
    #[must_use]
    pub fn cosigned(&self) -> Vec<(String, u64, Hash)> {
        lock(&self.now).cosigned.clone()
    }

    /// How one life of a process asks it, and no other witness.
    #[must_use]
    pub fn asked_by(self: &Arc<Self>, life: &Arc<Life>) -> Witnessing {
        let text = format!("witness W {} https://witness.faults.example\nquorum W\n", self.key.witness().encode());
        let policy = TrustPolicy::parse(text.as_bytes()).expect("a policy");
        let transport = Way { witness: Arc::clone(self), life: Arc::clone(life) };
        Witnessing { policy, transport: Arc::new(transport), round_patience: ROUND_PATIENCE }
    }

    fn judge(&self, now: &mut Now, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let request = AddCheckpoint::parse(body).expect("a request of the store is one");
        let checkpoint = request.open(&now.logs)?.checkpoint;
        let held = now.heads.entry(checkpoint.origin.clone()).or_default();
        *held = request.judge(&checkpoint, held)?;
        now.cosigned.push((checkpoint.origin.clone(), checkpoint.size, checkpoint.root));
        Ok(answer(&[self.key.cosign(checkpoint.to_string().as_bytes(), TIME_S)]))
    }
}

/// One process's way to it.
struct Way {
    witness: Arc<FaultyWitness>,
    life: Arc<Life>,
}

impl WitnessTransport for Way {
    fn add_checkpoint(&self, _: &PolicyWitness, body: Vec<u8>) -> Result<WitnessReply, String> {
        let witness = &*self.witness;
        let mut now = lock(&witness.now);
        while now.mode == WitnessMode::Hangs && !self.life.is_over() {
            now = witness.changed.wait_timeout(now, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        match now.mode {
            _ if self.life.is_over() => return Err("the process has ended".to_owned()),
            WitnessMode::Fails => return Err("it cannot be reached".to_owned()),
            WitnessMode::Forgets => now.heads.clear(),
            WitnessMode::Well | WitnessMode::Hangs => (),
        }
        Ok(match witness.judge(&mut now, &body) {
            Ok(body) => WitnessReply { status: 200, body },
            Err(refusal) => WitnessReply { status: refusal.status(), body: refusal.body().into_bytes() },
        })
    }
}
