//! The end of a member of staff's account: everything at once, whatever is under way.

use crate::passkeys::{ORIGIN, deciding, managing, staff, staff_as};
use crate::provider::KIM;
use crate::world::{HOME, World};
use base::Id16;
use identity::{IdentityError, Invitation, Recovered, Session, SignedIn, StaffState};
use policy::{Action, Door, Permit, Purpose, Request, Role, Target};
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

/// An administrator, and the permit to manage rights of theirs.
fn administrator(world: &World) -> (Id16, Permit) {
    let right = Right::of("administrator", None).expect("a role");
    let session = staff_as(world, &mut SoftKey::new(ORIGIN), &right).session;
    (session.account, managing(world, &session))
}

fn come(world: &World, invitation: &Invitation) -> Result<SignedIn, IdentityError> {
    let token = invitation.token.expose();
    let (_, ask) = world.identity.staff_enrol(token)?;
    let answer = SoftKey::new(ORIGIN).create(&ask.options);
    world.identity.staff_enrolled(token, ask.cookie.expose(), &answer, "열쇠", HOME)
}

#[test]
fn what_an_administrator_began_ends_with_their_account_or_their_role() {
    for leaves in [true, false] {
        let world = World::new();
        let right = Right::of("administrator", None).expect("a role");
        let session = staff_as(&world, &mut SoftKey::new(ORIGIN), &right).session;
        let colleague = staff(&world, &mut SoftKey::new(ORIGIN)).session;
        let by = managing(&world, &session);
        let asked = world.identity.recovery_ask_for(&by, colleague.account).expect("a colleague");
        let shown = world.identity.staff_invite_as(&by, "최서아", &Right::Operator).expect("invited");
        let other = world.identity.staff_invite("한지우", &[]).expect("at the command line");
        assert!(world.identity.staff_enrol(shown.token.expose()).is_ok());
        if leaves {
            assert_eq!(world.identity.off_board(session.account).expect("staff").invitations, 1);
        } else {
            world.identity.take_right(None, session.account, &right).expect("held");
        }
        let over = come(&world, &shown);
        assert!(matches!(over, Err(IdentityError::InvitationOver)), "who knows the link is no administrator: {over:?}");
        let over = world.identity.recovery(asked.code.expose());
        assert!(matches!(over, Err(IdentityError::RecoveryOver)), "{over:?}");
        assert_eq!(world.store.rights_asked().expect("a list"), []);
        come(&world, &other).expect("nobody's who left");
        // Whoever is still there invites anew.
        let by = managing(&world, &colleague);
        let again = world.identity.staff_invite_again(Some(&by), shown.account).expect("not come yet");
        come(&world, &again).expect("by another link");
    }
}

#[test]
fn an_approval_does_not_outlive_the_role_that_it_was_given_in() {
    let world = World::new();
    let SignedIn { session: first, token, .. } = staff(&world, &mut SoftKey::new(ORIGIN));
    let second = staff(&world, &mut SoftKey::new(ORIGIN)).session;
    world.sign_in_with_totp(&KIM);
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    let approve = |by: &Session| {
        let permit = deciding(&world, by);
        world.identity.recovery_approve(&permit, by, asked.code.expose(), "잃어버림", "신분증").expect("good")
    };
    approve(&first);
    let auditor = Right::of("auditor", None).expect("a role");
    world.store.grant(first.account, &auditor).expect("granted");
    world.identity.take_right(None, first.account, &Right::Operator).expect("held");
    assert!(world.identity.session(token.cookie_value()).is_ok(), "they stay");
    assert!(world.identity.recovery(asked.code.expose()).expect("open").approvals.is_empty());
    world.clock.advance(200);
    assert!(matches!(approve(&second), Recovered::Waiting), "one approval is left, and that is this one");
}

