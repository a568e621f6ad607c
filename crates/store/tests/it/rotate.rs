//! Rotation: keys come under new parents under load, killed at random points none is lost, and the old forms go.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Id16, Random, SeededRandom, SystemRandom};
use policy::{Action, Door, Permit};
use store::{Rotate, Store, StoreError};
use vault::{GroupName, KdfCost, Passphrase, ProtectedKeyProvider, open_root};

use crate::support::*;

/// Keys of groups: others are made when a log or a table asks for them.
const GROUPS: &str = "SELECT count(*) FROM wrapped_key WHERE substr(name, 1, 1) = x'04'";
const FOLDER: &str = "HANMARU_STORE_ROTATE_FOLDER";

fn repair(store: &Store) -> Permit {
    store.ask_job(&Door::standard().expect("the door"), "rotation", Action::Repair).expect("permitted")
}

fn name(number: u32) -> String {
    format!("r{number}")
}

fn reads(store: &Store, number: u32) -> bool {
    let owner = patient(&name(number));
    let permit = person(store, Id16([7; 16]), &[owner], Action::ReadRecord);
    store.read(&permit, &[key(store, owner, "Condition", &name(number))]).expect("read").len() == 1
}

/// Ids of shard keys in the index.
fn shards(house: &House) -> Vec<Vec<u8>> {
    let connection = look(house);
    let mut statement =
        connection.prepare("SELECT id FROM wrapped_key WHERE name >= x'01' AND name < x'02'").expect("prepared");
    statement.query_map([], |row| row.get(0)).expect("read").map(|id| id.expect("a row")).collect()
}

/// Whether something stands in any file of a key store.
fn stands_in_key_stores(house: &House, needle: &[u8]) -> bool {
    ["keys-a", "keys-b", "keys-c"].iter().any(|store| {
        std::fs::read_dir(house.root.join(store)).expect("there").flatten().any(|entry| {
            let is_keys = entry.path().extension().is_some_and(|end| end == "keys");
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            is_keys && bytes.windows(needle.len()).any(|window| window == needle)
        })
    })
}

#[test]
fn shards_are_rotated_while_everybody_writes_and_reads() {
    let house = House::new();
    let (store, other) = (house.open(), house.open());
    for number in 0..60 {
        write_one(&store, patient(&name(number)), "Condition", &name(number), "before");
    }
    let old = shards(&house);
    assert!(!old.is_empty());
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 1_000;
            while !stop.load(Ordering::SeqCst) {
                // New owners, from another program that has the old shards in memory.
                write_one(&other, patient(&name(number)), "Condition", &name(number), "meanwhile");
                number += 1;
            }
            number
        });
        let reader = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                assert!(reads(&other, number % 60), "read while it is rotated");
                number += 1;
            }
        });
        let progress = store.rotate(&repair(&store), Rotate::Shards, &mut |_| {}).expect("rotated");
        assert!(progress.is_done(), "{progress:?}");
        assert!(progress.keys >= 60, "{progress:?}");
        stop.store(true, Ordering::SeqCst);
        reader.join().expect("reads go on");
        writer.join().expect("writes go on")
    });
    assert!(written > 1_000);
    let new = shards(&house);
    assert!(new.iter().all(|id| !old.contains(id)), "no old shard is in the index");
    // The id of a shard stands in its own record and in those that hang under it.
    assert!(old.iter().all(|id| !stands_in_key_stores(&house, id)), "no old form is in a key store");
    assert!(new.iter().all(|id| stands_in_key_stores(&house, id)));
    drop((store, other));
    let store = house.open();
    assert!((0..60).chain(1_000..written).all(|number| reads(&store, number)));
    assert!(matches!(store.rotate(&repair(&store), Rotate::Root, &mut |_| {}), Err(StoreError::Rotation { .. })));
}

/// The child's work; without its variable it is no test.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = House::at(folder.as_ref()).open();
    let progress = store.rotate(&repair(&store), Rotate::Shards, &mut |_| {}).expect("rotated");
    assert!(progress.is_done());
}

#[test]
fn killed_at_random_points_no_key_is_lost() {
    const OWNERS: u32 = 40_000;
    let house = House::new();
    let store = house.open();
    let permit = depositor(&store, Action::Deposit);
    let group = |number: u32| GroupName {
        owner: patient(&name(number)),
        institution: institution(),
        class: class(),
        expiry_year: 2035,
    };
    for from in (0..OWNERS).step_by(10_000) {
        let groups: Vec<GroupName> = (from..from + 10_000).map(group).collect();
        store.reserve_keys(&permit, &groups).expect("made");
    }
    for number in (0..OWNERS).step_by(997) {
        write_one(&store, patient(&name(number)), "Condition", &name(number), "before");
    }
    // The first read of a year makes the key of its entries.
    assert!(reads(&store, 0));
    let keys = count(&house, GROUPS);
    let old = shards(&house);
    drop((permit, store));
    let random = SeededRandom::new(1);
    let mut killed = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "rotate::child", "--test-threads", "1"])
            .env(FOLDER, &house.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        std::thread::sleep(Duration::from_millis(100 + u64::from(random.bytes16()[0]) * (6 + killed)));
        if let Some(ended) = child.try_wait().expect("asked") {
            assert!(ended.success(), "{ended}");
            break;
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
        killed += 1;
    }
    println!("{killed} kills");
    assert!(killed >= 2, "only {killed} kills hit anything");
    assert_eq!(count(&house, GROUPS), keys, "0 keys are lost");
    assert!(shards(&house).iter().all(|id| !old.contains(id)));
    assert!(old.iter().all(|id| !stands_in_key_stores(&house, id)));
    let store = house.open();
    assert!((0..OWNERS).step_by(997).all(|number| reads(&store, number)));
    // Every key opens, from the index and from each key store alone.
    let permit = depositor(&store, Action::Deposit);
    let groups: Vec<GroupName> = (0..OWNERS).map(group).collect();
    store.reserve_keys(&permit, &groups).expect("found");
    assert_eq!(count(&house, GROUPS), keys, "none was made anew");
}

