//! Before a store is served: what the key stores list as destroyed is ended here too. A database that was restored from a time
//! before an erasure, or that was killed in the middle of one, may still have rows and keys of what was erased.

use std::collections::HashSet;

use base::Id16;
use policy::{Action, Permit};
use rusqlite::{OptionalExtension, params};
use vault::{Cause, Destroyed, KeyError, KeyId, KeyName, WrappedKey};

use super::erase::{Doing, Going, erase, forget_key, keys_of};
use super::files;
use crate::core::Core;
use crate::error::{AtStep, StoreError};
use crate::facts::{bump_epoch, own_job_permit};
use crate::keys::count_change;
use crate::objects::name_keys;
use crate::rotate::list_destroyed;

/// Keys written into the index at once.
const BATCH: usize = 10_000;

/// Ends what is destroyed. To be called while nothing is served yet.
///
/// # Errors
/// [`StoreError::Key`] where too few key stores can be read to know what is destroyed: then nothing is served.
pub(crate) fn replay(core: &Core) -> Result<(), StoreError> {
    core.keyring.stores().trust(*core.destroyed_key);
    let listed = match core.keyring.stores().destroyed() {
        // Who only looks tells what is away, and serves nobody.
        Err(error @ KeyError::TooFew { .. }) if !core.config.sequencer => {
            tracing::warn!(%error, "what was destroyed is not known");
            return Ok(());
        }
        listed => listed?,
    };
    let permit = own_job_permit(core, "replayer", Action::Repair)?;
    list_destroyed(core, &permit)?;
    let news = news(core, &listed)?;
    if news.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        keys = news.len(),
        "keys were destroyed that this database still knows: what hung under them is erased before anything is served"
    );
    if news.iter().any(|entry| entry.cause == Cause::Retired) {
        renew_index(core)?;
    }
    let mut erased = Vec::new();
    let by_shred: HashSet<Id16> = news.iter().map(|entry| entry.by).collect();
    for shred in by_shred {
        let of: Vec<&Destroyed> = news.iter().filter(|entry| entry.by == shred).collect();
        erased.extend(of.iter().map(|entry| entry.id));
        end(core, &permit, shred, &of)?;
    }
    core.keyring.forget();
    files::write_anew(core, &erased)?;
    Ok(())
}

/// Entries that the database does not know, or whose key it has all the same.
fn news(core: &Core, listed: &[Destroyed]) -> Result<Vec<Destroyed>, StoreError> {
    let step = "comparing destroyed keys";
    core.readers.snapshot(step, |connection| {
        let sql = "SELECT 1 FROM destroyed_key WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM wrapped_key WHERE id = ?1)";
        let mut known = connection.prepare_cached(sql).at(step)?;
        let mut news = Vec::new();
        for entry in listed {
            if !known.exists([entry.id.0.0]).at(step)? {
                news.push(*entry);
            }
        }
        Ok(news)
    })
}

/// Erases what hung under the keys of one erasure, and notes that they are gone.
fn end(core: &Core, permit: &Permit, shred: Id16, entries: &[&Destroyed]) -> Result<(), StoreError> {
    let step = "reading keys that were destroyed";
    let names: Vec<(KeyId, KeyName)> = core.readers.snapshot(step, |connection| {
        let mut names = Vec::new();
        for entry in entries.iter().filter(|entry| entry.cause == Cause::Shred) {
            let sql = "SELECT bytes FROM wrapped_key WHERE id = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let bytes: Option<Vec<u8>> = statement.query_row([entry.id.0.0], |row| row.get(0)).optional().at(step)?;
            if let Some(bytes) = bytes {
                names.push((entry.id, WrappedKey::from_bytes(&bytes)?.name));
            }
        }
        // Everything of an owner goes with the owner's key.
        let owners: Vec<[u8; 17]> =
            Going::of(&names).into_iter().filter(|going| going.whole).map(|going| going.owner).collect();
        for owner in owners {
            names.extend(keys_of(connection, &owner)?);
        }
        names.sort_unstable_by_key(|(id, _)| *id);
        names.dedup_by_key(|(id, _)| *id);
        Ok(names)
    })?;
    let at_us = entries.iter().map(|entry| entry.at_us).max().unwrap_or_default();
    let doing = Doing { shred, at_us, drop_unsealed: true };
    let goings = Going::of(&names);
    if goings.iter().any(|going| !going.whole) {
        name_keys(core, permit)?;
    }
    for going in goings {
        core.writer.run(1_000, move |transaction| erase(transaction, &going, doing).map(|_| ()))?;
    }
    let all: Vec<(KeyId, Cause)> = entries.iter().map(|entry| (entry.id, entry.cause)).collect();
    core.writer.run(all.len(), move |transaction| {
        for (id, cause) in all {
            match cause {
                Cause::Shred => forget_key(transaction, id, doing)?,
                Cause::Retired => {
                    let step = "noting what was rotated away";
                    let sql = "INSERT OR IGNORE INTO destroyed_key (id, cause, by, at_us) VALUES (?, 2, ?, ?)";
                    transaction.prepare_cached(sql).at(step)?.execute(params![id.0.0, shred.0, at_us]).at(step)?;
                    transaction.execute("DELETE FROM wrapped_key WHERE id = ?", [id.0.0]).at(step)?;
                }
            }
        }
        bump_epoch(transaction)?;
        count_change(transaction)
    })
}

/// The index is from before a rotation: it takes every living key from the key stores, whose parents are there.
fn renew_index(core: &Core) -> Result<(), StoreError> {
    let mut batch: Vec<WrappedKey> = Vec::with_capacity(BATCH);
    let mut failure = None;
    let mut write = |batch: Vec<WrappedKey>| {
        let written = core.writer.run(batch.len(), move |transaction| {
            let step = "renewing the index of keys";
            let sql = "INSERT INTO wrapped_key (id, name, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET bytes = ?3";
            let mut statement = transaction.prepare_cached(sql).at(step)?;
            for key in &batch {
                statement.execute(params![key.id.0.0, key.name.to_bytes(), key.to_bytes()]).at(step)?;
            }
            Ok(())
        });
        if let Err(error) = written {
            failure.get_or_insert(error);
        }
    };
    core.keyring.stores().each_key(&mut |key| {
        batch.push(key);
        if batch.len() == BATCH {
            write(std::mem::take(&mut batch));
        }
    })?;
    write(batch);
    failure.map_or(Ok(()), Err)
}
