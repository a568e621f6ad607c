//! A site in a local folder: reads, writes, renames and lists go through `object_store`, which does not sync;
//! syncing files and folders is done here. It knows its own folder and no other site.

use super::{Existing, Listing, OBJECT_BYTES_MAX, SiteBackend};
use crate::folder::{self, Belonging, Fault, Kind};
use crate::lane::lock;
use base::Id16;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// The folder of files being written.
pub(super) const STAGING: &str = "staging";
/// Folders remembered as durable, at most.
const DURABLE_FOLDERS_MAX: usize = 65_536;
/// Staged files this old were left by a process that died.
const STAGED_AGE_MAX: Duration = Duration::from_hours(24);

/// A site in a local folder.
pub struct FolderSite {
    name: String,
    folder: PathBuf,
    belonging: Arc<Belonging>,
    store: Mutex<Option<LocalFileSystem>>,
    /// Folders whose own name is known to be durable.
    durable: Mutex<HashSet<PathBuf>>,
    staged: AtomicU64,
}

/// An object on its way: where it is staged, and where it goes.
struct Staged {
    from: ObjectPath,
    to: ObjectPath,
}

impl FolderSite {
    /// A site in a folder that [`super::Sites::create`] set up. It need not be there yet, or be there always.
    #[must_use]
    pub fn new(name: &str, folder: PathBuf) -> Self {
        Self::among(name, folder, Arc::default())
    }

    /// One of several sites that belong to one installation.
    pub(super) fn among(name: &str, folder: PathBuf, belonging: Arc<Belonging>) -> Self {
        let (store, durable) = (Mutex::new(None), Mutex::new(HashSet::new()));
        Self { name: name.to_owned(), folder, belonging, store, durable, staged: AtomicU64::new(0) }
    }

    fn store(&self) -> Result<LocalFileSystem, Fault> {
        let mut store = lock(&self.store);
        if let Some(store) = &*store {
            return Ok(store.clone());
        }
        let opened = LocalFileSystem::new_with_prefix(&self.folder).map_err(|error| self.fault(&error))?;
        Ok(store.insert(opened).clone())
    }

    fn fault(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        self.check().err().unwrap_or_else(|| Fault::of_error(error, &self.folder))
    }

    fn io_fault(&self, error: &io::Error) -> Fault {
        self.check().err().unwrap_or_else(|| Fault::of_io(error, &self.folder))
    }

    /// Stages what is not there yet; an object that is there must have the same bytes.
    fn stage(
        &self,
        store: &LocalFileSystem,
        objects: &[(String, Bytes)],
        existing: Existing,
        staged: &mut Vec<Staged>,
        parents: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Fault> {
        for (path, bytes) in objects {
            let to = object_path(path);
            if existing == Existing::Keep && self.has(store, &to, bytes)? {
                parents.insert(self.parent_of(path));
                continue;
            }
            let from = self.stage_one(store, bytes)?;
            staged.push(Staged { from, to });
            parents.insert(self.parent_of(path));
        }
        Ok(())
    }

    /// Other processes may write to the site too: a staged name is made, never taken over.
    fn stage_one(&self, store: &LocalFileSystem, bytes: &Bytes) -> Result<ObjectPath, Fault> {
        loop {
            let number = self.staged.fetch_add(1, Ordering::Relaxed);
            let path = object_path(&format!("{STAGING}/{}-{number}", std::process::id()));
            let options = PutOptions::from(PutMode::Create);
            match block_on(store.put_opts(&path, bytes.clone().into(), options)) {
                Ok(_) => return Ok(path),
                Err(Error::AlreadyExists { .. }) => (),
                Err(error) => return Err(self.fault(&error)),
            }
        }
    }

    fn has(&self, store: &LocalFileSystem, path: &ObjectPath, bytes: &Bytes) -> Result<bool, Fault> {
        let meta = match block_on(store.head(path)) {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.fault(&error)),
        };
        if meta.size == bytes.len() as u64 && self.get(path.as_ref(), None)? == *bytes {
            return Ok(true);
        }
        Err(Fault::Conflict(path.to_string()))
    }

    /// Syncs the staged files, gives them their names, and syncs each folder whose names changed, once.
    fn publish(&self, store: &LocalFileSystem, staged: &[Staged], parents: BTreeSet<PathBuf>) -> Result<(), Fault> {
        for one in staged {
            let file = store.path_to_filesystem(&one.from).map_err(|error| self.fault(&error))?;
            File::open(file).and_then(|file| file.sync_all()).map_err(|error| self.io_fault(&error))?;
        }
        let (mut made, mut touched) = (Vec::new(), parents.clone());
        for parent in &parents {
            self.make_folder(parent, &mut made, &mut touched).map_err(|error| self.io_fault(&error))?;
        }
        for one in staged {
            block_on(store.rename(&one.from, &one.to)).map_err(|error| self.fault(&error))?;
        }
        // Deepest first: a name is durable no later than what leads to it.
        for folder in touched.iter().rev() {
            folder::sync_folder(folder).map_err(|error| self.io_fault(&error))?;
        }
        let mut durable = lock(&self.durable);
        if durable.len() > DURABLE_FOLDERS_MAX {
            durable.clear();
        }
        durable.extend(made);
        Ok(())
    }

