//! The account that looked: **off-hours**, **role mismatch**, **new device**, **dormant account**, **after revocation**.

use super::Seen;
use crate::facts::{Device, Hours, Reason, Shifts};
use crate::finding::{Finding, Message};
use crate::rule::Rule;
use base::{KOREA, Timestamp};
use store::AccessResult;

const MINUTES_A_DAY: i32 = 24 * 60;
/// What every role may be shown.
const EVERYTHING: &str = "*";

/// Staff looked when no institution of theirs works. Emergencies have a review of their own.
pub(super) fn off_hours(seen: &Seen<'_>) -> Option<Finding> {
    let shifts = &seen.facts.hours;
    if shifts.is_empty() || !seen.is_look_of_staff() || seen.facts.reason == Reason::BreakGlass {
        return None;
    }
    let minute = minute_of(seen.entry.time);
    let tolerance = seen.params.off_hours.tolerance_minutes;
    (!shifts.iter().any(|shifts| is_within(shifts, minute, tolerance))).then(|| {
        let time = format!("{:02}:{:02}", minute / 60, minute % 60);
        seen.find(Rule::OffHours, Message::of(Rule::OffHours).with("time", time))
    })
}

/// Minutes since midnight in Korea.
pub(crate) fn minute_of(time: Timestamp) -> i32 {
    let local = time.to_zoned(KOREA);
    i32::from(local.hour()) * 60 + i32::from(local.minute())
}

/// Whether a minute of today is within the hours of today, of the night before or of tomorrow's early morning.
fn is_within(shifts: &Shifts, minute: i32, tolerance: i32) -> bool {
    let days = [(shifts.yesterday, MINUTES_A_DAY), (Some(shifts.today), 0), (shifts.tomorrow, -MINUTES_A_DAY)];
    days.into_iter().any(|(hours, later)| {
        let Some(hours) = hours.filter(Hours::is_any) else { return false };
        let end = hours.to_minute + if hours.to_minute <= hours.from_minute { MINUTES_A_DAY } else { 0 };
        (hours.from_minute - tolerance..=end + tolerance).contains(&(minute + later))
    })
}

/// A kind of record that the role has no need of.
pub(super) fn role_mismatch(seen: &Seen<'_>) -> Option<Finding> {
    let kinds = seen.params.roles.get(&seen.entry.actor.role).filter(|_| seen.is_look_of_staff())?;
    if kinds.contains(EVERYTHING) {
        return None;
    }
    let strange: Vec<&str> =
        seen.entry.what.iter().map(|(kind, _)| kind.as_str()).filter(|kind| !kinds.contains(*kind)).collect();
    let first = strange.first()?;
    Some(
        seen.find(Rule::RoleMismatch, Message::of(Rule::RoleMismatch).with("kind", first).with("kinds", strange.len())),
    )
}

/// Staff from a network or on a device that their account never used, while it used others.
pub(super) fn new_device(seen: &Seen<'_>) -> Option<Finding> {
    let message = Message::of(Rule::NewDevice);
    let message = match seen.facts.device {
        Device::New => message,
        Device::SignedIn => message.variant("signed-in"),
        Device::Unknown | Device::Known => return None,
    };
    (seen.is_staff() && seen.is_granted()).then(|| seen.find(Rule::NewDevice, message))
}

/// An account of staff that nobody had used for long.
pub(super) fn dormant(seen: &Seen<'_>) -> Option<Finding> {
    let last = seen.facts.last_used.filter(|_| seen.is_staff())?;
    let days = seen.entry.time.duration_since(last).as_hours() / 24;
    let is_long = days >= seen.params.dormant_account.days;
    is_long.then(|| seen.find(Rule::DormantAccount, Message::of(Rule::DormantAccount).with("days", days)))
}

/// An account whose rights had ended. Where it was let in all the same, something is badly wrong.
pub(super) fn after_revocation(seen: &Seen<'_>) -> Option<Finding> {
    let revoked = seen.facts.revoked.filter(|revoked| seen.entry.time >= *revoked)?;
    let after = seen.entry.time.duration_since(revoked);
    let message = Message::of(Rule::AfterRevocation).with("minutes", after.as_mins());
    match seen.entry.result {
        // What was read was read before the entry was made, and may have been while the right was held.
        AccessResult::Granted if after.as_secs() < seen.params.after_revocation.margin_s => None,
        AccessResult::Granted => Some(seen.find(Rule::AfterRevocation, message)),
        AccessResult::Denied { .. } => Some(seen.find(Rule::AfterRevocation, message.variant("denied"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_past_midnight() {
        let day = Hours { from_minute: 9 * 60, to_minute: 18 * 60 };
        let night = Hours { from_minute: 21 * 60, to_minute: 6 * 60 };
        let closed = Hours { from_minute: 0, to_minute: 0 };
        let all_day = Hours { from_minute: 1, to_minute: 1 };
        for (hours, minute, within) in [
            ([closed, day, closed], 9 * 60 - 30, true),
            ([closed, day, closed], 9 * 60 - 31, false),
            ([closed, day, closed], 18 * 60 + 30, true),
            ([closed, day, closed], 18 * 60 + 31, false),
            ([night, night, night], 3 * 60, true),
            ([night, night, night], 23 * 60, true),
            ([night, night, night], 12 * 60, false),
            // The night belongs to the day on which it begins.
            ([night, closed, closed], 3 * 60, true),
            ([closed, night, night], 3 * 60, false),
            ([closed, night, closed], 23 * 60 + 59, true),
            ([closed, closed, Hours { from_minute: 10, to_minute: 60 }], 23 * 60 + 45, true),
            ([closed, closed, closed], 600, false),
            ([closed, all_day, closed], 600, true),
        ] {
            let [yesterday, today, tomorrow] = hours;
            let shifts = Shifts { yesterday: Some(yesterday), today, tomorrow: Some(tomorrow) };
            assert_eq!(is_within(&shifts, minute, 30), within, "{shifts:?} at {minute}");
        }
        let time: Timestamp = "2026-11-22T15:30:00Z".parse().expect("a time");
        assert_eq!(minute_of(time), 30);
    }
}
