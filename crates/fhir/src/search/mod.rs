//! Index values of a resource for the R4 search parameters, typed and normalised. Nothing is stored or queried here.

mod parameters;
mod plan;
mod value;

pub use crate::date::Interval;
pub use value::{Component, IndexValue, Options, normalise};

use crate::fhirpath::{Context, Item};
use crate::json::Value;
use crate::reference::Target;
use crate::tables::{TypeId, tables};
use parameters::{OfType, Part, Source, of_type};
use plan::Route;
pub(crate) use value::fold_case;
use value::{date, extract};

/// Type of a search parameter, which decides the form of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum ParameterKind {
    Token,
    String,
    Date,
    Reference,
    Quantity,
    Number,
    Uri,
    Composite,
    /// `near`: not indexed.
    Special,
}

/// A search parameter of one resource type. All live as long as the program.
#[derive(Debug)]
pub struct Parameter {
    /// Position of the code among all codes of R4, sorted. The same as long as the generated tables are; store `code` where it must
    /// last longer.
    pub number: u16,
    /// Name in a query: `birthdate`.
    pub code: &'static str,
    /// Form of its values.
    pub kind: ParameterKind,
    /// Types that a reference may point to; `["*"]` for any.
    pub targets: Vec<&'static str>,
    source: Source,
}

/// One value of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexEntry<'v> {
    /// `Parameter::code`.
    pub code: &'static str,
    /// The value.
    pub value: IndexValue<'v>,
}

/// Which parameters are wanted. Made once, used for every resource.
#[derive(Debug)]
pub struct Selection {
    /// For each type of the tables the positions of the wanted parameters.
    wanted: Vec<Vec<u16>>,
}

impl Selection {
    /// All R4 parameters.
    pub fn all() -> Self {
        Self::matching(|_| true)
    }

    /// Those with one of these codes, for whatever type they exist: `["identifier", "patient", "date"]`.
    pub fn of(codes: &[&str]) -> Self {
        Self::matching(|parameter| codes.contains(&parameter.code))
    }

    /// Those that the function wants.
    pub fn matching(wants: impl Fn(&Parameter) -> bool) -> Self {
        let of = |id: TypeId| -> Vec<u16> {
            let positions = (0_u16..).zip(&of_type(id).parameters);
            positions.filter(|(_, parameter)| wants(parameter)).map(|(position, _)| position).collect()
        };
        Self { wanted: tables().all().map(|(id, _)| of(id)).collect() }
    }
}

/// The parameters of a resource type, sorted by code; empty for what is no resource type of R4.
pub fn parameters(resource_type: &str) -> &'static [Parameter] {
    tables().resource(resource_type).map_or(&[], |id| &of_type(id).parameters)
}

/// Gives every value of every selected parameter of the resource to `visit`, parameter by parameter. Values may repeat.
pub fn index<'v>(
    resource: &'v Value<'_>,
    selection: &Selection,
    options: &Options,
    visit: &mut dyn FnMut(&'static Parameter, IndexValue<'v>),
) {
    let resource: &'v Value<'v> = resource;
    let Some(id) = type_of(resource) else { return };
    let parameters = &of_type(id).parameters;
    for position in &selection.wanted[id.number()] {
        let parameter = &parameters[usize::from(*position)];
        match &parameter.source {
            Source::Routes(routes) => {
                for route in routes {
                    let type_name = tables().get(route.type_id).name;
                    route.walk(resource, false, &mut |element| {
                        extract(parameter.kind, type_name, element, options, &mut |value| visit(parameter, value));
                    });
                }
            }
            Source::Evaluated(expression) => {
                for item in expression.evaluate(resource, &Context::default()).unwrap_or_default() {
                    if let Item::Boolean(value) = item {
                        let code = if value { "true" } else { "false" };
                        visit(parameter, IndexValue::Token { system: None, code, text: None });
                    }
                }
            }
            Source::Composite(groups) => {
                for (route, parts) in groups {
                    route.walk(resource, false, &mut |element| {
                        if let Some(components) = composite(element, parts, options) {
                            visit(parameter, IndexValue::Composite(components));
                        }
                    });
                }
            }
        }
    }
}

/// The components at one element; none when one of them is missing.
fn composite<'v>(element: &'v Value<'v>, parts: &'static [Part], options: &Options) -> Option<Vec<Component<'v>>> {
    let mut components = Vec::with_capacity(parts.len());
    for part in parts {
        let mut values = Vec::new();
        for route in &part.routes {
            let type_name = tables().get(route.type_id).name;
            route.walk(element, false, &mut |found| {
                extract(part.kind, type_name, found, options, &mut |value| values.push(value))
            });
        }
        if values.is_empty() {
            return None;
        }
        components.push(Component { code: part.code, values });
    }
    Some(components)
}

/// The same as a list.
pub fn index_all<'v>(resource: &'v Value<'_>, selection: &Selection, options: &Options) -> Vec<IndexEntry<'v>> {
    let mut entries = Vec::new();
    index(resource, selection, options, &mut |parameter, value| {
        entries.push(IndexEntry { code: parameter.code, value })
    });
    entries
}

/// Most patients that one resource is taken to belong to.
pub const PATIENTS_MAX: usize = 1_000;

/// Whose record the resource belongs to: the Patient itself, or the references of the R4 patient compartment, in the order of the
/// definition and without repetition; only those to a Patient, or to a bundle entry, whose type the text does not tell.
pub fn patient_of<'v>(resource: &'v Value<'_>) -> Vec<Target<'v>> {
    let mut found = Vec::new();
    visit_links(resource, "Patient", |of_type| &of_type.patient, &mut |target| {
        if found.len() < PATIENTS_MAX && !found.contains(&target) {
            found.push(target);
        }
    });
    found
}

/// The encounter the resource belongs to: itself, or the first reference to an Encounter (or to a bundle entry).
pub fn encounter_of<'v>(resource: &'v Value<'_>) -> Option<Target<'v>> {
    let mut found = None;
    visit_links(resource, "Encounter", |of_type| &of_type.encounter, &mut |target| {
        found.get_or_insert(target);
    });
    found
}

/// When what the resource tells happened; where R4 has several dates, the one nearest to the care itself.
pub fn clinical_date(resource: &Value<'_>, options: &Options) -> Option<Interval> {
    let of_type = of_type(type_of(resource)?);
    of_type.date.iter().find_map(|position| {
        let mut found = None;
        if let Source::Routes(routes) = &of_type.parameters[*position].source {
            for route in routes {
                route.walk(resource, false, &mut |element| found = found.or_else(|| date(element, options)));
            }
        }
        found
    })
}

fn type_of(resource: &Value<'_>) -> Option<TypeId> {
    tables().resource(resource.str("resourceType")?)
}

/// Gives what the ways lead to, if it is of the kind or may be; for a resource of the kind itself.
fn visit_links<'v>(
    resource: &'v Value<'_>,
    kind: &'static str,
    which: fn(&OfType) -> &[Route],
    visit: &mut dyn FnMut(Target<'v>),
) {
    let resource: &'v Value<'v> = resource;
    let Some(id) = type_of(resource) else { return };
    if resource.str("resourceType") == Some(kind) {
        return resource.str("id").into_iter().for_each(|id| visit(Target::Relative { kind, id, version: None }));
    }
    for route in which(of_type(id)) {
        route.walk(resource, true, &mut |element| {
            let target = element.str("reference").map(Target::parse);
            let fits = |t: &Target<'_>| t.kind() == Some(kind) || matches!(t, Target::Urn(_));
            target.filter(fits).into_iter().for_each(&mut *visit);
        });
    }
}

#[cfg(test)]
mod tests;
