//! Sites: the same bytes in several places. A call returns once a quorum has them durably; a site that is away, slow or
//! damaged catches up in the background. Sites hold ciphertext and ledger tiles, and know nothing of either.
//!
//! Paths are immutable: the same bytes may come again, other bytes are refused. Only objects named `checkpoint` are
//! replaced ([`Sites::replace`]).
//!
//! A site is a folder or a bucket; what a bucket holds is told in `bucket_site`.
//!
//! # A site's folder
//!
//! | path | what |
//! |---|---|
//! | `hanmaru-site.txt` | the marker; nothing is written into a folder without it |
//! | `staging/…` | files being written; none of them counts, and those a day old are removed |
//! | everything else | an object each, whole from the moment its name exists |
//!
//! An object is written into `staging`, synced, renamed to its name, and its folder synced. So a name never stands for
//! half an object, whenever the power goes.

mod bucket_site;
mod error;
mod folder_site;
mod mend;
mod one;
mod paths;
mod places;
mod site;

pub use bucket_site::{BucketConfig, BucketSite};
pub use error::SiteError;
pub use folder_site::FolderSite;
pub use mend::RepairReport;
pub use paths::PATH_BYTES_MAX;
pub use site::Look;

use crate::folder::{self, Belonging, Fault, Kind, SiteFault};
use crate::lane::{Asking, Bell, Lane, gather, lock};
use base::Id16;
use bytes::Bytes;
use paths::{check_path, is_replaced};
use policy::{Action, Permit, Scope};
use site::{ANSWER_WAIT, Pending, Site, State};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Largest object in bytes.
pub const OBJECT_BYTES_MAX: usize = 64 << 20;
/// Bytes that wait in memory for one site before callers are slowed down.
const LANE_BYTES_MAX: usize = 32 << 20;
/// How long a caller lets itself be slowed down by one site before it leaves that site behind.
const LANE_PATIENCE: Duration = Duration::from_secs(2);
/// Questions to one site that are answered at once.
const QUESTIONS_AT_ONCE: usize = 4;
/// How long a call waits for a site that says nothing when the quorum depends on it.
const QUORUM_PATIENCE: Duration = Duration::from_secs(20);

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name in messages: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// Its folder, best on a disk of its own.
    pub folder: PathBuf,
}

/// Where one site is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SitePlace {
    /// A folder.
    Folder(SiteConfig),
    /// A bucket.
    Bucket(BucketConfig),
}

impl SitePlace {
    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Folder(site) => &site.name,
            Self::Bucket(site) => &site.name,
        }
    }

    /// What tells two of them apart.
    fn place(&self) -> String {
        match self {
            Self::Folder(site) => site.folder.display().to_string(),
            Self::Bucket(site) => format!("{}/{}/{}", site.endpoint, site.bucket, site.prefix),
        }
    }
}

/// What one call to a site may do with a name that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The same bytes are fine, others are [`Fault::Conflict`].
    Keep,
    /// It is replaced.
    Replace,
}

/// Where one site keeps its objects: a folder or a bucket. Paths given to it are valid.
pub trait SiteBackend: Send + Sync {
    /// Whether the site is there and is the one it should be. Promises nothing about the next call.
    fn check(&self) -> Result<(), Fault>;

    /// Tells whose the sites are. [`Fault::Foreign`] where this one, with most of the others, is known to be another's.
    /// Writes nothing.
    fn belong(&self, _installation: Id16) -> Result<(), Fault> {
        Ok(())
    }

    /// Writes at the site whose it is, durable when this returns. [`Fault::Foreign`] where it is another's.
    fn mark(&self, _installation: Id16) -> Result<(), Fault> {
        Ok(())
    }

    /// Writes objects. When this returns `Ok`, all of them are durable under their names (files and folders synced).
    /// After a fault each may be there whole or not at all, durable or not; writing them again is harmless.
    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault>;

    /// Reads an object or a part of it; [`Fault::Absent`] where it is not there. What was durable before is found.
    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault>;

    /// Names one folder's folders, and its objects with their sizes; nothing where there is no such folder.
    fn list(&self, folder: &str) -> Result<Listing, Fault>;
}

/// Reads an object from the first site whose copy passes a check.
pub type Read<'a> = &'a dyn Fn(&str, &dyn Fn(&[u8]) -> bool) -> Option<Bytes>;

