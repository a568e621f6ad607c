//! The shortest form of a proof: small enough for the square on a sheet of paper, and checked offline with pinned keys alone.
//!
//! Neither origin nor root stand in it: the key that signed names the log, and the root follows from the entry and its path. So a
//! proof in a tree of 2^30 leaves with three cosignatures has less than 1,400 bytes, and as text less than 2,100 characters, all
//! of which the alphanumeric mode of a QR code holds (base 45, RFC 9285).
//!
//! ```text
//! 01  kind 1  salt 32  content (length 1, bytes)  index 8  size 8  path (count 1, 32 each)
//! log (key id 4, signature 64)  witnesses (count 1; key id 4, time 8, signature 64 each)
//! ```

use base::wire::{Reader, Writer};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::commitment::{EntryKind, commit};
use crate::hash::{Hash, leaf_hash};
use crate::merkle::root_of_path;
use crate::note::{Note, NoteSignature};
use crate::proof::{PROOF_HASHES_MAX, TlogProof};
use crate::trust::{TrustPolicy, WitnessedCheckpoint};

/// What every text begins with.
pub const QR_PREFIX: &str = "HMP1:";
/// Longest text that is read, in characters: what the largest QR code holds.
pub const QR_TEXT_LEN_MAX: usize = 4_296;
/// Most bytes that an entry commits to in this form.
pub const QR_CONTENT_LEN_MAX: usize = 255;
/// Most cosignatures.
pub const QR_WITNESSES_MAX: usize = 16;

const VERSION: u8 = 1;
const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// A proof that an entry of known content is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrProof {
    /// What the entry commits to.
    pub kind: EntryKind,
    /// The salt of the entry.
    pub salt: [u8; 32],
    /// The content that the entry commits to.
    pub content: Vec<u8>,
    /// Index of the entry.
    pub index: u64,
    /// Leaves in the log.
    pub size: u64,
    /// Inclusion proof from the sibling of the leaf up.
    pub hashes: Vec<Hash>,
    /// Id of the log's key, and its signature.
    pub log: (u32, [u8; 64]),
    /// Ids of the witnesses' keys, and their cosignatures with their times.
    pub witnesses: Vec<(u32, [u8; 72])>,
}

impl QrProof {
    /// The proof in this form. Signatures by keys that `trust` does not know are left out.
    ///
    /// # Errors
    /// [`Error::QrProof`] where it does not fit, and those of [`TrustPolicy::inspect`].
    pub fn from_proof(
        proof: &TlogProof,
        kind: EntryKind,
        salt: [u8; 32],
        content: &[u8],
        trust: &TrustPolicy,
    ) -> Result<Self, Error> {
        let found = trust.inspect(&proof.checkpoint_note)?;
        let checkpoint = found.signed.checkpoint;
        if !checkpoint.extensions.is_empty() {
            return Err(refuse("the checkpoint has extension lines, for which there is no room"));
        }
        let by_log = found.log_signatures.iter().find(|signature| signature.name == checkpoint.origin);
        let log = by_log.and_then(|line| Some((line.id, line.signature.clone().try_into().ok()?)));
        let note = Note::parse(&proof.checkpoint_note)?;
        let witness = |line: &NoteSignature| {
            let known = trust.witnesses().iter().any(|witness| witness.key.is_named_by(line));
            if known { Some((line.id, line.signature.clone().try_into().ok()?)) } else { None }
        };
        let made = Self {
            kind,
            salt,
            content: content.to_vec(),
            index: proof.index,
            size: checkpoint.size,
            hashes: proof.hashes.clone(),
            log: log.ok_or(refuse("the log has not signed the checkpoint"))?,
            witnesses: note.signatures().iter().filter_map(witness).collect(),
        };
        if made.content.len() > QR_CONTENT_LEN_MAX || made.witnesses.len() > QR_WITNESSES_MAX {
            return Err(refuse("its content is too long, or it has too many cosignatures"));
        }
        Ok(made)
    }

