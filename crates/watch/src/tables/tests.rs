//! What the watch makes of tables that others wrote: members of staff, and an access log out of which somebody deletes.

use super::{NewFinding, StaffRow, add_finding, staff};
use crate::finding::{Finding, Message};
use crate::params::Params;
use crate::{Hours, Reader, Rule, Severity, Unknown, Watch};
use base::{Clock as _, Id16};
use identity::NoticeKind;
use policy::{Action, Actor, Assurance, InstitutionCode, Purpose, Request, Role, Target};
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
    let staff = |account| watch.tables().read("staff", move |connection| staff(connection, account)).expect("read");
    let told = |person: u8| StaffRow { person: Some(Id16([person; 16])), institution: Some(here.clone()) };
    assert_eq!(staff(OFFICER), told(5), "what was said before stays");
    watch.works_at(CLERK, None, Some(here.clone())).expect("written");
    assert_eq!(staff(CLERK), told(4), "who somebody is does not end with where they work");
    watch.forget_staff(CLERK).expect("taken back");
    assert_eq!((staff(CLERK), unknown().accounts), (StaffRow::default(), BTreeSet::from([CLERK])));
    watch.works_at(CLERK, Some(Id16([4; 16])), None).expect("written");
    let is_staff = |account| watch.is_staff(account).expect("read");
    assert_eq!((is_staff(CLERK), is_staff(Id16([9; 16]))), (true, false), "rights alone make nobody a member of staff");
    for weekday in 1..=7 {
        assert!(!unknown().is_empty(), "day {weekday} is not known");
        watch.set_hours(here.clone(), weekday, Hours { from_minute: 540, to_minute: 1_080 }).expect("written");
    }
    assert!(unknown().is_empty());
}

/// A finding of one actor's doing, so much and so grave, is taken in.
fn find(world: &World, number: u8, amount: u64, severity: Severity) {
    let now = world.clock.now();
    let finding = Finding {
        rule: Rule::Bulk,
        severity,
        entry: Id16([number; 16]),
        time: now,
        actor: Some(CLERK),
        subject: None,
        amount,
        others: Vec::new(),
        message: Message::of(Rule::Bulk),
    };
    let (role, institution, behind) = (String::new(), String::new(), Vec::new());
    let new = NewFinding { finding, role, institution, behind, params: Params::at(now) };
    let write = move |t: &rusqlite::Transaction<'_>| add_finding(t, &new, Id16([number; 16]), now.as_microsecond());
    world.store().tables().write("a finding", write).expect("written").expect("it is new");
}

#[test]
fn an_open_case_is_told_of_again_after_a_day_at_ten_times_as_much_and_where_it_is_graver() {
    let world = World::new();
    let watch = watch(&world);
    let told = || {
        let new = watch.untold().expect("read");
        new.iter().for_each(|one| watch.told(one.incident).expect("written"));
        new.into_iter().map(|one| (one.tellings, one.severity)).collect::<Vec<_>>()
    };
    let high = |tellings| vec![(tellings, "high".to_owned())];
    find(&world, 1, 2_000, Severity::High);
    assert_eq!(told(), high(0));
    world.clock.advance(24 * 3_600 - 1);
    find(&world, 2, 2_000, Severity::High);
    assert_eq!(told(), [], "within the day nobody is told again");
    world.clock.advance(1);
    find(&world, 3, 2_000, Severity::High);
    assert_eq!(told(), high(1), "a day after the first time");
    world.clock.advance(60);
    find(&world, 4, 53_999, Severity::High);
    assert_eq!(told(), [], "6,000 were told of, and 59,999 are not ten times as many");
    find(&world, 5, 1, Severity::High);
    assert_eq!(told(), high(2));
    find(&world, 6, 1, Severity::Low);
    assert_eq!(told(), [], "less grave is no news");
    find(&world, 7, 1, Severity::Critical);
    assert_eq!(told(), [(3, "critical".to_owned())]);
    find(&world, 8, 1, Severity::Critical);
    assert_eq!(told(), [], "it is as grave as they were told");
    assert_eq!(number(&world, "SELECT count(*) FROM watch_case"), 1, "and it is one case all the time");
}

