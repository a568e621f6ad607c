//! The words of ours in issued documents: one table a language, with the same keys. Texts of records are never looked up here.

use crate::issue::Locale;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const KO: &str = include_str!("words_ko.json");
const EN: &str = include_str!("words_en.json");

static KO_TABLE: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| parse(KO));

/// The table of a language, as JSON.
pub(super) const fn table(locale: Locale) -> &'static str {
    match locale {
        Locale::Ko => KO,
        Locale::En => EN,
    }
}

/// Whether the tables have this key.
pub(super) fn known(key: &str) -> bool {
    KO_TABLE.contains_key(key)
}

fn parse(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).expect("the tables are compiled in, and a test reads them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_have_the_same_keys_and_no_empty_word() {
        let (ko, en) = (parse(KO), parse(EN));
        assert_eq!(ko.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (key, word) in ko.iter().chain(&en) {
            assert!(!word.trim().is_empty(), "{key} has no word");
        }
        for (key, word) in &ko {
            for place in ["{n}", "{of}"] {
                assert_eq!(word.contains(place), en[key].contains(place), "{key} and {place}");
            }
        }
    }

    #[test]
    fn every_key_in_template_and_code_has_a_word() {
        let sources = [
            include_str!("template.typ"),
            include_str!("rows.rs"),
            include_str!("gather.rs"),
            include_str!("cover.rs"),
            include_str!("sheets.rs"),
            include_str!("values.rs"),
        ];
        let prefixes = [
            "fact.",
            "column.",
            "section.",
            "reason.",
            "cover.",
            "notice.",
            "verify.",
            "mark.",
            "value.",
            "title.",
            "part.",
            "selection.",
        ];
        let mut seen = 0;
        for text in sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2)) {
            if prefixes.iter().any(|prefix| text.starts_with(prefix)) {
                assert!(known(text), "{text} has no word");
                seen += 1;
            }
        }
        assert!(seen > 80, "only {seen} keys were found: the way of looking is wrong");
    }
}
