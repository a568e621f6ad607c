//! Passkeys of people and of staff: the ways in, and every way to be refused.

use crate::provider::{KIM, LEE};
use crate::world::{ELSEWHERE, HOME, World};
use identity::{Holder, IdentityError, PasskeyFault, SecondFactor, Session, SignedIn};
use policy::{Action, Assurance, Door, Permit, Purpose, Request, Role, Target};
use store::Right;
use synth::passkey::SoftKey;

pub const ORIGIN: &str = "http://localhost:1";

fn soft() -> SoftKey {
    SoftKey::new(ORIGIN)
}

/// A first sign-in of a person who sets up a passkey instead of an app.
fn person_with_passkey(world: &World, key: &mut SoftKey) -> Session {
    let session = world.sign_in(&KIM).session;
    let ask = world.identity.passkey_enrol(&session).expect("nothing set up yet");
    let answer = key.create(&ask.options);
    let token = world.identity.passkey_enrolled(&session, ask.cookie.expose(), &answer, "내 전화").expect("good");
    world.session(&token)
}

/// A member of staff with a passkey, signed in.
pub fn staff(world: &World, key: &mut SoftKey) -> SignedIn {
    staff_as(world, key, &Right::Operator)
}

/// The same with another right.
pub fn staff_as(world: &World, key: &mut SoftKey, right: &Right) -> SignedIn {
    let invitation = world.identity.staff_invite("박도윤", std::slice::from_ref(right)).expect("a good name");
    let (_, ask) = world.identity.staff_enrol(invitation.token.expose()).expect("a fresh invitation");
    let answer = key.create(&ask.options);
    world
        .identity
        .staff_enrolled(invitation.token.expose(), ask.cookie.expose(), &answer, "열쇠", HOME)
        .expect("a good passkey")
}

/// The permit of an operator to decide about second factors of others.
pub fn deciding(world: &World, session: &Session) -> Permit {
    permit(world, session, Role::Operator, Action::DecideRecovery)
}

/// The permit to manage rights of somebody who becomes an administrator where they are none.
pub fn managing(world: &World, session: &Session) -> Permit {
    let right = Right::of("administrator", None).expect("a role");
    world.store.grant(session.account, &right).expect("granted");
    permit(world, session, Role::Administrator, Action::ManageRights)
}

fn permit(world: &World, session: &Session, role: Role, action: Action) -> Permit {
    let (actor, target, purpose) = (session.actor_as(role, HOME), Target::Installation, Purpose::Operation);
    let request = Request { actor, action, target, purpose };
    world.store.ask(&Door::standard().expect("policies"), request).expect("a permit")
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, IdentityError>, expected: PasskeyFault) {
    assert!(matches!(outcome, Err(IdentityError::Passkey { fault }) if fault == expected), "{outcome:?}");
}

#[test]
fn a_person_with_a_passkey_needs_no_code() {
    let world = World::new();
    let mut key = soft().copyable();
    let first = person_with_passkey(&world, &mut key);
    assert_eq!((first.assurance, first.second_factor), (Assurance::Two, SecondFactor::Passkey));
    assert!(first.is_fresh);
    let listed = world.identity.passkeys(&first).expect("a list");
    assert_eq!((listed.len(), listed[0].name.expose().as_str(), listed[0].copyable), (1, "내 전화", true));

    let again = world.sign_in(&KIM).session;
    assert_eq!(again.assurance, Assurance::One);
    assert!(matches!(world.identity.totp_enrol(&again), Err(IdentityError::TotpEnrolled)), "no way around the passkey");
    assert!(matches!(world.identity.passkey_enrol(&again), Err(IdentityError::SecondFactorNeeded)));
    let ask = world.identity.passkey_prove(&again).expect("there is one");
    let answer = key.get(&ask.options);
    let token = world.identity.passkey_proved(&again, ask.cookie.expose(), &answer, HOME).expect("the right one");
    assert_eq!(world.session(&token).assurance, Assurance::Two);
    let replayed = world.identity.passkey_proved(&world.session(&token), ask.cookie.expose(), &answer, HOME);
    assert!(matches!(replayed, Err(IdentityError::SignInUsed)));
}

