//! The door itself: puts a request to the rules and makes the permit, or says what was missing.

use crate::decision::Context;
use crate::rules::{DoorError, Need, Question, Rule, Rules};
use crate::{
    Action, Assurance, Decision, Denial, DenialReason, Facts, Ground, OwnPatient, Permit, Request, Role, Scope, Share,
    Target,
};
use base::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The policies, parsed and validated once in a process. A cheap handle.
#[derive(Debug, Clone)]
pub struct Door {
    rules: Arc<Rules>,
    needs: Arc<BTreeMap<(Role, Action), Vec<Need>>>,
}

impl Door {
    /// The door with the policies that are compiled in from `policies/`.
    pub fn standard() -> Result<Self, DoorError> {
        static STANDARD: OnceLock<Door> = OnceLock::new();
        if let Some(door) = STANDARD.get() {
            return Ok(door.clone());
        }
        let rules = Rules::standard()?;
        let needs = rules.needs();
        Ok(STANDARD.get_or_init(|| Self { rules: Arc::new(rules), needs: Arc::new(needs) }).clone())
    }

    /// Answers a request. The same request and facts always get the same answer, apart from its random id.
    pub fn decide(&self, request: &Request, facts: &Facts, random: &dyn Random) -> Decision {
        let question = question(request, facts);
        let yes = self.rules.saying_yes(&question);
        let scope = if yes.is_empty() { None } else { scope(request, facts) };
        let Some(scope) = scope else {
            return Decision::Denial(self.denial(request, facts, random));
        };
        Decision::Permit(Permit {
            id: base::Id16::random(random),
            actor: request.actor.clone(),
            action: request.action,
            purpose: request.purpose.clone(),
            context: self.context(&question, &scope),
            share: share(request, facts),
            scope,
            epoch: facts.epoch,
            explanation: yes.join(","),
        })
    }

    /// Whether any rule lets a role do this for a purpose, whatever the facts are: for pages that lead there. It is no answer to
    /// whoever goes there.
    #[must_use]
    pub fn offers(&self, role: Role, action: Action, purpose: &str) -> bool {
        self.needs.get(&(role, action)).is_some_and(|needs| needs.iter().any(|need| need.purpose == purpose))
    }

    /// Every rule with what it says, for documents and for pages that explain the access log.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.rules.listed()
    }

    /// What the records within a scope may name beside it. The institutions come from the facts, and the rules say which.
    fn context(&self, question: &Question<'_>, scope: &Scope) -> Context {
        let mut context = Context::default();
        let Scope::Patients(patients) = scope else { return context };
        for own in question.reached().iter().filter(|own| patients.contains(&own.patient)) {
            if context.institutions.contains(&own.institution) {
                continue;
            }
            let yes = self.rules.saying_yes_to_context(question, &own.institution);
            if !yes.is_empty() {
                context.institutions.insert(own.institution.clone());
                context.explanation = yes.join(",");
            }
        }
        context
    }

    fn denial(&self, request: &Request, facts: &Facts, random: &dyn Random) -> Denial {
        let (looked_at, missing) = self.missing(request, facts);
        let words: Vec<&str> = missing.iter().map(|reason| reason.name()).collect();
        Denial {
            id: base::Id16::random(random),
            actor: request.actor.clone(),
            action: request.action,
            target: request.target.clone(),
            purpose: request.purpose.clone(),
            reason: missing[0],
            explanation: format!("looked at: {looked_at}; missing: {}", words.join(",")),
        }
    }

    /// The rules nearest to the request, and all that it lacks, never empty. What is about the asker comes before what is
    /// about the target, so that somebody who is not signed in well enough does not learn whose a record is.
    fn missing(&self, request: &Request, facts: &Facts) -> (String, Vec<DenialReason>) {
        let role = request.actor.role;
        let Some(needs) = self.needs.get(&(role, request.action)) else {
            return ("none".to_owned(), vec![DenialReason::Role]);
        };
        let fitting = needs.iter().find(|need| need.purpose == request.purpose.name());
        let nearest = fitting.unwrap_or(&needs[0]);
        let mut missing = Vec::new();
        if request.actor.assurance < nearest.assurance {
            missing.push(DenialReason::Assurance);
        }
        let holds_role = match role {
            Role::Patient | Role::Representative | Role::Job => true,
            Role::Depositor => facts.deposits_for.is_some(),
            Role::Operator => facts.operator,
            appointed => facts.holds.contains(&appointed),
        };
        if !holds_role {
            missing.push(DenialReason::Role);
        }
        if fitting.is_none() {
            missing.push(DenialReason::Purpose);
        }
        let otherwise_right =
            Question { assurance: Assurance::Two, purpose: nearest.purpose, ..question(request, facts) };
        if missing.is_empty() || (holds_role && self.rules.saying_yes(&otherwise_right).is_empty()) {
            missing.push(match role {
                Role::Depositor => DenialReason::OtherInstitution,
                _ if nearest.on_ground => DenialReason::Ground,
                _ => DenialReason::NotYours,
            });
        }
        (nearest.rule.clone(), missing)
    }
}

