//! A checker of logs that shares nothing with this program: `tests/interop/verify_log.go`, which stands on Go's
//! `golang.org/x/mod/sumdb`. The tests of `hanmaru` take this file along for the logs that the program itself made.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian puts the sources of Go packages.
const GOPATH: &str = "/usr/share/gocode";

/// The built checker.
pub struct Go {
    program: PathBuf,
}

impl Go {
    /// Builds it into a folder; `None`, saying so, where Go or its packages are missing.
    pub fn built(into: &Path) -> Option<Self> {
        let package = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog");
        let go = Command::new("go").arg("version").output().is_ok_and(|done| done.status.success());
        if !go || !package.is_dir() {
            println!("SKIPPED: logs checked by Go: install golang-go and golang-golang-x-mod-dev");
            return None;
        }
        let program = into.join("verify_log");
        // The folder of now, and not of the checkout that the test was built in.
        let here: PathBuf =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let source = here.join("../ledger/tests/interop/verify_log.go");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(source)
            .envs([
                ("GO111MODULE", "off"),
                ("GOPATH", GOPATH),
                ("GOFLAGS", ""),
                ("GOPROXY", "off"),
                ("CGO_ENABLED", "0"),
            ])
            .env("GOCACHE", into.join("go-cache"))
            .output()
            .expect("go runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Some(Self { program })
    }

    /// Whether it finds everything in order, and what it says. What it takes stands at the beginning of its source.
    pub fn check(&self, arguments: &[(&str, &dyn AsRef<OsStr>)]) -> (bool, String) {
        let mut command = Command::new(&self.program);
        for (name, value) in arguments {
            command.arg(name).arg(value.as_ref());
        }
        let done = command.output().expect("it runs");
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    }
}
