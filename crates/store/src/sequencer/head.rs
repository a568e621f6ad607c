//! The end of a log: read from the database, compared with the sites, and completed where a crash came between.

use ledger::tiles::{BundleSource, CHECKPOINT_PATH, TileId, TilePath, TileSource};
use ledger::{Checkpoint, Hash, LogAppender, Note, SignedCheckpoint};
use policy::{Action, Permit};
use rusqlite::{Connection, OptionalExtension, params};
use vault::sites::Look;
use vault::{Bytes, Fault, SiteError, SiteFault};

use super::LogState;
use super::{cosign, judge};
use crate::core::Core;
use crate::error::{AtStep, StoreError};
use crate::facts::own_job_permit;
use crate::types::Log;

/// Where a log goes on.
pub(crate) struct End {
    pub(crate) appender: LogAppender,
    /// The newest head; `None` for an empty log.
    pub(crate) head: Option<SignedCheckpoint>,
    /// The newest outbox number under the head.
    pub(crate) last_no: u64,
}

/// Reads the end of a log, refuses to go on where a site is ahead of it, and completes what a crash left unpublished.
pub(crate) fn look_up(core: &Core, log: Log, permit: &Permit) -> Result<End, StoreError> {
    let stored = core.readers.snapshot("reading the end of a log", |connection| read(connection, log))?;
    let state = core.log(log);
    let head = stored.note.map(|note| open_stored(&note, state)).transpose()?;
    compare_with_sites(core, log, permit, head.as_ref())?;
    let appender = match &head {
        None => LogAppender::new(),
        Some(head) => LogAppender::resume(head.checkpoint.size, &head.checkpoint.root, &stored.edge)?,
    };
    if head.is_none() {
        cosign::look_at_empty(core, log, permit)?;
    }
    if let Some(head) = &head {
        // Also where everything was published: a site that was away when its process died gets the newest head now.
        if !stored.pending.is_empty() {
            core.sites.put_all(permit, &stored.pending)?;
        }
        cosign::resume(core, log, permit, head, stored.published.as_deref(), stored.last_no)?;
    }
    Ok(End { appender, head, last_no: stored.last_no })
}

/// A log as the database has it at one moment: what everything at the sites is judged by.
pub(crate) struct Snapshot {
    /// The newest head.
    pub(crate) head: SignedCheckpoint,
    /// The newest head that is at the sites.
    pub(crate) published: Option<SignedCheckpoint>,
    /// The last tile of each level and the last bundle under the newest head.
    pub(crate) edge: Edge,
    /// Whether the newest head's files have been written to the sites.
    pub(crate) is_published: bool,
}

impl Snapshot {
    /// `None` for an empty log.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Ledger`] where head and edge do not fit together.
    pub(crate) fn take(core: &Core, log: Log) -> Result<Option<Self>, StoreError> {
        let stored = core.readers.snapshot("reading the end of a log", |connection| read(connection, log))?;
        let state = core.log(log);
        let Some(note) = stored.note else { return Ok(None) };
        let head = open_stored(&note, state)?;
        LogAppender::resume(head.checkpoint.size, &head.checkpoint.root, &stored.edge)?;
        let published = stored.published.map(|note| open_stored(&note, state)).transpose()?;
        let is_published = published.as_ref().is_some_and(|published| published.checkpoint == head.checkpoint);
        Ok(Some(Self { head, published, edge: stored.edge, is_published }))
    }
}

pub(super) struct Stored {
    pub(super) note: Option<Vec<u8>>,
    /// The note that is public, with the cosignatures it had.
    published: Option<Vec<u8>>,
    last_no: u64,
    pub(super) edge: Edge,
    pub(super) pending: Vec<(String, Bytes)>,
}

pub(super) fn read(connection: &Connection, log: Log) -> Result<Stored, StoreError> {
    let step = "reading the end of a log";
    let sql = "SELECT note, last_no, published_note FROM log_head WHERE log = ?";
    let head = connection
        .query_row(sql, [log.name()], |row| {
            Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
        })
        .optional()
        .at(step)?;
    let (note, last_no, published) = head
        .ok_or_else(|| StoreError::Damaged { what: "the table of log heads", reason: "a log is missing".to_owned() })?;
    let mut edge = Edge::default();
    let mut statement = connection.prepare_cached("SELECT path, bytes FROM log_edge WHERE log = ?").at(step)?;
    let mut rows = statement.query([log.name()]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let path: String = row.get(0).at(step)?;
        edge.0.push((ledger::tiles::parse_path(&path)?, row.get(1).at(step)?));
    }
    let mut pending = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT path, bytes FROM pending_tile WHERE log = ? ORDER BY size, path").at(step)?;
    let mut rows = statement.query(params![log.name()]).at(step)?;
    while let Some(row) = rows.next().at(step)? {
        let path: String = row.get(0).at(step)?;
        let bytes: Vec<u8> = row.get(1).at(step)?;
        pending.push((log.path(&path), Bytes::from(bytes)));
    }
    Ok(Stored { note, published, last_no: last_no.unsigned_abs(), edge, pending })
}

