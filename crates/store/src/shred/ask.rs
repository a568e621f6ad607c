//! Asking for an erasure, approving it, and holding it up. Nothing is destroyed here.

use base::wire::{Reader, Writer};
use base::{Id16, Redacted, Timestamp};
use policy::{Action, Owner, Permit};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use vault::KeyName;

use super::erase::keys_of;
use super::outlook::{asked, check_permit};
use super::{
    APPROVALS, Approval, Hold, SHRED_TEXT_BYTES_MAX, Shred, ShredActor, ShredOutlook, ShredRole, ShredRules,
    ShredScope, ShredState, failed,
};
use crate::Store;
use crate::core::{Core, check_action, check_count};
use crate::error::{AtStep, StoreError};
use crate::sealed;
use crate::types::{owner_bytes, owner_from, time_from};

const HOUR_US: i64 = 3_600_000_000;

impl Store {
    /// Asks for an erasure. Gives its id. Takes a job's permit to repair, where whether somebody may is settled before, or a permit of
    /// who asks to handle erasures about [`Store::shred_target`]: then it is journalled under whom it erases.
    ///
    /// # Errors
    /// [`StoreError::Action`]; [`StoreError::Scope`]; [`StoreError::Limit`]; [`StoreError::Shred`] where reason or legal basis is
    /// missing; [`StoreError::ShredAsked`]; [`StoreError::JournalUnavailable`].
    pub fn shred_request(
        &self,
        permit: &Permit,
        by: ShredActor,
        scope: &ShredScope,
        reason: &str,
        basis: &str,
    ) -> Result<Id16, StoreError> {
        let subject = self.check_handling(permit, "shred_request", scope)?;
        let core = self.core();
        let id = Id16::random(&*core.random);
        for (what, text) in [("bytes of a reason", reason), ("bytes of a legal basis", basis)] {
            check_count(what, text.len(), SHRED_TEXT_BYTES_MAX)?;
            if text.trim().is_empty() {
                return Err(failed(id, "it needs a reason and a legal basis"));
            }
        }
        let mut request = Writer::new();
        request.u8(1).text(by.role.name()).text(reason.trim()).text(basis.trim());
        let request = sealed::seal(&core.shred_key, "request", &id.0, request.as_slice(), &*core.random);
        let (scope, now_us, is_own) = (scope.clone(), core.clock.now_us(), is_own(permit, by));
        let stored = scope.to_bytes();
        let judge = move |connection: &Connection| {
            if !is_own {
                return Err(failed(id, "whoever is signed in asks in their own name alone"));
            }
            check_role(connection, id, by)?;
            match asked(connection, &scope)? {
                Some(same) => Err(StoreError::ShredAsked { id: same.to_string() }),
                None => Ok(()),
            }
        };
        self.judged(permit, subject, "erasure-asked", &judge)?;
        let done = core.writer.run(1, move |transaction| {
            judge(transaction)?;
            let sql = "INSERT INTO shred (id, state, scope, requester, request, requested_us) VALUES (?, 'requested', ?, ?, ?, ?)";
            let values = params![id.0, stored, by.account.0, request, now_us];
            transaction.execute(sql, values).at("asking for an erasure").map(|_| ())
        });
        self.told(permit, subject, done).map(|()| id)
    }

