//! A machine's clock that ran ahead and was set right: time waits for it until an operator says otherwise.

use std::sync::Arc;

use base::{Clock, Id16, ManualClock, Timestamp};
use policy::{Action, Facts, Permit, Role, Target};
use store::{Store, StoreConfig, StoreError};

use crate::support::{House, count, depositor, key, patient, permit, person, request, write_one};

const DAYS_S: i64 = 3 * 86_400;
const OPERATOR: Id16 = Id16([0xa; 16]);

fn operator(store: &Store, action: Action) -> Permit {
    let epoch = store.facts(OPERATOR).expect("facts").epoch;
    let facts = Facts { epoch, operator: true, ..Facts::default() };
    permit(&request(Role::Operator, OPERATOR, action, Target::Installation), &facts)
}

fn recorded(store: &Store, source_id: &str) -> Timestamp {
    let owner = patient("p1");
    let permit = person(store, Id16([7; 16]), &[owner], Action::ReadRecord);
    store.read(&permit, &[key(store, owner, "Condition", source_id)]).expect("read")[0].recorded
}

#[test]
fn time_goes_on_from_the_machines_clock_after_a_reset() {
    let noon = Timestamp::from_second(1_900_000_000).expect("a time");
    let clock = Arc::new(ManualClock::at(noon));
    let mut house = House::new();
    house.clock = Arc::<ManualClock>::clone(&clock);
    clock.advance(DAYS_S);
    write_one(&house.open(), patient("p1"), "Condition", "ahead", "x");
    clock.advance(-DAYS_S);

    // The operator's process seals nothing, so that nothing is stamped meanwhile.
    house.config = StoreConfig { sequencer: false, ..StoreConfig::default() };
    let store = house.open();
    assert_eq!(store.clock_behind_s(), 259_200);
    let serving = house.open();
    let error = store.alone().expect_err("somebody serves");
    assert!(matches!(error, StoreError::InUse { .. }) && error.to_string().contains("stop `hanmaru serve`"), "{error}");
    // What that one journalled and nobody has drained carries the time that ran ahead.
    let reader = person(&serving, Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
    serving.read(&reader, &[key(&serving, patient("p1"), "Condition", "ahead")]).expect("read");
    drop(serving);
    let alone = store.alone().expect("nobody else has it open");
    for wrong in [operator(&store, Action::ReadStatus), depositor(&store, Action::Deposit)] {
        assert!(matches!(store.reset_clock(&wrong, &alone), Err(StoreError::Action { .. })));
    }
    store.reset_clock(&operator(&store, Action::ResetClock), &alone).expect("reset");
    assert_eq!((store.clock_behind_s(), store.clock().now()), (0, noon));
    let journalled = format!("SELECT count(*) FROM access_entry WHERE subject = x'{}'", base::hex(&OPERATOR.0));
    assert_eq!(count(&house, &journalled), 1);
    drop((alone, store));

    clock.advance(10);
    house.config = StoreConfig::default();
    let store = house.open();
    assert_eq!(store.clock().now(), clock.now());
    write_one(&store, patient("p1"), "Condition", "after", "x");
    assert_eq!(recorded(&store, "after"), clock.now());
    assert_eq!(recorded(&store, "ahead").as_second(), noon.as_second() + DAYS_S, "what was recorded keeps its time");
    drop(store);
    assert_eq!(
        store::newest_time(&house.folder()).expect("read"),
        Some(clock.now()),
        "the floor rises again from there"
    );
    // And the reset does not make later jumps good.
    clock.advance(-5);
    assert_eq!(house.open().clock_behind_s(), 5);
}
