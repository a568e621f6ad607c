//! Which version of a resource is the current one: the order of editions, and whether one is here already. Knows no bodies.
//!
//! # When the same content is the same version
//!
//! | what comes | becomes |
//! |---|---|
//! | the content of the current version | nothing new |
//! | the content of an earlier version, and by its own word older than the current one | nothing new |
//! | the content of an earlier version, at a place of a deposit that was passed before | nothing new: the deposit is repeated |
//! | the content of an earlier version otherwise | a new version: a correction back to an earlier text |
//! | other content, older than the current version | history, before the first version that it is not older than |
//! | other content otherwise | the new current version |
//!
//! "Its own word" is `meta.lastUpdated`, else a numeric `meta.versionId` (R4 section 2.21.0.2): content includes both, so a
//! correction back has another of them and is other content. Where a resource has neither, only the deposit tells a repetition
//! from a correction. So a bag may be repeated at any time and changes nothing; another bag that brings a whole history again
//! without either may add versions, which is honest, and its last word is the current one, which is right.

use rusqlite::{OptionalExtension, Transaction, params};

use base::{Id16, Timestamp};

use crate::error::{AtStep, StoreError};

/// What is known of the order of a version among others of its resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edition {
    /// Its place in its deposit: grows from the deposit's first line to its last, and is the same when it is repeated.
    pub place: Option<u64>,
    /// `meta.lastUpdated`.
    pub updated: Option<Timestamp>,
    /// `meta.versionId`, where it is a number.
    pub number: Option<u64>,
}

/// An edition as the tables have it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Came {
    pub(crate) deposit: Option<[u8; 16]>,
    pub(crate) place: Option<i64>,
    pub(crate) updated_us: Option<i64>,
    pub(crate) number: Option<i64>,
}

impl Came {
    pub(crate) fn new(deposit: Option<Id16>, edition: &Edition) -> Self {
        let whole = |number: u64| i64::try_from(number).ok();
        Self {
            deposit: deposit.filter(|_| edition.place.is_some()).map(|id| id.0),
            place: edition.place.and_then(whole),
            updated_us: edition.updated.map(Timestamp::as_microsecond),
            number: edition.number.and_then(whole),
        }
    }

    /// Whether it is older than another, as far as both say: by their own word, else by their places in one deposit.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        let pairs = [(self.updated_us, other.updated_us), (self.number, other.number)];
        let told = pairs.into_iter().find_map(|pair| match pair {
            (Some(one), Some(other)) if one != other => Some(one < other),
            _ => None,
        });
        told.unwrap_or_else(|| self.deposit == other.deposit && self.is_before(other.place))
    }

    fn is_before(&self, other: Option<i64>) -> bool {
        matches!((self.place, other), (Some(one), Some(other)) if one < other)
    }

    /// Whether this place was passed when `other` came.
    fn is_passed_at(&self, other: &Self) -> bool {
        self.deposit.is_some()
            && self.deposit == other.deposit
            && matches!((self.place, other.place), (Some(one), Some(other)) if one <= other)
    }
}

/// One version of a resource, without its body.
pub(crate) struct Link {
    pub(crate) row: i64,
    pub(crate) version: u32,
    pub(crate) previous: Option<i64>,
    pub(crate) content: [u8; 16],
    pub(crate) came: Came,
}

/// Which resource, as the tables name it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) owner: &'a [u8],
    pub(crate) resource_type: &'a str,
    pub(crate) id: &'a [u8; 16],
}

/// What becomes of content that is not the current version's.
pub(crate) enum Becomes {
    /// It is here, as this version.
    Already(u32),
    /// The current version, after this row.
    Current(i64),
    /// History: between these rows, the newer one first.
    History { newer: i64, older: Option<i64> },
}

