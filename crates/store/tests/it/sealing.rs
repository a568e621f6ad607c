//! Sealing: leaves, checkpoints and proofs; sites that are away; two processes; an old copy of the database.

use std::time::Duration;

use base::Id16;
use ledger::EntryKind;
use policy::{Action, Owner};
use store::{Log, Outcome, Store, StoreError};

use crate::support::*;

/// Everything that must hold of a log at a site, which may be the one of three that is behind the others for a moment.
pub fn audit(house: &House, store: &Store, log: Log, site: &str, size: u64) {
    let at = SiteLog(house.site(site).join("log").join(log.name()));
    let key = store.verifier_key(log);
    for _ in 0..1_000 {
        if let Some(checkpoint) = at.checkpoint(&key).filter(|checkpoint| checkpoint.size >= size) {
            assert_eq!(checkpoint.size, size);
            // The checkpoint comes after its files, so the log is whole.
            return ledger::audit(&checkpoint, &at).expect("the whole log is as its checkpoint says");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{site} has no checkpoint of {size} leaves");
}

fn seal_all(store: &Store) -> u64 {
    let written = store.write(&depositor(store, Action::Deposit), vec![], vec![], None).expect("written");
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed").records_size
}

#[test]
fn what_is_sealed_is_at_the_sites_under_a_checkpoint_and_opens_for_its_subject() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let resources: Vec<String> = (0..700).map(|n| format!("o{n}")).collect();
    let list: Vec<(&str, &str, &str)> = resources.iter().map(|id| ("Observation", id.as_str(), "x")).collect();
    let written = write(&store, owner, &list);
    assert_eq!(store.wait_sealed(written.ticket, PATIENCE).expect("sealed").records_size, 700 + of_rows(&house));
    write_one(&store, owner, "Observation", "o5", "amended");
    assert_eq!(seal_all(&store), 701 + of_rows(&house));

    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadRecord);
    let key5 = key(&store, owner, "Observation", "o5");
    let versions = store.history(&read, &key5).expect("read");
    assert_eq!(versions.len(), 2);
    for version in &versions {
        let index = version.leaf.expect("it is sealed");
        let content = store::version_content(&key5, version.version, &base::sha256(version.bytes.expose()));
        let leaf = ledger::commit(version.salt.expose(), EntryKind::Resource, &content);
        let proof = store.proof(Log::Records, index).expect("a proof");
        proof.verify(&leaf, &[store.verifier_key(Log::Records)]).expect("the proof holds");
        let wrong = store::version_content(&key5, version.version + 1, &base::sha256(version.bytes.expose()));
        let wrong = ledger::commit(version.salt.expose(), EntryKind::Resource, &wrong);
        assert!(proof.verify(&wrong, &[store.verifier_key(Log::Records)]).is_err());
    }
    let newest = count(&house, "SELECT max(position) FROM leaf WHERE kind = 1").unsigned_abs();
    assert!(versions[1].leaf == Some(newest) && newest >= 700);
    let receipt = depositor(&store, Action::ReadReceipt);
    let positions = store.leaf_positions(
        &receipt,
        &[key(&store, owner, "Observation", "o0"), key5, key(&store, owner, "Observation", "none")],
    );
    assert_eq!(positions.expect("read"), [Some(0), Some(newest), None]);
    let size = 701 + of_rows(&house);
    assert!(store.proof(Log::Records, size).is_err());
    for site in ["site-a", "site-b"] {
        audit(&house, &store, Log::Records, site, size);
    }
    // After a restart the proofs come from the sites alone.
    let (before, keys) = (store.checkpoint(Log::Records).expect("read"), store.verifier_keys());
    drop(store);
    let store = house.open();
    assert_eq!(store.checkpoint(Log::Records).expect("read"), before);
    assert_eq!(store.verifier_keys(), keys);
    assert!(keys[0].starts_with("hanmaru.test/records+") && keys[1].starts_with("hanmaru.test/access+"), "{keys:?}");
    store.proof(Log::Records, 3).expect("a proof");
}

