//! One key store's folder: appending with a sync, showing every record, and what it is behind with. Knows no other store.

use super::file::{FILE_MAGIC, Found, Shape, gone_file, is_clean, scan, scan_gone, shape, write_record};
use super::gone::{Destroyed, Gone};
use super::stores::{KEY_CLAIM, KEY_READ, KEY_WRITE};
use crate::folder::{self, Belonging, Fault, Kind, SiteFault};
use crate::lane::lock;
use base::{Id16, Seams, Timestamp};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A file of this size in bytes is not appended to any more.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// While keys are being compacted away, this file in the folder says up to which number files are appended to no more.
pub(super) const COMPACTING: &str = "compacting";
/// Held by whoever writes to the list of destroyed keys: so an end that is torn while it is held is nobody's work.
const GONE_TURN: &str = "gone.lock";
/// Most bytes read of it: a number and a line feed.
const COMPACTING_BYTES_MAX: u64 = 16;
/// How long whoever copies keys into a store waits for one that compacts it.
const COPY_PATIENCE: Duration = Duration::from_secs(5);
/// Keys in bytes that wait in memory for one store; beyond that the stores are compared whole.
pub(super) const BEHIND_BYTES_MAX: usize = 8 << 20;

/// One key store's folder.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    belonging: Arc<Belonging>,
    pub(super) file: Mutex<Option<OpenFile>>,
    pub(super) behind: Mutex<Behind>,
    health: Mutex<Health>,
    seams: Seams,
}

/// Whether the store answered when it was last asked, and its last fault since it was in order.
#[derive(Clone)]
pub(super) struct Health {
    pub(super) reachable: bool,
    pub(super) last_fault: Option<Fault>,
}

/// What a store is known to miss.
#[derive(Default)]
pub(super) struct Behind {
    pub(super) batches: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// More was lost than is kept here, or the program is new: the stores must be compared.
    pub(super) compare: bool,
}

pub(super) struct OpenFile {
    number: u32,
    file: File,
    length: u64,
}

impl Behind {
    pub(super) fn any(&self) -> bool {
        self.compare || !self.batches.is_empty()
    }

    pub(super) fn add(&mut self, batch: Arc<[u8]>) {
        if batch.is_empty() {
            return;
        }
        self.bytes += batch.len();
        self.batches.push_back(batch);
        if self.bytes > BEHIND_BYTES_MAX {
            *self = Self { compare: true, ..Self::default() };
        }
    }
}

impl OpenFile {
    /// Whether this is the file behind a path, and not one that was there before it.
    fn stands_at(file: &File, path: &Path) -> bool {
        let place = |meta: fs::Metadata| (meta.dev(), meta.ino());
        matches!((fs::metadata(path).map(place), file.metadata().map(place)), (Ok(named), Ok(own)) if named == own)
    }
}

impl Place {
    /// A store of a new process: it may miss anything. `said` is what it says whose it is.
    pub(super) fn new(
        name: String,
        folder: PathBuf,
        belonging: Arc<Belonging>,
        said: Result<Option<Id16>, Fault>,
        seams: Seams,
    ) -> Self {
        let behind = Mutex::new(Behind { compare: true, ..Behind::default() });
        let last_fault = match said {
            Ok(said) => (!belonging.fits(said)).then(|| Fault::Foreign(folder.clone())),
            Err(fault) => Some(fault),
        };
        let health = Mutex::new(Health { reachable: last_fault.is_none(), last_fault });
        Self { name, folder, belonging, file: Mutex::new(None), behind, health, seams }
    }

