//! Targets for what a log, a site, a witness, a time-stamp authority or a person's document shows as proof. What is accepted is
//! written again byte for byte, so that there is one way to write each.

use archive::verify::Handed;
use base::{hex, sha256};
use ledger::heads::{self, Held};
use ledger::witness::{ANSWER_SIGNATURES_MAX, AddCheckpoint, WitnessHead, answer, parse_answer, parse_size};
use ledger::{
    Checkpoint, CosignerKey, EntryKind, Frontier, Hash, LogAppender, MemoryTiles, Note, NoteSignature, QrProof,
    SignedCheckpoint, SignerKey, StampAuthority, StampRequest, TilePath, TlogProof, TrustPolicy, VerifierKey,
    WitnessKey, audit_file, commit, sound, tiles, verify_consistency, verify_inclusion,
};
use std::sync::LazyLock;

/// The key of the example in the specification.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// A certificate that nobody signs with.
const PEM: &[u8] = include_bytes!("../data/pinned.pem");
/// The salt of genuine entries.
pub const SALT: [u8; 32] = [7; 32];
const CONTENT: &[u8] = b"content of the entry";
/// The entry of the genuine proof, and the leaves in its log.
const INDEX: usize = 301;
const SIZE: usize = 600;

/// A small log with a witness, and a genuine proof from it.
struct Genuine {
    policy_text: String,
    trust: TrustPolicy,
    tiles: MemoryTiles,
    signed: SignedCheckpoint,
    proof: TlogProof,
    cosigned: Vec<u8>,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let log = SignerKey::from_seed("log.example/records", &[1; 32]).expect("a plain name");
    let witness = CosignerKey::from_seed("witness.example/w", &[2; 32]).expect("a plain name");
    let (log_key, witness_key) = (log.verifier().encode(), witness.witness().encode());
    let policy_text = format!("log {log_key}\nwitness W {witness_key} https://w.example/\ngroup g any W\nquorum g\n");
    let trust = TrustPolicy::parse(policy_text.as_bytes()).expect("a policy");
    let mut entries: Vec<_> =
        (0..SIZE).map(|place| commit(&[1; 32], EntryKind::Access, &place.to_be_bytes())).collect();
    entries[INDEX] = commit(&SALT, EntryKind::Issued, CONTENT);
    let (mut appender, mut tiles) = (LogAppender::new(), MemoryTiles::new());
    let batch = appender.append(&entries);
    tiles.absorb(&batch);
    let signed = Checkpoint::new(log.name(), batch.size, batch.root).sign(&log).expect("its own name");
    let mut note = Note::parse(&signed.note).expect("a note");
    note.add(witness.cosign(note.text().as_bytes(), 1_790_000_000)).expect("there is room");
    let mut proof = TlogProof::make(INDEX as u64, &signed, &tiles).expect("the tiles are whole");
    proof.checkpoint_note = note.to_bytes();
    Genuine { policy_text, trust, tiles, signed, proof, cosigned: note.to_bytes() }
});

/// The proof of an entry with a content of its own, as the fifth of nine, and the key of its log.
pub fn proven(kind: EntryKind, content: &[u8]) -> (TlogProof, VerifierKey) {
    let log = SignerKey::from_seed("log.example/records", &[1; 32]).expect("a plain name");
    let mut entries = vec![commit(&[1; 32], EntryKind::Access, b"x"); 9];
    entries[4] = commit(&SALT, kind, content);
    let (mut appender, mut tiles) = (LogAppender::new(), MemoryTiles::new());
    let batch = appender.append(&entries);
    tiles.absorb(&batch);
    let signed = Checkpoint::new(log.name(), batch.size, batch.root).sign(&log).expect("its own name");
    (TlogProof::make(4, &signed, &tiles).expect("the tiles are whole"), log.verifier().clone())
}

