//! What an installation should hold after a bag went in, and what it does hold: every resource and document, each leaf, both
//! logs at all three sites. Read the way people read, through the door.

use super::ledger::Folder;
use super::people::own_permit;
use super::place::Installation;
use crate::Failure;
use crate::hall::Hall;
use ledger::tiles::{BundleSource, TILE_WIDTH, decode_bundle};
use ledger::{Commitment, EntryKind, SignedCheckpoint, consistency_proof, inclusion_proof, leaf_hash, opens};
use ledger::{verify_consistency, verify_inclusion};
use policy::{Action, Owner, Permit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use store::{Log, PAGE_MAX, Query, ResourceKey, Version, version_content};
use synth::people::{Person, read_people};

type Sha256 = [u8; 32];

/// What a bag holds.
pub struct Expected {
    people: Vec<Person>,
    /// Lines by type and id, each by its SHA-256, in their order.
    lines: BTreeMap<(String, String), Vec<Sha256>>,
    /// Documents by their path below `data/`.
    documents: BTreeMap<String, Sha256>,
}

/// What an audit found.
#[derive(Debug, Default)]
pub struct Found {
    /// Versions, documents and receipts.
    pub things: u64,
    /// Resources and documents that are missing or are others.
    pub lost: u64,
    /// Versions, documents and leaves too many.
    pub doubled: u64,
    /// Logs or leaves that do not prove.
    pub log_faults: u64,
    /// Leaves proved.
    pub leaves: u64,
    /// Checkpoints of earlier moments that the log grew from.
    pub checkpoints: u64,
    /// What is wrong, in words.
    pub faults: Vec<String>,
}

impl Found {
    /// Adds what another audit found.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.log_faults += other.log_faults;
        self.leaves += other.leaves;
        self.checkpoints += other.checkpoints;
        self.faults.extend(other.faults);
    }

    fn log_fault(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.log_faults += 1;
        self.faults.push(format!("{what}: {error}"));
    }
}

impl Expected {
    /// Reads a generated bag.
    pub fn read(bag: &Path, people: &Path) -> Result<Self, Failure> {
        let mut lines: BTreeMap<_, Vec<Sha256>> = BTreeMap::new();
        for entry in std::fs::read_dir(bag.join("data/fhir"))? {
            for line in std::fs::read_to_string(entry?.path())?.lines() {
                let value: serde_json::Value = serde_json::from_str(line)?;
                let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
                lines.entry((text("resourceType"), text("id"))).or_default().push(base::sha256(line.as_bytes()));
            }
        }
        let mut documents = BTreeMap::new();
        for line in std::fs::read_to_string(bag.join("manifest-sha256.txt"))?.lines() {
            let (sha256, path) = line.split_once("  ").ok_or("a line of the manifest")?;
            if let Some(path) = path.strip_prefix("data/").filter(|path| path.starts_with("documents/")) {
                let sha256 = base::unhex(sha256).and_then(|bytes| bytes.try_into().ok()).ok_or("a checksum")?;
                documents.insert(path.to_owned(), sha256);
            }
        }
        Ok(Self { people: read_people(people)?, lines, documents })
    }

    /// Lines of the bag.
    pub fn lines(&self) -> u64 {
        self.lines.values().map(|versions| versions.len() as u64).sum()
    }

    /// Documents of the bag.
    pub fn documents(&self) -> u64 {
        self.documents.len() as u64
    }
}

/// Versions, documents and receipts. How many leaves changes of rows have depends on how many rounds there were.
pub fn things(hall: &Hall) -> Result<u64, Failure> {
    let tables = hall.store().fingerprint(&hall.operate("bench", Action::ReadStatus)?)?;
    let counted = ["resource_version", "object", "commitment"];
    Ok(tables.iter().filter(|one| counted.contains(&one.table.as_str())).map(|one| one.rows).sum())
}

/// Compares an installation with what it should hold. `leaves` is how many versions, documents and receipts there are after an
/// undisturbed deposit; `earlier` are checkpoints that were published at some moment before.
pub fn audit(
    installation: &Installation,
    expected: &Expected,
    leaves: Option<u64>,
    earlier: &[Vec<u8>],
) -> Result<Found, Failure> {
    let hall = installation.open()?;
    hall.sites.repair(&hall.store().ask_job(&hall.door, "audit", Action::Repair)?)?;
    let mut found = Found::default();
    let log = Records::open(installation, &hall, earlier, &mut found)?;
    found.things = things(&hall)?;
    if let Some(leaves) = leaves {
        found.doubled += found.things - leaves.min(found.things);
        found.lost += leaves - leaves.min(found.things);
        if found.things != leaves {
            found.faults.push(format!("{} versions, documents and receipts instead of {leaves}", found.things));
        }
    }
    contents(&hall, expected, &log, &mut found)?;
    Ok(found)
}

/// The log of records as it stands at the sites.
struct Records {
    entries: Vec<Commitment>,
}

impl Records {
    /// Recomputes both logs at every site, and proves every leaf.
    fn open(installation: &Installation, hall: &Hall, earlier: &[Vec<u8>], found: &mut Found) -> Result<Self, Failure> {
        let mut entries = Vec::new();
        for site in 0..3 {
            for log in Log::ALL {
                let folder = installation.site(site).join("log").join(log.name());
                let Ok(note) = std::fs::read(folder.join("checkpoint")) else { continue };
                let head = SignedCheckpoint::open(&note, &[hall.store().verifier_key(log)])?.checkpoint;
                let source = Folder(folder);
                if let Err(error) = ledger::audit(&head, &source) {
                    found.log_fault(&format!("log {} at site {site}", log.name()), &error);
                    continue;
                }
                if log == Log::Records && site == 0 {
                    entries = read_entries(&source, head.size)?;
                    prove_all(&entries, &head, &source, found);
                    compare_earlier(hall, earlier, &head, &source, found);
                }
            }
        }
        Ok(Self { entries })
    }
}

