//! `hanmaru agency`: the stand-in identity agency as a process of its own.

use crate::Failure;
use crate::hall::log_lines;
use base::{Redacted, SystemClock, SystemRandom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use synth::agency::{AgencyConfig, AgencyLimits};

/// Arguments of `hanmaru agency`.
#[derive(clap::Args)]
pub struct Agency {
    /// Identity files; those that do not exist yet are read once they do.
    #[arg(long, value_name = "FILE", required = true)]
    people: Vec<PathBuf>,
    /// The loopback address to listen on.
    #[arg(long, default_value = "127.0.0.1:8601")]
    listen: SocketAddr,
    /// How clients and browsers name it, when not by the address it listens on.
    #[arg(long)]
    issuer: Option<String>,
    /// The client's id.
    #[arg(long, default_value = "hanmaru")]
    client_id: String,
    /// The file that holds the client's secret.
    #[arg(long, value_name = "FILE")]
    client_secret_file: PathBuf,
    /// Where answers may be sent.
    #[arg(long, value_name = "URL", required = true)]
    redirect: Vec<String>,
    /// How much it says: `error`, `warn`, `info`, `debug`, `trace`.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
    /// Ends when standard input does, as it does when whoever started it is gone.
    #[arg(long)]
    while_stdin: bool,
}

impl Agency {
    /// Serves until it is told to stop.
    pub fn run(self) -> Result<ExitCode, Failure> {
        log_lines(&self.log, false)?;
        let secret = std::fs::read_to_string(&self.client_secret_file)
            .map_err(|error| format!("cannot read {}: {error}", self.client_secret_file.display()))?;
        let config = AgencyConfig {
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: Redacted::new(secret.trim().to_owned()),
            redirect_urls: self.redirect,
            people: self.people,
            limits: AgencyLimits::default(),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let input = self.while_stdin;
        runtime.block_on(async {
            let bound = tokio::net::TcpListener::bind(self.listen).await;
            let listener = bound.map_err(|error| {
                format!(
                    "the agency cannot listen on {}: {error}; end what listens there, or choose another address",
                    self.listen
                )
            })?;
            synth::agency::serve(config, listener, async move {
                tokio::select! {
                    () = super::serve::told_to_stop() => {}
                    () = end_of_input(), if input => {}
                }
            })
            .await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Done when standard input ends.
async fn end_of_input() {
    let mut byte = [0];
    while matches!(tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut byte).await, Ok(1)) {}
}
