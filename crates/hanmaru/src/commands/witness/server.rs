//! The witness's HTTP: one request, `POST /add-checkpoint`, and a page that says who it is.

use crate::Failure;
use crate::commands::serve::{certificate, listen, patience, told_to_stop};
use crate::commands::witness::heads::Heads;
use crate::config::Tls;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_server::Handle;
use base::Clock;
use ledger::witness::{ADD_CHECKPOINT, AddCheckpoint, REQUEST_LEN_MAX, Refusal, SIZE_CONTENT_TYPE, answer};
use ledger::{CosignerKey, VerifierKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long the body of a request may take.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// How long requests under way may take once the program was told to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Requests worked on at once; more are told to come again.
const REQUESTS_MAX: usize = 64;

/// A witness: who it is, which logs it knows, and what it has seen of them.
pub struct Witness {
    /// Its key.
    pub key: CosignerKey,
    /// Keys of the logs that it knows.
    pub logs: Vec<VerifierKey>,
    /// What it has cosigned.
    pub heads: Heads,
    /// The time that goes into cosignatures.
    pub clock: Arc<dyn Clock>,
}

struct Serving {
    witness: Witness,
    turns: Semaphore,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Serves until the program is told to stop.
pub async fn run(witness: Witness, address: SocketAddr, tls: Option<&Tls>) -> Result<(), Failure> {
    let listener = listen(address).await?.into_std()?;
    let stop = Handle::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        told_to_stop().await;
        stopping.graceful_shutdown(Some(STOP_WAIT));
    });
    tracing::info!(%address, name = witness.key.witness().name(), logs = witness.logs.len(), "witnessing");
    let service = routes(witness).into_make_service();
    match tls {
        Some(tls) => {
            let mut server = axum_server::from_tcp_rustls(listener, certificate(tls).await?)?.handle(stop);
            patience(server.http_builder());
            server.serve(service).await?;
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(stop);
            patience(server.http_builder());
            server.serve(service).await?;
        }
    }
    Ok(())
}

fn routes(witness: Witness) -> Router {
    let serving = Arc::new(Serving { witness, turns: Semaphore::new(REQUESTS_MAX) });
    Router::new().route("/", get(who)).route(&format!("/{ADD_CHECKPOINT}"), post(add_checkpoint)).with_state(serving)
}

async fn who(State(serving): State<Arc<Serving>>) -> String {
    format!("{}\n", serving.witness.key.witness().encode())
}

