//! `hanmaru demo`: synthetic hospitals, a stand-in agency and the portal on this machine, in one go.
//!
//! Everything lies in one folder that is marked as a demonstration's; `hanmaru serve` refuses it.

use crate::Failure;
use crate::commands::deposit::deposit;
use crate::commands::generate::generate;
use crate::commands::serve::serve;
use crate::config::Config;
use crate::hall::{Hall, HallError, log_lines};
use base::{Random, SystemRandom};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use store::StoreError;

/// Arguments of `hanmaru demo`.
#[derive(clap::Args)]
pub struct Demo {
    /// The demonstration's folder; made when missing, used again when there.
    #[arg(long, value_name = "DIR", default_value = "demo-data")]
    data: PathBuf,
    /// Patients of each hospital.
    #[arg(long, default_value_t = 100)]
    patients: usize,
    /// Hospitals.
    #[arg(long, default_value_t = 3)]
    hospitals: usize,
    /// Seed of what is generated.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Port of the portal; the agency has the next one and the operator's address the one after.
    #[arg(long, default_value_t = 8600)]
    port: u16,
    /// Further settings, as in a configuration file, such as witnesses and alerts.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Prepares everything and ends instead of serving.
    #[arg(long)]
    prepare_only: bool,
}

impl Demo {
    /// Prepares and serves until it is told to stop.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let folder = Folder::at(&self.data, self.port, self.settings.as_deref())?;
        let config = Config::read(&folder.config())?;
        log_lines(&config.log.level, config.log.json)?;
        let bags = folder.root.join("bags");
        if !bags.join("truth.json").exists() {
            // A run that was cut short leaves no truth.json behind, and its folder is made anew.
            if bags.exists() {
                std::fs::remove_dir_all(&bags)?;
            }
            generate(&synth::Options::new(self.hospitals, self.patients, self.seed, bags.clone()))?;
        }
        Hall::make(&config)?;
        std::fs::write(config.data.join("demo"), "made by hanmaru demo\n")?;
        let mut agency = folder.start_agency(&bags.join("people.json"), &config.log.level)?;
        let result = self.go(&folder, &config, &bags);
        // By its id, and only the one that was started here.
        let _ = agency.kill();
        let _ = agency.wait();
        result
    }

    fn go(&self, folder: &Folder, config: &Config, bags: &Path) -> Result<ExitCode, Failure> {
        let hall = match Hall::create(config) {
            // Nobody's records: they are made again.
            Err(HallError::Store(StoreError::OlderIds)) => {
                let folder = folder.root.display();
                let what = "was made by an older program: remove it, or name another folder with --data";
                return Err(format!("the demonstration in {folder} {what}").into());
            }
            hall => hall?,
        };
        let directory = synth::directory(self.seed);
        let report = hall.archive.import_institutions(&mut directory.as_bytes())?;
        if let Some((line, why)) = report.faults.first() {
            return Err(format!("the directory of institutions: line {line}: {why}").into());
        }
        for bag in bag_folders(bags)? {
            let receipt = deposit(&hall, config, &bag, false)?;
            let taken = &receipt.receipt.taken;
            println!(
                "{}: {} patients, {} resources, {} documents taken, {} held back",
                receipt.receipt.institution_name,
                taken.patients,
                taken.resources,
                taken.documents,
                receipt.receipt.held_back.by_fault.values().sum::<u64>()
            );
        }
        if self.prepare_only {
            return Ok(ExitCode::SUCCESS);
        }
        serve(&hall, config, || folder.welcome(bags))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Bags in the order of their names.
fn bag_folders(bags: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(bags)? {
        let path = entry?.path();
        if path.join("bagit.txt").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The demonstration's folder.
struct Folder {
    root: PathBuf,
    port: u16,
}

impl Folder {
    /// Makes what is missing: configuration and client secret.
    fn at(root: &Path, port: u16, settings: Option<&Path>) -> Result<Self, Failure> {
        std::fs::create_dir_all(root)?;
        let folder = Self { root: root.canonicalize()?, port };
        let secret = folder.secret();
        if !secret.exists() {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?;
            file.write_all(base::hex(&SystemRandom.bytes32()).as_bytes())?;
        }
        let more = settings.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
        std::fs::write(folder.config(), folder.config_text() + "\n" + &more)?;
        Ok(folder)
    }

    fn config(&self) -> PathBuf {
        self.root.join("hanmaru.toml")
    }

    fn secret(&self) -> PathBuf {
        self.root.join("client-secret")
    }

    fn portal_url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    fn agency_url(&self) -> String {
        format!("http://localhost:{}", self.port + 1)
    }

    fn config_text(&self) -> String {
        let mut text = format!(
            "# Made by `hanmaru demo`. Synthetic people, a stand-in agency, plain HTTP on this machine: not for real use.\n\
             demo = true\npublic_url = \"{}\"\ndata = \"data\"\nlisten = \"127.0.0.1:{}\"\n\
             ledger_origin = \"localhost/hanmaru-demo\"\n\n[keys]\nroot = \"root.key\"\n\n\
             [agency]\nissuer = \"{}\"\nclient_id = \"hanmaru\"\nclient_secret_file = \"client-secret\"\n\n\
             [operator]\nlisten = \"127.0.0.1:{}\"\n\n[log]\nlevel = \"warn\"\n",
            self.portal_url(),
            self.port,
            self.agency_url(),
            self.port + 2
        );
        for kind in ["site", "key_store"] {
            for name in ["a", "b", "c"] {
                text.push_str(&format!("\n[[{kind}]]\nname = \"{name}\"\nfolder = \"{kind}s/{name}\"\n"));
            }
        }
        text
    }

    /// Starts the agency as a process of its own and waits until it answers.
    fn start_agency(&self, people: &Path, level: &str) -> Result<Child, Failure> {
        // That it has started is one of its lines, so it says no less than that.
        let level = if ["debug", "trace"].contains(&level) { level } else { "info" };
        let mut child = Command::new(std::env::current_exe()?)
            .arg("agency")
            .arg("--people")
            .arg(people)
            .args(["--listen", &format!("127.0.0.1:{}", self.port + 1)])
            .args(["--issuer", &self.agency_url()])
            .arg("--client-secret-file")
            .arg(self.secret())
            .args(["--redirect", &format!("{}/sign-in/return", self.portal_url())])
            .args(["--log", level])
            .arg("--while-stdin")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut said = String::new();
        while let Some(line) = lines.next() {
            if line.contains("agency started") {
                if level != "info" {
                    eprintln!("{line}");
                }
                // What it says later is said here.
                std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
                return Ok(child);
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = child.kill();
        let _ = child.wait();
        let port = self.port + 1;
        Err(format!("the stand-in agency did not start on port {port}, the one after --port: {}", said.trim_end())
            .into())
    }

    /// Where to go and who can sign in.
    fn welcome(&self, bags: &Path) {
        println!("\nHanmaru is at {}  (Ctrl-C stops it)", self.portal_url());
        println!("Everything in it is synthetic. These people can sign in, among others:\n");
        match synth::people::read_people(&bags.join("people.json")) {
            Ok(people) => {
                for person in people.iter().take(5) {
                    println!("  {}  {}-{}", person.name, &person.rrn[..6], &person.rrn[6..]);
                }
                println!("\nAll {} people: {}", people.len(), bags.join("people.json").display());
            }
            Err(error) => println!("  {error}"),
        }
        println!(
            "The text message's code is shown on the stand-in agency's page; the second factor is any authenticator app."
        );
        println!("Public keys for `hanmaru verify`: run `hanmaru keys --config {}`\n", self.config().display());
    }
}
