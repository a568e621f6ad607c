//! A small driver over the fault layer: its outcomes are the same again for the same seed, and what was acknowledged is there.

use super::*;
use base::Id16;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Log, Store, Written, seams};

const SOON: Duration = Duration::from_secs(20);

fn write(store: &Store, id: &str) -> Result<Written, String> {
    work::write(store, id, "one")
}

fn is_there(store: &Store, id: &str) -> bool {
    let permit = work::reader(store).expect("a permit");
    store.read(&permit, &[work::key(store, id)]).expect("it can be read").len() == 1
}

fn settle(house: &mut FaultyHouse, acknowledged: &[String]) {
    let plan = house.plan().to_string();
    let store = house.heal().clone();
    let last = write(&store, "last").expect("nothing is wrong any more");
    let sealed = store.wait_sealed(last.ticket, SOON).unwrap_or_else(|error| panic!("{plan}: {error}"));
    for id in acknowledged {
        assert!(is_there(&store, id), "{plan}: {id} was acknowledged");
    }
    assert!(sealed.records_size > acknowledged.len() as u64, "{plan}: each has a leaf, and rows have theirs");
}

#[test]
fn a_seed_does_the_same_again() {
    let [one, other] = [(); 2].map(|()| run_seeds(0..12));
    assert_eq!(one.traces, other.traces);
    assert!(one.sum.promises > 60, "the faults leave room for work: {:?}", one.sum);
}

/// The size of the log under the checkpoints that two of three sites have; the third may be behind.
fn published_at_two(house: &FaultyHouse) -> u64 {
    let mut sizes = ["a", "b", "c"].map(|name| {
        let head = std::fs::read_to_string(house.path(&format!("sites/{name}/log/records/checkpoint")));
        head.ok().and_then(|head| head.lines().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    });
    sizes.sort_unstable();
    sizes[1]
}

#[test]
fn a_sequencer_stopped_past_its_lease_neither_forks_nor_sets_the_log_back() {
    for place in
        [seams::before_swap(Log::Records), seams::after_swap(Log::Records), seams::before_publish(Log::Records)]
    {
        let events = vec![Event { step: 1, what: What::Pause(place) }, Event { step: 5, what: What::Resume }];
        let mut house = FaultyHouse::new(FaultPlan { seed: 1, steps: 8, events });
        let mut sizes = Vec::new();
        for step in 0..8 {
            house.before(step);
            let store = house.store().expect("it opens");
            let written = write(store, &format!("c{step}")).expect("written");
            if step != 1 {
                sizes.push(store.wait_sealed(written.ticket, SOON).expect("sealed").records_size);
            }
            house.after();
            let size = published_at_two(&house);
            assert!(step == 1 || size >= *sizes.last().expect("one"), "{place}: {size} after {sizes:?}");
        }
        assert!(sizes.len() == 7 && sizes.is_sorted_by(|one, next| one < next), "{place}: {sizes:?}");
        settle(&mut house, &(0..8).map(|step| format!("c{step}")).collect::<Vec<_>>());
    }
}

#[test]
fn accesses_outlive_a_kill_at_each_step_of_their_sealing() {
    for place in plan::accesses() {
        let step = |step, what| Event { step, what };
        let events = vec![step(2, What::KillAt(place)), step(4, What::KillAt(place)), step(5, What::KillAt(place))];
        let mut house = FaultyHouse::new(FaultPlan { seed: 1, steps: 8, events });
        let history = work::Work::drive(&mut house);
        assert_eq!(house.killed_at(), [*place; 3]);
        let reads = history.promises.iter().filter(|promise| matches!(promise, history::Promise::Read(_))).count();
        assert!(reads >= 3, "{place}: {:?}", history.trace);
        let verdict = history.check(&mut house).unwrap_or_else(|fault| panic!("{place}: {fault}"));
        assert!(verdict.is_kept(), "{place}: {verdict:?}; {:?}", history.trace);
    }
}

#[test]
fn a_checkpoint_waits_for_its_quorum_and_nothing_else_waits_for_the_witness() {
    for mode in [WitnessMode::Fails, WitnessMode::Hangs] {
        let events = vec![
            Event { step: 1, what: What::Witness(mode) },
            Event { step: 2, what: What::Witness(WitnessMode::Well) },
        ];
        let mut house = FaultyHouse::new(FaultPlan { seed: 1, steps: 3, events });
        for step in 0..3 {
            house.before(step);
            let store = house.store().expect("open");
            let ticket = write(store, &format!("c{step}")).expect("written").ticket;
            let sealed = store.wait_sealed(ticket, SOON).expect("sealed whatever the witness does");
            // Nobody here seals by itself, and so nobody asks again by itself.
            let looks = if step == 1 { 5 } else { 400 };
            let is_witnessed = (0..looks).any(|_| {
                store.seal_soon(Log::Records);
                store.wait_witnessed(ticket, Duration::from_millis(50)).is_ok()
            });
            assert_eq!(is_witnessed, step != 1, "{mode:?}, step {step}");
            let cosigned = house.witness().cosigned();
            let holds = cosigned.iter().any(|(log, size, _)| log.contains("records") && *size >= sealed.records_size);
            assert_eq!(holds, step != 1, "{mode:?}, step {step}: {cosigned:?}");
            house.after();
        }
        settle(&mut house, &["c0".to_owned(), "c1".to_owned(), "c2".to_owned()]);
    }
}

#[test]
fn commits_in_another_order_are_sealed_once_each() {
    let mut house = FaultyHouse::new(FaultPlan::calm(3, 0));
    let (one, two) = house.overtaken(|store| write(store, "one"), |store| write(store, "two")).expect("two processes");
    let (one, two) = (one.expect("written"), two.expect("written"));
    assert!(two.ticket < one.ticket, "the second overtook the first");
    let store = house.store().expect("open");
    store.wait_sealed(one.ticket, SOON).expect("sealed");
    let database = rusqlite::Connection::open(house.path("data/hanmaru.db")).expect("the database");
    let sql = "SELECT count(DISTINCT position) FROM leaf WHERE kind = 1";
    assert_eq!(database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number"), 2);
    assert!(is_there(store, "one") && is_there(store, "two"));
}

#[test]
fn a_full_disk_refuses_and_forgets_nothing() {
    let events = vec![
        Event { step: 1, what: What::Disk(DiskMode::Full) },
        Event { step: 2, what: What::Disk(DiskMode::Well) },
        Event { step: 3, what: What::KeyStore(0, KeyMode::Full) },
        Event { step: 4, what: What::KeyStore(1, KeyMode::Full) },
    ];
    let mut house = FaultyHouse::new(FaultPlan { seed: 1, steps: 5, events });
    let taken: Vec<bool> = (0..5)
        .map(|step| {
            house.before(step);
            write(house.store().expect("open"), &format!("c{step}")).is_ok()
        })
        .collect();
    // The keys of this patient are there already, so full key stores are not in the way.
    assert_eq!(taken, [true, false, true, true, true]);
    settle(&mut house, &["c0".to_owned(), "c2".to_owned(), "c3".to_owned(), "c4".to_owned()]);
}

/// What came of several seeds.
#[derive(Default)]
struct Runs {
    sum: history::Verdict,
    traces: BTreeMap<u64, Vec<String>>,
}

/// Runs seeds side by side, since a run waits more than it works.
fn run_seeds(seeds: std::ops::Range<u64>) -> Runs {
    const SIDE_BY_SIDE: usize = 8;
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let runs = std::sync::Mutex::new(Runs::default());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let (history, verdict) = history::run_seed(seed).unwrap_or_else(|fault| panic!("{fault}"));
                    assert!(verdict.is_kept(), "{}: {verdict:?}; {:?}", FaultPlan::from_seed(seed), history.trace);
                    let mut runs = runs.lock().expect("nobody panicked");
                    runs.sum += verdict;
                    runs.traces.insert(seed, history.trace);
                }
            });
        }
    });
    runs.into_inner().expect("nobody panicked")
}

