//! Search parameter expressions compiled to routes: fixed lists of JSON member names, so that indexing a resource looks up members and
//! does nothing else. The few expressions that are no routes keep their FHIRPath.

use crate::fhirpath::ast::{Expr, Literal, Operator, TypeName};
use crate::fhirpath::function::Function;
use crate::json::Value;
use crate::reference::Target;
use crate::tables::{TypeId, tables};
use std::borrow::Cow;

/// A way from a resource to elements of one type.
#[derive(Clone, Debug)]
pub(super) struct Route {
    steps: Vec<Step>,
    /// Type of the elements at its end.
    pub(super) type_id: TypeId,
}

#[derive(Clone, Debug)]
enum Step {
    /// Into a member, every item of it.
    Into(Cow<'static, str>),
    /// Into one item of a member.
    IntoItem(Cow<'static, str>, usize),
    /// On only if this is a reference to the type.
    IfRefersTo(Box<str>),
    /// On only if the member has the text.
    IfEquals(Box<str>, Box<str>),
}

/// The routes of an expression from the type; none when it needs the evaluator.
pub(super) fn routes(expr: &Expr, root: TypeId) -> Option<Vec<Route>> {
    match expr {
        Expr::Binary(Operator::Union, left, right) => {
            let mut all = routes(left, root)?;
            all.extend(routes(right, root)?);
            Some(all)
        }
        Expr::Member(name) => {
            Some(match tables().find(name).filter(|_| name.starts_with(|c: char| c.is_ascii_uppercase())) {
                Some(named) if tables().is_a(root, named) => vec![Route::start(root)],
                Some(_) => Vec::new(),
                None => into_member(vec![Route::start(root)], name),
            })
        }
        Expr::Path(left, right) => {
            let left = routes(left, root)?;
            match right.as_ref() {
                Expr::Member(name) => Some(into_member(left, name)),
                Expr::Call(Function::Where, arguments) => filtered(left, arguments.first()?),
                _ => None,
            }
        }
        Expr::As(left, type_name) | Expr::OfType(left, type_name) => Some(of_type(routes(left, root)?, type_name)),
        Expr::Indexer(left, index) => {
            let Expr::Literal(Literal::Integer(index)) = index.as_ref() else { return None };
            let index = usize::try_from(*index).ok()?;
            let mut all = routes(left, root)?;
            for route in &mut all {
                match route.steps.pop() {
                    Some(Step::Into(name)) => route.steps.push(Step::IntoItem(name, index)),
                    _ => return None,
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// One step further; an element with a choice of types makes a route for each type.
pub(super) fn into_member(routes: Vec<Route>, name: &str) -> Vec<Route> {
    let mut longer = Vec::new();
    for route in routes {
        let def = tables().get(route.type_id);
        for key in def.keys_of_element(name) {
            let mut steps = route.steps.clone();
            steps.push(Step::Into(key.name.clone()));
            longer.push(Route { steps, type_id: key.type_id });
        }
    }
    longer
}

fn of_type(mut routes: Vec<Route>, type_name: &TypeName) -> Vec<Route> {
    let wanted = tables().find(&type_name.name);
    routes.retain(|route| wanted.is_some_and(|wanted| tables().is_a(route.type_id, wanted)));
    routes
}

fn filtered(mut routes: Vec<Route>, condition: &Expr) -> Option<Vec<Route>> {
    let step = match condition {
        Expr::Is(left, type_name) if **left == Expr::Call(Function::Resolve, Vec::new()) => {
            Step::IfRefersTo(type_name.name.clone())
        }
        Expr::Binary(Operator::Equal, left, right) => match (left.as_ref(), right.as_ref()) {
            (Expr::Member(name), Expr::Literal(Literal::String(text))) => Step::IfEquals(name.clone(), text.clone()),
            _ => return None,
        },
        _ => return None,
    };
    for route in &mut routes {
        route.steps.push(step.clone());
    }
    Some(routes)
}

impl Route {
    /// The way that ends where it starts.
    pub(super) fn start(type_id: TypeId) -> Self {
        Self { steps: Vec::new(), type_id }
    }

    /// Gives every element at the end of the route. `trust_urns`: a reference to another entry of a bundle counts as being of the
    /// wanted type, because its text does not tell.
    #[inline]
    pub(super) fn walk<'v>(&self, from: &'v Value<'_>, trust_urns: bool, visit: &mut dyn FnMut(&'v Value<'v>)) {
        walk(&self.steps, from, trust_urns, visit);
    }
}

fn walk<'v>(steps: &[Step], value: &'v Value<'v>, trust_urns: bool, visit: &mut dyn FnMut(&'v Value<'v>)) {
    let Some((step, rest)) = steps.split_first() else { return visit(value) };
    match step {
        Step::Into(name) => {
            for item in value.each(name) {
                walk(rest, item, trust_urns, visit);
            }
        }
        Step::IntoItem(name, index) => {
            for item in value.each(name).skip(*index).take(1) {
                walk(rest, item, trust_urns, visit);
            }
        }
        Step::IfRefersTo(wanted) => {
            if refers_to(value, wanted, trust_urns) {
                walk(rest, value, trust_urns, visit);
            }
        }
        Step::IfEquals(name, text) => {
            if value.str(name) == Some(text) {
                walk(rest, value, trust_urns, visit);
            }
        }
    }
}

fn refers_to(reference: &Value<'_>, wanted: &str, trust_urns: bool) -> bool {
    let target = reference.str("reference").map(Target::parse);
    match target.and_then(|t| t.kind()).or_else(|| reference.str("type")) {
        Some(kind) => kind == wanted,
        None => trust_urns && matches!(target, Some(Target::Urn(_))),
    }
}
