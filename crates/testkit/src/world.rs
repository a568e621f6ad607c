//! One installation in a temporary folder: three sites, three key stores, root key, store, archive and door.

use crate::people::Register;
use archive::{Archive, ArchiveConfig, DepositError, SignedReceipt};
use base::limits::Limits;
use base::{Clock, ManualClock, Random, SeededRandom, Timestamp};
use policy::{Action, Actor, Assurance, Door, Permit, Purpose, Request, Role, Target};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{OpenStore, Store, StoreConfig};
use synth::people::Person;
use tempfile::TempDir;
use vault::{FileKeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

/// Sites and key stores that must hold what is acknowledged.
const QUORUM: usize = 2;
/// Names of sites and of key stores.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Where the log's name begins.
const ORIGIN: &str = "test.example/hanmaru";

/// An installation. Its folder ends with it.
pub struct World {
    archive: Archive,
    /// The clock; it stands still until it is moved.
    pub clock: Arc<ManualClock>,
    /// The people whom the agency knows.
    pub agency: Register,
    limits: Limits,
    /// How often it was opened: each time draws from another seed, so that no salt or key is drawn twice.
    opened: AtomicU64,
    // The folder is dropped last.
    folder: TempDir,
}

impl World {
    /// A new installation, on 2026-11-22 at noon in Seoul.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A new installation with limits of its own.
    ///
    /// # Panics
    /// Where a temporary folder cannot be made or opened.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(1));
        FileKeyProvider::create(&root_key(folder.path()), random).expect("a root key");
        Sites::create(&sites(folder.path())).expect("new sites");
        KeyStores::create(&key_stores(folder.path())).expect("new key stores");
        let noon: Timestamp = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let clock = Arc::new(ManualClock::at(noon));
        let opened = AtomicU64::new(2);
        let archive = open(folder.path(), &limits, Arc::clone(&clock), &opened).expect("a new installation opens");
        Self { archive, clock, agency: Register::default(), limits, opened, folder }
    }

    /// The same installation after its program ended and was started again.
    ///
    /// # Panics
    /// Where it does not open again.
    #[must_use]
    pub fn reopened(self) -> Self {
        let Self { archive, clock, agency, limits, opened, folder } = self;
        drop(archive);
        let archive = open(folder.path(), &limits, Arc::clone(&clock), &opened).expect("it opens again");
        Self { archive, clock, agency, limits, opened, folder }
    }

    /// A second program on the same folders.
    ///
    /// # Errors
    /// What keeps it from opening, as text.
    pub fn opened_again(&self) -> Result<Archive, String> {
        open(self.folder.path(), &self.limits, Arc::clone(&self.clock), &self.opened)
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.archive.store()
    }

    /// A permit of whoever runs the installation.
    ///
    /// # Panics
    /// Where the door denies it.
    #[must_use]
    pub fn operator_permit(&self, action: Action) -> Permit {
        let account = base::Id16([0xa; 16]);
        let epoch = self.store().facts(account).expect("facts").epoch;
        let facts = policy::Facts { epoch, operator: true, ..policy::Facts::default() };
        let actor = Actor {
            account,
            role: Role::Operator,
            assurance: policy::Assurance::One,
            name: "operator".to_owned().into(),
            source: "local".to_owned().into(),
        };
        let (target, purpose) = (policy::Target::Installation, policy::Purpose::Operation);
        let request = policy::Request { actor, action, target, purpose };
        match self.archive().door().decide(&request, &facts, self.archive().random()) {
            policy::Decision::Permit(permit) => permit,
            policy::Decision::Denial(denial) => panic!("{}", denial.explanation),
        }
    }

    /// A folder or file of the installation.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The folder of one of the sites, from 0.
    #[must_use]
    pub fn site(&self, place: usize) -> PathBuf {
        sites(self.folder.path())[place].folder.clone()
    }

    /// Deposits a bag with the agency's help.
    ///
    /// # Errors
    /// Those of [`Archive::deposit`].
    pub fn deposit(&self, bag: &Path) -> Result<SignedReceipt, DepositError> {
        self.archive.deposit(bag, &self.agency, &mut |_| {})
    }

    /// Somebody who has signed in with two factors. Whom no deposit has linked gets an account that has nothing.
    ///
    /// # Panics
    /// Where the store cannot be read.
    #[must_use]
    pub fn visitor(&self, person: &Person) -> Actor {
        let hash = self.store().ci_hash(&person.ci.clone().into());
        Actor {
            account: self.store().person_for_ci(&hash).expect("the store can be written"),
            role: Role::Patient,
            assurance: Assurance::Two,
            name: person.name.clone().into(),
            source: "192.0.2.10".to_owned().into(),
        }
    }

    /// A permit of a person about all that is theirs, from the door.
    ///
    /// # Panics
    /// Where the door denies it.
    #[must_use]
    pub fn own_permit(&self, person: &Person, action: Action) -> Permit {
        let actor = self.visitor(person);
        let target = Target::Person(actor.account);
        let request = Request { actor, action, target, purpose: Purpose::OwnRecords };
        self.archive.ask(request).unwrap_or_else(|error| panic!("{} is denied: {error}", action.name()))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn open(folder: &Path, limits: &Limits, clock: Arc<ManualClock>, opened: &AtomicU64) -> Result<Archive, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(opened.fetch_add(1, Ordering::Relaxed)));
    let key = FileKeyProvider::open(&root_key(folder), Arc::clone(&random)).map_err(|error| text(&error))?;
    let clock: Arc<dyn Clock> = clock;
    let store = Store::create(OpenStore {
        folder: folder.join("data"),
        sites: Sites::open(sites(folder), QUORUM).map_err(|error| text(&error))?,
        key_provider: Arc::new(key),
        key_stores: KeyStores::open(key_stores(folder), QUORUM).map_err(|error| text(&error))?,
        origin: ORIGIN.to_owned(),
        clock,
        random,
        limits: limits.clone(),
        config: StoreConfig::default(),
        witnessing: None,
    });
    let store = store.map_err(|error| text(&error))?;
    let door = Arc::new(Door::standard().map_err(|error| text(&error))?);
    let config = ArchiveConfig::new(folder.join("data/archive"));
    Ok(Archive::new(store, door, limits.clone(), config))
}

fn root_key(folder: &Path) -> PathBuf {
    folder.join("root.key")
}

fn sites(folder: &Path) -> Vec<SiteConfig> {
    NAMES.map(|name| SiteConfig { name: name.to_owned(), folder: folder.join("sites").join(name) }).to_vec()
}

fn key_stores(folder: &Path) -> Vec<KeyStoreConfig> {
    NAMES.map(|name| KeyStoreConfig { name: name.to_owned(), folder: folder.join("key_stores").join(name) }).to_vec()
}
