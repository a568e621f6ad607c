//! `toX()` and `convertsToX()`: one conversion a type; the second form asks whether the first has an answer.

use super::decimal::Decimal;
use super::evaluate::{Items, Result, boolean, single};
use super::function::Function;
use super::item::{Item, Quantity};
use super::parser::calendar_unit;
use crate::date::{DateTime, Precision, Time};

pub(super) fn call<'v>(function: Function, focus: &[Item<'v>]) -> Result<Items<'v>> {
    use Function::*;
    let Some(item) = single(focus)?.map(Item::to_system) else { return Ok(Vec::new()) };
    let (converted, is_question) = match function {
        ToBoolean => (to_boolean(&item), false),
        ToDate => (to_date(&item), false),
        ToDateTime => (to_date_time(&item), false),
        ToDecimal => (to_decimal(&item), false),
        ToInteger => (to_integer(&item), false),
        ToQuantity => (to_quantity(&item), false),
        ToString => (to_string(&item), false),
        ToTime => (to_time(&item), false),
        ConvertsToBoolean => (to_boolean(&item), true),
        ConvertsToDate => (to_date(&item), true),
        ConvertsToDateTime => (to_date_time(&item), true),
        ConvertsToDecimal => (to_decimal(&item), true),
        ConvertsToInteger => (to_integer(&item), true),
        ConvertsToQuantity => (to_quantity(&item), true),
        ConvertsToTime => (to_time(&item), true),
        _ => (to_string(&item), true),
    };
    Ok(if is_question { boolean(converted.is_some()) } else { converted.into_iter().collect() })
}

fn to_boolean<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    let value = match item {
        Item::Boolean(value) => *value,
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => true,
            "false" | "f" | "no" | "n" | "0" | "0.0" => false,
            _ => return None,
        },
        number => match number.decimal()?.to_i64()? {
            1 => true,
            0 => false,
            _ => return None,
        },
    };
    Some(Item::Boolean(value))
}

fn to_integer<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::Integer(_) => Some(item.clone()),
        Item::Boolean(value) => Some(Item::Integer(i64::from(*value))),
        Item::String(text) => text.parse::<i32>().ok().map(|number| Item::Integer(number.into())),
        _ => None,
    }
}

fn to_decimal<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::Boolean(value) => Some(Item::Decimal(Decimal::whole(i64::from(*value)))),
        Item::String(text) => Decimal::parse(text).map(Item::Decimal),
        number => number.decimal().map(Item::Decimal),
    }
}

fn to_date<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::Date(_) => Some(item.clone()),
        Item::DateTime(date) => {
            let precision = date.precision.min(Precision::Day);
            Some(Item::Date(DateTime { precision, offset_minutes: None, ..*date }))
        }
        Item::String(text) if DateTime::is_date(text) => DateTime::parse(text).map(Item::Date),
        _ => None,
    }
}

fn to_date_time<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::DateTime(_) => Some(item.clone()),
        Item::Date(date) => Some(Item::DateTime(*date)),
        Item::String(text) => DateTime::parse(text).map(Item::DateTime),
        _ => None,
    }
}

fn to_time<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::Time(..) => Some(item.clone()),
        Item::String(text) => Time::parse(text).map(|(time, precision)| Item::Time(time, precision)),
        _ => None,
    }
}

fn to_string<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    match item {
        Item::Element(_) | Item::Type { .. } => None,
        value => Some(Item::String(value.to_string().into())),
    }
}

/// Texts such as `1`, `1.5 'mg'` and `4 days`.
fn to_quantity<'v>(item: &Item<'v>) -> Option<Item<'v>> {
    let plain = |value| Quantity { value, unit: "1".into(), is_calendar: false };
    let quantity = match item {
        Item::Quantity(_) => return Some(item.clone()),
        Item::Boolean(value) => plain(Decimal::whole(i64::from(*value))),
        Item::String(text) => {
            let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
            let value = Decimal::parse(number)?;
            let unit = unit.trim();
            match unit.strip_prefix('\'').and_then(|unit| unit.strip_suffix('\'')) {
                Some(code) => Quantity { value, unit: code.to_owned().into(), is_calendar: false },
                None if unit.is_empty() => plain(value),
                None => {
                    Quantity { value, unit: calendar_unit(unit).map(|_| unit.to_owned())?.into(), is_calendar: true }
                }
            }
        }
        number => plain(number.decimal()?),
    };
    Some(Item::Quantity(quantity))
}
