//! Verifying an issued PDF, offline, against pinned keys of the log. It answers one question: is this file, byte for byte,
//! one that was issued and logged? It does not say who may read it or whether what stands in it is true.
//!
//! Architecture invariant: pure. No network, no clock, no database; the bytes of a file and public keys are all it needs.

use crate::issue::DocumentNumber;
use crate::issue::stamp::{ProofText, REGION_HEAD, REGION_LEN, content_hash, leaf_content, rfind};
use base::wire::Reader;
use ledger::proof::{PROOF_HEADER, PROOF_LEN_MAX};
use ledger::qr::QR_PREFIX;
use ledger::{
    Commitment, Cosignature, EntryKind, Note, QrProof, StampAuthority, TimeStamp, TlogProof, TrustPolicy, VerifierKey,
    commit, leaf_hash, verify_inclusion,
};

/// A file that was issued and has not changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Number of the document.
    pub number: DocumentNumber,
    /// Hash of the file without its proof.
    pub content: [u8; 32],
    /// Origin of the log.
    pub origin: String,
    /// The document's leaf.
    pub entry: Commitment,
    /// Place of the document's leaf in the log.
    pub index: u64,
    /// Leaves in the log under the checkpoint.
    pub size: u64,
    /// Keys that signed the checkpoint, all of them pinned.
    pub signed_by: Vec<String>,
    /// Known witnesses that cosigned the checkpoint.
    pub cosigned_by: Vec<Cosignature>,
    /// Whether these are the quorum that the policy asks for; always so where it asks for none.
    pub quorum: bool,
}

/// What does not match. One fault is named, the first that makes the file untrustworthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFault {
    /// No PDF at all.
    #[error("the file is not a PDF")]
    NotPdf,
    /// A whole PDF that carries no proof.
    #[error("the file carries no proof: it was not issued here, or another program has saved it anew")]
    NotIssued,
    /// The file ends early.
    #[error("the file is cut short: {}", gap(*.missing))]
    CutShort {
        /// Bytes that are missing, where that is known.
        missing: Option<u64>,
    },
    /// Something stands behind the end of the issued file.
    #[error("{extra} bytes were added to the file after it was issued")]
    Added {
        /// How many.
        extra: u64,
    },
    /// The length fits, and bytes outside the proof are others.
    #[error("bytes of the document were changed after it was issued")]
    Changed,
    /// A region that was never filled.
    #[error("the place for the proof is empty: issuing was not completed")]
    NeverSealed,
    /// The proof itself is not as it is issued.
    #[error("the proof in the file was altered: {reason}")]
    ProofAltered {
        /// What is wrong with it.
        reason: String,
    },
    /// The log does not hold this document under the checkpoint in the proof.
    #[error("the log does not hold this document: its number, its content hash, its salt or its place was altered")]
    NotLogged,
    /// The signature of the log does not fit.
    #[error("the signature on the checkpoint does not match: the checkpoint in the proof was altered")]
    Signature,
    /// Signed by a key that is not pinned.
    #[error("the checkpoint is signed by {name}, which is not a pinned key of this archive")]
    UnknownKey {
        /// Name of the key.
        name: String,
    },
}

fn gap(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "its end is missing".to_owned(), |bytes| format!("{bytes} bytes are missing"))
}

/// Verifies a file against the pinned keys of the log, where it has no witnesses.
///
/// # Errors
/// [`VerifyFault`]: exactly what does not match.
pub fn verify(bytes: &[u8], pinned: &[VerifierKey]) -> Result<Verified, VerifyFault> {
    verify_by(bytes, &TrustPolicy::without_witnesses(pinned))
}

/// Verifies a file against a policy of pinned logs and witnesses. A quorum is said and not demanded: a document may have been
/// issued while the witnesses were away.
///
/// # Errors
/// [`VerifyFault`]: exactly what does not match.
pub fn verify_by(bytes: &[u8], trust: &TrustPolicy) -> Result<Verified, VerifyFault> {
    let region = region_of(bytes)?;
    let filling = &bytes[region.clone()];
    if filling.iter().all(|byte| *byte == b' ') {
        return Err(VerifyFault::NeverSealed);
    }
    let proof = ProofText::parse(filling).map_err(|reason| VerifyFault::ProofAltered { reason: reason.to_owned() })?;
    let opened = open_checkpoint(&proof, trust)?;
    let size = &opened.head;
    // From here on the log's own words are known to be genuine; what they say is compared with the file.
    let hash = content_hash(bytes, &region);
    let computed = size.holds(&proof, &hash);
    if !computed && size.holds(&proof, &proof.content) {
        return Err(difference(&proof, bytes.len() as u64));
    }
    if !computed {
        return Err(VerifyFault::NotLogged);
    }
    if proof.content != hash || proof.bytes != bytes.len() as u64 {
        return Err(VerifyFault::ProofAltered {
            reason: "its length or content hash is another than the file's".to_owned(),
        });
    }
    Ok(Verified {
        entry: commit(&proof.salt, EntryKind::Issued, &leaf_content(&proof.number, &hash)),
        number: proof.number,
        content: hash,
        origin: opened.origin,
        index: proof.proof.index,
        size: size.size,
        signed_by: opened.signed_by,
        cosigned_by: opened.cosigned_by,
        quorum: opened.quorum,
    })
}

