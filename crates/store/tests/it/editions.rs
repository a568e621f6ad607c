//! Which of several versions is the current one: corrections back, repeated deposits, editions out of order.

use policy::Action;
use store::{Edition, Outcome, Store};

use crate::support::*;

/// Writes texts of one resource as the lines of a deposit, in one write, and gives the versions that are new.
fn deposit(store: &Store, deposit: u8, lines: &[(u64, &str, Edition)]) -> Vec<u32> {
    let permit = depositor_of(store, Action::Deposit, deposit);
    let line = |(place, text, edition): &(u64, &str, Edition)| {
        let edition = Edition { place: Some(*place), ..*edition };
        prepare_edition(store, &permit, patient("p1"), ("Condition", "c1", text), 1, edition)
    };
    let written = store.write(&permit, lines.iter().map(line).collect(), vec![], None).expect("written");
    let new = |outcome: &Outcome| match outcome {
        Outcome::New { version } => Some(*version),
        Outcome::Already { .. } => None,
    };
    written.versions.iter().filter_map(new).collect()
}

/// Lines without a word of their own about their edition.
fn plain(store: &Store, number: u8, texts: &[&str]) -> Vec<u32> {
    let lines: Vec<_> = (1..).zip(texts).map(|(place, text)| (place, *text, Edition::default())).collect();
    deposit(store, number, &lines)
}

fn dated(second: i64, number: u64) -> Edition {
    Edition { place: None, updated: base::Timestamp::from_second(second).ok(), number: Some(number) }
}

/// The texts of the resource, newest edition first.
fn texts(store: &Store) -> Vec<String> {
    let permit = person(store, base::Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
    let key = key(store, patient("p1"), "Condition", "c1");
    let text = |version: &store::Version| {
        let text = String::from_utf8_lossy(version.bytes.expose()).into_owned();
        text.split("\"text\":\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
    };
    let mut history = store.history(&permit, &key).expect("read");
    history.reverse();
    let current = store.read(&permit, std::slice::from_ref(&key)).expect("read");
    assert_eq!(text(&current[0]), text(&history[0]), "the current one is the first of the history");
    let found = store.search(&permit_to_search(store), &store::Query::default()).expect("found");
    assert_eq!(found.heads[0].version as usize, history.len(), "a head tells how many there are");
    history.iter().filter_map(text).collect()
}

fn permit_to_search(store: &Store) -> policy::Permit {
    person(store, base::Id16([7; 16]), &[patient("p1")], Action::ReadTimeline)
}

#[test]
fn a_correction_back_to_an_earlier_text_is_the_current_version() {
    let house = House::new();
    let store = house.open();
    assert_eq!(plain(&store, 1, &["a"]), [1]);
    assert_eq!(plain(&store, 2, &["b"]), [2]);
    assert_eq!(plain(&store, 3, &["a"]), [3]);
    assert_eq!(texts(&store), ["a", "b", "a"]);
    for repeated in [3, 2, 1] {
        let lines = if repeated == 2 { ["b"] } else { ["a"] };
        assert_eq!(plain(&store, repeated, &lines), [0; 0], "deposit {repeated} again");
    }
    assert_eq!(texts(&store), ["a", "b", "a"]);
}

#[test]
fn a_correction_back_within_one_deposit_counts_too_and_the_deposit_may_be_repeated() {
    let house = House::new();
    let store = house.open();
    assert_eq!(plain(&store, 1, &["a", "b", "a", "a"]), [1, 2, 3]);
    assert_eq!(plain(&store, 1, &["a", "b", "a", "a"]), [0; 0]);
    assert_eq!(texts(&store), ["a", "b", "a"]);
}

#[test]
fn a_deposit_that_brought_nothing_new_does_not_undo_a_later_one_when_it_is_repeated() {
    let house = House::new();
    let store = house.open();
    assert_eq!(plain(&store, 1, &["a"]), [1]);
    assert_eq!(plain(&store, 2, &["a"]), [0; 0]);
    assert_eq!(plain(&store, 3, &["b"]), [2]);
    assert_eq!(plain(&store, 2, &["a"]), [0; 0], "it was through before the correction");
    assert_eq!(plain(&store, 4, &["a", "b"]), [3, 4], "a history again, under another deposit: its last word holds");
    assert_eq!(plain(&store, 4, &["a", "b"]), [0; 0]);
    assert_eq!(texts(&store), ["b", "a", "b", "a"]);
}

#[test]
fn an_older_edition_that_comes_later_is_history() {
    let house = House::new();
    let store = house.open();
    let (first, second, third) = (dated(1_000, 1), dated(2_000, 2), dated(3_000, 3));
    assert_eq!(deposit(&store, 1, &[(1, "three", third), (2, "one", first)]), [1, 2]);
    assert_eq!(texts(&store), ["three", "one"]);
    assert_eq!(deposit(&store, 2, &[(1, "two", second)]), [3]);
    assert_eq!(texts(&store), ["three", "two", "one"]);
    for again in [1, 2] {
        assert_eq!(deposit(&store, again, &[(1, "three", third), (2, "two", second), (3, "one", first)]), [0; 0]);
    }
    assert_eq!(deposit(&store, 3, &[(1, "four", dated(4_000, 4))]), [4]);
    assert_eq!(texts(&store), ["four", "three", "two", "one"]);
    // What finds it follows the current one.
    let named = |text: &str| {
        let matches = vec![store::Match::String { param: "name".to_owned(), prefix: text.to_owned() }];
        let query = store::Query { matches, ..store::Query::default() };
        store.search(&permit_to_search(&store), &query).expect("found").heads.len()
    };
    assert_eq!((named("four"), named("three"), named("one")), (1, 0, 0));
    assert_eq!(seal_all_versions(&store), 4 + of_rows(&house));
}

fn seal_all_versions(store: &Store) -> u64 {
    let permit = depositor(store, Action::Deposit);
    let written = store.write(&permit, vec![], vec![], None).expect("nothing is written");
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed").records_size
}
