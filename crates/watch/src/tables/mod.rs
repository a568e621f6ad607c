//! Every SQL statement of this crate, over the tables of `store/migrations/V19__watch.sql` and `V28__told_again.sql`: facts, findings and the position here,
//! cases and reviews below. No rule is decided here.

pub(crate) mod cases;
pub(crate) mod review;

use crate::facts::{Hours, Shifts};
use crate::finding::Finding;
use crate::params::{Params, Telling};
use crate::rule::Rule;
use crate::watch::NewCase;
use base::{Id16, Timestamp};
use jiff::SignedDuration;
use jiff::civil::Weekday;
use policy::InstitutionCode;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::collections::{BTreeMap, BTreeSet};
use store::{AccessKey, Checked};

/// Of an access that is older than this, nobody is told beyond the list of cases: after a rebuild the whole log is watched again.
const TOLD_WITHIN_US: i64 = 24 * 3_600 * 1_000_000;
/// In `told`: a destination has yet to be told.
const TO_TELL: i64 = 0;
/// In `told`: destinations were told.
const TOLD: i64 = 1;
/// In `told`: of what was found so far nobody is to be told.
const TOO_OLD: i64 = 2;

/// What is known of a member of staff.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StaffRow {
    pub person: Option<Id16>,
    pub institution: Option<InstitutionCode>,
}

/// What is to be known of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub vip: bool,
    pub decoy: bool,
    pub deceased: Option<Timestamp>,
}

/// Up to where the log was watched, and looked through for holes.
pub(crate) fn position(connection: &Connection) -> rusqlite::Result<(u64, Checked)> {
    let mut statement =
        connection.prepare_cached("SELECT number, hole_number, hole_leaves FROM watch_position WHERE one = 1")?;
    statement.query_row([], |row| {
        let number = |at: usize| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(at)?.unsigned_abs()) };
        Ok((number(0)?, Checked { number: number(1)?, leaves: number(2)? }))
    })
}

/// Moves the position on; `false` where it is not what the caller thought, so that nothing is counted twice.
pub(crate) fn advance(transaction: &Transaction<'_>, from: u64, to: u64) -> rusqlite::Result<bool> {
    let sql = "UPDATE watch_position SET number = ?2 WHERE one = 1 AND number = ?1";
    Ok(transaction.prepare_cached(sql)?.execute(params![from as i64, to as i64])? == 1)
}

/// Notes up to where the log was looked through for holes.
pub(crate) fn set_checked(transaction: &Transaction<'_>, checked: Checked) -> rusqlite::Result<()> {
    let sql = "UPDATE watch_position SET hole_number = ?1, hole_leaves = ?2 WHERE one = 1";
    transaction.prepare_cached(sql)?.execute(params![checked.number as i64, checked.leaves as i64]).map(drop)
}

/// The flags of a person or patient at a time: whoever looked before a mark could not know of it. A death is a time by itself.
pub(crate) fn flags(connection: &Connection, subjects: [Id16; 2], at: Timestamp) -> rusqlite::Result<Flags> {
    let mut statement = connection.prepare_cached("SELECT flag, since_us FROM watch_flag WHERE subject IN (?, ?)")?;
    let mut rows = statement.query(params![subjects[0].0, subjects[1].0])?;
    let mut flags = Flags::default();
    while let Some(row) = rows.next()? {
        let since = moment(row.get(1)?, 1)?;
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "vip" => flags.vip |= since <= at,
            "decoy" => flags.decoy |= since <= at,
            "deceased" => flags.deceased = Some(since),
            _ => {}
        }
    }
    Ok(flags)
}

/// Sets a flag, from a time on.
pub(crate) fn set_flag(
    transaction: &Transaction<'_>,
    subject: Id16,
    flag: &str,
    since_us: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watch_flag (subject, flag, since_us) VALUES (?, ?, ?)
               ON CONFLICT (subject, flag) DO UPDATE SET since_us = excluded.since_us";
    transaction.prepare_cached(sql)?.execute(params![subject.0, flag, since_us]).map(drop)
}

