//! Opens a bag (BagIt 1.0, RFC 8493): tag files, manifest, and what really lies in the folder.
//!
//! It reads no payload: checksums are compared where a file is read anyway. A bag is refused whole when it cannot be
//! trusted to be what its sender packed: a tag file missing, a path that leads elsewhere, a link, a payload file that
//! is listed and absent or present and unlisted. Every such fault is listed, so that one try tells the sender all.

use super::bag_info::{BagInfo, InfoFault};
use super::payload::{Hashed, Lines};
use crate::names::masked;
use base::limits::Limits;
use jiff::civil::Date;
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// One payload file that the manifest lists and the folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Its path below the bag with `/` between parts, `data/` first.
    pub path: String,
    /// Its size in bytes when the bag was opened.
    pub size: u64,
    /// The digest the manifest gives.
    pub digest: Digest,
}

/// A digest of the manifest's algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256, from `manifest-sha256.txt`.
    Sha256([u8; 32]),
    /// SHA-512, from `manifest-sha512.txt`. Boxed, because a bag may list a million digests.
    Sha512(Box<[u8; 64]>),
}

/// An opened bag.
#[derive(Debug)]
pub struct Bag {
    /// The bag's folder.
    pub root: PathBuf,
    /// What `bag-info.txt` says.
    pub info: BagInfo,
    /// The payload, sorted by path.
    pub files: Vec<PayloadFile>,
    /// SHA-256 of the payload manifest: the same payload has the same digest.
    pub manifest_digest: [u8; 32],
}

