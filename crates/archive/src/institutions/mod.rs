//! Institutions that people look for: closed or suspended, deposited or not, each with where its records are. Their records
//! are not here.

mod directory;
mod index;
mod regions;

use crate::error::ArchiveError;
use crate::{Archive, tables};
use jiff::civil::Date;
use policy::InstitutionCode;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read};
use std::sync::OnceLock;

pub(crate) use directory::Directory;
pub use regions::{Province, province_called, provinces, region_in_english};

const KINDS: &str = include_str!("../../../../policies/institution-kinds.toml");
/// Longest line of a directory that is imported, in bytes.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Most characters of a query that are looked at.
const QUERY_CHARS_MAX: usize = 100;
/// Most institutions in one answer.
pub const FOUND_MAX: usize = 500;
/// Institutions written in one transaction.
const BATCH: usize = 2_000;
/// Most faults of a directory that are listed; the rest is counted.
const FAULTS_LISTED: usize = 1_000;

/// Where the records of an institution are. A person who finds no records must learn which of these is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Here, and to be had at once.
    Deposited,
    /// Being taken in.
    Migrating,
    /// With the former owner, under an approved plan.
    KeptByOwner,
    /// On paper at a public health centre (보건소).
    PaperAtHealthCentre,
    /// Nobody has handed them over.
    NotDeposited,
    /// Their retention has ended.
    Expired,
    /// With the institution, which is suspended and may open again.
    Suspended,
}

impl Holding {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Deposited,
        Self::Migrating,
        Self::KeptByOwner,
        Self::PaperAtHealthCentre,
        Self::NotDeposited,
        Self::Expired,
        Self::Suspended,
    ];

    /// Its name in tables, queries and Fluent keys: `kept-by-owner`.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Deposited => "deposited",
            Self::Migrating => "migrating",
            Self::KeptByOwner => "kept-by-owner",
            Self::PaperAtHealthCentre => "paper-at-health-centre",
            Self::NotDeposited => "not-deposited",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
        }
    }

    /// The one of a slug.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|holding| holding.slug() == slug)
    }
}

/// One institution. As JSON it is a line of a directory ([`Archive::import_institutions`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// Its code (요양기관기호).
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its name in Latin letters, empty where nobody gave one.
    #[serde(default)]
    pub romanised: String,
    /// Its kind, a HIRA code; see [`kinds`].
    pub kind: String,
    /// Province and district (시도 시군구), empty where unknown.
    #[serde(default)]
    pub region: String,
    /// Its address, empty where unknown.
    #[serde(default)]
    pub address: String,
    /// The day it closed.
    #[serde(default)]
    pub closed_on: Option<Date>,
    /// The first day of a suspension.
    #[serde(default)]
    pub suspended_from: Option<Date>,
    /// The last day of a suspension, where known.
    #[serde(default)]
    pub suspended_to: Option<Date>,
    /// Where its records are.
    #[serde(default = "not_deposited")]
    pub holding: Holding,
    /// Whether it is made up.
    #[serde(default)]
    pub synthetic: bool,
}

const fn not_deposited() -> Holding {
    Holding::NotDeposited
}

/// What is looked for. Everything given must hold; an empty query lists institutions by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstitutionQuery {
    /// Name, initial consonants, a mixture of both, or a romanised name; words may also name the region.
    pub text: String,
    /// The region or its beginning, in either language: `강원특별자치도`, `강원도 원주시`, `Wonju-si, Gangwon State`.
    pub region: Option<String>,
    /// The kind, a HIRA code.
    pub kind: Option<String>,
    /// Where the records are.
    pub holding: Option<Holding>,
    /// Closed, or suspended, on this day or later.
    pub closed_from: Option<Date>,
    /// Closed, or suspended, on this day or earlier.
    pub closed_to: Option<Date>,
}

/// A kind of institution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Kind {
    /// HIRA code of two digits.
    pub code: String,
    /// Its Korean name.
    pub korean: String,
    /// Its English name.
    pub english: String,
    /// Whether article 3 of the Medical Service Act names it.
    pub act: bool,
}

/// Every kind of institution, by code.
#[must_use]
pub fn kinds() -> &'static [Kind] {
    #[derive(Deserialize)]
    struct Table {
        kind: Vec<Kind>,
    }
    static ALL: OnceLock<Vec<Kind>> = OnceLock::new();
    ALL.get_or_init(|| {
        toml::from_str::<Table>(KINDS).expect("the table is part of the program, and a test reads it").kind
    })
}

/// What became of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Institutions taken.
    pub taken: u64,
    /// Lines refused.
    pub refused: u64,
    /// Line, from 1, and why; at most 1,000.
    pub faults: Vec<(u64, String)>,
}

