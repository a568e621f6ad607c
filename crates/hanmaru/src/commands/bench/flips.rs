//! `hanmaru bench flips`: bits are flipped, in memory, in everything that lies at a site, and what a scrub and an audit judge files by
//! must find every one. All bits of a small log with its segments; a million drawn ones of a log of a million leaves, which a
//! scrub alone reads file by file.

use super::bars::{Bars, Goal};
use super::place::{self, deposit_permit};
use super::{Failure, How, ledger as appends};
use base::{Random, SeededRandom};
use ledger::tiles::{CHECKPOINT_PATH, TILE_WIDTH, TileId, TilePath, parse_path};
use ledger::{
    BundleSource, Checkpoint, EntryKind, LogAppender, SignedCheckpoint, SignerKey, TileSource, VerifierKey, audit,
    audit_file, commit, root_from_tiles,
};
use policy::InstitutionCode;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;
use store::{RightLog, checkpoint_is_right, pack_is_right};
use vault::{Bytes, PackBuilder};

/// Leaves of the small log, and of each of its rounds.
const SMALL: u64 = 320;
const ROUND: u64 = 10;
/// Leaves of the large log.
const LARGE: u64 = 1_000_000;
/// Leaves appended to it at once.
const BATCH: usize = 4_096;
/// Bits flipped in the large log.
const SAMPLES: u64 = 1_000_000;
/// Bytes of a large pack.
const PACK_BYTES: usize = 64 << 10;
/// Of a hundred bits that are drawn, so many are in packs, and so many in tiles; the rest is in bundles. One in a thousand is
/// in the checkpoint.
const IN_PACKS: u64 = 6;
const IN_TILES: u64 = 50;

/// A log by its files, and what must be known to judge them.
struct Judged {
    files: HashMap<TilePath, Bytes>,
    head: SignedCheckpoint,
    key: VerifierKey,
}

/// Flips bits and counts those that are found.
pub fn run(place: &place::Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let small = small(place)?;
    small.logs.iter().try_for_each(Judged::is_right)?;
    let is_right = |(path, bytes): &(String, Vec<u8>)| pack_is_right(path, bytes);
    if !small.packs.iter().all(is_right) {
        return Err("a segment is found before anything was changed".into());
    }
    let mut counts = Counts::default();
    for (path, bytes) in &small.packs {
        counts += all_bits(bytes, &|changed| !pack_is_right(path, changed));
    }
    for log in &small.logs {
        counts += all_bits(&log.head.note, &|changed| log.finds_in_checkpoint(changed));
        for (path, bytes) in &log.files {
            let right = log.looked_above(*path);
            counts += all_bits(bytes, &|changed| log.finds(&right, *path, changed));
        }
    }
    let Counts { flipped, found } = counts;
    let peer = format!(
        "every bit of {} segments and of the tiles, bundles and checkpoints of two logs of {SMALL} records and their accesses: \
         {flipped} bits, {found} found by what a scrub judges files by",
        small.packs.len()
    );
    bars.bar(&peer, "flips_found_small", share(found, flipped), "%", Goal::Exactly(100.0));
    let (mut counts, of) = (Counts::default(), if how.short { 11 } else { 1 });
    for log in &small.logs {
        for (path, bytes) in &log.files {
            counts += bits(bytes, of, &|changed| log.audit_finds(*path, changed));
        }
    }
    let Counts { flipped, found } = counts;
    let peer = format!(
        "one bit of {of} of the tiles and bundles of these logs, each in turn: {flipped} bits, {found} found by an audit"
    );
    bars.bar(&peer, "flips_found_audit", share(found, flipped), "%", Goal::Exactly(100.0));
    let (leaves, samples) = (how.times(LARGE), how.times(SAMPLES));
    let large = large(leaves)?;
    let pack = pack_of(&small.frames)?;
    if !is_right(&pack) || large.finds_in_checkpoint(&large.head.note) {
        return Err("what was made is found before anything was changed".into());
    }
    let Counts { flipped, found } = sampled(&large, &pack, samples);
    let peer = format!(
        "{flipped} bits drawn of tiles, bundles and checkpoint of a log of {leaves} leaves and of a pack of {} bytes, {found} found",
        pack.1.len()
    );
    bars.bar(&peer, "flips_found_large", share(found, flipped), "%", Goal::Exactly(100.0));
    Ok(())
}

