//! The generator and the stand-in agency as their users meet them: files on disk, and HTTP over loopback.

mod agency;
mod bags;
mod resources;

use std::path::Path;
use synth::{Options, Summary};

/// A small run into `out`.
fn run(out: &Path, hospitals: usize, patients: usize, threads: usize) -> Summary {
    let mut options = Options::new(hospitals, patients, 42, out.to_owned());
    options.threads = threads;
    synth::generate(&options, &|_| {}).expect("a small run succeeds")
}

/// Every file under `folder` as path and bytes, sorted.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder of the run") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("under the folder").to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).expect("a file of the run")));
            }
        }
    }
    found.sort();
    found
}
