//! Signing in at the agency.

use crate::provider::{Faults, KIM, LEE};
use crate::world::{HOME, World};
use identity::{Gender, IdentityError, SecondFactor, StatementFault};
use policy::{Assurance, Role};
use serde_json::{Value, json};

#[test]
fn a_person_signs_in_and_is_known_again() {
    let world = World::new();
    let first = world.sign_in(&KIM);
    assert_eq!(first.return_to, "/records");
    let session = first.session;
    assert_eq!(session.name.expose(), "김철수");
    assert_eq!(session.birth_date.as_ref().map(|date| date.expose().to_string()).as_deref(), Some("1970-02-28"));
    assert_eq!(session.gender.expose(), &Gender::Male);
    assert_eq!((session.assurance, session.second_factor), (Assurance::One, SecondFactor::Missing));
    let actor = session.actor(HOME);
    assert_eq!((actor.account, actor.role, actor.assurance), (session.account, Role::Patient, Assurance::One));
    assert_eq!(actor.source.expose(), HOME);
    let facts = world.store.facts(session.account).expect("read");
    assert_eq!(facts.person, Some(session.person), "the door finds the person by the account");
    let again = world.sign_in(&KIM).session;
    assert_eq!(again.account, session.account, "one account a person");
    assert_ne!(again.id, session.id);
}

#[test]
fn two_people_never_mix() {
    let world = World::new();
    let (kim_begins, lee_begins) =
        (world.identity.begin("ko", "/a").expect("up"), world.identity.begin("en", "/b").expect("up"));
    let (kim_code, kim_state) = world.agency.prove(kim_begins.redirect_url.expose(), &KIM);
    let (lee_code, lee_state) = world.agency.prove(lee_begins.redirect_url.expose(), &LEE);
    // Kim's browser with Lee's answer, whole or in part.
    let crossed = world.identity.finish(kim_begins.cookie.expose(), &lee_code, &lee_state, HOME);
    assert!(matches!(crossed, Err(IdentityError::SignInForged)));
    let injected = world.identity.finish(kim_begins.cookie.expose(), &lee_code, &kim_state, HOME);
    assert!(matches!(injected, Err(IdentityError::CodeRefused)), "PKCE ties a code to its sign-in: {injected:?}");
    drop((kim_code, lee_begins, lee_state));

    let (kim, lee) = (world.sign_in(&KIM), world.sign_in(&LEE));
    assert_ne!(kim.session.account, lee.session.account);
    assert_eq!(world.session(&kim.token).name.expose(), "김철수");
    assert_eq!(world.session(&lee.token).name.expose(), "이영희");
    assert!(world.identity.sessions(&kim.session).expect("read").iter().all(|info| info.id != lee.session.id));
    assert!(!world.identity.revoke(&kim.session, lee.session.id).expect("asked"), "another's session is not there");
    assert!(world.identity.csrf_ok(&kim.session, lee.session.csrf.expose()).is_err());
    world.session(&lee.token);
}

