//! What a witness may cosign (C2SP `tlog-witness`): requests, the rules that judge them, and answers. No connection and no
//! file: whoever serves this keeps one [`WitnessHead`] for each log and makes it durable before the answer leaves.
//!
//! The rules are few, and one witness that keeps them is enough to find a log that shows different people different
//! histories: nothing smaller is cosigned after something larger, and nothing that does not continue it.

use std::fmt::Write as _;

use crate::Error;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{EMPTY_ROOT, Hash};
use crate::keys::VerifierKey;
use crate::merkle::verify_consistency;
use crate::note::{Note, NoteSignature};
use crate::proof::PROOF_HASHES_MAX;
use crate::tiles::decimal;

/// Largest request that is read, in bytes: 63 hashes, and a checkpoint with room for many signatures.
pub const REQUEST_LEN_MAX: usize = 64 << 10;
/// Largest answer that is read, in bytes.
pub const ANSWER_LEN_MAX: usize = 64 << 10;
/// Most signatures in an answer that are looked at.
pub const ANSWER_SIGNATURES_MAX: usize = 16;
/// Where requests go, below the prefix of a witness.
pub const ADD_CHECKPOINT: &str = "add-checkpoint";
/// Content type of an answer that tells the size a witness holds.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness is thought to hold.
    pub old: u64,
    /// Consistency proof from that size to the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Vec<u8>,
}

/// The newest head of one log that a witness has cosigned. The default is that of a log it has never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WitnessHead {
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not one.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// The checkpoint is of a log that is not listed.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// No listed key of the log has signed.
    #[error("no listed key of the log has signed the checkpoint")]
    Unsigned,
    /// The proof does not start where the witness stands, or the checkpoint has another root at the same size.
    #[error("this witness holds the log at {size} leaves")]
    Conflict {
        /// Size that the witness holds.
        size: u64,
    },
    /// The checkpoint does not continue what the witness holds.
    #[error("the checkpoint does not continue the log that this witness knows")]
    Inconsistent,
}

impl Refusal {
    /// The status code of HTTP that says so.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent => 422,
        }
    }

    /// The body of the answer: the size alone in a conflict, a sentence otherwise.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }
}

impl Default for WitnessHead {
    fn default() -> Self {
        Self { size: 0, root: EMPTY_ROOT }
    }
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Error::Witness`], naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > REQUEST_LEN_MAX {
            return Err(refuse("it is larger than 64 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        let (old, mut rest) = line(text)?;
        let old = old.strip_prefix("old ").and_then(decimal).ok_or(refuse("its first line is not old and a size"))?;
        let mut proof = Vec::new();
        loop {
            let (hash, after) = line(rest)?;
            rest = after;
            if hash.is_empty() {
                break;
            }
            if proof.len() == PROOF_HASHES_MAX {
                return Err(refuse("it has more than 63 hashes"));
            }
            proof.push(Hash::from_base64(hash).ok_or(refuse("a line of the proof is not base64 of 32 bytes"))?);
        }
        if rest.is_empty() {
            return Err(refuse("it has no checkpoint"));
        }
        Ok(Self { old, proof, note: rest.as_bytes().to_vec() })
    }

    /// The request as the body of a POST.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            writeln!(text, "{hash}").expect("writing to a string cannot fail");
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.note);
        bytes
    }

    /// The first half of judging a request, which needs no state: is the checkpoint one that a listed log has signed?
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::UnknownLog`], [`Refusal::Unsigned`].
    pub fn open(&self, logs: &[VerifierKey]) -> Result<SignedCheckpoint, Refusal> {
        let note = Note::parse(&self.note).map_err(|_| Refusal::Malformed("the checkpoint is not a signed note"))?;
        let stated = Checkpoint::parse(note.text());
        let stated = stated.map_err(|_| Refusal::Malformed("the note is not a checkpoint"))?;
        let keys: Vec<VerifierKey> = logs.iter().filter(|key| key.name() == stated.origin).cloned().collect();
        if keys.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        let signed = SignedCheckpoint::open(&self.note, &keys).map_err(|_| Refusal::Unsigned)?;
        if self.old > signed.checkpoint.size {
            return Err(Refusal::Malformed("the old size is larger than the checkpoint"));
        }
        Ok(signed)
    }

    /// The second half: does `checkpoint`, as [`AddCheckpoint::open`] gave it, continue what the witness holds of that log?
    /// The answer may be relied on as long as `held` has not changed; what it gives is the next head to hold.
    ///
    /// # Errors
    /// [`Refusal::Conflict`], [`Refusal::Inconsistent`].
    pub fn judge(&self, checkpoint: &Checkpoint, held: &WitnessHead) -> Result<WitnessHead, Refusal> {
        if self.old != held.size {
            return Err(Refusal::Conflict { size: held.size });
        }
        if checkpoint.size == held.size && checkpoint.root != held.root {
            return Err(Refusal::Conflict { size: held.size });
        }
        verify_consistency(held.size, &held.root, checkpoint.size, &checkpoint.root, &self.proof)
            .map_err(|_| Refusal::Inconsistent)?;
        Ok(WitnessHead { size: checkpoint.size, root: checkpoint.root })
    }
}

