//! Regions (시도 시군구) in both languages: how they are written in English, and the names by which people look for them. No
//! gazetteer: provinces come from a table, districts are romanised by rule.

use crate::hangul::{folded, romanised};
use serde::Deserialize;
use std::sync::OnceLock;

const PROVINCES: &str = include_str!("../../../../policies/provinces.toml");
/// What the names of districts end in, written after a hyphen (국어의 로마자 표기법, chapter 3, section 5).
const UNITS: [(&str, &str); 7] =
    [("시", "si"), ("군", "gun"), ("구", "gu"), ("도", "do"), ("읍", "eup"), ("면", "myeon"), ("동", "dong")];

/// A province (시도).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Province {
    /// Its Korean name in law, with which regions begin.
    pub korean: String,
    /// Its English name.
    pub english: String,
    /// Short and former names of it in both languages.
    pub also: Vec<String>,
}

/// Every province, in the customary order.
#[must_use]
pub fn provinces() -> &'static [Province] {
    #[derive(Deserialize)]
    struct Table {
        province: Vec<Province>,
    }
    static ALL: OnceLock<Vec<Province>> = OnceLock::new();
    ALL.get_or_init(|| {
        toml::from_str::<Table>(PROVINCES).expect("the table is part of the program, and a test reads it").province
    })
}

/// The province that has this name in either language, whatever its case, spaces and hyphens.
#[must_use]
pub fn province_called(name: &str) -> Option<&'static Province> {
    let name = folded(name);
    provinces().iter().find(|province| province.names().any(|one| folded(one) == name))
}

/// A region in English, the smallest place first: `강원특별자치도 원주시` → `Wonju-si, Gangwon State`. Words that are not
/// Korean stay as they are.
#[must_use]
pub fn region_in_english(region: &str) -> String {
    let (province, districts) = parts(region);
    let mut places: Vec<String> = districts.iter().rev().map(|word| latin(word)).collect();
    places.extend(province.map(|province| province.english.clone()));
    places.join(", ")
}

impl Province {
    fn names(&self) -> impl Iterator<Item = &str> {
        [&self.korean, &self.english].into_iter().chain(&self.also).map(String::as_str)
    }
}

/// A region as it is searched: every way to write it, folded.
pub(super) struct Region {
    /// The province as the region writes it.
    pub(super) province: Option<String>,
    wholes: Vec<String>,
    words: Vec<String>,
}

impl Region {
    pub(super) fn of(region: &str) -> Self {
        let (province, districts) = parts(region);
        let korean = folded(&districts.concat());
        let romanised: Vec<String> = districts.iter().map(|word| latin(word)).collect();
        let roman = folded(&romanised.concat());
        let mut wholes = vec![folded(region), folded(&region_in_english(region))];
        let mut words: Vec<String> =
            region.split_whitespace().chain(romanised.iter().map(String::as_str)).map(folded).collect();
        for name in province.into_iter().flat_map(Province::names) {
            wholes.push(folded(name) + if name.chars().any(is_syllable) { &korean } else { &roman });
            words.extend(name.split_whitespace().map(folded));
        }
        words.sort_unstable();
        words.dedup();
        Self { province: region.split_whitespace().next().map(str::to_owned), wholes, words }
    }

    /// Whether the region, written in any way, begins with this folded text.
    pub(super) fn begins_with(&self, wanted: &str) -> bool {
        self.wholes.iter().any(|whole| whole.starts_with(wanted))
    }

    /// Whether a word of the region, written in any way, begins with this folded text.
    pub(super) fn has_word(&self, wanted: &str) -> bool {
        self.words.iter().any(|word| word.starts_with(wanted))
    }
}

/// The province of a region, where it is known, and the other words of the region.
fn parts(region: &str) -> (Option<&'static Province>, Vec<&str>) {
    let words: Vec<&str> = region.split_whitespace().collect();
    let province = words.first().and_then(|word| province_called(word));
    let districts = words.into_iter().skip(usize::from(province.is_some())).collect();
    (province, districts)
}

/// A word of a region in Latin letters: `종로구` → `Jongno-gu`.
fn latin(word: &str) -> String {
    if !word.chars().all(is_syllable) {
        return word.to_owned();
    }
    let unit = UNITS.iter().find_map(|(korean, latin)| {
        let stem = word.strip_suffix(korean)?;
        (!stem.is_empty()).then(|| format!("{}-{latin}", romanised(stem)))
    });
    capitalised(&unit.unwrap_or_else(|| romanised(word)))
}

fn is_syllable(letter: char) -> bool {
    ('가'..='힣').contains(&letter)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_province_has_names_of_its_own() {
        assert_eq!(provinces().len(), 17);
        let names: Vec<String> = provinces().iter().flat_map(Province::names).map(folded).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for province in provinces() {
            assert!(province.korean.chars().all(is_syllable), "{}", province.korean);
            assert!(province.english.is_ascii() && !province.english.is_empty(), "{}", province.english);
        }
    }

    #[test]
    fn provinces_are_known_by_each_of_their_names() {
        for name in ["강원특별자치도", "강원도", "Gangwon State", "gangwon-do", "GANGWONDO"] {
            assert_eq!(
                province_called(name).map(|province| province.korean.as_str()),
                Some("강원특별자치도"),
                "{name}"
            );
        }
        assert_eq!(province_called("원주시"), None);
        assert_eq!(province_called(""), None);
    }

    #[test]
    fn regions_are_written_in_english() {
        for (korean, english) in [
            ("강원특별자치도 원주시", "Wonju-si, Gangwon State"),
            ("서울특별시 종로구", "Jongno-gu, Seoul"),
            ("경기도 수원시 장안구", "Jangan-gu, Suwon-si, Gyeonggi-do"),
            ("부산광역시 중구", "Jung-gu, Busan"),
            ("세종특별자치시", "Sejong"),
            ("강원도 정선군", "Jeongseon-gun, Gangwon State"),
            ("새나라도 강릉시", "Gangneung-si, Saenara-do"),
            ("Seoul", "Seoul"),
            ("도 시", "Si, Do"),
            ("", ""),
        ] {
            assert_eq!(region_in_english(korean), english, "{korean}");
        }
    }

    #[test]
    fn a_region_is_found_however_it_is_written() {
        let region = Region::of("강원특별자치도 원주시");
        for text in [
            "강원",
            "강원도",
            "강원도 원주",
            "강원특별자치도 원주시",
            "Gangwon",
            "gangwon-do Wonju",
            "Wonju-si, Gangwon State",
        ] {
            assert!(region.begins_with(&folded(text)), "{text}");
        }
        for text in ["원주시", "경기", "Seoul"] {
            assert!(!region.begins_with(&folded(text)), "{text}");
        }
        for word in ["원주", "원주시", "강원도", "wonju", "Gangwon", "state"] {
            assert!(region.has_word(&folded(word)), "{word}");
        }
        assert!(!region.has_word("주시"));
        assert!(!Region::of("").has_word("강원"));
        assert_eq!(Region::of("새나라도 강릉시").province.as_deref(), Some("새나라도"));
    }
}
