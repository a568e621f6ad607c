//! The Cedar policies behind one question: which rules of a role say yes. Knows policies, and nothing of permits.

use crate::ask::{Action, Assurance, Facts, InstitutionCode, OwnPatient, Purpose, Role, Target};
use crate::ground::{Ground, GroundKind};
use crate::share::Share;
use base::Id16;
use cedar_policy::{
    ActionConstraint, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::str::FromStr;

const SCHEMA: (&str, &str) = ("door.cedarschema", include_str!("../../../policies/door.cedarschema"));

/// One file a role, so that a decision looks at the rules of the role asked in and at no others.
const FILES: [(Role, &str, &str); 13] = [
    (Role::Patient, "patient.cedar", include_str!("../../../policies/patient.cedar")),
    (Role::Representative, "representative.cedar", include_str!("../../../policies/representative.cedar")),
    (Role::Support, "support.cedar", include_str!("../../../policies/support.cedar")),
    (Role::Depositor, "depositor.cedar", include_str!("../../../policies/depositor.cedar")),
    (Role::Clinician, "clinician.cedar", include_str!("../../../policies/clinician.cedar")),
    (Role::Pharmacist, "pharmacist.cedar", include_str!("../../../policies/pharmacist.cedar")),
    (Role::Researcher, "researcher.cedar", include_str!("../../../policies/researcher.cedar")),
    (Role::Steward, "steward.cedar", include_str!("../../../policies/steward.cedar")),
    (Role::SecurityOfficer, "security-officer.cedar", include_str!("../../../policies/security-officer.cedar")),
    (Role::Auditor, "auditor.cedar", include_str!("../../../policies/auditor.cedar")),
    (Role::Administrator, "administrator.cedar", include_str!("../../../policies/administrator.cedar")),
    (Role::Operator, "operator.cedar", include_str!("../../../policies/operator.cedar")),
    (Role::Job, "job.cedar", include_str!("../../../policies/job.cedar")),
];

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

/// One policy, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as it stands in explanations of permits.
    pub id: String,
    /// The role it is for.
    pub role: Role,
    /// What it says, in an English sentence.
    pub explanation: String,
}

/// What is put to the policies: a request without its names and sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) role: Role,
    pub(crate) account: Id16,
    pub(crate) assurance: Assurance,
    pub(crate) action: Action,
    pub(crate) target: &'a Target,
    pub(crate) purpose: &'static str,
    /// The ground that is pointed to, where it is a fact.
    pub(crate) ground: Option<&'a Ground>,
    pub(crate) facts: &'a Facts,
}

impl<'a> Question<'a> {
    /// The patients whose data the asker may come to: their own, or those of the ground.
    pub(crate) fn reached(&self) -> &'a [OwnPatient] {
        match (self.role, self.ground) {
            (Role::Patient, _) => &self.facts.patients,
            (_, Some(ground)) => &ground.patients,
            (_, None) => &[],
        }
    }
}

/// The policies of all roles, validated.
#[derive(Debug)]
pub(crate) struct Rules {
    authorizer: Authorizer,
    types: Types,
    by_role: BTreeMap<Role, PolicySet>,
    /// Names of the actions that a role's policies are about.
    named: BTreeMap<Role, BTreeSet<String>>,
    listed: Vec<Rule>,
}

impl Rules {
    /// The policies that are compiled in.
    pub(crate) fn standard() -> Result<Self, DoorError> {
        let schema = parse_schema(SCHEMA.1)?;
        let (mut by_role, mut named, mut listed) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (role, file, text) in FILES {
            let (policies, rules) = parse_policies(&schema, role, file, text)?;
            named.insert(role, policies.policies().flat_map(actions_of).collect());
            by_role.insert(role, policies);
            listed.extend(rules);
        }
        Ok(Self { authorizer: Authorizer::new(), types: Types::new(), by_role, named, listed })
    }

    /// Every rule.
    pub(crate) fn listed(&self) -> &[Rule] {
        &self.listed
    }

