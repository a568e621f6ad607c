//! Opens what a configuration describes: sites, keys, store, archive and identity, wired together.

use crate::commands;
use crate::config::{Config, ConfigError, TimeStamps};
use crate::witnesses;
use archive::retention::Retention;
use archive::{Archive, ArchiveConfig};
use base::{Clock, Random, SystemClock, SystemRandom, Timestamp};
use identity::{Identity, IdentityConfig};
use policy::{
    Action, Actor, Assurance, Decision, Door, EditionFault, Facts, GroundTerms, Permit, ProofRules, Purpose,
    RecordKinds, Request, Role, Target,
};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{OpenStore, Rebuilt, Store, StoreConfig, Without};
use vault::{FileKeyProvider, KdfCost, KeyStoreConfig, KeyStores, ProtectedKeyProvider, SitePlace, Sites, open_root};

/// How many of three sites and of three key stores must hold what is acknowledged.
const QUORUM: usize = 2;
/// How long a folder may take to be made.
const MAKE_PATIENCE: Duration = Duration::from_secs(10);

/// The opened hall.
#[derive(Clone)]
pub struct Hall {
    /// The archive, over the store.
    pub archive: Archive,
    /// The door.
    pub door: Arc<Door>,
    /// The sites, for repair.
    pub sites: Sites,
    /// The key stores, for repair.
    pub key_stores: KeyStores,
    /// The machine's clock as it is. Sign-in compares it with the newest time stored, and says so where it is behind.
    clock: Arc<dyn Clock>,
}

