//! Proof files (C2SP `tlog-proof`): all that is needed to show, offline, that an entry is in a log.
//!
//! A proof trusts nothing it carries: the reader brings the entry and the pinned keys of the log. The extra data is not
//! covered by anything and must be checked by whoever uses it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Error;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash};
use crate::keys::VerifierKey;
use crate::merkle::{inclusion_proof, verify_inclusion};
use crate::note::{NOTE_LEN_MAX, Note};
use crate::tiles::{TileSource, decimal};
use crate::timestamp::{StampAuthority, TimeStamp};

/// First line of a proof.
pub const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// What the names of proof files end with.
pub const PROOF_EXTENSION: &str = "tlog-proof";

/// Most hashes in a proof: a tree of `2^63` leaves has no longer path.
pub const PROOF_HASHES_MAX: usize = 63;

/// Longest extra data, in bytes.
pub const PROOF_EXTRA_LEN_MAX: usize = 64 << 10;

/// Largest proof file that is read, in bytes.
pub const PROOF_LEN_MAX: usize = NOTE_LEN_MAX + 2 * PROOF_EXTRA_LEN_MAX;

/// What extra data that is a time-stamp begins with; the token (RFC 3161) follows.
const STAMP_MARK: &[u8] = b"hanmaru time-stamp 1\n";

/// A proof that an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data with a meaning of its own to the application; authenticated by nothing.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry in the log.
    pub index: u64,
    /// Inclusion proof from the sibling of the leaf up.
    pub hashes: Vec<Hash>,
    /// Signed checkpoint, as the log published it.
    pub checkpoint_note: Vec<u8>,
}

impl TlogProof {
    /// Makes the proof for the entry at `index` under a checkpoint, from the tiles of the log.
    ///
    /// # Errors
    /// Those of [`inclusion_proof`].
    pub fn make<S>(index: u64, signed: &SignedCheckpoint, source: &S) -> Result<Self, Error>
    where
        S: TileSource + ?Sized,
    {
        let hashes = inclusion_proof(index, signed.checkpoint.size, source)?;
        Ok(Self { extra: None, index, hashes, checkpoint_note: signed.note.clone() })
    }

    /// The proof with a time-stamp token over the text of its checkpoint, as its extra data.
    #[must_use]
    pub fn with_time_stamp(self, token: &[u8]) -> Self {
        Self { extra: Some([STAMP_MARK, token].concat()), ..self }
    }

    /// The time-stamp token that it carries, not verified.
    #[must_use]
    pub fn time_stamp(&self) -> Option<&[u8]> {
        self.extra.as_deref()?.strip_prefix(STAMP_MARK)
    }

    /// Verifies the time-stamp that it carries. It is over the checkpoint, which [`TlogProof::verify`] checks; together they say
    /// that the entry was in the log at that time.
    ///
    /// # Errors
    /// [`Error::TimeStamp`], also where it carries none.
    pub fn verify_time_stamp(&self, authority: &StampAuthority) -> Result<TimeStamp, Error> {
        let token = self.time_stamp().ok_or(Error::TimeStamp { reason: "the proof carries none" })?;
        authority.verify(token, Note::parse(&self.checkpoint_note)?.text().as_bytes())
    }

    /// Checks that a log with one of `keys` holds `entry` at the index of the proof, and gives the checkpoint that says so.
    ///
    /// # Errors
    /// Those of [`SignedCheckpoint::open`] and of [`verify_inclusion`]: the first that does not match.
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, Error> {
        let checkpoint = SignedCheckpoint::open(&self.checkpoint_note, keys)?.checkpoint;
        verify_inclusion(&leaf_hash(entry), self.index, checkpoint.size, &checkpoint.root, &self.hashes)?;
        Ok(checkpoint)
    }

