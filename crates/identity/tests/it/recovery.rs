//! Recovery through two members of staff: who may approve, when, and what is left afterwards.

use crate::passkeys::{ORIGIN, staff};
use crate::provider::{KIM, LEE};
use crate::world::{HOME, World};
use identity::{IdentityError, Recovered, SecondFactor, Session};
use synth::passkey::SoftKey;

/// A member of staff who is signed in now.
fn member(world: &World, key: &mut SoftKey) -> Session {
    staff(world, key).session
}

fn again(world: &World, key: &mut SoftKey) -> Session {
    let ask = world.identity.staff_ask().expect("a challenge");
    world.identity.staff_sign_in(ask.cookie.expose(), &key.get(&ask.options), HOME).expect("good").session
}

fn keys() -> [SoftKey; 2] {
    [SoftKey::new(ORIGIN), SoftKey::new(ORIGIN)]
}

#[test]
fn two_members_of_staff_reset_what_a_person_lost() {
    let world = World::new();
    let [mut first_key, mut second_key] = keys();
    let (first, second) = (member(&world, &mut first_key), member(&world, &mut second_key));
    let (old, app) = world.sign_in_with_totp(&KIM);
    world.clock.advance(60);
    let half = world.sign_in(&KIM);
    let asked = world.identity.recovery_ask(&half.session).expect("there is something to reset");
    let code = asked.code.expose();
    let found = world.identity.recovery(&code.to_lowercase()).expect("open");
    assert_eq!((found.account, found.name.expose().as_str()), (half.session.account, "김철수"));
    assert!(found.approvals.is_empty());

    let early = world.identity.recovery_approve(&first, code, "전화를 잃어버림", "주민등록증").expect("the first");
    assert!(matches!(early, Recovered::Waiting));
    let twice = world.identity.recovery_approve(&first, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(twice, Err(IdentityError::RecoveryTwice)), "{twice:?}");
    let early = world.identity.recovery_approve(&second, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(early, Err(IdentityError::RecoveryEarly { wait_s: 1..=600 })), "{early:?}");
    assert_eq!(world.identity.recovery(code).expect("open").approvals[0].proof.expose(), "주민등록증");

    world.clock.advance(600);
    let stale = world.identity.recovery_approve(&second, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(stale, Err(IdentityError::SecondFactorNeeded)), "a passkey given long ago: {stale:?}");
    let second = again(&world, &mut second_key);
    let done = world.identity.recovery_approve(&second, code, "전화를 잃어버림", "주민등록증").expect("the second");
    assert!(matches!(done, Recovered::Done(None)));
    assert!(matches!(world.identity.recovery(code), Err(IdentityError::RecoveryOver)));
    assert!(world.identity.session(half.token.cookie_value()).is_err(), "every session is over");
    assert!(world.identity.sessions(&old).expect("a list").is_empty());

    let fresh = world.sign_in(&KIM).session;
    assert_eq!(fresh.second_factor, SecondFactor::Missing);
    let code = app.code(&*world.clock);
    assert!(matches!(world.identity.totp_check(&fresh, &code, HOME), Err(IdentityError::TotpNotEnrolled)));
    let app = world.identity.totp_enrol(&fresh).expect("anew");
    let app = crate::world::Authenticator::of(app.uri.expose());
    let token = world.identity.totp_confirm(&fresh, &app.code(&*world.clock)).expect("good");
    let kinds: Vec<String> =
        world.identity.notices(&world.session(&token)).expect("a list").into_iter().map(|notice| notice.kind).collect();
    assert!(kinds.contains(&"recovery-asked".to_owned()) && kinds.contains(&"recovery-done".to_owned()), "{kinds:?}");
}

