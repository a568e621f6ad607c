//! The second factor: setting it up, rising with it, and everything that must not work.

use crate::passkeys::ORIGIN;
use crate::provider::{KIM, LEE};
use crate::world::{Authenticator, ELSEWHERE, HOME, World};
use base::{Clock as _, ManualClock};
use identity::{Ending, IdentityError, PasskeyFault, SecondFactor, Session, SessionToken, TRIES_PER_SESSION};
use policy::Assurance;
use std::sync::Arc;
use synth::passkey::SoftKey;

#[test]
fn enrolment_counts_from_its_first_code_and_rotates_the_session() {
    let world = World::new();
    let signed_in = world.sign_in(&KIM);
    let shown = world.identity.totp_enrol(&signed_in.session).expect("none yet");
    assert!(shown.uri.expose().starts_with("otpauth://totp/"));
    let early = world.identity.totp_check(&signed_in.session, "000000", HOME);
    assert!(matches!(early, Err(IdentityError::TotpNotEnrolled)), "not before it is confirmed: {early:?}");
    let authenticator = Authenticator::of(shown.uri.expose());
    let wrong = world.identity.totp_confirm(&signed_in.session, &authenticator.wrong_code(&*world.clock));
    assert!(matches!(wrong, Err(IdentityError::TotpWrong { .. })));
    let code = authenticator.code(&*world.clock);
    let token = world.identity.totp_confirm(&signed_in.session, &code).expect("the right code");
    let raised = world.session(&token);
    assert_eq!((raised.assurance, raised.second_factor), (Assurance::Two, SecondFactor::Totp));
    assert_eq!(raised.absolute_end, signed_in.session.absolute_end, "rising gives no more time");
    assert!(matches!(
        world.identity.session(signed_in.token.cookie_value()),
        Err(IdentityError::SessionOver { why: Ending::Rotated })
    ));
    assert!(world.identity.csrf_ok(&raised, signed_in.session.csrf.expose()).is_err(), "forms rotate too");
}

/// What a session is shown to set up.
fn shown(world: &World, session: &Session) -> String {
    world.identity.totp_enrol(session).expect("it may set one up").uri.expose().clone()
}

#[test]
fn a_set_up_begun_in_another_session_voids_nothing() {
    let world = World::new();
    let owner = world.sign_in(&KIM).session;
    let mine = shown(&world, &owner);
    let other = world.try_sign_in(&KIM, ELSEWHERE).expect("whoever else has the first factor").session;
    let theirs = shown(&world, &other);
    assert_ne!(mine, theirs);
    assert_eq!(shown(&world, &owner), mine, "what was scanned stays good, however often it is looked at");
    let (mine, theirs) = (Authenticator::of(&mine), Authenticator::of(&theirs));
    let (my_code, their_code) = (mine.code(&*world.clock), theirs.code(&*world.clock));
    assert_ne!(my_code, their_code, "the seed of this test gives different codes");
    for (session, code) in [(&owner, &their_code), (&other, &my_code)] {
        let refused = world.identity.totp_confirm(session, code);
        assert!(matches!(refused, Err(IdentityError::TotpWrong { .. })), "another session's: {refused:?}");
    }
    world.identity.totp_confirm(&owner, &my_code).expect("the owner's own");
    // What the other began is void now, as it would put another secret in place of a confirmed one.
    assert!(matches!(world.identity.totp_confirm(&other, &their_code), Err(IdentityError::TotpEnrolled)));
    assert!(matches!(world.identity.totp_enrol(&other), Err(IdentityError::TotpEnrolled)));
    let later = world.sign_in(&KIM).session;
    assert!(matches!(world.identity.totp_check(&later, &my_code, HOME), Err(IdentityError::TotpReplayed)));
}

