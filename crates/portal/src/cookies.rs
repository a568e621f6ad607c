//! Cookies: reading them from a request and writing them into an answer. What they mean is not known here.
//!
//! All carry the prefix `__Host-` (RFC 6265bis section 4.1.3.2): set by this host alone, over a secure connection, for every
//! path. Browsers count `http://localhost` and `http://127.0.0.1` as secure, which is all that a demo needs.

use axum::http::{HeaderMap, HeaderValue, header};

/// The cookie that remembers the language: its value is a language tag.
pub(crate) const LANGUAGE_COOKIE: &str = "__Host-hanmaru-language";
/// How long the language is remembered, in seconds: a year.
const LANGUAGE_S: i64 = 365 * 24 * 3600;
/// Longest cookie value read, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// The value of a cookie. Where a name comes twice none is taken: no browser of ours sends that.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    let value = values.next().filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES_MAX)?;
    values.next().is_none().then_some(value)
}

/// A cookie that ends with the browser's session.
pub(crate) fn until_closed(name: &str, value: &str) -> HeaderValue {
    header_of(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"))
}

/// A cookie for some seconds; 0 removes it.
pub(crate) fn for_seconds(name: &str, value: &str, seconds: i64) -> HeaderValue {
    header_of(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"))
}

/// Removes a cookie.
pub(crate) fn removed(name: &str) -> HeaderValue {
    for_seconds(name, "", 0)
}

/// Remembers a language.
pub(crate) fn language(tag: &str) -> HeaderValue {
    for_seconds(LANGUAGE_COOKIE, tag, LANGUAGE_S)
}

fn header_of(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("names and values are tokens of visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers = headers(&["a=1; __Host-b=2", "xb=3; c="]);
        assert_eq!(read(&headers, "a"), Some("1"));
        assert_eq!(read(&headers, "__Host-b"), Some("2"));
        assert_eq!(read(&headers, "b"), None);
        assert_eq!(read(&headers, "c"), None, "an empty one is none");
    }

    #[test]
    fn a_cookie_that_comes_twice_is_not_taken() {
        assert_eq!(read(&headers(&["a=1; a=2"]), "a"), None);
        assert_eq!(read(&headers(&[&format!("a={}", "x".repeat(5000))]), "a"), None);
    }

    #[test]
    fn cookies_are_locked_to_this_host() {
        for cookie in [until_closed("__Host-x", "1"), removed("__Host-x"), language("ko")] {
            let text = cookie.to_str().expect("ASCII");
            for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("Domain"));
        }
    }
}
