//! What files in bags are called. Hospitals name scans after people and their numbers, so a path stands sealed in the tables, is
//! looked for by a keyed hash, and is shown with numbers masked. The bags themselves, and where files lie at the sites, are not
//! touched by this.

use crate::ArchiveError;
use crate::institutions::composed;
use base::{Id16, Random};
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Under what a path is found: a keyed hash of it in its composed Unicode form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) [u8; 16]);

/// What a sealed text is. It opens as that only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Path,
    Reason,
    Progress,
    Receipt,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Reason => "reason",
            Self::Progress => "progress",
            Self::Receipt => "receipt",
        }
    }
}

/// Hashes and seals under a secret of the archive's own.
pub(crate) struct Names {
    secret: Zeroizing<[u8; 32]>,
    random: Arc<dyn Random>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    pub(crate) fn new(secret: Zeroizing<[u8; 32]>, random: Arc<dyn Random>) -> Self {
        Self { secret, random }
    }

    pub(crate) fn name(&self, path: &str) -> Name {
        let mut text = b"name\0".to_vec();
        text.extend_from_slice(composed(path).as_bytes());
        let mut name = [0; 16];
        name.copy_from_slice(&base::hmac_sha256(&self.secret[..], &text)[..16]);
        Name(name)
    }

    /// Seals a text of a deposit, and where it is about a file, of that file.
    pub(crate) fn seal(&self, kind: Kind, deposit: Id16, name: Name, text: &str) -> Vec<u8> {
        identity::sealed::seal(&self.secret, kind.label(), &binding(deposit, name), text.as_bytes(), &*self.random)
    }

    /// Opens what [`Names::seal`] made.
    pub(crate) fn open(&self, kind: Kind, deposit: Id16, name: Name, sealed: &[u8]) -> Result<String, ArchiveError> {
        let damaged = || ArchiveError::Damaged { what: kind.label(), reason: "its seal does not open".to_owned() };
        let plain = identity::sealed::open(&self.secret, kind.label(), &binding(deposit, name), sealed);
        plain.and_then(|plain| String::from_utf8(plain).ok()).ok_or_else(damaged)
    }
}

fn binding(deposit: Id16, name: Name) -> [u8; 32] {
    let mut binding = [0; 32];
    binding[..16].copy_from_slice(&deposit.0);
    binding[16..].copy_from_slice(&name.0);
    binding
}

/// A text with everything masked in it that may be a resident or foreigner registration number (주민등록번호, 외국인등록번호): six
/// digits that are a date of birth stay, and the seven that follow, right behind or after up to three separators, become `*`. Of
/// longer rows of digits all that follows is masked, since a number may stand within one. Names of people stay: who deposits a bag
/// or reads its receipt knows them.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    let letters: Vec<char> = text.chars().collect();
    let mut hidden = vec![false; letters.len()];
    let mut at = 0;
    while at < letters.len() {
        let end = end_of_digits(&letters, at);
        let row = &letters[at..end];
        let first = (0..=row.len().saturating_sub(NUMBER)).find(|from| row.len() >= NUMBER && is_birth(&row[*from..]));
        if let Some(first) = first {
            hidden[at + first + BIRTH..end].fill(true);
        } else if row.len() == BIRTH && is_birth(row) {
            let gap = letters[end..].iter().take(GAP_MAX).take_while(|letter| is_separator(**letter)).count();
            let rest_end = end_of_digits(&letters, end + gap);
            if gap > 0 && rest_end - (end + gap) == NUMBER - BIRTH {
                hidden[end + gap..rest_end].fill(true);
            }
        }
        at = end.max(at + 1);
    }
    if !hidden.contains(&true) {
        return Cow::Borrowed(text);
    }
    let shown = letters.iter().zip(hidden).map(|(letter, hidden)| if hidden { '*' } else { *letter });
    Cow::Owned(shown.collect())
}

/// Digits of a registration number, and of the date of birth that it begins with.
const NUMBER: usize = 13;
const BIRTH: usize = 6;
/// Most separators between the two parts.
const GAP_MAX: usize = 3;

