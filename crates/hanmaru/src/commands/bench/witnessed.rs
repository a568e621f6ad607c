//! `hanmaru bench witnessed`: appends that are durable, sealed at two of three sites, and cosigned by two of three witnesses, each a
//! process of its own, while a checkpoint comes every 100 ms.
//!
//! Calls come when they are due, whether or not those before them have ended: callers who wait for each other's checkpoint would ask
//! all at once and then rest together, and whoever is late would not be seen. So a call takes as long as from when it was due.

use super::bars::{Bars, Goal};
use super::ledger::write_range;
use super::place::{Installation, Place, deposit_permit};
use super::reads::{Plain, ms};
use super::{Failure, How};
use crate::hall::Hall;
use policy::InstitutionCode;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::Log;

/// Witnesses, and how many of them must cosign.
const WITNESSES: usize = 3;
const QUORUM: usize = 2;
/// How often a checkpoint is to come, in milliseconds, and how often a round begins: a thread wakes a little late each time.
const INTERVAL_MS: u64 = 100;
const ROUND_MS: u64 = 92;
/// Resources of one call, calls, and resources that come each second.
const BATCH: u64 = 100;
const CALLS: u64 = 1_200;
const OFFERED: u64 = 5_500;
/// Calls that may be under way at once: more than come within the longest wait that is in order.
const CALLERS: usize = 32;
/// How often a plain write is synced beside it: what the disk has others wait for.
const PLAIN_EVERY: Duration = Duration::from_millis(20);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A witness. Its process ends with it.
struct Witness(Child);

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Measures it.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let installation = place.installation("witnessed")?;
    let keys = installation.open()?.store().verifier_keys();
    let mut policy: String = keys.iter().map(|key| format!("log {key}\n")).collect();
    let (mut names, mut witnesses) = (Vec::new(), Vec::new());
    for number in 0..WITNESSES {
        let name = format!("w{number}");
        let (witness, line) = start(&place.root().join(&name), &name, &keys)?;
        policy.push_str(&line);
        names.push(name);
        witnesses.push(witness);
    }
    policy.push_str(&format!("group two {QUORUM} {}\nquorum two\n", names.join(" ")));
    let path = installation.root.join("witnesses.policy");
    std::fs::write(&path, policy)?;
    let mut config = std::fs::read_to_string(installation.config_path())?;
    config.push_str(&format!("\n[witnesses]\npolicy = {path:?}\n"));
    std::fs::write(installation.config_path(), config)?;
    measure(&installation, how.times(CALLS), bars)
}

