//! How deeply a PDF's arrays and dictionaries may lie within each other, and how much its streams come to, found before a parser
//! that recurses and inflates sees them. It knows brackets, strings and streams (ISO 32000-1 section 7.3) and nothing else of PDF.
//!
//! It looks for what writers of PDFs write. Whoever means to can hide from it: therefore PDFs are parsed in processes of their own,
//! whose stack, memory and time are bounded ([`crate::issue::inspector`]), and this gives the reason of the plain cases.

use std::io::Read;

/// Deepest nesting of a real document, generously: forms and structure trees refer to each other instead of nesting.
const LEVELS_MAX: usize = 500;
/// Compressed data has brackets by chance, about one in 128 bytes of each kind. What could be so many levels is no proof of any.
const BYTES_PER_CHANCE: usize = 64;
/// Stack that one level of the parser takes, generously.
const LEVEL_BYTES: usize = 2_048;
/// Levels for which the stack of any thread is enough.
const LEVELS_ANYWHERE: usize = 500;
/// Most bytes of a stream when it is inflated, images aside: those are copied as they are.
const INFLATED_MAX: u64 = 64 << 20;
/// Most bytes of all such streams of a PDF together.
const INFLATED_SUM_MAX: u64 = 192 << 20;
/// Most stack that is taken for deep nesting: no real document needs nearly as much.
const STACK_MAX: usize = 256 << 20;
/// Where the dictionary of a stream begins, at most so many bytes before its data.
const DICTIONARY_BYTES: usize = 1_024;

/// What a parser is in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Levels that it may have to go down, wherever in the bytes it begins.
    pub(crate) levels: usize,
    /// Bytes that it inflates and holds to find the objects.
    pub(crate) held: u64,
}

/// Looks through a PDF; `None` where no real document nests so deeply, or where streams come to more than any real document holds.
pub(crate) fn outline(pdf: &[u8]) -> Option<Outline> {
    let (mut from, mut held, mut sum) = (0, 0, 0);
    let mut outside = Scan::default();
    while let Some(stream) = find(&pdf[from..], b"stream").map(|place| from + place) {
        let data = stream + b"stream".len();
        let Some(end) = find(&pdf[data..], b"endstream").map(|place| data + place) else { break };
        outside.read(&pdf[from..data], LEVELS_MAX)?;
        let stream = inflated_stream(&pdf[..stream], &pdf[data..end])?;
        sum += stream.bytes;
        held += if stream.is_held { stream.bytes } else { 0 };
        if sum > INFLATED_SUM_MAX {
            return None;
        }
        from = end + b"endstream".len();
    }
    outside.read(&pdf[from..], LEVELS_MAX)?;
    let mut everywhere = Scan::default();
    everywhere.read(pdf, LEVELS_MAX + pdf.len() / BYTES_PER_CHANCE)?;
    Some(Outline { levels: everywhere.deepest, held })
}

/// Does something that goes down so many levels, on a stack that is large enough. A panic becomes `None`.
pub(crate) fn with_stack<T: Send>(levels: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    if levels <= LEVELS_ANYWHERE {
        return std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size((2 << 20) + (levels * LEVEL_BYTES).min(STACK_MAX));
        thread.spawn_scoped(scope, work).ok().and_then(|running| running.join().ok())
    })
}

/// A stream when it is inflated.
struct Inflated {
    bytes: u64,
    /// Whether a parser holds it to find objects.
    is_held: bool,
}