/// Takes a flag away; `false` where there was none.
pub(crate) fn clear_flag(transaction: &Transaction<'_>, subject: Id16, flag: &str) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM watch_flag WHERE subject = ? AND flag = ?";
    Ok(transaction.prepare_cached(sql)?.execute(params![subject.0, flag])? > 0)
}

/// A flag that stands, or one that was taken away. Nobody is known of who set one at the command line.
pub(crate) struct MarkRow {
    pub subject: Id16,
    pub flag: String,
    pub number: u32,
    pub at_us: i64,
    pub account: Option<Id16>,
    pub is_set: bool,
    pub reason: Vec<u8>,
}

/// Flags that people set and that stand, and then those that were taken away, newest first.
pub(crate) fn marks(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<MarkRow>> {
    let standing = "SELECT f.subject, f.flag, coalesce(m.number, 0), f.since_us, m.account, 1, coalesce(m.reason, x'')
                    FROM watch_flag f LEFT JOIN watch_mark m ON m.subject = f.subject AND m.flag = f.flag AND m.is_set = 1
                    AND m.number = (SELECT max(number) FROM watch_mark n WHERE n.subject = f.subject AND n.flag = f.flag)
                    WHERE f.flag IN ('vip', 'decoy') ORDER BY f.since_us DESC LIMIT ?";
    let taken = "SELECT subject, flag, number, at_us, account, 0, reason FROM watch_mark WHERE is_set = 0
                 ORDER BY at_us DESC LIMIT ?";
    let mut marks = Vec::new();
    for sql in [standing, taken] {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| {
            Ok(MarkRow {
                subject: Id16(row.get(0)?),
                flag: row.get(1)?,
                number: row.get(2)?,
                at_us: row.get(3)?,
                account: id(row.get(4)?),
                is_set: row.get(5)?,
                reason: row.get(6)?,
            })
        })?;
        for row in rows {
            marks.push(row?);
        }
    }
    Ok(marks)
}

