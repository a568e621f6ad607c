//! `lowBoundary()`, `highBoundary()`, `precision()` and `comparable()`: what a value can mean, given how precisely it is written.

use super::decimal::Decimal;
use super::evaluate::{Items, Result, boolean, execution, single};
use super::function::Function;
use super::item::{Item, Quantity};
use super::unit;
use crate::date::{DateTime, Precision, Time, days_in_month};

/// Digits of a decimal boundary when none are asked for.
const DECIMAL_DIGITS: i64 = 8;
/// Most digits of a decimal boundary that can be asked for.
const DECIMAL_DIGITS_MAX: i64 = 28;

pub(super) fn call<'v>(function: Function, focus: &[Item<'v>], argument: &[Item<'v>]) -> Result<Items<'v>> {
    let Some(item) = single(focus)?.map(Item::to_system) else { return Ok(Vec::new()) };
    let argument = single(argument)?.map(Item::to_system);
    let digits = match (&argument, function) {
        (Some(Item::Quantity(other)), Function::Comparable) => {
            let Item::Quantity(own) = &item else { return execution("a quantity is needed") };
            return Ok(boolean(unit::is_comparable(own, other)));
        }
        (_, Function::Comparable) => return execution("a quantity is needed"),
        (None, _) => None,
        (Some(Item::Integer(digits)), _) => Some(*digits),
        _ => return execution("a whole number is needed"),
    };
    let is_high = function == Function::HighBoundary;
    let result = match function {
        Function::Precision => precision(&item).map(Item::Integer),
        _ => boundary(&item, digits, is_high),
    };
    Ok(result.into_iter().collect())
}

/// Digits after the point of a number, digits written of a date or time.
fn precision(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Integer(_) => Some(0),
        Item::Decimal(value) => Some(i64::from(value.scale())),
        Item::Date(date) | Item::DateTime(date) => Some(date_digits(date.precision)),
        Item::Time(_, precision) => Some(date_digits(*precision) - date_digits(Precision::Day)),
        _ => None,
    }
}

fn date_digits(precision: Precision) -> i64 {
    match precision {
        Precision::Year => 4,
        Precision::Month => 6,
        Precision::Day => 8,
        Precision::Hour => 10,
        Precision::Minute => 12,
        Precision::Second => 14,
        Precision::Fraction => 17,
    }
}

fn boundary<'v>(item: &Item<'v>, digits: Option<i64>, is_high: bool) -> Option<Item<'v>> {
    match item {
        Item::Integer(value) => number_boundary(Decimal::whole(*value), digits, is_high).map(Item::Decimal),
        Item::Decimal(value) => number_boundary(*value, digits, is_high).map(Item::Decimal),
        Item::Quantity(q) => {
            let value = number_boundary(q.value, digits, is_high)?;
            Some(Item::Quantity(Quantity { value, ..q.clone() }))
        }
        Item::Date(date) => {
            let wanted = with_digits(digits.unwrap_or(8))?;
            let date = date_boundary(date, wanted, is_high);
            Some(if wanted > Precision::Day { Item::DateTime(date) } else { Item::Date(date) })
        }
        Item::DateTime(date) => Some(Item::DateTime(date_boundary(date, with_digits(digits.unwrap_or(17))?, is_high))),
        Item::Time(time, precision) => {
            let wanted = with_digits(digits.unwrap_or(9).checked_add(8)?)?;
            Some(Item::Time(time_boundary(*time, *precision, is_high), wanted))
        }
        _ => None,
    }
}

fn with_digits(digits: i64) -> Option<Precision> {
    use Precision::*;
    [Year, Month, Day, Hour, Minute, Second, Fraction].into_iter().find(|precision| date_digits(*precision) == digits)
}

/// Half a unit of the last digit below or above.
fn number_boundary(value: Decimal, digits: Option<i64>, is_high: bool) -> Option<Decimal> {
    let digits = digits.unwrap_or(DECIMAL_DIGITS);
    if !(0..=DECIMAL_DIGITS_MAX).contains(&digits) {
        return None;
    }
    let half = Decimal::new(5, value.scale() + 1)?;
    let digits = u32::try_from(digits).ok()?;
    if is_high { value.plus(half)?.ceiling_to(digits) } else { value.minus(half)?.floor_to(digits) }
}

fn date_boundary(date: &DateTime, wanted: Precision, is_high: bool) -> DateTime {
    let mut bound = *date;
    if is_high && date.precision < Precision::Month {
        bound.month = 12;
    }
    if is_high && date.precision < Precision::Day {
        bound.day = days_in_month(bound.year, bound.month);
    }
    bound.time = time_boundary(date.time, date.precision, is_high);
    bound.precision = wanted;
    if wanted > Precision::Day {
        // Unknown zones may be as far as UTC+14 and UTC-12.
        bound.offset_minutes = bound.offset_minutes.or(Some(if is_high { -12 * 60 } else { 14 * 60 }));
    } else {
        bound.offset_minutes = None;
    }
    bound
}

fn time_boundary(mut time: Time, written: Precision, is_high: bool) -> Time {
    if written < Precision::Fraction {
        time.fraction_digits = 3;
    }
    if is_high {
        if written < Precision::Hour {
            time.hour = 23;
        }
        if written < Precision::Minute {
            time.minute = 59;
        }
        if written < Precision::Second {
            time.second = 59;
        }
        if written < Precision::Fraction {
            time.micros = 999_000;
        }
    }
    time
}
