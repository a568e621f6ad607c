//! Finding resources by what stands in clear about them. No body is opened here, and nothing leaves before the access journal
//! has it.

use std::collections::BTreeMap;

use base::{Id16, Timestamp};
use policy::{Action, Owner, Permit, Scope, Share};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::Store;
use crate::access::Seen;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::read::HISTORIES_MAX;
use crate::share::Shared;
use crate::types::{Head, ResourceKey, id16_from, institution_from, owner_bytes, time_from};

/// Most heads on a page.
pub const PAGE_MAX: usize = 1_000;
/// Most types, ids or conditions in one query.
pub const CONDITIONS_MAX: usize = 500;
/// Stands for "no date" in the table: sorts before all others.
pub(crate) const NO_DATE: i64 = i64::MIN;

/// What is looked for. Everything that is given must hold; what is empty holds always.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only these patients of the permit's.
    pub owners: Vec<Owner>,
    /// Only these FHIR types.
    pub types: Vec<String>,
    /// Only these ids.
    pub ids: Vec<Id16>,
    /// Dated at or after this.
    pub from: Option<Timestamp>,
    /// Dated before this.
    pub before: Option<Timestamp>,
    /// Belonging to this encounter.
    pub encounter: Option<Id16>,
    /// Having these index values.
    pub matches: Vec<Match>,
    /// In which order.
    pub order: Order,
    /// Most heads on the page; 0 for [`PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// The order of a page. What has no date is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By date, newest first.
    #[default]
    NewestFirst,
    /// By date, oldest first.
    OldestFirst,
}

/// One condition on the search index.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// A token with this code, and this system where one is given.
    Token {
        /// Code of the search parameter.
        param: String,
        /// The system; `None` for any.
        system: Option<String>,
        /// The code.
        code: String,
    },
    /// A string that begins with this.
    String {
        /// Code of the search parameter.
        param: String,
        /// Its beginning, normalised as the index is.
        prefix: String,
    },
    /// A date whose period meets this one.
    Date {
        /// Code of the search parameter.
        param: String,
        /// First microsecond.
        low_us: i64,
        /// Last microsecond.
        high_us: i64,
    },
    /// A reference to this: an id here in hexadecimal, or an address.
    Reference {
        /// Code of the search parameter.
        param: String,
        /// The target.
        target: String,
    },
    /// A quantity whose range meets this one.
    Quantity {
        /// Code of the search parameter.
        param: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
        /// The unit; `None` for any.
        code: Option<String>,
    },
    /// A number whose range meets this one.
    Number {
        /// Code of the search parameter.
        param: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// An address, as a whole.
    Uri {
        /// Code of the search parameter.
        param: String,
        /// The address.
        value: String,
    },
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    date_us: i64,
    id: Id16,
}

/// Some of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order asked for.
    pub heads: Vec<Head>,
    /// Where to go on; `None` where this is all.
    pub next: Option<Cursor>,
}

impl Store {
    /// Finds current versions within the permit's patients. One access entry for each patient in the answer is durable before
    /// this returns.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::JournalUnavailable`], [`StoreError::Database`].
    pub fn search(&self, permit: &Permit, query: &Query) -> Result<Page, StoreError> {
        check_action(
            permit,
            "search",
            &[Action::ReadTimeline, Action::ReadRecord, Action::ReadDocument, Action::Issue],
        )?;
        let Scope::Patients(patients) = permit.scope() else {
            return Err(StoreError::Scope { what: "patients" });
        };
        let conditions = query.types.len() + query.ids.len() + query.matches.len();
        check_count("conditions of a query", conditions, CONDITIONS_MAX)?;
        let limit = if query.limit == 0 { PAGE_MAX } else { query.limit.min(PAGE_MAX) };
        // Of a part that is shared, what is left of a page is known once everything was looked at.
        let fetched = if *permit.share() == Share::Whole { limit + 1 } else { HISTORIES_MAX };
        let (sql, values) = compose(query, fetched);
        let core = self.core();
        let heads = core.readers.snapshot("searching", |connection| {
            check_epoch(connection, permit.epoch())?;
            let mut heads = Vec::new();
            for patient in patients {
                let owner = Owner::Patient(*patient);
                if query.owners.is_empty() || query.owners.contains(&owner) {
                    let from = heads.len();
                    find(connection, &sql, owner, &values, &mut heads)?;
                    keep_shared(core, connection, permit, owner, &mut heads, from)?;
                }
            }
            Ok(heads)
        })?;
        let page = cut_page(heads, query.order, limit)?;
        let mut seen = Seen::default();
        for (_, head) in &page.0 {
            seen.add(head.key.owner, &head.institution, &head.key.resource_type);
        }
        self.core().record_seen(permit, seen)?;
        Ok(Page { heads: page.0.into_iter().map(|(_, head)| head).collect(), next: page.1 })
    }
}

