//! The certificate of an erasure: as JSON that anybody can check, and in words for people. What it says is found out elsewhere.

use crate::texts::{Locale, Texts};
use base::{Timestamp, hex};
use ledger::{EntryKind, VerifierKey};
use serde_json::{Value, json};
use store::{Certificate, ShredActor, ShredScope};

/// Format of the JSON.
const FORMAT: u64 = 1;
/// What stays of every erasure besides the tables that name an owner.
const ALSO_KEPT: [&str; 2] = ["sites", "account"];

/// The certificate as JSON. `content` is what the leaf commits to under `salt`.
#[must_use]
pub fn as_json(certificate: &Certificate) -> Value {
    let shred = &certificate.shred;
    let by =
        |by: &ShredActor, at: Timestamp| json!({ "account": by.account.to_string(), "role": by.role.name(), "at": at });
    let stores = certificate.stores.iter().map(|store| json!({ "name": store.name, "removed": store.removed }));
    let tables = certificate.tables.iter().map(|table| json!({ "name": table.name, "left": table.left }));
    let leaves = certificate.leaves.iter().map(|(kind, position)| json!({ "kind": kind, "position": position }));
    let kept = certificate.kept.iter().map(|kept| json!({ "what": kept.what, "why": kept.why }));
    json!({
        "certificate": {
            "format": FORMAT,
            "number": shred.id.to_string(),
            "scope": scope_json(&shred.scope),
            "requested": by(&shred.requester, shred.requested),
            "reason": shred.reason.expose(),
            "basis": shred.basis.expose(),
            "approvals": shred.approvals.iter().map(|one| by(&one.by, one.at)).collect::<Vec<_>>(),
            "destroyed": shred.destroyed,
            "keys": certificate.keys,
            "leaves": leaves.collect::<Vec<_>>(),
            "key_stores": stores.collect::<Vec<_>>(),
            "tables": tables.collect::<Vec<_>>(),
            "database_rewritten": certificate.rewritten,
            "backups_end": certificate.backups_end,
            "kept": kept.collect::<Vec<_>>(),
        },
        "content": hex(&certificate.content),
        "leaf": certificate.leaf.index,
        "salt": hex(&certificate.leaf.salt),
        "proof": String::from_utf8_lossy(&certificate.leaf.proof.to_bytes()),
    })
}

/// Whether the JSON of a certificate is one of a log: its content is under a checkpoint that one of the keys signed. Gives the place
/// of its leaf.
///
/// # Errors
/// What of it does not hold.
pub fn check(certificate: &Value, keys: &[VerifierKey]) -> Result<u64, String> {
    let text = |name: &str| certificate[name].as_str().ok_or_else(|| format!("it has no {name}"));
    let bytes = |name: &str| base::unhex(text(name)?).ok_or_else(|| format!("its {name} is no hexadecimal text"));
    let salt: [u8; 32] = bytes("salt")?.try_into().map_err(|_| "its salt is not 32 bytes".to_owned())?;
    let entry = ledger::commit(&salt, EntryKind::Shred, &bytes("content")?);
    let proof = ledger::TlogProof::parse(text("proof")?.as_bytes()).map_err(|error| error.to_string())?;
    proof.verify(&entry, keys).map_err(|error| error.to_string())?;
    Ok(proof.index)
}

/// A certificate in words: what a page shows and a text says.
pub(crate) struct Worded {
    /// Labels and what they say.
    pub facts: Vec<(String, String)>,
    /// What is to be known beside them.
    pub notes: Vec<String>,
    /// What stays, and why.
    pub kept: Vec<String>,
    /// Where it stands in the log, and how to check it.
    pub proof: Vec<String>,
}

