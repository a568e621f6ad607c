//! Sessions: how they live and end.

use crate::provider::{KIM, LEE};
use crate::world::{ELSEWHERE, HOME, World};
use base::{Clock as _, ManualClock};
use identity::{Ending, IdentityError, SESSIONS_PER_ACCOUNT_MAX};
use std::sync::Arc;

fn over(result: &Result<identity::Session, IdentityError>) -> Option<Ending> {
    match result {
        Err(IdentityError::SessionOver { why }) => Some(*why),
        _ => None,
    }
}

#[test]
fn forged_tokens_are_unknown() {
    let world = World::new();
    let token = world.sign_in(&KIM).token;
    let good = token.cookie_value();
    let flipped = format!("{}{}", if good.starts_with('A') { 'B' } else { 'A' }, &good[1..]);
    for forged in ["", "x", &flipped, &good[..42], &format!("{good}A"), &"A".repeat(1 << 20)] {
        assert!(matches!(world.identity.session(forged), Err(IdentityError::SessionUnknown)));
        world.identity.sign_out(forged).expect("signing out is never an error");
    }
    world.session(&token);
}

#[test]
fn sessions_end_when_idle() {
    let world = World::new();
    let token = world.sign_in(&KIM).token;
    for _ in 0..5 {
        world.clock.advance(14 * 60);
        assert_eq!(world.session(&token).idle_end, world.clock.now() + jiff::SignedDuration::from_mins(15));
    }
    world.clock.advance(15 * 60);
    assert_eq!(over(&world.identity.session(token.cookie_value())), Some(Ending::Idle));
    // It says so for a day, and stays over.
    world.clock.advance(3600);
    assert_eq!(over(&world.identity.session(token.cookie_value())), Some(Ending::Idle));
}

#[test]
fn sessions_end_after_eight_hours() {
    let world = World::new();
    let signed_in = world.sign_in(&KIM);
    let token = signed_in.token;
    for _ in 0..47 {
        world.clock.advance(600);
        assert_eq!(world.session(&token).absolute_end, signed_in.session.absolute_end);
    }
    world.clock.advance(599);
    world.session(&token);
    world.clock.advance(1);
    assert_eq!(over(&world.identity.session(token.cookie_value())), Some(Ending::Absolute));
}

#[test]
fn a_clock_that_jumps_back_revives_nothing() {
    let world = World::new();
    let token = world.sign_in(&KIM).token;
    world.clock.advance(3600);
    // Somebody else's request is all that notices the hour.
    let other = world.sign_in(&LEE).token;
    world.clock.advance(-3500);
    assert_eq!(over(&world.identity.session(token.cookie_value())), Some(Ending::Idle));
    world.session(&other);
    assert_eq!(world.identity.clock_behind_s(), 3500);
    assert!(matches!(world.try_sign_in(&KIM, HOME), Err(IdentityError::ClockBehind { behind_s: 3500 })));
}

#[test]
fn a_restart_on_a_clock_that_went_back_revives_nothing() {
    let world = World::new();
    let token = world.sign_in(&KIM).token;
    world.clock.advance(3600);
    let _other = world.sign_in(&LEE);
    let earlier = Arc::new(ManualClock::at(world.clock.now()));
    earlier.advance(-3599);
    let restarted = world.reopened(earlier);
    assert_eq!(over(&restarted.session(token.cookie_value())), Some(Ending::Idle));
    assert_eq!(restarted.clock_behind_s(), 3599);
}

