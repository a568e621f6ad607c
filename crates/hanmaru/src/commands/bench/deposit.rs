//! `hanmaru bench deposit`: a bag goes in, in a process of its own, and every patient's PDF comes out and verifies.

use super::bars::{Bars, Goal};
use super::people::{IssuedAll, issue_all};
use super::place::{Ended, Installation, Place, plain_write, size_of};
use super::{Failure, How, crash};
use std::path::{Path, PathBuf};
use synth::{HospitalSummary, Options};

/// Patients of the bag, which are once and ten times as many where memory is compared.
const PATIENTS: usize = 1_000;
/// What the bag must hold at least.
const RESOURCES: f64 = 50_000.0;
const DOCUMENTS: f64 = 10_000.0;
/// Documents of a patient, on average: a little more than what is needed.
const DOCUMENTS_PER_PATIENT: usize = 11;
/// The Synthea patients of the conformance data.
const SYNTHEA_PATIENTS: f64 = 15.0;
/// Bytes of one plain write: what the store sends to a site at once.
const PLAIN_PART: u64 = 8 << 20;
/// Exit status of a deposit of which something was held back.
const HELD_BACK: i32 = 3;
/// Most memory, in megabytes.
const MEMORY_MB: f64 = 300.0;

/// Everything that the bench `deposit` shows.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let bag = generated(place, "bag", PATIENTS, bars)?;
    let first = whole(place, &bag, bars)?;
    synthea(place, bars)?;
    crash::run(place, how, bars)?;
    peaks(place, first.peak_bytes, bars)
}

/// The bench `memory`, which is the last part of `deposit`: a bag and one ten times as large.
pub fn memory(place: &Place, _: &How, bars: &mut Bars) -> Result<(), Failure> {
    let first = peak_of(place, PATIENTS, bars)?;
    peaks(place, first, bars)
}

/// A generated bag.
pub(super) struct Generated {
    pub(super) hospital: HospitalSummary,
    pub(super) people: PathBuf,
}

pub(super) fn generated(place: &Place, name: &str, patients: usize, bars: &Bars) -> Result<Generated, Failure> {
    let out = place.root().join(name);
    let mut options = Options::new(1, patients, 42, out.clone());
    options.documents_per_patient = DOCUMENTS_PER_PATIENT;
    let mut summary = synth::generate(&options, &|_| {})?;
    let hospital = summary.hospitals.pop().ok_or("nothing was generated")?;
    let (bytes, _) = size_of(&hospital.folder)?;
    bars.note(&format!(
        "generated {} patients, {} resources, {} documents, {} MiB",
        hospital.patients,
        hospital.resources,
        hospital.documents,
        bytes >> 20
    ));
    Ok(Generated { hospital, people: out.join("people.json") })
}

/// The bag goes in, and every PDF comes out.
fn whole(place: &Place, bag: &Generated, bars: &mut Bars) -> Result<Ended, Failure> {
    let hospital = &bag.hospital;
    bars.bar(
        "the bag that is deposited",
        "deposit_resources",
        hospital.resources as f64,
        "resources",
        Goal::AtLeast(RESOURCES),
    );
    bars.bar(
        "the bag that is deposited",
        "deposit_documents",
        hospital.documents as f64,
        "documents",
        Goal::AtLeast(DOCUMENTS),
    );
    let installation = place.installation("whole")?;
    let agency = installation.start_agency(&bag.people)?;
    let ended = deposited(&installation, &hospital.folder)?;
    drop(agency);
    let (bytes, files) = size_of(&installation.site(0))?;
    let plain = plain_write(&installation.root, bytes, PLAIN_PART)?;
    let rate = hospital.resources as f64 / ended.took.as_secs_f64();
    let peer = format!(
        "{} resources and {} documents in {:.2} s, from the start of the program to its receipt; {} MiB in {files} files at each \
         of three sites, written plainly and synced in {:.2} s: a deposit takes {:.1} times as long",
        hospital.resources,
        hospital.documents,
        ended.took.as_secs_f64(),
        bytes >> 20,
        plain.as_secs_f64(),
        ended.took.as_secs_f64() / plain.as_secs_f64()
    );
    bars.bar(&peer, "deposit_rate", rate, "resources/s", Goal::AtLeast(3_000.0));
    verified(&installation, &bag.people, "patients_verified", PATIENTS as f64, bars)?;
    std::fs::remove_dir_all(&installation.root)?;
    Ok(ended)
}

