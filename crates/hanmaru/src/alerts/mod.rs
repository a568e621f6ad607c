//! Alerts: tells destinations of new cases, by webhook and by mail. Each is a job of the store, in the queue of its destination,
//! and is tried again for days; a destination that is slow or away holds up nothing but its own alerts. An alert says which case,
//! by which rule, how grave, when, and nothing about a person.

mod config;
mod mail;
mod webhook;

pub use config::Alerts;

use base::{Clock, Id16};
use config::Destination;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Job, Jobs, Store};
use watch::{NewCase, Severity, Watch, WatchError};

/// The kind of these jobs, before the name of their destination.
const JOB: &str = "alert";
/// How long a destination may take until another attempt is made.
const LEASE_S: u32 = 120;
/// The pause after the first failure in seconds; it doubles with each further one.
const PAUSE_S: u32 = 5;
/// The longest pause. It goes on until [`store::JOB_ATTEMPTS_MAX`]: a mail server may be away for a long weekend.
const PAUSE_MAX_S: u32 = 600;
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

/// An alert as older programs queued it: all destinations in one queue, without a name of its own.
#[derive(Deserialize)]
struct Errand {
    alert: Alert,
}

/// Makes jobs of new cases.
pub struct Teller {
    watch: Watch,
    destinations: Vec<String>,
    least: Severity,
}

/// Sends the alerts of one destination. One for a thread.
pub struct Sender {
    watch: Watch,
    store: Store,
    name: String,
    kind: String,
    to: Destination,
    clock: Arc<dyn Clock>,
    runtime: tokio::runtime::Runtime,
}

/// A teller, and a sender for each destination that a configuration names. What older programs queued goes to each of these that it
/// has not reached; what still waits for others is given up.
///
/// # Errors
/// A secret cannot be read, a destination is not one, or the store fails.
pub fn to_destinations(watch: &Watch, alerts: &Alerts) -> Result<(Teller, Vec<Sender>), crate::Failure> {
    let store = watch.store();
    let mut senders = Vec::new();
    for (name, to) in alerts.destinations()? {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (kind, clock) = (kind(&name), store.clock());
        senders.push(Sender { watch: watch.clone(), store: store.clone(), name, kind, to, clock, runtime });
    }
    let destinations: Vec<String> = senders.iter().map(|sender| sender.name.clone()).collect();
    let each = destinations.clone();
    store.replace_jobs(JOB, move |payload| {
        let alert = serde_json::from_slice(payload).map(|Errand { alert }| alert);
        alert.map_or_else(|_| Vec::new(), |alert| each.iter().map(|name| job(&alert, 0, name)).collect())
    })?;
    for (kind, _) in store.jobs_by_kind()? {
        if kind.starts_with(JOB) && senders.iter().all(|sender| sender.kind != kind) {
            store.give_up_jobs(&kind, "the configuration names this destination no more".to_owned())?;
        }
    }
    Ok((Teller { watch: watch.clone(), destinations, least: alerts.least()? }, senders))
}

/// How the alerts of each destination that has any get on.
///
/// # Errors
/// The store fails.
pub fn waiting(store: &Store) -> Result<Vec<(String, Jobs)>, store::StoreError> {
    let of_destination = |(kind, jobs): (String, Jobs)| Some((kind.strip_prefix(JOB)?.trim().to_owned(), jobs));
    Ok(store.jobs_by_kind()?.into_iter().filter_map(of_destination).collect())
}

/// An alert as a job: id, kind and payload. The same case at the same destination is the same job, so that a crash in between
/// sends nothing twice; where it is told of again, it is another.
fn job(alert: &Alert, tellings: u32, destination: &str) -> (Id16, String, Vec<u8>) {
    let again = tellings.to_string();
    let parts = ["alert", &*alert.case, destination, &*again];
    let id = Id16::derived(if tellings == 0 { &parts[..3] } else { &parts });
    (id, kind(destination), serde_json::to_vec(alert).expect("texts are JSON"))
}

fn kind(destination: &str) -> String {
    format!("{JOB} {destination}")
}

impl Teller {
    /// Makes jobs of cases that are new, or went on.
    ///
    /// # Errors
    /// The store fails.
    pub fn step(&self) -> Result<(), WatchError> {
        self.watch.untold()?.iter().try_for_each(|new| self.enqueue(new))
    }

    fn enqueue(&self, new: &NewCase) -> Result<(), WatchError> {
        let is_grave = Severity::from_name(&new.severity).is_none_or(|severity| severity >= self.least);
        let alert = Alert {
            case: new.incident.to_string(),
            rule: new.rule.clone(),
            severity: new.severity.clone(),
            opened: new.opened.to_string(),
        };
        for name in self.destinations.iter().filter(|_| is_grave) {
            let (id, kind, payload) = job(&alert, new.tellings, name);
            self.watch.store().add_job(id, &kind, payload)?;
        }
        self.watch.told(new.incident)
    }
}

impl Sender {
    /// The name of its destination.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends one alert that is due; gives whether it arrived, `None` where none is due.
    ///
    /// # Errors
    /// The store fails. A destination that fails is no error.
    pub fn step(&self) -> Result<Option<bool>, WatchError> {
        let Some(job) = self.store.take_job(&self.kind, LEASE_S)? else { return Ok(None) };
        let fault = match serde_json::from_slice(&job.payload) {
            Ok(alert) => self.send(&alert).err(),
            Err(_) => Some("the job cannot be read".to_owned()),
        };
        let fault = fault.map(|fault| fault.chars().take(FAULT_CHARS).collect::<String>());
        match &fault {
            None => self.store.finish_job(job.id)?,
            Some(fault) => self.failed(&job, fault)?,
        }
        let arrived = fault.is_none();
        self.watch.delivered(&self.name, fault)?;
        Ok(Some(arrived))
    }

    fn failed(&self, job: &Job, fault: &str) -> Result<(), WatchError> {
        // Beyond seven times the double it is the longest anyway.
        let pause_s = (PAUSE_S << job.attempt.saturating_sub(1).min(7)).min(PAUSE_MAX_S);
        tracing::warn!(destination = self.name, fault, attempt = job.attempt, "an alert did not arrive");
        metrics::counter!("hanmaru_watch_alerts_failed").increment(1);
        Ok(self.store.fail_job(job.id, fault.to_owned(), pause_s)?)
    }

    fn send(&self, alert: &Alert) -> Result<(), String> {
        match &self.to {
            Destination::Webhook(to) => self.runtime.block_on(webhook::send(to, alert, self.clock.now())),
            Destination::Mail(to) => mail::send(to, alert),
        }
    }
}

#[cfg(test)]
mod tests;
