//! The receipt of a deposit: what was declared, taken and held back and why, where it stands in the ledger, and the proof.
//!
//! The receipt is itself a leaf of the log `records`: the leaf commits to its JSON under the salt that stands beside it, and the
//! proof leads from the leaf to a signed checkpoint. Whoever holds the file and the log's public key can check it offline
//! ([`SignedReceipt::verify`]). It names files, lines and rules, and no values of resources. Files are called what the depositor
//! calls them, so names of people may stand in it, but what may be a registration number is masked ([`masked`]). It is sealed in
//! the database, and its files are for their owner alone.
//!
//! Where a bag declares right and no file of resources was refused whole, declared = new + already here + held back, for resources
//! and for documents.

use super::bag::Digest;
use super::bag_info::Cessation;
use super::lock::failed;
use super::tally::{Links, Tally};
use super::{Deposit, DepositError};
use crate::names::masked;
use crate::tables::{self, HeldListed, Marks};
use base::Timestamp;
use jiff::civil::Date;
use ledger::{Checkpoint, EntryKind, TlogProof, TrustPolicy, VerifierKey, WitnessedCheckpoint, leaf_hash};
use policy::{Action, Owner, Permit};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use store::{LeafProof, WaitingLeaf};

/// Most faults that a receipt lists one by one; all are counted, and all are in the database.
const FAULTS_LISTED: usize = 1_000;
/// Largest receipt that is read, in bytes: one that lists as many faults as it may, in files with the longest names.
pub const RECEIPT_BYTES_MAX: usize = 16 << 20;
/// How long a deposit waits to be sealed before it gives up for now.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Form of this JSON: 2. In form 1, which earlier programs wrote, what is optional here and no date is missing.
    pub format: u8,
    /// Number of the receipt, which is the id of the deposit.
    pub number: String,
    /// Code of the institution.
    pub institution_code: String,
    /// Its name.
    pub institution_name: String,
    /// Who handed the records over.
    pub depositor: String,
    /// The day it closed.
    pub closed_on: Option<Date>,
    /// First and, where known, last day of its suspension.
    pub suspended: Option<(Date, Option<Date>)>,
    /// When the deposit began.
    pub received: Timestamp,
    /// When everything was sealed.
    pub sealed: Timestamp,
    /// SHA-256 of the payload manifest, hexadecimal.
    pub manifest_sha256: String,
    /// Whether the content is made up.
    pub synthetic: bool,
    /// What the bag declares.
    pub declared: Declared,
    /// What was taken.
    pub taken: Taken,
    /// What was held back or refused.
    pub held_back: HeldBack,
    /// Patients by what the identity agency said.
    pub links: Links,
    /// What resources that were taken refer to and is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Absent>,
    /// Where it stands in the ledger.
    pub ledger: Ledger,
}

/// What a bag declares; `None` where it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Patients.
    pub patients: Option<u64>,
    /// Resources; each amendment counts.
    pub resources: Option<u64>,
    /// Documents.
    pub documents: Option<u64>,
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Different patients.
    pub patients: u64,
    /// Resources; each amendment counts.
    pub resources: u64,
    /// Those of them that were new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_resources: Option<u64>,
    /// Those of them that were here already, from an earlier deposit or an earlier line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_resources: Option<u64>,
    /// All of them by FHIR type.
    pub by_type: BTreeMap<String, u64>,
    /// Documents.
    pub documents: u64,
    /// Those of them that were new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_documents: Option<u64>,
    /// Those of them that were here already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_documents: Option<u64>,
    /// Warnings of the validation; what they are about was taken.
    pub warnings: u64,
}

/// What was held back or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// Resources: lines that were not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<u64>,
    /// Documents of which nothing was taken, those that are missing among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<u64>,
    /// How many, by the slug of their [`Fault`](super::Fault).
    pub by_fault: BTreeMap<String, u64>,
    /// The first of them.
    pub listed: Vec<ReceiptFault>,
    /// How many more there are than are listed.
    pub unlisted: u64,
}

