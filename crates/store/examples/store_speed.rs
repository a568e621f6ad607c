//! Measures the write path alone: resources a second that are prepared, accepted and sealed, and milliseconds for a leaf that
//! is sealed at once. Folders as sites, on one disk. Not a bar of the project; the benches have those.
//!
//! `cargo run -p store --example store_speed [RESOURCES] [FOLDER]`
//!
//! Resources come patient by patient, as in a bag; with the variable `SCATTERED` set each comes from another patient, which is
//! the worst order for an index whose first column is the patient.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::limits::Limits;
use base::{Id16, Random, SystemClock, SystemRandom};
use ledger::EntryKind;
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use store::{IndexRow, NewVersion, OpenStore, Prepared, Store, StoreConfig};
use vault::{ClassName, FileKeyProvider, KeyStoreConfig, KeyStores, SiteConfig, Sites};

const BATCH: usize = 500;
const PATIENTS: usize = 1_000;
const RESOURCES_A_PATIENT: usize = 50;
const BODY_BYTES: usize = 1_200;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let resources: usize = arguments.next().map_or(50_000, |text| text.parse().expect("a number of resources"));
    let folder = arguments.next().map_or_else(|| tempfile::tempdir().expect("a folder").keep(), PathBuf::from);
    let store = open(&folder);
    let code = InstitutionCode::new("11100001").expect("a code");
    let deposit = permit(Role::Depositor, Action::Deposit, Target::Institution(code.clone()), &code);

    let start = Instant::now();
    for from in (0..resources).step_by(BATCH) {
        std::hint::black_box(batch(&store, &deposit, &code, 1_000_000_000 + from));
    }
    report("prepare, one thread", resources, start);

    let (mut last, mut writing) = (None, Duration::ZERO);
    let start = Instant::now();
    for from in (0..resources).step_by(BATCH) {
        let versions = batch(&store, &deposit, &code, from);
        let begun = Instant::now();
        last = Some(store.write(&deposit, versions, vec![], None).expect("written").ticket);
        writing += begun.elapsed();
    }
    println!("write (accepted, one caller): {:.0} resources/s", resources as f64 / writing.as_secs_f64());
    store.wait_sealed(last.expect("something was written"), Duration::from_secs(600)).expect("sealed");
    report("prepare + write + sealed", resources, start);

    let start = Instant::now();
    let tickets: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (store, code, deposit) = (&store, &code, &deposit);
                scope.spawn(move || {
                    let mut ticket = None;
                    for from in (0..resources / 2).step_by(BATCH) {
                        let versions = batch(store, deposit, code, (worker + 1) * 100_000_000 + from);
                        ticket = Some(store.write(deposit, versions, vec![], None).expect("written").ticket);
                    }
                    ticket
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    report("prepare + write, two workers", resources, start);
    for ticket in tickets {
        store.wait_sealed(ticket, Duration::from_secs(600)).expect("sealed");
    }
    report("… and sealed", resources, start);

    let start = Instant::now();
    for from in (0..resources).step_by(BATCH) {
        let versions = batch(&store, &deposit, &code, from);
        store.write(&deposit, versions, vec![], None).expect("written");
    }
    report("the same again", resources, start);
    leaves_and_reads(&store, &code);
    println!("peak memory {}", peak_memory());
    println!("folder {}", folder.display());
}

fn leaves_and_reads(store: &Store, code: &InstitutionCode) {
    let owner = patient("p1");
    let issue = permit(Role::Patient, Action::Issue, Target::Person(Id16([7; 16])), code);
    let mut times = Vec::new();
    for round in 0..50_u32 {
        let start = Instant::now();
        store.commit_leaf(&issue, EntryKind::Issued, owner, &round.to_be_bytes()).expect("sealed");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("commit_leaf: median {:?}, slowest {:?}", times[times.len() / 2], times[times.len() - 1]);
    let deposit = permit(Role::Depositor, Action::Deposit, Target::Institution(code.clone()), code);
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let deposits = scope.spawn(|| {
            let mut from = 1_000_000_000;
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                store.write(&deposit, batch(store, &deposit, code, from), vec![], None).expect("written");
                from += BATCH;
            }
        });
        let mut times = Vec::new();
        for round in 0..30_u32 {
            let start = Instant::now();
            store.commit_leaf(&issue, EntryKind::Issued, owner, &round.to_be_bytes()).expect("sealed");
            times.push(start.elapsed());
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
        deposits.join().expect("it does not panic");
        times.sort_unstable();
        println!(
            "commit_leaf beside a deposit: median {:?}, slowest {:?}",
            times[times.len() / 2],
            times[times.len() - 1]
        );
    });
    let read = permit(Role::Patient, Action::ReadRecord, Target::Person(Id16([7; 16])), code);
    let own = (0..).filter(|number| patient_of(*number) == 1).take(30);
    let keys: Vec<_> = own.map(|n| store.ids().key(owner, code, "Observation", &format!("o{n}"))).collect();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(store.read(&read, &keys).expect("read").len(), 30);
    }
    println!("read of 30 resources, journal included: {:?}", start.elapsed() / 100);
    let start = Instant::now();
    for index in 0..1_000 {
        store.proof(store::Log::Records, index * 17 % 10_000).expect("a proof");
    }
    println!("proof: {:?}", start.elapsed() / 1_000);
}

