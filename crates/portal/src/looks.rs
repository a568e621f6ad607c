//! Who looked, put together as people think of it: what was done under one answer of the door is one look, and looks of one
//! day that differ only in time and in what was seen are told together. Plain data; no words of any language.

use crate::words::day_of;
use archive::Accessed;
use base::{Id16, Timestamp};
use jiff::civil::Date;
use policy::InstitutionCode;
use std::collections::HashMap;

/// An attempt that names its patient is refused twice, for the patient and for the record, within this time.
const ONE_ATTEMPT_MS: i128 = 1_000;

/// Looks of one day by the same person, from the same place, for the same purpose, with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sitting {
    /// What all of them share.
    pub shared: Shared,
    /// Each of them, newest first; never empty.
    pub looks: Vec<Look>,
}

/// What the looks of a sitting share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    /// The day in Korea.
    pub day: Date,
    /// The name of whoever looked.
    pub who: String,
    pub role: String,
    /// With how many factors they had signed in.
    pub factors: u8,
    /// Whether it was done in the person's own account.
    pub own: bool,
    pub source: String,
    pub action: String,
    pub purpose: String,
    /// The ground that all of them point to.
    pub ground: Option<Id16>,
    /// Why it was denied.
    pub denied: Option<String>,
}

/// One look, or one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub time: Timestamp,
    /// What was seen of which institution.
    pub seen: Vec<Seen>,
}

/// What was seen of one institution: kinds and how many of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub institution: Option<InstitutionCode>,
    pub what: Vec<(String, u32)>,
}

impl Sitting {
    /// When the first and the last of its looks were.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        let times = || self.looks.iter().map(|look| look.time);
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    /// The institutions that were looked at, each once.
    pub fn institutions(&self) -> Vec<&InstitutionCode> {
        let mut all: Vec<&InstitutionCode> = Vec::new();
        for code in self.looks.iter().flat_map(|look| &look.seen).filter_map(|seen| seen.institution.as_ref()) {
            if !all.contains(&code) {
                all.push(code);
            }
        }
        all
    }
}

/// Puts entries, newest first, together. Every entry is in one look, and every look in one sitting; sittings stand in the
/// order of their newest look.
pub(crate) fn sittings(entries: Vec<Accessed>) -> Vec<Sitting> {
    let mut sittings: Vec<Sitting> = Vec::new();
    let mut places: HashMap<Shared, usize> = HashMap::new();
    for (shared, look) in looks(entries) {
        let place = *places.entry(shared.clone()).or_insert(sittings.len());
        match sittings.get_mut(place) {
            Some(sitting) => sitting.looks.push(look),
            None => sittings.push(Sitting { shared, looks: vec![look] }),
        }
    }
    sittings
}

/// A look under way: what it is known by.
struct Known {
    shared: Shared,
    look: Look,
    /// Whether it was put together of the two refusals of one attempt.
    whole: bool,
}

fn looks(entries: Vec<Accessed>) -> Vec<(Shared, Look)> {
    let mut known: Vec<Known> = Vec::new();
    let mut places: HashMap<(Id16, Shared), usize> = HashMap::new();
    for entry in entries {
        let (time, decision) = (entry.time, entry.decision);
        let (shared, seen) = taken_apart(entry);
        if let Some(one) = places.get(&(decision, shared.clone())).and_then(|place| known.get_mut(*place)) {
            add(&mut one.look.seen, seen);
        } else if let Some(other) = known.iter_mut().rev().find(|other| is_same_attempt(other, &shared, time, &seen)) {
            if seen.institution.is_some() {
                other.look.seen = vec![seen];
            }
            other.whole = true;
        } else {
            places.insert((decision, shared.clone()), known.len());
            known.push(Known { shared, look: Look { time, seen: vec![seen] }, whole: false });
        }
    }
    known.into_iter().map(|one| (one.shared, one.look)).collect()
}

fn taken_apart(entry: Accessed) -> (Shared, Seen) {
    let shared = Shared {
        day: day_of(entry.time),
        who: entry.who.expose().clone(),
        role: entry.role,
        factors: entry.factors,
        own: entry.is_self,
        source: entry.source.expose().clone(),
        action: entry.action,
        purpose: entry.purpose,
        ground: entry.ground,
        denied: entry.denied,
    };
    (shared, Seen { institution: entry.institution, what: entry.what })
}

/// Records are found first and read then, which are two entries that count the same records: the larger count is kept.
fn add(all: &mut Vec<Seen>, seen: Seen) {
    let Some(there) = all.iter_mut().find(|there| there.institution == seen.institution) else {
        all.push(seen);
        return;
    };
    for (kind, count) in seen.what {
        match there.what.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, most)) => *most = (*most).max(count),
            None => there.what.push((kind, count)),
        }
    }
}

