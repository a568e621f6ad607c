//! Publishing a head: witnesses are asked once its tiles are at the sites, and the checkpoint follows with their cosignatures.
//!
//! A round waits for a quorum and for nobody beyond it. Where none comes in time, the head is published with the signature of
//! the log alone: its leaves are sealed and not witnessed, and the status says so. The witnesses are asked again until they are.
//!
//! A witness may hold more than this database, or something else: then the database is an old copy, or another writes this log,
//! and signing on would show two histories. Such a word counts until the witness has cosigned a head of this process. After
//! that the two have one history, and a witness that takes its word back is at fault itself.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use ledger::tiles::CHECKPOINT_PATH;
use ledger::witness::AddCheckpoint;
use ledger::{Checkpoint, Hash, Note, NoteSignature, SignedCheckpoint, consistency_proof, verify_consistency};
use policy::Permit;
use rusqlite::params;
use vault::Bytes;

use super::panel::{Heard, Panel, What};
use super::tiles::SiteTiles;
use crate::core::Core;
use crate::error::{AtStep, OnFile, StoreError};
use crate::seams;
use crate::types::Log;

/// How long all witnesses are waited for before the first head of a process: one of them may know more than the database.
pub(crate) const OPEN_PATIENCE: Duration = Duration::from_secs(3);
/// Requests to one witness for one head. It may answer once with what it holds, and once more where that has changed.
const TRIES: u8 = 3;

/// A head whose tiles are at the sites, and the witnesses that were asked about it.
pub(crate) struct Asking<'a> {
    core: &'a Core,
    log: Log,
    permit: &'a Permit,
    head: &'a SignedCheckpoint,
    text: Arc<Vec<u8>>,
    sender: Sender<Heard>,
    receiver: Receiver<Heard>,
    /// Requests under way, by place.
    waiting: Vec<usize>,
    tries: Vec<u8>,
    cosigned: Vec<(usize, NoteSignature)>,
}

/// Asks all idle witnesses to cosign a head, and waits for none of them.
pub(crate) fn ask<'a>(core: &'a Core, log: Log, permit: &'a Permit, head: &'a SignedCheckpoint) -> Asking<'a> {
    let (sender, receiver) = channel();
    let text = Arc::new(head.checkpoint.to_string().into_bytes());
    let panel = core.log(log).panel.as_ref();
    let tries = vec![0; panel.map_or(0, |panel| panel.policy.witnesses().len())];
    let mut asking =
        Asking { core, log, permit, head, text, sender, receiver, waiting: Vec::new(), tries, cosigned: Vec::new() };
    if let Some(panel) = panel.filter(|panel| !panel.is_quiet()) {
        for (place, known) in panel.idle() {
            // Who was never asked tells its size in answer to a request that starts at nothing.
            let old = known.filter(|size| *size <= head.checkpoint.size).unwrap_or(0);
            asking.request(panel, place, old);
        }
    }
    asking
}

/// Waits for a quorum, then replaces the checkpoint at the sites and tells waiters.
pub(crate) fn publish(asking: Asking<'_>, last_no: u64) -> Result<(), StoreError> {
    let Asking { core, log, permit, head, .. } = asking;
    let Some(panel) = core.log(log).panel.as_ref() else {
        return put(core, log, permit, head, last_no, None);
    };
    let patience = panel.round_patience;
    let (head, reached) = asking.gather(panel, patience, false)?;
    put(core, log, permit, &head, last_no, Some((panel, reached)))
}

/// Publishes the head that the database held when this process took the log over, once the witnesses were heard about it.
/// `published` is the note that is public already, whose cosignatures are kept.
pub(crate) fn resume(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: &SignedCheckpoint,
    published: Option<&[u8]>,
    last_no: u64,
) -> Result<(), StoreError> {
    let Some(panel) = core.log(log).panel.as_ref() else {
        return put(core, log, permit, head, last_no, None);
    };
    panel.note_quorum(true);
    let mut asking = ask(core, log, permit, head);
    if let Some(published) = published {
        asking.keep(panel, published);
    }
    let (head, reached) = asking.gather(panel, OPEN_PATIENCE, true)?;
    put(core, log, permit, &head, last_no, Some((panel, reached)))
}

/// Asks the witnesses about a log that is empty here: one of them may know better.
pub(crate) fn look_at_empty(core: &Core, log: Log, permit: &Permit) -> Result<(), StoreError> {
    let state = core.log(log);
    let Some(panel) = state.panel.as_ref() else { return Ok(()) };
    panel.note_quorum(true);
    let head = Checkpoint::new(&state.origin, 0, ledger::EMPTY_ROOT).sign(&state.signer)?;
    ask(core, log, permit, &head).gather(panel, OPEN_PATIENCE, true).map(|_| ())
}

