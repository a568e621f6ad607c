//! The write path: what was prepared goes into one transaction with its outbox rows, shared with other callers' writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::Random;
use policy::{Action, Permit};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::Store;
use crate::core::{check_action, check_count, check_epoch};
use crate::edition::{self, Becomes, Named};
use crate::error::{AtStep, StoreError};
use crate::lasting::{NOW, TASK};
use crate::objects::{self, PreparedObject};
use crate::prepare::Prepared;
use crate::sequencer::KIND_VERSION;
use crate::types::{Log, OWNER_BYTES, Outcome, Ticket, Written, owner_bytes};

/// Most resources and objects in one write.
pub const WRITE_MAX: usize = 20_000;
/// Most bytes of resources in one write, sealed: with its rows it fits one segment, so that it is sealed whole or not at all. Twenty
/// thousand resources have about five MiB of rows.
pub const WRITE_BYTES_MAX: usize = 20 << 20;

/// Rows of a room's own tables that belong to a write: they are committed with it or not at all. Given the outcome of each
/// version, in their order, so that what is counted is what is committed.
pub type Extra = Box<dyn FnOnce(&Transaction<'_>, &[Outcome]) -> rusqlite::Result<()> + Send>;

impl Store {
    /// Writes what was prepared. When this returns `Ok` everything is accepted: durable in the database together with its
    /// outbox entries and keys. What is here already is [`Outcome::Already`], so a write may be repeated; which version
    /// is the current one is told in `edition.rs`.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`]; [`StoreError::Site`] where too few sites can
    /// be reached, so that nobody goes home with what one disk holds; [`StoreError::Backlog`] where the sites
    /// have been out of reach for so long that too much waits; [`StoreError::Key`] where new keys cannot be made durable;
    /// [`StoreError::KeyGone`] where somebody was erased meanwhile;
    /// [`StoreError::Database`] and [`StoreError::Commit`]. After an error nothing was written.
    pub fn write(
        &self,
        permit: &Permit,
        versions: Vec<Prepared>,
        objects: Vec<PreparedObject>,
        extra: Option<Extra>,
    ) -> Result<Written, StoreError> {
        check_action(permit, "write", &[Action::Deposit])?;
        let guard = self.core().room.clone();
        self.commit(permit, versions, objects, move |transaction, outcomes| match extra {
            Some(extra) => guard.within(|| extra(transaction, outcomes)).at("writing the rows that belong to it"),
            None => Ok(()),
        })
    }

    /// As [`Store::write`] for any permit that reaches what is written, with what else belongs into the transaction.
    pub(crate) fn commit(
        &self,
        permit: &Permit,
        versions: Vec<Prepared>,
        objects: Vec<PreparedObject>,
        more: impl FnOnce(&Transaction<'_>, &[Outcome]) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Written, StoreError> {
        check_count("resources and objects in one write", versions.len() + objects.len(), WRITE_MAX)?;
        let bytes = versions.iter().map(Prepared::sealed_bytes).sum();
        check_count("bytes of resources in one write", bytes, WRITE_BYTES_MAX)?;
        let reaches = versions.iter().all(|one| permit.reaches(one.owner, &one.institution))
            && objects.iter().all(|one| permit.reaches(one.owner, &one.institution));
        if !reaches {
            return Err(StoreError::Scope { what: "the institution of the resource" });
        }
        let core = self.core();
        core.wait_for_sites()?;
        core.log(Log::Records).wait_for_room(core)?;
        let new = core.keyring.persist_new()?;
        let keys = new.keys().to_vec();
        let (epoch, random, recorded_us) = (permit.epoch(), Arc::clone(&core.random), core.clock.now_us());
        let rows = versions.len() * 4 + objects.len() * 4 + 1;
        let under: BTreeSet<_> =
            versions.iter().map(Prepared::under).chain(objects.iter().map(|one| one.under)).collect();
        let written = core.writer.run(rows, move |transaction| {
            check_epoch(transaction, epoch)?;
            crate::keys::insert(transaction, &keys)?;
            crate::keys::check_present(transaction, &under)?;
            let batch = Batch { transaction, random: &*random, recorded_us };
            let versions: Vec<Outcome> =
                versions.into_iter().map(|one| batch.version(one)).collect::<Result<_, _>>()?;
            let objects: Vec<Outcome> =
                objects.iter().map(|one| objects::insert(transaction, one, recorded_us)).collect::<Result<_, _>>()?;
            more(transaction, &versions)?;
            let (ticket, waiting) = ticket(transaction)?;
            Ok((Written { versions, objects, ticket }, waiting))
        });
        let (written, waiting) = core.without_stale_keys(written)?;
        new.inserted();
        core.log(Log::Records).set_waiting(waiting);
        metrics::counter!("hanmaru_store_written").increment((written.versions.len() + written.objects.len()) as u64);
        Ok(written)
    }
}

/// The newest number of the outbox, and how many rows wait in it.
pub(crate) fn ticket(transaction: &Transaction<'_>) -> Result<(Ticket, u64), StoreError> {
    let step = "reading the outbox";
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'outbox_records'")
        .at(step)?
        .query_row([], |row| row.get(0))
        .optional()
        .at(step)?;
    let oldest: Option<i64> = transaction
        .prepare_cached("SELECT min(no) FROM outbox_records")
        .at(step)?
        .query_row([], |row| row.get(0))
        .at(step)?;
    let newest = newest.unwrap_or(0);
    let waiting = oldest.map_or(0, |oldest| newest - oldest + 1);
    Ok((Ticket(newest.unsigned_abs()), waiting.unsigned_abs()))
}

struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    random: &'a dyn Random,
    recorded_us: i64,
}

impl Batch<'_> {
    fn version(&self, new: Prepared) -> Result<Outcome, StoreError> {
        let owner = owner_bytes(new.owner);
        let (id, came) = (new.id, new.came);
        let current = self.current(&owner, &new)?;
        let Some((versions, row, content)) = current else {
            return self.insert(&owner, new, 1, Becomes::Current(0));
        };
        let named = Named { owner: &owner, resource_type: &new.resource_type, id: &id.0 };
        if content == new.content {
            let version = edition::note_again(self.transaction, named, row, &came)?;
            return Ok(Outcome::Already { version });
        }
        match edition::becomes(self.transaction, named, row, &new.content, &came)? {
            Becomes::Already(version) => Ok(Outcome::Already { version }),
            becomes => self.insert(&owner, new, versions + 1, becomes),
        }
    }

    /// Writes a version. Where it is history, everything about the current one stays but how many versions there are.
    fn insert(
        &self,
        owner: &[u8; OWNER_BYTES],
        new: Prepared,
        version: u32,
        becomes: Becomes,
    ) -> Result<Outcome, StoreError> {
        let step = "writing a resource";
        let (newer, previous) = match becomes {
            Becomes::History { newer, older } => (Some(newer), older),
            Becomes::Current(row) => (None, Some(row).filter(|_| version > 1)),
            Becomes::Already(version) => return Ok(Outcome::Already { version }),
        };
        if newer.is_none() {
            if version > 1 {
                crate::index::remove(self.transaction, owner, &new.resource_type, new.id)?;
            }
            crate::index::insert(self.transaction, owner, &new.resource_type, new.id, &new.index)?;
        }
        let (id, content, came) = (new.id, new.content, new.came);
        let (institution, resource_type) = (new.institution.clone(), new.resource_type.clone());
        let (date_us, encounter) = (new.date_us, new.encounter.map(|id| id.0));
        let sealed = new.into_version(version, self.random)?;
        let sql = "INSERT INTO resource_version \
                   (owner, version, previous, recorded_us, content, frame, deposit, place, updated_us, number) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = params![
            owner,
            version,
            previous,
            self.recorded_us,
            content,
            sealed.frame,
            came.deposit,
            came.place,
            came.updated_us,
            came.number
        ];
        self.transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
        let row = self.transaction.last_insert_rowid();
        if let Some(newer) = newer {
            let sql = "UPDATE resource_version SET previous = ? WHERE row = ?";
            self.transaction.prepare_cached(sql).at(step)?.execute([row, newer]).at(step)?;
            let sql = "UPDATE resource_current SET version = ? WHERE owner = ? AND type = ? AND id = ?";
            let values = params![version, owner, resource_type, id.0];
            self.transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
        } else {
            let sql = "INSERT OR REPLACE INTO resource_current VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let values = params![
                owner,
                resource_type,
                id.0,
                version,
                row,
                institution.as_str(),
                date_us,
                encounter,
                self.recorded_us,
                content
            ];
            self.transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
        }
        enqueue(self.transaction, KIND_VERSION, row, &sealed.commitment)?;
        Ok(Outcome::New { version })
    }

    /// How many versions there are, the row of the current one, and its content.
    fn current(&self, owner: &[u8], new: &Prepared) -> Result<Option<(u32, i64, [u8; 16])>, StoreError> {
        let step = "looking for a resource";
        self.transaction
            .prepare_cached(
                "SELECT version, row, content FROM resource_current WHERE owner = ? AND type = ? AND id = ?",
            )
            .at(step)?
            .query_row(params![owner, new.resource_type, new.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
            .at(step)
    }
}

/// Puts a leaf into the outbox of the log `records`.
pub(crate) fn enqueue(transaction: &Transaction<'_>, kind: i64, row: i64, commitment: &[u8]) -> Result<(), StoreError> {
    let step = "writing the outbox";
    transaction
        .prepare_cached(&format!(
            "INSERT INTO outbox_records (kind, row, entry, since_us, task) VALUES (?, ?, ?, {NOW}, {TASK})"
        ))
        .at(step)?
        .execute(params![kind, row, commitment])
        .at(step)
        .map(|_| ())
}
