//! Takes in what a closed or suspended institution hands over, as a BagIt 1.0 bag (RFC 8493).
//!
//! # The way of a bag
//!
//! 1. [`bag::open`] reads the tag files and the list of payload. What makes the whole bag untrustworthy refuses it, with all
//!    faults at once, and nothing is written.
//! 2. The NDJSON files are read once for checksums and patients (`survey`), patients are compared with those who stand here by
//!    the same id (`dispute`), then line by line by workers that parse, validate,
//!    find the owner and seal (`take`), and written in the order of the lines, in batches (`pipeline`): amendments follow their
//!    originals in a file, so order matters.
//! 3. Documents that resources point to are checked to be what they claim and streamed to the sites (`documents`).
//! 4. Patients are linked to people by the identity agency's answer (`link`).
//! 5. A receipt says what was declared, taken and held back; it is a leaf of the ledger, with its proof (`receipt`).
//!
//! # What is refused, and what is held back
//!
//! A fault of one line or one file never stops the rest: the line or file is **held back**: its bytes are kept, encrypted, as
//! an object of the institution, and the receipt names file, line and reason. Documents that nothing points to are held back in
//! the same way, because whose they are is unknown.
//!
//! **A file whose checksum is wrong is refused whole**, and its bytes are not kept. A checksum covers the file, not its lines:
//! which of them changed cannot be known, and one wrong digit in a dose would be sealed as if the hospital had written it. The
//! receipt names the file. Mending it (the manifest stays as it is) and depositing again takes it in; the receipt is then
//! written anew. The same holds for documents with a wrong checksum or that are too large.
//!
//! What a resource refers to need not be here: it is taken, and the receipt lists what leads nowhere (`references`).
//!
//! # What files are called
//!
//! Hospitals name files after people and their numbers. In the tables paths stand sealed, and so do receipts. A receipt, and a
//! message about a bag, names files as the depositor does, but for what may be a registration number ([`masked`](crate::names::masked)); its files are
//! for their owner alone.
//!
//! # Killed at any point, and again
//!
//! A deposit's id is derived from the institution and the manifest. How far each file is taken in is written in the same
//! transaction as the lines themselves, and contents are recognised by their hash, so that running again continues, doubles
//! nothing and loses nothing. A finished deposit answers with its receipt, unless there is something to do: files were mended,
//! or patients came since (in a mended file, or in another bag) whom lines that were held back are about. Those lines are then
//! taken, and the documents that they point to, and the receipt is made anew.

pub mod bag;
pub mod bag_info;
pub mod bundles;
mod chart_number;
mod check;
mod dispute;
mod documents;
mod error;
mod fault;
mod found_by;
mod household;
mod keep;
mod link;
mod lock;
mod payload;
mod pipeline;
pub mod receipt;
mod references;
mod survey;
mod take;
mod tally;
mod wording;

pub use crate::members::NATIONAL_SYSTEMS;
pub use error::DepositError;
pub use fault::Fault;
pub use found_by::reindex;
pub(crate) use take::{document_kind, document_paths};

use crate::hangul::folded;
use crate::institutions::{Holding, Institution, composed, kinds};
use crate::names::Names;
use crate::retention::Retention;
use crate::tables::{self, DepositRow, Marks};
use crate::{Archive, ArchiveError};
use bag::Bag;
use bag_info::{BagInfo, Cessation};
use base::{Id16, Redacted, Timestamp};
use identity::CiLookup;
use jiff::civil::Date;
use lock::Lock;
use policy::{Action, Actor, Assurance, InstitutionCode, Permit, Purpose, Request, Role, Target};
use receipt::{Absent, SignedReceipt};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use store::{Log, Right, StoreError};
use survey::{FileMarks, is_ndjson};
use take::Patients;
use tally::Tally;

/// How often a deposit goes on after rights changed under it (another deposit linked a patient anew, for example).
const RIGHTS_CHANGED_MAX: usize = 20;

/// Most JSON values of one resource: the largest real ones have some ten thousands, and each takes memory.
const VALUES_MAX: usize = 500_000;
/// Faults of a finished deposit that are looked at for files that may have been mended.
const REFUSED_MAX: usize = 100_000;

