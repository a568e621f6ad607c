//! What convicts a log by itself: two checkpoints of one size with different roots, both signed by it. Nobody else can make such a
//! pair, so nobody else can fill the folder; and what anybody can send is not in it, such as a genuine checkpoint with a proof
//! that leads nowhere.
//!
//! ```text
//! evidence/<8 hexadecimal digits of the log>-<size>-<16 of the checkpoint>/
//!     cosigned.note      the checkpoint that this witness cosigned
//!     contradicts.note   the other one
//! ```
//!
//! Beside it, of each log in one place, lies the newest checkpoint beyond the cosigned head that came with a proof which does not lead
//! to it. A log that has forked and grown signs such ones, and no two of one size need ever come here. By itself it proves nothing:
//! whoever has a genuine one can send it with a proof that they made up. The next takes its place, so that nobody can fill anything.
//!
//! ```text
//! unproved/<8 hexadecimal digits of the log>.note
//! ```

use super::heads::write_synced;
use ledger::SignedCheckpoint;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FOLDER: &str = "evidence";
const UNPROVED: &str = "unproved";
const COSIGNED: &str = "cosigned.note";
const CONTRADICTS: &str = "contradicts.note";
/// Where a piece is before it is whole.
const NEW: &str = "new";
/// Most pieces that are kept of one log: one is enough to convict it, and none takes the room of another log's.
const PIECES_MAX: usize = 10;

/// The folder of contradictions, and that of checkpoints without a proof.
pub struct Evidence {
    folder: PathBuf,
    unproved: PathBuf,
    turn: Mutex<()>,
}

/// What became of a contradiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept durably.
    Now,
    /// It was kept before.
    Before,
    /// Enough others of the same log are.
    Enough,
}

impl Evidence {
    /// Evidence in the state folder of a witness.
    pub fn below(state: &Path) -> Self {
        Self { folder: state.join(FOLDER), unproved: state.join(UNPROVED), turn: Mutex::default() }
    }

    /// Keeps a checkpoint that contradicts the one that was cosigned, and that one, where it is known. The notes are to be
    /// [bare](SignedCheckpoint::bare).
    ///
    /// # Errors
    /// Those of the file system; then nothing is kept.
    pub fn keep(&self, cosigned: Option<&[u8]>, contradicts: &SignedCheckpoint) -> std::io::Result<Kept> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let checkpoint = &contradicts.checkpoint;
        let log = format!("{}-", short(&checkpoint.origin));
        let text = base::hex(&base::sha256(checkpoint.to_string().as_bytes()));
        let piece = self.folder.join(format!("{log}{}-{}", checkpoint.size, &text[..16]));
        if piece.exists() {
            return Ok(Kept::Before);
        }
        fs::create_dir_all(&self.folder)?;
        let mut of_log = 0;
        for entry in fs::read_dir(&self.folder)? {
            of_log += usize::from(entry?.file_name().to_string_lossy().starts_with(&log));
        }
        if of_log >= PIECES_MAX {
            return Ok(Kept::Enough);
        }
        let new = self.folder.join(NEW);
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir(&new)?;
        if let Some(cosigned) = cosigned {
            write_synced(&new.join(COSIGNED), cosigned)?;
        }
        write_synced(&new.join(CONTRADICTS), &contradicts.note)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &piece)?;
        File::open(&self.folder)?.sync_all()?;
        sync_above(&self.folder)?;
        Ok(Kept::Now)
    }

    /// Keeps a [bare](SignedCheckpoint::bare) checkpoint whose proof leads nowhere, in the place of the one before of its log. Gives
    /// where it is.
    ///
    /// # Errors
    /// Those of the file system; then the one before is kept.
    pub fn keep_unproved(&self, signed: &SignedCheckpoint) -> std::io::Result<PathBuf> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.unproved.join(format!("{}.note", short(&signed.checkpoint.origin)));
        // Whoever sends the same again makes nobody write.
        if fs::read(&path).is_ok_and(|kept| kept == signed.note) {
            return Ok(path);
        }
        fs::create_dir_all(&self.unproved)?;
        let new = self.unproved.join(NEW);
        write_synced(&new, &signed.note)?;
        fs::rename(&new, &path)?;
        File::open(&self.unproved)?.sync_all()?;
        sync_above(&self.unproved)?;
        Ok(path)
    }
}

/// A log in names of files.
fn short(origin: &str) -> String {
    base::hex(&base::sha256(origin.as_bytes()))[..8].to_owned()
}

/// The folder itself may be new.
fn sync_above(folder: &Path) -> std::io::Result<()> {
    folder.parent().map_or(Ok(()), |state| File::open(state)?.sync_all())
}
