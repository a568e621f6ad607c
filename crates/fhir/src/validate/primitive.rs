//! Formats of FHIR primitives (R4 section 2.24.0.1), checked by hand because it is the hottest part of validation. No values are kept.

use crate::date;
use crate::json::Value;
use crate::reference::is_id;
use crate::tables::Primitive;
use std::borrow::Cow;

/// Longest string in bytes (R4: 1 MB).
pub(super) const STRING_MAX: usize = 1 << 20;

/// Whether the value has the JSON kind and the format of the primitive; if not, the reason.
#[inline]
pub(super) fn check(kind: Primitive, value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::String(text) => check_text(kind, text),
        Value::Number(text) => check_number(kind, text),
        Value::Bool(_) if kind == Primitive::Boolean => Ok(()),
        Value::Null => Err("must not be null"),
        _ => Err(expected_kind(kind)),
    }
}

fn expected_kind(kind: Primitive) -> &'static str {
    match kind {
        Primitive::Boolean => "must be true or false, without quotes",
        Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
            "must be a number, without quotes"
        }
        _ => "must be a string, in quotes",
    }
}

fn check_number(kind: Primitive, text: &str) -> Result<(), &'static str> {
    let range = match kind {
        Primitive::Decimal => return Ok(()),
        Primitive::Integer => i32::MIN..=i32::MAX,
        Primitive::UnsignedInt => 0..=i32::MAX,
        Primitive::PositiveInt => 1..=i32::MAX,
        _ => return Err(expected_kind(kind)),
    };
    match (text.parse::<i32>().is_ok_and(|number| range.contains(&number)), kind) {
        (true, _) => Ok(()),
        (false, Primitive::Integer) => Err("must be a whole number within 32 bits"),
        (false, Primitive::UnsignedInt) => Err("must be a whole number, 0 or more"),
        (false, _) => Err("must be a whole number, 1 or more"),
    }
}

fn check_text(kind: Primitive, text: &str) -> Result<(), &'static str> {
    use Primitive::*;
    if text.is_empty() {
        return Err("must not be an empty string");
    }
    let (is_good, reason) = match kind {
        String | Markdown => return check_string(text),
        Code => (is_code(text), "must be a code: no white space at the ends, single spaces within"),
        Id => (is_id(text), "must be an id: 1 to 64 of A-Z a-z 0-9 - ."),
        Uri | Url | Canonical => (!text.contains(char::is_whitespace), "must be an address without white space"),
        Date => (date::DateTime::is_date(text), "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"),
        DateTime => (
            date::DateTime::is_date_time(text),
            "must be a date, or a date with time, seconds and zone: YYYY-MM-DDThh:mm:ss+zz:zz",
        ),
        Instant => (date::DateTime::is_instant(text), "must be an instant: YYYY-MM-DDThh:mm:ss.sss+zz:zz"),
        Time => (date::Time::is_time(text), "must be a time: hh:mm:ss"),
        Base64Binary => (is_base64(text.as_bytes()), "must be base64"),
        Oid => (is_oid(text), "must be an OID: urn:oid:1.2.3"),
        Uuid => (is_uuid(text), "must be a UUID: urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
        Xhtml => (text.trim_start().starts_with("<div"), "must be XHTML within a div"),
        Boolean | Decimal | Integer | PositiveInt | UnsignedInt => (false, expected_kind(kind)),
    };
    if is_good { Ok(()) } else { Err(reason) }
}

fn check_string(text: &str) -> Result<(), &'static str> {
    if text.len() > STRING_MAX {
        return Err("must not be longer than 1 MB");
    }
    let is_control = |b: u8| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r');
    if text.bytes().any(is_control) {
        return Err("must not have control characters");
    }
    Ok(())
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_space = |b: &u8| b.is_ascii_whitespace();
    !bytes.first().is_some_and(is_space)
        && !bytes.last().is_some_and(is_space)
        && !bytes.windows(2).any(|pair| is_space(&pair[0]) && is_space(&pair[1]))
}

fn is_base64(bytes: &[u8]) -> bool {
    let mut length = 0_usize;
    let mut padding = 0_usize;
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => length += 1,
            b'=' => {
                length += 1;
                padding += 1;
            }
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => return false,
        }
    }
    length.is_multiple_of(4) && padding <= 2
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let is_arc = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc.len() == 1 || !arc.starts_with('0'))
    };
    matches!(arcs.as_bytes(), [b'0'..=b'2', b'.', ..]) && arcs.split('.').all(is_arc)
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The reason for a code that is not in the list; short lists are shown.
#[cold]
pub(super) fn wrong_code(codes: &[&str]) -> Cow<'static, str> {
    const SHOWN_MAX: usize = 12;
    if codes.len() <= SHOWN_MAX {
        Cow::Owned(format!("must be one of {}", codes.join(", ")))
    } else {
        Cow::Owned(format!("must be one of the {} codes of the required value set", codes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_checked_by_format() {
        use Primitive::*;
        let good = [
            (Code, "a b"),
            (Uri, "urn:x"),
            (Oid, "urn:oid:1.2.840"),
            (Uuid, "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
            (Base64Binary, "aGk= "),
            (Xhtml, "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"),
            (Time, "10:00:00"),
            (String, "line\nline"),
        ];
        assert_eq!(good.iter().find(|(kind, text)| check_text(*kind, text).is_err()), None);
        let bad = [
            (Code, " a"),
            (Code, "a  b"),
            (Uri, "a b"),
            (Oid, "urn:oid:3.1"),
            (Oid, "urn:oid:1.02"),
            (Uuid, "c757873d-ec9a-4326-a141-556f43239520"),
            (Base64Binary, "aGk"),
            (Base64Binary, "a=Gk"),
            (Instant, "2020-01-01"),
            (DateTime, "2020-01-01T10:00Z"),
            (String, "\u{1}"),
            (Integer, "1"),
        ];
        assert_eq!(bad.iter().find(|(kind, text)| check_text(*kind, text).is_ok()), None);
    }

    #[test]
    fn numbers_are_checked_by_range() {
        use Primitive::*;
        let ok = |kind, text: &str| check_number(kind, text).is_ok();
        assert!(ok(Integer, "-2147483648") && !ok(Integer, "2147483648") && !ok(Integer, "1.0"));
        assert!(ok(UnsignedInt, "0") && !ok(UnsignedInt, "-1") && ok(PositiveInt, "1") && !ok(PositiveInt, "0"));
        assert!(ok(Decimal, "1.50e3") && !ok(String, "1"));
    }
}
