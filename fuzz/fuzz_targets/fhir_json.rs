//! The target `fhir_json` of `crates/fuzzing`, for cargo-fuzz.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run("fhir_json", bytes));
