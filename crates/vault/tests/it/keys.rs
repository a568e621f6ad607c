//! Keys: made once, durable before used, kept apart, and lost by nobody.

use crate::common::{Folders, Table, depositor_of, group_name, institution, job, patient, random, reader};
use base::Id16;
use policy::{Action, InstitutionCode, Owner};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use vault::{FileKeyProvider, KeyError, KeyId, KeyIndex, KeyName, KeyStores, Keyring, Parent, WrappedKey};

fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come about");
}

#[test]
fn a_group_has_one_key_and_its_parents_are_shared() {
    let folders = Folders::new();
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    let deposit = depositor_of(&institution());
    let first = ring.group(&deposit, &group_name(patient("1"))).expect("made");
    let again = ring.group(&deposit, &group_name(patient("1"))).expect("found");
    assert_eq!(first.id(), again.id());
    let mut later = group_name(patient("1"));
    later.expiry_year = 2040;
    assert_ne!(ring.group(&deposit, &later).expect("made").id(), first.id());
    let new = ring.persist_new().expect("durable");
    let names: Vec<_> = new.keys().iter().map(|key| key.name.clone()).collect();
    assert_eq!(names.len(), 4, "shard, patient and two groups: {names:?}");
    assert!(matches!((&names[0], &names[1]), (KeyName::Shard(_), KeyName::Owner(Owner::Patient(_)))));
    table.insert(new.keys());
    new.inserted();
    assert!(ring.persist_new().expect("nothing new").keys().is_empty());
    let other = folders.ring(table, 2);
    assert_eq!(other.group(&deposit, &group_name(patient("1"))).expect("found").id(), first.id());
}

#[test]
fn keys_that_nobody_inserted_are_handed_over_again() {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    ring.access(2026).expect("made");
    let first = ring.persist_new().expect("durable").keys().to_vec();
    let size = || fs::metadata(folders.path("k1").join("0001.keys")).map_or(0, |meta| meta.len());
    until("the first store's file", || size() > 8);
    let before = size();
    let second = ring.persist_new().expect("durable");
    assert_eq!(second.keys(), first);
    second.inserted();
    assert_eq!(size(), before, "they are durable once");
    assert!(ring.persist_new().expect("nothing new").keys().is_empty());
}

#[test]
fn permits_are_looked_at() {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    let name = group_name(patient("1"));
    let refused = |result: Result<_, KeyError>| matches!(result, Err(KeyError::Refused { .. }));
    let other = InstitutionCode::new("99900009").expect("a code");
    assert!(refused(ring.group(&depositor_of(&other), &name)));
    assert!(refused(ring.group(&job(Action::Seal), &name)));
    assert!(refused(ring.group(&reader(patient("1"), Action::ReadRecord), &name)), "a reader makes no key");
    ring.group(&depositor_of(&institution()), &name).expect("made");
    ring.group(&reader(patient("1"), Action::Issue), &name).expect("found");
    assert!(refused(ring.group(&reader(patient("2"), Action::Issue), &name)));
    let stores = folders.key_stores();
    assert!(matches!(stores.mend(&job(Action::Seal)), Err(KeyError::Refused { .. })));
}

#[test]
fn two_key_stores_are_needed_and_a_third_catches_up() {
    let folders = Folders::new();
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    fs::rename(folders.path("k3"), folders.path("away3")).expect("unplugged");
    ring.access(2026).expect("made");
    let new = ring.persist_new().expect("two are enough");
    table.insert(new.keys());
    new.inserted();
    fs::rename(folders.path("k2"), folders.path("away2")).expect("unplugged");
    ring.access(2027).expect("made");
    let error = ring.persist_new().err().expect("one is not enough").to_string();
    assert!(error.starts_with("1 of 2 needed key stores took the new keys: "), "{error}");
    assert!(error.contains("k2: folder ") && error.contains("is missing; mount"), "{error}");
    fs::rename(folders.path("away2"), folders.path("k2")).expect("plugged in");
    fs::rename(folders.path("away3"), folders.path("k3")).expect("plugged in");
    assert_eq!(ring.persist_new().expect("still pending").keys().len(), 1);
    let stores = folders.key_stores();
    until("three equal stores", || {
        let third = KeyStores::open(vec![folders.key_store_configs()[2].clone()], 1).expect("opened");
        third.load_index().is_ok_and(|index| index.keys().count() == 2)
    });
    let report = stores.mend(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.keys, report.quarantined.len(), report.faults.len()), (2, 0, 0), "{report:?}");
}

