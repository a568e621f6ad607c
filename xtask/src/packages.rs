//! What is needed besides Rust. To build and for the demo: a C compiler. For the tests also a browser, Korean fonts, PDF tools
//! (Debian packages) and axe-core (npm). Only what is missing is installed, and what is installed is said first.

use crate::shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Debian package, and how to see that it, or something as good, is there.
struct Package {
    name: &'static str,
    there: Sign,
    why: &'static str,
}

enum Sign {
    Program(&'static str),
    Folder(&'static str),
}

/// What every build needs; fonts, time zones, SQLite and TLS are compiled in.
const TO_BUILD: [Package; 1] =
    [Package { name: "build-essential", there: Sign::Program("cc"), why: "compiles the C parts of SQLite and TLS" }];

/// What the tests need besides.
const TO_TEST: [Package; 9] = [
    Package { name: "chromium", there: Sign::Program("chromium"), why: "the browser that walks every journey" },
    Package { name: "chromium-driver", there: Sign::Program("chromedriver"), why: "drives the browser" },
    Package {
        name: "fonts-nanum",
        there: Sign::Folder("/usr/share/fonts/truetype/nanum"),
        why: "Korean text in the browser",
    },
    Package { name: "poppler-utils", there: Sign::Program("pdftotext"), why: "reads issued PDFs as others do" },
    Package { name: "qpdf", there: Sign::Program("qpdf"), why: "checks that issued PDFs are well formed" },
    Package {
        name: "openssl",
        there: Sign::Program("openssl"),
        why: "makes the certificate of a served portal, and is a time-stamp authority",
    },
    Package { name: "golang-go", there: Sign::Program("go"), why: "reads our logs as others do" },
    Package {
        name: "golang-golang-x-mod-dev",
        there: Sign::Folder("/usr/share/gocode/src/golang.org/x/mod"),
        why: "Go's packages for logs of this kind",
    },
    Package { name: "npm", there: Sign::Program("npm"), why: "fetches axe-core" },
];

/// The accessibility checker that is run on every page; pinned, so that a new rule is our decision.
const AXE: &str = "axe-core@4.14.1";

/// Installs what is missing of what a build needs.
pub fn install_to_build() -> Result<(), String> {
    install_missing(TO_BUILD.iter())
}

/// Installs what is missing. Where that is not possible the tests that need it skip, saying so: the texts returned say what and why.
pub fn install_to_test() -> Vec<String> {
    let axe_is_there = axe_script().as_deref().is_ok_and(Path::is_file);
    let needed = TO_BUILD.iter().chain(&TO_TEST).filter(|package| !(axe_is_there && package.name == "npm"));
    let faults = [install_missing(needed), install_axe()];
    faults.into_iter().filter_map(Result::err).collect()
}

/// Where axe-core stands once it is installed.
pub fn axe_script() -> Result<PathBuf, String> {
    Ok(axe_folder()?.join("node_modules/axe-core/axe.min.js"))
}

impl Package {
    fn is_there(&self) -> bool {
        match self.there {
            Sign::Program(name) => shell::has_program(name),
            Sign::Folder(path) => Path::new(path).is_dir(),
        }
    }
}

fn axe_folder() -> Result<PathBuf, String> {
    Ok(shell::target()?.join("npm"))
}

fn install_missing<'a>(needed: impl Iterator<Item = &'a Package>) -> Result<(), String> {
    let missing: Vec<&Package> = needed.filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        println!("system packages: nothing is missing");
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.why);
    }
    apt_install(&missing.iter().map(|package| package.name).collect::<Vec<_>>())
}

fn apt_install(names: &[&str]) -> Result<(), String> {
    let by_hand = format!("install these by hand: {}", names.join(" "));
    if !shell::has_program("apt-get") {
        return Err(format!("this is not Debian or a relative of it (no apt-get); {by_hand}"));
    }
    let root = shell::answer("id", &["-u"]).as_deref() == Some("0");
    if !root && shell::answer("sudo", &["-n", "true"]).is_none() {
        return Err(format!("not root, and sudo asks for a password; as root: apt-get install {}", names.join(" ")));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        shell::run(command)
    };
    let install = [&["install", "--yes", "--no-install-recommends"], names].concat();
    apt(&["update", "--quiet"]).and_then(|()| apt(&install)).map_err(|fault| format!("{fault}; {by_hand}"))
}

fn install_axe() -> Result<(), String> {
    if axe_script()?.is_file() {
        return Ok(());
    }
    if !shell::has_program("npm") {
        return Err(format!("{AXE} is not there and npm is missing"));
    }
    let folder = axe_folder()?;
    std::fs::create_dir_all(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    println!("missing: {AXE} (checks every page for accessibility), into {}", folder.display());
    let mut command = Command::new("npm");
    command.args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", AXE]).current_dir(&folder);
    command.arg("--prefix").arg(&folder);
    shell::run(command)
}
