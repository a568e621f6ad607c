//! The portal: server-rendered pages in Korean and English through which people find where their records are, get them as a
//! PDF, check such a PDF and see who looked. HTML stands here and nowhere else; records, keys and rules do not.
//!
//! [`router`] is the table of contents. Every page works without a script, but for those that ask a browser for a passkey,
//! which say what to do without; no other page has one. Each page of `pages` is a struct
//! of plain data with a template in `templates/` and a `sample`, which tests render in both languages.
//!
//! Architecture invariants: no sentence stands in code or templates (all are in `locales/`); nothing clinical and no name
//! stands in an address; no personal page is shown without two factors, and none may be cached; every form that changes or
//! shows something personal carries the session's token.

mod attempts;
pub mod certificate;
mod contents;
mod cookies;
mod error;
mod fields;
mod frame;
mod korean;
mod looks;
mod pages;
mod places;
mod portal;
mod public_log;
mod rates;
mod router;
pub mod samples;
mod security;
mod standing;
mod texts;
mod turns;
mod visitor;
mod words;

pub use contents::{Guard, Route};
pub use portal::{Portal, PortalConfig};
pub use router::{router, routes};
pub use texts::{Locale, Texts};
