//! Why somebody looked: **no explanation**, **export without reason**, and **break-glass**.

use super::Seen;
use crate::facts::Reason;
use crate::finding::Finding;
use crate::params::Params;
use crate::rule::Rule;
use store::AccessEntry;

/// What an entry says about why.
#[must_use]
pub fn reason_of(params: &Params, entry: &AccessEntry) -> Reason {
    if entry.explanation.trim().is_empty() {
        Reason::Missing
    } else if entry.purpose == params.break_glass && entry.ground.is_some() {
        Reason::BreakGlass
    } else if params.purposes_with_ground.contains(&entry.purpose) && entry.ground.is_some() {
        Reason::Given
    } else if params.purposes_that_explain.contains(&entry.purpose) {
        Reason::InPurpose
    } else {
        Reason::Missing
    }
}

/// Staff looked, and neither the purpose nor the answer of the door says why.
pub(super) fn no_explanation(seen: &Seen<'_>) -> Option<Finding> {
    seen.find_where(seen.is_look_of_staff() && seen.facts.reason == Reason::Missing, Rule::NoExplanation)
}

/// Somebody else's records were taken out, and no reason was given for taking them along.
pub(super) fn export_without_reason(seen: &Seen<'_>) -> Option<Finding> {
    let is_export = seen.params.exports.contains(&seen.entry.action) && seen.is_granted();
    let reason = matches!(seen.facts.reason, Reason::Given);
    seen.find_where(is_export && seen.is_staff() && !seen.facts.is_own && !reason, Rule::ExportWithoutReason)
}

/// Somebody opened records in an emergency: whoever watches hears of it now, and not when the review is due.
pub(super) fn break_glass(seen: &Seen<'_>) -> Option<Finding> {
    seen.find_where(seen.entry.action == seen.params.opens && seen.is_granted(), Rule::BreakGlass)
}
