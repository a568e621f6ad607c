//! The threads of `serve` that watch: one reads the access log, one sends alerts. Neither holds up who asks for a page.

use crate::Failure;
use crate::alerts::{Alerts, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use watch::Watch;

/// Between two looks where nothing was new. With what entries take to the table, the rules see an access within a second.
const PAUSE: Duration = Duration::from_millis(100);
/// After a fault.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
/// Between two looks for alerts.
const ALERT_PAUSE: Duration = Duration::from_millis(500);

/// The running threads; they end when this is dropped.
pub struct Watching {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watching {
    /// Starts both.
    ///
    /// # Errors
    /// A destination's secret cannot be read, or no thread can be started.
    pub fn start(watch: &Watch, alerts: &Alerts) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut reader = watch.reader();
        let reading = move || match reader.step() {
            Ok(step) if step.more => None,
            Ok(_) => Some(PAUSE),
            Err(error) => {
                tracing::warn!(%error, "the access log is not watched for now");
                metrics::counter!("hanmaru_watch_faults").increment(1);
                Some(PAUSE_AFTER_FAULT)
            }
        };
        let sender = Sender::new(watch.clone(), alerts)?;
        let sending = move || match sender.step() {
            Ok(_) => Some(ALERT_PAUSE),
            Err(error) => {
                tracing::warn!(%error, "alerts wait");
                Some(PAUSE_AFTER_FAULT)
            }
        };
        let threads = vec![spawn("watch", &stop, reading)?, spawn("alerts", &stop, sending)?];
        Ok(Self { stop, threads })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A thread that does a step again and again, with the pause that the step gives in between.
fn spawn(
    name: &str,
    stop: &Arc<AtomicBool>,
    mut step: impl FnMut() -> Option<Duration> + Send + 'static,
) -> Result<JoinHandle<()>, Failure> {
    let stop = Arc::clone(stop);
    let work = move || {
        while !stop.load(Ordering::SeqCst) {
            if let Some(pause) = step() {
                std::thread::sleep(pause);
            }
        }
    };
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(work)?)
}
