//! What a permit does not reach is not given, and what is stale is refused.

use base::Id16;
use policy::{Action, Door, Role, Target};
use store::{AccessPage, AccessResult, AskError, Query, Right, StoreError};

use crate::support::*;

#[test]
fn another_persons_permit_gets_nothing_and_the_attempt_is_seen() {
    let house = House::new();
    let store = house.open();
    let (mine, other) = (patient("p1"), patient("p2"));
    write_one(&store, mine, "Condition", "c1", "x");
    let (me, you) = (Id16([7; 16]), Id16([8; 16]));
    let theirs = person(&store, you, &[other], Action::ReadRecord);
    assert!(store.read(&theirs, &[key(&store, mine, "Condition", "c1")]).expect("an answer").is_empty());
    assert!(store.history(&theirs, &key(&store, mine, "Condition", "c1")).expect("an answer").is_empty());
    assert!(
        store.search(&theirs, &Query { owners: vec![mine], ..Query::default() }).expect("an answer").heads.is_empty()
    );

    let log = person(&store, me, &[mine], Action::ReadAccessLog);
    let entries = store.access_log(&log, &AccessPage::default()).expect("the log").entries;
    let denied = entries
        .iter()
        .filter(|logged| matches!(&logged.entry.result, AccessResult::Denied { reason } if reason == "not-yours"));
    assert_eq!(denied.count(), 2, "both attempts on the record stand in its person's log: {entries:?}");
    assert!(entries.iter().all(|logged| logged.entry.actor.account == you));
}

#[test]
fn asking_for_another_persons_record_by_its_id_is_seen_by_them_alone() {
    let house = House::new();
    let store = house.open();
    let (mine, other) = (patient("p1"), patient("p2"));
    write_one(&store, mine, "Condition", "c1", "x");
    write_one(&store, mine, "Encounter", "e1", "x");
    write_one(&store, other, "Condition", "c2", "x");
    let door = Door::standard().expect("the door");
    let (me, you) = (Id16([7; 16]), Id16([8; 16]));
    let theirs = person(&store, you, &[other], Action::ReadTimeline);
    let ids = [
        key(&store, mine, "Condition", "c1").id,
        key(&store, mine, "Encounter", "e1").id,
        key(&store, other, "Condition", "c2").id,
        Id16([9; 16]),
    ];
    store.refuse_beyond(&door, &theirs, &ids).expect("it is recorded");
    store.refuse_beyond(&door, &theirs, &[]).expect("nothing was asked for");

    let log = person(&store, me, &[mine], Action::ReadAccessLog);
    let entries = store.access_log(&log, &AccessPage::default()).expect("the log").entries;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0].entry;
    assert_eq!(
        (entry.actor.account, entry.actor.role.as_str(), entry.action.as_str()),
        (you, "patient", "read-timeline")
    );
    assert_eq!(entry.result, AccessResult::Denied { reason: "not-yours".to_owned() });
    assert_eq!(entry.what, [("Condition".to_owned(), 1), ("Encounter".to_owned(), 1)]);
    assert!(entry.explanation.contains("patient-own-records"), "the door said so: {}", entry.explanation);

    let log = person(&store, you, &[other], Action::ReadAccessLog);
    let entries = store.access_log(&log, &AccessPage::default()).expect("the log").entries;
    assert_eq!(entries.len(), 1, "the asker sees one attempt, whatever the ids were: {entries:?}");
    assert_eq!((entries[0].entry.subject, entries[0].entry.what.len()), (you, 0));
    assert!(matches!(entries[0].entry.result, AccessResult::Denied { .. }));

    let many = vec![Id16([9; 16]); store::READ_MAX + 1];
    assert!(matches!(store.refuse_beyond(&door, &theirs, &many), Err(StoreError::Limit { .. })));
}

