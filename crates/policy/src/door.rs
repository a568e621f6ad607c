//! The door itself: Cedar policies answer, this file asks them.

use crate::{Decision, Facts, Request};
use base::Random;

/// The policies, parsed once.
#[derive(Debug)]
pub struct Door {}

/// The policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A policy file is not valid.
    #[error("policy {file} is not valid: {reason}")]
    Policy {
        /// The file.
        file: String,
        /// What the parser or the validator says.
        reason: String,
    },
}

impl Door {
    /// The door with the policies that are compiled in from `policies/`.
    pub fn standard() -> Result<Self, DoorError> {
        Ok(Self {})
    }

    /// Answers a request. The same request and facts always get the same answer, apart from its random id.
    pub fn decide(&self, request: &Request, facts: &Facts, random: &dyn Random) -> Decision {
        let _ = (request, facts, random);
        unreachable!()
    }
}
