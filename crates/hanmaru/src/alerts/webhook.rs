//! An alert as a POST of JSON with a signature: HMAC-SHA-256 under the destination's secret over the time and the body, so that
//! the receiver knows whom it is from and that it is not an old one.

use super::Alert;
use super::config::Webhook;
use base::Timestamp;
use std::time::Duration;

/// How long a destination may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds since 1970, as they are signed.
pub(super) const TIME_HEADER: &str = "hanmaru-timestamp";
/// `v1=` and the signature in hexadecimal.
pub(super) const SIGNATURE_HEADER: &str = "hanmaru-signature";

/// Posts an alert. What the receiver answers counts by its status alone.
pub(super) async fn send(to: &Webhook, alert: &Alert, now: Timestamp) -> Result<(), String> {
    let body = serde_json::to_string(alert).expect("texts are JSON");
    let time = now.as_second().to_string();
    let signature = format!("v1={}", signature(to.secret.expose(), &time, &body));
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let answer = client
        .map_err(|error| error.without_url().to_string())?
        .post(&to.url)
        .header("content-type", "application/json")
        .header(TIME_HEADER, time)
        .header(SIGNATURE_HEADER, signature)
        .body(body)
        .send()
        .await
        .map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
}

/// The signature of a body sent at a time.
pub(super) fn signature(secret: &str, time: &str, body: &str) -> String {
    base::hex(&base::hmac_sha256(secret.as_bytes(), format!("{time}.{body}").as_bytes()))
}
