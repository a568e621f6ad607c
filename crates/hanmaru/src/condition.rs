//! How the hall is doing, in sentences for an operator: what stops it, and what does not yet. Measures nothing itself.

use crate::hall::Hall;
use store::Witnessed;

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
        let health = hall.store().health();
        let mut condition = Self { faults: health.faults.into_iter().flatten().collect(), notes: Vec::new() };
        for (place, log) in LOGS.into_iter().enumerate() {
            condition.notes.extend(unwitnessed(log, health.published[place], health.witnessed[place].as_ref()));
        }
        if let Err(error) = hall.store().probe() {
            condition.faults.push(format!("nobody can read or write records: {error}"));
        }
        let sites = health.sites.into_iter().filter(|site| !site.reachable).map(|site| (site.name, site.last_fault));
        let stores = hall.key_stores.status().into_iter().filter(|store| !store.reachable);
        let stores = stores.map(|store| (store.name, store.last_fault));
        let (all, wanted) = (hall.sites.status().len(), hall.sites.quorum());
        condition.away("site", sites.collect(), all, wanted, "nothing is sealed, deposited or issued");
        let (all, wanted) = (hall.key_stores.status().len(), hall.key_stores.quorum());
        condition.away("key store", stores.collect(), all, wanted, "nothing that needs a new key is written");
        match hall.clock_behind_s() {
            Ok(behind_s) => condition.faults.extend(clock_fault(behind_s)),
            Err(error) => condition.faults.push(error.to_string()),
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

/// The logs, by their places in a report of health.
pub const LOGS: [&str; 2] = ["records", "access"];

/// What is to be said of a log whose newest entries are sealed and not witnessed.
pub fn unwitnessed(log: &str, sealed: u64, witnessed: Option<&Witnessed>) -> Option<String> {
    let Witnessed { size, fault } = witnessed?;
    // A head is published a moment before it is noted as witnessed; only a fault that was told is one.
    let fault = fault.as_ref().filter(|_| *size < sealed)?;
    Some(format!("log {log}: {} of {sealed} entries are sealed and NOT witnessed: {fault}", sealed - size))
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
    fn a_minute_is_no_fault() {
        assert_eq!(clock_fault(CLOCK_BEHIND_S), None);
        assert!(clock_fault(CLOCK_BEHIND_S + 1).is_some_and(|fault| fault.contains("61 s behind")));
    }
}
