//! The access journal: what cannot be recorded is not shown, and what was recorded is not lost.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::Duration;

use base::Id16;
use policy::{Action, Door, Role, Target};
use store::{AccessPage, AskError, Query, Store, StoreError};

use crate::support::*;

fn entries(store: &Store, account: Id16, owner: policy::Owner) -> usize {
    let permit = person(store, account, &[owner], Action::ReadAccessLog);
    let all = store.access_log(&permit, &AccessPage::default()).expect("the log").entries;
    all.iter().filter(|logged| logged.entry.action != "read-access-log").count()
}

#[test]
fn a_full_disk_under_the_journal_refuses_access() {
    let house = House::new();
    let owner = patient("p1");
    let account = Id16([7; 16]);
    {
        let store = house.open();
        let written = write(&store, owner, &[("Condition", "c1", "x")]);
        store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    }
    let active = house.folder().join("journal").join("000.jrn");
    symlink("/dev/full", &active).expect("a link");
    let store = house.open();
    let read = person(&store, account, &[owner], Action::ReadRecord);
    let refused = |result: Result<(), StoreError>| match result {
        Err(StoreError::JournalUnavailable { reason }) => assert!(reason.contains("No space left"), "{reason}"),
        other => panic!("access must be refused: {other:?}"),
    };
    refused(store.read(&read, &[key(&store, owner, "Condition", "c1")]).map(drop));
    refused(store.search(&read, &Query::default()).map(drop));
    refused(store.history(&read, &key(&store, owner, "Condition", "c1")).map(drop));
    refused(store.refuse_beyond(&policy::Door::standard().expect("the door"), &read, &[Id16([9; 16])]));
    let denied = store.ask(
        &Door::standard().expect("the door"),
        request(Role::Patient, account, Action::ReadRecord, Target::Patient(owner.id())),
    );
    assert!(matches!(denied, Err(AskError::Store(StoreError::JournalUnavailable { .. }))), "{denied:?}");
    // Writing goes on: the journal is for who looks.
    write_one(&store, owner, "Condition", "c2", "x");
    // The disk has room again: access is granted again, without a restart.
    std::fs::remove_file(&active).expect("the link");
    assert_eq!(store.read(&read, &[key(&store, owner, "Condition", "c1")]).expect("read").len(), 1);
    assert_eq!(entries(&store, account, owner), 1);
}

#[test]
fn a_probe_tells_of_a_full_disk() {
    let house = House::new();
    let store = house.open();
    store.probe().expect("there is room");
    let probe = house.folder().join("locks").join("probe");
    assert!(!probe.exists(), "a probe leaves nothing");
    symlink("/dev/full", &probe).expect("a link");
    let fault = store.probe().expect_err("no room").to_string();
    assert!(fault.contains("No space left"), "{fault}");
}

#[test]
fn entries_of_a_process_that_died_are_taken_over_once() {
    let house = House::new();
    let owner = patient("p1");
    let account = Id16([7; 16]);
    let journal = house.folder().join("journal");
    {
        let mut quiet = House::at(&house.root);
        quiet.config.sequencer = false;
        let store = quiet.open();
        write_one(&store, owner, "Condition", "c1", "x");
        let read = person(&store, account, &[owner], Action::ReadRecord);
        for _ in 0..3 {
            store.read(&read, &[key(&store, owner, "Condition", "c1")]).expect("read");
        }
    }
    let active = journal.join("000.jrn");
    // The same entries once more, as if the process had died after moving them and before removing the file; and from a
    // second slot, whose process is dead.
    let copy = std::fs::read(&active).expect("entries are left");
    std::fs::write(journal.join("007.jrn"), &copy).expect("a copy");
    std::fs::write(journal.join("000-00000000000000000000000000000001.jrn"), &copy).expect("a copy");
    let store = house.open();
    assert_eq!(entries(&store, account, owner), 3);
    for _ in 0..200 {
        if !journal.join("007.jrn").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!journal.join("007.jrn").exists(), "the dead process's file is moved");
    assert_eq!(entries(&store, account, owner), 3, "nothing is doubled");
    let doubled = "SELECT count(*) - count(DISTINCT id) FROM access_entry";
    assert_eq!(count(&house, doubled), 0);
}

#[test]
fn a_torn_end_is_kept_beside_and_the_rest_is_taken() {
    let house = House::new();
    let owner = patient("p1");
    let account = Id16([7; 16]);
    let journal = house.folder().join("journal");
    {
        let mut quiet = House::at(&house.root);
        quiet.config.sequencer = false;
        let store = quiet.open();
        write_one(&store, owner, "Condition", "c1", "x");
        let read = person(&store, account, &[owner], Action::ReadRecord);
        for _ in 0..2 {
            store.read(&read, &[key(&store, owner, "Condition", "c1")]).expect("read");
        }
    }
    let active = journal.join("000.jrn");
    let torn = b"\0\0\x02\0half of a record that nobody was told of";
    std::fs::OpenOptions::new().append(true).open(&active).expect("the file").write_all(torn).expect("written");
    let store = house.open();
    assert_eq!(entries(&store, account, owner), 2);
    let kept: Vec<_> = std::fs::read_dir(&journal)
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "torn"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::read(&kept[0]).expect("read"), torn);
}

#[test]
fn many_readers_share_fsyncs_and_every_read_is_recorded() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    write_one(&store, owner, "Condition", "c1", "x");
    let account = Id16([7; 16]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                let read = person(&store, account, &[owner], Action::ReadRecord);
                for _ in 0..25 {
                    assert_eq!(store.read(&read, &[key(&store, owner, "Condition", "c1")]).expect("read").len(), 1);
                }
            });
        }
    });
    assert_eq!(entries(&store, account, owner), 200);
}
