//! `hanmaru bench flips`: bits are flipped, in memory, in everything that lies at a site, and the functions that judge copies at
//! sites must find every one. All bits of a small log with its segments; a million drawn ones of a log of a million leaves.

use super::bars::{Bars, Goal};
use super::place::{Place, deposit_permit};
use super::{Failure, How, ledger as appends};
use base::{Random, SeededRandom};
use ledger::sound::{full_tile_root, tile_of_bundle};
use ledger::tiles::{CHECKPOINT_PATH, TILE_WIDTH, TileId, TilePath, parse_path};
use ledger::{
    BundleSource, Commitment, EntryKind, Hash, LogAppender, SignedCheckpoint, SignerKey, TileSource, VerifierKey,
    commit,
};
use policy::InstitutionCode;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use vault::PackBuilder;

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
    files: HashMap<TilePath, Vec<u8>>,
    size: u64,
    root: Hash,
    checkpoint: Vec<u8>,
    key: VerifierKey,
}

/// Flips bits and counts those that are found.
pub fn run(place: &Place, how: &How, bars: &mut Bars) -> Result<(), Failure> {
    let small = small(place)?;
    let (mut flipped, mut found) = (0, 0);
    for (path, bytes) in &small.packs {
        let (all, seen) = all_bits(bytes, &|changed| !pack_is_sound(path, changed));
        (flipped, found) = (flipped + all, found + seen);
    }
    for log in &small.logs {
        let (all, seen) = every_file(log);
        (flipped, found) = (flipped + all, found + seen);
    }
    let peer = format!(
        "every bit of {} segments and of the tiles, bundles and checkpoints of two logs of {SMALL} records and their accesses: \
         {flipped} bits, {found} found",
        small.packs.len()
    );
    bars.bar(&peer, "flips_found_small", share(found, flipped), "%", Goal::Exactly(100.0));
    let (leaves, samples) = (how.times(LARGE), how.times(SAMPLES));
    let large = large(leaves)?;
    let pack = pack_of(&small.frames)?;
    let (flipped, found) = sampled(&large, &pack, samples);
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

fn pack_is_sound(path: &str, bytes: &[u8]) -> bool {
    vault::matches_path(path, bytes) && vault::read_pack(bytes).is_ok()
}

/// Flips each bit in turn; how many there were, and how many were found.
fn all_bits(bytes: &[u8], is_found: &dyn Fn(&[u8]) -> bool) -> (u64, u64) {
    let (mut changed, mut found) = (bytes.to_vec(), 0);
    for bit in 0..bytes.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        found += u64::from(is_found(&changed));
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    (bytes.len() as u64 * 8, found)
}

fn every_file(log: &Judged) -> (u64, u64) {
    let (mut flipped, mut found) =
        all_bits(&log.checkpoint, &|changed| SignedCheckpoint::open(changed, std::slice::from_ref(&log.key)).is_err());
    for (path, bytes) in &log.files {
        let (all, seen) = all_bits(bytes, &|changed| !log.is_sound(*path, changed));
        (flipped, found) = (flipped + all, found + seen);
    }
    (flipped, found)
}

impl Judged {
    /// As a scrub judges: full files by what stands above them, the last of each level by the signed root, narrower ones by what
    /// they became.
    fn is_sound(&self, path: TilePath, bytes: &[u8]) -> bool {
        match path {
            TilePath::Hashes(id) => match TileId::in_tree(id.level, id.index, self.size) {
                Some(now) if now == id && id.is_full() => full_tile_root(bytes) == self.parent_hash(&id),
                Some(now) if now == id => self.edge_is_sound(path, bytes),
                Some(now) => self.files.get(&TilePath::Hashes(now)).is_some_and(|whole| whole.starts_with(bytes)),
                None => false,
            },
            TilePath::Entries { index, width } => match TileId::in_tree(0, index, self.size) {
                Some(now) if now.width == width => {
                    let tile = self.files.get(&TilePath::Hashes(now));
                    tile_of_bundle(bytes, width).as_ref() == tile
                }
                Some(now) => {
                    let wide = self.files.get(&TilePath::Entries { index, width: now.width });
                    wide.is_some_and(|wide| wide.starts_with(bytes))
                }
                None => false,
            },
        }
    }

    fn parent_hash(&self, id: &TileId) -> Option<Hash> {
        let width = u64::from(TILE_WIDTH);
        let parent = TileId::in_tree(id.level + 1, id.index / width, self.size)?;
        Hash::at(self.files.get(&TilePath::Hashes(parent))?, (id.index % width) as usize)
    }

    fn edge_is_sound(&self, path: TilePath, bytes: &[u8]) -> bool {
        let edge = Edge { log: self, path, bytes };
        LogAppender::resume(self.size, &self.root, &edge).is_ok()
    }
}

/// The end of a log with one file of it changed.
struct Edge<'a> {
    log: &'a Judged,
    path: TilePath,
    bytes: &'a [u8],
}

