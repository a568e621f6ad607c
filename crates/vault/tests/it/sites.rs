//! Sites that are missing, read-only, full, damaged or something else, and how they are mended.

use crate::common::{Folders, Mounted, SOON, accept, depositor_of, institution, job, patient, reader, status};
use policy::Action;
use std::fs;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use vault::sites::{Existing, FolderSite, Judge, Listing, Read, SiteBackend};
use vault::{Bytes, Fault, PackBuilder, SiteConfig, SiteError, Sites};

fn object(path: &str, text: &str) -> (String, Bytes) {
    (path.to_owned(), Bytes::copy_from_slice(text.as_bytes()))
}

fn faults(result: Result<vault::Placement, SiteError>) -> (usize, Vec<Fault>) {
    match result {
        Err(SiteError::TooFew { reached, faults, .. }) => (reached, faults.into_iter().map(|one| one.fault).collect()),
        other => panic!("expected too few sites, got {other:?}"),
    }
}

#[test]
fn what_is_put_is_everywhere_and_stays() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    let objects = [object("tile/0/000", "zero"), object("tile/0/001", "one"), object("log/x", "")];
    assert!(sites.put_all(&seal, &objects).expect("placed").sites.len() >= 2);
    sites.put_all(&seal, &objects).expect("the same again is fine");
    assert!(sites.settle(SOON));
    for name in ["a", "b", "c"] {
        assert_eq!(fs::read(folders.path(name).join("tile/0/001")).expect("there"), b"one");
        assert_eq!(fs::read_dir(folders.path(name).join("staging")).expect("there").count(), 0);
    }
    assert_eq!(sites.list(&seal, "").expect("listed"), ["log/x", "tile/0/000", "tile/0/001"]);
    assert_eq!(sites.list(&seal, "tile").expect("listed").len(), 2);
    assert!(sites.exists(&seal, "log/x").expect("asked") && !sites.exists(&seal, "log/y").expect("asked"));
    let part = sites.get_range(&seal, "tile/0/000", 1..3, &|_| true).expect("read");
    assert_eq!(part, "er");
    assert!(matches!(sites.get_range(&seal, "tile/0/000", 2..9, &|_| true), Err(SiteError::Unreadable { .. })));
    assert!(matches!(sites.get(&seal, "nothing", &|_| true), Err(SiteError::NotFound { .. })));
    assert!(matches!(sites.list(&seal, "nowhere"), Ok(paths) if paths.is_empty()));
}

#[test]
fn other_bytes_under_a_name_are_refused_and_change_nothing() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    sites.put_all(&seal, &[object("tile/0/000", "first")]).expect("placed");
    let (reached, faults) = faults(sites.put_all(&seal, &[object("tile/0/000", "other")]));
    assert_eq!(reached, 0);
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Conflict(_))), "{faults:?}");
    assert_eq!(sites.get(&seal, "tile/0/000", &|_| true).expect("read"), "first");
}

#[test]
fn only_checkpoints_are_replaced() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    let unseen = sites.replace(&seal, "log/records/checkpoint", Bytes::from_static(b"zero"));
    assert!(faults(unseen).1.iter().all(|fault| matches!(fault, Fault::Returned(_))), "nobody has looked yet");
    accept(&sites, "log/records/checkpoint");
    for text in ["one", "two", "three"] {
        sites.replace(&seal, "log/records/checkpoint", Bytes::from_static(text.as_bytes())).expect("placed");
    }
    assert!(sites.settle(SOON));
    let copies = sites.copies(&seal, "log/records/checkpoint").expect("read");
    assert_eq!(copies.len(), 3);
    assert!(copies.iter().all(|(_, copy)| copy.as_ref().is_ok_and(|bytes| bytes == "three")));
    assert!(matches!(sites.replace(&seal, "log/x", Bytes::new()), Err(SiteError::BadPath { .. })));
    assert!(matches!(sites.put_all(&seal, &[object("log/checkpoint", "x")]), Err(SiteError::BadPath { .. })));
    let twice = [object("x", "1"), object("x", "2")];
    assert!(matches!(sites.put_all(&seal, &twice), Err(SiteError::BadPath { .. })));
}

