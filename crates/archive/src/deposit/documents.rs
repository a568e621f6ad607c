//! Documents: each is checked against what its resource says and streamed to the sites; what nobody points to is held back.

use super::bag::{Bag, Digest, PayloadFile};
use super::check::{Flaw, check, ends, outline};
use super::fault::{Fault, Refusal};
use super::keep::Keeper;
use super::payload::{Hasher, open};
use super::pipeline::source_place;
use super::survey::is_ndjson;
use super::{Deposit, DepositError, Stage};
use crate::ArchiveError;
use crate::institutions::composed;
use crate::tables::{self, DocumentRow, DocumentState, HeldRow, Marks, WaitingAfter};
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base::Id16;
use policy::{InstitutionCode, Owner, Permit};
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use store::{ObjectHead, ObjectWriter, PreparedObject, StoreError};
use vault::ClassName;

/// Documents up to this are held in memory and parsed; larger ones are streamed and looked at from both ends.
const IN_MEMORY_BYTES: u64 = 16 << 20;
/// Documents asked for at once.
const PAGE: usize = 500;
/// Patients that are named whose resources point to one file.
const SHARED_NAMED: usize = 5;
/// Answers of workers that may wait to be written.
const WAITING: usize = 8;

/// One file to take.
enum Job {
    /// A resource points to it. `known` where an earlier deposit brought the same bytes for the same patient. `shared` says which
    /// lines do so where they are about several patients.
    Document { row: DocumentRow, known: Option<Id16>, shared: Option<String> },
    /// Nobody does: its place in the bag.
    Loose { place: usize, refusal: Refusal },
}

/// What became of files whose bytes, where they are kept, are durable.
#[derive(Default)]
struct Done {
    objects: Vec<PreparedObject>,
    states: Vec<(Owner, String, DocumentState)>,
    held: Vec<HeldRow>,
    files: u64,
}

type Finished = Result<Done, DepositError>;

impl Deposit<'_> {
    /// Takes in every document that waits, and holds back what nobody points to.
    pub(super) fn documents(&mut self, permit: &Permit) -> Result<(), DepositError> {
        let total = self.bag.files.iter().filter(|file| !is_ndjson(&file.path)).count() as u64;
        self.stage(Stage::Documents, total);
        let keeper = self.keeper();
        std::thread::scope(|scope| {
            let (jobs, queue) = sync_channel(PAGE);
            let (results, done) = sync_channel(WAITING);
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..self.archive.inner.config.workers.max(1) {
                let (queue, results) = (Arc::clone(&queue), results.clone());
                scope.spawn(move || {
                    let working = Worker::start(keeper, permit).and_then(|worker| worker.work(&queue, &results));
                    if let Err(error) = working {
                        // Nobody hears it where the deposit failed already.
                        let _ = results.send(Err(error));
                    }
                });
            }
            drop(queue);
            scope.spawn(move || {
                if let Err(error) = feed(&keeper, permit, &jobs) {
                    let _ = results.send(Err(error));
                }
            });
            self.write_documents(permit, done)
        })
    }

    fn write_documents(&mut self, permit: &Permit, results: Receiver<Finished>) -> Result<(), DepositError> {
        let mut waiting = Done::default();
        while let Ok(finished) = results.recv() {
            let done = finished?;
            let has_objects = !done.objects.is_empty();
            waiting.join(done);
            if has_objects || waiting.states.len() + waiting.held.len() >= PAGE {
                self.write_done(permit, std::mem::take(&mut waiting))?;
            }
        }
        self.write_done(permit, waiting)
    }

    fn write_done(&mut self, permit: &Permit, done: Done) -> Result<(), DepositError> {
        if done.objects.is_empty() && done.states.is_empty() && done.held.is_empty() {
            return Ok(());
        }
        let is_taken = |state: &DocumentState| matches!(state, DocumentState::Taken(_) | DocumentState::Already(_));
        let taken = done.states.iter().filter(|(_, _, state)| is_taken(state)).count();
        let held_count = done.held.len();
        let marks = Marks { states: done.states, held: done.held, ..self.marks() };
        let extra: store::Extra = Box::new(move |tx, _| marks.apply(tx));
        self.archive.store().write(permit, Vec::new(), done.objects, Some(extra))?;
        self.progress.documents += taken as u64;
        self.progress.held_back += held_count as u64;
        self.step(done.files);
        Ok(())
    }
}

impl Done {
    fn join(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.states.extend(other.states);
        self.held.extend(other.held);
        self.files += other.files;
    }
}

