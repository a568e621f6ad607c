//! The processes of the story: `hanmaru demo` with its agency, a witness, commands, and whoever gets alerts. Everything that any
//! of them says is kept, and all of them are as talkative as they can be.

use base::Id16;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use synth::people::{Person, write_people};
use tempfile::TempDir;

/// Longest wait for a program to be ready or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The town. Everything in it ends with it.
pub struct Town {
    serving: Option<Child>,
    witness: Child,
    folder: TempDir,
    port: u16,
    /// Commands so far.
    said: usize,
    /// What was posted to the webhook and mailed.
    pub alerts: [Arc<Mutex<Vec<u8>>>; 2],
}

impl Town {
    /// An installation that serves, whose agency knows these people, with a witness and somebody who is told of cases.
    pub fn new(people: &[Person], duty: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for below in ["demo/bags", "temporary", "said", "witness"] {
            fs::create_dir_all(folder.path().join(below)).expect("a folder for the test");
        }
        write_people(&folder.path().join("demo/bags/people.json"), people.to_vec()).expect("written");
        // There are bags, it says; they come later, one by one.
        fs::write(folder.path().join("demo/bags/truth.json"), "{}").expect("written");
        let port = four_free_ports();
        let (hook, mail) = (Arc::default(), Arc::default());
        let ports = [receive(&hook, http), receive(&mail, |stream| testkit::take_mail(&stream))];
        let settings = "[alerts]\nleast = \"low\"\n";
        fs::write(folder.path().join("settings.toml"), settings).expect("written");
        let prepare = [demo(folder.path(), port), vec!["--prepare-only".to_owned()]].concat();
        let made = command(folder.path(), &prepare).output().expect("the program starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(folder.path().join("said/000-prepare"), [made.stdout, made.stderr].concat()).expect("written");
        let witness = witness(folder.path(), port, duty, ports);
        let mut town = Self { serving: None, witness, folder, port, said: 0, alerts: [hook, mail] };
        town.serve();
        town
    }

    /// A path below its folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The patients, as the bag has them.
    pub fn patients(&self) -> Vec<Id16> {
        testkit::faults::tables::patients(&self.path("demo/data/hanmaru.db"))
    }

    /// Where the portal answers.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Where the agency answers.
    pub fn agency_url(&self) -> String {
        format!("http://localhost:{}", self.port + 1)
    }

    /// Where the operator looks.
    pub fn operator_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port + 2)
    }

    /// Runs a command with the installation's configuration; gives its exit code and what it printed. What it said stands in
    /// `said`, answers (`.out`) and log lines (`.err`) apart.
    pub fn run(&mut self, arguments: &[&str]) -> (Option<i32>, String) {
        let (name, rest) = arguments.split_first().expect("a command");
        let config = self.path("demo/hanmaru.toml");
        let first = [(*name).to_owned(), "--config".to_owned(), text(&config)];
        let all: Vec<String> = first.into_iter().chain(rest.iter().map(|one| (*one).to_owned())).collect();
        self.run_plain(&all)
    }

    /// As [`Town::run`], for a command that has no configuration.
    pub fn run_plain(&mut self, arguments: &[String]) -> (Option<i32>, String) {
        let done = command(self.folder.path(), arguments).output().expect("the program starts");
        self.said += 1;
        let file = format!("said/{:03}-{}", self.said, arguments[0]);
        fs::write(self.path(&format!("{file}.out")), &done.stdout).expect("written");
        fs::write(self.path(&format!("{file}.err")), &done.stderr).expect("written");
        (done.status.code(), String::from_utf8(done.stdout).expect("the program writes UTF-8"))
    }

    fn serve(&mut self) {
        let log = |end: &str| File::create(self.path(&format!("said/serve.{end}"))).expect("a file for the test");
        let mut serving = command(self.folder.path(), &demo(self.folder.path(), self.port));
        self.serving = Some(serving.stdout(log("out")).stderr(log("err")).spawn().expect("the program starts"));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the portal does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the portal and the witness, and waits until both have ended.
    pub fn stop(&mut self) {
        let mut serving = self.serving.take().expect("it was started");
        for child in [&mut serving, &mut self.witness] {
            let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(told.is_ok_and(|status| status.success()), "it runs");
            let begun = Instant::now();
            while child.try_wait().expect("it was started here").is_none() {
                assert!(begun.elapsed() < PATIENCE, "it does not stop");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for child in self.serving.iter_mut().chain([&mut self.witness]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program with arguments, with a folder for temporary files of its own, saying all it can.
fn command(folder: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    command.args(arguments).env("TMPDIR", folder.join("temporary")).env("SQLITE_TMPDIR", folder.join("temporary"));
    command.env("HANMARU__LOG__LEVEL", "trace").env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    command.stdin(Stdio::null());
    command
}

fn demo(folder: &Path, port: u16) -> Vec<String> {
    let (data, settings) = (text(&folder.join("demo")), text(&folder.join("settings.toml")));
    ["demo", "--data", &data, "--settings", &settings, "--port", &port.to_string()].map(str::to_owned).to_vec()
}

/// Makes and starts a witness, and settings by which it is asked and alerts are sent.
fn witness(folder: &Path, port: u16, duty: &str, [hook, mail]: [u16; 2]) -> Child {
    let config = text(&folder.join("demo/hanmaru.toml"));
    let arguments = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let said = |all: &[&str]| {
        let done = command(folder, &arguments(all)).output().expect("the program starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("the program writes UTF-8")
    };
    let keys = said(&["keys", "--config", &config]);
    let logs: Vec<String> = keys.lines().map(|key| format!("\"{key}\"")).collect();
    // After the three ports of the demonstration.
    let own = port + 3;
    let toml = format!(
        "name = \"witness.test/w\"\nlisten = \"127.0.0.1:{own}\"\nkey = \"witness.key\"\nstate = \"state\"\nlogs = [{}]\n\
         [log]\nlevel = \"trace\"\n",
        logs.join(", ")
    );
    let config = folder.join("witness/witness.toml");
    fs::write(&config, toml).expect("written");
    said(&["witness", "init", "--config", &text(&config)]);
    let key = said(&["witness", "key", "--config", &text(&config)]);
    let mut policy: String = keys.lines().map(|key| format!("log {key}\n")).collect();
    policy.push_str(&format!("witness w {} http://127.0.0.1:{own}\ngroup all 1 w\nquorum all\n", key.trim()));
    fs::write(folder.join("demo/witnesses.policy"), policy).expect("written");
    let secret = folder.join("demo/hook-secret");
    fs::write(&secret, "a secret of the tests").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
    let settings = format!(
        "[witnesses]\npolicy = \"witnesses.policy\"\n[alerts]\nleast = \"low\"\n\
         [[alerts.webhook]]\nurl = \"http://127.0.0.1:{hook}/hook\"\nsecret_file = \"hook-secret\"\n\
         [alerts.mail]\nserver = \"127.0.0.1\"\nport = {mail}\nsecurity = \"none\"\nfrom = \"watch@hanmaru.test\"\nto = [\"{duty}\"]\n"
    );
    fs::write(folder.join("settings.toml"), settings).expect("written");
    let log = |end: &str| File::create(folder.join(format!("said/witness.{end}"))).expect("a file for the test");
    let mut running = command(folder, &arguments(&["witness", "--config", &text(&config)]));
    let child = running.stdout(log("out")).stderr(log("err")).spawn().expect("the program starts");
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", own)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "the witness does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Takes whatever comes, for as long as the test runs, and keeps it; gives its port.
fn receive(kept: &Arc<Mutex<Vec<u8>>>, talk: fn(TcpStream) -> Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = talk(stream);
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend(heard);
        }
    });
    port
}

/// One request, which is answered well.
fn http(stream: TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let (mut heard, mut length) = (Vec::new(), 0);
    loop {
        let from = heard.len();
        if !matches!(reader.read_until(b'\n', &mut heard), Ok(1..)) {
            return heard;
        }
        let line = String::from_utf8_lossy(&heard[from..]).to_ascii_lowercase();
        if let Some(size) = line.strip_prefix("content-length:") {
            length = size.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let _ = reader.by_ref().take(length).read_to_end(&mut heard);
    let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    heard
}

/// The first of four ports in a row that are free.
fn four_free_ports() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = first.local_addr().expect("it is bound").port();
        let is_free =
            |step: u16| port.checked_add(step).is_some_and(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if (1..4).all(is_free) {
            return port;
        }
    }
    panic!("no four free ports in a row");
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("temporary folders have plain names").to_owned()
}
