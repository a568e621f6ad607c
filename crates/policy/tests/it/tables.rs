//! Runs the tables `policies/*.tests.json`, and sees to it that they leave nothing out.

use crate::{code, id, request};
use base::{Id16, SeededRandom};
use policy::{
    Action, Assurance, Decision, Door, Facts, Ground, GroundKind, OwnPatient, Owner, Permit, Purpose, Role, Scope,
    Share, Target,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Those of the tables, and one of which nobody is a patient.
const INSTITUTIONS: [&str; 3] = ["31100001", "21100002", "41100003"];

#[test]
fn every_expectation_holds() {
    let door = Door::standard().expect("the standard policies are valid");
    let mut asked = 0;
    for (file, table) in tables() {
        for (number, case) in list(&table["cases"]).iter().enumerate() {
            for action in actions(case) {
                for target in words(&case["targets"]) {
                    let label = format!("{file}, case {number}: {} on {target}", action.name());
                    check(&door, &table, case, action, &target, &label);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 100, "the tables were not read");
}

#[test]
fn every_rule_permits_somewhere() {
    let door = Door::standard().expect("the standard policies are valid");
    let permitting: BTreeSet<String> = tables()
        .iter()
        .flat_map(|(_, table)| list(&table["cases"]).to_vec())
        .flat_map(|case| [case["permit"].clone(), case["context"]["rule"].clone()])
        .filter_map(|rule| rule.as_str().map(str::to_owned))
        .collect();
    let rules: BTreeSet<String> = door.rules().iter().map(|rule| rule.id.clone()).collect();
    assert_eq!(permitting, rules);
}

#[test]
fn what_is_offered_is_what_some_expectation_permits() {
    let door = Door::standard().expect("the standard policies are valid");
    let (mut permitted, mut purposes) = (BTreeSet::new(), BTreeSet::new());
    for (_, table) in tables() {
        for case in list(&table["cases"]) {
            let purpose = text(&case["purpose"]).split(':').next().unwrap_or_default().to_owned();
            purposes.insert(purpose.clone());
            if case["permit"].is_string() {
                permitted.extend(actions(case).into_iter().map(|action| (role(&table), action, purpose.clone())));
            }
        }
    }
    for (role, action) in Role::ALL.into_iter().flat_map(|role| Action::ALL.map(|action| (role, action))) {
        for purpose in &purposes {
            let expected = permitted.contains(&(role, action, purpose.clone()));
            assert_eq!(door.offers(role, action, purpose), expected, "{} {} {purpose}", role.name(), action.name());
        }
    }
}

#[test]
fn every_action_of_every_role_is_expected() {
    for (file, table) in tables() {
        let covered: BTreeSet<Action> = list(&table["cases"]).iter().flat_map(actions).collect();
        let all: BTreeSet<Action> = Action::ALL.into_iter().collect();
        assert_eq!(covered, all, "{file} says nothing about some actions");
    }
    let roles: BTreeSet<Role> = tables().iter().map(|(_, table)| role(table)).collect();
    assert_eq!(roles, Role::ALL.into_iter().collect());
}

#[test]
fn every_file_is_compiled_in_and_has_its_table() {
    let door = Door::standard().expect("the standard policies are valid");
    let (mut ids, mut policies) = (0, BTreeSet::new());
    for path in files(".cedar") {
        ids += std::fs::read_to_string(&path).expect("a policy file is text").matches("@id(").count();
        policies.insert(path.file_stem().expect("it has a name").to_owned());
    }
    assert_eq!(ids, door.rules().len());
    let tables = files(".tests.json")
        .into_iter()
        .map(|path| Path::new(path.file_stem().expect("named")).file_stem().expect("named").to_owned());
    assert_eq!(policies, tables.collect());
}

fn check(door: &Door, table: &Value, case: &Value, action: Action, target: &str, label: &str) {
    let asks = text(&case["asks"]);
    let facts = facts(&table["accounts"][asks]);
    let request = request(asks, role(table), assurance(case), action, parse_target(target), purpose(case));
    match door.decide(&request, &facts, &SeededRandom::new(1)) {
        Decision::Permit(permit) => {
            assert_eq!(case["permit"].as_str(), Some(permit.explanation()), "{label}");
            assert_eq!(*permit.scope(), parse_scope(&case["scope"]), "{label}");
            let share = case["share"].as_str().unwrap_or("whole");
            assert_eq!(permit.share().to_text(), share, "{label}");
            assert_eq!((permit.action(), permit.epoch()), (action, facts.epoch), "{label}");
            check_context(&permit, &case["context"], label);
        }
        Decision::Denial(denial) => {
            assert_eq!(case["denial"].as_str(), Some(denial.reason.name()), "{label}: {}", denial.explanation);
            let missing = format!("missing: {}", words(&case["missing"]).join(","));
            assert!(denial.explanation.ends_with(&missing), "{label}: {}", denial.explanation);
        }
    }
}

/// A case that says nothing of context expects a permit that reaches none.
fn check_context(permit: &Permit, expected: &Value, label: &str) {
    assert_eq!(permit.context_explanation(), expected["rule"].as_str().unwrap_or_default(), "{label}");
    let reached = if expected.is_null() { Vec::new() } else { words(&expected["institutions"]) };
    for number in INSTITUTIONS {
        let institution = code(number);
        let is_reached = reached.iter().any(|one| one == number);
        for kind in policy::CONTEXT_TYPES {
            assert_eq!(permit.reaches_context(kind, &institution), is_reached, "{label}: {kind} of {number}");
        }
        for kind in ["Patient", "Observation", "Encounter", "Group", "List", ""] {
            assert!(!permit.reaches_context(kind, &institution), "{label}: {kind} of {number}");
        }
        assert!(!permit.reaches(Owner::institution(&institution), &institution) || expected.is_null(), "{label}");
    }
}

fn tables() -> Vec<(String, Value)> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a table is text");
        let table = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        (path.display().to_string(), table)
    };
    files(".tests.json").into_iter().map(read).collect()
}

fn files(ending: &str) -> Vec<PathBuf> {
    // A build folder may be shared by several checkouts: the crate is where cargo runs the test, not where it was compiled.
    let crate_folder =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let entries = std::fs::read_dir(crate_folder.join("../../policies"))
        .expect("the policies stand at the root of the workspace");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn role(table: &Value) -> Role {
    let name = text(&table["role"]);
    Role::ALL.into_iter().find(|role| role.name() == name).unwrap_or_else(|| panic!("no role {name}"))
}

fn actions(case: &Value) -> Vec<Action> {
    let parse = |name: String| Action::from_name(&name).unwrap_or_else(|| panic!("no action {name}"));
    words(&case["actions"]).into_iter().map(parse).collect()
}

fn assurance(case: &Value) -> Assurance {
    match case["assurance"].as_i64() {
        Some(0) => Assurance::None,
        Some(1) => Assurance::One,
        Some(2) => Assurance::Two,
        other => panic!("no assurance {other:?}"),
    }
}

fn purpose(case: &Value) -> Purpose {
    match text(&case["purpose"]) {
        "own-records" => Purpose::OwnRecords,
        "custody" => Purpose::Custody { deposit: id("deposit") },
        "operation" => Purpose::Operation,
        "oversight" => Purpose::Oversight,
        other => {
            let (name, ground) = other.split_once(':').unwrap_or_else(|| panic!("no purpose {other}"));
            Purpose::with_ground(name, id(ground)).unwrap_or_else(|| panic!("no purpose {name}"))
        }
    }
}

fn parse_target(text: &str) -> Target {
    match text.split_once(':') {
        Some(("person", name)) => Target::Person(id(name)),
        Some(("chart", name)) => Target::Patient(id(name)),
        Some(("institution", number)) => Target::Institution(code(number)),
        None if text == "installation" => Target::Installation,
        _ => panic!("no target {text}"),
    }
}

fn parse_scope(scope: &Value) -> Scope {
    let names = words(scope);
    match names.first().map(String::as_str) {
        Some("sealed") => Scope::Sealed,
        Some("whole") => Scope::Whole,
        Some("status") => Scope::Status,
        Some("accesses") => Scope::Accesses,
        Some(first) if first.starts_with("institution:") => Scope::Institution(code(&first["institution:".len()..])),
        _ => Scope::Patients(names.iter().map(|name| id(name)).collect::<BTreeSet<Id16>>()),
    }
}

fn facts(account: &Value) -> Facts {
    assert!(account.is_object(), "the case names an account that the table does not have");
    let patients = |charts: &Value| -> Vec<OwnPatient> {
        let own = |(name, number): (String, Value)| OwnPatient { patient: id(&name), institution: code(text(&number)) };
        charts.as_object().cloned().unwrap_or_default().into_iter().map(own).collect()
    };
    let holds = |name: &str| Role::from_name(name).unwrap_or_else(|| panic!("no role {name}"));
    let ground = |ground: &Value| Ground {
        id: id(text(&ground["id"])),
        kind: GroundKind::from_name(text(&ground["kind"])).expect("a kind of ground"),
        subject: id(text(&ground["subject"])),
        patients: patients(&ground["charts"]),
        share: Share::from_text(ground["share"].as_str().unwrap_or("whole")).expect("a share"),
    };
    Facts {
        epoch: 7,
        person: account["person"].as_str().map(id),
        patients: patients(&account["charts"]),
        holds: account["holds"].as_array().into_iter().flatten().map(|name| holds(text(name))).collect(),
        ground: account["ground"].is_object().then(|| ground(&account["ground"])),
        deposits_for: account["deposits_for"].as_str().map(code),
        operator: account["operator"].as_bool().unwrap_or(false),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn words(value: &Value) -> Vec<String> {
    list(value).iter().map(|word| text(word).to_owned()).collect()
}
