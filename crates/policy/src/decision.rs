//! The two answers of the door. Both carry an explanation, and both are recorded.

use crate::ask::{Action, Actor, InstitutionCode, Owner, Purpose, Target};
use crate::share::Share;
use base::Id16;
use std::collections::BTreeSet;

/// The answer to a request.
#[derive(Debug)]
pub enum Decision {
    /// Yes, within the permit's scope.
    Permit(Permit),
    /// No.
    Denial(Denial),
}

/// What a permit reaches: a predicate that the store pushes into each query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These patients' data and nothing else.
    Patients(BTreeSet<Id16>),
    /// What one institution deposited.
    Institution(InstitutionCode),
    /// Sealed bytes and ledger, for jobs that never open a body.
    Sealed,
    /// Everything an installation has, for the one job that makes its tables again where there are none.
    Whole,
    /// Counts and states, no records.
    Status,
    /// Who looked at whose records, and no record.
    Accesses,
}

/// Types of R4 resources that name things and people around a record and are about no patient: who treated, where, with what.
/// They belong to the institution, and the records of its patients refer to them. A type that can hold a patient's data must
/// not stand here; a Device is here as far as it belongs to no patient.
pub const CONTEXT_TYPES: [&str; 8] = [
    "Device",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Substance",
];

/// The institutions whose own things of [`CONTEXT_TYPES`] a permit reaches beside its scope, and the rules that said so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Context {
    pub(crate) institutions: BTreeSet<InstitutionCode>,
    pub(crate) explanation: String,
}

/// Leave to do one thing within a scope. Made by [`crate::Door::decide`] and by nothing else.
///
/// This is how to come by one:
///
/// ```
/// use base::{Id16, SystemRandom};
/// use policy::{Action, Actor, Assurance, Decision, Door, Facts, Permit, Purpose, Request, Role, Target};
///
/// let actor = Actor {
///     account: Id16::default(),
///     role: Role::Job,
///     assurance: Assurance::None,
///     name: "sequencer".to_owned().into(),
///     source: "local".to_owned().into(),
/// };
/// let request = Request { actor, action: Action::Seal, target: Target::Installation, purpose: Purpose::Operation };
/// let door = Door::standard().expect("the compiled-in policies are valid");
/// let Decision::Permit(permit) = door.decide(&request, &Facts::default(), &SystemRandom) else { panic!("a job may seal") };
/// let kept: Permit = permit;
/// assert_eq!(kept.explanation(), "job-seal");
/// ```
///
/// It cannot be built outside this crate (E0451: the fields are private),
///
/// ```compile_fail,E0451
/// fn forge(permit: policy::Permit) -> policy::Permit {
///     policy::Permit { id: base::Id16::default(), ..permit }
/// }
/// ```
///
/// nor widened (E0616),
///
/// ```compile_fail,E0616
/// fn widen(mut permit: policy::Permit) {
///     permit.scope = policy::Scope::Sealed;
/// }
/// ```
///
/// nor copied (E0599: it is not `Clone`).
///
/// ```compile_fail,E0599
/// fn copy(permit: policy::Permit) -> policy::Permit {
///     permit.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(crate) id: Id16,
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) purpose: Purpose,
    pub(crate) scope: Scope,
    pub(crate) share: Share,
    pub(crate) context: Context,
    pub(crate) epoch: u64,
    pub(crate) explanation: String,
}

impl Permit {
    /// The id under which the access log names this permit.
    #[must_use]
    pub const fn id(&self) -> Id16 {
        self.id
    }

    /// Who may.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What they may.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Why.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// How far it reaches.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How much of what it reaches may be seen. Whoever gives resources out asks [`Share::includes`] of each.
    #[must_use]
    pub const fn share(&self) -> &Share {
        &self.share
    }

    /// The policy epoch it was made in; the store refuses it in a later one.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Which rules said yes, for the log and the data subject: names of policies, comma-separated.
    #[must_use]
    pub fn explanation(&self) -> &str {
        &self.explanation
    }

    /// Whether the permit is for this action on data of this owner in this institution.
    #[must_use]
    pub fn covers(&self, action: Action, owner: Owner, institution: &InstitutionCode) -> bool {
        self.action == action && self.reaches(owner, institution)
    }

    /// Whether the scope reaches data of this owner in this institution.
    #[must_use]
    pub fn reaches(&self, owner: Owner, institution: &InstitutionCode) -> bool {
        match &self.scope {
            Scope::Patients(patients) => matches!(owner, Owner::Patient(id) if patients.contains(&id)),
            Scope::Institution(code) => code == institution,
            Scope::Sealed | Scope::Whole | Scope::Status | Scope::Accesses => false,
        }
    }

    /// Whether the permit reaches what this institution has of a type and of no patient, because records within the scope
    /// name it: see [`CONTEXT_TYPES`].
    #[must_use]
    pub fn reaches_context(&self, resource_type: &str, institution: &InstitutionCode) -> bool {
        CONTEXT_TYPES.contains(&resource_type) && self.reaches_context_of(institution)
    }

    /// Whether the permit reaches anything that this institution has besides its patients. For the vault, which does not
    /// know what a frame is before it is open; whoever opens one asks [`Permit::reaches_context`] with its type.
    #[must_use]
    pub fn reaches_context_of(&self, institution: &InstitutionCode) -> bool {
        self.context.institutions.contains(institution)
    }

    /// Which rules said yes to [`Permit::reaches_context`], as in [`Permit::explanation`]; empty where it reaches none.
    #[must_use]
    pub fn context_explanation(&self) -> &str {
        &self.context.explanation
    }
}

/// Why the door stayed shut. Each has a sentence in the portal's languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// Nobody signed in, or with fewer factors than this needs.
    Assurance,
    /// The record is not this person's.
    NotYours,
    /// The institution is not the one this account deposits for.
    OtherInstitution,
    /// The role never does this.
    Role,
    /// The purpose does not fit the action.
    Purpose,
    /// Nothing that is open gives a reason to look: no request, visit, consent, order, appointment or broken glass.
    Ground,
}

impl DenialReason {
    /// The reason's name in the access log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assurance => "assurance",
            Self::NotYours => "not-yours",
            Self::OtherInstitution => "other-institution",
            Self::Role => "role",
            Self::Purpose => "purpose",
            Self::Ground => "ground",
        }
    }
}

/// A refusal. It is recorded like a permit, and the data subject sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The id under which the access log names it.
    pub id: Id16,
    /// Who asked.
    pub actor: Actor,
    /// For what.
    pub action: Action,
    /// About whom.
    pub target: Target,
    /// Why they said they asked.
    pub purpose: Purpose,
    /// Why not.
    pub reason: DenialReason,
    /// Which rules were looked at, and what was missing.
    pub explanation: String,
}