/// What a stream comes to, where a parser may inflate it. `None` where they are too many, or where it holds objects that nest
/// too deeply or hide in a way that nobody writes.
fn inflated_stream(before: &[u8], data: &[u8]) -> Option<Inflated> {
    let before = &before[before.len().saturating_sub(DICTIONARY_BYTES)..];
    let begin = before.windows(3).rposition(|window| window == b"obj").unwrap_or(0);
    let dictionary = &before[begin..];
    let has = |wanted: &[u8]| find(dictionary, wanted).is_some();
    // A name may be written with hexadecimal escapes (section 7.3.5); `#` alone stands in many a palette or name of a colour.
    let holds_objects = has(b"ObjStm") || (has(b"#") && find(&unescaped(dictionary), b"ObjStm").is_some());
    if !holds_objects {
        let is_inflated = (has(b"/Flate") || has(b"/Fl")) && !has(b"/Image");
        let bytes = if is_inflated { sized(data)? } else { 0 };
        return Some(Inflated { bytes, is_held: has(b"XRef") });
    }
    let others: [&[u8]; 5] = [b"ASCII", b"LZW", b"RunLength", b"Predictor", b"Crypt"];
    if others.into_iter().any(has) {
        return None;
    }
    let data = without_line_end(data);
    let mut inflated = Vec::new();
    // What cannot be inflated to its end is read as far as it goes, as the parser does.
    let _ = flate2::read::ZlibDecoder::new(data).take(INFLATED_MAX + 1).read_to_end(&mut inflated);
    if inflated.len() as u64 > INFLATED_MAX {
        return None;
    }
    Scan::default().read(&inflated, LEVELS_MAX)?;
    Scan::default().read(data, LEVELS_MAX + data.len() / BYTES_PER_CHANCE)?;
    Some(Inflated { bytes: inflated.len() as u64, is_held: true })
}

/// The bytes with hexadecimal escapes of names undone, as if all of them were names.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped = digit(at + 1).zip(digit(at + 2)).filter(|_| byte == b'#');
        let escaped = escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

/// Bytes of a stream when it is inflated, without keeping them; what is broken as far as it goes.
fn sized(data: &[u8]) -> Option<u64> {
    let mut inflating = flate2::read::ZlibDecoder::new(without_line_end(data)).take(INFLATED_MAX + 1);
    let (mut buffer, mut size) = ([0; 16 << 10], 0);
    while let Ok(read @ 1..) = inflating.read(&mut buffer) {
        size += read as u64;
    }
    (size <= INFLATED_MAX).then_some(size)
}

/// Data of a stream begins behind the line of its keyword.
fn without_line_end(data: &[u8]) -> &[u8] {
    let data = data.strip_prefix(b"\r").unwrap_or(data);
    data.strip_prefix(b"\n").unwrap_or(data)
}

/// Counts levels so that a parser cannot be deeper, from whichever byte it starts: every opening bracket counts, also within
/// what is a string to one reader, and a closing one only where every reader that saw its opening one sees it too.
#[derive(Default)]
struct Scan {
    open: Vec<Level>,
    deepest: usize,
}

struct Level {
    opened_by: u8,
    /// Parentheses open since.
    parentheses: i32,
    /// Whether a comment or an escape may hide what follows: then the level never counts as closed.
    is_unclear: bool,
}

