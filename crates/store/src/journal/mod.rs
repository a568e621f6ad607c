//! The access journal: append-only files with a thread and an fsync queue of their own, so that a read waits for that fsync
//! and never for the writer.
//!
//! An entry is durable when [`Journal::append`] returns. Each process has a slot: `NNN.lock`, held while it lives, and
//! `NNN.jrn`, its active file. A full file is set aside as `NNN-ID.jrn`, moved into the database ([`drain`]) and removed.
//! What is left of a process that died is taken over by another.

pub(crate) mod drain;
mod entry;
pub(crate) mod file;
pub(crate) mod mover;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use base::{Id16, Random, Seams};

pub use entry::{AccessActor, AccessEntry, AccessResult};

use crate::error::{OnFile, StoreError};
use crate::seams;
use file::{Chain, HEADER_BYTES, Record};

/// Requests that may wait for the journal's thread.
const WAITING_MAX: usize = 1_024;
/// Bytes after which one write takes in no further request.
const GROUP_BYTES: usize = 1 << 20;
/// Size at which the active file is set aside without being asked.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Processes that may have one folder open.
const SLOTS: u32 = 64;

enum Request {
    Append { payloads: Vec<Vec<u8>>, answer: SyncSender<Result<(), String>> },
    SetAside { answer: SyncSender<Result<(), String>> },
}

/// Hands entries to the journal's thread.
pub(crate) struct Journal {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) folder: PathBuf,
    pub(crate) slot: u32,
    /// Locked while this process owns the slot.
    _lock: File,
}

impl Journal {
    /// Takes a slot in `folder` and starts the thread. A file that a dead process left in the slot is set aside.
    pub(crate) fn open(folder: &Path, random: Arc<dyn Random>, seams: Seams) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).on("made", folder)?;
        let (slot, lock) = take_slot(folder)?;
        set_leftover_aside(folder, slot, &*random)?;
        let (requests, queue) = sync_channel(WAITING_MAX);
        let mut active = Active { folder: folder.to_owned(), slot, random, seams, open: None };
        let thread = std::thread::Builder::new()
            .name("store-journal".to_owned())
            .spawn(move || active.serve(&queue))
            .on("served by a thread", folder)?;
        Ok(Self { requests: Some(requests), thread: Some(thread), folder: folder.to_owned(), slot, _lock: lock })
    }

    /// Appends records. They are durable when this returns `Ok`; after an error nothing may be shown.
    pub(crate) fn append(&self, records: &[Record]) -> Result<(), StoreError> {
        let payloads = records.iter().map(Record::to_bytes).collect();
        self.ask(|answer| Request::Append { payloads, answer })
    }

    /// Sets the active file aside, so that it can be drained.
    pub(crate) fn set_aside(&self) -> Result<(), StoreError> {
        self.ask(|answer| Request::SetAside { answer })
    }

    fn ask(&self, request: impl FnOnce(SyncSender<Result<(), String>>) -> Request) -> Result<(), StoreError> {
        let (answer, answered) = sync_channel(1);
        let requests = self.requests.as_ref().ok_or(StoreError::Closing)?;
        requests.send(request(answer)).map_err(|_| StoreError::Closing)?;
        let result = answered.recv().map_err(|_| StoreError::Closing)?;
        result.map_err(|reason| {
            metrics::counter!("hanmaru_store_journal_refusals").increment(1);
            StoreError::JournalUnavailable { reason }
        })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Path of a slot's active file.
pub(crate) fn active_path(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("{slot:03}.jrn"))
}

/// Path of a slot's lock.
pub(crate) fn lock_path(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("{slot:03}.lock"))
}

/// Whether another process has a slot in the same folder, and so has the store open.
pub(crate) fn is_shared(journal: &Journal) -> Result<bool, StoreError> {
    for slot in (0..SLOTS).filter(|slot| *slot != journal.slot) {
        let path = lock_path(&journal.folder, slot);
        if path.exists() && try_lock(&path)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_slot(folder: &Path) -> Result<(u32, File), StoreError> {
    for slot in 0..SLOTS {
        if let Some(lock) = try_lock(&lock_path(folder, slot))? {
            return Ok((slot, lock));
        }
    }
    Err(StoreError::Limit {
        what: "processes with one folder open",
        found: u64::from(SLOTS) + 1,
        limit: u64::from(SLOTS),
    })
}

/// The lock, unless somebody else has it. It ends when the file is dropped.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, StoreError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).on("opened", path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(source).on("locked", path),
    }
}

