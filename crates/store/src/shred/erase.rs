//! Erasing rows: everything that the database holds of an owner, or what was sealed under some of an owner's keys. One
//! transaction an owner; what the log has of it is noted by its places.

use std::collections::{BTreeMap, HashSet};

use base::Id16;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use vault::{KeyId, KeyName, WrappedKey};

use super::owned;
use crate::connection::Readers;
use crate::error::{AtStep, StoreError};
use crate::lasting;
use crate::sequencer::{KIND_OBJECT, KIND_ROWS, KIND_VERSION};
use crate::types::{OWNER_BYTES, owner_bytes};

/// Where the key's id stands in a frame, counted from 1 as SQL does: behind format and kind.
const KEY_IN_FRAME: &str = "substr(frame, 5, 16)";

/// What goes of one owner.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) owner: [u8; OWNER_BYTES],
    /// Whether it is everything, the owner's own key among it.
    pub(crate) whole: bool,
    /// The keys, by id.
    pub(crate) keys: Vec<KeyId>,
}

impl Going {
    /// Sorts keys by their owners.
    pub(crate) fn of(keys: &[(KeyId, KeyName)]) -> Vec<Self> {
        let mut by_owner: BTreeMap<[u8; OWNER_BYTES], Self> = BTreeMap::new();
        for (id, name) in keys {
            let (owner, whole) = match name {
                KeyName::Owner(owner) => (*owner, true),
                KeyName::Group(group) => (group.owner, false),
                KeyName::Rows(owner) => (*owner, false),
                KeyName::Shard(_) | KeyName::Access { .. } | KeyName::Secret(_) => continue,
            };
            let owner = owner_bytes(owner);
            let going = by_owner.entry(owner).or_insert_with(|| Self { owner, whole: false, keys: Vec::new() });
            going.whole |= whole;
            going.keys.push(*id);
        }
        by_owner.into_values().collect()
    }

    /// Lets everything of an owner go, whatever keys are known.
    pub(crate) fn whole(goings: &mut Vec<Self>, owner: [u8; OWNER_BYTES]) {
        match goings.iter_mut().find(|going| going.owner == owner) {
            Some(going) => going.whole = true,
            None => goings.push(Self { owner, whole: true, keys: Vec::new() }),
        }
    }
}

/// Who does it, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doing {
    pub(crate) shred: Id16,
    pub(crate) at_us: i64,
    /// Whether what waits to be sealed is dropped with the rest; else nothing is done while something does.
    pub(crate) drop_unsealed: bool,
}

/// Every key of an owner that the index has: the owner's own, and those under it.
pub(crate) fn keys_of(connection: &Connection, owner: &[u8; OWNER_BYTES]) -> Result<Vec<(KeyId, KeyName)>, StoreError> {
    // Names of keys under an owner begin with their kind and the owner; the owner's own name is kind and id.
    let mut keys = keys_between(connection, owner, &after(owner))?;
    for kind in [4, 7] {
        let from = [&[kind], owner.as_slice()].concat();
        keys.extend(keys_between(connection, &from, &after(&from))?);
    }
    Ok(keys)
}

/// The first name behind all that begin with these bytes.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            break;
        }
    }
    next
}

fn keys_between(connection: &Connection, from: &[u8], to: &[u8]) -> Result<Vec<(KeyId, KeyName)>, StoreError> {
    let step = "reading keys to destroy";
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM wrapped_key WHERE name >= ? AND name < ?").at(step)?;
    let mut rows = statement.query([from, to]).at(step)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let key = WrappedKey::from_bytes(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
        keys.push((key.id, key.name));
    }
    Ok(keys)
}

/// Group keys whose names are read at a time: so long a reader holds on to one state of the database, and so many are in memory.
const PAGE: usize = 4_096;