pub fn note_seeds() -> Vec<Vec<u8>> {
    let genuine = &*GENUINE;
    let stamped = genuine.proof.clone().with_time_stamp(b"no token");
    vec![genuine.signed.note.clone(), genuine.cosigned.clone(), genuine.proof.to_bytes(), stamped.to_bytes()]
}

/// Signed notes, checkpoints and proof files.
pub fn note(bytes: &[u8]) {
    let keys = [VerifierKey::parse(KEY).expect("the key of the example in the specification")];
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_bytes(), bytes, "a note has one spelling");
        assert!(note.verify(&keys).is_err(), "nobody has signed it with that key");
        if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
            assert_eq!(checkpoint.to_string(), note.text(), "a checkpoint has one spelling");
        }
    }
    if let Ok(found) = GENUINE.trust.inspect(bytes) {
        let signed = GENUINE.signed.checkpoint.to_string();
        assert_eq!(found.signed.checkpoint.to_string(), signed, "nothing else was signed");
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.to_bytes(), bytes, "a proof has one spelling");
        assert!(proof.verify(b"entry", &keys).is_err());
        let _ = proof.time_stamp();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (Checkpoint::parse(text), NoteSignature::parse(text));
    }
}

pub fn key_seeds() -> Vec<Vec<u8>> {
    let signer = SignerKey::from_seed("log.example/records", &[1; 32]).expect("a plain name");
    let cosigner = CosignerKey::from_seed("witness.example/w", &[2; 32]).expect("a plain name");
    let (signer_text, cosigner_text) = (signer.encode().to_string(), cosigner.encode().to_string());
    let texts = [KEY.to_owned(), signer_text, cosigner_text, cosigner.witness().encode()];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Keys of logs and witnesses, as configuration and key files spell them.
pub fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.encode(), text, "a key has one spelling");
    }
    if let Ok(key) = WitnessKey::parse(text) {
        assert_eq!(key.encode(), text, "a witness has one spelling");
    }
    if let Ok(key) = SignerKey::parse(text) {
        assert_eq!(key.encode().as_str(), text, "a secret key has one spelling");
    }
    if let Ok(key) = CosignerKey::parse(text) {
        assert_eq!(key.encode().as_str(), text, "a secret key has one spelling");
    }
}

pub fn tile_seeds() -> Vec<Vec<u8>> {
    let mut frontier = Frontier::new();
    (0..77u8).for_each(|leaf| frontier.append(Hash([leaf; 32])));
    let bundle = tiles::encode_bundle(&[&b"one"[..], b"", b"three", b"4", b"5", b"6", b"7"]).expect("short entries");
    let seed = |one: u64, two: u64, path: &str, bytes: &[u8]| {
        [&one.to_be_bytes()[..], &two.to_be_bytes(), path.as_bytes(), b"\n", bytes].concat()
    };
    vec![
        seed(1, 7, "tile/0/000", &bundle),
        seed(INDEX as u64, SIZE as u64, "tile/0/x001/x234/067.p/7", &frontier.to_bytes()),
        seed(
            INDEX as u64,
            SIZE as u64,
            "tile/entries/001",
            &GENUINE.proof.hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>(),
        ),
        seed(u64::MAX, u64::MAX, "tile/1/000.p/2", &[0; 64]),
    ]
}

