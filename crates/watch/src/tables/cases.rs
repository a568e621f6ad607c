//! SQL of cases: lists, what people did with them, how alerts get on.

use super::{id, moment};
use base::{Id16, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};
use store::AccessKey;

/// A case as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseRow {
    pub incident: Id16,
    pub rule: String,
    pub severity: i64,
    pub actor: Option<Id16>,
    pub subject: Option<Id16>,
    pub state: String,
    pub assignee: Option<Id16>,
    pub outcome: Option<String>,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    pub findings: u32,
    pub change: i64,
}

/// Which cases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter<'a> {
    pub closed: Option<bool>,
    pub assignee: Option<Id16>,
    pub rule: Option<&'a str>,
    pub severity: Option<i64>,
    pub opened_before_us: Option<i64>,
    pub changed_after: Option<i64>,
}

/// A finding as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingRow {
    pub entry: Id16,
    pub rule: String,
    pub role: String,
    pub institution: String,
    pub time: Timestamp,
    pub message: String,
    pub details: String,
    pub edition: String,
}

/// What somebody did with a case, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepRow {
    pub number: u32,
    pub at: Timestamp,
    pub account: Id16,
    pub kind: String,
    pub text: Vec<u8>,
}

const COLUMNS: &str =
    "incident, rule, severity, actor, subject, state, assignee, outcome, opened_us, closed_us, findings, change";

fn case_row(row: &Row<'_>) -> rusqlite::Result<CaseRow> {
    let closed: Option<i64> = row.get(9)?;
    Ok(CaseRow {
        incident: Id16(row.get(0)?),
        rule: row.get(1)?,
        severity: row.get(2)?,
        actor: id(row.get(3)?),
        subject: id(row.get(4)?),
        state: row.get(5)?,
        assignee: id(row.get(6)?),
        outcome: row.get(7)?,
        opened: moment(row.get(8)?, 8)?,
        closed: closed.map(|us| moment(us, 9)).transpose()?,
        findings: row.get(10)?,
        change: row.get(11)?,
    })
}

/// Cases, the gravest and then the newest first; by change where those after a change are asked for.
pub(crate) fn list(connection: &Connection, filter: &Filter<'_>, limit: usize) -> rusqlite::Result<Vec<CaseRow>> {
    let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
    let mut add = |condition: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    add("(state = 'closed') = ?", filter.closed.map(|closed| Value::Integer(closed.into())));
    add("assignee = ?", filter.assignee.map(|id| Value::Blob(id.0.to_vec())));
    add("rule = ?", filter.rule.map(|rule| Value::Text(rule.to_owned())));
    add("severity = ?", filter.severity.map(Value::Integer));
    add("opened_us < ?", filter.opened_before_us.map(Value::Integer));
    add("change > ?", filter.changed_after.map(Value::Integer));
    let order = if filter.changed_after.is_some() { "change" } else { "severity DESC, opened_us DESC" };
    let whole = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let sql = format!("SELECT {COLUMNS} FROM watch_case WHERE {whole} ORDER BY {order} LIMIT {limit}");
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), case_row)?.collect()
}

/// One case.
pub(crate) fn case(connection: &Connection, incident: Id16) -> rusqlite::Result<Option<CaseRow>> {
    let sql = format!("SELECT {COLUMNS} FROM watch_case WHERE incident = ?");
    connection.prepare_cached(&sql)?.query_row([incident.0], case_row).optional()
}

