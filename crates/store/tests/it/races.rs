//! No stale permit: whatever was revoked is refused to everybody whose reading began after the revocation was durable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base::Id16;
use policy::{Action, Purpose, Role};
use store::{ConsentPurpose, ConsentTerms};

use crate::staff::*;
use crate::support::*;

const ROUNDS: u64 = 500;
const READERS: u64 = 2;

/// While consents are given and withdrawn, readers ask and read. A consent's number is even while it is given; a reading that
/// succeeds although the consent was withdrawn before it began is an over-permit.
#[test]
fn who_begins_after_a_withdrawal_is_refused() {
    let ward = Ward::new();
    let terms = ConsentTerms {
        person: ward.person,
        grantees: [institution()].into(),
        purposes: [ConsentPurpose::Care].into(),
        institutions: [institution()].into(),
        kinds: [policy::DataKind::Diagnoses].into(),
        sensitive: [].into(),
        from: "2026-11-22T00:00:00+09:00".parse().expect("a time"),
        until: "2027-01-01T00:00:00Z".parse().expect("a time"),
    };
    let (id, _) = ward.store.give_consent(&ward.own(Action::ManageConsent), &terms).expect("given");
    let (withdrawn, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (reads, tries, stale) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    // So many have ended that one of them began after this was called.
    let met = || {
        let from = tries.load(Ordering::SeqCst);
        while tries.load(Ordering::SeqCst) <= from + READERS {
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut kept = None;
                while !stop.load(Ordering::SeqCst) {
                    // Odd: no consent holds from here until the number is even again.
                    let before = withdrawn.load(Ordering::SeqCst);
                    let permit = kept.take().or_else(|| ward.doctor(Purpose::Care { ground: id }).ok());
                    let seen = permit.as_ref().and_then(|permit| ward.read(permit).ok());
                    let after = withdrawn.load(Ordering::SeqCst);
                    tries.fetch_add(1, Ordering::SeqCst);
                    if before % 2 == 1 && before == after && seen.is_some() {
                        stale.fetch_add(1, Ordering::SeqCst);
                    }
                    if seen.is_some() {
                        reads.fetch_add(1, Ordering::SeqCst);
                        kept = permit;
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            ward.store.withdraw_consent(&ward.own(Action::ManageConsent), ward.person, id).expect("withdrawn");
            withdrawn.fetch_add(1, Ordering::SeqCst);
            met();
            withdrawn.fetch_add(1, Ordering::SeqCst);
            ward.store.change_consent(&ward.own(Action::ManageConsent), id, &terms).expect("given again");
            met();
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(stale.load(Ordering::SeqCst), 0);
    let (reads, tries) = (reads.into_inner(), tries.into_inner());
    assert!(reads >= ROUNDS && tries - reads >= ROUNDS, "both were met each time: {reads} read, {tries} tried");
    let never =
        ward.ask(Role::Clinician, DOCTOR, Action::ReadRecord, ward.about(), Purpose::Care { ground: Id16([1; 16]) });
    assert!(never.is_err());
}