/// Asks again about a head that was published without a quorum.
pub(crate) fn catch_up(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: Option<&SignedCheckpoint>,
    last_no: u64,
) -> Result<(), StoreError> {
    let state = core.log(log);
    let (Some(panel), Some(head)) = (state.panel.as_ref(), head) else { return Ok(()) };
    if panel.is_quiet() || state.witnessed_size() >= head.checkpoint.size {
        return Ok(());
    }
    let (head, reached) = ask(core, log, permit, head).gather(panel, panel.round_patience, false)?;
    if reached {
        put(core, log, permit, &head, last_no, Some((panel, true)))
    } else {
        note_fault(core, log, panel);
        Ok(())
    }
}

impl Asking<'_> {
    fn request(&mut self, panel: &Panel, place: usize, old: u64) {
        if self.tries[place] == TRIES {
            panel.set_fault(
                place,
                "the size it tells keeps changing: does another program sign for this log?".to_owned(),
            );
            return;
        }
        self.tries[place] += 1;
        match self.prove(old) {
            Ok(proof) => {
                let request = AddCheckpoint { old, proof, note: self.head.note.clone() };
                self.waiting.push(place);
                panel.send(place, &request, self.head.checkpoint.size, &self.text, &self.sender);
            }
            Err(error) => panel.set_fault(place, format!("no proof can be made for it: {error}")),
        }
    }

    fn prove(&self, old: u64) -> Result<Vec<Hash>, StoreError> {
        let source = SiteTiles { core: self.core, log: self.log, permit: self.permit };
        Ok(consistency_proof(old, self.head.checkpoint.size, &source)?)
    }

    /// Whether the tiles that proofs are made of lead to the head. Where they do not, none of them is kept.
    fn tiles_are_sound(&self, old: u64) -> bool {
        let source = SiteTiles { core: self.core, log: self.log, permit: self.permit };
        let to = &self.head.checkpoint;
        let sound = ledger::root_from_tiles(old, &source).and_then(|root| {
            let proof = consistency_proof(old, to.size, &source)?;
            verify_consistency(old, &root, to.size, &to.root, &proof)
        });
        if sound.is_err() {
            self.core.tiles.clear();
        }
        sound.is_ok()
    }

    /// Takes over cosignatures of a note over the same head.
    fn keep(&mut self, panel: &Panel, published: &[u8]) {
        let Ok(note) = Note::parse(published) else { return };
        if note.text().as_bytes() != &self.text[..] {
            return;
        }
        for signature in note.signatures() {
            let key = |witness: &ledger::PolicyWitness| witness.key.is_named_by(signature);
            let Some(place) = panel.policy.witnesses().iter().position(key) else { continue };
            let key = &panel.policy.witnesses()[place].key;
            if key.cosigned_at(&self.text, &signature.signature).is_some() {
                self.cosigned.push((place, signature.clone()));
            }
        }
    }

    /// Hears the witnesses until there is a quorum, or all of them where `all` says so, and at most for `patience`. Gives the
    /// head with their cosignatures, and whether they are a quorum.
    fn gather(mut self, panel: &Panel, patience: Duration, all: bool) -> Result<(SignedCheckpoint, bool), StoreError> {
        let deadline = Instant::now() + patience;
        while !self.waiting.is_empty() && (all || !self.has_quorum(panel)) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(heard) = self.receiver.recv_timeout(left) else { break };
            self.waiting.retain(|place| *place != heard.place);
            self.hear(panel, heard)?;
        }
        let reached = self.has_quorum(panel);
        // In a quiet time nobody was asked, and it ends by itself.
        if reached || self.tries.iter().any(|tries| *tries > 0) {
            panel.note_quorum(reached);
        }
        let mut note = Note::parse(&self.head.note)?;
        for (_, signature) in self.cosigned {
            note.add(signature)?;
        }
        Ok((SignedCheckpoint { checkpoint: self.head.checkpoint.clone(), note: note.to_bytes() }, reached))
    }

    fn has_quorum(&self, panel: &Panel) -> bool {
        panel.policy.is_quorum(&self.cosigned.iter().map(|(place, _)| *place).collect::<Vec<_>>())
    }

    fn hear(&mut self, panel: &Panel, heard: Heard) -> Result<(), StoreError> {
        let Heard { place, old, what } = heard;
        let size = self.head.checkpoint.size;
        match what {
            What::Cosigned(signature) => {
                self.cosigned.retain(|(other, _)| *other != place);
                self.cosigned.push((place, signature));
                Ok(())
            }
            What::Holds(held) if held > size || (held == old && held == size) => self.differs(panel, place, held),
            What::Holds(held) => {
                self.request(panel, place, held);
                Ok(())
            }
            What::Inconsistent if self.tiles_are_sound(old) => self.differs(panel, place, old),
            What::Inconsistent => {
                self.request(panel, place, old);
                Ok(())
            }
            What::Fault(_) => Ok(()),
        }
    }

    /// A witness holds more than the database, or something else.
    fn differs(&self, panel: &Panel, place: usize, held: u64) -> Result<(), StoreError> {
        let (log, database_size) = (self.core.log(self.log).origin.clone(), self.head.checkpoint.size);
        let error =
            StoreError::WitnessAhead { log, witness: panel.name(place).to_owned(), witness_size: held, database_size };
        panel.set_fault(place, format!("it holds another history, of {held} leaves"));
        if !panel.has_agreed(place) {
            note_fault(self.core, self.log, panel);
            return Err(error);
        }
        tracing::error!(log = self.log.name(), %error, "a witness takes back what it cosigned");
        Ok(())
    }
}

