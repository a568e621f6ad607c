//! Which tables are lasting, and how their changes come into the outbox: by triggers on the writer's connection, so that no room
//! and no statement can forget it. Not the form of a change, which is in [`crate::rows`].
//!
//! A lasting table holds what is nowhere else. Each change of a row is a put of the whole row or a delete of its key, written into
//! `outbox_records` by the same statement, and so accepted or undone with it. The sequencer seals it like a version.
//!
//! Every table is in one of the two lists here; a test holds them against the tables there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::{Clock, Random};
use policy::{InstitutionCode, Owner};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Transaction, params};

use crate::error::{AtStep, StoreError};
use crate::rows::{self, CHANGE_BYTES_MAX};
use crate::sequencer::{KIND_ROWS, outbox};
use crate::types::{Log, OWNER_BYTES, owner_bytes};

/// Triggers of this module begin so; the guard lets what they write pass.
pub(crate) const TRIGGER: &str = "lasting_";
/// The time in statements that put something into an outbox, and the task that they belong to: nothing until the connection is told
/// ([`number`]).
pub(crate) const NOW: &str = "lasting_now()";
pub(crate) const TASK: &str = "lasting_task()";

/// Whose the rows of a table are: under whose key they are sealed, and with whose key they end.
#[derive(Clone, Copy)]
enum Of {
    /// The column holds an owner of 17 bytes.
    Owner(&'static str),
    /// The column holds the id of a patient, person or account, 16 bytes.
    Id(&'static str),
    /// The column holds the code of an institution.
    Institution(&'static str),
    /// An expression in SQL that gives an owner or nothing; `$` stands for the row.
    Sql(&'static str),
    /// Nobody's: the installation's.
    Installation,
}

/// A lasting table.
pub(crate) struct Lasting {
    pub(crate) table: &'static str,
    of: Of,
    /// A column whose value stands elsewhere at the sites, and the expression that tells which one it is.
    pub(crate) instead: Option<(&'static str, &'static str)>,
}

const fn lasting(table: &'static str, of: Of) -> Lasting {
    Lasting { table, of, instead: None }
}

/// Every lasting table.
pub(crate) const LASTING: &[Lasting] = &[
    lasting("policy_epoch", Of::Installation),
    // A frame stands in the same segment; its tag, under a key of its own, is as good as a name.
    Lasting { table: "resource_version", of: Of::Owner("owner"), instead: Some(("frame", "substr($.frame, -16)")) },
    lasting("resource_current", Of::Owner("owner")),
    lasting("resource_again", Of::Owner("owner")),
    lasting("object", Of::Owner("owner")),
    // Numbers of packs are this database's own.
    Lasting {
        table: "object_chunk",
        of: Of::Sql("(SELECT owner FROM object WHERE row = $.object)"),
        instead: Some(("pack", "(SELECT path FROM pack WHERE no = $.pack)")),
    },
    lasting("commitment", Of::Owner("owner")),
    lasting("job", Of::Installation),
    lasting("person", Of::Id("id")),
    lasting("person_patient", Of::Id("patient")),
    lasting("account_right", Of::Id("account")),
    lasting("right_asked", Of::Id("account")),
    lasting("right_ended", Of::Id("account")),
    lasting("access_ground", Of::Id("subject")),
    lasting("broken_glass", Of::Id("subject")),
    lasting("access_notice", Of::Id("account")),
    lasting("representative", Of::Id("person")),
    lasting("representative_proof", Of::Id("person")),
    lasting("consent_rule", Of::Id("person")),
    lasting("clock_floor", Of::Installation),
    lasting("destroyed_key", Of::Installation),
    lasting("erased_owner", Of::Installation),
    lasting("legal_hold", Of::Installation),
    lasting("shred", Of::Installation),
    lasting("shred_approval", Of::Installation),
    lasting("shred_leaf", Of::Installation),
    lasting("log_stamp", Of::Installation),
    lasting("restore_drill", Of::Installation),
    lasting("site_scrub", Of::Installation),
    lasting("account", Of::Id("account")),
    lasting("authenticator", Of::Id("account")),
    lasting("passkey", Of::Id("account")),
    lasting("staff", Of::Id("account")),
    lasting("notice", Of::Id("account")),
    lasting("recovery", Of::Id("account")),
    lasting("recovery_word", Of::Id("account")),
    lasting("institution", Of::Institution("code")),
    lasting("institution_change", Of::Installation),
    lasting("deposit", Of::Institution("institution")),
    lasting("document", Of::Owner("owner")),
    lasting("held_back", Of::Installation),
    lasting("issued", Of::Id("account")),
    // Findings outlive the records they were about.
    lasting("watch_finding", Of::Installation),
    lasting("watch_behind", Of::Installation),
    lasting("watch_case", Of::Installation),
    lasting("watch_step", Of::Installation),
    lasting("watch_review", Of::Installation),
    lasting("watch_flag", Of::Id("subject")),
    lasting("watch_mark", Of::Id("subject")),
    lasting("watch_staff", Of::Id("account")),
    lasting("watch_hours", Of::Institution("institution")),
];

/// Tables that are made again from others, from the logs and the key stores, or that nobody misses: with the reason.
pub(crate) const DISPOSABLE: &[(&str, &str)] = &[
    ("access_entry", "the log `access` has every entry"),
    ("deposit_clear", "empty once the archive has sealed what older programs wrote"),
    ("deposit_file", "a deposit that was interrupted begins anew"),
    ("deposit_file_clear", "as deposit_clear"),
    ("document_clear", "as deposit_clear"),
    ("held_back_clear", "as deposit_clear"),
    ("identity_clock", "the newest time of the record takes its place"),
    ("identity_key", "a key of cookies and forms is gone after a day, and must not be kept elsewhere"),
    ("idx_composite", "made from the current versions"),
    ("idx_date", "made from the current versions"),
    ("idx_number", "made from the current versions"),
    ("idx_quantity", "made from the current versions"),
    ("idx_reference", "made from the current versions"),
    ("idx_string", "made from the current versions"),
    ("idx_token", "made from the current versions"),
    ("idx_uri", "made from the current versions"),
    ("key_change", "counts for processes that are running"),
    ("known_device", "losing one costs its person a notice"),
    ("leaf", "the logs tell the place of every leaf"),
    ("log_edge", "the end of a log is at the sites"),
    ("log_head", "the checkpoint is at the sites"),
    ("outbox_access", "what waits is accepted and not sealed"),
    ("outbox_records", "what waits is accepted and not sealed"),
    ("pack", "numbers for the paths of packs"),
    ("pending_tile", "the end of a log is at the sites"),
    ("refinery_schema_history", "made by the migrations"),
    ("retiring_key", "a rotation is begun anew"),
    ("rewrap_due", "a rotation is begun anew"),
    ("rotation", "a rotation is begun anew"),
    ("row_layout", "made when a store is opened"),
    ("rows_leaf", "the frames of rows tell their keys"),
    ("scrub_cursor", "a scrub begins anew"),
    ("session", "people sign in again"),
    ("sign_in_used", "a sign-in that was begun is begun again"),
    ("staff_invitation", "one that is lost is made anew"),
    ("throttle", "failures are counted anew"),
    ("watch_account", "counted anew from the log `access`"),
    ("watch_count", "counted anew from the log `access`"),
    ("watch_delivery", "how alerts got on before"),
    ("watch_device", "found anew in the log `access`"),
    ("watch_position", "the watch reads the log `access` from its beginning"),
    ("wrapped_key", "the key stores have every key"),
];

/// One table as it stands.
pub(crate) struct Columns {
    /// Of the primary key, in its order.
    pub(crate) keys: Vec<String>,
    /// All others.
    pub(crate) rest: Vec<String>,
}

impl Columns {
    /// Reads them from the database.
    pub(crate) fn read(connection: &Connection, table: &str) -> Result<Self, StoreError> {
        let step = "reading the columns of a table";
        let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid").at(step)?;
        let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).at(step)?;
        let found: Vec<(String, i64)> = found.collect::<Result<_, _>>().at(step)?;
        let mut keys: Vec<_> = found.iter().filter(|(_, key)| *key > 0).cloned().collect();
        keys.sort_unstable_by_key(|(_, key)| *key);
        let names = |columns: Vec<(String, i64)>| columns.into_iter().map(|(name, _)| name).collect();
        let rest = found.into_iter().filter(|(_, key)| *key == 0).collect();
        Ok(Self { keys: names(keys), rest: names(rest) })
    }

    /// All, keys first: the order in which a change has them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.keys.iter().chain(&self.rest)
    }
}

impl Lasting {
    /// What stands for a column of `row` in a change.
    pub(crate) fn value(&self, column: &str, row: &str) -> String {
        match self.instead {
            Some((instead, sql)) if instead == column => sql.replace('$', row),
            _ => format!("{row}.{column}"),
        }
    }

    fn owner(&self, row: &str) -> String {
        match self.of {
            Of::Owner(column) => format!("{row}.{column}"),
            Of::Id(column) => format!("lasting_person({row}.{column})"),
            Of::Institution(column) => format!("lasting_institution({row}.{column})"),
            Of::Sql(sql) => sql.replace('$', row),
            Of::Installation => "NULL".to_owned(),
        }
    }

    /// Whether a row is an owner's, the first value of the statement; `None` for tables whose rows are no patient's.
    fn is_of(&self, row: &str) -> Option<String> {
        match self.of {
            Of::Owner(column) => Some(format!("{row}.{column} = ?1")),
            Of::Id(column) => Some(format!("{row}.{column} = substr(?1, 2) AND lasting_person({row}.{column}) = ?1")),
            Of::Sql(_) | Of::Institution(_) | Of::Installation => None,
        }
    }

    fn put(&self, columns: &Columns, row: &str) -> String {
        let values: Vec<String> = columns.all().map(|column| self.value(column, row)).collect();
        format!("lasting_change(1, {})", values.join(", "))
    }

    fn triggers(&self, columns: &Columns, layout: i64) -> String {
        let table = self.table;
        let into = "INSERT INTO outbox_records (kind, row, entry, owner, since_us, task)";
        let put = |row| {
            format!("SELECT {KIND_ROWS}, {layout}, {}, {}, {NOW}, {TASK}", self.put(columns, row), self.owner(row))
        };
        let keys: Vec<String> = columns.keys.iter().map(|key| self.value(key, "OLD")).collect();
        let delete = format!(
            "SELECT {KIND_ROWS}, {layout}, lasting_change(2, {}), {}, {NOW}, {TASK}",
            keys.join(", "),
            self.owner("OLD")
        );
        let differ = |names: &mut dyn Iterator<Item = &String>| {
            let each: Vec<String> = names.map(|name| format!("OLD.{name} IS NOT NEW.{name}")).collect();
            each.join(" OR ")
        };
        let (rekeyed, changed) = (differ(&mut columns.keys.iter()), differ(&mut columns.all()));
        format!(
            "CREATE TEMP TRIGGER {TRIGGER}{table}_insert AFTER INSERT ON main.{table} BEGIN {into} {}; END;\n\
             CREATE TEMP TRIGGER {TRIGGER}{table}_update AFTER UPDATE ON main.{table} WHEN {changed} BEGIN \
             {into} {delete} WHERE {rekeyed}; {into} {}; END;\n\
             CREATE TEMP TRIGGER {TRIGGER}{table}_delete AFTER DELETE ON main.{table} BEGIN {into} {delete}; END;\n",
            put("NEW"),
            put("NEW"),
        )
    }
}

/// Lets every change of a lasting table come into the outbox from now on, and what a table holds that never did. On the writer's
/// connection, in every process, while the store is locked for opening.
pub(crate) fn install(connection: &mut Connection) -> Result<(), StoreError> {
    let step = "watching lasting tables";
    functions(connection).at(step)?;
    // A row that another takes the place of is deleted like any other.
    connection.pragma_update(None, "recursive_triggers", true).at(step)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).at(step)?;
    if let Some(table) = unlisted(&transaction)? {
        let reason = format!("the table {table} is neither lasting nor disposable");
        return Err(StoreError::Damaged { what: "the database", reason });
    }
    for lasting in LASTING {
        let columns = Columns::read(&transaction, lasting.table)?;
        let (layout, is_first) = layout(&transaction, lasting, &columns)?;
        if is_first {
            // `NEW` is a name like any other outside a trigger, so the same expressions serve.
            let sql = format!(
                "INSERT INTO outbox_records (kind, row, entry, owner) SELECT {KIND_ROWS}, {layout}, {}, {} FROM {} AS NEW",
                lasting.put(&columns, "NEW"),
                lasting.owner("NEW"),
                lasting.table
            );
            transaction.execute(&sql, []).at(step)?;
        }
        transaction.execute_batch(&lasting.triggers(&columns, layout)).at(step)?;
    }
    transaction.commit().at(step)
}

/// Lets rows of an owner that stay when the owner is erased come into the outbox once more, as the installation's own: what was
/// sealed of them under the owner's key ends with it.
pub(crate) fn keep(transaction: &Transaction<'_>, owner: &[u8; OWNER_BYTES]) -> Result<(), StoreError> {
    let step = "keeping what stays";
    for lasting in LASTING.iter().filter(|one| crate::shred::is_kept(one.table)) {
        let Some(whose) = lasting.is_of("kept") else { continue };
        let columns = Columns::read(transaction, lasting.table)?;
        let (layout, _) = layout(transaction, lasting, &columns)?;
        let sql = format!(
            "INSERT INTO outbox_records (kind, row, entry, owner, since_us, task) SELECT {KIND_ROWS}, {layout}, {}, NULL, {NOW}, {TASK} FROM {} AS kept WHERE {whose}",
            lasting.put(&columns, "kept"),
            lasting.table
        );
        transaction.execute(&sql, [owner]).at(step)?;
    }
    Ok(())
}

/// A table that is in none of the lists: nobody would know whether it may be lost.
fn unlisted(connection: &Connection) -> Result<Option<String>, StoreError> {
    let step = "listing tables";
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql).at(step)?;
    let names = statement.query_map([], |row| row.get(0)).at(step)?;
    let names: Vec<String> = names.collect::<Result<_, _>>().at(step)?;
    let is_listed =
        |name: &str| LASTING.iter().any(|one| one.table == name) || DISPOSABLE.iter().any(|(table, _)| *table == name);
    Ok(names.into_iter().find(|name| !is_listed(name)))
}

