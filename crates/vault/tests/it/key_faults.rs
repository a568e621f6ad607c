//! Key stores that are damaged, that hang, whose files are taken away, or that are left by a program that was killed.

use crate::common::{Folders, SOON, job};
use base::{Id16, Seam, Seams};
use policy::Action;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vault::keys::{KEY_CLAIM, KEY_READ, KEY_WRITE};
use vault::{Cause, Destroyed, Fault, KeyError, KeyId, KeyName, KeyStores, Parent, WrappedKey};

const STORES: [&str; 3] = ["k1", "k2", "k3"];
const FOLDER: &str = "HANMARU_VAULT_KEYS_FOLDER";
const BACKUP: &str = "HANMARU_VAULT_KEYS_BACKUP";

fn key(year: u16) -> WrappedKey {
    WrappedKey {
        id: KeyId(Id16::derived(&["key", &year.to_string()])),
        parent: Parent::Root("root".to_owned()),
        name: KeyName::Access { year },
        wrapped: vec![7; 60],
    }
}

fn entry(year: u16) -> Destroyed {
    Destroyed::new(&[9; 32], key(year).id, Cause::Shred, Id16([8; 16]), 7)
}

/// The stores as they are: nobody mends them meanwhile.
fn open(folders: &Folders) -> KeyStores {
    KeyStores::create(&folders.key_store_configs()).expect("made");
    KeyStores::open_as_they_are(folders.key_store_configs(), 2).expect("opened")
}

fn years(stores: &KeyStores) -> BTreeSet<u16> {
    let year = |key: &WrappedKey| match key.name {
        KeyName::Access { year } => year,
        _ => unreachable!("there are no others"),
    };
    stores.load_index().expect("read").keys().map(year).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("there");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("damaged");
}

