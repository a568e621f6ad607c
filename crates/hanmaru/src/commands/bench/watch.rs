//! How soon an access is seen: by the data subject where another process did it, and by whoever watches over access, whom a webhook
//! tells while another hangs.

use super::How;
use super::bars::{Bars, Goal};
use super::place::{Installation, Place};
use crate::Failure;
use crate::alerts::Alerts;
use crate::hall::Hall;
use crate::watching::Watching;
use base::Id16;
use policy::{Action, Actor, Assurance, Permit, Purpose, Request, Role, Target};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use store::AccessPage;
use watch::{Flag, Watch};

/// Accesses of each measurement.
const TIMES: usize = 20;
/// How long one may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest head of a request that the receiver of alerts takes.
const HEAD_BYTES_MAX: u64 = 16 << 10;

/// Measures both.
pub fn run(place: &Place, _how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let installation = place.installation("watch")?;
    seen_by_subject(&installation, bars)?;
    alerted(&installation, bars)
}

/// From an access, here a refused attempt, in one process to its line in the data subject's list in another.
fn seen_by_subject(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let (here, there) = (installation.open()?, installation.open()?);
    let mut slowest_s = 0.0_f64;
    for number in 0..TIMES {
        let subject = a_person(&here, &format!("subject {number}"))?;
        let own = own_log(&here, subject)?;
        attempt(&there, &format!("stranger {number}"), subject)?;
        let begun = Instant::now();
        while here.store().access_log(&own, &AccessPage::default())?.entries.iter().all(|one| is_own(one, subject)) {
            give_up(begun)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        slowest_s = slowest_s.max(begun.elapsed().as_secs_f64());
    }
    let peer = format!("the slowest of {TIMES} refused attempts in another process, journals moved each 500 ms");
    bars.bar(&peer, "access_seen_by_subject", slowest_s, "s", Goal::AtMost(2.0));
    Ok(())
}

fn is_own(logged: &store::LoggedAccess, subject: Id16) -> bool {
    logged.entry.actor.account == subject
}

/// From an attempt at a decoy to the arrival of its alert at a webhook, while another that comes before it hangs.
fn alerted(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let hall = installation.open()?;
    let watch = Watch::new(hall.store().clone(), hall.archive.shared_door())?;
    // Whoever connects to the first waits for an answer that never comes.
    let (silent, receiver) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let secret = installation.config_path().with_file_name("webhook-secret");
    std::fs::write(&secret, "a secret of the bench")?;
    let mut section = String::new();
    for listener in [&silent, &receiver] {
        let address = listener.local_addr()?;
        section.push_str(&format!("[[webhook]]\nurl = \"http://{address}/\"\nsecret_file = {secret:?}\n"));
    }
    let alerts: Alerts = toml::from_str(&section)?;
    let _watching = Watching::start(&watch, &alerts)?;
    let mut slowest_s = 0.0_f64;
    for number in 0..TIMES {
        let decoy = a_person(&hall, &format!("decoy {number}"))?;
        watch.mark(decoy, Flag::Decoy)?;
        let begun = Instant::now();
        attempt(&hall, &format!("thief {number}"), decoy)?;
        take_alert(&receiver, begun)?;
        slowest_s = slowest_s.max(begun.elapsed().as_secs_f64());
    }
    let peer = format!("the slowest of {TIMES} attempts at decoys, to the arrival at a webhook beside one that hangs");
    bars.bar(&peer, "access_to_alert", slowest_s, "s", Goal::AtMost(5.0));
    Ok(())
}

/// Takes one alert, and answers that it came.
fn take_alert(receiver: &TcpListener, begun: Instant) -> Result<(), Failure> {
    receiver.set_nonblocking(true)?;
    let stream = loop {
        match receiver.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => give_up(begun)?,
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = BufReader::new((&stream).take(HEAD_BYTES_MAX));
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    (&stream).write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    Ok(())
}

fn give_up(begun: Instant) -> Result<(), Failure> {
    if begun.elapsed() < PATIENCE { Ok(()) } else { Err("what was done was not seen within half a minute".into()) }
}

fn a_person(hall: &Hall, name: &str) -> Result<Id16, Failure> {
    Ok(hall.store().person_for_ci(&hall.store().ci_hash(&name.to_owned().into()))?)
}

fn actor(account: Id16, name: &str) -> Actor {
    Actor {
        account,
        role: Role::Patient,
        assurance: Assurance::Two,
        name: name.to_owned().into(),
        source: "local".to_owned().into(),
    }
}

fn own_log(hall: &Hall, subject: Id16) -> Result<Permit, Failure> {
    let actor = actor(subject, "subject");
    let target = Target::Person(subject);
    let request = Request { actor, action: Action::ReadAccessLog, target, purpose: Purpose::OwnRecords };
    Ok(hall.archive.ask(request)?)
}

/// Somebody asks for another's records, and is denied.
fn attempt(hall: &Hall, name: &str, target: Id16) -> Result<(), Failure> {
    let actor = actor(a_person(hall, name)?, name);
    let target = Target::Person(target);
    let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
    match hall.archive.ask(request) {
        Err(archive::ArchiveError::Denied(_)) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("somebody may read another's records".into()),
    }
}
