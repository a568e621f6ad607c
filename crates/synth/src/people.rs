//! Made-up people as the stand-in identity agency knows them, and the identity file that carries them.
//! No number here is meant to belong to anybody.
//!
//! **National numbers.** A made-up number has a real-looking birth date and sex digit. For people who look Korean the
//! two digits after the sex digit, which stood for the place of registration until 2020-10-04, are always `99`: public
//! tables of those places end at 96. The check digit is always wrong. A number given before 2020-10-05 and not changed
//! since can therefore never equal one of these; numbers given later end in six random digits, so that equality cannot be
//! excluded altogether. The software under test must accept a wrong check digit for the same reason.

use crate::Error;
use crate::json::{Node, list, object, text};
use crate::rng::Rng;
use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Sex as identity agencies and FHIR `administrative-gender` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// `male`
    Male,
    /// `female`
    Female,
}

impl Sex {
    /// `male` or `female`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }
}

/// One person of an identity file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Full name as registered.
    pub name: String,
    /// The name in Latin letters.
    pub romanized: String,
    /// 13 digits, no hyphen.
    pub rrn: String,
    /// Date of birth.
    pub birth_date: Date,
    /// Sex as registered.
    pub sex: Sex,
    /// Connecting information: 88 characters of base64, the same at every service.
    pub ci: String,
    /// Mobile number with hyphens.
    pub mobile: String,
    /// Other identifiers as `system|value`, for people who come from another system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_ids: Vec<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person([redacted])")
    }
}

/// A person as another system's FHIR Patient describes them, for [`person_for_foreign`].
#[derive(Clone, Copy)]
pub struct Foreign<'a> {
    /// Full name as written there.
    pub name: &'a str,
    /// Date of birth.
    pub birth_date: Date,
    /// FHIR `gender`; anything but `female` counts as male, since national numbers know no third digit.
    pub gender: &'a str,
    /// `system|value` of the identifier by which that system knows the person.
    pub source_id: &'a str,
}

/// The person who can sign in at the stand-in agency for somebody of another system. The same input gives the same
/// person. The number has the form of a foreigner's (sex digit 5 to 8) and a wrong check digit.
#[must_use]
pub fn person_for_foreign(foreign: Foreign<'_>) -> Person {
    let head = digest(&SHA512, format!("synth-foreign:{}", foreign.source_id).as_bytes());
    let seed = head.as_ref().iter().take(8).fold(0_u64, |seed, byte| seed << 8 | u64::from(*byte));
    let mut rng = Rng::derived(seed, &[]);
    let sex = if foreign.gender == "female" { Sex::Female } else { Sex::Male };
    let digit = match (foreign.birth_date.year() >= 2000, sex) {
        (false, Sex::Male) => 5,
        (false, Sex::Female) => 6,
        (true, Sex::Male) => 7,
        (true, Sex::Female) => 8,
    };
    let rrn = national_number(foreign.birth_date, digit, &format!("{:05}", rng.below(100_000)));
    Person {
        name: foreign.name.to_owned(),
        romanized: foreign.name.to_owned(),
        ci: ci_of(&rrn),
        rrn,
        birth_date: foreign.birth_date,
        sex,
        mobile: mobile(&mut rng),
        other_ids: vec![foreign.source_id.to_owned()],
    }
}

/// The connecting information of a national number: base64 of a SHA-512, so that anybody can make it again.
/// A real agency uses a secret; nothing here is one.
#[must_use]
pub fn ci_of(rrn: &str) -> String {
    STANDARD.encode(digest(&SHA512, format!("synthetic-ci:{rrn}").as_bytes()))
}

/// A national number from its parts: the sex digit and five digits before a check digit that is always wrong.
pub(crate) fn national_number(birth_date: Date, sex_digit: u8, five: &str) -> String {
    let mut number = format!(
        "{:02}{:02}{:02}{sex_digit}{five}",
        birth_date.year().rem_euclid(100),
        birth_date.month(),
        birth_date.day()
    );
    let right = check_digit(&number, (5..=8).contains(&sex_digit));
    number.push(char::from(b'0' + (right + 5) % 10));
    number
}

