//! The configuration file of `hanmaru serve` and of the commands that work on the same data.
//!
//! TOML, overlaid by environment variables: `HANMARU__AGENCY__ISSUER` replaces `issuer` in `[agency]`. Secrets stand in
//! files of their own, so that the configuration may be shown and copied. Unknown keys are refused: a misspelt limit
//! must not be a limit that is not there.

use crate::alerts::Alerts;
use crate::site_config::Site;
use base::Redacted;
use base::limits::Limits;
use serde::Deserialize;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use store::ShredRules;
use vault::{Passphrase, SitePlace};

/// A configuration, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where people reach the portal, for example `https://records.example.kr`: the base of every link and QR code.
    pub public_url: String,
    /// The data folder: database, journals, locks, receipts.
    pub data: PathBuf,
    /// The address the portal listens on.
    pub listen: SocketAddr,
    /// Whether a proxy on this machine stands in front of the portal and appends to `X-Forwarded-For`.
    #[serde(default)]
    pub behind_proxy: bool,
    /// The name of the ledger, for example `records.example.kr/log`. It never changes once the first entry is in.
    pub ledger_origin: String,
    /// Certificate and key of the portal. Without it only a loopback address is served, behind a proxy.
    pub tls: Option<Tls>,
    /// Folders or buckets that hold sealed data, three of them, each on a machine or disk of its own.
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// Folders that hold wrapped keys, three of them, apart from the sites.
    #[serde(rename = "key_store")]
    pub key_stores: Vec<Folder>,
    /// The root key.
    pub keys: Keys,
    /// Erasures.
    #[serde(default)]
    pub shred: Shred,
    /// The identity agency.
    pub agency: Agency,
    /// Sessions.
    #[serde(default)]
    pub session: Session,
    /// Limits on what comes from outside.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Where the watch tells of new cases.
    #[serde(default)]
    pub alerts: Alerts,
    /// Log lines.
    #[serde(default)]
    pub log: Log,
    /// Reading everything at the sites back.
    #[serde(default)]
    pub scrub: Scrub,
    /// Health, readiness and metrics, on an address of their own that only the operator reaches.
    pub operator: Operator,
    /// Independent witnesses of the logs.
    pub witnesses: Option<Witnesses>,
    /// Time-stamps on the checkpoints of the logs.
    pub time_stamp: Option<TimeStamps>,
    /// Set by `hanmaru demo` alone: made-up people, a stand-in agency, plain HTTP on loopback.
    #[serde(default)]
    pub demo: bool,
}

/// A named folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Its name in status and messages.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// Certificate and key, PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The root key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The root key's file, readable by the service's user alone.
    pub root: PathBuf,
    /// Where the passphrase of the root keys comes from: `file:PATH`, `env:NAME`, `fd:NUMBER` or `credential:NAME`.
    pub passphrase: Option<String>,
    /// Whether a new installation may have its root key in a plain file.
    #[serde(default)]
    pub plain: bool,
    /// Days that a backup of a key store may be kept.
    #[serde(default = "backup_days")]
    pub backup_days: u32,
}

const fn backup_days() -> u32 {
    30
}

impl Keys {
    /// Where the passphrase comes from, where one is configured.
    #[must_use]
    pub fn passphrase(&self) -> Option<Passphrase> {
        self.passphrase.as_deref().and_then(Passphrase::parse)
    }
}

/// Erasures.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shred {
    /// Hours between the second approval of an erasure and its execution.
    pub wait_hours: u32,
}

impl Default for Shred {
    fn default() -> Self {
        Self { wait_hours: 168 }
    }
}

/// The identity agency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// Its OpenID Connect issuer.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// The file that holds our client secret.
    pub client_secret_file: PathBuf,
}

/// Limits of sessions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// Minutes without a request after which a session ends.
    pub idle_minutes: u32,
    /// Minutes after which a session ends in any case.
    pub absolute_minutes: u32,
    /// Minutes after which something grave asks for the second factor again.
    pub step_up_minutes: u32,
    /// Minutes after which a request to reset second factors can take effect.
    pub recovery_wait_minutes: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self { idle_minutes: 15, absolute_minutes: 480, step_up_minutes: 5, recovery_wait_minutes: 10 }
    }
}

