//! What is written is found and read, in all its versions, once.

use policy::Action;
use store::{Match, Order, Outcome, Query, StoreError};

use crate::support::*;

#[test]
fn what_is_written_is_found_and_read() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let written = write(
        &store,
        owner,
        &[("Encounter", "e1", "first"), ("Observation", "o1", "second"), ("Condition", "c1", "가슴 통증")],
    );
    assert_eq!(written.versions, [Outcome::New { version: 1 }; 3]);

    let account = base::Id16([7; 16]);
    let permit = person(&store, account, &[owner], Action::ReadRecord);
    let all = store.search(&permit, &Query::default()).expect("found");
    let kinds: Vec<&str> = all.heads.iter().map(|head| head.key.resource_type.as_str()).collect();
    assert_eq!(kinds, ["Condition", "Observation", "Encounter"], "newest first");
    assert!(all.next.is_none());

    let read = store
        .read(&permit, &[key(&store, owner, "Condition", "c1"), key(&store, owner, "Encounter", "none")])
        .expect("read");
    assert_eq!(read.len(), 1);
    assert_eq!(
        read[0].bytes.expose().as_slice(),
        r#"{"resourceType":"Condition","id":"c1","text":"가슴 통증"}"#.as_bytes()
    );
    assert_eq!(read[0].source_id.expose(), "c1");
    assert_eq!(read[0].version, 1);
}

#[test]
fn a_search_narrows_orders_and_pages() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let ids: Vec<String> = (0..25).map(|n| format!("o{n}")).collect();
    let resources: Vec<(&str, &str, &str)> = ids.iter().map(|id| ("Observation", id.as_str(), "흉부 촬영")).collect();
    write(&store, owner, &resources);
    write(&store, patient("p2"), &[("Observation", "other", "흉부 촬영")]);
    let permit = person(&store, base::Id16([7; 16]), &[owner], Action::ReadTimeline);

    let mut query = Query { order: Order::OldestFirst, limit: 10, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.search(&permit, &query).expect("found");
        seen.extend(page.heads.iter().map(|head| head.key.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = ids.iter().map(|id| key(&store, owner, "Observation", id).id).collect();
    assert_eq!(seen, expected, "three pages, nothing twice, nothing of another patient");

    let found =
        |matches: Vec<Match>| store.search(&permit, &Query { matches, ..Query::default() }).expect("found").heads.len();
    let token = |system: Option<&str>, code: &str| Match::Token {
        param: "identifier".to_owned(),
        system: system.map(str::to_owned),
        code: code.to_owned(),
    };
    assert_eq!(found(vec![token(None, "o3")]), 1);
    assert_eq!(found(vec![token(Some("urn:chart"), "o3")]), 1);
    assert_eq!(found(vec![token(Some("urn:else"), "o3")]), 0);
    assert_eq!(found(vec![token(None, "other")]), 0, "another patient's");
    assert_eq!(found(vec![Match::String { param: "name".to_owned(), prefix: "흉부".to_owned() }]), 25);
    assert_eq!(found(vec![Match::String { param: "name".to_owned(), prefix: "촬영".to_owned() }]), 0);
    let day = 86_400_000_000;
    let date = Match::Date { param: "date".to_owned(), low_us: 3 * day + 5, high_us: 4 * day };
    assert_eq!(found(vec![date.clone()]), 2);
    assert_eq!(found(vec![date, token(None, "o4")]), 1);

    let from = base::Timestamp::from_second(1_577_836_800 + 20 * 86_400).expect("a time");
    let late = Query { from: Some(from), types: vec!["Observation".to_owned()], ..Query::default() };
    assert_eq!(store.search(&permit, &late).expect("found").heads.len(), 5);
    let before = Query { before: Some(from), ..Query::default() };
    assert_eq!(store.search(&permit, &before).expect("found").heads.len(), 20);
    let nothing = Query { types: vec!["Procedure".to_owned()], ..Query::default() };
    assert_eq!(store.search(&permit, &nothing).expect("found").heads.len(), 0);
    let many = Query { types: vec!["X".to_owned(); store::CONDITIONS_MAX + 1], ..Query::default() };
    assert!(matches!(store.search(&permit, &many), Err(StoreError::Limit { .. })));
}

#[test]
fn the_same_again_changes_nothing_and_an_amendment_is_the_next_version() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    assert_eq!(write_one(&store, owner, "Condition", "c1", "감기"), Outcome::New { version: 1 });
    assert_eq!(write_one(&store, owner, "Condition", "c1", "감기"), Outcome::Already { version: 1 });
    assert_eq!(write_one(&store, owner, "Condition", "c1", "독감"), Outcome::New { version: 2 });
    assert_eq!(write_one(&store, owner, "Condition", "c1", "독감"), Outcome::Already { version: 2 });
    let both = write(&store, owner, &[("Condition", "c2", "a"), ("Condition", "c2", "b"), ("Condition", "c2", "b")]);
    assert_eq!(
        both.versions,
        [Outcome::New { version: 1 }, Outcome::New { version: 2 }, Outcome::Already { version: 2 }]
    );

    let permit = person(&store, base::Id16([7; 16]), &[owner], Action::ReadRecord);
    let history = store.history(&permit, &key(&store, owner, "Condition", "c1")).expect("read");
    let texts: Vec<_> =
        history.iter().map(|one| (one.version, String::from_utf8_lossy(one.bytes.expose()).into_owned())).collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].0 == 1 && texts[0].1.contains("감기") && texts[1].0 == 2 && texts[1].1.contains("독감"));
    let reader = base::Id16([8; 16]);
    let permit_of_another_day = person(&store, reader, &[owner], Action::ReadRecord);
    let keys = [
        key(&store, owner, "Condition", "c2"),
        key(&store, owner, "Condition", "c9"),
        key(&store, owner, "Condition", "c1"),
    ];
    let all = store.histories(&permit_of_another_day, &keys).expect("read");
    let order: Vec<_> = all.iter().map(|one| (one.key.id, one.version)).collect();
    assert_eq!(order, [(keys[0].id, 1), (keys[0].id, 2), (keys[2].id, 1), (keys[2].id, 2)]);
    let log = person(&store, reader, &[owner], Action::ReadAccessLog);
    let entries = store.access_log(&log, &store::AccessPage::default()).expect("the log").entries;
    let whats: Vec<_> =
        entries.iter().filter(|one| one.entry.actor.account == reader).map(|one| &one.entry.what).collect();
    assert_eq!(whats, [&vec![("Condition".to_owned(), 4)]], "one entry for all of them");
    let current = store.read(&permit, &[key(&store, owner, "Condition", "c1")]).expect("read");
    assert_eq!(current[0].version, 2);

    // The index follows the current version.
    let named = |text: &str| {
        let matches = vec![Match::String { param: "name".to_owned(), prefix: text.to_owned() }];
        store.search(&permit, &Query { matches, ..Query::default() }).expect("found").heads.len()
    };
    assert_eq!((named("감기"), named("독감")), (0, 1));
}

