//! Erasures that take documents, of every scope: broken off between the list of destroyed keys and the rows, with the database kept,
//! lost or set back, nothing is left of them, and the installation can be made again.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base::{Id16, Seam, Seams};
use policy::{Action, Owner};
use rusqlite::params;
use store::{Edition, EntryKind, NewVersion, PreparedObject, ShredScope, ShredState, Store, StoreError};
use vault::GroupName;

use crate::objects::{bytes, head, put};
use crate::rebuild::{
    ALONE, different, files, lose_database, operator, rebuild, rebuild_with, sealed, settled, two_people, until,
};
use crate::shred::{RULES, approved, read_all, repair, run};
use crate::support::*;

/// Documents of each of the two, one of them in several chunks.
const SIZES: [usize; 2] = [700, 5 << 20];

/// Every scope that takes what `p1` has, and how many of the two it takes it from.
fn scopes() -> [(ShredScope, usize); 3] {
    let group = GroupName { owner: patient("p1"), institution: institution(), class: class(), expiry_year: 2035 };
    [
        (ShredScope::Patient(patient("p1").id()), 1),
        (ShredScope::Group(group), 1),
        (ShredScope::Class { institution: institution(), class: class(), expiry_year: 2035 }, 2),
    ]
}

fn documents_of(owner: Owner) -> Vec<(store::ObjectHead, Vec<u8>)> {
    let files = SIZES.map(|size| bytes(owner.id().0[0], size));
    files.into_iter().map(|bytes| (head(owner, &format!("{owner:?}-{}", bytes.len()), &bytes), bytes)).collect()
}

/// Writes objects, and which document of a deposit each is.
fn deposit(store: &Store, owner: Owner, prepared: Vec<PreparedObject>) {
    let objects: Vec<Id16> = prepared.iter().map(PreparedObject::id).collect();
    let permit = depositor(store, Action::Deposit);
    let written = store.write(&permit, vec![], prepared, None).expect("written");
    let owner = [&[2][..], &owner.id().0].concat();
    let rows = move |transaction: &rusqlite::Transaction<'_>| {
        for object in objects {
            let sql = "INSERT OR REPLACE INTO document (owner, name, deposit, path, place, class, expiry_year, content_type, \
                       state, object) VALUES (?1, ?2, ?3, X'01', 0, 'chart10', 2035, 'application/pdf', 1, ?2)";
            transaction.execute(sql, params![owner, object.0, [1_u8; 16]])?;
        }
        Ok(())
    };
    store.tables().write("a room's rows", rows).expect("written");
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
}

/// The two people of the rebuild's stories, each with documents.
fn two_with_documents(house: &House) -> Store {
    let store = two_people(house);
    for one in ["p1", "p2"] {
        deposit(&store, patient(one), put(&store, &documents_of(patient(one))));
    }
    sealed(&store, 0);
    store
}

/// Ends what runs at a place, as if it were killed there.
pub struct Break {
    at: &'static str,
    armed: AtomicBool,
}

impl Break {
    pub fn at(at: &'static str) -> Arc<Self> {
        Arc::new(Self { at, armed: AtomicBool::new(true) })
    }
}

impl Seam for Break {
    fn at(&self, place: &'static str) -> std::io::Result<()> {
        if place == self.at && self.armed.swap(false, Ordering::SeqCst) {
            return Err(std::io::Error::other("killed here"));
        }
        Ok(())
    }
}

/// Opens the house again and begins an erasure, which ends when the key stores have its keys, as if it were killed there.
fn break_off(house: &mut House, store: Store, id: Id16) -> Store {
    sealed(&store, 0);
    drop(store);
    house.config.seams = Seams::with(Break::at(store::seams::LISTED) as Arc<dyn Seam>);
    let store = house.open();
    let permit = repair(&store);
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    let killed = store.shred_step(&permit, id).expect_err("killed").to_string();
    assert!(killed.contains("killed here"), "{killed}");
    store
}

/// An erasure that was broken off when the key stores had its keys and the database knew nothing of that yet.
fn broken_off(house: &mut House, scope: &ShredScope) -> Id16 {
    let store = two_with_documents(house);
    let id = approved(&store, scope);
    let store = break_off(house, store, id);
    assert_eq!(count(house, "SELECT count(*) FROM object"), 4, "{scope:?}: nothing is erased yet");
    until(|| store.health().waiting == [0, 0]);
    drop(store);
    house.config.seams = Seams::default();
    id
}