/// One thing that was held back or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptFault {
    /// File of the bag, registration numbers masked.
    pub file: String,
    /// Where something is masked: how the file's checksum in the manifest begins, 16 hexadecimal digits, to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Line from 1; 0 for the whole file.
    pub line: u64,
    /// Slug of the [`Fault`](super::Fault).
    pub fault: String,
    /// Why, in English.
    pub reason: String,
    /// Whether its bytes are kept here, encrypted.
    pub kept: bool,
}

/// What resources that were taken refer to, and is neither in the bag nor here. Nothing is held back for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// How many different resources, by FHIR type.
    pub by_type: BTreeMap<String, u64>,
    /// Where the first of them are referred to.
    pub listed: Vec<AbsentReference>,
    /// How many more there are than are listed.
    pub unlisted: u64,
    /// Whether there are more than are counted.
    pub has_more: bool,
}

/// A reference that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentReference {
    /// File of the bag, registration numbers masked.
    pub file: String,
    /// Line from 1, the first that refers to it.
    pub line: u64,
    /// FHIR type of what it refers to.
    pub resource_type: String,
}

/// Where a deposit stands in the log `records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Name of the log.
    pub log: String,
    /// Leaves before the deposit: its own come at or after this index.
    pub size_before: u64,
    /// Leaves when all of it was sealed: its own come before this index.
    pub size_after: u64,
}

/// A receipt with its leaf and proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What it says.
    pub receipt: Receipt,
    /// Index of its leaf in the log `records`.
    pub leaf: u64,
    /// Salt of the leaf, hexadecimal.
    pub salt: String,
    /// C2SP `tlog-proof` of the leaf.
    pub proof: String,
    /// Whether the bag had been deposited before, and this is the receipt of then.
    #[serde(skip)]
    pub again: bool,
}

/// A receipt whose leaf was accepted: kept with the deposit until it is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Draft {
    receipt: Receipt,
    row: u64,
    ticket: u64,
    salt: [u8; 32],
}

/// The receipt is not one that this log made.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// A part has another form.
    #[error("the receipt's {0} cannot be read: the file is damaged")]
    Form(&'static str),
    /// It says the same, or more, in another way: nothing of that was committed to.
    #[error("the file is not spelt as receipts are written: something in it was added, left out or arranged anew")]
    Spelling,
    /// Signed by a log that is not pinned.
    #[error("none of the pinned keys has signed it: it is of another installation, or was altered")]
    UnknownKey,
    /// The proof does not hold.
    #[error("the receipt is not what the log committed to: {0}")]
    Proof(#[from] ledger::Error),
}

impl SignedReceipt {
    /// Reads a receipt from its file, which has one spelling; it may end in line ends.
    ///
    /// # Errors
    /// [`ReceiptError::Form`], [`ReceiptError::Spelling`].
    pub fn parse(file: &[u8]) -> Result<Self, ReceiptError> {
        let text = std::str::from_utf8(file).ok().filter(|text| text.len() <= RECEIPT_BYTES_MAX);
        let text = text.ok_or(ReceiptError::Form("text"))?.trim_end_matches(['\r', '\n']);
        let signed: Self = serde_json::from_str(text).map_err(|_| ReceiptError::Form("JSON"))?;
        if signed.to_json() == text { Ok(signed) } else { Err(ReceiptError::Spelling) }
    }

    /// Checks offline that a log with one of `keys` holds exactly this receipt.
    ///
    /// # Errors
    /// [`ReceiptError`], with the first thing that does not match.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Checkpoint, ReceiptError> {
        Ok(self.verify_by(&TrustPolicy::without_witnesses(keys))?.signed.checkpoint)
    }

    /// The same against a policy of pinned logs and witnesses. A quorum is said and not demanded.
    ///
    /// # Errors
    /// As [`SignedReceipt::verify`].
    pub fn verify_by(&self, trust: &TrustPolicy) -> Result<WitnessedCheckpoint, ReceiptError> {
        let salt = base::unhex(&self.salt).and_then(|salt| salt.try_into().ok()).ok_or(ReceiptError::Form("salt"))?;
        let entry = ledger::commit(&salt, EntryKind::Receipt, &self.receipt.content());
        let proof = TlogProof::parse(self.proof.as_bytes())?;
        if proof.index != self.leaf {
            return Err(ReceiptError::Form("leaf"));
        }
        let found = trust.inspect(&proof.checkpoint_note).map_err(|error| match error {
            ledger::Error::Untrusted { .. } => ReceiptError::UnknownKey,
            other => other.into(),
        })?;
        let head = &found.signed.checkpoint;
        ledger::verify_inclusion(&leaf_hash(&entry), proof.index, head.size, &head.root, &proof.hashes)?;
        Ok(found)
    }

    /// The receipt as a file of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are always JSON")
    }

    pub(super) fn again(self) -> Self {
        Self { again: true, ..self }
    }
}

