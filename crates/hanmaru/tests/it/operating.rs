//! What an operator's commands say and mend: key stores, the clock, and the state in plain words.

use crate::program::{Program, Said, hanmaru};
use base::limits::Limits;
use base::{Clock, ManualClock, Random, SystemClock, SystemRandom, Timestamp};
use policy::{Action, Door};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{OpenStore, Store, StoreConfig};
use testkit::{BagBuilder, person};
use vault::{FileKeyProvider, KeyStoreConfig, KeyStores, Passphrase, ProtectedKeyProvider, SiteConfig, Sites};

/// An installation with one deposit.
pub fn deposited() -> Program {
    let one = person("하나");
    let program = Program::new(std::slice::from_ref(&one));
    let bag = BagBuilder::new("31999901").patient("p1", &one).visit("p1", "e1", "2021-03-04");
    let said = program.deposit(&bag.write(&program.path("bag")).root);
    assert_eq!(said.code, Some(0), "{said:?}");
    program
}

#[track_caller]
pub fn says(said: &Said, code: i32, words: &[&str]) {
    let all = format!("{}{}", said.out, said.err);
    for word in words {
        assert!(all.contains(word), "expected: {word}\n{said:?}");
    }
    assert_eq!(said.code, Some(code), "{said:?}");
}

#[test]
fn a_status_says_how_everything_is_and_writes_nothing() {
    let program = deposited();
    says(&program.run(&["status"]), 0, &["log records: ", "site a: reachable", "clock: in order"]);
    // What a new installation has not done yet, or does without, is no fault and is said.
    let unused = ["witnesses: none is configured", "time-stamps: no authority is configured"];
    says(&program.run(&["status"]), 0, &[&["never read back whole; `hanmaru scrub` does it"], &unused[..]].concat());
    let database = || fs::read(program.path("data/hanmaru.db")).expect("the database");
    let before = base::sha256(&database());
    let said = program.run(&["status"]);
    for name in ["a", "b", "c"] {
        says(&said, 0, &[&format!("key store {name}: reachable, "), "misses none", "last written 20"]);
    }
    assert_eq!(base::sha256(&database()), before);

    fs::rename(program.path("key_stores/b"), program.path("b")).expect("unmounted");
    says(&program.run(&["status"]), 1, &["key store b: NOT reachable", "is missing; mount or restore its disk"]);
    fs::rename(program.path("key_stores/c"), program.path("c")).expect("unmounted");
    says(&program.run(&["status"]), 1, &["TOO FEW: 1 key stores can be used and 2 must be"]);
}

/// The state once the sites have what the quorum did not wait for: one that is behind catches up while a program runs.
pub fn settled(program: &Program) -> Said {
    let begun = Instant::now();
    loop {
        let said = program.run(&["status"]);
        if said.code == Some(0) || begun.elapsed() > Duration::from_secs(60) {
            return said;
        }
    }
}

/// The first site that a drill was well from. Another may be behind, and is not made again from.
fn drilled(program: &Program) -> &'static str {
    let begun = Instant::now();
    for name in ["b", "a", "c"].into_iter().cycle() {
        let said = program.run(&["rebuild", "--from", name, "--drill"]);
        if said.code == Some(0) {
            says(&said, 0, &["nothing was kept", "0 frames whose key"]);
            return name;
        }
        assert!(said.err.contains("repair the sites first"), "{said:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{said:?}");
    }
    unreachable!("they are gone through again and again")
}

#[test]
fn a_restore_drill_is_in_the_status_whether_it_went_well_or_not() {
    let program = deposited();
    says(&settled(&program), 0, &["restore drill: none yet; `hanmaru rebuild --from SITE --drill` makes one"]);
    let from = drilled(&program);
    says(&settled(&program), 0, &[&format!("from site {from}"), "everything came out equal: every "]);
    // At every site, or a sound copy would be brought back.
    let site = program.path(&format!("sites/{from}"));
    let pack = walk(&site.join("pack")).into_iter().next().expect("a pack");
    let below = pack.strip_prefix(&site).expect("below the site").to_owned();
    for site in ["a", "b", "c"] {
        let path = program.path("sites").join(site).join(&below);
        fs::create_dir_all(path.parent().expect("below a folder")).expect("there");
        fs::write(path, "something else").expect("damaged");
    }
    let failed = program.run(&["rebuild", "--from", "c", "--drill"]);
    assert_ne!(failed.code, Some(0), "{failed:?}");
    let said = program.run(&["status"]);
    assert!(said.out.contains("from site c") && said.out.contains("NOT equal"), "{said:?}");
}

