//! The threads of `serve` that watch: one reads the access log, one makes alerts of what it found, and one for each destination
//! sends them. None holds up another, or who asks for a page.

use crate::Failure;
use crate::alerts::{self, Alerts, Sender, Teller};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use watch::{Watch, WatchError};

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
    /// Starts them.
    ///
    /// # Errors
    /// A destination's secret cannot be read, or no thread can be started.
    pub fn start(watch: &Watch, alerts: &Alerts) -> Result<Self, Failure> {
        let mut watching = Self { stop: Arc::new(AtomicBool::new(false)), threads: Vec::new() };
        let (teller, senders) = alerts::to_destinations(watch, alerts)?;
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
        watching.spawn("watch", reading)?;
        watching.spawn("alerts", move || tell(&teller))?;
        for sender in senders {
            watching.spawn(&format!("to {}", sender.name()), move || send(&sender))?;
        }
        Ok(watching)
    }

    /// A thread that does a step again and again, with the pause that the step gives in between.
    fn spawn(
        &mut self,
        name: &str,
        mut step: impl FnMut() -> Option<Duration> + Send + 'static,
    ) -> Result<(), Failure> {
        let stop = Arc::clone(&self.stop);
        let work = move || {
            while !stop.load(Ordering::SeqCst) {
                if let Some(pause) = step() {
                    std::thread::sleep(pause);
                }
            }
        };
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }
}

fn tell(teller: &Teller) -> Option<Duration> {
    match teller.step() {
        Ok(()) => Some(ALERT_PAUSE),
        Err(error) => wait(&error),
    }
}

fn send(sender: &Sender) -> Option<Duration> {
    match sender.step() {
        Ok(Some(_)) => None,
        Ok(None) => Some(ALERT_PAUSE),
        Err(error) => wait(&error),
    }
}

fn wait(error: &WatchError) -> Option<Duration> {
    tracing::warn!(%error, "alerts wait");
    Some(PAUSE_AFTER_FAULT)
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
