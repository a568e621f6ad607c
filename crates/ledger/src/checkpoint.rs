//! Checkpoints (C2SP `tlog-checkpoint`): the head of a log, as the text of a signed note.
//!
//! A checkpoint counts only when the log itself has signed it: with a trusted key whose name is the origin. Other
//! signatures, such as those of witnesses, come beside it and never instead of it.

use std::fmt;

use crate::Error;
use crate::hash::{EMPTY_ROOT, Hash};
use crate::keys::{SignerKey, VerifierKey};
use crate::note::{Note, OpenedNote, open};
use crate::tiles::{check_size, decimal};

/// Longest checkpoint text that is read, in bytes.
pub const CHECKPOINT_LEN_MAX: usize = 16 << 10;

/// Origin, size and root of a log, and extension lines, which the specification advises against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a URL without scheme, such as `records.example/log`.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Further lines, none of them empty.
    pub extensions: Vec<String>,
}

/// A checkpoint with the note that carries it, at least one of whose signatures is by the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The signed note, byte for byte as it is stored and served.
    pub note: Vec<u8>,
}

impl Checkpoint {
    /// The head of a log without extension lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a checkpoint, final newline included. There is one spelling of each.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], naming the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > CHECKPOINT_LEN_MAX {
            return Err(refuse("it is larger than 16 KiB"));
        }
        let lines = text.strip_suffix('\n').ok_or(refuse("it does not end in a newline"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(refuse("it has fewer than three lines"));
        };
        let size = decimal(size).ok_or(refuse("the tree size is not a number in plain digits"))?;
        let root = Hash::from_base64(root).ok_or(refuse("the root is not base64 of 32 bytes"))?;
        let extensions = lines.map(str::to_owned).collect();
        let checkpoint = Self { origin: origin.to_owned(), size, root, extensions };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Signs the checkpoint with the key of the log.
    ///
    /// # Errors
    /// [`Error::SignerName`] where the key is not named like the origin, [`Error::Checkpoint`] where a line cannot be
    /// written.
    pub fn sign(self, signer: &SignerKey) -> Result<SignedCheckpoint, Error> {
        self.check()?;
        if signer.name() != self.origin {
            return Err(Error::SignerName { key: signer.name().to_owned(), origin: self.origin });
        }
        let note = Note::new(&self.to_string())?.sign(&[signer])?.to_bytes();
        Ok(SignedCheckpoint { checkpoint: self, note })
    }

    /// What must hold of every checkpoint, read or written.
    fn check(&self) -> Result<(), Error> {
        let breaks_line = |line: &String| line.is_empty() || line.contains(|c: char| c.is_ascii_control());
        if breaks_line(&self.origin) {
            return Err(refuse("the origin is empty or holds control characters"));
        }
        if self.extensions.iter().any(breaks_line) {
            return Err(refuse("an extension line is empty or holds control characters"));
        }
        if self.size == 0 && self.root != EMPTY_ROOT {
            return Err(refuse("the root of an empty tree must be the hash of nothing"));
        }
        check_size(self.size)
    }
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint and checks that the log has signed it with one of `keys`.
    ///
    /// # Errors
    /// Those of [`open`], [`Error::Checkpoint`] where the text is not a checkpoint, [`Error::OriginUnsigned`] where only
    /// keys of other names have signed.
    pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<Self, Error> {
        Ok(Self::open_with_signatures(note, keys)?.0)
    }

    /// As [`SignedCheckpoint::open`], with the signatures found: those of witnesses among them.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::open`].
    pub fn open_with_signatures(note: &[u8], keys: &[VerifierKey]) -> Result<(Self, OpenedNote), Error> {
        let opened = open(note, keys)?;
        let checkpoint = Checkpoint::parse(&opened.text)?;
        if !opened.verified.iter().any(|signature| signature.name == checkpoint.origin) {
            return Err(Error::OriginUnsigned { origin: checkpoint.origin });
        }
        Ok((Self { checkpoint, note: note.to_vec() }, opened))
    }

    /// The same with one signature by the log and no other: enough to convict it, and nobody else can make it longer or spell it
    /// in many ways.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::open`].
    pub fn bare(&self, keys: &[VerifierKey]) -> Result<Self, Error> {
        let origin = &self.checkpoint.origin;
        let keys: Vec<VerifierKey> = keys.iter().filter(|key| key.name() == origin).cloned().collect();
        let opened = open(&self.note, &keys)?;
        let by_log = opened.verified.into_iter().next().ok_or(Error::OriginUnsigned { origin: origin.clone() })?;
        let mut note = Note::new(&opened.text)?;
        note.add(by_log)?;
        Ok(Self { checkpoint: self.checkpoint.clone(), note: note.to_bytes() })
    }
}

