//! The R4 definitions at run time: types, their elements, required codes, and raw rows of search parameters. Read once from the
//! generated text tables; holds structure only, no profiles, no invariants, no reference targets of elements.
//!
//! `elements.txt`: `=NAME BASE KIND` opens a type (kind `r` resource, `a` abstract resource, `c` datatype, `b` backbone element,
//! `p` primitive), then one line an element: `name[x] MIN MAX TYPE|TYPE CODES` without space between minimum and maximum;
//! type `#` is the backbone type named by the element's own path, `#A.b` the one named `A.b`. Inherited elements are not repeated.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A type of the element table: resource, datatype, primitive or backbone element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(u16);

impl TypeId {
    /// Position among all types.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// What kind of type it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A resource that can be stored.
    Resource,
    /// `Resource` and `DomainResource`.
    AbstractResource,
    /// A datatype with elements.
    Complex,
    /// An element's own inner structure, such as `Patient.contact`.
    Backbone,
    /// A primitive.
    Primitive(Primitive),
}

/// The primitives of R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// A type with all its elements, inherited ones first.
#[derive(Debug)]
pub struct TypeDef {
    /// Name, for backbone elements the path: `Patient.contact`.
    pub name: &'static str,
    /// The type it specialises.
    pub base: Option<TypeId>,
    /// Resource, datatype and so on.
    pub kind: Kind,
    /// Elements in the order of the specification.
    pub elements: Vec<Element>,
    /// Bit n is set when element n must occur.
    pub required: u128,
    keys: Vec<Key>,
}

/// An element of a type.
#[derive(Clone, Debug)]
pub struct Element {
    /// Name without `[x]`.
    pub name: &'static str,
    /// Whether the JSON name carries the type: `value[x]`.
    pub is_choice: bool,
    /// Smallest number of occurrences.
    pub min: u8,
    /// Whether it repeats, and so is a JSON array.
    pub is_list: bool,
    /// Its types, one unless it is a choice.
    pub types: Vec<TypeId>,
    /// The codes it must be one of, sorted.
    pub codes: Option<&'static [&'static str]>,
}

/// A JSON member name and what stands there.
#[derive(Clone, Debug)]
pub struct Key {
    /// The member name: `birthDate`, `valueQuantity`.
    pub name: Cow<'static, str>,
    /// Position in `TypeDef::elements`.
    pub element: u8,
    /// Type of the value.
    pub type_id: TypeId,
}

/// A raw row of `search.txt`.
#[derive(Clone, Copy, Debug)]
pub struct SearchRow {
    /// Name in a query: `birthdate`.
    pub code: &'static str,
    /// `token`, `string`, `date`, `reference`, `quantity`, `number`, `uri`, `composite` or `special`.
    pub kind: &'static str,
    /// Space-separated resource types.
    pub bases: &'static str,
    /// Space-separated types that a reference may point to; `*` for any.
    pub targets: &'static str,
    /// FHIRPath; empty for the three that are not computed from the resource.
    pub expression: &'static str,
    /// `code expression;code expression` for composites.
    pub components: &'static str,
}

/// All tables.
#[derive(Debug)]
pub struct Tables {
    types: Vec<TypeDef>,
    by_name: HashMap<&'static str, TypeId>,
}

/// The tables, read on first use (about 10 ms).
pub fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(Tables::load)
}