async fn add_checkpoint(State(serving): State<Arc<Serving>>, body: Body) -> Response {
    // Before a turn is taken: whoever sends slowly keeps nobody else from one.
    let bytes = match tokio::time::timeout(BODY_WAIT, to_bytes(body, REQUEST_LEN_MAX)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 64 KiB\n").into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    };
    let Ok(turn) = serving.turns.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "busy\n").into_response();
    };
    let working = Arc::clone(&serving);
    let answered = tokio::task::spawn_blocking(move || working.witness.answer(&bytes)).await;
    drop(turn);
    match answered {
        Ok(Answer { status, content_type, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Witness {
    /// Judges one request. The cosignature is made after the head that it is about is durable.
    fn answer(&self, bytes: &[u8]) -> Answer {
        let request = match AddCheckpoint::parse(bytes) {
            Ok(request) => request,
            Err(error) => return Answer::text(400, format!("{error}\n")),
        };
        let signed = match request.open(&self.logs) {
            Ok(signed) => signed,
            Err(refusal) => return Answer::refusal(&refusal),
        };
        let checkpoint = &signed.checkpoint;
        let advanced = self.heads.advance(&checkpoint.origin, |held| request.judge(checkpoint, held));
        match advanced {
            Ok(Ok(_)) => {
                let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
                let signature = self.key.cosign(checkpoint.to_string().as_bytes(), now);
                Answer { status: 200, content_type: "text/plain; charset=utf-8", body: answer(&[signature]) }
            }
            Ok(Err(refusal)) => {
                self.note(bytes, &request, checkpoint, &refusal);
                Answer::refusal(&refusal)
            }
            Err(error) => {
                tracing::error!(%error, "the state cannot be written, so nothing is cosigned");
                Answer::text(503, "the state of this witness cannot be written\n".to_owned())
            }
        }
    }

    /// Keeps what convicts a log: a signed head that does not continue what this witness holds.
    fn note(&self, bytes: &[u8], request: &AddCheckpoint, checkpoint: &ledger::Checkpoint, refusal: &Refusal) {
        let held = self.heads.head(&checkpoint.origin);
        let contradicts = match refusal {
            Refusal::Inconsistent => true,
            Refusal::Conflict { .. } => checkpoint.size == held.size && checkpoint.root != held.root,
            _ => false,
        };
        if contradicts && request.old <= held.size {
            tracing::error!(
                log = checkpoint.origin,
                size = checkpoint.size,
                held = held.size,
                "the log has signed a head that does not continue what was cosigned; the request is kept as evidence"
            );
            self.heads.keep_evidence(bytes, checkpoint);
        }
    }
}

impl Answer {
    fn text(status: u16, body: String) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into_bytes() }
    }

    fn refusal(refusal: &Refusal) -> Self {
        let content_type = match refusal {
            Refusal::Conflict { .. } => SIZE_CONTENT_TYPE,
            _ => "text/plain; charset=utf-8",
        };
        Self { status: refusal.status(), content_type, body: refusal.body().into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{ManualClock, Timestamp};
    use ledger::{Checkpoint, SignerKey, leaf_hash, node_hash};

    const ORIGIN: &str = "log.example/records";

    fn witness(folder: &std::path::Path) -> Witness {
        if !folder.join("state").exists() {
            Heads::make(&folder.join("state")).expect("made");
        }
        let log = SignerKey::from_seed(ORIGIN, &[1; 32]).expect("good name");
        Witness {
            key: CosignerKey::from_seed("witness.example/w", &[2; 32]).expect("good name"),
            logs: vec![log.verifier().clone()],
            heads: Heads::open(&folder.join("state")).expect("opened"),
            clock: Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).expect("a time"))),
        }
    }

    fn request(old: u64, proof: Vec<ledger::Hash>, size: u64, root: ledger::Hash) -> Vec<u8> {
        let log = SignerKey::from_seed(ORIGIN, &[1; 32]).expect("good name");
        let note = Checkpoint::new(ORIGIN, size, root).sign(&log).expect("own key").note;
        AddCheckpoint { old, proof, note }.to_bytes()
    }

    #[test]
    fn what_is_cosigned_is_durable_first_and_contradictions_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let served = witness(folder.path());
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let first = served.answer(&request(0, Vec::new(), 1, a));
        assert_eq!(first.status, 200, "{first:?}");
        let signatures = ledger::witness::parse_answer(&first.body).expect("own answer");
        let text = Checkpoint::new(ORIGIN, 1, a).to_string();
        let key = served.key.witness();
        assert_eq!(key.cosigned_at(text.as_bytes(), &signatures[0].signature), Some(1_700_000_000));
        // Killed here: the next process knows what was cosigned, whether or not the answer arrived.
        drop(served);
        let served = witness(folder.path());
        let again = served.answer(&request(0, Vec::new(), 1, a));
        assert_eq!((again.status, again.content_type, &again.body[..]), (409, SIZE_CONTENT_TYPE, &b"1\n"[..]));
        assert_eq!(served.answer(&request(1, Vec::new(), 1, a)).status, 200);
        let beside = served.answer(&request(1, Vec::new(), 1, b));
        assert_eq!((beside.status, &beside.body[..]), (409, &b"1\n"[..]));
        assert_eq!(served.answer(&request(1, vec![a], 2, node_hash(&b, &a))).status, 422);
        assert_eq!(served.answer(&request(1, vec![b], 2, node_hash(&a, &b))).status, 200);
        let kept = std::fs::read_dir(folder.path().join("state/evidence")).expect("a folder").count();
        assert_eq!(kept, 2, "the two heads that contradict what was cosigned");
    }

    #[test]
    fn requests_that_are_none_are_answered_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let served = witness(folder.path());
        assert_eq!(served.answer(b"old x\n").status, 400);
        let unknown = String::from_utf8(request(0, Vec::new(), 1, leaf_hash(b"a"))).expect("ASCII and an em dash");
        assert_eq!(served.answer(unknown.replace(ORIGIN, "log.example/other").as_bytes()).status, 404);
        assert_eq!(served.answer(unknown.replace("\n1\n", "\n2\n").as_bytes()).status, 403);
    }
}
