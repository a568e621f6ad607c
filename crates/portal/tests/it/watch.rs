//! Watchfulness in the portal: an attempt becomes a case, a security officer asks, the member of staff answers, and the case is
//! closed; each of it journalled. And the person's own accesses as FHIR AuditEvents.

use crate::browser::{Browser, between};
use crate::site::{Setup, Site};
use base::{Id16, Timestamp};
use policy::{Action, Actor, Assurance, InstitutionCode, Purpose, Request, Role, Target};
use std::time::{Duration, Instant};
use store::{AccessPage, Right};
use synth::passkey::SoftKey;
use watch::{Flag, Watch};

/// How long something may take until it is seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A member of staff with a right, signed in by a passkey; and their account.
pub fn member(site: &Site, name: &str, right: Right) -> (Browser, Id16) {
    let (browser, mut key) = (site.browser(), SoftKey::new(&site.url));
    let invited = site.identity.staff_invite(name, &[right]).expect("a good name");
    let link = format!("/staff/enrol/{}", invited.token.expose());
    let page = browser.get(&link).text();
    let options = between(&page, "data-options=\"", "\"").replace("&#34;", "\"").replace("&quot;", "\"");
    let answer = key.create(&options.replace("&#x22;", "\""));
    browser.post(&link, &[("answer", &answer), ("name", "열쇠")]).leads_to("/staff");
    (browser, invited.account)
}

fn officer(site: &Site) -> (Browser, Id16) {
    member(site, "한지우", Right::Appointed { role: Role::SecurityOfficer, institution: None })
}

fn clinician(site: &Site) -> (Browser, Id16) {
    let institution = InstitutionCode::new(crate::site::CODE);
    member(site, "이서준", Right::Appointed { role: Role::Clinician, institution })
}

/// The watch over a site.
pub fn watch(site: &Site) -> Watch {
    Watch::new(site.world.store().clone(), site.world.archive().shared_door()).expect("a watch")
}

