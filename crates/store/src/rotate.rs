//! Rotation: keys come under new parents while everything goes on. New shard keys take over every owner's key; a new root takes
//! over shard keys, access keys and secrets. Frames and documents are never touched: what they are sealed under keeps its id.
//!
//! A rotation begins with one transaction: the new parents are in the index, the old ones are *retiring*, and from then on new
//! keys hang under the new ones. Until it ends both open what hangs under them. Keys are rewrapped in the order of their rows,
//! each batch durable in the key stores before the index points to it, and how far it is stands in the same transaction. What a
//! program with the old parent still in memory adds meanwhile is noted by that program's own transaction. When nothing is left
//! under the old parents, one transaction takes them out of the index; then the key stores list them as destroyed, and
//! compaction removes the old forms. Killed anywhere, the next call goes on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use base::Id16;
use policy::{Action, Owner, Permit};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::{
    Cause, Compacted, Destroyed, GroupKey, GroupName, KeyError, KeyId, KeyName, Parent, SHARDS, WrappedKey, root_entry,
};

use crate::Store;
use crate::core::{Core, check_action, check_count};
use crate::error::{AtStep, OnFile, StoreError};
use crate::keeper;
use crate::keys::count_change;

/// Keys rewrapped in one batch.
const BATCH: usize = 16_384;
/// Batches that may be ready before the key stores have them.
const READY: usize = 2;
/// How long other processes may take until they know of the new parents.
const GRACE: Duration = Duration::from_millis(4 * keeper::LOOK.as_millis() as u64);
/// How long compaction waits for each file that a program appends to.
pub(crate) const COMPACT_PATIENCE: Duration = Duration::from_secs(30);
/// Most groups in one call of [`Store::reserve_keys`].
const RESERVE_MAX: usize = 50_000;

/// What is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotate {
    /// New shard keys: every key of a patient or institution is rewrapped.
    Shards,
    /// What hangs under another root comes under the provider's current one.
    Root,
}

impl Rotate {
    const fn name(self) -> &'static str {
        match self {
            Self::Shards => "shards",
            Self::Root => "root",
        }
    }
}

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationProgress {
    /// Its id.
    pub id: Id16,
    /// Keys rewrapped so far.
    pub keys: u64,
    /// Rows of the index that were looked at, and how many there are to look at.
    pub rows: (u64, u64),
    /// Whether nothing hangs under the old parents any more: they open nothing from here on.
    pub retired: bool,
    /// What compaction found in each key store, once it was tried.
    pub stores: Vec<Compacted>,
}

impl RotationProgress {
    /// Whether the old forms are gone from every key store as well.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.retired && !self.stores.is_empty() && self.stores.iter().all(Compacted::is_clean)
    }
}

/// Held while keys are rotated or destroyed, in whatever process: while somebody holds it, nobody else begins.
#[derive(Debug)]
pub struct KeysTurn(File);

impl Drop for KeysTurn {
    fn drop(&mut self) {
        // Closing is not enough: a child that was being started meanwhile has the file open until it is another program.
        drop(self.0.unlock());
    }
}

