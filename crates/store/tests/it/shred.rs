//! Erasure: two others approve, nothing of it is left anywhere, whoever else has the store open sees it at once, and a kill or an
//! old copy of the database brings nothing back.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Id16, Random, SeededRandom};
use ledger::EntryKind;
use policy::{Action, Door, Permit, Purpose, Request, Role, Target};
use store::{
    AccessResult, Certificate, Log, Right, ShredActor, ShredRole, ShredRules, ShredScope, ShredState, Store, StoreError,
};

use crate::sealing::audit;
use crate::support::*;

/// Text that is looked for afterwards, wherever the database and the key stores have files.
const PLANTED: &str = "planted-words-of-somebody";
pub const RULES: ShredRules = ShredRules { wait_hours: 0, backup_days: 30 };
pub const FOLDER: &str = "HANMARU_STORE_SHRED_FOLDER";
const REPRESENTATIVE: &str =
    "INSERT INTO representative VALUES (?, x'01', x'02', 'parent', '1', '', '', x'03', 0, 1, NULL, NULL)";
const PROOF: &str = "INSERT INTO representative_proof VALUES (?, x'01', 'family-certificate', x'03', 0)";

pub fn repair(store: &Store) -> Permit {
    store.ask_job(&Door::standard().expect("the door"), "eraser", Action::Repair).expect("permitted")
}

/// An account that holds the role.
fn actor(store: &Store, number: u8, role: ShredRole) -> ShredActor {
    let account = Id16([number; 16]);
    store.grant(account, &Right::of(role.name(), None).expect("a role of staff")).expect("granted");
    ShredActor { account, role }
}

fn request(store: &Store, scope: &ShredScope) -> Id16 {
    let by = actor(store, 1, ShredRole::DataSteward);
    store.shred_request(&repair(store), by, scope, "the person asked for it", "PIPA article 36(1)").expect("asked")
}

pub fn approved(store: &Store, scope: &ShredScope) -> Id16 {
    let id = request(store, scope);
    for (number, role) in [(2, ShredRole::Administrator), (3, ShredRole::SecurityOfficer)] {
        store.shred_approve(&repair(store), id, actor(store, number, role), &RULES).expect("approved");
    }
    id
}

pub fn run(store: &Store, id: Id16) -> Certificate {
    let permit = repair(store);
    loop {
        match store.shred_step(&permit, id) {
            Ok(ShredState::Done) => break,
            // A program that another test starts has this one's locks for the moment until it is another.
            Err(StoreError::Rotation { .. }) => std::thread::sleep(Duration::from_millis(20)),
            step => drop(step.expect("a step")),
        }
    }
    store.shred_certificate(&permit, id, &RULES).expect("a certificate")
}

/// Leaves of versions that a certificate names.
fn of_resources(certificate: &Certificate) -> usize {
    certificate.leaves.iter().filter(|(kind, _)| *kind == 1).count()
}

/// Two patients with three resources each, sealed.
fn two_patients(store: &Store) {
    for one in ["p1", "p2"] {
        let text = format!("{PLANTED}-{one}");
        let ids = [1, 2, 3].map(|number| format!("{one}-c{number}"));
        let resources: Vec<_> = ids.iter().map(|id| ("Condition", id.as_str(), text.as_str())).collect();
        let written = write(store, patient(one), &resources);
        store.wait_sealed(written.ticket, PATIENCE).expect("sealed");
    }
}

pub fn read_all(store: &Store, one: &str) -> Result<usize, StoreError> {
    let permit = person(store, Id16([7; 16]), &[patient(one)], Action::ReadRecord);
    let keys = [1, 2, 3].map(|number| key(store, patient(one), "Condition", &format!("{one}-c{number}")));
    store.read(&permit, &keys).map(|versions| versions.len())
}

