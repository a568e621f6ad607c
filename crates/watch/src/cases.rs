//! Cases: what security officers see of findings, and what they do with them. Whatever anybody does with a case is journalled first.

use crate::error::WatchError;
use crate::params::{Duty, Params};
use crate::rule::{Outcome, Rule, Severity};
use crate::tables::cases::{self as sql, CaseRow, Change, Filter};
use crate::watch::Watch;
use base::{Id16, Redacted, Timestamp};
use identity::sealed;
use jiff::SignedDuration;
use policy::{Action, Permit};
use std::collections::BTreeMap;
use store::{AccessEntry, StoreError};

/// Most cases in one list.
pub const CASES_MAX: usize = 200;
/// Most findings and entries that a case shows.
pub const ENTRIES_MAX: usize = 200;
/// Most characters of what somebody writes into a case.
pub const TEXT_MAX: usize = 4_000;
/// Under which texts of cases are sealed.
const LABEL: &str = "watch-step";
const OPEN: &[&str] = &["open", "asked", "answered"];

/// Which cases of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that are not closed.
    #[default]
    Open,
    /// Those of who asks, that are not closed.
    Mine,
    /// Those that are closed.
    Closed,
}

/// Which cases to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// Which of all.
    pub which: Which,
    /// Only of this rule.
    pub rule: Option<Rule>,
    /// Only as grave as this.
    pub severity: Option<Severity>,
    /// Only those opened so many days ago, or longer.
    pub days: Option<u32>,
}

/// A case in a list. Nothing in it is about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The case.
    pub incident: Id16,
    /// Name of the rule.
    pub rule: String,
    /// How grave.
    pub severity: Severity,
    /// `open`, `asked`, `answered` or `closed`.
    pub state: String,
    /// Who sees to it.
    pub assignee: Option<Id16>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// How many findings belong to it.
    pub findings: u32,
    /// Grows with every change of any case.
    pub change: i64,
}

/// A finding as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// When the access was.
    pub time: Timestamp,
    /// In which role.
    pub role: String,
    /// At which institution, by its code; empty where there is none.
    pub institution: String,
    /// Key of the sentence.
    pub message: String,
    /// The values in it.
    pub values: BTreeMap<String, String>,
    /// Edition of the rules.
    pub edition: String,
}

/// What somebody did with a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub account: Id16,
    /// `assign`, `ask`, `answer`, `note`, `close` or `duty`.
    pub kind: String,
    /// What they wrote.
    pub text: Redacted<String>,
}

/// Something that is to be done after a case was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub duty: Duty,
    /// Until when, where its source says so.
    pub until: Option<Timestamp>,
    /// Whether somebody said that it is done.
    pub is_done: bool,
}

/// A case with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// The case.
    pub case: Case,
    /// Who looked.
    pub actor: Option<Id16>,
    /// The findings, newest first.
    pub found: Vec<Found>,
    /// The entries behind them, newest first.
    pub entries: Vec<AccessEntry>,
    /// What was done, oldest first.
    pub done: Vec<Done>,
    /// What is to be done.
    pub due: Vec<Due>,
}

/// A question to a member of staff about what they looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The case.
    pub incident: Id16,
    /// What was found, as they are told it.
    pub found: Vec<Found>,
    /// What was asked and answered, oldest first.
    pub done: Vec<Done>,
    /// Whether it waits for an answer.
    pub is_waiting: bool,
}

/// How alerts get on at a destination. Nothing in it is about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which: its kind and number in the configuration.
    pub destination: String,
    /// When one arrived last.
    pub good: Option<Timestamp>,
    /// When one failed last.
    pub bad: Option<Timestamp>,
    /// Why; empty where the last one arrived.
    pub fault: String,
}

