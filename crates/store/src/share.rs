//! What of a person's records a part of them is: which resources are of the kinds that a permit shares, and of no sensitive kind
//! that it does not. Worked out when a shared part is read, so that a newer edition of the kinds holds at once. Whole shares, as
//! everybody has of their own records, cost nothing here.
//!
//! A resource is sensitive by any of its versions, and with any record of the same encounter. What cannot be read is of every
//! sensitive kind.

use std::collections::{BTreeSet, HashMap, HashSet};

use base::Id16;
use fhir::Value;
use fhir::json::{Limits, parse};
use policy::{Coded, Owner, Permit, RecordKinds, Sensitive, Share};
use rusqlite::Connection;

use crate::core::{Core, check_count};
use crate::error::{AtStep, StoreError};
use crate::read::{HISTORIES_MAX, VERSIONS_MAX, frames, open};
use crate::types::{ResourceKey, id16_from, owner_bytes};

/// Longest string that is looked through for words: longer ones are pictures and documents.
const WORDS_BYTES_MAX: usize = 16 << 10;
/// Type of the resource that other resources belong to.
const ENCOUNTER: &str = "Encounter";

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
        let mut found = Vec::new();
        let mut bytes = 0;
        for (key, encounter) in keys(connection, owner)? {
            let mut versions = Vec::new();
            frames(connection, &key, VERSIONS_MAX, &mut versions, &mut bytes)?;
            let mut kinds = BTreeSet::new();
            for version in versions {
                let opened = open(core, permit, version)?;
                kinds.extend(sensitive_kinds(&key.resource_type, opened.bytes.expose()));
            }
            found.push((key, encounter, kinds));
        }
        let mut of_encounter: HashMap<Id16, BTreeSet<Sensitive>> = HashMap::new();
        for (key, encounter, kinds) in &found {
            let own = (key.resource_type == ENCOUNTER).then_some(key.id);
            for encounter in encounter.iter().chain(&own) {
                of_encounter.entry(*encounter).or_default().extend(kinds);
            }
        }
        let mut these = HashSet::new();
        for (key, encounter, mut kinds) in found {
            let own = (key.resource_type == ENCOUNTER).then_some(key.id);
            for encounter in encounter.iter().chain(&own) {
                kinds.extend(of_encounter.get(encounter).into_iter().flatten());
            }
            if permit.share().includes(&key.resource_type, &kinds) {
                these.insert((key.resource_type, key.id));
            }
        }
        Ok(Self::These(these))
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
        if !self.0.contains_key(&key.owner) {
            self.0.insert(key.owner, Shared::of(core, connection, permit, key.owner)?);
        }
        Ok(self.0.get(&key.owner).is_some_and(|shared| shared.has(key)))
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

/// The sensitive kinds of a resource as it came; all of them where it cannot be read.
fn sensitive_kinds(resource_type: &str, bytes: &[u8]) -> BTreeSet<Sensitive> {
    match parse(bytes, &Limits::default()) {
        Ok(resource) => {
            let mut codes = Vec::new();
            collect(&resource, &mut codes);
            RecordKinds::standard().sensitive_of(resource_type, codes.into_iter())
        }
        Err(_) => Sensitive::ALL.into(),
    }
}

/// Every code and every text in a resource, wherever it stands: what says more keeps back more.
fn collect<'x>(value: &'x Value<'_>, codes: &mut Vec<Coded<'x>>) {
    match value {
        Value::Object(members) => {
            if let Some(code) = value.str("code") {
                codes.push(Coded { system: value.str("system").unwrap_or_default(), code, text: "" });
            }
            members.iter().for_each(|(_, member)| collect(member, codes));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, codes)),
        Value::String(text) if text.len() <= WORDS_BYTES_MAX => {
            codes.push(Coded { text, ..Coded::default() });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Sensitive> {
        sensitive_kinds("Condition", text.as_bytes()).into_iter().collect()
    }

    #[test]
    fn codes_and_words_are_found_wherever_they_stand() {
        assert_eq!(kinds(r#"{"code":{"coding":[{"system":"kcd","code":"F32.9"}]}}"#), [Sensitive::MentalHealth]);
        assert_eq!(kinds(r#"{"contained":[{"reasonCode":[{"coding":[{"code":"B24"}]}]}]}"#), [Sensitive::Infection]);
        assert_eq!(kinds(r#"{"serviceType":{"text":"정신건강의학과"}}"#), [Sensitive::MentalHealth]);
        assert_eq!(kinds(r#"{"note":[{"text":"고지혈증"}],"code":{"coding":[{"code":"E78.5"}]}}"#), []);
        assert_eq!(kinds("{not json"), Sensitive::ALL, "what cannot be read is of every kind");
    }
}
