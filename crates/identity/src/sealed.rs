//! Small secrets at rest, in the tables of rooms: as the store seals what people wrote. Not for records, which `vault` seals.

pub use store::sealed::{open, seal};

/// Whether two byte strings are equal, in a time that does not tell where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}