/// The partial tiles and the partial bundle at the end of a log, as the database keeps them.
#[derive(Clone, Default)]
pub(crate) struct Edge(Vec<(TilePath, Vec<u8>)>);

impl TileSource for Edge {
    type Error = String;

    fn hash_tile(&self, id: &TileId) -> Result<Vec<u8>, String> {
        self.find(TilePath::Hashes(*id))
    }
}

impl BundleSource for Edge {
    type Error = String;

    fn entry_bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, String> {
        self.find(TilePath::Entries { index, width })
    }
}

impl Edge {
    fn find(&self, wanted: TilePath) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(path, _)| *path == wanted);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| format!("{wanted} is not at the end of the log"))
    }
}

/// Looks at the sites before anything is written: a database that is older than what they hold, a log under another name, and
/// another installation's site are told at once, in every process that opens the store.
///
/// # Errors
/// [`StoreError::SiteAhead`], [`StoreError::Origin`], [`StoreError::ForeignLog`], [`StoreError::Database`].
pub(crate) fn look_before(core: &Core, log: Log) -> Result<(), StoreError> {
    let permit = own_job_permit(core, "sequencer", Action::Seal)?;
    let Others { sizes, database_size } = accept_ours(core, log, &permit)?;
    // On an older one nothing is sealed, and what can be read is read.
    match sizes.into_iter().find(|size| *size >= database_size) {
        None => Ok(()),
        Some(site_size) => Err(StoreError::SiteAhead { log: core.log(log).origin.clone(), site_size, database_size }),
    }
}

/// What sites hold that is not of a log's history.
pub(crate) struct Others {
    /// Of how many leaves each is.
    sizes: Vec<u64>,
    /// How many the database has.
    database_size: u64,
}

/// Looks at the sites and accepts what is this log's: before anything is written, and before files at them are mended, for one may
/// have come back, and in a process that seals nothing nobody else looks.
pub(crate) fn accept_ours(core: &Core, log: Log, permit: &Permit) -> Result<Others, StoreError> {
    // The sites come first: another process may be publishing, and then the database is ahead and never behind.
    let looks = core.sites.looks(permit, &log.path(CHECKPOINT_PATH))?;
    let stored = core.readers.snapshot("reading the end of a log", |connection| read(connection, log))?;
    let head = stored.note.map(|note| open_stored(&note, core.log(log))).transpose()?;
    let (mut ours, mut sizes) = (Vec::new(), Vec::new());
    for look in &looks {
        match standing(core, log, permit, head.as_ref(), look)? {
            Standing::Ours | Standing::Silent(_) => ours.push(look),
            Standing::Other { size } => sizes.push(size),
            Standing::Unknown { .. } => {}
        }
    }
    core.sites.accept(&log.path(CHECKPOINT_PATH), ours);
    Ok(Others { sizes, database_size: head.map_or(0, |head| head.checkpoint.size) })
}

/// The head in the database. Signed by another key it is a head under another name, or damaged.
fn open_stored(note: &[u8], state: &LogState) -> Result<SignedCheckpoint, StoreError> {
    let opened = SignedCheckpoint::open(note, &[state.signer.verifier().clone()]);
    match opened {
        Err(ledger::Error::Untrusted { .. }) => match stated(note) {
            Some(found) if found.origin != state.origin => {
                Err(StoreError::Origin { found: found.origin, configured: state.origin.clone() })
            }
            _ => Ok(opened?),
        },
        opened => Ok(opened?),
    }
}

/// A site's checkpoint. `None` where the site is away or has none yet, and where it is damaged: the next one replaces it. That of
/// another installation is never replaced.
fn read_copy(
    core: &Core,
    log: Log,
    site: &str,
    copy: Result<Bytes, Fault>,
) -> Result<Option<SignedCheckpoint>, StoreError> {
    let state = core.log(log);
    let Ok(bytes) = copy else { return Ok(None) };
    match SignedCheckpoint::open(&bytes, &[state.signer.verifier().clone()]) {
        Ok(found) => Ok(Some(found)),
        Err(error) => match stated(&bytes) {
            Some(found) if matches!(error, ledger::Error::Untrusted { .. }) => {
                Err(StoreError::ForeignLog { site: site.to_owned(), log: state.origin.clone(), found: found.origin })
            }
            _ => {
                tracing::warn!(site, log = log.name(), %error, "a site's checkpoint is damaged: the next one takes its place; where too few sites are left for one, a scrub mends it");
                Ok(None)
            }
        },
    }
}

/// What a checkpoint says, whoever signed it.
pub(crate) fn stated(note: &[u8]) -> Option<Checkpoint> {
    Checkpoint::parse(Note::parse(note).ok()?.text()).ok()
}

