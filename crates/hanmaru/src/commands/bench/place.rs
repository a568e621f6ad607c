//! Where a bench works: a folder with sites, key stores and configuration, the programs it starts there, and plain writes of
//! the same bytes to compare with. Everything is removed at the end.

use crate::Failure;
use crate::config::Config;
use crate::hall::Hall;
use base::{Id16, Random, SystemRandom};
use policy::{Action, InstitutionCode, Permit, Purpose, Request, Role, Target};
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::Right;

/// Site folders, below an installation.
pub const SITES: [&str; 3] = ["sites/a", "sites/b", "sites/c"];
/// How long a started agency may take until it answers.
const AGENCY_WAIT: Duration = Duration::from_secs(20);
/// Milliseconds of a tick of processor time: 100 ticks a second on every Linux that this runs on.
const TICK_MS: u64 = 10;

/// The folder of one run. Removed when dropped.
pub struct Place {
    root: PathBuf,
}

impl Place {
    /// Makes a folder below `dir`.
    pub fn make(dir: &Path, bench: &str) -> Result<Self, Failure> {
        let id = Id16::random(&SystemRandom).to_string();
        let root = dir.join(format!("{bench}-{}", &id[..8]));
        std::fs::create_dir_all(&root).map_err(|error| format!("cannot make {}: {error}", root.display()))?;
        Ok(Self { root: root.canonicalize()? })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new installation in a folder of its own, with addresses of its own, on a disk that has written what came before: otherwise
    /// what it takes would be measured as well.
    pub fn installation(&self, name: &str) -> Result<Installation, Failure> {
        rustix::fs::syncfs(File::open(&self.root)?).map_err(std::io::Error::from)?;
        Installation::make(self.root.join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            eprintln!("cannot remove {}: {error}", self.root.display());
        }
    }
}

/// An installation of the program: configuration, three sites, three key stores, root key.
pub struct Installation {
    /// Its folder.
    pub root: PathBuf,
    /// Addresses of portal, agency and operator.
    ports: [u16; 3],
}

impl Installation {
    fn make(root: PathBuf) -> Result<Self, Failure> {
        std::fs::create_dir_all(&root)?;
        let installation = Self { root, ports: free_ports()? };
        let mut secret =
            File::options().write(true).create_new(true).mode(0o600).open(installation.root.join("client-secret"))?;
        secret.write_all(base::hex(&SystemRandom.bytes32()).as_bytes())?;
        std::fs::write(installation.config_path(), installation.config_text())?;
        installation.create()?;
        Ok(installation)
    }

    /// Empties it: data, sites, keys. Addresses and configuration stay.
    pub fn reset(&self) -> Result<(), Failure> {
        for folder in ["data", "sites", "key_stores"] {
            std::fs::remove_dir_all(self.root.join(folder))?;
        }
        std::fs::remove_file(self.root.join("root.key"))?;
        self.create()
    }

    /// What `hanmaru init` does.
    fn create(&self) -> Result<(), Failure> {
        let config = self.config()?;
        Hall::make(&config)?;
        Hall::create(&config)?;
        Ok(())
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.root.join("hanmaru.toml")
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::read(&self.config_path())?)
    }

    /// Opens it in this process.
    pub fn open(&self) -> Result<Hall, Failure> {
        Ok(Hall::open(&self.config()?)?)
    }

    /// Versions, documents and receipts that are accepted: sealed, or waiting to be. Looks, and seals or repairs nothing.
    pub fn accepted(&self) -> Result<u64, Failure> {
        super::audit::things(&Hall::look(&self.config()?)?)
    }

    /// The folder of one of its sites.
    pub fn site(&self, place: usize) -> PathBuf {
        self.root.join(SITES[place])
    }

