//! The folders in which a database is made again: of a drill, which takes it away, and of a rebuild, until it is put in place. What
//! one that was killed leaves there has everybody's keys and index as they were then, also those of whoever was erased since.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{OnFile, StoreError};

/// Held in the folder of locks by whoever makes a database again, or removes what was left of that.
const LOCK: &str = "drill.lock";
const DRILL: &str = "drill";
const REBUILD: &str = "rebuild";
/// How often a lock that is held is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// The folders, for as long as nobody else has them.
pub(crate) struct Work {
    folder: PathBuf,
    _lock: File,
}

impl Work {
    /// Waits for whoever has them.
    pub(super) fn wait(folder: &Path) -> Result<Self, StoreError> {
        let (lock, path) = open(folder)?;
        lock.lock().on("locked", &path)?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// `None` where somebody has them all that time.
    pub(crate) fn take(folder: &Path, patience: Duration) -> Result<Option<Self>, StoreError> {
        let ((lock, path), begun) = (open(folder)?, Instant::now());
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Self { folder: folder.to_owned(), _lock: lock })),
                Err(TryLockError::Error(error)) => return Err(error).on("locked", &path),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }

    pub(super) fn path(&self, is_drill: bool) -> PathBuf {
        self.folder.join(if is_drill { DRILL } else { REBUILD })
    }

    /// Removes both, also where one of them cannot be; durable when it returns.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        let removed = [DRILL, REBUILD].map(|name| remove(&self.folder.join(name)));
        // A loss of power must not bring them back.
        if removed.iter().any(|removed| matches!(removed, Ok(true))) {
            File::open(&self.folder).and_then(|folder| folder.sync_all()).on("synced", &self.folder)?;
        }
        removed.into_iter().try_for_each(|removed| removed.map(|_| ()))
    }
}

/// When a store is opened: removes what was left, unless somebody is at work there. Nobody is kept from their records by it, and no
/// certificate of an erasure is given before it is gone.
pub(crate) fn clear_left(folder: &Path) {
    let cleared = Work::take(folder, Duration::ZERO).and_then(|work| work.map_or(Ok(()), |work| work.clear()));
    if let Err(error) = cleared {
        tracing::warn!(%error, "what a drill or a rebuild that was killed has left is not removed");
    }
}

fn open(folder: &Path) -> Result<(File, PathBuf), StoreError> {
    let path = folder.join("locks").join(LOCK);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).on("opened", &path)?;
    Ok((lock, path))
}

/// Whether anything was there.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed.on("removed", path).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_at_work_keeps_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = [DRILL, REBUILD].map(|name| folder.path().join(name));
        std::fs::create_dir_all(folder.path().join("locks")).expect("made");
        for one in &left {
            std::fs::create_dir(one).expect("made");
            std::fs::write(one.join("hanmaru.db"), "keys").expect("planted");
        }
        let work = Work::wait(folder.path()).expect("taken");
        assert!(Work::take(folder.path(), 2 * PAUSE).expect("asked").is_none());
        clear_left(folder.path());
        assert!(left.iter().all(|one| one.exists()));
        drop(work);
        // A program that another test starts has the lock for the moment until it is another.
        while left.iter().any(|one| one.exists()) {
            clear_left(folder.path());
        }
        Work::take(folder.path(), Duration::from_secs(5))
            .expect("asked")
            .expect("free")
            .clear()
            .expect("nothing there");
    }
}