/// What a deposit is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reads checksums and patients. Counted in bytes.
    Checking,
    /// Takes resources in. Counted in bytes.
    Records,
    /// Takes documents in. Counted in files.
    Documents,
    /// Asks the identity agency who the patients are. Counted in patients.
    Linking,
    /// Looks for what is referred to. Counted in bytes.
    References,
    /// Waits until everything is at two of three sites and under a checkpoint.
    Sealing,
}

/// How far a deposit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// How much of that is done.
    pub done: u64,
    /// How much there is, as far as known.
    pub total: u64,
    /// Resources taken so far.
    pub resources: u64,
    /// Documents taken so far.
    pub documents: u64,
    /// Lines and files held back so far.
    pub held_back: u64,
}

/// What the operator who runs a deposit decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DepositOptions {
    /// That an institution which stands here under another name, or as of another kind, is the bag's.
    pub rename_institution: bool,
}

/// One deposit while it runs.
pub(crate) struct Deposit<'a> {
    archive: &'a Archive,
    names: Arc<Names>,
    bag: &'a Bag,
    institution: &'a InstitutionCode,
    id: Id16,
    actor: Actor,
    /// The date of what has none.
    fallback: Timestamp,
    /// How long what it brings is kept, however often the deposit is gone on with.
    retention: &'static Retention,
    patients: Patients,
    tally: Tally,
    /// What is referred to and not here, once it was looked for.
    absent: Absent,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl Archive {
    /// Takes in the bag in folder `path`, or goes on with it where an earlier run ended, and answers with its receipt, sealed.
    /// `tell` is called now and then from this thread.
    ///
    /// Whoever may run this on the machine acts as the institution's depositor: the access log names the depositor that the
    /// bag names, with source `local`.
    ///
    /// # Errors
    /// [`DepositError::Bag`] where the bag as a whole is refused, [`DepositError::OtherInstitution`] where its institution's code
    /// is another's: nothing was written. All others say what to mend; what
    /// was taken stays, and depositing again goes on.
    pub fn deposit(
        &self,
        path: &Path,
        lookup: &dyn CiLookup,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<SignedReceipt, DepositError> {
        self.deposit_with(path, lookup, DepositOptions::default(), tell)
    }

    /// As [`Archive::deposit`], with what an operator decided.
    ///
    /// # Errors
    /// As [`Archive::deposit`].
    pub fn deposit_with(
        &self,
        path: &Path,
        lookup: &dyn CiLookup,
        options: DepositOptions,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<SignedReceipt, DepositError> {
        let bag = bag::open(path, self.limits(), self.today())?;
        let institution = &bag.info.institution_code;
        let id = deposit_id(institution, &bag.manifest_digest);
        let _lock = Lock::take(&self.inner.config.folder, id)?;
        let _turn = Lock::wait(&self.inner.config.folder, institution)?;
        let row = self.begin(&bag, id, options)?;
        let tally = Tally::read(&row.progress)?;
        let mut deposit = Deposit {
            archive: self,
            names: Arc::clone(self.names()?),
            bag: &bag,
            institution,
            id,
            actor: depositor(institution, &bag.info),
            fallback: last_day(&bag.info),
            retention: Retention::at(row.started),
            patients: Patients::default(),
            tally,
            absent: Absent::default(),
            progress: Progress { stage: Stage::Checking, done: 0, total: 0, resources: 0, documents: 0, held_back: 0 },
            tell,
        };
        if row.finished && !deposit.reopen()? {
            return Ok(read_receipt(row.receipt.as_deref())?.again());
        }
        deposit.run(lookup, row.started)
    }

    /// The receipt of a deposit, once it is finished.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn receipt(&self, id: Id16) -> Result<Option<SignedReceipt>, ArchiveError> {
        let row = tables::deposit(self.store(), self.names()?, id)?;
        row.filter(|row| row.finished).map(|row| read_receipt(row.receipt.as_deref())).transpose()
    }

    /// Finished deposits of an institution, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn deposits(&self, institution: &InstitutionCode) -> Result<Vec<tables::Deposited>, ArchiveError> {
        // What an older program left is found once it is sealed.
        self.names()?;
        tables::deposits(self.store(), institution)
    }

    fn begin(&self, bag: &Bag, id: Id16, options: DepositOptions) -> Result<DepositRow, DepositError> {
        let (store, now, info) = (self.store(), self.clock().now(), &bag.info);
        let other = self.institution(&info.institution_code)?.filter(|here| is_other(here, info));
        let is_finished = || tables::deposit(store, self.names()?, id).map(|row| row.is_some_and(|row| row.finished));
        match other {
            None => tables::put_depositing(store, institution_of(info), now)?,
            Some(_) if options.rename_institution => tables::put_depositing(store, institution_of(info), now)?,
            // It was taken under that name; what it is called since then stays.
            Some(_) if is_finished()? => {}
            Some(here) => {
                let code = here.code.clone();
                let came = named(&info.institution_name, &info.institution_kind);
                return Err(DepositError::OtherInstitution { code, here: named(&here.name, &here.kind), came });
            }
        }
        let size = store.checkpoint(Log::Records)?.map_or(0, |head| head.checkpoint.size);
        let fresh = Tally { records_before: size, new: Some(BTreeMap::new()), ..Tally::default() };
        let named = (&info.institution_code, bag.manifest_digest, info.depositor.as_str());
        Ok(tables::begin_deposit(store, self.names()?, id, named, now, &fresh.write())?)
    }

    /// The day in Korea.
    fn today(&self) -> Date {
        self.clock().now().to_zoned(base::KOREA).date()
    }
}