/// The proof of a verified file in the short form that a QR code holds.
///
/// # Errors
/// [`VerifyFault`], of the file or where its proof does not fit that form.
pub fn qr_text(bytes: &[u8], trust: &TrustPolicy) -> Result<String, VerifyFault> {
    verify_by(bytes, trust)?;
    let altered = |reason: String| VerifyFault::ProofAltered { reason };
    let proof = ProofText::parse(&bytes[region_of(bytes)?]).map_err(|reason| altered(reason.to_owned()))?;
    let content = leaf_content(&proof.number, &proof.content);
    let made = QrProof::from_proof(&proof.proof, EntryKind::Issued, proof.salt, &content, trust);
    Ok(made.map_err(|error| altered(error.to_string()))?.to_text())
}

/// Verifies the text of a QR code: that a document of this number and content hash was logged. Which file that is, the text alone
/// cannot say.
///
/// # Errors
/// [`VerifyFault::ProofAltered`], [`VerifyFault::Signature`].
pub fn verify_qr(text: &str, trust: &TrustPolicy) -> Result<Verified, VerifyFault> {
    let altered = |reason: &str| VerifyFault::ProofAltered { reason: reason.to_owned() };
    let proof = QrProof::parse(text).map_err(|error| altered(&error.to_string()))?;
    let found = match proof.verify(trust) {
        Ok(found) => found,
        Err(ledger::Error::Signature { .. }) => return Err(VerifyFault::Signature),
        Err(other) => return Err(altered(&other.to_string())),
    };
    let mut reader = Reader::new(&proof.content);
    let number = reader.text().ok().and_then(|number| number.parse::<DocumentNumber>().ok());
    let (Some(number), Ok(content), EntryKind::Issued) = (number, reader.array(), proof.kind) else {
        return Err(altered("it is about something else than an issued document"));
    };
    let checkpoint = found.signed.checkpoint;
    Ok(Verified {
        entry: commit(&proof.salt, proof.kind, &proof.content),
        number,
        content,
        origin: checkpoint.origin,
        index: proof.index,
        size: checkpoint.size,
        signed_by: found.log_signatures.into_iter().map(|signature| signature.name).collect(),
        cosigned_by: found.cosignatures,
        quorum: found.quorum,
    })
}

/// What stands in a file or a text that somebody wants to be checked. Each kind is told by its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed<'a> {
    /// The text of a QR code: for [`verify_qr`].
    Qr(String),
    /// A proof file: for [`verify_proof_file`], beside a document or the text of a QR code.
    ProofFile(Vec<u8>),
    /// Whatever else: for [`verify_by`].
    Document(&'a [u8]),
}

impl<'a> Handed<'a> {
    /// What these bytes are. Forms and mails break lines anew: what a text of a QR code never has is taken out, and the lines of a
    /// proof file end as they were written.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        let begun = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
        let text = std::str::from_utf8(&begun[..begun.len().min(PROOF_LEN_MAX + 1)]);
        match text.ok().filter(|text| text.len() <= PROOF_LEN_MAX) {
            // A digit of base 45 may be a space, also the last one.
            Some(text) if text.starts_with(QR_PREFIX) => Self::Qr(text.replace(['\r', '\n'], "")),
            Some(text) if text.starts_with(PROOF_HEADER) => {
                Self::ProofFile(format!("{}\n", text.replace("\r\n", "\n").trim_end()).into_bytes())
            }
            _ => Self::Document(bytes),
        }
    }
}

/// What a proof file says of a document.
#[derive(Debug)]
pub struct FileProof {
    /// Leaves in the log under its checkpoint.
    pub size: u64,
    /// The time-stamp in it, or why that is none of the pinned authorities'; `None` where it carries none.
    pub stamp: Option<Result<TimeStamp, ledger::Error>>,
}

