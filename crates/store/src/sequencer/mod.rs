//! The sequencer: drains an outbox into sealed segments, ledger leaves and signed checkpoints. One thread a log, so that the
//! log of accesses never delays the log of records.
//!
//! Whoever holds the lock file of a log works; others wait to take over. The lock keeps two from wasting work; what keeps them
//! from forking the log is the swap of the checkpoint in the database ([`round`]).

pub(crate) mod cosign;
pub(crate) mod head;
pub(crate) mod judge;
pub(crate) mod panel;
pub(crate) mod proof;
mod round;
pub(crate) mod rows;
pub(crate) mod tiles;

pub(crate) use round::note_rows_leaf;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledger::SignerKey;
use policy::Action;

use crate::core::Core;
use crate::error::{AtStep, OnFile, StoreError};
use crate::facts::own_job_permit;
use crate::journal::{drain, try_lock};
use crate::types::{Log, Sealed, Ticket};

/// Kinds of leaves in outboxes and in the table `leaf`; the same numbers as [`ledger::EntryKind`].
pub(crate) const KIND_VERSION: i64 = 1;
pub(crate) const KIND_OBJECT: i64 = 2;
pub(crate) const KIND_ACCESS: i64 = 3;
pub(crate) const KIND_ISSUED: i64 = 4;
pub(crate) const KIND_RECEIPT: i64 = 5;
/// Changes of lasting tables: many rows of the outbox, one leaf for those of one owner in one round.
pub(crate) const KIND_ROWS: i64 = 6;
pub(crate) const KIND_SHRED: i64 = 7;

/// Bytes of frames and changes after which a round takes in no further task: few enough that a leaf somebody waits for is not long
/// behind a deposit.
pub(crate) const ROUND_BYTES: usize = 4 << 20;
/// Bytes and rows at which a round ends in the middle of a task, since its segment can hold no more. Writes are smaller
/// ([`crate::write::WRITE_BYTES_MAX`]); what an erasure takes out of the tables may be as large, and is whole under its own leaf.
pub(crate) const ROUND_BYTES_MAX: usize = 30 << 20;
pub(crate) const ROUND_ROWS_MAX: usize = 100_000;
/// How often an idle sequencer looks for what other processes wrote.
const LOOK_MS: u64 = 25;
/// Shortest and longest pause after a fault.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How many of the newest rows are looked at for a leaf that somebody waits for.
const URGENT_LOOK: usize = 16;

/// What the threads and callers know of one log.
pub(crate) struct LogState {
    pub(crate) log: Log,
    /// The log's name to the world: its origin.
    pub(crate) origin: String,
    pub(crate) signer: SignerKey,
    /// Its witnesses, where the installation has any and this process seals.
    pub(crate) panel: Option<panel::Panel>,
    progress: Mutex<Progress>,
    changed: Condvar,
    poked: Mutex<bool>,
    wake: Condvar,
    waiting: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    published_no: u64,
    published_size: u64,
    witnessed_no: u64,
    witnessed_size: u64,
    fault: Option<String>,
    /// Why there is no quorum of witnesses under the newest head.
    unwitnessed: Option<String>,
    /// A fault that waiting does not mend.
    ahead: Option<Ahead>,
}

/// Somebody holds more than the database.
#[derive(Debug, Clone)]
struct Ahead {
    /// The witness; `None` for a site.
    witness: Option<String>,
    theirs: u64,
    ours: u64,
}

impl LogState {
    pub(crate) fn new(log: Log, origin: &str, signer: SignerKey, panel: Option<panel::Panel>) -> Self {
        Self {
            log,
            origin: origin.to_owned(),
            signer,
            panel,
            progress: Mutex::default(),
            changed: Condvar::new(),
            poked: Mutex::new(false),
            wake: Condvar::new(),
            waiting: AtomicU64::new(0),
        }
    }

    /// Lets the sequencer begin at once.
    pub(crate) fn poke(&self) {
        *lock(&self.poked) = true;
        self.wake.notify_all();
    }