#[test]
fn a_damaged_record_is_passed_over_and_the_others_answer() {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    for year in 2020..2030 {
        ring.access(year).expect("made");
    }
    drop(ring.persist_new().expect("durable"));
    until("all stores", || {
        ["k1", "k2", "k3"]
            .iter()
            .all(|name| fs::read(folders.path(name).join("0001.keys")).is_ok_and(|bytes| bytes.len() > 1000))
    });
    drop(ring);
    let path = folders.path("k2").join("0001.keys");
    let good = fs::read(&path).expect("there");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&path, &bad).expect("damaged");
    let alone =
        |name: usize| KeyStores::open(vec![folders.key_store_configs()[name].clone()], 1).expect("opened").load_index();
    let index = alone(1).expect("readable");
    assert_eq!((index.keys().count(), index.quarantined.len()), (9, 1));
    let quarantined = &index.quarantined[0];
    assert!(quarantined.bytes.contains(&middle) && !quarantined.tail && quarantined.store == "k2");
    let all = folders.key_stores().load_index().expect("readable");
    // The comparison at opening may be appending right now, which looks like a torn end.
    let damaged = all.quarantined.iter().filter(|one| !one.tail).count();
    assert_eq!((all.keys().count(), damaged), (10, 1));
    let report = folders.key_stores().mend(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.keys, report.faults.len()), (10, 0));
    assert_eq!(alone(1).expect("readable").keys().count(), 10, "the lost key is there again");
    assert!(fs::read(&path).expect("there").starts_with(&bad), "nothing was overwritten");
    // A torn end is told apart from damage, and nothing is appended behind it.
    fs::write(&path, &good[..good.len() - 5]).expect("torn");
    let torn = alone(1).expect("readable");
    assert!(torn.quarantined[0].tail);
    // No store at all is an error that says so.
    for name in ["k1", "k2", "k3"] {
        fs::remove_dir_all(folders.path(name)).expect("gone");
    }
    let stores = KeyStores::open(folders.key_store_configs(), 2).expect("opened");
    assert!(stores.load_index().expect_err("nothing to read").to_string().contains("is missing"));
}

#[test]
fn more_than_is_kept_in_memory_is_written_before_it_is_acknowledged() {
    let folders = Folders::new();
    KeyStores::create(&folders.key_store_configs()).expect("made");
    let stores = KeyStores::open_as_they_are(folders.key_store_configs(), 3).expect("opened");
    let key = |number: u16| WrappedKey {
        id: KeyId(Id16::derived(&["key", &number.to_string()])),
        parent: Parent::Root("root".to_owned()),
        name: KeyName::Access { year: number },
        wrapped: vec![7; 4000],
    };
    let keys: Vec<_> = (0..2300).map(key).collect();
    assert_eq!(stores.append(&keys).expect("durable").stores.len(), 3);
    for store in stores.compare() {
        assert_eq!((store.keys, store.missing, store.fault), (2300, 0, None), "{}", store.name);
    }
}

#[test]
fn a_key_store_that_is_emptied_while_in_use_is_filled_again() {
    let folders = Folders::new();
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    let make = |year: u16| {
        ring.access(year).expect("made");
        let new = ring.persist_new().expect("durable");
        table.insert(new.keys());
        new.inserted();
    };
    let look = || KeyStores::open_as_they_are(folders.key_store_configs(), 2).expect("opened").compare();
    make(2026);
    until("three equal stores", || look().iter().all(|store| (store.keys, store.missing) == (1, 0)));
    fs::remove_file(folders.path("k3").join("0001.keys")).expect("there");
    let third = look().swap_remove(2);
    assert_eq!((third.keys, third.missing, third.newest), (0, 1, None));
    assert!(look()[0].newest.is_some());
    make(2027);
    until("three equal stores again", || look().iter().all(|store| (store.keys, store.missing) == (2, 0)));
    // Gone as a whole and set up anew, as after a lost disk.
    fs::remove_dir_all(folders.path("k3")).expect("gone");
    make(2028);
    assert!(matches!(look()[2].fault, Some(vault::Fault::Missing(_))));
    KeyStores::create(&folders.key_store_configs()).expect("set up anew");
    until("three equal stores after a lost disk", || look().iter().all(|store| (store.keys, store.missing) == (3, 0)));
}

#[test]
fn a_key_store_of_another_installation_is_told_and_left_alone() {
    let (folders, others) = (Folders::new(), Folders::new());
    for (place, installation) in [(&folders, Id16([1; 16])), (&others, Id16([2; 16]))] {
        let ring = place.ring(Arc::new(Table::default()), 1);
        ring.access(2026).expect("made");
        drop(ring.persist_new().expect("durable"));
        drop(ring);
        let stores = place.key_stores();
        stores.belong(installation).expect("nobody's");
        until("settled", || stores.is_settled());
        stores.mark(installation);
    }
    fs::remove_dir_all(folders.path("k3")).expect("gone");
    fs::rename(others.path("k3"), folders.path("k3")).expect("mounted in the wrong place");
    let before = fs::read(folders.path("k3").join("0001.keys")).expect("there");
    let stores = KeyStores::open_as_they_are(folders.key_store_configs(), 2).expect("two are ours");
    stores.belong(Id16([1; 16])).expect("two are ours");
    let is_foreign = |fault: &vault::Fault| matches!(fault, vault::Fault::Foreign(_));
    assert!(stores.compare()[2].fault.as_ref().is_some_and(is_foreign));
    assert!(stores.status()[2].last_fault.as_ref().is_some_and(is_foreign));
    let mended = stores.mend(&job(Action::Repair)).expect("permitted");
    assert_eq!((mended.keys, mended.copied), (1, 0));
    assert!(matches!(&mended.faults[..], [fault] if fault.name == "k3" && is_foreign(&fault.fault)), "{mended:?}");
    assert_eq!(fs::read(folders.path("k3").join("0001.keys")).expect("there"), before);
}

