//! Waiting for the seal, leaves of documents that we issue, proofs, checkpoints and verifier keys.

use std::time::Duration;

use base::Id16;
use ledger::tiles::TilePath;
use ledger::{Commitment, EntryKind, SignedCheckpoint, TlogProof, TrustPolicy, VerifierKey};
use policy::{Action, Owner, Permit, Scope};
use rusqlite::{OptionalExtension, Transaction, params};

use super::tiles::SiteTiles;
use super::{KIND_ISSUED, KIND_RECEIPT};
use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::own_job_permit;
use crate::read::leaf;
use crate::types::{Log, Sealed, Ticket, owner_bytes};
use crate::witnessing::Witnessed;
use crate::write::{enqueue, ticket};

/// How long an issue waits for its checkpoint.
const LEAF_PATIENCE: Duration = Duration::from_secs(20);

/// A leaf that is under a published checkpoint, with all that shows it offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProof {
    /// Its index in the log `records`.
    pub index: u64,
    /// The salt under which the leaf commits to the content.
    pub salt: [u8; 32],
    /// The leaf itself.
    pub entry: Commitment,
    /// Inclusion proof and signed checkpoint; [`TlogProof::to_bytes`] gives the C2SP `tlog-proof` file.
    pub proof: TlogProof,
}

/// A leaf that is accepted and may not be sealed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLeaf {
    /// Its row in the store.
    pub row: u64,
    /// The ticket under which it is sealed, as a number.
    pub ticket: u64,
    /// The salt under which it commits to the content.
    pub salt: [u8; 32],
}

impl From<&WaitingLeaf> for Ticket {
    fn from(leaf: &WaitingLeaf) -> Self {
        Self(leaf.ticket)
    }
}