fn is_in_files(house: &House, needle: &str) -> bool {
    ["hanmaru.db", "hanmaru.db-wal"].iter().any(|name| {
        let bytes = std::fs::read(house.folder().join(name)).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn a_patient_is_erased_and_nothing_is_left_but_what_is_to_stay() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    assert_eq!((read_all(&store, "p1").expect("read"), read_all(&store, "p2").expect("read")), (3, 3));
    let entries = count(&house, "SELECT count(*) FROM access_entry");
    // Support staff wrote down who may act for them, and nobody is linked to either.
    for one in ["p1", "p2"] {
        let person = patient(one).id().0;
        look(&house).execute(REPRESENTATIVE, [person]).expect("appointed");
        look(&house).execute(PROOF, [person]).expect("seen");
    }
    let appointed = |one: &str| {
        let of = |table: &str| format!("(SELECT count(*) FROM {table} WHERE person = x'{}')", patient(one).id());
        count(&house, &format!("SELECT {} + {}", of("representative"), of("representative_proof")))
    };
    assert_eq!((appointed("p1"), appointed("p2")), (2, 2));
    assert!(is_in_files(&house, &format!("{PLANTED}-p1")), "the index has it in clear");
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    let certificate = run(&store, id);

    assert_eq!((read_all(&store, "p1").expect("read"), read_all(&store, "p2").expect("read")), (0, 3));
    assert!(!is_in_files(&house, &format!("{PLANTED}-p1")), "planted bytes are left");
    assert!(is_in_files(&house, &format!("{PLANTED}-p2")), "the others are there");
    assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 3);
    let keys = |one: &str| {
        count(&house, &format!("SELECT count(*) FROM wrapped_key WHERE instr(name, x'{}')", patient(one).id()))
    };
    assert_eq!((keys("p1"), keys("p2")), (0, 3), "owner, group, and what tables say");
    assert_eq!((appointed("p1"), appointed("p2")), (0, 2));
    assert!(count(&house, "SELECT count(*) FROM access_entry") >= entries, "who looked is kept");

    assert_eq!((certificate.keys, of_resources(&certificate), certificate.stores.len()), (3, 3, 3));
    assert!(certificate.leaves.len() > 3, "what tables say of them is gone as well");
    assert!(certificate.tables.iter().all(|table| table.left == 0));
    let window = certificate.backups_end.duration_since(certificate.shred.destroyed.expect("destroyed"));
    assert_eq!(window.as_hours(), 24 * 30);
    let leaf = &certificate.leaf;
    assert!(ledger::opens(&leaf.entry, &leaf.salt, EntryKind::Shred, &certificate.content));
    // That it is done is a change of a row, which is sealed a moment later.
    crate::rebuild::until(|| {
        store.health().waiting[0] == 0 && store.health().sites.iter().all(|site| site.pending == 0)
    });
    let size = store.health().published[0];
    audit(&house, &store, Log::Records, "site-a", size);

    // What was erased is not taken in again, by whoever it was prepared.
    let permit = depositor(&store, Action::Deposit);
    let again = prepare(&store, &permit, patient("p1"), "Condition", "p1-c1", "again", 1);
    assert!(matches!(store.write(&permit, vec![again], vec![], None), Err(StoreError::KeyGone)));
    assert_eq!(store.erased(&[patient("p1"), patient("p2")]).expect("asked"), [true, false]);
    // Others go on.
    write_one(&store, patient("p2"), "Condition", "p2-c9", "more");
    write_one(&store, patient("p3"), "Condition", "p3-c1", "new");
}

#[test]
fn approvals_are_of_two_others_and_a_hold_and_the_waiting_period_stop_it() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let scope = ShredScope::Patient(patient("p1").id());
    let id = request(&store, &scope);
    let says = |error: StoreError| error.to_string();
    let approve = |number| {
        store.shred_approve(
            &permit,
            id,
            actor(&store, number, ShredRole::Administrator),
            &ShredRules { wait_hours: 1, ..RULES },
        )
    };
    assert!(says(store.shred_step(&permit, id).expect_err("not approved")).contains("waits for approvals"));
    assert!(says(approve(1).expect_err("who asked")).contains("cannot approve"));
    assert_eq!(approve(2).expect("the first").state, ShredState::Requested);
    assert!(says(approve(2).expect_err("twice")).contains("already"));
    assert_eq!(approve(3).expect("the second").state, ShredState::Approved);
    assert!(says(store.shred_step(&permit, id).expect_err("too early")).contains("waiting period"));
    assert!(says(approve(4).expect_err("too late")).contains("takes no approval"));
    store.shred_withdraw(&permit, id).expect("given up");

    let id = approved(&store, &scope);
    let hold = store.place_hold(&permit, patient("p1"), "order of a court", None).expect("placed");
    assert!(says(store.shred_step(&permit, id).expect_err("held")).contains("legal hold"));
    assert_eq!(read_all(&store, "p1").expect("read"), 3, "nothing was destroyed");
    assert!(store.shred_certificate(&permit, id, &RULES).is_err());
    store.shred_withdraw(&permit, id).expect("it was not begun, and can be given up");
    let id = approved(&store, &scope);
    assert!(says(store.shred_step(&permit, id).expect_err("held")).contains("legal hold"));
    store.end_hold(&permit, hold).expect("ended");
    run(&store, id);
    assert_eq!(read_all(&store, "p1").expect("read"), 0);
    assert!(store.holds(&permit).expect("read")[0].ended.is_some());
    let nobody = ShredActor { account: Id16([9; 16]), role: ShredRole::Administrator };
    assert!(
        says(store.shred_request(&permit, nobody, &scope, "why", "law").expect_err("no role")).contains("the role")
    );
    assert!(store.shred_request(&permit, actor(&store, 1, ShredRole::DataSteward), &scope, " ", "law").is_err());
}