/// Notes the layouts of all tables, so that what they hold now does not come into the outbox.
pub(crate) fn note_layouts(connection: &Connection) -> Result<(), StoreError> {
    for lasting in LASTING {
        layout(connection, lasting, &Columns::read(connection, lasting.table)?)?;
    }
    Ok(())
}

/// The number of a table's layout, and whether the table has none yet.
fn layout(connection: &Connection, lasting: &Lasting, columns: &Columns) -> Result<(i64, bool), StoreError> {
    let step = "noting the layout of a table";
    let known =
        connection.prepare("SELECT 1 FROM row_layout WHERE name = ?").at(step)?.exists([lasting.table]).at(step)?;
    let all = columns.all().cloned().collect::<Vec<_>>().join(",");
    let values = params![lasting.table, columns.keys.len() as i64, all];
    connection.execute("INSERT OR IGNORE INTO row_layout (name, keys, columns) VALUES (?, ?, ?)", values).at(step)?;
    let sql = "SELECT no FROM row_layout WHERE name = ? AND keys = ? AND columns = ?";
    Ok((connection.query_row(sql, values, |row| row.get(0)).at(step)?, !known))
}

/// Numbers the tasks of a writer's connection: the rows that a task puts into the outbox carry its number, so that whoever takes from
/// the outbox knows where a task ends. Those of two processes begin anywhere, so that neighbours differ.
pub(crate) struct Tasks(Arc<AtomicI64>);

