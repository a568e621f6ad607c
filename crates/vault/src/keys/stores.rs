//! Key stores: wrapped keys in append-only files in three folders that are not the data sites.
//! Readable without the database, and useless without the root key.
//! The files are described in `file.rs` beside this one.

use super::file::{FILE_MAGIC, Found, is_clean, scan, write_record};
use super::{KeyError, KeyId, KeyIndex, KeyName, WrappedKey};
use crate::folder::{self, Belonging, Fault, Kind, SiteFault};
use crate::lane::{Lane, gather, lock};
use base::Id16;
use policy::{Action, Permit};
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// A file of this size in bytes is not appended to any more.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Keys in bytes that wait in memory for one store; beyond that the stores are compared whole.
const BEHIND_BYTES_MAX: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY_MAX: Duration = Duration::from_secs(300);

/// One key store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreConfig {
    /// Its name in messages: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// Its folder, best on a disk of its own.
    pub folder: PathBuf,
}

/// The key stores of an installation. A cheap handle.
#[derive(Clone)]
pub struct KeyStores(Arc<Inner>);

struct Inner {
    stores: Vec<Store>,
    quorum: usize,
}

struct Store {
    place: Arc<Place>,
    lane: Lane,
}

struct Place {
    name: String,
    folder: PathBuf,
    belonging: Arc<Belonging>,
    file: Mutex<Option<OpenFile>>,
    behind: Mutex<Behind>,
}

#[derive(Default)]
struct Behind {
    batches: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// More was lost than is kept here, or the program is new: the stores must be compared.
    compare: bool,
}

struct OpenFile {
    file: File,
    length: u64,
}

/// Where new keys are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The stores that have them; the others get them in the background.
    pub stores: Vec<String>,
}

/// A record, or what was left of one, that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The store.
    pub store: String,
    /// The file in it.
    pub file: String,
    /// Which bytes of it.
    pub bytes: Range<usize>,
    /// Whether it is the end of the file, as a write cut short leaves it.
    pub tail: bool,
}

/// What [`KeyStores::mend`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mended {
    /// Keys known in all, together.
    pub keys: usize,
    /// Keys written to a store that missed them.
    pub copied: usize,
    /// Records passed over.
    pub quarantined: Vec<Quarantined>,
    /// Stores that cannot be read or written.
    pub faults: Vec<SiteFault>,
}

impl KeyStores {
    /// Sets up folders as new key stores; leaves those alone that are key stores of the same name.
    pub fn create(stores: &[KeyStoreConfig]) -> Result<(), KeyError> {
        for store in stores {
            folder::set_up(&store.folder, Kind::Keys, &store.name)
                .map_err(|fault| KeyError::Config { reason: format!("{}: {fault}", store.name) })?;
        }
        Ok(())
    }

    /// Opens key stores of which `quorum` must take a key. A store that is away is a fault later, not an error here.
    /// A thread compares them now and lets a store that was away catch up.
    pub fn open(stores: Vec<KeyStoreConfig>, quorum: usize) -> Result<Self, KeyError> {
        check_config(&stores, quorum).map_err(|reason| KeyError::Config { reason })?;
        let no_thread = |error: io::Error| KeyError::Config { reason: format!("no thread can be started: {error}") };
        let said: Vec<_> =
            stores.iter().map(|store| folder::check(&store.folder, Kind::Keys, &store.name).ok().flatten()).collect();
        let belonging = Arc::new(Belonging::of_most(&said).ok_or_else(|| KeyError::Config {
            reason:
                "the key stores belong to different installations; check the mounts and the configuration".to_owned(),
        })?);
        let mut opened = Vec::with_capacity(stores.len());
        for KeyStoreConfig { name, folder } in stores {
            let lane = Lane::start("key-store", BEHIND_BYTES_MAX, PATIENCE).map_err(no_thread)?;
            let behind = Mutex::new(Behind { compare: true, ..Behind::default() });
            let (belonging, file) = (Arc::clone(&belonging), Mutex::new(None));
            opened.push(Store { place: Arc::new(Place { name, folder, belonging, file, behind }), lane });
        }
        let inner = Arc::new(Inner { stores: opened, quorum });
        let weak = Arc::downgrade(&inner);
        std::thread::Builder::new()
            .name("key-store-mender".to_owned())
            .spawn(move || keep_mending(&weak))
            .map_err(no_thread)?;
        Ok(Self(inner))
    }

