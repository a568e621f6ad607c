//! What the watch makes of tables that others wrote: members of staff, and an access log out of which somebody deletes.

use crate::{Hours, Reader, Unknown, Watch};
use base::Id16;
use policy::{Action, InstitutionCode, Purpose, Request, Role, Target};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use store::Right;
use testkit::{World, person};

/// How long entries may take into the log.
const PATIENCE: Duration = Duration::from_secs(20);
const CLERK: Id16 = Id16([1; 16]);
const OFFICER: Id16 = Id16([2; 16]);
const LEFT: Id16 = Id16([3; 16]);

fn watch(world: &World) -> Watch {
    Watch::new(world.store().clone(), world.archive().shared_door()).expect("a watch")
}

/// The database as somebody sees it who has the file.
fn database(world: &World) -> Connection {
    Connection::open(world.path("data/hanmaru.db")).expect("the database")
}

fn number(world: &World, sql: &str) -> i64 {
    database(world).query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// Steps until every entry was looked at and looked through for holes; gives what was found.
fn found(world: &World, reader: &mut Reader) -> usize {
    let begun = Instant::now();
    let mut found = 0;
    while number(world, "SELECT hole_number FROM watch_position") < 4 {
        found += reader.step().expect("watched").findings;
        assert!(begun.elapsed() < PATIENCE, "the entries came into the log");
        std::thread::sleep(Duration::from_millis(5));
    }
    found + (0..30).map(|_| reader.step().expect("watched").findings).sum::<usize>()
}

#[test]
fn an_entry_that_is_deleted_after_it_was_looked_at_is_found_within_a_day() {
    let world = World::new();
    let who = person("윤도둑");
    world.agency.add(&who);
    for number in 1..=4 {
        let (actor, target) = (world.visitor(&who), Target::Patient(Id16([number; 16])));
        let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
        world.archive().ask(request).expect_err("another's");
    }
    let watch = watch(&world);
    let mut reader = watch.reader();
    assert_eq!(found(&world, &mut reader), 0, "nothing is missing");
    database(&world).execute_batch("DELETE FROM access_entry WHERE row = 2").expect("deleted");
    world.clock.advance(23 * 3_600);
    assert_eq!(found(&world, &mut reader), 0, "it is looked through again each day");
    world.clock.advance(3_600);
    assert_eq!(found(&world, &mut reader), 1);
    assert_eq!(watch.untold().expect("read")[0].rule, "log-gap");
    world.clock.advance(24 * 3_600);
    assert_eq!(found(&world, &mut reader), 0, "it is known");
    // The newest of all and its leaf: behind them is nothing to show where they were.
    let newest = "DELETE FROM leaf WHERE kind = 3 AND row = (SELECT max(row) FROM access_entry);
                  DELETE FROM access_entry WHERE row = (SELECT max(row) FROM access_entry)";
    database(&world).execute_batch(newest).expect("deleted");
    assert_eq!(found(&world, &mut watch.reader()), 1, "a reader that begins looks through everything");
}

#[test]
fn what_nobody_told_is_listed_until_somebody_does() {
    let world = World::new();
    let here = InstitutionCode::new("31100001").expect("a code");
    for (account, role, state) in
        [(CLERK, Role::Clinician, "active"), (OFFICER, Role::SecurityOfficer, "invited"), (LEFT, Role::Steward, "left")]
    {
        let institution = (role == Role::Clinician).then(|| here.clone());
        world.store().grant(account, &Right::Appointed { role, institution }).expect("granted");
        let sql = "INSERT INTO staff (account, name, state, made_us, changed_us) VALUES (?, x'', ?, 0, 0)";
        database(&world).execute(sql, rusqlite::params![account.0, state]).expect("a member of staff");
    }
    // Nobody's account: that of the command line.
    let elsewhere = InstitutionCode::new("31100002").expect("a code");
    world.store().grant(Id16([9; 16]), &Right::Depositor(elsewhere)).expect("granted");
    let watch = watch(&world);
    let unknown = || watch.unknown(&world.operator_permit(Action::ReadStatus)).expect("read");
    let (accounts, institutions) = (BTreeSet::from([CLERK, OFFICER]), BTreeSet::from([here.clone()]));
    assert_eq!(unknown(), Unknown { accounts, institutions });
    let review = watch.review(&world.operator_permit(Action::ReadStatus), "2026-11").expect("a review");
    assert_eq!(review.unknown, unknown());
    watch.works_at(CLERK, Some(Id16([4; 16])), None).expect("written");
    watch.works_at(OFFICER, None, Some(here.clone())).expect("written");
    assert_eq!(unknown().accounts, BTreeSet::from([OFFICER]), "where they work is not who they are");
    watch.works_at(OFFICER, Some(Id16([5; 16])), None).expect("written");
    for weekday in 1..=7 {
        assert!(!unknown().is_empty(), "day {weekday} is not known");
        watch.set_hours(here.clone(), weekday, Hours { from_minute: 540, to_minute: 1_080 }).expect("written");
    }
    assert!(unknown().is_empty());
}
