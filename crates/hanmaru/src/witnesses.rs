//! The installation's witnesses: the policy file that the configuration names, and the way to them.

use crate::web::{Web, WebFault, is_safe};
use ledger::witness::{ADD_CHECKPOINT, ANSWER_LEN_MAX};
use ledger::{PolicyWitness, TrustPolicy};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{WitnessReply, WitnessTransport, Witnessing};

/// How long one witness may take. Nothing waits for it as long as the others are a quorum.
const WITNESS_WAIT: Duration = Duration::from_secs(5);

/// Reads a policy file.
///
/// # Errors
/// The file cannot be read, or is not a policy.
pub fn read_policy(path: &Path) -> Result<TrustPolicy, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut bytes = Vec::new();
    let limit = ledger::POLICY_LEN_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| format!("cannot read {shown}: {error}"))?;
    TrustPolicy::parse(&bytes).map_err(|error| format!("{shown}: {error}"))
}

/// The witnesses of a policy file, ready to be asked.
///
/// # Errors
/// The file is not a policy, or nobody in it can be asked safely.
pub fn open(path: &Path) -> Result<Witnessing, String> {
    let policy = read_policy(path)?;
    let shown = path.display();
    for witness in policy.witnesses() {
        if witness.url.as_deref().is_some_and(|url| !is_safe(url)) {
            let name = &witness.name;
            return Err(format!(
                "{shown}: the address of witness {name} must start with https://, or be on this machine"
            ));
        }
    }
    let reachable: Vec<usize> =
        policy.witnesses().iter().enumerate().filter(|(_, one)| one.url.is_some()).map(|(place, _)| place).collect();
    if !policy.is_quorum(&reachable) {
        return Err(format!(
            "{shown}: the witnesses with an address are no quorum, so nothing could ever be witnessed"
        ));
    }
    Ok(Witnessing::new(policy, Arc::new(HttpWitnesses(Web::new(WITNESS_WAIT)?))))
}

struct HttpWitnesses(Web);

impl WitnessTransport for HttpWitnesses {
    fn add_checkpoint(&self, witness: &PolicyWitness, body: Vec<u8>) -> Result<WitnessReply, String> {
        let prefix = witness.url.as_deref().ok_or("it has no address in the policy")?;
        let url = format!("{}/{ADD_CHECKPOINT}", prefix.trim_end_matches('/'));
        let post = |body| self.0.post(&url, "text/plain; charset=utf-8", body, ANSWER_LEN_MAX);
        // A kept connection ends with the witness's process; asking twice for the same cosignature changes nothing.
        let answer = match post(body.clone()) {
            Err(WebFault::Broken(_)) => post(body),
            first => first,
        };
        let answer = answer.map_err(|fault| fault.to_string())?;
        Ok(WitnessReply { status: answer.status, body: answer.body })
    }
}
