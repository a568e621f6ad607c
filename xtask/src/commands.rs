//! `demo`, `test`, `bench` and `lint`: which programs run, in which order, and what is said at the end.

use crate::{packages, shell};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What every build of the program selects. Cargo unites the features of what is selected, so `cargo build -p hanmaru`
/// would compile many dependencies a second time, with fewer features than the tests need. All members plus one small
/// test give the features that `cargo test --workspace` has, and only the program is built.
const BUILD: [&str; 6] = ["build", "--workspace", "--bin", "hanmaru", "--test", "tidy"];

/// Patients with more than 100,000 documents together, where time is given.
const LONG_BARS: [&str; 2] = ["--patients", "8750"];

/// Builds the program and becomes `hanmaru demo`, which makes the data, starts everything and stops it on Ctrl-C.
pub fn demo(arguments: &[String]) -> Result<(), String> {
    packages::install_to_build()?;
    let mut command = built()?;
    command.arg("demo");
    if !is_given(arguments, "--data") {
        command.arg("--data").arg(shell::target()?.join("demo"));
    }
    command.args(arguments);
    shell::become_command(command)
}

/// Builds the program and becomes `hanmaru bench`, which lists its benches or runs one.
pub fn bench(arguments: &[String]) -> Result<(), String> {
    let mut command = built()?;
    command.arg("bench");
    if arguments.is_empty() {
        command.arg("--list");
    }
    if !is_given(arguments, "--dir") {
        command.arg("--dir").arg(shell::target()?.join("bench"));
    }
    command.envs(conformance().map(|folder| ("HANMARU_CONFORMANCE", folder)));
    command.args(arguments);
    shell::become_command(command)
}

/// Clippy with every warning refused. Its check of the dependencies shares nothing with a build, hence a command of its own.
pub fn lint() -> Result<(), String> {
    shell::run(shell::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Everything that must hold. Fails at the end, with all that failed, unless nothing could be built.
pub fn test(arguments: &[String]) -> Result<(), String> {
    let long = match arguments {
        [] => false,
        [one] if one == "--long" => true,
        _ => return Err(format!("test takes --long and nothing else, not {}", arguments.join(" "))),
    };
    let start = Instant::now();
    let not_installed = packages::install_to_test();
    for fault in &not_installed {
        println!("SKIPPED: tests that need it will skip: {fault}");
    }
    let conformance = conformance();
    if conformance.is_none() {
        println!("SKIPPED: tests on conformance data: set HANMARU_CONFORMANCE to its folder to run them");
    }
    // Neither keeps the tests from running: who broke only these should not have to wait for a second run.
    let formatted = shell::run(shell::cargo(&["fmt", "--check"]));
    shell::run(shell::cargo(&["build", "--workspace", "--all-targets"]))?;
    let without_warnings = refuse_warnings();
    let built = start.elapsed();

    let mut command = shell::cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    if long {
        command.arg("--include-ignored");
    }
    if let Ok(axe) = packages::axe_script().and_then(|path| path.is_file().then_some(path).ok_or_else(String::new)) {
        command.env("HANMARU_AXE", axe);
    }
    command.envs(conformance.map(|folder| ("HANMARU_CONFORMANCE", folder)));
    let (mut skipped, mut failed) = (Vec::new(), Vec::new());
    let passed = shell::run_seen(command, |line| {
        if let Some(at) = line.find("SKIPPED") {
            skipped.push(line[at..].to_owned());
        }
        if line.starts_with("test ") && line.ends_with("... FAILED") {
            failed.push(line.to_owned());
        }
    })?;
    let bars = bars(long);
    summary(&skipped, &failed, long);
    println!("time: {} s, of which {} s to install and build", start.elapsed().as_secs(), built.as_secs());
    let tests = if passed { Ok(()) } else { Err("cargo test failed".to_owned()) };
    let faults: Vec<String> = [formatted, without_warnings, tests, bars].into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Bars in a short form, after the tests so that nothing else runs beside them. What they count must be right here too; their
/// speeds are figures, repeated at the end.
fn bars(long: bool) -> Result<(), String> {
    let mut command = built()?;
    command.args(["bench", "trust"]).args(if long { &LONG_BARS[..] } else { &["--short"] });
    command.arg("--dir").arg(shell::target()?.join("bench"));
    let mut figures = Vec::new();
    let counted = shell::run_seen(command, |line| {
        if line.starts_with("bar ") {
            figures.push(line.to_owned());
        }
    })?;
    figures.iter().for_each(|line| println!("{line}"));
    if counted { Ok(()) } else { Err("bench trust failed".to_owned()) }
}

/// Cargo repeats the warnings of what it need not build again, so the second look at a build costs a second.
fn refuse_warnings() -> Result<(), String> {
    let said = shell::errors_of(shell::cargo(&["build", "--workspace", "--all-targets"]))?;
    if said.lines().any(|line| line.starts_with("warning: `")) {
        Err(format!("{said}warnings are refused"))
    } else {
        Ok(())
    }
}

fn is_given(arguments: &[String], option: &str) -> bool {
    arguments
        .iter()
        .any(|argument| argument.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// The folder of the public conformance data: `HANMARU_CONFORMANCE`, else where it lies beside the tree. Absolute, since
/// cargo runs each test in the folder of its crate.
fn conformance() -> Option<PathBuf> {
    let said = std::env::var_os("HANMARU_CONFORMANCE").and_then(|folder| std::path::absolute(folder).ok());
    said.or_else(|| {
        let beside = shell::root().parent()?.join("shared/data");
        beside.is_dir().then_some(beside)
    })
}

fn summary(skipped: &[String], failed: &[String], long: bool) {
    println!();
    for line in skipped {
        println!("{line}");
    }
    for line in failed {
        println!("{line}");
    }
    let ignored = if long { "" } else { "; long tests were left out, --long runs them" };
    println!("{} tests or parts of tests skipped, {} failed{ignored}", skipped.len(), failed.len());
}

fn built() -> Result<Command, String> {
    shell::run(shell::cargo(&BUILD))?;
    Ok(Command::new(shell::target()?.join("debug/hanmaru")))
}
