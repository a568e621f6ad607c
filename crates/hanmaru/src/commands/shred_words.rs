//! The certificate of an erasure: as JSON that anybody can check, and in words for people. What it says is found out elsewhere.

use base::{Timestamp, hex};
use ledger::{EntryKind, VerifierKey};
use portal::{Locale, Texts};
use serde_json::{Value, json};
use store::{Certificate, ShredActor, ShredScope};

/// Format of the JSON.
const FORMAT: u64 = 1;
/// What stays of every erasure besides the tables that name an owner.
const ALSO_KEPT: [&str; 2] = ["sites", "account"];

/// The certificate as JSON. `content` is what the leaf commits to under `salt`.
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

/// Whether the JSON of a certificate is one of a log: its content is under a checkpoint that one of the keys signed.
pub fn check(certificate: &Value, keys: &[VerifierKey]) -> Result<u64, String> {
    let text = |name: &str| certificate[name].as_str().ok_or_else(|| format!("it has no {name}"));
    let bytes = |name: &str| base::unhex(text(name)?).ok_or_else(|| format!("its {name} is no hexadecimal text"));
    let salt: [u8; 32] = bytes("salt")?.try_into().map_err(|_| "its salt is not 32 bytes".to_owned())?;
    let entry = ledger::commit(&salt, EntryKind::Shred, &bytes("content")?);
    let proof = ledger::TlogProof::parse(text("proof")?.as_bytes()).map_err(|error| error.to_string())?;
    proof.verify(&entry, keys).map_err(|error| error.to_string())?;
    Ok(proof.index)
}

/// The certificate in words.
pub fn as_text(certificate: &Certificate, locale: Locale) -> String {
    let (t, shred) = (locale.texts(), &certificate.shred);
    let mut page = format!("{}\n\n", t.t("shred-title"));
    let mut line = |key: &str, value: &str| page.push_str(&format!("{}: {value}\n", t.t(key)));
    line("shred-number", &shred.id.to_string());
    line("shred-scope", &scope_text(&shred.scope, t));
    line("shred-requested", &by_text(&shred.requester, shred.requested, t));
    line("shred-reason", shred.reason.expose());
    line("shred-basis", shred.basis.expose());
    for approval in &shred.approvals {
        line("shred-approved", &by_text(&approval.by, approval.at, t));
    }
    line("shred-destroyed", &shred.destroyed.map_or_else(String::new, moment));
    line("shred-keys", &certificate.keys.to_string());
    line("shred-leaves", &certificate.leaves.len().to_string());
    let stores = certificate.stores.iter().map(|store| format!("{} {}", store.name, store.removed));
    line("shred-stores", &stores.collect::<Vec<_>>().join(", "));
    line("shred-tables", &certificate.tables.iter().map(|table| table.left).sum::<u64>().to_string());
    line("shred-backups", &moment(certificate.backups_end));
    let mut more = |text: &str| page.push_str(&format!("{text}\n"));
    more(&t.t("shred-backups-more"));
    if certificate.rewritten {
        more(&t.t("shred-rewritten"));
    }
    more(&format!("\n{}", t.t("shred-kept")));
    let kept = certificate.kept.iter().map(|kept| kept.what.as_str()).chain(ALSO_KEPT);
    for key in kept.map(|what| format!("shred-kept-{what}")).filter(|key| t.has(key)) {
        more(&format!("- {}", t.t(&key)));
    }
    let index = certificate.leaf.index.to_string();
    more(&format!("\n{}", t.tn("shred-ledger", &[("index", &index), ("log", "records")])));
    more(&t.t("shred-check"));
    page
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn by_text(by: &ShredActor, at: Timestamp, t: &Texts) -> String {
    let (account, role) = (by.account.to_string(), t.t(&format!("shred-role-{}", by.role.name())));
    t.tn("shred-by", &[("time", &moment(at)), ("role", &role), ("account", &account)])
}

fn scope_text(scope: &ShredScope, t: &Texts) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that says that it is a certificate: nobody has signed any of these.
    #[test]
    fn any_file_is_checked_and_none_of_them_holds() {
        const TARGET: fuzzing::Target = fuzzing::Target {
            name: "shred_certificate",
            seeds: || {
                let proof =
                    "c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
                let whole = json!({ "salt": "00".repeat(32), "content": "00ff", "proof": proof, "leaf": 0 });
                vec![whole.to_string().into_bytes(), b"[]".to_vec()]
            },
            run: |bytes| {
                if let Ok(certificate) = serde_json::from_slice::<Value>(bytes) {
                    assert!(check(&certificate, &[]).is_err(), "no key is pinned");
                }
            },
            bytes_max: 1 << 12,
            inputs: 3_000,
        };
        fuzzing::short::run(&TARGET).unwrap_or_else(|found| panic!("{found}"));
    }
}
