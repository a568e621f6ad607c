//! Which records a choice means: what was chosen, and what cannot be understood or given without it. The whole index of a
//! person is looked through inside; what leaves, and what is journalled, is what the choice means and nothing else.

use std::collections::{HashMap, HashSet};

use base::{Id16, Timestamp};
use policy::{Action, Owner, Permit, Scope};
use rusqlite::Connection;

use crate::Store;
use crate::access::Seen;
use crate::core::{check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::read::HISTORIES_MAX;
use crate::search::{Order, Query, compose, cut_page, find, keep_shared};
use crate::types::{Head, owner_bytes};

/// Most records that can be chosen one by one.
pub const CHOICE_MAX: usize = 10_000;

/// What is chosen of a person's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Everything.
    All,
    /// What is dated from the first moment on and before the second.
    Period {
        /// The first moment.
        from: Timestamp,
        /// The end, not included.
        before: Timestamp,
    },
    /// These records.
    Records(&'a [Id16]),
}

/// Why a record is among what a choice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// It was chosen, or belongs to a visit that was.
    Chosen,
    /// A document that one of the chosen replaces, appends to or transforms, or that does so to one of them: amendments are
    /// given with their originals (Medical Service Act art. 21(1)).
    Related,
    /// The visit that something among these belongs to, and was not chosen itself: to be named and not to be given.
    Heading,
    /// The Patient whose records these are.
    Patient,
}

/// What a choice means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Newest first.
    pub heads: Vec<(Head, Part)>,
    /// Chosen ids that are not within the permit: for [`Store::refuse_beyond`].
    pub missing: Vec<Id16>,
}

impl Store {
    /// What a choice means within the permit's patients. One access entry for each patient with anything in it, counting
    /// exactly that, is durable before this returns.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`] beyond [`CHOICE_MAX`]
    /// ids or [`HISTORIES_MAX`] records of one person, [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn chosen(&self, permit: &Permit, choice: Choice<'_>) -> Result<Chosen, StoreError> {
        check_action(
            permit,
            "chosen",
            &[Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue],
        )?;
        let Scope::Patients(patients) = permit.scope() else {
            return Err(StoreError::Scope { what: "patients" });
        };
        if let Choice::Records(ids) = choice {
            check_count("records chosen", ids.len(), CHOICE_MAX)?;
        }
        let (sql, values) = compose(&Query::default(), HISTORIES_MAX + 1);
        let (found, related) = self.core().readers.snapshot("looking for what was chosen", |connection| {
            check_epoch(connection, permit.epoch())?;
            let (mut found, mut related) = (Vec::new(), Vec::new());
            for owner in patients.iter().map(|patient| Owner::Patient(*patient)) {
                let from = found.len();
                find(connection, &sql, owner, &values, &mut found)?;
                keep_shared(self.core(), connection, permit, owner, &mut found, from)?;
                check_count("records of one person", found.len(), HISTORIES_MAX)?;
                if choice != Choice::All {
                    relations(connection, owner, &mut related)?;
                }
            }
            Ok((found, related))
        })?;
        let (found, _) = cut_page(found, Order::NewestFirst, usize::MAX)?;
        let chosen = meant(found.into_iter().map(|(_, head)| head).collect(), choice, &related);
        let mut seen = Seen::default();
        for (head, _) in &chosen.heads {
            seen.add(head.key.owner, &head.institution, &head.key.resource_type);
        }
        self.core().record_seen(permit, seen)?;
        Ok(chosen)
    }
}

/// Two documents of one person that belong together.
type Related = (Id16, Id16);

/// Documents that say of others how they relate to them (`DocumentReference.relatesTo`).
fn relations(connection: &Connection, owner: Owner, out: &mut Vec<Related>) -> Result<(), StoreError> {
    let step = "looking for what documents relate to";
    let sql =
        "SELECT id, target FROM idx_reference WHERE owner = ? AND type = 'DocumentReference' AND param = 'relatesto'";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query([owner_bytes(owner)]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let (id, target): ([u8; 16], String) = (row.get(0).at(step)?, row.get(1).at(step)?);
        // An address elsewhere is no id here.
        if let Ok(target) = target.parse() {
            out.push((Id16(id), target));
        }
    }
    Ok(())
}

/// What a choice means among all heads of a person.
fn meant(heads: Vec<Head>, choice: Choice<'_>, related: &[Related]) -> Chosen {
    let ids: HashSet<Id16> = match choice {
        Choice::Records(ids) => ids.iter().copied().collect(),
        _ => HashSet::new(),
    };
    let is_named = |head: &Head| match choice {
        Choice::All => true,
        Choice::Period { from, before } => head.date.is_some_and(|date| date >= from && date < before),
        Choice::Records(_) => ids.contains(&head.key.id),
    };
    let named: HashSet<Id16> = heads.iter().filter(|head| is_named(head)).map(|head| head.key.id).collect();
    let is_chosen = |head: &Head| {
        named.contains(&head.key.id) || head.encounter.is_some_and(|encounter| named.contains(&encounter))
    };
    let chosen: HashSet<Id16> = heads.iter().filter(|head| is_chosen(head)).map(|head| head.key.id).collect();
    let with_related = closure(chosen.clone(), related);
    let is_given = |head: &&Head| with_related.contains(&head.key.id);
    let visits: HashSet<Id16> = heads.iter().filter(is_given).filter_map(|head| head.encounter).collect();
    let owners: HashSet<Owner> = heads.iter().filter(is_given).map(|head| head.key.owner).collect();
    let part = |head: &Head| {
        if chosen.contains(&head.key.id) {
            Some(Part::Chosen)
        } else if with_related.contains(&head.key.id) {
            Some(Part::Related)
        } else if head.key.resource_type == "Encounter" && visits.contains(&head.key.id) {
            Some(Part::Heading)
        } else if head.key.resource_type == "Patient" && owners.contains(&head.key.owner) {
            Some(Part::Patient)
        } else {
            None
        }
    };
    let mut missing: Vec<Id16> = ids.into_iter().filter(|id| !named.contains(id)).collect();
    missing.sort_unstable();
    let heads = heads.into_iter().filter_map(|head| part(&head).map(|part| (head, part))).collect();
    Chosen { heads, missing }
}

