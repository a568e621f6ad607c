//! Issuing through the store: what was chosen is read under a permit and journalled, set, logged at once, and handed over.
//! The document itself is not kept; its number, hash and place in the log are.

use crate::error::ArchiveError;
use crate::issue::content::IssueContent;
use crate::issue::cover::korean;
use crate::issue::stamp::{self, StampError};
use crate::issue::{
    DocumentNumber, FileFault, Locale, Record, Source, SourceDeposit, SourceFile, SourceInstitution, TYPESETTER,
    TypesetError, Version,
};
use crate::members::attachments;
use crate::records::parsed;
use crate::verify::{self, Verified, VerifyFault};
use crate::{Archive, Selection, tables};
use base::{Id16, Timestamp};
use fhir::json::Value;
use ledger::TrustPolicy;
use policy::{InstitutionCode, Permit, Share};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use store::{EntryKind, Head, Log, Objects, Part, ResourceKey, StoreError};

/// Most bytes of deposited files in one document; what is beyond is listed and not drawn.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// Threads that fetch deposited files: each waits for a site, so a few go further than one.
const FETCHERS: usize = 4;

/// Who issues, as it stands on the cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Name of the archive.
    pub name: String,
    /// Address of the portal, such as `https://records.example`: the verify page is below it.
    pub origin: String,
}

/// An issued document.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedPdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its number.
    pub number: DocumentNumber,
    /// Its pages.
    pub pages: usize,
    /// How many things could not be drawn; they are listed in the document.
    pub undrawn: usize,
}

impl std::fmt::Debug for IssuedPdf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedPdf").field("number", &self.number).field("pages", &self.pages).finish_non_exhaustive()
    }
}

/// What is known of a document by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedDocument {
    /// Its number.
    pub number: DocumentNumber,
    /// When it was issued.
    pub issued: Timestamp,
    /// Its pages.
    pub pages: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Hash of the file without its proof.
    pub content: [u8; 32],
    /// Place of its leaf in the log of records.
    pub position: u64,
}

/// A document cannot be issued. Nothing was handed over.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Nothing that the permit reaches was chosen.
    #[error("nothing was chosen that can be issued")]
    Nothing,
    /// Archive or store refused or failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It cannot be typeset.
    #[error(transparent)]
    Typeset(#[from] TypesetError),
    /// It cannot be stamped.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> Self {
        Self::Archive(error.into())
    }
}

impl Archive {
    /// Issues what was chosen as one PDF: a copy with number, square and proof. It answers when the document's leaf is
    /// sealed, so the file can be verified by anyone from that moment on.
    ///
    /// # Errors
    /// [`IssueError`]: nothing was chosen, the store refused (permit, epoch, journal), the document is too large, or its leaf
    /// could not be sealed in time.
    pub fn issue(
        &self,
        permit: &Permit,
        selection: &Selection,
        locale: Locale,
        issuer: &Issuer,
    ) -> Result<IssuedPdf, IssueError> {
        let (bodies, headings) = self.chosen(permit, selection)?;
        let owner = bodies.first().ok_or(IssueError::Nothing)?.key.owner;
        let source = self.source(permit, &bodies, &headings)?;
        let now = self.clock().now();
        let today = korean(now);
        let number = DocumentNumber::random(today.year(), self.random());
        let head = self.masthead(permit, selection, &source, issuer, &today)?;
        let inspector = &self.inner.inspector;
        let numbered = head.numbered(&number, &issuer.origin);
        let content = IssueContent::gather_with(numbered, &source, &|bytes| inspector.look(bytes));
        drop(source);
        drop(bodies);
        let rendered = TYPESETTER.render(content, locale)?;
        let unsealed = stamp::prepare(rendered.pdf)?;
        let hash = *unsealed.hash();
        let leaf = self.store().commit_leaf(permit, EntryKind::Issued, owner, &stamp::leaf_content(&number, &hash))?;
        let document = IssuedDocument {
            number: number.clone(),
            issued: now,
            pages: rendered.pages as u64,
            bytes: unsealed.len() as u64,
            content: hash,
            position: leaf.index,
        };
        let bytes = stamp::fill(unsealed, &number, leaf.salt, leaf.proof)?;
        tables::put_issued(self.store(), permit.actor().account, document)?;
        Ok(IssuedPdf { bytes, number, pages: rendered.pages, undrawn: rendered.undrawn.len() })
    }

