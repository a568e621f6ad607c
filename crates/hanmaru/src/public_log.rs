//! The public files of both logs over HTTP, as C2SP `tlog-tiles` has them: `/log/records/checkpoint`, `/log/records/tile/…`, and
//! the same below `/log/access`. Anybody may read them; they hold commitments and hashes, and nothing about anybody.

use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use ledger::tiles::{TilePath, parse_path};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Log, Store, StoreError};

/// Files read at once; more are told to come again, so that an audit does not keep people from their records.
const READS_MAX: usize = 32;
/// Of these for one address, so that no audit keeps another from the log.
const READS_EACH: usize = 8;
/// The files of a log never change under their names. A year is as long as caches are told anything.
const KEPT: &str = "public, max-age=31536000, immutable";
/// The checkpoint is another every moment.
const NOT_KEPT: &str = "no-cache";

#[derive(Clone)]
struct Public {
    store: Store,
    turns: Arc<Turns>,
    behind_proxy: bool,
}

/// Who reads now: addresses, each as often as it does.
#[derive(Default)]
struct Turns(Mutex<Vec<String>>);

/// A turn, which ends with it.
struct Turn {
    turns: Arc<Turns>,
    address: String,
}

impl Turns {
    /// A turn for an address, where there is one left for it.
    fn take(self: &Arc<Self>, address: String) -> Option<Turn> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.iter().filter(|one| **one == address).count();
        if held.len() >= READS_MAX || own >= READS_EACH {
            return None;
        }
        held.push(address.clone());
        Some(Turn { turns: Arc::clone(self), address })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut held = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = held.iter().position(|one| *one == self.address) {
            held.swap_remove(place);
        }
    }
}

enum File {
    Checkpoint,
    Tile(TilePath),
}

/// The routes.
pub fn routes(store: Store, behind_proxy: bool) -> Router {
    let public = Public { store, turns: Arc::default(), behind_proxy };
    Router::new()
        .route("/log/{log}/checkpoint", get(checkpoint))
        .route("/log/{log}/tile/{*rest}", get(tile))
        .with_state(public)
}

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

async fn checkpoint(State(public): State<Public>, peer: Peer, headers: HeaderMap, Path(log): Path<String>) -> Response {
    let address = public.address(peer, &headers);
    read(public, address, &log, File::Checkpoint).await
}

async fn tile(
    State(public): State<Public>,
    peer: Peer,
    headers: HeaderMap,
    Path((log, rest)): Path<(String, String)>,
) -> Response {
    match parse_path(&format!("tile/{rest}")) {
        Ok(path) => {
            let address = public.address(peer, &headers);
            read(public, address, &log, File::Tile(path)).await
        }
        Err(_) => not_found(),
    }
}

impl Public {
    fn address(&self, peer: Peer, headers: &HeaderMap) -> String {
        portal::source(peer.map(|Extension(ConnectInfo(peer))| peer.ip()), headers, self.behind_proxy)
    }
}

async fn read(public: Public, address: String, log: &str, file: File) -> Response {
    let Some(log) = Log::ALL.into_iter().find(|one| one.name() == log) else { return not_found() };
    let Some(turn) = public.turns.take(address) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], "busy\n").into_response();
    };
    let store = public.store.clone();
    let found = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
        let _turn = turn;
        Ok(match file {
            File::Checkpoint => store.checkpoint(log)?.map(|head| (head.note, "text/plain; charset=utf-8", NOT_KEPT)),
            File::Tile(path) => {
                store.log_file(log, &path)?.map(|bytes| (bytes.to_vec(), "application/octet-stream", KEPT))
            }
        })
    })
    .await;
    match found {
        Ok(Ok(Some((bytes, kind, kept)))) => {
            let headers: [(HeaderName, &str); 4] = [
                (CONTENT_TYPE, kind),
                (CACHE_CONTROL, kept),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            ];
            (headers, bytes).into_response()
        }
        Ok(Ok(None)) => not_found(),
        Ok(Err(error)) => {
            tracing::warn!(log = log.name(), %error, "a public file of a log cannot be read");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], "the log cannot be read now\n").into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(CACHE_CONTROL, NOT_KEPT)], "no such file of a log\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_turns_to_others() {
        let turns = Arc::new(Turns::default());
        let take = |address: &str| turns.take(address.to_owned());
        let mut own: Vec<Turn> = (0..READS_EACH).map(|_| take("192.0.2.1").expect("a turn")).collect();
        assert!(take("192.0.2.1").is_none());
        let others: Vec<Option<Turn>> = (0..READS_MAX).map(|number| take(&format!("198.51.100.{number}"))).collect();
        assert_eq!(others.iter().flatten().count(), READS_MAX - READS_EACH);
        drop((own.pop(), others));
        assert!(take("192.0.2.1").is_some(), "a turn that is over is another's");
    }
}
