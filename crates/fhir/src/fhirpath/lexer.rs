//! Tokens of FHIRPath (HL7 FHIRPath 2.0, appendix B). No grammar here.

use super::ExpressionError;

/// A token and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name; `true` as second field when in backticks, so that it is never a keyword.
    Name(String, bool),
    Text(String),
    Number(String),
    /// `@2015-02-04`, without the sign.
    Date(String),
    /// `@T14:30`, without the sign and the letter.
    Time(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 24] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "|", "&", "<", ">", "=", "~",
    "$", "%",
];

/// Cuts an expression into tokens, white space and comments left out.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut position = 0;
    while let Some(first) = text[position..].chars().next() {
        let rest = &text[position..];
        let error = |reason| ExpressionError { offset: position, reason };
        if first.is_whitespace() {
            position += first.len_utf8();
            continue;
        }
        if rest.starts_with("//") {
            position += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with("/*") {
            position += rest.find("*/").ok_or(error("a comment does not end"))? + 2;
            continue;
        }
        let (kind, length) = match first {
            '\'' => quoted(rest, '\'')
                .map(|(text, n)| (TokenKind::Text(text), n))
                .ok_or(error("a string does not end well"))?,
            '`' => quoted(rest, '`')
                .map(|(text, n)| (TokenKind::Name(text, true), n))
                .ok_or(error("a name does not end well"))?,
            '@' => date_or_time(rest),
            '0'..='9' => number(rest),
            'A'..='Z' | 'a'..='z' | '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (TokenKind::Name(rest[..length].to_owned(), false), length)
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|s| rest.starts_with(**s)).ok_or(error("a character is not known"))?;
                (TokenKind::Symbol(symbol), symbol.len())
            }
        };
        tokens.push(Token { kind, offset: position });
        position += length;
    }
    Ok(tokens)
}

/// The text within quotes, unescaped, and its length with quotes.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, c)) = letters.next() {
        if c == quote {
            return Some((out, at + 1));
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let (_, escape) = letters.next()?;
        out.push(match escape {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    code = code * 16 + letters.next()?.1.to_digit(16)?;
                }
                char::from_u32(code)?
            }
            '\\' | '/' | '\'' | '"' | '`' => escape,
            _ => return None,
        });
    }
    None
}

fn number(rest: &str) -> (TokenKind, usize) {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    if rest[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    (TokenKind::Number(rest[..length].to_owned()), length)
}

fn date_or_time(rest: &str) -> (TokenKind, usize) {
    let is_time = rest[1..].starts_with('T');
    let body = &rest[if is_time { 2 } else { 1 }..];
    let bytes = body.as_bytes();
    let mut length = 0;
    let mut in_time = is_time;
    while let Some(byte) = bytes.get(length) {
        let next_is_digit = bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' => {}
            b'T' if !in_time => in_time = true,
            b'Z' if in_time => {
                length += 1;
                break;
            }
            b'-' | b':' | b'+' | b'.' if next_is_digit && length > 0 && (in_time || *byte == b'-') => {}
            _ => break,
        }
        length += 1;
    }
    let text = body[..length].to_owned();
    let total = length + rest.len() - body.len();
    (if is_time { TokenKind::Time(text) } else { TokenKind::Date(text) }, total)
}
