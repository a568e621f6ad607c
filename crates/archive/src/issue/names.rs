//! Names of what records refer to and what belongs to no patient: doctors, departments, institutions, places, drugs. Of each
//! resource its name is kept and nothing else. Which references a page shows is decided here, so that no other is followed.

use crate::issue::values::{all_words, code, first_name, join, words};
use crate::records::parsed;
use crate::{Archive, ArchiveError};
use fhir::json::Value;
use fhir::reference::Target;
use policy::{CONTEXT_TYPES, InstitutionCode, Owner, Permit};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::{ContextRef, READ_MAX, Version};

/// Most things that are looked up for one page or document, in each of the two rounds: so many doctors and drugs a life may have.
/// What is beyond stays without a name.
const NAMES_MAX: usize = READ_MAX;
/// What a role leads to.
const OF_ROLE: [&str; 4] = ["practitioner", "organization", "location", "healthcareService"];

/// The references that pages show, by the type they are in: the member, and the member below it.
const SHOWN: &[(&str, &str, Option<&str>)] = &[
    ("Encounter", "participant", Some("individual")),
    ("Encounter", "location", Some("location")),
    ("Encounter", "serviceProvider", None),
    ("DocumentReference", "author", None),
    ("DiagnosticReport", "performer", None),
    ("DiagnosticReport", "resultsInterpreter", None),
    ("Procedure", "performer", Some("actor")),
    (MEDICATION, "medicationReference", None),
    ("ClinicalImpression", "assessor", None),
    ("Composition", "author", None),
    ("ServiceRequest", "requester", None),
];
/// Stands for every type whose name begins so: requests, statements, administrations and dispenses.
const MEDICATION: &str = "Medication";

/// What one thing is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// In words.
    pub(crate) name: String,
    /// The code of a drug, empty for others.
    pub(crate) code: String,
}

/// Names of one institution's things, by type and id.
#[derive(Debug, Default)]
pub struct Names(HashMap<(String, String), Named>);

impl Names {
    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Named> {
        // Texts of the key cannot be borrowed as a pair; there are few lookups.
        if self.0.is_empty() { None } else { self.0.get(&(kind.to_owned(), id.to_owned())) }
    }

    /// Names of everything that a member of `resource` refers to, directly or below `step`: what the reference says itself, or
    /// what it leads to is called.
    pub(crate) fn of(&self, resource: &Value<'_>, member: &str, step: Option<&str>) -> String {
        join(references(resource, member, step).map(|reference| self.one(reference)), ", ")
    }

    fn one(&self, reference: &Value<'_>) -> String {
        if let Some(display) = reference.str("display") {
            return base::hidden::seen(display).into_owned();
        }
        let named = target(reference).and_then(|(kind, id)| self.get(kind, id));
        named.map(|named| named.name.clone()).unwrap_or_default()
    }
}

/// A thing of an institution: its code, the thing's type and id.
type Thing = (InstitutionCode, String, String);

