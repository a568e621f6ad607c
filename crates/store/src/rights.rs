//! Rights of accounts: the roles they hold, asked for, given and taken. Taking one ends every permit that was made before; one that
//! nobody confirms in time was never asked for.

use std::sync::Arc;

use base::{Id16, Timestamp};
use policy::{Action, InstitutionCode, Permit, Role};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::facts::bump_epoch;
use crate::journal::AccessEntry;
use crate::types::{id16_from, institution_from};

/// Days for which a right that was asked for waits for a second administrator: somebody on leave is back by then, and whoever would
/// confirm still knows why it was asked for. *estimate*
pub const RIGHT_ASKED_DAYS: i64 = 30;
const RIGHT_ASKED_US: i64 = RIGHT_ASKED_DAYS * 24 * 3_600 * 1_000_000;

/// A right of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To deposit for an institution.
    Depositor(InstitutionCode),
    /// To run the installation.
    Operator,
    /// A role of [`Role::APPOINTED`].
    Appointed {
        /// Which.
        role: Role,
        /// The institution that it is held at; clinicians and pharmacists have one.
        institution: Option<InstitutionCode>,
    },
}

impl Right {
    /// The right of a role's name, with the institution where the role is for one alone; `None` where there is none such.
    #[must_use]
    pub fn of(role: &str, institution: Option<&InstitutionCode>) -> Option<Self> {
        let role = Role::from_name(role)?;
        let right = match (role, institution) {
            (Role::Depositor, Some(institution)) => Self::Depositor(institution.clone()),
            (Role::Operator, None) => Self::Operator,
            (role, institution) => Self::Appointed { role, institution: institution.cloned() },
        };
        right.columns().is_ok().then_some(right)
    }

    /// The role that it gives.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Depositor(_) => Role::Depositor,
            Self::Operator => Role::Operator,
            Self::Appointed { role, .. } => *role,
        }
    }

    /// The institution that it is held at; `None` where it is held at none.
    #[must_use]
    pub const fn institution(&self) -> Option<&InstitutionCode> {
        match self {
            Self::Depositor(institution) => Some(institution),
            Self::Operator => None,
            Self::Appointed { institution, .. } => institution.as_ref(),
        }
    }

    fn columns(&self) -> Result<(&'static str, String), StoreError> {
        if let Self::Appointed { role, institution } = self {
            let at_institution = matches!(role, Role::Clinician | Role::Pharmacist);
            if !Role::APPOINTED.contains(role) || at_institution != institution.is_some() {
                return Err(StoreError::Scope { what: "a role that accounts are appointed to in this way" });
            }
        }
        Ok((self.role().name(), self.institution().map(ToString::to_string).unwrap_or_default()))
    }
}

/// A right that waits for a second administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRight {
    /// Whose it would be.
    pub account: Id16,
    /// What.
    pub right: Right,
    /// Who asked for it.
    pub by: Id16,
    /// Until when it can be confirmed.
    pub until: Timestamp,
}

/// Why the rights of an account did not end.
enum NotEnded {
    /// What was to be done beside that was nothing.
    Nothing,
    Failed(StoreError),
}

impl From<StoreError> for NotEnded {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Gives an account a right. The permits of others stay valid: this only widens. For the command line and for jobs of the
    /// program; people go through [`Store::ask_right`].
    ///
    /// # Errors
    /// [`StoreError::Scope`] where the role is not one that accounts are appointed to, or lacks its institution;
    /// [`StoreError::Database`], [`StoreError::Commit`].
    pub fn grant(&self, account: Id16, right: &Right) -> Result<(), StoreError> {
        let (role, institution) = right.columns()?;
        self.core().writer.run(1, move |transaction| give(transaction, account, role, &institution))
    }

    /// Takes a right away, with what hangs on it: as [`Store::take_right`], for the command line and for jobs of the program, where a
    /// right that is not held is none to take.
    ///
    /// # Errors
    /// As [`Store::grant`].
    pub fn revoke(&self, account: Id16, right: &Right) -> Result<(), StoreError> {
        match self.take_right(None, account, right, "revoking", |_, _| Ok(())) {
            Err(StoreError::Missing { .. }) => Ok(()),
            other => other,
        }
    }

