//! Lists of what is to be acted on: what waits is found whatever comes after it, nobody fills a list for all, and only what somebody
//! was shown is noted as seen.

use base::{Clock, Id16, Redacted};
use policy::{Action, GroundKind, Permit, ProofRules, Purpose, Role, Share, Target};
use store::{
    ConsentPurpose, ConsentTerms, GROUNDS_MAX, GROUNDS_WAITING_MAX, GroundPage, NewGround, NewRepresentative, Right,
    StoreError,
};

use crate::staff::*;
use crate::support::*;

const OTHER_DOCTOR: Id16 = Id16([0xd2; 16]);

fn subject(n: u8) -> Id16 {
    Id16([n; 16])
}

/// A ward with a second doctor.
fn ward() -> Ward {
    let ward = Ward::new();
    let right = Right::Appointed { role: Role::Clinician, institution: Some(institution()) };
    ward.store.grant(OTHER_DOCTOR, &right).expect("granted");
    ward
}

fn asking(ward: &Ward, account: Id16, (role, purpose): (Role, &str), about: Id16, id: Id16) -> Permit {
    let purpose = Purpose::with_ground(purpose, id).expect("a purpose on a ground");
    ward.ask(role, account, Action::AskGround, Target::Person(about), purpose).expect("they may ask")
}

/// A doctor asks for a visit of somebody.
fn visit(ward: &Ward, account: Id16, about: Id16, id: Id16) -> Result<Id16, StoreError> {
    let permit = asking(ward, account, (Role::Clinician, "care"), about, id);
    let new = NewGround { subject: about, institution: None, share: Share::Whole, reason: ward.reason() };
    ward.store.ask_ground(&permit, new)
}

/// Every page of the list of all, in its order: ids, and whether they are open.
fn all(ward: &Ward, limit: usize) -> Vec<(Id16, bool)> {
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    let mut page = GroundPage { limit, after: None };
    let mut found = Vec::new();
    loop {
        let list = ward.store.grounds(&steward, &page).expect("a list");
        assert!(limit == 0 || list.grounds.len() <= limit);
        found.extend(list.grounds.iter().map(|ground| (ground.id, ground.confirmed.is_some())));
        page.after = list.next;
        if page.after.is_none() {
            return found;
        }
    }
}

#[test]
fn what_waits_longest_is_the_first_of_the_list_and_every_ground_is_on_some_page() {
    let ward = ward();
    let steward = || ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    for n in 1..=7 {
        visit(&ward, if n == 1 { OTHER_DOCTOR } else { DOCTOR }, subject(n), Id16([0x80 - n; 16])).expect("written");
        // Some are of one moment.
        ward.clock.advance(i64::from(n % 2));
    }
    for n in [3, 5] {
        ward.store.confirm_ground(&steward(), Id16([0x80 - n; 16])).expect("confirmed");
    }
    let whole = all(&ward, 0);
    assert_eq!(whole[0], (Id16([0x7f; 16]), false), "asked for first");
    let states: Vec<bool> = whole.iter().map(|(_, open)| *open).collect();
    assert_eq!(states, [false, false, false, false, false, true, true], "what waits comes first");
    for limit in 1..=8 {
        assert_eq!(all(&ward, limit), whole, "in pages of {limit}");
    }
    let permit = steward();
    let too_long = ward.store.grounds(&permit, &GroundPage { limit: GROUNDS_MAX + 1, after: None });
    assert!(matches!(too_long, Err(StoreError::Limit { .. })));

    let own = |limit, after| ward.store.own_grounds(DOCTOR, &GroundPage { limit, after }).expect("a list");
    let mine: Vec<Id16> = own(0, None).grounds.iter().map(|ground| ground.id).collect();
    assert_eq!((mine.len(), mine.contains(&Id16([0x7f; 16]))), (6, false), "nobody else's");
    let times: Vec<_> = own(0, None).grounds.iter().map(|ground| ground.asked).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "the newest first");
    let first = own(4, None);
    let second = own(4, first.next);
    let paged: Vec<Id16> = first.grounds.iter().chain(&second.grounds).map(|ground| ground.id).collect();
    assert_eq!((paged, second.next), (mine, None));
}

