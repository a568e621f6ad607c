//! How who looked is related to whose record it is: **household**, **self**, **colleague**.

use super::Seen;
use crate::finding::Finding;
use crate::rule::Rule;

/// Staff looked at somebody they live with, in their role at work.
pub(super) fn household(seen: &Seen<'_>) -> Option<Finding> {
    let other = seen.facts.is_household && !seen.facts.is_own;
    seen.find_where(seen.is_look_of_staff() && other, Rule::Household)
}

/// Staff looked at their own record in their role at work: their portal is the way to it.
pub(super) fn own(seen: &Seen<'_>) -> Option<Finding> {
    seen.find_where(seen.is_look_of_staff() && seen.facts.is_own, Rule::Own)
}

/// Staff looked at somebody who works where they work.
pub(super) fn colleague(seen: &Seen<'_>) -> Option<Finding> {
    let other = seen.facts.is_colleague && !seen.facts.is_own;
    seen.find_where(seen.is_look_of_staff() && other, Rule::Colleague)
}