#[test]
fn a_set_up_ends_with_its_session() {
    let world = World::new();
    let begun = world.sign_in(&KIM);
    let watched = shown(&world, &begun.session);
    let app = Authenticator::of(&watched);
    world.identity.sign_out(begun.token.cookie_value()).expect("signed out");
    let code = app.code(&*world.clock);
    let refused = world.identity.totp_confirm(&begun.session, &code);
    assert!(matches!(refused, Err(IdentityError::SessionOver { why: Ending::SignedOut })), "{refused:?}");
    assert!(matches!(world.identity.totp_enrol(&begun.session), Err(IdentityError::SessionOver { .. })));
    let next = world.sign_in(&KIM).session;
    let refused = world.identity.totp_confirm(&next, &code);
    assert!(matches!(refused, Err(IdentityError::TotpWrong { .. })), "{refused:?}");
    let other = shown(&world, &next);
    assert_ne!(other, watched, "whoever was watched signs in anew");
    let app = Authenticator::of(&other);
    world.identity.totp_confirm(&next, &app.code(&*world.clock)).expect("its own");
}

#[test]
fn a_program_that_starts_anew_goes_on_with_a_set_up() {
    let world = World::new();
    let session = world.sign_in(&KIM).session;
    let mine = shown(&world, &session);
    let restarted = world.reopened(Arc::clone(&world.clock));
    assert_eq!(restarted.totp_enrol(&session).expect("none yet").uri.expose(), &mine);
    let code = Authenticator::of(&mine).code(&*world.clock);
    restarted.totp_confirm(&session, &code).expect("what was scanned before");
}

#[test]
fn what_was_confirmed_is_set_up_no_second_time() {
    let world = World::new();
    let (two, _) = world.sign_in_with_totp(&KIM);
    let first = shown(&world, &two);
    let app = Authenticator::of(&first);
    let used = app.code(&*world.clock);
    let token = world.identity.totp_confirm(&two, &used).expect("the new secret");
    let two = world.session(&token);
    // The session goes on under its id, and what it would set up next is another secret: no used code confirms it.
    let second = shown(&world, &two);
    assert_ne!(second, first);
    assert_ne!(Authenticator::of(&second).code(&*world.clock), used, "the seed of this test gives different codes");
    assert!(matches!(world.identity.totp_confirm(&two, &used), Err(IdentityError::TotpWrong { .. })));
    assert!(matches!(world.identity.totp_check(&two, &used, HOME), Err(IdentityError::TotpReplayed)));
    world.clock.advance(30);
    world.identity.totp_check(&two, &app.code(&*world.clock), HOME).expect("what was confirmed is in use");
}

#[test]
fn what_one_session_confirms_voids_what_another_would_replace() {
    let world = World::new();
    let (one, app) = world.sign_in_with_totp(&KIM);
    world.clock.advance(30);
    let half = world.sign_in(&KIM).session;
    let token = world.identity.totp_check(&half, &app.code(&*world.clock), HOME).expect("the app's code");
    let other = world.session(&token);
    let (mine, theirs) = (shown(&world, &one), shown(&world, &other));
    assert_ne!(mine, theirs);
    world.identity.totp_confirm(&one, &Authenticator::of(&mine).code(&*world.clock)).expect("its own");
    let refused = world.identity.totp_confirm(&other, &Authenticator::of(&theirs).code(&*world.clock));
    assert!(matches!(refused, Err(IdentityError::SessionOver { why: Ending::Revoked })), "{refused:?}");
}

#[test]
fn a_code_raises_once() {
    let world = World::new();
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    let session = world.sign_in(&KIM).session;
    assert_eq!((session.assurance, session.second_factor), (Assurance::One, SecondFactor::Totp));
    let used = authenticator.code(&*world.clock);
    assert!(matches!(world.identity.totp_check(&session, &used, HOME), Err(IdentityError::TotpReplayed)));
    world.clock.advance(30);
    let fresh = authenticator.code(&*world.clock);
    let token = world.identity.totp_check(&session, &fresh, HOME).expect("the next code");
    assert_eq!(world.session(&token).assurance, Assurance::Two);
    let again = world.sign_in(&KIM).session;
    assert!(matches!(world.identity.totp_check(&again, &fresh, HOME), Err(IdentityError::TotpReplayed)));
}

