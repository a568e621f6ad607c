//! The tree is tidy: `cargo xtask tidy` finds nothing.

use std::process::Command;

#[test]
fn the_tree_is_tidy() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").output().expect("xtask was built for this test");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "\n{said}");
    assert!(said.contains("files looked at"), "nothing was looked at:\n{said}");
}
