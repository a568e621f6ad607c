//! The one font of the documents: Nanum Gothic (SIL Open Font License 1.1, see `assets/fonts/OFL.txt`).

use std::sync::LazyLock;
use ttf_parser::{Face, GlyphId};

/// The font's bytes.
pub(crate) static BYTES: &[u8] = include_bytes!("../../../../assets/fonts/NanumGothic-Regular.ttf");

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(BYTES, 0).expect("the font is part of the program and a test parses it"));

/// The parsed font.
pub(crate) fn face() -> &'static Face<'static> {
    &FACE
}

/// The glyph of a character; the font's box for what it lacks.
pub(crate) fn glyph(character: char) -> GlyphId {
    face().glyph_index(character).unwrap_or(GlyphId(0))
}

/// The advance of a glyph in thousandths of the font size.
pub(crate) fn advance(glyph: GlyphId) -> f32 {
    let units = f32::from(face().units_per_em());
    f32::from(face().glyph_hor_advance(glyph).unwrap_or(0)) * 1000.0 / units
}

/// The width of a text at a size, in the unit of the size.
pub(crate) fn width(text: &str, size: f32) -> f32 {
    text.chars().map(|character| advance(glyph(character))).sum::<f32>() * size / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_hangul_and_latin() {
        for character in "가힣ㅎAz09·℃%μ".chars() {
            assert_ne!(glyph(character), GlyphId(0), "{character}");
        }
        assert!(width("한글", 10.0) > 15.0);
    }
}