/// Shows the keys of groups that the index has and `takes` chooses, in the order of their owners. Reads the names of all groups there
/// are, page by page; what comes or goes meanwhile may be seen or not.
pub(super) fn each_group(
    readers: &Readers,
    takes: &dyn Fn(&KeyName) -> bool,
    see: &mut dyn FnMut(KeyId, KeyName),
) -> Result<(), StoreError> {
    let step = "reading keys of groups";
    // Two processes may have made a key of one name at once, so the row is part of the place.
    let (mut name, mut row) = (vec![4], i64::MIN);
    loop {
        let (read, chosen) = readers.snapshot(step, |connection| {
            let sql = "SELECT name, rowid FROM wrapped_key \
                       WHERE name >= ?1 AND name < x'05' AND (name, rowid) > (?1, ?2) ORDER BY name, rowid LIMIT ?3";
            let mut names = connection.prepare_cached(sql).at(step)?;
            let mut id = connection.prepare_cached("SELECT id FROM wrapped_key WHERE rowid = ?").at(step)?;
            let mut rows = names.query(params![name, row, PAGE as i64]).at(step)?;
            let (mut read, mut chosen) = (0, Vec::new());
            while let Some(found) = rows.next().at(step)? {
                (name, row) = (found.get(0).at(step)?, found.get(1).at(step)?);
                let named = KeyName::from_bytes(&name)?;
                if takes(&named) {
                    let id = id.query_row([row], |row| row.get(0)).at(step)?;
                    chosen.push((KeyId(Id16(id)), named));
                }
                read += 1;
            }
            Ok((read, chosen))
        })?;
        chosen.into_iter().for_each(|(id, name)| see(id, name));
        if read < PAGE {
            return Ok(());
        }
    }
}

/// Erases. `false` where something of it waits to be sealed, or the owner has keys that are not among those that go: then nothing
/// was done.
pub(crate) fn erase(transaction: &Transaction<'_>, going: &Going, doing: Doing) -> Result<bool, StoreError> {
    if going.whole {
        let known: HashSet<KeyId> = going.keys.iter().copied().collect();
        if keys_of(transaction, &going.owner)?.iter().any(|(id, _)| !known.contains(id)) {
            return Ok(false);
        }
    }
    let Contents { versions, objects, leaves } = contents(transaction, going)?;
    let unsealed = unsealed(transaction, &leaves)?;
    if !unsealed.is_empty() && !doing.drop_unsealed {
        return Ok(false);
    }
    let step = "erasing rows";
    for no in unsealed {
        transaction.prepare_cached("DELETE FROM outbox_records WHERE no = ?").at(step)?.execute([no]).at(step)?;
    }
    note_leaves(transaction, going, &leaves, doing.shred)?;
    for (kind, row) in &leaves {
        let sql = "DELETE FROM leaf WHERE kind = ? AND row = ?";
        transaction.prepare_cached(sql).at(step)?.execute(params![kind, row]).at(step)?;
    }
    forget_rows(transaction, going)?;
    for resource in &versions.0 {
        resource.erase(transaction, &going.owner)?;
    }
    for row in &objects {
        for sql in [
            "DELETE FROM document WHERE owner = ?2 AND object = (SELECT id FROM object WHERE row = ?1)",
            "DELETE FROM object_chunk WHERE object = ?1",
            "DELETE FROM object WHERE row = ?1 AND owner = ?2",
        ] {
            let mut statement = transaction.prepare_cached(sql).at(step)?;
            let values = params![row, going.owner];
            if statement.parameter_count() == 1 { statement.execute([row]) } else { statement.execute(values) }
                .at(step)?;
        }
    }
    if going.whole {
        owned::delete(transaction, &going.owner)?;
        // What tables said of the owner ends with the owner's key, and so does what waits to be said.
        let sql = "DELETE FROM outbox_records WHERE kind = ? AND owner = ?";
        transaction.prepare_cached(sql).at(step)?.execute(params![KIND_ROWS, going.owner]).at(step)?;
        let sql = "INSERT OR IGNORE INTO erased_owner (owner, shred, at_us) VALUES (?, ?, ?)";
        transaction.prepare_cached(sql).at(step)?.execute(params![going.owner, doing.shred.0, doing.at_us]).at(step)?;
        lasting::keep(transaction, &going.owner)?;
    }
    for key in &going.keys {
        forget_key(transaction, *key, doing)?;
    }
    Ok(true)
}

