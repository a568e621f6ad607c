//! Texts that must not get out, the forms in which they could, and the search for all of them at once. Nothing here knows the
//! program.

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use unicode_normalization::UnicodeNormalization;

/// Shortest form that is searched for in bytes: what is shorter is found by chance.
const FORM_BYTES_MIN: usize = 9;
/// Bytes by which forms are looked up.
const KEY_BYTES: usize = 4;
/// Most bytes that are unpacked from one place.
const UNPACKED_MAX: u64 = 16 << 20;
/// Packed things within packed things that are still unpacked.
const UNPACKED_LEVELS: usize = 2;

/// A text that nobody else has.
#[derive(Debug, Clone)]
pub struct Canary {
    /// What it stands for.
    pub name: &'static str,
    /// The text in its composed form.
    pub text: String,
}

/// One way in which a canary could stand somewhere.
pub struct Form {
    /// The canary, by its place.
    pub canary: usize,
    /// The way.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Every form of every canary, ready to be searched for.
pub struct Forms {
    /// The canaries.
    pub canaries: Vec<Canary>,
    /// Their forms.
    pub all: Vec<Form>,
    by_key: HashMap<[u8; KEY_BYTES], Vec<usize>>,
    /// Whether any form begins with these two bytes: most places are passed over by this alone.
    begins: Vec<bool>,
}

impl Forms {
    /// The forms of these canaries.
    pub fn of(canaries: Vec<Canary>) -> Self {
        let mut all = Vec::new();
        for (canary, one) in canaries.iter().enumerate() {
            let mut known = BTreeSet::new();
            for (name, bytes) in spellings(&one.text).iter().flat_map(|(name, text)| encodings(name, text)) {
                assert!(bytes.len() >= FORM_BYTES_MIN, "{} as {name} is too short to be told from chance", one.name);
                if known.insert(bytes.clone()) {
                    all.push(Form { canary, name, bytes });
                }
            }
        }
        let mut by_key: HashMap<[u8; KEY_BYTES], Vec<usize>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (place, form) in all.iter().enumerate() {
            let key: [u8; KEY_BYTES] = form.bytes[..KEY_BYTES].try_into().expect("forms are longer");
            by_key.entry(key).or_default().push(place);
            begins[usize::from(u16::from_be_bytes([key[0], key[1]]))] = true;
        }
        Self { canaries, all, by_key, begins }
    }

    /// The text of a canary.
    pub fn text(&self, name: &str) -> &str {
        let found = self.canaries.iter().find(|canary| canary.name == name);
        &found.unwrap_or_else(|| panic!("no canary is called {name}")).text
    }

    /// Forms that stand in some bytes, and in what is packed in them, each once.
    pub fn found(&self, bytes: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.look(bytes, &mut found);
        each_unpacked(bytes, UNPACKED_LEVELS, &mut |inner| self.look(inner, &mut found));
        found
    }

    fn look(&self, bytes: &[u8], found: &mut BTreeSet<usize>) {
        for (at, pair) in bytes.windows(2).enumerate() {
            if !self.begins[usize::from(u16::from_be_bytes([pair[0], pair[1]]))] {
                continue;
            }
            let key = bytes.get(at..at + KEY_BYTES).and_then(|key| key.try_into().ok());
            let forms = key.and_then(|key: [u8; KEY_BYTES]| self.by_key.get(&key));
            found.extend(forms.into_iter().flatten().filter(|form| bytes[at..].starts_with(&self.all[**form].bytes)));
        }
    }
}

/// How a text may be spelt: composed and decomposed, as small and as capital letters, a number with and without what parts it.
fn spellings(text: &str) -> Vec<(String, String)> {
    let composed: String = text.nfc().collect();
    let mut plain = vec![("as it is", composed.clone())];
    plain.push(("small", composed.to_lowercase()));
    plain.push(("capital", composed.to_uppercase()));
    if composed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        plain.push(("digits", composed.replace('-', "")));
    }
    let mut known = BTreeSet::new();
    let both = plain.into_iter().flat_map(|(name, text)| {
        let decomposed: String = text.nfd().collect();
        [(format!("{name}, composed"), text), (format!("{name}, decomposed"), decomposed)]
    });
    both.filter(|(_, text)| known.insert(text.clone())).collect()
}