impl Archive {
    /// Finds institutions: exact names first, then beginnings, then the rest; among equals the shorter name first. At most
    /// `limit`, and never more than [`FOUND_MAX`].
    ///
    /// What up to 256 institutions have become since the directory was last read whole, the next search knows. A larger change
    /// is read beside searches, which see the directory as it was until then: about a second for 100,000 institutions.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn search(&self, query: &InstitutionQuery, limit: usize) -> Result<Vec<Institution>, ArchiveError> {
        let view = self.directory()?;
        let text: String = query.text.chars().take(QUERY_CHARS_MAX).collect();
        let codes = view.find(&text, query, limit.min(FOUND_MAX));
        tables::institutions(self.store(), &codes)
    }

    /// The institution with this code.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn institution(&self, code: &InstitutionCode) -> Result<Option<Institution>, ArchiveError> {
        Ok(tables::institutions(self.store(), &[code.as_str()])?.pop())
    }

    /// The provinces (시도) in which there are institutions, sorted, by their Korean names: for a list to choose from.
    ///
    /// # Errors
    /// [`ArchiveError::Store`], [`ArchiveError::Damaged`].
    pub fn regions(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(self.directory()?.provinces())
    }

    /// Takes in a directory of institutions, one JSON object a line ([`Institution`]). What an institution with records here
    /// is said to hold is not changed by it. Lines with faults are left out and reported.
    ///
    /// # Errors
    /// [`ArchiveError::Read`], [`ArchiveError::Store`].
    pub fn import_institutions(&self, lines: &mut dyn BufRead) -> Result<ImportReport, ArchiveError> {
        let mut report = ImportReport::default();
        let mut batch = Vec::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = (&mut *lines).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
            let read = read.map_err(|source| ArchiveError::Read { what: "the directory of institutions", source })?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match institution_of(&line) {
                Ok(institution) => batch.push(institution),
                Err(reason) => {
                    report.refused += 1;
                    if report.faults.len() < FAULTS_LISTED {
                        report.faults.push((number, reason));
                    }
                    if line.len() > LINE_BYTES_MAX {
                        skip_line(lines)?;
                    }
                }
            }
            if batch.len() == BATCH {
                report.taken += self.put_directory(std::mem::take(&mut batch))?;
            }
        }
        report.taken += self.put_directory(batch)?;
        Ok(report)
    }

    fn put_directory(&self, batch: Vec<Institution>) -> Result<u64, ArchiveError> {
        let count = batch.len() as u64;
        tables::put_institutions(self.store(), batch, self.clock().now())?;
        Ok(count)
    }
}

fn institution_of(line: &[u8]) -> Result<Institution, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    let mut institution: Institution =
        serde_json::from_slice(line).map_err(|error| format!("not an institution: {error}"))?;
    InstitutionCode::new(&institution.code).ok_or("code must be 1 to 64 letters, digits, dots or hyphens")?;
    institution.name = composed(&institution.name);
    institution.region = composed(&institution.region);
    if institution.name.trim().is_empty() {
        return Err("name is empty".to_owned());
    }
    if !kinds().iter().any(|kind| kind.code == institution.kind) {
        return Err("kind is not a HIRA code of two digits".to_owned());
    }
    if matches!(institution.holding, Holding::Deposited | Holding::Migrating) {
        return Err("deposited and migrating come from deposits, not from a directory".to_owned());
    }
    Ok(institution)
}

fn skip_line(lines: &mut dyn BufRead) -> Result<(), ArchiveError> {
    loop {
        let buffer = lines.fill_buf();
        let buffer = buffer.map_err(|source| ArchiveError::Read { what: "the directory of institutions", source })?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// The text in composed form, in which Korean is written on most systems.
pub(crate) fn composed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_names() {
        assert_eq!(kinds().len(), 19);
        assert!(kinds().iter().all(|kind| kind.code.len() == 2 && !kind.korean.is_empty() && !kind.english.is_empty()));
        assert!(kinds().iter().any(|kind| kind.code == "93" && kind.korean == "한의원" && kind.act));
    }

    #[test]
    fn slugs_go_both_ways() {
        assert!(Holding::ALL.iter().all(|holding| Holding::from_slug(holding.slug()) == Some(*holding)));
        let json = serde_json::to_string(&Holding::PaperAtHealthCentre).expect("a slug");
        assert_eq!(json, "\"paper-at-health-centre\"");
    }

    #[test]
    fn lines_of_a_directory_are_checked() {
        let good =
            r#"{"code":"31100001","name":"가온의원","kind":"31","holding":"kept-by-owner","closed_on":"2020-01-31"}"#;
        let institution = institution_of(good.as_bytes()).expect("whole");
        assert_eq!((institution.holding, institution.synthetic), (Holding::KeptByOwner, false));
        for (from, to) in [
            ("\"31\"", "\"99\""),
            ("31100001", "한"),
            ("가온의원", " "),
            ("kept-by-owner", "deposited"),
            ("code", "kode"),
        ] {
            assert!(institution_of(good.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
