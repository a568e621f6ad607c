//! A compact search index of institutions in memory: names, initials and romanised names as long texts. It does not change
//! once it is made; what came later stands in a second one ([`super::directory`]).
//!
//! A scan of a few megabytes takes milliseconds and finds any part of a name, which tokens of a full-text index do not.

use super::regions::Region;
use super::{Holding, Institution, InstitutionQuery};
use crate::hangul::{find, folded, initials_of_folded, romanised_of_folded};
use jiff::civil::Date;
use std::collections::HashMap;

/// An index, in the order of names. It is a few large pieces, which are quickly let go.
pub(crate) struct Index {
    rows: Vec<Row>,
    codes: Lines,
    names: Lines,
    initials: Lines,
    romanised: Lines,
    given: Lines,
    /// Each region once; few institutions are alone in theirs.
    regions: Vec<Region>,
    kinds: Vec<String>,
}

/// An institution that was found. The best is the smallest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit<'a> {
    rank: u8,
    letters: u16,
    name: &'a str,
    pub(crate) code: &'a str,
}

struct Row {
    holding: Holding,
    ended: Option<Date>,
    letters: u16,
    kind: u32,
    region: u32,
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
/// The name does not match, but the region does.
const REGION: u8 = 3;
const NONE: u8 = u8::MAX;

/// Fewest letters that name a region by themselves: one is the beginning of too many.
const REGION_LETTERS_MIN: usize = 2;

impl Index {
    pub(crate) fn of(institutions: Vec<Institution>) -> Self {
        let mut named: Vec<(String, Institution)> =
            institutions.into_iter().map(|institution| (folded(&institution.name), institution)).collect();
        named.sort_unstable_by(|(a_name, a), (b_name, b)| (a_name, &a.code).cmp(&(b_name, &b.code)));
        let mut index = Self {
            rows: Vec::with_capacity(named.len()),
            codes: Lines::default(),
            names: Lines::default(),
            initials: Lines::default(),
            romanised: Lines::default(),
            given: Lines::default(),
            regions: Vec::new(),
            kinds: Vec::new(),
        };
        let (mut regions, mut kinds): (HashMap<String, u32>, HashMap<String, u32>) = Default::default();
        for (name, institution) in named {
            index.initials.push(&initials_of_folded(&name));
            index.romanised.push(&romanised_of_folded(&name));
            index.given.push(&folded(&institution.romanised));
            let region = *regions.entry(institution.region).or_insert_with_key(|region| {
                index.regions.push(Region::of(region));
                number(index.regions.len() - 1)
            });
            let kind = *kinds.entry(institution.kind).or_insert_with_key(|kind| {
                index.kinds.push(kind.clone());
                number(index.kinds.len() - 1)
            });
            index.rows.push(Row {
                holding: institution.holding,
                ended: institution.closed_on.or(institution.suspended_from),
                letters: u16::try_from(name.chars().count()).unwrap_or(u16::MAX),
                kind,
                region,
            });
            index.codes.push(&institution.code);
            index.names.push(&name);
        }
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        (0..self.rows.len()).map(|place| self.codes.get(place))
    }

    /// The provinces of its institutions, in no order.
    pub(crate) fn provinces(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().filter_map(|region| region.province.as_deref())
    }

