//! Alerts: tells destinations of new cases, by webhook and by mail. Each is a job of the store, tried again with growing pauses;
//! whether one arrives holds nothing up. An alert says which case, by which rule, how grave, when, and nothing about a person.

mod config;
mod mail;
mod webhook;

pub use config::Alerts;

use base::{Clock, Id16};
use config::Destination;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{JOB_ATTEMPTS_MAX, Job, Store};
use watch::{NewCase, Severity, Watch, WatchError};

/// The kind of these jobs.
const JOB: &str = "alert";
/// How long a destination may take until another attempt is made.
const LEASE_S: u32 = 120;
/// The pause after the first failure in seconds; it doubles with each further one.
const PAUSE_S: u32 = 5;
/// Alerts that are sent at the same time.
const AT_ONCE: usize = 16;
/// Most characters of a fault that is kept: what a server answers may be long.
const FAULT_CHARS: usize = 200;

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Alert {
    /// The case.
    case: String,
    rule: String,
    severity: String,
    /// When it was opened, RFC 3339.
    opened: String,
}

/// A job: an alert and where it goes.
#[derive(Debug, Serialize, Deserialize)]
struct Errand {
    destination: String,
    alert: Alert,
}

/// Sends alerts. One for a thread.
pub struct Sender {
    watch: Watch,
    store: Store,
    destinations: Vec<(String, Destination)>,
    least: Severity,
    clock: Arc<dyn Clock>,
    runtime: tokio::runtime::Runtime,
}

impl Sender {
    /// A sender to what a configuration names.
    ///
    /// # Errors
    /// A secret cannot be read, or a destination is not one.
    pub fn new(watch: Watch, alerts: &Alerts) -> Result<Self, crate::Failure> {
        let store = watch.store().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = store.clock();
        Ok(Self { watch, store, destinations: alerts.destinations()?, least: alerts.least()?, clock, runtime })
    }

    /// Makes jobs of new cases and does those that are due; gives how many alerts arrived.
    ///
    /// # Errors
    /// The store fails. A destination that fails is no error.
    pub fn step(&self) -> Result<usize, WatchError> {
        for new in self.watch.untold()? {
            self.enqueue(&new)?;
        }
        let mut arrived = 0;
        loop {
            let mut jobs = Vec::new();
            while jobs.len() < AT_ONCE
                && let Some(job) = self.store.take_job(JOB, LEASE_S)?
            {
                jobs.push(job);
            }
            if jobs.is_empty() {
                return Ok(arrived);
            }
            // Side by side: a destination that hangs must not keep an alert from the others.
            let outcomes: Vec<Result<bool, WatchError>> = std::thread::scope(|scope| {
                let sending: Vec<_> = jobs.iter().map(|job| scope.spawn(|| self.run(job))).collect();
                sending.into_iter().map(|one| one.join().expect("no sender panics")).collect()
            });
            for outcome in outcomes {
                arrived += usize::from(outcome?);
            }
        }
    }

    /// Does one job; gives whether its alert arrived.
    fn run(&self, job: &Job) -> Result<bool, WatchError> {
        let Ok(errand) = serde_json::from_slice::<Errand>(&job.payload) else {
            self.store.fail_job(job.id, "the job cannot be read".to_owned(), PAUSE_S)?;
            return Ok(false);
        };
        match self.send(&errand) {
            Ok(()) => {
                self.store.finish_job(job.id)?;
                self.watch.delivered(&errand.destination, None)?;
                Ok(true)
            }
            Err(fault) => {
                let fault: String = fault.chars().take(FAULT_CHARS).collect();
                let pause_s = PAUSE_S << job.attempt.saturating_sub(1).min(JOB_ATTEMPTS_MAX);
                tracing::warn!(
                    destination = errand.destination,
                    fault,
                    attempt = job.attempt,
                    "an alert did not arrive"
                );
                metrics::counter!("hanmaru_watch_alerts_failed").increment(1);
                self.store.fail_job(job.id, fault.clone(), pause_s)?;
                self.watch.delivered(&errand.destination, Some(fault))?;
                Ok(false)
            }
        }
    }

    /// The same case at the same destination is the same job, so that a crash in between sends nothing twice.
    fn enqueue(&self, new: &NewCase) -> Result<(), WatchError> {
        let is_grave = Severity::from_name(&new.severity).is_none_or(|severity| severity >= self.least);
        let alert = Alert {
            case: new.incident.to_string(),
            rule: new.rule.clone(),
            severity: new.severity.clone(),
            opened: new.opened.to_string(),
        };
        for (name, _) in self.destinations.iter().filter(|_| is_grave) {
            let id = Id16::derived(&["alert", &alert.case, name]);
            let errand = Errand { destination: name.clone(), alert: alert.clone() };
            let payload = serde_json::to_vec(&errand).expect("texts are JSON");
            self.store.add_job(id, JOB, payload)?;
        }
        self.watch.told(new.incident)
    }

    fn send(&self, errand: &Errand) -> Result<(), String> {
        let known = self.destinations.iter().find(|(name, _)| *name == errand.destination);
        match known {
            Some((_, Destination::Webhook(to))) => {
                self.runtime.block_on(webhook::send(to, &errand.alert, self.clock.now()))
            }
            Some((_, Destination::Mail(to))) => mail::send(to, &errand.alert),
            None => Err("the configuration names this destination no more".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
