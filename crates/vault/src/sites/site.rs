//! One site as its process knows it: its lane of writes, and what it is known to miss. Not how it is mended.

use super::{Existing, SiteBackend, SiteStatus};
use crate::folder::{Fault, SiteFault};
use crate::lane::{Lane, lock};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Paths remembered as missing at one site; beyond that the sites are compared instead.
const PENDING_MAX: usize = 100_000;

pub(super) struct Site {
    pub(super) name: String,
    pub(super) backend: Box<dyn SiteBackend>,
    pub(super) lane: Lane,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) reachable: bool,
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
    /// Runs in the site's lane: what it leaves behind is remembered in the order of the writes.
    pub(super) fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        match self.backend.put(objects, existing) {
            Ok(()) => {
                let mut state = lock(&self.state);
                state.reachable = true;
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
        state.reachable = matches!(fault, Fault::Conflict(_));
        state.last_fault = Some(fault);
        for (path, bytes) in objects {
            let pending = match existing {
                Existing::Keep => Pending::Copy,
                Existing::Replace => Pending::Bytes(bytes.clone()),
            };
            state.add(path, pending);
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
    pub(super) fn add(&mut self, path: &str, pending: Pending) {
        if self.pending.len() >= PENDING_MAX && matches!(pending, Pending::Copy) {
            self.compare = true;
        } else {
            self.pending.insert(path.to_owned(), pending);
        }
    }
}
