//! One site as its process knows it: its lane of writes, its questions, and what it is known to miss. Not how it is mended.

use super::paths::head_of;
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
    /// What was found under names that are replaced and was not accepted yet, and how often it had been lost by then.
    pub(super) looks: BTreeMap<String, Look>,
    /// Names under which what was found may be replaced, and how often the site had been lost by then.
    pub(super) accepted: BTreeMap<String, u64>,
    pub(super) last_fault: Option<Fault>,
    pub(super) pending: BTreeMap<String, Pending>,
    /// Objects may be missing that nobody remembers: compare.
    pub(super) compare: bool,
}

/// A site's copy of a name that is replaced, as it was found.
#[derive(Debug, Clone)]
pub struct Look {
    /// The site.
    pub site: String,
    /// The copy, or why there is none.
    pub copy: Result<Bytes, Fault>,
    /// How often the site had been lost by then.
    lost: u64,
}

impl Look {
    /// Whether it tells what is there: a copy, nothing, or nothing that is whole. What could not be read may be anything.
    #[must_use]
    pub fn tells(&self) -> bool {
        matches!(self.copy, Ok(_) | Err(Fault::Absent(_) | Fault::Damaged(_)))
    }
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
            objects.iter().find(|(path, _)| existing == Existing::Replace && !self.may_replace(path))
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

    /// Looks at what is there under a name that is replaced.
    pub(super) fn look_at(&self, path: &str) -> Look {
        let lost = lock(&self.state).lost;
        let there = self.check();
        if let Err(fault) = &there {
            let mut state = lock(&self.state);
            state.reach(false);
            (state.compare, state.last_fault) = (true, Some(fault.clone()));
        }
        let copy = there.and_then(|()| self.get(path, None));
        Look { site: self.name.clone(), copy, lost }
    }

    /// What was found under a name since the site is there again, where nobody has said yet that it may be replaced.
    pub(super) fn returned(&self, path: &str) -> Option<Look> {
        let state = lock(&self.state);
        let look = state.looks.get(path).filter(|look| look.lost == state.lost && state.reachable)?;
        (!state.may_replace(path)).then(|| look.clone())
    }

    /// What was found so may be replaced, as long as the site is not lost again.
    pub(super) fn accept(&self, path: &str, look: &Look) {
        let mut state = lock(&self.state);
        state.looks.remove(path);
        state.accepted.insert(path.to_owned(), look.lost);
    }

    pub(super) fn may_replace(&self, path: &str) -> bool {
        lock(&self.state).may_replace(path)
    }

    /// Whether another copy may take the place of the site's own under a path. Below a head that nobody has accepted stands what may
    /// be another history, or a later one.
    pub(super) fn may_mend(&self, path: &str) -> bool {
        head_of(path).is_none_or(|head| self.may_replace(&head))
    }

    /// Looks at what a site holds under a name that is replaced where nobody has said yet that it may be, for [`Site::returned`].
    pub(super) fn look_again(&self, path: &str) {
        if self.may_replace(path) || self.returned(path).is_some() {
            return;
        }
        let look = self.look_at(path);
        let mut state = lock(&self.state);
        match &look.copy {
            Err(fault) if !look.tells() => state.last_fault = Some(fault.clone()),
            _ => drop(state.looks.insert(path.to_owned(), look)),
        }
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

    /// Whether what the site holds under a name was accepted, and it was there ever since: another may have written there.
    fn may_replace(&self, path: &str) -> bool {
        self.accepted.get(path) == Some(&self.lost)
    }

    pub(super) fn add(&mut self, path: &str, pending: Pending) {
        if self.pending.len() >= PENDING_MAX && matches!(pending, Pending::Copy) {
            self.compare = true;
        } else {
            self.pending.insert(path.to_owned(), pending);
        }
    }
}