impl Edge<'_> {
    fn get(&self, path: TilePath) -> Result<Vec<u8>, String> {
        if path == self.path {
            return Ok(self.bytes.to_vec());
        }
        self.log.files.get(&path).cloned().ok_or_else(|| format!("{path} is missing"))
    }
}

impl TileSource for Edge<'_> {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.get(TilePath::Hashes(*id))
    }
}

impl BundleSource for Edge<'_> {
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

fn small(place: &Place) -> Result<Small, Failure> {
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
    let checkpoint = std::fs::read(folder.join(CHECKPOINT_PATH))?;
    let head = SignedCheckpoint::open(&checkpoint, std::slice::from_ref(&key))?.checkpoint;
    let mut files = HashMap::new();
    for (path, bytes) in files_below(folder, "tile")? {
        files.insert(parse_path(&path)?, bytes);
    }
    Ok(Judged { files, size: head.size, root: head.root, checkpoint, key })
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
        let entries: Vec<Commitment> = (from..to)
            .map(|index| commit(&base::sha256(&index.to_be_bytes()), EntryKind::Resource, &index.to_be_bytes()))
            .collect();
        let batch = log.append(&entries);
        files.extend(batch.files);
        from = to;
    }
    let head = ledger::Checkpoint::new("localhost/hanmaru-bench/large", log.size(), log.root());
    let (size, root) = (head.size, head.root);
    // Only what the log is made of in the end.
    files.retain(|path, _| match path {
        TilePath::Hashes(id) => TileId::in_tree(id.level, id.index, size) == Some(*id),
        TilePath::Entries { index, width } => TileId::in_tree(0, *index, size).is_some_and(|now| now.width == *width),
    });
    let key = signer.verifier().clone();
    Ok(Judged { files, size, root, checkpoint: head.sign(&signer)?.note, key })
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

/// Flips a million drawn bits, on every processor.
fn sampled(log: &Judged, pack: &(String, Vec<u8>), samples: u64) -> (u64, u64) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let (mut tiles, mut bundles): (Vec<_>, Vec<_>) =
        log.files.iter().partition(|(path, _)| matches!(path, TilePath::Hashes(_)));
    tiles.sort_by_key(|(path, _)| path.to_string());
    bundles.sort_by_key(|(path, _)| path.to_string());
    let found = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (tiles, bundles) = (&tiles, &bundles);
                scope.spawn(move || {
                    let random = SeededRandom::new(20_261_126 + worker);
                    let share = samples / threads + u64::from(worker < samples % threads);
                    (0..share).filter(|_| is_found(&random, log, pack, tiles, bundles)).count() as u64
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("judging does not panic")).sum()
    });
    (samples, found)
}

fn is_found(
    random: &SeededRandom,
    log: &Judged,
    (path, pack): &(String, Vec<u8>),
    tiles: &[(&TilePath, &Vec<u8>)],
    bundles: &[(&TilePath, &Vec<u8>)],
) -> bool {
    let drawn = random.bytes32();
    let number = |part: usize| {
        let bytes = drawn[part * 8..].first_chunk().expect("32 bytes are four numbers");
        u64::from_be_bytes(*bytes)
    };
    let flip = |bytes: &[u8]| {
        let (mut changed, bit) = (bytes.to_vec(), number(2) % (bytes.len() as u64 * 8));
        changed[(bit / 8) as usize] ^= 1 << (bit % 8);
        changed
    };
    if number(0).is_multiple_of(1_000) {
        return SignedCheckpoint::open(&flip(&log.checkpoint), std::slice::from_ref(&log.key)).is_err();
    }
    let of = match number(3) % 100 {
        0..IN_PACKS => return !pack_is_sound(path, &flip(pack)),
        IN_PACKS..IN_TILES => tiles,
        _ => bundles,
    };
    let (path, bytes) = of[(number(1) % of.len() as u64) as usize];
    !log.is_sound(*path, &flip(bytes))
}