/// What must be left where so many of the two were erased.
fn check_left(house: &House, store: &Store, erased: usize, told: &str) {
    let left = (2 - erased) as i64;
    for (what, rows) in [
        ("object", 2 * left),
        ("object_chunk", 3 * left),
        ("document", 2 * left),
        ("resource_current", 3 * left),
        ("resource_version", 3 * left),
    ] {
        assert_eq!(count(house, &format!("SELECT count(*) FROM {what}")), rows, "{told}: {what}");
    }
    assert_eq!(read_all(store, "p1").expect("read"), 0, "{told}");
    assert_eq!(read_all(store, "p2").expect("read") as i64, 3 * left, "{told}");
    let read = person(store, Id16([7; 16]), &[patient("p1"), patient("p2")], Action::ReadDocument);
    for (owner, is_there) in [(patient("p1"), false), (patient("p2"), left == 1)] {
        for (head, bytes) in documents_of(owner) {
            match store.object(&read, head.id) {
                Ok(object) => assert!(is_there && object.bytes == bytes, "{told}"),
                Err(StoreError::Missing { .. }) => assert!(!is_there, "{told}"),
                Err(error) => panic!("{told}: {error}"),
            }
        }
    }
}

/// Goes on with the erasure, and then tries whether the installation can be made again as it is.
fn goes_on(house: &House, store: Store, id: Id16, erased: usize, told: &str) {
    let certificate = run(&store, id);
    assert!(certificate.tables.iter().all(|table| table.left == 0), "{told}");
    assert!(certificate.tables.iter().any(|table| table.name == "object"), "{told}: it was looked for");
    let objects = certificate.leaves.iter().filter(|(kind, _)| *kind == 2).count();
    assert_eq!(objects, 2 * erased, "{told}: the certificate names the documents");
    check_left(house, &store, erased, told);
    can_be_made_again(house, store, told);
    // What was erased with its group may come again, and so may the loss of the database.
    let store = house.open();
    let owner = patient("p2");
    deposit(&store, owner, put(&store, &documents_of(owner)));
    write_one(&store, owner, "Condition", "p2-c1", "다시 0");
    can_be_made_again(house, store, &format!("{told}, again"));
}

/// A drill makes the same, once the last accesses are in their table as well.
fn can_be_made_again(house: &House, mut store: Store, told: &str) {
    let mut differ = vec![];
    for _ in 0..5 {
        drop(store);
        store = house.open();
        std::thread::sleep(std::time::Duration::from_millis(700));
        sealed(&store, 0);
        let before = store.fingerprint(&operator(&store)).expect("a fingerprint");
        settled(house);
        let drill = rebuild(house, "site-b", true).unwrap_or_else(|error| panic!("{told}: {error}"));
        differ = different(&before, &drill.fingerprint);
        if differ.is_empty() {
            return;
        }
    }
    panic!("{told}: {differ:?}");
}

#[test]
fn documents_go_with_their_keys_when_it_was_broken_off_before_their_rows_went() {
    for (scope, erased) in scopes() {
        let mut house = House::new();
        let id = broken_off(&mut house, &scope);
        let (store, told) = (house.open(), format!("{scope:?}"));
        check_left(&house, &store, erased, &told);
        goes_on(&house, store, id, erased, &told);
    }
}

#[test]
fn an_installation_whose_database_is_lost_in_the_middle_is_made_again_without_the_documents() {
    for (scope, erased) in scopes() {
        let mut house = House::new();
        let id = broken_off(&mut house, &scope);
        settled(&house);
        lose_database(&house);
        let told = format!("{scope:?}");
        let rebuilt = rebuild(&house, "site-b", false).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(rebuilt.objects as usize, 2 * (2 - erased), "{told}");
        let store = house.open();
        check_left(&house, &store, erased, &told);
        let whole = matches!(scope, ShredScope::Patient(_));
        goes_on(&house, store, id, erased, &told);
        let store = house.open();
        assert_eq!(store.erased(&[patient("p1")]).expect("asked"), [whole], "{told}: and is not taken in again");
    }
}

