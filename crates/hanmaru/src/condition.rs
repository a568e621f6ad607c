//! How the hall is doing, in sentences for an operator: what stops it, and what does not yet. Measures nothing itself.

use crate::hall::Hall;
use store::{Drill, DrillOutcome, Grade, Jobs, LogCondition, SiteCondition, Witnessed};

/// Seconds by which the clock may be behind the newest time recorded before that is a fault.
const CLOCK_BEHIND_S: u64 = 60;

/// What an operator has to know, a sentence each.
#[derive(Debug, Default)]
pub struct Condition {
    /// Something does not work.
    pub faults: Vec<String>,
    /// Everything works, and something needs a person all the same.
    pub notes: Vec<String>,
}

impl Condition {
    /// As far as this process knows, and what the database says of time.
    pub fn of(hall: &Hall) -> Self {
        let mut condition = match hall.store().condition() {
            Ok(found) => Self::in_words(&found),
            Err(error) => Self { faults: vec![error.to_string()], notes: Vec::new() },
        };
        match hall.clock_behind_s() {
            Ok(behind_s) => condition.faults.extend(clock_fault(behind_s)),
            Err(error) => condition.faults.push(error.to_string()),
        }
        condition
    }

    /// What was found, in sentences.
    pub fn in_words(found: &store::Condition) -> Self {
        let mut condition = Self::default();
        for log in &found.logs {
            condition.faults.extend(log.fault.clone());
            condition.notes.extend(unwitnessed(log.log.name(), log.sealed, log.witnessed.as_ref()));
            condition.notes.extend(unstamped(log, found.at.as_second()));
            condition.notes.extend(unwatched(log));
            if let (true, Some(oldest_s)) = (log.is_behind(), log.oldest_s) {
                let name = log.log.name();
                condition.notes.push(format!("the log {name} is behind: its oldest entry waits for {oldest_s} s"));
            }
        }
        condition.notes.extend(undelivered(found.jobs));
        if let Some(fault) = &found.disk_fault {
            condition.faults.push(format!("nobody can read or write records: {fault}"));
        }
        let away: Vec<_> = found.sites.iter().map(|site| &site.status).filter(|site| !site.reachable).collect();
        let away = away.into_iter().map(|site| (site.name.clone(), site.last_fault.clone())).collect();
        let (all, wanted) = (found.sites.len(), found.sites_wanted);
        condition.away("site", away, all, wanted, "nothing is sealed, deposited or issued, reading goes on");
        for site in &found.sites {
            condition.notes.extend(site_notes(site, found));
        }
        condition.notes.extend(unread(&found.sites));
        let away = found.key_stores.iter().filter(|store| !store.reachable);
        let away = away.map(|store| (store.name.clone(), store.last_fault.clone())).collect();
        let (all, wanted) = (found.key_stores.len(), found.key_stores_wanted);
        condition.away("key store", away, all, wanted, "nothing that needs a new key is written");
        condition.notes.extend(drill_note(found));
        condition
    }

    fn away(
        &mut self,
        kind: &str,
        away: Vec<(String, Option<vault::Fault>)>,
        all: usize,
        wanted: usize,
        otherwise: &str,
    ) {
        let left = all - away.len();
        if left < wanted {
            self.faults.push(format!("{left} of {all} {kind}s can be used and {wanted} must be: {otherwise}"));
        }
        self.notes.extend(away.into_iter().map(|(name, fault)| match fault {
            Some(fault) => format!("{kind} {name} is away: {fault}"),
            None => format!("{kind} {name} is away"),
        }));
    }
}

/// What is to be said of a log whose newest entries are sealed and not witnessed.
pub fn unwitnessed(log: &str, sealed: u64, witnessed: Option<&Witnessed>) -> Option<String> {
    let Witnessed { size, fault } = witnessed?;
    // A head is published a moment before it is noted as witnessed; only a fault that was told is one.
    let fault = fault.as_ref().filter(|_| *size < sealed)?;
    Some(format!("log {log}: {} of {sealed} entries are sealed and NOT witnessed: {fault}", sealed - size))
}

