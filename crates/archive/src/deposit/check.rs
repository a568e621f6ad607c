//! Whether a document is what it claims to be: PDF, PNG or JPEG, whole, and of the size and digest that a resource gives.
//! Nothing is drawn here.

use super::bag::{Bag, PayloadFile};
use super::payload::{Hasher, open};
use crate::issue::{Inspector, Text, Unreadable};
use crate::nesting;
use base::limits::Limits;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A PDF's header stands within its first kilobyte, its `startxref` within its last two (ISO 32000-1 annex H.3 notes 13, 18
/// are generous in the same way).
const HEADER_WITHIN: usize = 1_024;
const TRAILER_WITHIN: usize = 2_048;

/// The media types that documents may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Pdf,
    Png,
    Jpeg,
}

impl Format {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// By its first bytes.
    fn sniff(head: &[u8]) -> Option<Self> {
        let pdf_window = &head[..head.len().min(HEADER_WITHIN)];
        if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if head.starts_with(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if contains(pdf_window, b"%PDF-") {
            Some(Self::Pdf)
        } else {
            None
        }
    }

    /// By the media type that a resource claims, parameters aside.
    fn claimed(media_type: &str) -> Option<Self> {
        let plain = media_type.split(';').next().unwrap_or_default().trim();
        [Self::Pdf, Self::Png, Self::Jpeg]
            .into_iter()
            .find(|format| plain.eq_ignore_ascii_case(format.media_type()))
            .or_else(|| plain.eq_ignore_ascii_case("image/jpg").then_some(Self::Jpeg))
    }
}

/// Why a document is not known to be what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not, for this reason.
    Document(&'static str),
    /// Nothing is known: no process could be started that would look at it.
    Unchecked,
}

/// What the bytes are, where they are what is claimed (nothing claimed: anything known), and whole.
///
/// # Errors
/// What does not fit.
pub(super) fn check(bytes: &[u8], claimed: &str, inspector: &Inspector) -> Result<Format, Flaw> {
    let format = outline(&bytes[..bytes.len().min(HEADER_WITHIN)], tail(bytes), claimed).map_err(Flaw::Document)?;
    // Whatever a parser does with hostile bytes, one document must not end the deposit.
    let parsed = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Pdf => pdf(bytes, inspector),
        Format::Png | Format::Jpeg => picture(bytes, inspector),
    }));
    parsed.unwrap_or(Err(Flaw::Document("its structure cannot be read")))?;
    Ok(format)
}

/// As [`check`] for what is too large to be held in memory: by its beginning and end.
///
/// # Errors
/// What does not fit.
pub(super) fn outline(head: &[u8], tail: &[u8], claimed: &str) -> Result<Format, &'static str> {
    let Some(format) = Format::sniff(head) else {
        return Err("it is no PDF, PNG or JPEG");
    };
    if !claimed.is_empty() {
        match Format::claimed(claimed) {
            None => return Err("its resource claims a media type other than PDF, PNG and JPEG"),
            Some(claimed) if claimed != format => return Err("it is of another media type than its resource claims"),
            Some(_) => {}
        }
    }
    let is_whole = match format {
        Format::Pdf => contains(tail, b"startxref"),
        Format::Png => contains(tail, b"IEND"),
        Format::Jpeg => contains(tail, b"\xff\xd9"),
    };
    if is_whole { Ok(format) } else { Err("it is cut off: its end is missing") }
}

/// The last part of a file that [`outline`] looks at.
pub(super) fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(TRAILER_WITHIN)..]
}

/// Beginning and end of a file.
pub(super) fn ends(source: &mut (impl Read + Seek), size: u64) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    source.take(HEADER_WITHIN as u64).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(size.saturating_sub(TRAILER_WITHIN as u64)))?;
    source.take(TRAILER_WITHIN as u64).read_to_end(&mut tail)?;
    source.seek(SeekFrom::Start(0))?;
    Ok((head, tail))
}

/// Whether a file of the bag can be taken by now: within the limits, and with the checksum of the manifest.
pub(super) fn is_whole(bag: &Bag, path: &str, limits: &Limits) -> bool {
    let whole = |file: &PayloadFile| -> std::io::Result<bool> {
        let mut source = open(bag, file)?;
        let mut hasher = Hasher::of(&file.digest);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = source.read(&mut buffer)?;
            if read == 0 {
                return Ok(hasher.matches());
            }
            hasher.update(&buffer[..read]);
        }
    };
    bag.find(path).is_some_and(|file| {
        let fits = super::survey::is_ndjson(&file.path) || file.size <= limits.document_bytes;
        fits && whole(file).unwrap_or(false)
    })
}

