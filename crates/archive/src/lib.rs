//! The archive: takes in, keeps and issues the records of hospitals that closed or suspended.

pub mod deposit;
pub mod hangul;
