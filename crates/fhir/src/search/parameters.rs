//! All search parameters of R4, compiled: for each resource type its parameters, and which of them tell patient, encounter and date.

use super::plan::{Route, into_member, routes};
use super::value::takes;
use super::{Parameter, ParameterKind};
use crate::fhirpath::Expression;
use crate::tables::{SearchRow, Tables, TypeId, tables};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The parameters of one resource type.
#[derive(Debug, Default)]
pub(super) struct OfType {
    /// Sorted by code.
    pub(super) parameters: Vec<Parameter>,
    /// Ways to the patient, in the order of the compartment definition.
    pub(super) patient: Vec<Route>,
    /// Ways to the encounter: the element of that name, then parameters, because some types have one of them only.
    pub(super) encounter: Vec<Route>,
    /// Positions of those that tell the clinical date, the best first.
    pub(super) date: Vec<usize>,
}

/// How the values of a parameter are found.
#[derive(Debug)]
pub(super) enum Source {
    /// Along routes.
    Routes(Vec<Route>),
    /// By evaluation; the answer is a boolean in R4.
    Evaluated(Expression),
    /// For each element along a route, the components by routes from there.
    Composite(Vec<(Route, Vec<Part>)>),
}

/// One component of a composite.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) code: &'static str,
    pub(super) kind: ParameterKind,
    pub(super) routes: Vec<Route>,
}

/// When it happened comes before when it was written down.
const DATE_CODES: [&str; 19] = [
    "date",
    "onset-date",
    "effective-time",
    "effective",
    "whenhandedover",
    "whenprepared",
    "started",
    "occurrence",
    "collected",
    "period",
    "authoredon",
    "authored",
    "authored-on",
    "start-date",
    "sent",
    "recorded-date",
    "created",
    "recorded",
    "issued",
];
/// A document's date tells when it was filed; its context tells when the care took place.
const DOCUMENT_DATE_CODES: [&str; 2] = ["period", "date"];
const ENCOUNTER_CODES: [&str; 2] = ["encounter", "context"];

/// The parameters of a resource type.
pub(super) fn of_type(id: TypeId) -> &'static OfType {
    static ALL: OnceLock<Vec<OfType>> = OnceLock::new();
    &ALL.get_or_init(load)[id.number()]
}

fn load() -> Vec<OfType> {
    let rows: Vec<SearchRow> = Tables::search_rows().collect();
    let parsed: Vec<Option<Expression>> = rows.iter().map(|row| Expression::compile(row.expression).ok()).collect();
    let mut codes: Vec<&str> = rows.iter().map(|row| row.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let compartment: HashMap<&str, Vec<&str>> =
        Tables::patient_compartment().map(|(name, list)| (name, list.collect())).collect();
    let mut all = Vec::new();
    for (id, def) in tables().all() {
        let mut of_type = OfType::default();
        if tables().resource(def.name).is_some() {
            for (row, expression) in rows.iter().zip(&parsed) {
                let applies =
                    row.bases.split(' ').any(|base| base == def.name || base == "Resource" || base == "DomainResource");
                if let (true, Some(expression)) = (applies && !row.expression.is_empty(), expression) {
                    let number = codes.binary_search(&row.code).expect("the code comes from the same rows");
                    let number = u16::try_from(number).expect("R4 has fewer codes than 65,536");
                    of_type.parameters.push(compile(row, expression, id, number, &rows));
                }
            }
            of_type.parameters.sort_by_key(|parameter| parameter.code);
            let positions = |codes: &[&str]| -> Vec<usize> {
                let find = |code: &&str| of_type.parameters.iter().position(|p| p.code == *code);
                codes.iter().filter_map(find).collect()
            };
            let ways = |positions: Vec<usize>| -> Vec<Route> {
                let sources = positions.into_iter().map(|at| &of_type.parameters[at].source);
                sources
                    .flat_map(|source| if let Source::Routes(routes) = source { routes.as_slice() } else { &[] })
                    .cloned()
                    .collect()
            };
            let patient = ways(positions(compartment.get(def.name).map_or(&[], Vec::as_slice)));
            let mut encounter = into_member(vec![Route::start(id)], "encounter");
            encounter.extend(ways(positions(&ENCOUNTER_CODES)));
            let date = positions(if def.name == "DocumentReference" { &DOCUMENT_DATE_CODES } else { &DATE_CODES });
            (of_type.patient, of_type.encounter, of_type.date) = (patient, encounter, date);
            of_type.date.retain(|at| of_type.parameters[*at].kind == ParameterKind::Date);
        }
        all.push(of_type);
    }
    all
}

fn compile(row: &SearchRow, expression: &Expression, root: TypeId, number: u16, rows: &[SearchRow]) -> Parameter {
    let kind = kind_of(row.kind);
    let targets = if row.targets.is_empty() { Vec::new() } else { row.targets.split(' ').collect() };
    let source = match routes(expression.tree(), root) {
        Some(found) if kind == ParameterKind::Composite => {
            let parts = |route: &Route| {
                row.components.split(';').map(|part| compile_part(part, root, route.type_id, rows)).collect()
            };
            Source::Composite(found.into_iter().map(|route| (route.clone(), parts(&route))).collect())
        }
        Some(found) => Source::Routes(usable(found, kind)),
        None => Source::Evaluated(expression.clone()),
    };
    Parameter { number, code: row.code, kind, targets, source }
}

/// A component is a parameter of the same resource type, but its expression starts at the element of the composite.
fn compile_part(text: &'static str, resource: TypeId, element: TypeId, rows: &[SearchRow]) -> Part {
    let (code, expression) = text.split_once(' ').unwrap_or((text, ""));
    let name = tables().get(resource).name;
    let row = rows.iter().find(|row| row.code == code && row.bases.split(' ').any(|base| base == name));
    let kind = row.map_or(ParameterKind::Special, |row| kind_of(row.kind));
    let expression = Expression::compile(expression).ok();
    let found = expression.and_then(|expression| routes(expression.tree(), element)).unwrap_or_default();
    Part { code, kind, routes: usable(found, kind) }
}

/// Choices often have types that the parameter cannot take.
fn usable(mut routes: Vec<Route>, kind: ParameterKind) -> Vec<Route> {
    routes.retain(|route| takes(kind, tables().get(route.type_id).name));
    routes
}

fn kind_of(text: &str) -> ParameterKind {
    match text {
        "token" => ParameterKind::Token,
        "string" => ParameterKind::String,
        "date" => ParameterKind::Date,
        "reference" => ParameterKind::Reference,
        "quantity" => ParameterKind::Quantity,
        "number" => ParameterKind::Number,
        "uri" => ParameterKind::Uri,
        "composite" => ParameterKind::Composite,
        _ => ParameterKind::Special,
    }
}