fn pdf(bytes: &[u8], inspector: &Inspector) -> Result<(), Flaw> {
    let told = match inspector.read(bytes) {
        Ok(()) => return Ok(()),
        Err(Unreadable::Unchecked) => return Err(Flaw::Unchecked),
        Err(Unreadable::Slow) => "it takes longer to read than any real document",
        Err(Unreadable::Ended) => "it asks for more memory, or goes deeper, than any real document",
        Err(Unreadable::Told(_)) => "it is no readable PDF, has no pages, or asks for a password",
    };
    let is_plain = nesting::outline(bytes).is_some();
    Err(Flaw::Document(match is_plain {
        true => told,
        false => "its parts lie within each other more deeply, or come to more, than in any real document",
    }))
}

fn picture(bytes: &[u8], inspector: &Inspector) -> Result<(), Flaw> {
    match inspector.read(bytes) {
        Ok(()) => Ok(()),
        Err(Unreadable::Unchecked) => Err(Flaw::Unchecked),
        Err(Unreadable::Told(text)) if text == Text::word("reason.too-large") => {
            Err(Flaw::Document("it has more pixels than any scan"))
        }
        Err(_) => Err(Flaw::Document("it is no readable picture")),
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn look(bytes: &[u8], claimed: &str) -> Result<Format, &'static str> {
        check(bytes, claimed, &Inspector::default()).map_err(|flaw| match flaw {
            Flaw::Document(reason) => reason,
            Flaw::Unchecked => panic!("nothing is started here"),
        })
    }

    fn picture_bytes(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(3, 2).write_to(&mut bytes, format).expect("a picture of six pixels");
        bytes.into_inner()
    }

    /// A PDF of one empty page, its cross-reference table counted out.
    pub(crate) fn pdf_bytes() -> Vec<u8> {
        let objects = [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>",
        ];
        let mut text = "%PDF-1.4\n".to_owned();
        let mut table = "xref\n0 4\n0000000000 65535 f \n".to_owned();
        for (place, object) in objects.iter().enumerate() {
            table += &format!("{:010} 00000 n \n", text.len());
            text += &format!("{} 0 obj\n{object}\nendobj\n", place + 1);
        }
        let start = text.len();
        format!("{text}{table}trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").into_bytes()
    }

    #[test]
    fn documents_that_are_what_they_claim() {
        assert_eq!(look(&pdf_bytes(), "application/pdf"), Ok(Format::Pdf));
        assert_eq!(look(&picture_bytes(ImageFormat::Png), "image/png"), Ok(Format::Png));
        assert_eq!(look(&picture_bytes(ImageFormat::Jpeg), "image/jpeg; x=y"), Ok(Format::Jpeg));
        assert_eq!(look(&picture_bytes(ImageFormat::Jpeg), ""), Ok(Format::Jpeg));
    }

    #[test]
    fn documents_that_are_not() {
        let png = picture_bytes(ImageFormat::Png);
        assert!(look(&png, "application/pdf").is_err_and(|why| why.contains("another media type")));
        assert!(look(b"hello", "application/pdf").is_err());
        assert!(look(b"", "").is_err());
        assert!(look(&png[..png.len() - 20], "image/png").is_err_and(|why| why.contains("cut off")));
        let pdf = pdf_bytes();
        assert!(look(&pdf[..pdf.len() / 2], "application/pdf").is_err_and(|why| why.contains("cut off")));
        assert!(look(b"%PDF-1.4\nnothing\nstartxref\n0\n%%EOF", "application/pdf").is_err());
        assert!(look(&png, "text/html").is_err());
    }

    #[test]
    fn a_pdf_that_nests_without_end_is_refused_and_ends_nothing() {
        let whole = String::from_utf8(pdf_bytes()).expect("ASCII");
        for unit in ["[", "<</A "] {
            let deep = unit.repeat(500_000);
            let object = whole.replace("%PDF-1.4\n", &format!("%PDF-1.4\n9 0 obj\n{deep}\nendobj\n"));
            let trailer = whole.replace("/Size 4", &format!("/Size 4/Y {deep}"));
            for pdf in [object, trailer] {
                assert!(look(pdf.as_bytes(), "").is_err_and(|why| why.contains("deeply")), "{unit}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3_u8) {
            let heads: [&[u8]; 3] = [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"];
            let ends: [&[u8]; 3] = [b"startxref\n9\n%%EOF", b"IEND", b"\xff\xd9"];
            bytes.splice(0..0, heads[usize::from(kind)].iter().copied());
            bytes.extend_from_slice(ends[usize::from(kind)]);
            let _ = look(&bytes, "");
        }
    }
}