    /// What matches, the best first.
    pub(crate) fn find(&self, text: &str, query: &InstitutionQuery, limit: usize) -> Vec<Hit<'_>> {
        let whole = folded(text);
        let mut ranks = vec![if whole.is_empty() { INSIDE } else { NONE }; self.rows.len()];
        if !whole.is_empty() {
            self.rank(&whole, &mut ranks);
            self.rank_words(text, &mut ranks);
        }
        let region = query.region.as_deref().map(folded).filter(|region| !region.is_empty());
        let regions = region.map(|wanted| self.regions_that(|region| region.begins_with(&wanted)));
        let kinds =
            query.kind.as_deref().map(|wanted| self.kinds.iter().map(|kind| kind == wanted).collect::<Vec<_>>());
        let fits = |row: &Row| {
            let after = query.closed_from.is_none_or(|from| row.ended.is_some_and(|day| day >= from));
            let before = query.closed_to.is_none_or(|to| row.ended.is_some_and(|day| day <= to));
            after
                && before
                && kinds.as_deref().is_none_or(|kinds| kinds[row.kind as usize])
                && query.holding.is_none_or(|holding| row.holding == holding)
                && regions.as_deref().is_none_or(|regions| regions[row.region as usize])
        };
        let mut found: Vec<(u8, u16, usize)> = ranks
            .iter()
            .zip(&self.rows)
            .enumerate()
            .filter(|(_, (rank, row))| **rank != NONE && fits(row))
            .map(|(place, (rank, row))| (*rank, if whole.is_empty() { 0 } else { row.letters }, place))
            .collect();
        if found.len() > limit {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        let hit =
            |(rank, letters, place)| Hit { rank, letters, name: self.names.get(place), code: self.codes.get(place) };
        found.into_iter().map(hit).collect()
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

    /// Several words: each must be in the name or in the region. A single word may be the region's.
    fn rank_words(&self, text: &str, ranks: &mut [u8]) {
        let words: Vec<String> = text.split_whitespace().map(folded).filter(|word| !word.is_empty()).collect();
        if let [word] = words.as_slice() {
            if word.chars().count() >= REGION_LETTERS_MIN {
                self.improve_in(&self.regions_that(|region| region.has_word(word)), REGION, ranks);
            }
            return;
        }
        let mut all = vec![INSIDE; self.rows.len()];
        for word in &words {
            let mut one = vec![NONE; self.rows.len()];
            self.rank(word, &mut one);
            self.improve_in(&self.regions_that(|region| region.has_word(word)), INSIDE, &mut one);
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

    /// Which regions are wanted, by their numbers.
    fn regions_that(&self, wanted: impl Fn(&Region) -> bool) -> Vec<bool> {
        self.regions.iter().map(wanted).collect()
    }

    /// Improves the ranks of what is in these regions.
    fn improve_in(&self, regions: &[bool], with: u8, ranks: &mut [u8]) {
        if regions.contains(&true) {
            for (rank, _) in ranks.iter_mut().zip(&self.rows).filter(|(_, row)| regions[row.region as usize]) {
                improve(rank, with);
            }
        }
    }
}

fn improve(rank: &mut u8, with: u8) {
    *rank = (*rank).min(with);
}

fn is_consonant(letter: char) -> bool {
    ('ㄱ'..='ㅎ').contains(&letter)
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("names of institutions are far less than 4 GiB")
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.starts.push(number(self.text.len()));
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
        index().find(text, &InstitutionQuery::default(), 10).into_iter().map(|hit| hit.code.to_owned()).collect()
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
        assert_eq!(found("wonju hanbit"), ["23"]);
        assert_eq!(found("Gangwon State 한빛"), ["23"]);
        assert_eq!(found("강원도 ㅎㅂ"), ["23"]);
    }

    #[test]
    fn a_word_alone_may_be_the_regions_after_every_name() {
        assert_eq!(found("원주"), ["23"]);
        assert_eq!(found("Gangwon-do"), ["23"]);
        assert_eq!(found("jongno"), ["21", "22"]);
        assert_eq!(found("중구"), ["20"]);
        assert_eq!(found("중"), Vec::<String>::new(), "one letter is looked for in names alone");
        let mut more = institution("25", "종로의원", "", "부산광역시 중구");
        more.holding = Holding::Expired;
        let index = Index::of(vec![more, institution("21", "서울", "", "서울특별시 종로구")]);
        let hits = index.find("종로", &InstitutionQuery::default(), 10);
        assert_eq!(hits.iter().map(|hit| hit.code).collect::<Vec<_>>(), ["25", "21"]);
    }

    #[test]
    fn filters_hold_together() {
        let index = index();
        let find = |query: InstitutionQuery| {
            index.find("", &query, 10).iter().map(|hit| hit.code).collect::<Vec<_>>().join(",")
        };
        for region in ["서울특별시", "서울", "Seoul", "서울시 종로구", "Jongno-gu, Seoul"] {
            assert_eq!(
                find(InstitutionQuery { region: Some(region.into()), ..Default::default() }),
                "21,22",
                "{region}"
            );
        }
        assert_eq!(find(InstitutionQuery { region: Some("Gangwon State".into()), ..Default::default() }), "23");
        assert_eq!(find(InstitutionQuery { region: Some("종로".into()), ..Default::default() }), "");
        let clinics = InstitutionQuery { kind: Some("31".into()), ..Default::default() };
        assert_eq!(find(clinics.clone()), "24,22,23");
        let since = |day: &str| InstitutionQuery { closed_from: day.parse().ok(), ..clinics.clone() };
        assert_eq!(find(since("2023-01-01")), "24,23");
        let until = InstitutionQuery { closed_to: "2022-12-31".parse().ok(), ..clinics.clone() };
        assert_eq!(find(until), "22");
        assert_eq!(find(InstitutionQuery { holding: Some(Holding::Expired), ..Default::default() }), "");
        assert_eq!(index.find("서울", &InstitutionQuery::default(), 1).len(), 1);
        assert_eq!(index.provinces().collect::<std::collections::BTreeSet<_>>().len(), 3);
    }
}
