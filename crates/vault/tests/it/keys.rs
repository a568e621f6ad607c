//! Keys: made once, durable before used, kept apart, and lost by nobody.

use crate::common::{Folders, Table, depositor_of, group_name, institution, job, patient, random, reader};
use base::Id16;
use policy::{Action, InstitutionCode, Owner};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use vault::{
    Cause, Destroyed, FileKeyProvider, KeyError, KeyId, KeyIndex, KeyName, KeyStores, Keyring, Parent, WrappedKey,
};

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
    let alone =
        |name: usize| KeyStores::open(vec![folders.key_store_configs()[name].clone()], 1).expect("opened").load_index();
    // A store that was behind for a moment may have a key twice: then both are damaged. Of one that is at the end the end is torn.
    let places_of = |id: &[u8; 16]| (0..good.len() - 16).filter(|at| good[*at..*at + 16] == id[..]).collect::<Vec<_>>();
    let before = alone(1).expect("readable");
    let places = before.keys().map(|key| places_of(&key.id.0.0)).min_by_key(|places| places.last().copied());
    let places = places.expect("ten keys");
    let mut bad = good.clone();
    places.iter().for_each(|at| bad[*at] ^= 1);
    // The comparison of the ring's opening may be at work still and bring the key back: then it is looked at once more.
    let index = loop {
        fs::write(&path, &bad).expect("damaged");
        let index = alone(1).expect("readable");
        if fs::read(&path).expect("there") == bad {
            break index;
        }
    };
    assert_eq!((index.keys().count(), index.quarantined.len()), (9, places.len()));
    let is_damage = |one: &vault::keys::Quarantined| one.bytes.contains(&places[0]) && !one.tail && one.store == "k2";
    assert!(index.quarantined.iter().any(is_damage));
    let all = folders.key_stores().load_index().expect("readable");
    // The comparison at opening may be appending right now, which looks like a torn end.
    let damaged = all.quarantined.iter().filter(|one| !one.tail).count();
    assert_eq!((all.keys().count(), damaged), (10, places.len()));
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
    assert_eq!(ring.made_secret("person-ci").expect("asked"), None, "asking makes none");
    let first = ring.secret("person-ci").expect("made");
    assert_eq!(ring.secret("person-ci").expect("pending"), first);
    assert_eq!(ring.made_secret("person-ci").expect("pending"), Some(first.clone()));
    assert_ne!(ring.secret("content-hash").expect("made"), first);
    drop(ring.persist_new().expect("durable"));
    drop(ring);
    // The process died before the table had it; the next one takes it from the key stores.
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 2);
    assert_eq!(ring.made_secret("person-ci").expect("taken up"), Some(first.clone()));
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
        ["k1", "k2", "k3"].iter().all(|name| {
            let files = fs::read_dir(folders.path(name)).expect("there").flatten();
            files.filter(|file| file.path().extension().is_some_and(|end| end == "keys")).count() == 2
        })
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

/// A world with one patient's keys in three equal stores, and what destroys them.
fn with_a_patient(folders: &Folders) -> (Arc<Table>, KeyStores, Vec<WrappedKey>) {
    let table = Arc::new(Table::default());
    let ring = folders.ring(table.clone(), 1);
    let deposit = depositor_of(&institution());
    for one in ["1", "2"] {
        ring.group(&deposit, &group_name(patient(one))).expect("made");
    }
    let new = ring.persist_new().expect("durable");
    table.insert(new.keys());
    let keys = new.keys().to_vec();
    new.inserted();
    drop(ring);
    let stores = folders.key_stores();
    until("three equal stores", || stores.compare().iter().all(|store| store.missing == 0 && store.keys == keys.len()));
    stores.trust([9; 32]);
    let owner = patient("1");
    let goes = |key: &&WrappedKey| match &key.name {
        KeyName::Owner(one) => *one == owner,
        KeyName::Group(group) => group.owner == owner,
        _ => false,
    };
    let going = keys.iter().filter(goes).cloned().collect();
    (table, stores, going)
}

fn entries(keys: &[WrappedKey]) -> Vec<Destroyed> {
    keys.iter().map(|key| Destroyed::new(&[9; 32], key.id, Cause::Shred, Id16([8; 16]), 7)).collect()
}

/// Whether the bytes of a wrapped key stand in any file of a store.
fn holds(folders: &Folders, store: &str, key: &WrappedKey) -> bool {
    fs::read_dir(folders.path(store)).expect("there").any(|entry| {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a file");
        bytes.windows(key.wrapped.len()).any(|window| window == key.wrapped)
    })
}

