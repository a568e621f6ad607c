//! A small HTTP client for code that blocks: one request, a bounded answer, a bounded wait. Connections are kept.
//!
//! It follows no redirects: whoever is asked is whoever the configuration names.

use std::time::Duration;

/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// The client. Its connections live on a thread of their own.
pub struct Web {
    client: reqwest::Client,
    /// Present until it is dropped, which may happen where a runtime may not be.
    runtime: Option<tokio::runtime::Runtime>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WebFault {
    /// The connection ended before the answer did.
    #[error("{0}")]
    Broken(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// An answer.
#[derive(Debug)]
pub struct WebAnswer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Web {
    /// A client whose requests take at most so long.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub fn new(patience: Duration) -> Result<Self, String> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(CONNECT_WAIT.min(patience))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .user_agent(concat!("hanmaru/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("web")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, runtime: Some(runtime) })
    }

    /// Gets a page of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn get(&self, url: &str, bytes_max: usize) -> Result<WebAnswer, WebFault> {
        self.answer(self.client.get(url), bytes_max)
    }

    /// Posts a body and takes an answer of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn post(&self, url: &str, content_type: &str, body: Vec<u8>, bytes_max: usize) -> Result<WebAnswer, WebFault> {
        self.answer(self.client.post(url).header("content-type", content_type).body(body), bytes_max)
    }

    fn answer(&self, request: reqwest::RequestBuilder, bytes_max: usize) -> Result<WebAnswer, WebFault> {
        let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
        runtime.block_on(async {
            let mut response = request.send().await.map_err(|error| fault(&error))?;
            let (status, mut body) = (response.status().as_u16(), Vec::new());
            while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
                if body.len() + chunk.len() > bytes_max {
                    return Err(WebFault::Other(format!("its answer is larger than {bytes_max} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(WebAnswer { status, body })
        })
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn fault(error: &reqwest::Error) -> WebFault {
    let (what, broken) = match error {
        error if error.is_timeout() => ("it did not answer in time", false),
        error if error.is_connect() => ("it cannot be reached", false),
        error if error.is_body() || error.is_decode() => ("its answer broke off", true),
        _ => ("the request failed", true),
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = format!("{what} ({cause})");
    if broken { WebFault::Broken(text) } else { WebFault::Other(text) }
}

/// Whether an address may be spoken to: with TLS, or on this machine.
pub fn is_safe(url: &str) -> bool {
    let rest = match url.split_once("://") {
        Some(("https", rest)) => return !rest.is_empty(),
        Some(("http", rest)) => rest,
        _ => return false,
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    ["127.0.0.1", "[::1]", "localhost"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for safe in ["https://w.example/a", "http://127.0.0.1:8620", "http://localhost/x", "http://[::1]:1/"] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_one in [
            "http://w.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@w.example:80",
            "ftp://127.0.0.1",
            "w",
            "https://",
        ] {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
    }
}
