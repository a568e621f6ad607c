//! Sites as an operator meets them: a bucket among them, one lost, two lost, and everything read back.

use crate::bucket_server::{BucketServer, KEY};
use crate::operating::{answer, get, made_real, says, settled};
use crate::program::Program;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{BagBuilder, one_page_pdf, person};

fn bag(code: &str) -> BagBuilder {
    let one = person("하나");
    BagBuilder::new(code).patient("p1", &one).visit("p1", "e1", "2021-03-04").document(
        "p1",
        "d1",
        "d1.pdf",
        "application/pdf",
        &one_page_pdf("report"),
    )
}

/// A program whose third site is a bucket.
fn with_bucket(server: &BucketServer, key: &Path) -> Program {
    fs::write(key, format!("{}\n{}\n", KEY.0, KEY.1)).expect("written");
    fs::set_permissions(key, PermissionsExt::from_mode(0o600)).expect("set");
    Program::with(&[person("하나")], |text| {
        let folder = "name = \"c\"\nfolder = \"sites/c\"\n";
        assert!(text.contains(folder));
        let bucket = format!(
            "name = \"c\"\nkind = \"s3\"\nendpoint = \"{}\"\nbucket = \"records\"\nprefix = \"hanmaru\"\ncredentials = \"{}\"\n",
            server.endpoint(),
            key.display()
        );
        text.replacen(folder, &bucket, 1)
    })
}

/// Every pack below a site.
fn packs(site: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![site.join("pack")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_bucket_is_a_site_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = BucketServer::start(&folder.path().join("server"), "records");
    let program = with_bucket(&server, &folder.path().join("key"));
    let first = program.deposit(&bag("31999901").write(&program.path("bag")).root);
    says(&first, 0, &[]);
    // What the quorum did not wait for follows.
    says(&settled(&program), 0, &["site c: reachable, 0 objects to be copied"]);
    let bucket = server.bucket("records").join("hanmaru");
    assert_eq!(packs(&bucket).len(), packs(&program.path("sites/a")).len());

    server.stop();
    let begun = Instant::now();
    says(&program.deposit(&bag("31999902").write(&program.path("bag-2")).root), 0, &[]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    says(&program.run(&["status"]), 1, &["site c: NOT reachable", "bucket s3://records/hanmaru"]);
    // It takes connections and answers nobody: that is worse than being away, and no different for whoever deposits.
    server.hang();
    let begun = Instant::now();
    says(&program.deposit(&bag("31999903").write(&program.path("bag-3")).root), 0, &[]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    server.start_again();
    // A bit flips while nobody looks.
    let changed = packs(&bucket).remove(0);
    let mut bytes = fs::read(&changed).expect("a pack");
    bytes[40] ^= 4;
    fs::write(&changed, bytes).expect("written");
    let said = program.run(&["scrub"]);
    says(&said, 0, &["1 damaged", "everything that must be at the sites is there and right"]);
    assert_eq!(packs(&bucket).len(), packs(&program.path("sites/a")).len());
    says(&program.run(&["status"]), 0, &["site c: reachable, 0 objects", "read back whole until 20", "put right"]);
    says(&program.run(&["scrub", "--site", "c", "--rate", "100"]), 0, &["site c: ", "0 missing, 0 damaged"]);
    says(&program.run(&["scrub", "--site", "x"]), 1, &["there is no site x"]);
}

#[test]
fn what_is_lost_everywhere_is_told_with_what_it_held() {
    let program = Program::new(&[person("하나")]);
    says(&program.deposit(&bag("31999901").write(&program.path("bag")).root), 0, &[]);
    let one = packs(&program.path("sites/a")).remove(0);
    let below = one.strip_prefix(program.path("sites/a")).expect("it is below").to_owned();
    for site in ["a", "b", "c"] {
        fs::write(program.path("sites").join(site).join(&below), b"nothing").expect("written");
    }
    says(&program.run(&["scrub"]), 1, &["LOST: pack/", "no site has a sound copy; it held "]);
    says(&program.run(&["status"]), 1, &["1 LOST"]);
}

#[test]
fn a_running_portal_says_in_plain_words_that_two_sites_are_lost_and_goes_on_when_they_are_back() {
    let program = Program::new(&[person("하나")]);
    says(&program.deposit(&bag("31999901").write(&program.path("bag")).root), 0, &[]);
    let operator = made_real(&program, "");
    let text = fs::read_to_string(program.config()).expect("a configuration");
    let portal = text.lines().find_map(|line| line.strip_prefix("listen = \"")).expect("an address");
    let portal = portal.trim_end_matches('"').to_owned();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    serve.args(["serve", "--config"]).arg(program.config()).stdin(Stdio::null()).stdout(Stdio::null());
    let log = fs::File::create(program.path("serve.log")).expect("a file");
    let mut serve = serve.stderr(log).spawn().expect("the program starts");
    let mut seen = Vec::new();
    let mut until = |what: &str, holds: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !holds() && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(200));
        }
        seen.push((what.to_owned(), holds()));
    };
    let lose = |name: &str| fs::rename(program.path(&format!("sites/{name}")), program.path(name)).expect("moved");
    let find = |name: &str| fs::rename(program.path(name), program.path(&format!("sites/{name}"))).expect("moved");
    until("in order", &|| get(&portal, "/status").contains("서비스는 정상입니다"));
    lose("b");
    until("one lost", &|| answer(&operator).contains("site b is away"));
    until("one lost is a note", &|| !answer(&operator).contains("sites can be used"));
    lose("c");
    until("two lost", &|| answer(&operator).contains("1 of 3 sites can be used and 2 must be"));
    until("two lost on the page", &|| get(&portal, "/status").contains("지금은 새 기록을 받거나"));
    let page = get(&portal, "/status");
    find("b");
    find("c");
    until("back", &|| !answer(&operator).contains("is away"));
    until("back on the page", &|| get(&portal, "/status").contains("서비스는 정상입니다"));
    serve.kill().expect("it runs");
    serve.wait().expect("it ends");
    let log = fs::read_to_string(program.path("serve.log")).unwrap_or_default();
    assert!(seen.iter().all(|(_, held)| *held), "{seen:?}\n{log}");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("연결되지 않음"), "{page}");
    let root = program.path("").display().to_string();
    assert!(!page.contains(root.trim_end_matches('/')), "no path of the machine stands on the page");
}