fn share(found: u64, flipped: u64) -> f64 {
    if found == flipped && flipped > 0 { 100.0 } else { (100.0 * found as f64 / flipped.max(1) as f64).min(99.999) }
}

/// How many bits were flipped, and how many of these were found.
#[derive(Default)]
struct Counts {
    flipped: u64,
    found: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.flipped += other.flipped;
        self.found += other.found;
    }
}

/// Flips each bit in turn, on every processor.
fn all_bits(bytes: &[u8], is_found: &(dyn Fn(&[u8]) -> bool + Sync)) -> Counts {
    bits(bytes, 1, is_found)
}

/// Flips one bit of so many.
fn bits(bytes: &[u8], of: usize, is_found: &(dyn Fn(&[u8]) -> bool + Sync)) -> Counts {
    let found = on_every_processor(|worker, workers| {
        let (mut changed, mut found) = (bytes.to_vec(), 0);
        for bit in (0..bytes.len() * 8).step_by(of).skip(worker as usize).step_by(workers as usize) {
            changed[bit / 8] ^= 1 << (bit % 8);
            found += u64::from(is_found(&changed));
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        found
    });
    Counts { flipped: (bytes.len() as u64 * 8).div_ceil(of as u64), found }
}

/// The sum of what each processor's thread gives, by its number and how many there are.
fn on_every_processor(work: impl Fn(u64, u64) -> u64 + Sync) -> u64 {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker, workers))).collect();
        threads.into_iter().map(|thread| thread.join().expect("judging does not panic")).sum()
    })
}

impl Judged {
    /// The log as a scrub has it when it comes to a file: what stands above that was read.
    fn looked_above(&self, path: TilePath) -> RightLog<&Self> {
        let size = self.head.checkpoint.size;
        let now = match path {
            TilePath::Hashes(id) => TileId::in_tree(id.level, id.index, size),
            TilePath::Entries { index, .. } => TileId::in_tree(0, index, size),
        };
        let now = now.expect("every file is of the log");
        let above = match path {
            // A narrower one is judged by what it became.
            TilePath::Hashes(id) if id != now => Some(now),
            TilePath::Hashes(id) => TileId::in_tree(id.level + 1, id.index / u64::from(TILE_WIDTH), size),
            TilePath::Entries { .. } => Some(now),
        };
        let mut right = RightLog::new(size, self);
        if let Some(above) = above {
            let sound = |path: &TilePath, sound: &dyn Fn(&[u8]) -> bool| {
                self.files.get(path).cloned().filter(|bytes| sound(bytes))
            };
            right.file(TilePath::Hashes(above), &sound).expect("the log is whole");
        }
        right
    }

    /// Whether a scrub finds a changed copy that it reads before a sound one.
    fn finds(&self, right: &RightLog<&Self>, path: TilePath, changed: &[u8]) -> bool {
        let copies = |at: &TilePath, sound: &dyn Fn(&[u8]) -> bool| {
            let first = (*at == path).then(|| Bytes::copy_from_slice(changed)).filter(|bytes| sound(bytes));
            first.or_else(|| self.files.get(at).cloned().filter(|bytes| sound(bytes)))
        };
        let file = right.clone().file(path, &copies).expect("another site has a sound copy");
        file == self.files[&path] && file != changed
    }

    fn finds_in_checkpoint(&self, changed: &[u8]) -> bool {
        let root_at = |size| root_from_tiles(size, &self).ok();
        !checkpoint_is_right(changed, &self.key, &self.head, Some(&self.head), &root_at)
    }

    /// Whether an audit of this log, with this one file changed, finds it.
    fn audit_finds(&self, path: TilePath, changed: &[u8]) -> bool {
        let size = self.head.checkpoint.size;
        let of_now = match path {
            TilePath::Hashes(id) => TileId::in_tree(id.level, id.index, size) == Some(id),
            TilePath::Entries { index, width } => TileId::in_tree(0, index, size).is_some_and(|now| now.width == width),
        };
        if of_now {
            audit(&self.head.checkpoint, &WithOneChanged { log: self, path, changed }).is_err()
        } else {
            audit_file(&path, changed, size, &self).is_err()
        }
    }