fn start(folder: &Path, name: &str, keys: &[String]) -> Result<(Witness, String), Failure> {
    std::fs::create_dir_all(folder)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let logs: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    let config = format!(
        "name = \"witness.bench/{name}\"\nlisten = \"127.0.0.1:{port}\"\nkey = \"witness.key\"\nstate = \"state\"\nlogs = [{}]\n",
        logs.join(", ")
    );
    let path = folder.join("witness.toml");
    std::fs::write(&path, config)?;
    let program = std::env::current_exe()?;
    let command = |what: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("witness").args(what).arg("--config").arg(&path).stdin(Stdio::null()).stderr(Stdio::null());
        command
    };
    let made = command(&["init"]).output()?;
    let key = command(&["key"]).output()?;
    if !made.status.success() || !key.status.success() {
        return Err("a witness cannot be made".into());
    }
    let key = String::from_utf8(key.stdout)?;
    let witness = Witness(command(&[]).stdout(Stdio::null()).spawn()?);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > PATIENCE {
            return Err("a witness does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((witness, format!("witness {name} {} http://127.0.0.1:{port}\n", key.trim())))
}

fn measure(installation: &Installation, calls: u64, bars: &mut Bars) -> Result<(), Failure> {
    let hall = Hall::open_every(&installation.config()?, ROUND_MS)?;
    let institution = InstitutionCode::new("99900000").expect("eight digits are a code");
    let permit = deposit_permit(&hall, &institution)?;
    // Keys of owners are made at the first write.
    let first = write_range(&hall, &permit, &institution, 0..BATCH)?;
    hall.store().wait_witnessed(first, PATIENCE)?;
    let waited = Mutex::new(Vec::new());
    let (begun, next, is_over) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
    let caller = || -> Result<(), String> {
        loop {
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call >= calls {
                return Ok(());
            }
            let due = begun + Duration::from_micros(call * BATCH * 1_000_000 / OFFERED);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let from = BATCH * (1 + call);
            let ticket = write_range(&hall, &permit, &institution, from..from + BATCH);
            let ticket = ticket.map_err(|error| error.to_string())?;
            hall.store().wait_witnessed(ticket, PATIENCE).map_err(|error| error.to_string())?;
            waited.lock().expect("nobody panicked").push(due.elapsed());
        }
    };
    let (gaps, mut plain) = std::thread::scope(|scope| -> Result<_, Failure> {
        let plain = scope.spawn(|| plain_beside(&installation.root, &is_over).map_err(|failure| failure.to_string()));
        let watcher = scope.spawn(|| gaps_between_checkpoints(&hall, &is_over).map_err(|failure| failure.to_string()));
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        let outcomes: Vec<_> =
            callers.into_iter().map(|caller| caller.join().expect("writing does not panic")).collect();
        is_over.store(true, Ordering::Relaxed);
        let gaps = watcher.join().expect("watching does not panic")?;
        let plain = plain.join().expect("writing does not panic")?;
        outcomes.into_iter().collect::<Result<Vec<()>, String>>()?;
        Ok((gaps, plain))
    })?;
    let took = begun.elapsed();
    let mut waited = waited.into_inner().expect("nobody panicked");
    waited.sort_unstable();
    plain.sort_unstable();
    let slow = waited[waited.len() * 99 / 100];
    let appends = BATCH * calls;
    let size = hall.store().checkpoint(Log::Records)?.map_or(0, |head| head.checkpoint.size);
    let longest_gap = gaps.iter().max().copied().unwrap_or(took);
    let peer = format!(
        "{appends} appends in calls of {BATCH}, {OFFERED} a second offered, each waiting until two of three sites and two of three \
         witnesses, processes of their own, have it; a checkpoint each {INTERVAL_MS} ms was asked for, {} were seen with their quorum, \
         {:.0} ms apart at most; {size} leaves with those of rows; half of the calls took {:.0} ms from when they were due, the slowest \
         {:.0} ms; a plain write and fsync beside them took {:.1} ms at p50, {:.0} ms at p99 and {:.0} ms at most",
        gaps.len() - 1,
        ms(longest_gap),
        ms(waited[waited.len() / 2]),
        ms(waited[waited.len() - 1]),
        ms(plain[plain.len() / 2]),
        ms(plain[plain.len() * 99 / 100]),
        ms(plain[plain.len() - 1]),
    );
    let rate = appends as f64 / took.as_secs_f64();
    bars.bar(&peer, "witnessed_appends", rate, "appends/s", Goal::AtLeast(5_000.0));
    bars.bar(&peer, "witnessed_append_p99", ms(slow), "ms", Goal::AtMost(250.0));
    let apart_ms = ms(took) / (gaps.len() - 1).max(1) as f64;
    bars.bar(&peer, "witnessed_checkpoints_apart", apart_ms, "ms", Goal::AtMost(INTERVAL_MS as f64));
    Ok(())
}

/// How long a plain write and its fsync take on the same disk meanwhile, until it is over.
fn plain_beside(folder: &Path, is_over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut plain = Plain::begin(folder)?;
    loop {
        plain.once()?;
        if is_over.load(Ordering::Relaxed) {
            return Ok(plain.took);
        }
        std::thread::sleep(PLAIN_EVERY);
    }
}

/// How long after the one before each checkpoint was there with its quorum, until it is over.
fn gaps_between_checkpoints(hall: &Hall, is_over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let size = || -> Result<u64, Failure> {
        Ok(hall.store().witnessed_checkpoint(Log::Records)?.map_or(0, |head| head.checkpoint.size))
    };
    let (mut gaps, mut last, mut last_size) = (Vec::new(), Instant::now(), size()?);
    while !is_over.load(Ordering::Relaxed) {
        let now_size = size()?;
        if now_size != last_size {
            gaps.push(last.elapsed());
            (last, last_size) = (Instant::now(), now_size);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    gaps.push(last.elapsed());
    Ok(gaps)
}