/// Limits that the operator may change; what is absent keeps its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    resource_bytes: Option<usize>,
    resource_depth: Option<usize>,
    document_bytes: Option<u64>,
    bag_files: Option<usize>,
    request_bytes: Option<usize>,
    verify_bytes: Option<usize>,
}

impl LimitsConfig {
    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            resource_bytes: self.resource_bytes.unwrap_or(default.resource_bytes),
            resource_depth: self.resource_depth.unwrap_or(default.resource_depth),
            document_bytes: self.document_bytes.unwrap_or(default.document_bytes),
            bag_files: self.bag_files.unwrap_or(default.bag_files),
            request_bytes: self.request_bytes.unwrap_or(default.request_bytes),
            verify_bytes: self.verify_bytes.unwrap_or(default.verify_bytes),
            ..default
        }
    }
}

/// Log lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,store=debug`.
    pub level: String,
    /// JSON lines instead of text.
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}

/// Independent witnesses of the logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    /// The policy file (C2SP `tlog-policy`): who they are, where, and how many of them make a quorum.
    pub policy: PathBuf,
}

/// Reading everything at the sites back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scrub {
    /// How long after the last one the next begins while the portal is served, in hours; 0 for never.
    pub every_hours: u32,
    /// Most megabytes read a second.
    pub megabytes_per_second: u32,
}

impl Default for Scrub {
    fn default() -> Self {
        Self { every_hours: 7 * 24, megabytes_per_second: 20 }
    }
}

/// Time-stamps on the checkpoints of the logs (RFC 3161).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStamps {
    /// Minutes between two of them, for a log that grows.
    #[serde(default = "an_hour")]
    pub interval_minutes: u32,
    /// Who stamps, in the order in which they are asked.
    #[serde(rename = "authority")]
    pub authorities: Vec<StampAuthorityConfig>,
}

impl TimeStamps {
    /// Seconds between two time-stamps.
    #[must_use]
    pub fn interval_s(&self) -> i64 {
        i64::from(self.interval_minutes) * 60
    }
}

const fn an_hour() -> u32 {
    60
}

/// A time-stamp authority.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StampAuthorityConfig {
    /// Its name in status and at the sites: `a-z 0-9 -`.
    pub name: String,
    /// Where requests go.
    pub url: String,
    /// Its pinned certificates, PEM: its own, or those of the authority that issued it.
    pub certificates: PathBuf,
}

/// The operator's address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Serves `/health`, `/ready` and `/metrics`.
    pub listen: SocketAddr,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The text is not a configuration.
    #[error("{path} is not a valid configuration: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The values do not fit together or are not safe.
    #[error("{path} cannot be used:\n{}", .faults.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Every reason.
        faults: Vec<String>,
    },
}