    /// Appends keys to every store. When this returns `Ok`, they are durable (file and folder synced) in at least the
    /// quorum of stores, written with one sync a store; the rest follow in the background. After an `Err` some stores
    /// may have them: appending again is harmless.
    pub fn append(&self, keys: &[WrappedKey]) -> Result<Appended, KeyError> {
        let mut batch = Vec::with_capacity(keys.len() * 256);
        keys.iter().for_each(|key| write_record(&mut batch, &key.to_bytes()));
        self.0.append(&batch.into())
    }

    /// Tells whose the key stores are, before anything is written to them. A single one of another installation is a fault of
    /// that store and left as it is.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where so many are another's that no quorum is left.
    pub fn belong(&self, installation: Id16) -> Result<(), KeyError> {
        let said = |store: &Store| {
            let place = &store.place;
            let is_ours = place.belonging.settle(installation) && !matches!(place.check(), Err(Fault::Foreign(_)));
            (!is_ours).then(|| place.fault(Fault::Foreign(place.folder.clone())))
        };
        let faults: Vec<SiteFault> = self.0.stores.iter().filter_map(said).collect();
        let (wanted, reached) = (self.0.quorum, self.0.stores.len() - faults.len());
        if reached < wanted { Err(KeyError::TooFew { wanted, reached, faults }) } else { Ok(()) }
    }

    /// Writes whose they are into the key stores that do not say so yet. One that is away is marked at another time.
    pub fn mark(&self, installation: Id16) {
        for store in &self.0.stores {
            let place = &store.place;
            if let Err(fault) = folder::claim(&place.folder, Kind::Keys, &place.name, &installation) {
                tracing::warn!(store = place.name, %fault, "a key store is not marked as this installation's");
            }
        }
    }

    /// Every key in the stores, for tools and for rebuilding. All stores are read; damaged records are passed over and
    /// listed. An error only when no store can be read.
    pub fn load_index(&self) -> Result<MemoryIndex, KeyError> {
        let mut index = MemoryIndex::default();
        let mut readable = 0;
        for store in &self.0.stores {
            let visited = store.place.visit(&mut index.quarantined, &mut |payload| {
                if let Ok(key) = WrappedKey::from_bytes(payload) {
                    index.keys.entry(key.id).or_insert(key);
                }
            });
            match visited {
                Ok(()) => readable += 1,
                Err(fault) => index.faults.push(store.place.fault(fault)),
            }
        }
        if readable == 0 {
            return Err(KeyError::TooFew { wanted: 1, reached: 0, faults: index.faults });
        }
        for key in index.keys.values() {
            let named = index.names.entry(key.name.clone()).or_insert(key.id);
            *named = key.id.min(*named);
        }
        Ok(index)
    }

    /// Compares the stores whole and writes to each what it misses; durable when this returns. Needs a permit to repair.
    pub fn mend(&self, permit: &Permit) -> Result<Mended, KeyError> {
        if permit.action() != Action::Repair {
            return Err(KeyError::Refused { action: permit.action().name() });
        }
        Ok(self.0.mend())
    }

    /// Whether every store has everything, as far as this process knows.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.stores.iter().all(|store| store.lane.idle() && !lock(&store.place.behind).any())
    }
}

/// All keys in memory: an index for tools, not for a national archive.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    keys: HashMap<KeyId, WrappedKey>,
    names: HashMap<KeyName, KeyId>,
    /// Records that were passed over.
    pub quarantined: Vec<Quarantined>,
    /// Stores that could not be read.
    pub faults: Vec<SiteFault>,
}

impl MemoryIndex {
    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &WrappedKey> {
        self.keys.values()
    }
}

impl KeyIndex for MemoryIndex {
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.names.get(name).and_then(|id| self.keys.get(id)).cloned())
    }

    fn by_id(&self, id: KeyId) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.keys.get(&id).cloned())
    }
}

