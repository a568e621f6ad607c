//! What a database holds, cell by cell: for whoever searches it for what must not stand there. It knows no table by its name.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Gives every text and every blob of a database, with its table and column. Nothing is changed.
///
/// # Panics
/// Where it is no database, or a table cannot be read.
pub fn each(database: &Path, look: &mut dyn FnMut(&str, &str, &[u8])) {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("a schema");
    let names = names.query_map([], |row| row.get::<_, String>(0)).expect("a schema");
    let names: Vec<String> = names.collect::<Result<_, _>>().expect("names");
    assert!(!names.is_empty(), "there are tables");
    for table in names {
        let mut all = connection.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table");
        let columns: Vec<String> = all.column_names().map(ToOwned::to_owned).collect();
        let mut rows = all.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for (place, column) in columns.iter().enumerate() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(place).expect("a cell") {
                    look(&table, column, bytes);
                }
            }
        }
    }
}