/// Client secrets that stand in this repository or in examples and so are known to everyone.
const KNOWN_SECRETS: [&str; 4] = ["demo-client-secret", "secret", "change-me", "changeme"];
/// The fewest characters of a client secret.
const SECRET_CHARS: usize = 16;

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Every reason why it cannot be used, at once.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config = Self::parse(path, &text, std::env::vars())?;
        let faults = config.faults();
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Unsafe { path: path.to_owned(), faults }) }
    }

    fn parse(path: &Path, text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let fault = |reason: String| ConfigError::Parse { path: path.to_owned(), reason };
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| fault(error.to_string()))?;
        for (name, value) in variables {
            if let Some(keys) = name.strip_prefix("HANMARU__") {
                overlay(&mut table, &keys.to_ascii_lowercase(), value);
            }
        }
        let mut config: Self = table.try_into().map_err(|error: toml::de::Error| fault(error.to_string()))?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }

    /// Paths are relative to the configuration file.
    fn resolve(&mut self, base: &Path) {
        let mut paths = vec![&mut self.data, &mut self.keys.root, &mut self.agency.client_secret_file];
        paths.extend(self.key_stores.iter_mut().map(|store| &mut store.folder));
        paths.extend(self.witnesses.iter_mut().map(|witnesses| &mut witnesses.policy));
        let authorities = self.time_stamp.iter_mut().flat_map(|stamps| &mut stamps.authorities);
        paths.extend(authorities.map(|authority| &mut authority.certificates));
        if let Some(tls) = &mut self.tls {
            paths.extend([&mut tls.certificate, &mut tls.key]);
        }
        for path in paths {
            *path = base.join(&*path);
        }
        self.sites.iter_mut().for_each(|site| site.resolve(base));
        if let Some(Passphrase::File(path)) = self.keys.passphrase() {
            self.keys.passphrase = Some(format!("file:{}", base.join(path).display()));
        }
        self.alerts.resolve(base);
    }

    /// The client secret at the agency.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn client_secret(&self) -> Result<Redacted<String>, ConfigError> {
        let path = &self.agency.client_secret_file;
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        Ok(Redacted::new(text.trim().to_owned()))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        need(self.sites.len() == 3, "give three [[site]] folders or buckets");
        need(self.key_stores.len() == 3, "give three [[key_store]] folders");
        need(self.folders_differ(), "sites and key stores must be different folders, none inside another");
        for fault in self.sites.iter().filter_map(|site| site.place(variable).err()) {
            need(false, &fault);
        }
        need(!self.public_url.ends_with('/'), "public_url ends without a slash");
        need(!self.ledger_origin.is_empty(), "ledger_origin must not be empty");
        need(
            self.keys.passphrase.is_none() || self.keys.passphrase().is_some(),
            "[keys] passphrase must be file:PATH, env:NAME, fd:NUMBER or credential:NAME, and never the passphrase itself",
        );
        need(self.keys.backup_days > 0, "[keys] backup_days must be more than 0");
        need(self.operator.listen != self.listen, "[operator] listen needs an address of its own");
        need(self.session.idle_minutes > 0, "[session] idle_minutes must be more than 0");
        need(
            self.session.absolute_minutes >= self.session.idle_minutes,
            "[session] absolute_minutes must not be less than idle_minutes",
        );
        need(
            (5..=720).contains(&self.session.recovery_wait_minutes),
            "[session] recovery_wait_minutes must be between 5 and 720",
        );
        need((1..=60).contains(&self.session.step_up_minutes), "[session] step_up_minutes must be 1 to 60");
        let limits = self.limits.limits();
        let sizes =
            [limits.resource_bytes, limits.resource_depth, limits.bag_files, limits.request_bytes, limits.verify_bytes];
        need(sizes.iter().all(|size| *size > 0) && limits.document_bytes > 0, "[limits] must be more than 0");
        let most = store::RESOURCE_BYTES_MAX;
        need(
            limits.resource_bytes <= most,
            &format!("[limits] resource_bytes must not be more than {most}: a larger resource does not fit one frame"),
        );
        if !self.demo {
            self.need_real(&mut need);
        }
        faults.extend(self.alerts.faults());
        faults
    }

    /// What must hold wherever real records are.
    fn need_real(&self, need: &mut impl FnMut(bool, &str)) {
        need(self.public_url.starts_with("https://"), "public_url must start with https://");
        need(
            self.tls.is_some() || self.listen.ip().is_loopback(),
            "without [tls] the portal may listen on a loopback address only, behind a proxy that speaks TLS",
        );
        need(
            self.tls.is_some() || self.behind_proxy,
            "without [tls] set behind_proxy = true and have the proxy append to X-Forwarded-For: otherwise everybody has \
             the proxy's address, in the access log and where wrong sign-ins are slowed down",
        );
        need(self.agency.issuer.starts_with("https://"), "[agency] issuer must start with https://");
        need(!self.data.join("demo").exists(), "the data folder was made by `hanmaru demo`: use another one");
        match self.client_secret() {
            Err(error) => need(false, &format!("[agency] client_secret_file: {error}")),
            Ok(secret) => {
                let known = KNOWN_SECRETS.contains(&secret.expose().as_str());
                need(!known, "[agency] the client secret is one that everybody knows");
                need(secret.expose().chars().count() >= SECRET_CHARS, "[agency] the client secret is too short");
                let mode =
                    std::fs::metadata(&self.agency.client_secret_file).map_or(0, |meta| meta.permissions().mode());
                need(mode & 0o077 == 0, "[agency] client_secret_file can be read by others: run chmod 600 on it");
            }
        }
    }

    fn folders_differ(&self) -> bool {
        let sites = self.sites.iter().filter_map(|site| site.folder.as_deref());
        let folders: Vec<&Path> = sites.chain(self.key_stores.iter().map(|folder| folder.folder.as_path())).collect();
        let apart = |a: &Path, b: &Path| !a.starts_with(b) && !b.starts_with(a);
        let buckets: Vec<String> = self.sites.iter().filter_map(Site::bucket_place).collect();
        let once = |(place, bucket): (usize, &String)| !buckets[place + 1..].contains(bucket);
        folders.iter().enumerate().all(|(place, a)| folders[place + 1..].iter().all(|b| apart(a, b)))
            && buckets.iter().enumerate().all(once)
    }

    /// What the operator has laid down for erasures.
    #[must_use]
    pub fn shred_rules(&self) -> ShredRules {
        ShredRules { wait_hours: self.shred.wait_hours, backup_days: self.keys.backup_days }
    }

    /// Where the sites are.
    ///
    /// # Errors
    /// What in a site's table cannot be used.
    pub fn site_places(&self) -> Result<Vec<SitePlace>, ConfigError> {
        let places = self.sites.iter().map(|site| site.place(variable)).collect::<Result<_, String>>();
        places.map_err(|fault| ConfigError::Unsafe { path: self.data.clone(), faults: vec![fault] })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Sets `a__b` in a table, as text, number or truth value, whichever the text is.
fn overlay(table: &mut toml::Table, keys: &str, value: String) {
    match keys.split_once("__") {
        Some((section, rest)) => {
            let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = entry {
                overlay(inner, rest, value);
            }
        }
        None => {
            let value = value
                .parse::<i64>()
                .map(toml::Value::Integer)
                .or_else(|_| value.parse::<bool>().map(toml::Value::Boolean))
                .unwrap_or(toml::Value::String(value));
            table.insert(keys.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        public_url = "https://records.example.kr"
        data = "data"
        listen = "127.0.0.1:8443"
        behind_proxy = true
        ledger_origin = "records.example.kr/log"
        [keys]
        root = "root.key"
        [agency]
        issuer = "https://agency.example.kr"
        client_id = "hanmaru"
        client_secret_file = "secret"
        [operator]
        listen = "127.0.0.1:9100"
        [[site]]
        name = "a"
        folder = "sites/a"
        [[site]]
        name = "b"
        folder = "sites/b"
        [[site]]
        name = "c"
        folder = "sites/c"
        [[key_store]]
        name = "a"
        folder = "keys/a"
        [[key_store]]
        name = "b"
        folder = "keys/b"
        [[key_store]]
        name = "c"
        folder = "keys/c"
    "#;

    fn written(text: &str, secret: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("hanmaru.toml");
        std::fs::write(&path, text).expect("written");
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, secret).expect("written");
        std::fs::set_permissions(&secret_file, PermissionsExt::from_mode(0o600)).expect("set");
        (folder, path)
    }

    #[test]
    fn a_whole_configuration_is_taken() {
        let (folder, path) = written(WHOLE, "9f86d081884c7d659a2feaa0c55ad015");
        let config = Config::read(&path).expect("whole");
        assert_eq!(config.data, folder.path().join("data"));
        assert_eq!(config.session.idle_minutes, 15);
    }

    #[test]
    fn resources_larger_than_a_frame_are_not_promised() {
        for (bytes, is_taken) in [(store::RESOURCE_BYTES_MAX, true), (store::RESOURCE_BYTES_MAX + 1, false)] {
            let (_folder, path) =
                written(&format!("{WHOLE}\n[limits]\nresource_bytes = {bytes}\n"), "9f86d081884c7d659a2feaa0c55ad015");
            match Config::read(&path) {
                Ok(_) => assert!(is_taken, "{bytes}"),
                Err(error) => assert!(!is_taken && error.to_string().contains("resource_bytes"), "{error}"),
            }
        }
    }

    #[test]
    fn demo_secrets_stand_ins_and_demo_data_are_refused() {
        for secret in ["demo-client-secret", "short"] {
            let (_folder, path) = written(WHOLE, secret);
            assert!(matches!(Config::read(&path), Err(ConfigError::Unsafe { .. })), "{secret}");
        }
        let stand_in = WHOLE.replace("https://agency.example.kr", "http://127.0.0.1:9000");
        let (_folder, path) = written(&stand_in, "9f86d081884c7d659a2feaa0c55ad015");
        let error = Config::read(&path).expect_err("a stand-in").to_string();
        assert!(error.contains("issuer must start with https://"), "{error}");

        let (folder, path) = written(WHOLE, "9f86d081884c7d659a2feaa0c55ad015");
        std::fs::create_dir_all(folder.path().join("data")).expect("a folder");
        std::fs::write(folder.path().join("data/demo"), "").expect("written");
        let error = Config::read(&path).expect_err("demo data").to_string();
        assert!(error.contains("made by `hanmaru demo`"), "{error}");
    }

    #[test]
    fn without_tls_and_proxy_nothing_is_served() {
        let (_folder, path) = written(&WHOLE.replace("behind_proxy = true", ""), "9f86d081884c7d659a2feaa0c55ad015");
        let error = Config::read(&path).expect_err("no proxy").to_string();
        assert!(error.contains("behind_proxy"), "{error}");
    }

    #[test]
    fn misspelt_keys_and_shared_folders_are_refused() {
        let (_folder, path) = written(&WHOLE.replace("listen =", "lisen ="), "9f86d081884c7d659a2feaa0c55ad015");
        assert!(matches!(Config::read(&path), Err(ConfigError::Parse { .. })));
        let (_folder, path) = written(&WHOLE.replace("keys/b", "sites/a/keys"), "9f86d081884c7d659a2feaa0c55ad015");
        let error = Config::read(&path).expect_err("shared").to_string();
        assert!(error.contains("different folders"), "{error}");
    }

    #[test]
    fn a_secret_that_others_can_read_and_limits_of_nothing_are_refused() {
        let (folder, path) =
            written(&format!("{WHOLE}\n[limits]\nverify_bytes = 0\n"), "9f86d081884c7d659a2feaa0c55ad015");
        std::fs::set_permissions(folder.path().join("secret"), PermissionsExt::from_mode(0o644)).expect("set");
        let error = Config::read(&path).expect_err("unsafe").to_string();
        assert!(error.contains("chmod 600") && error.contains("[limits]"), "{error}");
    }

    #[test]
    fn a_passphrase_is_never_in_the_configuration() {
        let with = |text: &str| WHOLE.replace("root = \"root.key\"", &format!("root = \"root.key\"\n{text}"));
        let (folder, path) = written(&with("passphrase = \"file:secret\""), "9f86d081884c7d659a2feaa0c55ad015");
        let config = Config::read(&path).expect("whole");
        assert_eq!(config.keys.passphrase(), Some(Passphrase::File(folder.path().join("secret"))));
        assert_eq!((config.keys.backup_days, config.shred.wait_hours), (30, 168));
        for bad in ["passphrase = \"correct horse battery staple\"", "backup_days = 0"] {
            let (_folder, path) = written(&with(bad), "9f86d081884c7d659a2feaa0c55ad015");
            let error = Config::read(&path).expect_err("refused").to_string();
            assert!(error.contains("[keys]") && !error.contains("battery"), "{error}");
        }
    }

    #[test]
    fn variables_overlay_the_file() {
        let variables = [("HANMARU__SESSION__IDLE_MINUTES", "5"), ("HANMARU__AGENCY__CLIENT_ID", "other")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse(Path::new("/x/y.toml"), WHOLE, variables.into_iter()).expect("whole");
        assert_eq!(config.session.idle_minutes, 5);
        assert_eq!(config.agency.client_id, "other");
    }

    /// Whatever a file or a variable says, it is taken or refused in words.
    #[test]
    fn any_text_is_a_configuration_or_is_refused() {
        const TARGET: fuzzing::Target = fuzzing::Target {
            name: "hanmaru_config",
            seeds: || vec![WHOLE.as_bytes().to_vec(), format!("SITES__A=x\n{WHOLE}").into_bytes()],
            run: |bytes| {
                let Ok(text) = std::str::from_utf8(bytes) else { return };
                let first = text.lines().next().unwrap_or_default();
                let variable =
                    first.split_once('=').map(|(name, value)| (format!("HANMARU__{name}"), value.to_owned()));
                for variables in [None, variable] {
                    match Config::parse(Path::new("/x/y.toml"), text, variables.into_iter()) {
                        Ok(config) => assert!(config.faults().len() <= 100 + bytes.len(), "faults are bounded"),
                        Err(error) => assert!(!error.to_string().is_empty(), "a refusal says why"),
                    }
                }
            },
            bytes_max: 1 << 13,
            inputs: 2_000,
        };
        fuzzing::short::run(&TARGET).unwrap_or_else(|found| panic!("{found}"));
    }
}
