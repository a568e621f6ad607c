//! Time-stamps: a served installation that gets them by itself, and documents that are shown to be older than one. The authority is
//! `openssl ts` behind a small HTTP server.

use crate::operating::{deposited, made_real, says};
use crate::program::hanmaru;
use crate::whole::issued;
use archive::issue::Locale;
use ledger::{StampAuthority, StampRequest, TlogProof};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::{Log, Stamp};
use testkit::{BagBuilder, World, person};

const PATIENCE: Duration = Duration::from_secs(90);

/// An authority in a folder.
#[derive(Clone)]
struct Authority(PathBuf);

impl Authority {
    /// `None`, saying so, where openssl is missing.
    fn new(folder: &Path) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let config = "[req]\ndistinguished_name = dn\nprompt = no\nx509_extensions = tsa\n[dn]\nCN = Test stamps\n\
                      [tsa]\nextendedKeyUsage = critical, timeStamping\n[tsa_config]\ndefault_policy = 1.2.3.4\n\
                      digests = sha256\nserial = serial\nordering = no\ntsa_name = no\ness_cert_id_chain = no\n";
        fs::write(folder.join("openssl.cnf"), config).expect("written");
        fs::write(folder.join("serial"), "01\n").expect("written");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", "openssl.cnf"])
            .args(["-keyout", "tsa.key", "-out", "tsa.pem"])
            .current_dir(folder)
            .output();
        match made {
            Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
            Err(_) => {
                println!("SKIPPED: time-stamps by openssl: install openssl");
                return None;
            }
        }
        Some(Self(folder.to_owned()))
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("tsa.pem")
    }

    fn reply(&self, query: &[u8]) -> Vec<u8> {
        fs::write(self.0.join("query.tsq"), query).expect("written");
        let done = Command::new("openssl")
            .args(["ts", "-reply", "-config", "openssl.cnf", "-section", "tsa_config", "-queryfile", "query.tsq"])
            .args(["-inkey", "tsa.key", "-signer", "tsa.pem", "-sha256", "-out", "reply.tsr"])
            .current_dir(&self.0)
            .output()
            .expect("openssl runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read(self.0.join("reply.tsr")).expect("a reply")
    }

    /// A token over a text, and its time.
    fn stamp(&self, text: &str, pinned: &StampAuthority, nonce: u8) -> (Vec<u8>, i64) {
        let request = StampRequest::new(text.as_bytes(), [nonce; 8]);
        let reply = self.reply(&request.to_der());
        let (token, stamp) = request.verify_response(&reply, pinned).expect("a genuine reply");
        (token, stamp.time_s)
    }

    /// Serves requests until the test ends; gives its port.
    fn serve(&self) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let authority = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                authority.answer(stream);
            }
        });
        port
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut query = vec![0; length];
        reader.read_exact(&mut query).expect("a query");
        let reply = self.reply(&query);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            reply.len()
        );
        let _ = reader.get_mut().write_all(&[head.as_bytes(), &reply].concat());
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_served_installation_has_its_checkpoints_stamped_and_proofs_carry_the_token() {
    let program = deposited();
    let Some(authority) = Authority::new(&program.path("tsa")) else { return };
    let away = TcpListener::bind(("127.0.0.1", 0)).and_then(|held| held.local_addr()).expect("a free port").port();
    let one = |name: &str, port: u16| {
        format!(
            "[[time_stamp.authority]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/tsa\"\ncertificates = \"tsa/tsa.pem\"\n"
        )
    };
    made_real(&program, "");
    let config = fs::read_to_string(program.config()).expect("a configuration");
    // The first authority is away: nothing is held up, and without another one that is said.
    fs::write(program.config(), format!("{config}[time_stamp]\n{}", one("away", away))).expect("written");
    let waiting = program.run(&["status"]);
    says(&waiting, 1, &["log records: none of its entries is under a time-stamp yet"]);
    assert!(!waiting.out.contains("no authority is configured"), "{waiting:?}");
    fs::write(
        program.config(),
        format!("{config}[time_stamp]\n{}{}", one("away", away), one("test", authority.serve())),
    )
    .expect("written");
    let serve = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
        .args(["serve", "--config"])
        .arg(program.config())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(program.path("serve.log")).expect("a file"))
        .spawn();
    let _serving = Running(serve.expect("the program starts"));
    let begun = Instant::now();
    let said = loop {
        let said = program.run(&["status"]);
        if said.out.contains("log records: ") && said.out.contains("time-stamped by test at 20") {
            break said;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{said:?}\n{}",
            fs::read_to_string(program.path("serve.log")).expect("its log")
        );
        std::thread::sleep(Duration::from_millis(200));
    };
    // The row of the token is an entry of the log itself, so the log is already longer than what is stamped.
    says(&said, 0, &[" of them time-stamped by test at 20"]);
    let beside = program.path("sites/a/log/records/stamp");
    assert_eq!(fs::read_dir(&beside).expect("tokens at the sites").count(), 1);

    let file = program.path("leaf.tlog-proof");
    let out = file.to_str().expect("a plain name");
    says(&program.run(&["prove", "--leaf", "0", "--out", out]), 0, &["leaf 0 of ", "time-stamped by test at 20"]);
    let proof = TlogProof::parse(&fs::read(&file).expect("a proof")).expect("a proof");
    let pinned = StampAuthority::from_pem(&fs::read(authority.certificate()).expect("a certificate")).expect("PEM");
    let stamp = proof.verify_time_stamp(&pinned).expect("it carries the token");
    assert!(stamp.signer.contains("Test stamps"), "{stamp:?}");
    let other = TlogProof { checkpoint_note: b"other\n\n\xe2\x80\x94 a AAAAAAA=\n".to_vec(), ..proof };
    assert!(other.verify_time_stamp(&pinned).is_err(), "a token is over its own checkpoint alone");
}