    /// The ids of the rules that say yes, in order of name; empty when the answer is no.
    /// A rule that cannot be evaluated makes the whole answer no.
    pub(crate) fn saying_yes(&self, question: &Question<'_>) -> Vec<String> {
        self.answer(question, self.in_cedar(question, None))
    }

    /// The same for what an institution has of no patient, along with what the question asks: see
    /// [`crate::Permit::reaches_context`].
    pub(crate) fn saying_yes_to_context(&self, question: &Question<'_>, institution: &InstitutionCode) -> Vec<String> {
        self.answer(question, self.context_in_cedar(question, institution, None))
    }

    fn answer(&self, question: &Question<'_>, (request, entities): (Request, Entities)) -> Vec<String> {
        let response = self.authorizer.is_authorized(&request, &self.by_role[&question.role], &entities);
        let failed = response.diagnostics().errors().next().is_some();
        if failed || response.decision() != cedar_policy::Decision::Allow {
            return Vec::new();
        }
        let mut ids: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        ids.sort_unstable();
        ids
    }

    /// The question as Cedar takes it: who asks and what is asked about are the only entities, built once.
    fn in_cedar(&self, question: &Question<'_>, schema: Option<&Schema>) -> (Request, Entities) {
        let facts = question.facts;
        let mut parents = HashSet::new();
        let resource = match question.target {
            Target::Person(id) => uid(&self.types.person, text(*id)),
            Target::Patient(id) => {
                if facts.patients.iter().any(|own| own.patient == *id) {
                    parents.extend(facts.person.map(|id| uid(&self.types.person, text(id))));
                }
                let of_ground = question.ground.filter(|ground| ground.patients.iter().any(|own| own.patient == *id));
                parents.extend(of_ground.map(|ground| uid(&self.types.person, text(ground.subject))));
                uid(&self.types.chart, text(*id))
            }
            Target::Institution(code) => self.institution(code),
            Target::Installation => uid(&self.types.installation, EntityId::new("here")),
        };
        let asked = Asked {
            action: question.action.name(),
            resource: Entity::new_no_attrs(resource, parents),
            circumstances: self.circumstances(question),
        };
        self.put(question, HashMap::new(), asked, schema)
    }

    /// The question whether an institution's own things may be read along with what is asked.
    fn context_in_cedar(
        &self,
        question: &Question<'_>,
        institution: &InstitutionCode,
        schema: Option<&Schema>,
    ) -> (Request, Entities) {
        let mut known = HashMap::new();
        if question.role == Role::Patient {
            known.insert("patient_of".to_owned(), self.institutions(question.reached()));
        }
        let mut circumstances = self.circumstances(question);
        circumstances.push(("along_with", RestrictedExpression::new_string(question.action.name().to_owned())));
        let resource = Entity::new_no_attrs(self.institution(institution), HashSet::new());
        self.put(question, known, Asked { action: READ_CONTEXT, resource, circumstances }, schema)
    }

    /// Puts together who asks, with what is known of them besides, and what is asked.
    fn put(
        &self,
        question: &Question<'_>,
        mut attributes: HashMap<String, RestrictedExpression>,
        asked: Asked,
        schema: Option<&Schema>,
    ) -> (Request, Entities) {
        let facts = question.facts;
        if question.role != Role::Job {
            let level = RestrictedExpression::new_long(question.assurance.level());
            attributes.insert("assurance".to_owned(), level);
        }
        match question.role {
            Role::Patient => {
                let person = facts.person.map(|id| uid(&self.types.person, text(id)));
                attributes.extend(person.map(|uid| ("person".to_owned(), RestrictedExpression::new_entity_uid(uid))));
            }
            Role::Depositor => {
                attributes.extend(facts.deposits_for.as_ref().map(|code| {
                    ("deposits_for".to_owned(), RestrictedExpression::new_entity_uid(self.institution(code)))
                }))
            }
            Role::Operator => {
                attributes.insert("appointed".to_owned(), RestrictedExpression::new_bool(facts.operator));
            }
            Role::Representative | Role::Job => {}
            appointed => {
                let holds = RestrictedExpression::new_bool(facts.holds.contains(&appointed));
                attributes.insert("appointed".to_owned(), holds);
            }
        }
        let principal = uid(&self.types.roles[&question.role], text(question.account));
        let action = uid(&self.types.action, EntityId::new(asked.action));
        let circumstances = asked.circumstances.into_iter().map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(circumstances).expect("literals under different keys");
        let asker = Entity::new(principal.clone(), attributes, HashSet::new()).expect("attributes are literals");
        let resource = asked.resource.uid();
        let ground = question.ground.map(|ground| self.ground_entity(ground));
        let entities = Entities::from_entities([asker, asked.resource].into_iter().chain(ground), schema);
        let request = Request::new(principal, action, resource, context, schema);
        (
            request.expect("without a schema every request is taken, and tests hold ours to the schema"),
            entities.expect("entities of different types, and tests hold them to the schema"),
        )
    }