    /// Fails where anything is found before it was changed: whoever finds everything finds every change.
    fn is_right(&self) -> Result<(), Failure> {
        let is_found = |(path, bytes): (&TilePath, &Bytes)| self.audit_finds(*path, bytes);
        if self.finds_in_checkpoint(&self.head.note) || self.files.iter().any(is_found) {
            return Err("a file of a log is found before anything was changed".into());
        }
        Ok(())
    }

    fn get(&self, path: TilePath) -> Result<Vec<u8>, String> {
        self.files.get(&path).map(|bytes| bytes.to_vec()).ok_or_else(|| format!("{path} is missing"))
    }
}

impl TileSource for &Judged {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.get(TilePath::Hashes(*id))
    }
}

impl BundleSource for &Judged {
    type Error = String;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, String> {
        self.get(TilePath::Entries { index, width })
    }
}

/// A log with one file of it changed.
struct WithOneChanged<'a> {
    log: &'a Judged,
    path: TilePath,
    changed: &'a [u8],
}

impl WithOneChanged<'_> {
    fn get(&self, path: TilePath) -> Result<Vec<u8>, String> {
        if path == self.path { Ok(self.changed.to_vec()) } else { self.log.get(path) }
    }
}

impl TileSource for WithOneChanged<'_> {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.get(TilePath::Hashes(*id))
    }
}

impl BundleSource for WithOneChanged<'_> {
    type Error = String;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, String> {
        self.get(TilePath::Entries { index, width })
    }
}

/// What lies at a site of a small installation.
struct Small {
    packs: Vec<(String, Vec<u8>)>,
    frames: Vec<Vec<u8>>,
    logs: Vec<Judged>,
}

