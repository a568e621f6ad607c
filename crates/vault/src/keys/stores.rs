//! Key stores: wrapped keys in append-only files in three folders that are not the data sites.
//! Readable without the database, and useless without the root key.
//! The files are described in `file.rs` beside this one.

use super::compact::Compacted;
use super::file::write_record;
use super::gone::Destroyed;
use super::mend::keep_mending;
use super::place::{BEHIND_BYTES_MAX, Place, says};
use super::ring::check_repair;
use super::store::Store;
use super::{KeyError, KeyId, KeyIndex, KeyName, WrappedKey};
use crate::folder::{self, Belonging, Fault, Kind, SiteFault};
use crate::lane::{Asking, Lane, gather, lock};
use base::{Id16, Seams, Timestamp};
use policy::Permit;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use zeroize::Zeroizing;

/// The place where a test may make a key store's write fail ([`base::Seam`]).
pub const KEY_WRITE: &str = "vault/keys/write";
/// The same for whatever a key store is asked: a test may hold the answer up.
pub const KEY_READ: &str = "vault/keys/read";
/// The same for a file of keys that was just made, and that is empty still.
pub const KEY_CLAIM: &str = "vault/keys/claim";

/// How long a write waits for a store that says nothing where the quorum depends on it.
const QUORUM_PATIENCE: Duration = Duration::from_secs(30);
/// How long a store may take to answer before it is taken for one that hangs: a whole file is an answer too.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// How long a write waits for room in the lane of one store before it leaves that store behind.
const LANE_PATIENCE: Duration = Duration::from_secs(2);
/// Questions to one store that are answered at once.
const QUESTIONS_AT_ONCE: usize = 4;

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

pub(super) struct Inner {
    pub(super) stores: Vec<Store>,
    quorum: usize,
    /// How long a write waits for a store that says nothing.
    patience: Duration,
    /// Under what the list of destroyed keys is checked, once it is known.
    pub(super) secret: OnceLock<Zeroizing<[u8; 32]>>,
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
    /// Destroyed keys that are listed.
    pub destroyed: usize,
    /// Keys written to a store that missed them.
    pub copied: usize,
    /// Records passed over.
    pub quarantined: Vec<Quarantined>,
    /// Stores that cannot be read or written.
    pub faults: Vec<SiteFault>,
}

/// How a key store is doing, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreStatus {
    /// The store.
    pub name: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// Whether it may miss keys that others have.
    pub behind: bool,
    /// The last fault since it was last in order.
    pub last_fault: Option<Fault>,
}

