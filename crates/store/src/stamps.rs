//! Time-stamps over checkpoints: kept in the database and at the sites, and carried by proofs. Who stamps, and whether a token is
//! genuine, is decided by whoever brings it.

use base::Clock as _;
use ledger::{Note, SignedCheckpoint, TlogProof};
use policy::Action;
use rusqlite::{OptionalExtension, Row, params};
use vault::{Bytes, Fault, SiteError};

use crate::Store;
use crate::error::{AtStep, OnFile, StoreError};
use crate::facts::own_job_permit;
use crate::seams;
use crate::sequencer::tiles::SiteTiles;
use crate::types::Log;

/// Longest name of an authority, in bytes.
const AUTHORITY_LEN_MAX: usize = 64;

/// A checkpoint with a token over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The checkpoint as it was when it was stamped. The token is over its text.
    pub note: Vec<u8>,
    /// Leaves under it.
    pub size: u64,
    /// What the configuration calls the authority: `a-z 0-9 -`.
    pub authority: String,
    /// The time that the token tells, in seconds since 1970.
    pub time_s: i64,
    /// The token (RFC 3161), DER.
    pub token: Vec<u8>,
}

impl Store {
    /// The checkpoint that a time-stamp should be over now: the newest witnessed one, and the newest of all where nobody
    /// witnesses. `None` where the log has not grown since the last stamp, or that is younger than `interval_s` seconds.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Ledger`].
    pub fn checkpoint_to_stamp(&self, log: Log, interval_s: i64) -> Result<Option<SignedCheckpoint>, StoreError> {
        let (newest, now_s) = (self.newest_stamp(log)?, self.core().clock.now().as_second());
        let is_under =
            |head: &SignedCheckpoint| newest.as_ref().is_some_and(|stamp| stamp.size >= head.checkpoint.size);
        let is_old = |age_s| newest.as_ref().is_none_or(|stamp| now_s.saturating_sub(stamp.time_s) >= age_s);
        let head = match self.witnessed_checkpoint(log)? {
            // Witnesses that stay away must not keep the other proof of time away too.
            Some(witnessed) if is_under(&witnessed) && is_old(interval_s.saturating_mul(2)) => self.checkpoint(log)?,
            Some(witnessed) => Some(witnessed),
            None => self.checkpoint(log)?,
        };
        Ok(head.filter(|head| !is_under(head) && is_old(interval_s)))
    }

    /// Keeps a token that was verified: at the sites beside the checkpoint, and then in the database. What ended between the two
    /// leaves a token at the sites that no row knows, and sites replace nothing: then that one is kept, if `genuine` says so by
    /// giving the time that it tells, and the new one takes its place otherwise.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the authority's name is not one or the note is not one, [`StoreError::Site`],
    /// [`StoreError::Database`].
    pub fn keep_stamp(&self, log: Log, stamp: Stamp, genuine: impl Fn(&[u8]) -> Option<i64>) -> Result<(), StoreError> {
        let slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = !stamp.authority.is_empty() && stamp.authority.len() <= AUTHORITY_LEN_MAX;
        if !named || !stamp.authority.bytes().all(slug) {
            let reason = "the name of its authority is not 1 to 64 of a-z 0-9 -".to_owned();
            return Err(StoreError::Damaged { what: "a time-stamp", reason });
        }
        Note::parse(&stamp.note)?;
        let core = self.core();
        let permit = own_job_permit(core, "time-stamp", Action::Seal)?;
        let path = log.path(&format!("stamp/{}-{}.tst", stamp.size, stamp.authority));
        let placed = core.sites.put_all(&permit, &[(path.clone(), Bytes::copy_from_slice(&stamp.token))]);
        match placed {
            Ok(_) => {
                core.config.seams.at(seams::STAMP_PLACED).on("noted", &core.folder)?;
                self.note_stamp(log, stamp).map(|_| ())
            }
            Err(error) if is_conflict(&error) => self.settle_stamp(log, &path, stamp, genuine, error),
            Err(error) => Err(error.into()),
        }
    }

