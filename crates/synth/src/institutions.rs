//! The made-up hospitals: what they are, where, and why their records must go into custody. None of them exists.

use crate::names::full_name;
use crate::places::Address;
use crate::rng::Rng;
use jiff::civil::{Date, date};

/// What kind of medicine is practised, which decides the stories of the patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Practice {
    /// Beds and operating rooms.
    Hospital,
    /// Out-patients, small operations.
    Clinic,
    /// Korean medicine.
    KoreanMedicine,
    /// Dentistry.
    Dental,
}

/// Closed for good, or for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Closed(Date),
    Suspended(Date, Date),
}

impl Ending {
    /// The last day with patients.
    pub(crate) fn last_day(self) -> Date {
        match self {
            Self::Closed(day) | Self::Suspended(day, _) => day,
        }
    }
}

/// One made-up institution.
#[derive(Debug, Clone)]
pub(crate) struct Institution {
    /// 8 digits beginning with 99, then the kind, then a running number.
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) romanized: String,
    /// HIRA code of the kind.
    pub(crate) kind: &'static str,
    pub(crate) address: Address,
    pub(crate) ending: Ending,
    pub(crate) practice: Practice,
    /// Who hands the records over, as text.
    pub(crate) depositor: String,
    pub(crate) staff: Vec<Doctor>,
}

/// A doctor, dentist or Korean-medicine doctor on the staff.
#[derive(Debug, Clone)]
pub(crate) struct Doctor {
    pub(crate) name: String,
    /// HIRA code and name of the department.
    pub(crate) department: (&'static str, &'static str),
    /// Six digits beginning with 9.
    pub(crate) licence: String,
    /// 의사, 치과의사 or 한의사.
    pub(crate) profession: &'static str,
}

struct Profile {
    name: &'static str,
    romanized: &'static str,
    kind: &'static str,
    place: (&'static str, &'static str),
    ending: Ending,
    practice: Practice,
    departments: &'static [(&'static str, &'static str)],
}

const CLINIC: &[(&str, &str)] = &[("01", "내과"), ("04", "외과"), ("10", "산부인과"), ("11", "소아청소년과")];
const HOSPITAL: &[(&str, &str)] = &[
    ("01", "내과"),
    ("04", "외과"),
    ("05", "정형외과"),
    ("10", "산부인과"),
    ("11", "소아청소년과"),
    ("02", "신경과"),
    ("12", "안과"),
    ("09", "마취통증의학과"),
    ("16", "영상의학과"),
];
const KOREAN: &[(&str, &str)] = &[("28", "한방내과"), ("28", "침구과")];
const DENTAL: &[(&str, &str)] = &[("49", "치과"), ("51", "치과보철과")];