#[test]
fn an_issued_document_gets_its_leaf_and_proof_at_once() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let issue = person(&store, Id16([7; 16]), &[owner], Action::Issue);
    let mut indexes = std::collections::BTreeSet::new();
    for round in 0..3_u64 {
        let content = format!("document {round}");
        let leaf = store.commit_leaf(&issue, EntryKind::Issued, owner, content.as_bytes()).expect("sealed");
        assert!(indexes.insert(leaf.index), "a place of its own");
        assert_eq!(leaf.entry, ledger::commit(&leaf.salt, EntryKind::Issued, content.as_bytes()));
        let checkpoint = leaf.proof.verify(&leaf.entry, &[store.verifier_key(Log::Records)]).expect("the proof holds");
        assert!(checkpoint.size > leaf.index);
        let file = ledger::TlogProof::parse(&leaf.proof.to_bytes()).expect("a proof file");
        assert_eq!(file, leaf.proof);
    }
    let receipt = depositor(&store, Action::Deposit);
    let institution = Owner::institution(&institution());
    let leaf = store.commit_leaf(&receipt, EntryKind::Receipt, institution, b"receipt").expect("sealed");
    assert!(indexes.insert(leaf.index) && indexes.last() == Some(&leaf.index));
    assert_eq!(count(&house, "SELECT count(*) FROM leaf WHERE kind IN (4, 5)"), 4);
}

#[test]
fn one_site_away_does_not_matter_and_it_catches_up() {
    let house = House::new();
    house.hide_site("site-b");
    let store = house.open();
    let owner = patient("p1");
    let written = write(&store, owner, &[("Condition", "c1", "x")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("two of three are enough");
    house.show_site("site-b");
    write_one(&store, owner, "Condition", "c2", "x");
    let size = seal_all(&store);
    assert_eq!(size, 2 + of_rows(&house));
    for _ in 0..500 {
        if house.site("site-b").join("log/records/checkpoint").exists()
            && store.health().sites.iter().all(|site| site.pending == 0)
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    audit(&house, &store, Log::Records, "site-b", size);
}

#[test]
fn two_sites_away_keep_the_seal_waiting_refuse_writes_and_let_reads_go_on() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    write_one(&store, owner, "Condition", "c1", "x");
    seal_all(&store);
    let written = write(&store, owner, &[("Condition", "c2", "x")]);
    assert_eq!(written.versions, [Outcome::New { version: 1 }]);
    house.hide_site("site-a");
    house.hide_site("site-c");
    match store.wait_sealed(written.ticket, Duration::from_millis(1500)) {
        Err(StoreError::NotSealed { waited_ms, reason }) => {
            assert!(waited_ms >= 1500, "{waited_ms}");
            assert!(reason.contains("1 of 2 needed sites"), "{reason}");
        }
        other => panic!("it cannot be sealed: {other:?}"),
    }
    assert!(store.health().faults[0].is_some());
    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadRecord);
    assert_eq!(store.read(&read, &[key(&store, owner, "Condition", "c2")]).expect("reads go on").len(), 1);
    let permit = depositor(&store, Action::Deposit);
    let third = prepare(&store, &permit, owner, "Condition", "c3", "x", 3);
    match store.write(&permit, vec![third], vec![], None) {
        Err(StoreError::Site(vault::SiteError::Lost { wanted: 2, reached: 1, faults })) => {
            let text = vault::SiteError::Lost { wanted: 2, reached: 1, faults }.to_string();
            assert!(text.starts_with("1 sites can be reached and 2 must be: nothing is taken in"), "{text}");
            assert!(text.contains("site-a: folder ") && text.contains("site-c: folder "), "{text}");
        }
        other => panic!("it cannot be kept: {other:?}"),
    }
    let issue = person(&store, Id16([7; 16]), &[owner], Action::Issue);
    let refused = store.commit_leaf(&issue, EntryKind::Issued, owner, b"x");
    assert!(matches!(refused, Err(StoreError::Site(vault::SiteError::Lost { .. }))), "{refused:?}");
    house.show_site("site-a");
    house.show_site("site-c");
    assert_eq!(
        store.wait_sealed(written.ticket, PATIENCE).expect("sealed when they are back").records_size,
        2 + of_rows(&house)
    );
    assert!(store.health().faults[0].is_none());
    audit(&house, &store, Log::Records, "site-a", 2 + of_rows(&house));
}

#[test]
fn writers_are_held_up_and_then_refused_when_too_much_waits() {
    let mut house = House::new();
    // A version has about three rows of the outbox: its leaf and what tables say of it.
    house.config.backlog_rows_max = 150;
    house.config.backlog_wait_ms = 300;
    // Whoever seals is in another process, and stands still.
    let locks = house.folder().join("locks");
    std::fs::create_dir_all(&locks).expect("made");
    let sealing = std::fs::File::create(locks.join("seal-records.lock")).expect("made");
    sealing.lock().expect("taken");
    let store = house.open();
    let permit = depositor(&store, Action::Deposit);
    let batch = |from: usize| -> Vec<_> {
        (from..from + 40)
            .map(|n| prepare(&store, &permit, patient("p1"), "Condition", &format!("c{n}"), "x", 1))
            .collect()
    };
    store.write(&permit, batch(0), vec![], None).expect("there is room");
    store.write(&permit, batch(40), vec![], None).expect("there is room");
    match store.write(&permit, batch(80), vec![], None) {
        Err(StoreError::Backlog { waiting, limit, .. }) => assert!(waiting > limit, "{waiting}"),
        other => panic!("it is full: {other:?}"),
    }
    drop(sealing);
    for _ in 0..100 {
        if store.write(&permit, batch(80), vec![], None).is_ok() {
            assert_eq!(seal_all(&store), 120 + of_rows(&house));
            return;
        }
    }
    panic!("writing goes on when it is sealed again");
}

#[test]
fn a_database_that_is_behind_the_sites_signs_nothing() {
    let house = House::new();
    let owner = patient("p1");
    let backup = house.root.join("backup.db");
    let (key, before, after);
    {
        let store = house.open();
        write_one(&store, owner, "Condition", "c1", "x");
        before = seal_all(&store);
        look(&house).execute("VACUUM INTO ?", [backup.to_str().expect("a path")]).expect("a backup");
        write_one(&store, owner, "Condition", "c2", "x");
        after = seal_all(&store);
        assert_eq!(after, 2 + of_rows(&house));
        key = store.verifier_key(Log::Records);
    }
    let database = house.folder().join("hanmaru.db");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    std::fs::copy(&backup, &database).expect("the old copy is put back");
    match house.try_open().map(drop) {
        Err(StoreError::SiteAhead { site_size, database_size, .. }) => {
            assert_eq!((site_size, database_size), (after, before));
        }
        other => panic!("signing would fork the log: {other:?}"),
    }
    assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 1, "nothing was written");
    let head = SiteLog(house.site("site-a").join("log/records")).checkpoint(&key).expect("a head");
    assert_eq!(head.size, after, "still the newer one");
}

