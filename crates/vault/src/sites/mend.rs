//! Mending: the thread that lets sites catch up, and the full repair. It only ever copies what a site has. Which bytes are right is
//! decided by a pack's own name, and for all else by whoever knows the logs; where nobody does, by what a quorum of sites agree on.

use super::paths::is_replaced;
use super::site::{Pending, Site};
use super::{Existing, Inner};
use crate::folder::{Fault, SiteFault};
use crate::lane::lock;
use crate::pack;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the mender looks.
const ROUND: Duration = Duration::from_secs(2);
/// How many rounds it leaves a site alone, at most, that answers and still fails.
const REST_ROUNDS_MAX: u32 = 128;
/// Rounds in which a site's lane gets on with nothing before the site is taken for one that hangs.
const STANDING_ROUNDS: u32 = 9;
/// How many objects it copies to one site before it looks at the next.
const OBJECTS_A_ROUND: usize = 256;

/// What a repair found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Objects looked at, each at every site that answers.
    pub compared: u64,
    /// Copies written where there was none.
    pub copied: u64,
    /// Copies replaced because they were damaged.
    pub replaced: u64,
    /// Objects whose copies differ with no way to tell which is right: left as they are.
    pub undecided: Vec<String>,
    /// Sites that did not answer or did not take a copy.
    pub faults: Vec<SiteFault>,
}

/// Most undecided objects named in a report.
const UNDECIDED_MAX: usize = 1000;

/// What one site has under a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The site does not answer.
    Silent,
    /// Nothing.
    Absent,
    /// An object of this size in bytes.
    Bytes(u64),
}

/// What became of one object at one site.
enum Outcome {
    Sound,
    Copied,
    Replaced,
    /// Copies differ, or are too few, and none is known to be right.
    Undecided,
    /// The same, and nobody has come yet who knows the logs; or nobody has accepted the head above the site's own copy.
    Unjudged,
    /// No site that answers has it.
    Nowhere,
}

/// The mender's life: ends when the last handle is gone.
pub(super) fn keep_mending(inner: &Arc<Inner>) {
    let mut resting = vec![(0, 1); inner.sites.len()];
    let mut standing = vec![(0, 0); inner.sites.len()];
    // Only rounds that last as long as they should tell how long a site has stood still.
    let mut whole = true;
    while !inner.stop.load(Ordering::SeqCst) {
        for (site, standing) in inner.sites.iter().zip(&mut standing) {
            look_after(site, standing, whole);
        }
        inner.sites.iter().for_each(|site| inner.look_at_heads(site));
        inner.compare_returned();
        for (site, (rest, next_rest)) in inner.sites.iter().zip(&mut resting) {
            if *rest > 0 {
                *rest -= 1;
            } else if inner.drain(site) {
                *next_rest = 1;
            } else {
                (*rest, *next_rest) = (*next_rest, (*next_rest * 2).min(REST_ROUNDS_MAX));
            }
        }
        let more = inner.sites.iter().zip(&resting).any(|(site, (rest, _))| {
            let state = lock(&site.state);
            *rest == 0 && state.reachable && state.pending.len() >= OBJECTS_A_ROUND
        });
        if !more && !inner.stop.load(Ordering::SeqCst) {
            whole = !inner.bell.rest(ROUND);
        } else {
            whole = false;
        }
    }
}

/// Looks whether a site is there; one whose lane stays at one job, or that leaves a question unanswered, hangs.
fn look_after(site: &Arc<Site>, (done, rounds): &mut (usize, u32), whole: bool) {
    if site.lane.idle() {
        *rounds = 0;
        if !site.asking.hangs() {
            let this = Arc::clone(site);
            site.lane.submit(0, move || this.look());
        }
        return;
    }
    *rounds = if site.lane.done() == *done { *rounds + u32::from(whole) } else { 0 };
    *done = site.lane.done();
    if *rounds >= STANDING_ROUNDS {
        site.hangs();
    }
}

