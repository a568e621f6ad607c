//! A sign-in that has begun and is not finished, kept by the browser itself: a sealed cookie, and nothing in the database
//! until it comes back, so that beginning costs no row. Good for ten minutes and one end.

use crate::sealed;
use crate::{IdentityError, token_text};
use base::wire::{Malformed, Reader, Writer};
use base::{Random, sha256};

/// How long a sign-in may take at the agency.
pub const SIGN_IN_S: i64 = 10 * 60;
/// Longest place to go back to.
const RETURN_TO_BYTES_MAX: usize = 512;
pub(crate) const LABEL: &str = "sign-in";

/// What the browser keeps while its person is at the agency.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Ties the answer to this browser (RFC 6749 section 10.12).
    pub state: String,
    /// Ties the statement to this sign-in.
    pub nonce: String,
    /// Ties the code to us (RFC 7636).
    pub verifier: String,
    /// When it began, in microseconds since 1970.
    pub began_us: i64,
    /// Where to go afterwards: a path here.
    pub return_to: String,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending [redacted]")
    }
}

impl Pending {
    /// A new sign-in. A `return_to` that is not a path of this site becomes `/`.
    pub fn new(return_to: &str, now_us: i64, random: &dyn Random) -> Self {
        Self {
            state: token_text(random),
            nonce: token_text(random),
            verifier: token_text(random),
            began_us: now_us,
            return_to: if is_path_here(return_to) { return_to.to_owned() } else { "/".to_owned() },
        }
    }

    /// What the cookie carries, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.text(&self.state).text(&self.nonce).text(&self.verifier).i64(self.began_us).text(&self.return_to);
        writer.finish()
    }

    /// The sign-in that a cookie carried, if `state` is its own and it is not too old.
    pub fn from_bytes(plain: &[u8], state: &str, now_us: i64) -> Result<Self, IdentityError> {
        let pending = Self::read(plain).map_err(|_| IdentityError::SignInForged)?;
        if !sealed::same(pending.state.as_bytes(), state.as_bytes()) {
            return Err(IdentityError::SignInForged);
        }
        let age_us = now_us - pending.began_us;
        if !(0..SIGN_IN_S * 1_000_000).contains(&age_us) {
            return Err(IdentityError::SignInExpired);
        }
        Ok(pending)
    }

    /// Under what this sign-in is remembered as used.
    pub fn state_hash(&self) -> [u8; 32] {
        sha256(self.state.as_bytes())
    }

    fn read(plain: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(plain);
        let pending = Self {
            state: reader.text()?.to_owned(),
            nonce: reader.text()?.to_owned(),
            verifier: reader.text()?.to_owned(),
            began_us: reader.i64()?,
            return_to: reader.text()?.to_owned(),
        };
        reader.end()?;
        Ok(pending)
    }
}

/// Whether a text is a path of this site and leads nowhere else.
fn is_path_here(text: &str) -> bool {
    text.len() <= RETURN_TO_BYTES_MAX
        && text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains('\\')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SeededRandom;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn begun(seed: u64) -> Pending {
        Pending::new("/records?year=2020", NOW_US, &SeededRandom::new(seed))
    }

    #[test]
    fn a_cookie_brings_its_sign_in_back() {
        let pending = begun(1);
        assert_eq!(Pending::from_bytes(&pending.to_bytes(), &pending.state, NOW_US).expect("its own"), pending);
        assert!(pending.verifier.len() >= 43, "RFC 7636 section 4.1");
    }

    #[test]
    fn ten_minutes_and_no_time_before_the_beginning() {
        let pending = begun(1);
        for (after_s, good) in [(0, true), (599, true), (600, false), (-1, false)] {
            let read = Pending::from_bytes(&pending.to_bytes(), &pending.state, NOW_US + after_s * 1_000_000);
            assert_eq!(read.is_ok(), good, "{after_s}");
            assert!(good || matches!(read, Err(IdentityError::SignInExpired)));
        }
    }

    #[test]
    fn forgeries_are_told() {
        let (pending, other) = (begun(1), begun(2));
        let short = &pending.to_bytes()[..40];
        for (plain, state) in [
            (pending.to_bytes().as_slice(), other.state.as_str()),
            (other.to_bytes().as_slice(), pending.state.as_str()),
            (pending.to_bytes().as_slice(), ""),
            (short, pending.state.as_str()),
            (b"".as_slice(), pending.state.as_str()),
        ] {
            assert!(matches!(Pending::from_bytes(plain, state, NOW_US), Err(IdentityError::SignInForged)));
        }
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        let random = SeededRandom::new(1);
        for (asked, taken) in [
            ("/records", "/records"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(Pending::new(asked, NOW_US, &random).return_to, taken);
        }
        assert_eq!(Pending::new(&format!("/{}", "a".repeat(600)), NOW_US, &random).return_to, "/");
    }
}
