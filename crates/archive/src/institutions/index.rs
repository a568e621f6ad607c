//! A compact search index of institutions in memory: names, initials and romanised names as three long texts.
//!
//! A scan of a few megabytes takes milliseconds and finds any part of a name, which tokens of a full-text index do not.

use super::{Holding, Institution, InstitutionQuery};
use crate::hangul::{find, folded, initials_of_folded, romanised_of_folded};
use jiff::civil::Date;

/// The index over all institutions, in the order of their names.
pub(crate) struct Index {
    rows: Vec<Row>,
    names: Lines,
    initials: Lines,
    romanised: Lines,
    given: Lines,
    regions: Lines,
    provinces: Vec<String>,
}

struct Row {
    code: Box<str>,
    kind: Box<str>,
    holding: Holding,
    ended: Option<Date>,
    letters: u16,
}

/// Texts joined by line feeds, and where each begins.
#[derive(Default)]
struct Lines {
    text: String,
    starts: Vec<u32>,
}

/// How well a row matches; smaller is better.
const EXACT: u8 = 0;
const PREFIX: u8 = 1;
const INSIDE: u8 = 2;
const NONE: u8 = u8::MAX;

impl Index {
    pub(crate) fn of(mut institutions: Vec<Institution>) -> Self {
        institutions.sort_unstable_by(|a, b| (&a.name, &a.code).cmp(&(&b.name, &b.code)));
        let mut index = Self {
            rows: Vec::with_capacity(institutions.len()),
            names: Lines::default(),
            initials: Lines::default(),
            romanised: Lines::default(),
            given: Lines::default(),
            regions: Lines::default(),
            provinces: Vec::new(),
        };
        for institution in institutions {
            let name = folded(&institution.name);
            index.initials.push(&initials_of_folded(&name));
            index.romanised.push(&romanised_of_folded(&name));
            index.given.push(&folded(&institution.romanised));
            index.regions.push(&folded(&institution.region));
            if let Some(province) = institution.region.split_whitespace().next() {
                index.provinces.push(province.to_owned());
            }
            index.rows.push(Row {
                code: institution.code.into(),
                kind: institution.kind.into(),
                holding: institution.holding,
                ended: institution.closed_on.or(institution.suspended_from),
                letters: u16::try_from(name.chars().count()).unwrap_or(u16::MAX),
            });
            index.names.push(&name);
        }
        index.provinces.sort_unstable();
        index.provinces.dedup();
        index
    }

    pub(crate) fn provinces(&self) -> &[String] {
        &self.provinces
    }

    /// Codes of what matches, the best first.
    pub(crate) fn find(&self, text: &str, query: &InstitutionQuery, limit: usize) -> Vec<&str> {
        let whole = folded(text);
        let mut ranks = vec![if whole.is_empty() { INSIDE } else { NONE }; self.rows.len()];
        if !whole.is_empty() {
            self.rank(&whole, &mut ranks);
            self.rank_words(text, &mut ranks);
        }
        let region = query.region.as_deref().map(folded).filter(|region| !region.is_empty());
        let fits = |place: usize, row: &Row| {
            let after = query.closed_from.is_none_or(|from| row.ended.is_some_and(|day| day >= from));
            let before = query.closed_to.is_none_or(|to| row.ended.is_some_and(|day| day <= to));
            after
                && before
                && query.kind.as_deref().is_none_or(|kind| *row.kind == *kind)
                && query.holding.is_none_or(|holding| row.holding == holding)
                && region.as_deref().is_none_or(|region| self.regions.get(place).starts_with(region))
        };
        let mut found: Vec<(u8, u16, usize)> = ranks
            .iter()
            .enumerate()
            .filter(|(place, rank)| **rank != NONE && fits(*place, &self.rows[*place]))
            .map(|(place, rank)| (*rank, if whole.is_empty() { 0 } else { self.rows[place].letters }, place))
            .collect();
        if found.len() > limit {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, place)| &*self.rows[place].code).collect()
    }

    /// Ranks rows by one folded text.
    fn rank(&self, wanted: &str, ranks: &mut [u8]) {
        let first_letters = initials_of_folded(wanted);
        if wanted.chars().any(is_consonant) {
            let mixed = first_letters != wanted;
            self.initials.each(&first_letters, |place, _| {
                let Some(at) =
                    (if mixed { find(self.names.get(place), wanted) } else { self.initials.at(place, wanted) })
                else {
                    return;
                };
                let same = self.initials.get(place).chars().count() == wanted.chars().count();
                improve(
                    &mut ranks[place],
                    if same {
                        EXACT
                    } else if at == 0 {
                        PREFIX
                    } else {
                        INSIDE
                    },
                );
            });
            return;
        }
        let lines: &[&Lines] = if wanted.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            &[&self.names, &self.romanised, &self.given]
        } else {
            &[&self.names]
        };
        for lines in lines {
            lines.each(wanted, |place, rank| improve(&mut ranks[place], rank));
        }
    }

    /// Several words: each must be in the name or in the region.
    fn rank_words(&self, text: &str, ranks: &mut [u8]) {
        let words: Vec<String> = text.split_whitespace().map(folded).filter(|word| !word.is_empty()).collect();
        if words.len() < 2 {
            return;
        }
        let mut all = vec![INSIDE; self.rows.len()];
        for word in &words {
            let mut one = vec![NONE; self.rows.len()];
            self.rank(word, &mut one);
            self.regions.each(word, |place, _| improve(&mut one[place], INSIDE));
            for (all, one) in all.iter_mut().zip(one) {
                if one == NONE {
                    *all = NONE;
                }
            }
        }
        for (rank, all) in ranks.iter_mut().zip(all) {
            improve(rank, all);
        }
    }
}