/// Runs seeds, and prints what came of them even where a test that passes is silent.
fn are_kept(seeds: std::ops::Range<u64>) {
    use std::io::Write as _;
    let count = seeds.end - seeds.start;
    let history::Verdict { promises, lost, doubled, forks } = run_seeds(seeds).sum;
    let said = format!("{count} fault seeds: {promises} promises, {lost} lost, {doubled} doubled, {forks} forks");
    drop(writeln!(std::io::stderr(), "{said}"));
    assert!(promises > 5 * count, "the faults leave room for work: {said}");
}

#[test]
fn what_was_promised_under_three_hundred_plans_is_kept() {
    are_kept(1_000..1_300);
}

#[test]
fn a_promise_that_is_broken_is_told() {
    let mut house = FaultyHouse::new(FaultPlan::calm(1, 2));
    let mut history = super::work::Work::drive(&mut house);
    let never = history::Promise::Write("never".to_owned(), "written".to_owned());
    history.promises.extend([never, history::Promise::Read(Id16([9; 16]))]);
    history.standing.insert(history::Standing::Right, vec![true.to_string()]);
    history.standing.insert(history::Standing::Amended, vec!["what was never said".to_owned()]);
    history.checkpoints.extend(Log::ALL.map(|log| (log, 1, ledger::EMPTY_ROOT)));
    let key = ledger::SignerKey::from_seed("another.example", &[1; 32]).expect("a good name");
    let head = ledger::Checkpoint::new("another.example", 1, ledger::EMPTY_ROOT).sign(&key).expect("its own key");
    history.witnessed.push((Log::Records, head));
    let verdict = history.check(&mut house).expect("it can be looked up");
    assert_eq!((verdict.lost, verdict.forks), (4, 3), "{verdict:?}");
}

#[test]
#[ignore = "takes half an hour"]
fn what_was_promised_under_three_thousand_plans_is_kept() {
    are_kept(10_000..13_000);
}