    /// Takes a right away, or what was asked for and waits. Every permit that was made before ends with this: it is refused on its
    /// next use. A role that is held nowhere any more takes every ground with it that was asked for in it; `beside` is told whether it
    /// is so, and does what a room does beside that on its own tables, in the same transaction. `by` is the permit for
    /// [`Action::ManageRights`] of who does it, who takes none of their own, journalled under the account, also where it came to
    /// nothing; none where the command line does.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where neither is there; [`StoreError::Action`], [`StoreError::StaleEpoch`],
    /// [`StoreError::JournalUnavailable`]; [`StoreError::Database`] with the error of `beside`, which undoes all; and those of
    /// [`Store::grant`].
    pub fn take_right<T: Send + 'static>(
        &self,
        by: Option<&Permit>,
        account: Id16,
        right: &Right,
        name: &'static str,
        beside: impl FnOnce(&Transaction<'_>, bool) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (role, institution) = right.columns()?;
        let epoch = by.map(Permit::epoch);
        let (guard, clock) = (self.core().room.clone(), Arc::clone(&self.core().clock));
        let end = move |transaction: &Transaction<'_>| {
            if let Some(epoch) = epoch {
                check_epoch(transaction, epoch)?;
            }
            // Not when it was asked for: whoever reads while this waits for its turn still may.
            let is_lost = take(transaction, account, (role, institution.as_str()), clock.now_us())?;
            let done = guard.within(|| beside(transaction, is_lost)).at(name)?;
            bump_epoch(transaction)?;
            Ok(done)
        };
        let write = || self.core().writer.run(1, end);
        let Some(permit) = by else { return write() };
        check_action(permit, "take_right", &[Action::ManageRights])?;
        if permit.actor().account == account {
            return Err(StoreError::Scope { what: "a right of one's own" });
        }
        self.noted_rights(permit, account, ("right-taken", std::slice::from_ref(right)), write)
    }

    /// Takes every right of an account away, closes its grounds, and does what a room does beside that on its own tables, in one
    /// transaction. Every permit that was made before ends with this. Gives what `beside` gave, and how many rights there were;
    /// where it gave nothing, the rights stay. `by` is the permit for [`Action::ManageRights`] of who does it, journalled under
    /// the account, also where it came to nothing; none where the command line does.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`]; [`StoreError::Database`] with the
    /// error of `beside`, which undoes all, [`StoreError::Commit`].
    pub fn revoke_all<T: Send + 'static>(
        &self,
        by: Option<&Permit>,
        account: Id16,
        name: &'static str,
        beside: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<Option<(T, usize)>, StoreError> {
        let epoch = by.map(Permit::epoch);
        let (guard, clock) = (self.core().room.clone(), Arc::clone(&self.core().clock));
        let end = move |transaction: &Transaction<'_>| {
            let (step, now_us) = ("revoking every right", clock.now_us());
            if let Some(epoch) = epoch {
                check_epoch(transaction, epoch)?;
            }
            let Some(given) = guard.within(|| beside(transaction)).at(name)? else { return Ok(None) };
            let sql = "INSERT OR IGNORE INTO right_ended SELECT DISTINCT account, role, ? FROM account_right WHERE account = ?";
            transaction.execute(sql, params![now_us, account.0]).at(step)?;
            let sql = "DELETE FROM account_right WHERE account = ?";
            let rights = transaction.execute(sql, [account.0]).at(step)?;
            crate::shred::lapse(transaction, now_us)?;
            // What somebody asked for who is gone waits for nobody.
            let sql = "DELETE FROM right_asked WHERE account = ?1 OR asked_by = ?1";
            transaction.execute(sql, [account.0]).at(step)?;
            let sql = "UPDATE access_ground SET closed_us = ?, closed_by = ?2 WHERE account = ?2 AND closed_us IS NULL";
            transaction.execute(sql, params![now_us, account.0]).at(step)?;
            bump_epoch(transaction)?;
            Ok(Some((given, rights)))
        };
        let write = || self.core().writer.run(1, end);
        let Some(permit) = by else { return write() };
        check_action(permit, "revoke_all", &[Action::ManageRights])?;
        // Where nothing was given nothing is done, and the log says so as well.
        match self.noted(permit, account, "account-end", || write()?.ok_or(NotEnded::Nothing)) {
            Ok(done) => Ok(Some(done)),
            Err(NotEnded::Nothing) => Ok(None),
            Err(NotEnded::Failed(error)) => Err(error),
        }
    }

    /// Asks for a right of somebody else as an administrator: it gives nothing until [`Store::confirm_rights`], and lapses after
    /// [`RIGHT_ASKED_DAYS`]; who asks again for what they asked for has that long once more. Takes a permit for
    /// [`Action::ManageRights`], and is journalled under the account before it is done, and where it came to nothing.
    ///
    /// # Errors
    /// [`StoreError::RightHeld`]; [`StoreError::RightAsked`] where somebody else asked for the same, who stays the one that asked;
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Scope`], [`StoreError::JournalUnavailable`], and those of
    /// [`Store::grant`].
    pub fn ask_right(&self, permit: &Permit, account: Id16, right: &Right) -> Result<(), StoreError> {
        self.ask_right_with(permit, account, right, "asking for a right", |_| Ok(()))
    }

    /// As [`Store::ask_right`], with what a room does beside that on its own tables, in the same transaction: neither is done alone,
    /// and neither once the permit has ended.
    ///
    /// # Errors
    /// As [`Store::ask_right`], and [`StoreError::Database`] with the error of `beside`, which undoes all.
    pub fn ask_right_with<T: Send + 'static>(
        &self,
        permit: &Permit,
        account: Id16,
        right: &Right,
        name: &'static str,
        beside: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        check_action(permit, "ask_right", &[Action::ManageRights])?;
        let by = permit.actor().account;
        if by == account {
            return Err(StoreError::Scope { what: "a right of one's own" });
        }
        let (role, institution) = right.columns()?;
        let (epoch, now_us) = (permit.epoch(), self.core().clock.now_us());
        let (guard, wanted) = (self.core().room.clone(), right.clone());
        let ask = move |transaction: &Transaction<'_>| {
            check_epoch(transaction, epoch)?;
            if rights(transaction, account)?.contains(&wanted) {
                return Err(StoreError::RightHeld);
            }
            let (step, sql) = ("asking for a right", "DELETE FROM right_asked WHERE asked_us <= ?");
            transaction.execute(sql, [now_us - RIGHT_ASKED_US]).at(step)?;
            // Not silently: whoever thinks that they asked would leave the confirming to somebody who may not.
            if asked(transaction, Some(account), now_us)?.iter().any(|one| one.right == wanted && one.by != by) {
                return Err(StoreError::RightAsked);
            }
            let sql = "INSERT INTO right_asked (account, role, institution, asked_by, asked_us) VALUES (?, ?, ?, ?, ?) \
                       ON CONFLICT (account, role, institution) DO UPDATE SET asked_us = excluded.asked_us";
            transaction.execute(sql, params![account.0, role, institution, by.0, now_us]).at(step)?;
            guard.within(|| beside(transaction)).at(name)
        };
        let told = ("right-asked", std::slice::from_ref(right));
        self.noted_rights(permit, account, told, || self.core().writer.run(1, ask))
    }

    /// Gives an account the rights that were asked for it, or one of them alone, and says how many. `by` is the permit for
    /// [`Action::ManageRights`] of an administrator, who gives what others asked for and nothing to themselves, each journalled under
    /// the account; none where the command line does. `fits` says, by a room's own tables and in the same transaction, whether the account
    /// stands as it must.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::JournalUnavailable`]; [`StoreError::Missing`] where nothing
    /// is there that somebody else asked for, or the account does not fit; [`StoreError::Database`], [`StoreError::Commit`].
    pub fn confirm_rights(
        &self,
        by: Option<&Permit>,
        account: Id16,
        only: Option<&Right>,
        fits: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<usize, StoreError> {
        let confirms = by.map(|permit| (permit.actor().account, permit.epoch()));
        let (guard, now_us, step) = (self.core().room.clone(), self.core().clock.now_us(), "confirming rights");
        let may_give = move |asked: &AskedRight| confirms.is_none_or(|(by, _)| by != asked.by && by != account);
        // What is given is what the log says, whatever else is asked for meanwhile.
        let waiting = self.core().readers.snapshot(step, |connection| asked(connection, Some(account), now_us))?;
        let waiting = waiting.into_iter().filter(|one| may_give(one) && only.is_none_or(|only| *only == one.right));
        let wanted: Vec<Right> = waiting.map(|one| one.right).collect();
        let told = if wanted.is_empty() { only.into_iter().cloned().collect() } else { wanted.clone() };
        let confirm = move |transaction: &Transaction<'_>| {
            if let Some((_, epoch)) = confirms {
                check_epoch(transaction, epoch)?;
            }
            if !guard.within(|| fits(transaction)).at(step)? {
                return Err(StoreError::Missing { what: "account that a right can be given" });
            }
            let mut given = 0;
            for asked in asked(transaction, Some(account), now_us)? {
                if !may_give(&asked) || !wanted.contains(&asked.right) {
                    continue;
                }
                let (role, institution) = asked.right.columns()?;
                give(transaction, account, role, &institution)?;
                let sql = "DELETE FROM right_asked WHERE account = ? AND role = ? AND institution = ?";
                transaction.execute(sql, params![account.0, role, institution]).at(step)?;
                given += 1;
            }
            // What another confirmed meanwhile was not given here, as the log would say.
            if given == 0 || given < wanted.len() {
                return Err(StoreError::Missing { what: "right that somebody else asked for" });
            }
            Ok(given)
        };
        let write = || self.core().writer.run(1, confirm);
        let Some(permit) = by else { return write() };
        check_action(permit, "confirm_rights", &[Action::ManageRights])?;
        self.noted_rights(permit, account, ("right-given", &told), write)
    }

    /// Does something about rights that is noted first, with an entry for each that says the role, and the institution where it is
    /// held at one: whose account it is sees in their log which it was.
    fn noted_rights<T>(
        &self,
        permit: &Permit,
        account: Id16,
        (kind, rights): (&str, &[Right]),
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let entry = |kind: String, institution: Option<&InstitutionCode>| AccessEntry {
            institution: institution.cloned(),
            what: vec![(kind, 1)],
            ..self.core().entry(permit, account)
        };
        let of = |right: &Right| entry(format!("{kind}-{}", right.role().name()), right.institution());
        let mut entries: Vec<AccessEntry> = rights.iter().map(of).collect();
        if entries.is_empty() {
            entries.push(entry(kind.to_owned(), None));
        }
        self.noted_all(entries, act)
    }

    /// The rights that wait to be confirmed, of every account, without those that lapsed. For the command line and administrators' pages.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn rights_asked(&self) -> Result<Vec<AskedRight>, StoreError> {
        let now_us = self.core().clock.now_us();
        self.core().readers.snapshot("reading asked rights", |connection| asked(connection, None, now_us))
    }

    /// The rights of an account. For the command line and pages of the account itself.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn rights(&self, account: Id16) -> Result<Vec<Right>, StoreError> {
        self.core().readers.snapshot("reading rights", |connection| rights(connection, account))
    }

    /// Every right that an account holds, in order. For administrators' pages.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn rights_held(&self) -> Result<Vec<(Id16, Right)>, StoreError> {
        let step = "reading rights";
        self.core().readers.snapshot(step, |connection| {
            let sql = "SELECT account, role, institution FROM account_right ORDER BY 1, 2, 3";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let mut rows = statement.query([]).at(step)?;
            let mut held = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                let account = id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?;
                held.push((account, right_from(row, 1)?));
            }
            Ok(held)
        })
    }

    /// The accounts that hold a role, in no order.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn holders(&self, role: Role) -> Result<Vec<Id16>, StoreError> {
        let step = "reading who holds a role";
        self.core().readers.snapshot(step, |connection| {
            let mut statement =
                connection.prepare_cached("SELECT DISTINCT account FROM account_right WHERE role = ?").at(step)?;
            let mut rows = statement.query([role.name()]).at(step)?;
            let mut holders = Vec::new();
            while let Some(row) = rows.next().at(step)? {
                holders.push(id16_from(row.get_ref(0).at(step)?.as_blob().unwrap_or_default())?);
            }
            Ok(holders)
        })
    }
}

