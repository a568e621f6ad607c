//! Who is a patient where: people laid out so that any one of them can be made on its own, at any time, on any thread.
//!
//! Every hospital has the same number of slots. A slot holds either a new person or the person of the same slot one
//! hospital before, so that nobody is twice in one hospital and some people are known at several.

use crate::institutions::Institution;
use crate::names::full_name;
use crate::people::{Person, Sex, ci_of, mobile, national_number};
use crate::places::Address;
use crate::rng::Rng;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use std::collections::HashSet;

/// Slots repeat this many places apart in what happens to their patients.
const ROLE_PERIOD: usize = 40;
/// How many of a hundred slots hold a patient of the hospital before.
const SHARED_PERCENT: usize = 20;
/// Births up to here, so that every patient is born before every hospital of the list ends.
const YOUNGEST: Date = date(2022, 6, 30);

/// What is sure to happen to the patient of a slot, so that even a small run holds every kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Has an amended condition, observation and document.
    Amended,
    /// Gives birth in hospital.
    Birth,
    /// Dies in hospital.
    Death,
    /// Has an operation.
    Surgery,
    /// Is admitted without an operation.
    Admission,
    /// Whatever the draws bring.
    Plain,
}

/// The role of a slot.
pub(crate) fn role(slot: usize) -> Role {
    match slot % ROLE_PERIOD {
        0 => Role::Amended,
        1 => Role::Birth,
        2 => Role::Death,
        3 => Role::Surgery,
        4 => Role::Admission,
        _ => Role::Plain,
    }
}

/// All people of one run, by hospital and slot.
pub(crate) struct Roster<'a> {
    seed: u64,
    slots: usize,
    institutions: &'a [Institution],
    /// Four digits that make each number unique, by hospital and slot; unused where the person is shared.
    serials: Vec<u16>,
}

impl<'a> Roster<'a> {
    /// Lays out everybody and settles which numbers they have.
    pub(crate) fn new(seed: u64, slots: usize, institutions: &'a [Institution]) -> Self {
        let mut roster = Self { seed, slots, institutions, serials: vec![0; slots * institutions.len()] };
        let mut taken = HashSet::with_capacity(roster.serials.len());
        for hospital in 0..institutions.len() {
            for slot in 0..slots {
                if roster.owner(hospital, slot) == hospital {
                    let (mut rng, sex, birth_date) = roster.start(hospital, slot);
                    let mut serial = u16::try_from(rng.below(10_000)).expect("below ten thousand");
                    // 73,000 days and sexes with 1,000 usable numbers each: a free one is always near.
                    while !taken.insert((birth_date, sex == Sex::Male, serial / 10)) {
                        serial = (serial + 10) % 10_000;
                    }
                    roster.serials[hospital * slots + slot] = serial;
                }
            }
        }
        roster
    }

    /// The hospital where the person of this slot was first a patient.
    pub(crate) fn owner(&self, hospital: usize, slot: usize) -> usize {
        let mut owner = hospital;
        while owner > 0 && self.is_shared(owner, slot) {
            owner -= 1;
        }
        owner
    }

    /// The person of a slot.
    pub(crate) fn person(&self, hospital: usize, slot: usize) -> Person {
        let owner = self.owner(hospital, slot);
        let (mut rng, sex, birth_date) = self.start(owner, slot);
        let digit = match (birth_date.year() >= 2000, sex) {
            (false, Sex::Male) => 1,
            (false, Sex::Female) => 2,
            (true, Sex::Male) => 3,
            (true, Sex::Female) => 4,
        };
        let serial = self.serials[owner * self.slots + slot] / 10;
        let rrn = national_number(birth_date, digit, &format!("99{serial:03}"));
        let (name, romanized) = full_name(&mut rng, sex == Sex::Female, birth_date.year());
        Person { name, romanized, ci: ci_of(&rrn), rrn, birth_date, sex, mobile: mobile(&mut rng), other_ids: vec![] }
    }

    /// Where the person of a slot lives.
    pub(crate) fn address(&self, hospital: usize, slot: usize) -> Address {
        let owner = self.owner(hospital, slot);
        let home = &self.institutions[owner].address;
        Address::draw(&mut Rng::derived(self.seed, &[3, owner as u64, slot as u64]), (home.province, home.district))
    }

    /// Everybody once, with the hospital and slot where they were first a patient.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.institutions.len())
            .flat_map(|hospital| (0..self.slots).map(move |slot| (hospital, slot)))
            .filter(|(hospital, slot)| self.owner(*hospital, *slot) == *hospital)
    }

    fn is_shared(&self, hospital: usize, slot: usize) -> bool {
        // The dead are patients of one hospital only: they must not turn up alive at the next.
        role(slot) == Role::Plain && Rng::derived(self.seed, &[1, hospital as u64, slot as u64]).percent(SHARED_PERCENT)
    }

    fn start(&self, hospital: usize, slot: usize) -> (Rng, Sex, Date) {
        let mut rng = Rng::derived(self.seed, &[2, hospital as u64, slot as u64]);
        let female = match role(slot) {
            Role::Birth => true,
            _ => rng.percent(52),
        };
        let earliest_and_latest = match role(slot) {
            Role::Amended | Role::Surgery | Role::Admission => (1955, 1990),
            Role::Birth => (1986, 1992),
            Role::Death => (1932, 1945),
            Role::Plain => *rng.pick(&BIRTH_YEARS),
        };
        let year = rng.between(earliest_and_latest.0, earliest_and_latest.1);
        let first = date(i16::try_from(year).expect("a year of this era"), 1, 1);
        let birth_date = first.checked_add(rng.between(0, 364).days()).expect("a day of that year").min(YOUNGEST);
        (rng, if female { Sex::Female } else { Sex::Male }, birth_date)
    }
}

/// Birth years of patients, older people coming more often: an *estimate*.
const BIRTH_YEARS: [(i32, i32); 12] = [
    (1930, 1944),
    (1940, 1949),
    (1945, 1954),
    (1950, 1959),
    (1955, 1964),
    (1960, 1969),
    (1965, 1979),
    (1970, 1989),
    (1980, 1999),
    (1990, 2009),
    (2005, 2019),
    (2015, 2022),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::institutions::institutions;

    #[test]
    fn numbers_are_unique_and_nobody_is_twice_in_a_hospital() {
        let hospitals = institutions(3);
        let roster = Roster::new(42, 400, &hospitals);
        let everybody: Vec<_> = roster.everybody().collect();
        let numbers: HashSet<String> = everybody.iter().map(|(h, s)| roster.person(*h, *s).rrn).collect();
        assert_eq!(numbers.len(), everybody.len());
        assert!(everybody.len() < 1200 && everybody.len() > 900, "some are shared: {}", everybody.len());
        for hospital in 0..3 {
            let here: HashSet<String> = (0..400).map(|slot| roster.person(hospital, slot).rrn).collect();
            assert_eq!(here.len(), 400);
        }
    }

    #[test]
    fn numbers_have_the_form_and_show_that_they_are_made_up() {
        let hospitals = institutions(1);
        let roster = Roster::new(1, 60, &hospitals);
        for slot in 0..60 {
            let person = roster.person(0, slot);
            assert_eq!(person.rrn.len(), 13);
            assert!(person.rrn.bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(&person.rrn[7..9], "99");
            let born = person.birth_date;
            assert_eq!(person.rrn[..6], born.strftime("%y%m%d").to_string());
        }
    }
}
