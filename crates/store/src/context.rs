//! What an institution has of no patient and its patients' records refer to: doctors, departments, places, drugs. Read along
//! with those records and never by itself; journalled under the patient whose records refer to it.

use policy::{Action, InstitutionCode, Owner, Permit};

use crate::Store;
use crate::access::Seen;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::StoreError;
use crate::ids::Ids;
use crate::read::{READ_MAX, frames, open};
use crate::types::{ResourceKey, Version};

/// A reference from a patient's record to something of its institution.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextRef {
    /// Whose record refers to it.
    pub subject: Owner,
    /// The institution that made the record: what it refers to is looked for there and nowhere else.
    pub institution: InstitutionCode,
    /// FHIR type of what it refers to.
    pub resource_type: String,
    /// Its id at the institution.
    pub source_id: String,
}

impl ContextRef {
    /// The key of what is referred to: the institution's own, so that nothing of a patient can be had this way.
    fn key(&self, ids: &Ids) -> ResourceKey {
        let owner = Owner::institution(&self.institution);
        ids.key(owner, &self.institution, &self.resource_type, &self.source_id)
    }
}

impl Store {
    /// The current versions of what records refer to, as far as they belong to no patient, under one access entry for each
    /// patient. What is not there is left out. So is what the permit does not reach (a subject that is not its holder's,
    /// another institution, a type that is not among [`policy::CONTEXT_TYPES`]), and that attempt is journalled as denied
    /// under the asker and under the institution or the patient concerned.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond [`READ_MAX`],
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`], [`StoreError::Seal`].
    pub fn context(&self, permit: &Permit, refs: &[ContextRef]) -> Result<Vec<Version>, StoreError> {
        check_action(permit, "context", &[Action::ReadRecord, Action::ReadTimeline, Action::Issue])?;
        check_count("references in one read", refs.len(), READ_MAX)?;
        if refs.is_empty() {
            return Ok(Vec::new());
        }
        let core = self.core();
        let (within, beyond): (Vec<_>, Vec<_>) = refs.iter().partition(|one| is_within(permit, one));
        refuse(core, permit, &beyond)?;
        let sealed = core.readers.snapshot("reading what records refer to", |connection| {
            check_epoch(connection, permit.epoch())?;
            let (mut sealed, mut bytes) = (Vec::with_capacity(within.len()), 0);
            for one in &within {
                let mut found = Vec::with_capacity(1);
                frames(connection, &one.key(&core.ids), 1, &mut found, &mut bytes)?;
                sealed.extend(found.into_iter().map(|row| (one.subject, row)));
            }
            Ok(sealed)
        })?;
        let mut seen = Seen::default();
        let mut versions = Vec::with_capacity(sealed.len());
        for (subject, row) in sealed {
            let version = open(core, permit, row)?;
            // The type that counts is the one inside; that it is the row's was checked when the frame was opened.
            if permit.reaches_context(&version.key.resource_type, &version.institution) {
                seen.add(subject, &version.institution, &version.key.resource_type);
                versions.push(version);
            }
        }
        core.record_context(permit, seen)?;
        Ok(versions)
    }
}

fn is_within(permit: &Permit, one: &ContextRef) -> bool {
    permit.reaches(one.subject, &one.institution) && permit.reaches_context(&one.resource_type, &one.institution)
}

/// Journals attempts beyond the permit, all at once.
fn refuse(core: &Core, permit: &Permit, beyond: &[&ContextRef]) -> Result<(), StoreError> {
    if beyond.is_empty() {
        return Ok(());
    }
    let (mut concerned, mut asker) = (Seen::default(), Seen::default());
    for one in beyond {
        let is_own = permit.reaches(one.subject, &one.institution);
        let subject = if is_own { Owner::institution(&one.institution) } else { one.subject };
        concerned.add(subject, &one.institution, &one.resource_type);
        asker.add(Owner::Patient(permit.actor().account), &one.institution, &one.resource_type);
    }
    let entries = [concerned, asker].into_iter().flat_map(|seen| core.denied(permit, seen)).collect::<Vec<_>>();
    core.record(&entries)
}
