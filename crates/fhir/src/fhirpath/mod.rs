//! FHIRPath 2.0 over R4 resources: compiled once, evaluated often. No terminology (`memberOf`), no server (`resolve` finds contained
//! resources only, and otherwise knows the type that the reference names), no clock of its own (the time is given).

pub(crate) mod ast;
mod boundary;
mod collections;
mod convert;
mod decimal;
mod evaluate;
pub(crate) mod function;
mod item;
mod lexer;
mod math;
mod navigate;
mod operate;
mod parser;
mod strings;
mod unit;

pub use decimal::Decimal;
pub use item::{Element, Item, Quantity};
pub use parser::{DEPTH_MAX, LENGTH_MAX};

use crate::date::DateTime;
use crate::json::Value;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    tree: ast::Expr,
}

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset} of the expression")]
pub struct ExpressionError {
    /// Byte position from 0.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Why an evaluation has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The expression does not fit the data: several values where one is needed, a wrong type.
    #[error("{0}")]
    Execution(&'static str),
    /// In strict mode: a name that the types do not have.
    #[error("{0}")]
    Semantic(&'static str),
    /// More steps than the limit.
    #[error("the evaluation takes more steps than the limit")]
    TooLong,
}

/// What an evaluation needs besides the resource.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The answer to `now()`; without it `now()`, `today()` and `timeOfDay()` are empty.
    pub now: Option<DateTime>,
    /// Whether names that the types do not have are errors, and not just empty.
    pub is_strict: bool,
    /// Most steps: items visited, items compared and functions called.
    pub steps_max: usize,
}

impl Context {
    /// Enough for any expression over a resource of some megabytes.
    pub const STEPS_MAX: usize = 20_000_000;
}

impl Default for Context {
    fn default() -> Self {
        Self { now: None, is_strict: false, steps_max: Self::STEPS_MAX }
    }
}

impl Expression {
    /// Compiles a text: names of functions, numbers of arguments, literals and nesting are checked here.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { tree: parser::parse(text)? })
    }

    /// Evaluates over a resource.
    pub fn evaluate<'v>(
        &'v self,
        resource: &'v Value<'_>,
        context: &Context,
    ) -> Result<Vec<Item<'v>>, EvaluationError> {
        evaluate::evaluate(&self.tree, Item::Element(Element::resource(resource)), context)
    }

    /// Evaluates over an element found before.
    pub fn evaluate_on<'v>(&'v self, item: Item<'v>, context: &Context) -> Result<Vec<Item<'v>>, EvaluationError> {
        evaluate::evaluate(&self.tree, item, context)
    }

    pub(crate) fn tree(&self) -> &ast::Expr {
        &self.tree
    }
}

#[cfg(test)]
mod tests;
