//! The target `identity_passkey` of `crates/fuzzing`, for cargo-fuzz.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run("identity_passkey", bytes));
