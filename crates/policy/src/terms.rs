//! Terms that are data with editions: how long a ground stays open and when a review is due (`policies/grounds.toml`), and what
//! must be seen of whoever acts for a person (`policies/representatives.toml`). Pure: moments, days and hours are handed in.
//!
//! What is asked, confirmed, broken, given or appointed goes by the edition in force at that moment, and what was open by then keeps
//! the end that it was given: that a new law does not reach back to what is done is an *estimate*. Whether somebody may still look is a
//! new act each time, and goes by the edition in force at the look.

use crate::editions::{EditionFault, Editions};
use crate::ground::GroundKind;
use base::Timestamp;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const GROUNDS: (&str, &str) = ("grounds.toml", include_str!("../../../policies/grounds.toml"));
const CASES: (&str, &str) = ("representatives.toml", include_str!("../../../policies/representatives.toml"));

static GROUND_TERMS: LazyLock<Editions<GroundTerms>> =
    LazyLock::new(|| GroundTerms::parse(GROUNDS.1).expect("tests parse the compiled-in terms of grounds"));
static PROOF_RULES: LazyLock<Editions<ProofRules>> =
    LazyLock::new(|| ProofRules::parse(CASES.1).expect("tests parse the compiled-in cases of representatives"));

/// How long grounds stay open.
#[derive(Debug)]
pub struct GroundTerms {
    terms: Vec<(GroundKind, Term)>,
}

/// The terms of one kind of ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Most hours that it stays open.
    pub hours: i64,
    /// Hours until a review is due; `None` where none is.
    pub review_hours: Option<i64>,
}

impl GroundTerms {
    /// The editions that are compiled in.
    #[must_use]
    pub fn editions() -> &'static Editions<Self> {
        &GROUND_TERMS
    }

    /// The terms in force at the moment at which a ground is asked for, confirmed or opened.
    #[must_use]
    pub fn at(moment: Timestamp) -> &'static Self {
        GROUND_TERMS.at(moment)
    }

    /// The terms of a kind; `None` for appointments, which have rules of their own. Those of a consent are the longest it may last.
    #[must_use]
    pub fn of(&self, kind: GroundKind) -> Option<Term> {
        self.terms.iter().find(|(one, _)| *one == kind).map(|(_, term)| *term)
    }

    fn parse(text: &str) -> Result<Editions<Self>, EditionFault> {
        Editions::read(GROUNDS.0, text, Self::of_file)
    }

    fn of_file(file: GroundsFile) -> Result<Self, String> {
        let mut terms = Vec::new();
        for row in file.ground {
            let kind = GroundKind::from_name(&row.kind).ok_or_else(|| format!("no kind {}", row.kind))?;
            let all = std::iter::once(row.hours).chain(row.review_hours);
            if all.into_iter().any(|hours| !(1..=24 * 366).contains(&hours)) {
                return Err(format!("hours of {} are not between one and a year", row.kind));
            }
            terms.push((kind, Term { hours: row.hours, review_hours: row.review_hours }));
        }
        Ok(Self { terms })
    }
}

/// What must be seen of whoever acts for a person.
#[derive(Debug)]
pub struct ProofRules {
    edition: String,
    days_max: i64,
    cases: Vec<ProofCase>,
    substitutes: Vec<Substitute>,
}

/// One case in which somebody may act for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofCase {
    /// Its name in tables and forms.
    pub slug: String,
    /// Where it stands.
    pub source: String,
    /// What must be seen, by name.
    pub proofs: Vec<String>,
    /// Whether the person says so themselves, in the portal.
    pub by_person: bool,
    /// The person is at least this old.
    pub age_from: Option<i64>,
    /// The person is younger than this; the appointment ends with the day they no longer are.
    pub age_below: Option<i64>,
    /// Whether it lasts once the records say that the person died; the others end with that.
    pub after_death: bool,
}

/// What does in place of a proof of a person who is too young to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// The proof.
    pub proof: String,
    /// The person is younger than this, in full years, and does not have it.
    pub age_below: i64,
    /// Papers any of which does, by name.
    pub papers: Vec<String>,
    /// Where it stands.
    pub source: String,
}