/// As a run leaves a token that ends when it is at two of three sites and not in the database.
fn leave_at_the_sites(world: &World, stamp: &Stamp) {
    for place in 0..2 {
        let beside = world.site(place).join("log/records/stamp");
        fs::create_dir_all(&beside).expect("made");
        fs::write(beside.join(format!("{}-test.tst", stamp.size)), &stamp.token).expect("written");
    }
}

#[test]
fn a_document_is_shown_to_be_older_than_a_time_stamp_and_fits_a_square() {
    let world = World::new();
    let one = person("하나");
    world.agency.add(&one);
    let bag = BagBuilder::new("31999901").patient("p1", &one).visit("p1", "e1", "2021-03-04");
    world.deposit(&bag.write(&world.path("bag")).root).expect("taken");
    let document = issued(&world, &one, Locale::Ko);
    let Some(authority) = Authority::new(&world.path("tsa")) else { return };
    let other = Authority::new(&world.path("other")).expect("openssl is there");
    let pdf = world.path("document.pdf");
    fs::write(&pdf, &document.bytes).expect("written");

    let store = world.store();
    let head = store.checkpoint_to_stamp(Log::Records, 3_600).expect("read").expect("something is sealed");
    let text = head.checkpoint.to_string();
    let pinned = StampAuthority::from_pem(&fs::read(authority.certificate()).expect("a certificate")).expect("PEM");
    let (token, time_s) = authority.stamp(&text, &pinned, 5);
    let kept =
        Stamp { note: head.note.clone(), size: head.checkpoint.size, authority: "test".to_owned(), time_s, token };
    leave_at_the_sites(&world, &kept);
    let genuine = |token: &[u8]| Some(pinned.verify(token, text.as_bytes()).ok()?.time_s);
    let (token, time_s) = authority.stamp(&text, &pinned, 6);
    let later = Stamp { time_s, token, ..kept.clone() };
    assert_ne!(later.token, kept.token);
    store.keep_stamp(Log::Records, later, genuine).expect("kept");
    store.keep_stamp(Log::Records, kept.clone(), genuine).expect("the same again changes nothing");
    let elsewhere = Stamp { authority: "../x".to_owned(), ..kept.clone() };
    assert!(store.keep_stamp(Log::Records, elsewhere, genuine).is_err());
    assert_eq!(store.newest_stamp(Log::Records).expect("read"), Some(kept));
    assert_eq!(store.stamped_proof(Log::Records, head.checkpoint.size).expect("read"), None, "it came later");
    let index = world.archive().verify(&document.bytes).expect("genuine").index;
    let (proof, _) = store.stamped_proof(Log::Records, index).expect("read").expect("it is stamped");
    let file = world.path("document.tlog-proof");
    fs::write(&file, proof.to_bytes()).expect("written");

    let key = &store.verifier_keys()[0];
    let verify =
        |more: &[&str]| hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).args(["verify", "--key", key]).args(more));
    let path = |path: &Path| path.to_str().expect("a plain name").to_owned();
    let with = |authority: &Authority| {
        verify(&[&path(&pdf), "--proof", &path(&file), "--authority", &path(&authority.certificate())])
    };
    says(
        &with(&authority),
        0,
        &["as issued, unchanged", "  time-stamped at 20", "Test stamps: it was in the log then"],
    );
    says(&with(&other), 1, &["as issued, unchanged", "NOT time-stamped by that proof"]);

    let said = verify(&[&path(&pdf), "--show-qr"]);
    let text = said.out.lines().find(|line| line.starts_with("HMP1:")).unwrap_or_else(|| panic!("{said:?}"));
    says(&verify(&["--qr", text]), 0, &["a genuine proof", &document.number.to_string(), "content hash is "]);
    says(&verify(&["--qr", &text.replacen('0', "1", 1)]), 1, &["NO proof"]);
    let pinned = authority.certificate();
    let stamped = ["--proof", &path(&file), "--authority", &path(&pinned)];
    says(&verify(&[&["--qr", text], &stamped[..]].concat()), 0, &["a genuine proof", "time-stamped at 20"]);
    let pasted = world.path("square.txt");
    let (first, rest) = text.split_at(76);
    fs::write(&pasted, format!("\u{feff}\r\n{first}\r\n{rest}\r\n")).expect("written");
    says(&verify(&[&path(&pasted)]), 0, &["square.txt is a genuine proof", &document.number.to_string()]);
    says(&verify(&[&path(&file)]), 1, &["a proof file does not say what it is about"]);
}