#[test]
fn a_destroyed_key_is_gone_from_every_store_and_the_others_stay() {
    let folders = Folders::new();
    let (_, stores, going) = with_a_patient(&folders);
    assert_eq!(going.len(), 2, "the patient and the group");
    assert!(matches!(stores.destroy(&job(Action::Seal), &entries(&going)), Err(KeyError::Refused { .. })));
    stores.destroy(&job(Action::Repair), &entries(&going)).expect("listed");
    assert!(stores.load_index().expect("read").keys().all(|key| going.iter().all(|gone| gone.id != key.id)));
    assert!(holds(&folders, "k1", &going[0]), "still in the file");
    assert!(stores.compare().iter().all(|store| store.dead >= 2), "{:?}", stores.compare());
    let compacted = stores.compact(&job(Action::Repair), Duration::from_secs(10)).expect("permitted");
    for store in &compacted {
        assert!(store.is_clean() && store.removed >= 2, "{store:?}");
        assert!(!going.iter().any(|key| holds(&folders, &store.store, key)), "{} has it in a file", store.store);
    }
    let left = stores.load_index().expect("read");
    assert_eq!((left.keys().count(), left.quarantined.len()), (4, 0), "two shards, and the other patient's");
    // Compacting again finds nothing.
    let again = stores.compact(&job(Action::Repair), Duration::from_secs(10)).expect("permitted");
    assert!(again.iter().all(|store| store.is_clean() && store.removed == 0));
}

#[test]
fn a_store_that_was_away_brings_no_destroyed_key_back() {
    let folders = Folders::new();
    let (_, stores, going) = with_a_patient(&folders);
    fs::rename(folders.path("k3"), folders.path("away")).expect("unplugged");
    stores.destroy(&job(Action::Repair), &entries(&going)).expect("two are enough");
    let compacted = stores.compact(&job(Action::Repair), Duration::from_secs(10)).expect("permitted");
    assert_eq!(compacted.iter().filter(|store| store.is_clean()).count(), 2);
    assert!(compacted[2].fault.is_some(), "one is not there to be compacted");
    fs::rename(folders.path("away"), folders.path("k3")).expect("plugged in");
    assert!(holds(&folders, "k3", &going[0]));
    let mended = stores.mend(&job(Action::Repair)).expect("permitted");
    assert_eq!((mended.copied, mended.destroyed), (0, 2), "{mended:?}");
    assert!(!holds(&folders, "k1", &going[0]) && !holds(&folders, "k2", &going[0]));
    // The store that was away knows by itself now, and alone.
    let third = KeyStores::open_as_they_are(vec![folders.key_store_configs()[2].clone()], 1).expect("opened");
    assert_eq!(third.destroyed().expect("read").len(), 2);
    let compacted = stores.compact(&job(Action::Repair), Duration::from_secs(10)).expect("permitted");
    assert!(compacted.iter().all(vault::Compacted::is_clean), "{compacted:?}");
    assert!(!holds(&folders, "k3", &going[0]));
}

#[test]
fn whoever_writes_to_one_store_destroys_nothing_through_it() {
    let folders = Folders::new();
    let (_, stores, going) = with_a_patient(&folders);
    let forged = Destroyed::new(&[1; 32], going[0].id, Cause::Shred, Id16([8; 16]), 7);
    stores.destroy(&job(Action::Repair), &[forged]).expect("written");
    assert_eq!(stores.destroyed().expect("read"), []);
    let compacted = stores.compact(&job(Action::Repair), Duration::from_secs(10)).expect("permitted");
    assert!(compacted.iter().all(|store| store.removed == 0));
    assert!(stores.load_index().expect("read").keys().any(|key| key.id == going[0].id));
}

#[test]
fn programs_that_append_let_go_of_a_file_that_is_compacted() {
    let folders = Folders::new();
    let (table, stores, going) = with_a_patient(&folders);
    // Another program has a file open and goes on appending all the while.
    let ring = folders.ring(table, 3);
    let append = |year: u16| {
        ring.access(year).expect("made");
        drop(ring.persist_new().expect("durable"));
    };
    append(2000);
    stores.destroy(&job(Action::Repair), &entries(&going)).expect("listed");
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| stores.compact(&job(Action::Repair), Duration::from_secs(20)));
        let mut year = 2001;
        while !compacting.is_finished() {
            append(year);
            year += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        let compacted = compacting.join().expect("no panic").expect("permitted");
        assert!(compacted.iter().all(vault::Compacted::is_clean), "{compacted:?}");
        append(year);
        let index = stores.load_index().expect("read");
        let years = index.keys().filter(|key| matches!(key.name, KeyName::Access { .. })).count();
        assert_eq!(years, usize::from(year - 2000) + 1, "nothing that was appended is lost");
    });
    assert!(["k1", "k2", "k3"].iter().all(|store| !holds(&folders, store, &going[0])));
}

