//! The short run: every seed of a target, then its number of changed inputs. What fails is written to a file, and the fault
//! says how to run that input again.

use crate::{Target, mutate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Names the target and the file of an input that is to be run again, as `<target>:<file>`.
pub const AGAIN: &str = "HANMARU_FUZZ_INPUT";

/// How many times as many changed inputs each target gets, where that is said: for a night.
pub const TIMES: &str = "HANMARU_FUZZ_TIMES";

/// An input for which a property does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The target.
    pub target: &'static str,
    /// Its place: seeds first, then changed inputs.
    pub number: usize,
    /// The file that holds the input in hexadecimal digits.
    pub file: PathBuf,
    /// What the panic said.
    pub said: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (target, number, file) = (self.target, self.number, self.file.display());
        write!(
            f,
            "target {target}, input {number}: {}\nrun it again: {AGAIN}={target}:{file} cargo test -p fuzzing --test it -- again",
            self.said
        )
    }
}

/// Runs a target. Gives the number of inputs.
///
/// # Errors
/// The first input for which a property does not hold.
pub fn run(target: &Target) -> Result<usize, Box<Found>> {
    let _closing = Closing;
    let seeds = (target.seeds)();
    let times = std::env::var(TIMES).ok().and_then(|times| times.parse::<u32>().ok()).unwrap_or(1);
    let changed = (0..target.inputs.saturating_mul(times))
        .map(|number| mutate::input(target.name, number, &seeds, target.bytes_max));
    let mut count = 0;
    for bytes in seeds.iter().cloned().chain(changed) {
        try_one(target, count, &bytes)?;
        count += 1;
    }
    Ok(count)
}

/// Runs an input again that an earlier run wrote to a file.
///
/// # Errors
/// Where it still fails, or there is no such target or file, in words.
pub fn again(targets: &[Target], which: &str) -> Result<(), String> {
    let (name, file) = which.split_once(':').ok_or(format!("{AGAIN} is <target>:<file>"))?;
    let target = targets.iter().find(|target| target.name == name).ok_or(format!("there is no target {name}"))?;
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let bytes = base::unhex(text.trim()).ok_or(format!("{file} holds no hexadecimal digits"))?;
    let _closing = Closing;
    try_one(target, 0, &bytes).map_err(|found| found.to_string())
}

/// Takes down what a target has set up, so that the next one begins with a fresh installation.
struct Closing;

impl Drop for Closing {
    fn drop(&mut self) {
        crate::house::close();
    }
}

fn try_one(target: &Target, number: usize, bytes: &[u8]) -> Result<(), Box<Found>> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned())).unwrap_or_default();
        let file = std::env::temp_dir().join(format!("hanmaru-fuzz-{}-{number}.hex", target.name));
        let said = match std::fs::write(&file, base::hex(bytes)) {
            Ok(()) => said,
            Err(error) => format!("{said} (its bytes, which could not be kept: {}; {error})", base::hex(bytes)),
        };
        Box::new(Found { target: target.name, number, file, said })
    })
}
