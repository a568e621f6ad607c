//! Every way to change an issued file that we can think of, and one that was not changed.

use super::*;
use crate::issue::content::{IssueContent, Masthead};
use crate::issue::{Locale, Typesetter, stamp};
use ledger::{LogAppender, MemoryTiles, SignerKey, TlogProof};
use proptest::prelude::*;
use std::sync::LazyLock;

const ORIGIN: &str = "records.hanmaru.example/records";

struct Issued {
    bytes: Vec<u8>,
    number: DocumentNumber,
    region: std::ops::Range<usize>,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| issue(&signer(1)));

fn signer(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[seed; 32]).expect("a plain name")
}

fn pinned() -> Vec<VerifierKey> {
    vec![signer(1).verifier().clone()]
}

fn unsealed(number: &DocumentNumber) -> stamp::Unsealed {
    let head = Masthead { issuer: "한마루".into(), issued: "2026-11-22 18:05:33".into(), ..Masthead::default() };
    let content =
        IssueContent { head: head.numbered(number, "https://records.hanmaru.example"), ..IssueContent::default() };
    let rendered = Typesetter::new().render(content, Locale::Ko).expect("an empty document is a document");
    stamp::prepare(rendered.pdf).expect("the typesetter's own form")
}

/// A log of 1,000 other leaves with the document in the middle.
fn log_it(unsealed: stamp::Unsealed, number: &DocumentNumber, signers: &[&SignerKey]) -> Vec<u8> {
    let salt = [7; 32];
    let mut entries: Vec<_> = (0..1000u32).map(|i| commit(&[1; 32], EntryKind::Access, &i.to_be_bytes())).collect();
    entries[617] = commit(&salt, EntryKind::Issued, &leaf_content(number, unsealed.hash()));
    let (mut log, mut tiles) = (LogAppender::new(), MemoryTiles::new());
    let batch = log.append(&entries);
    tiles.absorb(&batch);
    let text = ledger::Checkpoint::new(ORIGIN, batch.size, batch.root).to_string();
    let note = Note::new(&text).and_then(|note| note.sign(signers)).expect("a checkpoint can be signed").to_bytes();
    let hashes = ledger::inclusion_proof(617, batch.size, &tiles).expect("the tiles are there");
    let proof = TlogProof { extra: None, index: 617, hashes, checkpoint_note: note };
    stamp::fill(unsealed, number, salt, proof).expect("the proof fits")
}

fn issue(signer: &SignerKey) -> Issued {
    let number = DocumentNumber::random(2026, &base::SeededRandom::new(3));
    let bytes = log_it(unsealed(&number), &number, &[signer]);
    let region = region_of(&bytes).expect("it has one");
    Issued { bytes, number, region }
}

#[test]
fn an_unchanged_file_verifies() {
    let verified = verify(&ISSUED.bytes, &pinned()).expect("nothing was changed");
    assert_eq!(verified.number, ISSUED.number);
    assert_eq!((verified.index, verified.size, verified.origin.as_str()), (617, 1000, ORIGIN));
    assert_eq!(verified.signed_by, [ORIGIN]);
}

#[test]
fn no_byte_of_the_region_is_free() {
    for at in ISSUED.region.clone() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = ISSUED.bytes.clone();
            bytes[at] ^= flip;
            assert!(verify(&bytes, &pinned()).is_err(), "byte {at} flipped by {flip:#x}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_byte_outside_the_region_is_free(at in 0usize..ISSUED.bytes.len(), value: u8) {
        let mut bytes = ISSUED.bytes.clone();
        prop_assume!(bytes[at] != value && !ISSUED.region.contains(&at));
        bytes[at] = value;
        let fault = verify(&bytes, &pinned()).expect_err("a byte was changed");
        let named = matches!(fault, VerifyFault::Changed | VerifyFault::NotPdf | VerifyFault::NotIssued | VerifyFault::CutShort { .. });
        prop_assert!(named, "byte {at}: {fault}");
    }

    #[test]
    fn a_file_cut_short_is_refused(keep in 0usize..ISSUED.bytes.len()) {
        let fault = verify(&ISSUED.bytes[..keep], &pinned()).expect_err("it was cut");
        let named = match keep {
            0..5 => fault == VerifyFault::NotPdf,
            _ if keep >= ISSUED.region.end => {
                fault == VerifyFault::CutShort { missing: Some((ISSUED.bytes.len() - keep) as u64) }
            }
            _ => matches!(fault, VerifyFault::CutShort { missing: None } | VerifyFault::NotIssued),
        };
        prop_assert!(named, "{keep} bytes kept: {fault}");
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let pdf = [b"%PDF-1.7".as_slice(), &bytes, REGION_HEAD.as_bytes(), &bytes, &[b' '; REGION_LEN]].concat();
        prop_assert!(verify(&pdf, &pinned()).is_err());
        prop_assert!(verify(&bytes, &pinned()).is_err());
    }
}

