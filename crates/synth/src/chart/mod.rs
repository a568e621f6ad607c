//! One patient's chart at one hospital: what happened ([`story`]), told as FHIR resources ([`resources`]).
//! Documents are drawn elsewhere (`docs`).

pub(crate) mod amend;
pub(crate) mod resources;
pub(crate) mod story;
mod visit;

use crate::catalogue::{Act, Allergen, Disorder, Drug, Imaging, Panel, Test, Vaccine};
use crate::institutions::Institution;
use crate::people::Person;
use crate::places::Address;
use jiff::ToSpan as _;
use jiff::civil::Date;
use std::fmt;

/// A minute of a day in Korea, which has kept one offset throughout the time of these records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) date: Date,
    pub(crate) minute: i32,
}

impl Moment {
    /// `minutes` later on the same day, at most until its last minute.
    pub(crate) fn later(self, minutes: i32) -> Self {
        Self { minute: (self.minute + minutes).min(24 * 60 - 1), ..self }
    }

    /// The same time of day, `days` later.
    pub(crate) fn days_later(self, days: i32) -> Self {
        Self { date: days_after(self.date, days), ..self }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}:00+09:00", self.date, self.minute / 60, self.minute % 60)
    }
}

/// The day `days` after `date`.
pub(crate) fn days_after(date: Date, days: i32) -> Date {
    date.checked_add(days.days()).expect("dates of the records are far from the ends of the calendar")
}

/// How the patient came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Ambulatory,
    Emergency,
    Inpatient,
}

/// What made a visit special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    None,
    Surgery,
    Admission,
    Birth,
    Death,
}

/// Vital signs; what was not taken is absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vitals {
    pub(crate) pressure: Option<(i32, i32)>,
    pub(crate) pulse: Option<i32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) weight_kg: Option<f64>,
}

/// The results of one panel, in the order of its tests.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    pub(crate) panel: &'static Panel,
    pub(crate) values: Vec<f64>,
}

impl Results {
    /// Tests with their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static Test, f64)> + '_ {
        self.panel.tests.iter().copied().zip(self.values.iter().copied())
    }

    /// Whether any value lies outside its range.
    pub(crate) fn any_abnormal(&self) -> bool {
        self.pairs().any(|(test, value)| flag(test, value) != "N")
    }
}

/// `L`, `N` or `H`, as v3 ObservationInterpretation has them.
pub(crate) fn flag(test: &Test, value: f64) -> &'static str {
    if value < test.low {
        "L"
    } else if value > test.high {
        "H"
    } else {
        "N"
    }
}

/// One visit or stay.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) class: Class,
    pub(crate) event: Event,
    /// Place in the staff list.
    pub(crate) doctor: usize,
    /// The first is the main one.
    pub(crate) disorders: Vec<&'static Disorder>,
    pub(crate) vitals: Vitals,
    pub(crate) results: Option<Results>,
    pub(crate) imaging: Option<&'static Imaging>,
    pub(crate) drugs: Vec<&'static Drug>,
    pub(crate) acts: Vec<&'static Act>,
    pub(crate) vaccine: Option<&'static Vaccine>,
}

/// Everything that happened to one patient at one hospital.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) visits: Vec<Visit>,
    pub(crate) allergen: Option<&'static Allergen>,
    pub(crate) died: Option<Moment>,
}

/// Whose chart, where.
pub(crate) struct Subject<'a> {
    pub(crate) person: &'a Person,
    pub(crate) address: &'a Address,
    pub(crate) institution: &'a Institution,
    /// FHIR id of the Patient; all ids of the chart begin with it.
    pub(crate) id: String,
    /// The hospital's own number of the patient.
    pub(crate) chart_number: String,
}
