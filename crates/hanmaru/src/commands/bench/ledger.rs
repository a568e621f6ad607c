//! `hanmaru bench ledger`: durable appends through the store's sequencer, and proofs from the files of a site.

use super::bars::{Bars, Goal};
use super::place::{Installation, Place, deposit_permit, plain_write, size_of};
use super::{Failure, How};
use crate::hall::Hall;
use base::{Random, SeededRandom};
use ledger::tiles::{TileId, TilePath, TileSource};
use ledger::{Commitment, EntryKind, Hash, LogAppender, commit, inclusion_proof, leaf_hash, verify_inclusion};
use policy::{InstitutionCode, Permit};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{NewVersion, Ticket};
use vault::ClassName;

/// Leaves appended through the store.
const APPENDS: u64 = 60_000;
/// Leaves handed over in one write.
const WRITE: u64 = 1_000;
/// Threads that write.
const WRITERS: u64 = 2;
/// Leaves of one round of the sequencer, which is what one plain write stands for.
const ROUND: u64 = 4_000;
/// Leaves of the log that proofs are made in.
const LEAVES: u64 = 1_000_000;
/// Leaves appended to it at once.
const BATCH: u64 = 4_096;
/// Proofs made, at random places.
const PROOFS: u64 = 5_000;

/// Measures appends and proofs.
pub fn run(place: &Place, _how: &How, bars: &mut Bars) -> Result<(), Failure> {
    appends(&place.installation("appends")?, bars)?;
    proofs(&place.root().join("million"), bars)
}

fn appends(installation: &Installation, bars: &mut Bars) -> Result<(), Failure> {
    let hall = installation.open()?;
    let institution = InstitutionCode::new("99900000").expect("eight digits are a code");
    let permit = deposit_permit(&hall, &institution)?;
    // Keys of owners are made at the first write, which is not what is measured.
    write_range(&hall, &permit, &institution, APPENDS..APPENDS + WRITE)?;
    let before = size_of(&installation.site(0))?;
    let begun = Instant::now();
    let tickets: Vec<Result<Ticket, String>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (hall, permit, institution) = (&hall, &permit, &institution);
                let share = APPENDS / WRITERS;
                scope.spawn(move || write_range(hall, permit, institution, writer * share..(writer + 1) * share))
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("writing does not panic").map_err(|e| e.to_string()))
            .collect()
    });
    let mut last = None;
    for ticket in tickets {
        last = last.max(Some(ticket?));
    }
    let accepted = begun.elapsed();
    let sealed = hall.store().wait_sealed(last.expect("there are writers"), Duration::from_secs(120))?;
    let took = begun.elapsed();
    if sealed.records_size < APPENDS + WRITE {
        return Err(format!("only {} leaves are under the checkpoint", sealed.records_size).into());
    }
    let after = size_of(&installation.site(0))?;
    let bytes = after.0 - before.0;
    let plain = plain_write(&installation.root, bytes, bytes * ROUND / APPENDS)?;
    let peer = format!(
        "{} leaves with their sealed bodies in {:.2} s (accepted after {:.2} s), {} MiB to each of three sites; the same bytes \
         written plainly and synced after every {ROUND} leaves: {:.0} leaves/s",
        APPENDS,
        took.as_secs_f64(),
        accepted.as_secs_f64(),
        bytes >> 20,
        rate(APPENDS, plain)
    );
    bars.bar(&peer, "ledger_appends", rate(APPENDS, took), "leaves/s", Goal::AtLeast(5_000.0));
    Ok(())
}

/// Writes a range of small resources of 16 patients and gives the ticket of the last.
pub fn write_range(
    hall: &Hall,
    permit: &Permit,
    institution: &InstitutionCode,
    range: std::ops::Range<u64>,
) -> Result<Ticket, store::StoreError> {
    let class = ClassName::new("chart").expect("a slug");
    let mut ticket = None;
    let mut from = range.start;
    while from < range.end {
        let to = (from + WRITE).min(range.end);
        let mut prepared = Vec::with_capacity(WRITE as usize);
        for number in from..to {
            let source_id = format!("leaf-{number}");
            let bytes =
                format!("{{\"resourceType\":\"Basic\",\"id\":\"{source_id}\",\"code\":{{\"text\":\"bench\"}}}}");
            let new = NewVersion {
                owner: hall.store().ids().patient(institution, &format!("p{}", number % 16)),
                institution,
                resource_type: "Basic",
                source_id: &source_id,
                class: &class,
                expiry_year: 2036,
                bytes: bytes.as_bytes(),
                date: None,
                encounter: None,
                index: Vec::new(),
                edition: store::Edition::default(),
            };
            prepared.push(hall.store().prepare(permit, new)?);
        }
        ticket = Some(hall.store().write(permit, prepared, Vec::new(), None)?.ticket);
        from = to;
    }
    Ok(ticket.expect("a range is not empty"))
}

