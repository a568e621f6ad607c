//! The operators of FHIRPath over two collections. Arithmetic itself stands in `math`.

use super::ast::Operator;
use super::evaluate::{Items, Result, boolean, contains, execution, single, truth};
use super::item::Item;
use super::math;
use std::cmp::Ordering;

pub(super) fn operate<'v>(operator: Operator, left: Items<'v>, right: Items<'v>) -> Result<Items<'v>> {
    use Operator::*;
    match operator {
        Equal => Ok(answer(equal(&left, &right))),
        NotEqual => Ok(answer(equal(&left, &right).map(|is_equal| !is_equal))),
        Equivalent => Ok(boolean(equivalent(&left, &right))),
        NotEquivalent => Ok(boolean(!equivalent(&left, &right))),
        In | Contains => {
            let (item, items) = if operator == In { (&left, &right) } else { (&right, &left) };
            Ok(single(item)?.map(|item| Item::Boolean(contains(items, item))).into_iter().collect())
        }
        And | Or | Xor | Implies => logic(operator, truth(&left)?, truth(&right)?),
        Concatenate => {
            let text = |items: &Items<'v>| -> Result<String> {
                match single(items)? {
                    None => Ok(String::new()),
                    Some(item) => {
                        item.text().map(|t| t.into_owned()).ok_or(super::EvaluationError::Execution("& needs texts"))
                    }
                }
            };
            Ok(vec![Item::String((text(&left)? + &text(&right)?).into())])
        }
        Less | LessOrEqual | Greater | GreaterOrEqual => {
            let (Some(a), Some(b)) = (single(&left)?, single(&right)?) else { return Ok(Vec::new()) };
            let order = a.compare(b).or_else(execution)?;
            Ok(answer(order.map(|order| match operator {
                Less => order == Ordering::Less,
                LessOrEqual => order != Ordering::Greater,
                Greater => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })))
        }
        Union => execution("a union is made by the session"),
        Add | Subtract | Multiply | Divide | Div | Mod => {
            let (Some(a), Some(b)) = (single(&left)?, single(&right)?) else { return Ok(Vec::new()) };
            math::calculate(operator, &a.to_system(), &b.to_system())
        }
    }
}

fn answer<'v>(value: Option<bool>) -> Items<'v> {
    value.map(Item::Boolean).into_iter().collect()
}

/// Three-valued logic.
fn logic<'v>(operator: Operator, left: Option<bool>, right: Option<bool>) -> Result<Items<'v>> {
    let result = match (operator, left, right) {
        (Operator::And, Some(false), _) | (Operator::And, _, Some(false)) => Some(false),
        (Operator::And, Some(true), Some(true)) => Some(true),
        (Operator::Or, Some(true), _) | (Operator::Or, _, Some(true)) => Some(true),
        (Operator::Or, Some(false), Some(false)) => Some(false),
        (Operator::Xor, Some(a), Some(b)) => Some(a != b),
        (Operator::Implies, Some(false), _) | (Operator::Implies, _, Some(true)) => Some(true),
        (Operator::Implies, Some(true), b) => b,
        _ => None,
    };
    Ok(answer(result))
}

/// Item by item in order; none when either side is empty or an item cannot be told.
fn equal(left: &[Item<'_>], right: &[Item<'_>]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut result = Some(true);
    for (a, b) in left.iter().zip(right) {
        match a.equals(b) {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

/// In any order.
fn equivalent(left: &[Item<'_>], right: &[Item<'_>]) -> bool {
    let mut rest: Vec<&Item<'_>> = right.iter().collect();
    left.len() == right.len()
        && left.iter().all(|a| match rest.iter().position(|b| a.equivalent(b)) {
            Some(at) => {
                rest.swap_remove(at);
                true
            }
            None => false,
        })
}
