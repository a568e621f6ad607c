//! A directory of made-up institutions whose records are elsewhere, so that a demonstration shows every state in which records
//! are not in custody. The institutions of the bags are not in it: what is deposited or migrating, deposits say.

use crate::places::Address;
use crate::rng::Rng;
use jiff::civil::Date;

/// How many institutions the directory lists.
const INSTITUTIONS: usize = 240;

const FIRST: &[&str] = &[
    "서울",
    "한빛",
    "늘푸른",
    "미래",
    "사랑",
    "우리",
    "참",
    "새봄",
    "바른",
    "행복",
    "중앙",
    "온누리",
    "다솜",
    "가온",
    "푸른솔",
    "연세로",
    "햇살",
    "은빛",
    "한마음",
    "청담골",
    "백세",
    "삼일",
    "동서",
    "남산골",
    "꿈나무",
    "초록",
];

/// HIRA code of the kind, and how such a name ends.
const KINDS: &[(&str, &str)] = &[
    ("31", "의원"),
    ("31", "내과의원"),
    ("31", "소아청소년과의원"),
    ("31", "정형외과의원"),
    ("31", "이비인후과의원"),
    ("31", "산부인과의원"),
    ("21", "병원"),
    ("28", "요양병원"),
    ("29", "정신병원"),
    ("51", "치과의원"),
    ("41", "치과병원"),
    ("93", "한의원"),
    ("92", "한방병원"),
    ("11", "종합병원"),
];

/// Where the records are, by the names the archive uses, and how often: an *estimate*, since most are not deposited.
const HOLDINGS: &[(&str, u32)] =
    &[("not-deposited", 40), ("kept-by-owner", 30), ("paper-at-health-centre", 12), ("expired", 8), ("suspended", 4)];

/// The directory as one JSON object a line, as `hanmaru institutions` takes it. The same seed gives the same lines.
#[must_use]
pub fn directory(seed: u64) -> String {
    let mut lines = String::new();
    for number in 0..INSTITUTIONS {
        lines.push_str(&institution(seed, number));
        lines.push('\n');
    }
    lines
}

fn institution(seed: u64, number: usize) -> String {
    let mut rng = Rng::derived(seed, &[0xD1, number as u64]);
    let (kind, ending) = *rng.pick(KINDS);
    let first = *rng.pick(FIRST);
    let address = Address::anywhere(&mut rng);
    let (holding, _) = HOLDINGS[rng.weighted(HOLDINGS.iter().map(|(_, weight)| *weight))];
    let years = if holding == "expired" { (2004, 2012) } else { (2015, 2026) };
    let year = i16::try_from(rng.between(years.0, years.1)).expect("years have four digits");
    let month = i8::try_from(rng.between(1, if year == 2026 { 9 } else { 12 })).expect("months are below 13");
    let day = i8::try_from(rng.between(1, 28)).expect("days are below 29");
    let date = Date::new(year, month, day).expect("days up to 28 are in every month");
    let when = if holding == "suspended" { "suspended_from" } else { "closed_on" };
    serde_json::json!({
        "code": format!("998{number:05}"),
        "name": format!("{first}{ending} (합성)"),
        "kind": kind,
        "region": format!("{} {}", address.province, address.district),
        "address": address.line(),
        when: date.to_string(),
        "holding": holding,
        "synthetic": true,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_shows_every_state_and_repeats() {
        let lines = directory(42);
        assert_eq!(lines, directory(42));
        assert_ne!(lines, directory(43));
        assert_eq!(lines.lines().count(), INSTITUTIONS);
        for (holding, _) in HOLDINGS {
            assert!(lines.contains(&format!("\"holding\":\"{holding}\"")), "{holding}");
        }
        assert!(lines.lines().all(|line| line.contains("(합성)")));
    }
}
