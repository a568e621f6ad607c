//! The archive: takes in, keeps, shows and issues the records of hospitals that closed or suspended.
//!
//! Every call blocks; asynchronous callers use `spawn_blocking`. [`Archive`] is a cheap handle.
//!
//! ```text
//! Archive::new(store, Arc<Door>, limits, ArchiveConfig{ folder, workers }) -> Archive        clock and random: the store's
//!
//! institutions   search(&InstitutionQuery{ text, region, kind, holding, closed_from, closed_to }, limit) -> Vec<Institution>
//!                institution(&InstitutionCode) -> Option<Institution>      regions() -> Vec<String>
//!                import_institutions(&mut dyn BufRead) -> ImportReport     Holding::slug() is the key of its words in Fluent
//!                prepare_search()                                          reads the directory, which the first search else does
//!                institutions::kinds() -> &[Kind{ code, korean, english }]
//!                institutions::provinces() -> &[Province{ korean, english }]     region_in_english(&str)
//! records        timeline(&Permit /* ReadTimeline */, &TimelineQuery{ from, before, institution, skip, limit }) -> Timeline{ visits, loose, total, next }
//!                select(&Permit, &Selection{ Whole | Period | Records }) -> Vec<ResourceKey>
//!                refuse_beyond(&Permit, &[Id16])                           for ids that were asked for and not found
//!                document_of(&Permit, &Version, url) -> Option<Id16>       store.object(&Permit, id) then gives its bytes
//! accesses       accesses(&Permit /* ReadAccessLog */, &store::AccessPage) -> Accesses{ entries, next }
//! deposit        deposit(&Path, &dyn CiLookup, &mut dyn FnMut(Progress)) -> Result<SignedReceipt, DepositError>
//!                deposit_with(&Path, &dyn CiLookup, DepositOptions{ rename_institution }, tell)
//!                receipt(id) -> Option<SignedReceipt>                      deposits(&InstitutionCode) -> Vec<Deposited>
//!                from_bundles(&Path, &Path, &BundleOptions) -> Converted   another system's bundles become a bag
//! ```
//!
//! Permits come from [`Archive::ask`]. Clinical content passes through [`store::Store`] alone, which checks them and journals.
//!
//! Architecture invariants: SQL stands in `tables` only; no text here that people read in the portal; what a bag says is
//! never trusted; nothing that came in is dropped without being named in a receipt.

mod accesses;
pub mod deposit;
mod error;
pub mod hangul;
pub mod institutions;
pub mod issue;
mod members;
mod names;
mod nesting;
mod records;
pub mod retention;
mod tables;
pub mod verify;

use base::limits::Limits;
use base::{Clock, Random};
use institutions::Directory;
use names::Names;
use policy::{Door, Permit, Request};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use store::Store;

pub use accesses::{Accessed, Accesses};
pub use deposit::bundles::{BundleOptions, Converted, ForeignPatient, from_bundles};
pub use deposit::receipt::{RECEIPT_BYTES_MAX, Receipt, ReceiptError, SignedReceipt};
pub use deposit::{DepositError, DepositOptions, Progress, Stage};
pub use error::ArchiveError;
pub use institutions::{Holding, ImportReport, Institution, InstitutionQuery};
pub use records::{Counted, Diagnosis, Entry, Relation, Selection, Timeline, TimelineQuery, Visit};
pub use tables::Deposited;

/// How an archive works.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    /// A folder of its own beside the database: locks of running deposits and written receipts.
    pub folder: PathBuf,
    /// Threads that read and check what is deposited.
    pub workers: usize,
    /// How to start a process that looks at deposited files before they are drawn; without it this one does so itself.
    pub inspector: Option<issue::InspectorCommand>,
}

impl ArchiveConfig {
    /// The default beside a data folder: two workers, and no inspecting process.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, workers: 2, inspector: None }
    }
}

/// The archive. A cheap handle.
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    door: Arc<Door>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    limits: Limits,
    config: ArchiveConfig,
    directory: Directory,
    inspector: issue::Inspector,
    names: OnceLock<Arc<Names>>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Archive {
    /// An archive over an open store, whose clock and random source it uses.
    #[must_use]
    pub fn new(store: Store, door: Arc<Door>, limits: Limits, config: ArchiveConfig) -> Self {
        let (clock, random) = (store.clock(), store.random());
        let inspector = issue::Inspector::for_threads(config.inspector.clone(), config.workers);
        let inner = Inner {
            store,
            door,
            clock,
            random,
            limits,
            config,
            directory: Directory::default(),
            inspector,
            names: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Asks the door. A denial is in the access journal before it is returned.
    ///
    /// # Errors
    /// [`ArchiveError::Denied`], [`ArchiveError::Store`].
    pub fn ask(&self, request: Request) -> Result<Permit, ArchiveError> {
        Ok(self.inner.store.ask(&self.inner.door, request)?)
    }

    /// What files in bags are called. Before this answers for the first time, nothing of it is left in clear.
    pub(crate) fn names(&self) -> Result<&Arc<Names>, ArchiveError> {
        if let Some(names) = self.inner.names.get() {
            return Ok(names);
        }
        let names = Arc::new(Names::new(self.inner.store.secret("archive")?, Arc::clone(&self.inner.random)));
        tables::seal_clear(&self.inner.store, &names)?;
        Ok(self.inner.names.get_or_init(|| names))
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The door.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.inner.door
    }

    /// The door, to be kept by another room.
    #[must_use]
    pub fn shared_door(&self) -> Arc<Door> {
        Arc::clone(&self.inner.door)
    }

    /// The clock, which never goes back.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    /// The random source.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &*self.inner.random
    }

    /// Limits on what comes from outside.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}
