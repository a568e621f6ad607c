//! Evaluation of a compiled expression: functions over collections, and the dispatch to the parts that know elements, texts, numbers,
//! conversions and boundaries.

use super::ast::{Expr, Operator};
use super::function::Function;
use super::item::Item;
use super::navigate::{children_named, is_type, of_type};
use super::operate::operate;
use super::{Context, EvaluationError, boundary, convert, math, strings};
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

pub(super) type Items<'v> = Vec<Item<'v>>;
pub(super) type Result<T> = std::result::Result<T, EvaluationError>;

/// What stays the same during an evaluation.
pub(super) struct Session<'v, 'c> {
    pub(super) root: Item<'v>,
    pub(super) context: &'c Context,
    steps_left: Cell<usize>,
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'v> {
    this: &'s [Item<'v>],
    index: Option<usize>,
    total: Option<&'s [Item<'v>]>,
}

pub(super) fn evaluate<'v>(tree: &'v Expr, root: Item<'v>, context: &Context) -> Result<Items<'v>> {
    let session = Session { root: root.clone(), context, steps_left: Cell::new(context.steps_max) };
    let this = [root];
    let scope = Scope { this: &this, index: None, total: None };
    session.evaluate(tree, &this, scope)
}

pub(super) fn execution<T>(reason: &'static str) -> Result<T> {
    Err(EvaluationError::Execution(reason))
}

/// The only item, nothing for an empty collection, an error for more.
pub(super) fn single<'s, 'v>(items: &'s [Item<'v>]) -> Result<Option<&'s Item<'v>>> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => execution("one value is needed, there are several"),
    }
}

