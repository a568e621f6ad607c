//! How much within how short a time: **bulk**, **velocity** (within a minute, and within a day), **enumeration**, and a flood of
//! attempts that hides one.

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
    velocity_day: Windows,
    enumeration: Windows,
}

impl Rates {
    pub fn new(params: &Params) -> Self {
        let limits = params.limits;
        let windows = |window_s| Windows::new(window_s, limits.accounts, limits.looks_per_account);
        // A person is remembered once there: a little above the threshold is enough, for a whole day and every account.
        let day = params.velocity_day;
        let looks = usize::try_from(2 * day.people).unwrap_or(usize::MAX).min(limits.looks_per_account);
        Self {
            bulk: windows(params.bulk.window_s),
            velocity: windows(params.velocity.window_s),
            velocity_day: Windows::new(day.window_s, limits.accounts, looks).of_people(),
            enumeration: windows(params.enumeration.window_s),
        }
    }

    /// Forgets all but the people of the day.
    pub fn count_anew(&mut self, params: &Params) {
        let Self { bulk, velocity, enumeration, .. } = Self::new(params);
        (self.bulk, self.velocity, self.enumeration) = (bulk, velocity, enumeration);
    }

    pub fn observe(&mut self, seen: &Seen<'_>) -> Vec<Finding> {
        if seen.is_look_of_staff() {
            [bulk(&mut self.bulk, seen), self.people(seen)].into_iter().flatten().collect()
        } else if seen.is_look_of_others() {
            // One whole chart is what a representative comes for; many people are not.
            self.people(seen).into_iter().collect()
        } else if seen.entry.action == seen.params.turned_away {
            flood(seen).into_iter().collect()
        } else {
            enumeration(&mut self.enumeration, seen).into_iter().collect()
        }
    }

    /// An entry has one finding of a rule: that of the day, which comes once a day, goes before that of the minute.
    fn people(&mut self, seen: &Seen<'_>) -> Option<Finding> {
        let minute = velocity(&mut self.velocity, seen);
        velocity_day(&mut self.velocity_day, seen).or(minute)
    }
}

/// Very many records in a short time, of however many people.
fn bulk(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let params = seen.params.bulk;
    let tally = windows.add(seen.entry.actor.account, look(seen), |_, records| params.records <= records)?;
    Some(found(seen, Rule::Bulk, &tally, counts(Rule::Bulk, &tally, params.window_s)))
}

/// More people than anybody can see to.
fn velocity(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let params = seen.params.velocity;
    let tally = windows.add(seen.entry.actor.account, look(seen), |people, _| params.people <= people)?;
    Some(found(seen, Rule::Velocity, &tally, counts(Rule::Velocity, &tally, params.window_s)))
}

/// The same, slowly: all day long.
fn velocity_day(windows: &mut Windows, seen: &Seen<'_>) -> Option<Finding> {
    let params = seen.params.velocity_day;
    let tally = windows.add(seen.entry.actor.account, look(seen), |people, _| params.people <= people)?;
    let message = Message::of(Rule::Velocity)
        .variant("day")
        .with("people", tally.people)
        .with("hours", params.window_s.div_euclid(3_600).max(1));
    Some(found(seen, Rule::Velocity, &tally, message))
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
        0 => Id16::derived(&["source", &base::hex(&base::source_bytes(actor.source.expose()))]),
        _ => actor.account,
    };
    let params = seen.params.enumeration;
    let tally = windows.add(account, look(seen), |people, _| params.people <= people)?;
    Some(found(seen, Rule::Enumeration, &tally, counts(Rule::Enumeration, &tally, params.window_s)))
}

/// Attempts of strangers of which so many were only counted that nobody can say whose records they were at.
fn flood(seen: &Seen<'_>) -> Option<Finding> {
    let (params, attempts) = (seen.params.flood, seen.records());
    (params.attempts <= attempts).then(|| {
        let message = Message::of(Rule::Enumeration).variant("flood").with("attempts", attempts);
        let amount = u64::from(attempts);
        Finding { subject: None, amount, severity: params.severity, ..seen.find(Rule::Enumeration, message) }
    })
}

fn look(seen: &Seen<'_>) -> Look {
    let entry = seen.entry;
    let key = AccessKey { subject: entry.subject, time: entry.time, id: entry.id };
    Look { key, person: seen.facts.person.unwrap_or(entry.subject), records: seen.records() }
}

fn counts(rule: Rule, tally: &Tally, window_s: i64) -> Message {
    Message::of(rule)
        .with("people", tally.people)
        .with("records", tally.records)
        .with("seconds", window_s)
        .with("minutes", window_s.div_euclid(60).max(1))
}

fn found(seen: &Seen<'_>, rule: Rule, tally: &Tally, message: Message) -> Finding {
    let amount = if rule == Rule::Bulk { tally.records } else { tally.people };
    Finding { subject: None, amount, others: tally.entries.clone(), ..seen.find(rule, message) }
}