#[test]
fn a_site_that_comes_back_with_another_history_is_not_overwritten() {
    comes_back_with_another_history(0);
}

#[test]
fn nor_is_one_whose_history_has_been_outgrown() {
    comes_back_with_another_history(5);
}

/// An older copy of the database goes on while the one site is away that knows better, by so many more resources.
fn comes_back_with_another_history(more: usize) {
    let house = House::new();
    let owner = patient("p1");
    let backup = house.root.join("backup.db");
    let store = house.open();
    write_one(&store, owner, "Condition", "c1", "x");
    seal_all(&store);
    let key = store.verifier_key(Log::Records);
    drop(store);
    crate::rebuild::settled(&house);
    look(&house).execute("VACUUM INTO ?", [backup.to_str().expect("a path")]).expect("a backup");
    for name in ["site-a", "site-c"] {
        copy_folder(&house.site(name), &house.root.join(format!("{name}.old")));
    }
    let store = house.open();
    write_one(&store, owner, "Condition", "c2", "x");
    let after = seal_all(&store);
    drop(store);
    crate::rebuild::settled(&house);
    let database = house.folder().join("hanmaru.db");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", database.display()));
    }
    std::fs::copy(&backup, &database).expect("the old copy is put back");
    for name in ["site-a", "site-c"] {
        std::fs::remove_dir_all(house.site(name)).expect("burnt");
        std::fs::rename(house.root.join(format!("{name}.old")), house.site(name)).expect("put back");
    }
    // Nobody who answers knows better.
    let theirs = bytes_below(&house.site("site-b").join("log"));
    house.hide_site("site-b");
    let store = house.open();
    let written = write(&store, owner, &[("Condition", "c3", "x")]);
    store.wait_sealed(written.ticket, PATIENCE).expect("two sites are enough");
    for number in 0..more {
        write_one(&store, owner, "Condition", &format!("more{number}"), "x");
        seal_all(&store);
    }
    // Nothing that it remembers of its own log helps it then.
    drop(store);
    let store = house.open();
    let written = write(&store, owner, &[("Condition", "anew", "x")]);
    let ours = store.wait_sealed(written.ticket, PATIENCE).expect("two sites are enough").records_size;
    assert!(more == 0 || ours > after, "{ours} of {after}");
    house.show_site("site-b");
    crate::rebuild::until(|| store.health().faults[0].is_some());
    match store.wait_sealed(write(&store, owner, &[("Condition", "c4", "x")]).ticket, PATIENCE) {
        Err(StoreError::SiteAhead { site_size, .. }) => assert_eq!(site_size, after),
        other => panic!("signing on would show two histories: {other:?}"),
    }
    // Long enough for the mender to bring what it holds for a site that was away.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert!(store.health().faults[0].is_some(), "until somebody has decided");
    let head = SiteLog(house.site("site-b").join("log/records")).checkpoint(&key).expect("a head");
    assert_eq!(head.size, after, "what it held is still there");
    // Whoever looks for damage judges it by the database's tiles too, and not by those that came with it.
    drop(store);
    let report = crate::scrub::scrub(&house.open(), &["site-b"]);
    let fault = report.sites["site-b"].fault.as_deref().unwrap_or_default();
    assert!(fault.contains("another history, with") && fault.contains("left as it is"), "{report:?}");
    // Its head alone would be the proof of nothing.
    let now = bytes_below(&house.site("site-b").join("log"));
    let kept = |(path, bytes): &(&std::path::PathBuf, &Vec<u8>)| now.get(*path) == Some(*bytes);
    let changed: Vec<_> = theirs.iter().filter(|file| !kept(file)).map(|(path, _)| path).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

