//! The parameters of the rules: `policies/watch.toml`, compiled in and checked. Which rule says what, stands in `rules`.
//!
//! An entry of the log is judged by the edition in force at its moment, however late it is read: what was no finding on its day is none
//! by a threshold that came after. What follows from time alone goes by the edition in force when it is looked for, and the duties of a
//! case by that of when it was closed.

use crate::rule::{Outcome, Rule, Severity};
use base::Timestamp;
use policy::{EditionFault, Editions};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const FILE: &str = "watch.toml";
const TEXT: &str = include_str!("../../../policies/watch.toml");

/// Parameters of every rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Which edition this is; each finding names it.
    pub version: String,
    /// The duty behind it.
    pub source: String,
    /// Roles that look at what is their own, or at nothing by themselves.
    pub not_staff: BTreeSet<String>,
    /// Roles that are not staff, and whose looks at people are counted.
    pub counted_too: BTreeSet<String>,
    /// Actions that show somebody's records.
    pub reading: BTreeSet<String>,
    /// Actions that show nobody's records.
    pub not_reading: BTreeSet<String>,
    /// Actions that take records out.
    pub exports: BTreeSet<String>,
    /// The action that opens a record in an emergency.
    pub opens: String,
    /// The action under which attempts of strangers are counted.
    pub turned_away: String,
    /// Denials that come of reaching for what is another's.
    pub reaching: BTreeSet<String>,
    /// The denial of who did not sign in.
    pub strangers: String,
    /// Purposes that need no word of their own.
    pub purposes_that_explain: BTreeSet<String>,
    /// Purposes that point to something which is open.
    pub purposes_with_ground: BTreeSet<String>,
    /// The purpose of looks in an emergency.
    pub break_glass: String,
    /// How much is remembered.
    pub limits: Limits,
    /// How grave each rule's findings are.
    pub severity: BTreeMap<Rule, Severity>,
    /// When an open case is told of again.
    pub telling: Telling,
    /// For the rules no-explanation and export-without-reason.
    pub reason: Wording,
    /// For the rule deceased.
    pub deceased: Deceased,
    /// For the rule bulk.
    pub bulk: Bulk,
    /// For the rule velocity.
    pub velocity: People,
    /// For the rule velocity, over a day.
    pub velocity_day: People,
    /// For the rule enumeration.
    pub enumeration: People,
    /// For the rule enumeration, of attempts that were counted.
    pub flood: Flood,
    /// For the rule off-hours.
    pub off_hours: OffHours,
    /// For the rule dormant-account.
    pub dormant_account: Days,
    /// For the rule after-revocation.
    pub after_revocation: Margin,
    /// What a role may see, by kind.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// What follows when a case ends.
    #[serde(rename = "duty")]
    pub duties: Vec<Duty>,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Accounts whose last looks are remembered.
    pub accounts: usize,
    /// Looks of one account that are remembered.
    pub looks_per_account: usize,
}

/// When a case that is open is told of again.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telling {
    /// Hours after which it is.
    pub quiet_hours: i64,
    /// By how many times it has grown before that.
    pub times: u64,
}

/// Reasons that explain nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// Letters that one has at least.
    pub letters: usize,
    /// Words that say nothing by themselves, in small letters.
    pub empty_words: BTreeSet<String>,
    /// People that are too many for one and the same.
    pub people: u64,
    /// Within how many days.
    pub days: i64,
    /// How grave one and the same is.
    pub reused: Severity,
}

/// Looks after the end of a right.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    /// Seconds in which a reading that had begun may end.
    pub margin_s: i64,
}

/// Looks at the dead.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deceased {
    /// Days after a death in which looks are ordinary.
    pub grace_days: i64,
}

/// So many records within a time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The time in seconds.
    pub window_s: i64,
    /// Records that are too many.
    pub records: u64,
}

/// So many people within a time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// The time in seconds.
    pub window_s: i64,
    /// People that are too many.
    pub people: u64,
}

/// Attempts of strangers that were counted and not journalled.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flood {
    /// How many are a flood.
    pub attempts: u32,
    /// How grave it is.
    pub severity: Severity,
}

/// Looks outside working hours.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffHours {
    /// Minutes before and after working hours that are not asked about.
    pub tolerance_minutes: i32,
}

