//! The values that FHIRPath works on: elements of a resource with their FHIR type, and system values. Equality, equivalence and order
//! stand here; operators and functions do not.

use super::decimal::Decimal;
use super::unit;
use crate::date::{DateTime, Precision, Time};
use crate::json::Value;
use crate::search::fold_case;
use crate::tables::{Kind, Primitive, TypeId, tables};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// One value of a collection.
#[derive(Clone, Debug)]
pub enum Item<'v> {
    /// An element or resource.
    Element(Element<'v>),
    /// System.Boolean.
    Boolean(bool),
    /// System.Integer.
    Integer(i64),
    /// System.Decimal.
    Decimal(Decimal),
    /// System.String.
    String(Cow<'v, str>),
    /// System.Date.
    Date(DateTime),
    /// System.DateTime.
    DateTime(DateTime),
    /// System.Time.
    Time(Time, Precision),
    /// System.Quantity.
    Quantity(Quantity<'v>),
    /// What `type()` answers.
    Type {
        /// `FHIR` or `System`.
        namespace: &'static str,
        /// `Patient`, `Boolean`.
        name: &'static str,
    },
}

/// An element of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Element<'v> {
    /// Its JSON; none for a primitive that has only extensions, and for the target of a reference that is not at hand.
    pub value: Option<&'v Value<'v>>,
    /// Id and extensions of a primitive.
    pub sibling: Option<&'v Value<'v>>,
    /// Its FHIR type, when the definitions tell it.
    pub type_id: Option<TypeId>,
}

/// A number with unit.
#[derive(Clone, Debug)]
pub struct Quantity<'v> {
    /// The number.
    pub value: Decimal,
    /// UCUM code, or the calendar unit in singular or plural.
    pub unit: Cow<'v, str>,
    /// Whether the unit is a word such as `days`.
    pub is_calendar: bool,
}

impl<'v> Element<'v> {
    /// A whole resource.
    pub fn resource(value: &'v Value<'_>) -> Self {
        let type_id = value.str("resourceType").and_then(|name| tables().find(name));
        Self { value: Some(value), sibling: None, type_id }
    }

    pub(crate) fn type_name(&self) -> Option<&'static str> {
        Some(tables().get(self.type_id?).name)
    }

    fn primitive(&self) -> Option<Primitive> {
        tables().get(self.type_id?).primitive()
    }

    /// The system value of a primitive or Quantity.
    fn system(&self) -> Option<Item<'v>> {
        let value = self.value?;
        match value {
            Value::Bool(value) => Some(Item::Boolean(*value)),
            Value::Number(text) => {
                let is_whole = !matches!(self.primitive(), Some(Primitive::Decimal)) && !text.contains(['.', 'e', 'E']);
                if is_whole { text.parse().ok().map(Item::Integer) } else { Decimal::parse(text).map(Item::Decimal) }
            }
            Value::String(text) => Some(match self.primitive() {
                Some(Primitive::Date) => Item::Date(DateTime::parse(text)?),
                Some(Primitive::DateTime | Primitive::Instant) => Item::DateTime(DateTime::parse(text)?),
                Some(Primitive::Time) => Time::parse(text).map(|(time, precision)| Item::Time(time, precision))?,
                _ => Item::String(Cow::Borrowed(text)),
            }),
            Value::Object(_) => {
                let tables = tables();
                let quantity = tables.find("Quantity")?;
                if !tables.is_a(self.type_id?, quantity) {
                    return None;
                }
                let Value::Number(number) = value.get("value")? else { return None };
                let unit = value.str("code").or_else(|| value.str("unit")).unwrap_or("1");
                Some(Item::Quantity(Quantity { value: Decimal::parse(number)?, unit: unit.into(), is_calendar: false }))
            }
            _ => None,
        }
    }
}