impl Receipt {
    /// Whether both say the same of the deposit, whenever each was made.
    fn says_the_same_as(&self, later: &Self) -> bool {
        let mut same = later.clone();
        same.sealed = self.sealed;
        same.ledger.size_after = self.ledger.size_after;
        *self == same
    }

    /// What the leaf commits to: the JSON of the receipt without white space, its members in the order of this struct.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

impl Deposit<'_> {
    /// Waits until everything is sealed, makes the receipt, and ends the deposit.
    pub(super) fn finish(&mut self, started: Timestamp) -> Result<SignedReceipt, DepositError> {
        let mut made = None;
        self.with_permit(Action::Deposit, |deposit, permit| {
            made = Some(deposit.sealed_receipt(permit, started)?);
            Ok(())
        })?;
        let signed = made.ok_or(DepositError::RightsChange)?;
        let store = self.archive.store();
        write_files(&self.archive.inner.config.folder, &signed)?;
        let json = serde_json::to_string(&signed).expect("texts and numbers are always JSON");
        tables::finish_deposit(store, &self.names, self.id, self.institution, &json, self.archive.clock().now())?;
        self.step(1);
        Ok(signed)
    }

    fn sealed_receipt(&self, permit: &Permit, started: Timestamp) -> Result<SignedReceipt, DepositError> {
        let store = self.archive.store();
        let marks = self.marks();
        let extra: store::Extra = Box::new(move |tx, _| marks.apply(tx));
        // Nothing new, but a ticket for all that was written before, by a run that was killed too.
        let written = store.write(permit, Vec::new(), Vec::new(), Some(extra))?;
        let sealed = store.wait_sealed(written.ticket, PATIENCE)?;
        let receipt = self.receipt(started, sealed.records_size)?;
        let draft = match self.tally.draft.clone().filter(|draft| draft.receipt.says_the_same_as(&receipt)) {
            Some(draft) => draft,
            None => self.accept(permit, receipt)?,
        };
        let LeafProof { index, salt, proof, .. } = store.sealed_leaf(
            permit,
            EntryKind::Receipt,
            &draft.receipt.content(),
            &WaitingLeaf { row: draft.row, ticket: draft.ticket, salt: draft.salt },
        )?;
        let proof = String::from_utf8(proof.to_bytes()).expect("a tlog-proof is ASCII");
        Ok(SignedReceipt { receipt: draft.receipt, leaf: index, salt: base::hex(&salt), proof, again: false })
    }

    /// Commits to a receipt, and keeps it with its leaf: a run that is killed before it hands the receipt over is followed by
    /// one that hands over the same, and no second leaf is made.
    fn accept(&self, permit: &Permit, receipt: Receipt) -> Result<Box<Draft>, DepositError> {
        let content = receipt.content();
        let drafted = move |waiting: &WaitingLeaf| {
            Box::new(Draft { receipt: receipt.clone(), row: waiting.row, ticket: waiting.ticket, salt: waiting.salt })
        };
        let (tally, marks, draft) = (self.tally.clone(), self.marks(), drafted.clone());
        let extra: store::LeafExtra = Box::new(move |tx, waiting| {
            let tally = Tally { draft: Some(draft(waiting)), ..tally };
            Marks { progress: tally.write(), ..marks }.apply(tx)
        });
        let owner = Owner::institution(self.institution);
        let waiting = self.archive.store().accept_leaf(permit, EntryKind::Receipt, owner, &content, Some(extra))?;
        Ok(drafted(&waiting))
    }

