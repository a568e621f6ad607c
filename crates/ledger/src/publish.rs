//! The rule by which a log is published: who wins the swap of the checkpoint publishes, and nobody else.
//!
//! Nothing here writes. A publisher works in this order, so that a paused or doubled one can never fork a log:
//!
//! 1. make a [`Publication`] on the checkpoint that the lock holds, and make what it was made from durable (the entries and
//!    their order, or the files themselves, under a name of their own);
//! 2. [`Publication::claim`] the next head: the lock swaps old for new, or refuses;
//! 3. only then write the files under their public names to all sites, and the checkpoint last.
//!
//! Files must not take their public names before the swap: the loser of a race would overwrite tiles of the winner. Who
//! dies between 2 and 3 finds, on return, the lock ahead of the sites, and completes 3 from what step 1 made durable.

use crate::Error;
use crate::appender::LogBatch;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{EMPTY_ROOT, Hash};
use crate::keys::SignerKey;
use crate::tiles::TilePath;

/// The next head of a log and the files that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Size and root that the log must still have; `None` for its very first head.
    pub from: Option<(u64, Hash)>,
    /// The note that the lock must still hold; `None` for the very first.
    pub expected: Option<Vec<u8>>,
    /// The next head, signed.
    pub to: SignedCheckpoint,
    /// The tiles and bundles that the next head needs and the old one does not have.
    pub files: Vec<(TilePath, Vec<u8>)>,
}

/// The one place that says which head a log has.
pub trait CheckpointLock {
    /// Replaces the head of `log` by `new` if it is `expected`, in one step that nothing can come between.
    ///
    /// When this returns `Ok`, `new` is durable: it survives loss of power at that moment, and no later call, in this or any
    /// other process, can succeed with `expected` again. When it returns [`Conflict::Moved`], nothing has changed.
    ///
    /// # Errors
    /// [`Conflict::Moved`] where the head is another, [`Conflict::Unknown`] where nobody can tell.
    fn swap(&self, log: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), Conflict>;
}

/// Why a head was not swapped.
#[derive(Debug, thiserror::Error)]
pub enum Conflict {
    /// Another publisher was faster. Start again from what is published; write nothing of this batch.
    #[error("the log has another head than expected: another publisher was faster, start again from its checkpoint")]
    Moved {
        /// The note that the lock holds.
        current: Option<Vec<u8>>,
    },
    /// The lock failed, before or after the swap. Read it before doing anything else.
    #[error("the lock of the log failed, and the swap may or may not have happened: read it before going on")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Publication {
    /// Signs the head after `batch`, which must start at `published`, or at an empty log where there is none.
    ///
    /// # Errors
    /// [`Error::BatchStart`] where the batch was made on another head, [`Error::SignerName`] where the key is not that of
    /// the log.
    pub fn next(
        published: Option<&SignedCheckpoint>,
        origin: &str,
        batch: LogBatch,
        signer: &SignerKey,
    ) -> Result<Self, Error> {
        let (published_size, published_root) =
            published.map_or((0, EMPTY_ROOT), |signed| (signed.checkpoint.size, signed.checkpoint.root));
        let same_origin = published.is_none_or(|signed| signed.checkpoint.origin == origin);
        if (batch.old_size, batch.old_root) != (published_size, published_root) || !same_origin {
            return Err(Error::BatchStart { batch_size: batch.old_size, published_size });
        }
        let to = Checkpoint::new(origin, batch.size, batch.root).sign(signer)?;
        Ok(Self {
            from: published.map(|_| (published_size, published_root)),
            expected: published.map(|signed| signed.note.clone()),
            to,
            files: batch.files,
        })
    }