#[test]
fn the_wrong_root_key_is_refused_at_once() {
    let folders = Folders::new();
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    ring.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("made");
    let new = ring.persist_new().expect("durable");
    table.insert(new.keys());
    new.inserted();
    let other = Arc::new(FileKeyProvider::create(&folders.path("other.key"), random(99)).expect("made"));
    let error = Keyring::open(other, folders.key_stores(), table.clone(), random(2)).err().expect("refused");
    assert!(matches!(error, KeyError::OtherRoot { .. }), "{error}");
    assert!(error.to_string().contains("use the key file made with this installation"));
    // A key moved to another place, or changed, does not unwrap either.
    table.change(|rows| rows.iter_mut().for_each(|key| key.wrapped[20] ^= 1));
    let ring = Keyring::open(folders.root_key(), folders.key_stores(), table, random(2));
    assert!(matches!(ring.err().expect("refused"), KeyError::NotAuthentic { .. }));
}

#[test]
fn keys_that_name_each_other_as_parents_are_refused() {
    let folders = Folders::new();
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    let deposit = depositor_of(&institution());
    ring.group(&deposit, &group_name(patient("1"))).expect("made");
    let new = ring.persist_new().expect("durable");
    table.insert(new.keys());
    new.inserted();
    table.change(|rows| {
        let owner = rows.iter().position(|key| matches!(key.name, KeyName::Owner(_))).expect("there");
        let group = rows.iter().find(|key| matches!(key.name, KeyName::Group(_))).expect("there").id;
        rows[owner].parent = vault::Parent::Key(group);
    });
    let ring = folders.ring(table, 2);
    let error = ring.group(&deposit, &group_name(patient("1"))).expect_err("refused");
    assert!(matches!(error, KeyError::NotAuthentic { .. }), "{error}");
}

#[test]
fn a_secret_is_one_secret_even_when_the_table_was_not_written() {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    let first = ring.secret("person-ci").expect("made");
    assert_eq!(ring.secret("person-ci").expect("pending"), first);
    assert_ne!(ring.secret("content-hash").expect("made"), first);
    drop(ring.persist_new().expect("durable"));
    drop(ring);
    // The process died before the table had it; the next one takes it from the key stores.
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 2);
    assert_eq!(ring.secret("person-ci").expect("taken up"), first);
    let new = ring.persist_new().expect("durable");
    assert_eq!(new.keys().len(), 1);
    table.insert(new.keys());
    new.inserted();
    assert_eq!(folders.ring(table.clone(), 3).secret("person-ci").expect("found"), first);
    assert!(table.by_name(&KeyName::Secret("person-ci".to_owned())).expect("asked").is_some());
    for bad in ["", "Person", "a b"] {
        assert!(matches!(ring.secret(bad), Err(KeyError::BadLabel { .. })));
    }
}

#[test]
fn two_processes_append_to_files_of_their_own() {
    let folders = Folders::new();
    let (one, two) = (folders.ring(Arc::new(Table::default()), 1), folders.ring(Arc::new(Table::default()), 2));
    one.access(2026).expect("made");
    two.access(2027).expect("made");
    drop((one.persist_new().expect("durable"), two.persist_new().expect("durable")));
    until("two files everywhere", || {
        ["k1", "k2", "k3"].iter().all(|name| fs::read_dir(folders.path(name)).is_ok_and(|dir| dir.count() == 3))
    });
    assert_eq!(folders.key_stores().load_index().expect("readable").keys().count(), 2);
}

#[test]
fn one_name_asked_for_by_many_threads_is_made_once() {
    let folders = Folders::new();
    let ring = folders.ring(Arc::new(Table::default()), 1);
    let deposit = depositor_of(&institution());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..50 {
                    ring.group(&deposit, &group_name(patient(&number.to_string()))).expect("made");
                }
            });
        }
    });
    let new = ring.persist_new().expect("durable");
    let groups = new.keys().iter().filter(|key| matches!(key.name, KeyName::Group(_))).count();
    assert_eq!(groups, 50);
}
