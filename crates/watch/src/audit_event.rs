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
//! | program | `source.observer`, with the decision as `source.site` |
//! | subject | first `entity`: whose data, role Patient |
//! | ground | an `entity` of its own, role Job: the request, visit, consent, order, job or broken glass that it points to |
//! | institution | an `entity` of its own |
//! | what | an `entity` for each kind, with its count; the leaf's index in the log as a detail of the first entity |

use serde_json::{Value, json};
use std::net::IpAddr;
use store::{AccessResult, LoggedAccess};

/// Addresses of our own code systems and identifiers begin with this.
const OURS: &str = "https://hanmaru.example";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PURPOSES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ENTITY_TYPES: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLES: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";

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
    use store::{AccessActor, AccessEntry};

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

    #[test]
    fn an_entry_says_the_same_as_an_event() {
        let what = vec![("Observation".to_owned(), 3), ("document".to_owned(), 1)];
        let texts = words(["이서준", "192.0.2.7", "clinician", "read-record", "care", "clinician-visit"]);
        let event = audit_event(&logged(what.clone(), None, texts.clone(), Some(17)), "hanmaru.test");
        assert_eq!(faults(&event), Vec::<String>::new());
        assert_eq!(event["recorded"], "2026-11-22T09:33:20.123456Z");
        assert_eq!(event["outcome"], "0");
        assert_eq!(event["agent"][0]["who"]["display"], "이서준");
        assert_eq!(event["agent"][0]["network"], json!({ "address": "192.0.2.7", "type": "2" }));
        assert_eq!(event["agent"][0]["policy"], json!(["https://hanmaru.example/policy/clinician-visit"]));
        assert_eq!(event["purposeOfEvent"][0]["coding"][1]["code"], "TREAT");
        assert_eq!(event["entity"][0]["detail"][0]["valueString"], "17");
        assert_eq!(event["entity"][2]["detail"][0]["valueString"], "3");
        assert_eq!(event["entity"].as_array().map(Vec::len), Some(4));
        let mut on_ground = logged(what.clone(), None, texts.clone(), None);
        on_ground.entry.ground = Some(Id16([5; 16]));
        let event = audit_event(&on_ground, "hanmaru.test");
        assert_eq!(faults(&event), Vec::<String>::new());
        assert_eq!(event["entity"][2]["what"]["identifier"]["value"], Id16([5; 16]).to_string());
        let denied = audit_event(&logged(what, Some("not-yours".to_owned()), texts, None), "hanmaru.test");
        assert_eq!(faults(&denied), Vec::<String>::new());
        assert_eq!((&denied["outcome"], &denied["outcomeDesc"]), (&json!("4"), &json!("not-yours")));
    }

    proptest! {
        #[test]
        fn every_entry_makes_a_valid_event(
            what in proptest::collection::vec(("\\PC{0,12}", any::<u32>()), 0..5),
            denied in proptest::option::of("\\PC{0,12}"),
            texts in proptest::array::uniform6("\\PC{0,16}"),
            leaf in proptest::option::of(any::<u64>()),
        ) {
            let event = audit_event(&logged(what, denied, texts, leaf), "hanmaru.test");
            prop_assert_eq!(faults(&event), Vec::<String>::new());
        }
    }
}
