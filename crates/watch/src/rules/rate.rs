//! How much within how short a time: **bulk**, **velocity**, **enumeration**.

use super::Seen;
use crate::finding::{Finding, Message};
use crate::params::Params;
use crate::rule::Rule;
use crate::window::{Look, Tally, Windows};
use base::Id16;
use store::{AccessKey, AccessResult};

/// What the three rules remember.
#[derive(Debug)]
pub(super) struct Rates {
    bulk: Windows,
    velocity: Windows,
    enumeration: Windows,
}

impl Rates {
    pub fn new(params: &Params) -> Self {
        let limits = params.limits;
        let windows = |window_s| Windows::new(window_s, limits.accounts, limits.looks_per_account);
        Self {
            bulk: windows(params.bulk.window_s),
            velocity: windows(params.velocity.window_s),
            enumeration: windows(params.enumeration.window_s),
        }
    }

    pub fn observe(&mut self, seen: &Seen<'_>) -> Vec<Finding> {
        if seen.is_look_of_staff() {
            [bulk(&mut self.bulk, seen), velocity(&mut self.velocity, seen)].into_iter().flatten().collect()
        } else {
            enumeration(&mut self.enumeration, seen).into_iter().collect()
        }
    }
}

/// Very many records in a short time, of however many people.
fn bulk(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let params = seen.params.bulk;
    let tally = windows.add(seen.entry.actor.account, look(seen), |_, records| params.records <= records)?;
    Some(found(seen, Rule::Bulk, &tally, params.window_s))
}

/// More people than anybody can see to.
fn velocity(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let params = seen.params.velocity;
    let tally = windows.add(seen.entry.actor.account, look(seen), |people, _| params.people <= people)?;
    Some(found(seen, Rule::Velocity, &tally, params.window_s))
}

/// One record after another that is not theirs, whoever they are. Who did not sign in is known by where they come from.
fn enumeration(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let AccessResult::Denied { reason } = &seen.entry.result else { return None };
    let actor = &seen.entry.actor;
    let is_stranger = actor.assurance == 0 && *reason == seen.params.strangers;
    // The asker's own log has each refusal once more; it is nobody else's record.
    if !(seen.params.reaching.contains(reason) || is_stranger)
        || seen.entry.subject == actor.account
        || actor.role == "job"
    {
        return None;
    }
    let account = match actor.assurance {
        0 => Id16::derived(&["source", actor.source.expose()]),
        _ => actor.account,
    };
    let params = seen.params.enumeration;
    let tally = windows.add(account, look(seen), |people, _| params.people <= people)?;
    Some(found(seen, Rule::Enumeration, &tally, params.window_s))
}

fn look(seen: &Seen<'_>) -> Look {
    let entry = seen.entry;
    let key = AccessKey { subject: entry.subject, time: entry.time, id: entry.id };
    Look { key, person: seen.facts.person.unwrap_or(entry.subject), records: seen.records() }
}

fn found(seen: &Seen<'_>, rule: Rule, tally: &Tally, window_s: i64) -> Finding {
    let message = Message::of(rule)
        .with("people", tally.people)
        .with("records", tally.records)
        .with("seconds", window_s)
        .with("minutes", window_s.div_euclid(60).max(1));
    Finding { subject: None, others: tally.entries.clone(), ..seen.find(rule, message) }
}
