//! What convicts a log by itself: two checkpoints of one size with different roots, both signed by it. Nobody else can make such a
//! pair, so nobody else can fill the folder; and what anybody can send is not in it, such as a genuine checkpoint with a proof
//! that leads nowhere.
//!
//! ```text
//! evidence/<8 hexadecimal digits of the log>-<size>-<16 of the checkpoint>/
//!     cosigned.note      the checkpoint that this witness cosigned
//!     contradicts.note   the other one
//! ```

use super::heads::write_synced;
use ledger::SignedCheckpoint;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FOLDER: &str = "evidence";
const COSIGNED: &str = "cosigned.note";
const CONTRADICTS: &str = "contradicts.note";
/// Where a piece is before it is whole.
const NEW: &str = "new";
/// Most pieces that are kept of one log: one is enough to convict it, and none takes the room of another log's.
const PIECES_MAX: usize = 10;

/// The folder of contradictions.
pub struct Evidence {
    folder: PathBuf,
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
        Self { folder: state.join(FOLDER), turn: Mutex::default() }
    }

    /// Keeps a checkpoint that contradicts the one that was cosigned, and that one, where it is known. The notes are to be
    /// [bare](SignedCheckpoint::bare).
    ///
    /// # Errors
    /// Those of the file system; then nothing is kept.
    pub fn keep(&self, cosigned: Option<&[u8]>, contradicts: &SignedCheckpoint) -> std::io::Result<Kept> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let checkpoint = &contradicts.checkpoint;
        let log = format!("{}-", &base::hex(&base::sha256(checkpoint.origin.as_bytes()))[..8]);
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
        // The folder itself may be new.
        self.folder.parent().map_or(Ok(()), |state| File::open(state)?.sync_all())?;
        Ok(Kept::Now)
    }
}