fn end_of_digits(letters: &[char], from: usize) -> usize {
    from + letters[from..].iter().take_while(|letter| digit(**letter).is_some()).count()
}

/// The value of a digit, full-width ones among them.
fn digit(letter: char) -> Option<u32> {
    letter.to_digit(10).or_else(|| {
        let place = u32::from(letter).wrapping_sub(u32::from('０'));
        (place < 10).then_some(place)
    })
}

/// Whether the first six are YYMMDD.
fn is_birth(row: &[char]) -> bool {
    let two = |at: usize| digit(row[at]).zip(digit(row[at + 1])).map_or(0, |(tens, ones)| tens * 10 + ones);
    row.len() >= BIRTH && (1..=12).contains(&two(2)) && (1..=31).contains(&two(4))
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '-' | '_' | '.' | '~' | '·' | '－' | '＿' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;
    use proptest::prelude::*;

    fn names(seed: u64) -> Names {
        Names::new(Zeroizing::new([7; 32]), Arc::new(SeededRandom::new(seed)))
    }

    #[test]
    fn a_path_is_found_in_either_unicode_form_and_under_its_own_secret_only() {
        use unicode_normalization::UnicodeNormalization;
        let decomposed: String = "data/documents/김철수.pdf".nfd().collect();
        let name = names(1).name("data/documents/김철수.pdf");
        assert_eq!(names(2).name(&decomposed), name);
        let other = Names::new(Zeroizing::new([8; 32]), Arc::new(SeededRandom::new(1)));
        assert_ne!(other.name("data/documents/김철수.pdf"), name);
    }

    #[test]
    fn a_seal_opens_where_it_was_made_and_nowhere_else() {
        let (names, deposit, path) = (names(1), Id16([1; 16]), "data/documents/김철수_8808101000018.pdf");
        let name = names.name(path);
        let sealed = names.seal(Kind::Path, deposit, name, path);
        assert!(!sealed.windows(6).any(|window| path.as_bytes().windows(6).any(|part| part == window)));
        assert_eq!(names.open(Kind::Path, deposit, name, &sealed).expect("its own"), path);
        assert!(names.open(Kind::Reason, deposit, name, &sealed).is_err());
        assert!(names.open(Kind::Path, Id16([2; 16]), name, &sealed).is_err());
        assert!(names.open(Kind::Path, deposit, Name([2; 16]), &sealed).is_err());
    }

    #[test]
    fn what_may_be_a_registration_number_is_masked() {
        for (text, shown) in [
            ("data/documents/김철수_8808101000018.pdf", "data/documents/김철수_880810*******.pdf"),
            ("880810-1000018", "880810-*******"),
            ("880810 - 1000018.png", "880810 - *******.png"),
            ("８８０８１０－１０００018", "８８０８１０－*******"),
            ("880810‐1000018", "880810‐*******"),
            ("88081010000181", "880810********"),
            ("0018808101000018", "001880810*******"),
            ("880810-1000018,900101-2000019", "880810-*******,900101-*******"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
        for clear in [
            "data/documents/d-000123-20240401-1.pdf",
            "20240401103000.pdf",
            "20240401_0000123.pdf",
            "881310-1000018",
            "880810-100001",
            "880810-20240401",
            "5368709120 bytes; at most 67108864 are taken",
            "서울병원",
            "",
        ] {
            assert_eq!(masked(clear), clear);
        }
    }

    proptest! {
        #[test]
        fn no_whole_number_is_left_in_any_text(before in "[^0-9０-９]{0,8}", after in "[^0-9０-９]{0,8}", birth in 0..28_u32, tail in 1_000_000..10_000_000_u32) {
            let text = format!("{before}8802{:02}{tail}{after}", birth + 1);
            let tail = tail.to_string();
            prop_assert!(!masked(&text).contains(&tail));
        }

        #[test]
        fn any_text_keeps_its_length(text: String) {
            prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
        }
    }
}