#[test]
fn keys_come_under_a_new_shard_and_open_under_both_until_the_old_one_goes() {
    let folders = Folders::new();
    let (table, stores, _) = with_a_patient(&folders);
    let ring = folders.ring(table.clone(), 3);
    let repair = job(Action::Repair);
    let (mut owner, mut shard) = (None, None);
    table.change(|rows| {
        owner = rows.iter().find(|key| key.name == KeyName::Owner(patient("1"))).cloned();
        shard = rows.iter().find(|key| key.name == KeyName::shard_of(patient("1"))).cloned();
    });
    let (owner, shard) = (owner.expect("there"), shard.expect("there"));
    let KeyName::Shard(number) = shard.name else { unreachable!("it is a shard") };
    let (new_shard, under) = ring.new_shard(&repair, number).expect("made");
    let renewed = ring.rewrap(&repair, &owner, &under).expect("rewrapped");
    assert_eq!((renewed.id, &renewed.name), (owner.id, &owner.name));
    assert_ne!(renewed.wrapped, owner.wrapped);
    assert!(matches!(ring.rewrap(&job(Action::Seal), &owner, &under), Err(KeyError::Refused { .. })));
    assert!(ring.rewrap(&repair, &shard, &under).is_err(), "a shard does not hang under a shard");
    stores.append(&[new_shard.clone(), renewed.clone()]).expect("durable");
    let group = ring.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("found").id();
    // The index has the new form, and every program opens the same group.
    table.insert(std::slice::from_ref(&new_shard));
    table.change(|rows| rows.iter_mut().filter(|key| key.id == owner.id).for_each(|key| *key = renewed.clone()));
    let again = folders.ring(table.clone(), 4);
    assert_eq!(again.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("found").id(), group);
    // A key under the old shard was opened meanwhile; the shard by name is the new one all the same.
    table.change(|rows| {
        rows.retain(|key| key.id != new_shard.id);
        rows.insert(0, new_shard.clone());
        rows.iter_mut().filter(|key| key.id == owner.id).for_each(|key| *key = owner.clone());
    });
    let meanwhile = folders.ring(table.clone(), 5);
    assert_eq!(meanwhile.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("found").id(), group);
    assert_eq!(meanwhile.shard(&repair, number).expect("found").id(), new_shard.id);
    drop(meanwhile);
    // The old shard goes, and with it the old form; the key stays.
    let retired = Destroyed::new(&[9; 32], shard.id, Cause::Retired, Id16([8; 16]), 7);
    stores.destroy(&repair, &[retired]).expect("listed");
    drop((ring, again));
    let compacted = stores.compact(&repair, Duration::from_secs(10)).expect("permitted");
    assert!(compacted.iter().all(vault::Compacted::is_clean), "{compacted:?}");
    let index = stores.load_index().expect("read");
    let found = index.keys().find(|key| key.id == owner.id).expect("the key is there");
    assert_eq!(found.parent, Parent::Key(new_shard.id));
    assert!(["k1", "k2", "k3"].iter().all(|store| !holds(&folders, store, &owner) && holds(&folders, store, &renewed)));
}

/// An index in which a rotation ends between the look for an owner's key and the one for the key above it.
struct Turning {
    table: Arc<Table>,
    owner: WrappedKey,
    renewed: Vec<WrappedKey>,
    old_shard: KeyId,
}

impl KeyIndex for Turning {
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError> {
        self.table.by_name(name)
    }

    fn by_id(&self, id: KeyId) -> Result<Option<WrappedKey>, KeyError> {
        let found = self.table.by_id(id);
        if id == self.owner.id {
            self.table.change(|rows| {
                rows.retain(|row| row.id != self.old_shard && row.id != self.owner.id);
                rows.extend(self.renewed.iter().filter(|key| !rows.contains(key)).cloned().collect::<Vec<_>>());
            });
        }
        found
    }
}

