//! What every part of the store shares, and the checks that every call with a permit makes. No SQL but that of the epoch.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use base::Random;
use base::limits::Limits;
use ledger::TrustPolicy;
use policy::{Action, Door, Permit};
use rusqlite::Connection;
use vault::{Keyring, Sites};
use zeroize::Zeroizing;

use crate::clock::FloorClock;
use crate::connection::Readers;
use crate::error::{AtStep, StoreError};
use crate::guard::Guard;
use crate::journal::Journal;
use crate::open::StoreConfig;
use crate::sequencer::LogState;
use crate::sequencer::tiles::TileCache;
use crate::types::Log;
use crate::writer::Writer;

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
    pub(crate) keyring: Keyring,
    pub(crate) sites: Sites,
    /// For the store's own jobs; callers bring the permits for everything else.
    pub(crate) door: Door,
    pub(crate) content_key: Zeroizing<[u8; 32]>,
    pub(crate) ci_key: Zeroizing<[u8; 32]>,
    /// For free text in the store's own tables.
    pub(crate) text_key: Zeroizing<[u8; 32]>,
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
            self.writer.run(keys.len(), move |transaction| crate::keys::insert(transaction, &keys))?;
            new.inserted();
        }
        Ok(())
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
