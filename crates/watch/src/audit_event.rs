//! An access entry as a FHIR R4 AuditEvent: who, why, what and how it ended. A pure function; nothing is looked up.
//!
//! | entry | AuditEvent (R4, <https://hl7.org/fhir/R4/auditevent.html>) |
//! |---|---|
//! | id | `id` |
//! | action | `type` (DICOM 110106 Export, 110110 Patient Record or 110113 Security Alert), `subtype` (our name), `action` (`R`, `C`, `E`) |
//! | time | `recorded` |
//! | result | `outcome` 0 or 4, `outcomeDesc` (our name of the reason) |
//! | purpose | `purposeOfEvent` (ours, and the HL7 v3 purpose of use where there is one) |
//! | actor | `agent`: `who` (account and name), `role`, `requestor`, `network.address`, `policy` (the rules that answered) |
//! | assurance | extension of `agent` ([`ihe-assuranceLevel`][level]): `none`, `one-factor`, `two-factors`; with `none`, what was tried |
//! | program | `source.observer`, with the decision as `source.site` |
//! | subject | first `entity`: whose data, role Patient |
//! | ground | an `entity` of its own, role Job: the request, visit, consent, order, job or broken glass that it points to |
//! | institution | an `entity` of its own |
//! | what | an `entity` for each kind, with its count; the leaf's index in the log as a detail of the first entity |
//!
//! [level]: https://profiles.ihe.net/ITI/BALP/StructureDefinition-ihe-assuranceLevel.html

use serde_json::{Value, json};
use std::net::IpAddr;
use store::{AccessActor, AccessResult, LoggedAccess};

/// Addresses of our own code systems and identifiers begin with this.
const OURS: &str = "https://hanmaru.example";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PURPOSES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ENTITY_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLES: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
/// The extension of IHE's Basic Audit Log Patterns for how far an agent proved who they are; it leaves the codes open.
const ASSURANCE: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/ihe-assuranceLevel";

/// The AuditEvent of an entry. `program` names this installation.
#[must_use]
pub fn audit_event(logged: &LoggedAccess, program: &str) -> Value {
    let entry = &logged.entry;
    let (kind, display, action) = kind_of(&entry.action);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": entry.id.to_string(),
        "type": { "system": DICOM, "code": kind, "display": display },
        "subtype": [{ "system": format!("{OURS}/CodeSystem/action"), "code": code(&entry.action) }],
        "action": action,
        "recorded": entry.time.to_string(),
        "outcome": "0",
        "purposeOfEvent": [{ "coding": purposes(&entry.purpose) }],
        "agent": [agent(logged)],
        "source": {
            "site": entry.decision.to_string(),
            "observer": { "identifier": { "system": format!("{OURS}/installation"), "value": text(program) } },
        },
        "entity": entities(logged),
    });
    if let AccessResult::Denied { reason } = &entry.result {
        event["outcome"] = json!("4");
        event["outcomeDesc"] = json!(text(reason));
    }
    event
}

fn kind_of(action: &str) -> (&'static str, &'static str, &'static str) {
    match action {
        "issue" | "export" => ("110106", "Export", "R"),
        "deposit" => ("110107", "Import", "C"),
        "read-timeline" | "read-record" | "read-document" | "read-receipt" => ("110110", "Patient Record", "R"),
        "read-access-log" | "handle-cases" | "see-cases" | "oversee" => ("110101", "Audit Log Used", "R"),
        _ => ("110110", "Patient Record", "E"),
    }
}

