//! What must be gone when somebody is erased, table by table, and what stays and why. A table that says whose its rows are stands
//! in one of the two lists; a test compares them with the database.

use rusqlite::{Connection, Transaction};
use vault::KeyId;

use crate::error::{AtStep, StoreError};
use crate::types::OWNER_BYTES;

/// How a column names an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Kind and id, 17 bytes.
    Owner,
    /// The id of a patient, 16 bytes.
    Patient,
}

/// Tables whose rows end with their owner, and the column that names the owner. A room with such a table adds it here. What is
/// found by other ways than its owner (chunks of objects, places of leaves) is deleted in `erase.rs`.
pub(crate) const OWNED: &[(&str, &str, Form)] = &[
    ("resource_current", "owner", Form::Owner),
    ("resource_again", "owner", Form::Owner),
    ("idx_token", "owner", Form::Owner),
    ("idx_string", "owner", Form::Owner),
    ("idx_date", "owner", Form::Owner),
    ("idx_reference", "owner", Form::Owner),
    ("idx_quantity", "owner", Form::Owner),
    ("idx_number", "owner", Form::Owner),
    ("idx_composite", "owner", Form::Owner),
    ("idx_uri", "owner", Form::Owner),
    ("object", "owner", Form::Owner),
    ("document", "owner", Form::Owner),
    ("document_clear", "owner", Form::Owner),
    ("person_patient", "patient", Form::Patient),
    ("representative", "person", Form::Patient),
    ("representative_proof", "person", Form::Patient),
    ("consent_rule", "person", Form::Patient),
    ("watch_flag", "subject", Form::Patient),
    ("watch_mark", "subject", Form::Patient),
];

/// Tables that name somebody and stay, with the reason.
pub(crate) const KEPT: &[(&str, &str)] = &[
    ("resource_version", "deleted version by version, through resource_current"),
    ("access_entry", "who looked is kept for its own term, under keys of its own"),
    (
        "commitment",
        "the log is append-only; it says that a document was issued or a receipt given, and not what stood in it",
    ),
    ("access_ground", "why somebody of the staff was let in is kept with who looked"),
    ("access_notice", "as access_ground"),
    ("broken_glass", "as access_ground"),
    ("watch_finding", "what looked wrong about an access is kept with who looked"),
    ("watch_behind", "as watch_finding"),
    ("watch_case", "as watch_finding"),
    ("watch_step", "as watch_finding"),
    ("watch_review", "as watch_finding"),
    ("outbox_records", "what waits to be sealed is waited for, or dropped with what it is about"),
    ("erased_owner", "so that what was erased is not taken in again"),
    ("shred", "who asked that something be erased, why, and who approved it"),
    ("shred_approval", "as shred"),
    ("legal_hold", "who ordered that something be kept, and when"),
    ("person", "a keyed hash of the CI: who signs in, or is a patient elsewhere, is found by it"),
    ("account", "an account and whom it appoints are whose account it is, and no records"),
    ("authenticator", "as account"),
    ("passkey", "as account"),
    ("session", "as account"),
    ("known_device", "as account"),
    ("notice", "as account"),
    ("recovery", "as account"),
    ("recovery_word", "as account"),
    ("issued", "so that a paper can be checked; it holds the number and hash of a document, and not what stood in it"),
    ("account_right", "what staff may do, and who gave them that, is no record of a patient"),
    ("right_asked", "as account_right"),
    ("right_ended", "as account_right"),
    ("staff", "as account_right"),
    ("staff_invitation", "as account_right"),
    ("watch_staff", "as account_right"),
    ("watch_account", "as account_right"),
    ("watch_device", "as account_right"),
];

/// Whether rows of a table stay when their owner is erased. Versions go one by one, and tables without a patient's rows are in
/// neither list.
pub(crate) fn is_kept(table: &str) -> bool {
    table != "resource_version" && OWNED.iter().all(|(owned, ..)| *owned != table)
}

/// Deletes an owner's rows from every owned table that there is; gives how many of each.
pub(crate) fn delete(
    transaction: &Transaction<'_>,
    owner: &[u8; OWNER_BYTES],
) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut deleted = Vec::new();
    for (table, column, form) in OWNED {
        let sql = format!("DELETE FROM {table} WHERE {column} = ?");
        let rows = transaction.prepare_cached(&sql).and_then(|mut one| one.execute([named(owner, *form)]));
        deleted.push((*table, rows.at("erasing rows")? as u64));
    }
    Ok(deleted)
}

/// How many rows of an owner are left in every owned table.
pub(crate) fn left(connection: &Connection, owner: &[u8; OWNER_BYTES]) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut left = Vec::new();
    for (table, column, form) in OWNED {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = ?");
        let rows: Result<i64, _> =
            connection.prepare_cached(&sql).and_then(|mut one| one.query_row([named(owner, *form)], |row| row.get(0)));
        left.push((*table, rows.at("counting what is left")?.unsigned_abs()));
    }
    Ok(left)
}

