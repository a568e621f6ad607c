//! Writes laid-out pages as a PDF 1.7 with the glyphs it needs and a text layer. No claim of PDF/A.

use super::font;
use super::page::{Mark, PAGE};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use jiff::civil::Date;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use std::collections::BTreeMap;
use std::io::Write as _;
use subsetter::GlyphRemapper;

const SYSTEM: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const FONT: Ref = Ref::new(3);
const CID_FONT: Ref = Ref::new(4);
const DESCRIPTOR: Ref = Ref::new(5);
const FONT_FILE: Ref = Ref::new(6);
const CMAP: Ref = Ref::new(7);
const INFO: Ref = Ref::new(8);
const FIRST_PAGE: i32 = 9;

/// The file. The date is that of the document, so that the same document has the same bytes.
pub(crate) fn write(title: &str, date: Date, pages: &[Vec<Mark>]) -> Vec<u8> {
    let mut glyphs = Glyphs::default();
    let contents: Vec<Vec<u8>> = pages.iter().map(|marks| content(marks, &mut glyphs)).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES).lang(TextStr("ko-KR"));
    let page_ref = |place: usize| Ref::new(FIRST_PAGE + 2 * i32::try_from(place).expect("documents are short"));
    let count = i32::try_from(pages.len()).expect("documents are short");
    pdf.pages(PAGES).kids((0..pages.len()).map(page_ref)).count(count);
    for (place, content) in contents.iter().enumerate() {
        let content_ref = Ref::new(page_ref(place).get() + 1);
        let mut page = pdf.page(page_ref(place));
        page.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).parent(PAGES).contents(content_ref);
        page.resources().fonts().pair(Name(b"F1"), FONT);
        page.finish();
        let packed = deflate(content);
        pdf.stream(content_ref, &packed).filter(Filter::FlateDecode);
    }
    write_font(&mut pdf, &glyphs);
    let year = u16::try_from(date.year()).unwrap_or(0);
    let month = u8::try_from(date.month()).unwrap_or(1);
    let day = u8::try_from(date.day()).unwrap_or(1);
    pdf.document_info(INFO)
        .title(TextStr(title))
        .producer(TextStr("synthetic record generator"))
        .creation_date(pdf_writer::Date::new(year).month(month).day(day));
    pdf.finish()
}

/// The glyphs a document uses, under their numbers in the subset.
#[derive(Default)]
struct Glyphs {
    remapper: GlyphRemapper,
    characters: BTreeMap<u16, (char, f32)>,
}

impl Glyphs {
    fn encode(&mut self, text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        for character in text.chars() {
            let glyph = font::glyph(character);
            let number = self.remapper.remap(glyph.0);
            self.characters.entry(number).or_insert_with(|| (character, font::advance(glyph)));
            out.extend_from_slice(&number.to_be_bytes());
        }
        out
    }
}

fn content(marks: &[Mark], glyphs: &mut Glyphs) -> Vec<u8> {
    let mut content = Content::new();
    content.set_line_width(0.6);
    for mark in marks {
        match mark {
            Mark::Rule { from, to } => {
                content.move_to(from.0, PAGE.1 - from.1).line_to(to.0, PAGE.1 - to.1).stroke();
            }
            Mark::Text { x, y, size, text } => {
                let encoded = glyphs.encode(text);
                content.begin_text().set_font(Name(b"F1"), *size).next_line(*x, PAGE.1 - y);
                content.show(Str(&encoded)).end_text();
            }
        }
    }
    content.finish().into_vec()
}

fn write_font(pdf: &mut Pdf, glyphs: &Glyphs) {
    let name = Name(b"HANMRU+NanumGothic");
    let subset = subsetter::subset(font::BYTES, 0, &glyphs.remapper)
        .expect("the font is part of the program and every glyph number came from it");
    pdf.type0_font(FONT)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(CID_FONT)
        .to_unicode(CMAP);
    let mut cid = pdf.cid_font(CID_FONT);
    cid.subtype(CidFontType::Type2)
        .base_font(name)
        .system_info(SYSTEM)
        .font_descriptor(DESCRIPTOR)
        .default_width(0.0)
        .cid_to_gid_map_predefined(Name(b"Identity"));
    // Numbers in the subset run from 1 without a gap, in order of first use.
    cid.widths().consecutive(1, glyphs.characters.values().map(|(_, advance)| *advance));
    cid.finish();
    let face = font::face();
    let scale = |value: i16| f32::from(value) * 1000.0 / f32::from(face.units_per_em());
    let bounds = face.global_bounding_box();
    let bounds = Rect::new(scale(bounds.x_min), scale(bounds.y_min), scale(bounds.x_max), scale(bounds.y_max));
    pdf.font_descriptor(DESCRIPTOR)
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(bounds)
        .italic_angle(0.0)
        .ascent(scale(face.ascender()))
        .descent(scale(face.descender()))
        .cap_height(scale(face.capital_height().unwrap_or(face.ascender())))
        .stem_v(80.0)
        .font_file2(FONT_FILE);
    let packed = deflate(&subset);
    let length = i32::try_from(subset.len()).expect("a subset of a 5 MB font");
    pdf.stream(FONT_FILE, &packed).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
    let mut cmap = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
    for (number, (character, _)) in &glyphs.characters {
        cmap.pair(*number, *character);
    }
    let cmap = deflate(cmap.finish().as_slice());
    pdf.cmap(CMAP, &cmap).filter(Filter::FlateDecode);
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::new(4));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_page_has_the_same_bytes_and_the_form_of_a_pdf() {
        let marks = vec![
            Mark::Text { x: 50.0, y: 80.0, size: 12.0, text: "진단서 Certificate 123".into() },
            Mark::Rule { from: (50.0, 90.0), to: (500.0, 90.0) },
        ];
        let day = jiff::civil::date(2020, 1, 2);
        let file = write("진단서", day, std::slice::from_ref(&marks));
        assert_eq!(file, write("진단서", day, &[marks]));
        assert!(file.starts_with(b"%PDF-1.7") && file.ends_with(b"%%EOF"));
        assert!(file.len() < 60_000, "only the glyphs used are embedded: {} bytes", file.len());
    }
}
