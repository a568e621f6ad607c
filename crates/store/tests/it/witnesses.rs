//! Witnessing: quorums, witnesses that are away, slow or forgetful, answers that are lost, and databases that are older than what
//! a witness has seen. The witnesses here keep the real rules; only their network is made up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::witness::{AddCheckpoint, Refusal, WitnessHead, answer};
use ledger::{CosignerKey, PolicyWitness, TrustPolicy, VerifierKey};
use store::{Log, Store, StoreError, Ticket, Without, WitnessReply, WitnessTransport, Witnessing};

use crate::rebuild::{ALONE, lose_database, rebuild, rebuild_with, settled, until};
use crate::support::*;

/// How a witness behaves.
const UP: u8 = 0;
const DOWN: u8 = 1;
/// Answers long after nobody waits any more.
const SLOW: u8 = 2;
/// Judges and remembers, and its answer never arrives.
const MUTE: u8 = 3;
/// Answers with somebody else's signature.
const FALSE: u8 = 4;

struct Witness {
    key: CosignerKey,
    heads: Mutex<BTreeMap<String, WitnessHead>>,
    mode: AtomicU8,
}

struct Net {
    witnesses: Vec<Witness>,
    logs: Mutex<Vec<VerifierKey>>,
}

impl Net {
    fn new(count: u8) -> Arc<Self> {
        let witness = |seed: u8| Witness {
            key: CosignerKey::from_seed(&format!("w{seed}.test"), &[seed; 32]).expect("good name"),
            heads: Mutex::default(),
            mode: AtomicU8::new(UP),
        };
        Arc::new(Self { witnesses: (1..=count).map(witness).collect(), logs: Mutex::default() })
    }

    fn set(&self, modes: &[u8]) {
        for (witness, mode) in self.witnesses.iter().zip(modes) {
            witness.mode.store(*mode, Ordering::SeqCst);
        }
    }

    fn policy(&self, quorum: usize) -> TrustPolicy {
        let mut text = String::new();
        let mut names = String::new();
        for (place, witness) in self.witnesses.iter().enumerate() {
            text.push_str(&format!("witness W{place} {} https://w{place}.test\n", witness.key.witness().encode()));
            names.push_str(&format!(" W{place}"));
        }
        TrustPolicy::parse(format!("{text}group enough {quorum}{names}\nquorum enough\n").as_bytes()).expect("a policy")
    }

    fn held(&self, place: usize, log: &str) -> u64 {
        self.witnesses[place].heads.lock().expect("no holder panics").get(log).map_or(0, |head| head.size)
    }
}

impl WitnessTransport for Net {
    fn add_checkpoint(&self, to: &PolicyWitness, body: Vec<u8>) -> Result<WitnessReply, String> {
        let witness = self.witnesses.iter().find(|one| one.key.witness() == &to.key).expect("it is in the policy");
        let mode = witness.mode.load(Ordering::SeqCst);
        match mode {
            DOWN => return Err("it cannot be reached".to_owned()),
            SLOW => std::thread::sleep(Duration::from_secs(4)),
            _ => {}
        }
        let request = AddCheckpoint::parse(&body).expect("the store's own request");
        let logs = self.logs.lock().expect("no holder panics").clone();
        let judged = request.open(&logs).and_then(|signed| {
            let mut heads = witness.heads.lock().expect("no holder panics");
            let held = heads.entry(signed.checkpoint.origin.clone()).or_default();
            *held = request.judge(&signed.checkpoint, held)?;
            Ok(signed.checkpoint)
        });
        let refusal = |refusal: Refusal| WitnessReply { status: refusal.status(), body: refusal.body().into_bytes() };
        match (judged, mode) {
            (_, MUTE) => Err("its answer broke off".to_owned()),
            (Ok(checkpoint), FALSE) => {
                let stranger = CosignerKey::from_seed(witness.key.witness().name(), &[99; 32]).expect("good name");
                let signature = stranger.cosign(checkpoint.to_string().as_bytes(), 1_700_000_000);
                Ok(WitnessReply { status: 200, body: answer(&[signature]) })
            }
            (Ok(checkpoint), _) => {
                let signature = witness.key.cosign(checkpoint.to_string().as_bytes(), 1_700_000_000);
                Ok(WitnessReply { status: 200, body: answer(&[signature]) })
            }
            (Err(refused), _) => Ok(refusal(refused)),
        }
    }
}