    /// Approves an erasure. The second approval that counts starts the waiting period: one ends with the role of who gave it, up to
    /// the moment when the erasure is begun. Nobody approves twice, or what they asked for. Takes a permit as
    /// [`Store::shred_request`] does; what is refused is journalled as denied.
    ///
    /// # Errors
    /// [`StoreError::Action`]; [`StoreError::Scope`]; [`StoreError::Shred`] where this approval does not count;
    /// [`StoreError::Missing`]; [`StoreError::JournalUnavailable`].
    pub fn shred_approve(
        &self,
        permit: &Permit,
        id: Id16,
        by: ShredActor,
        rules: &ShredRules,
    ) -> Result<Shred, StoreError> {
        let subject = self.check_handling_of(permit, "shred_approve", id)?;
        let core = self.core();
        let asked = self.find_shred(id)?.requester;
        let (now_us, wait_us) = (core.clock.now_us(), i64::from(rules.wait_hours) * HOUR_US);
        let is_own = is_own(permit, by);
        let judge = move |connection: &Connection| {
            if !is_own {
                return Err(failed(id, "whoever is signed in approves in their own name alone"));
            }
            check_approval(connection, id, asked, by)
        };
        self.judged(permit, subject, "erasure-approved", &judge)?;
        let done = core.writer.run(2, move |transaction| {
            let step = "approving an erasure";
            lapse(transaction, now_us)?;
            judge(transaction)?;
            let sql = "INSERT OR REPLACE INTO shred_approval (shred, account, role, at_us) VALUES (?, ?, ?, ?)";
            transaction.execute(sql, params![id.0, by.account.0, by.role.name(), now_us]).at(step)?;
            let sql = "SELECT count(*) FROM shred_approval WHERE shred = ? AND ended_us IS NULL";
            let approvals: i64 = transaction.query_row(sql, [id.0], |row| row.get(0)).at(step)?;
            if approvals as usize >= APPROVALS {
                let sql = "UPDATE shred SET state = 'approved', not_before_us = ? WHERE id = ?";
                transaction.execute(sql, params![now_us + wait_us, id.0]).at(step)?;
            }
            Ok(())
        });
        self.told(permit, subject, done)?;
        self.find_shred(id)
    }

    /// Gives an erasure up, before it is begun. Takes a permit as [`Store::shred_request`] does.
    ///
    /// # Errors
    /// [`StoreError::Action`]; [`StoreError::Scope`]; [`StoreError::Missing`]; [`StoreError::Shred`] where it is too late;
    /// [`StoreError::JournalUnavailable`].
    pub fn shred_withdraw(&self, permit: &Permit, id: Id16) -> Result<(), StoreError> {
        let subject = self.check_handling_of(permit, "shred_withdraw", id)?;
        let judge = move |connection: &Connection| match state_of(connection, id)?.0 {
            ShredState::Requested | ShredState::Approved => Ok(()),
            _ => Err(failed(
                id,
                "it was begun, or is over: it cannot be given up; a hold stops it as long as no key is destroyed",
            )),
        };
        self.judged(permit, subject, "erasure-withdrawn", &judge)?;
        let done = self.core().writer.run(1, move |transaction| {
            judge(transaction)?;
            let sql = "UPDATE shred SET state = 'withdrawn' WHERE id = ?";
            transaction.execute(sql, [id.0]).at("giving up an erasure").map(|_| ())
        });
        self.told(permit, subject, done)
    }

    /// An erasure, and what it would take if it were done now; nothing is counted once its keys are destroyed. Takes a permit as
    /// [`Store::shred_request`] does.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::Missing`], [`StoreError::Database`],
    /// [`StoreError::JournalUnavailable`].
    pub fn shred(&self, permit: &Permit, id: Id16) -> Result<(Shred, ShredOutlook), StoreError> {
        let subject = self.check_handling_of(permit, "shred", id)?;
        self.judged(permit, subject, "erasure", &|_| Ok(()))?;
        let shred = self.find_shred(id)?;
        let is_over = shred.destroyed.is_some() || shred.state == ShredState::Withdrawn;
        let outlook = if is_over { ShredOutlook::default() } else { self.outlook(&shred.scope)? };
        Ok((shred, outlook))
    }

    /// Every erasure that was asked for, oldest first. Takes a job's permit to repair, or one to handle erasures of the installation:
    /// then it is journalled under who asks.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::Database`], [`StoreError::Damaged`],
    /// [`StoreError::JournalUnavailable`].
    pub fn shreds(&self, permit: &Permit) -> Result<Vec<Shred>, StoreError> {
        check_permit(permit, "shreds", None)?;
        self.judged(permit, permit.actor().account, "erasure", &|_| Ok(()))?;
        self.read_shreds(None)
    }

    pub(super) fn find_shred(&self, id: Id16) -> Result<Shred, StoreError> {
        let found = self.read_shreds(Some(id))?.pop();
        found.ok_or(StoreError::Missing { what: "erasure" })
    }

    /// All of them, or one alone: what the others say need not be opened for it.
    fn read_shreds(&self, only: Option<Id16>) -> Result<Vec<Shred>, StoreError> {
        let core = self.core();
        let step = "reading erasures";
        core.readers.snapshot(step, |connection| {
            let sql = "SELECT id, state, scope, requester, request, requested_us, not_before_us, destroyed_us FROM shred \
                       WHERE ?1 IS NULL OR id = ?1 ORDER BY requested_us, id";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let only = only.map(|id| id.0);
            let rows = statement.query_map([only], |row| Ok(read(core, connection, row))).at(step)?;
            rows.map(|row| row.at(step)?).collect()
        })
    }

