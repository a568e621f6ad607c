//! What comes from outside starts nothing, comes back as nothing that runs, and is not unpacked beyond its bound: the served program
//! and deposits, with files made to hurt.

use crate::canary::forms::each_unpacked;
use crate::operating::{get, made_real, says};
use crate::program::{Program, hanmaru};
use crate::whole::issued;
use archive::issue::Locale;
use base64::Engine as _;
use reqwest::Client;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{BagBuilder, World, one_page_pdf, person};

/// Bytes that the bombs come to, and more of them than anything here may take.
const BOMB_BYTES: usize = 1 << 30;
/// Memory that a served program may take for an upload of some megabytes.
const MEMORY_KIB: u64 = 96 << 10;

/// A served portal and its address; it ends with the test.
struct Serving {
    child: Child,
    portal: String,
}

impl Serving {
    fn start(program: &Program) -> Self {
        let operator = made_real(program, "");
        let log = fs::File::create(program.path("serve.log")).expect("a file for the test");
        let mut serve = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
        serve.args(["serve", "--config"]).arg(program.config()).current_dir(program.path(""));
        let serve = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = serve.spawn().expect("the program starts");
        let text = fs::read_to_string(program.config()).expect("a configuration");
        let portal = text.split("\nlisten = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
        let serving = Self { child, portal: format!("http://{portal}") };
        get(&operator, "/health");
        get(portal, "/help");
        serving
    }

    /// Status, headers as text, and body of what an upload to `/verify` comes to.
    fn upload(&self, name: &str, kind: &str, bytes: &[u8]) -> (u16, String, String) {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
        self.post("/verify", &[("content-type", "multipart/form-data; boundary=b")], body)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, String, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = Client::builder().no_proxy().build().expect("a client");
            let mut request = client.post(format!("{}{path}", self.portal)).body(body);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.expect("an answer");
            let headers = answer.headers().iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
            (answer.status().as_u16(), headers, answer.text().await.expect("a text"))
        })
    }

    /// Most memory the program has had since it was last asked to forget that, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("it runs");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process has a child, by what each process says of its parent.
fn has_child(parent: u32) -> bool {
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    let of = |path: &Path| fs::read_to_string(path.join("stat")).unwrap_or_default();
    let parents = processes.map(|process| of(&process.path()));
    // After the name, which may hold anything: state, then the parent.
    let parents = parents.filter_map(|stat| stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok());
    parents.into_iter().any(|one| one == parent)
}

/// A page whose document says that something is to be run once it is opened.
fn active_pdf(command: &str) -> Vec<u8> {
    let plain = String::from_utf8(one_page_pdf("active")).expect("ASCII");
    // An update that adds a catalogue with actions (ISO 32000-1 sections 7.5.6 and 12.6.4).
    let before = plain.rfind("xref\n0 ").expect("a table");
    let objects = [
        "1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction 5 0 R /AA << /WC 6 0 R >> >>\nendobj\n".to_owned(),
        "5 0 obj\n<< /S /JavaScript /JS (app.alert('qzx-runs')) /Next 6 0 R >>\nendobj\n".to_owned(),
        format!("6 0 obj\n<< /S /Launch /F ({command}) /Unix ({command}) >>\nendobj\n"),
    ];
    let (mut pdf, mut table) = (plain, String::new());
    for (object, head) in objects.iter().zip(["1 1", "5 1", "6 1"]) {
        table.push_str(&format!("{head}\n{:010} 00000 n \n", pdf.len()));
        pdf.push_str(object);
    }
    let start = pdf.len();
    pdf.push_str(&format!(
        "xref\n{table}trailer\n<< /Size 7 /Root 1 0 R /Prev {before} >>\nstartxref\n{start}\n%%EOF\n"
    ));
    pdf.into_bytes()
}