#[test]
fn a_pack_that_is_missing_is_not_taken_for_what_an_erasure_had_destroyed() {
    let [of_patient, _, of_class] = scopes();
    for (scope, _) in [of_patient, of_class] {
        let (mut house, told) = (House::new(), format!("{scope:?}"));
        broken_off(&mut house, &scope);
        settled(&house);
        // The others would bring what is missing.
        house.hide_site("site-b");
        house.hide_site("site-c");
        let made = || rebuild_with(&house, "site-a", true, ALONE);
        let whole = made().unwrap_or_else(|error| panic!("{told}: {error}")).fingerprint;
        let (away, mut unexplained) = (house.root.join("pack.away"), 0);
        let packs = files(&house.site("site-a").join("pack"));
        for pack in &packs {
            std::fs::rename(pack, &away).expect("away");
            match made() {
                // It had nothing but what was destroyed.
                Ok(rebuilt) => assert_eq!(different(&whole, &rebuilt.fingerprint), Vec::<String>::new(), "{told}"),
                Err(StoreError::Rebuild { reason }) => {
                    unexplained += u32::from(reason.contains("have nothing at this site"));
                }
                Err(error) => panic!("{told}: {error}"),
            }
            std::fs::rename(&away, pack).expect("there again");
        }
        assert!(unexplained > 2, "{told}: {unexplained} of {} packs", packs.len());
        made().unwrap_or_else(|error| panic!("{told}: {error}"));
    }
}