    /// Makes a folder and those above it. A folder not known to be durable has the folder above it synced, even when it
    /// is there: the process that made it may have died before it did.
    fn make_folder(&self, folder: &Path, made: &mut Vec<PathBuf>, touched: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        if folder == self.folder || made.iter().any(|known| known == folder) || lock(&self.durable).contains(folder) {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_folder(parent, made, touched)?;
            touched.insert(parent.to_owned());
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => made.push(folder.to_owned()),
        }
        Ok(())
    }

    fn parent_of(&self, path: &str) -> PathBuf {
        path.rsplit_once('/').map_or_else(|| self.folder.clone(), |(parent, _)| self.folder.join(parent))
    }

    /// Removes files that a process left in staging when it died. The site's own clock measures: a file made now.
    fn clean_staging(&self) -> io::Result<()> {
        let staging = self.folder.join(STAGING);
        if !staging.is_dir() {
            return Ok(());
        }
        let probe = staging.join(format!("{}-clock", std::process::id()));
        fs::write(&probe, b"")?;
        let now = fs::metadata(&probe)?.modified()?;
        fs::remove_file(&probe)?;
        for entry in fs::read_dir(&staging)? {
            let entry = entry?;
            let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            if age > STAGED_AGE_MAX {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl SiteBackend for FolderSite {
    fn check(&self) -> Result<(), Fault> {
        self.belonging.check(&self.folder, Kind::Site, &self.name)
    }

    fn belong(&self, installation: Id16) -> Result<(), Fault> {
        if self.belonging.settle(installation) { Ok(()) } else { Err(Fault::Foreign(self.folder.clone())) }
    }

    fn mark(&self, installation: Id16) -> Result<(), Fault> {
        folder::claim(&self.folder, Kind::Site, &self.name, &installation)
    }

    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        self.check()?;
        let store = self.store()?;
        let (mut staged, mut parents) = (Vec::with_capacity(objects.len()), BTreeSet::new());
        let result = self
            .stage(&store, objects, existing, &mut staged, &mut parents)
            .and_then(|()| self.publish(&store, &staged, parents));
        if result.is_err() {
            for one in &staged {
                // Those that have their name already are not there any more; the rest is of no use.
                drop(block_on(store.delete(&one.from)));
            }
            // The disk may be another one when it returns.
            lock(&self.durable).clear();
            *lock(&self.store) = None;
        }
        result
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        let store = self.store()?;
        let options = GetOptions::new().with_range(range.clone().filter(|range| !range.is_empty()));
        let found = match block_on(store.get_opts(&object_path(path), options)) {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => {
                return Err(self.check().err().unwrap_or_else(|| Fault::Absent(path.to_owned())));
            }
            Err(error) => return Err(self.fault(&error)),
        };
        match range {
            Some(range) if range.is_empty() => return Ok(Bytes::new()),
            Some(range) if found.range != range => return Err(Fault::Damaged(path.to_owned())),
            None if found.meta.size > OBJECT_BYTES_MAX as u64 => return Err(Fault::Damaged(path.to_owned())),
            _ => (),
        }
        block_on(found.bytes()).map_err(|error| self.fault(&error))
    }

    fn list(&self, folder: &str) -> Result<Listing, Fault> {
        self.check()?;
        let store = self.store()?;
        if folder.is_empty() {
            // A site that can only be read is listed all the same.
            drop(self.clean_staging());
        }
        let prefix = (!folder.is_empty()).then(|| object_path(folder));
        let found = block_on(store.list_with_delimiter(prefix.as_ref())).map_err(|error| self.fault(&error))?;
        let (own, marker) = ([STAGING, "lost+found"], Kind::Site.marker());
        let ours = |path: &String| !(folder.is_empty() && (own.contains(&path.as_str()) || path.starts_with(&marker)));
        Ok(Listing {
            folders: found.common_prefixes.into_iter().map(String::from).filter(ours).collect(),
            objects: found
                .objects
                .into_iter()
                .map(|meta| (meta.location.into(), meta.size))
                .filter(|(path, _)| ours(path))
                .collect(),
        })
    }
}

/// Paths were checked before they come here, so nothing in them needs escaping.
fn object_path(path: &str) -> ObjectPath {
    ObjectPath::from(path)
}

/// Waits for a future on this thread. A local store does its work right here; a store that talks over a network
/// needs its reactor entered first.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
