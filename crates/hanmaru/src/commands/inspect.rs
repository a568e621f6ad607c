//! `hanmaru inspect`: looks at deposited files for another process of this program, which starts it. Not for people.

use crate::Failure;
use archive::issue::{InspectorCommand, inspector};
use std::process::ExitCode;

/// Its name on the command line.
const NAME: &str = "inspect";

/// Arguments of `hanmaru inspect`: none.
#[derive(clap::Args)]
pub struct Inspect {}

impl Inspect {
    /// Answers questions from its standard input until there are no more.
    pub fn run(self) -> Result<ExitCode, Failure> {
        inspector::run()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How this program starts itself as an inspector. Where it cannot be found, files are not looked at, and not in this process.
pub fn command() -> InspectorCommand {
    // This names the running program itself, also while a newer one is being put in its place.
    InspectorCommand { program: "/proc/self/exe".into(), arguments: vec![NAME.to_owned()] }
}
