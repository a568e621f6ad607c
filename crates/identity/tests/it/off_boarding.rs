//! The end of a member of staff's account: everything at once, whatever is under way.

use crate::passkeys::{ORIGIN, staff, staff_as};
use crate::world::{HOME, World};
use identity::{IdentityError, StaffState};
use policy::{Action, Door, Purpose, Request, Role, Target};
use store::{Right, StoreError};
use synth::passkey::SoftKey;

#[test]
fn everything_of_an_account_ends_at_once() {
    let world = World::new();
    let mut key = SoftKey::new(ORIGIN);
    let signed_in = staff(&world, &mut key);
    let account = signed_in.session.account;
    let ask = world.identity.staff_ask().expect("a challenge");
    let ended = world.identity.off_board(account).expect("a member of staff");
    assert_eq!((ended.sessions, ended.passkeys, ended.invitations, ended.rights), (1, 1, 0, 1));
    let over = world.identity.session(signed_in.token.cookie_value());
    assert!(matches!(over, Err(IdentityError::SessionOver { .. })), "{over:?}");
    let late = world.identity.staff_sign_in(ask.cookie.expose(), &key.get(&ask.options), HOME);
    assert!(late.is_err(), "a sign-in that had begun: {late:?}");
    assert!(!world.store.facts(account).expect("facts").operator);
    assert_eq!(world.identity.staff().expect("a list")[0].state, StaffState::Left);
    assert!(matches!(world.identity.off_board(account), Err(IdentityError::NotStaff)));
    assert!(matches!(world.identity.staff_invite_again(None, account), Err(IdentityError::NotStaff)));
}

#[test]
fn an_invitation_ends_with_its_account() {
    let world = World::new();
    let invitation = world.identity.staff_invite("박도윤", &[Right::Operator]).expect("a good name");
    let (_, ask) = world.identity.staff_enrol(invitation.token.expose()).expect("fresh");
    let answer = SoftKey::new(ORIGIN).create(&ask.options);
    world.identity.off_board(invitation.account).expect("invited");
    let late = world.identity.staff_enrolled(invitation.token.expose(), ask.cookie.expose(), &answer, "", HOME);
    assert!(matches!(late, Err(IdentityError::InvitationOver)), "{late:?}");
}

#[test]
fn nobody_gets_in_while_the_account_ends() {
    let world = World::new();
    for _ in 0..20 {
        let mut key = SoftKey::new(ORIGIN);
        let account = staff(&world, &mut key).session.account;
        let asks: Vec<_> = (0..4).map(|_| world.identity.staff_ask().expect("a challenge")).collect();
        let answers: Vec<_> = asks.iter().map(|ask| (ask.cookie.expose().clone(), key.get(&ask.options))).collect();
        let tokens: Vec<String> = std::thread::scope(|scope| {
            let signing: Vec<_> = answers
                .iter()
                .map(|(cookie, answer)| scope.spawn(|| world.identity.staff_sign_in(cookie, answer, HOME)))
                .collect();
            let ending = scope.spawn(|| world.identity.off_board(account).expect("a member of staff"));
            ending.join().expect("it ends");
            signing
                .into_iter()
                .filter_map(|sign_in| sign_in.join().expect("no panic").ok())
                .map(|signed_in| signed_in.token.cookie_value().to_owned())
                .collect()
        });
        for token in tokens {
            assert!(world.identity.session(&token).is_err(), "a session outlived its account");
        }
    }
}

#[test]
fn what_a_request_in_flight_was_permitted_is_refused() {
    let world = World::new();
    let door = Door::standard().expect("policies");
    let right = Right::of("administrator", None).expect("a role");
    let session = staff_as(&world, &mut SoftKey::new(ORIGIN), &right).session;
    let actor = session.actor_as(Role::Administrator, HOME);
    let request =
        Request { actor, action: Action::ManageRights, target: Target::Installation, purpose: Purpose::Operation };
    let permit = world.store.ask(&door, request.clone()).expect("an administrator");
    let somebody = base::Id16::derived(&["somebody"]);
    world.store.ask_right(&permit, somebody, &Right::Operator).expect("permitted");
    world.identity.off_board(session.account).expect("staff");
    let late = world.store.ask_right(&permit, somebody, &Right::Operator);
    assert!(matches!(late, Err(StoreError::StaleEpoch { .. })), "{late:?}");
    assert!(world.store.ask(&door, request).is_err(), "and nothing new is permitted");
}
