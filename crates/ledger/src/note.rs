//! Signed notes (C2SP `signed-note`): a text, an empty line, and a line for each signature.
//!
//! Nothing in a note may be believed before [`open`] has found a signature by a trusted key. Signatures by other keys, such
//! as the cosignatures of witnesses, are kept as they came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Error;
use crate::keys::{SignerKey, VerifierKey, is_key_name};

/// Largest note that is read, in bytes. Room for 64 signatures, a few of them post-quantum.
pub const NOTE_LEN_MAX: usize = 256 << 10;

/// Most signatures on a note that is read; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;

/// What a line of a signature begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// One signature on a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Short id of the key.
    pub id: u32,
    /// The signature proper. Its form depends on the type of the key: 64 bytes for Ed25519, 72 for `cosignature/v1`.
    pub signature: Vec<u8>,
}

/// A note whose signatures have not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A note with at least one signature by a trusted key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedNote {
    /// The text that was signed, final newline included.
    pub text: String,
    /// Signatures by trusted keys, all of which match.
    pub verified: Vec<NoteSignature>,
    /// Signatures by other keys, of which nothing is known.
    pub unverified: Vec<NoteSignature>,
}

/// Reads a note and checks every signature by one of `keys`.
///
/// # Errors
/// [`Error::Note`] where it is not a note, [`Error::Signature`] where a trusted key is named and its signature does not
/// match, [`Error::Untrusted`] where no trusted key has signed, [`Error::KeyAmbiguous`] where two keys share name and id.
pub fn open(note: &[u8], keys: &[VerifierKey]) -> Result<OpenedNote, Error> {
    Note::parse(note)?.verify(keys)
}