impl Deposit<'_> {
    /// Takes a finished deposit up again where there is reason to: files that it refused were mended, or patients are known by
    /// now whom lines that it held back are about.
    fn reopen(&mut self) -> Result<bool, DepositError> {
        let store = self.archive.store();
        let refused = tables::refused_files(store, &self.names, self.id, REFUSED_MAX)?.into_iter().map(|one| one.path);
        let mended: Vec<String> =
            refused.filter(|path| check::is_whole(self.bag, path, self.archive.limits())).collect();
        if mended.is_empty() && !self.knows_more()? {
            return Ok(false);
        }
        self.tally.retrying = true;
        self.tally.deciding_files = Some(mended.iter().filter(|path| is_ndjson(path)).cloned().collect());
        tables::reopen_deposit(store, &self.names, self.id, &mended, &self.tally.write())?;
        Ok(true)
    }

    fn run(&mut self, lookup: &dyn CiLookup, started: Timestamp) -> Result<SignedReceipt, DepositError> {
        let store = self.archive.store();
        let ndjson = self.bag.files.iter().filter(|file| is_ndjson(&file.path));
        let bytes = ndjson.map(|file| file.size).sum();
        self.stage(Stage::Checking, bytes);
        let marks: FileMarks = tables::file_marks(store, self.id)?
            .into_iter()
            .map(|(name, (bytes, lines))| (name, u64::try_from(bytes).ok().map(|bytes| (bytes, lines))))
            .collect();
        let survey = self.survey(&marks)?;
        self.tally.surveyed = true;
        self.tally.patient_files =
            survey.patient_files.iter().map(|place| self.bag.files[*place].path.clone()).collect();
        self.tally.patients = self.patients.len() as u64;
        let files = survey.refused.iter().map(|held| (held.path.clone(), -1, 0)).collect();
        self.progress.held_back += survey.refused.len() as u64;
        tables::mark(store, Marks { files, held: survey.refused.clone(), ..self.marks() })?;

        self.patients.note_erased(store)?;
        self.dispute(lookup, &survey.patient_files)?;
        self.stage(Stage::Records, bytes);
        self.progress.resources = self.tally.taken();
        let left: u64 = survey.work.iter().map(|work| self.bag.files[work.file].size - work.bytes).sum();
        self.step(bytes - left);
        self.with_permit(Action::Deposit, |deposit, permit| deposit.records(permit, &survey.work))?;
        if self.tally.retrying {
            self.with_permit(Action::Deposit, Self::retry)?;
            self.tally.retrying = false;
        }
        self.with_permit(Action::Deposit, Self::documents)?;
        self.link(lookup, &survey.patient_files)?;
        self.with_permit(Action::Deposit, Self::references)?;
        self.stage(Stage::Sealing, 1);
        self.finish(started)
    }

    /// Does something that goes on where it ended with a permit, and again when rights have changed meanwhile.
    fn with_permit(
        &mut self,
        action: Action,
        mut work: impl FnMut(&mut Self, &Permit) -> Result<(), DepositError>,
    ) -> Result<(), DepositError> {
        for _ in 0..RIGHTS_CHANGED_MAX {
            let permit = self.permit(action)?;
            match work(self, &permit) {
                Err(DepositError::Archive(ArchiveError::Store(StoreError::StaleEpoch { .. }))) => {}
                other => return other,
            }
        }
        Err(DepositError::RightsChange)
    }

    /// Asks the door.
    fn permit(&self, action: Action) -> Result<Permit, DepositError> {
        let request = Request {
            actor: self.actor.clone(),
            action,
            target: Target::Institution(self.institution.clone()),
            purpose: Purpose::Custody { deposit: self.id },
        };
        // Whoever runs a deposit has the machine's root key in hand; the right makes it visible in facts and log.
        self.archive.store().grant(self.actor.account, &Right::Depositor(self.institution.clone()))?;
        Ok(self.archive.ask(request)?)
    }

    /// Rows that state how far the deposit is.
    fn marks(&self) -> Marks {
        Marks {
            names: Arc::clone(&self.names),
            deposit: self.id,
            progress: self.tally.write(),
            files: Vec::new(),
            documents: Vec::new(),
            states: Vec::new(),
            retried: Vec::new(),
            held: Vec::new(),
        }
    }

    fn fhir_limits(&self) -> fhir::Limits {
        fhir_limits(self.archive.limits())
    }

    fn stage(&mut self, stage: Stage, total: u64) {
        self.progress = Progress { stage, done: 0, total, ..self.progress };
        (self.tell)(self.progress);
    }

    fn step(&mut self, done: u64) {
        self.progress.done += done;
        (self.tell)(self.progress);
    }
}