/// What cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HallError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder or file.
    #[error("cannot make {path}: {source}")]
    Make {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder that hangs.
    #[error("{path} does not answer: its disk or network share hangs; mend or remount it, and run this again")]
    Silent {
        /// Which.
        path: PathBuf,
    },
    /// There are data, and the root key is not where the configuration says.
    #[error("{used} holds data and {key} is missing: restore the root key from its backup; a new one opens nothing")]
    RootKeyGone {
        /// Where the key should be.
        key: PathBuf,
        /// A folder that holds something.
        used: PathBuf,
    },
    /// A new root key would lie open.
    #[error(
        "the new root key needs a passphrase: set [keys] passphrase to where it comes from (file:PATH, env:NAME, fd:NUMBER or \
         credential:NAME), or [keys] plain = true if the disk it lies on is protection enough"
    )]
    PlainRoot,
    /// The log level is not one.
    #[error("[log] level {0:?} is neither a level (error, warn, info, debug) nor a filter such as info,store=debug")]
    LogLevel(String),
    /// No edition of some rules is in force.
    #[error(transparent)]
    Rules(#[from] EditionFault),
    /// The policy about witnesses cannot be used.
    #[error("[witnesses] policy: {0}")]
    Witnesses(String),
    /// The configuration names no such site.
    #[error("{site} is none of the sites in the configuration, which are: {}", known.join(", "))]
    NoSite {
        /// What was asked for.
        site: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The sites.
    #[error(transparent)]
    Sites(#[from] vault::SiteError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] vault::KeyError),
    /// The policies.
    #[error(transparent)]
    Door(#[from] policy::DoorError),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Sign-in.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// The door denied what an operator's command does.
    #[error("the door denies {action}: {explanation}; the policies in use do not fit this program")]
    Denied {
        /// The action.
        action: &'static str,
        /// What the door said.
        explanation: String,
    },
}

impl Hall {
    /// Makes the folders and the root key where they are missing. Nothing that is there is replaced.
    ///
    /// # Errors
    /// What cannot be made.
    pub fn make(config: &Config) -> Result<(), HallError> {
        let sites = config.sites.iter().filter_map(|site| site.folder.as_deref());
        let folders = sites.chain(config.key_stores.iter().map(|folder| folder.folder.as_path()));
        let mut used = None;
        for folder in folders.chain([config.data.as_path()]) {
            let holds_anything = in_time(folder, |folder| {
                // Names and codes stand in the database's index in clear: nobody but the service's user may look.
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
                made.map(|()| holds_anything(folder))
            })?;
            if holds_anything.map_err(|source| HallError::Make { path: folder.to_owned(), source })? {
                used.get_or_insert(folder);
            }
        }
        if !config.keys.root.exists() {
            // A new root key opens nothing that was written under the old one, and must never seem to.
            if let Some(used) = used {
                return Err(HallError::RootKeyGone { key: config.keys.root.clone(), used: used.to_owned() });
            }
            make_root(config)?;
        }
        for site in config.site_places()? {
            match site {
                SitePlace::Folder(site) => in_time(&site.folder.clone(), move |_| Sites::create(&[site]))??,
                bucket @ SitePlace::Bucket(_) => Sites::create_places(&[bucket])?,
            }
        }
        for store in key_stores(config) {
            in_time(&store.folder.clone(), move |_| KeyStores::create(&[store]))??;
        }
        Ok(())
    }

    /// Opens the store and the archive of a new installation, or of one that is there: for `init`, `demo` and benches.
    ///
    /// # Errors
    /// What cannot be opened or made.
    pub fn create(config: &Config) -> Result<Self, HallError> {
        Self::open_in(config, For::work(), Store::create)
    }

    /// Opens the store and the archive. A missing database is an error: its disk may not be mounted.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn open(config: &Config) -> Result<Self, HallError> {
        Self::open_in(config, For::work(), Store::open)
    }

    /// As [`Hall::open`], with a checkpoint at least every so many milliseconds while anything is written: for benches.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn open_every(config: &Config, seal_interval_ms: u64) -> Result<Self, HallError> {
        Self::open_in(config, For::Work(seal_interval_ms), Store::open)
    }

    /// As [`Hall::open`], for an operator's commands: this process seals nothing and leaves the key stores as they are, until
    /// it is asked to.
    ///
    /// # Errors
    /// What cannot be opened.
    pub fn look(config: &Config) -> Result<Self, HallError> {
        Self::open_in(config, For::Look, Store::open)
    }

    fn open_in(
        config: &Config,
        why: For,
        open: fn(OpenStore) -> Result<Store, store::StoreError>,
    ) -> Result<Self, HallError> {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        check_rules(clock.now())?;
        let witnessing = config.witnesses.as_ref().map(|with| witnesses::open(&with.policy)).transpose();
        let witnessing = witnessing.map_err(HallError::Witnesses)?;
        let sites = Sites::open_places(config.site_places()?, QUORUM)?;
        let key_stores = match why {
            For::Work(_) => KeyStores::open(key_stores(config), QUORUM)?,
            For::Look => KeyStores::open_as_they_are(key_stores(config), QUORUM)?,
        };
        let stamp_interval_s = config.time_stamp.as_ref().map(TimeStamps::interval_s);
        let with = StoreConfig { stamp_interval_s, ..StoreConfig::default() };
        let store = open(OpenStore {
            folder: config.data.clone(),
            sites: sites.clone(),
            key_provider: open_root(&config.keys.root, config.keys.passphrase().as_ref(), Arc::clone(&random))?,
            key_stores: key_stores.clone(),
            origin: config.ledger_origin.clone(),
            clock: Arc::clone(&clock),
            random,
            limits: config.limits.limits(),
            config: match why {
                For::Work(seal_interval_ms) => StoreConfig { seal_interval_ms, ..with },
                For::Look => StoreConfig { sequencer: false, ..with },
            },
            witnessing,
        })?;
        let door = Arc::new(Door::standard()?);
        let inspector = Some(commands::inspect::command());
        let archive_config = ArchiveConfig { inspector, ..ArchiveConfig::new(config.data.join("archive")) };
        let archive = Archive::new(store, Arc::clone(&door), config.limits.limits(), archive_config);
        Ok(Self { archive, door, sites, key_stores, clock })
    }

    /// Makes the database again from one site; with `drill`, proves that it can be done and keeps nothing. `without` says what it goes
    /// on without: too few of who could tell whether there is more.
    ///
    /// # Errors
    /// There is no such site, or what [`store::Rebuild::run`] refuses.
    pub fn rebuild(config: &Config, site: &str, drill: bool, without: Without) -> Result<Rebuilt, HallError> {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let places = config.site_places()?;
        let from: Vec<SitePlace> = places.iter().filter(|one| one.name() == site).cloned().collect();
        if from.is_empty() {
            return Err(HallError::NoSite {
                site: site.to_owned(),
                known: places.iter().map(|one| one.name().to_owned()).collect(),
            });
        }
        let limits = config.limits.limits();
        let witnessing = config.witnesses.as_ref().map(|with| witnesses::open(&with.policy)).transpose();
        let rebuild = store::Rebuild {
            folder: config.data.clone(),
            from: Sites::open_places(from, 1)?,
            all: Sites::open_places(places, QUORUM)?,
            key_provider: open_root(&config.keys.root, config.keys.passphrase().as_ref(), Arc::clone(&random))?,
            key_stores: KeyStores::open_as_they_are(key_stores(config), QUORUM)?,
            origin: config.ledger_origin.clone(),
            clock: Arc::new(SystemClock::new()),
            random,
            reindex: &|institution, bytes, ids, hash| archive::deposit::reindex(&limits, institution, bytes, ids, hash),
            witnessing: witnessing.map_err(HallError::Witnesses)?,
            without,
            drill,
        };
        Ok(rebuild.run()?)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.archive.store()
    }

    /// Sign-in at the configured agency.
    ///
    /// # Errors
    /// The agency's configuration cannot be used.
    pub fn identity(&self, config: &Config) -> Result<Identity, HallError> {
        let redirect = format!("{}/sign-in/return", config.public_url);
        let secret = config.client_secret()?;
        let mut with = IdentityConfig::new(&config.agency.issuer, &config.agency.client_id, secret.expose(), &redirect);
        with.demo = config.demo;
        with.idle_s = config.session.idle_minutes.saturating_mul(60);
        with.recovery_wait_s = config.session.recovery_wait_minutes.saturating_mul(60);
        with.step_up_s = config.session.step_up_minutes.saturating_mul(60);
        with.absolute_s = config.session.absolute_minutes.saturating_mul(60);
        Ok(Identity::new(self.store().clone(), with, Arc::clone(&self.clock), self.store().random())?)
    }

    /// What this machine's clock says, whatever was recorded.
    pub fn machine_time(&self) -> base::Timestamp {
        self.clock.now()
    }

    /// Seconds by which this machine's clock is behind the newest time that was recorded; 0 where it is not.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn clock_behind_s(&self) -> Result<u64, HallError> {
        let sign_in_s = identity::clock_behind_s(self.store(), &*self.clock)?;
        Ok(self.store().clock_behind_s().max(sign_in_s))
    }

    /// Lets time go on from what this machine's clock says, and ends every session; gives how many there were. Refuses while
    /// another process has the data folder open.
    ///
    /// # Errors
    /// [`store::StoreError::InUse`], or what cannot be written.
    pub fn reset_clock(&self) -> Result<usize, HallError> {
        let permit = self.operate("clock", Action::ResetClock)?;
        let alone = self.store().alone()?;
        // The store first: it writes down what is being done. A crash in between leaves sign-in behind, and the next run mends it.
        self.store().reset_clock(&permit, &alone)?;
        Ok(identity::reset_clock(self.store(), &*self.clock, &alone)?)
    }

    /// A permit for an operator's work from the command line of this machine. Who has its data folder and root key at hand needs
    /// no right of the table's, and none is written.
    ///
    /// # Errors
    /// [`HallError::Denied`], or the facts cannot be read.
    pub fn operate(&self, command: &str, action: Action) -> Result<Permit, HallError> {
        let actor = self.local_actor(Role::Operator, command);
        let facts = Facts { operator: true, ..self.store().facts(actor.account)? };
        let request = Request { actor, action, target: Target::Installation, purpose: Purpose::Operation };
        match self.door.decide(&request, &facts, &*self.store().random()) {
            Decision::Permit(permit) => Ok(permit),
            Decision::Denial(denial) => {
                Err(HallError::Denied { action: action.name(), explanation: denial.explanation })
            }
        }
    }

    /// Whoever is at the command line of this machine, in a role.
    pub fn local_actor(&self, role: Role, name: &str) -> Actor {
        Actor {
            account: base::Id16::derived(&["command-line", role.name(), name]),
            role,
            assurance: Assurance::One,
            name: name.to_owned().into(),
            source: "local".to_owned().into(),
        }
    }
}