    fn receipt(&self, started: Timestamp, size_after: u64) -> Result<Receipt, DepositError> {
        let store = self.archive.store();
        let info = &self.bag.info;
        let by_fault: BTreeMap<String, u64> = tables::fault_counts(store, self.id)?.into_iter().collect();
        let held = tables::held_back(store, &self.names, self.id, FAULTS_LISTED)?;
        let listed: Vec<ReceiptFault> = held.into_iter().map(|held| self.listed(held)).collect();
        let unlisted = by_fault.values().sum::<u64>() - listed.len() as u64;
        let counts = tables::document_counts(store, self.id)?;
        let resources = self.tally.taken();
        let new_resources = self.tally.new.as_ref().map(|new| new.values().sum::<u64>());
        let (closed_on, suspended) = match info.cessation {
            Cessation::Closed(day) => (Some(day), None),
            Cessation::Suspended { from, to } => (None, Some((from, to))),
        };
        Ok(Receipt {
            format: 2,
            number: self.id.to_string(),
            institution_code: self.institution.to_string(),
            institution_name: info.institution_name.clone(),
            depositor: info.depositor.clone(),
            closed_on,
            suspended,
            received: started,
            sealed: self.archive.clock().now(),
            manifest_sha256: base::hex(&self.bag.manifest_digest),
            synthetic: info.synthetic,
            declared: Declared {
                patients: info.declared_patients,
                resources: info.declared_resources,
                documents: info.declared_documents,
            },
            taken: Taken {
                patients: self.tally.patients,
                resources,
                new_resources,
                known_resources: new_resources.map(|new| resources - new),
                by_type: self.tally.resources.clone(),
                documents: counts.new + counts.already,
                new_documents: Some(counts.new),
                known_documents: Some(counts.already),
                warnings: self.tally.warnings,
            },
            held_back: HeldBack {
                resources: Some(counts.lines_held_back),
                documents: Some(counts.held_back),
                by_fault,
                listed,
                unlisted,
            },
            links: self.tally.links,
            absent: Some(self.absent.clone()),
            ledger: Ledger {
                log: store.verifier_key(store::Log::Records).name().to_owned(),
                size_before: self.tally.records_before,
                size_after,
            },
        })
    }

    fn listed(&self, held: HeldListed) -> ReceiptFault {
        let HeldListed { path, line, fault, reason, kept } = held;
        let digest = match masked(&path) {
            Cow::Borrowed(_) => None,
            Cow::Owned(_) => self.bag.find(&path).map(|file| match &file.digest {
                Digest::Sha256(bytes) => base::hex(&bytes[..8]),
                Digest::Sha512(bytes) => base::hex(&bytes[..8]),
            }),
        };
        let shown = |text: &str| masked(text).into_owned();
        ReceiptFault { file: shown(&path), digest, line, fault, reason: shown(&reason), kept }
    }
}

/// Creates a file that its owner alone may read, whatever the system's default is.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // One that was there already keeps the mode it had.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Writes the receipt below `receipts/`: JSON, and a text in each language.
fn write_files(folder: &Path, signed: &SignedReceipt) -> Result<(), DepositError> {
    let folder = folder.join("receipts");
    std::fs::create_dir_all(&folder).map_err(failed(&folder, "made"))?;
    let number = &signed.receipt.number;
    let files = [
        (format!("{number}.json"), signed.to_json()),
        (format!("{number}.ko.txt"), signed.receipt.korean()),
        (format!("{number}.en.txt"), signed.receipt.english()),
    ];
    for (name, text) in files {
        let (path, draft) = (folder.join(&name), folder.join(format!("{name}.part")));
        let write = || -> std::io::Result<()> {
            let mut file = private(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(failed(&path, "written"))?;
    }
    let synced = File::open(&folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed(&folder, "written"))
}
