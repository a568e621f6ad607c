//! How much of a person's records is shared: which kinds of data, and which sensitive kinds, which nothing general includes.
//! Knows codes and words, and no resource: whoever opens one hands its codes over. Words are compared whatever their case, form of
//! Hangul and, between Hangul, their spaces.
//!
//! What counts as which kind is data with editions: `policies/record-kinds.toml`. The edition in force at the moment of the look holds,
//! not that of the day on which a consent was given: who keeps a kind to themselves keeps what is known by now to be of it.

use crate::editions::{EditionFault, Editions};
use base::Timestamp;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

const FILE: &str = "record-kinds.toml";
const TEXT: &str = include_str!("../../../policies/record-kinds.toml");

static KINDS: LazyLock<Editions<RecordKinds>> =
    LazyLock::new(|| RecordKinds::parse(TEXT).expect("tests parse the compiled-in kinds of records"));

/// A kind of data, as people choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataKind {
    /// When and where somebody was treated.
    Visits,
    /// Diagnoses and allergies.
    Diagnoses,
    /// Drugs and vaccinations.
    Medications,
    /// Results of tests.
    Tests,
    /// Pictures and what was read in them.
    Imaging,
    /// Operations and other procedures.
    Procedures,
    /// Which documents there are.
    Documents,
}

impl DataKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Visits,
        Self::Diagnoses,
        Self::Medications,
        Self::Tests,
        Self::Imaging,
        Self::Procedures,
        Self::Documents,
    ];

    /// Its name in tables, consents and forms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Diagnoses => "diagnoses",
            Self::Medications => "medications",
            Self::Tests => "tests",
            Self::Imaging => "imaging",
            Self::Procedures => "procedures",
            Self::Documents => "documents",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A kind of data that people must be able to keep to themselves: shared where it is named, and never along with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sensitive {
    /// Mental health, addiction included.
    MentalHealth,
    /// HIV and other sexually transmitted infections.
    Infection,
    /// Genes and what is inherited.
    Genetics,
    /// Pregnancy, birth, contraception and what is about them.
    Reproductive,
}

impl Sensitive {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::MentalHealth, Self::Infection, Self::Genetics, Self::Reproductive];

    /// Its name in tables, consents and forms.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MentalHealth => "mental-health",
            Self::Infection => "infection",
            Self::Genetics => "genetics",
            Self::Reproductive => "reproductive",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How much of what a permit's scope reaches may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Whole,
    /// What is of one of these kinds, and of no sensitive kind but these.
    Part {
        /// Kinds of data.
        kinds: BTreeSet<DataKind>,
        /// Sensitive kinds that are named.
        sensitive: BTreeSet<Sensitive>,
    },
}

impl Share {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self::Part { kinds: BTreeSet::new(), sensitive: BTreeSet::new() }
    }

    /// Whether a resource of this type with these sensitive kinds is within it, by an edition of the kinds. A type that is of no
    /// kind never is within a part.
    #[must_use]
    pub fn includes(&self, edition: &RecordKinds, resource_type: &str, found: &BTreeSet<Sensitive>) -> bool {
        match self {
            Self::Whole => true,
            Self::Part { kinds, sensitive } => {
                edition.kind_of(resource_type).is_some_and(|kind| kinds.contains(&kind)) && found.is_subset(sensitive)
            }
        }
    }

    /// Its text in tables: `whole`, or names of kinds, a semicolon, names of sensitive kinds.
    #[must_use]
    pub fn to_text(&self) -> String {
        let words = |names: Vec<&str>| names.join(" ");
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Part { kinds, sensitive } => format!(
                "{};{}",
                words(kinds.iter().map(|kind| kind.name()).collect()),
                words(sensitive.iter().map(|kind| kind.name()).collect())
            ),
        }
    }

    /// Reads [`Share::to_text`]; `None` where any word is unknown.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        if text == "whole" {
            return Some(Self::Whole);
        }
        let (kinds, sensitive) = text.split_once(';')?;
        let kinds = kinds.split_whitespace().map(DataKind::from_name).collect::<Option<_>>()?;
        let sensitive = sensitive.split_whitespace().map(Sensitive::from_name).collect::<Option<_>>()?;
        Some(Self::Part { kinds, sensitive })
    }
}