/// A new root key: under a passphrase, unless the configuration says otherwise.
fn make_root(config: &Config) -> Result<(), HallError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    match config.keys.passphrase() {
        Some(passphrase) => {
            ProtectedKeyProvider::create(&config.keys.root, &passphrase, KdfCost::default(), random)?;
        }
        None if config.demo || config.keys.plain => {
            FileKeyProvider::create(&config.keys.root, random)?;
        }
        None => return Err(HallError::PlainRoot),
    }
    Ok(())
}

/// What a hall is opened for.
#[derive(Clone, Copy)]
enum For {
    /// Seals, at least so often in milliseconds.
    Work(u64),
    Look,
}

impl For {
    fn work() -> Self {
        Self::Work(StoreConfig::default().seal_interval_ms)
    }
}

/// Whether of every file of rules an edition is in force: without one nothing is opened, since nobody could say by what it was decided.
fn check_rules(now: Timestamp) -> Result<(), EditionFault> {
    GroundTerms::editions().check(now)?;
    ProofRules::editions().check(now)?;
    RecordKinds::editions().check(now)?;
    Retention::editions().check(now)?;
    watch::Params::editions().check(now)
}

fn key_stores(config: &Config) -> Vec<KeyStoreConfig> {
    let stores = config.key_stores.iter();
    stores.map(|store| KeyStoreConfig { name: store.name.clone(), folder: store.folder.clone() }).collect()
}

