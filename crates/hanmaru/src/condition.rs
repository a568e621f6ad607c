//! How the hall is doing, in sentences for an operator: what stops it, and what does not yet. Measures nothing itself.

use crate::hall::Hall;
use store::{LogCondition, SiteCondition, Stamp, Witnessed};

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
            Ok(found) => {
                let mut condition = Self::in_words(&found);
                condition.notes.extend(found.logs.iter().filter_map(|log| unstamped_in(hall, log)));
                condition
            }
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
            if let (true, Some(oldest_s)) = (log.is_behind(), log.oldest_s) {
                let name = log.log.name();
                condition.notes.push(format!("the log {name} is behind: its oldest entry waits for {oldest_s} s"));
            }
        }
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
        let away = found.key_stores.iter().filter(|store| !store.reachable);
        let away = away.map(|store| (store.name.clone(), store.last_fault.clone())).collect();
        let (all, wanted) = (found.key_stores.len(), found.key_stores_wanted);
        condition.away("key store", away, all, wanted, "nothing that needs a new key is written");
        if let Some(drill) = found.drill.as_ref().filter(|drill| !drill.equal) {
            condition.notes.push(format!("the last restore drill, from site {}, failed: {}", drill.site, drill.result));
        }
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

/// What an operator should know of a site that is there.
fn site_notes(site: &SiteCondition, found: &store::Condition) -> Vec<String> {
    let (mut notes, name) = (Vec::new(), &site.status.name);
    if site.status.reachable && site.status.pending > 0 {
        notes.push(format!("site {name} is behind by {} objects, which are being copied", site.status.pending));
    }
    if let Some(scrub) = &site.scrub {
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

fn unstamped_in(hall: &Hall, log: &LogCondition) -> Option<String> {
    let newest = hall.store().newest_stamp(log.log).ok().flatten();
    let now_s = hall.machine_time().as_second();
    unstamped(log.log.name(), log.sealed, newest.as_ref(), now_s, hall.stamp_interval_s)
}

/// What is to be said of a log that should have a newer time-stamp: it has grown, and two intervals have passed.
pub fn unstamped(
    log: &str,
    sealed: u64,
    newest: Option<&Stamp>,
    now_s: i64,
    interval_s: Option<i64>,
) -> Option<String> {
    let interval_s = interval_s.filter(|_| sealed > 0)?;
    let since = match newest {
        None => "none of its entries is under a time-stamp yet".to_owned(),
        Some(stamp) if stamp.size < sealed && now_s.saturating_sub(stamp.time_s) > 2 * interval_s => {
            let minutes = now_s.saturating_sub(stamp.time_s) / 60;
            format!("its last time-stamp is {minutes} minutes old and over {} of {sealed} entries", stamp.size)
        }
        Some(_) => return None,
    };
    Some(format!("log {log}: {since}: the authorities do not answer, or `hanmaru serve` does not run"))
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
    fn a_time_stamp_may_be_two_intervals_old() {
        let stamp = Stamp { note: Vec::new(), size: 5, authority: "a".to_owned(), time_s: 1_000, token: Vec::new() };
        let said = |sealed, stamp, now| unstamped("records", sealed, stamp, now, Some(3_600));
        assert_eq!(unstamped("records", 9, None, 0, None), None, "none is configured");
        assert_eq!(said(0, None, 0), None, "there is nothing to stamp");
        assert!(said(9, None, 0).is_some_and(|said| said.contains("none of its entries")));
        assert_eq!(said(9, Some(&stamp), 8_200), None);
        assert!(said(9, Some(&stamp), 8_201).is_some_and(|said| said.contains("120 minutes old and over 5 of 9")));
        assert_eq!(said(5, Some(&stamp), 1 << 40), None, "it is over everything");
    }

    #[test]
    fn a_minute_is_no_fault() {
        assert_eq!(clock_fault(CLOCK_BEHIND_S), None);
        assert!(clock_fault(CLOCK_BEHIND_S + 1).is_some_and(|fault| fault.contains("61 s behind")));
    }
}
