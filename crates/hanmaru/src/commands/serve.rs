//! `hanmaru serve`: the portal over TLS, with health, readiness and metrics on an address of the operator's own.

use crate::Failure;
use crate::commands::scrub::keep_scrubbing;
use crate::condition::Condition;
use crate::config::{Config, Tls};
use crate::hall::{Hall, configured};
use crate::stamping::Stamping;
use crate::watching::Watching;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use identity::{Identity, IdentityError};
use ledger::VerifierKey;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portal::{Portal, PortalConfig};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long requests under way may take once the program was told to stop.
const STOP_WAIT: Duration = Duration::from_secs(20);
/// How often keys of cookies and forms that are older than a day are thrown away.
const KEYS_EVERY: Duration = Duration::from_secs(600);
/// How long the head of a request may take, and how long a connection may stay without one.
const HEAD_WAIT: Duration = Duration::from_secs(15);

/// Arguments of `hanmaru serve`.
#[derive(clap::Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    /// Serves until it is told to stop. Refuses demo configurations, demo secrets and stand-in agencies.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let config = configured(&self.config)?;
        if config.demo {
            return Err(
                "this is a demonstration's configuration: `hanmaru demo` serves it, `hanmaru serve` does not".into()
            );
        }
        let hall = Hall::open(&config)?;
        serve(&hall, &config, || {})?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves the portal until the program is told to stop; calls `ready` once it listens.
pub fn serve(hall: &Hall, config: &Config, ready: impl FnOnce()) -> Result<(), Failure> {
    let condition = Condition::of(hall);
    condition.notes.iter().for_each(|note| tracing::warn!("{note}"));
    condition.faults.iter().for_each(|fault| tracing::error!("{fault}"));
    let identity = hall.identity(config)?;
    match identity.agency_ready() {
        Ok(()) => {}
        Err(error @ IdentityError::StandInAgency { .. }) => return Err(error.into()),
        // People cannot sign in while the agency is away, but can find institutions and verify documents.
        Err(error) => tracing::warn!(%error, "the identity agency cannot be used yet"),
    }
    let metrics = PrometheusBuilder::new().install_recorder()?;
    // So that whoever searches first does not wait for it.
    if let Err(error) = hall.archive.prepare_search() {
        tracing::warn!(%error, "the directory of institutions cannot be searched yet");
    }
    let agency = origin_of(&config.agency.issuer);
    let keys = hall.store().verifier_keys().iter().map(|key| VerifierKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    let mut with = PortalConfig::new(&config.public_url, &agency, keys, config.limits.limits());
    with.trust = hall.store().trust();
    let stamping = config.time_stamp.as_ref().map(Stamping::open).transpose()?;
    with.stamp_authorities = stamping.as_ref().map(Stamping::pinned).unwrap_or_default();
    with.demo = config.demo;
    with.shred = config.shred_rules();
    with.behind_proxy = config.behind_proxy;
    let portal = portal::router(Portal::new(hall.archive.clone(), identity.clone(), with));
    let watch = watch::Watch::new(hall.store().clone(), hall.archive.shared_door())?;
    let _watching = Watching::start(&watch, &config.alerts)?;
    let operator = operator_routes(hall.clone(), identity.clone(), metrics);
    let stop = Arc::new(AtomicBool::new(false));
    let scrubber = keep_scrubbing(hall.clone(), &config.scrub, Arc::clone(&stop))?;
    let start = |stamping: Stamping| stamping.start(hall.store().clone(), hall.store().clock());
    let _stamps = stamping.map(start).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(forget_keys(identity));
    let served = runtime.block_on(run(config, portal, operator, ready));
    stop.store(true, Ordering::SeqCst);
    if let Some(scrubber) = scrubber {
        // It holds the store open until it is over.
        scrubber.thread().unpark();
        let _ = scrubber.join();
    }
    served
}

/// Keys of cookies and forms are gone after a day also where nobody comes.
async fn forget_keys(identity: Identity) {
    let mut every = tokio::time::interval(KEYS_EVERY);
    loop {
        every.tick().await;
        let identity = identity.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || identity.forget_old_keys()).await {
            tracing::warn!(%error, "old keys of cookies and forms are still there");
        }
    }
}