#[test]
fn killed_anywhere_over_documents_it_is_done_in_the_end_and_can_be_made_again() {
    for (scope, erased) in scopes() {
        for number in 0..3 {
            let house = House::new();
            let store = two_with_documents(&house);
            let id = approved(&store, &scope);
            sealed(&store, 0);
            drop(store);
            let mut child = crate::shred::in_a_process(&house);
            std::thread::sleep(std::time::Duration::from_millis(120 + number * 110));
            child.kill().expect("it can be killed");
            child.wait().expect("it has ended");
            settled(&house);
            let told = format!("{scope:?}, kill {number}");
            let is_lost = number != 1;
            if is_lost {
                lose_database(&house);
                // One that was being written to may be behind, and says so.
                let made = ["site-c", "site-a", "site-b"].iter().map(|site| rebuild(&house, site, false));
                let refused: Vec<StoreError> = made.map_while(Result::err).collect();
                assert!(refused.len() < 3, "{told}: {refused:?}");
            }
            goes_on(&house, house.open(), id, erased, &told);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-aT").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

#[test]
fn an_older_database_loses_the_documents_before_it_serves_anything() {
    for (scope, erased) in scopes() {
        let house = House::new();
        let store = two_with_documents(&house);
        let id = approved(&store, &scope);
        sealed(&store, 0);
        drop(store);
        settled(&house);
        // Database and sites are set back together, as from a backup of both; the key stores are as they are now.
        let folders: Vec<_> =
            std::iter::once(house.folder()).chain(sites(&house.root).into_iter().map(|one| one.folder)).collect();
        let backup = |folder: &Path| folder.with_extension("backup");
        folders.iter().for_each(|folder| copy(folder, &backup(folder)));
        let store = house.open();
        run(&store, id);
        drop(store);
        for folder in &folders {
            std::fs::remove_dir_all(folder).expect("gone");
            copy(&backup(folder), folder);
        }
        let told = format!("{scope:?}");
        let store = house.open();
        check_left(&house, &store, erased, &told);
        can_be_made_again(&house, store, &told);
    }
}

/// Writes an object and issues documents when the key stores list the keys already, and then goes on, or ends as if it were killed.
struct Late {
    other: Mutex<Option<(Store, Vec<PreparedObject>)>>,
    is_killed: bool,
}

impl Seam for Late {
    fn at(&self, place: &'static str) -> std::io::Result<()> {
        if place == store::seams::LISTED
            && let Some((other, prepared)) = self.other.lock().expect("no panics").take()
        {
            deposit(&other, patient("p1"), prepared);
            // More leaves than frames: what tells of these is in one frame of rows.
            let issue = person(&other, Id16([7; 16]), &[patient("p1")], Action::Issue);
            for _ in 0..3 {
                other.commit_leaf(&issue, EntryKind::Issued, patient("p1"), b"a document").expect("sealed");
            }
            if self.is_killed {
                return Err(std::io::Error::other("killed here"));
            }
        }
        Ok(())
    }
}

/// What was there before an erasure began is missed, although something came behind what that had noted.
fn misses_none_of(house: &House, packs: &[std::path::PathBuf]) {
    house.hide_site("site-b");
    house.hide_site("site-c");
    let made = || rebuild_with(house, "site-a", true, ALONE);
    let whole = made().expect("everything is there").fingerprint;
    let (away, mut refused) = (house.root.join("pack.away"), 0);
    for pack in packs {
        std::fs::rename(pack, &away).expect("away");
        match made() {
            // It had nothing but what was destroyed.
            Ok(rebuilt) => assert_eq!(different(&whole, &rebuilt.fingerprint), Vec::<String>::new()),
            Err(error) => refused += u32::from(error.to_string().contains("have nothing at this site")),
        }
        std::fs::write(pack, "something else").expect("damaged");
        assert!(made().is_err(), "what is damaged may be what is missing");
        std::fs::rename(&away, pack).expect("there again");
    }
    assert!(refused > 0, "{} packs", packs.len());
    house.show_site("site-b");
    house.show_site("site-c");
}

#[test]
fn a_document_that_comes_at_the_last_moment_goes_with_the_others() {
    for ((scope, erased), is_killed) in scopes().into_iter().flat_map(|one| [(one.clone(), false), (one, true)]) {
        let told = format!("{scope:?}, killed: {is_killed}");
        let mut house = House::new();
        let seam = Arc::new(Late { other: Mutex::new(None), is_killed });
        let other = house.open();
        house.config.seams = Seams::with(Arc::<Late>::clone(&seam) as Arc<dyn Seam>);
        let mut store = two_with_documents(&house);
        settled(&house);
        let early = files(&house.site("site-a").join("pack"));
        let id = approved(&store, &scope);
        sealed(&store, 0);
        let late = bytes(9, 900);
        let prepared = put(&other, &[(head(patient("p1"), "late", &late), late)]);
        *seam.other.lock().expect("no panics") = Some((other, prepared));
        if is_killed {
            let permit = repair(&store);
            while store.shred_step(&permit, id).is_ok() {}
            assert_eq!(count(&house, "SELECT count(*) FROM object"), 5, "{told}: it came");
            until(|| store.health().waiting == [0, 0]);
            drop(store);
            settled(&house);
            lose_database(&house);
            if matches!(scope, ShredScope::Patient(_)) {
                misses_none_of(&house, &early);
            }
            rebuild(&house, "site-b", false).unwrap_or_else(|error| panic!("{told}: {error}"));
            store = house.open();
            goes_on(&house, store, id, erased, &told);
        } else {
            let certificate = run(&store, id);
            assert!(seam.other.lock().expect("no panics").is_none(), "it came");
            let objects = certificate.leaves.iter().filter(|(kind, _)| *kind == 2).count();
            assert_eq!(objects, 2 * erased + 1, "{told}");
            check_left(&house, &store, erased, &told);
        }
    }
}

/// Writes a version whose retention ends in a year.
fn edition(store: &Store, text: &str, expiry_year: u16) {
    let (code, permit) = (institution(), depositor(store, Action::Deposit));
    let bytes = format!(r#"{{"resourceType":"Condition","id":"p1-c1","text":"{text}"}}"#);
    let new = NewVersion {
        owner: patient("p1"),
        institution: &code,
        resource_type: "Condition",
        source_id: "p1-c1",
        class: &class(),
        expiry_year,
        bytes: bytes.as_bytes(),
        date: None,
        encounter: None,
        index: vec![],
        edition: Edition::default(),
    };
    let prepared = store.prepare(&permit, new).expect("prepared");
    store.write(&permit, vec![prepared], vec![], None).expect("written");
}

#[test]
fn of_a_resource_that_is_in_two_groups_the_versions_of_the_other_stay_when_it_is_made_again() {
    for (year, stays) in [(2040, "옛 판 0"), (2035, "새 판 1")] {
        let mut house = House::new();
        let store = house.open();
        edition(&store, "옛 판 0", 2035);
        edition(&store, "새 판 1", 2040);
        let group = GroupName { owner: patient("p1"), institution: institution(), class: class(), expiry_year: year };
        let id = approved(&store, &ShredScope::Group(group));
        let store = break_off(&mut house, store, id);
        until(|| store.health().waiting == [0, 0]);
        drop(store);
        house.config.seams = Seams::default();
        settled(&house);
        lose_database(&house);
        rebuild(&house, "site-b", false).expect("made again");
        let store = house.open();
        let read = person(&store, Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
        let found = store.read(&read, &[key(&store, patient("p1"), "Condition", "p1-c1")]).expect("read");
        assert_eq!(found.len(), 1, "{year}");
        assert!(String::from_utf8_lossy(found[0].bytes.expose()).contains(stays), "{year}");
        assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 1, "{year}");
        let sql = format!("SELECT count(*) FROM idx_string WHERE value = '{stays}'");
        assert_eq!(count(&house, &sql), 1, "{year}: it is found by what it says");
        run(&store, id);
        store.shred_certificate(&repair(&store), id, &RULES).expect("a certificate");
    }
}

/// A change that waits in the outbox: layout, change, and whose it is.
type Waiting = (i64, Vec<u8>, Option<Vec<u8>>);

/// As an older program left it: no object says under which key it is, and none of its rows at the sites does. Gives those changes.
fn without_keys(house: &mut House) -> Vec<Waiting> {
    look(house).execute("UPDATE object SET key = NULL", []).expect("forgotten");
    // Every row comes into the outbox once more, as when the table became lasting.
    look(house).execute("DELETE FROM row_layout WHERE name = 'object'", []).expect("forgotten");
    house.config.sequencer = false;
    drop(house.open());
    house.config.sequencer = true;
    let connection = look(house);
    let sql =
        "SELECT row, entry, owner FROM outbox_records WHERE row IN (SELECT no FROM row_layout WHERE name = 'object')";
    let mut statement = connection.prepare(sql).expect("a list");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("a list");
    rows.collect::<Result<_, _>>().expect("changes")
}

#[test]
fn documents_of_an_older_program_go_with_their_keys_as_well() {
    for (scope, erased) in scopes() {
        for is_lost in [false, true] {
            let told = format!("{scope:?}, lost: {is_lost}");
            let mut house = House::new();
            drop(two_with_documents(&house));
            let changes = without_keys(&mut house);
            assert_eq!(changes.len(), 4, "{told}");
            assert_eq!(count(&house, "SELECT count(*) FROM object WHERE key IS NULL"), 4, "{told}");
            let store = house.open();
            let id = approved(&store, &scope);
            let store = break_off(&mut house, store, id);
            let unknown = if matches!(scope, ShredScope::Patient(_)) { 4 } else { 0 };
            assert_eq!(count(&house, "SELECT count(*) FROM object WHERE key IS NULL"), unknown, "{told}");
            // And as if it had not got to that.
            let connection = look(&house);
            connection.execute("UPDATE object SET key = NULL", []).expect("forgotten");
            for (layout, change, owner) in &changes {
                let sql = "INSERT INTO outbox_records (kind, row, entry, owner) VALUES (6, ?, ?, ?)";
                connection.execute(sql, params![layout, change, owner]).expect("it waits again");
            }
            drop(connection);
            until(|| store.health().waiting == [0, 0]);
            drop(store);
            house.config.seams = Seams::default();
            settled(&house);
            if is_lost {
                lose_database(&house);
                rebuild(&house, "site-b", false).unwrap_or_else(|error| panic!("{told}: {error}"));
            }
            let store = house.open();
            check_left(&house, &store, erased, &told);
            goes_on(&house, store, id, erased, &told);
        }
    }
}

#[test]
fn no_certificate_is_given_while_a_row_of_what_went_is_left() {
    let house = House::new();
    let store = two_with_documents(&house);
    let (scope, _) = &scopes()[1];
    let id = approved(&store, scope);
    let permit = repair(&store);
    while store.shred_step(&permit, id).expect("a step") != ShredState::Compacted {}
    let key = "(SELECT id FROM destroyed_key WHERE cause = 1)";
    let object = |key: &str| {
        format!(
            "INSERT INTO object (owner, row, id, institution, content_type, size, content, chunks, recorded_us, key) \
             VALUES (x'02', 99, x'01', '', '', 1, x'', 1, 1, {key})"
        )
    };
    for (insert, table) in [
        (object(key), "object"),
        ("INSERT INTO object_chunk VALUES (99, 0, 1, 1, 1)".to_owned(), "object_chunk"),
        (
            "INSERT INTO idx_uri (owner, type, param, value, id) VALUES (x'02', 'T', 'p', 'v', x'01')".to_owned(),
            "idx_uri",
        ),
    ] {
        look(&house).execute(&insert, []).expect("planted");
        let said = store.shred_step(&permit, id).expect_err(table).to_string();
        assert!(said.contains(&format!("1 rows are left in {table}")), "{said}");
        let place = if table == "object" {
            "row = 99"
        } else if table == "object_chunk" {
            "object = 99"
        } else {
            "type = 'T'"
        };
        look(&house).execute(&format!("DELETE FROM {table} WHERE {place}"), []).expect("taken away");
    }
    // An object under a key that lives is nobody's business.
    look(&house).execute(&object("x'00'"), []).expect("planted");
    assert_eq!(store.shred_step(&permit, id).expect("a step"), ShredState::Cleaned);
}
