//! What can go wrong at the boundary of this crate. No text here carries anything about a person.

use std::path::PathBuf;

use policy::Denial;

/// A refusal or a failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The permit is for another action.
    #[error("the permit is for {found}, and {call} takes one for {needed}: ask the door for that")]
    Action {
        /// What was called.
        call: &'static str,
        /// Names of the actions it takes.
        needed: &'static str,
        /// The permit's action.
        found: &'static str,
    },
    /// The permit's scope does not reach the data.
    #[error("the permit does not reach {what}")]
    Scope {
        /// Which kind of thing, never whose.
        what: &'static str,
    },
    /// Rights were narrowed after the permit was made.
    #[error("rights have changed since the permit was made (epoch {permit}, now {store}): ask the door again")]
    StaleEpoch {
        /// Epoch of the permit.
        permit: u64,
        /// Epoch of the store.
        store: u64,
    },
    /// The access journal takes nothing, so nothing is shown.
    #[error(
        "the access journal cannot be written, so access is refused: {reason}; make room or mend the folder `journal`"
    )]
    JournalUnavailable {
        /// What the file system said.
        reason: String,
    },
    /// The database refused.
    #[error("the database failed at {step}: {source}")]
    Database {
        /// What was being done.
        step: &'static str,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
    /// A transaction of several callers could not be committed.
    #[error("nothing was written, the database could not commit: {reason}")]
    Commit {
        /// What it said.
        reason: String,
    },
    /// The tables cannot be brought to this program's form.
    #[error("the tables of {path} cannot be migrated: {reason}")]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file or folder failed.
    #[error("{path} cannot be {done}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// Too much waits to be sealed.
    #[error("{waiting} writes wait to be sealed, at most {limit} may: {reason}")]
    Backlog {
        /// Rows of the outbox.
        waiting: u64,
        /// Most rows permitted.
        limit: u64,
        /// Why the sequencer does not get on.
        reason: String,
    },
    /// What was written is safe in the database and not yet at enough sites.
    #[error("accepted, but not sealed after {waited_ms} ms: {reason}")]
    NotSealed {
        /// How long was waited.
        waited_ms: u64,
        /// Why the sequencer does not get on.
        reason: String,
    },
    /// A site holds a newer head of a log than the database: signing would fork the log.
    #[error(
        "the log {log} has {site_size} leaves at a site and {database_size} in the database, which is older or another: \
         nothing is signed; restore the newer database, or rebuild from that site"
    )]
    SiteAhead {
        /// Which log.
        log: String,
        /// Leaves at the site.
        site_size: u64,
        /// Leaves in the database.
        database_size: u64,
    },
    /// A witness holds a newer head of a log than the database, or another: signing would show two histories.
    #[error(
        "witness {witness} holds the log {log} at {witness_size} leaves, and the database at {database_size} is older or \
         another: nothing is signed; restore the newer database, or rebuild from a site"
    )]
    WitnessAhead {
        /// Which log.
        log: String,
        /// The witness, as the policy calls it.
        witness: String,
        /// Leaves that the witness holds.
        witness_size: u64,
        /// Leaves in the database.
        database_size: u64,
    },
    /// What was written is sealed, and no quorum of witnesses has cosigned it yet.
    #[error("sealed, but not witnessed after {waited_ms} ms: {reason}")]
    NotWitnessed {
        /// How long was waited.
        waited_ms: u64,
        /// What keeps the witnesses.
        reason: String,
    },
    /// This process was held up for so long that another seals the log by now.
    #[error("another process has taken over sealing the log {log}; what it published is looked up again")]
    Overtaken {
        /// Which log.
        log: String,
    },
    /// An installation cannot be made again from a site.
    #[error("nothing was made again: {reason}")]
    Rebuild {
        /// What is missing or in the way, and what to do.
        reason: String,
    },
    /// There is no database.
    #[error(
        "{path} is missing; mount its disk or restore it, and make it with `hanmaru init` only where the installation is new"
    )]
    NotThere {
        /// Where it should be.
        path: std::path::PathBuf,
    },
    /// There are records and no secret that their ids were made under.
    #[error(
        "an older program made the ids of the patients here, from their numbers alone, which can be guessed: nothing is opened; make a \
         new installation with `hanmaru init` (a new data folder, new sites and key stores) and deposit the bags again there, or go on \
         with that program, on the copy of the data folder from before this one ran"
    )]
    OlderIds,
    /// Another process has the store open, and what is asked for is done alone.
    #[error(
        "another process has {path} open: stop `hanmaru serve`, wait until deposits have ended, and run this again"
    )]
    InUse {
        /// The store's folder.
        path: std::path::PathBuf,
    },
    /// The log here goes by another name.
    #[error(
        "this installation's log is {found}, and the configuration calls it {configured}; set the origin back, for all that \
         was issued names it"
    )]
    Origin {
        /// What the log is.
        found: String,
        /// What it is called by now.
        configured: String,
    },
    /// A site holds the log of somebody else.
    #[error(
        "site {site} holds the log {found} of another installation where {log} should be: nothing is written; check the \
         mounts and the configuration"
    )]
    ForeignLog {
        /// The site.
        site: String,
        /// Which log should be there.
        log: String,
        /// The origin of the log that is.
        found: String,
    },
    /// Something from outside is larger than permitted.
    #[error("{what} of {found} is beyond the limit of {limit}")]
    Limit {
        /// What it is, with its unit.
        what: &'static str,
        /// What was found.
        found: u64,
        /// What is permitted.
        limit: u64,
    },
    /// The bytes given as an object are not those that were declared.
    #[error("the document is not the one declared: {reason}")]
    ObjectMismatch {
        /// Size or checksum, and what was found.
        reason: String,
    },
    /// The source of an object's bytes failed.
    #[error("the document cannot be read: {0}")]
    ObjectSource(#[source] std::io::Error),
    /// There is no such thing, or the permit does not reach it: the two are not told apart.
    #[error("no such {what} within reach of the permit")]
    Missing {
        /// Which kind of thing.
        what: &'static str,
    },
    /// The case of an appointment ends with the person's death, which is on record.
    #[error(
        "an appointment of the case {found} ends with the person's death, which is on record: one of the case {lasting} lasts"
    )]
    AfterDeath {
        /// The case.
        found: String,
        /// Those that last.
        lasting: String,
    },
    /// The account has the right that is asked for.
    #[error("the account has this right already: there is nothing to ask for")]
    RightHeld,
    /// Somebody else asked for the same right.
    #[error(
        "somebody else has asked for this right, and it waits to be confirmed: let it be confirmed, or take it back and ask again"
    )]
    RightAsked,
    /// Something of our own cannot be read back.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// What.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// What this was sealed under is gone.
    #[error(
        "a key was destroyed or replaced while this was prepared: nothing was written; run it again, and what was erased stays \
         out"
    )]
    KeyGone,
    /// An erasure cannot go on.
    #[error("the erasure {id} cannot go on: {reason}")]
    Shred {
        /// Which.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An erasure of the same was asked for before, and is neither over nor given up.
    #[error("the erasure {id} is of the same and under way: let it be done, or withdraw it and ask again")]
    ShredAsked {
        /// Which.
        id: String,
    },
    /// A rotation of keys cannot begin or go on.
    #[error("keys cannot be rotated: {reason}")]
    Rotation {
        /// Why, and what to do.
        reason: String,
    },
    /// The sites failed.
    #[error(transparent)]
    Site(#[from] vault::SiteError),
    /// The keys failed.
    #[error(transparent)]
    Key(#[from] vault::KeyError),
    /// A frame cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] vault::SealError),
    /// A pack cannot be built or read.
    #[error(transparent)]
    Pack(#[from] vault::PackError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The policies cannot be used.
    #[error(transparent)]
    Door(#[from] policy::DoorError),
    /// The store's own job was denied what it needs.
    #[error("the door denied the job {job}: {explanation}; the policies in use do not fit this program")]
    JobDenied {
        /// Name of the job.
        job: String,
        /// What the door said.
        explanation: String,
    },
    /// The store is closing.
    #[error("the store is closing")]
    Closing,
}

impl StoreError {
    /// Whether too few sites can be reached, so that nothing is taken in until they are back.
    #[must_use]
    pub const fn is_sites_lost(&self) -> bool {
        matches!(self, Self::Site(vault::SiteError::Lost { .. } | vault::SiteError::TooFew { .. }))
    }

    /// What is missing where a frame cannot be opened for want of its key: the key that nobody has or that does not unwrap, or the root
    /// that it needs. By themselves such keys come back only where somebody restores them.
    #[must_use]
    pub fn missing_key(&self) -> Option<&str> {
        match self {
            Self::Key(error) | Self::Seal(vault::SealError::Key(error)) => match error {
                vault::KeyError::Unknown { id } | vault::KeyError::NotAuthentic { id } => Some(id),
                vault::KeyError::OtherRoot { needed, .. } => Some(needed),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why asking gave no permit.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The door said no. The denial is in the access journal already.
    #[error("denied: {}", .0.reason.name())]
    Denied(Box<Denial>),
    /// The question could not be answered, which is a no as well.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds the step to an error of the database.
pub(crate) trait AtStep<T> {
    /// Names what was being done.
    fn at(self, step: &'static str) -> Result<T, StoreError>;
}

impl<T> AtStep<T> for Result<T, rusqlite::Error> {
    fn at(self, step: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { step, source })
    }
}

/// Adds the path to an error of the file system.
pub(crate) trait OnFile<T> {
    /// Names the file and what was to be done with it.
    fn on(self, done: &'static str, path: &std::path::Path) -> Result<T, StoreError>;
}

impl<T> OnFile<T> for std::io::Result<T> {
    fn on(self, done: &'static str, path: &std::path::Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::File { path: path.to_owned(), done, source })
    }
}

impl From<base::wire::Malformed> for StoreError {
    fn from(fault: base::wire::Malformed) -> Self {
        Self::Damaged { what: "a stored record", reason: fault.to_string() }
    }
}
