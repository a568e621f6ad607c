//! The short run of every fuzz target, and proofs that it would find something.

mod harness;

use fuzzing::{TARGETS, short};

/// Runs the targets of a subject.
fn run(subject: &str) {
    let mut targets = TARGETS.iter().filter(|target| subject_of(target.name) == subject).peekable();
    assert!(targets.peek().is_some(), "{subject} has targets");
    for target in targets {
        let begun = std::time::Instant::now();
        let count = short::run(target).unwrap_or_else(|found| panic!("{found}"));
        println!("{}: {count} inputs in {:.1} s", target.name, begun.elapsed().as_secs_f32());
    }
}

fn subject_of(name: &str) -> &str {
    name.split_once('_').map_or("fhir", |(subject, _)| subject)
}

macro_rules! subjects {
    ($($subject:ident)*) => {
        const SUBJECTS: &[&str] = &[$(stringify!($subject)),*];
        $(
            #[test]
            fn $subject() {
                run(stringify!($subject));
            }
        )*
    };
}

subjects!(base fhir ledger policy watch vault store identity archive portal);

#[test]
fn every_target_is_run() {
    let left: Vec<_> =
        TARGETS.iter().map(|target| target.name).filter(|name| !SUBJECTS.contains(&subject_of(name))).collect();
    assert_eq!(left, Vec::<&str>::new());
}

/// Runs one input that an earlier run has kept; without one there is nothing to do.
#[test]
fn again() {
    if let Ok(which) = std::env::var(short::AGAIN) {
        short::again(TARGETS, &which).unwrap_or_else(|fault| panic!("{fault}"));
    }
}