impl fmt::Display for Checkpoint {
    /// The text of the checkpoint, final newline included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

const fn refuse(reason: &'static str) -> Error {
    Error::Checkpoint { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf_hash;
    use proptest::prelude::*;

    fn key(name: &str, seed: u8) -> SignerKey {
        SignerKey::from_seed(name, &[seed; 32]).expect("good name")
    }

    #[test]
    fn the_example_of_the_specification_goes_both_ways() {
        // C2SP tlog-checkpoint, example of a checkpoint.
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn what_is_wrong_with_a_checkpoint_is_said() {
        let root = leaf_hash(b"x").to_base64();
        for (text, said) in [
            (String::new(), "newline"),
            ("o\n1\n".to_owned(), "three lines"),
            (format!("o\n1\n{root}"), "newline"),
            (format!("\n1\n{root}\n"), "origin"),
            (format!("o\n01\n{root}\n"), "tree size"),
            (format!("o\n+1\n{root}\n"), "tree size"),
            (format!("o\n\n{root}\n"), "tree size"),
            (format!("o\n18446744073709551616\n{root}\n"), "tree size"),
            (format!("o\n18446744073709551615\n{root}\n"), "beyond the limit"),
            (format!("o\n1\n{}\n", &root[1..]), "root"),
            (format!("o\n0\n{root}\n"), "empty tree"),
            (format!("o\n1\n{root}\n\n"), "extension"),
            (format!("o\n1\n{root}\ne\n\nf\n"), "extension"),
            (format!("o\r\n1\n{root}\n"), "origin"),
            (format!("o\n1\n{root}\n{}\n", "e".repeat(CHECKPOINT_LEN_MAX)), "16 KiB"),
        ] {
            let error = Checkpoint::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        let zero = format!("o\n0\n{EMPTY_ROOT}\nextension\n");
        assert_eq!(Checkpoint::parse(&zero).expect("an empty log").extensions, ["extension"]);
    }

    #[test]
    fn only_the_log_itself_can_sign_its_checkpoint() {
        let (log, other) = (key("log", 1), key("other", 2));
        let checkpoint = Checkpoint::new("log", 1, leaf_hash(b"x"));
        assert!(matches!(checkpoint.clone().sign(&other), Err(Error::SignerName { .. })));
        let signed = checkpoint.clone().sign(&log).expect("own key");
        let keys = [log.verifier().clone(), other.verifier().clone()];
        assert_eq!(SignedCheckpoint::open(&signed.note, &keys).expect("signed"), signed);

        let by_other = Note::new(&checkpoint.to_string()).and_then(|note| note.sign(&[&other])).expect("good text");
        let opened = SignedCheckpoint::open(&by_other.to_bytes(), &keys);
        assert!(matches!(opened, Err(Error::OriginUnsigned { origin }) if origin == "log"));

        let by_both = Note::parse(&signed.note).and_then(|note| note.sign(&[&other])).expect("room").to_bytes();
        let (_, opened) = SignedCheckpoint::open_with_signatures(&by_both, &keys[..1]).expect("signed by the log");
        assert_eq!(opened.unverified.len(), 1);
        let with_both = SignedCheckpoint::open(&by_both, &keys).expect("signed by the log");
        assert_eq!(with_both.bare(&keys).expect("signed by the log"), signed);
        assert!(matches!(with_both.bare(&keys[1..]), Err(Error::Untrusted { .. })));
        let not_one = Note::new("only a text\n").and_then(|note| note.sign(&[&log])).expect("good text");
        assert!(matches!(SignedCheckpoint::open(&not_one.to_bytes(), &keys), Err(Error::Checkpoint { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_written_alike(
            text in prop_oneof![any::<String>(), "[a-z]{0,3}\n[0-9]{0,3}\n[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\n([a-z]{0,2}\n){0,2}"]
        ) {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