impl Site {
    /// Whether the site is there, for its state.
    fn look(&self) {
        let result = self.backend.check();
        let mut state = lock(&self.state);
        state.reach(result.is_ok());
        match result {
            Err(fault) => {
                // Whatever was written while it was away by other processes is not in this one's memory.
                state.compare = true;
                state.last_fault = Some(fault);
            }
            Ok(()) if state.pending.is_empty() && !state.compare => state.last_fault = None,
            Ok(()) => (),
        }
    }
}

impl Inner {
    /// Compares names and sizes when a site that may miss something is there again, and remembers what differs.
    fn compare_returned(&self) {
        let due: Vec<_> = self
            .sites
            .iter()
            .filter(|site| {
                let state = lock(&site.state);
                state.compare && state.reachable
            })
            .collect();
        if due.is_empty() {
            return;
        }
        self.comparing.store(true, Ordering::SeqCst);
        due.iter().for_each(|site| lock(&site.state).compare = false);
        let faults = self.walk("", &mut |path, seen| {
            let mut asked = seen.iter().filter(|seen| **seen != Seen::Silent);
            let first = asked.next();
            if is_replaced(path) || asked.all(|seen| Some(seen) == first) {
                return;
            }
            // Where all have one and sizes differ, mending looks at each copy.
            let absent = seen.contains(&Seen::Absent);
            for (site, seen) in self.sites.iter().zip(seen) {
                if *seen == Seen::Absent || (!absent && *seen != Seen::Silent) {
                    lock(&site.state).add(path, Pending::Copy);
                }
            }
        });
        for site in &self.sites {
            if faults.iter().any(|fault| fault.name == site.name) {
                lock(&site.state).compare = true;
            }
        }
        self.comparing.store(false, Ordering::SeqCst);
    }

