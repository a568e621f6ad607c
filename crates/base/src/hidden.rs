//! Letters that show nothing and letters that turn the direction of writing: with them one name can be made to look like another.

use std::borrow::Cow;

/// What stands in the place of a hidden letter: U+FFFD, which every reader sees.
pub const MARK: char = '\u{fffd}';

/// Whether a letter shows nothing of its own, or turns the direction of those beside it (Unicode's bidirectional controls, zero-width
/// letters, fillers of Hangul, tags). Selectors of variants are none: they choose between forms of a Hanja.
#[must_use]
pub const fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A name in which everything can be seen: hidden letters are marked and not taken out, so that it still differs from the name that it
/// was made to look like.
#[must_use]
pub fn seen(name: &str) -> Cow<'_, str> {
    if name.contains(is_hidden) {
        Cow::Owned(name.replace(is_hidden, MARK.encode_utf8(&mut [0; 4])))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_in_a_name_is_marked_and_nothing_else() {
        for (name, shown) in [
            ("김하늘", "김하늘"),
            ("김\u{200b}하늘", "김\u{fffd}하늘"),
            ("\u{202e}늘하김\u{202c}", "\u{fffd}늘하김\u{fffd}"),
            ("\u{2066}Ann\u{2069}\u{feff}", "\u{fffd}Ann\u{fffd}\u{fffd}"),
            ("김\u{3164}\u{115f}", "김\u{fffd}\u{fffd}"),
            ("José O'Neill-Ñuño", "José O'Neill-Ñuño"),
            ("葛\u{e0100}城", "葛\u{e0100}城"),
            ("ᄀ\u{1161}", "ᄀ\u{1161}"),
        ] {
            assert_eq!(seen(name), shown);
            assert!(!seen(name).contains(is_hidden) && seen(name).contains(MARK) == (name != shown));
        }
    }
}
