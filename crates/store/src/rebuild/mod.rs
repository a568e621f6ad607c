//! Makes an installation's tables again from what a site holds, the key stores and the root key, and proves them: every leaf of
//! both logs is explained by a frame or a row, every document by its bytes. Signs nothing but the end of a log that had been written
//! and not yet signed everywhere, and writes nothing at a site; sites bring each other what one lacks meanwhile, as ever. Not a copy of
//! files: what is damaged is found, not brought along.
//!
//! The new database stands under another name until everything is proved. What was accepted and had not reached the sites when
//! the old one was lost is lost; it had been promised to nobody as sealed.

mod apply;
mod documents;
mod index;
mod keys;
mod late;
mod log;
mod scan;
mod shut;
mod sites;
mod staging;
mod witnesses;
mod work;

pub(crate) use work::{Work, clear_left};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use base::{Clock, Random, Redacted};
use ledger::SignerKey;
use policy::{Action, Decision, Door, Facts, InstitutionCode, Permit};
use vault::{KeyId, KeyProvider, KeyStores, Keyring, Sites};

use crate::Store;
use crate::connection::{Readers, open_tables};
use crate::error::{AtStep, OnFile, StoreError};
use crate::facts::job_request;
use crate::fingerprint::{Fingerprint, fingerprint};
use crate::ids::Ids;
use crate::index::IndexRow;
use crate::journal::AccessEntry;
use crate::open::{DATABASE, OPEN_LOCK};
use crate::types::Log;
use crate::witnessing::Witnessing;
use staging::Staging;

/// The keyed hash of an identity number or a CI, as [`crate::Store::ci_hash`].
pub type CiHash<'a> = dyn Fn(&Redacted<String>) -> [u8; 32] + 'a;

/// Index rows of a resource, given its institution, its bytes as they came, what makes ids and the hash of identity numbers: what the
/// room that took it in made of it. The error says why the bytes cannot be read, and nothing that they say.
pub type Reindex<'a> = dyn Fn(&InstitutionCode, &[u8], &Ids, &CiHash<'_>) -> Result<Vec<IndexRow>, String> + 'a;

/// What a rebuild is made with.
pub struct Rebuild<'a> {
    /// The store's folder, where no database is.
    pub folder: PathBuf,
    /// The site that it is made from.
    pub from: Sites,
    /// All sites of the installation: none may know more than the one it is made from, and most of them must tell.
    pub all: Sites,
    /// The root key.
    pub key_provider: Arc<dyn KeyProvider>,
    /// The key stores.
    pub key_stores: KeyStores,
    /// Name of the installation.
    pub origin: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The random source.
    pub random: Arc<dyn Random>,
    /// Makes the search index.
    pub reindex: &'a Reindex<'a>,
    /// Who cosigned the logs, where anybody did: one of them may have seen more than any site that answers.
    pub witnessing: Option<Witnessing>,
    /// What the operator has said that it goes on without.
    pub without: Without,
    /// Whether everything is taken away again when it is proved: a restore drill, beside a running installation.
    pub drill: bool,
}

/// What a rebuild goes on without, since whoever could tell that there is more is lost for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Without {
    /// A quorum of witnesses.
    pub witnesses: bool,
    /// So many sites that one of those that tell has all that was sealed.
    pub sites: bool,
}

/// What a rebuild found and made.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Leaves of the logs `records` and `access`.
    pub leaves: [u64; 2],
    /// Roots of the logs, in hexadecimal digits.
    pub roots: [String; 2],
    /// Leaves at the ends of the logs that had been written to sites and were not under a checkpoint there yet.
    pub taken_up: [u64; 2],
    /// Versions of resources.
    pub versions: u64,
    /// Documents, whose bytes were all read.
    pub objects: u64,
    /// Access entries.
    pub accesses: u64,
    /// Changes of rows.
    pub changes: u64,
    /// Frames whose key was destroyed.
    pub shut: u64,
    /// Keys that an erasure had destroyed and the key stores had again, since they were set back; they are not taken over.
    pub back: u64,
    /// Frames that no leaf is about: left by interrupted writes.
    pub stray: u64,
    /// Packs read, and their bytes.
    pub packs: [u64; 2],
    /// Sites that do not tell how much of the logs they have, with why: whoever comes back may have more.
    pub silent: Vec<String>,
    /// What every table holds, to compare with another installation.
    pub fingerprint: Fingerprint,
}