#[test]
fn below_a_head_that_nobody_accepted_nothing_is_written_over() {
    let folders = Folders::new();
    let (head, tile) = ("log/records/checkpoint", "log/records/tile/0/000");
    let sites = folders.sites();
    sites.put_all(&job(Action::Seal), &[object(tile, "ours"), object("log/records/tile/1/000", "above")]).expect("put");
    accept(&sites, head);
    sites.replace(&job(Action::Seal), head, Bytes::from_static(b"ours")).expect("placed");
    assert!(sites.settle(SOON));
    drop(sites);
    // The third comes back from elsewhere.
    let theirs = folders.path("c").join(tile);
    fs::write(&theirs, b"theirs").expect("written");
    fs::remove_file(folders.path("c").join("log/records/tile/1/000")).expect("removed");
    let sites = folders.open_sites();
    let report = sites.repair(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.replaced, report.undecided), (0, vec![tile.to_owned()]));
    let refused =
        sites.mend_at(&job(Action::Repair), "c", tile, Bytes::from_static(b"ours")).expect_err("not looked at");
    assert!(refused.to_string().contains("may hold another history"), "{refused}");
    assert_eq!(fs::read(&theirs).expect("there"), b"theirs");
    assert!(folders.path("c").join("log/records/tile/1/000").exists(), "what is missing takes nothing away");
    accept(&sites, head);
    assert_eq!(sites.repair(&job(Action::Repair)).expect("permitted").replaced, 1);
    assert_eq!(fs::read(&theirs).expect("there"), b"ours");
}

#[test]
fn permits_are_looked_at() {
    let folders = Folders::new();
    let sites = folders.sites();
    let read = reader(patient("1"), Action::ReadRecord);
    let things = [object("x", "x")];
    sites.put_all(&depositor_of(&institution()), &things).expect("a depositor writes packs");
    assert!(matches!(sites.put_all(&read, &things), Err(SiteError::Refused { .. })));
    assert!(matches!(sites.replace(&read, "checkpoint", Bytes::new()), Err(SiteError::Refused { .. })));
    assert!(matches!(sites.repair(&job(Action::Seal)), Err(SiteError::Refused { .. })));
    assert!(matches!(sites.get(&status(), "x", &|_| true), Err(SiteError::Refused { .. })));
    assert!(matches!(sites.list(&status(), ""), Err(SiteError::Refused { .. })));
    assert_eq!(sites.get(&read, "x", &|_| true).expect("ciphertext"), "x");
}

#[test]
fn a_site_that_was_away_catches_up_with_everything() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    sites.put_all(&seal, &[object("t/before", "before")]).expect("placed");
    accept(&sites, "checkpoint");
    sites.replace(&seal, "checkpoint", Bytes::from_static(b"old")).expect("placed");
    assert!(sites.settle(SOON));
    fs::rename(folders.path("c"), folders.path("away")).expect("unplugged");
    let placed = sites.put_all(&seal, &[object("t/during", "during")]).expect("two are enough");
    assert_eq!(placed.sites.len(), 2);
    sites.replace(&seal, "checkpoint", Bytes::from_static(b"new")).expect("two are enough");
    assert!(!sites.settle(Duration::from_millis(200)));
    assert!(!folders.path("c").exists(), "a missing site is never made anew");
    let third = &sites.status()[2];
    assert!(!third.reachable && third.pending >= 2, "{third:?}");
    assert!(matches!(third.last_fault, Some(Fault::Missing(_))));
    fs::rename(folders.path("away"), folders.path("c")).expect("plugged in");
    // What it holds may be another's, and newer: nothing is replaced before somebody has looked.
    assert!(!sites.settle(Duration::from_millis(500)));
    assert_eq!(fs::read(folders.path("c").join("checkpoint")).expect("there"), b"old");
    let found = sites.returned("checkpoint");
    assert_eq!(found.iter().map(|look| &look.copy).collect::<Vec<_>>(), [&Ok(Bytes::from_static(b"old"))]);
    assert!(!sites.settle(Duration::from_millis(500)), "that it was looked at does not let it be replaced");
    assert_eq!(fs::read(folders.path("c").join("checkpoint")).expect("there"), b"old");
    sites.accept("checkpoint", &found);
    assert!(sites.settle(SOON), "{:?}", sites.status());
    assert_eq!(fs::read(folders.path("c").join("t/during")).expect("mended"), b"during");
    assert_eq!(fs::read(folders.path("c").join("checkpoint")).expect("mended"), b"new");
    assert_eq!(sites.status()[2].pending, 0);
}