fn bytes_below(folder: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let read = |(path, _)| (std::fs::read(&path).map(|bytes| (path, bytes))).expect("read");
    files(folder).into_iter().map(read).collect()
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Every file below a folder, for telling that nothing was written.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("listed") {
            let entry = entry.expect("an entry");
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path(), entry.metadata().expect("its size").len()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_missing_database_is_not_made_again_silently() {
    let house = House::new();
    write_one(&house.open(), patient("p1"), "Condition", "c1", "x");
    let size = seal_all(&house.open());
    std::fs::rename(house.folder(), house.root.join("away")).expect("its disk is not mounted");
    let sites = files(&house.site("site-a"));
    match store::Store::open(house.with().expect("sites and keys")).map(drop) {
        Err(StoreError::NotThere { path }) => assert_eq!(path, house.folder().join("hanmaru.db")),
        other => panic!("it is missing: {other:?}"),
    }
    assert!(!house.folder().exists(), "nothing was made");
    // Not even on purpose, while the sites hold a log.
    let error = house.try_open().map(drop).expect_err("the log would fork");
    assert!(matches!(error, StoreError::SiteAhead { site_size, database_size: 0, .. } if site_size == size), "{error}");
    assert_eq!(files(&house.site("site-a")), sites);
    std::fs::remove_dir_all(house.folder()).expect("what was made in vain");
    std::fs::rename(house.root.join("away"), house.folder()).expect("mounted");
    store::Store::open(house.with().expect("sites and keys")).expect("all is there");
}

#[test]
fn a_log_under_another_name_is_refused_at_once() {
    let house = House::new();
    write_one(&house.open(), patient("p1"), "Condition", "c1", "x");
    seal_all(&house.open());
    let renamed = store::OpenStore { origin: "else.test".to_owned(), ..house.with().expect("sites and keys") };
    match store::Store::open(renamed).map(drop) {
        Err(StoreError::Origin { found, configured }) => {
            assert_eq!((found.as_str(), configured.as_str()), ("hanmaru.test/records", "else.test/records"));
        }
        other => panic!("the log has another name: {other:?}"),
    }
}

#[test]
fn the_log_of_another_installation_is_never_replaced() {
    let (house, other) = (House::new(), House::new());
    for (house, id) in [(&house, "c1"), (&other, "c2")] {
        write_one(&house.open(), patient("p1"), "Condition", id, "x");
        seal_all(&house.open());
    }
    // A site from before sites told whose they are, mounted in another's place.
    let theirs = std::fs::read(other.site("site-c").join("log/records/checkpoint")).expect("its checkpoint");
    let place = house.site("site-c").join("log/records/checkpoint");
    std::fs::write(&place, &theirs).expect("in its place");
    match house.try_open().map(drop) {
        Err(StoreError::ForeignLog { site, log, .. }) => {
            assert_eq!((site.as_str(), log.as_str()), ("site-c", "hanmaru.test/records"));
        }
        other => panic!("another installation's: {other:?}"),
    }
    assert_eq!(std::fs::read(&place).expect("still there"), theirs);
}

#[test]
fn a_folder_of_another_installation_is_a_fault_and_is_left_as_it_is() {
    let (house, other) = (House::new(), House::new());
    for (house, id) in [(&house, "c1"), (&other, "c2")] {
        write_one(&house.open(), patient("p1"), "Condition", id, "x");
        seal_all(&house.open());
    }
    for name in ["site-c", "keys-c"] {
        house.hide_site(name);
        std::fs::rename(other.site(name), house.site(name)).expect("mounted in its place");
    }
    let folders = ["site-c", "keys-c"].map(|name| house.site(name));
    let before = folders.each_ref().map(|folder| files(folder));
    let store = house.open();
    // A new patient needs new keys.
    write_one(&store, patient("p2"), "Condition", "c3", "x");
    assert_eq!(seal_all(&store), 2 + of_rows(&house), "two of three are enough");
    let status = store.health().sites.into_iter().find(|site| site.name == "site-c").expect("it is configured");
    assert!(!status.reachable && matches!(status.last_fault, Some(vault::Fault::Foreign(_))), "{status:?}");
    drop(store);
    assert_eq!(folders.each_ref().map(|folder| files(folder)), before);
    // Two of them are more than a fault.
    house.hide_site("site-b");
    std::fs::rename(other.site("site-b"), house.site("site-b")).expect("mounted in its place");
    assert!(house.try_open().is_err());
}

#[test]
fn what_a_crash_left_unpublished_is_published_at_the_next_start() {
    let house = House::new();
    let owner = patient("p1");
    let size = {
        let store = house.open();
        let ids: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
        write(&store, owner, &ids.iter().map(|id| ("Condition", id.as_str(), "x")).collect::<Vec<_>>());
        seal_all(&store)
    };
    assert!((301..511).contains(&size), "{size}");
    // As if the power had gone right after the swap: the head is in the database, its files are not at the sites.
    let pending: Vec<(String, Vec<u8>)> = {
        let at = SiteLog(house.site("site-a").join("log/records"));
        let width = size - 256;
        let partial = [format!("tile/0/001.p/{width}"), format!("tile/entries/001.p/{width}")];
        let paths = partial.into_iter().chain(["tile/0/000", "tile/entries/000", "tile/1/000.p/1"].map(str::to_owned));
        paths.map(|path| (path.clone(), std::fs::read(at.0.join(path)).expect("the tile"))).collect()
    };
    let database = look(&house);
    for (path, bytes) in pending {
        database
            .execute(
                "INSERT INTO pending_tile VALUES ('records', ?, ?, ?)",
                rusqlite::params![size as i64, path, bytes],
            )
            .expect("inserted");
    }
    let sql = "UPDATE log_head SET published_note = NULL, published_size = 0, published_no = 0 WHERE log = 'records'";
    database.execute(sql, []).expect("updated");
    drop(database);
    for site in ["site-a", "site-b", "site-c"] {
        std::fs::remove_dir_all(house.site(site).join("log/records")).expect("the log is gone");
    }
    let store = house.open();
    assert_eq!(seal_all(&store), size);
    for site in ["site-a", "site-b"] {
        audit(&house, &store, Log::Records, site, size);
    }
    store.proof(Log::Records, 12).expect("a proof");
}

#[test]
fn two_stores_on_one_folder_write_and_seal_without_doubling() {
    let house = House::new();
    let stores = [house.open(), house.open()];
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..30 {
                    // Half of the resources are written by both, half by one.
                    let own = format!("own-{number}-{round}");
                    let both = format!("both-{round}");
                    let written = write(store, patient("p1"), &[("Condition", &own, "x"), ("Condition", &both, "x")]);
                    if round % 10 == 9 {
                        store.wait_sealed(written.ticket, PATIENCE).expect("sealed, by whichever of the two");
                    }
                }
            });
        }
    });
    let size = seal_all(&stores[1]);
    assert_eq!(size, 90 + of_rows(&house));
    assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 90);
    assert_eq!(count(&house, "SELECT count(DISTINCT position) FROM leaf WHERE kind = 1"), 90);
    audit(&house, &stores[0], Log::Records, "site-a", size);
    // A leaf asked for by the one that does not seal is there in moments as well.
    let [first, second] = stores;
    let issue = person(&second, Id16([7; 16]), &[patient("p1")], Action::Issue);
    let leaf = second.commit_leaf(&issue, EntryKind::Issued, patient("p1"), b"x").expect("sealed");
    assert!(leaf.index >= size);
    // Who is left takes over.
    drop(first);
    let leaf = second.commit_leaf(&issue, EntryKind::Issued, patient("p1"), b"y").expect("sealed");
    assert!(leaf.index > size);
    assert_eq!(count(&house, "SELECT count(*) FROM leaf WHERE kind = 4"), 2);
}