/// Leaves of what was found of an owner, from a place on, what the permit shares.
pub(crate) fn keep_shared(
    core: &Core,
    connection: &Connection,
    permit: &Permit,
    owner: Owner,
    found: &mut Vec<Found>,
    from: usize,
) -> Result<(), StoreError> {
    if *permit.share() != Share::Whole {
        let shared = Shared::of(core, connection, permit, owner)?;
        let tail = found.split_off(from);
        found.extend(tail.into_iter().filter(|(_, head)| shared.has(&head.key)));
    }
    Ok(())
}

/// A head with its date as it sorts.
pub(crate) type Found = (i64, Head);

/// The first `limit` of what was found, in order, and where they end if there is more.
pub(crate) fn cut_page(
    mut found: Vec<Found>,
    order: Order,
    limit: usize,
) -> Result<(Vec<Found>, Option<Cursor>), StoreError> {
    found.sort_unstable_by(|(a_us, a), (b_us, b)| {
        let oldest_first = (a_us, a.key.id).cmp(&(b_us, b.key.id));
        if order == Order::OldestFirst { oldest_first } else { oldest_first.reverse() }
    });
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(date_us, head)| Cursor { date_us: *date_us, id: head.key.id });
    Ok((found, next))
}

/// The statement for one owner, whose parameter is the first, and the values of the others.
pub(crate) fn compose(query: &Query, limit: usize) -> (String, Vec<Value>) {
    let mut sql = "SELECT type, id, version, institution, date_us, encounter, recorded_us \
                   FROM resource_current c WHERE owner = ?"
        .to_owned();
    let mut values = Vec::new();
    let mut add = |part: &str, more: Vec<Value>| {
        sql.push_str(part);
        values.extend(more);
    };
    if !query.types.is_empty() {
        let part = format!(" AND type IN ({})", marks(query.types.len()));
        add(&part, query.types.iter().map(|kind| Value::Text(kind.clone())).collect());
    }
    if !query.ids.is_empty() {
        let part = format!(" AND id IN ({})", marks(query.ids.len()));
        add(&part, query.ids.iter().map(|id| Value::Blob(id.0.to_vec())).collect());
    }
    if let Some(from) = query.from {
        add(" AND date_us >= ?", vec![from.as_microsecond().into()]);
    }
    if let Some(before) = query.before {
        add(" AND date_us > ? AND date_us < ?", vec![NO_DATE.into(), before.as_microsecond().into()]);
    }
    if let Some(encounter) = query.encounter {
        add(" AND encounter = ?", vec![Value::Blob(encounter.0.to_vec())]);
    }
    for one in &query.matches {
        let (table, condition, more) = condition(one);
        let part = format!(
            " AND EXISTS (SELECT 1 FROM {table} x WHERE x.owner = c.owner AND x.type = c.type AND x.id = c.id AND {condition})"
        );
        add(&part, more);
    }
    let (compare, direction) = if query.order == Order::OldestFirst { (">", "ASC") } else { ("<", "DESC") };
    if let Some(after) = query.after {
        let part = format!(" AND (date_us, id) {compare} (?, ?)");
        add(&part, vec![after.date_us.into(), Value::Blob(after.id.0.to_vec())]);
    }
    let part = format!(" ORDER BY date_us {direction}, id {direction} LIMIT ?");
    add(&part, vec![(limit as i64).into()]);
    (sql, values)
}