/// Rows of a room's own tables that belong to a leaf: they are committed with it or not at all.
pub type LeafExtra = Box<dyn FnOnce(&Transaction<'_>, &WaitingLeaf) -> rusqlite::Result<()> + Send>;

impl Store {
    /// Waits until everything up to a ticket is at two of three sites and under a published checkpoint. The sequencer starts
    /// at once.
    ///
    /// # Errors
    /// [`StoreError::NotSealed`] after `patience`, with what holds the sequencer up; what was written stays accepted, and is
    /// sealed when the sites are back. [`StoreError::SiteAhead`] where nothing may be signed.
    pub fn wait_sealed(&self, ticket: Ticket, patience: Duration) -> Result<Sealed, StoreError> {
        self.core().log(Log::Records).wait_sealed(self.core(), ticket, patience)
    }

    /// Lets a log be sealed as soon as it can be, without waiting for it.
    pub fn seal_soon(&self, log: Log) {
        self.core().log(log).poke();
    }

    /// Waits until a quorum of witnesses has cosigned a checkpoint over everything up to a ticket. Where the installation has
    /// no witnesses, nothing is ever witnessed.
    ///
    /// # Errors
    /// [`StoreError::NotWitnessed`] after `patience`, with what keeps the witnesses; what is sealed stays so.
    pub fn wait_witnessed(&self, ticket: Ticket, patience: Duration) -> Result<Sealed, StoreError> {
        self.core().log(Log::Records).wait_witnessed(self.core(), ticket, patience)
    }

    /// Commits to content that is kept elsewhere (an issued document, a receipt), waits until the leaf is sealed, and gives
    /// its proof. Takes a permit to issue for [`EntryKind::Issued`], to deposit or read a receipt for
    /// [`EntryKind::Receipt`].
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], and those of [`Store::wait_sealed`] and
    /// [`Store::proof`].
    pub fn commit_leaf(
        &self,
        permit: &Permit,
        kind: EntryKind,
        owner: Owner,
        content: &[u8],
    ) -> Result<LeafProof, StoreError> {
        let waiting = self.accept_leaf(permit, kind, owner, content, None)?;
        self.sealed_leaf(permit, kind, content, &waiting)
    }

    /// The first half of [`Store::commit_leaf`]: the leaf is accepted, together with the rows of a room that `extra` writes.
    /// A room that keeps the [`WaitingLeaf`] in such rows goes on with [`Store::sealed_leaf`] after a crash, and makes no
    /// second leaf.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Site`] where too few sites can
    /// be reached, [`StoreError::Database`], [`StoreError::Commit`].
    pub fn accept_leaf(
        &self,
        permit: &Permit,
        kind: EntryKind,
        owner: Owner,
        content: &[u8],
        extra: Option<LeafExtra>,
    ) -> Result<WaitingLeaf, StoreError> {
        let kind_no = leaf_kind(permit, "accept_leaf", kind)?;
        check_owner(permit, owner)?;
        let core = self.core();
        core.wait_for_sites()?;
        let salt = core.random.bytes32();
        let entry = ledger::commit(&salt, kind, content);
        let (epoch, recorded_us) = (permit.epoch(), core.clock.now_us());
        core.writer.run(1, move |transaction| {
            check_epoch(transaction, epoch)?;
            let step = "writing a leaf";
            transaction
                .prepare_cached("INSERT INTO commitment (owner, kind, recorded_us, entry) VALUES (?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner_bytes(owner), kind_no, recorded_us, entry])
                .at(step)?;
            let row = transaction.last_insert_rowid();
            enqueue(transaction, kind_no, row, &entry)?;
            let waiting = WaitingLeaf { row: row.unsigned_abs(), ticket: ticket(transaction)?.0.0, salt };
            if let Some(extra) = extra {
                extra(transaction, &waiting).at("writing the rows that belong to it")?;
            }
            Ok(waiting)
        })
    }

    /// The second half of [`Store::commit_leaf`]: waits until an accepted leaf is sealed, and gives its proof. Takes a permit
    /// for the same kind, and the content that was committed to.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Missing`] where there is no such leaf, and those of [`Store::wait_sealed`] and
    /// [`Store::proof`].
    pub fn sealed_leaf(
        &self,
        permit: &Permit,
        kind: EntryKind,
        content: &[u8],
        waiting: &WaitingLeaf,
    ) -> Result<LeafProof, StoreError> {
        let kind_no = leaf_kind(permit, "sealed_leaf", kind)?;
        let sealed = self.wait_sealed(waiting.into(), LEAF_PATIENCE);
        // Who waits is told what it is that keeps the seal, where that is the sites.
        sealed.map_err(|error| self.core().sites.enough().err().map_or(error, StoreError::from))?;
        let row = i64::try_from(waiting.row).map_err(|_| StoreError::Missing { what: "leaf" })?;
        let index = self.core().readers.snapshot("reading a leaf", |connection| leaf(connection, kind_no, row))?;
        let index = index.ok_or(StoreError::Missing { what: "leaf" })?;
        let entry = ledger::commit(&waiting.salt, kind, content);
        Ok(LeafProof { index, salt: waiting.salt, entry, proof: self.proof(Log::Records, index)? })
    }

    /// The proof that a leaf is under a published checkpoint: the newest that a quorum of witnesses has cosigned, where that
    /// holds the leaf, and the newest of all otherwise. It says nothing about what the leaf commits to, so it
    /// takes no permit.
    ///
    /// # Errors
    /// [`StoreError::Ledger`] where there is no such leaf or the sites do not give its tiles, [`StoreError::Missing`] where
    /// nothing is published yet.
    pub fn proof(&self, log: Log, index: u64) -> Result<TlogProof, StoreError> {
        let core = self.core();
        let head = self.head_over(log, index)?;
        let permit = own_job_permit(core, "prover", Action::Seal)?;
        let source = SiteTiles { core, log, permit: &permit };
        let made = TlogProof::make(index, &head, &source)?;
        if self.is_sound(log, &made, &head, &source) {
            return Ok(made);
        }
        // A tile in the cache or at a site is not the log's. The cache is emptied, and the sites are asked again.
        core.tiles.clear();
        let made = TlogProof::make(index, &head, &source)?;
        if self.is_sound(log, &made, &head, &source) {
            return Ok(made);
        }
        Err(StoreError::Damaged {
            what: "a tile at the sites",
            reason: "it does not lead to the signed root: repair".to_owned(),
        })
    }

    /// The newest head of a log that a quorum of witnesses has cosigned, if it holds the leaf; the newest published one otherwise.
    fn head_over(&self, log: Log, index: u64) -> Result<SignedCheckpoint, StoreError> {
        let newest = self.checkpoint(log)?.ok_or(StoreError::Missing { what: "checkpoint" })?;
        let witnessed = self.witnessed_checkpoint(log)?;
        Ok(witnessed.filter(|head| head.checkpoint.size > index).unwrap_or(newest))
    }

    /// The newest checkpoint of a log that a quorum of witnesses has cosigned; `None` where there is none, and where the
    /// installation has no witnesses.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Ledger`].
    pub fn witnessed_checkpoint(&self, log: Log) -> Result<Option<SignedCheckpoint>, StoreError> {
        let core = self.core();
        if core.trust.as_ref().is_none_or(|trust| !trust.asks_for_witnesses()) {
            return Ok(None);
        }
        let known = core.tiles.witnessed(log);
        let known_size = known.as_ref().map_or(0, |head| head.checkpoint.size);
        let step = "reading the witnessed checkpoint";
        let newer: Option<Vec<u8>> = core.readers.snapshot(step, |connection| {
            let sql = "SELECT witnessed_note FROM log_head WHERE log = ? AND witnessed_size > ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            statement.query_row(params![log.name(), known_size as i64], |row| row.get(0)).optional().at(step)
        })?;
        let Some(note) = newer else { return Ok(known) };
        let head = SignedCheckpoint::open(&note, &[core.log(log).signer.verifier().clone()])?;
        core.tiles.set_witnessed(log, head.clone());
        Ok(Some(head))
    }

    /// The rule by which checkpoints of both logs are believed: their keys, and the witnesses where there are any.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        let keys = Log::ALL.map(|log| self.verifier_key(log));
        match &self.core().trust {
            Some(policy) => policy.clone().with_logs(&keys),
            None => TrustPolicy::without_witnesses(&keys),
        }
    }

    /// How far a log is witnessed, whichever process seals. `None` where the installation has no witnesses.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn witnessed(&self, log: Log) -> Result<Option<Witnessed>, StoreError> {
        if self.core().trust.as_ref().is_none_or(|trust| !trust.asks_for_witnesses()) {
            return Ok(None);
        }
        let (_, size, fault) = super::witnessed(self.core(), log)?;
        Ok(Some(Witnessed { size, fault }))
    }

    /// One public file of a log as the sites hold it: a tile or an entry bundle. `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Site`] where the sites cannot tell.
    pub fn log_file(&self, log: Log, path: &TilePath) -> Result<Option<vault::Bytes>, StoreError> {
        let core = self.core();
        let permit = own_job_permit(core, "prover", Action::Seal)?;
        match core.sites.get(&permit, &log.path(&path.to_string()), &|_| true) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(vault::SiteError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest published checkpoint of a log: signed, and at two of three sites. `None` for an empty log.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Ledger`].
    pub fn checkpoint(&self, log: Log) -> Result<Option<SignedCheckpoint>, StoreError> {
        let core = self.core();
        let known = core.tiles.published(log);
        let known_size = known.as_ref().map_or(0, |head| head.checkpoint.size);
        // Another process may be the one that publishes.
        let newer: Option<Vec<u8>> = core.readers.snapshot("reading the checkpoint", |connection| {
            connection
                .prepare_cached("SELECT published_note FROM log_head WHERE log = ? AND published_size > ?")
                .at("reading the checkpoint")?
                .query_row(params![log.name(), known_size as i64], |row| row.get(0))
                .optional()
                .at("reading the checkpoint")
        })?;
        let Some(note) = newer else { return Ok(known) };
        let head = SignedCheckpoint::open(&note, &[core.log(log).signer.verifier().clone()])?;
        core.tiles.set_published(log, head.clone());
        Ok(Some(head))
    }

    /// The keys that the logs are verified with, as C2SP verifier keys: first `records`, then `access`. To be pinned.
    #[must_use]
    pub fn verifier_keys(&self) -> Vec<String> {
        Log::ALL.iter().map(|log| self.core().log(*log).signer.verifier().encode()).collect()
    }

    /// The verifier key of one log.
    #[must_use]
    pub fn verifier_key(&self, log: Log) -> VerifierKey {
        self.core().log(log).signer.verifier().clone()
    }

    /// Whether a proof leads to its root, whatever leaf hash the tile gives: the leaf is read from the same tile.
    fn is_sound(&self, log: Log, proof: &TlogProof, head: &SignedCheckpoint, source: &SiteTiles<'_>) -> bool {
        use ledger::tiles::{TILE_WIDTH, TileId, TileSource};
        debug_assert_eq!(self.core().log(log).origin, head.checkpoint.origin);
        let (size, root) = (head.checkpoint.size, &head.checkpoint.root);
        let width = u64::from(TILE_WIDTH);
        let Some(id) = TileId::in_tree(0, proof.index / width, size) else { return false };
        let Ok(tile) = source.hash_tile(&id) else { return false };
        let Some(leaf) = ledger::Hash::at(&tile, (proof.index % width) as usize) else { return false };
        ledger::verify_inclusion(&leaf, proof.index, size, root, &proof.hashes).is_ok()
    }
}

/// The number of a kind of leaf that commits to content kept elsewhere, where the permit is for it.
fn leaf_kind(permit: &Permit, call: &'static str, kind: EntryKind) -> Result<i64, StoreError> {
    match kind {
        EntryKind::Issued => check_action(permit, call, &[Action::Issue]).map(|()| KIND_ISSUED),
        EntryKind::Receipt => {
            check_action(permit, call, &[Action::Deposit, Action::ReadReceipt]).map(|()| KIND_RECEIPT)
        }
        _ => Err(StoreError::Scope { what: "leaves of this kind: they come with what they commit to" }),
    }
}

/// A person's permit may commit to what is the person's or one of their patients'; a depositor's to what is the
/// institution's.
fn check_owner(permit: &Permit, owner: Owner) -> Result<(), StoreError> {
    let within = match permit.scope() {
        Scope::Patients(patients) => {
            let is = |id: &Id16| owner == Owner::Patient(*id);
            patients.iter().any(is) || is(&permit.actor().account)
        }
        Scope::Institution(code) => owner == Owner::institution(code),
        Scope::Sealed | Scope::Whole | Scope::Status | Scope::Accesses => false,
    };
    if within { Ok(()) } else { Err(StoreError::Scope { what: "the owner of the leaf" }) }
}
