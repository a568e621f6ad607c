//! `cargo xtask`: what is done with this tree besides `cargo build`. Small on purpose: the standard library and `serde_json`.

mod codegen;
mod commands;
mod packages;
mod shell;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo [--data DIR]   build, make or reuse demo data, start the portal and say who can sign in
cargo xtask test [--long]       install what tests need, check the formatting, build, run every test
cargo xtask bench [NAME]        list the benches, or run one and print its bars
cargo xtask tidy                check what the compiler does not: arrows, sizes, places, links, texts
cargo xtask lint                clippy on everything, warnings refused (compiles dependencies a second time)
cargo xtask codegen [--check]   make the FHIR tables again from the R4 definitions
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let result = match arguments.first().map(String::as_str) {
        None | Some("help" | "-h" | "--help") => {
            print!("{HELP}");
            Ok(())
        }
        Some("demo") => commands::demo(rest),
        Some("test") => commands::test(rest),
        Some("bench") => commands::bench(rest),
        Some("lint") => commands::lint(),
        Some("tidy") => tidy::run(),
        Some("codegen") => codegen::run(),
        Some(other) => Err(format!("no command {other}\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::FAILURE
        }
    }
}
