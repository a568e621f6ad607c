//! The vault as its callers see it: permits from the real door, real folders, real faults.

mod bucket_server;
mod common;
mod frames;
mod key_faults;
mod keys;
mod places;
mod sites;
