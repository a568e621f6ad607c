//! How many bytes the contents of a PDF's pages come to when they are decoded, found out without keeping them: a megabyte can
//! stand for a gigabyte, which the typesetter would hold in memory. Images and fonts are copied as they are and do not count.

use flate2::read::{DeflateDecoder, ZlibDecoder};
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, Stream};
use std::borrow::Cow;
use std::io::Read;

/// Most bytes that the contents of all pages of one PDF may come to: some hundred times what a full page of text takes, for
/// each of the pages that it may have.
const CONTENTS_MAX: u64 = 64 << 20;
/// Most bytes that one byte can stand for (ISO 32000-1 section 7.4): 4,096 codes of 12 bits that grow by one, runs of 128 in two
/// bytes.
const LZW_RATIO: u64 = 1_366;
const RUN_RATIO: u64 = 64;
/// Filters of one stream, as far as anybody writes them.
const FILTERS_MAX: usize = 4;

/// Bytes that the contents of all pages come to, where they stay within what the typesetter is given.
pub(super) fn bearable(pdf: &Pdf) -> Option<u64> {
    let mut left = CONTENTS_MAX;
    for page in pdf.pages().iter() {
        let streams = match page.raw().get::<Object<'_>>(b"Contents") {
            Some(Object::Stream(stream)) => vec![stream],
            Some(Object::Array(streams)) => streams.iter::<Stream<'_>>().collect(),
            _ => Vec::new(),
        };
        for stream in &streams {
            left = left.checked_sub(size(stream, left)?)?;
        }
    }
    Some(CONTENTS_MAX - left)
}

/// Bytes of a decoded stream, or of as much of it as is beyond `enough`. `None` where its filters are not told apart.
fn size(stream: &Stream<'_>, enough: u64) -> Option<u64> {
    let mut data = stream.raw_data();
    let filters = filters(stream.dict());
    if filters.len() > FILTERS_MAX {
        return None;
    }
    let mut filters = filters.iter().map(Vec::as_slice).peekable();
    while let Some(text) =
        filters.next_if(|filter| matches!(*filter, b"ASCII85Decode" | b"A85" | b"ASCIIHexDecode" | b"AHx"))
    {
        data = Cow::Owned(if text[..3] == b"A85"[..] || text.ends_with(b"85Decode") {
            ascii_85(&data)
        } else {
            hex(&data)
        });
    }
    let bytes = data.len() as u64;
    let size = match filters.next() {
        None => return Some(bytes),
        Some(b"FlateDecode" | b"Fl") => inflated(&data, enough),
        Some(b"LZWDecode" | b"LZW") => bytes.saturating_mul(LZW_RATIO),
        Some(b"RunLengthDecode" | b"RL") => bytes.saturating_mul(RUN_RATIO),
        // Encryption is undone already; an image is no content.
        Some(_) => bytes,
    };
    // What is packed twice is hiding something.
    if filters.next().is_some() { None } else { Some(size) }
}

fn filters(dict: &Dict<'_>) -> Vec<Vec<u8>> {
    let of = |key: &[u8]| match dict.get::<Object<'_>>(key) {
        Some(Object::Name(name)) => vec![name.to_vec()],
        Some(Object::Array(names)) => named(&names),
        _ => Vec::new(),
    };
    // The parser takes the short key first.
    let short = of(b"F");
    if short.is_empty() { of(b"Filter") } else { short }
}

fn named(names: &Array<'_>) -> Vec<Vec<u8>> {
    names.iter::<Name<'_>>().take(FILTERS_MAX + 1).map(|name| name.to_vec()).collect()
}

/// Bytes that come out, counted as far as one beyond `enough`. Like the parser it takes data with or without its head, and what
/// is broken as far as it goes.
fn inflated(data: &[u8], enough: u64) -> u64 {
    let count = |reader: &mut dyn Read| {
        let (mut buffer, mut size) = ([0; 16 << 10], 0);
        while size <= enough {
            match reader.read(&mut buffer) {
                Ok(read) if read > 0 => size += read as u64,
                _ => break,
            }
        }
        size
    };
    let whole = count(&mut ZlibDecoder::new(data));
    let rest = data.get(2..).map_or(0, |rest| if whole == 0 { count(&mut DeflateDecoder::new(rest)) } else { 0 });
    if whole > 0 { whole } else { rest.max(count(&mut DeflateDecoder::new(data))) }
}