#[test]
fn a_clock_that_ran_ahead_and_was_set_right_holds_nobody_up_after_a_reset() {
    let mut world = World::new();
    let (_, authenticator) = world.sign_in_with_totp(&KIM);
    let days = 3 * 86_400;
    world.clock.advance(days);
    let other = world.sign_in(&LEE).token;
    // A phone that was ahead as well.
    let ahead = authenticator.code(&*world.clock);
    let session = world.sign_in(&KIM).session;
    world.identity.totp_check(&session, &ahead, HOME).expect("the right code");
    world.clock.advance(-days);
    assert!(matches!(world.try_sign_in(&KIM, HOME), Err(IdentityError::ClockBehind { .. })));
    assert_eq!(identity::clock_behind_s(&world.store, &*world.clock).expect("read"), 259_200);

    let alone = world.store.alone().expect("nobody else has it open");
    assert_eq!(identity::reset_clock(&world.store, &*world.clock, &alone).expect("reset"), 2);
    drop(alone);
    assert_eq!(identity::clock_behind_s(&world.store, &*world.clock).expect("read"), 0);
    world.identity = world.reopened(Arc::clone(&world.clock));
    assert_eq!(world.identity.clock_behind_s(), 0);
    assert_eq!(over(&world.identity.session(other.cookie_value())), Some(Ending::Revoked));
    // The code of this moment was used before the jump.
    let session = world.sign_in(&KIM).session;
    let code = authenticator.code(&*world.clock);
    assert!(matches!(world.identity.totp_check(&session, &code, HOME), Err(IdentityError::TotpReplayed)));
    world.clock.advance(60);
    let code = authenticator.code(&*world.clock);
    world.identity.totp_check(&session, &code, HOME).expect("a step that was not used");
}

#[test]
fn signing_out_ends_one_session_at_once() {
    let world = World::new();
    let (here, there) = (world.sign_in(&KIM).token, world.sign_in(&KIM).token);
    world.identity.sign_out(here.cookie_value()).expect("signed out");
    assert_eq!(over(&world.identity.session(here.cookie_value())), Some(Ending::SignedOut));
    world.session(&there);
}

#[test]
fn a_person_sees_and_ends_their_sessions() {
    let world = World::new();
    let first = world.sign_in(&KIM);
    world.clock.advance(60);
    let second = world.try_sign_in(&KIM, ELSEWHERE).expect("from elsewhere");
    let listed = world.identity.sessions(&second.session).expect("read");
    let seen: Vec<_> = listed.iter().map(|info| (info.id, info.source.expose().as_str(), info.current)).collect();
    assert_eq!(seen, [(second.session.id, ELSEWHERE, true), (first.session.id, HOME, false)]);
    assert!(world.identity.revoke(&second.session, first.session.id).expect("asked"));
    assert!(!world.identity.revoke(&second.session, first.session.id).expect("asked"), "it is over already");
    assert_eq!(over(&world.identity.session(first.token.cookie_value())), Some(Ending::Revoked));
    let third = world.sign_in(&KIM);
    assert_eq!(world.identity.revoke_others(&third.session).expect("asked"), 1);
    world.session(&third.token);
    assert!(matches!(world.identity.revoke_others(&second.session), Err(IdentityError::SessionOver { .. })));
    let lee = world.sign_in(&LEE);
    assert_eq!(world.identity.revoke_all(third.session.account).expect("asked"), 1);
    assert_eq!(over(&world.identity.session(third.token.cookie_value())), Some(Ending::Revoked));
    world.session(&lee.token);
}

#[test]
fn an_account_has_ten_sessions_at_most() {
    let world = World::new();
    let tokens: Vec<_> = (0..=SESSIONS_PER_ACCOUNT_MAX)
        .map(|_| {
            world.clock.advance(1);
            world.sign_in(&KIM).token
        })
        .collect();
    assert_eq!(over(&world.identity.session(tokens[0].cookie_value())), Some(Ending::Revoked));
    for token in &tokens[1..] {
        world.session(token);
    }
}

#[test]
fn forms_of_other_sessions_are_refused() {
    let world = World::new();
    let (mine, other) = (world.sign_in(&KIM), world.sign_in(&KIM));
    world.identity.csrf_ok(&mine.session, mine.session.csrf.expose()).expect("its own");
    world.identity.csrf_ok(&world.session(&mine.token), mine.session.csrf.expose()).expect("a page loaded before");
    for token in ["", "x", other.session.csrf.expose(), &mine.session.csrf.expose()[1..]] {
        assert!(matches!(world.identity.csrf_ok(&mine.session, token), Err(IdentityError::CsrfMismatch)));
    }
}