#[test]
fn two_sequencers_at_once_cannot_fork_the_log() {
    let house = House::new();
    let owner = patient("p1");
    let first = house.open();
    write_one(&first, owner, "Condition", "first", "x");
    seal_all(&first);
    // The lock is taken away under the first, as a network file system may do: the second believes that it is alone.
    for log in ["records", "access"] {
        let _ = std::fs::remove_file(house.folder().join(format!("locks/seal-{log}.lock")));
    }
    let second = house.open();
    let stores = [first, second];
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..25 {
                    let id = format!("c-{number}-{round}");
                    let written = write(store, patient("p1"), &[("Condition", &id, "x")]);
                    store.wait_sealed(written.ticket, PATIENCE).expect("sealed, by whichever of the two");
                }
            });
        }
    });
    drop(stores);
    let store = house.open();
    let size = seal_all(&store);
    assert_eq!(size, 51 + of_rows(&house));
    assert_eq!(count(&house, "SELECT count(DISTINCT position) FROM leaf WHERE kind = 1"), 51);
    let places = count(&house, "SELECT count(DISTINCT position) FROM leaf WHERE kind <> 3");
    assert_eq!(places.unsigned_abs(), size, "each place of the log has one thing");
    for site in ["site-a", "site-b"] {
        audit(&house, &store, Log::Records, site, size);
    }
}

