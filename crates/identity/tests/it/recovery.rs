//! Recovery through two members of staff: who may approve, when, and what is left afterwards.

use crate::passkeys::{ORIGIN, deciding, managing, staff};
use crate::provider::{KIM, LEE};
use crate::world::{Authenticator, ELSEWHERE, HOME, World};
use identity::{Ending, IdentityError, Recovered, SecondFactor, Session, SessionToken};
use synth::passkey::SoftKey;

/// A member of staff who is signed in now.
fn member(world: &World, key: &mut SoftKey) -> Session {
    staff(world, key).session
}

fn again(world: &World, key: &mut SoftKey) -> Session {
    let ask = world.identity.staff_ask().expect("a challenge");
    world.identity.staff_sign_in(ask.cookie.expose(), &key.get(&ask.options), HOME).expect("good").session
}

/// Approves as an operator who may.
fn approve(world: &World, by: &Session, code: &str, reason: &str, proof: &str) -> Result<Recovered, IdentityError> {
    world.identity.recovery_approve(&deciding(world, by), by, code, reason, proof)
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

    let early = approve(&world, &first, code, "전화를 잃어버림", "주민등록증").expect("the first");
    assert!(matches!(early, Recovered::Waiting));
    let twice = approve(&world, &first, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(twice, Err(IdentityError::RecoveryTwice)), "{twice:?}");
    let early = approve(&world, &second, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(early, Err(IdentityError::RecoveryEarly { wait_s: 1..=600 })), "{early:?}");
    assert_eq!(world.identity.recovery(code).expect("open").approvals[0].proof.expose(), "주민등록증");

    world.clock.advance(600);
    let stale = approve(&world, &second, code, "전화를 잃어버림", "주민등록증");
    assert!(matches!(stale, Err(IdentityError::SecondFactorNeeded)), "a passkey given long ago: {stale:?}");
    let second = again(&world, &mut second_key);
    let done = approve(&world, &second, code, "전화를 잃어버림", "주민등록증").expect("the second");
    assert!(matches!(done, Recovered::Done(None)));
    assert!(matches!(world.identity.recovery(code), Err(IdentityError::RecoveryOver)));
    assert!(world.identity.session(half.token.cookie_value()).is_err(), "every session is over");
    assert!(world.identity.sessions(&old).expect("a list").is_empty());

    let fresh = world.sign_in(&KIM).session;
    assert_eq!(fresh.second_factor, SecondFactor::Reset);
    let code = app.code(&*world.clock);
    assert!(matches!(world.identity.totp_check(&fresh, &code, HOME), Err(IdentityError::TotpNotEnrolled)));
    let token = enrol(&world, &fresh, asked.word.expose()).expect("anew");
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
    let over = |code: &str| matches!(world.identity.recovery(code), Err(IdentityError::RecoveryOver));
    assert!(over("") && over("AAAA-AAAA-AAAA") && over(&"A".repeat(9_999)));
    for _ in 0..5 {
        let asked = world.identity.recovery_ask(&half).expect("good");
        world
            .identity
            .recovery_refuse(&deciding(&world, &staff), &staff, asked.code.expose(), "얼굴이 다름")
            .expect("refused");
        assert!(over(asked.code.expose()));
    }
    assert!(matches!(world.identity.recovery_ask(&half), Err(IdentityError::Unusable { .. })), "five a day");
    world.clock.advance(identity::RECOVERY_S);
    let half = world.sign_in(&KIM).session;
    let asked = world.identity.recovery_ask(&half).expect("another day");
    world.clock.advance(identity::RECOVERY_S);
    assert!(over(asked.code.expose()), "a day");
    let nothing = world.sign_in(&LEE).session;
    assert!(matches!(world.identity.recovery_ask(&nothing), Err(IdentityError::Unusable { .. })));
}

#[test]
fn asking_again_is_another_request_that_voids_nothing() {
    let world = World::new();
    let [mut first_key, mut second_key] = keys();
    let first = member(&world, &mut first_key);
    world.sign_in_with_totp(&KIM);
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    approve(&world, &first, asked.code.expose(), "잃어버림", "신분증").expect("the first");
    // Whoever else has the first factor learns neither number nor word, and ends nothing.
    let thief = world.try_sign_in(&KIM, ELSEWHERE).expect("one factor").session;
    let other = world.identity.recovery_ask(&thief).expect("a request of its own");
    assert_ne!((other.code.expose(), other.word.expose()), (asked.code.expose(), asked.word.expose()));
    assert_eq!(world.identity.recovery(asked.code.expose()).expect("open").approvals.len(), 1);
    world.clock.advance(600);
    let second = member(&world, &mut second_key);
    let done = approve(&world, &second, asked.code.expose(), "잃어버림", "신분증").expect("the second");
    assert!(matches!(done, Recovered::Done(None)));
    let over = world.identity.recovery(other.code.expose());
    assert!(matches!(over, Err(IdentityError::RecoveryOver)), "one reset ends the others: {over:?}");
    let thief = world.try_sign_in(&KIM, ELSEWHERE).expect("one factor").session;
    assert!(matches!(enrol(&world, &thief, other.word.expose()), Err(IdentityError::RecoveryWord)));
    enrol(&world, &world.sign_in(&KIM).session, asked.word.expose())
        .expect("the word of the request that was approved");
}

