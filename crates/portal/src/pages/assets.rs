//! The style sheet, the mark and the scripts. They never change under their address, so browsers may keep them.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// The style sheet.
pub(crate) const STYLE: &str = include_str!("../../assets/style.css");
/// The mark: a hall on its pillars. Our own; it is no government's.
pub(crate) const MARK: &str = include_str!("../../assets/mark.svg");
/// The script that asks a browser for a passkey.
pub(crate) const PASSKEY: &str = include_str!("../../assets/passkey.js");
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

/// The script of the page that follows new cases.
pub(crate) const WATCH: &str = include_str!("../../assets/watch.js");

/// The address of the script that follows new cases.
pub(crate) fn watch_address() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| format!("/assets/watch.js?{}", &base::hex(&base::sha256(WATCH.as_bytes()))[..16]));
    &ADDRESS
}

/// `GET /assets/watch.js`
pub(crate) async fn watch() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, IMMUTABLE)], WATCH)
        .into_response()
}

/// The address of the script for passkeys.
pub(crate) fn passkey_address() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| format!("/assets/passkey.js?{}", &base::hex(&base::sha256(PASSKEY.as_bytes()))[..16]));
    &ADDRESS
}

/// `GET /assets/passkey.js`
pub(crate) async fn passkey() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, IMMUTABLE)], PASSKEY)
        .into_response()
}