#[test]
fn an_old_checkpoint_never_overtakes_another_process() {
    let folders = Folders::new();
    let one = folders.sites();
    let seal = job(Action::Seal);
    accept(&one, "checkpoint");
    one.replace(&seal, "checkpoint", Bytes::from_static(b"1")).expect("placed");
    assert!(one.settle(SOON));
    fs::rename(folders.path("c"), folders.path("away")).expect("unplugged");
    one.replace(&seal, "checkpoint", Bytes::from_static(b"2")).expect("two are enough");
    let two = folders.open_sites();
    accept(&two, "checkpoint");
    two.replace(&seal, "checkpoint", Bytes::from_static(b"3")).expect("two are enough");
    drop(two);
    fs::rename(folders.path("away"), folders.path("c")).expect("plugged in");
    while !one.status()[2].reachable {
        one.poke();
        std::thread::sleep(Duration::from_millis(5));
    }
    accept(&one, "checkpoint");
    assert!(one.settle(SOON));
    let found: Vec<_> = one.copies(&seal, "checkpoint").expect("read").into_iter().map(|(_, copy)| copy).collect();
    assert_ne!(found[2], Ok(Bytes::from_static(b"2")), "nobody but the one that was slow has it");
    assert_eq!(found[0], Ok(Bytes::from_static(b"3")));
}

#[test]
fn what_a_dead_process_left_behind_is_found_at_the_next_start() {
    let folders = Folders::new();
    let seal = job(Action::Seal);
    {
        let sites = folders.sites();
        sites.put_all(&seal, &[object("t/1", "one"), object("t/2", "two")]).expect("placed");
        assert!(sites.settle(SOON));
    }
    fs::remove_file(folders.path("b").join("t/2")).expect("lost");
    fs::remove_dir_all(folders.path("c").join("t")).expect("lost");
    fs::write(folders.path("a").join("t/1"), b"cut").expect("damaged");
    fs::write(folders.path("b").join("staging/1-1"), b"half").expect("left");
    let sites = folders.open_sites();
    assert!(sites.settle(SOON), "{:?}", sites.status());
    for name in ["b", "c"] {
        assert!(!folders.path(name).join("t/2").exists(), "a lone copy that nobody vouches for stays alone");
    }
    sites.judged_by(Arc::new(Second));
    assert!(sites.settle(SOON), "{:?}", sites.status());
    for name in ["b", "c"] {
        assert_eq!(fs::read(folders.path(name).join("t/2")).expect("mended"), b"two");
    }
    assert!(!sites.list(&seal, "").expect("listed").iter().any(|path| path.contains("staging")));
}

/// Knows of one object what it should be.
struct Second;

impl Judge for Second {
    fn is_right(&self, path: &str, bytes: &[u8], _read: Read<'_>) -> Option<bool> {
        (path == "t/2").then_some(bytes == b"two")
    }
}

#[test]
fn a_lone_copy_that_is_damaged_is_copied_nowhere() {
    let folders = Folders::new();
    let sites = folders.sites();
    sites.judged_by(Arc::new(Second));
    sites.put_all(&job(Action::Seal), &[object("t/2", "two")]).expect("placed");
    assert!(sites.settle(SOON));
    drop(sites);
    for name in ["b", "c"] {
        fs::remove_file(folders.path(name).join("t/2")).expect("lost");
    }
    fs::write(folders.path("a").join("t/2"), b"twp").expect("damaged");
    let sites = folders.open_sites();
    sites.judged_by(Arc::new(Second));
    assert!(sites.settle(SOON), "{:?}", sites.status());
    let report = sites.repair(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.undecided, report.copied), (vec!["t/2".to_owned()], 0));
    assert!(["b", "c"].iter().all(|name| !folders.path(name).join("t/2").exists()), "the damage did not spread");
    // One sound copy is enough again.
    fs::write(folders.path("b").join("t/2"), b"two").expect("found in a drawer");
    let report = sites.repair(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.copied, report.replaced), (1, 1), "{report:?}");
}