    /// What is known of a document by its number. No permit: a number is random, and this says nothing about whose it is.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn issued(&self, number: &DocumentNumber) -> Result<Option<IssuedDocument>, ArchiveError> {
        tables::issued(self.store(), number)
    }

    /// Verifies a file against this archive's own log of records.
    ///
    /// # Errors
    /// [`VerifyFault`]: what does not match.
    pub fn verify(&self, bytes: &[u8]) -> Result<Verified, VerifyFault> {
        let witnesses: Vec<_> = self.store().trust().witnesses().iter().map(|witness| witness.key.clone()).collect();
        let records = TrustPolicy::without_witnesses(&[self.store().verifier_key(Log::Records)]);
        verify::verify_by(bytes, &records.with_witnesses(&witnesses))
    }

    /// What was chosen, in all its versions; the Patient is among it, and so are the visits that head the rest. Keys of what names
    /// the rest and is not given itself come beside. Every body is in the access journal.
    fn chosen(
        &self,
        permit: &Permit,
        selection: &Selection,
    ) -> Result<(Vec<store::Version>, BTreeSet<ResourceKey>), IssueError> {
        let chosen = self.chosen_heads(permit, selection)?;
        if chosen.is_empty() {
            return Err(IssueError::Nothing);
        }
        // Who somebody is goes along with no part of their records, and is told as far as it takes to know whose they are.
        let is_part = *permit.share() != Share::Whole;
        let is_heading = |head: &Head, part| part == Part::Heading || (is_part && head.key.resource_type == "Patient");
        let headings = chosen.iter().filter(|(head, part)| is_heading(head, *part)).map(|(head, _)| head.key.clone());
        let headings = headings.collect();
        let keys: Vec<ResourceKey> = chosen.into_iter().map(|(head, _)| head.key).collect();
        Ok((self.store().histories(permit, &keys)?, headings))
    }

    /// The bodies as records, institution by institution, with their files and the names of what they refer to.
    fn source<'a>(
        &self,
        permit: &Permit,
        bodies: &'a [store::Version],
        headings: &BTreeSet<ResourceKey>,
    ) -> Result<Source<'a>, IssueError> {
        let mut per_institution: BTreeMap<&InstitutionCode, BTreeMap<&ResourceKey, Vec<Version<'a>>>> = BTreeMap::new();
        let mut ids: BTreeMap<&ResourceKey, &str> = BTreeMap::new();
        let mut unreadable: Vec<(&InstitutionCode, &ResourceKey)> = Vec::new();
        let mut wanted: Vec<(&store::Version, String)> = Vec::new();
        for body in bodies {
            ids.insert(&body.key, body.source_id.expose());
            let records = per_institution.entry(&body.institution).or_default();
            match parsed(body) {
                Some(value) => {
                    if !headings.contains(&body.key) {
                        wanted.extend(urls(&value).into_iter().map(|url| (body, url)));
                    }
                    let files = Vec::new();
                    let version = Version { number: body.version, value, position: body.leaf, files };
                    records.entry(&body.key).or_default().push(version);
                }
                None => unreadable.push((&body.institution, &body.key)),
            }
        }
        let all = per_institution.iter().flat_map(|(code, records)| {
            let versions =
                records.iter().flat_map(|(key, versions)| versions.iter().map(|version| (key.owner, version)));
            versions.map(|(owner, version)| (owner, *code, &version.value))
        });
        let mut names = self.context_names(permit, all)?;
        let mut files = self.files(permit, wanted)?;
        let mut institutions: Vec<SourceInstitution<'a>> = Vec::with_capacity(per_institution.len());
        for (code, records) in per_institution {
            let mut institution = self.described(code)?;
            institution.names = names.remove(code).unwrap_or_default();
            let id = |key: &ResourceKey| ids.get(key).copied().unwrap_or_default().to_owned();
            let here = unreadable.iter().filter(|(institution, _)| *institution == code);
            institution.unreadable = here.map(|(_, key)| (key.resource_type.clone(), id(key))).collect();
            for (key, mut versions) in records {
                for version in &mut versions {
                    version.files = files.remove(&(key, version.number)).unwrap_or_default();
                }
                if headings.contains(key) {
                    institution.headings.insert((key.resource_type.clone(), id(key)));
                }
                institution.records.push(Record { kind: key.resource_type.clone(), id: id(key), versions });
            }
            institutions.push(institution);
        }
        // The longest chart is likely the one looked for; among equals the order of codes stays.
        institutions.sort_by_key(|institution| std::cmp::Reverse(institution.records.len()));
        Ok(Source { institutions })
    }

    /// An institution without its records: who it is and what it deposited.
    fn described(&self, code: &InstitutionCode) -> Result<SourceInstitution<'static>, ArchiveError> {
        let known = self.institution(code)?;
        let deposits = self.deposits(code)?.into_iter().map(|deposit| SourceDeposit {
            receipt: deposit.id.to_string(),
            received: korean(deposit.received).date().to_string(),
            depositor: deposit.depositor,
        });
        let deposits = deposits.collect();
        let code = code.to_string();
        let Some(known) = known else {
            return Ok(SourceInstitution { name: code.clone(), code, deposits, ..SourceInstitution::default() });
        };
        Ok(SourceInstitution {
            code,
            name: known.name,
            romanised: known.romanised,
            kind: known.kind,
            address: known.address,
            closed: known.closed_on.map(|day| day.to_string()).unwrap_or_default(),
            deposits,
            ..SourceInstitution::default()
        })
    }

    /// The bytes of the files that versions point to. One that cannot be had is named with the reason; a refusal to read at all ends
    /// the issue. Each is read once, and all of them are one entry in a person's access log.
    fn files<'b>(&self, permit: &Permit, versions: Vec<(&'b store::Version, String)>) -> Result<Files<'b>, IssueError> {
        let mut files = Files::new();
        if *permit.share() != Share::Whole {
            for (version, url) in versions {
                let file = SourceFile { url, bytes: Err(FileFault::NotShared) };
                files.entry((&version.key, version.version)).or_default().push(file);
            }
            return Ok(files);
        }
        let mut wanted: Vec<(&store::Version, String, Option<Id16>)> = Vec::with_capacity(versions.len());
        for (version, url) in versions {
            let object = self.document_of(permit, version, &url)?;
            wanted.push((version, url, object));
        }
        let objects: BTreeSet<Id16> = wanted.iter().filter_map(|(.., object)| *object).collect();
        let read = self.read_files(permit, &objects.into_iter().collect::<Vec<_>>())?;
        for (version, url, object) in wanted {
            let bytes = object.and_then(|object| read.get(&object).cloned()).unwrap_or(Err(FileFault::NotDeposited));
            files.entry((&version.key, version.version)).or_default().push(SourceFile { url, bytes });
        }
        Ok(files)
    }

    fn read_files(&self, permit: &Permit, ids: &[Id16]) -> Result<BTreeMap<Id16, FileRead>, IssueError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let objects = self.store().objects(permit, ids)?;
        let (next, budget) = (AtomicUsize::new(0), AtomicU64::new(FILE_BYTES_MAX));
        let done: Mutex<Vec<Result<(Id16, FileRead), IssueError>>> = Mutex::new(Vec::with_capacity(ids.len()));
        let work = || {
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                let read = read_file(&objects, *id, &budget);
                if let Ok(Ok(bytes)) = &read {
                    // The answer is remembered; here several are asked for at once.
                    let _ = self.inner.inspector.look(bytes);
                }
                done.lock().expect("no holder of this lock can panic").push(read.map(|read| (*id, read)));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..FETCHERS.min(ids.len()) {
                scope.spawn(work);
            }
            work();
        });
        done.into_inner().expect("no holder of this lock can panic").into_iter().collect()
    }
}

