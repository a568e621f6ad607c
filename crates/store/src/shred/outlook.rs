//! What an erasure would take and what stands against it, and for whom of the staff the door opened: each act is journalled under
//! whom it erases. Nothing is destroyed here, and no record is opened.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use base::{Clock, Id16};
use policy::{Action, Owner, Permit, Scope, Target};
use rusqlite::{Connection, OptionalExtension, params};
use vault::KeyName;

use super::ask::unreadable;
use super::{HOLDS_SHOWN, HeldBy, ShredOutlook, ShredScope, ShredState};
use crate::Store;
use crate::core::{check_action, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::grounds::nowhere;
use crate::journal::{AccessEntry, AccessResult};
use crate::types::{OWNER_BYTES, owner_bytes, time_from};

/// The name of the reason where the rules of erasure refuse what the door let through.
const REFUSED: &str = "erasure";

impl Store {
    /// About whom the door is asked where this is to be erased: the person, or the patient whom nobody is linked to; the installation
    /// where it is nobody alone.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn shred_target_of(&self, scope: &ShredScope) -> Result<Target, StoreError> {
        let target =
            |connection: &Connection| Ok(subject(connection, scope)?.map_or(Target::Installation, Target::Person));
        self.core().readers.snapshot("looking whom an erasure is about", target)
    }

    /// As [`Store::shred_target_of`], of an erasure that was asked for; nothing else is told of it. `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn shred_target(&self, id: Id16) -> Result<Option<Target>, StoreError> {
        match self.shred_scope(id) {
            Ok(scope) => self.shred_target_of(&scope).map(Some),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an erasure would take if it were done now, and what stands against it. Takes a permit as [`Store::shred_request`] does.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::Database`], [`StoreError::JournalUnavailable`].
    pub fn shred_outlook(&self, permit: &Permit, scope: &ShredScope) -> Result<ShredOutlook, StoreError> {
        let subject = self.check_handling(permit, "shred_outlook", scope)?;
        self.judged(permit, subject, "erasure", &|_| Ok(()))?;
        self.outlook(scope)
    }

    pub(super) fn outlook(&self, scope: &ShredScope) -> Result<ShredOutlook, StoreError> {
        let core = self.core();
        // All keys there are may have to be looked at: whoever asks meanwhile waits for their turn.
        let _turn = core.outlook_turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (now_us, step) = (core.clock.now_us(), "looking what an erasure would take");
        let year = core.clock.now().to_zoned(jiff::tz::TimeZone::UTC).year();
        let held = core.readers.snapshot(step, |connection| holds(connection, now_us))?;
        let (mut outlook, mut last) = (ShredOutlook::default(), None);
        let mut count = |outlook: &mut ShredOutlook, owner: Owner| {
            if last.replace(owner) == Some(owner) {
                return;
            }
            outlook.patients += 1;
            if let Some(holds) = held.get(&owner_bytes(owner)) {
                outlook.held += 1;
                outlook.holds.extend(holds.iter().take(HOLDS_SHOWN.saturating_sub(outlook.holds.len())));
            }
        };
        if let ShredScope::Patient(id) = scope {
            count(&mut outlook, Owner::Patient(*id));
        }
        self.each_in_index(scope, &mut |_, name| {
            outlook.keys += 1;
            match name {
                KeyName::Owner(owner) | KeyName::Rows(owner) => count(&mut outlook, owner),
                KeyName::Group(group) => {
                    outlook.kept_until = outlook.kept_until.max(Some(group.expiry_year));
                    count(&mut outlook, group.owner);
                }
                KeyName::Shard(_) | KeyName::Access { .. } | KeyName::Secret(_) => {}
            }
        })?;
        outlook.kept_until = outlook.kept_until.filter(|last| i64::from(*last) >= i64::from(year));
        core.readers.snapshot(step, |connection| {
            outlook.is_asked = asked(connection, scope)?.is_some();
            if let ShredScope::Patient(id) = scope {
                outlook.kinds = kinds(connection, Owner::Patient(*id))?;
            }
            Ok(outlook)
        })
    }

    /// Whether the permit is one to handle this; gives under whom it is journalled.
    pub(super) fn check_handling(
        &self,
        permit: &Permit,
        what: &'static str,
        scope: &ShredScope,
    ) -> Result<Id16, StoreError> {
        let step = "looking whom an erasure is about";
        let subject = self.core().readers.snapshot(step, |connection| subject(connection, scope))?;
        check_permit(permit, what, subject)?;
        Ok(subject.unwrap_or_else(|| match scope {
            ShredScope::Class { institution, .. } => Owner::institution(institution).id(),
            ShredScope::Group(group) => group.owner.id(),
            ShredScope::Patient(id) => *id,
        }))
    }

    /// As [`Store::check_handling`], of an erasure that was asked for.
    pub(super) fn check_handling_of(&self, permit: &Permit, what: &'static str, id: Id16) -> Result<Id16, StoreError> {
        check_action(permit, what, &[Action::Repair, Action::HandleErasures])?;
        self.check_handling(permit, what, &self.shred_scope(id)?)
    }

    fn shred_scope(&self, id: Id16) -> Result<ShredScope, StoreError> {
        let step = "reading what an erasure is about";
        let scope: Option<Vec<u8>> = self.core().readers.snapshot(step, |connection| {
            connection.query_row("SELECT scope FROM shred WHERE id = ?", [id.0], |row| row.get(0)).optional().at(step)
        })?;
        let scope = scope.ok_or(StoreError::Missing { what: "erasure" })?;
        ShredScope::from_bytes(&scope).map_err(|_| unreadable())
    }

    /// Journals what somebody of the staff is about to do, or that the rules refuse it, before anything is done. A job's own acts are
    /// journalled when it destroys.
    pub(super) fn judged(
        &self,
        permit: &Permit,
        subject: Id16,
        kind: &str,
        judge: &dyn Fn(&Connection) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if permit.action() != Action::HandleErasures {
            return Ok(());
        }
        let judged = self.core().readers.snapshot("looking whether an erasure may go on", |connection| {
            check_epoch(connection, permit.epoch())?;
            judge(connection)
        });
        self.told(permit, subject, judged)?;
        self.note_use(permit, subject, kind)
    }

    /// Journals what the rules refuse, be it before anything was done or in the end, where somebody else was faster.
    pub(super) fn told<T>(&self, permit: &Permit, subject: Id16, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let is_refused = matches!(done, Err(StoreError::Shred { .. } | StoreError::ShredAsked { .. }));
        if is_refused && permit.action() == Action::HandleErasures {
            let core = self.core();
            let result = AccessResult::Denied { reason: REFUSED.to_owned() };
            core.record(&[AccessEntry { result, ..core.entry(permit, subject) }])?;
        }
        done
    }
}

/// A job repairs whatever there is; a member of staff has a permit about whom it erases, or about the installation.
pub(super) fn check_permit(permit: &Permit, what: &'static str, subject: Option<Id16>) -> Result<(), StoreError> {
    check_action(permit, what, &[Action::Repair, Action::HandleErasures])?;
    let reaches = match (permit.action(), subject) {
        (Action::Repair, _) => true,
        (_, Some(subject)) => permit.reaches(Owner::Patient(subject), &nowhere()),
        (_, None) => *permit.scope() == Scope::Status,
    };
    if reaches { Ok(()) } else { Err(StoreError::Scope { what: "the erasure" }) }
}

/// The one whom it is about, where it is one.
fn subject(connection: &Connection, scope: &ShredScope) -> Result<Option<Id16>, StoreError> {
    let patient = match scope {
        ShredScope::Patient(id) => *id,
        ShredScope::Group(group) => match group.owner {
            Owner::Patient(id) => id,
            Owner::Institution(_) => return Ok(None),
        },
        ShredScope::Class { .. } => return Ok(None),
    };
    let step = "looking whom an erasure is about";
    let mut statement = connection.prepare_cached("SELECT person FROM person_patient WHERE patient = ?").at(step)?;
    let person: Option<[u8; 16]> = statement.query_row([patient.0], |row| row.get(0)).optional().at(step)?;
    Ok(Some(person.map_or(patient, Id16)))
}

/// The holds that last, oldest first, by whom they are on.
pub(super) fn holds(
    connection: &Connection,
    now_us: i64,
) -> Result<BTreeMap<[u8; OWNER_BYTES], Vec<HeldBy>>, StoreError> {
    let step = "looking for holds";
    let sql = "SELECT owner, id, placed_us, until_us FROM legal_hold \
               WHERE ended_us IS NULL AND (until_us IS NULL OR until_us > ?) ORDER BY placed_us, id";
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let mut rows = statement.query([now_us]).at(step)?;
    let mut holds: BTreeMap<_, Vec<HeldBy>> = BTreeMap::new();
    while let Some(row) = rows.next().at(step)? {
        let until: Option<i64> = row.get(3).at(step)?;
        holds.entry(row.get(0).at(step)?).or_default().push(HeldBy {
            hold: Id16(row.get(1).at(step)?),
            placed: time_from(row.get(2).at(step)?)?,
            until: until.map(time_from).transpose()?,
        });
    }
    Ok(holds)
}

/// The erasure of the same that is neither over nor given up.
pub(super) fn asked(connection: &Connection, scope: &ShredScope) -> Result<Option<Id16>, StoreError> {
    let step = "looking for erasures of the same";
    let sql = "SELECT id FROM shred WHERE scope = ? AND state NOT IN (?, ?)";
    let over = [ShredState::Done, ShredState::Withdrawn].map(ShredState::name);
    let mut statement = connection.prepare_cached(sql).at(step)?;
    let values = params![scope.to_bytes(), over[0], over[1]];
    statement.query_row(values, |row| Ok(Id16(row.get(0)?))).optional().at(step)
}

fn kinds(connection: &Connection, owner: Owner) -> Result<Vec<(String, u64)>, StoreError> {
    let step = "counting what an erasure would take";
    let owner = owner_bytes(owner);
    let mut kinds = BTreeMap::new();
    for sql in [
        "SELECT type, count(*) FROM resource_current WHERE owner = ? GROUP BY type",
        "SELECT 'document', count(*) FROM object WHERE owner = ? HAVING count(*) > 0",
    ] {
        let mut statement = connection.prepare_cached(sql).at(step)?;
        let rows =
            statement.query_map([owner], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).at(step)?;
        for row in rows {
            let (kind, count) = row.at(step)?;
            kinds.insert(kind, count.unsigned_abs());
        }
    }
    Ok(kinds.into_iter().collect())
}
