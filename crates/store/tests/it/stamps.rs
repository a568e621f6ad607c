//! Time-stamps that an earlier run left half kept: at the sites, and not in the database.

use std::path::PathBuf;
use std::sync::Arc;

use base::{Seam, Seams};
use ledger::SignedCheckpoint;
use store::{Log, Stamp, Store};

use crate::rebuild::until;
use crate::shred_documents::Break;
use crate::support::*;

const AUTHORITY: &str = "kisa-1";
const SITES: [&str; 3] = ["site-a", "site-b", "site-c"];

/// A token of a made-up authority: what it tells is its time, and it is over nothing.
fn stamp(head: &SignedCheckpoint, time_s: i64) -> Stamp {
    Stamp {
        note: head.note.clone(),
        size: head.checkpoint.size,
        authority: AUTHORITY.to_owned(),
        time_s,
        token: format!("token {time_s}").into_bytes(),
    }
}

fn genuine(token: &[u8]) -> Option<i64> {
    std::str::from_utf8(token).ok()?.strip_prefix("token ")?.parse().ok()
}

/// A house with something sealed, and the checkpoint that is due.
fn due() -> (House, Store, SignedCheckpoint) {
    let house = House::new();
    let store = house.open();
    let ticket = write(&store, patient("p1"), &[("Condition", "c1", "x")]).ticket;
    store.wait_sealed(ticket, PATIENCE).expect("sealed");
    let head = store.checkpoint_to_stamp(Log::Records, 3_600).expect("read").expect("it is due");
    (house, store, head)
}

fn file(house: &House, site: &str, size: u64) -> PathBuf {
    house.site(site).join(format!("log/records/stamp/{size}-{AUTHORITY}.tst"))
}

/// Puts something under the name of a token at a site.
fn lay(house: &House, site: &str, size: u64, bytes: &[u8]) {
    let file = file(house, site, size);
    std::fs::create_dir_all(file.parent().expect("below a site")).expect("made");
    std::fs::write(file, bytes).expect("written");
}

/// All sites come to hold this.
fn everywhere(house: &House, size: u64, token: &[u8]) {
    until(|| SITES.iter().all(|site| std::fs::read(file(house, site, size)).is_ok_and(|found| found == token)));
}

#[test]
fn a_token_that_a_crash_left_at_the_sites_is_kept_and_the_log_is_stamped() {
    let (mut house, store, head) = due();
    let now_s = house.clock.now().as_second();
    let size = head.checkpoint.size;
    drop(store);
    house.config.seams = Seams::with(Break::at(store::seams::STAMP_PLACED) as Arc<dyn Seam>);
    let store = house.open();
    let first = stamp(&head, now_s - 30);
    let killed = store.keep_stamp(Log::Records, first.clone(), genuine).expect_err("killed").to_string();
    assert!(killed.contains("killed here"), "{killed}");
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), None);
    until(|| SITES.iter().all(|site| file(&house, site, size).exists()));
    drop(store);

    house.config.seams = Seams::default();
    let store = house.open();
    let due = store.checkpoint_to_stamp(Log::Records, 3_600).expect("read").expect("still due: the log has not grown");
    assert_eq!(due.checkpoint, head.checkpoint);
    store.keep_stamp(Log::Records, stamp(&due, now_s), genuine).expect("kept");
    let kept = store.newest_stamp(Log::Records).expect("read").expect("there is one");
    assert_eq!((&kept.token, kept.time_s), (&first.token, first.time_s), "the one that is there");
    everywhere(&house, size, &first.token);
    assert_eq!(store.checkpoint_to_stamp(Log::Records, 3_600).expect("read"), None, "nothing is due");
    let (proof, _) = store.stamped_proof(Log::Records, 0).expect("read").expect("it is stamped");
    assert_eq!(proof.time_stamp(), Some(&first.token[..]));
    // What the database has once stays.
    store.keep_stamp(Log::Records, stamp(&head, now_s - 60), genuine).expect("nothing to do");
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), Some(kept));
    everywhere(&house, size, &first.token);
}

#[test]
fn what_is_no_token_of_the_checkpoint_makes_way() {
    let (house, store, head) = due();
    let (now_s, size) = (house.clock.now().as_second(), head.checkpoint.size);
    for site in SITES {
        lay(&house, site, size, b"rubbish");
    }
    let new = stamp(&head, now_s);
    store.keep_stamp(Log::Records, new.clone(), genuine).expect("kept");
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), Some(new.clone()));
    everywhere(&house, size, &new.token);
}

#[test]
fn of_several_genuine_tokens_the_oldest_comes_to_lie_everywhere() {
    let (house, store, head) = due();
    let (now_s, size) = (house.clock.now().as_second(), head.checkpoint.size);
    let (older, newer) = (stamp(&head, now_s - 60), stamp(&head, now_s - 30));
    lay(&house, "site-a", size, &newer.token);
    lay(&house, "site-b", size, &older.token);
    lay(&house, "site-c", size, b"rubbish");
    store.keep_stamp(Log::Records, stamp(&head, now_s), genuine).expect("kept");
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), Some(older.clone()));
    everywhere(&house, size, &older.token);
}

#[test]
fn one_site_that_has_something_else_keeps_nothing_up() {
    let (house, store, head) = due();
    let (now_s, size) = (house.clock.now().as_second(), head.checkpoint.size);
    lay(&house, "site-c", size, b"rubbish");
    let new = stamp(&head, now_s);
    store.keep_stamp(Log::Records, new.clone(), genuine).expect("a quorum has taken it");
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), Some(new.clone()));
    everywhere(&house, size, &new.token);
}
