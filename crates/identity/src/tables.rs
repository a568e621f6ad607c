//! Every SQL statement of this crate, over the tables of `store/migrations/V02__identity.sql` and what later ones added. Passkeys,
//! staff and devices have files of their own below this one. No rule is decided here.

pub(crate) mod devices;
pub(crate) mod keys;
pub(crate) mod passkeys;
pub(crate) mod recovery;
pub(crate) mod staff;

use crate::error::Ending;
use crate::session::TokenHash;
use crate::throttle::{Counter, Counters, FORGET_US};
use base::Id16;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Rows of each disposable table thrown away by one write at most, so that no write is long.
const PURGE_ROWS: i64 = 200;
/// Ended sessions are kept this long, to tell their person why they ended.
const TOMBSTONE_US: i64 = 24 * 3600 * 1_000_000;

/// One session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub token: TokenHash,
    pub id: Id16,
    pub account: Id16,
    pub assurance: i64,
    pub source: Vec<u8>,
    pub failures: u32,
    pub began_us: i64,
    pub seen_us: i64,
    pub ended: Option<Ending>,
    /// When the second factor was last given; 0 where it never was.
    pub factor_us: i64,
    /// The keyed hash of the device's cookie; zeros where it has none.
    pub device: [u8; 32],
    /// What kind of browser it is, sealed.
    pub family: Vec<u8>,
}

/// One account as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub account: Id16,
    pub profile: Vec<u8>,
}

/// The second factor of an account as stored: the secret in use, sealed. There is none in a row since it was removed, or where an
/// older program left one that was being set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TotpRow {
    pub secret: Option<Vec<u8>>,
    pub last_step: i64,
    /// When it was set up, or removed.
    pub made_us: i64,
}

/// The keyed hashes under which an attempt's counters are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CounterNames {
    pub pair: [u8; 32],
    pub source: [u8; 32],
    pub account: [u8; 32],
    /// Everybody's, in this minute.
    pub global: [u8; 32],
    /// Whether the account's device or source is known, which others' failures do not concern.
    pub known: bool,
}

/// The newest time known, at least `now_us`.
pub(crate) fn newest_us(connection: &Connection, now_us: i64) -> rusqlite::Result<i64> {
    let stored: Option<i64> = connection
        .prepare_cached("SELECT newest_us FROM identity_clock WHERE one = 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(stored.map_or(now_us, |stored_us| stored_us.max(now_us)))
}

/// Stores the newest time and gives it back: no later answer is earlier.
pub(crate) fn raise_newest(transaction: &Transaction<'_>, now_us: i64) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(
            "INSERT INTO identity_clock (one, newest_us) VALUES (1, ?1)
             ON CONFLICT (one) DO UPDATE SET newest_us = max(newest_us, excluded.newest_us) RETURNING newest_us",
        )?
        .query_row([now_us], |row| row.get(0))
}

/// Remembers a sign-in as tried; `false` when it was already.
pub(crate) fn use_sign_in(transaction: &Transaction<'_>, state: [u8; 32], now_us: i64) -> rusqlite::Result<bool> {
    let added = transaction
        .prepare_cached("INSERT INTO sign_in_used (state_hash, used_us) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![state, now_us])?;
    Ok(added == 1)
}

/// Makes the account, or brings its profile up to date.
pub(crate) fn put_account(transaction: &Transaction<'_>, account: &AccountRow, now_us: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO account (account, profile, made_us, signed_in_us) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (account) DO UPDATE SET profile = excluded.profile, signed_in_us = excluded.signed_in_us",
        )?
        .execute(params![account.account.0, account.profile, now_us])?;
    Ok(())
}

/// An account.
pub(crate) fn account(connection: &Connection, account: Id16) -> rusqlite::Result<Option<AccountRow>> {
    connection
        .prepare_cached("SELECT account, profile FROM account WHERE account = ?1")?
        .query_row([account.0], |row| Ok(AccountRow { account: Id16(row.get(0)?), profile: row.get(1)? }))
        .optional()
}

/// Adds a session.
pub(crate) fn add_session(transaction: &Transaction<'_>, session: &SessionRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO session
             (token_hash, session, account, assurance, source, failures, began_us, seen_us, factor_us, device, family)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            session.token.0,
            session.id.0,
            session.account.0,
            session.assurance,
            session.source,
            session.failures,
            session.began_us,
            session.seen_us,
            session.factor_us,
            session.device,
            session.family,
        ])?;
    Ok(())
}

