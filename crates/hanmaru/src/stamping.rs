//! Time-stamps on the checkpoints of both logs (RFC 3161), got from outside authorities every hour or as often as configured. A
//! thread of its own does it: sealing never waits for an authority, and one that fails is asked again.

use crate::config::{StampAuthorityConfig, TimeStamps};
use crate::web::{Web, is_safe};
use base::{Clock, Random};
use ledger::timestamp::{AUTHORITY_LEN_MAX, QUERY_CONTENT_TYPE, RESPONSE_LEN_MAX};
use ledger::{StampAuthority, StampRequest};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use store::{Log, Stamp, Store};

/// How long one authority may take.
const AUTHORITY_WAIT: Duration = Duration::from_secs(15);
/// How often it is looked whether a time-stamp is due, and so how long it takes until a failing authority is asked again.
const LOOK: Duration = Duration::from_secs(20);
/// Seconds by which an authority's clock may differ from ours before that is said.
const CLOCK_DIFFERENCE_S: u64 = 300;

/// The authorities, ready to be asked.
pub struct Stamping {
    interval_s: i64,
    authorities: Vec<Authority>,
    web: Web,
}

struct Authority {
    name: String,
    url: String,
    pinned: StampAuthority,
}

/// The thread that stamps. It ends when this is dropped.
pub struct StampThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Reads pinned certificates of an authority.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn read_authority(path: &Path) -> Result<StampAuthority, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut pem = Vec::new();
    let read = file.take(AUTHORITY_LEN_MAX as u64 + 1).read_to_end(&mut pem);
    read.map_err(|error| format!("cannot read {shown}: {error}"))?;
    StampAuthority::from_pem(&pem).map_err(|error| format!("{shown}: {error}"))
}

impl Stamping {
    /// The configured authorities.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub fn open(config: &TimeStamps) -> Result<Self, String> {
        if config.authorities.is_empty() || config.interval_minutes == 0 {
            return Err("[time_stamp] needs an authority, and an interval of at least one minute".to_owned());
        }
        let authorities = config.authorities.iter().map(Authority::open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { interval_s: config.interval_s(), authorities, web: Web::new(AUTHORITY_WAIT)? })
    }

    /// The authorities' pinned certificates, for checking what they stamped.
    pub fn pinned(&self) -> Vec<StampAuthority> {
        self.authorities.iter().map(|authority| authority.pinned.clone()).collect()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives none.
    pub fn start(self, store: Store, clock: Arc<dyn Clock>) -> std::io::Result<StampThread> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("time-stamps".to_owned()).spawn(move || {
            loop {
                for log in Log::ALL {
                    if let Err(error) = self.stamp_if_due(&store, log, &*clock) {
                        tracing::warn!(log = log.name(), error, "no time-stamp; it is asked for again");
                        metrics::counter!("hanmaru_stamp_faults", "log" => log.name()).increment(1);
                    }
                }
                if !matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        })?;
        Ok(StampThread { stop: Some(stop), thread: Some(thread) })
    }

    /// Gets a time-stamp for a log that has grown since the last one, where that is old enough.
    fn stamp_if_due(&self, store: &Store, log: Log, clock: &dyn Clock) -> Result<(), String> {
        let said = |error: store::StoreError| error.to_string();
        let Some(head) = store.checkpoint_to_stamp(log, self.interval_s).map_err(said)? else { return Ok(()) };
        let now_s = clock.now().as_second();
        let mut faults = Vec::new();
        for authority in &self.authorities {
            let text = head.checkpoint.to_string();
            match self.ask(authority, text.as_bytes(), &*store.random()) {
                Ok((token, time_s)) => {
                    if now_s.abs_diff(time_s) > CLOCK_DIFFERENCE_S {
                        tracing::warn!(
                            authority = authority.name,
                            "its clock and that of this machine differ by minutes"
                        );
                    }
                    let size = head.checkpoint.size;
                    tracing::info!(log = log.name(), size, authority = authority.name, "time-stamped");
                    let (note, name) = (head.note.clone(), authority.name.clone());
                    let genuine = |token: &[u8]| Some(authority.pinned.verify(token, text.as_bytes()).ok()?.time_s);
                    return store
                        .keep_stamp(log, Stamp { note, size, authority: name, time_s, token }, genuine)
                        .map_err(said);
                }
                Err(fault) => faults.push(format!("authority {}: {fault}", authority.name)),
            }
        }
        Err(faults.join("; "))
    }

    fn ask(&self, authority: &Authority, text: &[u8], random: &dyn Random) -> Result<(Vec<u8>, i64), String> {
        let mut nonce = [0; 8];
        random.fill(&mut nonce);
        let request = StampRequest::new(text, nonce);
        let answer = self.web.post(&authority.url, QUERY_CONTENT_TYPE, request.to_der(), RESPONSE_LEN_MAX);
        let answer = answer.map_err(|fault| fault.to_string())?;
        if answer.status != 200 {
            return Err(format!("it answers with status {}", answer.status));
        }
        let (token, stamp) =
            request.verify_response(&answer.body, &authority.pinned).map_err(|error| error.to_string())?;
        Ok((token, stamp.time_s))
    }
}

impl Authority {
    fn open(config: &StampAuthorityConfig) -> Result<Self, String> {
        let name = config.name.clone();
        if !is_safe(&config.url) && !config.url.starts_with("http://") {
            return Err(format!("[time_stamp] the address of authority {name} must start with https:// or http://"));
        }
        // Tokens are signed and tied to their request, so plain HTTP, which many authorities speak, can only keep them away.
        Ok(Self { name, url: config.url.clone(), pinned: read_authority(&config.certificates)? })
    }
}

impl Drop for StampThread {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
