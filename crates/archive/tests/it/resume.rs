//! A deposit that ends early anywhere goes on, doubles nothing and loses nothing.

use crate::{generated, quiet};
use archive::Selection;
use policy::Action;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use testkit::World;

/// Thrown where a deposit is to end early.
struct Killed;

/// Runs a deposit until progress was told `after` times.
fn run_until(world: &World, bag: &std::path::Path, after: usize) -> bool {
    let mut told = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        world.archive().deposit(bag, &world.agency, &mut |_| {
            told += 1;
            if told > after {
                resume_unwind(Box::new(Killed));
            }
        })
    }));
    match result {
        Ok(finished) => {
            finished.expect("it finishes");
            true
        }
        Err(cause) if cause.is::<Killed>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

/// Everything that the people see: types, ids, versions and positions are as in a run without a break.
fn everything(world: &World) -> Vec<(String, String, u32)> {
    let mut all = Vec::new();
    for person in synth::people::read_people(&world.path("generated/people.json")).expect("people") {
        let permit = world.own_permit(&person, Action::ReadTimeline);
        let page = world.archive().select(&permit, &Selection::Whole).expect("listed");
        for key in page {
            let versions = world.store().history(&permit, &key).expect("read").len() as u32;
            all.push((key.resource_type, key.id.to_string(), versions));
        }
    }
    all.sort_unstable();
    all
}

#[test]
fn ended_at_every_step_and_begun_again_it_is_the_same() {
    let straight = World::new();
    let bag = generated(&straight, 3);
    let whole = straight.archive().deposit(&bag, &straight.agency, &mut quiet).expect("taken");
    let expected = everything(&straight);
    let size = leaves(&straight);

    let mut world = World::new();
    let bag = generated(&world, 3);
    let mut after = 0;
    let mut runs = 0;
    while !run_until(&world, &bag, after) {
        runs += 1;
        // Every other time the program itself ends too.
        if runs % 2 == 0 {
            world = world.reopened();
        }
        after += 1;
        assert!(runs < 200, "it comes to its end");
    }
    assert!(runs > 5, "it was ended {runs} times");
    assert_eq!(everything(&world), expected);
    let receipt = world.deposit(&bag).expect("known");
    assert!(receipt.again);
    assert_eq!(receipt.receipt.taken, whole.receipt.taken);
    assert_eq!(receipt.receipt.held_back, whole.receipt.held_back);
    assert_eq!(receipt.receipt.links, whole.receipt.links);
    let after = leaves(&world);
    // Only receipts that were sealed and not handed over may be more.
    assert!((size..=size + runs).contains(&after), "{size} leaves, then {after}");
}

/// Leaves of versions, documents and receipts. Those of changed rows depend on how many rounds there were.
fn leaves(world: &World) -> u64 {
    let permit = world.operator_permit(Action::ReadStatus);
    let tables = world.store().fingerprint(&permit).expect("a fingerprint");
    let kinds = ["resource_version", "object", "commitment"];
    tables.iter().filter(|one| kinds.contains(&one.table.as_str())).map(|one| one.rows).sum()
}
