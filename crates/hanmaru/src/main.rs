//! The program `hanmaru`: configuration, wiring and commands. What the commands do stands in the crates below.

mod alerts;
mod commands;
mod condition;
mod config;
mod hall;
mod site_config;
mod stamping;
mod watching;
mod web;
mod witnesses;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Hanmaru: a commons for health records.
#[derive(Parser)]
#[command(name = "hanmaru", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the folders and the root key that a configuration names; never replaces anything.
    Init(commands::init::Init),
    /// Serves the portal.
    Serve(commands::serve::Serve),
    /// Takes in the records of an institution.
    Deposit(commands::deposit::Deposit),
    /// Checks an issued PDF or a receipt offline, against pinned keys.
    Verify(commands::verify::Verify),
    /// Writes the proof file of a leaf or an issued document, with its time-stamp.
    Prove(commands::prove::Prove),
    /// Checks a log from outside, at an address or in a folder, against pinned keys and what was seen before.
    AuditLog(commands::audit_log::AuditLog),
    /// Runs an independent witness of logs.
    Witness(commands::witness::WitnessCommand),
    /// Prints the public keys of this installation's logs, to be pinned by whoever verifies; or works on the secret keys.
    Keys(commands::keys::Keys),
    /// Erases by destroying keys: asked for, approved by two others, done, certified.
    Shred(commands::shred::Shred),
    /// Lets time go on after this machine's clock ran ahead and was set right.
    Clock(commands::clock::Clock),
    /// Takes in a directory of institutions and the state of their records.
    Institutions(commands::institutions::Institutions),
    /// Marks people and institutions for the watch over accesses, or says how alerts get on.
    Watch(commands::watch::Watch),
    /// Prints the review of a month's accesses: counts, findings, cases.
    Review(commands::review::Review),
    /// Tells how the installation is doing, and mends sites when asked to.
    Status(commands::status::Status),
    /// Invites members of staff, lists them, and ends their accounts at once.
    Staff(commands::staff::Staff),
    /// Reads everything at the sites back, and repairs it.
    Scrub(commands::scrub::Scrub),
    /// Makes the database again from one site, the key stores and the root key.
    Rebuild(commands::rebuild::Rebuild),
    /// Prints a digest of every lasting table, to compare two installations.
    Fingerprint(commands::rebuild::FingerprintOf),
    /// Makes synthetic hospitals, people and records.
    Generate(commands::generate::Generate),
    /// Runs the stand-in identity agency, for demonstrations and tests only.
    Agency(commands::agency::Agency),
    /// Runs a demonstration with synthetic hospitals on this machine.
    Demo(commands::demo::Demo),
    /// Measures, and prints each figure beside its goal.
    Bench(commands::bench::Bench),
    /// Looks at deposited files for another process of this program.
    #[command(hide = true)]
    Inspect(commands::inspect::Inspect),
}

/// What a command ends with when it does not end well: a sentence for a person.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Init(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Deposit(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Prove(command) => command.run(),
        Command::AuditLog(command) => command.run(),
        Command::Witness(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Shred(command) => command.run(),
        Command::Clock(command) => command.run(),
        Command::Institutions(command) => command.run(),
        Command::Watch(command) => command.run(),
        Command::Review(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Staff(command) => command.run(),
        Command::Scrub(command) => command.run(),
        Command::Rebuild(command) => command.run(),
        Command::Fingerprint(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Agency(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Inspect(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hanmaru: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it, where the cause says something new.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
