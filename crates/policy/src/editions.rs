//! Rules as data with a validity period: a file in `policies/` holds one edition or several, and whoever goes by a rule asks for the
//! edition in force at a moment. Which moment that is, each kind of rules says where it is read. Knows no rule itself.
//!
//! A file is its first edition. A later one is added at its end as a whole, and what stands before it stays, so that what was done
//! under it can still be explained:
//!
//! ```toml
//! version = "2026-06"
//! valid_from = "2026-06-09"
//! # … the rules
//!
//! [[edition]]
//! version = "2027-01"
//! valid_from = "2027-01-01"
//! # … the rules from then on, as `[[edition.case]]` and the like
//! ```

use base::{KOREA, Timestamp, midnight};
use serde::de::DeserializeOwned;

/// The editions of one file of rules.
#[derive(Debug)]
pub struct Editions<T> {
    file: &'static str,
    /// From when each holds, earliest first; never empty.
    all: Vec<(Timestamp, T)>,
}

/// Why a file of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditionFault {
    /// Something in it is not as it should be.
    #[error("policies/{file} is not valid: {reason}")]
    File {
        /// The file.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// None of its editions has begun.
    #[error(
        "policies/{file} has no edition that is in force on {today}, its first begins on {first}: set the clock of this machine \
         right, or put the edition that is in force before the first"
    )]
    NotYet {
        /// The file.
        file: &'static str,
        /// The day in Korea.
        today: String,
        /// The day in Korea on which the first edition begins.
        first: String,
    },
}

impl<T> Editions<T> {
    /// Reads a file. `rules` makes the rules of each edition from what it says, its `valid_from` aside.
    ///
    /// # Errors
    /// [`EditionFault::File`]: what cannot be read, a `valid_from` that is no day, an edition that does not begin after the one
    /// before it, a version that stands twice, or what `rules` refuses.
    pub fn read<F: DeserializeOwned>(
        file: &'static str,
        text: &str,
        rules: impl Fn(F) -> Result<T, String>,
    ) -> Result<Self, EditionFault> {
        let refused = |reason: String| EditionFault::File { file, reason };
        let mut first: toml::Table = toml::from_str(text).map_err(|fault| refused(fault.to_string()))?;
        let later = match first.remove("edition") {
            None => Vec::new(),
            Some(toml::Value::Array(later)) => later,
            Some(_) => return Err(refused("later editions are written as [[edition]]".to_owned())),
        };
        let (mut all, mut versions) = (Vec::<(Timestamp, T)>::new(), Vec::new());
        for edition in std::iter::once(toml::Value::Table(first)).chain(later) {
            let toml::Value::Table(mut edition) = edition else {
                return Err(refused("later editions are written as [[edition]]".to_owned()));
            };
            let version = edition.get("version").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
            let of_version = |reason: String| refused(format!("version {version:?}: {reason}"));
            let from = edition.remove("valid_from");
            let from = from.as_ref().and_then(toml::Value::as_str).and_then(beginning);
            let from = from.ok_or_else(|| of_version("valid_from is no day such as \"2026-01-31\"".to_owned()))?;
            if all.last().is_some_and(|(before, _)| *before >= from) {
                return Err(of_version("valid_from is not after that of the edition before".to_owned()));
            }
            if versions.contains(&version) {
                return Err(of_version("another edition has the same version".to_owned()));
            }
            let said: F = edition.try_into().map_err(|fault: toml::de::Error| of_version(fault.to_string()))?;
            all.push((from, rules(said).map_err(of_version)?));
            versions.push(version);
        }
        Ok(Self { file, all })
    }