#[test]
fn an_approval_ends_with_the_role_of_who_gave_it_until_the_erasure_is_begun() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let officer = |number| actor(&store, number, ShredRole::SecurityOfficer);
    let takes_away = |number: u8| {
        store.revoke(Id16([number; 16]), &Right::of("security-officer", None).expect("a right")).expect("revoked");
    };
    let id = request(&store, &ShredScope::Patient(patient("p1").id()));
    let approve = |number| store.shred_approve(&permit, id, officer(number), &RULES).expect("approved");
    let counts = |shred: &store::Shred| {
        let numbers = |some: &[store::Approval]| some.iter().map(|one| one.by.account.0[0]).collect::<Vec<_>>();
        (shred.state, numbers(&shred.approvals), numbers(&shred.lapsed))
    };
    let now = || counts(&store.shreds(&permit).expect("read")[0]);

    // The first has left before the second comes.
    approve(2);
    store.revoke_all(None, Id16([2; 16]), "leaving", |_| Ok(Some(()))).expect("left").expect("was there");
    assert_eq!(now(), (ShredState::Requested, vec![], vec![2]));
    assert_eq!(approve(3).state, ShredState::Requested, "one approval is not two");
    assert_eq!(approve(4).state, ShredState::Approved);

    // One leaves during the waiting period; who comes back to the role approves again, or it does not count.
    takes_away(3);
    assert_eq!(now(), (ShredState::Requested, vec![4], vec![2, 3]));
    let said = store.shred_step(&permit, id).expect_err("one is too few").to_string();
    assert!(said.contains("waits for approvals: 2 that were given do not count"), "{said}");
    officer(3);
    assert_eq!(now(), (ShredState::Requested, vec![4], vec![2, 3]));
    assert!(store.shred_approve(&permit, id, officer(4), &RULES).is_err(), "twice");
    assert_eq!(counts(&approve(3)), (ShredState::Approved, vec![4, 3], vec![2]));

    // A right that went without the store's knowing is missed at the last moment.
    let sql = "DELETE FROM account_right WHERE account = ?";
    look(&house).execute(sql, [[4; 16]]).expect("deleted");
    let said = store.shred_step(&permit, id).expect_err("one is too few").to_string();
    assert!(said.contains("do not hold the role any more"), "{said}");
    assert_eq!(now(), (ShredState::Requested, vec![3], vec![2, 4]));
    assert_eq!(approve(5).state, ShredState::Approved);

    // From the beginning on it is settled who approved.
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    takes_away(3);
    let certificate = run(&store, id);
    assert_eq!(counts(&certificate.shred), (ShredState::Done, vec![3, 5], vec![2, 4]));
    let named = |number: u8| certificate.content.windows(16).any(|bytes| bytes == [number; 16]);
    assert_eq!([2, 3, 4, 5].map(named), [false, true, false, true], "the leaf names those that counted");
}

