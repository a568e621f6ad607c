//! Before a log goes on from what a site holds: whether a witness has seen more of it. Signing on would show two histories. Nothing
//! is cosigned anew, since what is asked about continues nothing.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use ledger::witness::{AddCheckpoint, parse_size};
use ledger::{Checkpoint, EMPTY_ROOT, SignedCheckpoint, SignerKey};

use crate::error::{OnFile, StoreError};
use crate::sequencer::cosign::OPEN_PATIENCE;
use crate::types::Log;
use crate::witnessing::{WitnessReply, Witnessing};

/// Asks every witness whether it has seen more than this head, as long as a process that opens a log waits for them.
///
/// # Errors
/// [`StoreError::Rebuild`] where one has; where none can be asked and `is_enough` does not say that this is to be made all the same.
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
    if !heard.contains(&true) && !is_enough {
        return Err(StoreError::Rebuild {
            reason: format!(
                "no witness tells whether it has seen more of the log {} than the sites hold ({why}): run this again when one answers, \
                 or with --without-witnesses where you are certain that no site which held more is lost",
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
