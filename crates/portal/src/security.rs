//! What every answer says to browsers about what they may do with it, and which requests are not even looked at.

use crate::Portal;
use crate::error::PageError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Features that no page here uses.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), \
                           geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
                           picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), \
                           xr-spatial-tracking=()";
/// What [`PERMISSIONS`] says of passkeys, and what it says on pages that ask for one.
const PASSKEYS: [&str; 2] = ["publickey-credentials-get=()", "publickey-credentials-get=(self)"];
/// Two years, as browsers' preload lists ask for.
const TRANSPORT: &str = "max-age=63072000; includeSubDomains";

/// Marks the answer of a page that asks for a passkey: it alone may run a script, and that one of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsksForPasskey;

/// Marks the answer of a page that follows along: it may run our script, which asks us alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FollowsAlong;

/// Refuses forms of other sites before anything else is done with them.
pub(crate) async fn refuse_foreign(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && is_foreign(request.headers(), &portal.config().public_url) {
        return PageError::Form.into_response();
    }
    next.run(request).await
}

/// Adds the headers to every answer.
pub(crate) async fn headers(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let config = portal.config();
    let mut response = next.run(request).await;
    let asks = response.extensions().get::<AsksForPasskey>().is_some();
    let follows = response.extensions().get::<FollowsAlong>().is_some();
    let headers = response.headers_mut();
    for (name, value) in fixed() {
        headers.insert(name, value);
    }
    if asks && let Ok(permissions) = HeaderValue::try_from(PERMISSIONS.replace(PASSKEYS[0], PASSKEYS[1])) {
        headers.insert(HeaderName::from_static("permissions-policy"), permissions);
    }
    if let Ok(policy) = HeaderValue::try_from(content_policy(&config.agency_origin, asks, follows)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if config.public_url.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn fixed() -> [(HeaderName, HeaderValue); 7] {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    [
        (header::X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        (header::X_FRAME_OPTIONS, value("DENY")),
        (header::REFERRER_POLICY, value("no-referrer")),
        (name("permissions-policy"), value(PERMISSIONS)),
        (name("cross-origin-opener-policy"), value("same-origin")),
        (name("cross-origin-resource-policy"), value("same-origin")),
        (name("x-robots-tag"), value("noarchive")),
    ]
}

/// Nothing is loaded but our own style and pictures, and forms lead only here and, by redirection, to the agency.
fn content_policy(agency_origin: &str, asks: bool, follows: bool) -> String {
    let script = if asks || follows { "script-src 'self'; " } else { "" };
    let connect = if follows { "connect-src 'self'; " } else { "" };
    format!(
        "default-src 'none'; {script}{connect}style-src 'self'; img-src 'self' data:; form-action 'self' {agency_origin}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// Whether a browser says that what is sent comes from a page of another site (Fetch Metadata, or the header Origin). What
/// comes from no browser says neither. `Origin: null` alone tells nothing: our own pages, which send no referrer, give it too.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => true,
        None => text("origin").is_some_and(|origin| origin != "null" && origin != public_url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_asks_for_a_passkey_may_run_our_script_and_no_other_page_any() {
        let policy = |asks, follows| content_policy("https://agency.example", asks, follows);
        assert!(policy(true, false).contains("; script-src 'self'; ") && !policy(true, false).contains("connect-src"));
        assert!(policy(false, true).contains("; script-src 'self'; connect-src 'self'; "));
        assert!(!policy(false, false).contains("script-src"));
        assert!(PERMISSIONS.contains(PASSKEYS[0]));
    }

    fn foreign(lines: &[(&'static str, &'static str)]) -> bool {
        let headers =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_foreign(&headers.collect(), "https://records.example")
    }

    #[test]
    fn forms_of_other_sites_are_known() {
        assert!(!foreign(&[]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!foreign(&[("origin", "https://records.example")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]));
        assert!(foreign(&[("origin", "https://elsewhere.example")]));
        assert!(!foreign(&[("origin", "null")]), "the form's token decides");
    }
}