fn read_entries(source: &Folder, size: u64) -> Result<Vec<Commitment>, Failure> {
    let mut entries = Vec::new();
    let width = u64::from(TILE_WIDTH);
    for index in 0..size.div_ceil(width) {
        let here = u16::try_from((size - index * width).min(width)).expect("a bundle has at most 256 entries");
        for entry in decode_bundle(&source.entry_bundle(index, here)?, here)? {
            entries.push(Commitment::try_from(entry)?);
        }
    }
    Ok(entries)
}

fn prove_all(entries: &[Commitment], head: &ledger::Checkpoint, source: &Folder, found: &mut Found) {
    for (index, entry) in (0..).zip(entries) {
        let proved = inclusion_proof(index, head.size, source)
            .and_then(|hashes| verify_inclusion(&leaf_hash(entry), index, head.size, &head.root, &hashes));
        match proved {
            Ok(()) => found.leaves += 1,
            Err(error) => found.log_fault(&format!("leaf {index}"), &error),
        }
    }
}

fn compare_earlier(hall: &Hall, earlier: &[Vec<u8>], head: &ledger::Checkpoint, source: &Folder, found: &mut Found) {
    for note in earlier {
        let checked = SignedCheckpoint::open(note, &[hall.store().verifier_key(Log::Records)]).and_then(|old| {
            let old = old.checkpoint;
            let proof = consistency_proof(old.size, head.size, source)?;
            verify_consistency(old.size, &old.root, head.size, &head.root, &proof)
        });
        match checked {
            Ok(()) => found.checkpoints += 1,
            Err(error) => found.log_fault("a checkpoint seen at a kill", &error),
        }
    }
}

/// Reads everything of everybody, and compares.
fn contents(hall: &Hall, expected: &Expected, log: &Records, found: &mut Found) -> Result<(), Failure> {
    let mut lines = expected.lines.clone();
    let mut documents = expected.documents.clone();
    let mut used = BTreeSet::new();
    for person in &expected.people {
        let permit = own_permit(hall, person, Action::ReadRecord)?;
        for version in versions(hall, &permit)? {
            let key = (version.key.resource_type.clone(), version.source_id.expose().clone());
            let sha256 = base::sha256(version.bytes.expose());
            let known = lines.get_mut(&key);
            let place = known.as_ref().and_then(|left| left.iter().position(|line| *line == sha256));
            match known.zip(place) {
                Some((left, place)) => drop(left.remove(place)),
                None => {
                    found.doubled += 1;
                    found.faults.push(format!("a {} that is not in the bag, or is there twice", key.0));
                }
            }
            check_leaf(&version, &sha256, log, &mut used, found);
        }
        read_documents(hall, person, &mut documents, found)?;
    }
    // What belongs to the institution and to no patient is counted with the leaves.
    lines.retain(|(kind, _), left| !left.is_empty() && is_of_patients(kind));
    let lost: u64 = lines.values().map(|left| left.len() as u64).sum::<u64>() + documents.len() as u64;
    if lost > 0 {
        found.lost += lost;
        found.faults.push(format!("{lost} resources or documents are missing"));
    }
    Ok(())
}

fn is_of_patients(kind: &str) -> bool {
    !matches!(
        kind,
        "Organization" | "Practitioner" | "PractitionerRole" | "Location" | "HealthcareService" | "Medication"
    )
}

/// All versions of all resources of a person.
fn versions(hall: &Hall, permit: &Permit) -> Result<Vec<Version>, Failure> {
    let mut query = Query { limit: PAGE_MAX, ..Query::default() };
    let mut found = Vec::new();
    loop {
        let page = hall.store().search(permit, &query)?;
        let (single, amended): (Vec<_>, Vec<_>) = page.heads.into_iter().partition(|head| head.version == 1);
        let keys: Vec<ResourceKey> = single.into_iter().map(|head| head.key).collect();
        found.extend(hall.store().read(permit, &keys)?);
        for head in amended {
            found.extend(hall.store().history(permit, &head.key)?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

fn check_leaf(version: &Version, sha256: &Sha256, log: &Records, used: &mut BTreeSet<u64>, found: &mut Found) {
    let content = version_content(&version.key, version.version, sha256);
    let entry = version.leaf.and_then(|index| log.entries.get(usize::try_from(index).ok()?));
    match (version.leaf, entry) {
        (Some(index), Some(entry)) if opens(entry, version.salt.expose(), EntryKind::Resource, &content) => {
            if !used.insert(index) {
                found.doubled += 1;
                found.faults.push(format!("leaf {index} stands for two versions"));
            }
        }
        (index, _) => found.log_fault("a version without its leaf", &format!("{index:?}")),
    }
}

fn read_documents(
    hall: &Hall,
    person: &Person,
    documents: &mut BTreeMap<String, Sha256>,
    found: &mut Found,
) -> Result<(), Failure> {
    let permit = own_permit(hall, person, Action::ReadDocument)?;
    let patients = hall.store().facts(permit.actor().account)?.patients;
    let mut read = Vec::new();
    for (path, sha256) in documents.iter() {
        for own in &patients {
            let object = hall.archive.document_object(Owner::Patient(own.patient), path)?;
            if let Some(object) = object {
                let bytes = hall.store().object(&permit, object)?.bytes;
                if base::sha256(&bytes) != *sha256 {
                    found.lost += 1;
                    found.faults.push("a document has other bytes".to_owned());
                }
                read.push(path.clone());
            }
        }
    }
    for path in read {
        documents.remove(&path);
    }
    Ok(())
}
