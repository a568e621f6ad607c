//! Issuing: a patient's records become one PDF that anyone can verify.
//!
//! The way of a document: records are gathered into plain data ([`content`]), set into pages ([`typeset`]), given a place for
//! a proof ([`stamp`]), logged, and the proof is filled in. Everything in here but the service is pure: bytes in, bytes out.
//! An archive issues copies of what a hospital wrote, marked as such; it never writes a certificate of its own
//! (Medical Service Act art. 17).

mod budget;
pub mod content;
mod contents;
mod cover;
mod details;
mod gather;
pub mod inspector;
pub(crate) mod names;
pub mod number;
mod rows;
mod seen;
pub mod service;
mod sheets;
pub mod source;
mod square;
pub mod stamp;
pub mod typeset;
mod values;
mod words;

use std::sync::LazyLock;

pub(crate) use content::Text;
pub use content::{IssueContent, Masthead, Subject};
pub(crate) use inspector::Unreadable;
pub use inspector::{Inspector, InspectorCommand};
pub use number::DocumentNumber;
pub use service::{IssueError, IssuedDocument, IssuedPdf, Issuer};
pub use source::{FileFault, Record, Source, SourceDeposit, SourceFile, SourceInstitution, Version};
pub use square::{Square, TooLong};
pub use typeset::{Rendered, TypesetError, Typesetter};

/// Fonts and template: 10 MB that never change, read once for the whole program.
static TYPESETTER: LazyLock<Typesetter> = LazyLock::new(Typesetter::new);

/// The language of a document's own words; the records stay as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// Korean.
    Ko,
    /// English.
    En,
}

impl Locale {
    /// The language tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ko => "ko",
            Self::En => "en",
        }
    }
}

#[cfg(test)]
mod details_tests;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod service_tests;