    /// Checks the proof by a policy, and gives the checkpoint that its entry is under. A quorum is said and not demanded.
    ///
    /// # Errors
    /// [`Error::QrProof`] where a key is not known or the path does not fit, and those of [`TrustPolicy::inspect`].
    pub fn verify(&self, trust: &TrustPolicy) -> Result<WitnessedCheckpoint, Error> {
        let entry = commit(&self.salt, self.kind, &self.content);
        let root = root_of_path(&leaf_hash(&entry), self.index, self.size, &self.hashes);
        let root = root.ok_or(refuse("its path does not fit its place in the log"))?;
        // Two keys may share an id, so whichever leads to a valid signature is the one.
        let logs = trust.logs().iter().map(|log| &log.key).filter(|key| key.id() == self.log.0);
        let mut outcome = Err(refuse("it is signed by a log that is not known here"));
        for key in logs {
            let text = Checkpoint::new(key.name(), self.size, root).to_string();
            let mut note = Note::new(&text)?;
            let line =
                |name: &str, id, bytes: &[u8]| NoteSignature { name: name.to_owned(), id, signature: bytes.to_vec() };
            note.add(line(key.name(), self.log.0, &self.log.1))?;
            for (id, signature) in &self.witnesses {
                let witness = trust.witnesses().iter().find(|witness| witness.key.id() == *id);
                let witness = witness.ok_or(refuse("it is cosigned by a witness that is not known here"))?;
                note.add(line(witness.key.name(), *id, signature))?;
            }
            outcome = trust.inspect(&note.to_bytes());
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The proof as text for a QR code.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut writer = Writer::new();
        writer.u8(VERSION).u8(self.kind.code()).raw(&self.salt);
        writer.u8(self.content.len() as u8).raw(&self.content);
        writer.u64(self.index).u64(self.size).u8(self.hashes.len() as u8);
        for hash in &self.hashes {
            writer.raw(&hash.0);
        }
        writer.u32(self.log.0).raw(&self.log.1).u8(self.witnesses.len() as u8);
        for (id, signature) in &self.witnesses {
            writer.u32(*id).raw(signature);
        }
        format!("{QR_PREFIX}{}", encode45(&writer.finish()))
    }

    /// Reads what [`QrProof::to_text`] wrote. White space around it is passed over.
    ///
    /// # Errors
    /// [`Error::QrProof`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim_matches(['\n', '\r', '\t']);
        if text.len() > QR_TEXT_LEN_MAX {
            return Err(refuse("it is longer than a QR code holds"));
        }
        let encoded = text.strip_prefix(QR_PREFIX).ok_or(refuse("it does not begin with HMP1:"))?;
        let bytes = decode45(encoded).ok_or(refuse("it holds characters or groups that are not base 45"))?;
        let mut reader = Reader::new(&bytes);
        Self::read(&mut reader)
            .filter(|_| reader.left() == 0)
            .ok_or(refuse("it ends early, goes on, or is of another version"))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8().ok()? != VERSION {
            return None;
        }
        let kind = match reader.u8().ok()? {
            1 => EntryKind::Resource,
            2 => EntryKind::Object,
            3 => EntryKind::Access,
            4 => EntryKind::Issued,
            5 => EntryKind::Receipt,
            _ => return None,
        };
        let salt = reader.array().ok()?;
        let content = reader.u8().ok().and_then(|length| reader.raw(usize::from(length)).ok())?.to_vec();
        let (index, size) = (reader.u64().ok()?, reader.u64().ok()?);
        let count = usize::from(reader.u8().ok()?);
        if count > PROOF_HASHES_MAX {
            return None;
        }
        let hashes = (0..count).map(|_| reader.array().ok().map(Hash)).collect::<Option<Vec<_>>>()?;
        let log = (reader.u32().ok()?, reader.array().ok()?);
        let count = usize::from(reader.u8().ok()?);
        if count > QR_WITNESSES_MAX {
            return None;
        }
        let witness = |_| Some((reader.u32().ok()?, reader.array().ok()?));
        let witnesses = (0..count).map(witness).collect::<Option<Vec<_>>>()?;
        Some(Self { kind, salt, content, index, size, hashes, log, witnesses })
    }
}

