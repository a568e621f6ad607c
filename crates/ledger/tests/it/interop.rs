//! Go's `golang.org/x/mod/sumdb` reads what we write: notes, tiles, proofs and cosignatures.

use std::path::Path;

use crate::go::Go;
use ledger::tiles::CHECKPOINT_PATH;
use ledger::{Commitment, CosignerKey, EntryKind, LogAppender, MemoryTiles, Note, SignerKey, TlogProof, commit};

const ORIGIN: &str = "log.example/records";

fn entry(index: u64) -> Commitment {
    commit(&[7; 32], EntryKind::Resource, &index.to_be_bytes())
}

/// A log in a folder, grown in two steps, cosigned by a witness; its tiles, and the files of its first checkpoint and a proof.
fn written(folder: &Path, first: u64, second: u64) -> (SignerKey, CosignerKey) {
    let key = SignerKey::from_seed(ORIGIN, &[1; 32]).expect("good name");
    let witness = CosignerKey::from_seed("witness.example/w1", &[2; 32]).expect("good name");
    let (mut log, mut tiles) = (LogAppender::new(), MemoryTiles::new());
    for (count, name) in [(first, "earlier"), (second, CHECKPOINT_PATH)] {
        let from = log.size();
        let batch = log.append(&(from..from + count).map(entry).collect::<Vec<_>>());
        tiles.absorb(&batch);
        for (path, bytes) in &batch.files {
            let path = folder.join(path.to_string());
            std::fs::create_dir_all(path.parent().expect("below a folder")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        let signed = ledger::Checkpoint::new(ORIGIN, batch.size, batch.root).sign(&key).expect("own key");
        let mut note = Note::parse(&signed.note).expect("a note");
        note.add(witness.cosign(note.text().as_bytes(), 1_700_000_000)).expect("room");
        let signed = ledger::SignedCheckpoint { note: note.to_bytes(), ..signed };
        std::fs::write(folder.join(name), &signed.note).expect("written");
        let proof = TlogProof::make(first - 1, &signed, &tiles).expect("tiles");
        std::fs::write(folder.join("proof"), proof.to_bytes()).expect("written");
    }
    (key, witness)
}

#[test]
fn go_verifies_our_notes_tiles_proofs_and_cosignatures() {
    let scratch = tempfile::tempdir().expect("a folder");
    let Some(go) = Go::built(scratch.path()) else { return };
    for (place, (first, second)) in
        [(1, 0), (1, 1), (255, 1), (256, 1), (300, 500), (65_536, 1), (66_000, 4_321)].into_iter().enumerate()
    {
        let folder = scratch.path().join(place.to_string());
        let (key, witness) = written(&folder, first, second);
        let check = |folder: &Path, index: u64| {
            go.check(&[
                ("-key", &key.verifier().encode()),
                ("-witness", &witness.witness().encode()),
                ("-folder", &folder),
                ("-earlier", &folder.join("earlier")),
                ("-proof", &folder.join("proof")),
                ("-entry", &base::hex(&entry(index))),
            ])
        };
        let (passed, said) = check(&folder, first - 1);
        assert!(
            passed && said.contains(&format!("{} entries", first + second)) && said.contains("1 cosignatures"),
            "{said}"
        );
        // It is no check that cannot fail.
        assert!(!check(&folder, first).0, "another entry has another proof");
        let tile = folder.join(ledger::tiles::path(&ledger::TileId::in_tree(0, 0, first + second).expect("not empty")));
        let mut bytes = std::fs::read(&tile).expect("a tile");
        bytes[0] ^= 1;
        std::fs::write(&tile, bytes).expect("written");
        assert!(!check(&folder, first - 1).0, "a changed tile");
    }
}
