//! Why somebody looked: **no explanation**, **export without reason**, and **break-glass**.

use super::Seen;
use crate::facts::Reason;
use crate::finding::{Finding, Message};
use crate::params::{Params, Wording};
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

/// Staff looked, and neither the purpose nor the answer of the door says why, or the reason that they gave explains nothing: found
/// once for that reason, however much was looked at for it.
pub(super) fn no_explanation(seen: &Seen<'_>) -> Option<Finding> {
    if !seen.is_look_of_staff() || seen.is_export() {
        return None;
    }
    let rule = Rule::NoExplanation;
    if seen.facts.reason == Reason::Missing {
        return Some(seen.find(rule, Message::of(rule)));
    }
    let finding = explains_nothing(seen, rule)?;
    Some(Finding { entry: seen.entry.ground.unwrap_or(finding.entry), ..finding })
}

/// Somebody else's records were taken out, and no reason was given for taking them along, or one that explains nothing.
pub(super) fn export_without_reason(seen: &Seen<'_>) -> Option<Finding> {
    if !seen.is_export() || !seen.is_staff() || seen.facts.is_own {
        return None;
    }
    let rule = Rule::ExportWithoutReason;
    match seen.facts.reason {
        Reason::Given => explains_nothing(seen, rule),
        Reason::InPurpose | Reason::BreakGlass | Reason::Missing => Some(seen.find(rule, Message::of(rule))),
    }
}

/// Somebody opened records in an emergency: whoever watches hears of it now, and not when the review is due.
pub(super) fn break_glass(seen: &Seen<'_>) -> Option<Finding> {
    seen.find_where(seen.entry.action == seen.params.opens && seen.is_granted(), Rule::BreakGlass)
}

/// The reason that who looked gave for the ground says nothing, or the same about very many people.
fn explains_nothing(seen: &Seen<'_>, rule: Rule) -> Option<Finding> {
    let (params, stated) = (&seen.params.reason, seen.facts.stated.as_ref()?);
    if says_nothing(params, stated.text.expose()) {
        return Some(seen.find(rule, Message::of(rule).variant("empty")));
    }
    (stated.people >= params.people).then(|| {
        let message = Message::of(rule).variant("reused").with("people", stated.people);
        // One case of who does so, and not one of each person whom it was said of.
        Finding { subject: None, severity: params.reused, ..seen.find(rule, message) }
    })
}

fn says_nothing(params: &Wording, text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|each: char| !each.is_alphanumeric()).filter(|word| !word.is_empty());
    let is_jamo = |each: &char| ('\u{3131}'..='\u{318e}').contains(each);
    let letters: Vec<char> = text.chars().filter(|each| each.is_alphanumeric() && !is_jamo(each)).collect();
    letters.len() < params.letters || is_repeated(&letters) || words.all(|word| params.empty_words.contains(word))
}

/// Whether it is the same over and over: one letter, or one word.
fn is_repeated(letters: &[char]) -> bool {
    let again = |length: &usize| letters.chunks(*length).all(|chunk| *chunk == letters[..*length]);
    (1..=letters.len() / 2).filter(|length| letters.len().is_multiple_of(*length)).any(|length| again(&length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_or_nothing() {
        let now = "2026-11-27T12:00:00+09:00".parse().expect("a time");
        for (text, nothing) in [
            ("외래 진료", false),
            ("복통으로 오심", false),
            ("사본 발급 신청", false),
            ("chest pain", false),
            ("업무상 확인 요청", false),
            ("test", true),
            ("Test 확인", true),
            ("확인", true),
            ("ㅁㄴㅇㄹㅁㄴㅇㄹ", true),
            ("ㅋㅋㅋㅋㅋ", true),
            ("진료", true),
            ("진료 진료 진료", true),
            ("가가가가가", true),
            ("1234", true),
            ("... --- ...", true),
            ("", true),
        ] {
            assert_eq!(says_nothing(&Params::at(now).reason, text), nothing, "{text}");
        }
    }
}