#[test]
fn two_missing_sites_refuse_a_write_and_say_why() {
    let folders = Folders::new();
    let sites = folders.sites();
    fs::rename(folders.path("a"), folders.path("away")).expect("unplugged");
    fs::remove_dir_all(folders.path("b")).expect("gone");
    fs::write(folders.path("b"), b"a file").expect("in its place");
    let error = sites.put_all(&job(Action::Seal), &[object("x", "x")]).expect_err("one is not enough");
    let text = error.to_string();
    assert!(text.starts_with("1 of 2 needed sites took the write: "), "{text}");
    assert!(text.contains("a: folder ") && text.contains("is missing; mount"), "{text}");
    assert!(text.contains("b: ") && text.contains("is not a folder"), "{text}");
    assert!(faults(sites.put_all(&job(Action::Seal), &[object("x", "x")])).0 == 1, "and again, harmlessly");
    // What one site has is still read.
    assert_eq!(sites.get(&job(Action::Seal), "x", &|_| true).expect("read"), "x");
}

#[test]
fn an_empty_folder_or_a_swapped_disk_is_not_taken_for_the_site() {
    let folders = Folders::new();
    let sites = folders.sites();
    let swap = folders.path("swap");
    fs::rename(folders.path("a"), &swap).expect("moved");
    fs::rename(folders.path("b"), folders.path("a")).expect("moved");
    fs::rename(&swap, folders.path("b")).expect("moved");
    fs::rename(folders.path("c"), folders.path("was-c")).expect("unmounted");
    fs::create_dir(folders.path("c")).expect("a bare mount point");
    let (reached, faults) = faults(sites.put_all(&job(Action::Seal), &[object("x", "x")]));
    assert_eq!(reached, 0);
    assert_eq!(faults.iter().filter(|fault| matches!(fault, Fault::Other { .. })).count(), 2, "{faults:?}");
    assert_eq!(faults.iter().filter(|fault| matches!(fault, Fault::NotSetUp(_))).count(), 1, "{faults:?}");
    assert_eq!(fs::read_dir(folders.path("c")).expect("there").count(), 0);
}

#[test]
fn a_read_only_site_is_left_behind_and_catches_up() {
    let folders = Folders::new();
    let Some(mount) = Mounted::tmpfs(&folders.path("c"), "size=1m") else { return };
    let sites = folders.sites();
    mount.remount("ro");
    let seal = job(Action::Seal);
    assert_eq!(sites.put_all(&seal, &[object("x", "x")]).expect("two are enough").sites.len(), 2);
    assert!(!sites.settle(Duration::from_millis(100)));
    assert!(matches!(sites.status()[2].last_fault, Some(Fault::ReadOnly(_))), "{:?}", sites.status());
    mount.remount("rw");
    assert!(sites.settle(SOON), "{:?}", sites.status());
    assert_eq!(fs::read(folders.path("c").join("x")).expect("mended"), b"x");
}

#[test]
fn a_full_site_is_left_behind_and_catches_up() {
    let folders = Folders::new();
    let Some(mount) = Mounted::tmpfs(&folders.path("c"), "size=64k") else { return };
    let sites = folders.sites();
    let seal = job(Action::Seal);
    let large = ("large".to_owned(), Bytes::from(vec![7; 100_000]));
    assert_eq!(sites.put_all(&seal, std::slice::from_ref(&large)).expect("two are enough").sites.len(), 2);
    assert!(!sites.settle(Duration::from_millis(100)));
    assert!(matches!(sites.status()[2].last_fault, Some(Fault::Full(_))), "{:?}", sites.status());
    assert!(!folders.path("c").join("large").exists(), "nothing half under the name");
    mount.remount("size=1m");
    assert!(sites.settle(SOON), "{:?}", sites.status());
    assert_eq!(fs::read(folders.path("c").join("large")).expect("mended"), large.1);
}

