//! Scrubbing: what is missing or changed at a site is found, wherever it is, and put right; what nobody has is named.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use base::{Id16, Random, SeededRandom};
use policy::{Action, Door, Permit};
use store::{Drill, DrillOutcome, ScrubConfig, ScrubReport, Store};

use crate::support::*;

/// Reads of a house, each an entry of the log of accesses.
const READS: u64 = 3;
const SITES: [&str; 3] = ["site-a", "site-b", "site-c"];

fn repair(store: &Store) -> Permit {
    store.ask_job(&Door::standard().expect("the door"), "scrub", Action::Repair).expect("a job's permit")
}

pub fn scrub(store: &Store, sites: &[&str]) -> ScrubReport {
    let config = ScrubConfig { sites: sites.iter().map(|name| (*name).to_owned()).collect(), bytes_per_s: None };
    let report = store.scrub(&repair(store), &config, &AtomicBool::new(false)).expect("it runs");
    report.expect("nobody else scrubs")
}

/// A log of a few hundred leaves in several rounds, some reads, and everything at every site.
fn house_with(leaves: u32) -> (House, Store) {
    let house = House::new();
    let store = house.open();
    for round in 0..READS {
        let ids: Vec<String> = (0..leaves / 3).map(|n| format!("c{round}-{n}")).collect();
        let list: Vec<(&str, &str, &str)> = ids.iter().map(|id| ("Condition", id.as_str(), "x")).collect();
        let written = write(&store, patient("p1"), &list);
        store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
        let read = person(&store, Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
        store.read(&read, &[key(&store, patient("p1"), "Condition", "c0-0")]).expect("read");
    }
    settle(&house, &store);
    (house, store)
}

/// Waits until nothing waits and every site has the same files.
fn settle(house: &House, store: &Store) {
    for _ in 0..2_000 {
        let health = store.health();
        let same = SITES[1..].iter().all(|name| files(&house.site(name)) == files(&house.site(SITES[0])));
        // What was read is in the journal for a moment before it waits anywhere.
        if health.waiting == [0, 0]
            && health.published[1] == READS
            && health.sites.iter().all(|site| site.pending == 0)
            && same
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the sites do not come to rest: {:?}", store.health());
}

/// Every object of a site.
fn files(site: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![site.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("hanmaru-site.txt") && !path.to_string_lossy().contains("/staging/") {
                let below = path.strip_prefix(site).expect("it is below").to_owned();
                found.push((below, std::fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_sound_house_is_well_and_everything_was_read() {
    let (house, store) = house_with(900);
    let report = scrub(&store, &[]);
    assert!(report.is_well(), "{report:?}");
    let there = files(&house.site("site-a"));
    let here = &report.sites["site-a"];
    assert_eq!((here.objects as usize, here.unknown), (there.len(), 0), "{:?}", report.unknown);
    assert_eq!(here.bytes, there.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    let last = store.last_scrubs().expect("read");
    assert_eq!(last.iter().map(|one| one.site.as_str()).collect::<Vec<_>>(), SITES);
    assert!(last.iter().all(|one| one.found == 0 && one.objects > 0));
}

#[test]
fn one_flipped_bit_in_any_object_is_found_and_put_right() {
    let (house, store) = house_with(600);
    let right = files(&house.site("site-b"));
    let random = SeededRandom::new(3);
    for (number, (path, bytes)) in right.iter().enumerate() {
        let mut changed = bytes.clone();
        let drawn = random.bytes16();
        let bit = u64::from_be_bytes(*drawn.first_chunk().expect("8 of 16")) as usize % (bytes.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        // Each site gets some; the same object is changed at two of them now and then.
        std::fs::write(house.site(SITES[number % 3]).join(path), &changed).expect("written");
        if number % 5 == 0 {
            std::fs::write(house.site(SITES[(number + 1) % 3]).join(path), &changed).expect("written");
        }
    }
    let report = scrub(&store, &[]);
    let damaged: u64 = report.sites.values().map(|site| site.damaged).sum();
    assert_eq!(damaged as usize, right.len() + right.len().div_ceil(5), "{report:?}");
    assert!(report.is_well(), "{report:?}");
    for site in SITES {
        assert_eq!(files(&house.site(site)), right, "{site}");
    }
}

#[test]
fn what_is_missing_is_brought_back_and_what_nobody_asks_for_is_left() {
    let (house, store) = house_with(600);
    let right = files(&house.site("site-a"));
    std::fs::remove_dir_all(house.site("site-c").join("log")).expect("gone");
    let packs = right.iter().filter(|(path, _)| path.starts_with("pack"));
    for (path, _) in packs.clone() {
        std::fs::remove_file(house.site("site-c").join(path)).expect("gone");
    }
    std::fs::write(house.site("site-c").join("note-to-self"), b"x").expect("written");
    let report = scrub(&store, &["site-c"]);
    assert!(report.is_well(), "{report:?}");
    assert!(report.sites["site-c"].missing as usize > packs.count() && report.sites.len() == 1);
    assert_eq!(report.unknown, [("site-c".to_owned(), "note-to-self".to_owned())]);
    let again = scrub(&store, &["site-c"]);
    assert!(again.is_well() && again.sites["site-c"].missing == 0 && again.sites["site-c"].unknown == 1);
    // What a scrub found is sealed as well: heads and unfinished tiles go on.
    let goes_on = |path: &str| path.contains(".p/") || path.ends_with("checkpoint");
    for (path, bytes) in right.iter().filter(|(path, _)| !goes_on(&path.to_string_lossy())) {
        let found = std::fs::read(house.site("site-c").join(path));
        assert_eq!(found.ok().as_ref(), Some(bytes), "{}", path.display());
    }
}

#[test]
fn what_no_site_has_is_named_with_what_depends_on_it() {
    let (house, store) = house_with(600);
    let (pack, _) = files(&house.site("site-a")).into_iter().find(|(path, _)| path.starts_with("pack")).expect("one");
    for site in SITES {
        std::fs::write(house.site(site).join(&pack), b"nothing").expect("written");
    }
    let bundle = "log/records/tile/entries/000";
    for site in SITES {
        std::fs::remove_file(house.site(site).join(bundle)).expect("it was there");
    }
    // A tile can be made again from the entries it is of.
    for site in SITES {
        std::fs::remove_file(house.site(site).join("log/records/tile/0/001")).expect("it was there");
    }
    let report = scrub(&store, &[]);
    assert_eq!(report.lost_count, 2, "{report:?}");
    assert_eq!(report.lost[0].0, pack.to_string_lossy());
    assert!(report.lost[0].1.contains("entries that the database still holds"), "{:?}", report.lost);
    assert_eq!(report.lost[1].0, bundle);
    assert!(!report.is_well());
    assert!(house.site("site-a").join("log/records/tile/0/001").exists());
}

#[test]
fn a_site_that_is_away_is_said_and_loses_nothing() {
    let (house, store) = house_with(30);
    house.hide_site("site-b");
    let report = scrub(&store, &[]);
    assert!(report.sites["site-b"].fault.as_ref().is_some_and(|fault| fault.contains("is missing")), "{report:?}");
    assert!(report.lost.is_empty() && !report.is_well());
    assert_eq!(report.sites["site-a"].damaged, 0);
}

#[test]
fn a_scrub_that_was_stopped_goes_on_and_two_do_not_run_at_once() {
    let (house, store) = house_with(600);
    let config = ScrubConfig::default();
    let stopped = store.scrub(&repair(&store), &config, &AtomicBool::new(true)).expect("it runs").expect("alone");
    assert!(!stopped.ended);
    assert!(store.last_scrubs().expect("read").is_empty());
    let done = scrub(&store, &[]);
    assert!(done.ended && done.is_well(), "{done:?}");
    let objects = files(&house.site("site-a")).len() as u64;
    assert_eq!(done.sites["site-a"].objects, objects, "each object was read once over both");
    let held = std::fs::File::create(house.folder().join("locks/scrub.lock")).expect("a file");
    held.lock().expect("locked");
    let refused = store.scrub(&repair(&store), &config, &AtomicBool::new(false)).expect("it runs");
    assert_eq!(refused, None);
}

#[test]
fn drills_are_kept() {
    let (_house, store) = house_with(3);
    let at = |second| base::Timestamp::from_second(second).expect("a time");
    let drill = |second, outcome| Drill {
        begun: at(second),
        ended: at(second + 60),
        site: "site-b".to_owned(),
        outcome,
        resources: 5,
        objects: 2,
        rows: 7,
        result: "all equal".to_owned(),
    };
    let outcomes = [DrillOutcome::Unequal, DrillOutcome::Equal, DrillOutcome::Partly];
    for (second, outcome) in (1_000..).zip(outcomes) {
        store.note_drill(drill(second, outcome)).expect("kept");
        assert_eq!(store.drills(1).expect("read"), [drill(second, outcome)]);
    }
    assert_eq!(store.drills(9).expect("read").len(), 3);
}

#[test]
fn a_lone_damaged_file_of_a_log_is_not_spread_and_a_lone_sound_one_is() {
    let (house, store) = house_with(900);
    drop(store);
    let below = |site: &str, path: &str| house.site(site).join("log/records/tile").join(path);
    let (damaged, sound) = (["0/001", "entries/000"], ["0/000", "1/000.p/1", "entries/001"]);
    for path in damaged.iter().chain(&sound) {
        SITES[1..].iter().for_each(|site| std::fs::remove_file(below(site, path)).expect("lost"));
    }
    for path in damaged {
        let file = below("site-a", path);
        let mut bytes = std::fs::read(&file).expect("there");
        bytes[40] ^= 1;
        std::fs::write(&file, bytes).expect("damaged");
    }
    let store = house.open();
    let is_there = |path: &&str| SITES[1..].iter().all(|site| below(site, path).exists());
    crate::rebuild::until(|| sound.iter().all(is_there) && store.health().sites.iter().all(|site| site.pending == 0));
    assert!(damaged.iter().all(|path| SITES[1..].iter().all(|site| !below(site, path).exists())));
    // A scrub makes the tile again from its entries, where it can, and names what is lost.
    let report = scrub(&store, &[]);
    assert!(!report.is_well(), "{report:?}");
    for path in sound {
        assert_eq!(std::fs::read(below("site-b", path)).ok(), std::fs::read(below("site-a", path)).ok(), "{path}");
    }
}
