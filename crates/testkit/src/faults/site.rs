//! A site that does what it is told to do wrong, around a real one.

use super::life::Life;
use super::plan::SiteMode;
use base::Id16;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vault::sites::{Existing, Listing, SiteBackend};
use vault::{Bytes, Fault};

/// How much longer a slow site takes.
const SLOW: Duration = Duration::from_millis(15);
/// How often a call that hangs looks whether its process has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What one site is like, for every process that has it open.
#[derive(Default)]
pub struct SiteState {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    mode: SiteMode,
    /// What it said is durable and is not.
    unsynced: BTreeMap<String, Bytes>,
}

impl Default for Now {
    fn default() -> Self {
        Self { mode: SiteMode::Well, unsynced: BTreeMap::new() }
    }
}

impl SiteState {
    /// Changes what it does from now on. Calls that hang go on.
    pub fn set(&self, mode: SiteMode) {
        self.now().mode = mode;
        self.changed.notify_all();
    }

    /// What it is like.
    #[must_use]
    pub fn mode(&self) -> SiteMode {
        self.now().mode
    }

    /// The power goes: what was not synced is gone.
    pub fn crash(&self) {
        self.now().unsynced.clear();
        self.changed.notify_all();
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process's way to a site.
pub struct FaultySite {
    inner: Box<dyn SiteBackend>,
    state: Arc<SiteState>,
    life: Arc<Life>,
}

impl FaultySite {
    /// A site around another, as one life of a process sees it.
    #[must_use]
    pub fn new(inner: Box<dyn SiteBackend>, state: Arc<SiteState>, life: Arc<Life>) -> Self {
        Self { inner, state, life }
    }

    /// Waits while the site hangs, and gives what it is like by then.
    fn pass(&self) -> Result<SiteMode, Fault> {
        let mut now = self.state.now();
        loop {
            if self.life.is_over() {
                return Err(Fault::Io("the process has ended".to_owned()));
            }
            match now.mode {
                SiteMode::Hangs => {
                    let waited = self.state.changed.wait_timeout(now, LOOK);
                    now = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                SiteMode::Fails => return Err(Fault::Io("an injected fault".to_owned())),
                SiteMode::Away => return Err(Fault::Missing(PathBuf::from("away"))),
                mode => {
                    if mode != SiteMode::Forgets && mode != SiteMode::Full && !now.unsynced.is_empty() {
                        self.sync(&mut now)?;
                    }
                    return Ok(mode);
                }
            }
        }
    }

    /// It comes to its senses before anything crashed: what it held back is written.
    fn sync(&self, now: &mut Now) -> Result<(), Fault> {
        for (path, bytes) in std::mem::take(&mut now.unsynced) {
            self.inner.put(&[(path, bytes)], Existing::Replace)?;
        }
        Ok(())
    }

    fn hold_back(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        for (path, bytes) in objects {
            let there = self.read(path, None);
            match there {
                Ok(there) if existing == Existing::Keep && there != *bytes => {
                    return Err(Fault::Conflict(path.clone()));
                }
                Ok(there) if there == *bytes => (),
                Ok(_) | Err(Fault::Absent(_)) => {
                    self.state.now().unsynced.insert(path.clone(), bytes.clone());
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        let held = self.state.now().unsynced.get(path).cloned();
        match (held, range) {
            (None, range) => self.inner.get(path, range),
            (Some(bytes), None) => Ok(bytes),
            (Some(bytes), Some(range)) if range.end <= bytes.len() as u64 => {
                Ok(bytes.slice(range.start as usize..range.end as usize))
            }
            (Some(_), Some(_)) => Err(Fault::Damaged(path.to_owned())),
        }
    }
}

impl SiteBackend for FaultySite {
    fn check(&self) -> Result<(), Fault> {
        self.pass()?;
        self.inner.check()
    }

    fn belong(&self, installation: Id16) -> Result<(), Fault> {
        self.pass()?;
        self.inner.belong(installation)
    }

    fn mark(&self, installation: Id16) -> Result<(), Fault> {
        self.pass()?;
        self.inner.mark(installation)
    }

    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        match self.pass()? {
            SiteMode::Full => Err(Fault::Full(PathBuf::from("full"))),
            SiteMode::Forgets => self.hold_back(objects, existing),
            mode => {
                if mode == SiteMode::Slow {
                    std::thread::sleep(SLOW);
                }
                self.inner.put(objects, existing)
            }
        }
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        self.pass()?;
        self.read(path, range)
    }

    fn list(&self, folder: &str) -> Result<Listing, Fault> {
        self.pass()?;
        let mut listing = self.inner.list(folder)?;
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        for (path, bytes) in &self.state.now().unsynced {
            let Some(rest) = path.strip_prefix(&below) else { continue };
            if let Some((first, _)) = rest.split_once('/') {
                let folder = format!("{below}{first}");
                if !listing.folders.contains(&folder) {
                    listing.folders.push(folder);
                }
            } else {
                listing.objects.retain(|(known, _)| known != path);
                listing.objects.push((path.clone(), bytes.len() as u64));
            }
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault::sites::FolderSite;
    use vault::{SiteConfig, Sites};

    #[test]
    fn a_site_forgets_what_it_said_was_durable() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("a");
        Sites::create(&[SiteConfig { name: "a".to_owned(), folder: place.clone() }]).expect("made");
        let state = Arc::new(SiteState::default());
        let open = || {
            let inner = Box::new(FolderSite::new("a", place.clone()));
            FaultySite::new(inner, Arc::clone(&state), Arc::default())
        };
        let site = open();
        let object = |path: &str, text: &'static str| vec![(path.to_owned(), Bytes::from_static(text.as_bytes()))];
        site.put(&object("t/1", "one"), Existing::Keep).expect("written");
        state.set(SiteMode::Forgets);
        site.put(&object("t/2", "two"), Existing::Keep).expect("it says so");
        assert_eq!(site.get("t/2", None), Ok(Bytes::from_static(b"two")));
        assert_eq!(site.list("t").expect("listed").objects.len(), 2);
        assert!(matches!(site.put(&object("t/2", "other"), Existing::Keep), Err(Fault::Conflict(_))));
        state.crash();
        assert!(matches!(site.get("t/2", None), Err(Fault::Absent(_))));
        site.put(&object("t/3", "three"), Existing::Keep).expect("it says so");
        state.set(SiteMode::Well);
        assert!(site.check().is_ok());
        state.crash();
        assert_eq!(site.get("t/3", None), Ok(Bytes::from_static(b"three")), "it was synced before");
        for (mode, writes, reads) in [
            (SiteMode::Fails, false, false),
            (SiteMode::Away, false, false),
            (SiteMode::Full, false, true),
            (SiteMode::Slow, true, true),
        ] {
            state.set(mode);
            assert_eq!(site.put(&object("t/1", "one"), Existing::Keep).is_ok(), writes, "{mode:?}");
            assert_eq!(site.get("t/1", None).is_ok(), reads, "{mode:?}");
        }
    }

    #[test]
    fn a_site_hangs_until_it_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("a");
        Sites::create(&[SiteConfig { name: "a".to_owned(), folder: place.clone() }]).expect("made");
        let (state, life) = (Arc::new(SiteState::default()), Arc::new(Life::default()));
        state.set(SiteMode::Hangs);
        let site = |life: &Arc<Life>| {
            FaultySite::new(Box::new(FolderSite::new("a", place.clone())), Arc::clone(&state), Arc::clone(life))
        };
        let (ends, goes_on) = (site(&life), site(&Arc::default()));
        let (first, second) = (std::thread::spawn(move || ends.check()), std::thread::spawn(move || goes_on.check()));
        std::thread::sleep(3 * LOOK);
        assert!(!first.is_finished() && !second.is_finished());
        life.kill();
        assert!(first.join().expect("it ends").is_err(), "its process has ended");
        assert!(!second.is_finished());
        state.set(SiteMode::Well);
        assert_eq!(second.join().expect("it goes on"), Ok(()));
    }
}