/// Decides what becomes of content that is not the current version's.
pub(crate) fn becomes(
    transaction: &Transaction<'_>,
    named: Named<'_>,
    current: i64,
    content: &[u8; 16],
    came: &Came,
) -> Result<Becomes, StoreError> {
    let mut links = Vec::new();
    let mut next = Some(current);
    while let Some(row) = next {
        let link = link(transaction, row)?;
        next = link.previous;
        links.push(link);
    }
    let is_older = links.first().is_some_and(|current| came.is_older_than(&current.came));
    if let Some(same) = links.iter().find(|link| link.content == *content) {
        let is_repeated =
            links.iter().any(|link| came.is_passed_at(&link.came)) || was_again(transaction, named, came)?;
        if is_older || is_repeated {
            return Ok(Becomes::Already(same.version));
        }
    }
    if !is_older {
        return Ok(Becomes::Current(current));
    }
    let newer = links.iter().take_while(|link| came.is_older_than(&link.came)).last();
    let newer = newer.expect("it is older than the first of them, or the function has returned");
    Ok(Becomes::History { newer: newer.row, older: newer.previous })
}

fn link(transaction: &Transaction<'_>, row: i64) -> Result<Link, StoreError> {
    let step = "looking for an earlier version";
    let sql =
        "SELECT version, previous, content, deposit, place, updated_us, number FROM resource_version WHERE row = ?";
    transaction
        .prepare_cached(sql)
        .at(step)?
        .query_row([row], |found| {
            let came =
                Came { deposit: found.get(3)?, place: found.get(4)?, updated_us: found.get(5)?, number: found.get(6)? };
            Ok(Link { row, version: found.get(0)?, previous: found.get(1)?, content: found.get(2)?, came })
        })
        .at(step)
}

/// Whether a deposit brought the resource here, or further on in it, when it was here already.
fn was_again(transaction: &Transaction<'_>, named: Named<'_>, came: &Came) -> Result<bool, StoreError> {
    let (Some(deposit), Some(place)) = (came.deposit, came.place) else { return Ok(false) };
    let step = "looking for an earlier deposit";
    let sql = "SELECT place FROM resource_again WHERE owner = ? AND type = ? AND id = ? AND deposit = ?";
    let noted: Option<i64> = transaction
        .prepare_cached(sql)
        .at(step)?
        .query_row(params![named.owner, named.resource_type, named.id, deposit], |row| row.get(0))
        .optional()
        .at(step)?;
    Ok(noted.is_some_and(|noted| place <= noted))
}

/// Notes that a deposit brought what is the current version already, and gives the number of that version.
pub(crate) fn note_again(
    transaction: &Transaction<'_>,
    named: Named<'_>,
    current: i64,
    came: &Came,
) -> Result<u32, StoreError> {
    let link = link(transaction, current)?;
    let (Some(deposit), Some(place)) = (came.deposit, came.place) else { return Ok(link.version) };
    if came.is_passed_at(&link.came) {
        return Ok(link.version);
    }
    let step = "noting a deposit";
    let sql = "INSERT INTO resource_again (owner, type, id, deposit, place) VALUES (?, ?, ?, ?, ?) \
               ON CONFLICT DO UPDATE SET place = max(place, excluded.place)";
    let values = params![named.owner, named.resource_type, named.id, deposit, place];
    transaction.prepare_cached(sql).at(step)?.execute(values).at(step)?;
    Ok(link.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(place: Option<i64>, updated_us: Option<i64>, number: Option<i64>) -> Came {
        Came { deposit: place.map(|_| [1; 16]), place, updated_us, number }
    }

    #[test]
    fn its_own_word_goes_before_the_place() {
        let cases = [
            (came(Some(9), Some(1), Some(9)), came(Some(1), Some(2), Some(1)), true),
            (came(Some(9), Some(2), Some(1)), came(Some(1), Some(2), Some(2)), true),
            (came(Some(1), Some(3), None), came(Some(2), Some(2), None), false),
            (came(Some(1), Some(3), None), came(Some(2), None, None), true),
            (came(Some(2), None, None), came(Some(2), None, None), false),
            (came(None, None, None), came(None, None, None), false),
            (came(None, None, Some(1)), came(None, None, Some(2)), true),
            (Came { deposit: Some([2; 16]), ..came(Some(1), None, None) }, came(Some(2), None, None), false),
        ];
        for (number, (one, other, older)) in cases.iter().enumerate() {
            assert_eq!(one.is_older_than(other), *older, "case {number}");
        }
    }
}