    /// Keeps an owner from being erased until the hold ends, and stops erasures that were begun and have destroyed nothing: they are
    /// approved as before they were begun, and can be given up. Gives its id.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Limit`], [`StoreError::Database`]; [`StoreError::Shred`] where an erasure that is about
    /// the owner can be stopped no more.
    pub fn place_hold(
        &self,
        permit: &Permit,
        owner: Owner,
        note: &str,
        until: Option<Timestamp>,
    ) -> Result<Id16, StoreError> {
        check_action(permit, "place_hold", &[Action::Repair])?;
        check_count("bytes of a note", note.len(), SHRED_TEXT_BYTES_MAX)?;
        let core = self.core();
        let (id, now_us) = (Id16::random(&*core.random), core.clock.now_us());
        let note = sealed::seal(&core.shred_key, "hold", &id.0, note.as_bytes(), &*core.random);
        core.writer.run(1, move |transaction| {
            let under_way = under_way(transaction, owner)?;
            if let Some((shred, _)) = under_way.iter().find(|(_, is_certain)| *is_certain) {
                return Err(failed(
                    *shred,
                    "it erases this owner already, and there is no way back: no hold was placed",
                ));
            }
            under_way.iter().try_for_each(|(shred, _)| stop(transaction, *shred))?;
            let sql = "INSERT INTO legal_hold (owner, id, note, placed_us, until_us) VALUES (?, ?, ?, ?, ?)";
            let until_us = until.map(Timestamp::as_microsecond);
            let values = params![owner_bytes(owner), id.0, note, now_us, until_us];
            transaction.execute(sql, values).at("placing a hold").map(|_| ())
        })?;
        Ok(id)
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// [`StoreError::Action`]; [`StoreError::Missing`] where there is none that lasts.
    pub fn end_hold(&self, permit: &Permit, id: Id16) -> Result<(), StoreError> {
        check_action(permit, "end_hold", &[Action::Repair])?;
        let now_us = self.core().clock.now_us();
        self.core().writer.run(1, move |transaction| {
            let sql = "UPDATE legal_hold SET ended_us = ? WHERE id = ? AND ended_us IS NULL";
            match transaction.execute(sql, params![now_us, id.0]).at("ending a hold")? {
                0 => Err(StoreError::Missing { what: "hold" }),
                _ => Ok(()),
            }
        })
    }

    /// Every hold, ended ones among them.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn holds(&self, permit: &Permit) -> Result<Vec<Hold>, StoreError> {
        check_action(permit, "holds", &[Action::Repair])?;
        let core = self.core();
        let step = "reading holds";
        core.readers.snapshot(step, |connection| {
            let sql = "SELECT owner, id, note, placed_us, until_us, ended_us FROM legal_hold ORDER BY placed_us";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            type Stored = (Vec<u8>, [u8; 16], Vec<u8>, i64, Option<i64>, Option<i64>);
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
                .at(step)?;
            let mut holds = Vec::new();
            for row in rows {
                let (owner, id, note, placed, until, ended): Stored = row.at(step)?;
                let note = sealed::open(&core.shred_key, "hold", &id, &note).ok_or_else(unreadable)?;
                holds.push(Hold {
                    id: Id16(id),
                    owner: owner_from(&owner)?,
                    note: Redacted::new(String::from_utf8_lossy(&note).into_owned()),
                    placed: time_from(placed)?,
                    until: until.map(time_from).transpose()?,
                    ended: ended.map(time_from).transpose()?,
                });
            }
            Ok(holds)
        })
    }

    /// Which of these owners were erased: nothing of them is taken in any more.
    ///
    /// # Errors
    /// [`StoreError::Limit`], [`StoreError::Database`].
    pub fn erased(&self, owners: &[Owner]) -> Result<Vec<bool>, StoreError> {
        check_count("owners in one question", owners.len(), crate::WRITE_MAX)?;
        let step = "looking for the erased";
        self.core().readers.snapshot(step, |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM erased_owner WHERE owner = ?").at(step)?;
            owners.iter().map(|owner| statement.exists([owner_bytes(*owner)]).at(step)).collect()
        })
    }
}

