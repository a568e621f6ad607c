//! Draws laid-out pages as a scanner would deliver them: grey, A4 at 800 by 1,132 pixels, PNG or JPEG.

use super::Format;
use super::font;
use super::page::{Mark, PAGE};
use crate::rng::Rng;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ImageEncoder as _, codecs::png::CompressionType, codecs::png::FilterType};
use std::collections::HashMap;
use tiny_skia::{FillRule, Mask, PathBuilder, Transform};
use ttf_parser::{GlyphId, OutlineBuilder};

const WIDTH: usize = 800;
const HEIGHT: usize = 1132;
const SCALE: f32 = WIDTH as f32 / PAGE.0;
const PAPER: u8 = 250;
const JPEG_QUALITY: u8 = 50;

/// Draws pages and remembers the glyphs it drew. One a thread.
#[derive(Default)]
pub(crate) struct Scanner {
    glyphs: HashMap<(u16, u32), Option<Stamp>>,
}

/// How black a glyph is, pixel by pixel, and where its corner lies from the pen.
struct Stamp {
    left: i32,
    top: i32,
    width: usize,
    cover: Vec<u8>,
}

impl Scanner {
    /// One page as an image file. `rng` throws a few specks of dust on the glass.
    pub(crate) fn page(&mut self, marks: &[Mark], format: Format, rng: &mut Rng) -> Vec<u8> {
        let mut grey = vec![PAPER; WIDTH * HEIGHT];
        for mark in marks {
            match mark {
                Mark::Rule { from, to } => rule(&mut grey, *from, *to),
                Mark::Text { x, y, size, text } => self.text(&mut grey, *x, *y, *size, text),
            }
        }
        for _ in 0..12 {
            let at = rng.below(grey.len());
            grey[at] = 150;
        }
        encode(&grey, WIDTH, HEIGHT, format)
    }

    /// Writes a text into a grey image of another size, for labels on films. Black on white, or white on black.
    pub(crate) fn label(&mut self, image: (&mut [u8], usize), at: (i32, i32), pixels: f32, text: &str) {
        let mut pen = at.0 as f32;
        for character in text.chars() {
            let glyph = font::glyph(character);
            if let Some(stamp) = self.stamp(glyph, pixels) {
                stamp.press(image.0, image.1, pen.round() as i32, at.1, 235);
            }
            pen += font::advance(glyph) * pixels / 1000.0;
        }
    }

    fn text(&mut self, grey: &mut [u8], x: f32, y: f32, size: f32, text: &str) {
        let pixels = size * SCALE;
        let mut pen = x * SCALE;
        let baseline = (y * SCALE).round() as i32;
        for character in text.chars() {
            let glyph = font::glyph(character);
            if let Some(stamp) = self.stamp(glyph, pixels) {
                stamp.press(grey, WIDTH, pen.round() as i32, baseline, 25);
            }
            pen += font::advance(glyph) * pixels / 1000.0;
        }
    }

    fn stamp(&mut self, glyph: GlyphId, pixels: f32) -> Option<&Stamp> {
        self.glyphs.entry((glyph.0, pixels.to_bits())).or_insert_with(|| draw(glyph, pixels)).as_ref()
    }
}

impl Stamp {
    fn press(&self, grey: &mut [u8], width: usize, x: i32, baseline: i32, ink: u8) {
        let height = grey.len() / width;
        for (place, cover) in self.cover.iter().enumerate().filter(|(_, cover)| **cover > 0) {
            let column = usize::try_from(x + self.left + (place % self.width) as i32);
            let row = usize::try_from(baseline + self.top + (place / self.width) as i32);
            if let (Ok(column), Ok(row)) = (column, row)
                && column < width
                && row < height
            {
                let under = &mut grey[row * width + column];
                let mixed = i32::from(*under) + (i32::from(ink) - i32::from(*under)) * i32::from(*cover) / 255;
                *under = u8::try_from(mixed).unwrap_or(ink);
            }
        }
    }
}

/// An image file of grey pixels.
pub(crate) fn encode(grey: &[u8], width: usize, height: usize, format: Format) -> Vec<u8> {
    let (wide, high) = (width as u32, height as u32);
    let mut out = Vec::new();
    let written = if format == Format::Png {
        PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive).write_image(
            grey,
            wide,
            high,
            ExtendedColorType::L8,
        )
    } else {
        JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY).encode(grey, wide, high, ExtendedColorType::L8)
    };
    written.expect("the buffer holds width times height grey pixels, and writing to memory does not fail");
    out
}

fn rule(grey: &mut [u8], from: (f32, f32), to: (f32, f32)) {
    let pixel = |value: f32, limit: usize| ((value * SCALE).round().max(0.0) as usize).min(limit - 1);
    let (x0, x1) = (pixel(from.0, WIDTH), pixel(to.0, WIDTH));
    let (y0, y1) = (pixel(from.1, HEIGHT), pixel(to.1, HEIGHT));
    for row in y0..=y1 {
        grey[row * WIDTH + x0..=row * WIDTH + x1].fill(70);
    }
}

fn draw(glyph: GlyphId, pixels: f32) -> Option<Stamp> {
    let mut outline = Outline(PathBuilder::new());
    font::face().outline_glyph(glyph, &mut outline)?;
    let path = outline.0.finish()?;
    let scale = pixels / f32::from(font::face().units_per_em());
    let bounds = path.bounds();
    // Font units grow upwards, pixels downwards.
    let left = (bounds.left() * scale).floor();
    let top = (-bounds.bottom() * scale).floor();
    let width = ((bounds.right() * scale).ceil() - left).max(1.0);
    let height = ((-bounds.top() * scale).ceil() - top).max(1.0);
    let mut mask = Mask::new(width as u32, height as u32)?;
    let place = Transform::from_row(scale, 0.0, 0.0, -scale, -left, -top);
    mask.fill_path(&path, FillRule::Winding, true, place);
    Some(Stamp { left: left as i32, top: top as i32, width: width as usize, cover: mask.take() })
}

struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_darkens_the_page_where_it_stands() {
        let marks = [Mark::Text { x: 100.0, y: 200.0, size: 20.0, text: "한글".into() }];
        for format in [Format::Png, Format::Jpeg] {
            let file = Scanner::default().page(&marks, format, &mut Rng::derived(1, &[]));
            let page = image::load_from_memory(&file).expect("an image").to_luma8();
            assert_eq!((page.width(), page.height()), (800, 1132));
            let dark = |x0: u32, y0: u32| {
                (x0..x0 + 60)
                    .flat_map(|x| (y0..y0 + 40).map(move |y| (x, y)))
                    .filter(|(x, y)| page.get_pixel(*x, *y).0[0] < 120)
                    .count()
            };
            assert!(dark(132, 240) > 150, "ink at the text in {format:?}");
            assert_eq!(dark(600, 900), 0, "none elsewhere");
        }
    }
}