#[test]
fn answers_that_do_not_hold_are_refused() {
    let world = World::new();
    let mut key = soft();
    person_with_passkey(&world, &mut key);
    let session = world.sign_in(&KIM).session;
    let prove = |key: &mut SoftKey, cookie: Option<&str>| {
        let session = world.sign_in(&KIM).session;
        let ask = world.identity.passkey_prove(&session).expect("there is one");
        let answer = key.get(&ask.options);
        world.identity.passkey_proved(&session, cookie.unwrap_or(ask.cookie.expose()), &answer, HOME)
    };
    refused(prove(&mut key.clone().at("https://hanmaru.example.evil"), None), PasskeyFault::Origin);
    refused(prove(&mut key.clone().unverified(), None), PasskeyFault::NotVerified);
    let earlier = world.identity.passkey_prove(&session).expect("there is one");
    refused(prove(&mut key, Some(earlier.cookie.expose())), PasskeyFault::Challenge);
    assert!(matches!(prove(&mut key, Some("made up")), Err(IdentityError::SignInForged)));
    world.clock.advance(600);
    let late = prove(&mut key, Some(earlier.cookie.expose()));
    assert!(matches!(late, Err(IdentityError::SignInExpired)), "{late:?}");

    let stranger = world.sign_in(&LEE).session;
    let ask = world.identity.passkey_prove(&session).expect("there is one");
    let answer = key.get(&ask.options);
    let outcome = world.identity.passkey_proved(&stranger, ask.cookie.expose(), &answer, HOME);
    assert!(matches!(outcome, Err(IdentityError::SignInForged)), "another's challenge");
    let session = world.sign_in(&KIM).session;
    let ask = world.identity.passkey_prove(&session).expect("there is one");
    let garbage = world.identity.passkey_proved(&session, ask.cookie.expose(), "{}", HOME);
    refused(garbage, PasskeyFault::Form);
    assert!(prove(&mut key, None).is_ok(), "and the right one still goes in");
}

#[test]
fn a_copy_is_found_out_by_its_counter() {
    let world = World::new();
    let mut key = soft();
    person_with_passkey(&world, &mut key);
    let mut copy = key.clone();
    let prove = |key: &mut SoftKey| {
        let session = world.sign_in(&KIM).session;
        let ask = world.identity.passkey_prove(&session)?;
        let answer = key.get(&ask.options);
        world.identity.passkey_proved(&session, ask.cookie.expose(), &answer, HOME)
    };
    prove(&mut key).expect("the right one");
    prove(&mut key).expect("the right one");
    refused(prove(&mut copy), PasskeyFault::Copied);
    refused(prove(&mut key), PasskeyFault::Unknown);
    let half = world.sign_in(&KIM).session;
    assert_eq!(half.second_factor, SecondFactor::Suspect);
    assert!(matches!(world.identity.totp_enrol(&half), Err(IdentityError::TotpEnrolled)), "suspect is not gone");
    assert!(matches!(world.identity.passkey_enrol(&half), Err(IdentityError::SecondFactorNeeded)));
    world.identity.recovery_ask(&half).expect("two members of staff help");
}

#[test]
fn a_right_passkey_is_taken_whatever_failed_before() {
    let world = World::new();
    let mut key = soft();
    person_with_passkey(&world, &mut key);
    let prove = |key: &mut SoftKey, source: &str| {
        let session = world.try_sign_in(&KIM, source).expect("one factor").session;
        let ask = world.identity.passkey_prove(&session).expect("there is one");
        world.identity.passkey_proved(&session, ask.cookie.expose(), &key.get(&ask.options), source)
    };
    let mut bad = key.clone().unverified();
    // At home and from everywhere else, until both are made to wait.
    for number in 0..40 {
        for source in [HOME.to_owned(), format!("198.51.100.{number}")] {
            prove(&mut bad, &source).expect_err("its holder was not checked");
        }
    }
    for source in [HOME, "198.51.100.200"] {
        let slowed = prove(&mut bad, source);
        assert!(matches!(slowed, Err(IdentityError::Throttled { .. })), "{slowed:?}");
        prove(&mut key, source).expect("nobody guesses a signature");
    }
}

#[test]
fn passkeys_come_and_go_with_the_second_factor_just_given() {
    let world = World::new();
    let (session, app) = world.sign_in_with_totp(&KIM);
    let mut key = soft();
    let ask = world.identity.passkey_enrol(&session).expect("just proved");
    let answer = key.create(&ask.options);
    let token = world.identity.passkey_enrolled(&session, ask.cookie.expose(), &answer, "").expect("good");
    let session = world.session(&token);
    assert_eq!(session.second_factor, SecondFactor::Either);
    let ask = world.identity.passkey_enrol(&session).expect("just proved");
    let again = world.identity.passkey_enrolled(&session, ask.cookie.expose(), &answer, "");
    refused(again, PasskeyFault::Challenge);

    world.clock.advance(400);
    let session = world.identity.session(token.cookie_value()).expect("live");
    assert!(!session.is_fresh);
    let id = world.identity.passkeys(&session).expect("a list")[0].id.clone();
    assert!(matches!(world.identity.passkey_enrol(&session), Err(IdentityError::SecondFactorNeeded)));
    assert!(matches!(world.identity.remove_passkey(&session, &id), Err(IdentityError::SecondFactorNeeded)));
    let token = world.identity.totp_check(&session, &app.code(&*world.clock), HOME).expect("the right code");
    let proved = world.session(&token);
    assert!(proved.is_fresh);
    assert_eq!(proved.id, session.id, "the portal knows it again");
    assert!(world.identity.remove_passkey(&proved, &id).expect("removed"));
    assert!(!world.identity.remove_passkey(&proved, &id).expect("gone"));
    assert!(world.identity.passkeys(&proved).expect("a list").is_empty());
}

