//! Proves every document by its bytes: all its chunks are where its rows say, and they give the SHA-256 that its leaf is about.

use aws_lc_rs::digest::{Context, SHA256};
use policy::Permit;
use rusqlite::{Connection, OptionalExtension, params};
use vault::{FrameAt, Keyring};

use super::Rebuild;
use super::staging::Staging;
use crate::error::{AtStep, StoreError};
use crate::object_read::after_header;

struct Chunk {
    path: String,
    at: FrameAt,
    last: bool,
    sha256: Option<[u8; 32]>,
    whole: Option<bool>,
}

/// How many documents there are.
pub(super) fn prove(
    with: &Rebuild<'_>,
    permit: &Permit,
    keyring: &Keyring,
    target: &Connection,
    staging: &Staging,
) -> Result<u64, StoreError> {
    let step = "proving documents";
    let mut statement = target.prepare("SELECT row, owner, id, chunks FROM object ORDER BY row").at(step)?;
    let mut rows = statement.query([]).at(step)?;
    let mut proved = 0;
    while let Some(row) = rows.next().at(step)? {
        let (object, owner): (i64, Vec<u8>) = (row.get(0).at(step)?, row.get(1).at(step)?);
        let (id, count): (Vec<u8>, i64) = (row.get(2).at(step)?, row.get(3).at(step)?);
        let chunks = chunks(target, staging, object, &owner, &id)?;
        let complete = chunks.len() as i64 == count && chunks.last().is_some_and(|last| last.last);
        if !complete || !is_whole(with, permit, keyring, &chunks)? {
            let reason =
                "a document's bytes are not those that its leaf is about: repair the site, or rebuild from another";
            return Err(StoreError::Rebuild { reason: reason.to_owned() });
        }
        proved += 1;
    }
    Ok(proved)
}

fn chunks(
    target: &Connection,
    staging: &Staging,
    object: i64,
    owner: &[u8],
    id: &[u8],
) -> Result<Vec<Chunk>, StoreError> {
    let step = "looking for the chunks of a document";
    let mut statement = target
        .prepare_cached(
            "SELECT chunk, path, start, length FROM object_chunk JOIN pack ON pack.no = object_chunk.pack \
             WHERE object = ? ORDER BY chunk",
        )
        .at(step)?;
    let places = statement
        .query_map([object], |row| Ok((row.get(0)?, row.get(1)?, FrameAt { offset: row.get(2)?, length: row.get(3)? })))
        .and_then(Iterator::collect::<Result<Vec<(i64, String, FrameAt)>, _>>)
        .at(step)?;
    let mut chunks = Vec::with_capacity(places.len());
    for (chunk, path, at) in places {
        let sql = "SELECT last, sha256, whole FROM chunk JOIN pack ON pack.no = chunk.pack \
                   WHERE owner = ? AND object = ? AND chunk = ? AND path = ? AND start = ? AND length = ?";
        let mut statement = staging.db.prepare_cached(sql).at(step)?;
        let values = params![owner, id, chunk, path, at.offset, at.length];
        let found =
            statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional().at(step)?;
        // One that is missing makes the count wrong.
        if let Some((last, sha256, whole)) = found {
            chunks.push(Chunk { path, at, last, sha256, whole });
        }
    }
    Ok(chunks)
}

fn is_whole(with: &Rebuild<'_>, permit: &Permit, keyring: &Keyring, chunks: &[Chunk]) -> Result<bool, StoreError> {
    let Some(first) = chunks.first() else { return Ok(false) };
    if let Some(whole) = first.whole {
        return Ok(whole);
    }
    let mut digest = Context::new(&SHA256);
    for (number, chunk) in chunks.iter().enumerate() {
        let frame = with.from.get_range(permit, &chunk.path, chunk.at.range(), &|_| true)?;
        let body = vault::open_frame(permit, keyring, &frame)?.body;
        digest.update(if number == 0 { after_header(&body)? } else { &body });
    }
    Ok(first.sha256.is_some_and(|expected| expected == *digest.finish().as_ref()))
}