/// Paths and bytes that come from a site: tile paths, entry bundles, frontiers, and proofs that do not hold. Cut into two
/// numbers of eight bytes, a line that is a path, and the rest.
pub fn tiles(bytes: &[u8]) {
    let (Some(one), Some(two)) = (bytes.first_chunk::<8>(), bytes.get(8..).and_then(<[u8]>::first_chunk::<8>)) else {
        return;
    };
    let (one, two) = (u64::from_be_bytes(*one), u64::from_be_bytes(*two));
    let rest = &bytes[16..];
    let (line, bytes) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    let bytes = bytes.get(1..).unwrap_or_default();
    let path = std::str::from_utf8(line).ok().and_then(|text| Some((text, tiles::parse_path(text).ok()?)));
    if let Some((text, path)) = path {
        let again = match path {
            TilePath::Hashes(id) => tiles::path(&id),
            TilePath::Entries { index, width } => tiles::entries_path(index, width),
        };
        assert_eq!(again, text, "a path has one spelling");
        let _ = audit_file(&path, bytes, GENUINE.signed.checkpoint.size, &GENUINE.tiles);
    }
    for width in [1, 7, 256] {
        let _ = (sound::tile_of_bundle(bytes, width), sound::full_tile_root(bytes));
        assert!(sound::narrower_bundle(bytes, width).is_none_or(|narrow| bytes.starts_with(narrow)));
        if let Ok(entries) = tiles::decode_bundle(bytes, width) {
            let again = tiles::encode_bundle(&entries).expect("they were in a bundle");
            assert_eq!(again, bytes, "a bundle has one spelling");
        }
    }
    if let Ok(frontier) = Frontier::from_bytes(bytes) {
        assert_eq!(frontier.to_bytes(), bytes);
        let _ = frontier.root();
    }
    let hashes: Vec<Hash> = bytes.chunks_exact(32).map(|part| Hash(part.try_into().expect("32 bytes"))).collect();
    let root = Hash([7; 32]);
    assert!(verify_inclusion(&root, one, two, &Hash([8; 32]), &hashes).is_err(), "no path leads there");
    let _ = verify_consistency(one, &root, two, &Hash([8; 32]), &hashes);
    let _ = tiles::TileId::in_tree(one as u8, two, one);
}

pub fn policy_seeds() -> Vec<Vec<u8>> {
    let text = &GENUINE.policy_text;
    vec![
        text.clone().into_bytes(),
        format!("# comment\n\n{text}").replace("any", "1").into_bytes(),
        b"quorum none\n".to_vec(),
    ]
}

/// A trust policy: all its witnesses together are a quorum.
pub fn policy(bytes: &[u8]) {
    let Ok(policy) = TrustPolicy::parse(bytes) else { return };
    let all: Vec<usize> = (0..policy.witnesses().len()).collect();
    assert!(policy.is_quorum(&all));
    let found = policy.inspect(&GENUINE.cosigned);
    assert!(found.is_err() || policy.logs().iter().any(|log| log.key.name() == "log.example/records"));
}

pub fn witness_seeds() -> Vec<Vec<u8>> {
    let genuine = &*GENUINE;
    let first = AddCheckpoint { old: 0, proof: Vec::new(), note: genuine.signed.note.clone() };
    let next = AddCheckpoint { old: 7, proof: vec![Hash([1; 32]), Hash([2; 32])], note: genuine.cosigned.clone() };
    let lines = answer(Note::parse(&genuine.cosigned).expect("a note").signatures());
    vec![first.to_bytes(), next.to_bytes(), lines, b"18446744073709551615\n".to_vec()]
}

/// A request to a witness, and the answers of one.
pub fn witness(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes, "a request has one spelling");
        assert!(request.open(&[]).is_err(), "no log is known");
        let logs: Vec<VerifierKey> = GENUINE.trust.logs().iter().map(|log| log.key.clone()).collect();
        if let Ok(signed) = request.open(&logs) {
            let head = WitnessHead { size: 7, root: Hash([3; 32]) };
            assert!(request.judge(&signed.checkpoint, &head).is_err(), "the head held is of another history");
        }
    }
    if let Ok(signatures) = parse_answer(bytes) {
        let again = answer(&signatures);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        assert!(signatures.len() <= ANSWER_SIGNATURES_MAX);
        assert!(lines > ANSWER_SIGNATURES_MAX || again == bytes, "an answer has one spelling");
    }
    if let Ok(size) = parse_size(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes, "a size has one spelling");
    }
}