#[test]
fn whatever_waits_has_an_age_rows_of_tables_and_what_was_claimed_alone_too() {
    let mut house = House::new();
    let noon = base::Timestamp::from_second(1_900_000_000).expect("a time");
    let clock = std::sync::Arc::new(base::ManualClock::at(noon));
    house.clock = std::sync::Arc::<base::ManualClock>::clone(&clock);
    let store = house.open();
    write_one(&store, patient("p1"), "Condition", "c1", "x");
    seal_all(&store);
    drop(store);
    // From here on nobody seals.
    house.config.sequencer = false;
    let store = house.open();
    let records = || store.condition().expect("read").logs.swap_remove(0);
    assert_eq!((records().waiting, records().oldest_s), (0, None));
    let sql = "INSERT INTO account (account, profile, made_us, signed_in_us) VALUES (?, X'01', 1, 1)";
    store.tables().write("a row", |transaction| transaction.execute(sql, [[7_u8; 16]])).expect("written");
    clock.advance(store::WAITING_S_MAX + 1);
    assert_eq!(records().oldest_s, Some(store::WAITING_S_MAX + 1), "a row that is in the outbox alone");
    assert_eq!(records().grade(), store::Grade::Look);
    write_one(&store, patient("p1"), "Condition", "c2", "x");
    assert_eq!(records().oldest_s, Some(store::WAITING_S_MAX + 1), "what came first waits longest");
    look(&house).execute("UPDATE outbox_records SET since_us = NULL", []).expect("as an older program left it");
    drop(store);
    let store = house.open();
    clock.advance(3);
    let oldest_s = || store.condition().expect("read").logs[0].oldest_s;
    assert_eq!(oldest_s(), Some(3), "it waits at least since this program looks");
    let claimed = "UPDATE log_head SET published_size = size - 1 WHERE log = 'records'";
    look(&house).execute(claimed, []).expect("as a program that died before it published");
    assert_eq!(oldest_s(), Some(store::WAITING_S_MAX + 4));
}