impl Tasks {
    /// A task begins.
    pub(crate) fn next(&self) {
        // All 64 bits are used, and the number after the last is the first.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn uncounted() -> Self {
        Self(Arc::default())
    }
}

/// Lets what comes into the outboxes say since when it waits, and of which task it is; what does not say when it came waits from now on.
pub(crate) fn number(connection: &Connection, clock: Arc<dyn Clock>, random: &dyn Random) -> Result<Tasks, StoreError> {
    let step = "telling time and task to a connection";
    now(connection, move || Some(clock.now().as_microsecond())).at(step)?;
    for table in Log::ALL.map(outbox) {
        connection.execute(&format!("UPDATE {table} SET since_us = {NOW} WHERE since_us IS NULL"), []).at(step)?;
    }
    let first = random.bytes16();
    let first = i64::from_be_bytes(*first.first_chunk().expect("16 bytes have a first 8"));
    let tasks = Tasks(Arc::new(AtomicI64::new(first)));
    let number = Arc::clone(&tasks.0);
    task(connection, move || Some(number.load(Ordering::Relaxed))).at(step)?;
    Ok(tasks)
}

fn now(connection: &Connection, time: impl Fn() -> Option<i64> + Send + 'static) -> rusqlite::Result<()> {
    connection.create_scalar_function("lasting_now", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(time()))
}

