//! Time-based one-time codes (RFC 6238): SHA-1, six digits, steps of 30 seconds, one step of tolerance, each step used once.
//! Pure: who enrols whom, and what is stored, is not decided here.

use base::Redacted;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds of a step.
pub(crate) const STEP_S: u64 = 30;
/// Steps before and after the present one whose codes are taken (RFC 6238 section 5.2).
const SKEW_STEPS: u16 = 1;
/// Digits of a code.
const DIGITS: u8 = 6;
/// Bytes of a secret (RFC 4226 section 4, requirement R6).
pub(crate) const SECRET_BYTES: usize = 20;

/// What a person needs to set up their authenticator. Until it is confirmed their session shows the same as often as it asks, so that
/// what was scanned stays good; from then on it is never shown again. Another session has another.
#[derive(Debug, Clone)]
pub struct TotpEnrolment {
    /// The secret in base 32, in groups of four, for typing in.
    pub secret_text: Redacted<String>,
    /// `otpauth://totp/…`, for a QR code (the Key URI format that authenticators share).
    pub uri: Redacted<String>,
}

/// What a code turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeCheck {
    /// Right, for this step, which is used from now on.
    Right { step: i64 },
    /// Right once, but its step, or a later one, was used.
    Replayed,
    /// Wrong.
    Wrong,
}

/// What the person gets to see of a new secret. `issuer` names this installation, `account` the person.
pub(crate) fn enrolment(secret: [u8; SECRET_BYTES], issuer: &str, account: &str) -> TotpEnrolment {
    let text = Secret::new_stack(secret).to_base32();
    let text = text.trim_end_matches('=');
    let groups: Vec<&str> = (0..text.len()).step_by(4).map(|at| &text[at..text.len().min(at + 4)]).collect();
    let (issuer, account) = (percent(issuer), percent(account));
    TotpEnrolment {
        secret_text: Redacted::new(groups.join(" ")),
        uri: Redacted::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={text}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
        )),
    }
}

/// The newest step whose code is taken at `now_s` seconds since 1970.
pub(crate) fn newest_step(now_s: i64) -> i64 {
    now_s.div_euclid(STEP_S as i64) + i64::from(SKEW_STEPS)
}

/// Checks a code as typed at `now_s` seconds since 1970, when `last_step` is the newest step used so far.
pub(crate) fn check(secret: [u8; SECRET_BYTES], typed: &str, now_s: i64, last_step: i64) -> CodeCheck {
    let Some(code) = digits(typed) else { return CodeCheck::Wrong };
    let now_s = u64::try_from(now_s).unwrap_or(0);
    let Some(step) = totp(secret).check(&code, now_s) else { return CodeCheck::Wrong };
    let step = i64::try_from(step).expect("steps of this era fit");
    if step > last_step { CodeCheck::Right { step } } else { CodeCheck::Replayed }
}

fn totp(secret: [u8; SECRET_BYTES]) -> Totp {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_S)
        .with_secret(Secret::new_stack(secret))
        .build()
        .expect("six digits, a step of 30 s and 160 bits are within RFC 6238")
}

/// The six digits of what was typed: spaces and hyphens go, full-width digits of an input method count.
fn digits(typed: &str) -> Option<String> {
    const TYPED_CHARS_MAX: usize = 32;
    let mut code = String::with_capacity(usize::from(DIGITS));
    for (at, letter) in typed.chars().enumerate() {
        match letter {
            _ if at >= TYPED_CHARS_MAX => return None,
            '0'..='9' => code.push(letter),
            '０'..='９' => code.push(char::from(b'0' + u8::try_from(letter as u32 - '０' as u32).unwrap_or(0))),
            '-' => {}
            space if space.is_whitespace() => {}
            _ => return None,
        }
    }
    (code.len() == usize::from(DIGITS)).then_some(code)
}

/// Percent-encoding of everything but RFC 3986 unreserved characters.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6238 appendix B: the SHA-1 secret.
    const SECRET: [u8; SECRET_BYTES] = *b"12345678901234567890";

    #[test]
    fn published_codes_are_taken() {
        // RFC 6238 appendix B gives eight digits; six-digit codes are their ends.
        for (now_s, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(check(SECRET, code, now_s, -1), CodeCheck::Right { step: now_s / 30 }, "{now_s}");
        }
    }

    #[test]
    fn one_step_of_tolerance_and_no_more() {
        let code = "081804";
        let at = 1_111_111_109 / 30 * 30;
        for (now_s, right) in [(at - 31, false), (at - 30, true), (at, true), (at + 59, true), (at + 60, false)] {
            assert_eq!(check(SECRET, code, now_s, -1) == CodeCheck::Right { step: at / 30 }, right, "{now_s}");
        }
    }

    #[test]
    fn a_used_step_and_earlier_ones_are_refused() {
        let step = 1_111_111_109 / 30;
        assert_eq!(check(SECRET, "081804", 1_111_111_109, step - 1), CodeCheck::Right { step });
        assert_eq!(check(SECRET, "081804", 1_111_111_109, step), CodeCheck::Replayed);
        assert_eq!(check(SECRET, "081804", 1_111_111_109, step + 1), CodeCheck::Replayed);
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for typed in ["081804", "081 804", " 081-804 ", "０８１８０４"] {
            assert!(matches!(check(SECRET, typed, 1_111_111_109, -1), CodeCheck::Right { .. }), "{typed}");
        }
        for typed in ["", "81804", "0818040", "08180a", "+81804", &"0".repeat(1000), "٠٨١٨٠٤"] {
            assert_eq!(check(SECRET, typed, 1_111_111_109, -1), CodeCheck::Wrong, "{typed}");
        }
    }

    #[test]
    fn the_uri_is_what_authenticators_read() {
        let shown = enrolment(SECRET, "한마루", "김 철수");
        assert_eq!(shown.secret_text.expose(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            shown.uri.expose(),
            "otpauth://totp/%ED%95%9C%EB%A7%88%EB%A3%A8:%EA%B9%80%20%EC%B2%A0%EC%88%98?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=%ED%95%9C%EB%A7%88%EB%A3%A8&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{shown:?}"), "TotpEnrolment { secret_text: [redacted], uri: [redacted] }");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_nothing_breaks(typed: String, now_s: i64) {
            let _ = check(SECRET, &typed, now_s.clamp(-1_000, 1 << 40), -1);
        }
    }
}
