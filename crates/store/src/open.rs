//! Opening a store: folder, database, keys, journal and sequencers; and what operators see of it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base::limits::Limits;
use base::{Clock, Id16, Random, Seams};
use ledger::SignerKey;
use policy::{Action, Door, Permit};
use vault::{KeyProvider, KeyStores, Keyring, SiteStatus, Sites};
use zeroize::Zeroizing;

use crate::clock::{FloorClock, newest};
use crate::connection::{Readers, open_writer};
use crate::core::{Core, check_action};
use crate::error::{OnFile, StoreError};
use crate::ids::Ids;
use crate::journal::{Journal, mover};
use crate::keys::TableIndex;
use crate::sequencer::{self, LogState, panel::Panel, tiles::TileCache};
use crate::types::Log;
use crate::witnessing::{Witnessed, Witnessing};
use crate::writer::Writer;

/// Name of the database in the store's folder.
pub(crate) const DATABASE: &str = "hanmaru.db";
/// Held in its folder of locks while tables are migrated and secrets are made.
pub(crate) const OPEN_LOCK: &str = "open.lock";
/// The file that [`Store::probe`] writes, and its size: more than what a full disk still has room for.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 64 << 10;

/// What a store is opened with.
pub struct OpenStore {
    /// Its folder. Holds `hanmaru.db`, `journal/` and `locks/`.
    pub folder: PathBuf,
    /// The sites, none of them within the folder.
    pub sites: Sites,
    /// The root key.
    pub key_provider: Arc<dyn KeyProvider>,
    /// The key stores, which are not the sites.
    pub key_stores: KeyStores,
    /// Name of the installation, such as `hanmaru.example`: the logs are `NAME/records` and `NAME/access`.
    pub origin: String,
    /// The time. Whatever it answers, the store never goes back behind what its database holds; see [`Store::clock`].
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub random: Arc<dyn Random>,
    /// Limits on what comes from outside.
    pub limits: Limits,
    /// How it works.
    pub config: StoreConfig,
    /// Who cosigns its checkpoints, where anybody does.
    pub witnessing: Option<Witnessing>,
}

/// How a store works. The default is right for one machine.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Reading connections.
    pub readers: usize,
    /// Longest time that a write waits to be sealed when nobody asks, in milliseconds.
    pub seal_interval_ms: u64,
    /// Rows after which a round of sealing takes in no further task. A resource has about three.
    pub round_rows: usize,
    /// Rows that may wait to be sealed before writers are slowed down.
    pub backlog_rows_max: u64,
    /// How long a writer is held up before it is refused, in milliseconds.
    pub backlog_wait_ms: u64,
    /// Whether this process seals; where none does, what is written waits.
    pub sequencer: bool,
    /// Seconds between two time-stamps, where somebody is to get them: what the condition is judged by.
    pub stamp_interval_s: Option<i64>,
    /// The SQLite file system (VFS) under the database, by the name it was registered with; the system's own where `None`.
    pub vfs: Option<String>,
    /// What a test puts behind the places of [`crate::seams`]; nothing in the program.
    pub seams: Seams,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            readers: 4,
            seal_interval_ms: 500,
            round_rows: 6_000,
            backlog_rows_max: 120_000,
            backlog_wait_ms: 60_000,
            sequencer: true,
            stamp_interval_s: None,
            vfs: None,
            seams: Seams::default(),
        }
    }
}

/// The record: everything that is written, read and logged goes through here. A cheap handle; the last one to be dropped
/// stops the threads.
///
/// Nothing clinical is read or written without a permit. This compiles:
///
/// ```
/// fn read(store: &store::Store, permit: &policy::Permit, key: store::ResourceKey) -> bool {
///     store.read(permit, &[key]).is_ok()
/// }
/// fn write(store: &store::Store, permit: &policy::Permit, prepared: store::Prepared) -> bool {
///     store.write(permit, vec![prepared], vec![], None).is_ok()
/// }
/// ```
///
/// and the same without the permit does not:
///
/// ```compile_fail,E0061
/// fn read(store: &store::Store, key: store::ResourceKey) -> bool {
///     store.read(&[key]).is_ok()
/// }
/// ```
///
/// ```compile_fail,E0061
/// fn write(store: &store::Store, prepared: store::Prepared) -> bool {
///     store.write(vec![prepared], vec![], None).is_ok()
/// }
/// ```
///
/// and nobody outside `policy` can make one:
///
/// ```compile_fail,E0451
/// fn forge(id: base::Id16) -> policy::Permit {
///     policy::Permit { id, ..unreachable!() }
/// }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.inner.core.folder).finish_non_exhaustive()
    }
}

struct Inner {
    core: Arc<Core>,
    sequencers: Mutex<Vec<JoinHandle<()>>>,
}

/// How the store is doing. Counts and states; nothing about a person.
#[derive(Debug, Clone)]
pub struct Health {
    /// Leaves under the newest published checkpoints, `records` and `access`.
    pub published: [u64; 2],
    /// Leaves that are accepted and wait to be published.
    pub waiting: [u64; 2],
    /// Why a sequencer does not get on, where one does not.
    pub faults: [Option<String>; 2],
    /// How far each log is witnessed; `None` where the installation has no witnesses.
    pub witnessed: [Option<Witnessed>; 2],
    /// How each site is doing.
    pub sites: Vec<SiteStatus>,
}