    fn circumstances(&self, question: &Question<'_>) -> Vec<(&'static str, RestrictedExpression)> {
        let purpose = ("purpose", RestrictedExpression::new_string(question.purpose.to_owned()));
        let ground = question
            .ground
            .map(|ground| ("ground", RestrictedExpression::new_entity_uid(uid(&self.types.ground, text(ground.id)))));
        std::iter::once(purpose).chain(ground).collect()
    }

    fn ground_entity(&self, ground: &Ground) -> Entity {
        let subject = RestrictedExpression::new_entity_uid(uid(&self.types.person, text(ground.subject)));
        let attributes = HashMap::from([
            ("kind".to_owned(), RestrictedExpression::new_string(ground.kind.name().to_owned())),
            ("subject".to_owned(), subject),
            ("institutions".to_owned(), self.institutions(&ground.patients)),
        ]);
        Entity::new(uid(&self.types.ground, text(ground.id)), attributes, HashSet::new())
            .expect("attributes are literals")
    }

    fn institutions(&self, patients: &[OwnPatient]) -> RestrictedExpression {
        let codes = patients.iter().map(|own| self.institution(&own.institution));
        RestrictedExpression::new_set(codes.map(RestrictedExpression::new_entity_uid))
    }

    fn institution(&self, code: &InstitutionCode) -> EntityUid {
        uid(&self.types.institution, EntityId::new(code.as_str()))
    }
}

/// The action in the policies that stands for reading an institution's own things. Nobody asks for it by itself.
const READ_CONTEXT: &str = "read-context";

/// What is asked, in Cedar's words.
struct Asked {
    action: &'static str,
    resource: Entity,
    circumstances: Vec<(&'static str, RestrictedExpression)>,
}

fn text(id: Id16) -> EntityId {
    EntityId::new(id.to_string())
}

fn uid(kind: &EntityTypeName, id: EntityId) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), id)
}

/// Names of Cedar types, parsed once.
#[derive(Debug)]
struct Types {
    roles: BTreeMap<Role, EntityTypeName>,
    action: EntityTypeName,
    person: EntityTypeName,
    chart: EntityTypeName,
    institution: EntityTypeName,
    installation: EntityTypeName,
    ground: EntityTypeName,
}

impl Types {
    fn new() -> Self {
        let name = |text: &str| EntityTypeName::from_str(text).expect("the names below are Cedar identifiers");
        let role = |role| match role {
            Role::Patient => "Patient",
            Role::Representative => "Representative",
            Role::Support => "Support",
            Role::Depositor => "Depositor",
            Role::Clinician => "Clinician",
            Role::Pharmacist => "Pharmacist",
            Role::Researcher => "Researcher",
            Role::Steward => "Steward",
            Role::SecurityOfficer => "SecurityOfficer",
            Role::Auditor => "Auditor",
            Role::Administrator => "Administrator",
            Role::Operator => "Operator",
            Role::Job => "Job",
        };
        Self {
            roles: Role::ALL.into_iter().map(|each| (each, name(role(each)))).collect(),
            action: name("Action"),
            person: name("Person"),
            chart: name("Chart"),
            institution: name("Institution"),
            installation: name("Installation"),
            ground: name("Ground"),
        }
    }
}

