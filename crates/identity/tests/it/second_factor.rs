//! The second factor: setting it up, rising with it, and everything that must not work.

use crate::provider::{KIM, LEE};
use crate::world::{Authenticator, ELSEWHERE, HOME, World};
use base::{Clock as _, ManualClock};
use identity::{Ending, IdentityError, SecondFactor, TRIES_PER_SESSION};
use policy::Assurance;
use std::sync::Arc;

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

#[test]
fn asking_again_voids_the_secret_shown_before() {
    let world = World::new();
    let session = world.sign_in(&KIM).session;
    let old = Authenticator::of(world.identity.totp_enrol(&session).expect("none yet").uri.expose());
    let new = Authenticator::of(world.identity.totp_enrol(&session).expect("none yet").uri.expose());
    assert!(world.identity.totp_confirm(&session, &old.code(&*world.clock)).is_err());
    world.identity.totp_confirm(&session, &new.code(&*world.clock)).expect("the newer secret");
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
