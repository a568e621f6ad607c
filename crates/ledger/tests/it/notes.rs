//! Keys, notes and checkpoints against `signed_note` and `tlog_tiles`.

use ledger::note::open;
use ledger::{Checkpoint, Error, Hash, Note, SignedCheckpoint, SignerKey, VerifierKey, leaf_hash};
use proptest::prelude::*;
use signed_note::{Signer, StandardSigner, StandardVerifier, Verifier, VerifierList};

fn key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(name, &[seed; 32]).expect("good name")
}

fn their_verifiers(keys: &[&SignerKey]) -> VerifierList {
    let verifier = |key: &&SignerKey| -> Box<dyn Verifier> {
        Box::new(StandardVerifier::new(&key.verifier().encode()).expect("our key text is read by the oracle"))
    };
    VerifierList::new(keys.iter().map(verifier).collect())
}

#[test]
fn keys_have_the_ids_and_texts_of_the_oracle() {
    for (name, seed) in [("log.example/records", 1), ("기록.example", 2), ("x", 255)] {
        let ours = key(name, seed);
        let verifier = StandardVerifier::new(&ours.verifier().encode()).expect("read by the oracle");
        let signer = StandardSigner::new(&ours.encode()).expect("read by the oracle");
        assert_eq!((verifier.name(), verifier.key_id()), (name, ours.id()));
        assert_eq!((signer.name(), signer.key_id()), (name, ours.id()));
        let typed = [&[1][..], ours.verifier().public()].concat();
        assert_eq!(signed_note::key_id(name, &typed), ours.id());
    }
}

#[test]
fn our_notes_are_opened_by_the_oracle() {
    let (log, witness, stranger) = (key("log.example", 1), key("witness.example", 2), key("stranger.example", 3));
    let text = "line\n\n한마루\n";
    let note = Note::new(text).and_then(|note| note.sign(&[&log, &witness, &stranger])).expect("good text");
    let theirs = signed_note::Note::from_bytes(&note.to_bytes()).expect("a note");
    let (verified, unverified) = theirs.verify(&their_verifiers(&[&log, &witness])).expect("signed");
    assert_eq!(theirs.text(), text.as_bytes());
    assert_eq!((verified.len(), unverified.len()), (2, 1));
    assert_eq!(theirs.to_bytes(), note.to_bytes());
}

#[test]
fn notes_of_the_oracle_are_opened_by_us() {
    let (log, witness) = (key("log.example", 1), key("witness.example", 2));
    let text = "line\n\n한마루\n";
    let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).expect("good text");
    let signers = [&log, &witness].map(|key| StandardSigner::new(&key.encode()).expect("read by the oracle"));
    theirs.add_sigs(&[&signers[0], &signers[1]]).expect("signs");
    let opened = open(&theirs.to_bytes(), &[witness.verifier().clone()]).expect("signed");
    assert_eq!((opened.text.as_str(), opened.verified.len(), opened.unverified.len()), (text, 1, 1));
    // Ed25519 has one signature for a key and a text, so the notes are equal to the last byte.
    let ours = Note::new(text).and_then(|note| note.sign(&[&log, &witness])).expect("good text");
    assert_eq!(ours.to_bytes(), theirs.to_bytes());
}

#[test]
fn checkpoints_are_read_alike() {
    let log = key("log.example", 1);
    let root = leaf_hash(b"x");
    let mut ours = Checkpoint::new("log.example", 42, root);
    ours.extensions = vec!["one".to_owned(), "two".to_owned()];
    let theirs = tlog_tiles::Checkpoint::new("log.example", 42, tlog_tiles::Hash(root.0), "one\ntwo\n").expect("good");
    assert_eq!(ours.to_string().as_bytes(), theirs.to_bytes());
    assert_eq!(tlog_tiles::Checkpoint::from_bytes(ours.to_string().as_bytes()).expect("read by the oracle"), theirs);
    let signed = ours.clone().sign(&log).expect("own key");
    let note = signed_note::Note::from_bytes(&signed.note).expect("a note");
    note.verify(&their_verifiers(&[&log])).expect("signed");
    assert_eq!(tlog_tiles::Checkpoint::from_bytes(note.text()).expect("read by the oracle"), theirs);
    assert_eq!(SignedCheckpoint::open(&signed.note, &[log.verifier().clone()]).expect("signed").checkpoint, ours);
}

/// Notes that are nearly good: pieces of one in any order, so that both readers meet every branch.
fn nearly_a_note() -> impl Strategy<Value = Vec<u8>> {
    let signed = Note::new("text\n").and_then(|note| note.sign(&[&key("log.example", 1)])).expect("good text");
    let line = String::from_utf8(signed.to_bytes()).expect("notes are UTF-8").split_off("text\n\n".len());
    let piece = prop_oneof![
        4 => Just("text\n".to_owned()),
        4 => Just("\n".to_owned()),
        4 => Just(line),
        1 => Just("\u{2014} w AAAAAAA=\n".to_owned()),
        1 => Just("\u{2014} w AAAAAA==\n".to_owned()),
        1 => Just("\u{2014} ".to_owned()),
        1 => Just("\t".to_owned()),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_take_the_same_notes(bytes in nearly_a_note()) {
        let log = key("log.example", 1);
        let keys: [VerifierKey; 1] = [log.verifier().clone()];
        let theirs = signed_note::Note::from_bytes(&bytes);
        match Note::parse(&bytes) {
            Ok(ours) => {
                let theirs = theirs.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(ours.text().as_bytes(), theirs.text());
                let (ours, theirs) = (ours.verify(&keys), theirs.verify(&their_verifiers(&[&log])));
                prop_assert_eq!(ours.is_ok(), theirs.is_ok());
                if let (Ok(ours), Ok((verified, _))) = (ours, theirs) {
                    prop_assert_eq!(ours.verified.len(), verified.len());
                }
            }
            Err(Error::Note { .. }) => prop_assert!(theirs.is_err()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn both_take_the_same_checkpoints(
        text in "[a-z.]{0,3}\n(0|[0-9]{1,3})\n([A-Za-z0-9+/]{42}[AEI]=|[A-Za-z0-9+/=]{4})\n?([a-z]{0,2}\n){0,2}"
    ) {
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        match Checkpoint::parse(&text) {
            Ok(ours) => {
                let theirs = theirs.map_err(|error| TestCaseError::fail(format!("only we take {text:?}: {error}")))?;
                prop_assert_eq!((ours.size, ours.root), (theirs.size(), Hash(theirs.hash().0)));
                prop_assert_eq!(ours.origin, theirs.origin());
            }
            // Ours alone knows that an empty tree has one root only, and that no extension line is empty.
            Err(Error::Checkpoint { reason }) if reason.contains("empty tree") || reason.contains("extension") => {}
            Err(error) => prop_assert!(theirs.is_err(), "only the oracle takes {text:?}: {error}"),
        }
    }
}
