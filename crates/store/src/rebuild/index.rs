//! Makes the search index again from the current version of every resource.

use policy::{InstitutionCode, Permit};
use rusqlite::Connection;
use vault::Keyring;

use crate::error::{AtStep, StoreError};
use crate::index::IndexRow;
use crate::prepare::read_body;
use crate::types::id16_from;

/// Resources in one transaction.
const BATCH: usize = 2_000;

struct Current {
    row: i64,
    owner: Vec<u8>,
    id: Vec<u8>,
    frame: Vec<u8>,
}

/// Gives the index rows of an institution's resource, or says why it cannot be read.
type Reindex<'a> = dyn Fn(&InstitutionCode, &[u8]) -> Result<Vec<IndexRow>, String> + 'a;

pub(super) fn make(
    permit: &Permit,
    keyring: &Keyring,
    target: &mut Connection,
    reindex: &Reindex<'_>,
) -> Result<(), StoreError> {
    let step = "making the search index again";
    let mut after = -1;
    loop {
        let batch = current(target, after)?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = last.row;
        let transaction = target.transaction().at(step)?;
        for one in &batch {
            let opened = vault::open_frame(permit, keyring, &one.frame)?;
            let body = read_body(&opened.body)?;
            let institution = crate::types::institution_from(body.institution)?;
            let rows = reindex(&institution, body.bytes)
                .map_err(|reason| StoreError::Rebuild { reason: format!("a resource cannot be read: {reason}") })?;
            crate::index::insert(&transaction, &one.owner, body.resource_type, id16_from(&one.id)?, &rows)?;
        }
        transaction.commit().at(step)?;
    }
}

/// Current versions behind a row, in the order of the table of versions.
fn current(target: &Connection, after: i64) -> Result<Vec<Current>, StoreError> {
    let step = "reading current versions";
    let sql = format!(
        "SELECT v.row, c.owner, c.id, v.frame FROM resource_version v JOIN current_row r ON r.row = v.row \
         JOIN resource_current c ON c.owner = r.owner AND c.type = r.type AND c.id = r.id \
         WHERE v.row > ? ORDER BY v.row LIMIT {BATCH}"
    );
    if after < 0 {
        target
            .execute_batch(
                "DROP TABLE IF EXISTS temp.current_row; \
                 CREATE TEMP TABLE current_row (row INTEGER PRIMARY KEY, owner BLOB, type TEXT, id BLOB); \
                 INSERT INTO current_row SELECT row, owner, type, id FROM resource_current",
            )
            .at(step)?;
    }
    let mut statement = target.prepare_cached(&sql).at(step)?;
    let rows = statement
        .query_map([after], |row| {
            Ok(Current { row: row.get(0)?, owner: row.get(1)?, id: row.get(2)?, frame: row.get(3)? })
        })
        .at(step)?;
    rows.collect::<Result<_, _>>().at(step)
}
