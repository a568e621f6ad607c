//! What pages are expected to say, from the same Fluent files as the portal, read in the plainest way.

use crate::world::Language;

const KOREAN: &str = concat!(
    include_str!("../../../portal/locales/ko/portal.ftl"),
    "\n",
    include_str!("../../../portal/locales/ko/identity.ftl"),
    "\n",
    include_str!("../../../portal/locales/ko/doors.ftl"),
    "\n",
    include_str!("../../../portal/locales/ko/keys.ftl"),
    "\n",
    include_str!("../../../portal/locales/ko/watch.ftl")
);
const ENGLISH: &str = concat!(
    include_str!("../../../portal/locales/en/portal.ftl"),
    "\n",
    include_str!("../../../portal/locales/en/identity.ftl"),
    "\n",
    include_str!("../../../portal/locales/en/doors.ftl"),
    "\n",
    include_str!("../../../portal/locales/en/keys.ftl"),
    "\n",
    include_str!("../../../portal/locales/en/watch.ftl")
);

/// The text of a key that has one line and no variables.
///
/// # Panics
/// Where there is no such text: the test is out of date.
pub fn text(language: Language, key: &str) -> String {
    let all = match language {
        Language::Korean => KOREAN,
        Language::English => ENGLISH,
    };
    let found = all.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    found.unwrap_or_else(|| panic!("no text {key} in {}", language.tag())).trim().to_owned()
}

/// The same with variables filled in.
///
/// # Panics
/// As [`text`].
pub fn text_with(language: Language, key: &str, values: &[(&str, &str)]) -> String {
    let mut text = text(language, key);
    for (name, value) in values {
        text = text.replace(&format!("{{ ${name} }}"), value);
    }
    text
}
