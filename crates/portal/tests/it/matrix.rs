//! The authorisation matrix: every address of the table of contents, asked in every role and with every factor about every
//! relation and consent that makes a difference, over a running portal with real sessions. What must come back stands in
//! `matrix.txt`, written by hand; `docs/MATRIX.md` is what came back, in full.

mod acts;
mod cast;
mod colleagues;
mod erasing;
mod facts;
mod maker;

use crate::site::Site;
use acts::Acts;
use cast::Cast;
use portal::{Guard, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What must come back, by line and column.
const EXPECTED: &str = include_str!("matrix.txt");
/// Set to write `docs/MATRIX.md` anew instead of comparing it.
const WRITE: &str = "HANMARU_WRITE_MATRIX";

/// The column that says what is different once a second factor was given long ago.
const LATE: &str = "late";
/// A second factor counts for less than this many seconds where it is asked for again (`step_up_s`).
const LONG_AGO_S: i64 = 301;

/// One line: an address about something.
type Line = (&'static str, &'static str, String);
type Lines = BTreeMap<(String, String, String), BTreeMap<&'static str, String>>;

#[test]
fn every_cell_of_the_matrix_is_as_expected() {
    let site = Site::new();
    let cast = Cast::new(&site);
    let mut expected = expectations();
    let mut asked = Asked::default();
    for route in portal::routes() {
        for (thing, address) in cast.things(&route) {
            let key = (route.method.to_owned(), route.path.to_owned(), thing.to_owned());
            let Some(line) = expected.remove(&key) else {
                panic!("{} {} [{thing}] has no line in matrix.txt: write down what each role gets", key.0, key.1);
            };
            let mut found = Vec::new();
            for column in cast::COLUMNS {
                let wanted = line.get(column).unwrap_or_else(|| panic!("{key:?} says nothing of {column}"));
                let outcome = cast.ask(column, &route, thing, &address, true);
                asked.compare(&key, column, &outcome, first(wanted));
                // What comes when it is asked again is compared below.
                found.push(if outcome == first(wanted) { wanted.clone() } else { outcome });
            }
            found.push(line.get(LATE).cloned().unwrap_or_default());
            asked.measured.push(((route.method, route.path, thing.to_owned()), found));
            asked.lines.push((route, thing, address, line));
        }
    }
    assert!(expected.is_empty(), "lines without an address: {:?}", expected.keys());
    // The same again, when everybody's second factor was given long ago.
    site.world.clock.advance(LONG_AGO_S);
    for (route, thing, address, line) in std::mem::take(&mut asked.lines) {
        let key = (route.method.to_owned(), route.path.to_owned(), thing.to_owned());
        for column in cast::COLUMNS[3..].iter().filter(|column| is_asked_again(&route, column, thing)) {
            // Of the others' pages somebody learns nothing new by it: they are not let in, whatever their second factor.
            let theirs = match (route.guard, route.path) {
                (Guard::Person, _) => *column == "patient",
                (_, path) if path.starts_with("/account") => true,
                (_, path) => path.starts_with("/staff") != (*column == "patient"),
            };
            let wanted = line.get(LATE).filter(|_| theirs).unwrap_or(&line[column]);
            // Nothing is done where the second factor has to be given again.
            let outcome = cast.ask(column, &route, thing, &address, !line.contains_key(LATE));
            asked.compare(&key, &format!("{column}, {LATE}"), &outcome, again(wanted));
        }
    }
    let Asked { wrong, over, cells, measured, .. } = asked;
    assert!(wrong.is_empty(), "{over} over-permits, {} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 600, "the matrix was not asked");
    println!("matrix: {cells} cells, {over} over-permits");
    document(&measured, cells);
}

/// Whether a column is asked again once its second factor was given long ago.
fn is_asked_again(route: &Route, column: &str, thing: &str) -> bool {
    Acts::of(route).is_none_or(|act| act.is_asked_again(column, thing))
}

/// What must come the first time, of `first/again` or of what comes each time.
fn first(wanted: &str) -> &str {
    wanted.split_once('/').map_or(wanted, |(first, _)| first)
}

/// What must come where it was asked before.
fn again(wanted: &str) -> &str {
    wanted.split_once('/').map_or(wanted, |(_, again)| again)
}

/// What came back so far.
#[derive(Default)]
struct Asked {
    cells: usize,
    over: usize,
    wrong: Vec<String>,
    measured: Vec<(Line, Vec<String>)>,
    /// What is asked again.
    lines: Vec<(Route, &'static str, String, BTreeMap<&'static str, String>)>,
}

impl Asked {
    fn compare(&mut self, (method, path, thing): &(String, String, String), column: &str, found: &str, wanted: &str) {
        self.cells += 1;
        if found != wanted {
            self.over += usize::from(found == "open");
            self.wrong.push(format!("{method} {path} [{thing}] {column}: {found}, expected {wanted}"));
        }
    }
}

#[test]
fn what_a_line_says_of_its_guard_is_what_it_expects_and_every_act_is_done() {
    let expected = expectations();
    for Route { method, path, guard } in portal::routes() {
        let of_route = expected.iter().filter(|((m, p, _), _)| m == method && p == path);
        let opens: BTreeSet<&str> = of_route
            .flat_map(|(_, line)| {
                line.iter().filter(|(_, outcome)| first(outcome) == "open").map(|(column, _)| *column)
            })
            .collect();
        let outside = |inside: &[&str]| opens.iter().filter(|column| !inside.contains(*column)).count();
        let beyond = match guard {
            Guard::Anyone => 0,
            Guard::Session => outside(&cast::COLUMNS[2..]),
            Guard::Member => outside(&cast::COLUMNS[3..]),
            Guard::Person | Guard::Own(_) | Guard::Acting(_) => outside(&["patient"]),
            Guard::Staff => outside(&cast::COLUMNS[4..]),
            Guard::Role(roles, _) => outside(&roles.iter().map(|role| role.name()).collect::<Vec<_>>()),
        };
        assert_eq!(beyond, 0, "{method} {path} is for {guard:?} and is expected to open for {opens:?}");
        // Where nobody gets through, it is not seen who could not: the form may lack something before the door is asked.
        let is_act = method == "POST" && matches!(guard, Guard::Own(_) | Guard::Acting(_) | Guard::Role(..));
        let is_through = |outcome: &String| ["open", "go"].contains(&first(outcome));
        let mut of_route = expected.iter().filter(|((m, p, _), _)| m == method && p == path);
        let goes = of_route.any(|(_, line)| line.values().any(is_through));
        assert!(
            !is_act || goes,
            "{method} {path} lets nobody through: ask it about something with a form that is whole"
        );
    }
}

/// The lines of the file: `METHOD PATH [thing] column=outcome …`. `staff` stands for every column of staff that is not named.
fn expectations() -> Lines {
    let mut lines = Lines::new();
    for text in EXPECTED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (address, cells) = text.split_once(']').unwrap_or_else(|| panic!("no [thing]: {text}"));
        let (address, thing) = address.split_once(" [").unwrap_or_else(|| panic!("no [thing]: {text}"));
        let (method, path) = address.split_once(' ').expect("a method and a path");
        let mut outcomes = BTreeMap::new();
        let mut staff = None;
        for cell in cells.split_whitespace() {
            let (column, outcome) = cell.split_once('=').unwrap_or_else(|| panic!("no outcome: {cell}"));
            if column == "staff" {
                staff = Some(outcome.to_owned());
                continue;
            }
            let known = cast::COLUMNS.into_iter().chain([LATE]).find(|one| *one == column);
            let known = known.unwrap_or_else(|| panic!("no column {column}: {text}"));
            assert!(outcomes.insert(known, outcome.to_owned()).is_none(), "{column} twice: {text}");
        }
        for column in cast::STAFF {
            if let Some(outcome) = &staff {
                outcomes.entry(column).or_insert_with(|| outcome.clone());
            }
        }
        let key = (method.trim().to_owned(), path.trim().to_owned(), thing.trim().to_owned());
        assert!(lines.insert(key, outcomes).is_none(), "a line stands twice: {text}");
    }
    lines
}

/// Compares `docs/MATRIX.md` with what was measured, or writes it.
fn document(measured: &[(Line, Vec<String>)], cells: usize) {
    let mut text = format!(
        "# The authorisation matrix\n\n\
         What each role gets at each address of the portal: {cells} cells, as a running portal answered them in\n\
         [matrix.rs](../crates/portal/tests/it/matrix.rs) and as [matrix.txt](../crates/portal/tests/it/matrix.txt) expects them. \
         Where an address is\nabout something, the brackets say about what; \
         `own` and `oneself` are each asker's. Where something is done, the form lacks\nnothing, and nobody got through with the same thing before.\n\n\
         `open`: it is shown or done. `mend`: they are let in, and what was sent is faulty or names what it is not done to, such as their own. `refused`: not theirs. \
         `sign-in`, `staff-in`,\n`second`, `prove`: led to sign-in, to the sign-in of staff, to the second factor, to giving it \
         again. `session`: the session is none.\n`form`: the form is not theirs. `go`: led on. `missing`: there is no such thing. \
         `go/mend`: the one, and the other when it is asked again, since it is done once. `late`: what those get instead who have a session\nfor such pages, once their second factor was given more than five minutes ago; \
         where nothing stands, the same as before; \
         who is not let in to do something is asked that about the first thing alone.\n\n"
    );
    let _ = writeln!(text, "| address | {} | {LATE} |", cast::COLUMNS.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(cast::COLUMNS.len() + 1));
    for ((method, path, thing), outcomes) in measured {
        let about = if thing == "-" { String::new() } else { format!(" [{thing}]") };
        let _ = writeln!(text, "| {method} `{path}`{about} | {} |", outcomes.join(" | "));
    }
    let crate_folder =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let path = crate_folder.join("../../docs/MATRIX.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &text).expect("the documents can be written");
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "docs/MATRIX.md is not what was measured: run this test with {WRITE}=1 to write it anew");
}
