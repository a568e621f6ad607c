//! From elements to their children, and what type they are. Knows the JSON form of FHIR: choices, primitives with siblings, lists.

use super::ast::TypeName;
use super::evaluate::{Items, Result, execution};
use super::item::{Element, Item, is_resource};
use crate::json::Value;
use crate::tables::{Kind, TypeId, tables};

/// Adds the children of that name; answers whether the type has such an element at all.
pub(super) fn children_named<'v>(element: &Element<'v>, name: &str, out: &mut Items<'v>) -> bool {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        let named = tables().find(name);
        if let (Some(id), Some(named)) = (element.type_id, named)
            && is_resource(id)
            && tables().is_a(id, named)
        {
            out.push(Item::Element(*element));
            return true;
        }
        return false;
    }
    let Some(type_id) = element.type_id else {
        child_at(element, name, None, out);
        return true;
    };
    if tables().get(type_id).primitive().is_some() {
        child_at(element, name, tables().find("Extension").filter(|_| name == "extension"), out);
        return name == "extension" || name == "id";
    }
    let mut is_known = false;
    for key in tables().get(type_id).keys_of_element(name) {
        is_known = true;
        child_at(element, &key.name, Some(key.type_id), out);
    }
    is_known
}

/// Adds what stands at the JSON name, each item with its sibling. Without a type the definitions are asked for it.
pub(super) fn child_at<'v>(element: &Element<'v>, name: &str, type_id: Option<TypeId>, out: &mut Items<'v>) {
    let of_key = || Some(tables().get(element.type_id?).key(name)?.type_id);
    let of_primitive = || tables().find("Extension").filter(|_| name == "extension");
    let type_id = type_id.or_else(of_key).or_else(of_primitive);
    let mut siblings = None;
    let mut value = None;
    if let Some(members) = element.value.map(|v| v.members()).filter(|members| !members.is_empty()) {
        value = members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let is_primitive = type_id.is_none_or(|id| tables().get(id).primitive().is_some());
        if is_primitive {
            siblings = members.iter().find(|(key, _)| key.strip_prefix('_') == Some(name)).map(|(_, value)| value);
        }
    } else if let Some(sibling) = element.sibling {
        value = sibling.get(name);
    }
    match (value, siblings) {
        (None, None) => {}
        (Some(Value::Array(_)), _) | (None, Some(Value::Array(_))) => {
            let at = |list: Option<&'v Value<'v>>, index: usize| match list {
                Some(Value::Array(items)) => items.get(index).filter(|item| **item != Value::Null),
                _ => None,
            };
            let length = |list: Option<&Value<'_>>| list.map_or(0, |list| list.items().len());
            for index in 0..length(value).max(length(siblings)) {
                push_child(at(value, index), at(siblings, index), type_id, out);
            }
        }
        (value, sibling) => push_child(value, sibling, type_id, out),
    }
}

fn push_child<'v>(
    value: Option<&'v Value<'v>>,
    sibling: Option<&'v Value<'v>>,
    type_id: Option<TypeId>,
    out: &mut Items<'v>,
) {
    if value.is_none() && sibling.is_none() {
        return;
    }
    let is_any_resource = type_id.is_some_and(|id| tables().get(id).kind == Kind::AbstractResource);
    out.push(match value {
        Some(value) if is_any_resource => Item::Element(Element::resource(value)),
        _ => Item::Element(Element { value, sibling, type_id }),
    });
}

pub(super) fn extensions<'v>(element: &Element<'v>, out: &mut Items<'v>) {
    let type_id = tables().find("Extension");
    for holder in [element.value, element.sibling].into_iter().flatten() {
        for extension in holder.each("extension") {
            out.push(Item::Element(Element { value: Some(extension), sibling: None, type_id }));
        }
    }
}

pub(super) fn is_type(item: &Item<'_>, wanted: &TypeName) -> bool {
    let (namespace, name) = item.type_name();
    if wanted.namespace.as_deref().is_some_and(|w| w != namespace) {
        return false;
    }
    match item {
        Item::Element(Element { type_id: Some(id), .. }) => {
            tables().find(&wanted.name).is_some_and(|w| tables().is_a(*id, w))
        }
        _ => name == wanted.name.as_ref(),
    }
}

/// Primitives must be of exactly that type here, other elements may be of a special one.
pub(super) fn of_type<'v>(mut items: Items<'v>, wanted: &TypeName) -> Result<Items<'v>> {
    const SYSTEM: [&str; 8] = ["Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"];
    if tables().find(&wanted.name).is_none() && !SYSTEM.contains(&wanted.name.as_ref()) {
        return execution("a type is not known");
    }
    items.retain(|item| match item {
        Item::Element(Element { type_id: Some(id), .. }) if tables().get(*id).primitive().is_some() => {
            is_type(item, wanted) && tables().get(*id).name == wanted.name.as_ref()
        }
        _ => is_type(item, wanted),
    });
    Ok(items)
}