async fn run(config: &Config, portal: Router, operator: Router, ready: impl FnOnce()) -> Result<(), Failure> {
    let tls = match &config.tls {
        Some(tls) => Some(certificate(tls).await?),
        None => None,
    };
    let operator_listener = listen(config.operator.listen).await?;
    let portal_listener = listen(config.listen).await?.into_std()?;
    let stop = Handle::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        told_to_stop().await;
        tracing::info!("stopping: requests under way are finished first");
        stopping.graceful_shutdown(Some(STOP_WAIT));
    });
    tokio::spawn(async move { axum::serve(operator_listener, operator).await });
    tracing::info!(address = %config.listen, operator = %config.operator.listen, "serving");
    ready();
    let service = portal.into_make_service_with_connect_info::<SocketAddr>();
    match tls {
        Some(tls) => {
            let mut server = axum_server::from_tcp_rustls(portal_listener, tls)?.handle(stop);
            patience(server.http_builder());
            server.serve(service).await?;
        }
        None => {
            let mut server = axum_server::from_tcp(portal_listener)?.handle(stop);
            patience(server.http_builder());
            server.serve(service).await?;
        }
    }
    Ok(())
}

pub async fn certificate(tls: &Tls) -> Result<RustlsConfig, Failure> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let read = RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await;
    read.map_err(|error| {
        format!("certificate {} with key {}: {error}", tls.certificate.display(), tls.key.display()).into()
    })
}

/// Nobody may hold a connection open by sending a request's head slowly, or nothing at all.
pub fn patience(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD_WAIT).keep_alive_timeout(HEAD_WAIT);
}

pub async fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
    let bound = tokio::net::TcpListener::bind(address).await;
    bound.map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another address in the configuration").into()
    })
}

/// Done when the program gets SIGTERM or SIGINT.
pub async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    let mut interrupt = signal(SignalKind::interrupt()).expect("the runtime handles signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Scheme, host and port of an address.
fn origin_of(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn operator_routes(hall: Hall, identity: Identity, metrics: PrometheusHandle) -> Router {
    let hall = Arc::new(hall);
    let readiness = Arc::clone(&hall);
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(move || ready(Arc::clone(&readiness), identity.clone())))
        .route("/metrics", get(move || figures(Arc::clone(&hall), metrics.clone())))
}

/// Ready when both logs are sealed, sites and key stores suffice, the clock is right and the agency answers. Otherwise what is
/// missing, a line each; what is away and made up for by others is named either way.
async fn ready(hall: Arc<Hall>, identity: Identity) -> (StatusCode, String) {
    let checked = tokio::task::spawn_blocking(move || {
        let Condition { mut faults, notes } = Condition::of(&hall);
        faults.extend(identity.agency_ready().err().map(|error| error.to_string()));
        (faults, notes)
    });
    match checked.await {
        Ok((faults, notes)) if faults.is_empty() => (StatusCode::OK, lines("ready", &notes)),
        Ok((faults, notes)) => (StatusCode::SERVICE_UNAVAILABLE, lines("not ready", &[faults, notes].concat())),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, lines("not ready", &[])),
    }
}

fn lines(first: &str, more: &[String]) -> String {
    let mut text = format!("{first}\n");
    for line in more {
        text.push_str(line);
        text.push('\n');
    }
    text
}

async fn figures(hall: Arc<Hall>, metrics: PrometheusHandle) -> String {
    let gathered = tokio::task::spawn_blocking(move || {
        let health = hall.store().health();
        for (place, log) in ["records", "access"].into_iter().enumerate() {
            metrics::gauge!("hanmaru_log_entries", "log" => log).set(health.published[place] as f64);
            metrics::gauge!("hanmaru_log_waiting", "log" => log).set(health.waiting[place] as f64);
            if let Some(witnessed) = &health.witnessed[place] {
                metrics::gauge!("hanmaru_log_witnessed", "log" => log).set(witnessed.size as f64);
            }
        }
        for site in health.sites {
            metrics::gauge!("hanmaru_site_reachable", "site" => site.name.clone())
                .set(f64::from(u8::from(site.reachable)));
            metrics::gauge!("hanmaru_site_pending", "site" => site.name).set(site.pending as f64);
        }
        for store in hall.key_stores.status() {
            metrics::gauge!("hanmaru_key_store_reachable", "store" => store.name.clone())
                .set(f64::from(u8::from(store.reachable)));
            metrics::gauge!("hanmaru_key_store_behind", "store" => store.name).set(f64::from(u8::from(store.behind)));
        }
        if let Ok(jobs) = hall.store().jobs() {
            for (state, count) in [("waiting", jobs.waiting), ("again", jobs.again), ("failed", jobs.failed)] {
                metrics::gauge!("hanmaru_jobs", "state" => state).set(count as f64);
            }
        }
        if let Ok(behind_s) = hall.clock_behind_s() {
            metrics::gauge!("hanmaru_clock_behind_seconds").set(behind_s as f64);
        }
        metrics.render()
    });
    gathered.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin_of("https://agency.example.kr/realm/x"), "https://agency.example.kr");
        assert_eq!(origin_of("http://localhost:8601"), "http://localhost:8601");
    }
}
