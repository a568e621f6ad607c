//! How soon an access is seen: by the data subject where another process did it, and by whoever watches over access, whom a webhook
//! tells while another hangs.

use super::bars::{Bars, Goal};
use super::place::{Installation, Place, deposit_permit};
use super::{How, ledger, reads};
use crate::Failure;
use crate::alerts::Alerts;
use crate::hall::Hall;
use crate::watching::Watching;
use base::Id16;
use policy::{Action, Actor, Assurance, InstitutionCode, Permit, Purpose, Request, Role, Target};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::AccessPage;
use watch::{Flag, Watch};

/// Accesses of each measurement.
const TIMES: usize = 20;
/// How long one may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two readings of the others.
const BREATH: Duration = Duration::from_millis(1);
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

/// From an access to a decoy, refused and granted in turn, to the arrival of its alert at a webhook, while another that comes before it
/// hangs and others read on.
fn alerted(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let hall = installation.open()?;
    let institution = InstitutionCode::new("99900000").ok_or("eight digits are a code")?;
    let deposit = deposit_permit(&hall, &institution)?;
    let ticket = ledger::write_range(&hall, &deposit, &institution, 0..reads::RESOURCES)?;
    hall.store().wait_sealed(ticket, PATIENCE)?;
    let readers = (0..16).map(|patient| reads::reader(&hall, &institution, patient)).collect::<Result<Vec<_>, _>>()?;
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
    let touch = |number: usize| -> Result<Duration, Failure> {
        let decoy = a_person(&hall, &format!("decoy {number}"))?;
        watch.mark(decoy, Flag::Decoy)?;
        let begun = Instant::now();
        if number.is_multiple_of(2) {
            attempt(&hall, &format!("thief {number}"), decoy)?;
        } else {
            hall.store().access_log(&own_log(&hall, decoy)?, &AccessPage::default())?;
        }
        take_alert(&receiver, begun)?;
        Ok(begun.elapsed())
    };
    let is_over = AtomicBool::new(false);
    let (touched, others, took) = std::thread::scope(|scope| -> Result<_, Failure> {
        let others =
            scope.spawn(|| read_on(&hall, &institution, &readers, &is_over).map_err(|failure| failure.to_string()));
        let begun = Instant::now();
        let touched: Result<Vec<Duration>, Failure> = (0..TIMES).map(touch).collect();
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let others = others.join().expect("reading does not panic")?;
        Ok((touched?, others, took))
    })?;
    let slowest_s = touched.iter().max().map_or(f64::NAN, Duration::as_secs_f64);
    let peer = format!(
        "the slowest of {TIMES} accesses to decoys, half of them granted, to the arrival at a webhook beside one that hangs, and \
         beside {:.0} logged reads a second by others",
        others as f64 / took.as_secs_f64()
    );
    bars.bar(&peer, "access_to_alert", slowest_s, "s", Goal::AtMost(5.0));
    Ok(())
}

/// Reads what others have, one resource after another with a breath between, until it is over. Gives how many.
fn read_on(
    hall: &Hall,
    institution: &InstitutionCode,
    readers: &[Permit],
    is_over: &AtomicBool,
) -> Result<u64, Failure> {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        reads::read_one(hall, institution, readers, count)?;
        count += 1;
        std::thread::sleep(BREATH);
    }
    Ok(count)
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
