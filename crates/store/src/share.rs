//! What of a person's records a part of them is: which resources are of the kinds that a permit shares, and of no sensitive kind
//! that it does not. Worked out when a shared part is read, so that a newer edition of the kinds holds at once. Whole shares, as
//! everybody has of their own records, cost nothing here.
//!
//! A resource is sensitive by any of its versions, by the kind of its institution, with any record of the same encounter, by what it
//! refers to or what refers to it, and by what its institution has of no patient and it names: a drug, a department, a doctor. What
//! cannot be read is of every sensitive kind.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use base::{Clock, Id16};
use fhir::json::{Limits, parse};
use fhir::{Target, Value};
use policy::{Action, CONTEXT_TYPES, Coded, InstitutionCode, Owner, Permit, RecordKinds, Sensitive, Share};
use rusqlite::Connection;

use crate::core::{Core, check_count};
use crate::error::{AtStep, StoreError};
use crate::read::{HISTORIES_MAX, VERSIONS_MAX, frames, open};
use crate::types::{ResourceKey, id16_from, owner_bytes};

/// Whom records are of: of no kind, and so no part of a share by itself.
const PATIENT: &str = "Patient";
/// Things that are named by what they refer to: a role by its doctor and department, a drug by what is in it.
const NAMED_BY_OTHERS: [&str; 2] = ["PractitionerRole", "Medication"];

/// What a permit shares of one owner.
pub(crate) enum Shared {
    All,
    These(HashSet<(String, Id16)>),
}

impl Shared {
    /// What the permit shares of an owner within its scope.
    pub(crate) fn of(core: &Core, connection: &Connection, permit: &Permit, owner: Owner) -> Result<Self, StoreError> {
        if *permit.share() == Share::Whole {
            return Ok(Self::All);
        }
        let edition = RecordKinds::at(core.clock.now());
        let places = places(connection, owner, edition)?;
        let (mut found, mut spread, mut bytes) = (Vec::new(), Spread::default(), 0);
        let mut things = Things { core, connection, permit, edition, looked: HashMap::new() };
        let keys = keys(connection, owner)?;
        // Everything refers to whom it is about: that says nothing.
        let own: HashSet<Id16> =
            keys.iter().filter(|(key, _)| key.resource_type != PATIENT).map(|(key, _)| key.id).collect();
        for (key, encounter) in keys {
            let mut versions = Vec::new();
            frames(connection, &key, VERSIONS_MAX, &mut versions, &mut bytes)?;
            for version in versions {
                let opened = open(core, permit, version)?;
                let read = Looked::at(edition, &key.resource_type, opened.bytes.expose());
                spread.mark(key.id, &read.sensitive);
                spread.mark(key.id, places.get(opened.institution.as_str()).unwrap_or(&BTreeSet::new()));
                let gathers = edition.gathers(&key.resource_type);
                for (kind, id) in &read.references {
                    let other = core.ids.resource(&opened.institution, kind, id);
                    if !own.contains(&other) {
                        spread.mark(key.id, &things.sensitive(&opened.institution, kind, id)?);
                        continue;
                    }
                    spread.passes(other, key.id);
                    if !gathers && !edition.gathers(kind) {
                        spread.passes(key.id, other);
                    }
                }
            }
            if let Some(encounter) = encounter {
                spread.passes(encounter, key.id);
                spread.passes(key.id, encounter);
            }
            found.push(key);
        }
        let kinds = spread.settle();
        let is_shared = |key: &ResourceKey| {
            let sensitive = kinds.get(&key.id).cloned().unwrap_or_default();
            permit.share().includes(edition, &key.resource_type, &sensitive)
        };
        // What is issued says whose it is, and where nothing is issued nobody learns who was a patient.
        let names = permit.action() == Action::Issue && found.iter().any(is_shared);
        found.retain(|key| is_shared(key) || (names && key.resource_type == PATIENT));
        Ok(Self::These(found.into_iter().map(|key| (key.resource_type, key.id)).collect()))
    }

    /// Whether a resource is among what is shared.
    pub(crate) fn has(&self, key: &ResourceKey) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&(key.resource_type.clone(), key.id)),
        }
    }
}

/// What a permit shares, by owner, worked out once for each.
#[derive(Default)]
pub(crate) struct SharedOf(HashMap<Owner, Shared>);

impl SharedOf {
    /// Whether a permit shares a resource of an owner within its scope.
    pub(crate) fn has(
        &mut self,
        core: &Core,
        connection: &Connection,
        permit: &Permit,
        key: &ResourceKey,
    ) -> Result<bool, StoreError> {
        let shared = match self.0.entry(key.owner) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Shared::of(core, connection, permit, key.owner)?),
        };
        Ok(shared.has(key))
    }
}

