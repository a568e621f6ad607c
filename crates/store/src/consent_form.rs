//! A consent as a FHIR R4 Consent, both ways. Reading is strict: whatever is not written exactly as here, or says more than this
//! program understands, is no consent, and shares nothing.
//!
//! One Consent is one sentence: *the institutions named may see, for the purposes named, these kinds of data of the institutions
//! named (or of all), from then until then*. Sensitive kinds stand apart as security labels and are shared where they are named.

use std::collections::BTreeSet;

use base::{Id16, Timestamp};
use fhir::Value;
use fhir::json::{Limits, parse};
use policy::{DataKind, InstitutionCode, Sensitive, Share};

/// Longest Consent that is read, in bytes.
const BYTES_MAX: usize = 64 << 10;
/// Most institutions on either side of one consent.
pub const INSTITUTIONS_MAX: usize = 100;
/// Systems of the codes and identifiers in it.
const PERSON: &str = "urn:hanmaru:person";
const INSTITUTION: &str = "urn:hanmaru:institution";
const KIND: &str = "urn:hanmaru:record-kind";
const SENSITIVE: &str = "urn:hanmaru:sensitive-kind";
const PURPOSE: &str = "urn:hanmaru:purpose";
/// R4 asks for a scope, a category and a policy rule (value sets consent-scope, LOINC 59284-0, ActCode OPTIN).
const SCOPE: (&str, &str) = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy");
const CATEGORY: (&str, &str) = ("http://loinc.org", "59284-0");
const RULE: (&str, &str) = ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN");
/// Roles of its actors (v3 ParticipationType): who receives, and whose records they are.
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const RECEIVES: &str = "IRCP";
const KEEPS: &str = "CST";
/// Stands for every institution whose records they are: said aloud, so that nothing left out means all.
const EVERY: &str = "*";

/// What records are shared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConsentPurpose {
    /// Treatment.
    Care,
    /// Filling prescriptions.
    Dispensing,
}

impl ConsentPurpose {
    /// Every purpose.
    pub const ALL: [Self; 2] = [Self::Care, Self::Dispensing];

    /// Its name, that of a [`policy::Purpose`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Dispensing => "dispensing",
        }
    }

    /// The purpose of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// What a consent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentTerms {
    /// Whose consent it is.
    pub person: Id16,
    /// Institutions that may look; never empty.
    pub grantees: BTreeSet<InstitutionCode>,
    /// For what; never empty.
    pub purposes: BTreeSet<ConsentPurpose>,
    /// Institutions whose records are shown; empty for all.
    pub institutions: BTreeSet<InstitutionCode>,
    /// Kinds of data; never empty.
    pub kinds: BTreeSet<DataKind>,
    /// Sensitive kinds that are shared as well.
    pub sensitive: BTreeSet<Sensitive>,
    /// From when.
    pub from: Timestamp,
    /// Until when, this moment not included.
    pub until: Timestamp,
}