/// Whether an institution as it stands here is another than the one that a bag is of.
fn is_other(here: &Institution, info: &BagInfo) -> bool {
    here.kind != info.institution_kind || folded(&here.name) != folded(&info.institution_name)
}

/// An institution as a message names it. Names of institutions are public.
fn named(name: &str, code: &str) -> String {
    let kind = kinds().iter().find(|kind| kind.code == code).map_or(code, |kind| kind.korean.as_str());
    format!("\"{name}\" ({kind}, {code})")
}

/// The id of the deposit of a bag: the same bag is the same deposit.
fn deposit_id(institution: &InstitutionCode, manifest: &[u8; 32]) -> Id16 {
    Id16::derived(&["deposit", institution.as_str(), &base::hex(manifest)])
}

fn depositor(institution: &InstitutionCode, info: &BagInfo) -> Actor {
    Actor {
        account: Id16::derived(&["depositor", institution.as_str()]),
        role: Role::Depositor,
        assurance: Assurance::One,
        name: Redacted::new(info.depositor.clone()),
        source: Redacted::new("local".to_owned()),
    }
}

fn fhir_limits(limits: &base::limits::Limits) -> fhir::Limits {
    fhir::Limits { bytes_max: limits.resource_bytes, depth_max: limits.resource_depth, values_max: VALUES_MAX }
}

fn last_day(info: &BagInfo) -> Timestamp {
    let (Cessation::Closed(day) | Cessation::Suspended { from: day, .. }) = info.cessation;
    base::midnight(day).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn institution_of(info: &BagInfo) -> Institution {
    let (closed_on, suspended_from, suspended_to) = match info.cessation {
        Cessation::Closed(day) => (Some(day), None, None),
        Cessation::Suspended { from, to } => (None, Some(from), to),
    };
    // Korean addresses begin with province and district.
    let region = info
        .institution_region
        .clone()
        .unwrap_or_else(|| info.institution_address.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    Institution {
        code: info.institution_code.as_str().to_owned(),
        name: composed(&info.institution_name),
        romanised: info.institution_name_romanized.clone().unwrap_or_default(),
        kind: info.institution_kind.clone(),
        region: composed(&region),
        address: composed(&info.institution_address),
        closed_on,
        suspended_from,
        suspended_to,
        holding: Holding::Migrating,
        synthetic: info.synthetic,
    }
}

fn read_receipt(json: Option<&str>) -> Result<SignedReceipt, ArchiveError> {
    let damaged = |reason: String| ArchiveError::Damaged { what: "a receipt", reason };
    let json = json.ok_or_else(|| damaged("it is not there".to_owned()))?;
    serde_json::from_str(json).map_err(|error| damaged(error.to_string()))
}
