//! Exact decimal numbers with up to 28 digits after the point, as FHIRPath needs them. Not for money: whoever needs more digits gets
//! nothing rather than a rounded value.

use std::cmp::Ordering;
use std::fmt;

/// `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Most digits after the point.
pub const SCALE_MAX: u32 = 28;
/// Digits after the point of a quotient that does not end.
const QUOTIENT_SCALE: u32 = 12;

impl Decimal {
    /// `mantissa / 10^scale`; scale at most 28.
    pub fn new(mantissa: i128, scale: u32) -> Option<Self> {
        (scale <= SCALE_MAX).then_some(Self { mantissa, scale })
    }

    /// A whole number.
    pub fn whole(value: i64) -> Self {
        Self { mantissa: i128::from(value), scale: 0 }
    }

    /// Reads `-12.50` or `1.5e3`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.abs() <= 60)?),
            None => (text, 0),
        };
        let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.is_empty() || unsigned.ends_with('.') || whole.len() + fraction.len() > 36 {
            return None;
        }
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa * 10 + i128::from(char::from(digit).to_digit(10)?);
        }
        if number.starts_with('-') {
            mantissa = -mantissa;
        }
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        if scale < 0 {
            return Self::new(mantissa.checked_mul(power_of_ten(scale.unsigned_abs())?)?, 0);
        }
        Self::new(mantissa, scale.unsigned_abs())
    }

    /// The nearest decimal with 15 significant digits at most.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() || value.abs() > 1e20 {
            return None;
        }
        Some(Self::parse(&format!("{value:.12}"))?.trimmed())
    }

    /// The nearest binary number.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The whole number that this is; none when it has a fraction.
    pub fn to_i64(self) -> Option<i64> {
        let trimmed = self.trimmed();
        if trimmed.scale == 0 { trimmed.mantissa.try_into().ok() } else { None }
    }

    /// Digits after the point as written.
    pub fn scale(self) -> u32 {
        self.scale
    }

    fn rescaled(self, scale: u32) -> Option<i128> {
        self.mantissa.checked_mul(power_of_ten(scale.checked_sub(self.scale)?)?)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.rescaled(scale)?, other.rescaled(scale)?, scale))
    }

    /// Without zeros at the end of the fraction.
    pub fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// Sum.
    pub fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Self::new(a.checked_add(b)?, scale)
    }

    /// Difference.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// Product.
    pub fn multiply(self, other: Self) -> Option<Self> {
        let product = Self { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale + other.scale };
        if product.scale <= SCALE_MAX { Some(product) } else { product.rounded(SCALE_MAX) }
    }

    /// Quotient, to 12 digits after the point; none for a divisor of zero.
    pub fn divide(self, other: Self) -> Option<Self> {
        let (a, b, _) = self.aligned(other)?;
        if b == 0 {
            return None;
        }
        let shifted = a.checked_mul(power_of_ten(QUOTIENT_SCALE)?)?;
        Some(Self::new(divide_half_up(shifted, b), QUOTIENT_SCALE)?.trimmed())
    }

    /// Quotient without fraction, and remainder.
    pub fn divide_whole(self, other: Self) -> Option<(Self, Self)> {
        let (a, b, scale) = self.aligned(other)?;
        Some((Self::new(a.checked_div(b)?, 0)?, Self::new(a.checked_rem(b)?, scale)?))
    }

    /// The number with the other sign.
    pub fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Rounded half away from zero to so many digits after the point; also adds zeros.
    pub fn rounded(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return Self::new(self.rescaled(scale)?, scale);
        }
        Self::new(divide_half_up(self.mantissa, power_of_ten(self.scale - scale)?), scale)
    }

    /// The largest number with so many digits after the point that is not above.
    pub fn floor_to(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return Self::new(self.rescaled(scale)?, scale);
        }
        Self::new(self.mantissa.div_euclid(power_of_ten(self.scale - scale)?), scale)
    }

    /// The smallest number with so many digits after the point that is not below.
    pub fn ceiling_to(self, scale: u32) -> Option<Self> {
        Some(self.negated().floor_to(scale)?.negated())
    }

    /// Without its fraction.
    pub fn truncated(self) -> Option<Self> {
        if self.is_negative() { self.ceiling_to(0) } else { self.floor_to(0) }
    }
}

/// Numbers too far apart to be aligned are compared as binary numbers.
impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(*other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

/// With all its digits: `1.50`.
impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        if scale == 0 { write!(out, "{sign}{whole}") } else { write!(out, "{sign}{whole}.{fraction}") }
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

fn divide_half_up(a: i128, b: i128) -> i128 {
    let (quotient, remainder) = (a / b, a % b);
    let is_up = remainder.unsigned_abs() >= b.unsigned_abs() - remainder.unsigned_abs() && remainder != 0;
    if is_up { quotient + a.signum() * b.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).expect("the test's number parses")
    }

    #[test]
    fn calculates_exactly() {
        let text = |value: Option<Decimal>| value.map(|v| v.to_string());
        assert_eq!(text(d("1.8").minus(d("1.2"))).as_deref(), Some("0.6"));
        assert_eq!(text(d("1.2").multiply(d("1.8"))).as_deref(), Some("2.16"));
        assert_eq!(text(d("1").divide(d("3"))).as_deref(), Some("0.333333333333"));
        assert_eq!(text(d("2").divide(d("-3"))).as_deref(), Some("-0.666666666667"));
        assert_eq!(text(d("1").divide(d("0"))), None);
        assert_eq!(text(d("2.5").rounded(0)).as_deref(), Some("3"));
        assert_eq!(text(d("-1.5865").floor_to(2)).as_deref(), Some("-1.59"));
        assert_eq!(text(d("-0.05").ceiling_to(0)).as_deref(), Some("0"));
        assert_eq!(d("1.5e3").to_string(), "1500");
        assert_eq!(d("-0.0050").to_string(), "-0.0050");
        assert!(d("1.10") == d("1.1") && d("0.1") < d("0.11"));
        assert_eq!(Decimal::parse("1e99"), None);
    }
}
