//! What the cover says besides the contents: whose records these are, who had them issued and on what, what was asked for, and
//! what of it nobody but the subject was shown.

use crate::issue::content::{Applicant, Fact, Masthead, Subject, Text};
use crate::issue::service::Issuer;
use crate::issue::source::Source;
use crate::issue::values::first_name;
use crate::{Archive, ArchiveError, Selection};
use base::{Id16, Timestamp};
use jiff::{SignedDuration, Zoned};
use policy::{Permit, Purpose, Share};

/// Digits of a ground's number, as pages tell it.
const GROUND_DIGITS: usize = 8;

/// A ground as the cover tells of it.
struct Ground {
    /// A case or a purpose: a key of the word tables.
    why: Text,
    /// Whether it reaches the records of one institution alone.
    one_institution: bool,
}

impl Archive {
    /// The cover of what a permit issues, without its number.
    pub(super) fn masthead(
        &self,
        permit: &Permit,
        selection: &Selection,
        source: &Source<'_>,
        issuer: &Issuer,
        today: &Zoned,
    ) -> Result<Masthead, ArchiveError> {
        let ground = match permit.purpose().ground() {
            Some(id) => Some((id, self.ground(permit, id)?)),
            None => None,
        };
        let subject = subject(permit, source, ground.is_some());
        let one_institution = ground.as_ref().is_some_and(|(_, ground)| ground.one_institution);
        Ok(Masthead {
            issuer: issuer.name.clone(),
            issued: today.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            subject,
            selection: words_of(selection, ground.is_some()),
            part: part(permit.share(), one_institution),
            applicant: ground.map(|(id, ground)| applicant(permit, id, ground.why)),
            ..Masthead::default()
        })
    }

    /// What is known of the ground that a permit points to.
    fn ground(&self, permit: &Permit, id: Id16) -> Result<Ground, ArchiveError> {
        let (account, purpose) = (permit.actor().account, permit.purpose());
        let by_purpose = Text::coded("purpose", purpose.name());
        if matches!(purpose, Purpose::Representation { .. }) {
            let found = self.store().representation(account, id)?;
            return Ok(Ground {
                one_institution: found.as_ref().is_some_and(|one| one.institution.is_some()),
                why: found.map_or(by_purpose, |one| Text::coded("case", &one.proof_case)),
            });
        }
        let found = self.store().own_ground(account, id)?;
        Ok(Ground { one_institution: found.is_some_and(|one| one.institution.is_some()), why: by_purpose })
    }
}

/// Whose records these are. A person is called as the agency calls them, and others' records by what stands in them.
fn subject(permit: &Permit, source: &Source<'_>, is_anothers: bool) -> Subject {
    let patients = source.institutions.iter().flat_map(|institution| &institution.records);
    let current = patients.filter(|record| record.kind == "Patient").filter_map(|record| record.versions.last());
    let born = current.clone().find_map(|version| version.value.str("birthDate"));
    let name = match is_anothers {
        true => current.map(|version| first_name(&version.value)).find(|name| !name.is_empty()).unwrap_or_default(),
        false => permit.actor().name.expose().clone(),
    };
    Subject { name, birth_date: born.unwrap_or_default().to_owned() }
}

/// Who had it issued.
fn applicant(permit: &Permit, ground: Id16, why: Text) -> Applicant {
    let role = Text::coded("applicant", permit.actor().role.name());
    let name = permit.actor().name.expose().clone();
    let number = ground.to_string()[..GROUND_DIGITS].to_owned();
    Applicant {
        who: Text::Join { join: vec![role, name.into()] },
        ground: Text::Join { join: vec![why, "·".into(), Text::word("cover.ground-number"), number.into()] },
    }
}

/// What is left out of what the subject has.
fn part(share: &Share, one_institution: bool) -> Vec<Fact> {
    let mut part = Vec::new();
    if one_institution {
        part.push(Fact { label: "cover.from", value: Text::word("part.one-institution") });
    }
    if let Share::Part { kinds, sensitive } = share {
        let none = || Text::word("part.none");
        let names = |names: Vec<&str>| listed(names.into_iter().map(|name| Text::coded("share", name)).collect());
        part.push(Fact { label: "part.kinds", value: names(kinds.iter().map(|kind| kind.name()).collect()) });
        let value =
            if sensitive.is_empty() { none() } else { names(sensitive.iter().map(|kind| kind.name()).collect()) };
        part.push(Fact { label: "part.sensitive", value });
        part.push(Fact { label: "part.files", value: none() });
    }
    part
}

/// Several with commas between.
fn listed(texts: Vec<Text>) -> Text {
    let mut join = Vec::with_capacity(texts.len() * 2);
    for text in texts {
        if !join.is_empty() {
            join.push(",".into());
        }
        join.push(text);
    }
    Text::Join { join }
}

fn words_of(selection: &Selection, is_anothers: bool) -> Text {
    match selection {
        Selection::Whole if is_anothers => Text::word("selection.shown"),
        Selection::Whole => Text::word("selection.whole"),
        Selection::Period { from, before } => {
            let last = before.checked_sub(SignedDuration::from_secs(1)).unwrap_or(*before);
            format!("{} – {}", korean(*from).date(), korean(last).date()).into()
        }
        Selection::Records(_) => Text::word("selection.records"),
    }
}

/// A moment in Korean time.
pub(super) fn korean(moment: Timestamp) -> Zoned {
    moment.to_zoned(base::KOREA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::words::known;
    use policy::{DataKind, ProofRules, Role, Sensitive};

    #[test]
    fn every_case_purpose_role_and_kind_that_a_cover_names_has_a_word() {
        let cases = ProofRules::editions().all().flat_map(|edition| edition.cases());
        let cases = cases.map(|case| format!("case.{}", case.slug));
        let kinds = DataKind::ALL.iter().map(|kind| kind.name()).chain(Sensitive::ALL.iter().map(|kind| kind.name()));
        let fixed = ["purpose.representation", "purpose.application"].map(str::to_owned);
        let roles = [Role::Representative, Role::Support].map(|role| format!("applicant.{}", role.name()));
        for key in cases.chain(kinds.map(|kind| format!("share.{kind}"))).chain(fixed).chain(roles) {
            assert!(known(&key), "{key} has no word");
        }
    }

    #[test]
    fn what_is_left_out_is_said_where_something_is() {
        assert_eq!(part(&Share::Whole, false), []);
        assert_eq!(part(&Share::Whole, true).len(), 1);
        let share = Share::Part { kinds: [DataKind::Visits, DataKind::Tests].into(), sensitive: [].into() };
        let facts = part(&share, false);
        let labels: Vec<&str> = facts.iter().map(|fact| fact.label).collect();
        assert_eq!(labels, ["part.kinds", "part.sensitive", "part.files"]);
        let kinds = Text::Join { join: vec![Text::word("share.visits"), ",".into(), Text::word("share.tests")] };
        assert_eq!((&facts[0].value, &facts[1].value), (&kinds, &Text::word("part.none")));
    }
}