/// Every resource of an owner, with its encounter.
fn keys(connection: &Connection, owner: Owner) -> Result<Vec<(ResourceKey, Option<Id16>)>, StoreError> {
    let step = "looking for what is shared";
    let mut statement =
        connection.prepare_cached("SELECT type, id, encounter FROM resource_current WHERE owner = ?").at(step)?;
    let mut rows = statement.query([owner_bytes(owner)]).at(step)?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let id = id16_from(row.get_ref(1).at(step)?.as_blob().unwrap_or_default())?;
        let encounter: Option<[u8; 16]> = row.get(2).at(step)?;
        keys.push((ResourceKey { owner, resource_type: row.get(0).at(step)?, id }, encounter.map(Id16)));
        check_count("records of one person", keys.len(), HISTORIES_MAX)?;
    }
    Ok(keys)
}

/// The sensitive kinds of everything that an institution has, by its code: of those that an owner has records of.
fn places(
    connection: &Connection,
    owner: Owner,
    edition: &RecordKinds,
) -> Result<HashMap<String, BTreeSet<Sensitive>>, StoreError> {
    let step = "looking for what is shared";
    let sql =
        "SELECT code, kind FROM institution WHERE code IN (SELECT institution FROM resource_current WHERE owner = ?)";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query([owner_bytes(owner)]).at(step)?;
    let mut places = HashMap::new();
    while let Some(row) = rows.next().at(step)? {
        let kind: String = row.get(1).at(step)?;
        places.insert(row.get(0).at(step)?, edition.sensitive_of_institution(&kind));
    }
    Ok(places)
}

/// Sensitive kinds on their way from record to record.
#[derive(Default)]
struct Spread {
    kinds: HashMap<Id16, BTreeSet<Sensitive>>,
    to: HashMap<Id16, Vec<Id16>>,
}

impl Spread {
    fn mark(&mut self, id: Id16, kinds: &BTreeSet<Sensitive>) {
        self.kinds.entry(id).or_default().extend(kinds);
    }

    /// What one record is, another is too.
    fn passes(&mut self, from: Id16, to: Id16) {
        self.to.entry(from).or_default().push(to);
    }

    /// What every record is in the end: each is looked at again only where it gained a kind, of which there are few.
    fn settle(mut self) -> HashMap<Id16, BTreeSet<Sensitive>> {
        let mut due: Vec<Id16> = self.kinds.iter().filter(|(_, kinds)| !kinds.is_empty()).map(|(id, _)| *id).collect();
        while let Some(id) = due.pop() {
            let kinds = self.kinds.get(&id).cloned().unwrap_or_default();
            for other in self.to.get(&id).into_iter().flatten() {
                let held = self.kinds.entry(*other).or_default();
                let before = held.len();
                held.extend(&kinds);
                if held.len() > before {
                    due.push(*other);
                }
            }
        }
        self.kinds
    }
}

/// What institutions have of no patient, each looked at once: what a record names by it is told along with the record.
struct Things<'a> {
    core: &'a Core,
    connection: &'a Connection,
    permit: &'a Permit,
    edition: &'a RecordKinds,
    looked: HashMap<Id16, Looked>,
}

impl Things<'_> {
    /// The sensitive kinds of what a record of an institution refers to; none where that is nothing of the institution's own.
    fn sensitive(
        &mut self,
        institution: &InstitutionCode,
        kind: &str,
        id: &str,
    ) -> Result<BTreeSet<Sensitive>, StoreError> {
        let thing = self.look(institution, kind, id)?;
        let mut sensitive = thing.sensitive.clone();
        if NAMED_BY_OTHERS.contains(&kind) {
            for (kind, id) in thing.references.clone() {
                sensitive.extend(&self.look(institution, &kind, &id)?.sensitive);
            }
        }
        Ok(sensitive)
    }

    fn look(&mut self, institution: &InstitutionCode, kind: &str, id: &str) -> Result<&Looked, StoreError> {
        let key = self.core.ids.key(Owner::institution(institution), institution, kind, id);
        if !self.looked.contains_key(&key.id) {
            let looked = self.looked_at(institution, &key)?;
            self.looked.insert(key.id, looked);
        }
        Ok(&self.looked[&key.id])
    }

    fn looked_at(&self, institution: &InstitutionCode, key: &ResourceKey) -> Result<Looked, StoreError> {
        let mut all = Looked { sensitive: BTreeSet::new(), references: Vec::new() };
        if !CONTEXT_TYPES.contains(&key.resource_type.as_str()) {
            return Ok(all);
        }
        let (mut versions, mut bytes) = (Vec::new(), 0);
        frames(self.connection, key, VERSIONS_MAX, &mut versions, &mut bytes)?;
        if !versions.is_empty() && !self.permit.reaches_context_of(institution) {
            all.sensitive.extend(Sensitive::ALL);
            return Ok(all);
        }
        for version in versions {
            let opened = open(self.core, self.permit, version)?;
            let read = Looked::at(self.edition, &key.resource_type, opened.bytes.expose());
            all.sensitive.extend(read.sensitive);
            all.references.extend(read.references);
        }
        Ok(all)
    }
}

