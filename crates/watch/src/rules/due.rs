//! What no single entry shows: **break-glass unreviewed**, and **log gap**.

use super::id_of;
use crate::facts::{Gap, Overdue};
use crate::finding::{Finding, Message};
use crate::params::Params;
use crate::rule::Rule;
use base::Timestamp;

/// Glass that was broken, and that nobody has reviewed in time.
pub(super) fn unreviewed(params: &Params, one: &Overdue, now: Timestamp) -> Finding {
    let rule = Rule::BreakGlassUnreviewed;
    Finding {
        rule,
        severity: params.severity[&rule],
        entry: one.entry,
        time: one.time,
        actor: Some(one.actor),
        subject: Some(one.subject),
        amount: 1,
        others: Vec::new(),
        message: Message::of(rule).with("hours", now.duration_since(one.time).as_hours()),
    }
}

/// Something is missing in the log. The same gap is always the same finding.
pub(super) fn gap(params: &Params, gap: &Gap, now: Timestamp) -> Finding {
    let rule = Rule::LogGap;
    let message = Message::of(rule);
    let (entry, message) = match gap {
        Gap::Entries { from, to } => {
            let message = message.variant("entries").with("from", from).with("to", to).with("count", to - from + 1);
            (id_of(&["gap", "entries", &from.to_string(), &to.to_string()]), message)
        }
        Gap::NotInLog { from, to } => {
            let message = message.variant("not-in-log").with("from", from).with("to", to).with("count", to - from + 1);
            (id_of(&["gap", "not-in-log", &from.to_string(), &to.to_string()]), message)
        }
        Gap::Leaves { from, to } => {
            let message = message.variant("leaves").with("from", from).with("to", to).with("count", to - from + 1);
            (id_of(&["gap", "leaves", &from.to_string(), &to.to_string()]), message)
        }
        Gap::Unreadable { number } => {
            (id_of(&["gap", "unreadable", &number.to_string()]), message.variant("unreadable").with("number", number))
        }
        Gap::NoKey { key, after } => {
            (id_of(&["gap", "no-key", key, &after.to_string()]), Message::no_key().with("key", key))
        }
        Gap::Journal { file } => (id_of(&["gap", "journal", file]), message.variant("journal").with("file", file)),
    };
    let severity = params.severity[&rule];
    Finding { rule, severity, entry, time: now, actor: None, subject: None, amount: 1, others: Vec::new(), message }
}
