//! Who may act for oneself, and for whom one may act. Proofs of others than the person's own word are recorded by support staff.

use crate::error::{PageError, page};
use crate::fields::{Fields, Fresh, PersonForm};
use crate::frame::{Fault, Faults, Frame};
use crate::pages::records::own;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use crate::words::day_of_form;
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};
use policy::{Action, DataKind, ProofRules, Share};
use std::collections::BTreeSet;
use store::{NewRepresentative, Representative, StoreError};

/// The case of a person's own word, and its proof, in `policies/representatives.toml`.
const OWN_WORD: (&str, &str) = ("appointed", "own-word");

#[derive(Template)]
#[template(path = "representatives.html")]
pub(crate) struct RepresentativesPage {
    frame: Frame,
    csrf: String,
    faults: Faults,
    done: Option<String>,
    /// The code that others name this person by.
    code: String,
    mine: Vec<Told>,
    others: Vec<Told>,
}

/// An appointment in words.
struct Told {
    id: String,
    title: String,
    until: String,
    share: String,
    state: String,
    is_open: bool,
}

impl RepresentativesPage {
    fn new(frame: Frame, csrf: String, own: Id16, lists: &[Vec<Representative>; 2], now: Timestamp) -> Self {
        let t = frame.t;
        let [mine, others] = lists;
        let told = |list: &[Representative], is_mine: bool| -> Vec<Told> {
            list.iter().map(|one| Told::new(t, one, is_mine, now)).collect()
        };
        let (mine, others) = (told(mine, true), told(others, false));
        Self { frame, csrf, faults: Faults::default(), done: None, code: spaced(own), mine, others }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "representatives-title", "representatives", "/representatives", true);
        let now = Timestamp::from_second(1_795_330_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(1_799_330_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let one = |name: &str, ended: Option<Timestamp>| Representative {
            id: Id16::derived(&["sample", name]),
            person: Id16::derived(&["sample person"]),
            agent: Id16::derived(&[name]),
            proof_case: OWN_WORD.0.to_owned(),
            institution: None,
            share: if ended.is_some() { without_sensitive() } else { Share::Whole },
            recorded_by: Id16::derived(&["sample person"]),
            from: now,
            until: later,
            ended,
        };
        let lists = [vec![one("a", None), one("b", Some(now))], vec![one("c", None)]];
        Self::new(frame, "sample-token".to_owned(), Id16::derived(&["sample person"]), &lists, now)
    }

    pub fn sample_faulty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "representatives-title", "representatives", "/representatives", true);
        let faults = Faults::one("code", frame.t.t("representatives-code-fault"));
        let lists = [Vec::new(), Vec::new()];
        let empty =
            Self::new(frame.faulty(), "sample-token".to_owned(), Id16::default(), &lists, Timestamp::UNIX_EPOCH);
        Self { faults, ..empty }
    }
}

impl Told {
    fn new(t: &Texts, one: &Representative, is_mine: bool, now: Timestamp) -> Self {
        let state = match one.ended {
            Some(_) => "representatives-ended",
            None if one.until <= now => "representatives-over",
            None => "representatives-open",
        };
        let share = if one.share == Share::Whole { "representatives-whole" } else { "representatives-part" };
        let other = if is_mine { one.agent } else { one.person };
        Self {
            id: one.id.to_string(),
            title: t.t1("representatives-code-of", "code", spaced(other)),
            until: t.t1("representatives-until-day", "date", t.moment(one.until)),
            share: t.t(share),
            state: t.t(state),
            is_open: one.ended.is_none() && one.until > now,
        }
    }
}

/// The id of an account in groups of four, as people read it out.
fn spaced(id: Id16) -> String {
    let text = id.to_string();
    let groups = text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(" ")
}

fn without_sensitive() -> Share {
    Share::Part { kinds: DataKind::ALL.into(), sensitive: BTreeSet::new() }
}