/// Replaces the checkpoint at the sites and tells waiters. Who was held up for so long that another seals by now must not set the
/// log back for those who look at a site: the head is compared with the database before, and behind it once more.
///
/// # Errors
/// [`StoreError::Overtaken`]: looking the end of the log up again publishes the newest head.
fn put(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: &SignedCheckpoint,
    last_no: u64,
    witnesses: Option<(&Panel, bool)>,
) -> Result<(), StoreError> {
    check_newest(core, log, head)?;
    core.sites.replace(permit, &log.path(CHECKPOINT_PATH), Bytes::copy_from_slice(&head.note))?;
    core.config.seams.at(seams::published(log)).on("sealed", &core.folder)?;
    check_newest(core, log, head)?;
    note_published(core, log, head, last_no);
    match witnesses {
        Some((_, true)) => note_witnessed(core, log, head, last_no),
        Some((panel, false)) => note_fault(core, log, panel),
        None => {}
    }
    Ok(())
}

fn check_newest(core: &Core, log: Log, head: &SignedCheckpoint) -> Result<(), StoreError> {
    let step = "reading the head of a log";
    let newest: Option<Vec<u8>> = core.readers.snapshot(step, |connection| {
        let mut statement = connection.prepare_cached("SELECT note FROM log_head WHERE log = ?").at(step)?;
        statement.query_row([log.name()], |row| row.get(0)).at(step)
    })?;
    let text = head.checkpoint.to_string();
    let is_newest = |note: Vec<u8>| Note::parse(&note).is_ok_and(|note| note.text() == text);
    if newest.is_some_and(is_newest) {
        return Ok(());
    }
    Err(StoreError::Overtaken { log: core.log(log).origin.clone() })
}

/// Tells waiters that a head is published, and lets the database forget its pending files. Not waited for: after a crash the
/// same files are published again, which changes nothing.
fn note_published(core: &Core, log: Log, head: &SignedCheckpoint, last_no: u64) {
    let size = head.checkpoint.size;
    core.tiles.set_published(log, head.clone());
    core.log(log).published(last_no, size);
    let note = head.note.clone();
    let noted = core.writer.submit(1, move |transaction| {
        let step = "noting what is published";
        transaction
            .prepare_cached(
                "UPDATE log_head SET published_note = ?, published_size = ?, published_no = ? WHERE log = ? AND published_size <= ?",
            )
            .at(step)?
            .execute(params![note, size as i64, last_no as i64, log.name(), size as i64])
            .at(step)?;
        let sql = "DELETE FROM pending_tile WHERE log = ? AND size <= ?";
        transaction.prepare_cached(sql).at(step)?.execute(params![log.name(), size as i64]).at(step).map(|_| ())
    });
    if let Err(error) = noted {
        tracing::debug!(%error, "what is published is noted at the next start");
    }
}

fn note_witnessed(core: &Core, log: Log, head: &SignedCheckpoint, last_no: u64) {
    let size = head.checkpoint.size;
    core.tiles.set_witnessed(log, head.clone());
    core.log(log).witnessed(last_no, size, None);
    let note = head.note.clone();
    let noted = core.writer.submit(1, move |transaction| {
        let step = "noting what is witnessed";
        let sql = "UPDATE log_head SET witnessed_note = ?, witnessed_size = ?, witness_fault = NULL WHERE log = ? AND witnessed_size <= ?";
        let mut statement = transaction.prepare_cached(sql).at(step)?;
        statement.execute(params![note, size as i64, log.name(), size as i64]).at(step).map(|_| ())
    });
    if let Err(error) = noted {
        tracing::debug!(%error, "what is witnessed is noted with the next head");
    }
}

fn note_fault(core: &Core, log: Log, panel: &Panel) {
    let fault = panel.faults();
    let fault = if fault.is_empty() { "no quorum of witnesses has cosigned yet".to_owned() } else { fault };
    if core.log(log).witnessed(0, 0, Some(fault.clone())) {
        tracing::warn!(log = log.name(), fault, "sealed, and not witnessed");
        let noted = core.writer.submit(1, move |transaction| {
            let step = "noting why nothing is witnessed";
            let sql = "UPDATE log_head SET witness_fault = ? WHERE log = ?";
            transaction.prepare_cached(sql).at(step)?.execute(params![fault, log.name()]).at(step).map(|_| ())
        });
        if let Err(error) = noted {
            tracing::debug!(%error, "why nothing is witnessed is noted later");
        }
    }
}