fn improve(rank: &mut u8, with: u8) {
    *rank = (*rank).min(with);
}

fn is_consonant(letter: char) -> bool {
    ('ㄱ'..='ㅎ').contains(&letter)
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.starts.push(u32::try_from(self.text.len()).expect("names of institutions are far less than 4 GiB"));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn end(&self, place: usize) -> usize {
        self.starts.get(place + 1).map_or(self.text.len(), |start| *start as usize) - 1
    }

    fn get(&self, place: usize) -> &str {
        &self.text[self.starts[place] as usize..self.end(place)]
    }

    /// Where in a line a text begins, in bytes.
    fn at(&self, place: usize, wanted: &str) -> Option<usize> {
        self.get(place).find(wanted)
    }

    /// Gives every line that holds `wanted`, which is not empty, once, with its rank by the first place it is found at.
    fn each(&self, wanted: &str, mut visit: impl FnMut(usize, u8)) {
        let mut from = 0;
        while let Some(at) = self.text[from..].find(wanted).map(|at| at + from) {
            let place = self.starts.partition_point(|start| *start as usize <= at) - 1;
            let (start, end) = (self.starts[place] as usize, self.end(place));
            let rank = match (at == start, at + wanted.len() == end) {
                (true, true) => EXACT,
                (true, false) => PREFIX,
                _ => INSIDE,
            };
            visit(place, rank);
            from = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn institution(code: &str, name: &str, romanised: &str, region: &str) -> Institution {
        Institution {
            code: code.to_owned(),
            name: name.to_owned(),
            romanised: romanised.to_owned(),
            kind: if name.ends_with("의원") { "31" } else { "21" }.to_owned(),
            region: region.to_owned(),
            address: String::new(),
            closed_on: format!("20{}-03-31", &code[..2]).parse().ok(),
            suspended_from: None,
            suspended_to: None,
            holding: Holding::NotDeposited,
            synthetic: true,
        }
    }

    fn index() -> Index {
        Index::of(vec![
            institution("20", "새서울병원", "Sae Seoul Hospital", "부산광역시 중구"),
            institution("21", "서울병원", "Seoul Hospital", "서울특별시 종로구"),
            institution("22", "서울병원부설의원", "", "서울특별시 종로구"),
            institution("23", "한빛의원", "Hanbit Clinic", "강원특별자치도 원주시"),
            institution("24", "ABC 의원", "", ""),
        ])
    }

    fn found(text: &str) -> Vec<String> {
        index().find(text, &InstitutionQuery::default(), 10).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn names_rank_exact_then_beginning_then_inside() {
        assert_eq!(found("서울병원"), ["21", "22", "20"]);
        assert_eq!(found("서울 병원"), ["21", "22", "20"]);
        assert_eq!(found("한방"), Vec::<String>::new());
        assert_eq!(found("").len(), 5);
    }

    #[test]
    fn initial_consonants_and_mixtures() {
        assert_eq!(found("ㅅㅇㅂㅇ"), ["21", "22", "20"]);
        assert_eq!(found("서ㅇ병ㅇ"), ["21", "22", "20"]);
        assert_eq!(found("새ㅅㅇ"), ["20"]);
        assert_eq!(found("ㅎㅂㅇㅇ"), ["23"]);
        assert_eq!(found("a의ㅇ"), Vec::<String>::new());
        assert_eq!(found("ㅊㅊㅊ"), Vec::<String>::new());
    }

    #[test]
    fn romanised_names_given_or_made() {
        assert_eq!(found("Seoul Hospital"), ["21", "20"]);
        assert_eq!(found("seoulbyeongwon"), ["21", "22", "20"]);
        assert_eq!(found("HANBIT"), ["23"]);
        assert_eq!(found("abc"), ["24"]);
    }

    #[test]
    fn words_may_name_the_region() {
        assert_eq!(found("원주 한빛"), ["23"]);
        assert_eq!(found("종로 ㅅㅇ"), ["21", "22"]);
        assert_eq!(found("원주 서울"), Vec::<String>::new());
    }

    #[test]
    fn filters_hold_together() {
        let index = index();
        let find = |query: InstitutionQuery| index.find("", &query, 10).join(",");
        assert_eq!(find(InstitutionQuery { region: Some("서울특별시".into()), ..Default::default() }), "21,22");
        let clinics = InstitutionQuery { kind: Some("31".into()), ..Default::default() };
        assert_eq!(find(clinics.clone()), "24,22,23");
        let since = |day: &str| InstitutionQuery { closed_from: day.parse().ok(), ..clinics.clone() };
        assert_eq!(find(since("2023-01-01")), "24,23");
        let until = InstitutionQuery { closed_to: "2022-12-31".parse().ok(), ..clinics.clone() };
        assert_eq!(find(until), "22");
        assert_eq!(find(InstitutionQuery { holding: Some(Holding::Expired), ..Default::default() }), "");
        assert_eq!(index.find("서울", &InstitutionQuery::default(), 1), ["21"]);
        assert_eq!(index.provinces(), ["강원특별자치도", "부산광역시", "서울특별시"]);
    }
}