/// A clinician asks for a decoy, and is denied; the watch finds it. Gives the case.
fn a_case(site: &Site, watch: &Watch, clinician: Id16) -> String {
    let decoy = site.world.visitor(&site.kim).account;
    watch.mark(decoy, Flag::Decoy).expect("marked");
    let actor = Actor {
        account: clinician,
        role: Role::Clinician,
        assurance: Assurance::Two,
        name: "이서준".to_owned().into(),
        source: "192.0.2.7".to_owned().into(),
    };
    let purpose = Purpose::Care { ground: Id16([5; 16]) };
    let request = Request { actor, action: Action::ReadRecord, target: Target::Person(decoy), purpose };
    site.world.archive().ask(request).expect_err("no ground");
    let (mut reader, begun) = (watch.reader(), Instant::now());
    loop {
        reader.step().expect("watched");
        if let Some(new) = watch.untold().expect("read").iter().find(|new| new.rule == "decoy") {
            watch.told(new.incident).expect("written");
            return new.incident.to_string();
        }
        assert!(begun.elapsed() < PATIENCE, "no case came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_case_is_asked_about_answered_and_closed_and_all_of_it_is_journalled() {
    let site = Site::new();
    let watch = watch(&site);
    let ((officer, officer_id), (clinician, clinician_id)) = (officer(&site), clinician(&site));
    let case = a_case(&site, &watch, clinician_id);
    let address = format!("/staff/watch/case/{case}");
    officer.get("/staff/watch").says(200, &address).says(200, "미끼");
    officer.get("/staff/watch?which=mine").says(200, "id=\"none\"");
    officer.get("/staff/watch").says(200, "직원 계정이 2개").says(200, "기관이 1곳");
    officer.get("/staff/watch/review/2026-11").says(200, "직원 계정이 2개");
    watch.works_at(officer_id, Some(Id16([1; 16])), None).expect("written");
    officer.get("/staff/watch").says(200, "직원 계정이 1개");
    let page = officer.get(&address);
    page.says(200, "이서준").says(200, "192.0.2.7");
    assert!(!page.text().contains("김하늘"), "whose record it was is a number");
    let csrf = page.csrf();
    let act = |what: &str, more: &[(&str, &str)]| {
        let fields: Vec<(&str, &str)> =
            [("csrf", csrf.as_str()), ("do", what)].into_iter().chain(more.iter().copied()).collect();
        officer.post(&address, &fields)
    };
    act("assign", &[]).leads_to(&address);
    officer.get("/staff/watch?which=mine&rule=decoy&severity=critical").says(200, &address);
    act("ask", &[("text", " ")]).says(422, "ask-text");
    clinician.get("/staff/questions").says(200, "id=\"none\"");
    act("ask", &[("text", "왜 보려고 하셨습니까?")]).leads_to(&address);
    act("note", &[("text", "전화로도 물어봄")]).leads_to(&address);
    let asked = clinician.get("/staff/questions");
    asked.says(200, "왜 보려고 하셨습니까?");
    assert!(!asked.text().contains("전화로도"), "notes of officers are theirs");
    let answer = format!("/staff/questions/{case}");
    let fields = [("csrf", &*asked.csrf()), ("text", "이름이 같은 다른 환자로 알았습니다.")];
    clinician.post(&answer, &fields).leads_to("/staff/questions");
    clinician.post(&answer, &fields).says(422, "questions");
    officer.get(&address).says(200, "이름이 같은 다른 환자");
    act("close", &[("text", "x")]).says(422, "outcome");
    act("close", &[("text", "다른 사람의 기록임"), ("outcome", "breach")]).leads_to(&address);
    officer.get(&address).says(200, "제34조").says(200, "tell-subject");
    act("duty", &[("duty", "tell-subject")]).leads_to(&address);
    act("duty", &[("duty", "made-up")]).says(422, "summary");
    act("ask", &[("text", "다시")]).says(422, "summary");
    officer.get("/staff/watch?which=closed").says(200, &address);

    let own = site.world.own_permit(&site.kim, Action::ReadAccessLog);
    let log = site.world.store().access_log(&own, &AccessPage::default()).expect("the log").entries;
    let by_officer: Vec<String> = log
        .iter()
        .filter(|logged| logged.entry.actor.account == officer_id)
        .flat_map(|logged| logged.entry.what.iter().map(|(kind, _)| kind.clone()))
        .collect();
    for kind in ["access-entry", "case", "case-assign", "case-ask", "case-note", "case-close", "case-duty"] {
        assert!(by_officer.iter().any(|one| one == kind), "{kind} is not in the data subject's log: {by_officer:?}");
    }
}

#[test]
fn only_security_officers_see_cases_and_none_sees_their_own() {
    let site = Site::new();
    let watch = watch(&site);
    let ((officer, officer_id), (clinician, clinician_id)) = (officer(&site), clinician(&site));
    let case = a_case(&site, &watch, clinician_id);
    for path in ["/staff/watch", "/staff/watch/live", "/staff/watch/review", "/staff/questions"] {
        site.browser().get(path).leads_to("/staff/sign-in");
    }
    for path in [
        "/staff/watch".to_owned(),
        "/staff/watch/live".to_owned(),
        "/staff/watch/events".to_owned(),
        format!("/staff/watch/case/{case}"),
        "/staff/watch/review/2026-10".to_owned(),
    ] {
        assert_eq!(clinician.get(&path).status, 403, "{path}");
    }
    let (auditor, _) = member(&site, "정하윤", Right::Appointed { role: Role::Auditor, institution: None });
    for path in ["/staff/watch", "/staff/watch/live", "/staff/watch/events"] {
        assert_eq!(auditor.get(path).status, 200, "{path}");
    }
    let page = auditor.get(&format!("/staff/watch/case/{case}"));
    page.says(200, "192.0.2.7");
    assert!(!page.text().contains("id=\"note-form\""), "an auditor changes nothing");
    let fields = [("csrf", &*page.csrf()), ("do", "assign")];
    assert_eq!(auditor.post(&format!("/staff/watch/case/{case}"), &fields).status, 403);
    officer.get("/staff/watch/case/nonsense").says(404, "");
    officer.get("/staff/watch/case/00000000000000000000000000000000").says(404, "");
    let own = a_case(&site, &watch, officer_id);
    assert_ne!(own, case);
    let page = officer.get(&format!("/staff/watch/case/{own}"));
    assert_eq!(page.status, 403, "{}", page.text());
    officer.get(&format!("/staff/watch/case/{case}")).says(200, &case);
}

#[test]
fn the_live_page_is_told_within_five_seconds() {
    let site = Site::new();
    let watch = watch(&site);
    let ((officer, _), (_, clinician_id)) = (officer(&site), clinician(&site));
    let page = officer.get("/staff/watch/live");
    page.says(200, "id=\"live-list\"");
    assert!(page.header("content-security-policy").contains("script-src 'self'; connect-src 'self'; "));
    let first = officer.get("/staff/watch/events");
    assert_eq!(first.header("content-type"), "text/event-stream; charset=utf-8");
    let begun = Instant::now();
    let case = a_case(&site, &watch, clinician_id);
    let told = officer.get_with("/staff/watch/events", ("last-event-id", "0"));
    assert!(told.text().contains("event: case") && told.text().contains(&case), "{}", told.text());
    assert!(begun.elapsed() < Duration::from_secs(5), "the bar");
    assert!(!told.text().contains("이서준"), "nobody's name");
}

#[test]
fn whose_session_was_ended_is_told_nothing_more() {
    let site = Site::new();
    let (officer, officer_id) = officer(&site);
    let first = officer.get("/staff/watch/events").text();
    let newest = between(&first, "event: at\ndata: ", "\n");
    let (identity, begun) = (site.identity.clone(), Instant::now());
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        identity.revoke_all(officer_id).expect("ended")
    });
    let answer = officer.get_with("/staff/watch/events", ("last-event-id", &newest));
    assert_eq!((ending.join().expect("it ends"), answer.status), (1, 401), "{}", answer.text());
    assert!(begun.elapsed() < Duration::from_secs(5), "at the next look");
}