impl Archive {
    /// The names of what these records refer to and show, by institution. Each record comes with its patient and its institution.
    /// Nothing is read where every reference says the name itself.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub(crate) fn context_names<'v>(
        &self,
        permit: &Permit,
        records: impl IntoIterator<Item = (Owner, &'v InstitutionCode, &'v Value<'v>)>,
    ) -> Result<BTreeMap<InstitutionCode, Names>, ArchiveError> {
        let mut wanted: BTreeMap<Thing, Owner> = BTreeMap::new();
        for (subject, institution, record) in records {
            for (kind, id) in shown(record) {
                if wanted.len() < NAMES_MAX {
                    wanted.entry((institution.clone(), kind.to_owned(), id.to_owned())).or_insert(subject);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let first = self.things(permit, &wanted)?;
        let read: Vec<(&Version, Value<'_>)> = first.iter().filter_map(|one| Some((one, parsed(one)?))).collect();
        let mut beyond: BTreeMap<Thing, Owner> = BTreeMap::new();
        for (version, role) in read.iter().filter(|(version, _)| version.key.resource_type == "PractitionerRole") {
            let thing = thing_of(version);
            let Some(subject) = wanted.get(&thing) else { continue };
            for (kind, id) in of_role(role) {
                let next = (thing.0.clone(), kind.to_owned(), id.to_owned());
                if beyond.len() < NAMES_MAX && !wanted.contains_key(&next) {
                    beyond.insert(next, *subject);
                }
            }
        }
        let second = self.things(permit, &beyond)?;
        let mut names: BTreeMap<InstitutionCode, Names> = BTreeMap::new();
        let (roles, plain): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|(version, _)| version.key.resource_type == "PractitionerRole");
        let more = second.iter().filter_map(|one| Some((one, parsed(one)?)));
        for (version, value) in plain.into_iter().chain(more) {
            let (institution, kind, id) = thing_of(version);
            let named = name_of(&kind, &value);
            names.entry(institution).or_default().0.insert((kind, id), named);
        }
        for (version, value) in roles {
            let (institution, kind, id) = thing_of(version);
            let here = names.entry(institution).or_default();
            let named = Named { name: name_of_role(&value, here), code: String::new() };
            here.0.insert((kind, id), named);
        }
        Ok(names)
    }

    fn things(&self, permit: &Permit, wanted: &BTreeMap<Thing, Owner>) -> Result<Vec<Version>, ArchiveError> {
        let reference = |((institution, kind, id), subject): (&Thing, &Owner)| ContextRef {
            subject: *subject,
            institution: institution.clone(),
            resource_type: kind.clone(),
            source_id: id.clone(),
        };
        let refs: Vec<ContextRef> = wanted.iter().map(reference).collect();
        Ok(self.store().context(permit, &refs)?)
    }
}

fn thing_of(version: &Version) -> Thing {
    (version.institution.clone(), version.key.resource_type.clone(), version.source_id.expose().clone())
}

/// What a page shows of a record and the record does not name itself. A drug is looked up also where it is named, because its
/// code stands in its resource alone.
fn shown<'v>(record: &'v Value<'_>) -> BTreeSet<(&'v str, &'v str)> {
    let kind = record.str("resourceType").unwrap_or_default();
    let mut found = BTreeSet::new();
    for (of, member, step) in SHOWN {
        let is_drug = *of == MEDICATION;
        if !(kind == *of || is_drug && kind.starts_with(MEDICATION)) {
            continue;
        }
        let nameless =
            references(record, member, *step).filter(|reference| is_drug || reference.str("display").is_none());
        found.extend(nameless.filter_map(target));
    }
    found
}

/// The references of a member, directly or below `step`.
fn references<'v>(record: &'v Value<'_>, member: &str, step: Option<&str>) -> impl Iterator<Item = &'v Value<'v>> {
    record.each(member).filter_map(move |item| step.map_or(Some(item), |step| item.get(step)))
}

fn of_role<'v>(role: &'v Value<'_>) -> Vec<(&'v str, &'v str)> {
    let references = OF_ROLE.iter().flat_map(|member| role.each(member));
    references.filter(|reference| reference.str("display").is_none()).filter_map(target).collect()
}

/// Type and id of a reference to something of the same institution that is no patient's. The same id at another server is
/// another thing.
fn target<'v>(reference: &'v Value<'_>) -> Option<(&'v str, &'v str)> {
    match Target::parse(reference.str("reference")?) {
        Target::Relative { kind, id, .. } if CONTEXT_TYPES.contains(&kind) => Some((kind, id)),
        _ => None,
    }
}

fn name_of(kind: &str, value: &Value<'_>) -> Named {
    let coded = || value.get("code");
    let name = match kind {
        "Practitioner" => first_name(value),
        "Medication" | "Substance" => coded().map(words).unwrap_or_default(),
        "Device" => {
            let given = value.each("deviceName").find_map(|name| name.str("name")).map(str::to_owned);
            given.unwrap_or_else(|| value.get("type").map(words).unwrap_or_default())
        }
        _ => value.str("name").map(str::to_owned).unwrap_or_default(),
    };
    let code = if kind == "Medication" { coded().map(code).unwrap_or_default() } else { String::new() };
    Named { name, code }
}