fn report(what: &str, resources: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} resources/s ({seconds:.2} s)", resources as f64 / seconds);
}

fn patient_of(number: usize) -> usize {
    if std::env::var_os("SCATTERED").is_some() { number % PATIENTS } else { number / RESOURCES_A_PATIENT }
}

fn batch(store: &Store, deposit: &Permit, code: &InstitutionCode, from: usize) -> Vec<Prepared> {
    let class = ClassName::new("chart10").expect("a slug");
    let mut prepared = Vec::with_capacity(BATCH);
    for number in from..from + BATCH {
        let source_id = format!("o{number}");
        let owner = patient(&format!("p{}", patient_of(number)));
        let mut bytes = format!(r#"{{"resourceType":"Observation","id":"{source_id}","text":""#).into_bytes();
        bytes.resize(BODY_BYTES, b'x');
        let token = |param, system: &str, code: &str| IndexRow::Token {
            param,
            system: system.to_owned(),
            code: code.to_owned(),
        };
        let index = vec![
            token("code", "http://loinc.org", "718-7"),
            token("identifier", "urn:chart", &source_id),
            IndexRow::Date { param: "date", low_us: number as i64, high_us: number as i64 + 1 },
            IndexRow::Reference { param: "encounter", target_type: "Encounter".to_owned(), target: source_id.clone() },
        ];
        let new = NewVersion {
            owner,
            institution: code,
            resource_type: "Observation",
            source_id: &source_id,
            class: &class,
            expiry_year: 2035,
            bytes: &bytes,
            date: base::Timestamp::from_second(number as i64 % 1_000_000_000).ok(),
            encounter: None,
            index,
            edition: store::Edition::default(),
        };
        prepared.push(store.prepare(deposit, new).expect("prepared"));
    }
    prepared
}

fn open(folder: &Path) -> Store {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let sites: Vec<_> = ["a", "b", "c"]
        .map(|name| SiteConfig { name: format!("site-{name}"), folder: folder.join(format!("site-{name}")) })
        .into();
    let keys: Vec<_> = ["a", "b", "c"]
        .map(|name| KeyStoreConfig { name: format!("keys-{name}"), folder: folder.join(format!("keys-{name}")) })
        .into();
    let root = folder.join("root.key");
    if !root.exists() {
        FileKeyProvider::create(&root, Arc::clone(&random)).expect("a key file");
        Sites::create(&sites).expect("sites");
        KeyStores::create(&keys).expect("key stores");
    }
    Store::create(OpenStore {
        folder: folder.join("data"),
        sites: Sites::open(sites, 2).expect("sites"),
        key_provider: Arc::new(FileKeyProvider::open(&root, Arc::clone(&random)).expect("the key file")),
        key_stores: KeyStores::open(keys, 2).expect("key stores"),
        origin: "hanmaru.example".to_owned(),
        clock: Arc::new(SystemClock::new()),
        random,
        limits: Limits::default(),
        config: StoreConfig::default(),
        witnessing: None,
    })
    .expect("the store opens")
}

fn patient(name: &str) -> Owner {
    Owner::Patient(Id16::derived(&["patient", name]))
}

fn permit(role: Role, action: Action, target: Target, code: &InstitutionCode) -> Permit {
    let account = Id16([7; 16]);
    let (purpose, assurance) = match role {
        Role::Depositor => (Purpose::Custody { deposit: account }, Assurance::One),
        _ => (Purpose::OwnRecords, Assurance::Two),
    };
    let own = OwnPatient { patient: patient("p1").id(), institution: code.clone() };
    let facts = Facts {
        epoch: 1,
        person: Some(account),
        patients: vec![own],
        deposits_for: Some(code.clone()),
        ..Facts::default()
    };
    let actor = Actor { account, role, assurance, name: "speed".to_owned().into(), source: "local".to_owned().into() };
    let request = Request { actor, action, target, purpose };
    match Door::standard().expect("the door").decide(&request, &facts, &SystemRandom) {
        Decision::Permit(permit) => permit,
        Decision::Denial(denial) => panic!("denied: {}", denial.explanation),
    }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |text| text.trim().to_owned())
}
