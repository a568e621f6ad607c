//! The receipt of a deposit: what was declared, taken and held back and why, where it stands in the ledger, and the proof.
//!
//! The receipt is itself a leaf of the log `records`: the leaf commits to its JSON under the salt that stands beside it, and the
//! proof leads from the leaf to a signed checkpoint. Whoever holds the file and the log's public key can check it offline
//! ([`SignedReceipt::verify`]). It names files, lines and rules, and nobody's data.

use super::bag_info::Cessation;
use super::fault::Fault;
use super::lock::failed;
use super::tally::{Links, Tally};
use super::{Deposit, DepositError};
use crate::tables::{self, Marks};
use base::Timestamp;
use jiff::civil::Date;
use ledger::{Checkpoint, EntryKind, TlogProof, VerifierKey};
use policy::{Action, Owner, Permit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use store::{LeafProof, WaitingLeaf};

/// Most faults that a receipt lists one by one; all are counted, and all are in the database.
const FAULTS_LISTED: usize = 1_000;
/// How long a deposit waits to be sealed before it gives up for now.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Form of this JSON: 1.
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
    /// The same by FHIR type.
    pub by_type: BTreeMap<String, u64>,
    /// Documents.
    pub documents: u64,
    /// Warnings of the validation; what they are about was taken.
    pub warnings: u64,
}

/// What was held back or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// How many, by the slug of their [`Fault`].
    pub by_fault: BTreeMap<String, u64>,
    /// The first of them.
    pub listed: Vec<ReceiptFault>,
    /// How many more there are than are listed.
    pub unlisted: u64,
}

/// One thing that was held back or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptFault {
    /// File of the bag.
    pub file: String,
    /// Line from 1; 0 for the whole file.
    pub line: u64,
    /// Slug of the [`Fault`].
    pub fault: String,
    /// Why, in English.
    pub reason: String,
    /// Whether its bytes are kept here, encrypted.
    pub kept: bool,
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
    /// The proof does not hold.
    #[error("the receipt is not what the log committed to: {0}")]
    Proof(#[from] ledger::Error),
}

impl SignedReceipt {
    /// Checks offline that a log with one of `keys` holds exactly this receipt.
    ///
    /// # Errors
    /// [`ReceiptError`], with the first thing that does not match.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Checkpoint, ReceiptError> {
        let salt = base::unhex(&self.salt).and_then(|salt| salt.try_into().ok()).ok_or(ReceiptError::Form("salt"))?;
        let entry = ledger::commit(&salt, EntryKind::Receipt, &self.receipt.content());
        let proof = TlogProof::parse(self.proof.as_bytes())?;
        if proof.index != self.leaf {
            return Err(ReceiptError::Form("leaf"));
        }
        Ok(proof.verify(&entry, keys)?)
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

    /// The receipt for people, in Korean.
    #[must_use]
    pub fn korean(&self) -> String {
        self.text(&KOREAN, |fault| fault.words().0)
    }

    /// The receipt for people, in English.
    #[must_use]
    pub fn english(&self) -> String {
        self.text(&ENGLISH, |fault| fault.words().1)
    }

    fn text(&self, words: &Words, fault_words: fn(Fault) -> &'static str) -> String {
        let mut out = String::new();
        let mut line = |label: &str, value: &str| {
            // Writing to a text cannot fail. Nothing that came in may pass for a line of the receipt or turn its direction.
            let _ = writeln!(out, "{label}: {}", value.replace(is_unprintable, "\u{fffd}"));
        };
        line(words.title, &self.number);
        if self.synthetic {
            line(words.note, words.synthetic);
        }
        line(words.institution, &format!("{} ({})", self.institution_name, self.institution_code));
        line(words.depositor, &self.depositor);
        if let Some(day) = self.closed_on {
            line(words.closed, &day.to_string());
        }
        if let Some((from, to)) = self.suspended {
            line(words.suspended, &format!("{from} – {}", to.map_or(String::new(), |day| day.to_string())));
        }
        line(words.received, &korean_time(self.received));
        line(words.sealed, &korean_time(self.sealed));
        let counts = [
            (words.patients, self.declared.patients, self.taken.patients),
            (words.resources, self.declared.resources, self.taken.resources),
            (words.documents, self.declared.documents, self.taken.documents),
        ];
        for (label, declared, taken) in counts {
            let declared_text = declared.map_or(words.undeclared.to_owned(), |count| count.to_string());
            let differs = if declared.is_some_and(|count| count != taken) { words.differs } else { "" };
            line(label, &format!("{} {declared_text}, {} {taken}{differs}", words.declared, words.taken));
        }
        for (kind, count) in &self.taken.by_type {
            line(&format!("  {kind}"), &count.to_string());
        }
        let links = &self.links;
        line(words.linked, &links.linked.to_string());
        let others = [
            (words.unknown, links.unknown),
            (words.no_number, links.without_number),
            (words.doubled, links.doubled),
            (words.unlinked, links.unlinked),
        ];
        for (label, count) in others {
            if count > 0 {
                line(label, &count.to_string());
            }
        }
        line(words.held_back, &self.held_back.by_fault.values().sum::<u64>().to_string());
        for (slug, count) in &self.held_back.by_fault {
            line(&format!("  {}", Fault::from_slug(slug).map_or(slug.as_str(), fault_words)), &count.to_string());
        }
        for fault in &self.held_back.listed {
            let place = if fault.line == 0 { fault.file.clone() } else { format!("{}:{}", fault.file, fault.line) };
            let kept = if fault.kept { words.kept } else { "" };
            line(&format!("  {place}"), &format!("{}{kept}", fault.reason));
        }
        if self.held_back.unlisted > 0 {
            line(words.unlisted, &self.held_back.unlisted.to_string());
        }
        let ledger = &self.ledger;
        line(words.ledger, &format!("{}, {} – {}", ledger.log, ledger.size_before, ledger.size_after));
        line(words.manifest, &self.manifest_sha256);
        out
    }
}

