//! Rights that are taken from somebody who stays, with what hangs on them, and rights that wait to be confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::Id16;
use policy::{Action, DenialReason, InstitutionCode, Permit, Purpose, Role, Share, Target};
use store::{NewGround, Right, StoreError};

use crate::staff::*;
use crate::support::*;

const FIRST: Id16 = Id16([0xb1; 16]);
const SECOND: Id16 = Id16([0xb2; 16]);
const VISIT: Id16 = Id16([0x11; 16]);
const GLASS: Id16 = Id16([0x22; 16]);
const REQUEST: Id16 = Id16([0x33; 16]);

fn appointed(role: Role) -> Right {
    Right::Appointed { role, institution: None }
}

fn clinician(institution: InstitutionCode) -> Right {
    Right::Appointed { role: Role::Clinician, institution: Some(institution) }
}

/// An administrator's permit.
fn manage(ward: &Ward, account: Id16) -> Permit {
    ward.store.grant(account, &appointed(Role::Administrator)).expect("granted");
    ward.ask(Role::Administrator, account, Action::ManageRights, Target::Installation, Purpose::Operation)
        .expect("a permit")
}

/// Somebody asks for a ground, and a steward confirms it.
fn open(ward: &Ward, role: Role, account: Id16, purpose: Purpose) {
    let asked = ward.ask(role, account, Action::AskGround, ward.about(), purpose).expect("may ask");
    let new = NewGround { subject: ward.person, institution: None, share: Share::Whole, reason: ward.reason() };
    let ground = ward.store.ask_ground(&asked, new).expect("it is written");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, ground).expect("confirmed");
}

fn take(ward: &Ward, by: &Permit, account: Id16, right: &Right) -> Result<bool, StoreError> {
    ward.store.take_right(Some(by), account, right, "a test", |_, is_lost| Ok(is_lost))
}

#[test]
fn grounds_end_with_the_role_that_they_were_asked_for_in() {
    let ward = Ward::new();
    let emergency = || Purpose::Emergency { ground: GLASS };
    let glass = ward.ask(Role::Clinician, DOCTOR, Action::BreakGlass, ward.about(), emergency()).expect("a permit");
    ward.store.break_glass(&glass, ward.person, ward.reason(), OFFICER).expect("broken");
    let applied = || Purpose::Application { ground: REQUEST };
    open(&ward, Role::Support, CLERK, applied());
    let proof = |ward: &Ward| ward.ask(Role::Support, CLERK, Action::RecordProof, ward.about(), applied());
    let permit = ward.doctor(emergency()).expect("it is open");
    assert!(ward.read(&permit).is_ok() && proof(&ward).is_ok());

    let by = manage(&ward, FIRST);
    assert!(take(&ward, &by, DOCTOR, &clinician(institution())).expect("taken"), "it was the last of its role");
    assert!(matches!(ward.read(&permit), Err(StoreError::StaleEpoch { .. })), "on the very next use");
    assert!(take(&ward, &manage(&ward, FIRST), CLERK, &appointed(Role::Support)).expect("taken"));
    assert_eq!(ward.doctor(emergency()).expect_err("no doctor"), DenialReason::Role);
    ward.store.grant(DOCTOR, &clinician(institution())).expect("granted");
    ward.store.grant(CLERK, &appointed(Role::Support)).expect("granted");
    assert_eq!(ward.doctor(emergency()).expect_err("what ended stays closed"), DenialReason::Ground);
    assert_eq!(proof(&ward).expect_err("what ended stays closed"), DenialReason::Ground);
}

#[test]
fn a_visit_stays_closed_where_the_right_ended_and_came_back_and_an_emergency_goes_on() {
    let ward = Ward::new();
    ward.store.grant(DOCTOR, &clinician(other_institution())).expect("granted");
    open(&ward, Role::Clinician, DOCTOR, Purpose::Care { ground: VISIT });
    let emergency = || Purpose::Emergency { ground: GLASS };
    let glass = ward.ask(Role::Clinician, DOCTOR, Action::BreakGlass, ward.about(), emergency()).expect("a permit");
    ward.store.break_glass(&glass, ward.person, ward.reason(), OFFICER).expect("broken");
    // At which of the two the visit is.
    let at = |code: InstitutionCode| {
        take(&ward, &manage(&ward, FIRST), DOCTOR, &clinician(code.clone())).expect("taken");
        let is_open = ward.doctor(Purpose::Care { ground: VISIT }).is_ok();
        ward.store.grant(DOCTOR, &clinician(code)).expect("granted");
        is_open
    };
    assert!(!at(institution()));
    assert!(ward.doctor(Purpose::Care { ground: VISIT }).is_err(), "it is asked for anew");
    assert!(ward.doctor(emergency()).is_ok(), "a role is left");
}