/// What [`KeyStores::compare`] found in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStoreReport {
    /// The store.
    pub name: String,
    /// Keys that it holds.
    pub keys: usize,
    /// Keys that others hold and it does not.
    pub missing: usize,
    /// Records of destroyed keys that are still in its files, until the store is compacted.
    pub dead: usize,
    /// Records that are damaged or torn. Each is harmless while `missing` is 0: the key stands somewhere else too.
    pub damaged: usize,
    /// When it was last written to, by the clock of its disk.
    pub newest: Option<Timestamp>,
    /// Why it cannot be read, where it cannot.
    pub fault: Option<Fault>,
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
        Self::open_under(stores.into_iter().map(|store| (store, Seams::default())).collect(), quorum)
    }

    /// As [`KeyStores::open`], with what a test puts behind the places [`KEY_WRITE`], [`KEY_READ`] and [`KEY_CLAIM`] of each.
    pub fn open_under(stores: Vec<(KeyStoreConfig, Seams)>, quorum: usize) -> Result<Self, KeyError> {
        Self::with_patience(stores, quorum, QUORUM_PATIENCE)
    }

    /// As [`KeyStores::open_under`], and so long is waited for a store that says nothing, for an answer where that is less than it
    /// waits otherwise.
    pub fn with_patience(
        stores: Vec<(KeyStoreConfig, Seams)>,
        quorum: usize,
        patience: Duration,
    ) -> Result<Self, KeyError> {
        let stores = Self::open_places(stores, quorum, patience)?;
        let weak = Arc::downgrade(&stores.0);
        std::thread::Builder::new()
            .name("key-store-mender".to_owned())
            .spawn(move || keep_mending(&weak))
            .map_err(no_thread)?;
        Ok(stores)
    }

    /// As [`KeyStores::open`], and nothing is mended unless asked: to look at them as they are.
    pub fn open_as_they_are(stores: Vec<KeyStoreConfig>, quorum: usize) -> Result<Self, KeyError> {
        let stores = stores.into_iter().map(|store| (store, Seams::default())).collect();
        Self::open_places(stores, quorum, QUORUM_PATIENCE)
    }

    fn open_places(stores: Vec<(KeyStoreConfig, Seams)>, quorum: usize, patience: Duration) -> Result<Self, KeyError> {
        let (stores, seams): (Vec<KeyStoreConfig>, Vec<Seams>) = stores.into_iter().unzip();
        check_config(&stores, quorum).map_err(|reason| KeyError::Config { reason })?;
        let answer_wait = ANSWER_WAIT.min(patience);
        let ask = |(store, seams): (KeyStoreConfig, Seams)| {
            let asking = Asking::start("key-store-questions", QUESTIONS_AT_ONCE).map_err(no_thread)?;
            let (KeyStoreConfig { name, folder }, behind) = (store.clone(), seams.clone());
            let said = asking.ask(answer_wait, move || says(&folder, &name, &behind));
            Ok((store, seams, asking, said.unwrap_or(Err(Fault::Slow))))
        };
        let asked = stores.into_iter().zip(seams).map(ask).collect::<Result<Vec<_>, KeyError>>()?;
        let said: Vec<_> = asked.iter().map(|(.., said)| said.clone().ok().flatten()).collect();
        let belonging = Arc::new(Belonging::of_most(&said).ok_or_else(|| KeyError::Config {
            reason:
                "the key stores belong to different installations; check the mounts and the configuration".to_owned(),
        })?);
        let mut opened = Vec::with_capacity(asked.len());
        for (KeyStoreConfig { name, folder }, seams, asking, said) in asked {
            let lane = Lane::start("key-store", BEHIND_BYTES_MAX, LANE_PATIENCE.min(patience)).map_err(no_thread)?;
            let place = Arc::new(Place::new(name, folder, Arc::clone(&belonging), said, seams));
            opened.push(Store { place, lane, asking, answer_wait });
        }
        Ok(Self(Arc::new(Inner { stores: opened, quorum, patience, secret: OnceLock::new() })))
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
    /// that store and left as it is; one that is away or hangs is looked at when it is back.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where so many are another's that no quorum is left.
    pub fn belong(&self, installation: Id16) -> Result<(), KeyError> {
        let said = |store: &Store| {
            let fault = store.ask(move |place| place.belong(installation)).err();
            fault.filter(|fault| matches!(fault, Fault::Foreign(_))).map(|fault| store.place.fault(fault))
        };
        let faults: Vec<SiteFault> = self.0.stores.iter().filter_map(said).collect();
        let (wanted, reached) = (self.0.quorum, self.0.stores.len() - faults.len());
        if reached < wanted { Err(KeyError::TooFew { wanted, reached, faults }) } else { Ok(()) }
    }

    /// Writes whose they are into the key stores that do not say so yet. One that is away is marked at another time.
    pub fn mark(&self, installation: Id16) {
        for store in &self.0.stores {
            if let Err(fault) = store.ask(move |place| place.mark(installation)) {
                tracing::warn!(store = store.place.name, %fault, "a key store is not marked as this installation's");
            }
        }
    }

    /// Tells under what secret the list of destroyed keys is checked; from now on entries that were not made with it count for
    /// nothing.
    pub fn trust(&self, secret: [u8; 32]) {
        let _ = self.0.secret.set(Zeroizing::new(secret));
    }

    /// Puts keys on the list of destroyed keys, for good: durable in the quorum of stores when this returns `Ok`; the rest get
    /// it from the comparison. From then on no store brings one of them back. Needs a permit to repair.
    ///
    /// # Errors
    /// [`KeyError::Refused`], and [`KeyError::TooFew`], after which some stores may have it: to be done again.
    pub fn destroy(&self, permit: &Permit, entries: &[Destroyed]) -> Result<Appended, KeyError> {
        check_repair(permit)?;
        if entries.is_empty() {
            return Ok(Appended { stores: Vec::new() });
        }
        let (mut stores, mut faults) = (Vec::new(), Vec::new());
        let entries: Arc<[Destroyed]> = entries.into();
        for store in &self.0.stores {
            match store.append_gone(Arc::clone(&entries)) {
                Ok(()) => stores.push(store.place.name.clone()),
                Err(fault) => faults.push(store.place.fault(fault)),
            }
            // What waits for a store in memory may be what is destroyed.
            store.place.reconsider();
        }
        let (wanted, reached) = (self.0.quorum, stores.len());
        if reached < wanted { Err(KeyError::TooFew { wanted, reached, faults }) } else { Ok(Appended { stores }) }
    }

    /// The destroyed keys, from every store that can be read.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where fewer lists can be read whole than must be for one of them to have every entry.
    pub fn destroyed(&self) -> Result<Vec<Destroyed>, KeyError> {
        let listed = self.0.listed();
        let (wanted, reached) = (self.0.lists_wanted(), listed.readable.count_ones() as usize);
        if reached < wanted {
            let faulty = self.0.stores.iter().zip(listed.faults);
            let faults = faulty.filter_map(|(store, fault)| Some(store.place.fault(fault?))).collect();
            return Err(KeyError::TooFew { wanted, reached, faults });
        }
        if listed.foreign > 0 {
            tracing::warn!(
                entries = listed.foreign,
                "entries of a list of destroyed keys are not this installation's and are ignored"
            );
        }
        Ok(listed.gone.0.into_values().collect())
    }

    /// The destroyed keys that at least the quorum of stores list: these are listed for good, whichever store is lost.
    #[must_use]
    pub fn listed_for_good(&self) -> HashSet<KeyId> {
        let bits = self.0.listed().bits;
        bits.into_iter().filter(|(_, bits)| bits.count_ones() as usize >= self.0.quorum).map(|(id, _)| id).collect()
    }

    /// Whether an entry of a list of destroyed keys was made with this installation's secret, where that is known.
    pub(super) fn is_ours(&self, entry: &Destroyed) -> bool {
        self.0.secret.get().is_none_or(|secret| entry.is_authentic(secret))
    }

    /// Mends the stores, and removes from their files what is dead: destroyed keys, and what hung under them. Waits `patience`
    /// for each file that a program appends to. Needs a permit to repair.
    ///
    /// # Errors
    /// [`KeyError::Refused`]. What a store says stands in its report.
    pub fn compact(&self, permit: &Permit, patience: Duration) -> Result<Vec<Compacted>, KeyError> {
        check_repair(permit)?;
        Ok(self.0.compact(patience))
    }

    /// Forgets what waits in memory for a store, because keys were destroyed meanwhile; the comparison brings what it misses.
    pub fn reconsider(&self) {
        self.0.stores.iter().for_each(|store| store.place.reconsider());
    }

    /// Shows every living wrapped key of one store after the other; a key may come several times, and in forms under different
    /// parents while a rotation runs. Damaged records are passed over.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where no store can be read.
    pub fn each_key(&self, see: &mut dyn FnMut(WrappedKey)) -> Result<(), KeyError> {
        let gone = self.0.listed().gone;
        self.visit(&mut Vec::new(), &mut |payload| {
            if !gone.is_dead(payload)
                && let Ok(key) = WrappedKey::from_bytes(payload)
            {
                see(key);
            }
        })?;
        Ok(())
    }

    /// Shows the records of every store that can be read, dead ones too; gives the faults of the others.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where no store can be read.
    fn visit(
        &self,
        quarantined: &mut Vec<Quarantined>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<SiteFault>, KeyError> {
        let fault = |store: &Store| store.visit(quarantined, see).err().map(|fault| store.place.fault(fault));
        let faults: Vec<SiteFault> = self.0.stores.iter().filter_map(fault).collect();
        if faults.len() < self.0.stores.len() {
            return Ok(faults);
        }
        Err(KeyError::TooFew { wanted: 1, reached: 0, faults })
    }

    /// Every living key in the stores, for tools. All stores are read; damaged records are passed over and
    /// listed, and destroyed keys are not read. An error only when no store can be read.
    pub fn load_index(&self) -> Result<MemoryIndex, KeyError> {
        let gone = self.0.listed().gone;
        let (mut keys, mut quarantined) = (HashMap::new(), Vec::new());
        let faults = self.visit(&mut quarantined, &mut |payload| {
            if !gone.is_dead(payload)
                && let Ok(key) = WrappedKey::from_bytes(payload)
            {
                keys.entry(key.id).or_insert(key);
            }
        })?;
        Ok(MemoryIndex { quarantined, faults, ..MemoryIndex::of(keys.into_values()) })
    }

    /// The forms of the key of a name that stand in any store, also where a list says that it is destroyed: for what must be known
    /// before a list can be believed.
    ///
    /// # Errors
    /// [`KeyError::TooFew`] where no store can be read.
    pub fn forms(&self, name: &KeyName) -> Result<Vec<WrappedKey>, KeyError> {
        let mut forms = Vec::new();
        self.visit(&mut Vec::new(), &mut |payload| {
            if let Ok(key) = WrappedKey::from_bytes(payload)
                && key.name == *name
                && !forms.contains(&key)
            {
                forms.push(key);
            }
        })?;
        Ok(forms)
    }

    /// Compares the stores whole and writes to each what it misses; durable when this returns. Needs a permit to repair.
    pub fn mend(&self, permit: &Permit) -> Result<Mended, KeyError> {
        check_repair(permit)?;
        Ok(self.0.mend())
    }

    /// What each store holds, beside the others. Reads all of them and writes nothing.
    #[must_use]
    pub fn compare(&self) -> Vec<KeyStoreReport> {
        self.0.compare()
    }

    /// How each store is doing. Asks nobody, so it answers at once.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStoreStatus> {
        let status = |store: &Store| {
            let health = store.place.health();
            KeyStoreStatus {
                name: store.place.name.clone(),
                reachable: health.reachable,
                behind: lock(&store.place.behind).any(),
                last_fault: health.last_fault,
            }
        };
        self.0.stores.iter().map(status).collect()
    }

    /// A store by its name.
    pub(super) fn store(&self, name: &str) -> &Store {
        let found = self.0.stores.iter().find(|store| store.place.name == name);
        found.expect("names come from the stores themselves")
    }

    /// How many stores must take a key.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.0.quorum
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
    /// An index of these keys. Of two with one name it is always the same that has it.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = WrappedKey>) -> Self {
        let mut index = Self::default();
        for key in keys {
            let named = index.names.entry(key.name.clone()).or_insert(key.id);
            *named = key.id.min(*named);
            index.keys.insert(key.id, key);
        }
        index
    }

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
    /// How many lists of destroyed keys must be read whole: an entry is in a quorum of stores, so whoever reads all but quorum - 1
    /// of them meets it.
    pub(super) fn lists_wanted(&self) -> usize {
        self.stores.len() + 1 - self.quorum
    }

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
        let gathered = gather(&results, self.stores.len(), self.quorum, self.patience);
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

fn no_thread(error: io::Error) -> KeyError {
    KeyError::Config { reason: format!("no thread can be started: {error}") }
}
