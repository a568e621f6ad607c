//! Erasures in the matrix: those that somebody has a hand in. Each asks for the records of a patient of their own.

use super::acts::{Acts, Sent};
use super::maker::{ERASED_AT, REASON};
use crate::site::CODE;
use base::Id16;
use store::ShredRole;

pub const NAMED: &[&str] = &["-", "a patient", "own records", "nobody"];
pub const APPROVED: &[&str] = &[
    "asked for",
    "asked for by oneself",
    "approved by oneself",
    "approved by two",
    "own records",
    "withdrawn",
    "done",
    "nothing",
];
pub const WITHDRAWN: &[&str] =
    &["asked for", "asked for by oneself", "approved by two", "own records", "withdrawn", "done", "nothing"];

/// What those send who handle erasures.
pub fn erasure(acts: &Acts, path: &str, asker: &'static str, thing: &str) -> Sent {
    if path.contains("{id}") { asked_for(acts, asker, thing) } else { named(acts, thing) }
}

fn asked_for(acts: &Acts, asker: &'static str, thing: &str) -> Sent {
    let maker = &acts.maker;
    let (own, role) = (maker.accounts[asker], ShredRole::from_name(asker).expect("a role that handles erasures"));
    Sent::at(match thing {
        "asked for" => maker.anothers_erasure(),
        "asked for by oneself" => maker.erasure(own, role, ERASED_AT, &maker.to_erase()),
        "approved by oneself" => {
            let id = maker.anothers_erasure();
            maker.approve_erasure(own, role, id);
            id
        }
        "approved by two" => maker.approved_by_two(maker.anothers_erasure()),
        // Of the first patient's records, who is whoever asks.
        "own records" => acts.erasures["asked for"],
        "withdrawn" | "done" => acts.erasures[thing],
        _ => Id16::default(),
    })
}

fn named(acts: &Acts, thing: &str) -> Sent {
    let (institution, number) = match thing {
        "-" => return Sent::default(),
        "a patient" => (ERASED_AT, acts.maker.to_erase()),
        "own records" => (CODE, "p1".to_owned()),
        _ => (CODE, "p99".to_owned()),
    };
    let fields = [("what", "patient"), ("institution", institution), ("reason", REASON), ("despite", "yes")];
    Sent::form(&fields).with("basis", "개인정보 보호법 제36조").with("number", number)
}
