//! The door: who may do what with whose records, why, and the explanation of every answer.
//!
//! [`Door::decide`] is a pure function of a [`Request`] and the [`Facts`] about who asks. Only it makes a [`Permit`];
//! `store` and `vault` take nothing without one. It does no I/O, keeps no state and sees no clinical data.

mod ask;
mod decision;
mod door;
mod editions;
mod ground;
mod rules;
mod share;
mod terms;

pub use ask::{Action, Actor, Assurance, Facts, InstitutionCode, OwnPatient, Owner, Purpose, Request, Role, Target};
pub use decision::{CONTEXT_TYPES, Decision, Denial, DenialReason, Permit, Scope};
pub use door::Door;
pub use editions::{EditionFault, Editions};
pub use ground::{Ground, GroundKind};
pub use rules::{DoorError, Rule};
pub use share::{Coded, DataKind, RecordKinds, Sensitive, Share};
pub use terms::{GroundTerms, ProofCase, ProofFault, ProofRules, Substitute, Term};