/// What one try came to.
enum Made {
    Whole(Box<Rebuilt>),
    /// Among the keys were some that the log says are destroyed.
    WithDestroyed(BTreeSet<KeyId>),
}

impl Rebuild<'_> {
    /// Does it. On an error nothing stands in the folder that was not there before.
    ///
    /// # Errors
    /// [`StoreError::Rebuild`] where a database is there already, where another site or a witness knows more of a log, where too few
    /// sites or fewer witnesses than a quorum can be asked, or where something of the log is not at the site, with what and how much;
    /// [`StoreError::OlderIds`] where an older program made what is there; [`StoreError::Key`], [`StoreError::Site`],
    /// [`StoreError::Ledger`], [`StoreError::Database`], [`StoreError::File`].
    pub fn run(self) -> Result<Rebuilt, StoreError> {
        let locks = self.folder.join("locks");
        std::fs::create_dir_all(&locks).on("made", &locks)?;
        // Whoever opens the store waits until the database is in place.
        let opening_path = locks.join(OPEN_LOCK);
        let opening = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&opening_path);
        let opening = opening.on("opened", &opening_path)?;
        let path = self.folder.join(DATABASE);
        if !self.drill {
            opening.lock().on("locked", &opening_path)?;
            if path.try_exists().on("looked for", &path)? {
                return Err(StoreError::Rebuild {
                    reason: format!(
                        "{} is there; a rebuild never replaces a database: move it away first",
                        path.display()
                    ),
                });
            }
        }
        let work = Work::wait(&self.folder)?;
        let place = work.path(self.drill);
        let make = |left_out: &BTreeSet<KeyId>| {
            work::remove(&place)?;
            std::fs::create_dir_all(&place).on("made", &place)?;
            self.make(&place.join(DATABASE), &place.join("staging.db"), left_out)
        };
        let made = match make(&BTreeSet::new()) {
            // The log says what the key stores have forgotten: made once more without those keys.
            Ok(Made::WithDestroyed(keys)) => make(&keys),
            made => made,
        };
        let made = made.and_then(|made| match made {
            Made::Whole(rebuilt) if self.drill => Ok(*rebuilt),
            Made::Whole(rebuilt) => put_in_place(&place.join(DATABASE), &path).map(|()| *rebuilt),
            Made::WithDestroyed(_) => unreachable!("those keys were left out"),
        });
        // What was made stands, and what made it fail is told, whatever is left here: whoever opens the store next removes that.
        if let Err(error) = work.clear() {
            tracing::warn!(%error, "what a drill or a rebuild that ended has left is not removed");
        }
        made
    }

    fn make(
        &self,
        path: &std::path::Path,
        staging: &std::path::Path,
        left_out: &BTreeSet<KeyId>,
    ) -> Result<Made, StoreError> {
        let permit = job_permit(&*self.random)?;
        let mut target = open_tables(path, None)?;
        target.pragma_update(None, "synchronous", "OFF").at("opening")?;
        let readers = Arc::new(Readers::new(path, None, 2));
        let (keyring, destroyed) = keys::take_in(self, &mut target, readers, left_out)?;
        let ids = Ids::of_rebuild(&keyring)?;
        let mut staging = Staging::create(staging)?;
        let mut ends = Vec::new();
        for log in Log::ALL {
            ends.push(log::read(self, &permit, log, &self.signer(&keyring, log)?, &mut staging)?);
        }
        let everywhere = sites::packs(self, &permit)?;
        let scanned = scan::packs(&self.from, &permit, &keyring, &mut staging)?;
        let applied = apply::tables(&mut target, &mut staging, scanned.newest_change)?;
        let back = keys::back(&target)?;
        if !back.is_empty() {
            return Ok(Made::WithDestroyed(back));
        }
        for (log, end) in Log::ALL.into_iter().zip(&ends) {
            end.write(&mut target, log, scanned.newest_change, self.clock.now().as_microsecond())?;
        }
        let under_way = late::explain_erased(&staging, &target, &destroyed)?;
        let late = staging.all_explained(&scanned, &under_way)?;
        if !late.is_empty() {
            everywhere.were_read(self, &staging)?;
        }
        shut::take_out(&mut target, &staging, &destroyed, &under_way, &late)?;
        let objects = documents::prove(self, &permit, &keyring, &target, &staging)?;
        let ci_key = keyring.known_secret("person-ci")?;
        let ci_hash = |ci: &Redacted<String>| base::hmac_sha256(&ci_key[..], ci.expose().as_bytes());
        index::make(&permit, &keyring, &mut target, &|institution, bytes| {
            (self.reindex)(institution, bytes, &ids, &ci_hash)
        })?;
        let fingerprint = fingerprint(&target)?;
        target.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").at("finishing")?;
        let number = |log: usize| ends[log].size();
        Ok(Made::Whole(Box::new(Rebuilt {
            leaves: [number(0), number(1)],
            roots: [ends[0].root(), ends[1].root()],
            taken_up: [ends[0].taken_up(), ends[1].taken_up()],
            versions: applied.versions,
            objects,
            accesses: applied.accesses,
            changes: applied.changes,
            shut: scanned.shut,
            back: left_out.len() as u64,
            stray: scanned.stray,
            packs: [scanned.packs, scanned.bytes],
            silent: ends.iter().flat_map(|end| &end.silent).cloned().collect::<BTreeSet<_>>().into_iter().collect(),
            fingerprint,
        })))
    }

    /// The key that a log is signed with. It is there, or the key stores are another installation's.
    fn signer(&self, keyring: &Keyring, log: Log) -> Result<SignerKey, StoreError> {
        let seed = keyring.known_secret(&format!("log-{}", log.name()))?;
        Ok(SignerKey::from_seed(&format!("{}/{}", self.origin, log.name()), &seed)?)
    }
}