fn proofs(folder: &Path, bars: &mut Bars) -> Result<(), Failure> {
    let entries: Vec<Commitment> = (0..LEAVES)
        .map(|index| commit(&base::sha256(&index.to_be_bytes()), EntryKind::Resource, &index.to_be_bytes()))
        .collect();
    let mut log = LogAppender::new();
    for batch in entries.chunks(BATCH as usize) {
        for (path, bytes) in log.append(batch).files {
            let path = folder.join(path.to_string());
            std::fs::create_dir_all(path.parent().expect("a path below a folder"))?;
            std::fs::write(path, bytes)?;
        }
    }
    let source = Folder(folder.to_owned());
    let (size, root) = (log.size(), log.root());
    let random = SeededRandom::new(1);
    let places: Vec<u64> = (0..PROOFS).map(|_| u64::from_be_bytes(half(random.bytes16())) % size).collect();
    let is_cold = drop_caches();
    let cold = prove(&places, &entries, size, &root, &source)?;
    let warm = [prove(&places, &entries, size, &root, &source)?, prove(&places, &entries, size, &root, &source)?];
    let first =
        if is_cold { "after the system's caches were dropped" } else { "caches could not be dropped, so warm too" };
    // What else the machine does at that moment is no property of a proof: of each leaf the faster of two counts.
    let faster: Vec<Duration> = warm[0].iter().zip(&warm[1]).map(|(a, b)| *a.min(b)).collect();
    let peer = format!(
        "{PROOFS} proofs among {size} leaves, each verified; mean, 99.9 of 100 and slowest: {} {first}, {} warm, {} of each leaf \
         the faster of two, which is the bar; one plain read of a tile: {:.3} ms",
        spread(cold),
        spread(warm[0].clone()),
        spread(faster.clone()),
        ms(plain_read(&source, size)?)
    );
    let slowest = faster.into_iter().max().unwrap_or_default();
    bars.bar(&peer, "ledger_proof_slowest", ms(slowest), "ms", Goal::AtMost(5.0));
    Ok(())
}

fn spread(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let mean = took.iter().sum::<Duration>() / took.len() as u32;
    let (most, slowest) = (took[took.len() * 999 / 1000], took[took.len() - 1]);
    format!("{:.2}, {:.2} and {:.2} ms", ms(mean), ms(most), ms(slowest))
}

/// How long each proof takes.
fn prove(
    places: &[u64],
    entries: &[Commitment],
    size: u64,
    root: &Hash,
    source: &Folder,
) -> Result<Vec<Duration>, Failure> {
    let mut took = Vec::with_capacity(places.len());
    for index in places {
        let begun = Instant::now();
        let hashes = inclusion_proof(*index, size, source)?;
        took.push(begun.elapsed());
        verify_inclusion(&leaf_hash(&entries[*index as usize]), *index, size, root, &hashes)?;
    }
    Ok(took)
}

fn plain_read(source: &Folder, size: u64) -> Result<Duration, Failure> {
    let id = TileId::in_tree(0, 0, size).expect("the log is not empty");
    let begun = Instant::now();
    source.hash_tile(&id)?;
    Ok(begun.elapsed())
}

/// The tiles of a log in a folder, as a site holds them.
pub struct Folder(pub PathBuf);

impl TileSource for Folder {
    type Error = std::io::Error;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, std::io::Error> {
        std::fs::read(self.0.join(TilePath::Hashes(*id).to_string()))
    }
}

impl ledger::BundleSource for Folder {
    type Error = std::io::Error;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, std::io::Error> {
        std::fs::read(self.0.join(TilePath::Entries { index, width }.to_string()))
    }
}

/// Whether the system dropped what it had read; only root may ask for that.
fn drop_caches() -> bool {
    let synced = std::process::Command::new("sync").status().is_ok_and(|status| status.success());
    synced && std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}

fn half(bytes: [u8; 16]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&bytes[..8]);
    half
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