#[test]
fn a_damaged_copy_is_passed_over_and_mended() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    sites.put_all(&seal, &[object("t/1", "right")]).expect("placed");
    assert!(sites.settle(SOON));
    fs::write(folders.path("a").join("t/1"), b"wrong").expect("damaged");
    let bytes = sites.get(&seal, "t/1", &|bytes| bytes == b"right").expect("another site has it");
    assert_eq!(bytes, "right");
    assert!(sites.settle(SOON));
    assert_eq!(fs::read(folders.path("a").join("t/1")).expect("there"), b"right");
    let error = sites.get(&seal, "t/1", &|_| false).expect_err("no copy passes").to_string();
    assert!(error.contains("a: has a damaged t/1") && error.contains("c: has a damaged t/1"), "{error}");
}

#[test]
fn a_repair_compares_every_byte() {
    let folders = Folders::new();
    let sites = folders.sites();
    let seal = job(Action::Seal);
    let frame = [b"HF\x01\x01".as_slice(), &[0; 200]].concat();
    let mut builder = PackBuilder::new();
    builder.push(&frame).expect("fits");
    let pack = builder.finish().expect("one frame");
    let placed = [(pack.path.clone(), pack.bytes.clone()), object("t/1", "right"), object("t/2", "gone")];
    sites.put_all(&seal, &placed).expect("placed");
    assert!(sites.settle(SOON));
    // Two of three copies of a pack damaged in the same way: its name still tells which is right.
    let mut bad = pack.bytes.to_vec();
    bad[20] ^= 1;
    fs::write(folders.path("a").join(&pack.path), &bad).expect("damaged");
    fs::write(folders.path("b").join(&pack.path), &bad).expect("damaged");
    fs::write(folders.path("b").join("t/1"), b"wrong").expect("damaged, same size");
    fs::remove_file(folders.path("a").join("t/2")).expect("lost");
    let report = sites.repair(&job(Action::Repair)).expect("permitted");
    assert_eq!((report.compared, report.copied, report.replaced), (3, 1, 3), "{report:?}");
    assert!(report.undecided.is_empty() && report.faults.is_empty());
    for name in ["a", "b", "c"] {
        assert_eq!(fs::read(folders.path(name).join(&pack.path)).expect("there"), pack.bytes);
        assert_eq!(fs::read(folders.path(name).join("t/1")).expect("there"), b"right");
    }
    for (name, text) in [("a", "one"), ("b", "two"), ("c", "three")] {
        fs::write(folders.path(name).join("t/1"), text).expect("all differ");
    }
    assert_eq!(sites.repair(&job(Action::Repair)).expect("permitted").undecided, ["t/1"]);
}

/// A site that fails on demand: before it has written, after it has, or not until it is let go.
struct Faulty {
    site: FolderSite,
    mode: Arc<AtomicU8>,
}

const WELL: u8 = 0;
const FAILS_BEFORE: u8 = 1;
const FAILS_AFTER: u8 = 2;
const HANGS: u8 = 3;

impl SiteBackend for Faulty {
    fn check(&self) -> Result<(), Fault> {
        self.site.check()
    }

    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        while self.mode.load(Ordering::SeqCst) == HANGS {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.mode.load(Ordering::SeqCst) == FAILS_BEFORE {
            return Err(Fault::Io("a broken cable".to_owned()));
        }
        self.site.put(objects, existing)?;
        match self.mode.load(Ordering::SeqCst) {
            FAILS_AFTER => Err(Fault::Io("a lost answer".to_owned())),
            _ => Ok(()),
        }
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        self.site.get(path, range)
    }

    fn list(&self, folder: &str) -> Result<Listing, Fault> {
        self.site.list(folder)
    }
}

fn faulty(folders: &Folders) -> (Sites, Vec<Arc<AtomicU8>>) {
    Sites::create(&folders.site_configs()).expect("made");
    let modes: Vec<Arc<AtomicU8>> = (0..3).map(|_| Arc::default()).collect();
    let backends = folders.site_configs().into_iter().zip(&modes).map(|(config, mode)| {
        let site = FolderSite::new(&config.name, config.folder);
        let backend: Box<dyn SiteBackend> = Box::new(Faulty { site, mode: Arc::clone(mode) });
        (config.name, backend)
    });
    let sites = Sites::with_backends(backends.collect(), 2).expect("opened");
    assert!(sites.settle(SOON));
    accept(&sites, "checkpoint");
    (sites, modes)
}

