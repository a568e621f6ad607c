//! What a witness has seen: size and root of the newest head of each log that it cosigned, in one small file. What it answers
//! it has written durably before.
//!
//! ```text
//! hanmaru witness 1
//! <size> <root in base64> <origin>
//! check <SHA-256 of everything before, in hexadecimal>
//! ```
//!
//! The file is replaced whole: written beside, synced, renamed, and the folder synced. So after a crash it is the one before or
//! the one after, and never older than an answer that left.

use crate::Failure;
use ledger::witness::{Refusal, WitnessHead};
use ledger::{Checkpoint, Hash};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FIRST_LINE: &str = "hanmaru witness 1";
const FILE: &str = "heads";
const NEW_FILE: &str = "heads.new";
const LOCK: &str = "lock";
/// Folder of signed checkpoints that contradict what was cosigned.
const EVIDENCE: &str = "evidence";
/// Most pieces of evidence that are kept: one is enough to convict a log.
const EVIDENCE_MAX: usize = 100;
/// Largest state file that is read, in bytes.
const STATE_BYTES_MAX: u64 = 1 << 20;

/// The heads, in memory and in their file.
pub struct Heads {
    folder: PathBuf,
    held: Mutex<BTreeMap<String, WitnessHead>>,
    /// Held as long as this process is the one that writes.
    _lock: File,
}

impl Heads {
    /// Makes the state of a witness that has seen nothing.
    pub fn make(folder: &Path) -> Result<(), Failure> {
        if folder.join(FILE).exists() {
            return Err(format!("{} holds a state already, and it is not replaced", folder.display()).into());
        }
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let made = made.and_then(|()| replace(folder, &BTreeMap::new()));
        made.map_err(|error| format!("cannot make {}: {error}", folder.display()).into())
    }

    /// Opens the state. That it is missing is an error: a witness that has forgotten what it saw must not go on under its key.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let file = File::open(&path).map_err(|error| {
            format!(
                "cannot read {}: {error}; mount or restore it. Where it is lost for good, make a new witness with a key of its own",
                path.display()
            )
        })?;
        let lock_path = folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!("another process uses {}: a witness is one process", folder.display()).into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(format!("cannot lock {}: {error}", lock_path.display()).into());
            }
        }
        // Read again under the lock: another process may have ended just now.
        drop(file);
        let mut text = String::new();
        File::open(&path)?.take(STATE_BYTES_MAX).read_to_string(&mut text)?;
        let held = parse(&text).ok_or_else(|| {
            format!("{} is damaged: restore it, or make a new witness with a key of its own", path.display())
        })?;
        Ok(Self { folder: folder.to_owned(), held: Mutex::new(held), _lock: lock })
    }

    /// Judges a request against the head of its log, and makes what follows from it durable. Nothing comes in between.
    ///
    /// # Errors
    /// The file cannot be written; then the head is what it was.
    pub fn advance(
        &self,
        origin: &str,
        judge: impl FnOnce(&WitnessHead) -> Result<WitnessHead, Refusal>,
    ) -> std::io::Result<Result<WitnessHead, Refusal>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.get(origin).copied();
        let next = match judge(&before.unwrap_or_default()) {
            Ok(next) => next,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if before != Some(next) {
            let mut after = held.clone();
            after.insert(origin.to_owned(), next);
            replace(&self.folder, &after)?;
            *held = after;
        }
        Ok(Ok(next))
    }

    /// The head of a log as it is held.
    pub fn head(&self, origin: &str) -> WitnessHead {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(origin).copied().unwrap_or_default()
    }

    /// Keeps a request with a signed checkpoint that contradicts what was cosigned. One that cannot be kept is lost.
    pub fn keep_evidence(&self, request: &[u8], checkpoint: &Checkpoint) {
        let folder = self.folder.join(EVIDENCE);
        let kept = std::fs::create_dir_all(&folder).and_then(|()| {
            if std::fs::read_dir(&folder)?.count() >= EVIDENCE_MAX {
                return Ok(());
            }
            let name = format!("{}-{}", checkpoint.size, &base::hex(&base::sha256(request))[..16]);
            write_synced(&folder.join(name), request)
        });
        if let Err(error) = kept {
            tracing::error!(%error, "a contradiction cannot be kept");
        }
    }
}

fn text(heads: &BTreeMap<String, WitnessHead>) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for (origin, head) in heads {
        writeln!(text, "{} {} {origin}", head.size, head.root).expect("writing to a string cannot fail");
    }
    let check = base::hex(&base::sha256(text.as_bytes()));
    writeln!(text, "check {check}").expect("writing to a string cannot fail");
    text
}