fn encode45(bytes: &[u8]) -> String {
    let digit = |value: u32| char::from(ALPHABET[(value % 45) as usize]);
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for pair in bytes.chunks(2) {
        match *pair {
            [high, low] => {
                let value = u32::from(high) * 256 + u32::from(low);
                text.extend([digit(value), digit(value / 45), digit(value / 2_025)]);
            }
            [last] => text.extend([digit(u32::from(last)), digit(u32::from(last) / 45)]),
            _ => {}
        }
    }
    text
}

fn decode45(text: &str) -> Option<Vec<u8>> {
    let value = |byte: &u8| ALPHABET.iter().position(|digit| digit == byte);
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for group in text.as_bytes().chunks(3) {
        match group {
            [a, b, c] => {
                let found = u16::try_from(value(a)? + value(b)? * 45 + value(c)? * 2_025).ok()?;
                bytes.extend(found.to_be_bytes());
            }
            [a, b] => bytes.push(u8::try_from(value(a)? + value(b)? * 45).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

const fn refuse(reason: &'static str) -> Error {
    Error::QrProof { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CosignerKey, LogAppender, MemoryTiles, SignerKey};
    use proptest::prelude::*;

    fn keys() -> (SignerKey, Vec<CosignerKey>, TrustPolicy) {
        let log = SignerKey::from_seed("records.hanmaru.example/log/records", &[1; 32]).expect("good name");
        let witness = |seed: u8| {
            CosignerKey::from_seed(&format!("witness-{seed}.example.org/hanmaru"), &[seed; 32]).expect("good name")
        };
        let witnesses: Vec<CosignerKey> = (2..5).map(witness).collect();
        let mut text = format!("log {}\n", log.verifier().encode());
        for (place, witness) in witnesses.iter().enumerate() {
            text.push_str(&format!("witness W{place} {}\n", witness.witness().encode()));
        }
        text.push_str("group g 2 W0 W1 W2\nquorum g\n");
        let trust = TrustPolicy::parse(text.as_bytes()).expect("a policy");
        (log, witnesses, trust)
    }

    const CONTENT: &[u8] = &[7; 4 + 22 + 32];

    /// A log of `2^height` leaves with the entry somewhere in it; all other subtrees are made up.
    fn synthetic(height: u32) -> (QrProof, TrustPolicy) {
        let (log, witnesses, trust) = keys();
        let index = (1u64 << height) / 3;
        let hashes: Vec<Hash> = (0..height).map(|level| leaf_hash(&level.to_be_bytes())).collect();
        let leaf = leaf_hash(&commit(&[9; 32], EntryKind::Issued, CONTENT));
        let root = root_of_path(&leaf, index, 1 << height, &hashes).expect("a path of that place");
        let signed = Checkpoint::new(log.name(), 1 << height, root).sign(&log).expect("own key");
        let mut note = Note::parse(&signed.note).expect("a note");
        for witness in &witnesses {
            note.add(witness.cosign(note.text().as_bytes(), 1_790_000_000)).expect("room");
        }
        let proof = TlogProof { extra: None, index, hashes, checkpoint_note: note.to_bytes() };
        let entry = commit(&[9; 32], EntryKind::Issued, CONTENT);
        proof.verify(&entry, &[log.verifier().clone()]).expect("it is a proof like any other");
        (QrProof::from_proof(&proof, EntryKind::Issued, [9; 32], CONTENT, &trust).expect("it fits"), trust)
    }

    #[test]
    fn at_a_thousand_million_leaves_with_three_witnesses_it_has_at_most_2_100_characters() {
        let (proof, trust) = synthetic(30);
        assert_eq!((proof.size, proof.hashes.len(), proof.witnesses.len()), (1 << 30, 30, 3));
        let text = proof.to_text();
        println!("QR proof at 2^30 leaves with three witnesses: {} characters", text.len());
        assert!(text.len() <= 2_100, "{}", text.len());
        let read = QrProof::parse(&text).expect("own text");
        assert_eq!(read, proof);
        let found = read.verify(&trust).expect("a genuine proof");
        assert!(found.quorum);
        assert_eq!((found.cosignatures.len(), found.signed.checkpoint.size), (3, 1 << 30));
    }

    #[test]
    fn proofs_of_real_logs_go_through_this_form() {
        let (log, witnesses, trust) = keys();
        let (mut grown, mut tiles) = (LogAppender::new(), MemoryTiles::new());
        let entry = |index: u64| commit(&[9; 32], EntryKind::Issued, &index.to_be_bytes());
        let batch = grown.append(&(0..700).map(entry).collect::<Vec<_>>());
        tiles.absorb(&batch);
        let signed = Checkpoint::new(log.name(), batch.size, batch.root).sign(&log).expect("own key");
        let mut note = Note::parse(&signed.note).expect("a note");
        note.add(witnesses[1].cosign(note.text().as_bytes(), 1_790_000_000)).expect("room");
        let signed = crate::SignedCheckpoint { note: note.to_bytes(), ..signed };
        for index in [0, 1, 255, 256, 511, 512, 698, 699] {
            let proof = TlogProof::make(index, &signed, &tiles).expect("tiles");
            let content = index.to_be_bytes();
            let made = QrProof::from_proof(&proof, EntryKind::Issued, [9; 32], &content, &trust).expect("it fits");
            let found = QrProof::parse(&made.to_text()).and_then(|read| read.verify(&trust)).expect("genuine");
            assert_eq!((found.signed.checkpoint.root, found.quorum), (batch.root, false));
        }
    }

    #[test]
    fn every_changed_character_is_refused() {
        let (proof, trust) = synthetic(5);
        let text = proof.to_text();
        for position in 0..text.len() {
            for other in ['0', 'A', ':', 'a'] {
                let mut changed: Vec<char> = text.chars().collect();
                if std::mem::replace(&mut changed[position], other) == other {
                    continue;
                }
                let changed: String = changed.into_iter().collect();
                let checked = QrProof::parse(&changed).and_then(|read| read.verify(&trust));
                assert!(checked.is_err(), "{other} at {position}");
            }
            assert!(QrProof::parse(&text[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn strangers_are_told() {
        let (proof, trust) = synthetic(5);
        let stranger = SignerKey::from_seed("other.example", &[1; 32]).expect("good name");
        let other = TrustPolicy::without_witnesses(&[stranger.verifier().clone()]);
        assert!(proof.verify(&other).expect_err("another log").to_string().contains("a log that is not known here"));
        let logs: Vec<_> = trust.logs().iter().map(|log| log.key.clone()).collect();
        let unwitnessed = TrustPolicy::without_witnesses(&logs);
        assert!(
            proof
                .verify(&unwitnessed)
                .expect_err("other witnesses")
                .to_string()
                .contains("a witness that is not known")
        );
        let too_long = QrProof::from_proof(
            &TlogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint_note: b"x".to_vec() },
            EntryKind::Issued,
            [0; 32],
            &[0; 256],
            &trust,
        );
        assert!(too_long.is_err());
    }

    #[test]
    fn base_45_is_that_of_the_specification() {
        for (bytes, text) in
            [(&b"AB"[..], "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]
        {
            assert_eq!(encode45(bytes), text);
            assert_eq!(decode45(text).as_deref(), Some(bytes));
        }
        for wrong in ["GGW", "::", "A", "abc", "GGWGG"] {
            assert_eq!(decode45(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop_oneof![any::<String>(), "HMP1:[0-9A-Z $%*+./:-]{0,60}"]) {
            if let Ok(proof) = QrProof::parse(&text) {
                prop_assert_eq!(proof.to_text(), text.trim_matches(['\n', '\r', '\t']));
            }
        }

        #[test]
        fn bytes_go_both_ways(bytes: Vec<u8>) {
            prop_assert_eq!(decode45(&encode45(&bytes)), Some(bytes));
        }
    }
}
