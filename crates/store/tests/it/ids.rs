//! Under what ids patients and resources stand: the same ones in every process, after a rebuild and from what is left of the key
//! stores; others in every installation; and nobody's who has no secret.

use base::Id16;
use policy::InstitutionCode;
use store::{Outcome, Store, StoreError};
use vault::{KeyName, KeyStores};

use crate::rebuild::{lose_database, rebuild, settled};
use crate::support::*;

/// A patient and a resource of theirs, as an institution calls them.
fn both(store: &Store) -> [Id16; 2] {
    let ids = store.ids();
    [ids.patient(&institution(), "10000001").id(), ids.resource(&institution(), "Patient", "10000001")]
}

#[test]
fn ids_are_the_same_in_every_process_and_others_in_another_installation() {
    let house = House::new();
    let first = house.open();
    let made = both(&first);
    assert_eq!(both(&house.open()), made, "beside it");
    drop(first);
    assert_eq!(both(&house.open()), made, "later");
    let other = both(&House::new().open());
    assert!(made.iter().all(|id| !other.contains(id)), "elsewhere");
}

#[test]
fn processes_that_open_a_new_installation_at_once_agree() {
    let house = House::new();
    let begin = std::sync::Barrier::new(4);
    let made: Vec<[Id16; 2]> = std::thread::scope(|scope| {
        let open = || {
            begin.wait();
            both(&house.open())
        };
        let all: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        all.into_iter().map(|one| one.join().expect("it opens")).collect()
    });
    assert_eq!(made, vec![made[0]; 4]);
    assert_eq!(both(&house.open()), made[0]);
}

#[test]
fn no_id_is_a_hash_that_others_can_make() {
    let house = House::new();
    let store = house.open();
    let code = institution();
    let guesses = [
        Id16::derived(&["patient", CODE, "10000001"]),
        Id16::derived(&["resource", CODE, "Patient", "10000001"]),
        Id16::derived(&[CODE, "10000001"]),
        Id16::keyed(&[0; 32], &["patient", CODE, "10000001"]),
    ];
    assert!(both(&store).iter().all(|id| !guesses.contains(id)));
    // What one is of, and where its parts end, makes it another.
    let ids = store.ids();
    let shorter = InstitutionCode::new(&CODE[..7]).expect("a code");
    let moved = format!("{}7", &CODE[7..]);
    let made = [
        ids.patient(&code, "7").id(),
        ids.patient(&shorter, &moved).id(),
        ids.resource(&code, "Patient", "7"),
        ids.resource(&code, "PatientP", "7"),
        ids.resource(&code, "Encounter", "7"),
        ids.resource(&shorter, "Patient", "7"),
    ];
    let different: std::collections::BTreeSet<Id16> = made.into();
    assert_eq!(different.len(), made.len());
}

#[test]
fn a_deposit_after_a_rebuild_joins_the_patient_who_was_here() {
    let house = House::new();
    let store = house.open();
    let (made, owner) = (both(&store), store.ids().patient(&institution(), "10000001"));
    let lines = [("Patient", "10000001", "김하늘 0"), ("Condition", "c1", "고지혈증 1")];
    let written = write(&store, owner, &lines);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    drop(store);
    settled(&house);
    lose_database(&house);
    // One of the key stores is lost as well, and set up anew.
    let stores = key_stores(&house.root);
    std::fs::remove_dir_all(&stores[0].folder).expect("it was there");
    KeyStores::create(&stores[..1]).expect("set up anew");
    rebuild(&house, "site-b", false).expect("everything is there");

    let store = house.open();
    assert_eq!(both(&store), made);
    let owner_now = store.ids().patient(&institution(), "10000001");
    let again = write(&store, owner_now, &lines);
    assert_eq!(again.versions, [Outcome::Already { version: 1 }, Outcome::Already { version: 1 }]);
    assert_eq!(count(&house, "SELECT count(DISTINCT owner) FROM resource_version"), 1);
}

/// Takes the secret of ids out of the database and the key stores, as an older program made neither.
fn as_an_older_program_left_it(house: &House) {
    let name = KeyName::Secret("ids".to_owned());
    let configs = key_stores(&house.root);
    let mut keys = Vec::new();
    let old = KeyStores::open_as_they_are(configs.clone(), 2).expect("key stores");
    old.each_key(&mut |key| keys.extend(Some(key).filter(|key| key.name != name))).expect("read");
    drop(old);
    for one in &configs {
        std::fs::remove_dir_all(&one.folder).expect("it was there");
    }
    KeyStores::create(&configs).expect("set up anew");
    KeyStores::open(configs, 2).expect("key stores").append(&keys).expect("written");
    assert_eq!(look(house).execute("DELETE FROM wrapped_key WHERE name = ?", [name.to_bytes()]).expect("deleted"), 1);
}

#[test]
fn what_an_older_program_made_is_refused_once_anybody_has_records() {
    let house = House::new();
    drop(house.open());
    as_an_older_program_left_it(&house);
    let store = house.open();
    let made = both(&store);
    let written = write(&store, store.ids().patient(&institution(), "1"), &[("Patient", "1", "김하늘 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    drop(store);

    // The index alone may have lost it: then the key stores have it.
    let name = KeyName::Secret("ids".to_owned()).to_bytes();
    assert_eq!(look(&house).execute("DELETE FROM wrapped_key WHERE name = ?", [name]).expect("deleted"), 1);
    assert_eq!(both(&house.open()), made);

    settled(&house);
    as_an_older_program_left_it(&house);
    for _ in 0..2 {
        let refused = house.try_open().expect_err("no other secret is made");
        assert!(matches!(refused, StoreError::OlderIds), "{refused}");
        assert!(refused.to_string().contains("make a new installation with `hanmaru init`"), "{refused}");
    }
    lose_database(&house);
    let refused = rebuild(&house, "site-a", false).expect_err("nor in a rebuild");
    assert!(matches!(refused, StoreError::OlderIds), "{refused}");
}
