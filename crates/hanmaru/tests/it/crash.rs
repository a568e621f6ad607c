//! Deposits killed at random moments, by the same bench that shows it at length.

use crate::program::hanmaru;
use std::process::Command;

/// Kills here; the bench makes 200.
const KILLS: &str = "20";

#[test]
fn killed_deposits_lose_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    bench.args(["bench", "crash", "--points", KILLS, "--dir"]).arg(folder.path());
    let said = hanmaru(&mut bench);
    assert_eq!(said.code, Some(0), "{said:?}");
    let value = |name: &str| {
        let line = said.out.lines().find_map(|line| line.strip_prefix(&format!("bar {name} ")));
        line.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("no bar {name}: {said:?}")).to_owned()
    };
    assert_eq!(value("kill_points"), KILLS);
    for name in ["kill_lost", "kill_doubled", "kill_log_faults"] {
        assert_eq!(value(name), "0", "{}", said.out);
    }
    let left = std::fs::read_dir(folder.path()).expect("the folder is there").count();
    assert_eq!(left, 0, "a bench leaves nothing behind");
}

#[test]
fn benches_are_listed_and_unknown_ones_refused() {
    let said = hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).args(["bench", "--list"]));
    let names: Vec<&str> = said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known = ["deposit", "journey", "ledger", "flips", "reads", "trust", "witnessed", "rebuild", "memory", "crash"];
    assert!(said.code == Some(0) && known.iter().all(|name| names.contains(name)), "{said:?}");
    let said = hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).args(["bench", "nothing"]));
    assert!(said.code == Some(1) && said.err.contains("there is no bench nothing"), "{said:?}");
}