#[test]
fn a_month_is_reviewed_and_signed_off_once() {
    let site = Site::new();
    let watch = watch(&site);
    let ((officer, _), (_, clinician_id)) = (officer(&site), clinician(&site));
    a_case(&site, &watch, clinician_id);
    officer.get("/staff/watch/review").leads_to("/staff/watch/review/2026-10");
    let now = officer.get("/staff/watch/review/2026-11");
    now.says(200, "진료하는 의료인").says(200, "미끼");
    assert!(!now.text().contains("id=\"sign-form\""), "it is not over");
    let fields = [("csrf", &*now.csrf()), ("note", "")];
    assert_eq!(officer.post("/staff/watch/review/2026-11", &fields).status, 400);
    let before = officer.get("/staff/watch/review/2026-10");
    before.says(200, "id=\"sign-form\"");
    let long = "x".repeat(watch::TEXT_MAX + 1);
    let faulty = [("csrf", &*before.csrf()), ("note", &*long)];
    officer.post("/staff/watch/review/2026-10", &faulty).says(422, "id=\"note-fault\"").says(422, &long);
    let fields = [("csrf", &*before.csrf()), ("note", "이상 없음")];
    officer.post("/staff/watch/review/2026-10", &fields).leads_to("/staff/watch/review/2026-10");
    let signed = officer.get("/staff/watch/review/2026-10");
    signed.says(200, "id=\"signed\"").says(200, "이상 없음");
    assert!(!signed.text().contains("id=\"sign-form\""), "once");
    assert_eq!(officer.post("/staff/watch/review/2026-10", &fields).status, 400);
    assert_eq!(officer.get("/staff/watch/review/x").status, 400);
}

#[test]
fn a_person_gets_their_accesses_as_audit_events() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    browser.get("/access").says(200, "/access/audit-events.ndjson");
    let file = browser.get("/access/audit-events.ndjson");
    assert_eq!((file.status, file.header("content-type")), (200, "application/fhir+ndjson; charset=utf-8"));
    let text = file.text();
    assert!(text.lines().count() >= 1, "{text}");
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["resourceType"], "AuditEvent");
        assert_eq!(event["entity"][0]["role"]["code"], "1");
    }
    site.browser().get("/access/audit-events.ndjson").leads_to("/sign-in?to=%2Faccess%2Faudit-events.ndjson");
}

