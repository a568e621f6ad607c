//! A strict RFC 8259 parser with limits. Error texts never repeat input, because input is health data.

use super::Value;
use std::borrow::Cow;

/// Limits on what is parsed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest input in bytes.
    pub bytes_max: usize,
    /// Deepest nesting of arrays and objects; some thousands would exhaust the stack.
    pub depth_max: usize,
    /// Most values (items, members and nested values together).
    pub values_max: usize,
}

impl Limits {
    /// 64 MiB: a resource with a scanned document inline.
    pub const BYTES_MAX: usize = 64 << 20;
    /// FHIR resources nest less than 30 deep in practice.
    pub const DEPTH_MAX: usize = 64;
    /// Bounds memory: a value takes about 56 bytes beside its text.
    pub const VALUES_MAX: usize = 4_000_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: Self::BYTES_MAX, depth_max: Self::DEPTH_MAX, values_max: Self::VALUES_MAX }
    }
}

/// Why bytes are not acceptable JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}, line {line}, column {column}")]
pub struct JsonError {
    /// Byte position from 0.
    pub offset: usize,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in bytes.
    pub column: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What can be wrong with JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say what each one means")]
pub enum Reason {
    #[error("text is not valid UTF-8")]
    Utf8,
    #[error("text is longer than the limit")]
    TooLong,
    #[error("nesting is deeper than the limit")]
    TooDeep,
    #[error("there are more values than the limit")]
    TooMany,
    #[error("text ends too early")]
    Truncated,
    #[error("a value is expected")]
    ExpectedValue,
    #[error("a member name in quotes is expected")]
    ExpectedName,
    #[error("a colon is expected")]
    ExpectedColon,
    #[error("a comma or the end of the array or object is expected")]
    ExpectedComma,
    #[error("a number is not well formed")]
    Number,
    #[error("a string has an unknown escape")]
    Escape,
    #[error("a string has a control character")]
    Control,
    #[error("a string has half of a surrogate pair")]
    Surrogate,
    #[error("a member name occurs twice in one object")]
    DuplicateName,
    #[error("text goes on after the value")]
    Trailing,
}

/// Parses one JSON value that fills `input` (white space around it is allowed, a byte order mark is not).
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<Value<'a>, JsonError> {
    let mut parser =
        Parser { text: "", bytes: input, position: 0, depth_left: limits.depth_max, values_left: limits.values_max };
    if input.len() > limits.bytes_max {
        return Err(parser.error_at(limits.bytes_max, Reason::TooLong));
    }
    parser.text = std::str::from_utf8(input).map_err(|e| parser.error_at(e.valid_up_to(), Reason::Utf8))?;
    parser.skip_space();
    let value = parser.value().map_err(|reason| parser.error_at(parser.position, reason))?;
    parser.skip_space();
    if parser.position < input.len() {
        return Err(parser.error_at(parser.position, Reason::Trailing));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    depth_left: usize,
    values_left: usize,
}

impl<'a> Parser<'a> {
    fn error_at(&self, offset: usize, reason: Reason) -> JsonError {
        let before = &self.bytes[..offset.min(self.bytes.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        JsonError { offset, line, column: before.len() - line_start + 1, reason }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.position += 1;
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Reason> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Reason::TooMany)?;
        match self.peek().ok_or(Reason::Truncated)? {
            b'"' => Ok(Value::String(self.string()?)),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => Err(Reason::ExpectedValue),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value<'a>, Reason>) -> Result<Value<'a>, Reason> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Reason::TooDeep)?;
        self.position += 1;
        self.skip_space();
        let value = inner(self)?;
        self.depth_left += 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value<'a>, Reason> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(Value::Object(members));
        }
        loop {
            let start = self.position;
            if self.peek() != Some(b'"') {
                return Err(if self.peek().is_none() { Reason::Truncated } else { Reason::ExpectedName });
            }
            let name = self.string()?;
            if members.len() < LINEAR_MAX && members.iter().any(|(other, _)| *other == name) {
                self.position = start;
                return Err(Reason::DuplicateName);
            }
            self.skip_space();
            match self.peek() {
                Some(b':') => self.position += 1,
                None => return Err(Reason::Truncated),
                Some(_) => return Err(Reason::ExpectedColon),
            }
            self.skip_space();
            let value = self.value()?;
            members.push((name, value));
            if self.end_of_list(b'}')? {
                break;
            }
        }
        if members.len() > LINEAR_MAX && has_duplicates(&members) {
            return Err(Reason::DuplicateName);
        }
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value<'a>, Reason> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.end_of_list(b']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    /// After an item: consumes `,` (and answers false) or the closing byte (true).
    #[inline]
    fn end_of_list(&mut self, close: u8) -> Result<bool, Reason> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.position += 1;
                self.skip_space();
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.position += 1;
                Ok(true)
            }
            None => Err(Reason::Truncated),
            Some(_) => Err(Reason::ExpectedComma),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Reason> {
        if self.bytes[self.position..].starts_with(word.as_bytes()) {
            self.position += word.len();
            return Ok(value);
        }
        Err(Reason::ExpectedValue)
    }

