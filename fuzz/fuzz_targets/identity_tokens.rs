//! The target `identity_tokens` of `crates/fuzzing`, for cargo-fuzz.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run("identity_tokens", bytes));