/// The files of versions, by resource and number.
type Files<'b> = BTreeMap<(&'b ResourceKey, u32), Vec<SourceFile>>;
/// The bytes of a file, or why they are not here.
type FileRead = Result<Arc<[u8]>, FileFault>;

fn read_file(objects: &Objects<'_>, id: Id16, budget: &AtomicU64) -> Result<FileRead, IssueError> {
    let mut out = Capped { bytes: Vec::new(), budget, full: false };
    match objects.read_to(id, &mut out) {
        Ok(_) => Ok(Ok(out.bytes.into())),
        Err(StoreError::ObjectSource(_)) if out.full => Ok(Err(FileFault::TooLarge)),
        Err(StoreError::Missing { .. }) => Ok(Err(FileFault::NotDeposited)),
        Err(StoreError::Limit { .. }) => Ok(Err(FileFault::TooLarge)),
        Err(StoreError::Site(_) | StoreError::Damaged { .. }) => Ok(Err(FileFault::Unreachable)),
        Err(refused) => Err(refused.into()),
    }
}

/// Takes bytes while the budget of the whole document lasts.
struct Capped<'a> {
    bytes: Vec<u8>,
    budget: &'a AtomicU64,
    full: bool,
}

impl Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        let taken = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(length));
        if taken.is_err() {
            self.full = true;
            return Err(io::Error::other("the document has no room for this file"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the attachments of a resource point to.
fn urls(resource: &Value) -> Vec<String> {
    let attachments = attachments(resource).into_iter().filter(|attachment| attachment.get("data").is_none());
    attachments.filter_map(|attachment| attachment.str("url")).map(str::to_owned).collect()
}
