//! What every lasting table holds, as one digest each: by it two databases are known to hold the same. It tells nobody what that is.

use aws_lc_rs::digest::{Context, SHA256};
use base::wire;
use policy::{Action, Permit};
use rusqlite::Connection;

use crate::Store;
use crate::core::check_action;
use crate::error::{AtStep, StoreError};
use crate::lasting::{Columns, LASTING};
use crate::rows::write_value;

/// Tables that are made again from others and must come out the same: their name, what is compared, and in which order.
const MADE_AGAIN: &[(&str, &str)] = &[
    ("access_entry", "SELECT subject, time_us, id, frame FROM access_entry ORDER BY subject, time_us, id"),
    (
        "idx_composite",
        "SELECT owner, type, param, first, second, low, high, id FROM idx_composite ORDER BY 1, 2, 3, 4, 5, 6, 7, 8",
    ),
    ("idx_date", "SELECT owner, type, param, low_us, high_us, id FROM idx_date ORDER BY 1, 2, 3, 4, 5, 6"),
    ("idx_number", "SELECT owner, type, param, low, high, id FROM idx_number ORDER BY 1, 2, 3, 4, 5, 6"),
    (
        "idx_quantity",
        "SELECT owner, type, param, low, high, system, code, id FROM idx_quantity ORDER BY 1, 2, 3, 4, 5, 6, 7, 8",
    ),
    (
        "idx_reference",
        "SELECT owner, type, param, target, target_type, id FROM idx_reference ORDER BY 1, 2, 3, 4, 5, 6",
    ),
    ("idx_string", "SELECT owner, type, param, value, id FROM idx_string ORDER BY 1, 2, 3, 4, 5"),
    ("idx_token", "SELECT owner, type, param, code, system, id FROM idx_token ORDER BY 1, 2, 3, 4, 5, 6"),
    ("idx_uri", "SELECT owner, type, param, value, id FROM idx_uri ORDER BY 1, 2, 3, 4, 5"),
    // Not the pack: a round that was interrupted leaves its frames in two.
    ("leaf", "SELECT kind, row, position FROM leaf ORDER BY kind, row"),
    // Without signatures, which end the note: witnesses add theirs where it is published.
    ("log_head", "SELECT log, size, substr(note, 1, instr(note, x'0A0A')) FROM log_head ORDER BY log"),
];

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFingerprint {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over all values in the order of the key, in hexadecimal digits.
    pub digest: String,
}

/// All lasting tables, and those that are made again from others.
pub type Fingerprint = Vec<TableFingerprint>;

impl Store {
    /// The fingerprint of everything that lasts here, from one state of the database. Takes a permit to read the status.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Database`].
    pub fn fingerprint(&self, permit: &Permit) -> Result<Fingerprint, StoreError> {
        check_action(permit, "fingerprint", &[Action::ReadStatus])?;
        self.core().readers.snapshot("taking a fingerprint", fingerprint)
    }
}

pub(crate) fn fingerprint(connection: &Connection) -> Result<Fingerprint, StoreError> {
    let mut tables = Vec::new();
    for lasting in LASTING {
        let columns = Columns::read(connection, lasting.table)?;
        // A frame is compared whole; numbers of packs are each database's own.
        let value = |column: &String| if column == "frame" { "t.frame".to_owned() } else { lasting.value(column, "t") };
        let values: Vec<String> = columns.all().map(value).collect();
        let sql = format!(
            "SELECT {} FROM {} AS t ORDER BY {}",
            values.join(", "),
            lasting.table,
            columns.keys.iter().map(|key| format!("t.{key}")).collect::<Vec<_>>().join(", ")
        );
        tables.push(table(connection, lasting.table, &sql)?);
    }
    for (name, sql) in MADE_AGAIN {
        tables.push(table(connection, name, sql)?);
    }
    tables.sort_unstable_by(|one, other| one.table.cmp(&other.table));
    Ok(tables)
}

fn table(connection: &Connection, name: &str, sql: &str) -> Result<TableFingerprint, StoreError> {
    let step = "taking a fingerprint";
    let mut statement = connection.prepare(sql).at(step)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).at(step)?;
    let (mut digest, mut count) = (Context::new(&SHA256), 0);
    while let Some(row) = rows.next().at(step)? {
        let mut out = wire::Writer::new();
        for column in 0..columns {
            write_value(&mut out, row.get_ref(column).at(step)?);
        }
        digest.update(out.as_slice());
        count += 1;
    }
    Ok(TableFingerprint { table: name.to_owned(), rows: count, digest: base::hex(digest.finish().as_ref()) })
}
