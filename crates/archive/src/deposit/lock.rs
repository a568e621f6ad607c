//! One process deposits one bag at a time: a file lock that the system gives up when the process ends, however it ends.

use super::DepositError;
use base::Id16;
use policy::InstitutionCode;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// Held while a deposit runs.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a deposit; [`DepositError::InUse`] where another holds it.
    pub(super) fn take(folder: &Path, deposit: Id16) -> Result<Self, DepositError> {
        let (path, file) = open(folder, deposit)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DepositError::InUse),
            Err(TryLockError::Error(source)) => Err(failed(&path, "locked")(source)),
        }
    }

    /// Waits until no other deposit of the institution runs: two bags at once would not see each other's patients, and two people
    /// under one id could become one.
    pub(super) fn wait(folder: &Path, institution: &InstitutionCode) -> Result<Self, DepositError> {
        let (path, file) = open(folder, Id16::derived(&["deposits of", institution.as_str()]))?;
        file.lock().map_err(failed(&path, "locked"))?;
        Ok(Self { _file: file })
    }
}

fn open(folder: &Path, name: Id16) -> Result<(PathBuf, File), DepositError> {
    let locks = folder.join("locks");
    std::fs::create_dir_all(&locks).map_err(failed(&locks, "made"))?;
    let path = locks.join(format!("{name}.lock"));
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok((path.clone(), opened.map_err(failed(&path, "opened"))?))
}

/// Names a file of ours that failed, and what was to be done with it.
pub(super) fn failed(path: &Path, done: &'static str) -> impl FnOnce(std::io::Error) -> DepositError {
    let path: PathBuf = path.to_owned();
    move |source| DepositError::File { path, done, source }
}