    fn number(&mut self) -> Result<Value<'a>, Reason> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        match self.peek() {
            Some(b'0') => self.position += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(Reason::Number),
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.position += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.position += 1;
            }
            self.digits()?;
        }
        if let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') = self.peek() {
            return Err(Reason::Number);
        }
        Ok(Value::Number(Cow::Borrowed(&self.text[start..self.position])))
    }

    fn digits(&mut self) -> Result<(), Reason> {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.position += 1;
        }
        if self.position == start { Err(Reason::Number) } else { Ok(()) }
    }

    /// A string at the opening quote. Borrowed when there is nothing to unescape, which is nearly always.
    fn string(&mut self) -> Result<Cow<'a, str>, Reason> {
        let start = self.position + 1;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|b| PLAIN_ENDS[usize::from(*b)]).ok_or(Reason::Truncated);
        let end = match length {
            Ok(length) => start + length,
            Err(reason) => {
                self.position = self.bytes.len();
                return Err(reason);
            }
        };
        self.position = end;
        match self.bytes[end] {
            b'"' => {
                self.position += 1;
                Ok(Cow::Borrowed(&self.text[start..end]))
            }
            b'\\' => self.escaped(start).map(Cow::Owned),
            _ => Err(Reason::Control),
        }
    }

    /// The rest of a string from its first backslash on.
    fn escaped(&mut self, start: usize) -> Result<String, Reason> {
        let mut out = String::from(&self.text[start..self.position]);
        loop {
            let plain = self.position;
            while !PLAIN_ENDS[usize::from(self.peek().ok_or(Reason::Truncated)?)] {
                self.position += 1;
            }
            out.push_str(&self.text[plain..self.position]);
            match self.bytes[self.position] {
                b'"' => {
                    self.position += 1;
                    return Ok(out);
                }
                b'\\' => {
                    let escape = *self.bytes.get(self.position + 1).ok_or(Reason::Truncated)?;
                    let plain = match escape {
                        b'"' | b'\\' | b'/' => char::from(escape),
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.unicode()?,
                        _ => return Err(Reason::Escape),
                    };
                    out.push(plain);
                    self.position += 2;
                }
                _ => return Err(Reason::Control),
            }
        }
    }

    /// `\uXXXX` at the backslash, or a pair of them; leaves the position two bytes before its end.
    fn unicode(&mut self) -> Result<char, Reason> {
        let first = self.hex(self.position + 2)?;
        self.position += 4;
        let code = match first {
            0xD800..=0xDBFF => {
                if self.bytes.get(self.position + 2..self.position + 4) != Some(b"\\u") {
                    return Err(Reason::Surrogate);
                }
                let second = self.hex(self.position + 4)?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(Reason::Surrogate);
                }
                self.position += 6;
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            other => other,
        };
        char::from_u32(code).ok_or(Reason::Surrogate)
    }

    fn hex(&self, at: usize) -> Result<u32, Reason> {
        let digits = self.bytes.get(at..at + 4).ok_or(Reason::Truncated)?;
        digits.iter().try_fold(0, |sum, digit| Ok(sum * 16 + char::from(*digit).to_digit(16).ok_or(Reason::Escape)?))
    }
}

/// Up to this many members names are compared pairwise, beyond it they are sorted: an attacker's huge object costs n log n.
const LINEAR_MAX: usize = 24;