const SESSION_COLUMNS: &str =
    "token_hash, session, account, assurance, source, failures, began_us, seen_us, ended, factor_us, device, family";

/// The session of a token.
pub(crate) fn session(connection: &Connection, token: TokenHash) -> rusqlite::Result<Option<SessionRow>> {
    connection
        .prepare_cached(&format!("SELECT {SESSION_COLUMNS} FROM session WHERE token_hash = ?1"))?
        .query_row([token.0], session_row)
        .optional()
}

/// The sessions of an account that nobody ended, newest first.
pub(crate) fn sessions_of(connection: &Connection, account: Id16) -> rusqlite::Result<Vec<SessionRow>> {
    connection
        .prepare_cached(&format!(
            "SELECT {SESSION_COLUMNS} FROM session WHERE account = ?1 AND ended IS NULL ORDER BY began_us DESC, rowid DESC"
        ))?
        .query_map([account.0], session_row)?
        .collect()
}

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let ended: Option<i64> = row.get(8)?;
    Ok(SessionRow {
        token: TokenHash(row.get(0)?),
        id: Id16(row.get(1)?),
        account: Id16(row.get(2)?),
        assurance: row.get(3)?,
        source: row.get(4)?,
        failures: unsigned(row, 5)?,
        began_us: row.get(6)?,
        seen_us: row.get(7)?,
        ended: ended.map(Ending::from_number),
        factor_us: row.get(9)?,
        // Sessions from before devices were told apart have none.
        device: row.get::<_, Vec<u8>>(10)?.try_into().unwrap_or([0; 32]),
        family: row.get(11)?,
    })
}

/// Notes that a session was used.
pub(crate) fn touch_session(transaction: &Transaction<'_>, token: TokenHash, now_us: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE session SET seen_us = max(seen_us, ?2) WHERE token_hash = ?1 AND ended IS NULL")?
        .execute(params![token.0, now_us])?;
    Ok(())
}

/// Notes how many wrong codes a session has seen.
pub(crate) fn set_failures(transaction: &Transaction<'_>, token: TokenHash, failures: u32) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE session SET failures = ?2 WHERE token_hash = ?1")?
        .execute(params![token.0, failures])?;
    Ok(())
}

/// Ends a session that has not ended; `false` when there was none.
pub(crate) fn end_session(
    transaction: &Transaction<'_>,
    token: TokenHash,
    why: Ending,
    now_us: i64,
) -> rusqlite::Result<bool> {
    let ended = transaction
        .prepare_cached("UPDATE session SET ended = ?2, ended_us = ?3 WHERE token_hash = ?1 AND ended IS NULL")?
        .execute(params![token.0, why.number(), now_us])?;
    Ok(ended == 1)
}

/// The second factor of an account.
pub(crate) fn totp(connection: &Connection, account: Id16) -> rusqlite::Result<Option<TotpRow>> {
    connection
        .prepare_cached("SELECT secret, last_step, made_us FROM authenticator WHERE account = ?1 AND kind = 'totp'")?
        .query_row([account.0], |row| Ok(TotpRow { secret: row.get(0)?, last_step: row.get(1)?, made_us: row.get(2)? }))
        .optional()
}

/// Forgets the second factor of an account; `false` where it had none.
pub(crate) fn remove_totp(transaction: &Transaction<'_>, account: Id16) -> rusqlite::Result<bool> {
    let removed = transaction
        .prepare_cached("DELETE FROM authenticator WHERE account = ?1 AND kind = 'totp'")?
        .execute([account.0])?;
    Ok(removed == 1)
}

/// Takes an account's secret out of use, and keeps when; `false` where it had none.
pub(crate) fn retire_totp(transaction: &Transaction<'_>, account: Id16, now_us: i64) -> rusqlite::Result<bool> {
    let retired = transaction
        .prepare_cached(
            "UPDATE authenticator SET secret = NULL, pending = NULL, last_step = -1, made_us = ?2
             WHERE account = ?1 AND kind = 'totp' AND secret IS NOT NULL",
        )?
        .execute(params![account.0, now_us])?;
    Ok(retired == 1)
}

/// Makes a secret the one in use, with `step` used. What older programs kept of one being set up goes.
pub(crate) fn confirm_totp(
    transaction: &Transaction<'_>,
    account: Id16,
    secret: &[u8],
    step: i64,
    now_us: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO authenticator (account, kind, secret, last_step, made_us) VALUES (?1, 'totp', ?2, ?3, ?4)
             ON CONFLICT (account, kind) DO UPDATE SET secret = excluded.secret, pending = NULL,
             last_step = excluded.last_step, made_us = excluded.made_us",
        )?
        .execute(params![account.0, secret, step, now_us])?;
    Ok(())
}