/// When an account ceased to hold a role that it does not hold now; `None` where it never did.
pub(crate) fn ended(connection: &Connection, account: Id16, role: &str) -> Result<Option<i64>, StoreError> {
    let step = "reading when a right ended";
    let sql = "SELECT ended_us FROM right_ended WHERE account = ? AND role = ?";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    statement.query_row(params![account.0, role], |row| row.get(0)).optional().at(step)
}

fn give(transaction: &Transaction<'_>, account: Id16, role: &str, institution: &str) -> Result<(), StoreError> {
    let step = "granting a right";
    let sql = "INSERT OR IGNORE INTO account_right (account, role, institution) VALUES (?, ?, ?)";
    transaction.execute(sql, params![account.0, role, institution]).at(step)?;
    let sql = "DELETE FROM right_ended WHERE account = ? AND role = ?";
    transaction.execute(sql, params![account.0, role]).at(step).map(|_| ())
}

/// Takes a right away, or what was asked for, with what hangs on it; whether its role is held nowhere any more, having been held.
fn take(
    transaction: &Transaction<'_>,
    account: Id16,
    (role, institution): (&str, &str),
    now_us: i64,
) -> Result<bool, StoreError> {
    let step = "revoking a right";
    let sql = "DELETE FROM right_asked WHERE account = ? AND role = ? AND institution = ?";
    let asked = transaction.execute(sql, params![account.0, role, institution]).at(step)?;
    let sql = "DELETE FROM account_right WHERE account = ? AND role = ? AND institution = ?";
    if transaction.execute(sql, params![account.0, role, institution]).at(step)? == 0 {
        return if asked == 0 { Err(StoreError::Missing { what: "right to be taken" }) } else { Ok(false) };
    }
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM account_right WHERE account = ?1 AND role = ?2)";
    let is_lost: bool = transaction.query_row(sql, params![account.0, role], |row| row.get(0)).at(step)?;
    // A visit is of an institution. An order does not say at which pharmacy it was asked for: each ends with a right of its role, and is
    // asked for anew. Nobody closed it themselves: what is asked on it from now on is asked after it was taken away.
    let sql = "UPDATE access_ground SET closed_us = ?3, closed_by = zeroblob(16) WHERE account = ?1 AND role = ?2 \
               AND closed_us IS NULL AND (?5 OR kind = 'order' OR (kind = 'visit' AND institution = ?4))";
    transaction.execute(sql, params![account.0, role, now_us, institution, is_lost]).at(step)?;
    if is_lost {
        let sql = "INSERT OR IGNORE INTO right_ended (account, role, ended_us) VALUES (?, ?, ?)";
        transaction.execute(sql, params![account.0, role, now_us]).at(step)?;
    }
    if is_lost && role == Role::Administrator.name() {
        // What somebody asked for who gives no rights any more waits for nobody.
        transaction.execute("DELETE FROM right_asked WHERE asked_by = ?", [account.0]).at(step)?;
    }
    crate::shred::lapse(transaction, now_us)?;
    Ok(is_lost)
}