/// Keys in all three stores. They are asked for once: the third write comes late, and with a second one behind it would come at any
/// time.
fn append_to_all(stores: &KeyStores, keys: &[WrappedKey]) {
    stores.append(keys).expect("durable");
    let begun = Instant::now();
    while stores.compare().iter().any(|store| store.keys != keys.len()) {
        assert!(begun.elapsed() < SOON, "{:?}", stores.compare());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Two keys, of which the first is listed as destroyed in `k1` and `k2`; `k3` was away, and has both.
fn destroyed_in_two(folders: &Folders) -> KeyStores {
    let stores = open(folders);
    append_to_all(&stores, &[key(2001), key(2002)]);
    let away = folders.path("k3.away");
    fs::rename(folders.path("k3"), &away).expect("unplugged");
    stores.destroy(&job(Action::Repair), &[entry(2000), entry(2001)]).expect("two are enough");
    fs::rename(&away, folders.path("k3")).expect("plugged in");
    stores
}

#[test]
fn a_damaged_list_of_destroyed_keys_is_not_read_and_is_put_in_order_by_the_others() {
    let folders = Folders::new();
    let stores = destroyed_in_two(&folders);
    let repair = job(Action::Repair);
    // The last record of the newest file, in full length: no loss of power leaves it like that.
    let list = folders.path("k1").join("0001.gone");
    flip(&list, fs::read(&list).expect("there").len() - 3);
    fs::rename(folders.path("k2"), folders.path("k2.away")).expect("unplugged");
    let Err(KeyError::TooFew { wanted: 2, reached: 1, faults }) = stores.destroyed() else {
        panic!("one list of two says nothing of what the other lost")
    };
    let told = |name: &str| faults.iter().find(|fault| fault.name == name).map(|fault| &fault.fault);
    assert_eq!(told("k1"), Some(&Fault::Damaged("0001.gone".to_owned())), "{faults:?}");
    // Nothing is copied while nobody knows what is destroyed.
    fs::remove_file(folders.path("k1").join("0001.keys")).expect("lost");
    let mended = stores.mend(&repair).expect("permitted");
    assert_eq!(mended.copied, 0, "{mended:?}");
    fs::rename(folders.path("k2.away"), folders.path("k2")).expect("plugged in");
    // Two others tell all that there was: the first is whole again, and gets back the key that lives.
    let mended = stores.mend(&repair).expect("permitted");
    assert_eq!((mended.copied, mended.destroyed), (1, 2), "{mended:?}");
    assert!(mended.faults.is_empty(), "{mended:?}");
    for name in 0..3 {
        let alone = KeyStores::open_as_they_are(vec![folders.key_store_configs()[name].clone()], 1).expect("opened");
        assert_eq!(alone.destroyed().expect("whole").len(), 2, "{name}");
    }
    assert_eq!(years(&stores), BTreeSet::from([2002]));
    // Compaction says nothing good of a store whose list is damaged beyond help.
    for name in ["k1", "k2"] {
        fs::read_dir(folders.path(name)).expect("there").flatten().for_each(|entry| {
            if entry.path().extension().is_some_and(|end| end == "gone") {
                flip(&entry.path(), 40);
            }
        });
    }
    let compacted = stores.compact(&repair, Duration::ZERO).expect("permitted");
    assert_eq!(compacted.iter().filter(|store| store.is_clean()).count(), 1, "{compacted:?}");
}

#[test]
fn a_list_that_was_cut_short_blocks_nothing_and_is_filled_from_the_others() {
    let folders = Folders::new();
    let stores = destroyed_in_two(&folders);
    let list = folders.path("k1").join("0001.gone");
    let whole = fs::read(&list).expect("there");
    let alone = KeyStores::open_as_they_are(vec![folders.key_store_configs()[0].clone()], 1).expect("opened");
    for cut in [0, 5, 8, 30, whole.len() - 1] {
        fs::write(&list, &whole[..cut]).expect("torn");
        assert!(alone.destroyed().is_ok(), "cut to {cut} bytes");
        // Sectors that were never written are zeros.
        let mut zeros = whole[..cut / 512 * 512].to_vec();
        zeros.resize(whole.len(), 0);
        fs::write(&list, &zeros).expect("torn");
        assert!(alone.destroyed().is_ok(), "zeros from {cut} on");
    }
    fs::write(&list, &whole[..whole.len() - 9]).expect("torn");
    let mended = stores.mend(&job(Action::Repair)).expect("permitted");
    assert!(mended.faults.is_empty() && mended.copied == 0, "{mended:?}");
    // What comes next stands behind no torn end.
    stores.destroy(&job(Action::Repair), &[entry(2005)]).expect("listed");
    assert_eq!(alone.destroyed().expect("whole").len(), 3);
    assert_eq!(years(&stores), BTreeSet::from([2002]));
}

#[test]
fn a_list_that_was_cut_between_two_records_is_not_taken_for_whole() {
    let folders = Folders::new();
    let stores = destroyed_in_two(&folders);
    let repair = job(Action::Repair);
    stores.destroy(&repair, &[entry(2005)]).expect("listed");
    let list = folders.path("k1").join("0001.gone");
    let whole = fs::read(&list).expect("there");
    let record = (whole.len() - 12) / 2;
    fs::write(&list, &whole[..whole.len() - record]).expect("cut");
    fs::rename(folders.path("k2"), folders.path("k2.away")).expect("unplugged");
    // The third was away when those two were destroyed: nobody else knows of the second.
    let Err(KeyError::TooFew { wanted: 2, reached: 1, faults }) = stores.destroyed() else {
        panic!("one list of two says nothing of what the other lost")
    };
    assert!(faults.iter().any(|fault| fault.fault == Fault::Damaged("0001.gone".to_owned())), "{faults:?}");
    fs::rename(folders.path("k2.away"), folders.path("k2")).expect("plugged in");
    // Cut or gone as a whole, and whichever file it is: the others make up for it.
    let newest = folders.path("k1").join("0002.gone");
    for spoil in [&|| (), &|| fs::write(&newest, b"HMRGONE2\0\0\0\x01").expect("cut"), &|| {
        fs::remove_file(&newest).expect("lost");
    }] as [&dyn Fn(); 3]
    {
        spoil();
        let mended = stores.mend(&repair).expect("permitted");
        assert!(mended.faults.is_empty() && mended.destroyed == 3, "{mended:?}");
        for config in folders.key_store_configs() {
            let alone = KeyStores::open_as_they_are(vec![config], 1).expect("opened");
            assert_eq!(alone.destroyed().expect("whole").len(), 3);
        }
    }
}

/// Holds up whoever writes, until it is let go.
struct HeldWrite {
    is_held: AtomicBool,
    came: AtomicBool,
}

impl Seam for HeldWrite {
    fn at(&self, place: &'static str) -> io::Result<()> {
        while place == KEY_WRITE && self.is_held.load(Ordering::SeqCst) {
            self.came.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

#[test]
fn whoever_copies_keys_brings_none_back_that_was_destroyed_meanwhile() {
    let folders = Folders::new();
    let stores = open(&folders);
    fs::rename(folders.path("k3"), folders.path("k3.away")).expect("unplugged");
    stores.append(&[key(2001), key(2002)]).expect("two are enough");
    fs::rename(folders.path("k3.away"), folders.path("k3")).expect("plugged in");
    // Another program is about to write into the third what it read in the others.
    let seam = Arc::new(HeldWrite { is_held: AtomicBool::new(true), came: AtomicBool::new(false) });
    let seams = [Seams::default(), Seams::default(), Seams::with(Arc::<HeldWrite>::clone(&seam))];
    let other = KeyStores::open_under(folders.key_store_configs().into_iter().zip(seams).collect(), 2).expect("opened");
    let begun = Instant::now();
    while !seam.came.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < SOON, "it copies");
        std::thread::sleep(Duration::from_millis(2));
    }
    let repair = job(Action::Repair);
    stores.destroy(&repair, &[entry(2001)]).expect("listed");
    let compact = || stores.compact(&repair, Duration::from_millis(100)).expect("permitted");
    let is_there = || is_in_third(&folders, 2001);
    assert!(!compact()[2].is_clean(), "it is not said to be clean while somebody writes to it");
    seam.is_held.store(false, Ordering::SeqCst);
    while !compact().iter().all(vault::Compacted::is_clean) {
        assert!(begun.elapsed() < 2 * SOON, "the other is done with it");
    }
    assert!(!is_there());
    // Nor does it later, whatever it still holds in memory.
    while !other.is_settled() {
        assert!(begun.elapsed() < 4 * SOON, "{:?}", other.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!is_there());
    assert_eq!(years(&other), BTreeSet::from([2002]));
}

/// Whether a key of a year is in a file of the third store, listed as destroyed or not.
fn is_in_third(folders: &Folders, year: u16) -> bool {
    let files = fs::read_dir(folders.path("k3")).expect("there").flatten().map(|entry| entry.path());
    let mut keys = files.filter(|path| path.extension().is_some_and(|end| end == "keys"));
    let id = key(year).id.0.0;
    keys.any(|path| fs::read(path).expect("a file").windows(16).any(|window| window == id))
}

#[test]
fn what_waits_in_memory_for_a_store_is_not_written_once_it_was_destroyed() {
    let folders = Folders::new();
    let stores = open(&folders);
    let other = KeyStores::open(folders.key_store_configs(), 2).expect("opened");
    fs::rename(folders.path("k3"), folders.path("k3.away")).expect("unplugged");
    other.append(&[key(2001), key(2002)]).expect("two are enough");
    fs::rename(folders.path("k3.away"), folders.path("k3")).expect("plugged in");
    let repair = job(Action::Repair);
    stores.destroy(&repair, &[entry(2001)]).expect("listed");
    let begun = Instant::now();
    let compact = || stores.compact(&repair, Duration::from_millis(100)).expect("permitted");
    while !compact().iter().all(vault::Compacted::is_clean) {
        assert!(begun.elapsed() < 2 * SOON, "the other lets go of its files");
    }
    while !other.is_settled() {
        assert!(begun.elapsed() < 4 * SOON, "{:?}", other.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!is_in_third(&folders, 2001) && is_in_third(&folders, 2002));
}

/// Holds up whoever comes by until it is let go.
struct Hanging(AtomicUsize);

impl Seam for Hanging {
    fn at(&self, place: &'static str) -> io::Result<()> {
        while self.0.load(Ordering::SeqCst) == 1 && (place == KEY_READ || place == KEY_WRITE) {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

#[test]
fn a_store_that_hangs_holds_nobody_up_and_catches_up() {
    let folders = Folders::new();
    let repair = job(Action::Repair);
    KeyStores::create(&folders.key_store_configs()).expect("made");
    let hanging: Vec<Arc<Hanging>> = (0..3).map(|_| Arc::new(Hanging(AtomicUsize::new(0)))).collect();
    hanging[2].0.store(1, Ordering::SeqCst);
    let begun = Instant::now();
    let seams = hanging.iter().map(|one| Seams::with(Arc::<Hanging>::clone(one)));
    let stores = folders.key_store_configs().into_iter().zip(seams).collect();
    let stores = KeyStores::with_patience(stores, 2, Duration::from_millis(300)).expect("opened");
    stores.belong(Id16([1; 16])).expect("two are ours");
    stores.mark(Id16([1; 16]));
    stores.append(&[key(2001), key(2002)]).expect("two are enough");
    stores.destroy(&repair, &[entry(2001)]).expect("two are enough");
    assert_eq!(stores.destroyed().expect("two lists are enough").len(), 1);
    assert_eq!(years(&stores), BTreeSet::from([2002]));
    let mended = stores.mend(&repair).expect("permitted");
    assert!(mended.faults.iter().any(|fault| fault.name == "k3" && fault.fault == Fault::Slow), "{mended:?}");
    let compacted = stores.compact(&repair, Duration::ZERO).expect("permitted");
    assert_eq!(compacted.iter().map(|store| store.is_clean()).collect::<Vec<_>>(), [true, true, false]);
    assert!(matches!(stores.compare()[2].fault, Some(Fault::Slow)));
    let third = stores.status().swap_remove(2);
    assert!(!third.reachable && third.last_fault == Some(Fault::Slow), "{third:?}");
    // Two that hang are too few, and are named.
    hanging[1].0.store(1, Ordering::SeqCst);
    let said = stores.append(&[key(2003)]).expect_err("one is not enough").to_string();
    assert!(said.contains("k2: does not answer in time") && said.contains("k3: does not answer in time"), "{said}");
    let said = stores.destroyed().expect_err("one list is not enough").to_string();
    assert!(said.contains("k2: does not answer in time"), "{said}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    hanging.iter().for_each(|one| one.0.store(0, Ordering::SeqCst));
    let well = || {
        let found = stores.compare();
        found.iter().all(|store| (store.keys, store.missing, &store.fault) == (2, 0, &None))
            && stores.status().iter().all(|store| store.reachable)
    };
    while !well() {
        assert!(begun.elapsed() < 4 * SOON, "{:?} {:?}", stores.compare(), stores.status());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stores.listed_for_good(), HashSet::from([key(2001).id]));
}

#[test]
fn a_file_that_is_taken_away_and_claimed_by_another_loses_nothing() {
    let folders = Folders::new();
    KeyStores::create(&folders.key_store_configs()).expect("made");
    let open = || KeyStores::open(folders.key_store_configs(), 2).expect("opened");
    let (one, other) = (open(), open());
    one.append(&[key(2001)]).expect("durable");
    let until = |years_wanted: usize| {
        let begun = Instant::now();
        while one.compare().iter().any(|store| (store.keys, store.missing) != (years_wanted, 0)) {
            assert!(begun.elapsed() < SOON, "{:?}", one.compare());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until(1);
    for round in 0..2 {
        // The first holds a lock on a file that is gone; the second makes one anew under its name.
        let files = fs::read_dir(folders.path("k3")).expect("there").flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|end| end == "keys")).for_each(|path| {
            fs::remove_file(path).expect("taken away");
        });
        other.append(&[key(2010 + round)]).expect("durable");
        one.append(&[key(2020 + round)]).expect("durable");
        until(3 + 2 * usize::from(round));
        assert!(folders.path("k3").join("0001.keys").exists(), "its name was claimed again");
    }
    assert_eq!(years(&open()).len(), 5);
}

/// Ends the process when it comes by a place for the n-th time, as a kill does.
struct Kill(&'static str, AtomicUsize);

impl Seam for Kill {
    fn at(&self, place: &'static str) -> io::Result<()> {
        if place == self.0 && self.1.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
        Ok(())
    }
}

/// The child's work; without its variables it is no test.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let configs =
        STORES.map(|name| vault::KeyStoreConfig { name: name.to_owned(), folder: Path::new(&folder).join(name) });
    let backup = std::env::var(BACKUP).ok().map(|nth| nth.parse().expect("a number"));
    let seam = match backup {
        Some(nth) => Kill(KEY_READ, AtomicUsize::new(nth)),
        None => Kill(KEY_CLAIM, AtomicUsize::new(1)),
    };
    // One of three is where it is killed.
    let (mut seam, place) = (Some(Seams::with(Arc::new(seam))), if backup.is_some() { 0 } else { 1 });
    let stores = configs.into_iter().enumerate();
    let stores = stores.map(|(number, config)| {
        (config, if number == place { seam.take().unwrap_or_default() } else { Seams::default() })
    });
    let stores = KeyStores::open_under(stores.collect(), 2).expect("opened");
    let made: base::Timestamp = "2026-11-26T00:00:00Z".parse().expect("a moment");
    match backup {
        Some(_) => drop(stores.backup(&job(Action::Repair), Path::new(&folder), Id16([1; 16]), made)),
        None => {
            drop(stores.append(&[key(2002)]));
            // Two others are enough for that: the one where it is killed may not have come to it yet.
            while !stores.is_settled() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

fn killed(folders: &Folders, backup: Option<usize>) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "key_faults::child", "--test-threads", "1"]).env(FOLDER, folders.base.path());
    command.envs(backup.map(|nth| (BACKUP, nth.to_string())));
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a child");
    !ended.success()
}

#[test]
fn killed_while_one_store_of_three_claims_a_file_nothing_is_lost() {
    let folders = Folders::new();
    let stores = open(&folders);
    // The child has to begin a file in the second store alone: it may append to none of those that are there.
    append_to_all(&stores, &[key(2001)]);
    drop(stores);
    fs::write(folders.path("k2").join("0002.keys"), b"HMRK").expect("a torn file, which is not appended to");
    fs::remove_file(folders.path("k2").join("0001.keys")).expect("taken away");
    assert!(killed(&folders, None), "it came to a claim");
    assert_eq!(fs::read(folders.path("k2").join("0003.keys")).expect("claimed"), b"", "and no further");
    let stores = KeyStores::open(folders.key_store_configs(), 2).expect("opened");
    stores.append(&[key(2002), key(2003)]).expect("durable");
    let begun = Instant::now();
    while stores.compare().iter().any(|store| (store.keys, store.missing) != (3, 0)) {
        assert!(begun.elapsed() < SOON, "{:?}", stores.compare());
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = KeyStores::open_as_they_are(vec![folders.key_store_configs()[1].clone()], 1).expect("opened");
    assert_eq!(years(&second), BTreeSet::from([2001, 2002, 2003]));
}

#[test]
fn a_backup_that_was_killed_is_not_taken_for_one_and_changes_no_store() {
    let folders = Folders::new();
    let stores = open(&folders);
    append_to_all(&stores, &[key(2001), key(2002)]);
    let (ours, repair) = (Id16([1; 16]), job(Action::Repair));
    let made: base::Timestamp = "2026-11-26T00:00:00Z".parse().expect("a moment");
    let folder = folders.path("hanmaru-keys-20261126T000000Z");
    let mut halves = 0;
    for nth in 1..300 {
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("removed");
        }
        if !killed(&folders, Some(nth)) {
            break;
        }
        if folder.exists() && !folder.join("backup.txt").exists() {
            halves += 1;
            let refused = stores.restore(&repair, &folder, ours, made, 30).expect_err("it was not finished");
            assert!(refused.to_string().contains("backup.txt cannot be read"), "{refused}");
        }
    }
    assert!(halves > 0, "it was killed in the middle");
    assert!(stores.compare().iter().all(|store| (store.keys, store.missing, store.damaged) == (2, 0, 0)));
    assert_eq!(stores.restore(&repair, &folder, ours, made, 30).expect("the whole one").known, 2);
}
