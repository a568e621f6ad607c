//! What was promised in a run, and whether it is kept at the end: each acknowledged write is there once, provable, and in the
//! state that was promised; each acknowledged read is in the log of accesses once, and provable; no checkpoint that was seen, or
//! that the witness cosigned, is forgotten or contradicted, and none was said to have a quorum that it lacks; and the whole can be made again from one site. Knows nothing of how a run went wrong.

use super::work::{self, Work};
use super::{FaultyHouse, PLACES};
use base::{Id16, SystemClock, SystemRandom};
use ledger::{BundleSource, Commitment, EntryKind, Hash, SignedCheckpoint, TileId, TileSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{AccessEntry, AccessResult, Log, LoggedAccess, Rebuild, Store, WaitingLeaf};
use vault::{FileKeyProvider, KeyStores, Sites};

/// How long the end of a run waits for its seal, where nothing is wrong any more.
const SOON: Duration = Duration::from_secs(30);

/// How long entries of accesses may be on their way from the journal of a process that ended.
const ENTRIES_SOON: Duration = Duration::from_secs(10);

/// What was said to be done.
#[derive(Debug, Clone)]
pub enum Promise {
    /// A resource by its id and text.
    Write(String, String),
    /// A row of a room's table, by its account.
    Row(Id16),
    /// An issued document: its content, and the leaf that stands for it.
    Leaf(Vec<u8>, WaitingLeaf),
    /// A read, one entry in the log of accesses: the decision that let it be.
    Read(Id16),
}

/// Something that is changed again and again: what stands at the end is what was acknowledged last, or what was tried after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The text of a resource that is amended.
    Amended,
    /// Whether an account has a right that is given and taken.
    Right,
}

impl Standing {
    /// What stands before anything was done: nothing, and no right.
    pub(super) fn at_first(self) -> Vec<String> {
        match self {
            Self::Amended => vec![String::new()],
            Self::Right => vec![false.to_string()],
        }
    }
}

/// All that was promised in a run, in its order.
#[derive(Debug, Default)]
pub struct History {
    /// What was acknowledged.
    pub promises: Vec<Promise>,
    /// What may stand at the end.
    pub standing: BTreeMap<Standing, Vec<String>>,
    /// Checkpoints of both logs that somebody was shown: size and root.
    pub checkpoints: Vec<(Log, u64, Hash)>,
    /// Checkpoints of which somebody was told that a quorum of witnesses cosigned them.
    pub witnessed: Vec<(Log, SignedCheckpoint)>,
    /// Which of the promises were said to be sealed, with the size of the log that they were said to be under.
    pub sealed: Vec<(usize, u64)>,
    /// What came of each step, in words: the same again for the same seed.
    pub trace: Vec<String>,
}

/// What a run showed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Promises that were looked up.
    pub promises: u64,
    /// Those that are not kept.
    pub lost: u64,
    /// Things that stand twice.
    pub doubled: u64,
    /// Checkpoints that the log contradicts.
    pub forks: u64,
}

impl Verdict {
    /// Whether everything is as promised.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.forks == 0
    }
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.promises += other.promises;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.forks += other.forks;
    }
}

impl History {
    /// Ends every fault and looks up every promise.
    ///
    /// # Errors
    /// Why it cannot be looked up at all: that is a fault as well.
    pub fn check(&self, house: &mut FaultyHouse) -> Result<Verdict, String> {
        let store = house.heal().clone();
        let last = work::write(&store, "last", "last")?;
        store.wait_sealed(last.ticket, SOON).map_err(text)?;
        store.wait_witnessed(last.ticket, SOON).map_err(text)?;
        let read = self.reads_in_the_log(&store)?;
        let mut verdict = Verdict { doubled: doubled(house)?, ..Verdict::default() };
        for (index, promise) in self.promises.iter().enumerate() {
            verdict.promises += 1;
            let under = self.sealed.iter().find(|(sealed, _)| *sealed == index).map_or(u64::MAX, |(_, size)| *size);
            let kept = match promise {
                Promise::Write(id, said) => version_is_kept(&store, id, said, under)?,
                Promise::Row(account) => row_is_there(house, *account)?,
                Promise::Leaf(content, leaf) => leaf_is_kept(&store, content, leaf, under)?,
                Promise::Read(decision) => {
                    let found = read.get(decision).copied().unwrap_or_default();
                    verdict.doubled += u64::from(found.entries > 1);
                    found.is_proved
                }
            };
            verdict.lost += u64::from(!kept);
        }
        for (what, may_be) in &self.standing {
            verdict.promises += 1;
            verdict.lost += u64::from(!may_be.contains(&work::standing(&store, *what)?));
        }
        verdict.forks = self.forks(house, &store)?;
        can_be_made_again(house, &store)?;
        drop(store);
        burns_while_it_seals(house)?;
        Ok(verdict)
    }