/// Takes a key out of the index, and notes that it is gone.
pub(crate) fn forget_key(transaction: &Transaction<'_>, key: KeyId, doing: Doing) -> Result<(), StoreError> {
    let step = "taking a key out of the index";
    let sql = "INSERT OR IGNORE INTO destroyed_key (id, cause, by, at_us) VALUES (?, 1, ?, ?)";
    transaction.prepare_cached(sql).at(step)?.execute(params![key.0.0, doing.shred.0, doing.at_us]).at(step)?;
    for sql in ["DELETE FROM wrapped_key WHERE id = ?", "DELETE FROM rewrap_due WHERE id = ?"] {
        transaction.prepare_cached(sql).at(step)?.execute([key.0.0]).at(step)?;
    }
    Ok(())
}

/// Before keys are destroyed: the places of the leaves that nobody will open any more, and the rows that stay, come into the
/// outbox. Once that is sealed, an installation that loses its database in the middle of an erasure can still be made again.
pub(crate) fn announce(transaction: &Transaction<'_>, going: &Going, shred: Id16) -> Result<(), StoreError> {
    note_leaves(transaction, going, &contents(transaction, going)?.leaves, shred)?;
    if going.whole { lasting::keep(transaction, &going.owner) } else { Ok(()) }
}

/// A leaf stays in the log for ever, and says nothing without what it commits to. The places of all that go are noted: those of
/// versions and objects, and of rows that were sealed under a key that goes.
fn note_leaves(
    transaction: &Transaction<'_>,
    going: &Going,
    leaves: &HashSet<(i64, i64)>,
    shred: Id16,
) -> Result<(), StoreError> {
    let step = "noting the places of leaves";
    let sql = "INSERT OR IGNORE INTO shred_leaf (shred, kind, position) SELECT ?, kind, position FROM leaf WHERE kind = ? AND row = ?";
    for (kind, row) in leaves {
        transaction.prepare_cached(sql).at(step)?.execute(params![shred.0, kind, row]).at(step)?;
    }
    let sql =
        "INSERT OR IGNORE INTO shred_leaf (shred, kind, position) SELECT ?, ?, position FROM rows_leaf WHERE key = ?";
    for key in &going.keys {
        transaction.prepare_cached(sql).at(step)?.execute(params![shred.0, KIND_ROWS, key.0.0]).at(step)?;
    }
    Ok(())
}

/// Forgets which leaves are of rows under the keys that go.
fn forget_rows(transaction: &Transaction<'_>, going: &Going) -> Result<(), StoreError> {
    let step = "forgetting leaves of rows";
    for key in &going.keys {
        let sql = "DELETE FROM leaf WHERE kind = ? AND row IN (SELECT position FROM rows_leaf WHERE key = ?)";
        transaction.prepare_cached(sql).at(step)?.execute(params![KIND_ROWS, key.0.0]).at(step)?;
        let sql = "DELETE FROM rows_leaf WHERE key = ?";
        transaction.prepare_cached(sql).at(step)?.execute([key.0.0]).at(step)?;
    }
    Ok(())
}

/// Numbers of the outbox rows that are about one of these.
fn unsealed(transaction: &Transaction<'_>, leaves: &HashSet<(i64, i64)>) -> Result<Vec<i64>, StoreError> {
    let step = "looking for what waits to be sealed";
    let mut statement = transaction.prepare_cached("SELECT no, kind, row FROM outbox_records").at(step)?;
    let mut rows = statement.query([]).at(step)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let (no, kind, of): (i64, i64, i64) = (row.get(0).at(step)?, row.get(1).at(step)?, row.get(2).at(step)?);
        if leaves.contains(&(kind, of)) {
            found.push(no);
        }
    }
    Ok(found)
}