fn small(place: &place::Place) -> Result<Small, Failure> {
    let installation = place.installation("flips")?;
    let hall = installation.open()?;
    let institution = InstitutionCode::new("99900000").expect("eight digits are a code");
    let permit = deposit_permit(&hall, &institution)?;
    for from in (0..SMALL).step_by(ROUND as usize) {
        let ticket = appends::write_range(&hall, &permit, &institution, from..from + ROUND)?;
        hall.store().wait_sealed(ticket, Duration::from_secs(60))?;
    }
    // Whichever of the three it is, it has everything once it has caught up.
    if !hall.sites.settle(Duration::from_secs(60)) {
        return Err("the sites do not come to rest".into());
    }
    let site = installation.site(0);
    let keys = hall.store().verifier_keys().iter().map(|key| VerifierKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    drop(hall);
    let (mut packs, mut frames, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    for (path, bytes) in files_below(&site, "pack")? {
        for frame in vault::read_pack(&bytes)? {
            frames.push(bytes[frame.range].to_vec());
        }
        packs.push((path, bytes));
    }
    for (log, key) in ["records", "access"].into_iter().zip(keys) {
        if site.join("log").join(log).exists() {
            logs.push(judged(&site.join("log").join(log), key)?);
        }
    }
    Ok(Small { packs, frames, logs })
}

fn judged(folder: &Path, key: VerifierKey) -> Result<Judged, Failure> {
    let note = std::fs::read(folder.join(CHECKPOINT_PATH))?;
    let head = SignedCheckpoint::open(&note, std::slice::from_ref(&key))?;
    let mut files = HashMap::new();
    for (path, bytes) in files_below(folder, "tile")? {
        files.insert(parse_path(&path)?, Bytes::from(bytes));
    }
    Ok(Judged { files, head, key })
}

fn files_below(root: &Path, below: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let (mut found, mut folders) = (Vec::new(), vec![below.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.metadata()?.is_dir() {
                folders.push(path);
            } else {
                found.push((path, std::fs::read(entry.path())?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn large(leaves: u64) -> Result<Judged, Failure> {
    let signer = SignerKey::from_seed("localhost/hanmaru-bench/large", &[7; 32])?;
    let mut log = LogAppender::new();
    let mut files = HashMap::new();
    let mut from = 0;
    while from < leaves {
        let to = (from + BATCH as u64).min(leaves);
        let entries: Vec<_> = (from..to)
            .map(|index| commit(&base::sha256(&index.to_be_bytes()), EntryKind::Resource, &index.to_be_bytes()))
            .collect();
        let batch = log.append(&entries);
        files.extend(batch.files.into_iter().map(|(path, bytes)| (path, Bytes::from(bytes))));
        from = to;
    }
    let size = log.size();
    // Only what the log is made of in the end.
    files.retain(|path, _| match path {
        TilePath::Hashes(id) => TileId::in_tree(id.level, id.index, size) == Some(*id),
        TilePath::Entries { index, width } => TileId::in_tree(0, *index, size).is_some_and(|now| now.width == *width),
    });
    let head = Checkpoint::new("localhost/hanmaru-bench/large", size, log.root()).sign(&signer)?;
    Ok(Judged { files, head, key: signer.verifier().clone() })
}

fn pack_of(frames: &[Vec<u8>]) -> Result<(String, Vec<u8>), Failure> {
    let mut builder = PackBuilder::new();
    for frame in frames.iter().cycle() {
        if builder.len() >= PACK_BYTES {
            break;
        }
        builder.push(frame)?;
    }
    let pack = builder.finish()?;
    Ok((pack.path, pack.bytes.to_vec()))
}

/// Where a drawn bit is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Checkpoint,
    Pack,
    /// By the number of the file.
    File(usize),
}

/// Flips drawn bits, on every processor, file by file as a scrub goes through them.
fn sampled(log: &Judged, (path, pack): &(String, Vec<u8>), samples: u64) -> Counts {
    let mut files: Vec<(&TilePath, &Bytes)> = log.files.iter().collect();
    files.sort_by_key(|(path, _)| path.to_string());
    let (tiles, bundles): (Vec<usize>, Vec<usize>) =
        (0..files.len()).partition(|file| matches!(files[*file].0, TilePath::Hashes(_)));
    let found = on_every_processor(|worker, workers| {
        let random = SeededRandom::new(20_261_126 + worker);
        let mut drawn = BTreeMap::<Place, Vec<u64>>::new();
        for _ in 0..samples / workers + u64::from(worker < samples % workers) {
            let (place, number) = draw(&random, &tiles, &bundles);
            drawn.entry(place).or_default().push(number);
        }
        let found = |(place, numbers): (Place, Vec<u64>)| match place {
            Place::Checkpoint => count(&log.head.note, &numbers, |changed| log.finds_in_checkpoint(changed)),
            Place::Pack => count(pack, &numbers, |changed| !pack_is_right(path, changed)),
            Place::File(file) => {
                let (path, bytes) = files[file];
                let right = log.looked_above(*path);
                count(bytes, &numbers, |changed| log.finds(&right, *path, changed))
            }
        };
        drawn.into_iter().map(found).sum()
    });
    Counts { flipped: samples, found }
}

fn draw(random: &SeededRandom, tiles: &[usize], bundles: &[usize]) -> (Place, u64) {
    let drawn = random.bytes32();
    let number = |part: usize| {
        let bytes = drawn[part * 8..].first_chunk().expect("32 bytes are four numbers");
        u64::from_be_bytes(*bytes)
    };
    let one_of = |files: &[usize]| Place::File(files[(number(1) % files.len() as u64) as usize]);
    let place = match (number(0) % 1_000, number(3) % 100) {
        (0, _) => Place::Checkpoint,
        (_, 0..IN_PACKS) => Place::Pack,
        (_, IN_PACKS..IN_TILES) => one_of(tiles),
        _ => one_of(bundles),
    };
    (place, number(2))
}

/// How many flips are found of a file, each at the bit that a drawn number falls on.
fn count(bytes: &[u8], numbers: &[u64], is_found: impl Fn(&[u8]) -> bool) -> u64 {
    let mut changed = bytes.to_vec();
    let is_found = |number: &&u64| {
        let bit = (**number % (bytes.len() as u64 * 8)) as usize;
        changed[bit / 8] ^= 1 << (bit % 8);
        let found = is_found(&changed);
        changed[bit / 8] ^= 1 << (bit % 8);
        found
    };
    numbers.iter().filter(is_found).count() as u64
}
