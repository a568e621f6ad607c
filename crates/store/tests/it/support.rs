//! An installation in a temporary folder, and permits from the real door. Not a fixture of records: stories bring their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::limits::Limits;
use base::{Clock, Id16, Random, SystemClock, SystemRandom};
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use store::{
    Edition, IndexRow, NewVersion, OpenStore, Outcome, Prepared, ResourceKey, Store, StoreConfig, StoreError, Written,
};
use tempfile::TempDir;
use vault::{ClassName, FileKeyProvider, KeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

pub const CODE: &str = "11100001";
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn institution() -> InstitutionCode {
    InstitutionCode::new(CODE).expect("a code")
}

/// Somebody of whom a story writes: whoever it is to be, since the store takes any owner.
pub fn patient(source_id: &str) -> Owner {
    Owner::Patient(Id16::derived(&["patient", CODE, source_id]))
}

pub fn class() -> ClassName {
    ClassName::new("chart10").expect("a slug")
}

/// Folders of an installation.
pub struct House {
    _dir: Option<TempDir>,
    pub root: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub config: StoreConfig,
    pub witnessing: Option<store::Witnessing>,
}

impl House {
    pub fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let root = dir.path().to_owned();
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        FileKeyProvider::create(&root.join("root.key"), random).expect("a key file");
        Sites::create(&sites(&root)).expect("sites");
        KeyStores::create(&key_stores(&root)).expect("key stores");
        Self { _dir: Some(dir), ..Self::at(&root) }
    }

    /// A house that somebody else has made and will remove.
    pub fn at(root: &Path) -> Self {
        Self {
            _dir: None,
            root: root.to_owned(),
            clock: Arc::new(SystemClock::new()),
            config: StoreConfig::default(),
            witnessing: None,
        }
    }

    pub fn open(&self) -> Store {
        self.try_open().expect("the store opens")
    }

    /// Opens the store, and makes it the first time.
    pub fn try_open(&self) -> Result<Store, StoreError> {
        Store::create(self.with()?)
    }

    pub fn with(&self) -> Result<OpenStore, StoreError> {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let root = FileKeyProvider::open(&self.root.join("root.key"), random)?;
        self.with_provider(Arc::new(root))
    }

    /// The same under another provider of root keys.
    pub fn with_provider(&self, key_provider: Arc<dyn KeyProvider>) -> Result<OpenStore, StoreError> {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        Ok(OpenStore {
            folder: self.folder(),
            sites: Sites::open(sites(&self.root), 2)?,
            key_provider,
            key_stores: KeyStores::open(key_stores(&self.root), 2)?,
            origin: "hanmaru.test".to_owned(),
            clock: Arc::clone(&self.clock),
            random,
            limits: Limits::default(),
            config: self.config.clone(),
            witnessing: self.witnessing.clone(),
        })
    }

    pub fn folder(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn site(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Takes a site away, as a disk that is not mounted.
    pub fn hide_site(&self, name: &str) {
        std::fs::rename(self.site(name), self.root.join(format!("{name}.away"))).expect("the site is there");
    }

    pub fn show_site(&self, name: &str) {
        std::fs::rename(self.root.join(format!("{name}.away")), self.site(name)).expect("the site is away");
    }
}

pub fn sites(root: &Path) -> Vec<SiteConfig> {
    ["site-a", "site-b", "site-c"].map(|name| SiteConfig { name: name.to_owned(), folder: root.join(name) }).into()
}

pub fn key_stores(root: &Path) -> Vec<KeyStoreConfig> {
    ["keys-a", "keys-b", "keys-c"].map(|name| KeyStoreConfig { name: name.to_owned(), folder: root.join(name) }).into()
}

pub fn request(role: Role, account: Id16, action: Action, target: Target) -> Request {
    let (assurance, purpose) = match role {
        Role::Patient => (Assurance::Two, Purpose::OwnRecords),
        Role::Depositor => (Assurance::One, Purpose::Custody { deposit: Id16([1; 16]) }),
        Role::Operator => (Assurance::One, Purpose::Operation),
        Role::Job => (Assurance::None, Purpose::Operation),
        Role::Administrator => (Assurance::Two, Purpose::Operation),
        // Who reads on a ground says which.
        _ => (Assurance::Two, Purpose::Oversight),
    };
    let actor =
        Actor { account, role, assurance, name: "홍길동".to_owned().into(), source: "127.0.0.1".to_owned().into() };
    Request { actor, action, target, purpose }
}

pub fn permit(request: &Request, facts: &Facts) -> Permit {
    match Door::standard().expect("the door").decide(request, facts, &SystemRandom) {
        Decision::Permit(permit) => permit,
        Decision::Denial(denial) => panic!("the story needs a permit: {}", denial.explanation),
    }
}

/// A depositor's permit for the one institution of the stories.
pub fn depositor(store: &Store, action: Action) -> Permit {
    depositor_of(store, action, 1)
}

/// The same in another deposit.
pub fn depositor_of(store: &Store, action: Action, deposit: u8) -> Permit {
    let account = Id16([0xd; 16]);
    let epoch = store.facts(account).expect("facts").epoch;
    let facts = Facts { epoch, deposits_for: Some(institution()), ..Facts::default() };
    let request = request(Role::Depositor, account, action, Target::Institution(institution()));
    permit(&Request { purpose: Purpose::Custody { deposit: Id16([deposit; 16]) }, ..request }, &facts)
}

/// A person's permit for these patients of theirs.
pub fn person(store: &Store, account: Id16, patients: &[Owner], action: Action) -> Permit {
    let epoch = store.facts(account).expect("facts").epoch;
    let own = patients.iter().map(|owner| OwnPatient { patient: owner.id(), institution: institution() });
    let facts = Facts { epoch, person: Some(account), patients: own.collect(), ..Facts::default() };
    permit(&request(Role::Patient, account, action, Target::Person(account)), &facts)
}

pub fn key(store: &Store, owner: Owner, resource_type: &str, source_id: &str) -> ResourceKey {
    store.ids().key(owner, &institution(), resource_type, source_id)
}

/// Prepares a small resource dated by its number of days after 2020.
pub fn prepare(
    store: &Store,
    permit: &Permit,
    owner: Owner,
    kind: &str,
    source_id: &str,
    text: &str,
    day: i64,
) -> Prepared {
    prepare_edition(store, permit, owner, (kind, source_id, text), day, Edition::default())
}

/// The same as an edition.
pub fn prepare_edition(
    store: &Store,
    permit: &Permit,
    owner: Owner,
    (kind, source_id, text): (&str, &str, &str),
    day: i64,
    edition: Edition,
) -> Prepared {
    let code = institution();
    let bytes = format!(r#"{{"resourceType":"{kind}","id":"{source_id}","text":"{text}"}}"#);
    let index = vec![
        IndexRow::Token { param: "identifier", system: "urn:chart".to_owned(), code: source_id.to_owned() },
        IndexRow::String { param: "name", value: text.to_owned() },
        IndexRow::Date { param: "date", low_us: day * 86_400_000_000, high_us: (day + 1) * 86_400_000_000 - 1 },
    ];
    let new = NewVersion {
        owner,
        institution: &code,
        resource_type: kind,
        source_id,
        class: &class(),
        expiry_year: 2035,
        bytes: bytes.as_bytes(),
        date: base::Timestamp::from_second(1_577_836_800 + day * 86_400).ok(),
        encounter: None,
        index,
        edition,
    };
    store.prepare(permit, new).expect("it can be prepared")
}

/// Writes one resource and gives what became of it.
pub fn write_one(store: &Store, owner: Owner, kind: &str, source_id: &str, text: &str) -> Outcome {
    write(store, owner, &[(kind, source_id, text)]).versions[0]
}

pub fn write(store: &Store, owner: Owner, resources: &[(&str, &str, &str)]) -> Written {
    let permit = depositor(store, Action::Deposit);
    let prepared =
        (0..).zip(resources).map(|(day, (kind, id, text))| prepare(store, &permit, owner, kind, id, text, day));
    let prepared = prepared.collect();
    store.write(&permit, prepared, vec![], None).expect("it can be written")
}

/// The connection of somebody who looks at the database from outside.
pub fn look(house: &House) -> rusqlite::Connection {
    rusqlite::Connection::open(house.folder().join("hanmaru.db")).expect("the database")
}

pub fn count(house: &House, sql: &str) -> i64 {
    look(house).query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// How many leaves of the log `records` are about changes of rows: they stand beside those of versions and documents.
pub fn of_rows(house: &House) -> u64 {
    count(house, "SELECT count(*) FROM leaf WHERE kind = 6").unsigned_abs()
}

/// A log as it lies at a site.
pub struct SiteLog(pub PathBuf);

impl SiteLog {
    fn read(&self, path: &str) -> Result<Vec<u8>, std::io::Error> {
        std::fs::read(self.0.join(path))
    }

    pub fn checkpoint(&self, key: &ledger::VerifierKey) -> Option<ledger::Checkpoint> {
        let note = self.read("checkpoint").ok()?;
        Some(ledger::SignedCheckpoint::open(&note, std::slice::from_ref(key)).expect("it is signed").checkpoint)
    }
}

impl ledger::TileSource for SiteLog {
    type Error = std::io::Error;

    fn hash_tile(&self, id: &ledger::TileId) -> Result<Vec<u8>, std::io::Error> {
        self.read(&ledger::tiles::path(id))
    }
}

impl ledger::BundleSource for SiteLog {
    type Error = std::io::Error;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, std::io::Error> {
        self.read(&ledger::tiles::entries_path(index, width))
    }
}
