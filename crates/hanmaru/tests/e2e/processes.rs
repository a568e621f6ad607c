//! The programs a run needs, started once and ended by their ids: `hanmaru demo` on free ports and chromedriver.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use synth::people::{Person, read_people};
use tempfile::TempDir;

/// Patients of each of the three hospitals.
const PATIENTS: &str = "30";
/// Longest wait for a program to be ready.
const START_WAIT: Duration = Duration::from_secs(120);
/// Longest wait for a program to end once it was told to.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// People of the agency whom no hospital knows: one for each view who looks for records, one who acts for another, and one who is
/// a member of staff.
const STRANGERS: usize = 12;

/// The code of the hospital whose deposit has begun and not ended.
pub const HALFWAY: &str = "99510004";

/// What has to be installed and is not.
pub fn missing() -> Vec<&'static str> {
    ["chromium", "chromedriver"].into_iter().filter(|program| !is_installed(program)).collect()
}

/// Whether a program is found on the path.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The running programs and the folder they work in. All end when it is dropped.
pub struct Running {
    portal: Program,
    driver: Program,
    folder: TempDir,
    /// Where the portal answers.
    pub portal_url: String,
    /// Where chromedriver answers.
    pub driver_url: String,
    /// Everybody the hospitals know, in the order they were made.
    pub people: Vec<Person>,
    /// People the agency knows and no hospital does.
    pub strangers: Vec<Person>,
    /// The code of a hospital, and the numbers on the charts of its patients.
    pub hospital: (String, Vec<String>),
}

impl Running {
    /// Generates hospitals, deposits them and serves, and starts the driver.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let data = folder.path().join("data");
        let (people, strangers) = generate(&data.join("bags"));
        let hospital = numbers(&data.join("bags/hospital-02/data/fhir/Patient.ndjson"));
        let port = three_free_ports();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
        demo.arg("demo").arg("--data").arg(&data).args(["--patients", PATIENTS, "--port", &port.to_string()]);
        let (portal, said) = Program::start("hanmaru demo", demo, "Hanmaru is at ");
        leave_halfway(folder.path(), &data);
        let portal_url = said.split_whitespace().next().expect("an address follows").to_owned();
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0");
        let (driver, said) = Program::start("chromedriver", driver, "started successfully on port ");
        let driver_url = format!("http://127.0.0.1:{}", said.trim_end_matches('.'));
        Self { portal, driver, folder, portal_url, driver_url, people, strangers, hospital }
    }

    /// The folder of this run, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops everything and gives the last lines the portal said.
    pub fn stop(self) -> String {
        let lines = self.portal.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.driver.stop();
        // Browsers that a broken session left behind are known by their profile in this run's folder.
        let mark = format!("--user-data-dir={}", self.folder.path().display());
        for id in processes_with(&mark) {
            signal("KILL", &id);
        }
    }
}

/// Makes the bags, and tells the agency of people whom no hospital knows.
fn generate(bags: &Path) -> (Vec<Person>, Vec<Person>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    command.args(["generate", "--hospitals", "3", "--patients", PATIENTS, "--seed", "42"]).arg(bags);
    let made = command.output().expect("the program runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = bags.join("people.json");
    let people = read_people(&file).expect("a list of people");
    let strangers: Vec<Person> = people.iter().take(STRANGERS).enumerate().map(stranger).collect();
    let all: Vec<&Person> = people.iter().chain(&strangers).collect();
    std::fs::write(&file, serde_json::to_vec(&all).expect("people are JSON")).expect("the list can be written");
    (people, strangers)
}

/// The code of a hospital and the numbers that stand on its charts and documents, from its own file of patients.
fn numbers(patients: &Path) -> (String, Vec<String>) {
    let lines = std::fs::read_to_string(patients).expect("a bag has its patients");
    let patients: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a resource is JSON")).collect();
    let id = patients[0]["id"].as_str().expect("a patient has an id");
    let code = id.split_once('-').expect("ids begin with the hospital's code").0.to_owned();
    let of_chart = |identifier: &&serde_json::Value| identifier["type"]["coding"][0]["code"] == "MR";
    let number = |patient: &serde_json::Value| {
        let chart = patient["identifier"].as_array().expect("a patient has identifiers").iter().find(of_chart);
        chart.expect("one stands on the chart")["value"].as_str().expect("a number").to_owned()
    };
    let numbers: BTreeSet<String> = patients.iter().map(number).collect();
    (code, numbers.into_iter().collect())
}

/// Begins the deposit of a fourth hospital, which cannot end because the agency is away: it is migrating from then on.
fn leave_halfway(folder: &Path, data: &Path) {
    let bags = folder.join("more-bags");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    command.args(["generate", "--hospitals", "4", "--patients", "1", "--seed", "7"]).arg(&bags);
    assert!(command.output().expect("the program runs").status.success(), "hanmaru generate failed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hanmaru"));
    command.arg("deposit").arg("--config").arg(data.join("hanmaru.toml")).arg("--quiet").arg(bags.join("hospital-04"));
    let ended = command.env("HANMARU__AGENCY__ISSUER", "http://localhost:1").output().expect("the program runs");
    assert!(!ended.status.success(), "a deposit without an agency ended well");
}

/// Somebody else of the same name, which must not be enough to see the other's records.
fn stranger((place, like): (usize, &Person)) -> Person {
    let mut stranger = like.clone();
    stranger.rrn = format!("{}99{place:03}0", &like.rrn[..7]);
    stranger.ci = format!("STRANGER{place}{}", &like.ci[9..]);
    stranger
}

/// The first of three ports in a row that are free: portal, agency, operator.
fn three_free_ports() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = first.local_addr().expect("it is bound").port();
        let next = |step: u16| port.checked_add(step).and_then(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        if next(1).is_some() && next(2).is_some() {
            return port;
        }
    }
    panic!("no three free ports in a row");
}

/// A program and what it said so far.
struct Program {
    name: &'static str,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts a program and waits for a line with `mark`; gives what follows the mark.
    fn start(name: &'static str, mut command: Command, mark: &'static str) -> (Self, String) {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, ready) = mpsc::channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let (lines, sender) = (Arc::clone(&lines), sender.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Some((_, rest)) = line.split_once(mark) {
                        let _ = sender.send(rest.to_owned());
                    }
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        drop(sender);
        let mut program = Self { name, child, lines };
        match ready.recv_timeout(START_WAIT) {
            Ok(rest) => (program, rest),
            Err(why) => {
                program.stop();
                let lines = program.lines.lock().unwrap_or_else(PoisonError::into_inner);
                panic!("{name} is not ready: {why}; it said:\n{}", lines.join("\n"));
            }
        }
    }

    /// Asks the program to end, and ends it where it does not. Does nothing where it has ended.
    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        signal("TERM", &self.child.id().to_string());
        let began = Instant::now();
        while began.elapsed() < STOP_WAIT {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("{} did not end within {} s", self.name, STOP_WAIT.as_secs());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signal(signal: &str, id: &str) {
    let _ = Command::new("kill").arg(format!("-{signal}")).arg(id).stderr(Stdio::null()).status();
}

/// Ids of processes whose command line has an argument that begins with `mark`.
fn processes_with(mark: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    folders.filter(|folder| has_argument(folder, mark)).filter_map(|folder| last_name(&folder)).collect()
}

fn has_argument(process: &Path, mark: &str) -> bool {
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|argument| argument.starts_with(mark.as_bytes()))
}

fn last_name(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned)
}