#[test]
fn the_last_second_factor_stays() {
    let world = World::new();
    let session = person_with_passkey(&world, &mut soft());
    let id = world.identity.passkeys(&session).expect("a list")[0].id.clone();
    refused(world.identity.remove_passkey(&session, &id), PasskeyFault::Last);
}

#[test]
fn staff_sign_in_with_a_passkey_bound_to_its_device_and_nothing_else() {
    let world = World::new();
    let mut key = soft();
    let first = staff(&world, &mut key);
    assert_eq!((first.session.holder, first.session.assurance), (Holder::Staff, Assurance::Two));
    assert_eq!(first.session.name.expose(), "박도윤");
    assert!(
        matches!(world.identity.totp_enrol(&first.session), Err(IdentityError::TotpEnrolled)),
        "no codes for staff"
    );
    let ask = world.identity.staff_ask().expect("a challenge");
    let answer = key.get(&ask.options);
    let again = world.identity.staff_sign_in(ask.cookie.expose(), &answer, ELSEWHERE).expect("the right passkey");
    assert_eq!(again.session.account, first.session.account);
    let replayed = world.identity.staff_sign_in(ask.cookie.expose(), &answer, ELSEWHERE);
    assert!(matches!(replayed, Err(IdentityError::SignInUsed)));
    assert!(world.store.facts(first.session.account).expect("facts").operator);

    let mut persons = soft();
    person_with_passkey(&world, &mut persons);
    let ask = world.identity.staff_ask().expect("a challenge");
    let outcome = world.identity.staff_sign_in(ask.cookie.expose(), &persons.get(&ask.options), HOME);
    assert!(matches!(outcome, Err(IdentityError::NotStaff)), "a person's passkey: {outcome:?}");
}

#[test]
fn a_passkey_that_can_be_copied_is_no_members_of_staff() {
    let world = World::new();
    let invitation = world.identity.staff_invite("박도윤", &[]).expect("a good name");
    let token = invitation.token.expose();
    let enrol = |mut key: SoftKey| {
        let (_, ask) = world.identity.staff_enrol(token)?;
        let answer = key.create(&ask.options);
        world.identity.staff_enrolled(token, ask.cookie.expose(), &answer, "", HOME)
    };
    refused(enrol(soft().copyable()), PasskeyFault::Copyable);
    refused(enrol(soft().unverified()), PasskeyFault::NotVerified);
    refused(enrol(soft().at("http://hanmaru.example")), PasskeyFault::Origin);
    enrol(soft()).expect("the invitation is as it was");
    assert!(matches!(enrol(soft()), Err(IdentityError::InvitationOver)), "once");
}

#[test]
fn the_name_of_a_passkey_of_staff_is_cleaned_and_cut() {
    let world = World::new();
    let invitation = world.identity.staff_invite("박도윤", &[]).expect("a good name");
    let (_, ask) = world.identity.staff_enrol(invitation.token.expose()).expect("a fresh invitation");
    let answer = soft().create(&ask.options);
    let sent = format!(" 열\n쇠\u{202e}\u{200b}{} ", "가".repeat(9_999));
    let enrolled = world.identity.staff_enrolled(invitation.token.expose(), ask.cookie.expose(), &answer, &sent, HOME);
    enrolled.expect("a good passkey");
    let passkeys = world.identity.passkeys_of(invitation.account).expect("its passkeys");
    let kept = format!("열쇠\u{fffd}\u{fffd}{}", "가".repeat(identity::PASSKEY_NAME_CHARS_MAX - 4));
    assert_eq!(passkeys[0].name.expose(), &kept, "it is shown to whoever confirms the roles");
}

#[test]
fn invitations_end() {
    let world = World::new();
    let invitation = world.identity.staff_invite("박도윤", &[]).expect("a good name");
    let again = world.identity.staff_invite_again(None, invitation.account).expect("not set up yet");
    assert!(matches!(world.identity.staff_enrol(invitation.token.expose()), Err(IdentityError::InvitationOver)));
    assert!(world.identity.staff_enrol(again.token.expose()).is_ok());
    world.clock.advance(identity::INVITATION_S);
    assert!(matches!(world.identity.staff_enrol(again.token.expose()), Err(IdentityError::InvitationOver)));
    assert!(matches!(world.identity.staff_enrol(&"a".repeat(9_999)), Err(IdentityError::InvitationOver)));
    for name in ["", "  ", "a\nb", &"가".repeat(61)] {
        assert!(matches!(world.identity.staff_invite(name, &[]), Err(IdentityError::Unusable { .. })));
    }
}