impl Inner {
    fn append(&self, batch: &Arc<[u8]>) -> Result<Appended, KeyError> {
        let (send, results) = channel();
        for (number, store) in self.stores.iter().enumerate() {
            let (send, place, batch) = (send.clone(), Arc::clone(&store.place), Arc::clone(batch));
            let queued = store.lane.submit(batch.len(), {
                let batch = Arc::clone(&batch);
                // Nobody listens any more once the quorum is reached.
                move || drop(send.send((number, place.append(&batch))))
            });
            if !queued {
                lock(&store.place.behind).add(batch);
            }
        }
        drop(send);
        let gathered = gather(&results, self.stores.len(), self.quorum, PATIENCE);
        let name = |number: &usize| self.stores[*number].place.name.clone();
        if gathered.done.len() >= self.quorum {
            return Ok(Appended { stores: gathered.done.iter().map(name).collect() });
        }
        let mut faults: Vec<_> =
            gathered.failed.into_iter().map(|(number, fault)| self.stores[number].place.fault(fault)).collect();
        for (number, store) in self.stores.iter().enumerate() {
            if !gathered.done.contains(&number) && !faults.iter().any(|fault| fault.name == store.place.name) {
                faults.push(store.place.fault(Fault::Slow));
            }
        }
        Err(KeyError::TooFew { wanted: self.quorum, reached: gathered.done.len(), faults })
    }

    /// First pass: which store has which key. Second pass: copy. Memory is one small entry a key.
    fn mend(&self) -> Mended {
        let mut report = Mended::default();
        let mut held: HashMap<KeyId, u32> = HashMap::new();
        let mut readable = Vec::new();
        for (number, store) in self.stores.iter().enumerate() {
            let visited = store.place.visit(&mut report.quarantined, &mut |payload| {
                if let Some(id) = id_of(payload) {
                    *held.entry(id).or_default() |= 1 << number;
                }
            });
            match visited {
                Ok(()) => readable.push(number),
                Err(fault) => report.faults.push(store.place.fault(fault)),
            }
        }
        report.keys = held.len();
        let all = readable.iter().fold(0, |bits, number| bits | 1 << number);
        let mut missing: Vec<Vec<u8>> = vec![Vec::new(); self.stores.len()];
        held.retain(|_, bits| *bits & all != all);
        for source in &readable {
            let copied = &mut report.copied;
            let visited = self.stores[*source].place.visit(&mut Vec::new(), &mut |payload| {
                let Some(bits) = id_of(payload).and_then(|id| held.get_mut(&id)) else { return };
                for number in readable.iter().filter(|number| *bits & (1 << **number) == 0) {
                    write_record(&mut missing[*number], payload);
                    *copied += 1;
                }
                *bits = all;
            });
            if let Err(fault) = visited {
                report.faults.push(self.stores[*source].place.fault(fault));
            }
        }
        for (number, batch) in missing.into_iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            if let Err(fault) = self.stores[number].place.append(&batch.into()) {
                report.faults.push(self.stores[number].place.fault(fault));
            }
        }
        report
    }

    /// Lets stores that are back catch up. `false` when one answers and still does not take what it misses.
    fn catch_up(&self) -> bool {
        let mut well = true;
        // A store that is away is not worth reading the others for.
        let back = |place: &Place| place.check().is_ok();
        if self.stores.iter().any(|store| lock(&store.place.behind).compare && back(&store.place)) {
            self.stores.iter().for_each(|store| lock(&store.place.behind).compare = false);
            for fault in self.mend().faults {
                tracing::warn!(store = fault.name, fault = %fault.fault, "a key store is behind");
                let store = self.stores.iter().find(|store| store.place.name == fault.name);
                if let Some(store) = store {
                    well &= !back(&store.place);
                    lock(&store.place.behind).compare = true;
                }
            }
        }
        for store in self.stores.iter().filter(|store| !lock(&store.place.behind).batches.is_empty()) {
            let place = Arc::clone(&store.place);
            store.lane.submit(0, move || drop(place.append(&Arc::from([]))));
        }
        well
    }
}

fn keep_mending(inner: &Weak<Inner>) {
    let mut pause = RETRY_EVERY;
    while let Some(strong) = inner.upgrade() {
        pause = if strong.catch_up() { RETRY_EVERY } else { (pause * 2).min(RETRY_EVERY_MAX) };
        drop(strong);
        std::thread::sleep(pause);
    }
}

impl Behind {
    fn any(&self) -> bool {
        self.compare || !self.batches.is_empty()
    }

