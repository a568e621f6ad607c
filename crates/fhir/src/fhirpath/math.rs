//! Arithmetic of numbers, quantities, texts and dates. Results that do not fit are empty, never rounded silently.

use super::ast::Operator;
use super::decimal::Decimal;
use super::evaluate::{Items, Result, execution, single};
use super::function::Function;
use super::item::{Item, Quantity};
use super::parser::calendar_unit;
use super::{EvaluationError, unit};
use crate::date::{DateTime, Precision, Time};

pub(super) fn negate<'v>(items: &[Item<'v>]) -> Result<Items<'v>> {
    let Some(item) = single(items)? else { return Ok(Vec::new()) };
    Ok(vec![match item.to_system() {
        Item::Integer(value) => {
            Item::Integer(value.checked_neg().ok_or(EvaluationError::Execution("a number is too large"))?)
        }
        Item::Decimal(value) => Item::Decimal(value.negated()),
        Item::Quantity(q) => Item::Quantity(Quantity { value: q.value.negated(), ..q }),
        _ => return execution("only numbers have a sign"),
    }])
}

pub(super) fn calculate<'v>(operator: Operator, a: &Item<'v>, b: &Item<'v>) -> Result<Items<'v>> {
    let result = match (a, b) {
        (Item::Integer(a), Item::Integer(b)) => integers(operator, *a, *b),
        (Item::String(a), Item::String(b)) if operator == Operator::Add => Some(Item::String(format!("{a}{b}").into())),
        (Item::Quantity(a), Item::Quantity(b)) => quantities(operator, a, b),
        (Item::Date(date), Item::Quantity(q)) => moved(date, q, operator)?.map(Item::Date),
        (Item::DateTime(date), Item::Quantity(q)) => moved(date, q, operator)?.map(Item::DateTime),
        (Item::Time(time, precision), Item::Quantity(q)) => moved_time(*time, *precision, q, operator)?,
        (Item::Quantity(q), n) | (n, Item::Quantity(q)) if n.decimal().is_some() && operator == Operator::Multiply => {
            let value = n.decimal().and_then(|n| q.value.multiply(n));
            value.map(|value| Item::Quantity(Quantity { value, ..q.clone() }))
        }
        _ => match (a.decimal(), b.decimal()) {
            (Some(a), Some(b)) => decimals(operator, a, b),
            (None, Some(_)) if matches!(a, Item::Date(_) | Item::DateTime(_)) => {
                return Err(EvaluationError::Semantic("a date can be moved by a quantity only"));
            }
            _ => return execution("values of these types cannot be calculated with"),
        },
    };
    Ok(result.into_iter().collect())
}

fn integers<'v>(operator: Operator, a: i64, b: i64) -> Option<Item<'v>> {
    match operator {
        Operator::Add => a.checked_add(b).map(Item::Integer),
        Operator::Subtract => a.checked_sub(b).map(Item::Integer),
        Operator::Multiply => a.checked_mul(b).map(Item::Integer),
        Operator::Div => a.checked_div(b).map(Item::Integer),
        Operator::Mod => a.checked_rem(b).map(Item::Integer),
        _ => decimals(operator, Decimal::whole(a), Decimal::whole(b)),
    }
}

fn decimals<'v>(operator: Operator, a: Decimal, b: Decimal) -> Option<Item<'v>> {
    match operator {
        Operator::Add => a.plus(b).map(Item::Decimal),
        Operator::Subtract => a.minus(b).map(Item::Decimal),
        Operator::Multiply => a.multiply(b).map(Item::Decimal),
        Operator::Div => Some(Item::Integer(a.divide_whole(b)?.0.to_i64()?)),
        Operator::Mod => Some(Item::Decimal(a.divide_whole(b)?.1)),
        _ => a.divide(b).map(Item::Decimal),
    }
}

fn quantities<'v>(operator: Operator, a: &Quantity<'v>, b: &Quantity<'v>) -> Option<Item<'v>> {
    let same_unit = |value: Option<Decimal>| Some(Quantity { value: value?, ..a.clone() });
    let result = match operator {
        Operator::Add if a.unit == b.unit => same_unit(a.value.plus(b.value))?,
        Operator::Subtract if a.unit == b.unit => same_unit(a.value.minus(b.value))?,
        Operator::Multiply => unit::multiply(a, b, 1)?,
        Operator::Divide => unit::multiply(a, b, -1)?,
        _ => return None,
    };
    Some(Item::Quantity(result))
}

/// What one step of a time unit is: months, or microseconds.
enum Span {
    Months(i64),
    Micros(i64),
}

