//! The compiled program in a temporary folder: a configuration, three sites, three key stores, and the stand-in agency as a
//! process of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use synth::people::{Person, write_people};
use tempfile::TempDir;

/// Longest wait until the agency answers.
const START_WAIT: Duration = Duration::from_secs(60);
/// The client's secret at the agency: random enough for a demonstration.
const SECRET: &str = "5d1ad7a9c2f34b6e8a10";

/// An installation of the program. Its folder and its agency end with it.
pub struct Program {
    agency: Option<Child>,
    agency_port: u16,
    folder: TempDir,
}

/// What one command came to.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it said of faults, and its log lines.
    pub err: String,
}

impl Program {
    /// A new installation, made by `hanmaru init`, whose agency knows these people.
    pub fn new(people: &[Person]) -> Self {
        Self::with(people, |text| text)
    }

    /// As [`Program::new`], with a configuration that is changed before anything is made.
    pub fn with(people: &[Person], change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let [portal, agency, operator] = free_ports();
        let mut program = Self { agency: None, agency_port: agency, folder };
        write_people(&program.path("people.json"), people.to_vec()).expect("written");
        std::fs::write(program.path("client-secret"), SECRET).expect("written");
        std::fs::write(program.config(), change(config(portal, agency, operator))).expect("written");
        program.start_agency();
        let made = program.run(&["init"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        program
    }

    /// A path below its folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("hanmaru.toml")
    }

    /// Runs a command of it with its configuration, then further arguments, to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let (command, rest) = arguments.split_first().expect("a command");
        hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).arg(command).arg("--config").arg(self.config()).args(rest))
    }

    /// As [`Program::run`], and ends it with SIGKILL after a time: then there is nothing to tell.
    pub fn run_for(&self, arguments: &[&str], time: Duration) -> Option<Said> {
        let (command, rest) = arguments.split_first().expect("a command");
        let mut child = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
            .arg(command)
            .arg("--config")
            .arg(self.config())
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let begun = Instant::now();
        while begun.elapsed() < time {
            if let Some(status) = child.try_wait().expect("it was started here") {
                return Some(Said { code: status.code(), out: String::new(), err: String::new() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        None
    }

    /// Deposits a bag.
    pub fn deposit(&self, bag: &Path) -> Said {
        self.run(&["deposit", "--quiet", bag.to_str().expect("temporary folders have plain names")])
    }

    /// What has a leaf in the log of records besides changes of rows: versions, documents and receipts, as `hanmaru fingerprint`
    /// counts them.
    pub fn leaves(&self) -> u64 {
        let said = self.run(&["fingerprint"]);
        let count = |table: &str| {
            let line = said.out.lines().find_map(|line| line.strip_prefix(table)?.strip_prefix(' '));
            let count = line.and_then(|line| line.split(' ').next()).and_then(|count| count.parse::<u64>().ok());
            count.unwrap_or_else(|| panic!("no count: {said:?}"))
        };
        count("resource_version") + count("object") + count("commitment")
    }

    /// Entries of the log of records, those of changed rows among them.
    pub fn log_size(&self) -> u64 {
        let said = self.run(&["status"]);
        let line = said.out.lines().find_map(|line| line.strip_prefix("log records: "));
        let words = line.and_then(|line| line.split_once(" entries ")).map(|(before, _)| before);
        let size = words.and_then(|words| words.rsplit(' ').next()).and_then(|size| size.parse().ok());
        size.unwrap_or_else(|| panic!("no size: {said:?}"))
    }

    fn start_agency(&mut self) {
        let log = std::fs::File::create(self.path("agency.log")).expect("a file for the test");
        let child = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
            .arg("agency")
            .arg("--people")
            .arg(self.path("people.json"))
            .args(["--listen", &format!("127.0.0.1:{}", self.agency_port)])
            .args(["--issuer", &format!("http://127.0.0.1:{}", self.agency_port)])
            .arg("--client-secret-file")
            .arg(self.path("client-secret"))
            .args(["--redirect", "http://127.0.0.1/sign-in/return"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.agency = Some(child);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.agency_port)).is_err() {
            assert!(begun.elapsed() < START_WAIT, "the agency does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(agency) = &mut self.agency {
            let _ = agency.kill();
            let _ = agency.wait();
        }
    }
}

/// Runs a command to its end.
pub fn hanmaru(command: &mut Command) -> Said {
    let done = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// A configuration of a demonstration with sites and key stores.
fn config(portal: u16, agency: u16, operator: u16) -> String {
    let mut text = format!(
        "demo = true\npublic_url = \"http://127.0.0.1:{portal}\"\ndata = \"data\"\nlisten = \"127.0.0.1:{portal}\"\n\
         ledger_origin = \"test.example/hanmaru\"\n[keys]\nroot = \"root.key\"\n[log]\nlevel = \"warn\"\n\
         [agency]\nissuer = \"http://127.0.0.1:{agency}\"\nclient_id = \"hanmaru\"\nclient_secret_file = \"client-secret\"\n\
         [operator]\nlisten = \"127.0.0.1:{operator}\"\n"
    );
    for kind in ["site", "key_store"] {
        for name in ["a", "b", "c"] {
            text.push_str(&format!("[[{kind}]]\nname = \"{name}\"\nfolder = \"{kind}s/{name}\"\n"));
        }
    }
    text
}

fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("it is bound").port())
}
