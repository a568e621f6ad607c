//! The switch of language: remembers the choice and goes back to where one was.

use crate::cookies;
use crate::texts::Locale;
use crate::words::is_path_here;
use axum::extract::Query;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Switch {
    #[serde(default)]
    to: String,
    #[serde(default)]
    back: String,
}

/// `GET /language?to=&back=`
pub(crate) async fn switch(Query(switch): Query<Switch>) -> Response {
    let locale = Locale::from_tag(&switch.to).unwrap_or_default();
    let back = if is_path_here(&switch.back) { switch.back.as_str() } else { "/" };
    (AppendHeaders([(header::SET_COOKIE, cookies::language(locale.tag()))]), Redirect::to(back)).into_response()
}
