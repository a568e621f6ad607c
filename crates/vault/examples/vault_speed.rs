//! Figures of the vault on this machine: sealing, opening, finding keys, packs to three folders against a plain synced
//! write of the same bytes. Run with `cargo run -p vault --example vault_speed [FOLDER]`. Not a test: nothing fails.

use base::{Id16, SystemRandom};
use policy::{
    Action, Actor, Assurance, Decision, Door, Facts, InstitutionCode, OwnPatient, Owner, Permit, Purpose, Request,
    Role, Target,
};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vault::{
    Bytes, ClassName, FileKeyProvider, FrameHead, FrameKind, GroupName, KeyStoreConfig, KeyStores, Keyring,
    MemoryIndex, PackBuilder, SiteConfig, Sites, open_frame, seal,
};

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("hanmaru-vault-speed");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("a folder to work in");
    frames_and_keys(&folder);
    packs(&folder);
    drop(fs::remove_dir_all(&folder));
}

fn patient(name: &str) -> Owner {
    Owner::Patient(Id16::derived(&["patient", name]))
}

fn frames_and_keys(folder: &Path) {
    let random = Arc::new(SystemRandom);
    let configs: Vec<_> =
        ["k1", "k2", "k3"].map(|name| KeyStoreConfig { name: name.into(), folder: folder.join(name) }).into();
    KeyStores::create(&configs).expect("made");
    let root = FileKeyProvider::create(&folder.join("root.key"), random.clone()).expect("made");
    let stores = KeyStores::open(configs, 2).expect("opened");
    let ring = Keyring::open(Arc::new(root), stores, Arc::new(MemoryIndex::default()), random.clone()).expect("opened");
    let institution = InstitutionCode::new("11100001").expect("a code");
    let (deposit, owner) = (permit(&institution, None), patient("1"));
    let name = |owner| GroupName {
        owner,
        institution: institution.clone(),
        class: ClassName::new("chart").expect("a slug"),
        expiry_year: 2035,
    };
    let began = Instant::now();
    for number in 0..5_000 {
        ring.group(&deposit, &name(patient(&number.to_string()))).expect("made");
    }
    each("new patient and group key", began.elapsed(), 5_000);
    let began = Instant::now();
    let new = ring.persist_new().expect("durable");
    println!("{} keys durable in {:.1} ms", new.keys().len(), began.elapsed().as_secs_f64() * 1e3);
    let group = name(owner);
    let began = Instant::now();
    for _ in 0..100_000 {
        ring.group(&deposit, &group).expect("there");
    }
    each("group key again", began.elapsed(), 100_000);
    let key = ring.group(&deposit, &group).expect("there");
    let object = Id16::derived(&["object"]);
    let head = FrameHead { kind: FrameKind::Resource, object, version: 1, chunk: 0, last: true, owner };
    let read = permit(&institution, Some(owner));
    for (bytes, rounds) in [(1 << 10, 100_000), (4 << 20, 50)] {
        let body = vec![7; bytes];
        let began = Instant::now();
        for _ in 0..rounds {
            seal(&key, &head, &body, &*random).expect("sealed");
        }
        each(&format!("seal {bytes} bytes"), began.elapsed(), rounds);
        let frame = seal(&key, &head, &body, &*random).expect("sealed");
        let began = Instant::now();
        for _ in 0..rounds {
            open_frame(&read, &ring, &frame).expect("opened");
        }
        each(&format!("open {bytes} bytes"), began.elapsed(), rounds);
    }
}

fn packs(folder: &Path) {
    const ROUNDS: u32 = 12;
    let configs: Vec<_> =
        ["a", "b", "c"].map(|name| SiteConfig { name: name.into(), folder: folder.join(name) }).into();
    Sites::create(&configs).expect("made");
    let sites = Sites::open(configs, 2).expect("opened");
    assert!(sites.settle(Duration::from_secs(10)));
    let seal_job = permit_of(Role::Job, Action::Seal, Target::Installation, Purpose::Operation, &Facts::default());
    let frame = vec![7; 64 << 10];
    let began = Instant::now();
    let packs: Vec<_> = (0..ROUNDS)
        .map(|number| {
            let mut builder = PackBuilder::with_capacity(9 << 20);
            builder.push(&number.to_be_bytes()).expect("fits");
            while builder.len() + frame.len() < 8 << 20 {
                builder.push(&frame).expect("fits");
            }
            builder.finish().expect("frames")
        })
        .collect();
    each("build an 8 MiB pack", began.elapsed(), ROUNDS);
    let began = Instant::now();
    for pack in &packs {
        sites.put_all(&seal_job, &[(pack.path.clone(), pack.bytes.clone())]).expect("placed");
    }
    each("8 MiB pack durable at two of three", began.elapsed(), ROUNDS);
    assert!(sites.settle(Duration::from_secs(60)));
    each("8 MiB pack durable at all three", began.elapsed(), ROUNDS);
    let began = Instant::now();
    for (number, pack) in packs.iter().enumerate() {
        std::thread::scope(|scope| {
            for site in ["a", "b", "c"] {
                scope.spawn(move || plain(&folder.join(site).join(format!("plain-{number}")), &pack.bytes));
            }
        });
    }
    each("the same as plain synced files", began.elapsed(), ROUNDS);
    sites.accept("t/checkpoint", &sites.looks(&seal_job, "t/checkpoint").expect("looked at"));
    let began = Instant::now();
    for round in 0..100 {
        let tiles: Vec<_> = (0..4).map(|tile| (format!("t/{round}/{tile}"), Bytes::from(vec![1; 8 << 10]))).collect();
        sites.put_all(&seal_job, &tiles).expect("placed");
        sites.replace(&seal_job, "t/checkpoint", Bytes::from(vec![2; 200])).expect("placed");
    }
    each("4 tiles and a checkpoint", began.elapsed(), 100);
}

fn plain(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("made");
    file.write_all(bytes).expect("written");
    file.sync_all().expect("synced");
}

fn each(what: &str, time: Duration, times: u32) {
    println!("{what}: {:.2} µs", time.as_secs_f64() * 1e6 / f64::from(times));
}

fn permit(institution: &InstitutionCode, owner: Option<Owner>) -> Permit {
    let person = Id16::derived(&["person"]);
    match owner {
        Some(owner) => {
            let patients = vec![OwnPatient { patient: owner.id(), institution: institution.clone() }];
            let facts = Facts { person: Some(person), patients, ..Facts::default() };
            permit_of(Role::Patient, Action::ReadRecord, Target::Person(person), Purpose::OwnRecords, &facts)
        }
        None => {
            let facts = Facts { deposits_for: Some(institution.clone()), ..Facts::default() };
            let purpose = Purpose::Custody { deposit: person };
            permit_of(Role::Depositor, Action::Deposit, Target::Institution(institution.clone()), purpose, &facts)
        }
    }
}

fn permit_of(role: Role, action: Action, target: Target, purpose: Purpose, facts: &Facts) -> Permit {
    let (name, source) = ("speed".to_owned().into(), "local".to_owned().into());
    let actor = Actor { account: Id16::default(), role, assurance: Assurance::Two, name, source };
    let request = Request { actor, action, target, purpose };
    match Door::standard().expect("valid policies").decide(&request, facts, &SystemRandom) {
        Decision::Permit(permit) => permit,
        Decision::Denial(denial) => panic!("{denial:?}"),
    }
}