fn task(connection: &Connection, number: impl Fn() -> Option<i64> + Send + 'static) -> rusqlite::Result<()> {
    connection.create_scalar_function("lasting_task", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(number()))
}

fn functions(connection: &Connection) -> rusqlite::Result<()> {
    now(connection, || None)?;
    task(connection, || None)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("lasting_change", -1, flags, |context| {
        let change = rows::change_of(context);
        if change.len() > CHANGE_BYTES_MAX {
            return Err(refused("a row of a lasting table has too many bytes"));
        }
        Ok(change)
    })?;
    connection.create_scalar_function("lasting_person", 1, flags, |context| {
        let id: [u8; 16] = context.get(0)?;
        Ok(owner_bytes(Owner::Patient(base::Id16(id))).to_vec())
    })?;
    connection.create_scalar_function("lasting_institution", 1, flags, |context: &Context<'_>| {
        let code = context.get_raw(0).as_str().ok().and_then(InstitutionCode::new);
        let code = code.ok_or_else(|| refused("a row of a lasting table names no institution"))?;
        Ok(owner_bytes(Owner::institution(&code)).to_vec())
    })
}

fn refused(reason: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::open_writer;

    fn changes(connection: &Connection) -> Vec<(i64, String, Option<Vec<u8>>)> {
        let sql = "SELECT substr(entry, 1, 1) = X'01', name, owner FROM outbox_records \
                   JOIN row_layout ON row_layout.no = outbox_records.row WHERE kind = 6 ORDER BY outbox_records.no";
        let mut statement = connection.prepare(sql).expect("a list");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("a list");
        rows.collect::<Result<_, _>>().expect("changes")
    }

    #[test]
    fn every_table_is_lasting_or_disposable() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (connection, _guard) = open_writer(&folder.path().join("t.db"), None).expect("opens");
        let mut known: Vec<&str> = LASTING.iter().map(|one| one.table).collect();
        known.extend(DISPOSABLE.iter().map(|(table, _)| *table));
        let count = known.len();
        known.sort_unstable();
        known.dedup();
        assert_eq!(known.len(), count, "a table belongs into one of the lists, and once");
        for table in known {
            let sql = format!("SELECT count(*) FROM {table}");
            assert!(connection.prepare(&sql).is_ok(), "{table} is listed and not there");
        }
        connection.execute_batch("CREATE TABLE forgotten (n INTEGER PRIMARY KEY)").expect("a table");
        drop(connection);
        let error = open_writer(&folder.path().join("t.db"), None).err().expect("nobody said what it is");
        assert!(error.to_string().contains("forgotten"), "{error}");
        let (connection, _guard) = open_writer(&folder.path().join("u.db"), None).expect("opens");
        for one in LASTING {
            let columns = Columns::read(&connection, one.table).expect("columns");
            assert!(!columns.keys.is_empty(), "{} is lasting and has no primary key", one.table);
        }
    }

    #[test]
    fn changes_of_lasting_rows_wait_in_the_outbox() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let (connection, guard) = open_writer(&folder.path().join("t.db"), None).expect("opens");
        connection.execute("DELETE FROM outbox_records", []).expect("what the migrations wrote");
        guard.within(|| {
            let account = "INSERT INTO account VALUES (X'00112233445566778899aabbccddeeff', X'01', 1, 1)";
            connection.execute(account, []).expect("a room writes its tables");
            connection.execute("UPDATE account SET signed_in_us = 2", []).expect("a room writes its tables");
            connection.execute("UPDATE account SET signed_in_us = 2", []).expect("the same again is no change");
            let other = "UPDATE account SET account = X'ff112233445566778899aabbccddeeff'";
            connection.execute(other, []).expect("a key may change");
            connection.execute("INSERT OR REPLACE INTO account SELECT * FROM account", []).expect("replaced");
            connection.execute("DELETE FROM account", []).expect("deleted");
            assert!(connection.execute("DELETE FROM outbox_records", []).is_err(), "rooms keep off the outbox");
        });
        let found = changes(&connection);
        let kinds: Vec<bool> = found.iter().map(|(put, ..)| *put == 1).collect();
        assert_eq!(kinds, [true, true, false, true, false, true, false]);
        assert!(found.iter().all(|(_, table, _)| table == "account"));
        let owner = found[0].2.clone().expect("somebody's");
        assert_eq!((owner.len(), owner[0], owner[16]), (17, 2, 0xff));
    }

    #[test]
    fn what_a_table_held_before_it_was_lasting_waits_too() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("t.db");
        let (connection, _guard) = open_writer(&path, None).expect("opens");
        connection
            .execute_batch("DELETE FROM outbox_records; DELETE FROM row_layout WHERE name = 'policy_epoch'")
            .expect("as if new");
        drop(connection);
        let (connection, _guard) = open_writer(&path, None).expect("opens again");
        let found = changes(&connection);
        assert_eq!(found.iter().map(|(_, table, _)| table.as_str()).collect::<Vec<_>>(), ["policy_epoch"]);
        drop(connection);
        let (connection, _guard) = open_writer(&path, None).expect("opens a third time");
        assert_eq!(changes(&connection).len(), 1, "and only once");
    }
}