/// The institutions in the order in which runs use them; beyond the list they come again under a numbered name.
const PROFILES: &[Profile] = &[
    Profile {
        name: "새온병원",
        romanized: "Saeon Hospital",
        kind: "21",
        place: ("강원특별자치도", "원주시"),
        ending: Ending::Closed(date(2026, 3, 31)),
        practice: Practice::Hospital,
        departments: HOSPITAL,
    },
    Profile {
        name: "다솜내과의원",
        romanized: "Dasom Internal Medicine Clinic",
        kind: "31",
        place: ("서울특별시", "마포구"),
        ending: Ending::Closed(date(2025, 8, 29)),
        practice: Practice::Clinic,
        departments: CLINIC,
    },
    Profile {
        name: "미르한의원",
        romanized: "Mir Korean Medicine Clinic",
        kind: "93",
        place: ("전북특별자치도", "전주시"),
        ending: Ending::Suspended(date(2026, 5, 1), date(2027, 4, 30)),
        practice: Practice::KoreanMedicine,
        departments: KOREAN,
    },
    Profile {
        name: "하늘빛치과의원",
        romanized: "Haneulbit Dental Clinic",
        kind: "51",
        place: ("부산광역시", "해운대구"),
        ending: Ending::Closed(date(2024, 6, 28)),
        practice: Practice::Dental,
        departments: DENTAL,
    },
    Profile {
        name: "늘봄누리종합병원",
        romanized: "Neulbom Nuri General Hospital",
        kind: "11",
        place: ("대구광역시", "수성구"),
        ending: Ending::Closed(date(2026, 1, 30)),
        practice: Practice::Hospital,
        departments: HOSPITAL,
    },
    Profile {
        name: "아람산부인과의원",
        romanized: "Aram Obstetrics and Gynaecology Clinic",
        kind: "31",
        place: ("경기도", "수원시"),
        ending: Ending::Closed(date(2023, 11, 30)),
        practice: Practice::Clinic,
        departments: CLINIC,
    },
    Profile {
        name: "온새미요양병원",
        romanized: "Onsaemi Long-term Care Hospital",
        kind: "28",
        place: ("전라남도", "순천시"),
        ending: Ending::Suspended(date(2026, 2, 1), date(2026, 12, 31)),
        practice: Practice::Hospital,
        departments: HOSPITAL,
    },
    Profile {
        name: "가람누리한방병원",
        romanized: "Garam Nuri Korean Medicine Hospital",
        kind: "92",
        place: ("광주광역시", "북구"),
        ending: Ending::Closed(date(2025, 5, 30)),
        practice: Practice::KoreanMedicine,
        departments: KOREAN,
    },
    Profile {
        name: "라온치과병원",
        romanized: "Raon Dental Hospital",
        kind: "41",
        place: ("인천광역시", "남동구"),
        ending: Ending::Closed(date(2026, 4, 15)),
        practice: Practice::Dental,
        departments: DENTAL,
    },
    Profile {
        name: "해솔정신병원",
        romanized: "Haesol Psychiatric Hospital",
        kind: "29",
        place: ("충청북도", "청주시"),
        ending: Ending::Closed(date(2024, 12, 31)),
        practice: Practice::Hospital,
        departments: HOSPITAL,
    },
];

/// The first `count` institutions. They do not depend on the seed: demonstrations and tests know them by name.
pub(crate) fn institutions(count: usize) -> Vec<Institution> {
    (0..count).map(institution).collect()
}

fn institution(place: usize) -> Institution {
    let profile = &PROFILES[place % PROFILES.len()];
    let round = place / PROFILES.len();
    let (name, romanized) = match round {
        0 => (format!("{} (합성)", profile.name), format!("{} (synthetic)", profile.romanized)),
        _ => (
            format!("{} 제{}분원 (합성)", profile.name, round),
            format!("{} Branch {round} (synthetic)", profile.romanized),
        ),
    };
    let mut rng = Rng::derived(99, &[place as u64]);
    let mut address = Address::draw(&mut rng, profile.place);
    (address.province, address.district) = profile.place;
    let profession = match profile.practice {
        Practice::Hospital | Practice::Clinic => "의사",
        Practice::KoreanMedicine => "한의사",
        Practice::Dental => "치과의사",
    };
    let staff: Vec<Doctor> = profile
        .departments
        .iter()
        .map(|department| Doctor {
            name: name_of_staff(&mut rng),
            department: *department,
            licence: format!("9{:05}", rng.below(100_000)),
            profession,
        })
        .collect();
    Institution {
        code: format!("99{}{:04}", profile.kind, place + 1),
        depositor: format!("대표자 {} (합성)", staff[0].name),
        name,
        romanized,
        kind: profile.kind,
        address,
        ending: profile.ending,
        practice: profile.practice,
        staff,
    }
}

fn name_of_staff(rng: &mut Rng) -> String {
    let female = rng.percent(40);
    full_name(rng, female, 1972).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_however_many_there_are() {
        let all = institutions(35);
        let codes: std::collections::HashSet<_> = all.iter().map(|institution| &institution.code).collect();
        let names: std::collections::HashSet<_> = all.iter().map(|institution| &institution.name).collect();
        assert_eq!((codes.len(), names.len()), (35, 35));
        assert!(codes.iter().all(|code| code.len() == 8 && code.starts_with("99")));
        assert!(names.iter().all(|name| name.ends_with("(합성)")));
    }
}
