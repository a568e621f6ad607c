//! Korean in pages of another language: names and words of records stand as they were written, and are marked so that screen
//! readers speak them as Korean (WCAG 2.2, 3.1.2). Nothing is translated here.

use crate::texts::{Locale, Texts};
use askama::filters::{Escaper, Html, HtmlSafe};
use std::fmt;

/// A text as HTML, with its Korean parts marked where the page is in another language.
pub(crate) struct Marked {
    text: String,
    mark: bool,
}

impl Texts {
    /// A text for a template, its Korean parts marked where this is another language.
    pub(crate) fn ko(&self, text: impl AsRef<str>) -> Marked {
        Marked { text: text.as_ref().to_owned(), mark: self.locale != Locale::Korean }
    }
}

/// All of it is escaped when it is written.
impl HtmlSafe for Marked {}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text.as_str();
        while let Some((before, korean, after)) = first_korean(rest).filter(|_| self.mark) {
            Html.write_escaped_str(&mut *f, before)?;
            f.write_str("<span lang=\"ko\">")?;
            Html.write_escaped_str(&mut *f, korean)?;
            f.write_str("</span>")?;
            rest = after;
        }
        Html.write_escaped_str(f, rest)
    }
}

/// Whether a text has Korean letters in it.
pub(crate) fn has_korean(text: &str) -> bool {
    text.chars().any(is_hangul)
}

/// A text up to its first Korean part, that part, and the rest. A part goes on over spaces, digits and marks for as long as
/// Korean follows before letters of another script, and takes in the digits that it is written together with.
fn first_korean(text: &str) -> Option<(&str, &str, &str)> {
    let first = text.find(is_hangul)?;
    let from = text[..first].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let mut to = first;
    for (at, letter) in text[first..].char_indices() {
        if is_hangul(letter) {
            to = first + at + letter.len_utf8();
        } else if letter.is_alphabetic() {
            break;
        }
    }
    Some((&text[..from], &text[from..to], &text[to..]))
}

/// Syllables and letters of Hangul (Unicode 17, blocks Hangul Jamo, Compatibility Jamo, Syllables).
const fn is_hangul(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn english(text: &str) -> String {
        Locale::English.texts().ko(text).to_string()
    }

    #[test]
    fn korean_parts_are_marked_and_the_rest_is_not() {
        for (text, html) in [
            ("Tests: 3", "Tests: 3"),
            ("새온병원 (합성) · 내과", "<span lang=\"ko\">새온병원 (합성) · 내과</span>"),
            ("These are the records of 김하늘.", "These are the records of <span lang=\"ko\">김하늘</span>."),
            ("급성 인두염 (J02.9)", "<span lang=\"ko\">급성 인두염</span> (J02.9)"),
            ("CT 검사, MRI 검사", "CT <span lang=\"ko\">검사</span>, MRI <span lang=\"ko\">검사</span>"),
            ("2형 당뇨병", "<span lang=\"ko\">2형 당뇨병</span>"),
            ("<b>한&", "&#60;b&#62;<span lang=\"ko\">한</span>&#38;"),
        ] {
            assert_eq!(english(text), html);
        }
        assert_eq!(Locale::Korean.texts().ko("<새온병원>").to_string(), "&#60;새온병원&#62;");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_comes_in_as_markup(text in "[가-힣ㄱ-ㅎa-z0-9 ()<>&\"]{0,40}") {
            let marked = english(&text);
            let plain = marked.replace("<span lang=\"ko\">", "").replace("</span>", "");
            prop_assert!(!plain.contains(['<', '>', '"']));
            prop_assert_eq!(plain, Locale::Korean.texts().ko(&text).to_string());
        }
    }
}
