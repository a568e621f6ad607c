//! The database under a watch, as somebody has it who holds the file: no room in a table, a key that was changed. Not how a store is
//! opened on it.

use base::Id16;
use rusqlite::Connection;
use std::path::Path;

fn open(database: &Path) -> Connection {
    Connection::open(database).expect("the database")
}

fn number(database: &Path, sql: &str) -> i64 {
    open(database).query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// Entries of accesses that came into the database.
///
/// # Panics
/// Where there is no database.
#[must_use]
pub fn entries(database: &Path) -> i64 {
    number(database, "SELECT count(*) FROM access_entry")
}

/// Patients under whose ids records stand, in the order in which they came.
///
/// # Panics
/// Where there is no database.
#[must_use]
pub fn patients(database: &Path) -> Vec<Id16> {
    let database = open(database);
    let sql = "SELECT substr(owner, 2) FROM resource_current WHERE type = 'Patient' ORDER BY row";
    let mut statement = database.prepare(sql).expect("a table of resources");
    let ids = statement.query_map([], |row| Ok(Id16(row.get(0)?))).expect("they are read");
    ids.collect::<Result<_, _>>().expect("ids of patients")
}

/// Findings of the watch, and accesses that it counted.
///
/// # Panics
/// Where there is no database.
#[must_use]
pub fn watched(database: &Path) -> (i64, i64) {
    let counted = number(database, "SELECT coalesce(sum(accesses), 0) FROM watch_count");
    (number(database, "SELECT count(*) FROM watch_finding"), counted)
}

/// Does something while the counts of the watch cannot be written.
///
/// # Panics
/// Where there is no database.
pub fn without_room<T>(database: &Path, act: impl FnOnce() -> T) -> T {
    let refuse = "CREATE TRIGGER no_room BEFORE INSERT ON watch_count BEGIN SELECT RAISE(ABORT, 'no room'); END";
    open(database).execute_batch(refuse).expect("a trigger");
    let done = act();
    open(database).execute_batch("DROP TRIGGER no_room").expect("dropped");
    done
}

/// The wrapped key of the one year of accesses.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn year_key(database: &Path) -> Vec<u8> {
    let sql = "SELECT bytes FROM wrapped_key WHERE substr(name, 1, 1) = x'05'";
    open(database).query_row(sql, [], |row| row.get(0)).expect("the key of the year")
}

/// Puts other bytes in its place.
///
/// # Panics
/// Where there is none.
pub fn set_year_key(database: &Path, bytes: &[u8]) {
    let sql = "UPDATE wrapped_key SET bytes = ? WHERE substr(name, 1, 1) = x'05'";
    assert_eq!(open(database).execute(sql, [bytes]).expect("written"), 1);
}