impl<'v> Item<'v> {
    /// The system value of an element that has one; everything else unchanged.
    pub fn to_system(&self) -> Item<'v> {
        match self {
            Item::Element(element) => element.system().unwrap_or_else(|| self.clone()),
            other => other.clone(),
        }
    }

    /// Namespace and name of the type: `("FHIR", "Patient")`, `("System", "Integer")`.
    pub fn type_name(&self) -> (&'static str, &'static str) {
        match self {
            Item::Element(element) => ("FHIR", element.type_name().unwrap_or("Element")),
            Item::Boolean(_) => ("System", "Boolean"),
            Item::Integer(_) => ("System", "Integer"),
            Item::Decimal(_) => ("System", "Decimal"),
            Item::String(_) => ("System", "String"),
            Item::Date(_) => ("System", "Date"),
            Item::DateTime(_) => ("System", "DateTime"),
            Item::Time(..) => ("System", "Time"),
            Item::Quantity(_) => ("System", "Quantity"),
            Item::Type { .. } => ("System", "TypeInfo"),
        }
    }

    /// The JSON of an element.
    pub fn json(&self) -> Option<&'v Value<'v>> {
        match self {
            Item::Element(element) => element.value,
            _ => None,
        }
    }

    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self.to_system() {
            Item::Integer(value) => Some(Decimal::whole(value)),
            Item::Decimal(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<Cow<'v, str>> {
        match self.to_system() {
            Item::String(text) => Some(text),
            // Dates of a resource are texts too.
            _ => match self.json() {
                Some(Value::String(text)) => Some(Cow::Borrowed(text)),
                _ => None,
            },
        }
    }

    /// `=`: none when it cannot be told, as for dates of different precision.
    pub fn equals(&self, other: &Item<'_>) -> Option<bool> {
        match (self.to_system(), other.to_system()) {
            (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
            (Item::String(a), Item::String(b)) => Some(a == b),
            (Item::Integer(a), Item::Integer(b)) => Some(a == b),
            (a @ (Item::Integer(_) | Item::Decimal(_)), b @ (Item::Integer(_) | Item::Decimal(_))) => {
                Some(a.decimal() == b.decimal())
            }
            (Item::Date(a) | Item::DateTime(a), Item::Date(b) | Item::DateTime(b)) => {
                compare_dates(&a, &b).map(Ordering::is_eq)
            }
            (Item::Time(a, p), Item::Time(b, q)) => compare_times((a, p), (b, q)).map(Ordering::is_eq),
            (Item::Quantity(a), Item::Quantity(b)) => Some(unit::compare(&a, &b)?.is_some_and(Ordering::is_eq)),
            (Item::Quantity(a), b @ (Item::Integer(_) | Item::Decimal(_))) => {
                Some(a.unit == "1" && Some(a.value) == b.decimal())
            }
            (Item::Element(a), Item::Element(b)) => Some(same_json(a.value, b.value)),
            (Item::Type { name: a, .. }, Item::Type { name: b, .. }) => Some(a == b),
            _ => Some(false),
        }
    }

    /// `~`.
    pub fn equivalent(&self, other: &Item<'_>) -> bool {
        match (self.to_system(), other.to_system()) {
            (Item::String(a), Item::String(b)) => fold_case(&a) == fold_case(&b),
            (a @ (Item::Integer(_) | Item::Decimal(_)), b @ (Item::Integer(_) | Item::Decimal(_))) => {
                a.decimal().zip(b.decimal()).is_some_and(|(a, b)| decimals_equivalent(a, b))
            }
            (Item::Quantity(a), Item::Quantity(b)) => unit::equivalent(&a, &b),
            (a, b) => a.equals(&b).unwrap_or(false),
        }
    }

    /// `<` and the like: an error for types that have no order with each other, none when it cannot be told.
    pub fn compare(&self, other: &Item<'_>) -> Result<Option<Ordering>, &'static str> {
        Ok(match (self.to_system(), other.to_system()) {
            (Item::String(a), Item::String(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (a @ (Item::Integer(_) | Item::Decimal(_)), b @ (Item::Integer(_) | Item::Decimal(_))) => {
                a.decimal().partial_cmp(&b.decimal())
            }
            (Item::Date(a) | Item::DateTime(a), Item::Date(b) | Item::DateTime(b)) => compare_dates(&a, &b),
            (Item::Time(a, p), Item::Time(b, q)) => compare_times((a, p), (b, q)),
            (Item::Quantity(a), Item::Quantity(b)) => unit::compare(&a, &b).flatten(),
            _ => return Err("values of these types have no order"),
        })
    }
}

/// Numbers are equivalent when they are equal at the precision of the less precise one.
pub(crate) fn decimals_equivalent(a: Decimal, b: Decimal) -> bool {
    let scale = a.trimmed().scale().min(b.trimmed().scale());
    a.rounded(scale) == b.rounded(scale)
}

/// Parts of a date down to its precision; in UTC when a zone is written.
fn parts(date: &DateTime, in_utc: bool) -> ([i64; 6], usize) {
    let date = if in_utc { date.in_utc() } else { *date };
    let seconds_us = i64::from(date.time.second) * 1_000_000 + i64::from(date.time.micros);
    let all = [
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
        i64::from(date.time.hour),
        i64::from(date.time.minute),
        seconds_us,
    ];
    (all, (date.precision as usize + 1).min(6))
}

fn compare_dates(a: &DateTime, b: &DateTime) -> Option<Ordering> {
    let with_time = a.precision > Precision::Day && b.precision > Precision::Day;
    if with_time && a.offset_minutes.is_some() != b.offset_minutes.is_some() {
        return None;
    }
    let in_utc = with_time && a.offset_minutes.is_some();
    let ((a, a_count), (b, b_count)) = (parts(a, in_utc), parts(b, in_utc));
    compare_parts(&a[..a_count], &b[..b_count])
}

fn compare_times(a: (Time, Precision), b: (Time, Precision)) -> Option<Ordering> {
    let parts = |(time, precision): (Time, Precision)| {
        let seconds_us = i64::from(time.second) * 1_000_000 + i64::from(time.micros);
        let count = (precision as usize + 1 - Precision::Hour as usize).min(3);
        ([i64::from(time.hour), i64::from(time.minute), seconds_us], count)
    };
    let ((a, a_count), (b, b_count)) = (parts(a), parts(b));
    compare_parts(&a[..a_count], &b[..b_count])
}

fn compare_parts(a: &[i64], b: &[i64]) -> Option<Ordering> {
    match a.iter().zip(b).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne()) {
        Some(order) => Some(order),
        None if a.len() == b.len() => Some(Ordering::Equal),
        None => None,
    }
}

/// Deep equality; members may stand in any order.
fn same_json(a: Option<&Value<'_>>, b: Option<&Value<'_>>) -> bool {
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let find = |name: &str| b.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            a.len() == b.len()
                && a.iter().all(|(name, value)| find(name).is_some_and(|other| same_json(Some(value), Some(other))))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(Some(a), Some(b)))
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a == b || Decimal::parse(a).is_some_and(|a| Some(a) == Decimal::parse(b))
        }
        (Some(a), Some(b)) => a == b,
        (None, None) => true,
        _ => false,
    }
}

/// Whether a FHIR type is a resource.
pub(crate) fn is_resource(type_id: TypeId) -> bool {
    matches!(tables().get(type_id).kind, Kind::Resource | Kind::AbstractResource)
}

/// As `toString()` shows it; elements that are no primitives as JSON.
impl fmt::Display for Item<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Element(element) => match element.value {
                Some(value) => match value.primitive_text() {
                    Some(text) => out.write_str(text),
                    None => write!(out, "{value}"),
                },
                None => Ok(()),
            },
            Item::Boolean(value) => write!(out, "{value}"),
            Item::Integer(value) => write!(out, "{value}"),
            Item::Decimal(value) => write!(out, "{value}"),
            Item::String(text) => out.write_str(text),
            Item::Date(date) | Item::DateTime(date) => write!(out, "{date}"),
            Item::Time(time, precision) => time.show(*precision, out),
            Item::Quantity(q) if q.is_calendar => write!(out, "{} {}", q.value, q.unit),
            Item::Quantity(q) => write!(out, "{} '{}'", q.value, q.unit),
            Item::Type { namespace, name } => write!(out, "{namespace}.{name}"),
        }
    }
}