/// Verifies a proof file (C2SP `tlog-proof`), which does not say what it is about, against a document that was verified.
///
/// # Errors
/// [`VerifyFault::ProofAltered`], also where it is about another document; [`VerifyFault::Signature`].
pub fn verify_proof_file(
    document: &Verified,
    file: &[u8],
    trust: &TrustPolicy,
    authorities: &[StampAuthority],
) -> Result<FileProof, VerifyFault> {
    let altered = |reason: String| VerifyFault::ProofAltered { reason };
    let proof = TlogProof::parse(file).map_err(|error| altered(error.to_string()))?;
    let keys: Vec<VerifierKey> = trust.logs().iter().map(|log| log.key.clone()).collect();
    let head = match proof.verify(&document.entry, &keys) {
        Ok(head) => head,
        Err(ledger::Error::Signature { .. }) => return Err(VerifyFault::Signature),
        Err(error) => return Err(altered(error.to_string())),
    };
    if (head.origin.as_str(), proof.index) != (document.origin.as_str(), document.index) {
        return Err(altered("it is about another place in the log".to_owned()));
    }
    let stamp = proof.time_stamp().map(|_| {
        let mut found = Err(ledger::Error::TimeStamp { reason: "no authority is pinned here" });
        for authority in authorities {
            found = proof.verify_time_stamp(authority);
            if found.is_ok() {
                break;
            }
        }
        found
    });
    Ok(FileProof { size: head.size, stamp })
}

/// Where the region lies: behind the last head of one.
fn region_of(bytes: &[u8]) -> Result<std::ops::Range<usize>, VerifyFault> {
    if !bytes.starts_with(b"%PDF-") {
        return Err(VerifyFault::NotPdf);
    }
    let Some(head) = rfind(bytes, REGION_HEAD.as_bytes()) else {
        let whole = bytes.trim_ascii_end().ends_with(b"%%EOF");
        return Err(if whole { VerifyFault::NotIssued } else { VerifyFault::CutShort { missing: None } });
    };
    let start = head + REGION_HEAD.len();
    let end = start + REGION_LEN;
    if end > bytes.len() {
        return Err(VerifyFault::CutShort { missing: None });
    }
    Ok(start..end)
}

/// The file differs from the one that was logged: by its length, or by its bytes alone.
fn difference(proof: &ProofText, found: u64) -> VerifyFault {
    match proof.bytes {
        expected if expected > found => VerifyFault::CutShort { missing: Some(expected - found) },
        expected if expected < found => VerifyFault::Added { extra: found - expected },
        _ => VerifyFault::Changed,
    }
}

/// The head of the log under which a proof stands.
struct Head {
    size: u64,
    root: ledger::Hash,
}

impl Head {
    /// Whether the log holds the leaf of the proof's document with this content.
    fn holds(&self, proof: &ProofText, content: &[u8; 32]) -> bool {
        let entry = commit(&proof.salt, EntryKind::Issued, &leaf_content(&proof.number, content));
        let log_proof = &proof.proof;
        verify_inclusion(&leaf_hash(&entry), log_proof.index, self.size, &self.root, &log_proof.hashes).is_ok()
    }
}

/// What a checkpoint in a proof says, and who says it.
struct OpenedCheckpoint {
    head: Head,
    origin: String,
    signed_by: Vec<String>,
    cosigned_by: Vec<Cosignature>,
    quorum: bool,
}

/// Longest name of an unknown key that is told, in characters: that of the longest key that could be pinned.
const KEY_NAME_CHARS: usize = 255;

/// Whoever wrote the file chose the name.
fn unknown_key(name: &str) -> VerifyFault {
    VerifyFault::UnknownKey { name: name.chars().take(KEY_NAME_CHARS).collect() }
}

/// Opens the checkpoint. Every signature on it must be by a pinned key: what nobody can check could be changed unnoticed.
fn open_checkpoint(proof: &ProofText, trust: &TrustPolicy) -> Result<OpenedCheckpoint, VerifyFault> {
    let altered = |error: ledger::Error| VerifyFault::ProofAltered { reason: error.to_string() };
    let bytes = &proof.proof.checkpoint_note;
    let note = Note::parse(bytes).map_err(altered)?;
    let found = match trust.inspect(bytes) {
        Ok(found) => found,
        Err(ledger::Error::Signature { .. }) => return Err(VerifyFault::Signature),
        Err(ledger::Error::Untrusted { .. }) => {
            let name = note.signatures().first().map_or("", |signature| &signature.name);
            return Err(unknown_key(name));
        }
        Err(other) => return Err(altered(other)),
    };
    if let Some(unknown) = found.unknown.first() {
        return Err(unknown_key(&unknown.name));
    }
    let known = found.log_signatures.len() + found.cosignatures.len();
    if known != note.signatures().len() || note.to_bytes() != *bytes {
        return Err(VerifyFault::ProofAltered { reason: "its checkpoint is not spelt as it is issued".to_owned() });
    }
    let checkpoint = found.signed.checkpoint;
    Ok(OpenedCheckpoint {
        head: Head { size: checkpoint.size, root: checkpoint.root },
        origin: checkpoint.origin,
        signed_by: found.log_signatures.into_iter().map(|signature| signature.name).collect(),
        cosigned_by: found.cosignatures,
        quorum: found.quorum,
    })
}

#[cfg(test)]
mod tests;
