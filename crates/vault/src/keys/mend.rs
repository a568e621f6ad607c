//! Comparing key stores and mending them: what each misses is copied from the others, and a thread lets one that was away
//! catch up. Records are copied as they are; nothing here unwraps a key.

use super::KeyId;
use super::compact::Compacted;
use super::file::write_record;
use super::gone::{Destroyed, Gone};
use super::place::Place;
use super::stores::{Inner, KeyStoreReport, Mended};
use crate::folder::Fault;
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
    /// For each store why it could not be read.
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
    /// First pass: which store has which key. Second pass: copy.
    pub(super) fn mend(&self) -> Mended {
        let mut report = Mended::default();
        self.mend_gone(&mut report);
        let Held { mut keys, readable, faults, gone, .. } = self.held(&mut report.quarantined);
        let faulty = self.stores.iter().zip(faults);
        report.faults = faulty.filter_map(|(store, fault)| Some(store.place.fault(fault?))).collect();
        report.keys = keys.len();
        keys.retain(|_, bits| *bits & readable != readable);
        let is_readable = |number: &usize| readable & (1 << *number) != 0;
        let mut missing: Vec<Vec<u8>> = vec![Vec::new(); self.stores.len()];
        for source in (0..self.stores.len()).filter(is_readable) {
            let copied = &mut report.copied;
            let visited = self.stores[source].place.visit(&mut Vec::new(), &mut |payload| {
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
                report.faults.push(self.stores[source].place.fault(fault));
            }
        }
        for (number, batch) in missing.into_iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            if let Err(fault) = self.stores[number].place.append(&batch.into()) {
                report.faults.push(self.stores[number].place.fault(fault));
            }
        }
        report
    }

    /// Copies entries of the list of destroyed keys to the stores that miss them.
    fn mend_gone(&self, report: &mut Mended) {
        let listed = self.listed();
        report.destroyed = listed.gone.0.len();
        for (number, store) in self.stores.iter().enumerate().filter(|(number, _)| listed.readable & (1 << number) != 0)
        {
            let has = |id: &KeyId| listed.bits.get(id).is_some_and(|bits| bits & (1 << number) != 0);
            let missing: Vec<Destroyed> = listed.gone.0.values().filter(|entry| !has(&entry.id)).copied().collect();
            if missing.is_empty() {
                continue;
            }
            if let Err(fault) = store.place.append_gone(&missing) {
                report.faults.push(store.place.fault(fault));
            }
        }
    }

    /// Reads the list of destroyed keys of every store. Entries that somebody else made are left out, once the secret is known.
    pub(super) fn listed(&self) -> Listed {
        let mut listed =
            Listed { gone: Gone::default(), bits: HashMap::new(), readable: 0, faults: Vec::new(), foreign: 0 };
        for (number, store) in self.stores.iter().enumerate() {
            let visited = store.place.visit_gone(&mut |entry| {
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
        self.mend();
        let Listed { gone, bits, .. } = self.listed();
        let compact = |(number, store): (usize, &super::stores::Store)| {
            let failed =
                |fault| Compacted { store: store.place.name.clone(), fault: Some(fault), ..Compacted::default() };
            let mut done = store.place.compact(&gone, patience).unwrap_or_else(failed);
            // What was written while it was compacted is looked at as well.
            let mut dead = 0;
            let looked = store.place.visit(&mut Vec::new(), &mut |payload| dead += usize::from(gone.is_dead(payload)));
            // A store that does not list all of them itself would bring them back once the others are lost.
            let unlisted = bits.values().filter(|bits| **bits & (1 << number) == 0).count();
            done.left = dead + unlisted;
            done.fault = done.fault.or(looked.err());
            done
        };
        self.stores.iter().enumerate().map(compact).collect()
    }

    pub(super) fn compare(&self) -> Vec<KeyStoreReport> {
        let mut quarantined = Vec::new();
        let Held { keys, faults, dead, .. } = self.held(&mut quarantined);
        let report = |(number, fault): (usize, Option<Fault>)| {
            let place = &self.stores[number].place;
            let held = keys.values().filter(|bits| **bits & (1 << number) != 0).count();
            let damaged = quarantined.iter().filter(|one| one.store == place.name).count();
            let newest = if fault.is_none() { place.newest() } else { None };
            let (missing, dead) = (keys.len() - held, dead[number]);
            KeyStoreReport { name: place.name.clone(), keys: held, missing, dead, damaged, newest, fault }
        };
        faults.into_iter().enumerate().map(report).collect()
    }

    fn held(&self, quarantined: &mut Vec<super::Quarantined>) -> Held {
        let gone = self.listed().gone;
        let mut held = Held { keys: HashMap::new(), readable: 0, faults: Vec::new(), dead: Vec::new(), gone };
        for (number, store) in self.stores.iter().enumerate() {
            let mut dead = 0;
            let visited = store.place.visit(quarantined, &mut |payload| {
                if held.gone.is_dead(payload) {
                    dead += 1;
                } else if let Some(id) = id_of(payload) {
                    *held.keys.entry(id).or_default() |= 1 << number;
                }
            });
            if visited.is_ok() {
                held.readable |= 1 << number;
            }
            held.faults.push(visited.err());
            held.dead.push(dead);
        }
        held
    }

    /// Lets stores that are back catch up. `false` when one answers and still does not take what it misses.
    fn catch_up(&self) -> bool {
        let mut well = true;
        let answers: Vec<&Arc<Place>> =
            self.stores.iter().map(|store| &store.place).filter(|place| place.look()).collect();
        // A store that is away is not worth reading the others for.
        if answers.iter().any(|place| lock(&place.behind).compare) {
            answers.iter().for_each(|place| lock(&place.behind).compare = false);
            for fault in self.mend().faults {
                if let Some(place) = answers.iter().find(|place| place.name == fault.name) {
                    well &= place.check().is_err();
                    lock(&place.behind).compare = true;
                    place.note(fault.fault);
                }
            }
        }
        for store in self.stores.iter().filter(|store| !lock(&store.place.behind).batches.is_empty()) {
            let place = Arc::clone(&store.place);
            store.lane.submit(0, move || drop(place.append(&Arc::from([]))));
        }
        well
    }
}

fn id_of(payload: &[u8]) -> Option<KeyId> {
    payload.get(1..17)?.try_into().ok().map(|id| KeyId(base::Id16(id)))
}