/// What an operator should know of the last restore drill.
fn drill_note(found: &store::Condition) -> Option<String> {
    match &found.drill {
        _ if found.drill_grade() == Grade::Well => None,
        None => Some("a restore drill was never made: run `hanmaru rebuild --from SITE --drill`".to_owned()),
        Some(Drill { outcome: DrillOutcome::Unequal, site, result, .. }) => {
            Some(format!("the last restore drill, from site {site}, failed: {result}"))
        }
        Some(_) => Some("the last restore drill is long ago: run `hanmaru rebuild --from SITE --drill`".to_owned()),
    }
}

/// What an operator should know of a site that is there.
fn site_notes(site: &SiteCondition, found: &store::Condition) -> Vec<String> {
    let (mut notes, name) = (Vec::new(), &site.status.name);
    if site.status.reachable && site.status.pending > 0 {
        notes.push(format!("site {name} is behind by {} objects, which are being copied", site.status.pending));
    }
    if let Some(scrub) = &site.scrub {
        if let Some(fault) = &scrub.fault {
            notes.push(format!("site {name} could not be read back whole: {fault}"));
        }
        if scrub.lost > 0 {
            notes.push(format!(
                "when site {name} was read back, {} objects were found nowhere: run `hanmaru scrub`",
                scrub.lost
            ));
        } else if scrub.found > scrub.repaired {
            notes.push(format!("site {name} holds damaged objects that could not be put right: run `hanmaru scrub`"));
        }
        let days = (found.at.as_second() - scrub.ended.as_second()) / 86_400;
        if days > store::SCRUB_DAYS_MAX {
            notes.push(format!("site {name} was last read back whole {days} days ago: run `hanmaru scrub`"));
        }
    }
    notes
}

/// What an operator should know of sites that are there and were never scrubbed, all of them at once: so a new installation has them.
fn unread(sites: &[SiteCondition]) -> Option<String> {
    let names = sites.iter().filter(|site| site.status.reachable && site.scrub.is_none());
    let names: Vec<&str> = names.map(|site| site.status.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("sites that were never read back whole: {names}: run `hanmaru scrub`, or leave it to `hanmaru serve`")
    })
}

/// What is to be said of a log that should have a newer time-stamp by now.
pub fn unstamped(log: &LogCondition, now_s: i64) -> Option<String> {
    let (name, sealed) = (log.log.name(), log.sealed);
    let since = match &log.stamped {
        _ if !log.stamp_overdue => return None,
        None => "none of its entries is under a time-stamp yet".to_owned(),
        Some(stamped) => {
            let minutes = now_s.saturating_sub(stamped.at.as_second()) / 60;
            format!("its last time-stamp is {minutes} minutes old and over {} of {sealed} entries", stamped.size)
        }
    };
    Some(format!("log {name}: {since}: the authorities do not answer, or `hanmaru serve` does not run"))
}

/// What is to be said where rules do not come to look at accesses.
pub fn unwatched(log: &LogCondition) -> Option<String> {
    let behind_s = log.unwatched_s.filter(|_| log.is_unwatched())?;
    Some(format!(
        "accesses are not watched: the oldest that no rule has looked at is {behind_s} s old: `hanmaru serve` does not run, or \
         its log says why"
    ))
}

/// What is to be said where alerts do not arrive.
pub fn undelivered(jobs: Jobs) -> Option<String> {
    let Jobs { again, failed, .. } = jobs;
    (!jobs.get_on()).then(|| {
        format!(
            "alerts do not arrive: {again} failed and are tried again, {failed} were given up in the last 7 days: \
             `hanmaru watch alerts` says where and why"
        )
    })
}

