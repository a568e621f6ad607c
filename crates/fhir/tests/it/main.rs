//! Tests against public conformance data: the official FHIRPath suite, Synthea bundles and Korean examples. The data is not part of
//! the project; without it (environment variable HANMARU_CONFORMANCE) these tests say that they are skipped.

mod examples;
mod fhirpath_suite;

use std::path::PathBuf;

/// A folder of the conformance data, when it is there.
fn conformance(folder: &str) -> Option<PathBuf> {
    let found = std::env::var_os("HANMARU_CONFORMANCE")
        .map(|root| PathBuf::from(root).join(folder))
        .filter(|path| path.is_dir());
    if found.is_none() {
        println!("SKIPPED: conformance data {folder} is not there; set HANMARU_CONFORMANCE to its parent folder");
    }
    found
}

/// The JSON files of a folder, sorted by name.
fn json_files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder is readable").path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).expect("the file is readable"))).collect()
}