/// A house whose logs two of three witnesses cosign.
fn witnessed_house() -> (House, Arc<Net>, TrustPolicy) {
    let net = Net::new(3);
    let mut house = House::new();
    let store = house.open();
    *net.logs.lock().expect("no holder panics") = Log::ALL.map(|log| store.verifier_key(log)).into();
    drop(store);
    house.witnessing = Some(Witnessing::new(net.policy(2), Arc::<Net>::clone(&net) as Arc<dyn WitnessTransport>));
    let trust = net.policy(2).with_logs(&net.logs.lock().expect("no holder panics"));
    (house, net, trust)
}

fn write_some(store: &Store, from: u64, count: u64) -> Ticket {
    let ids: Vec<String> = (from..from + count).map(|n| format!("o{n}")).collect();
    let list: Vec<(&str, &str, &str)> = ids.iter().map(|id| ("Observation", id.as_str(), "x 0")).collect();
    write(store, patient("p1"), &list).ticket
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

#[test]
fn a_checkpoint_at_the_sites_carries_a_quorum_though_one_witness_is_away() {
    let (house, net, trust) = witnessed_house();
    net.set(&[UP, DOWN, UP]);
    let store = house.open();
    for round in 0..4 {
        let ticket = write_some(&store, round * 300, 300);
        store.wait_sealed(ticket, PATIENCE).expect("sealed");
        // Rows of tables are entries too.
        let size = store.wait_witnessed(ticket, PATIENCE).expect("witnessed").records_size;
        assert!(size >= (round + 1) * 300, "{size}");
    }
    let note = std::fs::read(house.site("site-a").join("log/records/checkpoint")).expect("published");
    let found = trust.verify(&note).expect("a quorum has cosigned it");
    assert_eq!(found.cosignatures.iter().map(|one| one.witness.as_str()).collect::<Vec<_>>(), ["W0", "W2"]);
    let proof = store.proof(Log::Records, 77).expect("a proof");
    trust.verify(&proof.checkpoint_note).expect("proofs carry the cosignatures");
    let health = store.health();
    let witnessed = health.witnessed[0].clone().expect("there are witnesses");
    assert_eq!(witnessed.fault, None);
    assert!(witnessed.size >= 900, "{witnessed:?}");
    assert!(net.held(0, "hanmaru.test/records") >= 1_200);
    assert_eq!(net.held(1, "hanmaru.test/records"), 0);
    // One that comes back is brought up to date from where it stands.
    net.set(&[DOWN, UP, UP]);
    let ticket = write_some(&store, 1_200, 1);
    store.wait_witnessed(ticket, PATIENCE).expect("witnessed by the other two");
    // After a restart the cosignatures are still there, whoever is away then.
    net.set(&[DOWN, DOWN, DOWN]);
    drop(store);
    let store = house.open();
    let ticket = write_some(&store, 1_201, 1);
    let sealed = store.wait_sealed(ticket, PATIENCE).expect("sealed").records_size;
    let witnessed = store.witnessed(Log::Records).expect("read").expect("there are witnesses").size;
    assert!((1_201..sealed).contains(&witnessed), "{witnessed} of {sealed}");
    let under = store.proof(Log::Records, witnessed - 1).expect("a proof");
    trust.verify(&under.checkpoint_note).expect("under the witnessed head");
    let newest = store.proof(Log::Records, sealed - 1).expect("a proof");
    assert!(trust.verify(&newest.checkpoint_note).is_err(), "sealed, and not witnessed");
}

#[test]
fn without_a_quorum_writes_are_sealed_and_not_witnessed_until_it_is_back() {
    let (house, net, trust) = witnessed_house();
    net.set(&[UP, DOWN, FALSE]);
    let store = house.open();
    let ticket = write_some(&store, 0, 5);
    store.wait_sealed(ticket, PATIENCE).expect("sealed all the same");
    let error = store.wait_witnessed(ticket, Duration::from_millis(700)).expect_err("no quorum");
    assert!(matches!(error, StoreError::NotWitnessed { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("witness W1: it cannot be reached") && said.contains("witness W2: it answered without"),
        "{said}"
    );
    let witnessed = store.health().witnessed[0].clone().expect("there are witnesses");
    assert_eq!(witnessed.size, 0);
    assert!(witnessed.fault.is_some_and(|fault| fault.contains("W1")));
    // Nothing new is written, and it is witnessed as soon as one of them is back.
    net.set(&[UP, UP, FALSE]);
    store.wait_witnessed(ticket, PATIENCE).expect("witnessed");
    let is_replaced = |site: &&str| {
        let note = std::fs::read(house.site(site).join("log/records/checkpoint")).expect("published");
        trust.verify(&note).is_ok()
    };
    // The third may be a moment behind.
    assert!(["site-a", "site-b", "site-c"].into_iter().filter(is_replaced).count() >= 2, "the checkpoint at the sites");
    // What the database says follows a moment later.
    let begun = Instant::now();
    while store.health().witnessed[0].clone().expect("there are witnesses").fault.is_some() {
        assert!(begun.elapsed() < PATIENCE, "the fault is still told");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_slow_minority_delays_nobody() {
    let (house, net, _) = witnessed_house();
    let store = house.open();
    store.wait_witnessed(write_some(&store, 0, 1), PATIENCE).expect("witnessed");
    net.set(&[UP, SLOW, UP]);
    let begun = Instant::now();
    for round in 1..6 {
        store.wait_witnessed(write_some(&store, round, 1), PATIENCE).expect("witnessed");
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
}

#[test]
fn a_lost_answer_is_made_up_for() {
    let (house, net, _) = witnessed_house();
    let store = house.open();
    let before = store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed").records_size;
    // They remember the next head, and the store does not hear of it: so are they when killed between fsync and answer.
    net.set(&[MUTE, MUTE, MUTE]);
    let ticket = write_some(&store, 3, 4);
    store.wait_sealed(ticket, PATIENCE).expect("sealed");
    assert!(store.wait_witnessed(ticket, Duration::from_millis(300)).is_err());
    // One that was still busy with the head before is not asked.
    until(|| (0..3).any(|witness| net.held(witness, "hanmaru.test/records") > before));
    net.set(&[UP, UP, DOWN]);
    store.wait_witnessed(ticket, PATIENCE).expect("witnessed from where they stand");
    store.wait_witnessed(write_some(&store, 7, 1), PATIENCE).expect("and the log goes on");
}

#[test]
fn what_was_witnessed_is_witnessed_in_a_rebuilt_database_though_no_witness_answers() {
    let (house, net, trust) = witnessed_house();
    let store = house.open();
    let ticket = write(&store, patient("p1"), &[("Patient", "p", "김하늘 0"), ("Encounter", "e", "외래 1")]).ticket;
    let size = store.wait_witnessed(ticket, PATIENCE).expect("witnessed").records_size;
    drop(store);
    settled(&house);
    lose_database(&house);
    for up in [[DOWN, DOWN, DOWN], [DOWN, UP, DOWN]] {
        net.set(&up);
        let refused = rebuild(&house, "site-a", false).expect_err("two of them may have seen more").to_string();
        assert!(refused.contains("too few witnesses tell") && refused.contains("--without-witnesses"), "{refused}");
    }
    net.set(&[DOWN, DOWN, DOWN]);
    rebuild_with(&house, "site-a", false, NOBODY).expect("everything is there");
    let store = house.open();
    until(|| store.witnessed(Log::Records).expect("read").is_some_and(|witnessed| witnessed.size == size));
    let proof = store.proof(Log::Records, size - 1).expect("a proof");
    trust.verify(&proof.checkpoint_note).expect("with the cosignatures that the site had");
}

#[test]
fn an_older_copy_of_everything_is_not_signed_on() {
    let (house, net, _) = witnessed_house();
    let store = house.open();
    let old_size = store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed").records_size;
    drop(store);
    let old = house.root.with_extension("old");
    copy(&house.root, &old);
    let store = house.open();
    store.wait_witnessed(write_some(&store, 3, 3), PATIENCE).expect("witnessed");
    drop(store);
    // Database, sites and keys are restored from a backup: nothing here can tell, but the witnesses can.
    let mut restored = House::at(&old);
    restored.witnessing = house.witnessing.clone();
    let store = restored.open();
    let ticket = write_some(&store, 100, 1);
    let error = store.wait_sealed(ticket, PATIENCE).expect_err("refused");
    assert!(
        matches!(error, StoreError::WitnessAhead { witness_size, database_size, .. } if witness_size > database_size),
        "{error}"
    );
    assert_eq!(store.checkpoint(Log::Records).expect("read").expect("published before").checkpoint.size, old_size);
    drop(store);
    // Where the witnesses are away it seals, unwitnessed, and stops when they are back: beside what they hold, not behind.
    net.set(&[DOWN, DOWN, DOWN]);
    let store = restored.open();
    let ticket = write_some(&store, 101, 2);
    store.wait_sealed(ticket, PATIENCE).expect("sealed");
    net.set(&[DOWN, UP, DOWN]);
    let error = store.wait_witnessed(ticket, Duration::from_secs(3)).expect_err("another history");
    assert!(matches!(error, StoreError::WitnessAhead { .. }), "{error}");
    let stopped = store.wait_sealed(write_some(&store, 103, 1), PATIENCE).expect_err("nothing more is signed");
    assert!(matches!(stopped, StoreError::WitnessAhead { .. }), "{stopped}");
    drop(store);
    std::fs::remove_dir_all(&old).expect("the copy");
}

#[test]
fn nothing_is_rebuilt_behind_what_a_witness_has_seen() {
    let (house, net, _) = witnessed_house();
    let store = house.open();
    store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed");
    drop(store);
    settled(&house);
    let sites = ["site-a", "site-b", "site-c"];
    sites.iter().for_each(|site| copy(&house.site(site), &house.root.join(format!("{site}.old"))));
    // Two cosign what follows, and the third does not hear of it.
    net.set(&[UP, UP, DOWN]);
    let store = house.open();
    let size = store.wait_witnessed(write_some(&store, 3, 3), PATIENCE).expect("witnessed").records_size;
    drop(store);
    lose_database(&house);
    // Every site is set back, so none of them tells.
    for site in sites {
        std::fs::remove_dir_all(house.site(site)).expect("there");
        std::fs::rename(house.root.join(format!("{site}.old")), house.site(site)).expect("set back");
    }
    net.set(&[DOWN, DOWN, UP]);
    let refused = rebuild(&house, "site-b", false).expect_err("one who knows nothing is no quorum").to_string();
    assert!(refused.contains("too few witnesses tell"), "{refused}");
    net.set(&[UP, DOWN, UP]);
    let refused = rebuild(&house, "site-b", false).expect_err("a witness has seen more").to_string();
    assert!(refused.contains("has seen") && refused.contains("rebuild from that"), "{refused}");
    let refused = rebuild_with(&house, "site-b", false, NOBODY).expect_err("whatever the operator says").to_string();
    assert!(refused.contains("has seen"), "{refused}");
    assert!((0..3).any(|place| net.held(place, "hanmaru.test/records") >= size));
    assert!(!house.folder().join("hanmaru.db").exists());
    rebuild(&house, "site-b", true).expect("a drill makes no head");
}

/// Where too few witnesses answer.
const NOBODY: Without = Without { witnesses: true, sites: false };

#[test]
fn witnesses_do_not_make_up_for_sites_that_are_silent() {
    let (house, net, _) = witnessed_house();
    let store = house.open();
    store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed");
    drop(store);
    settled(&house);
    // What follows is sealed, at two sites, and no witness hears of it.
    net.set(&[DOWN, DOWN, DOWN]);
    house.hide_site("site-a");
    let store = house.open();
    store.wait_sealed(write_some(&store, 3, 3), PATIENCE).expect("sealed");
    drop(store);
    lose_database(&house);
    house.show_site("site-a");
    house.hide_site("site-b");
    house.hide_site("site-c");
    net.set(&[UP, UP, UP]);
    let refused = rebuild(&house, "site-a", false).expect_err("two sites are silent").to_string();
    assert!(refused.contains("--without-sites"), "{refused}");
    // It is for the operator to say that those two are lost.
    rebuild_with(&house, "site-a", false, ALONE).expect("everything that is left is there");
}

/// Takes two sites away when a head was swapped and its tiles are not written yet.
struct TakeAway {
    armed: AtomicBool,
    root: std::path::PathBuf,
}

impl base::Seam for TakeAway {
    fn at(&self, place: &'static str) -> std::io::Result<()> {
        if place == store::seams::after_swap(Log::Records) && self.armed.swap(false, Ordering::SeqCst) {
            for site in ["site-b", "site-c"] {
                std::fs::rename(self.root.join(site), self.root.join(format!("{site}.away")))?;
            }
        }
        Ok(())
    }
}

#[test]
fn no_witness_sees_a_head_whose_tiles_are_not_at_two_sites() {
    let (mut house, net, _) = witnessed_house();
    let seam = Arc::new(TakeAway { armed: AtomicBool::new(false), root: house.root.clone() });
    house.config.seams = base::Seams::with(Arc::<TakeAway>::clone(&seam) as Arc<dyn base::Seam>);
    let store = house.open();
    store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed");
    until(|| store.health().waiting[0] == 0);
    let before = net.held(0, "hanmaru.test/records");
    seam.armed.store(true, Ordering::SeqCst);
    let ticket = write_some(&store, 3, 3);
    store.wait_sealed(ticket, Duration::from_secs(2)).expect_err("one site has the tiles");
    assert!(!seam.armed.load(Ordering::SeqCst), "the head was swapped");
    assert!((0..3).all(|place| net.held(place, "hanmaru.test/records") <= before), "and shown to nobody");
    for site in ["site-b", "site-c"] {
        house.show_site(site);
    }
    store.wait_witnessed(ticket, PATIENCE).expect("witnessed once they are");
    assert!(net.held(0, "hanmaru.test/records") > before);
}

#[test]
fn a_new_database_under_old_keys_is_not_signed_for() {
    let (house, _net, _) = witnessed_house();
    let store = house.open();
    store.wait_witnessed(write_some(&store, 0, 3), PATIENCE).expect("witnessed");
    drop(store);
    std::fs::remove_dir_all(house.folder()).expect("the database is lost");
    for site in ["site-a", "site-b", "site-c"] {
        std::fs::remove_dir_all(house.site(site).join("log")).expect("and the logs at the sites");
    }
    let store = house.open();
    let error = store.wait_sealed(write_some(&store, 0, 1), PATIENCE).expect_err("refused");
    assert!(matches!(error, StoreError::WitnessAhead { witness_size: 3.., database_size: 0, .. }), "{error}");
    assert_eq!(store.checkpoint(Log::Records).expect("read"), None, "nothing was published");
}
