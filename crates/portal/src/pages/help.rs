//! Help and privacy: plain texts, for everybody.

use crate::error::{PageError, page};
use crate::frame::Frame;
use crate::texts::Locale;
use crate::visitor::Visitor;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "help.html")]
pub(crate) struct HelpPage {
    frame: Frame,
    /// Keys of the questions; `-text` after them gives the answers.
    questions: [&'static str; 6],
}

const QUESTIONS: [&str; 6] =
    ["help-lost-app", "help-not-found", "help-two-people", "help-copy", "help-family", "help-accessible"];

impl HelpPage {
    pub fn sample(locale: Locale) -> Self {
        Self { frame: Frame::sample(locale, "help-title", "help", "/help", false), questions: QUESTIONS }
    }
}

#[derive(Template)]
#[template(path = "privacy.html")]
pub(crate) struct PrivacyPage {
    frame: Frame,
}

impl PrivacyPage {
    pub fn sample(locale: Locale) -> Self {
        Self { frame: Frame::sample(locale, "privacy-title", "privacy", "/privacy", false) }
    }
}

/// `GET /help`
pub(crate) async fn help(visitor: Visitor) -> Result<Response, PageError> {
    page(&HelpPage { frame: visitor.frame("help-title", "help"), questions: QUESTIONS })
}

/// `GET /privacy`
pub(crate) async fn privacy(visitor: Visitor) -> Result<Response, PageError> {
    page(&PrivacyPage { frame: visitor.frame("privacy-title", "privacy") })
}