#[test]
fn nobody_fills_the_list_and_what_waits_no_longer_does_not_count() {
    let ward = ward();
    let id = |n: usize| Id16::derived(&["waiting", &n.to_string()]);
    let ask = |n: usize| visit(&ward, DOCTOR, id(n), id(n)).map(drop);
    let is_full = |n: usize| assert!(matches!(ask(n), Err(StoreError::Limit { .. })), "{n}");
    let refused: Vec<StoreError> = (0..GROUNDS_WAITING_MAX).filter_map(|n| ask(n).err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    is_full(200);
    visit(&ward, OTHER_DOCTOR, subject(9), Id16([0x31; 16])).expect("others ask on");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, id(0)).expect("confirmed");
    ask(201).expect("what is open is not what waits");
    is_full(202);
    let permit = asking(&ward, DOCTOR, (Role::Clinician, "care"), id(1), id(1));
    ward.store.close_ground(&permit, id(1)).expect("whoever asked gives it up");
    ask(203).expect("it waits no longer");
    is_full(204);
    ward.clock.advance(25 * 3_600);
    ask(205).expect("nobody confirmed the others in their time");
}

#[test]
fn whoever_asked_closes_their_own_and_nobody_elses() {
    let ward = ward();
    visit(&ward, DOCTOR, ward.person, Id16([0x11; 16])).expect("written");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, Id16([0x11; 16])).expect("confirmed");
    let other = asking(&ward, OTHER_DOCTOR, (Role::Clinician, "care"), ward.person, Id16([0x11; 16]));
    assert!(matches!(ward.store.close_ground(&other, Id16([0x11; 16])), Err(StoreError::Missing { .. })));
    let read = ward.doctor(Purpose::Care { ground: Id16([0x11; 16]) }).expect("it is open");
    let own = asking(&ward, DOCTOR, (Role::Clinician, "care"), ward.person, Id16([0x11; 16]));
    ward.store.close_ground(&own, Id16([0x11; 16])).expect("closed");
    assert!(matches!(ward.read(&read), Err(StoreError::StaleEpoch { .. })), "on the very next use");
}

#[test]
fn the_open_request_about_somebody_is_found_by_whom_it_is_about() {
    let ward = ward();
    let about = |account, subject| {
        let found = ward.store.own_ground_about(account, (Role::Support, GroundKind::Request), subject);
        found.expect("an answer")
    };
    let request = |id: u8| {
        let permit = asking(&ward, CLERK, (Role::Support, "application"), subject(1), Id16([id; 16]));
        let new = NewGround { subject: subject(1), institution: None, share: Share::Whole, reason: ward.reason() };
        ward.store.ask_ground(&permit, new).expect("written")
    };
    let confirm = |id| {
        let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
        ward.store.confirm_ground(&steward, id).expect("confirmed");
    };
    let first = request(0x21);
    assert_eq!(about(CLERK, subject(1)), None, "it waits");
    confirm(first);
    ward.clock.advance(1);
    confirm(request(0x22));
    assert_eq!(about(CLERK, subject(1)), Some(Id16([0x22; 16])), "the last");
    assert_eq!((about(CLERK, subject(2)), about(DOCTOR, subject(1))), (None, None));
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.close_ground(&steward, Id16([0x22; 16])).expect("closed");
    assert_eq!(about(CLERK, subject(1)), Some(first), "that which is open still");
}

#[test]
fn what_was_never_confirmed_ends_no_permit_when_it_is_closed() {
    let ward = ward();
    let (open, waiting) = (Id16([0x11; 16]), Id16([0x12; 16]));
    visit(&ward, DOCTOR, ward.person, open).expect("written");
    let steward = ward.office(Role::Steward, STEWARD, Action::ConfirmGround);
    ward.store.confirm_ground(&steward, open).expect("confirmed");
    visit(&ward, OTHER_DOCTOR, ward.person, waiting).expect("written");
    let read = ward.doctor(Purpose::Care { ground: open }).expect("it is open");
    let own = asking(&ward, OTHER_DOCTOR, (Role::Clinician, "care"), ward.person, waiting);
    ward.store.close_ground(&own, waiting).expect("given up");
    ward.read(&read).expect("no permit could rest on what waited");
    assert!(matches!(ward.store.close_ground(&own, waiting), Err(StoreError::Missing { .. })), "it is closed");
}

