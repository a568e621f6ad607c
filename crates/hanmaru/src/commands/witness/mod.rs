//! `hanmaru witness`: an independent witness of logs (C2SP `tlog-witness`), with a key and a state of its own. It knows nothing
//! of records: run it on a machine that whoever runs the log has no say over.

mod evidence;
mod heads;
mod server;

use crate::Failure;
use crate::config::Tls;
use crate::hall::log_lines;
use base::{Clock, Random, SystemClock, SystemRandom};
use clap::ValueEnum;
use evidence::Evidence;
use heads::Heads;
use ledger::{CosignerKey, VerifierKey};
use serde::Deserialize;
use server::{Seldom, Witness};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Largest key file that is read, in bytes.
const KEY_BYTES_MAX: u64 = 1_024;
/// Most logs that a witness is configured with.
const LOGS_MAX: usize = 1_000;

/// Arguments of `hanmaru witness`.
#[derive(clap::Args)]
pub struct WitnessCommand {
    /// Without it the witness serves.
    #[arg(value_enum)]
    what: Option<What>,
    /// The witness's configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What else can be done.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Makes a new key and an empty state; never replaces either.
    Init,
    /// Prints the public key, for the policies of those who trust this witness.
    Key,
}

/// The configuration of a witness.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Its name, a URL without scheme such as `witness.example/seoul`. It stands in every cosignature.
    name: String,
    /// The address it listens on.
    #[serde(default = "loopback")]
    listen: SocketAddr,
    /// The file with its secret key.
    key: PathBuf,
    /// The folder with what it has seen of each log.
    state: PathBuf,
    /// Verifier keys of the logs that it cosigns.
    #[serde(default)]
    logs: Vec<String>,
    /// Certificate and key of its address. Without it only a loopback address is served, behind a proxy.
    tls: Option<Tls>,
    /// Log lines.
    #[serde(default)]
    log: crate::config::Log,
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8620))
}

impl WitnessCommand {
    /// Serves until it is told to stop, or makes or prints the key.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = Config::read(&self.config)?;
        match self.what {
            Some(What::Init) => init(&config),
            Some(What::Key) => {
                println!("{}", read_key(&config)?.0.witness().encode());
                Ok(ExitCode::SUCCESS)
            }
            None => serve(&config),
        }
    }
}

impl Config {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let config: Self =
            toml::from_str(&text).map_err(|error| format!("{} is not a configuration: {error}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let mut config = Self { key: base.join(&config.key), state: base.join(&config.state), ..config };
        if let Some(tls) = &mut config.tls {
            (tls.certificate, tls.key) = (base.join(&tls.certificate), base.join(&tls.key));
        }
        if config.tls.is_none() && !config.listen.ip().is_loopback() {
            return Err(
                "without [tls] a witness listens on a loopback address only, behind a proxy that speaks TLS".into()
            );
        }
        if config.logs.len() > LOGS_MAX {
            return Err(
                format!("{} logs are configured, and a witness takes at most {LOGS_MAX}", config.logs.len()).into()
            );
        }
        Ok(config)
    }

    fn logs(&self) -> Result<Vec<VerifierKey>, Failure> {
        let parse = |text: &String| VerifierKey::parse(text).map_err(|error| format!("logs: {text}: {error}").into());
        self.logs.iter().map(parse).collect()
    }
}

/// Makes key and state. The key comes last, so that a key without a state is never left behind.
fn init(config: &Config) -> Result<ExitCode, Failure> {
    if config.key.exists() {
        return Err(format!("{} is there already, and is not replaced", config.key.display()).into());
    }
    let random: &dyn Random = &SystemRandom;
    let key = CosignerKey::generate(&config.name, random)?;
    Heads::make(&config.state)?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(&config.key);
    let written = file.and_then(|mut file| {
        file.write_all(key.encode().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.map_err(|error| format!("cannot write {}: {error}", config.key.display()))?;
    println!("Ready. The public key, for the policies of those who trust this witness:");
    println!("{}", key.witness().encode());
    println!("A witness that has lost {} has forgotten what it saw: make a new key then.", config.state.display());
    Ok(ExitCode::SUCCESS)
}

/// The key, and its file, which is held so that no other process uses the same key.
fn read_key(config: &Config) -> Result<(CosignerKey, File), Failure> {
    let path = config.key.display();
    let file = File::open(&config.key)
        .map_err(|error| format!("cannot read {path}: {error}; `hanmaru witness init` makes a new witness's key"))?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("{path} can be read by others: run chmod 600 on it").into());
    }
    let mut text = String::new();
    (&file).take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    let key = CosignerKey::parse(text.trim_end()).map_err(|error| format!("{path}: {error}"))?;
    if key.witness().name() != config.name {
        return Err(format!(
            "{path} is the key of {}, and the configuration names {}",
            key.witness().name(),
            config.name
        )
        .into());
    }
    Ok((key, file))
}

fn serve(config: &Config) -> Result<ExitCode, Failure> {
    log_lines(&config.log.level, config.log.json)?;
    let (key, key_file) = read_key(config)?;
    match key_file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!("another process uses {}: a witness is one process", config.key.display()).into());
        }
        Err(TryLockError::Error(error)) => return Err(format!("cannot lock {}: {error}", config.key.display()).into()),
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (heads, evidence) = (Heads::open(&config.state)?, Evidence::below(&config.state));
    let witness = Witness { key, logs: config.logs()?, heads, evidence, seldom: Seldom::default(), clock };
    if witness.logs.is_empty() {
        tracing::warn!("no logs are configured, so nothing is cosigned");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(server::run(witness, config.listen, config.tls.as_ref()))?;
    drop(key_file);
    Ok(ExitCode::SUCCESS)
}
