//! What must hold for any request with any facts: nobody's scope goes beyond what is theirs.

use crate::{code, id, request};
use base::{Id16, SeededRandom};
use policy::{
    Action, Assurance, Decision, Door, Facts, Ground, GroundKind, OwnPatient, Owner, Purpose, Request, Role, Scope,
    Share, Target,
};
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
    let purpose = prop::sample::select(purposes());
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

/// All of them; those on a ground with the ground that facts may have, and with another.
fn purposes() -> Vec<Purpose> {
    let on_ground = GroundKind::ALL.into_iter().flat_map(|kind| kind.purposes());
    let on_ground = on_ground.flat_map(|name| ["ground", "other"].map(|ground| Purpose::with_ground(name, id(ground))));
    let mut all: Vec<Purpose> = on_ground.map(|purpose| purpose.expect("a purpose on a ground")).collect();
    let without = [Purpose::OwnRecords, Purpose::Custody { deposit: id("x") }, Purpose::Operation, Purpose::Oversight];
    all.extend(without);
    all
}

fn grounds() -> impl Strategy<Value = Ground> {
    let kinds = prop::sample::select(GroundKind::ALL.to_vec());
    let shares = prop::sample::select(vec!["whole", "visits;", "visits tests;mental-health", ";"]);
    (kinds, names(), prop::collection::vec(names(), 0..3), shares).prop_map(|(kind, subject, patients, share)| Ground {
        id: id("ground"),
        kind,
        subject,
        patients: patients.into_iter().map(|patient| OwnPatient { patient, institution: code("a") }).collect(),
        share: Share::from_text(share).expect("a share"),
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let known = (
        any::<u64>(),
        prop::option::of(names()),
        prop::collection::vec(names(), 0..3),
        prop::option::of(prop::sample::select(&NAMES[..])),
        any::<bool>(),
        prop::sample::subsequence(Role::APPOINTED.to_vec(), 0..=Role::APPOINTED.len()),
        prop::option::weighted(0.8, grounds()),
    );
    known.prop_map(|(epoch, person, patients, deposits_for, operator, holds, ground)| Facts {
        epoch,
        person,
        patients: patients.into_iter().map(|patient| OwnPatient { patient, institution: code("a") }).collect(),
        deposits_for: deposits_for.map(code),
        operator,
        holds: holds.into_iter().collect(),
        ground,
    })
}

fn reads(action: Action) -> bool {
    [Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue].contains(&action)
}

/// What is done about somebody without their records being read.
const ABOUT: [Action; 5] =
    [Action::AskGround, Action::BreakGlass, Action::RecordProof, Action::HandleErasures, Action::DecideRecovery];

/// Whether it belongs to the cases of the watch: auditors see them and change nothing.
fn is_of_cases(role: Role, action: Action) -> bool {
    let changes = matches!(action, Action::HandleCases | Action::MarkRecords);
    action == Action::SeeCases || (changes && role == Role::SecurityOfficer)
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
            let grounds = facts.ground.iter().flat_map(|ground| &ground.patients);
            prop_assert!(facts.patients.iter().chain(grounds).any(|own| reached.contains(&own.patient)));
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
            (role, Scope::Patients(reached)) if reads(request.action) => {
                let ground = facts.ground.as_ref().expect("nobody else reads without a ground");
                prop_assert_eq!(request.purpose.ground(), Some(ground.id));
                prop_assert!(ground.kind.purposes().contains(&request.purpose.name()));
                prop_assert!(role == Role::Representative || facts.holds.contains(&role));
                prop_assert_eq!(request.actor.assurance, Assurance::Two);
                prop_assert_eq!(permit.share(), &ground.share);
                let given: BTreeSet<Id16> = ground.patients.iter().map(|own| own.patient).collect();
                prop_assert!(reached.is_subset(&given));
                match request.target {
                    Target::Patient(one) => prop_assert!(reached.iter().all(|id| *id == one)),
                    Target::Person(one) => prop_assert_eq!(one, ground.subject),
                    _ => prop_assert!(false, "a record of nobody"),
                }
            }
            (role, Scope::Patients(reached)) => {
                prop_assert!(facts.holds.contains(&role) || (role == Role::Operator && facts.operator));
                prop_assert!(ABOUT.contains(&request.action), "{:?}", request.action);
                let [Target::Person(one) | Target::Patient(one)] = [&request.target] else { panic!("about nobody") };
                prop_assert_eq!(reached, &BTreeSet::from([*one]));
            }
            (Role::Depositor, Scope::Status) => {
                prop_assert!(facts.deposits_for.is_some());
                prop_assert_eq!(request.action, Action::AnswerQuestion);
            }
            (role @ (Role::SecurityOfficer | Role::Auditor), Scope::Accesses) => {
                prop_assert!(facts.holds.contains(&role));
                prop_assert!(is_of_cases(role, request.action) && request.actor.assurance == Assurance::Two);
            }
            (Role::Operator, Scope::Status) => prop_assert!(facts.operator),
            (role, Scope::Status) => {
                prop_assert!(facts.holds.contains(&role));
                prop_assert_eq!(request.actor.assurance, Assurance::Two);
            }
            (Role::Depositor, Scope::Institution(reached)) => {
                prop_assert_eq!(Some(reached), facts.deposits_for.as_ref());
                prop_assert_eq!(&request.target, &Target::Institution(reached.clone()));
            }
            (Role::Job, Scope::Sealed) => prop_assert!(matches!(request.action, Action::Seal | Action::Repair)),
            (Role::Job, Scope::Whole) => prop_assert_eq!(request.action, Action::Rebuild),
            (Role::Job, Scope::Accesses) => prop_assert_eq!(request.action, Action::WatchAccesses),
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
