//! Witnesses as processes of their own, an installation that they cosign for, and a log that is looked at from outside.

use crate::operating::{answer, deposited, made_real, says};
use crate::program::{Program, Said, hanmaru};
use ledger::witness::{AddCheckpoint, parse_answer, parse_size};
use ledger::{
    Checkpoint, Commitment, EntryKind, Hash, LogAppender, MemoryTiles, SignedCheckpoint, SignerKey, WitnessKey, commit,
    consistency_proof, leaf_hash,
};
use reqwest::Client;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{BagBuilder, person};

const PATIENCE: Duration = Duration::from_secs(60);

/// A witness in a folder, running or not. Its process ends with it.
struct Witness {
    folder: PathBuf,
    port: u16,
    key: WitnessKey,
    child: Option<Child>,
}

impl Witness {
    /// Makes a witness that knows these logs.
    fn new(folder: PathBuf, name: &str, logs: &[String]) -> Self {
        fs::create_dir_all(&folder).expect("a folder");
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|held| held.local_addr()).expect("a free port").port();
        let logs: Vec<String> = logs.iter().map(|key| format!("\"{key}\"")).collect();
        let config = format!(
            "name = \"witness.test/{name}\"\nlisten = \"127.0.0.1:{port}\"\nkey = \"witness.key\"\nstate = \"state\"\nlogs = [{}]\n",
            logs.join(", ")
        );
        fs::write(folder.join("witness.toml"), config).expect("written");
        let made = command(&folder, &["init"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let key = command(&folder, &["key"]);
        assert!(made.out.contains(key.out.trim()), "{made:?}");
        let key = WitnessKey::parse(key.out.trim()).expect("a key");
        let mut witness = Self { folder, port, key, child: None };
        witness.start();
        witness
    }

    fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
            .args(["witness", "--config"])
            .arg(self.folder.join("witness.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the program starts"));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it with SIGKILL.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn policy_line(&self, name: &str) -> String {
        format!("witness {name} {} {}\n", self.key.encode(), self.url())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    hanmaru(command.arg("witness").args(arguments).arg("--config").arg(folder.join("witness.toml")))
}

fn audit(log: &str, arguments: &[&str]) -> Said {
    hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).args(["audit-log", log]).args(arguments))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// An installation with a deposit, then with three witnesses of which two must cosign.
fn witnessed() -> (Program, Vec<Witness>) {
    let program = deposited();
    let keys = program.run(&["keys"]).out;
    let keys: Vec<String> = keys.lines().map(str::to_owned).collect();
    let names = ["a", "b", "c"];
    let witnesses: Vec<Witness> =
        names.iter().map(|name| Witness::new(program.path(&format!("witness-{name}")), name, &keys)).collect();
    let mut policy: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    names.iter().zip(&witnesses).for_each(|(name, witness)| policy.push_str(&witness.policy_line(name)));
    policy.push_str("group two-of-them 2 a b c\nquorum two-of-them\n");
    fs::write(program.path("witnesses.policy"), policy).expect("written");
    let config = fs::read_to_string(program.config()).expect("a configuration");
    fs::write(program.config(), config + "[witnesses]\npolicy = \"witnesses.policy\"\n").expect("written");
    (program, witnesses)
}

/// Deposits a bag with one visit more.
pub fn deposit(program: &Program, number: usize) {
    let one = person("하나");
    let visit = format!("e{number}");
    let bag = BagBuilder::new("31999901").patient("p1", &one).visit("p1", &visit, "2021-03-05");
    let said = program.deposit(&bag.write(&program.path(&format!("bag-{number}"))).root);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn two_of_three_witnesses_cosign_what_is_deposited_and_an_outsider_sees_it() {
    let (program, mut witnesses) = witnessed();
    let (policy, state) = (program.path("witnesses.policy"), program.path("seen"));
    let log = program.path("sites/a/log/records");
    let check = || audit(text(&log), &["--policy", text(&policy), "--state", text(&state)]);
    // What was sealed before there were witnesses is not witnessed, and everybody says so.
    says(&check(), 1, &["NOT in order", "0 witnesses have cosigned that, which is no quorum"]);
    deposit(&program, 1);
    let size = program.log_size();
    says(&program.run(&["status"]), 0, &[&format!("  {size} of them witnessed by a quorum")]);
    let said = check();
    says(&said, 0, &["in order", "cosigned by ", "seen for the first time"]);
    // The first two that answer are a quorum; the third is not waited for.
    assert!(said.out.matches("cosigned by ").count() >= 2, "{said:?}");

    witnesses[1].kill();
    deposit(&program, 2);
    says(&program.run(&["status"]), 0, &[&format!("  {} of them witnessed by a quorum", program.log_size())]);
    says(&check(), 0, &["cosigned by a", "cosigned by c", &format!("it continues the head of {size} entries")]);

    // Without a quorum the deposit ends well: it is sealed. That it is not witnessed is said in words.
    witnesses[2].kill();
    let before = program.log_size();
    deposit(&program, 3);
    let missing = program.log_size() - before;
    let words = format!("log records: {missing} of {} entries are sealed and NOT witnessed: ", program.log_size());
    says(&program.run(&["status"]), 1, &[&words, "witness b: it cannot be reached", "witness c: it cannot be reached"]);
    says(&check(), 1, &["which is no quorum"]);

    witnesses[1].start();
    deposit(&program, 4);
    says(&program.run(&["status"]), 0, &[&format!("  {} of them witnessed by a quorum", program.log_size())]);
    says(&check(), 0, &["cosigned by a", "cosigned by b", "it continues the head of "]);

    // An older copy of the whole installation signs nothing, since the witnesses have seen more.
    let backup = program.path("backup");
    fs::create_dir(&backup).expect("a folder");
    for part in ["data", "sites", "key_stores"] {
        copy(&program.path(part), &backup);
    }
    deposit(&program, 5);
    for part in ["data", "sites", "key_stores"] {
        fs::remove_dir_all(program.path(part)).expect("a fire");
        copy(&backup.join(part), &program.path("."));
    }
    let bag = BagBuilder::new("31999901").patient("p1", &person("하나")).visit("p1", "e6", "2021-03-05");
    let said = program.deposit(&bag.write(&program.path("bag-6")).root);
    says(&said, 1, &["holds the log test.example/hanmaru/records at ", "nothing is signed"]);
    says(&check(), 0, &["in order"]);
}

fn copy(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(into).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

#[test]
fn the_files_of_a_log_are_read_by_anybody_over_http() {
    let (program, witnesses) = witnessed();
    deposit(&program, 1);
    let operator = made_real(&program, "");
    let config = fs::read_to_string(program.config()).expect("a configuration");
    let listen = config.lines().find_map(|line| line.strip_prefix("listen = ")).expect("an address").trim_matches('"');
    let serve = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
        .args(["serve", "--config"])
        .arg(program.config())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(program.path("serve.log")).expect("a file"))
        .spawn();
    let mut serving = Witness {
        folder: program.path("."),
        port: 0,
        key: witnesses[0].key.clone(),
        child: Some(serve.expect("the program starts")),
    };
    answer(&operator);
    let base = format!("http://{listen}/log");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::builder().no_proxy().build().expect("a client");
        let get = async |below: &str| {
            let answer = client.get(format!("{base}/{below}")).send().await.expect("it answers");
            let header =
                |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            let (kind, kept) = (header("content-type"), header("cache-control"));
            (answer.status().as_u16(), kind, kept, answer.bytes().await.expect("a body").to_vec())
        };
        let (status, kind, kept, note) = get("records/checkpoint").await;
        assert_eq!((status, kind.as_str(), kept.as_str()), (200, "text/plain; charset=utf-8", "no-cache"));
        assert_eq!(note, fs::read(program.path("sites/a/log/records/checkpoint")).expect("the same"));
        let size = String::from_utf8(note).expect("a note").lines().nth(1).expect("a size").to_owned();
        let (status, kind, kept, tile) = get(&format!("records/tile/0/000.p/{size}")).await;
        assert_eq!((status, kind.as_str()), (200, "application/octet-stream"));
        assert!(kept.contains("immutable"), "{kept}");
        assert_eq!(tile.len(), 32 * size.parse::<usize>().expect("a number"));
        for none in [
            "records/tile/0/999",
            "records/tile/0/..%2f..%2fcheckpoint",
            "records/tile/0/0",
            "other/checkpoint",
            "records",
        ] {
            assert_eq!(get(none).await.0, 404, "{none}");
        }
    });
    let policy = program.path("witnesses.policy");
    let said = audit(&format!("{base}/records"), &["--policy", text(&policy)]);
    says(&said, 0, &["in order", "every tile leads to the signed root", "without --state nothing is remembered"]);
    // Nobody has looked at anything yet.
    says(&audit(&format!("{base}/access"), &["--policy", text(&policy)]), 3, &["it answers with status 404"]);
    serving.kill();
    says(&audit(&base, &["--policy", text(&policy)]), 3, &["could not be checked", "it cannot be reached"]);
}

