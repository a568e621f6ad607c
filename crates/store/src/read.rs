//! Reading bodies: the current versions of resources, or all versions of one. Each data subject's access entry is durable
//! before a body leaves.

use base::{Id16, Redacted};
use policy::{Action, InstitutionCode, Owner, Permit, Scope};
use rusqlite::{Connection, OptionalExtension, params};

use crate::Store;
use crate::access::Seen;
use crate::core::{Core, check_action, check_count, check_epoch};
use crate::error::{AtStep, StoreError};
use crate::prepare::{read_body, version_head};
use crate::sequencer::KIND_VERSION;
use crate::share::SharedOf;
use crate::types::{ResourceKey, Version, institution_from, owner_bytes, time_from};

/// Most resources read in one call.
pub const READ_MAX: usize = 1_000;
/// Most resources whose versions are read in one call: all that one person has.
pub const HISTORIES_MAX: usize = 50_000;
/// Most bytes of bodies read in one call.
pub const READ_BYTES_MAX: usize = 128 << 20;
/// Most versions of one resource that are shown.
pub const VERSIONS_MAX: usize = 1_000;

impl Store {
    /// The current versions of resources, in the order asked for. What is not there, and what the permit does not reach, is
    /// left out; an attempt beyond the permit is journalled as denied under the patient concerned.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`], [`StoreError::JournalUnavailable`],
    /// [`StoreError::Database`], [`StoreError::Seal`].
    pub fn read(&self, permit: &Permit, keys: &[ResourceKey]) -> Result<Vec<Version>, StoreError> {
        check_action(permit, "read", &[Action::ReadRecord, Action::ReadTimeline, Action::Issue])?;
        check_count("resources in one read", keys.len(), READ_MAX)?;
        self.fetch(permit, keys, 1)
    }

    /// All versions of a resource, oldest first: the original and its amendments. Empty where there is none within the
    /// permit.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn history(&self, permit: &Permit, key: &ResourceKey) -> Result<Vec<Version>, StoreError> {
        self.histories(permit, std::slice::from_ref(key))
    }

    /// All versions of resources, in the order asked for and each oldest first, under one access entry for each data
    /// subject. Each key may be given once.
    ///
    /// # Errors
    /// As [`Store::read`], the limit being [`HISTORIES_MAX`].
    pub fn histories(&self, permit: &Permit, keys: &[ResourceKey]) -> Result<Vec<Version>, StoreError> {
        check_action(permit, "histories", &[Action::ReadRecord, Action::ReadTimeline, Action::Issue])?;
        check_count("resources in one read", keys.len(), HISTORIES_MAX)?;
        let mut versions = self.fetch(permit, keys, VERSIONS_MAX)?;
        for of_one in versions.chunk_by_mut(|one, next| one.key == next.key) {
            of_one.reverse();
        }
        Ok(versions)
    }

    /// Indexes in the log `records` of the current versions of these resources, where they are under a checkpoint: for
    /// receipts. No body is opened, and nothing about a patient leaves that the caller does not hold already.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Limit`], [`StoreError::Database`].
    pub fn leaf_positions(&self, permit: &Permit, keys: &[ResourceKey]) -> Result<Vec<Option<u64>>, StoreError> {
        check_action(permit, "leaf_positions", &[Action::ReadReceipt, Action::Deposit])?;
        check_count("resources in one read", keys.len(), crate::WRITE_MAX)?;
        self.core().readers.snapshot("reading positions", |connection| {
            check_epoch(connection, permit.epoch())?;
            let position = |key: &ResourceKey| {
                let Some(current) = current(connection, key)? else { return Ok(None) };
                let institution = institution_from(&current.institution)?;
                if permit.reaches(key.owner, &institution) {
                    leaf(connection, KIND_VERSION, current.row)
                } else {
                    Ok(None)
                }
            };
            keys.iter().map(position).collect()
        })
    }

    /// Which of these resources of an institution are here, whosever they are: for a receipt that tells which references lead
    /// nowhere. Ids are those of [`crate::Ids::resource`]. Takes a permit to deposit.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::Scope`], [`StoreError::StaleEpoch`], [`StoreError::Limit`],
    /// [`StoreError::Database`].
    pub fn known_resources(
        &self,
        permit: &Permit,
        institution: &InstitutionCode,
        ids: &[Id16],
    ) -> Result<Vec<bool>, StoreError> {
        check_action(permit, "known_resources", &[Action::Deposit])?;
        check_count("resources in one question", ids.len(), crate::WRITE_MAX)?;
        if !permit.reaches(Owner::institution(institution), institution) {
            return Err(StoreError::Scope { what: "the institution of the resources" });
        }
        let step = "looking for resources";
        self.core().readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let sql = "SELECT 1 FROM resource_current WHERE id = ? AND institution = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            ids.iter().map(|id| statement.exists(params![id.0, institution.as_str()]).at(step)).collect()
        })
    }

    /// The deposits that brought a resource when what they brought was here already, in no order; none where the permit does not
    /// reach it. Says when it was handed over again, and nothing of what it says.
    ///
    /// # Errors
    /// [`StoreError::Action`], [`StoreError::StaleEpoch`], [`StoreError::Database`].
    pub fn brought_again(&self, permit: &Permit, key: &ResourceKey) -> Result<Vec<Id16>, StoreError> {
        check_action(permit, "brought_again", &[Action::ReadRecord, Action::ReadTimeline, Action::Issue])?;
        let step = "looking for deposits";
        self.core().readers.snapshot(step, |connection| {
            check_epoch(connection, permit.epoch())?;
            let Some(current) = current(connection, key)? else { return Ok(Vec::new()) };
            if !permit.reaches(key.owner, &institution_from(&current.institution)?) {
                return Ok(Vec::new());
            }
            let sql = "SELECT deposit FROM resource_again WHERE owner = ? AND type = ? AND id = ?";
            let mut statement = connection.prepare_cached(sql).at(step)?;
            let deposits = statement
                .query_map(params![owner_bytes(key.owner), key.resource_type, key.id.0], |row| row.get(0).map(Id16))
                .at(step)?;
            deposits.collect::<Result<_, _>>().at(step)
        })
    }

    /// The newest `depth` versions of each resource, newest first.
    fn fetch(&self, permit: &Permit, keys: &[ResourceKey], depth: usize) -> Result<Vec<Version>, StoreError> {
        let Scope::Patients(patients) = permit.scope() else {
            return Err(StoreError::Scope { what: "patients" });
        };
        let reaches = |owner: Owner| matches!(owner, Owner::Patient(id) if patients.contains(&id));
        let core = self.core();
        for beyond in keys.iter().filter(|key| !reaches(key.owner)) {
            core.record_beyond(permit, beyond.owner, &beyond.resource_type)?;
        }
        let (sealed, kept_back) = core.readers.snapshot("reading resources", |connection| {
            check_epoch(connection, permit.epoch())?;
            let (mut sealed, mut kept_back) = (Vec::with_capacity(keys.len()), Vec::new());
            let (mut shared, mut bytes) = (SharedOf::default(), 0);
            for key in keys.iter().filter(|key| reaches(key.owner)) {
                if shared.has(core, connection, permit, key)? {
                    frames(connection, key, depth, &mut sealed, &mut bytes)?;
                } else {
                    kept_back.push(key);
                }
            }
            Ok((sealed, kept_back))
        })?;
        for key in kept_back {
            core.record_beyond(permit, key.owner, &key.resource_type)?;
        }
        let versions: Result<Vec<Version>, _> = sealed.into_iter().map(|one| open(core, permit, one)).collect();
        let versions = versions?;
        let mut seen = Seen::default();
        for version in &versions {
            seen.add(version.key.owner, &version.institution, &version.key.resource_type);
        }
        core.record_seen(permit, seen)?;
        Ok(versions)
    }
}

