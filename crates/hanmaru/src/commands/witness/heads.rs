//! The file of what a witness has seen ([`ledger::heads`]). What it answers it has written durably before.
//!
//! The file is replaced whole: written beside, synced, renamed, and the folder synced. So after a crash it is the one before or
//! the one after, and never older than an answer that left.

use crate::Failure;
use ledger::SignedCheckpoint;
use ledger::heads::{Held, HeldHeads, parse, text};
use ledger::witness::{Refusal, WitnessHead};
use std::fs::{File, TryLockError};
use std::io::{Error, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "heads";
const NEW_FILE: &str = "heads.new";
const LOCK: &str = "lock";
/// Largest state file, in bytes: as many logs as there may be, with the longest checkpoints that they can sign.
const STATE_BYTES_MAX: u64 = 128 << 20;

/// A request that was refused, and what was held at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What it was judged against.
    pub held: Held,
}

/// The heads, in memory and in their file.
pub struct Heads {
    folder: PathBuf,
    held: Mutex<HeldHeads>,
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
        let made = made.and_then(|()| replace(folder, &HeldHeads::new()));
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

    /// Judges a checkpoint against the head of its log, and makes what follows from it durable. Nothing comes in between. Its note
    /// is to be [bare](SignedCheckpoint::bare).
    ///
    /// # Errors
    /// The file cannot be written; then the head is what it was.
    pub fn advance(
        &self,
        signed: &SignedCheckpoint,
        judge: impl FnOnce(&WitnessHead) -> Result<WitnessHead, Refusal>,
    ) -> std::io::Result<Result<(), Refused>> {
        let origin = &signed.checkpoint.origin;
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(origin);
        let head = match judge(&before.map(|before| before.head).unwrap_or_default()) {
            Ok(head) => head,
            Err(refusal) => return Ok(Err(Refused { refusal, held: before.cloned().unwrap_or_default() })),
        };
        if before.is_none_or(|before| before.head != head || before.note.is_none()) {
            let mut after = all.clone();
            after.insert(origin.clone(), Held { head, note: Some(signed.note.clone()) });
            replace(&self.folder, &after)?;
            *all = after;
        }
        Ok(Ok(()))
    }
}

fn replace(folder: &Path, all: &HeldHeads) -> std::io::Result<()> {
    let text = text(all);
    if text.len() as u64 > STATE_BYTES_MAX {
        // It could not be read again.
        return Err(Error::other(format!("it would be larger than {STATE_BYTES_MAX} bytes")));
    }
    let new = folder.join(NEW_FILE);
    write_synced(&new, text.as_bytes())?;
    std::fs::rename(&new, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

/// Writes a file that its owner alone reads, durable but for its name.
pub fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Checkpoint, SignerKey, leaf_hash};

    fn head(size: u64) -> WitnessHead {
        WitnessHead { size, root: leaf_hash(&size.to_be_bytes()) }
    }

    /// The checkpoint of such a head, signed by its log.
    fn signed(origin: &str, size: u64) -> SignedCheckpoint {
        let log = SignerKey::from_seed(origin, &[1; 32]).expect("good name");
        Checkpoint::new(origin, size, head(size).root).sign(&log).expect("own key")
    }

    fn held(origin: &str, size: u64) -> Held {
        Held { head: head(size), note: Some(signed(origin, size).note) }
    }

    /// Has a head taken, whatever is held.
    fn take(heads: &Heads, origin: &str, size: u64) {
        let judged = heads.advance(&signed(origin, size), |_| Ok(head(size))).expect("written");
        assert_eq!(judged, Ok(()));
    }

    /// What is held of a log.
    fn of(heads: &Heads, origin: &str) -> Held {
        let refuse = |_: &WitnessHead| Err(Refusal::Inconsistent);
        heads.advance(&signed(origin, 1), refuse).expect("nothing to write").expect_err("refused").held
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
        assert_eq!(of(&heads, "log.example/a"), Held::default());
        for size in [3, 7, 7] {
            take(&heads, "log.example/a", size);
        }
        take(&heads, "log.example/b", 1);
        let refused = heads.advance(&signed("log.example/a", 8), |held| Err(Refusal::Conflict { size: held.size }));
        let refused = refused.expect("nothing to write").expect_err("refused");
        assert_eq!(refused, Refused { refusal: Refusal::Conflict { size: 7 }, held: held("log.example/a", 7) });
        drop(heads);
        let heads = Heads::open(&folder).expect("opened again");
        for (origin, size) in [("log.example/a", 7), ("log.example/b", 1)] {
            assert_eq!(of(&heads, origin), held(origin, size));
        }
    }

    #[test]
    fn a_state_without_checkpoints_has_them_when_its_logs_ask_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("state");
        Heads::make(&folder).expect("made");
        // As the program before this one wrote it.
        let lines = ["log.example/a", "log.example/b"].map(|origin| format!("7 {} {origin}\n", head(7).root));
        let bare = format!("hanmaru witness 1\n{}", lines.concat());
        let bare = format!("{bare}check {}\n", base::hex(&base::sha256(bare.as_bytes())));
        std::fs::write(folder.join(FILE), bare).expect("written");
        let heads = Heads::open(&folder).expect("opened");
        assert_eq!(of(&heads, "log.example/a"), Held { head: head(7), note: None });
        take(&heads, "log.example/a", 7);
        drop(heads);
        let heads = Heads::open(&folder).expect("opened again");
        assert_eq!(of(&heads, "log.example/a"), held("log.example/a", 7));
        assert_eq!(of(&heads, "log.example/b"), Held { head: head(7), note: None }, "it has not asked yet");
    }

    #[test]
    fn a_head_that_cannot_be_written_is_not_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("state");
        Heads::make(&folder).expect("made");
        let heads = Heads::open(&folder).expect("opened");
        take(&heads, "log", 1);
        // A folder stands where the new file would be written.
        std::fs::create_dir(folder.join(NEW_FILE)).expect("made");
        assert!(heads.advance(&signed("log", 2), |_| Ok(head(2))).is_err());
        assert_eq!(of(&heads, "log"), held("log", 1));
    }
}
