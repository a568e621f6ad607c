//! How long each kind of record is kept, from `policies/retention.toml`. Expiry itself is proposed and executed elsewhere.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::OnceLock;
use vault::ClassName;

use base::Timestamp;

const TABLE: &str = include_str!("../../../policies/retention.toml");

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
struct Table {
    version: String,
    otherwise: String,
    class: Vec<Row>,
}

#[derive(Deserialize)]
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
    /// The rules that this program was built with.
    #[must_use]
    pub fn standard() -> &'static Self {
        static STANDARD: OnceLock<Retention> = OnceLock::new();
        STANDARD.get_or_init(|| Self::read(TABLE).expect("the table is part of the program, and a test reads it"))
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

    fn read(text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
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

    #[test]
    fn years_are_those_of_article_15() {
        let years = |kind: &str, document: Option<&str>| Retention::standard().class(kind, document).years;
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
        let chart = Retention::standard().class("Condition", None);
        let new_year_in_korea: Timestamp = "2019-12-31T15:00:00Z".parse().expect("a time");
        assert_eq!(chart.expiry_year(new_year_in_korea), 2030);
    }

    #[test]
    fn tables_with_faults_are_refused() {
        let class = "[[class]]\nslug=\"a\"\nyears=1\nkorean=\"\"\nenglish=\"\"\nsource=\"\"\ndocuments=[]\n";
        let table = |rest: &str| Retention::read(&format!("version=\"1\"\notherwise=\"a\"\n{rest}"));
        assert!(table(&format!("{class}types=[\"X\"]\n")).is_ok());
        assert!(table(&format!("{class}types=[\"X\",\"X\"]\n")).is_err());
        assert!(table(&format!("{}types=[]\n", class.replace("\"a\"", "\"A b\""))).is_err());
        assert!(table(&format!("{}types=[]\n", class.replace("\"a\"", "\"b\""))).is_err());
    }
}
