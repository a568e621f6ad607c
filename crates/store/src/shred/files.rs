//! The database's own files after an erasure: nothing of what was deleted may be left in free space, in the write-ahead log, or in a
//! copy that a drill was making.
//!
//! The search index and other rows stand in clear. Deleted rows are overwritten (`secure_delete`), but pages that were split or merged
//! before keep copies of rows in their unused parts, which nobody can tell from others by looking at bytes. So the database is written
//! anew each time, whole. What is looked for behind that is what frames and wrapped keys begin with, which names their key.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::Duration;

use base::Id16;
use rusqlite::Connection;
use vault::KeyId;

use super::failed;
use crate::core::Core;
use crate::error::{AtStep, OnFile, StoreError};
use crate::open::DATABASE;
use crate::rebuild::Work;

/// How often the write-ahead log is tried to be emptied while somebody reads.
const CHECKPOINT_TRIES: u32 = 100;
/// How long between two tries.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);
/// How long a drill's lock is waited for: a program that is being started has it for a moment.
const WORK_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// How the files were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Whether the database had to be written anew.
    pub(crate) rewritten: bool,
}

/// Removes what a drill or a rebuild that was killed has left beside the database, and writes that anew.
///
/// # Errors
/// [`StoreError::Shred`] where one is at work: it may have taken in what was erased before that went.
pub(crate) fn clean(core: &Core, id: Id16, keys: &[KeyId]) -> Result<Cleaned, StoreError> {
    let work = Work::take(&core.folder, WORK_PATIENCE)?.ok_or_else(|| {
        failed(id, "a restore drill is at work, and may have taken in what was erased: wait until it has ended, and run this again")
    })?;
    work.clear()?;
    write_anew(core, keys)
}

/// Writes the database anew, empties the write-ahead log into it, and looks for what must not be there.
pub(crate) fn write_anew(core: &Core, keys: &[KeyId]) -> Result<Cleaned, StoreError> {
    clean_file(&core.folder, keys)
}

fn clean_file(folder: &Path, keys: &[KeyId]) -> Result<Cleaned, StoreError> {
    let (path, step) = (folder.join(DATABASE), "writing the database anew");
    let needles: Vec<[u8; NEEDLE]> = keys.iter().flat_map(|key| needles_of(*key)).collect();
    let connection = Connection::open(&path).at("opening")?;
    connection.busy_timeout(Duration::from_secs(60)).at("opening")?;
    // The copy that is made on the way holds everybody's rows in clear: it stays on the disk of the data folder.
    let beside = folder.to_str().ok_or_else(|| StoreError::Damaged {
        what: "the path of the data folder",
        reason: "it is not UTF-8, so the database cannot be written anew beside itself".to_owned(),
    })?;
    connection.pragma_update(None, "temp_store_directory", beside).at(step)?;
    connection.execute_batch("VACUUM").at(step)?;
    checkpoint(&connection)?;
    if holds_any(&path, &needles)? {
        return Err(StoreError::Damaged {
            what: "the database",
            reason: "what was erased is still found in its files: look at the disk, and run this again".to_owned(),
        });
    }
    Ok(Cleaned { rewritten: true })
}

/// Empties the write-ahead log. Readers hold it for as long as they read.
fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    let step = "emptying the write-ahead log";
    for _ in 0..CHECKPOINT_TRIES {
        let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).at(step)?;
        if busy == 0 {
            return Ok(());
        }
        std::thread::sleep(CHECKPOINT_PAUSE);
    }
    Err(StoreError::Commit {
        reason: "somebody reads all the time, so the write-ahead log cannot be emptied".to_owned(),
    })
}

/// Length of what is looked for.
const NEEDLE: usize = 18;

/// What stands in a file where a frame or a wrapped key is that has this key's id.
fn needles_of(key: KeyId) -> Vec<[u8; NEEDLE]> {
    let with = |before: &[u8], after: &[u8]| {
        let mut needle = [0; NEEDLE];
        needle.copy_from_slice(&[before, &key.0.0, after].concat());
        needle
    };
    let mut needles: Vec<_> = (1..=5).map(|kind| with(&[1, kind], &[])).collect();
    needles.extend([with(&[1], &[0]), with(&[1], &[1])]);
    needles
}

/// Whether one of the needles stands in the database or its write-ahead log.
fn holds_any(path: &Path, needles: &[[u8; NEEDLE]]) -> Result<bool, StoreError> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    Ok(file_holds(path, needles)? || file_holds(Path::new(&wal), needles)?)
}

