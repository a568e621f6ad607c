//! Takes the living wrapped keys from the key stores into the new database, which is the keyring's index from then on. Not the
//! keys that the stores list as destroyed, and none that the log says is.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::Id16;
use rusqlite::Connection;
use vault::{Destroyed, KeyError, KeyId, KeyName, KeyStores, Keyring, MemoryIndex, WrappedKey};
use zeroize::Zeroizing;

use super::Rebuild;
use crate::connection::Readers;
use crate::error::{AtStep, StoreError};
use crate::keys::TableIndex;

/// Keys in memory at once.
const BATCH: usize = 10_000;
/// The secret that the list of destroyed keys is checked with.
const LIST_SECRET: &str = "destroyed-keys";

/// Takes all keys in but those that are destroyed or `left_out`, and gives the keyring over them and the list of destroyed keys.
pub(super) fn take_in(
    rebuild: &Rebuild<'_>,
    target: &mut Connection,
    readers: Arc<Readers>,
    left_out: &BTreeSet<KeyId>,
) -> Result<(Keyring, Vec<Destroyed>), StoreError> {
    let stores = &rebuild.key_stores;
    // Whoever can write to one key store must not decide what counts as destroyed.
    stores.trust(*list_secret(rebuild)?);
    let destroyed = stores.destroyed()?;
    insert(stores, target, left_out)?;
    let index = Arc::new(TableIndex { readers });
    let provider = Arc::clone(&rebuild.key_provider);
    Ok((Keyring::open(provider, stores.clone(), index, Arc::clone(&rebuild.random))?, destroyed))
}

/// The secret is looked for in what the key stores hold, listed as destroyed or not: no list can be believed before it is known.
fn list_secret(rebuild: &Rebuild<'_>) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut last = KeyError::Unknown { id: format!("of the secret {LIST_SECRET}") };
    for key in rebuild.key_stores.forms(&KeyName::Secret(LIST_SECRET.to_owned()))? {
        let index = Arc::new(MemoryIndex::of([key]));
        let (provider, random) = (Arc::clone(&rebuild.key_provider), Arc::clone(&rebuild.random));
        let ring = Keyring::open(provider, rebuild.key_stores.clone(), index, random)?;
        match ring.known_secret(LIST_SECRET) {
            Ok(secret) => return Ok(secret),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// The keys that an erasure in the log destroyed and the key stores had again: they were set back to a time before.
pub(super) fn back(target: &Connection) -> Result<BTreeSet<KeyId>, StoreError> {
    let step = "looking for destroyed keys";
    let sql = "SELECT id FROM wrapped_key WHERE id IN (SELECT id FROM destroyed_key WHERE cause = 1)";
    let mut statement = target.prepare(sql).at(step)?;
    let ids = statement.query_map([], |row| Ok(KeyId(Id16(row.get(0)?)))).at(step)?;
    ids.collect::<Result<_, _>>().at(step)
}

fn insert(stores: &KeyStores, target: &mut Connection, left_out: &BTreeSet<KeyId>) -> Result<(), StoreError> {
    let step = "inserting wrapped keys";
    let transaction = target.transaction().at(step)?;
    let mut batch: Vec<WrappedKey> = Vec::with_capacity(BATCH);
    let mut inserted = Ok(());
    stores.each_key(&mut |key| {
        if inserted.is_ok() && !left_out.contains(&key.id) {
            batch.push(key);
        }
        if batch.len() == BATCH {
            inserted = crate::keys::take_in(&transaction, &batch);
            batch.clear();
        }
    })?;
    inserted?;
    crate::keys::take_in(&transaction, &batch)?;
    transaction.commit().at(step)
}