    fn add(&mut self, batch: Arc<[u8]>) {
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

impl Place {
    fn check(&self) -> Result<(), Fault> {
        self.belonging.check(&self.folder, Kind::Keys, &self.name)
    }

    fn fault(&self, fault: Fault) -> SiteFault {
        SiteFault { name: self.name.clone(), fault }
    }

    /// Appends what this store is behind with and then `batch`, and syncs. On a fault all of it is behind.
    fn append(&self, batch: &Arc<[u8]>) -> Result<(), Fault> {
        let mut file = lock(&self.file);
        let mut behind = lock(&self.behind);
        behind.add(Arc::clone(batch));
        let bytes = behind.batches.iter().flat_map(|batch| batch.iter().copied()).collect::<Vec<u8>>();
        drop(behind);
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.check().and_then(|()| self.write(&mut file, &bytes));
        match written {
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
                Err(fault)
            }
        }
    }

    fn write(&self, slot: &mut Option<OpenFile>, bytes: &[u8]) -> Result<(), Fault> {
        let fault = |error: io::Error| Fault::of_io(&error, &self.folder);
        if slot.as_ref().is_none_or(|open| open.length >= FILE_BYTES_MAX) {
            *slot = Some(self.claim().map_err(fault)?);
        }
        let open = slot.as_mut().expect("it was claimed in the line above");
        open.file.write_all(bytes).and_then(|()| open.file.sync_data()).map_err(fault)?;
        open.length += bytes.len() as u64;
        Ok(())
    }

    /// Locks a clean file that has room, newest first, or begins the next number.
    fn claim(&self) -> io::Result<OpenFile> {
        let numbers = self.numbers()?;
        for number in numbers.iter().rev().take(8) {
            let path = self.folder.join(file_name(*number));
            let file = OpenOptions::new().append(true).open(&path)?;
            let length = file.metadata()?.len();
            if length < FILE_BYTES_MAX && file.try_lock().is_ok() && is_clean(&fs::read(&path)?) {
                return Ok(OpenFile { file, length });
            }
        }
        let mut next = numbers.last().map_or(1, |last| last + 1);
        loop {
            let path = self.folder.join(file_name(next));
            match OpenOptions::new().append(true).create_new(true).open(path) {
                Ok(mut file) => {
                    file.lock()?;
                    file.write_all(FILE_MAGIC)?;
                    file.sync_all()?;
                    folder::sync_folder(&self.folder)?;
                    return Ok(OpenFile { file, length: FILE_MAGIC.len() as u64 });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => next += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number: Option<u32> =
                name.to_str().and_then(|name| name.strip_suffix(".keys")).and_then(|name| name.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Shows every sound record's payload, file by file.
    fn visit(&self, quarantined: &mut Vec<Quarantined>, see: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        self.check()?;
        let fault = |error: io::Error| Fault::of_io(&error, &self.folder);
        for number in self.numbers().map_err(fault)? {
            let bytes = read_bounded(&self.folder.join(file_name(number))).map_err(fault)?;
            scan(&bytes, &mut |found| match found {
                Found::Record(payload) => see(payload),
                Found::Damaged(range) => {
                    let tail = range.end == bytes.len();
                    quarantined.push(Quarantined {
                        store: self.name.clone(),
                        file: file_name(number),
                        bytes: range,
                        tail,
                    });
                }
            });
        }
        Ok(())
    }
}

fn file_name(number: u32) -> String {
    format!("{number:04}.keys")
}

/// A file never much exceeds its size: one batch more. Anything beyond that is not ours.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > 4 * FILE_BYTES_MAX {
        return Err(io::Error::other(format!("{} is larger than any key file", path.display())));
    }
    fs::read(path)
}

fn check_config(stores: &[KeyStoreConfig], quorum: usize) -> Result<(), String> {
    if quorum == 0 || quorum > stores.len() || stores.len() > 16 {
        return Err(format!("{quorum} of {} cannot be a quorum; configure 1 to 16 stores", stores.len()));
    }
    for (number, store) in stores.iter().enumerate() {
        if !folder::is_name(&store.name) {
            return Err(format!(
                "{:?} is not a name; use 1 to 64 of A-Z, a-z, 0-9, dot, dash and underscore",
                store.name
            ));
        }
        if stores[..number].iter().any(|other| other.name == store.name || other.folder == store.folder) {
            return Err(format!("{} is there twice; each store needs a name and a folder of its own", store.name));
        }
    }
    Ok(())
}

fn id_of(payload: &[u8]) -> Option<KeyId> {
    payload.get(1..17)?.try_into().ok().map(|id| KeyId(base::Id16(id)))
}