#[test]
fn requests_end_and_are_refused() {
    let world = World::new();
    let [mut key, _] = keys();
    let staff = member(&world, &mut key);
    world.sign_in_with_totp(&KIM);
    let half = world.sign_in(&KIM).session;
    let asked = world.identity.recovery_ask(&half).expect("good");
    let replacing = world.identity.recovery_ask(&half).expect("good");
    let over = |code: &str| matches!(world.identity.recovery(code), Err(IdentityError::RecoveryOver));
    assert!(over(asked.code.expose()), "a newer one takes its place");
    world.identity.recovery_refuse(&staff, replacing.code.expose(), "얼굴이 다름").expect("refused");
    assert!(over(replacing.code.expose()));
    let late = world.identity.recovery_ask(&half).expect("good");
    assert!(over("") && over("AAAA-AAAA-AAAA") && over(&"A".repeat(9_999)));
    for _ in 0..2 {
        world.identity.recovery_ask(&half).expect("good");
    }
    assert!(matches!(world.identity.recovery_ask(&half), Err(IdentityError::Unusable { .. })), "five a day");
    assert!(over(late.code.expose()));
    world.clock.advance(identity::RECOVERY_S);
    let half = world.sign_in(&KIM).session;
    let asked = world.identity.recovery_ask(&half).expect("another day");
    world.clock.advance(identity::RECOVERY_S);
    assert!(over(asked.code.expose()), "a day");
    let nothing = world.sign_in(&LEE).session;
    assert!(matches!(world.identity.recovery_ask(&nothing), Err(IdentityError::Unusable { .. })));
}

#[test]
fn nobody_approves_for_themselves_and_nobody_but_staff() {
    let world = World::new();
    let [mut first_key, mut second_key] = keys();
    let (first, second) = (member(&world, &mut first_key), member(&world, &mut second_key));
    let asked = world.identity.recovery_ask_for(&first, second.account).expect("a colleague");
    let code = asked.code.expose();
    let own = world.identity.recovery_approve(&second, code, "잃어버림", "신분증");
    assert!(matches!(own, Err(IdentityError::RecoveryOwn)), "{own:?}");
    let (person, _) = world.sign_in_with_totp(&KIM);
    let stranger = world.identity.recovery_approve(&person, code, "잃어버림", "신분증");
    assert!(matches!(stranger, Err(IdentityError::NotStaff)), "{stranger:?}");
    let asker = world.identity.recovery_approve(&first, code, "잃어버림", "신분증");
    assert!(
        matches!(asker, Err(IdentityError::RecoveryOwn)),
        "who asks for a colleague is not one of the two: {asker:?}"
    );
    let fourth = member(&world, &mut SoftKey::new(ORIGIN));
    for (reason, proof) in [("", "신분증"), ("잃어버림", " "), (&*"가".repeat(501), "신분증")] {
        let empty = world.identity.recovery_approve(&fourth, code, reason, proof);
        assert!(matches!(empty, Err(IdentityError::Unusable { .. })), "{empty:?}");
    }

    world.identity.recovery_approve(&fourth, code, "잃어버림", "신분증").expect("the first");
    let [mut third_key, _] = keys();
    world.clock.advance(600);
    let third = member(&world, &mut third_key);
    let done = world.identity.recovery_approve(&third, code, "잃어버림", "신분증").expect("the second");
    let Recovered::Done(Some(invitation)) = done else { panic!("{done:?}") };
    assert_eq!(invitation.account, second.account);
    let ask = world.identity.staff_ask().expect("a challenge");
    let gone = world.identity.staff_sign_in(ask.cookie.expose(), &second_key.get(&ask.options), HOME);
    assert!(gone.is_err(), "the lost passkey is good for nothing: {gone:?}");
    assert!(world.identity.staff_enrol(invitation.token.expose()).is_ok());
}

#[test]
fn approvals_of_somebody_who_left_do_not_count() {
    let world = World::new();
    let [mut first_key, mut second_key] = keys();
    let (first, second) = (member(&world, &mut first_key), member(&world, &mut second_key));
    world.sign_in_with_totp(&KIM);
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    world.identity.recovery_approve(&first, asked.code.expose(), "잃어버림", "신분증").expect("the first");
    assert_eq!(world.identity.off_board(first.account).expect("staff").approvals, 1);
    world.clock.advance(200);
    let waiting = world.identity.recovery_approve(&second, asked.code.expose(), "잃어버림", "신분증").expect("good");
    assert!(matches!(waiting, Recovered::Waiting), "one approval is left, and that is this one");
}
