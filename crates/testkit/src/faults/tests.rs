//! A small driver over the fault layer: its outcomes are the same again for the same seed, and what was acknowledged is there.

use super::*;
use std::time::Duration;
use store::{Log, Store, Written, seams};

const SOON: Duration = Duration::from_secs(20);
const NOT_NOW: Duration = Duration::from_millis(600);

fn write(store: &Store, id: &str) -> Result<Written, String> {
    work::write(store, id, "one")
}

fn is_there(store: &Store, id: &str) -> bool {
    let permit = work::reader(store).expect("a permit");
    store.read(&permit, &[work::key(id)]).expect("it can be read").len() == 1
}

/// Drives a plan; gives what came of each step, and what was acknowledged.
fn drive(house: &mut FaultyHouse) -> (Vec<String>, Vec<String>) {
    let (plan, draws) = (house.plan().clone(), Draws::new(house.plan().seed, "work"));
    let (mut trace, mut acknowledged) = (Vec::new(), Vec::new());
    for step in 0..plan.steps {
        let due = house.before(step);
        let (id, waits) = (format!("c{step}"), draws.below(2) == 0);
        let mut outcomes = Vec::new();
        if due.contains(&What::Overtake) {
            let other = format!("c{step}-other");
            if let Some((one, two)) = house.overtaken(|first| write(first, &id), |second| write(second, &other)) {
                outcomes.extend([(id, one.is_ok()), (other, two.is_ok())]);
            }
        } else if let Some(store) = house.store() {
            let written = write(store, &id);
            outcomes.push((id, written.is_ok()));
            if let (Ok(written), true) = (written, waits) {
                let sealed = store.wait_sealed(written.ticket, NOT_NOW).is_ok();
                trace.push(format!("{step}: sealed {sealed}"));
            }
        }
        house.after();
        for (id, taken) in outcomes {
            trace.push(format!("{step}: {id} {taken}"));
            acknowledged.extend(taken.then_some(id));
        }
    }
    (trace, acknowledged)
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
fn a_seed_does_the_same_again_and_loses_nothing() {
    let mut writes = 0;
    for seed in 0..6 {
        let mut run = || {
            let mut house = FaultyHouse::new(FaultPlan::from_seed(seed));
            let (trace, acknowledged) = drive(&mut house);
            settle(&mut house, &acknowledged);
            writes += acknowledged.len();
            trace
        };
        let runs: [Vec<String>; 2] = [(); 2].map(|()| run());
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
    assert!(writes > 60, "the faults leave room for work: {writes}");
}

#[test]
#[ignore = "takes minutes"]
fn many_seeds_lose_nothing() {
    for seed in 100..160 {
        let mut house = FaultyHouse::new(FaultPlan::from_seed(seed));
        let (_, acknowledged) = drive(&mut house);
        settle(&mut house, &acknowledged);
    }
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

/// Runs seeds on two threads; gives what all of them promised and kept.
fn run_seeds(seeds: std::ops::Range<u64>) -> history::Verdict {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let sum = std::sync::Mutex::new(history::Verdict::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let (history, verdict) = history::run_seed(seed).unwrap_or_else(|fault| panic!("{fault}"));
                    assert!(verdict.is_kept(), "{}: {verdict:?}; {:?}", FaultPlan::from_seed(seed), history.trace);
                    *sum.lock().expect("nobody panicked") += verdict;
                }
            });
        }
    });
    sum.into_inner().expect("nobody panicked")
}

#[test]
fn what_was_promised_under_faults_is_kept() {
    let sum = run_seeds(1_000..1_040);
    assert!(sum.promises > 200, "the faults leave room for work: {sum:?}");
    println!("40 seeds: {sum:?}");
}

#[test]
#[ignore = "takes minutes"]
fn what_was_promised_under_three_hundred_plans_is_kept() {
    println!("300 seeds: {:?}", run_seeds(1_000..1_300));
}

#[test]
fn a_promise_that_is_broken_is_told() {
    let mut house = FaultyHouse::new(FaultPlan::calm(1, 2));
    let mut history = super::work::Work::drive(&mut house);
    let never = history::Promise::Write("never".to_owned(), "written".to_owned());
    history.promises.push(never);
    history.checkpoints.push((1, ledger::EMPTY_ROOT));
    let verdict = history.check(&mut house).expect("it can be looked up");
    assert_eq!((verdict.lost, verdict.forks), (1, 1), "{verdict:?}");
}

#[test]
#[ignore = "takes most of an hour"]
fn what_was_promised_under_three_thousand_plans_is_kept() {
    println!("3,000 seeds: {:?}", run_seeds(10_000..13_000));
}