#[test]
fn whoever_has_the_first_factor_does_not_use_up_what_the_owner_may_ask() {
    let world = World::new();
    world.sign_in_with_totp(&KIM);
    for number in 0..12 {
        let thief = world.try_sign_in(&KIM, &format!("198.51.{number}.7")).expect("one factor").session;
        let asked = (0..9).take_while(|_| world.identity.recovery_ask(&thief).is_ok()).count();
        assert_eq!(asked, if number < 10 { 5 } else { 2 }, "five from each place, and beyond fifty in all two");
    }
    world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("at home");
    let told = world.identity.notices(&world.sign_in(&KIM).session).expect("a list");
    let asked = told.iter().filter(|notice| notice.kind == "recovery-asked").count();
    assert_eq!(asked, 1, "nothing else is pushed out");
}

#[test]
fn after_a_reset_a_thief_leaves_the_owner_a_request_wherever_they_are() {
    let world = World::new();
    world.sign_in_with_totp(&KIM);
    reset(&world);
    for number in 0..12 {
        let thief = world.try_sign_in(&KIM, &format!("198.51.{number}.7")).expect("one factor").session;
        while world.identity.recovery_ask(&thief).is_ok() {}
    }
    world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("at home, which is not known any more");
}

/// Sets up an app with a word.
fn enrol(world: &World, half: &Session, word: &str) -> Result<SessionToken, IdentityError> {
    let app = Authenticator::of(world.identity.totp_enrol(half).expect("nothing is there").uri.expose());
    world.identity.totp_confirm_with(half, &app.code(&*world.clock), (word, HOME))
}

/// A reset that was asked for and approved: gives its word.
fn reset(world: &World) -> String {
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    world.clock.advance(600);
    for mut key in keys() {
        let staff = member(world, &mut key);
        approve(world, &staff, asked.code.expose(), "잃어버림", "신분증").expect("good");
    }
    asked.word.expose().clone()
}

#[test]
fn after_a_reset_the_first_factor_alone_sets_nothing_up() {
    let world = World::new();
    world.sign_in_with_totp(&KIM);
    let word = reset(&world);
    let thief = world.try_sign_in(&KIM, ELSEWHERE).expect("one factor").session;
    assert_eq!(thief.second_factor, SecondFactor::Reset);
    let mut key = SoftKey::new(ORIGIN);
    for wrong in ["", "AAAA-AAAA"] {
        let by_code = enrol(&world, &thief, wrong);
        assert!(matches!(by_code, Err(IdentityError::RecoveryWord)), "{by_code:?}");
        let ask = world.identity.passkey_enrol(&thief).expect("nothing is there");
        let answer = key.create(&ask.options);
        let by_passkey =
            world.identity.passkey_enrolled_with(&thief, ask.cookie.expose(), &answer, "", (wrong, ELSEWHERE));
        assert!(
            matches!(by_passkey, Err(IdentityError::RecoveryWord | IdentityError::Throttled { .. })),
            "{by_passkey:?}"
        );
    }
    let last = enrol(&world, &thief, "BBBB-BBBB");
    assert!(matches!(last, Err(IdentityError::SessionOver { why: Ending::TooManyTries })), "five: {last:?}");

    let owner = world.sign_in(&KIM).session;
    let ask = world.identity.passkey_enrol(&owner).expect("nothing is there");
    let answer = key.create(&ask.options);
    let typed = word.to_lowercase().replace('-', " ");
    let token = world.identity.passkey_enrolled_with(&owner, ask.cookie.expose(), &answer, "", (&typed, HOME));
    let owner = world.session(&token.expect("the word, right behind wrong ones at the same address"));
    assert_eq!(owner.second_factor, SecondFactor::Passkey);
    let app = Authenticator::of(world.identity.totp_enrol(&owner).expect("just proved").uri.expose());
    world.identity.totp_confirm(&owner, &app.code(&*world.clock)).expect("what comes later takes no word");
}

#[test]
fn whoever_lost_the_word_asks_anew() {
    let world = World::new();
    world.sign_in_with_totp(&KIM);
    let lost = reset(&world);
    let word = reset(&world);
    let owner = world.sign_in(&KIM).session;
    assert!(matches!(enrol(&world, &owner, &lost), Err(IdentityError::RecoveryWord)), "it was replaced");
    enrol(&world, &owner, &word).expect("the newer word");
}

