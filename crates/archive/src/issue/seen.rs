//! Which members of a resource a page shows. Every form of a record reads through this and leaves a mark on what it puts on
//! paper; what has no mark in the end is printed below (see `details`), so that nothing is left out in silence. Marks are
//! places in memory: they say nothing about values, and hold as long as the resource is not moved.

use crate::issue::content::Text;
use crate::issue::values::{self, best_coding, date, known_system, system, words};
use fhir::json::Value;
use std::cell::RefCell;
use std::collections::HashSet;

/// The marks on one resource.
#[derive(Debug, Default)]
pub(super) struct Seen(RefCell<HashSet<usize>>);

impl Seen {
    /// Marks a value with everything below it.
    pub(super) fn add(&self, value: &Value) {
        self.0.borrow_mut().insert(std::ptr::from_ref(value).addr());
    }

    /// Whether this very value has a mark.
    pub(super) fn has(&self, value: &Value) -> bool {
        self.0.borrow().contains(&std::ptr::from_ref(value).addr())
    }

    /// Marks every primitive below a value, but not what extensions add to it.
    pub(super) fn leaves(&self, value: &Value) {
        match value {
            Value::Object(members) => {
                let own = members.iter().filter(|(name, _)| &**name != "extension" && !name.starts_with('_'));
                own.for_each(|(_, member)| self.leaves(member));
            }
            Value::Array(items) => items.iter().for_each(|item| self.leaves(item)),
            leaf => self.add(leaf),
        }
    }

    /// Marks members of an object, each with everything below it.
    pub(super) fn members(&self, value: &Value, names: &[&str]) {
        value.members().iter().filter(|(name, _)| names.contains(&&**name)).for_each(|(_, member)| self.add(member));
    }