/// Knows what stands in the logs, which sites do not.
pub trait Judge: Send + Sync {
    /// Whether these are the right bytes of a path, which is no pack's; `None` where that cannot be told now.
    fn is_right(&self, path: &str, bytes: &[u8], read: Read<'_>) -> Option<bool>;
}

/// What stands in one folder of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Full paths of the folders in it.
    pub folders: Vec<String>,
    /// Full paths and sizes in bytes of the objects in it.
    pub objects: Vec<(String, u64)>,
}

/// Where an accepted write is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The sites that have it; the others get it in the background.
    pub sites: Vec<String>,
}

/// A site's name and its copy of an object, or why it has none.
pub type SiteCopy = (String, Result<Bytes, Fault>);

/// How a site is doing, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteStatus {
    /// The site.
    pub name: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// How many objects it is known to miss.
    pub pending: usize,
    /// The last fault since it was last in order.
    pub last_fault: Option<Fault>,
}

/// The sites of an installation. A cheap handle.
///
/// Reading takes a permit as writing does. This compiles:
///
/// ```
/// fn read(sites: &vault::Sites, permit: &policy::Permit) -> bool {
///     sites.get(permit, "log/records/checkpoint", &|_| true).is_ok()
/// }
/// ```
///
/// and this does not:
///
/// ```compile_fail,E0061
/// fn read(sites: &vault::Sites) -> bool {
///     sites.get("log/records/checkpoint", &|_| true).is_ok()
/// }
/// ```
#[derive(Clone)]
pub struct Sites(Arc<Handle>);

/// The last handle stops the mender.
struct Handle {
    inner: Arc<Inner>,
}

struct Inner {
    sites: Vec<Arc<Site>>,
    quorum: usize,
    /// How long a write waits for a site that says nothing when the quorum depends on it.
    patience: Duration,
    stop: AtomicBool,
    /// Set while sites are compared: what is missing is not known yet.
    comparing: AtomicBool,
    /// Tells which copy of an object is right.
    judge: OnceLock<Arc<dyn Judge>>,
    /// Set where a copy was left since nobody could tell yet.
    unjudged: AtomicBool,
    /// Names that this process has replaced.
    replaced: Mutex<BTreeSet<String>>,
    /// Wakes the mender.
    bell: Bell,
}

impl Sites {
    /// Sets up folders as new sites; leaves those alone that are sites of the same name. [`Sites::open`] never makes a
    /// folder, so that a disk that is not mounted is not mistaken for an empty site.
    pub fn create(sites: &[SiteConfig]) -> Result<(), SiteError> {
        for site in sites {
            folder::set_up(&site.folder, Kind::Site, &site.name)
                .map_err(|fault| SiteError::Config { reason: format!("{}: {fault}", site.name) })?;
        }
        Ok(())
    }