fn hex(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().take_while(|byte| **byte != b'>').filter_map(|byte| char::from(*byte).to_digit(16));
    let digits: Vec<u32> = digits.collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair.get(1).copied().unwrap_or(0)) as u8).collect()
}

/// Five letters from `!` on stand for four bytes, `z` for four zeros (section 7.4.3).
fn ascii_85(text: &[u8]) -> Vec<u8> {
    let (mut out, mut group) = (Vec::with_capacity(text.len()), Vec::with_capacity(5));
    for byte in text.iter().take_while(|byte| **byte != b'~') {
        match byte {
            b'z' if group.is_empty() => out.extend([0; 4]),
            b'!'..=b'u' => group.push(u32::from(byte - b'!')),
            _ => (),
        }
        if group.len() == 5 {
            out.extend(whole(&group).to_be_bytes());
            group.clear();
        }
    }
    if group.len() > 1 {
        let bytes = group.len() - 1;
        group.resize(5, 84);
        out.extend(&whole(&group).to_be_bytes()[..bytes]);
    }
    out
}

fn whole(group: &[u32]) -> u32 {
    group.iter().fold(0u32, |sum, digit| sum.wrapping_mul(85).wrapping_add(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory")
    }

    /// A PDF of pages that share one stream.
    fn pdf(filter: &str, data: &[u8], pages: usize) -> Pdf {
        let kids = (0..pages).map(|page| format!("{} 0 R ", page + 4)).collect::<String>();
        let mut bytes = format!(
            "%PDF-1.5\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count {pages}/Kids[{kids}]>>endobj\n\
             3 0 obj<</Length {}/Filter {filter}>>stream\n",
            data.len()
        )
        .into_bytes();
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(b"\nendstream endobj\n");
        for page in 0..pages {
            let text =
                format!("{} 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 3 0 R>>endobj\n", page + 4);
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n");
        let pdf = Pdf::new(Arc::new(bytes)).expect("it can be read");
        assert_eq!(pdf.pages().len(), pages);
        pdf
    }

    fn is_bearable(pdf: &Pdf) -> bool {
        bearable(pdf).is_some()
    }

    #[test]
    fn contents_that_come_to_too_much_are_told() {
        let half = vec![b' '; (CONTENTS_MAX / 4) as usize];
        let packed = deflated(&half);
        assert!(packed.len() < 1 << 20);
        assert_eq!(bearable(&pdf("/FlateDecode", &packed, 2)), Some(half.len() as u64 * 2));
        assert!(is_bearable(&pdf("/FlateDecode", &packed, 1)));
        assert!(!is_bearable(&pdf("/FlateDecode", &packed, 8)), "each page holds them");
        assert!(!is_bearable(&pdf("[/FlateDecode/FlateDecode]", &deflated(&packed), 1)), "packed twice");
        assert!(!is_bearable(&pdf("/FlateDecode", &deflated(&vec![b' '; CONTENTS_MAX as usize + 1]), 1)));
        assert!(!is_bearable(&pdf("/LZWDecode", &packed[..packed.len().min(60_000)].repeat(4), 1)));
    }

    #[test]
    fn text_filters_are_undone_before() {
        assert_eq!(hex(b"48 65 6C6c 6F7>"), b"Hellop");
        assert_eq!(ascii_85(b"87cUR DZ~>"), b"Hello");
        assert_eq!(ascii_85(b"z!!~>"), [0; 5]);
        let packed: String =
            deflated(&vec![b' '; CONTENTS_MAX as usize + 1]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!is_bearable(&pdf("[/ASCIIHexDecode/FlateDecode]", packed.as_bytes(), 1)));
        assert!(is_bearable(&pdf("/ASCIIHexDecode", packed.as_bytes(), 1)));
    }
}
