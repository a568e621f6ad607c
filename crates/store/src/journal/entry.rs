//! What one access entry says, and its bytes. Not how it is kept: that is the journal's and the table's business.

use base::wire::{Malformed, Reader, Writer};
use base::{Id16, Redacted, Timestamp};
use policy::{Actor, InstitutionCode};

/// Longest text of an entry in bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 2_048;
/// Most kinds of things that one entry counts; further ones are summed up under `…`.
const KINDS_MAX: usize = 200;

/// One attempt to read, granted or denied: who, when, whose data, what, why, and the explanation of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEntry {
    /// The entry's own id.
    pub id: Id16,
    /// The permit or denial that it was done under.
    pub decision: Id16,
    /// When.
    pub time: Timestamp,
    /// Whose data: a patient, a person, an institution; or the account itself where no data were found.
    pub subject: Id16,
    /// Who.
    pub actor: AccessActor,
    /// Name of the action ([`policy::Action::name`]).
    pub action: String,
    /// Name of the purpose ([`policy::Purpose::name`]).
    pub purpose: String,
    /// The ground that it points to: a request, a visit, a consent, an order, a job, an appointment or broken glass. Where it was
    /// denied, the one that was claimed.
    pub ground: Option<Id16>,
    /// Which rules said so.
    pub explanation: String,
    /// Granted or denied.
    pub result: AccessResult,
    /// The institution whose records they were, where there is one.
    pub institution: Option<InstitutionCode>,
    /// What was seen: kinds (FHIR types, `document`) and how many of each.
    pub what: Vec<(String, u32)>,
}

/// Who looked, as kept for ten years: names of roles may go out of use meanwhile, so they are texts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessActor {
    /// The account, or the id of a job.
    pub account: Id16,
    /// Name of the role ([`policy::Role::name`]).
    pub role: String,
    /// How sure we were: 0, 1 or 2 factors.
    pub assurance: u8,
    /// The name shown to data subjects.
    pub name: Redacted<String>,
    /// Where the request came from.
    pub source: Redacted<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessResult {
    /// Data went out.
    Granted,
    /// Nothing went out.
    Denied {
        /// Name of the reason ([`policy::DenialReason::name`]).
        reason: String,
    },
}

impl From<&Actor> for AccessActor {
    fn from(actor: &Actor) -> Self {
        Self {
            account: actor.account,
            role: actor.role.name().to_owned(),
            assurance: actor.assurance.level().try_into().unwrap_or(0),
            name: actor.name.clone(),
            source: actor.source.clone(),
        }
    }
}

