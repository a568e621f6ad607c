//! How long each kind of record is kept, from `policies/retention.toml`. Expiry itself is proposed and executed elsewhere.
//!
//! Keeping is a duty that goes on until it ends, and a new law is taken to hold for what has not ended by its first day, whenever the
//! record was made: an *estimate*, and so is that no 부칙 of article 15 says otherwise. So a record is kept by the edition in force when
//! its deposit began, as part of the key that it is sealed with; and before it is destroyed, the edition in force then is asked again
//! ([`Retention::kept_until`]). An edition whose 부칙 spares older records must not be added before this can tell them apart.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;
use vault::ClassName;

use base::Timestamp;
use policy::{EditionFault, Editions};

const FILE: &str = "retention.toml";
const TABLE: &str = include_str!("../../../policies/retention.toml");

static EDITIONS: LazyLock<Editions<Retention>> =
    LazyLock::new(|| Retention::read(TABLE).expect("the table is part of the program, and a test reads it"));

/// A class of records that are kept equally long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionClass {
    /// Its slug.
    pub name: ClassName,
    /// Years from the date of the record.
    pub years: u16,
    /// Its Korean name.
    pub korean: String,
    /// Its English name.
    pub english: String,
    /// The rule it follows.
    pub source: String,
}

/// All classes, and what belongs to which.
#[derive(Debug)]
pub struct Retention {
    /// Which edition of the rules this is.
    pub version: String,
    classes: Vec<RetentionClass>,
    otherwise: usize,
    types: HashMap<String, usize>,
    documents: HashMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    version: String,
    otherwise: String,
    class: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    slug: String,
    years: u16,
    korean: String,
    english: String,
    source: String,
    types: Vec<String>,
    documents: Vec<String>,
}

impl Retention {
    /// The editions that this program was built with.
    #[must_use]
    pub fn editions() -> &'static Editions<Self> {
        &EDITIONS
    }

    /// The edition in force at the moment at which a deposit began.
    #[must_use]
    pub fn at(moment: Timestamp) -> &'static Self {
        EDITIONS.at(moment)
    }

    /// Every class by which anything can be kept: a later edition names all those of the ones before.
    #[must_use]
    pub fn every_class() -> &'static [RetentionClass] {
        EDITIONS.all().last().map(Self::classes).unwrap_or_default()
    }

    /// The year until whose end something of a class is to be kept by the law of `now`, which was to be kept until the end of
    /// `expiry_year` by the law of its deposit. Never earlier: what was promised at the deposit is kept. Where a class was lengthened, and it is
    /// not known by which edition something came in, it is taken for the shortest.
    #[must_use]
    pub fn kept_until(class: &ClassName, expiry_year: u16, now: Timestamp) -> u16 {
        kept_until(&EDITIONS, class, expiry_year, now)
    }

    /// The class of a resource, by its FHIR type and, for a document, its kind.
    #[must_use]
    pub fn class(&self, resource_type: &str, document_kind: Option<&str>) -> &RetentionClass {
        let by_kind = document_kind.and_then(|kind| self.documents.get(kind));
        let place = by_kind.or_else(|| self.types.get(resource_type)).copied().unwrap_or(self.otherwise);
        &self.classes[place]
    }

    /// Every class.
    #[must_use]
    pub fn classes(&self) -> &[RetentionClass] {
        &self.classes
    }

    fn read(text: &str) -> Result<Editions<Self>, EditionFault> {
        let editions = Editions::read(FILE, text, Self::of)?;
        let all: Vec<&Self> = editions.all().collect();
        for pair in all.windows(2) {
            let is_kept = |class: &&RetentionClass| pair[1].years(&class.name).is_some();
            if let Some(lost) = pair[0].classes.iter().find(|class| !is_kept(class)) {
                let reason =
                    format!("version {:?} drops class {}, by which records are kept", pair[1].version, lost.name);
                return Err(EditionFault::File { file: FILE, reason });
            }
        }
        Ok(editions)
    }

    fn years(&self, class: &ClassName) -> Option<u16> {
        self.classes.iter().find(|one| one.name == *class).map(|one| one.years)
    }

    fn of(table: Table) -> Result<Self, String> {
        let (mut types, mut documents, mut classes) = (HashMap::new(), HashMap::new(), Vec::new());
        for (place, row) in table.class.into_iter().enumerate() {
            let name = ClassName::new(&row.slug).ok_or_else(|| format!("{} is no slug", row.slug))?;
            let twice = row.types.iter().any(|kind| types.insert(kind.clone(), place).is_some())
                || row.documents.iter().any(|kind| documents.insert(kind.clone(), place).is_some());
            if twice {
                return Err(format!("{} names something that another class names", row.slug));
            }
            let Row { years, korean, english, source, .. } = row;
            classes.push(RetentionClass { name, years, korean, english, source });
        }
        let otherwise = classes.iter().position(|class| class.name.as_str() == table.otherwise);
        let otherwise = otherwise.ok_or_else(|| format!("no class is called {}", table.otherwise))?;
        Ok(Self { version: table.version, classes, otherwise, types, documents })
    }
}

