//! Who looked at one's records, in plain words, refusals included.

use crate::Portal;
use crate::attempts;
use crate::error::{PageError, page};
use crate::fields::Asked;
use crate::frame::Frame;
use crate::looks::{Look, Seen, Shared, Sitting, sittings};
use crate::pages::records::{item_words, own};
use crate::pages::watch_case::short;
use crate::places;
use crate::texts::{Locale, Texts};
use crate::visitor::Person;
use archive::Accessed;
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use base::{Id16, Redacted, Timestamp};
use jiff::civil::Date;
use policy::{Action, InstitutionCode, Role};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use store::AccessPage;

/// Entries of the log on one page. Many of them are one look, and many looks one sitting.
const ENTRIES: usize = 200;

#[derive(Template)]
#[template(path = "access.html")]
pub(crate) struct AccessListPage {
    frame: Frame,
    days: Vec<Day>,
    /// Address of the entries before these.
    earlier: Option<String>,
    /// Address of the entries after these.
    later: Option<String>,
}

/// A day and who looked on it.
struct Day {
    date: Date,
    label: String,
    sittings: Vec<Told>,
}

/// A sitting in words.
struct Told {
    who: String,
    from: String,
    when: String,
    what: String,
    institutions: Vec<String>,
    why: String,
    /// The number of the ground that it points to.
    ground: Option<String>,
    granted: bool,
    result: String,
    /// What was seen, where there was one look.
    seen: Vec<String>,
    /// Each look, where there were several.
    each: Vec<ToldLook>,
}

/// One look in words.
struct ToldLook {
    time: String,
    seen: Vec<String>,
}

/// The names of institutions by code.
type Names = BTreeMap<String, String>;

impl AccessListPage {
    fn new(frame: Frame, entries: Vec<Accessed>, names: &Names) -> Self {
        let t = frame.t;
        let mut days: Vec<Day> = Vec::new();
        for sitting in sittings(entries) {
            let (date, told) = (sitting.shared.day, Told::new(t, &sitting, names));
            match days.last_mut().filter(|day| day.date == date) {
                Some(day) => day.sittings.push(told),
                None => days.push(Day { date, label: t.weekday(date), sittings: vec![told] }),
            }
        }
        Self { frame, days, earlier: None, later: None }
    }
}

impl Told {
    fn new(t: &'static Texts, sitting: &Sitting, names: &Names) -> Self {
        let shared = &sitting.shared;
        let name = |code: &InstitutionCode| names.get(code.as_str()).cloned().unwrap_or_else(|| code.to_string());
        let each: Vec<ToldLook> = sitting.looks.iter().map(|look| ToldLook::new(t, look)).collect();
        let (seen, each) = match <[ToldLook; 1]>::try_from(each) {
            Ok([only]) => (only.seen, Vec::new()),
            Err(several) => (Vec::new(), several),
        };
        Self {
            who: who(t, shared),
            from: source(t, &shared.source),
            when: when(t, sitting),
            what: word(t, "action", &shared.action),
            institutions: sitting.institutions().into_iter().map(name).collect(),
            why: why(t, shared),
            ground: shared.ground.map(|ground| t.t1("access-ground", "number", short(ground))),
            granted: shared.denied.is_none(),
            result: result(t, shared),
            seen,
            each,
        }
    }
}

impl ToldLook {
    fn new(t: &Texts, look: &Look) -> Self {
        Self { time: t.time(look.time), seen: seen(t, &look.seen) }
    }
}

/// The word for a name that is kept for long. Names of ten years ago may have gone out of use.
pub(crate) fn word(t: &Texts, kind: &str, name: &str) -> String {
    let key = format!("{kind}-{name}");
    if t.has(&key) { t.t(&key) } else { name.to_owned() }
}

fn who(t: &Texts, shared: &Shared) -> String {
    let is_patient = shared.role == Role::Patient.name();
    match (shared.own && is_patient, shared.factors, shared.who.as_str()) {
        // One factor does not say for sure that it was the person.
        (true, 0 | 1, _) => t.t("access-as-you"),
        (true, _, _) => t.t("access-own"),
        (false, 0, name) if !name.is_empty() => word(t, "nobody", name),
        (false, _, "") => word(t, "role", &shared.role),
        (false, _, name) => t.tn("access-by", &[("name", name), ("role", &word(t, "role", &shared.role))]),
    }
}

fn when(t: &Texts, sitting: &Sitting) -> String {
    let (first, last) = sitting.span();
    let (from, to, count) = (t.time(first), t.time(last), sitting.looks.len());
    match (count, from == to) {
        (1, _) => to,
        (_, true) => t.t2("access-times", ("time", to), ("count", count)),
        (_, false) => {
            let count = t.t1("access-count", "count", count);
            t.tn("access-times-between", &[("from", &from), ("to", &to), ("count", &count)])
        }
    }
}