#[test]
fn neither_who_asked_nor_who_approved_can_take_a_colleagues_account_alone() {
    let world = World::new();
    let mut keys: [SoftKey; 4] = std::array::from_fn(|_| SoftKey::new(ORIGIN));
    let asker = member(&world, &mut keys[0]);
    let colleague = member(&world, &mut keys[1]);
    let other = member(&world, &mut keys[2]);
    let asked = world.identity.recovery_ask_for(&managing(&world, &asker), colleague.account).expect("a colleague");
    let word = asked.word.expose().clone();
    let again = world.identity.recovery_ask_for(&managing(&world, &asker), colleague.account).expect("it is theirs");
    assert_eq!((again.code.expose(), again.word.expose()), (asked.code.expose(), &word));
    let others = world.identity.recovery_ask_for(&managing(&world, &other), colleague.account);
    assert!(matches!(others, Err(IdentityError::RecoveryOpen)), "the word is shown to one alone: {others:?}");

    approve(&world, &other, asked.code.expose(), "잃어버림", "신분증").expect("the first");
    world.clock.advance(600);
    let second = member(&world, &mut keys[3]);
    let done = approve(&world, &second, asked.code.expose(), "잃어버림", "신분증").expect("the second");
    let Recovered::Done(Some(link)) = done else { panic!("{done:?}") };
    let take = |link: &str, word: &str| {
        let mut key = SoftKey::new(ORIGIN);
        let (_, ask) = world.identity.staff_enrol(link).expect("fresh");
        let answer = key.create(&ask.options);
        world.identity.staff_enrolled_with(link, ask.cookie.expose(), &answer, ("", word), HOME)
    };
    assert!(world.identity.staff_enrol_needs_word(link.token.expose()).expect("asked"));
    for wrong in ["", "AAAA-AAAA", asked.code.expose()] {
        let taken = take(link.token.expose(), wrong);
        assert!(matches!(taken, Err(IdentityError::RecoveryWord)), "whoever has the link alone: {taken:?}");
    }
    let asker_again = world.identity.staff_invite_again(Some(&managing(&world, &asker)), colleague.account);
    assert!(matches!(asker_again, Err(IdentityError::RecoveryOwn)), "whoever has the word alone: {asker_again:?}");
    let link =
        world.identity.staff_invite_again(Some(&managing(&world, &other)), colleague.account).expect("by another");
    assert!(take(link.token.expose(), "").is_err(), "another link takes the word as well");
    let at_command = world.identity.staff_word(colleague.account).expect("asked").expect("one");
    assert_eq!(at_command.expose(), &word);
    let back = take(link.token.expose(), &word.to_lowercase().replace('-', " ")).expect("the colleague");
    assert_eq!(back.session.account, colleague.account);
    let new = world.identity.staff_invite("최서아", &[]).expect("somebody new");
    assert!(!world.identity.staff_enrol_needs_word(new.token.expose()).expect("asked"));
}

#[test]
fn nobody_approves_for_themselves_and_nobody_but_staff() {
    let world = World::new();
    let [mut first_key, mut second_key] = keys();
    let (first, second) = (member(&world, &mut first_key), member(&world, &mut second_key));
    let asked = world.identity.recovery_ask_for(&managing(&world, &first), second.account).expect("a colleague");
    let code = asked.code.expose();
    let own = approve(&world, &second, code, "잃어버림", "신분증");
    assert!(matches!(own, Err(IdentityError::RecoveryOwn)), "{own:?}");
    let (person, _) = world.sign_in_with_totp(&KIM);
    let stranger = world.identity.recovery_approve(&deciding(&world, &first), &person, code, "잃어버림", "신분증");
    assert!(matches!(stranger, Err(IdentityError::NotStaff)), "{stranger:?}");
    let asker = approve(&world, &first, code, "잃어버림", "신분증");
    assert!(
        matches!(asker, Err(IdentityError::RecoveryOwn)),
        "who asks for a colleague is not one of the two: {asker:?}"
    );
    let fourth = member(&world, &mut SoftKey::new(ORIGIN));
    for (reason, proof) in [("", "신분증"), ("잃어버림", " "), (&*"가".repeat(501), "신분증")] {
        let empty = approve(&world, &fourth, code, reason, proof);
        assert!(matches!(empty, Err(IdentityError::Unusable { .. })), "{empty:?}");
    }

    approve(&world, &fourth, code, "잃어버림", "신분증").expect("the first");
    let [mut third_key, _] = keys();
    world.clock.advance(600);
    let third = member(&world, &mut third_key);
    let done = approve(&world, &third, code, "잃어버림", "신분증").expect("the second");
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
    approve(&world, &first, asked.code.expose(), "잃어버림", "신분증").expect("the first");
    assert_eq!(world.identity.off_board(first.account).expect("staff").approvals, 1);
    world.clock.advance(200);
    let waiting = approve(&world, &second, asked.code.expose(), "잃어버림", "신분증").expect("good");
    assert!(matches!(waiting, Recovered::Waiting), "one approval is left, and that is this one");
}
