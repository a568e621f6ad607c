//! Rows of the search index: one kind for each kind of value that R4 search parameters have (R4 section 3.1.1.4).
//!
//! Index values stand in the database in clear; identity numbers never belong here.

use rusqlite::{Transaction, params};

use base::Id16;

use crate::error::{AtStep, StoreError};

/// Longest text of an index value in bytes; longer ones are cut at a character.
pub const INDEX_TEXT_BYTES_MAX: usize = 512;

/// Under which the home of a Patient stands in the index: a keyed hash, and never the address. No search parameter of R4.
pub const HOUSEHOLD: &str = "household";

/// Under which the number on a Patient's chart stands in the index: one that the institution itself gave, and that is in use. No
/// search parameter of R4: `identifier` has the numbers of everybody else too, and those that were given up.
pub const CHART_NUMBER: &str = "chart-number";

/// One value by which a resource is found. `param` is the code of the search parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexRow {
    /// A code, identifier or flag.
    Token {
        /// Code of the search parameter.
        param: &'static str,
        /// The system, empty for none.
        system: String,
        /// The code.
        code: String,
    },
    /// A text, normalised by whoever makes the row.
    String {
        /// Code of the search parameter.
        param: &'static str,
        /// The text.
        value: String,
    },
    /// A period; microseconds since 1970 UTC, both ends included.
    Date {
        /// Code of the search parameter.
        param: &'static str,
        /// First microsecond.
        low_us: i64,
        /// Last microsecond.
        high_us: i64,
    },
    /// A reference, by the target's id here where it has one, else by its address.
    Reference {
        /// Code of the search parameter.
        param: &'static str,
        /// FHIR type of the target, empty where unknown.
        target_type: String,
        /// 32 hexadecimal digits of an id here, or an address.
        target: String,
    },
    /// An amount with its unit.
    Quantity {
        /// Code of the search parameter.
        param: &'static str,
        /// Lower end of the range that the precision covers.
        low: f64,
        /// Upper end.
        high: f64,
        /// System of the unit, empty for none.
        system: String,
        /// Unit.
        code: String,
    },
    /// A number.
    Number {
        /// Code of the search parameter.
        param: &'static str,
        /// Lower end of the range that the precision covers.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Two values that stand together: a token or the like, and another or a range.
    Composite {
        /// Code of the search parameter.
        param: &'static str,
        /// The first: `system|code`, or a text.
        first: String,
        /// The second, or the unit of its range.
        second: String,
        /// Lower end of the second's range, else 0.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// An address that is compared as a whole.
    Uri {
        /// Code of the search parameter.
        param: &'static str,
        /// The address.
        value: String,
    },
}

/// Inserts the rows of one resource.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    owner: &[u8],
    kind: &str,
    id: Id16,
    rows: &[IndexRow],
) -> Result<(), StoreError> {
    let step = "indexing";
    let id = id.0;
    for row in rows {
        match row {
            IndexRow::Token { param, system, code } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_token VALUES (?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, cut(code), cut(system), id]),
            IndexRow::String { param, value } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_string VALUES (?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, cut(value), id]),
            IndexRow::Date { param, low_us, high_us } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_date VALUES (?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, low_us, high_us, id]),
            IndexRow::Reference { param, target_type, target } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_reference VALUES (?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, target_type, cut(target), id]),
            IndexRow::Quantity { param, low, high, system, code } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_quantity VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, low, high, cut(system), cut(code), id]),
            IndexRow::Number { param, low, high } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_number VALUES (?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, low, high, id]),
            IndexRow::Composite { param, first, second, low, high } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_composite VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, cut(first), cut(second), low, high, id]),
            IndexRow::Uri { param, value } => transaction
                .prepare_cached("INSERT OR IGNORE INTO idx_uri VALUES (?, ?, ?, ?, ?)")
                .at(step)?
                .execute(params![owner, kind, param, cut(value), id]),
        }
        .at(step)?;
    }
    Ok(())
}

/// Removes the rows of one resource, before those of its next version are inserted.
pub(crate) fn remove(transaction: &Transaction<'_>, owner: &[u8], kind: &str, id: Id16) -> Result<(), StoreError> {
    const TABLES: [&str; 8] = [
        "DELETE FROM idx_token WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_string WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_date WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_reference WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_quantity WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_number WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_composite WHERE owner = ? AND type = ? AND id = ?",
        "DELETE FROM idx_uri WHERE owner = ? AND type = ? AND id = ?",
    ];
    for sql in TABLES {
        transaction.prepare_cached(sql).at("indexing")?.execute(params![owner, kind, id.0]).at("indexing")?;
    }
    Ok(())
}

/// The text, cut to what an index value may be.
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= INDEX_TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=INDEX_TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.expect("0 is a boundary of every text")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = "가".repeat(INDEX_TEXT_BYTES_MAX);
        assert_eq!(cut(&text).len(), INDEX_TEXT_BYTES_MAX / 3 * 3);
        assert_eq!(cut("가"), "가");
    }
}