    /// How many leaves wait, as last counted.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn set_waiting(&self, rows: u64) {
        self.waiting.store(rows, Ordering::Relaxed);
    }

    /// Why the sequencer does not get on, if it does not.
    pub(crate) fn fault(&self) -> Option<String> {
        lock(&self.progress).fault.clone()
    }

    /// Leaves under the newest published checkpoint, as last heard.
    pub(crate) fn published_size(&self) -> u64 {
        lock(&self.progress).published_size
    }

    /// Leaves under the newest checkpoint that a quorum has cosigned, as last heard.
    pub(crate) fn witnessed_size(&self) -> u64 {
        lock(&self.progress).witnessed_size
    }

    /// Notes how far the log is witnessed, or why not further. Whether that is news.
    fn witnessed(&self, no: u64, size: u64, fault: Option<String>) -> bool {
        let mut progress = lock(&self.progress);
        let news = progress.unwitnessed != fault;
        progress.witnessed_no = progress.witnessed_no.max(no);
        progress.witnessed_size = progress.witnessed_size.max(size);
        progress.unwitnessed = fault;
        drop(progress);
        self.changed.notify_all();
        news
    }

    fn published(&self, no: u64, size: u64) {
        let mut progress = lock(&self.progress);
        progress.published_no = progress.published_no.max(no);
        progress.published_size = progress.published_size.max(size);
        progress.fault = None;
        progress.ahead = None;
        drop(progress);
        self.changed.notify_all();
    }

    fn failed(&self, error: &StoreError) {
        let mut progress = lock(&self.progress);
        progress.fault = Some(error.to_string());
        match error {
            StoreError::SiteAhead { site_size, database_size, .. } => {
                progress.ahead = Some(Ahead { witness: None, theirs: *site_size, ours: *database_size });
            }
            StoreError::WitnessAhead { witness, witness_size, database_size, .. } => {
                let witness = Some(witness.clone());
                progress.ahead = Some(Ahead { witness, theirs: *witness_size, ours: *database_size });
            }
            _ => {}
        }
        drop(progress);
        self.changed.notify_all();
    }

    /// Waits until everything up to the ticket is sealed.
    pub(crate) fn wait_sealed(&self, core: &Core, ticket: Ticket, patience: Duration) -> Result<Sealed, StoreError> {
        self.poke();
        let mut waited_ms = 0;
        loop {
            let progress = lock(&self.progress);
            if progress.published_no >= ticket.0 {
                return Ok(Sealed { records_size: progress.published_size });
            }
            if let Some(ahead) = &progress.ahead {
                return Err(self.ahead(ahead.clone()));
            }
            if u128::from(waited_ms) >= patience.as_millis() {
                let reason = progress.fault.clone();
                let reason = reason.unwrap_or_else(|| "the sequencer has not come to it yet".to_owned());
                return Err(StoreError::NotSealed { waited_ms, reason });
            }
            let step = Duration::from_millis(LOOK_MS);
            let (progress, timeout) = self.changed.wait_timeout(progress, step).unwrap_or_else(PoisonError::into_inner);
            drop(progress);
            if timeout.timed_out() {
                self.poke();
                // Another process may be the one that seals.
                waited_ms += LOOK_MS;
                let (no, size) = published(core, self.log)?;
                let mut progress = lock(&self.progress);
                progress.published_no = progress.published_no.max(no);
                progress.published_size = progress.published_size.max(size);
            }
        }
    }

    fn ahead(&self, Ahead { witness, theirs, ours }: Ahead) -> StoreError {
        let log = self.origin.clone();
        match witness {
            None => StoreError::SiteAhead { log, site_size: theirs, database_size: ours },
            Some(witness) => StoreError::WitnessAhead { log, witness, witness_size: theirs, database_size: ours },
        }
    }

    /// Waits until a quorum of witnesses has cosigned a checkpoint over everything up to the ticket.
    pub(crate) fn wait_witnessed(&self, core: &Core, ticket: Ticket, patience: Duration) -> Result<Sealed, StoreError> {
        let mut waited_ms = 0;
        loop {
            let progress = lock(&self.progress);
            if progress.witnessed_no >= ticket.0 {
                return Ok(Sealed { records_size: progress.witnessed_size });
            }
            if let Some(ahead) = &progress.ahead {
                return Err(self.ahead(ahead.clone()));
            }
            if u128::from(waited_ms) >= patience.as_millis() {
                let reason = progress.unwitnessed.clone().or_else(|| progress.fault.clone());
                let reason = reason.unwrap_or_else(|| "the witnesses have not answered yet".to_owned());
                return Err(StoreError::NotWitnessed { waited_ms, reason });
            }
            let step = Duration::from_millis(LOOK_MS);
            let (progress, timeout) = self.changed.wait_timeout(progress, step).unwrap_or_else(PoisonError::into_inner);
            drop(progress);
            if timeout.timed_out() {
                waited_ms += LOOK_MS;
                // Another process may be the one that seals.
                let (no, size, fault) = witnessed(core, self.log)?;
                let mut progress = lock(&self.progress);
                progress.witnessed_no = progress.witnessed_no.max(no);
                progress.witnessed_size = progress.witnessed_size.max(size);
                progress.unwitnessed = fault;
            }
        }
    }

    /// Slows writers down while too much waits to be sealed.
    pub(crate) fn wait_for_room(&self, core: &Core) -> Result<(), StoreError> {
        let limit = core.config.backlog_rows_max;
        let mut waited_ms = 0;
        while self.waiting() > limit {
            self.poke();
            if waited_ms >= core.config.backlog_wait_ms {
                let reason = self.fault().unwrap_or_else(|| "the sequencer is slower than the writers".to_owned());
                return Err(StoreError::Backlog { waiting: self.waiting(), limit, reason });
            }
            let progress = lock(&self.progress);
            let (progress, timeout) = self
                .changed
                .wait_timeout(progress, Duration::from_millis(LOOK_MS))
                .unwrap_or_else(PoisonError::into_inner);
            drop(progress);
            if timeout.timed_out() {
                waited_ms += LOOK_MS;
                self.set_waiting(count_waiting(core, self.log)?);
            }
        }
        Ok(())
    }
}

