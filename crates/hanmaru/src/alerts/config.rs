//! Where alerts go: the section `[alerts]` of the configuration. Secrets stand in files of their own.

use crate::Failure;
use base::Redacted;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use watch::Severity;

/// The section `[alerts]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// The least grave cases that are told: `low`, `medium`, `high` or `critical`. Without it `high`.
    least: Option<String>,
    /// Addresses that are posted to.
    #[serde(rename = "webhook")]
    webhooks: Vec<WebhookConfig>,
    /// People who get mail.
    mail: Option<MailConfig>,
}

/// One `[[alerts.webhook]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookConfig {
    /// Where: `https://…`; plain HTTP on a loopback address only.
    url: String,
    /// The file that holds the secret of signatures.
    secret_file: PathBuf,
}

/// The section `[alerts.mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailConfig {
    /// Name of the mail server.
    server: String,
    /// Its port.
    port: u16,
    /// `tls`, `starttls`, or `none`, which is for a server on this machine.
    security: String,
    /// Whom it is from.
    from: String,
    /// Whom it goes to.
    to: Vec<String>,
    /// The account at the server, where it wants one.
    user: Option<String>,
    /// The file that holds its password.
    password_file: Option<PathBuf>,
}

/// Where an alert goes.
pub(super) enum Destination {
    Webhook(Webhook),
    Mail(Mail),
}

/// An address that is posted to.
pub(super) struct Webhook {
    pub url: String,
    pub secret: Redacted<String>,
}

/// Mail to some people.
pub(super) struct Mail {
    pub server: String,
    pub port: u16,
    pub security: Security,
    pub from: String,
    pub to: Vec<String>,
    pub login: Option<(String, Redacted<String>)>,
}

/// How the connection to a mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    Tls,
    StartTls,
    None,
}

impl Alerts {
    /// Paths are relative to the configuration file.
    pub fn resolve(&mut self, base: &Path) {
        let webhooks = self.webhooks.iter_mut().map(|webhook| &mut webhook.secret_file);
        let mail = self.mail.iter_mut().filter_map(|mail| mail.password_file.as_mut());
        for path in webhooks.chain(mail) {
            *path = base.join(&*path);
        }
    }

    /// What is wrong with it, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.least().err().map(|error| error.to_string()).into_iter().collect();
        for webhook in &self.webhooks {
            if !is_safe(&webhook.url) {
                faults.push("[[alerts.webhook]] url must start with https:// or be on a loopback address".to_owned());
            }
        }
        if let Some(mail) = &self.mail {
            match security(&mail.security) {
                None => faults.push("[alerts.mail] security must be tls, starttls or none".to_owned()),
                Some(Security::None) if !is_loopback(&mail.server) => {
                    faults.push("[alerts.mail] security = \"none\" is for a server on this machine only".to_owned());
                }
                Some(_) => {}
            }
            if mail.to.is_empty() {
                faults.push("[alerts.mail] to must name somebody".to_owned());
            }
        }
        faults
    }

    pub(super) fn least(&self) -> Result<Severity, Failure> {
        let Some(least) = &self.least else { return Ok(Severity::High) };
        Severity::from_name(least)
            .ok_or_else(|| format!("[alerts] least = {least:?} must be low, medium, high or critical").into())
    }

    /// Each destination under a name that tells its kind and its place in the configuration.
    pub(super) fn destinations(&self) -> Result<Vec<(String, Destination)>, Failure> {
        let mut all = Vec::new();
        for (place, webhook) in (1..).zip(&self.webhooks) {
            let to = Webhook { url: webhook.url.clone(), secret: secret(&webhook.secret_file)? };
            all.push((format!("webhook {place}"), Destination::Webhook(to)));
        }
        if let Some(mail) = &self.mail {
            let login = match (&mail.user, &mail.password_file) {
                (Some(user), Some(file)) => Some((user.clone(), secret(file)?)),
                (None, None) => None,
                _ => return Err("[alerts.mail] user and password_file belong together".into()),
            };
            let to = Mail {
                server: mail.server.clone(),
                port: mail.port,
                security: security(&mail.security).ok_or("[alerts.mail] security must be tls, starttls or none")?,
                from: mail.from.clone(),
                to: mail.to.clone(),
                login,
            };
            all.push(("mail".to_owned(), Destination::Mail(to)));
        }
        Ok(all)
    }
}

fn security(name: &str) -> Option<Security> {
    match name {
        "tls" => Some(Security::Tls),
        "starttls" => Some(Security::StartTls),
        "none" => Some(Security::None),
        _ => None,
    }
}

fn is_safe(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
    url.starts_with("https://") || host.is_some_and(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn secret(path: &Path) -> Result<Redacted<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Redacted::new(text.trim().to_owned()))
}