#[test]
fn what_is_beyond_a_limit_is_refused() {
    let house = House::new();
    let store = house.open();
    let permit = depositor(&store, Action::Deposit);
    let code = institution();
    let big = vec![b' '; base::limits::Limits::default().resource_bytes + 1];
    let class = class();
    let new = |bytes| store::NewVersion {
        owner: patient("p1"),
        institution: &code,
        resource_type: "Binary",
        source_id: "b",
        class: &class,
        expiry_year: 2035,
        bytes,
        date: None,
        encounter: None,
        index: vec![],
        edition: store::Edition::default(),
    };
    assert!(matches!(store.prepare(&permit, new(&big)), Err(StoreError::Limit { .. })));
    assert!(store.prepare(&permit, new(&big[1..])).is_ok());
    let rows = vec![store::IndexRow::Number { param: "n", low: 0.0, high: 0.0 }; store::INDEX_ROWS_MAX + 1];
    assert!(matches!(
        store.prepare(&permit, store::NewVersion { index: rows, ..new(b"{}") }),
        Err(StoreError::Limit { .. })
    ));
}

#[test]
fn rows_of_a_room_come_with_the_write_or_not_at_all() {
    let house = House::new();
    let store = house.open();
    store.tables().write("test", |tx| tx.execute_batch("CREATE TABLE mark (n INTEGER)")).expect("a table");
    let permit = depositor(&store, Action::Deposit);
    let one = |id: &str| vec![prepare(&store, &permit, patient("p1"), "Condition", id, "x", 1)];
    let mark: store::Extra = Box::new(|tx, outcomes| {
        assert_eq!(outcomes, [store::Outcome::New { version: 1 }], "rows may count what is committed with them");
        tx.execute("INSERT INTO mark VALUES (1)", []).map(|_| ())
    });
    store.write(&permit, one("c1"), vec![], Some(mark)).expect("written");
    let wrong: store::Extra = Box::new(|tx, _| tx.execute("INSERT INTO nowhere VALUES (1)", []).map(|_| ()));
    assert!(store.write(&permit, one("c2"), vec![], Some(wrong)).is_err());
    let marks =
        store.tables().read("test", |c| c.query_row("SELECT count(*) FROM mark", [], |row| row.get::<_, i64>(0)));
    assert_eq!(marks.expect("read"), 1);
    assert_eq!(count(&house, "SELECT count(*) FROM resource_current"), 1);
}

#[test]
fn no_body_and_no_identity_stands_in_clear() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let permit = depositor(&store, Action::Deposit);
    let code = institution();
    let class = class();
    let bytes = "{\"resourceType\":\"Condition\",\"note\":\"비밀스러운진단명\"}".as_bytes();
    let new = store::NewVersion {
        owner,
        institution: &code,
        resource_type: "Condition",
        source_id: "chart-no-4711",
        class: &class,
        expiry_year: 2035,
        bytes,
        date: None,
        encounter: None,
        index: vec![],
        edition: store::Edition::default(),
    };
    let prepared = store.prepare(&permit, new).expect("prepared");
    let written = store.write(&permit, vec![prepared], vec![], None).expect("written");
    store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    drop(store);
    let mut files = vec![house.root.clone()];
    let mut searched = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let bytes = std::fs::read(&path).expect("read");
        searched += bytes.len();
        for secret in ["비밀스러운진단명", "chart-no-4711"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in {}", path.display());
        }
    }
    assert!(searched > 100_000, "the database was among them");
}

