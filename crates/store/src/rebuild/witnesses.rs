//! Before a log goes on from what a site holds: whether a witness has seen more of it. Signing on would show two histories. Nothing
//! is cosigned anew, since what is asked about continues nothing.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use ledger::witness::{AddCheckpoint, parse_size};
use ledger::{Checkpoint, EMPTY_ROOT, SignedCheckpoint, SignerKey, TrustPolicy};

use crate::error::{OnFile, StoreError};
use crate::sequencer::cosign::OPEN_PATIENCE;
use crate::types::Log;
use crate::witnessing::{WitnessReply, Witnessing};

/// Asks every witness whether it has seen more than this head, as long as a process that opens a log waits for them.
///
/// # Errors
/// [`StoreError::Rebuild`] where one has; where too few answer and `is_enough` does not say that this is to be made all the same.
pub(super) fn ask(
    witnessing: &Witnessing,
    log: Log,
    signer: &SignerKey,
    head: Option<&SignedCheckpoint>,
    is_enough: bool,
) -> Result<(), StoreError> {
    if !witnessing.policy.asks_for_witnesses() {
        return Ok(());
    }
    let none = Checkpoint::new(signer.verifier().name(), 0, EMPTY_ROOT).sign(signer)?;
    let head = head.unwrap_or(&none);
    let size = head.checkpoint.size;
    let body = AddCheckpoint { old: size, proof: Vec::new(), note: head.note.clone() }.to_bytes();
    let (send, answers) = channel();
    let witnesses = witnessing.policy.witnesses();
    for (place, witness) in witnesses.iter().enumerate().filter(|(_, one)| one.url.is_some()) {
        let (witness, transport) = (witness.clone(), Arc::clone(&witnessing.transport));
        let (send, body) = (send.clone(), body.clone());
        std::thread::Builder::new()
            .name(format!("witness-{place}"))
            .spawn(move || drop(send.send((place, transport.add_checkpoint(&witness, body)))))
            .on("asked by a thread", std::path::Path::new("witness"))?;
    }
    drop(send);
    let mut silent: Vec<String> = witnesses.iter().map(|one| format!("witness {} does not answer", one.name)).collect();
    let mut heard = vec![false; witnesses.len()];
    let deadline = Instant::now() + OPEN_PATIENCE;
    while let Ok((place, reply)) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        let name = &witnesses[place].name;
        match judge(reply, size) {
            Heard::NoMore => heard[place] = true,
            Heard::More(held) => return Err(seen_more(log, name, held, size)),
            Heard::Nothing(why) => silent[place] = format!("witness {name}: {why}"),
        }
    }
    let silent: Vec<String> =
        silent.into_iter().zip(&heard).filter(|(_, heard)| !**heard).map(|(why, _)| why).collect();
    let why = silent.join("; ");
    if !are_enough(&witnessing.policy, &heard) && !is_enough {
        return Err(StoreError::Rebuild {
            reason: format!(
                "too few witnesses tell whether they have seen more of the log {} than the sites hold ({why}): run this again when a quorum \
                 of them answers, or with --without-witnesses where you are certain that no site which held more is lost",
                log.name()
            ),
        });
    }
    if !silent.is_empty() {
        tracing::warn!(
            log = log.name(),
            why,
            "not every witness could be asked: whoever is silent may have seen a later head"
        );
    }
    Ok(())
}

/// Whether a head that was witnessed cannot have escaped: those who answer are a quorum, and those who do not are none, who might have
/// cosigned it by themselves.
fn are_enough(policy: &TrustPolicy, heard: &[bool]) -> bool {
    let places = |wanted: bool| -> Vec<usize> {
        let witnesses = policy.witnesses().iter().zip(heard).enumerate();
        // One without an address was never asked to cosign.
        let counts = witnesses.filter(|(_, (witness, heard))| **heard == wanted && (wanted || witness.url.is_some()));
        counts.map(|(place, _)| place).collect()
    };
    policy.is_quorum(&places(true)) && !policy.is_quorum(&places(false))
}

enum Heard {
    /// It has seen this head, or one before it.
    NoMore,
    /// It holds so many leaves, or another history of as many.
    More(u64),
    Nothing(String),
}

fn judge(reply: Result<WitnessReply, String>, size: u64) -> Heard {
    match reply {
        Err(why) => Heard::Nothing(why),
        Ok(WitnessReply { status: 200, .. }) => Heard::NoMore,
        Ok(WitnessReply { status: 409, body }) => match parse_size(&body) {
            Ok(held) if held < size => Heard::NoMore,
            Ok(held) => Heard::More(held),
            Err(error) => Heard::Nothing(error.to_string()),
        },
        Ok(WitnessReply { status: 422, .. }) => Heard::More(size),
        Ok(WitnessReply { status, .. }) => Heard::Nothing(format!("it answered with status {status}")),
    }
}

fn seen_more(log: Log, name: &str, held: u64, size: u64) -> StoreError {
    StoreError::Rebuild {
        reason: format!(
            "witness {name} has seen {held} leaves of the log {} and the sites that answer hold {size}, or another history: nothing is \
             made of them; bring back a site that holds more, and rebuild from that",
            log.name()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::CosignerKey;

    #[test]
    fn whoever_is_silent_may_not_have_made_a_quorum() {
        let mut text = String::new();
        for seed in 1..=3 {
            let key = CosignerKey::from_seed(&format!("w{seed}.test"), &[seed; 32]).expect("a key");
            text.push_str(&format!("witness W{seed} {} https://w{seed}.test\n", key.witness().encode()));
        }
        let policy = |count: u8| {
            let text = format!("{text}group enough {count} W1 W2 W3\nquorum enough\n");
            TrustPolicy::parse(text.as_bytes()).expect("a policy")
        };
        // So many of three must answer where so many cosign.
        for (count, least) in [(1, 3), (2, 2), (3, 3)] {
            let enough = |heard: usize| are_enough(&policy(count), &[heard > 0, heard > 1, heard > 2]);
            assert_eq!((0..=3).find(|heard| enough(*heard)), Some(least), "{count} of 3");
        }
    }
}
