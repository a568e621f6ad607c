//! An installation made again from one site: equal in every table, refused where something is missing, and never a fork.

use std::path::Path;
use std::sync::Arc;

use base::{Id16, Random, SystemClock, SystemRandom};
use policy::{Action, Owner, Permit, Role, Target};
use store::{
    EntryKind, Fingerprint, IndexRow, Outcome, Rebuild, Rebuilt, Right, ShredScope, ShredState, Store, StoreError,
    Without,
};
use vault::{FileKeyProvider, GroupName, KeyError, KeyStores, Sites};

use crate::objects::{bytes, head, put};
use crate::shred::{RULES, approved, read_all, repair, run};
use crate::support::*;

pub fn operator(store: &Store) -> Permit {
    let account = Id16([0xa; 16]);
    let epoch = store.facts(account).expect("facts").epoch;
    let facts = policy::Facts { epoch, operator: true, ..policy::Facts::default() };
    permit(&request(Role::Operator, account, Action::ReadStatus, Target::Installation), &facts)
}

/// The index rows of the stories' resources: what [`prepare`] made, but for the day, which each has in its text.
fn reindex(bytes: &[u8]) -> Vec<IndexRow> {
    let text = std::str::from_utf8(bytes).expect("JSON");
    let member = |name: &str| {
        let from = text.find(&format!("\"{name}\":\"")).expect("it has it") + name.len() + 4;
        text[from..].split('"').next().expect("a value").to_owned()
    };
    let day: i64 = member("text").rsplit(' ').next().and_then(|day| day.parse().ok()).expect("a day");
    vec![
        IndexRow::Token { param: "identifier", system: "urn:chart".to_owned(), code: member("id") },
        IndexRow::String { param: "name", value: member("text") },
        IndexRow::Date { param: "date", low_us: day * 86_400_000_000, high_us: (day + 1) * 86_400_000_000 - 1 },
    ]
}

pub fn rebuild(house: &House, from: &str, drill: bool) -> Result<Rebuilt, StoreError> {
    rebuild_with(house, from, drill, Without::default())
}

/// Where the other sites are lost.
pub const ALONE: Without = Without { witnesses: false, sites: true };

pub fn rebuild_with(house: &House, from: &str, drill: bool, without: Without) -> Result<Rebuilt, StoreError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let one: Vec<_> = sites(&house.root).into_iter().filter(|site| site.name == from).collect();
    let rebuild = Rebuild {
        folder: house.folder(),
        from: Sites::open(one, 1)?,
        all: Sites::open(sites(&house.root), 2)?,
        key_provider: Arc::new(FileKeyProvider::open(&house.root.join("root.key"), Arc::clone(&random))?),
        key_stores: KeyStores::open_as_they_are(key_stores(&house.root), 2)?,
        origin: "hanmaru.test".to_owned(),
        clock: Arc::new(SystemClock::new()),
        random,
        reindex: &|_, bytes, _, _| Ok(reindex(bytes)),
        witnessing: house.witnessing.clone(),
        without,
        drill,
    };
    rebuild.run()
}