/// Why a Consent shares nothing. Repeats no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentFault {
    /// It is no JSON, or longer than what is read.
    #[error("the consent cannot be read")]
    Unreadable,
    /// Something is missing, or stands where it does not belong.
    #[error("{0} of the consent is not as it should be")]
    Member(&'static str),
    /// It names a code that this program does not know.
    #[error("the consent names {0} that is not known")]
    Unknown(&'static str),
    /// It is another person's.
    #[error("the consent is another person's")]
    Person,
}

impl ConsentTerms {
    /// How much of the records is shared.
    #[must_use]
    pub fn share(&self) -> Share {
        Share::Part { kinds: self.kinds.clone(), sensitive: self.sensitive.clone() }
    }

    /// The Consent that says this; withdrawn ones say what was shared.
    #[must_use]
    pub fn to_bytes(&self, id: Id16, now: Timestamp, is_active: bool) -> Vec<u8> {
        let text = |text: &str| Value::from(text.to_owned());
        let list = |items: Vec<Value<'static>>| Value::Array(items);
        let coding = |system: &str, code: &str| Value::object([("system", text(system)), ("code", text(code))]);
        let concept = |(system, code): (&str, &str)| Value::object([("coding", list(vec![coding(system, code)]))]);
        let named = |system: &str, value: &str| {
            let identifier = Value::object([("system", text(system)), ("value", text(value))]);
            Value::object([("identifier", identifier)])
        };
        let actor = |role: &'static str| {
            move |code: &str| {
                let reference = named(INSTITUTION, code);
                Value::object([("role", concept((PARTICIPATION, role))), ("reference", reference)])
            }
        };
        let mut actors: Vec<Value<'static>> =
            self.grantees.iter().map(InstitutionCode::as_str).map(actor(RECEIVES)).collect();
        actors.extend(self.institutions.iter().map(InstitutionCode::as_str).map(actor(KEEPS)));
        actors.extend(self.institutions.is_empty().then_some(EVERY).map(actor(KEEPS)));
        let period = Value::object([("start", text(&self.from.to_string())), ("end", text(&self.until.to_string()))]);
        let mut provision = vec![("type", text("permit")), ("period", period), ("actor", list(actors))];
        if !self.sensitive.is_empty() {
            let labels = self.sensitive.iter().map(|kind| coding(SENSITIVE, kind.name()));
            provision.push(("securityLabel", list(labels.collect())));
        }
        provision.push(("purpose", list(self.purposes.iter().map(|one| coding(PURPOSE, one.name())).collect())));
        provision.push(("class", list(self.kinds.iter().map(|kind| coding(KIND, kind.name())).collect())));
        let consent = Value::object([
            ("resourceType", text("Consent")),
            ("id", text(&id.to_string())),
            ("status", text(if is_active { "active" } else { "inactive" })),
            ("scope", concept(SCOPE)),
            ("category", list(vec![concept(CATEGORY)])),
            ("patient", named(PERSON, &self.person.to_string())),
            ("dateTime", text(&now.to_string())),
            ("policyRule", concept(RULE)),
            ("provision", Value::object(provision)),
        ]);
        let mut out = String::new();
        consent.write_to(&mut out);
        out.into_bytes()
    }

    /// Reads a Consent of a person: whether it is active, and what it says.
    ///
    /// # Errors
    /// [`ConsentFault`], and then it shares nothing.
    pub fn read(bytes: &[u8], person: Id16) -> Result<(bool, Self), ConsentFault> {
        if bytes.len() > BYTES_MAX {
            return Err(ConsentFault::Unreadable);
        }
        let consent = parse(bytes, &Limits::default()).map_err(|_| ConsentFault::Unreadable)?;
        let member = ConsentFault::Member;
        let names =
            ["resourceType", "id", "status", "scope", "category", "patient", "dateTime", "policyRule", "provision"];
        only(&consent, &names, "a member")?;
        let is = |name: &str, value: &str| consent.str(name) == Some(value);
        let is_active = match consent.str("status") {
            Some("active") => true,
            Some("inactive") => false,
            _ => return Err(member("the status")),
        };
        let category = [consent.get("category").ok_or(member("the category"))?.clone()];
        let [category] = items::<1>(&category[0]).ok_or(member("the category"))?;
        if !is("resourceType", "Consent")
            || !is_concept(consent.get("scope"), SCOPE)
            || !is_concept(Some(category), CATEGORY)
            || !is_concept(consent.get("policyRule"), RULE)
        {
            return Err(member("the kind"));
        }
        moment(consent.str("dateTime")).ok_or(member("the time"))?;
        if identifier(consent.get("patient"), PERSON)? != person.to_string() {
            return Err(ConsentFault::Person);
        }
        let provision = consent.get("provision").ok_or(member("the provision"))?;
        Ok((is_active, Self::provision(provision, person)?))
    }

    fn provision(provision: &Value<'_>, person: Id16) -> Result<Self, ConsentFault> {
        let member = ConsentFault::Member;
        only(provision, &["type", "period", "actor", "securityLabel", "purpose", "class"], "the provision")?;
        if provision.str("type") != Some("permit") {
            return Err(member("the type of the provision"));
        }
        let period = provision.get("period").ok_or(member("the period"))?;
        only(period, &["start", "end"], "the period")?;
        let from = moment(period.str("start")).ok_or(member("the period"))?;
        let until = moment(period.str("end")).filter(|until| *until > from).ok_or(member("the period"))?;
        let (mut grantees, mut institutions, mut keeps_every) = (BTreeSet::new(), BTreeSet::new(), false);
        for actor in array(provision, "actor")? {
            only(actor, &["role", "reference"], "an actor")?;
            let code = identifier(actor.get("reference"), INSTITUTION)?;
            let institution = InstitutionCode::new(&code).ok_or(ConsentFault::Unknown("an institution"));
            if is_concept(actor.get("role"), (PARTICIPATION, RECEIVES)) {
                grantees.insert(institution?);
            } else if !is_concept(actor.get("role"), (PARTICIPATION, KEEPS)) {
                return Err(ConsentFault::Unknown("a part of an actor"));
            } else if code == EVERY {
                keeps_every = true;
            } else {
                institutions.insert(institution?);
            }
        }
        let kinds = codes(provision, "class", KIND, DataKind::from_name)?;
        let purposes = codes(provision, "purpose", PURPOSE, ConsentPurpose::from_name)?;
        let sensitive = match provision.get("securityLabel") {
            None => BTreeSet::new(),
            Some(_) => codes(provision, "securityLabel", SENSITIVE, Sensitive::from_name)?,
        };
        if grantees.is_empty() || grantees.len() > INSTITUTIONS_MAX || institutions.len() > INSTITUTIONS_MAX {
            return Err(member("the number of actors"));
        }
        if keeps_every != institutions.is_empty() {
            return Err(member("whose records they are"));
        }
        Ok(Self { person, grantees, purposes, institutions, kinds, sensitive, from, until })
    }
}

