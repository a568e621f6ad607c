//! The witness's HTTP: one request, `POST /add-checkpoint`, and a page that says who it is.

use crate::Failure;
use crate::commands::serve::{certificate, listen, patience, told_to_stop};
use crate::commands::witness::evidence::{Evidence, Kept};
use crate::commands::witness::heads::{Heads, Refused};
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
use ledger::{CosignerKey, SignedCheckpoint, VerifierKey};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long the body of a request may take.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// How long requests under way may take once the program was told to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Requests worked on at once; more are told to come again.
const REQUESTS_MAX: usize = 64;
/// Seconds between two log lines about what anybody can bring about.
const SELDOM_S: u64 = 60;

/// A witness: who it is, which logs it knows, and what it has seen of them.
pub struct Witness {
    /// Its key.
    pub key: CosignerKey,
    /// Keys of the logs that it knows.
    pub logs: Vec<VerifierKey>,
    /// What it has cosigned.
    pub heads: Heads,
    /// What convicts a log.
    pub evidence: Evidence,
    /// When refusals were told last.
    pub seldom: Seldom,
    /// The time that goes into cosignatures.
    pub clock: Arc<dyn Clock>,
}

/// Keeps what anybody can bring about from filling the log lines: one a minute for each log that is known, with how many there were.
#[derive(Default)]
pub struct Seldom(Mutex<BTreeMap<String, Told>>);

#[derive(Default)]
struct Told {
    at_s: Option<i64>,
    since: u64,
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
        // From here on without what others have signed: it would only take room.
        let opened = request.open(&self.logs);
        let bare = opened.and_then(|signed| signed.bare(&self.logs).map_err(|_| Refusal::Unsigned));
        let signed = match bare {
            Ok(signed) => signed,
            Err(refusal) => return Answer::refusal(&refusal),
        };
        let checkpoint = &signed.checkpoint;
        let advanced = self.heads.advance(&signed, |held| request.judge(checkpoint, held));
        match advanced {
            Ok(Ok(())) => {
                let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
                let signature = self.key.cosign(checkpoint.to_string().as_bytes(), now);
                Answer { status: 200, content_type: "text/plain; charset=utf-8", body: answer(&[signature]) }
            }
            Ok(Err(refused)) => {
                self.tell(&signed, &refused);
                Answer::refusal(&refused.refusal)
            }
            Err(error) => {
                tracing::error!(%error, "the state cannot be written, so nothing is cosigned");
                Answer::text(503, "the state of this witness cannot be written\n".to_owned())
            }
        }
    }

    /// Says what was refused. Two roots for one size are the log's own work, since it has signed both. That a checkpoint came with a
    /// proof which leads nowhere is nobody's: whoever has a checkpoint of the log can send it so. It is kept all the same, since one of
    /// a fork that has grown comes in no other way.
    fn tell(&self, signed: &SignedCheckpoint, Refused { refusal, held }: &Refused) {
        let found = &signed.checkpoint;
        match refusal {
            Refusal::Conflict { .. } if found.size == held.head.size && found.root != held.head.root => {
                self.convict(signed, held.note.as_deref());
            }
            Refusal::Inconsistent if found.size > held.head.size => {
                let kept = self.evidence.keep_unproved(signed);
                let Some(times) = self.seldom.count(&found.origin, self.clock.now().as_second()) else { return };
                tracing::warn!(
                    log = found.origin,
                    size = found.size,
                    root = %found.root,
                    held = held.head.size,
                    times,
                    kept = kept.map_or_else(|error| error.to_string(), |path| path.display().to_string()),
                    "a checkpoint came with a proof that does not lead to it from what was cosigned. The newest one is kept, and is no \
                     proof by itself: whoever sent it may have made its proof up"
                );
            }
            _ => {}
        }
    }

    /// Keeps two checkpoints of one size that the log has signed.
    fn convict(&self, signed: &SignedCheckpoint, cosigned: Option<&[u8]>) {
        let (log, size) = (&signed.checkpoint.origin, signed.checkpoint.size);
        match self.evidence.keep(cosigned, signed) {
            Ok(Kept::Now) if cosigned.is_some() => {
                tracing::error!(
                    log,
                    size,
                    "the log has signed two roots for one size: both checkpoints are kept as evidence"
                );
            }
            Ok(Kept::Now) => tracing::error!(
                log,
                size,
                "the log has signed another root for the size that was cosigned: its checkpoint is kept, and convicts it together \
                 with the one that was cosigned, which is not here because an older program did not keep it"
            ),
            // Whoever has the checkpoint can send it any number of times.
            Ok(Kept::Before | Kept::Enough) => {}
            Err(error) => {
                tracing::error!(log, size, %error, "the log has signed two roots for one size, and that cannot be kept");
            }
        }
    }
}

