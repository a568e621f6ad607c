//! Keeps the bytes of what is held back: encrypted, as objects of the institution, so that nothing that came in is lost.

use super::bag::{Bag, PayloadFile};
use super::payload::open;
use super::{Deposit, DepositError};
use crate::Archive;
use crate::retention::Retention;
use base::{Id16, Timestamp};
use policy::{InstitutionCode, Owner};
use std::io::{self, Read, Seek, SeekFrom};
use store::{ObjectHead, ObjectWriter, PreparedObject};

/// Makes objects of what is held back in one deposit.
#[derive(Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) archive: &'a Archive,
    pub(super) bag: &'a Bag,
    pub(super) institution: &'a InstitutionCode,
    pub(super) deposit: Id16,
    pub(super) fallback: Timestamp,
    pub(super) retention: &'static Retention,
    /// Whether a file that nothing points to is kept: not where it may be of somebody who was erased.
    pub(super) keeps_loose: bool,
}

/// The object of something kept, and what is durable by now.
pub(super) type Kept = (Id16, Vec<PreparedObject>);

impl<'a> Deposit<'a> {
    pub(super) fn keeper(&self) -> Keeper<'a> {
        let Deposit { archive, bag, institution, id, fallback, retention, .. } = *self;
        let keeps_loose = !self.patients.has_erased();
        Keeper { archive, bag, institution, deposit: id, fallback, retention, keeps_loose }
    }
}

impl Keeper<'_> {
    /// Keeps bytes under a name that is unique in the bag.
    pub(super) fn bytes(
        &self,
        writer: &mut ObjectWriter<'_>,
        name: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<Kept, DepositError> {
        let head = self.head(name, base::sha256(bytes), bytes.len() as u64, media_type);
        let durable = writer.put(&head, &mut &*bytes)?;
        Ok((head.id, durable))
    }

    /// Keeps a part of a file without holding it in memory: it is read twice. `None` where it is larger than an object may be.
    pub(super) fn part(
        &self,
        writer: &mut ObjectWriter<'_>,
        name: &str,
        file: &PayloadFile,
        offset: u64,
        length: u64,
    ) -> Result<Option<Kept>, DepositError> {
        if length > self.archive.limits().document_bytes {
            return Ok(None);
        }
        let failed = |source| DepositError::Payload { path: file.path.clone(), source };
        let part = || -> io::Result<io::Take<std::fs::File>> {
            let mut opened = open(self.bag, file)?;
            opened.seek(SeekFrom::Start(offset))?;
            Ok(opened.take(length))
        };
        let sha256 = digest(&mut part().map_err(failed)?).map_err(failed)?;
        let head = self.head(name, sha256, length, "application/octet-stream");
        let mut source = part().map_err(failed)?;
        let durable = writer.put(&head, &mut source)?;
        Ok(Some((head.id, durable)))
    }

    /// It belongs to the institution, and is kept as long as a chart.
    fn head(&self, name: &str, sha256: [u8; 32], size: u64, media_type: &str) -> ObjectHead {
        let class = self.retention.class("", None);
        let (code, deposit) = (self.institution.as_str(), self.deposit.to_string());
        ObjectHead {
            id: Id16::derived(&["held-back", code, &deposit, name, &base::hex(&sha256)]),
            owner: Owner::institution(self.institution),
            institution: self.institution.clone(),
            class: class.name.clone(),
            expiry_year: class.expiry_year(self.fallback),
            content_type: media_type.to_owned(),
            sha256,
            size,
        }
    }
}

/// SHA-256 of everything that a reader gives.
fn digest(source: &mut dyn Read) -> io::Result<[u8; 32]> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(context.finish().as_ref());
            return Ok(sha256);
        }
        context.update(&buffer[..read]);
    }
}
