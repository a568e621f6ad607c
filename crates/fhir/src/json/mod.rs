//! JSON as FHIR needs it: numbers keep their text, objects keep their order, strings borrow from the input. Not a general serde
//! replacement: there are no derived types, and what RFC 8259 leaves open (duplicate names, lone surrogates) is refused.

mod parse;
mod write;

pub use parse::{JsonError, Limits, Reason, parse};

use std::borrow::Cow;

/// One JSON value. Strings and numbers borrow from the parsed bytes unless they had escapes or were built by the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`, in FHIR only within arrays of primitives.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its exact text.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object: names and values in their order; no name occurs twice in a parsed object.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The member `name` of an object.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.members().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Follows names and array positions: `at("name.0.family")`.
    pub fn at(&self, path: &str) -> Option<&Value<'a>> {
        path.split('.').try_fold(self, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => value.get(step),
        })
    }

    /// The string at `name`.
    #[inline]
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The items of the array at `name`, or the single value there, or nothing.
    #[inline]
    pub fn each(&self, name: &str) -> std::slice::Iter<'_, Value<'a>> {
        self.get(name).map_or([].iter(), Value::items)
    }

    /// The items of an array, or the value itself as the only item; nothing for null.
    #[inline]
    pub fn items(&self) -> std::slice::Iter<'_, Value<'a>> {
        match self {
            Value::Array(items) => items.iter(),
            Value::Null => [].iter(),
            single => std::slice::from_ref(single).iter(),
        }
    }

    /// The members of an object in their order; empty for everything else.
    #[inline]
    pub fn members(&self) -> &[(Cow<'a, str>, Value<'a>)] {
        match self {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The text of a string.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string, number or boolean: a FHIR primitive as it is written.
    pub fn primitive_text(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a number written as an integer.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The nearest binary floating point value of a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    /// An object of these members.
    pub fn object<K: Into<Cow<'a, str>>>(members: impl IntoIterator<Item = (K, Value<'a>)>) -> Value<'a> {
        Value::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Sets or replaces a member. A value that is not an object becomes one.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) {
        let (name, value) = (name.into(), value.into());
        if !self.is_object() {
            *self = Value::Object(Vec::new());
        }
        if let Value::Object(members) = self {
            match members.iter_mut().find(|(key, _)| *key == name) {
                Some(member) => member.1 = value,
                None => members.push((name, value)),
            }
        }
    }

    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(members) => {
                let own = |(key, value): (Cow<'a, str>, Value<'a>)| (Cow::Owned(key.into_owned()), value.into_owned());
                Value::Object(members.into_iter().map(own).collect())
            }
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::String(Cow::Owned(text))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Number(Cow::Owned(value.to_string()))
    }
}

impl<'a> From<Vec<Value<'a>>> for Value<'a> {
    fn from(items: Vec<Value<'a>>) -> Self {
        Value::Array(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_paths_and_items() {
        let text = br#"{"a":[{"b":"x"},{"b":"y"}],"c":1.50,"d":true,"e":null,"f":"z"}"#;
        let value = parse(text, &Limits::default()).expect("the text is valid");
        assert_eq!(value.at("a.1.b").and_then(Value::as_str), Some("y"));
        assert_eq!(value.at("a.2.b"), None);
        assert_eq!(value.each("a").count(), 2);
        assert_eq!(value.each("f").count(), 1);
        assert_eq!(value.each("e").count(), 0);
        assert_eq!(value.get("c").and_then(Value::primitive_text), Some("1.50"));
        assert_eq!(value.to_string().as_bytes(), text);
    }

    #[test]
    fn sets_members() {
        let mut value = Value::Null;
        value.set("a", "1");
        value.set("a", 2);
        value.set("b", true);
        assert_eq!(value.to_string(), r#"{"a":2,"b":true}"#);
    }
}