/// Patients with versions and amendments, documents of one and of several chunks, people, rights, rows of rooms, an issued
/// document, and reads; all of it sealed.
fn lived_in(house: &House) -> Fingerprint {
    let store = house.open();
    for number in 0..7 {
        let owner = patient(&format!("p{number}"));
        write(
            &store,
            owner,
            &[("Patient", "p", "김하늘 0"), ("Encounter", "e", "외래 1"), ("Observation", "o", "혈압 2")],
        );
        write(&store, owner, &[("Patient", "p", "김하늘 0"), ("Encounter", "e2", "입원 1")]);
        assert_eq!(write(&store, owner, &[("Patient", "p", "김바다 0")]).versions, [Outcome::New { version: 2 }]);
    }
    let owner = patient("p1");
    let files: Vec<_> = [10, 70_000, 9 << 20].map(|size| bytes(5, size)).into();
    let files: Vec<_> =
        files.into_iter().map(|bytes| (head(owner, &format!("d{}", bytes.len()), &bytes), bytes)).collect();
    let prepared = put(&store, &files);
    let deposit = depositor(&store, Action::Deposit);
    store.write(&deposit, vec![], prepared, None).expect("written");
    let person_id = store.person_for_ci(&[7; 32]).expect("a person");
    let link = depositor(&store, Action::LinkPerson);
    store.link_patient(&link, person_id, owner.id(), &institution()).expect("linked");
    store.grant(Id16([3; 16]), &Right::Operator).expect("granted");
    store.grant(Id16([4; 16]), &Right::Operator).expect("granted");
    store.revoke(Id16([4; 16]), &Right::Operator).expect("revoked");
    let room = "INSERT INTO account (account, profile, made_us, signed_in_us) VALUES (?, X'0102', 5, 6)";
    store.tables().write("a room's rows", move |tx| tx.execute(room, [person_id.0])).expect("written");
    let issue = person(&store, person_id, &[owner], Action::Issue);
    store.commit_leaf(&issue, EntryKind::Issued, owner, b"a document").expect("sealed");
    let read = person(&store, person_id, &[owner], Action::ReadRecord);
    for _ in 0..5 {
        store.read(&read, &[key(&store, owner, "Observation", "o")]).expect("read");
    }
    let written = write(&store, owner, &[("Patient", "last", "끝 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    let permit = operator(&store);
    until(|| store.health().waiting == [0, 0] && store.health().published[1] == 5);
    let fingerprint = store.fingerprint(&permit).expect("a fingerprint");
    drop(store);
    fingerprint
}

pub fn until(done: impl Fn() -> bool) {
    for _ in 0..400 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("it did not come to that");
}

pub fn settled(house: &House) {
    let all = Sites::open(sites(&house.root), 2).expect("sites");
    assert!(all.settle(PATIENCE), "every site has everything");
}

pub fn lose_database(house: &House) {
    std::fs::rename(house.folder(), house.root.join("lost")).expect("moved away");
}

pub fn different(one: &Fingerprint, other: &Fingerprint) -> Vec<String> {
    let pairs = one.iter().zip(other);
    pairs.filter(|(one, other)| one != other).map(|(one, other)| format!("{one:?} / {other:?}")).collect()
}

#[test]
fn a_rebuilt_installation_is_equal_and_goes_on() {
    let house = House::new();
    let before = lived_in(&house);
    settled(&house);
    lose_database(&house);
    house.hide_site("site-a");
    house.hide_site("site-c");
    let rebuilt = rebuild_with(&house, "site-b", false, ALONE).expect("everything is there");
    assert_eq!(different(&before, &rebuilt.fingerprint), Vec::<String>::new());
    assert_eq!((rebuilt.objects, rebuilt.shut, rebuilt.silent.len()), (3, 0, 2), "{:?}", rebuilt.silent);
    house.show_site("site-a");
    house.show_site("site-c");

    let store = house.open();
    assert_eq!(different(&before, &store.fingerprint(&operator(&store)).expect("a fingerprint")), Vec::<String>::new());
    let owner = patient("p1");
    let person_id = store.person_of_ci(&[7; 32]).expect("asked").expect("the person is known again");
    let read = person(&store, person_id, &[owner], Action::ReadRecord);
    let found = store.read(&read, &[key(&store, owner, "Patient", "p")]).expect("read");
    assert!(String::from_utf8_lossy(found[0].bytes.expose()).contains("김바다"));
    let again = write(&store, owner, &[("Patient", "p", "김바다 0"), ("Patient", "new", "새로 1")]);
    assert_eq!(again.versions, [Outcome::Already { version: 2 }, Outcome::New { version: 1 }]);
    store.wait_sealed(again.ticket, PATIENCE).expect("the log goes on");
    assert!(store.facts(Id16([3; 16])).expect("facts").operator);
    assert!(!store.facts(Id16([4; 16])).expect("facts").operator, "what was revoked stays revoked");

    // And the rebuilt one can be rebuilt.
    until(|| store.health().waiting == [0, 0] && store.health().published[1] == 6);
    let second = store.fingerprint(&operator(&store)).expect("a fingerprint");
    drop(store);
    settled(&house);
    std::fs::rename(house.folder(), house.root.join("lost-2")).expect("moved away");
    let rebuilt = rebuild(&house, "site-c", false).expect("everything is there");
    assert_eq!(different(&second, &rebuilt.fingerprint), Vec::<String>::new());
}

#[test]
fn a_drill_changes_nothing_and_a_database_is_never_replaced() {
    let house = House::new();
    let before = lived_in(&house);
    settled(&house);
    let store = house.open();
    let rebuilt = rebuild(&house, "site-a", true).expect("a drill, beside the running store");
    assert_eq!(different(&before, &rebuilt.fingerprint), Vec::<String>::new());
    assert!(!house.folder().join("drill").exists());
    let door = policy::Door::standard().expect("the door");
    let denied = store.ask_job(&door, "rebuild", Action::Rebuild).expect_err("an open store gives no such permit");
    assert!(denied.to_string().contains("no store is open"), "{denied}");
    let refused = rebuild(&house, "site-a", false).expect_err("a database is there");
    assert!(refused.to_string().contains("never replaces a database"), "{refused}");
    drop(store);
}

#[test]
fn what_is_missing_at_the_site_is_told_and_nothing_is_made() {
    let house = House::new();
    lived_in(&house);
    settled(&house);
    lose_database(&house);
    // The others would bring what is missing.
    house.hide_site("site-b");
    house.hide_site("site-c");
    let packs = files(&house.site("site-a").join("pack"));
    for (number, pack) in packs.iter().enumerate() {
        let sound = std::fs::read(pack).expect("a pack");
        if number % 2 == 0 {
            std::fs::remove_file(pack).expect("removed");
        } else {
            let mut bytes = sound.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(pack, bytes).expect("damaged");
        }
        let error = rebuild_with(&house, "site-a", false, ALONE).expect_err("something is missing");
        assert!(matches!(error, StoreError::Rebuild { .. }), "{error}");
        assert!(!house.folder().join("hanmaru.db").exists() && !house.folder().join("rebuild").exists());
        std::fs::write(pack, sound).expect("mended");
    }
    rebuild_with(&house, "site-a", false, ALONE).expect("and nothing else was wrong");
}

#[test]
fn another_site_that_knows_more_is_told() {
    let house = House::new();
    lived_in(&house);
    settled(&house);
    house.hide_site("site-a");
    let store = house.open();
    let written = write(&store, patient("p1"), &[("Patient", "late", "늦게 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed at two sites");
    drop(store);
    lose_database(&house);
    house.show_site("site-a");
    let error = rebuild(&house, "site-a", false).expect_err("it is behind");
    assert!(error.to_string().contains("rebuild from site-b"), "{error}");
    rebuild(&house, "site-b", false).expect("that one has everything");
}

#[test]
fn what_may_be_at_sites_that_are_silent_is_not_passed_over() {
    let house = House::new();
    lived_in(&house);
    settled(&house);
    house.hide_site("site-a");
    let store = house.open();
    let written = write(&store, patient("p1"), &[("Patient", "late", "늦게 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed at two sites");
    drop(store);
    lose_database(&house);
    house.show_site("site-a");
    for site in ["site-b", "site-c"] {
        house.hide_site(site);
    }
    for drill in [true, false] {
        let said = rebuild(&house, "site-a", drill).expect_err("two are silent").to_string();
        let words = ["--without-sites", "site site-b: folder", "site site-c: folder", "1 sites tell"];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    // A head that cannot be read is no answer.
    house.show_site("site-b");
    let checkpoint = house.site("site-b").join("log/records/checkpoint");
    let sound = std::fs::read(&checkpoint).expect("a checkpoint");
    std::fs::write(&checkpoint, "something else").expect("damaged");
    let said = rebuild(&house, "site-a", false).expect_err("one is silent and one is damaged").to_string();
    assert!(said.contains("--without-sites"), "{said}");
    std::fs::write(&checkpoint, sound).expect("mended");
    for without in [Without::default(), ALONE] {
        let said = rebuild_with(&house, "site-a", false, without).expect_err("it is behind").to_string();
        assert!(said.contains("rebuild from site-b"), "{said}");
    }
    let rebuilt = rebuild(&house, "site-b", false).expect("two of three tell");
    assert_eq!(rebuilt.silent.len(), 1, "{:?}", rebuilt.silent);
    assert!(rebuilt.silent[0].starts_with("site site-c: "), "{:?}", rebuilt.silent);
}

#[test]
fn what_cannot_be_removed_neither_undoes_a_rebuild_nor_hides_why_one_fails() {
    let house = House::new();
    let before = lived_in(&house);
    settled(&house);
    lose_database(&house);
    std::fs::create_dir_all(house.folder()).expect("made");
    // No folder, so that it cannot be removed as one.
    std::fs::write(house.folder().join("drill"), "").expect("planted");
    for site in ["site-b", "site-c"] {
        house.hide_site(site);
    }
    let said = rebuild(&house, "site-a", false).expect_err("two are silent").to_string();
    assert!(said.contains("--without-sites"), "{said}");
    for site in ["site-b", "site-c"] {
        house.show_site(site);
    }
    let rebuilt = rebuild(&house, "site-a", false).expect("it is made");
    assert_eq!(different(&before, &rebuilt.fingerprint), Vec::<String>::new());
    assert!(house.folder().join("hanmaru.db").exists() && !house.folder().join("rebuild").exists());
}

#[test]
fn what_a_killed_drill_left_is_gone_before_an_erasure_is_certified() {
    let house = House::new();
    let store = two_people(&house);
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    let permit = repair(&store);
    let left = ["drill", "rebuild"].map(|name| house.folder().join(name));
    let plant = || {
        for folder in &left {
            std::fs::create_dir_all(folder).expect("made");
            std::fs::copy(house.folder().join("hanmaru.db"), folder.join("hanmaru.db")).expect("planted");
        }
    };
    let is_left = || left.iter().any(|folder| folder.exists());
    plant();
    let lock = std::fs::File::create(house.folder().join("locks/drill.lock")).expect("made");
    lock.lock().expect("locked");
    // Whoever opens the store leaves a drill alone that is at work.
    drop(house.open());
    assert!(left.iter().all(|folder| folder.exists()));
    while store.shred_step(&permit, id).expect("a step") != ShredState::Compacted {}
    let said = store.shred_step(&permit, id).expect_err("a drill is at work").to_string();
    assert!(said.contains("a restore drill is at work"), "{said}");
    assert!(is_left() && store.shred_certificate(&permit, id, &RULES).is_err());
    drop(lock);
    run(&store, id);
    assert!(!is_left());
    drop(store);
    plant();
    until(|| {
        // A program that another test starts may have had the lock for a moment.
        drop(house.open());
        !is_left()
    });
}

#[test]
fn leaves_that_were_written_and_not_yet_under_a_checkpoint_are_taken_up() {
    let house = House::new();
    lived_in(&house);
    let checkpoints = ["site-a", "site-b", "site-c"].map(|site| house.site(site).join("log/records/checkpoint"));
    let older = std::fs::read(&checkpoints[0]).expect("a checkpoint");
    let store = house.open();
    let written = write(&store, patient("p1"), &[("Patient", "late", "늦게 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    until(|| store.health().waiting == [0, 0]);
    let before = store.fingerprint(&operator(&store)).expect("a fingerprint");
    drop(store);
    settled(&house);
    lose_database(&house);
    // As if power had gone after the tiles and before the checkpoint.
    for checkpoint in &checkpoints {
        std::fs::write(checkpoint, &older).expect("written");
    }
    let rebuilt = rebuild(&house, "site-b", false).expect("everything is there");
    assert!(rebuilt.taken_up[0] > 0);
    assert_eq!(different(&before, &rebuilt.fingerprint), Vec::<String>::new());
    let store = house.open();
    let written = write(&store, patient("p1"), &[("Patient", "later", "더 늦게 0")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("no name at a site stands for other bytes");
}

/// Each ends with its day, as [`reindex`] reads it.
const TEXTS: [&str; 3] = ["고혈압 0", "당뇨 1", "천식 2"];

/// Two patients with three resources each and an issued document, of whom one is known as a person; all of it sealed.
pub fn two_people(house: &House) -> Store {
    let store = house.open();
    for one in ["p1", "p2"] {
        let ids = [1, 2, 3].map(|number| format!("{one}-c{number}"));
        write(&store, patient(one), &[0, 1, 2].map(|at| ("Condition", ids[at].as_str(), TEXTS[at])));
        let issue = person(&store, Id16([7; 16]), &[patient(one)], Action::Issue);
        store.commit_leaf(&issue, EntryKind::Issued, patient(one), b"a document").expect("sealed");
    }
    let person_id = store.person_for_ci(&[7; 32]).expect("a person");
    let link = depositor(&store, Action::LinkPerson);
    store.link_patient(&link, person_id, patient("p1").id(), &institution()).expect("linked");
    store
}

pub fn sealed(store: &Store, accesses: u64) {
    until(|| store.health().waiting == [0, 0] && store.health().published[1] >= accesses);
}

#[test]
fn who_was_erased_stays_so_in_what_is_made_again() {
    let group = GroupName { owner: patient("p1"), institution: institution(), class: class(), expiry_year: 2035 };
    let by_class = ShredScope::Class { institution: institution(), class: class(), expiry_year: 2035 };
    for (scope, erased, left) in
        [(ShredScope::Patient(patient("p1").id()), 1, 3), (ShredScope::Group(group), 1, 3), (by_class, 2, 0)]
    {
        let house = House::new();
        let store = two_people(&house);
        let id = approved(&store, &scope);
        let certificate = run(&store, id);
        sealed(&store, erased);
        let before = store.fingerprint(&operator(&store)).expect("a fingerprint");
        drop(store);
        settled(&house);
        lose_database(&house);
        let rebuilt = rebuild(&house, "site-b", false).unwrap_or_else(|error| panic!("{scope:?}: {error}"));
        assert_eq!(different(&before, &rebuilt.fingerprint), Vec::<String>::new(), "{scope:?}");
        assert!(rebuilt.shut > 0, "{scope:?}");
        let store = house.open();
        assert_eq!(read_all(&store, "p1").expect("read"), 0, "{scope:?}");
        assert_eq!(read_all(&store, "p2").expect("read"), left, "{scope:?}");
        let again = store.shred_certificate(&repair(&store), id, &RULES).expect("a certificate");
        assert_eq!((again.content, again.leaf.entry), (certificate.content, certificate.leaf.entry), "{scope:?}");
    }
}

#[test]
fn a_key_store_that_missed_an_erasure_brings_nobody_back() {
    let house = House::new();
    let store = two_people(&house);
    let stores = key_stores(&house.root);
    let away = |path: &Path| path.with_extension("away");
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    sealed(&store, 0);
    std::fs::rename(&stores[0].folder, away(&stores[0].folder)).expect("moved");
    while store.shred_step(&repair(&store), id).expect("a step") != ShredState::Destroyed {}
    sealed(&store, 1);
    drop(store);
    settled(&house);
    std::fs::rename(away(&stores[0].folder), &stores[0].folder).expect("moved");
    lose_database(&house);
    for one in &stores[1..] {
        std::fs::rename(&one.folder, away(&one.folder)).expect("moved");
    }
    let error = rebuild(&house, "site-a", false).expect_err("too few key stores tell what is destroyed");
    assert!(matches!(error, StoreError::Key(KeyError::TooFew { .. })), "{error}");
    for one in &stores[1..] {
        std::fs::rename(away(&one.folder), &one.folder).expect("moved");
    }
    rebuild(&house, "site-a", false).expect("all of them do");
    let store = house.open();
    assert_eq!(read_all(&store, "p1").expect("read"), 0);
    assert_eq!(run(&store, id).keys, 3);
}

/// Copies of a key store's files of keys.
fn key_files(house: &House, name: &str) -> Vec<(String, Vec<u8>)> {
    let paths = files(&house.root.join(name)).into_iter();
    let keys = paths.filter(|path| path.extension().is_some_and(|end| end == "keys"));
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    keys.map(|path| (name(&path), std::fs::read(&path).expect("a file"))).collect()
}

/// Sets a key store back to before an erasure: its keys are there again, and no list says that any is destroyed.
fn set_back(house: &House, name: &str, before: &[(String, Vec<u8>)]) {
    let folder = house.root.join(name);
    for gone in files(&folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "gone")) {
        std::fs::remove_file(gone).expect("removed");
    }
    for (file, bytes) in before {
        std::fs::write(folder.join(format!("9{}", &file[1..])), bytes).expect("written");
    }
}

#[test]
fn key_stores_that_were_set_back_bring_nobody_back() {
    const STORES: [&str; 3] = ["keys-a", "keys-b", "keys-c"];
    let house = House::new();
    let store = two_people(&house);
    let keys = STORES.map(|name| key_files(&house, name));
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    let certificate = run(&store, id);
    sealed(&store, 1);
    let before = store.fingerprint(&operator(&store)).expect("a fingerprint");
    drop(store);
    settled(&house);
    lose_database(&house);
    // One of three has the keys again: the others still list them.
    set_back(&house, STORES[0], &keys[0]);
    let rebuilt = rebuild(&house, "site-b", true).expect("everything is there");
    assert_eq!((rebuilt.back, different(&before, &rebuilt.fingerprint)), (0, Vec::new()));
    // All of them have, and the log alone knows.
    for (name, keys) in STORES.iter().zip(&keys) {
        set_back(&house, name, keys);
    }
    let rebuilt = rebuild(&house, "site-b", false).expect("everything is there");
    assert_eq!((rebuilt.back, different(&before, &rebuilt.fingerprint)), (certificate.keys, Vec::new()));
    let store = house.open();
    assert_eq!((read_all(&store, "p1").expect("read"), read_all(&store, "p2").expect("read")), (0, 3));
    drop(store);
    let listed = KeyStores::open_as_they_are(key_stores(&house.root), 2).expect("open").destroyed().expect("read");
    assert_eq!(listed.len() as u64, certificate.keys, "they are on the list again");
}

#[test]
fn killed_anywhere_in_an_erasure_it_is_made_again_and_goes_on() {
    for number in 0..8 {
        let house = House::new();
        let store = two_people(&house);
        let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
        sealed(&store, 0);
        drop(store);
        let mut child = crate::shred::in_a_process(&house);
        std::thread::sleep(std::time::Duration::from_millis(100 + number * 60));
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
        settled(&house);
        lose_database(&house);
        // One that was being written to may be behind, and says so.
        let made = ["site-c", "site-a", "site-b"].iter().map(|site| rebuild(&house, site, false));
        let refused: Vec<StoreError> = made.map_while(Result::err).collect();
        assert!(refused.len() < 3, "kill {number}: {refused:?}");
        let store = house.open();
        run(&store, id);
        assert_eq!(read_all(&store, "p1").expect("read"), 0, "kill {number}");
        assert_eq!(read_all(&store, "p2").expect("read"), 3, "kill {number}");
    }
}

pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The owner that rows of nobody are sealed under is no institution's.
#[test]
fn the_installations_rows_belong_to_no_institution() {
    assert_ne!(Owner::institution(&institution()).id(), Id16::derived(&["installation"]));
}