/// A log of a test's own: its key, its heads and its tiles.
struct OwnLog {
    key: SignerKey,
    log: LogAppender,
    tiles: MemoryTiles,
}

impl OwnLog {
    fn new() -> Self {
        let key = SignerKey::from_seed("log.test/own", &[5; 32]).expect("good name");
        Self { key, log: LogAppender::new(), tiles: MemoryTiles::new() }
    }

    /// Grows by entries that depend on a seed, and writes the files into a folder.
    fn grow(&mut self, seed: u8, count: u64, folder: &Path) -> SignedCheckpoint {
        let from = self.log.size();
        let entries: Vec<Commitment> =
            (from..from + count).map(|i| commit(&[seed; 32], EntryKind::Resource, &i.to_be_bytes())).collect();
        let batch = self.log.append(&entries);
        self.tiles.absorb(&batch);
        for (path, bytes) in &batch.files {
            let path = folder.join(path.to_string());
            fs::create_dir_all(path.parent().expect("below a folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
        let signed = Checkpoint::new("log.test/own", batch.size, batch.root).sign(&self.key).expect("own key");
        fs::create_dir_all(folder).expect("made");
        fs::write(folder.join("checkpoint"), &signed.note).expect("written");
        signed
    }

    fn request(&self, old: u64, to: &SignedCheckpoint) -> Vec<u8> {
        let proof = consistency_proof(old, to.checkpoint.size, &self.tiles).expect("tiles");
        AddCheckpoint { old, proof, note: to.note.clone() }.to_bytes()
    }
}

#[test]
fn clients_that_send_slowly_keep_nobody_from_a_witness() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = OwnLog::new();
    let witness = Witness::new(folder.path().join("w"), "w", &[log.key.verifier().encode()]);
    let head = |bytes: usize| {
        format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n")
    };
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", witness.port)).expect("it listens");
        stream.write_all(bytes).expect("sent");
        stream
    };
    let slow: Vec<TcpStream> = (0..80).map(|_| send(format!("{}old", head(500)).as_bytes())).collect();
    std::thread::sleep(Duration::from_millis(300));
    let signed = log.grow(1, 3, &folder.path().join("log"));
    let body = log.request(0, &signed);
    let mut answer = String::new();
    let mut one = send(&[head(body.len()).as_bytes(), &body].concat());
    one.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(slow);
}

#[test]
fn forks_rollbacks_and_split_views_are_found_from_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let (mut log, mut fork) = (OwnLog::new(), OwnLog::new());
    log.grow(1, 300, &ours);
    fork.grow(1, 290, &theirs);
    let key = log.key.verifier().encode();
    let state = folder.path().join("seen");
    let check = |at: &Path| audit(text(at), &["--key", &key, "--state", text(&state)]);
    says(&check(&ours), 0, &["300 entries of log.test/own", "seen for the first time"]);
    // Earlier: what the log had once, or shows to somebody else.
    let said = check(&theirs);
    says(&said, 1, &["NOT in order: ROLLED BACK: it has 290 entries, and had 300"]);
    assert!(!said.out.contains("prove"), "an old copy of its files looks the same: {said:?}");
    fork.grow(9, 10, &theirs);
    says(
        &check(&theirs),
        1,
        &["SPLIT VIEW: at 300 entries it has signed another root", "are signed by it and prove that"],
    );
    fork.grow(9, 100, &theirs);
    says(
        &check(&theirs),
        1,
        &["FORKED: its first 300 entries are not those that were seen before", "prove that together with its files"],
    );
    // None of this was believed, and what convicts was kept, also of what the state file has no longer.
    log.grow(1, 250, &ours);
    says(&check(&ours), 0, &["550 entries", "it continues the head of 300 entries"]);
    let open = |path: &Path| {
        let note = fs::read(path).expect("it is kept");
        SignedCheckpoint::open(&note, &[log.key.verifier().clone()]).expect("the log has signed it").checkpoint
    };
    let mut pairs: Vec<(u64, u64)> = Vec::new();
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        if let Some(other) = name.strip_suffix("-seen") {
            let (seen, other) = (open(&path), open(&path.with_file_name(other)));
            assert_ne!(seen.root, other.root);
            pairs.push((seen.size, other.size));
        }
    }
    pairs.sort_unstable();
    assert_eq!(pairs, [(300, 300), (300, 400)]);

    // Bits that changed, in a file that readers need and in one that none needs any more.
    for path in ["tile/0/001", "tile/0/001.p/44", "tile/entries/000", "tile/1/000.p/1", "checkpoint"] {
        let path = ours.join(path);
        let whole = fs::read(&path).expect("it is there");
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 0x10;
        fs::write(&path, changed).expect("written");
        let said = check(&ours);
        says(&said, 1, &["NOT in order"]);
        assert!(!said.out.contains("prove"), "a damaged copy convicts nobody: {said:?}");
        fs::write(&path, whole).expect("written");
    }
    fs::rename(ours.join("tile/1"), folder.path().join("away")).expect("moved");
    says(&check(&ours), 3, &["could not be checked: tile/1/000.p/2 cannot be read"]);
    says(&audit("/nowhere", &["--key", &key]), 3, &["could not be checked"]);
    says(&audit(text(&ours), &[]), 3, &["give the log's public key"]);
    says(&audit("http://log.example/x", &["--key", &key]), 3, &["must start with https://"]);
}