#[test]
fn added_bytes_are_counted() {
    for added in
        [&b"\n"[..], b" ", b"%%EOF\n", b"1 0 obj\n<<>>\nendobj\nxref\n0 0\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"]
    {
        let bytes = [&ISSUED.bytes, added].concat();
        assert_eq!(verify(&bytes, &pinned()), Err(VerifyFault::Added { extra: added.len() as u64 }));
    }
}

#[test]
fn a_second_region_with_the_genuine_proof_is_refused() {
    let genuine = &ISSUED.bytes[ISSUED.region.clone()];
    let again = [&ISSUED.bytes, REGION_HEAD.as_bytes(), genuine, stamp::REGION_TAIL.as_bytes()].concat();
    assert!(matches!(verify(&again, &pinned()), Err(VerifyFault::Added { .. })));
}

#[test]
fn the_genuine_proof_does_not_carry_another_document() {
    let other = DocumentNumber::random(2026, &base::SeededRandom::new(4));
    let mut forged = log_it(unsealed(&other), &other, &[&signer(1)]);
    let region = region_of(&forged).expect("it has one");
    let genuine = ISSUED.bytes[ISSUED.region.clone()].to_vec();
    forged[region].copy_from_slice(&genuine);
    let fault = verify(&forged, &pinned()).expect_err("another document");
    assert!(
        matches!(fault, VerifyFault::Changed | VerifyFault::Added { .. } | VerifyFault::CutShort { .. }),
        "{fault}"
    );
}

#[test]
fn another_salt_number_hash_or_place_is_not_in_the_log() {
    let original = ProofText::parse(&ISSUED.bytes[ISSUED.region.clone()]).expect("our own");
    let refill = |change: &dyn Fn(&mut ProofText)| {
        let mut proof = original.clone();
        change(&mut proof);
        let mut text = proof.to_bytes();
        text.resize(REGION_LEN, b' ');
        let mut bytes = ISSUED.bytes.clone();
        bytes[ISSUED.region.clone()].copy_from_slice(&text);
        verify(&bytes, &pinned())
    };
    assert!(refill(&|_| ()).is_ok());
    assert_eq!(refill(&|p| p.salt[0] ^= 1), Err(VerifyFault::NotLogged));
    assert_eq!(refill(&|p| p.proof.index ^= 1), Err(VerifyFault::NotLogged));
    assert_eq!(
        refill(&|p| p.number = DocumentNumber::random(2026, &base::SeededRandom::new(9))),
        Err(VerifyFault::NotLogged)
    );
    assert!(matches!(refill(&|p| p.content[0] ^= 1), Err(VerifyFault::ProofAltered { .. })));
    assert!(matches!(refill(&|p| p.bytes += 1), Err(VerifyFault::ProofAltered { .. })));
    assert!(matches!(refill(&|p| p.proof.extra = Some(vec![1])), Err(VerifyFault::ProofAltered { .. })));
    let doubled = |p: &mut ProofText| {
        let text = String::from_utf8(p.proof.checkpoint_note.clone()).expect("a note is text");
        let last = text.lines().last().expect("it has a signature").to_owned();
        p.proof.checkpoint_note = format!("{text}{last}\n").into_bytes();
    };
    assert!(matches!(refill(&doubled), Err(VerifyFault::ProofAltered { .. })));
}

#[test]
fn an_unknown_key_is_named_in_bounds() {
    let name = "x".repeat(5_000);
    assert!(unknown_key(&name).to_string().len() < 400);
    assert_eq!(unknown_key("log"), VerifyFault::UnknownKey { name: "log".to_owned() });
}