fn parse(found: &str) -> Option<BTreeMap<String, WitnessHead>> {
    let mut heads = BTreeMap::new();
    let mut lines = found.lines();
    if lines.next()? != FIRST_LINE {
        return None;
    }
    for line in lines.take_while(|line| !line.starts_with("check ")) {
        let (size, rest) = line.split_once(' ')?;
        let (root, origin) = rest.split_once(' ')?;
        heads.insert(origin.to_owned(), WitnessHead { size: size.parse().ok()?, root: Hash::from_base64(root)? });
    }
    // There is one way to write each state, its checksum included.
    (text(&heads) == found).then_some(heads)
}

fn replace(folder: &Path, heads: &BTreeMap<String, WitnessHead>) -> std::io::Result<()> {
    let new = folder.join(NEW_FILE);
    write_synced(&new, text(heads).as_bytes())?;
    std::fs::rename(&new, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::leaf_hash;

    fn head(size: u64) -> WitnessHead {
        WitnessHead { size, root: leaf_hash(&size.to_be_bytes()) }
    }

    #[test]
    fn what_was_written_is_there_after_a_restart_and_one_process_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("state");
        assert!(Heads::open(&folder).is_err(), "a state that is not there is not made");
        Heads::make(&folder).expect("made");
        assert!(Heads::make(&folder).is_err(), "and never replaced");
        let heads = Heads::open(&folder).expect("opened");
        assert!(Heads::open(&folder).is_err(), "another process would be refused as well");
        assert_eq!(heads.head("log.example/a"), WitnessHead::default());
        for size in [3, 7, 7] {
            let judged = heads.advance("log.example/a", |_| Ok(head(size))).expect("written");
            assert_eq!(judged, Ok(head(size)));
        }
        heads.advance("log with spaces", |_| Ok(head(1))).expect("written").expect("taken");
        let refused = heads.advance("log.example/a", |held| Err(Refusal::Conflict { size: held.size }));
        assert_eq!(refused.expect("nothing to write"), Err(Refusal::Conflict { size: 7 }));
        drop(heads);
        let heads = Heads::open(&folder).expect("opened again");
        assert_eq!((heads.head("log.example/a"), heads.head("log with spaces")), (head(7), head(1)));
    }

    #[test]
    fn a_head_that_cannot_be_written_is_not_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("state");
        Heads::make(&folder).expect("made");
        let heads = Heads::open(&folder).expect("opened");
        heads.advance("log", |_| Ok(head(1))).expect("written").expect("taken");
        // A folder stands where the new file would be written.
        std::fs::create_dir(folder.join(NEW_FILE)).expect("made");
        assert!(heads.advance("log", |_| Ok(head(2))).is_err());
        assert_eq!(heads.head("log"), head(1));
    }

    #[test]
    fn any_damage_is_noticed() {
        let heads = BTreeMap::from([("log.example/a".to_owned(), head(5)), ("log.example/b".to_owned(), head(9))]);
        let whole = text(&heads);
        assert_eq!(parse(&whole), Some(heads));
        for position in 0..whole.len() {
            for bit in 0..7 {
                let mut changed = whole.clone().into_bytes();
                changed[position] ^= 1 << bit;
                assert_eq!(parse(std::str::from_utf8(&changed).expect("ASCII")), None, "byte {position}, bit {bit}");
            }
            assert_eq!(parse(&whole[..position]), None, "cut at {position}");
        }
    }

    /// A file as it is, and its lines with the sum that fits them: whatever is read is written as it was.
    #[test]
    fn any_bytes_are_read_as_they_stand_or_not_at_all() {
        const TARGET: fuzzing::Target = fuzzing::Target {
            name: "witness_heads",
            seeds: || {
                let heads = [("log.example/a", 5), ("log with spaces", u64::MAX)];
                let text = text(&heads.map(|(log, size)| (log.to_owned(), head(size))).into());
                vec![text.clone().into_bytes(), text.as_bytes()[..text.rfind("check ").expect("a sum")].to_vec()]
            },
            run: |bytes| {
                let Ok(lines) = std::str::from_utf8(bytes) else { return };
                let summed = format!("{lines}check {}\n", base::hex(&base::sha256(bytes)));
                for found in [lines, &summed] {
                    assert!(parse(found).is_none_or(|heads| text(&heads) == found), "a state has one spelling");
                }
            },
            bytes_max: 1 << 12,
            inputs: 5_000,
        };
        fuzzing::short::run(&TARGET).unwrap_or_else(|found| panic!("{found}"));
    }
}
