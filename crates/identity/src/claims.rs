//! What an agency states about a person, checked for form. Whether the statement is genuine is `oidc`'s business.

use crate::IdentityError;
use base::Redacted;
use base::wire::{Malformed, Reader, Writer};
use jiff::civil::Date;

/// Longest name in characters.
const NAME_CHARS_MAX: usize = 100;
/// Shortest and longest CI in bytes. A Korean CI has 88; others are taken so that agencies abroad can follow.
const CI_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// A person's sex as the agency has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// `female`.
    Female,
    /// `male`.
    Male,
    /// Anything else, or nothing.
    Unstated,
}

/// Who somebody is, as far as an account keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: Redacted<String>,
    /// The date of birth.
    pub birth_date: Redacted<Date>,
    /// The sex.
    pub gender: Redacted<Gender>,
}

/// A person as the agency states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The CI: the same for this person at every service.
    pub ci: Redacted<String>,
    /// The rest.
    pub profile: Profile,
}

/// Claims as they come, from the ID token and, where that is silent, from the userinfo endpoint.
#[derive(Default)]
pub(crate) struct RawClaims {
    pub ci: Option<String>,
    pub name: Option<String>,
    pub birth_date: Option<String>,
    pub gender: Option<String>,
}

impl RawClaims {
    /// Whether everything an account needs is there.
    pub fn complete(&self) -> bool {
        self.ci.is_some() && self.name.is_some() && self.birth_date.is_some()
    }

    /// Fills what is missing.
    pub fn or(self, other: Self) -> Self {
        Self {
            ci: self.ci.or(other.ci),
            name: self.name.or(other.name),
            birth_date: self.birth_date.or(other.birth_date),
            gender: self.gender.or(other.gender),
        }
    }

    /// Checks form. Errors name the claim, never its value.
    pub fn check(self) -> Result<Person, IdentityError> {
        let ci = self.ci.filter(|ci| is_ci(ci)).ok_or(IdentityError::Claim { claim: "ci" })?;
        let name = self.name.as_deref().and_then(name_of).ok_or(IdentityError::Claim { claim: "name" })?;
        let birth_date =
            self.birth_date.as_deref().and_then(date_of).ok_or(IdentityError::Claim { claim: "birthdate" })?;
        let gender = match self.gender.as_deref() {
            Some("female") => Gender::Female,
            Some("male") => Gender::Male,
            _ => Gender::Unstated,
        };
        let profile =
            Profile { name: Redacted::new(name), birth_date: Redacted::new(birth_date), gender: Redacted::new(gender) };
        Ok(Person { ci: Redacted::new(ci), profile })
    }
}

/// Whether a text can be a CI: printable ASCII of its length.
pub(crate) fn is_ci(text: &str) -> bool {
    CI_BYTES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn name_of(text: &str) -> Option<String> {
    let name = text.trim();
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then(|| base::hidden::seen(name).into_owned())
}

/// `YYYY-MM-DD` (OpenID Connect Core 1.0, section 5.1); a date without a year is no use here.
fn date_of(text: &str) -> Option<Date> {
    let date: Date = (text.len() == 10).then(|| text.parse().ok())??;
    (date.year() >= 1800).then_some(date)
}

impl Profile {
    /// The profile as bytes, to be sealed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let gender = match self.gender.expose() {
            Gender::Female => 1,
            Gender::Male => 2,
            Gender::Unstated => 0,
        };
        writer.u8(1).text(self.name.expose()).text(&self.birth_date.expose().to_string()).u8(gender);
        writer.finish()
    }

    /// The profile of [`Profile::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let malformed = |expected| Malformed { offset: 0, expected };
        if reader.u8()? != 1 {
            return Err(malformed("a profile of form 1"));
        }
        let name = reader.text()?.to_owned();
        let birth_date = date_of(reader.text()?).ok_or(malformed("a date of birth"))?;
        let gender = match reader.u8()? {
            1 => Gender::Female,
            2 => Gender::Male,
            _ => Gender::Unstated,
        };
        reader.end()?;
        Ok(Self { name: Redacted::new(name), birth_date: Redacted::new(birth_date), gender: Redacted::new(gender) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw() -> RawClaims {
        RawClaims {
            ci: Some("c".repeat(88)),
            name: Some(" 김철수 ".to_owned()),
            birth_date: Some("1970-02-28".to_owned()),
            gender: Some("male".to_owned()),
        }
    }

    #[test]
    fn good_claims_make_a_person() {
        let person = raw().check().expect("complete");
        assert_eq!(person.profile.name.expose(), "김철수");
        assert_eq!(person.profile.gender.expose(), &Gender::Male);
        assert_eq!(Profile::from_bytes(&person.profile.to_bytes()).expect("just written"), person.profile);
        assert!(!format!("{person:?}").contains("김"));
        let hiding = RawClaims { name: Some("김\u{200b}철수\u{202e}".to_owned()), ..raw() };
        let person = hiding.check().expect("the agency states it");
        assert_eq!(person.profile.name.expose(), "김\u{fffd}철수\u{fffd}", "no name looks like another");
    }

    #[test]
    fn bad_claims_are_named_and_not_shown() {
        type Change = fn(&mut RawClaims);
        let cases: [(&str, Change); 8] = [
            ("ci", |claims| claims.ci = None),
            ("ci", |claims| claims.ci = Some("short".to_owned())),
            ("ci", |claims| claims.ci = Some("한".repeat(30))),
            ("name", |claims| claims.name = Some("  ".to_owned())),
            ("name", |claims| claims.name = Some("a".repeat(101))),
            ("birthdate", |claims| claims.birth_date = Some("0000-02-28".to_owned())),
            ("birthdate", |claims| claims.birth_date = Some("1970-02-30".to_owned())),
            ("birthdate", |claims| claims.birth_date = Some("19700228".to_owned())),
        ];
        for (expected, change) in cases {
            let mut claims = raw();
            change(&mut claims);
            assert!(matches!(claims.check(), Err(IdentityError::Claim { claim }) if claim == expected), "{expected}");
        }
    }

    proptest! {
        #[test]
        fn damaged_profiles_are_errors(bytes: Vec<u8>) {
            let _ = Profile::from_bytes(&bytes);
        }
    }
}
