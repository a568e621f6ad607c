//! The target `fhir_texts` of `crates/fuzzing`, for cargo-fuzz.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run("fhir_texts", bytes));
