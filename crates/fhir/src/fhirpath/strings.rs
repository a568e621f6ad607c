//! Functions over texts. Regular expressions are compiled with a size limit and run in linear time.

use super::EvaluationError;
use super::evaluate::{Items, Result, boolean, execution, single};
use super::function::Function;
use super::item::Item;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;

/// Largest compiled regular expression in bytes.
const REGEX_SIZE_MAX: usize = 1 << 20;
/// Longest text that a function makes.
const TEXT_MAX: usize = 16 << 20;

pub(super) fn call<'v>(
    function: Function,
    focus: &[Item<'v>],
    first: &[Item<'v>],
    second: &[Item<'v>],
) -> Result<Items<'v>> {
    use Function::*;
    if function == Join {
        let separator = text_of(first)?.unwrap_or_default();
        let parts: Vec<String> = focus.iter().map(|item| item.to_system().to_string()).collect();
        return Ok(string(parts.join(&separator)));
    }
    let Some(text) = text_of(focus)? else { return Ok(Vec::new()) };
    match function {
        Upper => return Ok(string(text.to_uppercase())),
        Lower => return Ok(string(text.to_lowercase())),
        Trim => return Ok(string(text.trim().to_owned())),
        Length => return Ok(vec![count(text.chars().count())]),
        ToChars => return Ok(text.chars().map(|c| Item::String(c.to_string().into())).collect()),
        Substring => return substring(&text, first, second),
        _ => {}
    }
    let Some(argument) = text_of(first)? else { return Ok(Vec::new()) };
    Ok(match function {
        StartsWith => boolean(text.starts_with(argument.as_ref())),
        EndsWith => boolean(text.ends_with(argument.as_ref())),
        Contains => boolean(text.contains(argument.as_ref())),
        IndexOf => vec![position(&text, text.find(argument.as_ref()))],
        LastIndexOf => vec![position(&text, text.rfind(argument.as_ref()))],
        Split => text.split(argument.as_ref()).map(|part| Item::String(part.to_owned().into())).collect(),
        Matches => boolean(regex(&argument)?.is_match(&text)),
        MatchesFull => boolean(regex(&format!("^(?:{argument})$"))?.is_match(&text)),
        Encode => encode(&text, &argument).map_or_else(Vec::new, string),
        Decode => decode(&text, &argument).map_or_else(Vec::new, string),
        Escape => escape(&text, &argument).map_or_else(Vec::new, string),
        Unescape => unescape(&text, &argument).map_or_else(Vec::new, string),
        Replace | ReplaceMatches => match text_of(second)? {
            None => Vec::new(),
            Some(_) if function == ReplaceMatches && argument.is_empty() => string(text.into_owned()),
            Some(new) => {
                if (text.len() + 1).saturating_mul(new.len() + 1) > TEXT_MAX {
                    return execution("the text becomes too long");
                }
                if function == Replace {
                    string(text.replace(argument.as_ref(), &new))
                } else {
                    string(regex(&argument)?.replace_all(&text, new.as_ref()).into_owned())
                }
            }
        },
        _ => return execution("the function is not supported"),
    })
}

/// The only text; nothing for an empty collection; an error for what is no text.
fn text_of<'v>(items: &[Item<'v>]) -> Result<Option<Cow<'v, str>>> {
    match single(items)? {
        None => Ok(None),
        Some(item) => match item.text() {
            Some(text) => Ok(Some(text)),
            None => Err(EvaluationError::Semantic("a text is needed")),
        },
    }
}

fn string<'v>(text: String) -> Items<'v> {
    vec![Item::String(text.into())]
}

fn count<'v>(number: usize) -> Item<'v> {
    Item::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Positions count characters, not bytes.
fn position<'v>(text: &str, byte: Option<usize>) -> Item<'v> {
    byte.map_or(Item::Integer(-1), |byte| count(text[..byte].chars().count()))
}

fn substring<'v>(text: &str, start: &[Item<'v>], length: &[Item<'v>]) -> Result<Items<'v>> {
    let whole = |items: &[Item<'v>]| -> Result<Option<i64>> {
        match single(items)?.map(Item::to_system) {
            None => Ok(None),
            Some(Item::Integer(number)) => Ok(Some(number)),
            _ => execution("a whole number is needed"),
        }
    };
    let Some(start) = whole(start)? else { return Ok(Vec::new()) };
    let length = whole(length)?.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    match usize::try_from(start) {
        Ok(start) if start < text.chars().count() => Ok(string(text.chars().skip(start).take(length).collect())),
        _ => Ok(Vec::new()),
    }
}

/// A dot matches line ends too, as the specification says.
fn regex(pattern: &str) -> Result<Regex> {
    let built = RegexBuilder::new(pattern).dot_matches_new_line(true).size_limit(REGEX_SIZE_MAX).build();
    built.map_err(|_| EvaluationError::Execution("a regular expression is not well formed or too large"))
}

fn encode(text: &str, format: &str) -> Option<String> {
    match format {
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        _ => None,
    }
}

fn decode(text: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "base64" => STANDARD.decode(text).ok()?,
        "urlbase64" => URL_SAFE.decode(text).ok()?,
        "hex" => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let pair = |pair: &[u8]| Some(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?);
            text.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>()?
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

const HTML: [(&str, &str); 5] = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")];

fn escape(text: &str, format: &str) -> Option<String> {
    match format {
        "html" => Some(HTML.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(plain, escaped))),
        "json" => {
            let quoted = crate::json::Value::from(text).to_string();
            Some(quoted[1..quoted.len() - 1].to_owned())
        }
        _ => None,
    }
}

fn unescape(text: &str, format: &str) -> Option<String> {
    match format {
        "html" => Some(HTML.iter().rev().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))),
        "json" => {
            // Quotes without backslash are taken as they are.
            let mut quoted = String::from("\"");
            let mut is_escaped = false;
            for c in text.chars() {
                if c == '"' && !is_escaped {
                    quoted.push('\\');
                }
                is_escaped = c == '\\' && !is_escaped;
                quoted.push(c);
            }
            quoted.push('"');
            let parsed = crate::json::parse(quoted.as_bytes(), &crate::json::Limits::default()).ok()?;
            parsed.as_str().map(str::to_owned)
        }
        _ => None,
    }
}
