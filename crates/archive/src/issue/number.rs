//! Document numbers: random, without meaning, safe to read out over a telephone. Not a secret and not a key.

use base::Random;
use std::fmt;
use std::str::FromStr;

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Extra symbols of Crockford's check character, for remainders 32 to 36.
const CHECK: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
/// Random symbols: 11 × 5 bits. With the check character they make three groups of four.
const SYMBOLS: usize = 11;

/// A document number such as `HM-2026-7K3D-Q9FA-M2X4`: the year of issue, 55 random bits and a check character.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentNumber(String);

impl DocumentNumber {
    /// A new number for a document issued in `year`. Draws again while the check character would not be a letter or digit.
    #[must_use]
    pub fn random(year: i16, random: &dyn Random) -> Self {
        loop {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            let value = u64::from_be_bytes(bytes) >> (64 - 5 * SYMBOLS);
            let check = CHECK[check_of(year, value)];
            if !check.is_ascii_alphanumeric() || check == b'U' {
                continue;
            }
            let symbol = |place: usize| char::from(ALPHABET[(value >> (5 * (SYMBOLS - 1 - place)) & 31) as usize]);
            let mut text = format!("HM-{year:04}");
            for place in 0..SYMBOLS {
                if place % 4 == 0 {
                    text.push('-');
                }
                text.push(symbol(place));
            }
            text.push(char::from(check));
            return Self(text);
        }
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Remainder modulo 37 of year and value together, so that a wrong year is noticed too.
fn check_of(year: i16, value: u64) -> usize {
    let year = u64::from(year.unsigned_abs());
    ((year * 7 + value) % 37) as usize
}

impl fmt::Display for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no document number.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum NotANumber {
    /// Another form.
    #[error("a document number looks like HM-2026-XXXX-XXXX-XXXX")]
    Form,
    /// A slip: the check character does not fit the rest.
    #[error("the check character does not fit: look at the number again")]
    Check,
}

impl FromStr for DocumentNumber {
    type Err = NotANumber;

    /// Takes what people type: either case, spaces or no dashes, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        if text.len() > 64 {
            return Err(NotANumber::Form);
        }
        let plain: Vec<u8> =
            text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')).map(|byte| byte.to_ascii_uppercase()).collect();
        let rest = plain.strip_prefix(b"HM").ok_or(NotANumber::Form)?;
        let read = |byte: &u8| match byte {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => *other,
        };
        let rest: Vec<u8> = rest.iter().map(read).collect();
        if rest.len() != 4 + SYMBOLS + 1 || !rest[..4].iter().all(u8::is_ascii_digit) {
            return Err(NotANumber::Form);
        }
        let year = rest[..4].iter().fold(0i16, |year, digit| year * 10 + i16::from(digit - b'0'));
        let mut value = 0u64;
        let mut symbols = String::with_capacity(SYMBOLS + 1);
        for (place, byte) in rest[4..].iter().enumerate() {
            let digit = ALPHABET.iter().position(|known| known == byte).ok_or(NotANumber::Form)?;
            symbols.push(char::from(*byte));
            if place < SYMBOLS {
                value = value << 5 | digit as u64;
            } else if check_of(year, value) != digit {
                return Err(NotANumber::Check);
            }
        }
        Ok(Self(format!("HM-{year:04}-{}-{}-{}", &symbols[..4], &symbols[4..8], &symbols[8..])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_understood() {
        let random = base::SeededRandom::new(1);
        for _ in 0..200 {
            let number = DocumentNumber::random(2026, &random);
            assert_eq!(number.as_str().len(), 22);
            assert_eq!(number.as_str().parse(), Ok(number.clone()));
            let typed = number.as_str().to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            assert_eq!(typed.parse(), Ok(number));
        }
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let number = DocumentNumber::random(2026, &base::SeededRandom::new(7)).to_string();
        for place in 3..number.len() {
            for other in ALPHABET {
                let mut typed = number.clone().into_bytes();
                if typed[place] == b'-' || typed[place] == *other {
                    continue;
                }
                typed[place] = *other;
                let typed = String::from_utf8(typed).expect("the alphabet is ASCII");
                assert!(typed.parse::<DocumentNumber>().is_err(), "{number} and {typed}");
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "HM-2026", "XX-2026-0000-0000-0000", "HM-2026-0000-0000-000U", &"H".repeat(1000), "HM-한마루"]
        {
            assert_eq!(text.parse::<DocumentNumber>(), Err(NotANumber::Form), "{text}");
        }
    }
}