/// As condition: a boolean, or true for any other single value.
pub(super) fn truth(items: &[Item<'_>]) -> Result<Option<bool>> {
    Ok(single(items)?.map(|item| match item.to_system() {
        Item::Boolean(value) => value,
        _ => true,
    }))
}

pub(super) fn boolean<'v>(value: bool) -> Items<'v> {
    vec![Item::Boolean(value)]
}

impl<'v> Session<'v, '_> {
    pub(super) fn step(&self, count: usize) -> Result<()> {
        self.steps_left.set(self.steps_left.get().checked_sub(count).ok_or(EvaluationError::TooLong)?);
        Ok(())
    }

    /// `focus` is what names and functions at this place apply to.
    pub(super) fn evaluate(&self, expr: &'v Expr, focus: &[Item<'v>], scope: Scope<'_, 'v>) -> Result<Items<'v>> {
        self.step(1 + focus.len())?;
        match expr {
            Expr::Empty => Ok(Vec::new()),
            Expr::Literal(literal) => Ok(vec![literal.item()]),
            Expr::This => Ok(scope.this.to_vec()),
            Expr::Index => Ok(scope.index.and_then(|i| i64::try_from(i).ok()).map(Item::Integer).into_iter().collect()),
            Expr::Total => Ok(scope.total.unwrap_or_default().to_vec()),
            Expr::Variable(name) => self.variable(name),
            Expr::Member(name) => self.member(name, focus),
            Expr::Path(left, right) => {
                let left = self.evaluate(left, focus, scope)?;
                self.evaluate(right, &left, scope)
            }
            Expr::Call(function, arguments) => self.call(*function, arguments, focus, scope),
            Expr::Indexer(left, index) => {
                let items = self.evaluate(left, focus, scope)?;
                let index = self.evaluate(index, focus, scope)?;
                match single(&index)?.map(Item::to_system) {
                    Some(Item::Integer(index)) => {
                        Ok(usize::try_from(index).ok().and_then(|i| items.into_iter().nth(i)).into_iter().collect())
                    }
                    None => Ok(Vec::new()),
                    _ => execution("an index must be a whole number"),
                }
            }
            Expr::Negate(operand) => math::negate(&self.evaluate(operand, focus, scope)?),
            Expr::Plus(operand) => self.evaluate(operand, focus, scope),
            Expr::Binary(operator, left, right) => {
                let left = self.evaluate(left, focus, scope)?;
                let right = self.evaluate(right, focus, scope)?;
                if *operator == Operator::Union {
                    return self.distinct(&[left, right].concat());
                }
                self.step(left.len().saturating_mul(right.len()))?;
                operate(*operator, left, right)
            }
            Expr::Is(left, type_name) => {
                let items = self.evaluate(left, focus, scope)?;
                Ok(single(&items)?.map(|item| Item::Boolean(is_type(item, type_name))).into_iter().collect())
            }
            Expr::As(left, type_name) => {
                let items = self.evaluate(left, focus, scope)?;
                if self.context.is_strict {
                    single(&items)?;
                }
                of_type(items, type_name)
            }
            Expr::OfType(left, type_name) => of_type(self.evaluate(left, focus, scope)?, type_name),
        }
    }

    fn variable(&self, name: &str) -> Result<Items<'v>> {
        let text = match name {
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            "resource" | "rootResource" | "context" => return Ok(vec![self.root.clone()]),
            other => match (other.strip_prefix("vs-"), other.strip_prefix("ext-")) {
                (Some(set), _) => format!("http://hl7.org/fhir/ValueSet/{set}"),
                (_, Some(extension)) => format!("http://hl7.org/fhir/StructureDefinition/{extension}"),
                _ => return execution("a variable is not known"),
            },
        };
        Ok(vec![Item::String(Cow::Owned(text))])
    }

    fn member(&self, name: &str, focus: &[Item<'v>]) -> Result<Items<'v>> {
        let mut found = Vec::new();
        let mut is_known = focus.is_empty() || name.starts_with("resourceType");
        for item in focus {
            match item {
                Item::Element(element) => is_known |= children_named(element, name, &mut found),
                Item::Type { namespace, name: type_name } => {
                    is_known = true;
                    match name {
                        "namespace" => found.push(Item::String(Cow::Borrowed(namespace))),
                        "name" => found.push(Item::String(Cow::Borrowed(type_name))),
                        _ => {}
                    }
                }
                _ => is_known |= !self.context.is_strict,
            }
        }
        if !is_known && self.context.is_strict {
            return Err(EvaluationError::Semantic("an element is not known for the type it is asked of"));
        }
        Ok(found)
    }

    /// Evaluates a criterion or projection once for an item.
    fn each(&self, expr: &'v Expr, item: &Item<'v>, index: usize, total: Option<&[Item<'v>]>) -> Result<Items<'v>> {
        let this = std::slice::from_ref(item);
        self.evaluate(expr, this, Scope { this, index: Some(index), total })
    }

    /// An argument that is evaluated once, in the scope around the call.
    pub(super) fn argument(&self, arguments: &'v [Expr], at: usize, scope: Scope<'_, 'v>) -> Result<Items<'v>> {
        match arguments.get(at) {
            Some(expr) => self.evaluate(expr, scope.this, scope),
            None => Ok(Vec::new()),
        }
    }

    fn call(
        &self,
        function: Function,
        arguments: &'v [Expr],
        focus: &[Item<'v>],
        scope: Scope<'_, 'v>,
    ) -> Result<Items<'v>> {
        use Function::*;
        match function {
            Where | Select | All | Exists | Repeat | Aggregate | Iif | Sort | Trace => {
                self.call_lazy(function, arguments, focus, scope)
            }
            Empty | Count | Distinct | IsDistinct | First | Last | Tail | Single | Not | AllTrue | AllFalse
            | AnyTrue | AnyFalse | Children | Descendants | Type | HasValue | GetValue | Resolve => {
                self.call_plain(function, focus)
            }
            Skip | Take | Union | Combine | Intersect | Exclude | SubsetOf | SupersetOf | Extension | ConformsTo => {
                let other = self.argument(arguments, 0, scope)?;
                self.step(focus.len().saturating_mul(other.len()))?;
                self.call_with(function, focus, other)
            }
            Now | Today | TimeOfDay => Ok(self.clock(function)),
            LowBoundary | HighBoundary | Precision | Comparable => {
                boundary::call(function, focus, &self.argument(arguments, 0, scope)?)
            }
            Abs | Ceiling | Exp | Floor | Ln | Log | Power | Round | Sqrt | Truncate => {
                math::call(function, focus, &self.argument(arguments, 0, scope)?)
            }
            ToBoolean | ToDate | ToDateTime | ToDecimal | ToInteger | ToQuantity | ToString | ToTime
            | ConvertsToBoolean | ConvertsToDate | ConvertsToDateTime | ConvertsToDecimal | ConvertsToInteger
            | ConvertsToQuantity | ConvertsToString | ConvertsToTime => convert::call(function, focus),
            _ => strings::call(
                function,
                focus,
                &self.argument(arguments, 0, scope)?,
                &self.argument(arguments, 1, scope)?,
            ),
        }
    }

    /// Functions whose arguments are evaluated for each item.
    fn call_lazy(
        &self,
        function: Function,
        arguments: &'v [Expr],
        focus: &[Item<'v>],
        scope: Scope<'_, 'v>,
    ) -> Result<Items<'v>> {
        let first = arguments.first();
        let mut out = Vec::new();
        match (function, first) {
            (Function::Exists, None) => return Ok(boolean(!focus.is_empty())),
            (Function::Trace, _) => return Ok(focus.to_vec()),
            (Function::Repeat, Some(expr)) => return self.repeat(expr, focus),
            (Function::Sort, _) => return self.sort(arguments, focus),
            (Function::Iif, Some(criterion)) => {
                single(focus)?;
                let inner = if focus.is_empty() { scope } else { Scope { this: focus, ..scope } };
                let criterion = self.evaluate(criterion, inner.this, inner)?;
                let is_true = match single(&criterion)?.map(Item::to_system) {
                    Some(Item::Boolean(value)) => value,
                    None => false,
                    _ => return Err(EvaluationError::Semantic("the criterion of iif must be a boolean")),
                };
                return self.argument(arguments, if is_true { 1 } else { 2 }, inner);
            }
            (Function::Aggregate, Some(expr)) => {
                let mut total = self.argument(arguments, 1, scope)?;
                for (index, item) in focus.iter().enumerate() {
                    total = self.each(expr, item, index, Some(&total))?;
                }
                return Ok(total);
            }
            (_, None) => return execution("an argument is missing"),
            (_, Some(expr)) => {
                for (index, item) in focus.iter().enumerate() {
                    let result = self.each(expr, item, index, scope.total)?;
                    match function {
                        Function::Select => out.extend(result),
                        Function::Where if truth(&result)? == Some(true) => out.push(item.clone()),
                        Function::Exists if truth(&result)? == Some(true) => return Ok(boolean(true)),
                        Function::All if truth(&result)? != Some(true) => return Ok(boolean(false)),
                        _ => {}
                    }
                }
            }
        }
        match function {
            Function::Exists => Ok(boolean(false)),
            Function::All => Ok(boolean(true)),
            _ => Ok(out),
        }
    }

    fn repeat(&self, expr: &'v Expr, focus: &[Item<'v>]) -> Result<Items<'v>> {
        let mut out: Items<'v> = Vec::new();
        let mut queue = focus.to_vec();
        while !queue.is_empty() {
            let mut next = Vec::new();
            for (index, item) in queue.iter().enumerate() {
                for found in self.each(expr, item, index, None)? {
                    self.step(out.len())?;
                    if !contains(&out, &found) {
                        out.push(found.clone());
                        next.push(found);
                    }
                }
            }
            queue = next;
        }
        Ok(out)
    }

    /// Without arguments by the items themselves; a minus before an argument turns its order round.
    fn sort(&self, arguments: &'v [Expr], focus: &[Item<'v>]) -> Result<Items<'v>> {
        let this = [Expr::This];
        let mut keyed = Vec::new();
        for (index, item) in focus.iter().enumerate() {
            let mut keys = Vec::new();
            for argument in arguments {
                let expr = if let Expr::Negate(inner) = argument { inner } else { argument };
                keys.push(self.each(expr, item, index, None)?);
            }
            if arguments.is_empty() {
                keys.push(vec![item.clone()]);
            }
            keyed.push((keys, item));
        }
        let orders = if arguments.is_empty() { &this[..] } else { arguments };
        let mut failure = None;
        keyed.sort_by(|(a, _), (b, _)| {
            for ((a, b), argument) in a.iter().zip(b).zip(orders) {
                let order = match (a.first(), b.first()) {
                    (None, None) => Ordering::Equal,
                    // What has no key comes first in either order.
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(a), Some(b)) => match a.compare(b) {
                        Ok(order) => order.unwrap_or(Ordering::Equal),
                        Err(reason) => {
                            failure = Some(reason);
                            Ordering::Equal
                        }
                    },
                };
                let order = if matches!(argument, Expr::Negate(_)) { order.reverse() } else { order };
                if order.is_ne() {
                    return order;
                }
            }
            Ordering::Equal
        });
        match failure {
            Some(reason) => execution(reason),
            None => Ok(keyed.into_iter().map(|(_, item)| item.clone()).collect()),
        }
    }
}

pub(super) fn contains(items: &[Item<'_>], wanted: &Item<'_>) -> bool {
    items.iter().any(|item| item.equals(wanted) == Some(true))
}
