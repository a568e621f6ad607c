//! Before a log goes on from what one site holds: whether another one has more of it, and whether so many tell that nothing which was
//! sealed can be at the silent ones alone. Witnesses do not stand in for sites: while they were away, heads were sealed that they have
//! not seen.

use std::collections::BTreeSet;

use ledger::tiles::CHECKPOINT_PATH;
use ledger::{SignedCheckpoint, VerifierKey};
use policy::Permit;
use vault::{Fault, SiteFault};

use super::Rebuild;
use super::staging::Staging;
use crate::error::StoreError;
use crate::types::Log;

/// Asks every site for its head, and gives those that do not tell, with why.
///
/// # Errors
/// [`StoreError::Rebuild`] where one has more than this head, or another of the same size; where too few tell and the operator has not
/// said that it is to be made all the same.
pub(super) fn ask(
    with: &Rebuild<'_>,
    permit: &Permit,
    log: Log,
    trusted: &[VerifierKey],
    here: Option<&SignedCheckpoint>,
) -> Result<Vec<String>, StoreError> {
    let size = here.map_or(0, |head| head.checkpoint.size);
    let (mut heard, mut silent) = (0, Vec::new());
    for (site, copy) in with.all.copies(permit, &log.path(CHECKPOINT_PATH))? {
        let found = match copy {
            Ok(bytes) => SignedCheckpoint::open(&bytes, trusted).map_err(|error| error.to_string()),
            // It has none, and says so.
            Err(Fault::Absent(_)) => {
                heard += 1;
                continue;
            }
            Err(fault) => Err(fault.to_string()),
        };
        let found = match found {
            Ok(found) => found.checkpoint,
            Err(why) => {
                silent.push(format!("site {site}: {why}"));
                continue;
            }
        };
        heard += 1;
        if found.size > size || (found.size == size && here.is_some_and(|head| head.checkpoint.root != found.root)) {
            return Err(StoreError::Rebuild {
                reason: format!(
                    "site {site} has {} leaves of the log {} and this one {size}: rebuild from {site}, or repair the sites first",
                    found.size,
                    log.name()
                ),
            });
        }
    }
    are_enough(with, log, heard, &silent)?;
    Ok(silent)
}

/// The packs at all sites, as they were before one of them was read.
pub(super) struct Everywhere {
    packs: BTreeSet<String>,
    faults: Vec<SiteFault>,
}

pub(super) fn packs(with: &Rebuild<'_>, permit: &Permit) -> Result<Everywhere, StoreError> {
    let (packs, faults) = with.all.list_of_all(permit, "pack")?;
    Ok(Everywhere { packs, faults })
}

impl Everywhere {
    /// Before leaves without anything to be about are taken for erased: what they are about may be in a pack that this site lacks.
    ///
    /// # Errors
    /// [`StoreError::Rebuild`] where another site has a pack that was not read here, or too few sites tell what they have.
    pub(super) fn were_read(&self, with: &Rebuild<'_>, staging: &Staging) -> Result<(), StoreError> {
        let read = staging.packs()?;
        let lacking = self.packs.iter().filter(|path| !read.contains(*path)).count();
        let told = with.all.names().len() - self.faults.len();
        if lacking == 0 && (with.all.are_enough(told) || with.without.sites) {
            return Ok(());
        }
        let silent: Vec<String> = self.faults.iter().map(|one| format!("site {}: {}", one.name, one.fault)).collect();
        Err(StoreError::Rebuild {
            reason: format!(
                "{lacking} packs are at other sites and were not at this one when it was read, and {} sites do not tell which they have \
                 ({}), while an erasure was under way: nothing tells what it took from what is missing here. Sites bring each other \
                 what one lacks while this runs: run it again, or rebuild from another",
                silent.len(),
                silent.join("; "),
            ),
        })
    }
}

/// What is sealed is at a quorum of sites: one of them is among those that tell, unless as many are silent as a quorum has.
fn are_enough(with: &Rebuild<'_>, log: Log, heard: usize, silent: &[String]) -> Result<(), StoreError> {
    let (why, quorum) = (silent.join("; "), with.all.quorum());
    if !with.all.are_enough(heard) && !with.without.sites {
        return Err(StoreError::Rebuild {
            reason: format!(
                "{heard} sites tell how much of the log {} they have, and {} are silent ({why}): {quorum} sites may have what the others \
                 have not. Run this again when more of them answer, or with --without-sites where you are certain that those which are \
                 silent are lost",
                log.name(),
                silent.len()
            ),
        });
    }
    if !silent.is_empty() {
        tracing::warn!(log = log.name(), why, "not every site could be asked: whoever is silent may have a later head");
    }
    Ok(())
}