fn is_unprintable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn korean_time(time: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(9));
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S +09:00").to_string()
}

struct Words {
    title: &'static str,
    note: &'static str,
    synthetic: &'static str,
    institution: &'static str,
    depositor: &'static str,
    closed: &'static str,
    suspended: &'static str,
    received: &'static str,
    sealed: &'static str,
    patients: &'static str,
    resources: &'static str,
    documents: &'static str,
    declared: &'static str,
    undeclared: &'static str,
    taken: &'static str,
    differs: &'static str,
    linked: &'static str,
    unknown: &'static str,
    no_number: &'static str,
    doubled: &'static str,
    unlinked: &'static str,
    held_back: &'static str,
    kept: &'static str,
    unlisted: &'static str,
    ledger: &'static str,
    manifest: &'static str,
}

const KOREAN: Words = Words {
    title: "진료기록 인수증 번호",
    note: "참고",
    synthetic: "시험용으로 만든 가상의 기록입니다",
    institution: "의료기관",
    depositor: "인계자",
    closed: "폐업일",
    suspended: "휴업 기간",
    received: "접수 시각",
    sealed: "보관 완료 시각",
    patients: "환자",
    resources: "기록",
    documents: "문서",
    declared: "신고",
    undeclared: "없음",
    taken: "인수",
    differs: " (신고한 수와 다릅니다)",
    linked: "본인이 열람할 수 있는 환자",
    unknown: "본인확인기관에서 찾지 못한 환자",
    no_number: "주민등록번호가 없어 확인하지 못한 환자",
    doubled: "한 사람으로 확인되어 담당자의 확인이 필요한 환자",
    unlinked: "번호가 바로잡혀 이전 연결을 끊은 환자",
    held_back: "보류",
    kept: " (원본을 암호화하여 보관 중)",
    unlisted: "그 밖에 나열하지 않은 보류",
    ledger: "원장 위치",
    manifest: "목록 파일의 SHA-256",
};

const ENGLISH: Words = Words {
    title: "Receipt for records, number",
    note: "Note",
    synthetic: "these records are made up, for testing",
    institution: "Institution",
    depositor: "Handed over by",
    closed: "Closed on",
    suspended: "Suspended",
    received: "Received",
    sealed: "Sealed",
    patients: "Patients",
    resources: "Records",
    documents: "Documents",
    declared: "declared",
    undeclared: "nothing",
    taken: "taken",
    differs: " (not what was declared)",
    linked: "Patients who can see their records",
    unknown: "Patients unknown to the identity agency",
    no_number: "Patients without a national number",
    doubled: "Patients who are one person to the agency, for a human to decide",
    unlinked: "Patients whose earlier link was undone, because their number was corrected",
    held_back: "Held back",
    kept: " (the original is kept, encrypted)",
    unlisted: "Held back and not listed",
    ledger: "Place in the ledger",
    manifest: "SHA-256 of the manifest",
};

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
        tables::finish_deposit(store, self.id, self.institution, json, self.archive.clock().now())?;
        self.step(1);
        Ok(signed)
    }

    fn sealed_receipt(&self, permit: &Permit, started: Timestamp) -> Result<SignedReceipt, DepositError> {
        let store = self.archive.store();
        let marks = self.marks();
        let extra: store::Extra = Box::new(move |tx| marks.apply(tx));
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
        let listed: Vec<ReceiptFault> = tables::held_back(store, self.id, FAULTS_LISTED)?
            .into_iter()
            .map(|(file, line, fault, reason, kept)| ReceiptFault { file, line, fault, reason, kept })
            .collect();
        let unlisted = by_fault.values().sum::<u64>() - listed.len() as u64;
        let [documents, _, _] = tables::document_counts(store, self.id)?;
        let (closed_on, suspended) = match info.cessation {
            Cessation::Closed(day) => (Some(day), None),
            Cessation::Suspended { from, to } => (None, Some((from, to))),
        };
        Ok(Receipt {
            format: 1,
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
                resources: self.tally.taken(),
                by_type: self.tally.resources.clone(),
                documents,
                warnings: self.tally.warnings,
            },
            held_back: HeldBack { by_fault, listed, unlisted },
            links: self.tally.links,
            ledger: Ledger {
                log: store.verifier_key(store::Log::Records).name().to_owned(),
                size_before: self.tally.records_before,
                size_after,
            },
        })
    }
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
            let mut file = std::fs::File::create(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(failed(&path, "written"))?;
    }
    let synced = std::fs::File::open(&folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed(&folder, "written"))
}
