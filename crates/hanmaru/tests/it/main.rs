//! The whole program: the compiled `hanmaru` with its own files and its own agency, and ways that go through every crate.
//! What a browser sees is in `tests/e2e`.

#[path = "../../../vault/tests/it/bucket_server.rs"]
mod bucket_server;
mod canary;
mod crash;
mod faults;
mod inspect;
mod operating;
mod people;
mod program;
mod serve;
mod sites;
mod staff;
mod time_stamps;
mod uploads;
mod whole;
mod witness;
