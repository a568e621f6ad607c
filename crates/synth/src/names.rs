//! Korean names by frequency and generation, and their romanised form. No real person is meant by any of them.

use crate::rng::Rng;

/// Family names with how many people in ten thousand bear them.
///
/// The first ten follow the 2015 census as reported by Busan Ilbo on 2016-09-08
/// (<https://www.busan.com/view/busan/view.php?code=20160908000338>); the rest are *estimates*.
const FAMILY: &[(&str, &str, u32)] = &[
    ("김", "Kim", 2150),
    ("이", "Lee", 1470),
    ("박", "Park", 840),
    ("최", "Choi", 470),
    ("정", "Jeong", 430),
    ("강", "Kang", 240),
    ("조", "Cho", 210),
    ("윤", "Yoon", 210),
    ("장", "Jang", 200),
    ("임", "Lim", 170),
    ("한", "Han", 150),
    ("오", "Oh", 150),
    ("서", "Seo", 150),
    ("신", "Shin", 150),
    ("권", "Kwon", 140),
    ("황", "Hwang", 140),
    ("안", "Ahn", 140),
    ("송", "Song", 140),
    ("유", "Yoo", 130),
    ("전", "Jeon", 110),
    ("홍", "Hong", 110),
    ("고", "Ko", 90),
    ("문", "Moon", 90),
    ("양", "Yang", 90),
    ("손", "Son", 90),
    ("배", "Bae", 80),
    ("백", "Baek", 80),
    ("허", "Heo", 70),
    ("남", "Nam", 55),
    ("심", "Shim", 50),
    ("노", "Noh", 50),
    ("하", "Ha", 50),
    ("곽", "Kwak", 40),
    ("성", "Sung", 40),
    ("차", "Cha", 40),
    ("주", "Joo", 40),
    ("우", "Woo", 40),
    ("구", "Koo", 40),
    ("류", "Ryu", 40),
    ("민", "Min", 30),
    ("진", "Jin", 30),
    ("지", "Ji", 30),
    ("엄", "Um", 30),
    ("채", "Chae", 30),
    ("원", "Won", 30),
    ("천", "Chun", 25),
    ("방", "Bang", 20),
    ("공", "Kong", 20),
    ("남궁", "Namkoong", 6),
    ("황보", "Hwangbo", 3),
    ("제갈", "Jegal", 2),
    ("선우", "Sunwoo", 2),
];

/// First and second syllables of given names, by generation and sex: *estimates* of what was common.
struct Syllables {
    first: &'static str,
    second: &'static str,
}

const WOMEN: [Syllables; 3] = [
    Syllables { first: "영정순미경옥명춘복금", second: "자숙희순옥례임분란애" },
    Syllables { first: "은미지현수혜경선정소유", second: "경주영정희숙진연선미화" },
    Syllables { first: "지서수민하예유은채다가", second: "은연현빈윤원아영린인율" },
];

const MEN: [Syllables; 3] = [
    Syllables { first: "영정성종광병상동용재춘", second: "수호식철길남환기섭태근" },
    Syllables { first: "성상영진재정동현승종민", second: "호훈진민수현우석철욱준" },
    Syllables { first: "민서도예시주지준현건우하", second: "준우윤현호민후혁찬율빈" },
];

/// A full name in Hangul and in Latin letters, fitting the year of birth.
pub(crate) fn full_name(rng: &mut Rng, female: bool, birth_year: i16) -> (String, String) {
    let (family, family_latin, _) = FAMILY[rng.weighted(FAMILY.iter().map(|entry| entry.2))];
    let generation = match birth_year {
        ..1965 => 0,
        1965..1992 => 1,
        _ => 2,
    };
    let syllables = if female { &WOMEN[generation] } else { &MEN[generation] };
    let first = syllable(rng, syllables.first);
    let mut second = syllable(rng, syllables.second);
    while second == first {
        second = syllable(rng, syllables.second);
    }
    let mut given = romanised_syllable(first) + &romanised_syllable(second);
    if let Some(head) = given.get_mut(..1) {
        head.make_ascii_uppercase();
    }
    (format!("{family}{first}{second}"), format!("{family_latin} {given}"))
}

fn syllable(rng: &mut Rng, of: &str) -> char {
    let count = of.chars().count();
    of.chars().nth(rng.below(count)).expect("the index is below the count")
}

/// One Hangul syllable in the Revised Romanization, without the sound changes between syllables, as names are written.
fn romanised_syllable(syllable: char) -> String {
    const INITIAL: [&str; 19] =
        ["g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h"];
    const MEDIAL: [&str; 21] = [
        "a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu",
        "eu", "ui", "i",
    ];
    const FINAL: [&str; 28] = [
        "", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t", "ng",
        "t", "t", "k", "t", "p", "t",
    ];
    let Some(index) = (syllable as usize).checked_sub(0xac00).filter(|index| *index < 11_172) else {
        return syllable.to_string();
    };
    [INITIAL[index / 588], MEDIAL[index % 588 / 28], FINAL[index % 28]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_romanised() {
        let given: String = "민준서연혜율".chars().map(romanised_syllable).collect();
        assert_eq!(given, "minjunseoyeonhyeyul");
    }

    #[test]
    fn about_a_fifth_are_called_kim() {
        let kims =
            (0..5000).filter(|n| full_name(&mut Rng::derived(7, &[*n]), false, 1990).0.starts_with('김')).count();
        assert!((1000..1300).contains(&kims), "{kims}");
    }
}
