//! People, the agency that knows them, as a table, and who acts for them. No network.

use base::{Id16, Redacted, Timestamp};
use identity::{CiLookup, CiLookupError};
use policy::Share;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::NewRepresentative;
use synth::people::{Foreign, Person, person_for_foreign};

/// An appointment of everything at once, by a person's own word.
#[must_use]
pub fn by_own_word(person: Id16, agent: Id16, until: Timestamp) -> NewRepresentative {
    NewRepresentative {
        person,
        agent,
        proof_case: "appointed".to_owned(),
        birth_date: Some(Redacted::new("1980-01-02".parse().expect("a day"))),
        seen: ["own-word".to_owned()].into(),
        institution: None,
        share: Share::Whole,
        from: None,
        until,
    }
}

/// The people whom the agency knows. A cheap handle; people may be added at any time.
#[derive(Clone, Default)]
pub struct Register {
    cis: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Register {
    /// Lets the agency know somebody.
    pub fn add(&self, person: &Person) {
        let mut cis = self.cis.lock().unwrap_or_else(PoisonError::into_inner);
        for number in person.other_ids.iter().chain([&person.rrn]) {
            cis.insert(digits(number), person.ci.clone());
        }
    }

    /// Lets the agency answer with this CI for a number, whoever has it: two numbers may be given one CI.
    pub fn add_number(&self, number: &str, ci: &str) {
        self.cis.lock().unwrap_or_else(PoisonError::into_inner).insert(digits(number), ci.to_owned());
    }
}

impl CiLookup for Register {
    fn ci_of(&self, numbers: &[Redacted<String>]) -> Result<Vec<Option<Redacted<String>>>, CiLookupError> {
        let cis = self.cis.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |number: &Redacted<String>| cis.get(&digits(number.expose())).cloned().map(Redacted::new);
        Ok(numbers.iter().map(find).collect())
    }
}

/// Numbers with and without a hyphen are the same number.
fn digits(number: &str) -> String {
    number.replace('-', "")
}

/// Somebody by name; the same name is the same person.
///
/// # Panics
/// Never: the birth date is a fixed one.
#[must_use]
pub fn person(name: &str) -> Person {
    let birth_date = "1980-05-17".parse().expect("a day of the calendar");
    person_for_foreign(Foreign { name, birth_date, gender: "female", source_id: &format!("urn:testkit|{name}") })
}
