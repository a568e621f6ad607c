//! Statements on known devices and on notices. No rule is decided here.

use base::Id16;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Devices remembered of an account; the longest unused make room.
const DEVICES_MAX: i64 = 50;
/// Notices kept of an account; the oldest make room.
const NOTICES_MAX: i64 = 200;

/// A known device as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub first_us: i64,
    pub noticed_us: i64,
}

/// One notice as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoticeRow {
    pub account: Id16,
    pub id: Id16,
    pub kind: String,
    pub about: Vec<u8>,
    /// The device whose doing it is; zeros where it is none's.
    pub device: [u8; 32],
    pub made_us: i64,
}

/// A device of an account.
pub(crate) fn get(connection: &Connection, account: Id16, device: &[u8; 32]) -> rusqlite::Result<Option<DeviceRow>> {
    connection
        .prepare_cached("SELECT first_us, noticed_us FROM known_device WHERE account = ?1 AND device = ?2")?
        .query_row(params![account.0, device], |row| Ok(DeviceRow { first_us: row.get(0)?, noticed_us: row.get(1)? }))
        .optional()
}

/// Whether an account has a known device at all.
pub(crate) fn any(connection: &Connection, account: Id16) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM known_device WHERE account = ?1")?.exists([account.0])
}

/// Whether an account was signed in to from a source before, with both factors.
pub(crate) fn knows_source(connection: &Connection, account: Id16, source: &[u8; 32]) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM known_device WHERE account = ?1 AND source = ?2")?
        .exists(params![account.0, source])
}

/// Remembers that both factors of an account were given on a device.
pub(crate) fn remember(
    transaction: &Transaction<'_>,
    account: Id16,
    device: &[u8; 32],
    source: &[u8; 32],
    now_us: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO known_device (account, device, source, first_us, seen_us, noticed_us)
             VALUES (?1, ?2, ?3, ?4, ?4, 0)
             ON CONFLICT (account, device) DO UPDATE SET source = excluded.source, seen_us = excluded.seen_us",
        )?
        .execute(params![account.0, device, source, now_us])?;
    transaction
        .prepare_cached(
            "DELETE FROM known_device WHERE account = ?1 AND device IN
             (SELECT device FROM known_device WHERE account = ?1 ORDER BY seen_us DESC, device LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![account.0, DEVICES_MAX])?;
    Ok(())
}

/// Forgets every device of an account.
pub(crate) fn forget_all(transaction: &Transaction<'_>, account: Id16) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM known_device WHERE account = ?1")?.execute([account.0])
}

/// Notes that the notices up to now were read on a device.
pub(crate) fn set_noticed(
    transaction: &Transaction<'_>,
    account: Id16,
    device: &[u8; 32],
    now_us: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE known_device SET noticed_us = ?3 WHERE account = ?1 AND device = ?2")?
        .execute(params![account.0, device, now_us])?;
    Ok(())
}

/// Adds a notice.
pub(crate) fn add_notice(transaction: &Transaction<'_>, notice: &NoticeRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO notice (account, notice, kind, about, device, made_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![notice.account.0, notice.id.0, notice.kind, notice.about, notice.device, notice.made_us])?;
    transaction
        .prepare_cached(
            "DELETE FROM notice WHERE account = ?1 AND notice IN
             (SELECT notice FROM notice WHERE account = ?1 ORDER BY made_us DESC, notice LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![notice.account.0, NOTICES_MAX])?;
    Ok(())
}

/// The notices of an account, newest first.
pub(crate) fn notices(connection: &Connection, account: Id16) -> rusqlite::Result<Vec<NoticeRow>> {
    connection
        .prepare_cached(
            "SELECT notice, kind, about, device, made_us FROM notice WHERE account = ?1 ORDER BY made_us DESC, notice",
        )?
        .query_map([account.0], |row| {
            Ok(NoticeRow {
                account,
                id: Id16(row.get(0)?),
                kind: row.get(1)?,
                about: row.get(2)?,
                device: row.get(3)?,
                made_us: row.get(4)?,
            })
        })?
        .collect()
}

/// How many notices of an account came after a moment and are not of this device's doing.
pub(crate) fn unread(
    connection: &Connection,
    account: Id16,
    device: &[u8; 32],
    after_us: i64,
) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM notice WHERE account = ?1 AND made_us > ?2 AND device <> ?3")?
        .query_row(params![account.0, after_us, device], |row| row.get(0))
}