#[test]
fn every_review_that_is_overdue_is_found_however_many_are_known() {
    let world = World::new();
    let now_us = world.clock.now().as_microsecond();
    let insert = |first: i64, count: i64, due_us: i64, reviewed_us: Option<i64>| {
        let sql = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2)
                   INSERT INTO broken_glass (subject, ground, account, second, broken_us, due_us, reviewed_us)
                   SELECT zeroblob(16), CAST(printf('%016d', i) AS BLOB), zeroblob(16), zeroblob(16), ?3, ?3, ?4 FROM n";
        database(&world).execute(sql, rusqlite::params![first, count, due_us, reviewed_us]).expect("written");
    };
    insert(0, 201, now_us - 1, None);
    insert(1_000, 5, now_us - 2, Some(now_us));
    insert(2_000, 5, now_us + 3_600_000_000, None);
    let mut reader = watch(&world).reader();
    assert_eq!(reader.step().expect("watched").findings, 200, "so many in one look");
    let found: usize = (0..10).map(|_| reader.step().expect("watched").findings).sum();
    assert_eq!(found, 1, "the last behind all that are known");
    assert_eq!(
        (0..20).map(|_| reader.step().expect("watched").findings).sum::<usize>(),
        0,
        "not what is reviewed, or not due"
    );
}

#[test]
fn whoever_signed_in_on_a_device_not_seen_before_is_found_at_the_first_use() {
    let world = World::new();
    let right = Right::Appointed { role: Role::SecurityOfficer, institution: None };
    world.store().grant(OFFICER, &right).expect("granted");
    let watch = watch(&world);
    let mut reader = watch.reader();
    let use_account = || {
        world.clock.advance(60);
        let (name, source) = ("정보안".to_owned().into(), "192.0.2.7".to_owned().into());
        let actor = Actor { account: OFFICER, role: Role::SecurityOfficer, assurance: Assurance::Two, name, source };
        let (action, target, purpose) = (Action::Oversee, Target::Installation, Purpose::Oversight);
        let permit = world.archive().ask(Request { actor, action, target, purpose }).expect("an officer");
        world.store().grounds(&permit, &store::GroundPage::default()).expect("read");
    };
    let mut found = || {
        let begun = Instant::now();
        loop {
            let step = reader.step().expect("watched");
            if step.entries > 0 {
                return step.findings;
            }
            assert!(begun.elapsed() < PATIENCE, "the entry came into the log");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let sign_in = |kind: NoticeKind| {
        let sql = "INSERT INTO notice (account, notice, kind, about, device, made_us)
                   VALUES (?, randomblob(16), ?, x'00', zeroblob(32), ?)";
        let values = rusqlite::params![OFFICER.0, kind.name(), world.clock.now().as_microsecond()];
        database(&world).execute(sql, values).expect("noted");
    };
    use_account();
    assert_eq!(found(), 0);
    world.clock.advance(60);
    sign_in(NoticeKind::NewDevice);
    use_account();
    assert_eq!(found(), 1, "from the same network, on another device");
    use_account();
    assert_eq!(found(), 0, "told once");
    assert_eq!(watch.untold().expect("read")[0].rule, "new-device");
}

#[test]
fn what_cannot_be_read_for_now_is_looked_at_later() {
    let world = World::new();
    let who = person("윤도둑");
    world.agency.add(&who);
    let watch = watch(&world);
    watch.mark(Id16([1; 16]), crate::Flag::Decoy).expect("marked");
    let mut reader = watch.reader();
    reader.step().expect("watched");
    let (actor, target) = (world.visitor(&who), Target::Patient(Id16([1; 16])));
    let request = Request { actor, action: Action::ReadRecord, target, purpose: Purpose::OwnRecords };
    database(&world).execute_batch("ALTER TABLE watch_flag RENAME TO away").expect("renamed");
    world.archive().ask(request).expect_err("another's");
    let begun = Instant::now();
    while reader.step().is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the entry came into the log");
        std::thread::sleep(Duration::from_millis(5));
    }
    reader.step().expect_err("nothing is passed over");
    database(&world).execute_batch("ALTER TABLE away RENAME TO watch_flag").expect("renamed");
    assert_eq!(reader.step().expect("watched").findings, 1);
}