/// The rights that wait to be confirmed: of one account, or of all.
fn asked(connection: &Connection, account: Option<Id16>, now_us: i64) -> Result<Vec<AskedRight>, StoreError> {
    let step = "reading asked rights";
    let sql = "SELECT account, role, institution, asked_by, asked_us FROM right_asked \
               WHERE (?1 IS NULL OR account = ?1) AND asked_us > ?2 ORDER BY 1, 2, 3";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query(params![account.map(|account| account.0), now_us - RIGHT_ASKED_US]).at(step)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        let id = |at: usize| id16_from(row.get_ref(at).at(step)?.as_blob().unwrap_or_default());
        let until_us = row.get::<_, i64>(4).at(step)?.saturating_add(RIGHT_ASKED_US);
        let until = Timestamp::from_microsecond(until_us).unwrap_or(Timestamp::MAX);
        found.push(AskedRight { account: id(0)?, right: right_from(row, 1)?, by: id(3)?, until });
    }
    Ok(found)
}

/// The rights of an account, in order.
pub(crate) fn rights(connection: &Connection, account: Id16) -> Result<Vec<Right>, StoreError> {
    let step = "reading rights";
    let mut statement = connection
        .prepare_cached("SELECT role, institution FROM account_right WHERE account = ? ORDER BY 1, 2")
        .at(step)?;
    let mut rows = statement.query([account.0]).at(step)?;
    let mut rights = Vec::new();
    while let Some(row) = rows.next().at(step)? {
        rights.push(right_from(row, 0)?);
    }
    Ok(rights)
}

/// The right of a row that has its role's name at a column, and its institution at the next.
fn right_from(row: &Row<'_>, at: usize) -> Result<Right, StoreError> {
    let step = "reading rights";
    let name = row.get_ref(at).at(step)?.as_str().unwrap_or_default();
    let unknown = || StoreError::Damaged { what: "a right", reason: "its role is unknown".to_owned() };
    let role = Role::from_name(name).ok_or_else(unknown)?;
    let code = row.get_ref(at + 1).at(step)?.as_str().unwrap_or_default();
    let institution = if code.is_empty() { None } else { Some(institution_from(code)?) };
    match (role, institution) {
        (Role::Depositor, Some(institution)) => Ok(Right::Depositor(institution)),
        (Role::Operator, None) => Ok(Right::Operator),
        (role, institution) if Role::APPOINTED.contains(&role) => Ok(Right::Appointed { role, institution }),
        _ => Err(unknown()),
    }
}