impl Note {
    /// A note over `text` without signatures.
    ///
    /// # Errors
    /// [`Error::Note`] where the text does not end in a newline, holds control characters or is too long.
    pub fn new(text: &str) -> Result<Self, Error> {
        check_text(text)?;
        if !text.ends_with('\n') {
            return Err(refuse("its text does not end in a newline"));
        }
        Ok(Self { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Reads a note without checking its signatures.
    ///
    /// # Errors
    /// [`Error::Note`], naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > NOTE_LEN_MAX {
            return Err(refuse("it is larger than 256 KiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        check_text(note)?;
        let blank = note.rfind("\n\n").ok_or(refuse("no empty line parts text and signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(refuse("it does not end in a newline"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(refuse("it has more than 64 signatures"));
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Signs the text with each of `signers`. A signature of the same key is replaced.
    ///
    /// # Errors
    /// [`Error::Note`] where the note would have too many signatures.
    pub fn sign(mut self, signers: &[&SignerKey]) -> Result<Self, Error> {
        for signer in signers {
            let signature = signer.sign(self.text.as_bytes());
            self.signatures.retain(|held| (held.id, &held.name) != (signature.id, &signature.name));
            self.add(signature)?;
        }
        Ok(self)
    }

    /// Adds a signature made elsewhere, such as a cosignature.
    ///
    /// # Errors
    /// [`Error::Note`] where it cannot stand in a note, or where the note has too many.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), Error> {
        check_text(&signature.name)?;
        if !is_key_name(&signature.name) || signature.signature.is_empty() {
            return Err(refuse("a signature has no valid name or is empty"));
        }
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(refuse("it has more than 64 signatures"));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks every signature by one of `keys`.
    ///
    /// # Errors
    /// As [`open`].
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<OpenedNote, Error> {
        let (mut verified, mut unverified) = (Vec::new(), Vec::new());
        for signature in &self.signatures {
            let mut named = keys.iter().filter(|key| key.id() == signature.id && key.name() == signature.name);
            let Some(key) = named.next() else {
                unverified.push(signature.clone());
                continue;
            };
            let (name, id) = (signature.name.clone(), signature.id);
            if named.any(|other| other != key) {
                return Err(Error::KeyAmbiguous { name, id });
            }
            // One that does not match condemns the note: it was made by something that does not hold the key.
            if !key.verifies(self.text.as_bytes(), &signature.signature) {
                return Err(Error::Signature { name, id });
            }
            if !verified.contains(signature) {
                verified.push(signature.clone());
            }
        }
        if verified.is_empty() {
            return Err(Error::Untrusted { found: self.signatures.len() });
        }
        Ok(OpenedNote { text: self.text.clone(), verified, unverified })
    }

    /// The note as bytes, as it is stored and served.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut note = format!("{}\n", self.text);
        for signature in &self.signatures {
            signature.write(&mut note);
        }
        note.into_bytes()
    }

    /// The text that is signed. Not to be believed before [`Note::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in their order, none of them checked.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl NoteSignature {
    /// Reads one line of a note, without its newline.
    ///
    /// # Errors
    /// [`Error::Note`], naming what is wrong.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let rest =
            line.strip_prefix(SIGNATURE_PREFIX).ok_or(refuse("a signature line does not begin with an em dash"))?;
        let (name, encoded) = rest.split_once(' ').ok_or(refuse("a signature line has no space after the name"))?;
        if !is_key_name(name) {
            return Err(refuse("a signature line has no valid key name"));
        }
        let bytes = STANDARD.decode(encoded).map_err(|_| refuse("a signature is not base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self { name: name.to_owned(), id: u32::from_be_bytes(*id), signature: signature.to_vec() })
            }
            _ => Err(refuse("a signature is shorter than five bytes")),
        }
    }

    pub(crate) fn write(&self, note: &mut String) {
        note.push_str(SIGNATURE_PREFIX);
        note.push_str(&self.name);
        note.push(' ');
        STANDARD.encode_string([&self.id.to_be_bytes()[..], &self.signature].concat(), note);
        note.push('\n');
    }
}

const fn refuse(reason: &'static str) -> Error {
    Error::Note { reason }
}

fn check_text(text: &str) -> Result<(), Error> {
    if text.len() > NOTE_LEN_MAX {
        return Err(refuse("it is larger than 256 KiB"));
    }
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(refuse("it holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str, seed: u8) -> SignerKey {
        SignerKey::from_seed(name, &[seed; 32]).expect("good name")
    }

    fn signed(text: &str, signers: &[&SignerKey]) -> Note {
        Note::new(text).and_then(|note| note.sign(signers)).expect("good text")
    }

    #[test]
    fn the_example_of_the_specification_parses_and_formats_alike() {
        // C2SP signed-note, example of a note.
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\u{e8}d \u{e8} subito sera.\n\n\
                    \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0\
                    xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let parsed = Note::parse(note.as_bytes()).expect("a note");
        assert_eq!(parsed.text().lines().count(), 4);
        assert_eq!(parsed.signatures()[0].signature.len(), 64);
        assert_eq!(parsed.to_bytes(), note.as_bytes());
    }

    #[test]
    fn trusted_signatures_are_checked_and_others_kept() {
        let (log, witness) = (key("log", 1), key("witness", 2));
        let mut note = signed("text\n\nwith an empty line\n", &[&log, &witness]);
        note.add(NoteSignature { name: "w.example".to_owned(), id: 7, signature: vec![4; 72] }).expect("room");
        let bytes = note.to_bytes();
        let opened = open(&bytes, &[log.verifier().clone()]).expect("signed by the log");
        assert_eq!(opened.text, "text\n\nwith an empty line\n");
        assert_eq!((opened.verified.len(), opened.unverified.len()), (1, 2));
        assert_eq!(opened.unverified[1].signature, [4; 72]);
        let both = open(&bytes, &[log.verifier().clone(), witness.verifier().clone()]).expect("signed by both");
        assert_eq!((both.verified.len(), both.unverified.len()), (2, 1));
        assert!(matches!(open(&bytes, &[]), Err(Error::Untrusted { found: 3 })));
        let stranger = key("log", 9);
        assert!(matches!(open(&bytes, &[stranger.verifier().clone()]), Err(Error::Untrusted { .. })));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let log = key("log", 1);
        let bytes = signed("text\n", &[&log]).to_bytes();
        let keys = [log.verifier().clone()];
        for position in 0..bytes.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[position] ^= flip;
                assert!(open(&changed, &keys).is_err(), "byte {position} ^ {flip}");
            }
        }
        let forged = String::from_utf8(bytes).expect("notes are UTF-8").replace("text", "test");
        let error = open(forged.as_bytes(), &keys).expect_err("forged").to_string();
        assert!(error.starts_with("signature by log+") && error.ends_with("does not match the text"), "{error}");
    }

    #[test]
    fn signing_again_replaces_and_repeating_does_not_count_twice() {
        let log = key("log", 1);
        let note = signed("text\n", &[&log, &log]).sign(&[&log]).expect("room");
        assert_eq!(note.signatures().len(), 1);
        let mut doubled = note.clone();
        doubled.add(note.signatures()[0].clone()).expect("room");
        assert_eq!(doubled.verify(&[log.verifier().clone()]).expect("valid").verified.len(), 1);
        let keys = [log.verifier().clone(), log.verifier().clone()];
        assert!(doubled.verify(&keys).is_ok(), "one key given twice is no ambiguity");
    }

    #[test]
    fn limits_hold() {
        let mut note = signed("text\n", &[]);
        for index in 0..SIGNATURES_MAX as u32 {
            note.add(NoteSignature { name: "w".to_owned(), id: index, signature: vec![0] }).expect("room");
        }
        assert!(Note::parse(&note.to_bytes()).is_ok());
        assert!(note.clone().sign(&[&key("log", 1)]).is_err());
        let mut other = signed("text\n", &[]);
        for name in ["", "a b", "a+b", "a\nb", "a\u{1}b"] {
            let added = other.add(NoteSignature { name: name.to_owned(), id: 1, signature: vec![0] });
            assert!(added.is_err(), "{name:?} would make a note that nobody can read");
        }
        let one_more = [note.to_bytes(), "\u{2014} w AAAAAAA=\n".as_bytes().to_vec()].concat();
        let error = Note::parse(&one_more).expect_err("too many").to_string();
        assert!(error.contains("64 signatures"), "{error}");
        let long = format!("{}\n", "a".repeat(NOTE_LEN_MAX));
        assert!(Note::new(&long).is_err() && Note::parse(long.as_bytes()).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_note_is_said() {
        let line = "\u{2014} log AAAAAAAA\n";
        for (note, said) in [
            ("text\n".to_owned(), "no empty line"),
            ("text\n\n".to_owned(), "newline"),
            (format!("text\n{line}"), "no empty line"),
            (format!("text\n\n{}", line.trim_end()), "newline"),
            (format!("text\r\n\n{line}"), "control"),
            ("text\n\n- log AAAAAAAA\n".to_owned(), "em dash"),
            ("text\n\n\u{2014} log\n".to_owned(), "no space"),
            ("text\n\n\u{2014}  AAAAAAAA\n".to_owned(), "key name"),
            ("text\n\n\u{2014} a+b AAAAAAAA\n".to_owned(), "key name"),
            ("text\n\n\u{2014} log AAAAAA==\n".to_owned(), "five bytes"),
            ("text\n\n\u{2014} log AAAAAAB=\n".to_owned(), "base64"),
            ("text\n\n\u{2014} log  AAAAAAAA\n".to_owned(), "base64"),
        ] {
            let error = Note::parse(note.as_bytes()).expect_err(&note).to_string();
            assert!(error.contains(said), "{note:?}: {error}");
        }
        assert!(Note::parse(b"\xff\n\n").is_err());
        assert!(Note::new("text").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_read_is_written_alike(
            bytes in prop_oneof![any::<Vec<u8>>(), "[a\n\u{2014} +=A/]{0,60}".prop_map(String::into_bytes)]
        ) {
            if let Ok(note) = Note::parse(&bytes) {
                prop_assert_eq!(note.to_bytes(), bytes);
            }
        }

        #[test]
        fn texts_go_both_ways(text in "[^\\x00-\\x1f]{0,40}(\n[^\\x00-\\x1f]{0,20}){0,4}\n", seeds in proptest::collection::vec(1u8..9, 1..4)) {
            let keys: Vec<SignerKey> = seeds.iter().map(|seed| key(&format!("k{seed}"), *seed)).collect();
            let note = signed(&text, &keys.iter().collect::<Vec<_>>());
            let verifiers: Vec<VerifierKey> = keys.iter().map(|key| key.verifier().clone()).collect();
            let opened = open(&note.to_bytes(), &verifiers).expect("own note");
            prop_assert_eq!(opened.text, text);
            prop_assert_eq!(opened.unverified, []);
        }
    }
}
