//! The access log as the watch reads it: in order, for a job alone, with every hole; and how soon people see an access.

use std::time::{Duration, Instant};

use base::Id16;
use policy::{Action, Door, Permit};
use store::{AccessPage, Checked, Hole, Store, StoreError};

use crate::support::*;

const ACCOUNT: Id16 = Id16([7; 16]);
/// The bar for what another process did.
const SOON: Duration = Duration::from_secs(2);

fn job(store: &Store) -> Permit {
    store.ask_job(&Door::standard().expect("the door"), "watch", Action::WatchAccesses).expect("a job may watch")
}

fn read(store: &Store, owner: policy::Owner, times: usize) {
    let permit = person(store, ACCOUNT, &[owner], Action::ReadRecord);
    for _ in 0..times {
        store.read(&permit, &[key(store, owner, "Condition", "c1")]).expect("read");
    }
}

/// Waits until so many entries are in the table and under a checkpoint.
fn sealed(house: &House, entries: i64) {
    let begun = Instant::now();
    while count(house, "SELECT count(*) FROM leaf WHERE kind = 3") < entries {
        assert!(begun.elapsed() < PATIENCE, "the entries are not sealed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_watch_sees_every_entry_in_order_and_nobody_else_does() {
    let house = House::new();
    let store = house.open();
    let owners = [patient("p1"), patient("p2")];
    for owner in owners {
        write_one(&store, owner, "Condition", "c1", "x");
        read(&store, owner, 3);
    }
    sealed(&house, 6);
    let permit = job(&store);
    let first = store.watched(&permit, 0, 4).expect("watched");
    let rest = store.watched(&permit, first[3].number, 100).expect("watched");
    let numbers: Vec<u64> = first.iter().chain(&rest).map(|one| one.number).collect();
    assert_eq!(numbers, (1..=6).collect::<Vec<u64>>());
    let subjects: Vec<Id16> =
        first.iter().chain(&rest).map(|one| one.entry.as_ref().expect("it opens").subject).collect();
    assert_eq!(subjects, [owners[0].id(); 3].into_iter().chain([owners[1].id(); 3]).collect::<Vec<_>>());
    for action in [Action::ReadAccessLog, Action::ReadRecord] {
        let own = person(&store, ACCOUNT, &owners, action);
        assert!(matches!(store.watched(&own, 0, 10), Err(StoreError::Scope { .. })));
        assert!(matches!(store.access_holes(&own, Checked::default()), Err(StoreError::Scope { .. })));
    }
    let refused = store.access_log(&permit, &AccessPage::default());
    assert!(matches!(refused, Err(StoreError::Action { .. })), "the job does not read as people do");
}

/// A resource that was read so many times, each with its entry under a checkpoint.
fn read_times(times: i64) -> (House, Store) {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    write_one(&store, owner, "Condition", "c1", "x");
    read(&store, owner, times as usize);
    sealed(&house, times);
    (house, store)
}

#[test]
fn holes_are_found_where_they_are_and_nowhere_else() {
    let (house, store) = read_times(9);
    let permit = job(&store);
    let (holes, checked) = store.access_holes(&permit, Checked::default()).expect("looked");
    assert_eq!((holes, checked), (vec![], Checked { number: 9, leaves: 9 }));
    assert_eq!(store.torn_journals().expect("looked"), Vec::<String>::new());
    look(&house).execute_batch("DELETE FROM access_entry WHERE row IN (3, 4)").expect("deleted");
    let (holes, _) = store.access_holes(&permit, Checked::default()).expect("looked");
    assert_eq!(holes, [Hole::Entries { from: 3, to: 4 }]);
    look(&house).execute_batch("DELETE FROM leaf WHERE kind = 3 AND row IN (6, 7)").expect("deleted");
    let (holes, _) = store.access_holes(&permit, Checked::default()).expect("looked");
    assert_eq!(
        holes,
        [Hole::Entries { from: 3, to: 4 }, Hole::NoLeaf { from: 6, to: 7 }, Hole::Leaves { from: 5, to: 6 }]
    );
    let numbers: Vec<u64> = store.watched(&permit, 0, 100).expect("watched").iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2, 5, 6, 7, 8, 9]);
}

#[test]
fn an_entry_that_was_changed_is_unreadable_and_hides_no_other() {
    let (house, store) = read_times(3);
    look(&house)
        .execute_batch("UPDATE access_entry SET frame = zeroblob(length(frame)) WHERE row = 2")
        .expect("changed");
    let watched = store.watched(&job(&store), 0, 10).expect("watched");
    let readable: Vec<bool> = watched.iter().map(|one| one.entry.is_some()).collect();
    assert_eq!(readable, [true, false, true]);
}

#[test]
fn an_entry_whose_key_is_not_to_be_had_for_now_is_not_passed_over() {
    let (house, _store) = read_times(3);
    // Another process, which has opened no entry yet.
    let other = house.open();
    let permit = job(&other);
    look(&house).execute_batch("ALTER TABLE wrapped_key RENAME TO away").expect("renamed");
    assert!(other.watched(&permit, 0, 10).is_err(), "what is not read would be passed over for ever");
    look(&house).execute_batch("ALTER TABLE away RENAME TO wrapped_key").expect("renamed");
    let readable = || {
        let watched = other.watched(&permit, 0, 10).expect("watched");
        watched.iter().map(|one| one.entry.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(readable(), [true; 3]);
    // A key that nobody has, while that of the year is there: the entry was changed.
    let change = "UPDATE access_entry SET frame = CAST(substr(frame, 1, 4) || randomblob(16) || substr(frame, 21) AS BLOB) WHERE row = 2";
    look(&house).execute_batch(change).expect("changed");
    assert_eq!(readable(), [true, false, true]);
    for time in ["0", "9223372036854775807", "'x'"] {
        look(&house)
            .execute_batch(&format!("UPDATE access_entry SET time_us = {time} WHERE row = 2"))
            .expect("changed");
        assert_eq!(readable(), [true, false, true], "whatever it says of when it was: {time}");
    }
    look(&house).execute_batch("UPDATE access_entry SET frame = 'no bytes' WHERE row = 1").expect("changed");
    assert_eq!(readable(), [false, false, true]);
}

/// How long it takes until the data subject sees one entry more in `here`.
fn seen_after(here: &Store, owner: policy::Owner, access: impl FnOnce()) -> Duration {
    let permit = person(here, ACCOUNT, &[owner], Action::ReadAccessLog);
    let entries = || {
        let log = here.access_log(&permit, &AccessPage::default()).expect("the log").entries;
        log.iter().filter(|logged| logged.entry.action == "read-record").count()
    };
    let before = entries();
    access();
    let begun = Instant::now();
    while entries() == before {
        assert!(begun.elapsed() < PATIENCE, "it never comes");
        std::thread::sleep(Duration::from_millis(10));
    }
    begun.elapsed()
}

#[test]
fn what_another_process_did_is_seen_within_two_seconds_whatever_the_sites_do() {
    let house = House::new();
    let (here, there) = (house.open(), house.open());
    let owner = patient("p1");
    write_one(&here, owner, "Condition", "c1", "x");
    read(&there, owner, 1);
    let took = seen_after(&here, owner, || read(&there, owner, 1));
    assert!(took < SOON, "{took:?} while all is well");
    house.hide_site("site-a");
    house.hide_site("site-b");
    for _ in 0..3 {
        let took = seen_after(&here, owner, || read(&there, owner, 1));
        assert!(took < SOON, "{took:?} while sites are away");
    }
    house.show_site("site-a");
    house.show_site("site-b");
}
