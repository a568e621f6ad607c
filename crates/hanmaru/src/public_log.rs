//! The public files of both logs over HTTP, as C2SP `tlog-tiles` has them: `/log/records/checkpoint`, `/log/records/tile/…`, and
//! the same below `/log/access`. Anybody may read them; they hold commitments and hashes, and nothing about anybody.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::tiles::{TilePath, parse_path};
use std::sync::Arc;
use store::{Log, Store, StoreError};
use tokio::sync::Semaphore;

/// Files read at once; more are told to come again, so that an audit does not keep people from their records.
const READS_MAX: usize = 32;
/// The files of a log never change under their names. A year is as long as caches are told anything.
const KEPT: &str = "public, max-age=31536000, immutable";
/// The checkpoint is another every moment.
const NOT_KEPT: &str = "no-cache";

#[derive(Clone)]
struct Public {
    store: Store,
    turns: Arc<Semaphore>,
}

enum File {
    Checkpoint,
    Tile(TilePath),
}

/// The routes.
pub fn routes(store: Store) -> Router {
    let public = Public { store, turns: Arc::new(Semaphore::new(READS_MAX)) };
    Router::new()
        .route("/log/{log}/checkpoint", get(checkpoint))
        .route("/log/{log}/tile/{*rest}", get(tile))
        .with_state(public)
}

async fn checkpoint(State(public): State<Public>, Path(log): Path<String>) -> Response {
    read(public, &log, File::Checkpoint).await
}

async fn tile(State(public): State<Public>, Path((log, rest)): Path<(String, String)>) -> Response {
    match parse_path(&format!("tile/{rest}")) {
        Ok(path) => read(public, &log, File::Tile(path)).await,
        Err(_) => not_found(),
    }
}

async fn read(public: Public, log: &str, file: File) -> Response {
    let Some(log) = Log::ALL.into_iter().find(|one| one.name() == log) else { return not_found() };
    let Ok(_turn) = public.turns.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], "busy\n").into_response();
    };
    let store = public.store.clone();
    let found = tokio::task::spawn_blocking(move || -> Result<_, StoreError> {
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
