//! Asking for what is another's: journalled under the person whose it is, and answered like what does not exist.

use std::collections::BTreeMap;

use base::Id16;
use policy::{Action, Decision, Door, InstitutionCode, Owner, Permit, Request, Target};
use rusqlite::Connection;

use crate::Store;
use crate::access::Seen;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::{denial_entry, facts_for};
use crate::read::READ_MAX;
use crate::search::counted;
use crate::share::SharedOf;
use crate::types::{ResourceKey, institution_from, owner_from};

/// What was asked for of one owner.
type Asked = BTreeMap<Owner, (InstitutionCode, BTreeMap<String, u32>)>;

impl Store {
    /// To be called with the ids that a permit was asked for and did not find. Where one is another person's record, the door
    /// is asked for that person's data, and its denial is durable in that person's access log before this returns. Where one is
    /// within reach and not among what is shared, its person finds that as a denial too. The asker
    /// gets one denied entry in any case, so neither the answer, nor their own log, nor the number of fsyncs tells whether
    /// the record exists.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond [`READ_MAX`] ids,
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn refuse_beyond(&self, door: &Door, permit: &Permit, ids: &[Id16]) -> Result<(), StoreError> {
        check_action(
            permit,
            "refuse_beyond",
            &[Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue],
        )?;
        check_count("ids in one question", ids.len(), READ_MAX)?;
        if ids.is_empty() {
            return Ok(());
        }
        let (core, actor) = (self.core(), permit.actor());
        let now_us = core.clock.now_us();
        let (action, purpose) = (permit.action(), permit.purpose());
        let request = |target| Request { actor: actor.clone(), action, target, purpose: purpose.clone() };
        let (facts, asked, kept_back) = core.readers.snapshot("looking whose a record is", |connection| {
            check_epoch(connection, permit.epoch())?;
            let facts = facts_for(connection, &request(Target::Installation), now_us)?;
            let (asked, kept_back) = asked(core, connection, permit, ids)?;
            Ok((facts, asked, kept_back))
        })?;
        let mut entries = vec![core.beyond_entry(permit, actor.account)];
        entries.extend(core.denied(permit, kept_back));
        for (owner, (institution, what)) in asked {
            let target = match owner {
                Owner::Patient(id) => Target::Patient(id),
                Owner::Institution(_) => Target::Institution(institution.clone()),
            };
            // A yes means that it became the asker's own meanwhile: nothing to report.
            if let Decision::Denial(denial) = door.decide(&request(target), &facts, &*core.random) {
                let mut entry = denial_entry(core, &denial);
                entry.institution = Some(institution);
                entry.what = counted(what);
                entries.push(entry);
            }
        }
        core.record(&entries)
    }
}

/// Whose these ids are, as far as the permit does not reach them; and those that it reaches and does not share.
fn asked(core: &Core, connection: &Connection, permit: &Permit, ids: &[Id16]) -> Result<(Asked, Seen), StoreError> {
    let step = "looking whose a record is";
    let (mut asked, mut kept_back, mut shared) = (Asked::new(), Seen::default(), SharedOf::default());
    let sql = "SELECT owner, institution, type FROM resource_current WHERE id = ?";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    for id in ids {
        let mut rows = statement.query([id.0]).at(step)?;
        while let Some(row) = rows.next().at(step)? {
            let owner = owner_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
            let institution = institution_from(row.get_ref(1).at(step)?.as_str().unwrap_or_default())?;
            let resource_type: String = row.get(2).at(step)?;
            if permit.reaches(owner, &institution) {
                let key = ResourceKey { owner, resource_type, id: *id };
                if matches!(owner, Owner::Patient(_)) && !shared.has(core, connection, permit, &key)? {
                    kept_back.add(owner, &institution, &key.resource_type);
                }
                continue;
            }
            let (_, what) = asked.entry(owner).or_insert_with(|| (institution, BTreeMap::new()));
            *what.entry(resource_type).or_insert(0) += 1;
        }
    }
    Ok((asked, kept_back))
}