impl Tables {
    /// The type of that name; backbone elements by path.
    #[inline]
    pub fn find(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// The resource type of that name; none for datatypes and abstract types.
    #[inline]
    pub fn resource(&self, name: &str) -> Option<TypeId> {
        self.find(name).filter(|id| self.get(*id).kind == Kind::Resource)
    }

    /// The definition of a type.
    #[inline]
    pub fn get(&self, id: TypeId) -> &TypeDef {
        &self.types[usize::from(id.0)]
    }

    /// Whether `id` is `ancestor` or specialises it.
    pub fn is_a(&self, id: TypeId, ancestor: TypeId) -> bool {
        let mut current = Some(id);
        while let Some(now) = current {
            if now == ancestor {
                return true;
            }
            current = self.get(now).base;
        }
        false
    }

    /// Every type with its id.
    pub fn all(&self) -> impl Iterator<Item = (TypeId, &TypeDef)> {
        self.types.iter().enumerate().map(|(number, def)| (TypeId(id_number(number)), def))
    }

    /// The raw search parameter rows.
    pub fn search_rows() -> impl Iterator<Item = SearchRow> {
        rows(include_str!("generated/search.txt")).map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default();
            SearchRow {
                code: next(),
                kind: next(),
                bases: next(),
                targets: next(),
                expression: next(),
                components: next(),
            }
        })
    }

    /// Resource types of the patient compartment, each with the search parameters that lead to the patient.
    pub fn patient_compartment() -> impl Iterator<Item = (&'static str, std::str::Split<'static, char>)> {
        rows(include_str!("generated/compartment.txt")).filter_map(|line| {
            let (name, codes) = line.split_once(' ')?;
            Some((name, codes.split(' ')))
        })
    }

    fn load() -> Self {
        let text = include_str!("generated/elements.txt");
        let heads = rows(text).filter_map(|line| line.strip_prefix('='));
        let by_name = heads.enumerate().map(|(number, head)| (first_word(head), TypeId(id_number(number)))).collect();
        let code_sets = load_codes();
        let mut tables = Self { types: Vec::new(), by_name };
        for line in rows(text) {
            match line.strip_prefix('=') {
                Some(head) => {
                    let def = tables.read_head(head);
                    tables.types.push(def);
                }
                None => {
                    let number = tables.types.len() - 1;
                    let element = tables.read_element(line, tables.types[number].name, &code_sets);
                    tables.types[number].elements.push(element);
                }
            }
        }
        let flat: Vec<Vec<Element>> = tables.all().map(|(id, _)| tables.flatten(id)).collect();
        for (def, elements) in tables.types.iter_mut().zip(flat) {
            def.elements = elements;
        }
        for number in 0..tables.types.len() {
            let keys = tables.keys_of(&tables.types[number]);
            let def = &mut tables.types[number];
            def.keys = keys;
            let must = def.elements.iter().enumerate().filter(|(_, e)| e.min > 0);
            def.required = must.fold(0, |mask, (bit, _)| mask | 1 << bit);
        }
        tables
    }

    fn read_head(&self, head: &'static str) -> TypeDef {
        let mut words = head.split(' ');
        let name = words.next().unwrap_or_default();
        let base = words.next().and_then(|base| self.find(base));
        let kind = match words.next() {
            Some("r") => Kind::Resource,
            Some("a") => Kind::AbstractResource,
            Some("b") => Kind::Backbone,
            Some("p") => Kind::Primitive(Primitive::named(name).expect("the table has the primitives of R4 only")),
            _ => Kind::Complex,
        };
        TypeDef { name, base, kind, elements: Vec::new(), required: 0, keys: Vec::new() }
    }

    fn read_element(
        &self,
        line: &'static str,
        parent: &str,
        codes: &HashMap<&str, &'static [&'static str]>,
    ) -> Element {
        let mut words = line.split(' ');
        let full = words.next().unwrap_or_default();
        let name = full.trim_end_matches("[x]");
        let count = words.next().unwrap_or_default().as_bytes();
        let types = words.next().unwrap_or_default().split('|');
        let to_id = |t: &str| match t {
            "#" => self.find(&format!("{parent}.{name}")),
            other => self.find(other.trim_start_matches('#')),
        };
        Element {
            name,
            is_choice: full.ends_with("[x]"),
            min: u8::from(count.first() == Some(&b'1')),
            is_list: count.get(1) == Some(&b'*'),
            types: types.filter_map(to_id).collect(),
            codes: words.next().and_then(|set| codes.get(set).copied()),
        }
    }

    fn flatten(&self, id: TypeId) -> Vec<Element> {
        let def = self.get(id);
        let mut elements = def.base.map_or_else(Vec::new, |base| self.flatten(base));
        elements.extend(def.elements.iter().cloned());
        elements
    }

    fn keys_of(&self, def: &TypeDef) -> Vec<Key> {
        let mut keys = Vec::new();
        for (number, element) in def.elements.iter().enumerate() {
            let number = u8::try_from(number).expect("no R4 type has more than 128 elements");
            for type_id in &element.types {
                let name = match element.is_choice {
                    true => Cow::Owned(choice_name(element.name, self.get(*type_id).name)),
                    false => Cow::Borrowed(element.name),
                };
                keys.push(Key { name, element: number, type_id: *type_id });
            }
        }
        keys.sort_by(|a, b| key_order(&a.name, &b.name));
        keys
    }
}

