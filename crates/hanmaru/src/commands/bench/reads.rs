//! `hanmaru bench reads`: a read and the access entry that is durable before it answers, by one reader and by many at once.

use super::bars::{Bars, Goal};
use super::place::{Place, deposit_permit};
use super::{Failure, How, ledger};
use crate::hall::Hall;
use policy::{Action, Actor, Assurance, InstitutionCode, Permit, Purpose, Request, Role, Target};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Resources that are read.
pub(super) const RESOURCES: u64 = 2_000;
/// Reads of one reader alone, and fsyncs measured beside them.
const ALONE: u64 = 1_500;
/// Readers at once.
const CLIENTS: u64 = 64;
/// Reads of each of them.
const EACH: u64 = 600;
/// Bytes written before each plain fsync: about those of one entry.
const ENTRY_BYTES: usize = 512;
/// What a read may take besides its fsync, in milliseconds, and how much of the fsync.
const READ_MS: f64 = 1.0;
const FSYNC_TIMES: f64 = 1.5;

/// Measures reads.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let installation = place.installation("reads")?;
    let hall = installation.open()?;
    let institution = InstitutionCode::new("99900000").expect("eight digits are a code");
    let deposit = deposit_permit(&hall, &institution)?;
    let ticket = ledger::write_range(&hall, &deposit, &institution, 0..RESOURCES)?;
    hall.store().wait_sealed(ticket, Duration::from_secs(60))?;
    let readers = (0..16).map(|patient| reader(&hall, &institution, patient)).collect::<Result<Vec<_>, _>>()?;
    // Keys, connections and the year's key of the access log are made at the first reads.
    alone(&hall, &institution, &readers, 200, None)?;
    let mut fsyncs = Plain::begin(place.root())?;
    let mut reads = alone(&hall, &institution, &readers, ALONE, Some(&mut fsyncs))?;
    let fsync = middle(&mut fsyncs.took);
    let (p50, p99) = (middle(&mut reads), reads[reads.len() * 99 / 100]);
    let limit = ((READ_MS + FSYNC_TIMES * ms(fsync)) * 1e3).round() / 1e3;
    let peer = format!(
        "{ALONE} reads, each after a plain write and fsync of {ENTRY_BYTES} bytes on the same disk: p50 of those {:.3} ms, of \
         reads {:.3} ms, p99 {:.3} ms; the limit is {READ_MS} ms + {FSYNC_TIMES} x that fsync",
        ms(fsync),
        ms(p50),
        ms(p99)
    );
    bars.bar(&peer, "read_logged_p50", ms(p50), "ms", Goal::AtMost(limit));
    let each = how.times(EACH);
    let took = together(&hall, &institution, &readers, each)?;
    let rate = (CLIENTS * each) as f64 / took.as_secs_f64();
    let peer = format!(
        "{} reads by {CLIENTS} readers in {:.2} s, each with its durable entry; one fsync a read would give {:.0} a second",
        CLIENTS * each,
        took.as_secs_f64(),
        1.0 / fsync.as_secs_f64()
    );
    bars.bar(&peer, "reads_logged", rate, "reads/s", Goal::AtLeast(5_000.0));
    Ok(())
}

/// A person whose patient it is, with a permit to read.
pub(super) fn reader(hall: &Hall, institution: &InstitutionCode, patient: u64) -> Result<Permit, Failure> {
    let store = hall.store();
    let person = store.person_for_ci(&base::sha256(&patient.to_be_bytes()))?;
    let depositor = hall.local_actor(Role::Depositor, institution.as_str());
    let link = hall.archive.ask(Request {
        actor: depositor,
        action: Action::LinkPerson,
        target: Target::Institution(institution.clone()),
        purpose: Purpose::Custody { deposit: base::Id16::derived(&["bench", institution.as_str()]) },
    })?;
    let owner = store.ids().patient(institution, &format!("p{patient}"));
    store.link_patient(&link, person, owner.id(), institution)?;
    let actor = Actor {
        account: person,
        role: Role::Patient,
        assurance: Assurance::Two,
        name: "bench".to_owned().into(),
        source: "local".to_owned().into(),
    };
    let target = Target::Person(person);
    let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
    Ok(hall.archive.ask(request)?)
}

/// Reads one resource, each number another.
pub(super) fn read_one(
    hall: &Hall,
    institution: &InstitutionCode,
    readers: &[Permit],
    number: u64,
) -> Result<(), Failure> {
    let number = number % RESOURCES;
    let patient = number % readers.len() as u64;
    let ids = hall.store().ids();
    let owner = ids.patient(institution, &format!("p{patient}"));
    let key = ids.key(owner, institution, "Basic", &format!("leaf-{number}"));
    let found = hall.store().read(&readers[patient as usize], &[key])?;
    if found.len() == 1 { Ok(()) } else { Err(format!("leaf-{number} was not found").into()) }
}

/// How long each read of one reader takes; beside each a plain fsync, so that both meet the same disk at the same time.
fn alone(
    hall: &Hall,
    institution: &InstitutionCode,
    readers: &[Permit],
    count: u64,
    mut plain: Option<&mut Plain>,
) -> Result<Vec<Duration>, Failure> {
    let mut took = Vec::with_capacity(count as usize);
    for number in 0..count {
        if let Some(plain) = &mut plain {
            plain.once()?;
        }
        let begun = Instant::now();
        read_one(hall, institution, readers, number * 7)?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn together(hall: &Hall, institution: &InstitutionCode, readers: &[Permit], each: u64) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    (0..each)
                        .try_for_each(|number| read_one(hall, institution, readers, client * 31 + number))
                        .map_err(|error| error.to_string())
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("reading does not panic")).collect()
    });
    let took = begun.elapsed();
    results.into_iter().collect::<Result<(), String>>()?;
    Ok(took)
}

/// What an appended write and its fsync take, without anything of ours.
pub(super) struct Plain {
    file: File,
    /// How long each took.
    pub(super) took: Vec<Duration>,
}

impl Plain {
    /// Makes its file in this folder.
    pub(super) fn begin(folder: &Path) -> Result<Self, Failure> {
        Ok(Self { file: File::create(folder.join("plain-fsync"))?, took: Vec::new() })
    }

    /// Writes and syncs once.
    pub(super) fn once(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        self.file.write_all(&[7; ENTRY_BYTES])?;
        self.file.sync_data()?;
        self.took.push(begun.elapsed());
        Ok(())
    }
}

fn middle(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

/// In milliseconds.
pub(super) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