/// The check digit that numbers carried before 2020-10-05: weights 2 to 9 and again 2 to 5, 11 (foreigners: 13) minus the
/// sum modulo 11, modulo 10.
fn check_digit(twelve: &str, foreigner: bool) -> u8 {
    let sum: u32 = twelve.bytes().zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]).map(|(d, w)| u32::from(d - b'0') * w).sum();
    let base = if foreigner { 13 } else { 11 };
    u8::try_from((base - sum % 11) % 10).expect("a remainder of ten is below ten")
}

/// A mobile number whose second group begins with 0, where no subscriber number begins.
pub(crate) fn mobile(rng: &mut Rng) -> String {
    format!("010-0{:03}-{:04}", rng.below(1000), rng.below(10_000))
}

/// Writes an identity file: a JSON array, one person a line. Streams, so that any number of people fits.
///
/// # Errors
/// [`Error::Write`] when the file cannot be written.
pub fn write_people(path: &Path, people: impl IntoIterator<Item = Person>) -> Result<u64, Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    let mut count = 0;
    let mut line = Vec::new();
    file.write_all(b"[").map_err(failed)?;
    for person in people {
        line.clear();
        line.extend_from_slice(if count == 0 { b"\n" } else { b",\n" });
        person_node(&person).write(&mut line);
        file.write_all(&line).map_err(failed)?;
        count += 1;
    }
    file.write_all(b"\n]\n").map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(count)
}

/// Reads an identity file whole.
///
/// # Errors
/// [`Error::Read`] when it cannot be read, [`Error::People`] when it is not a list of people.
pub fn read_people(path: &Path) -> Result<Vec<Person>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| Error::People { path: path.to_owned(), line: source.line() })
}

fn person_node(person: &Person) -> Node {
    let others: Vec<Node> = person.other_ids.iter().map(|id| text(id.clone())).collect();
    object([
        ("name", text(person.name.clone())),
        ("romanized", text(person.romanized.clone())),
        ("rrn", text(person.rrn.clone())),
        ("birthDate", text(person.birth_date.to_string())),
        ("sex", text(person.sex.code())),
        ("ci", text(person.ci.clone())),
        ("mobile", text(person.mobile.clone())),
        ("otherIds", if others.is_empty() { Node::Absent } else { list(others) }),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_check_digit_rule_is_the_published_one_and_ours_is_always_wrong() {
        // Worked by hand: 900101-199000: 9*2+0*3+0*4+1*5+0*6+1*7+1*8+9*9+9*2+0+0+0 = 137, 137 mod 11 = 5, 11 - 5 = 6.
        assert_eq!(check_digit("900101199000", false), 6);
        let number = national_number(date(1990, 1, 1), 1, "99000");
        assert_eq!(number, "9001011990001");
        assert_ne!(number.as_bytes()[12], b'6');
    }

    #[test]
    fn somebody_of_another_system_is_always_the_same_person() {
        let foreign = Foreign {
            name: "Kris249 Kuhic920",
            birth_date: date(1961, 3, 9),
            gender: "female",
            source_id: "https://example.org/id|a1",
        };
        let person = person_for_foreign(foreign);
        assert_eq!(person, person_for_foreign(foreign));
        assert_ne!(person.rrn, person_for_foreign(Foreign { source_id: "https://example.org/id|a2", ..foreign }).rrn);
        assert!(person.rrn.starts_with("6103096"), "a woman of the 1900s registered as a foreigner");
        assert_eq!(person.ci.len(), 88);
        assert_eq!(person.other_ids, ["https://example.org/id|a1"]);
    }

    #[test]
    fn an_identity_file_is_read_back_as_written() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("people.json");
        let foreign = Foreign { name: "A \"B\"", birth_date: date(2001, 2, 3), gender: "male", source_id: "s|1" };
        let people = vec![person_for_foreign(foreign), Person { other_ids: vec![], ..person_for_foreign(foreign) }];
        assert_eq!(write_people(&path, people.clone()).expect("written"), 2);
        assert_eq!(read_people(&path).expect("read"), people);
        std::fs::write(&path, "[\n{}]").expect("written");
        assert!(matches!(read_people(&path), Err(Error::People { line: 2, .. })));
    }

    #[test]
    fn debug_output_shows_nobody() {
        let foreign = Foreign { name: "Somebody", birth_date: date(2001, 2, 3), gender: "male", source_id: "s|1" };
        assert!(!format!("{:?}", person_for_foreign(foreign)).contains("Somebody"));
    }
}
