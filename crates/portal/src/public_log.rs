//! The public files of both logs over HTTP, as C2SP `tlog-tiles` has them: `/log/records/checkpoint`, `/log/records/tile/…`, and
//! the same below `/log/access`. Anybody may read them; they hold commitments and hashes, and nothing about anybody.

use crate::Portal;
use crate::visitor::source;
use axum::Extension;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use ledger::tiles::{TilePath, parse_path};
use std::net::SocketAddr;
use store::{Log, StoreError};

/// The files of a log never change under their names. A year is as long as caches are told anything.
const KEPT: &str = "public, max-age=31536000, immutable";
/// The checkpoint is another every moment.
const NOT_KEPT: &str = "no-cache";

enum File {
    Checkpoint,
    Tile(TilePath),
}

type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// `GET /log/{log}/checkpoint`
pub(crate) async fn checkpoint(
    State(portal): State<Portal>,
    peer: Peer,
    headers: HeaderMap,
    Path(log): Path<String>,
) -> Response {
    let address = address(&portal, peer, &headers);
    read(&portal, address, &log, File::Checkpoint).await
}

/// `GET /log/{log}/tile/{*rest}`
pub(crate) async fn tile(
    State(portal): State<Portal>,
    peer: Peer,
    headers: HeaderMap,
    Path((log, rest)): Path<(String, String)>,
) -> Response {
    match parse_path(&format!("tile/{rest}")) {
        Ok(path) => {
            let address = address(&portal, peer, &headers);
            read(&portal, address, &log, File::Tile(path)).await
        }
        Err(_) => not_found(),
    }
}

fn address(portal: &Portal, peer: Peer, headers: &HeaderMap) -> String {
    source(peer.map(|Extension(ConnectInfo(peer))| peer.ip()), headers, portal.config().behind_proxy)
}

async fn read(portal: &Portal, address: String, log: &str, file: File) -> Response {
    let Some(log) = Log::ALL.into_iter().find(|one| one.name() == log) else { return not_found() };
    let Some(turn) = portal.turn_at_log(&address) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], "busy\n").into_response();
    };
    let store = portal.archive().store().clone();
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