#[test]
fn a_witness_answers_each_request_with_its_status_and_forgets_nothing_when_it_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut log, mut fork) = (OwnLog::new(), OwnLog::new());
    let key = log.key.verifier().encode();
    let mut witness = Witness::new(folder.path().join("w"), "w", &[key]);
    says(&command(&witness.folder, &[]), 1, &["a witness is one process"]);
    says(&command(&witness.folder, &["init"]), 1, &["is there already, and is not replaced"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
    let url = format!("{}/add-checkpoint", witness.url());
    let ask = |body: Vec<u8>| {
        runtime.block_on(async {
            let answer = client.post(&url).body(body).send().await?;
            let kind =
                answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            Ok::<_, reqwest::Error>((answer.status().as_u16(), kind, answer.bytes().await?.to_vec()))
        })
    };
    let status = |body: Vec<u8>| ask(body).expect("it answers").0;
    let (first, forked) = (log.grow(1, 10, folder.path()), fork.grow(2, 10, folder.path()));
    let (_, _, body) = ask(log.request(0, &first)).expect("it answers");
    let signatures = parse_answer(&body).expect("signatures");
    assert!(witness.key.cosigned_at(first.checkpoint.to_string().as_bytes(), &signatures[0].signature).is_some());
    let second = log.grow(1, 300, folder.path());
    assert_eq!(status(b"old 10\n".to_vec()), 400);
    assert_eq!(status(log.request(0, &first).repeat(400)), 413);
    let unsigned = String::from_utf8(log.request(10, &second)).expect("text").replace("\n310\n", "\n311\n");
    assert_eq!(status(unsigned.clone().into_bytes()), 403);
    assert_eq!(status(unsigned.replace("log.test/own", "log.test/other").into_bytes()), 404);
    let (code, kind, body) = ask(log.request(0, &second)).expect("it answers");
    assert_eq!((code, kind.as_str(), parse_size(&body).expect("a size")), (409, "text/x.tlog.size", 10));
    // A genuine newer head with proofs that somebody made up accuses nobody, and takes no room.
    for n in 0..120_u64 {
        let made_up = AddCheckpoint { old: 10, proof: vec![leaf_hash(&n.to_be_bytes())], note: second.note.clone() };
        assert_eq!(status(made_up.to_bytes()), 422);
    }
    assert!(!witness.folder.join("state/evidence").exists());
    let (code, _, body) = ask(fork.request(10, &forked)).expect("it answers");
    assert_eq!((code, parse_size(&body).expect("a size")), (409, 10), "another root at the same size");
    let forked = fork.grow(2, 300, folder.path());
    assert_eq!(status(fork.request(10, &forked)), 422);
    assert_eq!(convicted(&witness, &log.key), [10]);

    // Killed when the head is durable and the answer has not been read: it knows the head when it is back.
    let heads = witness.folder.join("state/heads");
    let before = fs::read(&heads).expect("a state");
    let mut stream = TcpStream::connect(("127.0.0.1", witness.port)).expect("it listens");
    let body = log.request(10, &second);
    let head = format!("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {}\r\n\r\n", body.len());
    std::io::Write::write_all(&mut stream, &[head.as_bytes(), &body].concat()).expect("sent");
    let begun = Instant::now();
    while fs::read(&heads).expect("a state") == before {
        assert!(begun.elapsed() < PATIENCE, "nothing was written");
    }
    witness.kill();
    witness.start();
    let (code, _, body) = ask(log.request(10, &second)).expect("it answers");
    assert_eq!((code, parse_size(&body).expect("a size")), (409, 310));
    assert_eq!(status(fork.request(310, &forked)), 409);
    assert_eq!(convicted(&witness, &log.key), [10, 310], "what was cosigned is known with the log's signature");
    assert_eq!(status(log.request(310, &second)), 200);
    killed_often(&mut witness, &mut log, folder.path(), &ask);

    // Without its state it does not start: what it has forgotten it would cosign again.
    witness.kill();
    fs::rename(witness.folder.join("state/heads"), folder.path().join("heads")).expect("lost");
    says(&command(&witness.folder, &[]), 1, &["make a new witness with a key of its own"]);
}

/// At which sizes a witness can show two roots that the log has signed. It keeps nothing else as evidence.
fn convicted(witness: &Witness, log: &SignerKey) -> Vec<u64> {
    let keys = [log.verifier().clone()];
    let mut sizes = Vec::new();
    for piece in fs::read_dir(witness.folder.join("state/evidence")).expect("kept") {
        let piece = piece.expect("listed").path();
        let open = |name: &str| {
            let note = fs::read(piece.join(name)).expect("both are there");
            SignedCheckpoint::open(&note, &keys).expect("the log has signed it").checkpoint
        };
        let (cosigned, other) = (open("cosigned.note"), open("contradicts.note"));
        assert_eq!(cosigned.size, other.size);
        assert_ne!(cosigned.root, other.root);
        sizes.push(cosigned.size);
    }
    sizes.sort_unstable();
    sizes
}

type Asked<'a> = dyn Fn(Vec<u8>) -> Result<(u16, String, Vec<u8>), reqwest::Error> + 'a;

/// Kills a witness at arbitrary moments of a growing log: what it cosigned it still holds, and no size has two roots.
fn killed_often(witness: &mut Witness, log: &mut OwnLog, folder: &Path, ask: &Asked<'_>) {
    let mut cosigned: Vec<(u64, Hash)> = Vec::new();
    let mut held = log.log.size();
    for round in 0..8u64 {
        let pid = witness.child.as_ref().expect("it runs").id().to_string();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(15 + 9 * round));
            Command::new("kill").args(["-KILL", &pid]).status().expect("kill runs");
        });
        loop {
            let head = log.grow(1, 1, folder);
            match ask(log.request(held, &head)) {
                Ok((200, _, _)) => {
                    held = head.checkpoint.size;
                    cosigned.push((held, head.checkpoint.root));
                }
                Ok((409, _, body)) => held = parse_size(&body).expect("a size"),
                Ok((code, _, body)) => panic!("{code}: {}", String::from_utf8_lossy(&body)),
                Err(_) => break,
            }
        }
        killer.join().expect("it ends");
        witness.kill();
        witness.start();
        let probe = AddCheckpoint { old: 0, proof: Vec::new(), note: log.grow(1, 1, folder).note };
        let (code, _, body) = ask(probe.to_bytes()).expect("it answers");
        assert_eq!(code, 409);
        held = parse_size(&body).expect("a size");
        let newest = cosigned.last().map_or(0, |(size, _)| *size);
        assert!(held >= newest, "it holds {held} and has cosigned {newest}");
    }
    assert!(cosigned.len() > 8, "it cosigned in between: {}", cosigned.len());
    assert!(cosigned.windows(2).all(|pair| pair[0].0 < pair[1].0), "each size once");
    assert_ne!(cosigned[0].1, leaf_hash(b""), "roots were looked at");
}
