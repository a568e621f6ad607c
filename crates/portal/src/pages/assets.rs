//! The style sheet and the mark. They never change under their address, so browsers may keep them.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("../../assets/style.css");
/// The mark: a hall on its pillars. Our own; it is no government's.
pub(crate) const MARK: &str = include_str!("../../assets/mark.svg");
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The address of the style sheet: its query changes with its content.
pub(crate) fn style_address() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| format!("/assets/style.css?{}", &base::hex(&base::sha256(STYLE.as_bytes()))[..16]));
    &ADDRESS
}

/// `GET /assets/style.css`
pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, IMMUTABLE)], STYLE).into_response()
}

/// `GET /assets/mark.svg`
pub(crate) async fn mark() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], MARK).into_response()
}