fn parse_schema(text: &str) -> Result<Schema, DoorError> {
    Schema::from_str(text).map_err(|fault| refused(SCHEMA.0, fault))
}

/// Parses a role's file, names each policy by its `@id` and validates all strictly: a warning is a fault too.
fn parse_policies(schema: &Schema, role: Role, file: &str, text: &str) -> Result<(PolicySet, Vec<Rule>), DoorError> {
    let parsed = PolicySet::from_str(text).map_err(|fault| refused(file, fault))?;
    if parsed.templates().next().is_some() {
        return Err(refused(file, "templates are not used here"));
    }
    let (mut named, mut rules) = (PolicySet::new(), Vec::new());
    for policy in parsed.policies() {
        let annotation = |key: &str| {
            let value = policy.annotation(key).filter(|value| !value.is_empty());
            value.ok_or_else(|| refused(file, format!("a policy has no @{key}"))).map(str::to_owned)
        };
        let (id, explanation) = (annotation("id")?, annotation("explanation")?);
        if !id.starts_with(role.name()) {
            return Err(refused(
                file,
                format!("policy {id} does not begin with the name of its role, {}", role.name()),
            ));
        }
        named.add(policy.new_id(PolicyId::new(&id))).map_err(|fault| refused(file, fault))?;
        rules.push(Rule { id, role, explanation });
    }
    let result = Validator::new(schema.clone()).validate(&named, ValidationMode::Strict);
    if !result.validation_passed_without_warnings() {
        return Err(refused(file, result));
    }
    Ok((named, rules))
}

/// Names of the actions that a policy is about.
fn actions_of(policy: &Policy) -> Vec<String> {
    let name = |uid: &EntityUid| uid.id().unescaped().to_owned();
    match policy.action_constraint() {
        ActionConstraint::Any => Action::ALL.map(|action| action.name().to_owned()).to_vec(),
        ActionConstraint::Eq(uid) => vec![name(&uid)],
        ActionConstraint::In(uids) => uids.iter().map(name).collect(),
    }
}

fn refused(file: &str, reason: impl ToString) -> DoorError {
    DoorError::Policy { file: file.to_owned(), reason: reason.to_string() }
}

/// What a rule asks for besides the right target, as found by asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) rule: String,
    pub(crate) assurance: Assurance,
    pub(crate) purpose: &'static str,
    /// Whether it also asks for a ground.
    pub(crate) on_ground: bool,
}

impl Rules {
    /// What each action needs of each role, found by putting every question there is about somebody's own things.
    /// Denials are explained from this, so that the explanation cannot drift from the policies.
    pub(crate) fn needs(&self) -> BTreeMap<(Role, Action), Vec<Need>> {
        let mut needs = BTreeMap::new();
        for role in Role::ALL {
            for action in Action::ALL {
                let found = self.needs_of(role, action);
                if !found.is_empty() {
                    needs.insert((role, action), found);
                }
            }
        }
        needs
    }

    fn needs_of(&self, role: Role, action: Action) -> Vec<Need> {
        let mut found: Vec<Need> = Vec::new();
        if !self.named[&role].contains(action.name()) {
            return found;
        }
        for (target, facts) in everybodys_own() {
            for (purpose, ground) in circumstances() {
                let ask = |assurance| {
                    let (account, target, ground) = (Id16::default(), &target, ground.as_ref());
                    self.saying_yes(&Question {
                        role,
                        account,
                        assurance,
                        action,
                        target,
                        purpose,
                        ground,
                        facts: &facts,
                    })
                };
                if ask(Assurance::Two).is_empty() {
                    continue;
                }
                for assurance in [Assurance::None, Assurance::One, Assurance::Two] {
                    for rule in ask(assurance) {
                        if !found.iter().any(|need| need.rule == rule && need.purpose == purpose) {
                            found.push(Need { rule, assurance, purpose, on_ground: ground.is_some() });
                        }
                    }
                }
            }
        }
        found
    }
}

