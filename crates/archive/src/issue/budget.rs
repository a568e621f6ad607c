//! How much attached material one issue holds. Each limit bounds memory while the pages are set; what is beyond them is listed
//! with that reason, and the rest is drawn.

use crate::issue::sheets::Drawable;
use crate::issue::typeset::{FILES_MAX, SHEETS_MAX};

/// Most bytes that the contents of all PDFs may come to: each is held once as it is and once compressed again.
const CONTENTS_MAX: u64 = 192 << 20;
/// Most pixels of all images: each takes three or four bytes until the document is done. So many are about 30 pages scanned at
/// 300 dots an inch as images of their own; pages within PDFs do not count, as they are copied as they are.
const PIXELS_MAX: u64 = 256_000_000;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    contents: u64,
    pixels: u64,
    sheets: usize,
    files: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { contents: CONTENTS_MAX, pixels: PIXELS_MAX, sheets: SHEETS_MAX, files: FILES_MAX }
    }
}

impl Budget {
    /// Takes what a file needs, or nothing where it is more than is left.
    pub(super) fn take(&mut self, drawable: &Drawable) -> bool {
        let left = || {
            Some(Self {
                contents: self.contents.checked_sub(drawable.contents)?,
                pixels: self.pixels.checked_sub(drawable.pixels)?,
                sheets: self.sheets.checked_sub(drawable.pages)?,
                files: self.files.checked_sub(1)?,
            })
        };
        let left = left();
        let fits = left.is_some();
        *self = left.unwrap_or(Self { ..*self });
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(pixels: u64) -> Drawable {
        Drawable { format: "png", pages: 1, pdf2: false, contents: 0, pixels }
    }

    #[test]
    fn what_fits_is_taken_and_what_does_not_leaves_room_for_less() {
        let mut budget = Budget::default();
        assert!(budget.take(&image(PIXELS_MAX - 10)));
        assert!(!budget.take(&image(11)));
        assert!(budget.take(&image(10)));
        assert!(!budget.take(&image(1)));
        let pdf = |pages, contents| Drawable { format: "pdf", pages, contents, ..image(0) };
        assert!(!budget.take(&pdf(1, CONTENTS_MAX + 1)));
        assert!(!budget.take(&pdf(SHEETS_MAX, 0)), "two pages are taken");
        assert!(budget.take(&pdf(SHEETS_MAX - 2, CONTENTS_MAX)));
        assert!(!budget.take(&pdf(1, 0)));
    }
}