/// Renames what a dead process left as its active file. Only a regular file holds entries.
pub(crate) fn set_leftover_aside(folder: &Path, slot: u32, random: &dyn Random) -> Result<(), StoreError> {
    let path = active_path(folder, slot);
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => {
            let aside = aside_path(folder, slot, Id16::random(random));
            std::fs::rename(&path, &aside).on("set aside", &path)
        }
        _ => Ok(()),
    }
}

fn aside_path(folder: &Path, slot: u32, id: Id16) -> PathBuf {
    folder.join(format!("{slot:03}-{id}.jrn"))
}

/// The journal's thread.
struct Active {
    folder: PathBuf,
    slot: u32,
    random: Arc<dyn Random>,
    seams: Seams,
    open: Option<OpenFile>,
}

struct OpenFile {
    file: File,
    chain: Chain,
    bytes: u64,
}

impl Active {
    fn serve(&mut self, queue: &Receiver<Request>) {
        let mut next = queue.recv().ok();
        while let Some(request) = next.take() {
            match request {
                Request::SetAside { answer } => {
                    let _ = answer.send(self.set_aside().map_err(|error| error.to_string()));
                }
                Request::Append { payloads, answer } => {
                    let mut group = vec![(payloads, answer)];
                    next = gather(queue, &mut group);
                    let result = self.append(&group).map_err(|error| error.to_string());
                    for (_, answer) in group {
                        let _ = answer.send(result.clone());
                    }
                }
            }
            next = next.or_else(|| queue.recv().ok());
        }
    }

    fn append(&mut self, group: &[Append]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        let mut bytes = Vec::new();
        let mut chain = open.chain;
        for payload in group.iter().flat_map(|(payloads, _)| payloads) {
            chain.push(payload, &mut bytes);
        }
        let written = self.seams.at(seams::JOURNAL_WRITE).and_then(|()| open.file.write_all(&bytes));
        if let Err(error) = written {
            // Nobody was told that these entries exist: they are cut off again, and the file goes on. Where even that
            // fails, the file is given up; its whole records are drained and its torn end is kept.
            if open.file.set_len(open.bytes).is_ok() {
                self.open = Some(open);
            } else {
                self.set_aside()?;
            }
            return Err(error);
        }
        let synced = self.seams.at(seams::JOURNAL_SYNC).and_then(|()| open.file.sync_data());
        if let Err(error) = synced {
            // After a failed fsync nobody knows what is on the disk: this file takes no more.
            drop(open);
            self.set_aside()?;
            return Err(error);
        }
        open.chain = chain;
        open.bytes += bytes.len() as u64;
        let full = open.bytes >= FILE_BYTES_MAX;
        self.open = Some(open);
        if full && let Err(error) = self.set_aside() {
            tracing::warn!(%error, "a full journal file stays in use");
        }
        Ok(())
    }

    fn create(&self) -> io::Result<OpenFile> {
        let path = active_path(&self.folder, self.slot);
        if std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
            std::fs::rename(&path, aside_path(&self.folder, self.slot, Id16::random(&*self.random)))?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let (header, chain) = file::header(Id16::random(&*self.random));
        let written = file.write_all(&header).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // What little of a header went in must not be followed by records.
            let _ = file.set_len(0);
            return Err(error);
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(OpenFile { file, chain, bytes: HEADER_BYTES as u64 })
    }

    fn set_aside(&mut self) -> io::Result<()> {
        let path = active_path(&self.folder, self.slot);
        self.open = None;
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                std::fs::rename(&path, aside_path(&self.folder, self.slot, Id16::random(&*self.random)))
            }
            _ => Ok(()),
        }
    }
}

/// Payloads, and where their answer goes.
type Append = (Vec<Vec<u8>>, SyncSender<Result<(), String>>);

/// Takes in the appends that wait already, so that they share one fsync. Gives back a request of another kind.
fn gather(queue: &Receiver<Request>, group: &mut Vec<Append>) -> Option<Request> {
    let mut bytes = 0;
    while bytes < GROUP_BYTES {
        match queue.try_recv() {
            Ok(Request::Append { payloads, answer }) => {
                bytes += payloads.iter().map(Vec::len).sum::<usize>();
                group.push((payloads, answer));
            }
            Ok(other) => return Some(other),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        }
    }
    None
}