#[test]
fn a_key_whose_parent_is_rotated_away_while_it_is_looked_up_opens_under_the_new_one() {
    let folders = Folders::new();
    let (table, stores, _) = with_a_patient(&folders);
    let (mut owner, mut group, mut shard) = (None, None, None);
    table.change(|rows| {
        let named = |name: &KeyName| rows.iter().find(|key| key.name == *name).cloned();
        owner = named(&KeyName::Owner(patient("1")));
        group = named(&KeyName::Group(group_name(patient("1"))));
        shard = named(&KeyName::shard_of(patient("1")));
    });
    let (owner, group, shard) = (owner.expect("there"), group.expect("there"), shard.expect("there"));
    let KeyName::Shard(number) = shard.name else { unreachable!("it is a shard") };
    let repair = job(Action::Repair);
    let ring = folders.ring(table.clone(), 3);
    let (new_shard, under) = ring.new_shard(&repair, number).expect("made");
    let renewed = vec![ring.rewrap(&repair, &owner, &under).expect("rewrapped"), new_shard];
    drop((ring, stores));
    let turning = Turning { table, owner, renewed, old_shard: shard.id };
    let ring = folders.ring(Arc::new(turning), 4);
    let found = ring.group(&depositor_of(&institution()), &group_name(patient("1"))).expect("found");
    assert_eq!(found.id(), group.id);
}

#[test]
fn a_backup_brings_back_what_was_lost_and_nothing_that_was_destroyed() {
    let folders = Folders::new();
    let (_, stores, going) = with_a_patient(&folders);
    let (ours, theirs) = (Id16([1; 16]), Id16([2; 16]));
    let repair = job(Action::Repair);
    let made: base::Timestamp = "2026-11-26T00:00:00Z".parse().expect("a moment");
    let day = |days: i64| made.checked_add(jiff_days(days)).expect("a moment");
    let backup = stores.backup(&repair, folders.base.path(), ours, made).expect("made");
    assert!(backup.folder.ends_with("hanmaru-keys-20261126T000000Z"));
    assert!(stores.backup(&repair, folders.base.path(), ours, made).is_err(), "never replaced");
    // Erased after the backup was made; then every key store is lost but for the lists, as on new disks that were mended.
    stores.destroy(&repair, &entries(&going)).expect("listed");
    let lists: Vec<_> = ["k1", "k2", "k3"].map(|store| folders.path(store)).into();
    // What one of them lost is filled from the others, as long as one has it.
    until("nothing left", || {
        lists.iter().for_each(|folder| drop(fs::remove_file(folder.join("0001.keys"))));
        stores.load_index().expect("read").keys().count() == 0
    });
    let refused =
        |days, whose| stores.restore(&repair, &backup.folder, whose, day(days), 30).expect_err("refused").to_string();
    assert!(refused(30, ours).contains("30 days old"), "past its window");
    assert!(refused(1, theirs).contains("another installation"));
    let restored = stores.restore(&repair, &backup.folder, ours, day(29), 30).expect("restored");
    assert_eq!((restored.keys, restored.destroyed), (4, 2), "{restored:?}");
    let index = stores.load_index().expect("read");
    assert!(index.keys().count() == 4 && index.keys().all(|key| going.iter().all(|gone| gone.id != key.id)));
    // A changed byte is noticed before anything is written.
    let file = backup.folder.join("0001.keys");
    let mut bytes = fs::read(&file).expect("there");
    bytes[40] ^= 1;
    fs::write(&file, bytes).expect("damaged");
    assert!(refused(1, ours).contains("is damaged"));
}

#[test]
fn a_backup_brings_back_its_own_list_of_destroyed_keys_before_any_key() {
    let folders = Folders::new();
    let (_, stores, going) = with_a_patient(&folders);
    let (ours, repair) = (Id16([1; 16]), job(Action::Repair));
    let made: base::Timestamp = "2026-11-26T00:00:00Z".parse().expect("a moment");
    stores.destroy(&repair, &entries(&going)).expect("listed");
    let backup = stores.backup(&repair, folders.base.path(), ours, made).expect("made");
    until("nothing left", || {
        for store in ["k1", "k2", "k3"] {
            let files = fs::read_dir(folders.path(store)).expect("there").map(|entry| entry.expect("an entry").path());
            let is_kept = |path: &std::path::Path| path.extension().is_none_or(|end| end != "keys" && end != "gone");
            files.filter(|path| !is_kept(path)).for_each(|path| drop(fs::remove_file(path)));
        }
        stores.load_index().expect("read").keys().count() == 0 && stores.destroyed().expect("read").is_empty()
    });
    let restored = stores.restore(&repair, &backup.folder, ours, made, 30).expect("restored");
    assert_eq!((restored.keys, restored.destroyed), (4, 2), "{restored:?}");
    assert_eq!(stores.destroyed().expect("read").len(), 2);
    assert_eq!(stores.listed_for_good().len(), 2, "and not in one store alone");
    let index = stores.load_index().expect("read");
    assert!(index.keys().all(|key| going.iter().all(|gone| gone.id != key.id)));
}

fn jiff_days(days: i64) -> Duration {
    Duration::from_secs(days.unsigned_abs() * 86_400)
}
