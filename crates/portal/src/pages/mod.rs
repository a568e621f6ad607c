//! The pages, one file a group. Each has its plain data, its sample and its handler, in this order.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod audit_events;
pub(crate) mod help;
pub(crate) mod home;
pub(crate) mod institutions;
pub(crate) mod issue;
pub(crate) mod language;
pub(crate) mod notices;
pub(crate) mod passkey;
pub(crate) mod people;
pub(crate) mod prove;
pub(crate) mod questions;
pub(crate) mod records;
pub(crate) mod review;
pub(crate) mod second_step;
pub(crate) mod sign_in;
pub(crate) mod staff;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod visit;
pub(crate) mod watch;
pub(crate) mod watch_case;
