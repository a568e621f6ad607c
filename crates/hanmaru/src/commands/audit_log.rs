//! `hanmaru audit-log`: checks a log from outside, as anybody can: at its address, or in a folder of its files. It needs the
//! log's public key, and remembers in a state file what it saw, so that a log that changes its history is found out.

use crate::Failure;
use crate::commands::verify::{pinned, time_text};
use crate::web::{Web, WebAnswer, is_safe};
use ledger::note::NOTE_LEN_MAX;
use ledger::tiles::{CHECKPOINT_PATH, TILE_WIDTH, TileId, TilePath, entries_path, parse_path, path};
use ledger::{
    BundleSource, EARLIER_ROOT, Error, SignedCheckpoint, TileSource, TrustPolicy, WitnessedCheckpoint, audit_file,
    audit_since,
};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long one file may take over the network.
const FILE_WAIT: Duration = Duration::from_secs(30);
/// Largest tile or bundle that is read: 256 entries of the greatest length.
const FILE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + u16::MAX as usize);
/// The exit status where something is wrong with the log.
const FOUND: u8 = 1;
/// The exit status where the log could not be checked, which says nothing about it.
const UNCHECKED: u8 = 3;

/// Arguments of `hanmaru audit-log`.
#[derive(clap::Args)]
pub struct AuditLog {
    /// The log's address, such as `https://records.example.kr/log/records`, or a folder with its files.
    #[arg(value_name = "URL|FOLDER")]
    log: String,
    /// A file with public keys of logs, one a line, as `hanmaru keys` prints them.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// A public key of the log, or of a witness.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A policy file (C2SP tlog-policy): its logs are trusted, and its quorum of witnesses must have cosigned.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A file that remembers the head that was seen last; made at the first run.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// What was found wrong, in words, or what kept the log from being checked.
enum Trouble {
    Found(String),
    Unchecked(String),
}

impl AuditLog {
    /// Says what was found. Exit status 0 where the log is in order, 1 where it is not, 3 where it could not be checked.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let policy = match self.policy() {
            Ok(policy) => policy,
            Err(error) => {
                eprintln!("hanmaru: {error}");
                return Ok(ExitCode::from(UNCHECKED));
            }
        };
        match self.check(&policy) {
            Ok(lines) => {
                println!("{}: in order", self.log);
                lines.iter().for_each(|line| println!("  {line}"));
                Ok(ExitCode::SUCCESS)
            }
            Err(Trouble::Found(fault)) => {
                println!("{}: NOT in order: {fault}", self.log);
                Ok(ExitCode::from(FOUND))
            }
            Err(Trouble::Unchecked(reason)) => {
                println!("{}: could not be checked: {reason}", self.log);
                Ok(ExitCode::from(UNCHECKED))
            }
        }
    }

    fn policy(&self) -> Result<TrustPolicy, Failure> {
        let policy = pinned(&self.key, self.keys.as_deref(), self.policy.as_deref())?;
        if policy.logs().is_empty() {
            return Err("give the log's public key: --key, --keys, or a --policy that lists it".into());
        }
        Ok(policy)
    }

    fn check(&self, policy: &TrustPolicy) -> Result<Vec<String>, Trouble> {
        let earlier = self.earlier(policy)?;
        let source = Source::open(&self.log).map_err(Trouble::Unchecked)?;
        let note = source.read(CHECKPOINT_PATH, NOTE_LEN_MAX).map_err(Trouble::Unchecked)?;
        let head = policy.inspect(&note).map_err(|error| Trouble::Found(format!("its checkpoint: {error}")))?;
        let checkpoint = &head.signed.checkpoint;
        if let Some(earlier) = &earlier {
            self.compare(earlier, &head.signed)?;
        }
        let before = earlier.as_ref().map(|earlier| &earlier.checkpoint);
        audit_since(checkpoint, before, &source).map_err(|error| self.trouble(error, earlier.as_ref(), &head))?;
        let files = source.every_file(checkpoint.size)?;
        if !head.quorum {
            let found = head.cosignatures.len();
            return Err(Trouble::Found(format!(
                "all {} entries are as the log signed them, and {found} witnesses have cosigned that, which is no quorum",
                checkpoint.size
            )));
        }
        if let Some(state) = &self.state {
            replace(state, &head.signed.note)
                .map_err(|error| Trouble::Unchecked(format!("{} cannot be written: {error}", state.display())))?;
        }
        Ok(self.words(&head, before.map(|before| before.size), files))
    }

    fn words(&self, head: &WitnessedCheckpoint, before: Option<u64>, files: Option<u64>) -> Vec<String> {
        let checkpoint = &head.signed.checkpoint;
        let mut lines = vec![
            format!("{} entries of {}, each as its leaf hash says", checkpoint.size, checkpoint.origin),
            format!("every tile leads to the signed root {}", checkpoint.root),
        ];
        for cosignature in &head.cosignatures {
            lines.push(format!("cosigned by {} at {}", cosignature.witness, time_text(cosignature.time_s)));
        }
        // Signatures by others are no fault of a note (C2SP signed-note): a log may have got a witness more.
        for unknown in &head.unknown {
            lines.push(format!("also signed by {}, a key that is not known here; it was not looked at", unknown.name));
        }
        if let Some(files) = files {
            lines.push(format!("{files} files compared, those of earlier heads among them"));
        }
        match before {
            Some(size) => lines.push(format!("it continues the head of {size} entries that was seen before")),
            None if self.state.is_some() => {
                lines.push("seen for the first time; from now on it must continue this".to_owned())
            }
            None => {
                lines.push("without --state nothing is remembered, and a change of its history not found".to_owned())
            }
        }
        lines
    }

    /// The head that was seen last.
    fn earlier(&self, policy: &TrustPolicy) -> Result<Option<SignedCheckpoint>, Trouble> {
        let Some(path) = &self.state else { return Ok(None) };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Trouble::Unchecked(format!("{} cannot be read: {error}", path.display()))),
        };
        let mut note = Vec::new();
        let read = file.take(NOTE_LEN_MAX as u64 + 1).read_to_end(&mut note);
        read.map_err(|error| Trouble::Unchecked(format!("{} cannot be read: {error}", path.display())))?;
        let earlier = policy.inspect(&note).map_err(|error| {
            Trouble::Unchecked(format!("{} is not what was saved by an earlier run: {error}", path.display()))
        })?;
        Ok(Some(earlier.signed))
    }

    /// What two signed heads alone tell: another log, a smaller one, or two roots for one size.
    fn compare(&self, earlier: &SignedCheckpoint, found: &SignedCheckpoint) -> Result<(), Trouble> {
        let (old, new) = (&earlier.checkpoint, &found.checkpoint);
        if old.origin != new.origin {
            return Err(Trouble::Unchecked(format!(
                "the state file is about {}, and this is {}",
                old.origin, new.origin
            )));
        }
        if new.size < old.size {
            // It has signed both, as every log has: an old copy of its files looks the same.
            return Err(Trouble::Found(format!(
                "ROLLED BACK: it has {} entries, and had {} when it was seen before",
                new.size, old.size
            )));
        }
        if new.size == old.size && new.root != old.root {
            let what =
                format!("SPLIT VIEW: at {} entries it has signed another root than when it was seen before", new.size);
            return Err(self.convicted(earlier, found, &what, "are signed by it and prove that"));
        }
        Ok(())
    }

    /// What went wrong while the files were checked.
    fn trouble(&self, error: Error, earlier: Option<&SignedCheckpoint>, head: &WitnessedCheckpoint) -> Trouble {
        match (error, earlier) {
            (Error::Source { path, source }, _) => Trouble::Unchecked(format!("{path} cannot be read: {source}")),
            (error @ Error::RootMismatch { what: EARLIER_ROOT, .. }, Some(earlier)) => {
                let size = earlier.checkpoint.size;
                let what = format!("FORKED: its first {size} entries are not those that were seen before ({error})");
                self.convicted(earlier, &head.signed, &what, "are signed by it and prove that together with its files")
            }
            (error, _) => Trouble::Found(error.to_string()),
        }
    }

    /// Keeps the head that contradicts the one seen before, and that one too: the state file goes on to the next.
    fn convicted(&self, earlier: &SignedCheckpoint, found: &SignedCheckpoint, what: &str, proves: &str) -> Trouble {
        let Some(state) = &self.state else { return Trouble::Found(what.to_owned()) };
        // Named by what was signed, so that the same with other signatures beside it is no other.
        let name = base::hex(&base::sha256(found.checkpoint.to_string().as_bytes()));
        let beside = |more: &str| {
            let mut path = state.clone().into_os_string();
            path.push(format!(".contradiction-{}{more}", &name[..16]));
            PathBuf::from(path)
        };
        let (seen, other) = (beside("-seen"), beside(""));
        let kept = replace(&seen, &earlier.note).and_then(|()| replace(&other, &found.note));
        let (seen, other) = (seen.display(), other.display());
        Trouble::Found(match kept {
            Ok(()) => format!("{what}; {seen} and {other} {proves}"),
            Err(error) => format!("{what}; {seen} and {other} cannot be written: {error}"),
        })
    }
}