fn file_holds(path: &Path, needles: &[[u8; NEEDLE]]) -> Result<bool, StoreError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        // Closing it would end every lock that SQLite has on it in this process (POSIX): the next program that ends would take the
        // write-ahead log away while it is written to. So it stays open until the process ends.
        opened => ManuallyDrop::new(opened.on("read", path)?),
    };
    let wanted: std::collections::HashSet<&[u8]> = needles.iter().map(<[u8; NEEDLE]>::as_slice).collect();
    let mut buffer = Vec::with_capacity(PIECE + NEEDLE);
    loop {
        let read = (&mut *file).take(PIECE as u64).read_to_end(&mut buffer).on("read", path)?;
        if buffer.windows(NEEDLE).filter(|window| window[0] == 1).any(|window| wanted.contains(window)) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        buffer.drain(..buffer.len().saturating_sub(NEEDLE - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_deleted_are_in_no_page_of_the_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut connection, _guard) =
            crate::connection::open_writer(&folder.path().join(DATABASE), None).expect("opened");
        let owner = |number: u32| [&[2][..], &Id16::derived(&["owner", &number.to_string()]).0].concat();
        let text = |number: u32| format!("planted-{}", base::hex(&owner(number)[1..7]));
        // Rows come in any order and at any time, so that pages are split again and again.
        for round in 0..20_u32 {
            let transaction = connection.transaction().expect("begun");
            for number in (0..1_000).map(|place| (place * 7 + round * 13) % 1_000) {
                let sql = "INSERT OR IGNORE INTO idx_string (owner, type, param, value, id) VALUES (?, 'Patient', 'name', ?, ?)";
                let id = Id16::derived(&["row", &number.to_string(), &round.to_string()]);
                let values = rusqlite::params![owner(number), format!("{}-{round}", text(number)), id.0];
                transaction.execute(sql, values).expect("written");
            }
            transaction.commit().expect("committed");
        }
        for number in 0..500 {
            connection.execute("DELETE FROM idx_string WHERE owner = ?", [owner(number)]).expect("deleted");
        }
        checkpoint(&connection).expect("emptied");
        let left = || {
            let bytes = std::fs::read(folder.path().join(DATABASE)).expect("there");
            let planted = bytes.windows(20).filter(|window| window.starts_with(b"planted-"));
            let found: std::collections::BTreeSet<Vec<u8>> = planted.map(<[u8]>::to_vec).collect();
            let is_there = |number: &u32| found.contains(text(*number).as_bytes());
            ((0..500).filter(is_there).count(), (500..1_000).filter(is_there).count())
        };
        println!("left by deletion alone: {} of 500", left().0);
        assert!(left().0 > 0, "deletion alone leaves traces, or this test shows nothing");
        clean_file(folder.path(), &[]).expect("cleaned");
        assert_eq!(left(), (0, 500));
        let mut names = std::fs::read_dir(folder.path()).expect("there").flatten().map(|entry| entry.file_name());
        assert!(names.all(|name| name.to_string_lossy().starts_with(DATABASE)), "no copy is left beside it");
    }

    #[test]
    fn looking_into_the_files_leaves_the_locks_on_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(DATABASE);
        let (_connection, _guard) = crate::connection::open_writer(&path, None).expect("opened");
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).expect("there"));
        let locks = || {
            let all = std::fs::read_to_string("/proc/locks").expect("the system tells");
            all.lines().filter(|line| line.contains(&format!(":{inode} "))).count()
        };
        assert!(locks() > 0, "whoever has it open holds one");
        clean_file(folder.path(), &[KeyId(Id16([9; 16]))]).expect("cleaned");
        assert!(locks() > 0, "or another program takes the write-ahead log away under it");
    }

    #[test]
    fn what_is_planted_is_found_wherever_it_lies() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.db");
        let key = KeyId(Id16([9; 16]));
        let needles = needles_of(key);
        for at in [0, 5, PIECE - 9, PIECE, 2 * PIECE + 3] {
            let mut bytes = vec![1; 2 * PIECE + 100];
            std::fs::write(&path, &bytes).expect("written");
            assert!(!file_holds(&path, &needles).expect("read"));
            bytes[at..at + NEEDLE].copy_from_slice(&needles[2]);
            std::fs::write(&path, &bytes).expect("written");
            assert!(file_holds(&path, &needles).expect("read"), "at {at}");
        }
        assert!(!file_holds(&folder.path().join("none"), &needles).expect("absent"));
    }
}
