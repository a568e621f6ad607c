//! What may stand where: the `//!` line, SQL, HTML, and words that may stand nowhere.

use super::rust::{Source, in_name, line_of};
use super::{Fault, File};

/// SQL stands in the store and in one file of each room. What looks promises up after faults looks at the tables themselves.
const SQL_PLACES: [&str; 7] = [
    "crates/store/",
    "crates/identity/src/tables.rs",
    "crates/identity/src/tables/",
    "crates/archive/src/tables.rs",
    "crates/watch/src/tables/",
    "crates/testkit/src/faults/",
    "xtask/src/tidy/",
];
/// HTML stands in the portal, and in the stand-in agency's two pages. The bench that walks the portal reads it.
const HTML_PLACES: [&str; 4] =
    ["crates/portal/", "crates/synth/src/agency", "crates/hanmaru/src/commands/bench/browser.rs", "xtask/src/tidy/"];

/// Words that are never committed, in two halves so that this file may be. They are notes to self, or paths of one machine.
const WORDS: [(&str, &str); 7] =
    [("FIX", "ME"), ("XX", "X"), ("TO", "DO"), ("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/")];

/// Calls that are never committed, and attributes. Clippy refuses some of them too, but is not part of every test run.
const CALLS: [(&str, &str); 8] = [
    ("SystemTime::now", "pass a base::Clock in"),
    ("Timestamp::now", "pass a base::Clock in"),
    ("Zoned::now", "pass a base::Clock in"),
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "remove it"),
    ("thread_rng", "pass a base::Random in"),
    ("[allow(", "use #[expect(lint, reason = \"…\")]"),
];

/// The one file that may ask the machine for the time.
const CLOCK: &str = "crates/base/src/clock.rs";

/// Fewest words of the line that says what a file is.
const OPENING_WORDS: usize = 2;

/// Checks that hold for a file of any kind.
pub fn check_any(file: &File, faults: &mut Vec<Fault>) {
    for (number, line) in file.text.lines().enumerate() {
        for (first, second) in WORDS {
            let word = format!("{first}{second}");
            if has_word(line, &word) {
                faults.push(Fault::new(&file.path, number + 1, format!("{word} may not stand here")));
            }
        }
    }
    if file.path.ends_with(".sql") && !file.path.starts_with("crates/store/migrations/") {
        faults.push(Fault::new(&file.path, 1, "migrations stand in crates/store/migrations"));
    }
    if file.path.ends_with(".html") && !allowed(&file.path, &HTML_PLACES) {
        faults.push(Fault::new(&file.path, 1, "HTML stands in crates/portal"));
    }
}

/// Checks that hold for Rust.
pub fn check_rust(file: &File, source: &Source, faults: &mut Vec<Fault>) {
    let path = &file.path;
    let opening = file.text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
    if opening.split_whitespace().count() < OPENING_WORDS {
        faults.push(Fault::new(path, 1, "the first line is `//! ` and says what this file is, and is not"));
    }
    if source.code.trim().is_empty() {
        faults.push(Fault::new(path, 1, "nothing is in this file"));
    }
    for (call, instead) in CALLS.into_iter().filter(|(_, instead)| path != CLOCK || !instead.contains("Clock")) {
        for (at, _) in source.code.match_indices(call) {
            let bounded = !call.starts_with(in_name) || !source.code[..at].ends_with(in_name);
            if bounded {
                faults.push(Fault::new(path, line_of(&source.code, at), format!("{call} is banned: {instead}")));
            }
        }
    }
    let in_test = |line: usize| is_test(path) || source.tests.get(line - 1).copied().unwrap_or(false);
    for (at, _) in source.code.match_indices(".unwrap()") {
        let line = line_of(&source.code, at);
        if !in_test(line) {
            faults.push(Fault::new(path, line, "unwrap outside tests: use expect(\"why it holds\") or an error"));
        }
    }
    for (line, literal) in &source.literals {
        if is_sql(literal) && !allowed(path, &SQL_PLACES) {
            faults.push(Fault::new(
                path,
                *line,
                "SQL stands in crates/store and in the tables of identity, archive and watch",
            ));
        }
        if is_html(literal) && !allowed(path, &HTML_PLACES) && !in_test(*line) {
            faults.push(Fault::new(path, *line, "HTML stands in crates/portal"));
        }
    }
}