/// The body of an answer that cosigns.
#[must_use]
pub fn answer(signatures: &[NoteSignature]) -> Vec<u8> {
    let mut text = String::new();
    for signature in signatures {
        signature.write(&mut text);
    }
    text.into_bytes()
}

/// Reads the signatures of an answer. None of them is checked.
///
/// # Errors
/// [`Error::Witness`], or [`Error::Note`] for a line that is no signature.
pub fn parse_answer(bytes: &[u8]) -> Result<Vec<NoteSignature>, Error> {
    let refuse = |reason| Error::Witness { what: "answer", reason };
    if bytes.len() > ANSWER_LEN_MAX {
        return Err(refuse("it is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
    let lines = text.strip_suffix('\n').ok_or(refuse("it does not end in a newline"))?;
    lines.split('\n').take(ANSWER_SIGNATURES_MAX).map(NoteSignature::parse).collect()
}

/// Reads the size in an answer that tells of a conflict.
///
/// # Errors
/// [`Error::Witness`].
pub fn parse_size(bytes: &[u8]) -> Result<u64, Error> {
    let size = std::str::from_utf8(bytes).ok().and_then(|text| decimal(text.strip_suffix('\n')?));
    size.ok_or(Error::Witness { what: "answer", reason: "it is not a tree size and a newline" })
}

const fn refuse(reason: &'static str) -> Error {
    Error::Witness { what: "request", reason }
}

fn line(text: &str) -> Result<(&str, &str), Error> {
    text.split_once('\n').ok_or(refuse("it ends within a line"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commitment, EntryKind, LogAppender, MemoryTiles, SignerKey, commit, consistency_proof};
    use proptest::prelude::*;

    /// A log grown by these batches: its heads and its tiles.
    fn log(seed: u8, batches: &[u64]) -> (Vec<Checkpoint>, MemoryTiles) {
        let (mut log, mut tiles, mut heads) = (LogAppender::new(), MemoryTiles::new(), Vec::new());
        for count in batches {
            let from = log.size();
            let entries: Vec<Commitment> =
                (from..from + count).map(|i| commit(&[seed; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
            let batch = log.append(&entries);
            tiles.absorb(&batch);
            heads.push(Checkpoint::new("log.example", batch.size, batch.root));
        }
        (heads, tiles)
    }

    fn key() -> SignerKey {
        SignerKey::from_seed("log.example", &[1; 32]).expect("good name")
    }

    fn request(old: u64, to: &Checkpoint, tiles: &MemoryTiles) -> AddCheckpoint {
        let proof = consistency_proof(old, to.size, tiles).expect("all tiles are there");
        AddCheckpoint { old, proof, note: to.clone().sign(&key()).expect("own key").note }
    }

    fn held(head: &Checkpoint) -> WitnessHead {
        WitnessHead { size: head.size, root: head.root }
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written_alike() {
        let body = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
                    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
                    /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\nexample.com/behind-the-sofa\n20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa \
                    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let request = AddCheckpoint::parse(body.as_bytes()).expect("a request");
        assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
        assert_eq!(request.to_bytes(), body.as_bytes());
        assert_eq!(request.open(&[key().verifier().clone()]), Err(Refusal::UnknownLog));
    }

    #[test]
    fn a_log_that_grows_is_cosigned_from_the_first_head_on() {
        let (heads, tiles) = log(1, &[3, 0, 250, 600]);
        let logs = [key().verifier().clone()];
        let mut state = WitnessHead::default();
        for head in &heads {
            let request = request(state.size, head, &tiles);
            let opened = request.open(&logs).expect("signed by a listed log");
            state = request.judge(&opened.checkpoint, &state).expect("it continues");
            assert_eq!(state, held(head));
            // The same again is cosigned again: the log may have lost the answer.
            let again = AddCheckpoint { old: head.size, proof: Vec::new(), ..request };
            assert_eq!(again.judge(head, &state), Ok(state));
        }
    }

    #[test]
    fn each_refusal_has_its_status() {
        let (heads, tiles) = log(1, &[100, 100]);
        let (fork, fork_tiles) = log(2, &[100, 100]);
        let logs = [key().verifier().clone()];
        let state = held(&heads[0]);
        let judge = |request: &AddCheckpoint, head: &Checkpoint| request.judge(head, &state).expect_err("refused");
        // Behind, beside and ahead of what the witness holds.
        for old in [0, 99, 101] {
            assert_eq!(judge(&request(old, &heads[1], &tiles), &heads[1]), Refusal::Conflict { size: 100 });
        }
        let beside = request(100, &fork[0], &fork_tiles);
        assert_eq!(judge(&beside, &fork[0]), Refusal::Conflict { size: 100 });
        let other = request(100, &fork[1], &fork_tiles);
        assert_eq!(judge(&other, &fork[1]), Refusal::Inconsistent);
        let proofless = AddCheckpoint { proof: Vec::new(), ..request(100, &heads[1], &tiles) };
        assert_eq!(judge(&proofless, &heads[1]), Refusal::Inconsistent);
        let rollback = request(50, &Checkpoint::new("log.example", 50, EMPTY_ROOT), &tiles);
        assert_eq!(judge(&rollback, &heads[0]), Refusal::Conflict { size: 100 });
        let back = AddCheckpoint { old: 101, ..request(100, &heads[0], &tiles) };
        assert!(matches!(back.open(&logs), Err(Refusal::Malformed(_))));

        let stranger = SignerKey::from_seed("log.example", &[2; 32]).expect("good name");
        assert_eq!(request(0, &heads[0], &tiles).open(&[stranger.verifier().clone()]), Err(Refusal::Unsigned));
        assert_eq!(request(0, &heads[0], &tiles).open(&[]), Err(Refusal::UnknownLog));
        let unsigned = AddCheckpoint { note: b"no note".to_vec(), ..request(0, &heads[0], &tiles) };
        assert!(matches!(unsigned.open(&logs), Err(Refusal::Malformed(_))));
        let all = [
            Refusal::Malformed("x"),
            Refusal::Unsigned,
            Refusal::UnknownLog,
            Refusal::Conflict { size: 100 },
            Refusal::Inconsistent,
        ];
        assert_eq!(all.map(|refusal| refusal.status()), [400, 403, 404, 409, 422]);
        assert_eq!(parse_size(all[3].body().as_bytes()).expect("own body"), 100);
    }

    #[test]
    fn a_first_request_takes_no_proof_and_an_old_size_needs_one() {
        let (heads, tiles) = log(1, &[100]);
        let with_proof = AddCheckpoint { proof: vec![EMPTY_ROOT], ..request(0, &heads[0], &tiles) };
        assert_eq!(with_proof.judge(&heads[0], &WitnessHead::default()), Err(Refusal::Inconsistent));
        assert!(request(0, &heads[0], &tiles).judge(&heads[0], &WitnessHead::default()).is_ok());
    }

    #[test]
    fn what_is_wrong_with_requests_and_answers_is_said() {
        let hash = EMPTY_ROOT;
        for (text, said) in [
            (String::new(), "within a line"),
            ("old\n\nnote".to_owned(), "old and a size"),
            ("old 01\n\nnote".to_owned(), "old and a size"),
            ("old 1\nx\n\nnote".to_owned(), "base64"),
            ("old 1\n\n".to_owned(), "no checkpoint"),
            (format!("old 1\n{}\nnote", format!("{hash}\n").repeat(64)), "63 hashes"),
            (format!("old 1\n\n{}", "n".repeat(REQUEST_LEN_MAX)), "64 KiB"),
        ] {
            let error = AddCheckpoint::parse(text.as_bytes()).expect_err(said).to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
        for wrong in ["", "1", "01\n", "-1\n", "1\n\n", "x\n"] {
            assert!(parse_size(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        let signature = NoteSignature { name: "w".to_owned(), id: 7, signature: vec![1; 72] };
        let body = answer(&[signature.clone(), signature.clone()]);
        assert_eq!(parse_answer(&body).expect("own bytes"), [signature.clone(), signature.clone()]);
        let many = answer(&vec![signature; 40]);
        assert_eq!(parse_answer(&many).expect("own bytes").len(), ANSWER_SIGNATURES_MAX);
        assert!(parse_answer(b"").is_err() && parse_answer(b"x\n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                "old [0-9]{1,3}\n([A-Za-z0-9+/]{43}=\n){0,2}\n?[a-z\n]{0,9}".prop_map(String::into_bytes),
            ]
        ) {
            if let Ok(request) = AddCheckpoint::parse(&bytes) {
                prop_assert_eq!(&request.to_bytes(), &bytes);
                prop_assert!(request.open(&[]).is_err());
            }
            let _ = parse_answer(&bytes);
            let _ = parse_size(&bytes);
        }
    }
}