#[test]
fn a_write_that_failed_either_way_can_be_done_again() {
    let seal = job(Action::Seal);
    for mode in [FAILS_BEFORE, FAILS_AFTER] {
        let folders = Folders::new();
        let (sites, modes) = faulty(&folders);
        modes[0].store(mode, Ordering::SeqCst);
        modes[2].store(mode, Ordering::SeqCst);
        let things = [object("t/1", "one"), object("t/2", "two")];
        assert_eq!(faults(sites.put_all(&seal, &things)).0, 1);
        assert_eq!(faults(sites.replace(&seal, "checkpoint", Bytes::from_static(b"1"))).0, 1);
        modes[0].store(WELL, Ordering::SeqCst);
        sites.put_all(&seal, &things).expect("two are enough");
        // Writes that failed may end later than it was told that they did, and a site is lost by each.
        let begun = Instant::now();
        while sites.replace(&seal, "checkpoint", Bytes::from_static(b"2")).is_err() {
            assert!(begun.elapsed() < SOON, "{:?}", sites.status());
            accept(&sites, "checkpoint");
        }
        modes[2].store(WELL, Ordering::SeqCst);
        while !sites.settle(Duration::from_millis(100)) {
            assert!(begun.elapsed() < SOON, "{:?}", sites.status());
            sites.accept("checkpoint", &sites.returned("checkpoint"));
        }
        for name in ["a", "b", "c"] {
            assert_eq!(fs::read(folders.path(name).join("t/2")).expect("there"), b"two");
            assert_eq!(fs::read(folders.path(name).join("checkpoint")).expect("there"), b"2");
        }
    }
}

#[test]
fn a_slow_site_holds_nobody_up() {
    let folders = Folders::new();
    let (sites, modes) = faulty(&folders);
    let seal = job(Action::Seal);
    modes[1].store(HANGS, Ordering::SeqCst);
    // More than waits in memory for one site: the rest is left for the mender.
    let large = Bytes::from(vec![9; 10 << 20]);
    for number in 0..5 {
        let placed = sites.put_all(&seal, &[(format!("t/{number}"), large.clone())]).expect("two are enough");
        assert_eq!(placed.sites.len(), 2);
    }
    let slow = &sites.status()[1];
    assert!(slow.pending >= 1 && slow.last_fault == Some(Fault::Slow), "{slow:?}");
    modes[1].store(WELL, Ordering::SeqCst);
    assert!(sites.settle(SOON), "{:?}", sites.status());
    assert_eq!(fs::read_dir(folders.path("b").join("t")).expect("there").count(), 5);
}

#[test]
fn wrong_configurations_are_refused() {
    let folders = Folders::new();
    let refused = |sites: Vec<SiteConfig>, quorum| matches!(Sites::open(sites, quorum), Err(SiteError::Config { .. }));
    let configs = folders.site_configs();
    assert!(refused(configs.clone(), 4) && refused(configs.clone(), 0) && refused(Vec::new(), 1));
    let mut same_folder = configs.clone();
    same_folder[1].folder.clone_from(&configs[0].folder);
    assert!(refused(same_folder, 2));
    let mut same_name = configs.clone();
    same_name[1].name.clone_from(&configs[0].name);
    assert!(refused(same_name, 2));
    let mut bad_name = configs;
    bad_name[1].name = "a b".to_owned();
    assert!(refused(bad_name, 2));
}

#[test]
fn many_threads_write_at_once() {
    let folders = Folders::new();
    let sites = folders.sites();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sites = sites.clone();
            scope.spawn(move || {
                let seal = job(Action::Seal);
                for number in 0..10 {
                    let own = object(&format!("t/{thread}/{number}"), "own");
                    sites.put_all(&seal, &[own, object(&format!("shared/{number}"), "same")]).expect("placed");
                }
            });
        }
    });
    assert!(sites.settle(SOON));
    assert_eq!(sites.list(&job(Action::Seal), "").expect("listed").len(), 50);
}