/// The newest change of any case.
pub(crate) fn newest_change(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(change), 0) FROM watch_case";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// The findings of a case, newest first.
pub(crate) fn findings(connection: &Connection, incident: Id16, limit: usize) -> rusqlite::Result<Vec<FindingRow>> {
    let sql = "SELECT entry, rule, role, institution, time_us, message, details, edition FROM watch_finding
               WHERE incident = ? ORDER BY time_us DESC LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![incident.0, limit as i64], |row| {
        Ok(FindingRow {
            entry: Id16(row.get(0)?),
            rule: row.get(1)?,
            role: row.get(2)?,
            institution: row.get(3)?,
            time: moment(row.get(4)?, 4)?,
            message: row.get(5)?,
            details: row.get(6)?,
            edition: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// The entries behind a case, newest first.
pub(crate) fn behind(connection: &Connection, incident: Id16, limit: usize) -> rusqlite::Result<Vec<AccessKey>> {
    let sql = "SELECT DISTINCT b.subject, b.time_us, b.other FROM watch_finding f
               JOIN watch_behind b ON b.entry = f.entry AND b.rule = f.rule
               WHERE f.incident = ? ORDER BY b.time_us DESC LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![incident.0, limit as i64], |row| {
        Ok(AccessKey { subject: Id16(row.get(0)?), time: moment(row.get(1)?, 1)?, id: Id16(row.get(2)?) })
    })?;
    rows.collect()
}

/// What was done with a case, oldest first.
pub(crate) fn steps(connection: &Connection, incident: Id16) -> rusqlite::Result<Vec<StepRow>> {
    let sql = "SELECT number, at_us, account, kind, text FROM watch_step WHERE incident = ? ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([incident.0], |row| {
        Ok(StepRow {
            number: row.get(0)?,
            at: moment(row.get(1)?, 1)?,
            account: Id16(row.get(2)?),
            kind: row.get(3)?,
            text: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// What a step makes of its case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub state: Option<&'static str>,
    pub assignee: Option<Id16>,
    pub outcome: Option<&'static str>,
    /// Which states it may be done in.
    pub within: &'static [&'static str],
}

/// Writes a step down and changes its case; `None` where the case is in no state for it. `seal` is given the step's number.
pub(crate) fn add_step(
    transaction: &Transaction<'_>,
    incident: Id16,
    (account, kind, at_us): (Id16, &'static str, i64),
    change: &Change,
    seal: impl FnOnce(u32) -> Vec<u8>,
) -> rusqlite::Result<Option<u32>> {
    let Some(case) = case(transaction, incident)?.filter(|case| change.within.contains(&case.state.as_str())) else {
        return Ok(None);
    };
    let state = change.state.unwrap_or(case.state.as_str()).to_owned();
    let closed_us = (state == "closed" && case.state != "closed").then_some(at_us);
    let assignee = change.assignee.or(case.assignee).map(|id| id.0);
    let sql = "UPDATE watch_case SET state = ?2, assignee = ?3, outcome = coalesce(?4, outcome),
               closed_us = coalesce(?5, closed_us), change = (SELECT max(change) + 1 FROM watch_case) WHERE incident = ?1";
    let values = params![incident.0, state, assignee, change.outcome, closed_us];
    transaction.prepare_cached(sql)?.execute(values)?;
    let sql = "SELECT coalesce(max(number), 0) + 1 FROM watch_step WHERE incident = ?";
    let number: u32 = transaction.prepare_cached(sql)?.query_row([incident.0], |row| row.get(0))?;
    let sql = "INSERT INTO watch_step (incident, number, at_us, account, kind, text) VALUES (?, ?, ?, ?, ?, ?)";
    let text = seal(number);
    transaction.prepare_cached(sql)?.execute(params![incident.0, number, at_us, account.0, kind, text])?;
    Ok(Some(number))
}

/// Cases in which somebody was asked and has not answered, or has.
pub(crate) fn asked_of(connection: &Connection, actor: Id16, limit: usize) -> rusqlite::Result<Vec<CaseRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM watch_case WHERE actor = ? AND state IN ('asked', 'answered') ORDER BY opened_us DESC LIMIT {limit}"
    );
    connection.prepare_cached(&sql)?.query_map([actor.0], case_row)?.collect()
}

/// How alerts get on at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryRow {
    pub destination: String,
    pub good: Option<Timestamp>,
    pub bad: Option<Timestamp>,
    pub fault: String,
}

/// Notes that an alert arrived, or why not.
pub(crate) fn set_delivery(
    transaction: &Transaction<'_>,
    destination: &str,
    at_us: i64,
    fault: Option<&str>,
) -> rusqlite::Result<()> {
    let (good, bad) = if fault.is_none() { (Some(at_us), None) } else { (None, Some(at_us)) };
    let sql = "INSERT INTO watch_delivery (destination, good_us, bad_us, fault, waiting) VALUES (?, ?, ?, ?, 0)
               ON CONFLICT (destination) DO UPDATE SET good_us = coalesce(excluded.good_us, good_us),
               bad_us = coalesce(excluded.bad_us, bad_us), fault = excluded.fault";
    transaction.prepare_cached(sql)?.execute(params![destination, good, bad, fault.unwrap_or_default()]).map(drop)
}

/// How alerts get on, by destination.
pub(crate) fn deliveries(connection: &Connection) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = "SELECT destination, good_us, bad_us, fault FROM watch_delivery ORDER BY destination";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let time = |at: usize| -> rusqlite::Result<Option<Timestamp>> {
            row.get::<_, Option<i64>>(at)?.map(|us| moment(us, at)).transpose()
        };
        Ok(DeliveryRow { destination: row.get(0)?, good: time(1)?, bad: time(2)?, fault: row.get(3)? })
    })?;
    rows.collect()
}
