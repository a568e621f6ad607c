//! The first page: what can be done here.

use crate::error::{PageError, page};
use crate::frame::Frame;
use crate::texts::Locale;
use crate::visitor::Visitor;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage {
    frame: Frame,
}

impl HomePage {
    pub fn sample(locale: Locale) -> Self {
        Self { frame: Frame::sample(locale, "home-title", "home", "/", false) }
    }
}

/// `GET /`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    page(&HomePage { frame: visitor.frame("home-title", "home") })
}