/// A reason to refuse a bag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BagFault {
    /// A tag file that must be there is not.
    #[error("{} is missing: it must lie in the bag's top folder", masked(.0))]
    TagFileMissing(String),
    /// A tag file is larger than any real one.
    #[error("{file} is larger than {limit} bytes")]
    TagFileTooLarge {
        /// The file.
        file: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A tag file is not UTF-8.
    #[error("{file} is not UTF-8 at byte {offset}: save it as UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Where.
        offset: usize,
    },
    /// `bagit.txt` declares something else.
    #[error("bagit.txt does not declare BagIt-Version 1.0 (or 0.97) and UTF-8")]
    NotBagIt,
    /// `bag-info.txt` lacks something or holds something wrong.
    #[error("bag-info.txt: {0}")]
    Info(#[from] InfoFault),
    /// A tag file is not the one that a tag manifest lists.
    #[error("{} is not what {} says: it was changed after the bag was packed", masked(.0), .1)]
    TagFileChanged(String, &'static str),
    /// Neither SHA-256 nor SHA-512 manifest.
    #[error("no manifest-sha256.txt or manifest-sha512.txt: weaker digests are not taken")]
    NoManifest,
    /// A line of the manifest has another form.
    #[error("{file} line {line}: not a digest, white space and a path")]
    ManifestLine {
        /// The manifest.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A path leads out of the payload folder.
    #[error("{file} line {line}: the path must stay below data/")]
    PathOutside {
        /// The manifest.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A file name with control characters, which could pass for lines of a receipt or commands to a terminal.
    #[error("{}: the file name has control characters; rename the file", masked(.0))]
    ControlCharacter(String),
    /// Two entries name one file, or differ only in case or Unicode form.
    #[error("{}: listed twice, or a path that differs only in case or Unicode form", masked(.0))]
    PathTwice(String),
    /// Listed, but not in the folder.
    #[error("{}: listed in the manifest and missing in the bag", masked(.0))]
    Missing(String),
    /// In the folder, but not listed.
    #[error("{}: in the bag and not listed in the manifest", masked(.0))]
    Extra(String),
    /// A symbolic link.
    #[error("{}: a symbolic link; put the file itself into the bag", masked(.0))]
    Link(String),
    /// A device, a socket or a pipe.
    #[error("{}: neither a file nor a folder", masked(.0))]
    Special(String),
    /// A file name that is not UTF-8.
    #[error("{}: the file name is not UTF-8", masked(.0))]
    NameNotUtf8(String),
    /// Nothing to take.
    #[error("the bag holds no payload below data/")]
    Empty,
    /// The declared sum of bytes and files is not what is there.
    #[error("Payload-Oxum says {declared} (bytes.files), the bag holds {found}: it is truncated or was changed")]
    Oxum {
        /// From `bag-info.txt`.
        declared: String,
        /// What the folder holds.
        found: String,
    },
    /// More files than the limit.
    #[error("more than {0} payload files: split the bag")]
    TooManyFiles(usize),
    /// More faults than are worth listing.
    #[error("and further faults of the same kinds, not listed")]
    More,
}

/// A bag that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// The bag is refused for these reasons.
    #[error("the bag is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<BagFault>),
    /// There is nothing that could be a bag.
    #[error("{} is no folder: name the folder of a bag, in which bagit.txt lies", masked(&.0.to_string_lossy()))]
    NoFolder(PathBuf),
    /// The folder cannot be read.
    #[error("cannot read {}: {source}", masked(&.path.to_string_lossy()))]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The most faults listed for one bag.
const FAULTS_LISTED: usize = 1_000;
/// The deepest folder below `data/`.
const DEPTH: usize = 32;

/// Opens the bag in folder `root` and checks that it is whole.
///
/// Days that are far from `today` are refused.
///
/// # Errors
/// [`BagError::Refused`] with every fault found, [`BagError::NoFolder`], or [`BagError::Io`] where something cannot be read.
pub fn open(root: &Path, limits: &Limits, today: Date) -> Result<Bag, BagError> {
    if !root.is_dir() {
        return Err(BagError::NoFolder(root.to_owned()));
    }
    let mut faults = Faults::default();
    let declaration = read_tag_file(root, "bagit.txt", limits, &mut faults)?;
    if declaration.as_deref().is_some_and(|text| !declares_bagit(text)) {
        faults.push(BagFault::NotBagIt);
    }
    let info = match read_tag_file(root, "bag-info.txt", limits, &mut faults)? {
        Some(text) => match BagInfo::parse(&text, today) {
            Ok(info) => Some(info),
            Err(found) => {
                found.into_iter().for_each(|fault| faults.push(fault.into()));
                None
            }
        },
        None => None,
    };
    check_tag_files(root, limits, &mut faults)?;
    let mut manifest = read_manifest(root, limits, &mut faults)?;
    walk(root, limits, &mut manifest, &mut faults)?;
    let digest = manifest.digest;
    let files = manifest.files(&mut faults);
    if files.is_empty() && faults.list.is_empty() {
        faults.push(BagFault::Empty);
    }
    if let Some(declared) = info.as_ref().and_then(|info| info.payload_oxum.clone()) {
        let total: u64 = files.iter().map(|file| file.size).sum();
        let counted = format!("{total}.{}", files.len());
        if counted != declared {
            faults.push(BagFault::Oxum { declared, found: counted });
        }
    }
    match info {
        Some(info) if faults.list.is_empty() => Ok(Bag { root: root.to_owned(), info, files, manifest_digest: digest }),
        _ => Err(BagError::Refused(faults.list)),
    }
}

#[derive(Default)]
struct Faults {
    list: Vec<BagFault>,
}

impl Faults {
    fn push(&mut self, fault: BagFault) {
        match self.list.len() {
            0..FAULTS_LISTED => self.list.push(fault),
            FAULTS_LISTED => self.list.push(BagFault::More),
            _ => {}
        }
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> BagError {
    let path = path.to_owned();
    move |source| BagError::Io { path, source }
}

fn read_tag_file(root: &Path, name: &str, limits: &Limits, faults: &mut Faults) -> Result<Option<String>, BagError> {
    let file = match open_tag_file(root, name, faults)? {
        Opened::File(file) => file,
        Opened::Refused => return Ok(None),
        Opened::Absent => {
            faults.push(BagFault::TagFileMissing(name.to_owned()));
            return Ok(None);
        }
    };
    let limit = limits.tag_file_bytes;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(io(&root.join(name)))?;
    if bytes.len() > limit {
        faults.push(BagFault::TagFileTooLarge { file: name.to_owned(), limit });
        return Ok(None);
    }
    Ok(utf8(name, bytes, faults))
}

fn utf8(name: &str, bytes: Vec<u8>, faults: &mut Faults) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            faults.push(BagFault::NotUtf8 { file: name.to_owned(), offset });
            None
        }
    }
}

/// A tag file, or `None` where there is none, or where it is a link or no file, which is a fault.
fn open_tag_file(root: &Path, name: &str, faults: &mut Faults) -> Result<Opened, BagError> {
    let path = root.join(name);
    match fs::symlink_metadata(&path) {
        Err(error) if is_of_no_file(error.kind()) && root.is_dir() => Ok(Opened::Absent),
        Err(error) => Err(io(&path)(error)),
        Ok(meta) if meta.file_type().is_symlink() => {
            faults.push(BagFault::Link(name.to_owned()));
            Ok(Opened::Refused)
        }
        Ok(meta) if !meta.is_file() => {
            faults.push(BagFault::Special(name.to_owned()));
            Ok(Opened::Refused)
        }
        Ok(_) => fs::File::open(&path).map(Opened::File).map_err(io(&path)),
    }
}

/// Whether a name leads to nothing: there is no such file, no file can be called so, or another file stands in its way.
fn is_of_no_file(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(kind, NotFound | InvalidFilename | NotADirectory)
}

enum Opened {
    File(fs::File),
    Absent,
    Refused,
}

/// RFC 8493 section 2.1.1. Version 0.97 differs in nothing that matters here and is what most tools still write.
fn declares_bagit(text: &str) -> bool {
    let mut lines = text.lines().map(|line| line.split_once(':').map(|(label, value)| (label.trim(), value.trim())));
    let version = matches!(lines.next(), Some(Some(("BagIt-Version", "1.0" | "0.97"))));
    let encoding = matches!(lines.next(), Some(Some(("Tag-File-Character-Encoding", value))) if value.eq_ignore_ascii_case("utf-8"));
    version && encoding
}

/// What the manifest lists. A bag may list a million files, so each takes little more than its path and digest.
#[derive(Default)]
struct Manifest {
    entries: Vec<Listed>,
    digest: [u8; 32],
}

struct Listed {
    path: Box<str>,
    digest: Digest,
    /// Size in the folder, once found there.
    size: Option<u64>,
    /// The name in the folder, where it is in another Unicode form.
    found_as: Option<Box<str>>,
}

/// A manifest line is at most this long: a SHA-512 digest, white space and the longest path.
const MANIFEST_LINE_BYTES: usize = 4_352;

fn read_manifest(root: &Path, limits: &Limits, faults: &mut Faults) -> Result<Manifest, BagError> {
    for name in ["manifest-sha256.txt", "manifest-sha512.txt"] {
        let file = match open_tag_file(root, name, faults)? {
            Opened::File(file) => file,
            Opened::Absent => continue,
            Opened::Refused => return Ok(Manifest::default()),
        };
        let mut reader = ManifestReader::new(name, limits.bag_files);
        let mut source = Hashed::new(file, &Digest::Sha256([0; 32]));
        reader.read(&mut source, faults).map_err(io(&root.join(name)))?;
        let mut manifest = Manifest { entries: reader.entries, digest: source.hasher.digest32() };
        manifest.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        return Ok(manifest);
    }
    faults.push(BagFault::NoManifest);
    Ok(Manifest::default())
}

/// Compares the tag files with what the tag manifests list (RFC 8493 sections 2.2.1 and 3): what they say, such as institution
/// and days, must have come as it was packed. Manifests of other algorithms are not looked at.
fn check_tag_files(root: &Path, limits: &Limits, faults: &mut Faults) -> Result<(), BagError> {
    for (name, manifest) in
        [("tagmanifest-sha256.txt", "manifest-sha256.txt"), ("tagmanifest-sha512.txt", "manifest-sha512.txt")]
    {
        if matches!(open_tag_file(root, name, faults)?, Opened::Absent | Opened::Refused) {
            continue;
        }
        let Some(text) = read_tag_file(root, name, limits, faults)? else { continue };
        let mut seen = HashSet::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed = line.split_once([' ', '\t']).and_then(|(digest, path)| {
                let path = percent_decode(path.trim_start_matches([' ', '\t', '*']));
                let stays = !path.contains(char::is_control) && stays_below_data(&format!("data/{path}"));
                // Payload is listed in the manifest, and read once: here a line would cost as much as the largest document.
                let is_tag_file = stays && !path.starts_with("data/") && seen.insert(path.clone());
                Some((parse_digest(manifest, digest)?, path)).filter(|_| is_tag_file)
            });
            let Some((digest, path)) = parsed else {
                faults.push(BagFault::ManifestLine { file: name.to_owned(), line: number + 1 });
                continue;
            };
            match open_tag_file(root, &path, faults)? {
                Opened::Refused => {}
                Opened::Absent => faults.push(BagFault::TagFileMissing(path)),
                Opened::File(file) => {
                    let mut source = Hashed::new(file, &digest);
                    std::io::copy(&mut source, &mut std::io::sink()).map_err(io(&root.join(&path)))?;
                    if !source.hasher.matches() {
                        faults.push(BagFault::TagFileChanged(path, name));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Reads a manifest line by line.
struct ManifestReader {
    name: &'static str,
    limit: usize,
    entries: Vec<Listed>,
    /// Half hashes of the paths as systems see them that fold case and Unicode forms.
    seen: HashSet<[u8; 16]>,
}

impl ManifestReader {
    fn new(name: &'static str, limit: usize) -> Self {
        Self { name, limit, entries: Vec::new(), seen: HashSet::new() }
    }

    /// Reads all of `source`, even beyond the limit: its digest is that of the whole file.
    fn read(&mut self, source: &mut dyn Read, faults: &mut Faults) -> std::io::Result<()> {
        let mut lines = Lines::new(source, MANIFEST_LINE_BYTES);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let Some(at) = lines.next(&mut bytes)? else { return Ok(()) };
            let number = usize::try_from(at.number).unwrap_or(usize::MAX);
            if at.is_long {
                faults.push(BagFault::ManifestLine { file: self.name.to_owned(), line: number });
                continue;
            }
            match std::str::from_utf8(&bytes) {
                Ok(line) => self.line(number, line.trim_start_matches('\u{feff}'), faults),
                Err(error) => {
                    let offset = usize::try_from(at.offset).unwrap_or(usize::MAX).saturating_add(error.valid_up_to());
                    faults.push(BagFault::NotUtf8 { file: self.name.to_owned(), offset });
                }
            }
        }
    }

    fn line(&mut self, number: usize, line: &str, faults: &mut Faults) {
        let file = || self.name.to_owned();
        let parsed = line.split_once([' ', '\t']).and_then(|(digest, path)| {
            Some((parse_digest(self.name, digest)?, path.trim_start_matches([' ', '\t', '*'])))
        });
        let Some((digest, path)) = parsed.filter(|(_, path)| !path.is_empty()) else {
            return faults.push(BagFault::ManifestLine { file: file(), line: number });
        };
        let path = percent_decode(path);
        if path.contains(char::is_control) {
            return faults.push(BagFault::ControlCharacter(path.escape_debug().to_string()));
        }
        if !stays_below_data(&path) {
            return faults.push(BagFault::PathOutside { file: file(), line: number });
        }
        let mut half = [0; 16];
        half.copy_from_slice(&base::sha256(folded(&path).as_bytes())[..16]);
        if !self.seen.insert(half) {
            return faults.push(BagFault::PathTwice(path));
        }
        if self.entries.len() >= self.limit {
            return faults.push(BagFault::TooManyFiles(self.limit));
        }
        self.entries.push(Listed { path: path.into(), digest, size: None, found_as: None });
    }
}

impl Manifest {
    /// Notes a file of the folder; `false` where the manifest does not list it, or lists another form of it that is there too.
    fn found(&mut self, path: &str, size: u64) -> bool {
        let at = |path: &str| self.entries.binary_search_by(|entry| (*entry.path).cmp(path)).ok();
        // Korean file names are composed on most systems and decomposed on some: the same name (RFC 8493 section 6.1.2).
        let place =
            at(path).or_else(|| at(&path.nfc().collect::<String>())).or_else(|| at(&path.nfd().collect::<String>()));
        let Some(entry) = place.map(|place| &mut self.entries[place]).filter(|entry| entry.size.is_none()) else {
            return false;
        };
        entry.size = Some(size);
        entry.found_as = (*entry.path != *path).then(|| path.into());
        true
    }

    fn files(self, faults: &mut Faults) -> Vec<PayloadFile> {
        let mut files = Vec::with_capacity(self.entries.len());
        for Listed { path, digest, size, found_as } in self.entries {
            match size {
                Some(size) => files.push(PayloadFile { path: found_as.unwrap_or(path).into(), size, digest }),
                None => faults.push(BagFault::Missing(path.into())),
            }
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

fn parse_digest(manifest: &str, text: &str) -> Option<Digest> {
    let bytes = base::unhex(text)?;
    if manifest == "manifest-sha256.txt" {
        Some(Digest::Sha256(bytes.try_into().ok()?))
    } else {
        let bytes: [u8; 64] = bytes.try_into().ok()?;
        Some(Digest::Sha512(Box::new(bytes)))
    }
}

/// RFC 8493 section 2.1.3: only LF, CR and `%` are written as `%0A`, `%0D` and `%25`.
fn percent_decode(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    path.replace("%0A", "\n").replace("%0a", "\n").replace("%0D", "\r").replace("%0d", "\r").replace("%25", "%")
}

fn stays_below_data(path: &str) -> bool {
    path.starts_with("data/")
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The form in which two paths are the same on systems that fold case or Unicode forms.
fn folded(path: &str) -> String {
    path.nfc().flat_map(char::to_lowercase).collect()
}

/// Finds every file below `data/`.
fn walk(root: &Path, limits: &Limits, manifest: &mut Manifest, faults: &mut Faults) -> Result<(), BagError> {
    let data = root.join("data");
    match fs::symlink_metadata(&data) {
        Err(_) => return Ok(()),
        Ok(meta) if meta.file_type().is_symlink() => {
            faults.push(BagFault::Link("data".to_owned()));
            return Ok(());
        }
        Ok(_) => {}
    }
    let mut count = 0;
    let mut extra = Vec::new();
    let mut folders = vec![(data, "data".to_owned(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(io(&folder))? {
            let entry = entry.map_err(io(&folder))?;
            let Ok(name) = entry.file_name().into_string() else {
                let name = entry.file_name().to_string_lossy().escape_debug().to_string();
                faults.push(BagFault::NameNotUtf8(format!("{prefix}/{name}")));
                continue;
            };
            if name.contains(char::is_control) {
                faults.push(BagFault::ControlCharacter(format!("{prefix}/{}", name.escape_debug())));
                continue;
            }
            let path = format!("{prefix}/{name}");
            let meta = fs::symlink_metadata(entry.path()).map_err(io(&entry.path()))?;
            if meta.file_type().is_symlink() {
                faults.push(BagFault::Link(path));
            } else if meta.is_dir() && depth < DEPTH {
                folders.push((entry.path(), path, depth + 1));
            } else if !meta.is_file() {
                faults.push(BagFault::Special(path));
            } else if count >= limits.bag_files {
                faults.push(BagFault::TooManyFiles(limits.bag_files));
                return Ok(());
            } else {
                count += 1;
                if !manifest.found(&path, meta.len()) && extra.len() <= FAULTS_LISTED {
                    extra.push(path);
                }
            }
        }
    }
    extra.sort_unstable();
    extra.into_iter().for_each(|path| faults.push(BagFault::Extra(path)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INFO: &str = "Institution-Code: 99000001\nInstitution-Name: 한빛병원\nInstitution-Kind: 21\n\
        Institution-Address: 서울특별시 종로구 1\nClosure-Date: 2024-03-31\nDepositor: 김대표\n";

    const TODAY: Date = jiff::civil::date(2026, 11, 22);

    struct Made(tempfile::TempDir);

    impl Made {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let made = Self(folder);
            made.put("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
            made.put("bag-info.txt", INFO);
            let mut manifest = String::new();
            for (path, content) in files {
                made.put(path, content);
                manifest += &format!("{}  {path}\n", base::hex(&base::sha256(content.as_bytes())));
            }
            made.put("manifest-sha256.txt", &manifest);
            made
        }

        fn put(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("folders");
            fs::write(path, content).expect("written");
        }

        fn faults(&self) -> Vec<BagFault> {
            match open(self.0.path(), &Limits::default(), TODAY) {
                Err(BagError::Refused(faults)) => faults,
                Err(other) => panic!("{other}"),
                Ok(_) => Vec::new(),
            }
        }
    }

    #[test]
    fn a_whole_bag_opens() {
        let made = Made::new(&[("data/fhir/Patient.ndjson", "{}\n"), ("data/documents/가.pdf", "x")]);
        let bag = open(made.0.path(), &Limits::default(), TODAY).expect("whole");
        assert_eq!(bag.files.len(), 2);
        assert_eq!(bag.info.institution_code.as_str(), "99000001");
        assert_eq!(bag.files[1].size, 3);
    }

    #[test]
    fn decomposed_file_names_are_the_same_names() {
        let made = Made::new(&[]);
        let decomposed: String = "data/documents/가나.pdf".nfd().collect();
        made.put(&decomposed, "x");
        let line = format!("{}  data/documents/가나.pdf\n", base::hex(&base::sha256(b"x")));
        made.put("manifest-sha256.txt", &line);
        assert_eq!(made.faults(), []);
    }

    #[test]
    fn each_fault_is_named() {
        let made = Made::new(&[("data/a", "1"), ("data/b", "2")]);
        fs::remove_file(made.0.path().join("data/a")).expect("removed");
        made.put("data/c", "3");
        assert_eq!(made.faults(), [BagFault::Extra("data/c".into()), BagFault::Missing("data/a".into())]);

        let made = Made::new(&[]);
        assert_eq!(made.faults(), [BagFault::Empty]);

        let made = Made::new(&[("data/a", "1")]);
        made.put("bagit.txt", "hello");
        assert_eq!(made.faults(), [BagFault::NotBagIt]);

        let made = Made::new(&[("data/a", "1")]);
        made.put("bag-info.txt", &format!("{INFO}Payload-Oxum: 9.1\n"));
        assert_eq!(made.faults(), [BagFault::Oxum { declared: "9.1".into(), found: "1.1".into() }]);

        let made = Made::new(&[("data/a", "1")]);
        fs::write(made.0.path().join("bag-info.txt"), b"Institution-Name: \xff\xfe").expect("written");
        assert_eq!(made.faults(), [BagFault::NotUtf8 { file: "bag-info.txt".into(), offset: 18 }]);
    }

    #[test]
    fn tag_files_must_be_those_of_the_tag_manifest() {
        let made = Made::new(&[("data/a", "1")]);
        let digest = |path: &str| base::hex(&base::sha256(&fs::read(made.0.path().join(path)).expect("a tag file")));
        let lines =
            ["bagit.txt", "bag-info.txt", "manifest-sha256.txt"].map(|path| format!("{}  {path}\n", digest(path)));
        made.put("tagmanifest-sha256.txt", &lines.concat());
        assert_eq!(made.faults(), []);
        made.put("bag-info.txt", &INFO.replace("2024-03-31", "2014-03-31"));
        let changed = BagFault::TagFileChanged("bag-info.txt".into(), "tagmanifest-sha256.txt");
        assert_eq!(made.faults(), [changed]);
        made.put("bag-info.txt", INFO);
        made.put(
            "tagmanifest-sha256.txt",
            &format!("{}{}  ../x\n{}  gone.txt\n", lines[0], "0".repeat(64), "0".repeat(64)),
        );
        let line = BagFault::ManifestLine { file: "tagmanifest-sha256.txt".into(), line: 2 };
        assert_eq!(made.faults(), [line, BagFault::TagFileMissing("gone.txt".into())]);
    }

    #[test]
    fn a_tag_manifest_lists_tag_files_once_and_what_can_be_none_is_missing() {
        let made = Made::new(&[("data/a", "1")]);
        let sum = "0".repeat(64);
        let (long, below) = ("x".repeat(300), "bagit.txt/x");
        made.put("tagmanifest-sha256.txt", &format!("{sum}  {long}\n{sum}  {below}\n{sum}  {below}\n{sum}  data/a\n"));
        let line = |line| BagFault::ManifestLine { file: "tagmanifest-sha256.txt".into(), line };
        let missing = |path: &str| BagFault::TagFileMissing(path.into());
        assert_eq!(made.faults(), [missing(&long), missing(below), line(3), line(4)]);
    }

    #[test]
    fn names_with_control_characters_are_refused_and_never_printed() {
        let made = Made::new(&[("data/a", "1")]);
        let good = fs::read_to_string(made.0.path().join("manifest-sha256.txt")).expect("manifest");
        made.put("manifest-sha256.txt", &format!("{good}{}  data/x\u{1b}[2J%0AHeld back: 0\n", "0".repeat(64)));
        made.put("data/y\u{1b}\nz", "2");
        let faults = made.faults();
        assert_eq!(faults.len(), 2);
        for fault in faults {
            assert!(matches!(fault, BagFault::ControlCharacter(_)) && !fault.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn what_is_no_folder_is_told() {
        let made = Made::new(&[("data/a", "1")]);
        for path in ["nothing", "bagit.txt"] {
            let opened = open(&made.0.path().join(path), &Limits::default(), TODAY);
            assert!(matches!(opened, Err(BagError::NoFolder(_))), "{path}");
        }
    }

    #[test]
    fn refusals_show_no_registration_number() {
        let made = Made::new(&[("data/a", "1")]);
        made.put("data/documents/김철수_8808101000018.pdf", "2");
        let texts: Vec<String> = made.faults().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["data/documents/김철수_880810*******.pdf: in the bag and not listed in the manifest"]);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in ["../etc/passwd", "data/../../x", "/etc/passwd", "data//x", "data/./x", "bag-info.txt", "data\\x"] {
            let made = Made::new(&[("data/a", "1")]);
            let good = fs::read_to_string(made.0.path().join("manifest-sha256.txt")).expect("manifest");
            made.put("manifest-sha256.txt", &format!("{good}{}  {path}\n", "0".repeat(64)));
            let outside = BagFault::PathOutside { file: "manifest-sha256.txt".into(), line: 2 };
            assert_eq!(made.faults(), [outside], "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_refused_wherever_they_are() {
        let made = Made::new(&[("data/a", "1")]);
        std::os::unix::fs::symlink("/etc/passwd", made.0.path().join("data/b")).expect("link");
        assert_eq!(made.faults(), [BagFault::Link("data/b".into())]);

        let made = Made::new(&[("data/a", "1")]);
        fs::remove_file(made.0.path().join("bag-info.txt")).expect("removed");
        std::os::unix::fs::symlink("/etc/passwd", made.0.path().join("bag-info.txt")).expect("link");
        assert!(made.faults().contains(&BagFault::Link("bag-info.txt".into())));
    }

    #[test]
    fn the_same_path_twice_is_refused() {
        let made = Made::new(&[("data/a", "1")]);
        let line = format!("{}  data/a\n{}  data/A\n", base::hex(&base::sha256(b"1")), "0".repeat(64));
        made.put("manifest-sha256.txt", &line);
        assert_eq!(made.faults(), [BagFault::PathTwice("data/A".into())]);
    }

    proptest! {
        #[test]
        fn no_manifest_makes_it_panic(text in ".{0,400}") {
            let mut reader = ManifestReader::new("manifest-sha256.txt", 10);
            reader.read(&mut text.as_bytes(), &mut Faults::default()).expect("memory can be read");
            prop_assert!(reader.entries.len() <= 10);
        }

        #[test]
        fn no_accepted_path_leaves_the_payload(path in "[a-z./\\\\%0AD25]{0,40}") {
            let decoded = percent_decode(&path);
            if stays_below_data(&decoded) {
                prop_assert!(Path::new(&decoded).components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
