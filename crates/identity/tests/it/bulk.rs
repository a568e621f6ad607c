//! The bulk interface.

use crate::provider::{KIM, LEE};
use crate::world::World;
use base::Redacted;
use identity::{CiLookup as _, CiLookupError, NUMBERS_PER_REQUEST_MAX};
use serde_json::json;

fn numbers(texts: &[&str]) -> Vec<Redacted<String>> {
    texts.iter().map(|text| Redacted::new((*text).to_owned())).collect()
}

#[test]
fn cis_come_in_the_order_of_the_numbers() {
    let world = World::new();
    let lookup = world.identity.ci_lookup();
    let found = lookup.ci_of(&numbers(&[LEE.rrn, "000000-0000000", KIM.rrn, LEE.rrn])).expect("up");
    let found: Vec<_> = found.iter().map(|ci| ci.as_ref().map(|ci| ci.expose().clone())).collect();
    assert_eq!(found, [Some(LEE.ci()), None, Some(KIM.ci()), Some(LEE.ci())]);
    assert!(lookup.ci_of(&[]).expect("nothing to ask").is_empty());
    assert_eq!(world.agency.requests("bulk"), 1);
}

#[test]
fn long_lists_are_split() {
    let world = World::new();
    let mut texts = vec!["000000-0000000"; 2 * NUMBERS_PER_REQUEST_MAX + 1];
    *texts.last_mut().expect("not empty") = KIM.rrn;
    let found = world.identity.ci_lookup().ci_of(&numbers(&texts)).expect("up");
    assert_eq!(found.len(), texts.len());
    assert_eq!(found.last().and_then(|ci| ci.as_ref().map(|ci| ci.expose().clone())), Some(KIM.ci()));
    assert_eq!(found.iter().flatten().count(), 1);
    assert_eq!(world.agency.requests("bulk"), 3);
}

#[test]
fn what_goes_wrong_is_told_without_numbers() {
    let world = World::new();
    let ask = || world.identity.ci_lookup().ci_of(&numbers(&[KIM.rrn])).expect_err("a fault");
    for answer in [
        json!({ "ci": [] }),
        json!({ "ci": [KIM.ci(), null] }),
        json!({ "ci": ["short"] }),
        json!({ "other": [] }),
        json!({ "ci": ["c".repeat(300 << 10)] }),
    ] {
        world.agency.wrong(|faults| faults.bulk = Some(answer));
        assert!(matches!(ask(), CiLookupError::Answer { .. }));
    }
    world.agency.right();
    world.agency.wrong(|faults| faults.status = Some(401));
    assert_eq!(ask(), CiLookupError::Refused { status: 401 });
    let before = world.agency.requests("bulk");
    world.agency.wrong(|faults| faults.status = Some(503));
    let away = ask();
    assert!(matches!(away, CiLookupError::Unreachable { .. }));
    assert_eq!(world.agency.requests("bulk") - before, 3, "asked again twice");
    assert!(!away.to_string().contains(KIM.rrn));
}