/// What a form says, or what is to be mended in it.
fn read(
    t: &Texts,
    fields: &Fields,
    (person, birth_date): (Id16, Option<Redacted<Date>>),
    now: Timestamp,
) -> Result<NewRepresentative, Faults> {
    let mut faults = Faults::default();
    let mut fault = |field: &'static str, key: &str| faults.0.push(Fault { field, text: t.t(key) });
    let code: String = fields.text("code").split_whitespace().collect();
    let agent: Option<Id16> = code.parse().ok().filter(|agent| *agent != person);
    if agent.is_none() {
        fault("code", "representatives-code-fault");
    }
    let until = day_of_form(fields.text("until")).ok().flatten().and_then(|day| day.tomorrow().ok());
    let until = until.and_then(|day| day.to_zoned(TimeZone::fixed(offset(9))).ok()).map(|zoned| zoned.timestamp());
    let longest = now.as_second() + ProofRules::standard().days_max() * 86_400;
    let until = until.filter(|until| *until > now && until.as_second() <= longest);
    if until.is_none() {
        fault("until", "representatives-until-fault");
    }
    let (Some(agent), Some(until)) = (agent, until) else { return Err(faults) };
    Ok(NewRepresentative {
        person,
        agent,
        proof_case: OWN_WORD.0.to_owned(),
        birth_date,
        seen: [OWN_WORD.1.to_owned()].into(),
        institution: None,
        share: if fields.text("share") == "whole" { Share::Whole } else { without_sensitive() },
        until,
    })
}

async fn shown(person: &Person, faults: Faults, done: Option<&str>) -> Result<Response, PageError> {
    let (actor, id) = (person.actor(), person.session.person);
    let reading = person.visitor.portal.blocking(move |portal| {
        let store = portal.archive().store();
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        let lists = [store.representatives(&permit, id)?, store.represented_by(id)?];
        Ok((lists, portal.archive().clock().now()))
    });
    let (lists, now) = reading.await?;
    let mut frame = person.visitor.frame("representatives-title", "representatives");
    let t = frame.t;
    let is_faulty = !faults.is_empty();
    if is_faulty {
        frame = frame.faulty();
    }
    let shown = RepresentativesPage::new(frame, person.csrf(), id, &lists, now);
    let mut response = page(&RepresentativesPage { faults, done: done.map(|key| t.t(key)), ..shown })?;
    if is_faulty {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /representatives`
pub(crate) async fn show(person: Person) -> Result<Response, PageError> {
    shown(&person, Faults::default(), None).await
}

/// `POST /representatives/appoint`
pub(crate) async fn appoint(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let (actor, id, t) = (person.actor(), person.session.person, person.visitor.t());
    let birth_date = person.session.birth_date.clone();
    let appointing = person.visitor.portal.blocking(move |portal| {
        let new = match read(t, &fields, (id, birth_date), portal.archive().clock().now()) {
            Ok(new) => new,
            Err(faults) => return Ok(Err(faults)),
        };
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        match portal.archive().store().appoint(&permit, new) {
            Ok(_) => Ok(Ok(())),
            // The person's own word is no proof before they are of age for it.
            Err(StoreError::Missing { what }) if what.starts_with("proof") => {
                Ok(Err(Faults::one("code", t.t("representatives-age-fault"))))
            }
            Err(StoreError::Missing { .. }) => Ok(Err(Faults::one("code", t.t("representatives-code-fault")))),
            Err(error) => Err(error.into()),
        }
    });
    match appointing.await? {
        Ok(()) => shown(&person, Faults::default(), Some("representatives-appointed")).await,
        Err(faults) => shown(&person, faults, None).await,
    }
}

/// `POST /representatives/end`
pub(crate) async fn end(form: Fresh<PersonForm>) -> Result<Response, PageError> {
    let Fresh(PersonForm { person, fields }) = form;
    let ended: Id16 = fields.text("id").parse().map_err(|_| PageError::Bad)?;
    let (actor, id) = (person.actor(), person.session.person);
    let ending = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(own(actor, id, Action::Appoint))?;
        Ok(portal.archive().store().end_representative(&permit, id, ended)?)
    });
    ending.await?;
    shown(&person, Faults::default(), Some("representatives-ended-now")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_read_out() {
        let now = "2026-11-22T12:00:00+09:00".parse().expect("a time");
        let agent = Id16::derived(&["agent"]);
        let at = |code: &str, until: &str, share: &str| {
            let fields = Fields::of(&[("code", code), ("until", until), ("share", share)]);
            let read = read(Locale::Korean.texts(), &fields, (Id16([7; 16]), None), now);
            read.map_err(|faults| faults.0.into_iter().map(|fault| fault.field).collect::<Vec<_>>())
        };
        let new = at(&spaced(agent), "2026-12-31", "whole").expect("good");
        assert_eq!((new.agent, new.share), (agent, Share::Whole));
        assert_ne!(
            at(&spaced(agent), "2026-12-31", "").expect("good").share,
            Share::Whole,
            "less where nothing is chosen"
        );
        assert_eq!(at(&spaced(Id16([7; 16])), "2026-12-31", "").expect_err("oneself"), ["code"]);
        assert_eq!(at("x", "2029-12-31", "").expect_err("neither"), ["code", "until"]);
    }
}