/// Every purpose without a ground, and then every kind of ground with the purposes it is for: a rule that needs none is found
/// without.
fn circumstances() -> Vec<(&'static str, Option<Ground>)> {
    let without = Purpose::NAMES.map(|purpose| (purpose, None));
    let with = GroundKind::ALL
        .into_iter()
        .flat_map(|kind| kind.purposes().iter().map(move |purpose| (*purpose, Some(anybodys_ground(kind)))));
    without.into_iter().chain(with).collect()
}

/// A ground of a kind about the subject of [`everybodys_own`].
pub(crate) fn anybodys_ground(kind: GroundKind) -> Ground {
    let [(_, facts), ..] = everybodys_own();
    Ground { id: Id16::default(), kind, subject: Id16::default(), patients: facts.patients, share: Share::Whole }
}

/// One target of each kind, with facts that make it the asker's own.
pub(crate) fn everybodys_own() -> [(Target, Facts); 4] {
    let id = Id16::default();
    let institution = crate::InstitutionCode::new("own").expect("three letters are a code");
    let own = crate::OwnPatient { patient: id, institution: institution.clone() };
    let facts = Facts {
        epoch: 0,
        person: Some(id),
        patients: vec![own],
        deposits_for: Some(institution.clone()),
        operator: true,
        holds: Role::APPOINTED.into(),
        ground: None,
    };
    [Target::Person(id), Target::Patient(id), Target::Institution(institution), Target::Installation]
        .map(|target| (target, facts.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let schema = parse_schema(SCHEMA.1).expect("the standard schema is valid");
        match parse_policies(&schema, Role::Job, "job.cedar", text) {
            Ok(_) => String::new(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn policies_with_faults_are_refused() {
        let rule = |head: &str, when: &str| {
            format!(
                "{head} permit (principal is Job, action == Action::\"seal\", resource is Installation) when {{ {when} }};"
            )
        };
        let head = "@id(\"job-x\") @explanation(\"x\")";
        let right = "context.purpose == \"operation\"";
        assert_eq!(fault(&rule(head, right)), "");
        assert!(fault(&rule("@explanation(\"x\")", right)).contains("no @id"));
        assert!(fault(&rule("@id(\"job-x\")", right)).contains("no @explanation"));
        assert!(fault(&rule("@id(\"patient-x\") @explanation(\"x\")", right)).contains("name of its role"));
        assert!(fault(&rule(head, "context.motive == \"operation\"")).contains("motive"));
        assert!(fault(&rule(head, "principal.assurance > 1")).contains("assurance"));
        assert!(fault(&rule(head, "context.purpose == ")).starts_with("policy job.cedar is not valid"));
        assert!(fault(&(rule(head, right) + &rule(head, right))).contains("job-x"));
    }

    #[test]
    fn what_a_rule_permits_fits_the_schema_it_was_validated_against() {
        let rules = Rules::standard().expect("the standard policies are valid");
        let schema = parse_schema(SCHEMA.1).expect("the standard schema is valid");
        let mut permitted = 0;
        for (target, facts) in everybodys_own() {
            for (role, action) in rules.needs().into_keys() {
                for (purpose, ground) in circumstances() {
                    let (account, ground, assurance) = (Id16::default(), ground.as_ref(), Assurance::Two);
                    let question =
                        Question { role, account, assurance, action, target: &target, purpose, ground, facts: &facts };
                    if rules.saying_yes(&question).is_empty() {
                        continue;
                    }
                    let _ = rules.in_cedar(&question, Some(&schema));
                    permitted += 1;
                    let reads = [Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue];
                    if let Some(own) = question.reached().first().filter(|_| reads.contains(&action)) {
                        let _ = rules.context_in_cedar(&question, &own.institution, Some(&schema));
                    }
                }
            }
        }
        assert!(permitted > 50, "the questions are not those that are permitted");
    }
}