/// Held while keys are rotated or destroyed, in whatever process.
pub(crate) fn turn(core: &Core) -> Result<KeysTurn, StoreError> {
    let path = core.folder.join("locks").join("keys.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).on("opened", &path)?;
    file.try_lock().map_err(|_| StoreError::Rotation {
        reason: "another program is rotating or erasing keys: wait until it has ended, and run this again".to_owned(),
    })?;
    Ok(KeysTurn(file))
}

/// A row of the table `rotation`.
struct Running {
    id: Id16,
    retired: bool,
    next_row: i64,
    last_row: i64,
    keys: i64,
}

impl Running {
    fn progress(&self) -> RotationProgress {
        RotationProgress {
            id: self.id,
            keys: self.keys.unsigned_abs(),
            rows: (self.next_row.unsigned_abs(), self.last_row.unsigned_abs()),
            retired: self.retired,
            stores: Vec::new(),
        }
    }
}

/// Keys that are rewrapped and not yet durable: rows of the index, the new forms, and where the next batch begins.
struct Batch {
    rows: Vec<i64>,
    keys: Vec<WrappedKey>,
    next_row: i64,
}

impl Store {
    /// Rotates, or goes on with a rotation that was begun. Writers and readers, in this process and others, go on meanwhile.
    /// When this returns with `retired`, nothing hangs under the old parents; the old forms are gone from the key stores where
    /// [`RotationProgress::is_done`] says so, and calling again tries those that are left. Takes a permit to repair.
    ///
    /// # Errors
    /// [`StoreError::Rotation`] where another rotation or erasure is under way; [`StoreError::Key`] where the key stores or the
    /// root fail, [`StoreError::Database`]. Nothing is lost; call again.
    pub fn rotate(
        &self,
        permit: &Permit,
        what: Rotate,
        say: &mut dyn FnMut(&RotationProgress),
    ) -> Result<RotationProgress, StoreError> {
        let turn = self.keys_turn(permit)?;
        self.rotate_within(&turn, permit, what, say)
    }

    /// The turn to rotate or destroy keys, for what has to be done before a rotation: a new root must not come while another command
    /// is at work. Takes a permit to repair.
    ///
    /// # Errors
    /// [`StoreError::Rotation`] where another rotation or erasure is under way; [`StoreError::Action`], [`StoreError::File`].
    pub fn keys_turn(&self, permit: &Permit) -> Result<KeysTurn, StoreError> {
        check_action(permit, "keys_turn", &[Action::Repair])?;
        turn(self.core())
    }

    /// As [`Store::rotate`], by whoever has the turn already.
    ///
    /// # Errors
    /// Those of [`Store::rotate`].
    pub fn rotate_within(
        &self,
        _turn: &KeysTurn,
        permit: &Permit,
        what: Rotate,
        say: &mut dyn FnMut(&RotationProgress),
    ) -> Result<RotationProgress, StoreError> {
        check_action(permit, "rotate", &[Action::Repair])?;
        let core = self.core();
        // A root that was added since this program started is the current one.
        core.keyring.forget();
        let mut running = match unfinished(core, what)? {
            Some(running) => running,
            None => begin(core, permit, what)?,
        };
        core.keyring.forget();
        if !running.retired {
            rewrap_all(core, permit, what, &mut running, say)?;
            // Programs that have an old parent in memory let go of it within this time; what they add until then is noted.
            std::thread::sleep(GRACE);
            loop {
                running.keys += rewrap_due(core, permit, what)?;
                if note_left(core)? == 0 && retire(core, &running)? {
                    break;
                }
            }
            running.retired = true;
            core.keyring.forget();
            say(&running.progress());
        }
        list_destroyed(core, permit)?;
        let mut progress = running.progress();
        progress.stores = core.keyring.stores().compact(permit, COMPACT_PATIENCE)?;
        if progress.is_done() {
            let (id, now_us) = (running.id, core.clock.now_us());
            core.writer.run(1, move |transaction| {
                let sql = "UPDATE rotation SET state = 'done', ended_us = ? WHERE id = ?";
                transaction.execute(sql, params![now_us, id.0]).at("ending a rotation").map(|_| ())
            })?;
        }
        say(&progress);
        Ok(progress)
    }

    /// Makes the keys of groups ahead of what is to be sealed under them, all durable with one sync a key store: for deposits
    /// whose patients are known. Takes a permit to deposit.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Limit`], [`StoreError::Key`].
    pub fn reserve_keys(&self, permit: &Permit, groups: &[GroupName]) -> Result<(), StoreError> {
        check_action(permit, "reserve_keys", &[Action::Deposit])?;
        check_count("groups in one call", groups.len(), RESERVE_MAX)?;
        for group in groups {
            self.core().keyring.group(permit, group)?;
        }
        self.core().persist_keys()
    }
}

impl Store {
    /// The ids of the roots under which something hangs. Takes a permit to repair.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Database`].
    pub fn roots_in_use(&self, permit: &Permit) -> Result<Vec<String>, StoreError> {
        check_action(permit, "roots_in_use", &[Action::Repair])?;
        Ok(roots(self.core())?.into_iter().collect())
    }
}

fn roots(core: &Core) -> Result<BTreeSet<String>, StoreError> {
    let keys = core.readers.snapshot("reading keys under roots", under_roots)?;
    let root = |(_, key): (i64, WrappedKey)| match key.parent {
        Parent::Root(root) => Some(root),
        Parent::Key(_) => None,
    };
    Ok(keys.into_iter().filter_map(root).collect())
}

/// Puts every key that the database knows as destroyed on the list of the key stores, where it is missing there.
pub(crate) fn list_destroyed(core: &Core, permit: &Permit) -> Result<(), StoreError> {
    let step = "reading destroyed keys";
    let listed = core.keyring.stores().listed_for_good();
    let missing: Vec<Destroyed> = core.readers.snapshot(step, |connection| {
        let mut statement = connection.prepare_cached("SELECT id, cause, by, at_us FROM destroyed_key").at(step)?;
        let mut rows = statement.query([]).at(step)?;
        let mut missing = Vec::new();
        while let Some(row) = rows.next().at(step)? {
            let id = KeyId(Id16(row.get(0).at(step)?));
            let cause = Cause::from_code(row.get(1).at(step)?).unwrap_or(Cause::Shred);
            if !listed.contains(&id) {
                let (by, at_us) = (Id16(row.get(2).at(step)?), row.get(3).at(step)?);
                missing.push(Destroyed::new(&core.destroyed_key, id, cause, by, at_us));
            }
        }
        Ok(missing)
    })?;
    core.keyring.stores().destroy(permit, &missing)?;
    Ok(())
}

fn unfinished(core: &Core, what: Rotate) -> Result<Option<Running>, StoreError> {
    let step = "looking for a rotation";
    let found = core.readers.snapshot(step, |connection| {
        let sql = "SELECT id, kind, state, next_row, last_row, keys FROM rotation WHERE state <> 'done'";
        connection
            .query_row(sql, [], |row| {
                let (kind, state): (String, String) = (row.get(1)?, row.get(2)?);
                let id = Id16(row.get(0)?);
                let (next_row, last_row, keys) = (row.get(3)?, row.get(4)?, row.get(5)?);
                Ok((kind, Running { id, retired: state == "retired", next_row, last_row, keys }))
            })
            .optional()
            .at(step)
    })?;
    match found {
        Some((kind, running)) if kind == what.name() || running.retired => Ok(Some(running)),
        Some((kind, _)) => {
            Err(StoreError::Rotation { reason: format!("a rotation of {kind} was begun: end it first, with `{kind}`") })
        }
        None => Ok(None),
    }
}

fn begin(core: &Core, permit: &Permit, what: Rotate) -> Result<Running, StoreError> {
    let (new, retiring) = match what {
        Rotate::Shards => new_shards(core, permit)?,
        Rotate::Root => (Vec::new(), old_roots(core)?),
    };
    if retiring.is_empty() {
        let reason = match what {
            Rotate::Shards => "there are no shard keys yet",
            Rotate::Root => "everything hangs under the current root: add a new one first",
        };
        return Err(StoreError::Rotation { reason: reason.to_owned() });
    }
    core.keyring.stores().append(&new)?;
    let (id, now_us) = (Id16::random(&*core.random), core.clock.now_us());
    core.writer.run(new.len() + retiring.len(), move |transaction| {
        let step = "beginning a rotation";
        crate::keys::insert(transaction, &new)?;
        for key in &retiring {
            let sql = "INSERT OR IGNORE INTO retiring_key (id, rotation) VALUES (?, ?)";
            transaction.execute(sql, params![key.0.0, id.0]).at(step)?;
        }
        let sql = "SELECT coalesce(max(rowid), 0) FROM wrapped_key";
        let last_row: i64 = transaction.query_row(sql, [], |row| row.get(0)).at(step)?;
        let sql = "INSERT INTO rotation (id, kind, state, next_row, last_row, keys, began_us) VALUES (?, ?, 'running', 0, ?, 0, ?)";
        transaction.execute(sql, params![id.0, what.name(), last_row, now_us]).at(step)?;
        count_change(transaction)?;
        Ok(Running { id, retired: false, next_row: 0, last_row, keys: 0 })
    })
}

/// A new key for each shard that has one, and the ids of those that are there.
fn new_shards(core: &Core, permit: &Permit) -> Result<(Vec<WrappedKey>, Vec<KeyId>), StoreError> {
    let old = core
        .readers
        .snapshot("reading shard keys", |connection| keys_where(connection, "name >= x'01' AND name < x'02'", []))?;
    let is_there = |number: &u8| old.iter().any(|(_, key)| key.name == KeyName::Shard(*number));
    let new: Result<Vec<WrappedKey>, KeyError> =
        (0..SHARDS).filter(is_there).map(|number| core.keyring.new_shard(permit, number).map(|(key, _)| key)).collect();
    Ok((new?, old.into_iter().map(|(_, key)| key.id).collect()))
}

/// Under what ids the roots stand that are not the current one and still have something under them.
fn old_roots(core: &Core) -> Result<Vec<KeyId>, StoreError> {
    let current = core.keyring.root();
    Ok(roots(core)?.iter().filter(|root| **root != current).map(|root| root_entry(root)).collect())
}

/// Shards, access keys and secrets: what hangs under a root.
fn under_roots(connection: &Connection) -> Result<Vec<(i64, WrappedKey)>, StoreError> {
    keys_where(connection, "name < x'02' OR name >= x'05' AND name < x'07'", [])
}

fn keys_where(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<(i64, WrappedKey)>, StoreError> {
    let step = "reading wrapped keys";
    let sql = format!("SELECT rowid, bytes FROM wrapped_key WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let mut rows = statement.query(values).at(step)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let bytes = row.get_ref(1).at(step)?.as_blob().unwrap_or_default();
        keys.push((row.get(0).at(step)?, WrappedKey::from_bytes(bytes)?));
    }
    Ok(keys)
}

/// Makes new forms of keys. What hangs under the right parent already is left out.
struct Rewrapper<'a> {
    core: &'a Core,
    permit: &'a Permit,
    shards: HashMap<KeyName, Arc<GroupKey>>,
    root: String,
    /// Ids of the parents that go.
    retiring: HashSet<KeyId>,
}

impl<'a> Rewrapper<'a> {
    fn new(core: &'a Core, permit: &'a Permit, what: Rotate) -> Result<Self, StoreError> {
        let mut shards = HashMap::new();
        if what == Rotate::Shards {
            for number in 0..SHARDS {
                match core.keyring.shard(permit, number) {
                    Ok(key) => drop(shards.insert(KeyName::Shard(number), key)),
                    Err(KeyError::Unknown { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let retiring = core.readers.snapshot("reading what is rotated away", retiring)?;
        Ok(Self { core, permit, shards, root: core.keyring.root(), retiring })
    }

    fn one(&self, key: &WrappedKey) -> Result<Option<WrappedKey>, StoreError> {
        let ring = &self.core.keyring;
        match (&key.name, &key.parent) {
            (KeyName::Owner(owner), Parent::Key(parent)) if self.retiring.contains(parent) => {
                let shard = self.shard(*owner)?;
                Ok(Some(ring.rewrap(self.permit, key, shard)?))
            }
            (_, Parent::Root(root)) if *root != self.root && self.retiring.contains(&root_entry(root)) => {
                Ok(Some(ring.rewrap_under_root(self.permit, key)?))
            }
            _ => Ok(None),
        }
    }

    fn shard(&self, owner: Owner) -> Result<&GroupKey, StoreError> {
        let name = KeyName::shard_of(owner);
        let found = self.shards.get(&name).map(|key| &**key).filter(|key| !self.retiring.contains(&key.id()));
        found.ok_or_else(|| KeyError::Unknown { id: "of a shard".to_owned() }.into())
    }

    /// The new forms of many keys, made in as many threads as there are processors.
    fn many(&self, keys: &[(i64, WrappedKey)]) -> Result<(Vec<i64>, Vec<WrappedKey>), StoreError> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = keys.len().div_ceil(threads).max(512);
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> = keys
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || {
                        let made = part.iter().map(|(row, key)| Ok(self.one(key)?.map(|key| (*row, key))));
                        made.collect::<Result<Vec<_>, StoreError>>()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("rewrapping does not panic")).collect::<Vec<_>>()
        });
        let (mut rows, mut forms) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        for part in parts {
            for (row, key) in part?.into_iter().flatten() {
                rows.push(row);
                forms.push(key);
            }
        }
        Ok((rows, forms))
    }
}

/// A batch whose new forms are durable, while the writer's thread brings the index to them.
struct Updating {
    updated: std::sync::mpsc::Receiver<Result<(), StoreError>>,
    keys: i64,
    next_row: i64,
}

/// Rewraps every row that stood there when the rotation began, from where it is. One thread reads and rewraps, this one makes
/// durable, and the writer's thread updates the index meanwhile.
fn rewrap_all(
    core: &Core,
    permit: &Permit,
    what: Rotate,
    running: &mut Running,
    say: &mut dyn FnMut(&RotationProgress),
) -> Result<(), StoreError> {
    let rewrapper = Rewrapper::new(core, permit, what)?;
    let (from, to, id) = (running.next_row, running.last_row, running.id);
    std::thread::scope(|scope| {
        let (send, batches) = sync_channel::<Result<Batch, StoreError>>(READY);
        let rewrapper = &rewrapper;
        scope.spawn(move || {
            let mut next_row = from;
            while next_row < to {
                let batch = next_batch(rewrapper, what, next_row, to);
                next_row = batch.as_ref().map_or(to, |batch| batch.next_row);
                if send.send(batch).is_err() {
                    break;
                }
            }
        });
        let mut updating: Option<Updating> = None;
        let mut settle = |updating: Option<Updating>, running: &mut Running| {
            if let Some(Updating { updated, keys, next_row }) = updating {
                updated.recv().unwrap_or(Err(StoreError::Closing))?;
                running.keys += keys;
                running.next_row = next_row;
                say(&running.progress());
            }
            Ok::<(), StoreError>(())
        };
        for batch in batches {
            let batch = batch?;
            if !batch.keys.is_empty() {
                core.keyring.stores().append(&batch.keys)?;
            }
            settle(updating.take(), running)?;
            let (keys, next_row) = (batch.keys.len() as i64, batch.next_row);
            let updated =
                core.writer.submit(batch.keys.len() + 1, move |transaction| update(transaction, id, &batch))?;
            updating = Some(Updating { updated, keys, next_row });
        }
        settle(updating.take(), running)
    })
}

fn next_batch(rewrapper: &Rewrapper<'_>, what: Rotate, from: i64, to: i64) -> Result<Batch, StoreError> {
    let keys = rewrapper.core.readers.snapshot("reading keys to rewrap", |connection| match what {
        Rotate::Shards => keys_where(
            connection,
            "rowid > ? AND rowid <= ? AND substr(name, 1, 1) IN (x'02', x'03') ORDER BY rowid LIMIT ?",
            params![from, to, BATCH as i64],
        ),
        Rotate::Root => under_roots(connection),
    })?;
    let whole = what == Rotate::Root || keys.len() < BATCH;
    let next_row = if whole { to } else { keys.last().map_or(to, |(row, _)| *row) };
    let (rows, keys) = rewrapper.many(&keys)?;
    Ok(Batch { rows, keys, next_row })
}

fn update(transaction: &Transaction<'_>, rotation: Id16, batch: &Batch) -> Result<(), StoreError> {
    let step = "hanging keys under their new parent";
    let sql = "UPDATE wrapped_key SET bytes = ? WHERE rowid = ? AND id = ?";
    let mut statement = transaction.prepare_cached(sql).at(step)?;
    for (row, key) in batch.rows.iter().zip(&batch.keys) {
        statement.execute(params![key.to_bytes(), row, key.id.0.0]).at(step)?;
    }
    let sql = "UPDATE rotation SET next_row = ?, keys = keys + ? WHERE id = ?";
    let values = params![batch.next_row, batch.keys.len() as i64, rotation.0];
    transaction.prepare_cached(sql).at(step)?.execute(values).at(step).map(|_| ())
}

/// Rewraps what programs added under an old parent since the rotation began; gives how many there were.
fn rewrap_due(core: &Core, permit: &Permit, what: Rotate) -> Result<i64, StoreError> {
    let step = "reading keys that came late";
    let rewrapper = Rewrapper::new(core, permit, what)?;
    let keys = core
        .readers
        .snapshot(step, |connection| keys_where(connection, "id IN (SELECT id FROM rewrap_due LIMIT 10000)", []))?;
    let seen: Vec<KeyId> = keys.iter().map(|(_, key)| key.id).collect();
    let (rows, forms) = rewrapper.many(&keys)?;
    if !forms.is_empty() {
        core.keyring.stores().append(&forms)?;
    }
    let count = forms.len() as i64;
    core.writer.run(seen.len() * 2, move |transaction| {
        let sql = "UPDATE wrapped_key SET bytes = ? WHERE rowid = ? AND id = ?";
        for (row, key) in rows.iter().zip(&forms) {
            let values = params![key.to_bytes(), row, key.id.0.0];
            transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
        }
        for id in &seen {
            let sql = "DELETE FROM rewrap_due WHERE id = ?";
            transaction.prepare_cached(sql).at(step)?.execute([id.0.0]).at(step)?;
        }
        // Keys that were destroyed meanwhile are nobody's to rewrap.
        let sql = "DELETE FROM rewrap_due WHERE id NOT IN (SELECT id FROM wrapped_key)";
        transaction.execute(sql, []).at(step).map(|_| ())
    })?;
    Ok(count)
}

/// Ids of the parents that go.
fn retiring(connection: &Connection) -> Result<HashSet<KeyId>, StoreError> {
    let step = "reading what is rotated away";
    let mut statement = connection.prepare_cached("SELECT id FROM retiring_key").at(step)?;
    let ids = statement.query_map([], |row| Ok(KeyId(Id16(row.get(0)?)))).at(step)?;
    ids.collect::<Result<_, _>>().at(step)
}

/// Looks through the whole index for what still hangs under an old parent, and notes it as due; gives how many there were. There
/// should be none. What would be left under a parent that goes could never be opened again, so this is looked at, not reasoned.
fn note_left(core: &Core) -> Result<usize, StoreError> {
    let step = "looking for keys under old parents";
    let left = core.readers.snapshot(step, |connection| {
        let retiring = retiring(connection)?;
        let mut left = Vec::new();
        let mut statement = connection.prepare_cached("SELECT bytes FROM wrapped_key").at(step)?;
        let mut rows = statement.query([]).at(step)?;
        while let Some(row) = rows.next().at(step)? {
            let key = WrappedKey::from_bytes(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
            if retiring.contains(&vault::parent_entry(&key)) && !retiring.contains(&key.id) {
                left.push(key.id);
            }
        }
        Ok(left)
    })?;
    let count = left.len();
    if count > 0 {
        tracing::warn!(count, "keys were left under parents that are rotated away; they are taken up");
        core.writer.run(count, move |transaction| {
            for id in &left {
                let sql = "INSERT OR IGNORE INTO rewrap_due (id) VALUES (?)";
                transaction.prepare_cached(sql).at(step)?.execute([id.0.0]).at(step)?;
            }
            Ok(())
        })?;
    }
    Ok(count)
}

/// Takes the old parents out of the index, if nothing has come under them meanwhile: `false` where something has.
fn retire(core: &Core, running: &Running) -> Result<bool, StoreError> {
    let (id, now_us) = (running.id, core.clock.now_us());
    core.writer.run(64, move |transaction| {
        let step = "retiring keys";
        if transaction.prepare_cached("SELECT 1 FROM rewrap_due").at(step)?.exists([]).at(step)? {
            return Ok(false);
        }
        for (sql, values) in [
            (
                "INSERT OR IGNORE INTO destroyed_key (id, cause, by, at_us) SELECT id, 2, ?1, ?2 FROM retiring_key",
                params![id.0, now_us],
            ),
            ("DELETE FROM wrapped_key WHERE id IN (SELECT id FROM retiring_key)", params![]),
            ("DELETE FROM retiring_key", params![]),
            ("UPDATE rotation SET state = 'retired' WHERE id = ?1", params![id.0]),
        ] {
            transaction.execute(sql, values).at(step)?;
        }
        count_change(transaction)?;
        Ok(true)
    })
}