    /// Claims the next head. After `Ok` the files, and then the checkpoint, are to be written; after an error nothing is.
    ///
    /// # Errors
    /// Those of [`CheckpointLock::swap`].
    pub fn claim(&self, lock: &dyn CheckpointLock) -> Result<(), Conflict> {
        lock.swap(&self.to.checkpoint.origin, self.expected.as_deref(), &self.to.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commitment, EntryKind, LogAppender, MemoryTiles, commit, consistency_proof, verify_consistency};
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// A lock as the store makes it, without the durability.
    #[derive(Default)]
    struct MemoryLock(Mutex<BTreeMap<String, Vec<u8>>>);

    impl CheckpointLock for MemoryLock {
        fn swap(&self, log: &str, expected: Option<&[u8]>, new: &[u8]) -> Result<(), Conflict> {
            let mut heads = self.0.lock().map_err(|_| Conflict::Unknown("a holder of the lock panicked".into()))?;
            let current = heads.get(log);
            if current.map(Vec::as_slice) != expected {
                return Err(Conflict::Moved { current: current.cloned() });
            }
            heads.insert(log.to_owned(), new.to_vec());
            Ok(())
        }
    }

    const ORIGIN: &str = "log.example/records";

    fn key() -> SignerKey {
        SignerKey::from_seed(ORIGIN, &[1; 32]).expect("good name")
    }

    fn entries(who: u8, round: u64, count: u64) -> Vec<Commitment> {
        let salt = [who; 32];
        (0..count).map(|i| commit(&salt, EntryKind::Resource, &(round << 32 | i).to_be_bytes())).collect()
    }

    #[test]
    fn a_batch_must_start_at_the_published_head() {
        let mut log = LogAppender::new();
        let first = Publication::next(None, ORIGIN, log.append(&entries(1, 0, 3)), &key()).expect("an empty log");
        assert_eq!((first.from, first.expected.as_deref()), (None, None));
        let second = log.append(&entries(1, 1, 3));
        let refused = Publication::next(None, ORIGIN, second.clone(), &key());
        assert!(matches!(refused, Err(Error::BatchStart { batch_size: 3, published_size: 0 })));
        let other = LogAppender::new().append(&entries(2, 0, 3));
        let other = Publication::next(None, ORIGIN, other, &key()).expect("an empty log");
        let refused = Publication::next(Some(&other.to), ORIGIN, second.clone(), &key());
        assert!(
            matches!(refused, Err(Error::BatchStart { batch_size: 3, published_size: 3 })),
            "same size, other root"
        );
        let next = Publication::next(Some(&first.to), ORIGIN, second.clone(), &key()).expect("the published head");
        assert_eq!(next.from, Some((3, first.to.checkpoint.root)));
        assert_eq!(next.expected, Some(first.to.note.clone()));
        assert!(matches!(Publication::next(Some(&first.to), "other", second, &key()), Err(Error::BatchStart { .. })));
    }

    /// One publisher: takes the head, appends, claims, and writes its files only when it has won.
    fn publish(
        who: u8,
        round: u64,
        lock: &MemoryLock,
        site: &Mutex<MemoryTiles>,
        heads: &Mutex<Vec<SignedCheckpoint>>,
    ) {
        let keys = [key().verifier().clone()];
        let held = lock.0.lock().expect("no holder panics").get(ORIGIN).cloned();
        let head = held.map(|note| SignedCheckpoint::open(&note, &keys).expect("the lock holds signed heads"));
        let resumed = match &head {
            // The winner may still be writing: then the tiles do not match its head, and this one tries another time.
            Some(head) => {
                let site = site.lock().expect("no holder panics");
                LogAppender::resume(head.checkpoint.size, &head.checkpoint.root, &*site)
            }
            None => Ok(LogAppender::new()),
        };
        let Ok(mut log) = resumed else { return };
        let batch = log.append(&entries(who, round, 1 + round % 300));
        let publication = Publication::next(head.as_ref(), ORIGIN, batch, &key()).expect("made on the head");
        match publication.claim(lock) {
            Ok(()) => {
                let mut site = site.lock().expect("no holder panics");
                for (path, bytes) in publication.files {
                    site.insert(path, bytes);
                }
                heads.lock().expect("no holder panics").push(publication.to);
            }
            Err(Conflict::Moved { current }) => assert_ne!(current, publication.expected),
            Err(Conflict::Unknown(error)) => unreachable!("the lock in memory does not fail: {error}"),
        }
    }

    #[test]
    fn two_publishers_cannot_fork_a_log() {
        let (lock, site, heads) = (MemoryLock::default(), Mutex::new(MemoryTiles::new()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for who in [1, 2] {
                let (lock, site, heads) = (&lock, &site, &heads);
                scope.spawn(move || (0..200).for_each(|round| publish(who, round, lock, site, heads)));
            }
        });
        let mut heads: Vec<Checkpoint> =
            heads.into_inner().expect("no holder panics").into_iter().map(|signed| signed.checkpoint).collect();
        heads.sort_by_key(|head| head.size);
        assert!(heads.len() > 20, "both went on publishing: {} heads", heads.len());
        let site = site.into_inner().expect("no holder panics");
        for pair in heads.windows(2) {
            assert!(pair[0].size < pair[1].size, "two heads of one size are a fork or a repetition");
            let proof = consistency_proof(pair[0].size, pair[1].size, &site).expect("all tiles are there");
            verify_consistency(pair[0].size, &pair[0].root, pair[1].size, &pair[1].root, &proof).expect("one history");
        }
    }

    #[test]
    fn a_publisher_that_slept_is_refused() {
        let lock = MemoryLock::default();
        let (mut awake, mut asleep) = (LogAppender::new(), LogAppender::new());
        let won = Publication::next(None, ORIGIN, awake.append(&entries(1, 0, 5)), &key()).expect("an empty log");
        let late = Publication::next(None, ORIGIN, asleep.append(&entries(2, 0, 5)), &key()).expect("an empty log");
        won.claim(&lock).expect("first");
        let conflict = late.claim(&lock).expect_err("second");
        assert!(matches!(conflict, Conflict::Moved { current: Some(note) } if note == won.to.note));
        assert!(matches!(won.claim(&lock), Err(Conflict::Moved { .. })), "claiming twice is refused too");
    }
}
