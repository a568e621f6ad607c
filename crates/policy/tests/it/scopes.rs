//! What must hold for any request with any facts: nobody's scope goes beyond what is theirs.

use crate::{code, id, request};
use base::{Id16, SeededRandom};
use policy::{Action, Assurance, Decision, Door, Facts, OwnPatient, Owner, Purpose, Request, Role, Scope, Target};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static DOOR: LazyLock<Door> = LazyLock::new(|| Door::standard().expect("the standard policies are valid"));

/// Few names, so that requests often hit what the facts hold.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn names() -> impl Strategy<Value = Id16> {
    prop::sample::select(&NAMES[..]).prop_map(id)
}

fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![
        names().prop_map(Target::Person),
        names().prop_map(Target::Patient),
        prop::sample::select(&NAMES[..]).prop_map(|name| Target::Institution(code(name))),
        Just(Target::Installation),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let assurance = prop::sample::select(vec![Assurance::None, Assurance::One, Assurance::Two]);
    let purpose =
        prop::sample::select(vec![Purpose::OwnRecords, Purpose::Custody { deposit: id("x") }, Purpose::Operation]);
    let asked = (
        prop::sample::select(Role::ALL.to_vec()),
        assurance,
        prop::sample::select(Action::ALL.to_vec()),
        targets(),
        purpose,
    );
    asked.prop_map(|(role, assurance, action, target, purpose)| {
        request("account", role, assurance, action, target, purpose)
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let known = (
        any::<u64>(),
        prop::option::of(names()),
        prop::collection::vec(names(), 0..3),
        prop::option::of(prop::sample::select(&NAMES[..])),
        any::<bool>(),
    );
    known.prop_map(|(epoch, person, patients, deposits_for, operator)| Facts {
        epoch,
        person,
        patients: patients.into_iter().map(|patient| OwnPatient { patient, institution: code("a") }).collect(),
        deposits_for: deposits_for.map(code),
        operator,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nobody_reaches_beyond_their_own(request in requests(), facts in facts()) {
        let Decision::Permit(permit) = DOOR.decide(&request, &facts, &SeededRandom::new(1)) else { return Ok(()) };
        prop_assert_eq!(permit.epoch(), facts.epoch);
        prop_assert!(!permit.explanation().is_empty());
        prop_assert_eq!(permit.reaches_context_of(&code("a")), !permit.context_explanation().is_empty());
        if permit.reaches_context_of(&code("a")) {
            prop_assert!(matches!(request.action, Action::ReadTimeline | Action::ReadRecord | Action::Issue));
            let Scope::Patients(reached) = permit.scope() else { panic!("context of no patient") };
            prop_assert!(facts.patients.iter().any(|own| reached.contains(&own.patient)));
        }
        prop_assert!(!permit.reaches_context_of(&code("b")), "nobody is a patient there");
        let own: BTreeSet<Id16> = facts.patients.iter().map(|own| own.patient).chain(facts.person).collect();
        match (request.actor.role, permit.scope()) {
            (Role::Patient, Scope::Patients(reached)) => {
                prop_assert!(reached.is_subset(&own));
                prop_assert_eq!(request.actor.assurance, Assurance::Two);
                if let Target::Patient(one) = request.target {
                    prop_assert!(reached.iter().all(|id| *id == one || Some(*id) == facts.person));
                }
                let others = NAMES.iter().map(|name| id(name)).filter(|id| !own.contains(id));
                for other in others {
                    prop_assert!(!permit.reaches(Owner::Patient(other), &code("a")));
                }
            }
            (Role::Depositor, Scope::Institution(reached)) => {
                prop_assert_eq!(Some(reached), facts.deposits_for.as_ref());
                prop_assert_eq!(&request.target, &Target::Institution(reached.clone()));
            }
            (Role::Operator, Scope::Status) => prop_assert!(facts.operator),
            (Role::Job, Scope::Sealed) => prop_assert!(matches!(request.action, Action::Seal | Action::Repair)),
            (role, scope) => prop_assert!(false, "{:?} got {:?}", role, scope),
        }
    }

    #[test]
    fn one_question_has_one_answer(request in requests(), facts in facts()) {
        let answer = |seed| match DOOR.decide(&request, &facts, &SeededRandom::new(seed)) {
            Decision::Permit(permit) => (permit.id(), permit.explanation().to_owned(), Some(permit.scope().clone())),
            Decision::Denial(denial) => (denial.id, denial.explanation, None),
        };
        let (first, second) = (answer(1), answer(2));
        prop_assert_ne!(first.0, second.0);
        prop_assert_eq!((first.1, first.2), (second.1, second.2));
    }
}