#[test]
fn everything_comes_under_a_new_root_while_another_program_runs() {
    let house = House::new();
    drop(house.open());
    let root = house.root.join("root.key");
    let secret = house.root.join("passphrase");
    std::fs::write(&secret, "a passphrase of some length").expect("written");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    let passphrase = Passphrase::File(secret);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let cost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };
    ProtectedKeyProvider::protect(&root, &passphrase, cost, Arc::clone(&random)).expect("protected");
    let open = || {
        let key_provider = open_root(&root, Some(&passphrase), Arc::clone(&random)).expect("opens");
        Store::open(house.with_provider(key_provider).expect("sites and key stores")).expect("the store opens")
    };
    let running = open();
    write_one(&running, patient("r1"), "Condition", "r1", "before");
    let operator = ProtectedKeyProvider::open(&root, &passphrase, Arc::clone(&random)).expect("opens");
    let old = operator.roots().remove(0);
    operator.add_root().expect("added");
    let store = open();
    let progress = store.rotate(&repair(&store), Rotate::Root, &mut |_| {}).expect("rotated");
    assert!(progress.is_done() && progress.keys > 5, "{progress:?}");
    assert!(!stands_in_key_stores(&house, old.as_bytes()), "nothing hangs under the old root");
    operator.keep_current().expect("written");
    // The program that ran all the while goes on, with keys that it has to open anew.
    assert!(reads(&running, 1));
    write_one(&running, patient("r2"), "Condition", "r2", "after");
    drop((running, store));
    let store = open();
    assert!(reads(&store, 1) && reads(&store, 2));
}

#[test]
fn a_running_program_says_what_to_do_after_a_changed_passphrase_and_a_new_root_and_goes_on_once_that_is_done() {
    const COST: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };
    let house = House::new();
    drop(house.open());
    let (root, random): (_, Arc<dyn Random>) = (house.root.join("root.key"), Arc::new(SystemRandom));
    let write_secret = |name: &str, text: &str| {
        let path = house.root.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
        Passphrase::File(path)
    };
    let first = write_secret("first", "a passphrase of some length");
    let next = write_secret("next", "quite another passphrase");
    let operator = ProtectedKeyProvider::protect(&root, &first, COST, Arc::clone(&random)).expect("protected");
    let open = |passphrase: &Passphrase| {
        let key_provider = open_root(&root, Some(passphrase), Arc::clone(&random)).expect("opens");
        Store::open(house.with_provider(key_provider).expect("sites and key stores")).expect("the store opens")
    };
    let running = open(&first);
    write_one(&running, patient("r1"), "Condition", "r1", "before");
    operator.with_passphrase(&next, COST).expect("changed");
    let operator = ProtectedKeyProvider::open(&root, &next, Arc::clone(&random)).expect("opens");
    let store = open(&next);
    let turn = store.keys_turn(&repair(&store)).expect("nobody else rotates");
    assert!(matches!(running.keys_turn(&repair(&running)), Err(StoreError::Rotation { .. })), "one at a time");
    assert!(reads(&running, 1), "with the roots that it has");
    // The rotating program was opened before this root came.
    operator.add_root().expect("added");
    let progress = store.rotate_within(&turn, &repair(&store), Rotate::Root, &mut |_| {}).expect("rotated");
    assert!(progress.is_done(), "{progress:?}");
    drop(turn);
    crate::rebuild::until(|| running.health().faults[0].is_some());
    let said = running.health().faults[0].clone().expect("it is told");
    assert!(said.contains("restart this program") && said.contains("/first"), "{said}");
    write_secret("first", "quite another passphrase");
    crate::rebuild::until(|| {
        let owner = patient(&name(1));
        let permit = person(&running, Id16([7; 16]), &[owner], Action::ReadRecord);
        running.read(&permit, &[key(&running, owner, "Condition", &name(1))]).is_ok()
    });
    write_one(&running, patient("r2"), "Condition", "r2", "after both");
    crate::rebuild::until(|| running.health().faults[0].is_none());
    drop((running, store));
    let store = open(&next);
    assert!(reads(&store, 1) && reads(&store, 2));
}