#[test]
fn rights_are_given_to_who_came_by_somebody_who_did_not_know_the_link() {
    let world = World::new();
    let (first, second) = (administrator(&world), administrator(&world));
    let invited = world.identity.staff_invite_as(&first.1, "최서아", &Right::Operator).expect("invited");
    let confirm = |by: Option<&Permit>| world.identity.confirm_rights(by, invited.account, None);
    let early = |by| matches!(confirm(by), Err(IdentityError::Store(StoreError::Missing { .. })));
    assert!(early(Some(&second.1)) && early(None), "nobody came");
    let again = world.identity.staff_invite_again(Some(&second.1), invited.account).expect("not come yet");
    come(&world, &again).expect("by the second's link");
    assert!(early(Some(&first.1)), "they asked");
    assert!(early(Some(&second.1)), "they knew the link");
    assert_eq!(world.identity.passkeys_of(invited.account).expect("a list")[0].name.expose(), "열쇠");
    let third = administrator(&world);
    assert_eq!(confirm(Some(&third.1)).expect("given"), 1);
    assert!(world.store.facts(invited.account).expect("facts").operator);
}

#[test]
fn what_waits_for_its_turn_ends_with_the_permit_that_it_was_asked_with() {
    let world = World::new();
    let session = staff(&world, &mut SoftKey::new(ORIGIN)).session;
    let colleague = staff(&world, &mut SoftKey::new(ORIGIN)).session;
    world.sign_in_with_totp(&KIM);
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    let code = asked.code.expose();
    let invited = world.identity.staff_invite("한지우", &[]).expect("at the command line");
    let (manages, decides) = (managing(&world, &session), deciding(&world, &session));
    // Both passed the door; then the roles go, before anything is written.
    for right in [Right::Operator, Right::of("administrator", None).expect("a role")] {
        world.identity.take_right(None, session.account, &right).expect("held");
    }
    let identity = &world.identity;
    let late = [
        identity.staff_invite_as(&manages, "최서아", &Right::Operator).map(drop),
        identity.staff_invite_again(Some(&manages), invited.account).map(drop),
        identity.recovery_ask_for(&manages, colleague.account).map(drop),
        identity.recovery_approve(&decides, &session, code, "잃어버림", "신분증").map(drop),
        identity.recovery_refuse(&decides, &session, code, "얼굴이 다름"),
    ];
    for (number, late) in late.iter().enumerate() {
        assert!(
            matches!(late, Err(IdentityError::Store(StoreError::StaleEpoch { .. }))),
            "act {number} was done: {late:?}"
        );
    }
    assert_eq!(identity.staff().expect("a list").len(), 3, "nobody was added");
    assert_eq!(world.store.rights_asked().expect("a list"), [], "and no right waits for somebody who is not there");
    assert!(identity.recovery(code).expect("open").approvals.is_empty());
    come(&world, &invited).expect("the link before is good, for nobody was shown another");
}

#[test]
fn a_permit_lets_nobody_decide_but_whose_it_is() {
    let world = World::new();
    let (first, second) = (staff(&world, &mut SoftKey::new(ORIGIN)), staff(&world, &mut SoftKey::new(ORIGIN)));
    world.sign_in_with_totp(&KIM);
    let asked = world.identity.recovery_ask(&world.sign_in(&KIM).session).expect("good");
    let decide = |permit: &Permit| {
        world.identity.recovery_approve(permit, &first.session, asked.code.expose(), "잃어버림", "신분증")
    };
    let others = decide(&deciding(&world, &second.session));
    assert!(matches!(others, Err(IdentityError::NotStaff)), "{others:?}");
    let other = decide(&managing(&world, &first.session));
    assert!(matches!(other, Err(IdentityError::Store(StoreError::Action { .. }))), "{other:?}");
}

#[test]
fn a_link_ends_with_the_role_in_which_it_was_shown() {
    let world = World::new();
    let member = || staff(&world, &mut SoftKey::new(ORIGIN)).session;
    let (asker, lost) = (member(), member());
    let asked = world.identity.recovery_ask_for(&managing(&world, &asker), lost.account).expect("a colleague");
    world.clock.advance(600);
    let mut link = None;
    for by in [member(), member()] {
        let permit = deciding(&world, &by);
        let approved = world.identity.recovery_approve(&permit, &by, asked.code.expose(), "잃어버림", "신분증");
        if let Recovered::Done(shown) = approved.expect("good") {
            link = shown.map(|shown| (by.account, shown));
        }
    }
    let (shown_to, link) = link.expect("the second approval");
    assert!(world.identity.staff_enrol(link.token.expose()).is_ok());
    // An operator, and no administrator.
    world.identity.take_right(None, shown_to, &Right::Operator).expect("held");
    let over = world.identity.staff_enrol(link.token.expose());
    assert!(matches!(over, Err(IdentityError::InvitationOver)), "{over:?}");
}
