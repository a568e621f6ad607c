//! kill -9 at random points, again and again: what was acknowledged is there, once, and the logs are consistent.
//!
//! The test starts this same binary as a child that writes, reads and commits, and prints what was acknowledged to it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use base::{Id16, Random, SeededRandom};
use ledger::EntryKind;
use policy::Action;
use store::{Log, Outcome};

use crate::sealing::audit;
use crate::support::*;

/// Names the folder that the child works in.
const FOLDER: &str = "HANMARU_STORE_CRASH_FOLDER";
/// The number at which the child begins.
const FROM: &str = "HANMARU_STORE_CRASH_FROM";
const KILLS: usize = 24;
const BATCH: u64 = 15;

/// The child's work; without its variables it is no test.
#[test]
fn child() {
    let (Ok(folder), Ok(from)) = (std::env::var(FOLDER), std::env::var(FROM)) else { return };
    let house = House::at(folder.as_ref());
    let store = house.open();
    let deposit = depositor(&store, Action::Deposit);
    let me = Id16([7; 16]);
    let (read, issue) =
        (person(&store, me, &[patient("p1")], Action::ReadRecord), person(&store, me, &[patient("p1")], Action::Issue));
    let say = |what: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{what}").and_then(|()| out.flush()).expect("the parent listens");
    };
    say("open".to_owned());
    for round in from.parse::<u64>().expect("a number").. {
        let prepared = (0..BATCH).map(|n| {
            let id = format!("c{}", round * BATCH + n);
            prepare(&store, &deposit, patient("p1"), "Condition", &id, "x", 1)
        });
        let written = store.write(&deposit, prepared.collect(), vec![], None).expect("written");
        say(format!("written {round}"));
        match round % 4 {
            0 => {
                store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
                say(format!("sealed {round}"));
            }
            1 => {
                store
                    .read(&read, &[key(&store, patient("p1"), "Condition", &format!("c{}", round * BATCH))])
                    .expect("read");
                say(format!("read {round}"));
            }
            2 => {
                store.commit_leaf(&issue, EntryKind::Issued, patient("p1"), &round.to_be_bytes()).expect("committed");
                say(format!("issued {round}"));
            }
            _ => {}
        }
    }
}

/// Runs a child for a while, kills it, and gives what was acknowledged to it.
fn run_and_kill(house: &House, from: u64, after_ms: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, &house.root)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let out = child.stdout.take().expect("it is piped");
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(out).lines();
        lines.map_while(Result::ok).filter(|line| !line.is_empty()).collect::<Vec<String>>()
    });
    std::thread::sleep(Duration::from_millis(after_ms));
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    reader.join().expect("the reader does not panic")
}

#[test]
fn killed_at_random_points_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    let house = House::new();
    drop(house.open());
    let random = SeededRandom::new(20_261_122);
    let (mut written, mut reads, mut issued) = (BTreeSet::new(), 0, 0);
    let (mut from, mut opened) = (0, 0);
    for kills in 0..5 * KILLS {
        if kills >= KILLS && opened >= KILLS / 3 && written.len() >= 20 {
            break;
        }
        // From before the store is open to well into the work. A busy machine opens slowly: then they come later, and more.
        let after_ms = 20 + u64::from(random.bytes16()[0]) * (3 + kills.saturating_sub(KILLS) as u64);
        for line in run_and_kill(&house, from, after_ms) {
            match line.split_once(' ') {
                Some(("written", round)) => drop(written.insert(round.parse::<u64>().expect("a round"))),
                Some(("read", _)) => reads += 1,
                Some(("issued", _)) => issued += 1,
                // The test harness has written the name of the test before it.
                _ if line.ends_with("open") => opened += 1,
                _ => {}
            }
        }
        // Half of the time the next child begins with what was acknowledged already.
        let last = written.last().copied().unwrap_or(0);
        from = if random.bytes16()[1].is_multiple_of(2) { last } else { last + 1 };
    }
    println!("{opened} kills in an open store: {} batches, {reads} reads, {issued} issued", written.len());
    assert!(opened >= KILLS / 3 && written.len() >= 20, "the children came to work: {opened}, {}", written.len());

    let store = house.open();
    let deposit = depositor(&store, Action::Deposit);
    let mut ticket = None;
    for round in &written {
        let prepared = (0..BATCH).map(|n| {
            let id = format!("c{}", round * BATCH + n);
            prepare(&store, &deposit, patient("p1"), "Condition", &id, "x", 1)
        });
        let again = store.write(&deposit, prepared.collect(), vec![], None).expect("written");
        assert_eq!(again.versions, [Outcome::Already { version: 1 }; BATCH as usize], "round {round} was acknowledged");
        ticket = Some(again.ticket);
    }
    let sealed = store.wait_sealed(ticket.expect("something was written"), PATIENCE).expect("sealed");

    // Each version, and each issued document, has one leaf; each place in the log has one thing.
    let versions = count(&house, "SELECT count(*) FROM resource_version");
    assert!(versions as u64 >= written.len() as u64 * BATCH);
    assert_eq!(count(&house, "SELECT count(*) FROM resource_current"), versions, "no version is doubled");
    assert_eq!(count(&house, "SELECT count(*) FROM leaf WHERE kind = 1"), versions);
    let documents = count(&house, "SELECT count(*) FROM commitment");
    assert!(documents >= issued);
    assert_eq!(count(&house, "SELECT count(*) FROM leaf WHERE kind = 4"), documents);
    assert_eq!(sealed.records_size, (versions + documents) as u64 + of_rows(&house));
    let places = count(&house, "SELECT count(DISTINCT position) FROM leaf WHERE kind <> 3");
    assert_eq!(places.unsigned_abs(), sealed.records_size);
    assert_eq!(count(&house, "SELECT count(*) FROM outbox_records"), 0);
    for site in ["site-a", "site-b"] {
        audit(&house, &store, Log::Records, site, sealed.records_size);
    }
    let me = Id16([7; 16]);
    every_read_is_logged_once(&store, me, reads);
    let read = person(&store, me, &[patient("p1")], Action::ReadRecord);
    let last = written.last().expect("something was written") * BATCH;
    let last = key(&store, patient("p1"), "Condition", &format!("c{last}"));
    assert_eq!(store.read(&read, &[last]).expect("read").len(), 1);
}

/// Every acknowledged read is in the log of accesses, none twice.
fn every_read_is_logged_once(store: &store::Store, me: Id16, reads: usize) {
    let log = person(store, me, &[patient("p1")], Action::ReadAccessLog);
    let (mut entries, mut page) = (Vec::new(), store::AccessPage::default());
    loop {
        let found = store.access_log(&log, &page).expect("the log");
        entries.extend(found.entries.into_iter().map(|logged| logged.entry));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    let ids: BTreeSet<_> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), entries.len());
    assert!(entries.iter().filter(|entry| entry.action == "read-record").count() >= reads);
}

#[test]
fn a_store_that_is_dropped_without_ceremony_goes_on_where_it_was() {
    let house = House::new();
    let mut ticket = None;
    for round in 0..12 {
        let store = house.open();
        let written = write(&store, patient("p1"), &[("Condition", &format!("c{round}"), "x")]);
        ticket = Some(written.ticket);
        std::thread::sleep(Duration::from_millis(round * 3));
    }
    let store = house.open();
    let sealed = store.wait_sealed(ticket.expect("something was written"), PATIENCE).expect("sealed");
    assert_eq!(sealed.records_size, 12 + of_rows(&house));
    audit(&house, &store, Log::Records, "site-a", sealed.records_size);
}
