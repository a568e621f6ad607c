//! What a document is made from: the records as they lie in the store, with what is known about where they came from.
//! No decision is made here: whoever fills this in has a permit and has journalled the reading.

use crate::issue::names::Names;
use fhir::json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything chosen, institution by institution in the order wanted on paper.
#[derive(Debug, Default)]
pub struct Source<'a> {
    /// The institutions.
    pub institutions: Vec<SourceInstitution<'a>>,
}

/// One institution and what is issued of its records.
#[derive(Debug, Default)]
pub struct SourceInstitution<'a> {
    /// Institution code.
    pub code: String,
    /// Name as deposited.
    pub name: String,
    /// Romanised name, empty where unknown.
    pub romanised: String,
    /// Kind as a HIRA code (`31` for a clinic), empty where unknown.
    pub kind: String,
    /// Address, empty where unknown.
    pub address: String,
    /// Day of closure (`YYYY-MM-DD`), empty where it is not closed.
    pub closed: String,
    /// The deposits that the records came in with.
    pub deposits: Vec<SourceDeposit>,
    /// The records.
    pub records: Vec<Record<'a>>,
    /// Names of what the records refer to and what belongs to no patient: doctors, departments, drugs.
    pub names: Names,
    /// Type and id of records that name the others and are not given themselves: an Encounter that was not chosen says no more
    /// than when and where it was, and a Patient of whom a part is shared no more than who it is.
    pub headings: BTreeSet<(String, String)>,
    /// Type and id of records of which an edition is no FHIR JSON any more: they are listed, and not drawn.
    pub unreadable: Vec<(String, String)>,
}

impl SourceInstitution<'_> {
    /// Whether a record names others and is not given itself.
    #[must_use]
    pub fn is_heading(&self, record: &Record<'_>) -> bool {
        self.headings.iter().any(|(kind, id)| *kind == record.kind && *id == record.id)
    }
}

/// A deposit, for the line of provenance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceDeposit {
    /// Number of its receipt.
    pub receipt: String,
    /// Day it was received (`YYYY-MM-DD`).
    pub received: String,
    /// Who handed it over.
    pub depositor: String,
}

/// One resource with all its versions.
#[derive(Debug)]
pub struct Record<'a> {
    /// FHIR resource type.
    pub kind: String,
    /// Id at the institution.
    pub id: String,
    /// All versions, oldest first; the last one is current. Never empty.
    pub versions: Vec<Version<'a>>,
}

/// One version of a resource.
#[derive(Debug)]
pub struct Version<'a> {
    /// 1 for the first.
    pub number: u32,
    /// Its content.
    pub value: Value<'a>,
    /// Its place in the log of records.
    pub position: Option<u64>,
    /// Files that it points to. Another version, or another record, may mean other bytes by the same name.
    pub files: Vec<SourceFile>,
}

/// A file of a document, or why it is not there.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// What attachments call it (`Attachment.url`).
    pub url: String,
    /// Its bytes, or why they are not here.
    pub bytes: Result<Arc<[u8]>, FileFault>,
}

/// Why the bytes of a file are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// Nothing was deposited under this name, or it was held back.
    NotDeposited,
    /// No site gives it whole at present.
    Unreachable,
    /// It is larger than what one document may hold.
    TooLarge,
    /// Only a part of the records is shared, and what is in a file is not known here.
    NotShared,
}