#[test]
fn a_drill_says_which_sites_it_could_not_ask() {
    let program = deposited();
    let drill = |from: &str, more: &[&str]| program.run(&[&["rebuild", "--from", from, "--drill"], more].concat());
    let from = drilled(&program);
    let others: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| *name != from).collect();
    let away = |name: &str| fs::rename(program.path(&format!("sites/{name}")), program.path(name)).expect("unmounted");
    away(others[0]);
    let named = format!("silent, and not asked whether they have more: site {}: ", others[0]);
    says(&drill(from, &[]), 0, &[&named, "nothing was kept"]);
    away(others[1]);
    let refused = drill(from, &[]);
    assert!(refused.code != Some(0) && refused.err.contains("--without-sites"), "{refused:?}");
    assert!(program.run(&["status"]).out.contains("NOT equal"));
    says(&drill(from, &["--without-sites"]), 0, &[&named, &format!("; site {}: ", others[1])]);
    let said = program.run(&["status"]);
    assert!(said.out.contains("what was compared came out equal: every "), "{said:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_key_store_that_lost_its_keys_is_filled_by_a_command() {
    let program = deposited();
    let keys = |name: &str| {
        let said = program.run(&["status"]).out;
        let mark = format!("key store {name}: reachable, ");
        said.lines().find_map(|line| line.strip_prefix(&mark)).unwrap_or_else(|| panic!("{name}: {said}")).to_owned()
    };
    let whole = keys("a").split(',').next().expect("a count").to_owned();
    fs::remove_dir_all(program.path("key_stores/c")).expect("its disk is gone");
    says(&program.run(&["keys", "mend"]), 1, &["key store c: NOT mended: folder "]);
    // A new disk, without and then with its marker.
    fs::create_dir(program.path("key_stores/c")).expect("mounted");
    says(&program.run(&["keys", "mend"]), 1, &["was never set up here"]);
    fs::write(program.path("key_stores/c/hanmaru-keys.txt"), "hanmaru keys 1 c\n").expect("set up");
    says(&program.run(&["status"]), 1, &["key store c: reachable, 0 keys, MISSES ", "`hanmaru keys mend` does it now"]);
    says(&program.run(&["keys", "mend"]), 0, &[&format!("{whole} in all, ")]);
    assert!(keys("c").starts_with(&format!("{whole}, misses none")), "{}", keys("c"));
    says(&program.run(&["keys", "mend"]), 0, &[" in all, 0 written"]);
    // Printing the public keys is what it does otherwise.
    says(&program.run(&["keys"]), 0, &["test.example/hanmaru/records+", "test.example/hanmaru/access+"]);
}

#[test]
fn a_key_store_of_another_installation_is_named_and_left_alone() {
    let (program, other) = (deposited(), Program::new(&[]));
    fs::remove_dir_all(program.path("key_stores/c")).expect("unmounted");
    fs::rename(other.path("key_stores/c"), program.path("key_stores/c")).expect("mounted in the wrong place");
    let file = program.path("key_stores/c/0001.keys");
    let before = fs::read(&file).expect("its keys");
    says(&program.run(&["status"]), 1, &["key store c: NOT reachable: it is ANOTHER INSTALLATION'S"]);
    says(&program.run(&["keys", "mend"]), 1, &["key store c: NOT mended: ", "belongs to another installation"]);
    assert_eq!(fs::read(&file).expect("its keys"), before);
}

#[test]
fn keys_are_protected_backed_up_rotated_and_compacted_by_commands() {
    use std::os::unix::fs::PermissionsExt;
    let program = deposited();
    says(&program.run(&["keys", "protect"]), 1, &["[keys] passphrase"]);
    fs::write(program.path("passphrase"), "a passphrase of some length\n").expect("written");
    fs::set_permissions(program.path("passphrase"), fs::Permissions::from_mode(0o600)).expect("ours");
    let text = fs::read_to_string(program.config()).expect("a configuration");
    let with = text.replace("root = \"root.key\"", "root = \"root.key\"\npassphrase = \"file:passphrase\"");
    fs::write(program.config(), &with).expect("written");
    says(&program.run(&["keys", "protect"]), 0, &["is under the passphrase now"]);
    says(&program.run(&["status"]), 0, &["clock: in order"]);
    fs::write(program.path("passphrase"), "another passphrase of some length\n").expect("written");
    says(&program.run(&["status"]), 1, &["the passphrase is wrong"]);
    fs::write(program.path("passphrase"), "a passphrase of some length\n").expect("written");

    let folder = program.path("backups");
    fs::create_dir(&folder).expect("made");
    let folder = folder.to_str().expect("a path").to_owned();
    says(&program.run(&["keys", "backup", &folder]), 0, &["destroy it after 30 days"]);
    says(&program.run(&["keys", "rotate", "nothing"]), 1, &["root or shards"]);
    says(&program.run(&["keys", "rotate", "shards"]), 0, &["hang under their new parents", "0 left"]);
    while_another_command_is_at_work_no_root_comes_into_the_file(&program);
    says(&program.run(&["keys", "rotate", "root"]), 0, &["new root file:", "the old root is out of"]);
    killed_before_the_old_root_was_out_of_the_file(&program);
    says(&program.run(&["keys", "compact"]), 0, &["0 records removed, 0 left"]);
    says(&program.run(&["status"]), 0, &["misses none"]);
    let backup = fs::read_dir(&folder).expect("there").next().expect("one").expect("an entry").path();
    says(&program.run(&["keys", "restore", backup.to_str().expect("a path")]), 0, &["were destroyed since"]);
    let leaves = program.leaves();
    says(&program.run(&["status"]), 0, &["misses none"]);
    assert_eq!(program.leaves(), leaves);
}

