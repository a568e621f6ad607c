//! What every page has around its content, and the parts that several pages share. No page's own content.

use crate::korean::has_korean;
use crate::pages::assets;
use crate::texts::{Locale, Texts};
use crate::words::escaped;

/// The frame of a page.
pub(crate) struct Frame {
    pub t: &'static Texts,
    pub title: String,
    /// Address of the style sheet, changed with its content.
    pub style: &'static str,
    /// Address of the page's script, on the few pages that have one.
    pub script: Option<&'static str>,
    pub demo: bool,
    pub signed_in: Option<Bar>,
    /// Address that shows this page in the other language.
    pub switch_to: String,
    nav: &'static str,
}

/// What the frame shows to somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// The token of the form that signs out.
    pub csrf: String,
    /// Whether it is a member of staff.
    pub staff: bool,
    /// How many notices they have not read.
    pub notices: u32,
}

impl Bar {
    /// What stands in the line about notices; `None` where there are none to read.
    fn notice(&self, t: &Texts) -> Option<String> {
        (self.notices > 0).then(|| t.t1("notice-bar", "count", self.notices))
    }
}

impl Frame {
    /// A frame. `here` is the address of the page, local and without its host; `nav` names its place in the menu.
    pub fn new(
        locale: Locale,
        title: String,
        nav: &'static str,
        here: &str,
        demo: bool,
        signed_in: Option<Bar>,
    ) -> Self {
        let t = locale.texts();
        let switch_to = format!("/language?to={}&back={}", other(locale).tag(), escaped(here));
        Self { t, title, style: assets::style_address(), script: None, demo, signed_in, switch_to, nav }
    }

    /// Whether this page is at a place of the menu.
    pub fn is(&self, nav: &str) -> bool {
        self.nav == nav
    }

    /// The tag of the other language.
    pub fn other_tag(&self) -> &'static str {
        other(self.t.locale).tag()
    }

    /// Lets the page ask for a passkey, by the one script there is for it.
    pub fn with_passkeys(mut self) -> Self {
        self.script = Some(assets::passkey_address());
        self
    }

    /// Lets the page follow new cases, by the script for it.
    pub fn following(mut self) -> Self {
        self.script = Some(assets::watch_address());
        self
    }

    /// The line about notices.
    pub fn notice(&self) -> Option<String> {
        self.signed_in.as_ref().and_then(|bar| bar.notice(self.t))
    }

    /// Whether it is a member of staff who is signed in.
    pub fn is_staff(&self) -> bool {
        self.signed_in.as_ref().is_some_and(|bar| bar.staff)
    }

    /// Says in the title that something is to be mended, which screen readers read first.
    pub fn faulty(mut self) -> Self {
        self.title = self.t.t1("faulty-title", "title", self.title.clone());
        self
    }

    /// A frame of the tests and samples.
    pub fn sample(locale: Locale, title_key: &str, nav: &'static str, here: &str, signed_in: bool) -> Self {
        let bar = signed_in.then(|| Bar { csrf: "sample-token".to_owned(), staff: nav == "staff", notices: 0 });
        Self::new(locale, locale.texts().t(title_key), nav, here, true, bar)
    }
}

fn other(locale: Locale) -> Locale {
    match locale {
        Locale::Korean => Locale::English,
        Locale::English => Locale::Korean,
    }
}

/// Something a person can mend in a form: which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The id of the field.
    pub field: &'static str,
    /// What is wrong, and how to mend it.
    pub text: String,
}

/// The faults of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults(pub Vec<Fault>);

impl Faults {
    /// One fault.
    pub fn one(field: &'static str, text: String) -> Self {
        Self(vec![Fault { field, text }])
    }

    /// The same of a form whose fields have other ids, since names come twice on its page.
    pub fn within(mut self, ids: &[(&str, &'static str)]) -> Self {
        for fault in &mut self.0 {
            if let Some((_, id)) = ids.iter().find(|(name, _)| *name == fault.field) {
                fault.field = id;
            }
        }
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fault of a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }
}

/// A choice of a `select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

impl Choice {
    /// A choice that is chosen where its value is `current`.
    pub fn new(value: &str, label: &str, current: &str) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), chosen: value == current }
    }

    /// Whether its label has Korean letters, which is said where marks within it cannot stand.
    pub fn is_korean(&self) -> bool {
        has_korean(&self.label)
    }
}
