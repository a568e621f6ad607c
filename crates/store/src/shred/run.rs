//! Running an erasure, step by step, and its certificate.
//!
//! # What the leaf commits to, format 1
//!
//! `01`, id of the erasure 16, scope as `bytes`, time of the request 8, account 16 and `text` role of who asked, `text` reason,
//! `text` legal basis, number of approvals 1 and for each account 16, `text` role and time 8; time of destruction 8; number of keys
//! 4 and the id of each 16; number of leaves 4 and for each its kind 1 (`00` where a rebuild could not tell) and its place in the log
//! `records` 8. Times are microseconds since 1970 UTC.

use std::collections::HashSet;
use std::time::Duration;

use base::wire::{Reader, Writer};
use base::{Id16, Timestamp};
use ledger::EntryKind;
use policy::{Action, Owner, Permit};
use rusqlite::{Connection, params};
use vault::{Cause, Destroyed, KeyId, KeyName, WrappedKey};

use super::ask::{check_asked, lapse, stop, unreadable};
use super::erase::{Doing, Going, announce, each_group, erase, forget_key, keys_of};
use super::outlook::holds;
use super::{
    Certificate, Kept, Shred, ShredRules, ShredScope, ShredState, StoreCleaned, TableCleaned, failed, files, owned,
};
use crate::Store;
use crate::core::{Core, check_action};
use crate::error::{AtStep, OnFile, StoreError};
use crate::facts::bump_epoch;
use crate::journal::{AccessActor, AccessEntry, AccessResult};
use crate::keys::count_change;
use crate::objects::name_keys;
use crate::rotate::{COMPACT_PATIENCE, turn};
use crate::sealed;
use crate::seams;
use crate::sequencer::proof::LeafProof;
use crate::sequencer::{KIND_OBJECT, KIND_SHRED, KIND_VERSION};
use crate::types::{Log, Ticket, owner_bytes, owner_from};
use crate::write::{enqueue, ticket};

/// How long a step waits for the sequencer.
const SEAL_PATIENCE: Duration = Duration::from_secs(60);
/// How often an owner is tried again to whom something was added meanwhile.
const TRIES: usize = 20;

impl Store {
    /// Does the next step of an erasure that is approved, and gives how far it is then. Takes a permit to repair. Done again after
    /// a crash, it goes on.
    ///
    /// # Errors
    /// [`StoreError::Shred`] where it is not approved, its time has not come, a legal hold keeps it, or a key store or the
    /// data folder cannot be cleaned yet; [`StoreError::Rotation`] while keys are rotated; [`StoreError::Key`], [`StoreError::Site`],
    /// [`StoreError::NotSealed`], [`StoreError::Database`].
    pub fn shred_step(&self, permit: &Permit, id: Id16) -> Result<ShredState, StoreError> {
        check_action(permit, "shred_step", &[Action::Repair])?;
        let _turn = turn(self.core())?;
        let shred = self.find_shred(id)?;
        match shred.state {
            ShredState::Requested => Err(waits(&shred)),
            ShredState::Withdrawn => Err(failed(id, "it was given up")),
            ShredState::Approved => self.begin(&shred),
            ShredState::Running => self.destroy(permit, &shred),
            ShredState::Destroyed => self.compact_stores(permit, id),
            ShredState::Compacted => self.clean_files(id),
            ShredState::Cleaned => self.end(id),
            ShredState::Done => Ok(ShredState::Done),
        }
    }