fn kept_until(editions: &Editions<Retention>, class: &ClassName, expiry_year: u16, now: Timestamp) -> u16 {
    let shortest = editions.begun(now).filter_map(|edition| edition.years(class)).min();
    let in_force = editions.at(now).years(class);
    let longer = in_force.zip(shortest).map_or(0, |(in_force, shortest)| in_force.saturating_sub(shortest));
    expiry_year.saturating_add(longer)
}

impl RetentionClass {
    /// The year in which the retention of something of this date ends, in Korean time.
    #[must_use]
    pub fn expiry_year(&self, date: Timestamp) -> u16 {
        u16::try_from(date.to_zoned(base::KOREA).year()).unwrap_or(0).saturating_add(self.years)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn now() -> &'static Retention {
        Retention::at(at("2026-11-27T12:00:00+09:00"))
    }

    #[test]
    fn years_are_those_of_article_15() {
        let years = |kind: &str, document: Option<&str>| now().class(kind, document).years;
        assert_eq!(years("Condition", None), 10);
        assert_eq!(years("Observation", None), 5);
        assert_eq!(years("MedicationRequest", None), 2);
        assert_eq!(years("DocumentReference", Some("medical-certificate")), 3);
        assert_eq!(years("DocumentReference", Some("image")), 5);
        assert_eq!(years("DocumentReference", Some("unheard-of")), 10);
        assert_eq!(years("Basic", None), 10, "what is not named is kept longest");
    }

    #[test]
    fn the_year_is_that_of_korea() {
        let chart = now().class("Condition", None);
        assert_eq!(chart.expiry_year(at("2019-12-31T15:00:00Z")), 2030);
    }

    #[test]
    fn tables_with_faults_are_refused() {
        let class = "[[class]]\nslug=\"a\"\nyears=1\nkorean=\"\"\nenglish=\"\"\nsource=\"\"\ndocuments=[]\n";
        let head = "version=\"1\"\nvalid_from=\"2026-01-01\"\notherwise=\"a\"\n";
        let table = |rest: &str| Retention::read(&format!("{head}{rest}"));
        assert!(table(&format!("{class}types=[\"X\"]\n")).is_ok());
        assert!(table(&format!("{class}types=[\"X\",\"X\"]\n")).is_err());
        assert!(table(&format!("{}types=[]\n", class.replace("\"a\"", "\"A b\""))).is_err());
        assert!(table(&format!("{}types=[]\n", class.replace("\"a\"", "\"b\""))).is_err());
    }

    /// The compiled-in table with a second edition, in which charts are kept for other years from 2027 on.
    fn with_charts_kept(years: u16) -> Editions<Retention> {
        let second = TABLE
            .replace("[[class]]", "[[edition.class]]")
            .replace("2026-06", "2027")
            .replace("years = 10", "years = 7");
        let second = second.replacen("years = 7", &format!("years = {years}"), 1).replace("2027-09", "2027-01-01");
        Retention::read(&format!("{TABLE}\n[[edition]]\n{second}")).expect("valid")
    }

    #[test]
    fn a_longer_period_holds_for_what_is_still_kept_from_its_first_day_on() {
        let editions = with_charts_kept(15);
        let chart = ClassName::new("chart").expect("a slug");
        let [before, after] = [at("2026-12-31T14:59:59Z"), at("2026-12-31T15:00:00Z")];
        let years = |moment| editions.at(moment).class("Condition", None).years;
        assert_eq!((years(before), years(after)), (10, 15), "by when the deposit began");
        let until = |moment| kept_until(&editions, &chart, 2030, moment);
        assert_eq!((until(before), until(after)), (2030, 2035), "before it is destroyed");
        let shorter = with_charts_kept(3);
        assert_eq!(kept_until(&shorter, &chart, 2030, after), 2030, "never earlier than was said at the deposit");
        assert_eq!(Retention::kept_until(&chart, 2030, after), 2030, "nothing was changed");
    }

    #[test]
    fn no_edition_drops_a_class_by_which_records_are_kept() {
        let class = |of: &str, slug: &str| {
            format!(
                "[[{of}]]\nslug=\"{slug}\"\nyears=1\nkorean=\"\"\nenglish=\"\"\nsource=\"\"\ndocuments=[]\ntypes=[]\n"
            )
        };
        let first = format!("version=\"1\"\nvalid_from=\"2026-01-01\"\notherwise=\"a\"\n{}", class("class", "a"));
        let second = "[[edition]]\nversion=\"2\"\nvalid_from=\"2027-01-01\"\n";
        let with = |otherwise: &str, classes: &str| {
            Retention::read(&format!("{first}{second}otherwise=\"{otherwise}\"\n{classes}"))
        };
        let both = [class("edition.class", "a"), class("edition.class", "b")].concat();
        assert!(with("b", &both).is_ok());
        let fault = with("b", &class("edition.class", "b")).expect_err("refused").to_string();
        assert!(fault.contains("drops class a"), "{fault}");
    }
}