/// Notes that a step's code was used.
pub(crate) fn use_step(transaction: &Transaction<'_>, account: Id16, step: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE authenticator SET last_step = max(last_step, ?2) WHERE account = ?1 AND kind = 'totp'")?
        .execute(params![account.0, step])?;
    Ok(())
}

/// The counters that concern an attempt.
pub(crate) fn counters(connection: &Connection, names: &CounterNames) -> rusqlite::Result<Counters> {
    Ok(Counters {
        pair: counter(connection, &names.pair)?,
        source: counter(connection, &names.source)?,
        account: counter(connection, &names.account)?,
        global: counter(connection, &names.global)?,
        known: names.known,
    })
}

/// One counter; empty when nothing failed under its name.
pub(crate) fn counter(connection: &Connection, name: &[u8; 32]) -> rusqlite::Result<Counter> {
    let found = connection
        .prepare_cached("SELECT failures, latest_us FROM throttle WHERE name_hash = ?1")?
        .query_row([name], |row| Ok(Counter { failures: unsigned(row, 0)?, latest_us: row.get(1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Stores a counter.
pub(crate) fn set_counter(transaction: &Transaction<'_>, name: &[u8; 32], counter: Counter) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO throttle (name_hash, failures, latest_us) VALUES (?1, ?2, ?3)
             ON CONFLICT (name_hash) DO UPDATE SET failures = excluded.failures, latest_us = excluded.latest_us",
        )?
        .execute(params![name, counter.failures, counter.latest_us])?;
    Ok(())
}

/// Forgets a counter.
pub(crate) fn clear_counter(transaction: &Transaction<'_>, name: &[u8; 32]) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM throttle WHERE name_hash = ?1")?.execute([name])?;
    Ok(())
}

/// Makes `now_us` the newest time, ends every session, and brings what would wait for a later one back to it; `step` is the newest
/// step whose code is taken now. Gives how many sessions ended. Sign-ins tried later than now stay as they are: their cookies
/// are good again at their own time.
pub(crate) fn reset_clock(transaction: &Transaction<'_>, now_us: i64, step: i64) -> rusqlite::Result<usize> {
    let ended = transaction.execute(
        "UPDATE session SET ended = ?1, ended_us = ?2 WHERE ended IS NULL",
        params![Ending::Revoked.number(), now_us],
    )?;
    transaction.execute(
        "UPDATE session SET began_us = min(began_us, ?1), seen_us = min(seen_us, ?1), ended_us = min(ended_us, ?1)
         WHERE max(began_us, seen_us, ended_us) > ?1",
        [now_us],
    )?;
    transaction.execute("UPDATE authenticator SET last_step = ?1 WHERE last_step > ?1", [step])?;
    transaction.execute("UPDATE throttle SET latest_us = ?1 WHERE latest_us > ?1", [now_us])?;
    transaction.execute("UPDATE identity_clock SET newest_us = ?1", [now_us])?;
    Ok(ended)
}

/// Throws away some of what no longer matters: old sessions, tried sign-ins older than `sign_in_us`, quiet counters.
pub(crate) fn purge(
    transaction: &Transaction<'_>,
    now_us: i64,
    absolute_us: i64,
    sign_in_us: i64,
) -> rusqlite::Result<usize> {
    let sessions = transaction
        .prepare_cached(
            "DELETE FROM session WHERE rowid IN
             (SELECT rowid FROM session WHERE began_us < ?1 ORDER BY began_us LIMIT ?2)",
        )?
        .execute(params![now_us - absolute_us - TOMBSTONE_US, PURGE_ROWS])?;
    let sign_ins = transaction
        .prepare_cached(
            "DELETE FROM sign_in_used WHERE rowid IN
             (SELECT rowid FROM sign_in_used WHERE used_us < ?1 ORDER BY used_us LIMIT ?2)",
        )?
        .execute(params![now_us - sign_in_us, PURGE_ROWS])?;
    let counters = transaction
        .prepare_cached(
            "DELETE FROM throttle WHERE rowid IN
             (SELECT rowid FROM throttle WHERE latest_us < ?1 ORDER BY latest_us LIMIT ?2)",
        )?
        .execute(params![now_us - FORGET_US, PURGE_ROWS])?;
    Ok(sessions + sign_ins + counters)
}

fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u32> {
    let value: i64 = row.get(at)?;
    u32::try_from(value).map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        for migration in [
            include_str!("../../store/migrations/V02__identity.sql"),
            include_str!("../../store/migrations/V15__passkeys_staff.sql"),
            include_str!("../../store/migrations/V16__recovery_keys.sql"),
        ] {
            connection.execute_batch(migration).expect("the migration fits SQLite");
        }
        connection
    }

    fn write<T>(database: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> T {
        let transaction = database.transaction().expect("free");
        let result = work(&transaction).expect("the statements fit the tables");
        transaction.commit().expect("memory");
        result
    }

    fn row(token: u8, account: u8, began_us: i64) -> SessionRow {
        SessionRow {
            token: TokenHash([token; 32]),
            id: Id16([token; 16]),
            account: Id16([account; 16]),
            assurance: 1,
            source: vec![1],
            failures: 0,
            began_us,
            seen_us: began_us,
            ended: None,
            factor_us: 0,
            device: [0; 32],
            family: vec![],
        }
    }

    #[test]
    fn the_newest_time_only_rises() {
        let mut database = database();
        assert_eq!(newest_us(&database, 5).expect("read"), 5);
        for (given, newest) in [(10, 10), (7, 10), (11, 11)] {
            assert_eq!(write(&mut database, |t| raise_newest(t, given)), newest);
            assert_eq!(newest_us(&database, 0).expect("read"), newest);
        }
    }

    #[test]
    fn a_sign_in_is_used_once() {
        let mut database = database();
        assert!(write(&mut database, |t| use_sign_in(t, [1; 32], 5)));
        assert!(!write(&mut database, |t| use_sign_in(t, [1; 32], 6)));
        assert!(write(&mut database, |t| use_sign_in(t, [2; 32], 6)));
    }

    #[test]
    fn sessions_are_found_ended_and_kept_apart() {
        let mut database = database();
        let profile = AccountRow { account: Id16([1; 16]), profile: vec![] };
        write(&mut database, |t| {
            put_account(t, &profile, 0)?;
            put_account(t, &AccountRow { account: Id16([2; 16]), profile: vec![] }, 0)?;
            add_session(t, &row(1, 1, 10))?;
            add_session(t, &row(2, 1, 20))?;
            add_session(t, &row(3, 2, 30))
        });
        assert_eq!(session(&database, TokenHash([1; 32])).expect("read"), Some(row(1, 1, 10)));
        assert_eq!(session(&database, TokenHash([9; 32])).expect("read"), None);
        let ids = |account| -> Vec<u8> {
            sessions_of(&database, Id16([account; 16])).expect("read").iter().map(|row| row.id.0[0]).collect()
        };
        assert_eq!((ids(1), ids(2)), (vec![2, 1], vec![3]));
        assert!(write(&mut database, |t| end_session(t, TokenHash([1; 32]), Ending::SignedOut, 40)));
        assert!(!write(&mut database, |t| end_session(t, TokenHash([1; 32]), Ending::Idle, 50)), "it keeps its reason");
        let ended = session(&database, TokenHash([1; 32])).expect("read").expect("a tombstone");
        assert_eq!(ended.ended, Some(Ending::SignedOut));
        assert_eq!(account(&database, Id16([1; 16])).expect("read"), Some(profile));
    }

    #[test]
    fn a_touch_never_goes_back_and_never_revives() {
        let mut database = database();
        let seen = |database: &Connection| session(database, TokenHash([1; 32])).expect("read").expect("there").seen_us;
        write(&mut database, |t| {
            put_account(t, &AccountRow { account: Id16([1; 16]), profile: vec![] }, 0)?;
            add_session(t, &row(1, 1, 10))?;
            touch_session(t, TokenHash([1; 32]), 30)?;
            touch_session(t, TokenHash([1; 32]), 20)
        });
        assert_eq!(seen(&database), 30);
        write(&mut database, |t| {
            end_session(t, TokenHash([1; 32]), Ending::Idle, 40)?;
            touch_session(t, TokenHash([1; 32]), 50)
        });
        assert_eq!(seen(&database), 30);
    }

    #[test]
    fn a_second_factor_counts_its_own_steps() {
        let mut database = database();
        let me = Id16([1; 16]);
        let stored = |database: &Connection| totp(database, me).expect("read");
        write(&mut database, |t| put_account(t, &AccountRow { account: me, profile: vec![] }, 0));
        assert_eq!(stored(&database), None);
        // As older programs left one that was being set up.
        let left =
            "INSERT INTO authenticator (account, kind, pending, last_step, made_us) VALUES (?1, 'totp', x'63', -1, 1)";
        write(&mut database, |t| t.execute(left, [me.0]));
        assert_eq!(stored(&database), Some(TotpRow { secret: None, last_step: -1, made_us: 1 }));
        write(&mut database, |t| {
            confirm_totp(t, me, b"a", 7, 2)?;
            use_step(t, me, 9)?;
            use_step(t, me, 8)
        });
        assert_eq!(stored(&database), Some(TotpRow { secret: Some(b"a".to_vec()), last_step: 9, made_us: 2 }));
        let sql = "SELECT count(*) FROM authenticator WHERE pending IS NOT NULL";
        assert_eq!(database.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("read"), 0, "nothing of it is left");
        write(&mut database, |t| confirm_totp(t, me, b"b", 5, 3));
        assert_eq!(
            stored(&database),
            Some(TotpRow { secret: Some(b"b".to_vec()), last_step: 5, made_us: 3 }),
            "those of another secret"
        );
        write(&mut database, |t| {
            assert!(retire_totp(t, me, 4)?);
            assert!(!retire_totp(t, me, 5)?, "there is none any more");
            Ok(())
        });
        assert_eq!(
            stored(&database),
            Some(TotpRow { secret: None, last_step: -1, made_us: 4 }),
            "when it went is kept"
        );
        assert_eq!(totp(&database, Id16([2; 16])).expect("read"), None);
    }

    #[test]
    fn a_clock_set_back_ends_sessions_and_frees_what_waited_for_it() {
        let mut database = database();
        let me = Id16([1; 16]);
        write(&mut database, |t| {
            raise_newest(t, 900)?;
            put_account(t, &AccountRow { account: me, profile: vec![] }, 0)?;
            add_session(t, &row(1, 1, 10))?;
            add_session(t, &row(2, 1, 800))?;
            add_session(t, &row(3, 1, 700))?;
            end_session(t, TokenHash([3; 32]), Ending::SignedOut, 750)?;
            confirm_totp(t, me, b"a", 30, 2)?;
            use_sign_in(t, [1; 32], 850)?;
            set_counter(t, &[1; 32], Counter { failures: 3, latest_us: 850 })
        });
        assert_eq!(write(&mut database, |t| reset_clock(t, 100, 5)), 2);
        assert_eq!(newest_us(&database, 0).expect("read"), 100);
        let session = |token| session(&database, TokenHash([token; 32])).expect("read").expect("there");
        let seen = |token| (session(token).began_us, session(token).seen_us, session(token).ended);
        assert_eq!(seen(1), (10, 10, Some(Ending::Revoked)));
        assert_eq!(seen(2), (100, 100, Some(Ending::Revoked)));
        assert_eq!(seen(3), (100, 100, Some(Ending::SignedOut)));
        assert_eq!(totp(&database, me).expect("read").expect("there").last_step, 5);
        assert_eq!(counter(&database, &[1; 32]).expect("read"), Counter { failures: 3, latest_us: 100 });
        assert!(!write(&mut database, |t| use_sign_in(t, [1; 32], 110)), "it stays used");
        assert_eq!(write(&mut database, |t| reset_clock(t, 110, 5)), 0);
    }

    #[test]
    fn old_rows_go_and_new_ones_stay() {
        let mut database = database();
        let day_us = TOMBSTONE_US;
        let now_us = 100 * day_us;
        write(&mut database, |t| {
            put_account(t, &AccountRow { account: Id16([1; 16]), profile: vec![] }, 0)?;
            add_session(t, &row(1, 1, now_us - 3 * day_us))?;
            add_session(t, &row(2, 1, now_us))?;
            use_sign_in(t, [1; 32], now_us - 3 * day_us)?;
            use_sign_in(t, [2; 32], now_us)?;
            set_counter(t, &[1; 32], Counter { failures: 3, latest_us: now_us - 3 * day_us })?;
            set_counter(t, &[2; 32], Counter { failures: 3, latest_us: now_us })
        });
        assert_eq!(write(&mut database, |t| purge(t, now_us, day_us / 3, day_us)), 3);
        assert!(session(&database, TokenHash([2; 32])).expect("read").is_some());
        assert!(!write(&mut database, |t| use_sign_in(t, [2; 32], now_us)));
        assert_eq!(counter(&database, &[2; 32]).expect("read").failures, 3);
        assert_eq!(counter(&database, &[1; 32]).expect("read"), Counter::default());
    }
}
