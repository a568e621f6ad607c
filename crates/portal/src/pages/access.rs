//! Who looked at one's records, in plain words, refusals included.

use crate::Portal;
use crate::error::{PageError, page};
use crate::fields::Asked;
use crate::frame::Frame;
use crate::pages::records::{item_key, own};
use crate::places;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use archive::Accessed;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use base::Timestamp;
use policy::{Action, InstitutionCode, Role};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use store::AccessPage;

/// Entries on one page.
const ENTRIES: usize = 50;
/// Entries of the same kind closer together than this are told as one look.
const ONE_LOOK_S: i64 = 10;

#[derive(Template)]
#[template(path = "access.html")]
pub(crate) struct AccessListPage {
    frame: Frame,
    entries: Vec<Entry>,
    /// Address of the entries before these.
    earlier: Option<String>,
    /// Address of the entries after these.
    later: Option<String>,
}

/// One attempt to look.
struct Entry {
    when: String,
    who: String,
    what: String,
    /// Kinds of things and how many.
    seen: Vec<String>,
    institution: Option<String>,
    why: String,
    from: String,
    granted: bool,
    result: String,
}

/// Plain data of an entry.
struct Told<'a> {
    time: Timestamp,
    own: bool,
    role: &'a str,
    name: &'a str,
    source: &'a str,
    action: &'a str,
    purpose: &'a str,
    denied: Option<&'a str>,
    institution: Option<&'a str>,
    what: &'a [(String, u32)],
}

impl Entry {
    fn new(t: &'static Texts, told: &Told<'_>) -> Self {
        let word = |kind: &str, name: &str| {
            let key = format!("{kind}-{name}");
            // Names of ten years ago may have gone out of use.
            if t.has(&key) { t.t(&key) } else { name.to_owned() }
        };
        let role = word("role", told.role);
        let who = match (told.own, told.name) {
            (true, _) => t.t("access-own"),
            (false, "") => role,
            (false, name) => t.tn("access-by", &[("name", name), ("role", &role)]),
        };
        let result = match told.denied {
            None => t.t("access-granted"),
            Some(reason) => t.tn("access-denied-because", &[("reason", &word("denial", reason))]),
        };
        Self {
            when: t.moment(told.time),
            who,
            what: word("action", told.action),
            seen: seen(t, told.what),
            institution: told.institution.map(ToOwned::to_owned),
            why: word("purpose", told.purpose),
            from: source(t, told.source),
            granted: told.denied.is_none(),
            result,
        }
    }
}

/// Where from, in words where it is no address.
fn source(t: &Texts, source: &str) -> String {
    match source {
        "local" => t.t("source-local"),
        "unknown" | "" => t.t("source-unknown"),
        address => address.to_owned(),
    }
}

/// What was seen, kinds that people call the same put together.
fn seen(t: &Texts, what: &[(String, u32)]) -> Vec<String> {
    let mut sums: Vec<(&'static str, u32)> = Vec::new();
    for (kind, count) in what {
        let key = item_key(kind);
        match sums.iter_mut().find(|(known, _)| *known == key) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => sums.push((key, *count)),
        }
    }
    sums.iter().map(|(key, count)| t.tn("visit-items", &[("what", &t.t(key)), ("count", &count.to_string())])).collect()
}

impl AccessListPage {
    pub fn sample_empty(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "access-title", "access", "/access", true);
        Self { frame, entries: Vec::new(), earlier: None, later: None }
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "access-title", "access", "/access", true);
        let moment = |seconds: i64| Timestamp::from_second(1_795_340_000 - seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let counts = |list: &[(&str, u32)]| -> Vec<(String, u32)> {
            list.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
        };
        let many = counts(&[("Encounter", 12), ("Condition", 9), ("Observation", 148), ("MedicationRequest", 31)]);
        let own = Told {
            time: moment(0),
            own: true,
            role: "patient",
            name: "김하늘",
            source: "203.0.113.24",
            action: "issue",
            purpose: "own-records",
            denied: None,
            institution: Some("가온내과의원"),
            what: &many,
        };
        let told = [
            Told { time: moment(40), action: "read-timeline", what: &counts(&[("Encounter", 12)]), ..own },
            Told { ..own },
            Told {
                time: moment(90_000),
                own: false,
                name: "이서준",
                source: "198.51.100.7",
                action: "read-record",
                denied: Some("not-yours"),
                what: &[],
                ..own
            },
            Told {
                time: moment(400_000),
                own: false,
                role: "depositor",
                name: "가온내과의원",
                source: "local",
                action: "deposit",
                purpose: "custody",
                ..own
            },
        ];
        let entries = told.iter().map(|told| Entry::new(frame.t, told)).collect();
        Self { frame, entries, earlier: Some("/access?page=2".to_owned()), later: None }
    }
}

/// Which page of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Numbered {
    #[serde(default = "first")]
    pub page: usize,
}

const fn first() -> usize {
    1
}

impl Default for Numbered {
    fn default() -> Self {
        Self { page: first() }
    }
}