fn has_duplicates(members: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// Bytes that end the plain part of a string: quote, backslash and control characters.
const PLAIN_ENDS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(text: &str) -> Reason {
        parse(text.as_bytes(), &Limits::default()).expect_err("the text is not valid").reason
    }

    #[test]
    fn refuses_what_rfc_8259_refuses() {
        use Reason::*;
        let cases = [
            ("", Truncated),
            ("{\"a\":1", Truncated),
            ("\"a", Truncated),
            ("[1,]", ExpectedValue),
            ("{\"a\":1,}", ExpectedName),
            ("{a:1}", ExpectedName),
            ("{\"a\" 1}", ExpectedColon),
            ("[1 2]", ExpectedComma),
            ("01", Number),
            ("1.", Number),
            (".5", ExpectedValue),
            ("+1", ExpectedValue),
            ("-", Number),
            ("1e", Number),
            ("NaN", ExpectedValue),
            ("tru", ExpectedValue),
            ("\"\\x\"", Escape),
            ("\"\u{1}\"", Control),
            ("\"\\ud800\"", Surrogate),
            ("\"\\udc00\"", Surrogate),
            ("\"\\ud800\\u0041\"", Surrogate),
            ("{\"a\":1,\"a\":2}", DuplicateName),
            ("{\"a\":1,\"\\u0061\":2}", DuplicateName),
            ("1 1", Trailing),
            ("\u{feff}1", ExpectedValue),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text), expected, "{text:?}");
        }
        assert_eq!(parse(b"\"\xff\"", &Limits::default()).expect_err("bad UTF-8").reason, Utf8);
    }

    #[test]
    fn duplicate_names_are_found_in_large_objects_too() {
        let mut members: Vec<String> = (0..100).map(|n| format!("\"k{n}\":0")).collect();
        assert!(parse(format!("{{{}}}", members.join(",")).as_bytes(), &Limits::default()).is_ok());
        members.push("\"k7\":1".to_owned());
        assert_eq!(reason(&format!("{{{}}}", members.join(","))), Reason::DuplicateName);
    }

    #[test]
    fn holds_each_limit() {
        let limits = Limits { bytes_max: 10, depth_max: 3, values_max: 4 };
        let reason = |text: &str| parse(text.as_bytes(), &limits).map(|_| ()).map_err(|e| e.reason);
        assert!(reason("[[[1]]]").is_ok());
        assert_eq!(reason("[[[[1]]]]"), Err(Reason::TooDeep));
        assert_eq!(reason("\"12345678901\""), Err(Reason::TooLong));
        assert_eq!(reason("[1,2,3,4]"), Err(Reason::TooMany));
    }

    #[test]
    fn says_where() {
        let error = parse(b"{\n \"a\": x}", &Limits::default()).expect_err("x is no value");
        assert_eq!(error.to_string(), "a value is expected at byte 8, line 2, column 7");
    }

    #[test]
    fn unescapes() {
        let value = parse(br#""a\n\u00e9\ud83d\ude00\/\"b""#, &Limits::default()).expect("the text is valid");
        assert_eq!(value.as_str(), Some("a\né😀/\"b"));
    }

    fn any_value() -> impl Strategy<Value = Value<'static>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::btree_map(any::<String>(), inner, 0..8).prop_map(Value::object),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes(), &Limits::default()).expect("own output is valid"), value.clone());
            let other: serde_json::Value = serde_json::from_str(&text).expect("another parser accepts it");
            let again = serde_json::to_string(&other).expect("it writes");
            prop_assert!(parse(again.as_bytes(), &Limits::default()).is_ok());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let ours = parse(&bytes, &Limits::default()).is_ok();
            // Another parser that accepts duplicates accepts all that we accept.
            prop_assert!(!ours || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }

        #[test]
        fn random_json_like_text_never_panics(text in "[\\[\\]{}\",:0-9a-f\\\\ .eE+-]{0,60}") {
            let ours = parse(text.as_bytes(), &Limits::default());
            let other = serde_json::from_str::<serde_json::Value>(&text);
            match ours {
                Ok(_) => prop_assert!(other.is_ok() || text.contains('e') || text.contains('E')),
                Err(e) => prop_assert!(other.is_err() || e.reason == Reason::DuplicateName),
            }
        }
    }
}
