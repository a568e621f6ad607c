//! What the portal is given: the rooms below and its configuration. It keeps no state of its own that would be missed.

use crate::attempts::Attempts;
use crate::error::PageError;
use crate::places::Places;
use crate::rates::Rates;
use crate::turns::{Turn, Turns, turn};
use archive::Archive;
use base::Id16;
use base::limits::Limits;
use identity::Identity;
use ledger::{StampAuthority, TrustPolicy, VerifierKey};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use store::{Condition, ShredRules};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use watch::Watch;

/// Live pages that are followed at the same time.
const FOLLOWED_AT_ONCE: usize = 64;

/// Files of the logs that are read at once; more are told to come again, so that an audit does not keep people from their records.
const LOG_READS_MAX: usize = 32;
/// Of these for one address, so that no audit keeps another from the log.
const LOG_READS_EACH: usize = 8;

/// Seconds for which what was found of the service's condition is told again.
const CONDITION_S: i64 = 5;

/// How the portal is reached and what it permits.
#[derive(Debug, Clone)]
pub struct PortalConfig {
    /// Where people reach it, without a path: `https://records.example.kr`.
    pub public_url: String,
    /// Whether everything here is made up, which every page then says.
    pub demo: bool,
    /// Scheme, host and port of the identity agency, to which forms may lead.
    pub agency_origin: String,
    /// Whether a proxy on this machine stands in front and appends to `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Keys of the log `records`, shown for offline checks and used for uploaded files.
    pub verifier_keys: Vec<VerifierKey>,
    /// The rule by which uploaded files are checked: those keys, and the witnesses where there are any.
    pub trust: TrustPolicy,
    /// Authorities whose time-stamps count.
    pub stamp_authorities: Vec<StampAuthority>,
    /// Limits on what comes from outside.
    pub limits: Limits,
    /// Documents made at the same time; further people wait for a turn.
    pub issues_at_once: usize,
    /// Uploaded documents checked at the same time. As many of the largest are held in memory, or more smaller ones.
    pub checks_at_once: usize,
    /// Most accesses in one file of AuditEvents, but for what a read of the log brings at once; the next file goes on behind them.
    pub audit_events_max: usize,
    /// The waiting period of erasures, and how long key stores' backups are kept.
    pub shred: ShredRules,
}

impl PortalConfig {
    /// The defaults: not a demo, no proxy, two documents made and two checked at once, erasures after a week.
    #[must_use]
    pub fn new(public_url: &str, agency_origin: &str, verifier_keys: Vec<VerifierKey>, limits: Limits) -> Self {
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            demo: false,
            agency_origin: agency_origin.trim_end_matches('/').to_owned(),
            behind_proxy: false,
            trust: TrustPolicy::without_witnesses(&verifier_keys),
            stamp_authorities: Vec::new(),
            verifier_keys,
            limits,
            issues_at_once: 2,
            checks_at_once: 2,
            audit_events_max: 100_000,
            shred: ShredRules { wait_hours: 168, backup_days: 30 },
        }
    }
}

/// The portal. A cheap handle.
#[derive(Clone)]
pub struct Portal {
    inner: Arc<Inner>,
}

/// A portal that may have ended: what waits for long holds nothing open.
pub(crate) struct WeakPortal(Weak<Inner>);

impl WeakPortal {
    pub(crate) fn upgrade(&self) -> Option<Portal> {
        self.0.upgrade().map(|inner| Portal { inner })
    }
}

struct Inner {
    archive: Archive,
    identity: Identity,
    config: PortalConfig,
    places: Places,
    attempts: Attempts,
    rates: Rates,
    /// At making documents. Nobody has two: who asks for a hundred at once waits behind themselves, and everybody else behind one
    /// of them.
    issuing: Turns<Id16>,
    /// At files of the logs, by the address that asks.
    log_reads: Turns<Vec<u8>>,
    checking: Arc<Semaphore>,
    /// Memory for uploads, in kibibytes.
    uploads: Arc<Semaphore>,
    /// How the service was doing a moment ago: looking writes to the disk, and anybody may ask.
    condition: Mutex<Option<Condition>>,
    /// Live pages that are followed.
    following: Arc<Semaphore>,
    watch: OnceLock<Watch>,
}