/// Does something in a folder, and comes away where that hangs: a folder on a network may never answer.
fn in_time<T: Send + 'static>(folder: &Path, work: impl FnOnce(&Path) -> T + Send + 'static) -> Result<T, HallError> {
    let (send, answer) = std::sync::mpsc::sync_channel(1);
    let path = folder.to_owned();
    let started = std::thread::Builder::new().name("make".to_owned()).spawn(move || drop(send.send(work(&path))));
    started.map_err(|source| HallError::Make { path: folder.to_owned(), source })?;
    answer.recv_timeout(MAKE_PATIENCE).map_err(|_| HallError::Silent { path: folder.to_owned() })
}

/// A freshly made file system holds `lost+found` and is empty all the same.
fn holds_anything(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name() != "lost+found")
}

/// Reads a configuration and sets the log lines up as it says.
///
/// # Errors
/// The configuration cannot be used.
pub fn configured(path: &Path) -> Result<Config, HallError> {
    let config = Config::read(path)?;
    log_lines(&config.log.level, config.log.json)?;
    Ok(config)
}

/// Sends log lines to standard error. Only the first call has an effect.
///
/// # Errors
/// [`HallError::LogLevel`].
pub fn log_lines(level: &str, json: bool) -> Result<(), HallError> {
    let known = ["error", "warn", "info", "debug", "trace", "off"].contains(&level) || level.contains('=');
    // At this level every command would tell each migration that stands as it stood.
    let filter = if level == "info" { "info,refinery_core=warn" } else { level };
    let filter = tracing_subscriber::EnvFilter::try_new(filter).ok().filter(|_| known);
    let filter = filter.ok_or_else(|| HallError::LogLevel(level.to_owned()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if json { lines.json().try_init() } else { lines.with_target(false).try_init() };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_opened_before_the_first_edition_of_the_rules() {
        let at = |text: &str| check_rules(text.parse().expect("a time"));
        assert_eq!(at("2026-11-27T12:00:00+09:00"), Ok(()));
        let fault = at("1970-01-01T00:00:00Z").expect_err("no rules").to_string();
        assert!(fault.contains("no edition that is in force on 1970-01-01"), "{fault}");
    }
}