/// Why they said they looked: what somebody says of themselves whom we do not know for sure is not told as if it were so.
fn why(t: &Texts, shared: &Shared) -> String {
    let claimed = format!("purpose-{}-claimed", shared.purpose);
    if shared.denied.is_some() && (!shared.own || shared.factors < 2) && t.has(&claimed) {
        return t.t(&claimed);
    }
    word(t, "purpose", &shared.purpose)
}

fn result(t: &Texts, shared: &Shared) -> String {
    match (shared.denied.as_deref(), shared.factors) {
        (None, _) => t.t("access-granted"),
        (Some("assurance"), 1) => t.t1("access-denied-because", "reason", t.t("denial-second-factor")),
        (Some(reason), _) => t.t1("access-denied-because", "reason", word(t, "denial", reason)),
    }
}

/// Where from, in words where it is no address.
pub(crate) fn source(t: &Texts, source: &str) -> String {
    match source {
        "local" => t.t("source-local"),
        attempts::SEVERAL => t.t("source-several"),
        "unknown" | "" => t.t("source-unknown"),
        address => address.to_owned(),
    }
}

/// What was seen, kinds that people call the same put together.
fn seen(t: &Texts, seen: &[Seen]) -> Vec<String> {
    let mut sums: Vec<(String, u32)> = Vec::new();
    let kinds = seen.iter().flat_map(|seen| seen.what.iter().map(|one| (one, seen.institution.as_ref())));
    for ((kind, count), institution) in kinds {
        let words = item_words(t, kind, institution);
        match sums.iter_mut().find(|(known, _)| *known == words) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => sums.push((words, *count)),
        }
    }
    sums.iter().map(|(what, count)| t.tn("visit-items", &[("what", what), ("count", &count.to_string())])).collect()
}

impl AccessListPage {
    pub fn sample_empty(locale: Locale) -> Self {
        Self::new(Frame::sample(locale, "access-title", "access", "/access", true), Vec::new(), &Names::new())
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "access-title", "access", "/access", true);
        let counts = |list: &[(&str, u32)]| -> Vec<(String, u32)> {
            list.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
        };
        let many = [("Encounter", 12), ("Condition", 9), ("Observation", 148), ("MedicationRequest", 31)];
        let own = |ago_s: i64, action: &str| sample_entry(ago_s, action);
        let other = |ago_s: i64| Accessed {
            who: Redacted::new("이서준".to_owned()),
            is_self: false,
            source: Redacted::new("198.51.100.7".to_owned()),
            denied: Some("not-yours".to_owned()),
            ..own(ago_s, "read-record")
        };
        let entries = vec![
            Accessed { what: counts(&[("access-entry", 7)]), ..own(0, "read-access-log") },
            Accessed { what: counts(&many), ..own(60, "issue") },
            Accessed { what: counts(&many), ..own(120, "read-timeline") },
            Accessed { what: counts(&many[..2]), ..own(180, "read-timeline") },
            Accessed { what: counts(&many[..1]), ..own(900, "read-timeline") },
            Accessed { factors: 1, denied: Some("assurance".to_owned()), ..own(1_000, "read-timeline") },
            other(90_000),
            other(90_030),
            Accessed {
                who: Redacted::new("session-forged".to_owned()),
                factors: 0,
                denied: Some("assurance".to_owned()),
                ..other(90_100)
            },
            Accessed {
                role: "clinician".to_owned(),
                purpose: "care".to_owned(),
                ground: Some(Id16::derived(&["visit"])),
                denied: None,
                what: counts(&many[..2]),
                ..other(200_000)
            },
            Accessed {
                who: Redacted::new("가온내과의원".to_owned()),
                is_self: false,
                role: "depositor".to_owned(),
                source: Redacted::new("local".to_owned()),
                purpose: "custody".to_owned(),
                what: counts(&many),
                ..own(400_000, "deposit")
            },
        ];
        let names = [("31100001".to_owned(), "가온내과의원".to_owned())].into();
        Self { earlier: Some("/access?page=2".to_owned()), ..Self::new(frame, entries, &names) }
    }
}