#[test]
fn an_emergency_that_was_told_after_the_page_was_shown_is_not_noted_as_seen() {
    let ward = ward();
    let break_it = |id: u8| {
        let purpose = Purpose::Emergency { ground: Id16([id; 16]) };
        let permit = ward.ask(Role::Clinician, DOCTOR, Action::BreakGlass, ward.about(), purpose).expect("a permit");
        ward.store.break_glass(&permit, ward.person, Redacted::new("의식 없음".to_owned()), OFFICER).expect("broken")
    };
    let told = || {
        let notices = ward.store.glass_notices(OFFICER).expect("notices");
        notices.into_iter().map(|notice| notice.ground).collect::<Vec<_>>()
    };
    break_it(0x31);
    let shown = told();
    // Of the same moment, as two transactions may be.
    let later = break_it(0x32);
    ward.store.glass_notices_seen(OFFICER, &shown).expect("noted");
    assert_eq!(told(), [later], "it is shown the next time");
    ward.store.glass_notices_seen(DOCTOR, &[later]).expect("nothing of theirs");
    ward.store.glass_notices_seen(OFFICER, &[]).expect("nothing");
    assert_eq!(told(), [later]);
    assert!(ward.store.glass_notices_seen(OFFICER, &vec![later; GROUNDS_MAX + 1]).is_err());
    ward.store.glass_notices_seen(OFFICER, &[later]).expect("noted");
    assert_eq!(told(), []);
}

#[test]
fn appointments_that_are_open_stand_before_those_that_are_not() {
    let ward = ward();
    let agent = ward.store.person_for_ci(&[8; 32]).expect("a person");
    let rules = ProofRules::at(ward.clock.now());
    let case = rules.cases().iter().find(|case| case.by_person).expect("a person's own word");
    let new = |until: &str| NewRepresentative {
        person: ward.person,
        agent,
        proof_case: case.slug.clone(),
        birth_date: Some(jiff::civil::date(1982, 1, 2).into()),
        seen: case.proofs.iter().cloned().collect(),
        institution: None,
        share: Share::Whole,
        from: None,
        until: until.parse().expect("a time"),
    };
    let appoint = |until: &str| ward.store.appoint(&ward.own(Action::Appoint), new(until)).expect("appointed");
    let (open, short) = (appoint("2027-01-01T00:00:00Z"), appoint("2026-11-25T00:00:00Z"));
    for _ in 0..3 {
        ward.clock.advance(60);
        let ended = appoint("2027-06-01T00:00:00Z");
        ward.store.end_representative(&ward.own(Action::Appoint), ward.person, ended).expect("ended");
    }
    ward.clock.advance(4 * 24 * 3_600);
    let own = ward.own(Action::Appoint);
    for list in [ward.store.representatives(&own, ward.person), ward.store.represented_by(agent)] {
        let list = list.expect("a list");
        assert_eq!(
            (list.len(), list[0].id, list[1].id),
            (5, open, short),
            "and what has run out before what was ended"
        );
        assert!(list[2].ended > list[3].ended && list[3].ended > list[4].ended, "the last that was ended first");
    }
}

#[test]
fn whoever_deposits_for_two_institutions_is_asked_about_the_one_that_is_named() {
    let ward = ward();
    let account = Id16([0xde; 16]);
    for code in [institution(), other_institution()] {
        ward.store.grant(account, &Right::Depositor(code)).expect("granted");
    }
    let about = |code| {
        let target = Target::Institution(code);
        ward.store.ask(&ward.door, request(Role::Depositor, account, Action::Deposit, target))
    };
    for code in [institution(), other_institution()] {
        let permit = about(code.clone()).expect("they deposit there");
        assert_eq!(*permit.scope(), policy::Scope::Institution(code), "and that permit reaches no other");
    }
    assert!(about(pharmacy()).is_err(), "somebody else's");
}

#[test]
fn a_consent_says_in_which_role_it_is_used() {
    let ward = ward();
    // A doctor who is a pharmacist somewhere else.
    let right = Right::Appointed { role: Role::Pharmacist, institution: Some(pharmacy()) };
    ward.store.grant(DOCTOR, &right).expect("granted");
    let give = |grantee, purpose| {
        let terms = ConsentTerms {
            person: ward.person,
            grantees: [grantee].into(),
            purposes: [purpose].into(),
            institutions: [].into(),
            kinds: [policy::DataKind::Diagnoses].into(),
            sensitive: [].into(),
            from: "2026-11-22T00:00:00+09:00".parse().expect("a time"),
            until: "2027-01-01T00:00:00Z".parse().expect("a time"),
        };
        ward.store.give_consent(&ward.own(Action::ManageConsent), &terms).expect("given").0
    };
    let role = |consent| ward.store.role_on_consent(DOCTOR, consent).expect("an answer");
    assert_eq!(role(give(institution(), ConsentPurpose::Care)), Some(Role::Clinician));
    assert_eq!(role(give(pharmacy(), ConsentPurpose::Dispensing)), Some(Role::Pharmacist));
    assert_eq!(role(give(institution(), ConsentPurpose::Dispensing)), None, "no pharmacist there");
    assert_eq!(role(give(other_institution(), ConsentPurpose::Care)), None);
    assert_eq!(role(Id16([9; 16])), None);
}