    /// Sites have another token under the name. The database says first which one counts, so that two processes cannot think
    /// differently of it, and the mender neither; then the sites follow.
    fn settle_stamp(
        &self,
        log: Log,
        path: &str,
        stamp: Stamp,
        genuine: impl Fn(&[u8]) -> Option<i64>,
        conflict: SiteError,
    ) -> Result<(), StoreError> {
        let core = self.core();
        let permit = own_job_permit(core, "time-stamp", Action::Repair)?;
        let there: Vec<(String, Bytes)> =
            core.sites.copies(&permit, path)?.into_iter().filter_map(|(site, copy)| Some((site, copy.ok()?))).collect();
        if there.is_empty() {
            // Whoever has another one cannot be asked now what it is.
            return Err(conflict.into());
        }
        // The oldest: it says most, and everybody comes to the same.
        let oldest = there.iter().filter_map(|(_, token)| Some((genuine(token)?, token))).min();
        let kept = match oldest {
            Some((time_s, token)) => Stamp { time_s, token: token.to_vec(), ..stamp },
            None => {
                tracing::error!(
                    path,
                    "what the sites have there is no genuine time-stamp of this checkpoint; a new one takes its place"
                );
                stamp
            }
        };
        let right = Bytes::from(self.note_stamp(log, kept)?);
        for (site, token) in there {
            if token != right
                && let Err(error) = core.sites.mend_at(&permit, &site, path, right.clone())
            {
                tracing::warn!(site, path, %error, "a site keeps another time-stamp than the database; a repair mends it");
            }
        }
        // To those who have none. It is kept by now, and whoever is away is brought it when it is back.
        if let Err(error) = core.sites.put_all(&permit, &[(path.to_owned(), right)]) {
            tracing::warn!(path, %error, "a time-stamp is kept in the database and not at enough sites yet");
        }
        Ok(())
    }

    /// Writes a stamp's row where there is none, and gives the token of the one that is there then.
    fn note_stamp(&self, log: Log, stamp: Stamp) -> Result<Vec<u8>, StoreError> {
        self.core().writer.run(1, move |transaction| {
            let step = "keeping a time-stamp";
            let sql = "INSERT OR IGNORE INTO log_stamp (log, size, authority, stamped_s, note, token) VALUES (?, ?, ?, ?, ?, ?)";
            let Stamp { note, size, authority, time_s, token } = &stamp;
            let values = params![log.name(), *size as i64, authority, time_s, note, token];
            transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
            let sql = "SELECT token FROM log_stamp WHERE log = ? AND size = ? AND authority = ?";
            let mut there = transaction.prepare_cached(sql).at(step)?;
            there.query_row(params![log.name(), *size as i64, authority], |row| row.get(0)).at(step)
        })
    }

    /// The stamp over the longest log so far.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn newest_stamp(&self, log: Log) -> Result<Option<Stamp>, StoreError> {
        self.stamp_where(log, "size >= ? ORDER BY size DESC, stamped_s LIMIT 1", 0)
    }

    /// The proof of a leaf under the first checkpoint over it that was stamped, with the token in it; `None` where none was yet.
    /// Like every proof it says nothing about what the leaf commits to.
    ///
    /// # Errors
    /// [`StoreError::Database`], and [`StoreError::Ledger`] where the sites do not give its tiles.
    pub fn stamped_proof(&self, log: Log, index: u64) -> Result<Option<(TlogProof, Stamp)>, StoreError> {
        let Some(stamp) = self.stamp_where(log, "size > ? ORDER BY size, stamped_s LIMIT 1", index)? else {
            return Ok(None);
        };
        let core = self.core();
        let head = SignedCheckpoint::open(&stamp.note, &[core.log(log).signer.verifier().clone()])?;
        let permit = own_job_permit(core, "prover", Action::Seal)?;
        let proof = TlogProof::make(index, &head, &SiteTiles { core, log, permit: &permit })?;
        Ok(Some((proof.with_time_stamp(&stamp.token), stamp)))
    }

    fn stamp_where(&self, log: Log, condition: &'static str, size: u64) -> Result<Option<Stamp>, StoreError> {
        let step = "reading a time-stamp";
        self.core().readers.snapshot(step, |connection| {
            let sql =
                format!("SELECT note, size, authority, stamped_s, token FROM log_stamp WHERE log = ? AND {condition}");
            let mut statement = connection.prepare_cached(&sql).at(step)?;
            statement.query_row(params![log.name(), size as i64], read).optional().at(step)
        })
    }
}

/// Whether a site has something else under a name.
fn is_conflict(error: &SiteError) -> bool {
    let SiteError::TooFew { faults, .. } = error else { return false };
    faults.iter().any(|fault| matches!(fault.fault, Fault::Conflict(_)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Stamp> {
    let size: i64 = row.get(1)?;
    Ok(Stamp {
        note: row.get(0)?,
        size: size.unsigned_abs(),
        authority: row.get(2)?,
        time_s: row.get(3)?,
        token: row.get(4)?,
    })
}
