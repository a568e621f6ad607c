//! A large directory of made-up institutions, and what people might type to find one of them.

use archive::hangul::{initials, romanised};
use base::{Random, SeededRandom};

/// Common syllables of names; together they mean nothing.
const SYLLABLES: [&str; 40] = [
    "가", "강", "고", "광", "구", "나", "남", "다", "대", "동", "두", "라", "로", "마", "명", "무", "미", "바", "백",
    "보", "부", "사", "새", "서", "성", "소", "솔", "수", "시", "신", "아", "안", "여", "연", "영", "우", "인", "자",
    "정", "한",
];
const ENDINGS: [(&str, &str); 8] = [
    ("병원", "21"),
    ("종합병원", "11"),
    ("요양병원", "28"),
    ("내과의원", "31"),
    ("소아청소년과의원", "31"),
    ("치과의원", "51"),
    ("한의원", "93"),
    ("한방병원", "92"),
];
const REGIONS: [&str; 8] = [
    "서울특별시 종로구",
    "서울특별시 강남구",
    "부산광역시 해운대구",
    "대구광역시 수성구",
    "광주광역시 북구",
    "경기도 수원시",
    "전라남도 순천시",
    "제주특별자치도 제주시",
];

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Typed text.
    pub text: String,
    /// A province, or nothing.
    pub region: String,
    /// A kind's code, or nothing.
    pub kind: String,
}

/// `count` institutions, one JSON object a line, and their names.
pub fn directory(count: usize) -> (String, Vec<String>) {
    let random = SeededRandom::new(30_000);
    let (mut lines, mut names) = (String::new(), Vec::with_capacity(count));
    for number in 0..count {
        let mut draw = random.bytes16().into_iter().map(usize::from);
        let mut pick = |among: usize| draw.next().unwrap_or_default() % among;
        let syllables = 2 + pick(3);
        let stem: String = (0..syllables).map(|_| SYLLABLES[pick(SYLLABLES.len())]).collect();
        let (ending, kind) = ENDINGS[pick(ENDINGS.len())];
        let region = REGIONS[pick(REGIONS.len())];
        let name = format!("{stem}{ending}");
        let line = serde_json::json!({
            "code": format!("97{number:06}"),
            "name": name,
            "kind": kind,
            "region": region,
            "address": format!("{region} 시험로 {}", number % 500 + 1),
            "closed_on": format!("20{:02}-{:02}-{:02}", 10 + pick(16), 1 + pick(12), 1 + pick(28)),
            "holding": "paper-at-health-centre",
            "synthetic": true
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
        names.push(name);
    }
    (lines, names)
}

/// Varied questions: whole names, beginnings, parts, initial consonants, romanised names, with and without region and kind.
pub fn questions(names: &[String], count: usize) -> Vec<Asked> {
    let part = |name: &str, from: usize, length: usize| name.chars().skip(from).take(length).collect::<String>();
    (0..count)
        .map(|number| {
            let name = &names[number * 7_919 % names.len()];
            let text = match number % 8 {
                0 => name.clone(),
                1 => part(name, 0, 1),
                2 => part(name, 0, 2),
                3 => part(name, 1, 3),
                4 => initials(&part(name, 0, 4)),
                5 => initials(name),
                6 => romanised(&part(name, 0, 3)),
                _ => String::new(),
            };
            let region = if number % 3 == 0 {
                REGIONS[number % REGIONS.len()].split(' ').next().unwrap_or_default()
            } else {
                ""
            };
            let kind = if number % 5 == 0 || text.is_empty() { ENDINGS[number % ENDINGS.len()].1 } else { "" };
            Asked { text, region: region.to_owned(), kind: kind.to_owned() }
        })
        .collect()
}
