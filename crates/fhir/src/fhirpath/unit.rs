//! Units of quantities: enough of UCUM to compare and multiply the units that clinical data uses. Unknown units are equal only to
//! themselves; temperatures with an offset (Cel, degF) are not converted.

use super::decimal::Decimal;
use super::item::{Quantity, decimals_equivalent};
use super::parser::calendar_unit;
use std::cmp::Ordering;

/// Base units: metre, second, gram, mole, one.
const ATOMS: [(&str, f64, [i8; 4]); 34] = [
    ("m", 1.0, [1, 0, 0, 0]),
    ("s", 1.0, [0, 1, 0, 0]),
    ("g", 1.0, [0, 0, 1, 0]),
    ("mol", 1.0, [0, 0, 0, 1]),
    ("min", 60.0, [0, 1, 0, 0]),
    ("h", 3_600.0, [0, 1, 0, 0]),
    ("d", 86_400.0, [0, 1, 0, 0]),
    ("wk", 604_800.0, [0, 1, 0, 0]),
    ("mo", 2_629_800.0, [0, 1, 0, 0]),
    ("a", 31_557_600.0, [0, 1, 0, 0]),
    ("L", 1e-3, [3, 0, 0, 0]),
    ("l", 1e-3, [3, 0, 0, 0]),
    ("t", 1e6, [0, 0, 1, 0]),
    ("%", 1e-2, [0, 0, 0, 0]),
    ("Hz", 1.0, [0, -1, 0, 0]),
    ("N", 1e3, [1, -2, 1, 0]),
    ("Pa", 1e3, [-1, -2, 1, 0]),
    ("J", 1e3, [2, -2, 1, 0]),
    ("W", 1e3, [2, -3, 1, 0]),
    ("cal", 4_184.0, [2, -2, 1, 0]),
    ("bar", 1e8, [-1, -2, 1, 0]),
    ("m[Hg]", 133_322_000.0, [-1, -2, 1, 0]),
    ("m[H2O]", 9_806_650.0, [-1, -2, 1, 0]),
    ("kat", 1.0, [0, -1, 0, 1]),
    ("U", 1e-6 / 60.0, [0, -1, 0, 1]),
    ("eq", 1.0, [0, 0, 0, 1]),
    ("[in_i]", 0.0254, [1, 0, 0, 0]),
    ("[ft_i]", 0.3048, [1, 0, 0, 0]),
    ("[mi_i]", 1_609.344, [1, 0, 0, 0]),
    ("[lb_av]", 453.592_37, [0, 0, 1, 0]),
    ("[oz_av]", 28.349_523_125, [0, 0, 1, 0]),
    ("[gr]", 0.064_798_91, [0, 0, 1, 0]),
    ("[ppm]", 1e-6, [0, 0, 0, 0]),
    ("[pH]", 1.0, [0, 0, 0, 0]),
];

const PREFIXES: [(&str, f64); 12] = [
    ("da", 1e1),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
];

/// A unit as a multiple of base units; dimension 4 tells calendar months, which have no fixed length.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unit {
    factor: f64,
    dimensions: [i8; 4],
    is_calendar_month: bool,
}

/// `Some(Some(order))` when comparable, `Some(None)` when of different dimension, none when it cannot be told.
pub(super) fn compare(a: &Quantity<'_>, b: &Quantity<'_>) -> Option<Option<Ordering>> {
    if a.unit == b.unit {
        return Some(Some(a.value.cmp(&b.value)));
    }
    let (Some(a_unit), Some(b_unit)) = (of(a), of(b)) else { return Some(None) };
    if a_unit.dimensions != b_unit.dimensions {
        return Some(None);
    }
    if a_unit.is_calendar_month != b_unit.is_calendar_month {
        return None;
    }
    Some(Some(close_order(a.value.to_f64() * a_unit.factor, b.value.to_f64() * b_unit.factor)))
}

/// Binary rounding must not make 4000 mg differ from 4 g.
fn close_order(a: f64, b: f64) -> Ordering {
    if (a - b).abs() <= 1e-12 * a.abs().max(b.abs()) { Ordering::Equal } else { a.total_cmp(&b) }
}

pub(super) fn equivalent(a: &Quantity<'_>, b: &Quantity<'_>) -> bool {
    let (Some(a_unit), Some(b_unit)) = (of(a), of(b)) else {
        return a.unit == b.unit && decimals_equivalent(a.value, b.value);
    };
    if a_unit.dimensions != b_unit.dimensions {
        return false;
    }
    let converted = Decimal::from_f64(b.value.to_f64() * b_unit.factor / a_unit.factor);
    converted.is_some_and(|b| decimals_equivalent(a.value, b))
}

/// Whether the units measure the same thing.
pub(super) fn is_comparable(a: &Quantity<'_>, b: &Quantity<'_>) -> bool {
    match (of(a), of(b)) {
        (Some(a), Some(b)) => a.dimensions == b.dimensions,
        _ => a.unit == b.unit,
    }
}

