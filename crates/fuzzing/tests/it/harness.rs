//! The harness itself: it finds a planted fault and tells how to run it again, the same number is the same input, and what
//! cargo-fuzz builds is what runs here.

use fuzzing::{TARGETS, Target, mutate, short};
use std::collections::BTreeSet;
use std::path::Path;

/// Panics at a byte that no seed has and every second token brings.
const PLANTED: Target = Target {
    name: "planted_fault",
    seeds: || vec![b"a harmless input".to_vec(), b"another one".to_vec()],
    run: |bytes| assert!(!bytes.contains(&b'{'), "a brace was opened"),
    bytes_max: 64,
    inputs: 2_000,
};

#[test]
fn a_planted_fault_is_found_and_can_be_run_again() {
    let found = short::run(&PLANTED).expect_err("a brace comes soon");
    let text = found.to_string();
    assert!(found.number >= 2, "seeds are harmless");
    for part in ["planted_fault", "a brace was opened", short::AGAIN, &format!("input {}", found.number)] {
        assert!(text.contains(part), "{text}");
    }
    let which = format!("planted_fault:{}", found.file.display());
    let again = short::again(&[PLANTED], &which).expect_err("the same input");
    assert!(again.contains("a brace was opened"));
    let mended = Target { run: |_| (), ..PLANTED };
    assert_eq!(short::again(&[mended], &which), Ok(()));
    std::fs::remove_file(&found.file).expect("it was written");
    assert!(short::again(&[PLANTED], &which).expect_err("gone").contains(&found.file.display().to_string()));
    assert_eq!(short::run(&mended), Ok(2_002));
}

#[test]
fn the_same_number_is_the_same_input_and_inputs_differ() {
    let seeds = (PLANTED.seeds)();
    let input = |number| mutate::input(PLANTED.name, number, &seeds, PLANTED.bytes_max);
    let inputs: BTreeSet<Vec<u8>> = (0..1_000).map(input).collect();
    assert!(inputs.len() > 900, "{} of 1000 differ", inputs.len());
    assert!(inputs.iter().all(|bytes| bytes.len() <= PLANTED.bytes_max));
    assert!((0..1_000).all(|number| inputs.contains(&input(number))));
    let other = mutate::input("another_target", 1, &seeds, PLANTED.bytes_max);
    assert_ne!(other, input(1), "each target has inputs of its own");
}

#[test]
fn names_are_told_apart_and_seeds_fit() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.iter().all(|seed| seed.len() <= target.bytes_max) && !seeds.is_empty(), "{}", target.name);
    }
}

#[test]
fn what_cargo_fuzz_builds_is_what_runs_here() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let entries = std::fs::read_dir(fuzz.join("fuzz_targets")).expect("the folder of cargo-fuzz");
    let files: BTreeSet<String> = entries
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("plain names"))
        .map(|name| name.strip_suffix(".rs").expect("targets are files of Rust").to_owned())
        .collect();
    assert_eq!(files, names, "a file for each target");
    for name in &names {
        let text = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).expect("it is there");
        assert!(text.contains(&format!("fuzzing::run(\"{name}\", bytes)")), "{name} runs itself");
    }
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("the manifest of cargo-fuzz");
    let bins: Vec<&str> = manifest.split("[[bin]]").skip(1).collect();
    let named: BTreeSet<String> = bins
        .iter()
        .map(|bin| {
            let name = bin.split('"').nth(1).expect("a name");
            assert!(bin.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is its own file");
            name.to_owned()
        })
        .collect();
    assert_eq!((named, bins.len()), (names, TARGETS.len()), "a [[bin]] for each target");
}