/// Refuses members that are not among those named: they might say less than the others do.
fn only(value: &Value<'_>, names: &[&str], what: &'static str) -> Result<(), ConsentFault> {
    let fits = value.is_object() && value.members().iter().all(|(name, _)| names.contains(&name.as_ref()));
    if fits { Ok(()) } else { Err(ConsentFault::Member(what)) }
}

fn array<'x, 'v>(value: &'x Value<'v>, name: &'static str) -> Result<&'x [Value<'v>], ConsentFault> {
    match value.get(name) {
        Some(Value::Array(items)) if !items.is_empty() => Ok(items),
        _ => Err(ConsentFault::Member(name)),
    }
}

fn items<'x, 'v, const N: usize>(value: &'x Value<'v>) -> Option<&'x [Value<'v>; N]> {
    match value {
        Value::Array(items) => items.as_slice().try_into().ok(),
        _ => None,
    }
}

/// Whether it is a CodeableConcept of this coding and nothing else.
fn is_concept(value: Option<&Value<'_>>, (system, code): (&str, &str)) -> bool {
    let Some(value) = value else { return false };
    let coding = value.get("coding").and_then(items::<1>);
    only(value, &["coding"], "").is_ok() && coding.is_some_and(|[coding]| is_coding(coding, system) == Some(code))
}

/// The code of a coding of this system and with nothing else.
fn is_coding<'x>(coding: &'x Value<'_>, system: &str) -> Option<&'x str> {
    only(coding, &["system", "code"], "").ok()?;
    coding.str("code").filter(|_| coding.str("system") == Some(system))
}

/// The value of the identifier of a reference that has nothing else.
fn identifier(reference: Option<&Value<'_>>, system: &str) -> Result<String, ConsentFault> {
    let fault = ConsentFault::Member("a reference");
    let reference = reference.ok_or(fault)?;
    only(reference, &["identifier"], "a reference")?;
    let identifier = reference.get("identifier").ok_or(fault)?;
    only(identifier, &["system", "value"], "a reference")?;
    let value = identifier.str("value").filter(|_| identifier.str("system") == Some(system));
    value.map(str::to_owned).ok_or(fault)
}