fn while_another_command_is_at_work_no_root_comes_into_the_file(program: &Program) {
    let before = fs::read(program.path("root.key")).expect("the file");
    let turn = fs::File::open(program.path("data/locks/keys.lock")).expect("it was rotated before");
    turn.lock().expect("nobody works");
    says(&program.run(&["keys", "rotate", "root"]), 1, &["another program is rotating or erasing keys"]);
    assert_eq!(fs::read(program.path("root.key")).expect("the file"), before);
}

fn killed_before_the_old_root_was_out_of_the_file(program: &Program) {
    let (path, source) = (program.path("root.key"), Passphrase::File(program.path("passphrase")));
    let open = || ProtectedKeyProvider::open(&path, &source, Arc::new(SystemRandom)).expect("opens");
    open().add_root().expect("added");
    let two_roots = fs::read(&path).expect("the file");
    says(&program.run(&["keys", "rotate", "root"]), 0, &["the old root is out of"]);
    fs::write(&path, two_roots).expect("as before the end");
    says(&program.run(&["keys", "rotate", "root"]), 0, &["the old root is out of"]);
    assert_eq!(open().roots().len(), 1);
}

#[test]
fn somebody_is_erased_by_commands_and_certified() {
    let program = deposited();
    fs::write(program.path("reason"), "the person asked for it").expect("written");
    let reason = program.path("reason").to_str().expect("a path").to_owned();
    let (one, patient) = ("01".repeat(16), "02".repeat(16));
    let basis = "PIPA article 36(1)";
    let ask = [
        "shred",
        "request",
        "--account",
        &one,
        "--role",
        "steward",
        "--patient",
        &patient,
        "--reason",
        &reason,
        "--basis",
        basis,
    ];
    says(&program.run(&ask), 1, &["does not hold the role"]);
    let of = |whose: &str| program.run(&["shred", "hold", whose, "--note", &reason]);
    says(&of("31999901/p1"), 0, &[]);
    says(&of("31999901/p2"), 1, &["no one patient is known by that number"]);
    says(&of("p1"), 2, &["write an id of 32 hexadecimal digits, or CODE/NUMBER"]);
    says(&program.run(&["shred", "list"]), 0, &[]);
}

#[test]
fn a_clock_that_ran_ahead_is_reset_once_it_is_confirmed() {
    let program = deposited();
    says(&program.run(&["clock", "reset"]), 0, &["nothing to reset"]);
    let leaves = program.leaves();
    record_later(&program, 40 * 86_400);
    says(&program.run(&["status"]), 1, &["s behind what was already recorded, and nobody can sign in"]);
    says(&program.run(&["clock", "reset"]), 1, &["nothing was changed", "--today"]);
    says(&program.run(&["clock", "reset", "--today", "2020-02-02"]), 1, &["set its clock right first"]);
    says(&program.run(&["status"]), 1, &["nobody can sign in"]);
    says(&program.run(&["clock", "reset", "--today", &today()]), 0, &["time goes on", "0 sessions were ended"]);
    says(&program.run(&["status"]), 0, &["clock: in order"]);
    assert_eq!(program.leaves(), leaves);
}