/// A code in a resource, with what stands beside it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coded<'a> {
    /// Its system; empty where none is given.
    pub system: &'a str,
    /// The code; empty where there is only a text.
    pub code: &'a str,
    /// Words for it.
    pub text: &'a str,
}

/// Which types are of which kind, and what makes a resource sensitive.
#[derive(Debug)]
pub struct RecordKinds {
    edition: String,
    kinds: Vec<(DataKind, Vec<String>)>,
    sensitive: Vec<Marks>,
    /// Types that gather records of all kinds.
    gathers: Vec<String>,
}

/// What tells one sensitive kind.
#[derive(Debug)]
struct Marks {
    kind: Sensitive,
    /// Spans of three-character categories of the disease classification, both ends included.
    categories: Vec<(String, String)>,
    /// A part of a system's address, and beginnings of its codes.
    codes: Vec<(String, Vec<String>)>,
    /// In the form that texts are compared in.
    words: Vec<String>,
    types: Vec<String>,
    /// Kinds of institution by the code of HIRA.
    institutions: Vec<String>,
}

/// A text in the form in which texts are compared: compatible characters alike, letters small, what is not seen left out.
fn plain(text: &str) -> String {
    let is_seen = |letter: &char| !matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.nfkc().filter(is_seen).flat_map(char::to_lowercase).collect()
}

impl RecordKinds {
    /// The editions that are compiled in.
    #[must_use]
    pub fn editions() -> &'static Editions<Self> {
        &KINDS
    }

    /// The kinds in force at the moment of a look.
    #[must_use]
    pub fn at(moment: Timestamp) -> &'static Self {
        KINDS.at(moment)
    }

    /// Their edition.
    #[must_use]
    pub fn edition(&self) -> &str {
        &self.edition
    }

    /// The kind of data that a FHIR type is.
    #[must_use]
    pub fn kind_of(&self, resource_type: &str) -> Option<DataKind> {
        let found = self.kinds.iter().find(|(_, types)| types.iter().any(|one| one == resource_type));
        found.map(|(kind, _)| *kind)
    }

    /// Whether a type gathers records of all kinds: what makes it sensitive says nothing of all that it refers to.
    #[must_use]
    pub fn gathers(&self, resource_type: &str) -> bool {
        self.gathers.iter().any(|one| one == resource_type)
    }

    /// The sensitive kinds of everything that an institution of a kind has, by its code of HIRA.
    #[must_use]
    pub fn sensitive_of_institution(&self, kind: &str) -> BTreeSet<Sensitive> {
        let is_kind = |marks: &&Marks| marks.institutions.iter().any(|one| one == kind);
        self.sensitive.iter().filter(is_kind).map(|marks| marks.kind).collect()
    }

    /// The sensitive kinds of a resource, by its type and all its codes.
    #[must_use]
    pub fn sensitive_of<'a>(&self, resource_type: &str, codes: impl Iterator<Item = Coded<'a>>) -> BTreeSet<Sensitive> {
        let is_type = |marks: &&Marks| marks.types.iter().any(|one| one == resource_type);
        let mut found: BTreeSet<Sensitive> = self.sensitive.iter().filter(is_type).map(|marks| marks.kind).collect();
        for coded in codes {
            let (system, code, text) = (plain(coded.system), plain(coded.code).to_uppercase(), plain(coded.text));
            let joined: String = text.split_whitespace().collect();
            let said = Said { system: &system, code: &code, text: &text, joined: &joined };
            found.extend(self.sensitive.iter().filter(|marks| marks.fit(&said)).map(|marks| marks.kind));
        }
        found
    }

    fn parse(text: &str) -> Result<Editions<Self>, EditionFault> {
        Editions::read(FILE, text, Self::of)
    }

    fn of(file: KindsFile) -> Result<Self, String> {
        let mut kinds = Vec::new();
        for row in file.kind {
            let kind = DataKind::from_name(&row.slug).ok_or_else(|| format!("no kind {}", row.slug))?;
            kinds.push((kind, row.types));
        }
        let mut sensitive = Vec::new();
        for row in file.sensitive {
            let kind = Sensitive::from_name(&row.slug).ok_or_else(|| format!("no kind {}", row.slug))?;
            let span = |text: &String| {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                let fits = is_category(from) && is_category(to) && from <= to;
                fits.then(|| (from.to_owned(), to.to_owned())).ok_or_else(|| format!("no span {text}"))
            };
            let categories = row.categories.iter().map(span).collect::<Result<_, _>>()?;
            let codes = row.codes.into_iter().map(|one| (plain(&one.system), one.begins)).collect();
            let words = row.words.iter().map(|word| plain(word)).collect();
            sensitive.push(Marks { kind, categories, codes, words, types: row.types, institutions: row.institutions });
        }
        Ok(Self { edition: file.version, kinds, sensitive, gathers: file.gathers })
    }
}