/// Why somebody may not act for a person as told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// There is no such case.
    #[error("there is no such case of a representative")]
    Case,
    /// The case is for people of another age.
    #[error("the case is for people of another age")]
    Age,
    /// Some of what must be seen was not seen.
    #[error("not all proofs were seen: {}", missing.join(", "))]
    Missing {
        /// Names of those that were not.
        missing: Vec<String>,
    },
}

impl ProofRules {
    /// The editions that are compiled in.
    #[must_use]
    pub fn editions() -> &'static Editions<Self> {
        &PROOF_RULES
    }

    /// The cases in force at the moment at which somebody is appointed, or looks.
    #[must_use]
    pub fn at(moment: Timestamp) -> &'static Self {
        PROOF_RULES.at(moment)
    }

    /// Their edition, to be kept with each appointment.
    #[must_use]
    pub fn edition(&self) -> &str {
        &self.edition
    }

    /// The longest an appointment lasts, in days.
    #[must_use]
    pub const fn days_max(&self) -> i64 {
        self.days_max
    }

    /// Every case.
    #[must_use]
    pub fn cases(&self) -> &[ProofCase] {
        &self.cases
    }

    /// The case of a name.
    #[must_use]
    pub fn case(&self, slug: &str) -> Option<&ProofCase> {
        self.cases.iter().find(|case| case.slug == slug)
    }

    /// What does in place of a proof of a person of this age in full years: also where that is not known, since they may be as young.
    #[must_use]
    pub fn substitute(&self, proof: &str, age: Option<i64>) -> Option<&Substitute> {
        self.substitutes.iter().find(|one| one.proof == proof && age.is_none_or(|age| age < one.age_below))
    }

    /// Whether an appointment of this case lasts once the records say that the person died. One that nobody knows any more does not.
    #[must_use]
    pub fn lasts_after_death(&self, slug: &str) -> bool {
        self.case(slug).is_some_and(|case| case.after_death)
    }

    /// Whether what was seen is enough in a case, for a person of this age in full years (`None` where it is not known, which
    /// is enough for no case that asks for one).
    ///
    /// # Errors
    /// [`ProofFault`], which says what is missing.
    pub fn check(&self, slug: &str, age: Option<i64>, seen: &BTreeSet<String>) -> Result<&ProofCase, ProofFault> {
        let case = self.case(slug).ok_or(ProofFault::Case)?;
        let old_enough = case.age_from.is_none_or(|from| age.is_some_and(|age| age >= from));
        let young_enough = case.age_below.is_none_or(|below| age.is_some_and(|age| age < below));
        if !old_enough || !young_enough {
            return Err(ProofFault::Age);
        }
        let missing: Vec<String> = case.proofs.iter().filter(|proof| !seen.contains(*proof)).cloned().collect();
        if missing.is_empty() { Ok(case) } else { Err(ProofFault::Missing { missing }) }
    }

    fn parse(text: &str) -> Result<Editions<Self>, EditionFault> {
        Editions::read(CASES.0, text, Self::of)
    }

    fn of(file: CasesFile) -> Result<Self, String> {
        let mut cases: Vec<ProofCase> = Vec::new();
        for row in file.case {
            if row.proofs.is_empty() || cases.iter().any(|case| case.slug == row.slug) {
                return Err(format!("case {} has no proof or stands twice", row.slug));
            }
            cases.push(ProofCase {
                slug: row.slug,
                source: row.source,
                proofs: row.proofs,
                by_person: row.by_person,
                age_from: row.age_from,
                age_below: row.age_below,
                after_death: row.after_death,
            });
        }
        for row in &file.substitute {
            if row.papers.is_empty() || !cases.iter().any(|case| case.proofs.contains(&row.proof)) {
                return Err(format!("nothing does in place of {}, or no case asks for it", row.proof));
            }
        }
        let substitutes = file.substitute.into_iter().map(|row| Substitute {
            proof: row.proof,
            age_below: row.age_below,
            papers: row.papers,
            source: row.source,
        });
        Ok(Self { edition: file.version, days_max: file.days_max, cases, substitutes: substitutes.collect() })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GroundsFile {
    #[serde(rename = "version")]
    _version: String,
    ground: Vec<GroundRow>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GroundRow {
    kind: String,
    hours: i64,
    review_hours: Option<i64>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CasesFile {
    version: String,
    days_max: i64,
    case: Vec<CaseRow>,
    #[serde(default)]
    substitute: Vec<SubstituteRow>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SubstituteRow {
    proof: String,
    age_below: i64,
    papers: Vec<String>,
    source: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseRow {
    slug: String,
    source: String,
    proofs: Vec<String>,
    #[serde(default)]
    by_person: bool,
    age_from: Option<i64>,
    age_below: Option<i64>,
    #[serde(default)]
    after_death: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        at("2026-11-27T12:00:00+09:00")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn check(slug: &str, age: Option<i64>, seen: &[&str]) -> Result<(), ProofFault> {
        let seen = seen.iter().map(|proof| (*proof).to_owned()).collect();
        ProofRules::at(now()).check(slug, age, &seen).map(drop)
    }

    #[test]
    fn every_ground_that_staff_ask_for_has_its_term() {
        let kinds = [GroundKind::Request, GroundKind::Visit, GroundKind::Order, GroundKind::Migration];
        assert!(kinds.iter().all(|kind| GroundTerms::at(now()).of(*kind).is_some_and(|term| term.hours > 0)));
        let glass = GroundTerms::at(now()).of(GroundKind::BreakGlass).expect("a term");
        assert!(glass.hours <= 24 && glass.review_hours.is_some());
        assert_eq!(GroundTerms::at(now()).of(GroundKind::Appointment), None);
    }

    #[test]
    fn who_acts_for_another_proves_it_as_the_case_asks() {
        let family = ["own-id", "family-proof", "patient-consent", "patient-id"];
        assert_eq!(check("spouse-or-lineal", Some(40), &family), Ok(()));
        assert_eq!(check("spouse-or-lineal", Some(13), &family), Err(ProofFault::Age));
        assert_eq!(check("spouse-or-lineal-of-child", Some(13), &["own-id", "family-proof"]), Ok(()));
        assert_eq!(check("parent-online", Some(18), &["own-id", "family-proof"]), Ok(()));
        assert_eq!(check("parent-online", Some(19), &["own-id", "family-proof"]), Err(ProofFault::Age));
        assert_eq!(check("parent-online", None, &["own-id", "family-proof"]), Err(ProofFault::Age));
        let missing = vec!["no-nearer-family".to_owned()];
        assert_eq!(check("sibling", Some(40), &family), Err(ProofFault::Missing { missing }));
        let missing = vec!["death-certificate".to_owned()];
        assert_eq!(check("deceased", None, &["own-id", "family-proof"]), Err(ProofFault::Missing { missing }));
        assert_eq!(check("friend", Some(40), &family), Err(ProofFault::Case));
    }

    #[test]
    fn brothers_and_sisters_prove_in_every_case_that_there_is_no_nearer_family() {
        let rules = ProofRules::at(now());
        let pairs = [
            ("spouse-or-lineal", "sibling"),
            ("spouse-or-lineal-of-child", "sibling-of-child"),
            ("deceased", "deceased-sibling"),
            ("unconscious", "unconscious-sibling"),
            ("missing", "missing-sibling"),
            ("incapable", "incapable-sibling"),
        ];
        for (nearer, sibling) in pairs {
            let [nearer, sibling] = [nearer, sibling].map(|slug| rules.case(slug).expect(slug));
            let mut all = nearer.proofs.clone();
            all.push("no-nearer-family".to_owned());
            let [asked, all] = [&sibling.proofs, &all].map(|proofs| proofs.iter().collect::<BTreeSet<_>>());
            assert_eq!(asked, all, "{}", sibling.slug);
            let about = |case: &ProofCase| (case.age_from, case.age_below, case.after_death, case.by_person);
            assert_eq!(about(sibling), about(nearer), "{}", sibling.slug);
        }
        let asking = rules.cases().iter().filter(|case| case.proofs.iter().any(|proof| proof == "no-nearer-family"));
        assert_eq!(asking.count(), pairs.len(), "and in no other case");
    }

    #[test]
    fn who_is_too_young_for_a_resident_card_has_other_papers() {
        let rules = ProofRules::at(now());
        let young = rules.substitute("patient-id", Some(16)).expect("other papers");
        assert_eq!((young.age_below, young.papers.len()), (17, 3));
        assert!(!young.source.is_empty());
        assert_eq!(rules.substitute("patient-id", Some(17)), None);
        assert_eq!(rules.substitute("patient-id", None), Some(young), "they may be as young");
        assert_eq!(rules.substitute("own-id", Some(16)), None);
    }

    #[test]
    fn a_changed_law_holds_from_its_day_on() {
        let case =
            |age| format!("[[edition.case]]\nslug = \"a\"\nsource = \"b\"\nproofs = [\"p\"]\nage_from = {age}\n");
        let later = "[[edition]]\nversion = \"2\"\nvalid_from = \"2027-01-01\"\ndays_max = 30\n";
        let rules = ProofRules::parse(&format!("{}\n{later}{}", CASES.1, case(15))).expect("valid");
        let [before, after] = ["2026-12-31T14:59:59Z", "2026-12-31T15:00:00Z"].map(|moment| rules.at(at(moment)));
        assert_eq!((before.days_max(), before.edition()), (365, ProofRules::at(now()).edition()));
        assert_eq!((after.days_max(), after.edition(), after.cases().len()), (30, "2", 1));
        let later = "[[edition]]\nversion = \"2\"\nvalid_from = \"2027-01-01\"\n[[edition.ground]]\nkind = \"visit\"\nhours = 12\n\
                     source = \"s\"\n";
        let terms = GroundTerms::parse(&format!("{}\n{later}", GROUNDS.1)).expect("valid");
        let hours = |moment| terms.at(at(moment)).of(GroundKind::Visit).map(|term| term.hours);
        assert_eq!((hours("2026-12-31T14:59:59Z"), hours("2026-12-31T15:00:00Z")), (Some(24), Some(12)));
    }

    #[test]
    fn nothing_outlasts_the_person_but_what_is_for_those_who_died() {
        let rules = ProofRules::at(now());
        let lasting: Vec<&str> =
            rules.cases().iter().map(|case| &*case.slug).filter(|slug| rules.lasts_after_death(slug)).collect();
        assert_eq!(lasting, ["deceased", "deceased-sibling"]);
        assert!(
            rules.cases().iter().filter(|case| case.after_death).all(|case| !case.by_person),
            "no word of the dead"
        );
        assert!(!rules.lasts_after_death("friend"), "a case that nobody knows");
        let misspelt = "version = \"1\"\nvalid_from = \"2026-01-01\"\ndays_max = 1\n[[case]]\nslug = \"a\"\nsource = \"b\"\n\
                        proofs = [\"own-id\"]\nafter_deth = true\n";
        assert!(ProofRules::parse(misspelt).is_err());
        assert!(ProofRules::parse(&misspelt.replace("deth", "death")).is_ok());
    }

    #[test]
    fn every_proof_that_is_left_out_is_missed() {
        for case in ProofRules::at(now()).cases() {
            let age = case.age_from.or(case.age_below.map(|below| below - 1));
            for left_out in &case.proofs {
                let seen: Vec<&str> =
                    case.proofs.iter().filter(|proof| *proof != left_out).map(String::as_str).collect();
                let missing = vec![left_out.clone()];
                assert_eq!(check(&case.slug, age, &seen), Err(ProofFault::Missing { missing }), "{}", case.slug);
            }
            assert!(!case.source.is_empty());
        }
    }
}