#[test]
fn a_request_ends_with_the_role_of_who_made_it() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let of = |number| ShredScope::Patient(patient(number).id());
    let (asked, ready) = (request(&store, &of("p1")), approved(&store, &of("p2")));
    let steward = Right::of("steward", None).expect("a right");
    store.revoke(Id16([1; 16]), &steward).expect("revoked");
    assert!(store.shreds(&permit).expect("read").iter().all(|shred| !shred.request_stands));
    let officer = actor(&store, 4, ShredRole::SecurityOfficer);
    for refused in
        [store.shred_approve(&permit, asked, officer, &RULES).map(drop), store.shred_step(&permit, ready).map(drop)]
    {
        let said = refused.expect_err("nobody stands for it").to_string();
        assert!(said.contains("asked for it does not hold the role steward any more"), "{said}");
    }
    store.shred_withdraw(&permit, asked).expect("withdrawn");
    // A request says who stands for it, and they may be appointed again.
    store.grant(Id16([1; 16]), &steward).expect("granted");
    assert_eq!(store.shred_step(&permit, ready).expect("begun"), ShredState::Running);
    store.revoke(Id16([1; 16]), &steward).expect("revoked");
    run(&store, ready);
    assert!(store.shreds(&permit).expect("read").iter().all(|shred| shred.request_stands), "it was begun");
}

/// What a member of staff is given by the door about an erasure.
fn handling(store: &Store, by: ShredActor, target: Target) -> Permit {
    let role = Role::from_name(by.role.name()).expect("a role of staff");
    let asked = Request {
        purpose: Purpose::Operation,
        ..crate::support::request(role, by.account, Action::HandleErasures, target)
    };
    store.ask(&Door::standard().expect("the door"), asked).expect("permitted")
}