/// Where a log's files are.
enum Source {
    Address { base: String, web: Web },
    Folder(PathBuf),
}

impl Source {
    fn open(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            if !is_safe(text) {
                return Err("its address must start with https://, or be on this machine".to_owned());
            }
            return Ok(Self::Address { base: text.trim_end_matches('/').to_owned(), web: Web::new(FILE_WAIT)? });
        }
        let folder = PathBuf::from(text);
        if folder.is_dir() { Ok(Self::Folder(folder)) } else { Err("there is no such folder".to_owned()) }
    }

    fn read(&self, below: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Address { base, web } => {
                match web.get(&format!("{base}/{below}"), bytes_max).map_err(|fault| fault.to_string())? {
                    WebAnswer { status: 200, body } => Ok(body),
                    WebAnswer { status, .. } => Err(format!("it answers with status {status}")),
                }
            }
            Self::Folder(folder) => {
                let file = std::fs::File::open(folder.join(below)).map_err(|error| error.to_string())?;
                let mut bytes = Vec::new();
                file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
                if bytes.len() > bytes_max { Err(format!("it is larger than {bytes_max} bytes")) } else { Ok(bytes) }
            }
        }
    }

    /// In a folder, compares every file that has the name of a tile or bundle, also those that no reader needs any more. Gives
    /// how many there are; `None` for an address, which lists nothing.
    fn every_file(&self, size: u64) -> Result<Option<u64>, Trouble> {
        let Self::Folder(folder) = self else { return Ok(None) };
        let unreadable = |error: std::io::Error| Trouble::Unchecked(format!("the folder cannot be read: {error}"));
        let (mut count, mut folders) = (0, vec![folder.join("tile")]);
        while let Some(inside) = folders.pop() {
            if !inside.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&inside).map_err(unreadable)? {
                let found = entry.map_err(unreadable)?.path();
                if found.is_dir() {
                    folders.push(found);
                    continue;
                }
                let below = found.strip_prefix(folder).ok().and_then(Path::to_str).unwrap_or_default();
                let Ok(named) = parse_path(below) else {
                    return Err(Trouble::Found(format!("{below} has no place in a log")));
                };
                let bytes = self.read(below, FILE_BYTES_MAX).map_err(Trouble::Unchecked)?;
                audit_file(&named, &bytes, size, self).map_err(|error| Trouble::Found(error.to_string()))?;
                count += 1;
            }
        }
        Ok(Some(count))
    }
}

impl TileSource for Source {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.read(&path(id), FILE_BYTES_MAX).or_else(|reason| self.full(TilePath::Hashes(*id), id.width, reason))
    }
}

impl BundleSource for Source {
    type Error = String;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, String> {
        let named = TilePath::Entries { index, width };
        self.read(&entries_path(index, width), FILE_BYTES_MAX).or_else(|reason| self.full(named, width, reason))
    }
}

impl Source {
    /// A log may have removed a partial file once the full one exists.
    fn full(&self, named: TilePath, width: u16, reason: String) -> Result<Vec<u8>, String> {
        if width == TILE_WIDTH {
            return Err(reason);
        }
        let full = match named {
            TilePath::Hashes(id) => TilePath::Hashes(TileId { width: TILE_WIDTH, ..id }),
            TilePath::Entries { index, .. } => TilePath::Entries { index, width: TILE_WIDTH },
        };
        self.read(&full.to_string(), FILE_BYTES_MAX).map_err(|_| reason)
    }
}

/// Replaces a file whole, durably.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
