//! Index values of a resource for the R4 search parameters, typed and normalised. Nothing is stored or queried here.

mod value;

pub use crate::date::Interval;
pub use value::{Component, IndexValue, Options, normalise};

use crate::json::Value;
use crate::reference::Target;

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
    /// Position among all parameters, the same in every run of one build; keep `code` where it must last longer.
    pub number: u16,
    /// Name in a query: `birthdate`.
    pub code: &'static str,
    /// Form of its values.
    pub kind: ParameterKind,
    /// Types that a reference may point to; `["*"]` for any.
    pub targets: Vec<&'static str>,
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
    codes: Option<Vec<&'static str>>,
}

impl Selection {
    /// All R4 parameters.
    pub fn all() -> Self {
        Self { codes: None }
    }

    /// Those with one of these codes, for whatever type they exist: `["identifier", "patient", "date"]`.
    pub fn of(codes: &[&str]) -> Self {
        let _ = codes;
        Self { codes: Some(Vec::new()) }
    }
}

/// Gives every value of every selected parameter of the resource to `visit`.
pub fn index<'v>(
    resource: &'v Value<'_>,
    selection: &Selection,
    options: &Options,
    visit: &mut dyn FnMut(&'static Parameter, IndexValue<'v>),
) {
    let _ = (resource, &selection.codes, options, visit);
}

/// The same as a list.
pub fn index_all<'v>(resource: &'v Value<'_>, selection: &Selection, options: &Options) -> Vec<IndexEntry<'v>> {
    let mut entries = Vec::new();
    index(resource, selection, options, &mut |parameter, value| {
        entries.push(IndexEntry { code: parameter.code, value })
    });
    entries
}

/// Whose record the resource belongs to: the Patient itself, or the references of the R4 patient compartment, in the order of the
/// definition; only those to a Patient (or to a bundle entry, whose type the text does not tell).
pub fn patient_of<'v>(resource: &'v Value<'_>) -> Vec<Target<'v>> {
    let _ = resource;
    Vec::new()
}

/// The encounter the resource belongs to.
pub fn encounter_of<'v>(resource: &'v Value<'_>) -> Option<Target<'v>> {
    let _ = resource;
    None
}

/// When what the resource tells happened.
pub fn clinical_date(resource: &Value<'_>, options: &Options) -> Option<Interval> {
    let _ = (resource, options);
    None
}
