//! Placeholder so that the binary exists; see the modules.
