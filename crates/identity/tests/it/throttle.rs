//! Guesses from everywhere: few of them are looked at, and the owner of the account does not notice.

use crate::provider::{KIM, LEE};
use crate::world::{ELSEWHERE, HOME, World};
use base::Redacted;
use identity::{Client, IdentityError};

/// Sources of an attack.
const SOURCES: usize = 1_000;

fn client(source: &str, device: Option<&str>) -> Client {
    Client {
        source: source.to_owned(),
        device: device.map(|text| Redacted::new(text.to_owned())),
        agent: String::new(),
    }
}

fn source(number: usize) -> String {
    format!("198.{}.{}.{}", 18 + number / 62_500, number / 250 % 250, number % 250 + 1)
}

#[test]
fn a_thousand_sources_do_not_keep_the_owner_out() {
    let world = World::new();
    let phone = "a device of Kim's";
    // Kim's phone is known from here on, and so is home.
    let (_, app) = {
        let begin = world.identity.begin("ko", "/").expect("the agency answers");
        let (code, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
        let session = world
            .identity
            .finish(begin.cookie.expose(), &code, &state, client(HOME, Some(phone)))
            .expect("good")
            .session;
        let app = crate::world::Authenticator::of(world.identity.totp_enrol(&session).expect("new").uri.expose());
        (world.identity.totp_confirm(&session, &app.code(&*world.clock)).expect("good"), app)
    };
    world.clock.advance(60);
    let come = |at: &str, device: Option<&str>| {
        let begin = world.identity.begin("ko", "/").expect("the agency answers");
        let (code, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
        world.identity.finish(begin.cookie.expose(), &code, &state, client(at, device)).expect("one factor").session
    };
    let wrong = app.wrong_code(&*world.clock);
    let mut looked_at = 0;
    for number in 0..SOURCES {
        let session = come(&source(number), None);
        match world.identity.totp_check(&session, &wrong, &source(number)) {
            Err(IdentityError::TotpWrong { .. }) => looked_at += 1,
            Err(IdentityError::Throttled { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((20..=30).contains(&looked_at), "{looked_at} of {SOURCES} guesses were looked at");

    // Whoever is nowhere known waits, right or not, until the attack is over.
    let unknown = come(ELSEWHERE, None);
    let waits = world.identity.totp_check(&unknown, &app.code(&*world.clock), ELSEWHERE);
    assert!(matches!(waits, Err(IdentityError::Throttled { .. })), "{waits:?}");

    // The owner, at once: from the phone anywhere, even from behind an address of the attack; and from home without it.
    for (at, device) in [(ELSEWHERE, Some(phone)), (&*source(0), Some(phone)), (HOME, None)] {
        let session = come(at, device);
        let token = world.identity.totp_check(&session, &app.code(&*world.clock), at);
        world.session(&token.unwrap_or_else(|error| panic!("the owner at {at} is kept out: {error}")));
        world.clock.advance(30);
    }
}

#[test]
fn one_factor_of_somebody_does_not_get_them_out() {
    let world = World::new();
    let (owner, _) = world.sign_in_with_totp(&KIM);
    for _ in 0..2 * identity::SESSIONS_PER_ACCOUNT_MAX {
        world.try_sign_in(&KIM, ELSEWHERE).expect("one factor");
    }
    let live = world.identity.sessions(&owner).expect("a list");
    assert!(live.iter().any(|session| session.current), "the owner's session made room for half a sign-in");
    assert_eq!(live.len(), identity::SESSIONS_PER_ACCOUNT_MAX);
}

#[test]
fn a_new_device_is_told_of_on_the_others_until_it_is_read_there() {
    let world = World::new();
    let come = |device: &str| {
        let begin = world.identity.begin("ko", "/").expect("the agency answers");
        let (code, state) = world.agency.prove(begin.redirect_url.expose(), &LEE);
        let agent = "Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36".to_owned();
        let client = Client { agent, ..client(HOME, Some(device)) };
        world.identity.finish(begin.cookie.expose(), &code, &state, client).expect("one factor")
    };
    let first = come("phone");
    assert!(first.device.is_none(), "the browser has its cookie");
    let app = crate::world::Authenticator::of(world.identity.totp_enrol(&first.session).expect("new").uri.expose());
    let phone = world.identity.totp_confirm(&first.session, &app.code(&*world.clock)).expect("good");
    assert_eq!(world.session(&phone).notices, 0, "there was nobody to tell");
    world.clock.advance(60);
    let thief = come("thief's").session;
    assert_eq!(world.session(&phone).notices, 0, "one factor opens nothing");
    let thief = world.identity.totp_check(&thief, &app.code(&*world.clock), HOME).expect("they have the app");
    let seen = world.session(&thief);
    assert_eq!(seen.notices, 0, "they know");
    let listed = world.identity.notices(&seen).expect("a list");
    assert_eq!((listed.len(), listed[0].kind.as_str(), listed[0].own), (1, "new-device", true));
    assert_eq!(listed[0].family, "chrome/windows");

    let owner = world.session(&phone);
    assert_eq!(owner.notices, 1, "reading it elsewhere hides nothing");
    assert!(!world.identity.notices(&owner).expect("a list")[0].own);
    assert_eq!(world.session(&phone).notices, 0, "read here");
    world.clock.advance(60);
    let known = come("phone").session;
    world.identity.totp_check(&known, &app.code(&*world.clock), HOME).expect("good");
    assert_eq!(world.session(&thief).notices, 0, "a known device is nothing to tell");
}