impl Scan {
    fn read(&mut self, bytes: &[u8], levels_max: usize) -> Option<()> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            let is_double = bytes.get(at) == Some(&byte);
            match byte {
                b'[' => self.push(byte, levels_max)?,
                b'<' if is_double => {
                    at += 1;
                    self.push(byte, levels_max)?;
                }
                b']' => self.pop(b'['),
                b'>' if is_double => {
                    at += 1;
                    self.pop(b'<');
                }
                b'(' | b')' | b'\\' | b'%' => {
                    let Some(level) = self.open.last_mut() else { continue };
                    match byte {
                        b'(' => level.parentheses += 1,
                        b')' => level.parentheses -= 1,
                        // Within a string it takes the next byte's meaning; outside of one it means nothing.
                        b'\\' if level.parentheses > 0 => at += 1,
                        b'%' if level.parentheses > 0 => {}
                        _ => level.is_unclear = true,
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    fn push(&mut self, opened_by: u8, levels_max: usize) -> Option<()> {
        self.open.push(Level { opened_by, parentheses: 0, is_unclear: false });
        self.deepest = self.deepest.max(self.open.len());
        (self.open.len() <= levels_max).then_some(())
    }

    fn pop(&mut self, opened_by: u8) {
        let closes = |level: &mut Level| level.opened_by == opened_by && level.parentheses == 0 && !level.is_unclear;
        self.open.pop_if(closes);
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| byte == first) {
        from += place + 1;
        if bytes[from..].starts_with(rest) {
            return Some(from - 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn nested(unit: &str, count: usize) -> Vec<u8> {
        format!("%PDF-1.4\n1 0 obj\n{}\nendobj\n", unit.repeat(count)).into_bytes()
    }

    #[test]
    fn deep_nesting_is_found_however_it_is_hidden() {
        for unit in ["[", "<</A ", "[(])", "[((x) ])", "[([\\)(])])", "[%]\n", "[\\(])", "<</A[", "<</A(>>)"] {
            assert_eq!(outline(&nested(unit, 100_000)), None, "{unit}");
        }
    }

    #[test]
    fn deep_nesting_within_a_stream_of_objects_is_found() {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&b"[".repeat(1_000_000)).expect("memory");
        let packed = packed.finish().expect("memory");
        let pdf = |dictionary: &str| {
            let head = format!("%PDF-1.5\n1 0 obj<<{dictionary}/Length {}>>stream\n", packed.len());
            [head.as_bytes(), &packed, b"\nendstream endobj\n"].concat()
        };
        assert_eq!(outline(&pdf("/Type/ObjStm/N 1/First 4/Filter/FlateDecode")), None);
        assert_eq!(outline(&pdf("/Type/Obj#53tm/N 1/First 4/Filter/FlateDecode")), None);
        assert_eq!(outline(&pdf("/Type/ObjStm/N 1/First 4/Filter[/LZWDecode/FlateDecode]")), None);
        assert!(outline(&pdf("/Filter/FlateDecode")).is_some(), "content is nobody's object");
        for colours in ["[/Indexed/DeviceRGB 1(a#b#4f#4)]", "[/Separation/PANTONE#20300/DeviceCMYK 9 0 R]"] {
            let picture = format!("/Subtype/Image/ColorSpace{colours}/Filter/FlateDecode/DecodeParms<</Predictor 15>>");
            assert!(outline(&pdf(&picture)).is_some(), "{picture}");
        }
    }

    #[test]
    fn streams_that_come_to_too_much_are_told() {
        let packed = |megabytes: usize| {
            let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            (0..megabytes).for_each(|_| packed.write_all(&vec![b' '; 1 << 20]).expect("memory"));
            packed.finish().expect("memory")
        };
        let stream = |dictionary: &str, data: &[u8]| {
            let head = format!("1 0 obj<<{dictionary}/Length {}>>stream\r\n", data.len());
            [head.as_bytes(), data, b"\nendstream endobj\n"].concat()
        };
        let bomb = packed((INFLATED_MAX >> 20) as usize + 1);
        for dictionary in ["/Type/XRef/Filter/FlateDecode", "/Filter[/FlateDecode]", "/Filter/Fl"] {
            assert_eq!(outline(&stream(dictionary, &bomb)), None, "{dictionary}");
        }
        assert!(outline(&stream("/Subtype/Image/Filter/FlateDecode", &bomb)).is_some(), "a scan");
        let half = stream("/Filter/FlateDecode", &packed((INFLATED_MAX >> 21) as usize));
        assert!(outline(&half).is_some());
        assert_eq!(outline(&half.repeat((2 * INFLATED_SUM_MAX / INFLATED_MAX) as usize + 1)), None, "together");
    }

    #[test]
    fn real_documents_pass() {
        let text = "BT [(a\\(b) -20 (c [d] e)] TJ [(50%)] TJ ET\n".repeat(20_000);
        let pdf =
            format!("%PDF-1.4\n1 0 obj<</A[[1 2][3 4]]/B<</C(x)>>>>endobj\n2 0 obj<</L 1>>stream\n{text}endstream\n");
        assert!(outline(pdf.as_bytes()).is_some());
        let mut state = 1_u32;
        let noise = (0..4 << 20).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let pdf: Vec<u8> = b"%PDF-1.4 1 0 obj<<>>stream\n".iter().copied().chain(noise).chain(*b"endstream").collect();
        assert!(outline(&pdf).is_some(), "noise nests by chance alone");
    }

    #[test]
    fn the_stack_is_enough_for_the_levels() {
        fn down(levels: usize) -> usize {
            let kept = std::hint::black_box([levels; 64]);
            if levels == 0 { 0 } else { 1 + down(levels - 1) + kept[63] - kept[0] }
        }
        assert_eq!(with_stack(100_000, || down(100_000)), Some(100_000));
        assert_eq!(with_stack(0, || -> u8 { panic!("as a parser might") }), None);
    }
}