#[test]
fn a_permit_for_one_action_does_not_do_for_another() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    let deposit = depositor(&store, Action::Deposit);
    let read = person(&store, Id16([7; 16]), &[owner], Action::ReadRecord);
    let log = person(&store, Id16([7; 16]), &[owner], Action::ReadAccessLog);
    let is_action =
        |result: Option<StoreError>| assert!(matches!(result, Some(StoreError::Action { .. })), "{result:?}");
    is_action(store.read(&deposit, &[]).err());
    is_action(store.search(&log, &Query::default()).err());
    is_action(store.access_log(&read, &AccessPage::default()).err());
    is_action(store.write(&read, vec![], vec![], None).err());
    is_action(store.object_writer(&read).err());
    is_action(store.object(&read, Id16([1; 16])).err());
    is_action(store.refuse_beyond(&Door::standard().expect("the door"), &log, &[]).err());
    is_action(store.link_patient(&deposit, Id16([1; 16]), Id16([2; 16]), &institution()).err());
    is_action(store.status(&read).err());
    is_action(store.commit_leaf(&read, store::EntryKind::Issued, owner, b"x").err());
    let issue = person(&store, Id16([7; 16]), &[owner], Action::Issue);
    is_action(store.commit_leaf(&issue, store::EntryKind::Receipt, owner, b"x").err());
    assert!(matches!(store.commit_leaf(&issue, store::EntryKind::Access, owner, b"x"), Err(StoreError::Scope { .. })));
    assert!(matches!(
        store.commit_leaf(&issue, store::EntryKind::Issued, patient("p9"), b"x"),
        Err(StoreError::Scope { .. })
    ));
}

#[test]
fn an_institution_writes_its_own_and_nothing_else() {
    let house = House::new();
    let store = house.open();
    let permit = depositor(&store, Action::Deposit);
    let other = policy::InstitutionCode::new("99999999").expect("a code");
    let class = class();
    let new = store::NewVersion {
        owner: store.ids().patient(&other, "p1"),
        institution: &other,
        resource_type: "Condition",
        source_id: "c1",
        class: &class,
        expiry_year: 2035,
        bytes: b"{}",
        date: None,
        encounter: None,
        index: vec![],
        edition: store::Edition::default(),
    };
    assert!(matches!(store.prepare(&permit, new), Err(StoreError::Scope { .. })));
    assert!(matches!(
        store.known_objects(&permit, &other, &[(patient("p1"), Id16([1; 16]))]),
        Err(StoreError::Scope { .. })
    ));
}

#[test]
fn a_stale_permit_is_refused_on_its_next_use() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    write_one(&store, owner, "Condition", "c1", "x");
    let account = Id16([7; 16]);
    let read = person(&store, account, &[owner], Action::ReadRecord);
    let log = person(&store, account, &[owner], Action::ReadAccessLog);
    let document = person(&store, account, &[owner], Action::ReadDocument);
    let issue = person(&store, account, &[owner], Action::Issue);
    let deposit = depositor(&store, Action::Deposit);
    let link = depositor(&store, Action::LinkPerson);
    let prepared = prepare(&store, &deposit, owner, "Condition", "c2", "x", 1);
    assert_eq!(store.read(&read, &[key(&store, owner, "Condition", "c1")]).expect("read").len(), 1);

    let right = Right::Depositor(institution());
    store.grant(Id16([0xd; 16]), &right).expect("granted");
    assert!(store.read(&read, &[key(&store, owner, "Condition", "c1")]).is_ok(), "a right of another does not disturb");
    store.revoke(Id16([0xd; 16]), &right).expect("revoked");

    let is_stale =
        |result: Option<StoreError>| assert!(matches!(result, Some(StoreError::StaleEpoch { .. })), "{result:?}");
    is_stale(store.read(&read, &[key(&store, owner, "Condition", "c1")]).err());
    is_stale(store.history(&read, &key(&store, owner, "Condition", "c1")).err());
    is_stale(store.search(&read, &Query::default()).err());
    is_stale(store.refuse_beyond(&Door::standard().expect("the door"), &read, &[Id16([9; 16])]).err());
    is_stale(store.access_log(&log, &AccessPage::default()).err());
    is_stale(store.object(&document, Id16([1; 16])).err());
    is_stale(store.commit_leaf(&issue, store::EntryKind::Issued, owner, b"x").err());
    is_stale(store.write(&deposit, vec![prepared], vec![], None).err());
    is_stale(store.link_patient(&link, Id16([1; 16]), owner.id(), &institution()).err());
    is_stale(store.known_objects(&deposit, &institution(), &[]).err());
    is_stale(store.leaf_positions(&deposit, &[]).err());
    assert_eq!(count(&house, "SELECT count(*) FROM resource_current"), 1, "nothing was written");
}

