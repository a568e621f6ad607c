//! Comparing key stores and mending them: what each misses is copied from the others, and a thread lets one that was away
//! catch up. Records are copied as they are; nothing here unwraps a key.

use super::KeyId;
use super::compact::Compacted;
use super::file::write_record;
use super::gone::{Destroyed, Gone};
use super::store::Store;
use super::stores::{Inner, KeyStoreReport, Mended};
use crate::folder::{Fault, SiteFault};
use crate::lane::lock;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

const RETRY_EVERY: Duration = Duration::from_secs(5);
const RETRY_EVERY_MAX: Duration = Duration::from_secs(300);

/// Which stores have which key, one bit a store. Memory is one small entry a key.
struct Held {
    keys: HashMap<KeyId, u32>,
    /// Bits of the stores that could be read.
    readable: u32,
    /// For each store why its keys, or its list of destroyed keys, could not be read.
    faults: Vec<Option<Fault>>,
    /// For each store how many of its records are of destroyed keys.
    dead: Vec<usize>,
    gone: Gone,
}

/// The list of destroyed keys of all stores together, and which stores have which entry.
pub(super) struct Listed {
    pub(super) gone: Gone,
    pub(super) bits: HashMap<KeyId, u32>,
    /// Bits of the stores whose list could be read.
    pub(super) readable: u32,
    pub(super) faults: Vec<Option<Fault>>,
    /// Entries that were not made with the installation's secret.
    pub(super) foreign: usize,
}

/// The mender's life: ends when the last handle is gone.
pub(super) fn keep_mending(inner: &Weak<Inner>) {
    let mut pause = RETRY_EVERY;
    while let Some(strong) = inner.upgrade() {
        pause = if strong.catch_up() { RETRY_EVERY } else { (pause * 2).min(RETRY_EVERY_MAX) };
        drop(strong);
        std::thread::sleep(pause);
    }
}