/// Whether a file holds nothing but tests or what serves them.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.starts_with("crates/testkit/")
}

fn allowed(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let path = word.starts_with('/');
        !before.is_some_and(in_name) && (path || !after.is_some_and(in_name))
    })
}

/// Our SQL is written in capitals, which tells it from English.
fn is_sql(literal: &str) -> bool {
    const ALONE: [&str; 7] =
        ["INSERT INTO ", "INSERT OR ", "DELETE FROM ", "CREATE TABLE ", "CREATE INDEX ", "BEGIN IMMEDIATE", "PRAGMA "];
    const PAIRS: [(&str, &str); 2] = [("SELECT ", " FROM "), ("UPDATE ", " SET ")];
    let spaced = literal.replace('\n', " ");
    let pair = |(first, second): &(&str, &str)| spaced.find(first).is_some_and(|at| spaced[at..].contains(second));
    ALONE.iter().any(|word| spaced.contains(word)) || PAIRS.iter().any(pair)
}

/// A FHIR narrative is XHTML in a `div`, so a `div` alone is not a page.
fn is_html(literal: &str) -> bool {
    const TAGS: [&str; 9] =
        ["<html", "<!doctype", "<body", "<form", "<input", "<script", "<button", "<span", "<a href"];
    let lower = literal.to_ascii_lowercase();
    TAGS.iter().any(|tag| lower.contains(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let mut faults = Vec::new();
        check_any(&file, &mut faults);
        check_rust(&file, &Source::read(text), &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    fn one(path: &str, code: &str, part: &str) {
        let found = faults(path, &format!("//! A file here.\n{code}\nuse a;\n"));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{path}:2: ")) && found[0].contains(part),
            "{found:?}"
        );
    }

    fn none(path: &str, code: &str) {
        assert_eq!(faults(path, &format!("//! A file here.\n{code}\nuse a;\n")), Vec::<String>::new());
    }

    #[test]
    fn sql_and_html_have_their_places() {
        let sql = "const A: &str = \"SELECT a\nFROM b\";";
        one("crates/archive/src/a.rs", sql, "SQL stands");
        none("crates/archive/src/tables.rs", sql);
        none("crates/store/src/a.rs", sql);
        none("crates/archive/src/a.rs", "const A: &str = \"Select a hospital from the list\"; // SELECT a FROM b");
        let html = "const A: &str = r#\"<form method=\"post\">\"#;";
        one("crates/archive/src/a.rs", html, "HTML stands");
        none("crates/portal/src/a.rs", html);
        none("crates/hanmaru/tests/it/main.rs", html);
    }

    #[test]
    fn words_and_calls_that_stand_nowhere() {
        one("a.rs", &format!("// {}{}: later", "FIX", "ME"), "may not stand");
        one("a.rs", &format!("// see {}{}x", "/ho", "me/"), "may not stand");
        none("a.rs", &format!("// see target{}{}x and {}{}S", "/ho", "me/", "TO", "DO"));
        one("a.rs", "#[allow(dead_code)]", "expect(lint");
        none("a.rs", "#[expect(dead_code, reason = \"[allow(\")]");
        one("a.rs", "fn a() { todo!() }", "finish it");
        one("crates/a/src/a.rs", "fn a() { b().unwrap(); }", "why it holds");
        none("crates/a/tests/it/a.rs", "fn a() { b().unwrap(); }");
        none("crates/a/src/a.rs", "#[cfg(test)]\nmod tests { fn a() { b().unwrap(); } }");
        one("a.rs", "fn a() { jiff::Timestamp::now(); }", "base::Clock");
        none(CLOCK, "fn a() { jiff::Timestamp::now(); }");
    }

    #[test]
    fn files_say_what_they_are_and_hold_something() {
        assert!(faults("a.rs", "use a;\n")[0].contains("first line"));
        assert!(faults("a.rs", "//! portal\nuse a;\n")[0].contains("first line"));
        assert!(faults("a.rs", "//! All of the portal.\n// later\n")[0].contains("nothing is in"));
    }
}