/// Writes down that a flag was set or taken away. `seal` is given the number of the act, which the reason is bound to.
pub(crate) fn add_mark(
    transaction: &Transaction<'_>,
    (subject, flag): (Id16, &str),
    (account, at_us, is_set): (Id16, i64, bool),
    seal: impl FnOnce(u32) -> Vec<u8>,
) -> rusqlite::Result<()> {
    let sql = "SELECT coalesce(max(number), 0) + 1 FROM watch_mark WHERE subject = ? AND flag = ?";
    let number: u32 = transaction.prepare_cached(sql)?.query_row(params![subject.0, flag], |row| row.get(0))?;
    let sql =
        "INSERT INTO watch_mark (subject, flag, number, at_us, account, is_set, reason) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = params![subject.0, flag, number, at_us, account.0, is_set, seal(number)];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

/// A member of staff.
pub(crate) fn staff(connection: &Connection, account: Id16) -> rusqlite::Result<StaffRow> {
    let sql = "SELECT person, institution FROM watch_staff WHERE account = ?";
    let found = connection
        .prepare_cached(sql)?
        .query_row([account.0], |row| {
            let code: Option<String> = row.get(1)?;
            Ok(StaffRow { person: id(row.get(0)?), institution: code.and_then(|code| InstitutionCode::new(&code)) })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Accounts of staff that a person has, each with where it works if that was said here.
pub(crate) fn accounts_of(
    connection: &Connection,
    person: Id16,
) -> rusqlite::Result<Vec<(Id16, Option<InstitutionCode>)>> {
    let mut statement = connection.prepare_cached("SELECT account, institution FROM watch_staff WHERE person = ?")?;
    let rows = statement.query_map([person.0], |row| {
        let code: Option<String> = row.get(1)?;
        Ok((Id16(row.get(0)?), code.and_then(|code| InstitutionCode::new(&code))))
    })?;
    rows.collect()
}

/// Says who a member of staff is. What is not said now stays as it was said before.
pub(crate) fn set_staff(transaction: &Transaction<'_>, account: Id16, row: &StaffRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watch_staff (account, person, institution) VALUES (?, ?, ?)
               ON CONFLICT (account) DO UPDATE SET person = coalesce(excluded.person, person),
               institution = coalesce(excluded.institution, institution)";
    let code = row.institution.as_ref().map(InstitutionCode::as_str);
    transaction.prepare_cached(sql)?.execute(params![account.0, row.person.map(|id| id.0), code]).map(drop)
}

/// Takes back what was said of a member of staff.
pub(crate) fn forget_staff(transaction: &Transaction<'_>, account: Id16) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM watch_staff WHERE account = ?")?.execute([account.0]).map(drop)
}

/// Whether an account is that of a member of staff, or of one who left.
pub(crate) fn is_staff(connection: &Connection, account: Id16) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM staff WHERE account = ?")?.exists([account.0])
}

/// Accounts of staff who have not left, and whose person is known, or is not.
pub(crate) fn staff_known(connection: &Connection, known: bool) -> rusqlite::Result<BTreeSet<Id16>> {
    let sql = "SELECT staff.account FROM staff LEFT JOIN watch_staff USING (account)
               WHERE state <> 'left' AND (person IS NOT NULL) = ?";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([known], |row| Ok(Id16(row.get(0)?)))?.collect()
}

/// Institutions whose hours are known of every weekday.
pub(crate) fn known_hours(connection: &Connection) -> rusqlite::Result<BTreeSet<InstitutionCode>> {
    let sql = "SELECT institution FROM watch_hours GROUP BY institution HAVING count(*) = 7";
    let mut statement = connection.prepare_cached(sql)?;
    let codes = statement.query_map([], |row| row.get::<_, String>(0))?;
    codes.filter_map(|code| code.map(|code| InstitutionCode::new(&code)).transpose()).collect()
}

/// When an institution works on a weekday.
fn hours(connection: &Connection, institution: &InstitutionCode, weekday: i8) -> rusqlite::Result<Option<Hours>> {
    let sql = "SELECT from_minute, to_minute FROM watch_hours WHERE institution = ? AND weekday = ?";
    connection
        .prepare_cached(sql)?
        .query_row(params![institution.as_str(), weekday], |row| {
            Ok(Hours { from_minute: row.get(0)?, to_minute: row.get(1)? })
        })
        .optional()
}

/// When an institution works on a weekday and on the days beside it; `None` where that is not known of the day itself.
pub(crate) fn shifts(
    connection: &Connection,
    institution: &InstitutionCode,
    day: Weekday,
) -> rusqlite::Result<Option<Shifts>> {
    let of = |day: Weekday| hours(connection, institution, day.to_monday_one_offset());
    let Some(today) = of(day)? else { return Ok(None) };
    Ok(Some(Shifts { yesterday: of(day.previous())?, today, tomorrow: of(day.next())? }))
}

/// Says when an institution works on a weekday.
pub(crate) fn set_hours(
    transaction: &Transaction<'_>,
    institution: &InstitutionCode,
    weekday: i8,
    hours: Hours,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watch_hours (institution, weekday, from_minute, to_minute) VALUES (?, ?, ?, ?)
               ON CONFLICT (institution, weekday) DO UPDATE
               SET from_minute = excluded.from_minute, to_minute = excluded.to_minute";
    let values = params![institution.as_str(), weekday, hours.from_minute, hours.to_minute];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

/// When a member of staff left.
pub(crate) fn left(connection: &Connection, account: Id16) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT changed_us FROM staff WHERE account = ? AND state = 'left'";
    connection.prepare_cached(sql)?.query_row([account.0], |row| moment(row.get(0)?, 0)).optional()
}

/// When an account was last used.
pub(crate) fn last_used(connection: &Connection, account: Id16) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT last_us FROM watch_account WHERE account = ?";
    connection.prepare_cached(sql)?.query_row([account.0], |row| moment(row.get(0)?, 0)).optional()
}

/// Notes that an account was used.
pub(crate) fn set_last_used(transaction: &Transaction<'_>, account: Id16, last_us: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watch_account (account, last_us) VALUES (?, ?)
               ON CONFLICT (account) DO UPDATE SET last_us = max(last_us, excluded.last_us)";
    transaction.prepare_cached(sql)?.execute(params![account.0, last_us]).map(drop)
}

/// Whether an account used any device before, and whether it used this one.
pub(crate) fn devices(connection: &Connection, account: Id16, device: [u8; 16]) -> rusqlite::Result<(bool, bool)> {
    let any = connection.prepare_cached("SELECT 1 FROM watch_device WHERE account = ?")?.exists([account.0])?;
    let sql = "SELECT 1 FROM watch_device WHERE account = ? AND device = ?";
    Ok((any, any && connection.prepare_cached(sql)?.exists(params![account.0, device])?))
}

/// Notes that an account used a device.
pub(crate) fn add_device(
    transaction: &Transaction<'_>,
    account: Id16,
    device: [u8; 16],
    first_us: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO watch_device (account, device, first_us) VALUES (?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![account.0, device, first_us]).map(drop)
}

/// Whether both factors of an account were given on a device not seen before, after one time and up to another: identity tells the
/// account's person of it then.
pub(crate) fn signed_in_anew(
    connection: &Connection,
    account: Id16,
    after: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM notice WHERE account = ? AND kind = 'new-device' AND made_us > ? AND made_us <= ?";
    let values = params![account.0, after.as_microsecond(), until.as_microsecond()];
    connection.prepare_cached(sql)?.exists(values)
}

/// Whether something was found already.
pub(crate) fn is_found(connection: &Connection, entry: Id16, rule: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM watch_finding WHERE entry = ? AND rule = ?";
    connection.prepare_cached(sql)?.exists(params![entry.0, rule])
}

/// A finding with what only its entry tells.
pub(crate) struct NewFinding {
    pub finding: Finding,
    pub role: String,
    pub institution: String,
    pub behind: Vec<AccessKey>,
    /// Of the edition by which it was found.
    pub params: &'static Params,
}

/// Takes a finding in, and gives the case it belongs to: an open one about the same, or a new one. `None` where it was in already.
pub(crate) fn add_finding(
    transaction: &Transaction<'_>,
    new: &NewFinding,
    fresh: Id16,
    now_us: i64,
) -> rusqlite::Result<Option<Id16>> {
    let finding = &new.finding;
    let known = "SELECT 1 FROM watch_finding WHERE entry = ? AND rule = ?";
    if transaction.prepare_cached(known)?.exists(params![finding.entry.0, finding.rule.name()])? {
        return Ok(None);
    }
    let incident = case_of(transaction, finding, new.params.telling, fresh, now_us)?;
    let details: BTreeMap<&str, &str> =
        finding.message.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let details = serde_json::to_string(&details).unwrap_or_default();
    let id = |id: Option<Id16>| id.map(|id| id.0);
    let sql = "INSERT INTO watch_finding (incident, entry, rule, actor, subject, role, institution, time_us, found_us,
               message, details, edition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        incident.0,
        finding.entry.0,
        finding.rule.name(),
        id(finding.actor),
        id(finding.subject),
        new.role,
        new.institution,
        finding.time.as_microsecond(),
        now_us,
        finding.message.key,
        details,
        new.params.version,
    ])?;
    for key in &new.behind {
        let sql = "INSERT OR IGNORE INTO watch_behind (entry, rule, other, subject, time_us) VALUES (?, ?, ?, ?, ?)";
        let values = params![finding.entry.0, finding.rule.name(), key.id.0, key.subject.0, key.time.as_microsecond()];
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    Ok(Some(incident))
}

/// The open case on a topic, with one finding more; a new one where there is none. What goes on is told of again where nobody was for
/// long, where there is many times as much as when somebody was, and where it is graver than it was.
fn case_of(
    transaction: &Transaction<'_>,
    finding: &Finding,
    telling: Telling,
    fresh: Id16,
    now_us: i64,
) -> rusqlite::Result<Id16> {
    let (topic, severity) = (finding.topic(), finding.severity as i64);
    let amount = i64::try_from(finding.amount).unwrap_or(i64::MAX);
    // Reviews become due long after their glass was broken: that they are overdue is news.
    let is_news = finding.rule == Rule::BreakGlassUnreviewed
        || now_us.saturating_sub(finding.time.as_microsecond()) <= TOLD_WITHIN_US;
    let told = if is_news { TO_TELL } else { TOO_OLD };
    let sql = "UPDATE watch_case SET findings = findings + 1, change = (SELECT max(change) + 1 FROM watch_case),
               amount = amount + ?5, severity = max(severity, ?6),
               told = CASE WHEN told = ?3 THEN ?2
                           WHEN told = ?4 AND ?2 <> ?3 AND (severity < ?6 OR ?7 - told_us >= ?8
                                                            OR amount + ?5 >= told_amount * ?9) THEN ?2
                           ELSE told END
               WHERE topic = ?1 AND state <> 'closed' RETURNING incident";
    let quiet_us = SignedDuration::from_hours(telling.quiet_hours).as_micros() as i64;
    let times = i64::try_from(telling.times).unwrap_or(i64::MAX);
    let values = params![topic.0, told, TOO_OLD, TOLD, amount, severity, now_us, quiet_us, times];
    let open: Option<[u8; 16]> = transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    if let Some(open) = open {
        return Ok(Id16(open));
    }
    let sql =
        "INSERT INTO watch_case (incident, topic, rule, severity, actor, subject, state, opened_us, findings, told, amount, change)
               VALUES (?, ?, ?, ?, ?, ?, 'open', ?, 1, ?, ?, (SELECT coalesce(max(change), 0) + 1 FROM watch_case))";
    let id = |id: Option<Id16>| id.map(|id| id.0);
    let (actor, subject) = (id(finding.actor), id(finding.subject));
    let values = params![fresh.0, topic.0, finding.rule.name(), severity, actor, subject, now_us, told, amount];
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(fresh)
}

/// Counts accesses for the review of their month: in which role, of which institution, doing what, and whether denied.
pub(crate) fn count(
    transaction: &Transaction<'_>,
    month: &str,
    (role, institution, action, denied): (&str, &str, &str, bool),
    accesses: u64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO watch_count (month, role, institution, action, denied, accesses) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (month, role, institution, action, denied) DO UPDATE SET accesses = accesses + excluded.accesses";
    let values = params![month, role, institution, action, denied, accesses as i64];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

/// Cases that nobody was told of yet, or is to be told of again.
pub(crate) fn untold(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<NewCase>> {
    let sql =
        "SELECT incident, rule, severity, opened_us, tellings FROM watch_case WHERE told = ? ORDER BY change LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![TO_TELL, limit as i64], |row| {
        Ok(NewCase {
            incident: Id16(row.get(0)?),
            rule: row.get(1)?,
            severity: crate::cases::severity(row.get(2)?).name().to_owned(),
            opened: moment(row.get(3)?, 3)?,
            tellings: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// Notes that the alerts of a case wait to be sent.
pub(crate) fn set_told(transaction: &Transaction<'_>, incident: Id16, now_us: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE watch_case SET told = ?2, told_us = ?3, told_amount = amount, tellings = tellings + 1 WHERE incident = ?1";
    transaction.prepare_cached(sql)?.execute(params![incident.0, TOLD, now_us]).map(drop)
}

pub(crate) fn id(bytes: Option<[u8; 16]>) -> Option<Id16> {
    bytes.map(Id16)
}

pub(crate) fn moment(us: i64, at: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(us)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Integer, Box::new(error)))
}

#[cfg(test)]
mod tests;