/// Looks at every site, and refuses where one of them has another history. So many must tell that one of them has whatever a quorum was
/// given.
fn compare_with_sites(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: Option<&SignedCheckpoint>,
) -> Result<(), StoreError> {
    let looks = core.sites.looks(permit, &log.path(CHECKPOINT_PATH))?;
    let Compared { ours, silent } = compare(core, log, permit, head, &looks)?;
    let reached = looks.len() - silent.len();
    if !core.sites.are_enough(reached) {
        return Err(SiteError::TooFew { wanted: looks.len() + 1 - core.sites.quorum(), reached, faults: silent }.into());
    }
    core.sites.accept(&log.path(CHECKPOINT_PATH), ours);
    Ok(())
}

/// Looks at what sites hold that were lost and are there again. What is one of this log's heads may be replaced from now on.
pub(super) fn compare_with_returned(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: Option<&SignedCheckpoint>,
) -> Result<(), StoreError> {
    let path = log.path(CHECKPOINT_PATH);
    let returned = core.sites.returned(&path);
    if !returned.is_empty() {
        core.sites.accept(&path, compare(core, log, permit, head, &returned)?.ours);
    }
    Ok(())
}

/// What came of a comparison.
struct Compared<'a> {
    /// Those that hold a head of this log, or nothing that is whole.
    ours: Vec<&'a Look>,
    /// Those that tell nothing, and why.
    silent: Vec<SiteFault>,
}

/// Every site's checkpoint must be a head that this log had: a newer one, or another of the same size, means that the
/// database is an old copy, and signing on would fork the log.
fn compare<'a>(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: Option<&SignedCheckpoint>,
    looks: &'a [Look],
) -> Result<Compared<'a>, StoreError> {
    let (mut ours, mut silent) = (Vec::new(), Vec::new());
    for look in looks {
        match standing(core, log, permit, head, look)? {
            Standing::Ours => ours.push(look),
            Standing::Silent(fault) => {
                silent.push(SiteFault { name: look.site.clone(), fault });
                ours.push(look);
            }
            Standing::Other { size } => {
                let database_size = head.map_or(0, |head| head.checkpoint.size);
                let log = core.log(log).origin.clone();
                return Err(StoreError::SiteAhead { log, site_size: size, database_size });
            }
            // It told how much it has, and is judged when its tiles can be read.
            Standing::Unknown { size } => tracing::warn!(
                site = look.site,
                log = log.name(),
                size,
                "a site's older checkpoint cannot be judged yet"
            ),
        }
    }
    Ok(Compared { ours, silent })
}

/// What a site's checkpoint is to a log.
enum Standing {
    /// A head that the log had, or none.
    Ours,
    /// A head of another history, or of a later time.
    Other { size: u64 },
    /// An older head; the tiles that would tell whose cannot be read.
    Unknown { size: u64 },
    /// It cannot be read, or is damaged.
    Silent(Fault),
}

/// Judges a site's checkpoint by the head in the database. An older one is judged by tiles that lead to that head: a site's own tiles
/// lead to whatever it holds.
fn standing(
    core: &Core,
    log: Log,
    permit: &Permit,
    head: Option<&SignedCheckpoint>,
    look: &Look,
) -> Result<Standing, StoreError> {
    let Some(found) = read_copy(core, log, &look.site, look.copy.clone())? else {
        return Ok(match &look.copy {
            Err(Fault::Absent(_)) => Standing::Ours,
            Err(fault) => Standing::Silent(fault.clone()),
            Ok(_) => Standing::Silent(Fault::Damaged(log.path(CHECKPOINT_PATH))),
        });
    };
    let (size, root) = (found.checkpoint.size, found.checkpoint.root);
    let database_size = head.map_or(0, |head| head.checkpoint.size);
    let is_ours = match head {
        Some(head) if size == database_size => Some(head.checkpoint.root == root),
        _ if size > database_size => Some(false),
        _ => root_at(core, log, permit, size)?.map(|computed| computed == root),
    };
    Ok(match is_ours {
        Some(true) => Standing::Ours,
        Some(false) => Standing::Other { size },
        None => Standing::Unknown { size },
    })
}

/// The root that the log had at an earlier size, by tiles that lead to the database's own head; `None` where its tiles cannot be read.
pub(crate) fn root_at(core: &Core, log: Log, permit: &Permit, size: u64) -> Result<Option<Hash>, StoreError> {
    let stored = core.readers.snapshot("reading the end of a log", |connection| self::read(connection, log))?;
    let read = |path: &str, is_right: &dyn Fn(&[u8]) -> bool| core.sites.get(permit, path, is_right).ok();
    Ok(judge::SoundTiles::of(log, stored, &read).and_then(|tiles| ledger::root_from_tiles(size, &tiles).ok()))
}