#[test]
fn staff_handle_erasures_in_their_own_name_and_each_act_is_journalled() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let (one, two) = (patient("p1").id(), patient("p2").id());
    let scope = ShredScope::Patient(one);
    let steward = actor(&store, 1, ShredRole::DataSteward);
    let officer = actor(&store, 2, ShredRole::SecurityOfficer);
    let about = |by: ShredActor, id: Id16| handling(&store, by, Target::Person(id));
    assert_eq!(store.shred_target_of(&scope).expect("asked"), Target::Person(one), "nobody is linked to it");

    let outlook = store.shred_outlook(&about(steward, one), &scope).expect("looked");
    assert_eq!((outlook.patients, outlook.keys, outlook.held), (1, 3, 0));
    assert_eq!(outlook.kinds, [("Condition".to_owned(), 3)]);
    assert!(outlook.kept_until.is_some() && !outlook.is_asked, "{outlook:?}");
    let other = store.shred_outlook(&about(steward, two), &scope);
    assert!(matches!(other, Err(StoreError::Scope { .. })), "a permit is about one patient");
    let whole = handling(&store, steward, Target::Installation);
    assert!(matches!(store.shred_outlook(&whole, &scope), Err(StoreError::Scope { .. })));
    let reading = person(&store, Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
    assert!(matches!(store.shred_outlook(&reading, &scope), Err(StoreError::Action { .. })));

    let in_anothers = store.shred_request(&about(steward, one), officer, &scope, "why", "law");
    assert!(in_anothers.expect_err("another's name").to_string().contains("own name"));
    let id = store.shred_request(&about(steward, one), steward, &scope, "why", "law").expect("asked");
    let in_anothers = store.shred_approve(&about(steward, one), id, officer, &RULES);
    assert!(in_anothers.expect_err("another's name").to_string().contains("own name"));
    let promoted = actor(&store, 1, ShredRole::Administrator);
    for by in [steward, promoted] {
        let own = store.shred_approve(&about(by, one), id, by, &RULES).expect_err("their own").to_string();
        assert!(own.contains("whoever asked for it"), "whatever the role: {own}");
    }
    assert!(matches!(store.shred_approve(&about(officer, two), id, officer, &RULES), Err(StoreError::Scope { .. })));
    let hold = store.place_hold(&repair(&store), patient("p1"), "order of a court", None).expect("placed");
    let over = store.place_hold(&repair(&store), patient("p1"), "order of a court", None).expect("placed");
    store.end_hold(&repair(&store), over).expect("ended");
    store.shred_approve(&about(officer, one), id, officer, &RULES).expect("approved");
    let (shred, outlook) = store.shred(&about(officer, one), id).expect("read");
    assert_eq!((shred.approvals.len(), outlook.held, outlook.is_asked), (1, 1, true));
    assert_eq!(outlook.holds.iter().map(|one| (one.hold, one.until)).collect::<Vec<_>>(), [(hold, None)]);
    let whole = handling(&store, officer, Target::Installation);
    assert_eq!(store.shreds(&whole).expect("listed").len(), 1);
    store.shred_withdraw(&about(officer, one), id).expect("withdrawn");
    assert!(store.shred_withdraw(&about(officer, one), id).is_err(), "once");
    assert!(matches!(store.shred_target(Id16([9; 16])), Ok(None)));

    let watch = store.ask_job(&Door::standard().expect("the door"), "watch", Action::WatchAccesses).expect("permitted");
    let log = || {
        let entries = store.watched(&watch, 0, 100).expect("the log").into_iter().filter_map(|one| one.entry);
        let told = entries.filter(|entry| entry.subject == one && entry.action == "handle-erasures").map(|entry| {
            let kind = entry.what.first().map_or_else(|| "refused".to_owned(), |(kind, _)| kind.clone());
            (entry.actor.account.0[0], kind)
        });
        told.collect::<Vec<_>>()
    };
    crate::rebuild::until(|| log().len() >= 10);
    let told = log();
    let told: Vec<(u8, &str)> = told.iter().map(|(account, kind)| (*account, kind.as_str())).collect();
    let expected = [
        (1, "erasure"),
        (1, "refused"),
        (1, "erasure-asked"),
        (1, "refused"),
        (1, "refused"),
        (1, "refused"),
        (2, "erasure-approved"),
        (2, "erasure"),
        (2, "erasure-withdrawn"),
        (2, "refused"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn of_those_who_ask_for_the_same_at_once_one_is_heard_and_each_is_in_the_log() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let (scope, p1) = (ShredScope::Patient(patient("p1").id()), patient("p1").id());
    let steward = actor(&store, 1, ShredRole::DataSteward);
    let permits: Vec<Permit> = (0..8).map(|_| handling(&store, steward, Target::Person(p1))).collect();
    let together = std::sync::Barrier::new(permits.len());
    let ask = |permit: &Permit| {
        together.wait();
        store.shred_request(permit, steward, &scope, "why", "law")
    };
    let asked: Vec<Result<Id16, StoreError>> = std::thread::scope(|threads| {
        let asking: Vec<_> = permits.iter().map(|permit| threads.spawn(|| ask(permit))).collect();
        asking.into_iter().map(|one| one.join().expect("no panics")).collect()
    });
    let (heard, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    assert_eq!(heard.len(), 1);
    let id = heard.into_iter().next().expect("one").expect("it was asked for");
    for error in refused.into_iter().map(|one| one.expect_err("refused")) {
        assert!(matches!(&error, StoreError::ShredAsked { id: same } if *same == id.to_string()), "{error}");
    }
    assert_eq!(store.shreds(&repair(&store)).expect("listed").len(), 1);
    let watch = store.ask_job(&Door::standard().expect("the door"), "watch", Action::WatchAccesses).expect("permitted");
    let denied = || {
        let entries = store.watched(&watch, 0, 100).expect("the log").into_iter().filter_map(|one| one.entry);
        entries.filter(|entry| entry.subject == p1 && entry.result != AccessResult::Granted).count()
    };
    crate::rebuild::until(|| denied() == 7);
    let again = store.shred_request(&repair(&store), steward, &scope, "why", "law").expect_err("under way");
    assert!(again.to_string().contains("withdraw it and ask again"), "{again}");
    let group = ShredScope::Class { institution: institution(), class: class(), expiry_year: 2035 };
    request(&store, &group);
}

/// Lets another program place a hold when an erasure is about to be certain.
struct PlaceHold {
    other: Mutex<Option<Store>>,
    placed: Mutex<Option<Id16>>,
}

impl base::Seam for PlaceHold {
    fn at(&self, place: &'static str) -> std::io::Result<()> {
        if place == store::seams::DESTROY
            && let Some(other) = self.other.lock().expect("no panics").take()
        {
            let hold = other.place_hold(&repair(&other), patient("p1"), "order of a court", None).expect("placed");
            *self.placed.lock().expect("no panics") = Some(hold);
        }
        Ok(())
    }
}

#[test]
fn a_hold_that_comes_at_the_last_moment_stops_it_and_one_that_comes_later_is_refused() {
    let mut house = House::new();
    let other = house.open();
    let seam = Arc::new(PlaceHold { other: Mutex::new(None), placed: Mutex::new(None) });
    house.config.seams = base::Seams::with(Arc::<PlaceHold>::clone(&seam) as Arc<dyn base::Seam>);
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    *seam.other.lock().expect("no panics") = Some(other);
    let held = store.shred_step(&permit, id).expect_err("held").to_string();
    assert!(held.contains("legal hold"), "{held}");
    assert_eq!(read_all(&store, "p1").expect("read"), 3, "nothing was destroyed");
    let stores = vault::KeyStores::open_as_they_are(key_stores(&house.root), 2).expect("opened");
    assert_eq!(stores.destroyed().expect("read"), []);
    let hold = seam.placed.lock().expect("no panics").take().expect("it was placed");
    let stopped = store.shreds(&permit).expect("read").remove(0);
    assert_eq!((stopped.state, stopped.destroyed), (ShredState::Approved, None), "it may be given up");
    store.end_hold(&permit, hold).expect("ended");
    assert_eq!(store.shred_step(&permit, id).expect("begun anew"), ShredState::Running);
    assert_eq!(store.shred_step(&permit, id).expect("destroyed"), ShredState::Destroyed);
    let late = store.place_hold(&permit, patient("p1"), "order of a court", None).expect_err("too late").to_string();
    assert!(late.contains("no way back"), "{late}");
    store.place_hold(&permit, patient("p2"), "order of a court", None).expect("others can be held");
    run(&store, id);
}

#[test]
fn what_a_hold_stops_is_judged_anew_and_can_be_given_up() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let scope = ShredScope::Patient(patient("p1").id());
    let says = |error: StoreError| error.to_string();
    let state =
        |id: Id16| store.shreds(&permit).expect("read").into_iter().find(|one| one.id == id).map(|one| one.state);
    let id = approved(&store, &scope);
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    assert!(says(store.shred_withdraw(&permit, id).expect_err("it is begun")).contains("a hold stops it"));
    store.place_hold(&permit, patient("p2"), "about another", None).expect("placed");
    assert_eq!(state(id), Some(ShredState::Running), "whom it is not about holds nothing up");
    let hold = store.place_hold(&permit, patient("p1"), "order of a court", None).expect("placed");
    assert_eq!(state(id), Some(ShredState::Approved));
    assert!(says(store.shred_step(&permit, id).expect_err("held")).contains("legal hold"));
    // One who approved has left since: what was settled when it was begun is settled no more.
    let right = Right::of(ShredRole::SecurityOfficer.name(), None).expect("a role of staff");
    store.revoke(Id16([3; 16]), &right).expect("revoked");
    store.end_hold(&permit, hold).expect("ended");
    assert!(says(store.shred_step(&permit, id).expect_err("one approval")).contains("waits for approvals"));
    store.shred_approve(&permit, id, actor(&store, 4, ShredRole::SecurityOfficer), &RULES).expect("approved");
    assert_eq!(store.shred_step(&permit, id).expect("begun anew"), ShredState::Running);
    store.place_hold(&permit, patient("p1"), "order of a court", None).expect("placed");
    store.shred_withdraw(&permit, id).expect("given up");
    assert!(says(store.shred_step(&permit, id).expect_err("given up")).contains("given up"));
    assert_eq!(read_all(&store, "p1").expect("read"), 3, "nothing was destroyed");
    let stores = vault::KeyStores::open_as_they_are(key_stores(&house.root), 2).expect("opened");
    assert_eq!(stores.destroyed().expect("read"), []);
    let again = request(&store, &scope);
    assert_eq!(state(again), Some(ShredState::Requested));
}

#[test]
fn a_hold_stops_nothing_of_which_the_key_stores_know_already() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let permit = repair(&store);
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    // As a database is that was made again from what the sites had a moment before.
    let listed = "INSERT INTO destroyed_key (id, cause, by, at_us) SELECT randomblob(16), 1, id, 0 FROM shred";
    look(&house).execute_batch(listed).expect("written");
    let late = store.place_hold(&permit, patient("p1"), "order of a court", None).expect_err("too late").to_string();
    assert!(late.contains("no way back"), "{late}");
    assert_eq!(store.shreds(&permit).expect("read")[0].state, ShredState::Running);
    assert!(store.shred_withdraw(&permit, id).is_err(), "keys are gone");
}

#[test]
fn a_key_store_that_hangs_keeps_no_store_from_opening_and_no_key_from_being_destroyed() {
    let house = House::new();
    drop(house.open());
    let hang = Arc::new(Hang(AtomicBool::new(true)));
    let seams = [base::Seams::default(), base::Seams::default(), base::Seams::with(Arc::<Hang>::clone(&hang) as _)];
    let key_stores = key_stores(&house.root).into_iter().zip(seams).collect();
    let key_stores = vault::KeyStores::with_patience(key_stores, 2, Duration::from_millis(500)).expect("opened");
    let begun = std::time::Instant::now();
    let store = Store::open(store::OpenStore { key_stores, ..house.with().expect("sites") }).expect("two are enough");
    two_patients(&store);
    let (permit, id) = (repair(&store), approved(&store, &ShredScope::Patient(patient("p1").id())));
    while store.shred_step(&permit, id).expect("a step") != ShredState::Destroyed {}
    assert_eq!(read_all(&store, "p1").expect("read"), 0);
    let said = store.shred_step(&permit, id).expect_err("one is not cleaned").to_string();
    assert!(said.contains("key store keys-c is not cleaned: does not answer in time"), "{said}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    hang.0.store(false, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    while store.shred_step(&permit, id).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it is back");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(run(&store, id).stores.len(), 3);
}

/// A network folder that never answers.
struct Hang(AtomicBool);

impl base::Seam for Hang {
    fn at(&self, _place: &'static str) -> std::io::Result<()> {
        while self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

#[test]
fn another_program_opens_nothing_that_was_erased() {
    let house = House::new();
    let (store, other) = (house.open(), house.open());
    two_patients(&store);
    assert_eq!(read_all(&other, "p1").expect("read"), 3, "its keys are in memory");
    let before = person(&other, Id16([7; 16]), &[patient("p1")], Action::ReadRecord);
    let deposit = depositor(&other, Action::Deposit);
    let prepared = prepare(&other, &deposit, patient("p1"), "Condition", "p1-c9", "late", 1);
    run(&store, approved(&store, &ShredScope::Patient(patient("p1").id())));
    let key = key(&store, patient("p1"), "Condition", "p1-c1");
    assert!(matches!(other.read(&before, &[key]), Err(StoreError::StaleEpoch { .. })));
    assert_eq!(read_all(&other, "p1").expect("read"), 0);
    let refused = other.write(&deposit, vec![prepared], vec![], None);
    assert!(matches!(refused, Err(StoreError::StaleEpoch { .. } | StoreError::KeyGone)), "{refused:?}");
    let deposit = depositor(&other, Action::Deposit);
    let prepared = prepare(&other, &deposit, patient("p1"), "Condition", "p1-c9", "late", 1);
    assert!(matches!(other.write(&deposit, vec![prepared], vec![], None), Err(StoreError::KeyGone)));
    // The refusal leaves nothing behind that would keep others from being written.
    write_one(&other, patient("p2"), "Condition", "p2-c9", "more");
}

#[test]
fn a_group_ends_and_the_others_of_its_owner_stay() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    let (code, class) = (institution(), class());
    let scope = ShredScope::Class { institution: code, class, expiry_year: 2035 };
    let certificate = run(&store, approved(&store, &scope));
    assert_eq!((certificate.keys, of_resources(&certificate)), (2, 6));
    assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 0);
    assert_eq!(count(&house, "SELECT count(*) FROM idx_string"), 0);
    assert_eq!(store.erased(&[patient("p1")]).expect("asked"), [false], "the patient may come with other records");
    write_one(&store, patient("p1"), "Condition", "p1-c1", "new");
    assert_eq!(read_all(&store, "p1").expect("read"), 1);
}

#[test]
fn an_older_database_serves_nothing_that_was_erased() {
    let house = House::new();
    let store = house.open();
    two_patients(&store);
    drop(store);
    // Database and sites are set back together, as from a backup of both; the key stores are as they are now.
    let folders: Vec<_> =
        std::iter::once(house.folder()).chain(sites(&house.root).into_iter().map(|one| one.folder)).collect();
    let backup = |folder: &std::path::Path| folder.with_extension("backup");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let copied = Command::new("cp").arg("-aT").arg(from).arg(to).status();
        assert!(copied.is_ok_and(|status| status.success()));
    };
    folders.iter().for_each(|folder| copy(folder, &backup(folder)));
    let store = house.open();
    let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
    let permit = repair(&store);
    assert_eq!(store.shred_step(&permit, id).expect("begun"), ShredState::Running);
    assert_eq!(store.shred_step(&permit, id).expect("destroyed"), ShredState::Destroyed);
    drop(store);
    for folder in &folders {
        std::fs::remove_dir_all(folder).expect("gone");
        copy(&backup(folder), folder);
    }
    assert!(is_in_files(&house, &format!("{PLANTED}-p1")));
    let store = house.open();
    assert_eq!((read_all(&store, "p1").expect("read"), read_all(&store, "p2").expect("read")), (0, 3));
    assert_eq!(count(&house, "SELECT count(*) FROM resource_version"), 3);
    assert!(!is_in_files(&house, &format!("{PLANTED}-p1")), "planted bytes are left");
    assert_eq!(store.erased(&[patient("p1")]).expect("asked"), [true]);
}