/// The ids, and all that they relate to in either direction, however far.
fn closure(mut ids: HashSet<Id16>, related: &[Related]) -> HashSet<Id16> {
    let mut beside: HashMap<Id16, Vec<Id16>> = HashMap::new();
    for (one, other) in related {
        beside.entry(*one).or_default().push(*other);
        beside.entry(*other).or_default().push(*one);
    }
    let mut to_follow: Vec<Id16> = ids.iter().copied().collect();
    while let Some(id) = to_follow.pop() {
        // Each is followed once.
        for other in beside.remove(&id).unwrap_or_default() {
            if ids.insert(other) {
                to_follow.push(other);
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ResourceKey;
    use policy::InstitutionCode;

    fn id(name: &str) -> Id16 {
        Id16::derived(&[name])
    }

    fn head(owner: &str, kind: &str, name: &str, encounter: Option<&str>, day: i64) -> Head {
        Head {
            key: ResourceKey { owner: Owner::Patient(id(owner)), resource_type: kind.to_owned(), id: id(name) },
            institution: InstitutionCode::new("11100001").expect("a code"),
            version: 1,
            date: Timestamp::from_second(day).ok(),
            encounter: encounter.map(id),
            recorded: Timestamp::UNIX_EPOCH,
        }
    }

    fn chart() -> Vec<Head> {
        vec![
            head("a", "Patient", "pa", None, 0),
            head("a", "Encounter", "v1", Some("v1"), 10),
            head("a", "Observation", "o1", Some("v1"), 10),
            head("a", "Observation", "o2", Some("v1"), 11),
            head("a", "Encounter", "v2", None, 20),
            head("a", "DocumentReference", "d1", Some("v1"), 10),
            head("a", "DocumentReference", "d2", Some("v2"), 20),
            head("b", "Patient", "pb", None, 0),
            head("b", "Observation", "o3", None, 30),
        ]
    }

    fn told(choice: Choice<'_>) -> Vec<(Id16, Part)> {
        let related = [(id("d2"), id("d1"))];
        meant(chart(), choice, &related).heads.into_iter().map(|(head, part)| (head.key.id, part)).collect()
    }

    fn expected(list: &[(&str, Part)]) -> Vec<(Id16, Part)> {
        list.iter().map(|(name, part)| (id(name), *part)).collect()
    }

    #[test]
    fn one_record_brings_its_visit_as_a_heading_and_nothing_else_of_it() {
        let (patient, heading) = (("pa", Part::Patient), ("v1", Part::Heading));
        assert_eq!(told(Choice::Records(&[id("o1")])), expected(&[patient, heading, ("o1", Part::Chosen)]));
        assert_eq!(
            told(Choice::Records(&[id("o3")])),
            expected(&[("pb", Part::Patient), ("o3", Part::Chosen)]),
            "another institution's Patient is not opened"
        );
    }

    #[test]
    fn a_visit_brings_all_of_it_and_a_document_brings_what_it_replaces_or_is_replaced_by() {
        let visit = told(Choice::Records(&[id("v2")]));
        let with = [
            ("pa", Part::Patient),
            ("v1", Part::Heading),
            ("v2", Part::Chosen),
            ("d1", Part::Related),
            ("d2", Part::Chosen),
        ];
        assert_eq!(visit, expected(&with));
        let original = told(Choice::Records(&[id("d1")]));
        let with = [
            ("pa", Part::Patient),
            ("v1", Part::Heading),
            ("v2", Part::Heading),
            ("d1", Part::Chosen),
            ("d2", Part::Related),
        ];
        assert_eq!(original, expected(&with));
    }

    #[test]
    fn a_period_and_everything() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let period = told(Choice::Period { from: at(11), before: at(20) });
        assert_eq!(period, expected(&[("pa", Part::Patient), ("v1", Part::Heading), ("o2", Part::Chosen)]));
        assert_eq!(told(Choice::Period { from: at(100), before: at(200) }), []);
        assert!(told(Choice::All).iter().all(|(_, part)| *part == Part::Chosen));
        assert_eq!(told(Choice::All).len(), chart().len());
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let chosen = meant(chart(), Choice::Records(&[id("o1"), id("nobody's")]), &[]);
        assert_eq!(chosen.missing, [id("nobody's")]);
    }
}
