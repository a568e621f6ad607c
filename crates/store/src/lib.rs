//! The store: resources in all their versions as encrypted bodies, what finds them, the outbox, the access journal, jobs,
//! facts for the door, and the sequencer that seals. SQLite in WAL mode underneath.
//!
//! | file | what |
//! |---|---|
//! | [`Store::open`] (`open`) | folder, database, keys, journal, threads |
//! | [`Store::ask`] (`facts`) | facts, people, rights, the door's question |
//! | [`Store::grant`] (`rights`) | rights of accounts |
//! | [`Store::ask_ground`], [`Store::break_glass`] (`grounds`, `glass`) | what an access of staff points to |
//! | [`Store::ids`] (`ids`) | under what ids patients and resources stand |
//! | [`Store::subject_of`] (`named`) | whom staff mean by a number |
//! | [`Store::appoint`], [`Store::give_consent`] (`representatives`, `consents`, `consent_form`) | whom a person lets look |
//! | (`share`) | what of a person's records a part of them is |
//! | [`Store::prepare`], [`Store::write`] (`prepare`, `write`, `edition`, `objects`) | the write path |
//! | [`Store::search`], [`Store::read`], [`Store::histories`], [`Store::objects`] (`search`, `read`, `object_read`) | the read path |
//! | [`Store::access_log`], [`Store::refuse_beyond`] (`access`, `journal`, `beyond`) | who looked, or tried to |
//! | [`Store::watched`], [`Store::access_holes`] (`watched`) | the access log as the watch reads it |
//! | [`Store::wait_sealed`], [`Store::commit_leaf`], [`Store::proof`] (`sequencer`) | sealing |
//! | [`Witnessing`], [`Store::wait_witnessed`] (`witnessing`, `sequencer`) | witnesses of the logs |
//! | [`Store::keep_stamp`], [`Store::stamped_proof`] (`stamps`) | time-stamps over checkpoints |
//! | [`Store::tables`] (`tables`) | operational tables of the rooms |
//! | [`Store::scrub`] (`scrub`) | everything at the sites read back, judged and repaired |
//! | [`Store::add_job`] (`jobs`) | jobs |
//! | [`Store::shred_request`], [`Store::shred_step`] (`shred`) | erasure by destroying keys |
//! | [`Store::rotate`] (`rotate`, `keeper`) | keys come under new parents |
//! | [`Store::clock`], [`Store::reset_clock`] (`clock`) | time that never goes back, unless an operator says so |
//!
//! Architecture invariants: no call that reads or writes clinical data works without a [`policy::Permit`], whose action, scope
//! and epoch are checked, the epoch inside the transaction that reads or writes. No body leaves before its access entry is
//! durable. No body stands anywhere in clear. A leaf is in a log once, wherever a crash comes. All calls block; no call holds
//! more in memory than its limits say.

mod access;
mod act;
mod beyond;
mod chosen;
mod claim;
mod clock;
mod condition;
mod connection;
mod consent_form;
mod consents;
mod context;
mod core;
mod deaths;
mod edition;
mod error;
mod extract;
mod facts;
mod fingerprint;
mod glass;
mod grounds;
mod guard;
mod ids;
mod index;
mod jobs;
mod journal;
mod keeper;
mod keys;
mod lasting;
mod named;
mod object_read;
mod objects;
mod open;
#[doc(hidden)]
pub mod outside;
mod prepare;
mod read;
mod rebuild;
mod representatives;
mod rights;
mod rotate;
mod rows;
mod scrub;
pub mod sealed;
pub mod seams;
mod search;
mod sequencer;
mod share;
mod shred;
mod stamps;
mod tables;
mod types;
mod watched;
mod witnessing;
mod write;
mod writer;

pub use access::{ACCESS_PAGE_MAX, AccessCursor, AccessLog, AccessPage, LoggedAccess};
pub use act::{ACTS, Act};
pub use chosen::{CHOICE_MAX, Choice, Chosen, Part};
pub use claim::{Compared, PatientClaim};
pub use clock::{Alone, newest_time};
pub use condition::{
    Condition, DRILL_DAYS_MAX, Grade, LogCondition, SCRUB_DAYS_MAX, SiteCondition, Stamped, WAITING_S_MAX,
};
pub use consent_form::{ConsentFault, ConsentPurpose, ConsentTerms};
pub use consents::{ConsentEntry, ConsentOffer, commons};
pub use context::ContextRef;
pub use edition::Edition;
pub use error::{AskError, StoreError};
pub use extract::{Indexing, index_rows};
pub use facts::{LINKS_MAX, PersonLink};
pub use fingerprint::{Fingerprint, TableFingerprint};
pub use glass::{BrokenGlass, GlassNotice, Verdict};
pub use grounds::{
    GROUNDS_MAX, GROUNDS_WAITING_MAX, GroundCursor, GroundEntry, GroundList, GroundPage, NewGround, OwnGround,
    REASON_BYTES_MAX, kind_asked_by,
};
pub use ids::Ids;
pub use index::{CHART_NUMBER, HOUSEHOLD, INDEX_TEXT_BYTES_MAX, IndexRow};
pub use jobs::{JOB_ATTEMPTS_MAX, JOB_BYTES_MAX, Job, Jobs};
pub use journal::{AccessActor, AccessEntry, AccessResult};
pub use ledger::EntryKind;
pub use named::{KnownPatient, NamedPatient};
pub use object_read::{ObjectBytes, Objects};
pub use objects::{ObjectHead, ObjectWriter, PreparedObject, object_content};
pub use open::{Health, OpenStore, Store, StoreConfig};
pub use prepare::{INDEX_ROWS_MAX, Prepared, RESOURCE_BYTES_MAX, version_content};
pub use read::{HISTORIES_MAX, READ_BYTES_MAX, READ_MAX, VERSIONS_MAX};
pub use rebuild::{CiHash, Rebuild, Rebuilt, Reindex, Without};
pub use representatives::{NewRepresentative, REPRESENTATIVES_MAX, Representative, full_years, latest_end};
pub use rights::{AskedRight, RIGHT_ASKED_DAYS, Right};
pub use rotate::{KeysTurn, Rotate, RotationProgress};
pub use scrub::{
    Copies, Drill, DrillOutcome, LastScrub, RightLog, ScrubConfig, ScrubReport, SiteScrub, checkpoint_is_right,
    pack_is_right,
};
pub use search::{CONDITIONS_MAX, Cursor, Match, Order, PAGE_MAX, Page, Query};
pub use sequencer::proof::{LeafExtra, LeafProof, WaitingLeaf};
pub use shred::{
    APPROVALS, Approval, Certificate, HOLDS_SHOWN, HeldBy, Hold, Kept, SHRED_TEXT_BYTES_MAX, Shred, ShredActor,
    ShredOutlook, ShredRole, ShredRules, ShredScope, ShredState, StoreCleaned, TableCleaned,
};
pub use stamps::Stamp;
pub use tables::Tables;
pub use types::{Head, Log, NewVersion, Outcome, ResourceKey, Sealed, Ticket, Version, Written};
pub use vault::{KeyStoreStatus, SiteStatus};
pub use watched::{AccessKey, Checked, Hole, LEAVES_MAX, OverdueGlass, StatedReason, WATCHED_MAX, Watched};
pub use witnessing::{WitnessReply, WitnessTransport, Witnessed, Witnessing};
pub use write::{Extra, WRITE_BYTES_MAX, WRITE_MAX};
