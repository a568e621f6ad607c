//! Compaction: files of a key store without the records that are dead, so that a destroyed key is gone from the store and not
//! only from its list. What lives is written anew beside the file and takes its place in one step.
//!
//! Whoever appends holds a lock on its file. So the file `compacting` says up to which number files are closed; everybody lets
//! go of those within seconds and goes on in a new one. A crash leaves files as they were or as they become, and at worst a
//! file `*.new` that the next compaction removes.

use super::file::{FILE_MAGIC, Found, RECORD_HEAD_BYTES, scan, write_record};
use super::gone::Gone;
use super::place::{COMPACTING, KEYS, Place, file_name, read_bounded};
use super::store::Store;
use crate::folder::{self, Fault};
use crate::lane::lock;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Held by whoever compacts a store, and shared by those who copy keys into it.
const TURN: &str = "compact.lock";
/// How often a lock is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// Written over what was removed, a piece at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// What compaction did in one key store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compacted {
    /// The store.
    pub store: String,
    /// Records that are gone now.
    pub removed: usize,
    /// Damaged stretches that are gone now: what they were stands in the other stores, where it is to stand at all.
    pub damaged: usize,
    /// Dead records that are still there, since a program did not let go of their files, and destroyed keys that the store itself
    /// does not list.
    pub left: usize,
    /// Why the store could not be compacted, where it could not.
    pub fault: Option<Fault>,
}

impl Compacted {
    /// Whether nothing dead is in the store, and its own list keeps it so.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.left == 0 && self.fault.is_none()
    }
}

impl Store {
    /// Rewrites every file that holds something dead. Waits `patience` for each that somebody appends to.
    pub(super) fn compact(&self, gone: &Arc<Gone>, patience: Duration) -> Compacted {
        let mut done = Compacted { store: self.place.name.clone(), ..Compacted::default() };
        done.fault = self.compact_files(gone, patience, &mut done).err();
        done
    }

    /// File by file, so that a store that hangs is known by one that takes too long.
    fn compact_files(&self, gone: &Arc<Gone>, patience: Duration, done: &mut Compacted) -> Result<(), Fault> {
        let patience_for_one = patience + self.answer_wait;
        let (turn, numbers) = self.ask_for(patience_for_one, move |place| place.begin_compaction(patience))?;
        // Whoever hangs has the turn until it comes back: nobody else works on what it is in the middle of.
        let turn = Arc::new(turn);
        let compacted = numbers.into_iter().try_for_each(|number| {
            let (gone, turn) = (Arc::clone(gone), Arc::clone(&turn));
            let one = self.ask_for(patience_for_one, move |place| {
                let one = place.compact_file(number, &gone, patience);
                drop(turn);
                one.map_err(|error| Fault::of_io(&error, &place.folder))
            })?;
            done.removed += one.removed;
            done.damaged += one.damaged;
            Ok(())
        });
        let ended = self.ask(move |place| {
            let ended = place.end_compaction();
            drop(turn);
            ended
        });
        compacted.and(ended)
    }
}

impl Place {
    /// Closes the files that are there, and gives their numbers.
    fn begin_compaction(&self, patience: Duration) -> Result<(File, Vec<u32>), Fault> {
        let numbers = self.listing(KEYS)?;
        let fault = |error: io::Error| Fault::of_io(&error, &self.folder);
        // Where another program compacts it, or copies keys into it, and is not done, this is not the time.
        let turn = self.compaction_turn(patience, |turn| turn.try_lock().is_ok())?;
        if let Some(last) = numbers.last() {
            fs::write(self.folder.join(COMPACTING), format!("{last}\n")).map_err(fault)?;
        }
        *lock(&self.file) = None;
        self.reconsider();
        Ok((turn, numbers))
    }

    /// The lock that whoever compacts holds alone, and whoever copies keys into the files shares. To be called in a folder that was
    /// checked.
    pub(super) fn compaction_turn(&self, patience: Duration, lock: impl Fn(&File) -> bool) -> Result<File, Fault> {
        let turn = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(TURN));
        let turn = turn.map_err(|error| Fault::of_io(&error, &self.folder))?;
        if within(patience, || lock(&turn)) { Ok(turn) } else { Err(Fault::Slow) }
    }

    fn end_compaction(&self) -> Result<(), Fault> {
        self.check()?;
        let ended = remove_if_there(&self.folder.join(COMPACTING)).and_then(|()| folder::sync_folder(&self.folder));
        ended.map_err(|error| Fault::of_io(&error, &self.folder))
    }

    fn compact_file(&self, number: u32, gone: &Gone, patience: Duration) -> io::Result<Compacted> {
        let mut done = Compacted::default();
        let path = self.folder.join(file_name(number));
        let new = path.with_extension("keys.new");
        remove_if_there(&new)?;
        let look = |bytes: &[u8]| Parts::of(bytes, gone);
        // Most files hold nothing dead, and nobody needs to be kept from them.
        if look(&read_bounded(&path)?).is_clean() {
            return Ok(done);
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        if !within(patience, || file.try_lock().is_ok()) {
            return Ok(done);
        }
        let bytes = read_bounded(&path)?;
        let parts = look(&bytes);
        if parts.kept.len() > FILE_MAGIC.len() {
            let mut out = OpenOptions::new().write(true).create_new(true).open(&new)?;
            out.write_all(&parts.kept)?;
            out.sync_all()?;
            fs::rename(&new, &path)?;
        } else {
            fs::remove_file(&path)?;
        }
        folder::sync_folder(&self.folder)?;
        // The blocks of the old file are free now and may be read for a while by whoever has the disk: best overwritten. On
        // disks that write elsewhere this changes nothing, which is why the record is useless without its parents as well.
        for range in parts.dead.iter().chain(&parts.damaged) {
            overwrite(&file, range)?;
        }
        file.sync_data()?;
        done.removed = parts.dead.len();
        done.damaged = parts.damaged.len();
        Ok(done)
    }
}

/// A file's bytes, sorted.
struct Parts {
    kept: Vec<u8>,
    dead: Vec<Range<usize>>,
    damaged: Vec<Range<usize>>,
}

impl Parts {
    fn of(bytes: &[u8], gone: &Gone) -> Self {
        let mut parts = Self { kept: FILE_MAGIC.to_vec(), dead: Vec::new(), damaged: Vec::new() };
        let mut at = FILE_MAGIC.len();
        scan(bytes, FILE_MAGIC, &mut |found| match found {
            Found::Record(payload) => {
                let end = at + RECORD_HEAD_BYTES + payload.len();
                if gone.is_dead(payload) {
                    parts.dead.push(at..end);
                } else {
                    write_record(&mut parts.kept, payload);
                }
                at = end;
            }
            Found::Damaged(range) => {
                at = range.end;
                parts.damaged.push(range);
            }
        });
        parts
    }

    fn is_clean(&self) -> bool {
        self.dead.is_empty() && self.damaged.is_empty()
    }
}

/// Tries until it is done, or patience is over.
fn within(patience: Duration, done: impl Fn() -> bool) -> bool {
    let tries = patience.as_millis() / TRY_EVERY.as_millis();
    for _ in 0..tries {
        if done() {
            return true;
        }
        std::thread::sleep(TRY_EVERY);
    }
    done()
}

fn overwrite(file: &File, range: &Range<usize>) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let piece = &ZEROS[..ZEROS.len().min(range.end - at)];
        file.write_all_at(piece, at as u64)?;
        at += piece.len();
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