impl Store {
    /// Writes into the access journal that everything here was opened to be made again: the first entry of the time after.
    ///
    /// # Errors
    /// [`StoreError::JournalUnavailable`].
    pub fn note_rebuild(&self, rebuilt: &Rebuilt) -> Result<(), StoreError> {
        let core = self.core();
        let permit = job_permit(&*core.random)?;
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let what = vec![
            ("Resource".to_owned(), count(rebuilt.versions)),
            ("Document".to_owned(), count(rebuilt.objects)),
            ("AccessEntry".to_owned(), count(rebuilt.accesses)),
        ];
        core.record(&[AccessEntry { what, ..core.entry(&permit, permit.actor().account) }])
    }
}

fn job_permit(random: &dyn Random) -> Result<Permit, StoreError> {
    match Door::standard()?.decide(&job_request("rebuild", Action::Rebuild), &Facts::default(), random) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Denial(denial) => {
            Err(StoreError::JobDenied { job: "rebuild".to_owned(), explanation: denial.explanation })
        }
    }
}

/// Durable under its name when this returns.
fn put_in_place(made: &std::path::Path, path: &std::path::Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{suffix}", made.display()));
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).on("removed", &beside),
            _ => {}
        }
    }
    std::fs::File::open(made).and_then(|file| file.sync_all()).on("synced", made)?;
    std::fs::rename(made, path).on("put in place", path)?;
    let folder = path.parent().expect("the database is in a folder");
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).on("synced", folder)
}