impl Inner {
    /// First pass: which store has which key. Second pass: copy. Where too few lists tell what is destroyed, nothing is copied: it
    /// might come back.
    pub(super) fn mend(&self) -> Mended {
        let mut report = Mended::default();
        let is_known = self.mend_gone(&mut report);
        let Held { mut keys, readable, faults, gone, .. } = self.held(&mut report.quarantined);
        for (store, fault) in self.stores.iter().zip(faults) {
            fault.into_iter().for_each(|fault| add(&mut report.faults, store.place.fault(fault)));
        }
        report.keys = keys.len();
        if !is_known {
            return report;
        }
        keys.retain(|_, bits| *bits & readable != readable);
        let is_readable = |number: &usize| readable & (1 << *number) != 0;
        let mut missing: Vec<Vec<u8>> = vec![Vec::new(); self.stores.len()];
        for source in (0..self.stores.len()).filter(is_readable) {
            let copied = &mut report.copied;
            let visited = self.stores[source].visit(&mut Vec::new(), &mut |payload| {
                if gone.is_dead(payload) {
                    return;
                }
                let Some(bits) = id_of(payload).and_then(|id| keys.get_mut(&id)) else { return };
                for number in (0..missing.len()).filter(is_readable).filter(|number| *bits & (1 << *number) == 0) {
                    write_record(&mut missing[number], payload);
                    *copied += 1;
                }
                *bits = readable;
            });
            if let Err(fault) = visited {
                add(&mut report.faults, self.stores[source].place.fault(fault));
            }
        }
        for (number, batch) in missing.into_iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            if let Err(fault) = self.stores[number].append_copied(batch) {
                add(&mut report.faults, self.stores[number].place.fault(fault));
            }
        }
        report
    }

    /// Copies entries of the list of destroyed keys to the stores that miss them, and puts lists in order that are damaged, where the
    /// others tell all that they were. Whether it is known what is destroyed.
    fn mend_gone(&self, report: &mut Mended) -> bool {
        let listed = self.listed();
        report.destroyed = listed.gone.0.len();
        let is_known = listed.readable.count_ones() as usize >= self.lists_wanted();
        for (number, (store, fault)) in self.stores.iter().zip(&listed.faults).enumerate() {
            let is_damaged = matches!(fault, Some(Fault::Damaged(_)));
            if fault.is_some() && !is_damaged {
                continue;
            }
            let has = |id: &KeyId| listed.bits.get(id).is_some_and(|bits| bits & (1 << number) != 0);
            let missing: Vec<Destroyed> = listed.gone.0.values().filter(|entry| !has(&entry.id)).copied().collect();
            let mut written = if missing.is_empty() { Ok(()) } else { store.append_gone(missing.into()) };
            if is_damaged && is_known {
                written = written.and_then(|()| store.ask(|place| place.heal_gone()));
            }
            if let Err(fault) = written {
                add(&mut report.faults, store.place.fault(fault));
            }
        }
        is_known
    }

    /// Reads the list of destroyed keys of every store. Entries that somebody else made are left out, once the secret is known.
    pub(super) fn listed(&self) -> Listed {
        let mut listed =
            Listed { gone: Gone::default(), bits: HashMap::new(), readable: 0, faults: Vec::new(), foreign: 0 };
        for (number, store) in self.stores.iter().enumerate() {
            let visited = store.visit_gone(&mut |entry| {
                if self.secret.get().is_some_and(|secret| !entry.is_authentic(secret)) {
                    listed.foreign += 1;
                    return;
                }
                *listed.bits.entry(entry.id).or_default() |= 1 << number;
                listed.gone.0.entry(entry.id).or_insert(entry);
            });
            if visited.is_ok() {
                listed.readable |= 1 << number;
            }
            listed.faults.push(visited.err());
        }
        listed
    }

    /// Mends, and then removes what is dead from every store.
    pub(super) fn compact(&self, patience: Duration) -> Vec<Compacted> {
        let mended = self.mend();
        let Listed { gone, bits, faults, .. } = self.listed();
        let gone = Arc::new(gone);
        let compact = |(number, store): (usize, &Store)| {
            let mut done = store.compact(&gone, patience);
            // What was written while it was compacted is looked at as well.
            let mut dead = 0;
            let looked = store.visit(&mut Vec::new(), &mut |payload| dead += usize::from(gone.is_dead(payload)));
            // A store that does not list all of them itself would bring them back once the others are lost.
            let unlisted = bits.values().filter(|bits| **bits & (1 << number) == 0).count();
            done.left = dead + unlisted;
            // A store that could not be mended may get from another later on what is to be gone from it.
            let not_mended = mended.faults.iter().find(|one| one.name == store.place.name).map(|one| one.fault.clone());
            done.fault = done.fault.or(looked.err()).or_else(|| faults[number].clone()).or(not_mended);
            done
        };
        self.stores.iter().enumerate().map(compact).collect()
    }

    pub(super) fn compare(&self) -> Vec<KeyStoreReport> {
        let mut quarantined = Vec::new();
        let Held { keys, faults, dead, .. } = self.held(&mut quarantined);
        let report = |(number, fault): (usize, Option<Fault>)| {
            let store = &self.stores[number];
            let place = &store.place;
            let held = keys.values().filter(|bits| **bits & (1 << number) != 0).count();
            let damaged = quarantined.iter().filter(|one| one.store == place.name).count();
            let newest = if fault.is_none() { store.ask(|place| Ok(place.newest())).ok().flatten() } else { None };
            let (missing, dead) = (keys.len() - held, dead[number]);
            KeyStoreReport { name: place.name.clone(), keys: held, missing, dead, damaged, newest, fault }
        };
        faults.into_iter().enumerate().map(report).collect()
    }

    fn held(&self, quarantined: &mut Vec<super::Quarantined>) -> Held {
        let Listed { gone, faults: unlisted, .. } = self.listed();
        let mut held = Held { keys: HashMap::new(), readable: 0, faults: Vec::new(), dead: Vec::new(), gone };
        for (number, (store, unlisted)) in self.stores.iter().zip(unlisted).enumerate() {
            let mut dead = 0;
            let visited = store.visit(quarantined, &mut |payload| {
                if held.gone.is_dead(payload) {
                    dead += 1;
                } else if let Some(id) = id_of(payload) {
                    *held.keys.entry(id).or_default() |= 1 << number;
                }
            });
            if visited.is_ok() {
                held.readable |= 1 << number;
            }
            held.faults.push(visited.err().or(unlisted));
            held.dead.push(dead);
        }
        held
    }

    /// Lets stores that are back catch up. `false` when one answers and still does not take what it misses.
    fn catch_up(&self) -> bool {
        let mut well = true;
        let answers: Vec<&Store> = self.stores.iter().filter(|store| store.look()).collect();
        // A store that is away is not worth reading the others for.
        if answers.iter().any(|store| lock(&store.place.behind).compare) {
            answers.iter().for_each(|store| lock(&store.place.behind).compare = false);
            for fault in self.mend().faults {
                if let Some(store) = answers.iter().find(|store| store.place.name == fault.name) {
                    well &= store.ask(|place| place.check()).is_err();
                    lock(&store.place.behind).compare = true;
                    store.place.note(fault.fault);
                }
            }
        }
        // A lane that is not idle has one that hangs, or that brings it already.
        let behind = |store: &&Store| store.lane.idle() && !lock(&store.place.behind).batches.is_empty();
        for store in self.stores.iter().filter(behind) {
            let place = Arc::clone(&store.place);
            store.lane.submit(0, move || drop(place.append(&Arc::from([]))));
        }
        well
    }
}

fn add(faults: &mut Vec<SiteFault>, fault: SiteFault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

fn id_of(payload: &[u8]) -> Option<KeyId> {
    payload.get(1..17)?.try_into().ok().map(|id| KeyId(base::Id16(id)))
}
