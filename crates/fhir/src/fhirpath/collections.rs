//! Functions over whole collections whose arguments, if any, are evaluated before: counting, subsets, set operations, children,
//! extensions, references.

use super::evaluate::{Items, Result, Session, boolean, contains, execution, single, truth};
use super::function::Function;
use super::item::{Element, Item};
use super::navigate::{child_at, extensions};
use crate::reference::Target;
use crate::tables::tables;

impl<'v> Session<'v, '_> {
    pub(super) fn call_plain(&self, function: Function, focus: &[Item<'v>]) -> Result<Items<'v>> {
        Ok(match function {
            Function::Empty => boolean(focus.is_empty()),
            Function::Count => vec![Item::Integer(i64::try_from(focus.len()).unwrap_or(i64::MAX))],
            Function::Distinct => self.distinct(focus)?,
            Function::IsDistinct => boolean(self.distinct(focus)?.len() == focus.len()),
            Function::First => focus.first().cloned().into_iter().collect(),
            Function::Last => focus.last().cloned().into_iter().collect(),
            Function::Tail => focus.iter().skip(1).cloned().collect(),
            Function::Single => single(focus)?.cloned().into_iter().collect(),
            Function::Not => truth(focus)?.map(|value| Item::Boolean(!value)).into_iter().collect(),
            Function::AllTrue | Function::AllFalse | Function::AnyTrue | Function::AnyFalse => {
                booleans(function, focus)?
            }
            Function::Children => self.all_children(focus)?,
            Function::Descendants => {
                let mut out = Vec::new();
                let mut level = self.all_children(focus)?;
                while !level.is_empty() {
                    let next = self.all_children(&level)?;
                    out.append(&mut level);
                    level = next;
                }
                out
            }
            Function::Type => {
                let named = |item: &Item<'v>| {
                    let (namespace, name) = item.type_name();
                    Item::Type { namespace, name }
                };
                focus.iter().map(named).collect()
            }
            Function::HasValue => boolean(focus.len() == 1 && !matches!(focus[0].to_system(), Item::Element(_))),
            Function::GetValue => {
                let value = single(focus)?.map(Item::to_system);
                value.filter(|item| !matches!(item, Item::Element(_))).into_iter().collect()
            }
            _ => focus.iter().filter_map(|item| self.resolve(item)).collect(),
        })
    }

    pub(super) fn call_with(&self, function: Function, focus: &[Item<'v>], other: Items<'v>) -> Result<Items<'v>> {
        Ok(match function {
            Function::Skip | Function::Take => {
                let Some(Item::Integer(count)) = single(&other)?.map(Item::to_system) else {
                    return execution("a whole number is needed");
                };
                let count = usize::try_from(count).unwrap_or(0);
                let items = focus.iter().cloned();
                if function == Function::Skip { items.skip(count).collect() } else { items.take(count).collect() }
            }
            Function::Union => self.distinct(&[focus, &other].concat())?,
            Function::Combine => [focus, &other].concat(),
            Function::Intersect => {
                let shared: Items<'v> = focus.iter().filter(|item| contains(&other, item)).cloned().collect();
                self.distinct(&shared)?
            }
            Function::Exclude => focus.iter().filter(|item| !contains(&other, item)).cloned().collect(),
            Function::SubsetOf => boolean(focus.iter().all(|item| contains(&other, item))),
            Function::SupersetOf => boolean(other.iter().all(|item| contains(focus, item))),
            Function::Extension => {
                let Some(url) = single(&other)?.and_then(Item::text) else { return Ok(Vec::new()) };
                let mut all = Vec::new();
                for item in focus {
                    if let Item::Element(element) = item {
                        extensions(element, &mut all);
                    }
                }
                all.retain(|item| item.json().and_then(|json| json.str("url")) == Some(url.as_ref()));
                all
            }
            _ => {
                let Some(url) = single(&other)?.and_then(Item::text) else { return Ok(Vec::new()) };
                let wanted =
                    url.strip_prefix("http://hl7.org/fhir/StructureDefinition/").and_then(|name| tables().find(name));
                let (Some(wanted), Some(item)) = (wanted, single(focus)?) else {
                    return execution("the profile is not known here");
                };
                boolean(matches!(item, Item::Element(Element { type_id: Some(id), .. }) if tables().is_a(*id, wanted)))
            }
        })
    }

    pub(super) fn distinct(&self, items: &[Item<'v>]) -> Result<Items<'v>> {
        let mut out: Items<'v> = Vec::new();
        for item in items {
            self.step(out.len())?;
            if !contains(&out, item) {
                out.push(item.clone());
            }
        }
        Ok(out)
    }

    fn all_children(&self, focus: &[Item<'v>]) -> Result<Items<'v>> {
        let mut out = Vec::new();
        for item in focus {
            let Item::Element(element) = item else { continue };
            let value_members = element.value.map_or(&[][..], |value| value.members());
            let sibling_members = element.sibling.map_or(&[][..], |value| value.members());
            let mut seen: Vec<&str> = Vec::new();
            for (name, _) in value_members.iter().chain(sibling_members) {
                let plain = name.strip_prefix('_').unwrap_or(name);
                if plain == "resourceType" || seen.contains(&plain) {
                    continue;
                }
                seen.push(plain);
                child_at(element, plain, None, &mut out);
            }
            self.step(seen.len())?;
        }
        Ok(out)
    }

    /// A contained resource, or for other references an element without content but with the type that the reference names.
    fn resolve(&self, item: &Item<'v>) -> Option<Item<'v>> {
        let json = item.json()?;
        let text = json.as_str().or_else(|| json.str("reference"));
        let root = self.root.json();
        if let Some(Target::Contained(name)) = text.map(Target::parse) {
            let contained = root?.each("contained").find(|resource| resource.str("id") == Some(name))?;
            return Some(Item::Element(Element::resource(contained)));
        }
        let kind = text.and_then(|text| Target::parse(text).kind()).or_else(|| json.str("type"))?;
        Some(Item::Element(Element { value: None, sibling: None, type_id: Some(tables().resource(kind)?) }))
    }

    pub(super) fn clock(&self, function: Function) -> Items<'v> {
        use crate::date::Precision;
        let Some(now) = self.context.now else { return Vec::new() };
        vec![match function {
            Function::Now => Item::DateTime(now),
            Function::Today => {
                Item::Date(crate::date::DateTime { precision: Precision::Day, offset_minutes: None, ..now })
            }
            _ => Item::Time(now.time, now.precision),
        }]
    }
}

fn booleans<'v>(function: Function, focus: &[Item<'v>]) -> Result<Items<'v>> {
    let mut values = Vec::with_capacity(focus.len());
    for item in focus {
        match item.to_system() {
            Item::Boolean(value) => values.push(value),
            _ => return execution("all values must be booleans"),
        }
    }
    Ok(boolean(match function {
        Function::AllTrue => values.iter().all(|value| *value),
        Function::AllFalse => values.iter().all(|value| !value),
        Function::AnyTrue => values.iter().any(|value| *value),
        _ => values.iter().any(|value| !value),
    }))
}