#[test]
fn a_clock_that_jumps_back_makes_no_code_good_again() {
    let world = World::new();
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    let used = authenticator.code(&*world.clock);
    world.clock.advance(60);
    let session = world.sign_in(&KIM).session;
    world.clock.advance(-60);
    assert!(matches!(
        world.identity.totp_check(&session, &used, HOME),
        Err(IdentityError::TotpReplayed | IdentityError::TotpWrong { .. })
    ));
    let earlier = Arc::new(ManualClock::at(world.clock.now()));
    earlier.advance(-3600);
    let code = authenticator.code(&*earlier);
    let restarted = world.reopened(earlier);
    assert!(matches!(restarted.totp_check(&session, &code, HOME), Err(IdentityError::ClockBehind { .. })));
}

#[test]
fn wrong_codes_end_the_session() {
    let world = World::new();
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    world.clock.advance(60);
    let signed_in = world.sign_in(&KIM);
    for left in (1..TRIES_PER_SESSION).rev() {
        let wrong = authenticator.wrong_code(&*world.clock);
        let refused = world.identity.totp_check(&signed_in.session, &wrong, HOME);
        assert!(
            matches!(refused, Err(IdentityError::TotpWrong { tries_left }) if tries_left == left),
            "{left}: {refused:?}"
        );
        world.clock.advance(20);
    }
    let wrong = authenticator.wrong_code(&*world.clock);
    let last = world.identity.totp_check(&signed_in.session, &wrong, HOME);
    assert!(matches!(last, Err(IdentityError::SessionOver { why: Ending::TooManyTries })), "{last:?}");
    let right = authenticator.code(&*world.clock);
    assert!(matches!(
        world.identity.totp_check(&signed_in.session, &right, HOME),
        Err(IdentityError::SessionOver { .. })
    ));
    assert!(world.identity.session(signed_in.token.cookie_value()).is_err());
}

