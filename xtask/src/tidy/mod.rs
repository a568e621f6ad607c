//! What the compiler does not check and people forget: arrows between crates, sizes, places, words, links, texts.
//!
//! Each fault is printed with file and line. Warnings are printed and let through.

mod arrows;
mod links;
mod places;
mod rust;
mod sizes;
mod texts;

use crate::shell;
use rust::Source;
use std::fmt;
use std::path::Path;

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: [&str; 3] = [".git", "target", "node_modules"];
/// Kinds of files that are read as text.
const TEXT_KINDS: [&str; 15] =
    ["rs", "md", "toml", "ftl", "html", "css", "js", "svg", "cedar", "cedarschema", "json", "sql", "sh", "typ", "yml"];

/// A file of the tree, its path relative to the root and with `/` between folders.
pub struct File {
    pub path: String,
    pub text: String,
}

/// Something to mend, or, when `warning`, to think about.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    path: String,
    line: usize,
    text: String,
    warning: bool,
}

impl Fault {
    /// Something to mend.
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into(), warning: false }
    }

    /// Something to think about.
    pub fn warning(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { warning: true, ..Self::new(path, line, text) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning: " } else { "" };
        write!(f, "{}:{}: {kind}{}", self.path, self.line, self.text)
    }
}

/// Checks the whole tree and prints what it finds.
pub fn run() -> Result<(), String> {
    let mut files = Vec::new();
    collect(shell::root(), "", &mut files)?;
    let mut faults = arrows::check(&shell::metadata()?);
    for file in &files {
        check_file(file, &mut faults);
    }
    faults.extend(links::check(&files));
    faults.extend(texts::check(&files));
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    let (warnings, wrong): (Vec<_>, Vec<_>) = faults.iter().partition(|fault| fault.warning);
    println!("{} files looked at, {} faults, {} warnings", files.len(), wrong.len(), warnings.len());
    if wrong.is_empty() { Ok(()) } else { Err("the tree is not tidy".to_owned()) }
}

fn check_file(file: &File, faults: &mut Vec<Fault>) {
    places::check_any(file, faults);
    if file.path.ends_with(".rs") {
        let source = Source::read(&file.text);
        places::check_rust(file, &source, faults);
        sizes::check(file, &source, faults);
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), String> {
    let fault = |fault: std::io::Error| format!("{}: {fault}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type().map_err(fault)?.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if TEXT_KINDS.iter().any(|kind| name.ends_with(&format!(".{kind}"))) || path == ".ci/run" {
            let text = std::fs::read(entry.path()).map_err(|fault| format!("{path}: {fault}"))?;
            let text = String::from_utf8(text).map_err(|_| format!("{path}: not UTF-8"))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}