/// Our name of the purpose, and the HL7 v3 purpose of use that says the same.
fn purposes(purpose: &str) -> Vec<Value> {
    let mut codings = vec![json!({ "system": format!("{OURS}/CodeSystem/purpose"), "code": code(purpose) })];
    let known = match purpose {
        "own-records" => Some(("PATRQT", "patient requested")),
        "representation" => Some(("FAMRQT", "family requested")),
        "care" | "dispensing" => Some(("TREAT", "treatment")),
        "emergency" => Some(("ETREAT", "Emergency Treatment")),
        "custody" | "migration" => Some(("RECORDMGT", "records management")),
        "operation" => Some(("HSYSADMIN", "health system administration")),
        "application" => Some(("HOPERAT", "healthcare operations")),
        "oversight" => Some(("HCOMPL", "health compliance")),
        _ => None,
    };
    codings.extend(known.map(|(code, display)| json!({ "system": PURPOSES, "code": code, "display": display })));
    codings
}

fn agent(logged: &LoggedAccess) -> Value {
    let actor = &logged.entry.actor;
    let mut agent = json!({
        "extension": [{ "url": ASSURANCE, "valueCodeableConcept": { "coding": assurance(actor) } }],
        "role": [{ "coding": [{ "system": format!("{OURS}/CodeSystem/role"), "code": code(&actor.role) }] }],
        "who": {
            "identifier": { "system": format!("{OURS}/account"), "value": actor.account.to_string() },
            "display": text(actor.name.expose()),
        },
        "name": text(actor.name.expose()),
        "requestor": true,
    });
    let source = actor.source.expose();
    let kind = if source.parse::<IpAddr>().is_ok() { "2" } else { "1" };
    agent["network"] = json!({ "address": text(source), "type": kind });
    let policies: Vec<String> = logged
        .entry
        .explanation
        .split(',')
        .map(str::trim)
        .filter(|rule| !rule.is_empty() && rule.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .map(|rule| format!("{OURS}/policy/{rule}"))
        .collect();
    if !policies.is_empty() {
        agent["policy"] = json!(policies);
    }
    agent
}

/// With how many factors whoever acted had signed in. Without any the name is no person's: it says what was tried, as
/// `session-forged` or `session-over`.
fn assurance(actor: &AccessActor) -> Vec<Value> {
    let level = match actor.assurance {
        0 => "none",
        1 => "one-factor",
        _ => "two-factors",
    };
    let mut codings = vec![json!({ "system": format!("{OURS}/CodeSystem/assurance"), "code": level })];
    if actor.assurance == 0 {
        let attempt = code(actor.name.expose());
        codings.push(json!({ "system": format!("{OURS}/CodeSystem/attempt"), "code": attempt }));
    }
    codings
}

fn entities(logged: &LoggedAccess) -> Vec<Value> {
    let entry = &logged.entry;
    let person = json!({ "system": ENTITY_TYPES, "code": "1", "display": "Person" });
    let object = json!({ "system": ENTITY_TYPES, "code": "2", "display": "System Object" });
    let mut subject = json!({
        "what": { "identifier": { "system": format!("{OURS}/subject"), "value": entry.subject.to_string() } },
        "type": person,
        "role": { "system": OBJECT_ROLES, "code": "1", "display": "Patient" },
    });
    if let Some(leaf) = logged.leaf {
        subject["detail"] = json!([{ "type": "leaf", "valueString": leaf.to_string() }]);
    }
    let mut entities = vec![subject];
    if let Some(institution) = &entry.institution {
        entities.push(json!({
            "what": { "identifier": { "system": format!("{OURS}/institution"), "value": institution.as_str() } },
            "type": { "system": ENTITY_TYPES, "code": "3", "display": "Organization" },
            "role": { "system": OBJECT_ROLES, "code": "2", "display": "Location" },
        }));
    }
    if let Some(ground) = entry.ground {
        entities.push(json!({
            "what": { "identifier": { "system": format!("{OURS}/ground"), "value": ground.to_string() } },
            "type": object,
            "role": { "system": OBJECT_ROLES, "code": "20", "display": "Job" },
        }));
    }
    for (kind, count) in &entry.what {
        let is_type = kind.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        let mut one = json!({
            "type": if is_type { json!({ "system": RESOURCE_TYPES, "code": code(kind) }) } else { object.clone() },
            "role": { "system": OBJECT_ROLES, "code": "4", "display": "Domain Resource" },
            "detail": [{ "type": "count", "valueString": count.to_string() }],
        });
        one["name"] = json!(text(kind));
        entities.push(one);
    }
    entities
}

/// R4 has no empty strings.
fn text(text: &str) -> &str {
    if text.trim().is_empty() { "-" } else { text }
}

/// A code has no space at either end and no two within (R4 datatypes, "code").
fn code(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.is_empty() { "-".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Id16;
    use policy::InstitutionCode;
    use proptest::prelude::*;
    use store::AccessEntry;

    fn logged(what: Vec<(String, u32)>, denied: Option<String>, texts: [String; 6], leaf: Option<u64>) -> LoggedAccess {
        let [name, source, role, action, purpose, explanation] = texts;
        let actor =
            AccessActor { account: Id16([4; 16]), role, assurance: 2, name: name.into(), source: source.into() };
        let entry = AccessEntry {
            id: Id16([1; 16]),
            decision: Id16([2; 16]),
            time: base::Timestamp::from_microsecond(1_795_340_000_123_456).expect("a time"),
            subject: Id16([3; 16]),
            actor,
            action,
            purpose,
            ground: None,
            explanation,
            result: denied.map_or(AccessResult::Granted, |reason| AccessResult::Denied { reason }),
            institution: InstitutionCode::new("31100001"),
            what,
        };
        LoggedAccess { entry, salt: [0; 32], leaf }
    }

    fn words(list: [&str; 6]) -> [String; 6] {
        list.map(str::to_owned)
    }

    fn faults(event: &Value) -> Vec<String> {
        let text = event.to_string();
        let parsed = fhir::json::parse(text.as_bytes(), &fhir::Limits::default()).expect("JSON");
        fhir::validate(&parsed).errors().map(ToString::to_string).collect()
    }

    /// What an event says, a name for each thing that the page of accesses shows, and what else an entry holds.
    fn told(event: &Value) -> Vec<(&'static str, Value)> {
        let agent = &event["agent"][0];
        let entity = |role: &str| {
            let entities = event["entity"].as_array().expect("a list").iter();
            entities.filter(|one| one["role"]["code"] == role).collect::<Vec<_>>()
        };
        let number = |role: &str| json!(entity(role).first().map(|one| &one["what"]["identifier"]["value"]));
        let what = entity("4").into_iter().map(|one| json!([one["name"], one["detail"][0]["valueString"]]));
        vec![
            ("id", event["id"].clone()),
            ("decision", event["source"]["site"].clone()),
            ("time", event["recorded"].clone()),
            ("subject", number("1")),
            ("account", agent["who"]["identifier"]["value"].clone()),
            ("role", agent["role"][0]["coding"][0]["code"].clone()),
            ("assurance", agent["extension"][0]["valueCodeableConcept"]["coding"][0]["code"].clone()),
            ("name", agent["who"]["display"].clone()),
            ("source", agent["network"]["address"].clone()),
            ("action", event["subtype"][0]["code"].clone()),
            ("purpose", event["purposeOfEvent"][0]["coding"][0]["code"].clone()),
            ("ground", number("20")),
            ("explanation", agent["policy"].clone()),
            ("result", json!([event["outcome"], event["outcomeDesc"]])),
            ("institution", number("2")),
            ("what", what.collect()),
            ("leaf", entity("1")[0]["detail"][0]["valueString"].clone()),
        ]
    }

    /// The same of an entry. No field of it is left out: another one does not compile until it has its place here.
    fn held(logged: &LoggedAccess) -> Vec<(&'static str, Value)> {
        let AccessEntry {
            id,
            decision,
            time,
            subject,
            actor,
            action,
            purpose,
            ground,
            explanation,
            result,
            institution,
            what,
        } = &logged.entry;
        let AccessActor { account, role, assurance, name, source } = actor;
        let level = ["none", "one-factor", "two-factors"][usize::from(*assurance)];
        let result = match result {
            AccessResult::Granted => json!(["0", null]),
            AccessResult::Denied { reason } => json!(["4", reason]),
        };
        vec![
            ("id", json!(id.to_string())),
            ("decision", json!(decision.to_string())),
            ("time", json!(time.to_string())),
            ("subject", json!(subject.to_string())),
            ("account", json!(account.to_string())),
            ("role", json!(role)),
            ("assurance", json!(level)),
            ("name", json!(name.expose())),
            ("source", json!(source.expose())),
            ("action", json!(action)),
            ("purpose", json!(purpose)),
            ("ground", json!(ground.map(|ground| ground.to_string()))),
            ("explanation", json!([format!("https://hanmaru.example/policy/{explanation}")])),
            ("result", result),
            ("institution", json!(institution.as_ref().map(InstitutionCode::as_str))),
            ("what", what.iter().map(|(kind, count)| json!([kind, count.to_string()])).collect()),
            ("leaf", json!(logged.leaf.map(|leaf| leaf.to_string()))),
        ]
    }

    #[test]
    fn an_entry_says_the_same_as_an_event() {
        let what = vec![("Observation".to_owned(), 3), ("document".to_owned(), 1)];
        let texts = words(["이서준", "192.0.2.7", "clinician", "read-record", "care", "clinician-visit"]);
        let granted = logged(what.clone(), None, texts.clone(), Some(17));
        let mut on_ground = logged(what.clone(), None, texts.clone(), None);
        on_ground.entry.ground = Some(Id16([5; 16]));
        on_ground.entry.institution = None;
        let mut half = logged(Vec::new(), Some("assurance".to_owned()), texts.clone(), None);
        half.entry.actor.assurance = 1;
        let mut nobody = logged(what, Some("assurance".to_owned()), texts, Some(4));
        nobody.entry.actor.assurance = 0;
        nobody.entry.actor.name = "session-forged".to_owned().into();
        for logged in [&granted, &on_ground, &half, &nobody] {
            let event = audit_event(logged, "hanmaru.test");
            assert_eq!(faults(&event), Vec::<String>::new());
            assert_eq!(told(&event), held(logged));
        }
        let event = audit_event(&granted, "hanmaru.test");
        assert_eq!(event["recorded"], "2026-11-22T09:33:20.123456Z");
        assert_eq!(event["agent"][0]["network"]["type"], "2");
        assert_eq!(event["purposeOfEvent"][0]["coding"][1]["code"], "TREAT");
    }

    #[test]
    fn what_nobody_did_by_name_is_told_apart_from_a_name() {
        let of = |assurance: u8, name: &str| {
            let mut one = logged(Vec::new(), None, words([name, "", "patient", "read-record", "", ""]), None);
            one.entry.actor.assurance = assurance;
            let event = audit_event(&one, "hanmaru.test");
            assert_eq!(faults(&event), Vec::<String>::new());
            event["agent"][0]["extension"][0]["valueCodeableConcept"]["coding"][1].clone()
        };
        let attempt = json!({ "system": "https://hanmaru.example/CodeSystem/attempt", "code": "session-over" });
        assert_eq!(of(0, "session-over"), attempt);
        assert_eq!((of(1, "이서준"), of(2, "이서준")), (Value::Null, Value::Null));
    }

    proptest! {
        #[test]
        fn every_entry_makes_a_valid_event(
            what in proptest::collection::vec(("\\PC{0,12}", any::<u32>()), 0..5),
            denied in proptest::option::of("\\PC{0,12}"),
            texts in proptest::array::uniform6("\\PC{0,16}"),
            leaf in proptest::option::of(any::<u64>()),
            assurance in 0..=2_u8,
        ) {
            let mut logged = logged(what, denied, texts, leaf);
            logged.entry.actor.assurance = assurance;
            let event = audit_event(&logged, "hanmaru.test");
            prop_assert_eq!(faults(&event), Vec::<String>::new());
        }
    }
}