impl Store {
    /// Opens a store that is there. Before it writes anything, it compares its logs with what the sites hold.
    ///
    /// # Errors
    /// [`StoreError::NotThere`]; [`StoreError::OlderIds`] where an older program made it; [`StoreError::SiteAhead`],
    /// [`StoreError::Origin`], [`StoreError::ForeignLog`] where sites and database do not belong together; [`StoreError::File`],
    /// [`StoreError::Database`], [`StoreError::Migration`], [`StoreError::Key`] (a wrong root key among them), [`StoreError::Ledger`]
    /// where the origin cannot name a log, [`StoreError::Door`].
    pub fn open(with: OpenStore) -> Result<Self, StoreError> {
        let path = with.folder.join(DATABASE);
        // A disk that is not mounted is not an empty store.
        if path.try_exists().on("found", &path)? {
            Self::open_or_make(with)
        } else {
            Err(StoreError::NotThere { path })
        }
    }

    /// As [`Store::open`], and makes a database where there is none. For new installations: where the sites hold a log, it is
    /// refused all the same.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn create(with: OpenStore) -> Result<Self, StoreError> {
        Self::open_or_make(with)
    }

    fn open_or_make(with: OpenStore) -> Result<Self, StoreError> {
        let door = Door::standard()?;
        // One process at a time migrates the tables and makes the installation's first keys.
        let opening = lock_for_opening(&with.folder)?;
        crate::rebuild::clear_left(&with.folder);
        let path = with.folder.join(DATABASE);
        let vfs = with.config.vfs.clone();
        let (connection, room) = open_writer(&path, vfs.as_deref())?;
        let clock = Arc::new(FloorClock::new(with.clock, newest(&connection)?));
        let tasks = crate::lasting::number(&connection, Arc::<FloorClock>::clone(&clock), &*with.random)?;
        let readers = Arc::new(Readers::new(&path, vfs, with.config.readers));
        let index = Arc::new(TableIndex { readers: Arc::clone(&readers) });
        let stores = with.key_stores.clone();
        let keyring = Keyring::open(with.key_provider, with.key_stores, index, Arc::clone(&with.random))?;
        let installation = installation(&keyring)?;
        stores.belong(installation)?;
        with.sites.belong(installation)?;
        let destroyed_key = keyring.secret("destroyed-keys")?;
        let shred_key = keyring.secret("shred")?;
        let ids = Ids::of_installation(&keyring, &connection)?;
        let content_key = keyring.secret("content-hash")?;
        let ci_key = keyring.secret("person-ci")?;
        let text_key = keyring.secret("staff-text")?;
        // Only a process that seals asks witnesses.
        let asked = with.witnessing.as_ref().filter(|_| with.config.sequencer);
        let logs = [
            log_state(&keyring, &with.origin, Log::Records, asked)?,
            log_state(&keyring, &with.origin, Log::Access, asked)?,
        ];
        let core = Core {
            writer: Writer::start(connection, tasks, with.config.seams.clone())?,
            journal: Journal::open(&with.folder.join("journal"), Arc::clone(&with.random), with.config.seams.clone())?,
            config: with.config,
            limits: with.limits,
            clock,
            readers,
            room,
            drain_turn: Mutex::new(()),
            outlook_turn: Mutex::new(()),
            drains: AtomicU64::new(0),
            random: with.random,
            keyring,
            sites: with.sites,
            key_stores: stores.clone(),
            door,
            ids,
            content_key,
            ci_key,
            text_key,
            destroyed_key,
            shred_key,
            logs,
            trust: with.witnessing.map(|witnessing| witnessing.policy),
            tiles: TileCache::default(),
            closing: AtomicBool::new(false),
            folder: with.folder,
        };
        for log in Log::ALL {
            sequencer::head::look_before(&core, log)?;
        }
        core.persist_keys()?;
        crate::shred::replay(&core)?;
        // Not before: what folders say must outlive this process.
        stores.mark(installation);
        core.sites.mark(installation);
        let core = Arc::new(core);
        core.sites.judged_by(sequencer::judge::LogJudge::new(&core.readers));
        drop(opening);
        let sequencers = start(&core)?;
        Ok(Self { inner: Arc::new(Inner { core, sequencers: Mutex::new(sequencers) }) })
    }

    /// The clock to use beside this store: never earlier than the newest time in its database, and never going back, so that
    /// a machine whose clock jumps back neither reorders the record nor reopens what has ended.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::<FloorClock>::clone(&self.core().clock)
    }

    /// The random source that the store was opened with.
    #[must_use]
    pub fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.core().random)
    }

    /// A random secret of the installation for a room, such as `identity`: the same in every process and after every start,
    /// and none of the store's own. Made when missing, which waits for other processes that are opening the store.
    ///
    /// # Errors
    /// [`StoreError::Key`] where `room` is no slug (`a-z 0-9 -`, at most 59 bytes) or the key stores fail,
    /// [`StoreError::File`], [`StoreError::Database`].
    pub fn secret(&self, room: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        if room.is_empty() {
            return Err(vault::KeyError::BadLabel { name: String::new() }.into());
        }
        let core = self.core();
        let path = core.folder.join("locks").join(OPEN_LOCK);
        let opening = OpenOptions::new().create(true).truncate(false).write(true).open(&path).on("opened", &path)?;
        opening.lock().on("locked", &path)?;
        let secret = core.keyring.secret(&format!("room-{room}"))?;
        core.persist_keys()?;
        Ok(secret)
    }

    /// Under what id the folders of sites and key stores, and backups of these, say that they are this installation's.
    ///
    /// # Errors
    /// [`StoreError::Key`].
    pub fn installation(&self) -> Result<Id16, StoreError> {
        installation(&self.core().keyring)
    }

    /// Whether the store gets on, for readiness checks and metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        let core = self.core();
        let logs = &core.logs;
        // A count that cannot be taken now is the one taken last; whoever reads records finds the fault.
        let waiting = |log| sequencer::count_waiting(core, log).unwrap_or_else(|_| core.log(log).waiting());
        // What hangs under a root that cannot be opened is soon sealed by nobody.
        let fault = |log: &LogState| core.keyring.root_fault().or_else(|| log.fault());
        Health {
            published: [logs[0].published_size(), logs[1].published_size()],
            waiting: Log::ALL.map(waiting),
            faults: [fault(&logs[0]), fault(&logs[1])],
            witnessed: Log::ALL.map(|log| self.witnessed(log).ok().flatten()),
            sites: core.sites.status(),
        }
    }

    /// Whether the data folder can be written: without that nothing is read either, since reading is written down first. Writes
    /// and removes a small file, so it is for readiness checks and not for every request.
    ///
    /// # Errors
    /// [`StoreError::File`] with what the system says, such as a full disk.
    pub fn probe(&self) -> Result<(), StoreError> {
        let path = self.core().folder.join("locks").join(PROBE);
        let written = std::fs::File::create(&path).and_then(|mut file| {
            file.write_all(&[0; PROBE_BYTES])?;
            file.sync_all()
        });
        // On a full disk the file is there and empty.
        let removed = match std::fs::remove_file(&path) {
            // Another looked at the same moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        written.and(removed).on("written and removed", &path)
    }

    /// As [`Store::health`], for people: takes a permit to read the status.
    ///
    /// # Errors
    /// [`StoreError::Action`].
    pub fn status(&self, permit: &Permit) -> Result<Health, StoreError> {
        check_action(permit, "status", &[Action::ReadStatus])?;
        Ok(self.health())
    }

    pub(crate) fn core(&self) -> &Core {
        &self.inner.core
    }

    pub(crate) fn core_arc(&self) -> &Arc<Core> {
        &self.inner.core
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.core.closing.store(true, Ordering::SeqCst);
        for log in &self.core.logs {
            log.poke();
        }
        let sequencers = std::mem::take(self.sequencers.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        for thread in sequencers {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Starts the threads of an open store, after telling waiters what is published.
fn start(core: &Arc<Core>) -> Result<Vec<JoinHandle<()>>, StoreError> {
    let mut sequencers = vec![crate::keeper::start(core)?];
    if core.config.sequencer {
        sequencers.push(mover::start(core)?);
    }
    for log in Log::ALL {
        sequencer::recall(core, log)?;
        if core.config.sequencer {
            sequencers.push(sequencer::start(core, log)?);
        }
    }
    Ok(sequencers)
}

/// Holds the lock of who opens the store, once nobody else does.
fn lock_for_opening(folder: &Path) -> Result<File, StoreError> {
    let locks = folder.join("locks");
    std::fs::create_dir_all(&locks).on("made", &locks)?;
    let path = locks.join(OPEN_LOCK);
    let opening = OpenOptions::new().create(true).truncate(false).write(true).open(&path).on("opened", &path)?;
    opening.lock().on("locked", &path)?;
    Ok(opening)
}

/// What the folders of sites and key stores say whose they are: the same for as long as the installation lives.
fn installation(keyring: &Keyring) -> Result<Id16, StoreError> {
    let secret = keyring.secret("installation")?;
    let digest = base::hmac_sha256(&secret[..], b"hanmaru installation");
    Ok(Id16(*digest.first_chunk().expect("32 bytes have a first 16")))
}

fn log_state(
    keyring: &Keyring,
    origin: &str,
    log: Log,
    witnessing: Option<&Witnessing>,
) -> Result<LogState, StoreError> {
    let origin = format!("{origin}/{}", log.name());
    let seed = keyring.secret(&format!("log-{}", log.name()))?;
    let signer = SignerKey::from_seed(&origin, &seed)?;
    let witnessing = witnessing.filter(|with| with.policy.asks_for_witnesses());
    let panel = witnessing.map(|with| Panel::start(log, with)).transpose()?;
    Ok(LogState::new(log, &origin, signer, panel))
}