fn objects(transaction: &Transaction<'_>, going: &Going) -> Result<Vec<i64>, StoreError> {
    let step = "reading objects to erase";
    let keys: HashSet<[u8; 16]> = going.keys.iter().map(|key| key.0.0).collect();
    let mut statement = transaction.prepare_cached("SELECT row, key FROM object WHERE owner = ?").at(step)?;
    let mut rows = statement.query([going.owner]).at(step)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let key: Option<[u8; 16]> = row.get(1).at(step)?;
        if going.whole || key.is_some_and(|key| keys.contains(&key)) {
            found.push(row.get(0).at(step)?);
        }
    }
    Ok(found)
}

/// What goes of an owner besides rows of other tables.
struct Contents {
    versions: Versions,
    /// Rows of objects.
    objects: Vec<i64>,
    /// Kind and row of everything that has a leaf of its own.
    leaves: HashSet<(i64, i64)>,
}

fn contents(transaction: &Transaction<'_>, going: &Going) -> Result<Contents, StoreError> {
    let versions = versions(transaction, going)?;
    let objects = objects(transaction, going)?;
    let mut leaves: HashSet<(i64, i64)> = versions.rows().map(|row| (KIND_VERSION, row)).collect();
    leaves.extend(objects.iter().map(|row| (KIND_OBJECT, *row)));
    Ok(Contents { versions, objects, leaves })
}

/// Versions that go, resource by resource.
struct Versions(Vec<Resource>);

impl Versions {
    fn rows(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().flat_map(|resource| resource.gone.iter().copied())
    }
}

struct Resource {
    resource_type: String,
    id: [u8; 16],
    /// Rows that go, newest first.
    gone: Vec<i64>,
    /// Rows that stay, newest first.
    kept: Vec<i64>,
}

fn versions(transaction: &Transaction<'_>, going: &Going) -> Result<Versions, StoreError> {
    let step = "reading versions to erase";
    let keys: HashSet<[u8; 16]> = going.keys.iter().map(|key| key.0.0).collect();
    let mut current =
        transaction.prepare_cached("SELECT type, id, row FROM resource_current WHERE owner = ?").at(step)?;
    let sql = format!("SELECT previous, {KEY_IN_FRAME} FROM resource_version WHERE row = ?");
    let mut version = transaction.prepare_cached(&sql).at(step)?;
    let mut rows = current.query([going.owner]).at(step)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let (resource_type, id) = (row.get(0).at(step)?, row.get(1).at(step)?);
        let mut resource = Resource { resource_type, id, gone: Vec::new(), kept: Vec::new() };
        let mut next: Option<i64> = Some(row.get(2).at(step)?);
        while let Some(at) = next {
            type Stored = (Option<i64>, [u8; 16]);
            let stored: Option<Stored> =
                version.query_row([at], |row| Ok((row.get(0)?, row.get(1)?))).optional().at(step)?;
            let Some((previous, key)) = stored else { break };
            if going.whole || keys.contains(&key) {
                resource.gone.push(at)
            } else {
                resource.kept.push(at)
            }
            next = previous;
        }
        if going.whole || !resource.gone.is_empty() {
            found.push(resource);
        }
    }
    Ok(Versions(found))
}

