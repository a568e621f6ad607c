//! An installation that runs under a plan of faults: it opens the store, makes go wrong what the plan says, ends processes and
//! starts them again. Not the work that is done meanwhile, nor whether its outcome is right: whoever drives brings both.

use super::life::{Disk, Life, lock};
use super::plan::{DiskMode, FaultPlan, KeyMode, PLACES, SiteMode, What, WitnessMode, is_of_accesses};
use super::site::{FaultySite, SiteState};
use super::witness::FaultyWitness;
use base::limits::Limits;
use base::{Clock, ManualClock, Random, Seam, Seams, SeededRandom, Timestamp};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Log, OpenStore, Store, StoreConfig, seams};
use tempfile::TempDir;
use vault::keys::KEY_WRITE;
use vault::sites::{FolderSite, SiteBackend};
use vault::{FileKeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

/// Sites and key stores that must hold what is acknowledged.
const QUORUM: usize = 2;
/// Where the logs' names begin.
pub(super) const ORIGIN: &str = "faults.example";
/// How long a write waits for a site that hangs where the quorum depends on it, and a question for its answer. Well sites answer
/// sooner, on a busy machine too.
const SITE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a write waits for sites that are away: none of them comes back within a step.
const AWAY_PATIENCE_MS: u64 = 100;
/// How often a house seals by itself when everything is well again.
const HEALED_SEAL_MS: u64 = 50;
/// How long is waited for a thread to come by a place where it will be stopped: where nothing is to be done, none does.
const CATCH_WAIT: Duration = Duration::from_secs(3);
/// How often is looked whether a process knows which sites are away: for seconds.
const KNOW_LOOKS: u32 = 2_000;
/// Nothing is sealed until somebody asks: so that what is sealed depends on the steps and not on time.
const NEVER_MS: u64 = 1 << 40;
/// Rows of a round: hardly more than one resource has, so that what waits is sealed in many rounds and faults come between them.
const ROUND_ROWS: usize = 4;

/// A process with the store open.
struct Process {
    life: Arc<Life>,
    store: Store,
    sites: Sites,
}

/// An installation under faults. Its folder ends with it.
pub struct FaultyHouse {
    plan: FaultPlan,
    clock: Arc<ManualClock>,
    /// How often it was opened: each life draws from a seed of its own.
    opened: u64,
    sites: [Arc<SiteState>; PLACES],
    keys: [Arc<Mutex<KeyMode>>; PLACES],
    disk: Arc<Disk>,
    witness: Arc<FaultyWitness>,
    process: Option<Process>,
    /// Its sequencer is stopped, and another process has taken over.
    stopped: Option<Process>,
    /// The place where the sequencer is to be stopped, and nobody has taken over yet.
    pausing: bool,
    ending: bool,
    /// The place on the way of the log of accesses where it is to be killed at the end of the step.
    at_accesses: Option<&'static str>,
    /// Where processes were killed on that way so far.
    killed: Vec<&'static str>,
    // The folder is dropped last.
    folder: TempDir,
}

/// What one key store is like, as one life sees it.
struct KeySeam {
    mode: Arc<Mutex<KeyMode>>,
    life: Arc<Life>,
}

impl Seam for KeySeam {
    fn at(&self, place: &'static str) -> io::Result<()> {
        if self.life.is_over() {
            return Err(io::Error::other("the process has ended"));
        }
        if place == KEY_WRITE && *lock(&self.mode) == KeyMode::Full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl FaultyHouse {
    /// A new installation, opened, with nothing wrong yet.
    ///
    /// # Panics
    /// Where a temporary folder cannot be made or opened.
    #[must_use]
    pub fn new(plan: FaultPlan) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(plan.seed));
        FileKeyProvider::create(&folder.path().join("root.key"), random).expect("a root key");
        Sites::create(&sites(folder.path())).expect("new sites");
        KeyStores::create(&key_stores(folder.path())).expect("new key stores");
        let noon: Timestamp = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let mut house = Self {
            clock: Arc::new(ManualClock::at(noon)),
            opened: 0,
            sites: Default::default(),
            keys: [(); PLACES].map(|()| Arc::new(Mutex::new(KeyMode::Well))),
            disk: Arc::default(),
            witness: Arc::default(),
            process: None,
            stopped: None,
            pausing: false,
            ending: false,
            at_accesses: None,
            killed: Vec::new(),
            plan,
            folder,
        };
        let process = house.start(NEVER_MS).expect("a new installation opens");
        house.witness.know(Log::ALL.map(|log| process.store.verifier_key(log)).into());
        house.process = Some(process);
        house
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// The store; `None` where it could not be opened under the faults of the moment. It is tried again before each step.
    #[must_use]
    pub fn store(&self) -> Option<&Store> {
        self.process.as_ref().map(|process| &process.store)
    }

    /// A folder or file of the installation.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The witness.
    #[must_use]
    pub fn witness(&self) -> &FaultyWitness {
        &self.witness
    }

    /// The places at which a process was killed while the log of accesses was sealed.
    #[must_use]
    pub fn killed_at(&self) -> &[&'static str] {
        &self.killed
    }

    /// The clock. Each step moves it on by a second.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Makes go wrong, or right again, what the plan says for a step. To be called before the step's work; the step's work is
    /// done through [`FaultyHouse::store`], or through [`FaultyHouse::overtaken`] where this gives [`What::Overtake`].
    pub fn before(&mut self, step: u32) -> Vec<What> {
        self.clock.advance(1);
        if self.pausing {
            self.take_over();
        }
        let due: Vec<What> = self.plan.at(step).collect();
        for what in &due {
            self.make(*what);
        }
        if self.process.is_none() {
            self.process = self.start(NEVER_MS).ok();
        }
        self.let_them_know();
        due
    }

    /// Waits until the process knows which sites are away, so that what it refuses depends on the steps and not on time.
    fn let_them_know(&self) {
        let Some(process) = &self.process else { return };
        let knows = || {
            let known = process.sites.status();
            known.iter().zip(&self.sites).all(|(known, site)| match site.mode() {
                SiteMode::Hangs => true,
                SiteMode::Fails | SiteMode::Away => !known.reachable,
                _ => known.reachable,
            })
        };
        for _ in 0..KNOW_LOOKS {
            if knows() {
                return;
            }
            process.sites.poke();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends a process that was to be killed within the step. To be called behind the step's work.
    pub fn after(&mut self) {
        if let Some(place) = self.at_accesses.take() {
            self.kill_at_accesses(place);
        }
        if self.witness.mode() == WitnessMode::Hangs {
            self.witness.set(WitnessMode::Well);
        }
        if std::mem::take(&mut self.ending) {
            self.crash();
        }
    }

    /// Seals the log of accesses until the process comes by a place, where it is killed; or until there is nothing to be sealed.
    fn kill_at_accesses(&mut self, place: &'static str) {
        let Some(process) = &self.process else { return };
        let comes_by = match place {
            seams::JOURNAL_MOVE => true,
            seams::JOURNAL_MOVED => self.disk.mode() != DiskMode::Full,
            _ => self.can_seal(),
        };
        if !comes_by || process.life.is_held() {
            return;
        }
        process.life.kill_at(place);
        let is_killed = process.life.caught(CATCH_WAIT, || {
            process.store.seal_soon(Log::Access);
            !self.accesses_are_sealed()
        });
        self.killed.extend(is_killed.then_some(place));
    }

    /// Whether no entry of an access is on its way: in the journal, in the outbox, or under a checkpoint that is at no site.
    fn accesses_are_sealed(&self) -> bool {
        let journal = std::fs::read_dir(self.path("data/journal"));
        let is_file = |entry: io::Result<std::fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "jrn"))
        };
        if !journal.is_ok_and(|mut journal| !journal.any(is_file)) {
            return false;
        }
        let sql =
            "SELECT NOT EXISTS (SELECT 1 FROM outbox_access) AND size = published_size FROM log_head WHERE log = ?";
        let database = rusqlite::Connection::open(self.path("data/hanmaru.db"));
        let is_sealed = database.and_then(|it| it.query_row(sql, [Log::Access.name()], |row| row.get(0)));
        is_sealed.unwrap_or(false)
    }

    /// Whether a seal can come as things are: the process lives and its sequencer is not stopped, its disk takes something, and so
    /// do enough sites, and key stores where it has new keys. Follows from the plan and from where the process is, and not from
    /// how long anything takes.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let takes = |site: &&Arc<SiteState>| !matches!(site.mode(), SiteMode::Fails | SiteMode::Away | SiteMode::Full);
        let keys = self.keys.iter().filter(|keys| *lock(keys) == KeyMode::Well).count() >= QUORUM;
        let lacks_keys = || {
            let fault = &process.store.health().faults[0];
            fault.as_ref().is_some_and(|fault| fault.contains("key stores took the new keys"))
        };
        !process.life.is_held()
            && self.disk.mode() != DiskMode::Full
            && self.sites.iter().filter(takes).count() >= QUORUM
            && (keys || !lacks_keys())
    }

    /// Ends every fault and every process, and opens the store; from now on it seals by itself.
    ///
    /// # Panics
    /// Where it does not open although nothing is wrong.
    pub fn heal(&mut self) -> &Store {
        for process in self.process.take().into_iter().chain(self.stopped.take()) {
            process.life.kill();
        }
        self.sites.iter().for_each(|site| site.set(SiteMode::Well));
        self.keys.iter().for_each(|keys| *lock(keys) = KeyMode::Well);
        self.disk.set(DiskMode::Well);
        self.witness.set(WitnessMode::Well);
        (self.pausing, self.ending, self.at_accesses) = (false, false, None);
        let process = self.start(HEALED_SEAL_MS).expect("it opens where nothing is wrong");
        &self.process.insert(process).store
    }

    /// Lets everything that is written wait for its seal, and ends the process when the first round of it is published.
    ///
    /// # Errors
    /// Why it does not come to that.
    pub fn cut_short(&mut self, write: impl FnOnce(&Store) -> Result<(), String>) -> Result<(), String> {
        if let Some(process) = self.process.take() {
            process.life.kill();
        }
        let process = self.start(NEVER_MS)?;
        write(&process.store)?;
        process.life.kill_at(seams::published(Log::Records));
        let is_cut = process.life.caught(CATCH_WAIT, || {
            process.store.seal_soon(Log::Records);
            true
        });
        if is_cut { Ok(()) } else { Err("nothing was sealed".to_owned()) }
    }

    /// Does two pieces of work in two processes: the first is held up before its first transaction, until the second is done.
    /// So the database takes them in the other order. `None` where no second process can be started.
    pub fn overtaken<A: Send, B>(
        &mut self,
        first: impl FnOnce(&Store) -> A + Send,
        second: impl FnOnce(&Store) -> B,
    ) -> Option<(A, B)> {
        let other = self.start(NEVER_MS).ok()?;
        let process = self.process.as_ref()?;
        process.life.pause_at(seams::BEGIN);
        let done = std::thread::scope(|scope| {
            let held = scope.spawn(|| first(&process.store));
            // Whoever cannot even begin is not waited for.
            process.life.caught(CATCH_WAIT, || !held.is_finished());
            let second = second(&other.store);
            process.life.resume();
            let first = held.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (first, second)
        });
        Some(done)
    }

    fn make(&mut self, what: What) {
        match what {
            What::Site(place, mode) => self.sites[place].set(mode),
            What::KeyStore(place, mode) => *lock(&self.keys[place]) = mode,
            What::Disk(mode) => self.disk.set(mode),
            What::Witness(mode) => self.witness.set(mode),
            What::Crash => self.crash(),
            What::KillAt(place) if is_of_accesses(place) => (self.ending, self.at_accesses) = (true, Some(place)),
            What::KillAt(place) => {
                if let Some(process) = &self.process {
                    process.life.kill_at(place);
                }
                self.ending = true;
            }
            What::Pause(place) => {
                if let Some(process) = &self.process {
                    process.life.pause_at(place);
                    self.pausing = true;
                }
            }
            What::Resume => self.resume(),
            What::Overtake => {}
        }
    }

    /// The process ends as if the power went, and a new one starts.
    fn crash(&mut self) {
        if let Some(process) = self.process.take() {
            process.life.kill();
        }
        self.pausing = false;
        self.sites.iter().for_each(|site| site.crash());
        self.process = self.start(NEVER_MS).ok();
    }

    /// The sequencer is stopped by now, or soon. Its lock is taken away under it, as a lease that ran out, and another process
    /// takes over.
    fn take_over(&mut self) {
        self.pausing = false;
        let Some(process) = self.process.take() else { return };
        let nothing = store::Ticket::NEWEST;
        process.life.caught(CATCH_WAIT, || {
            drop(process.store.wait_sealed(nothing, Duration::ZERO));
            true
        });
        for log in ["records", "access"] {
            drop(std::fs::remove_file(self.path(&format!("data/locks/seal-{log}.lock"))));
        }
        self.stopped = Some(process);
        self.process = self.start(NEVER_MS).ok();
    }

    /// The sequencer that was stopped goes on, and its process ends in good order.
    fn resume(&mut self) {
        if let Some(process) = self.stopped.take() {
            process.life.resume();
        }
    }

    fn start(&mut self, seal_interval_ms: u64) -> Result<Process, String> {
        self.opened += 1;
        let life = Arc::new(Life::on(Arc::clone(&self.disk)));
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let seed = base::Id16::derived(&["life", &self.plan.seed.to_string(), &self.opened.to_string()]);
        let seed = u64::from_be_bytes(*seed.0.first_chunk().expect("16 bytes have a first 8"));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(seed));
        let root = self.folder.path();
        let key = FileKeyProvider::open(&root.join("root.key"), Arc::clone(&random)).map_err(|error| text(&error))?;
        let stores = key_stores(root).into_iter().zip(&self.keys).map(|(config, mode)| {
            (config, Seams::with(Arc::new(KeySeam { mode: Arc::clone(mode), life: Arc::clone(&life) })))
        });
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let sites = self.faulty_sites(&life).map_err(|error| text(&error))?;
        let opened = Store::create(OpenStore {
            folder: root.join("data"),
            sites: sites.clone(),
            key_provider: Arc::new(key),
            key_stores: KeyStores::open_under(stores.collect(), QUORUM).map_err(|error| text(&error))?,
            origin: ORIGIN.to_owned(),
            clock,
            random,
            limits: Limits::default(),
            witnessing: Some(self.witness.asked_by(&life)),
            config: StoreConfig {
                seal_interval_ms,
                backlog_wait_ms: AWAY_PATIENCE_MS,
                round_rows: ROUND_ROWS,
                seams: Seams::with(Arc::<Life>::clone(&life)),
                ..StoreConfig::default()
            },
        });
        match opened {
            Ok(store) => Ok(Process { life, store, sites }),
            Err(error) => {
                life.kill();
                Err(text(&error))
            }
        }
    }

    fn faulty_sites(&self, life: &Arc<Life>) -> Result<Sites, vault::SiteError> {
        let backends = sites(self.folder.path()).into_iter().zip(&self.sites).map(|(config, state)| {
            let real: Box<dyn SiteBackend> = Box::new(FolderSite::new(&config.name, config.folder));
            let faulty: Box<dyn SiteBackend> = Box::new(FaultySite::new(real, Arc::clone(state), Arc::clone(life)));
            (config.name, faulty)
        });
        Sites::with_patience(backends.collect(), QUORUM, SITE_PATIENCE)
    }
}

impl Drop for FaultyHouse {
    fn drop(&mut self) {
        for process in self.process.iter().chain(&self.stopped) {
            process.life.kill();
        }
    }
}

const NAMES: [&str; PLACES] = ["a", "b", "c"];

pub(super) fn sites(root: &Path) -> Vec<SiteConfig> {
    NAMES.map(|name| SiteConfig { name: name.to_owned(), folder: root.join("sites").join(name) }).to_vec()
}

pub(super) fn key_stores(root: &Path) -> Vec<KeyStoreConfig> {
    NAMES.map(|name| KeyStoreConfig { name: name.to_owned(), folder: root.join("key_stores").join(name) }).to_vec()
}