    /// The edition in force at a moment. The first one answers for moments before it: the program does not start then
    /// ([`Editions::check`]), and its clock never steps back.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> &T {
        let begun = self.all.iter().rfind(|(from, _)| *from <= moment);
        begun.or(self.all.first()).map(|(_, rules)| rules).expect("no file is read without a first edition")
    }

    /// Every edition that began by a moment, earliest first.
    pub fn begun(&self, moment: Timestamp) -> impl Iterator<Item = &T> {
        self.all.iter().take_while(move |(from, _)| *from <= moment).map(|(_, rules)| rules)
    }

    /// Every edition, those to come included, earliest first.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.all.iter().map(|(_, rules)| rules)
    }

    /// Whether an edition is in force, for whoever starts the program.
    ///
    /// # Errors
    /// [`EditionFault::NotYet`].
    pub fn check(&self, now: Timestamp) -> Result<(), EditionFault> {
        let day = |moment: Timestamp| moment.to_zoned(KOREA).date().to_string();
        match self.all.first() {
            Some((first, _)) if now < *first => {
                Err(EditionFault::NotYet { file: self.file, today: day(now), first: day(*first) })
            }
            _ => Ok(()),
        }
    }
}

/// The first moment in Korea of a day such as `2026-01-31`.
fn beginning(day: &str) -> Option<Timestamp> {
    // A time behind the day would be read too, and be of no effect.
    Some(day).filter(|day| day.len() == "2026-01-31".len())?.parse().ok().and_then(midnight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        version: String,
        years: i64,
    }

    const FIRST: &str = "version = '1'\nvalid_from = '2026-06-09'\nyears = 10\n";
    const LATER: &str = "[[edition]]\nversion = '2'\nvalid_from = '2027-01-01'\nyears = 15\n";

    fn read(text: &str) -> Result<Editions<(String, i64)>, EditionFault> {
        let rules =
            |file: File| if file.years > 0 { Ok((file.version, file.years)) } else { Err("no years".to_owned()) };
        Editions::read("test.toml", text, rules)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_later_edition_holds_from_its_first_moment_in_korea_and_not_before() {
        let alone = read(FIRST).expect("valid");
        assert_eq!(alone.at(at("2030-01-01T00:00:00Z")).1, 10, "one edition holds on");
        let both = read(&[FIRST, LATER].concat()).expect("valid");
        assert_eq!(both.at(at("2026-12-31T14:59:59.999999999Z")), &("1".to_owned(), 10));
        assert_eq!(both.at(at("2026-12-31T15:00:00Z")), &("2".to_owned(), 15), "midnight in Korea");
        assert_eq!(both.all().count(), 2);
        assert_eq!(both.begun(at("2026-12-31T14:59:59Z")).count(), 1);
        assert_eq!(both.begun(at("2026-12-31T15:00:00Z")).count(), 2);
    }

    #[test]
    fn before_the_first_edition_nothing_starts() {
        let editions = read(FIRST).expect("valid");
        assert_eq!(editions.check(at("2026-06-09T00:00:00+09:00")), Ok(()));
        let fault = editions.check(at("2026-06-08T23:59:59+09:00")).expect_err("nothing is in force").to_string();
        for said in ["policies/test.toml", "2026-06-08", "begins on 2026-06-09", "clock"] {
            assert!(fault.contains(said), "{fault}");
        }
    }

    #[test]
    fn a_file_with_faults_is_refused_and_told_where() {
        let faulty = |text: &str| read(text).map(drop).expect_err("refused").to_string();
        for (text, why) in [
            ("version = '1'\nyears = 1", "valid_from is no day"),
            (&FIRST.replace("2026-06-09", "2026-06-31"), "valid_from is no day"),
            (&FIRST.replace("2026-06-09", "2026-06-09T12:00"), "valid_from is no day"),
            (&[FIRST, &LATER.replace("2027-01-01", "2026-06-09")].concat(), "version \"2\": valid_from is not after"),
            (&[FIRST, &LATER.replace("'2'", "'1'")].concat(), "same version"),
            (&[FIRST, &LATER.replace("years = 15", "months = 1")].concat(), "months"),
            (&[FIRST, &LATER.replace("15", "0")].concat(), "version \"2\": no years"),
            (&[FIRST, "edition = 2"].concat(), "[[edition]]"),
            (&[FIRST, "edition = [2]"].concat(), "[[edition]]"),
            ("version = ", "test.toml"),
        ] {
            assert!(faulty(text).contains(why), "{}", faulty(text));
        }
    }
}