    /// As [`Sites::create`], for folders and buckets.
    pub fn create_places(sites: &[SitePlace]) -> Result<(), SiteError> {
        for site in sites {
            let config = |reason: String| SiteError::Config { reason: format!("{}: {reason}", site.name()) };
            match site {
                SitePlace::Folder(folder) => Self::create(std::slice::from_ref(folder))?,
                SitePlace::Bucket(bucket) => {
                    let bucket = BucketSite::new(bucket).map_err(config)?;
                    bucket.set_up().map_err(|fault| config(fault.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// Opens sites of which `quorum` must have a write. A site that is away is a fault later, not an error here.
    /// A thread compares the sites' names and sizes now, and mends from then on.
    pub fn open(sites: Vec<SiteConfig>, quorum: usize) -> Result<Self, SiteError> {
        Self::open_places(sites.into_iter().map(SitePlace::Folder).collect(), quorum)
    }

    /// As [`Sites::open`], for folders and buckets.
    pub fn open_places(sites: Vec<SitePlace>, quorum: usize) -> Result<Self, SiteError> {
        for (number, site) in sites.iter().enumerate() {
            if sites[..number].iter().any(|other| other.place() == site.place()) {
                let reason = format!("two sites share {}; give each a place of its own", site.place());
                return Err(SiteError::Config { reason });
            }
        }
        let said = places::say(&sites)?;
        let belonging = Arc::new(Belonging::of_most(&said).ok_or_else(|| SiteError::Config {
            reason: "they belong to different installations; check the mounts and the configuration".to_owned(),
        })?);
        let mut backends: Vec<(String, Box<dyn SiteBackend>)> = Vec::with_capacity(sites.len());
        for site in sites {
            let name = site.name().to_owned();
            backends.push((name, places::backend(site, &belonging)?));
        }
        Self::with_backends(backends, quorum)
    }

    /// Opens sites of any kind: for other kinds of storage, and for tests that make sites fail.
    pub fn with_backends(backends: Vec<(String, Box<dyn SiteBackend>)>, quorum: usize) -> Result<Self, SiteError> {
        Self::with_patience(backends, quorum, QUORUM_PATIENCE)
    }

    /// As [`Sites::with_backends`], and a write waits so long for a site that says nothing where the quorum depends on it. So does a
    /// question, where that is less than it waits otherwise.
    pub fn with_patience(
        backends: Vec<(String, Box<dyn SiteBackend>)>,
        quorum: usize,
        patience: Duration,
    ) -> Result<Self, SiteError> {
        let config = |reason| SiteError::Config { reason };
        if quorum == 0 || quorum > backends.len() || backends.len() > 16 {
            let reason = format!("{quorum} of {} cannot be a quorum; configure 1 to 16 sites", backends.len());
            return Err(config(reason));
        }
        let mut sites: Vec<Arc<Site>> = Vec::with_capacity(backends.len());
        for (name, backend) in backends {
            if !folder::is_name(&name) || sites.iter().any(|other| other.name == name) {
                let reason = format!("{name:?} is no name or is there twice; use 1 to 64 of A-Z, a-z, 0-9 and . _ -");
                return Err(config(reason));
            }
            let lane = Lane::start("site", LANE_BYTES_MAX, LANE_PATIENCE)
                .map_err(|error| config(format!("no thread can be started: {error}")))?;
            let asking = Asking::start("site-questions", QUESTIONS_AT_ONCE)
                .map_err(|error| config(format!("no thread can be started: {error}")))?;
            let state = State {
                reachable: true,
                lost: 0,
                looks: BTreeMap::new(),
                accepted: BTreeMap::new(),
                last_fault: None,
                pending: BTreeMap::new(),
                compare: true,
            };
            let answer_wait = ANSWER_WAIT.min(patience);
            let site = Site { name, backend: backend.into(), lane, asking, answer_wait, state: Mutex::new(state) };
            if let Err(fault) = site.check() {
                let mut state = lock(&site.state);
                state.reach(false);
                state.last_fault = Some(fault);
            }
            sites.push(Arc::new(site));
        }
        let inner = Arc::new(Inner {
            sites,
            quorum,
            patience,
            stop: AtomicBool::new(false),
            comparing: AtomicBool::new(false),
            judge: OnceLock::new(),
            unjudged: AtomicBool::new(false),
            replaced: Mutex::default(),
            bell: Bell::default(),
        });
        let mended = Arc::clone(&inner);
        std::thread::Builder::new()
            .name("site-mender".to_owned())
            .spawn(move || mend::keep_mending(&mended))
            .map_err(|error| config(format!("no thread can be started: {error}")))?;
        Ok(Self(Arc::new(Handle { inner })))
    }

    /// Writes objects to all sites at once, each with one sync a file and one a folder. When this returns `Ok`, every
    /// object is durable at no fewer sites than the quorum; the others have it soon. After [`SiteError::TooFew`] some sites
    /// may have some of them: the same call again is harmless. The same path and bytes again is fine, other bytes are a
    /// conflict. Takes a permit to deposit, seal or repair.
    pub fn put_all(&self, permit: &Permit, objects: &[(String, Bytes)]) -> Result<Placement, SiteError> {
        may_write(permit)?;
        let mut seen = HashSet::with_capacity(objects.len());
        for (path, bytes) in objects {
            check_path(path)?;
            if bytes.len() > OBJECT_BYTES_MAX {
                return Err(SiteError::TooLarge { path: path.clone(), bytes: bytes.len() });
            }
            if is_replaced(path) || !seen.insert(path) {
                let reason = "it is replaced, or there twice; use replace, and each path once";
                return Err(SiteError::BadPath { path: path.clone(), reason });
            }
        }
        self.inner().put(objects, Existing::Keep)
    }

    /// Replaces an object named `checkpoint`, durable as in [`Sites::put_all`]. One caller at a time for one path. A site
    /// that is away gets the newest when it returns, if this process lives; so do this again at every start. What a site holds there
    /// may be another's and newer: it is not replaced, nor anything below it, before somebody has looked and accepted that
    /// ([`Sites::accept`]), at the start and whenever the site was away.
    pub fn replace(&self, permit: &Permit, path: &str, bytes: Bytes) -> Result<Placement, SiteError> {
        may_write(permit)?;
        check_path(path)?;
        if !is_replaced(path) {
            return Err(SiteError::BadPath { path: path.to_owned(), reason: "only checkpoints are replaced" });
        }
        lock(&self.inner().replaced).insert(path.to_owned());
        self.inner().put(&[(path.to_owned(), bytes)], Existing::Replace)
    }

    /// Reads an object from the first site whose copy passes `check`. A copy that does not is mended in the background.
    pub fn get(&self, permit: &Permit, path: &str, check: &dyn Fn(&[u8]) -> bool) -> Result<Bytes, SiteError> {
        may_read(permit)?;
        check_path(path)?;
        self.inner().get(path, None, check)
    }

    /// Reads a part of an object, in the same way. [`SiteError::Unreadable`] where the object is shorter.
    pub fn get_range(
        &self,
        permit: &Permit,
        path: &str,
        range: Range<u64>,
        check: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Bytes, SiteError> {
        may_read(permit)?;
        check_path(path)?;
        let bytes = range.end.checked_sub(range.start).map_or(usize::MAX, |bytes| bytes as usize);
        if bytes > OBJECT_BYTES_MAX {
            return Err(SiteError::TooLarge { path: path.to_owned(), bytes });
        }
        self.inner().get(path, Some(range), check)
    }

    /// Tells whose the sites are, before anything is written to them. A single site of another installation, mounted in
    /// another's place, is a fault of that site and left as it is.
    ///
    /// # Errors
    /// [`SiteError::TooFew`] where so many are another's that no quorum is left.
    pub fn belong(&self, installation: Id16) -> Result<(), SiteError> {
        let said = |site: &Arc<Site>| {
            let checked = site.ask(move |backend| backend.belong(installation).and_then(|()| backend.check()));
            checked.err().filter(|fault| matches!(fault, Fault::Foreign(_))).map(|fault| site.fault(fault))
        };
        let faults: Vec<SiteFault> = self.inner().sites.iter().filter_map(said).collect();
        let (wanted, reached) = (self.inner().quorum, self.inner().sites.len() - faults.len());
        if reached < wanted { Err(SiteError::TooFew { wanted, reached, faults }) } else { Ok(()) }
    }

    /// Writes whose they are into the sites that do not say so yet. A site that is away is marked at another time.
    pub fn mark(&self, installation: Id16) {
        for site in &self.inner().sites {
            if let Err(fault) = site.ask(move |backend| backend.mark(installation)) {
                tracing::warn!(site = site.name, %fault, "a site is not marked as this installation's");
            }
        }
    }

    /// Every site's copy of an object, for choosing between checkpoints.
    pub fn copies(&self, permit: &Permit, path: &str) -> Result<Vec<SiteCopy>, SiteError> {
        Ok(self.looks(permit, path)?.into_iter().map(|look| (look.site, look.copy)).collect())
    }

    /// The same, to be judged and then given to [`Sites::accept`].
    pub fn looks(&self, permit: &Permit, path: &str) -> Result<Vec<Look>, SiteError> {
        may_read(permit)?;
        check_path(path)?;
        Ok(self.inner().sites.iter().map(|site| site.look_at(path)).collect())
    }

    /// What sites that were lost and are there again were found to hold under a name that is replaced. Asks nobody: the mender has
    /// looked.
    #[must_use]
    pub fn returned(&self, path: &str) -> Vec<Look> {
        self.inner().sites.iter().filter_map(|site| site.returned(path)).collect()
    }

    /// Lets what was found be replaced, and what stands below it: somebody has judged that nothing is lost with it. Whoever is lost
    /// again is looked at again, and so is whoever tells nothing.
    pub fn accept<'a>(&self, path: &str, looks: impl IntoIterator<Item = &'a Look>) {
        let mut any = false;
        for look in looks.into_iter().filter(|look| look.tells()) {
            if let Some(site) = self.inner().sites.iter().find(|site| site.name == look.site) {
                site.accept(path, look);
                any = true;
            }
        }
        if any {
            self.look_once_more();
        }
    }

    /// What was left since nobody could tell is compared again.
    fn look_once_more(&self) {
        if self.inner().unjudged.swap(false, Ordering::SeqCst) {
            self.inner().sites.iter().for_each(|site| lock(&site.state).compare = true);
        }
        self.poke();
    }

    /// Whether so many sites have told that one of them has whatever a quorum was given.
    #[must_use]
    pub fn are_enough(&self, told: usize) -> bool {
        told + self.inner().quorum > self.inner().sites.len()
    }

    /// Whether any site has an object.
    pub fn exists(&self, permit: &Permit, path: &str) -> Result<bool, SiteError> {
        match self.get_range(permit, path, 0..0, &|_| true) {
            Ok(_) => Ok(true),
            Err(SiteError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The paths of all objects below a folder (`""` for all), of all sites that answer, sorted. For tools and tests:
    /// the answer is held in memory.
    pub fn list(&self, permit: &Permit, folder: &str) -> Result<Vec<String>, SiteError> {
        let (paths, faults) = self.list_of_all(permit, folder)?;
        if faults.len() == self.inner().sites.len() {
            return Err(SiteError::Unreadable { path: folder.to_owned(), faults });
        }
        Ok(paths.into_iter().collect())
    }

    /// As [`Sites::list`], with the sites that did not tell all that they have: what stands at them alone is not in it.
    pub fn list_of_all(&self, permit: &Permit, folder: &str) -> Result<(BTreeSet<String>, Vec<SiteFault>), SiteError> {
        may_read(permit)?;
        if !folder.is_empty() {
            check_path(folder)?;
        }
        let mut paths = BTreeSet::new();
        let faults = self.inner().walk(folder, &mut |path, _| {
            paths.insert(path.to_owned());
        });
        Ok((paths, faults))
    }

    /// Whether so many sites can be reached that a write would be taken, as far as this process knows. Asks nobody: to refuse at
    /// once what would otherwise wait for its end.
    ///
    /// # Errors
    /// [`SiteError::Lost`].
    pub fn enough(&self) -> Result<(), SiteError> {
        let (wanted, inner) = (self.inner().quorum, self.inner());
        let away = |site: &Arc<Site>| {
            let state = lock(&site.state);
            (!state.reachable).then(|| site.fault(state.last_fault.clone().unwrap_or(Fault::Slow)))
        };
        let faults: Vec<SiteFault> = inner.sites.iter().filter_map(away).collect();
        let reached = inner.sites.len() - faults.len();
        if reached < wanted { Err(SiteError::Lost { wanted, reached, faults }) } else { Ok(()) }
    }

    /// How each site is doing. Asks nobody, so it answers at once.
    #[must_use]
    pub fn status(&self) -> Vec<SiteStatus> {
        self.inner().sites.iter().map(|site| site.status()).collect()
    }

    /// Reads every object at every site, and replaces what is missing or damaged by what the others agree on (or, in a
    /// pack's case, by what its name says). What it wrote is durable when this returns. Takes a permit to repair.
    pub fn repair(&self, permit: &Permit) -> Result<RepairReport, SiteError> {
        if permit.action() != Action::Repair {
            return Err(SiteError::Refused { action: permit.action().name() });
        }
        Ok(self.inner().repair())
    }

    /// Tells who knows which copy of a log's file is right; the first one counts. Until then only what a quorum of sites hold alike is
    /// copied, and packs, which are known by their names.
    pub fn judged_by(&self, judge: Arc<dyn Judge>) {
        let _ = self.inner().judge.set(judge);
        self.look_once_more();
    }

    /// Lets the mender look now instead of at its next round.
    pub fn poke(&self) {
        self.inner().bell.ring();
    }

    /// Waits until the sites that answer have been compared, at most about `patience`; whether it came to that. From then on
    /// [`Sites::status`] says what each misses.
    #[must_use]
    pub fn compared(&self, patience: Duration) -> bool {
        self.wait(patience, || self.inner().sites.iter().all(|site| site.compared()))
    }

    /// How many sites must have a write.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.inner().quorum
    }

    /// Waits until every site is known to have everything, at most about `patience`; whether it came to that.
    /// For stopping in good order, and for tests.
    #[must_use]
    pub fn settle(&self, patience: Duration) -> bool {
        self.wait(patience, || self.inner().sites.iter().all(|site| site.settled()))
    }

    fn wait(&self, patience: Duration, done: impl Fn() -> bool) -> bool {
        const STEP: Duration = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        loop {
            let comparing = || self.inner().comparing.load(Ordering::SeqCst);
            // Asked again behind it: a comparison that begins in between has found nothing yet.
            if !comparing() && done() && !comparing() {
                return true;
            }
            if waited >= patience {
                return false;
            }
            self.poke();
            std::thread::sleep(STEP);
            waited += STEP;
        }
    }

    fn inner(&self) -> &Inner {
        &self.0.inner
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::SeqCst);
        self.inner.bell.ring();
    }
}

impl Inner {
    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<Placement, SiteError> {
        let objects: Arc<[(String, Bytes)]> = objects.into();
        let bytes = objects.iter().map(|(path, bytes)| path.len() + bytes.len()).sum();
        let (send, results) = channel();
        for (number, site) in self.sites.iter().enumerate() {
            let (this, its_objects, its_send) = (Arc::clone(site), Arc::clone(&objects), send.clone());
            let queued = site.lane.submit(bytes, move || {
                let result = this.put(&its_objects, existing);
                // Nobody listens any more once the quorum is reached.
                drop(its_send.send((number, result)));
            });
            if !queued {
                site.left_behind(&objects, existing, Fault::Slow);
                drop(send.send((number, Err(Fault::Slow))));
            }
        }
        drop(send);
        let gathered = gather(&results, self.sites.len(), self.quorum, self.patience);
        let name = |number: &usize| self.sites[*number].name.clone();
        if gathered.done.len() >= self.quorum {
            return Ok(Placement { sites: gathered.done.iter().map(name).collect() });
        }
        let mut faults: Vec<_> =
            gathered.failed.iter().map(|(number, fault)| self.sites[*number].fault(fault.clone())).collect();
        let silent = |number: &usize| {
            !gathered.done.contains(number) && !gathered.failed.iter().any(|(failed, _)| failed == number)
        };
        faults.extend((0..self.sites.len()).filter(silent).map(|number| self.sites[number].fault(Fault::Slow)));
        Err(SiteError::TooFew { wanted: self.quorum, reached: gathered.done.len(), faults })
    }

    fn get(&self, path: &str, range: Option<Range<u64>>, check: &dyn Fn(&[u8]) -> bool) -> Result<Bytes, SiteError> {
        let mut faults = Vec::new();
        for site in &self.sites {
            let fault = match site.get(path, range.clone()) {
                Ok(bytes) if check(&bytes) => {
                    self.remember_lacking(path, &faults);
                    return Ok(bytes);
                }
                Ok(_) => Fault::Damaged(path.to_owned()),
                Err(fault) => fault,
            };
            faults.push(site.fault(fault));
        }
        if faults.iter().all(|fault| matches!(fault.fault, Fault::Absent(_))) {
            return Err(SiteError::NotFound { path: path.to_owned() });
        }
        Err(SiteError::Unreadable { path: path.to_owned(), faults })
    }

    /// Somebody has a sound copy: who lacks it is mended.
    fn remember_lacking(&self, path: &str, faults: &[SiteFault]) {
        if faults.is_empty() || is_replaced(path) {
            return;
        }
        for site in &self.sites {
            let lacks = |fault: &&SiteFault| fault.fault.is_of_one_object();
            if let Some(fault) = faults.iter().filter(lacks).find(|fault| fault.name == site.name) {
                let mut state = lock(&site.state);
                state.last_fault = Some(fault.fault.clone());
                state.add(path, Pending::Copy);
            }
        }
    }
}

fn may_write(permit: &Permit) -> Result<(), SiteError> {
    match permit.action() {
        Action::Deposit | Action::Seal | Action::Repair => Ok(()),
        action => Err(SiteError::Refused { action: action.name() }),
    }
}

fn may_read(permit: &Permit) -> Result<(), SiteError> {
    match permit.scope() {
        Scope::Status | Scope::Accesses => Err(SiteError::Refused { action: permit.action().name() }),
        Scope::Patients(_) | Scope::Institution(_) | Scope::Sealed | Scope::Whole => Ok(()),
    }
}