#[test]
fn nobody_takes_their_own_and_what_is_not_there_is_told_as_undone() {
    let ward = Ward::new();
    let by = manage(&ward, FIRST);
    let administrator = appointed(Role::Administrator);
    assert!(matches!(take(&ward, &by, FIRST, &administrator), Err(StoreError::Scope { .. })), "their own");
    assert!(matches!(take(&ward, &by, CLERK, &Right::Operator), Err(StoreError::Missing { .. })));
    let other = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    assert!(matches!(take(&ward, &other, CLERK, &appointed(Role::Support)), Err(StoreError::Action { .. })));
    let fails = |_: &rusqlite::Transaction<'_>, _: bool| Err::<(), _>(rusqlite::Error::InvalidQuery);
    let failed = ward.store.take_right(Some(&by), CLERK, &appointed(Role::Support), "a test", fails);
    assert!(failed.is_err());
    assert_eq!(ward.store.rights(CLERK).expect("a list"), [appointed(Role::Support)], "all as it was");
    assert_eq!(ward.store.facts(CLERK).expect("facts").epoch, by.epoch(), "no permit ended");
    take(&ward, &by, CLERK, &appointed(Role::Support)).expect("taken");
    let late = take(&ward, &by, STEWARD, &appointed(Role::Steward));
    assert!(matches!(late, Err(StoreError::StaleEpoch { .. })), "rights changed since it was asked: {late:?}");
    let own = person(&ward.store, CLERK, &[], Action::ReadAccessLog);
    let log = ward.store.access_log(&own, &store::AccessPage::default()).expect("the log");
    let told = |result: &store::AccessResult| {
        let taken = |one: &&store::LoggedAccess| one.entry.what[0].0.starts_with("right-taken-");
        log.entries.iter().filter(taken).filter(|one| one.entry.result == *result).count()
    };
    let undone = store::AccessResult::Denied { reason: "undone".to_owned() };
    assert_eq!((told(&store::AccessResult::Granted), told(&undone)), (3, 2));
}

#[test]
fn what_waits_is_confirmed_one_by_one_withdrawn_and_gone_with_the_role_of_who_asked() {
    let ward = Ward::new();
    let (auditor, researcher) = (appointed(Role::Auditor), appointed(Role::Researcher));
    let first = manage(&ward, FIRST);
    for right in [&auditor, &researcher, &Right::Operator] {
        ward.store.ask_right(&first, CLERK, right).expect("asked for");
    }
    let second = manage(&ward, SECOND);
    let confirm =
        |only: Option<&Right>, fits: bool| ward.store.confirm_rights(Some(&second), CLERK, only, move |_| Ok(fits));
    assert!(matches!(confirm(None, false), Err(StoreError::Missing { .. })), "the account does not fit");
    assert_eq!(confirm(Some(&auditor), true).expect("given"), 1);
    let held = [auditor, appointed(Role::Support)];
    assert_eq!(ward.store.rights(CLERK).expect("a list"), held);
    let all = ward.store.rights_held().expect("a list");
    assert_eq!(
        all.into_iter().filter(|(account, _)| *account == CLERK).map(|(_, right)| right).collect::<Vec<_>>(),
        held
    );
    assert!(!take(&ward, &second, CLERK, &researcher).expect("withdrawn"), "it was held by nobody");
    let second = manage(&ward, SECOND);
    assert_eq!(ward.store.rights_asked().expect("a list").len(), 1);
    take(&ward, &second, FIRST, &appointed(Role::Administrator)).expect("taken");
    assert_eq!(ward.store.rights_asked().expect("a list"), [], "what they asked for waits for nobody");
    assert!(ward.store.rights(FIRST).expect("a list").is_empty());
}

#[test]
fn what_is_held_or_asked_for_by_another_is_told_to_who_asks() {
    let ward = Ward::new();
    let auditor = appointed(Role::Auditor);
    let (first, second) = (manage(&ward, FIRST), manage(&ward, SECOND));
    let confirm = |by: &Permit| ward.store.confirm_rights(Some(by), CLERK, None, |_| Ok(true));
    for _ in 0..2 {
        ward.store.ask_right(&first, CLERK, &auditor).expect("by the one who asked, as often as they like");
    }
    let held = ward.store.ask_right(&second, CLERK, &appointed(Role::Support));
    assert!(matches!(held, Err(StoreError::RightHeld)), "{held:?}");
    let others = ward.store.ask_right(&second, CLERK, &auditor);
    assert!(matches!(others, Err(StoreError::RightAsked)), "{others:?}");
    assert!(matches!(confirm(&first), Err(StoreError::Missing { .. })), "the first is who asked, still");
    // The other asks anew, and the first confirms.
    take(&ward, &second, CLERK, &auditor).expect("withdrawn");
    let (first, second) = (manage(&ward, FIRST), manage(&ward, SECOND));
    ward.store.ask_right(&second, CLERK, &auditor).expect("nobody asks for it now");
    assert_eq!(confirm(&first).expect("given"), 1);
}

