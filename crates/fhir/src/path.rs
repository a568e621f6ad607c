//! Where in a resource something stands, as a chain on the stack that becomes text only when it is shown. Not a query language.

use std::fmt;

/// A place: the one before it, and one more step.
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The place of a whole resource, shown as its type.
    pub fn root(name: &'p str) -> Self {
        Path { parent: None, step: Step::Name(name) }
    }

    /// The member `name` of this place.
    #[inline]
    pub fn member(&'p self, name: &'p str) -> Self {
        Path { parent: Some(self), step: Step::Name(name) }
    }

    /// Item `index` of this place, from 0.
    #[inline]
    pub fn item(&'p self, index: usize) -> Self {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// The name of the nearest member on the way here.
    pub fn name(&self) -> &str {
        match (self.step, self.parent) {
            (Step::Name(name), _) => name,
            (Step::Index(_), Some(parent)) => parent.name(),
            (Step::Index(_), None) => "",
        }
    }
}

/// `Patient.contact[0].name`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(out, "{parent}")?;
        }
        match self.step {
            Step::Name(name) if self.parent.is_some() => write!(out, ".{name}"),
            Step::Name(name) => out.write_str(name),
            Step::Index(index) => write!(out, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_names_and_positions() {
        let root = Path::root("Patient");
        let contact = root.member("contact");
        let first = contact.item(0);
        assert_eq!(first.member("name").to_string(), "Patient.contact[0].name");
        assert_eq!(first.name(), "contact");
    }
}