    /// The decisions on which somebody read, as the log of accesses has them. Another process's entries come into it within a moment,
    /// and are sealed within another.
    fn reads_in_the_log(&self, store: &Store) -> Result<BTreeMap<Id16, Found>, String> {
        let promised = self.promises.iter().filter_map(|promise| match promise {
            Promise::Read(decision) => Some(*decision),
            _ => None,
        });
        let promised: Vec<Id16> = promised.collect();
        let begun = Instant::now();
        loop {
            let found = reads(store)?;
            let are_proved = promised.iter().all(|decision| found.get(decision).is_some_and(|found| found.is_proved));
            if are_proved || begun.elapsed() > ENTRIES_SOON {
                return Ok(found);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many checkpoints that were seen, by the witness too, are no beginnings of the log as it stands, and how many were said to
    /// be witnessed and are not.
    fn forks(&self, house: &FaultyHouse, store: &Store) -> Result<u64, String> {
        let mut forks = 0;
        for log in Log::ALL {
            // The log of accesses may have nothing under a checkpoint yet.
            let size = match store.checkpoint(log).map_err(text)? {
                Some(head) => {
                    ledger::audit(&head.checkpoint, &at_sites(house, log)).map_err(text)?;
                    head.checkpoint.size
                }
                None => 0,
            };
            let shown = self.checkpoints.iter().filter(|(of, ..)| *of == log).map(|(_, seen, root)| (*seen, *root));
            let shown: BTreeSet<(u64, Hash)> = shown.collect();
            forks += shown.iter().filter(|(seen, _)| *seen > size).count() as u64;
            let origin = store.verifier_key(log).name().to_owned();
            // What it cosigned just now may be published in a moment; its tiles are at the sites.
            let cosigned = house.witness().cosigned().into_iter().filter(|(of, seen, _)| *of == origin && *seen > 0);
            let told: BTreeSet<(u64, Hash)> = cosigned.map(|(_, seen, root)| (seen, root)).chain(shown).collect();
            let contradicts =
                |(seen, root): &&(u64, Hash)| ledger::root_from_tiles(*seen, &at_sites(house, log)).ok() != Some(*root);
            forks += told.iter().filter(contradicts).count() as u64;
        }
        let trust = store.trust();
        let lacks = |(_, head): &&(Log, SignedCheckpoint)| trust.verify(&head.note).is_err();
        Ok(forks + self.witnessed.iter().filter(lacks).count() as u64)
    }
}

/// What the log of accesses has of one decision.
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    entries: u64,
    /// The last of them looked at stands under a checkpoint, as its proof shows.
    is_proved: bool,
}

/// Present with its words, under its leaf, and below the size of the log that was named where it was said to be sealed.
fn version_is_kept(store: &Store, id: &str, said: &str, under: u64) -> Result<bool, String> {
    let key = work::key(store, id);
    let Ok(versions) = store.history(&work::reader(store)?, &key) else { return Ok(false) };
    for version in versions {
        let bytes = version.bytes.expose();
        if *bytes != work::bytes(id, said) {
            continue;
        }
        let Some(place) = version.leaf else { return Ok(false) };
        let content = store::version_content(&key, version.version, &base::sha256(bytes));
        let leaf = ledger::commit(version.salt.expose(), EntryKind::Resource, &content);
        return Ok(place < under && is_proved(store, Log::Records, &leaf, place));
    }
    Ok(false)
}

/// The leaf of an issued document stands in the log, for its content and no other, and as the version is below what was named.
fn leaf_is_kept(store: &Store, content: &[u8], leaf: &WaitingLeaf, under: u64) -> Result<bool, String> {
    let Ok(sealed) = store.sealed_leaf(&work::issuer(store)?, EntryKind::Issued, content, leaf) else {
        return Ok(false);
    };
    let proved = sealed.proof.verify(&sealed.entry, &[store.verifier_key(Log::Records)]).is_ok();
    Ok(sealed.index < under && proved)
}

fn is_proved(store: &Store, log: Log, leaf: &Commitment, place: u64) -> bool {
    let proof = store.proof(log, place);
    proof.is_ok_and(|proof| proof.verify(leaf, &[store.verifier_key(log)]).is_ok())
}

fn database(house: &FaultyHouse) -> Result<rusqlite::Connection, String> {
    rusqlite::Connection::open(house.path("data/hanmaru.db")).map_err(text)
}

fn row_is_there(house: &FaultyHouse, account: Id16) -> Result<bool, String> {
    let sql = "SELECT count(*) FROM account WHERE account = ?";
    let count: i64 = database(house)?.query_row(sql, [account.0], |row| row.get(0)).map_err(text)?;
    Ok(count == 1)
}

/// The decisions on which somebody read, among the entries that are in the log of accesses now.
fn reads(store: &Store) -> Result<BTreeMap<Id16, Found>, String> {
    let permit = work::log_reader(store)?;
    let (mut found, mut page) = (BTreeMap::<Id16, Found>::new(), store::AccessPage::default());
    loop {
        let log = store.access_log(&permit, &page).map_err(text)?;
        let is_read = |entry: &AccessEntry| entry.action == "read-record" && entry.result == AccessResult::Granted;
        for LoggedAccess { entry, salt, leaf: place } in log.entries.iter().filter(|logged| is_read(&logged.entry)) {
            let leaf = ledger::commit(salt, EntryKind::Access, &entry.to_bytes());
            let of_decision = found.entry(entry.decision).or_default();
            of_decision.entries += 1;
            of_decision.is_proved = place.is_some_and(|place| is_proved(store, Log::Access, &leaf, place));
        }
        page.after = log.next;
        if page.after.is_none() {
            return Ok(found);
        }
    }
}

/// Places of the log with two things, things with two places, and resources that were written once and have two versions.
fn doubled(house: &FaultyHouse) -> Result<u64, String> {
    let database = database(house)?;
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(text);
    let places = count("SELECT count(*) - count(DISTINCT position) FROM leaf WHERE kind <> 3")?;
    let accesses = count("SELECT count(*) - count(DISTINCT position) FROM leaf WHERE kind = 3")?;
    let versions = count("SELECT count(*) - count(DISTINCT content) FROM resource_version")?;
    let entries = count("SELECT count(*) - count(DISTINCT id) FROM access_entry")?;
    Ok((places + accesses + versions + entries).unsigned_abs())
}

/// A new database from one site alone is equal to the one there is, or this says in which tables it is not.
fn can_be_made_again(house: &FaultyHouse, store: &Store) -> Result<(), String> {
    let sites = Sites::open(work::sites(&house.path("")), 2).map_err(text)?;
    settle(house, store, &sites)?;
    let there = fingerprint(store.fingerprint(&work::operator(store)?).map_err(text)?);
    let made = fingerprint(make_again(house, sites, (house.plan().seed % 3) as usize)?);
    let pairs = there.iter().map(|(table, there)| (table, there, made.get(table)));
    let other: Vec<_> = pairs.filter(|(_, there, made)| Some(*there) != *made).collect();
    if other.is_empty() { Ok(()) } else { Err(format!("made again from one site, these differ: {other:?}")) }
}

/// The database is lost while much of what it holds is not sealed yet: what is sealed makes an installation all the same.
fn burns_while_it_seals(house: &mut FaultyHouse) -> Result<(), String> {
    const WRITES: u32 = 6;
    house.cut_short(|store| {
        (0..WRITES).try_for_each(|number| work::write(store, &format!("burning{number}"), "one").map(drop))
    })?;
    let sql = "SELECT count(*) FROM outbox_records";
    let waiting: i64 = database(house)?.query_row(sql, [], |row| row.get(0)).map_err(text)?;
    if waiting == 0 {
        return Err("everything was sealed in one round".to_owned());
    }
    // The third may have older heads, and says so; of two logs, two of three have the newest each, and so one has both.
    let mut refused = Vec::new();
    for from in 0..PLACES {
        let sites = Sites::open(work::sites(&house.path("")), 2).map_err(text)?;
        if !sites.settle(SOON) {
            return Err("the sites do not come to rest".to_owned());
        }
        match make_again(house, sites, from) {
            Ok(_) => return Ok(()),
            // "site b has 7 leaves of the log records and this one 5": any other reason is a fault.
            Err(error) if error.contains(" and this one ") => refused.push(error),
            Err(error) => return Err(format!("lost while it sealed: {error}")),
        }
    }
    Err(format!("lost while it sealed: {}", refused.join("; ")))
}

/// Waits until nothing is on its way: entries of accesses from the journal into the database, everything from there into the logs,
/// and from site to site.
fn settle(house: &FaultyHouse, store: &Store, sites: &Sites) -> Result<(), String> {
    const LOOK: Duration = Duration::from_millis(20);
    let journal = house.path("data/journal");
    for _ in 0..SOON.as_millis() / LOOK.as_millis() {
        let mut names =
            std::fs::read_dir(&journal).map_err(text)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_empty = names.all(|name| !name.ends_with(".jrn"));
        if is_empty && store.health().waiting == [0, 0] && sites.settle(LOOK) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err("what was written does not come to rest".to_owned())
}

fn make_again(house: &FaultyHouse, all: Sites, from: usize) -> Result<store::Fingerprint, String> {
    let root = house.path("");
    let random: Arc<dyn base::Random> = Arc::new(SystemRandom);
    let from = work::sites(&root).swap_remove(from);
    let made = Rebuild {
        witnessing: None,
        without: store::Without::default(),
        folder: house.path("data"),
        from: Sites::open(vec![from], 1).map_err(text)?,
        all,
        key_provider: Arc::new(FileKeyProvider::open(&house.path("root.key"), Arc::clone(&random)).map_err(text)?),
        key_stores: KeyStores::open_as_they_are(work::key_stores(&root), 2).map_err(text)?,
        origin: super::house::ORIGIN.to_owned(),
        clock: Arc::new(SystemClock::new()),
        random,
        reindex: &|_, _, _, _| Ok(Vec::new()),
        drill: true,
    };
    Ok(made.run().map_err(text)?.fingerprint)
}

fn fingerprint(tables: store::Fingerprint) -> BTreeMap<String, (u64, String)> {
    tables.into_iter().map(|one| (one.table, (one.rows, one.digest))).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A log as its sites have it.
fn at_sites(house: &FaultyHouse, log: Log) -> Any {
    Any(["a", "b", "c"].map(|site| house.path(&format!("sites/{site}/log/{}", log.name()))))
}

/// Whichever site has it.
struct Any([PathBuf; 3]);

impl Any {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for site in &self.0 {
            match std::fs::read(site.join(path)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl TileSource for Any {
    type Error = std::io::Error;

    fn hash_tile(&self, id: &TileId) -> std::io::Result<Vec<u8>> {
        self.read(&ledger::tiles::path(id))
    }
}

impl BundleSource for Any {
    type Error = std::io::Error;

    fn entry_bundle(&self, index: u64, width: u16) -> std::io::Result<Vec<u8>> {
        self.read(&ledger::tiles::entries_path(index, width))
    }
}

/// Runs a seed and looks up what it promised.
///
/// # Errors
/// The plan, and what could not be looked up.
pub fn run_seed(seed: u64) -> Result<(History, Verdict), String> {
    let plan = super::FaultPlan::from_seed(seed);
    let said = plan.to_string();
    let mut house = FaultyHouse::new(plan);
    let history = Work::drive(&mut house);
    let verdict = history.check(&mut house).map_err(|fault| format!("{said}: {fault}"))?;
    Ok((history, verdict))
}
