//! How fast a log grows and proves in memory, without any disk: one line a figure.

fn main() {}
