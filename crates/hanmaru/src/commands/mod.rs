//! The commands, one file each: arguments, calls to the crates below, words for the terminal.

pub mod agency;
pub mod audit_log;
pub mod bench;
pub mod clock;
pub mod demo;
pub mod deposit;
pub mod generate;
pub mod init;
pub mod inspect;
pub mod institutions;
pub mod keys;
pub mod prove;
pub mod rebuild;
pub mod review;
pub mod scrub;
pub mod serve;
pub mod shred;
pub mod staff;
pub mod status;
pub mod verify;
pub mod watch;
pub mod whose;
pub mod witness;