/// Gzip that comes to so many bytes: members of the same zeros, one after another (RFC 1952 section 2.2).
fn gzip_bomb(bytes: usize) -> Vec<u8> {
    const MEMBER: usize = 16 << 20;
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    member.write_all(&vec![0; MEMBER]).expect("memory");
    member.finish().expect("memory").repeat(bytes / MEMBER)
}

/// A page whose only stream comes to so many bytes.
fn pdf_bomb(bytes: usize) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    (0..bytes >> 20).for_each(|_| packed.write_all(&zeros).expect("memory"));
    let packed = packed.finish().expect("memory");
    let plain = String::from_utf8(one_page_pdf("bomb")).expect("ASCII");
    let (before, after) = plain.split_once("<< /Length ").expect("a stream");
    let (_, after) = after.split_once("endstream").expect("its end");
    let stream = format!("<< /Filter /FlateDecode /Length {} >>\nstream\n", packed.len());
    [before.as_bytes(), stream.as_bytes(), &packed, b"\nendstream", after.as_bytes()].concat()
}

#[test]
fn an_upload_starts_nothing_and_comes_back_as_nothing_that_runs() {
    let program = Program::new(&[]);
    let serving = Serving::start(&program);
    let mark = program.path("it-ran");
    let command = format!("touch {}", mark.display());
    let (id, over, started) = (serving.child.id(), AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                started.fetch_or(has_child(id), Ordering::SeqCst);
            }
        });
        let script = "<script>alert('qzx-runs')</script>";
        let files = [
            ("active.pdf", "application/pdf", active_pdf(&command)),
            ("page.html", "text/html", format!("<html>{script}</html>").into_bytes()),
            (
                "%PDF-1.7.svg",
                "image/svg+xml",
                format!("<svg xmlns='http://www.w3.org/2000/svg'>{script}</svg>").into_bytes(),
            ),
            ("run.sh", "application/x-sh", format!("#!/bin/sh\n{command}\n").into_bytes()),
            (&format!("; {command} ;.pdf"), "application/pdf", one_page_pdf("qzx-runs")),
            (&format!("$({command})"), "text/html", format!("`{command}`").into_bytes()),
            ("../../../it-ran", "text/plain", b"qzx-runs".to_vec()),
        ];
        for (name, kind, bytes) in files {
            let (status, headers, page) = serving.upload(name, kind, &bytes);
            assert_eq!(status, 200, "{name}: {page}");
            for header in [
                "content-type: \"text/html; charset=utf-8\"",
                "x-content-type-options: \"nosniff\"",
                "default-src 'none'",
            ] {
                assert!(headers.contains(header), "{name}: {header}: {headers}");
            }
            assert!(!headers.contains("script-src"), "{name}: {headers}");
            assert!(!page.contains("qzx-runs") && !page.contains("it-ran"), "{name} comes back: {page}");
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(!mark.exists(), "an upload was run");
    assert!(!started.load(Ordering::SeqCst), "an upload started a process");
    // Nothing of an upload is kept, so that there is nothing to get back.
    for path in ["/verify/active.pdf", "/uploads/active.pdf", "/documents/page.html", "/verify/page.html"] {
        assert!(get(serving.portal.trim_start_matches("http://"), path).starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[test]
fn what_is_packed_in_an_upload_stays_packed() {
    let program = Program::new(&[]);
    let serving = Serving::start(&program);
    serving.upload("one.pdf", "application/pdf", &one_page_pdf("one"));
    let (gzip, pdf) = (gzip_bomb(BOMB_BYTES), pdf_bomb(BOMB_BYTES));
    serving.forget_peak();
    let before = serving.peak_kib();
    for (name, bytes) in [("bomb.pdf", &pdf), ("bomb.gz", &gzip)] {
        let (status, _, page) = serving.upload(name, "application/pdf", bytes);
        assert_eq!(status, 200, "{name}: {page}");
    }
    // A body that says it is packed is not unpacked: it is no form then.
    for (path, kind) in
        [("/verify", "multipart/form-data; boundary=b"), ("/staff/sign-in", "application/x-www-form-urlencoded")]
    {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let short = gzip[..gzip.len().min(40_000)].to_vec();
            let (status, _, page) = serving.post(path, &[("content-type", kind), ("content-encoding", coding)], short);
            assert!(status >= 400, "{path}, {coding}: {status} {page}");
        }
    }
    let grown = serving.peak_kib() - before;
    assert!(grown < MEMORY_KIB, "{grown} KiB for {} KiB of uploads", (pdf.len() + gzip.len()) >> 10);
}

#[test]
fn a_deposit_keeps_what_is_packed_or_active_and_unpacks_none_of_it() {
    let one = person("하나");
    let program = Program::new(std::slice::from_ref(&one));
    let gzip = gzip_bomb(4 * BOMB_BYTES);
    let packed = base64::engine::general_purpose::STANDARD.encode(&gzip[..gzip.len().min(1 << 20)]);
    let inline = json!({
        "resourceType": "DocumentReference", "id": "inline", "status": "current", "date": "2024-04-01T10:30:00+09:00",
        "subject": {"reference": "Patient/p1"}, "content": [{"attachment": {"contentType": "application/gzip", "data": packed}}]
    });
    let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".as_slice();
    let refused = [
        ("bomb.gz", "application/gzip", gzip.as_slice()),
        ("bomb.zip", "application/zip", [b"PK\x03\x04", gzip.as_slice()].concat().leak()),
        ("bomb.pdf", "application/pdf", pdf_bomb(BOMB_BYTES).leak()),
        ("drawing.svg", "image/svg+xml", script),
        ("drawing.pdf", "application/pdf", script),
        ("page.html", "text/html", b"<html><script>alert(1)</script></html>"),
        ("run.sh", "application/x-sh", b"#!/bin/sh\ntouch it-ran\n"),
    ];
    let mut bag = BagBuilder::new("31999901").patient("p1", &one).resource(&inline);
    for (name, kind, bytes) in refused {
        bag = bag.document("p1", name, name, kind, bytes);
    }
    let bag = bag.write(&program.path("bag")).root;
    // In less memory than any of the bombs comes to.
    let line = "ulimit -v 3500000; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", line, env!("CARGO_BIN_EXE_hanmaru"), "deposit", "--config"]).arg(program.config());
    let said = hanmaru(shell.arg("--quiet").arg(&bag));
    says(&said, 3, &[]);
    for (name, ..) in refused {
        assert!(said.out.contains(&format!("data/documents/{name}")), "{name} was taken: {}", said.out);
    }
    assert!(!program.path("it-ran").exists() && !Path::new("it-ran").exists(), "a document was run");
}

#[test]
fn actions_of_a_deposited_document_are_not_in_the_issued_one() {
    let (world, one) = (World::new(), person("하나"));
    world.agency.add(&one);
    let active = active_pdf("touch it-ran");
    let bag = BagBuilder::new("31999901").patient("p1", &one).visit("p1", "e1", "2021-03-04");
    let bag = bag.document("p1", "active", "active.pdf", "application/pdf", &active);
    let receipt = world.deposit(&bag.write(&world.path("bag")).root).expect("taken").receipt;
    assert_eq!(receipt.held_back.listed, [], "it is a document");
    let pdf = issued(&world, &one, Locale::Ko);
    assert_eq!(pdf.undrawn, 0, "its page is drawn");
    let mut parts = vec![pdf.bytes.clone()];
    each_unpacked(&pdf.bytes, 2, &mut |inner| parts.push(inner.to_vec()));
    assert!(parts.len() > 1, "streams are unpacked");
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    for word in ["JavaScript", "/JS", "/Launch", "/OpenAction", "/AA", "qzx-runs", "it-ran"] {
        assert!(!parts.iter().any(|part| holds(part, word)), "{word} is in the issued document");
        assert!(holds(&active, word), "{word} is in the deposited one");
    }
}