impl Watch {
    /// Cases, the gravest first. Takes a permit to see cases; journalled under who asks.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn cases(&self, permit: &Permit, query: &CaseQuery) -> Result<Vec<Case>, WatchError> {
        check(permit, &[Action::SeeCases])?;
        let account = permit.actor().account;
        let before = query.days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        let before = before.and_then(|span| self.inner.clock.now().checked_sub(span).ok());
        let filter = Filter {
            closed: Some(query.which == Which::Closed),
            assignee: (query.which == Which::Mine).then_some(account),
            rule: query.rule.map(Rule::name),
            severity: query.severity.map(|severity| severity as i64),
            opened_before_us: before.map(Timestamp::as_microsecond),
            changed_after: None,
        };
        self.inner.store.note_use(permit, account, "case")?;
        let rows = self.tables().read("cases", |connection| sql::list(connection, &filter, CASES_MAX))?;
        Ok(rows.into_iter().map(case).collect())
    }

    /// Cases that changed after a change, the oldest change first, and the newest change. For pages that follow along; whoever
    /// reads them was journalled when they opened the page.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn changes(&self, permit: &Permit, after: Option<i64>) -> Result<(i64, Vec<Case>), WatchError> {
        check(permit, &[Action::SeeCases])?;
        let read = |connection: &rusqlite::Connection| {
            let newest = sql::newest_change(connection)?;
            let Some(after) = after else { return Ok((newest, Vec::new())) };
            let filter = Filter { changed_after: Some(after), ..Filter::default() };
            let rows = sql::list(connection, &filter, CASES_MAX)?;
            Ok((rows.last().map_or(after, |row| row.change), rows))
        };
        let (newest, rows) = self.tables().read("changes of cases", read)?;
        Ok((newest, rows.into_iter().map(case).collect()))
    }

    /// A case with the entries behind it. Those are journalled under each person they are about. Takes a permit to see cases.
    ///
    /// # Errors
    /// [`WatchError::NoCase`], [`WatchError::OwnCase`], [`WatchError::Store`].
    pub fn case(&self, permit: &Permit, incident: Id16) -> Result<CaseFile, WatchError> {
        check(permit, &[Action::SeeCases])?;
        let row = self.others_case(permit, incident)?;
        let read = |connection: &rusqlite::Connection| {
            Ok((
                sql::findings(connection, incident, ENTRIES_MAX)?,
                sql::behind(connection, incident, ENTRIES_MAX)?,
                sql::steps(connection, incident)?,
            ))
        };
        let (found, keys, steps) = self.tables().read("a case", read)?;
        self.note(permit, &row, "case")?;
        let entries = if keys.is_empty() { Vec::new() } else { self.inner.store.accesses_of(permit, &keys)? };
        let done = self.opened(incident, steps);
        let due = self.due(&row, &done);
        let found = found.into_iter().map(found_of).collect();
        Ok(CaseFile { actor: row.actor, case: case(row), found, entries, done, due })
    }

    /// Says that who asks sees to a case.
    ///
    /// # Errors
    /// As [`Watch::case`].
    pub fn assign(&self, permit: &Permit, incident: Id16) -> Result<(), WatchError> {
        let change = Change { assignee: Some(permit.actor().account), within: OPEN, ..Change::default() };
        self.act(permit, incident, "assign", change, String::new())
    }

    /// Asks who looked.
    ///
    /// # Errors
    /// As [`Watch::case`], and [`WatchError::Text`].
    pub fn ask(&self, permit: &Permit, incident: Id16, text: &str) -> Result<(), WatchError> {
        let change =
            Change { state: Some("asked"), assignee: Some(permit.actor().account), within: OPEN, ..Change::default() };
        self.act(permit, incident, "ask", change, checked(text)?)
    }

    /// Writes a note into a case.
    ///
    /// # Errors
    /// As [`Watch::ask`].
    pub fn remark(&self, permit: &Permit, incident: Id16, text: &str) -> Result<(), WatchError> {
        let within = &["open", "asked", "answered", "closed"];
        self.act(permit, incident, "note", Change { within, ..Change::default() }, checked(text)?)
    }

    /// Closes a case with an outcome. What follows from it stands on the case from then on.
    ///
    /// # Errors
    /// As [`Watch::ask`].
    pub fn close(&self, permit: &Permit, incident: Id16, outcome: Outcome, text: &str) -> Result<(), WatchError> {
        let change = Change {
            state: Some("closed"),
            assignee: Some(permit.actor().account),
            outcome: Some(outcome.name()),
            within: OPEN,
        };
        self.act(permit, incident, "close", change, checked(text)?)
    }

    /// Says that something which followed from a case is done.
    ///
    /// # Errors
    /// As [`Watch::case`]; [`WatchError::NoCase`] where no such duty follows from its outcome.
    pub fn fulfil(&self, permit: &Permit, incident: Id16, slug: &str) -> Result<(), WatchError> {
        let row = self.handled(permit, incident)?;
        let outcome = row.outcome.as_deref().and_then(Outcome::from_name).ok_or(WatchError::NoCase)?;
        let known = self.params_of(&row).duties_of(outcome).any(|duty| duty.slug == slug);
        if !known {
            return Err(WatchError::NoCase);
        }
        let change = Change { within: &["closed"], ..Change::default() };
        self.act(permit, incident, "duty", change, slug.to_owned())
    }

    /// What a member of staff is asked, and was answered. Takes a permit to answer questions.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn questions(&self, permit: &Permit) -> Result<Vec<Question>, WatchError> {
        check(permit, &[Action::AnswerQuestion])?;
        let account = permit.actor().account;
        let read = |connection: &rusqlite::Connection| {
            let rows = sql::asked_of(connection, account, CASES_MAX)?;
            let each = rows.into_iter().map(|row| {
                let found = sql::findings(connection, row.incident, ENTRIES_MAX)?;
                Ok((row.clone(), found, sql::steps(connection, row.incident)?))
            });
            each.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = self.tables().read("questions", read)?;
        self.inner.store.note_use(permit, account, "question")?;
        let question = |(row, found, steps): (CaseRow, Vec<_>, Vec<_>)| {
            let mut done = self.opened(row.incident, steps);
            // What officers note among themselves is not for who is asked.
            done.retain(|one| matches!(one.kind.as_str(), "ask" | "answer"));
            let found = found.into_iter().map(found_of).collect();
            Question { incident: row.incident, found, done, is_waiting: row.state == "asked" }
        };
        Ok(rows.into_iter().map(question).collect())
    }

    /// Answers a question about what who asks looked at.
    ///
    /// # Errors
    /// [`WatchError::NoCase`] where they are asked nothing, [`WatchError::Text`], [`WatchError::Store`].
    pub fn answer(&self, permit: &Permit, incident: Id16, text: &str) -> Result<(), WatchError> {
        check(permit, &[Action::AnswerQuestion])?;
        let row = self.row(incident)?.filter(|row| row.actor == Some(permit.actor().account));
        let row = row.ok_or(WatchError::NoCase)?;
        let change = Change { state: Some("answered"), within: &["asked"], ..Change::default() };
        self.write_step(permit, &row, "answer", change, checked(text)?)
    }

    /// How alerts get on at each destination.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn deliveries(&self) -> Result<Vec<Delivery>, WatchError> {
        let rows = self.tables().read("deliveries", sql::deliveries)?;
        let delivery = |row: sql::DeliveryRow| Delivery {
            destination: row.destination,
            good: row.good,
            bad: row.bad,
            fault: row.fault,
        };
        Ok(rows.into_iter().map(delivery).collect())
    }

    /// Notes that an alert arrived at a destination, or why it did not.
    ///
    /// # Errors
    /// [`WatchError::Store`].
    pub fn delivered(&self, destination: &str, fault: Option<String>) -> Result<(), WatchError> {
        let (at_us, destination) = (self.inner.clock.now().as_microsecond(), destination.to_owned());
        let write = move |t: &rusqlite::Transaction<'_>| sql::set_delivery(t, &destination, at_us, fault.as_deref());
        Ok(self.tables().write("a delivery", write)?)
    }

    fn act(
        &self,
        permit: &Permit,
        incident: Id16,
        kind: &'static str,
        change: Change,
        text: String,
    ) -> Result<(), WatchError> {
        let row = self.handled(permit, incident)?;
        self.write_step(permit, &row, kind, change, text)
    }

    fn write_step(
        &self,
        permit: &Permit,
        row: &CaseRow,
        kind: &'static str,
        change: Change,
        text: String,
    ) -> Result<(), WatchError> {
        self.note(permit, row, kind)?;
        let (incident, account, at_us) =
            (row.incident, permit.actor().account, self.inner.clock.now().as_microsecond());
        let inner = std::sync::Arc::clone(&self.inner);
        let write = move |t: &rusqlite::Transaction<'_>| {
            let seal = |number: u32| {
                sealed::seal(&inner.secret, LABEL, &binding(incident, number), text.as_bytes(), &*inner.random)
            };
            sql::add_step(t, incident, (account, kind, at_us), &change, seal)
        };
        self.tables().write("a step of a case", write)?.map(drop).ok_or(WatchError::NoCase)
    }

    /// A case that who asks may handle.
    fn handled(&self, permit: &Permit, incident: Id16) -> Result<CaseRow, WatchError> {
        check(permit, &[Action::HandleCases])?;
        self.others_case(permit, incident)
    }

    /// A case that is not about who asks: nobody sees to what they did themselves.
    fn others_case(&self, permit: &Permit, incident: Id16) -> Result<CaseRow, WatchError> {
        let row = self.row(incident)?.ok_or(WatchError::NoCase)?;
        if row.actor == Some(permit.actor().account) {
            self.note(permit, &row, "case-refused")?;
            return Err(WatchError::OwnCase);
        }
        Ok(row)
    }

    fn row(&self, incident: Id16) -> Result<Option<CaseRow>, WatchError> {
        Ok(self.tables().read("a case", |connection| sql::case(connection, incident))?)
    }

    /// Journals what is done with a case: under whose records it is about, so that they see it, else under who does it.
    fn note(&self, permit: &Permit, row: &CaseRow, kind: &str) -> Result<(), WatchError> {
        let subject = row.subject.unwrap_or(permit.actor().account);
        let kind = if kind == "case" { "case".to_owned() } else { format!("case-{kind}") };
        Ok(self.inner.store.note_use(permit, subject, &kind)?)
    }

    fn opened(&self, incident: Id16, steps: Vec<sql::StepRow>) -> Vec<Done> {
        let open = |step: sql::StepRow| {
            let plain = sealed::open(&self.inner.secret, LABEL, &binding(incident, step.number), &step.text);
            let text = plain.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| "�".to_owned());
            Done { at: step.at, account: step.account, kind: step.kind, text: Redacted::new(text) }
        };
        steps.into_iter().map(open).collect()
    }

    fn due(&self, row: &CaseRow, done: &[Done]) -> Vec<Due> {
        let Some(outcome) = row.outcome.as_deref().and_then(Outcome::from_name) else { return Vec::new() };
        let due = |duty: &Duty| {
            let span = duty.within_hours.map(|hours| SignedDuration::from_hours(hours.into()));
            let until = row.closed.zip(span).and_then(|(closed, span)| closed.checked_add(span).ok());
            let is_done = done.iter().any(|one| one.kind == "duty" && *one.text.expose() == duty.slug);
            Due { duty: duty.clone(), until, is_done }
        };
        self.params_of(row).duties_of(outcome).map(due).collect()
    }

    /// The parameters by which a case has duties: those in force when it was closed.
    fn params_of(&self, row: &CaseRow) -> &'static Params {
        row.closed.map_or_else(|| self.params(), Params::at)
    }
}

