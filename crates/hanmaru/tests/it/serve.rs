//! What `hanmaru serve` refuses to serve, and what it says about it.

use crate::program::{Program, hanmaru};
use std::process::Command;

fn serve(program: &Program) -> crate::program::Said {
    hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).arg("serve").arg("--config").arg(program.config()))
}

fn replace(program: &Program, pairs: &[(&str, &str)]) {
    let text = std::fs::read_to_string(program.config()).expect("a configuration");
    let text = pairs.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} stands in the configuration");
        text.replace(from, to)
    });
    std::fs::write(program.config(), text).expect("written");
}

#[test]
fn a_demonstration_is_not_served() {
    let program = Program::new(&[]);
    let said = serve(&program);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("this is a demonstration's configuration"), "{said:?}");
}

#[test]
fn plain_http_stand_ins_and_known_secrets_are_refused_all_at_once() {
    let program = Program::new(&[]);
    replace(&program, &[("demo = true\n", "")]);
    std::fs::write(program.path("client-secret"), "demo-client-secret").expect("written");
    let said = serve(&program);
    assert_eq!(said.code, Some(1), "{said:?}");
    for fault in ["public_url must start with https://", "issuer must start with https://", "one that everybody knows"]
    {
        assert!(said.err.contains(fault), "{fault}: {said:?}");
    }
}