#[test]
fn what_is_away_at_the_start_is_said_and_no_clock_is_reset_under_a_running_portal() {
    let program = deposited();
    record_later(&program, 40 * 86_400);
    let operator = made_real(&program, "");
    for (folder, name) in [("sites", "b"), ("sites", "c"), ("key_stores", "a")] {
        fs::rename(program.path(&format!("{folder}/{name}")), program.path(&format!("{folder}-{name}"))).expect("away");
    }
    let log = program.path("serve.log");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    serve.args(["serve", "--config"]).arg(program.config()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut serve = serve.stderr(fs::File::create(&log).expect("a file")).spawn().expect("the program starts");
    let ready = answer(&operator);
    let reset = program.run(&["clock", "reset", "--today", &today()]);
    serve.kill().expect("it runs");
    serve.wait().expect("it ends");
    let said = fs::read_to_string(&log).expect("its log");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    for fault in [
        "site b is away: folder ",
        "site c is away: folder ",
        "key store a is away: folder ",
        "1 of 3 sites can be used and 2 must be",
        "s behind what was already recorded",
    ] {
        assert!(said.contains(fault), "{fault}: {said}");
        assert!(ready.contains(fault), "{fault}: {ready}");
    }
    says(&reset, 1, &["another process has ", "stop `hanmaru serve`"]);
}

#[test]
fn what_is_wrong_in_a_configuration_is_said_before_anything_is_served() {
    let program = Program::new(&[]);
    made_real(&program, "[tls]\ncertificate = \"nowhere.pem\"\nkey = \"nowhere.key\"\n");
    let said = program.run(&["serve"]);
    says(&said, 1, &["certificate ", "nowhere.pem"]);
    assert!(!said.err.contains("serving"), "{said:?}");
    for level in ["nonsense", "info,nonsense", "store=nonsense"] {
        let text = fs::read_to_string(program.config()).expect("a configuration");
        let line = text.lines().find(|line| line.starts_with("level = ")).expect("one").to_owned();
        fs::write(program.config(), text.replace(&line, &format!("level = \"{level}\""))).expect("written");
        says(&program.run(&["status"]), 1, &["is neither a level (error, warn, info, debug) nor a filter"]);
    }
}

#[test]
fn an_agency_says_which_address_is_taken() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it is bound").to_string();
    let folder = tempfile::tempdir().expect("a folder for the test");
    let secret = folder.path().join("secret");
    fs::write(&secret, "5d1ad7a9c2f34b6e8a10").expect("written");
    let mut agency = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    agency.arg("agency").arg("--people").arg(folder.path().join("people.json")).args(["--listen", &address]);
    agency.arg("--client-secret-file").arg(&secret).args(["--redirect", "http://127.0.0.1/sign-in/return"]);
    says(&hanmaru(&mut agency), 1, &[&format!("cannot listen on {address}"), "choose another address"]);
}

/// Makes the configuration one for real use behind a proxy, with an agency that is away, and `more` settings at its end. Gives the
/// operator's address.
pub fn made_real(program: &Program, more: &str) -> String {
    let mut text = fs::read_to_string(program.config()).expect("a configuration");
    let after =
        |text: &str, mark: &str| text.split(mark).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let operator = after(&text, "[operator]\nlisten = \"").expect("an address");
    let agency = after(&text, "issuer = \"").expect("an address");
    for (from, to) in [
        ("demo = true\n", "behind_proxy = true\n"),
        ("public_url = \"http:", "public_url = \"https:"),
        (agency.as_str(), "https://agency.invalid"),
    ] {
        text = text.replace(from, to);
    }
    fs::write(program.config(), text + more).expect("written");
    fs::set_permissions(program.path("client-secret"), PermissionsExt::from_mode(0o600)).expect("set");
    operator
}

/// What `/ready` answers, once something does.
pub fn answer(operator: &str) -> String {
    get(operator, "/ready")
}

/// What an address answers, once something does.
pub fn get(operator: &str, path: &str) -> String {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody answers at {operator}");
        let Ok(mut stream) = TcpStream::connect(operator) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {operator}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        return text;
    }
}

fn today() -> String {
    Timestamp::from_second(now_s()).expect("now").strftime("%Y-%m-%d").to_string()
}

fn now_s() -> i64 {
    SystemClock::new().now().as_second()
}

/// Has something recorded by a process whose clock runs ahead: a denial, which is written down like any access.
fn record_later(program: &Program, seconds: i64) {
    let ahead = ManualClock::at(Timestamp::from_second(now_s() + seconds).expect("a time"));
    let place = |kind: &str, name: &str| (name.to_owned(), program.path(&format!("{kind}s/{name}")));
    let sites = ["a", "b", "c"].map(|name| place("site", name)).map(|(name, folder)| SiteConfig { name, folder });
    let stores =
        ["a", "b", "c"].map(|name| place("key_store", name)).map(|(name, folder)| KeyStoreConfig { name, folder });
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let key = FileKeyProvider::open(&program.path("root.key"), Arc::clone(&random)).expect("the root key");
    let store = Store::open(OpenStore {
        folder: program.path("data"),
        sites: Sites::open(sites.to_vec(), 2).expect("three sites"),
        key_provider: Arc::new(key),
        key_stores: KeyStores::open(stores.to_vec(), 2).expect("three key stores"),
        origin: "test.example/hanmaru".to_owned(),
        clock: Arc::new(ahead),
        random,
        limits: Limits::default(),
        config: StoreConfig::default(),
        witnessing: None,
    });
    let store = store.expect("it opens");
    let before = store.health().published[1];
    let door = Door::standard().expect("the policies are valid");
    store.ask_job(&door, "test", Action::ReadStatus).expect_err("no job reads the status");
    while store.health().published[1] == before {
        std::thread::sleep(Duration::from_millis(20));
    }
}