/// Table, condition and values of one match.
fn condition(one: &Match) -> (&'static str, &'static str, Vec<Value>) {
    let text = |text: &str| Value::Text(crate::index::cut(text).to_owned());
    match one {
        Match::Token { param, system: None, code } => {
            ("idx_token", "x.param = ? AND x.code = ?", vec![text(param), text(code)])
        }
        Match::Token { param, system: Some(system), code } => {
            ("idx_token", "x.param = ? AND x.code = ? AND x.system = ?", vec![text(param), text(code), text(system)])
        }
        Match::String { param, prefix } => {
            // U+10FFFF sorts behind every text that begins with the prefix.
            let end = format!("{}\u{10FFFF}", crate::index::cut(prefix));
            (
                "idx_string",
                "x.param = ? AND x.value >= ? AND x.value < ?",
                vec![text(param), text(prefix), Value::Text(end)],
            )
        }
        Match::Date { param, low_us, high_us } => {
            let values = vec![text(param), (*high_us).into(), (*low_us).into()];
            ("idx_date", "x.param = ? AND x.low_us <= ? AND x.high_us >= ?", values)
        }
        Match::Reference { param, target } => {
            ("idx_reference", "x.param = ? AND x.target = ?", vec![text(param), text(target)])
        }
        Match::Quantity { param, low, high, code: None } => {
            let values = vec![text(param), (*high).into(), (*low).into()];
            ("idx_quantity", "x.param = ? AND x.low <= ? AND x.high >= ?", values)
        }
        Match::Quantity { param, low, high, code: Some(code) } => {
            let values = vec![text(param), (*high).into(), (*low).into(), text(code)];
            ("idx_quantity", "x.param = ? AND x.low <= ? AND x.high >= ? AND x.code = ?", values)
        }
        Match::Number { param, low, high } => {
            let values = vec![text(param), (*high).into(), (*low).into()];
            ("idx_number", "x.param = ? AND x.low <= ? AND x.high >= ?", values)
        }
        Match::Uri { param, value } => ("idx_uri", "x.param = ? AND x.value = ?", vec![text(param), text(value)]),
    }
}

fn marks(count: usize) -> String {
    let mut marks = "?,".repeat(count);
    marks.pop();
    marks
}

/// Runs a statement of [`compose`] for one owner.
pub(crate) fn find(
    connection: &Connection,
    sql: &str,
    owner: Owner,
    values: &[Value],
    heads: &mut Vec<Found>,
) -> Result<(), StoreError> {
    let step = "searching";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let owner_value = Value::Blob(owner_bytes(owner).to_vec());
    let mut rows = statement.query(params_from_iter(std::iter::once(&owner_value).chain(values))).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let date_us: i64 = row.get(4).at(step)?;
        let encounter: Option<[u8; 16]> = row.get(5).at(step)?;
        let head = Head {
            key: ResourceKey {
                owner,
                resource_type: row.get(0).at(step)?,
                id: id16_from(row.get_ref(1).at(step)?.as_blob().unwrap_or_default())?,
            },
            institution: institution_from(row.get_ref(3).at(step)?.as_str().unwrap_or_default())?,
            version: row.get(2).at(step)?,
            date: (date_us != NO_DATE).then(|| time_from(date_us)).transpose()?,
            encounter: encounter.map(Id16),
            recorded: time_from(row.get(6).at(step)?)?,
        };
        heads.push((date_us, head));
    }
    Ok(())
}

/// Counts by type: what an access entry says was seen.
pub(crate) fn counted(what: BTreeMap<String, u32>) -> Vec<(String, u32)> {
    what.into_iter().collect()
}