/// What hangs under keys, or under what went with them: where rows are found by the owner's other rows alone, one whose resource,
/// version or object is gone is left.
const HANGING: &[(&str, &str)] = &[
    ("resource_current", "NOT EXISTS (SELECT 1 FROM resource_version v WHERE v.row = t.row)"),
    ("resource_again", OF_RESOURCE),
    ("idx_token", OF_RESOURCE),
    ("idx_string", OF_RESOURCE),
    ("idx_date", OF_RESOURCE),
    ("idx_reference", OF_RESOURCE),
    ("idx_quantity", OF_RESOURCE),
    ("idx_number", OF_RESOURCE),
    ("idx_composite", OF_RESOURCE),
    ("idx_uri", OF_RESOURCE),
    ("object_chunk", "NOT EXISTS (SELECT 1 FROM object o WHERE o.row = t.object)"),
    (
        "document",
        "t.object IS NOT NULL AND NOT EXISTS (SELECT 1 FROM object o WHERE o.owner = t.owner AND o.id = t.object)",
    ),
];
const OF_RESOURCE: &str =
    "NOT EXISTS (SELECT 1 FROM resource_current c WHERE c.owner = t.owner AND c.type = t.type AND c.id = t.id)";

/// How many rows are left that hang under these keys, or under nothing any more. Frames in rows are looked for in the files.
pub(crate) fn left_under(connection: &Connection, keys: &[KeyId]) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let step = "counting what is left";
    let mut under = connection.prepare_cached("SELECT count(*) FROM object WHERE key = ?").at(step)?;
    let mut objects = 0;
    for key in keys {
        objects += under.query_row([key.0.0], |row| row.get::<_, i64>(0)).at(step)?.unsigned_abs();
    }
    let mut left = vec![("object", objects)];
    for (table, hangs) in HANGING {
        let sql = format!("SELECT count(*) FROM {table} t WHERE {hangs}");
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).at(step)?;
        left.push((*table, rows.unsigned_abs()));
    }
    Ok(left)
}

fn named(owner: &[u8; OWNER_BYTES], form: Form) -> &[u8] {
    match form {
        Form::Owner => owner,
        Form::Patient => &owner[1..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns that say whose a row is, or who did something.
    const NAMES: &[&str] = &[
        "account",
        "actor",
        "agent",
        "asked_by",
        "assignee",
        "closed_by",
        "confirmed_by",
        "ended_by",
        "owner",
        "patient",
        "person",
        "recorded_by",
        "requester",
        "reviewer",
        "second",
        "seen_by",
        "shown_to",
        "staff",
        "subject",
    ];
    /// Columns of bytes that name nobody by themselves: ids of things, hashes, and what is sealed.
    const THINGS: &[&str] = &[
        "about",
        "by",
        "bytes",
        "certificate",
        "ci_hmac",
        "code",
        "consent",
        "content",
        "credential",
        "deposit",
        "device",
        "digest",
        "encounter",
        "entry",
        "family",
        "frame",
        "ground",
        "id",
        "incident",
        "key",
        "key_id",
        "manifest",
        "name",
        "name_hash",
        "note",
        "notice",
        "object",
        "other",
        "passkey",
        "path",
        "payload",
        "pending",
        "profile",
        "progress",
        "published_note",
        "reason",
        "receipt",
        "record",
        "recovery",
        "representative",
        "request",
        "rotation",
        "scope",
        "sealed",
        "secret",
        "session",
        "sha1",
        "shred",
        "source",
        "state_hash",
        "text",
        "token",
        "token_hash",
        "topic",
        "witnessed_note",
    ];

    #[test]
    fn every_table_that_names_somebody_is_in_a_list() {
        let folder = tempfile::tempdir().expect("a folder");
        let (connection, _guard) = crate::connection::open_writer(&folder.path().join("x.db"), None).expect("opened");
        let sql = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.type = 'BLOB'";
        let mut statement = connection.prepare(sql).expect("prepared");
        let columns =
            statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("read");
        let columns: Vec<(String, String)> = columns.map(|one| one.expect("a row")).collect();
        for (table, column) in &columns {
            let (names, is_thing) = (NAMES.contains(&column.as_str()), THINGS.contains(&column.as_str()));
            assert!(names != is_thing, "{table}.{column}: can it name somebody?");
            let owned = OWNED.iter().any(|(one, ..)| one == table);
            let kept = KEPT.iter().any(|(one, _)| one == table);
            assert!(!names || owned != kept, "{table}.{column}: is it erased with whom it names, or kept, and why?");
        }
        for (table, by, _) in OWNED {
            assert!(columns.iter().any(|(one, column)| one == table && column == by), "{table}.{by} is not there");
        }
        for (table, _) in KEPT {
            assert!(columns.iter().any(|(one, _)| one == table), "{table} is not there");
        }
    }
}