#[test]
fn only_pinned_keys_count() {
    assert_eq!(
        verify(&ISSUED.bytes, &[signer(2).verifier().clone()]),
        Err(VerifyFault::UnknownKey { name: ORIGIN.into() })
    );
    assert_eq!(verify(&ISSUED.bytes, &[]), Err(VerifyFault::UnknownKey { name: ORIGIN.into() }));
    let number = ISSUED.number.clone();
    let witness = SignerKey::from_seed("witness.example", &[5; 32]).expect("a plain name");
    let both = log_it(unsealed(&number), &number, &[&signer(1), &witness]);
    assert_eq!(verify(&both, &pinned()), Err(VerifyFault::UnknownKey { name: "witness.example".into() }));
    let known = verify(&both, &[signer(1).verifier().clone(), witness.verifier().clone()]).expect("both are pinned");
    assert_eq!(known.signed_by, [ORIGIN, "witness.example"]);
}

#[test]
fn known_witnesses_are_told_and_changed_cosignatures_found() {
    let witness = ledger::CosignerKey::from_seed("witness.example/w", &[6; 32]).expect("a plain name");
    let region = ISSUED.region.clone();
    let cosigned = |signature: &dyn Fn(&[u8]) -> ledger::NoteSignature| {
        let mut proof = ProofText::parse(&ISSUED.bytes[region.clone()]).expect("the issued region");
        let mut note = Note::parse(&proof.proof.checkpoint_note).expect("a note");
        note.add(signature(note.text().as_bytes())).expect("room");
        proof.proof.checkpoint_note = note.to_bytes();
        let mut text = proof.to_bytes();
        text.resize(REGION_LEN, b' ');
        let mut bytes = ISSUED.bytes.clone();
        bytes[region.clone()].copy_from_slice(&text);
        bytes
    };
    let bytes = cosigned(&|text| witness.cosign(text, 1_700_000_000));
    assert_eq!(verify(&bytes, &pinned()), Err(VerifyFault::UnknownKey { name: "witness.example/w".into() }));
    let policy = format!("witness W {}\nquorum W\n", witness.witness().encode());
    let policy = TrustPolicy::parse(policy.as_bytes()).expect("a policy").with_logs(&pinned());
    let verified = verify_by(&bytes, &policy).expect("both are known");
    assert!(verified.quorum);
    assert_eq!(verified.cosigned_by, [Cosignature { witness: "W".to_owned(), time_s: 1_700_000_000 }]);
    let alone = verify_by(&ISSUED.bytes, &policy).expect("signed by the log");
    assert!(!alone.quorum && alone.cosigned_by.is_empty());
    let other = cosigned(&|_| witness.cosign(b"another text\n", 1_700_000_000));
    assert_eq!(verify_by(&other, &policy), Err(VerifyFault::Signature));
}

#[test]
fn a_square_on_paper_says_which_document_was_logged() {
    let trust = TrustPolicy::without_witnesses(&pinned());
    let text = qr_text(&ISSUED.bytes, &trust).expect("it fits");
    let code =
        qrcode::QrCode::with_error_correction_level(text.as_bytes(), qrcode::EcLevel::M).expect("it is a QR code");
    assert!(matches!(code.version(), qrcode::Version::Normal(version) if version <= 40), "{:?}", code.version());
    let (told, whole) =
        (verify_qr(&text, &trust).expect("genuine"), verify(&ISSUED.bytes, &pinned()).expect("genuine"));
    assert_eq!(told, whole);
    let stranger = TrustPolicy::without_witnesses(&[signer(2).verifier().clone()]);
    assert!(matches!(verify_qr(&text, &stranger), Err(VerifyFault::ProofAltered { .. })));
    assert!(matches!(verify_qr(&text[1..], &trust), Err(VerifyFault::ProofAltered { .. })));
    let swapped: String = text.chars().rev().collect();
    assert!(verify_qr(&swapped, &trust).is_err());
    // The longest that is expected: 2,100 characters of this alphabet.
    let longest = "A".repeat(2_100);
    let code = qrcode::QrCode::with_error_correction_level(longest.as_bytes(), qrcode::EcLevel::M).expect("it fits");
    println!("2,100 characters make a QR code of {:?} at level M", code.version());
}

#[test]
fn what_is_not_ours_is_said_to_be() {
    assert_eq!(verify(b"", &pinned()), Err(VerifyFault::NotPdf));
    assert_eq!(verify(b"PK\x03\x04", &pinned()), Err(VerifyFault::NotPdf));
    assert_eq!(verify(b"%PDF-1.7\n1 0 obj\nendobj\n%%EOF\n", &pinned()), Err(VerifyFault::NotIssued));
    assert_eq!(verify(b"%PDF-1.7\n1 0 obj", &pinned()), Err(VerifyFault::CutShort { missing: None }));
    let empty = unsealed(&ISSUED.number);
    let length = empty.len();
    assert!(!empty.is_empty() && length == ISSUED.bytes.len());
    let mut bytes = ISSUED.bytes.clone();
    bytes[ISSUED.region.clone()].fill(b' ');
    assert_eq!(verify(&bytes, &pinned()), Err(VerifyFault::NeverSealed));
}