fn span(q: &Quantity<'_>, operator: Operator) -> Result<Span> {
    let sign = match operator {
        Operator::Add => 1,
        Operator::Subtract => -1,
        _ => return execution("a date can be moved forward or back only"),
    };
    let count = q
        .value
        .truncated()
        .and_then(Decimal::to_i64)
        .ok_or(EvaluationError::Execution("a span of time is too long"))?;
    let name = calendar_unit(&q.unit).filter(|_| q.unit.len() > 2);
    const SECOND_US: i64 = 1_000_000;
    let (months, micros) = match (name, q.unit.as_ref()) {
        (Some("year"), _) => (12, 0),
        (Some("month"), _) => (1, 0),
        (Some("week"), _) | (_, "wk") => (0, 604_800 * SECOND_US),
        (Some("day"), _) | (_, "d") => (0, 86_400 * SECOND_US),
        (Some("hour"), _) | (_, "h") => (0, 3_600 * SECOND_US),
        (Some("minute"), _) | (_, "min") => (0, 60 * SECOND_US),
        (Some("second"), _) | (_, "s") => (0, SECOND_US),
        (Some("millisecond"), _) | (_, "ms") => (0, 1_000),
        _ => return execution("the unit is not one of time with a definite length"),
    };
    let times =
        |unit: i64| count.checked_mul(unit * sign).ok_or(EvaluationError::Execution("a span of time is too long"));
    Ok(if months > 0 { Span::Months(times(months)?) } else { Span::Micros(times(micros)?) })
}

/// A date that is less precise than the unit moves by whole units of its own precision.
fn moved(date: &DateTime, q: &Quantity<'_>, operator: Operator) -> Result<Option<DateTime>> {
    const DAY_US: i64 = 86_400_000_000;
    Ok(match (span(q, operator)?, date.precision) {
        (Span::Months(months), Precision::Year) => date.plus_months(months / 12 * 12),
        (Span::Months(months), _) => date.plus_months(months),
        (Span::Micros(us), Precision::Year) => date.plus_months(us / (365 * DAY_US) * 12),
        (Span::Micros(us), Precision::Month) => date.plus_months(us / (30 * DAY_US)),
        (Span::Micros(us), Precision::Day) => Some(date.plus_us(us / DAY_US * DAY_US)),
        (Span::Micros(us), _) => Some(date.plus_us(us)),
    })
}

fn moved_time<'v>(time: Time, precision: Precision, q: &Quantity<'_>, operator: Operator) -> Result<Option<Item<'v>>> {
    let Span::Micros(us) = span(q, operator)? else { return execution("a time cannot be moved by months") };
    let day = DateTime { year: 2000, month: 1, day: 1, time, precision, offset_minutes: None };
    Ok(Some(Item::Time(day.plus_us(us % 86_400_000_000).time, precision)))
}

pub(super) fn call<'v>(function: Function, focus: &[Item<'v>], argument: &[Item<'v>]) -> Result<Items<'v>> {
    let Some(item) = single(focus)?.map(Item::to_system) else { return Ok(Vec::new()) };
    if let (Item::Quantity(q), Function::Abs) = (&item, function) {
        let value = if q.value.is_negative() { q.value.negated() } else { q.value };
        return Ok(vec![Item::Quantity(Quantity { value, ..q.clone() })]);
    }
    let Some(number) = item.decimal() else { return execution("a number is needed") };
    let parameter = match single(argument)? {
        None => None,
        Some(item) => Some(item.decimal().ok_or(EvaluationError::Execution("a number is needed"))?),
    };
    let float = |value: f64| Decimal::from_f64(value).map(Item::Decimal);
    let whole = |value: Option<Decimal>| value.and_then(Decimal::to_i64).map(Item::Integer);
    let is_integer = matches!(item, Item::Integer(_));
    let result = match function {
        Function::Abs => {
            let value = if number.is_negative() { number.negated() } else { number };
            if is_integer { value.to_i64().map(Item::Integer) } else { Some(Item::Decimal(value)) }
        }
        Function::Ceiling => whole(number.ceiling_to(0)),
        Function::Floor => whole(number.floor_to(0)),
        Function::Truncate => whole(number.truncated()),
        Function::Round => {
            let scale = parameter.map_or(Some(0), Decimal::to_i64).and_then(|scale| u32::try_from(scale).ok());
            let Some(scale) = scale else { return execution("round needs a number of digits, 0 or more") };
            number.rounded(scale).map(Item::Decimal)
        }
        Function::Exp => float(number.to_f64().exp()),
        Function::Ln => float(number.to_f64().ln()),
        Function::Sqrt => float(number.to_f64().sqrt()),
        Function::Log => parameter.and_then(|base| float(number.to_f64().ln() / base.to_f64().ln())),
        _ => parameter.and_then(|exponent| {
            let value = float(number.to_f64().powf(exponent.to_f64()))?;
            if is_integer && exponent.to_i64().is_some_and(|e| e >= 0) { whole(value.decimal()) } else { Some(value) }
        }),
    };
    Ok(result.into_iter().collect())
}