impl TypeDef {
    /// What stands at a JSON member name (without the underscore of primitive extensions).
    #[inline]
    pub fn key(&self, name: &str) -> Option<&Key> {
        let at = self.keys.binary_search_by(|key| key_order(&key.name, name)).ok()?;
        Some(&self.keys[at])
    }

    /// The JSON member names under which the element `name` can stand.
    pub fn keys_of_element<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Key> {
        self.keys.iter().filter(move |key| self.elements[usize::from(key.element)].name == name)
    }

    /// The primitive that this is.
    pub fn primitive(&self) -> Option<Primitive> {
        match self.kind {
            Kind::Primitive(primitive) => Some(primitive),
            _ => None,
        }
    }
}

impl Primitive {
    fn named(name: &str) -> Option<Self> {
        use Primitive::*;
        Some(match name {
            "base64Binary" => Base64Binary,
            "boolean" => Boolean,
            "canonical" => Canonical,
            "code" => Code,
            "date" => Date,
            "dateTime" => DateTime,
            "decimal" => Decimal,
            "id" => Id,
            "instant" => Instant,
            "integer" => Integer,
            "markdown" => Markdown,
            "oid" => Oid,
            "positiveInt" => PositiveInt,
            "string" => String,
            "time" => Time,
            "unsignedInt" => UnsignedInt,
            "uri" => Uri,
            "url" => Url,
            "uuid" => Uuid,
            "xhtml" => Xhtml,
            _ => return None,
        })
    }
}

/// `value` and `dateTime` make `valueDateTime`.
pub fn choice_name(element: &str, type_name: &str) -> String {
    let mut letters = type_name.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    element.chars().chain(first).chain(letters).collect()
}

/// Length first: most comparisons then end without looking at the text.
#[inline]
fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn id_number(number: usize) -> u16 {
    u16::try_from(number).expect("R4 has fewer than 65,536 types")
}

fn rows(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn first_word(text: &'static str) -> &'static str {
    text.split(' ').next().unwrap_or_default()
}

/// The code sets live as long as the program, so their slices are leaked once.
fn load_codes() -> HashMap<&'static str, &'static [&'static str]> {
    let sets = rows(include_str!("generated/codes.txt")).map(|line| {
        let mut words = line.split('\t');
        let name = words.next().unwrap_or_default();
        let mut codes: Vec<&'static str> = words.collect();
        codes.sort_unstable();
        (name, &*codes.leak())
    });
    sets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_types_of_r4() {
        let tables = tables();
        let count = |kind| tables.all().filter(|(_, t)| t.kind == kind).count();
        assert_eq!((count(Kind::Resource), count(Kind::AbstractResource)), (146, 2));
        assert_eq!(tables.all().filter(|(_, t)| t.primitive().is_some()).count(), 20);
        assert!(tables.all().all(|(_, t)| t.elements.len() <= 128 && t.elements.iter().all(|e| !e.types.is_empty())));
        assert!(tables.all().all(|(_, t)| t.name == "Element" || t.name == "Resource" || t.base.is_some()));
        assert_eq!(Tables::search_rows().count(), 1378);
        assert_eq!(Tables::patient_compartment().count(), 67);
    }

    #[test]
    fn finds_elements_by_json_name() {
        let tables = tables();
        let patient = tables.get(tables.resource("Patient").expect("Patient is a resource"));
        let key = patient.key("deceasedDateTime").expect("deceased[x] may be a dateTime");
        assert_eq!(tables.get(key.type_id).name, "dateTime");
        assert!(patient.key("deceased").is_none() && patient.key("id").is_some() && patient.key("text").is_some());
        let contact = patient.key("contact").expect("Patient.contact exists");
        assert_eq!(tables.get(contact.type_id).name, "Patient.contact");
        assert_eq!(patient.keys_of_element("deceased").count(), 2);
        let gender = &patient.elements[usize::from(patient.key("gender").expect("Patient.gender exists").element)];
        assert_eq!(gender.codes, Some(["female", "male", "other", "unknown"].as_slice()));
    }

    #[test]
    fn specialisations_lead_to_their_base() {
        let tables = tables();
        let id = |name| tables.find(name).expect("the type exists");
        assert!(tables.is_a(id("Age"), id("Quantity")) && tables.is_a(id("Patient"), id("DomainResource")));
        assert!(tables.is_a(id("code"), id("string")) && !tables.is_a(id("Quantity"), id("Age")));
    }
}