/// Product (`sign` 1) or quotient (`sign` -1), in base units unless one of them has no unit.
pub(super) fn multiply(a: &Quantity<'_>, b: &Quantity<'_>, sign: i8) -> Option<Quantity<'static>> {
    let (a_unit, b_unit) = (of(a)?, of(b)?);
    let mut dimensions = a_unit.dimensions;
    for (sum, more) in dimensions.iter_mut().zip(b_unit.dimensions) {
        *sum += more * sign;
    }
    let value = if sign > 0 { a.value.multiply(b.value)? } else { a.value.divide(b.value)? };
    let factor = a_unit.factor * b_unit.factor.powi(i32::from(sign));
    let value = if factor == 1.0 { value } else { value.multiply(Decimal::from_f64(factor)?)? };
    let names = ["m", "s", "g", "mol"].into_iter().zip(dimensions).filter(|(_, exponent)| *exponent != 0);
    let terms: Vec<String> =
        names.map(|(name, e)| if e == 1 { name.to_owned() } else { format!("{name}{e}") }).collect();
    let unit = if terms.is_empty() { "1".to_owned() } else { terms.join(".") };
    Some(Quantity { value, unit: unit.into(), is_calendar: false })
}

fn of(quantity: &Quantity<'_>) -> Option<Unit> {
    match calendar_unit(&quantity.unit).filter(|_| quantity.unit.len() > 2) {
        Some(word) => {
            let (seconds, is_calendar_month) = match word {
                "year" => (31_557_600.0, true),
                "month" => (2_629_800.0, true),
                "week" => (604_800.0, false),
                "day" => (86_400.0, false),
                "hour" => (3_600.0, false),
                "minute" => (60.0, false),
                "second" => (1.0, false),
                _ => (1e-3, false),
            };
            Some(Unit { factor: seconds, dimensions: [0, 1, 0, 0], is_calendar_month })
        }
        None => parse(&quantity.unit),
    }
}

/// `mg/dL`, `m2`, `10*3/uL`, `/min`; none for what is not known.
fn parse(text: &str) -> Option<Unit> {
    let mut unit = Unit { factor: 1.0, dimensions: [0; 4], is_calendar_month: false };
    let mut sign = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '/']).unwrap_or(rest.len());
        let (term, next) = rest.split_at(end);
        if !term.is_empty() {
            let (factor, dimensions, exponent) = parse_term(term)?;
            let exponent = exponent * sign;
            unit.factor *= factor.powi(i32::from(exponent));
            for (sum, more) in unit.dimensions.iter_mut().zip(dimensions) {
                *sum = sum.checked_add(more.checked_mul(exponent)?)?;
            }
        }
        sign = if next.starts_with('/') { -1 } else { 1 };
        rest = next.get(1..).unwrap_or("");
    }
    Some(unit)
}

fn parse_term(term: &str) -> Option<(f64, [i8; 4], i8)> {
    let term = term.split('{').next().unwrap_or_default();
    if let Some(exponent) = term.strip_prefix("10*").or_else(|| term.strip_prefix("10^")) {
        return Some((10_f64.powi(exponent.parse::<i8>().ok()?.into()), [0; 4], 1));
    }
    if let Ok(number) = term.parse::<f64>() {
        return Some((number, [0; 4], 1));
    }
    if term.is_empty() {
        return Some((1.0, [0; 4], 1));
    }
    let digits =
        term.find(|c: char| c.is_ascii_digit() || c == '-').filter(|_| !term.ends_with(']')).unwrap_or(term.len());
    let (name, exponent) = term.split_at(digits);
    let exponent = if exponent.is_empty() { 1 } else { exponent.parse().ok().filter(|e: &i8| e.abs() <= 9)? };
    let atom = |name: &str| ATOMS.iter().find(|(atom, ..)| *atom == name);
    if let Some((_, factor, dimensions)) = atom(name) {
        return Some((*factor, *dimensions, exponent));
    }
    let (prefix, factor) =
        PREFIXES.iter().find(|(prefix, _)| name.strip_prefix(prefix).is_some_and(|rest| atom(rest).is_some()))?;
    let (_, unit, dimensions) = atom(&name[prefix.len()..])?;
    Some((factor * unit, *dimensions, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(value: &str, unit: &'static str) -> Quantity<'static> {
        let value = Decimal::parse(value).expect("the test's number parses");
        Quantity { value, unit: unit.into(), is_calendar: false }
    }

    #[test]
    fn converts_known_units() {
        let order =
            |a: (&str, &'static str), b: (&str, &'static str)| compare(&quantity(a.0, a.1), &quantity(b.0, b.1));
        assert_eq!(order(("4.0000", "g"), ("4000.0", "mg")), Some(Some(Ordering::Equal)));
        assert_eq!(order(("1", "mg/dL"), ("10", "mg/L")), Some(Some(Ordering::Equal)));
        assert_eq!(order(("100", "mm[Hg]"), ("10", "kPa")), Some(Some(Ordering::Greater)));
        assert_eq!(order(("1", "cm"), ("1", "s")), Some(None));
        assert_eq!(order(("1", "10*3/uL"), ("1", "10*9/L")), Some(Some(Ordering::Equal)));
        let area = multiply(&quantity("2.0", "cm"), &quantity("2.0", "m"), 1).expect("both units are known");
        assert_eq!(compare(&area, &quantity("0.040", "m2")), Some(Some(Ordering::Equal)));
    }
}