pub(super) fn deposited(installation: &Installation, bag: &Path) -> Result<Ended, Failure> {
    let ended = installation.start_deposit(bag)?.wait()?;
    if ended.code == Some(0) {
        return Ok(ended);
    }
    Err(format!("the deposit ended with {:?}: {}", ended.code, installation.deposit_log()).into())
}

fn verified(installation: &Installation, people: &Path, name: &str, goal: f64, bars: &mut Bars) -> Result<(), Failure> {
    let hall = installation.open()?;
    let begun = std::time::Instant::now();
    let IssuedAll { patients, documents, pages, undrawn, bytes, slowest_s, failures } = issue_all(&hall, people)?;
    for failure in failures {
        bars.note(&format!("not issued or not verified: {failure}"));
    }
    let peer = format!(
        "{documents} PDFs of {pages} pages and {} MiB in {:.1} s on two threads, the slowest {slowest_s:.2} s, {undrawn} things \
         that could not be drawn",
        bytes >> 20,
        begun.elapsed().as_secs_f64()
    );
    bars.bar(&peer, name, patients as f64, "patients", Goal::Exactly(goal));
    Ok(())
}

/// The patients of another system.
fn synthea(place: &Place, bars: &mut Bars) -> Result<(), Failure> {
    let bundles = std::env::var_os("HANMARU_CONFORMANCE").map(|data| PathBuf::from(data).join("synthea"));
    let Some(bundles) = bundles.filter(|bundles| bundles.is_dir()) else {
        let skipped = "SKIPPED: HANMARU_CONFORMANCE does not lead to the conformance data";
        bars.bar(skipped, "synthea_verified", 0.0, "patients", Goal::Exactly(SYNTHEA_PATIENTS));
        return Ok(());
    };
    let installation = place.installation("synthea")?;
    let bag = installation.root.join("bag");
    let people = bag.with_extension("people.json");
    let _agency = installation.start_agency(&people)?;
    let ended = installation.start_deposit_of_bundles(&bundles, &bag)?.wait()?;
    if !matches!(ended.code, Some(0 | HELD_BACK)) {
        return Err(format!(
            "the deposit of the Synthea patients ended with {:?}: {}",
            ended.code,
            installation.deposit_log()
        )
        .into());
    }
    if ended.code == Some(HELD_BACK) {
        bars.note("something of the Synthea bundles was held back; the receipt names it");
    }
    verified(&installation, &people, "synthea_verified", SYNTHEA_PATIENTS, bars)
}

/// Peak memory on the bag and on one ten times as large.
fn peaks(place: &Place, first: u64, bars: &mut Bars) -> Result<(), Failure> {
    let peer = "peak of the depositing program alone";
    bars.bar(peer, "deposit_memory_1x", first as f64 / 1e6, "MB", Goal::AtMost(MEMORY_MB));
    bars.note("the bag ten times as large, its three sites and the database take 25 GB of disk");
    let ten = peak_of(place, PATIENTS * 10, bars)?;
    bars.bar(peer, "deposit_memory_10x", ten as f64 / 1e6, "MB", Goal::AtMost(MEMORY_MB));
    Ok(())
}

fn peak_of(place: &Place, patients: usize, bars: &Bars) -> Result<u64, Failure> {
    let bag = generated(place, &format!("bag-{patients}"), patients, bars)?;
    let installation = place.installation(&format!("memory-{patients}"))?;
    let agency = installation.start_agency(&bag.people)?;
    let ended = deposited(&installation, &bag.hospital.folder)?;
    drop(agency);
    bars.note(&format!(
        "{} resources in {:.1} s, peak {:.0} MB",
        bag.hospital.resources,
        ended.took.as_secs_f64(),
        ended.peak_bytes as f64 / 1e6
    ));
    std::fs::remove_dir_all(&installation.root)?;
    std::fs::remove_dir_all(bag.people.parent().ok_or("a file lies in a folder")?)?;
    Ok(ended.peak_bytes)
}