#[test]
fn times_do_not_go_back_when_the_clock_does() {
    let mut house = House::new();
    let noon = base::Timestamp::from_second(1_900_000_000).expect("a time");
    house.clock = std::sync::Arc::new(base::ManualClock::at(noon));
    let owner = patient("p1");
    write_one(&house.open(), owner, "Condition", "c1", "x");
    assert_eq!(store::newest_time(&house.folder()).expect("read"), Some(noon));
    house.clock =
        std::sync::Arc::new(base::ManualClock::at(base::Timestamp::from_second(1_000_000_000).expect("a time")));
    let store = house.open();
    assert_eq!(store.clock().now(), noon);
    write_one(&store, owner, "Condition", "c2", "x");
    let permit = person(&store, base::Id16([7; 16]), &[owner], Action::ReadRecord);
    let read = store.read(&permit, &[key(&store, owner, "Condition", "c2")]).expect("read");
    assert_eq!(read[0].recorded, noon);
}

#[test]
fn jobs_are_taken_once_and_come_back_when_a_worker_is_lost() {
    let mut house = House::new();
    let clock =
        std::sync::Arc::new(base::ManualClock::at(base::Timestamp::from_second(1_900_000_000).expect("a time")));
    house.clock = std::sync::Arc::<base::ManualClock>::clone(&clock);
    let store = house.open();
    let id = base::Id16([1; 16]);
    store.add_job(id, "test", b"what".to_vec()).expect("added");
    store.add_job(id, "test", b"else".to_vec()).expect("the same id changes nothing");
    let job = store.take_job("test", 60).expect("asked").expect("a job");
    assert_eq!((job.payload.as_slice(), job.attempt), (&b"what"[..], 1));
    assert_eq!(store.take_job("test", 60).expect("asked"), None);
    assert_eq!(store.take_job("other", 60).expect("asked"), None);
    clock.advance(61);
    assert_eq!(store.take_job("test", 60).expect("asked").map(|job| job.attempt), Some(2));
    store.fail_job(id, "no".to_owned(), 10).expect("noted");
    assert_eq!(store.take_job("test", 60).expect("asked"), None, "not before its time");
    clock.advance(11);
    assert!(store.take_job("test", 60).expect("asked").is_some());
    store.finish_job(id).expect("noted");
    clock.advance(1_000);
    assert_eq!(store.take_job("test", 60).expect("asked"), None);
}

#[test]
fn jobs_that_fail_are_counted_until_a_week_has_passed() {
    let mut house = House::new();
    let clock =
        std::sync::Arc::new(base::ManualClock::at(base::Timestamp::from_second(1_900_000_000).expect("a time")));
    house.clock = std::sync::Arc::<base::ManualClock>::clone(&clock);
    let store = house.open();
    let counted = || store.condition().expect("read").jobs;
    assert_eq!(counted(), store::Jobs::default());
    let id = base::Id16([1; 16]);
    store.add_job(id, "test", b"what".to_vec()).expect("added");
    store.add_job(base::Id16([2; 16]), "test", b"more".to_vec()).expect("added");
    store.finish_job(base::Id16([2; 16])).expect("noted");
    assert_eq!(counted(), store::Jobs { waiting: 1, again: 0, failed: 0 });
    for attempt in 1..=store::JOB_ATTEMPTS_MAX {
        let job = store.take_job("test", 60).expect("asked").expect("its turn");
        assert_eq!((job.attempt, counted().waiting), (attempt, 1), "it is being done");
        store.fail_job(id, "no".to_owned(), 10).expect("noted");
        let given_up = attempt == store::JOB_ATTEMPTS_MAX;
        let wanted = if given_up { (0, 0, 1) } else { (1, 1, 0) };
        let jobs = counted();
        assert_eq!((jobs.waiting, jobs.again, jobs.failed), wanted, "after attempt {attempt}");
        clock.advance(11);
    }
    store.add_job(base::Id16([3; 16]), "other", b"what".to_vec()).expect("added");
    store.give_up_jobs("test", "nobody does these".to_owned()).expect("noted");
    store.give_up_jobs("other", "nobody does these".to_owned()).expect("noted");
    assert_eq!(store.take_job("other", 60).expect("asked"), None);
    let given_up = store::Jobs { waiting: 0, again: 0, failed: 1 };
    let by_kind = store.jobs_by_kind().expect("read");
    assert_eq!(by_kind, [("other".to_owned(), given_up), ("test".to_owned(), given_up)]);
    assert_eq!(counted().failed, 2, "one of each kind, and what is done stays done");
    clock.advance(8 * 86_400);
    assert_eq!(counted(), store::Jobs::default(), "old news");
}
