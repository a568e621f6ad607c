//! What a log, a site or a person's document shows as proof: signed notes, checkpoints, keys and proof files. What is accepted is
//! written again byte for byte, so that there is one way to write each.

#![no_main]

use ledger::{Checkpoint, Note, NoteSignature, TlogProof, VerifierKey};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fuzz_target!(|bytes: &[u8]| {
    let keys = [VerifierKey::parse(KEY).expect("the key of the example in the specification")];
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_bytes(), bytes, "a note has one spelling");
        let _ = note.verify(&keys);
        if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
            assert_eq!(checkpoint.to_string(), note.text(), "a checkpoint has one spelling");
        }
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.to_bytes(), bytes, "a proof has one spelling");
        let _ = proof.verify(b"entry", &keys);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (Checkpoint::parse(text), NoteSignature::parse(text), VerifierKey::parse(text));
    }
});
