//! How fast a log grows and proves in memory, without disk or signature: one line a figure.
//!
//! Run with `cargo run -p ledger --example ledger_speed`. It measures, so it reads a clock; the library never does.

use std::time::Instant;

use ledger::{
    Appender, Checkpoint, Commitment, EntryKind, Frontier, Hash, LogAppender, MemoryTiles, SignedCheckpoint, SignerKey,
    commit, consistency_proof, inclusion_proof, leaf_hash, verify_inclusion,
};

const LEAVES: u64 = 1_000_000;
const BATCH: usize = 1000;
const PROOFS: u64 = 10_000;

fn main() {
    let start = Instant::now();
    let content = [7; 96];
    let entries: Vec<Commitment> = (0..LEAVES)
        .map(|index| {
            let mut salt = [1; 32];
            salt[..8].copy_from_slice(&index.to_be_bytes());
            commit(&salt, EntryKind::Resource, &content)
        })
        .collect();
    rate("commitments", LEAVES, start);

    let start = Instant::now();
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    rate("leaf hashes", LEAVES, start);

    let start = Instant::now();
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(*leaf);
    }
    rate("frontier appends", LEAVES, start);

    let start = Instant::now();
    Appender::new().append(&leaves);
    rate("tile appends, one batch", LEAVES, start);

    let start = Instant::now();
    let (mut log, mut files, mut stored) = (LogAppender::new(), 0, MemoryTiles::new());
    for batch in entries.chunks(BATCH) {
        let batch = log.append(batch);
        files += batch.files.len();
        stored.absorb(&batch);
    }
    rate("log appends with bundles, batches of 1,000", LEAVES, start);
    println!("files written: {files}");
    assert_eq!(log.root(), frontier.root(), "both ways give one root");

    let root = log.root();
    let (mut slowest, start) = (0, Instant::now());
    for proof in 0..PROOFS {
        let index = proof * (LEAVES / PROOFS) + proof % 97;
        let one = Instant::now();
        let hashes = inclusion_proof(index, LEAVES, &stored).expect("all tiles are there");
        slowest = slowest.max(one.elapsed().as_micros());
        verify_inclusion(&leaves[index as usize], index, LEAVES, &root, &hashes).expect("own proof");
    }
    each("inclusion proof made and verified", PROOFS, start);
    println!("slowest inclusion proof made: {slowest} us");

    let start = Instant::now();
    for proof in 0..PROOFS {
        consistency_proof(proof * 99 + 1, LEAVES, &stored).expect("all tiles are there");
    }
    each("consistency proof made", PROOFS, start);

    let key = SignerKey::from_seed("log.example", &[1; 32]).expect("good name");
    let start = Instant::now();
    for size in 1..=PROOFS {
        let signed = Checkpoint::new("log.example", size, root).sign(&key).expect("own key");
        SignedCheckpoint::open(&signed.note, std::slice::from_ref(key.verifier())).expect("own note");
    }
    each("checkpoint signed and opened", PROOFS, start);
}

fn rate(what: &str, count: u64, start: Instant) {
    println!("{what}: {:.2} million/s", count as f64 / start.elapsed().as_secs_f64() / 1e6);
}

fn each(what: &str, count: u64, start: Instant) {
    println!("{what}: {:.1} us each", start.elapsed().as_secs_f64() * 1e6 / count as f64);
}
