//! Records that are marked: **VIP**, **deceased**, **decoy record**.

use super::Seen;
use crate::finding::{Finding, Message};
use crate::rule::Rule;
use store::AccessResult;

/// The role in which records are handed in, decoys among them.
const DEPOSITOR: &str = "depositor";
/// The purpose of looking at accesses, and not at records.
const OVERSIGHT: &str = "oversight";
/// The program itself.
const JOB: &str = "job";

/// Staff looked at somebody in the public eye.
pub(super) fn vip(seen: &Seen<'_>) -> Option<Finding> {
    seen.find_where(seen.is_look_of_staff() && seen.facts.is_vip, Rule::Vip)
}

/// Staff looked at somebody who died longer ago than certificates and reports take.
pub(super) fn deceased(seen: &Seen<'_>) -> Option<Finding> {
    let died = seen.facts.deceased.filter(|_| seen.is_look_of_staff())?;
    let days = seen.entry.time.duration_since(died).as_hours() / 24;
    let is_late = days > seen.params.deceased.grace_days;
    is_late.then(|| seen.find(Rule::Deceased, Message::of(Rule::Deceased).with("days", days)))
}

/// Anybody asked for a record that stands for nobody, whatever they were answered. Nobody has a reason to.
pub(super) fn decoy(seen: &Seen<'_>) -> Option<Finding> {
    let role = seen.entry.actor.role.as_str();
    let handing_in = role == JOB || (role == DEPOSITOR && !seen.is_reading());
    // Whoever sees to what was found about a decoy must not be found for it.
    let overseeing = seen.entry.purpose == OVERSIGHT && !seen.is_reading();
    if !seen.facts.is_decoy || handing_in || overseeing {
        return None;
    }
    let message = Message::of(Rule::Decoy);
    Some(match seen.entry.result {
        AccessResult::Granted => seen.find(Rule::Decoy, message),
        AccessResult::Denied { .. } => seen.find(Rule::Decoy, message.variant("denied")),
    })
}