pub fn heads_seeds() -> Vec<Vec<u8>> {
    let signed = &GENUINE.signed;
    let head = WitnessHead { size: signed.checkpoint.size, root: signed.checkpoint.root };
    let seen = Held { head, note: Some(signed.note.clone()) };
    let all = [(signed.checkpoint.origin.clone(), seen), ("log with spaces".to_owned(), Held::default())];
    let whole = heads::text(&all.into());
    let first_form = format!("hanmaru witness 1\n7 {} log with spaces\n", head.root);
    let lines = whole[..whole.rfind("check ").expect("a sum")].to_owned();
    [whole, lines, first_form].into_iter().map(String::into_bytes).collect()
}

/// What a witness has seen: the file as it is, and its lines with the sum that fits them.
pub fn heads(bytes: &[u8]) {
    let Ok(lines) = std::str::from_utf8(bytes) else { return };
    let summed = format!("{lines}check {}\n", hex(&sha256(bytes)));
    for found in [lines, &summed] {
        let Some(all) = heads::parse(found) else { continue };
        let again = heads::text(&all);
        assert_eq!(heads::parse(&again), Some(all.clone()), "what is written is read");
        let is_bare = found.starts_with("hanmaru witness 1\n");
        assert!(
            again == found || (is_bare && all.values().all(|held| held.note.is_none())),
            "a state has one spelling"
        );
    }
}

pub fn stamp_seeds() -> Vec<Vec<u8>> {
    let request = StampRequest::new(b"text", [7; 8]).to_der();
    let oid = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    let der = |tag: u8, parts: &[&[u8]]| {
        let inside = parts.concat();
        [&[tag, 0x82][..], &(inside.len() as u16).to_be_bytes(), &inside].concat()
    };
    // SignedData with the request in the place of a TSTInfo: whole as DER, and nobody's.
    let tst = [0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
    let content = der(0x30, &[&tst, &der(0xa0, &[&der(0x04, &[&request])])]);
    let signed = der(0x30, &[&[0x02, 1, 3], &[0x31, 0], &content, &[0x31, 0]]);
    let token = der(0x30, &[&oid, &der(0xa0, &[&signed])]);
    let response = der(0x30, &[&[0x30, 3, 0x02, 1, 0], &token]);
    vec![request, token, response, PEM.to_vec()]
}

/// Time-stamp tokens and answers of an authority, and the file of its certificates.
pub fn stamp(bytes: &[u8]) {
    let _ = StampAuthority::from_pem(bytes);
    let authority = StampAuthority::from_pem(PEM).expect("it is a certificate");
    assert!(authority.verify(bytes, b"text").is_err(), "nobody signs with that certificate");
    assert!(StampRequest::new(b"text", [7; 8]).verify_response(bytes, &authority).is_err());
}

pub fn square_seeds() -> Vec<Vec<u8>> {
    let genuine = &*GENUINE;
    let proof = QrProof::from_proof(&genuine.proof, EntryKind::Issued, SALT, CONTENT, &genuine.trust);
    vec![proof.expect("a short content").to_text().into_bytes(), b"HMP1:".to_vec()]
}

/// The text of a square on paper. Whatever verifies says what the genuine one says.
pub fn square(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = archive::verify::verify_qr(text, &GENUINE.trust);
    if let Handed::Qr(handed) = Handed::of(text.as_bytes()) {
        assert_eq!(Handed::of(handed.as_bytes()), Handed::Qr(handed.clone()), "it is read alike again");
    }
    let Ok(proof) = QrProof::parse(text) else { return };
    assert!(QrProof::parse(&proof.to_text()).is_ok_and(|again| again == proof));
    assert!(proof.verify(&TrustPolicy::without_witnesses(&[])).is_err());
    if proof.verify(&GENUINE.trust).is_ok() {
        assert_eq!((proof.index, proof.content.as_slice()), (INDEX as u64, CONTENT), "nothing else was logged");
    }
}