/// An entry of the person themselves, so many seconds before the samples' present.
pub(crate) fn sample_entry(ago_s: i64, action: &str) -> Accessed {
    Accessed {
        time: Timestamp::from_second(1_795_340_000 - ago_s).unwrap_or(Timestamp::UNIX_EPOCH),
        decision: Id16::derived(&[action, &ago_s.to_string()]),
        who: Redacted::new("김하늘".to_owned()),
        role: "patient".to_owned(),
        factors: 2,
        source: Redacted::new("203.0.113.24".to_owned()),
        is_self: true,
        action: action.to_owned(),
        purpose: "own-records".to_owned(),
        ground: None,
        explanation: String::new(),
        denied: None,
        institution: InstitutionCode::new("31100001"),
        what: Vec::new(),
        leaf: None,
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
    let reading = person.visitor.portal.blocking(move |portal| {
        let permit = portal.archive().ask(request)?;
        let list = portal.archive().accesses(&permit, &AccessPage { limit: ENTRIES, after })?;
        let names = names(portal, &list.entries)?;
        Ok((list, names))
    });
    let (list, names) = reading.await?;
    let earlier = list.next.is_some().then(|| format!("/access?page={}", number + 1));
    let remember = |place: &mut places::Place| places::remember(&mut place.access_pages, number, list.next);
    person.visitor.portal.places().with(person.session.id, remember);
    let later = (number > 1).then(|| format!("/access?page={}", number - 1));
    let shown = AccessListPage::new(person.visitor.frame("access-title", "access"), list.entries, &names);
    page(&AccessListPage { earlier, later, ..shown })
}

/// The names of the institutions in some entries.
fn names(portal: &Portal, entries: &[Accessed]) -> Result<Names, PageError> {
    let codes: BTreeSet<&InstitutionCode> = entries.iter().filter_map(|entry| entry.institution.as_ref()).collect();
    let mut names = Names::new();
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

    fn told(entries: Vec<Accessed>) -> Vec<Told> {
        let frame = Frame::sample(Locale::Korean, "access-title", "access", "/access", true);
        AccessListPage::new(frame, entries, &Names::new()).days.into_iter().flat_map(|day| day.sittings).collect()
    }

    #[test]
    fn words_that_went_out_of_use_are_shown_as_they_are() {
        let old = Accessed { role: "scribe".to_owned(), is_self: false, ..sample_entry(0, "transcribe") };
        let shown = told(vec![Accessed { what: vec![("Chart".to_owned(), 1)], ..old }]);
        assert_eq!((shown[0].who.as_str(), shown[0].what.as_str()), ("김하늘 (scribe)", "transcribe"));
        assert_eq!(shown[0].seen, ["그 밖의 기록 1건"]);
    }

    #[test]
    fn of_a_right_the_role_is_said_and_where_it_is_held() {
        let of = |kind: &str, institution: Option<&str>| Accessed {
            what: vec![(kind.to_owned(), 1)],
            institution: institution.and_then(InstitutionCode::new),
            ..sample_entry(0, "manage-rights")
        };
        let shown = told(vec![
            of("right-given-clinician", Some("31100001")),
            of("right-given-clinician", Some("31100002")),
            of("right-asked-auditor", None),
            of("right-taken-steward", None),
            of("right-given", None),
        ]);
        let expected = [
            "일 맡기기 확인(진료하는 의료인 · 병원 기호 31100001) 1건",
            "일 맡기기 신청(감사 담당자) 1건",
            "맡은 일에서 빼기(데이터 관리자) 1건",
            "일 맡기기 확인(기다리는 신청 없음) 1건",
            "일 맡기기 확인(진료하는 의료인 · 병원 기호 31100002) 1건",
        ];
        let seen: Vec<&str> = shown.iter().flat_map(|told| &told.seen).map(String::as_str).collect();
        for words in expected {
            assert!(seen.contains(&words), "{words} is missing in {seen:?}");
        }
        assert_eq!(seen.len(), expected.len());
    }

    #[test]
    fn several_looks_are_told_with_their_count_and_each_of_them() {
        let shown = told([0, 30, 600].map(|ago_s| sample_entry(ago_s, "read-timeline")).to_vec());
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].when, "오후 6시 23분부터 오후 6시 33분까지 3번");
        let times: Vec<&str> = shown[0].each.iter().map(|look| look.time.as_str()).collect();
        assert_eq!(times, ["오후 6시 33분", "오후 6시 32분", "오후 6시 23분"]);
    }

    #[test]
    fn what_is_no_address_is_said_in_words() {
        let from = ["local", "unknown", attempts::SEVERAL].map(|from| source(Locale::Korean.texts(), from));
        assert_eq!(from, ["한마루 안에서", "접속 주소 모름", "여러 곳"]);
    }

    #[test]
    fn who_did_not_prove_themselves_twice_is_not_called_the_person() {
        let half = Accessed { factors: 1, denied: Some("assurance".to_owned()), ..sample_entry(0, "issue") };
        let nobody =
            Accessed { who: Redacted::new("session-over".to_owned()), is_self: false, factors: 0, ..half.clone() };
        let t = Locale::Korean.texts();
        let shown = told(vec![half, nobody]);
        assert_eq!(shown[0].who, t.t("access-as-you"));
        assert!(shown[0].result.contains(&t.t("denial-second-factor")));
        assert_eq!(shown[1].who, t.t("nobody-session-over"));
        assert!(shown[1].result.contains(&t.t("denial-assurance")));
    }
}
