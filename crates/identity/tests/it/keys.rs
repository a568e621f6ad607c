//! Keys of cookies and forms live for a day at most.

use crate::passkeys::ORIGIN;
use crate::provider::KIM;
use crate::world::{HOME, World};
use base::ManualClock;
use identity::IdentityError;
use std::sync::Arc;
use synth::passkey::SoftKey;

const HOUR_S: i64 = 3600;

/// The keys that are kept: how many, and how old the oldest is in seconds.
fn keys(world: &World) -> (usize, i64) {
    let now = base::Clock::now(&*world.clock);
    let made = world.identity.day_keys_made().expect("a list");
    (made.len(), made.iter().map(|made| now.as_second() - made.as_second()).max().unwrap_or_default())
}

#[test]
fn no_key_is_older_than_a_day() {
    let world = World::new();
    for hour in 0..72 {
        world.sign_in(&KIM);
        let (count, oldest_s) = keys(&world);
        assert!(oldest_s < 24 * HOUR_S, "hour {hour}: {oldest_s} s");
        assert!((1..=2).contains(&count), "hour {hour}: {count} keys");
        world.clock.advance(HOUR_S);
    }
}

#[test]
fn a_form_is_good_for_its_session_and_its_key_is_gone_after_a_day() {
    let world = World::new();
    let early = world.sign_in(&KIM).session;
    world.identity.csrf_ok(&early, early.csrf.expose()).expect("its own");
    world.clock.advance(8 * HOUR_S);
    world.identity.csrf_ok(&early, early.csrf.expose()).expect("as long as a session may last");
    world.clock.advance(16 * HOUR_S);
    // Whether or not anybody came meanwhile.
    assert!(matches!(world.identity.csrf_ok(&early, early.csrf.expose()), Err(IdentityError::CsrfMismatch)));
    world.identity.forget_old_keys().expect("written");
    assert_eq!(keys(&world).0, 0);
    world.sign_in(&KIM);
    assert!(matches!(world.identity.csrf_ok(&early, early.csrf.expose()), Err(IdentityError::CsrfMismatch)));
    assert_eq!(keys(&world).0, 1);
}

#[test]
fn what_was_begun_goes_on_across_a_change_of_keys_and_in_another_process() {
    let world = World::new();
    world.sign_in(&KIM);
    world.clock.advance(12 * HOUR_S - 60);
    let begin = world.identity.begin("ko", "/records").expect("the agency answers");
    let ask = world.identity.staff_ask().expect("a challenge");
    world.clock.advance(120);
    world.sign_in(&KIM);
    assert_eq!(keys(&world).0, 2, "a new key is in use");
    let (code, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
    let other = world.reopened(Arc::new(ManualClock::at(base::Clock::now(&*world.clock))));
    let signed_in = other.finish(begin.cookie.expose(), &code, &state, HOME).expect("another process knows the key");
    other.csrf_ok(&signed_in.session, signed_in.session.csrf.expose()).expect("its own");
    world.identity.csrf_ok(&signed_in.session, signed_in.session.csrf.expose()).expect("and the first knows it too");
    let mut key = SoftKey::new(ORIGIN);
    let invited = world.identity.staff_invite("박도윤", &[]).expect("good");
    let (_, enrol) = world.identity.staff_enrol(invited.token.expose()).expect("good");
    let made = key.create(&enrol.options);
    world.identity.staff_enrolled(invited.token.expose(), enrol.cookie.expose(), &made, "", HOME).expect("good");
    world.identity.staff_sign_in(ask.cookie.expose(), &key.get(&ask.options), HOME).expect("asked before the change");
}
