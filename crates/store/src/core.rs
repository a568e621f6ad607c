//! What every part of the store shares, and the checks that every call with a permit makes. No SQL but that of the epoch.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Random;
use base::limits::Limits;
use ledger::TrustPolicy;
use policy::{Action, Door, Permit};
use rusqlite::Connection;
use vault::{KeyStores, Keyring, Sites};
use zeroize::Zeroizing;

use crate::clock::FloorClock;
use crate::connection::Readers;
use crate::error::{AtStep, StoreError};
use crate::guard::Guard;
use crate::ids::Ids;
use crate::journal::Journal;
use crate::open::StoreConfig;
use crate::sequencer::LogState;
use crate::sequencer::tiles::TileCache;
use crate::types::Log;
use crate::writer::Writer;

/// How long a write waits for sites that are away before it is refused.
const SITES_WAIT_MS: u64 = 3_000;
/// How often it looks meanwhile.
const SITES_LOOK_MS: u64 = 100;

/// Everything the threads of an open store share.
pub(crate) struct Core {
    pub(crate) folder: PathBuf,
    pub(crate) config: StoreConfig,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<FloorClock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) writer: Writer,
    /// Says on the writer's connection when a room is at work.
    pub(crate) room: Guard,
    pub(crate) journal: Journal,
    /// Held while journal files are moved into the database.
    pub(crate) drain_turn: Mutex<()>,
    /// Held by whoever looks what an erasure would take.
    pub(crate) outlook_turn: Mutex<()>,
    /// How often this process's journal was moved.
    pub(crate) drains: AtomicU64,
    pub(crate) keyring: Keyring,
    pub(crate) sites: Sites,
    pub(crate) key_stores: KeyStores,
    /// For the store's own jobs; callers bring the permits for everything else.
    pub(crate) door: Door,
    /// Under what ids patients and resources stand.
    pub(crate) ids: Ids,
    pub(crate) content_key: Zeroizing<[u8; 32]>,
    pub(crate) ci_key: Zeroizing<[u8; 32]>,
    /// For free text in the store's own tables.
    pub(crate) text_key: Zeroizing<[u8; 32]>,
    /// Under what the list of destroyed keys is checked.
    pub(crate) destroyed_key: Zeroizing<[u8; 32]>,
    /// Under what stands sealed what people wrote about erasures.
    pub(crate) shred_key: Zeroizing<[u8; 32]>,
    pub(crate) logs: [LogState; 2],
    /// The rule about witnesses, where there is one.
    pub(crate) trust: Option<TrustPolicy>,
    pub(crate) tiles: TileCache,
    pub(crate) closing: AtomicBool,
}

impl Core {
    pub(crate) const fn log(&self, log: Log) -> &LogState {
        &self.logs[log.place()]
    }

    /// Makes new keys durable in the key stores and puts them into the index. To be called before anything that uses them
    /// is acknowledged and that does not go through [`crate::Store::write`].
    pub(crate) fn persist_keys(&self) -> Result<(), StoreError> {
        let new = self.keyring.persist_new()?;
        if !new.keys().is_empty() {
            let keys = new.keys().to_vec();
            let inserted = self.writer.run(keys.len(), move |transaction| crate::keys::insert(transaction, &keys));
            self.without_stale_keys(inserted)?;
            new.inserted();
        }
        Ok(())
    }

    /// Waits a moment for sites that are away, and refuses where too few of them can be reached: what is accepted then would be
    /// on one disk alone until they are back.
    pub(crate) fn wait_for_sites(&self) -> Result<(), StoreError> {
        let patience_ms = SITES_WAIT_MS.min(self.config.backlog_wait_ms);
        let mut waited_ms = 0;
        while let Err(lost) = self.sites.enough() {
            if waited_ms >= patience_ms {
                return Err(lost.into());
            }
            self.sites.poke();
            std::thread::sleep(Duration::from_millis(SITES_LOOK_MS));
            waited_ms += SITES_LOOK_MS;
        }
        Ok(())
    }

    /// Where something was refused because a key is gone, keys that can never be inserted are not tried again.
    pub(crate) fn without_stale_keys<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(result, Err(StoreError::KeyGone)) {
            self.readers.snapshot("looking for destroyed keys", |connection| {
                self.keyring.drop_pending(|key, hangs_under_pending| {
                    crate::keys::is_gone(connection, key).unwrap_or(false)
                        || (!hangs_under_pending && !crate::keys::has_parent(connection, key).unwrap_or(true))
                });
                Ok(())
            })?;
        }
        result
    }

    /// Under what content is recognised again: a keyed hash, so that the database does not tell who has the same document.
    pub(crate) fn content_hash(&self, sha256: &[u8; 32]) -> [u8; 16] {
        let mac = base::hmac_sha256(&self.content_key[..], sha256);
        let mut half = [0; 16];
        half.copy_from_slice(&mac[..16]);
        half
    }
}

/// The permit must be for one of these actions.
pub(crate) fn check_action(permit: &Permit, call: &'static str, actions: &[Action]) -> Result<(), StoreError> {
    if actions.contains(&permit.action()) {
        return Ok(());
    }
    let needed = actions.first().map_or("nothing", |action| action.name());
    Err(StoreError::Action { call, needed, found: permit.action().name() })
}

/// The permit must be of the epoch that the transaction sees.
pub(crate) fn check_epoch(connection: &Connection, permit: u64) -> Result<(), StoreError> {
    let store = epoch(connection)?;
    if store == permit { Ok(()) } else { Err(StoreError::StaleEpoch { permit, store }) }
}

/// The policy epoch.
pub(crate) fn epoch(connection: &Connection) -> Result<u64, StoreError> {
    let step = "reading the policy epoch";
    let mut statement = connection.prepare_cached("SELECT epoch FROM policy_epoch").at(step)?;
    let epoch: i64 = statement.query_row([], |row| row.get(0)).at(step)?;
    Ok(epoch.unsigned_abs())
}

pub(crate) fn check_count(what: &'static str, found: usize, limit: usize) -> Result<(), StoreError> {
    if found <= limit { Ok(()) } else { Err(StoreError::Limit { what, found: found as u64, limit: limit as u64 }) }
}