impl Portal {
    /// A portal over an archive and an identity.
    #[must_use]
    pub fn new(archive: Archive, identity: Identity, config: PortalConfig) -> Self {
        let issuing = Turns::new(config.issues_at_once, 1);
        let log_reads = Turns::new(LOG_READS_MAX, LOG_READS_EACH);
        let checking = Arc::new(Semaphore::new(config.checks_at_once.max(1)));
        let upload_bytes = config.limits.verify_bytes.saturating_mul(config.checks_at_once.max(1));
        let uploads = Arc::new(Semaphore::new((upload_bytes / 1024).clamp(1024, Semaphore::MAX_PERMITS)));
        let (places, attempts) = (Places::default(), Attempts::default());
        let (rates, condition) = (Rates::default(), Mutex::default());
        let (following, watch) = (Arc::new(Semaphore::new(FOLLOWED_AT_ONCE)), OnceLock::new());
        let inner = Inner {
            archive,
            identity,
            config,
            places,
            attempts,
            rates,
            issuing,
            log_reads,
            checking,
            uploads,
            condition,
            following,
            watch,
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn weak(&self) -> WeakPortal {
        WeakPortal(Arc::downgrade(&self.inner))
    }

    pub(crate) fn archive(&self) -> &Archive {
        &self.inner.archive
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    pub(crate) fn config(&self) -> &PortalConfig {
        &self.inner.config
    }

    /// The watch over accesses. Made when first asked for, since it has a secret of its own.
    pub(crate) fn watch(&self) -> Result<&Watch, PageError> {
        if let Some(watch) = self.inner.watch.get() {
            return Ok(watch);
        }
        let archive = self.archive();
        let watch = Watch::new(archive.store().clone(), archive.shared_door())?;
        Ok(self.inner.watch.get_or_init(|| watch))
    }

    /// A place among the live pages that are followed at once.
    pub(crate) fn place_to_follow(&self) -> Result<OwnedSemaphorePermit, PageError> {
        Arc::clone(&self.inner.following).try_acquire_owned().map_err(|_| PageError::Busy)
    }

    pub(crate) fn places(&self) -> &Places {
        &self.inner.places
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.inner.rates
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// How the service is doing, as it was found within the last seconds.
    pub(crate) fn condition(&self) -> Result<Condition, PageError> {
        let store = self.archive().store();
        let mut known = self.inner.condition.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = store.clock().now().as_second();
        match &*known {
            Some(found) if now_s - found.at.as_second() < CONDITION_S => Ok(found.clone()),
            _ => Ok(known.insert(store.condition()?).clone()),
        }
    }

    /// Runs something that blocks, away from the threads that serve.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let portal = self.clone();
        match tokio::task::spawn_blocking(move || work(&portal)).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "work for a page was broken off");
                Err(PageError::Busy)
            }
        }
    }

    /// A turn at making a document for an account.
    pub(crate) async fn turn_to_issue(&self, account: Id16) -> Result<Turn, PageError> {
        self.inner.issuing.turn(account).await
    }

    /// A turn at a file of a log for an address, an IPv6 /64 as one, where one is left for it.
    pub(crate) fn turn_at_log(&self, address: &str) -> Option<Turn> {
        self.inner.log_reads.turn_now(base::source_bytes(address))
    }

    /// Memory for some kibibytes of an upload, held until it is dropped. Nobody waits for it: two that wait for each other's
    /// would both hold theirs.
    pub(crate) fn room_for_upload(&self, kibibytes: u32) -> Result<OwnedSemaphorePermit, PageError> {
        Arc::clone(&self.inner.uploads).try_acquire_many_owned(kibibytes).map_err(|_| PageError::Busy)
    }

    /// A turn at checking a document, for one that is here whole: who sends slowly holds nobody up.
    pub(crate) async fn turn_to_check(&self) -> Result<OwnedSemaphorePermit, PageError> {
        turn(&self.inner.checking).await
    }
}