    /// A string member.
    pub(super) fn str<'x>(&self, value: &'x Value, name: &str) -> Option<&'x str> {
        let member = value.get(name)?;
        self.add(member);
        member.as_str()
    }

    /// A concept, a reference or plain text in words. Its codes have no mark unless they are the words.
    pub(super) fn words(&self, value: &Value) -> String {
        let text = words(value);
        if value.primitive_text().is_some() {
            self.add(value);
        }
        let codings = value.each("coding").chain([value]);
        for part in codings.flat_map(|part| ["text", "display", "code"].map(|name| part.get(name))).flatten() {
            if part.as_str() == Some(&text) {
                self.add(part);
            }
        }
        text
    }

    /// The words of every item of a member, separated by commas.
    pub(super) fn all_words(&self, resource: &Value, member: &str) -> String {
        values::join(resource.each(member).map(|item| self.words(item)), ", ")
    }

    /// The code of a concept. What a well-known code is called in its own system stands in its dictionary.
    pub(super) fn code(&self, concept: &Value) -> String {
        let Some(coding) = best_coding(concept) else { return String::new() };
        if coding.str("system").and_then(known_system).is_some() {
            self.members(coding, &["display"]);
        }
        self.str(coding, "code").unwrap_or_default().to_owned()
    }

    /// Words with the code behind them, small.
    pub(super) fn coded_words(&self, concept: &Value) -> Text {
        let (name, code) = (self.words(concept), self.code(concept));
        if code.is_empty() || code == name {
            return name.into();
        }
        Text::Join { join: vec![name.into(), Text::Small { small: format!("[{code}]") }] }
    }

    /// Code system and version of the coding shown.
    pub(super) fn system(&self, concept: &Value) -> String {
        best_coding(concept).inspect(|coding| self.members(coding, &["system", "version"]));
        system(concept)
    }

    /// The code of a status, which a page shows in words of ours.
    pub(super) fn status<'x>(&self, resource: &'x Value, member: &str) -> &'x str {
        let Some(value) = resource.get(member) else { return "" };
        let code = values::status(resource, member);
        if value.as_str().is_some() {
            self.add(value);
        }
        let shown = value.each("coding").find(|coding| coding.str("code").is_some());
        let display = shown.and_then(|coding| coding.str("display"));
        // What a known code is called in its own system says no more than the word of ours.
        let is_known = matches!(Text::coded("status", code), Text::Word { .. });
        let is_said = |text: &str| {
            text.eq_ignore_ascii_case(code) || is_known && display.is_some_and(|d| text.eq_ignore_ascii_case(d))
        };
        for part in [shown.and_then(|s| s.get("code")), shown.and_then(|s| s.get("display")), value.get("text")] {
            part.filter(|part| part.as_str().is_some_and(is_said)).inspect(|part| self.add(part));
        }
        code
    }

    /// The first of these members that is there, as a date; of a period its start. Other moments that say no more than this one
    /// are marked too.
    pub(super) fn first_date(&self, resource: &Value, members: &[&str]) -> String {
        let shown = values::first_date(resource, members);
        if shown.is_empty() {
            return shown;
        }
        let moments = members.iter().chain(&["issued"]).filter_map(|member| resource.get(member));
        for moment in moments.flat_map(|moment| [Some(moment), moment.get("start"), moment.get("end")]).flatten() {
            if moment.as_str().is_some_and(|text| shown.starts_with(&date(text))) {
                self.add(moment);
            }
        }
        shown
    }

    /// A date as [`Self::first_date`], and of a period its end as well where that is another moment.
    pub(super) fn first_span(&self, resource: &Value, members: &[&str]) -> Text {
        let shown = self.first_date(resource, members);
        let first = members.iter().find_map(|member| resource.get(member));
        let end = first.and_then(|period| period.get("end")).filter(|end| !self.has(end));
        let Some((leaf, end)) = end.and_then(|end| Some((end, date(end.as_str()?)))) else { return shown.into() };
        self.add(leaf);
        let same_day = shown.get(..11).is_some_and(|day| end.starts_with(day));
        format!("{shown} – {}", if same_day { &end[11..] } else { &end }).into()
    }

    /// A Quantity.
    pub(super) fn quantity(&self, value: &Value) -> String {
        self.leaves(value);
        values::quantity(value)
    }

    /// A Money.
    pub(super) fn money(&self, value: &Value) -> String {
        self.leaves(value);
        values::money(value)
    }

    /// The value of an element with a choice of types.
    pub(super) fn choice(&self, resource: &Value, stem: &str) -> Text {
        let text = values::choice(resource, stem);
        if let Some((name, value)) = values::chosen(resource, stem).filter(|_| !text.is_empty()) {
            match &name[stem.len()..] {
                "CodeableConcept" | "Coding" | "Reference" => return self.coded_words(value),
                "Attachment" => self.members(value, &["title"]),
                "SampledData" => self.add(value),
                _ => self.leaves(value),
            }
        }
        text
    }

    /// The texts of annotations (`note`).
    pub(super) fn notes(&self, resource: &Value) -> Vec<Text> {
        for note in resource.each("note") {
            match note {
                Value::Object(_) => self.members(note, &["text"]),
                plain => self.add(plain),
            }
        }
        values::notes(resource)
    }

    /// A Dosage: its text, or dose, times and duration as they are coded.
    pub(super) fn dosage(&self, value: &Value) -> Text {
        let repeat = value.get("timing").and_then(|timing| timing.get("repeat"));
        if let Some(text) = self.str(value, "text") {
            // A text that says how often says the same as the figures for it.
            let figure = |name: &str| repeat.and_then(|repeat| repeat.get(name)?.primitive_text());
            let says = |name: &str| figure(name).is_none_or(|figure| figure == "1" || text.contains(figure));
            if figure("frequency").is_some_and(|often| text.contains(often)) && says("period") {
                repeat.inspect(|repeat| self.members(repeat, &["frequency", "period", "periodUnit"]));
            }
            for dose in value.each("doseAndRate").filter_map(|dose| dose.get("doseQuantity")) {
                let (spaced, bare) = (values::quantity(dose), values::quantity(dose).replace(' ', ""));
                if dose.get("unit").is_some() && (text.contains(&spaced) || text.contains(&bare)) {
                    self.leaves(dose);
                }
            }
            return text.into();
        }
        if let Some(dose) = value.each("doseAndRate").next().and_then(|dose| dose.get("doseQuantity")) {
            self.leaves(dose);
        }
        if let Some(repeat) = repeat.filter(|repeat| repeat.get("frequency").is_some()) {
            self.members(repeat, &["frequency", "period", "periodUnit"]);
        }
        if let Some(code) = value.get("timing").and_then(|timing| timing.get("code")) {
            self.words(code);
        }
        value.get("asNeededBoolean").filter(|needed| needed.as_bool() == Some(true)).inspect(|needed| self.add(needed));
        if let Some(route) = value.get("route") {
            self.words(route);
        }
        values::dosage(value)
    }
}
