//! The target `vault_keys` of `crates/fuzzing`, for cargo-fuzz.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run("vault_keys", bytes));
