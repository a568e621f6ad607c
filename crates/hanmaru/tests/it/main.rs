//! The whole program: the compiled `hanmaru` with its own files and its own agency, and ways that go through every crate.
//! What a browser sees is in `tests/e2e`.

#[path = "../../../vault/tests/it/bucket_server.rs"]
mod bucket_server;
mod canary;
mod crash;
mod faults;
#[path = "../../../ledger/tests/it/go.rs"]
mod go;
mod inspect;
mod operating;
mod patients;
mod people;
mod program;
mod read_by_go;
mod serve;
mod sites;
mod staff;
mod time_stamps;
mod uploads;
mod whole;
mod witness;