/// `GET /access?page=`
pub(crate) async fn show(person: Person, numbered: Asked<Numbered>) -> Result<Response, PageError> {
    let Query(numbered) = numbered.unwrap_or_default();
    let pages = person.visitor.portal.places().of(person.session.id).access_pages;
    let after = places::beginning(&pages, numbered.page);
    let number = if after.is_some() { numbered.page } else { 1 };
    let request = own(person.actor(), person.session.person, Action::ReadAccessLog);
    let t = person.visitor.t();
    let reading = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(request)?;
        let list = portal.archive().accesses(&permit, &AccessPage { limit: ENTRIES, after })?;
        let names = names(portal, &list.entries)?;
        let entries: Vec<Entry> =
            together(list.entries).iter().map(|entry| Entry::new(t, &told(entry, &names))).collect();
        Ok((entries, list.next))
    });
    let (entries, next) = reading.await?;
    let earlier = next.is_some().then(|| format!("/access?page={}", number + 1));
    person
        .visitor
        .portal
        .places()
        .with(person.session.id, |place| places::remember(&mut place.access_pages, number, next));
    let later = (number > 1).then(|| format!("/access?page={}", number - 1));
    page(&AccessListPage { frame: person.visitor.frame("access-title", "access"), entries, earlier, later })
}

/// Puts together what was one look to whoever looked: a page of the timeline is found first and read then, which are two
/// entries in the log. Kinds keep the larger of their counts, since both entries count the same records.
fn together(entries: Vec<Accessed>) -> Vec<Accessed> {
    let mut looks: Vec<Accessed> = Vec::with_capacity(entries.len());
    for entry in entries {
        match looks.last_mut().filter(|look| is_same_look(look, &entry)) {
            Some(look) => {
                for (kind, count) in entry.what {
                    match look.what.iter_mut().find(|(known, _)| *known == kind) {
                        Some((_, most)) => *most = (*most).max(count),
                        None => look.what.push((kind, count)),
                    }
                }
            }
            None => looks.push(entry),
        }
    }
    looks
}

fn is_same_look(newer: &Accessed, older: &Accessed) -> bool {
    let within = newer.time.duration_since(older.time).as_secs() < ONE_LOOK_S;
    let told = |one: &Accessed| {
        let who = (one.who.expose().clone(), one.role.clone(), one.source.expose().clone(), one.is_self);
        (who, one.action.clone(), one.purpose.clone(), one.denied.clone(), one.institution.clone())
    };
    within && told(newer) == told(older)
}

fn told<'a>(accessed: &'a Accessed, names: &'a BTreeMap<String, String>) -> Told<'a> {
    let institution = accessed.institution.as_ref().map(InstitutionCode::as_str);
    Told {
        time: accessed.time,
        own: accessed.is_self && accessed.role == Role::Patient.name(),
        role: &accessed.role,
        name: accessed.who.expose(),
        source: accessed.source.expose(),
        action: &accessed.action,
        purpose: &accessed.purpose,
        denied: accessed.denied.as_deref(),
        institution: institution.map(|code| names.get(code).map_or(code, String::as_str)),
        what: &accessed.what,
    }
}

/// The names of the institutions in some entries.
fn names(portal: &Portal, entries: &[Accessed]) -> Result<BTreeMap<String, String>, PageError> {
    let codes: BTreeSet<&InstitutionCode> = entries.iter().filter_map(|entry| entry.institution.as_ref()).collect();
    let mut names = BTreeMap::new();
    for code in codes {
        if let Some(institution) = portal.archive().institution(code)? {
            names.insert(code.to_string(), institution.name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Redacted;

    fn entry(second: i64, action: &str, what: &[(&str, u32)]) -> Accessed {
        Accessed {
            time: Timestamp::from_second(1_800_000_000 + second).expect("2027"),
            who: Redacted::new("김하늘".to_owned()),
            role: "patient".to_owned(),
            source: Redacted::new("192.0.2.1".to_owned()),
            is_self: true,
            action: action.to_owned(),
            purpose: "own-records".to_owned(),
            explanation: String::new(),
            denied: None,
            institution: None,
            what: what.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            leaf: None,
        }
    }

    #[test]
    fn one_look_is_told_once_and_no_other_is_hidden() {
        let looks = together(vec![
            entry(30, "read-timeline", &[("Encounter", 2), ("Condition", 1)]),
            entry(29, "read-timeline", &[("Encounter", 2), ("Observation", 7)]),
            entry(28, "issue", &[("Encounter", 2)]),
            entry(2, "issue", &[("Encounter", 2)]),
            Accessed { denied: Some("not-yours".to_owned()), ..entry(1, "issue", &[]) },
            Accessed { who: Redacted::new("이바다".to_owned()), is_self: false, ..entry(0, "issue", &[]) },
        ]);
        assert_eq!(looks.len(), 5);
        let what: Vec<(&str, u32)> = looks[0].what.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(what, [("Encounter", 2), ("Condition", 1), ("Observation", 7)]);
    }

    #[test]
    fn words_that_went_out_of_use_are_shown_as_they_are() {
        let old = Accessed { role: "scribe".to_owned(), is_self: false, ..entry(0, "transcribe", &[("Chart", 1)]) };
        let shown = Entry::new(Locale::Korean.texts(), &told(&old, &BTreeMap::new()));
        assert_eq!((shown.who.as_str(), shown.what.as_str()), ("김하늘 (scribe)", "transcribe"));
        assert_eq!(shown.seen, ["그 밖의 기록 1건"]);
    }
}