/// Sends every document that waits, then every other file that nothing was said of. Ends quietly where nobody takes jobs.
fn feed(keeper: &Keeper<'_>, permit: &Permit, jobs: &SyncSender<Job>) -> Result<(), DepositError> {
    let (store, bag) = (keeper.archive.store(), keeper.bag);
    let names = keeper.archive.names()?;
    let mut after = WaitingAfter::default();
    loop {
        let (page, next) = tables::waiting_documents(store, names, keeper.deposit, &after, PAGE)?;
        if page.is_empty() {
            break;
        }
        after = next;
        let ids: Vec<(Owner, Id16)> = page.iter().map(|row| (row.owner, known_id(keeper, row))).collect();
        let known = store.known_objects(permit, keeper.institution, &ids)?;
        for ((row, (_, id)), known) in page.into_iter().zip(ids).zip(known) {
            let shared = shared(keeper, &row)?;
            if jobs.send(Job::Document { row, known: known.then_some(id), shared }).is_err() {
                return Ok(());
            }
        }
    }
    let loose: Vec<usize> = (0..bag.files.len()).filter(|place| !is_ndjson(&bag.files[*place].path)).collect();
    for places in loose.chunks(PAGE) {
        let paths: Vec<String> = places.iter().map(|place| composed(&bag.files[*place].path)).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let unmentioned = tables::unmentioned(store, names, keeper.deposit, &paths)?;
        for ((place, path), _) in places.iter().zip(&paths).zip(unmentioned).filter(|(_, unmentioned)| *unmentioned) {
            let refusal = if path.starts_with("data/documents/") {
                Refusal::new(Fault::Unreferenced, "no resource points to it, so it is unknown whose it is")
            } else {
                Refusal::new(Fault::UnknownFile, "neither NDJSON below data/fhir nor a document below data/documents")
            };
            if jobs.send(Job::Loose { place: *place, refusal }).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Why nobody is handed a file to which resources of several patients point; `None` where those of one do. Which of them it is about
/// cannot be known, and it may be a slip that would show one person's record to another.
fn shared(keeper: &Keeper<'_>, row: &DocumentRow) -> Result<Option<String>, DepositError> {
    if !matches!(row.owner, Owner::Patient(_)) {
        return Ok(None);
    }
    let names = keeper.archive.names()?;
    let sources = tables::shared_by(keeper.archive.store(), names, keeper.deposit, &row.path, SHARED_NAMED)?;
    let place = |source: i64| {
        let (file, line) = source_place(source);
        keeper.bag.files.get(file).map(|file| format!("{} line {line}", file.path))
    };
    let places: Vec<String> = sources.iter().filter_map(|source| place((*source)?)).collect();
    Ok((!sources.is_empty()).then(|| {
        format!(
            "resources of different patients point to it, so it is unknown whose it is ({}); give each patient a file of their own",
            places.join(", ")
        )
    }))
}

/// The id that a document will have, as far as the manifest tells; else one that nothing has.
fn known_id(keeper: &Keeper<'_>, row: &DocumentRow) -> Id16 {
    match keeper.bag.find(&row.path).map(|file| &file.digest) {
        Some(Digest::Sha256(sha256)) => object_id(keeper.institution, row, sha256),
        _ => Id16::default(),
    }
}

fn object_id(institution: &InstitutionCode, row: &DocumentRow, sha256: &[u8; 32]) -> Id16 {
    Id16::derived(&["object", institution.as_str(), &row.owner.id().to_string(), &row.path, &base::hex(sha256)])
}

/// What waits until its object is durable.
enum Pending {
    Taken(Owner, String),
    Held(HeldRow, Option<(Owner, String)>),
}

struct Worker<'a> {
    keeper: Keeper<'a>,
    writer: ObjectWriter<'a>,
    pending: HashMap<Id16, Pending>,
    buffer: Vec<u8>,
    done: Done,
}

impl<'a> Worker<'a> {
    fn start(keeper: Keeper<'a>, permit: &'a Permit) -> Result<Self, DepositError> {
        let writer = keeper.archive.store().object_writer(permit)?;
        Ok(Self { keeper, writer, pending: HashMap::new(), buffer: Vec::new(), done: Done::default() })
    }

    fn work(mut self, queue: &Mutex<Receiver<Job>>, results: &SyncSender<Finished>) -> Result<(), DepositError> {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match job {
                Ok(Job::Document { row, known, shared }) => self.document(row, known, shared)?,
                Ok(Job::Loose { place, refusal }) => self.loose(place, refusal)?,
                Err(_) => break,
            }
            self.done.files += 1;
            let ready = !self.done.objects.is_empty() || self.done.files >= PAGE as u64 / 8;
            if ready && results.send(Ok(std::mem::take(&mut self.done))).is_err() {
                return Ok(());
            }
        }
        let Self { writer, mut pending, mut done, .. } = self;
        settle(writer.finish()?, &mut pending, &mut done);
        let _ = results.send(Ok(done));
        Ok(())
    }

    fn document(&mut self, row: DocumentRow, known: Option<Id16>, shared: Option<String>) -> Result<(), DepositError> {
        if let Some(object) = known.filter(|_| shared.is_none()) {
            self.done.states.push((row.owner, row.path, DocumentState::Already(object)));
            return Ok(());
        }
        let bag = self.keeper.bag;
        let Some(file) = bag.find(&row.path) else {
            let refusal = Refusal::new(Fault::Missing, "a resource points to it, and it is not in the bag");
            self.done.states.push((row.owner, row.path.clone(), DocumentState::Missing));
            self.done.held.push(held(&row.path, refusal, None));
            return Ok(());
        };
        match self
            .read(file, Some(&row))
            .and_then(|read| shared.map_or(Ok(read), |why| Err(Refusal::new(Fault::SharedDocument, why))))
        {
            Ok((sha256, media_type)) => self.put(row, file, sha256, media_type),
            Err(refusal) => self.hold(file, &row.path.clone(), refusal, Some((row.owner, row.path))),
        }
    }

    fn loose(&mut self, place: usize, refusal: Refusal) -> Result<(), DepositError> {
        let file = &self.keeper.bag.files[place];
        let path = composed(&file.path);
        match self.read(file, None) {
            Ok(_) => self.hold(file, &path, refusal, None),
            Err(worse) => self.hold(file, &path, worse, None),
        }
    }

    /// Reads a file, into the buffer where it is small enough; checks it against the manifest and, for a document, against
    /// what its resource says. Gives SHA-256 and media type.
    fn read(&mut self, file: &PayloadFile, row: Option<&DocumentRow>) -> Result<([u8; 32], &'static str), Refusal> {
        let limit = self.keeper.archive.limits().document_bytes;
        if file.size > limit {
            return Err(Refusal::new(Fault::TooLarge, format!("{} bytes; at most {limit} are taken", file.size)));
        }
        let unreadable =
            |_| Refusal::new(Fault::Unreadable, "it cannot be read, or was changed while the bag was read");
        let mut source = open(self.keeper.bag, file).map_err(unreadable)?;
        self.buffer.clear();
        let in_memory = file.size <= IN_MEMORY_BYTES;
        let mut digests = Digests::new(file);
        let mut chunk = if in_memory { Vec::new() } else { vec![0; 256 << 10] };
        let edges = if in_memory { None } else { Some(ends(&mut source, file.size).map_err(unreadable)?) };
        if in_memory {
            (&mut source).take(file.size + 1).read_to_end(&mut self.buffer).map_err(unreadable)?;
            digests.update(&self.buffer);
        } else {
            source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            loop {
                match source.read(&mut chunk).map_err(unreadable)? {
                    0 => break,
                    read => digests.update(&chunk[..read]),
                }
            }
        }
        let Some((sha256, sha1)) = digests.finish() else {
            return Err(Refusal::new(Fault::Checksum, "the checksum is not that of the manifest: it was not taken"));
        };
        let Some(row) = row else { return Ok((sha256, "application/octet-stream")) };
        let claim = |reason: &str| Refusal::new(Fault::NotAsClaimed, reason);
        if row.size.is_some_and(|size| size != file.size) {
            return Err(claim("its size is not the one that its resource gives"));
        }
        if row.sha1.is_some_and(|claimed| claimed != sha1) {
            return Err(claim("its SHA-1 is not the one that its resource gives"));
        }
        let format = match &edges {
            None => check(&self.buffer, &row.content_type, &self.keeper.archive.inner.inspector),
            Some((head, tail)) => outline(head, tail, &row.content_type).map_err(Flaw::Document),
        };
        format.map(|format| (sha256, format.media_type())).map_err(|flaw| match flaw {
            Flaw::Document(reason) => claim(reason),
            // Depositing again looks at it again.
            Flaw::Unchecked => Refusal::new(
                Fault::Unreadable,
                "no process could be started that would look at it: it was not taken; deposit again",
            ),
        })
    }

    fn put(
        &mut self,
        row: DocumentRow,
        file: &PayloadFile,
        sha256: [u8; 32],
        media_type: &str,
    ) -> Result<(), DepositError> {
        let id = object_id(self.keeper.institution, &row, &sha256);
        let class = ClassName::new(&row.class);
        let class = class
            .ok_or_else(|| ArchiveError::Damaged { what: "a document", reason: "its class is no slug".to_owned() })?;
        let head = ObjectHead {
            id,
            owner: row.owner,
            institution: self.keeper.institution.clone(),
            class,
            expiry_year: row.expiry_year,
            content_type: media_type.to_owned(),
            sha256,
            size: file.size,
        };
        let put = if file.size <= IN_MEMORY_BYTES {
            self.writer.put(&head, &mut &self.buffer[..])
        } else {
            let failed = |source| DepositError::Payload { path: file.path.clone(), source };
            self.writer.put(&head, &mut open(self.keeper.bag, file).map_err(failed)?)
        };
        match put {
            Ok(durable) => {
                self.pending.insert(id, Pending::Taken(row.owner, row.path));
                settle(durable, &mut self.pending, &mut self.done);
                Ok(())
            }
            Err(StoreError::ObjectMismatch { .. } | StoreError::ObjectSource(_)) => {
                let refusal = Refusal::new(Fault::Unreadable, "it was changed while the bag was read");
                self.done.states.push((row.owner, row.path.clone(), DocumentState::HeldBack));
                self.done.held.push(held(&row.path, refusal, None));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Holds a file back. Its bytes are kept where they are what the manifest says and not too many.
    fn hold(
        &mut self,
        file: &PayloadFile,
        path: &str,
        refusal: Refusal,
        document: Option<(Owner, String)>,
    ) -> Result<(), DepositError> {
        let is_loose = matches!(refusal.fault, Fault::Unreferenced | Fault::UnknownFile);
        let keeps = !matches!(refusal.fault, Fault::Checksum | Fault::TooLarge | Fault::Unreadable)
            && (self.keeper.keeps_loose || !is_loose);
        // Two patients may share a document that is not what it claims: each gets a row of its own.
        let name = document.as_ref().map_or(path.to_owned(), |(owner, path)| format!("{path} {}", owner.id()));
        let kept = match (keeps, file.size <= IN_MEMORY_BYTES) {
            (false, _) => None,
            (true, true) => {
                let media_type = "application/octet-stream";
                Some(self.keeper.bytes(&mut self.writer, &name, &self.buffer, media_type)?)
            }
            (true, false) => self.keeper.part(&mut self.writer, &name, file, 0, file.size)?,
        };
        match kept {
            Some((id, durable)) => {
                self.pending.insert(id, Pending::Held(held(path, refusal, Some(id)), document));
                settle(durable, &mut self.pending, &mut self.done);
            }
            None => {
                self.done.held.push(held(path, refusal, None));
                self.done.states.extend(document.map(|(owner, path)| (owner, path, DocumentState::HeldBack)));
            }
        }
        Ok(())
    }
}

/// What waited for these objects is done.
fn settle(durable: Vec<PreparedObject>, pending: &mut HashMap<Id16, Pending>, done: &mut Done) {
    for object in durable {
        match pending.remove(&object.id()) {
            Some(Pending::Taken(owner, path)) => done.states.push((owner, path, DocumentState::Taken(object.id()))),
            Some(Pending::Held(row, document)) => {
                done.held.push(row);
                done.states.extend(document.map(|(owner, path)| (owner, path, DocumentState::HeldBack)));
            }
            None => {}
        }
        done.objects.push(object);
    }
}

fn held(path: &str, refusal: Refusal, object: Option<Id16>) -> HeldRow {
    HeldRow { path: path.to_owned(), line: 0, fault: refusal.fault.slug(), reason: refusal.reason, object }
}

/// All digests of a file in one reading.
struct Digests {
    manifest: Hasher,
    sha256: Context,
    sha1: Context,
}

impl Digests {
    fn new(file: &PayloadFile) -> Self {
        Self {
            manifest: Hasher::of(&file.digest),
            sha256: Context::new(&SHA256),
            sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.manifest.update(bytes);
        self.sha256.update(bytes);
        self.sha1.update(bytes);
    }

    /// SHA-256 and SHA-1; `None` where the file is not the one of the manifest.
    fn finish(self) -> Option<([u8; 32], [u8; 20])> {
        if !self.manifest.matches() {
            return None;
        }
        let (mut sha256, mut sha1) = ([0; 32], [0; 20]);
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        sha1.copy_from_slice(self.sha1.finish().as_ref());
        Some((sha256, sha1))
    }
}

impl Bag {
    /// The payload file of a path, in whichever Unicode form the sender's system wrote it.
    pub(super) fn find(&self, path: &str) -> Option<&PayloadFile> {
        self.place(path).map(|place| &self.files[place])
    }

    /// Where that file stands in the list.
    pub(super) fn place(&self, path: &str) -> Option<usize> {
        use unicode_normalization::UnicodeNormalization;
        let at = |path: &str| self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok();
        at(path).or_else(|| at(&composed(path))).or_else(|| at(&path.nfd().collect::<String>()))
    }
}
