//! Running other programs, and where the tree and its build folder are.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The root of the workspace. Cargo says it to what it runs; a build folder shared by several checkouts may hold an
/// xtask that another of them built, so the path compiled in is only for an xtask started by hand.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let folder =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        folder.parent().expect("xtask is a folder of the workspace").to_owned()
    })
}

/// Cargo, started at the root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// What `cargo metadata` says of our own crates.
pub fn metadata() -> Result<Value, String> {
    let mut command = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|fault| not_started(&command, &fault))?;
    if !output.status.success() {
        return Err("cargo metadata failed".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|fault| format!("cargo metadata printed no JSON: {fault}"))
}

/// The folder that cargo builds into: `CARGO_TARGET_DIR` where set, else `target`.
pub fn target() -> Result<PathBuf, String> {
    let folder = &metadata()?["target_directory"];
    folder.as_str().map(PathBuf::from).ok_or_else(|| "cargo metadata names no target folder".to_owned())
}

/// Runs a command to its end; what it prints goes where ours goes.
pub fn run(mut command: Command) -> Result<(), String> {
    println!("> {}", shown(&command));
    let status = command.status().map_err(|fault| not_started(&command, &fault))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", shown(&command))) }
}

/// Becomes the command: a signal such as Ctrl-C reaches it and nothing is left between it and the terminal.
pub fn become_command(mut command: Command) -> Result<(), String> {
    println!("> {}", shown(&command));
    let fault = command.exec();
    Err(not_started(&command, &fault))
}

/// Runs a command to its end, passes on each line of its standard output as it comes and hands it to `seen` too.
pub fn run_seen(mut command: Command, mut seen: impl FnMut(&str)) -> Result<bool, String> {
    println!("> {}", shown(&command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|fault| not_started(&command, &fault))?;
    let mut output = BufReader::new(child.stdout.take().expect("standard output is piped, above"));
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).map_err(|fault| format!("{}: {fault}", shown(&command)))? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        seen(text.trim_end());
        line.clear();
    }
    let status = child.wait().map_err(|fault| format!("{}: {fault}", shown(&command)))?;
    Ok(status.success())
}

/// Runs a command to its end and gives what it wrote to standard error.
pub fn errors_of(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|fault| not_started(&command, &fault))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether a program of this name is on the path.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The first line that a command prints, where it succeeds.
pub fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, fault: &std::io::Error) -> String {
    format!("{} does not start: {fault}", shown(command))
}