/// How a spelling may be written down.
fn encodings(spelling: &str, text: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = text.as_bytes();
    let mut forms: Vec<(&str, Vec<u8>)> = vec![
        ("UTF-8", bytes.to_vec()),
        ("UTF-16LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("hexadecimal", base::hex(bytes).into_bytes()),
        ("HEXADECIMAL", base::hex(bytes).to_uppercase().into_bytes()),
    ];
    let each = |write: &dyn Fn(u8) -> String| bytes.iter().map(|byte| write(*byte)).collect::<String>().into_bytes();
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let percent = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let percent_small = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    forms.push(("percent", each(&percent)));
    forms.push(("small percent", each(&percent_small)));
    forms.push(("percent twice", each(&|byte| percent(byte).replace('%', "%25"))));
    // As Rust prints bytes: `b"\xed\x95\x9c"` and `[237, 149, 156]`.
    forms.push((
        "bytes in quotes",
        each(&|byte| if byte < 0x80 { char::from(byte).into() } else { format!("\\x{byte:02x}") }),
    ));
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    forms.push(("list of bytes", list.join(", ").into_bytes()));
    let letters = |write: &dyn Fn(char) -> String| text.chars().map(write).collect::<String>().into_bytes();
    forms.push(("letters escaped by Rust", letters(&|letter| letter.escape_default().to_string())));
    forms.push(("HTML, decimal", letters(&|letter| format!("&#{};", u32::from(letter)))));
    forms.push(("HTML, hexadecimal", letters(&|letter| format!("&#x{:x};", u32::from(letter)))));
    let units = |write: &dyn Fn(u16) -> String| text.encode_utf16().map(write).collect::<String>().into_bytes();
    forms.push(("JSON, all escaped", units(&|unit| format!("\\u{unit:04x}"))));
    forms.push(("JSON, all escaped in capitals", units(&|unit| format!("\\u{unit:04X}"))));
    let some = |unit: u16| if unit < 0x80 { char::from(unit as u8).to_string() } else { format!("\\u{unit:04x}") };
    forms.push(("JSON, escaped", units(&some)));
    let mut forms: Vec<(String, Vec<u8>)> =
        forms.into_iter().map(|(name, bytes)| (format!("{spelling}, {name}"), bytes)).collect();
    for ahead in 0..3 {
        forms.push((format!("{spelling}, base64 after {ahead}"), base64_core(&STANDARD_NO_PAD, bytes, ahead)));
        forms.push((format!("{spelling}, base64url after {ahead}"), base64_core(&URL_SAFE_NO_PAD, bytes, ahead)));
    }
    forms
}

/// What is the same in base64 whatever stands before and after, with so many bytes before it modulo 3.
fn base64_core(engine: &impl base64::Engine, bytes: &[u8], ahead: usize) -> Vec<u8> {
    let encoded = engine.encode([&vec![0; ahead], bytes].concat());
    let from = [0, 2, 3][ahead];
    let tail = usize::from(!(ahead + bytes.len()).is_multiple_of(3));
    encoded.as_bytes()[from..encoded.len() - tail].to_vec()
}

/// Gives what can be unpacked at any place of some bytes, of gzip and zlib (RFC 1952 and 1950); nothing here packs otherwise.
pub fn each_unpacked(bytes: &[u8], levels: usize, look: &mut dyn FnMut(&[u8])) {
    if levels == 0 {
        return;
    }
    for at in 0..bytes.len().saturating_sub(8) {
        let inner = match bytes[at..at + 3] {
            [0x1f, 0x8b, 8] => unpacked(flate2::read::GzDecoder::new(&bytes[at..])),
            // The header's two bytes are a multiple of 31, and no dictionary is named.
            [0x78, flags, _] if (0x7800 + u16::from(flags)) % 31 == 0 && flags & 0x20 == 0 => {
                unpacked(flate2::read::ZlibDecoder::new(&bytes[at..]))
            }
            _ => continue,
        };
        if inner.len() >= FORM_BYTES_MIN {
            look(&inner);
            each_unpacked(&inner, levels - 1, look);
        }
    }
}

/// As much as can be read; where it is damaged or cut short, as far as it goes.
fn unpacked(packed: impl Read) -> Vec<u8> {
    let mut inner = Vec::new();
    let _ = packed.take(UNPACKED_MAX).read_to_end(&mut inner);
    inner
}