#[test]
fn each_sign_in_is_good_for_one_end() {
    let world = World::new();
    let begin = world.identity.begin("ko", "/").expect("up");
    let (code, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
    world.identity.finish(begin.cookie.expose(), &code, &state, HOME).expect("the first time");
    let replayed = world.identity.finish(begin.cookie.expose(), &code, &state, HOME);
    assert!(matches!(replayed, Err(IdentityError::SignInUsed)));
    // The same code in a sign-in of its own.
    let other = world.identity.begin("ko", "/").expect("up");
    let (_, other_state) = world.agency.prove(other.redirect_url.expose(), &KIM);
    let stolen = world.identity.finish(other.cookie.expose(), &code, &other_state, HOME);
    assert!(matches!(stolen, Err(IdentityError::CodeRefused)));
    // And that sign-in was tried too, by whoever had the code.
    let after = world.identity.finish(other.cookie.expose(), "x", &other_state, HOME);
    assert!(matches!(after, Err(IdentityError::SignInUsed)));
}

#[test]
fn a_sign_in_takes_ten_minutes_at_most() {
    let world = World::new();
    let begin = world.identity.begin("ko", "/").expect("up");
    let (code, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
    world.clock.advance(600);
    let late = world.identity.finish(begin.cookie.expose(), &code, &state, HOME);
    assert!(matches!(late, Err(IdentityError::SignInExpired)));
}

#[test]
fn codes_of_strange_form_are_refused_before_anybody_is_asked() {
    let world = World::new();
    for code in [String::new(), "c".repeat(3000)] {
        let begin = world.identity.begin("ko", "/").expect("up");
        let (_, state) = world.agency.prove(begin.redirect_url.expose(), &KIM);
        let refused = world.identity.finish(begin.cookie.expose(), &code, &state, HOME);
        assert!(matches!(refused, Err(IdentityError::CodeRefused)));
    }
    assert_eq!(world.agency.requests("token"), 0);
}

fn claims_fault(change: fn(&mut Value)) -> Faults {
    Faults { claims: Some(change), ..Faults::default() }
}

#[test]
fn statements_that_do_not_hold_are_refused() {
    let world = World::new();
    world.sign_in(&KIM);
    let cases: Vec<(StatementFault, Faults)> = vec![
        (StatementFault::Issuer, claims_fault(|claims| claims["iss"] = json!("https://other.example"))),
        (StatementFault::Audience, claims_fault(|claims| claims["aud"] = json!("somebody"))),
        (StatementFault::Audience, claims_fault(|claims| claims["aud"] = json!(["hanmaru", "somebody"]))),
        (StatementFault::Audience, claims_fault(|claims| claims["azp"] = json!("somebody"))),
        (StatementFault::Expired, claims_fault(|claims| claims["exp"] = json!(1_800_000_000))),
        (StatementFault::Expired, claims_fault(|claims| claims["iat"] = json!(1_800_000_000 - 601))),
        (StatementFault::Expired, claims_fault(|claims| claims["iat"] = json!(1_800_000_000 + 61))),
        (StatementFault::Nonce, claims_fault(|claims| claims["nonce"] = json!("another"))),
        (StatementFault::Nonce, claims_fault(|claims| claims["nonce"] = Value::Null)),
        (StatementFault::AuthTime, claims_fault(|claims| claims["auth_time"] = Value::Null)),
        (StatementFault::AuthTime, claims_fault(|claims| claims["auth_time"] = json!(1_800_000_000 - 661))),
        (StatementFault::AuthTime, claims_fault(|claims| claims["auth_time"] = json!(1_800_000_000 + 61))),
        (StatementFault::AccessToken, claims_fault(|claims| claims["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"))),
        (
            StatementFault::Signature,
            Faults { header: Some(|header| header["alg"] = json!("none")), ..Faults::default() },
        ),
        (
            StatementFault::Signature,
            Faults { header: Some(|header| header["alg"] = json!("HS256")), ..Faults::default() },
        ),
        (StatementFault::Signature, Faults { header: Some(|header| header["kid"] = json!("k9")), ..Faults::default() }),
        (StatementFault::Signature, Faults { token: Some(flip_last), ..Faults::default() }),
    ];
    for (at, (expected, faults)) in cases.into_iter().enumerate() {
        world.agency.wrong(|now| *now = faults);
        let source = format!("203.0.113.{at}");
        let refused = world.try_sign_in(&KIM, &source);
        assert!(
            matches!(&refused, Err(IdentityError::Statement { fault }) if *fault == expected),
            "case {at}, {expected:?}: {refused:?}"
        );
        world.agency.right();
    }
    world.sign_in(&KIM);
}

fn flip_last(token: String) -> String {
    let (rest, signature) = token.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{other}{}", &signature[1..])
}

#[test]
fn statements_without_what_an_account_needs_are_refused() {
    let world = World::new();
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 3] = [
        ("ci", |claims| claims["ci"] = json!("x")),
        ("name", |claims| claims["name"] = json!("")),
        ("birthdate", |claims| claims["birthdate"] = json!("yesterday")),
    ];
    for (expected, change) in cases {
        world.agency.wrong(|faults| faults.claims = Some(change));
        let refused = world.try_sign_in(&KIM, HOME);
        assert!(
            matches!(&refused, Err(IdentityError::Claim { claim }) if *claim == expected),
            "{expected}: {refused:?}"
        );
    }
}

#[test]
fn what_the_statement_lacks_comes_from_userinfo_of_the_same_subject() {
    let world = World::new();
    world.agency.wrong(|faults| faults.userinfo_subject = Some("sub-of-somebody"));
    assert_eq!(world.sign_in(&LEE).session.name.expose(), "이영희");
    assert_eq!(world.agency.requests("userinfo"), 1);
    world.agency.wrong(|faults| faults.userinfo_subject = Some("sub-of-another"));
    let refused = world.try_sign_in(&LEE, HOME);
    assert!(matches!(refused, Err(IdentityError::Statement { fault: StatementFault::Form })), "{refused:?}");
}

#[test]
fn keys_are_cached_and_asked_for_again_when_they_change() {
    let world = World::new();
    world.sign_in(&KIM);
    world.sign_in(&LEE);
    assert_eq!(world.agency.requests("keys"), 1, "cached");
    // Just asked: a statement under an unknown key does not make us ask again at once.
    world.agency.rotate_key("k2");
    assert!(matches!(
        world.try_sign_in(&KIM, HOME),
        Err(IdentityError::Statement { fault: StatementFault::Signature })
    ));
    assert_eq!(world.agency.requests("keys"), 1);
    world.clock.advance(11);
    world.sign_in(&KIM);
    assert_eq!(world.agency.requests("keys"), 2);
    world.clock.advance(3601);
    world.sign_in(&KIM);
    assert_eq!(world.agency.requests("keys"), 3, "an hour is long enough");
}

#[test]
fn an_agency_that_is_away_is_told_as_such() {
    let world = World::new();
    world.agency.wrong(|faults| faults.status = Some(503));
    assert!(matches!(world.identity.begin("ko", "/"), Err(IdentityError::AgencyUnreachable { .. })));
    assert!(matches!(world.identity.agency_ready(), Err(IdentityError::AgencyUnreachable { .. })));
    assert_eq!(world.agency.requests("metadata"), 1, "not asked again within seconds");
    world.agency.right();
    world.clock.advance(11);
    world.identity.agency_ready().expect("back");
    // Its metadata is known for a day, even when it is away.
    world.agency.wrong(|faults| faults.status = Some(503));
    world.clock.advance(7200);
    world.identity.begin("ko", "/").expect("known metadata");
    world.clock.advance(24 * 3600);
    assert!(matches!(world.identity.begin("ko", "/"), Err(IdentityError::AgencyUnreachable { .. })));
}

#[test]
fn redirects_of_the_agency_are_not_followed() {
    let world = World::new();
    world.agency.wrong(|faults| faults.token_status = Some(307));
    let refused = world.try_sign_in(&KIM, HOME);
    assert!(matches!(refused, Err(IdentityError::AgencyAnswer { what: "token", .. })), "{refused:?}");
    assert_eq!(world.agency.requests("keys"), 1, "only for the metadata");
}

#[test]
fn forgeries_keep_nobody_from_signing_in_who_comes_from_the_same_address() {
    let world = World::new();
    for _ in 0..400 {
        let forged = world.identity.finish("forged", "code", "state", HOME);
        assert!(matches!(forged, Err(IdentityError::SignInForged)), "{forged:?}");
    }
    for _ in 0..40 {
        let begin = world.identity.begin("ko", "/").expect("it begins");
        assert!(world.identity.finish(begin.cookie.expose(), "guess", "guess", HOME).is_err());
    }
    world.try_sign_in(&KIM, HOME).expect("at once");
}

#[test]
fn blocking_calls_work_inside_an_asynchronous_program() {
    let world = std::sync::Arc::new(World::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let inside = std::sync::Arc::clone(&world);
    let name = runtime.block_on(async move {
        let signed_in = tokio::task::spawn_blocking(move || inside.sign_in(&KIM)).await.expect("no panic");
        signed_in.session.name.expose().clone()
    });
    assert_eq!(name, "김철수");
}

#[test]
fn nothing_personal_shows_in_debug_output() {
    let world = World::new();
    let begin = world.identity.begin("ko", "/").expect("up");
    let signed_in = world.sign_in(&KIM);
    let shown = format!("{begin:?} {signed_in:?} {:?} {:?}", signed_in.session.actor(HOME), world.identity);
    for secret in
        ["김철수", "1970-02-28", "Male", KIM.rrn, HOME, signed_in.token.cookie_value(), crate::provider::CLIENT_SECRET]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn keys_are_fetched_from_no_address_that_was_not_looked_at() {
    let world = World::new();
    world.agency.wrong(|faults| faults.keys_at = Some("http://192.0.2.1/keys"));
    let refused = world.identity.agency_ready();
    assert!(
        matches!(&refused, Err(IdentityError::InsecureAddress { url }) if url == "http://192.0.2.1/keys"),
        "{refused:?}"
    );
    assert_eq!(world.agency.requests("keys"), 0);
    world.agency.right();
    world.identity.agency_ready().expect("right again, and asked at once");
    world.clock.advance(2 * 3_600);
    world.agency.wrong(|faults| faults.keys_at = Some("http://192.0.2.1/keys"));
    let refused = world.identity.agency_ready();
    assert!(matches!(refused, Err(IdentityError::InsecureAddress { .. })), "no outage: {refused:?}");
}