    /// Shows every path below a folder with what each site has there. Memory is one folder's names. Gives the faults of sites that did not answer.
    pub(super) fn walk(&self, folder: &str, see: &mut dyn FnMut(&str, &[Seen])) -> Vec<SiteFault> {
        let mut faults: Vec<SiteFault> = Vec::new();
        let mut answers = vec![true; self.sites.len()];
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let mut below = BTreeSet::new();
            let mut objects = BTreeMap::<String, Vec<Seen>>::new();
            for (number, site) in self.sites.iter().enumerate().filter(|(number, _)| answers[*number]) {
                match site.list(&folder) {
                    Ok(listing) => {
                        below.extend(listing.folders);
                        for (path, size) in listing.objects {
                            objects.entry(path).or_insert_with(|| vec![Seen::Absent; self.sites.len()])[number] =
                                Seen::Bytes(size);
                        }
                    }
                    Err(fault) => faults.push(site.fault(fault)),
                }
            }
            for (number, site) in self.sites.iter().enumerate() {
                answers[number] = !faults.iter().any(|fault| fault.name == site.name);
            }
            for (path, mut seen) in objects {
                for (seen, _) in seen.iter_mut().zip(&answers).filter(|(_, answers)| !**answers) {
                    *seen = Seen::Silent;
                }
                see(&path, &seen);
            }
            folders.extend(below.into_iter().rev());
        }
        faults
    }

    /// Looks at what a site that is there holds under names that are replaced, whether or not it misses anything: no round must wait
    /// for that.
    fn look_at_heads(&self, site: &Site) {
        let names = lock(&self.replaced).clone();
        for name in names {
            if !lock(&site.state).reachable || self.stop.load(Ordering::SeqCst) {
                return;
            }
            site.look_again(&name);
        }
    }

    /// Brings one site up to date, a round's worth. `false` when it answers and does not take what it misses.
    fn drain(&self, site: &Arc<Site>) -> bool {
        let work: Vec<(String, bool)> = {
            let state = lock(&site.state);
            if !state.reachable {
                return true;
            }
            let pending = state.pending.iter().take(OBJECTS_A_ROUND);
            pending.map(|(path, pending)| (path.clone(), matches!(pending, Pending::Copy))).collect()
        };
        for (path, is_copy) in work {
            if self.stop.load(Ordering::SeqCst) {
                return true;
            }
            if !is_copy {
                self.bring_newest(site, path);
                continue;
            }
            match self.mend_at(site, &path) {
                Ok(outcome) => {
                    // Looked at again when there is somebody to judge; who has come in between finds it still pending.
                    if matches!(outcome, Outcome::Unjudged) {
                        self.unjudged.store(true, Ordering::SeqCst);
                        if self.judge.get().is_some() && site.may_mend(&path) {
                            continue;
                        }
                    }
                    let mut state = lock(&site.state);
                    state.pending.remove(&path);
                    // Left to a repair, or to the comparison when the site that is silent now is there again.
                    if matches!(outcome, Outcome::Undecided) {
                        tracing::error!(site = site.name, path, "no copy of an object is known to be right");
                        state.last_fault = Some(Fault::Conflict(path));
                    }
                }
                Err(fault) => {
                    let mut state = lock(&site.state);
                    state.last_fault = Some(fault.fault);
                    return false;
                }
            }
        }
        true
    }

    /// Writes a replaced name's newest bytes to a site that missed them, unless no other site has these any more: then
    /// another process has replaced them since, and sees to it itself.
    fn bring_newest(&self, site: &Arc<Site>, path: String) {
        if !site.may_replace(&path) {
            return site.look_again(&path);
        }
        let newest = match lock(&site.state).pending.get(&path) {
            Some(Pending::Bytes(bytes)) => bytes.clone(),
            _ => return,
        };
        let mut others = self.sites.iter().filter(|other| other.name != site.name);
        if others.any(|other| other.get(&path, None).is_ok_and(|bytes| bytes == newest)) {
            // In the lane, so that it cannot overtake a newer one.
            let this = Arc::clone(site);
            site.lane.submit(0, move || this.put_newest(&path));
            return;
        }
        let mut state = lock(&site.state);
        if matches!(state.pending.get(&path), Some(Pending::Bytes(bytes)) if *bytes == newest) {
            state.pending.remove(&path);
        }
    }

    /// Gives one site its copy of one object, if it is missing or not the right one.
    fn mend_at(&self, site: &Site, path: &str) -> Result<Outcome, SiteFault> {
        let (own, is_absent) = match site.get(path, None) {
            Ok(bytes) => (Some(bytes), false),
            Err(Fault::Absent(_)) => (None, true),
            Err(fault) if fault.is_of_one_object() => (None, false),
            Err(fault) => return Err(site.fault(fault)),
        };
        let (mut copies, mut is_silent) = (Vec::new(), false);
        for other in self.sites.iter().filter(|other| other.name != site.name) {
            match other.get(path, None) {
                Ok(bytes) => copies.push(bytes),
                Err(fault) => is_silent |= !fault.is_of_one_object(),
            }
        }
        copies.extend(own.clone());
        let Some(right) = self.choose(path, &copies) else {
            return match copies.is_empty() {
                true if !is_silent => Ok(Outcome::Nowhere),
                // Another site may have it.
                true => Ok(Outcome::Undecided),
                false if self.judge.get().is_none() && !path.starts_with(PACKS) => Ok(Outcome::Unjudged),
                false => Ok(Outcome::Undecided),
            };
        };
        if own.as_ref() == Some(right) {
            return Ok(Outcome::Sound);
        }
        // What cannot be read just now may be another's as well.
        if !is_absent && !site.may_mend(path) {
            return Ok(Outcome::Unjudged);
        }
        site.mend(path, right.clone()).map_err(|fault| site.fault(fault))?;
        Ok(if own.is_none() { Outcome::Copied } else { Outcome::Replaced })
    }

    pub(super) fn repair(&self) -> RepairReport {
        let mut report = RepairReport::default();
        let walked = self.walk("", &mut |path, seen| {
            if is_replaced(path) {
                return;
            }
            report.compared += 1;
            for (site, _) in self.sites.iter().zip(seen).filter(|(_, seen)| **seen != Seen::Silent) {
                match self.mend_at(site, path) {
                    Ok(Outcome::Copied) => report.copied += 1,
                    Ok(Outcome::Replaced) => report.replaced += 1,
                    Ok(Outcome::Undecided | Outcome::Unjudged) => {
                        if report.undecided.last().is_none_or(|last| last != path)
                            && report.undecided.len() < UNDECIDED_MAX
                        {
                            report.undecided.push(path.to_owned());
                        }
                        continue;
                    }
                    Ok(Outcome::Sound | Outcome::Nowhere) => (),
                    Err(fault) if report.faults.contains(&fault) => continue,
                    Err(fault) => {
                        report.faults.push(fault);
                        continue;
                    }
                }
                lock(&site.state).pending.remove(path);
            }
        });
        report.faults.extend(walked);
        report
    }
}