    /// The certificate of an erasure that is done. Takes a permit as [`Store::shred_request`] does.
    ///
    /// # Errors
    /// Those of [`Store::shred`]; [`StoreError::Shred`] where it is not done; those of [`Store::proof`].
    pub fn shred_certificate(&self, permit: &Permit, id: Id16, rules: &ShredRules) -> Result<Certificate, StoreError> {
        let (shred, _) = self.shred(permit, id)?;
        if shred.state != ShredState::Done {
            let state = shred.state.name();
            return Err(failed(id, format!("it is {state}: there is a certificate once it is done")));
        }
        let core = self.core();
        let step = "reading an erasure";
        let (record, row, found): (Vec<u8>, i64, Vec<u8>) = core.readers.snapshot(step, |connection| {
            let sql = "SELECT record, leaf_row, certificate FROM shred WHERE id = ?";
            connection.query_row(sql, [id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).at(step)
        })?;
        let (salt, content) = open_record(core, id, &record)?;
        let index = core.readers.snapshot(step, |connection| crate::read::leaf(connection, KIND_SHRED, row))?;
        let index = index.ok_or(StoreError::Missing { what: "leaf" })?;
        let entry = ledger::commit(&salt, EntryKind::Shred, &content);
        let leaf = LeafProof { index, salt, entry, proof: self.proof(Log::Records, index)? };
        let (keys, leaves) =
            core.readers.snapshot(step, |connection| Ok((keys_by(connection, id)?, leaves_of(connection, id)?)))?;
        let destroyed = shred.destroyed.ok_or_else(unreadable)?;
        let window = jiff::SignedDuration::from_hours(24 * i64::from(rules.backup_days));
        let (stores, tables, rewritten) = read_found(core, id, &found)?;
        let kept = owned::KEPT.iter().map(|(what, why)| Kept { what: (*what).to_owned(), why: (*why).to_owned() });
        Ok(Certificate {
            content,
            leaf,
            keys: keys.len() as u64,
            leaves,
            stores,
            tables,
            rewritten,
            backups_end: destroyed.checked_add(window).unwrap_or(Timestamp::MAX),
            kept: kept.collect(),
            shred,
        })
    }

    /// Begins, where those who asked and approved still may and no hold lasts: from here on it is settled who they were, and it can be
    /// given up no more, unless a hold stops it before its keys go. So one that is held stays as it was.
    fn begin(&self, shred: &Shred) -> Result<ShredState, StoreError> {
        let (core, id, asked) = (self.core(), shred.id, shred.requester);
        let now_us = core.clock.now_us();
        if let Some(not_before) = shred.not_before.filter(|at| at.as_microsecond() > now_us) {
            return Err(failed(id, format!("its waiting period lasts until {not_before}")));
        }
        let owners = owners(shred, &self.keys_of_scope(&shred.scope)?);
        let begun = core.writer.run(1, move |transaction| {
            check_asked(transaction, id, asked)?;
            lapse(transaction, now_us)?;
            // Not where it was given up, or approved anew, since it was read.
            let sql = "UPDATE shred SET state = 'running' WHERE id = ? AND state = 'approved' AND not_before_us <= ?";
            let begun = transaction.execute(sql, params![id.0, now_us]).at("beginning an erasure")?;
            if begun == 1 {
                check_held(transaction, id, &owners, now_us)?;
            }
            Ok(begun)
        })?;
        if begun == 1 {
            return Ok(ShredState::Running);
        }
        let shred = self.find_shred(id)?;
        Err(if shred.state == ShredState::Withdrawn { failed(id, "it was given up") } else { waits(&shred) })
    }

    /// Destroys the keys, and erases what hung under them.
    fn destroy(&self, permit: &Permit, shred: &Shred) -> Result<ShredState, StoreError> {
        let (core, id) = (self.core(), shred.id);
        let owner = match &shred.scope {
            ShredScope::Patient(id) => Some(owner_bytes(Owner::Patient(*id))),
            ShredScope::Group(group) => Some(owner_bytes(group.owner)),
            ShredScope::Class { .. } => None,
        };
        let newest = core.readers.snapshot("reading the outbox", |connection| {
            // Versions and objects, whosever they are, and what tables say of the owner.
            let sql = "SELECT coalesce(max(no), 0) FROM outbox_records WHERE kind IN (?, ?) OR owner = ?";
            let values = params![KIND_VERSION, KIND_OBJECT, owner];
            connection.query_row(sql, values, |row| row.get::<_, i64>(0)).at("reading the outbox")
        })?;
        // What is not sealed yet would leave its segment behind the erasure.
        core.log(Log::Records).wait_sealed(core, Ticket(newest.unsigned_abs()), SEAL_PATIENCE)?;
        if !matches!(shred.scope, ShredScope::Patient(_)) {
            name_keys(core, permit)?;
        }
        let at_us = core.clock.now_us();
        for try_no in 0.. {
            let keys = self.keys_of_scope(&shred.scope)?;
            self.refuse_held(shred, &keys, at_us)?;
            let mut goings = Going::of(&keys);
            if let Some(owner) = owner.filter(|_| matches!(shred.scope, ShredScope::Patient(_))) {
                // Nothing of the patient is taken in again, also where a database that was made again has none of the keys.
                Going::whole(&mut goings, owner);
            }
            self.announce(id, &goings)?;
            core.config.seams.at(seams::DESTROY).on("destroyed", &core.folder)?;
            self.make_certain(shred, &keys, at_us)?;
            for going in goings.iter().filter(|going| !going.keys.is_empty()) {
                self.record_erased(permit, going, shred)?;
            }
            self.list(permit, id, &keys, at_us)?;
            core.config.seams.at(seams::LISTED).on("listed", &core.folder)?;
            let mut whole = true;
            for going in goings {
                let doing = Doing { shred: id, at_us, drop_unsealed: false };
                whole &= core.writer.run(1_000, move |transaction| {
                    let erased = erase(transaction, &going, doing)?;
                    if erased {
                        // Whoever has a permit from before must not go on with what it found.
                        bump_epoch(transaction)?;
                        count_change(transaction)?;
                    }
                    Ok(erased)
                })?;
            }
            core.keyring.forget();
            // Keys that stand in a key store and never came into the index: nothing hangs under them, and they go as well.
            let strays: Vec<KeyId> = keys.iter().map(|(key, _)| *key).collect();
            let doing = Doing { shred: id, at_us, drop_unsealed: false };
            if whole {
                core.writer.run(strays.len(), move |transaction| {
                    strays.iter().try_for_each(|key| forget_key(transaction, *key, doing))
                })?;
            }
            if whole && self.keys_in_index(&shred.scope)?.is_empty() {
                break;
            }
            if try_no == TRIES {
                return Err(failed(id, "things are added to it all the time: stop deposits, and run it again"));
            }
            self.wait_sealed(Ticket(newest.unsigned_abs()), SEAL_PATIENCE)?;
            std::thread::sleep(Duration::from_millis(100));
        }
        self.record(shred, at_us)
    }

    /// Lets everything that a rebuild must know of the erasure be sealed before there is no way back.
    fn announce(&self, id: Id16, goings: &[Going]) -> Result<(), StoreError> {
        let mut newest = Ticket(0);
        for going in goings {
            let going = going.clone();
            newest = self.core().writer.run(1_000, move |transaction| {
                announce(transaction, &going, id)?;
                Ok(ticket(transaction)?.0)
            })?;
        }
        self.wait_sealed(newest, SEAL_PATIENCE).map(|_| ())
    }

    /// Keys of a scope, from the index and from the key stores.
    fn keys_of_scope(&self, scope: &ShredScope) -> Result<Vec<(KeyId, KeyName)>, StoreError> {
        let mut keys = self.keys_in_index(scope)?;
        let mut known: HashSet<KeyId> = keys.iter().map(|(id, _)| *id).collect();
        self.core().keyring.stores().each_key(&mut |key: WrappedKey| {
            if scope.takes(&key.name) && known.insert(key.id) {
                keys.push((key.id, key.name));
            }
        })?;
        Ok(keys)
    }

    fn keys_in_index(&self, scope: &ShredScope) -> Result<Vec<(KeyId, KeyName)>, StoreError> {
        let mut keys = Vec::new();
        self.each_in_index(scope, &mut |id, name| keys.push((id, name)))?;
        Ok(keys)
    }

    /// Shows the keys of a scope that the index has; all of one owner together.
    pub(super) fn each_in_index(
        &self,
        scope: &ShredScope,
        see: &mut dyn FnMut(KeyId, KeyName),
    ) -> Result<(), StoreError> {
        let takes = |name: &KeyName| scope.takes(name);
        let owner = match scope {
            ShredScope::Patient(id) => Owner::Patient(*id),
            ShredScope::Group(group) => group.owner,
            ShredScope::Class { .. } => return each_group(&self.core().readers, &takes, see),
        };
        let step = "reading keys to destroy";
        let keys = self.core().readers.snapshot(step, |connection| keys_of(connection, &owner_bytes(owner)))?;
        keys.into_iter().filter(|(_, name)| takes(name)).for_each(|(id, name)| see(id, name));
        Ok(())
    }

    /// Refuses before anything is prepared. What counts is [`Store::make_certain`].
    fn refuse_held(&self, shred: &Shred, keys: &[(KeyId, KeyName)], now_us: i64) -> Result<(), StoreError> {
        let (owners, step) = (owners(shred, keys), "looking for holds");
        let held = self.core().readers.snapshot(step, |connection| check_held(connection, shred.id, &owners, now_us));
        self.or_stopped(shred.id, held)
    }

    /// From the commit of this transaction on there is no way back: it looks for holds once more, and behind it none can be placed
    /// on whom the erasure is about.
    fn make_certain(&self, shred: &Shred, keys: &[(KeyId, KeyName)], at_us: i64) -> Result<(), StoreError> {
        let (owners, id) = (owners(shred, keys), shred.id);
        let certain = self.core().writer.run(1, move |transaction| {
            check_held(transaction, id, &owners, at_us)?;
            // A hold that was placed and ended meanwhile took it back all the same, and it may have been given up since.
            let sql = "UPDATE shred SET destroyed_us = coalesce(destroyed_us, ?) WHERE id = ? AND state = 'running'";
            match transaction.execute(sql, params![at_us, id.0]).at("making an erasure certain")? {
                0 => Err(failed(
                    id,
                    "a legal hold stopped it meanwhile: nothing was destroyed; run it again if it still is to be",
                )),
                _ => Ok(()),
            }
        });
        self.or_stopped(shred.id, certain)
    }

    /// What is held is stopped, so that it can be given up, and is judged anew where it goes on.
    fn or_stopped(&self, id: Id16, done: Result<(), StoreError>) -> Result<(), StoreError> {
        if matches!(done, Err(StoreError::Shred { .. })) {
            self.core().writer.run(1, move |transaction| stop(transaction, id))?;
        }
        done
    }

    /// Lists keys as destroyed in the key stores.
    fn list(&self, permit: &Permit, id: Id16, keys: &[(KeyId, KeyName)], at_us: i64) -> Result<(), StoreError> {
        let stores = self.core().keyring.stores();
        let listed = stores.listed_for_good();
        let secret = &self.core().destroyed_key;
        let entry = |(key, _): &(KeyId, KeyName)| Destroyed::new(secret, *key, Cause::Shred, id, at_us);
        let new: Vec<Destroyed> = keys.iter().filter(|(key, _)| !listed.contains(key)).map(entry).collect();
        stores.destroy(permit, &new)?;
        Ok(())
    }

    /// Writes into the access log that somebody's records are erased, before they are; nobody is told that they were read.
    fn record_erased(&self, permit: &Permit, going: &Going, shred: &Shred) -> Result<(), StoreError> {
        let core = self.core();
        let actor = AccessActor {
            role: shred.requester.role.name().to_owned(),
            account: shred.requester.account,
            ..permit.actor().into()
        };
        let entry = AccessEntry {
            actor,
            action: "shred".to_owned(),
            purpose: "erasure".to_owned(),
            result: AccessResult::Granted,
            what: vec![("key".to_owned(), u32::try_from(going.keys.len()).unwrap_or(u32::MAX))],
            ..core.entry(permit, owner_from(&going.owner)?.id())
        };
        core.record(&[entry])
    }

    /// Accepts the leaf that says what was destroyed.
    fn record(&self, shred: &Shred, at_us: i64) -> Result<ShredState, StoreError> {
        let (core, id) = (self.core(), shred.id);
        let step = "reading what was destroyed";
        let (keys, leaves) =
            core.readers.snapshot(step, |connection| Ok((keys_by(connection, id)?, leaves_of(connection, id)?)))?;
        let content = content(shred, at_us, &keys, &leaves);
        let salt = core.random.bytes32();
        let entry = ledger::commit(&salt, EntryKind::Shred, &content);
        let record = sealed::seal(&core.shred_key, "record", &id.0, &[&salt[..], &content].concat(), &*core.random);
        let owner = owner_bytes(Owner::Institution(Id16::derived(&["installation"])));
        core.writer.run(3, move |transaction| {
            let step = "writing down an erasure";
            let sql = "INSERT INTO commitment (owner, kind, recorded_us, entry) VALUES (?, ?, ?, ?)";
            transaction.execute(sql, params![owner, KIND_SHRED, at_us, entry]).at(step)?;
            let row = transaction.last_insert_rowid();
            enqueue(transaction, KIND_SHRED, row, &entry)?;
            let (ticket, _) = ticket(transaction)?;
            let sql = "UPDATE shred SET state = 'destroyed', destroyed_us = ?, record = ?, leaf_row = ?, ticket = ? WHERE id = ?";
            transaction.execute(sql, params![at_us, record, row, ticket.0 as i64, id.0]).at(step)?;
            Ok(())
        })?;
        Ok(ShredState::Destroyed)
    }

    /// Removes the keys from every key store.
    fn compact_stores(&self, permit: &Permit, id: Id16) -> Result<ShredState, StoreError> {
        let core = self.core();
        let compacted = core.keyring.stores().compact(permit, COMPACT_PATIENCE)?;
        if let Some(bad) = compacted.iter().find(|store| !store.is_clean()) {
            let why = bad.fault.as_ref().map_or_else(
                || format!("{} records are left, since a program did not let go of its file", bad.left),
                ToString::to_string,
            );
            return Err(failed(
                id,
                format!("key store {} is not cleaned: {why}; mend it, and run this again", bad.store),
            ));
        }
        let mut found = Writer::new();
        found.u8(compacted.len() as u8);
        for store in &compacted {
            found.text(&store.store).u64(store.removed as u64);
        }
        save_found(core, id, found.as_slice(), ShredState::Compacted)
    }

    /// Removes what was erased from the files of the database.
    fn clean_files(&self, id: Id16) -> Result<ShredState, StoreError> {
        let core = self.core();
        let step = "reading what was destroyed";
        let keys = core.readers.snapshot(step, |connection| keys_by(connection, id))?;
        let cleaned = files::clean(core, id, &keys)?;
        let (left, before): (Vec<(&str, u64)>, Vec<u8>) = core.readers.snapshot(step, |connection| {
            let mut left = owned::left_under(connection, &keys)?;
            for owner in erased_by(connection, id)? {
                for (table, rows) in owned::left(connection, &owner)? {
                    match left.iter_mut().find(|(one, _)| *one == table) {
                        Some((_, sum)) => *sum += rows,
                        None => left.push((table, rows)),
                    }
                }
            }
            let sql = "SELECT certificate FROM shred WHERE id = ?";
            Ok((left, connection.query_row(sql, [id.0], |row| row.get(0)).at(step)?))
        })?;
        if let Some((table, rows)) = left.iter().find(|(_, rows)| *rows > 0) {
            return Err(failed(id, format!("{rows} rows are left in {table}: no certificate is given")));
        }
        let mut found = Writer::new();
        found.raw(&sealed::open(&core.shred_key, "found", &id.0, &before).ok_or_else(unreadable)?);
        found.u8(u8::from(cleaned.rewritten)).u8(left.len() as u8);
        for (table, rows) in left {
            found.text(table).u64(rows);
        }
        save_found(core, id, found.as_slice(), ShredState::Cleaned)
    }

    /// Waits until the leaf is sealed.
    fn end(&self, id: Id16) -> Result<ShredState, StoreError> {
        let core = self.core();
        let step = "reading an erasure";
        let no: i64 = core.readers.snapshot(step, |connection| {
            connection.query_row("SELECT ticket FROM shred WHERE id = ?", [id.0], |row| row.get(0)).at(step)
        })?;
        self.wait_sealed(Ticket(no.unsigned_abs()), SEAL_PATIENCE)?;
        set_state(core, id, ShredState::Done)
    }
}

/// That it cannot be begun, in words.
fn waits(shred: &Shred) -> StoreError {
    let why = match shred.lapsed.len() {
        0 => "it waits for approvals".to_owned(),
        lapsed => format!(
            "it waits for approvals: {lapsed} that were given do not count, since those who gave them do not hold the role any more"
        ),
    };
    failed(shred.id, why)
}

/// Whose keys go.
fn owners(shred: &Shred, keys: &[(KeyId, KeyName)]) -> Vec<[u8; 17]> {
    let mut owners: Vec<[u8; 17]> = Going::of(keys).into_iter().map(|going| going.owner).collect();
    if let ShredScope::Patient(id) = shred.scope {
        owners.push(owner_bytes(Owner::Patient(id)));
    }
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// `owners` in their order. There are few holds, and there may be millions of owners.
fn check_held(connection: &Connection, id: Id16, owners: &[[u8; 17]], now_us: i64) -> Result<(), StoreError> {
    let held = holds(connection, now_us)?.into_keys().filter(|owner| owners.binary_search(owner).is_ok()).count();
    if held == 0 {
        return Ok(());
    }
    Err(failed(id, format!("a legal hold keeps {held} of those it is about: nothing of them was destroyed")))
}

fn set_state(core: &Core, id: Id16, state: ShredState) -> Result<ShredState, StoreError> {
    let done_us = (state == ShredState::Done).then(|| core.clock.now_us());
    core.writer.run(1, move |transaction| {
        let sql = "UPDATE shred SET state = ?, done_us = coalesce(?, done_us) WHERE id = ?";
        transaction.execute(sql, params![state.name(), done_us, id.0]).at("going on with an erasure").map(|_| ())
    })?;
    Ok(state)
}

fn save_found(core: &Core, id: Id16, found: &[u8], state: ShredState) -> Result<ShredState, StoreError> {
    let found = sealed::seal(&core.shred_key, "found", &id.0, found, &*core.random);
    core.writer.run(1, move |transaction| {
        let sql = "UPDATE shred SET state = ?, certificate = ? WHERE id = ?";
        transaction.execute(sql, params![state.name(), found, id.0]).at("going on with an erasure").map(|_| ())
    })?;
    Ok(state)
}

type FoundAtEnd = (Vec<StoreCleaned>, Vec<TableCleaned>, bool);

fn read_found(core: &Core, id: Id16, found: &[u8]) -> Result<FoundAtEnd, StoreError> {
    let found = sealed::open(&core.shred_key, "found", &id.0, found).ok_or_else(unreadable)?;
    let mut reader = Reader::new(&found);
    let (mut stores, mut tables) = (Vec::new(), Vec::new());
    for _ in 0..reader.u8()? {
        stores.push(StoreCleaned { name: reader.text()?.to_owned(), removed: reader.u64()? });
    }
    let rewritten = reader.u8()? != 0;
    for _ in 0..reader.u8()? {
        tables.push(TableCleaned { name: reader.text()?.to_owned(), left: reader.u64()? });
    }
    Ok((stores, tables, rewritten))
}

fn open_record(core: &Core, id: Id16, record: &[u8]) -> Result<([u8; 32], Vec<u8>), StoreError> {
    let record = sealed::open(&core.shred_key, "record", &id.0, record).ok_or_else(unreadable)?;
    let (salt, content) = record.split_first_chunk().ok_or_else(unreadable)?;
    Ok((*salt, content.to_vec()))
}

fn content(shred: &Shred, at_us: i64, keys: &[KeyId], leaves: &[(i64, u64)]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(1).raw(&shred.id.0).bytes(&shred.scope.to_bytes()).i64(shred.requested.as_microsecond());
    out.raw(&shred.requester.account.0).text(shred.requester.role.name());
    out.text(shred.reason.expose()).text(shred.basis.expose()).u8(shred.approvals.len() as u8);
    for approval in &shred.approvals {
        out.raw(&approval.by.account.0).text(approval.by.role.name()).i64(approval.at.as_microsecond());
    }
    out.i64(at_us).u32(keys.len() as u32);
    for key in keys {
        out.raw(&key.0.0);
    }
    out.u32(leaves.len() as u32);
    for (kind, position) in leaves {
        out.u8(*kind as u8).u64(*position);
    }
    out.finish()
}

fn keys_by(connection: &Connection, shred: Id16) -> Result<Vec<KeyId>, StoreError> {
    let step = "reading destroyed keys";
    let mut statement = connection.prepare_cached("SELECT id FROM destroyed_key WHERE by = ? ORDER BY id").at(step)?;
    let rows = statement.query_map([shred.0], |row| Ok(KeyId(Id16(row.get(0)?)))).at(step)?;
    rows.collect::<Result<_, _>>().at(step)
}

fn leaves_of(connection: &Connection, shred: Id16) -> Result<Vec<(i64, u64)>, StoreError> {
    let step = "reading places of leaves";
    let sql = "SELECT kind, position FROM shred_leaf WHERE shred = ? ORDER BY position";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let rows =
        statement.query_map([shred.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))).at(step)?;
    rows.collect::<Result<_, _>>().at(step)
}

fn erased_by(connection: &Connection, shred: Id16) -> Result<Vec<[u8; 17]>, StoreError> {
    let step = "reading who was erased";
    let mut statement = connection.prepare_cached("SELECT owner FROM erased_owner WHERE shred = ?").at(step)?;
    let rows = statement.query_map([shred.0], |row| row.get(0)).at(step)?;
    rows.collect::<Result<_, _>>().at(step)
}
