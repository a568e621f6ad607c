//! The Cedar policies behind one question: which rules of a role say yes. Knows policies, and nothing of permits.

use crate::ask::{Action, Assurance, Facts, InstitutionCode, Purpose, Role, Target};
use base::Id16;
use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

const SCHEMA: (&str, &str) = ("door.cedarschema", include_str!("../../../policies/door.cedarschema"));

/// One file a role, so that a decision looks at the rules of the role asked in and at no others.
const FILES: [(Role, &str, &str); 4] = [
    (Role::Patient, "patient.cedar", include_str!("../../../policies/patient.cedar")),
    (Role::Depositor, "depositor.cedar", include_str!("../../../policies/depositor.cedar")),
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
    pub(crate) facts: &'a Facts,
}

/// The policies of all roles, validated.
#[derive(Debug)]
pub(crate) struct Rules {
    authorizer: Authorizer,
    types: Types,
    by_role: BTreeMap<Role, PolicySet>,
    listed: Vec<Rule>,
}

impl Rules {
    /// The policies that are compiled in.
    pub(crate) fn standard() -> Result<Self, DoorError> {
        let schema = parse_schema(SCHEMA.1)?;
        let (mut by_role, mut listed) = (BTreeMap::new(), Vec::new());
        for (role, file, text) in FILES {
            let (policies, rules) = parse_policies(&schema, role, file, text)?;
            by_role.insert(role, policies);
            listed.extend(rules);
        }
        Ok(Self { authorizer: Authorizer::new(), types: Types::new(), by_role, listed })
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
                uid(&self.types.chart, text(*id))
            }
            Target::Institution(code) => self.institution(code),
            Target::Installation => uid(&self.types.installation, EntityId::new("here")),
        };
        let asked = Asked {
            action: question.action.name(),
            resource: Entity::new_no_attrs(resource, parents),
            circumstances: circumstances(question),
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
        let own = question.facts.patients.iter().map(|own| &own.institution);
        let own = own.map(|code| RestrictedExpression::new_entity_uid(self.institution(code)));
        let known = HashMap::from([("patient_of".to_owned(), RestrictedExpression::new_set(own))]);
        let mut circumstances = circumstances(question);
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
            Role::Job => {}
        }
        let principal = uid(&self.types.roles[&question.role], text(question.account));
        let action = uid(&self.types.action, EntityId::new(asked.action));
        let circumstances = asked.circumstances.into_iter().map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(circumstances).expect("literals under different keys");
        let asker = Entity::new(principal.clone(), attributes, HashSet::new()).expect("attributes are literals");
        let resource = asked.resource.uid();
        let entities = Entities::from_entities([asker, asked.resource], schema);
        let request = Request::new(principal, action, resource, context, schema);
        (
            request.expect("without a schema every request is taken, and tests hold ours to the schema"),
            entities.expect("two entities of different types, and tests hold them to the schema"),
        )
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

fn circumstances(question: &Question<'_>) -> Vec<(&'static str, RestrictedExpression)> {
    vec![("purpose", RestrictedExpression::new_string(question.purpose.to_owned()))]
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
}

impl Types {
    fn new() -> Self {
        let name = |text: &str| EntityTypeName::from_str(text).expect("the names below are Cedar identifiers");
        let role = |role| match role {
            Role::Patient => "Patient",
            Role::Depositor => "Depositor",
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

fn refused(file: &str, reason: impl ToString) -> DoorError {
    DoorError::Policy { file: file.to_owned(), reason: reason.to_string() }
}

/// What a rule asks for besides the right target, as found by asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) rule: String,
    pub(crate) assurance: Assurance,
    pub(crate) purpose: &'static str,
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
        for (target, facts) in everybodys_own() {
            for purpose in Purpose::NAMES {
                for assurance in [Assurance::None, Assurance::One, Assurance::Two] {
                    let account = Id16::default();
                    let question =
                        Question { role, account, assurance, action, target: &target, purpose, facts: &facts };
                    for rule in self.saying_yes(&question) {
                        if !found.iter().any(|need| need.rule == rule && need.purpose == purpose) {
                            found.push(Need { rule, assurance, purpose });
                        }
                    }
                }
            }
        }
        found
    }
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
            for ((role, action), needs) in rules.needs() {
                let Need { assurance, purpose, .. } = needs[0];
                let account = Id16::default();
                let question = Question { role, account, assurance, action, target: &target, purpose, facts: &facts };
                if !rules.saying_yes(&question).is_empty() {
                    let _ = rules.in_cedar(&question, Some(&schema));
                    permitted += 1;
                    if let Some(own) = facts.patients.first().filter(|_| role == Role::Patient) {
                        let _ = rules.context_in_cedar(&question, &own.institution, Some(&schema));
                    }
                }
            }
        }
        assert_eq!(permitted, 5 * 2 + 3 + 2 + 2, "patient on person and chart, depositor, operator, job");
    }
}
