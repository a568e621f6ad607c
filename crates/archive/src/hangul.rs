//! Hangul for searching: initial consonants (초성) and romanisation. Pure text, no dictionary.
//!
//! Syllables are taken apart as The Unicode Standard, section 3.12, describes: 19 initials, 21 vowels, 28 finals.

use unicode_normalization::UnicodeNormalization;

const FIRST: u32 = 0xAC00;
const LAST: u32 = 0xD7A3;
const INITIALS: [char; 19] =
    ['ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ'];

/// The text in the form in which names are compared: composed, lower case, without white space and punctuation.
#[must_use]
pub fn folded(text: &str) -> String {
    // Nearly every name is of these letters, which no Unicode form changes.
    if text.chars().all(|letter| letter.is_ascii() || ('가'..='힣').contains(&letter)) {
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        return letters.map(|letter| letter.to_ascii_lowercase()).collect();
    }
    let letters = text.nfkc().flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric());
    // What was left out may have stood within a syllable, and the second of a pair may begin one.
    letters.flat_map(apart).nfc().map(compatible).collect()
}

/// The folded text with every syllable replaced by its initial consonant: `서울병원` → `ㅅㅇㅂㅇ`.
#[must_use]
pub fn initials(text: &str) -> String {
    initials_of_folded(&folded(text))
}

/// As [`initials`], of text that is folded already.
pub(crate) fn initials_of_folded(text: &str) -> String {
    text.chars().map(|letter| initial(letter).unwrap_or(letter)).collect()
}

/// Whether `query` (folded) matches `name` (folded) somewhere, where a lone consonant of the query stands for every
/// syllable that begins with it: `ㅅ울병` finds `서울병원`. Returns where the match starts, in characters.
#[must_use]
pub fn find(name: &str, query: &str) -> Option<usize> {
    let name: Vec<char> = name.chars().collect();
    let query: Vec<char> = query.chars().collect();
    if query.is_empty() || query.len() > name.len() {
        return None;
    }
    let fits = |wanted: char, found: char| wanted == found || initial(found) == Some(wanted);
    name.windows(query.len()).position(|window| window.iter().zip(&query).all(|(found, wanted)| fits(*wanted, *found)))
}

/// The initial consonant of a syllable, as a letter of its own.
fn initial(letter: char) -> Option<char> {
    let code = u32::from(letter);
    (FIRST..=LAST).contains(&code).then(|| INITIALS[((code - FIRST) / 588) as usize])
}

/// A keyboard joins some pairs of consonants into one letter (ㅂ and ㅅ into ㅄ): they are taken apart into initials, as no syllable
/// begins with such a pair.
fn apart(letter: char) -> impl Iterator<Item = char> {
    let pair = match u32::from(letter) {
        0x11AA => ['ㄱ', 'ㅅ'],
        0x11AC => ['ㄴ', 'ㅈ'],
        0x11AD => ['ㄴ', 'ㅎ'],
        0x11B0 => ['ㄹ', 'ㄱ'],
        0x11B1 => ['ㄹ', 'ㅁ'],
        0x11B2 => ['ㄹ', 'ㅂ'],
        0x11B3 => ['ㄹ', 'ㅅ'],
        0x11B4 => ['ㄹ', 'ㅌ'],
        0x11B5 => ['ㄹ', 'ㅍ'],
        0x11B6 | 0x111A => ['ㄹ', 'ㅎ'],
        0x11B9 | 0x1121 => ['ㅂ', 'ㅅ'],
        _ => return [Some(letter), None].into_iter().flatten(),
    };
    let joining = |letter| ('\u{1100}'..).zip(INITIALS).find(|(_, known)| *known == letter).map(|(joining, _)| joining);
    pair.map(joining).into_iter().flatten()
}

/// NFKC turns the letters people type (U+3131…) into conjoining ones (U+1100…); this turns initials that are left alone back.
fn compatible(letter: char) -> char {
    match u32::from(letter) {
        code @ 0x1100..=0x1112 => INITIALS[(code - 0x1100) as usize],
        _ => letter,
    }
}

const INITIAL_SOUNDS: [&str; 19] =
    ["g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h"];
const VOWELS: [&str; 21] = [
    "a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu", "eu",
    "ui", "i",
];
/// Finals before a consonant or the end, and the consonants they carry over to a following vowel.
const FINALS: [(&str, &str); 28] = [
    ("", ""),
    ("k", "g"),
    ("k", "kk"),
    ("k", "ks"),
    ("n", "n"),
    ("n", "nj"),
    ("n", "n"),
    ("t", "d"),
    ("l", "r"),
    ("k", "lg"),
    ("m", "lm"),
    ("l", "lb"),
    ("l", "ls"),
    ("l", "lt"),
    ("p", "lp"),
    ("l", "r"),
    ("m", "m"),
    ("p", "b"),
    ("p", "ps"),
    ("t", "s"),
    ("t", "ss"),
    ("ng", "ng"),
    ("t", "j"),
    ("t", "ch"),
    ("k", "k"),
    ("t", "t"),
    ("p", "p"),
    ("t", "h"),
];