/// A code and its words in the form in which they are compared.
struct Said<'a> {
    system: &'a str,
    code: &'a str,
    text: &'a str,
    /// The text without spaces.
    joined: &'a str,
}

impl Marks {
    fn fit(&self, coded: &Said<'_>) -> bool {
        let category = coded.code.get(..3).filter(|start| is_category(start));
        let is_category = category
            .is_some_and(|one| self.categories.iter().any(|(from, to)| from.as_str() <= one && one <= to.as_str()));
        let is_code = self.codes.iter().any(|(system, begins)| {
            coded.system.contains(system.as_str()) && begins.iter().any(|start| coded.code.starts_with(start.as_str()))
        });
        let is_said = |word: &String| match word.is_ascii() {
            true => coded.text.contains(word.as_str()),
            // Korean is written with spaces and without.
            false => coded.joined.contains(&word.split_whitespace().collect::<String>()),
        };
        is_category || is_code || self.words.iter().any(is_said)
    }
}

/// A letter and two digits: a category of ICD-10 and KCD. Codes of other systems with this beginning count as well, which
/// keeps back more, never less.
fn is_category(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'])
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KindsFile {
    version: String,
    #[serde(default)]
    gathers: Vec<String>,
    kind: Vec<KindRow>,
    sensitive: Vec<SensitiveRow>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KindRow {
    slug: String,
    types: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SensitiveRow {
    slug: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    codes: Vec<CodesRow>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    institutions: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CodesRow {
    system: String,
    begins: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> &'static RecordKinds {
        RecordKinds::at("2026-11-27T12:00:00+09:00".parse().expect("a time"))
    }

    fn kinds_of(system: &str, code: &str, text: &str) -> Vec<Sensitive> {
        let coded = Coded { system, code, text };
        now().sensitive_of("Condition", std::iter::once(coded)).into_iter().collect()
    }

    #[test]
    fn every_kind_stands_in_the_file_once_and_no_type_twice() {
        let kinds = now();
        assert_eq!(kinds.kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), DataKind::ALL);
        assert_eq!(kinds.sensitive.iter().map(|marks| marks.kind).collect::<Vec<_>>(), Sensitive::ALL);
        let types: Vec<&String> = kinds.kinds.iter().flat_map(|(_, types)| types).collect();
        assert_eq!(types.len(), types.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(kinds.kind_of("Patient"), None, "who somebody is goes with no kind");
    }

    #[test]
    fn what_is_sensitive_is_known_by_code_department_drug_word_and_type() {
        let kcd = "http://www.hl7korea.or.kr/CodeSystem/kcd8";
        assert_eq!(kinds_of(kcd, "F32.9", ""), [Sensitive::MentalHealth]);
        assert_eq!(kinds_of("", "F00", ""), [Sensitive::MentalHealth], "whatever the system");
        assert_eq!(kinds_of(kcd, "E78.5", "고지혈증"), []);
        assert_eq!(kinds_of(kcd, "B24", ""), [Sensitive::Infection]);
        assert_eq!(kinds_of(kcd, "A49", ""), [], "the category before");
        assert_eq!(kinds_of(kcd, "A50.1", ""), [Sensitive::Infection]);
        assert_eq!(kinds_of(kcd, "O80", ""), [Sensitive::Reproductive]);
        assert_eq!(kinds_of("x/hira-medical-department", "03", "정신과"), [Sensitive::MentalHealth]);
        assert_eq!(kinds_of("x/other", "03", ""), []);
        assert_eq!(kinds_of("http://www.whocc.no/atc", "N05AX08", ""), [Sensitive::MentalHealth]);
        assert_eq!(kinds_of("", "", "정신건강의학과 진료"), [Sensitive::MentalHealth]);
        let [decomposed, spaced, unseen] =
            ["정신과".nfd().collect(), "정신 과".to_owned(), "정\u{200b}신과".to_owned()];
        for text in [decomposed, spaced, unseen, "PSYCHIATRY".to_owned(), "에스시탈로프람정 10mg".to_owned()] {
            assert_eq!(kinds_of("", "", &text), [Sensitive::MentalHealth], "{text}");
        }
        assert_eq!(kinds_of("", "", "hiv 검사"), [Sensitive::Infection]);
        assert_eq!(kinds_of("", "f32.9", ""), [Sensitive::MentalHealth]);
        assert_eq!(kinds_of("HTTP://WWW.WHOCC.NO/ATC", "n05ax08", ""), [Sensitive::MentalHealth]);
        let of_place = |kind| now().sensitive_of_institution(kind);
        assert_eq!(of_place("29"), [Sensitive::MentalHealth].into());
        assert_eq!(of_place("31"), [].into());
        let of_type = now().sensitive_of("MolecularSequence", std::iter::empty());
        assert!(of_type.contains(&Sensitive::Genetics));
    }

    #[test]
    fn a_file_with_faults_is_refused() {
        let fault = |text: &str| RecordKinds::parse(text).expect_err("refused").to_string();
        assert!(fault("version = 1").contains("record-kinds.toml"));
        let head = "version = 'a'\nvalid_from = '2026-01-01'\nkind = []\n";
        assert!(fault(&format!("{head}[[sensitive]]\nslug = 'x'\nsource = 's'")).contains("no kind x"));
        let span =
            |span: &str| format!("{head}[[sensitive]]\nslug = 'genetics'\nsource = 's'\ncategories = ['{span}']");
        assert!(RecordKinds::parse(&span("Q90-Q99")).is_ok());
        for wrong in ["Q99-Q90", "q90", "Q9", "Q90-", ""] {
            assert!(fault(&span(wrong)).contains("no span"), "{wrong}");
        }
    }

    fn shares() -> impl Strategy<Value = Share> {
        let kinds = proptest::sample::subsequence(DataKind::ALL.to_vec(), 0..=DataKind::ALL.len());
        let sensitive = proptest::sample::subsequence(Sensitive::ALL.to_vec(), 0..=Sensitive::ALL.len());
        (kinds, sensitive).prop_map(|(kinds, sensitive)| Share::Part {
            kinds: kinds.into_iter().collect(),
            sensitive: sensitive.into_iter().collect(),
        })
    }

    proptest! {
        #[test]
        fn a_part_is_never_wider_than_its_words(share in shares(), found in shares(), at in 0..200_usize) {
            let Share::Part { kinds, sensitive } = &share else { panic!("a part") };
            let Share::Part { sensitive: found, .. } = found else { panic!("a part") };
            let types: Vec<&String> = now().kinds.iter().flat_map(|(_, types)| types).collect();
            let resource_type = types[at % types.len()];
            if share.includes(now(), resource_type, &found) {
                prop_assert!(now().kind_of(resource_type).is_some_and(|kind| kinds.contains(&kind)));
                prop_assert!(found.iter().all(|one| sensitive.contains(one)));
            }
            prop_assert!(!Share::none().includes(now(), resource_type, &found));
            prop_assert!(!share.includes(now(), "Patient", &found) && !share.includes(now(), "", &found));
            prop_assert_eq!(Share::from_text(&share.to_text()), Some(share));
        }

        #[test]
        fn a_text_with_an_unknown_word_shares_nothing(text: String, word in "[a-z-]{1,12}") {
            for text in [text, format!("visits {word};"), format!("visits;{word}")] {
                if let Some(share) = Share::from_text(&text) {
                    let words = text.split(';').flat_map(str::split_whitespace);
                    let known = |word: &str| DataKind::from_name(word).is_some() || Sensitive::from_name(word).is_some();
                    prop_assert!(share == Share::Whole && text == "whole" || words.into_iter().all(known));
                }
            }
        }
    }
}