#[test]
fn a_file_of_accesses_that_does_not_end_says_where_the_next_one_is() {
    let site = Site::with(&Setup { audit_events_max: Some(4), ..Setup::default() });
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    for _ in 0..6 {
        site.world.clock.advance(1);
        browser.get("/records");
    }
    let (mut seen, mut address) = (Vec::new(), "/access/audit-events.ndjson".to_owned());
    let whole = loop {
        let file = browser.get(&address);
        let events: Vec<serde_json::Value> =
            file.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let (outcomes, events): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|one| one["resourceType"] == "OperationOutcome");
        let text = |one: &serde_json::Value, name: &str| one[name].as_str().expect("a text").to_owned();
        let time = |one: &serde_json::Value| text(one, "recorded").parse::<Timestamp>().expect("a time");
        seen.extend(events.iter().map(|one| (time(one), text(one, "id"))));
        let Some(outcome) = outcomes.first() else { break events };
        assert_eq!(events.len(), 4, "{outcome}");
        let told = outcome["issue"][0]["diagnostics"].as_str().expect("a text").to_owned();
        address = between(&told, &site.url, " ");
        assert!(address.starts_with("/access/audit-events.ndjson?page="), "{told}");
        assert!(seen.len() < 100, "it ends");
    };
    assert!(whole.len() <= 4 && seen.len() > 4, "{seen:?}");
    let mut ids: Vec<_> = seen.iter().map(|(_, id)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), seen.len(), "each once");
    assert!(seen.windows(2).all(|two| two[0].0 >= two[1].0), "newest first, from one file to the next");
    // Nobody leaps to where no file before led.
    browser.get("/access/audit-events.ndjson?page=90").says(404, "");
}

#[test]
fn the_file_of_accesses_asks_for_the_second_factor_again() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    browser.get("/records");
    browser.get("/access/audit-events.ndjson").says(200, "AuditEvent");
    site.world.clock.advance(301);
    browser.get("/access/audit-events.ndjson").leads_to("/account/prove?to=%2Faccess%2Faudit-events.ndjson");
    let second = browser.get("/access/audit-events.ndjson?page=2");
    second.leads_to("/account/prove?to=%2Faccess%2Faudit-events.ndjson%3Fpage%3D2");
}

#[test]
fn a_security_officer_marks_records_with_a_reason_and_takes_the_mark_away() {
    let site = Site::new();
    let (officer, _) = officer(&site);
    let (clinician, _) = clinician(&site);
    assert_eq!(clinician.get("/staff/watch/marks").status, 403);
    let page = officer.get("/staff/watch/marks");
    page.says(200, "id=\"none\"");
    let csrf = page.csrf();
    let set = |number: &str, reason: &str| {
        let fields = [
            ("csrf", &*csrf),
            ("flag", "vip"),
            ("institution", crate::site::CODE),
            ("number", number),
            ("reason", reason),
        ];
        officer.post("/staff/watch/marks/set", &fields)
    };
    set("nobody", "언론 보도").says(422, "number-fault").says(422, "value=\"nobody\"").says(422, "value=\"언론 보도\"");
    set("", "언론 보도").says(422, "number-fault");
    let number = "p1";
    set(number, " ").says(422, "reason-fault");
    let marked = set(number, "언론 보도");
    marked.says(200, "id=\"done\"").says(200, "언론 보도");
    let subject = between(&marked.text(), "name=\"subject\" value=\"", "\"");
    assert_eq!(subject, site.world.visitor(&site.kim).account.to_string(), "the person, wherever they are a patient");
    let take = [("csrf", &*csrf), ("flag", "vip"), ("subject", &*subject), ("reason", "관심이 줄어듦")];
    let long = "x".repeat(4_001);
    let faulty = [("csrf", &*csrf), ("flag", "vip"), ("subject", &*subject), ("reason", &*long)];
    officer.post("/staff/watch/marks/take", &faulty).says(422, "href=\"#marks\"").says(422, &long);
    officer.post("/staff/watch/marks/take", &take).says(200, "id=\"none\"").says(200, "관심이 줄어듦");
    officer.post("/staff/watch/marks/take", &take).says(422, "href=\"#marks\"");
}