fn question<'a>(request: &'a Request, facts: &'a Facts) -> Question<'a> {
    let actor = &request.actor;
    Question {
        role: actor.role,
        account: actor.account,
        assurance: actor.assurance,
        action: request.action,
        target: &request.target,
        purpose: request.purpose.name(),
        ground: ground(request, facts),
        facts,
    }
}

/// The ground that the request points to, where the facts have it.
fn ground<'a>(request: &Request, facts: &'a Facts) -> Option<&'a Ground> {
    facts.ground.as_ref().filter(|ground| Some(ground.id) == request.purpose.ground())
}

/// How much may be seen: all of what is one's own, and of others what the ground says.
fn share(request: &Request, facts: &Facts) -> Share {
    match (reads_on_ground(request), ground(request, facts)) {
        (false, _) => Share::Whole,
        (true, Some(ground)) => ground.share.clone(),
        (true, None) => Share::none(),
    }
}

fn reads_on_ground(request: &Request) -> bool {
    let reads =
        [Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue].contains(&request.action);
    reads && request.actor.role != Role::Patient
}

/// How far a yes reaches: computed from the facts alone, so that no policy can widen it beyond the asker's own.
/// `None` where role, action and target have no scope together, which makes the answer no.
fn scope(request: &Request, facts: &Facts) -> Option<Scope> {
    match (request.actor.role, request.action, &request.target) {
        (Role::Patient, Action::ManageConsent | Action::Appoint, Target::Person(_)) => {
            Some(Scope::Patients(facts.person.into_iter().collect()))
        }
        (Role::Patient, action, Target::Person(_) | Target::Patient(_)) => {
            let person = facts.person.filter(|_| action == Action::ReadAccessLog);
            Some(Scope::Patients(asked(&request.target, &facts.patients).chain(person).collect()))
        }
        (_, _, Target::Person(_) | Target::Patient(_)) if reads_on_ground(request) => {
            let ground = ground(request, facts)?;
            Some(Scope::Patients(asked(&request.target, &ground.patients).collect()))
        }
        // What is written down about somebody. None of these opens a record.
        (
            _,
            Action::AskGround
            | Action::BreakGlass
            | Action::RecordProof
            | Action::HandleErasures
            | Action::DecideRecovery,
            Target::Person(subject) | Target::Patient(subject),
        ) => Some(Scope::Patients([*subject].into())),
        (Role::Depositor, Action::Deposit | Action::ReadReceipt | Action::LinkPerson, Target::Institution(_)) => {
            facts.deposits_for.clone().map(Scope::Institution)
        }
        (
            _,
            Action::ReadStatus
            | Action::ResetClock
            | Action::ConfirmGround
            | Action::ReviewGlass
            | Action::Oversee
            | Action::ManageRights
            | Action::DecideRecovery
            | Action::HandleErasures
            | Action::AnswerQuestion,
            Target::Installation,
        ) => Some(Scope::Status),
        (Role::Job, Action::Seal | Action::Repair, Target::Installation) => Some(Scope::Sealed),
        (Role::Job, Action::Rebuild, Target::Installation) => Some(Scope::Whole),
        (Role::Job, Action::WatchAccesses, Target::Installation)
        | (Role::SecurityOfficer, Action::HandleCases | Action::MarkRecords, Target::Installation)
        | (Role::SecurityOfficer | Role::Auditor, Action::SeeCases, Target::Installation) => Some(Scope::Accesses),
        _ => None,
    }
}

/// Those of some patients that a target is about.
fn asked<'a>(target: &'a Target, patients: &'a [OwnPatient]) -> impl Iterator<Item = base::Id16> + 'a {
    let is_asked = |id: &base::Id16| matches!(target, Target::Person(_)) || *target == Target::Patient(*id);
    patients.iter().map(|own| own.patient).filter(is_asked)
}
