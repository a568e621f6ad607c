//! Which pages and images a deposited file gives, found by looking at its bytes and never at its name. Nothing is drawn here.

use crate::issue::content::Text;
use crate::issue::contents;
use crate::nesting::{self, Outline};
use hayro::hayro_syntax::{LoadPdfError, Pdf};
use std::sync::Arc;

/// Most pages that one deposited PDF may bring into a document.
pub(super) const PDF_PAGES_MAX: usize = 1_000;
/// Most pixels of an image: decoding takes four bytes for each.
const PIXELS_MAX: u64 = 100_000_000;
/// Most pixels of a scan that is taken: A3 at 1,200 dpi has fewer.
const READ_PIXELS_MAX: u64 = 300_000_000;

/// What a file can be drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawable {
    /// `pdf`, `png` or `jpg`.
    pub(super) format: &'static str,
    /// Pages, 1 for an image.
    pub(super) pages: usize,
    /// Whether it is a PDF 2.0, which only a PDF 2.0 can hold.
    pub(super) pdf2: bool,
    /// Bytes that the contents of a PDF's pages come to, and that its parser holds to find its objects.
    pub(super) contents: u64,
    /// Pixels of an image.
    pub(super) pixels: u64,
}

/// Whether a file says that it is a PDF.
pub(super) fn is_pdf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"%PDF-")
}

/// Looks at the bytes of a file.
///
/// # Errors
/// A key of the word tables that says why it cannot be drawn.
pub(super) fn look(bytes: &Arc<[u8]>) -> Result<Drawable, Text> {
    if is_pdf(bytes) {
        return look_at_pdf(bytes);
    }
    match image_format(bytes) {
        Some(format) => picture(bytes, PIXELS_MAX, format),
        None if bytes.is_empty() => Err(Text::word("reason.empty")),
        None => Err(Text::word("reason.format")),
    }
}

fn image_format(bytes: &[u8]) -> Option<(image::ImageFormat, &'static str)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some((image::ImageFormat::Png, "png"))
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some((image::ImageFormat::Jpeg, "jpg"))
    } else {
        None
    }
}

fn picture(
    bytes: &[u8],
    pixels_max: u64,
    (kind, format): (image::ImageFormat, &'static str),
) -> Result<Drawable, Text> {
    let reader = image::ImageReader::with_format(std::io::Cursor::new(bytes), kind);
    let (width, height) = reader.into_dimensions().map_err(|_| Text::word("reason.damaged"))?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > pixels_max {
        return Err(Text::word("reason.too-large"));
    }
    Ok(Drawable { format, pages: 1, pdf2: false, contents: 0, pixels })
}

fn look_at_pdf(bytes: &Arc<[u8]>) -> Result<Drawable, Text> {
    parsed(bytes, &|pdf, held| {
        let pages = pdf.pages().len();
        let contents = if pages > PDF_PAGES_MAX { None } else { contents::bearable(pdf) };
        let contents = contents.ok_or_else(|| Text::word("reason.too-large"))?;
        let pdf2 = pdf.version() >= hayro::hayro_syntax::PdfVersion::Pdf20;
        Ok(Drawable { format: "pdf", pages, pdf2, contents: contents + held, pixels: 0 })
    })
}

/// Whether a file can be read at all: a PDF has pages, and a picture has a size that a scan may have. What is said of a PDF's
/// contents is nothing.
pub(super) fn read(bytes: &Arc<[u8]>) -> Result<Drawable, Text> {
    if let Some(format) = image_format(bytes) {
        return picture(bytes, READ_PIXELS_MAX, format);
    }
    parsed(bytes, &|pdf, _| {
        Ok(Drawable { format: "pdf", pages: pdf.pages().len(), pdf2: false, contents: 0, pixels: 0 })
    })
}

/// Does something with a PDF that has pages, and the bytes that its parser inflates to find its objects.
fn parsed(bytes: &Arc<[u8]>, work: &(dyn Fn(&Pdf, u64) -> Result<Drawable, Text> + Sync)) -> Result<Drawable, Text> {
    let damaged = || Text::word("reason.damaged");
    // The typesetter's parser recurses: what nests without end must not reach it.
    let Outline { levels, held } = nesting::outline(bytes).ok_or_else(damaged)?;
    let read = || {
        let pdf = Pdf::new(Arc::new(bytes.clone())).map_err(|fault| match fault {
            LoadPdfError::Decryption(_) => Text::word("reason.encrypted"),
            LoadPdfError::Invalid => Text::word("reason.damaged"),
        })?;
        if pdf.pages().is_empty() { Err(damaged()) } else { work(&pdf, held) }
    };
    nesting::with_stack(levels, read).unwrap_or_else(|| Err(damaged()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> Text {
        look(&bytes.into()).expect_err("not drawable")
    }

    #[test]
    fn what_a_file_claims_does_not_count() {
        assert_eq!(reason(b""), Text::word("reason.empty"));
        assert_eq!(reason(b"GIF89a"), Text::word("reason.format"));
        assert_eq!(reason(b"\x89PNG\r\n\x1a\n and then nothing"), Text::word("reason.damaged"));
        assert_eq!(reason(&[0xff, 0xd8, 0xff, 0xe0]), Text::word("reason.damaged"));
        assert_eq!(reason(b"%PDF-1.4 and then nothing"), Text::word("reason.damaged"));
    }

    #[test]
    fn a_pdf_that_nests_without_end_is_not_drawn() {
        let pdf =
            format!("%PDF-1.4\n1 0 obj\n{}\nendobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF", "[".repeat(500_000));
        assert_eq!(reason(pdf.as_bytes()), Text::word("reason.damaged"));
    }

    #[test]
    fn an_image_of_too_many_pixels_is_not_decoded() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 1, 0, 0, 0, 1, 0, 0, 8, 2, 0, 0, 0]);
        png.extend(crc32(&png[12..29]).to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        assert_eq!(reason(&png), Text::word("reason.too-large"));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