#[test]
fn hammering_waits_longer_and_longer_and_the_owner_never_does() {
    let world = World::new();
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    world.clock.advance(60);
    let mut longest_s = 0;
    let mut tried = 0;
    // Somebody with Kim's first factor, from elsewhere: a new session whenever one is used up.
    while tried < 30 {
        let Ok(theirs) = world.try_sign_in(&KIM, ELSEWHERE) else {
            world.clock.advance(60);
            continue;
        };
        loop {
            let wrong = authenticator.wrong_code(&*world.clock);
            match world.identity.totp_check(&theirs.session, &wrong, ELSEWHERE) {
                Err(IdentityError::TotpWrong { .. }) => tried += 1,
                Err(IdentityError::Throttled { wait_s }) => {
                    assert!(wait_s >= longest_s.min(2), "{wait_s}");
                    longest_s = longest_s.max(wait_s);
                    if wait_s >= 600 {
                        break;
                    }
                    world.clock.advance(i64::try_from(wait_s).expect("minutes"));
                }
                Err(IdentityError::SessionOver { .. }) => {
                    tried += 1;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        // Meanwhile Kim, from home, is let in at the first right code, every time.
        world.clock.advance(30);
        let mine = world.try_sign_in(&KIM, HOME).expect("at the agency").session;
        let code = authenticator.code(&*world.clock);
        world.identity.totp_check(&mine, &code, HOME).expect("the owner is never locked out");
        if longest_s >= 600 {
            break;
        }
    }
    assert!(longest_s >= 600, "{longest_s}");
    // Even the right code waits where the hammering came from.
    let Ok(theirs) = world.try_sign_in(&KIM, ELSEWHERE) else { return };
    let right = authenticator.code(&*world.clock);
    assert!(matches!(
        world.identity.totp_check(&theirs.session, &right, ELSEWHERE),
        Err(IdentityError::Throttled { .. })
    ));
}

#[test]
fn guesses_at_the_same_time_are_all_counted() {
    let world = Arc::new(World::new());
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    world.clock.advance(60);
    let session = world.sign_in(&KIM).session;
    let wrong = authenticator.wrong_code(&*world.clock);
    let guesses: Vec<_> = (0..8)
        .map(|_| {
            let (world, session, wrong) = (Arc::clone(&world), session.clone(), wrong.clone());
            std::thread::spawn(move || {
                matches!(world.identity.totp_check(&session, &wrong, HOME), Err(IdentityError::TotpWrong { .. }))
            })
        })
        .collect();
    let looked_at = guesses.into_iter().map(|guess| guess.join().expect("no panic")).filter(|seen| *seen).count();
    assert_eq!(looked_at, 3, "two free failures, then the third, then everybody waits");
}

#[test]
fn a_second_factor_is_replaced_only_with_itself() {
    let world = World::new();
    let (two, old) = world.sign_in_with_totp(&KIM);
    let one = world.sign_in(&KIM);
    assert!(matches!(world.identity.totp_enrol(&one.session), Err(IdentityError::TotpEnrolled)));
    let new = Authenticator::of(world.identity.totp_enrol(&two).expect("two factors").uri.expose());
    // A session of one factor cannot confirm what another has begun.
    let code = new.code(&*world.clock);
    assert!(matches!(world.identity.totp_confirm(&one.session, &code), Err(IdentityError::TotpEnrolled)));
    let token = world.identity.totp_confirm(&two, &code).expect("the new secret's code");
    world.session(&token);
    assert!(matches!(
        world.identity.session(one.token.cookie_value()),
        Err(IdentityError::SessionOver { why: Ending::Revoked })
    ));
    world.clock.advance(60);
    let later = world.sign_in(&KIM).session;
    let old_code = old.code(&*world.clock);
    if old_code != new.code(&*world.clock) {
        assert!(world.identity.totp_check(&later, &old_code, HOME).is_err());
    }
    world.identity.totp_check(&later, &new.code(&*world.clock), HOME).expect("the new secret");
}

#[test]
fn codes_of_one_account_open_no_other() {
    let world = World::new();
    let (_, kims) = world.sign_in_with_totp(&KIM);
    let (_, lees) = world.sign_in_with_totp(&LEE);
    world.clock.advance(60);
    let (kim, lee) = (world.sign_in(&KIM).session, world.sign_in(&LEE).session);
    let (kim_code, lee_code) = (kims.code(&*world.clock), lees.code(&*world.clock));
    assert_ne!(kim_code, lee_code, "the seed of this test gives different codes");
    assert!(matches!(world.identity.totp_check(&kim, &lee_code, HOME), Err(IdentityError::TotpWrong { .. })));
    assert_eq!(world.session(&world.identity.totp_check(&lee, &lee_code, HOME).expect("hers")).name.expose(), "이영희");
    assert_eq!(world.session(&world.identity.totp_check(&kim, &kim_code, HOME).expect("his")).name.expose(), "김철수");
}

/// What a session's person was told, in the order of the words.
fn told(world: &World, session: &Session) -> Vec<String> {
    let notices = world.identity.notices(session).expect("a list");
    let mut kinds: Vec<String> = notices.into_iter().map(|notice| notice.kind).collect();
    kinds.sort();
    kinds
}

/// Adds a passkey in a session, which goes on as the one that is given back.
fn with_passkey(world: &World, session: &Session, key: &mut SoftKey) -> Session {
    let ask = world.identity.passkey_enrol(session).expect("two factors");
    let answer = key.create(&ask.options);
    let token = world.identity.passkey_enrolled(session, ask.cookie.expose(), &answer, "열쇠").expect("good");
    world.session(&token)
}

#[test]
fn an_app_is_removed_where_a_passkey_is_left_and_none_comes_back_as_it_was() {
    let world = World::new();
    let session = world.sign_in(&KIM).session;
    let first = shown(&world, &session);
    let app = Authenticator::of(&first);
    let token = world.identity.totp_confirm(&session, &app.code(&*world.clock)).expect("its code");
    let two = world.session(&token);
    let set_up = world.identity.totp_since(&two).expect("read");
    assert_eq!(set_up.map(|at| at.as_second()), Some(world.clock.now().as_second()));
    assert_eq!(told(&world, &two), Vec::<String>::new(), "before a first one there was nobody to tell");
    let refused = world.identity.totp_remove(&two);
    assert!(matches!(refused, Err(IdentityError::Passkey { fault: PasskeyFault::Last })), "{refused:?}");

    let mut key = SoftKey::new(ORIGIN);
    let two = with_passkey(&world, &two, &mut key);
    let half = world.sign_in(&KIM);
    assert!(matches!(world.identity.totp_remove(&half.session), Err(IdentityError::SecondFactorNeeded)));
    assert!(world.identity.totp_remove(&two).expect("two factors"));
    assert!(!world.identity.totp_remove(&two).expect("two factors"), "there is none any more");
    let over = world.identity.session(half.token.cookie_value());
    assert!(matches!(over, Err(IdentityError::SessionOver { why: Ending::Revoked })), "{over:?}");
    assert_eq!(world.identity.totp_since(&two).expect("read"), None);
    assert_eq!(world.session(&token_of(&world, &two, &mut key)).second_factor, SecondFactor::Passkey);
    world.clock.advance(30);
    let later = world.sign_in(&KIM).session;
    assert_eq!(later.second_factor, SecondFactor::Passkey);
    let refused = world.identity.totp_check(&later, &app.code(&*world.clock), HOME);
    assert!(matches!(refused, Err(IdentityError::TotpNotEnrolled)), "{refused:?}");
    assert!(matches!(world.identity.totp_enrol(&later), Err(IdentityError::TotpEnrolled)), "one factor sets up none");
}

/// Gives the passkey again: the session goes on under the token.
fn token_of(world: &World, session: &Session, key: &mut SoftKey) -> SessionToken {
    let ask = world.identity.passkey_prove(session).expect("there is one");
    let answer = key.get(&ask.options);
    world.identity.passkey_proved(session, ask.cookie.expose(), &answer, HOME).expect("the right one")
}

#[test]
fn what_was_removed_is_not_set_up_again_by_the_session_that_did_both() {
    let world = World::new();
    let session = world.sign_in(&KIM).session;
    let first = shown(&world, &session);
    let code = Authenticator::of(&first).code(&*world.clock);
    let two = world.session(&world.identity.totp_confirm(&session, &code).expect("its code"));
    let mut key = SoftKey::new(ORIGIN);
    let two = with_passkey(&world, &two, &mut key);
    assert!(world.identity.totp_remove(&two).expect("two factors"));
    let second = shown(&world, &two);
    assert_ne!(second, first, "whoever saw the first has nothing of the second");
    assert!(matches!(world.identity.totp_confirm(&two, &code), Err(IdentityError::TotpWrong { .. })));
    let code = Authenticator::of(&second).code(&*world.clock);
    let two = world.session(&world.identity.totp_confirm(&two, &code).expect("its own"));
    assert_eq!(told(&world, &two), ["app-added", "app-removed", "passkey-added"]);
    world.clock.advance(301);
    let two = world.session(&token_of_app(&world, &two, &second));
    let third = shown(&world, &two);
    let code = Authenticator::of(&third).code(&*world.clock);
    let two = world.session(&world.identity.totp_confirm(&two, &code).expect("in its place"));
    assert_eq!(told(&world, &two), ["app-added", "app-removed", "app-replaced", "passkey-added"]);
    world.clock.advance(301);
    assert!(matches!(world.identity.totp_remove(&two), Err(IdentityError::SecondFactorNeeded)), "given long ago");
    assert!(matches!(world.identity.totp_enrol(&two), Err(IdentityError::TotpEnrolled)), "given long ago");
}

fn token_of_app(world: &World, session: &Session, uri: &str) -> SessionToken {
    let code = Authenticator::of(uri).code(&*world.clock);
    world.identity.totp_check(session, &code, HOME).expect("the app's code")
}

#[test]
fn staff_have_no_app_to_remove() {
    let world = World::new();
    let staff = crate::passkeys::staff(&world, &mut SoftKey::new(ORIGIN)).session;
    assert!(!world.identity.totp_remove(&staff).expect("there is none"));
    assert_eq!(world.identity.totp_since(&staff).expect("read"), None);
}
