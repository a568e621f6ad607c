//! Changes inputs: a small mutator that follows a seed. The same target and number give the same input, on every machine.

use std::ops::Range;

/// What parsers trip over: quotes, braces, lengths, NUL, Korean, halves of surrogates, far numbers and days, ways out of a folder.
const TOKENS: [&[u8]; 42] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud83d",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"-1e-999",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"0",
    b"\0",
    b"\r\n",
    b"\n\n",
    b"\t",
    b" ",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\0",
    b"\0\0\0\0",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "한글".as_bytes(),
    "ㅎㅏㄴ".as_bytes(),
    "한\u{1112}\u{1161}\u{11ab}\u{302e}".as_bytes(),
    "\u{202e}\u{0}\u{2028}".as_bytes(),
    "ıİßﬀ".as_bytes(),
    b"../",
    b"%2e%2e%2f%00",
    b"9999-12-31T23:59:59.999999999+14:00",
    b"0000-00-00",
    b"-9999-01-01",
    b"2024-02-29T24:00:60Z",
];
/// Most changes to one input.
const CHANGES_MAX: usize = 6;
/// How deep brackets are nested, where they are.
const NESTINGS: [usize; 4] = [8, 65, 300, 3_000];

/// Numbers that follow a seed (splitmix64): no randomness, and none is wanted.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of a name and a place in its row.
    #[must_use]
    pub fn of(name: &str, number: u32) -> Self {
        let seed = base::sha256(&[name.as_bytes(), &number.to_be_bytes()].concat());
        Self(seed[..8].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte)))
    }

    /// The next number.
    #[must_use]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    #[must_use]
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length + 1);
        // Mostly short: long ones leave little of the input.
        let longest = if self.below(4) == 0 { length - start } else { (length - start).min(16) };
        start..start + self.below(longest + 1)
    }
}

/// The changed input of this number.
#[must_use]
pub fn input(name: &str, number: u32, seeds: &[Vec<u8>], bytes_max: usize) -> Vec<u8> {
    let mut numbers = Numbers::of(name, number);
    let mut bytes = seeds.get(numbers.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=numbers.below(CHANGES_MAX) {
        change(&mut bytes, seeds, &mut numbers);
        bytes.truncate(bytes_max);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    let range = numbers.range(bytes.len());
    match numbers.below(10) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
        1 if !bytes.is_empty() => bytes[at] = numbers.draw() as u8,
        2 => {
            let other = seeds.get(numbers.below(seeds.len())).map_or(&[][..], Vec::as_slice);
            let piece = other[numbers.range(other.len())].to_vec();
            bytes.splice(range, piece);
        }
        3 => drop(bytes.drain(range)),
        4 => {
            let piece = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, piece);
        }
        5 => {
            let depth = NESTINGS[numbers.below(NESTINGS.len())];
            let bracket = [&b"["[..], b"{\"a\":", b"(", b"<<", b"-"][numbers.below(5)];
            bytes.splice(at..at, bracket.repeat(depth));
        }
        6 => digits(bytes, numbers),
        _ => {
            let token = TOKENS[numbers.below(TOKENS.len())];
            let over = if numbers.below(2) == 0 { at..at } else { range };
            bytes.splice(over, token.iter().copied());
        }
    }
}

/// Changes a number that stands in the input as digits: parsers of text count with those.
fn digits(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let from = numbers.below(bytes.len());
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let end = bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |at| start + at);
    let new = match numbers.below(5) {
        0 => "0".to_owned(),
        1 => u64::MAX.to_string(),
        2 => u32::MAX.to_string(),
        3 => i64::MAX.to_string(),
        _ => (numbers.draw() % 100_000).to_string(),
    };
    bytes.splice(start..end, new.into_bytes());
}