/// What is wrong where the clock is so far behind what was recorded.
pub fn clock_fault(behind_s: u64) -> Option<String> {
    (behind_s > CLOCK_BEHIND_S).then(|| {
        format!(
            "this machine's clock is {behind_s} s behind what was already recorded, and nobody can sign in: set it right, or, \
             where it ran ahead before, run `hanmaru clock reset`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_away_is_a_note_and_two_are_a_fault() {
        let away = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), None)).collect();
        let mut condition = Condition::default();
        condition.away("site", away(&["c"]), 3, 2, "nothing is sealed");
        assert_eq!((condition.faults.len(), &condition.notes[..]), (0, &["site c is away".to_owned()][..]));
        condition.away("site", away(&["b", "c"]), 3, 2, "nothing is sealed");
        assert_eq!(condition.faults, ["1 of 3 sites can be used and 2 must be: nothing is sealed"]);
        assert_eq!(condition.notes.len(), 3);
    }

    #[test]
    fn entries_without_a_quorum_are_counted() {
        let witnessed = |size, fault: Option<&str>| Witnessed { size, fault: fault.map(str::to_owned) };
        assert_eq!(unwitnessed("records", 9, None), None);
        assert_eq!(unwitnessed("records", 9, Some(&witnessed(9, None))), None);
        let said = unwitnessed("records", 9, Some(&witnessed(4, Some("witness W is away")))).expect("said");
        assert_eq!(said, "log records: 5 of 9 entries are sealed and NOT witnessed: witness W is away");
    }

    #[test]
    fn an_overdue_time_stamp_says_how_old_the_last_one_is() {
        let at = base::Timestamp::from_second(1_000).expect("a time");
        let mut log = LogCondition { sealed: 9, ..LogCondition::empty(store::Log::Records) };
        assert_eq!(unstamped(&log, 8_201), None);
        log.stamp_overdue = true;
        assert!(unstamped(&log, 8_201).is_some_and(|said| said.contains("none of its entries")));
        log.stamped = Some(store::Stamped { size: 5, at, authority: "a".to_owned() });
        assert!(unstamped(&log, 8_201).is_some_and(|said| said.contains("120 minutes old and over 5 of 9")));
    }

    #[test]
    fn sites_that_were_never_read_back_are_named_with_what_to_do() {
        let site = |name: &str, reachable| SiteCondition {
            status: vault::SiteStatus { name: name.to_owned(), reachable, pending: 0, last_fault: None },
            scrub: None,
        };
        let said = unread(&[site("a", true), site("b", true), site("c", false)]).expect("said");
        assert!(said.contains("never read back whole: a, b: run `hanmaru scrub`"), "{said}");
        assert_eq!(unread(&[site("c", false)]), None, "that it is away is said already");
        let scrub = store::LastScrub {
            site: "a".to_owned(),
            ended: base::Timestamp::UNIX_EPOCH,
            objects: 1,
            bytes: 1,
            found: 0,
            repaired: 0,
            unknown: 0,
            lost: 0,
            fault: None,
        };
        assert_eq!(unread(&[SiteCondition { scrub: Some(scrub), ..site("a", true) }]), None);
    }

    #[test]
    fn alerts_that_fail_are_counted() {
        assert_eq!(undelivered(Jobs { waiting: 4, ..Jobs::default() }), None, "they wait their turn");
        let said = undelivered(Jobs { waiting: 4, again: 2, failed: 1 }).expect("said");
        assert!(said.contains("2 failed and are tried again, 1 were given up"), "{said}");
    }

    #[test]
    fn a_watch_that_stands_still_is_told_of() {
        let mut log = LogCondition { unwatched_s: Some(60), ..LogCondition::empty(store::Log::Access) };
        assert_eq!(unwatched(&log), None, "it is a moment behind");
        log.unwatched_s = Some(61);
        assert!(unwatched(&log).is_some_and(|said| said.contains("61 s old")));
    }

    #[test]
    fn a_minute_is_no_fault() {
        assert_eq!(clock_fault(CLOCK_BEHIND_S), None);
        assert!(clock_fault(CLOCK_BEHIND_S + 1).is_some_and(|fault| fault.contains("61 s behind")));
    }
}