/// The table of a log's outbox.
pub(crate) const fn outbox(log: Log) -> &'static str {
    match log {
        Log::Records => "outbox_records",
        Log::Access => "outbox_access",
    }
}

/// Starts a log's thread.
pub(crate) fn start(core: &Arc<Core>, log: Log) -> Result<JoinHandle<()>, StoreError> {
    let shared = Arc::clone(core);
    std::thread::Builder::new()
        .name(format!("seal-{}", log.name()))
        .spawn(move || Sequencer { core: shared, log, lock: None, state: None, begun: Instant::now() }.serve())
        .on("served by a thread", &core.folder)
}

/// Reads what is published, so that waiters know it from the start.
pub(crate) fn recall(core: &Core, log: Log) -> Result<(), StoreError> {
    let (no, size) = published(core, log)?;
    core.log(log).published(no, size);
    let (no, size, fault) = witnessed(core, log)?;
    core.log(log).witnessed(no, size, fault);
    core.log(log).set_waiting(count_waiting(core, log)?);
    Ok(())
}

/// How far a log is witnessed: the outbox number where that is all that is published, the size, and why not further.
pub(crate) fn witnessed(core: &Core, log: Log) -> Result<(u64, u64, Option<String>), StoreError> {
    let step = "reading how far a log is witnessed";
    core.readers.snapshot(step, |connection| {
        let sql = "SELECT published_no, published_size, witnessed_size, witness_fault FROM log_head WHERE log = ?";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let row = statement.query_row([log.name()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let (no, published, size, fault): (i64, i64, i64, Option<String>) = row.at(step)?;
        // The number under an older head is not kept; whoever waits for it waits for the newest.
        let no = if size == published { no } else { 0 };
        Ok((no.unsigned_abs(), size.unsigned_abs(), fault))
    })
}

fn published(core: &Core, log: Log) -> Result<(u64, u64), StoreError> {
    let step = "reading how far a log is published";
    core.readers.snapshot(step, |connection| {
        let sql = "SELECT published_no, published_size FROM log_head WHERE log = ?";
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let (no, size): (i64, i64) =
            statement.query_row([log.name()], |row| Ok((row.get(0)?, row.get(1)?))).at(step)?;
        Ok((no.unsigned_abs(), size.unsigned_abs()))
    })
}

/// Leaves that are accepted and wait to be published, counted in the database.
pub(crate) fn count_waiting(core: &Core, log: Log) -> Result<u64, StoreError> {
    let step = "counting what waits";
    core.readers.snapshot(step, |connection| {
        let (least, most) =
            (format!("SELECT min(no) FROM {}", outbox(log)), format!("SELECT max(no) FROM {}", outbox(log)));
        let bound = |sql: &str| -> Result<Option<i64>, StoreError> {
            connection.prepare_cached(sql).at(step)?.query_row([], |row| row.get(0)).at(step)
        };
        let in_outbox = match (bound(&least)?, bound(&most)?) {
            (Some(least), Some(most)) => (most - least + 1).unsigned_abs(),
            _ => 0,
        };
        // What a program claimed for the log and did not live to publish waits as well.
        let sql = "SELECT size - published_size FROM log_head WHERE log = ?";
        let claimed: i64 =
            connection.prepare_cached(sql).at(step)?.query_row([log.name()], |row| row.get(0)).at(step)?;
        Ok(in_outbox + claimed.unsigned_abs())
    })
}

/// A log's thread.
struct Sequencer {
    core: Arc<Core>,
    log: Log,
    /// Held while this process is the one that seals.
    lock: Option<std::fs::File>,
    /// The end of the log, once it has been looked up and the sites agree with it.
    state: Option<head::End>,
    /// When work was begun last: the interval is between beginnings, however long a round takes.
    begun: Instant,
}

impl Sequencer {
    fn serve(mut self) {
        let mut pause = Duration::ZERO;
        while let Some(urgent) = self.wait(pause) {
            self.begun = Instant::now();
            match self.work(urgent) {
                Ok(()) => pause = Duration::ZERO,
                Err(error) => {
                    tracing::warn!(log = self.log.name(), %error, "sealing does not get on");
                    metrics::counter!("hanmaru_store_seal_faults", "log" => self.log.name()).increment(1);
                    self.core.log(self.log).failed(&error);
                    // The end is looked up again: the swap may have happened, or another may have been faster.
                    self.state = None;
                    pause = (pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                }
            }
        }
    }

    /// Waits for work, after a fault at least the pause: until the interval has passed since work began last, less where it is
    /// urgent, and says whether it is. `None` where the store is closing.
    fn wait(&self, pause: Duration) -> Option<bool> {
        let state = self.core.log(self.log);
        let (look, interval) =
            (Duration::from_millis(LOOK_MS), Duration::from_millis(self.core.config.seal_interval_ms));
        let is_closing = || self.core.closing.load(Ordering::SeqCst);
        // A poke does not shorten the pause after a fault, but it is not forgotten.
        let may_begin = Instant::now() + pause;
        while !is_closing() && Instant::now() < may_begin {
            std::thread::sleep(look.min(may_begin.saturating_duration_since(Instant::now())));
        }
        while !is_closing() {
            let rest = interval.saturating_sub(self.begun.elapsed());
            let mut poked = lock(&state.poked);
            if !*poked && !rest.is_zero() {
                poked = state.wake.wait_timeout(poked, rest.min(look)).unwrap_or_else(PoisonError::into_inner).0;
            }
            let urgent = std::mem::take(&mut *poked);
            drop(poked);
            let urgent = urgent || self.is_urgent_elsewhere();
            if urgent || self.begun.elapsed() >= interval || self.is_round_full() {
                return Some(urgent);
            }
        }
        None
    }

    fn is_round_full(&self) -> bool {
        self.core.log(self.log).waiting() >= self.core.config.round_rows as u64
    }

    /// Whether another process wrote what somebody waits for.
    fn is_urgent_elsewhere(&self) -> bool {
        if self.lock.is_none() || self.log == Log::Access {
            return false;
        }
        let last = self.core.readers.snapshot("looking for urgent work", |connection| {
            // Rows that belong to a leaf stand behind it.
            let sql = format!(
                "SELECT 1 FROM (SELECT kind FROM {} ORDER BY no DESC LIMIT {URGENT_LOOK}) WHERE kind IN ({KIND_ISSUED}, {KIND_RECEIPT}, {KIND_SHRED})",
                outbox(self.log)
            );
            connection.prepare_cached(&sql).and_then(|mut statement| statement.exists([])).at("looking for urgent work")
        });
        last.unwrap_or(false)
    }

    fn work(&mut self, urgent: bool) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        if self.log == Log::Access {
            drain::own(&core)?;
        }
        if self.lock.is_none() {
            let path = core.folder.join("locks").join(format!("seal-{}.lock", self.log.name()));
            self.lock = try_lock(&path)?;
            if self.lock.is_none() {
                return Ok(());
            }
        }
        let permit = own_job_permit(&core, "sequencer", Action::Seal)?;
        let mut end = match self.state.take() {
            Some(end) => {
                // A site that was away may have been written to by another meanwhile.
                head::compare_with_returned(&core, self.log, &permit, end.head.as_ref())?;
                end
            }
            None => head::look_up(&core, self.log, &permit)?,
        };
        // What is not urgent waits for a full round or the next interval: a round costs its fsyncs however small it is.
        while round::round(&core, self.log, &permit, &mut end)? {
            self.core.log(self.log).set_waiting(count_waiting(&core, self.log)?);
            if core.closing.load(Ordering::SeqCst) || !(urgent || self.is_round_full()) {
                break;
            }
        }
        cosign::catch_up(&core, self.log, &permit, end.head.as_ref(), end.last_no)?;
        self.state = Some(end);
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