impl Resource {
    fn erase(&self, transaction: &Transaction<'_>, owner: &[u8; OWNER_BYTES]) -> Result<(), StoreError> {
        let step = "erasing versions";
        for row in &self.gone {
            transaction
                .prepare_cached("DELETE FROM resource_version WHERE row = ?")
                .at(step)?
                .execute([row])
                .at(step)?;
        }
        let id = Id16(self.id);
        let Some(newest) = self.kept.first() else {
            crate::index::remove(transaction, owner, &self.resource_type, id)?;
            for table in ["resource_current", "resource_again"] {
                let sql = format!("DELETE FROM {table} WHERE owner = ? AND type = ? AND id = ?");
                let values = params![owner, self.resource_type, self.id];
                transaction.prepare_cached(&sql).at(step)?.execute(values).at(step)?;
            }
            return Ok(());
        };
        // What stays is chained anew; where the current version is gone, nothing tells any more what it was found by.
        for pair in self.kept.windows(2) {
            let sql = "UPDATE resource_version SET previous = ? WHERE row = ?";
            transaction.prepare_cached(sql).at(step)?.execute([pair[1], pair[0]]).at(step)?;
        }
        let oldest = self.kept.last().expect("one is kept");
        let sql = "UPDATE resource_version SET previous = NULL WHERE row = ?";
        transaction.prepare_cached(sql).at(step)?.execute([oldest]).at(step)?;
        let sql = "SELECT row FROM resource_current WHERE owner = ? AND type = ? AND id = ?";
        let values = params![owner, self.resource_type, self.id];
        let current: i64 = transaction.prepare_cached(sql).at(step)?.query_row(values, |row| row.get(0)).at(step)?;
        if current != *newest {
            crate::index::remove(transaction, owner, &self.resource_type, id)?;
            let sql = "UPDATE resource_current SET row = ?1, (recorded_us, content) = \
                       (SELECT recorded_us, content FROM resource_version WHERE row = ?1) \
                       WHERE owner = ?2 AND type = ?3 AND id = ?4";
            let values = params![newest, owner, self.resource_type, self.id];
            transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{InstitutionCode, Owner};
    use vault::{ClassName, GroupName};

    #[test]
    fn what_comes_behind_a_prefix() {
        assert_eq!(after(&[2, 7]), [2, 8]);
        assert_eq!(after(&[2, 0xff]), [3]);
        assert_eq!(after(&[0xff]), Vec::<u8>::new());
    }

    #[test]
    fn groups_are_read_in_pages_and_nobody_waits_for_who_reads_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.db");
        let (mut writer, _guard) = crate::connection::open_writer(&path, None).expect("opened");
        let group = |number: usize, year: u16| {
            let owner = Owner::Patient(Id16::derived(&["patient", &number.to_string()]));
            let institution = InstitutionCode::new("11100001").expect("a code");
            let class = ClassName::new("chart10").expect("a slug");
            KeyName::Group(GroupName { owner, institution, class, expiry_year: year })
        };
        let transaction = writer.transaction().expect("begun");
        let mut row = 0_u64;
        let mut insert = |name: &KeyName| {
            row += 1;
            let values = params![Id16::derived(&["key", &row.to_string()]).0, name.to_bytes()];
            transaction
                .execute("INSERT INTO wrapped_key (id, name, bytes) VALUES (?, ?, x'')", values)
                .expect("inserted");
        };
        for number in 0..PAGE {
            // Two of one name, wherever a page ends.
            [2035, 2035, 2036].iter().for_each(|year| insert(&group(number, *year)));
            insert(&KeyName::Owner(Owner::Patient(Id16::derived(&["patient", &number.to_string()]))));
        }
        transaction.commit().expect("committed");
        let readers = Readers::new(&path, None, 1);
        let takes = |name: &KeyName| matches!(name, KeyName::Group(group) if group.expiry_year == 2035);
        let (mut seen, mut emptied) = (Vec::new(), 0);
        each_group(&readers, &takes, &mut |id, name| {
            seen.push((name.to_bytes(), id));
            if seen.len() % 1_000 == 0 {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: i64 = writer.query_row(sql, [], |row| row.get(0)).expect("asked");
                emptied += u32::from(busy == 0);
            }
        })
        .expect("read");
        assert!(seen.is_sorted_by_key(|(name, _)| name));
        let ids: HashSet<KeyId> = seen.iter().map(|(_, id)| *id).collect();
        assert_eq!((seen.len(), ids.len(), emptied), (2 * PAGE, 2 * PAGE, 8));
    }
}