#[test]
fn the_log_says_which_role_was_asked_for_given_and_taken() {
    let ward = Ward::new();
    let (auditor, doctor) = (appointed(Role::Auditor), clinician(institution()));
    let first = manage(&ward, FIRST);
    for right in [&auditor, &doctor] {
        ward.store.ask_right(&first, CLERK, right).expect("asked for");
    }
    let second = manage(&ward, SECOND);
    let confirm = |by: &Permit| ward.store.confirm_rights(Some(by), CLERK, None, |_| Ok(true));
    assert!(confirm(&first).is_err(), "by who asked");
    assert_eq!(confirm(&second).expect("given"), 2);
    take(&ward, &second, CLERK, &doctor).expect("taken");
    let own = person(&ward.store, CLERK, &[], Action::ReadAccessLog);
    let log = ward.store.access_log(&own, &store::AccessPage::default()).expect("the log");
    let told = log.entries.iter().rev().filter(|one| one.entry.action == "manage-rights").map(|one| {
        let granted = one.entry.result == store::AccessResult::Granted;
        (one.entry.what[0].0.as_str(), one.entry.institution.clone(), granted)
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|one| (one.0.to_owned(), !one.2));
    let here = Some(institution());
    let expected = [
        ("right-asked-auditor", None, true),
        ("right-asked-clinician", here.clone(), true),
        ("right-given", None, true),
        ("right-given", None, false),
        ("right-given-auditor", None, true),
        ("right-given-clinician", here.clone(), true),
        ("right-taken-clinician", here, true),
    ];
    assert_eq!(told, expected, "none was there for who asked, whose attempt came to nothing");
}

#[test]
fn what_nobody_confirms_lapses() {
    let ward = Ward::new();
    let (auditor, researcher) = (appointed(Role::Auditor), appointed(Role::Researcher));
    let (first, second) = (manage(&ward, FIRST), manage(&ward, SECOND));
    let confirm =
        |right: &Right| ward.store.confirm_rights(Some(&manage(&ward, SECOND)), CLERK, Some(right), |_| Ok(true));
    for right in [&auditor, &researcher] {
        ward.store.ask_right(&first, CLERK, right).expect("asked for");
    }
    let day = 24 * 3_600;
    ward.clock.advance(store::RIGHT_ASKED_DAYS * day - 1);
    ward.store.ask_right(&first, CLERK, &researcher).expect("by who asked, for as long once more");
    let waiting = ward.store.rights_asked().expect("a list");
    let until = |right: &Right| waiting.iter().find(|one| one.right == *right).expect("it waits").until.as_second();
    assert_eq!(until(&researcher) - until(&auditor), store::RIGHT_ASKED_DAYS * day - 1);
    ward.clock.advance(1);
    assert_eq!(ward.store.rights_asked().expect("a list").len(), 1);
    assert!(matches!(confirm(&auditor), Err(StoreError::Missing { .. })), "too late");
    assert_eq!(confirm(&researcher).expect("given"), 1);
    ward.store.ask_right(&second, CLERK, &auditor).expect("nobody asks for it any more");
    let by = ward.store.rights_asked().expect("a list")[0].by;
    assert_eq!(by, SECOND, "what lapsed is gone");
}

#[test]
fn what_is_done_beside_asking_is_done_with_it_or_not_at_all() {
    let ward = Ward::new();
    let auditor = appointed(Role::Auditor);
    let by = manage(&ward, FIRST);
    let fails = |_: &rusqlite::Transaction<'_>| Err::<(), _>(rusqlite::Error::InvalidQuery);
    assert!(ward.store.ask_right_with(&by, CLERK, &auditor, "a test", fails).is_err());
    assert_eq!(ward.store.rights_asked().expect("a list"), []);
    assert_eq!(ward.store.ask_right_with(&by, CLERK, &auditor, "a test", |_| Ok(7)).expect("both"), 7);
    take(&ward, &by, CLERK, &auditor).expect("withdrawn, and with it every permit");
    let done = Arc::new(AtomicBool::new(false));
    let beside = Arc::clone(&done);
    let late = ward.store.ask_right_with(&by, CLERK, &auditor, "a test", move |_| {
        beside.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(matches!(late, Err(StoreError::StaleEpoch { .. })), "{late:?}");
    assert!(!done.load(Ordering::SeqCst), "nothing is done beside what is not done");
}
