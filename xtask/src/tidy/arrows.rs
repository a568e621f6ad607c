//! Which crate may know which: the list below against `cargo metadata`. A crate that is not listed is a fault too.

use super::Fault;
use serde_json::Value;
use std::path::Path;

/// Every crate with the crates it may know, lowest first. ADR 0001 tells why the store sits on the vault.
const ARROWS: [(&str, &[&str]); 15] = [
    ("base", &[]),
    ("fhir", &["base"]),
    ("ledger", &["base"]),
    ("policy", &["base"]),
    ("vault", &["base", "fhir", "ledger", "policy"]),
    ("store", &["base", "fhir", "ledger", "policy", "vault"]),
    ("identity", &["base", "fhir", "ledger", "policy", "vault", "store"]),
    ("archive", &["base", "fhir", "ledger", "policy", "vault", "store", "identity"]),
    ("watch", &["base", "policy", "store", "identity"]),
    ("portal", &["base", "fhir", "ledger", "policy", "vault", "store", "identity", "archive", "watch"]),
    ("synth", &["base"]),
    (
        "hanmaru",
        &["base", "fhir", "ledger", "policy", "vault", "store", "identity", "archive", "watch", "portal", "synth"],
    ),
    ("testkit", &["base", "fhir", "ledger", "policy", "vault", "store", "identity", "archive", "portal", "synth"]),
    (
        "fuzzing",
        &[
            "base", "fhir", "ledger", "policy", "vault", "store", "identity", "archive", "watch", "portal", "synth",
            "testkit",
        ],
    ),
    ("xtask", &[]),
];

/// What tests may know besides: made-up data, an app in a box, inputs that are changed, and FHIR to judge with.
const FOR_TESTS: [&str; 4] = ["synth", "testkit", "fuzzing", "fhir"];

/// `xtask` builds in seconds, so it takes nothing else from outside.
const FOR_XTASK: &str = "serde_json";

/// Checks the crates of this workspace.
pub fn check(metadata: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in packages {
        check_package(package, &mut faults);
    }
    for (name, _) in ARROWS {
        if !packages.iter().any(|package| package["name"] == name) {
            faults.push(Fault::new(
                "Cargo.toml",
                1,
                format!("crate {name} is listed in xtask/src/tidy/arrows.rs and is not there"),
            ));
        }
    }
    faults
}

fn check_package(package: &Value, faults: &mut Vec<Fault>) {
    let name = package["name"].as_str().unwrap_or_default();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let shown = if name == "xtask" { "xtask/Cargo.toml".to_owned() } else { format!("crates/{name}/Cargo.toml") };
    if !manifest.ends_with(&shown) {
        faults.push(Fault::new(&shown, 1, format!("crate {name} does not stand in a folder of its name")));
    }
    let Some((_, may_know)) = ARROWS.iter().find(|(each, _)| *each == name) else {
        faults.push(Fault::new(&shown, 1, format!("crate {name} is not in the list of xtask/src/tidy/arrows.rs")));
        return;
    };
    for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let to = dependency["name"].as_str().unwrap_or_default();
        let ours = dependency["path"].is_string();
        let for_tests = dependency["kind"] == "dev";
        let permitted = if ours {
            may_know.contains(&to) || (for_tests && FOR_TESTS.contains(&to))
        } else {
            name != "xtask" || to == FOR_XTASK
        };
        if !permitted {
            faults.push(Fault::new(&shown, 1, format!("{name} may not depend on {to}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(package: Value) -> Vec<String> {
        let mut faults = Vec::new();
        check_package(&package, &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_go_one_way() {
        let package = |to: &str, kind: Value| {
            let manifest = "x/crates/fhir/Cargo.toml";
            json!({"name": "fhir", "manifest_path": manifest, "dependencies": [{"name": to, "kind": kind, "path": "x"}]})
        };
        assert_eq!(faults(package("base", Value::Null)), Vec::<String>::new());
        assert_eq!(faults(package("testkit", json!("dev"))), Vec::<String>::new());
        assert_eq!(faults(package("store", Value::Null)), ["crates/fhir/Cargo.toml:1: fhir may not depend on store"]);
        assert_eq!(
            faults(package("testkit", Value::Null)),
            ["crates/fhir/Cargo.toml:1: fhir may not depend on testkit"]
        );
    }

    #[test]
    fn unknown_crates_and_wrong_folders_are_found() {
        let stranger = faults(json!({"name": "misc", "manifest_path": "x/crates/misc/Cargo.toml", "dependencies": []}));
        assert!(stranger[0].contains("not in the list"));
        let moved = faults(json!({"name": "fhir", "manifest_path": "x/crates/r4/Cargo.toml", "dependencies": []}));
        assert!(moved[0].contains("folder of its name"));
        let heavy = json!({"name": "xtask", "manifest_path": "x/xtask/Cargo.toml", "dependencies": [{"name": "clap", "kind": null}]});
        assert_eq!(faults(heavy), ["xtask/Cargo.toml:1: xtask may not depend on clap"]);
    }
}