impl Seldom {
    /// How many there were of a log since it was told last, this one included; `None` where that was a moment ago.
    fn count(&self, log: &str, now_s: i64) -> Option<u64> {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = logs.entry(log.to_owned()).or_default();
        told.since += 1;
        if told.at_s.is_some_and(|at_s| now_s.abs_diff(at_s) < SELDOM_S) {
            return None;
        }
        told.at_s = Some(now_s);
        Some(std::mem::take(&mut told.since))
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
    use ledger::note::NoteSignature;
    use ledger::{Checkpoint, Hash, Note, SignerKey, leaf_hash, node_hash};
    use std::path::{Path, PathBuf};

    const ORIGIN: &str = "log.example/records";
    const OTHER: &str = "log.example/access";

    fn key(origin: &str) -> SignerKey {
        SignerKey::from_seed(origin, &[1; 32]).expect("good name")
    }

    fn witness(folder: &Path) -> Witness {
        let state = folder.join("state");
        if !state.exists() {
            Heads::make(&state).expect("made");
        }
        Witness {
            key: CosignerKey::from_seed("witness.example/w", &[2; 32]).expect("good name"),
            logs: [ORIGIN, OTHER].map(|origin| key(origin).verifier().clone()).into(),
            heads: Heads::open(&state).expect("opened"),
            evidence: Evidence::below(&state),
            seldom: Seldom::default(),
            clock: Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).expect("a time"))),
        }
    }

    fn request_of(origin: &str, old: u64, proof: Vec<Hash>, size: u64, root: Hash) -> AddCheckpoint {
        let note = Checkpoint::new(origin, size, root).sign(&key(origin)).expect("own key").note;
        AddCheckpoint { old, proof, note }
    }

    fn request(old: u64, proof: Vec<Hash>, size: u64, root: Hash) -> Vec<u8> {
        request_of(ORIGIN, old, proof, size, root).to_bytes()
    }

    /// The pieces of evidence of a witness.
    fn evidence(folder: &Path) -> Vec<PathBuf> {
        let Ok(listed) = std::fs::read_dir(folder.join("state/evidence")) else { return Vec::new() };
        let mut pieces: Vec<PathBuf> = listed.map(|entry| entry.expect("listed").path()).collect();
        pieces.sort();
        pieces
    }

    /// The checkpoints that came with a proof which leads nowhere.
    fn unproved(folder: &Path) -> Vec<Checkpoint> {
        let Ok(listed) = std::fs::read_dir(folder.join("state/unproved")) else { return Vec::new() };
        let keys = [ORIGIN, OTHER].map(|origin| key(origin).verifier().clone());
        let open = |entry: std::io::Result<std::fs::DirEntry>| {
            let note = std::fs::read(entry.expect("listed").path()).expect("read");
            let signed = SignedCheckpoint::open(&note, &keys).expect("signed by its log");
            assert_eq!(note, signed.bare(&keys).expect("its own").note);
            signed.checkpoint
        };
        listed.map(open).collect()
    }

    /// Whether a piece of evidence convicts the log without anybody's word.
    fn convicts(piece: &Path, origin: &str) -> bool {
        let keys = [key(origin).verifier().clone()];
        let open = |name: &str| {
            SignedCheckpoint::open(&std::fs::read(piece.join(name)).ok()?, &keys).ok().map(|signed| signed.checkpoint)
        };
        let (Some(cosigned), Some(other)) = (open("cosigned.note"), open("contradicts.note")) else { return false };
        cosigned.origin == other.origin && cosigned.size == other.size && cosigned.root != other.root
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
        let kept = evidence(folder.path());
        assert_eq!(kept.len(), 1, "the head that contradicts what was cosigned at its size");
        assert!(convicts(&kept[0], ORIGIN), "by what the process before this one has cosigned");
    }

    #[test]
    fn nobody_but_the_log_can_fill_its_evidence_and_no_log_that_of_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let served = witness(folder.path());
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        for origin in [ORIGIN, OTHER] {
            assert_eq!(served.answer(&request_of(origin, 0, Vec::new(), 1, a).to_bytes()).status, 200);
        }
        // A genuine newer checkpoint, with proofs that somebody made up.
        for n in 0..200_u64 {
            let made_up = leaf_hash(&n.to_be_bytes());
            assert_eq!(served.answer(&request(1, vec![made_up], 2, node_hash(&a, &b))).status, 422);
        }
        assert!(!folder.path().join("state/evidence").exists(), "that accuses nobody");
        assert_eq!(unproved(folder.path()).len(), 1);
        // A genuine contradiction, dressed up in many ways.
        for n in 0..50_u8 {
            let plain = request_of(ORIGIN, u64::from(n % 2), Vec::new(), 1, b);
            let mut note = Note::parse(&plain.note).expect("a note");
            let dress = NoteSignature { name: "dress.example".to_owned(), id: u32::from(n), signature: vec![n; 72] };
            note.add(dress).expect("room");
            let dressed = AddCheckpoint { note: note.to_bytes(), ..plain };
            assert_eq!(served.answer(&dressed.to_bytes()).status, 409);
        }
        let kept = evidence(folder.path());
        assert_eq!(kept.len(), 1, "it is one: {kept:?}");
        assert!(convicts(&kept[0], ORIGIN));
        // A log that signs ever more roots fills its own part.
        for n in 0..30_u64 {
            assert_eq!(served.answer(&request(1, Vec::new(), 1, leaf_hash(&n.to_be_bytes()))).status, 409);
        }
        assert_eq!(evidence(folder.path()).len(), 10);
        assert_eq!(served.answer(&request_of(OTHER, 1, Vec::new(), 1, b).to_bytes()).status, 409);
        let kept = evidence(folder.path());
        assert_eq!((kept.len(), kept.iter().filter(|piece| convicts(piece, OTHER)).count()), (11, 1));
        assert_eq!(kept.iter().filter(|piece| convicts(piece, ORIGIN)).count(), 10);
    }

    #[test]
    fn of_a_fork_that_has_grown_the_newest_head_is_kept_in_one_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let served = witness(folder.path());
        let a = leaf_hash(b"a");
        for origin in [ORIGIN, OTHER] {
            assert_eq!(served.answer(&request_of(origin, 0, Vec::new(), 5, a).to_bytes()).status, 200);
        }
        assert_eq!(
            served.answer(&request(5, vec![a], 5, a)).status,
            422,
            "what was cosigned, with a proof that it needs none of"
        );
        assert!(unproved(folder.path()).is_empty());
        for size in 6..40 {
            let root = leaf_hash(&[size]);
            assert_eq!(served.answer(&request(5, vec![a], size.into(), root)).status, 422);
            assert_eq!(unproved(folder.path()), [Checkpoint::new(ORIGIN, size.into(), root)]);
        }
        // Another log's takes nothing's place, and what others sign takes no room.
        let plain = request_of(OTHER, 5, vec![a], 6, leaf_hash(b"other"));
        let mut note = Note::parse(&plain.note).expect("a note");
        note.add(NoteSignature { name: "dress.example".to_owned(), id: 1, signature: vec![1; 72] }).expect("room");
        assert_eq!(served.answer(&AddCheckpoint { note: note.to_bytes(), ..plain }.to_bytes()).status, 422);
        assert_eq!(unproved(folder.path()).len(), 2);
        assert!(evidence(folder.path()).is_empty(), "none of it convicts anybody");
        // Where nothing can be written, it is answered all the same.
        std::fs::remove_dir_all(folder.path().join("state/unproved")).expect("removed");
        std::fs::write(folder.path().join("state/unproved"), "").expect("planted");
        assert_eq!(served.answer(&request(5, vec![a], 50, a)).status, 422);
    }

    #[test]
    fn over_a_state_from_before_a_contradiction_is_kept_and_the_next_one_convicts() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        Heads::make(&state).expect("made");
        let a = leaf_hash(b"a");
        let old = format!("hanmaru witness 1\n1 {a} {ORIGIN}\n");
        let old = format!("{old}check {}\n", base::hex(&base::sha256(old.as_bytes())));
        std::fs::write(state.join("heads"), old).expect("written");
        let served = witness(folder.path());
        assert_eq!(served.answer(&request(1, Vec::new(), 1, leaf_hash(b"b"))).status, 409);
        let kept = evidence(folder.path());
        assert_eq!(kept.len(), 1);
        assert!(!convicts(&kept[0], ORIGIN) && kept[0].join("contradicts.note").exists());
        // The log asks for the head that was cosigned, as it does after a lost answer.
        assert_eq!(served.answer(&request(1, Vec::new(), 1, a)).status, 200);
        assert_eq!(served.answer(&request(1, Vec::new(), 1, leaf_hash(b"c"))).status, 409);
        let kept = evidence(folder.path());
        assert_eq!((kept.len(), kept.iter().filter(|piece| convicts(piece, ORIGIN)).count()), (2, 1));
    }

    #[test]
    fn what_anybody_can_bring_about_is_told_once_a_minute_and_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.count("a", 1_000), Some(1));
        assert_eq!([1_000, 1_030, 1_059].map(|now_s| seldom.count("a", now_s)), [None; 3]);
        assert_eq!(seldom.count("b", 1_059), Some(1), "of another log");
        assert_eq!(seldom.count("a", 1_060), Some(4));
        assert_eq!(seldom.count("a", 900), Some(1), "a clock that was set back silences nothing");
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
