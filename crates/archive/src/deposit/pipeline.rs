//! The second reading: a thread reads batches of lines, workers take them, and the caller's thread writes them in their order.
//!
//! Channels are short, so that memory does not grow with the bag: at any time a few batches are being read, taken and written.

use super::fault::{Fault, Refusal};
use super::found_by::indexing;
use super::payload::{LineAt, Lines, open};
use super::survey::{Work, is_ndjson};
use super::take::{Patients, Taker};
use super::tally::Tally;
use super::{Deposit, DepositError};
use crate::names::Name;
use crate::tables::{self, DocumentRow, HeldRow, Marks};
use policy::{Owner, Permit};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Prepared, PreparedObject, StoreError};

/// Lines read as one batch, at most, and their bytes, about.
const BATCH_LINES: usize = 256;
const BATCH_BYTES: usize = 512 << 10;
/// Batches that may wait between two stages.
const WAITING: usize = 3;
/// Resources written in one transaction, at most about, and their bytes.
const WRITE_ROWS: usize = 2_000;
const WRITE_BYTES: usize = 12 << 20;
/// Bytes of lines that no transaction has more of: sealed they are less than [`store::WRITE_BYTES_MAX`].
const WRITE_BYTES_MAX: usize = store::WRITE_BYTES_MAX - (2 << 20);
/// Owners, about, whose resources are written in one transaction. Each has pages of its own in every table, all of which stay in
/// memory until it is committed: files with a line for each patient would fill it otherwise.
const WRITE_OWNERS: usize = 200;

/// Lines held back that are tried again at once.
const RETRY_LINES: usize = 50_000;

/// Lines of one file.
struct Batch {
    no: u64,
    file: usize,
    data: Vec<u8>,
    lines: Vec<(LineAt, std::ops::Range<usize>)>,
    /// Bytes and lines of the file that are done with this batch.
    end: (u64, u64),
    /// Whether its lines were held back before.
    is_retry: bool,
}

/// A line that is held back.
struct Held {
    file: usize,
    at: LineAt,
    refusal: Refusal,
    /// Empty where the line was too long for memory.
    bytes: Vec<u8>,
}

/// A batch that is taken, or several joined.
#[derive(Default)]
struct Done {
    versions: Vec<Prepared>,
    /// How often the owner changes from a version to the next.
    owners: usize,
    last_owner: Option<Owner>,
    bytes: usize,
    /// Types of the versions, in their order.
    kinds: Vec<&'static str>,
    warnings: u64,
    documents: Vec<DocumentRow>,
    held: Vec<Held>,
    /// Place of a file and a line of it, no longer held back for want of its patient.
    retried: Vec<(usize, u64)>,
    /// Place of a file, and its bytes and lines done.
    ends: Vec<(usize, u64, u64)>,
}

