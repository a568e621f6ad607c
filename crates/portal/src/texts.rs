//! All text people read, by key, in their language (Fluent). No sentence stands in code or templates.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::sync::LazyLock;

/// The languages of the portal. Korean is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Locale {
    /// 한국어.
    #[default]
    Korean,
    /// English.
    English,
}

impl Locale {
    /// Every language, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::Korean, Self::English];

    /// The language tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    /// The language of a tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag() == tag)
    }

    /// The language a browser asks for (RFC 9110 section 12.5.4); Korean where it asks for none of ours.
    #[must_use]
    pub fn negotiated(accept_language: &str) -> Self {
        let mut best = (Self::Korean, 0.0_f32);
        for part in accept_language.split(',').take(20) {
            let mut pieces = part.trim().split(';');
            let tag = pieces.next().unwrap_or_default().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if let Some(locale) = Self::from_tag(&tag).filter(|_| weight > best.1) {
                best = (locale, weight);
            }
        }
        best.0
    }

    /// The texts of this language.
    #[must_use]
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::Korean => &KOREAN,
            Self::English => &ENGLISH,
        }
    }
}

static KOREAN: LazyLock<Texts> = LazyLock::new(|| Texts::load(Locale::Korean, KOREAN_SOURCE));
static ENGLISH: LazyLock<Texts> = LazyLock::new(|| Texts::load(Locale::English, ENGLISH_SOURCE));
const KOREAN_SOURCE: &str = concat!(
    include_str!("../locales/ko/portal.ftl"),
    "\n",
    include_str!("../locales/ko/identity.ftl"),
    "\n",
    include_str!("../locales/ko/doors.ftl"),
    "\n",
    include_str!("../locales/ko/sites.ftl"),
    "\n",
    include_str!("../locales/ko/keys.ftl"),
    "\n",
    include_str!("../locales/ko/watch.ftl")
);
const ENGLISH_SOURCE: &str = concat!(
    include_str!("../locales/en/portal.ftl"),
    "\n",
    include_str!("../locales/en/identity.ftl"),
    "\n",
    include_str!("../locales/en/doors.ftl"),
    "\n",
    include_str!("../locales/en/sites.ftl"),
    "\n",
    include_str!("../locales/en/keys.ftl"),
    "\n",
    include_str!("../locales/en/watch.ftl")
);

/// The texts of one language.
pub struct Texts {
    /// Which language.
    pub locale: Locale,
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    fn load(locale: Locale, source: &str) -> Self {
        let resource = FluentResource::try_new(source.to_owned()).expect("a test parses the compiled-in texts");
        let tag = locale.tag().parse().expect("our tags are language tags");
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        bundle.set_use_isolating(false);
        bundle.add_resource(resource).expect("a test finds keys that stand twice");
        Self { locale, bundle }
    }

    /// The text of a key.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text of a key with one value in it.
    #[must_use]
    pub fn t1<'a>(&self, key: &str, name: &'a str, value: impl Into<FluentValue<'a>>) -> String {
        let mut args = FluentArgs::new();
        args.set(name, value);
        self.format(key, Some(&args))
    }

    /// The text of a key with two values in it.
    #[must_use]
    pub fn t2<'a>(
        &self,
        key: &str,
        first: (&'a str, impl Into<FluentValue<'a>>),
        second: (&'a str, impl Into<FluentValue<'a>>),
    ) -> String {
        let mut args = FluentArgs::new();
        args.set(first.0, first.1);
        args.set(second.0, second.1);
        self.format(key, Some(&args))
    }

    /// The text of a key with several values in it.
    #[must_use]
    pub fn tn(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, *value);
        }
        self.format(key, Some(&args))
    }

    /// Whether the key has a text.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.bundle.has_message(key)
    }

    fn format(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, locale = self.locale.tag(), "a text is missing");
            return format!("⟦{key}⟧");
        };
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, args, &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, locale = self.locale.tag(), "a text lacks a value");
        }
        text
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").field("locale", &self.locale).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn keys(source: &str) -> BTreeSet<String> {
        let lines = source.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
        lines.filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim().to_owned()).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys() {
        assert_eq!(keys(KOREAN_SOURCE), keys(ENGLISH_SOURCE));
        for locale in Locale::ALL {
            for key in keys(KOREAN_SOURCE) {
                assert!(locale.texts().has(&key), "{key} in {}", locale.tag());
            }
        }
    }

    #[test]
    fn no_key_stands_twice() {
        for source in [KOREAN_SOURCE, ENGLISH_SOURCE] {
            let count = source
                .lines()
                .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains('='))
                .count();
            assert_eq!(count, keys(source).len());
        }
    }

    #[test]
    fn the_browsers_wish_is_met_where_it_can_be() {
        assert_eq!(Locale::negotiated("en-US,en;q=0.9,ko;q=0.8"), Locale::English);
        assert_eq!(Locale::negotiated("fr, ko;q=0.4, en;q=0.3"), Locale::Korean);
        assert_eq!(Locale::negotiated("zz;q=abc,,;;"), Locale::Korean);
        assert_eq!(Locale::negotiated(""), Locale::Korean);
    }
}
