//! FHIR R4 (4.0.1) as data: strict JSON with limits, resources with their original bytes, structural validation, FHIRPath and the
//! search parameters. No I/O, no clock, no storage, no profiles.
//!
//! ```text
//! json::parse(&[u8], &Limits) -> Result<Value<'_>, JsonError>      strings borrow from the input
//! Resource::parse(&[u8], &Limits) -> Result<Resource<'_>, ResourceError>; kind() id() meta() references() attachment_urls()
//! validate(&Value) -> Report { faults: Vec<Fault { severity, path, reason }>, has_more }
//! search::index(&Value, &Selection, &Options, &mut dyn FnMut(&'static Parameter, IndexValue<'_>))
//! search::index_all(&Value, &Selection, &Options) -> Vec<IndexEntry<'_>>
//! search::patient_of(&Value) -> Vec<Target<'_>>      search::encounter_of(&Value) -> Option<Target<'_>>
//! search::clinical_date(&Value, &Options) -> Option<Interval { low_us, high_us }>
//! fhirpath::Expression::compile(&str)?.evaluate(&Value, &Context) -> Result<Vec<Item<'_>>, EvaluationError>
//! OperationOutcome::of_report(&Report).into_value() -> Value<'static>
//! ```

pub mod date;
pub mod fhirpath;
pub mod json;
pub mod outcome;
pub mod path;
pub mod reference;
pub mod resource;
pub mod search;
pub mod tables;
pub mod validate;

pub use json::{JsonError, Limits, Value};
pub use outcome::OperationOutcome;
pub use reference::Target;
pub use resource::{Resource, ResourceError, visit_references};
pub use validate::{Fault, Report, Severity, validate};