impl Deposit<'_> {
    /// Takes in what the first reading left to do. Files are done in their order, lines in theirs.
    pub(super) fn records(&mut self, permit: &Permit, work: &[Work]) -> Result<(), DepositError> {
        let work = self.work_left(work)?;
        self.take_work(permit, work)
    }

    /// Takes lines again that were held back because nobody knew whom they are about. What is taken now leaves that list in the
    /// same transaction.
    pub(super) fn retry(&mut self, permit: &Permit) -> Result<(), DepositError> {
        let mut after = (Name::default(), 0);
        loop {
            let page = tables::nobody_lines(self.archive.store(), self.id, &after, RETRY_LINES)?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            let work = self.work_again(page)?;
            self.take_work(permit, work)?;
            after = last;
        }
    }

    /// Whether anybody is known by now whom a line is about that was held back for that.
    pub(super) fn knows_more(&self) -> Result<bool, DepositError> {
        let store = self.archive.store();
        let mut after = (Name::default(), 0);
        loop {
            let page = tables::nobody_lines(store, self.id, &after, RETRY_LINES)?;
            let Some(last) = page.last().copied() else { return Ok(false) };
            let permit = self.permit(policy::Action::Deposit)?;
            let taker = self.taker(&permit, &self.patients);
            for work in self.work_again(page)? {
                let file = &self.bag.files[work.file];
                let failed = |source| DepositError::Payload { path: file.path.clone(), source };
                let mut lines = Lines::new(open(self.bag, file).map_err(failed)?, taker.limits.bytes_max);
                let mut line = Vec::new();
                while let Some(at) = lines.next(&mut line).map_err(failed)? {
                    if work.only.binary_search(&at.number).is_ok() && !at.is_long && taker.knows_owner(&line)? {
                        return Ok(true);
                    }
                    line.clear();
                }
            }
            after = last;
        }
    }

    /// The lines of the page by file. Those of files that are not in the bag or not done are left out.
    fn work_again(&self, page: Vec<(Name, u64)>) -> Result<Vec<Work>, DepositError> {
        let marks = tables::file_marks(self.archive.store(), self.id)?;
        let files = self.bag.files.iter().enumerate().filter(|(_, file)| is_ndjson(&file.path));
        let places: HashMap<Name, usize> = files.map(|(place, file)| (self.names.name(&file.path), place)).collect();
        let mut work: Vec<Work> = Vec::new();
        for (name, line) in page {
            let Some(place) = places.get(&name).copied() else { continue };
            match work.last_mut() {
                Some(last) if last.file == place => last.only.push(line),
                _ => {
                    let Some((_, lines)) = marks.get(&name).copied() else { continue };
                    work.push(Work { file: place, bytes: 0, lines, only: vec![line] });
                }
            }
        }
        Ok(work)
    }

    fn take_work(&mut self, permit: &Permit, work: Vec<Work>) -> Result<(), DepositError> {
        let (archive, bag) = (self.archive, self.bag);
        let patients = std::mem::take(&mut self.patients);
        let taker = self.taker(permit, &patients);
        let line_bytes_max = taker.limits.bytes_max;
        let result = std::thread::scope(|scope| {
            let (batches, queue) = sync_channel(WAITING);
            let (results, done) = channel();
            let slots = Slots::new(archive.inner.config.workers + WAITING);
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..archive.inner.config.workers.max(1) {
                let (queue, results, taker) = (Arc::clone(&queue), results.clone(), &taker);
                scope.spawn(move || work_on(&queue, &results, taker));
            }
            drop(queue);
            let reading = (results, slots.taking());
            scope.spawn(move || {
                let (results, slots) = reading;
                if let Err(error) = read_batches(bag, &work, line_bytes_max, &batches, &slots) {
                    // The receiver has gone where the deposit failed already.
                    let _ = results.send(Err(error));
                }
            });
            self.write_in_order(permit, done, slots)
        });
        self.patients = patients;
        result
    }

    /// Where each file stands by now: a pass that was ended by a change of rights has moved on.
    fn work_left(&self, work: &[Work]) -> Result<Vec<Work>, DepositError> {
        let marks = crate::tables::file_marks(self.archive.store(), self.id)?;
        let left = work.iter().filter_map(|work| {
            let file = &self.bag.files[work.file];
            let mark = marks.get(&self.names.name(&file.path));
            let (bytes, lines) = mark.map_or((0, 0), |(bytes, lines)| (bytes.unsigned_abs(), *lines));
            (mark.is_none() || bytes < file.size).then_some(Work { bytes, lines, ..work.clone() })
        });
        Ok(left.collect())
    }

    fn write_in_order(
        &mut self,
        permit: &Permit,
        results: Receiver<Finished>,
        slots: Slots,
    ) -> Result<(), DepositError> {
        let mut early: BTreeMap<u64, Done> = BTreeMap::new();
        let mut next = 0;
        let mut joined = Done::default();
        while let Ok(finished) = results.recv() {
            let (no, done) = finished?;
            early.insert(no, done);
            while let Some(done) = early.remove(&next) {
                next += 1;
                slots.give_back();
                if joined.bytes + done.bytes > WRITE_BYTES_MAX {
                    self.write(permit, std::mem::take(&mut joined))?;
                }
                joined.join(done);
                if joined.is_enough() {
                    self.write(permit, std::mem::take(&mut joined))?;
                }
            }
        }
        if !early.is_empty() {
            return Err(DepositError::Interrupted);
        }
        self.write(permit, joined)
    }

    /// One transaction: versions, objects of what is held back, and how far the files are.
    fn write(&mut self, permit: &Permit, done: Done) -> Result<(), DepositError> {
        if done.ends.is_empty() {
            return Ok(());
        }
        let (taken, held_count) = (done.versions.len() as u64, done.held.len() as u64);
        let (objects, held) = self.keep(permit, done.held)?;
        let mut counted = Tally { warnings: self.tally.warnings + done.warnings, ..self.tally.clone() };
        let kinds = done.kinds;
        let path = |place: usize| self.bag.files[place].path.clone();
        let files = done.ends.iter().map(|(place, bytes, lines)| (path(*place), *bytes as i64, *lines)).collect();
        let retried = done.retried.iter().map(|(place, line)| (path(*place), *line)).collect();
        let marks = Marks { files, retried, held, documents: done.documents, ..self.marks() };
        let (kept, counts) = channel();
        let extra: store::Extra = Box::new(move |tx, outcomes| {
            counted.count(&kinds, outcomes);
            Marks { progress: counted.write(), ..marks }.apply(tx)?;
            // Nobody hears it where the deposit failed already.
            let _ = kept.send(counted);
            Ok(())
        });
        self.archive.store().write(permit, done.versions, objects, Some(extra))?;
        self.tally = counts.recv().map_err(|_| DepositError::Interrupted)?;
        self.progress.resources += taken;
        self.progress.held_back += held_count;
        let read = done.bytes as u64;
        self.step(read);
        Ok(())
    }

    /// Keeps lines that are held back as objects of the institution.
    fn keep(&self, permit: &Permit, held: Vec<Held>) -> Result<(Vec<PreparedObject>, Vec<HeldRow>), DepositError> {
        if held.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let keeper = self.keeper();
        let mut writer = self.archive.store().object_writer(permit)?;
        let mut objects = Vec::new();
        let mut rows = Vec::with_capacity(held.len());
        for one in held {
            let file = &self.bag.files[one.file];
            let name = format!("{}:{}", file.path, one.at.number);
            let kept = if one.refusal.fault == Fault::ErasedPatient {
                None
            } else if one.at.is_long {
                keeper.part(&mut writer, &name, file, one.at.offset, one.at.length)?
            } else {
                Some(keeper.bytes(&mut writer, &name, &one.bytes, "application/fhir+json")?)
            };
            let object = kept.map(|(id, durable)| {
                objects.extend(durable);
                id
            });
            let (fault, reason) = (one.refusal.fault.slug(), one.refusal.reason);
            rows.push(HeldRow { path: file.path.clone(), line: one.at.number, fault, reason, object });
        }
        objects.extend(writer.finish()?);
        Ok((objects, rows))
    }
}

