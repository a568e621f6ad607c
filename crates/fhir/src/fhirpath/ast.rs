//! The compiled form of an expression: names resolved to functions and operators, literals parsed. Only data, no behaviour.

use super::function::Function;
use super::item::{Item, Quantity};
use crate::date::{DateTime, Precision, Time};
use crate::fhirpath::decimal::Decimal;

/// A node of a compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// `{}`.
    Empty,
    /// A literal.
    Literal(Literal),
    /// A name: child elements, or at the beginning the type of the resource itself.
    Member(Box<str>),
    /// `$this`.
    This,
    /// `$index`.
    Index,
    /// `$total`.
    Total,
    /// `%name`.
    Variable(Box<str>),
    /// `left.right`.
    Path(Box<Expr>, Box<Expr>),
    /// `name(arguments)`.
    Call(Function, Vec<Expr>),
    /// `left[index]`.
    Indexer(Box<Expr>, Box<Expr>),
    /// `-x`.
    Negate(Box<Expr>),
    /// `+x`.
    Plus(Box<Expr>),
    /// Two operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `x is T`, and the function.
    Is(Box<Expr>, TypeName),
    /// `x as T`, and the function.
    As(Box<Expr>, TypeName),
    /// `x.ofType(T)`.
    OfType(Box<Expr>, TypeName),
}

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    String(Box<str>),
    Date(DateTime),
    DateTime(DateTime),
    Time(Time, Precision),
    Quantity(Decimal, Box<str>, bool),
}

impl Literal {
    pub(crate) fn item(&self) -> Item<'_> {
        match self {
            Literal::Boolean(value) => Item::Boolean(*value),
            Literal::Integer(value) => Item::Integer(*value),
            Literal::Decimal(value) => Item::Decimal(*value),
            Literal::String(text) => Item::String(text.as_ref().into()),
            Literal::Date(date) => Item::Date(*date),
            Literal::DateTime(date) => Item::DateTime(*date),
            Literal::Time(time, precision) => Item::Time(*time, *precision),
            Literal::Quantity(value, unit, is_calendar) => {
                Item::Quantity(Quantity { value: *value, unit: unit.as_ref().into(), is_calendar: *is_calendar })
            }
        }
    }
}

/// A type specifier: `Patient`, `FHIR.string`, `System.Boolean`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeName {
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}
