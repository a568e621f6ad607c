//! What an installation says about its identity agency and its sessions, and the rules such addresses must keep.

use crate::IdentityError;
use base::Redacted;
use openidconnect::url::{Host, Url};

/// Configuration of sign-in and sessions.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// The agency's issuer identifier: an https URL without query and fragment (OpenID Connect Discovery 1.0).
    pub issuer: String,
    /// Our name at the agency.
    pub client_id: String,
    /// Our secret at the agency.
    pub client_secret: Redacted<String>,
    /// Where the agency sends people back to, as registered there.
    pub redirect_url: String,
    /// Whether this is a demo. Only a demo may use an agency on this machine or one that calls itself a stand-in.
    pub demo: bool,
    /// Certificates (PEM) to trust besides the machine's own when talking to the agency.
    pub ca_pem: Option<Vec<u8>>,
    /// What authenticator apps show as the service.
    pub service_name: String,
    /// A session ends after this many seconds without a request.
    pub idle_s: u32,
    /// A session ends this many seconds after its sign-in, whatever happens.
    pub absolute_s: u32,
    /// Something grave asks for the second factor again where it was given longer ago than this many seconds.
    pub step_up_s: u32,
    /// A request to reset second factors takes effect no sooner than this many seconds after it was made: time to object.
    pub recovery_wait_s: u32,
    /// Longest wait for one answer of the agency, in seconds.
    pub agency_timeout_s: u32,
}

impl IdentityConfig {
    /// Sessions of 15 idle minutes and 8 hours, not a demo, 10 seconds for the agency.
    #[must_use]
    pub fn new(issuer: &str, client_id: &str, client_secret: &str, redirect_url: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: Redacted::new(client_secret.to_owned()),
            redirect_url: redirect_url.to_owned(),
            demo: false,
            ca_pem: None,
            service_name: "한마루".to_owned(),
            idle_s: 15 * 60,
            absolute_s: 8 * 3600,
            step_up_s: 5 * 60,
            recovery_wait_s: 10 * 60,
            agency_timeout_s: 10,
        }
    }

    /// Checks every entry. Errors: [`IdentityError::Config`], [`IdentityError::StandInAgency`], [`IdentityError::InsecureAddress`].
    pub fn check(&self) -> Result<(), IdentityError> {
        let issuer = parse("issuer", &self.issuer)?;
        permitted(&issuer, self.demo)?;
        if issuer.query().is_some() || issuer.fragment().is_some() || !issuer.username().is_empty() {
            return Err(wrong("issuer", "must be a plain address without user, query or fragment"));
        }
        let redirect = parse("redirect_url", &self.redirect_url)?;
        if redirect.scheme() != "https" && !(self.demo && redirect.scheme() == "http" && on_this_machine(&redirect)) {
            return Err(IdentityError::InsecureAddress { url: redirect.to_string() });
        }
        if redirect.fragment().is_some() {
            return Err(wrong("redirect_url", "must not have a fragment"));
        }
        if self.client_id.is_empty() || self.client_id.len() > 256 {
            return Err(wrong("client_id", "must have 1 to 256 bytes"));
        }
        if self.client_secret.expose().is_empty() {
            return Err(wrong("client_secret", "is empty"));
        }
        if self.service_name.trim().is_empty() || self.service_name.len() > 64 {
            return Err(wrong("service_name", "must have 1 to 64 bytes"));
        }
        if !(60..=self.absolute_s).contains(&self.idle_s) || self.absolute_s > 24 * 3600 {
            return Err(wrong("idle_s and absolute_s", "must be 60 ≤ idle_s ≤ absolute_s ≤ 86400"));
        }
        if !(60..=3600).contains(&self.step_up_s) {
            return Err(wrong("step_up_s", "must be 60 to 3600"));
        }
        if self.recovery_wait_s > 12 * 3600 {
            return Err(wrong("recovery_wait_s", "must be at most 43200"));
        }
        if !(1..=120).contains(&self.agency_timeout_s) {
            return Err(wrong("agency_timeout_s", "must be 1 to 120"));
        }
        Ok(())
    }
}

/// Whether the agency's address may be used: https anywhere but here, or, in a demo, anything on this machine.
pub(crate) fn permitted(url: &Url, demo: bool) -> Result<(), IdentityError> {
    match (on_this_machine(url), demo, url.scheme()) {
        (true, false, _) => Err(IdentityError::StandInAgency { issuer: origin(url) }),
        (true, true, "http" | "https") | (false, _, "https") => Ok(()),
        _ => Err(IdentityError::InsecureAddress { url: origin(url) }),
    }
}

/// Whether an address leads back to this machine.
pub(crate) fn on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped();
            address.is_loopback()
                || address.is_unspecified()
                || mapped.is_some_and(|v4| v4.is_loopback() || v4.is_unspecified())
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Scheme, host and path of an address: what may be logged.
pub(crate) fn origin(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn parse(what: &'static str, text: &str) -> Result<Url, IdentityError> {
    Url::parse(text).map_err(|error| wrong(what, &format!("is not a URL: {error}")))
}

fn wrong(what: &'static str, why: &str) -> IdentityError {
    IdentityError::Config { what, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl Fn(&mut IdentityConfig)) -> Result<(), IdentityError> {
        let mut config = IdentityConfig::new("https://agency.example", "hanmaru", "s", "https://hanmaru.example/in");
        change(&mut config);
        config.check()
    }

    #[test]
    fn an_agency_on_this_machine_needs_a_demo() {
        for issuer in [
            "http://127.0.0.1:9000",
            "http://127.8.8.8",
            "http://localhost:9000",
            "https://localhost",
            "http://[::1]:9000",
            "http://[::ffff:127.0.0.1]",
            "http://agency.localhost.",
            "http://0.0.0.0",
        ] {
            let refused = with(|config| config.issuer = issuer.to_owned());
            assert!(matches!(refused, Err(IdentityError::StandInAgency { .. })), "{issuer}: {refused:?}");
            let demo = with(|config| (config.issuer, config.demo) = (issuer.to_owned(), true));
            assert!(demo.is_ok(), "{issuer}: {demo:?}");
        }
    }

    #[test]
    fn plain_http_elsewhere_is_refused_even_in_a_demo() {
        for demo in [false, true] {
            let issuer = with(|config| (config.issuer, config.demo) = ("http://agency.example".to_owned(), demo));
            assert!(matches!(issuer, Err(IdentityError::InsecureAddress { .. })));
            let back =
                with(|config| (config.redirect_url, config.demo) = ("http://hanmaru.example/in".to_owned(), demo));
            assert!(matches!(back, Err(IdentityError::InsecureAddress { .. })));
        }
    }

    #[test]
    fn entries_are_checked() {
        assert!(with(|_| ()).is_ok());
        let changes: [fn(&mut IdentityConfig); 10] = [
            |config| config.issuer = "agency".to_owned(),
            |config| config.issuer = "https://user@agency.example".to_owned(),
            |config| config.issuer = "https://agency.example?x".to_owned(),
            |config| config.redirect_url = "https://hanmaru.example/in#x".to_owned(),
            |config| config.client_id.clear(),
            |config| config.client_secret = Redacted::default(),
            |config| config.service_name = " ".to_owned(),
            |config| config.idle_s = config.absolute_s + 1,
            |config| config.step_up_s = 0,
            |config| config.agency_timeout_s = 0,
        ];
        for (at, change) in changes.iter().enumerate() {
            assert!(matches!(with(change), Err(IdentityError::Config { .. })), "change {at}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let config = IdentityConfig::new("https://agency.example", "hanmaru", "geheim", "https://hanmaru.example/in");
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