impl Worded {
    pub fn new(certificate: &Certificate, t: &Texts) -> Self {
        let shred = &certificate.shred;
        let mut facts = Vec::new();
        let mut fact = |key: &str, value: String| facts.push((t.t(key), value));
        fact("shred-number", shred.id.to_string());
        fact("shred-scope", scope_text(&shred.scope, t));
        fact("shred-requested", by_text(&shred.requester, shred.requested, t));
        fact("shred-reason", shred.reason.expose().clone());
        fact("shred-basis", shred.basis.expose().clone());
        for approval in &shred.approvals {
            fact("shred-approved", by_text(&approval.by, approval.at, t));
        }
        fact("shred-destroyed", shred.destroyed.map_or_else(String::new, moment));
        fact("shred-keys", certificate.keys.to_string());
        fact("shred-leaves", certificate.leaves.len().to_string());
        let stores = certificate.stores.iter().map(|store| format!("{} {}", store.name, store.removed));
        fact("shred-stores", stores.collect::<Vec<_>>().join(", "));
        fact("shred-tables", certificate.tables.iter().map(|table| table.left).sum::<u64>().to_string());
        fact("shred-backups", moment(certificate.backups_end));
        let mut notes = vec![t.t("shred-backups-more")];
        if certificate.rewritten {
            notes.push(t.t("shred-rewritten"));
        }
        let kept = certificate.kept.iter().map(|kept| kept.what.as_str()).chain(ALSO_KEPT);
        let kept = kept.map(|what| format!("shred-kept-{what}")).filter(|key| t.has(key)).map(|key| t.t(&key));
        let index = certificate.leaf.index.to_string();
        let place = t.tn("shred-ledger", &[("index", &index), ("log", "records")]);
        Self { kept: kept.collect(), facts, notes, proof: vec![place, t.t("shred-check")] }
    }
}

/// The certificate in words, as a text.
#[must_use]
pub fn as_text(certificate: &Certificate, locale: Locale) -> String {
    let t = locale.texts();
    let worded = Worded::new(certificate, t);
    let facts = worded.facts.iter().map(|(label, value)| format!("{label}: {}", indented(value)));
    let kept = worded.kept.iter().map(|kept| format!("- {kept}"));
    let lines = [t.t("shred-title"), String::new()].into_iter().chain(facts).chain(worded.notes.iter().cloned());
    let lines = lines.chain([String::new(), t.t("shred-kept")]).chain(kept).chain([String::new()]);
    lines.chain(worded.proof.iter().cloned()).map(|line| format!("{line}\n")).collect()
}

/// A value as part of a text: further lines of it are told from facts, and it sends nothing to a terminal.
fn indented(value: &str) -> String {
    let clean = |line: &str| line.chars().filter(|letter| !letter.is_control()).collect::<String>();
    value.lines().map(clean).collect::<Vec<_>>().join("\n    ")
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn by_text(by: &ShredActor, at: Timestamp, t: &Texts) -> String {
    let (account, role) = (by.account.to_string(), t.t(&format!("role-{}", by.role.name())));
    t.tn("shred-by", &[("time", &moment(at)), ("role", &role), ("account", &account)])
}

pub(crate) fn scope_text(scope: &ShredScope, t: &Texts) -> String {
    match scope {
        ShredScope::Patient(id) => t.tn("shred-scope-patient", &[("id", &id.to_string())]),
        ShredScope::Group(group) => t.tn(
            "shred-scope-group",
            &[
                ("id", &group.owner.id().to_string()),
                ("institution", group.institution.as_str()),
                ("class", group.class.as_str()),
                ("year", &group.expiry_year.to_string()),
            ],
        ),
        ShredScope::Class { institution, class, expiry_year } => t.tn(
            "shred-scope-class",
            &[("institution", institution.as_str()), ("class", class.as_str()), ("year", &expiry_year.to_string())],
        ),
    }
}

fn scope_json(scope: &ShredScope) -> Value {
    match scope {
        ShredScope::Patient(id) => json!({ "patient": id.to_string() }),
        ShredScope::Group(group) => json!({
            "owner": group.owner.id().to_string(),
            "institution": group.institution.as_str(),
            "class": group.class.as_str(),
            "expiry_year": group.expiry_year,
        }),
        ShredScope::Class { institution, class, expiry_year } => json!({
            "institution": institution.as_str(),
            "class": class.as_str(),
            "expiry_year": expiry_year,
        }),
    }
}
