//! The rules, and the machine that puts entries to them. Sans I/O: entry, facts and what is remembered in, findings out.
//!
//! | file | rules |
//! |---|---|
//! | `reason` | no explanation, export without reason, break-glass |
//! | `relation` | household, self, colleague |
//! | `marked` | VIP, deceased, decoy record |
//! | `rate` | bulk, velocity (within a minute, within a day), enumeration, also of attempts that were only counted |
//! | `account` | off-hours, role mismatch, new device, dormant account, after revocation |
//! | `due` | break-glass unreviewed, log gap |

mod account;
mod due;
mod marked;
mod rate;
mod reason;
mod relation;

use crate::facts::{Facts, Gap, Overdue};
use crate::finding::{Finding, Message};
use crate::params::Params;
use crate::rule::Rule;
use base::{Id16, Timestamp};
use policy::Editions;
use store::{AccessEntry, AccessResult};

pub use reason::reason_of;

/// The machine that watches: rules and what they remember. The same entries with the same facts always give the same findings.
#[derive(Debug)]
pub struct Rules {
    editions: &'static Editions<Params>,
    /// What is counted, by the edition whose windows it is counted in: what begins under one threshold is not weighed by another.
    rates: Vec<(&'static Params, rate::Rates)>,
}

/// An entry as rules see it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    entry: &'a AccessEntry,
    facts: &'a Facts,
    params: &'a Params,
}

impl Rules {
    /// Rules that remember nothing yet.
    #[must_use]
    pub fn new(editions: &'static Editions<Params>) -> Self {
        let rates = editions.all().map(|params| (params, rate::Rates::new(params))).collect();
        Self { editions, rates }
    }

    /// Forgets what was counted but for people over a day, whom it counts once however often it is told of them.
    pub fn count_anew(&mut self) {
        self.rates.iter_mut().for_each(|(params, rates)| rates.count_anew(params));
    }

    /// Puts an entry to every rule, in the edition in force at its moment.
    pub fn observe(&mut self, entry: &AccessEntry, facts: &Facts) -> Vec<Finding> {
        let params = self.editions.at(entry.time);
        let seen = Seen { entry, facts, params };
        let mut findings = Vec::new();
        for rule in [
            reason::no_explanation,
            reason::export_without_reason,
            reason::break_glass,
            relation::household,
            relation::own,
            relation::colleague,
            marked::vip,
            marked::deceased,
            marked::decoy,
            account::off_hours,
            account::role_mismatch,
            account::new_device,
            account::dormant,
            account::after_revocation,
        ] {
            findings.extend(rule(&seen));
        }
        let counting = self.rates.iter_mut().filter(|(of, _)| std::ptr::eq(*of, params));
        findings.extend(counting.flat_map(|(_, rates)| rates.observe(&seen)));
        findings
    }

    /// What follows from time alone: broken glass whose review is overdue.
    #[must_use]
    pub fn overdue(&self, overdue: &[Overdue], now: Timestamp) -> Vec<Finding> {
        overdue.iter().map(|one| due::unreviewed(self.editions.at(now), one, now)).collect()
    }

    /// What follows from a gap in the log.
    #[must_use]
    pub fn gap(&self, gap: &Gap, now: Timestamp) -> Finding {
        due::gap(self.editions.at(now), gap, now)
    }
}

impl Seen<'_> {
    fn is_staff(&self) -> bool {
        !self.params.not_staff.contains(&self.entry.actor.role)
    }

    fn is_granted(&self) -> bool {
        self.entry.result == AccessResult::Granted
    }

    fn is_reading(&self) -> bool {
        !self.params.not_reading.contains(&self.entry.action)
    }

    /// Whether records went out of the installation.
    fn is_export(&self) -> bool {
        self.params.exports.contains(&self.entry.action) && self.is_granted()
    }

    /// Whether somebody who is no member of staff was shown the records of another.
    fn is_look_of_others(&self) -> bool {
        self.params.counted_too.contains(&self.entry.actor.role) && self.is_granted() && self.is_reading()
    }

    /// Whether a member of staff was shown somebody's records.
    fn is_look_of_staff(&self) -> bool {
        self.is_staff() && self.is_granted() && self.is_reading() && self.entry.subject != self.entry.actor.account
    }

    fn records(&self) -> u32 {
        self.entry.what.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn find(&self, rule: Rule, message: Message) -> Finding {
        Finding {
            rule,
            severity: self.params.severity[&rule],
            entry: self.entry.id,
            time: self.entry.time,
            actor: Some(self.entry.actor.account),
            subject: Some(self.entry.subject),
            amount: 1,
            others: Vec::new(),
            message: message.with("role", &self.entry.actor.role).with("action", &self.entry.action),
        }
    }

    /// The finding of a rule where it holds.
    fn find_where(&self, holds: bool, rule: Rule) -> Option<Finding> {
        holds.then(|| self.find(rule, Message::of(rule)))
    }
}

/// The id that a finding without an entry has: the same for the same gap.
fn id_of(parts: &[&str]) -> Id16 {
    Id16::derived(parts)
}
