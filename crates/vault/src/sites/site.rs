//! One site as its process knows it: its lane of writes, its questions, and what it is known to miss. Not how it is mended.

use super::{Existing, Listing, SiteBackend, SiteStatus};
use crate::folder::{Fault, SiteFault};
use crate::lane::{Asking, Lane, lock};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Paths remembered as missing at one site; beyond that the sites are compared instead.
const PENDING_MAX: usize = 100_000;
/// How long a site may take to answer a question before it is taken for one that hangs: a whole pack is an answer too.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// How long it may take to take in a copy that mends it.
const MEND_WAIT: Duration = Duration::from_secs(60);

pub(super) struct Site {
    pub(super) name: String,
    pub(super) backend: Arc<dyn SiteBackend>,
    pub(super) lane: Lane,
    pub(super) asking: Asking,
    /// How long an answer may take.
    pub(super) answer_wait: Duration,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) reachable: bool,
    /// How often it was lost since this process began.
    pub(super) lost: u64,
    /// What was looked at of the names that are replaced, and how often the site had been lost by then.
    pub(super) seen: BTreeMap<String, u64>,
    pub(super) last_fault: Option<Fault>,
    pub(super) pending: BTreeMap<String, Pending>,
    /// Objects may be missing that nobody remembers: compare.
    pub(super) compare: bool,
}

pub(super) enum Pending {
    /// Get it from the others.
    Copy,
    /// Write these bytes: the newest of a name that is replaced.
    Bytes(Bytes),
}

impl Site {
    /// Asks the site, and comes away where it hangs.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn SiteBackend) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.ask_for(self.answer_wait, question)
    }

    fn ask_for<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl FnOnce(&dyn SiteBackend) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let backend = Arc::clone(&self.backend);
        let answer = self.asking.ask(patience, move || question(&*backend));
        answer.unwrap_or_else(|| {
            self.hangs();
            Err(Fault::Slow)
        })
    }

    /// It does not answer: what others write meanwhile is not in this process's memory.
    pub(super) fn hangs(&self) {
        let mut state = lock(&self.state);
        if state.reachable {
            tracing::warn!(site = self.name, "a site does not answer in time");
        }
        state.reach(false);
        (state.compare, state.last_fault) = (true, Some(Fault::Slow));
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        self.ask(|backend| backend.check())
    }

    pub(super) fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        let path = path.to_owned();
        self.ask(move |backend| backend.get(&path, range))
    }

    pub(super) fn list(&self, folder: &str) -> Result<Listing, Fault> {
        let folder = folder.to_owned();
        self.ask(move |backend| backend.list(&folder))
    }

    /// Writes a copy that mends the site, beside its lane.
    pub(super) fn mend(&self, path: &str, bytes: Bytes) -> Result<(), Fault> {
        let objects = [(path.to_owned(), bytes)];
        self.ask_for(MEND_WAIT, move |backend| backend.put(&objects, Existing::Replace))
    }

    /// Runs in the site's lane: what it leaves behind is remembered in the order of the writes.
    pub(super) fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        if let Some((path, bytes)) =
            objects.iter().find(|(path, _)| existing == Existing::Replace && self.is_unseen(path))
        {
            lock(&self.state).add(path, Pending::Bytes(bytes.clone()));
            return Err(Fault::Returned(path.clone()));
        }
        match self.backend.put(objects, existing) {
            Ok(()) => {
                let mut state = lock(&self.state);
                state.reach(true);
                if !state.pending.is_empty() {
                    for (path, _) in objects {
                        state.pending.remove(path);
                    }
                }
                Ok(())
            }
            Err(fault) => {
                tracing::warn!(site = self.name, fault = %fault, "a site does not take a write");
                self.left_behind(objects, existing, fault.clone());
                Err(fault)
            }
        }
    }

    pub(super) fn left_behind(&self, objects: &[(String, Bytes)], existing: Existing, fault: Fault) {
        let mut state = lock(&self.state);
        // Who is full, or has something else under a name, is there all the same.
        state.reach(matches!(fault, Fault::Conflict(_) | Fault::Full(_) | Fault::ReadOnly(_)));
        state.last_fault = Some(fault);
        for (path, bytes) in objects {
            let pending = match existing {
                Existing::Keep => Pending::Copy,
                Existing::Replace => Pending::Bytes(bytes.clone()),
            };
            state.add(path, pending);
        }
    }

    /// The site's copy of an object. One that is replaced has been looked at with this, as long as the site stays.
    pub(super) fn look_at(&self, path: &str) -> Result<Bytes, Fault> {
        let lost = lock(&self.state).lost;
        let copy = self.check().and_then(|()| self.get(path, None));
        if copy.as_ref().map_or_else(Fault::is_answer, |_| true) {
            lock(&self.state).seen.insert(path.to_owned(), lost);
        }
        copy
    }

    /// Whether it was lost since somebody looked at what it holds under a name that is replaced: another may have written there.
    pub(super) fn is_unseen(&self, path: &str) -> bool {
        let state = lock(&self.state);
        state.lost > 0 && state.seen.get(path) != Some(&state.lost)
    }

    pub(super) fn fault(&self, fault: Fault) -> SiteFault {
        SiteFault { name: self.name.clone(), fault }
    }

    pub(super) fn status(&self) -> SiteStatus {
        let state = lock(&self.state);
        SiteStatus {
            name: self.name.clone(),
            reachable: state.reachable,
            pending: state.pending.len(),
            last_fault: state.last_fault.clone(),
        }
    }

    pub(super) fn compared(&self) -> bool {
        let state = lock(&self.state);
        !state.reachable || !state.compare
    }

    pub(super) fn settled(&self) -> bool {
        let state = lock(&self.state);
        self.lane.idle() && state.reachable && state.pending.is_empty() && !state.compare
    }
}

impl State {
    /// Notes whether the site is there.
    pub(super) const fn reach(&mut self, is_there: bool) {
        if self.reachable && !is_there {
            self.lost += 1;
        }
        self.reachable = is_there;
    }

    pub(super) fn add(&mut self, path: &str, pending: Pending) {
        if self.pending.len() >= PENDING_MAX && matches!(pending, Pending::Copy) {
            self.compare = true;
        } else {
            self.pending.insert(path.to_owned(), pending);
        }
    }
}