/// What a resource as it came says of itself.
struct Looked {
    sensitive: BTreeSet<Sensitive>,
    /// Type and id at the institution of what it refers to.
    references: Vec<(String, String)>,
}

impl Looked {
    /// Looks through a resource. One that cannot be read, or carries a file that cannot, is of every sensitive kind.
    fn at(edition: &RecordKinds, resource_type: &str, bytes: &[u8]) -> Self {
        let Ok(resource) = parse(bytes, &Limits::default()) else {
            return Self { sensitive: Sensitive::ALL.into(), references: Vec::new() };
        };
        let mut codes = Vec::new();
        let is_read = collect(&resource, &mut codes);
        let mut sensitive = edition.sensitive_of(resource_type, codes.into_iter());
        if !is_read {
            sensitive.extend(Sensitive::ALL);
        }
        let mut references = Vec::new();
        fhir::visit_references(&resource, &mut |text, _| match Target::parse(text) {
            Target::Relative { kind, id, .. } | Target::Absolute { resource: Some((kind, id)), .. } => {
                references.push((kind.to_owned(), id.to_owned()));
            }
            _ => {}
        });
        Self { sensitive, references }
    }
}

/// As [`collect`] of each, whatever the others are.
fn all_of<'x>(values: impl Iterator<Item = &'x Value<'x>>, codes: &mut Vec<Coded<'x>>) -> bool {
    let mut is_read = true;
    for value in values {
        is_read &= collect(value, codes);
    }
    is_read
}

/// Every code and every text in a resource, wherever it stands: what says more keeps back more. `false` where it carries a file.
fn collect<'x>(value: &'x Value<'_>, codes: &mut Vec<Coded<'x>>) -> bool {
    match value {
        Value::Object(members) => {
            if let Some(code) = value.str("code") {
                codes.push(Coded { system: value.str("system").unwrap_or_default(), code, text: "" });
            }
            // The numbers of a curve are called data too.
            let has_file = value.str("data").is_some() && value.get("dimensions").is_none();
            all_of(members.iter().map(|(_, member)| member), codes) && !has_file
        }
        Value::Array(items) => all_of(items.iter(), codes),
        Value::String(text) => {
            codes.push(Coded { text, ..Coded::default() });
            true
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Sensitive> {
        let edition = RecordKinds::at("2026-11-27T12:00:00+09:00".parse().expect("a time"));
        Looked::at(edition, "Condition", text.as_bytes()).sensitive.into_iter().collect()
    }

    #[test]
    fn codes_and_words_are_found_wherever_they_stand() {
        assert_eq!(kinds(r#"{"code":{"coding":[{"system":"kcd","code":"F32.9"}]}}"#), [Sensitive::MentalHealth]);
        assert_eq!(kinds(r#"{"contained":[{"reasonCode":[{"coding":[{"code":"B24"}]}]}]}"#), [Sensitive::Infection]);
        assert_eq!(kinds(r#"{"serviceType":{"text":"정신건강의학과"}}"#), [Sensitive::MentalHealth]);
        assert_eq!(kinds(r#"{"note":[{"text":"고지혈증"}],"code":{"coding":[{"code":"E78.5"}]}}"#), []);
        assert_eq!(kinds("{not json"), Sensitive::ALL, "what cannot be read is of every kind");
        assert_eq!(kinds(r#"{"content":[{"attachment":{"data":"JVBERi0="}}]}"#), Sensitive::ALL, "a file is not read");
        assert_eq!(kinds(r#"{"valueSampledData":{"dimensions":1,"data":"1 2 3"}}"#), []);
    }

    #[test]
    fn kinds_spread_along_references_and_come_to_an_end() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| Id16::derived(&[name]));
        let mut spread = Spread::default();
        spread.mark(a, &[Sensitive::Infection].into());
        spread.mark(c, &[Sensitive::Genetics].into());
        for (from, to) in [(a, b), (b, c), (c, a), (d, a)] {
            spread.passes(from, to);
        }
        let kinds = spread.settle();
        for id in [a, b, c] {
            assert_eq!(kinds[&id].len(), 2);
        }
        assert!(kinds.get(&d).is_none_or(BTreeSet::is_empty));
    }
}
