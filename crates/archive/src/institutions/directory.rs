//! The search index of a process, kept up with the table of institutions, which any process may change. It is not the index
//! itself ([`super::index`]), and holds nothing that the table does not.
//!
//! A large index holds the directory as it was at some change; a small one holds what came after, and hides what it replaces.
//! A search that finds the table changed makes the small one anew, which takes milliseconds since it is small. Where more
//! changed, a thread of its own makes the large one anew, and searches use the former until it is there. **So up to
//! [`RECENT_MAX`] changed institutions are found by the next search; what came with more is found once the thread has read the
//! table again: at most [`LOOK_EVERY`] and twice the time that takes later, with 100,000 institutions less than 2 seconds.**

use super::InstitutionQuery;
use super::index::Index;
use crate::{Archive, ArchiveError, Inner, tables};
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use store::Store;

/// Most institutions in the small index.
const RECENT_MAX: usize = 256;
/// From how many on the thread makes the large index anew, so that steady small changes do not fill the small one.
const RECENT_MANY: usize = RECENT_MAX / 2;
/// How long the thread rests. It looks while nobody searches too, so that the first search after a large change finds it done;
/// a directory that is being taken in, in many transactions, does not keep it at work.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The directory as this process knows it.
#[derive(Default)]
pub(crate) struct Directory {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    view: Option<Arc<View>>,
    /// Whether more changed than the small index takes, so that the thread must make the large one anew.
    behind: bool,
    keeper: Option<JoinHandle<()>>,
}

/// The directory as it was after one change.
pub(crate) struct View {
    whole: Arc<Index>,
    /// The change up to which `whole` goes.
    whole_at: i64,
    recent: Index,
    replaced: HashSet<Box<str>>,
    at: i64,
}

impl Archive {
    /// Reads the directory into memory, which the first search otherwise does: for a program that serves.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn prepare_search(&self) -> Result<(), ArchiveError> {
        self.directory().map(drop)
    }

    /// The newest view there is without waiting for the large index, the very first time aside.
    pub(super) fn directory(&self) -> Result<Arc<View>, ArchiveError> {
        let changes = tables::institution_changes(self.store())?;
        let mut state = self.inner.directory.state();
        let Some(view) = state.view.clone() else {
            let view = Arc::new(View::whole(self.store())?);
            state.view = Some(Arc::clone(&view));
            state.start_keeper(self);
            return Ok(view);
        };
        if view.at >= changes {
            return Ok(view);
        }
        if !state.behind {
            if let Some(newer) = view.with_recent(self.store())? {
                let newer = Arc::new(newer);
                state.view = Some(Arc::clone(&newer));
                return Ok(newer);
            }
            state.behind = true;
        }
        state.start_keeper(self);
        Ok(view)
    }

    /// What the thread does from time to time.
    fn keep_directory(&self) -> Result<(), ArchiveError> {
        let many = self.directory()?.recent.len() > RECENT_MANY;
        if many || self.inner.directory.state().behind {
            let view = Arc::new(View::whole(self.store())?);
            let mut state = self.inner.directory.state();
            let former = state.view.replace(view);
            state.behind = false;
            // What is large is let go without the lock.
            drop(state);
            drop(former);
        }
        Ok(())
    }
}

impl Directory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Starts the thread that makes the large index, where there is none or it ended by a fault.
    fn start_keeper(&mut self, archive: &Archive) {
        if self.keeper.as_ref().is_some_and(|keeper| !keeper.is_finished()) {
            return;
        }
        let weak = Arc::downgrade(&archive.inner);
        match thread::Builder::new().name("institutions".to_owned()).spawn(move || keep(&weak)) {
            Ok(keeper) => self.keeper = Some(keeper),
            Err(error) => tracing::error!(%error, "large changes of the directory are not searched: no thread"),
        }
    }
}

/// Keeps the directory up until its archive is gone.
fn keep(archive: &Weak<Inner>) {
    while let Some(inner) = archive.upgrade() {
        if let Err(error) = (Archive { inner }).keep_directory() {
            tracing::warn!(%error, "the directory of institutions cannot be read again; searches use what is known");
        }
        thread::sleep(LOOK_EVERY);
    }
}

impl View {
    /// Reads the whole table.
    fn whole(store: &Store) -> Result<Self, ArchiveError> {
        let (at, institutions) = tables::all_institutions(store)?;
        let whole = Arc::new(Index::of(institutions));
        Ok(Self { whole, whole_at: at, recent: Index::of(Vec::new()), replaced: HashSet::new(), at })
    }

    /// This one with what has changed since; nothing where that is too much.
    fn with_recent(&self, store: &Store) -> Result<Option<Self>, ArchiveError> {
        let (at, changed) = tables::institutions_since(store, self.whole_at, RECENT_MAX + 1)?;
        if changed.len() > RECENT_MAX {
            return Ok(None);
        }
        let recent = Index::of(changed);
        let replaced = recent.codes().map(Box::from).collect();
        Ok(Some(Self { whole: Arc::clone(&self.whole), whole_at: self.whole_at, recent, replaced, at }))
    }

    /// Codes of what matches, the best first.
    pub(super) fn find(&self, text: &str, query: &InstitutionQuery, limit: usize) -> Vec<&str> {
        let mut hits = self.whole.find(text, query, limit + self.recent.len());
        hits.retain(|hit| !self.replaced.contains(hit.code));
        hits.extend(self.recent.find(text, query, limit));
        hits.sort_unstable();
        hits.truncate(limit);
        hits.into_iter().map(|hit| hit.code).collect()
    }

    /// The provinces of institutions, sorted; one whose last institution moved away goes with the next large index.
    pub(super) fn provinces(&self) -> Vec<String> {
        let all: BTreeSet<&str> = self.whole.provinces().chain(self.recent.provinces()).collect();
        all.into_iter().map(str::to_owned).collect()
    }
}