#[test]
fn a_denial_is_in_the_log_before_it_is_answered() {
    let house = House::new();
    let store = house.open();
    let door = Door::standard().expect("the door");
    let (owner, stranger) = (patient("p1"), Id16([9; 16]));
    let asked = request(Role::Patient, stranger, Action::ReadRecord, Target::Patient(owner.id()));
    let denial = match store.ask(&door, asked) {
        Err(AskError::Denied(denial)) => denial,
        other => panic!("a stranger must be denied: {other:?}"),
    };
    let me = Id16([7; 16]);
    let log = person(&store, me, &[owner], Action::ReadAccessLog);
    let entries = store.access_log(&log, &AccessPage::default()).expect("the log").entries;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0].entry;
    assert_eq!((entry.id, entry.actor.account, entry.action.as_str()), (denial.id, stranger, "read-record"));
    assert!(matches!(&entry.result, AccessResult::Denied { reason } if reason == denial.reason.name()));
    assert!(!entry.explanation.is_empty());
}

#[test]
fn the_access_log_shows_reads_and_pages_and_its_leaves_open() {
    let house = House::new();
    let store = house.open();
    let owner = patient("p1");
    write(&store, owner, &[("Condition", "c1", "x"), ("Condition", "c2", "x"), ("Encounter", "e1", "x")]);
    let me = Id16([7; 16]);
    let read = person(&store, me, &[owner], Action::ReadRecord);
    for _ in 0..4 {
        store
            .read(
                &read,
                &[
                    key(&store, owner, "Condition", "c1"),
                    key(&store, owner, "Condition", "c2"),
                    key(&store, owner, "Encounter", "e1"),
                ],
            )
            .expect("read");
    }
    let log = person(&store, me, &[owner], Action::ReadAccessLog);
    let first = store.access_log(&log, &AccessPage { limit: 3, after: None }).expect("the log");
    assert_eq!(first.entries.len(), 3);
    let what = vec![("Condition".to_owned(), 2), ("Encounter".to_owned(), 1)];
    assert!(
        first.entries.iter().all(|logged| logged.entry.what == what && logged.entry.result == AccessResult::Granted)
    );
    assert_eq!(first.entries[0].entry.actor.name.expose(), "홍길동");
    let second = store.access_log(&log, &AccessPage { limit: 3, after: first.next }).expect("the log");
    assert_eq!(second.entries.len(), 1, "older than the first page, so without the look at the log itself");
    assert!(second.next.is_none());

    // Every entry is sealed within moments, and its leaf opens with its salt.
    for _ in 0..200 {
        let entries = store.access_log(&log, &AccessPage::default()).expect("the log").entries;
        if let Some(sealed) = entries.iter().rev().find(|logged| logged.leaf.is_some()) {
            let index = sealed.leaf.expect("it was looked for");
            if store.checkpoint(store::Log::Access).expect("read").is_none_or(|head| head.checkpoint.size <= index) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                continue;
            }
            let proof = store.proof(store::Log::Access, index).expect("a proof");
            let leaf = ledger::commit(&sealed.salt, ledger::EntryKind::Access, &sealed.entry.to_bytes());
            proof.verify(&leaf, &[store.verifier_key(store::Log::Access)]).expect("the proof holds");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("access entries are sealed within a second");
}

#[test]
fn rooms_are_kept_off_the_record() {
    let house = House::new();
    let store = house.open();
    write_one(&store, patient("p1"), "Condition", "c1", "x");
    for sql in [
        "SELECT count(frame) FROM resource_version",
        "SELECT value FROM idx_string",
        "SELECT type FROM resource_current",
        "SELECT subject FROM access_entry",
        "SELECT bytes FROM wrapped_key",
        "SELECT patient FROM person_patient",
        "ATTACH 'x.db' AS x",
    ] {
        let read = store.tables().read("test", |connection| connection.prepare(sql)?.query([])?.next().map(|_| ()));
        assert!(read.is_err(), "{sql}");
        let write = store.tables().write("test", |tx| tx.prepare(sql)?.query([])?.next().map(|_| ()));
        assert!(write.is_err(), "{sql}");
    }
    for sql in [
        "INSERT INTO account_right VALUES (x'00', 'operator', '')",
        "DELETE FROM outbox_records",
        "UPDATE policy_epoch SET epoch = 9",
        "DROP TABLE leaf",
    ] {
        let error = store.tables().write("test", |tx| tx.execute(sql, [])).expect_err(sql).to_string();
        assert!(error.contains("not authorized"), "{sql}: {error}");
        let permit = depositor(&store, Action::Deposit);
        let extra: store::Extra = Box::new(|tx, _| tx.execute(sql, []).map(|_| ()));
        assert!(store.write(&permit, vec![], vec![], Some(extra)).is_err(), "{sql}");
    }
    assert_eq!(write_one(&store, patient("p1"), "Condition", "c2", "x"), store::Outcome::New { version: 1 });
}
