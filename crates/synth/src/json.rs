//! JSON as the generator writes it: a tree that keeps the order of its fields. It reads nothing.
//!
//! The order is part of "same options, same bytes", and must not hang on a feature of a JSON library.

use std::borrow::Cow;

/// A piece of JSON. [`Node::Absent`] fields are left out of their object.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Absent,
    Text(Cow<'static, str>),
    /// Already in JSON's form of a number or a boolean.
    Bare(Cow<'static, str>),
    List(Vec<Node>),
    Object(Vec<(&'static str, Node)>),
}

/// A text.
pub(crate) fn text(value: impl Into<Cow<'static, str>>) -> Node {
    Node::Text(value.into())
}

/// A whole number.
pub(crate) fn whole(value: impl std::fmt::Display) -> Node {
    Node::Bare(value.to_string().into())
}

/// A decimal with a fixed number of places, as laboratories write them.
pub(crate) fn decimal(value: f64, places: usize) -> Node {
    Node::Bare(format!("{value:.places$}").into())
}

/// An object with its fields in this order.
pub(crate) fn object<const N: usize>(fields: [(&'static str, Node); N]) -> Node {
    Node::Object(fields.into())
}

/// A list.
pub(crate) fn list(items: impl Into<Vec<Node>>) -> Node {
    Node::List(items.into())
}

/// A list of one.
pub(crate) fn one(item: Node) -> Node {
    Node::List(vec![item])
}

impl Node {
    /// Appends the text of this node.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => out.extend_from_slice(b"null"),
            Self::Text(value) => quote(value, out),
            Self::Bare(value) => out.extend_from_slice(value.as_bytes()),
            Self::List(items) => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                let mut first = true;
                for (name, value) in fields.iter().filter(|(_, value)| !matches!(value, Self::Absent)) {
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    quote(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn quote(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_by_another() {
        let node = object([
            ("b", text("줄\n\"따옴표\"\\\u{1}")),
            ("a", list([whole(3), decimal(6.15, 1), Node::Bare("true".into())])),
            ("gone", Node::Absent),
        ]);
        let mut out = Vec::new();
        node.write(&mut out);
        let back: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
        assert_eq!(back, serde_json::json!({"b": "줄\n\"따옴표\"\\\u{1}", "a": [3, 6.2, true]}));
        assert!(out.starts_with(b"{\"b\":"), "fields keep their order");
    }
}