    /// Whether the folder is there and is the one it should be.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.seams.at(KEY_READ).map_err(|error| Fault::of_io(&error, &self.folder))?;
        self.belonging.check(&self.folder, Kind::Keys, &self.name)
    }

    /// As [`Place::check`], and remembers the answer. Whatever others wrote while the store was away is in nobody's memory.
    pub(super) fn look(&self) -> bool {
        match self.check() {
            Ok(()) => {
                // Held by somebody who writes: then that one looks.
                if let Ok(mut file) = self.file.try_lock() {
                    self.let_go(&mut file);
                }
                let settled = !lock(&self.behind).any();
                let mut health = lock(&self.health);
                health.reachable = true;
                if settled {
                    health.last_fault = None;
                }
                true
            }
            Err(fault) => {
                lock(&self.behind).compare = true;
                self.note(fault);
                lock(&self.health).reachable = false;
                false
            }
        }
    }

    /// It does not answer: what others write meanwhile is not in this process's memory.
    pub(super) fn hangs(&self) {
        lock(&self.behind).compare = true;
        self.note(Fault::Slow);
        lock(&self.health).reachable = false;
    }

    /// Remembers a fault, and says it once.
    pub(super) fn note(&self, fault: Fault) {
        let mut health = lock(&self.health);
        if health.last_fault.as_ref() != Some(&fault) {
            tracing::warn!(store = self.name, %fault, "a key store is behind");
            health.last_fault = Some(fault);
        }
    }

    pub(super) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    pub(super) fn fault(&self, fault: Fault) -> SiteFault {
        SiteFault { name: self.name.clone(), fault }
    }

    /// Settles whose the key stores are. [`Fault::Foreign`] where this one, or most of them, are another's.
    pub(super) fn belong(&self, installation: Id16) -> Result<(), Fault> {
        let ours = self.belonging.settle(installation) && !matches!(self.check(), Err(Fault::Foreign(_)));
        self.look();
        if ours { Ok(()) } else { Err(Fault::Foreign(self.folder.clone())) }
    }

    /// Writes into the folder whose it is.
    pub(super) fn mark(&self, installation: Id16) -> Result<(), Fault> {
        folder::claim(&self.folder, Kind::Keys, &self.name, &installation)
    }

    /// Appends what this store is behind with and then `batch`, and syncs. On a fault all of it is behind. What waited may have been
    /// destroyed meanwhile, and is written like what is copied: [`Place::append_copied`].
    pub(super) fn append(&self, batch: &Arc<[u8]>) -> Result<(), Fault> {
        let waited = !lock(&self.behind).batches.is_empty();
        let copying = if waited { self.copying().map(Some) } else { Ok(None) };
        let mut file = lock(&self.file);
        let mut behind = lock(&self.behind);
        behind.add(Arc::clone(batch));
        let copying = match copying {
            Ok(copying) => copying,
            Err(fault) => {
                behind.compare = true;
                drop(behind);
                self.note(fault.clone());
                return Err(fault);
            }
        };
        let mut bytes = behind.batches.iter().flat_map(|batch| batch.iter().copied()).collect::<Vec<u8>>();
        drop(behind);
        if bytes.is_empty() {
            // More is behind than is kept here. The comparison brings the rest, and this batch is written all the same:
            // whoever waits for it is told that it is durable.
            bytes.extend_from_slice(batch);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let there = self.check();
        if there.is_err() {
            // What comes back may be another disk.
            lock(&self.behind).compare = true;
        }
        let living = copying.as_ref().map(|(_, gone)| living(&bytes, gone));
        match there.and_then(|()| self.write(&mut file, living.as_ref().unwrap_or(&bytes))) {
            Ok(()) => {
                let mut behind = lock(&self.behind);
                let mut left = bytes.len();
                while let Some(first) = behind.batches.front().filter(|first| first.len() <= left) {
                    left -= first.len();
                    behind.bytes -= first.len();
                    behind.batches.pop_front();
                }
                Ok(())
            }
            Err(fault) => {
                // Its end may be torn now: the next attempt begins another file.
                *file = None;
                self.note(fault.clone());
                Err(fault)
            }
        }
    }

    /// Appends a batch that the others have and this store misses. What was listed as destroyed since they were read is
    /// left out, and whoever compacts waits until the rest is written: behind a compaction nothing comes back into the files.
    pub(super) fn append_copied(&self, batch: &[u8]) -> Result<(), Fault> {
        let (_turn, gone) = self.copying()?;
        let living = living(batch, &gone);
        if living.is_empty() {
            return Ok(());
        }
        let mut slot = lock(&self.file);
        self.write(&mut slot, &living).inspect_err(|fault| {
            // Its end may be torn now: the next attempt begins another file, and reads the others anew.
            *slot = None;
            lock(&self.behind).compare = true;
            self.note(fault.clone());
        })
    }

    /// A share of the turn that whoever compacts takes alone, and what is destroyed as long as it is held.
    fn copying(&self) -> Result<(File, Gone), Fault> {
        self.check()?;
        let turn = self.compaction_turn(COPY_PATIENCE, |turn| turn.try_lock_shared().is_ok())?;
        Ok((turn, self.gone()?))
    }

    /// The store's own list of destroyed keys.
    fn gone(&self) -> Result<Gone, Fault> {
        let (numbers, mut gone) = (self.listing(GONE)?, Gone::default());
        for number in numbers.iter().copied() {
            let Some(bytes) = self.read(GONE, number)? else { continue };
            let mut see = |entry: Destroyed| {
                gone.0.insert(entry.id, entry);
            };
            if !entries_in(&bytes, numbers.last() == Some(&number), &mut see) {
                return Err(Fault::Damaged(gone_name(number)));
            }
        }
        Ok(gone)
    }

    fn write(&self, slot: &mut Option<OpenFile>, bytes: &[u8]) -> Result<(), Fault> {
        let fault = |error: io::Error| Fault::of_io(&error, &self.folder);
        self.let_go(slot);
        if slot.as_ref().is_none_or(|open| open.length >= FILE_BYTES_MAX) {
            *slot = Some(self.claim().map_err(fault)?);
        }
        self.seams.at(KEY_WRITE).map_err(fault)?;
        let open = slot.as_mut().expect("it was claimed in the line above");
        open.file.write_all(bytes).and_then(|()| open.file.sync_data()).map_err(fault)?;
        open.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets a file that is not in the folder any more: another disk was mounted here, or somebody removed the file. What was
    /// written to it is not here either.
    fn let_go(&self, slot: &mut Option<OpenFile>) {
        let closed = self.closed_up_to();
        if slot.as_ref().is_some_and(|open| open.number <= closed) {
            *slot = None;
        }
        if slot.as_ref().is_some_and(|open| !self.stands(open)) {
            *slot = None;
            lock(&self.behind).compare = true;
        }
    }

    /// Whether the file that is open is the one that its name in the folder leads to.
    fn stands(&self, open: &OpenFile) -> bool {
        OpenFile::stands_at(&open.file, &self.folder.join(file_name(open.number)))
    }

    /// Up to which number somebody is compacting files right now, or was when the program ended; 0 where nobody is.
    fn closed_up_to(&self) -> u32 {
        let mut text = String::new();
        let read = File::open(self.folder.join(COMPACTING))
            .and_then(|file| file.take(COMPACTING_BYTES_MAX).read_to_string(&mut text));
        read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Locks a clean file that has room, newest first, or begins the next number.
    fn claim(&self) -> io::Result<OpenFile> {
        let numbers = self.numbers(KEYS)?;
        let closed = self.closed_up_to();
        for number in numbers.iter().rev().take(8).copied().filter(|number| *number > closed) {
            let path = self.folder.join(file_name(number));
            let file = OpenOptions::new().append(true).open(&path)?;
            let length = file.metadata()?.len();
            // Between opening and locking it may have been replaced by its compacted form.
            let taken = length < FILE_BYTES_MAX && file.try_lock().is_ok() && OpenFile::stands_at(&file, &path);
            if taken && is_clean(&fs::read(&path)?) {
                return Ok(OpenFile { number, file, length });
            }
        }
        let mut number = next_number(numbers.last().copied().unwrap_or(0).max(closed))?;
        loop {
            match OpenOptions::new().append(true).create_new(true).open(self.folder.join(file_name(number))) {
                Ok(mut file) => {
                    self.seams.at(KEY_CLAIM)?;
                    file.lock()?;
                    // Before it was locked, a compaction may have taken it for an empty file and removed it.
                    let path = self.folder.join(file_name(number));
                    if number <= self.closed_up_to() || !OpenFile::stands_at(&file, &path) {
                        number = next_number(self.closed_up_to().max(number))?;
                        continue;
                    }
                    file.write_all(FILE_MAGIC)?;
                    file.sync_all()?;
                    folder::sync_folder(&self.folder)?;
                    return Ok(OpenFile { number, file, length: FILE_MAGIC.len() as u64 });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = next_number(number)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The numbers of the files of one kind, in order.
    pub(super) fn numbers(&self, kind: &str) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| number_of(name, kind)));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The numbers of the files of one kind in a folder that is there and is the one it should be.
    pub(super) fn listing(&self, kind: &str) -> Result<Vec<u32>, Fault> {
        self.check()?;
        self.numbers(kind).map_err(|error| Fault::of_io(&error, &self.folder))
    }

    /// The bytes of one file; `None` where it is gone since the folder was listed, as when it was compacted away.
    pub(super) fn read(&self, kind: &str, number: u32) -> Result<Option<Vec<u8>>, Fault> {
        self.check()?;
        match read_bounded(&self.folder.join(format!("{number:04}{kind}"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|error| Fault::of_io(&error, &self.folder)),
        }
    }

    /// Writes entries of the list of destroyed keys: a file of its own, durable when this returns.
    pub(super) fn append_gone(&self, entries: &[Destroyed]) -> Result<(), Fault> {
        let fault = |error: io::Error| Fault::of_io(&error, &self.folder);
        let _turn = self.gone_turn()?;
        let entries: Vec<Vec<u8>> = entries.iter().map(Destroyed::to_bytes).collect();
        let bytes = gone_file(entries.iter().map(Vec::as_slice));
        let last = self.listing(GONE)?.last().copied();
        if let Some(last) = last {
            // Behind another file its torn end would be taken for damage.
            self.clean_gone(last, Shape::Torn)?;
        }
        self.seams.at(KEY_WRITE).map_err(fault)?;
        let mut number = next_number(last.unwrap_or(0)).map_err(fault)?;
        loop {
            let path = self.folder.join(gone_name(number));
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fault)?;
                    return folder::sync_folder(&self.folder).map_err(fault);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number = next_number(number).map_err(fault)?;
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// Takes out of the list of destroyed keys what is no entry: once what it was stands in a file of its own here.
    pub(super) fn heal_gone(&self) -> Result<(), Fault> {
        let _turn = self.gone_turn()?;
        self.listing(GONE)?.into_iter().try_for_each(|number| self.clean_gone(number, Shape::Damaged))
    }

    /// Writes a file of the list anew with its whole records alone, in one step, where it is not worse than that. Whoever calls holds
    /// the turn.
    fn clean_gone(&self, number: u32, worst: Shape) -> Result<(), Fault> {
        let Some(bytes) = self.read(GONE, number)? else { return Ok(()) };
        let found = shape(&bytes, Destroyed::BYTES);
        if found == Shape::Whole || found > worst {
            return Ok(());
        }
        tracing::warn!(store = self.name, number, ?found, "a list of destroyed keys is put in order");
        let mut kept = Vec::new();
        scan_gone(&bytes, &mut |found| {
            if let Found::Record(payload) = found {
                kept.push(payload);
            }
        });
        let kept = gone_file(kept.into_iter());
        let path = self.folder.join(gone_name(number));
        let new = path.with_extension("gone.new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&kept)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            folder::sync_folder(&self.folder)
        });
        written.map_err(|error| Fault::of_io(&error, &self.folder))
    }

    fn gone_turn(&self) -> Result<File, Fault> {
        self.check()?;
        let turn = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(GONE_TURN));
        turn.and_then(|turn| turn.lock().map(|()| turn)).map_err(|error| Fault::of_io(&error, &self.folder))
    }

    /// Forgets what waits for this store in memory: it may hold what was destroyed meanwhile. The comparison brings the rest.
    pub(super) fn reconsider(&self) {
        *lock(&self.behind) = Behind { compare: true, ..Behind::default() };
    }

    /// When the store was last written to, by its own clock; `None` where it holds no file or is away.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        let numbers = self.numbers(KEYS).ok()?;
        let written = |number: &u32| fs::metadata(self.folder.join(file_name(*number))).ok()?.modified().ok();
        let newest = numbers.iter().filter_map(written).max()?;
        Timestamp::try_from(newest).ok()
    }
}

/// How the names of files of wrapped keys end.
pub(super) const KEYS: &str = ".keys";
/// How the names of files of destroyed keys end.
pub(super) const GONE: &str = ".gone";

pub(super) fn file_name(number: u32) -> String {
    format!("{number:04}{KEYS}")
}

pub(super) fn gone_name(number: u32) -> String {
    format!("{number:04}{GONE}")
}

/// Shows the sound entries of one file of a list of destroyed keys. Whether it holds all that anybody was told that it does: a loss
/// of power may have cut short the newest.
pub(super) fn entries_in(bytes: &[u8], is_newest: bool, see: &mut dyn FnMut(Destroyed)) -> bool {
    let found = shape(bytes, Destroyed::BYTES);
    let mut is_known = found == Shape::Whole || (found == Shape::Torn && is_newest);
    scan_gone(bytes, &mut |found| match found {
        Found::Record(payload) => match Destroyed::from_bytes(payload) {
            Ok(entry) => see(entry),
            Err(_) => is_known = false,
        },
        Found::Damaged(_) => {}
    });
    is_known
}

/// Whose the folder of a store says it is.
pub(super) fn says(folder: &Path, name: &str, seams: &Seams) -> Result<Option<Id16>, Fault> {
    seams.at(KEY_READ).map_err(|error| Fault::of_io(&error, folder))?;
    folder::check(folder, Kind::Keys, name)
}

/// The number of the file after those up to `last`. A file of the highest number, which nobody here makes, leaves none.
fn next_number(last: u32) -> io::Result<u32> {
    last.checked_add(1).ok_or_else(|| io::Error::other("a file bears the highest number that there is; move it away"))
}

/// The number of a file's name, spelt as it is written here: another file of the same number would be read in its place.
fn number_of(name: &str, kind: &str) -> Option<u32> {
    let digits = name.strip_suffix(kind)?;
    let number: u32 = digits.parse().ok()?;
    (format!("{number:04}") == digits).then_some(number)
}

/// A file never much exceeds its size: one batch more. Anything beyond that is not ours.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > 4 * FILE_BYTES_MAX {
        return Err(io::Error::other(format!("{} is larger than any key file", path.display())));
    }
    fs::read(path)
}

/// The records of a batch whose keys are not destroyed.
fn living(batch: &[u8], gone: &Gone) -> Vec<u8> {
    let mut living = Vec::with_capacity(batch.len());
    scan(batch, &[], &mut |found| {
        if let Found::Record(payload) = found
            && !gone.is_dead(payload)
        {
            write_record(&mut living, payload);
        }
    });
    living
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_under_the_name_that_it_is_read_by() {
        assert_eq!(number_of("0007.keys", KEYS), Some(7));
        assert_eq!(number_of("4294967295.gone", GONE), Some(u32::MAX));
        for name in ["7.keys", "+007.keys", "00007.keys", ".keys", "0007.keys.new", "4294967296.keys"] {
            assert_eq!(number_of(name, KEYS), None, "{name}");
        }
    }

    #[test]
    fn behind_the_highest_number_there_is_none() {
        assert_eq!(next_number(6).expect("there is room"), 7);
        assert!(next_number(u32::MAX).is_err());
    }
}