    /// Reads a proof file. Its note is read by [`TlogProof::verify`] alone.
    ///
    /// # Errors
    /// [`Error::Proof`], naming the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > PROOF_LEN_MAX {
            return Err(refuse("it is larger than 384 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        let (header, mut rest) = line(text)?;
        if header != PROOF_HEADER {
            return Err(refuse("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let mut extra = None;
        if rest.starts_with("extra ") {
            let (first, after) = line(rest)?;
            extra = Some(decode_extra(&first["extra ".len()..])?);
            rest = after;
        }
        let (index, mut rest) = line(rest)?;
        let index = index.strip_prefix("index ").ok_or(refuse("it has no index line"))?;
        let index = decimal(index).ok_or(refuse("the index is not a number in plain digits"))?;
        let mut hashes = Vec::new();
        loop {
            let (hash, after) = line(rest)?;
            rest = after;
            if hash.is_empty() {
                break;
            }
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(refuse("it has more than 63 hashes"));
            }
            hashes.push(Hash::from_base64(hash).ok_or(refuse("a line of the proof is not base64 of 32 bytes"))?);
        }
        if rest.is_empty() {
            return Err(refuse("it has no checkpoint"));
        }
        Ok(Self { extra, index, hashes, checkpoint_note: rest.as_bytes().to_vec() })
    }

    /// The proof as the bytes of a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{PROOF_HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str("extra ");
            STANDARD.encode_string(extra, &mut text);
            text.push('\n');
        }
        writeln!(text, "index {}", self.index).expect("writing to a string cannot fail");
        for hash in &self.hashes {
            writeln!(text, "{hash}").expect("writing to a string cannot fail");
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint_note);
        bytes
    }
}

const fn refuse(reason: &'static str) -> Error {
    Error::Proof { reason }
}

fn line(text: &str) -> Result<(&str, &str), Error> {
    text.split_once('\n').ok_or(refuse("it ends within a line"))
}

fn decode_extra(encoded: &str) -> Result<Vec<u8>, Error> {
    if encoded.len() > PROOF_EXTRA_LEN_MAX.div_ceil(3) * 4 {
        return Err(refuse("its extra data are longer than 64 KiB"));
    }
    STANDARD.decode(encoded).map_err(|_| refuse("its extra data are not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commitment, EntryKind, LogAppender, MemoryTiles, SignerKey, commit};
    use proptest::prelude::*;

    fn entry(index: u64) -> Commitment {
        commit(&[1; 32], EntryKind::Issued, &index.to_be_bytes())
    }

    fn log(size: u64) -> (SignerKey, SignedCheckpoint, MemoryTiles) {
        let key = SignerKey::from_seed("log.example", &[1; 32]).expect("good name");
        let mut stored = MemoryTiles::new();
        let batch = LogAppender::new().append(&(0..size).map(entry).collect::<Vec<_>>());
        stored.absorb(&batch);
        let signed = Checkpoint::new("log.example", size, batch.root).sign(&key).expect("own key");
        (key, signed, stored)
    }

    #[test]
    fn a_proof_file_goes_both_ways_and_verifies() {
        let (key, signed, stored) = log(700);
        let keys = [key.verifier().clone()];
        for index in [0, 1, 255, 256, 511, 512, 698, 699] {
            for extra in [None, Some(Vec::new()), Some(b"salt".to_vec())] {
                let proof = TlogProof { extra, ..TlogProof::make(index, &signed, &stored).expect("tiles") };
                let bytes = proof.to_bytes();
                assert_eq!(TlogProof::parse(&bytes).expect("own bytes"), proof);
                assert_eq!(proof.verify(&entry(index), &keys).expect("own proof"), signed.checkpoint);
                assert!(matches!(proof.verify(&entry(index + 1), &keys), Err(Error::RootMismatch { .. })));
            }
        }
    }

    #[test]
    fn the_file_has_the_lines_of_the_specification() {
        let (_, signed, stored) = log(3);
        let proof = TlogProof { extra: Some(b"abc".to_vec()), ..TlogProof::make(2, &signed, &stored).expect("tiles") };
        let sibling = crate::node_hash(&leaf_hash(&entry(0)), &leaf_hash(&entry(1)));
        let note = String::from_utf8(signed.note).expect("notes are UTF-8");
        let expected = format!("c2sp.org/tlog-proof@v1\nextra YWJj\nindex 2\n{sibling}\n\n{note}");
        assert_eq!(String::from_utf8(proof.to_bytes()).expect("proofs are UTF-8"), expected);
    }

    #[test]
    fn a_changed_proof_says_what_does_not_match() {
        let (key, signed, stored) = log(10);
        let keys = [key.verifier().clone()];
        let proof = TlogProof::make(4, &signed, &stored).expect("tiles");
        let mut other = proof.clone();
        other.index = 5;
        assert!(matches!(other.verify(&entry(4), &keys), Err(Error::RootMismatch { .. })));
        other.index = 10;
        assert!(matches!(other.verify(&entry(4), &keys), Err(Error::IndexBeyondSize { index: 10, size: 10 })));
        let mut other = proof.clone();
        other.hashes.pop();
        assert!(matches!(other.verify(&entry(4), &keys), Err(Error::ProofLength { .. })));
        let mut other = proof.clone();
        other.checkpoint_note[12] ^= 1;
        assert!(matches!(other.verify(&entry(4), &keys), Err(Error::Signature { .. })));
        let stranger = SignerKey::from_seed("log.example", &[2; 32]).expect("good name");
        assert!(matches!(proof.verify(&entry(4), &[stranger.verifier().clone()]), Err(Error::Untrusted { .. })));
    }

    #[test]
    fn what_is_wrong_with_a_proof_is_said() {
        let hash = leaf_hash(b"x");
        let head = PROOF_HEADER;
        for (text, said) in [
            (String::new(), "within a line"),
            ("c2sp.org/tlog-proof@v2\n".to_owned(), "first line"),
            (format!("{head}\n{hash}\n\nnote"), "no index"),
            (format!("{head}\nextra ?\nindex 0\n\nnote"), "extra"),
            (format!("{head}\nindex 0\nextra \n\nnote"), "a line of the proof"),
            (format!("{head}\nindex 00\n\nnote"), "plain digits"),
            (format!("{head}\nindex -1\n\nnote"), "plain digits"),
            (format!("{head}\nindex 1\n{hash} \n\nnote"), "a line of the proof"),
            (format!("{head}\nindex 1\n{hash}\n"), "within a line"),
            (format!("{head}\nindex 1\n{hash}\n\n"), "no checkpoint"),
            (format!("{head}\nindex 1\n{}\nnote", format!("{hash}\n").repeat(64)), "63 hashes"),
            (format!("{head}\nextra {}\nindex 1\n\nnote", "AAAA".repeat(22_000)), "64 KiB"),
            ("a".repeat(PROOF_LEN_MAX + 1), "384 KiB"),
        ] {
            let error = TlogProof::parse(text.as_bytes()).expect_err(said).to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(TlogProof::parse(b"\xff").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                "c2sp.org/tlog-proof@v1\n(extra [A-Za-z=]{0,8}\n)?(index [0-9]{1,2}\n)?([A-Za-z0-9+/]{43}=\n){0,2}\n?[a-z\n]{0,9}"
                    .prop_map(String::into_bytes),
            ]
        ) {
            if let Ok(proof) = TlogProof::parse(&bytes) {
                prop_assert_eq!(proof.to_bytes(), bytes);
                prop_assert!(proof.verify(b"entry", &[]).is_err());
            }
        }
    }
}