/// Some days.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// How many.
    pub days: i64,
}

/// Something to be done after a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// Its name: `watch-duty-SLUG` has its words.
    pub slug: String,
    /// After which outcome.
    pub outcome: Outcome,
    /// Within how many hours, where the source says so.
    pub within_hours: Option<u32>,
    /// Where it comes from.
    pub source: String,
}

impl Params {
    /// The editions that are compiled in.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[must_use]
    pub fn editions() -> &'static Editions<Self> {
        static EDITIONS: LazyLock<Editions<Params>> = LazyLock::new(|| Params::parse(TEXT).expect("a test reads them"));
        &EDITIONS
    }

    /// The parameters in force at a moment.
    #[must_use]
    pub fn at(moment: Timestamp) -> &'static Self {
        Self::editions().at(moment)
    }

    /// Reads editions of parameters and checks that in each every rule has its severity and every threshold can be reached.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str) -> Result<Editions<Self>, EditionFault> {
        Editions::read(FILE, text, Self::checked)
    }

    fn checked(params: Self) -> Result<Self, String> {
        if let Some(rule) = Rule::ALL.iter().find(|rule| !params.severity.contains_key(rule)) {
            return Err(format!("[severity] says nothing of {}", rule.name()));
        }
        if let Some(both) = params.reading.intersection(&params.not_reading).next() {
            return Err(format!("{both} cannot both show records and show none"));
        }
        if !params.not_reading.contains(&params.turned_away) {
            return Err(format!("{} is no action that shows nobody's records", params.turned_away));
        }
        let most = params.velocity.people.max(params.enumeration.people).max(params.velocity_day.people);
        if params.limits.looks_per_account as u64 <= most || params.limits.accounts == 0 {
            return Err("[limits] remembers less than a rule counts".to_owned());
        }
        let windows = [
            params.bulk.window_s,
            params.velocity.window_s,
            params.velocity_day.window_s,
            params.enumeration.window_s,
            params.telling.quiet_hours,
            params.reason.days,
        ];
        if windows.iter().any(|window| *window <= 0)
            || params.bulk.records == 0
            || most == 0
            || params.flood.attempts == 0
            || params.telling.times == 0
        {
            return Err("a window or a threshold is not more than 0".to_owned());
        }
        Ok(params)
    }

    /// The longest time over which something is counted but for people over a day, in seconds.
    #[must_use]
    pub fn longest_window_s(&self) -> i64 {
        self.bulk.window_s.max(self.velocity.window_s).max(self.enumeration.window_s)
    }

    /// What is to be done after an outcome.
    pub fn duties_of(&self, outcome: Outcome) -> impl Iterator<Item = &Duty> {
        self.duties.iter().filter(move |duty| duty.outcome == outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-27T12:00:00+09:00".parse().expect("a time")
    }

    #[test]
    fn the_compiled_in_parameters_are_whole() {
        let editions = Params::parse(TEXT).expect("they are valid");
        let params = editions.at(now());
        assert_eq!(params.longest_window_s(), 600);
        assert!(params.duties_of(Outcome::Breach).count() >= 3);
        assert!(params.duties.iter().all(|duty| !duty.source.is_empty()));
    }

    #[test]
    fn every_action_of_the_log_shows_records_or_does_not() {
        let params = Params::at(now());
        let actions: BTreeSet<&str> =
            policy::Action::ALL.iter().map(|action| action.name()).chain(store::ACTS).collect();
        let said: BTreeSet<&str> = params.reading.union(&params.not_reading).map(String::as_str).collect();
        assert_eq!(actions, said, "policies/watch.toml says of each action whether it shows records");
        assert!(params.exports.is_subset(&params.reading));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (from, to, why) in [
            ("\"appoint\",", "\"appoint\", \"issue\",", "both show records"),
            ("decoy = \"critical\"\n", "", "says nothing of decoy"),
            ("looks_per_account = 2000", "looks_per_account = 10", "remembers less"),
            ("window_s = 60\n", "window_s = 0\n", "not more than 0"),
            ("attempts = 500\n", "attempts = 0\n", "not more than 0"),
            ("turned_away = \"turn-away\"", "turned_away = \"issue\"", "no action"),
            ("[bulk]", "[bulky]", "bulky"),
        ] {
            let error = Params::parse(&TEXT.replace(from, to)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