/// The child's work; without its variable it is no test.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = House::at(folder.as_ref()).open();
    let permit = repair(&store);
    let id = store.shreds(&permit).expect("read").remove(0).id;
    while store.shred_step(&permit, id).expect("a step") != ShredState::Done {}
}

/// Another process that does the erasure there is, to be killed.
pub fn in_a_process(house: &House) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "shred::child", "--test-threads", "1"])
        .env(FOLDER, &house.root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

#[test]
fn killed_at_random_points_it_is_done_in_the_end() {
    let random = SeededRandom::new(20_261_126);
    let mut killed = 0;
    for _ in 0..4 {
        let house = House::new();
        let store = house.open();
        two_patients(&store);
        let id = approved(&store, &ShredScope::Patient(patient("p1").id()));
        drop(store);
        for try_no in 0.. {
            let mut child = in_a_process(&house);
            let patience = Duration::from_millis(10 + u64::from(random.bytes16()[0]) / 4 + 4 * try_no);
            std::thread::sleep(patience);
            if let Some(ended) = child.try_wait().expect("asked") {
                assert!(ended.success(), "{ended}");
                break;
            }
            child.kill().expect("it can be killed");
            child.wait().expect("it has ended");
            killed += 1;
        }
        let store = house.open();
        let certificate = store.shred_certificate(&repair(&store), id, &RULES).expect("a certificate");
        assert_eq!((certificate.keys, of_resources(&certificate)), (3, 3), "as if it had never been killed");
        assert_eq!((read_all(&store, "p1").expect("read"), read_all(&store, "p2").expect("read")), (0, 3));
        assert_eq!(count(&house, "SELECT count(*) FROM commitment WHERE kind = 7"), 1, "one entry");
        assert!(!is_in_files(&house, &format!("{PLANTED}-p1")));
    }
    println!("{killed} kills");
    assert!(killed >= 8, "only {killed} kills hit anything");
}
