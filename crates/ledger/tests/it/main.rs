//! The ledger against independent implementations: `tlog_tiles` for trees, tiles, proofs and checkpoints, `signed_note` for
//! keys and notes. What one side writes, the other must read, and both must compute the same.

mod go;
mod interop;
mod notes;
mod timestamps;
mod trees;