/// The text in Revised Romanization (국어의 로마자 표기법), lower case, without marks: `서울병원` → `seoulbyeongwon`.
/// Sound changes between syllables are limited to those that matter for finding names: ㄹㄹ, nasals, and finals
/// carried over to a vowel. Other letters stay as they are.
#[must_use]
pub fn romanised(text: &str) -> String {
    romanised_of_folded(&folded(text))
}

/// As [`romanised`], of text that is folded already.
pub(crate) fn romanised_of_folded(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(letters.len() * 4);
    for (place, letter) in letters.iter().enumerate() {
        let Some((first, vowel, last)) = parts(*letter) else {
            out.push(*letter);
            continue;
        };
        let before = place.checked_sub(1).and_then(|before| parts(letters[before])).map_or(0, |(_, _, last)| last);
        let after = letters.get(place + 1).copied().and_then(parts).map(|(first, _, _)| first);
        out.push_str(initial_sound(first, before));
        out.push_str(VOWELS[vowel]);
        out.push_str(final_sound(last, after));
    }
    out
}

const RIEUL: usize = 5;
const SILENT: usize = 11;

fn initial_sound(first: usize, before: usize) -> &'static str {
    match (FINALS[before].0, first) {
        ("l" | "n", RIEUL) => "l",
        ("m" | "ng" | "k" | "t" | "p", RIEUL) => "n",
        _ => INITIAL_SOUNDS[first],
    }
}

fn final_sound(last: usize, after: Option<usize>) -> &'static str {
    match after {
        Some(SILENT) => FINALS[last].1,
        Some(RIEUL) if FINALS[last].0 == "n" => "l",
        Some(2 | RIEUL | 6) => match FINALS[last].0 {
            "k" => "ng",
            "t" => "n",
            "p" => "m",
            other => other,
        },
        _ => FINALS[last].0,
    }
}

fn parts(letter: char) -> Option<(usize, usize, usize)> {
    let code = u32::from(letter);
    (FIRST..=LAST).contains(&code).then(|| {
        let index = (code - FIRST) as usize;
        (index / 588, index % 588 / 28, index % 28)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_within_a_syllable_do_not_take_it_apart() {
        assert_eq!(folded("\u{1109}\u{1165}\u{110b}\u{200d}\u{116e}\u{11af}"), "서울");
        assert_eq!(folded("\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}"), "서울");
        assert_eq!((folded("ㅄㅜㄹ"), folded("ㅂ수ㄹ")), ("ㅂ수ㄹ".to_owned(), "ㅂ수ㄹ".to_owned()));
    }

    #[test]
    fn initials_stand_for_syllables() {
        assert_eq!(initials("서울병원"), "ㅅㅇㅂㅇ");
        assert_eq!(initials("서울 병원 2관"), "ㅅㅇㅂㅇ2ㄱ");
        assert_eq!(find(&folded("서울병원"), &folded("ㅅㅇㅂㅇ")), Some(0));
        assert_eq!(find(&folded("새서울병원"), &folded("ㅅ울병")), Some(1));
        assert_eq!(find(&folded("서울병원"), &folded("부산")), None);
        assert_eq!(find(&folded("꿈나무의원"), &folded("ㄲㄴㅁ")), Some(0));
    }

    #[test]
    fn letters_that_a_keyboard_joins_are_taken_apart() {
        assert_eq!(find(&folded("부산병원"), &folded("ㅄㅂㅇ")), Some(0));
        for joined in "ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ".chars() {
            let apart = folded(&joined.to_string());
            assert_eq!(apart.chars().count(), 2, "{joined}");
            assert!(apart.chars().all(|letter| INITIALS.contains(&letter)), "{joined} became {apart}");
        }
    }

    #[test]
    fn decomposed_text_is_the_same_text() {
        let decomposed: String = "서울병원".nfd().collect();
        assert_eq!(folded(&decomposed), "서울병원");
        assert_eq!(initials(&decomposed), "ㅅㅇㅂㅇ");
    }

    #[test]
    fn romanisation_follows_the_rules_that_matter_for_names() {
        for (korean, roman) in [
            ("서울", "seoul"),
            ("병원", "byeongwon"),
            ("울산", "ulsan"),
            ("종로", "jongno"),
            ("신림", "sillim"),
            ("한밭", "hanbat"),
            ("독도", "dokdo"),
            ("대관령", "daegwallyeong"),
            ("독립문", "dongnimmun"),
            ("백마", "baengma"),
            ("한빛의원 A", "hanbichuiwona"),
        ] {
            assert_eq!(romanised(korean), roman, "{korean}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_by_its_own_initials(name in "[가-힣]{1,12}") {
            prop_assert_eq!(find(&folded(&name), &initials(&name)), Some(0));
        }

        #[test]
        fn the_quick_way_of_folding_is_the_same(text in "[가-힣a-zA-Z0-9 ().-]{0,20}") {
            let slow: String = text.nfkc().flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric()).collect();
            prop_assert_eq!(folded(&text), slow);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", query in ".{0,20}") {
            let _ = (find(&folded(&text), &folded(&query)), romanised(&text));
        }
    }
}
