//! Permits through the real door, and small worlds of folders, keys and sites.

use base::{Id16, Random, SeededRandom};
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use vault::{
    ClassName, FileKeyProvider, GroupName, KeyError, KeyId, KeyIndex, KeyName, KeyStoreConfig, KeyStores, Keyring,
    SiteConfig, Sites, WrappedKey,
};

pub const SOON: Duration = Duration::from_secs(20);
static DOOR: LazyLock<Door> = LazyLock::new(|| Door::standard().expect("the policies are valid"));

pub fn institution() -> InstitutionCode {
    InstitutionCode::new("11100001").expect("a code")
}

pub fn patient(source_id: &str) -> Owner {
    Owner::Patient(Id16::derived(&["patient", source_id]))
}

pub fn group_name(owner: Owner) -> GroupName {
    let class = ClassName::new("chart").expect("a slug");
    GroupName { owner, institution: institution(), class, expiry_year: 2035 }
}

fn permit(role: Role, action: Action, target: Target, purpose: Purpose, facts: &Facts) -> Permit {
    let actor = Actor {
        account: Id16::derived(&["account"]),
        role,
        assurance: Assurance::Two,
        name: "test".to_owned().into(),
        source: "local".to_owned().into(),
    };
    let request = Request { actor, action, target, purpose };
    match DOOR.decide(&request, facts, &SeededRandom::new(1)) {
        Decision::Permit(permit) => permit,
        Decision::Denial(denial) => panic!("{denial:?}"),
    }
}

pub fn job(action: Action) -> Permit {
    permit(Role::Job, action, Target::Installation, Purpose::Operation, &Facts::default())
}

pub fn status() -> Permit {
    let facts = Facts { operator: true, ..Facts::default() };
    permit(Role::Operator, Action::ReadStatus, Target::Installation, Purpose::Operation, &facts)
}

pub fn depositor_of(code: &InstitutionCode) -> Permit {
    depositor(code, Action::Deposit)
}

pub fn depositor(code: &InstitutionCode, action: Action) -> Permit {
    let facts = Facts { deposits_for: Some(code.clone()), ..Facts::default() };
    let purpose = Purpose::Custody { deposit: Id16::derived(&["deposit"]) };
    permit(Role::Depositor, action, Target::Institution(code.clone()), purpose, &facts)
}

pub fn reader(owner: Owner, action: Action) -> Permit {
    let person = Id16::derived(&["person"]);
    let patients = vec![OwnPatient { patient: owner.id(), institution: institution() }];
    let facts = Facts { person: Some(person), patients, ..Facts::default() };
    permit(Role::Patient, action, Target::Person(person), Purpose::OwnRecords, &facts)
}

pub struct Folders {
    pub base: TempDir,
}

impl Folders {
    pub fn new() -> Self {
        Self { base: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub fn site_configs(&self) -> Vec<SiteConfig> {
        ["a", "b", "c"].map(|name| SiteConfig { name: name.to_owned(), folder: self.path(name) }).into()
    }

    /// Three sites, compared and quiet.
    pub fn sites(&self) -> Sites {
        Sites::create(&self.site_configs()).expect("made");
        let sites = self.open_sites();
        assert!(sites.settle(SOON), "{:?}", sites.status());
        sites
    }

    pub fn open_sites(&self) -> Sites {
        Sites::open(self.site_configs(), 2).expect("opened")
    }

    pub fn key_store_configs(&self) -> Vec<KeyStoreConfig> {
        ["k1", "k2", "k3"].map(|name| KeyStoreConfig { name: name.to_owned(), folder: self.path(name) }).into()
    }

    pub fn key_stores(&self) -> KeyStores {
        KeyStores::create(&self.key_store_configs()).expect("made");
        KeyStores::open(self.key_store_configs(), 2).expect("opened")
    }

    pub fn root_key(&self) -> Arc<FileKeyProvider> {
        let (path, random) = (self.path("root.key"), random(7));
        let made =
            if path.exists() { FileKeyProvider::open(&path, random) } else { FileKeyProvider::create(&path, random) };
        Arc::new(made.expect("a root key"))
    }

    pub fn ring(&self, index: Arc<dyn KeyIndex>, seed: u64) -> Keyring {
        Keyring::open(self.root_key(), self.key_stores(), index, random(seed)).expect("opened")
    }
}

/// Lets every site's checkpoint be replaced, whatever it is.
pub fn accept(sites: &Sites, path: &str) {
    let looks = sites.looks(&job(Action::Seal), path).expect("looked at");
    sites.accept(path, &looks);
}

pub fn random(seed: u64) -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(seed))
}

/// Stands for the store's table.
#[derive(Default)]
pub struct Table(Mutex<Vec<WrappedKey>>);

impl Table {
    pub fn insert(&self, keys: &[WrappedKey]) {
        let mut rows = self.0.lock().expect("no panics");
        for key in keys {
            if !rows.iter().any(|row| row.id == key.id) {
                rows.push(key.clone());
            }
        }
    }

    pub fn change(&self, change: impl FnOnce(&mut Vec<WrappedKey>)) {
        change(&mut self.0.lock().expect("no panics"));
    }
}

impl KeyIndex for Table {
    fn by_name(&self, name: &KeyName) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.0.lock().expect("no panics").iter().find(|key| key.name == *name).cloned())
    }

    fn by_id(&self, id: KeyId) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.0.lock().expect("no panics").iter().find(|key| key.id == id).cloned())
    }
}

/// A small file system in memory; `None`, loudly, where mounting is not allowed.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("made");
        let done = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if done.is_ok_and(|done| done.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: mounting a file system of {options} is not allowed here");
        None
    }

    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = std::process::Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(done.expect("mount runs").success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