/// Whether an entry and a look before it are the two refusals of one attempt: the patient that was named, which no
/// institution is known of, and the record.
fn is_same_attempt(other: &Known, shared: &Shared, time: Timestamp, seen: &Seen) -> bool {
    let names = |seen: &Seen| seen.institution.is_some();
    let apart_ms = other.look.time.duration_since(time).as_millis().abs();
    shared.denied.is_some()
        && !other.whole
        && other.shared == *shared
        && apart_ms < ONE_ATTEMPT_MS
        && other.look.seen.iter().any(names) != names(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::access::sample_entry;
    use base::Redacted;

    fn entry(second: i64, decision: u8, action: &str, what: &[(&str, u32)]) -> Accessed {
        Accessed {
            time: Timestamp::from_second(1_800_000_000 + second).expect("2027"),
            decision: Id16([decision; 16]),
            what: what.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            ..sample_entry(0, action)
        }
    }

    fn refused(second: i64, decision: u8, institution: Option<&str>) -> Accessed {
        Accessed {
            who: Redacted::new("이바다".to_owned()),
            is_self: false,
            denied: Some("not-yours".to_owned()),
            institution: institution.and_then(InstitutionCode::new),
            ..entry(second, decision, "read-record", &[])
        }
    }

    fn counts(sittings: &[Sitting]) -> Vec<usize> {
        sittings.iter().map(|sitting| sitting.looks.len()).collect()
    }

    #[test]
    fn entries_of_one_answer_are_one_look() {
        let sittings = sittings(vec![
            entry(30, 1, "read-timeline", &[("Encounter", 2), ("Condition", 1)]),
            entry(30, 1, "read-timeline", &[("Encounter", 2), ("Observation", 7)]),
            Accessed {
                institution: InstitutionCode::new("31100002"),
                ..entry(29, 1, "read-timeline", &[("Encounter", 5)])
            },
        ]);
        assert_eq!(counts(&sittings), [1]);
        let seen = &sittings[0].looks[0].seen;
        let what = |at: usize| -> Vec<(&str, u32)> {
            seen[at].what.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
        };
        assert_eq!(what(0), [("Encounter", 2), ("Condition", 1), ("Observation", 7)]);
        assert_eq!(what(1), [("Encounter", 5)], "another institution is counted by itself");
        assert_eq!(sittings[0].institutions().len(), 2);
    }

    #[test]
    fn looks_of_a_day_are_told_together_and_no_other_is_hidden_among_them() {
        let sittings = sittings(vec![
            entry(900, 6, "read-timeline", &[("Encounter", 2)]),
            Accessed { source: Redacted::new("192.0.2.2".to_owned()), ..entry(800, 5, "read-timeline", &[]) },
            entry(700, 4, "issue", &[("Encounter", 2)]),
            Accessed { denied: Some("not-yours".to_owned()), ..entry(650, 4, "read-timeline", &[]) },
            Accessed { factors: 1, denied: Some("assurance".to_owned()), ..entry(640, 7, "read-timeline", &[]) },
            entry(600, 3, "read-timeline", &[("Encounter", 2)]),
            Accessed {
                who: Redacted::new("이바다".to_owned()), is_self: false, ..entry(500, 2, "read-timeline", &[])
            },
            entry(-86_400, 1, "read-timeline", &[("Encounter", 2)]),
        ]);
        assert_eq!(counts(&sittings), [2, 1, 1, 1, 1, 1, 1]);
        let (first, last) = sittings[0].span();
        assert_eq!((first.as_second() - 1_800_000_000, last.as_second() - 1_800_000_000), (600, 900));
        assert!(sittings.iter().all(|sitting| sitting.shared.denied.is_none() || sitting.looks.len() == 1));
    }

    #[test]
    fn the_two_refusals_of_one_attempt_are_one_and_those_of_two_are_two() {
        let one = sittings(vec![refused(10, 2, Some("31100001")), refused(10, 1, None)]);
        assert_eq!(counts(&one), [1]);
        assert_eq!(one[0].institutions().len(), 1);
        let two = vec![
            refused(10, 4, Some("31100001")),
            refused(10, 3, None),
            refused(10, 2, Some("31100001")),
            refused(10, 1, None),
        ];
        assert_eq!(counts(&sittings(two)), [2]);
        let unlike = vec![refused(10, 3, None), refused(10, 2, None), refused(5, 1, Some("31100001"))];
        assert_eq!(counts(&sittings(unlike)), [3], "nothing but the two halves of one attempt is put together");
    }
}