fn codes<T: Ord>(
    provision: &Value<'_>,
    name: &'static str,
    system: &str,
    from_name: fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, ConsentFault> {
    let code =
        |coding: &Value<'_>| is_coding(coding, system).and_then(from_name).ok_or(ConsentFault::Unknown("a code"));
    array(provision, name)?.iter().map(code).collect()
}

fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ME: Id16 = Id16([7; 16]);

    fn terms() -> impl Strategy<Value = ConsentTerms> {
        let codes = |least: usize| proptest::collection::btree_set("[0-9]{8}", least..4);
        let sub =
            |count: usize, least: usize| proptest::sample::subsequence((0..count).collect::<Vec<_>>(), least..=count);
        let times = (0_i64..2_000_000_000, 1_i64..100_000_000);
        (codes(1), codes(0), sub(2, 1), sub(7, 1), sub(4, 0), times).prop_map(
            |(grantees, institutions, purposes, kinds, sensitive, (from_s, lasts_s))| {
                let institution = |code: String| InstitutionCode::new(&code).expect("eight digits");
                let time = |second| Timestamp::from_second(second).expect("a time");
                ConsentTerms {
                    person: ME,
                    grantees: grantees.into_iter().map(institution).collect(),
                    purposes: purposes.into_iter().map(|at| ConsentPurpose::ALL[at]).collect(),
                    institutions: institutions.into_iter().map(institution).collect(),
                    kinds: kinds.into_iter().map(|at| DataKind::ALL[at]).collect(),
                    sensitive: sensitive.into_iter().map(|at| Sensitive::ALL[at]).collect(),
                    from: time(from_s),
                    until: time(from_s + lasts_s),
                }
            },
        )
    }

    fn written(terms: &ConsentTerms) -> Vec<u8> {
        terms.to_bytes(Id16([1; 16]), Timestamp::UNIX_EPOCH, true)
    }

    /// Whether one consent shares nothing that another does not.
    fn is_within(one: &ConsentTerms, other: &ConsentTerms) -> bool {
        let all = |set: &BTreeSet<InstitutionCode>| set.is_empty();
        one.grantees.is_subset(&other.grantees)
            && one.purposes.is_subset(&other.purposes)
            && (all(&other.institutions)
                || (!all(&one.institutions) && one.institutions.is_subset(&other.institutions)))
            && one.kinds.is_subset(&other.kinds)
            && one.sensitive.is_subset(&other.sensitive)
            && one.from >= other.from
            && one.until <= other.until
    }

    #[test]
    fn a_consent_is_valid_r4() {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let terms = terms().new_tree(&mut runner).expect("terms").current();
        let bytes = written(&terms);
        let value = parse(&bytes, &Limits::default()).expect("JSON");
        let report = fhir::validate(&value);
        let faults: Vec<_> = report.errors().collect();
        assert!(report.is_valid(), "{faults:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(terms in terms(), is_active: bool) {
            let bytes = terms.to_bytes(Id16([1; 16]), Timestamp::UNIX_EPOCH, is_active);
            prop_assert_eq!(ConsentTerms::read(&bytes, ME), Ok((is_active, terms)));
            prop_assert_eq!(ConsentTerms::read(&bytes, Id16([8; 16])), Err(ConsentFault::Person));
        }

        #[test]
        fn a_member_that_is_not_understood_shares_nothing(terms in terms(), at in 0..6_usize, name in "[a-z]{2,12}") {
            let text = String::from_utf8(written(&terms)).expect("JSON");
            let places = ["{\"resourceType\"", "{\"type\":\"permit\"", "{\"start\"", "{\"role\"", "{\"identifier\"", "{\"coding\""];
            let added = text.replacen(places[at], &format!("{{\"{name}\":true,{}", &places[at][1..]), 1);
            prop_assert_ne!(&added, &text);
            prop_assert!(ConsentTerms::read(added.as_bytes(), ME).is_err());
        }

        #[test]
        fn bytes_that_were_changed_never_share_more(terms in terms(), at: usize, byte in 0x20_u8..0x7f) {
            let mut bytes = written(&terms);
            let at = at % bytes.len();
            bytes[at] = byte;
            // Another institution, time or kind is another word, which the writer did not give: the store writes what it made,
            // and reads it back under the tag of its frame. Here: what was taken away or misspelt adds nothing.
            if let Ok((_, read)) = ConsentTerms::read(&bytes, ME) {
                prop_assert!(read.grantees.len() <= terms.grantees.len());
                prop_assert!(read.purposes.len() <= terms.purposes.len() && read.kinds.len() <= terms.kinds.len());
                prop_assert!(read.sensitive.len() <= terms.sensitive.len());
                prop_assert!(terms.institutions.is_empty() || !read.institutions.is_empty());
            }
        }

        #[test]
        fn a_word_less_never_shares_more(terms in terms(), at: usize) {
            let text = String::from_utf8(written(&terms)).expect("JSON");
            // Takes one `{…}` without others inside out of its array.
            let ends: Vec<usize> = text.match_indices("},{").map(|(at, _)| at).collect();
            if let Some(&end) = ends.get(at.checked_rem(ends.len()).unwrap_or(0)) {
                let start = text[..end].rfind(['[', '{']).expect("it begins");
                let shorter = format!("{}{}", &text[..start], &text[end + 2..]);
                if let Ok((_, read)) = ConsentTerms::read(shorter.as_bytes(), ME) {
                    prop_assert!(is_within(&read, &terms), "{:?} beyond {:?}", read, terms);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, text: String) {
            prop_assert!(ConsentTerms::read(&bytes, ME).is_err());
            prop_assert!(ConsentTerms::read(text.as_bytes(), ME).is_err());
        }
    }
}