    /// Where its portal is reached.
    pub fn portal_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Where its agency is reached.
    pub fn agency_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// Starts the stand-in agency for these people as a process of its own.
    pub fn start_agency(&self, people: &Path) -> Result<Running, Failure> {
        let log = File::create(self.root.join("agency.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("agency")
            .arg("--people")
            .arg(people)
            .args(["--listen", &format!("127.0.0.1:{}", self.ports[1])])
            .args(["--issuer", &self.agency_url()])
            .arg("--client-secret-file")
            .arg(self.root.join("client-secret"))
            .args(["--redirect", &format!("{}/sign-in/return", self.portal_url())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut agency = Running { child };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.ports[1])).is_err() {
            if begun.elapsed() > AGENCY_WAIT || agency.child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(self.root.join("agency.log")).unwrap_or_default();
                return Err(format!("the stand-in agency did not start: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(agency)
    }

    /// Starts `hanmaru deposit` as a process of its own. What it prints goes to `deposit.log`.
    pub fn start_deposit(&self, bag: &Path) -> Result<Running, Failure> {
        self.start_deposit_with(bag, &[])
    }

    /// As [`Installation::start_deposit`], of another system's bundles by way of `bag`.
    pub fn start_deposit_of_bundles(&self, bundles: &Path, bag: &Path) -> Result<Running, Failure> {
        self.start_deposit_with(bag, &[Path::new("--from-bundles"), bundles])
    }

    fn start_deposit_with(&self, bag: &Path, arguments: &[&Path]) -> Result<Running, Failure> {
        let log = File::options().create(true).append(true).open(self.root.join("deposit.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("deposit")
            .arg("--quiet")
            .arg("--config")
            .arg(self.config_path())
            .args(arguments)
            .arg(bag)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Running { child })
    }

    /// What depositing programs printed so far.
    pub fn deposit_log(&self) -> String {
        std::fs::read_to_string(self.root.join("deposit.log")).unwrap_or_default()
    }

    fn config_text(&self) -> String {
        let mut text = format!(
            "# Made by `hanmaru bench`.\ndemo = true\npublic_url = \"{}\"\ndata = \"data\"\nlisten = \"127.0.0.1:{}\"\n\
             ledger_origin = \"localhost/hanmaru-bench\"\n\n[keys]\nroot = \"root.key\"\n\n[log]\nlevel = \"warn\"\n\n\
             [agency]\nissuer = \"{}\"\nclient_id = \"hanmaru\"\nclient_secret_file = \"client-secret\"\n\n\
             [operator]\nlisten = \"127.0.0.1:{}\"\n",
            self.portal_url(),
            self.ports[0],
            self.agency_url(),
            self.ports[2]
        );
        for kind in ["site", "key_store"] {
            for name in ["a", "b", "c"] {
                text.push_str(&format!("\n[[{kind}]]\nname = \"{name}\"\nfolder = \"{kind}s/{name}\"\n"));
            }
        }
        text
    }
}

/// A program that was started here; ended when dropped.
pub struct Running {
    child: Child,
}

/// How a program ended.
pub struct Ended {
    /// Its exit code; `None` where it was killed.
    pub code: Option<i32>,
    /// How long it ran from when this was called.
    pub took: Duration,
    /// The most memory it held, in bytes (`VmHWM`).
    pub peak_bytes: u64,
    /// Processor time it used.
    pub work: Duration,
}

impl Running {
    /// Waits for the end, and looks at its memory meanwhile.
    pub fn wait(mut self) -> Result<Ended, Failure> {
        let begun = Instant::now();
        let (mut peak_bytes, mut work) = (0, Duration::ZERO);
        loop {
            peak_bytes = peak_bytes.max(self.memory_bytes());
            work = work.max(self.processor_time());
            if let Some(status) = self.child.try_wait()? {
                return Ok(Ended { code: status.code(), took: begun.elapsed(), peak_bytes, work });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it (`SIGKILL`) once it has used so much processor time, and a little later; `false` where it had ended by
    /// itself. Processor time and not the clock's, so that a busy machine does not make every kill an early one.
    pub fn kill_after(mut self, work: Duration, later: Duration) -> Result<bool, Failure> {
        while self.processor_time() < work {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(later);
        self.child.kill()?;
        // No code: it was the signal that ended it, and not its own work a moment before.
        Ok(self.child.wait()?.code().is_none())
    }

    /// Processor time that all its threads have used so far, in steps of 10 ms (proc(5), fields `utime` and `stime`).
    fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * TICK_MS)
    }

    /// The most memory that it has held so far.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // By its id, and only what was started here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A permit to deposit for an institution, from the door.
pub fn deposit_permit(hall: &Hall, institution: &InstitutionCode) -> Result<Permit, Failure> {
    let actor = hall.local_actor(Role::Depositor, institution.as_str());
    hall.store().grant(actor.account, &Right::Depositor(institution.clone()))?;
    let deposit = Id16::derived(&["bench", institution.as_str()]);
    let request = Request {
        actor,
        action: Action::Deposit,
        target: Target::Institution(institution.clone()),
        purpose: Purpose::Custody { deposit },
    };
    Ok(hall.archive.ask(request)?)
}

/// Writes `bytes` bytes to a file in each of three folders at once, synced after every part: what the disk alone takes.
pub fn plain_write(root: &Path, bytes: u64, part: u64) -> Result<Duration, Failure> {
    let folder = root.join("plain");
    let buffer: Vec<u8> = (0..part.min(bytes).max(1)).map(|place| (place * 31 % 251) as u8).collect();
    let begun = Instant::now();
    let results: Vec<std::io::Result<()>> = std::thread::scope(|scope| {
        let writers: Vec<_> = SITES
            .iter()
            .map(|site| {
                let (folder, buffer) = (folder.join(site), &buffer);
                scope.spawn(move || write_parts(&folder, bytes, buffer))
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("writing does not panic")).collect()
    });
    let took = begun.elapsed();
    std::fs::remove_dir_all(&folder)?;
    results.into_iter().collect::<std::io::Result<()>>()?;
    Ok(took)
}

fn write_parts(folder: &Path, bytes: u64, buffer: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut left = bytes;
    let mut number = 0;
    while left > 0 {
        let length = left.min(buffer.len() as u64);
        let mut file = File::create(folder.join(number.to_string()))?;
        file.write_all(&buffer[..length as usize])?;
        file.sync_all()?;
        left -= length;
        number += 1;
    }
    File::open(folder)?.sync_all()
}

/// Bytes and number of the files below a folder.
pub fn size_of(folder: &Path) -> std::io::Result<(u64, u64)> {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let below = size_of(&entry.path())?;
            (bytes, files) = (bytes + below.0, files + below.1);
        } else {
            (bytes, files) = (bytes + metadata.len(), files + 1);
        }
    }
    Ok((bytes, files))
}

/// Three ports of the loopback address that nobody uses at the moment.
fn free_ports() -> std::io::Result<[u16; 3]> {
    let held = [free_port()?, free_port()?, free_port()?];
    let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<std::io::Result<Vec<_>>>()?;
    Ok([ports[0], ports[1], ports[2]])
}

fn free_port() -> std::io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0))
}