impl AccessEntry {
    /// The entry as bytes: what its leaf commits to. Format 2 has a ground, format 1 none.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(if self.ground.is_some() { 2 } else { 1 })
            .raw(&self.id.0)
            .raw(&self.decision.0)
            .i64(self.time.as_microsecond())
            .raw(&self.subject.0);
        out.raw(&self.actor.account.0).text(cut(&self.actor.role)).u8(self.actor.assurance);
        out.text(cut(self.actor.name.expose())).text(cut(self.actor.source.expose()));
        out.text(cut(&self.action)).text(cut(&self.purpose)).text(cut(&self.explanation));
        if let Some(ground) = self.ground {
            out.raw(&ground.0);
        }
        match &self.result {
            AccessResult::Granted => out.u8(0),
            AccessResult::Denied { reason } => out.u8(1).text(cut(reason)),
        };
        out.text(self.institution.as_ref().map_or("", InstitutionCode::as_str));
        let (named, rest) = self.what.split_at(self.what.len().min(KINDS_MAX));
        let others = rest.iter().fold(0u32, |sum, (_, count)| sum.saturating_add(*count));
        out.u16((named.len() + usize::from(others > 0)) as u16);
        for (kind, count) in named {
            out.text(cut(kind)).u32(*count);
        }
        if others > 0 {
            out.text("…").u32(others);
        }
        out.finish()
    }

    /// Reads what [`AccessEntry::to_bytes`] wrote. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// Where the bytes are of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let format = reader.u8()?;
        if !(1..=2).contains(&format) {
            return Err(Malformed { offset: 0, expected: "format 1 or 2 of an access entry" });
        }
        let (id, decision) = (Id16(reader.array()?), Id16(reader.array()?));
        let time = Timestamp::from_microsecond(reader.i64()?)
            .map_err(|_| Malformed { offset: 33, expected: "a time within the years -9999 to 9999" })?;
        let subject = Id16(reader.array()?);
        let actor = AccessActor {
            account: Id16(reader.array()?),
            role: reader.text()?.to_owned(),
            assurance: reader.u8()?,
            name: reader.text()?.to_owned().into(),
            source: reader.text()?.to_owned().into(),
        };
        let (action, purpose) = (reader.text()?.to_owned(), reader.text()?.to_owned());
        let explanation = reader.text()?.to_owned();
        let ground = if format == 2 { Some(Id16(reader.array()?)) } else { None };
        let result = match reader.u8()? {
            0 => AccessResult::Granted,
            1 => AccessResult::Denied { reason: reader.text()?.to_owned() },
            _ => return Err(Malformed { offset: reader.offset(), expected: "a result" }),
        };
        let offset = reader.offset();
        let institution = match reader.text()? {
            "" => None,
            code => Some(InstitutionCode::new(code).ok_or(Malformed { offset, expected: "an institution code" })?),
        };
        let count = reader.u16()?;
        let mut what = Vec::new();
        for _ in 0..count {
            what.push((reader.text()?.to_owned(), reader.u32()?));
        }
        reader.end()?;
        Ok(Self { id, decision, time, subject, actor, action, purpose, ground, explanation, result, institution, what })
    }
}

fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(TEXT_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.expect("0 is a boundary of every text")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(what: Vec<(String, u32)>, denied: Option<String>, institution: Option<&str>) -> AccessEntry {
        let result = denied.map_or(AccessResult::Granted, |reason| AccessResult::Denied { reason });
        let institution = institution.and_then(InstitutionCode::new);
        AccessEntry { result, institution, what, ..crate::outside::access_entry() }
    }

    #[test]
    fn what_is_no_institution_is_not_left_out() {
        let mut bytes = entry(Vec::new(), None, Some("31100001")).to_bytes();
        let at = bytes.windows(8).position(|window| window == b"31100001").expect("the code");
        bytes[at] = b'/';
        assert_eq!(AccessEntry::from_bytes(&bytes).expect_err("no code").expected, "an institution code");
    }

    proptest! {
        #[test]
        fn entries_go_both_ways(
            what in proptest::collection::vec(("[A-Za-z]{0,20}", any::<u32>()), 0..20),
            denied in proptest::option::of("[a-z-]{0,20}"),
            code in proptest::option::of("[0-9]{8}"),
            ground in proptest::option::of(any::<[u8; 16]>()),
        ) {
            let entry = AccessEntry { ground: ground.map(Id16), ..entry(what, denied, code.as_deref()) };
            prop_assert_eq!(AccessEntry::from_bytes(&entry.to_bytes()), Ok(entry));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = AccessEntry::from_bytes(&bytes);
            let _ = AccessEntry::from_bytes(&[&[1], bytes.as_slice()].concat());
            let _ = AccessEntry::from_bytes(&[&[2], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn long_entries_are_cut_and_still_counted() {
        let mut long = entry((0..KINDS_MAX + 50).map(|n| (format!("Kind{n}"), 2)).collect(), None, None);
        long.explanation = "가".repeat(TEXT_BYTES_MAX);
        let read = AccessEntry::from_bytes(&long.to_bytes()).expect("own bytes");
        assert_eq!(read.what.last(), Some(&("…".to_owned(), 100)));
        assert_eq!(read.explanation.len(), TEXT_BYTES_MAX / 3 * 3);
        assert!(long.to_bytes().len() < super::super::file::RECORD_BYTES_MAX / 2);
    }
}
