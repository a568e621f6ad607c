//! What can happen to a patient: disorders with the tests, medicines and procedures that follow them. Tables only.
//!
//! Diagnosis codes follow KCD, whose three- and four-character codes are those of ICD-10. LOINC codes name tests.
//! Codes of the blood count (`D0002…`) are those of the published KR Core examples. All other codes of procedures (`Z9…`)
//! and of medicines (`9990…`) have the shape of the price list's codes and are **made up**, so that nobody takes an
//! amount or a code from here for a real one. Frequencies are *estimates*.

mod dental;
mod korean;
mod orders;
mod western;

use crate::institutions::Practice;

/// A laboratory test with the values of healthy adults.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) loinc: &'static str,
    pub(crate) name: &'static str,
    pub(crate) korean: &'static str,
    /// UCUM.
    pub(crate) unit: &'static str,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) places: usize,
    /// Where values lie, and how far around, when the disorder raises or lowers them.
    pub(crate) when_ill: (f64, f64),
}

/// Tests ordered together.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) tests: &'static [&'static Test],
}

/// An image with its report.
#[derive(Debug)]
pub(crate) struct Imaging {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) finding: &'static str,
    pub(crate) conclusion: &'static str,
}

/// A medicine under its ingredient's name.
#[derive(Debug)]
pub(crate) struct Drug {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) per_day: u8,
    pub(crate) days: u8,
    pub(crate) how: &'static str,
}

/// What KR Core tells apart in procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActKind {
    /// 수술
    Surgery,
    /// 처치
    Treatment,
    /// 마취
    Anaesthesia,
}

/// A procedure.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: ActKind,
}

/// A vaccine: KR Core's code and name.
#[derive(Debug)]
pub(crate) struct Vaccine {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
}

/// Something to be allergic to.
#[derive(Debug)]
pub(crate) struct Allergen {
    pub(crate) category: &'static str,
    pub(crate) name: &'static str,
    pub(crate) reaction: &'static str,
}

/// A disorder and what follows it.
#[derive(Debug)]
pub(crate) struct Disorder {
    pub(crate) kcd: &'static str,
    pub(crate) name: &'static str,
    pub(crate) complaint: &'static str,
    pub(crate) department: &'static str,
    /// Stays, and brings the patient back.
    pub(crate) chronic: bool,
    pub(crate) ages: (i16, i16),
    pub(crate) weight: u32,
    pub(crate) panel: Option<&'static Panel>,
    pub(crate) imaging: Option<&'static Imaging>,
    pub(crate) drugs: &'static [&'static Drug],
    pub(crate) acts: &'static [&'static Act],
}

impl Disorder {
    /// A disorder from which tables leave out what it does not bring.
    const fn plain(kcd: &'static str, name: &'static str, complaint: &'static str, department: &'static str) -> Self {
        Self {
            kcd,
            name,
            complaint,
            department,
            chronic: false,
            ages: (0, 110),
            weight: 10,
            panel: None,
            imaging: None,
            drugs: &[],
            acts: &[],
        }
    }
}

/// What a practice sees.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Everyday disorders.
    pub(crate) disorders: &'static [Disorder],
    /// What ends in an operation.
    pub(crate) operations: &'static [Disorder],
    /// What needs a bed; empty where there are none.
    pub(crate) admissions: &'static [Disorder],
    /// A birth, where they are attended.
    pub(crate) birth: Option<&'static Disorder>,
    /// What people die of there.
    pub(crate) deaths: &'static [Disorder],
    /// Treatments that most visits bring.
    pub(crate) routine: &'static [Act],
    pub(crate) anaesthesia: &'static Act,
    pub(crate) vaccines: &'static [Vaccine],
}

/// The catalogue of a practice.
pub(crate) fn catalogue(practice: Practice) -> &'static Catalogue {
    match practice {
        Practice::Hospital => &western::HOSPITAL,
        Practice::Clinic => &western::CLINIC,
        Practice::KoreanMedicine => &korean::CATALOGUE,
        Practice::Dental => &dental::CATALOGUE,
    }
}

/// Allergens of any practice.
pub(crate) static ALLERGENS: &[Allergen] = &[
    Allergen { category: "medication", name: "페니실린계 항생제", reaction: "두드러기" },
    Allergen { category: "medication", name: "아스피린", reaction: "얼굴 부종" },
    Allergen { category: "medication", name: "조영제", reaction: "발진" },
    Allergen { category: "food", name: "땅콩", reaction: "입술 부종" },
    Allergen { category: "food", name: "새우", reaction: "가려움" },
    Allergen { category: "environment", name: "집먼지진드기", reaction: "재채기와 콧물" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_practice_can_fill_a_visit_at_any_age() {
        for practice in [Practice::Hospital, Practice::Clinic, Practice::KoreanMedicine, Practice::Dental] {
            let catalogue = catalogue(practice);
            for age in 0..=96 {
                let fits = |disorder: &&Disorder| (disorder.ages.0..=disorder.ages.1).contains(&age);
                assert!(catalogue.disorders.iter().any(|d| fits(&d) && !d.chronic), "{practice:?} at {age}");
            }
            assert!(!catalogue.operations.is_empty());
        }
    }

    #[test]
    fn reference_ranges_are_ranges() {
        for disorder in western::HOSPITAL.disorders {
            for test in disorder.panel.iter().flat_map(|panel| panel.tests) {
                assert!(test.low < test.high, "{}", test.name);
            }
        }
    }
}