impl Site {
    /// Runs in the lane: writes what a replaced name should hold by now, if it is still behind.
    fn put_newest(&self, path: &str) {
        let newest = match lock(&self.state).pending.get(path) {
            Some(Pending::Bytes(bytes)) => bytes.clone(),
            _ => return,
        };
        // A fault leaves it pending, as it was.
        drop(self.put(&[(path.to_owned(), newest)], Existing::Replace));
    }
}

/// Where packs stand.
const PACKS: &str = "pack/";

impl Inner {
    /// Which of some copies is right. What every site holds alike is not copied anywhere, so nobody is asked about it.
    fn choose<'a>(&self, path: &str, copies: &'a [Bytes]) -> Option<&'a Bytes> {
        let is_whole = copies.len() == self.sites.len() && copies.windows(2).all(|pair| pair[0] == pair[1]);
        let read = |path: &str, check: &dyn Fn(&[u8]) -> bool| self.get(path, None, check).ok();
        let judge = |copy: &Bytes| self.judge.get().filter(|_| !is_whole)?.is_right(path, copy, &read);
        choose(path, copies, self.quorum, &judge)
    }
}

/// Which of some copies is right: for a pack the one its name fits; for anything else the one that holds when it is judged, and where
/// nobody can tell, the one that a quorum of sites have. A lone copy that nobody vouches for is never copied: it may be the damage.
fn choose<'a>(
    path: &str,
    copies: &'a [Bytes],
    quorum: usize,
    judge: &dyn Fn(&Bytes) -> Option<bool>,
) -> Option<&'a Bytes> {
    if path.starts_with(PACKS) {
        return copies.iter().find(|copy| pack::matches_path(path, copy));
    }
    let agree = |copy: &Bytes| copies.iter().filter(|other| *other == copy).count();
    copies.iter().find(|copy| judge(copy).unwrap_or_else(|| agree(copy) >= quorum && agree(copy) * 2 > copies.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_copy_is_the_named_or_the_agreed_one() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let choose = |path: &str, copies: &[Bytes]| super::choose(path, copies, 2, &|_| None).cloned();
        let path = pack::path_of(&base::sha256(b"b"));
        assert_eq!(choose(&path, &[a.clone(), a.clone(), b.clone()]), Some(b.clone()));
        assert_eq!(choose(&path, &[a.clone(), a.clone()]), None);
        assert_eq!(choose("tile/0/000", &[b.clone(), a.clone(), a.clone()]), Some(a.clone()));
        assert_eq!(choose("tile/0/000", std::slice::from_ref(&a)), None, "a lone copy may be the damaged one");
        assert_eq!(choose("tile/0/000", &[a, b]), None);
        assert_eq!(choose("tile/0/000", &[]), None);
    }

    #[test]
    fn whoever_knows_the_logs_decides() {
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        let judge = |copy: &Bytes| Some(*copy == a);
        let choose = |copies: &[Bytes]| super::choose("tile/0/000", copies, 2, &judge).cloned();
        assert_eq!(choose(&[b.clone(), b.clone(), a.clone()]), Some(a.clone()));
        assert_eq!(choose(std::slice::from_ref(&a)), Some(a.clone()));
        assert_eq!(choose(std::slice::from_ref(&b)), None);
        assert_eq!(choose(&[b.clone(), b.clone()]), None, "agreed upon, and wrong");
    }
}