/// Who it is, and in which department: the specialty, or else the service or part of the institution.
fn name_of_role(role: &Value<'_>, names: &Names) -> String {
    let mut department = all_words(role, "specialty");
    for member in ["healthcareService", "organization", "location"] {
        if department.is_empty() {
            department = names.of(role, member, None);
        }
    }
    join([names.of(role, "practitioner", None), department], ", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value<'_> {
        fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).expect("test JSON is valid")
    }

    #[test]
    fn only_what_a_page_shows_and_has_no_name_of_its_own_is_looked_up() {
        let visit = json(
            r#"{"resourceType":"Encounter","subject":{"reference":"Patient/1"},
                "participant":[{"individual":{"reference":"Practitioner/d1"}},{"individual":{"reference":"Practitioner/d2","display":"x"}},
                               {"individual":{"reference":"RelatedPerson/r"}},{"type":[]}],
                "location":[{"location":{"reference":"https://other.example/fhir/Location/l"}},{"location":{"reference":"Location/l2"}}],
                "account":[{"reference":"Account/a"}],"serviceProvider":{"reference":"Organization/o/_history/2"}}"#,
        );
        let found: Vec<_> = shown(&visit).into_iter().collect();
        assert_eq!(found, [("Location", "l2"), ("Organization", "o"), ("Practitioner", "d1")]);
        let drug = json(
            r#"{"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/m","display":"x"},
                     "requester":{"reference":"Practitioner/d1"}}"#,
        );
        assert_eq!(shown(&drug).into_iter().collect::<Vec<_>>(), [("Medication", "m")]);
        assert!(
            shown(&json(r#"{"resourceType":"Observation","performer":[{"reference":"Practitioner/d1"}]}"#)).is_empty()
        );
    }

    #[test]
    fn of_a_resource_its_name_is_kept_and_nothing_else() {
        let doctor = json(
            r#"{"resourceType":"Practitioner","name":[{"family":"김","given":["의사"]}],"birthDate":"1970-01-01",
                "telecom":[{"value":"02-123"}],"address":[{"text":"서울"}]}"#,
        );
        assert_eq!(name_of("Practitioner", &doctor), Named { name: "김의사".to_owned(), code: String::new() });
        let drug = json(r#"{"code":{"coding":[{"system":"urn:x","code":"644504100","display":"아목시실린"}]}}"#);
        let named = Named { name: "아목시실린".to_owned(), code: "644504100".to_owned() };
        assert_eq!(name_of("Medication", &drug), named);
        assert_eq!(name_of("Organization", &json(r#"{"name":"내과"}"#)).name, "내과");
        assert_eq!(name_of("Device", &json(r#"{"type":{"text":"인공관절"}}"#)).name, "인공관절");
    }

    #[test]
    fn a_role_is_its_person_and_department() {
        let mut names = Names::default();
        let named = |name: &str| Named { name: name.to_owned(), code: String::new() };
        names.0.insert(("Practitioner".to_owned(), "d".to_owned()), named("김의사"));
        names.0.insert(("Organization".to_owned(), "o".to_owned()), named("정형외과"));
        let role =
            json(r#"{"practitioner":{"reference":"Practitioner/d"},"organization":{"reference":"Organization/o"}}"#);
        assert_eq!(name_of_role(&role, &names), "김의사, 정형외과");
        let role = json(r#"{"practitioner":{"reference":"Practitioner/d"},"specialty":[{"text":"내과"}]}"#);
        assert_eq!(name_of_role(&role, &names), "김의사, 내과");
        let visit = json(
            r#"{"participant":[{"individual":{"reference":"Practitioner/d"}},{"individual":{"reference":"Practitioner/x"}}]}"#,
        );
        assert_eq!(names.of(&visit, "participant", Some("individual")), "김의사");
    }
}