impl<'a> Deposit<'a> {
    fn taker<'t>(&self, permit: &'t Permit, patients: &'t Patients) -> Taker<'t>
    where
        'a: 't,
    {
        Taker {
            store: self.archive.store(),
            permit,
            institution: self.institution,
            patients,
            bag: self.bag,
            limits: self.fhir_limits(),
            indexing: indexing(self.archive.store().ids()),
            fallback: self.fallback,
            retention: self.retention,
        }
    }
}

type Finished = Result<(u64, Done), DepositError>;

/// Bounds how many batches are on their way from the reader to the writer, however uneven the workers are.
struct Slots {
    free: SyncSender<()>,
    taken: Arc<Mutex<Receiver<()>>>,
}

impl Slots {
    fn new(count: usize) -> Self {
        let (free, taken) = sync_channel(count);
        for _ in 0..count {
            // The channel has room for exactly these.
            let _ = free.try_send(());
        }
        Self { free, taken: Arc::new(Mutex::new(taken)) }
    }

    fn taking(&self) -> Arc<Mutex<Receiver<()>>> {
        Arc::clone(&self.taken)
    }

    fn give_back(&self) {
        let _ = self.free.try_send(());
    }
}

fn read_batches(
    bag: &super::Bag,
    work: &[Work],
    line_bytes_max: usize,
    batches: &SyncSender<Batch>,
    slots: &Mutex<Receiver<()>>,
) -> Result<(), DepositError> {
    let mut no = 0;
    for work in work {
        let file = &bag.files[work.file];
        let failed = |source| DepositError::Payload { path: file.path.clone(), source };
        let opened = open(bag, file).map_err(failed)?;
        let is_retry = !work.only.is_empty();
        let before = if is_retry { 0 } else { work.lines };
        let mut lines = Lines::resume(opened, line_bytes_max, work.bytes, before).map_err(failed)?;
        let mut ended = false;
        while !ended {
            let mut batch = Batch { no, file: work.file, data: Vec::new(), lines: Vec::new(), end: (0, 0), is_retry };
            while batch.lines.len() < BATCH_LINES && batch.data.len() < BATCH_BYTES && !ended {
                let from = batch.data.len();
                match lines.next(&mut batch.data).map_err(failed)? {
                    Some(at) if is_retry && work.only.binary_search(&at.number).is_err() => batch.data.truncate(from),
                    Some(at) => batch.lines.push((at, from..batch.data.len())),
                    None => ended = true,
                }
            }
            // A file that is done stays so while some of its lines are tried again.
            batch.end = match is_retry {
                true => (file.size, work.lines),
                false => (if ended { file.size } else { lines.offset }, lines.number),
            };
            no += 1;
            let slot = slots.lock().unwrap_or_else(PoisonError::into_inner).recv();
            if slot.is_err() || batches.send(batch).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn work_on(queue: &Mutex<Receiver<Batch>>, results: &Sender<Finished>, taker: &Taker<'_>) {
    loop {
        let batch = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        let no = batch.no;
        let finished = take_batch(batch, taker).map(|done| (no, done)).map_err(DepositError::from);
        let failed = finished.is_err();
        if results.send(finished).is_err() || failed {
            return;
        }
    }
}

fn take_batch(batch: Batch, taker: &Taker<'_>) -> Result<Done, StoreError> {
    let mut done = Done {
        versions: Vec::with_capacity(batch.lines.len()),
        bytes: batch.data.len(),
        ends: vec![(batch.file, batch.end.0, batch.end.1)],
        ..Done::default()
    };
    for (at, range) in batch.lines {
        if batch.is_retry {
            done.retried.push((batch.file, at.number));
        }
        let line = &batch.data[range];
        let taken = if at.is_long {
            Err(Refusal::new(Fault::LineTooLong, format!("longer than {} bytes", taker.limits.bytes_max)))
        } else {
            taker.take(line, place(batch.file, at.number))?
        };
        match taken {
            Ok(taken) => {
                done.owners += usize::from(done.last_owner.replace(taken.owner) != Some(taken.owner));
                done.kinds.push(taken.kind);
                done.warnings += taken.warnings;
                done.documents.extend(taken.documents);
                done.versions.push(taken.version);
            }
            Err(refusal) => done.held.push(Held { file: batch.file, at, refusal, bytes: line.to_vec() }),
        }
    }
    Ok(done)
}

/// Where a line stands in the bag: files in their order, lines in theirs. A file has less than 2^40 lines.
const fn place(file: usize, line: u64) -> u64 {
    (file as u64) << 40 | line
}

/// The file and line of what stands at a place.
pub(super) const fn source_place(source: i64) -> (usize, i64) {
    ((source >> 40) as usize, source & ((1 << 40) - 1))
}

impl Done {
    /// Whether it is as much as one transaction should write.
    fn is_enough(&self) -> bool {
        self.versions.len() + self.held.len() >= WRITE_ROWS || self.bytes >= WRITE_BYTES || self.owners >= WRITE_OWNERS
    }

    fn join(&mut self, other: Self) {
        self.versions.extend(other.versions);
        self.bytes += other.bytes;
        self.owners += other.owners;
        self.last_owner = other.last_owner.or(self.last_owner);
        self.kinds.extend(other.kinds);
        self.warnings += other.warnings;
        self.documents.extend(other.documents);
        self.held.extend(other.held);
        self.retried.extend(other.retried);
        for end in other.ends {
            match self.ends.last_mut() {
                Some(last) if last.0 == end.0 => *last = end,
                _ => self.ends.push(end),
            }
        }
    }
}
