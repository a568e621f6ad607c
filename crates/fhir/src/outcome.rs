//! Builds OperationOutcome resources, the form in which FHIR says what went wrong. Not an error type of this program.

use crate::json::Value;
use crate::validate::{Report, Severity};

/// An OperationOutcome in the making.
#[derive(Clone, Debug, Default)]
pub struct OperationOutcome {
    issues: Vec<Value<'static>>,
}

impl OperationOutcome {
    /// One without issues; add at least one, as R4 requires.
    pub fn new() -> Self {
        Self::default()
    }

    /// One error or warning for each fault.
    pub fn of_report(report: &Report) -> Self {
        let mut outcome = Self::new();
        for fault in &report.faults {
            let severity = if fault.severity == Severity::Error { "error" } else { "warning" };
            outcome = outcome.issue(severity, "structure", &fault.reason, Some(&fault.path));
        }
        if report.has_more {
            outcome = outcome.issue("information", "too-costly", "there are more faults, not listed", None);
        }
        outcome
    }

    /// Adds an issue. `severity` is of `issue-severity` (`fatal`, `error`, `warning`, `information`), `code` of `issue-type`
    /// (`structure`, `not-found`, `forbidden`, …), `place` a FHIRPath such as `Patient.name[0]`.
    #[must_use]
    pub fn issue(mut self, severity: &'static str, code: &'static str, text: &str, place: Option<&str>) -> Self {
        let mut issue = Value::object([
            ("severity", Value::from(severity)),
            ("code", Value::from(code)),
            ("diagnostics", Value::from(text.to_owned())),
        ]);
        if let Some(place) = place {
            issue.set("expression", vec![Value::from(place.to_owned())]);
        }
        self.issues.push(issue);
        self
    }

    /// The resource.
    pub fn into_value(self) -> Value<'static> {
        Value::object([("resourceType", Value::from("OperationOutcome")), ("issue", Value::Array(self.issues))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use crate::validate::validate;

    #[test]
    fn an_outcome_of_faults_is_itself_valid() {
        let bad = parse(br#"{"resourceType":"Patient","name":{},"x":1}"#, &Limits::default())
            .expect("the test's JSON parses");
        let outcome = OperationOutcome::of_report(&validate(&bad)).into_value();
        assert!(validate(&outcome).is_valid());
        assert_eq!(outcome.each("issue").count(), 2);
        assert_eq!(outcome.at("issue.0.expression.0").and_then(Value::as_str), Some("Patient.name"));
    }
}