/// Index of a leaf in its log, once it is under a checkpoint.
pub(crate) fn leaf(connection: &Connection, kind: i64, row: i64) -> Result<Option<u64>, StoreError> {
    let step = "reading the position of a leaf";
    let mut statement = connection.prepare_cached("SELECT position FROM leaf WHERE kind = ? AND row = ?").at(step)?;
    let position: Option<i64> = statement.query_row([kind, row], |row| row.get(0)).optional().at(step)?;
    Ok(position.map(i64::unsigned_abs))
}

struct Current {
    row: i64,
    institution: String,
}

fn current(connection: &Connection, key: &ResourceKey) -> Result<Option<Current>, StoreError> {
    let step = "looking for a resource";
    connection
        .prepare_cached("SELECT row, institution FROM resource_current WHERE owner = ? AND type = ? AND id = ?")
        .at(step)?
        .query_row(params![owner_bytes(key.owner), key.resource_type, key.id.0], |row| {
            Ok(Current { row: row.get(0)?, institution: row.get(1)? })
        })
        .optional()
        .at(step)
}

/// One version as it lies in the database.
pub(crate) struct SealedRow {
    key: ResourceKey,
    institution: String,
    version: u32,
    recorded_us: i64,
    frame: Vec<u8>,
    leaf: Option<u64>,
    deposit: Option<[u8; 16]>,
}

/// The newest `depth` versions of a resource, newest first.
pub(crate) fn frames(
    connection: &Connection,
    key: &ResourceKey,
    depth: usize,
    out: &mut Vec<SealedRow>,
    bytes: &mut usize,
) -> Result<(), StoreError> {
    let step = "reading a resource";
    let Some(current) = current(connection, key)? else { return Ok(()) };
    let mut statement = connection
        .prepare_cached("SELECT version, previous, recorded_us, frame, deposit FROM resource_version WHERE row = ?")
        .at(step)?;
    let mut next = Some(current.row);
    for _ in 0..depth {
        let Some(row) = next else { break };
        type Stored = (u32, Option<i64>, i64, Vec<u8>, Option<[u8; 16]>);
        let (version, previous, recorded_us, frame, deposit): Stored = statement
            .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .at(step)?;
        *bytes += frame.len();
        check_count("bytes in one read", *bytes, READ_BYTES_MAX)?;
        let (key, institution) = (key.clone(), current.institution.clone());
        out.push(SealedRow {
            key,
            institution,
            version,
            recorded_us,
            frame,
            leaf: leaf(connection, KIND_VERSION, row)?,
            deposit,
        });
        next = previous;
    }
    Ok(())
}

/// Opens one version. It must be journalled before it leaves.
pub(crate) fn open(core: &Core, permit: &Permit, sealed: SealedRow) -> Result<Version, StoreError> {
    let SealedRow { key, institution, version, recorded_us, frame, leaf, deposit } = sealed;
    let institution = institution_from(&institution)?;
    let expected = version_head(key.owner, key.id, version);
    let body = vault::open_frame_as(permit, &core.keyring, &expected, &frame)?;
    let inside = read_body(&body)?;
    if inside.resource_type != key.resource_type {
        return Err(StoreError::Damaged { what: "a resource", reason: "its body is of another type".to_owned() });
    }
    Ok(Version {
        source_id: inside.source_id.to_owned().into(),
        bytes: Redacted::new(inside.bytes.to_vec()),
        salt: Redacted::new(inside.salt),
        recorded: time_from(recorded_us)?,
        key,
        institution,
        version,
        leaf,
        deposit: deposit.map(Id16),
    })
}
