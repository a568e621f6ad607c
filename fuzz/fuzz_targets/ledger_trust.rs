//! Policies, requests to witnesses and their answers, time-stamps, and the proof of a square: nothing panics, and what has one
//! spelling is written as it was read.

#![no_main]

use ledger::witness::{AddCheckpoint, parse_answer, parse_size};
use ledger::{QrProof, StampAuthority, StampRequest, TrustPolicy};
use libfuzzer_sys::fuzz_target;

/// A certificate that nobody signs with.
const PEM: &[u8] = include_bytes!("../pinned.pem");

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    match which % 4 {
        0 => {
            if let Ok(policy) = TrustPolicy::parse(data) {
                let all: Vec<usize> = (0..policy.witnesses().len()).collect();
                assert!(policy.is_quorum(&all));
            }
        }
        1 => {
            if let Ok(request) = AddCheckpoint::parse(data) {
                assert_eq!(request.to_bytes(), data);
                assert!(request.open(&[]).is_err());
            }
            let _ = parse_answer(data);
            let _ = parse_size(data);
        }
        2 => {
            let authority = StampAuthority::from_pem(PEM).expect("it is a certificate");
            assert!(authority.verify(data, b"text").is_err());
            assert!(StampRequest::new(b"text", [7; 8]).verify_response(data, &authority).is_err());
        }
        _ => {
            let Ok(text) = std::str::from_utf8(data) else { return };
            if let Ok(proof) = QrProof::parse(text) {
                assert!(QrProof::parse(&proof.to_text()).is_ok_and(|again| again == proof));
                assert!(proof.verify(&TrustPolicy::without_witnesses(&[])).is_err());
            }
        }
    }
});