#[test]
fn other_programs_can_read_the_file() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("issued.pdf");
    std::fs::write(&path, &ISSUED.bytes).expect("the folder is writable");
    for (program, flags) in [("qpdf", &["--check"][..]), ("pdfinfo", &[]), ("pdftotext", &[])] {
        let Ok(output) = std::process::Command::new(program).args(flags).arg(&path).output() else {
            eprintln!("SKIPPED: {program} is not installed, so whether it reads an issued PDF was not tried");
            continue;
        };
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program}: {said}");
        assert!(!said.to_lowercase().contains("warning"), "{program}: {said}");
    }
    if let Ok(text) = std::fs::read_to_string(folder.path().join("issued.txt")) {
        assert!(text.contains(ISSUED.number.as_str()), "{text}");
    }
}

/// The proof in the issued file, as the bytes of a proof file.
fn proof_file() -> TlogProof {
    ProofText::parse(&ISSUED.bytes[ISSUED.region.clone()]).expect("the issued region").proof
}

#[test]
fn what_is_handed_in_is_told_by_how_it_begins() {
    let trust = TrustPolicy::without_witnesses(&pinned());
    let text = qr_text(&ISSUED.bytes, &trust).expect("it fits");
    let (first, rest) = text.split_at(76);
    for written in [text.clone(), format!("\u{feff}\r\n  {first}\r\n{rest}\r\n"), format!("{first}\n{rest}")] {
        assert_eq!(Handed::of(written.as_bytes()), Handed::Qr(text.clone()));
    }
    assert_eq!(Handed::of(b"HMP1:AB \r\n"), Handed::Qr("HMP1:AB ".to_owned()), "a space is a digit");
    let file = String::from_utf8(proof_file().to_bytes()).expect("proofs are UTF-8");
    for written in [file.clone(), file.replace('\n', "\r\n"), file.trim_end().to_owned(), format!("{file}\n\n")] {
        assert_eq!(Handed::of(written.as_bytes()), Handed::ProofFile(file.clone().into_bytes()));
    }
    let long = format!("HMP1:{}", "A".repeat(PROOF_LEN_MAX));
    for other in [&ISSUED.bytes[..], b"", b"HMP1", b"hello", b"HMP1:\xff", long.as_bytes()] {
        assert_eq!(Handed::of(other), Handed::Document(other));
    }
}

#[test]
fn a_proof_file_is_compared_with_what_it_came_with() {
    let trust = TrustPolicy::without_witnesses(&pinned());
    let document = verify(&ISSUED.bytes, &pinned()).expect("genuine");
    let asked = |document: &Verified, proof: &TlogProof, trust: &TrustPolicy| {
        verify_proof_file(document, &proof.to_bytes(), trust, &[])
    };
    let proof = proof_file();
    let found = asked(&document, &proof, &trust).expect("it is this document's");
    assert!((found.size, found.stamp.is_none()) == (1_000, true));
    let stamped = asked(&document, &proof.clone().with_time_stamp(b"a token of nobody"), &trust).expect("it fits");
    assert!(matches!(stamped.stamp, Some(Err(ledger::Error::TimeStamp { .. }))), "{stamped:?}");

    let altered = |found: Result<FileProof, VerifyFault>| matches!(found, Err(VerifyFault::ProofAltered { .. }));
    let other = Verified { entry: commit(&[8; 32], EntryKind::Issued, b"another"), ..document.clone() };
    assert!(altered(asked(&other, &proof, &trust)));
    assert!(altered(asked(&Verified { index: 616, ..document.clone() }, &proof, &trust)));
    assert!(altered(asked(&Verified { origin: "another".to_owned(), ..document.clone() }, &proof, &trust)));
    assert!(altered(asked(&document, &proof, &TrustPolicy::without_witnesses(&[]))));
    assert!(altered(verify_proof_file(&document, b"c2sp.org/tlog-proof@v1\n", &trust, &[])));
    let mut changed = proof;
    let at = ORIGIN.len() + 1;
    changed.checkpoint_note[at] ^= 1;
    assert!(matches!(asked(&document, &changed, &trust), Err(VerifyFault::Signature)));
}