/// Whether it is the one who is signed in; a job says for whom it acts.
fn is_own(permit: &Permit, by: ShredActor) -> bool {
    let actor = permit.actor();
    permit.action() == Action::Repair || (actor.account, actor.role.name()) == (by.account, by.role.name())
}

/// How far an erasure is, and who asked for it.
fn state_of(connection: &Connection, id: Id16) -> Result<(ShredState, [u8; 16]), StoreError> {
    let sql = "SELECT state, requester FROM shred WHERE id = ?";
    let found: Option<(String, [u8; 16])> = connection
        .query_row(sql, [id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .at("reading how far an erasure is")?;
    let (state, requester) = found.ok_or(StoreError::Missing { what: "erasure" })?;
    Ok((ShredState::from_name(&state).ok_or_else(unreadable)?, requester))
}

/// Whether an approval counts: it waits for some, and this is one of somebody else who has not approved.
fn check_approval(connection: &Connection, id: Id16, asked: ShredActor, by: ShredActor) -> Result<(), StoreError> {
    check_role(connection, id, by)?;
    check_asked(connection, id, asked)?;
    let (state, requester) = state_of(connection, id)?;
    if state != ShredState::Requested {
        return Err(failed(id, format!("it is {} already, and takes no approval", state.name())));
    }
    if requester == by.account.0 {
        return Err(failed(id, "whoever asked for it cannot approve it: two other people must"));
    }
    let sql = "SELECT 1 FROM shred_approval WHERE shred = ? AND account = ? AND ended_us IS NULL";
    let mut statement = connection.prepare_cached(sql).at("approving")?;
    if statement.exists(params![id.0, by.account.0]).at("approving")? {
        return Err(failed(id, "this account has approved it already: somebody else must, too"));
    }
    Ok(())
}

/// The account must hold the role in which it acts.
fn check_role(connection: &Connection, id: Id16, by: ShredActor) -> Result<(), StoreError> {
    if holds(connection, by)? {
        return Ok(());
    }
    Err(failed(id, format!("the account does not hold the role {}: nothing was written down", by.role.name())))
}

/// A request ends with the role of who made it.
pub(super) fn check_asked(connection: &Connection, id: Id16, asked: ShredActor) -> Result<(), StoreError> {
    if holds(connection, asked)? {
        return Ok(());
    }
    let role = asked.role.name();
    Err(failed(
        id,
        format!("who asked for it does not hold the role {role} any more: withdraw it, and let it be asked for anew"),
    ))
}

fn holds(connection: &Connection, by: ShredActor) -> Result<bool, StoreError> {
    let step = "looking for a role";
    let sql = "SELECT 1 FROM account_right WHERE account = ? AND role = ?";
    connection.prepare_cached(sql).at(step)?.exists(params![by.account.0, by.role.name()]).at(step)
}

/// Ends the approvals of erasures not begun yet whose account does not hold the role any more, for good: who gets the role again
/// approves again. An erasure that lost one waits for another.
pub(crate) fn lapse(transaction: &Transaction<'_>, now_us: i64) -> Result<(), StoreError> {
    let step = "ending approvals";
    let sql = "UPDATE shred_approval SET ended_us = ? WHERE ended_us IS NULL \
               AND shred IN (SELECT id FROM shred WHERE state IN ('requested', 'approved')) AND NOT EXISTS ( \
               SELECT 1 FROM account_right r WHERE r.account = shred_approval.account AND r.role = shred_approval.role)";
    transaction.execute(sql, [now_us]).at(step)?;
    let sql = "UPDATE shred SET state = 'requested', not_before_us = NULL WHERE state = 'approved' \
               AND (SELECT count(*) FROM shred_approval WHERE shred = shred.id AND ended_us IS NULL) < ?";
    transaction.execute(sql, [APPROVALS as i64]).at(step).map(|_| ())
}

/// That keys of an erasure in the table `shred` are destroyed, or may be: the key stores list them, whatever the row says.
const IS_CERTAIN: &str =
    "(destroyed_us IS NOT NULL OR EXISTS (SELECT 1 FROM destroyed_key WHERE by = shred.id AND cause = 1))";

/// Erasures of this owner, or of something of it, that were begun, and whether each can be stopped no more: it is destroying keys, or
/// the owner is erased.
fn under_way(connection: &Connection, owner: Owner) -> Result<Vec<(Id16, bool)>, StoreError> {
    let step = "looking for erasures that were begun";
    let bytes = owner_bytes(owner);
    let sql = "SELECT shred FROM erased_owner WHERE owner = ?";
    let erased: Option<[u8; 16]> = connection.query_row(sql, [bytes], |row| row.get(0)).optional().at(step)?;
    if let Some(shred) = erased {
        return Ok(vec![(Id16(shred), true)]);
    }
    let keys = keys_of(connection, &bytes)?;
    let sql = format!("SELECT id, scope, {IS_CERTAIN} FROM shred WHERE state = 'running'");
    let mut statement = connection.prepare_cached(&sql).at(step)?;
    let mut rows = statement.query([]).at(step)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let (id, scope): ([u8; 16], Vec<u8>) = (row.get(0).at(step)?, row.get(1).at(step)?);
        let scope = ShredScope::from_bytes(&scope)?;
        if scope.takes(&KeyName::Owner(owner)) || keys.iter().any(|(_, name)| scope.takes(name)) {
            found.push((Id16(id), row.get(2).at(step)?));
        }
    }
    Ok(found)
}

/// Takes an erasure that was begun back to where it waits for being begun, unless there is no way back: then whoever asked and approved
/// must still hold their roles, and it can be given up. What it noted for a rebuild stays, and says nothing without a destroyed key.
pub(super) fn stop(transaction: &Transaction<'_>, id: Id16) -> Result<(), StoreError> {
    let sql = format!("UPDATE shred SET state = 'approved' WHERE id = ? AND state = 'running' AND NOT {IS_CERTAIN}");
    transaction.execute(&sql, [id.0]).at("stopping an erasure").map(|_| ())
}

fn read(core: &Core, connection: &Connection, row: &Row<'_>) -> Result<Shred, StoreError> {
    let step = "reading an erasure";
    let id = Id16(row.get(0).at(step)?);
    let (state, scope): (String, Vec<u8>) = (row.get(1).at(step)?, row.get(2).at(step)?);
    let sealed_request: Vec<u8> = row.get(4).at(step)?;
    let request = sealed::open(&core.shred_key, "request", &id.0, &sealed_request).ok_or_else(unreadable)?;
    let mut reader = Reader::new(&request);
    reader.u8()?;
    let role = ShredRole::from_name(reader.text()?).ok_or_else(unreadable)?;
    let (reason, basis) = (reader.text()?.to_owned(), reader.text()?.to_owned());
    let time = |at: usize| row.get::<_, Option<i64>>(at).at(step)?.map(time_from).transpose();
    let state = ShredState::from_name(&state).ok_or_else(unreadable)?;
    let requester = ShredActor { account: Id16(row.get(3).at(step)?), role };
    let is_begun = !matches!(state, ShredState::Requested | ShredState::Approved);
    Ok(Shred {
        id,
        state,
        scope: ShredScope::from_bytes(&scope)?,
        requester,
        request_stands: is_begun || holds(connection, requester)?,
        reason: reason.into(),
        basis: basis.into(),
        requested: time_from(row.get(5).at(step)?)?,
        approvals: approvals(connection, id, false)?,
        lapsed: approvals(connection, id, true)?,
        not_before: time(6)?,
        destroyed: time(7)?,
    })
}

fn approvals(connection: &Connection, id: Id16, lapsed: bool) -> Result<Vec<Approval>, StoreError> {
    let step = "reading approvals";
    let sql = "SELECT account, role, at_us FROM shred_approval WHERE shred = ? AND (ended_us IS NOT NULL) = ? \
               ORDER BY at_us, account";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let rows = statement
        .query_map(params![id.0, lapsed], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?, row.get(2)?)))
        .at(step)?;
    let mut approvals = Vec::new();
    for row in rows {
        let (account, role, at_us) = row.at(step)?;
        let role = ShredRole::from_name(&role).ok_or_else(unreadable)?;
        approvals.push(Approval { by: ShredActor { account: Id16(account), role }, at: time_from(at_us)? });
    }
    Ok(approvals)
}

pub(super) fn unreadable() -> StoreError {
    StoreError::Damaged {
        what: "an erasure",
        reason: "it does not open, or says what this program does not know".to_owned(),
    }
}