pub(crate) fn check(permit: &Permit, actions: &'static [Action]) -> Result<(), WatchError> {
    if actions.contains(&permit.action()) {
        return Ok(());
    }
    let needed = actions.first().map_or("nothing", |action| action.name());
    Err(StoreError::Action { call: "cases", needed, found: permit.action().name() }.into())
}

pub(crate) fn checked(text: &str) -> Result<String, WatchError> {
    let text = text.trim();
    let found = text.chars().count();
    if (1..=TEXT_MAX).contains(&found) { Ok(text.to_owned()) } else { Err(WatchError::Text { found, limit: TEXT_MAX }) }
}

fn binding(incident: Id16, number: u32) -> Vec<u8> {
    [incident.0.as_slice(), &number.to_be_bytes()].concat()
}

fn case(row: CaseRow) -> Case {
    Case {
        incident: row.incident,
        rule: row.rule,
        severity: severity(row.severity),
        state: row.state,
        assignee: row.assignee,
        outcome: row.outcome.as_deref().and_then(Outcome::from_name),
        opened: row.opened,
        closed: row.closed,
        findings: row.findings,
        change: row.change,
    }
}

fn found_of(row: sql::FindingRow) -> Found {
    Found {
        time: row.time,
        role: row.role,
        institution: row.institution,
        message: row.message,
        values: serde_json::from_str(&row.details).unwrap_or_default(),
        edition: row.edition,
    }
}

/// How grave a number in the tables says. Unknown ones are the gravest, so that nobody overlooks them.
pub(crate) fn severity(number: i64) -> Severity {
    Severity::ALL.iter().copied().find(|each| *each as i64 == number).unwrap_or(Severity::Critical)
}

/// A time in the tables.
pub(crate) fn time(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or_default()
}
